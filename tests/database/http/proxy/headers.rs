//! What nginx makes of the headers of a request.

use super::Site;
use crate::http::world::token;
use pg_bearer_tests::nginx::fresh_address;
use serde_json::json;

/// Every way that leads to PostgREST.
const WAYS: &[&str] = &["/rpc/whoami", "/rest/v1/rpc/whoami", "/rpc/events", "/rest/v1/rpc/events"];

#[test]
fn credentials_arrive_in_every_location() {
    let mut site = Site::new();
    let org = site.organization("acme", "ada");
    let key = site.key(&format!(", '{org}'"));
    let publishable = site.key(&format!(", '{org}', kind => 'publishable'"));
    let bearer = format!("Bearer {}", token("ada"));
    for (headers, role, user) in [
        (vec![("Authorization", bearer.as_str())], "user", json!("ada")),
        (vec![("Authorization", &bearer), ("apikey", &publishable)], "user", json!("ada")),
        (vec![("apikey", &key)], "key", json!(null)),
        (vec![("X-Api-Key", &key)], "key", json!(null)),
        (vec![("apikey", &publishable)], "anon", json!(null)),
        (vec![], "anon", json!(null)),
    ] {
        for path in WAYS {
            let answer = site.nginx.send("GET", path, &headers, "");
            assert_eq!(answer.status, 200, "{path} {headers:?}: {answer:?}");
            let found = answer.json();
            assert_eq!((&found["user"], &found["role"]), (&user, &json!(site.role(role))), "{headers:?}");
        }
    }
    assert_eq!(site.nginx.get("/rpc/whoami", "x").status, 401);
    // What is denied to nobody is 401, and to whoever has a key 403.
    let denied = |headers: &[(&str, &str)]| site.nginx.send("DELETE", "/docs?id=eq.1", headers, "").status;
    assert_eq!(
        (denied(&[]), denied(&[("apikey", &publishable)]), denied(&[("apikey", &key)])),
        (401, 401, 403)
    );
    // As supabase-js sends it for nobody.
    let both = format!("Bearer {publishable}");
    assert_eq!(denied(&[("Authorization", &both), ("apikey", &publishable)]), 401);
    assert_eq!(denied(&[("Authorization", &both), ("apikey", &key)]), 403);
}

#[test]
fn t166_through_nginx_a_credential_that_is_sent_twice_is_refused() {
    let mut site = Site::new();
    let org = site.organization("acme", "ada");
    let (key, other) = (site.key(&format!(", '{org}'")), site.key(&format!(", '{org}'")));
    let (ada, eve) = (format!("Bearer {}", token("ada")), format!("Bearer {}", token("eve")));
    let both = format!("{ada}, {eve}");
    for (headers, expected) in [
        (vec![("X-Api-Key", key.as_str()), ("X-Api-Key", &other)], 400),
        (vec![("apikey", &key), ("apikey", &other)], 400),
        (vec![("apikey", &key), ("X-Api-Key", &other)], 400),
        (vec![("apikey", &key), ("apikey", &key)], 200),
        (vec![("Authorization", &ada), ("Authorization", &eve)], 400),
        (vec![("Authorization", &ada), ("Authorization", &ada)], 400),
        (vec![("Authorization", &both)], 400),
        (vec![("Authorization", &ada), ("apikey", &key)], 400),
        (vec![("Authorization", &ada), ("X-Organization", "acme, acme")], 400),
        (vec![("Content-Length", "0"), ("Content-Length", "0")], 400),
        (vec![("Host", "other")], 400),
        (vec![("X-Api-Key ", &key)], 400),
        (vec![("X-Api-Key", "a\r\n b")], 400),
    ] {
        assert_eq!(site.nginx.send("GET", "/rpc/whoami", &headers, "").status, expected, "{headers:?}");
    }
    // Which of two organizations is meant is settled before PostgREST sees them: nginx passes one on.
    let foreign = site.organization("foreign", "eve");
    let named = |first: &str, second: &str| {
        let headers =
            [("Authorization", ada.as_str()), ("X-Organization", first), ("X-Organization", second)];
        site.nginx.send("GET", "/rpc/whoami", &headers, "").status
    };
    assert_ne!(named(&foreign, "acme"), 200);
    assert!([200, 400].contains(&named("acme", &foreign)));
    // Names with an underscore are none: others take it for a hyphen.
    let answer = site.nginx.send("GET", "/rpc/whoami", &[("X_Credential", &ada), ("X_Api_Key", &key)], "");
    assert_eq!((answer.status, &answer.json()["role"]), (200, &json!(site.role("anon"))));
}

