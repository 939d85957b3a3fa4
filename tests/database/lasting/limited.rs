//! A token with scopes gives what they cover, and no way around them.

use super::credentials::weakened;
use super::world::{Call, World};

#[test]
fn t254_a_scope_that_is_none_covers_nothing() {
    let mut world = World::new();
    let call = Call { who: "ada", sql: "add_member(:north, 'eve', 'admin')" };
    for scope in ["5", "true", r#"{"a": 1}"#, "[5]", r#"[["members.write", "*"]]"#, r#"{"*": 1}"#] {
        let told = world.answer_with(&call, |claims| weakened(claims, &format!(r#"{{"scope": {scope}}}"#)));
        assert_eq!(told, "42501 the scopes of the token do not cover this", "{scope}");
    }
    // There are none.
    for scope in [r#""""#, r#"" ""#, "[]", "null", r#"["openid"]"#] {
        let told = world.answer_with(&call, |claims| weakened(claims, &format!(r#"{{"scope": {scope}}}"#)));
        assert_eq!(told, "ok", "{scope}");
    }
}

#[test]
fn t254_a_token_gives_what_its_scopes_cover() {
    let mut world = World::new();
    let beyond = "42501 the scopes of the token do not cover this";
    for (scope, sql, expected) in [
        ("members.write a", "add_member(:north, 'eve', 'auditor')", "ok"),
        ("members.write", "add_member(:north, 'eve', 'auditor')", beyond),
        ("a", "add_member(:north, 'eve', 'auditor')", beyond),
        ("members.* a", "set_member_role(:north, 'ben', 'auditor')", "ok"),
        ("members.* a", "set_member_role(:north, 'ben', 'admin')", beyond),
        ("members.* a", "remove_member(:north, 'ben')", "ok"),
        ("a", "remove_member(:north, 'ben')", beyond),
        ("invitations.write a", "create_invitation(:north, role => 'auditor')", "ok"),
        (
            "invitations.write a",
            "create_invitation(:north, role => 'auditor', workspace_id => :desk)",
            beyond,
        ),
        ("roles.write a", "define_role('fresh', '{a}', :north, 100, '{}')", "ok"),
        ("roles.write a", "define_role('fresh', '{a,b}', :north, 100, '{}')", beyond),
        // Members with that role would give what the token does not.
        (
            "roles.write a",
            "define_role('fresh', '{a}', :north, 300)",
            "42501 a role cannot grant what yours cannot",
        ),
        ("roles.write a", "define_role('fresh', '{a}', :north, 300, '{spare}')", "ok"),
        ("roles.write a", "define_role('fresh', '{a}', :north, 300, '{viewer}')", beyond),
        ("*", "transfer_ownership(:north, 'ben')", "ok"),
        ("members.write organization.write", "transfer_ownership(:north, 'ben')", beyond),
        ("*", "create_organization('fresh')", "ok"),
        ("members.write organization.write", "create_organization('fresh')", beyond),
        ("members.write", "delete_organization(:north)", beyond),
        ("workspaces.write a", "create_workspace(:north, 'fresh')", beyond),
        ("*", "create_workspace(:north, 'fresh')", "ok"),
        // Who has a higher rank has those below them.
        ("roles.write a", "define_role('auditor', '{a}', :north, 900, '{}')", beyond),
        // What they read is not limited.
        ("a", "list_members(:north)", "ok"),
        ("openid profile email", "transfer_ownership(:north, 'ben')", "ok"),
    ] {
        let call = Call { who: "ada", sql };
        let claims = format!(r#"{{"scope": "{scope}"}}"#);
        let told = world.answer_with(&call, |known| weakened(known, &claims));
        assert_eq!(told, expected, "{scope}: {sql}");
    }
}

#[test]
fn t254_the_token_of_a_service_gives_what_its_scopes_cover() {
    let mut world = World::new();
    let beyond = "42501 the scopes of the token do not cover this";
    for (scope, sql, expected) in [
        ("roles.write a", "define_role('fresh', '{a}', :north, 100, '{}')", "ok"),
        ("roles.write", "define_role('fresh', '{a}', :north, 100, '{}')", beyond),
        ("roles.write", "define_role('fresh', '{*}', :north, 100, '{}')", beyond),
        ("roles.write a", "define_role('fresh', '{a}', :north, 900, '{}')", beyond),
        ("members.write a", "add_member(:north, 'eve', 'auditor')", "ok"),
        ("members.write", "add_member(:north, 'eve', 'owner')", beyond),
        ("members.write", "disable_organization(:north)", beyond),
        ("api_keys.write", "create_api_key('k', :north)", beyond),
        ("*", "create_api_key('k', kind => 'service')", "ok"),
        ("a", "list_members(:north)", "ok"),
    ] {
        let call = Call { who: "service", sql };
        let claims = format!(r#"{{"scope": "{scope}"}}"#);
        let told = world.answer_with(&call, |known| weakened(known, &claims));
        assert_eq!(told, expected, "{scope}: {sql}");
    }
}
