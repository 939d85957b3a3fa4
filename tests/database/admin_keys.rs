//! Key sets, keys and secrets: what is taken, what is refused and why, and what becomes of keys that go.

use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::{Client, NoTls};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Loads a key set and gives "kid alg state" of every key that it touched.
fn load(session: &mut Client, keys: &[Value], grace: &str) -> Result<Vec<String>, postgres::Error> {
    let sql = format!(
        "select concat_ws(' ', kid, alg, state) from auth.load_jwks($1, $2, '{grace}') where state is not null"
    );
    Ok(session.query(&sql, &[&ISSUER, &jwks(keys)])?.iter().map(|row| row.get(0)).collect())
}

/// "kid alg state usable" of the issuer's public keys.
fn keys(session: &mut Client) -> Vec<String> {
    let sql = "select concat_ws(' ', kid, alg, state, usable) from auth.list_jwt_keys($1) where alg <> 'HS256' order by 1";
    session.query(sql, &[&ISSUER]).unwrap().iter().map(|row| row.get(0)).collect()
}

pub(super) fn works(db: &Database, pair: &Pair, kid: &str) -> bool {
    db.tenant().authenticate(&pair.sign(kid, &claims_a())).is_ok()
}

/// A key that does not say this.
pub(super) fn without(mut key: Value, member: &str) -> Value {
    key.as_object_mut().unwrap().remove(member);
    key
}

#[test]
fn a_key_set_replaces_the_former_one() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let (a, b, c) = (Pair::es256(), Pair::ed25519(), Pair::es256());
    assert_eq!(
        load(&mut session, &[a.jwk("a"), b.jwk("b")], "0").unwrap(),
        ["a ES256 active", "b EdDSA active"]
    );
    assert!(works(&db, &a, "a") && works(&db, &b, "b"));
    assert_eq!(
        load(&mut session, &[b.jwk("b"), c.jwk("c")], "0").unwrap(),
        ["b EdDSA active", "c ES256 active", "a ES256 revoked"]
    );
    assert!(!works(&db, &a, "a") && works(&db, &b, "b") && works(&db, &c, "c"));
    // The kid of a key that went is free for another.
    assert_eq!(
        load(&mut session, &[b.jwk("b"), Pair::es256().jwk("c")], "0").unwrap(),
        ["b EdDSA active", "c ES256 active", "c ES256 revoked"]
    );
    assert!(!works(&db, &c, "c"));
    // What disappeared comes back; the issuer's secret was never touched.
    load(&mut session, &[a.jwk("a")], "0").unwrap();
    assert!(works(&db, &a, "a") && !works(&db, &b, "b"));
    db.tenant().authenticate(&token_a()).unwrap();
}

#[test]
fn a_bad_key_set_changes_nothing() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let (a, b) = (Pair::es256(), Pair::es256());
    load(&mut session, &[a.jwk("a")], "0").unwrap();
    let before = keys(&mut session);
    let private = with(b.jwk("b"), json!({"d": "AAAA"}));
    let oct = json!({"kty": "oct", "kid": "o", "k": base64url(SECRET.as_bytes())});
    for (set, part) in [
        (jwks(&[]), "no key that can verify"),
        (String::new(), "JSON"),
        ("null".into(), "JSON"),
        ("[]".into(), "JSON"),
        ("{}".into(), "\"keys\""),
        (r#"{"keys":null}"#.into(), "\"keys\""),
        (r#"{"keys":[1]}"#.into(), "keys[0]"),
        (jwks(&[b.jwk("b"), private]), "private key"),
        (jwks(&[oct]), "keys[0]: this is a shared secret"),
        (jwks(&[b.jwk("x"), a.jwk("x")]), "keys[1]: another key of the set has the same kid"),
        (jwks(&[with(b.jwk("b"), json!({"x": base64url(&[1; 32])}))]), "not on the curve"),
        (jwks(&[b.jwk("a\nb")]), "kid must be"),
        (jwks(&[b.jwk("b")]).replace("\"kid\"", "\"kid\":\"a\",\"kid\""), "two members"),
        ("x".repeat(1_000_000), "longer than"),
        (jwks(&vec![b.jwk("b"); 101]), "at most 100"),
        ("{".repeat(100_000), "nested"),
        (jwks(&[b.jwk("b")]) + "x", "JSON"),
        (SECRET.into(), "JSON"),
        (jwks(&[with(b.jwk("b"), json!({"alg": "RS256"}))]), "algorithm"),
        (jwks(&[with(b.jwk("b"), json!({"use": "enc"}))]), "no key that can verify"),
    ] {
        let refused = refusal(session.execute("select auth.load_jwks($1, $2)", &[&ISSUER, &set]));
        assert!(refused.starts_with("22023 ") && refused.contains(part), "{refused}, not {part:?}");
        assert!(!refused.contains("AAAA") && !refused.contains(SECRET));
        assert_eq!(keys(&mut session), before);
    }
    for (arguments, message) in [
        (format!("'{ISSUER}', null"), "22023 the key set must be given"),
        (format!("'{ISSUER}', '{{}}', null"), "22023 the grace must be from 0 to 100 years"),
        (format!("'{ISSUER}', '{{}}', '-1 s'"), "22023 the grace must be from 0 to 100 years"),
        (format!("'{ISSUER}', '{{}}', '101 years'"), "22023 the grace must be from 0 to 100 years"),
        (format!("'{ISSUER}', repeat('x', 100000000)"), "22023 keys are longer than 262144 bytes"),
        ("'nobody', '{}'".into(), "22023 no such issuer"),
        ("null, '{}'".into(), "22023 no such issuer"),
    ] {
        assert_eq!(session.refused(&format!("select auth.load_jwks({arguments})")), message);
    }
    assert!(works(&db, &a, "a"));
}

#[test]
fn a_key_that_disappeared_is_retired_for_the_grace() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let (a, b) = (Pair::es256(), Pair::es256());
    load(&mut session, &[a.jwk("a")], "0").unwrap();
    assert_eq!(
        load(&mut session, &[b.jwk("b")], "5 seconds").unwrap(),
        ["b ES256 active", "a ES256 retired"]
    );
    assert!(works(&db, &a, "a") && works(&db, &b, "b"));
    thread::sleep(Duration::from_millis(5100));
    assert!(!works(&db, &a, "a") && works(&db, &b, "b"));
    assert_eq!(keys(&mut session), ["a ES256 retired f", "b ES256 active t"]);
    load(&mut session, &[a.jwk("a"), b.jwk("b")], "0").unwrap();
    assert!(works(&db, &a, "a"));
}

