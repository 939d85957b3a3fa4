//! What is right, although it looks like what is not.

use super::{findings, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

/// Nothing is said about any of these beside the tables of `SETUP`.
const RIGHT: &[&str] = &[
    "create policy p on app.children using (coalesce(auth.in_org(org_id), false))",
    "create policy p on app.children using ((select auth.current_org()) = org_id)",
    "create policy p on app.children using (org_id = any (auth.org_ids()))",
    "create policy p on app.children using (org_id = any ((select auth.org_ids())::uuid[]))",
    "create table app.memberships (org_id uuid, user_id text); create index on app.memberships (org_id); alter table app.memberships owner to table_owner;
         select auth.protect('app.memberships');
         create policy p on app.children using (org_id in (select m.org_id from app.memberships m where m.user_id = auth.user_id()))",
    "create function app.mine(uuid) returns boolean stable language sql as 'select auth.in_org($1)';
         alter function app.mine(uuid) owner to table_owner;
         create policy p on app.children using (app.mine(org_id))",
    "create policy p on app.children using (auth.in_org(org_id) and current_setting('server_version_num')::int > 0)",
    "create policy p on app.children using (auth.in_org(org_id) and body not in (' OR true ', 'current_user', 'user_metadata x', 'auth.uid() is null'))",
    "create policy p on app.children as restrictive using (true)",
    "create view app.seen with (security_invoker = 1) as select * from app.children; grant select on app.seen to tenant",
    "create view app.seen as select * from app.plain",
    "create function app.count_plain() returns bigint language sql security definer set search_path = '' as 'select count(*) from app.plain'",
    "create function app.count_own() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from app.children';
         alter function app.count_own() owner to table_owner",
    "create function app.count_all() returns bigint language sql security definer as 'select count(*) from app.children';
         revoke execute on function app.count_all() from public",
    "alter table app.children add slug text, add unique (org_id, slug)",
    "alter table app.children add other uuid unique",
    "create materialized view app.kept as select * from app.children",
    "create role lint_service login noinherit; grant bearer_service to lint_service",
    "create role lint_backup bypassrls login",
    "create publication p for table app.plain",
    "create policy p on app.plain using (true); drop policy p on app.plain;
         alter table app.plain enable row level security, force row level security, owner to table_owner;
         create policy p on app.plain for select using (true)",
    "create policy p on app.children for select using (auth.in_org(org_id) and (auth.role() = 'a' or auth.role() = 'b'))",
    // An operator of the owner's own, for another column than the organization's.
    "create function app.same(text, text) returns boolean immutable language sql as 'select $1 operator(pg_catalog.=) $2';
         create operator app.=== (leftarg = text, rightarg = text, function = app.same);
         alter operator app.=== (text, text) owner to table_owner; alter function app.same(text, text) owner to table_owner;
         create policy p on app.children using (auth.in_org(org_id) and body operator(app.===) '{org_id}')",
    "create role lint_web; create role lint_login login noinherit in role lint_web;
         alter role lint_login set log_parameter_max_length = 0; alter role lint_login set log_parameter_max_length_on_error = 0;
         do $$begin execute format('alter database %I set pg_bearer.http_user_role = lint_web', current_database()); end$$",
    "create event trigger bearer_guard_changes on ddl_command_end execute function auth_internal.guard_changes();
         alter event trigger bearer_guard_changes disable",
];

#[test]
fn what_is_right_is_not_found() {
    let db = Database::new();
    let mut session = prepared(&db);
    for right in RIGHT {
        session.run("begin");
        session.run(right);
        assert!(findings(&mut session).is_empty(), "{right}\n{:#?}", findings(&mut session));
        session.run("rollback");
    }
}
