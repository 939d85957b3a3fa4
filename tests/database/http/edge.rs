//! Schema auth_http, as PostgREST serves it.

use super::world::{World, assert_unlogged, token};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::postgrest::Postgrest;
use serde_json::{Value, json};

struct Edge {
    world: World,
    served: Postgrest,
    org: String,
}

impl Edge {
    fn new() -> Edge {
        let mut world = World::new();
        let name = |role: &str| format!("{}_{role}", world.db.name);
        let served = Postgrest::start(&world.db, &name("login"), &name("anon"), &name("user"), "auth_http");
        let org = world.organization("acme", "ada");
        world.admin.run(
            "select auth.add_issuer('https://own.example', own => true); select auth.create_signing_key()",
        );
        Edge { world, served, org }
    }

    fn call(&self, method: &str, name: &str, credential: Option<&str>, body: &Value) -> Answer {
        let bearer = credential.map(|credential| format!("Bearer {credential}"));
        let mut headers = vec![];
        if let Some(bearer) = &bearer {
            headers.push(("Authorization", bearer.as_str()));
        }
        // Nobody has none.
        if credential.is_some_and(|credential| !credential.starts_with("pk_")) {
            headers.push(("X-Organization", &self.org));
        }
        let body = if method == "GET" { String::new() } else { body.to_string() };
        self.served.proxied(method, &format!("/rpc/{name}"), &headers, &body)
    }

    fn post(&self, name: &str, credential: &str, body: Value) -> Answer {
        self.call("POST", name, Some(credential), &body)
    }

    fn get(&self, name: &str, credential: &str) -> Value {
        let answer = self.call("GET", name, Some(credential), &Value::Null);
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        answer.json()
    }
}

/// Each function with what nobody, a publishable key, a user, a viewer and an API key of the organization are answered. It is
/// complete: see the test below.
const ANSWERS: [(&str, &str, [u16; 5]); 30] = [
    ("GET", "health", [200, 200, 200, 200, 200]),
    ("GET", "jwks", [200, 200, 200, 200, 200]),
    ("POST", "token", [400, 400, 400, 400, 400]),
    ("POST", "create_token", [401, 401, 200, 200, 200]),
    ("POST", "create_ticket", [401, 401, 200, 200, 200]),
    ("GET", "list_api_keys", [401, 401, 200, 200, 200]),
    ("POST", "create_api_key", [401, 401, 201, 403, 403]),
    ("POST", "rotate_api_key", [401, 401, 403, 403, 403]),
    ("POST", "revoke_api_key", [401, 401, 403, 403, 403]),
    ("GET", "api_key_usage", [401, 401, 403, 403, 403]),
    ("GET", "list_organizations", [401, 401, 200, 200, 200]),
    ("POST", "create_organization", [401, 401, 201, 201, 403]),
    ("GET", "list_members", [401, 401, 200, 200, 200]),
    ("POST", "set_member_role", [401, 401, 403, 403, 403]),
    ("POST", "remove_member", [401, 401, 403, 403, 403]),
    ("GET", "list_invitations", [401, 401, 200, 403, 200]),
    ("POST", "create_invitation", [401, 401, 201, 403, 403]),
    ("POST", "accept_invitation", [401, 401, 403, 403, 403]),
    ("POST", "revoke_invitation", [401, 401, 403, 403, 403]),
    // Of Supabase Auth. Nobody signs up here, and nobody sends mail.
    ("POST", "signup", [422, 422, 422, 422, 422]),
    ("POST", "token_password", [400, 400, 400, 400, 400]),
    ("POST", "token_refresh_token", [400, 400, 400, 400, 400]),
    ("POST", "verify", [403, 403, 403, 403, 403]),
    ("POST", "recover", [503, 503, 503, 503, 503]),
    ("POST", "otp", [503, 503, 503, 503, 503]),
    ("POST", "resend", [400, 400, 400, 400, 400]),
    ("POST", "logout", [401, 401, 403, 403, 403]),
    ("GET", "get_user", [401, 401, 403, 403, 403]),
    ("POST", "update_user", [401, 401, 403, 403, 403]),
    ("GET", "settings", [200, 200, 200, 200, 200]),
];

fn arguments(edge: &Edge, function: &str) -> (String, Value) {
    let nobody = "00000000-0000-0000-0000-000000000000";
    let query = if function == "api_key_usage" { format!("?id={nobody}") } else { String::new() };
    let body = match function {
        "create_api_key" | "create_organization" => json!({"name": "n"}),
        "rotate_api_key" | "revoke_api_key" | "revoke_invitation" => json!({"id": nobody}),
        "set_member_role" => json!({"org_id": nobody, "user_id": "u", "role": "member"}),
        "remove_member" => json!({"org_id": nobody, "user_id": "u"}),
        "create_invitation" => json!({"org_id": edge.org}),
        "accept_invitation" => json!({"token": "inv_x"}),
        _ => json!({}),
    };
    (query, body)
}

