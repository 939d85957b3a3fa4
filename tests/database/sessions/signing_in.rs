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

#[test]
fn t447_when_somebody_signed_in_and_until_when_they_are_banned_is_in_the_row() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let id = member(&answer["user"], "id").to_owned();
    assert!(answer["user"]["last_sign_in_at"].is_string(), "{answer}");
    world.admin.run(&format!("select auth.ban_user('{id}')"));
    let banned = "select banned_until::text from auth.users";
    assert_eq!(world.admin.value(banned).as_deref(), Some("infinity"));
    world.admin.run(&format!("select auth.ban_user('{id}', null)"));
    assert_eq!(world.admin.value(banned), None);
    let again = format!("select auth.create_user('bob@example.com', id => '{id}')");
    assert!(world.admin.refused(&again).starts_with("23505 "));
}

#[test]
fn t447_whoever_once_signed_in_has_no_password_set_by_whoever_signs_up_with_their_address() {
    // Addresses are confirmed from later on.
    let mut world = World::with_mail();
    world.admin.run(&format!("alter database {} set pg_bearer.confirm_email = off", world.db.name));
    world.session = world.db.tenant();
    world.sign_up("ada@example.com");
    world.admin.run(&format!("alter database {} set pg_bearer.confirm_email = on", world.db.name));
    world.session = world.db.tenant();
    world.call("sign_up('ada@example.com', 'the password of a thief')");
    assert_eq!(world.mail()["purpose"], "already_registered");
    assert_eq!(world.mails(), "1");
    world.call("send_confirmation('ada@example.com')");
    let token = member(&world.mail(), "token").to_owned();
    world.call(&format!("redeem_token('{token}')"));
    assert_eq!(world.sign_in("ada@example.com", "the password of a thief")["error"], "invalid_grant");
    assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
}
