//! Whoever waits for somebody else asks when there is nothing more to wait for.

use super::world::{Call, World};
use pg_bearer_tests::database::Session;
use std::time::Duration;

/// What somebody holds, and who waits for it.
const WAITS: &[(&str, &str, &str)] = &[
    ("select auth.create_organization('x', slug => 's')", "ada", "create_organization('y', slug => 's')"),
    ("select auth.create_organization('x', slug => 's')", "ada", "update_organization(:north, slug => 's')"),
    ("update auth.invitations set accepted_at = null", "guest", "accept_invitation(:token)"),
    ("select from auth.organizations for update", "ada", "add_member(:north, 'eve', 'admin')"),
    ("select from auth.organizations for update", "ada", "create_api_key('k', :north)"),
    ("select from auth.organizations for update", "ada", "create_workspace(:north, 'fresh')"),
    ("select from auth.organizations for update", "ada", "define_role('fresh', '{a}', :north)"),
    ("select from auth.memberships for update", "ada", "set_member_role(:north, 'ben', 'owner')"),
    ("select from auth.memberships for update", "ada", "transfer_ownership(:north, 'ben')"),
    ("select from auth.creation_rates for update", "ada", "create_invitation(:north, role => 'owner')"),
    (
        "select auth.import_api_key('k', repeat('0', 64), :closed)",
        "service",
        "import_api_key('k', repeat('0', 64), :north)",
    ),
];

#[test]
fn t252_whoever_waited_asks_again() {
    let mut world = World::new();
    world.admin.run("select auth.enable_organization(o.id) from auth.organizations o");
    let mut holder = world.superuser();
    for (hold, who, sql) in WAITS {
        let call = Call { who, sql };
        for (meanwhile, expected) in [
            ("", "ok"),
            (
                "select auth.revoke_jwt_key(k.id) from auth.jwt_keys k where k.state = 'active'",
                "28000 the credential was refused",
            ),
        ] {
            holder.run(&format!("begin; {}", world.fill(hold)));
            let told = world.answer_while(&call, |admin| {
                wait_for_a_waiter(admin, sql);
                admin.run(meanwhile);
                holder.run("rollback");
            });
            world.admin.run("update auth.jwt_keys set state = 'active', revoked_at = null");
            assert_eq!(told, expected, "{hold}: {call:?}: {meanwhile}");
        }
    }
}

fn wait_for_a_waiter(admin: &mut postgres::Client, sql: &str) {
    let waits = "select count(*) > 0 from pg_stat_activity
                  where datname = current_database() and usename = 'tenant' and wait_event_type = 'Lock'";
    for _ in 0..400 {
        if admin.value(waits).as_deref() == Some("t") {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody waits: {sql}");
}
