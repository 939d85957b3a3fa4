//! Ways around the rules for API keys that somebody once found.

use super::world::*;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

const WIDE: &str = "42501 the key would go beyond what you may do: it is itself an API key";

/// A token of a user with these claims besides.
fn token(user: &str, claims: serde_json::Value) -> Who {
    let own = json!({"iss": STRICT_ISSUER, "sub": user, "org_id": null});
    Who::Bearer(hs256(&with(with(claims_a(), own), claims)))
}

#[test]
fn t101_the_scopes_of_a_token_limit_the_keys_made_with_it() {
    let mut world = World::new();
    let scoped = token("ada", json!({"scope": "openid api_keys.write docs.read"}));
    let key = world.key(&scoped, "");
    assert_eq!(world.stored(&key, "scopes"), "{api_keys.write,docs.read}");
    let may = "concat(auth.has_scope('docs.read'), auth.has_scope('docs.write'), auth.has_permission('x'))";
    assert_eq!(world.tell(&key.bearer(), may), "tff");
    let wider = "42501 the key would go beyond what you may do: scopes";
    for arguments in ["scopes => '{*}'", "scopes => '{docs.*}'"] {
        assert_eq!(world.attempt(&scoped, arguments), wider, "{arguments}");
    }
    let role = "42501 the scopes of the token do not cover this";
    assert_eq!(world.attempt(&scoped, "scopes => '{*}', role => 'viewer'"), role);
    // Nor does it get more by changing or rotating one.
    let whole = world.key(&Who::User("ada"), "");
    for (call, id) in [
        ("update_api_key('{id}', clear => '{scopes}')", &key.id),
        ("update_api_key('{id}', scopes => '{*}')", &key.id),
        ("rotate_api_key('{id}')", &whole.id),
    ] {
        assert_eq!(world.tell(&scoped, &format!("auth.{}", call.replace("{id}", id))), wider, "{call}");
    }
    let limited = token("ada", json!({"scope": "docs.read"}));
    assert_eq!(world.attempt(&limited, "scopes => '{docs.read}'"), TOO_LOW);
    // Those that only ask for claims say nothing about permissions.
    let key = world.key(&token("ada", json!({"scope": "openid profile email offline_access"})), "");
    assert_eq!(world.stored(&key, "scopes"), "-");
    // Nor does a key hide who it really was.
    let impersonated = token("ada", json!({"act": {"sub": "support"}}));
    let refused = "42501 whoever acts for somebody else gives nothing that lasts";
    assert_eq!(world.attempt(&impersonated, "null"), refused);
}

#[test]
fn t097_a_revocation_waits_for_nobody_and_counts_although_the_row_is_held() {
    let mut world = World::new();
    let key = world.key(&Who::User("ada"), "");
    for hold in
        ["revoke_api_key('{id}')", "update_api_key('{id}', 'held')", "rotate_api_key('{id}', '1 day')"]
    {
        let key = world.key(&Who::User("cara"), "");
        let mut holder = world.db.tenant();
        holder.run("begin");
        let bearer = if hold.starts_with("revoke") { key.text.clone() } else { token_of("cara") };
        holder.authenticate(&bearer).unwrap();
        holder.run(&format!("select auth.{}", hold.replace("{id}", &key.id)));
        world.admin.run("set lock_timeout = '5s'");
        let revoke = format!("auth.revoke_api_key('{}', 'stolen')", key.id);
        world.act(&Who::User("ada"), &revoke).unwrap();
        assert!(!world.works(&key), "{hold}");
        let reason = "the API key has been revoked";
        assert_eq!(world.reason(&key), reason, "{hold}");
        let listed = format!(
            "concat(revoked_at is not null, revoked_by, revoke_reason, rotation_due_at)
               from auth.list_api_keys(:north, true) where id = '{}'",
            key.id
        );
        assert_eq!(world.root(&listed), "tadastolen", "{hold}");
        let live = format!("count(*) from auth.list_api_keys(:north) where id = '{}'", key.id);
        assert_eq!(world.root(&live), "0");
        // Whatever becomes of the other transaction, it stays revoked, once.
        holder.run(if hold.starts_with("update") { "commit" } else { "rollback" });
        assert!(!world.works(&key), "{hold}");
        assert_eq!(world.reason(&key), reason, "{hold}");
        for change in ["rotate_api_key('{id}')", "update_api_key('{id}', clear => '{expires_at}')"] {
            let told = world.tell(&Who::Superuser, &format!("auth.{}", change.replace("{id}", &key.id)));
            assert_eq!(told, "22023 the API key is revoked", "{hold}: {change}");
        }
        world.act(&Who::User("ada"), &revoke).unwrap();
    }
    assert!(world.works(&key));
}