#[test]
fn a_key_that_an_administrator_revoked_stays_revoked() {
    let db = Database::new();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notices);
    let mut config = db.config("administrator");
    config.notice_callback(move |notice| {
        heard.lock().unwrap().push(format!("{} {}", notice.severity(), notice.message()))
    });
    let mut session = config.connect(NoTls).unwrap();
    let pair = Pair::es256();
    load(&mut session, &[pair.jwk("a")], "0").unwrap();
    let revoke =
        format!("select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys('{ISSUER}') where kid = 'a'");
    session.run(&revoke);
    let at = session.value(&format!("select revoked_at from auth.list_jwt_keys('{ISSUER}') where kid = 'a'"));
    session.run(&revoke);
    assert_eq!(
        session.value(&format!("select revoked_at from auth.list_jwt_keys('{ISSUER}') where kid = 'a'")),
        at
    );
    assert_eq!(*notices.lock().unwrap(), [] as [String; 0]);
    assert_eq!(load(&mut session, &[pair.jwk("renamed")], "0").unwrap(), ["a ES256 revoked"]);
    assert_eq!(
        *notices.lock().unwrap(),
        ["WARNING the key set has a key that an administrator revoked; it stays revoked"]
    );
    assert!(!works(&db, &pair, "renamed") && !works(&db, &pair, "a"));
    // Nor after it disappeared and came back, nor one by one.
    load(&mut session, &[Pair::es256().jwk("b")], "1 hour").unwrap();
    load(&mut session, &[pair.jwk("a")], "0").unwrap();
    assert!(!works(&db, &pair, "a"));
    let again = session.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &pair.jwk("new").to_string()]);
    assert_eq!(refusal(again), "23505 this key was revoked and cannot come back");
    for id in ["null", "'00000000-0000-4000-8000-000000000000'"] {
        assert_eq!(session.refused(&format!("select auth.revoke_jwt_key({id})")), "22023 no such key");
    }
    assert_contains(
        session.refused("select auth.revoke_jwt_key('x')"),
        "22P02 invalid input syntax for type uuid",
    );
}

#[test]
fn a_revoked_key_or_secret_does_not_come_back_under_another_algorithm() {
    let db = Database::new();
    let mut session = db.superuser();
    let pair = Pair::rs256();
    let as_alg = |alg: &str| with(pair.jwk("r"), json!({ "alg": alg }));
    // Two algorithms of one key, and a third one later: revoking one of them revokes the key.
    load(&mut session, &[as_alg("RS256"), with(as_alg("RS512"), json!({"kid": "r5"}))], "0").unwrap();
    session.run(&format!(
        "select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys('{ISSUER}') where alg = 'RS256' and kid = 'r'"
    ));
    for alg in ["RS256", "RS512", "PS256", "PS512"] {
        load(&mut session, &[as_alg(alg)], "0").unwrap();
        let added = session.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &as_alg(alg).to_string()]);
        assert_eq!(refusal(added), "23505 this key was revoked and cannot come back", "{alg}");
    }
    let usable =
        format!("select count(*) from auth.list_jwt_keys('{ISSUER}') where usable and alg not like 'HS%'");
    assert_eq!(session.value(&usable).as_deref(), Some("0"));

    session.run(&format!(
        "select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys('{ISSUER}') where alg = 'HS256'"
    ));
    for arguments in ["", ", kid => 'again'"] {
        let refused =
            session.refused(&format!("select auth.add_jwt_secret('{ISSUER}', '{SECRET}'{arguments})"));
        assert_eq!(refused, "23505 this secret was revoked and cannot come back");
    }
    assert!(refusal(session.authenticate(&token_a())).starts_with("28000"));
}

