//! Transactions that began before something ended.

use super::session_callers::{as_bearer, call, id};
use super::world::{NOT_REFRESHED, PASSWORD, REFUSED, World, member};
use pg_bearer_tests::database::Session;
use serde_json::Value;

const OTHER: &str = "another good password";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What the user's password becomes, in a transaction of whoever has this answer.
fn change_password(world: &mut World, answer: &Value, old: &str, new: &str) -> Value {
    let call = format!("select auth.change_password('{old}', '{new}')::text");
    json(&world.as_user(answer, &call).unwrap().unwrap())
}

#[test]
fn t155_no_savepoint_or_rollback_leaves_a_token_that_is_good() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let id = id(&first);
    for make in [
        format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"),
        "sign_in_anonymously()".to_owned(),
        format!("sign_up('bob@example.com', '{PASSWORD}')"),
        format!("refresh_session('{}')", member(&first, "refresh_token")),
    ] {
        for (before, after) in [("begin", "rollback"), ("begin; savepoint s", "rollback to s; commit")] {
            world.session.run(before);
            let answer = world.call(&make);
            assert!(world.is_good(&answer), "{make}");
            world.session.run(after);
            assert!(!world.is_good(&answer), "{make} {after}");
            assert_eq!(world.refresh(member(&answer, "refresh_token")), json(NOT_REFRESHED), "{make}");
        }
    }
    // What was made with such a token goes with it.
    world.session.run("begin");
    let answer = world.sign_in("ada@example.com", PASSWORD);
    world.authenticate(&answer).unwrap();
    let minted = world.session.value("select auth.issue_jwt()").unwrap();
    world.session.run("rollback");
    assert!(as_bearer(&mut world.session, &minted, "select 1").is_err());
    assert!(world.is_good(&first));
    let users = world.admin.value(&format!("select count(*) from auth.users where id <> '{id}'"));
    assert_eq!(users.as_deref(), Some("0"));
}

#[test]
fn t155_what_a_session_made_ends_with_it() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let minted = world.as_user(&first, "select auth.issue_jwt()").unwrap().unwrap();
    let again = as_bearer(&mut world.session, &minted, "select auth.issue_jwt()").unwrap().unwrap();
    world.as_user(&first, "select auth.sign_out_session()").unwrap();
    for token in [&minted, &again] {
        let refused = as_bearer(&mut world.session, token, "select 1").unwrap_err();
        assert_eq!(refused, "28000 the credential was refused");
    }
}

#[test]
fn t155_a_prepared_transaction_ends_like_any_other() {
    let mut world = World::new();
    world.sign_up("ada@example.com");
    for (end, is_good) in [("rollback prepared", false), ("commit prepared", true)] {
        let mut session = world.db.tenant();
        session.run("begin");
        let answer = call(&mut session, &format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"));
        let name = format!("{}_{is_good}", world.db.name);
        session.run(&format!("prepare transaction '{name}'"));
        assert!(!world.is_good(&answer));
        session.run(&format!("{end} '{name}'"));
        assert_eq!(world.is_good(&answer), is_good, "{end}");
    }
}

#[test]
fn t444_an_old_snapshot_uses_no_token_that_was_mailed_for_what_was_then() {
    for change in ["password", "address"] {
        let mut world = World::with_mail();
        world.sign_up("ada@example.com");
        let token = member(&world.mail(), "token").to_owned();
        let signed_in = world.call(&format!("redeem_token('{token}')"));
        for (send, arguments) in
            [("send_magic_link", ""), ("send_password_reset", ", 'the password of a thief'")]
        {
            world.call(&format!("{send}('ada@example.com')"));
            let token = member(&world.mail(), "token").to_owned();
            let mut thief = world.db.tenant();
            thief.run("begin isolation level repeatable read; select auth.uid()");
            let id = id(&signed_in);
            match change {
                "password" => drop({
                    let now = world.sign_in("ada@example.com", PASSWORD);
                    change_password(&mut world, &now, PASSWORD, PASSWORD)
                }),
                _ => world.admin.run(&format!(
                    "select auth.update_user('{id}', email => 'ada@other.example', email_confirmed => true)"
                )),
            }
            let refused = call(&mut thief, &format!("redeem_token('{token}'{arguments})"));
            assert_eq!(refused["error"], "invalid_grant", "{change} {send}: {refused}");
            thief.run("rollback");
            world.admin.run(&format!(
                "select auth.update_user('{id}', email => 'ada@example.com', email_confirmed => true)"
            ));
            assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
        }
    }
}

#[test]
fn t445_a_session_that_was_begun_meanwhile_ends_with_the_password() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let token = member(&world.mail(), "token").to_owned();
    let signed_in = world.call(&format!("redeem_token('{token}')"));
    world.call("send_magic_link('ada@example.com')");
    let token = member(&world.mail(), "token").to_owned();
    // Nobody sees these sessions yet.
    let (mut thief, mut service) = (world.db.tenant(), world.db.superuser());
    thief.run("begin");
    let by_mail = call(&mut thief, &format!("redeem_token('{token}')"));
    let mut other = world.db.tenant();
    other.run("begin");
    let by_password = call(&mut other, &format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"));
    service.run("begin");
    let issued = call(&mut service, &format!("issue_session('{}', method => 'oauth')", id(&signed_in)));
    let now = change_password(&mut world, &signed_in, PASSWORD, OTHER);
    for session in [&mut thief, &mut other, &mut service] {
        session.run("commit");
    }
    for answer in [&by_mail, &by_password, &issued, &signed_in] {
        assert!(!world.is_good(answer));
        assert_eq!(world.refresh(member(answer, "refresh_token")), json(NOT_REFRESHED));
    }
    assert!(world.is_good(&now));
}

#[test]
fn t445_an_old_snapshot_signs_in_with_no_password_that_was() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let mut old = world.db.tenant();
    old.run("begin isolation level repeatable read; select auth.uid()");
    let now = change_password(&mut world, &first, PASSWORD, OTHER);
    let sign_in = format!("select auth.sign_in_with_password('ada@example.com', '{PASSWORD}')");
    let refused = old.refused(&sign_in);
    assert!(refused.starts_with("40001 "), "{refused}");
    old.run("rollback");
    assert_eq!(world.sign_in("ada@example.com", PASSWORD), json(REFUSED));
    assert!(world.is_good(&now));
}

#[test]
fn t446_revoking_a_user_ends_what_was_refreshed_before_the_commit() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let mut admin = world.db.superuser();
    admin.run(&format!("begin; select auth.revoke_user('{}')", id(&first)));
    let second = world.refresh(member(&first, "refresh_token"));
    let minted = world.as_user(&second, "select auth.issue_jwt()").unwrap().unwrap();
    assert!(world.is_good(&second));
    admin.run("commit");
    for answer in [&first, &second] {
        assert!(!world.is_good(answer));
        assert_eq!(world.refresh(member(answer, "refresh_token")), json(NOT_REFRESHED));
    }
    assert!(as_bearer(&mut world.session, &minted, "select 1").is_err());
    // Whoever signs in afterwards, does so at once.
    let third = world.sign_in("ada@example.com", PASSWORD);
    assert!(world.is_good(&third));
    assert!(world.refresh(member(&third, "refresh_token"))["access_token"].is_string());
}
