//! Which tokens a revocation ends: in doubt it does.

use crate::verify::identity::timestamp;
use crate::verify::revocation::{Kind, Revocable, Revocation, digest, session};
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example";
const OTHER: &str = "https://other.example";
const NOW: u64 = super::NOW;
const LEEWAY: u64 = 30;

fn revocable(claims: &Value, leeway: u64) -> Revocable {
    Revocable::of(ISSUER, "p:", claims.as_object().unwrap(), claims.to_string().as_bytes(), leeway)
}

fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "sub": "ada", "jti": "j", "sid": "s", "iat": NOW});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn revocation(kind: Kind, value: &str, issuer: Option<&str>, before: Option<i64>) -> Revocation {
    Revocation { kind, value: value.to_owned(), issuer: issuer.map(str::to_owned), issued_before: before }
}

#[test]
fn names_of_kinds_are_those_of_the_table() {
    for (name, kind) in [
        ("user", Kind::User),
        ("subject", Kind::Subject),
        ("session", Kind::Session),
        ("token", Kind::Token),
        ("digest", Kind::Digest),
    ] {
        assert_eq!(Kind::from_name(name), Some(kind));
    }
    for name in ["", "User", "users", "user ", "jti"] {
        assert_eq!(Kind::from_name(name), None, "{name:?}");
    }
}

#[test]
fn t390_a_revocation_ends_what_it_names_and_nothing_else() {
    let token = revocable(&claims(json!({})), LEEWAY);
    let nameless = claims(json!({"jti": null}));
    let digest_of_nameless = digest(nameless.to_string().as_bytes());
    let nameless = revocable(&nameless, LEEWAY);
    for (kind, value, issuer, ended) in [
        (Kind::User, "p:ada", None, true),
        (Kind::User, "p:ada", Some(ISSUER), true),
        (Kind::User, "p:ada", Some(OTHER), false),
        (Kind::User, "p:ada", Some("https://ISSUER.example"), false),
        (Kind::User, "p:ada", Some("https://issuer.example/"), false),
        (Kind::User, "ada", None, false),
        (Kind::User, "p:Ada", None, false),
        (Kind::User, "p:ad", None, false),
        (Kind::User, "p:ada ", None, false),
        (Kind::User, "j", None, false),
        (Kind::User, "s", None, false),
        (Kind::Subject, "ada", Some(ISSUER), true),
        (Kind::Subject, "ada", Some(OTHER), false),
        (Kind::Subject, "p:ada", Some(ISSUER), false),
        (Kind::Session, "s", Some(ISSUER), true),
        (Kind::Session, "s", Some(OTHER), false),
        (Kind::Session, "ada", Some(ISSUER), false),
        (Kind::Token, "j", Some(ISSUER), true),
        (Kind::Token, "j", Some(OTHER), false),
        (Kind::Token, "s", Some(ISSUER), false),
        (Kind::Token, "", Some(ISSUER), false),
        (Kind::Digest, &digest_of_nameless, Some(ISSUER), false),
    ] {
        let row = revocation(kind, value, issuer, Some(timestamp(NOW + 60)));
        assert_eq!(token.is_ended_by(&row), ended, "{row:?}");
    }
    let named = |kind, value| nameless.is_ended_by(&revocation(kind, value, Some(ISSUER), None));
    assert!(named(Kind::Digest, &digest_of_nameless));
    assert!(!named(Kind::Token, &digest_of_nameless));
    assert!(!named(Kind::Token, "j"));
}