#[test]
fn t166_a_request_with_two_lengths_carries_no_second_one() {
    let site = Site::new();
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
    ] {
        let request = format!(
            "POST /rpc/whoami HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let status = site.nginx.raw(&fresh_address(), request.as_bytes()).status;
        assert!([400, 501].contains(&status), "{headers}: {status}");
    }
    assert!(!site.nginx.log().contains("/smuggled"), "{}", site.nginx.log());
}

#[test]
fn t167_what_a_client_sends_under_names_of_the_proxy_is_replaced() {
    let site = Site::new();
    let forged = format!("Bearer {}", token("ada"));
    let sent = [
        ("X-Credential", forged.as_str()),
        ("X-Forwarded-For", "203.0.113.9"),
        ("Forwarded", "for=203.0.113.9"),
        ("X-Real-IP", "203.0.113.9"),
        ("X-Request-Id", "theirs"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Cookie", "token=theirs"),
    ];
    for path in WAYS {
        let address = fresh_address();
        let answer = site.nginx.send_from(&address, "GET", path, &sent, "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let (found, text) = (answer.json(), answer.body.as_str());
        assert_eq!(found["user"], json!(null), "{path}");
        assert_eq!(found["headers"]["x-forwarded-for"], json!(address), "{path}");
        assert_eq!(found["headers"]["x-request-id"], json!(answer.header("x-request-id").unwrap()), "{path}");
        for theirs in ["203.0.113.9", "theirs", "DELETE", "credential"] {
            assert!(!text.contains(theirs), "{path}: {theirs} arrived: {text}");
        }
        assert!(site.nginx.log().contains(answer.header("x-request-id").unwrap()), "{path}");
    }
}

#[test]
fn t168_whoever_gets_past_the_proxy_states_no_address() {
    use std::os::unix::fs::PermissionsExt;
    let mut site = Site::new();
    let org = site.organization("acme", "ada");
    let key = site.key(&format!(", '{org}', allowed_cidrs => '{{203.0.113.0/24}}'"));
    let headers = [("apikey", key.as_str()), ("X-Forwarded-For", "203.0.113.9")];
    assert_eq!(site.nginx.postgrest.send("GET", "/rpc/whoami", &headers, "").status, 403);
    assert_eq!(site.nginx.send("GET", "/rpc/whoami", &headers, "").status, 403);
    // And nobody does: the directories of its socket are closed.
    for dir in [site.nginx.dir().to_path_buf(), site.nginx.socket("private")] {
        let mode = std::fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", dir.display());
    }
}

#[test]
fn t560_a_token_in_the_query_is_a_credential_where_it_is_listed_and_nowhere_else() {
    let mut site = Site::new();
    site.organization("acme", "ada");
    let ada = token("ada");
    let get = |path: &str, headers: &[(&str, &str)]| site.nginx.send("GET", path, headers, "");
    for path in ["/rpc/events?token=", "/rest/v1/rpc/events?token=", "/rpc/events?Token="] {
        let answer = get(&format!("{path}{ada}"), &[]);
        assert_eq!((answer.status, &answer.json()["user"]), (200, &json!("ada")), "{path}: {answer:?}");
        assert_eq!(get(&format!("{path}x"), &[]).status, 401, "{path}");
    }
    // Not beside another one, nor twice, whatever stands between.
    let bearer = format!("Bearer {ada}");
    assert_eq!(get(&format!("/rpc/events?token={ada}"), &[("Authorization", &bearer)]).status, 400);
    assert_eq!(get(&format!("/rpc/events?token={ada}"), &[("Authorization", "Basic eDp5")]).status, 400);
    for query in ["token=A&token=A", "x=1&token=A&y=2&token=A", "token=A&TOKEN=A", "token=&token=A"] {
        assert_eq!(get(&format!("/rpc/events?{}", query.replace('A', &ada)), &[]).status, 400, "{query}");
    }
    // Elsewhere, or in another spelling, PostgREST takes it for an argument, and nobody is signed in.
    for path in ["/rpc/whoami?token=", "/rpc/whoami?apikey=", "/rpc/events?%74oken=", "/rpc/Events?token="] {
        let answer = get(&format!("{path}{ada}"), &[]);
        assert!(answer.status != 200 || answer.json()["user"].is_null(), "{path}: {answer:?}");
    }
}
