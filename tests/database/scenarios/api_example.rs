//! A service with the usual page about API keys: full access by default, live and test keys, restrictions,
//! rotation every 90 days, a list, revocation, and what to do about a key that does not work.

use super::{Answer, Service, bearer, session_of, text};
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};

const PAYMENTS: &str = "select label from payments order by label";

fn service() -> Service {
    let mut service = Service::new("payments", "");
    service.organization("Account", "amy");
    service
}

fn create(service: &mut Service, arguments: &str) -> (String, String) {
    let made =
        service.request(&session_of("amy"), &format!("select * from auth.create_api_key({arguments})"));
    let made = made.row();
    (text(&made, "id"), bearer(&text(&made, "key")))
}

/// What an administrator finds out about a key that does not work.
fn explained(service: &mut Service, authorization: &str, more: &str) -> Value {
    let sql = format!(
        "select valid, reason, since is not null as since, key_name as name, environment
           from auth.explain_credential('{authorization}'{more})"
    );
    super::rows(&mut service.admin, &sql).unwrap().remove(0)
}

#[test]
fn a_key_gives_full_access_to_the_account_and_to_no_other() {
    let mut service = service();
    service.organization("Another", "bob");
    let (_, key) = create(&mut service, "'Production Key'");
    let full = "select auth.has_permission('anything.write') as may, auth.is_service_role() as service";
    assert_eq!(service.request(&key, full).row(), json!({"may": "t", "service": "f"}));
    service.request(&key, "insert into payments (label) values ('ten') returning id").row();
    assert_eq!(service.request(&session_of("bob"), PAYMENTS).rows(), Vec::<Value>::new());
    assert_eq!(service.request(&key, PAYMENTS).row(), json!({"label": "ten"}));
}

#[test]
fn what_a_test_key_does_does_not_stay() {
    let mut service = service();
    let (_, test) = create(&mut service, "'Development', environment => 'test'");
    let (_, live) = create(&mut service, "'Production Key'");
    assert!(test.starts_with("Bearer sk_test_") && live.starts_with("Bearer sk_live_"));
    service.request(&test, "insert into payments (label) values ('play money') returning id").row();
    assert_eq!(service.request(&live, PAYMENTS).rows(), Vec::<Value>::new());
    // What the service clears away every night is all of it, and nothing else.
    service.request(&live, "insert into payments (label) values ('real money') returning id").row();
    service.admin.run("delete from payments where environment = 'test'");
    assert_eq!(service.request(&test, PAYMENTS).rows(), Vec::<Value>::new());
    assert_eq!(service.request(&live, PAYMENTS).row(), json!({"label": "real money"}));
}

#[test]
fn keys_are_listed_and_revoked() {
    let mut service = service();
    let (id, key) = create(&mut service, "'Production Key'");
    let (_, other) = create(&mut service, "'Warehouse'");
    // GET /v1/api-keys
    let list = "select id, name, prefix, created_at, last_used from auth.list_api_keys()";
    let listed = service.request(&session_of("amy"), list).rows();
    let names: Vec<_> = listed.iter().map(|row| text(row, "name")).collect();
    assert_eq!(names, ["Production Key", "Warehouse"]);
    assert_eq!((text(&listed[0], "id"), text(&listed[0], "prefix")), (id.clone(), "sk_live_".into()));
    assert!(text(&listed[0], "created_at").starts_with("20") && listed[0].get("last_used").is_some());
    // DELETE /v1/api-keys/key_123, also twice
    let delete =
        format!("select auth.revoke_api_key('{id}') as done, 'API key revoked successfully' as message");
    for _ in 0..2 {
        let told = service.request(&session_of("amy"), &delete).row();
        assert_eq!(text(&told, "message"), "API key revoked successfully");
        assert_eq!(service.request(&key, PAYMENTS), Answer::Unauthorized);
    }
    // Another service with a key of its own goes on.
    assert_eq!(service.request(&other, PAYMENTS).rows(), Vec::<Value>::new());
    let listed = service.request(&session_of("amy"), list).row();
    assert_eq!(text(&listed, "name"), "Warehouse");
    // Somebody else's key, or none at all.
    service.organization("Another", "bob");
    assert_eq!(service.request(&session_of("bob"), &delete), Answer::Forbidden);
    let unknown = "select auth.revoke_api_key('00000000-0000-4000-8000-000000000000')";
    assert_eq!(service.request(&session_of("amy"), unknown), Answer::Forbidden);
}

#[test]
fn keys_of_90_days_are_due_and_overlap_when_they_are_rotated() {
    let mut service = service();
    let (id, key) = create(&mut service, "'Production Key'");
    create(&mut service, "'Warehouse'");
    let due = "select string_agg(name, ' ') from auth.api_keys_due";
    assert_eq!(service.admin.value(due), None);
    service.admin.run(&format!(
        "update auth.api_keys set created_at = now() - interval '91 days' where id = '{id}';
                       update auth.memberships set created_at = now() - interval '1 year'"
    ));
    assert_eq!(service.admin.value(due).as_deref(), Some("Production Key"));
    let since = "select (rotation_due_at < now())::text as due from auth.list_api_keys() where name = 'Production Key'";
    assert_eq!(service.request(&session_of("amy"), since).row(), json!({"due": "true"}));
    // Both work while the new one is being rolled out.
    let rotate = format!("select * from auth.rotate_api_key('{id}', '1 day')");
    let new = service.request(&session_of("amy"), &rotate).row();
    let new_key = bearer(&text(&new, "key"));
    assert_eq!(service.admin.value(due), None);
    for key in [&key, &new_key] {
        assert_eq!(service.request(key, PAYMENTS).rows(), Vec::<Value>::new());
    }
    service.admin.run(&format!("update auth.api_keys set expires_at = now() where id = '{id}'"));
    assert_eq!(service.request(&key, PAYMENTS), Answer::Unauthorized);
    assert_eq!(service.request(&new_key, PAYMENTS).rows(), Vec::<Value>::new());
    let why = explained(&mut service, &key, "");
    assert_eq!((&why["valid"], &why["since"]), (&json!("f"), &json!("t")));
}

