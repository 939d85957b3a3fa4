//! What is refused, and how.

use super::super::world;
use super::{MAIL, PASSWORD, Site, assert_error, text};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::nginx::fresh_address;
use serde_json::json;

#[test]
fn bodies_that_are_none_get_errors_that_client_libraries_read() {
    let site = Site::new(MAIL);
    for path in
        ["signup", "token?grant_type=password", "token?grant_type=refresh_token", "verify", "recover", "otp"]
    {
        for body in [
            "[]",
            "1",
            "null",
            "\"x\"",
            r#"{"email": 1, "refresh_token": [], "token": {}, "password": true}"#,
        ] {
            let answer = site.send("POST", path, None, body);
            assert!((400..=422).contains(&answer.status), "{path} {body}: {answer:?}");
            assert_eq!(answer.json()["error_code"], "validation_failed", "{path} {body}: {answer:?}");
        }
        // PostgREST's own, with `message`, which they read too.
        assert_eq!(site.send("POST", path, None, "{").status, 400, "{path}");
    }
    let form = [("apikey", site.apikey.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(site.nginx.send("POST", "/auth/v1/signup", &form, "email=x@example.com").status, 400);
    let credentials = json!({"phone": "+1", "password": PASSWORD});
    assert_error(&site.post("signup", &credentials), 400, "phone_provider_disabled");
    assert_error(&site.post("otp", &json!({"phone": "+1"})), 400, "phone_provider_disabled");
    assert_error(
        &site.post("signup", &json!({"email": "x", "password": PASSWORD})),
        400,
        "validation_failed",
    );
    assert_error(
        &site.post("signup", &json!({"email": "x@example.com", "password": "x"})),
        422,
        "weak_password",
    );
    assert_error(&site.post("signup", &json!({"email": "x@example.com"})), 422, "weak_password");
    assert_error(&site.post("signup", &json!({"email": "", "password": PASSWORD})), 400, "validation_failed");
    assert_error(&site.sign_in("ada@example.com", "wrong"), 400, "invalid_credentials");
    assert_eq!(site.sign_in("ada@example.com", "wrong").json()["error"], "invalid_grant");
    assert_error(&site.refresh(&json!("rt_x")), 400, "refresh_token_not_found");
    assert_error(&site.post("verify", &json!({"token": "otp_x", "type": "email"})), 403, "otp_expired");
}

#[test]
fn whoever_is_not_signed_in_is_401_with_a_challenge() {
    let site = Site::new("");
    for (method, path) in [("GET", "user"), ("PUT", "user"), ("POST", "logout")] {
        for token in [None, Some("eyJhbGciOiJub25lIn0.e30.")] {
            let answer = site.send(method, path, token, if method == "GET" { "" } else { "{}" });
            assert_error(&answer, 401, "bad_jwt");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{answer:?}");
        }
    }
    // What there is not is not found, and by other methods neither.
    for (method, path) in [
        ("GET", "token?grant_type=password"),
        ("POST", "token?grant_type=id_token"),
        ("POST", "token"),
        ("POST", "admin/users"),
        ("GET", "authorize?provider=github"),
        ("DELETE", "user"),
        ("POST", "settings"),
        ("GET", "logout"),
    ] {
        assert_eq!(site.send(method, path, None, "").status, 404, "{method} {path}");
    }
    let unknown =
        site.send("POST", "logout?scope=%22", Some(text(&site.sign_up("a@example.com"), "access_token")), "");
    assert_eq!(unknown.status, 400, "{unknown:?}");
}

/// PostgREST would roll back what `Prefer: tx=rollback` asks for, if its configuration let it, and sets the time zone.
#[test]
fn t182_no_preference_of_a_client_has_an_effect() {
    let mut site = Site::new("");
    let session = site.sign_up("ada@example.com");
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    let refresh = json!({"refresh_token": session["refresh_token"]}).to_string();
    for (path, body) in
        [("token?grant_type=password", &credentials), ("token?grant_type=refresh_token", &refresh)]
    {
        for prefer in [
            "tx=rollback",
            "tx=rollback, timezone=America/Los_Angeles",
            "params=single-object",
            "count=exact",
        ] {
            let headers = [("apikey", site.apikey.as_str()), ("Prefer", prefer)];
            let answer = site.nginx.send("POST", &format!("/auth/v1/{path}"), &headers, body);
            assert_eq!(answer.status, 200, "{prefer}: {answer:?}");
            assert_eq!(site.user(text(&answer.json(), "access_token")), 200, "{prefer}");
            let left = answer.json()["expires_at"].as_i64().unwrap()
                - site
                    .admin
                    .value("select floor(extract(epoch from now()))::bigint::text")
                    .unwrap()
                    .parse::<i64>()
                    .unwrap();
            assert!((3590..=3600).contains(&left), "{left}");
        }
    }
    // A try counts that was to be rolled back.
    let site = Site::new("alter database {db} set pg_bearer.max_sign_in_tries = 3;");
    let statuses: Vec<_> = (0..5)
        .map(|_| {
            let headers = [("apikey", site.apikey.as_str()), ("Prefer", "tx=rollback")];
            let wrong = r#"{"email": "bob@example.com", "password": "wrong"}"#;
            site.nginx.send("POST", "/auth/v1/token?grant_type=password", &headers, wrong).status
        })
        .collect();
    assert_eq!(statuses, [400, 400, 400, 429, 429]);
}

#[test]
fn t176_secrets_in_a_query_are_not_taken_and_not_written_down() {
    let site = Site::new("");
    site.sign_up("ada@example.com");
    let (secret, other) = ("Zq7canaryOfAPassword", "rt_Wb3canaryOfARefreshToken");
    for path in [
        format!("token?grant_type=password&email=ada@example.com&password={secret}"),
        format!("verify?token={secret}"),
        format!("signup?password={secret}"),
        format!("logout?scope={other}"),
    ] {
        for method in ["GET", "POST"] {
            let answer = site.send(method, &path, None, "");
            assert!(
                answer.status != 204 && !answer.body.contains("access_token"),
                "{method} {path}: {answer:?}"
            );
        }
    }
    let wrong = json!({"email": "ada@example.com", "password": secret});
    assert_eq!(site.post("token?grant_type=password", &wrong).status, 400);
    let short = json!({"email": "eve@example.com", "password": secret, "data": 1});
    assert!(site.post("signup", &short).status >= 400);
    assert_eq!(site.post("token?grant_type=refresh_token", &json!({"refresh_token": other})).status, 400);
    for log in [site.nginx.log(), pg_bearer_tests::server().log()] {
        assert!(!log.contains("Zq7canary") && !log.contains("Wb3canary"), "a secret is in a log");
    }
}

/// What a key, or a user without an address, is told and may change.
#[test]
fn t634_neither_a_key_nor_a_user_without_an_address_becomes_another_user() {
    let mut site = Site::new("");
    let ada = site.sign_up("ada@example.com");
    let id = text(&ada["user"], "id");
    let org = world::organization(&mut site.admin, "acme", id);
    let key = world::key(&mut site.admin, &format!(", '{org}', user_id => '{id}'"));
    assert_error(&site.send("GET", "user", Some(&key), ""), 403, "user_not_found");
    assert_error(&site.send("PUT", "user", Some(&key), r#"{"data": {"a": 1}}"#), 403, "user_not_found");
    let denied = site.send("POST", "logout", Some(&key), "");
    assert_error(&denied, 403, "insufficient_privilege");
    assert_eq!(denied.json()["msg"], "the credential belongs to no session of this database");
    // Somebody without an address who is not anonymous.
    let made = site.admin.value("select auth.create_user()").unwrap();
    let begun = site.admin.value(&format!("select auth.issue_session('{made}') ->> 'access_token'")).unwrap();
    for email in ["ada@example.com", "fresh@example.com"] {
        let both = json!({"email": email, "password": PASSWORD}).to_string();
        assert_error(&site.send("PUT", "user", Some(&begun), &both), 422, "validation_failed");
    }
    assert_eq!(site.admin.value("select count(*)::text from auth.users").unwrap(), "2");
    // An administrator's hints are not for clients.
    let unsent = site.post("recover", &json!({"email": "ada@example.com"}));
    assert_error(&unsent, 503, "unexpected_failure");
    assert!(!unsent.body.contains("hook"), "{unsent:?}");
}

#[test]
fn t633_tries_to_sign_in_are_ten_a_minute_of_a_network() {
    let site = Site::new("");
    let session = site.sign_up("ada@example.com");
    let wrong = r#"{"email": "ada@example.com", "password": "wrong"}"#;
    let from = |address: &str, path: &str, body: &str| {
        site.nginx.send_from(address, "POST", &format!("/auth/v1/{path}"), &[("apikey", &site.apikey)], body)
    };
    let paths = ["token?grant_type=password", "recover", "verify", "signup", "otp"];
    let mut last = None;
    for at in 0..14 {
        // The 64 bits of one site.
        let address = format!("2001:db8:0:7::{at}");
        let answer = from(&address, paths[at % paths.len()], wrong);
        assert_eq!(answer.status == 429, at >= 10, "{at}: {answer:?}");
        last = Some(answer);
    }
    let last = last.unwrap();
    assert_error(&last, 429, "over_request_rate_limit");
    let wait: u64 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    // Nor by the functions' own names.
    let headers = [("apikey", site.apikey.as_str()), ("Content-Profile", "auth_http")];
    for path in ["/rpc/token_password", "/rest/v1/rpc/token_password"] {
        // Nor with a choice of what to answer that fails, so that nothing was tried.
        let chosen = format!("{path}?select=pgrst_scalar:pgrst_scalar-%3E%3Eerror::int");
        assert_eq!(site.nginx.send("POST", &chosen, &headers, wrong).status, 400, "{path}");
        let answer = site.nginx.send_from("2001:db8:0:7::1", "POST", path, &headers, wrong);
        assert_eq!(answer.status, 429, "{path}: {answer:?}");
        assert_eq!(site.nginx.send("POST", path, &headers, wrong).status, 400, "{path}");
    }
    // Neither others nor what is no try.
    let refresh = json!({"refresh_token": session["refresh_token"]}).to_string();
    assert_eq!(from("2001:db8:0:7::1", "token?grant_type=refresh_token", &refresh).status, 200);
    assert_eq!(from(&fresh_address(), "token?grant_type=password", wrong).status, 400);
}
