//! Which organization a token acts in, from its claims and from what the tables say.

use super::super::identity::{ClaimPaths, Identity, Profile, Said, Uuid, uuid};
use super::super::membership::{
    Directory, HeldRole, KnownOrg, KnownWorkspace, Memberships, OrgGrant, OrgName, Role, Settled, StoredRole,
    WorkspaceGrant, settle, settle_key,
};
use super::*;
use proptest::prelude::*;
use std::convert::Infallible;

const A: &str = "0a000000-0000-4000-8000-00000000000a";
const B: &str = "0b000000-0000-4000-8000-00000000000b";
const DISABLED: &str = "0d000000-0000-4000-8000-00000000000d";
const W: &str = "0e000000-0000-4000-8000-00000000000a";
const KNOWN: &str = "0e000000-0000-4000-8000-00000000000b";
const CLOSED: &str = "0e000000-0000-4000-8000-00000000000c";
const X: &str = "0f000000-0000-4000-8000-00000000000b";

fn id(text: &str) -> Uuid {
    uuid(text).unwrap()
}

fn profile(believed: bool) -> Profile {
    let path = |name: &str| vec![name.to_owned()];
    Profile {
        paths: ClaimPaths {
            org: path("org"),
            workspace: path("workspace"),
            role: path("role"),
            org_role: path("org_role"),
            permissions: path("permissions"),
            scopes: path("scope"),
            email: path("email"),
            email_verified: path("email_verified"),
        },
        memberships_from_claims: believed,
        environment: "live".into(),
        ..Profile::default()
    }
}

/// A user with the role of its name in each of these organizations, and workspaces in some.
fn held(orgs: &[&str], workspaces: &[(&str, &str)]) -> Memberships {
    let mut held = Memberships::default();
    for org in orgs {
        let role =
            held.add_role(Role { name: Some(format!("role in {org}")), permissions: vec!["a".into()] });
        held.orgs.push(OrgGrant { id: id(org), role });
    }
    let workspace = |(workspace, org): &(&str, &str)| WorkspaceGrant {
        id: id(workspace),
        org: Some(id(org)),
        role: None,
    };
    held.workspaces = workspaces.iter().map(workspace).collect();
    held.sort();
    held
}

/// There are rows for A, which another system calls 42, for B, for one that is disabled, and for the workspaces
/// KNOWN of B and CLOSED of A, which is disabled.
struct Rows;

impl Directory for Rows {
    type Error = Infallible;

    fn organization(&self, name: &OrgName) -> Result<Option<KnownOrg>, Infallible> {
        find(name)
    }

    fn workspace(&self, wanted: Uuid) -> Result<Option<KnownWorkspace>, Infallible> {
        let rows = [(KNOWN, B, false), (CLOSED, A, true)];
        let found = rows.into_iter().find(|(workspace, _, _)| id(workspace) == wanted);
        Ok(found.map(|(_, org, disabled)| KnownWorkspace { org: id(org), disabled }))
    }

    fn role(&self, role: StoredRole) -> Result<Option<Role>, Infallible> {
        assert!(READ.contains(&role.id), "a role was read that is not current");
        Ok((role.version == role.id).then(|| stored_role(role)))
    }
}

/// Roles with these ids are current ones in the tests below.
const READ: [Uuid; 2] = [[1; 16], [2; 16]];

fn stored_role(role: StoredRole) -> Role {
    let name = format!("stored {}", role.id[0]);
    Role { permissions: vec![format!("{name}.read"), format!("{name}.write")], name: Some(name) }
}

fn find(name: &OrgName) -> Result<Option<KnownOrg>, Infallible> {
    let known = |text| KnownOrg {
        id: id(text),
        disabled: text == DISABLED,
        external_id: (text == A).then(|| "42".to_owned()),
    };
    Ok(match name {
        OrgName::Id(wanted) => [A, B, DISABLED].into_iter().find(|text| id(text) == *wanted).map(known),
        OrgName::External(name) => match name.as_str() {
            "42" => Some(known(A)),
            "gone" => Some(known(DISABLED)),
            _ => None,
        },
    })
}

