//! What lint could be blind for.

use super::{findings, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

const PAGE: &str = include_str!("../../../docs/policies.md");

/// What keeps nobody apart, the object, and what is said of it; or, in the page, that nothing is.
const PLANTED: &[(&str, &str, &str)] = &[
    (
        "create function app.allowed() returns boolean stable language sql as 'select true';
         create policy p on app.children using (app.allowed())",
        "p on app.children",
        "org_not_tested",
    ),
    (
        "create function app.allowed(uuid) returns boolean stable language sql as 'select true';
         create policy p on app.children using (app.allowed(org_id))",
        "p on app.children",
        "org_not_tested",
    ),
    (
        "create schema \"\u{430}uth\"; create function \"\u{430}uth\".in_org(uuid) returns boolean stable language sql as 'select true';
         create policy p on app.children using (\"\u{430}uth\".in_org(org_id))",
        "p on app.children",
        "org_not_tested",
    ),
    (
        "create function app.in_org(uuid) returns boolean stable language sql as 'select true'; set search_path = app;
         create policy p on app.children using (in_org(org_id)); reset search_path",
        "p on app.children",
        "org_not_tested",
    ),
    ("create policy p on app.children using (case when true then true else auth.in_org(org_id) end)", "p on app.children", "CASE"),
    ("create policy p on app.children using (case when auth.in_org(org_id) then true else true end)", "p on app.children", "CASE"),
    (
        "create domain app.org as uuid; create table app.with_domain (org_id app.org); create index on app.with_domain (org_id);
         alter table app.with_domain owner to table_owner",
        "app.with_domain",
        "rls_off",
    ),
    (
        "create type app.place as (org_id uuid, name text); create table app.with_composite (id int primary key, place app.place);
         alter table app.with_composite owner to table_owner",
        "app.with_composite",
        "composite",
    ),
    (
        "create table app.with_text (tenant_id text); create index on app.with_text (tenant_id); alter table app.with_text owner to table_owner",
        "app.with_text",
        "rls_off",
    ),
    (
        "create table app.with_other_name (account text); alter table app.with_other_name owner to table_owner",
        "app.with_other_name",
        "another name",
    ),
    (
        "create function app.asks(uuid) returns boolean stable language sql as 'select auth.in_org($1) or true';
         alter function app.asks(uuid) owner to table_owner; create policy p on app.children using (app.asks(org_id))",
        "p on app.children",
        "function that asks",
    ),
];

#[test]
fn t197_what_only_looks_as_if_it_kept_organizations_apart_is_found_or_said_not_to_be() {
    let db = Database::new();
    let mut session = prepared(&db);
    let (_, unseen) = PAGE.split_once("What lint does not see:").unwrap();
    let (unseen, _) = unseen.split_once("\n\n").unwrap();
    for (plant, object, expected) in PLANTED {
        session.run("begin");
        session.run(plant);
        let found = findings(&mut session);
        let found: Vec<_> =
            found.iter().filter(|found| found.object == *object).map(|found| found.code.as_str()).collect();
        if expected.contains('_') {
            assert!(found.contains(expected), "{plant}: {found:?}");
        } else {
            assert!(!found.contains(&"org_not_tested") && !found.contains(&"rls_off"), "{plant}: {found:?}");
            assert!(unseen.contains(expected), "{expected} is not in the list");
        }
        session.run("rollback");
    }
}

#[test]
fn t197_lint_tells_nobody_else() {
    let db = Database::new();
    db.superuser()
        .run("do $$ begin create role anon login; exception when duplicate_object then null; end $$");
    for user in ["anon", "tenant", "other"] {
        let mut session = db.connect(user);
        for call in ["auth.lint()", "auth.lint('{public}')", "auth.guards()"] {
            assert!(session.refused(&format!("select * from {call}")).starts_with("42501 "), "{user} {call}");
        }
        for call in ["lint_guards()", "lint_pre_requests()", "lint_postgrest()", "lint_http_roles()"] {
            assert!(
                session.refused(&format!("select * from auth_internal.{call}")).starts_with("42501 "),
                "{user} {call}"
            );
        }
    }
}
