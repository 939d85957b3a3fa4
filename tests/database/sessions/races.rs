//! Clients who refresh one session at once, and such as hold a transaction open.

use super::session_callers::{call, id, session_id};
use super::world::{NOT_REFRESHED, PASSWORD, World, member};
use pg_bearer_tests::database::{Database, Session, rounds};
use pg_bearer_tests::refusal;
use serde_json::Value;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
const BUSY: &str = "53400 somebody else is changing the same";

fn not_refreshed() -> Value {
    serde_json::from_str(NOT_REFRESHED).unwrap()
}

/// What so many clients get who refresh with one token at one moment.
fn race(db: &Database, token: &str) -> Vec<Value> {
    let barrier = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let racers: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut session = db.tenant();
                    session.run("select auth.uid()");
                    barrier.wait();
                    // On a busy machine some wait for too long, and try again as they are told.
                    let refresh = format!("select auth.refresh_session('{token}')::text");
                    loop {
                        match session.query_one(&refresh, &[]) {
                            Ok(row) => break serde_json::from_str(row.get(0)).unwrap(),
                            Err(error) => assert_eq!(refusal(Err::<(), _>(error)), BUSY),
                        }
                    }
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    })
}

#[test]
fn t153_of_sixteen_who_race_all_get_the_one_next_token() {
    let mut world = World::new();
    let mut answer = world.sign_up("ada@example.com");
    for round in 0..rounds(20) {
        let token = member(&answer, "refresh_token").to_owned();
        let answers = race(&world.db, &token);
        for other in &answers {
            assert_eq!(other["refresh_token"], answers[0]["refresh_token"], "round {round}");
            assert_ne!(other["refresh_token"], token);
            assert!(world.is_good(other), "round {round}");
        }
        answer = answers.into_iter().next().unwrap();
        let sessions = world.admin.value("select string_agg(generation::text, ' ') from auth.sessions");
        assert_eq!(sessions, Some(format!("{}", round + 2)));
    }
    assert!(world.refresh(member(&answer, "refresh_token"))["access_token"].is_string());
}

#[test]
fn t153_an_older_snapshot_refreshes_nothing() {
    for level in ["repeatable read", "serializable"] {
        let mut world = World::new();
        let first = world.sign_up("ada@example.com");
        let token = member(&first, "refresh_token");
        let mut old = world.db.tenant();
        old.run(&format!("begin isolation level {level}; select auth.uid()"));
        let second = world.refresh(token);
        for token in [token, member(&second, "refresh_token")] {
            old.run("savepoint s");
            let refused = old.refused(&format!("select auth.refresh_session('{token}')"));
            assert!(refused.starts_with("40001 "), "{level}: {refused}");
            old.run("rollback to s");
        }
        old.run("rollback");
        assert_eq!(world.refresh(token)["refresh_token"], second["refresh_token"]);
        // On its own it goes on there too.
        old.run(&format!("begin isolation level {level}"));
        let third = call(&mut old, &format!("refresh_session('{}')", member(&second, "refresh_token")));
        old.run("commit");
        assert!(world.is_good(&third) && world.is_good(&first));
    }
}

#[test]
fn t153_whoever_holds_a_session_open_is_waited_for_a_moment() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let token = member(&first, "refresh_token");
    let mut holder = world.db.tenant();
    holder.run("begin");
    let held = call(&mut holder, &format!("refresh_session('{token}')"));
    world.session.run("set lock_timeout = '1 min'");
    let start = Instant::now();
    assert_eq!(world.session.refused(&format!("select auth.refresh_session('{token}')")), BUSY);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(10), "{waited:?}");
    assert_eq!(world.session.value("show lock_timeout").as_deref(), Some("1min"));
    // Meanwhile its tokens are good, the owner signs in elsewhere, and ends what is held.
    assert!(world.is_good(&first));
    world.admin.run("set statement_timeout = '1.5 s'");
    world.session.run("set statement_timeout = '1.5 s'");
    let other = world.sign_in("ada@example.com", PASSWORD);
    world.as_user(&other, "select auth.sign_out_session('others')").unwrap();
    assert!(!world.is_good(&first) && world.is_good(&other));
    holder.run("commit");
    assert!(!world.is_good(&held));
    assert_eq!(world.refresh(member(&held, "refresh_token")), not_refreshed());
    assert!(world.is_good(&other));
}

