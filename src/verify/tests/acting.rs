//! Identities that an administrator states.

use super::super::acting::{Unactable, read};
use super::super::identity::{Identity, Kind, Uuid, uuid};
use super::super::membership::{
    Directory, HeldRole, KnownOrg, KnownWorkspace, Memberships, OrgGrant, OrgName, Role, StoredRole,
};
use proptest::prelude::*;
use serde_json::json;
use std::convert::Infallible;

const A: &str = "0a000000-0000-4000-8000-00000000000a";
const B: &str = "0b000000-0000-4000-8000-00000000000b";
const DISABLED: &str = "0d000000-0000-4000-8000-00000000000d";
const W: &str = "0e000000-0000-4000-8000-00000000000a";

fn id(text: &str) -> Uuid {
    uuid(text).unwrap()
}

fn acme() -> KnownOrg {
    KnownOrg { id: id(A), disabled: false, external_id: Some("acme".to_owned()) }
}

/// Knows organization A by the name acme, a disabled one, and a workspace of A.
struct Few;

impl Directory for Few {
    type Error = Infallible;

    fn organization(&self, name: &OrgName) -> Result<Option<KnownOrg>, Infallible> {
        Ok(match name {
            OrgName::External(name) if name == "acme" => Some(acme()),
            OrgName::Id(org) if *org == id(A) => Some(acme()),
            OrgName::Id(org) if *org == id(DISABLED) => {
                Some(KnownOrg { id: *org, disabled: true, external_id: None })
            }
            OrgName::Id(_) | OrgName::External(_) => None,
        })
    }

    fn workspace(&self, workspace: Uuid) -> Result<Option<KnownWorkspace>, Infallible> {
        Ok((workspace == id(W)).then(|| KnownWorkspace { org: id(A), disabled: false }))
    }

    fn role(&self, _role: StoredRole) -> Result<Option<Role>, Infallible> {
        Ok(Some(Role { name: Some("stored".into()), permissions: vec!["read".into()] }))
    }
}

/// What follows for somebody who is a viewer of A.
fn acted(stated: &serde_json::Value) -> Result<Identity, Unactable> {
    let mut held = Memberships::default();
    let role = held.add_role(Role { name: Some("viewer".into()), permissions: vec!["read".into()] });
    held.orgs.push(OrgGrant { id: id(A), role });
    read(&stated.to_string())?.identity(held, &Few).unwrap()
}

#[test]
fn rows_count_and_what_is_stated_counts_before_them() {
    let viewer = acted(&json!({"user_id": "u"})).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!((viewer.place.org, viewer.place.permissions()), (Some(id(A)), &["read".to_owned()][..]));
    let stated = json!({"org_id": "acme", "permissions": ["write"], "workspace_id": W});
    let writer = acted(&stated).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!((writer.place.org, writer.place.permissions()), (Some(id(A)), &["write".to_owned()][..]));
    assert_eq!(writer.place.workspace, Some(id(W)));
    assert_eq!(
        (viewer.place.external_id.as_deref(), writer.place.external_id.as_deref()),
        (Some("acme"), Some("acme"))
    );
    let elsewhere = acted(&json!({"org_id": B})).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!((elsewhere.place.org, elsewhere.place.memberships.orgs.len()), (Some(id(B)), 2));
    for stated in [
        json!({"org_id": DISABLED}),
        json!({"org_ids": [DISABLED]}),
        json!({"org_id": "unknown"}),
        json!({"org_id": B, "workspace_id": W}),
        json!({"org_id": B, "org_ids": [A], "org_role": "x", "workspace_id": W}),
    ] {
        assert!(acted(&stated).is_err(), "{stated}");
    }
}

#[test]
fn a_role_that_is_left_where_it_is_stored_is_read_where_somebody_is_acted() {
    let mut held = Memberships::default();
    let role = held.add_role(HeldRole::Stored(StoredRole { id: [1; 16], version: [2; 16] }));
    held.orgs.push(OrgGrant { id: id(A), role });
    let Ok(acted) = read(&json!({"user_id": "u"}).to_string()).unwrap().identity(held, &Few);
    assert_eq!(acted.unwrap().place.permissions(), ["read"]);
}

proptest! {
    /// Whatever is stated, nobody becomes a service, and no other member than a known one is passed over.
    #[test]
    fn nothing_that_is_stated_makes_a_service(name in "[a-z_]{1,14}", value in "[a-z_]{1,14}", known in 0..4_usize) {
        let name = ["kind", "role", "user_id", name.as_str()][known];
        let value = if value.len() % 2 == 0 { "service_role" } else { value.as_str() };
        if let Ok(identity) = acted(&json!({name: value})) {
            prop_assert_eq!(identity.said.kind, Kind::ActAs);
            prop_assert_ne!(identity.said.role.as_deref(), Some("service_role"));
            prop_assert_eq!(identity.key_id, None);
        }
    }
}
