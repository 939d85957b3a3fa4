//! How sessions end: by whom, by time, by number, and with what they came from.

use super::session_callers::{
    GONE, as_bearer, id, organization, refreshes, service, session_id, set, verdict,
};
use super::world::{NOT_REFRESHED, OURS, PASSWORD, REFUSED, World, member};
use pg_bearer_tests::database::Session;
use serde_json::Value;
use std::thread;
use std::time::Duration;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn assert_over(world: &mut World, answer: &Value, context: &str) {
    assert!(!world.is_good(answer), "{context}");
    assert_eq!(world.refresh(member(answer, "refresh_token")), read(NOT_REFRESHED), "{context}");
}

#[test]
fn whoever_is_signed_in_ends_this_session_the_others_or_all() {
    let mut world = World::new();
    let (other, bob) = (world.sign_up("ada@example.com"), world.sign_up("bob@example.com"));
    for (scope, this_ends, others_end) in
        [("", true, false), ("'this'", true, false), ("'others'", false, true), ("'all'", true, true)]
    {
        let (this, that) =
            (world.sign_in("ada@example.com", PASSWORD), world.sign_in("ada@example.com", PASSWORD));
        world.as_user(&this, &format!("select auth.sign_out_session({scope})")).unwrap();
        assert_eq!(world.is_good(&this), !this_ends, "{scope}");
        assert_eq!(world.is_good(&that), !others_end, "{scope}");
        for (answer, ends) in [(&this, this_ends), (&that, others_end)] {
            if ends {
                assert_over(&mut world, answer, scope);
            }
        }
    }
    assert!(!world.is_good(&other) && world.is_good(&bob));
    let rows = world.admin.value("select count(*) from auth.sessions where user_id <> (select u.id::text from auth.users u where u.email like 'bob%')");
    assert_eq!(rows.as_deref(), Some("0"));
}

#[test]
fn t163_who_may_end_sessions_and_who_may_not() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    for scope in ["null", "''", "'This'", "'local'"] {
        let refused = world.as_user(&answer, &format!("select auth.sign_out_session({scope})")).unwrap_err();
        assert_eq!(refused, "22023 scope has a value that is not allowed");
    }
    assert!(world.session.refused("select auth.sign_out_session()").starts_with("28000 "));
    let service = service(&mut world);
    let org = organization(&mut world, &id(&answer));
    let key = format!("select key from auth.create_api_key('k', '{org}', 'live')");
    let key = world.as_user(&answer, &key).unwrap().unwrap();
    let impersonate = format!("select auth.impersonate('{}', 'asked for help')", id(&answer));
    let act = as_bearer(&mut world.session, &service, &impersonate).unwrap().unwrap();
    let minted = world.as_user(&answer, "select auth.issue_jwt()").unwrap().unwrap();
    for credential in [&service, &key, &act, &minted] {
        for scope in ["this", "others", "all"] {
            let call = format!("select auth.sign_out_session('{scope}')");
            let refused = as_bearer(&mut world.session, credential, &call).unwrap_err();
            assert!(refused.starts_with("42501 "), "{refused}");
        }
    }
    // A session for less ends itself, and no other.
    let issue = format!("select auth.issue_session('{}', permissions => '{{docs.read}}')", id(&answer));
    let less = read(&world.admin.value(&issue).unwrap());
    for scope in ["others", "all"] {
        let call = format!("select auth.sign_out_session('{scope}')");
        assert!(world.as_user(&less, &call).unwrap_err().starts_with("42501 "));
    }
    world.as_user(&less, "select auth.sign_out_session()").unwrap();
    assert_over(&mut world, &less, "less");
    assert!(world.is_good(&answer));
}

#[test]
fn users_see_their_own_sessions_and_no_token() {
    let mut world = World::new();
    let (ada, bob) = (world.sign_up("ada@example.com"), world.sign_up("bob@example.com"));
    let again = world.sign_in("ada@example.com", PASSWORD);
    let list = "select jsonb_agg(to_jsonb(s) order by s.created_at)::text from auth.list_sessions() s";
    let listed = read(&world.as_user(&again, list).unwrap().unwrap());
    let (first, second) = (session_id(&mut world, &ada), session_id(&mut world, &again));
    assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&first.into(), &second.into()));
    assert_eq!((&listed[0]["is_current"], &listed[1]["is_current"]), (&false.into(), &true.into()));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&member(&ada, "refresh_token")[30..60]));
    let of = |answer: &Value| format!("select count(*)::text from auth.list_sessions('{}')", id(answer));
    assert_eq!(world.as_user(&ada, &of(&ada)).unwrap().as_deref(), Some("2"));
    assert_eq!(world.as_user(&ada, &of(&bob)).unwrap_err(), "42501 users see their own sessions only");
    assert!(world.session.refused("select * from auth.list_sessions()").starts_with("28000 "));
    assert_eq!(world.admin.value(&of(&bob)).as_deref(), Some("1"));
    let service = service(&mut world);
    let all = "select count(*) from auth.list_sessions()";
    assert_eq!(as_bearer(&mut world.session, &service, all).unwrap().as_deref(), Some("3"));
    // Those that have ended are not there.
    world.admin.run(&format!("select auth.revoke_user('{}')", id(&ada)));
    assert_eq!(world.admin.value(all).as_deref(), Some("1"));
}