#[test]
fn t097_a_member_cannot_hold_up_the_end_of_his_keys() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let mut holder = world.db.tenant();
    holder.run("begin");
    holder.authenticate(&key.text).unwrap();
    holder.run(&format!("select auth.revoke_api_key('{}')", key.id));
    world.act(&Who::User("ada"), "auth.remove_member(:north, 'cara')").unwrap();
    holder.run("rollback");
    world.root("auth.add_member(:north, 'cara', 'keeper')");
    assert_eq!(world.reason(&key), "the API key has been revoked");
}

#[test]
fn t101_what_a_key_made_ends_with_it_and_what_a_service_made_for_others_does_not() {
    let mut world = World::new();
    world.set("api_key_creation", "any");
    let parent = world.key(&Who::User("ada"), "");
    let child = world.key(&parent.bearer(), "");
    let grandchild = world.key(&child.bearer(), "");
    let sibling = world.key(&Who::User("ada"), "");
    let service = world.key(&Who::Superuser, "kind => 'service'");
    let provisioned = world.key(&service.bearer(), "org_id => :north");
    let helper = world.key(&service.bearer(), "kind => 'service'");
    for key in [&parent, &service] {
        world.root(&format!("auth.revoke_api_key('{}')", key.id));
    }
    for key in [&parent, &child, &grandchild, &service, &helper] {
        assert_eq!(world.reason(key), "the API key has been revoked");
        // And that is what the lists show.
        assert_eq!(world.stored(key, "revoked_at is not null"), "true");
    }
    assert!(world.works(&sibling) && world.works(&provisioned));
    // Also what it is making at that moment, which the revocation cannot see.
    for (maker, arguments) in [(&sibling, ""), (&helper_of(&mut world), ", kind => 'service'")] {
        let mut session = world.db.tenant();
        session.run("begin");
        session.authenticate(&maker.text).unwrap();
        let made =
            session.query_one(&format!("select id, key from auth.create_api_key('late'{arguments})"), &[]);
        let text: String = made.unwrap().get(1);
        world.root(&format!("auth.revoke_api_key('{}')", maker.id));
        let told = session.refused(&format!("savepoint s; select auth.create_api_key('later'{arguments})"));
        assert_eq!(told, "28000 the credential was refused");
        session.run("rollback to s; commit");
        let late = Key { id: maker.id.clone(), text };
        assert_eq!(world.reason(&late), "the API key has been revoked", "{arguments}");
    }
    let made_by = format!("created_by_key from auth.list_api_keys() where id = '{}'", provisioned.id);
    assert_eq!(world.root(&made_by), service.id);
}

fn helper_of(world: &mut World) -> Key {
    world.key(&Who::Superuser, "kind => 'service'")
}

#[test]
fn t097_a_snapshot_from_before_a_revocation_changes_nothing() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let mut holder = world.db.tenant();
    holder.run("begin");
    holder.authenticate(&key.text).unwrap();
    holder.run(&format!("select auth.revoke_api_key('{}')", key.id));
    let mut session = world.db.tenant();
    session.run("begin isolation level repeatable read");
    session.authenticate(&token_of("cara")).unwrap();
    session.run("select auth.list_api_keys()");
    world.root(&format!("auth.revoke_api_key('{}')", key.id));
    holder.run("rollback");
    let told = session.refused(&format!("select auth.rotate_api_key('{}')", key.id));
    assert_eq!(told, "22023 the API key is revoked");
}