#[test]
fn t153_t155_a_refresh_that_was_rolled_back_took_nothing() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let token = member(&first, "refresh_token");
    world.session.run("begin");
    let lost = world.refresh(token);
    world.session.run("rollback");
    assert!(!world.is_good(&lost) && world.is_good(&first));
    // Never there: it ends nothing, although this database made it.
    assert_eq!(world.refresh(member(&lost, "refresh_token")), not_refreshed());
    assert!(world.is_good(&first));
    world.session.run("begin; savepoint s");
    let caught = world.refresh(token);
    world.session.run("rollback to s; commit");
    assert!(!world.is_good(&caught));
    let second = world.refresh(token);
    assert!(world.is_good(&second));
    assert_ne!(second["refresh_token"], lost["refresh_token"]);
}

#[test]
fn t153_a_token_that_never_was_ends_nothing() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let token = member(&first, "refresh_token");
    let second = world.refresh(token);
    let third = world.refresh(member(&second, "refresh_token"));
    // The session and the generation are those of the first token; anything else is made up.
    for at in 35..token.len() - 1 {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        let made_up = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(world.refresh(&made_up), not_refreshed(), "{at}");
    }
    assert!(world.is_good(&third));
    let audited = world.admin.value("select count(*) from auth.audit_log where action = 'session.reuse'");
    assert_eq!(audited.as_deref(), Some("0"));
    assert_eq!(world.refresh(token), not_refreshed());
    assert!(!world.is_good(&third));
}

#[test]
fn t440_whoever_knows_the_id_of_a_session_does_not_hold_it_up() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let token = member(&first, "refresh_token");
    let made_up = format!("{}{}", &token[..60], "A".repeat(token.len() - 60));
    let mut thief = world.db.tenant();
    thief.run("begin");
    assert_eq!(call(&mut thief, &format!("refresh_session('{made_up}')")), not_refreshed());
    world.session.run("set statement_timeout = '1.5 s'");
    let second = world.refresh(token);
    assert!(world.is_good(&second));
    thief.run("commit");
}

#[test]
fn t153_a_child_that_was_used_ends_the_session_for_all_who_race() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let token = member(&first, "refresh_token").to_owned();
    let second = world.refresh(&token);
    let third = world.refresh(member(&second, "refresh_token"));
    assert!(race(&world.db, &token).iter().all(|answer| *answer == not_refreshed()));
    for answer in [&first, &second, &third] {
        assert!(!world.is_good(answer));
    }
    let audited = world.admin.value("select count(*) from auth.audit_log where action = 'session.reuse'");
    assert_eq!(audited.as_deref(), Some("1"));
}

#[test]
fn t152_another_session_than_before_whenever_more_is_known_of_a_user() {
    let mut world = World::new();
    let anonymous = world.call("sign_in_anonymously()");
    let known = world
        .as_user(&anonymous, &format!("select auth.sign_up('ada@example.com', '{PASSWORD}')::text"))
        .unwrap()
        .map(|text| serde_json::from_str::<Value>(&text).unwrap())
        .unwrap();
    assert_eq!(id(&anonymous), id(&known));
    assert!(!world.is_good(&anonymous));
    assert_eq!(world.refresh(member(&anonymous, "refresh_token")), not_refreshed());
    assert!(world.is_good(&known));
    let again = world.sign_in("ada@example.com", PASSWORD);
    assert_ne!(session_id(&mut world, &again), session_id(&mut world, &known));
}
