//! What each path answers.

use super::{Rest, UNKNOWN};
use crate::http::world::token;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};

/// Each path, with the methods that it takes. `<id>` is an id of something, `<user>` a user.
const PATHS: [(&str, &str); 15] = [
    ("/health", "GET, HEAD"),
    ("/.well-known/jwks.json", "GET, HEAD"),
    ("/token", "POST"),
    ("/tokens", "POST"),
    ("/tickets", "POST"),
    ("/api-keys", "GET, HEAD, POST"),
    ("/api-keys/<id>", "DELETE"),
    ("/api-keys/<id>/rotate", "POST"),
    ("/api-keys/<id>/usage", "GET, HEAD"),
    ("/organizations", "GET, HEAD, POST"),
    ("/organizations/<id>/members", "GET, HEAD, PATCH, DELETE"),
    ("/organizations/<id>/members/<user>", "DELETE"),
    ("/organizations/<id>/invitations", "GET, HEAD, POST"),
    ("/invitations/accept", "POST"),
    ("/invitations/<id>", "DELETE"),
];

#[test]
fn t621_a_path_takes_its_methods_and_says_which() {
    let rest = Rest::new();
    let page = include_str!("../../../../../docs/http-api.md");
    let rules = include_str!("../../../../../examples/postgrest/locations_auth_http.conf");
    assert_eq!(rules.matches("\nlocation ").count(), PATHS.len());
    for (path, allowed) in PATHS {
        let sent = path.replace("<id>", UNKNOWN).replace("<user>", "eve");
        for method in ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"] {
            let takes = allowed.split(", ").any(|one| one == method);
            for body in [Value::Null, json!({})] {
                let answer = rest.send(&rest.ada, method, &sent, &body);
                assert_eq!(answer.status != 405, takes, "{method} {path}: {answer:?}");
                let expected: &[&str] = if takes { &[] } else { &[allowed] };
                assert_eq!(answer.headers("allow"), expected, "{method} {path}");
                assert!(answer.header("x-request-id").is_some(), "{method} {path}");
            }
            let named = ["`", "?"].iter().any(|end| page.contains(&format!("| `{method} {path}{end}")));
            assert!(named || !takes || method == "HEAD", "docs/http-api.md leaves out {method} {path}");
        }
        assert_eq!(rest.send("", "OPTIONS", &sent, &Value::Null).status, 204, "{path}");
        let answer = rest.send("", "PROPFIND", &sent, &Value::Null);
        let all = "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS";
        assert_eq!((answer.status, answer.headers("allow")), (405, vec![all]), "{path}");
    }
}

#[test]
fn keys_have_paths() {
    let rest = Rest::new();
    assert_eq!(rest.send("", "GET", "/api-keys", &Value::Null).status, 401);
    assert_eq!(rest.send("", "POST", "/api-keys", &json!({"name": "n"})).status, 401);
    let (id, key) = rest.made_key();
    let listed = rest.ada(200, "GET", &format!("/api-keys?org_id={}&order=name", rest.org), Value::Null);
    assert_eq!((&listed[0]["id"], listed.as_array().unwrap().len()), (&json!(id), 1));
    assert_eq!(rest.send(&key, "GET", "/api-keys", &Value::Null).json()[0]["id"], json!(id));
    for since in ["", "?since=2020-01-01", "?limit=5"] {
        let path = format!("/api-keys/{id}/usage{since}");
        assert_eq!(rest.ada(200, "GET", &path, Value::Null), json!([]), "{since}");
    }
    assert_eq!(
        rest.send(&rest.ada, "GET", &format!("/api-keys/{id}/usage?since=x"), &Value::Null).status,
        400
    );
    let works = |key: &str| rest.send(key, "GET", "/organizations", &Value::Null).status == 200;
    // With a grace the old one goes on for a while.
    let rotated =
        rest.send(&rest.ada, "POST", &format!("/api-keys/{id}/rotate?grace=1%20hour"), &Value::Null);
    assert_eq!((rotated.status, rotated.header("cache-control")), (201, Some("no-store")), "{rotated:?}");
    let rotated = rotated.json();
    let (second_id, second) = (rotated["id"].as_str().unwrap(), rotated["key"].as_str().unwrap());
    assert!(works(&key) && works(second));
    let third = rest.ada(201, "POST", &format!("/api-keys/{second_id}/rotate"), json!({}));
    let (third_id, third) = (third["id"].as_str().unwrap(), third["key"].as_str().unwrap());
    assert!(!works(second) && works(third));
    for _ in 0..2 {
        let path = format!("/api-keys/{third_id}?reason=it%20is%20out%20%26%20%22about%22+%C3%BC");
        assert_eq!(rest.ada(200, "DELETE", &path, Value::Null), json!({"id": third_id, "revoked": true}));
    }
    assert!(!works(third) && works(&key));
    let all =
        rest.ada(200, "GET", &format!("/api-keys?org_id={}&include_revoked=true", rest.org), Value::Null);
    assert!(all.as_array().unwrap().iter().any(|key| key["id"] == json!(third_id)), "{all}");
}

#[test]
fn the_reason_of_a_path_is_what_was_sent() {
    let mut rest = Rest::new();
    let (id, _) = rest.made_key();
    rest.ada(200, "DELETE", &format!("/api-keys/{id}?reason=out%20%26%20%22about%22+%C3%BC"), Value::Null);
    let reason = rest.site.admin.value("select string_agg(revoke_reason, '') from auth.api_keys");
    assert_eq!(reason.as_deref(), Some("out & \"about\" \u{fc}"));
}