#[test]
fn t101_a_service_key_makes_no_service_key_beyond_itself() {
    let mut world = World::new();
    let test = world
        .key(&Who::Superuser, "kind => 'service', environment => 'test', expires_at => now() + '1 hour'");
    let environment = "42501 a test credential changes nothing that counts in the live environment";
    let live = [
        "kind => 'service', environment => 'live'",
        "org_id => :north, environment => 'live'",
        "org_id => :north, environment => 'live', role => 'viewer'",
    ];
    for arguments in live {
        assert_eq!(world.attempt(&test.bearer(), arguments), environment, "{arguments}");
    }
    let import = "auth.import_api_key('i', repeat('0', 64), :north, environment => 'live')";
    assert_eq!(world.tell(&test.bearer(), import), environment);
    let import = "environment from auth.list_api_keys() where id =
                  auth.import_api_key('i', repeat('0', 64), :north)";
    assert_eq!(world.tell(&test.bearer(), import), "");
    world.act(&test.bearer(), "auth.import_api_key('i', repeat('0', 64), :north)").unwrap();
    assert_eq!(world.root("environment from auth.api_keys where name = 'i'"), "test");
    let live = world.key(
        &Who::Superuser,
        "kind => 'service', expires_at => now() + '1 hour', allowed_cidrs => '{::/0,0.0.0.0/0}'",
    );
    // A unix socket has no address.
    let update = format!("auth.update_api_key('{}', clear => '{{allowed_cidrs}}')", live.id);
    world.root(&update);
    assert_eq!(world.attempt(&live.bearer(), "kind => 'service', expires_at => now() + '2 hours'"), WIDE);
    assert_eq!(world.attempt(&live.bearer(), "kind => 'service'"), "k");
    assert_eq!(world.attempt(&live.bearer(), "org_id => :north"), "k");
    let other = world.key(&Who::Superuser, "kind => 'service', allowed_endpoints => '{GET /a}'");
    for (id, change) in [
        (&live.id, "clear => '{expires_at}'"),
        (&live.id, "expires_at => now() + '2 hours'"),
        (&other.id, "clear => '{allowed_endpoints}'"),
    ] {
        let told = world.tell(&live.bearer(), &format!("auth.update_api_key('{id}', {change})"));
        assert_eq!(told, WIDE, "{change}");
    }
}

#[test]
fn t101_a_key_that_is_nobodys_enters_no_workspace_by_making_another_one() {
    let mut world = World::new();
    world.set("api_key_creation", "any");
    let account = world.key(&Who::Superuser, "org_id => :north, role => 'admin'");
    assert_eq!(world.attempt(&account.bearer(), "workspace_id => :desk"), WIDE);
    assert_eq!(world.attempt(&account.bearer(), "null"), "k");
    let inside = world.key(&Who::Superuser, "org_id => :north, role => 'admin', workspace_id => :desk");
    assert_eq!(world.attempt(&inside.bearer(), "workspace_id => :attic"), WIDE);
    assert_eq!(world.attempt(&inside.bearer(), "null"), "k");
    // Nor does a user get a higher role for his key than his own in the workspace.
    let told = world.attempt(&Who::User("ben"), "org_id => :north, role => 'keeper', workspace_id => :attic");
    assert_eq!(told, "42501 the key would go beyond what you may do: role in the workspace");
}

#[test]
fn t096_tokens_of_the_test_environment_do_not_know_live_keys() {
    let mut world = World::new();
    let live = world.key(&Who::User("ada"), "");
    let test = world.key(&Who::User("ada"), "environment => 'test'");
    let ids = "string_agg(id::text, ' ') from auth.list_api_keys(:north)";
    assert_eq!(world.tell(&Who::Tester("ada"), ids), test.id);
    for call in [
        "revoke_api_key('{id}')",
        "update_api_key('{id}', 'n')",
        "rotate_api_key('{id}')",
        "list_api_key_usage('{id}')",
    ] {
        let told = world.tell(&Who::Tester("ada"), &format!("auth.{}", call.replace("{id}", &live.id)));
        assert_eq!(told, NO_KEY, "{call}");
        let told = world.tell(&Who::Tester("ada"), &format!("auth.{}", call.replace("{id}", &test.id)));
        assert!(!told.starts_with("42501"), "{call}: {told}");
    }
}

#[test]
fn t097_no_change_takes_a_key_beyond_the_longest_life() {
    let mut world = World::new();
    let key = world.key(&Who::User("ada"), "expires_at => now() + '1 hour'");
    world.admin.run(&format!(
        "update auth.api_keys set created_at = now() - interval '10 days', expires_at = now() - interval '9 days'
          where id = '{}'",
        key.id
    ));
    world.set("api_key_max_age", "1d");
    let refused = "22023 expires_at has a value that is not allowed";
    for change in ["expires_at => now() + '1 minute'", "clear => '{expires_at}'"] {
        let told = world.tell(&Who::User("ada"), &format!("auth.update_api_key('{}', {change})", key.id));
        assert_eq!(told, refused, "{change}");
    }
    for end in ["'294000-01-01Z'", "'10000-01-01Z'", "'-infinity'", "now() + '2 days'"] {
        assert_eq!(world.attempt(&Who::User("ada"), &format!("expires_at => {end}")), refused, "{end}");
    }
    world.set("api_key_max_age", "0");
    assert_eq!(world.attempt(&Who::User("ada"), "expires_at => '10000-01-01Z'"), refused);
    let last = world.key(&Who::User("ada"), "expires_at => '9999-12-31Z'");
    let told = world.tell(&Who::User("ada"), &format!("name from auth.rotate_api_key('{}')", last.id));
    assert_eq!(told, "k");
    assert_eq!(world.attempt(&Who::User("ada"), "expires_at => 'infinity'"), "k");
}

