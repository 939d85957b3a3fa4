//! Users who sign in at DramWell itself, through the paths of Supabase Auth.

use super::super::{Service, asked_for_one, expect, refused, server, text};
use super::{SUPABASE, add, claims, create, organization, seen, service, service_role, signed};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::token::{hs256_with, now, with};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use xtask::Orms;

const PASSWORD: &str = "correct horse battery staple";
const OWN: &str = "https://api.dramwell.example/auth/v1";

/// The id of a new user, who has this role in the organization.
fn user(name: &str, org: &str, role: &str) -> String {
    let id = service().ask(&format!("select auth.create_user('{name}@example.com', '{PASSWORD}')"));
    service().admin().run(&format!("select auth.add_member('{org}', '{id}', '{role}')"));
    id
}

fn apikey() -> String {
    service().ask("select key from auth.create_api_key('web', kind => 'publishable')")
}

/// What supabase-js sends that has this key and this token, or no session yet.
fn auth(method: &str, path: &str, apikey: &str, token: Option<&str>, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let key = [("apikey", apikey), ("X-Client-Info", "supabase-js-node/2")];
    service().send_with(token.unwrap_or(apikey), &key, method, &format!("/auth/v1/{path}"), &body)
}

fn sign_in(name: &str) -> Value {
    let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
    expect(auth("POST", "token?grant_type=password", &apikey(), None, &body), 200)
}

fn refresh(token: &Value) -> Answer {
    let body = json!({"refresh_token": token});
    auth("POST", "token?grant_type=refresh_token", &apikey(), None, &body)
}

fn own_claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn whoever_signs_in_acts_in_the_organization_and_role_for_an_hour() {
    let (org, owner) = organization("hal");
    let (_, stranger) = organization("ike");
    for (who, title) in [(&owner, "bottle"), (&stranger, "brew")] {
        assert_eq!(add(who, "jobs", &json!({"title": title})).status, 201);
    }
    let jane = user("jane", &org, "member");
    user("kay", &org, "viewer");
    let session = sign_in("jane");
    assert_eq!((&session["token_type"], &session["expires_in"]), (&json!("bearer"), &json!(3600)));
    assert_eq!(
        (&session["user"]["id"], &session["user"]["email"]),
        (&json!(jane), &json!("jane@example.com"))
    );
    let member = text(&session["access_token"]);
    let claims = own_claims(&member);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["role"]),
        (&json!(OWN), &json!("authenticated"), &json!("authenticated"))
    );
    let viewer = text(&sign_in("kay")["access_token"]);
    for token in [&member, &viewer] {
        assert_eq!(seen(token, "jobs", "title"), ["bottle"]);
    }
    assert_eq!(add(&member, "jobs", &json!({"title": "label"})).status, 201);
    assert_eq!(add(&viewer, "jobs", &json!({"title": "label"})).status, 403);
    assert_eq!(
        (service().get(&member, "/v1/customers").status, service().get(&viewer, "/v1/customers").status),
        (200, 403)
    );
    // A role that is taken away is gone at once.
    service().admin().run(&format!("select auth.set_member_role('{org}', '{jane}', 'viewer')"));
    assert_eq!(add(&member, "jobs", &json!({"title": "x"})).status, 403);
    // No additional key is needed; that of the project, ours or Supabase's, may be there.
    let anon = signed(
        &json!({"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "anon", "iat": now(), "exp": now() + 315_360_000}),
    );
    for key in [apikey(), anon] {
        assert_eq!(service().send_with(&viewer, &[("apikey", &key)], "GET", "/v1/jobs", "").status, 200);
        let body = json!({"email": "kay@example.com", "password": PASSWORD});
        assert_eq!(auth("POST", "token?grant_type=password", &key, None, &body).status, 200);
        asked_for_one(&service().send_with(&key, &[("apikey", &key)], "GET", "/v1/jobs", ""));
    }
    let wrong = json!({"email": "kay@example.com", "password": "wrong"});
    let wrong = auth("POST", "token?grant_type=password", &apikey(), None, &wrong);
    assert_eq!(expect(wrong, 400)["error_code"], "invalid_credentials");
}

#[test]
fn an_unmodified_supabase_js_does_what_the_page_says() {
    let (org, owner) = organization("lou");
    user("mae", &org, "member");
    assert_eq!(add(&owner, "jobs", &json!({"title": "bottle"})).status, 201);
    let orms = Orms::prepare().unwrap();
    let dir = orms.project("dramwell").unwrap();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("orms/clients");
    for name in ["dramwell.mjs", "nginx.mjs"] {
        fs::copy(programs.join(name), dir.join(name)).unwrap();
    }
    let mut node = orms.node();
    node.arg("dramwell.mjs").current_dir(&dir).env("SOCKET", service().nginx.socket("public"));
    node.env("APIKEY", apikey()).env("EMAIL", "mae@example.com").env("PASSWORD", PASSWORD);
    let output = node.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended = json!([401, "Bearer error=\"invalid_token\"", null]);
    let expected = json!({
        "nobody": ended,
        "wrong": [400, "invalid_credentials"],
        "signInWithPassword": [null, "bearer", 3600, "mae@example.com"],
        "jobs": [200, null, ["bottle"]],
        "refreshSession": [null, 3600, true, true],
        "refreshed": [200, null, ["bottle"]],
        "getUser": "mae@example.com",
        "signOut": null,
        "signedOut": ended,
        "late": [ended, ended],
        "lateRefresh": [400, "refresh_token_not_found"],
    });
    assert_eq!(said, expected);
}

#[test]
fn a_session_goes_on_by_its_refresh_token_when_the_hour_is_over() {
    let (org, _) = organization("nia");
    let oz = user("oz", &org, "member");
    let mut admin = service().admin();
    admin.run("set pg_bearer.access_token_lifetime = '10s'");
    let begun = admin.value(&format!("select auth.issue_session('{oz}')::text")).unwrap();
    let begun: Value = serde_json::from_str(&begun).unwrap();
    let token = text(&begun["access_token"]);
    let mut tries = 0;
    while service().get(&token, "/v1/jobs").status == 200 && tries < 150 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        tries += 1;
    }
    refused(&service().get(&token, "/v1/jobs"));
    let next = expect(refresh(&begun["refresh_token"]), 200);
    assert_eq!(next["expires_in"], 3600);
    assert_eq!(service().get(&text(&next["access_token"]), "/v1/jobs").status, 200);
    // Its end counts for /v1 at once.
    let out = auth("POST", "logout?scope=global", &apikey(), next["access_token"].as_str(), &json!(null));
    assert_eq!(out.status, 204, "{out:?}");
    refused(&service().get(&text(&next["access_token"]), "/v1/jobs"));
    assert_eq!(expect(refresh(&next["refresh_token"]), 400)["error_code"], "refresh_token_not_found");
}

