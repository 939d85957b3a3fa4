//! Signing up tells nobody who is there.

use super::callers::{Callers, assert_told, told};
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The names in an answer and in its user, of which the rest is new each time.
fn shape(answer: &Value) -> String {
    let names = |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    let user = &answer["user"];
    let known = ["aud", "role", "email", "email_confirmed_at", "phone", "app_metadata", "user_metadata"];
    format!("{:?} {:?} {:?}", names(answer), names(user), known.map(|name| user[name].to_string()))
}

/// Users of each kind; what each of their addresses is.
fn peopled(world: &mut World) {
    for (name, confirmed) in
        [("taken", "now()"), ("banned", "now()"), ("deleted", "now()"), ("pending", "null")]
    {
        world.admin.run(&format!(
            "select auth.create_user('{name}@example.com', '{PASSWORD}', email_confirmed_at => {confirmed})"
        ));
    }
    world.admin.run(
        "select auth.ban_user(id::text) from auth.users where email = 'banned@example.com';
         select auth.delete_user(id::text) from auth.users where email = 'deleted@example.com'",
    );
}

const ADDRESSES: [&str; 5] = ["taken", "banned", "deleted", "pending", "new"];

#[test]
fn t132_signing_up_says_the_same_of_every_address() {
    let mut world = World::with_mail();
    peopled(&mut world);
    let mut answers = Vec::new();
    for (name, purpose) in ADDRESSES.iter().zip([
        Some("already_registered"),
        None,
        Some("confirm_email"),
        Some("confirm_email"),
        Some("confirm_email"),
    ]) {
        world.admin.run("truncate app.outbox");
        let email = format!("{name}@example.com");
        let answer = world.call(&format!("sign_up('{email}', 'another password', '{{\"a\": 1}}')"));
        answers.push(shape(&answer).replace(&email, "-"));
        let Some(purpose) = purpose else {
            assert_eq!(world.mails(), "0", "{name}");
            continue;
        };
        let mail = world.mail();
        assert_eq!((mail["recipient"].as_str(), mail["purpose"].as_str()), (Some(&*email), Some(purpose)));
        assert_eq!(mail["token"].is_string(), purpose != "already_registered");
        assert!(!answer.to_string().contains("otp_"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    // The password of the one who was there is what it was.
    assert!(world.sign_in("taken@example.com", PASSWORD)["access_token"].is_string());
    assert!(world.sign_in("taken@example.com", "another password")["access_token"].is_null());
}

#[test]
fn t132_mails_are_asked_for_with_one_answer() {
    let mut world = World::with_mail();
    peopled(&mut world);
    for (function, mailed) in [
        ("send_password_reset", ["taken", "pending"].as_slice()),
        ("send_magic_link", &["taken", "pending"]),
        ("send_confirmation", &["pending"]),
    ] {
        for name in ADDRESSES {
            world.admin.run("truncate app.outbox");
            assert_eq!(world.call(&format!("{function}('{}@example.com')", name.to_uppercase())), json!({}));
            let is_mailed = mailed.contains(&name);
            assert_eq!(world.mails(), if is_mailed { "1" } else { "0" }, "{function} {name}");
            if is_mailed {
                assert_eq!(world.mail()["recipient"], format!("{name}@example.com"));
            }
        }
    }
}

#[test]
fn t422_an_anonymous_user_who_signs_up_does_not_learn_whether_the_address_is_taken() {
    let mut world = World::with_mail();
    peopled(&mut world);
    let mut told = Vec::new();
    for name in ADDRESSES {
        world.admin.run("truncate app.outbox");
        let anonymous = world.call("sign_in_anonymously()");
        let call = format!("select auth.sign_up('{name}@example.com', 'another password')::text");
        let answer = world.as_user(&anonymous, &call).unwrap().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        // With a password there is one to be given.
        let call = "select (auth.change_password('wrong', 'one more password') ? 'error')::text";
        let changed = world.as_user(&anonymous, call).unwrap();
        told.push(format!("{} {changed:?}", shape(&answer).replace(name, "-")));
        assert_eq!(world.mails(), if name == "banned" { "0" } else { "1" }, "{name}");
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn t132_without_mails_an_address_of_somebody_elses_is_refused_like_a_wrong_password() {
    let mut world = World::new();
    peopled(&mut world);
    for name in ["taken", "banned"] {
        let answer = world.call(&format!("sign_up('{name}@example.com', 'another password')"));
        assert_eq!(
            answer,
            json!({"error": "invalid_grant", "error_description": "Invalid login credentials"})
        );
    }
    let banned = world.call(&format!("sign_up('banned@example.com', '{PASSWORD}')"));
    assert_eq!(banned["error"], "invalid_grant");
    // Who knows the password is who was there.
    let again = world.sign_up("taken@example.com");
    assert!(world.is_good(&again));
    let old = world.admin.value("select id from auth.users where deleted_at is not null");
    let new = world.sign_up("deleted@example.com");
    assert_ne!(new["user"]["id"].as_str(), old.as_deref());
}

#[test]
fn t132_whoever_holds_an_address_without_having_it_is_waited_for_two_seconds() {
    let mut world = World::new();
    let mut other = world.db.tenant();
    let taken = "53400 somebody else is changing the same";
    for (hold, release) in
        [("select 1", "rollback"), ("prepare transaction 'held'", "rollback prepared 'held'")]
    {
        other.run("begin");
        other.run(&format!("select auth.sign_up('ada@example.com', '{PASSWORD}')"));
        other.run(hold);
        let begun = Instant::now();
        let told = told(&mut world.session, &format!("select auth.sign_up('ADA@example.com', '{PASSWORD}')"));
        let waited = begun.elapsed();
        assert_eq!(told, taken);
        assert!(waited > Duration::from_millis(1500) && waited < Duration::from_secs(6), "{waited:?}");
        world.admin.run("set lock_timeout = '10ms'");
        assert_eq!(world.admin.refused("select auth.create_user('ada@example.com')"), taken);
        other.run(release);
    }
    let answer = world.sign_up("ada@example.com");
    assert!(world.is_good(&answer));
}

#[test]
fn t132_a_hook_that_was_changed_tells_nothing_of_an_address() {
    let mut world = World::with_mail();
    peopled(&mut world);
    world.admin.run(
        "create or replace function app.send_email(event jsonb) returns void language sql as 'select 1'",
    );
    for name in ADDRESSES {
        for call in [
            format!("send_password_reset('{name}@example.com')"),
            format!("send_magic_link('{name}@example.com')"),
            format!("send_confirmation('{name}@example.com')"),
            format!("sign_up('{name}@example.com', '{PASSWORD}')"),
        ] {
            let told = told(&mut world.session, &format!("select auth.{call}"));
            assert_eq!(told, "55000 hook \"send_email\" failed", "{call}");
        }
    }
}

#[test]
fn users_do_not_make_themselves_unless_an_administrator_says_so() {
    let mut world = World::new();
    for (setting, up, anonymously) in
        [("admin", "42501", "42501"), ("interactive", "ok", "42501"), ("anonymous", "ok", "ok")]
    {
        world
            .admin
            .run(&format!("alter database {} set pg_bearer.user_creation = '{setting}'", world.db.name));
        let mut session = world.db.tenant();
        let email = format!("{setting}@example.com");
        for (call, expected) in [
            (format!("sign_up('{email}', '{PASSWORD}')"), up),
            ("sign_in_anonymously()".to_owned(), anonymously),
        ] {
            let told = told(&mut session, &format!("select auth.{call}"));
            assert!(told.starts_with(expected), "{setting} {call}: {told}");
        }
        let refused = session.refused("set pg_bearer.user_creation = 'anonymous'");
        assert!(refused.starts_with("42501"), "{refused}");
    }
    // Without an issuer of ours nobody does.
    world.admin.run("select auth.remove_issuer(issuer) from auth.issuers where own");
    let told = told(&mut world.session, &format!("select auth.sign_up('z@example.com', '{PASSWORD}')"));
    assert!(told.starts_with("55000"), "{told}");
}

#[test]
fn what_is_no_user_is_none() {
    let mut world = World::new();
    let long = "repeat('x', 250) || '@b.de'";
    assert_told(
        &mut world.session,
        &[
            &format!("sign_up(null, '{PASSWORD}')"),
            &format!("sign_up('', '{PASSWORD}')"),
            &format!("sign_up({long}, '{PASSWORD}')"),
            &format!("sign_up(repeat('x', 1000000) || '@b.de', '{PASSWORD}')"),
            "sign_up('a@b.de', null)",
            "sign_up('a@b.de', '')",
            "sign_up('a@b.de', '1234567')",
            "sign_up('a@b.de', repeat('x', 1025))",
            &format!("sign_up('a@b.de', '{PASSWORD}', '[]')"),
            &format!("sign_up('a@b.de', '{PASSWORD}', 'null')"),
            "sign_in_anonymously('1')",
        ],
        "22023",
    );
    assert_told(
        &mut world.admin,
        &[
            "create_user('')",
            "create_user('a')",
            "create_user(email_confirmed_at => now())",
            "create_user(phone => '')",
            "create_user(phone => repeat('1', 65))",
            "create_user(password => 'short')",
            "create_user(password => '12345678', password_hash => '$2b$04$abcdefghijklmnopqrstuv')",
            "create_user(password_hash => 'md5abc')",
            "create_user(data => '1')",
            "create_user(app_metadata => '\"x\"')",
            "list_users(null)",
            "list_users(0)",
            "list_users(10001)",
            "ban_user(null)",
            "ban_user('')",
            "ban_user(repeat('x', 1025))",
            "delete_user(null)",
            "delete_user('')",
            "delete_user('nobody')",
            "delete_user(gen_random_uuid()::text)",
            "update_user()",
            "update_user('nobody', data => '{}')",
        ],
        "22023",
    );
    let made =
        world.admin.value("select auth.create_user('a@b.de', phone => '1', password_hash => '')").unwrap();
    assert_told(
        &mut world.admin,
        &["create_user('A@B.DE')", &format!("create_user(id => '{made}')")],
        "23505 there is such a user already",
    );
    assert_values(&mut world.admin, &[("select count(*) from auth.users", Some("1"))]);
}

#[test]
fn who_may_call_what_of_users() {
    let mut world = World::new();
    let callers = Callers::new(&mut world);
    let id = &callers.id;
    let all = |refused: &str, user: &str, service: &str, test: &str| {
        format!(
            "nobody: {}, user: {user}, key: 42501, acting: 42501, less: 42501, test service: {test}, service: {service}",
            refused
        )
    };
    for (call, expected) in [
        ("create_user('b@example.com')".to_owned(), all("28000", "42501", "ok", "42501")),
        (format!("ban_user('{id}')"), all("28000", "42501", "ok", "42501")),
        ("list_users()".to_owned(), all("28000", "42501", "ok", "ok")),
        (format!("update_user('{id}', app_metadata => '{{}}')"), all("28000", "42501", "ok", "42501")),
        (format!("update_user('{id}', email => 'b@example.com')"), all("28000", "42501", "ok", "42501")),
        (format!("update_user('{id}', email_confirmed => true)"), all("28000", "42501", "ok", "42501")),
        (format!("update_user('{id}', phone => '1')"), all("28000", "42501", "ok", "42501")),
        (format!("update_user('{id}', data => '{{\"a\": 1}}')"), all("28000", "ok", "ok", "42501")),
        ("update_user(data => '{\"a\": 1}')".to_owned(), all("28000", "ok", "22023", "42501")),
        // Her only organization has to have an owner.
        (format!("delete_user('{id}')"), all("28000", "42501", "42501", "42501")),
        (format!("change_password(null, '{PASSWORD}')"), all("28000", "ok", "42501", "42501")),
        ("set_hook('send_email', 'app.f')".to_owned(), all("42501", "42501", "42501", "42501")),
        ("remove_hook('send_email')".to_owned(), all("42501", "42501", "42501", "42501")),
        ("list_hooks()".to_owned(), all("42501", "42501", "42501", "42501")),
        (
            "send_magic_link('ada@example.com')".to_owned(),
            all("55000", "55000", "ok", "42501")
                .replace("42501, acting: 42501, less: 42501", "55000, acting: 55000, less: 55000"),
        ),
    ] {
        assert_eq!(callers.asked(&mut world.session, &call), expected, "{call}");
    }
    let sees = "current_user_record()";
    for (who, sees_it) in [("user", true), ("service", false)] {
        world.session.run("begin");
        let credential = callers.credential(who).to_owned();
        world.session.authenticate(&credential).unwrap();
        assert_eq!(world.session.value(&format!("select auth.{sees} ->> 'id'")).is_some(), sees_it);
        world.session.run("rollback");
    }
    assert_eq!(world.session.value(&format!("select auth.{sees}")), None);
    assert_eq!(member(&callers.ada["user"], "email"), "ada@example.com");
}

#[test]
fn a_request_of_postgrest_gets_its_status() {
    let mut world = World::new();
    world.sign_up("ada@example.com");
    world.admin.run(&format!("alter database {} set pg_bearer.max_sign_in_tries = 3", world.db.name));
    world.session = world.db.tenant();
    let set =
        "select current_setting('response.status', true) || ' ' || current_setting('response.headers', true)";
    let call = "select auth.sign_up('ada@example.com', 'wrong password')";
    world.session.run(&format!("begin; {call}"));
    assert_eq!(world.session.value(set), None);
    world.session.run("rollback; begin; select set_config('request.method', 'POST', true)");
    world.session.run(&format!("select auth.sign_in_with_password('ada@example.com', '{PASSWORD}')"));
    let headers = world.session.value("select current_setting('response.headers', true)");
    assert_eq!(headers.as_deref(), Some("[{\"Cache-Control\": \"no-store\"}]"));
    world.session.run(call);
    assert_eq!(world.session.value(set).as_deref(), Some("400 [{\"Cache-Control\": \"no-store\"}]"));
    let limited: Value = serde_json::from_str(&world.session.value(call).unwrap()).unwrap();
    let seconds = limited["retry_after"].as_i64().unwrap_or_else(|| panic!("{limited}"));
    let headers = format!("429 [{{\"Cache-Control\": \"no-store\"}}, {{\"Retry-After\": \"{seconds}\"}}]");
    assert_eq!(world.session.value(set), Some(headers));
    assert!((1..=900).contains(&seconds) && limited["error"] == "too_many_requests", "{limited}");
    world.session.run("rollback");
}

#[test]
fn each_limit_of_tries_is_its_own() {
    let mut world = World::new();
    let name = world.db.name.clone();
    for (number, setting) in
        ["max_sign_in_tries", "max_sign_in_tries_per_network", "max_mails"].iter().enumerate()
    {
        world.admin.run(&format!("alter database {name} set pg_bearer.{setting} = {}", number + 7));
    }
    let mut session = world.db.tenant();
    for loaded in [false, true] {
        let numbers = "select concat(current_setting('pg_bearer.max_sign_in_tries'), ' ',
            current_setting('pg_bearer.max_sign_in_tries_per_network'), ' ', current_setting('pg_bearer.max_mails'))";
        assert_eq!(session.value(numbers).as_deref(), Some("7 8 9"), "{loaded}");
        session.run("select auth.uid()");
    }
}
