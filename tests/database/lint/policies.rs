//! Policies that are planted.

use super::cases::Case;

pub(super) const POLICIES: &[Case] = &[
    (
        "reads_setting",
        "p on app.children",
        "create policy p on app.children using (org_id = current_setting('app.org')::uuid)",
    ),
    (
        "reads_setting",
        "p on app.children",
        "create policy p on app.children for select using
             (org_id = ((current_setting('request.jwt.claims', true)::jsonb)->>'org')::uuid)",
    ),
    (
        "reads_setting",
        "p on app.children",
        "create policy p on app.children as restrictive for insert with check (org_id = current_setting('a' || 'b')::uuid)",
    ),
    (
        "reads_setting",
        "p on app.children",
        "create function app.org() returns uuid stable language sql as 'select current_setting(''app.org'')::uuid';
         alter function app.org() owner to table_owner;
         create policy p on app.children for delete using (org_id = app.org())",
    ),
    (
        "reads_setting",
        "p on app.children",
        "create function app.org() returns uuid stable language sql return current_setting('app.org')::uuid;
         alter function app.org() owner to table_owner;
         create policy p on app.children for update using (org_id = (select app.org()))",
    ),
    (
        "reads_user_metadata",
        "p on app.children",
        "create policy p on app.children using (org_id = (auth.jwt() -> 'user_metadata' ->> 'org')::uuid)",
    ),
    (
        "reads_user_metadata",
        "p on app.children",
        "create policy p on app.children using (org_id = (auth.jwt() #>> '{user_metadata,org}')::uuid)",
    ),
    (
        "null_matches",
        "p on app.children",
        "create policy p on app.children using (org_id is not distinct from auth.current_org())",
    ),
    (
        "null_matches",
        "p on app.children",
        "create policy p on app.children using (auth.in_org(org_id) or auth.current_org() is null)",
    ),
    (
        "null_matches",
        "p on app.children",
        "create policy p on app.children using (org_id is not distinct from (select auth.current_org()))",
    ),
    (
        "null_matches",
        "p on app.children",
        "create policy p on app.children using (org_id = coalesce(auth.current_org(), org_id))",
    ),
    (
        "null_matches",
        "p on app.children",
        "create policy p on app.children for delete using (auth.in_org(org_id) is not false)",
    ),
    (
        "restrictive_only",
        "p on app.children",
        "create policy p on app.children using (true);
         create policy q on app.children as restrictive using (auth.in_org(org_id))",
    ),
    (
        "restrictive_only",
        "p on app.children",
        "create policy p on app.children for select using (body <> 'draft');
         create policy q on app.children as restrictive using (auth.in_org(org_id))",
    ),
    ("using_true", "p on app.children", "create policy p on app.children for select using (true)"),
    ("using_true", "p on app.children", "create policy p on app.children using (auth.in_org(org_id) or true)"),
    (
        "using_true",
        "p on app.plain",
        "alter table app.plain enable row level security, force row level security, owner to table_owner;
         create policy p on app.plain using (true)",
    ),
    ("check_true", "p on app.children", "create policy p on app.children for insert with check (true)"),
    (
        "check_true",
        "p on app.children",
        "create policy p on app.children for update using (auth.in_org(org_id)) with check (true)",
    ),
    (
        "check_without_org",
        "p on app.children",
        "create policy p on app.children using (auth.in_org(org_id) and body <> 'it''s \"org_id\"') with check (body <> 'auth.in_org(org_id)')",
    ),
    (
        "org_not_tested",
        "p on app.parents",
        "create policy p on app.parents for select using (owner = auth.user_id() and environment = auth.environment())",
    ),
    ("org_not_tested", "p on app.children", "create policy p on app.children for select using (body = 'public')"),
    (
        "org_not_tested",
        "p on app.children",
        "create policy p on app.children for select using (auth.current_org() is not null)",
    ),
    (
        "org_not_tested",
        "p on app.children",
        "create policy p on app.children for select using (cardinality(auth.org_ids()) > 0 and auth.is_member(auth.current_org()))",
    ),
    (
        "role_name",
        "p on app.children",
        "create policy p on app.children using (current_user = 'service_role') with check (current_user = 'service_role')",
    ),
    ("role_name", "p on app.children", "create policy p on app.children for select using (auth.role() = 'service_role')"),
    (
        "role_name",
        "p on app.parents",
        "create policy p on app.parents for delete using
             ((auth.in_org(org_id) or session_user = 'service_role') and environment = auth.environment())",
    ),
    (
        "role_name",
        "p on app.children",
        "create policy p on app.children for select using (auth.in_org(org_id) or auth.role() = 'service_role')",
    ),
    (
        "role_name",
        "p on app.children",
        "create policy p on app.children for select using (pg_has_role('table_owner', 'member'))",
    ),
    (
        "reads_itself",
        "p on app.children",
        "create policy p on app.children using (auth.in_org(org_id) and id in (select max(c.id) from app.children c))",
    ),
    (
        "environment_not_tested",
        "p on app.parents",
        "create policy p on app.parents for update using (auth.in_org(org_id)) with check (auth.in_org(org_id))",
    ),
    (
        "environment_not_tested",
        "p on app.children",
        "alter table app.children add environment text check (environment in ('live', 'test'));
         drop policy bearer_select on app.children; drop policy bearer_insert on app.children;
         drop policy bearer_update on app.children; drop policy bearer_delete on app.children;
         drop policy bearer_service on app.children;
         create policy p on app.children using (auth.in_org(org_id))",
    ),
    (
        "volatile_in_policy",
        "p on app.children",
        "create function app.mine(uuid) returns boolean language sql as 'select auth.in_org($1)';
         alter function app.mine(uuid) owner to table_owner;
         create policy p on app.children using (app.mine(org_id))",
    ),
    (
        "volatile_in_policy",
        "p on app.children",
        "create policy p on app.children using (auth.in_org(org_id) and random() < 2)",
    ),
    (
        "unreadable_policy",
        "p on app.children",
        "set local max_stack_depth = '7MB';
         do $$ begin execute 'create policy p on app.children using (auth.in_org(org_id) and body' || repeat('||body', 9000) || ' is null)'; end $$;
         -- What reads the table's policies again would not find the stack for it either.
         select count(*) from app.children;
         set local max_stack_depth = '1MB'",
    ),
    (
        "leaky_in_policy",
        "p on app.children",
        "create function app.mine(uuid) returns boolean stable language sql as 'select auth.in_org($1)';
         alter function app.mine(uuid) owner to table_owner;
         create policy p on app.children using (app.mine(org_id));
         create policy q on app.children as restrictive using (auth.in_org(org_id))",
    ),
    (
        "no_select_policy",
        "app.children",
        "drop policy bearer_select on app.children; drop policy bearer_service on app.children",
    ),
    (
        "others_code",
        "p on app.children",
        "create function app.mine(uuid) returns boolean stable language sql as 'select auth.in_org($1)';
         alter function app.mine(uuid) owner to tenant;
         create policy p on app.children using (app.mine(org_id))",
    ),
    (
        "foreign_operator",
        "p on app.children",
        "create function app.same(uuid, uuid) returns boolean immutable language sql as 'select true';
         create operator app.= (leftarg = uuid, rightarg = uuid, function = app.same);
         alter operator app.= (uuid, uuid) owner to table_owner; alter function app.same(uuid, uuid) owner to tenant;
         create policy p on app.children for select using (coalesce(org_id, org_id) operator(app.=) auth.current_org())",
    ),
    (
        "foreign_operator",
        "p on app.children",
        "create function app.same(text, text) returns boolean immutable language sql as 'select true';
         create operator app.~~~ (leftarg = text, rightarg = text, function = app.same);
         alter operator app.~~~ (text, text) owner to tenant;
         create policy p on app.children using (auth.in_org(org_id) and body operator(app.~~~) 'x')",
    ),
    (
        "foreign_operator",
        "p on app.children",
        "create function app.same(uuid, uuid) returns boolean immutable language sql as 'select $1 operator(pg_catalog.=) $2';
         create operator app.=== (leftarg = uuid, rightarg = uuid, function = app.same);
         alter operator app.=== (uuid, uuid) owner to table_owner; alter function app.same(uuid, uuid) owner to table_owner;
         create policy p on app.children using (org_id operator(app.===) auth.current_org())",
    ),
];
