//! Tokens that are mailed.

use super::callers::{Callers, told};
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use serde_json::{Value, json};
use std::sync::Barrier;
use std::time::{Duration, Instant};

const NEW: &str = "a new password";

/// A token for a user whose address is confirmed.
fn mailed(world: &mut World, function: &str, email: &str) -> String {
    assert_eq!(world.call(&format!("{function}('{email}')")), json!({}));
    let mail = world.mail();
    assert_eq!(mail["recipient"], email);
    member(&mail, "token").to_owned()
}

fn with_users() -> World {
    let mut world = World::with_mail();
    for name in ["ada", "bob"] {
        world.admin.run(&format!(
            "select auth.create_user('{name}@example.com', '{PASSWORD}', email_confirmed_at => now())"
        ));
    }
    world
}

fn redeem(world: &mut World, token: &str) -> Value {
    world.call(&format!("redeem_token('{token}')"))
}

fn is_refused(answer: &Value) -> bool {
    *answer == json!({"error": "invalid_grant", "error_description": "Token is invalid or has expired"})
}

#[test]
fn t139_a_token_is_good_once_for_its_user() {
    let mut world = with_users();
    let token = mailed(&mut world, "send_magic_link", "ada@example.com");
    let other = mailed(&mut world, "send_magic_link", "bob@example.com");
    let answer = redeem(&mut world, &token);
    assert_eq!(answer["user"]["email"], "ada@example.com");
    assert!(world.is_good(&answer));
    assert!(is_refused(&redeem(&mut world, &token)));
    assert_eq!(redeem(&mut world, &other)["user"]["email"], "bob@example.com");
    let claims = &world.authenticate(&answer).unwrap()["claims"];
    assert_eq!(claims["amr"][0]["method"], "magiclink");
    // The tables do not give one.
    let rows = world.admin.value("select string_agg(t::text, '|') from auth.one_time_tokens t").unwrap();
    assert!(!rows.contains(&token) && !rows.contains(&hex::encode(&token)));
}

#[test]
fn t139_what_is_no_token_is_refused() {
    let mut world = with_users();
    let token = mailed(&mut world, "send_magic_link", "ada@example.com");
    let upper = token.to_uppercase();
    for wrong in [
        "",
        "x",
        "otp_",
        &token[..46],
        &format!("{token}A"),
        &token[4..],
        &upper,
        &token.replace("otp_", "inv_"),
    ] {
        assert!(is_refused(&redeem(&mut world, wrong)), "{wrong}");
    }
    for argument in ["null", "repeat('x', 1000000)", &format!("null, '{NEW}'"), &format!("'x', '{NEW}'")] {
        let answer = world.call(&format!("redeem_token({argument})"));
        assert!(is_refused(&answer), "{argument}");
    }
    // For another purpose it is good for nothing, and stays what it is.
    let refused = told(&mut world.session, &format!("select auth.redeem_token('{token}', '{NEW}')"));
    assert_eq!(refused, "22023 new_password has a value that is not allowed");
    for password in ["''", "'short'", "repeat('x', 1025)"] {
        let refused = told(&mut world.session, &format!("select auth.redeem_token('{token}', {password})"));
        assert_eq!(refused, "22023 password has a value that is not allowed");
    }
    assert!(redeem(&mut world, &token)["access_token"].is_string());
    let reset = mailed(&mut world, "send_password_reset", "ada@example.com");
    let session = redeem(&mut world, &reset);
    assert_eq!(world.authenticate(&session).unwrap()["claims"]["amr"][0]["method"], "recovery");
}

