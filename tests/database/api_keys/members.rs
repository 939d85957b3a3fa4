//! t102: a key is worth what its user or its role is worth when it is used.

use super::world::*;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

/// What the bearer may do of all that the tests speak of.
fn may(world: &mut World, key: &Key) -> String {
    let list = "coalesce(string_agg(p, ' '), '') from unnest(array['docs.read', 'docs.write', 'members.read', 'billing.pay']) p
                where auth.has_permission(p)";
    world.tell(&key.bearer(), list)
}

#[test]
fn t102_a_personal_key_follows_the_role_of_its_user() {
    let mut world = World::new();
    let full = world.key(&Who::User("cara"), "");
    let narrow = world.key(&Who::User("cara"), "scopes => '{docs.read}'");
    let wide =
        world.key(&Who::Superuser, "org_id => :north, user_id => 'cara', scopes => '{docs.*,billing.*}'");
    for (change, [of_full, of_narrow, of_wide]) in [
        ("1", ["docs.read docs.write members.read", "docs.read", "docs.read docs.write"]),
        ("auth.set_member_role(:north, 'cara', 'viewer')", ["members.read", "", ""]),
        (
            "auth.set_member_role(:north, 'cara', 'admin')",
            [
                "docs.read docs.write members.read billing.pay",
                "docs.read",
                "docs.read docs.write billing.pay",
            ],
        ),
        (
            "auth.set_member_role(:north, 'cara', 'keeper')",
            ["docs.read docs.write members.read", "docs.read", "docs.read docs.write"],
        ),
        ("auth.define_role('keeper', '{billing.pay}', :north)", ["billing.pay", "", "billing.pay"]),
    ] {
        world.root(change);
        let found = [may(&mut world, &full), may(&mut world, &narrow), may(&mut world, &wide)];
        assert_eq!(found, [of_full, of_narrow, of_wide], "{change}");
    }
}

#[test]
fn t102_whoever_was_removed_has_no_key_even_when_he_comes_back() {
    let mut world = World::new();
    let there = world.key(&Who::User("ben"), "org_id => :north");
    let elsewhere = world.key(&Who::Superuser, "org_id => :south, user_id => 'ben'");
    let account = world.key(&Who::User("ben"), "org_id => :north, role => 'viewer'");
    world.act(&Who::User("ada"), "auth.remove_member(:north, 'ben')").unwrap();
    assert_eq!(world.reason(&there), "the API key has been revoked");
    let facts = "concat_ws(' ', revoke_reason, revoked_at is not null)";
    assert_eq!(world.stored(&there, facts), "its user is no longer a member t");
    // A key that is nobody's stays, and so do his in other organizations.
    assert!(!world.works(&there) && world.works(&elsewhere) && world.works(&account));
    world.act(&Who::User("ada"), "auth.add_member(:north, 'ben', 'admin')").unwrap();
    assert!(!world.works(&there));
    world.act(&Who::User("ben"), "auth.leave_organization(:south)").unwrap();
    assert_eq!(world.reason(&elsewhere), "the API key has been revoked");
}

#[test]
fn t102_what_is_suspended_disabled_or_gone_takes_its_keys_along() {
    let mut world = World::new();
    let personal = world.key(&Who::User("cara"), "");
    let account = world.key(&Who::User("ada"), "role => 'viewer'");
    let service = world.key(&Who::Superuser, "kind => 'service', org_id => :north");
    let publishable = world.key(&Who::Superuser, "kind => 'publishable', org_id => :north");
    let free = world.key(&Who::Superuser, "kind => 'service'");
    let user = "the user of the API key is banned, or no member of its organization";
    let org = "the organization of the API key is gone or disabled";
    let suspend = |suspended: bool| {
        format!("update auth.memberships set suspended = {suspended} where user_id = 'cara'")
    };
    world.admin.run(&suspend(true));
    assert_eq!(world.reason(&personal), user);
    assert!(!world.works(&personal) && world.works(&account));
    world.admin.run(&suspend(false));
    assert!(world.works(&personal));
    world.root("auth.disable_organization(:north)");
    for key in [&personal, &account, &service, &publishable] {
        assert_eq!(world.reason(key), org);
        assert!(!world.works(key));
    }
    assert!(world.works(&free));
    world.root("auth.enable_organization(:north)");
    for key in [&personal, &account, &service] {
        assert!(world.works(key));
    }
    assert_eq!(world.reason(&publishable), "");
    // A membership without what delete_member() does: the key is refused for itself.
    world.admin.run("delete from auth.memberships where user_id = 'cara'");
    assert_eq!(world.reason(&personal), user);
    world.admin.run("delete from auth.organizations where name = 'north'");
    for key in [&personal, &account, &service, &publishable] {
        assert_eq!(world.reason(key), org);
    }
}

