//! What takes something away commits durably, whatever `synchronous_commit` says: a crash would give it back.

use super::catalog::rows;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use std::collections::BTreeSet;

/// Who calls each function that takes something away, and how. Root is an administrator.
pub(super) const TAKE_AWAY: &[(&str, &str)] = &[
    ("root", "guard()"),
    ("root", "define_role('auditor', '{}', :north)"),
    ("root", "define_role('clerk', '{}')"),
    ("ada", "define_role('auditor', '{}', :north)"),
    ("ada", "drop_role('spare', :north)"),
    ("root", "drop_role('clerk')"),
    ("root", "disable_organization(:north)"),
    ("ada", "delete_organization(:north)"),
    // What claims call it, too.
    ("root", "update_organization(:north, external_id => 'n-2')"),
    ("ada", "update_organization(:north, 'North')"),
    ("ada", "transfer_ownership(:north, 'ben')"),
    ("ada", "set_member_role(:north, 'ben', 'viewer')"),
    ("ada", "remove_member(:north, 'ben')"),
    ("ben", "leave_organization(:north)"),
    ("ada", "update_workspace(:desk, 'Desk')"),
    ("ada", "disable_workspace(:desk)"),
    ("ada", "delete_workspace(:desk)"),
    ("ada", "set_workspace_member_role(:desk, 'ben', 'viewer')"),
    ("ada", "remove_workspace_member(:desk, 'ben')"),
    ("ben", "leave_workspace(:desk)"),
    ("ada", "revoke_invitation(:invitation)"),
    // It works once.
    ("guest", "accept_invitation(:token)"),
    ("ada", "revoke_api_key(:key)"),
    ("ada", "update_api_key(:key, scopes => '{a}')"),
    ("ada", "rotate_api_key(:key)"),
    ("root", "set_api_key_settings(:north, max_keys => 0)"),
    ("root", "purge_api_keys('0')"),
    ("root", "purge_endings()"),
    ("root", "update_issuer(:issuer, algorithms => '{ES256}')"),
    ("root", "remove_issuer(:issuer)"),
    ("root", "load_jwks(:issuer, :jwks)"),
    ("root", "revoke_jwt_key(:jwt_key)"),
    ("root", "register_membership_source('belongs', 'who', 'org', 'role')"),
    ("root", "unregister_membership_source('belongs')"),
    ("root", "protect('notes')"),
    ("root", "unprotect('shut')"),
    ("root", "rotate_signing_key()"),
    ("root", "set_signing_key_state(:next, 'retired')"),
    ("root", "revoke_token(:minted)"),
    ("ada", "revoke_token(:minted)"),
    ("root", "revoke_session(:issuer, 's')"),
    ("ada", "revoke_user('ada')"),
    ("root", "remove_user('ben')"),
    ("root", "ban_user('ben')"),
    ("una", "change_password('her password', 'another password')"),
    ("una", "update_password('another password', 'her password')"),
    ("una", "decline_invitation(:invited)"),
    ("una", "delete_user(:una_id)"),
    ("root", "delete_user(:una_id)"),
    ("una", "sign_out_session()"),
    ("una", "sign_out_session('all')"),
    ("una", "update_user(data => '{\"a\": 1}')"),
    ("root", "update_user(:una_id, app_metadata => '{\"a\": 1}')"),
    ("root", "refresh_session(:refresh)"),
    ("root", "redeem_token(:reset, 'another password')"),
    ("root", "set_hook('send_email', 'public.send')"),
    ("root", "remove_hook('send_email')"),
    ("root", "uninstall_postgrest('walk_login')"),
];

/// Those that give, move within a transaction, or only look.
const TAKE_NOTHING: &[&str] = &[
    "allow_changes",
    "unguard",
    "act_as",
    "add_issuer",
    "add_jwt_key",
    "add_jwt_secret",
    "add_member",
    "add_workspace_member",
    "assert_isolated",
    "authenticate",
    "pre_request",
    // Ends with its transaction.
    "begin_data_migration",
    "confirm_membership",
    "create_api_key",
    "create_signing_key",
    "exchange_api_key",
    "impersonate",
    "issue_jwt",
    // What has expired counts for nothing.
    "purge_revocations",
    "create_invitation",
    "create_organization",
    "create_workspace",
    "enable_organization",
    "enable_workspace",
    "explain_access",
    "import_api_key",
    "install_postgrest",
    // In memory alone.
    "issue_ticket",
    // Rows of the application, which decides about its commits.
    "purge_sandbox",
    // What came of it took place before.
    "purge_audit_log",
    "create_user",
    "issue_session",
    "send_confirmation",
    "send_magic_link",
    "send_password_reset",
    "sign_in_anonymously",
    "sign_in_with_password",
    "sign_up",
    // Changes nothing.
    "recheck_foreign_keys",
    "rows_visible_to",
    "set_org",
    "sign_out",
    "support_in_org",
    "support_is_member",
    "support_is_workspace_member",
    "support_once",
    "touch_api_key",
];