#[test]
fn the_admin_panel_is_for_owners_and_admins_who_signed_in() {
    let (org, _) = organization("pip");
    user("quy", &org, "admin");
    user("rex", &org, "member");
    let (admin, member) = (text(&sign_in("quy")["access_token"]), text(&sign_in("rex")["access_token"]));
    // Log in; Settings > Security > API Keys; Create API Key; copy.
    let made = create(&admin, &json!({"label": "Till", "scopes": ["customers.read"]}));
    let key = text(&made["key"]);
    assert!(key.starts_with("sk_live_"), "{made}");
    let listed = expect(service().get(&admin, "/v1/api-keys"), 200);
    assert_eq!((&listed[0]["label"], &listed[0]["key"]), (&json!("Till"), &json!(null)));
    assert_eq!(service().get(&key, "/v1/customers").status, 200);
    let label = r#"{"label": "x"}"#;
    assert_eq!(service().send(&member, "POST", "/v1/api-keys", label).status, 403);
    assert_eq!(service().send(&key, "POST", "/v1/api-keys", label).status, 403);
    // Revoke.
    let path = format!("/v1/api-keys/{}", text(&made["id"]));
    assert_eq!(service().send(&member, "DELETE", &path, "").status, 403);
    assert_eq!(service().send(&admin, "DELETE", &path, "").status, 204);
    refused(&service().get(&key, "/v1/customers"));
    // Nobody signs up by themselves, and other paths are not served.
    let body = json!({"email": "new@example.com", "password": PASSWORD, "data": {"role": "service_role"}});
    for (method, path) in [("POST", "signup"), ("PUT", "user"), ("POST", "recover"), ("POST", "admin/users")]
    {
        let status = auth(method, path, &apikey(), Some(&admin), &body).status;
        assert!(status == 403 || status == 404, "{method} {path}: {status}");
    }
}

