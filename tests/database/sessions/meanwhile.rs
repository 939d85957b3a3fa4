//! What others do while a call is under way, and what older snapshots do not show.

use super::callers::told;
use super::session_callers::{call, id, set};
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use std::thread;
use std::time::{Duration, Instant};

/// Passwords that are hashed from now on take about a second, but for superusers who say otherwise.
fn slow(world: &mut World) {
    set(world, "password_memory = 131072");
    set(world, "password_passes = 6");
}

const FAST: &str = "set pg_bearer.password_memory = 8192; set pg_bearer.password_passes = 1";

#[test]
fn t486_an_old_snapshot_calls_no_hook_that_was_changed_and_skips_none() {
    let mut world = World::with_mail();
    world.admin.run("select auth.create_user('ada@example.com', email_confirmed_at => now()); create table app.stolen (event jsonb); grant all on app.stolen to public");
    let before = || {
        let mut session = world.db.tenant();
        session.run("begin isolation level repeatable read; select auth.uid()");
        session
    };
    let (mut first, mut second) = (before(), before());
    let owner = format!("app_{}", world.db.name);
    let function = |body: &str| {
        format!(
            "create or replace function app.send_email(event jsonb) returns void language plpgsql as $$ begin {body} end $$;
             alter function app.send_email(jsonb) owner to {owner}"
        )
    };
    world.admin.run(&function("insert into app.stolen values (event);"));
    let send = "select auth.send_password_reset('ada@example.com')";
    assert_eq!(told(&mut first, send), "55000 hook \"send_email\" failed");
    assert_values(&mut world.admin, &[("select count(*) from app.stolen", Some("0"))]);
    // One that is set meanwhile counts, and one that is taken away does not.
    world.admin.run(&function("raise exception 'no';"));
    world.admin.run("select auth.set_hook('before_user_created', 'app.send_email'), auth.set_hook('send_email', 'app.send_email')");
    let sign_up = format!("select auth.sign_up('bob@example.com', '{PASSWORD}')");
    assert_eq!(told(&mut second, &sign_up), "55000 hook \"app.send_email(jsonb)\" failed");
    second.run("rollback; begin isolation level repeatable read; select auth.uid()");
    world.admin.run("select auth.remove_hook('before_user_created'), auth.remove_hook('send_email')");
    assert_eq!(told(&mut second, &sign_up), "ok");
}

#[test]
fn t487_whoever_calls_has_no_say_in_what_the_code_of_a_hook_means() {
    let mut world = World::with_mail();
    let owner = format!("app_{}", world.db.name);
    world.admin.run(&format!(
        "create function app.seen(event jsonb) returns jsonb language plpgsql as $$ begin
             insert into app.outbox (event) select jsonb_object_agg(name, setting) from pg_settings
              where name in ('row_security', 'standard_conforming_strings', 'transform_null_equals', 'array_nulls', 'search_path');
             return null; end $$;
         alter function app.seen(jsonb) owner to {owner}; select auth.set_hook('after_user_created', 'app.seen')"
    ));
    world.session.run(
        "select auth.uid(); set row_security = off; set transform_null_equals = on; set array_nulls = off; set search_path = public",
    );
    // From PostgreSQL 19 on it cannot be turned off.
    let _ = world.session.batch_execute("set standard_conforming_strings = off");
    world.call(&format!("sign_up(E'ada@example.com', '{PASSWORD}')"));
    let expected = "{\"array_nulls\": \"on\", \"search_path\": \"pg_catalog, pg_temp\", \"row_security\": \"on\", \"transform_null_equals\": \"off\", \"standard_conforming_strings\": \"on\"}";
    assert_values(
        &mut world.admin,
        &[("select event from app.outbox where event ? 'row_security'", Some(expected))],
    );
}

