//! An update makes what an install makes, and a script that forgets something is noticed.

use super::scripts::{
    assert_fresh, before, differences, installed, last_release, release, released, replace_update, update,
    update_from, update_once_more,
};
use crate::install::{catalog, clean_catalog};
use pg_bearer_tests::database::Session;

#[test]
fn an_upgraded_database_is_the_same_as_a_new_one() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let mut session = db.superuser();
        update(&mut session);
        assert_fresh(&mut session, &format!("from {version}"));
    }
}

#[test]
fn a_version_that_has_both_schemas_is_updated_to_the_same() {
    let db = before();
    let mut session = db.superuser();
    update(&mut session);
    for round in ["once", "twice"] {
        update_once_more(&mut session);
        assert_fresh(&mut session, round);
    }
}

/// A mistake, and what every difference that it makes mentions.
const SLIPS: &[(&str, &str)] = &[
    ("alter function auth.in_org(uuid) called on null input", "in_org"),
    ("grant execute on function auth_internal.require_administrator() to public", "require_administrator"),
    ("alter table auth.api_keys disable row level security", "api_keys"),
    ("alter table auth.issuers add column forgotten text", "forgotten"),
    ("alter table auth.memberships alter column role_id drop not null", "memberships"),
    ("comment on function auth.uid() is 'another'", "auth.uid()"),
    ("alter function auth.uid() volatile", "uid"),
    ("alter function auth.add_issuer reset search_path", "add_issuer"),
    ("alter function auth_internal.role_in(uuid, text) security definer", "role_in"),
    ("alter function auth_internal.token_hash(text) owner to bearer_admin", "token_hash"),
    ("comment on function auth_internal.lint_roles is null", "lint_roles"),
    ("comment on schema auth_internal is 'another'", "auth_internal"),
    ("grant create on schema auth_internal to bearer_owner", "schema auth_internal"),
    ("revoke execute on function auth_internal.base_type from public", "base_type"),
    ("create table auth_internal.forgotten ()", "forgotten"),
    (
        "do $$ begin execute pg_catalog.concat('create or replace view auth.api_keys_due as ',
             pg_catalog.replace(pg_catalog.pg_get_viewdef('auth.api_keys_due'), ';', ' limit 1')); end $$",
        "api_keys_due",
    ),
    ("create function auth_internal.forgotten() returns int return 1", "forgotten"),
    // A function that stayed where it was, or went too far.
    ("alter function auth_internal.live_role(uuid) set schema auth", "live_role"),
    ("alter function auth.leave_workspace(uuid) set schema auth_internal", "leave_workspace"),
    // What CREATE OR REPLACE forgets when it does not say it again.
    (
        "create or replace function auth.in_org(org_id uuid) returns boolean as 'MODULE_PATHNAME', 'pg_bearer_in_org'
             language c stable strict leakproof parallel safe",
        "in_org",
    ),
];

#[test]
fn a_script_that_forgets_something_is_noticed() {
    let (version, script) = last_release();
    let db = installed(&script, &update_from(&version));
    let mut session = db.superuser();
    for (slip, trace) in SLIPS {
        replace_update(&mut session, &format!("{}{slip};", update_from(&version)));
        session.run("begin");
        update(&mut session);
        let found = differences(&catalog(&mut session), clean_catalog());
        assert!(!found.is_empty() && found.iter().all(|line| line.contains(trace)), "{slip}: {found:#?}");
        session.run("rollback");
    }
    // Support is what the last slip took.
    let with_support =
        |lines: &[String]| lines.iter().any(|line| line.contains("SUPPORT auth.support_in_org"));
    assert!(with_support(clean_catalog()));
}

#[test]
fn t199_no_function_of_a_release_stays_beside_its_successor() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let mut session = db.superuser();
        update(&mut session);
        let doubles = "select coalesce(string_agg(p.proname, ' '), '') from (
                           select p.proname from pg_proc p
                            where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)
                            group by p.pronamespace, p.proname having count(*) > 1) p";
        assert_eq!(session.value(doubles).as_deref(), Some(""), "from {version}");
    }
}

#[test]
fn t199_a_form_of_an_older_version_that_was_forgotten_is_noticed() {
    // Called with one argument, the old form would win against the new one with a default.
    let forgotten = "create function auth.in_org(org_id uuid, strictly boolean) returns boolean return true;";
    let (version, script) = last_release();
    let db = installed(&format!("{script}\n{forgotten}"), &update_from(&version));
    let mut session = db.superuser();
    let before = catalog(&mut session);
    // Comments and grants name functions without their arguments.
    let refused = session.refused("alter extension pg_bearer update");
    assert_eq!(refused, "42725 function name \"auth.in_org\" is not unique");
    assert_eq!(catalog(&mut session), before);
}
