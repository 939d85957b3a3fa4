//! Signing up, in and out.

use super::{PASSWORD, Site, assert_error, text};
use serde_json::json;

#[test]
fn a_session_begins_goes_on_and_ends() {
    let site = Site::new("");
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "data": {"name": "Ada"},
                      "gotrue_meta_security": {}, "code_challenge": null, "code_challenge_method": null});
    let answer = site.post("signup?redirect_to=https%3A%2F%2Fapp.example.com", &body);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    let session = answer.json();
    for name in ["access_token", "refresh_token", "expires_in", "expires_at"] {
        assert!(!session[name].is_null(), "{session}");
    }
    let user = &session["user"];
    assert_eq!((&session["token_type"], &user["email"]), (&json!("bearer"), &json!("ada@example.com")));
    assert_eq!((&user["role"], &user["user_metadata"]), (&json!("authenticated"), &json!({"name": "Ada"})));
    assert_eq!(user["identities"][0]["identity_data"]["email"], "ada@example.com");
    let token = text(&session, "access_token");
    let shown = site.send("GET", "user", Some(token), "");
    assert_eq!((shown.status, &shown.json()["id"]), (200, &user["id"]));
    let changed = site.send("PUT", "user", Some(token), r#"{"data": {"name": null, "age": 36}}"#);
    assert_eq!((changed.status, &changed.json()["user_metadata"]), (200, &json!({"age": 36})), "{changed:?}");

    let next = site.refresh(&session["refresh_token"]).json();
    assert_eq!(site.user(text(&next, "access_token")), 200);
    let again = site.sign_in("ada@example.com", PASSWORD).json();
    let out = |token: &str, scope: &str| site.send("POST", &format!("logout{scope}"), Some(token), "").status;
    assert_eq!(out(text(&again, "access_token"), "?scope=others"), 204);
    assert_eq!((site.user(token), site.user(text(&again, "access_token"))), (401, 200));
    assert_error(&site.refresh(&next["refresh_token"]), 400, "refresh_token_not_found");
    assert_eq!(out(text(&again, "access_token"), "?scope=local"), 204);
    assert_eq!(site.user(text(&again, "access_token")), 401);
    let both = [0, 1].map(|_| site.sign_in("ada@example.com", PASSWORD).json());
    assert_eq!(out(text(&both[0], "access_token"), ""), 204);
    assert_eq!(both.map(|session| site.user(text(&session, "access_token"))), [401, 401]);
}

#[test]
fn an_anonymous_user_becomes_one_who_can_come_back() {
    let site = Site::new("");
    let answer = site.post("signup", &json!({"data": {}, "gotrue_meta_security": {}}));
    let session = answer.json();
    let user = &session["user"];
    assert_eq!((&user["is_anonymous"], &user["identities"]), (&json!(true), &json!([])), "{answer:?}");
    let token = text(&session, "access_token");
    let alone = site.send("PUT", "user", Some(token), r#"{"email": "gus@example.com"}"#);
    assert_error(&alone, 422, "validation_failed");
    let both = json!({"email": "gus@example.com", "password": PASSWORD}).to_string();
    let grown = site.send("PUT", "user", Some(token), &both);
    assert_eq!((grown.status, &grown.json()["id"]), (200, &user["id"]), "{grown:?}");
    assert_eq!(site.sign_in("gus@example.com", PASSWORD).json()["user"]["id"], user["id"]);
}

#[test]
fn a_password_is_changed_with_the_current_one_and_the_session_stays() {
    let site = Site::new("");
    let session = site.sign_up("ada@example.com");
    let token = text(&session, "access_token");
    let put = |body: serde_json::Value| site.send("PUT", "user", Some(token), &body.to_string());
    assert_error(&put(json!({"password": "a new password"})), 400, "reauthentication_needed");
    let wrong = json!({"password": "a new password", "current_password": "wrong"});
    assert_error(&put(wrong), 400, "invalid_credentials");
    let short = put(json!({"password": "x", "current_password": PASSWORD}));
    assert_error(&short, 422, "weak_password");
    assert_eq!(short.json()["weak_password"], json!({"reasons": ["length"]}));
    let right = json!({"password": "a new password", "current_password": PASSWORD});
    assert_eq!(put(right).status, 200);
    assert_eq!((site.user(token), site.refresh(&session["refresh_token"]).status), (200, 200));
    assert_error(&site.sign_in("ada@example.com", PASSWORD), 400, "invalid_credentials");
    assert_eq!(site.sign_in("ada@example.com", "a new password").status, 200);
    // Nobody takes another address.
    assert_error(&put(json!({"email": "bob@example.com"})), 422, "validation_failed");
    assert_eq!(put(json!({"email": "ada@example.com"})).status, 200);
}

#[test]
fn what_everybody_is_told() {
    let site = Site::new("");
    let get = |path: &str| site.send("GET", path, None, "");
    let settings = get("settings").json();
    assert_eq!(settings["external"], json!({"email": true, "phone": false, "anonymous_users": true}));
    assert_eq!((&settings["disable_signup"], &settings["mailer_autoconfirm"]), (&json!(false), &json!(true)));
    assert_eq!((get("health").status, get("health").json()), (200, json!({"status": "ok"})));
    let keys = get(".well-known/jwks.json");
    assert_eq!((keys.status, &keys.json()["keys"][0]["alg"]), (200, &json!("ES256")), "{keys:?}");
    let other = Site::new("alter database {db} set pg_bearer.user_creation = 'admin';");
    let settings = other.send("GET", "settings", None, "").json();
    assert_eq!(
        (&settings["disable_signup"], &settings["external"]["anonymous_users"]),
        (&json!(true), &json!(false))
    );
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let disabled = other.post("signup", &body);
    assert_error(&disabled, 422, "signup_disabled");
    assert_eq!(disabled.json()["msg"], "users do not sign up here by themselves");
    assert_error(&other.post("signup", &json!({"data": {}})), 422, "anonymous_provider_disabled");
}
