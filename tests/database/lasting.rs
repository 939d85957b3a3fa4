//! What gives something that outlives the transaction asks again whether the credential is still good, and whether it may
//! give anything at all.

pub(super) mod credentials;
mod limited;
mod waiting;
pub(super) mod world;

use super::catalog::rows;
use credentials::{WEAK, Weak, weakened};
use pg_bearer_tests::Database;
use std::collections::BTreeSet;
use world::{Call, World};

/// Who calls each function that gives something lasting, and how. Ada owns north, Ben is an admin there; guest has an
/// invitation, cara was added by others, and service is a service credential.
pub(super) const GIVE: &[(&str, &str)] = &[
    ("ada", "create_organization('fresh')"),
    ("service", "create_organization('fresh', owner_id => 'eve')"),
    ("ada", "update_organization(:north, 'North')"),
    ("service", "update_organization(:north, external_id => 'n-2')"),
    ("service", "enable_organization(:closed)"),
    ("ada", "transfer_ownership(:north, 'ben')"),
    ("ada", "add_member(:north, 'eve', 'admin')"),
    ("ada", "set_member_role(:north, 'ben', 'owner')"),
    ("ada", "set_member_role(:north, 'ben', 'viewer')"),
    ("cara", "confirm_membership(:north)"),
    ("ada", "create_workspace(:north, 'fresh')"),
    ("ada", "update_workspace(:desk, 'Desk')"),
    ("ada", "enable_workspace(:attic)"),
    ("ada", "add_workspace_member(:desk, 'cara')"),
    ("ada", "set_workspace_member_role(:desk, 'ben', 'admin')"),
    ("ada", "define_role('fresh', '{a}', :north)"),
    ("ada", "define_role('auditor', '{a,b}', :north)"),
    ("service", "define_role('clerk', '{a}')"),
    ("ada", "drop_role('spare', :north)"),
    ("ada", "create_invitation(:north, role => 'owner')"),
    ("guest", "accept_invitation(:token)"),
    ("ada", "create_api_key('k', :north, environment => 'live')"),
    ("service", "create_api_key('k', kind => 'service', environment => 'live')"),
    ("service", "import_api_key('k', repeat('0', 64), :north, environment => 'live')"),
    ("ada", "rotate_api_key(:key)"),
    ("ada", "update_api_key(:key, clear => '{scopes}')"),
    ("service", "update_api_key(:key, clear => '{scopes}')"),
    ("service", "set_api_key_settings(:north, max_keys => 9)"),
    ("ada", "issue_jwt(environment => 'live')"),
    ("service", "issue_jwt('eve', environment => 'live')"),
    ("service", "impersonate('eve', 'asked for help')"),
    ("una", "change_password('her password', 'another password')"),
    ("service", "create_user('fresh@users.example', 'a password')"),
    ("service", "issue_session('eve')"),
    ("una", "update_user(data => '{\"a\": 1}')"),
    ("service", "update_user(:una, phone => '1')"),
];

/// Those that end something, move within a transaction, look, or change a table with the rights that its owner has.
const GIVE_NOTHING: &[&str] = &[
    "authenticate",
    "pre_request",
    "ban_user",
    "decline_invitation",
    "delete_user",
    // What these take is no credential of whoever calls.
    "redeem_token",
    "refresh_session",
    "send_confirmation",
    "send_magic_link",
    "send_password_reset",
    "sign_in_anonymously",
    "sign_in_with_password",
    "sign_up",
    // Of sessions of ours alone; it asks what change_password() does.
    "update_password",
    "sign_out_session",
    "begin_data_migration",
    "delete_organization",
    "delete_workspace",
    "disable_organization",
    "disable_workspace",
    // For API keys alone: credentials.rs.
    "exchange_api_key",
    // Lives for a minute; tests/database/tickets.rs.
    "issue_ticket",
    "leave_organization",
    "leave_workspace",
    "protect",
    "purge_api_keys",
    "purge_endings",
    "purge_revocations",
    "purge_sandbox",
    "recheck_foreign_keys",
    "remove_member",
    "remove_user",
    "remove_workspace_member",
    "revoke_api_key",
    "revoke_invitation",
    "revoke_session",
    "revoke_token",
    "revoke_user",
    "set_org",
    "sign_out",
    "touch_api_key",
    "unprotect",
];

/// What ends something, also live API keys.
pub(super) const END: &[(&str, &str)] = &[
    ("service", "disable_organization(:north)"),
    ("ada", "delete_organization(:north)"),
    ("ada", "remove_member(:north, 'ben')"),
    ("ben", "leave_organization(:north)"),
    ("ada", "disable_workspace(:desk)"),
    ("ada", "delete_workspace(:desk)"),
    ("ada", "remove_workspace_member(:desk, 'ben')"),
    ("ben", "leave_workspace(:desk)"),
    ("ada", "revoke_invitation(:invitation)"),
    ("ada", "revoke_api_key(:key)"),
    ("service", "purge_endings()"),
    ("ben", "revoke_user('ben')"),
    ("service", "revoke_user('ben')"),
    ("service", "revoke_session('https://strict.example', 's')"),
    ("service", "remove_user('ben')"),
    ("service", "ban_user('ben')"),
    ("guest", "decline_invitation(:mailed)"),
    ("una", "delete_user(:una)"),
    ("service", "delete_user(:una)"),
];

