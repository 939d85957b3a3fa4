//! What is tried against Founder Sherpa.

use super::super::server;
use super::{PASSWORD, SUPABASE, expect, refused, sherpa, signed, text};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::now;
use serde_json::{Value, json};

#[test]
fn t654_no_request_passes_without_the_project_s_key() {
    let ann = sherpa().founder("keyless");
    let nginx = &sherpa().service.nginx;
    let bearer = format!("Bearer {}", ann.token);
    let body = json!({"email": "keyless@example.com", "password": PASSWORD}).to_string();
    let refresh =
        json!({"refresh_token": sherpa().sign_in("keyless@example.com")["refresh_token"]}).to_string();
    let secret = sherpa()
        .service
        .ask(&format!("select key from auth.create_api_key('k', '{}', user_id => '{}')", ann.org, ann.id));
    let revoked = sherpa().service.ask("select key from auth.create_api_key('old', kind => 'publishable')");
    sherpa().service.admin().run("select auth.revoke_api_key(id) from auth.api_keys where name = 'old'");
    let other = signed("the JWT secret of another project, 32 bytes or more", json!({}));
    let expired = signed(SUPABASE, json!({"iat": now() - 7200, "exp": now() - 3600}));
    let (somebody, service) =
        (signed(SUPABASE, json!({"sub": ann.id})), signed(SUPABASE, json!({"role": "service_role"})));
    let requests = [
        ("POST", "/auth/v1/token?grant_type=password", body.as_str()),
        ("POST", "/auth/v1/token?grant_type=refresh_token", refresh.as_str()),
        ("GET", "/auth/v1/user", ""),
        ("GET", "/rest/v1/documents", ""),
        ("GET", "/rest/v1/workspaces", ""),
    ];
    for (method, path, body) in requests {
        for (what, key, status) in [
            ("none", "", 401),
            ("the token once more", &ann.token, 401),
            ("a secret key beside the token", &secret, 400),
            ("a revoked one", &revoked, 400),
            ("of another project", &other, 400),
            ("expired", &expired, 400),
            ("of somebody", &somebody, 400),
            ("of a service", &service, 400),
            ("nonsense", "your-project-api-key", 400),
        ] {
            let with_token = [("Authorization", bearer.as_str()), ("apikey", key)];
            let answer =
                nginx.send(method, path, if key.is_empty() { &with_token[..1] } else { &with_token }, body);
            assert_eq!(answer.status, status, "{path} {what}: {answer:?}");
            assert!(
                !answer.body.contains("access_token") && !answer.body.contains("deck of"),
                "{path} {what}"
            );
            // Alone they are no key of the project either; a secret key is one, of its user.
            if !key.is_empty() && what != "a secret key beside the token" {
                let alone = nginx.send(method, path, &[("apikey", key)], body);
                assert_eq!(alone.status, 401, "{path} {what}: {alone:?}");
            }
        }
        let in_query =
            format!("{path}{}apikey={}", if path.contains('?') { "&" } else { "?" }, sherpa().apikey);
        let answer = nginx.send(method, &in_query, &[("Authorization", &bearer)], body);
        assert!([400, 401].contains(&answer.status), "{in_query}: {answer:?}");
    }
    // What was refused did not use the refresh token up.
    assert_eq!(sherpa().token("refresh_token", &serde_json::from_str(&refresh).unwrap()).status, 200);
    // Paths beside the page's are not there, whoever asks.
    for path in ["/documents", "/workspaces", "/rpc/workspace", "/health", "/api-keys", "/organizations"] {
        let status = sherpa().get(&ann.token, path).status;
        assert!([403, 404].contains(&status), "{path}: {status}");
    }
}

