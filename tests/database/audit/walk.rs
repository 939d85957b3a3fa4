//! t350: what changes something without being seen.

use super::lines;
use crate::durable::{self, TAKE_AWAY};
use crate::lasting::world::{World, claims_of};
use crate::lasting::{END, GIVE};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use std::collections::BTreeSet;

/// The functions that change something, and the actions that a call can be: one row of these.
const WRITES: &[(&str, &[&str])] = &[
    ("accept_invitation", &["invitation.accept"]),
    ("act_as", &["act_as"]),
    ("add_issuer", &["issuer.add"]),
    ("add_jwt_key", &["jwt_key.add"]),
    ("add_jwt_secret", &["jwt_key.add"]),
    ("add_member", &["member.add"]),
    ("add_workspace_member", &["workspace_member.add"]),
    ("allow_changes", &["guards.allow_changes"]),
    ("ban_user", &["user.ban"]),
    ("begin_data_migration", &["migration.begin"]),
    ("change_password", &["session.begin", "user.change_password"]),
    ("confirm_membership", &["member.confirm"]),
    ("create_api_key", &["api_key.create"]),
    ("create_invitation", &["invitation.create"]),
    ("create_organization", &["organization.create"]),
    ("create_user", &["user.create"]),
    ("create_workspace", &["workspace.create"]),
    ("decline_invitation", &["invitation.revoke"]),
    ("define_role", &["role.define"]),
    ("delete_organization", &["organization.delete"]),
    ("delete_user", &["invitation.revoke", "user.delete", "user.remove"]),
    ("delete_workspace", &["workspace.delete"]),
    ("disable_organization", &["organization.disable"]),
    ("create_signing_key", &["signing_key.create"]),
    ("disable_workspace", &["workspace.disable"]),
    ("drop_role", &["role.drop"]),
    ("enable_organization", &["organization.enable"]),
    ("enable_workspace", &["workspace.enable"]),
    ("guard", &["guards.guard"]),
    ("impersonate", &["token.impersonate"]),
    ("import_api_key", &["api_key.import"]),
    ("install_postgrest", &["postgrest.install"]),
    ("issue_jwt", &["token.issue"]),
    ("issue_session", &["session.begin"]),
    ("leave_organization", &["member.remove"]),
    ("leave_workspace", &["workspace_member.remove"]),
    ("load_jwks", &["jwt_key.load"]),
    ("protect", &["table.protect"]),
    ("purge_api_keys", &["api_key.purge"]),
    ("purge_audit_log", &["audit_log.purge"]),
    ("purge_endings", &["endings.purge"]),
    ("purge_revocations", &["revocation.purge"]),
    ("redeem_token", &["session.begin", "user.redeem"]),
    ("refresh_session", &["session.refresh"]),
    ("register_membership_source", &["membership_source.register"]),
    ("remove_hook", &["hook.remove"]),
    ("remove_issuer", &["issuer.remove"]),
    ("remove_member", &["member.remove"]),
    ("remove_user", &["member.remove", "user.remove"]),
    ("remove_workspace_member", &["workspace_member.remove"]),
    ("revoke_api_key", &["api_key.revoke"]),
    ("revoke_invitation", &["invitation.revoke"]),
    ("revoke_jwt_key", &["jwt_key.revoke"]),
    ("revoke_session", &["session.revoke"]),
    ("revoke_token", &["token.revoke"]),
    ("revoke_user", &["user.revoke"]),
    ("rotate_api_key", &["api_key.rotate"]),
    ("rotate_signing_key", &["signing_key.rotate"]),
    ("set_api_key_settings", &["api_key.set_settings"]),
    ("set_hook", &["hook.set"]),
    ("set_member_role", &["member.set_role"]),
    ("set_signing_key_state", &["signing_key.set_state"]),
    ("set_workspace_member_role", &["workspace_member.set_role"]),
    ("sign_in_anonymously", &["session.begin", "user.create"]),
    ("sign_in_with_password", &["session.begin"]),
    ("sign_out_session", &["session.end"]),
    ("sign_up", &["session.begin", "user.create"]),
    ("transfer_ownership", &["organization.transfer"]),
    ("unguard", &["guards.unguard"]),
    ("uninstall_postgrest", &["postgrest.uninstall"]),
    ("unprotect", &["table.unprotect"]),
    ("unregister_membership_source", &["membership_source.unregister"]),
    ("update_api_key", &["api_key.update", "api_key.describe"]),
    ("update_issuer", &["issuer.update"]),
    ("update_password", &["user.change_password"]),
    ("update_organization", &["organization.update", "organization.set_external_id"]),
    ("update_user", &["user.update"]),
    ("update_workspace", &["workspace.update"]),
];

