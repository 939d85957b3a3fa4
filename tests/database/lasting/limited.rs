//! A token with scopes gives what they cover, and no way around them.

use super::credentials::weakened;
use super::world::{Call, World};

#[test]
fn t254_a_token_gives_what_its_scopes_cover() {
    let mut world = World::new();
    let beyond = "42501 the scopes of the token do not cover what would be given";
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
            "define_role('fresh', '{a}', :north, 400)",
            "42501 a role cannot grant what yours cannot",
        ),
        ("roles.write a", "define_role('fresh', '{a}', :north, 400, '{auditor}')", "ok"),
        ("roles.write a", "define_role('fresh', '{a}', :north, 900, '{member}')", beyond),
        ("*", "transfer_ownership(:north, 'ben')", "ok"),
        ("members.write organization.write", "transfer_ownership(:north, 'ben')", beyond),
        ("*", "create_organization('fresh')", "ok"),
        ("members.write organization.write", "create_organization('fresh')", beyond),
        ("members.write", "delete_organization(:north)", beyond),
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