#[test]
fn keys_are_restricted_to_addresses_referrers_and_endpoints() {
    let mut service = service();
    // The tests connect through a socket, which has no address: the service's own proxy says it.
    let (_, by_address) = create(&mut service, "'From the office', allowed_cidrs => '{203.0.113.0/24}'");
    let (_, by_referrer) =
        create(&mut service, "'From the shop', allowed_origins => '{https://shop.example.com}'");
    let (_, by_endpoint) =
        create(&mut service, "'Reading', allowed_endpoints => '{GET /v1/payments,GET /v1/payments/*}'");
    // Without an address, a referrer or an endpoint there is nothing that could be right, except that requests of
    // servers have no referrer.
    assert_eq!(service.request(&by_address, PAYMENTS), Answer::Unauthorized);
    assert_eq!(service.request(&by_endpoint, PAYMENTS), Answer::Unauthorized);
    let mut at = |key: &str, method: &str, path: &str, referrer: &str| {
        let headers = json!({"referer": referrer}).to_string();
        service.server.run(&format!(
            "set request.method = '{method}'; set request.path = '{path}'; set request.headers = '{headers}'"
        ));
        service.request(key, PAYMENTS)
    };
    let shop = "https://shop.example.com/basket?id=1";
    for (key, method, path, referrer, works) in [
        (&by_referrer, "GET", "/v1/payments", shop, true),
        (&by_referrer, "POST", "/v1/payments", "https://shop.example.com", true),
        (&by_referrer, "GET", "/v1/payments", "https://shop.example.com.evil.example/", false),
        (&by_referrer, "GET", "/v1/payments", "https://evil.example/?https://shop.example.com/", false),
        (&by_endpoint, "GET", "/v1/payments", shop, true),
        (&by_endpoint, "GET", "/v1/payments/7", shop, true),
        (&by_endpoint, "POST", "/v1/payments", shop, false),
        (&by_endpoint, "GET", "/v1/users", shop, false),
        (&by_endpoint, "GET", "/v1/payments/../users", shop, false),
        (&by_address, "GET", "/v1/payments", shop, false),
    ] {
        let expected = if works { Answer::Ok(json!([])) } else { Answer::Unauthorized };
        assert_eq!(at(key, method, path, referrer), expected, "{method} {path} {referrer}");
    }
    // What it would be from somewhere else, an administrator can ask.
    for (key, place, valid) in [
        (&by_address, "client_address => '203.0.113.7'", "t"),
        (&by_address, "client_address => '198.51.100.7'", "f"),
        (&by_referrer, "origin => 'https://shop.example.com'", "t"),
        (&by_referrer, "origin => 'https://evil.example'", "f"),
        (&by_endpoint, "endpoint => 'GET /v1/payments'", "t"),
        (&by_endpoint, "endpoint => 'DELETE /v1/payments'", "f"),
    ] {
        assert_eq!(explained(&mut service, key, &format!(", {place}"))["valid"], valid, "{place}");
    }
}

#[test]
fn why_a_key_does_not_work_is_said_to_administrators() {
    let mut service = service();
    let (id, revoked) = create(&mut service, "'Revoked'");
    service.request(&session_of("amy"), &format!("select auth.revoke_api_key('{id}')")).row();
    let (_, good) = create(&mut service, "'Good'");
    let (_, test) = create(&mut service, "'Test', environment => 'test'");
    let mistyped = good.replace(&good[20..22], if &good[20..22] == "xy" { "yx" } else { "xy" });
    let wrong_environment = test.replace("sk_test_", "sk_live_");
    let cut = &good[..good.len() - 3];
    let mut told = Vec::new();
    for key in [&revoked, &mistyped, &wrong_environment, cut, "Bearer sk_live_abc123xyz789"] {
        // Whoever presents it learns nothing: all of these are one answer.
        service.server.run("begin");
        told.push(pg_bearer_tests::refusal(service.server.authenticate(key)));
        service.server.run("rollback");
        let why = explained(&mut service, key, "");
        assert_eq!(why["valid"], "f", "{why}");
        assert!(!text(&why, "reason").is_empty(), "{why}");
    }
    told.dedup();
    assert_eq!(told, ["28000 the credential was refused"]);
    let reason = |service: &mut Service, key: &str| explained(service, key, "");
    let why = reason(&mut service, &revoked);
    assert_eq!((&why["name"], &why["since"]), (&json!("Revoked"), &json!("t")));
    assert!(text(&why, "reason").contains("revoked"), "{why}");
    assert!(text(&reason(&mut service, &mistyped), "reason").contains("checksum"));
    // Cut short, it is still known which one was meant.
    assert_eq!(reason(&mut service, cut)["name"], "Good");
    assert_eq!(reason(&mut service, &wrong_environment)["name"], "Test");
    assert_eq!(
        reason(&mut service, &good),
        json!({"valid": "t", "reason": null, "since": "f", "name": "Good", "environment": "live"})
    );
    // Users do not ask this.
    let asked = service.request(&session_of("amy"), "select auth.explain_credential('x')");
    assert_eq!(asked, Answer::Forbidden);
}
