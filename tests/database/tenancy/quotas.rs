//! How much users may create of organizations, workspaces, roles and invitations, in all and in an hour.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, refusal};
use pg_bearer_tests::token::*;
use postgres::{Client, NoTls};
use std::thread;
use std::time::Duration;

/// What is created, the setting that limits it, and the error.
const KINDS: [(&str, &str, &str); 4] = [
    (
        "create_organization('x')",
        "max_organizations",
        "54000 you have created as many organizations as you may",
    ),
    (
        "create_workspace({org}, 'x')",
        "max_workspaces",
        "54000 the organization has as many workspaces as it may",
    ),
    (
        "define_role('r' || {n}, '{}', {org})",
        "max_roles",
        "54000 the organization has as many roles as it may",
    ),
    (
        "create_invitation({org})",
        "max_invitations",
        "54000 the organization has as many open invitations as it may",
    ),
];

struct World {
    db: Database,
    superuser: Client,
    org: String,
    count: u32,
}

impl World {
    /// An organization of ada and ben.
    fn new() -> World {
        let db = Database::new();
        let mut superuser = db.superuser();
        let create = "select auth.create_organization('Ada Inc', owner_id => 'ada')";
        let org = superuser.value(create).unwrap();
        superuser.run(&format!("select auth.add_member('{org}', 'ben', 'owner')"));
        World { db, superuser, org, count: 0 }
    }

    fn set(&mut self, setting: &str, value: u32) {
        let name = &self.db.name;
        self.superuser.run(&format!("alter database {name} set pg_bearer.{setting} = {value}"));
    }

    fn sql(&mut self, call: &str) -> String {
        self.count += 1;
        let call = call.replace("{org}", &format!("'{}'", self.org)).replace("{n}", &self.count.to_string());
        format!("select auth.{call}")
    }

    /// Does it as this user in a session of its own. What comes of it: ok, or the error.
    fn told(&mut self, user: &str, call: &str) -> String {
        let sql = self.sql(call);
        let mut session = self.db.tenant();
        enter(&mut session, user);
        let result = session.batch_execute(&sql);
        session.run(if result.is_ok() { "commit" } else { "rollback" });
        result.map_or_else(|error| refusal::<()>(Err(error)), |()| "ok".into())
    }
}

fn enter(session: &mut Client, user: &str) {
    session.run("begin");
    session.authenticate(&token_of(user)).unwrap();
}

fn in_an_hour(setting: &str) -> String {
    format!("54000 you have created as many {} as you may in an hour", setting.trim_start_matches("max_"))
}

#[test]
fn t211_users_create_no_more_than_quotas_allow() {
    let mut world = World::new();
    for (call, setting, full) in KINDS {
        world.set(setting, 3);
        for _ in 0..3 {
            assert_eq!(world.told("ada", call), "ok", "{call}");
        }
        assert_eq!(world.told("ada", call), full, "{call}");
        // Another one's organizations are another one's, the rest is the organization's.
        let other = if setting == "max_organizations" { "ok" } else { full };
        assert_eq!(world.told("ben", call), other, "{call}");
        // Services and administrators are not limited, but what they create counts.
        let sql = world.sql(call);
        world.superuser.run(&sql);
        world.set(setting, 4);
        assert_eq!(world.told("ada", call), if other == "ok" { "ok" } else { full }, "{call}");
        world.set(setting, 0);
        assert_ne!(world.told("ben", call), "ok", "{call}");
    }
    let error = world.db.tenant().batch_execute("select").and_then(|()| {
        let mut session = world.db.tenant();
        enter(&mut session, "ada");
        session.batch_execute("select auth.create_organization('x')")
    });
    let error = error.unwrap_err();
    let hint = error.as_db_error().unwrap().hint().unwrap();
    assert!(hint.starts_with("pg_bearer.max_organizations is 0."), "{hint}");
}

#[test]
fn t211_what_is_given_away_or_left_was_created_all_the_same() {
    let mut world = World::new();
    world.set("max_organizations", 2);
    let create = "create_organization('x')";
    for _ in 0..2 {
        assert_eq!(world.told("ada", create), "ok");
        let newest = "select id from auth.organizations order by created_at desc limit 1";
        let org = world.superuser.value(newest).unwrap();
        world.superuser.run(&format!("select auth.add_member('{org}', 'ben')"));
        for call in [format!("transfer_ownership('{org}', 'ben')"), format!("leave_organization('{org}')")] {
            assert_eq!(world.told("ada", &call), "ok");
        }
    }
    assert_eq!(world.told("ada", create), KINDS[0].2);
    let newest = world.superuser.value("select id from auth.organizations where created_by = 'ada' limit 1");
    world.superuser.run(&format!("select auth.delete_organization('{}')", newest.unwrap()));
    assert_eq!(world.told("ada", create), "ok");
}

