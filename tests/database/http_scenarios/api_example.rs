//! api.example.com: what tests/scenarios/api_example/README.md says its page says.

use super::{Service, asked_for_one, expect, refused, text};
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| Service::start("api_example", ""))
}

/// An account of this user, with the token that the dashboard has.
fn account(user: &str) -> (String, String) {
    let org = service().organization(user);
    let token = format!("select auth.issue_jwt('{user}', expires_at => now() + interval '1 hour')");
    (org, service().ask(&token))
}

/// Settings > API Keys > Create New API Key: its id and its text.
fn create(dashboard: &str, body: &Value) -> (String, String) {
    let made = expect(service().send(dashboard, "POST", "/v1/api-keys", &body.to_string()), 200);
    (text(&made["data"]["id"]), text(&made["data"]["key"]))
}

fn add_user(org: &str, environment: &str, id: &str) {
    let values = format!("('{id}', '{org}', '{environment}', '{environment} {id}')");
    service().admin().run(&format!("insert into app.users (id, org_id, environment, name) values {values}"));
}

#[test]
fn a_key_in_the_header_reads_a_user() {
    let (org, dashboard) = account("reader");
    add_user(&org, "live", "usr_123");
    let (_, key) = create(&dashboard, &json!({"name": "Production Key"}));
    assert!(key.starts_with("sk_live_"));
    let answer = expect(service().get(&key, "/v1/users/usr_123"), 200);
    assert_eq!(answer, json!({"success": true, "data": {"id": "usr_123", "name": "live usr_123"}}));
    // Missing, or invalid, as it stands in the page.
    let missing = service().nginx.send("GET", "/v1/users/usr_123", &[], "");
    asked_for_one(&missing);
    refused(&service().get("sk_live_abc123xyz789", "/v1/users/usr_123"));
    assert_eq!(service().get(&key, "/v1/users/usr_124").status, 404);
    // Another account has another usr_123, or none.
    let (_, others) = account("stranger");
    let (_, other) = create(&others, &json!({"name": "Production Key"}));
    assert_eq!(service().get(&other, "/v1/users/usr_123").status, 404);
}

