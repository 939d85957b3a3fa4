//! What the name of a role means where administrators give a role of every organization the name that an organization has for
//! its own, and that no tenant keeps them from it.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

const SERIALIZED: &str = "40001 could not serialize access";

/// An organization of ada with its own role auditor, which ben has: before every organization has one.
struct World {
    db: Database,
    superuser: Client,
    org: String,
    workspace: String,
}

impl World {
    fn new() -> World {
        let db = Database::new();
        let mut superuser = db.superuser();
        let org = superuser.value("select auth.create_organization('Ada Inc', owner_id => 'ada')").unwrap();
        let create = format!("select auth.create_workspace('{org}', 'Desk')");
        let workspace = superuser.value(&create).unwrap();
        let mut world = World { db, superuser, org, workspace };
        world.root("define_role('auditor', '{own.read}', {org}, 200)");
        world.root("add_member({org}, 'ben', 'auditor')");
        world.root("add_workspace_member({workspace}, 'ben', 'auditor')");
        world
    }

    fn fill(&self, call: &str) -> String {
        let filled = call.replace("{org}", &format!("'{}'", self.org));
        format!("select auth.{}", filled.replace("{workspace}", &format!("'{}'", self.workspace)))
    }

    fn root(&mut self, call: &str) -> Option<String> {
        let sql = self.fill(call);
        self.superuser.value(&sql)
    }

    fn refused(&mut self, call: &str) -> String {
        let sql = self.fill(call);
        self.superuser.refused(&sql)
    }

    /// What this user's identity says.
    fn identity(&self, user: &str) -> String {
        let mut session = self.db.tenant();
        enter(&mut session, user);
        let facts =
            "select concat_ws(' ', auth.org_role(), auth.workspace_role(), auth.identity() ->> 'permissions',
                                      auth.org_role() = 'auditor')";
        session.value(facts).unwrap()
    }

    /// The role of ben in everything that shows it.
    fn shown(&mut self) -> Vec<String> {
        let mut session = self.db.tenant();
        enter(&mut session, "ben");
        let mut shown: Vec<String> = ["list_organizations()", "list_workspaces({org})"]
            .iter()
            .map(|list| session.value(&self.fill(list).replacen("select ", "select role from ", 1)).unwrap())
            .collect();
        for list in ["list_members({org}) where user_id = 'ben'", "list_workspace_members({workspace})"] {
            let sql = self.fill(list).replacen("select ", "select role from ", 1);
            shown.push(self.superuser.value(&sql).unwrap());
        }
        shown
    }
}

fn enter(session: &mut Client, user: &str) {
    session.run("begin");
    session.authenticate(&token_of(user)).unwrap();
}