#[test]
fn t655_a_workspace_of_others_is_neither_read_nor_written_nor_told_from_none() {
    let (ann, eve) = (sherpa().founder("victim"), sherpa().founder("thief"));
    let theirs = &ann.workspace;
    let none = "00000000-0000-4000-8000-000000000000";
    for id in [theirs.as_str(), none] {
        for path in [
            format!("documents?workspace_id=eq.{id}"),
            format!("workspaces?id=eq.{id}"),
            format!("documents?or=(workspace_id.eq.{id},title.eq.x)"),
        ] {
            assert_eq!(
                expect(sherpa().get(&eve.token, &format!("/rest/v1/{path}")), 200),
                json!([]),
                "{path}"
            );
        }
        let asked = sherpa().get(&eve.token, &format!("/rest/v1/rpc/workspace?id={id}"));
        assert_eq!((asked.status, &asked.json()["code"]), (403, &json!("42501")), "{asked:?}");
        assert!(!asked.body.contains(id), "{asked:?}");
        assert_eq!(eve.write(id, "x").status, 403);
        // Nor is a row moved there, or made by an upsert.
        let moved = sherpa().send(
            &eve.token,
            "PATCH",
            "/rest/v1/documents?title=like.deck*",
            &json!({"workspace_id": id}),
        );
        assert_eq!(moved.status, 403, "{moved:?}");
    }
    for (method, body) in [("PATCH", json!({"title": "mine"})), ("DELETE", Value::Null)] {
        let path = format!("/rest/v1/documents?workspace_id=eq.{theirs}");
        assert_eq!(sherpa().send(&eve.token, method, &path, &body).status, 204);
    }
    assert_eq!(
        (ann.titles(), eve.titles()),
        (vec!["deck of victim".to_owned()], vec!["deck of thief".to_owned()])
    );
    // No header chooses one.
    let bearer = format!("Bearer {}", eve.token);
    for (name, value, status) in [
        ("X-Organization", ann.org.as_str(), 403),
        ("X-Workspace", theirs, 200),
        ("X-Workspace-Id", theirs, 200),
        ("Accept-Profile", "app", 406),
        ("Accept-Profile", "auth", 406),
    ] {
        let headers = [("apikey", sherpa().apikey.as_str()), ("Authorization", &bearer), (name, value)];
        let answer = sherpa().service.nginx.send("GET", "/rest/v1/documents?select=title", &headers, "");
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(!answer.body.contains("victim"), "{name}: {answer:?}");
    }
    // Whoever is let out has no more of it, with the token of before.
    let add = format!(
        "select auth.add_member('{}', '{}', 'member'), auth.add_workspace_member('{theirs}', '{}')",
        ann.org, eve.id, eve.id
    );
    sherpa().service.admin().run(&add);
    assert_eq!(eve.titles(), ["deck of thief", "deck of victim"]);
    sherpa().service.admin().run(&format!("select auth.remove_workspace_member('{theirs}', '{}')", eve.id));
    assert_eq!((eve.titles(), eve.write(theirs, "x").status), (vec!["deck of thief".to_owned()], 403));
}

#[test]
fn t656_a_refresh_token_is_no_access_token_and_good_once() {
    sherpa().founder("refresher");
    let first = sherpa().sign_in("refresher@example.com");
    refused(&sherpa().get(&text(&first["refresh_token"]), "/rest/v1/documents"));
    for grant in ["password", "refresh_token"] {
        let swapped = json!({"refresh_token": first["access_token"], "email": "refresher@example.com", "password": first["refresh_token"]});
        assert_eq!(sherpa().token(grant, &swapped).status, 400, "{grant}");
    }
    let second = expect(sherpa().refresh(&first["refresh_token"]), 200);
    let third = expect(sherpa().refresh(&second["refresh_token"]), 200);
    let token = text(&third["access_token"]);
    assert_eq!(sherpa().get(&token, "/rest/v1/documents").status, 200);
    // Somebody comes with one that was used: the session ends, for whoever has it.
    let stolen = sherpa().refresh(&first["refresh_token"]);
    assert_eq!((stolen.status, &stolen.json()["error"]), (400, &json!("invalid_grant")), "{stolen:?}");
    assert_eq!(sherpa().refresh(&third["refresh_token"]).status, 400);
    refused(&sherpa().get(&token, "/rest/v1/documents"));
}

#[test]
fn t657_no_log_has_a_password_a_token_or_a_key() {
    let ann = sherpa().founder("logged");
    let session = sherpa().sign_in("logged@example.com");
    let canary = format!("Canary{}OfAPassword", std::process::id());
    let (access, refresh) = (text(&session["access_token"]), text(&session["refresh_token"]));
    let next = expect(sherpa().refresh(&session["refresh_token"]), 200);
    for body in [
        json!({"email": "logged@example.com", "password": canary}),
        json!({"email": {"is": canary}, "password": [canary]}),
        json!({"refresh_token": {"is": canary}}),
    ] {
        for grant in ["password", "refresh_token", &canary] {
            assert!(sherpa().token(grant, &body).status >= 400);
        }
    }
    for query in [
        format!("grant_type=password&password={canary}"),
        format!("grant_type=refresh_token&refresh_token={refresh}"),
    ] {
        assert!(sherpa().send("", "POST", &format!("/auth/v1/token?{query}"), &json!({})).status >= 400);
    }
    for credential in [&access, &refresh, &canary] {
        sherpa().get(credential, "/rest/v1/documents");
        sherpa().send_with_key(credential, &ann.token, "GET", "/rest/v1/documents", &Value::Null);
        sherpa().get("", &format!("/rest/v1/documents?apikey={credential}"));
    }
    let logs = [sherpa().service.nginx.log(), server().log()];
    assert!(logs[0].contains("POST /auth/v1/token 400"), "nginx's log does not have the requests");
    for secret in [
        &access,
        &refresh,
        &text(&next["refresh_token"]),
        &text(&next["access_token"]),
        &sherpa().apikey,
        &canary,
    ] {
        let end = &secret[secret.len().saturating_sub(40)..];
        for log in &logs {
            assert!(!log.contains(end), "a log has a secret");
        }
    }
}
