//! t354, t355: what is written at which level, and how long it is kept.

use super::{count, lines, newest, north, signed_in};
use crate::lasting::credentials::TEST_ISSUER;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use serde_json::json;

const LEVELS: [&str; 2] = ["pg_bearer.audit_live", "pg_bearer.audit_test"];

#[test]
fn levels_decide_what_is_written_by_environment() {
    let db = Database::new();
    let org = north(&db);
    let mut root = db.superuser();
    root.run(&format!(
        "select auth.add_issuer('{TEST_ISSUER}', environment => 'test'), auth.add_jwt_secret('{TEST_ISSUER}', '{SECRET}')"
    ));
    for (live, test, expected) in [
        ("all", "access", &["api_key.create test", "api_key.describe live", "member.add live"][..]),
        (
            "all",
            "all",
            &["api_key.create test", "api_key.describe live", "api_key.describe test", "member.add live"],
        ),
        ("access", "off", &["member.add live"]),
        ("off", "access", &["api_key.create test"]),
    ] {
        for (setting, level) in LEVELS.iter().zip([live, test]) {
            root.run(&format!("alter database {} set {setting} = '{level}'", db.name));
        }
        root.run("delete from auth.audit_log");
        let mut session = db.tenant();
        signed_in(&mut session, "ada");
        let key = session.value(&format!("select id from auth.create_api_key('k', '{org}')")).unwrap();
        session.run("commit");
        root.run("delete from auth.audit_log");
        signed_in(&mut session, "ada");
        session.run(&format!(
            "select auth.update_api_key('{key}', 'x'), auth.add_member('{org}', 'zoe'); commit; begin"
        ));
        let claims = json!({"iss": TEST_ISSUER, "sub": "ada", "iat": now(), "exp": now() + 600});
        session.authenticate(&hs256(&claims)).unwrap();
        let key = session.value(&format!("select id from auth.create_api_key('k', '{org}')")).unwrap();
        session.run(&format!("select auth.update_api_key('{key}', 'y'); commit"));
        let rows = "select action || ' ' || environment from auth.audit_log order by 1";
        assert_eq!(lines(&mut root, rows), expected, "{live} {test}");
        root.run(&format!("select auth.remove_member('{org}', 'zoe')"));
    }
}

#[test]
fn t357_an_administrator_who_states_a_test_identity_is_in_the_log_as_administrators_are() {
    let db = Database::new();
    let mut root = db.superuser();
    root.run(&format!(
        "alter database {} set pg_bearer.audit_test = 'off'; delete from auth.audit_log",
        db.name
    ));
    let act = r#"select auth.act_as('{"user_id": "ada", "environment": "test"}')"#;
    db.connect("administrator").run(&format!("begin; {act}; commit"));
    assert_eq!(newest(&mut root, "action, environment").as_deref(), Some("act_as test"));
}

#[test]
fn t354_only_superusers_say_what_is_not_written() {
    let db = Database::new();
    let org = north(&db);
    let mut root = db.superuser();
    for setting in LEVELS.into_iter().chain(["pg_bearer.audit_retention"]) {
        let value = if setting.ends_with("retention") { "1" } else { "off" };
        for role in ["tenant", "administrator"] {
            // Loaded, and not yet.
            let mut session = db.connect(role);
            session.run("select auth.uid()");
            let refused = session.refused(&format!("set {setting} = '{value}'"));
            assert_eq!(refused, format!("42501 permission denied to set parameter \"{setting}\""));
        }
        root.run("delete from auth.audit_log; insert into auth.audit_log (action, database_role, occurred_at) values ('act_as', 'x', '2020-01-01')");
        let options = format!("-c {setting}={value}");
        let mut session = db.config("tenant").options(&options).connect(postgres::NoTls).unwrap();
        session.run("begin");
        session.authenticate(&token_of("ada")).unwrap();
        session.run(&format!("select auth.create_workspace('{org}', 'w'); commit"));
        assert_eq!(count(&mut root), 2, "{setting}");
    }
    // The client's value hides that of the database: then everything is written.
    root.run(&format!(
        "alter database {} set pg_bearer.audit_live = 'off'; delete from auth.audit_log",
        db.name
    ));
    let mut session =
        db.config("tenant").options("-c pg_bearer.audit_live=off").connect(postgres::NoTls).unwrap();
    session.run("begin");
    session.authenticate(&token_of("ada")).unwrap();
    session.run(&format!("select auth.create_workspace('{org}', 'w'); commit"));
    assert_eq!(count(&mut root), 1);
}