/// Those that look, move within a transaction, note uses, or change rows of the application.
const WRITE_NOTHING: &[&str] = &[
    "assert_isolated",
    "authenticate",
    "pre_request",
    // Of API keys alone.
    "exchange_api_key",
    "explain_access",
    "issue_ticket",
    "purge_sandbox",
    "recheck_foreign_keys",
    "rows_visible_to",
    // What they mail is in the log when somebody redeems it.
    "send_confirmation",
    "send_magic_link",
    "send_password_reset",
    "set_org",
    "sign_out",
    "support_in_org",
    "support_is_member",
    "support_is_workspace_member",
    "support_once",
    "touch_api_key",
];

/// Those of which one call is several actions, all or all but the first. Each organization has its own row of whoever
/// leaves all.
const SEVERAL: &[&str] =
    &["change_password", "delete_user", "redeem_token", "remove_user", "sign_in_anonymously", "sign_up"];

/// Calls that neither list of others has, in the world of `durable`.
const OTHERS: &[(&str, &str)] = &[
    ("root", r#"act_as('{"user_id": "ada"}')"#),
    ("root", "add_issuer('https://another.example')"),
    ("root", "add_jwt_key(:issuer, :jwk)"),
    ("root", "add_jwt_secret(:issuer, repeat('y', 32), kid => 'y')"),
    ("root", "allow_changes()"),
    ("root", "begin_data_migration('{notes}')"),
    ("root", "purge_audit_log('0')"),
    ("root", "purge_revocations()"),
    ("root", "create_signing_key(issuer => 'https://spare.example')"),
    ("root", "install_postgrest('{api}', 'walk_login', 'walk_anon', 'walk_user')"),
    ("root", "unguard()"),
    ("ada", "update_api_key(:key, 'another name')"),
    ("root", "create_user('new@users.example', 'a password')"),
    ("root", "issue_session('ada')"),
    ("root", "sign_in_anonymously()"),
    ("root", "sign_in_with_password('una@users.example', 'her password')"),
    ("root", "sign_up('new@users.example', 'a password')"),
];

/// What has to be done before a call that begins so for it to change something.
const BEFORE: &[(&str, &str)] = &[
    ("define_role('clerk'", "select auth.define_role('clerk', '{z}')"),
    ("register_membership_source(", "select auth.unregister_membership_source('belongs')"),
    ("purge_api_keys(", "select auth.revoke_api_key(:key)"),
    (
        "purge_endings(",
        "insert into auth.endings (kind, target_id, org_id) values ('invitation', gen_random_uuid(), :north)",
    ),
    ("unguard(", "select auth.guard()"),
    (
        "uninstall_postgrest(",
        "select auth.install_postgrest('{api}', 'walk_login', 'walk_anon', 'walk_user')",
    ),
    ("remove_hook(", "select auth.set_hook('send_email', 'public.send')"),
    ("create_signing_key(", "select auth.add_issuer('https://spare.example', own => true)"),
    (
        "purge_revocations(",
        "insert into auth.revocations (kind, value, expires_at) values ('user', 'x', now() - interval '1 day')",
    ),
];

/// Of API keys alone (`audit::tokens`), and of refresh tokens that two have (`sessions::refreshing`).
const RESERVED: &[&str] = &["session.reuse", "token.exchange"];

/// What a second call like the first changes as much as that.
const AGAIN: &[&str] = &[
    "act_as",
    "allow_changes",
    "ban_user",
    "begin_data_migration",
    "create_api_key",
    "create_invitation",
    "create_organization",
    "create_signing_key",
    "create_workspace",
    "impersonate",
    "issue_jwt",
    "issue_session",
    // The same token once more, for a moment.
    "refresh_session",
    "remove_user",
    "revoke_session",
    "revoke_user",
    "set_hook",
    "sign_in_anonymously",
    "sign_in_with_password",
    // The same password signs in.
    "sign_up",
    "update_user",
    // Revoked keys and endings are there no more, but a purge of the log is in the log.
    "purge_audit_log",
];

fn name(call: &str) -> &str {
    call.split_once('(').map_or(call, |(name, _)| name)
}

/// The actions that came into the log of this transaction while something ran.
fn written(session: &mut Client, sql: &str) -> Result<Vec<String>, postgres::Error> {
    session.run(
        "create temp table if not exists known (id uuid) on commit drop; truncate known;
                 insert into known select id from auth.audit_log",
    );
    session.run("savepoint call");
    session.batch_execute(sql)?;
    let new = "select action from auth.audit_log where id not in (select id from known) order by action";
    Ok(lines(session, new))
}

/// What is wrong with what a call writes, and with what the same call writes the second time.
fn faults(session: &mut Client, who: &str, call: &str, filled: &str) -> Vec<String> {
    let actions = WRITES.iter().find(|(function, _)| *function == name(call)).map_or(&[][..], |(_, of)| *of);
    let mut faults = Vec::new();
    let first = written(session, filled).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    let is_whole = first.len() == 1 && actions.contains(&first[0].as_str())
        || SEVERAL.contains(&name(call)) && (first == actions || first == actions[1..]);
    if !is_whole {
        faults.push(format!("{who}: {call} wrote {first:?} instead of one of {actions:?}"));
    }
    match written(session, filled) {
        Ok(second) if AGAIN.contains(&name(call)) => {
            if second.len() != 1 && second != first {
                faults.push(format!("{who}: {call}, again, wrote {second:?}"));
            }
        }
        Ok(second) if !second.is_empty() => faults.push(format!("{who}: {call}, again, wrote {second:?}")),
        Ok(_) | Err(_) => {}
    }
    session.run("rollback");
    faults
}

fn before(call: &str) -> &'static str {
    BEFORE.iter().find(|(beginning, _)| call.starts_with(beginning)).map_or("", |(_, sql)| *sql)
}