#[test]
fn t102_a_key_of_a_workspace_ends_with_it_and_with_the_membership_there() {
    let mut world = World::new();
    let personal = world.key(&Who::User("cara"), "workspace_id => :desk");
    let account = world.key(&Who::User("ada"), "workspace_id => :desk, role => 'viewer'");
    let whole = world.key(&Who::User("cara"), "");
    let gone = "the workspace of the API key is gone or disabled, or its user is no member";
    for (key, role) in [(&personal, "member"), (&account, "viewer")] {
        let facts = "concat_ws(' ', auth.current_workspace() = :desk, auth.workspace_role(), auth.is_workspace_member(:attic), cardinality(auth.workspace_ids()))";
        assert_eq!(world.tell(&key.bearer(), facts), format!("t {role} f 1"));
    }
    for (change, back) in [
        ("auth.disable_workspace(:desk)", "auth.enable_workspace(:desk)"),
        (
            "update auth.workspace_memberships set suspended = true",
            "update auth.workspace_memberships set suspended = false",
        ),
    ] {
        let run = |world: &mut World, what: &str| match what.starts_with("update") {
            true => world.admin.run(what),
            false => drop(world.root(what)),
        };
        run(&mut world, change);
        assert_eq!(world.reason(&personal), gone, "{change}");
        assert!(!world.works(&personal) && world.works(&whole), "{change}");
        assert_eq!(world.works(&account), change.starts_with("update"), "{change}");
        run(&mut world, back);
        assert!(world.works(&personal) && world.works(&account), "{change}");
    }
    world.root("auth.remove_workspace_member(:desk, 'cara')");
    assert_eq!(world.reason(&personal), "the API key has been revoked");
    world.root("auth.add_workspace_member(:desk, 'cara')");
    assert!(!world.works(&personal) && world.works(&account) && world.works(&whole));
    let again = world.key(&Who::User("cara"), "workspace_id => :desk");
    world.root("auth.delete_workspace(:desk)");
    for key in [&again, &account] {
        assert_ne!(world.reason(key), "");
        assert!(!world.works(key));
    }
    assert!(world.works(&whole));
}

#[test]
fn t102_a_service_account_follows_its_role_which_cannot_be_dropped_meanwhile() {
    let mut world = World::new();
    world.root("auth.define_role('robot', '{docs.read,members.read}', :north, 300)");
    let full = world.key(&Who::User("ada"), "role => 'robot'");
    let narrow = world.key(&Who::User("ada"), "role => 'robot', scopes => '{docs.*}'");
    assert_eq!([may(&mut world, &full), may(&mut world, &narrow)], ["docs.read members.read", "docs.read"]);
    world.act(&Who::User("ada"), "auth.define_role('robot', '{docs.write,billing.pay}', :north)").unwrap();
    assert_eq!([may(&mut world, &full), may(&mut world, &narrow)], ["docs.write billing.pay", "docs.write"]);
    let drop = "auth.drop_role('robot', :north)";
    for key in [&full, &narrow] {
        assert_eq!(world.tell(&Who::User("ada"), drop), "2BP01 the role is in use");
        world.root(&format!("auth.revoke_api_key('{}')", key.id));
    }
    world.act(&Who::User("ada"), drop).unwrap();
    // A role that is gone all the same leaves a key without anything.
    let other = world.key(&Who::User("ada"), "role => 'keeper'");
    world.admin.run("delete from auth.roles where name = 'keeper'");
    assert_eq!(world.reason(&other), "the role of the API key is gone");
    assert!(!world.works(&other));
    // So does a role that is changed everywhere.
    let viewer = world.key(&Who::User("ada"), "role => 'viewer'");
    assert_eq!(may(&mut world, &viewer), "members.read");
    world.root("auth.define_role('viewer', '{docs.read}')");
    assert_eq!(may(&mut world, &viewer), "docs.read");
    world.root("auth.drop_role('viewer')");
    assert_eq!(may(&mut world, &viewer), "members.read");
}

#[test]
fn t102_a_registered_table_gives_and_takes_the_user_of_a_key() {
    let mut world = World::new();
    let north = world.fill(":north");
    world.admin.run(&format!(
        "create table staff (login text, company uuid, position text, primary key (login, company));
         select auth.register_membership_source('staff', 'login', 'company', 'position');
         insert into staff values ('zoe', {north}, 'keeper')"
    ));
    let own = world.key(&Who::User("zoe"), "scopes => '{docs.*}'");
    let told = world.attempt(&Who::User("zoe"), "scopes => '{billing.pay}'");
    assert_eq!(told, "42501 the key would go beyond what you may do: scopes");
    // A role to give has only who has one in our tables.
    assert_eq!(world.attempt(&Who::User("zoe"), "role => 'viewer'"), "42501 you cannot grant this role");
    assert_eq!(may(&mut world, &own), "docs.read docs.write");
    for (change, expected) in [
        ("update staff set position = 'viewer'", Some("")),
        ("update staff set position = 'admin'", Some("docs.read docs.write")),
        ("delete from staff", None),
        ("insert into staff values ('zoe', ?, 'keeper')", Some("docs.read docs.write")),
        ("select auth.unregister_membership_source('staff')", None),
    ] {
        world.admin.run(&change.replace('?', &north));
        assert_eq!(world.works(&own), expected.is_some(), "{change}");
        if let Some(expected) = expected {
            assert_eq!(may(&mut world, &own), expected, "{change}");
        }
    }
}

#[test]
fn t102_a_membership_that_only_a_token_claims_gives_no_key() {
    let mut world = World::new();
    let claims =
        json!({"sub": "guest", "org_id": world.id("north"), "org_role": "owner", "permissions": ["*"]});
    let token = Who::Bearer(hs256(&with(claims_a(), claims)));
    assert_eq!(
        world.tell(&token, "concat(auth.current_org() = :north, auth.has_permission('api_keys.write'))"),
        "tt"
    );
    for arguments in
        ["null", "org_id => :north", "org_id => :north, role => 'viewer'", "org_id => :north, scopes => '{}'"]
    {
        let told = "42501 a membership that only a token claims gives no API keys";
        assert_eq!(world.attempt(&token, arguments), told, "{arguments}");
    }
    // What the tables say of a user counts, not what his token says.
    let claims =
        json!({"sub": "dan", "org_id": world.id("north"), "org_role": "owner", "permissions": ["*"]});
    let token = Who::Bearer(hs256(&with(claims_a(), claims)));
    assert_eq!(world.attempt(&token, "null"), TOO_LOW);
}
