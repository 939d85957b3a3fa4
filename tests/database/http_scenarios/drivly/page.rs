//! The page at GET /auth, where a user signs in and lets an application act.

use super::{claims, expect, lifetime, service, text};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::nginx::ORIGIN;
use serde_json::{Value, json};

pub(super) const PASSWORD: &str = "correct horse battery staple";

/// What Host and Origin say of the page itself.
pub(super) const OWN: (&str, &str) = ("Origin", "https://localhost");
pub(super) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// The address of an application with this name, which belongs to this organization.
pub(super) fn application(org: &str, name: &str) -> String {
    let redirect = format!("https://{name}.example/signed-in");
    service().admin().run(&format!(
        "insert into app.applications (redirect, org_id, name) values ('{redirect}', '{org}', 'The app {name}')"
    ));
    redirect
}

/// The id of a new user of Drivly with this name.
pub(super) fn user(name: &str) -> String {
    service().ask(&format!("select auth.create_user('{name}@example.com', '{PASSWORD}')"))
}

/// A value as forms send it.
pub(super) fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(one).collect()
}

pub(super) fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// The form of a user who enters the right password and agrees.
pub(super) fn agreeing(redirect: &str, user: &str) -> String {
    let email = format!("{user}@example.com");
    form(&[("redirect", redirect), ("email", &email), ("password", PASSWORD), ("consent", "given")])
}

/// The form, sent by the page.
pub(super) fn sign_in(body: &str) -> Answer {
    service().nginx.send("POST", "/auth/sign_in", &[OWN, FORM], body)
}

/// Where the user is led back to, and what stands behind `#`.
#[track_caller]
pub(super) fn fragment(answer: &Answer) -> (String, Vec<(String, String)>) {
    assert_eq!((answer.status, answer.body.as_str()), (303, ""), "{answer:?}");
    let (address, fragment) = answer.header("location").unwrap().split_once('#').unwrap();
    let split = |part: &str| part.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    (address.to_owned(), fragment.split('&').filter_map(split).collect())
}

/// The tokens with which a user is led back to exactly this address.
#[track_caller]
pub(super) fn granted(answer: &Answer, redirect: &str) -> Value {
    let (address, given) = fragment(answer);
    assert_eq!(address, redirect);
    assert_eq!((given[0].0.as_str(), given[1].0.as_str()), ("token", "refresh_token"));
    json!({"token": given[0].1, "refresh_token": given[1].1})
}

pub(super) fn get(query: &str) -> Answer {
    service().nginx.send("GET", &format!("/auth?{query}"), &[], "")
}

/// Asserts that it is a page that nothing of another origin shows, reads or keeps.
#[track_caller]
pub(super) fn shown(answer: &Answer, status: u16, form_action: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let policy =
        format!("default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action {form_action}");
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy.as_str()),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.headers(name), [value], "{name}: {answer:?}");
    }
    assert_eq!((answer.header("location"), answer.header("set-cookie")), (None, None));
    assert!(!answer.body.contains("<script") && !answer.body.contains("style"), "{answer:?}");
}

