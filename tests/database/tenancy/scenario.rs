//! A story of three organizations and five users, and what each of them sees and may do on the way.

mod authority;
mod changes;
mod world;

use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use world::{FOREIGN, TOO_LOW, USERS, World};

const UNKNOWN: &str = "'00000000-0000-4000-8000-0000000000ff'";

/// The list or the error, as one text.
fn listed(world: &mut World, user: &str, list: &str) -> String {
    let (columns, from) = list.split_once(" of ").unwrap();
    let sql = world.fill(&format!(
        "select coalesce(string_agg(concat_ws(' ', {columns}), ', ' order by {columns}), '-') from auth.{from}"
    ));
    let mut session = world.open(user);
    match session.query_one(&sql, &[]) {
        Ok(row) => row.get(0),
        Err(error) => refusal::<()>(Err(error)),
    }
}

/// Members, workspaces, invitations and roles of an organization, as somebody sees them.
const LISTS: [&str; 4] = [
    "user_id, role of list_members",
    "name, role of list_workspaces",
    "role, created_by of list_invitations",
    "role of list_roles",
];
const NORTH: &str = "ada owner, ben admin, cara editor, dan viewer";
const SOUTH: &str = "ben member, dan owner";
const ROLES: &str = "admin, member, owner, viewer";
const ROLES_HERE: &str = "admin, editor, member, owner, viewer";

/// Who sees what. Whoever is not listed with an organization gets the one error.
const SEEN: [(&str, &str, [&str; 4]); 7] = [
    ("ada", "north", [NORTH, "attic owner, desk owner", "editor ben", ROLES_HERE]),
    ("ben", "north", [NORTH, "attic member, desk viewer", "editor ben", ROLES_HERE]),
    ("cara", "north", [NORTH, "desk editor", TOO_LOW, TOO_LOW]),
    ("dan", "north", [NORTH, "-", TOO_LOW, ROLES_HERE]),
    ("ben", "south", [SOUTH, "shed editor", TOO_LOW, ROLES_HERE]),
    ("dan", "south", [SOUTH, "shed owner", "-", ROLES_HERE]),
    ("eve", "east", ["eve owner", "-", "-", ROLES]),
];

#[test]
fn members_see_their_own_organizations_and_colleagues_and_nothing_else() {
    let mut world = World::new();
    for (user, own) in USERS.into_iter().zip([
        "north owner",
        "north admin, south member",
        "north editor",
        "north viewer, south owner",
        "east owner",
    ]) {
        assert_eq!(listed(&mut world, user, "name, role of list_organizations()"), own, "{user}");
        assert_eq!(listed(&mut world, user, "role of list_roles()"), ROLES, "{user}");
        for org in ["north", "south", "east"] {
            let seen = SEEN.iter().find(|(who, place, _)| (*who, *place) == (user, org));
            for (at, list) in LISTS.into_iter().enumerate() {
                let expected = seen.map_or(FOREIGN, |(_, _, lists)| lists[at]);
                assert_eq!(
                    listed(&mut world, user, &format!("{list}(:{org})")),
                    expected,
                    "{user}: {list} of {org}"
                );
            }
        }
    }
}

#[test]
fn workspaces_show_their_members_to_members_and_to_those_who_run_them() {
    let mut world = World::new();
    let foreign = "42501 no such workspace, or it is not yours";
    let desk = "ada owner, ben viewer, cara editor";
    for (user, in_desk, in_attic, in_shed) in [
        ("ada", desk, "ada owner, ben member", foreign),
        ("ben", desk, "ada owner, ben member", "ben editor, dan owner"),
        ("cara", desk, TOO_LOW, foreign),
        ("dan", TOO_LOW, TOO_LOW, "ben editor, dan owner"),
        ("eve", foreign, foreign, foreign),
    ] {
        for (workspace, expected) in [("desk", in_desk), ("attic", in_attic), ("shed", in_shed)] {
            let list = format!("user_id, role of list_workspace_members(:{workspace})");
            assert_eq!(listed(&mut world, user, &list), expected, "{user}: {workspace}");
        }
    }
}