#[test]
fn t159_when_a_token_was_issued_is_in_doubt_by_the_leeway_and_a_second() {
    let before = timestamp(NOW) + 500_000;
    for (iat, leeway, ended) in [
        (json!(NOW - 1), 0, true),
        (json!(NOW), 0, true),
        (json!(NOW + 1), 0, false),
        (json!(NOW + 30), 30, true),
        (json!(NOW + 31), 30, false),
        (json!(NOW + 300), 300, true),
        (json!(NOW + 301), 300, false),
        // No issuer has more of it.
        (json!(NOW + 301), 1_000_000, false),
        (json!(NOW as f64 + 30.0), 30, true),
        (json!(NOW as f64 + 31.0), 30, false),
        (json!(NOW as f64 + 30.9), 30, true),
        (json!(0), 30, true),
        (json!(29), 30, true),
        (json!(-1), 30, true),
        (json!(-1e300), 30, true),
        // What says nothing, or nothing that is a time.
        (json!(null), 30, true),
        (json!(""), 30, true),
        (json!((NOW + 1000).to_string()), 30, true),
        (json!([NOW + 1000]), 30, true),
        (json!({}), 30, true),
        (json!(true), 30, true),
    ] {
        let token = revocable(&claims(json!({ "iat": iat })), leeway);
        for (kind, value) in [(Kind::User, "p:ada"), (Kind::Subject, "ada")] {
            let row = revocation(kind, value, Some(ISSUER), Some(before));
            assert_eq!(token.is_ended_by(&row), ended, "{iat} {leeway}");
            // One that does not say until when ends all.
            assert!(token.is_ended_by(&revocation(kind, value, Some(ISSUER), None)), "{iat} {leeway}");
        }
        // Sessions and single tokens end whenever they were issued.
        for (kind, value) in [(Kind::Session, "s"), (Kind::Token, "j")] {
            assert!(
                token.is_ended_by(&revocation(kind, value, Some(ISSUER), Some(before))),
                "{iat} {leeway}"
            );
        }
    }
    // By a time to the microsecond, as ours have it, in the same moment still.
    let mut token = revocable(&claims(json!({})), 0);
    for (issued, ended) in [(before - 1, true), (before, true), (before + 1, false)] {
        token.issued_at = Some(issued);
        assert_eq!(token.is_ended_by(&revocation(Kind::User, "p:ada", None, Some(before))), ended);
    }
}

#[test]
fn t390_claims_that_are_no_texts_name_nothing() {
    let token = revocable(&json!({"sub": 5, "jti": 6, "sid": [7], "session_id": {}, "iat": NOW}), LEEWAY);
    assert_eq!((&token.user, &token.subject, &token.session, &token.token), (&None, &None, &None, &None));
    let digest = token.digest.clone().unwrap();
    assert_eq!(token.values(), [digest.as_str()]);
    assert!(token.is_ended_by(&revocation(Kind::Digest, &digest, Some(ISSUER), None)));
    for (kind, value) in [(Kind::User, "p:"), (Kind::User, "p:5"), (Kind::Token, "6"), (Kind::Session, "7")] {
        assert!(!token.is_ended_by(&revocation(kind, value, Some(ISSUER), None)), "{value}");
    }
}

#[test]
fn t390_a_session_is_what_either_claim_says_first_session_id() {
    for (claims, expected) in [
        (json!({"session_id": "a"}), Some("a")),
        (json!({"sid": "b"}), Some("b")),
        (json!({"session_id": "a", "sid": "b"}), Some("a")),
        (json!({"session_id": null, "sid": "b"}), Some("b")),
        (json!({"session_id": 1, "sid": "b"}), Some("b")),
        (json!({"sid": 1}), None),
        (json!({}), None),
    ] {
        assert_eq!(session(claims.as_object().unwrap()).as_deref(), expected, "{claims}");
    }
}

#[test]
fn t390_a_revocation_is_found_by_everything_that_it_may_name() {
    let token = revocable(&claims(json!({})), LEEWAY);
    assert_eq!(token.values(), ["ada", "j", "p:ada", "s"]);
    // Each once.
    let same = claims(json!({"sub": "x", "jti": "x", "sid": "x"}));
    let same = Revocable::of(ISSUER, "", same.as_object().unwrap(), b"", LEEWAY);
    assert_eq!(same.values(), ["x"]);
}
