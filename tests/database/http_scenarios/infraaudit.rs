//! InfraAudit: what tests/scenarios/infraaudit/README.md says its page says.

mod attacks;
mod sign_in;

use super::{Service, asked_for_one, expect, refused, text};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::token::{hs256_with, now};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The JWT secret of the Supabase project.
const SUPABASE: &str = "the JWT secret of a Supabase project, 32 bytes or more";
const ISSUER: &str = "https://abcdefghijklmnopqrst.supabase.co/auth/v1";
const PASSWORD: &str = "your-password";

/// As it is on the page: the first user is user@example.com. Their organization has a server with two drifts.
fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let service = Service::start("infraaudit", &format!("\\set supabase_secret '{SUPABASE}'\n"));
        let org = add_owner(&service, "user@example.com").1;
        add_drifts(&service, &org, "web-1");
        service
    })
}

/// A user who owns an organization, by their ids.
fn add_owner(service: &Service, email: &str) -> (String, String) {
    let id = add_user(service, email);
    let org = service.organization(&id);
    (id, org)
}

fn add_user(service: &Service, email: &str) -> String {
    service.ask(&format!("select auth.create_user('{email}', '{PASSWORD}')::text"))
}

fn add_drifts(service: &Service, org: &str, resource: &str) {
    service.admin().run(&format!(
        "with made as (insert into app.resources (org_id, name) values ('{org}', '{resource}') returning id)
         insert into app.drifts (org_id, resource_id, what)
         select '{org}', made.id, '{resource}: ' || what from made, unnest('{{port 22 is open,no backup}}'::text[]) what"
    ));
}

/// POST /v1/api/login.
fn login(email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password}).to_string();
    service().nginx.send("POST", "/v1/api/login", &[], &body)
}

/// The token of a new user who owns an organization; with its id and the user's.
fn owner(email: &str) -> (String, String, String) {
    let (id, org) = add_owner(service(), email);
    (text(&expect(login(email, PASSWORD), 200)["token"]), org, id)
}

/// Settings > API Keys > New key.
fn create(token: &str, name: &str) -> Answer {
    service().send(token, "POST", "/v1/settings/api-keys", &json!({"name": name}).to_string())
}

/// What the Supabase project says of this user.
fn claims(user: &str) -> Value {
    json!({"iss": ISSUER, "sub": user, "aud": "authenticated", "role": "authenticated", "email": "x@example.com",
           "iat": now(), "exp": now() + 3600, "aal": "aal1", "session_id": "5e000000-0000-4000-8000-000000000001",
           "app_metadata": {"provider": "email"}, "user_metadata": {}})
}