#[test]
fn t181_everybody_is_answered_as_the_list_says_and_there_is_no_other_function() {
    let mut edge = Edge::new();
    edge.world.admin.run(&format!("select auth.add_member('{}', 'vera', 'viewer')", edge.org));
    let key = edge.world.key(&format!(", '{}'", edge.org));
    let publishable = edge.world.key(", kind => 'publishable'");
    let (user, viewer) = (token("ada"), token("vera"));
    let found = ANSWERS.map(|(method, function, _)| {
        let (query, body) = arguments(&edge, function);
        let who = [None, Some(&publishable), Some(&user), Some(&viewer), Some(&key)];
        let status = |credential: Option<&String>| {
            edge.call(method, &format!("{function}{query}"), credential.map(String::as_str), &body).status
        };
        (method, function, who.map(status))
    });
    assert_eq!(found, ANSWERS);
    let functions = edge.world.admin.value(
        "select string_agg(proname, ' ' order by proname) from pg_proc where pronamespace = 'auth_http'::regnamespace",
    );
    let mut listed: Vec<_> = ANSWERS.map(|(_, name, _)| name).to_vec();
    listed.sort_unstable();
    assert_eq!(functions.unwrap(), listed.join(" "));
    let page = include_str!("../../../docs/http-api.md");
    for (method, function, _) in ANSWERS {
        assert!(
            page.contains(&format!("| `{method} /rpc/{function}")),
            "docs/http-api.md leaves out {function}"
        );
    }
    // Neither our other schemas nor what is made of by others.
    for path in ["/rpc/pre_request", "/rpc/http_answer", "/api_keys", "/rpc/authenticate", "/"] {
        assert_eq!(edge.served.get(path, &user).status, 404, "{path}");
    }
}

#[test]
fn keys_are_made_shown_once_rotated_and_revoked() {
    let edge = Edge::new();
    let user = token("ada");
    let made = edge.post("create_api_key", &user, json!({"name": "Production"}));
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{made:?}");
    let made = made.json();
    assert_eq!((made.as_object().unwrap().len(), &made["name"]), (3, &json!("Production")));
    let key = made["key"].as_str().unwrap();
    assert_eq!(edge.get("list_organizations", key)[0]["slug"], "acme");
    let listed = edge.get("list_api_keys", &user);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["prefix"], listed[0].get("key")),
        (&made["id"], &json!("sk_live_"), None)
    );
    assert_eq!(edge.get(&format!("api_key_usage?id={}", made["id"].as_str().unwrap()), &user), json!([]));
    let rotated = edge.post("rotate_api_key", &user, json!({"id": made["id"]})).json();
    let (id, next) = (&rotated["id"], rotated["key"].as_str().unwrap());
    let status = |key: &str| edge.call("GET", "list_organizations", Some(key), &Value::Null).status;
    assert_eq!((status(key), status(next)), (401, 200));
    for _ in 0..2 {
        let revoked = edge.post("revoke_api_key", &user, json!({"id": id}));
        assert_eq!((revoked.status, revoked.json()), (200, json!({"id": id, "revoked": true})));
    }
    assert_eq!(status(next), 401);
    assert_unlogged(&edge.world, &[key, next]);
}

#[test]
fn t181_many_keys_are_not_made_at_once() {
    let mut edge = Edge::new();
    let bearer = format!("Bearer {}", token("ada"));
    let many: Vec<_> = (0..20).map(|n| json!({"name": format!("k{n}")})).collect();
    let headers = [
        ("Authorization", bearer.as_str()),
        ("X-Organization", &edge.org),
        ("Prefer", "params=multiple-objects"),
    ];
    let answer = edge.served.proxied("POST", "/rpc/create_api_key", &headers, &json!(many).to_string());
    // PostgREST knew a way to call a function for each element of an array, and knows it no more.
    assert_eq!((answer.status, &answer.json()["name"]), (201, &json!("k0")));
    assert_eq!(edge.world.admin.value("select count(*) from auth.list_api_keys()").as_deref(), Some("1"));
}

