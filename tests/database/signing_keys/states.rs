//! next, active, retired and, for good, revoked.

use super::*;
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use serde_json::{Value, json};
use std::collections::HashMap;

const NONE: &str = "55000 this database makes no tokens";

/// A member of a token's header.
fn header(token: &str, member: &str) -> String {
    use base64::Engine;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()[member].as_str().unwrap().to_owned()
}

#[test]
fn t400_the_first_key_signs_at_once_and_another_one_when_it_is_its_turn() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    for call in ["create_signing_key()", "rotate_signing_key()", "issue_jwt('ada')"] {
        assert_eq!(session.refused(&format!("select auth.{call}")), NONE);
    }
    session.run(&format!("select auth.add_issuer('{OWN}', own => true)"));
    assert_eq!(session.refused("select auth.issue_jwt('ada')"), "55000 the issuer has no active signing key");
    assert_eq!(session.refused("select auth.rotate_signing_key()"), "55000 the issuer has no next key");
    let first = create(&mut session, "ES256");
    let mut tokens = vec![issue(&mut session)];
    assert_eq!([header(&tokens[0], "kid"), header(&tokens[0], "alg")], [first, "ES256".into()]);
    for alg in ["EdDSA", "RS256", "HS256"] {
        let next = create(&mut session, alg);
        assert_eq!(
            session.refused("select auth.create_signing_key()"),
            "55000 the issuer has a next key already"
        );
        assert_ne!(header(&issue(&mut session), "kid"), next);
        rotate(&mut session);
        tokens.push(issue(&mut session));
        assert_eq!(
            [header(tokens.last().unwrap(), "kid"), header(tokens.last().unwrap(), "alg")],
            [next, alg.into()]
        );
    }
    assert_eq!(states(&mut session), "retired retired retired active");
    let mut tenant = db.tenant();
    for token in &tokens {
        assert!(is_good(&mut tenant, token));
        let (signed, _) = token.rsplit_once('.').unwrap();
        for other in &tokens {
            let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
            assert!(other == token || !is_good(&mut tenant, &forged));
        }
    }
}

#[test]
fn t400_what_is_not_allowed_is_said() {
    let (db, mut session) = world();
    for alg in ["'HS512'", "'none'", "''", "null", "'es256'"] {
        let refused = session.refused(&format!("select auth.create_signing_key({alg})"));
        assert_eq!(refused, "22023 alg has a value that is not allowed");
    }
    session.run(&format!("select auth.update_issuer('{OWN}', algorithms => '{{EdDSA}}')"));
    assert_eq!(
        session.refused("select auth.create_signing_key()"),
        "22023 alg has a value that is not allowed"
    );
    let key = create(&mut session, "EdDSA");
    for issuer in ["https://issuer.example", "https://nobody.example", "https://own.example/"] {
        for function in ["create_signing_key('EdDSA',", "rotate_signing_key("] {
            let refused = session.refused(&format!("select auth.{function} '{issuer}')"));
            assert_eq!(refused, "22023 issuer has a value that is not allowed");
        }
    }
    let foreign = session.value("select key_id from auth.list_jwt_keys('https://issuer.example')").unwrap();
    for id in [&foreign, "0c000000-0000-4000-8000-00000000000c"] {
        let refused = session.refused(&format!("select auth.set_signing_key_state('{id}', 'retired')"));
        assert_eq!(refused, "22023 no such signing key");
    }
    for state in ["'revoked'", "'Active'", "''", "null"] {
        let refused = session.refused(&format!("select auth.set_signing_key_state('{key}', {state})"));
        assert_eq!(refused, "22023 state has a value that is not allowed");
    }
    // With a second issuer one has to say which.
    session.run("select auth.add_issuer('https://second.example', own => true)");
    for call in ["create_signing_key()", "rotate_signing_key()", "issue_jwt('ada')"] {
        assert_eq!(session.refused(&format!("select auth.{call}")), "22023 issuer must be given");
    }
    session.run("select auth.create_signing_key(issuer => 'https://second.example')");
    let token = session.value("select auth.issue_jwt('ada', issuer => 'https://second.example')").unwrap();
    assert!(is_good(&mut db.tenant(), &token));
    assert_eq!(states(&mut session), "active");
}

/// Walks through all that set_signing_key_state() can do with three keys.
#[test]
fn t401_every_step_goes_back_and_what_was_signed_stays_good() {
    let (db, mut session) = world();
    let keys = [create(&mut session, "EdDSA"), create(&mut session, "ES256")];
    rotate(&mut session);
    let keys = [&keys[0], &keys[1], &create(&mut session, "HS256")];
    let set =
        |key: usize, state: &str| format!("select auth.set_signing_key_state('{}', '{state}')", keys[key]);
    let mut tenant = db.tenant();
    let mut tokens = HashMap::new();
    for (key, state, expected) in [
        (0, "active", "active retired next"),
        (0, "active", "active retired next"),
        (2, "active", "retired retired active"),
        (1, "next", "retired next active"),
        (1, "active", "retired active retired"),
        (2, "next", "retired active next"),
        (2, "retired", "retired active retired"),
        (0, "next", "next active retired"),
        (0, "active", "active retired retired"),
    ] {
        session.run(&set(key, state));
        assert_eq!(states(&mut session), expected);
        let token = issue(&mut session);
        let active = expected.split(' ').position(|state| state == "active").unwrap();
        assert_eq!(header(&token, "kid"), *keys[active]);
        tokens.insert(token, expected);
        for (token, made) in &tokens {
            assert!(is_good(&mut tenant, token), "made in {made}, asked in {expected}");
        }
    }
    session.run(&set(1, "next"));
    assert_eq!(session.refused(&set(2, "next")), "55000 the issuer has a next key already");
    for state in ["next", "retired"] {
        assert_eq!(session.refused(&set(0, state)), "55000 the issuer would have no active key");
    }
    session.run(&format!("select auth.revoke_jwt_key('{}')", keys[2]));
    for state in ["next", "active", "retired"] {
        assert_eq!(session.refused(&set(2, state)), "55000 the key is revoked for good");
    }
    assert_eq!(states(&mut session), "active next revoked");
}

