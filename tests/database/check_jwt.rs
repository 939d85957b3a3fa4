//! What administrators are told of a token.

use crate::admin_keys::without;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

/// Validity, reason, header and claims as texts.
fn check(session: &mut Client, token: &str) -> (bool, Option<String>, Option<String>, Option<String>) {
    let row = session
        .query_one("select valid, reason, header::text, claims::text from auth.check_jwt($1)", &[&token])
        .unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

fn reason(session: &mut Client, token: &str) -> String {
    check(session, token).1.unwrap_or_default()
}

#[test]
fn whatever_is_wrong_with_a_token_what_it_says_is_shown_as_it_is_written() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let claims = r#"{"n": 18446744073709551617, "d": 1.10, "e": 1e2, "iss": "https://who.example"}"#;
    // jsonb keeps what a double would lose.
    let shown = r#"{"d": 1.10, "e": 100, "n": 18446744073709551617, "iss": "https://who.example"}"#;
    for (header, expected, why) in [
        (r#"{"alg":"none"}"#, r#"{"alg": "none"}"#, "alg is missing, \"none\" or not a supported algorithm"),
        (r#"{"alg":"HS256","x":1.10}"#, r#"{"x": 1.10, "alg": "HS256"}"#, "no such issuer is configured"),
        (
            r#"{"alg":"HS256","jku":"https://x"}"#,
            r#"{"alg": "HS256", "jku": "https://x"}"#,
            "the header brings its own key (jwk, jku, x5c or x5u)",
        ),
    ] {
        let found = check(&mut session, &hs256_raw(header, claims));
        assert_eq!(found, (false, Some(why.into()), Some(expected.into()), Some(shown.into())));
    }
    let unsigned = format!("{}.{}.", base64url(br#"{"alg":"none"}"#), base64url(br#"{"sub":"a"}"#));
    let found = check(&mut session, &unsigned);
    assert_eq!(found.1.as_deref(), Some("the token has no signature"));
    assert_eq!(
        [found.2.as_deref(), found.3.as_deref()],
        [Some(r#"{"alg": "none"}"#), Some(r#"{"sub": "a"}"#)]
    );
    let found = check(&mut session, &hs256_raw(r#"{"alg":"HS256"}"#, r#"{"sub":"a"}"#));
    assert_eq!((found.1.as_deref(), found.3.as_deref()), (Some("iss is missing"), Some(r#"{"sub": "a"}"#)));
    // What Postgres and we could read in two ways is not shown.
    for payload in [r#"{"a":1,"a":2}"#, r#"{"a":"\u0000"}"#, "[]", "1", r#"{"a":1e999}"#, "\u{feff}{}"] {
        let found = check(&mut session, &hs256_raw(r#"{"alg":"HS256"}"#, payload));
        assert_eq!((found.0, found.2.is_some(), found.3), (false, true, None), "{payload}");
    }
    for text in [format!("{}.x.y", "e".repeat(20_000)), "ey.ey.ey".to_owned(), "a.b".to_owned()] {
        let found = check(&mut session, &text);
        assert_eq!((found.0, found.2, found.3), (false, None, None));
    }
    let mut refused = db.tenant();
    assert!(refused.refused(&format!("select * from auth.check_jwt('{unsigned}')")).starts_with("42501"));
}

#[test]
fn a_time_with_a_fraction_is_a_time() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let until = now() + 600;
    let claims = |times: &str| {
        let Value::Object(mut members) = claims_a() else { panic!() };
        members.retain(|name, _| !["exp", "iat", "nbf"].contains(&name.as_str()));
        let rest = Value::Object(members).to_string();
        hs256_raw(r#"{"alg":"HS256"}"#, &rest.replacen('{', &format!("{{{times},"), 1))
    };
    for times in [
        format!("\"exp\":{until}.25,\"iat\":{}.75,\"nbf\":-1", now() - 5),
        "\"exp\":9223372036854775807".to_owned(),
        "\"exp\":1e300,\"nbf\":-1e300".to_owned(),
    ] {
        let token = claims(&times);
        assert_eq!(reason(&mut session, &token), "", "{times}");
        let mut tenant = db.tenant();
        tenant.run("begin");
        tenant.authenticate(&token).unwrap();
        // What is beyond the calendar never ends.
        let ends = tenant.value("select auth.identity()->>'expires_at'");
        assert!(ends.as_ref().is_none_or(|ends| !ends.contains('.')), "{times}: {ends:?}");
        assert_eq!(tenant.visible(), 500);
        tenant.run("rollback");
    }
    assert_eq!(reason(&mut session, &claims("\"exp\":-0.5")), "the token has expired");
    assert_eq!(reason(&mut session, &claims("\"exp\":\"1\"")), "exp is not a number");
}

#[test]
fn the_reason_says_what_is_wrong_with_the_keys() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let mut add = |key: &Value| {
        session.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &key.to_string()]).unwrap();
    };
    let pair = Pair::ed25519();
    add(&without(pair.jwk("x"), "kid"));
    let rsa = Pair::rs256();
    add(&without(rsa.jwk("r"), "alg"));
    let token = pair.sign("theirs", &claims_a());
    assert_eq!(
        reason(&mut session, &token),
        "the issuer has no usable key with this kid, but one without a kid: give that key the kid"
    );
    // There is none for this algorithm.
    let other = Pair::es256().sign("theirs", &claims_a());
    assert_eq!(reason(&mut session, &other), "the issuer has no usable key with this kid");
    let header = json!({"alg": "PS256", "kid": "r"}).to_string();
    let as_ps256 = hs256_raw(&header, &claims_a().to_string());
    let found = reason(&mut session, &as_ps256);
    assert!(found.contains("an RSA key that was added without alg is for RS256"), "{found}");
    // The caller learns nothing of it.
    for token in [token, other, as_ps256] {
        let refused = db.tenant().authenticate(&token).unwrap_err();
        assert_eq!(refused.as_db_error().unwrap().message(), "the credential was refused");
    }
}

#[test]
fn not_all_of_many_keys_are_tried_for_a_token_that_names_none() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let pairs: Vec<Pair> = (0..9).map(|_| Pair::es256()).collect();
    for (number, pair) in pairs.iter().enumerate() {
        let key = pair.jwk(&number.to_string()).to_string();
        session.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &key]).unwrap();
    }
    let without_kid = |pair: &Pair| {
        let token = pair.sign("k", &claims_a());
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", base64url(br#"{"alg":"ES256"}"#))
    };
    // Signed by nobody whom the issuer knows.
    assert_eq!(
        reason(&mut session, &without_kid(&pairs[0])),
        "the signature matches none of the 8 newest keys that it may be of, and the issuer has more: name one (kid)"
    );
    session.run(&format!(
        "select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys('{ISSUER}') where kid = '8'"
    ));
    assert_eq!(reason(&mut session, &without_kid(&pairs[0])), "the signature does not match");
}