#[test]
fn t212_a_name_of_every_organization_never_shows_an_organizations_own_role() {
    let mut world = World::new();
    assert_eq!(world.shown(), ["auditor"; 4]);
    assert_eq!(world.identity("ben"), r#"auditor auditor ["own.read"] t"#);
    world.root("define_role('auditor', '{all.read}', null, 300)");
    assert_eq!(world.shown(), ["auditor:own"; 4]);
    // Policies that compare the name mean the one of every organization.
    assert_eq!(world.identity("ben"), r#"auditor:own auditor:own ["own.read"] f"#);
    let roles = "string_agg(role || ' ' || permissions::text, ', ' order by role) from auth.list_roles({org}) where role ~ 'auditor'";
    let list = world.fill("").replace("auth.", "") + &roles.replace("{org}", &format!("'{}'", world.org));
    assert_eq!(world.superuser.value(&list).as_deref(), Some("auditor {all.read}, auditor:own {own.read}"));
    world.root("create_invitation({org}, 'auditor:own')");
    world.root("create_api_key('k', {org}, role => 'auditor:own')");
    for list in ["list_invitations({org})", "list_api_keys({org})"] {
        let sql = world.fill(list).replacen("select ", "select role from ", 1);
        assert_eq!(world.superuser.value(&sql).as_deref(), Some("auditor:own"), "{list}");
    }
    // When the other one goes, everything is as it was.
    world.root("drop_role('auditor')");
    assert_eq!(world.shown(), ["auditor"; 4]);
    assert_eq!(world.identity("ben"), r#"auditor auditor ["own.read"] t"#);
}

#[test]
fn t212_a_name_means_the_role_of_every_organization_and_own_the_other_one() {
    let mut world = World::new();
    // It may be called so before.
    world.root("add_member({org}, 'cara', 'auditor:own')");
    assert_eq!(world.identity("cara"), r#"auditor ["own.read"] t"#);
    world.root("define_role('auditor', '{all.read}', null, 300)");
    for (name, expected) in
        [("auditor", r#"auditor ["all.read"] t"#), ("auditor:own", r#"auditor:own ["own.read"] f"#)]
    {
        world.root(&format!("set_member_role({{org}}, 'cara', '{name}')"));
        assert_eq!(world.identity("cara"), expected);
    }
    world.root("set_member_role({org}, 'cara', 'auditor')");
    let taken = "23505 every organization has a role of this name";
    assert_eq!(world.refused("define_role('auditor', '{x}', {org})"), taken);
    assert_eq!(world.refused("drop_role('auditor', {org})"), "22023 no such role");
    world.root("define_role('auditor:own', '{own.write}', {org}, 200)");
    assert_eq!(world.identity("ben"), r#"auditor:own auditor:own ["own.write"] f"#);
    assert_eq!(world.identity("cara"), r#"auditor ["all.read"] t"#);
    for (bad, told) in [
        ("define_role('other:own', '{x}', {org})", "22023 name has a value that is not allowed"),
        ("define_role('member:own', '{x}', {org})", "22023 name has a value that is not allowed"),
        ("define_role('auditor:own', '{x}')", "22023 name has a value that is not allowed"),
        ("drop_role('auditor:own')", "22023 no such role"),
        ("drop_role('member:own', {org})", "22023 no such role"),
        ("add_member({org}, 'dan', 'member:own')", "22023 no such role"),
        ("add_member({org}, 'dan', 'auditor:own:own')", "22023 no such role"),
        ("add_member({org}, 'dan', ':own')", "22023 no such role"),
        ("drop_role('auditor:own', {org})", "2BP01 the role is in use"),
    ] {
        assert_eq!(world.refused(bad), told, "{bad}");
    }
    world.root("remove_member({org}, 'ben')");
    world.root("drop_role('auditor:own', {org})");
    assert_eq!(world.identity("cara"), r#"auditor ["all.read"] t"#);
}

#[test]
fn t212_what_a_role_may_grant_is_named_in_the_same_way() {
    let mut world = World::new();
    world.root("define_role('lead', '{members.*,own.*,all.*}', {org}, 500, '{auditor}')");
    world.root("add_member({org}, 'lea', 'lead')");
    world.root("add_member({org}, 'cara', 'viewer')");
    let db = &world.db;
    let give = |org: &str, role: &str| {
        let mut session = db.tenant();
        enter(&mut session, "lea");
        let set = format!("select auth.set_member_role('{org}', 'cara', '{role}')");
        match session.simple_query(&set) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.as_db_error().unwrap().message().to_owned(),
        }
    };
    let not_granted = "you cannot grant this role";
    assert_eq!(give(&world.org, "auditor"), "ok");
    let general = "select auth.define_role('auditor', '{all.read}', null, 300)";
    world.superuser.run(general);
    assert_eq!(give(&world.org, "auditor"), "ok");
    assert_eq!(give(&world.org, "auditor:own"), not_granted);
    let lead =
        format!("select auth.define_role('lead', '{{members.*}}', '{}', 500, '{{auditor:own}}')", world.org);
    world.superuser.run(&lead);
    assert_eq!(give(&world.org, "auditor"), not_granted);
    assert_eq!(give(&world.org, "auditor:own"), "ok");
    // Also when it needs no other name any more.
    world.superuser.run("select auth.drop_role('auditor')");
    assert_eq!(give(&world.org, "auditor"), "ok");
    assert_eq!(give(&world.org, "auditor:own"), "ok");
}

#[test]
fn t212_registered_tables_name_roles_in_the_same_way() {
    let mut world = World::new();
    world.superuser.run(
        "create table m (u text, o uuid, r text); create index on m (u);
         select auth.register_membership_source('m', 'u', 'o', 'r')",
    );
    let identity = |world: &mut World, names: &[&str]| {
        world.superuser.run("truncate m");
        for name in names {
            let insert = format!("insert into m values ('sam', '{}', '{name}')", world.org);
            world.superuser.run(&insert);
        }
        world.identity("sam")
    };
    let own = r#"auditor ["own.read"] t"#;
    assert_eq!(identity(&mut world, &["auditor"]), own);
    assert_eq!(identity(&mut world, &["auditor:own"]), own);
    assert_eq!(identity(&mut world, &["auditor", "auditor:own"]), own);
    assert_eq!(identity(&mut world, &["nobody:own"]), "nobody:own [] f");
    world.root("define_role('auditor', '{all.read}', null, 300)");
    assert_eq!(identity(&mut world, &["auditor"]), r#"auditor ["all.read"] t"#);
    assert_eq!(identity(&mut world, &["auditor:own"]), r#"auditor:own ["own.read"] f"#);
    assert_eq!(identity(&mut world, &["auditor", "auditor:own"]), "[]");
    assert_eq!(identity(&mut world, &["nobody:own"]), "nobody:own [] f");
}

/// Before, whoever changed something of an organization shared a row that this changes.
#[test]
fn t213_tenants_who_wait_or_take_turns_keep_nobody_from_roles_of_every_organization() {
    let mut world = World::new();
    world.root("define_role('clerk', '{}')");
    world.superuser.run("set lock_timeout = '1s'");
    let mut sessions = [world.db.tenant(), world.db.tenant(), world.db.tenant()];
    let grant = world.fill("add_member({org}, 'new', 'clerk')");
    let [idle, ..] = &mut sessions;
    // Whoever has a snapshot of their own locks more.
    idle.run("begin isolation level serializable");
    idle.authenticate(&token_of("ada")).unwrap();
    idle.run(&world.fill("update_organization({org}, 'Idle')"));
    idle.run(&world.fill("define_role('own', '{}', {org})"));
    for round in 0..6 {
        // Of the two others one is always in a transaction that has changed something.
        let [_, others @ ..] = &mut sessions;
        let org = format!("Other {round}");
        let session = &mut others[round % 2];
        enter(session, "cara");
        session.run(&format!("select auth.create_organization('{org}')"));
        world.root(&format!("define_role('auditor', '{{all.{round}}}')"));
        world.root(&format!("define_role('new-{round}', '{{}}')"));
        world.root(&format!("drop_role('new-{round}')"));
        world.root("drop_role('auditor')");
        others[round % 2].run("commit");
    }
    // Only a role that is being given is in use, which is said at once.
    let [idle, ..] = &mut sessions;
    idle.run("rollback");
    enter(idle, "ada");
    idle.run("savepoint s");
    idle.run(&grant);
    assert_eq!(world.refused("drop_role('clerk')"), "2BP01 the role is in use");
    world.root("define_role('clerk', '{x}')");
    idle.run("rollback to s");
    world.root("drop_role('clerk')");
    assert_eq!(idle.refused(&grant), "22023 no such role");
    idle.run("rollback");
}

#[test]
fn t213_a_role_that_is_given_meanwhile_is_not_dropped_whoever_gives_it() {
    let mut world = World::new();
    world.superuser.run("set lock_timeout = '1s'");
    world.root("add_member({org}, 'cara')");
    let in_use = "2BP01 the role is in use";
    for call in [
        "add_member({org}, 'new', 'clerk')",
        "set_member_role({org}, 'ben', 'clerk')",
        "add_workspace_member({workspace}, 'cara', 'clerk')",
        "set_workspace_member_role({workspace}, 'ben', 'clerk')",
        "create_invitation({org}, 'clerk')",
        "create_api_key('k', {org}, role => 'clerk')",
    ] {
        world.root("define_role('clerk', '{}', null, 100)");
        let mut session = world.db.tenant();
        enter(&mut session, "ada");
        session.run(&world.fill(call));
        assert_eq!(world.refused("drop_role('clerk')"), in_use, "{call}");
        session.run("rollback");
        world.root("drop_role('clerk')");
    }
    // An invitation that has run out no longer keeps the role, but whoever has just accepted it does.
    world.root("define_role('clerk', '{}', null, 100)");
    let token = format!("select token from auth.create_invitation('{}', 'clerk')", world.org);
    let token = world.superuser.value(&token).unwrap();
    let soon = "update auth.invitations set expires_at = clock_timestamp() + interval '2 seconds'";
    world.superuser.run(soon);
    let mut guest = world.db.tenant();
    enter(&mut guest, "guest");
    guest.run(&format!("select auth.accept_invitation('{token}')"));
    world.superuser.run("select pg_sleep(2.1)");
    assert_eq!(world.refused("drop_role('clerk')"), in_use);
    guest.run("rollback");
    world.root("drop_role('clerk')");
}

#[test]
fn t213_an_older_snapshot_gives_no_role_that_is_gone() {
    let mut world = World::new();
    world.root("define_role('clerk', '{}')");
    let mut session = world.db.tenant();
    for level in ["repeatable read", "serializable"] {
        session.run(&format!("begin isolation level {level}"));
        session.authenticate(&token_of("ada")).unwrap();
        session.run("select auth.list_organizations()");
        world.root("drop_role('clerk')");
        let told = session.refused(&world.fill("add_member({org}, 'new', 'clerk')"));
        assert!(told.starts_with(SERIALIZED), "{told}");
        session.run("rollback");
        world.root("define_role('clerk', '{}')");
    }
}

/// It does not see who was given the role since.
#[test]
fn t213_an_older_snapshot_drops_no_role() {
    let mut world = World::new();
    world.root("define_role('spare', '{}', {org})");
    let mut session = world.db.tenant();
    for level in ["repeatable read", "serializable"] {
        session.run(&format!("begin isolation level {level}"));
        session.authenticate(&token_of("ada")).unwrap();
        let told = session.refused(&world.fill("drop_role('spare', {org})"));
        assert_eq!(told, "25000 roles cannot be dropped in this isolation level");
        session.run("rollback");
    }
    enter(&mut session, "ada");
    session.run(&world.fill("drop_role('spare', {org})"));
}

#[test]
fn t213_every_change_of_a_role_gives_it_another_version() {
    let mut world = World::new();
    let mut seen = std::collections::BTreeSet::new();
    for (change, of) in [
        ("define_role('auditor', '{own.read}', {org}, 200)", "auditor"),
        ("define_role('auditor', '{own.read}', {org}, 201)", "auditor"),
        ("define_role('member', '{x}')", "member"),
        ("define_role('member', '{x}')", "member"),
        ("drop_role('member')", "member"),
        ("define_role('member', '{x}')", "member"),
    ] {
        world.root(change);
        let version = format!("select version from auth.roles where name = '{of}' order by builtin limit 1");
        assert!(seen.insert(world.superuser.value(&version)), "{change}");
    }
}