#[test]
fn a_running_grace_may_end_sooner_and_an_end_that_was_set_stays() {
    let db = Database::new();
    let mut session = db.superuser();
    let (a, b) = (Pair::es256(), Pair::es256());
    load(&mut session, &[a.jwk("a"), b.jwk("b")], "0").unwrap();
    load(&mut session, &[b.jwk("b")], "1 day").unwrap();
    assert!(works(&db, &a, "a"));
    load(&mut session, &[b.jwk("b")], "2 days").unwrap();
    let ends = "select retired_until < now() + interval '25 hours' from auth.jwt_keys where kid = 'a'";
    assert_eq!(session.value(ends).as_deref(), Some("t"));
    assert_eq!(load(&mut session, &[b.jwk("b")], "0").unwrap(), ["b ES256 active", "a ES256 revoked"]);
    assert!(!works(&db, &a, "a"));

    session
        .execute(
            "select auth.add_jwt_key($1, $2, not_after => now() + interval '1 day')",
            &[&ISSUER, &Pair::ed25519().jwk("limited").to_string()],
        )
        .unwrap();
    let limited = session.value("select public_jwk from auth.jwt_keys where kid = 'limited'").unwrap();
    let limited: serde_json::Value = serde_json::from_str(&limited).unwrap();
    for grace in ["0", "1 hour"] {
        load(&mut session, &[b.jwk("b")], grace).unwrap();
        load(&mut session, &[b.jwk("b"), limited.clone()], "0").unwrap();
        let kept = "select not_after between now() and now() + interval '1 day' from auth.jwt_keys where kid = 'limited' and state = 'active'";
        assert_eq!(session.value(kept).as_deref(), Some("t"), "{grace}");
    }
    // Nor does another name give the key more time.
    let renamed = |kid: &str| with(limited.clone(), json!({ "kid": kid }));
    load(&mut session, &[renamed("limited"), renamed("again"), renamed("once more")], "0").unwrap();
    let ended = "select string_agg(kid, ' ' order by kid) from auth.jwt_keys where state = 'active' and not_after < now() + interval '1 day'";
    assert_eq!(session.value(ended).as_deref(), Some("again limited once more"));
}

#[test]
fn kids_may_change_places() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let (a, b, c) = (Pair::es256(), Pair::es256(), Pair::es256());
    load(&mut session, &[a.jwk("1"), b.jwk("2"), c.jwk("3")], "0").unwrap();
    load(&mut session, &[a.jwk("2"), b.jwk("3"), c.jwk("1")], "0").unwrap();
    assert!(works(&db, &a, "2") && works(&db, &b, "3") && works(&db, &c, "1"));
    assert!(!works(&db, &a, "1") && !works(&db, &b, "2") && !works(&db, &c, "3"));
    assert_eq!(keys(&mut session), ["1 ES256 active t", "2 ES256 active t", "3 ES256 active t"]);
}

#[test]
fn an_rsa_key_without_an_algorithm_takes_the_only_one_its_issuer_may_use() {
    for (allowed, expected) in [
        ("{}", "RS256"),
        ("{PS384}", "PS384"),
        ("{ES256,PS512,HS256}", "PS512"),
        ("{RS256,PS256}", "RS256"),
        ("{ES256}", "RS256"),
        ("{RS512}", "RS512"),
    ] {
        let db = Database::new();
        let mut session = db.connect("administrator");
        session.run(&format!("select auth.update_issuer('{ISSUER}', algorithms => '{allowed}')"));
        let key = without(Pair::rs256().jwk("r"), "alg");
        assert_eq!(load(&mut session, &[key], "0").unwrap(), [format!("r {expected} active")], "{allowed}");
    }
}

#[test]
fn one_of_two_sets_that_are_loaded_at_once_wins_and_the_other_waits() {
    let db = Database::new();
    let sets: Vec<Vec<Value>> =
        (0..2).map(|_| (0..5).map(|kid| Pair::es256().jwk(&kid.to_string())).collect()).collect();
    for round in 0..20 {
        let mut first = db.connect("administrator");
        first.run("begin");
        load(&mut first, &sets[round % 2], "0").unwrap();
        let (mut second, keys) = (db.connect("administrator"), sets[(round + 1) % 2].clone());
        let waiting = thread::spawn(move || load(&mut second, &keys, "0"));
        thread::sleep(Duration::from_millis(20));
        assert!(!waiting.is_finished());
        first.run("commit");
        assert!(waiting.join().unwrap().is_ok());
        let active = "select count(*) || ' ' || bool_and(k.public_jwk::jsonb->>'x' = any ($1)) from auth.jwt_keys k where k.state = 'active' and k.public_jwk is not null";
        let expected: Vec<_> = sets[(round + 1) % 2].iter().map(|key| key["x"].as_str().unwrap()).collect();
        assert_eq!(db.superuser().query_one(active, &[&expected]).unwrap().get::<_, String>(0), "5 true");
    }
}