#[test]
fn t350_what_gives_and_ends_something_is_in_the_log_once() {
    let world = World::new();
    let mut session = world.superuser();
    let mut found = Vec::new();
    for (who, call) in GIVE.iter().chain(END) {
        session.run("begin");
        session.run(&world.fill(before(call)));
        session.authenticate(&hs256(&claims_of(who))).unwrap();
        found.extend(faults(&mut session, who, call, &world.fill(&format!("select auth.{call}"))));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn t350_what_takes_something_away_and_what_administrators_do_is_in_the_log_once() {
    let db = Database::new();
    let mut session = db.superuser();
    let mut named = durable::world(&mut session);
    named.push(("jwk", format!("'{}'", Pair::es256().jwk("another"))));
    let mut found = Vec::new();
    for (who, call) in TAKE_AWAY.iter().chain(OTHERS) {
        session.run("begin");
        session.run(&durable::fill(&named, before(call)));
        if *who != "root" {
            session.authenticate(&durable::credential(&named, who)).unwrap();
        }
        found.extend(faults(&mut session, who, call, &durable::fill(&named, &format!("select auth.{call}"))));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn t350_every_function_that_changes_something_is_known_to_write_or_not() {
    let volatile = "select p.proname::text from pg_proc p where p.pronamespace = 'auth'::regnamespace and p.provolatile = 'v'";
    let there: BTreeSet<String> = lines(&mut Database::new().superuser(), volatile).into_iter().collect();
    let known = WRITES.iter().map(|(function, _)| *function).chain(WRITE_NOTHING.iter().copied());
    assert_eq!(there, known.map(str::to_owned).collect());
    let called: BTreeSet<&str> =
        GIVE.iter().chain(END).chain(TAKE_AWAY).chain(OTHERS).map(|(_, call)| name(call)).collect();
    let uncalled: Vec<_> = WRITES.iter().filter(|(function, _)| !called.contains(function)).collect();
    assert!(uncalled.is_empty(), "no call of {uncalled:?}");
}

#[test]
fn t350_the_list_of_actions_is_complete() {
    let db = Database::new();
    let mut session = db.superuser();
    let listed: BTreeSet<String> =
        lines(&mut session, "select action from auth_internal.audit_actions()").into_iter().collect();
    let levels = lines(&mut session, "select distinct level from auth_internal.audit_actions() order by 1");
    assert_eq!(levels, ["access", "all"]);
    let written: BTreeSet<&str> = WRITES.iter().flat_map(|(_, actions)| *actions).copied().collect();
    let expected = written.iter().chain(RESERVED).map(|action| (*action).to_owned());
    assert_eq!(listed, expected.collect());
    assert!(RESERVED.iter().all(|action| !written.contains(action)));
    // What functions pass is in the list, whichever call of theirs it is.
    let passed = lines(
        &mut session,
        "select distinct m[1] from pg_proc p
          cross join lateral regexp_matches(p.prosrc, $$audit(?:_key)?\\(\\s*(?:case when [^']*'[^;]*? then )?'([a-z_.]+)'$$, 'g') m
          where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace)",
    );
    assert!(passed.len() > 40, "{passed:?}");
    let unknown: Vec<_> = passed.iter().filter(|action| !listed.contains(*action)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