#[test]
fn organizations_members_and_invitations_have_paths() {
    let rest = Rest::new();
    let made = rest.ada(201, "POST", "/organizations", json!({"name": "Beta", "slug": "beta"}));
    let listed = rest.ada(200, "GET", "/organizations?order=slug", Value::Null);
    assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&json!(rest.org), &made["id"]));
    let invitations = rest.of_org("/invitations");
    let invited =
        rest.send(&rest.ada, "POST", &invitations, &json!({"role": "admin", "expires_in": "1 day"}));
    assert_eq!((invited.status, invited.header("cache-control")), (201, Some("no-store")), "{invited:?}");
    let invited = invited.json();
    let spare = rest.ada(201, "POST", &invitations, Value::Null);
    assert_eq!(rest.ada(200, "GET", &invitations, Value::Null).as_array().unwrap().len(), 2);
    let path = format!("/invitations/{}", spare["id"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(rest.ada(200, "DELETE", &path, Value::Null), json!({"id": spare["id"], "revoked": true}));
    }
    let accept = |user: &str, invitation: &Value| {
        let body = json!({"token": invitation["token"]});
        rest.send(&token(user), "POST", "/invitations/accept", &body)
    };
    let accepted = accept("bob", &invited);
    assert_eq!((accepted.status, accepted.json()), (200, json!({"org_id": rest.org})));
    assert_eq!(accept("eve", &spare).status, 403);
    let members = rest.of_org("/members");
    let roles = |query: &str| {
        let found = rest.ada(200, "GET", &format!("{members}{query}"), Value::Null);
        let found = found.as_array().unwrap().iter();
        found.map(|one| format!("{}:{}", one["user_id"], one["role"]).replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(roles("?order=user_id"), ["ada:owner", "bob:admin"]);
    assert_eq!(roles("?user_id=eq.bob&select=user_id,role"), ["bob:admin"]);
    let change = json!({"user_id": "bob", "role": "member"});
    let expected = json!({"org_id": rest.org, "user_id": "bob", "role": "member"});
    assert_eq!(rest.ada(200, "PATCH", &members, change), expected);
    let removed = json!({"org_id": rest.org, "user_id": "bob", "removed": true});
    assert_eq!(rest.ada(200, "DELETE", &rest.of_org("/members/bob"), Value::Null), removed);
    assert_eq!(roles(""), ["ada:owner"]);
}

#[test]
fn members_whose_ids_no_path_has_are_named_in_the_body() {
    let mut rest = Rest::new();
    for user in ["auth0|x", "a@b.example", "\" \\ ; & = % \u{fc}", "../x", "%2e"] {
        let text = user.replace('\'', "''");
        rest.site.admin.run(&format!("select auth.add_member('{}', '{text}', 'viewer')", rest.org));
        let change = json!({"user_id": user, "role": "member"});
        assert_eq!(rest.ada(200, "PATCH", &rest.of_org("/members"), change)["user_id"], json!(user));
        let removed = rest.ada(200, "DELETE", &rest.of_org("/members"), json!({"user_id": user}));
        assert_eq!(removed, json!({"org_id": rest.org, "user_id": user, "removed": true}));
    }
    // Whoever leaves a body out removes nobody.
    for body in [Value::Null, json!({})] {
        assert_eq!(rest.send(&rest.ada, "DELETE", &rest.of_org("/members"), &body).status, 404);
    }
}

#[test]
fn tokens_tickets_and_the_key_set_have_paths() {
    let rest = Rest::new();
    let (id, key) = rest.made_key();
    let form = |headers: &[(&str, &str)], body: &str| {
        let headers = [&[("Content-Type", "application/x-www-form-urlencoded")], headers].concat();
        rest.site.nginx.send("POST", "/token", &headers, body)
    };
    let basic = format!("Basic {}", STANDARD.encode(format!("{key}:")));
    let grant = "grant_type=client_credentials";
    let with_secret = format!("{grant}&client_id={id}&client_secret={key}");
    for answer in [form(&[], &with_secret), form(&[("Authorization", &basic)], grant)] {
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(rest.send(&token, "GET", "/api-keys", &Value::Null).json()[0]["id"], json!(id));
    }
    let refused = form(&[], &format!("{grant}&client_secret=sk_live_x"));
    assert_eq!((refused.status, &refused.json()["error"]), (401, &json!("invalid_client")));
    let in_query = format!("/token?{with_secret}");
    assert_eq!(rest.send("", "POST", &in_query, &json!({})).status, 400);
    let narrow = rest.ada(200, "POST", "/tokens", json!({"org_id": rest.org, "permissions": ["x.read"]}));
    let narrow = narrow["access_token"].as_str().unwrap();
    assert_eq!(rest.send(narrow, "POST", "/api-keys", &json!({"name": "n"})).status, 403);
    let ticket = rest.ada(200, "POST", "/tickets", Value::Null);
    let ticket = ticket["ticket"].as_str().unwrap();
    assert_eq!(rest.send(ticket, "GET", "/organizations", &Value::Null).json()[0]["slug"], "acme");
    for path in ["/.well-known/jwks.json", "/.well-known/jwks.json?x=1"] {
        let set = rest.send("", "GET", path, &Value::Null);
        assert_eq!((set.status, set.header("cache-control")), (200, Some("max-age=300")), "{set:?}");
        assert_eq!(set.json()["keys"].as_array().unwrap().len(), 1);
        assert!(set.headers("pragma").is_empty());
    }
    for path in ["/.well-known/jwks", "/.well-known/jwks.json/", "/.well-known/", "/.well-known/jwksxjson"] {
        assert_eq!(rest.send("", "GET", path, &Value::Null).status, 400, "{path}");
    }
    let health = rest.send("", "GET", "/health", &Value::Null);
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
    assert_eq!(health.header("cache-control"), None);
}
