//! What becomes of members, roles, workspaces and organizations, and of the sessions that are at work then.

use super::world::{FOREIGN, TOO_LOW, World};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;

const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];
/// The user, what is changed, and what the readers answer before and after it.
const CHANGES: [(&str, &str, &str, &str); 8] = [
    ("ben", "auth.set_member_role(:north, 'ben', 'viewer')", "t admin t 500", "t viewer f 500"),
    ("cara", "auth.set_member_role(:north, 'cara', 'owner')", "t editor f 500", "t owner t 500"),
    ("cara", "auth.define_role('editor', '{docs.read}', :north)", "t editor f 500", "t editor f 500"),
    ("ben", "auth.define_role('admin', '{docs.read}')", "t admin t 500", "t admin f 500"),
    ("ben", "auth.remove_member(:north, 'ben')", "t admin t 500", "f - f 0"),
    ("ben", "auth.disable_organization(:north)", "t admin t 500", "f - f 0"),
    ("ben", "auth.delete_organization(:north)", "t admin t 500", "f - f 0"),
    ("ben", "auth.transfer_ownership(:north, 'ben')", "t admin t 500", "t owner t 500"),
];

fn readers(session: &mut Client, world: &World) -> String {
    let sql = "select concat_ws(' ', auth.is_member(:north), coalesce(auth.org_role(), '-'),
                      auth.has_permission_in('members.write', :north),
                      (select count(*) from docs where org_id = :north))";
    session.value(&world.fill(sql)).unwrap()
}

#[test]
fn t111_a_change_counts_for_every_authenticate_after_its_commit_also_in_open_transactions() {
    for (user, change, before, after) in CHANGES {
        let mut world = World::new();
        let mut sessions: Vec<Client> = LEVELS.map(|level| world.open_at(user, level)).into();
        for session in &mut sessions {
            session.run(&world.fill("select auth.set_org(:north)"));
            assert_eq!(readers(session, &world), before, "{change}");
        }
        world.rule(&format!("select {change}"));
        for (session, level) in sessions.iter_mut().zip(LEVELS) {
            session.authenticate(&token_of(user)).unwrap();
            session.run("savepoint s");
            if after.starts_with('t') {
                session.run(&world.fill("select auth.set_org(:north)"));
            } else {
                assert_eq!(session.refused(&world.fill("select auth.set_org(:north)")), FOREIGN);
                session.run("rollback to s");
            }
            let expected =
                after.replace("f - f 0", &format!("f {} f 0", if user == "ben" { "member" } else { "-" }));
            assert_eq!(readers(session, &world), expected, "{change}, {level}");
        }
    }
}

#[test]
fn t111_functions_that_change_something_do_not_even_wait_for_the_next_authenticate() {
    for (user, change, error) in [
        ("ben", "auth.set_member_role(:north, 'ben', 'viewer')", TOO_LOW),
        ("ben", "auth.define_role('admin', '{members.read}')", TOO_LOW),
        ("ben", "auth.remove_member(:north, 'ben')", FOREIGN),
        ("ben", "auth.disable_organization(:north)", FOREIGN),
        ("ben", "auth.delete_organization(:north)", FOREIGN),
    ] {
        let mut world = World::new();
        let add = world.fill("select auth.add_member(:north, 'fay')");
        let mut sessions: Vec<Client> = LEVELS.map(|level| world.open_at(user, level)).into();
        for session in &mut sessions {
            session.run("select count(*) from docs; savepoint s");
            session.run(&format!("{add}; rollback to s"));
        }
        world.rule(&format!("select {change}"));
        for (session, level) in sessions.iter_mut().zip(LEVELS) {
            let refused = session.refused(&add);
            if level == "read committed" {
                assert_eq!(refused, error, "{change}");
            } else {
                // What his snapshot shows is no longer true, and he does not get to act on it.
                assert!(
                    refused.starts_with("40001 could not serialize access"),
                    "{change}, {level}: {refused}"
                );
            }
        }
        assert!(
            !world
                .told("select coalesce(string_agg(user_id, ' '), '') from auth.memberships")
                .unwrap()
                .contains("fay")
        );
    }
}

