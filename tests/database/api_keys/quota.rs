//! How many keys an organization may have, and how long they may live.

use super::world::*;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use std::thread;
use std::time::Duration;

const FULL: &str = "54000 the organization has as many API keys as it may";

#[test]
fn t099_an_organization_has_only_so_many_live_keys() {
    let mut world = World::new();
    world.set("max_api_keys", "3");
    let first = world.key(&Who::User("ada"), "");
    let second = world.key(&Who::User("cara"), "");
    world.key(&Who::Superuser, "org_id => :north, kind => 'service'");
    for who in [Who::User("ada"), Who::Superuser, Who::Service] {
        assert_eq!(world.attempt(&who, "org_id => :north"), FULL, "{who:?}");
    }
    let import = "auth.import_api_key('x', repeat('0', 64), :north)";
    assert_eq!(world.tell(&Who::Superuser, import), FULL);
    assert_eq!(world.attempt(&Who::User("dan"), "org_id => :south"), "k");
    // A key for no organization counts for none.
    assert_eq!(world.attempt(&Who::Superuser, "kind => 'publishable'"), "k");
    world.root(&format!("auth.revoke_api_key('{}')", first.id));
    assert_eq!(world.attempt(&Who::User("ada"), "null"), "k");
    world.key(&Who::User("ada"), "");
    assert_eq!(world.attempt(&Who::User("ada"), "null"), FULL);
    let expire = format!("update auth.api_keys set expires_at = now() where id = '{}'", second.id);
    world.admin.run(&expire);
    assert_eq!(world.attempt(&Who::User("ada"), "null"), "k");
    world.root("auth.set_api_key_settings(:north, max_keys => 2)");
    assert_eq!(world.attempt(&Who::User("ada"), "null"), FULL);
    world.root("auth.set_api_key_settings(:north, max_keys => 5)");
    assert_eq!(world.attempt(&Who::User("ada"), "null"), "k");
    world.root("auth.set_api_key_settings(:north, max_keys => 0)");
    assert_eq!(world.attempt(&Who::User("ada"), "null"), FULL);
    for bad in ["-1", "1000001"] {
        let told =
            world.tell(&Who::Superuser, &format!("auth.set_api_key_settings(:north, max_keys => {bad})"));
        assert_eq!(told, "22023 max_keys has a value that is not allowed");
    }
}

#[test]
fn t099_rotations_with_a_grace_do_not_pile_up_keys() {
    let mut world = World::new();
    world.set("max_api_keys", "3");
    let mut id = world.key(&Who::User("ada"), "").id;
    // Those that were rotated may be as many again as those that were not.
    for _ in 0..5 {
        id =
            world.act(&Who::User("ada"), &format!("id from auth.rotate_api_key('{id}', '90 days')")).unwrap();
    }
    let grace = format!("id from auth.rotate_api_key('{id}', '1 second')");
    assert_eq!(world.tell(&Who::User("ada"), &grace), FULL);
    // What takes another one's place at once is always possible.
    world.root("auth.set_api_key_settings(:north, max_keys => 1)");
    world.act(&Who::User("ada"), &format!("auth.rotate_api_key('{id}')")).unwrap();
}

#[test]
fn t099_two_sessions_do_not_pass_the_quota_together() {
    let mut world = World::new();
    world.set("max_api_keys", "3");
    world.key(&Who::User("ada"), "");
    world.key(&Who::User("ada"), "");
    let create = "select auth.create_api_key('k')";
    let mut one = world.db.tenant();
    one.run("begin");
    one.authenticate(&token_of("ada")).unwrap();
    one.run(create);
    let mut two = world.db.tenant();
    two.run("begin");
    two.authenticate(&token_of("cara")).unwrap();
    let pid = two.value("select pg_backend_pid()").unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(move || two.refused(create));
        let waits = format!("select count(*) from pg_locks where pid = {pid} and not granted");
        while world.admin.value(&waits).as_deref() == Some("0") {
            thread::sleep(Duration::from_millis(5));
        }
        one.run("commit");
        assert_eq!(second.join().unwrap(), FULL);
    });
    assert_eq!(world.root("count(*) from auth.api_keys"), "3");
}

#[test]
fn t099_under_repeatable_read_the_second_of_two_fails() {
    let mut world = World::new();
    let mut session = world.db.tenant();
    session.run("begin isolation level repeatable read");
    session.authenticate(&token_of("ada")).unwrap();
    session.run("select auth.list_api_keys()");
    world.key(&Who::User("cara"), "");
    let told = session.refused("select auth.create_api_key('k')");
    assert_eq!(told, "40001 could not serialize access due to concurrent update");
}

#[test]
fn keys_live_no_longer_than_the_server_allows() {
    let mut world = World::new();
    let forever = world.key(&Who::User("ada"), "");
    assert_eq!(world.stored(&forever, "expires_at"), "-");
    world.set("api_key_max_age", "30d");
    let key = world.key(&Who::User("ada"), "");
    assert_eq!(world.stored(&key, "expires_at - created_at between '29.99 days' and '30 days'"), "true");
    for bad in ["now() + interval '31 days'", "'infinity'", "now() - interval '1 second'"] {
        let expected = "22023 expires_at has a value that is not allowed";
        for who in [Who::User("ada"), Who::Superuser] {
            let told = world.attempt(&who, &format!("org_id => :north, expires_at => {bad}"));
            assert_eq!(told, expected, "{who:?}: {bad}");
        }
        let change = format!("auth.update_api_key('{}', expires_at => {bad})", key.id);
        assert_eq!(world.tell(&Who::User("ada"), &change), expected, "{bad}");
    }
    assert_eq!(world.attempt(&Who::User("ada"), "expires_at => now() + interval '29 days'"), "k");
    let short = world.key(&Who::User("ada"), "expires_at => now() + interval '1 day'");
    // The end that is taken away is the latest that there can be, and a new key is no way around it.
    world.root(&format!("auth.update_api_key('{}', clear => '{{expires_at}}')", short.id));
    assert_eq!(world.stored(&short, "expires_at > created_at + interval '29 days'"), "true");
    let id = world.root(&format!("id from auth.rotate_api_key('{}')", forever.id));
    let new = Key { id, text: String::new() };
    assert_eq!(
        world.stored(&new, "expires_at between created_at + '29.99 days' and created_at + '30.01 days'"),
        "true"
    );
}