#[test]
fn keys_are_listed_and_revoked_as_the_page_shows() {
    let (_, dashboard) = account("lister");
    let (id, key) = create(&dashboard, &json!({"name": "Production Key"}));
    let (_, second) = create(&dashboard, &json!({"name": "Warehouse"}));
    let listed = service().get(&key, "/v1/api-keys");
    assert!(listed.body.starts_with(r#"{"success" : true, "data" : [{"id" : "key_"#), "{}", listed.body);
    let wanted = |name: &str| json!({"name": name, "prefix": "sk_live_"});
    let deadline = Instant::now() + Duration::from_secs(20);
    let first = loop {
        let list = expect(service().get(&second, "/v1/api-keys"), 200);
        assert_eq!((&list["success"], list["data"].as_array().unwrap().len()), (&json!(true), 2));
        for (row, name) in list["data"].as_array().unwrap().iter().zip(["Production Key", "Warehouse"]) {
            assert_eq!(json!({"name": row["name"], "prefix": row["prefix"]}), wanted(name));
            let names: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, ["created_at", "id", "last_used", "name", "prefix"]);
        }
        // A use is recorded within seconds.
        if list["data"][0]["last_used"].is_string() || Instant::now() > deadline {
            break list["data"][0].clone();
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    for time in ["created_at", "last_used"] {
        let time = text(&first[time]);
        assert!(time.len() == "2025-01-01T00:00:00Z".len() && time.ends_with('Z'), "{time}");
    }
    assert_eq!(first["id"], json!(id));
    // Somebody else's is as one that there is not.
    let (_, others) = account("outsider");
    let delete = |who: &str, id: &str| service().send(who, "DELETE", &format!("/v1/api-keys/{id}"), "");
    let unknown = delete(&others, "key_00000000000040008000000000000000");
    assert_eq!((delete(&others, &id).status, delete(&others, &id).body), (403, unknown.body));
    // Twice is as good as once.
    for _ in 0..2 {
        let told = expect(delete(&dashboard, &id), 200);
        assert_eq!(told, json!({"success": true, "message": "API key revoked successfully"}));
        refused(&service().get(&key, "/v1/api-keys"));
    }
    assert_eq!(expect(service().get(&second, "/v1/api-keys"), 200)["data"].as_array().unwrap().len(), 1);
    // A key ends keys, itself too.
    let id = text(&expect(service().get(&second, "/v1/api-keys"), 200)["data"][0]["id"]);
    expect(delete(&second, &id), 200);
    refused(&service().get(&second, "/v1/api-keys"));
}

#[test]
fn t600_a_restricted_key_in_a_wrong_place_is_forbidden_whatever_it_states() {
    let (org, dashboard) = account("restricted");
    add_user(&org, "live", "usr_123");
    let key = |restriction: Value| {
        let mut body = json!({"name": "k"});
        body.as_object_mut().unwrap().extend(restriction.as_object().unwrap().clone());
        create(&dashboard, &body).1
    };
    let office = key(json!({"allowed_ips": ["203.0.113.0/24", "2001:db8::/32"]}));
    let shop = key(json!({"allowed_referrers": ["https://shop.example.com"]}));
    let reading = key(json!({"allowed_endpoints": ["GET /rpc/get_user"]}));
    let path = "/v1/users/usr_123";
    let from = |address: &str, key: &str, more: &[(&str, &str)]| {
        let bearer = format!("Bearer {key}");
        let headers = [&[("Authorization", bearer.as_str())], more].concat();
        service().nginx.send_from(address, "GET", path, &headers, "").status
    };
    assert_eq!((from("203.0.113.7", &office, &[]), from("2001:db8::7", &office, &[])), (200, 200));
    assert_eq!(from("198.51.100.7", &office, &[]), 403);
    assert_eq!(from("198.51.100.7", &office, &[("X-Forwarded-For", "203.0.113.7")]), 403);
    for (referrer, status) in [
        ("https://shop.example.com/basket?id=1", 200),
        ("https://shop.example.com.evil.example/", 403),
        ("https://evil.example/?https://shop.example.com/", 403),
    ] {
        assert_eq!(from("10.9.9.9", &shop, &[("Referer", referrer)]), status, "{referrer}");
    }
    assert_eq!(service().get(&reading, path).status, 200);
    assert_eq!(service().get(&reading, "/v1/charges").status, 403);
    assert_eq!(service().get(&reading, "/v1/api-keys").status, 403);
    let stated = [("X-HTTP-Method-Override", "GET"), ("X-Original-URL", path)];
    assert_eq!(service().send_with(&reading, &stated, "GET", "/v1/charges", "").status, 403);
    // An administrator asks why.
    let why =
        format!("select reason from auth.explain_credential('{office}', client_address => '198.51.100.7')");
    assert!(service().ask(&why).contains("address"), "{}", service().ask(&why));
}

#[test]
fn test_keys_have_a_sandbox_in_which_nothing_is_charged_and_nothing_stays() {
    let (org, dashboard) = account("tester");
    let (_, live) = create(&dashboard, &json!({"name": "Production"}));
    let (_, test) = create(&dashboard, &json!({"name": "Development", "environment": "test"}));
    assert!(test.starts_with("sk_test_"));
    add_user(&org, "live", "usr_1");
    add_user(&org, "test", "usr_1");
    let name = |key: &str| expect(service().get(key, "/v1/users/usr_1"), 200)["data"]["name"].clone();
    assert_eq!((name(&live), name(&test)), (json!("live usr_1"), json!("test usr_1")));
    let charge = |key: &str, amount: u32| {
        service().send(key, "POST", "/v1/charges", &json!({"amount": amount}).to_string()).status
    };
    assert_eq!((charge(&live, 10), charge(&test, 99), charge(&test, 98)), (201, 201, 201));
    let amounts = |key: &str| {
        let rows = expect(service().get(key, "/v1/charges"), 200);
        rows.as_array().unwrap().iter().map(|row| row["amount"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((amounts(&live), amounts(&test)), (vec![10], vec![99, 98]));
    // The worker sees what to charge.
    let worker = service().ask("select key from auth.create_api_key('Nightly', kind => 'service')");
    let due = format!("/charges_due?select=amount&org_id=eq.{org}");
    assert_eq!(expect(service().get(&worker, &due), 200), json!([{"amount": 10}]));
    // Every night, by cron, with a key of a service for what is test.
    let cron = service()
        .ask("select key from auth.create_api_key('Cron', kind => 'service', environment => 'test')");
    for key in [&live, &test] {
        assert_eq!(service().send(key, "POST", "/rpc/purge_sandbox", "").status, 403);
    }
    let purged = expect(service().send(&cron, "POST", "/rpc/purge_sandbox", ""), 200);
    assert!(purged["app.charges"].as_u64().unwrap() >= 2, "{purged}");
    assert_eq!((amounts(&live), amounts(&test)), (vec![10], vec![]));
    // A test key says no more than a live one of what is real.
    assert_eq!(service().get(&test, &due).status, 403);
}

#[test]
fn keys_of_90_days_are_due_and_overlap_when_they_are_rotated() {
    let (org, dashboard) = account("rotator");
    let (id, key) = create(&dashboard, &json!({"name": "Production Key"}));
    let (_, warehouse) = create(&dashboard, &json!({"name": "Warehouse"}));
    let uuid = id.trim_start_matches("key_");
    service().admin().run(&format!(
        "update auth.api_keys set created_at = now() - interval '91 days' where id = '{uuid}';
         update auth.memberships set created_at = now() - interval '1 year' where org_id = '{org}'"
    ));
    let due = format!(
        "select coalesce(string_agg(d.name, ' '), '') from auth.api_keys_due d join auth.api_keys k using (id) where k.org_id = '{org}'"
    );
    assert_eq!(service().ask(&due), "Production Key");
    let rotated = expect(service().send(&dashboard, "POST", &format!("/v1/api-keys/{id}/rotate"), ""), 200);
    assert_eq!(rotated["data"]["name"], json!("Production Key"));
    let new = text(&rotated["data"]["key"]);
    assert_eq!(service().ask(&due), "");
    for key in [&key, &new, &warehouse] {
        assert_eq!(service().get(key, "/v1/charges").status, 200);
    }
    service().admin().run(&format!("update auth.api_keys set expires_at = now() where id = '{uuid}'"));
    refused(&service().get(&key, "/v1/charges"));
    assert_eq!(
        (service().get(&new, "/v1/charges").status, service().get(&warehouse, "/v1/charges").status),
        (200, 200)
    );
}

#[test]
fn t601_why_a_key_does_not_work_is_said_to_administrators_and_to_nobody_else() {
    let (_, dashboard) = account("troubled");
    let (id, revoked) = create(&dashboard, &json!({"name": "Revoked"}));
    expect(service().send(&dashboard, "DELETE", &format!("/v1/api-keys/{id}"), ""), 200);
    let (_, good) = create(&dashboard, &json!({"name": "Good"}));
    let (_, test) = create(&dashboard, &json!({"name": "Test", "environment": "test"}));
    let typo = good.replace(&good[20..22], if &good[20..22] == "xy" { "yx" } else { "xy" });
    let wrong = test.replace("sk_test_", "sk_live_");
    let mut bodies = Vec::new();
    for (key, reason, name) in [
        (&revoked, "revoked", "Revoked"),
        (&typo, "checksum", ""),
        (&wrong, "", "Test"),
        (&good[..40].to_owned(), "", ""),
    ] {
        let answer = service().get(key, "/v1/charges");
        refused(&answer);
        bodies.push(answer.body);
        let why = format!("from auth.explain_credential('{key}')");
        assert_eq!(service().ask(&format!("select valid::text {why}")), "false");
        assert!(service().ask(&format!("select reason {why}")).contains(reason), "{reason}");
        if !name.is_empty() {
            assert_eq!(service().ask(&format!("select key_name {why}")), name);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[test]
fn a_key_without_the_permission_is_forbidden() {
    let (org, dashboard) = account("scoped");
    add_user(&org, "live", "usr_123");
    let (_, key) = create(&dashboard, &json!({"name": "Reading", "permissions": ["charges.read"]}));
    assert_eq!(service().get(&key, "/v1/charges").status, 200);
    assert_eq!(service().send(&key, "POST", "/v1/charges", r#"{"amount": 1}"#).status, 403);
    let answer = service().get(&key, "/v1/users/usr_123");
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, None), "{answer:?}");
    // Nor does it make itself another one.
    assert_eq!(service().send(&key, "POST", "/v1/api-keys", r#"{"name": "x"}"#).status, 403);
}

#[test]
fn t605_no_rule_for_a_path_passes_on_what_is_the_proxys() {
    let (_, dashboard) = account("proxied");
    let (id, key) = create(&dashboard, &json!({"name": "Production Key"}));
    let (other, _) = create(&dashboard, &json!({"name": "Warehouse"}));
    let stolen = format!("Bearer {dashboard}");
    let headers = [("X-Credential", stolen.as_str()), ("X-Forwarded-For", "203.0.113.7")];
    for (method, path, body) in [
        ("GET", "/v1/users/usr_123".to_owned(), ""),
        ("GET", "/v1/charges".to_owned(), ""),
        ("GET", "/v1/api-keys".to_owned(), ""),
        ("POST", "/v1/api-keys".to_owned(), r#"{"name": "x"}"#),
        ("POST", format!("/v1/api-keys/{id}/rotate"), ""),
        ("DELETE", format!("/v1/api-keys/{id}"), ""),
    ] {
        asked_for_one(&service().nginx.send(method, &path, &headers, body));
    }
    // The id in the path counts, whatever body and type a client sends with it, and the method is as it was sent.
    let path = format!("/v1/api-keys/{id}");
    for method in ["GET", "POST", "PATCH", "PUT"] {
        let overridden = [("X-HTTP-Method-Override", "DELETE")];
        assert_eq!(service().send_with(&dashboard, &overridden, method, &path, "").status, 405, "{method}");
    }
    let body = json!({"id": other}).to_string();
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("apikey", dashboard.as_str())];
    assert_eq!(service().nginx.send("DELETE", &path, &form, &body).status, 200);
    refused(&service().get(&key, "/v1/charges"));
    let left = expect(service().get(&dashboard, "/v1/api-keys"), 200);
    assert_eq!((left["data"].as_array().unwrap().len(), &left["data"][0]["id"]), (1, &json!(other)));
}