#[test]
fn a_removed_member_is_out_of_the_workspaces_too_and_comes_back_with_nothing() {
    let mut world = World::new();
    let token = world.act("ben", "select token from auth.create_invitation(:north)").unwrap();
    world.act("ada", "select auth.remove_member(:north, 'ben')");
    assert_eq!(world.members(":north"), "ada owner, cara editor, dan viewer");
    assert_eq!(world.act("ben", "select auth.workspace_ids() = array[:shed::uuid]").as_deref(), Some("t"));
    assert_eq!(world.denied("ben", "select auth.list_members(:north)"), FOREIGN);
    world.act("ada", "select auth.add_member(:north, 'ben', 'admin')");
    assert_eq!(world.act("ben", "select auth.is_workspace_member(:desk)").as_deref(), Some("f"));
    // The invitations that he made ended with his membership.
    let invalid = "42501 the invitation is not valid";
    assert_eq!(world.denied("eve", &format!("select auth.accept_invitation('{token}')")), invalid);
    world.act("cara", "select auth.leave_organization(:north)");
    assert_eq!(world.members(":north"), "ada owner, ben admin, dan viewer");
    assert_eq!(world.denied("cara", "select auth.leave_organization(:north)"), FOREIGN);
    assert_eq!(world.act("cara", "select count(*) from docs").as_deref(), Some("0"));
}

#[test]
fn a_disabled_organization_is_nobodys_until_it_is_enabled() {
    let mut world = World::new();
    let before = world.members(":north");
    world.act("ada", "select auth.disable_workspace(:attic)");
    let token = world.act("ada", "select token from auth.create_invitation(:north)").unwrap();
    world.rule("select auth.disable_organization(:north), auth.disable_organization(:north)");
    world.rule("select auth.add_member(:north, 'fay'), auth.add_workspace_member(:desk, 'fay')");
    for user in ["ada", "ben", "cara", "dan", "fay"] {
        let sees = "select auth.is_member(:north) or :north = any (auth.org_ids()) or auth.is_workspace_member(:desk)
                        or exists (select from docs where org_id = :north)
                        or exists (select from auth.list_organizations() where name = 'north')";
        assert_eq!(world.act(user, sees).as_deref(), Some("f"), "{user}");
        for call in [
            "list_members(:north)",
            "leave_organization(:north)",
            "update_organization(:north, 'x')",
            "delete_organization(:north)",
        ] {
            assert_eq!(world.denied(user, &format!("select auth.{call}")), FOREIGN, "{user}: {call}");
        }
        let desk = world.denied(user, "select auth.list_workspace_members(:desk)");
        assert_eq!(desk, "42501 no such workspace, or it is not yours");
    }
    let invalid = "42501 the invitation is not valid";
    assert_eq!(world.denied("eve", &format!("select auth.accept_invitation('{token}')")), invalid);
    world.rule("select auth.enable_organization(:north), auth.enable_organization(:north); select auth.remove_member(:north, 'fay')");
    assert_eq!(world.members(":north"), before);
    assert_eq!(world.act("cara", "select count(*) from docs").as_deref(), Some("500"));
    let workspaces = "select auth.is_workspace_member(:desk) and not auth.is_workspace_member(:attic)";
    assert_eq!(world.act("ben", workspaces).as_deref(), Some("t"));
    world.act("eve", &format!("select auth.accept_invitation('{token}')"));
}

#[test]
fn a_disabled_workspace_has_no_members_until_it_is_enabled() {
    let mut world = World::new();
    let mut session = world.open("cara");
    assert_values(&mut session, &[("select auth.workspace_role()", Some("editor"))]);
    world.act("ben", "select auth.disable_workspace(:desk)");
    assert_values(&mut session, &[("select auth.workspace_role()", Some("editor"))]);
    session.authenticate(&token_of("cara")).unwrap();
    assert_values(
        &mut session,
        &[("select auth.current_workspace()", None), ("select auth.workspace_ids()", Some("{}"))],
    );
    assert_eq!(world.act("cara", "select count(*) from auth.list_workspaces()").as_deref(), Some("0"));
    assert_eq!(world.denied("cara", "select auth.list_workspace_members(:desk)"), TOO_LOW);
    // Who joins while it is disabled is as good as the others, and enabling its organization is not enough.
    world.act("ada", "select auth.add_workspace_member(:desk, 'dan')");
    world.rule("select auth.disable_organization(:north), auth.enable_workspace(:attic), auth.enable_organization(:north)");
    for user in ["ada", "ben", "cara", "dan"] {
        assert_eq!(world.act(user, "select auth.is_workspace_member(:desk)").as_deref(), Some("f"), "{user}");
    }
    assert_eq!(world.act("ben", "select auth.is_workspace_member(:attic)").as_deref(), Some("t"));
    world.act("ben", "select auth.enable_workspace(:desk)");
    for user in ["ada", "ben", "cara", "dan"] {
        assert_eq!(world.act(user, "select auth.is_workspace_member(:desk)").as_deref(), Some("t"), "{user}");
    }
}