#[test]
fn t151_revoking_and_removing_end_sessions() {
    for how in ["revoke_session", "revoke_user", "revoke_user of ours", "remove_user"] {
        let mut world = World::new();
        let (ada, bob) = (world.sign_up("ada@example.com"), world.sign_up("bob@example.com"));
        let again = world.refresh(member(&ada, "refresh_token"));
        let (user, session) = (id(&ada), session_id(&mut world, &ada));
        world.admin.run(&match how {
            "revoke_session" => format!("select auth.revoke_session('{OURS}', '{session}')"),
            "revoke_user of ours" => format!("select auth.revoke_user('{user}', '{OURS}')"),
            _ => format!("select auth.{how}('{user}')"),
        });
        for answer in [&ada, &again] {
            assert_over(&mut world, answer, how);
        }
        assert!(world.is_good(&bob), "{how}");
        let next = world.sign_in("ada@example.com", PASSWORD);
        assert!(world.is_good(&next), "{how}");
        assert!(refreshes(&mut world, &next), "{how}");
    }
}

#[test]
fn sessions_end_with_their_time_and_their_leisure() {
    let mut world = World::new();
    set(&mut world, "session_lifetime = 8");
    let short = world.sign_up("ada@example.com");
    assert!(short["expires_in"].as_i64().unwrap() <= 8);
    let refreshed = world.refresh(member(&short, "refresh_token"));
    assert!(refreshed["expires_at"].as_i64().unwrap() <= short["expires_at"].as_i64().unwrap() + 1);
    set(&mut world, "session_lifetime = 0");
    set(&mut world, "session_idle_time = 60");
    let idle = world.sign_in("ada@example.com", PASSWORD);
    let next = world.refresh(member(&idle, "refresh_token"));
    assert!(world.is_good(&next));
    world.admin.run(
        "update auth.sessions set refreshed_at = refreshed_at - interval '1 min' where expires_at is null",
    );
    assert_eq!(world.refresh(member(&next, "refresh_token")), read(NOT_REFRESHED));
    thread::sleep(Duration::from_secs(6));
    // In the last moments there is no error.
    let last = world.refresh(member(&refreshed, "refresh_token"));
    assert!(
        last == read(NOT_REFRESHED) || last["expires_in"].as_i64().is_some_and(|left| left <= 2),
        "{last}"
    );
    thread::sleep(Duration::from_secs(3));
    assert!(!world.is_good(&short) && !world.is_good(&refreshed));
    // What has ended goes as others sign in, after ten minutes.
    world.admin.run(
        "update auth.sessions set expires_at = expires_at - interval '11 min' where expires_at is not null",
    );
    world.sign_in("ada@example.com", PASSWORD);
    let left = world.admin.value("select count(*) from auth.sessions where expires_at is not null");
    assert_eq!(left.as_deref(), Some("0"));
}

#[test]
fn access_tokens_live_as_long_as_all_that_limits_them_says() {
    let mut world = World::new();
    world.sign_up("ada@example.com");
    for (setting, expected) in [
        ("access_token_lifetime = 60", 60),
        ("access_token_lifetime = 3600", 3600),
        ("max_token_lifetime = 600", 600),
    ] {
        set(&mut world, setting);
        let answer = world.sign_in("ada@example.com", PASSWORD);
        let refreshed = world.refresh(member(&answer, "refresh_token"));
        for answer in [&answer, &refreshed] {
            let seconds = answer["expires_in"].as_i64().unwrap();
            assert!((expected - 1..=expected).contains(&seconds), "{setting}: {seconds}");
            assert!(world.is_good(answer));
        }
    }
    world.admin.run(&format!("select auth.update_issuer('{OURS}', max_lifetime => '90 seconds')"));
    let answer = world.sign_in("ada@example.com", PASSWORD);
    assert!((89..=90).contains(&answer["expires_in"].as_i64().unwrap()), "{answer}");
}

