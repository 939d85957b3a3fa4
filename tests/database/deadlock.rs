//! t067: what Postgres adds to the report of a deadlock are the statements of everybody who took part.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains, server};
use pg_bearer_tests::token::*;
use serde_json::json;
use std::sync::Barrier;

#[test]
fn t067_the_report_of_a_deadlock_holds_no_credential() {
    let db = Database::new();
    db.superuser().run("create table locked (id int primary key, n int); insert into locked values (1, 0), (2, 0); grant all on locked to tenant");
    let tokens: Vec<String> =
        (0..2).map(|n| hs256(&with(claims_a(), json!({"jti": format!("deadlock {n}")})))).collect();
    let ready = Barrier::new(2);
    let failures = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..2)
            .map(|n| {
                let (db, token, ready) = (&db, &tokens[n], &ready);
                scope.spawn(move || {
                    let mut session = db.tenant();
                    session.run("select auth.is_authenticated()");
                    ready.wait();
                    let (first, second) = if n == 0 { (1, 2) } else { (2, 1) };
                    session
                        .batch_execute(&format!(
                            "begin; select auth.authenticate('{token}'); update locked set n = 1 where id = {first};
                             select pg_sleep(2); update locked set n = 1 where id = {second}; commit"
                        ))
                        .err()
                })
            })
            .collect();
        sessions.into_iter().filter_map(|session| session.join().unwrap()).count()
    });
    assert_eq!(failures, 1, "one of the two is the victim");
    let log = server().log();
    assert_contains(&log, "deadlock detected");
    for token in tokens {
        assert!(!log.contains(&token), "the log holds a token");
    }
}
