#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use super::*;
use crate::verify::identity::{POSTGRES_EPOCH, timestamp};
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
    Settled { memberships, org: Some([7; 16]), external_id: Some("42".into()), workspace: None }
}

fn sample() -> Identity {
    Identity {
        kind: Kind::Jwt,
        user_id: Some("7d1f3a52-0000-4000-8000-000000000001".into()),
        issuer: Some("https://issuer.example".into()),
        role: Some("authenticated".into()),
        email: None,
        email_verified: true,
        place: place(),
        environment: "live".into(),
        scopes: vec![],
        session_id: None,
        actor: Some("admin".into()),
        key_id: None,
        tables: None,
        expires_at: Some(timestamp(1_900_000_000)),
        valid_until: timestamp(1_900_000_030),
        payload: Some(br#"{"sub":"x"}"#.to_vec()),
    }
}

#[test]
fn what_is_written_is_read_back() {
    let bytes = encode(&sample()).unwrap();
    let view = View::check(&bytes).unwrap();
    assert_eq!(view.kind(), Kind::Jwt);
    assert_eq!(view.org(), Some(&[7; 16]));
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
    assert_eq!(view.workspace_role(&[3; 16]).unwrap().name(), Some("editor"));
    assert_eq!(view.orgs_where(|role| role.permissions().any(|name| name == "invoices.read")), [[7; 16]]);
    assert_eq!(view.scopes().count(), 0);
    assert_eq!(view.bytes(Text::Payload), Some(&br#"{"sub":"x"}"#[..]));
    assert_eq!(view.text(Text::ExternalOrg), Some("42"));
    assert_eq!(view.expires_at(), Some((1_900_000_000 - POSTGRES_EPOCH) * 1_000_000));
    assert_eq!(view.valid_until(), (1_900_000_030 - POSTGRES_EPOCH) * 1_000_000);
}

#[test]
fn an_api_key_is_written_and_read_back() {
    let identity = Identity {
        kind: Kind::ApiKey,
        issuer: None,
        key_id: Some([5; 16]),
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

#[test]
fn an_identity_moves_to_its_other_organization_and_the_only_workspace_there() {
    let bytes = encode(&sample()).unwrap();
    let moved = moved_to(View::new(&bytes), &[9; 16], None).unwrap();
    let view = View::check(&moved).unwrap();
    assert_eq!((view.org(), view.workspace()), (Some(&[9; 16]), Some(&[3; 16])));
    assert!(view.current_role().is_none() && view.text(Text::ExternalOrg).is_none());
    let renamed = moved_to(view, &[7; 16], Some("a longer one")).unwrap();
    assert_eq!(View::check(&renamed).unwrap().text(Text::ExternalOrg), Some("a longer one"));
    let back = moved_to(View::new(&renamed), &[7; 16], Some("42")).unwrap();
    assert_eq!(back, bytes);
    assert!(moved_to(view, &[8; 16], None).is_none());
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
    let bytes = encode(&Identity { kind: Kind::Service, ..sample() }).unwrap();
    assert_eq!(View::check(&bytes).unwrap().kind(), Kind::Service);
}

#[test]
fn a_shortened_a_lengthened_or_a_foreign_version_is_refused() {
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
        let _ = (view.current_role().map(|role| role.permissions().count()), view.orgs_where(|_| true), moved_to(view, &[0; 16], None));
        let _ = View::check(&bytes);
    }
}