#[test]
fn t165_one_session_too_many_ends_the_oldest() {
    let mut world = World::new();
    set(&mut world, "max_sessions = 3");
    let bob = world.sign_up("bob@example.com");
    let mut answers = vec![world.sign_up("ada@example.com")];
    for _ in 0..4 {
        answers.push(world.sign_in("ada@example.com", PASSWORD));
    }
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(world.is_good(answer), at >= 2, "{at}");
    }
    assert!(world.is_good(&bob));
    set(&mut world, "max_sessions = 0");
    for _ in 0..5 {
        world.sign_in("ada@example.com", PASSWORD);
    }
    assert_eq!(world.admin.value("select count(*) from auth.sessions").as_deref(), Some("9"));
    // One that somebody holds open stays for now.
    set(&mut world, "max_sessions = 1");
    let mut holder = world.db.superuser();
    holder.run("begin; select from auth.sessions for update");
    world.session.run("set statement_timeout = '1.5 s'");
    let newest = world.sign_in("ada@example.com", PASSWORD);
    assert!(world.is_good(&newest));
    holder.run("rollback");
    let newest = world.sign_in("ada@example.com", PASSWORD);
    assert!(world.is_good(&newest));
    assert_eq!(world.admin.value("select count(*) from auth.sessions").as_deref(), Some("2"));
}

#[test]
fn t165_what_nobody_needs_any_more_goes() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let confirm = member(&world.mail(), "token").to_owned();
    let answer = world.call(&format!("redeem_token('{confirm}')"));
    for _ in 0..30 {
        world.call("send_magic_link('ada@example.com')");
        world.sign_in("ada@example.com", "wrong");
    }
    world.admin.run(
        "update auth.one_time_tokens set expires_at = now() - interval '25 hours';
         update auth.sign_in_tries set expires_at = now() - interval '1 second';
         update auth.minted_tokens set expires_at = now() - interval '1 hour'",
    );
    let count = |world: &mut World, table: &str| -> u32 {
        world
            .admin
            .value(&format!("select count(*) from auth.{table} where expires_at < now()"))
            .unwrap()
            .parse()
            .unwrap()
    };
    let before = ["one_time_tokens", "sign_in_tries"].map(|table| count(&mut world, table));
    assert!(before.iter().all(|count| *count >= 30), "{before:?}");
    for _ in 0..4 {
        world.call("send_magic_link('ada@example.com')");
        world.sign_in("ada@example.com", PASSWORD);
    }
    for table in ["one_time_tokens", "minted_tokens"] {
        assert_eq!(count(&mut world, table), 0, "{table}");
    }
    for _ in 0..4 {
        world.sign_in("ada@example.com", "wrong");
    }
    assert_eq!(count(&mut world, "sign_in_tries"), 0);
    assert!(!world.is_good(&answer));
}

#[test]
fn another_password_ends_all_sessions_and_gives_a_new_one() {
    let mut world = World::new();
    let (first, bob) = (world.sign_up("ada@example.com"), world.sign_up("bob@example.com"));
    let second = world.sign_in("ada@example.com", PASSWORD);
    let change = |old: &str, new: &str| format!("select auth.change_password('{old}', '{new}')::text");
    let refused = world.as_user(&second, &change("wrong", "a new password")).unwrap().unwrap();
    assert_eq!(read(&refused), read(REFUSED));
    assert!(world.as_user(&second, &change(PASSWORD, "short")).unwrap_err().starts_with("22023 "));
    assert!(world.as_user(&second, &change(PASSWORD, &"x".repeat(1025))).unwrap_err().starts_with("22023 "));
    assert!(world.is_good(&first) && world.is_good(&second));
    let third = read(&world.as_user(&second, &change(PASSWORD, "a new password")).unwrap().unwrap());
    for answer in [&first, &second] {
        assert_over(&mut world, answer, "changed");
    }
    assert!(world.is_good(&third) && world.is_good(&bob));
    assert!(refreshes(&mut world, &third));
    assert_eq!(world.sign_in("ada@example.com", PASSWORD), read(REFUSED));
    assert!(world.sign_in("ada@example.com", "a new password")["access_token"].is_string());
    assert_eq!(world.admin.value("select count(*) from auth.user_passwords").as_deref(), Some("2"));
    // Nobody else: a service, an act token, one of another issuer, nobody.
    let service = service(&mut world);
    let impersonate = format!("select auth.impersonate('{}', 'asked for help')", id(&third));
    let act = as_bearer(&mut world.session, &service, &impersonate).unwrap().unwrap();
    for credential in [&service, &act, &pg_bearer_tests::token::token_of("github|1")] {
        let change = change("a new password", "a newer password");
        let refused = as_bearer(&mut world.session, credential, &change).unwrap_err();
        assert!(refused.starts_with("42501 "), "{refused}");
    }
    assert_eq!(verdict(&mut world.session, member(&first, "access_token")), Err(GONE.to_owned()));
}
