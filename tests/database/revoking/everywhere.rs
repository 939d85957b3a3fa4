//! What each revocation ends, and that it ends it wherever a token counts.

use super::world::*;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use serde_json::json;

/// The same for every reason.
const WHERE: &str = "The reason is in the server log; administrators can ask auth.explain_credential(text).";

/// Asserts that this token is refused from now on, in every way, by one error; and why an administrator knows.
fn assert_refused(db: &Database, token: &str, context: &str) {
    let mut session = db.tenant();
    assert_eq!(verdict(&mut session, token), REFUSED, "{context}");
    let verified = session.execute("select auth.verify_jwt($1)", &[&token]);
    let error = verified.as_ref().unwrap_err().as_db_error().unwrap();
    assert_eq!((error.detail(), error.hint()), (None, Some(WHERE)), "{context}");
    assert_eq!(refusal(verified), REFUSED, "{context}");
    assert_eq!(reason(&mut db.superuser(), token).as_deref(), Some(REVOKED), "{context}");
}

#[test]
fn t390_a_token_ends_by_itself_and_by_its_id() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let own =
        [mint(&mut administrator, "ada"), mint(&mut administrator, "ada"), mint(&mut administrator, "ada")];
    let named = [foreign("ada", json!({"jti": "1"})), foreign("ada", json!({"jti": "2"}))];
    let nameless = [foreign("ada", json!({"n": 1})), foreign("ada", json!({"n": 2}))];
    let other = hs256(&with(claims_a(), json!({"jti": "1"})));
    let id = jti(&mut administrator, &own[1]);
    let capital = jti(&mut administrator, &own[2]).to_uppercase();
    let mut alive = vec![&own[0], &own[1], &own[2], &named[0], &named[1], &nameless[0], &nameless[1], &other];
    for (revocation, ended) in [
        (format!("revoke_token('{}')", own[0]), &own[0]),
        (format!("revoke_token('{id}')"), &own[1]),
        (format!("revoke_token('{capital}', '{OWN}')"), &own[2]),
        (format!("revoke_token('Bearer {}')", named[0]), &named[0]),
        (format!("revoke_token('2', '{STRICT_ISSUER}')"), &named[1]),
        (format!("revoke_token('{}')", nameless[0]), &nameless[0]),
    ] {
        assert_ended(
            &mut session,
            &[],
            &alive.iter().map(|token| token.as_str()).collect::<Vec<_>>(),
            "before",
        );
        administrator.run(&format!("select auth.{revocation}, auth.{revocation}"));
        alive.retain(|token| *token != ended);
        assert_refused(&db, ended, &revocation);
    }
    assert_ended(&mut session, &[], &[&nameless[1], &other], "of others");
    // Of an id that is one only for another issuer, and one that is shaped like the digest of another token.
    let refused = administrator.refused(&format!("select auth.revoke_token('{id}', '{ISSUER}x')"));
    assert_eq!(refused, "22023 issuer has a value that is not allowed");
    let digest = administrator.value("select value from auth.revocations where kind = 'digest'").unwrap();
    administrator.run(&format!("select auth.revoke_token('{digest}', '{ISSUER}')"));
    assert_ended(&mut session, &[], &[&nameless[1], &other], "a digest is no jti");
}

#[test]
fn t390_a_token_that_ends_beyond_all_timestamps_can_be_ended() {
    let db = minting();
    let mut session = db.tenant();
    for exp in [9_223_371_331_100, 9_224_318_015_999, 9_224_318_016_500, 9_300_000_000_000, 1_i64 << 53] {
        let token = foreign("ada", json!({"exp": exp - 30, "jti": exp.to_string()}));
        assert_eq!(verdict(&mut session, &token), GOOD, "{exp}");
        db.superuser().execute("select auth.revoke_token($1)", &[&token]).unwrap();
        assert_refused(&db, &token, &exp.to_string());
    }
}

