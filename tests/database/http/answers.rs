//! What clients are answered.

use super::world::{World, assert_unlogged, token};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use serde_json::{Value, json};

/// Status, challenge, code.
fn told(answer: &pg_bearer_tests::http::Answer) -> (u16, Option<&str>, Value) {
    (answer.status, answer.header("www-authenticate"), answer.json()["code"].clone())
}

#[test]
fn a_refused_credential_is_401_with_a_challenge_and_says_no_more() {
    let mut world = World::new();
    let invalid = Some("Bearer error=\"invalid_token\"");
    let expired = hs256(&with(claims_a(), json!({"exp": now() - 600, "iat": now() - 1200})));
    let org = world.organization("acme", "ada");
    let key = world.key(&format!(", '{org}'"));
    let id = world.admin.value("select id from auth.list_api_keys()").unwrap();
    world.admin.run(&format!("select auth.revoke_api_key('{id}')"));
    let forged = format!("{}x", token_a());
    for credential in [forged.as_str(), &key, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.", "x"] {
        let answer = world.postgrest.get("/docs", credential);
        assert_eq!(told(&answer), (401, invalid, json!("28000")), "{credential}");
        assert_eq!(answer.json()["message"], "the credential was refused");
    }
    let answer = world.postgrest.get("/docs", &expired);
    assert_eq!(told(&answer), (401, invalid, json!("28000")));
    assert_eq!(answer.json()["message"], "the credential has expired");
    assert_unlogged(&world, &[&forged, &expired, &key]);
}

#[test]
fn rows_are_those_of_whoever_asks() {
    let world = World::new();
    let count = |credential: &str| {
        let answer = world.postgrest.get("/docs?select=id,org_id", credential);
        assert_eq!(answer.status, 200, "{answer:?}");
        let rows = answer.json();
        let rows = rows.as_array().unwrap();
        (rows.len(), rows.iter().all(|row| row["org_id"] == rows[0]["org_id"]))
    };
    assert_eq!(count(&token_a()), (500, true));
    assert_eq!(count(&token_b()), (500, true));
    // Nobody, where nobody may read.
    let answer = world.postgrest.proxied("GET", "/docs", &[], "");
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("42501")));
    // A row of others is refused by its policy.
    let body = json!({"id": 5000, "org_id": ORG_B, "body": "x"}).to_string();
    let headers = [("Authorization", format!("Bearer {}", token_a()))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(world.postgrest.proxied("POST", "/docs", &headers, &body).status, 403);
    let own = body.replace(ORG_B, ORG_A);
    assert_eq!(world.postgrest.proxied("POST", "/docs", &headers, &own).status, 201);
}

#[test]
fn a_good_key_in_a_wrong_place_is_403() {
    let mut world = World::new();
    let org = world.organization("acme", "ada");
    let key = world.key(&format!(", '{org}', allowed_endpoints => '{{GET /nothing}}'"));
    let answer = world.postgrest.get("/rpc/whoami", &key);
    assert_eq!(told(&answer), (403, None, json!("28000")));
    let key = world.key(&format!(", '{org}', allowed_origins => '{{https://app.example.com}}'"));
    let with = |origin: &str| {
        let headers = [("apikey", key.as_str()), ("Origin", origin)];
        world.postgrest.proxied("GET", "/rpc/whoami", &headers, "").status
    };
    assert_eq!((with("https://app.example.com"), with("https://evil.example.com")), (200, 403));
}

#[test]
fn demands_are_answered_with_403() {
    let mut world = World::new();
    let org = world.organization("acme", "ada");
    let desk = world.admin.value(&format!("select auth.create_workspace('{org}', 'desk')")).unwrap();
    world.admin.run(&format!("select auth.add_workspace_member('{desk}', 'ada', 'member')"));
    let foreign = world.organization("foreign", "eve");
    let demand = |what: &str, id: &str, credential: Option<&str>| {
        let path = format!("/rpc/demand?what={what}&id={id}");
        match credential {
            Some(credential) => world.postgrest.get(&path, credential),
            None => world.postgrest.proxied("GET", &path, &[], ""),
        }
    };
    let ada = token("ada");
    for (what, id) in [("member", &org), ("workspace", &desk), ("org", &org)] {
        assert_eq!(demand(what, id, Some(&ada)).status, 200, "{what}");
        let (unknown, other) = (demand(what, ORG_B, Some(&ada)), demand(what, &foreign, Some(&ada)));
        assert_eq!((unknown.status, &unknown.body), (403, &other.body), "{what}");
    }
    let nobody = demand("member", &org, None);
    assert_eq!(told(&nobody), (401, Some("Bearer"), json!("28000")));
    assert_eq!(demand("a.permission", ORG_A, Some(&token("eve"))).status, 200);
    assert_eq!(demand("a.permission", ORG_A, Some(&token("nobody-there"))).status, 403);
}

#[test]
fn a_role_that_cannot_be_used_is_an_error_of_the_server() {
    let world = World::new();
    let mut session = world.db.superuser();
    for role in ["nobody_at_all", "other"] {
        session.run(&format!("alter database {} set pg_bearer.http_user_role = '{role}'", world.db.name));
        let mut login = world.db.connect(&format!("{}_login", world.db.name));
        login.run("begin");
        login.run(&format!("set local request.headers = '{{\"x-api-key\": \"{}\"}}'", token_a()));
        let refused = login.refused("select auth.pre_request()");
        assert!(
            refused.starts_with("PGRST ") && refused.contains("F0000") && !refused.contains(role),
            "{refused}"
        );
        login.run("rollback");
    }
}

#[test]
fn t180_the_sender_of_a_request_is_established_once() {
    let world = World::new();
    let headers = [("Authorization", format!("Bearer {}", token_a()))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = world.postgrest.proxied("POST", "/rpc/again", &headers, "{}");
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("55006")));
    // By hand as well, also after a rollback to a savepoint; a new transaction is another request.
    let mut session = world.db.connect(&format!("{}_login", world.db.name));
    session.run("begin; savepoint s; select auth.pre_request(); rollback to s");
    assert!(session.refused("select auth.pre_request()").starts_with("PGRST "));
    session.run("rollback; begin; select auth.pre_request(); commit");
}

#[test]
fn t183_what_was_left_in_a_connection_is_not_what_the_next_request_gets() {
    let world = World::new();
    let mut session = world.db.connect(&format!("{}_login", world.db.name));
    session.run("select auth.uid(); set row_security = off");
    session.run("select set_config('request.headers', '{\"apikey\": \"x\"}', false)");
    session.run("begin; set local request.headers = '{}'; select auth.pre_request()");
    assert_values(&mut session, &[("show row_security", Some("on")), ("select auth.identity()", None)]);
    session.run("commit");
    // One who has an identity and asks for nobody is nobody afterwards.
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run("set local request.headers = '{}'; select auth.pre_request()");
    assert_values(&mut session, &[("select auth.identity()", None)]);
    session.run("rollback");
}

#[test]
fn what_a_client_hid_before_the_library_was_loaded_is_not_gone_by() {
    let world = World::new();
    let mut session = world.db.connect(&format!("{}_login", world.db.name));
    session.run("set pg_bearer.credential_headers = 'x-mine'");
    let refused = session.refused("select auth.pre_request()");
    assert!(refused.starts_with("PGRST ") && refused.contains("F0000"), "{refused}");
}