#[test]
fn t139_of_sixteen_who_redeem_one_wins() {
    let mut world = with_users();
    let token = mailed(&mut world, "send_magic_link", "ada@example.com");
    let barrier = Barrier::new(16);
    let answers: Vec<String> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16)
            .map(|_| {
                let (barrier, token, mut session) = (&barrier, &token, world.db.tenant());
                scope.spawn(move || {
                    session.run("select auth.uid()");
                    barrier.wait();
                    session.value(&format!("select auth.redeem_token('{token}')")).unwrap()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.contains("access_token")).count(), 1, "{answers:?}");
    assert_values(&mut world.admin, &[("select count(*) from auth.sessions", Some("1"))]);
}

#[test]
fn t139_redeemed_and_rolled_back_is_not_redeemed() {
    let mut world = with_users();
    let token = mailed(&mut world, "send_password_reset", "ada@example.com");
    let call = format!("redeem_token('{token}', '{NEW}')");
    world.session.run("begin");
    let answer = world.call(&call);
    assert!(world.is_good(&answer));
    world.session.run("rollback");
    assert!(!world.is_good(&answer));
    assert_eq!(world.refresh(member(&answer, "refresh_token"))["error"], "invalid_grant");
    assert_eq!(world.sign_in("ada@example.com", NEW)["error"], "invalid_grant");
    let old = world.sign_in("ada@example.com", PASSWORD);
    let again = world.call(&call);
    assert!(world.is_good(&again) && !world.is_good(&answer) && !world.is_good(&old));
    assert!(world.sign_in("ada@example.com", NEW)["access_token"].is_string());
    assert_eq!(world.sign_in("ada@example.com", PASSWORD)["error"], "invalid_grant");
}

#[test]
fn t139_whoever_holds_a_token_is_waited_for_two_seconds() {
    let mut world = with_users();
    let token = mailed(&mut world, "send_magic_link", "ada@example.com");
    let mut other = world.db.tenant();
    other.run(&format!("begin; select auth.redeem_token('{token}')"));
    let begun = Instant::now();
    let refused = told(&mut world.session, &format!("select auth.redeem_token('{token}')"));
    assert_eq!(refused, "53400 somebody else is changing the same");
    assert!(begun.elapsed() < Duration::from_secs(5));
    other.run("rollback");
    assert!(redeem(&mut world, &token)["access_token"].is_string());
}

#[test]
fn t139_what_the_user_has_become_ends_a_token() {
    let mut world = with_users();
    let id = world.admin.value("select id from auth.users where email = 'ada@example.com'").unwrap();
    let change = |world: &mut World| {
        let answer = world.sign_in("ada@example.com", PASSWORD);
        let sql = format!("select auth.change_password('{PASSWORD}', '{PASSWORD}')::text");
        world.as_user(&answer, &sql).unwrap();
    };
    let mut tokens = [(); 4].map(|()| mailed(&mut world, "send_magic_link", "ada@example.com")).into_iter();
    let mut next = || tokens.next().unwrap();
    // The same password again is another one.
    change(&mut world);
    assert!(is_refused(&redeem(&mut world, &next())));
    let reset = mailed(&mut world, "send_password_reset", "ada@example.com");
    let second = mailed(&mut world, "send_password_reset", "ada@example.com");
    let answer = world.call(&format!("redeem_token('{reset}', '{PASSWORD}')"));
    assert!(world.is_good(&answer));
    assert!(is_refused(&world.call(&format!("redeem_token('{second}', '{NEW}')"))));
    let token = mailed(&mut world, "send_magic_link", "ada@example.com");
    world.admin.run(&format!("select auth.ban_user('{id}')"));
    assert!(is_refused(&redeem(&mut world, &token)));
    world.admin.run(&format!("select auth.ban_user('{id}', null)"));
    world.session.run("begin");
    assert!(redeem(&mut world, &token)["access_token"].is_string());
    world.session.run("rollback");
    world.admin.run("update auth.one_time_tokens set expires_at = clock_timestamp()");
    assert!(is_refused(&redeem(&mut world, &token)));
    world.admin.run("update auth.one_time_tokens set expires_at = clock_timestamp() + interval '1 hour'");
    world.admin.run(&format!("select auth.delete_user('{id}')"));
    assert!(is_refused(&redeem(&mut world, &token)));
    assert!(is_refused(&redeem(&mut world, &next())));
}

#[test]
fn t139_a_reset_ends_whatever_was_begun() {
    let mut world = with_users();
    let sessions = [PASSWORD, PASSWORD].map(|password| world.sign_in("ada@example.com", password));
    let others = world.sign_in("bob@example.com", PASSWORD);
    let reset = mailed(&mut world, "send_password_reset", "ada@example.com");
    let answer = world.call(&format!("redeem_token('{reset}', '{NEW}')"));
    for session in &sessions {
        assert!(!world.is_good(session));
        assert_eq!(world.refresh(member(session, "refresh_token"))["error"], "invalid_grant");
    }
    assert!(world.is_good(&answer) && world.is_good(&others));
    assert_eq!(world.authenticate(&answer).unwrap()["claims"]["amr"][0]["method"], "recovery");
}

#[test]
fn t424_a_service_that_may_not_sign_in_just_anybody_gets_no_token_of_anybody() {
    let mut world = World::new();
    let callers = Callers::new(&mut world);
    for function in ["send_magic_link", "send_password_reset", "send_confirmation"] {
        let call = format!("{function}('ada@example.com')");
        let asked = callers.asked(&mut world.session, &call);
        assert!(asked.ends_with("test service: 42501, service: ok"), "{asked}");
        assert!(asked.starts_with("nobody: 55000, user: 55000, key: 55000, acting: 55000"), "{asked}");
    }
    // The one that may, and an administrator, get what signs in.
    world.session.run("begin");
    world.session.authenticate(callers.credential("service")).unwrap();
    let sent = world.call("send_magic_link('ada@example.com')");
    assert_eq!(world.call("send_magic_link('nobody@example.com')"), json!({}));
    world.session.run("commit");
    assert_eq!(redeem(&mut world, member(&sent, "token"))["user"]["id"], json!(callers.id));
    let sent = world.admin.value("select auth.send_password_reset('ada@example.com') ->> 'token'").unwrap();
    let answer = world.call(&format!("redeem_token('{sent}', '{NEW}')"));
    assert!(world.is_good(&answer));
    // With a service's token from a key, which is for less than the key.
    let exchanged = world
        .admin
        .value("select key from auth.create_api_key('live', kind => 'service', environment => 'live')");
    world.session.run("begin");
    world.session.authenticate(&exchanged.unwrap()).unwrap();
    let derived = world.session.value("select auth.exchange_api_key()").unwrap();
    world.session.run("commit; begin");
    world.session.authenticate(&derived).unwrap();
    let refused = told(&mut world.session, "select auth.send_magic_link('ada@example.com')");
    assert_eq!(refused, "42501 a token that came from an API key may not do this");
    world.session.run("rollback");
}

#[test]
fn tokens_are_neither_in_answers_nor_in_the_audit_log() {
    let mut world = with_users();
    let token = mailed(&mut world, "send_magic_link", "ada@example.com");
    world.session.run("set client_min_messages = debug1");
    let answer = redeem(&mut world, &token).to_string();
    assert!(answer.contains("access_token") && !answer.contains(&token[4..]), "{answer}");
    let log = world.admin.value("select string_agg(a::text, '|') from auth.audit_log a").unwrap();
    assert!(log.contains("user.redeem") && !log.contains(&token[4..]), "{log}");
    let stored = world.admin.value("select used_at is not null from auth.one_time_tokens");
    assert_eq!(stored.as_deref(), Some("t"));
}

#[test]
fn mails_are_limited_for_each_address() {
    let mut world = with_users();
    world.admin.run(&format!("alter database {} set pg_bearer.max_mails = 2", world.db.name));
    world.session = world.db.tenant();
    for email in ["ada@example.com", "nobody@example.com"] {
        for function in ["send_magic_link", "send_password_reset"] {
            assert_eq!(world.call(&format!("{function}('{}')", email.to_uppercase())), json!({}));
        }
        world.session.run("select set_config('request.method', 'POST', false)");
        let answer = world.call(&format!("send_confirmation('{email}')"));
        assert_eq!(answer["error"], "too_many_requests", "{email}");
        assert!(answer["retry_after"].as_i64().unwrap() > 0);
        assert!(world.call(&format!("sign_up('{email}', '{PASSWORD}')"))["error"] == "too_many_requests");
    }
    assert_eq!(world.mails(), "2");
}