fn name(call: &str) -> &str {
    call.split_once('(').map_or(call, |(name, _)| name)
}

fn calls(of: &[(&'static str, &'static str)]) -> Vec<Call> {
    of.iter().map(|(who, sql)| Call { who, sql }).collect()
}

#[test]
fn t252_every_function_for_everybody_that_changes_something_is_known_to_give_or_not() {
    let for_everybody = "select distinct p.proname::text from pg_proc p
         cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
         where p.pronamespace = 'auth'::regnamespace and p.provolatile = 'v'
           and x.grantee = 0 and x.privilege_type = 'EXECUTE'";
    let there: BTreeSet<String> = rows(&mut Database::new().superuser(), for_everybody).into_iter().collect();
    let give: BTreeSet<&str> = GIVE.iter().map(|(_, call)| name(call)).collect();
    let twice: Vec<_> = GIVE_NOTHING.iter().filter(|name| give.contains(*name)).collect();
    assert_eq!(twice, [] as [&&str; 0]);
    let known: BTreeSet<String> =
        give.into_iter().chain(GIVE_NOTHING.iter().copied()).map(str::to_owned).collect();
    assert_eq!(there, known);
}

#[test]
fn t252_good_credentials_give_and_end() {
    let mut world = World::new();
    for call in calls(GIVE).iter().chain(&calls(END)) {
        assert_eq!(world.answer(call, "read committed", &Weak::NONE), "ok", "{call:?}");
    }
}

#[test]
fn t252_a_credential_that_has_ended_gives_nothing() {
    for isolation in ["read committed", "repeatable read"] {
        let mut world = World::new();
        for weak in WEAK {
            for call in calls(GIVE).iter().filter(|call| weak.concerns(call)) {
                // Nobody may there.
                if isolation == "repeatable read" && call.sql.contains("'clerk'") {
                    continue;
                }
                let told = world.answer(call, isolation, weak);
                assert!(weak.is_refusal(call, &told), "{isolation}: {}: {call:?}: {told}", weak.name);
            }
        }
    }
}

#[test]
fn t252_a_token_that_runs_out_within_a_statement_gives_nothing() {
    let mut world = World::new();
    for call in calls(&[
        ("ada", "add_member(:north, 'eve', 'admin')"),
        ("ada", "create_api_key('k', :north)"),
        ("guest", "accept_invitation(:token)"),
    ]) {
        let told = world.answer_after(&call, 2);
        assert_eq!(told, "28000 the credential has expired", "{call:?}");
    }
}

#[test]
fn t253_whoever_acts_for_somebody_else_gives_nothing() {
    let mut world = World::new();
    for call in calls(GIVE) {
        let told = world.answer_with(&call, |claims| weakened(claims, r#"{"act": {"sub": "helper"}}"#));
        assert_eq!(told, "42501 whoever acts for somebody else gives nothing that lasts", "{call:?}");
    }
    let add = Call { who: "ada", sql: "add_member(:north, 'eve', 'admin')" };
    for act in [
        r#"{"client_id": "helper"}"#,
        r#"{"sub": 5}"#,
        r#""helper""#,
        r#"["x"]"#,
        "{}",
        "false",
        r#"{"act": {"sub": "x"}}"#,
    ] {
        let told = world.answer_with(&add, |claims| weakened(claims, &format!(r#"{{"act": {act}}}"#)));
        assert_eq!(told, "42501 whoever acts for somebody else gives nothing that lasts", "{act}");
    }
}

#[test]
fn t254_a_token_with_scopes_gives_no_more_than_they_cover() {
    let mut world = World::new();
    for call in &calls(GIVE) {
        let told = world.answer_with(call, |claims| weakened(claims, r#"{"scope": "openid invoices.read"}"#));
        let expected = match name(call.sql) {
            "create_api_key" | "rotate_api_key" | "update_api_key" if call.who != "service" => {
                "42501 your role in this organization does not allow this"
            }
            _ => "42501 the scopes of the token do not cover this",
        };
        assert_eq!(told, expected, "{call:?}");
    }
}

#[test]
fn t255_a_test_credential_changes_nothing_that_counts_in_live() {
    let mut world = World::new();
    let refused = "42501 a test credential changes nothing that counts in the live environment";
    for call in calls(GIVE).iter().chain(&calls(END)) {
        let told = world.answer_in_test(call);
        let expected = match name(call.sql) {
            // A session for tests.
            "issue_session" => "ok",
            // Live keys are not theirs to see.
            "rotate_api_key" | "update_api_key" | "revoke_api_key" => {
                "42501 no such API key, or it is not yours"
            }
            _ => refused,
        };
        assert_eq!(told, expected, "{call:?}");
    }
    let own = Call { who: "ada", sql: "create_api_key('k', :north)" };
    assert_eq!(world.answer_in_test(&own), "ok");
}
