//! Whose account it is that an address is confirmed for: somebody else may have begun it.

use super::session_callers::{as_bearer, call, id, set};
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use serde_json::Value;

const THEIRS: &str = "a password of somebody else";

fn redeem(world: &mut World, token: &str) -> Value {
    world.call(&format!("redeem_token('{token}')"))
}

fn mailed(world: &mut World) -> String {
    member(&world.mail(), "token").to_owned()
}

fn signs_in(world: &mut World, password: &str) -> bool {
    world.sign_in("ada@example.com", password)["access_token"].is_string()
}

#[test]
fn t472_whoever_signs_up_again_sets_no_password_of_who_confirmed_meanwhile() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let token = mailed(&mut world);
    let mut thief = world.db.tenant();
    thief.run("begin");
    call(&mut thief, &format!("sign_up('ada@example.com', '{THEIRS}')"));
    let answer = redeem(&mut world, &token);
    assert!(world.is_good(&answer));
    thief.run("commit");
    assert!(signs_in(&mut world, PASSWORD) && !signs_in(&mut world, THEIRS));
    // The token that was mailed for the thief is worth nothing any more.
    let token = mailed(&mut world);
    assert_eq!(redeem(&mut world, &token)["error"], "invalid_grant");
    assert!(signs_in(&mut world, PASSWORD) && !signs_in(&mut world, THEIRS));
    assert_values(&mut world.admin, &[("select count(*) from auth.user_passwords", Some("1"))]);
}

#[test]
fn t472_nobody_has_a_password_before_the_address_is_confirmed() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let first = mailed(&mut world);
    world.call(&format!("sign_up('ada@example.com', '{THEIRS}')"));
    let second = mailed(&mut world);
    assert_values(&mut world.admin, &[("select count(*) from auth.user_passwords", Some("0"))]);
    for (token, good, bad) in [(&first, PASSWORD, THEIRS), (&second, THEIRS, PASSWORD)] {
        world.session.run("begin");
        assert!(redeem(&mut world, token)["access_token"].is_string());
        assert!(signs_in(&mut world, good) && !signs_in(&mut world, bad));
        world.session.run("rollback");
    }
    // Of two, nobody knows which one is the user.
    world.call("send_confirmation('ada@example.com')");
    let token = mailed(&mut world);
    let answer = redeem(&mut world, &token);
    assert!(world.is_good(&answer) && !signs_in(&mut world, PASSWORD) && !signs_in(&mut world, THEIRS));
    assert_values(&mut world.admin, &[("select count(*) from auth.user_passwords", Some("0"))]);
    // Of one, everybody does; also when the first mail came too late.
    world.sign_up("bob@example.com");
    world.admin.run(
        "update auth.one_time_tokens set expires_at = clock_timestamp() where purpose = 'confirm_email'",
    );
    for _ in 0..2 {
        world.call("send_confirmation('bob@example.com')");
    }
    let token = mailed(&mut world);
    assert!(redeem(&mut world, &token)["access_token"].is_string());
    assert!(world.sign_in("bob@example.com", PASSWORD)["access_token"].is_string());
}

#[test]
fn t472_an_anonymous_user_has_the_password_with_the_address() {
    let mut world = World::with_mail();
    let anonymous = world.call("sign_in_anonymously()");
    world
        .as_user(&anonymous, &format!("select auth.sign_up('ada@example.com', '{PASSWORD}')::text"))
        .unwrap();
    assert_values(&mut world.admin, &[("select count(*) from auth.user_passwords", Some("0"))]);
    assert!(world.is_good(&anonymous));
    let token = mailed(&mut world);
    let answer = redeem(&mut world, &token);
    assert_eq!(id(&answer), id(&anonymous));
    assert!(world.is_good(&answer) && !world.is_good(&anonymous) && signs_in(&mut world, PASSWORD));
}

