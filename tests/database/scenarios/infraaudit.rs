//! InfraAudit: keys with a prefix of the service for pipelines, made by users through the API, and tokens of
//! two algorithms in the same header.

use super::{Answer, Service, bearer, session_of, text};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::{Value, json};

const RESOURCES: &str = "select label from resources order by label";

fn service() -> (Service, String) {
    let mut service = Service::new("resources", "pg_bearer.api_key_prefix = 'ia'");
    let org = service.organization("Infra", "uma");
    (service, org)
}

/// POST /v1/settings/api-keys with this body.
fn post_key(service: &mut Service, authorization: &str, body: &Value) -> Answer {
    let sql = format!("select * from auth.create_api_key(name => '{body}'::jsonb ->> 'name')");
    service.request(authorization, &sql)
}

#[test]
fn a_pipeline_gets_a_key_with_a_name_alone() {
    let (mut service, org) = service();
    let made = post_key(&mut service, &session_of("uma"), &json!({"name": "CI/CD Pipeline"})).row();
    let members: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["id", "name", "key"];
    expected.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!(text(&made, "name"), "CI/CD Pipeline");
    let key = text(&made, "key");
    assert!(key.starts_with("ia_live_"), "{key}");

    // The same header as a token's, and what its user may do.
    let insert = "insert into resources (label) values ('bucket') returning org_id, environment";
    let row = service.request(&bearer(&key), insert).row();
    assert_eq!(row, json!({"org_id": org, "environment": "live"}));
    for credential in [bearer(&key), session_of("uma")] {
        assert_eq!(service.request(&credential, RESOURCES).row(), json!({"label": "bucket"}));
        let user = service.request(&credential, "select auth.user_id() as user").row();
        assert_eq!(user, json!({"user": "uma"}));
    }
    // It lives long: nothing ends it but its user.
    let ends = service.request(&bearer(&key), "select auth.identity() ->> 'expires_at' as ends").row();
    assert_eq!(ends, json!({"ends": null}));
}

#[test]
fn a_key_is_returned_when_it_is_created_and_never_again() {
    let (mut service, _) = service();
    let made = post_key(&mut service, &session_of("uma"), &json!({"name": "CI/CD Pipeline"})).row();
    let key = text(&made, "key");
    let listed = service.request(&session_of("uma"), "select * from auth.list_api_keys()").row();
    assert_eq!(text(&listed, "name"), "CI/CD Pipeline");
    assert_eq!(text(&listed, "prefix"), "ia_live_");
    assert_eq!(text(&listed, "last4"), key[key.len() - 4..]);
    assert!(!listed.to_string().contains(&key[25..key.len() - 6]));
    assert_eq!(service.request(&session_of("uma"), "select * from auth.api_keys"), Answer::Forbidden);
}

#[test]
fn a_pipeline_cannot_make_keys_of_its_own() {
    let (mut service, _) = service();
    let made = post_key(&mut service, &session_of("uma"), &json!({"name": "CI/CD Pipeline"})).row();
    let key = bearer(&text(&made, "key"));
    assert_eq!(post_key(&mut service, &key, &json!({"name": "another"})), Answer::Forbidden);
    let rotate = format!("select auth.rotate_api_key('{}')", text(&made, "id"));
    assert_eq!(service.request(&key, &rotate), Answer::Forbidden);
}

#[test]
fn tokens_of_both_algorithms_and_keys_are_told_apart() {
    let (mut service, _) = service();
    let pair = Pair::es256();
    let add = "select auth.add_jwt_key($1, $2)";
    service.admin.execute(add, &[&STRICT_ISSUER, &pair.jwk("es").to_string()]).unwrap();
    let claims = json!({"iss": STRICT_ISSUER, "sub": "uma", "iat": now(), "exp": now() + 3600});
    let key = text(&post_key(&mut service, &session_of("uma"), &json!({"name": "k"})).row(), "key");
    let kind = "select auth.identity() ->> 'kind' as kind, auth.user_id() as user";
    for (credential, kind_of) in
        [(pair.sign("es", &claims), "jwt"), (hs256(&claims), "jwt"), (key.clone(), "api_key")]
    {
        for text in [bearer(&credential), format!("bearer   {credential}"), credential.clone()] {
            assert_eq!(service.request(&text, kind).row(), json!({"kind": kind_of, "user": "uma"}));
        }
    }
}

#[test]
fn who_is_unknown_gets_401_and_who_may_not_gets_403() {
    let (mut service, org) = service();
    service.admin.run(&format!("select auth.add_member('{org}', 'vic', 'viewer')"));
    let key = text(&post_key(&mut service, &session_of("uma"), &json!({"name": "k"})).row(), "key");
    let (head, tail) = key.split_at(key.len() - 1);
    let mistyped = format!("{head}{}", if tail == "0" { "1" } else { "0" });
    let expired =
        hs256(&json!({"iss": STRICT_ISSUER, "sub": "uma", "iat": now() - 9000, "exp": now() - 1000}));
    for unknown in ["", "Bearer ", "Bearer ia_live_", &bearer(&mistyped), &bearer(&expired), "Bearer a.b.c"] {
        assert_eq!(service.request(unknown, RESOURCES), Answer::Unauthorized, "{unknown}");
    }
    let write = "select auth.require_permission('resources.write')";
    assert_eq!(service.request(&session_of("vic"), write), Answer::Forbidden);
    service.request(&session_of("uma"), write).row();
    service.request(&bearer(&key), write).row();
    // The key is the user's: with him it loses what he loses.
    service.admin.run(&format!(
        "select auth.set_member_role('{org}', 'vic', 'owner'); select auth.set_member_role('{org}', 'uma', 'viewer')"
    ));
    assert_eq!(service.request(&bearer(&key), write), Answer::Forbidden);
    service.admin.run(&format!("select auth.remove_member('{org}', 'uma')"));
    assert_eq!(service.request(&bearer(&key), RESOURCES), Answer::Unauthorized);
}
