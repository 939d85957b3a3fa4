//! t109: a workspace is its organization's alone, and so is what one may do there.

use super::place::Place;
use crate::tenancy::races::stage::{LEVELS, attempt, enter};
use pg_bearer_tests::database::Session;

#[test]
fn t109_a_workspace_is_closed_to_members_of_other_organizations() {
    let mut place = Place::new();
    let (org, workspace) = (place.org.clone(), place.workspace.clone());
    let other = place.admin.value("select auth.create_organization('other', owner_id => 'eve')").unwrap();
    place.admin.run("select auth.add_issuer('https://ours.example', own => true), auth.create_signing_key()");
    let calls = |workspace: &str| {
        [
            format!("update_workspace({workspace}, 'x')"),
            format!("disable_workspace({workspace})"),
            format!("enable_workspace({workspace})"),
            format!("delete_workspace({workspace})"),
            format!("add_workspace_member({workspace}, 'eve')"),
            format!("set_workspace_member_role({workspace}, 'bob', 'viewer')"),
            format!("remove_workspace_member({workspace}, 'bob')"),
            format!("remove_workspace_member({workspace}, 'eve')"),
            format!("leave_workspace({workspace})"),
            format!("list_workspace_members({workspace})"),
            format!("create_invitation('{other}', workspace_id => {workspace})"),
            format!("create_api_key('k', '{other}', workspace_id => {workspace})"),
            format!("issue_jwt(workspace_id => {workspace})"),
        ]
    };
    // These are all there are.
    let functions = "select string_agg(distinct p.proname, ' ') from pg_proc p
                      where 'workspace_id' = any (p.proargnames[:p.pronargs]) and has_function_privilege('tenant', p.oid, 'execute')
                        and p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace) and p.prosecdef and p.proname <> 'import_api_key'";
    for name in place.admin.value(functions).unwrap().split(' ') {
        assert!(calls("null").iter().any(|call| call.starts_with(&format!("{name}("))), "{name}");
    }
    place.admin.run(&format!("select auth.add_workspace_member('{workspace}', 'bob')"));
    let before = place.rows();
    let session = &mut place.session;
    enter(session, LEVELS[0], "eve");
    session.run("savepoint s");
    for wanted in [format!("'{workspace}'"), "gen_random_uuid()".into(), format!("'{org}'"), "null".into()] {
        for call in calls(&wanted) {
            // Without a workspace an invitation, and a key, is to the organization alone.
            if wanted != "null"
                || !["create_invitation", "create_api_key", "issue_jwt"]
                    .iter()
                    .any(|name| call.starts_with(name))
            {
                let told = session.refused(&format!("select auth.{call}"));
                assert_eq!(told, "42501 no such workspace, or it is not yours", "{call}");
                session.run("rollback to s");
            }
        }
    }
    for call in [
        format!("create_workspace('{org}', 'x')"),
        format!("list_workspaces('{org}')"),
        format!("create_invitation('{org}', workspace_id => '{workspace}')"),
    ] {
        let told = session.refused(&format!("select auth.{call}"));
        assert_eq!(told, "42501 no such organization, or it is not yours", "{call}");
        session.run("rollback to s");
    }
    assert_eq!(session.refused(&format!("select auth.set_org('{org}')")).get(..5), Some("42501"));
    session.run("rollback");
    assert_eq!(place.rows(), before);
}

#[test]
fn t109_a_workspace_takes_only_members_and_orders_of_its_own_organization() {
    let mut place = Place::new();
    let (org, workspace) = (place.org.clone(), place.workspace.clone());
    let other = place.admin.value("select auth.create_organization('other', owner_id => 'eve')").unwrap();
    place.admin.run(&format!(
        "select auth.define_role('foreign', '{{}}', '{other}'); select auth.add_workspace_member('{workspace}', 'bob')"
    ));
    for user in ["alice", "service"] {
        for (call, expected) in [
            (format!("add_workspace_member('{workspace}', 'eve')"), "22023 no such member"),
            (format!("set_workspace_member_role('{workspace}', 'eve', 'viewer')"), "22023 no such member"),
            (format!("remove_workspace_member('{workspace}', 'eve')"), "22023 no such member"),
            (format!("set_workspace_member_role('{workspace}', 'bob', 'foreign')"), "22023 no such role"),
            (format!("add_workspace_member('{workspace}', 'alice', 'foreign')"), "22023 no such role"),
        ] {
            enter(&mut place.session, LEVELS[0], user);
            assert_eq!(
                attempt(&mut place.session, &format!("select auth.{call}")),
                expected,
                "{user}: {call}"
            );
        }
    }
    // Being an owner elsewhere is worth nothing here, whichever organization is the current one.
    place.admin.run(&format!("select auth.add_member('{org}', 'eve', 'viewer')"));
    for current in [&org, &other] {
        for call in [
            format!("add_workspace_member('{workspace}', 'eve')"),
            format!("delete_workspace('{workspace}')"),
            format!("list_workspace_members('{workspace}')"),
        ] {
            enter(&mut place.session, LEVELS[0], "eve");
            place.session.run(&format!("select auth.set_org('{current}')"));
            let told = attempt(&mut place.session, &format!("select auth.{call}"));
            assert_eq!(told, "42501 your role in this organization does not allow this", "{call}");
        }
        enter(&mut place.session, LEVELS[0], "eve");
        let told = attempt(
            &mut place.session,
            &format!("select auth.create_invitation('{other}', workspace_id => '{workspace}')"),
        );
        assert_eq!(told, "42501 no such workspace, or it is not yours");
    }
}
