//! `auth.touch_api_key()`, where the library is not preloaded, never waits and never fails.

use super::world::{Counting, make_key};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use postgres::Client;
use std::time::{Duration, Instant};

const TOUCH: &str = "select auth.touch_api_key()";

fn sign_in(session: &mut Client, key: &str) {
    session.authenticate(key).unwrap();
}

/// A database with a key.
fn world() -> (Database, Client) {
    let db = Database::new();
    let mut administrator = db.superuser();
    make_key(&mut administrator, "key", &[]);
    (db, administrator)
}

const AGE: &str = "update auth.api_key_uses set last_used_at = last_used_at - interval '61 seconds'";

#[test]
fn the_first_use_of_a_minute_is_written() {
    let (db, mut administrator) = world();
    let mut session = db.tenant();
    assert_values(&mut session, &[(TOUCH, Some("f"))]);
    session.run("begin");
    sign_in(&mut session, "key");
    assert_values(&mut session, &[(TOUCH, Some("t")), (TOUCH, Some("f"))]);
    session.run("commit");
    let known = "select last_used_at between now() - interval '10 seconds' and clock_timestamp() from auth.api_key_uses";
    assert_values(&mut administrator, &[(known, Some("t"))]);
    administrator.run(AGE);
    session.run("begin");
    sign_in(&mut session, "key");
    assert_values(&mut session, &[(TOUCH, Some("t")), (TOUCH, Some("f"))]);
    session.run("rollback");
    // A clock that was ahead does not stop it.
    administrator.run("update auth.api_key_uses set last_used_at = now() + interval '1 day'");
    session.run("begin");
    sign_in(&mut session, "key");
    assert_values(&mut session, &[(TOUCH, Some("t"))]);
    session.run("commit");
    assert_values(
        &mut administrator,
        &[(known, Some("t")), ("select count(*) from auth.api_key_usage", Some("0"))],
    );
}

#[test]
fn it_disturbs_no_transaction_of_any_kind() {
    let (db, mut administrator) = world();
    let mut session = db.tenant();
    for (begin, expected) in [
        ("begin", "t"),
        ("begin read only", "f"),
        ("begin isolation level read uncommitted", "t"),
        ("begin isolation level repeatable read", "t"),
        ("begin isolation level repeatable read read only", "f"),
        ("begin isolation level serializable", "f"),
        ("begin isolation level serializable read only deferrable", "f"),
    ] {
        administrator.run("update auth.api_key_uses set last_used_at = null");
        session.run(begin);
        sign_in(&mut session, "key");
        assert_eq!(session.value(TOUCH).as_deref(), Some(expected), "{begin}");
        assert_eq!(session.value("select count(*) from docs where false").as_deref(), Some("0"));
        session.run("commit");
    }
}

#[test]
fn it_waits_for_nobody() {
    let (db, mut administrator) = world();
    let mut other = db.superuser();
    let mut session = db.tenant();
    session.run("set lock_timeout = '20s'");
    for hold in [
        "update auth.api_key_uses set last_used_at = null",
        "select from auth.api_key_uses for key share",
        "lock table auth.api_key_uses in access exclusive mode",
        "lock table auth.api_key_uses in share mode",
    ] {
        for begin in ["begin", "begin isolation level repeatable read"] {
            administrator.run("update auth.api_key_uses set last_used_at = null");
            other.run("begin");
            other.run(hold);
            session.run(begin);
            sign_in(&mut session, "key");
            let start = Instant::now();
            let found = session.value(TOUCH);
            assert!(start.elapsed() < Duration::from_secs(1), "{hold}, {begin}: {:?}", start.elapsed());
            // A row that is only referred to can be updated.
            let expected = if hold.contains("key share") { "t" } else { "f" };
            assert_eq!(found.as_deref(), Some(expected), "{hold}, {begin}");
            session.run("commit");
            other.run("rollback");
        }
    }
    // Changed since the snapshot was taken.
    session.run("begin isolation level repeatable read");
    sign_in(&mut session, "key");
    administrator.run("update auth.api_key_uses set last_used_at = null");
    assert_values(&mut session, &[(TOUCH, Some("f")), ("select 1", Some("1"))]);
    session.run("commit");
}

#[test]
fn it_does_nothing_where_uses_are_counted() {
    let db = Counting::new();
    let mut administrator = db.connect("postgres");
    make_key(&mut administrator, "key", &[]);
    administrator.run("begin");
    sign_in(&mut administrator, "key");
    assert_values(&mut administrator, &[(TOUCH, Some("f"))]);
    administrator.run("rollback");
    assert_values(&mut administrator, &[("select count(last_used_at) from auth.api_key_uses", Some("0"))]);
}
