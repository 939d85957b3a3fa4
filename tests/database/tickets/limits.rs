//! How many tickets there may be, and what may be asked for.

use super::world::{Counting, REFUSED, connect, counting_server, issue, issue_for, sign_in};
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use serde_json::json;
use std::time::Duration;

const TOO_MANY: &str = "54000 this user has too many open tickets";
const FULL: &str = "54000 there are too many open tickets on this server";

fn sign_in_as(session: &mut Client, user: &str) {
    session.run("rollback; begin");
    session.authenticate(&token_of(user)).unwrap();
}

/// Opens so many in the transaction; the last one.
fn open(session: &mut Client, ttl: &str, count: usize) -> String {
    let sql = format!("select max(auth.issue_ticket(interval '{ttl}')) from generate_series(1, {count})");
    session.value(&sql).unwrap()
}

#[test]
fn t161_a_user_has_a_hundred_open_tickets_at_most() {
    let db = Counting::new();
    let (mut session, mut other) = (db.tenant(), db.tenant());
    sign_in_as(&mut session, "alice");
    open(&mut session, "60s", 99);
    let ticket = open(&mut session, "60s", 1);
    // Also in another session, by another credential of the user's.
    let org =
        db.connect("postgres").value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
    let create = format!("select key from auth.create_api_key('k', '{org}', user_id => 'alice')");
    let key = db.connect("postgres").value(&create).unwrap();
    for credential in [token_of("alice"), key] {
        other.run("begin");
        other.authenticate(&credential).unwrap();
        assert_eq!(other.refused("select auth.issue_ticket()"), TOO_MANY);
        other.run("rollback");
    }
    sign_in_as(&mut other, "bob");
    open(&mut other, "60s", 1);
    other.run("rollback");
    assert_eq!(sign_in(&mut other, &ticket).unwrap(), "alice");
    open(&mut session, "0.2s", 1);
    session.run("savepoint s");
    assert_eq!(session.refused("select auth.issue_ticket()"), TOO_MANY);
    session.run("rollback to s");
    std::thread::sleep(Duration::from_millis(210));
    open(&mut session, "60s", 1);
}

#[test]
fn t161_a_full_server_refuses_new_tickets_and_forgets_none() {
    let server = counting_server("tickets-full", &[("pg_bearer.max_tickets", "150")]);
    let client = || connect(server.socket_dir(), "postgres", "tenant");
    let (mut session, mut other) = (client(), client());
    sign_in_as(&mut session, "alice");
    let first = open(&mut session, "60s", 1);
    open(&mut session, "1s", 99);
    sign_in_as(&mut session, "bob");
    let last = open(&mut session, "60s", 50);
    for user in ["bob", "carol", "dora"] {
        sign_in_as(&mut session, user);
        assert_eq!(session.refused("select auth.issue_ticket()"), FULL, "{user}");
    }
    for ticket in [first, last] {
        sign_in(&mut other, &ticket).unwrap();
        // One is used, one more may be.
        sign_in_as(&mut session, "carol");
        open(&mut session, "60s", 1);
        assert_eq!(session.refused("select auth.issue_ticket()"), FULL);
    }
    std::thread::sleep(Duration::from_millis(1010));
    sign_in_as(&mut session, "carol");
    open(&mut session, "60s", 98);
    session.run("savepoint s");
    assert_eq!(session.refused("select auth.issue_ticket()"), TOO_MANY);
    sign_in_as(&mut session, "dora");
    open(&mut session, "60s", 1);
    session.run("savepoint s");
    assert_eq!(session.refused("select auth.issue_ticket()"), FULL);
}

#[test]
fn no_tickets_are_issued_or_taken_where_they_are_turned_off() {
    const OFF: &str = "0A000 tickets are turned off on this server";
    let server = counting_server("tickets-off", &[("pg_bearer.max_tickets", "0")]);
    let mut session = connect(server.socket_dir(), "postgres", "tenant");
    sign_in_as(&mut session, "alice");
    assert_eq!(session.refused("select auth.issue_ticket()"), OFF);

    // Without shared_preload_libraries, and where a client hides the setting.
    let db = Database::new();
    let mut session = db.tenant();
    let ticket = issue(&mut session, &token_a());
    db.superuser().run(&format!(
        "select auth.uid(); alter database {} set session_preload_libraries = 'pg_bearer'",
        db.name
    ));
    let mut hidden = db.config("tenant").options("-c pg_bearer.max_tickets=100").connect(postgres::NoTls);
    if let Ok(session) = &mut hidden {
        assert_eq!(refusal(sign_in(session, &ticket)), REFUSED);
        sign_in_as(session, "alice");
        assert_eq!(session.refused("select auth.issue_ticket()"), OFF);
    }
    assert!(hidden.is_ok());
}

#[test]
fn only_so_much_may_be_asked_for() {
    let db = Counting::new();
    let mut session = db.tenant();
    let wrong = "22023 ttl must be given, longer than 0 and not longer than 60 seconds";
    for ttl in [
        "null",
        "interval '0'",
        "interval '-1 second'",
        "interval '60.000001 seconds'",
        "interval '1 month'",
        "interval '-178000000 years'",
        "interval '178000000 years'",
        "interval '1 month -31 days'",
        "'1 day'",
    ] {
        // Whoever asks.
        session.run("begin; savepoint s");
        assert_eq!(session.refused(&format!("select auth.issue_ticket({ttl})")), wrong, "{ttl}");
        session.run("rollback to s");
        session.authenticate(&token_a()).unwrap();
        assert_eq!(session.refused(&format!("select auth.issue_ticket({ttl})")), wrong, "{ttl}");
        session.run("rollback");
    }
    for ttl in ["", "ttl => '1 microsecond'", "interval '60 seconds'", "interval '1 minute'"] {
        issue_for(&mut session, &token_a(), ttl);
    }
    assert_eq!(session.refused("select auth.issue_ticket()"), "28000 this transaction has no identity");
    let mut administrator = db.connect("postgres");
    administrator.run("begin; select auth.act_as('{\"user_id\": \"alice\"}')");
    let told = administrator.refused("select auth.issue_ticket()");
    assert_eq!(told, "42501 an identity that was only stated gets no ticket");
}

#[test]
fn infinite_times_are_refused_where_there_are_any() {
    let db = Counting::new();
    let mut session = db.connect("postgres");
    if session.value("select current_setting('server_version_num')::int >= 170000").as_deref() == Some("t") {
        for ttl in ["infinity", "-infinity"] {
            let told = session.refused(&format!("select auth.issue_ticket('{ttl}')"));
            assert!(told.starts_with("22023"), "{told}");
        }
    }
}

#[test]
fn a_token_that_is_too_long_gets_no_ticket() {
    let db = Counting::new();
    let mut session = db.tenant();
    let token = |length: usize| hs256(&with(claims_a(), json!({"filler": "x".repeat(length)})));
    let ticket = issue(&mut session, &token(5500));
    assert!(ticket.len() <= 8192 && ticket.len() > 7000, "{}", ticket.len());
    assert_eq!(sign_in(&mut session, &ticket).unwrap(), USER_A);
    session.run("begin");
    session.authenticate(&token(6500)).unwrap();
    let error = session.query_one("select auth.issue_ticket()", &[]).unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("54000", "the token is too long for a ticket"));
    assert_contains(error.hint().unwrap(), "8192 bytes");
}
