//! When a token was issued, and by which clock: in doubt it has ended.

use super::world::*;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// Begins a second, so that what follows happens within it.
fn at_the_beginning_of_a_second() -> i64 {
    let second = now();
    while now() == second {
        thread::sleep(Duration::from_millis(1));
    }
    second + 1
}

#[test]
fn t159_what_was_issued_in_the_same_second_or_by_a_clock_ahead_ends() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    for (at, issuer) in [None, Some(STRICT_ISSUER)].into_iter().enumerate() {
        let user = format!("u{at}");
        let second = at_the_beginning_of_a_second();
        let tokens: Vec<_> = [-600, -1, 0, 1, 29, 30]
            .map(|later| foreign(&user, json!({"iat": second + later, "n": later})))
            .into_iter()
            .chain([foreign(&user, json!({"iat": null})), foreign(&user, json!({"iat": null, "jti": "j"}))])
            .collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        assert_ended(&mut session, &[], &tokens, "before");
        administrator.execute("select auth.revoke_user($1, $2)", &[&user, &issuer]).unwrap();
        assert_ended(&mut session, &tokens, &[], "after");
        // Made in the same second after it.
        let after = foreign(&user, json!({"iat": now(), "n": "after"}));
        assert_ended(&mut session, &[&after], &[], "within the leeway");
        // Somebody else's, and of another issuer.
        let others = [foreign("other", json!({})), hs256(&with(claims_a(), json!({"sub": user})))];
        assert_eq!(verdict(&mut session, &others[0]), GOOD);
        assert_eq!(verdict(&mut session, &others[1]) == GOOD, issuer.is_some());
    }
}

#[test]
fn t159_the_next_sign_in_is_good_once_the_leeway_is_over() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    for leeway in [0, 2] {
        administrator.run(&format!("select auth.update_issuer('{STRICT_ISSUER}', leeway => '{leeway} s')"));
        let nameless = foreign("ada", json!({"iat": null}));
        administrator.run("select auth.revoke_user('ada')");
        let revoked = Instant::now();
        while verdict(&mut session, &foreign("ada", json!({"n": 1}))) == REFUSED {
            assert!(revoked.elapsed() < Duration::from_secs(leeway + 2), "{leeway}");
            thread::sleep(Duration::from_millis(20));
        }
        assert!(revoked.elapsed() >= Duration::from_secs(leeway), "{leeway}: {:?}", revoked.elapsed());
        // As long as the row is there, there is no telling when that one was issued.
        assert_ended(&mut session, &[&nameless], &[], "no iat");
        administrator.run("delete from auth.revocations");
        assert_ended(&mut session, &[], &[&nameless], "no iat, no row");
    }
}

#[test]
fn t159_a_token_of_ours_is_good_right_after_the_revocation() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let mut last = mint(&mut administrator, "ada");
    for round in 0..200 {
        administrator.run("select auth.revoke_user('ada')");
        let next = mint(&mut administrator, "ada");
        assert_ended(&mut session, &[&last], &[&next], &round.to_string());
        last = next;
    }
    // In one transaction too, in whichever order.
    administrator.run("begin");
    let before = mint(&mut administrator, "ada");
    administrator.run("select auth.revoke_user('ada')");
    let after = mint(&mut administrator, "ada");
    administrator.run("commit");
    assert_ended(&mut session, &[&last, &before], &[&after], "one transaction");
}

#[test]
fn t159_a_transaction_that_has_lasted_gives_nobody_more_time() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let mut slow = db.superuser();
    slow.run("begin; select auth.issue_jwt('other')");
    thread::sleep(Duration::from_millis(1100));
    let early = mint(&mut administrator, "ada");
    // The transaction began before the token was made, and ends what was made until this statement.
    slow.run("select auth.revoke_user('ada')");
    let between = mint(&mut administrator, "ada");
    slow.run("commit");
    assert_ended(&mut session, &[&early], &[&between], "the clock, not the transaction's beginning");
    // The end of a token is reckoned from now, not from when its transaction began.
    slow.run("begin");
    thread::sleep(Duration::from_millis(1100));
    let token = slow.value("select auth.issue_jwt('ada', expires_at => now() + interval '3 s')").unwrap();
    slow.run("commit");
    let claims = slow.value(&format!("select claims from auth.check_jwt('{token}')")).unwrap();
    let ends_as_its_row = "select t.expires_at = to_timestamp((($1::text::jsonb) ->> 'exp')::bigint)
                              from auth.minted_tokens t where t.id::text = ($1::text::jsonb) ->> 'jti'";
    assert!(slow.query_one(ends_as_its_row, &[&claims]).unwrap().get::<_, bool>(0));
    // The row that ended a token by itself is there for as long as the token can be.
    administrator.run(&format!("select auth.revoke_token('{token}')"));
    let outlives = "select bool_and(r.expires_at >= t.expires_at + interval '10 minutes')
                      from auth.revocations r join auth.minted_tokens t on t.id::text = r.value where r.kind = 'token'";
    assert_eq!(administrator.value(outlives).as_deref(), Some("t"));
}

/// Makes it look as if a server whose clock was ahead had made the rows, which this one took over from.
fn take_over(administrator: &mut Client, table: &str, column: &str) {
    administrator.run(&format!("update auth.{table} set {column} = {column} + interval '1 hour'"));
}

#[test]
fn t159_a_server_whose_clock_is_behind_ends_what_the_other_one_made() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let early = mint(&mut administrator, "ada");
    let child = mint_from(&mut session, &early);
    let other = mint(&mut administrator, "ben");
    take_over(&mut administrator, "minted_tokens", "created_at");
    for (revocation, again) in [("revoke_user('ada')", false), ("remove_user('ada')", true)] {
        assert_eq!(verdict(&mut session, &early) == GOOD, !again);
        administrator.run(&format!("select auth.{revocation}"));
        assert_ended(&mut session, &[&early, &child], &[&other], revocation);
    }
    // What the other one ended stays ended, whatever this one adds.
    administrator
        .run("truncate auth.revocations; update auth.minted_tokens set created_at = clock_timestamp()");
    administrator.run("select auth.revoke_user('ada'), auth.revoke_user('ada')");
    take_over(&mut administrator, "revocations", "issued_before");
    take_over(&mut administrator, "minted_tokens", "created_at");
    administrator.run("update auth.minted_tokens set created_at = created_at - interval '1 second'");
    assert_ended(&mut session, &[&early, &child], &[&other], "taken over");
    administrator.run("select auth.revoke_user('ada')");
    assert_ended(&mut session, &[&early, &child], &[&other], "and again");
    let rows = "select count(*) from auth.revocations where kind = 'user' and value = 'ada'";
    assert_eq!(administrator.value(rows).as_deref(), Some("1"));
}