/// Runs the readers whose answers follow the current organization.
fn place(session: &mut Client) -> String {
    session
        .value(
            "select concat_ws(' ', (select name from auth.list_organizations() o where o.org_id = auth.current_org()),
                    auth.org_role(), auth.has_permission('docs.write'), auth.has_permission('workspaces.read'),
                    (select count(*) from docs), (select count(distinct org_id) from docs),
                    coalesce(auth.workspace_role(), '-'), (select count(*) from auth.list_members()))",
        )
        .unwrap()
}

#[test]
fn set_org_takes_everything_that_asks_for_the_current_organization_along() {
    let mut world = World::new();
    let own = "create policy current on docs as restrictive using (org_id = auth.current_org())";
    world.rule(&format!("{own}; alter policy own_organization on docs using (auth.is_member(org_id))"));
    let mut session = world.open("ben");
    let (north, south) = (world.fill(":north"), world.fill(":south"));
    // Of two organizations none is the current one.
    assert_values(
        &mut session,
        &[
            ("select auth.current_org()", None),
            ("select auth.org_role()", None),
            ("select count(*) from docs", Some("0")),
        ],
    );
    session.run(&format!("select auth.set_org({south}); savepoint s"));
    let in_south = "south member f t 500 1 editor 2";
    assert_eq!(place(&mut session), in_south);
    assert_eq!(session.value("select auth.current_workspace()").as_deref(), Some(world.id("shed")));
    session.run(&format!("select auth.set_org({north})"));
    assert_eq!(place(&mut session), "north admin t t 500 1 - 4");
    // Two workspaces there, so none is the current one.
    assert_eq!(session.value("select auth.current_workspace()"), None);
    assert_values(
        &mut session,
        &[
            (&format!("select auth.in_org({north})"), Some("t")),
            (&format!("select auth.in_org({south})"), Some("f")),
            (&format!("select auth.is_member({south})"), Some("t")),
            (&format!("select auth.has_permission_in('docs.write', {south})"), Some("f")),
            ("select auth.require_permission('docs.write')", Some("t")),
            ("select cardinality(auth.org_ids())", Some("2")),
        ],
    );
    session.run("rollback to s");
    assert_eq!(place(&mut session), in_south);
    session.run("commit; begin");
    assert_eq!(session.value("select auth.current_org()"), None);
    session.authenticate(&token_of("ben")).unwrap();
    assert_eq!(session.value("select auth.current_org()"), None);
}

#[test]
fn the_table_of_an_application_follows_set_org_through_its_policy() {
    let world = World::new();
    let mut session = world.open("ben");
    for (org, other) in [("north", "south"), ("south", "north"), ("north", "south")] {
        session.run(&world.fill(&format!("select auth.set_org(:{org}); savepoint s")));
        assert_eq!(session.visible(), 500);
        assert_eq!(session.value("select distinct org_id from docs").as_deref(), Some(world.id(org)));
        session.run(&world.fill(&format!("insert into docs (id, org_id) values (9001, :{org})")));
        let foreign =
            session.refused(&world.fill(&format!("insert into docs (id, org_id) values (9002, :{other})")));
        assert_eq!(foreign, "42501 new row violates row-level security policy for table \"docs\"");
        session.run("rollback to s");
    }
}

