//! Administrators who change keys at the same time, and tokens that are made meanwhile.

use super::*;
use pg_bearer_tests::database::rounds;
use std::sync::Barrier;

/// Which states there are, in the order of the alphabet: a key is as old as its transaction.
fn sorted_states(session: &mut Client) -> String {
    let states = states(session);
    let mut states: Vec<_> = states.split(' ').collect();
    states.sort_unstable();
    states.join(" ")
}

/// The first session has done something and not committed when the second does the same.
fn race(db: &Database, first: &str, second: &str, isolation: &str) -> String {
    let [mut one, mut two] = [db.connect("administrator"), db.connect("administrator")];
    two.run(&format!("begin isolation level {isolation}; select from auth.list_jwt_keys()"));
    one.run(&format!("begin; select auth.{first}"));
    let pid = two.value("select pg_backend_pid()").unwrap();
    let second = format!("select auth.{second}");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || match two.batch_execute(&second) {
            Ok(()) => {
                two.batch_execute("commit").map_or_else(|_| "commit failed".into(), |()| "committed".into())
            }
            Err(error) => error.as_db_error().unwrap().code().code().to_owned(),
        });
        let waits = format!("select count(*) from pg_locks where pid = {pid} and not granted");
        let mut superuser = db.superuser();
        while !waiting.is_finished() && superuser.value(&waits).as_deref() == Some("0") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        one.run("commit");
        waiting.join().unwrap()
    })
}

#[test]
fn t403_of_two_who_change_the_same_one_waits_and_sees_what_the_other_did() {
    for (isolation, second_rotation, second_key) in [
        ("read committed", "55000", "committed"),
        ("repeatable read", "40001", "40001"),
        ("serializable", "40001", "40001"),
    ] {
        let (db, mut session) = world();
        let create = "create_signing_key()";
        // The first key of all, then the next one, then its turn.
        assert_eq!(race(&db, create, create, isolation), second_key, "{isolation}");
        let is_next_there = sorted_states(&mut session) == "active next";
        assert!(is_next_there || sorted_states(&mut session) == "active", "{}", sorted_states(&mut session));
        if !is_next_there {
            assert_eq!(race(&db, create, create, isolation), second_key, "{isolation}");
            assert_eq!(sorted_states(&mut session), "active next");
        }
        assert_eq!(
            race(&db, "rotate_signing_key()", "rotate_signing_key()", isolation),
            second_rotation,
            "{isolation}"
        );
        assert_eq!(sorted_states(&mut session), "active retired");
        let first =
            "set_signing_key_state(key_id, 'active') from auth.list_jwt_keys() where state = 'retired'";
        session.run(&format!("select auth.{first}"));
        let key = session.value("select key_id from auth.list_jwt_keys() where state = 'retired'").unwrap();
        let [back, on] = ["next", "active"].map(|state| format!("set_signing_key_state('{key}', '{state}')"));
        let second = race(&db, &back, &on, isolation);
        assert_eq!(second, second_key, "{isolation}");
        let expected = if second == "committed" { "active retired" } else { "active next" };
        assert_eq!(sorted_states(&mut session), expected, "{isolation}");
    }
}

#[test]
fn t403_every_token_that_is_made_while_keys_change_is_good() {
    let (db, mut session) = world();
    create(&mut session, "EdDSA");
    let ready = Barrier::new(4);
    let rounds = rounds(1000);
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let (db, ready) = (&db, &ready);
        let changing: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let mut session = db.connect("administrator");
                    ready.wait();
                    for _ in 0..rounds {
                        for call in ["create_signing_key('EdDSA')", "rotate_signing_key()"] {
                            let changed = session.batch_execute(&format!("select auth.{call}"));
                            let code = changed
                                .err()
                                .map(|error| error.as_db_error().unwrap().code().code().to_owned());
                            assert!(code.as_deref().is_none_or(|code| code == "55000"), "{code:?}");
                        }
                    }
                })
            })
            .collect();
        let making: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let mut session = db.connect("administrator");
                    ready.wait();
                    (0..rounds).map(|_| issue(&mut session)).collect::<Vec<_>>()
                })
            })
            .collect();
        changing.into_iter().for_each(|thread| thread.join().unwrap());
        making.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut tenant = db.tenant();
    for token in &tokens {
        assert!(is_good(&mut tenant, token));
    }
    let states = states(&mut session);
    assert_eq!(states.matches("active").count(), 1, "{states}");
    assert!(states.matches("next").count() <= 1, "{states}");
}

#[test]
fn t403_a_token_that_is_made_while_its_key_is_revoked_is_refused() {
    let (db, mut session) = world();
    let key = create(&mut session, "EdDSA");
    let revoke = format!("select auth.revoke_jwt_key('{key}')");
    let mut other = db.connect("administrator");
    session.run("begin");
    let token = issue(&mut session);
    other.run(&revoke);
    session.run("commit");
    assert!(!is_good(&mut db.tenant(), &token));
    // Who keeps a snapshot from before gets none.
    create(&mut session, "EdDSA");
    session.run("begin isolation level repeatable read; select from auth.list_jwt_keys()");
    other.run("select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys() where state = 'active'");
    assert_eq!(session.refused("select auth.issue_jwt('ada')"), "22023 the token would be refused");
}