#[test]
fn t488_a_password_that_was_set_meanwhile_is_not_replaced() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let token = member(&world.mail(), "token").to_owned();
    let stolen = world.call(&format!("redeem_token('{token}')"));
    world.call("send_password_reset('ada@example.com')");
    let token = member(&world.mail(), "token").to_owned();
    slow(&mut world);
    let mut thief = world.db.tenant();
    let mut owner = world.db.superuser();
    owner.run(&format!("select auth.uid(); {FAST}"));
    let refused = thread::scope(|scope| {
        let stolen = &stolen;
        let changing = scope.spawn(move || {
            thief.run("begin");
            thief.authenticate(member(stolen, "access_token")).unwrap();
            thief.refused(&format!("select auth.change_password('{PASSWORD}', 'the password of a thief')"))
        });
        thread::sleep(Duration::from_millis(400));
        let answer = call(&mut owner, &format!("redeem_token('{token}', 'the password of the owner')"));
        assert!(answer["access_token"].is_string(), "{answer}");
        changing.join().unwrap()
    });
    assert!(refused.starts_with("40001 ") || refused.starts_with("28000 "), "{refused}");
    let of = |world: &mut World, password: &str| {
        world.sign_in("ada@example.com", password)["access_token"].is_string()
    };
    assert!(of(&mut world, "the password of the owner") && !of(&mut world, "the password of a thief"));
}

#[test]
fn t489_an_old_snapshot_does_not_tell_whether_there_is_such_a_user() {
    let mut world = World::with_mail();
    world.admin.run(&format!(
        "select auth.create_user('ada@example.com', '{PASSWORD}', email_confirmed_at => now())"
    ));
    let mut thief = world.db.tenant();
    thief.run("begin isolation level repeatable read; select auth.uid()");
    // Writes the row.
    world.sign_in("ada@example.com", PASSWORD);
    for email in ["ada@example.com", "nobody@example.com"] {
        thief.run("savepoint s");
        let answer = call(&mut thief, &format!("sign_up('{email}', 'a password of a thief')"));
        assert_eq!(answer["user"]["email"], email, "{answer}");
        thief.run("rollback to s");
    }
}

#[test]
fn t490_two_who_sign_up_at_once_learn_nothing_of_the_address() {
    let mut world = World::with_mail();
    world.admin.run(&format!(
        "select auth.create_user('ada@example.com', '{PASSWORD}', email_confirmed_at => now())"
    ));
    for email in ["ada@example.com", "nobody@example.com"] {
        let sign_up = format!("select auth.sign_up('{email}', 'a password of a thief')");
        let mut first = world.db.tenant();
        first.run(&format!("begin; {sign_up}"));
        let begun = Instant::now();
        assert_eq!(told(&mut world.session, &sign_up), "53400 somebody else is changing the same", "{email}");
        assert!(begun.elapsed() > Duration::from_millis(1900), "{email}");
        first.run("rollback");
    }
}

#[test]
fn t491_an_anonymous_user_who_became_somebody_meanwhile_does_not_become_another_one() {
    let mut world = World::new();
    let anonymous = world.call("sign_in_anonymously()");
    let anonymous_token = member(&anonymous, "access_token").to_owned();
    slow(&mut world);
    let (mut first, mut second) = (world.db.tenant(), world.db.superuser());
    second.run(&format!("select auth.uid(); {FAST}"));
    let answer = thread::scope(|scope| {
        let token = &anonymous_token;
        let waiting = scope.spawn(move || {
            first.run("begin");
            first.authenticate(token).unwrap();
            let answer = call(&mut first, &format!("sign_up('victim@example.com', '{PASSWORD}')"));
            first.run("commit");
            answer
        });
        thread::sleep(Duration::from_millis(400));
        second.run("begin");
        second.authenticate(token).unwrap();
        second.run(&format!("select auth.sign_up('eve@example.com', '{PASSWORD}'); commit"));
        waiting.join().unwrap()
    });
    assert_eq!(answer["error"], "invalid_grant", "{answer}");
    let id = id(&anonymous);
    assert_values(
        &mut world.admin,
        &[(&format!("select email from auth.users where id = '{id}'"), Some("eve@example.com"))],
    );
}