#[test]
fn set_org_refuses_what_is_foreign_unknown_or_null_alike_and_changes_nothing() {
    let world = World::new();
    let mut session = world.open("ben");
    session.run(&world.fill("select auth.set_org(:south); savepoint s"));
    for org in [&world.fill(":east"), &world.fill(":desk"), UNKNOWN, "null", "auth.current_workspace()"] {
        assert_eq!(session.refused(&format!("select auth.set_org({org})")), FOREIGN, "{org}");
        session.run("rollback to s");
        assert_eq!(session.value("select auth.current_org()").as_deref(), Some(world.id("south")));
        assert_eq!(session.value("select auth.workspace_role()").as_deref(), Some("editor"));
    }
    session.run("declare c cursor for select 1; savepoint t");
    let open = session.refused(&world.fill("select auth.set_org(:north)"));
    assert_eq!(open, "55006 the identity cannot be changed while a cursor is open");
    session.run("rollback to t; close c");
    session.run(&world.fill("select auth.set_org(:north); rollback"));
    let nobody = "28000 this transaction has no identity";
    assert_eq!(session.refused(&world.fill("select auth.set_org(:north)")), nobody);
    // An administrator without an identity is nobody's member.
    assert_eq!(world.db.superuser().refused(&world.fill("select auth.set_org(:north)")), nobody);
}

#[test]
fn workspaces_of_a_user_are_those_of_all_his_organizations() {
    let world = World::new();
    let mut session = world.open("ben");
    let ids = |names: &[&str]| {
        let mut ids: Vec<&str> = names.iter().map(|name| world.id(name)).collect();
        ids.sort_unstable();
        format!("{{{}}}", ids.join(","))
    };
    assert_eq!(session.value("select auth.workspace_ids()"), Some(ids(&["desk", "attic", "shed"])));
    for (workspace, expected) in [(":desk", "t"), (":shed", "t"), (":north", "f"), (UNKNOWN, "f")] {
        let sql = world.fill(&format!("select auth.is_workspace_member({workspace})"));
        assert_eq!(session.value(&sql).as_deref(), Some(expected), "{workspace}");
    }
    // The only one of the only organization is the current one.
    let mut session = world.open("cara");
    assert_eq!(session.value("select auth.current_workspace()").as_deref(), Some(world.id("desk")));
    assert_eq!(session.value("select auth.workspace_role()").as_deref(), Some("editor"));
    assert_eq!(session.value("select auth.workspace_ids()"), Some(ids(&["desk"])));
    let mut session = world.open("eve");
    assert_values(
        &mut session,
        &[
            ("select auth.current_workspace()", None),
            ("select auth.workspace_role()", None),
            ("select auth.workspace_ids()", Some("{}")),
        ],
    );
}

/// Everything that names an organization, a workspace or an invitation, and something that is not ada's.
const TARGETED: [(&str, &[&str]); 3] = [
    (
        ":east",
        &[
            "set_org(?)",
            "update_organization(?, 'x')",
            "delete_organization(?)",
            "transfer_ownership(?, 'ben')",
            "add_member(?, 'ada')",
            "add_member(?, 'ada', 'owner')",
            "set_member_role(?, 'eve', 'viewer')",
            "remove_member(?, 'eve')",
            "remove_member(?, 'ada')",
            "leave_organization(?)",
            "create_workspace(?, 'x')",
            "create_invitation(?)",
            "create_invitation(?, 'viewer', workspace_id => :desk)",
            "list_members(?)",
            "list_workspaces(?)",
            "list_roles(?)",
            "list_invitations(?)",
            "list_audit_log(?)",
            "define_role('x', '{}', ?)",
            "drop_role('editor', ?)",
        ],
    ),
    (
        ":shed",
        &[
            "update_workspace(?, 'x')",
            "disable_workspace(?)",
            "enable_workspace(?)",
            "delete_workspace(?)",
            "add_workspace_member(?, 'ada')",
            "set_workspace_member_role(?, 'ben', 'viewer')",
            "remove_workspace_member(?, 'ben')",
            "remove_workspace_member(?, 'ada')",
            "leave_workspace(?)",
            "list_workspace_members(?)",
            "create_invitation(:north, workspace_id => ?)",
        ],
    ),
    ("(select id from foreign_invitation)", &["revoke_invitation(?)"]),
];
/// For these NULL is the current organization, every one or none.
const NULL_HAS_A_MEANING: [&str; 8] = [
    "list_members(",
    "list_workspaces(",
    "list_roles(",
    "list_invitations(",
    "list_audit_log(",
    "define_role(",
    "drop_role(",
    "create_invitation(:north",
];