/// A number of rows that are this old.
fn old_rows(session: &mut postgres::Client, number: u32, age: &str) {
    session.run(&format!(
        "insert into auth.audit_log (action, database_role, occurred_at)
         select 'act_as', 'x', now() - interval '{age}' from generate_series(1, {number})"
    ));
}

#[test]
fn t355_old_rows_go_little_by_little_and_keep_nobody_waiting() {
    let db = Database::new();
    let org = north(&db);
    let mut root = db.superuser();
    old_rows(&mut root, 25, "91 days");
    old_rows(&mut root, 1, "89 days");
    let mut session = db.tenant();
    let mut act = |begin: &str| {
        session.run(begin);
        session.authenticate(&token_of("ada")).unwrap();
        session.run(&format!(
            "set local lock_timeout = '1s'; select auth.create_workspace('{org}', 'w'); commit"
        ));
    };
    act("begin");
    assert_eq!(count(&mut root), 27);
    root.run(&format!("alter database {} set pg_bearer.audit_retention = '90d'", db.name));
    let mut session = db.tenant();
    let mut act = |begin: &str| {
        session.run(begin);
        session.authenticate(&token_of("ada")).unwrap();
        session.run(&format!(
            "set local lock_timeout = '1s'; select auth.create_workspace('{org}', 'w'); commit"
        ));
    };
    act("begin");
    assert_eq!(count(&mut root), 18);
    // An older snapshot could fail: it deletes none.
    act("begin isolation level repeatable read");
    act("begin isolation level serializable");
    assert_eq!(count(&mut root), 20);
    // Rows that somebody holds are left.
    root.run("begin; select from auth.audit_log where occurred_at < now() - interval '90 days' for update");
    act("begin");
    assert_eq!(count(&mut root), 21);
    root.run("rollback");
    act("begin");
    act("begin");
    assert_eq!(count(&mut root), 8);
}

#[test]
fn t355_purging_is_for_administrators_and_leaves_a_row() {
    let db = Database::new();
    north(&db);
    let mut root = db.superuser();
    old_rows(&mut root, 25, "91 days");
    old_rows(&mut root, 5, "89 days");
    let mut administrator = db.connect("administrator");
    for (older_than, rows, left) in
        [("1 year", "0", 30), ("90 days", "25", 6), ("90 days", "0", 6), ("0", "6", 1)]
    {
        let purged = administrator.value(&format!("select auth.purge_audit_log('{older_than}')"));
        assert_eq!((purged.as_deref(), count(&mut root)), (Some(rows), left), "{older_than}");
    }
    let row = newest(&mut root, "action, database_role, details");
    assert_eq!(
        row.as_deref(),
        Some(r#"audit_log.purge administrator {"rows": 6, "older_than": "00:00:00"}"#)
    );
    for older_than in ["null", "'-1 second'", "'101 years'"] {
        let refused = administrator.refused(&format!("select auth.purge_audit_log({older_than})"));
        assert_eq!(refused, "22023 older_than has a value that is not allowed", "{older_than}");
    }
    let mut tenant = db.tenant();
    signed_in(&mut tenant, "ada");
    assert_contains(tenant.refused("select auth.purge_audit_log('1 day')"), "42501 ");
    let mut administrator = db.connect("administrator");
    administrator.run("begin");
    administrator.authenticate(&token_of("ada")).unwrap();
    administrator.run("select auth.purge_audit_log('1 day')");
}