#[test]
fn ownership_is_handed_over_and_never_lost() {
    let mut world = World::new();
    let stays = "42501 the last owner must stay";
    for call in [
        "leave_organization(:north)",
        "remove_member(:north, 'ada')",
        "set_member_role(:north, 'ada', 'admin')",
    ] {
        assert_eq!(world.denied("ada", &format!("select auth.{call}")), stays, "{call}");
    }
    let by_administrator = world.fill("select auth.remove_member(:north, 'ada')");
    assert_eq!(world.admin.refused(&by_administrator), stays);
    assert_eq!(world.denied("ben", "select auth.transfer_ownership(:north, 'ben')"), TOO_LOW);
    assert_eq!(world.denied("ada", "select auth.transfer_ownership(:north, 'eve')"), "22023 no such member");
    world.act("ada", "select auth.transfer_ownership(:north, 'ben')");
    assert_eq!(world.members(":north"), "ada admin, ben owner, cara editor, dan viewer");
    assert_eq!(world.denied("ada", "select auth.delete_organization(:north)"), TOO_LOW);
    let too_high = "42501 you cannot change this member";
    assert_eq!(world.denied("ada", "select auth.set_member_role(:north, 'ben', 'viewer')"), too_high);
    // A second owner may step down.
    world.act("ben", "select auth.set_member_role(:north, 'cara', 'owner')");
    world.act("ben", "select auth.set_member_role(:north, 'ben', 'member')");
    assert_eq!(world.members(":north"), "ada admin, ben member, cara owner, dan viewer");
    world.rule("select auth.transfer_ownership(:north, 'dan')");
    assert_eq!(world.members(":north"), "ada admin, ben member, cara owner, dan owner");
}

#[test]
fn deleting_takes_everything_of_the_organization_and_nothing_else() {
    let mut world = World::new();
    let counts = "select concat_ws(' ', (select count(*) from auth.organizations), (select count(*) from auth.workspaces),
        (select count(*) from auth.roles where not builtin), (select count(*) from auth.memberships),
        (select count(*) from auth.workspace_memberships), (select count(*) from auth.invitations), (select count(*) from docs))";
    assert_eq!(world.told(counts).as_deref(), Some("3 3 2 7 7 1 1010"));
    world.act("ben", "select auth.delete_workspace(:attic)");
    assert_eq!(world.told(counts).as_deref(), Some("3 2 2 7 5 1 1010"));
    assert_eq!(world.denied("ben", "select auth.delete_organization(:north)"), TOO_LOW);
    world.act("ada", "select auth.delete_organization(:north)");
    assert_eq!(world.told(counts).as_deref(), Some("2 1 1 3 2 0 1010"));
    assert_eq!(world.members(":south"), "ben member, dan owner");
    assert_eq!(world.act("ada", "select count(*) from docs").as_deref(), Some("0"));
    assert_eq!(world.act("ben", "select count(*) from docs").as_deref(), Some("500"));
    // The name is free, and whoever takes it gets nothing of what was.
    world.act("eve", "select auth.create_organization('north', 'north')");
    let sees =
        "select auth.is_member(:north) or auth.in_org(:north) is true or :north = any (auth.org_ids())";
    assert_eq!(world.act("eve", sees).as_deref(), Some("f"));
    world.rule("select auth.delete_organization(:south)");
    assert_eq!(world.told(counts).as_deref(), Some("2 0 0 2 0 0 1010"));
}