/// Everything that an error tells.
fn told(session: &mut Client, sql: &str) -> String {
    session.run("savepoint s");
    let error = session.batch_execute(sql).unwrap_err();
    let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}"));
    session.run("rollback to s");
    let parts =
        (error.detail(), error.hint(), error.where_(), error.table(), error.constraint(), error.line());
    format!("{} {} {parts:?}", error.code().code(), error.message())
}

#[test]
fn errors_for_what_is_foreign_and_what_is_unknown_are_the_same_in_every_word() {
    let mut world = World::new();
    world.rule(
        "create table foreign_invitation as select invitation_id id from auth.create_invitation(:south);
         grant select on foreign_invitation to public",
    );
    let mut session = world.open("ada");
    for (foreign, calls) in TARGETED {
        for call in calls {
            let sql = |target: &str| world.fill(&format!("select auth.{}", call.replace('?', target)));
            // The context of the first error in a session says less.
            told(&mut session, &sql(foreign));
            let refused = told(&mut session, &sql(foreign));
            assert!(
                refused.starts_with("42501 no such ") && refused.contains(", or it is not yours "),
                "{call}: {refused}"
            );
            assert_eq!(refused, told(&mut session, &sql(UNKNOWN)), "{call}");
            if !NULL_HAS_A_MEANING.iter().any(|start| call.starts_with(start)) {
                assert_eq!(refused, told(&mut session, &sql("null")), "{call}");
            }
        }
    }
}

#[test]
fn lists_work_in_read_only_transactions_and_for_whatever_role() {
    let world = World::new();
    for (mut session, role) in
        [(world.db.superuser(), "tenant"), (world.db.superuser(), "other"), (world.db.tenant(), "tenant")]
    {
        session.run(&format!("begin read only; set local role {role}"));
        session.authenticate(&token_of("cara")).unwrap();
        let lists = world.fill(
            "select concat_ws(' ', (select count(*) from auth.list_organizations()), (select count(*) from auth.list_members(:north)),
                    (select count(*) from auth.list_workspaces(:north)), (select count(*) from auth.list_workspace_members(:desk)),
                    (select count(*) from auth.list_roles()), (select count(*) from docs), pg_current_xact_id_if_assigned() is null)",
        );
        assert_eq!(session.value(&lists).as_deref(), Some("1 4 1 3 4 500 t"));
        session.authenticate(&token_of("dan")).unwrap();
        session.run(&world.fill("select auth.set_org(:south)"));
        let lists = "select concat_ws(' ', (select count(*) from auth.list_invitations()), (select count(*) from auth.list_roles(auth.current_org())))";
        assert_eq!(session.value(lists).as_deref(), Some("0 5"));
        let refused = session.refused(&world.fill("select auth.add_member(:south, 'x')"));
        assert_eq!(refused, "25006 cannot execute UPDATE in a read-only transaction");
        session.run(&format!("rollback; begin; set local role {role}"));
        session.authenticate(&token_of("dan")).unwrap();
        session.run(&world.fill("select auth.add_member(:south, 'x')"));
        session.run("savepoint s");
        assert_eq!(session.refused(&world.fill("select auth.add_member(:east, 'x')")), FOREIGN);
        session.run("rollback");
    }
}

#[test]
fn lists_need_somebody() {
    let db = Database::new();
    let mut session = db.tenant();
    for list in [
        "organizations()",
        "members()",
        "workspaces()",
        "workspace_members(null)",
        "roles()",
        "invitations()",
    ] {
        let refused = session.refused(&format!("select auth.list_{list}"));
        assert_eq!(refused, "28000 this transaction has no identity", "{list}");
    }
}
