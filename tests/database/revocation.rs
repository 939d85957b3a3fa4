//! A key that is revoked verifies nothing from the commit on, whatever a session has seen or remembers.

use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use std::sync::mpsc::channel;
use std::thread;

const ROUNDS: usize = 200;
const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

/// Ways of ending a key's life, each undone by the next round's new key.
fn end(session: &mut Client, round: usize) {
    let find = format!("from auth.list_jwt_keys('{ISSUER}') where kid = 'k{round}'");
    match round % 4 {
        0 => session.run(&format!("select auth.revoke_jwt_key(key_id) {find}")),
        1 => drop(
            session
                .execute("select auth.load_jwks($1, $2)", &[&ISSUER, &jwks(&[Pair::es256().jwk("other")])])
                .unwrap(),
        ),
        2 => session
            .run(&format!("update auth.jwt_keys set not_after = clock_timestamp() where kid = 'k{round}'")),
        _ => {
            session.run(&format!("select auth.remove_issuer('{ISSUER}'); select auth.add_issuer('{ISSUER}')"))
        }
    }
}

#[test]
fn t026_t027_a_revoked_key_is_refused_in_every_open_transaction() {
    let db = Database::new();
    let mut administrator = db.superuser();
    let mut sessions = Vec::new();
    for at in 0..6 {
        let mut session = db.tenant();
        let (order, orders) = channel::<Option<String>>();
        let (answer, answers) = channel::<String>();
        let worker = thread::spawn(move || {
            let level = LEVELS[at % 3];
            while let Ok(Some(token)) = orders.recv() {
                session.run(&format!("begin isolation level {level}"));
                // Takes the transaction's snapshot, and remembers the signature.
                session.run("select count(*) from docs");
                session.authenticate(&token).unwrap();
                session.authenticate(&token).unwrap();
                answer.send("open".into()).unwrap();
                orders.recv().unwrap();
                session.run("savepoint s");
                let refused = refusal(session.authenticate(&token));
                session.run("rollback to s");
                let verified = session.execute("select auth.verify_jwt($1)", &[&token]);
                let refused = format!("{refused}, {}", refusal(verified));
                session.run("rollback");
                let later = refusal(session.authenticate(&token));
                answer.send(format!("{refused}, {later}")).unwrap();
            }
        });
        sessions.push((order, answers, worker));
    }
    for round in 0..ROUNDS {
        let pair = Pair::es256();
        let kid = format!("k{round}");
        administrator
            .execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &pair.jwk(&kid).to_string()])
            .unwrap();
        let token = pair.sign(&kid, &claims_a());
        for (order, ..) in &sessions {
            order.send(Some(token.clone())).unwrap();
        }
        for (_, answers, _) in &sessions {
            assert_eq!(answers.recv().unwrap(), "open");
        }
        end(&mut administrator, round);
        for (order, ..) in &sessions {
            order.send(None).unwrap();
        }
        for (_, answers, _) in &sessions {
            let expected = ["28000 the credential was refused"; 3].join(", ");
            assert_eq!(answers.recv().unwrap(), expected, "round {round}");
        }
    }
    for (order, _, worker) in sessions {
        drop(order);
        worker.join().unwrap();
    }
}

#[test]
fn t026_a_key_that_is_added_is_accepted_in_every_open_transaction() {
    let db = Database::new();
    let pair = Pair::es256();
    let token = pair.sign("k", &claims_a());
    for level in LEVELS {
        let mut session = db.tenant();
        session.run(&format!("begin isolation level {level} read only; select count(*) from docs"));
        session.run("savepoint s");
        assert_eq!(refusal(session.authenticate(&token)), "28000 the credential was refused");
        session.run("rollback to s");
        db.superuser()
            .execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &pair.jwk("k").to_string()])
            .unwrap();
        session.authenticate(&token).unwrap();
        assert_eq!(session.visible(), 500);
        db.superuser().run("delete from auth.jwt_keys where kid = 'k'");
    }
}

#[test]
fn a_revocation_that_is_not_committed_does_not_count_and_blocks_nobody() {
    let db = Database::new();
    let pair = Pair::es256();
    let mut administrator = db.connect("administrator");
    administrator.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &pair.jwk("k").to_string()]).unwrap();
    administrator.run(&format!(
        "begin; select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys('{ISSUER}') where kid = 'k'"
    ));
    let mut session = db.tenant();
    session.run("set statement_timeout = '2 s'");
    let token = pair.sign("k", &claims_a());
    session.authenticate(&token).unwrap();
    // Who revokes sees it at once.
    assert_eq!(refusal(administrator.authenticate(&token)), "28000 the credential was refused");
    administrator.run("rollback");
    administrator.authenticate(&token).unwrap();
    session.authenticate(&token).unwrap();
}

#[test]
fn a_key_set_that_is_being_loaded_does_not_bring_back_the_key_that_is_revoked() {
    let db = Database::new();
    let pair = Pair::rs256();
    let set = |alg: &str| jwks(&[with(pair.jwk("r"), serde_json::json!({ "alg": alg }))]);
    let load = |session: &mut Client, alg: &str| {
        session.execute("select auth.load_jwks($1, $2)", &[&ISSUER, &set(alg)]).unwrap();
    };
    let mut loading = db.superuser();
    load(&mut loading, "RS256");
    let id =
        loading.value(&format!("select key_id from auth.list_jwt_keys('{ISSUER}') where kid = 'r'")).unwrap();
    loading.run("begin");
    load(&mut loading, "PS256");
    let revoking = thread::scope(|scope| {
        let revoking = scope.spawn(|| db.superuser().run(&format!("select auth.revoke_jwt_key('{id}')")));
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while loading.value(waits).as_deref() != Some("1") && !revoking.is_finished() {
            loading.run("select pg_sleep(0.01), pg_stat_clear_snapshot()");
        }
        loading.run("commit");
        revoking.join()
    });
    revoking.unwrap();
    let usable = format!("select count(*) from auth.list_jwt_keys('{ISSUER}') where kid = 'r' and usable");
    assert_eq!(loading.value(&usable).as_deref(), Some("0"));
}
