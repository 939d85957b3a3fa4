//! Keys and secrets one by one: which material is taken, in which form.

use super::admin_keys::works;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use serde_json::json;

#[test]
fn public_keys_come_as_jwk_or_pem() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let pair = Pair::ed25519();
    let x = pair.jwk("k")["x"].as_str().unwrap().to_owned();
    // RFC 8410 section 4: the prefix of a SubjectPublicKeyInfo for Ed25519.
    let sql = format!(
        "select '-----BEGIN PUBLIC KEY-----' || E'\\n' || encode(decode('302a300506032b6570032100', 'hex') || decode(translate('{x}', '-_', '+/') || '=', 'base64'), 'base64')
                || E'\\n' || '-----END PUBLIC KEY-----'"
    );
    let pem = session.value(&sql).unwrap();
    session.execute("select auth.add_jwt_key($1, $2, kid => 'pem')", &[&ISSUER, &pem]).unwrap();
    assert!(works(&db, &pair, "pem"));
    let add = |session: &mut Client, key: &str, rest: &str| {
        refusal(session.execute(&format!("select auth.add_jwt_key($1, $2 {rest})"), &[&ISSUER, &key]))
    };
    assert_eq!(
        add(&mut session, &pair.jwk("pem").to_string(), ""),
        "23505 the issuer has this key, or another one with this kid"
    );
    assert_eq!(
        add(&mut session, &Pair::ed25519().jwk("pem").to_string(), ""),
        "23505 the issuer has this key, or another one with this kid"
    );
    let other = Pair::es256().jwk("k");
    for (key, rest, part) in [
        ("", "", ""),
        ("x", "", ""),
        (&pem.replace("PUBLIC", "PRIVATE"), "", "private"),
        (&pem.replace("BEGIN PUBLIC KEY", "BEGIN CERTIFICATE"), "", ""),
        (&"x".repeat(1_000_000), "", "longer than"),
        (&other.to_string(), ", alg => 'HS256'", "algorithm"),
        (&other.to_string(), ", alg => 'none'", "supported algorithm"),
        (&other.to_string(), ", kid => 'l'", "another kid"),
        (&other.to_string(), ", alg => ''", "supported algorithm"),
        (SECRET, "", ""),
        (&other.to_string(), ", not_before => '2026-01-01', not_after => '2026-01-01'", "later than"),
        (&other.to_string(), ", alg => repeat('x', 1000000)", "supported algorithm"),
    ] {
        let refused = add(&mut session, key, rest);
        assert!(
            refused.starts_with("22023 ") && refused.contains(part) && !refused.contains(SECRET),
            "{rest}: {refused}"
        );
    }
    assert_eq!(
        session.refused(&format!("select auth.add_jwt_key('{ISSUER}', null)")),
        "22023 the key must be given"
    );
    assert_eq!(session.refused("select auth.add_jwt_key('nobody', '{}')"), "22023 no such issuer");
}

#[test]
fn secrets_have_their_length_and_encoding() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let mut add = |secret: &str, rest: &str| {
        session.execute(&format!("select auth.add_jwt_secret($1, $2 {rest})"), &[&STRICT_ISSUER, &secret])
    };
    for (alg, minimum) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        let message = format!(
            "22023 the secret has {} bytes, at least {minimum} are required for this algorithm",
            minimum - 1
        );
        assert_eq!(refusal(add(&"s".repeat(minimum - 1), &format!(", '{alg}'"))), message);
        add(&"s".repeat(minimum), &format!(", '{alg}', kid => '{alg}'")).unwrap();
        assert_eq!(
            refusal(add(&"s".repeat(minimum), &format!(", '{alg}', kid => '{alg}'"))),
            "23505 the issuer has another key with this kid"
        );
    }
    let secret = "\u{0}\u{1}ÿ 32 bytes that are no text at all?>";
    let spellings = [
        ("hex", hex::encode(secret)),
        ("hex", hex::encode(secret).to_uppercase()),
        ("base64url", URL_SAFE_NO_PAD.encode(secret)),
        ("base64url", URL_SAFE.encode(secret)),
        ("base64", STANDARD.encode(secret)),
        ("base64", STANDARD.encode(secret) + "\n"),
    ];
    for (at, (encoding, text)) in spellings.iter().enumerate() {
        add(text, &format!(", encoding => '{encoding}', kid => 'k{at}'")).unwrap();
        let claims = with(claims_a(), json!({"iss": STRICT_ISSUER})).to_string();
        let token = hs256_with(
            secret.as_bytes(),
            &json!({"alg": "HS256", "kid": format!("k{at}")}).to_string(),
            &claims,
        );
        db.tenant().authenticate(&token).unwrap();
    }
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----";
    for (secret, rest, part) in [
        (pem, "", "PEM or JSON text"),
        (&Pair::es256().jwk("k").to_string(), "", "PEM or JSON text"),
        (&format!(" \n{pem}"), "", "PEM or JSON text"),
        ("", "", "0 bytes"),
        (&"s".repeat(1025), "", "longer than 1024"),
        (&"s".repeat(1_000_000), "", "longer than 1024"),
        (SECRET, ", 'ES256'", "has no secret"),
        (SECRET, ", 'hs256'", "supported algorithm"),
        (SECRET, ", null", "must be given"),
        (SECRET, ", encoding => 'rot13'", "unknown encoding"),
        (SECRET, ", encoding => null", "unknown encoding"),
        (SECRET, ", encoding => 'escape'", "unknown encoding"),
        (SECRET, ", encoding => 'hex'", "not in the encoding"),
        (SECRET, ", encoding => 'base64'", "not in the encoding"),
        ("abc", ", encoding => 'hex'", "not in the encoding"),
        (&"A".repeat(45), ", encoding => 'base64url'", "not in the encoding"),
        (SECRET, ", not_after => '2020-01-01', not_before => '2020-01-02'", "later than"),
    ] {
        let refused = refusal(add(secret, rest));
        assert!(refused.starts_with("22023 ") && refused.contains(part), "{rest}: {refused}");
        assert!(secret.is_empty() || !refused.contains(secret));
    }
    assert_contains(
        session.refused(&format!("select auth.add_jwt_secret('{STRICT_ISSUER}', repeat('s', 100000000))")),
        "22023 the secret is longer",
    );
    assert_eq!(
        session.refused(&format!("select auth.add_jwt_secret('{STRICT_ISSUER}', null)")),
        "22023 the secret and its algorithm must be given"
    );
    assert_eq!(
        session.refused(&format!("select auth.add_jwt_secret('nobody', '{SECRET}')")),
        "22023 no such issuer"
    );
}
