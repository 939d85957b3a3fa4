//! Attacks on requests over HTTP, once more where users sign up and in.

use super::{PASSWORD, Site, text};
use crate::http::world;
use pg_bearer_tests::nginx::ORIGIN;
use serde_json::{Value, json};

#[test]
fn t166_t167_one_credential_counts_and_only_where_a_client_sends_it() {
    let mut site = Site::new("");
    let [ada, bob] = ["ada@example.com", "bob@example.com"].map(|email| site.sign_up(email));
    let [ada, bob] = [ada, bob].map(|session| format!("Bearer {}", text(&session, "access_token")));
    let org = world::organization(&mut site.admin, "acme", "ada");
    let key = world::key(&mut site.admin, &format!(", '{org}'"));
    let joined = format!("{ada}, {bob}");
    let basic = "Basic c2tfbGl2ZV94Og==";
    for (headers, expected) in [
        (vec![("Authorization", ada.as_str())], 200),
        (vec![("Authorization", &ada), ("apikey", &site.apikey)], 200),
        (vec![("X-Credential", &ada)], 401),
        (vec![("X-Credential", &ada), ("Authorization", "Bearer x")], 401),
        (vec![("Cookie", &ada), ("apikey", &site.apikey)], 401),
        (vec![("Authorization", &ada), ("Authorization", &bob)], 400),
        (vec![("Authorization", &joined)], 400),
        (vec![("Authorization", &ada), ("X-Api-Key", &key)], 400),
        (vec![("Authorization", &ada), ("apikey", &key)], 400),
        (vec![("Authorization", basic)], 401),
    ] {
        let answer = site.nginx.send("GET", "/auth/v1/user", &headers, "");
        assert_eq!(answer.status, expected, "{headers:?}: {answer:?}");
    }
}

#[test]
fn t175_pages_of_other_origins_read_nothing() {
    let site = Site::new("");
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    for origin in [ORIGIN, "https://app.example.com.evil.example", "null", "http://app.example.com"] {
        let preflight = [("Origin", origin), ("Access-Control-Request-Method", "PUT")];
        let headers = [("Origin", origin), ("apikey", site.apikey.as_str())];
        for answer in [
            site.nginx.send("OPTIONS", "/auth/v1/user", &preflight, ""),
            site.nginx.send("POST", "/auth/v1/signup", &headers, &body),
            site.nginx.send("POST", "/auth/v1/token?grant_type=password", &headers, &body),
            site.nginx.send("GET", "/auth/v1/user", &headers, ""),
            site.nginx.send("GET", "/auth/v1/.well-known/jwks.json", &headers, ""),
            site.nginx.send("GET", "/auth/v1/verify", &headers, ""),
        ] {
            let allowed = (origin == ORIGIN).then_some(ORIGIN);
            assert_eq!(
                answer.headers("access-control-allow-origin"),
                allowed.into_iter().collect::<Vec<_>>()
            );
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert!(answer.header("vary").unwrap().starts_with("Origin"), "{answer:?}");
        }
    }
    let preflight = site.nginx.send("OPTIONS", "/auth/v1/user", &[("Origin", ORIGIN)], "");
    let allowed = preflight.header("access-control-allow-headers").unwrap().to_lowercase();
    for name in ["authorization", "apikey", "content-type", "x-client-info", "x-supabase-api-version"] {
        assert!(allowed.contains(name), "{allowed}");
    }
}

#[test]
fn t178_nothing_tells_whether_there_is_such_a_user() {
    let site = Site::new("");
    site.sign_up("ada@example.com");
    let told = |path: &str, body: Value| {
        let answer = site.post(path, &body);
        (answer.status, answer.body)
    };
    let known = told("token?grant_type=password", json!({"email": "ada@example.com", "password": "wrong"}));
    let unknown = told("token?grant_type=password", json!({"email": "bob@example.com", "password": "wrong"}));
    assert_eq!(known, unknown);
    let verify = |token: &str| told("verify", json!({"token": token, "type": "email"}));
    assert_eq!(verify("otp_x"), verify(&format!("otp_{}", "x".repeat(43))));
    let refresh = |token: &str| told("token?grant_type=refresh_token", json!({"refresh_token": token}));
    assert_eq!(refresh("x"), refresh("rt_00000000-0000-0000-0000-000000000000"));
}

#[test]
fn t183_t184_signing_in_leaves_nothing_for_the_next_request_and_signing_out_counts_at_once() {
    let site = Site::new("");
    let session = site.sign_up("ada@example.com");
    let token = text(&session, "access_token");
    let whoami = || {
        let answer = site.nginx.send("GET", "/rpc/whoami", &[("apikey", &site.apikey)], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["user"].clone()
    };
    for _ in 0..8 {
        assert_eq!(site.sign_in("ada@example.com", PASSWORD).status, 200);
        assert_eq!(whoami(), Value::Null);
        assert_eq!(site.user(token), 200);
        assert_eq!(whoami(), Value::Null);
    }
    assert_eq!(site.nginx.get("/notes", token).status, 200);
    assert_eq!(site.send("POST", "logout", Some(token), "").status, 204);
    assert_eq!(site.nginx.get("/notes", token).status, 401);
}