#[test]
fn t401_a_revoked_key_ends_its_tokens_at_once_and_a_retired_one_when_they_expire() {
    let (db, mut session) = world();
    let mut tenant = db.tenant();
    for alg in ALGORITHMS {
        create(&mut session, alg);
        let [short, long] = ["2 seconds", "1 hour"].map(|ttl| {
            session
                .value(&format!("select auth.issue_jwt('ada', expires_at => clock_timestamp() + '{ttl}')"))
                .unwrap()
        });
        assert!(is_good(&mut tenant, &long));
        create(&mut session, "EdDSA");
        rotate(&mut session);
        assert!(is_good(&mut tenant, &long));
        std::thread::sleep(std::time::Duration::from_millis(2500));
        assert_eq!(refusal(tenant.authenticate(&short)), "28000 the credential has expired");
        // Also where the signature is known to be good, and in a transaction that has a snapshot.
        tenant.run("begin isolation level repeatable read; select 1");
        session.run(&format!("select auth.revoke_jwt_key('{}')", header(&long, "kid")));
        assert_eq!(refusal(tenant.authenticate(&long)), REFUSED, "{alg}");
        tenant.run("rollback");
        // The active one can be revoked, too; the next one takes over, or the first that is made.
        let next = create(&mut session, alg);
        let active = header(&issue(&mut session), "kid");
        session.run(&format!("select auth.revoke_jwt_key('{active}')"));
        assert_eq!(
            session.refused("select auth.issue_jwt('ada')"),
            "55000 the issuer has no active signing key"
        );
        rotate(&mut session);
        session.run(&format!("select auth.revoke_jwt_key('{next}')"));
    }
    assert!(!states(&mut session).contains("active"));
}

#[test]
fn t402_nobody_but_administrators_changes_keys() {
    let (db, mut session) = world();
    let key = create(&mut session, "EdDSA");
    let token = issue(&mut session);
    let service = format!("select auth.update_issuer('{OWN}', allow_service_role => true)");
    session.run(&service);
    let service = session.value("select auth.issue_jwt(role => 'service_role')").unwrap();
    let mut tenant = db.tenant();
    for credential in [None, Some(&token), Some(&service)] {
        for call in [
            "create_signing_key()".to_owned(),
            "rotate_signing_key()".to_owned(),
            format!("set_signing_key_state('{key}', 'active')"),
            format!("revoke_jwt_key('{key}')"),
        ] {
            tenant.run("begin");
            if let Some(credential) = credential {
                tenant.authenticate(credential).unwrap();
            }
            let refused = tenant.refused(&format!("select auth.{call}"));
            assert!(refused.starts_with("42501 "), "{call}: {refused}");
            tenant.run("rollback");
        }
    }
    assert_eq!(states(&mut session), "active");
}

#[test]
fn t157_the_key_set_has_public_members_of_published_keys_and_nothing_else() {
    let (db, mut session) = world();
    let ids: Vec<_> = ALGORITHMS
        .into_iter()
        .map(|alg| {
            let id = create(&mut session, alg);
            if alg != "ES256" {
                rotate(&mut session);
            }
            id
        })
        .collect();
    let next = create(&mut session, "EdDSA");
    let published = |issuer: &str| -> Value {
        let sql = format!("select auth.jwks({issuer})");
        serde_json::from_str(&db.tenant().value(&sql).unwrap()).unwrap()
    };
    let kids = |set: &Value| -> Vec<String> {
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&mut session), "retired retired retired active next");
    let set = published("");
    assert_eq!(kids(&set), [&*ids[0], &ids[1], &ids[2], &next]);
    for key in set["keys"].as_array().unwrap() {
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let public: &[&str] = match key["kty"].as_str().unwrap() {
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
            "RSA" => &["alg", "e", "kid", "kty", "n", "use"],
            other => panic!("{other}"),
        };
        assert_eq!(members, public);
        assert_eq!(key["use"], "sig");
    }
    assert_eq!(set.as_object().unwrap().len(), 1);
    assert_eq!(published(&format!("'{OWN}'")), set);
    for issuer in ["'https://issuer.example'", "'https://nobody.example'", "''"] {
        assert_eq!(published(issuer), json!({"keys": []}));
    }
    session.run(&format!("select auth.revoke_jwt_key('{}'), auth.revoke_jwt_key('{next}')", ids[1]));
    assert_eq!(kids(&published("")), [&*ids[0], &ids[2]]);
    // Keys of others are not ours to publish.
    let foreign = Pair::es256().jwk("theirs").to_string();
    db.superuser().execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &foreign]).unwrap();
    assert_eq!(kids(&published("")).len(), 2);
}