fn name(call: &str) -> &str {
    call.split_once('(').map_or(call, |(name, _)| name)
}

/// What the calls are about, by their names, as SQL.
pub(super) fn world(session: &mut Client) -> Vec<(&'static str, String)> {
    session.run(
        "create table belongs (who text, org text, role text); create index on belongs (who);
         create table notes (org_id uuid not null); create table shut (org_id uuid not null);
         select auth.register_membership_source('belongs', 'who', 'org', 'role');
         select auth.protect('shut');
         create function send(event jsonb) returns void language sql as 'select';
         alter function send(jsonb) owner to table_owner;
         select auth.define_role('clerk', '{}')",
    );
    let keys = jwks(&[Pair::es256().jwk("new")]);
    let mut named = vec![("issuer", format!("'{STRICT_ISSUER}'")), ("jwks", format!("'{keys}'"))];
    for (name, sql) in [
        ("north", "auth.create_organization('north', owner_id => 'ada')"),
        ("desk", "auth.create_workspace(:north, 'desk')"),
        ("auditor", "auth.define_role('auditor', '{a}', :north)"),
        ("spare", "auth.define_role('spare', '{a}', :north)"),
        ("ben", "auth.add_member(:north, 'ben', 'auditor')"),
        ("guest", "auth.add_workspace_member(:desk, 'ben')"),
        ("invitation", "invitation_id from auth.create_invitation(:north)"),
        ("token", "token from auth.create_invitation(:north)"),
        ("key", "id from auth.create_api_key('k', :north)"),
        ("", "auth.add_issuer('https://ours.example', own => true), auth.create_signing_key()"),
        ("next", "auth.create_signing_key()"),
        ("minted", "auth.issue_jwt('ada')"),
        ("una_id", "auth.create_user('una@users.example', 'her password', email_confirmed_at => now())"),
        ("una", "auth.sign_in_with_password('una@users.example', 'her password') ->> 'access_token'"),
        ("refresh", "auth.sign_in_with_password('una@users.example', 'her password') ->> 'refresh_token'"),
        ("reset", "auth.send_password_reset('una@users.example') ->> 'token'"),
        ("invited", "invitation_id from auth.create_invitation(:north, email => 'una@users.example')"),
        ("jwt_key", "auth.add_jwt_secret(:issuer, repeat('x', 32), kid => 'x')"),
    ] {
        let value = session.value(&format!("select {}", fill(&named, sql)));
        named.push((name, format!("'{}'", value.unwrap_or_default())));
    }
    named
}

pub(super) fn fill(named: &[(&str, String)], sql: &str) -> String {
    let named = named.iter().filter(|(name, _)| !name.is_empty());
    named.fold(sql.to_owned(), |sql, (name, value)| sql.replace(&format!(":{name}"), value))
}

/// What somebody shows who calls: an access token of ours, where there is one.
pub(super) fn credential(named: &[(&str, String)], who: &str) -> String {
    let found = named.iter().find(|(name, value)| *name == who && value.starts_with("'ey"));
    found.map_or_else(|| token_of(who), |(_, token)| token.trim_matches('\'').to_owned())
}

#[test]
fn t214_what_takes_something_away_commits_durably() {
    let db = Database::new();
    let mut session = db.superuser();
    let named = world(&mut session);
    let mut lost = Vec::new();
    for (who, call) in TAKE_AWAY {
        for (level, expected) in [("off", "local"), ("local", "local"), ("on", "on")] {
            session.run("begin");
            if *who != "root" {
                session.authenticate(&credential(&named, who)).unwrap();
            }
            session.run(&format!("set local synchronous_commit = '{level}'"));
            session.run(&format!("select auth.{}", fill(&named, call)));
            let found = session.value("select current_setting('synchronous_commit')");
            if found.as_deref() != Some(expected) {
                lost.push(format!("{who}: {call}: {found:?} instead of {expected}"));
            }
            session.run("rollback");
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn t214_every_function_that_changes_something_is_known_to_take_away_or_not() {
    let db = Database::new();
    let volatile = "select p.proname::text from pg_proc p where p.pronamespace = 'auth'::regnamespace and p.provolatile = 'v'";
    let there: BTreeSet<String> = rows(&mut db.superuser(), volatile).into_iter().collect();
    let known: BTreeSet<String> = TAKE_AWAY
        .iter()
        .map(|(_, call)| name(call))
        .chain(TAKE_NOTHING.iter().copied())
        .map(str::to_owned)
        .collect();
    assert_eq!(there, known);
    let twice: Vec<_> =
        TAKE_AWAY.iter().map(|(_, call)| name(call)).filter(|name| TAKE_NOTHING.contains(name)).collect();
    assert_eq!(twice, [] as [&str; 0]);
}