#[test]
fn t697_no_session_becomes_the_service_role_or_another_organizations_and_no_issuer_signs_for_another() {
    let (ours, _) = organization("sia");
    let (theirs, other) = organization("tom");
    assert_eq!(add(&other, "jobs", &json!({"title": "brew"})).status, 201);
    let una = user("una", &ours, "member");
    // What the user's rows say of metadata gives nothing.
    service().admin().run(&format!(
        "select auth.update_user(user_id => '{una}', data => '{}')",
        json!({"role": "service_role", "org_id": theirs, "permissions": ["*"]})
    ));
    let token = text(&sign_in("una")["access_token"]);
    assert_eq!(own_claims(&token)["user_metadata"]["role"], "service_role");
    assert_eq!(seen(&token, "jobs", "title"), Vec::<String>::new());
    let at =
        |org: &str| service().send_with(&token, &[("X-Organization", org)], "GET", "/v1/jobs", "").status;
    assert_eq!((at(&ours), at(&theirs)), (200, 403));
    assert_eq!(add(&token, "jobs", &json!({"title": "x", "org_id": theirs})).status, 403);
    // The secret of the Supabase project signs nothing of ours, whatever algorithm it names; nor is our token one of the project's.
    let mut forged = own_claims(&token);
    for alg in ["HS256", "ES256", "none"] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        refused(&service().get(&hs256_with(SUPABASE.as_bytes(), &header, &forged.to_string()), "/v1/jobs"));
    }
    forged["role"] = json!("service_role");
    refused(&service().get(&signed(&forged), "/v1/jobs"));
    refused(&service().get(&service_role(OWN), "/v1/jobs"));
    let [header, payload, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let moved = with(own_claims(&token), json!({"iss": super::ISSUER}));
    let moved = URL_SAFE_NO_PAD.encode(moved.to_string());
    for changed in [format!("{header}.{moved}.{signature}"), format!("{header}.{payload}.")] {
        refused(&service().get(&changed, "/v1/jobs"));
    }
    // A token of the project that says it is a session of ours does not live by it, nor end with it.
    let of_project =
        with(claims(&una, &ours, "member"), json!({"session_id": own_claims(&token)["session_id"]}));
    assert_eq!(service().get(&signed(&of_project), "/v1/jobs").status, 200);
    let out = auth("POST", "logout", &apikey(), Some(&signed(&of_project)), &json!(null)).status;
    assert!(out == 403 || out == 401, "{out}");
    assert_eq!(service().get(&token, "/v1/jobs").status, 200);
}

#[test]
fn t698_passwords_keys_and_tokens_are_written_nowhere() {
    let (org, _) = organization("val");
    user("wes", &org, "admin");
    let session = sign_in("wes");
    let token = text(&session["access_token"]);
    let key = text(&create(&token, &json!({"label": "Till"}))["key"]);
    assert_eq!(service().get(&key, "/v1/jobs").status, 200);
    let next = expect(refresh(&session["refresh_token"]), 200);
    let canary = "Zq7canaryOfAPassword";
    let wrong = json!({"email": "wes@example.com", "password": canary});
    assert_eq!(auth("POST", "token?grant_type=password", &apikey(), None, &wrong).status, 400);
    let query = format!("token?grant_type=password&password={canary}");
    assert_eq!(auth("POST", &query, &apikey(), None, &json!({})).status, 400);
    let role = service_role("supabase");
    assert_eq!(service().get(&role, "/v1/jobs").status, 200);
    let last = |token: &str| token[token.len() - 40..].to_owned();
    let mut secrets = vec![canary.to_owned(), "correct horse".into(), last(&key), last(&role), last(&token)];
    secrets.extend([&session, &next].map(|session| last(&text(&session["refresh_token"]))));
    let logs: [(&str, String); 2] =
        [("nginx and PostgREST", logs_of(service())), ("PostgreSQL", server().log())];
    for (name, log) in &logs {
        assert!(!log.is_empty(), "{name}");
        for secret in &secrets {
            assert!(!log.contains(secret), "{name} wrote down {secret}");
        }
    }
}

fn logs_of(service: &Service) -> String {
    service.nginx.log()
}