#[test]
fn what_no_request_can_match_is_refused_when_it_is_asked_for() {
    let mut world = World::new();
    for (arguments, argument) in [
        ("allowed_endpoints => '{GET /a*}'", "allowed_endpoints"),
        ("allowed_endpoints => '{GET /*/b}'", "allowed_endpoints"),
        ("allowed_endpoints => '{get /a}'", "allowed_endpoints"),
        ("rate_period => '1.5 seconds'", "rate_period"),
        ("rate_period => '500 milliseconds'", "rate_period"),
        ("rate_period => '2 days'", "rate_period"),
    ] {
        let told = world.attempt(&Who::User("ada"), arguments);
        assert_eq!(told, format!("22023 {argument} has a value that is not allowed"), "{arguments}");
    }
    assert_eq!(world.attempt(&Who::User("ada"), "allowed_endpoints => '{GET /,* /*,PUT /a/*}'"), "k");
    for prefix in ["pk", "service", "live", "a_live", "test_a", "a_test_b"] {
        let told = world.tell(&Who::Superuser, &format!("auth.set_api_key_settings(:north, '{prefix}')"));
        assert_eq!(told, "22023 key_prefix has a value that is not allowed", "{prefix}");
    }
    world.set("api_key_prefix", "a_live");
    assert_eq!(world.attempt(&Who::User("ada"), "null"), "22023 the prefix of API keys is not allowed");
}

#[test]
fn what_ended_long_ago_is_purged_with_all_that_was_counted() {
    let mut world = World::new();
    let keys =
        ["", "expires_at => now() + '1 day'", ""].map(|arguments| world.key(&Who::User("ada"), arguments));
    world.root(&format!("auth.revoke_api_key('{}')", keys[0].id));
    let age = "update auth.api_keys set revoked_at = revoked_at - interval '91 days', expires_at = expires_at - interval '91 days'";
    let left =
        "concat_ws(' ', (select count(*) from auth.api_keys), (select count(*) from auth.api_key_uses),
                (select count(*) from auth.api_key_usage), (select count(*) from auth.api_key_revocations))";
    world.admin.run(
        "insert into auth.api_key_usage select id, '2026-01-31', 7 from auth.api_keys;
         insert into auth.api_key_usage values (gen_random_uuid(), '2026-01-31', 7);
         insert into auth.api_key_revocations values (gen_random_uuid(), gen_random_uuid())",
    );
    assert_eq!(world.root("auth.purge_api_keys()"), "0");
    assert_eq!(world.root(left), "3 3 3 0");
    world.admin.run(age);
    assert_eq!(world.root("auth.purge_api_keys('92 days')"), "0");
    assert_eq!(
        world.tell(&Who::User("ada"), "auth.purge_api_keys()"),
        "42501 this needs a service credential or an administrator"
    );
    assert_eq!(
        world.tell(&Who::Superuser, "auth.purge_api_keys('-1 day')"),
        "22023 keep has a value that is not allowed"
    );
    assert_eq!(world.act(&Who::Service, "auth.purge_api_keys()").unwrap(), "2");
    assert_eq!(world.root(left), "1 1 1 0");
    assert!(world.works(&keys[2]));
}

#[test]
fn t099_rotation_is_possible_when_an_organization_has_more_keys_than_it_may() {
    let mut world = World::new();
    let keys = [world.key(&Who::User("ada"), ""), world.key(&Who::User("ada"), "")];
    world.root("auth.set_api_key_settings(:north, max_keys => 1)");
    for key in &keys {
        world.act(&Who::User("ada"), &format!("auth.rotate_api_key('{}')", key.id)).unwrap();
    }
    let working = "count(*) from auth.list_api_keys() where replaced_by is null";
    assert_eq!(world.root(working), "2");
}
