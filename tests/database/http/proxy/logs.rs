//! No credential is written down, wherever it was sent.

use super::Site;
use crate::http::world::token;
use base64::Engine;
use pg_bearer_tests::http::{exchange, request};
use pg_bearer_tests::nginx::fresh_address;
use pg_bearer_tests::server;

/// What was sent.
struct Canaries {
    count: u32,
    sent: Vec<String>,
}

impl Canaries {
    /// One that looks like no credential of ours.
    fn next(&mut self) -> String {
        self.count += 1;
        self.keep(format!("Canary{}x{}y", std::process::id(), 100_000 + self.count))
    }

    fn keep(&mut self, canary: String) -> String {
        self.sent.push(canary.clone());
        canary
    }
}

fn basic(text: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

const HEADERS: &[&str] = &[
    "Authorization",
    "apikey",
    "X-Api-Key",
    "X-Credential",
    "X_Credential",
    "X-Organization",
    "Referer",
    "User-Agent",
    "Cookie",
    "Origin",
    "X-Request-Id",
    "X-Forwarded-For",
    "Accept",
    "Prefer",
    "Range",
    "Proxy-Authorization",
    "Expect",
];

const QUERIES: &[&str] = &[
    "/rpc/events?token=",
    "/rpc/events?x=1&Token=",
    "/rest/v1/rpc/events?token=",
    "/rpc/events?%74oken=",
    "/rpc/whoami?token=",
    "/docs?apikey=",
    "/docs?apikey=eq.",
    "/docs?body=eq.",
    "//docs?token=",
    "/?token=",
    "/rest/v1?token=",
    "/rpc/whoami#",
    "*?token=",
];

/// Requests with a canary in each place where somebody may put a credential.
fn requests(canary: &mut dyn FnMut() -> String) -> Vec<String> {
    [in_headers(canary), in_lines(canary), broken(canary)].concat()
}

fn in_headers(canary: &mut dyn FnMut() -> String) -> Vec<String> {
    let get = |path: &str, headers: &[(&str, &str)]| request("GET", path, headers, "");
    let mut all = Vec::new();
    for name in HEADERS {
        all.push(get("/rpc/whoami", &[(name, &canary())]));
        all.push(get("/rpc/whoami", &[(name, &canary()), (name, &canary())]));
        all.push(get("/rpc/whoami", &[(name, &(canary() + &"x".repeat(30_000)))]));
        all.push(get("/rpc/whoami", &[(&format!("{name} "), &canary())]));
        all.push(get("//whoami", &[(name, &canary())]));
    }
    for scheme in ["Bearer", "ApiKey", "Basic", "Digest", "Bearer  "] {
        all.push(get("/rpc/whoami", &[("Authorization", &format!("{scheme} {}", canary()))]));
    }
    all.push(get("/rpc/whoami", &[("Authorization", &basic(&format!("{}:", canary())))]));
    all.push(get("/rpc/whoami", &[("Authorization", &basic(&format!("user:{}", canary())))]));
    all
}

fn in_lines(canary: &mut dyn FnMut() -> String) -> Vec<String> {
    let get = |path: &str| request("GET", path, &[], "");
    let mut all = Vec::new();
    for path in QUERIES {
        all.push(get(&format!("{path}{}", canary())));
        all.push(get(&format!("{path}{}{}", canary(), "x".repeat(30_000))));
    }
    all.push(get(&format!("/rpc/events?token={}&token={}", canary(), canary())));
    all.push(request("POST", "/docs", &[], &format!(r#"{{"id": 1, "body": "{}"}}"#, canary())));
    all.push(request("POST", "/rpc/whoami", &[], &canary()));
    all.push(request(&canary(), "/rpc/whoami", &[], ""));
    all.push(request(&canary().to_uppercase(), "/rpc/whoami", &[], ""));
    all
}

/// What nginx cannot read.
fn broken(canary: &mut dyn FnMut() -> String) -> Vec<String> {
    vec![
        format!("GET /rpc/events?token={} HTTP/9.9\r\nHost: localhost\r\n\r\n", canary()),
        format!("GET /rpc/events?token={} x HTTP/1.0\r\n\r\n", canary()),
        format!("GET /rpc/whoami HTTP/1.0\r\nHost: {}\r\n\r\n", canary()),
        format!("GET /rpc/whoami HTTP/1.0\r\nAuthorization {}\r\n\r\n", canary()),
        format!("GET /rpc/whoami HTTP/1.0\r\nAuthorization: {}\0\r\n\r\n", canary()),
        format!("{}\r\n\r\n", canary()),
    ]
}

/// Places that are for none. The path is logged, and errors of Postgres repeat names, and values of another type: only what looks like a
/// credential of ours stays out of the logs here (docs/postgrest.md, What is written down).
fn misplaced(credential: &str) -> Vec<String> {
    let paths = [
        "/",
        "/rpc/",
        "/docs/",
        "/rest/v1/",
        "/docs?select=",
        "/docs?order=",
        "/docs?limit=",
        "/docs?order=id.",
        "/docs?id=eq.",
        "/rpc/demand?what=x&id=",
    ];
    let mut all: Vec<_> =
        paths.iter().map(|path| request("GET", &format!("{path}{credential}"), &[], "")).collect();
    all.push(request("GET", &format!("/docs?{credential}=eq.1"), &[], ""));
    all.push(request("POST", "/docs", &[], &format!(r#"{{"id": "{credential}"}}"#)));
    all
}

#[test]
fn t176_no_log_has_a_credential_from_wherever_it_was_sent() {
    let before = server().log_end();
    let mut site = Site::new();
    let org = site.organization("acme", "ada");
    let mut canaries = Canaries { count: 0, sent: Vec::new() };
    for request in requests(&mut || canaries.next()) {
        site.nginx.raw(&fresh_address(), request.as_bytes());
        for socket in ["plain", "tls"] {
            exchange(&site.nginx.socket(socket), request.as_bytes());
        }
    }
    // Real ones, good and spoiled; in paths too, where they are known by what they look like.
    for credential in [token("ada-176"), site.key(&format!(", '{org}'")), format!("{}x", token("ada-176"))] {
        let credential = canaries.keep(credential);
        let mut again = || credential.clone();
        for request in requests(&mut again).into_iter().chain(misplaced(&credential)) {
            site.nginx.raw(&fresh_address(), request.as_bytes());
        }
    }
    // PostgREST is not there: nginx has something to say about each request.
    let (there, away) = (site.nginx.socket("private/http"), site.nginx.socket("private/away"));
    std::fs::rename(&there, &away).unwrap();
    for request in requests(&mut || canaries.next()) {
        site.nginx.raw(&fresh_address(), request.as_bytes());
    }
    std::fs::rename(&away, &there).unwrap();
    let (nginx, postgres) = (site.nginx.log(), server().log_from(before));
    assert!(canaries.sent.len() > 250, "only {} canaries", canaries.sent.len());
    for seen in [" 502 ", "GET (hidden) ", "GET /rpc/events "] {
        assert!(nginx.contains(seen), "{seen:?} is not in nginx's log");
    }
    for canary in &canaries.sent {
        for form in forms(canary) {
            assert!(!nginx.contains(&form), "nginx or PostgREST wrote {form}");
            assert!(!postgres.contains(&form), "PostgreSQL wrote {form}");
        }
    }
}

/// What would give it away: of a long one the end, which no other one has; its beginning as Basic has it.
fn forms(canary: &str) -> Vec<String> {
    let part = canary.get(canary.len().saturating_sub(40)..).unwrap().to_owned();
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD_NO_PAD.encode(text);
    let (alone, after_user) = (canary.get(..15).unwrap(), format!("user:{}", canary.get(..13).unwrap()));
    vec![part.to_uppercase(), part, encoded(alone), encoded(&after_user)]
}
