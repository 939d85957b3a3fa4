//! t352: no credential is in the log.

use super::lines;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

/// Every row as text, as a dump has it.
const ALL: &str = "select a::text from auth.audit_log a";

#[test]
fn t352_no_credential_gets_into_the_log() {
    let db = Database::new();
    let mut session = db.superuser();
    let mut canaries = Vec::new();
    let secret = "canary of a shared secret, long enough";
    session.run(&format!(
        "select auth.add_issuer('https://c.example'), auth.add_jwt_secret('https://c.example', '{secret}', kid => 'c');
         select auth.add_jwt_secret('https://c.example', encode('{secret} too', 'hex'), kid => 'd', encoding => 'hex')"
    ));
    canaries.extend([secret.to_owned(), hex::encode(secret)]);
    let pair = Pair::es256();
    let (one, two) = (pair.jwk("one"), Pair::rs256().jwk("two"));
    canaries.extend([one["x"].as_str().unwrap().to_owned(), two["n"].as_str().unwrap().to_owned()]);
    session.execute("select auth.add_jwt_key('https://c.example', $1)", &[&one.to_string()]).unwrap();
    session.execute("select auth.load_jwks('https://c.example', $1)", &[&jwks(&[one, two])]).unwrap();
    let org = session.value("select auth.create_organization('north', owner_id => 'ada')").unwrap();

    let claims = json!({"iss": STRICT_ISSUER, "sub": "ada", "jti": "canary of a jti", "email": "canary@c.example",
                        "iat": now(), "exp": now() + 600, "other": "canary of a claim"});
    let token = hs256(&claims);
    canaries.extend(["canary of a jti", "canary@c.example", "canary of a claim"].map(str::to_owned));
    session.run("begin");
    session.authenticate(&token).unwrap();
    session.execute(
        "select set_config('request.headers', $1, false)",
        &[&json!({"authorization": format!("Bearer {token}"), "cookie": token, "x-forwarded-for": token}).to_string()],
    )
    .unwrap();
    let key =
        session.value(&format!("select id || ' ' || key from auth.create_api_key('k', '{org}')")).unwrap();
    let (id, key) = key.split_once(' ').unwrap();
    let rotated =
        session.value(&format!("select id || ' ' || key from auth.rotate_api_key('{id}')")).unwrap();
    let (id, new_key) = rotated.split_once(' ').unwrap();
    let invited = session.value(&format!("select token from auth.create_invitation('{org}')")).unwrap();
    session.run(&format!(
        "select auth.update_api_key('{id}', '{new_key}', metadata => '{{\"a\": \"{new_key}\"}}')"
    ));
    session.run(&format!("select auth.revoke_api_key('{id}', 'because of {new_key}')"));
    session.run(&format!("select auth.update_organization('{org}', '{key}'); commit; begin"));
    session.authenticate(&token_of("guest")).unwrap();
    session.run(&format!("select auth.accept_invitation('{invited}'); commit"));
    let hash = "5".repeat(64);
    session.run(&format!("select auth.import_api_key('i', '{hash}', '{org}', last4 => 'cana')"));
    session.run(&format!(
        r#"begin; select auth.act_as('{{"user_id": "ada", "claims": {{"a": "{key}"}}}}'); commit"#
    ));

    let parts: Vec<_> = token.split('.').map(|part| part[..part.len().min(30)].to_owned()).collect();
    canaries.extend(parts);
    canaries.extend([key, new_key, &invited].map(str::to_owned));
    canaries.extend([&key[8..], &new_key[8..], &invited[4..], &hash[..40]].map(str::to_owned));
    canaries.extend(
        [key, new_key, &invited]
            .map(|text| session.value(&format!("select encode(sha256('{text}'), 'hex')")).unwrap()),
    );
    let rows = lines(&mut session, ALL);
    assert!(rows.len() > 12, "{rows:#?}");
    for canary in &canaries {
        let found: Vec<_> = rows.iter().filter(|row| row.contains(canary.as_str())).collect();
        assert!(found.is_empty(), "{canary:?} is in {found:#?}");
    }
}