#[test]
fn t390_a_token_that_is_no_good_leaves_nothing_and_one_that_has_expired_ends_what_it_made() {
    let db = minting();
    let mut administrator = db.superuser();
    let before = everything(&mut administrator);
    let forged =
        hs256_with(b"another secret of 32 bytes or more", r#"{"alg":"HS256"}"#, &claims_a().to_string());
    assert_eq!(administrator.refused(&format!("select auth.revoke_token('{forged}')")), REFUSED);
    let expired = foreign("ada", json!({"exp": now() - 60}));
    assert_eq!(everything(&mut administrator), before);
    // What it made lives on, and so does the revocation.
    administrator.run(&format!("select auth.revoke_token('{expired}')"));
    let kept = "select count(*) from auth.revocations where expires_at > now() + interval '10 years'";
    assert_eq!(administrator.value(kept).as_deref(), Some("1"));
}

#[test]
fn t390_a_session_ends_with_all_tokens_that_name_it() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let sid = |claim: &str, user: &str| foreign(user, json!({claim: "s1", "n": now()}));
    let (old, ours) = (sid("session_id", "ada"), sid("sid", "ada"));
    let later = foreign("ada", json!({"sid": "s1", "iat": now() + 29, "n": 2}));
    let minted = mint_from(&mut session, &old);
    let others = [
        foreign("ada", json!({"sid": "s2"})),
        foreign("ada", json!({"sid": "s1 "})),
        foreign("s1", json!({"jti": "s1"})),
        hs256(&with(claims_a(), json!({"sid": "s1"}))),
    ];
    let others = others.each_ref().map(String::as_str);
    assert_ended(&mut session, &[], &[&old, &ours, &later, &minted], "before");
    administrator.run(&format!("select auth.revoke_session('{STRICT_ISSUER}', 's1')"));
    for token in [&old, &ours, &later, &minted] {
        assert_refused(&db, token, "the session");
    }
    assert_ended(&mut session, &[], &others, "of others");
    // By its user, without naming it.
    as_bearer(&mut session, others[0], "select auth.revoke_session()");
    assert_ended(&mut session, &[others[0]], &others[1..], "one's own");
}

#[test]
fn t390_a_user_ends_by_id_and_by_sub() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    administrator.run(&format!("select auth.update_issuer('{ISSUER}', user_id_prefix => 'p:')"));
    let of = |issuer: &str, sub: &str, n: i64| {
        hs256(&json!({"iss": issuer, "sub": sub, "iat": now(), "exp": now() + 600, "n": n}))
    };
    let everybody =
        |n: i64| [of(ISSUER, "ada", n), of(STRICT_ISSUER, "ada", n), of(STRICT_ISSUER, "p:ada", n)];
    for (at, (arguments, ended)) in [
        ("'p:ada'".to_owned(), [true, false, true, false, true]),
        (format!("'p:ada', '{ISSUER}'"), [true, false, false, false, false]),
        (format!("'ada', '{ISSUER}'"), [true, false, false, false, false]),
        (format!("'p:ada', '{STRICT_ISSUER}'"), [false, false, true, false, false]),
        (format!("'ada', '{OWN}'"), [false, false, false, true, false]),
        ("'ada'".to_owned(), [false, true, false, true, false]),
        ("'ADA'".to_owned(), [false; 5]),
        ("'ada '".to_owned(), [false; 5]),
    ]
    .into_iter()
    .enumerate()
    {
        administrator.run("truncate auth.revocations");
        let [a, b, c] = everybody(at as i64);
        let tokens = [a, b, c, mint(&mut administrator, "ada"), mint(&mut administrator, "p:ada")];
        tokens.iter().for_each(|token| assert_eq!(verdict(&mut session, token), GOOD));
        administrator.run(&format!("select auth.revoke_user({arguments})"));
        let found = tokens.each_ref().map(|token| verdict(&mut session, token) == REFUSED);
        assert_eq!(found, ended, "{arguments}");
    }
}

#[test]
fn t391_what_is_open_hands_nothing_on() {
    let db = minting();
    let mut administrator = db.superuser();
    for (at, level) in ["read committed", "repeatable read", "serializable"].into_iter().enumerate() {
        let user = format!("u{at}");
        let parent = mint(&mut administrator, &user);
        let tokens = [
            (
                foreign(&user, json!({"jti": level, "sid": level})),
                format!("revoke_token('{level}', '{STRICT_ISSUER}')"),
            ),
            (
                foreign(&user, json!({"sid": level, "n": 1})),
                format!("revoke_session('{STRICT_ISSUER}', '{level}')"),
            ),
            (foreign(&user, json!({"n": 2})), format!("revoke_user('{user}')")),
            (parent.clone(), format!("revoke_token('{parent}')")),
        ];
        for (token, revocation) in tokens {
            // Who may ask auth_internal.
            let mut session = db.superuser();
            administrator.run("truncate auth.revocations");
            session.run(&format!("begin isolation level {level}; select count(*) from docs"));
            session.authenticate(&token).unwrap();
            session.run("select auth_internal.demand_handing_on(null, null); savepoint s");
            administrator.run(&format!("select auth.{revocation}"));
            for sql in [
                "select auth_internal.demand_handing_on(null, null)",
                "select auth.issue_jwt()",
                "select auth.create_organization('o')",
                &format!("select auth.remove_user('{user}')"),
            ] {
                assert_eq!(session.refused(sql), REFUSED, "{level}: {revocation}: {sql}");
                session.run("rollback to s");
            }
            assert_eq!(refusal(session.authenticate(&token)), REFUSED, "{level}: {revocation}");
        }
    }
}