#[test]
fn a_key_is_exchanged_for_a_token_as_rfc_6749_has_it() {
    let mut edge = Edge::new();
    let key = edge.world.key(&format!(", '{}'", edge.org));
    let id = edge.world.admin.value("select id from auth.list_api_keys()").unwrap();
    let form = |body: &str| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = edge.served.proxied("POST", "/rpc/token", &headers, body);
        let error = answer.json()["error"].as_str().map(str::to_owned);
        (answer.status, error, answer)
    };
    let (status, _, answer) =
        form(&format!("grant_type=client_credentials&client_id={id}&client_secret={key}"));
    assert_eq!((status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert!((3590..=3600).contains(&body["expires_in"].as_i64().unwrap()), "{body}");
    let keys = edge.get("list_api_keys", body["access_token"].as_str().unwrap());
    assert_eq!(keys[0]["id"], json!(id));
    for (body, status, error) in [
        (String::from("grant_type=password"), 400, "unsupported_grant_type"),
        (String::from("client_id=x"), 400, "invalid_request"),
        (String::from("grant_type=client_credentials"), 401, "invalid_client"),
        (String::from("grant_type=client_credentials&client_secret=sk_live_x"), 401, "invalid_client"),
        (format!("grant_type=client_credentials&client_secret={key}&client_id=other"), 401, "invalid_client"),
        (format!("grant_type=client_credentials&client_secret={key}&scope=all"), 400, "invalid_scope"),
        (format!("grant_type=client_credentials&client_secret={}", token("ada")), 401, "invalid_client"),
    ] {
        let (found, name, _) = form(&body);
        assert_eq!((found, name.as_deref()), (status, Some(error)), "{error}");
    }
    // A secret in a URL is worth nothing.
    for secret in [key.as_str(), "sk_live_x"] {
        let path = format!("/rpc/token?grant_type=client_credentials&client_secret={secret}");
        let answer = edge.served.proxied("GET", &path, &[], "");
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")));
    }
    // By the header: as Basic with the key for a name, or as Bearer. Two of them are one too many.
    let grant = json!({"grant_type": "client_credentials"});
    let token_of_key = edge.post("token", &key, grant.clone()).json();
    assert_eq!(edge.post("token", token_of_key["access_token"].as_str().unwrap(), grant.clone()).status, 401);
    let both = json!({"grant_type": "client_credentials", "client_secret": key});
    assert_eq!(edge.post("token", &key, both).json()["error"], "invalid_request");
    assert_unlogged(&edge.world, &[&key, body["access_token"].as_str().unwrap()]);
}

#[test]
fn tokens_and_tickets_do_no_more_than_whoever_asked() {
    let edge = Edge::new();
    let user = token("ada");
    let made =
        edge.post("create_token", &user, json!({"permissions": ["invoices.read"], "org_id": edge.org}));
    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")), "{made:?}");
    let narrow = made.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(edge.post("create_api_key", &narrow, json!({"name": "n"})).status, 403);
    let ticket = edge.post("create_ticket", &user, json!({})).json();
    assert_eq!(ticket["expires_in"], 30);
    assert_eq!(edge.get("list_organizations", ticket["ticket"].as_str().unwrap())[0]["slug"], "acme");
}

#[test]
fn members_come_by_invitation_and_go() {
    let edge = Edge::new();
    let user = token("ada");
    // Of the current organization, as if it had been named.
    let named = edge.post("create_invitation", &user, json!({"org_id": edge.org}));
    let invited = edge.post("create_invitation", &user, json!({}));
    assert_eq!((named.status, invited.status), (201, 201), "{invited:?}");
    assert_eq!(edge.get("list_invitations", &user).as_array().unwrap().len(), 2);
    let bob = token("bob");
    let headers = [("Authorization", format!("Bearer {bob}"))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({"token": invited.json()["token"]}).to_string();
    let accepted = edge.served.proxied("POST", "/rpc/accept_invitation", &headers, &body);
    assert_eq!((accepted.status, accepted.json()), (200, json!({"org_id": edge.org})));
    assert_eq!(edge.served.proxied("POST", "/rpc/accept_invitation", &headers, &body).status, 403);
    let users = || {
        let members = edge.get("list_members", &user);
        let names = members
            .as_array()
            .unwrap()
            .iter()
            .map(|member| format!("{}:{}", member["user_id"], member["role"]));
        names.collect::<Vec<_>>().join(" ")
    };
    assert!(users().contains("\"bob\":\"member\""), "{}", users());
    let of_bob = |more: Value| {
        let mut body = json!({"org_id": edge.org, "user_id": "bob"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    assert_eq!(edge.post("set_member_role", &user, of_bob(json!({"role": "admin"}))).status, 200);
    assert!(users().contains("\"bob\":\"admin\""), "{}", users());
    let change = json!({"user_id": "bob", "role": "member"});
    let changed = json!({"org_id": edge.org, "user_id": "bob", "role": "member"});
    assert_eq!(edge.post("set_member_role", &user, change).json(), changed);
    assert!(users().contains("\"bob\":\"member\""), "{}", users());
    let removed = json!({"org_id": edge.org, "user_id": "bob", "removed": true});
    assert_eq!(edge.post("remove_member", &user, json!({"user_id": "bob"})).json(), removed);
    assert_eq!(edge.post("remove_member", &user, of_bob(json!({}))).status, 400);
    assert!(!users().contains("bob"));
    // Whoever is in no organization has none that would be meant.
    for (function, body) in [
        ("create_invitation", json!({})),
        ("set_member_role", json!({"user_id": "ada", "role": "member"})),
        ("remove_member", json!({"user_id": "ada"})),
    ] {
        let refused = edge.served.proxied("POST", &format!("/rpc/{function}"), &headers, &body.to_string());
        assert_eq!(refused.status, 403, "{function}: {refused:?}");
    }
    let made = edge.post("create_organization", &user, json!({"name": "Beta", "slug": "beta"}));
    assert_eq!((made.status, &made.json()["slug"]), (201, &json!("beta")));
    assert_eq!(edge.post("create_organization", &user, json!({"name": "Beta", "slug": "beta"})).status, 409);
}