/// What becomes of a token with these claims.
fn settled(claims: &str, profile: &Profile, held: Memberships) -> (Settled, Identity) {
    let members =
        format!(r#"{{"iss":"https://issuer.example","aud":"api","sub":"someone","exp":1800000600{claims}}}"#);
    let text = token(HEADER, &members);
    let parsed = Token::parse(text.as_bytes()).unwrap();
    let keys = [secret_key(Algorithm::HS256, SECRET)];
    let claims = jwt::verify(parsed, &rules(), &keys, None, NOW, &mut SignatureMemory::new()).unwrap();
    let Ok(place) = settle(&claims, profile, held, &Rows);
    (place.clone(), Identity::from_claims(&claims, Said::of(claims.claims(), profile), place))
}

fn org(claims: &str, believed: bool, orgs: &[&str]) -> Option<Uuid> {
    settled(claims, &profile(believed), held(orgs, &[])).0.org
}

#[test]
fn a_claim_chooses_among_memberships_and_never_another_one() {
    for (claim, orgs, expected) in [
        ("", &[][..], None),
        ("", &[A], Some(A)),
        ("", &[A, B], None),
        (r#","org":null"#, &[A], Some(A)),
        (r#","org":"ORG""#, &[A], None),
        (r#","org":"A""#, &[A, B], Some(A)),
        (r#","org":"A""#, &[B], None),
        (r#","org":"A""#, &[], None),
        (r#","org":["A"]"#, &[A, B], Some(A)),
        (r#","org":["A","A"]"#, &[A, B], Some(A)),
        (r#","org":["A","B"]"#, &[A, B], None),
        (r#","org":["A","B"]"#, &[A], None),
        (r#","org":[]"#, &[A], None),
        (r#","org":["A",{}]"#, &[A], None),
        (r#","org":["A",1.5,null]"#, &[A], None),
        (r#","org":{}"#, &[A], None),
        (r#","org":true"#, &[A], None),
        (r#","org":"""#, &[A], None),
        (r#","org":"42""#, &[A, B], Some(A)),
        (r#","org":42"#, &[A, B], Some(A)),
        (r#","org":42.0"#, &[A, B], None),
        (r#","org":"42""#, &[B], None),
        (r#","org":"43""#, &[A], None),
        (r#","org":"gone""#, &[A], None),
    ] {
        let claim = claim.replace("\"A\"", &format!("\"{A}\"")).replace("\"B\"", &format!("\"{B}\""));
        assert_eq!(org(&claim, false, orgs), expected.map(id), "{claim} with {orgs:?}");
    }
}

#[test]
fn claims_count_without_a_row_only_where_the_issuer_is_believed() {
    let claims = format!(r#","org":"{B}","org_role":"boss","permissions":["p"],"workspace":"{W}""#);
    let (place, _) = settled(&claims, &profile(true), held(&[A], &[]));
    assert_eq!((place.org, place.workspace), (Some(id(B)), Some(id(W))));
    assert_eq!(place.memberships.orgs.len(), 2);
    let role = place.memberships.orgs[1].role.unwrap();
    let HeldRole::Whole(role) = &place.memberships.roles[usize::from(role)] else {
        panic!("left where it is")
    };
    assert_eq!(role.name.as_deref(), Some("boss"));

    let (place, _) = settled(&claims, &profile(false), held(&[A], &[]));
    assert_eq!((place.org, place.workspace), (None, None));
    assert_eq!(place.memberships.orgs.len(), 1);
    assert!(place.memberships.workspaces.is_empty());
}

#[test]
fn a_claimed_workspace_that_there_is_a_row_for_is_where_the_row_says() {
    let workspace = |org: &str, workspace: &str| {
        let claims = format!(r#","org":"{org}","workspace":"{workspace}""#);
        let place = settled(&claims, &profile(true), Memberships::default()).0;
        (place.workspace, place.memberships.workspaces.len())
    };
    assert_eq!(workspace(B, KNOWN), (Some(id(KNOWN)), 1));
    assert_eq!(workspace(A, KNOWN), (None, 0));
    assert_eq!(workspace(A, CLOSED), (None, 0));
}

#[test]
fn t111_a_row_counts_before_the_role_that_a_claim_says() {
    let claims = format!(r#","org":"{A}","org_role":"owner","permissions":["*"]"#);
    for believed in [true, false] {
        let (place, _) = settled(&claims, &profile(believed), held(&[A], &[]));
        let role = place.memberships.orgs[0].role.unwrap();
        let expected = Role { name: Some(format!("role in {A}")), permissions: vec!["a".into()] };
        assert_eq!(place.memberships.roles[usize::from(role)], expected.into(), "{believed}");
    }
}

/// A member of A, with role 1 there and role 2 in its workspace W, and of B with role 3, all left where they are stored.
fn held_stored() -> Memberships {
    let mut held = Memberships::default();
    let [one, two, three] = [1, 2, 3].map(|number| {
        held.add_role(HeldRole::Stored(StoredRole { id: [number; 16], version: [number; 16] }))
    });
    held.orgs = vec![OrgGrant { id: id(A), role: one }, OrgGrant { id: id(B), role: three }];
    held.workspaces = vec![WorkspaceGrant { id: id(W), org: Some(id(A)), role: two }];
    held
}

#[test]
fn of_roles_that_are_left_where_they_are_stored_the_current_ones_are_read_and_no_others() {
    let (place, _) = settled(&format!(r#","org":"{A}""#), &profile(false), held_stored());
    assert_eq!(place.permissions(), ["stored 1.read", "stored 1.write"]);
    assert_eq!(place.workspace_role.unwrap().name.as_deref(), Some("stored 2"));
    // What others grant beside it stays unread, and so does everything where nothing is current.
    assert!(place.memberships.roles.iter().all(|role| matches!(role, HeldRole::Stored(_))));
    let (place, _) = settled("", &profile(false), held_stored());
    assert!(place.org.is_none() && place.permissions().is_empty() && place.org_role.is_none());
}

#[test]
fn a_stored_role_that_is_gone_permits_nothing() {
    let mut held = held_stored();
    held.roles[0] = HeldRole::Stored(StoredRole { id: [1; 16], version: [9; 16] });
    let (place, _) = settled(&format!(r#","org":"{A}""#), &profile(false), held);
    assert!(place.org == Some(id(A)) && place.permissions().is_empty());
}

#[test]
fn the_scopes_of_a_key_cut_roles_wherever_they_are() {
    let scopes = ["stored 1.read".to_owned(), "stored 2.*".to_owned()];
    let Ok(place) = settle_key(held_stored(), id(A), None, Some(&scopes), &Rows);
    let place = place.unwrap();
    assert_eq!(place.permissions(), ["stored 1.read"]);
    // Nothing is left to look up, since a look would know nothing of the scopes.
    let permitted: Vec<_> = place
        .memberships
        .roles
        .iter()
        .map(|role| match role {
            HeldRole::Whole(role) => role.permissions.clone(),
            HeldRole::Stored(role) => panic!("{role:?}"),
        })
        .collect();
    assert_eq!(permitted.concat(), ["stored 1.read", "stored 2.read", "stored 2.write"]);
    let Ok(whole) = settle_key(held_stored(), id(A), None, None, &Rows);
    assert_eq!(whole.unwrap().permissions(), ["stored 1.read", "stored 1.write"]);
}

#[test]
fn rows_of_tables_add_to_what_is_held_and_count_only_if_they_agree() {
    let grant = |org, role| OrgGrant { id: id(org), role };
    let rows = vec![
        grant(B, Some(1)),
        grant(A, Some(9)),
        grant(DISABLED, Some(1)),
        grant(W, None),
        grant(B, Some(1)),
        grant(DISABLED, Some(2)),
        grant(W, Some(1)),
    ];
    for rows in [rows.clone(), rows.into_iter().rev().collect()] {
        let mut held = held(&[A], &[(X, A)]);
        held.add_rows(rows);
        assert_eq!(held.orgs, [grant(A, Some(0)), grant(B, Some(1)), grant(DISABLED, None), grant(W, None)]);
        assert_eq!(held.workspaces.len(), 1);
    }
}

#[test]
fn a_disabled_organization_counts_for_nobody() {
    for claim in [format!("\"{DISABLED}\""), "\"gone\"".into()] {
        let (place, _) = settled(&format!(",\"org\":{claim}"), &profile(true), held(&[A], &[]));
        assert_eq!(place.org, None);
        assert_eq!(place.memberships.orgs.len(), 1);
    }
}

#[test]
fn an_issuer_with_a_list_of_organizations_reaches_no_other_by_claim_or_row() {
    let limited = |believed| Profile { org_ids: vec![id(B)], ..profile(believed) };
    for believed in [true, false] {
        for claim in ["".to_owned(), format!(r#","org":"{A}""#), format!(r#","org":["{A}","{B}"]"#)] {
            let (place, _) = settled(&claim, &limited(believed), held(&[A], &[(W, A)]));
            assert!(place.memberships.orgs.iter().all(|grant| grant.id == id(B)), "{claim}");
            assert_eq!((place.org, place.memberships.workspaces.len()), (None, 0), "{claim}");
        }
    }
    let (place, _) = settled("", &limited(false), held(&[A, B], &[]));
    assert_eq!(place.org, Some(id(B)));
}

#[test]
fn the_workspace_is_the_claimed_or_only_one_of_the_organization() {
    for (claim, workspaces, expected) in [
        ("".to_owned(), &[(W, A)][..], Some(W)),
        ("".to_owned(), &[(W, A), (X, A)], None),
        ("".to_owned(), &[(X, B)], None),
        (format!(r#","workspace":"{X}""#), &[(W, A), (X, A)], Some(X)),
        (format!(r#","workspace":"{X}""#), &[(W, A)], None),
        (format!(r#","workspace":"{X}""#), &[(W, A), (X, B)], None),
        (format!(r#","workspace":["{X}","{W}"]"#), &[(W, A), (X, A)], None),
        (r#","workspace":"x""#.to_owned(), &[(W, A)], None),
        (r#","workspace":null"#.to_owned(), &[(W, A), (X, B)], Some(W)),
    ] {
        let claims = format!(r#","org":"{A}"{claim}"#);
        let (place, _) = settled(&claims, &profile(false), held(&[A, B], workspaces));
        assert_eq!(place.workspace, expected.map(id), "{claims} with {workspaces:?}");
    }
    let (place, _) = settled("", &profile(false), held(&[A], &[(X, B)]));
    assert!(place.memberships.workspaces.is_empty(), "a workspace of an organization the user left");
}

#[test]
fn an_address_is_verified_where_the_issuer_says_so() {
    let verified = |claims: &str, path: &[&str]| {
        let mut profile = profile(false);
        profile.paths.email_verified = path.iter().map(|name| (*name).to_owned()).collect();
        settled(claims, &profile, Memberships::default()).1.said.email_verified
    };
    let path = &["email_verified"][..];
    assert!(verified(r#","email":"a@b.c","email_verified":true"#, path));
    assert!(verified(r#","email":"a@b.c","email_verified":"true""#, path));
    for claim in ["", r#","email_verified":false"#, r#","email_verified":1"#, r#","email_verified":"yes""#] {
        assert!(!verified(&format!(r#","email":"a@b.c"{claim}"#), path), "{claim}");
    }
    assert!(!verified(r#","email_verified":true"#, path));
    assert!(verified(r#","email":"a@b.c""#, &[]));
    assert!(!verified("", &[]));
}

#[test]
fn a_prefix_keeps_the_users_of_two_issuers_apart() {
    let prefixed = Profile { user_id_prefix: "two|".into(), ..profile(false) };
    let (_, identity) = settled("", &prefixed, Memberships::default());
    assert_eq!(identity.said.user_id.as_deref(), Some("two|someone"));
}

proptest! {
    #[test]
    fn the_current_place_is_always_one_of_the_memberships(
        believed in any::<bool>(),
        claim in proptest::sample::select(vec!["", "A", "B", "D", "A,B", "42", "gone", "x"]),
        orgs in proptest::sample::subsequence(vec![A, B], 0..=2),
        workspaces in proptest::sample::subsequence(vec![(W, A), (X, B)], 0..=2),
        limited in proptest::sample::subsequence(vec![A, B], 0..=2),
    ) {
        let name = |name: &str| match name { "A" => A.to_owned(), "B" => B.to_owned(), "D" => DISABLED.to_owned(), other => other.to_owned() };
        let names: Vec<String> = claim.split(',').filter(|part| !part.is_empty()).map(name).collect();
        let claims = if claim.is_empty() { String::new() } else { format!(",\"org\":{}", serde_json::to_string(&names).unwrap()) };
        let profile = Profile { org_ids: limited.iter().map(|org| id(org)).collect(), ..profile(believed) };
        let (place, _) = settled(&claims, &profile, held(&orgs, &workspaces));
        let allowed = |org: &Uuid| limited.is_empty() || limited.iter().any(|text| id(text) == *org);
        for grant in &place.memberships.orgs {
            prop_assert!(allowed(&grant.id));
            prop_assert!(believed || orgs.iter().any(|org| id(org) == grant.id));
            prop_assert!(grant.id != id(DISABLED));
        }
        prop_assert!(place.org.is_none_or(|org| place.memberships.has_org(org)));
        if let Some(workspace) = place.workspace {
            let grant = place.memberships.workspaces.iter().find(|grant| grant.id == workspace).unwrap();
            prop_assert!(grant.org.is_none() || grant.org == place.org);
        }
    }
}
