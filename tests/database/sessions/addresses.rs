//! E-mail addresses: which two are one, and whose they are.

use super::callers::told;
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use serde_json::{Value, json};

/// Look like k@example.com, straße@example.com, i@example.com and a@example.com to somebody, or to lower() in some locale or
/// version of ICU. The databases of the tests have the collation of the machine; that it does not count is asked of the catalog.
const LOOKALIKES: [(&str, &str); 3] = [
    ("k@example.com", "\u{212a}@example.com"),
    ("strase@example.com", "stra\u{17f}e@example.com"),
    ("i@example.com", "\u{130}@example.com"),
];

#[test]
fn t142_addresses_differ_unless_it_is_the_case_of_an_ascii_letter() {
    let mut world = World::with_mail();
    for (real, lookalike) in LOOKALIKES {
        world.sign_up(real);
        let id = world.admin.value("select id from auth.users order by created_at desc limit 1").unwrap();
        // Nobody else's mailbox gets what is for the real one.
        world.admin.run("truncate app.outbox");
        for function in ["send_password_reset", "send_magic_link", "send_confirmation"] {
            assert_eq!(world.call(&format!("{function}('{lookalike}')")), json!({}));
        }
        assert_eq!(world.mails(), "0", "{lookalike}");
        world.sign_up(lookalike);
        let mail = world.mail();
        assert_eq!((&mail["recipient"], &mail["purpose"]), (&json!(lookalike), &json!("confirm_email")));
        assert_ne!(mail["user_id"], json!(id));
        world.call(&format!("send_password_reset('{}')", real.replace("example", "EXAMPLE")));
        let mail = world.mail();
        assert_eq!((&mail["recipient"], &mail["user_id"]), (&json!(real), &json!(id)));
    }
    world.sign_up("Über.Ada@example.com");
    world.sign_up("über.ada@example.com");
    world.call("send_magic_link('ÜBER.aDA@Example.com')");
    assert_eq!(world.mail()["recipient"], "Über.Ada@example.com");
}

#[test]
fn t142_no_collation_of_the_database_has_a_say() {
    let mut world = World::new();
    assert_values(
        &mut world.admin,
        &[
            (
                "select collname from pg_attribute join pg_collation c on c.oid = attcollation where attrelid = 'auth.users'::regclass and attname = 'email'",
                Some("C"),
            ),
            (
                "select collname from pg_index join pg_collation c on c.oid = indcollation[0] where indexrelid = 'auth.users_email'::regclass",
                Some("C"),
            ),
            (
                "select auth_internal.folded(E'\\u212a\\u0130\\u017fÄAZ' collate \"C.utf8\")",
                Some("\u{212a}\u{130}\u{17f}Äaz"),
            ),
        ],
    );
    // Compared by bytes, also where Unicode takes two for one.
    world.sign_up("a\u{308}@example.com");
    world.sign_up("ä@example.com");
    assert_values(&mut world.admin, &[("select count(*) from auth.users", Some("2"))]);
}

#[test]
fn t142_what_mailers_take_for_something_else_is_no_address() {
    let mut world = World::with_mail();
    for address in [
        "a\u{ff20}example.com",
        "a@b@example.com",
        "a@b,c@d.de",
        "a@example.com\r\nBcc: b@example.com",
        "a\t@example.com",
        "a b@example.com",
        "a@example.com ",
        "\u{1}a@example.com",
        "@example.com",
        "a@",
        "@",
    ] {
        for call in [
            "sign_up($1, 'correct horse')",
            "send_magic_link($1)",
            "send_password_reset($1)",
            "send_confirmation($1)",
        ] {
            let error = world.session.execute(&format!("select auth.{call}"), &[&address]).unwrap_err();
            assert_eq!(error.code().unwrap().code(), "22023", "{address:?} {call}");
        }
    }
    for argument in ["null", "''", "repeat('x', 1000000) || '@x'"] {
        for function in ["send_magic_link", "send_password_reset", "send_confirmation"] {
            let refused = told(&mut world.session, &format!("select auth.{function}({argument})"));
            assert_eq!(refused, "22023 email has a value that is not allowed");
        }
    }
    assert_eq!(world.mails(), "0");
}

#[test]
fn t141_what_was_mailed_to_the_old_address_is_worth_nothing() {
    let mut world = World::with_mail();
    let id = world
        .admin
        .value("select auth.create_user('ada@example.com', 'correct horse', email_confirmed_at => now())")
        .unwrap();
    for function in ["send_password_reset", "send_magic_link"] {
        world.call(&format!("{function}('ada@example.com')"));
        let token = member(&world.mail(), "token").to_owned();
        // Once more the same address: nothing changed.
        world.admin.run(&format!("select auth.update_user('{id}', email => 'Ada@example.com')"));
        assert_eq!(
            world.admin.value("select email || (email_confirmed_at is not null) from auth.users").as_deref(),
            Some("Ada@example.comtrue")
        );
        world.admin.run(&format!("select auth.update_user('{id}', email => 'eve@example.com')"));
        let password = if function == "send_password_reset" { ", 'eve eve eve'" } else { "" };
        let answer = world.call(&format!("redeem_token('{token}'{password})"));
        assert_eq!(answer["error_description"], "Token is invalid or has expired");
        assert_values(&mut world.admin, &[("select email_confirmed_at is null from auth.users", Some("t"))]);
        world.admin.run(&format!(
            "select auth.update_user('{id}', email => 'ada@example.com', email_confirmed => true)"
        ));
    }
}

