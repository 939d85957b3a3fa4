#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use super::*;
use crate::verify::identity::{POSTGRES_EPOCH, Said, timestamp};
use crate::verify::membership::{OrgGrant, Settled, WorkspaceGrant};
use proptest::prelude::*;

fn place() -> Settled {
    let mut memberships = Memberships::default();
    let role = memberships.add_role(Role {
        name: Some("".into()),
        permissions: vec!["invoices.read".into(), "ünïcode".into()],
    });
    let editor = memberships.add_role(Role { name: Some("editor".into()), permissions: vec![] });
    memberships.orgs = vec![OrgGrant { id: [7; 16], role }, OrgGrant { id: [9; 16], role: None }];
    memberships.workspaces = vec![
        WorkspaceGrant { id: [3; 16], org: Some([9; 16]), role: editor },
        WorkspaceGrant { id: [4; 16], org: None, role: None },
    ];
    let external_id = Some("42".into());
    Settled { memberships, org: Some([7; 16]), external_id, ..Settled::default() }
}

fn said(kind: Kind) -> Said {
    Said {
        kind,
        user_id: Some("7d1f3a52-0000-4000-8000-000000000001".into()),
        role: Some("authenticated".into()),
        email: None,
        email_verified: true,
        environment: "live".into(),
        scopes: vec![],
        session_id: None,
        actor: Some("admin".into()),
    }
}

