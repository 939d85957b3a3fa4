//! Which requests get to PostgREST, and how.

use super::Site;
use crate::http::world::token;
use pg_bearer_tests::http::{Answer, exchange, request};
use pg_bearer_tests::nginx::fresh_address;
use pg_bearer_tests::token::{ORG_A, token_a};
use serde_json::json;
use std::process::Command;

#[test]
fn t172_a_path_is_written_in_one_way() {
    let mut site = Site::new();
    let org = site.organization("acme", "ada");
    let key = site.key(&format!(", '{org}', allowed_endpoints => '{{GET /docs}}'"));
    let status = |method: &str, path: &str| site.nginx.send(method, path, &[("apikey", &key)], "").status;
    for path in ["/docs", "/rest/v1/docs", "/docs?select=id", "/docs?body=like.*%2F..%2F*"] {
        assert_eq!(status("GET", path), 200, "{path}");
    }
    for path in [
        "/%64ocs",
        "//docs",
        "/docs/",
        "/docs//",
        "/x/../docs",
        "/./docs",
        "/docs/.",
        "/docs/..",
        "/docs%2f",
        "/docs%2F..%2Fdocs",
        "/rest/v1//docs",
        "/rest//v1/docs",
        "/rest/v1",
        "/rest/v1/../../docs",
        "/rest/v1/%2e%2e/docs",
        "/docs;x=1",
        "/docs#x",
        "/docs%00",
        "/docs%20",
        "/docs\\x",
        "/d\u{f6}cs",
        "/.docs",
        "*",
        "docs",
    ] {
        assert_eq!(status("GET", path), 400, "{path}");
    }
    for path in ["/DOCS", "/Docs", "/REST/v1/docs", "/rest/v1/DOCS", "/rest/v2/docs", "/v1/docs"] {
        assert!([403, 404].contains(&status("GET", path)), "{path}: {}", status("GET", path));
    }
    // Where what was made is to be found says the prefix too.
    let bearer = format!("Bearer {}", token_a());
    let headers = [("Authorization", bearer.as_str()), ("Prefer", "return=headers-only")];
    for (n, prefix) in ["", "/rest/v1"].iter().enumerate() {
        let body = json!({"id": 5000 + n, "org_id": ORG_A}).to_string();
        let made = site.nginx.send("POST", &format!("{prefix}/docs"), &headers, &body);
        let place = made.header("location").unwrap_or_default();
        assert!(made.status == 201 && place.starts_with(&format!("{prefix}/docs")), "{made:?}");
    }
    // The key is for one endpoint, under either name, whatever method somebody says was meant.
    for path in ["/rpc/whoami", "/rest/v1/rpc/whoami"] {
        assert_eq!(status("GET", path), 403, "{path}");
    }
    assert_eq!(status("DELETE", "/docs"), 403);
    let overridden = [("apikey", key.as_str()), ("X-HTTP-Method-Override", "GET")];
    assert_eq!(site.nginx.send("DELETE", "/docs", &overridden, "").status, 403);
}

#[test]
fn t174_what_needs_no_credential_says_nothing_of_the_schema() {
    let site = Site::new();
    let get = |path: &str, headers: &[(&str, &str)]| site.nginx.send("GET", path, headers, "");
    // nginx answers what browsers ask first, whatever the path.
    let answer = site.nginx.send("OPTIONS", "/docs", &[], "");
    assert_eq!((answer.status, answer.header("allow"), answer.body.as_str()), (204, None, ""));
    assert!(site.nginx.log().contains("OPTIONS /docs 204 0 - "), "{}", site.nginx.log());
    for method in ["TRACE", "CONNECT", "PROPFIND", "PURGE"] {
        assert_eq!(site.nginx.send(method, "/docs", &[], "").status, 405, "{method}");
    }
    let bearer = format!("Bearer {}", token("ada"));
    let signed_in = ("Authorization", bearer.as_str());
    for (path, accept) in [("/", "application/openapi+json"), ("/rest/v1/", "*/*")] {
        let answer = get(path, &[("Accept", accept), signed_in]);
        assert_eq!((answer.status, answer.body.contains("docs")), (404, false), "{answer:?}");
    }
    let plan = ("Accept", "application/vnd.pgrst.plan+json");
    assert!([406, 415].contains(&get("/docs", &[plan, signed_in]).status));
    // PostgREST says what it has instead of what was meant; nginx does not pass it on.
    let direct = site.nginx.postgrest.send("GET", "/rpc/whoam", &[], "");
    assert!(direct.body.contains("whoami"), "{direct:?}");
    for path in ["/rpc/whoam", "/rest/v1/rpc/whoam", "/doc", "/rpc/whoami?x=1", "/rpc/demand"] {
        let answer = get(path, &[]);
        let body = json!({"code": "PT404", "message": "not found", "details": null, "hint": null});
        assert_eq!((answer.status, answer.json()), (404, body), "{path}");
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{path}");
    }
}

#[test]
fn t561_credentials_go_over_tls_or_nowhere() {
    let site = Site::new();
    let bearer = format!("Bearer {}", token("ada"));
    let sent = request("GET", "/rpc/whoami", &[("Authorization", &bearer)], "");
    for (socket, expected) in [("plain", 403), ("tls", 400)] {
        let answer = exchange(&site.nginx.socket(socket), sent.as_bytes());
        assert_eq!((answer.status, answer.header("location")), (expected, None), "{socket}: {answer:?}");
    }
    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--http1.0", "--unix-socket"]).arg(site.nginx.socket("tls"));
        curl.arg("--cacert").arg(site.nginx.dir().join("certificate.pem"));
        curl.args(["--header", &format!("Authorization: {bearer}")]).args(arguments);
        curl.arg("https://localhost/rpc/whoami").output().unwrap()
    };
    let output = curl(&[]);
    assert!(output.status.success(), "{output:?}");
    let answer = Answer::read(&output.stdout);
    assert_eq!((answer.status, &answer.json()["user"]), (200, &json!("ada")));
    assert!(answer.header("strict-transport-security").is_some(), "{answer:?}");
    assert!(!curl(&["--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0"]).status.success());
}

#[test]
fn t562_what_is_too_large_does_not_get_to_postgrest() {
    let site = Site::new();
    let status =
        |headers: &[(&str, &str)], body: &str| site.nginx.send("POST", "/rpc/whoami", headers, body).status;
    assert_eq!(status(&[], &format!("{{}}{}", " ".repeat(100_000))), 200);
    assert_eq!(status(&[], &" ".repeat(1_100_000)), 413);
    assert_eq!(status(&[("X-Long", &"x".repeat(30_000))], "{}"), 400);
    let long = format!("/rpc/whoami?x={}", "x".repeat(30_000));
    assert_eq!(site.nginx.send("GET", &long, &[], "").status, 414);
    let address = fresh_address();
    let many: Vec<_> = (0..40).map(|n| (format!("X-{n}"), "x".repeat(10_000))).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(site.nginx.send_from(&address, "GET", "/rpc/whoami", &many, "").status, 400);
    assert!(!site.nginx.log().contains(" 500 "), "{}", site.nginx.log());
}