fn signed(claims: &Value) -> String {
    hs256_with(SUPABASE.as_bytes(), r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

fn names(credential: &str) -> Value {
    expect(service().get(credential, "/v1/resources?select=name&order=name"), 200)
}

#[test]
fn a_key_is_shown_once_and_is_sent_as_tokens_are() {
    let (token, org, _) = owner("keys@example.com");
    add_drifts(service(), &org, "db-1");
    let first = expect(create(&token, "Web UI"), 201);
    let made = create(&token, "CI/CD Pipeline");
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{made:?}");
    let shown = made.json();
    let members: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((members, &shown["name"]), (vec!["id", "key", "name"], &json!("CI/CD Pipeline")));
    assert!(shown["id"].as_u64().unwrap() > first["id"].as_u64().unwrap(), "{first} {shown}");
    let key = text(&shown["key"]);
    assert!(key.starts_with("ia_live_"), "{shown}");
    assert_eq!((names(&key), names(&token)), (json!([{"name": "db-1"}]), json!([{"name": "db-1"}])));
    // It cannot be retrieved again.
    let list = service().get(&token, "/v1/settings/api-keys");
    assert!(list.status == 200 && !list.body.contains(&key[12..]), "{list:?}");
    let listed: Vec<_> = list.json().as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(listed, [first["id"].clone(), shown["id"].clone()]);
    // A key makes none; whoever may ends it.
    assert_eq!(create(&key, "more").status, 403);
    let path = format!("/v1/settings/api-keys/{}", shown["id"]);
    assert_eq!(service().send(&token, "DELETE", &path, "").status, 204);
    refused(&service().get(&key, "/v1/resources"));
    assert_eq!(names(&text(&first["key"])), json!([{"name": "db-1"}]));
}

#[test]
fn resources_are_those_of_the_user_s_organization() {
    let (ann, _, _) = owner("ann@example.com");
    let (bob, org, _) = owner("bob@example.com");
    let add = |token: &str, body: Value| service().send(token, "POST", "/v1/resources", &body.to_string());
    assert_eq!(
        (add(&ann, json!({"name": "of Ann"})).status, add(&bob, json!({"name": "of Bob"})).status),
        (201, 201)
    );
    let keys = [&ann, &bob].map(|token| text(&expect(create(token, "k"), 201)["key"]));
    for (credential, name) in [(&ann, "of Ann"), (&keys[0], "of Ann"), (&bob, "of Bob"), (&keys[1], "of Bob")]
    {
        assert_eq!(names(credential), json!([{"name": name}]));
    }
    // By id, by a filter and by a header.
    for more in ["?name=eq.of%20Bob", "?or=(name.eq.x,name.like.*Bob)"] {
        assert_eq!(expect(service().get(&ann, &format!("/v1/resources{more}")), 200), json!([]), "{more}");
    }
    let elsewhere = [("X-Organization", org.as_str())];
    assert_eq!(service().send_with(&ann, &elsewhere, "GET", "/v1/resources", "").status, 403);
    assert_eq!(service().send(&ann, "DELETE", "/v1/resources?name=eq.of%20Bob", "").status, 204);
    assert_eq!(names(&bob), json!([{"name": "of Bob"}]));
}

#[test]
fn who_is_told_401_and_who_403() {
    let (token, org, id) = owner("table@example.com");
    // No token provided, token expired, or token is invalid.
    for path in ["/v1/resources", "/v1/drifts", "/v1/settings/api-keys", "/api/ws/drifts"] {
        asked_for_one(&service().nginx.send("GET", path, &[], ""));
        refused(&service().get("eyJhbGciOi...", path));
        refused(&service().get("ia_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxx", path));
        refused(&service().get(&format!("{token}x"), path));
    }
    let soon = format!("select auth.issue_jwt('{id}', expires_at => now() + interval '2 seconds')");
    service().admin().run("update auth.issuers set leeway = '0'");
    let expired = service().ask(&soon);
    std::thread::sleep(std::time::Duration::from_secs(3));
    refused(&service().get(&expired, "/v1/resources"));
    // A valid one, of somebody who lacks the permission.
    let viewer = add_user(service(), "viewer@example.com");
    service().ask(&format!("select auth.add_member('{org}', '{viewer}', 'viewer')::text"));
    let viewer = text(&expect(login("viewer@example.com", PASSWORD), 200)["token"]);
    assert_eq!(names(&viewer), json!([]));
    let asked = [
        ("POST", "/v1/resources", r#"{"name": "x"}"#),
        ("GET", "/v1/drifts", ""),
        ("GET", "/api/ws/drifts", ""),
        ("GET", "/v1/settings/api-keys", ""),
        ("POST", "/v1/settings/api-keys", r#"{"name": "x"}"#),
        ("GET", "/users", ""),
    ];
    for (method, path, body) in asked {
        let answer = service().send(&viewer, method, path, body);
        assert_eq!((answer.status, answer.header("www-authenticate")), (403, None), "{path}: {answer:?}");
    }
    // And of somebody who is in no organization.
    add_user(service(), "alone@example.com");
    let alone = text(&expect(login("alone@example.com", PASSWORD), 200)["token"]);
    assert_eq!(service().get(&alone, "/v1/resources").status, 403);
}

/// The stream, and what a browser does that lost it: it says what it had last.
#[test]
fn an_event_source_is_told_what_is_new() {
    let (token, org, _) = owner("stream@example.com");
    add_drifts(service(), &org, "lb-1");
    let read = |path: &str, last: &str| {
        let headers = [("Accept", "text/event-stream"), ("Last-Event-ID", last)];
        let answer = service().nginx.send("GET", path, &headers, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"), "{answer:?}");
        let events = answer.body.split("\n\n").filter(|event| event.contains("event: drift\n"));
        let id = |event: &str| event.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
        let data = |event: &str| -> Value {
            serde_json::from_str(event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap()
        };
        events.map(|event| (id(event), text(&data(event)["what"]))).collect::<Vec<_>>()
    };
    for path in ["/api/ws/drifts", "/v1/api/ws/drifts"] {
        let path = format!("{path}?token={token}");
        let events = read(&path, "");
        let whats: Vec<_> = events.iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!(whats, ["lb-1: port 22 is open", "lb-1: no backup"]);
        assert_eq!(read(&path, &events[0].0), events[1..]);
        assert_eq!((read(&path, &events[1].0), read(&path, "none")), (vec![], events));
    }
}
