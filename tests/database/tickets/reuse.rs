//! Without shared_preload_libraries a ticket is good for its time.

use super::world::{EXPIRED, REFUSED, issue, issue_for, sign_in};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::NoTls;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn without_shared_preload_libraries_a_ticket_is_good_until_it_expires() {
    let db = Database::new();
    let (mut session, mut other) = (db.tenant(), db.tenant());
    let ticket = issue_for(&mut session, &token_a(), "interval '1 second'");
    for _ in 0..3 {
        assert_eq!(sign_in(&mut session, &ticket).unwrap(), USER_A);
        assert_eq!(sign_in(&mut other, &ticket).unwrap(), USER_A);
    }
    std::thread::sleep(Duration::from_millis(1010));
    for _ in 0..2 {
        assert_eq!(refusal(sign_in(&mut other, &ticket)), EXPIRED);
    }
    // There is no limit either.
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(
        session.value("select count(auth.issue_ticket()) from generate_series(1, 200)").as_deref(),
        Some("200")
    );
}

#[test]
fn a_session_is_warned_once_that_tickets_can_be_used_again() {
    let db = Database::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    let mut config = db.config("tenant");
    config.notice_callback(move |notice| {
        let hint = notice.hint().unwrap_or_default().to_owned();
        hears.lock().unwrap().push(format!("{} {} {hint}", notice.code().code(), notice.message()));
    });
    let mut session = config.connect(NoTls).unwrap();
    for _ in 0..3 {
        issue(&mut session, &token_a());
    }
    let warning = "01000 tickets of this server can be used more than once Add pg_bearer to shared_preload_libraries and restart the server, so that each is good for one use.";
    assert_eq!(*told.lock().unwrap(), [warning]);
}

#[test]
fn t161_without_its_secret_a_database_issues_and_takes_no_tickets() {
    let db = Database::new();
    let (mut session, mut administrator) = (db.tenant(), db.superuser());
    let ticket = issue(&mut session, &token_a());
    let secret = administrator.value("select secret from auth.ticket_secret").unwrap();
    for change in
        ["update auth.ticket_secret set secret = sha256('another')", "delete from auth.ticket_secret"]
    {
        administrator.run(change);
        assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED, "{change}");
    }
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    let told = session.refused("select auth.issue_ticket()");
    assert_eq!(told, "55000 the secret of tickets and refresh tokens is missing or was changed");
    session.run("rollback");
    administrator.run(&format!("insert into auth.ticket_secret (secret) values ('{secret}')"));
    assert_eq!(sign_in(&mut session, &ticket).unwrap(), USER_A);
    for wrong in [
        "insert into auth.ticket_secret (secret) values (sha256('x'))",
        "update auth.ticket_secret set secret = 'short'",
    ] {
        administrator.refused(wrong);
    }
    let count = "select count(distinct secret) || ' ' || min(length(secret)) from auth.ticket_secret";
    assert_eq!(administrator.value(count).as_deref(), Some("1 32"));
}
