//! Signing up and in with a password.

use super::world::{PASSWORD, REFUSED, World, member};
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};

#[test]
fn whoever_signs_up_signs_in_and_is_somebody() {
    let mut world = World::new();
    let signed_up = world.call(&format!("sign_up('Ada@Example.com', '{PASSWORD}', '{{\"name\": \"Ada\"}}')"));
    let answer = world.sign_in("ada@example.com", PASSWORD);
    for answer in [&signed_up, &answer] {
        assert_eq!(answer["token_type"], "bearer");
        assert_eq!(answer["expires_in"], 3600);
        assert_eq!(answer["user"]["email"], "Ada@Example.com");
        assert_eq!(answer["user"]["user_metadata"], json!({"name": "Ada"}));
        assert_eq!(answer["user"]["email_confirmed_at"], Value::Null);
        let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["access_token", "expires_at", "expires_in", "refresh_token", "token_type", "user"]
        );
    }
    let identity = world.authenticate(&answer).unwrap();
    assert_eq!(identity["user_id"], signed_up["user"]["id"]);
    assert_eq!(identity["role"], "authenticated");
    assert_eq!(identity["environment"], "live");
    let claims = &identity["claims"];
    assert_eq!(claims["aud"], "authenticated");
    assert_eq!(claims["aal"], "aal1");
    assert_eq!(claims["amr"][0]["method"], "password");
    assert_eq!(claims["email_verified"], false);
    assert_eq!(claims["is_anonymous"], false);
    assert_eq!(claims["app_metadata"]["provider"], "email");
    assert_eq!(identity["session_id"], claims["session_id"]);
    assert!(claims.get("org_id").is_none());
    assert_eq!(
        world.as_user(&answer, "select auth.current_user_record() ->> 'email'").unwrap().as_deref(),
        Some("Ada@Example.com")
    );
}

#[test]
fn whatever_is_wrong_looks_the_same() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let id = member(&answer["user"], "id").to_owned();
    let refused: Value = serde_json::from_str(REFUSED).unwrap();
    for (email, password) in
        [("ada@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("ada@example.com", ""), ("", "")]
    {
        assert_eq!(world.sign_in(email, password), refused, "{email} {password}");
    }
    for arguments in [
        "null, null",
        "'ada@example.com', null",
        "repeat('x', 100000), 'x'",
        "'ada@example.com', repeat('x', 100000)",
    ] {
        assert_eq!(world.call(&format!("sign_in_with_password({arguments})")), refused, "{arguments}");
    }
    world.admin.run(&format!("select auth.ban_user('{id}')"));
    assert_eq!(world.sign_in("ada@example.com", PASSWORD), refused);
    world.admin.run(&format!("select auth.ban_user('{id}', null)"));
    assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
    world.admin.run(&format!("select auth.delete_user('{id}')"));
    assert_eq!(world.sign_in("ada@example.com", PASSWORD), refused);
}

#[test]
fn t155_a_session_that_was_rolled_back_was_never_there() {
    let mut world = World::new();
    world.sign_up("ada@example.com");
    world.session.run("begin");
    let answer = world.sign_in("ada@example.com", PASSWORD);
    // Its own rows count for the transaction that made them.
    assert!(world.authenticate(&answer).is_ok());
    world.session.run("savepoint s");
    let second = world.sign_in("ada@example.com", PASSWORD);
    world.session.run("rollback to s");
    let error =
        world.session.query_one("select auth.authenticate($1)::text", &[&member(&second, "access_token")]);
    assert!(error.is_err());
    world.session.run("rollback");
    assert!(!world.is_good(&answer));
    assert_eq!(world.refresh(member(&answer, "refresh_token"))["error"], "invalid_grant");
}
