//! What of a key set is loaded, and what is said of every entry.

use crate::admin_keys::{without, works};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::{Client, NoTls};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// "kid alg state result: reason" of every row.
fn load(session: &mut Client, set: &str) -> Vec<String> {
    load_with(session, set, "0")
}

fn load_with(session: &mut Client, set: &str, grace: &str) -> Vec<String> {
    let sql = "select concat_ws(' ', coalesce(kid, '-'), coalesce(alg, '-'), coalesce(state, '-'), result) || coalesce(': ' || reason, '')
                 from auth.load_jwks($1, $2, $3::text::interval)";
    let rows = session.query(sql, &[&ISSUER, &set, &grace]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A session of an administrator, and the warnings that it gets.
fn listening(db: &Database) -> (Client, Arc<Mutex<Vec<String>>>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let mut config = db.config("administrator");
    config.notice_callback(move |notice| {
        let detail = notice.detail().unwrap_or_default();
        heard.lock().unwrap().push(format!("{} {}: {detail}", notice.severity(), notice.message()));
    });
    (config.connect(NoTls).unwrap(), warnings)
}

/// A JWK of an RSA key that is too small, or whatever its members say.
fn broken() -> Vec<(Value, &'static str)> {
    let (rsa, ec) = (Pair::rs256().jwk("x"), Pair::es256().jwk("x"));
    let changed = |key: &Value, members: Value| with(key.clone(), members);
    let null = |name: &str| {
        let mut key = ec.clone();
        key[name] = Value::Null;
        key
    };
    vec![
        (
            changed(&rsa, json!({"n": base64url(&[0xff; 128])})),
            "RSA modulus has 1024 bits, at least 2048 are required",
        ),
        (changed(&rsa, json!({"e": "Aw"})), "RSA exponent must be odd and from 65537 to 2^32"),
        (changed(&ec, json!({"y": ec["x"]})), "the point is not on the curve"),
        (without(rsa.clone(), "e"), "\"e\" is missing"),
        (null("alg"), "\"alg\" is malformed"),
        (null("kid"), "\"kid\" is malformed"),
        (without(ec.clone(), "kty"), "\"kty\" is missing"),
        (
            changed(&ec, json!({"kid": "k".repeat(200)})),
            "kid must be a string of 1 to 128 bytes without control characters",
        ),
        (changed(&rsa, json!({"e": "AQAB=="})), "\"e\" is malformed"),
        (
            json!({"kty": "oct", "kid": "x", "k": base64url(SECRET.as_bytes())}),
            "this is a shared secret (kty oct): add it as a secret",
        ),
        (json!(1), "a key must be a JSON object"),
    ]
}

#[test]
fn a_key_that_cannot_be_used_keeps_no_other_from_loading() {
    let db = Database::new();
    let (mut session, warnings) = listening(&db);
    for (entry, reason) in broken() {
        let good = Pair::es256();
        let rows = load(&mut session, &jwks(&[good.jwk("g"), entry.clone()]));
        assert_eq!(rows[0], "g ES256 active loaded", "{entry}");
        assert!(rows[1].ends_with(&format!(" - skipped: {reason}")), "{entry}: {rows:?}");
        assert!(works(&db, &good, "g"), "{entry}");
        let told = std::mem::take(&mut *warnings.lock().unwrap());
        assert_eq!(told, [format!("WARNING 1 of 2 keys in the set cannot be used: keys[1]: {reason}")]);
        assert!(!rows[1].contains(SECRET) && !rows[1].contains(&base64url(SECRET.as_bytes())));
    }
    // Nothing is told of what an issuer that does all right publishes.
    let (good, other) = (Pair::es256(), Pair::rs256());
    let for_encryption = with(other.jwk("e"), json!({"use": "enc"}));
    let rows = load(&mut session, &jwks(&[good.jwk("g"), for_encryption, good.jwk("g")]));
    assert_eq!(
        rows[..3],
        [
            "g ES256 active loaded",
            "e RS256 - skipped: the key is not for verifying signatures (use, key_ops)",
            "g ES256 - skipped: it repeats keys[0]"
        ]
    );
    assert_eq!(*warnings.lock().unwrap(), [] as [String; 0]);
    // A private key refuses the set, whatever else is in it.
    let private = jwks(&[good.jwk("g"), with(other.jwk("p"), json!({"d": "AAAA", "use": "enc"}))]);
    let refused = refusal(session.execute("select auth.load_jwks($1, $2)", &[&ISSUER, &private]));
    assert!(refused.starts_with("22023 keys[1]: this is a private key"), "{refused}");
    // Where nothing is left, every reason is told.
    let nothing: Vec<_> = broken().into_iter().map(|(entry, _)| entry).collect();
    let refused = refusal(session.execute("select auth.load_jwks($1, $2)", &[&ISSUER, &jwks(&nothing)]));
    assert!(
        refused.contains("keys[0]: RSA modulus has 1024 bits") && refused.ends_with("; and 6 more"),
        "{refused}"
    );
    assert!(works(&db, &good, "g"));
}

#[test]
fn t120_a_key_that_is_skipped_is_not_there_any_more() {
    let ways: [fn(Value) -> Value; 5] = [
        |key| with(key, json!({"use": "enc"})),
        |key| with(key, json!({"key_ops": ["sign"]})),
        |key| with(key, json!({"alg": "RSA-OAEP"})),
        |key| with(key, json!({"kty": "OKP"})),
        // Another key under its kid.
        |key| with(key, json!({"x": Pair::es256().jwk("a")["x"]})),
    ];
    for change in ways {
        for (grace, state) in [("0", "revoked"), ("1 hour", "retired")] {
            let db = Database::new();
            let (mut session, _) = listening(&db);
            let (a, b) = (Pair::es256(), Pair::es256());
            load(&mut session, &jwks(&[a.jwk("a"), b.jwk("b")]));
            assert!(works(&db, &a, "a"));
            let rows = load_with(&mut session, &jwks(&[change(a.jwk("a")), b.jwk("b")]), grace);
            assert!(rows[0].contains("skipped"), "{rows:?}");
            assert_eq!(
                rows[1..],
                [
                    "b ES256 active unchanged".to_owned(),
                    format!("a ES256 {state} {state}: the key set no longer has it")
                ]
            );
            assert_eq!((works(&db, &a, "a"), works(&db, &b, "b")), (state == "retired", true));
        }
    }
}

#[test]
fn one_key_under_two_kids_works_under_both_and_two_under_one_under_none() {
    let db = Database::new();
    let (mut session, _) = listening(&db);
    let (a, b, c) = (Pair::es256(), Pair::es256(), Pair::es256());
    let rows = load(&mut session, &jwks(&[a.jwk("1"), a.jwk("2"), a.jwk("1")]));
    assert_eq!(rows[..2], ["1 ES256 active loaded", "2 ES256 active loaded"]);
    assert!(works(&db, &a, "1") && works(&db, &a, "2"));
    // One of them goes, and comes back; the other stays as it is.
    let rows = load(&mut session, &jwks(&[a.jwk("2")]));
    assert_eq!(rows, ["2 ES256 active unchanged", "1 ES256 revoked revoked: the key set no longer has it"]);
    assert!(!works(&db, &a, "1") && works(&db, &a, "2"));
    let rows = load(&mut session, &jwks(&[a.jwk("2"), a.jwk("1")]));
    assert_eq!(rows, ["2 ES256 active unchanged", "1 ES256 active loaded"]);
    // A key that is only renamed keeps its row, so that what goes by the row goes on.
    let row = |session: &mut Client, kid: &str| {
        session.value(&format!("select key_id from auth.list_jwt_keys('{ISSUER}') where kid = '{kid}'"))
    };
    let before = row(&mut session, "1");
    load(&mut session, &jwks(&[a.jwk("2"), a.jwk("3")]));
    assert_eq!(row(&mut session, "3"), before);
    let rows = load(&mut session, &jwks(&[b.jwk("x"), c.jwk("x"), a.jwk("2")]));
    assert!(rows[0].contains("so neither is used") && rows[1].contains("so neither is used"), "{rows:?}");
    assert!(!works(&db, &b, "x") && !works(&db, &c, "x") && works(&db, &a, "2"));
    // Revoking a key revokes it under every kid.
    load(&mut session, &jwks(&[a.jwk("1"), a.jwk("2"), b.jwk("b")]));
    session.run(&format!(
        "select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys('{ISSUER}') where kid = '1'"
    ));
    let rows = load(&mut session, &jwks(&[a.jwk("1"), a.jwk("2"), a.jwk("4"), b.jwk("b")]));
    for row in &rows[..3] {
        assert!(row.ends_with(" revoked revoked: an administrator revoked it"), "{rows:?}");
    }
    assert!(["1", "2", "4"].iter().all(|kid| !works(&db, &a, kid)) && works(&db, &b, "b"));
}

#[test]
fn keys_that_are_added_one_by_one_may_have_several_kids_too() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let pair = Pair::es256();
    let mut add = |kid: &str| {
        session.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &pair.jwk(kid).to_string()])
    };
    assert!(add("1").is_ok() && add("2").is_ok());
    assert_eq!(refusal(add("1")), "23505 the issuer has this key, or another one with this kid");
    assert!(works(&db, &pair, "1") && works(&db, &pair, "2"));
}

