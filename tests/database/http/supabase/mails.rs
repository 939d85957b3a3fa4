//! What is mailed, and what redeems it.

use super::{MAIL, PASSWORD, Site, assert_error, text};
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};

#[test]
fn an_address_is_confirmed_and_then_signs_in() {
    let mut site = Site::new(MAIL);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let user = site.post("signup", &body);
    assert_eq!((user.status, &user.json()["email"]), (200, &json!("ada@example.com")));
    assert_eq!((user.json().get("access_token"), user.json().get("session")), (None, None));
    assert_error(&site.sign_in("ada@example.com", PASSWORD), 400, "invalid_credentials");
    let first = site.mail();
    let resent = site.post("resend", &json!({"type": "signup", "email": "ada@example.com"}));
    assert_eq!((resent.status, resent.json()), (200, json!({})));
    assert_error(&site.post("resend", &json!({"type": "sms", "phone": "1"})), 400, "validation_failed");
    let verified = site.post("verify", &json!({"type": "signup", "token_hash": first["token"]}));
    assert_eq!(verified.status, 200, "{verified:?}");
    assert_eq!(site.user(text(&verified.json(), "access_token")), 200);
    assert_eq!(site.sign_in("ada@example.com", PASSWORD).status, 200);
    // Of an address that is taken the same is told as of one that is not.
    let again = site.post("signup", &body);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((again.status, names(&again.json())), (200, names(&user.json())));
    assert_eq!(again.json()["identities"].as_array().unwrap().len(), 1);
    assert_eq!(site.mail()["purpose"], "already_registered");
}

#[test]
fn a_password_is_reset_in_the_way_of_client_libraries() {
    let mut site = Site::new(MAIL);
    site.admin.run(&format!(
        "select auth.create_user('ada@example.com', '{PASSWORD}', email_confirmed_at => now())"
    ));
    for email in ["ada@example.com", "nobody@example.com"] {
        let asked = site.post("recover", &json!({"email": email, "code_challenge": null}));
        assert_eq!((asked.status, asked.json()), (200, json!({})));
    }
    let token = site.mail()["token"].clone();
    let session = site.post("verify", &json!({"type": "recovery", "token_hash": token})).json();
    let set = json!({"password": "a new password"}).to_string();
    let answer = site.send("PUT", "user", Some(text(&session, "access_token")), &set);
    assert_eq!(answer.status, 200, "{answer:?}");
    let again = site.send("PUT", "user", Some(text(&session, "access_token")), &set);
    assert_error(&again, 400, "reauthentication_needed");
    assert_eq!(site.sign_in("ada@example.com", "a new password").status, 200);
    // Or by the page, in one step.
    site.post("recover", &json!({"email": "ada@example.com"}));
    let token = site.mail()["token"].clone();
    let body = |password: &str| json!({"type": "recovery", "token_hash": token, "password": password});
    // Whoever forgets to type one is told, and the token stays good.
    for short in ["x", ""] {
        assert_error(&site.post("verify", &body(short)), 422, "weak_password");
    }
    assert_eq!(site.post("verify", &body("one more password")).status, 200);
    assert_error(&site.post("verify", &body("one more password")), 403, "otp_expired");
    assert_eq!(site.sign_in("ada@example.com", "one more password").status, 200);
    for path in ["otp", "magiclink"] {
        assert_eq!(
            site.post(path, &json!({"email": "ada@example.com", "create_user": true})).json(),
            json!({})
        );
        assert_eq!(site.mail()["purpose"], "magic_link");
        let token = site.mail()["token"].clone();
        assert_eq!(site.post("verify", &json!({"type": "email", "token_hash": token})).status, 200);
    }
}

#[test]
fn t177_fetching_the_link_of_a_mail_spends_nothing_and_leads_nowhere_else() {
    let mut site = Site::new(MAIL);
    site.post("signup", &json!({"email": "ada@example.com", "password": PASSWORD}));
    let token = site.mail()["token"].as_str().unwrap().to_owned();
    let link = format!("verify?token={token}&type=signup&redirect_to=https%3A%2F%2Fevil.example%0d%0aX:%20y");
    for method in ["GET", "HEAD", "GET"] {
        let page = site.send(method, &link, None, "");
        let expected = if method == "GET" { 200 } else { 404 };
        assert_eq!((page.status, page.header("location")), (expected, None), "{page:?}");
        assert!(!page.body.contains(&token) && !page.body.contains("evil") && page.header("x").is_none());
        if method == "GET" {
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
            assert_eq!(page.header("cache-control"), Some("no-store"));
        }
    }
    let script = site.send("GET", "verify.js", None, "");
    assert!(script.status == 200 && script.header("content-type").unwrap().starts_with("text/javascript"));
    // By GET PostgREST would not write, either.
    let used = site.admin.value("select count(used_at)::text from auth.one_time_tokens").unwrap();
    assert_eq!(used, "0");
    assert_eq!(site.post("verify", &json!({"token": token, "type": "signup"})).status, 200);
}
