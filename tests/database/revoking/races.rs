//! Revocations against whoever is at it at the same moment.

use super::world::*;
use pg_bearer_tests::database::{Session, rounds};
use pg_bearer_tests::token::STRICT_ISSUER;
use postgres::Client;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

const SESSIONS: usize = 8;
const ROUNDS: usize = 1000;

/// What the sessions and whoever revokes know of one another.
struct Race {
    barrier: Barrier,
    /// The token of the round.
    token: Mutex<String>,
    /// The last round whose revocation was committed, counted from 1.
    ended: AtomicUsize,
    /// How often it was accepted in this round.
    accepted: AtomicUsize,
    late: AtomicUsize,
    accepted_in_all: AtomicUsize,
}

/// Authenticates over and over, until three times after the revocation.
fn attack(race: &Race, session: &mut Client, all: usize) {
    let statement = session.prepare("select auth.authenticate($1)").unwrap();
    for round in 1..=all {
        race.barrier.wait();
        let token = race.token.lock().unwrap().clone();
        let mut after = 0;
        while after < 3 {
            let is_after = race.ended.load(SeqCst) >= round;
            let accepted = session.execute(&statement, &[&token]).is_ok();
            after += usize::from(is_after);
            race.late.fetch_add(usize::from(is_after && accepted), SeqCst);
            race.accepted.fetch_add(usize::from(accepted), SeqCst);
        }
        race.barrier.wait();
    }
}

#[test]
fn t393_of_all_that_begin_after_a_revocation_none_is_accepted() {
    let db = minting();
    let mut administrator = db.superuser();
    let all = rounds(ROUNDS);
    let race = Arc::new(Race {
        barrier: Barrier::new(SESSIONS + 1),
        token: Mutex::default(),
        ended: AtomicUsize::new(0),
        accepted: AtomicUsize::new(0),
        late: AtomicUsize::new(0),
        accepted_in_all: AtomicUsize::new(0),
    });
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let (race, mut session) = (race.clone(), db.tenant());
            thread::spawn(move || attack(&race, &mut session, all))
        })
        .collect();
    for round in 1..=all {
        // Ours are good again right after the revocation of the round before.
        let user = if round % 2 == 0 { "ada".to_owned() } else { format!("u{round}") };
        let token = if round % 2 == 0 { mint(&mut administrator, &user) } else { foreign(&user, json!({})) };
        race.token.lock().unwrap().clone_from(&token);
        race.barrier.wait();
        while race.accepted.load(SeqCst) < SESSIONS {
            thread::yield_now();
        }
        administrator.execute("select auth.revoke_user($1)", &[&user]).unwrap();
        race.ended.store(round, SeqCst);
        race.barrier.wait();
        race.accepted_in_all.fetch_add(race.accepted.swap(0, SeqCst), SeqCst);
    }
    sessions.into_iter().for_each(|session| session.join().unwrap());
    assert_eq!(race.late.load(SeqCst), 0, "of {all} rounds");
    assert!(race.accepted_in_all.load(SeqCst) >= all * SESSIONS);
}

#[test]
fn t159_what_a_thief_makes_in_an_open_transaction_ends_too() {
    let db = minting();
    let mut administrator = db.superuser();
    let org = administrator.value("select auth.create_organization('o', owner_id => 'ada')").unwrap();
    for (at, is_prepared) in [false, true].into_iter().enumerate() {
        for (revocation, origin) in [
            ("revoke_user('ada')".to_owned(), mint(&mut administrator, "ada")),
            ("revoke_user('ada')".to_owned(), foreign("ada", json!({"jti": format!("j{at}")}))),
            (format!("revoke_user('ada', '{STRICT_ISSUER}')"), foreign("ada", json!({"n": at}))),
            (
                format!("revoke_session('{STRICT_ISSUER}', 's{at}')"),
                foreign("ada", json!({"sid": format!("s{at}")})),
            ),
        ] {
            let mut thief = db.tenant();
            thief.run("begin");
            thief.authenticate(&origin).unwrap();
            let ours = thief.value("select auth.issue_jwt()").unwrap();
            let narrow = thief.value(&format!("select auth.issue_jwt(org_id => '{org}')")).unwrap();
            administrator.run(&format!("select auth.{revocation}"));
            thief.run(&if is_prepared {
                format!("prepare transaction '{}'", db.name)
            } else {
                "commit".to_owned()
            });
            if is_prepared {
                thief.run(&format!("commit prepared '{}'", db.name));
            }
            assert_ended(&mut thief, &[&origin, &ours, &narrow], &[], &format!("{revocation} {is_prepared}"));
            administrator.run("truncate auth.revocations");
            // Nothing but the revocation is in their way.
            assert_ended(&mut thief, &[], &[&origin, &ours, &narrow], "without it");
        }
    }
}

#[test]
fn t159_what_somebody_has_not_committed_yet_ends_by_its_id() {
    let db = minting();
    let mut making = db.superuser();
    let mut administrator = db.superuser();
    making.run("begin");
    let token = mint(&mut making, "ada");
    let id = jti(&mut making, &token);
    // The id is in the server log.
    let refused = administrator.refused(&format!("select auth.revoke_token('{id}')"));
    assert_eq!(refused, "22023 issuer has a value that is not allowed");
    administrator.run(&format!("select auth.revoke_token('{}', '{OWN}')", id.to_uppercase()));
    making.run("commit");
    assert_ended(&mut db.tenant(), &[&token], &[], "by its id");
}

#[test]
fn t159_a_key_that_is_exchanged_in_an_open_transaction() {
    let db = minting();
    let mut administrator = db.superuser();
    let org = administrator.value("select auth.create_organization('o', owner_id => 'ada')").unwrap();
    let key = administrator
        .value(&format!("select key from auth.create_api_key('k', '{org}', user_id => 'ada')"))
        .unwrap();
    for (revocation, key_stays) in [("revoke_user('ada')", true), ("remove_user('ada')", false)] {
        if !key_stays {
            administrator.run(&format!("select auth.add_member('{org}', 'ben', 'owner')"));
        }
        let mut thief = db.tenant();
        thief.run("begin");
        thief.authenticate(&key).unwrap();
        let exchanged = thief.value("select auth.exchange_api_key()").unwrap();
        administrator.run(&format!("select auth.{revocation}"));
        thief.run("commit");
        assert_ended(&mut thief, &[&exchanged], &[], revocation);
        assert_eq!(verdict(&mut thief, &key) == GOOD, key_stays, "{revocation}");
    }
}
