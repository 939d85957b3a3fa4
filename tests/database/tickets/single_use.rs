//! A ticket is good once, and spent before anything else is decided.

use super::world::{Counting, EXPIRED, REFUSED, connect, counting_server, issue, issue_for, sign_in};
use pg_bearer_tests::database::{Session, assert_values, rounds};
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

#[test]
fn a_ticket_signs_in_whoever_asked_for_it() {
    let db = Counting::new();
    let (mut session, mut other) = (db.tenant(), db.tenant());
    let ticket = issue(&mut session, &token_a());
    assert!(ticket.starts_with("ticket.") && ticket.matches('.').count() == 1, "{ticket}");
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    let direct = session.value("select auth.identity() - 'expires_at' #- '{claims,exp}' #- '{claims,iat}'");
    session.run("commit");
    other.run("begin");
    other.authenticate(&format!("Bearer {ticket}")).unwrap();
    assert_eq!(
        other.value("select auth.identity() - 'expires_at' #- '{claims,exp}' #- '{claims,iat}'"),
        direct
    );
    assert_values(&mut other, &[("select string_agg(id::text, ' ') from docs", Some("1"))]);
    other.run("commit");
    assert_eq!(other.visible(), 0);
    assert_eq!(refusal(sign_in(&mut other, &ticket)), REFUSED);
}

#[test]
fn t161_of_sixteen_sessions_one_spends_a_ticket() {
    let db = Counting::new();
    let mut issuer = db.tenant();
    let mut sessions: Vec<_> = (0..16).map(|_| db.tenant()).collect();
    for round in 0..rounds(400) {
        let ticket = issue(&mut issuer, &token_a());
        let begin = Barrier::new(sessions.len());
        let good = std::thread::scope(|scope| {
            let race = |session| {
                let (begin, ticket) = (&begin, &ticket);
                scope.spawn(move || {
                    begin.wait();
                    sign_in(session, ticket)
                        .map_err(|error| assert_eq!(refusal(Err::<(), _>(error)), REFUSED))
                        .is_ok()
                })
            };
            let racing: Vec<_> = sessions.iter_mut().map(race).collect();
            racing.into_iter().map(|one| one.join().unwrap()).filter(|good| *good).count()
        });
        assert_eq!(good, 1, "round {round}");
    }
}

#[test]
fn t161_a_ticket_is_spent_whatever_becomes_of_its_transaction() {
    let db = Counting::new();
    let (mut session, mut other) = (db.tenant(), db.tenant());
    for (begin, end) in [
        ("begin", "commit"),
        ("begin", "rollback"),
        ("begin read only", "commit"),
        ("begin read only", "rollback"),
        ("begin isolation level serializable", "rollback"),
        ("begin; savepoint s", "rollback to s; commit"),
        ("begin", "prepare transaction 'none'; rollback"),
    ] {
        let ticket = issue(&mut session, &token_a());
        session.run(begin);
        session.authenticate(&ticket).unwrap();
        session.run("savepoint again");
        assert_eq!(refusal(session.authenticate(&ticket)), REFUSED, "{begin}");
        session.run("rollback to again");
        assert_eq!(session.value("select auth.user_id()").as_deref(), Some(USER_A), "{begin}");
        assert_eq!(refusal(sign_in(&mut other, &ticket)), REFUSED, "{begin}");
        if session.batch_execute(end).is_err() {
            session.run("rollback");
        }
        assert_eq!(refusal(sign_in(&mut other, &ticket)), REFUSED, "{begin}; {end}");
    }
}

#[test]
fn t161_a_ticket_that_is_refused_for_another_reason_is_spent_too() {
    let db = Counting::new();
    let mut session = db.tenant();
    let ticket = issue(&mut session, &token_a());
    session.run("begin; declare c cursor for select 1");
    let told = refusal(session.authenticate(&ticket));
    assert_eq!(told, "55006 the identity cannot be changed while a cursor is open");
    session.run("rollback");
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);

    let ticket = issue(&mut session, &token_a());
    let mut administrator = db.connect("postgres");
    administrator.run(&format!("select auth.update_issuer('{ISSUER}', audiences => '{{x}}')"));
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);
    administrator.run(&format!("select auth.update_issuer('{ISSUER}', audiences => '{{}}')"));
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);
}

#[test]
fn a_rollback_takes_back_no_issue() {
    let db = Counting::new();
    let mut session = db.tenant();
    for begin in ["begin", "begin read only"] {
        session.run(begin);
        session.authenticate(&token_a()).unwrap();
        let ticket = session.value("select auth.issue_ticket()").unwrap();
        assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
        session.run("rollback");
        assert_eq!(sign_in(&mut session, &ticket).unwrap(), USER_A);
    }
}

#[test]
fn t161_a_ticket_ends_with_its_time() {
    let db = Counting::new();
    let mut session = db.tenant();
    let ticket = issue_for(&mut session, &token_a(), "interval '0.3 seconds'");
    let other = issue_for(&mut session, &token_a(), "interval '0.3 seconds'");
    std::thread::sleep(Duration::from_millis(310));
    assert_eq!(refusal(sign_in(&mut session, &ticket)), EXPIRED);
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);
    // Nothing is told of one whose origin is not good either.
    db.connect("postgres").run(&format!("select auth.update_issuer('{ISSUER}', audiences => '{{x}}')"));
    assert_eq!(refusal(sign_in(&mut session, &other)), REFUSED);
}

#[test]
fn t161_after_a_crash_no_older_ticket_is_good() {
    let server = counting_server("tickets-crash", &[]);
    let client = || connect(server.socket_dir(), "postgres", "tenant");
    let (mut session, mut victim) = (client(), client());
    let ticket = issue_for(&mut session, &token_a(), "interval '60 seconds'");
    let spent = issue_for(&mut session, &token_a(), "interval '60 seconds'");
    sign_in(&mut session, &spent).unwrap();
    let pid = victim.value("select pg_backend_pid()").unwrap();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let begin = Instant::now();
    let dir = server.socket_dir();
    let mut config = postgres::Config::new();
    config.host_path(dir).port(5432).dbname("postgres").user("tenant");
    while session.simple_query("select 1").is_ok() || config.connect(postgres::NoTls).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no recovery");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut session = client();
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);
    assert_eq!(refusal(sign_in(&mut session, &spent)), REFUSED);
    let ticket = issue(&mut session, &token_a());
    assert_eq!(sign_in(&mut session, &ticket).unwrap(), USER_A);
}