#[test]
fn certificates_by_kid_are_a_key_set() {
    let db = Database::new();
    let (mut session, _) = listening(&db);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/certificates.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let of = |name: &str| all[name]["certificate"].clone();
    let set = json!({"f1": of("rsa"), "f2": of("p256"), "f3": of("rsa_pss"), "f4": of("rsa_1024")});
    assert_eq!(
        load(&mut session, &set.to_string()),
        [
            "f1 RS256 active loaded",
            "f2 ES256 active loaded",
            "f3 - - skipped: this kind of key, curve or algorithm is not supported",
            "f4 - - skipped: RSA modulus has 1024 bits, at least 2048 are required",
        ]
    );
    // The same as the public key.
    let public = all["p256"]["public"].as_str().unwrap();
    let again = session.execute("select auth.add_jwt_key($1, $2, kid => 'f2')", &[&ISSUER, &public]);
    assert_eq!(refusal(again), "23505 the issuer has this key, or another one with this kid");
    let alone = of("ed25519");
    session
        .execute("select auth.add_jwt_key($1, $2, kid => 'f5')", &[&ISSUER, &alone.as_str().unwrap()])
        .unwrap();
}

#[test]
fn rsa_keys_that_say_no_algorithm_follow_their_issuer() {
    let db = Database::new();
    let (mut session, _) = listening(&db);
    let (open, said, also) = (Pair::rs256(), Pair::rs256(), Pair::rs256());
    let without_alg = |pair: &Pair, kid: &str| without(pair.jwk(kid), "alg");
    load(&mut session, &jwks(&[without_alg(&open, "o"), said.jwk("s")]));
    session
        .execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &without_alg(&also, "a").to_string()])
        .unwrap();
    let keys = format!(
        "select string_agg(concat_ws(' ', k.kid, k.alg, k.public_jwk::jsonb->>'alg'), ', ' order by k.kid) from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
          where i.issuer = '{ISSUER}' and k.public_jwk is not null"
    );
    let mut superuser = db.superuser();
    assert_eq!(superuser.value(&keys).as_deref(), Some("a RS256 RS256, o RS256 RS256, s RS256 RS256"));
    session.run(&format!("select auth.update_issuer('{ISSUER}', algorithms => '{{PS256,HS256}}')"));
    assert_eq!(superuser.value(&keys).as_deref(), Some("a PS256 PS256, o PS256 PS256, s RS256 RS256"));
    session.run(&format!("select auth.update_issuer('{ISSUER}', algorithms => '{{}}')"));
    assert_eq!(superuser.value(&keys).as_deref(), Some("a RS256 RS256, o RS256 RS256, s RS256 RS256"));
    assert!(works(&db, &open, "o") && works(&db, &said, "s") && works(&db, &also, "a"));
    // Not where that makes two of one.
    let ps = with(said.jwk("o"), json!({"alg": "PS256"}));
    session.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &ps.to_string()]).unwrap();
    let refused =
        session.refused(&format!("select auth.update_issuer('{ISSUER}', algorithms => '{{PS256}}')"));
    assert_eq!(refused, "23505 two keys of the issuer would have one kid and algorithm");
}
