//! Nothing about revocations is remembered, not even that there are none.

use super::world::*;
use crate::standby::Standby;
use pg_bearer_tests::database::{Session, installation};
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use postgres::{Client, Config, NoTls};
use serde_json::json;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use xtask::Server;

#[test]
fn t160_that_nothing_was_revoked_is_not_remembered() {
    let db = minting();
    let mut administrator = db.superuser();
    for level in ["read committed", "repeatable read", "serializable", "repeatable read, read only"] {
        // The table is as new, and then it is empty but was not.
        for is_new in [true, false] {
            administrator.run("truncate auth.revocations");
            if !is_new {
                administrator.run("select auth.revoke_user('nobody'); delete from auth.revocations");
            }
            let mut session = db.tenant();
            let statement = session.prepare("select auth.authenticate($1)").unwrap();
            let tokens = [mint(&mut administrator, "ada"), foreign("ada", json!({"sid": "s"}))];
            for token in &tokens {
                for _ in 0..8 {
                    session.execute(&statement, &[token]).unwrap();
                }
            }
            session.run(&format!("begin isolation level {level}"));
            session.run("select count(*) from docs");
            for token in &tokens {
                session.execute(&statement, &[token]).unwrap();
            }
            session.run("savepoint s");
            administrator.run("select auth.revoke_user('ada')");
            for token in &tokens {
                let context = format!("{level} {is_new}");
                assert_eq!(refusal(session.execute(&statement, &[token])), REFUSED, "{context}");
                session.run("rollback to s");
                let sql = format!("select auth.verify_jwt('{token}')");
                assert_eq!(session.refused(&sql), REFUSED, "{context}");
                session.run("rollback to s");
            }
        }
    }
}

#[test]
fn t160_a_revocation_that_is_not_committed_does_not_count() {
    let db = minting();
    let (mut administrator, mut session) = (db.superuser(), db.tenant());
    let tokens = [mint(&mut administrator, "ada"), foreign("ada", json!({}))];
    let tokens = tokens.each_ref().map(String::as_str);
    administrator.run("begin; select auth.revoke_user('ada')");
    // Who revokes sees it at once.
    administrator.run("savepoint s");
    assert_eq!(verdict(&mut administrator, tokens[0]), REFUSED);
    administrator.run("rollback to s");
    assert_ended(&mut session, &[], &tokens, "open");
    administrator.run("rollback");
    assert_ended(&mut session, &[], &tokens, "rolled back");
    administrator.run("begin; savepoint s; select auth.revoke_user('ada'); rollback to s; commit");
    assert_ended(&mut session, &[], &tokens, "rolled back to a savepoint");
    administrator.run("begin; select auth.revoke_user('ada'); prepare transaction 'revoking'");
    assert_ended(&mut session, &[], &tokens, "prepared");
    administrator.run("commit prepared 'revoking'");
    assert_ended(&mut session, &tokens, &[], "committed");
}

#[test]
fn t160_a_second_revocation_under_an_old_snapshot_takes_nothing_back() {
    let db = minting();
    let (mut administrator, mut session) = (db.superuser(), db.tenant());
    for level in ["repeatable read", "serializable"] {
        let mut old = db.superuser();
        let early = mint(&mut administrator, "ada");
        administrator.run("select auth.revoke_user('ada')");
        old.run(&format!("begin isolation level {level}; select count(*) from auth.revocations"));
        let between = mint(&mut administrator, "ada");
        administrator.run("select auth.revoke_user('ada')");
        let after = mint(&mut administrator, "ada");
        // It does not see the row of the other one, which does not see its row.
        old.run("select auth.revoke_user('ada')");
        let last = mint(&mut administrator, "ada");
        old.run("commit");
        assert_ended(&mut session, &[&early, &between, &after], &[&last], level);
        administrator.run("select auth.revoke_user('ada')");
        assert_ended(&mut session, &[&early, &between, &after, &last], &[], level);
    }
}

#[test]
fn t160_no_other_spelling_of_an_issuer_of_ours_is_added() {
    let db = minting();
    let mut administrator = db.superuser();
    for alias in ["https://OWN.example", "https://own.example/", "HTTPS://own.example//"] {
        for own in ["true", "false"] {
            let sql = format!("select auth.add_issuer('{alias}', own => {own})");
            assert_eq!(administrator.refused(&sql), "22023 issuer has a value that is not allowed", "{sql}");
        }
    }
    // Nor does a foreign one become ours beside another spelling.
    let sql = "select auth.add_issuer('https://STRICT.example/', own => true)";
    assert_eq!(administrator.refused(sql), "22023 issuer has a value that is not allowed");
    // Issuers are told apart byte by byte: a slip of the pen revokes nothing, and says so.
    for sql in [
        "select auth.revoke_session('https://strict.example/', 's')",
        "select auth.revoke_user('ada', 'https://Strict.example')",
        "select auth.revoke_token('j', 'strict.example')",
    ] {
        assert_eq!(administrator.refused(sql), "22023 issuer has a value that is not allowed", "{sql}");
    }
}

fn connect(dir: &Path, user: &str) -> Client {
    Config::new().host_path(dir).port(5432).dbname("postgres").user(user).connect(NoTls).unwrap()
}

/// Waits until the standby has replayed what the primary has written.
fn replayed(primary: &mut Client, standby: &mut Client) {
    let written = primary.value("select pg_current_wal_flush_lsn()").unwrap();
    let begin = Instant::now();
    let sql = format!("select pg_last_wal_replay_lsn() >= '{written}'");
    while standby.value(&sql).as_deref() != Some("t") {
        assert!(begin.elapsed() < Duration::from_secs(30), "no replay");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn t160_a_standby_refuses_what_was_revoked_as_soon_as_it_has_replayed_it() {
    let server =
        Server::start(installation(), "revoking", &[("wal_level", "replica"), ("max_wal_senders", "4")])
            .unwrap();
    server.psql("postgres", "create extension pg_bearer; create role tenant login").unwrap();
    let mut primary = connect(server.socket_dir(), "postgres");
    set_up(&mut primary);
    primary.run(&format!(
        "select auth.add_issuer('{STRICT_ISSUER}'); select auth.add_jwt_secret('{STRICT_ISSUER}', '{SECRET}');
         set synchronous_commit = on"
    ));
    let standby = Standby::of(&server);
    let mut session = connect(&standby.0, "tenant");
    let mut observer = connect(&standby.0, "postgres");
    let statement = session.prepare("select auth.authenticate($1)").unwrap();
    for round in 0..50 {
        let (user, sid) = (format!("u{round}"), format!("s{round}"));
        let token =
            if round % 2 == 0 { mint(&mut primary, &user) } else { foreign(&user, json!({"sid": sid})) };
        replayed(&mut primary, &mut observer);
        session.run(&format!("begin isolation level {}", ["read committed", "repeatable read"][round % 2]));
        session.execute(&statement, &[&token]).unwrap();
        session.run("savepoint s");
        primary.run(&match round % 3 {
            0 => format!("select auth.revoke_user('{user}')"),
            1 if round % 2 == 1 => format!("select auth.revoke_session('{STRICT_ISSUER}', '{sid}')"),
            _ => format!("select auth.revoke_token('{token}')"),
        });
        replayed(&mut primary, &mut observer);
        assert_eq!(refusal(session.execute(&statement, &[&token])), REFUSED, "round {round}");
        session.run("rollback");
        assert_eq!(verdict(&mut session, &token), REFUSED, "round {round}");
    }
    assert_eq!(refusal(observer.execute("select auth.revoke_user('ada')", &[])).get(..5), Some("25006"));
}