#[test]
fn t211_a_user_has_only_so_many_open_invitations_wherever_they_are() {
    let mut world = World::new();
    world.set("max_invitations", 3);
    for n in 0..3 {
        let create = format!("select auth.create_organization('{n}', owner_id => 'ada')");
        let org = world.superuser.value(&create).unwrap();
        assert_eq!(world.told("ada", &format!("create_invitation('{org}')")), "ok");
    }
    let full = "54000 you have as many open invitations as you may";
    assert_eq!(world.told("ada", "create_invitation({org})"), full);
    assert_eq!(world.told("ben", "create_invitation({org})"), "ok");
    for ended in ["revoked_at = now()", "accepted_at = now(), accepted_by = 'x'", "expires_at = now()"] {
        world.superuser.run(&format!(
            "update auth.invitations set {ended}
              where id = (select id from auth.invitations where created_by = 'ada' and accepted_at is null
                             and revoked_at is null and expires_at > now() limit 1)"
        ));
        assert_eq!(world.told("ada", "create_invitation({org})"), "ok", "{ended}");
        assert_ne!(world.told("ada", "create_invitation({org})"), "ok", "{ended}");
        world.superuser.run("delete from auth.invitations where created_by = 'ada' and expires_at > now() and org_id in (select id from auth.organizations where name = 'Ada Inc')");
        world.superuser.run("update auth.invitations set revoked_at = null, accepted_at = null, accepted_by = null, expires_at = now() + interval '1 day'");
    }
}

#[test]
fn t211_who_creates_and_deletes_without_end_is_limited_by_the_hour() {
    let mut world = World::new();
    for (call, setting, _) in KINDS {
        world.set(setting, 2);
        let clear = match setting {
            "max_organizations" => "delete from auth.organizations where name = 'x'",
            "max_workspaces" => "delete from auth.workspaces",
            "max_roles" => "delete from auth.roles where org_id is not null",
            _ => "delete from auth.invitations",
        };
        for _ in 0..12 {
            assert_eq!(world.told("ada", call), "ok", "{call}");
            world.superuser.run(clear);
        }
        assert_eq!(world.told("ada", call), in_an_hour(setting), "{call}");
        assert_eq!(world.told("ben", call), "ok", "{call}");
        world.superuser.run(clear);
        // What was refused counts for nothing, and a twelfth of an hour later there is room for one.
        let back = "update auth.creation_rates set busy_until = busy_until - interval '1 hour' / 12";
        world.superuser.run(back);
        assert_eq!(world.told("ada", call), "ok", "{call}");
        assert_eq!(world.told("ada", call), in_an_hour(setting), "{call}");
    }
    // A role that is there is changed as often as one likes.
    assert_eq!(world.told("cara", "create_organization('y')"), "ok");
    world.org = world.superuser.value("select id from auth.organizations where created_by = 'cara'").unwrap();
    for _ in 0..20 {
        assert_eq!(world.told("cara", "define_role('one', '{a}', {org})"), "ok");
    }
}

#[test]
fn t211_sessions_of_one_user_do_not_pass_a_quota_together() {
    let mut world = World::new();
    world.set("max_organizations", 2);
    assert_eq!(world.told("ada", "create_organization('x')"), "ok");
    let create = "select auth.create_organization('x')";
    for (level, expected) in [
        ("read committed", KINDS[0].2),
        ("repeatable read", "40001 could not serialize access due to concurrent update"),
    ] {
        let [mut one, mut two] = [world.db.tenant(), world.db.tenant()];
        enter(&mut one, "ada");
        one.run(create);
        two.run(&format!("begin isolation level {level}"));
        two.authenticate(&token_of("ada")).unwrap();
        let pid = two.value("select pg_backend_pid()").unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(move || two.refused(create));
            let waits = format!("select count(*) from pg_locks where pid = {pid} and not granted");
            while world.superuser.value(&waits).as_deref() == Some("0") {
                thread::sleep(Duration::from_millis(5));
            }
            // Others do not wait for ada.
            assert_eq!(world.told("ben", "create_organization('y')"), "ok");
            one.run("commit");
            assert_eq!(second.join().unwrap(), expected, "{level}");
        });
        let last = "delete from auth.organizations where id = (select id from auth.organizations where created_by = 'ada' limit 1)";
        world.superuser.run(last);
    }
}

#[test]
fn t211_a_setting_of_a_client_s_own_creates_nothing() {
    let mut world = World::new();
    for (call, setting, _) in KINDS {
        let options = format!("-c pg_bearer.{setting}=1000000");
        let mut session = world.db.config("tenant").options(&options).connect(NoTls).unwrap();
        enter(&mut session, "ada");
        let sql = world.sql(call);
        assert!(session.refused(&sql).starts_with("54000 "), "{call}");
    }
}

/// Whoever has more from before keeps it.
#[test]
fn t211_what_came_before_a_quota_stays_and_works() {
    let mut world = World::new();
    let make = world.sql("create_workspace({org}, 'x') from generate_series(1, 5)");
    world.superuser.run(&make);
    world.set("max_workspaces", 3);
    assert_eq!(world.told("ada", KINDS[1].0), KINDS[1].2);
    let workspace = world.superuser.value("select id from auth.workspaces limit 1").unwrap();
    for call in [
        format!("update_workspace('{workspace}', 'y')"),
        format!("add_workspace_member('{workspace}', 'ben')"),
        format!("disable_workspace('{workspace}')"),
        format!("enable_workspace('{workspace}')"),
    ] {
        assert_eq!(world.told("ada", &call), "ok", "{call}");
    }
}