fn sample() -> Identity {
    Identity {
        said: said(Kind::Jwt),
        issuer: Some("https://issuer.example".into()),
        place: place(),
        key_id: None,
        signing_key: Some([6; 16]),
        token_type: Some("at+jwt".into()),
        tables: None,
        expires_at: Some(timestamp(1_900_000_000)),
        valid_until: timestamp(1_900_000_030),
        from_ticket: false,
        payload: Some(br#"{"sub":"x"}"#.to_vec()),
    }
}

fn has(held: Held<'_>, permission: &str) -> bool {
    matches!(held, Held::Carried(role) if role.permissions().any(|name| name == permission))
}

#[test]
fn what_is_written_is_read_back() {
    let bytes = encode(&sample()).unwrap();
    let view = View::check(&bytes).unwrap();
    assert_eq!(view.kind(), Kind::Jwt);
    assert_eq!(view.org(), Some(&[7; 16]));
    assert_eq!(view.signing_key(), Some(&[6; 16]));
    assert_eq!(view.text(Text::TokenType), Some("at+jwt"));
    assert_eq!(view.workspace(), None);
    assert_eq!(view.uid().unwrap()[15], 1);
    assert_eq!(view.orgs(), [[7; 16], [9; 16]]);
    assert_eq!(view.workspaces(), [[3; 16], [4; 16]]);
    assert_eq!(view.text(Text::Issuer), Some("https://issuer.example"));
    assert_eq!(view.text(Text::Email), None);
    assert_eq!(view.current_role().unwrap().name(), Some(""));
    assert!(view.email_verified());
    assert_eq!(view.text(Text::Actor), Some("admin"));
    let permissions: Vec<_> = view.current_role().unwrap().permissions().collect();
    assert_eq!(permissions, ["invoices.read", "ünïcode"]);
    assert!(view.org_role(&[9; 16]).is_none() && view.org_role(&[8; 16]).is_none());
    assert_eq!(view.orgs_where(|held| has(held, "invoices.read")), [[7; 16]]);
    assert_eq!(view.scopes().count(), 0);
    assert_eq!(view.bytes(Text::Payload), Some(&br#"{"sub":"x"}"#[..]));
    assert_eq!(view.text(Text::ExternalOrg), Some("42"));
    assert_eq!(view.expires_at(), Some((1_900_000_000 - POSTGRES_EPOCH) * 1_000_000));
    assert_eq!(view.valid_until(), (1_900_000_030 - POSTGRES_EPOCH) * 1_000_000);
}

#[test]
fn an_api_key_is_written_and_read_back() {
    let identity = Identity {
        said: said(Kind::ApiKey),
        issuer: None,
        key_id: Some([5; 16]),
        signing_key: None,
        token_type: None,
        tables: Some(vec![16384, 4_000_000_000]),
        expires_at: None,
        valid_until: i64::MAX,
        payload: None,
        ..sample()
    };
    let bytes = encode(&identity).unwrap();
    let view = View::check(&bytes).unwrap();
    assert_eq!((view.kind(), view.key(), view.expires_at()), (Kind::ApiKey, Some(&[5; 16]), None));
    assert_eq!((view.text(Text::Issuer), view.text(Text::Payload)), (None, None));
    assert!(view.allows_table(16384) && view.allows_table(4_000_000_000) && !view.allows_table(1638));
    let none = encode(&Identity { tables: Some(vec![]), ..identity }).unwrap();
    assert!(!View::check(&none).unwrap().allows_table(16384));
    let token = encode(&sample()).unwrap();
    let view = View::check(&token).unwrap();
    assert!(view.key().is_none() && view.allows_table(16384));
}

/// Moves to an organization with these answers to what has to be looked up.
fn moved_with(
    view: View<'_>,
    org: [u8; 16],
    external_id: Option<&str>,
    role: Option<Role>,
) -> Option<Vec<u8>> {
    let to = move_to(view, &org)?;
    let read = |wanted: Option<StoredRole>| wanted.and(role.clone());
    let (org_role, workspace_role) = (read(to.org_role), read(to.workspace_role));
    let current = Current { external_id: external_id.map(str::to_owned), org_role, workspace_role };
    moved(view, &to, &current)
}

#[test]
fn an_identity_moves_to_its_other_organization_and_the_only_workspace_there() {
    let bytes = encode(&sample()).unwrap();
    let there = moved_with(View::new(&bytes), [9; 16], None, None).unwrap();
    let view = View::check(&there).unwrap();
    assert_eq!((view.org(), view.workspace()), (Some(&[9; 16]), Some(&[3; 16])));
    assert_eq!(view.current_workspace_role().unwrap().name(), Some("editor"));
    assert!(view.current_role().is_none() && view.text(Text::ExternalOrg).is_none());
    let renamed = moved_with(view, [7; 16], Some("a longer one"), None).unwrap();
    assert_eq!(View::check(&renamed).unwrap().text(Text::ExternalOrg), Some("a longer one"));
    let back = moved_with(View::new(&renamed), [7; 16], Some("42"), None).unwrap();
    assert_eq!(back, bytes);
    assert!(move_to(view, &[8; 16]).is_none());
}

/// The roles 1, 2 and 3 of organizations 7, 8 and 9 are not carried, nor is 3 in workspace 3 of organization 9; 7 is
/// current.
fn sample_stored() -> Identity {
    let mut memberships = Memberships::default();
    let [one, two, three] = [1, 2, 3].map(|number| {
        memberships.add_role(HeldRole::Stored(StoredRole { id: [number; 16], version: [number + 10; 16] }))
    });
    memberships.orgs = [(7, one), (8, two), (9, three), (10, one)]
        .map(|(id, role)| OrgGrant { id: [id; 16], role })
        .to_vec();
    memberships.workspaces = vec![WorkspaceGrant { id: [3; 16], org: Some([9; 16]), role: three }];
    let org_role = Some(Role { name: Some("one".into()), permissions: vec!["a".into(), "b".into()] });
    let place = Settled { memberships, org: Some([7; 16]), org_role, ..Settled::default() };
    Identity { place, ..sample() }
}

#[test]
fn roles_are_carried_for_the_current_organization_and_left_where_they_are_stored_for_others() {
    let bytes = encode(&sample_stored()).unwrap();
    let view = View::check(&bytes).unwrap();
    assert_eq!(view.current_role().unwrap().permissions().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(view.current_role().unwrap().name(), Some("one"));
    // The same role elsewhere is the same role.
    assert!(matches!(view.org_role(&[10; 16]), Some(Held::Carried(_))));
    let stored = |held: Option<Held<'_>>| held.and_then(Held::stored);
    assert_eq!(stored(view.org_role(&[9; 16])), Some(StoredRole { id: [3; 16], version: [13; 16] }));
    assert_eq!(view.orgs_where(|held| stored(Some(held)).is_some()), [[8; 16], [9; 16]]);
    let role = Role { name: Some("three".into()), permissions: vec!["c".into()] };
    let there = moved_with(view, [9; 16], None, Some(role)).unwrap();
    let there = View::check(&there).unwrap();
    assert_eq!(there.current_role().unwrap().permissions().collect::<Vec<_>>(), ["c"]);
    assert_eq!(there.current_workspace_role().unwrap().name(), Some("three"));
    // What was current is so no longer, and takes no room.
    assert!(stored(there.org_role(&[7; 16])).is_some() && stored(there.org_role(&[10; 16])).is_some());
    let one = Role { name: Some("one".into()), permissions: vec!["a".into(), "b".into()] };
    assert_eq!(moved_with(there, [7; 16], None, Some(one)).unwrap(), bytes);
}

#[test]
fn a_role_that_was_changed_before_the_identity_moved_there_permits_nothing() {
    let bytes = encode(&sample_stored()).unwrap();
    let there = moved_with(View::new(&bytes), [9; 16], None, None).unwrap();
    let view = View::check(&there).unwrap();
    assert!(view.org() == Some(&[9; 16]) && view.current_role().is_none());
    assert!(view.current_workspace_role().is_none());
}

#[test]
fn a_current_role_that_the_list_carries_too_is_refused() {
    let mut identity = sample();
    identity.place.org_role = Some(Role::default());
    assert!(View::check(&encode(&identity).unwrap()).is_none());
    identity.place.org_role = None;
    identity.place.workspace_role = Some(Role::default());
    assert!(View::check(&encode(&identity).unwrap()).is_none());
}

#[test]
fn an_index_that_points_nowhere_is_refused() {
    let bytes = encode(&sample()).unwrap();
    let roles = HEAD + 4 * 16;
    for (at, wrong) in [(roles, 2u8), (roles + 6, 9), (roles + 8, 2)] {
        let mut damaged = bytes.clone();
        assert_ne!(damaged[at], wrong);
        damaged[at] = wrong;
        damaged[at + 1] = 0;
        assert!(View::check(&damaged).is_none(), "byte {at}");
    }
}

#[test]
fn a_service_identity_is_told_apart() {
    let bytes = encode(&Identity { said: said(Kind::Service), ..sample() }).unwrap();
    assert_eq!(View::check(&bytes).unwrap().kind(), Kind::Service);
}

#[test]
fn a_shortened_a_lengthened_or_a_foreign_version_is_refused() {
    let bytes = encode(&sample_stored()).unwrap();
    for end in 0..bytes.len() {
        assert!(View::check(&bytes[..end]).is_none(), "{end} bytes");
    }
    let bytes = encode(&sample()).unwrap();
    for end in 0..bytes.len() {
        assert!(View::check(&bytes[..end]).is_none(), "{end} bytes");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(View::check(&longer).is_none());
    let mut newer = bytes;
    newer[0] += 1;
    assert!(View::check(&newer).is_none());
}

#[test]
fn a_time_beyond_the_calendar_is_infinity() {
    for seconds in [u64::MAX, 1 << 53, i64::MAX as u64] {
        assert_eq!(timestamp(seconds), i64::MAX, "{seconds}");
    }
    assert_eq!(timestamp(0), -POSTGRES_EPOCH * 1_000_000);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), good in any::<bool>()) {
        if good && bytes.len() > 4 { bytes[..4].copy_from_slice(&VERSION.to_le_bytes()); }
        let view = View::new(&bytes);
        let _ = (view.org(), view.orgs().len(), view.workspaces().len(), view.uid(), view.valid_until());
        for which in TEXTS { let _ = view.text(which); }
        let _ = (view.current_role().map(|role| role.permissions().count()), view.orgs_where(|_| true), view.current_workspace_role().is_some());
        for org in view.orgs().iter().take(3).copied().chain([[0; 16]]) { let _ = moved_with(view, org, None, None); }
        let _ = View::check(&bytes);
    }

    /// Whatever one byte becomes, what is accepted reads without a panic, and moves.
    #[test]
    fn a_changed_byte_never_panics(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&sample_stored()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let view = View::new(&bytes);
        let _ = (view.current_role().map(|role| role.permissions().count()), view.orgs_where(|held| has(held, "a")));
        if let Some(view) = View::check(&bytes) {
            for org in view.orgs() {
                let there = moved_with(view, *org, Some("x"), Some(Role::default()));
                prop_assert!(there.is_none_or(|bytes| View::check(&bytes).is_some()));
            }
        }
    }
}
