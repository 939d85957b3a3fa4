//! Drivly: what tests/scenarios/drivly/README.md says its page says.

mod attacks;
mod page;

use super::{Service, asked_for_one, expect, refused, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};
use std::sync::OnceLock;

const YEAR: i64 = 365 * 86400;

fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| Service::start("drivly", ""))
}

/// An organization of this user, and a key that the dashboard made.
fn account(user: &str) -> (String, String) {
    let org = service().organization(user);
    let create = format!("select key from auth.create_api_key('k', '{org}', user_id => '{user}')");
    let key = service().ask(&create);
    (org, key)
}

/// POST /auth, with this key.
fn token(key: &str, permissions: &[&str]) -> String {
    let body = json!({"permissions": permissions}).to_string();
    text(&expect(service().send(key, "POST", "/auth", &body), 200)["token"])
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn lifetime(token: &str) -> i64 {
    let claims = claims(token);
    claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
}

/// What a user has who came to the page for an application of this organization, signed in and agreed.
fn session(org: &str, user: &str) -> Value {
    let redirect = page::application(org, &format!("{user}-app"));
    page::user(user);
    page::granted(&page::sign_in(&page::agreeing(&redirect, user)), &redirect)
}

#[test]
fn a_key_reaches_all_of_its_account() {
    let (_, key) = account("ada");
    let (_, other) = account("bob");
    assert_eq!(service().send(&key, "POST", "/invoices", r#"{"amount": 5}"#).status, 201);
    assert_eq!(expect(service().get(&key, "/invoices?select=amount"), 200), json!([{"amount": 5}]));
    assert_eq!(expect(service().get(&other, "/invoices"), 200), json!([]));
    asked_for_one(&service().nginx.send("GET", "/invoices", &[], ""));
    refused(&service().get("sk_live_x", "/invoices"));
}

#[test]
fn read_grants_get_and_write_grants_post_put_and_delete() {
    let (_, key) = account("cay");
    let invoice = |credential: &str, method: &str, id: &str, body: &str| {
        service().send(credential, method, &format!("/invoices/{id}"), body).status
    };
    let ids = [1, 2, 3].map(|n| format!("1a000000-0000-4000-8000-{n:012}"));
    let [one, two, three] = ids.each_ref().map(String::as_str);
    for id in [one, two] {
        let body = json!({"id": id, "amount": 1}).to_string();
        assert_eq!(service().send(&key, "POST", "/invoices", &body).status, 201);
    }
    let reading = token(&key, &["invoices.read"]);
    assert_eq!((service().get(&reading, "/invoices").status, invoice(&reading, "GET", one, "")), (200, 200));
    let with = |id: &str, amount: u32| json!({"id": id, "amount": amount}).to_string();
    let put = &with(one, 7);
    assert_eq!(service().send(&reading, "POST", "/invoices", r#"{"amount": 2}"#).status, 403);
    assert_eq!((invoice(&reading, "PUT", one, put), invoice(&reading, "DELETE", one, "")), (403, 403));
    let writing = token(&key, &["invoices.write"]);
    assert_eq!((service().get(&writing, "/invoices").status, invoice(&writing, "GET", one, "")), (403, 403));
    assert_eq!(service().send(&writing, "POST", "/invoices", &with(three, 3)).status, 201);
    assert_eq!(invoice(&writing, "PUT", one, put), 204);
    assert_eq!(invoice(&writing, "DELETE", two, ""), 204);
    let left = expect(service().get(&key, "/invoices?select=id,amount&order=id"), 200);
    assert_eq!(left, json!([{"id": one, "amount": 7}, {"id": three, "amount": 3}]));
    // What was not asked for is not there.
    for token in [&reading, &writing] {
        assert_eq!(service().get(token, "/profiles?select=name").status, 403);
    }
    // Other accounts are out of reach by id.
    let (_, other) = account("dan");
    assert_eq!(invoice(&other, "PUT", one, &with(one, 0)), 403);
    assert_eq!(invoice(&other, "DELETE", one, ""), 204);
    assert_eq!(expect(service().get(&key, &format!("/invoices/{one}")), 200)[0]["amount"], json!(7));
}

#[test]
fn t603_a_token_of_post_auth_goes_no_further_than_its_permissions_in_any_way() {
    let (_, key) = account("eve");
    assert_eq!(service().send(&key, "POST", "/invoices", r#"{"amount": 5}"#).status, 201);
    let writing = token(&key, &["invoices.write"]);
    // A write that answers with rows reads; so do other ways to ask for them.
    let prefer = |value| {
        service()
            .send_with(&writing, &[("Prefer", value)], "PATCH", "/invoices?amount=eq.5", r#"{"amount": 5}"#)
            .status
    };
    assert_eq!(
        (prefer("return=representation"), prefer("count=exact"), prefer("return=minimal")),
        (403, 403, 204)
    );
    // It makes neither tokens nor keys, and none for more than the key itself may do.
    for permissions in [json!(["invoices.read"]), json!(["*"])] {
        let body = json!({"permissions": permissions}).to_string();
        assert_eq!(service().send(&writing, "POST", "/auth", &body).status, 403);
    }
    assert_eq!(service().send(&writing, "POST", "/rpc/create_api_key", r#"{"name": "x"}"#).status, 403);
    let org = service().organization("eve2");
    let narrow = service().ask(&format!(
        "select key from auth.create_api_key('n', '{org}', scopes => '{{invoices.read,tokens.write}}', user_id => 'eve2')"
    ));
    let wide =
        service().send(&narrow, "POST", "/auth", r#"{"permissions": ["invoices.read", "invoices.write"]}"#);
    assert_eq!(wide.status, 403, "{wide:?}");
    assert_eq!(service().get(&token(&narrow, &["invoices.read"]), "/invoices").status, 200);
}

#[test]
fn a_token_lasts_a_year_or_until_its_expiration_and_ends_with_the_key() {
    let (org, key) = account("fay");
    let year = token(&key, &["invoices.read"]);
    assert!((lifetime(&year) - YEAR).abs() <= 86400, "{}", lifetime(&year));
    assert_eq!(claims(&year)["permissions"], json!(["invoices.read"]));
    let until = |expiration: &str| {
        let body = json!({"permissions": ["invoices.read"], "expiration": expiration}).to_string();
        service().send(&key, "POST", "/auth", &body)
    };
    let soon = service().ask("select to_json(now() + interval '2 hours')::text").replace('"', "");
    let token = text(&expect(until(&soon), 200)["token"]);
    assert!((lifetime(&token) - 7200).abs() <= 60, "{}", lifetime(&token));
    assert_eq!((until("2001-01-01T00:00:00Z").status, until("2999-01-01T00:00:00Z").status), (400, 400));
    asked_for_one(&service().nginx.send("POST", "/auth", &[], r#"{"permissions": []}"#));
    assert_eq!(service().get(&token, "/invoices").status, 200);
    service()
        .admin()
        .run(&format!("select auth.revoke_api_key(id) from auth.api_keys where org_id = '{org}'"));
    refused(&service().get(&token, "/invoices"));
    refused(&service().get(&year, "/invoices"));
}

#[test]
fn keys_are_made_in_the_dashboard_and_by_no_key() {
    let (_, key) = account("gil");
    let create =
        |credential: &str| service().send(credential, "POST", "/rpc/create_api_key", r#"{"name": "k"}"#);
    assert_eq!(create(&key).status, 403);
    let with_all = token(&key, &["*"]);
    assert_eq!(create(&with_all).status, 403);
    let dashboard = service().ask("select auth.issue_jwt('gil', expires_at => now() + interval '1 hour')");
    assert!(text(&expect(create(&dashboard), 200)["key"]).starts_with("sk_live_"));
}

#[test]
fn t604_what_users_entrust_to_drivly_is_read_by_no_key_of_the_organization() {
    let (org, key) = account("hal");
    let user = text(&session(&org, "ivy")["token"]);
    let secret = json!({"name": "Ivy", "ssn": "078-05-1120", "card_number": "4111111111111111"}).to_string();
    assert_eq!(service().send(&user, "POST", "/profiles", &secret).status, 201);
    let readable = "/profiles?select=id,user_id,name";
    let rows = expect(service().get(&key, readable), 200);
    assert_eq!((&rows[0]["name"], &rows[0]["user_id"]), (&json!("Ivy"), &claims(&user)["sub"]));
    let tokens = [key.clone(), token(&key, &["profiles.read", "profiles.write"]), user.clone()];
    for credential in &tokens {
        for path in [
            "/profiles",
            "/profiles?select=ssn",
            "/profiles?select=card_number",
            "/profiles?select=name&ssn=eq.078-05-1120",
            "/profiles?select=name&ssn=like.0*",
            "/profiles?select=name&order=ssn",
            "/profiles?select=name&or=(ssn.eq.078-05-1120,name.eq.x)",
            "/profiles?select=name,x:ssn::text",
        ] {
            let answer = service().get(credential, path);
            assert!(answer.status == 403 && !answer.body.contains("078-05"), "{path}: {answer:?}");
        }
        let back = [("Prefer", "return=representation")];
        let patched = service().send_with(
            credential,
            &back,
            "PATCH",
            "/profiles?name=eq.Ivy&select=ssn",
            r#"{"name": "Ivy"}"#,
        );
        assert_eq!(patched.status, 403, "{patched:?}");
    }
    // The organization does not write it either, and users have their own rows alone.
    for credential in &tokens[..2] {
        assert_eq!(
            service().send(credential, "PATCH", "/profiles?name=eq.Ivy", r#"{"ssn": "1"}"#).status,
            403
        );
    }
    let other = text(&session(&org, "jan")["token"]);
    assert_eq!(expect(service().get(&other, readable), 200), json!([]));
    assert_eq!(service().send(&other, "PATCH", "/profiles?name=eq.Ivy", r#"{"name": "x"}"#).status, 204);
    assert_eq!(expect(service().get(&user, readable), 200)[0]["name"], json!("Ivy"));
    // Drivly's own services read it.
    let underwriting =
        service().ask("select key from auth.create_api_key('Underwriting', kind => 'service')");
    let of_ivy = format!("/profiles?select=ssn&user_id=eq.{}", text(&claims(&user)["sub"]));
    let ssn = expect(service().get(&underwriting, &of_ivy), 200);
    assert_eq!(ssn, json!([{"ssn": "078-05-1120"}]));
}

#[test]
fn a_session_has_a_token_of_ten_minutes_and_a_refresh_token_for_ever() {
    let (org, _) = account("kim");
    let begun = session(&org, "lea");
    let (first, refresh_token) = (text(&begun["token"]), text(&begun["refresh_token"]));
    assert_eq!(lifetime(&first), 600);
    assert_eq!(service().get(&first, "/profiles?select=name").status, 200);
    assert_eq!(service().get(&first, "/invoices").status, 403);
    // Without any other credential.
    let refresh = |token: &str| {
        service().nginx.send("POST", "/auth/refresh", &[], &json!({"refresh_token": token}).to_string())
    };
    let next = expect(refresh(&refresh_token), 200);
    let second = text(&next["token"]);
    assert_eq!((lifetime(&second), service().get(&second, "/profiles?select=name").status), (600, 200));
    assert_eq!(service().get(&second, "/invoices").status, 403);
    assert_eq!(text(&expect(refresh(&text(&next["refresh_token"])), 200)["token"]).split('.').count(), 3);
    // One that was used before ends the session, for whoever has it.
    assert_eq!((refresh("rt_nonsense").status, refresh(&refresh_token).status), (401, 401));
    assert_eq!(refresh(&text(&next["refresh_token"])).status, 401);
    refused(&service().get(&second, "/profiles?select=name"));
}
