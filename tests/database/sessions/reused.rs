//! A refresh token that is used again, by somebody who rolls back.

use super::session_callers::call;
use super::world::{NOT_REFRESHED, OURS, member};
use crate::usage::world::{Counting, until};
use pg_bearer_tests::database::Session;
use serde_json::Value;

#[test]
fn t153_a_rollback_does_not_keep_a_stolen_session_alive() {
    let db = Counting::new();
    let (mut admin, mut thief) = (db.connect("postgres"), db.connect("tenant"));
    admin.run(&format!("select auth.add_issuer('{OURS}', own => true), auth.create_signing_key()"));
    let first = call(&mut admin, "issue_session('ada')");
    let other = call(&mut admin, "issue_session('bob')");
    let second = call(&mut thief, &format!("refresh_session('{}')", member(&first, "refresh_token")));
    let third = call(&mut thief, &format!("refresh_session('{}')", member(&second, "refresh_token")));
    thief.run("begin");
    let refused = call(&mut thief, &format!("refresh_session('{}')", member(&first, "refresh_token")));
    assert_eq!(refused, serde_json::from_str::<Value>(NOT_REFRESHED).unwrap());
    thief.run("rollback");
    let ended = "select count(*) from auth.audit_log where action = 'session.reuse'";
    until("the session has ended", || admin.value(ended).as_deref() == Some("1"));
    let refused = call(&mut thief, &format!("refresh_session('{}')", member(&third, "refresh_token")));
    assert_eq!(refused["error"], "invalid_grant");
    assert_eq!(admin.value("select string_agg(user_id, ',') from auth.sessions").as_deref(), Some("bob"));
    assert!(
        call(&mut thief, &format!("refresh_session('{}')", member(&other, "refresh_token")))["access_token"]
            .is_string()
    );
}