#[test]
fn t473_a_magic_link_leaves_no_password_that_somebody_holds() {
    let mut world = World::with_mail();
    set(&mut world, "confirm_email = off");
    world.call(&format!("sign_up('ada@example.com', '{THEIRS}')"));
    // As where it is just being hashed anew.
    let mut holder = world.db.superuser();
    holder.run("begin; select from auth.user_passwords for update");
    world.call("send_magic_link('ada@example.com')");
    let token = mailed(&mut world);
    let answer = redeem(&mut world, &token);
    assert!(world.is_good(&answer));
    holder.run("commit");
    assert_values(&mut world.admin, &[("select count(*) from auth.user_passwords", Some("2"))]);
    assert!(!signs_in(&mut world, THEIRS) && !signs_in(&mut world, "*"));
    assert!(world.is_good(&answer));
    // There is none, so the user sets a first one.
    let first = format!("select auth.change_password(null, '{PASSWORD}')::text");
    world.as_user(&answer, &first).unwrap();
    assert!(signs_in(&mut world, PASSWORD) && !world.is_good(&answer));
}

#[test]
fn t476_whoever_holds_the_row_of_a_user_does_not_keep_them_from_another_password() {
    let mut world = World::with_mail();
    world.sign_up("ada@example.com");
    let token = mailed(&mut world);
    let answer = redeem(&mut world, &token);
    let mut thief = world.db.tenant();
    thief.run("begin");
    thief.authenticate(member(&answer, "access_token")).unwrap();
    thief.run("select auth.update_user(data => '{\"a\": 1}')");
    world.call("send_password_reset('ada@example.com')");
    let token = mailed(&mut world);
    let reset = world.call(&format!("redeem_token('{token}', 'another good password')"));
    assert!(world.is_good(&reset) && !world.is_good(&answer));
    thief.run("commit");
    assert!(world.is_good(&reset) && signs_in(&mut world, "another good password"));
}

#[test]
fn t477_an_address_that_is_confirmed_ends_keys_tokens_and_invitations_too() {
    for send in ["send_confirmation", "send_magic_link"] {
        let mut world = World::with_mail();
        set(&mut world, "confirm_email = off");
        let theirs = world.call(&format!("sign_up('ada@example.com', '{THEIRS}')"));
        let user = id(&theirs);
        let org = world.as_user(&theirs, "select auth.create_organization('o')::text").unwrap().unwrap();
        let made = |world: &mut World, call: &str| world.as_user(&theirs, call).unwrap().unwrap();
        let key = made(
            &mut world,
            &format!("select key from auth.create_api_key('k', '{org}', user_id => '{user}')"),
        );
        let minted = made(&mut world, "select auth.issue_jwt()");
        made(&mut world, &format!("select token from auth.create_invitation('{org}')"));
        assert!([&key, &minted].iter().all(|made| as_bearer(&mut world.session, made, "select 1").is_ok()));
        world.call(&format!("{send}('ada@example.com')"));
        let token = mailed(&mut world);
        let answer = redeem(&mut world, &token);
        assert!(world.is_good(&answer));
        for made in [&key, &minted] {
            assert!(as_bearer(&mut world.session, made, "select 1").is_err(), "{send}");
        }
        let open = "select count(*) from auth_internal.open_invitations";
        assert_values(&mut world.admin, &[(open, Some("0"))]);
        // What the user makes from now on stays.
        let key = format!("select key from auth.create_api_key('k', '{org}', user_id => '{user}')");
        let key = world.as_user(&answer, &key).unwrap().unwrap();
        world.call("send_magic_link('ada@example.com')");
        let token = mailed(&mut world);
        redeem(&mut world, &token);
        assert!(as_bearer(&mut world.session, &key, "select 1").is_ok());
    }
}

#[test]
fn t478_a_session_without_a_password_ends_with_the_first_one() {
    let mut world = World::with_mail();
    world.admin.run("select auth.create_user('ada@example.com', email_confirmed_at => now())");
    let link = |world: &mut World| {
        world.call("send_magic_link('ada@example.com')");
        mailed(world)
    };
    let (first, second) = (link(&mut world), link(&mut world));
    // Nobody sees this session yet.
    let mut thief = world.db.tenant();
    thief.run("begin");
    let held = call(&mut thief, &format!("redeem_token('{first}')"));
    let own = redeem(&mut world, &second);
    let set = format!("select auth.change_password(null, '{PASSWORD}')::text");
    let now: Value = serde_json::from_str(&world.as_user(&own, &set).unwrap().unwrap()).unwrap();
    thief.run("commit");
    assert!(world.is_good(&now) && !world.is_good(&held) && !world.is_good(&own));
    assert_eq!(world.refresh(member(&held, "refresh_token"))["error"], "invalid_grant");
}
