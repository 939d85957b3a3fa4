//! Refresh tokens.

use super::world::{NOT_REFRESHED, PASSWORD, World, member};
use pg_bearer_tests::database::Session;
use serde_json::Value;

fn not_refreshed() -> Value {
    serde_json::from_str(NOT_REFRESHED).unwrap()
}

#[test]
fn t153_an_old_refresh_token_ends_the_session() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let token = member(&first, "refresh_token").to_owned();
    let second = world.refresh(&token);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert!(world.is_good(&first) && world.is_good(&second));
    // Once more, within the grace: the same next one.
    let again = world.refresh(&token);
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    assert!(world.is_good(&again));
    // The next one was used: the first is a thief's, or the user's who was robbed.
    let third = world.refresh(member(&second, "refresh_token"));
    assert!(world.is_good(&third));
    assert_eq!(world.refresh(&token), not_refreshed());
    for answer in [&first, &second, &again, &third] {
        assert!(!world.is_good(answer));
        assert_eq!(world.refresh(member(answer, "refresh_token")), not_refreshed());
    }
    let audited = world.admin.value("select count(*) from auth.audit_log where action = 'session.reuse'");
    assert_eq!(audited.as_deref(), Some("1"));
}

#[test]
fn t153_after_the_grace_the_parent_ends_the_session() {
    let mut world = World::new();
    world.admin.run(&format!("alter database {} set pg_bearer.refresh_reuse_grace = 0", world.db.name));
    world.session = world.db.tenant();
    let first = world.sign_up("ada@example.com");
    let second = world.refresh(member(&first, "refresh_token"));
    assert_eq!(world.refresh(member(&first, "refresh_token")), not_refreshed());
    assert!(!world.is_good(&second));
    // And a grace that has passed.
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let second = world.refresh(member(&first, "refresh_token"));
    let pass = |world: &mut World, seconds: u32| {
        world.admin.run(&format!(
            "update auth.sealed_tokens set expires_at = clock_timestamp() + interval '10 s' - interval '{seconds} s'"
        ));
    };
    pass(&mut world, 5);
    assert_eq!(world.refresh(member(&first, "refresh_token"))["refresh_token"], second["refresh_token"]);
    pass(&mut world, 11);
    assert_eq!(world.refresh(member(&first, "refresh_token")), not_refreshed());
    assert!(!world.is_good(&second));
}

#[test]
fn t154_the_tables_give_no_refresh_token() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let second = world.refresh(member(&first, "refresh_token"));
    let rows = "select string_agg(s::text, '|') from (select s::text from auth.sessions s union all select t::text from auth.sealed_tokens t) s";
    let rows = world.admin.value(rows).unwrap();
    for answer in [&first, &second] {
        let token = member(answer, "refresh_token");
        assert!(!rows.contains(token) && !rows.contains(&hex::encode(token)), "{rows}");
    }
    // When the grace is over, the next refresh of anybody forgets what was sealed.
    assert_eq!(world.admin.value("select count(*) from auth.sealed_tokens").as_deref(), Some("1"));
    world.admin.run("update auth.sealed_tokens set expires_at = expires_at - interval '1 hour'");
    let other = world.sign_up("bob@example.com");
    world.refresh(member(&other, "refresh_token"));
    assert_eq!(world.admin.value("select count(*) from auth.sealed_tokens").as_deref(), Some("1"));
}

#[test]
fn what_is_no_refresh_token_is_refused() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let token = member(&answer, "refresh_token");
    for wrong in
        ["", "x", "rt_", &token[..token.len() - 1], &format!("{token}A"), &token.replace("rt_", "RT_")]
    {
        assert_eq!(world.refresh(wrong), not_refreshed(), "{wrong}");
    }
    assert_eq!(world.call("refresh_session(null)"), not_refreshed());
    assert_eq!(world.call("refresh_session(repeat('x', 1000000))"), not_refreshed());
    assert!(world.is_good(&answer));
    let second = world.sign_in("ada@example.com", PASSWORD);
    assert!(world.refresh(member(&second, "refresh_token"))["access_token"].is_string());
}
