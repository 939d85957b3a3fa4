//! What is tried against InfraAudit.

use super::super::server;
use super::{
    ISSUER, PASSWORD, SUPABASE, claims, create, expect, login, names, owner, refused, service, signed, text,
};
use pg_bearer_tests::nginx::fresh_address;
use pg_bearer_tests::token::{base64url, hs256_with, with};
use serde_json::{Value, json};

#[test]
fn t650_no_format_passes_for_the_other() {
    let (token, _, id) = owner("formats@example.com");
    let own = "https://api.infraaudit.dev/auth/v1";
    let [head, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let keys = service().nginx.send("GET", "/auth/v1/.well-known/jwks.json", &[], "");
    let key = keys.json()["keys"][0].clone();
    let hs256 = |secret: &[u8], claims: &Value| {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": key["kid"]}).to_string();
        hs256_with(secret, &header, &claims.to_string())
    };
    let (ours, theirs) = (with(claims(&id), json!({"iss": own})), claims(&id));
    let none = base64url(br#"{"alg":"none","typ":"JWT"}"#);
    let other = base64url(br#"{"alg":"HS256","typ":"JWT"}"#);
    for (what, forged) in [
        ("our issuer with the project's secret", signed(&ours)),
        ("the public key as a secret", hs256(key.to_string().as_bytes(), &ours)),
        ("its x as a secret", hs256(text(&key["x"]).as_bytes(), &ours)),
        ("another project's secret", hs256(b"the JWT secret of another project, 32 bytes or more", &theirs)),
        (
            "the project's issuer with our signature",
            format!("{head}.{}.{signature}", base64url(theirs.to_string().as_bytes())),
        ),
        ("none", format!("{none}.{payload}.")),
        ("another alg with our signature", format!("{other}.{payload}.{signature}")),
        ("an empty signature", format!("{head}.{payload}.")),
    ] {
        assert_eq!(service().get(&forged, "/v1/resources").status, 401, "{what}");
        refused(&service().get(&forged, "/v1/resources"));
    }
    // Claims of the project's that name an organization or a role give neither.
    let (_, org, _) = owner("formats2@example.com");
    let wide = json!({"app_metadata": {"org_id": org, "role": "owner"}, "org_id": org, "org_role": "owner", "permissions": ["*"]});
    assert_eq!(service().get(&signed(&with(theirs.clone(), wide)), "/v1/resources").status, 403);
    let service_role = with(theirs, json!({"role": "service_role"}));
    refused(&service().get(&signed(&service_role), "/v1/resources"));
    assert!(SUPABASE.len() >= 32 && ISSUER != own);
}

#[test]
fn t651_a_token_in_an_address_is_in_no_log_and_counts_at_its_place_alone() {
    let (token, _, _) = owner("address@example.com");
    let key = text(&expect(create(&token, "k"), 201)["key"]);
    let ticket = || {
        let made = expect(service().send(&token, "POST", "/tickets", ""), 200);
        assert_eq!(made["expires_in"], json!(30));
        text(&made["ticket"])
    };
    let get = |path: &str| service().nginx.send("GET", path, &[], "").status;
    let once = ticket();
    let path = format!("/api/ws/drifts?token={once}");
    assert_eq!([get(&path), get(&path), get(&path)], [200, 401, 401]);
    // A ticket is for reading, and gives nothing that lasts.
    for (path, body) in [("/v1/settings/api-keys", r#"{"name": "x"}"#), ("/tickets", "")] {
        assert_eq!(service().send(&ticket(), "POST", path, body).status, 403, "{path}");
    }
    let spent = ticket();
    for (path, status) in [
        (format!("/api/ws/drifts?token={token}"), 200),
        (format!("/api/ws/drifts?x=1&token={key}"), 404),
        (format!("/v1/api/ws/drifts?token={key}"), 200),
        (format!("/api/ws/drifts?token={token}&token={token}"), 400),
        (format!("/api/ws/drifts?token={token}x"), 401),
        (format!("/api/ws/drifts/?token={token}"), 400),
        (format!("/v1/resources?token={token}"), 400),
        (format!("/v1/drifts?token=eq.{spent}"), 401),
        (format!("/rest/v1/resources?token=eq.{token}"), 401),
        (format!("/v1/settings/api-keys?token={token}"), 401),
        (format!("/api/login?token={token}"), 405),
    ] {
        assert_eq!(get(&path), status, "{}", path.split('=').next().unwrap());
    }
    assert_eq!(service().send(&token, "GET", &format!("/api/ws/drifts?token={key}"), "").status, 400);
    // Passwords, sent where they do not belong.
    let canary = format!("Canary{}OfAPassword", std::process::id());
    get(&format!("/v1/api/login?password={canary}"));
    login("address@example.com", &canary);
    service().nginx.send("POST", &format!("/v1/api/login?password={canary}"), &[], "{}");
    let logs = [service().nginx.log(), server().log()];
    assert!(logs[0].contains("GET /api/ws/drifts 200"), "nginx's log does not have the requests");
    for secret in [&token, &key, &once, &spent, &canary] {
        let end = &secret[secret.len().saturating_sub(40)..];
        for log in &logs {
            assert!(!log.contains(end), "a log has a secret");
        }
    }
    assert!(!logs[1].contains(PASSWORD) && !logs[0].contains(PASSWORD), "a log has a password");
}

#[test]
fn t652_a_number_of_somebody_else_s_is_as_none() {
    let (ann, _, _) = owner("number-ann@example.com");
    let (bob, _, _) = owner("number-bob@example.com");
    let made = expect(create(&ann, "k"), 201);
    let delete = |who: &str, number: &str| {
        let answer = service().send(who, "DELETE", &format!("/v1/settings/api-keys/{number}"), "");
        (answer.status, answer.body)
    };
    let number = made["id"].to_string();
    assert_eq!(delete(&bob, &number), delete(&bob, "999999999"));
    assert_eq!(delete(&bob, &number).0, 404);
    assert_eq!(expect(service().get(&bob, "/v1/settings/api-keys"), 200), json!([]));
    // Neither another key nor a list of them is meant by a path or a body.
    let body = json!({"id": made["id"]}).to_string();
    assert_eq!(service().send(&ann, "DELETE", "/v1/settings/api-keys/999999999", &body).status, 413);
    for path in ["1,2", "-1", "0x1", "1;2", "9999999999999999999", "1%202", "*"] {
        let status = delete(&ann, path).0;
        assert!([400, 403, 404].contains(&status), "{path}: {status}");
    }
    for (method, path) in [("GET", "rpc/revoke_api_key?id="), ("POST", "rpc/revoke_api_key?id=")] {
        let answer = service().send(&bob, method, &format!("/{path}{number}"), "");
        assert!(answer.status >= 400, "{answer:?}");
    }
    assert_eq!(names(&text(&made["key"])), json!([]));
    // Users read their own number, and nobody's through a table.
    for path in ["/users", "/rest/v1/users", "/rest/v1/api_keys"] {
        assert_eq!(service().get(&bob, path).status, 403, "{path}");
    }
}

#[test]
fn t653_login_has_the_limits_of_the_other_ways_to_sign_in() {
    let from = |address: &str, path: &str, email: &str| {
        let body = json!({"email": email, "password": "wrong"}).to_string();
        service().nginx.send_from(address, "POST", path, &[], &body)
    };
    let paths = [
        "/v1/api/login",
        "/api/login",
        "/auth/v1/token?grant_type=password",
        "/rpc/login",
        "/rest/v1/rpc/login",
    ];
    let address = fresh_address();
    for at in 0..14 {
        let answer = from(&address, paths[at % 5], &format!("guessed-{at}@example.com"));
        assert_eq!(answer.status == 429, at >= 10, "{at}: {answer:?}");
        let wait = answer.header("retry-after").map(|wait| wait.parse::<u64>().unwrap());
        assert!(if at >= 10 { wait >= Some(6) } else { wait.is_none() }, "{at}: {answer:?}");
    }
    // One user is tried so often, from wherever, and is then not told whether the password was right.
    super::add_user(service(), "tried@example.com");
    for at in 0..12 {
        let answer = from(&fresh_address(), paths[0], "tried@example.com");
        assert_eq!(answer.status, if at >= 10 { 429 } else { 401 }, "{at}: {answer:?}");
    }
    let right = login("tried@example.com", PASSWORD);
    assert!(right.status == 429 && right.header("retry-after").is_some(), "{right:?}");
}