#[test]
fn t141_an_address_that_changes_at_this_moment_is_not_confirmed_by_mail_to_the_old_one() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let token = member(&world.mail(), "token").to_owned();
    let mut other = world.db.superuser();
    other.run("begin; select auth.update_user(id::text, email => 'new@example.com') from auth.users");
    let answer = std::thread::scope(|scope| {
        let redeeming = scope.spawn(|| world.call(&format!("redeem_token('{token}')")));
        std::thread::sleep(std::time::Duration::from_millis(500));
        other.run("commit");
        redeeming.join().unwrap()
    });
    assert_eq!(answer["error"], "invalid_grant");
    assert_values(
        &mut other,
        &[("select email || (email_confirmed_at is null) from auth.users", Some("new@example.comtrue"))],
    );
}

#[test]
fn t141_a_new_address_may_be_somebody_elses_when_it_is_confirmed() {
    let mut world = World::with_mail();
    let anonymous = world.call("sign_in_anonymously()");
    let sql = format!("select auth.sign_up('ada@example.com', '{PASSWORD}')::text");
    world.as_user(&anonymous, &sql).unwrap();
    let mail = world.mail();
    assert_eq!((&mail["purpose"], &mail["recipient"]), (&json!("change_email"), &json!("ada@example.com")));
    assert_eq!(mail["user_id"], anonymous["user"]["id"]);
    world.sign_up("ADA@example.com");
    let other = world.mail();
    assert_ne!(other["user_id"], mail["user_id"]);
    let redeem = |mail: &Value| format!("redeem_token('{}')", member(mail, "token"));
    assert_eq!(world.call(&redeem(&mail))["error"], "invalid_grant");
    // Nobody lost anything by it.
    assert!(world.is_good(&anonymous));
    assert_eq!(world.call(&redeem(&other))["user"]["email"], "ADA@example.com");
    assert_values(
        &mut world.admin,
        &[("select string_agg(email, ',') || count(*) from auth.users", Some("ADA@example.com2"))],
    );
}

#[test]
fn t152_nothing_of_an_anonymous_session_outlives_it() {
    for mails in [false, true] {
        let mut world = if mails { World::with_mail() } else { World::new() };
        let anonymous = world.call("sign_in_anonymously('{\"cart\": 7}')");
        let sql = format!("select auth.sign_up('ada@example.com', '{PASSWORD}')::text");
        let answer = world.as_user(&anonymous, &sql).unwrap().unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        if mails {
            assert!(answer["access_token"].is_null() && world.is_good(&anonymous));
            let token = member(&world.mail(), "token").to_owned();
            answer = world.call(&format!("redeem_token('{token}')"));
        }
        assert_eq!(answer["user"]["id"], anonymous["user"]["id"]);
        let identity = world.authenticate(&answer).unwrap();
        assert_eq!(identity["claims"]["is_anonymous"], false);
        assert_eq!(identity["claims"]["user_metadata"], json!({"cart": 7}));
        assert_eq!(identity["claims"]["email_verified"], json!(mails));
        // Whoever began it may be somebody else.
        assert!(!world.is_good(&anonymous));
        assert_eq!(world.refresh(member(&anonymous, "refresh_token"))["error"], "invalid_grant");
        assert!(world.is_good(&answer));
        assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
    }
}

#[test]
fn t152_an_address_that_is_confirmed_ends_what_others_began_with_it() {
    let mut world = World::with_mail();
    world.admin.run(&format!("alter database {} set pg_bearer.confirm_email = 'off'", world.db.name));
    world.session = world.db.tenant();
    let attacker = world.sign_up("ada@example.com");
    assert!(world.is_good(&attacker));
    // She signs in with her mailbox, and never learns that there is a password.
    world.call("send_magic_link('ada@example.com')");
    let token = member(&world.mail(), "token").to_owned();
    let answer = world.call(&format!("redeem_token('{token}')"));
    assert_eq!(answer["user"]["id"], attacker["user"]["id"]);
    assert!(world.is_good(&answer) && !world.is_good(&attacker));
    assert_eq!(world.refresh(member(&attacker, "refresh_token"))["error"], "invalid_grant");
    assert_ne!(world.authenticate(&answer).unwrap()["session_id"], serde_json::Value::Null);
}

#[test]
fn t423_a_magic_link_leaves_no_password_that_somebody_else_set() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let confirmation = member(&world.mail(), "token").to_owned();
    world.call("send_magic_link('ada@example.com')");
    let token = member(&world.mail(), "token").to_owned();
    assert!(world.call(&format!("redeem_token('{token}')"))["access_token"].is_string());
    assert_eq!(world.sign_in("ada@example.com", PASSWORD)["error"], "invalid_grant");
    // What was mailed while there was a password ended with it.
    assert_eq!(world.call(&format!("redeem_token('{confirmation}')"))["error"], "invalid_grant");
    // Once it is confirmed, it is the user's own.
    world.call("send_password_reset('ada@example.com')");
    let reset = member(&world.mail(), "token").to_owned();
    world.call(&format!("redeem_token('{reset}', '{PASSWORD}')"));
    world.call("send_magic_link('ada@example.com')");
    let token = member(&world.mail(), "token").to_owned();
    world.call(&format!("redeem_token('{token}')"));
    assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
}
