//! t108: what an invitation is worth depends on what is, not on what was when it was made.

use super::place::{INVALID, Place};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::token_of;

#[test]
fn t108_an_invitation_is_worth_what_its_inviter_may_give_now() {
    let mut place = Place::new();
    let (org, workspace) = (place.org.clone(), place.workspace.clone());
    place.admin.run(&format!("select auth.define_role('helper', '{{}}', '{org}', 300)"));
    let workspace = format!(", 'helper', workspace_id => '{workspace}'");
    let set_role = |role: &str| format!("select auth.set_member_role('{org}', 'dave', '{role}')");
    let admin_has = |rest: &str| format!("select auth.define_role('admin', {rest})");
    let helper_has = |rank: u32| format!("select auth.define_role('helper', '{{}}', '{org}', {rank})");
    let seed = "select auth.drop_role('admin')".to_owned();
    let expires =
        |when: &str| format!("update auth.invitations set expires_at = clock_timestamp() + '{when}'");
    for (rest, spoil, mend) in [
        (", 'helper'", set_role("viewer"), set_role("admin")),
        (", 'helper'", set_role("helper"), set_role("owner")),
        (", 'admin'", set_role("admin"), set_role("owner")),
        (", 'helper'", set_role("member"), set_role("admin")),
        (", 'helper'", admin_has("'{members.*}'"), seed.clone()),
        (", 'helper'", admin_has("'{*}', grantable => '{viewer}'"), seed.clone()),
        (", 'helper'", admin_has("'{*}', rank => 300"), seed.clone()),
        (", 'helper'", helper_has(800), helper_has(799)),
        (
            ", 'member'",
            "select auth.define_role('member', '{*}', rank => 900)".into(),
            "select auth.drop_role('member')".into(),
        ),
        (&workspace, admin_has("'{invitations.*}'"), seed),
        (
            ", 'helper'",
            format!("select auth.disable_organization('{org}')"),
            format!("select auth.enable_organization('{org}')"),
        ),
        (", 'helper'", expires("-1 microsecond"), expires("1 minute")),
    ] {
        let token = place.invite("dave", rest);
        place.admin.run(&spoil);
        assert_eq!(refusal(place.show(&token_of("guest"), Some(&token))), INVALID, "{rest}: {spoil}");
        place.admin.run(&mend);
        place.show(&token_of("guest"), Some(&token)).unwrap_or_else(|error| panic!("{mend}: {error:?}"));
        place.admin.run(&format!("select auth.remove_member('{org}', 'guest')"));
    }
}

#[test]
fn t108_what_ended_an_invitation_cannot_be_undone() {
    let mut place = Place::new();
    let (org, workspace) = (place.org.clone(), place.workspace.clone());
    place.admin.run(&format!("select auth.define_role('helper', '{{}}', '{org}', 300)"));
    let workspace = format!(", workspace_id => '{workspace}'");
    for (rest, end) in [
        (
            "",
            format!(
                "select auth.remove_member('{org}', 'dave'); select auth.add_member('{org}', 'dave', 'admin')"
            ),
        ),
        ("", "select auth.revoke_invitation(id) from auth.invitations where accepted_at is null".into()),
        // Only an administrator past our functions can take these away; they do not come back as others.
        (
            ", 'helper'",
            format!(
                "delete from auth.roles where name = 'helper'; select auth.define_role('helper', '{{}}', '{org}', 300)"
            ),
        ),
        (&workspace, "update auth.workspaces set org_id = gen_random_uuid()".into()),
        (&workspace, "select auth.delete_workspace(id) from auth.workspaces".into()),
        ("", format!("select auth.delete_organization('{org}')")),
    ] {
        let token = place.invite("dave", rest);
        place.admin.run(&end);
        assert_eq!(refusal(place.show(&token_of("guest"), Some(&token))), INVALID, "{rest}: {end}");
        place.admin.run(&format!("update auth.workspaces set org_id = '{org}'"));
    }
    assert_values(
        &mut place.admin,
        &[
            ("select count(*) from auth.memberships", Some("0")),
            ("select count(*) from auth.invitations", Some("0")),
        ],
    );
}