#[test]
fn the_page_says_who_asks_for_what() {
    let org = service().organization("mia");
    let redirect = application(&org, "mia-app");
    let to = format!("redirect={}", encoded(&redirect));
    let policy = "'self' https://mia-app.example";
    let page = get(&to);
    shown(&page, 200, policy);
    for part in [
        "The app mia-app</strong> (mia-app.example)",
        "read your profile",
        "change your profile",
        r#"action="/auth/sign_in""#,
        r#"type="password""#,
        r#"name="redirect" value="https://mia-app.example/signed-in""#,
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    // Least privilege: what the application asks for.
    let less = get(&format!("{to}&permissions=profiles.read&state=x-1"));
    shown(&less, 200, policy);
    assert!(less.body.contains("read your") && !less.body.contains("change your"), "{less:?}");
    assert!(less.body.contains(r#"name="state" value="x-1""#), "{less:?}");
    // What browsers send, and written as it is; other members of a query are passed over.
    let accept = [("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")];
    let raw = format!("/auth?utm_source=x&redirect={redirect}");
    shown(&service().nginx.send("GET", &raw, &accept, ""), 200, policy);
    assert_eq!(service().nginx.send("HEAD", &raw, &[], "").status, 200);
    let put = service().nginx.send("PUT", &raw, &[], "{}");
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
    let got = service().nginx.send("GET", "/auth/sign_in", &[], "");
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
}

#[test]
fn whoever_signs_in_and_agrees_is_led_back_with_both_tokens() {
    let org = service().organization("ned");
    let redirect = application(&org, "ned-app");
    let ola = user("ola");
    let answer = sign_in(&agreeing(&redirect, "ola"));
    let given = granted(&answer, &redirect);
    let one = |name: &str| answer.headers(name).concat();
    assert_eq!((one("cache-control"), one("referrer-policy")), ("no-store".into(), "no-referrer".into()));
    assert_eq!(answer.header("set-cookie"), None);
    let token = text(&given["token"]);
    let claims = claims(&token);
    assert_eq!((lifetime(&token), &claims["sub"]), (600, &json!(ola)));
    assert_eq!(claims["permissions"], json!(["profiles.read", "profiles.write"]));
    assert_eq!(claims["amr"][0]["method"], "password");
    // The refresh token lasts for ever, and each one gives another ten minutes.
    assert_eq!(
        service().ask(&format!("select bool_and(expires_at is null)::text from auth.list_sessions('{ola}')")),
        "true"
    );
    let body = json!({"refresh_token": given["refresh_token"]}).to_string();
    let next = expect(service().nginx.send("POST", "/auth/refresh", &[], &body), 200);
    assert_eq!(lifetime(&text(&next["token"])), 600);
    assert_eq!(service().get(&text(&next["token"]), "/profiles?select=name").status, 200);
    // With the state that the application sent, for it to know its own users; and no more than it asked for.
    let less = agreeing(&redirect, "ola") + "&state=a.b_c~d-1&permissions=profiles.read";
    let (address, parts) = fragment(&sign_in(&less));
    assert_eq!((address, parts.len()), (redirect, 3));
    assert_eq!(parts[2], ("state".into(), "a.b_c~d-1".into()));
    assert_eq!(service().get(&parts[0].1, "/profiles?select=name").status, 200);
    assert_eq!(service().send(&parts[0].1, "POST", "/profiles", r#"{"name": "Ola"}"#).status, 403);
}

#[test]
fn what_users_give_is_in_the_account_of_the_application() {
    let accounts = ["pam", "quin"].map(|owner| {
        let (org, key) = super::account(owner);
        (application(&org, &format!("{owner}-app")), key)
    });
    user("rae");
    let of_rae = accounts.each_ref().map(|(redirect, key)| {
        let token = text(&granted(&sign_in(&agreeing(redirect, "rae")), redirect)["token"]);
        let body = json!({"name": redirect, "ssn": "078-05-1120"}).to_string();
        assert_eq!(service().send(&token, "POST", "/profiles", &body).status, 201);
        (token, key.clone())
    });
    for ((redirect, _), (token, key)) in accounts.iter().zip(&of_rae) {
        // Of two rows of one user each account has its own, and so has each session.
        for credential in [token, key] {
            let rows = expect(service().get(credential, "/profiles?select=name"), 200);
            assert_eq!(rows, json!([{"name": redirect}]));
            assert_eq!(service().get(credential, "/profiles?select=ssn").status, 403);
        }
    }
}

#[test]
fn the_page_of_an_application_sends_from_the_browser_what_a_user_gives() {
    let (org, key) = super::account("xia");
    let redirect = application(&org, "app").replace("app.example", "app.example.com");
    service()
        .admin()
        .run(&format!("update app.applications set redirect = '{redirect}' where org_id = '{org}'"));
    assert_eq!(redirect, format!("{ORIGIN}/signed-in"));
    user("yan");
    let given = granted(&sign_in(&agreeing(&redirect, "yan")), &redirect);
    let origin = ("Origin", ORIGIN);
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin") == Some(ORIGIN);
    for path in ["/profiles", "/auth/refresh"] {
        let asked = service().nginx.send("OPTIONS", path, &[origin], "");
        assert!(asked.status == 204 && allowed(&asked), "{asked:?}");
    }
    let body = r#"{"name": "Yan", "card_number": "4111111111111111"}"#;
    let sent = service().send_with(&text(&given["token"]), &[origin], "POST", "/profiles", body);
    assert!(sent.status == 201 && allowed(&sent), "{sent:?}");
    let body = json!({"refresh_token": given["refresh_token"]}).to_string();
    let next = service().nginx.send("POST", "/auth/refresh", &[origin], &body);
    assert!(next.status == 200 && allowed(&next), "{next:?}");
    assert_eq!(expect(service().get(&key, "/profiles?select=name"), 200), json!([{"name": "Yan"}]));
}

#[test]
fn a_wrong_password_shows_the_page_again_and_tells_nothing() {
    let org = service().organization("sue");
    let redirect = application(&org, "sue-app");
    let tom = user("tom");
    let policy = "'self' https://sue-app.example";
    let wrong = |email: &str, password: &str| {
        let body =
            form(&[("redirect", &redirect), ("email", email), ("password", password), ("consent", "given")]);
        let answer = sign_in(&body);
        shown(&answer, 400, policy);
        assert!(answer.body.contains("E-mail or password is wrong."), "{answer:?}");
        answer.body
    };
    let known = wrong("tom@example.com", "wrong");
    assert_eq!(known, wrong("nobody@example.com", "wrong"));
    assert_eq!(known, wrong("", ""));
    assert_eq!(known, wrong("tom@example.com'--", "\" onfocus=\"x"));
    service().admin().run(&format!("select auth.ban_user('{tom}')"));
    assert_eq!(known, wrong("tom@example.com", PASSWORD));
    // Without consent, or its fields, there is no session.
    user("uma");
    let body = agreeing(&redirect, "uma").replace("&consent=given", "");
    shown(&sign_in(&body), 400, "'none'");
    shown(&sign_in("consent=given"), 400, "'none'");
}

#[test]
fn keys_are_made_by_whoever_signed_in_to_the_dashboard() {
    let owner = user("vic");
    let org = service().organization(&owner);
    let redirect = application(&org, "vic-app");
    let body = json!({"email": "vic@example.com", "password": PASSWORD}).to_string();
    let signed_in = service().nginx.send("POST", "/auth/v1/token?grant_type=password", &[], &body);
    let dashboard = text(&expect(signed_in, 200)["access_token"]);
    let create =
        |credential: &str| service().send(credential, "POST", "/rpc/create_api_key", r#"{"name": "Server"}"#);
    let key = text(&expect(create(&dashboard), 200)["key"]);
    assert_eq!(service().get(&key, "/invoices").status, 200);
    // No key makes one, nor a session that an application has, be it the owner's.
    let session = text(&granted(&sign_in(&agreeing(&redirect, "vic")), &redirect)["token"]);
    for credential in [&key, &session] {
        assert_eq!(create(credential).status, 403);
    }
    // There are no other paths to sign in.
    let signup = service().nginx.send("POST", "/auth/v1/signup", &[], &body);
    assert!(signup.status >= 400, "{signup:?}");
}
