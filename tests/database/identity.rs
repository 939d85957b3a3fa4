//! What a good token makes of a transaction.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use serde_json::json;

#[test]
fn a_token_opens_its_own_organization_until_the_transaction_ends() {
    let db = Database::new();
    let mut session = db.tenant();
    assert_eq!(session.visible(), 0);
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.visible(), 500);
    assert_eq!(
        session.value("select bool_and(org_id = auth.current_org())::text from docs").as_deref(),
        Some("true")
    );
    session.run("commit");
    assert_eq!(session.visible(), 0);
}

#[test]
fn every_reader_answers_from_the_token() {
    let db = Database::new();
    let mut session = db.tenant();
    let claims = with(
        claims_a(),
        json!({"role": "authenticated", "email": "a@a.example", "org_role": "owner", "scope": "read write",
               "permissions": ["invoices.*"], "session_id": "s1", "aal": "aal2", "amr": ["pwd"], "auth_time": now(), "act": {"sub": "support"}, "n": 1.50, "b": true,
               "workspace_id": ORG_B}),
    );
    session.run("begin");
    session.authenticate(&hs256(&claims)).unwrap();
    let cases = [
        ("select auth.uid()", Some(USER_A)),
        ("select auth.user_id()", Some(USER_A)),
        ("select auth.role()", Some("authenticated")),
        ("select auth.email()", Some("a@a.example")),
        ("select auth.current_org()", Some(ORG_A)),
        ("select auth.current_workspace()", Some(ORG_B)),
        ("select auth.org_role()", Some("owner")),
        ("select auth.org_ids()", Some("{0a000000-0000-4000-8000-00000000000a}")),
        ("select auth.workspace_ids()", Some("{0b000000-0000-4000-8000-00000000000b}")),
        ("select auth.org_ids_with('invoices.read')", Some("{0a000000-0000-4000-8000-00000000000a}")),
        ("select auth.org_ids_with('users.read')", Some("{}")),
        ("select auth.has_permission('invoices.read')", Some("t")),
        ("select auth.has_permission('users.read')", Some("f")),
        ("select auth.has_scope('write')", Some("t")),
        ("select auth.has_scope('wri')", Some("f")),
        ("select auth.environment()", Some("live")),
        ("select auth.is_authenticated()", Some("t")),
        ("select auth.is_service_role()", Some("f")),
        ("select auth.claim('n')", Some("1.5")),
        ("select auth.claim('n') = auth.jwt()->>'n'", Some("t")),
        ("select auth.claim('b')", Some("true")),
        ("select auth.claim('act')", Some(r#"{"sub": "support"}"#)),
        ("select auth.claim('nothing')", None),
        ("select auth.aal()", Some("aal2")),
        ("select auth.amr()", Some("{pwd}")),
        ("select auth.session_id()", Some("s1")),
        ("select auth.signed_in_within('1 minute')", Some("t")),
        ("select auth.require_aal('aal2')", Some("t")),
        ("select auth.require_authenticated()", Some("t")),
        ("select auth.require_permission('invoices.read')", Some("t")),
        ("select auth.identity()->>'kind'", Some("jwt")),
        ("select auth.identity()->>'actor'", Some("support")),
        ("select auth.identity()->>'session_id'", Some("s1")),
        ("select auth.jwt()->>'sub'", Some(USER_A)),
        ("select auth.identity()->'claims' = auth.jwt()", Some("t")),
    ];
    assert_values(&mut session, &cases);
}
