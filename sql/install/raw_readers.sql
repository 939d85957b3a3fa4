-- The readers that policies call once per row (src/pg/ffi/readers.rs). A wrong declaration here would be
-- memory-unsafe; tests/database/catalog.rs compares each with what the C function expects.
-- LEAKPROOF: none of them raises, allocates or takes a different way because of its argument other than
-- by its answer.

create function auth.uid() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_uid';
create function auth.current_org() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_current_org';
create function auth.current_workspace() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_current_workspace';
create function auth.org_ids() returns uuid[]
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_org_ids';
create function auth.workspace_ids() returns uuid[]
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_workspace_ids';
create function auth.in_org(org_id uuid) returns boolean
    language c stable strict leakproof parallel safe as 'MODULE_PATHNAME', 'pg_bearer_in_org';
create function auth.is_member(org_id uuid) returns boolean
    language c stable strict leakproof parallel safe as 'MODULE_PATHNAME', 'pg_bearer_is_member';
create function auth.is_workspace_member(workspace_id uuid) returns boolean
    language c stable strict leakproof parallel safe as 'MODULE_PATHNAME', 'pg_bearer_is_workspace_member';

comment on function auth.uid() is
    'The user''s id when it is a uuid, else NULL. auth.user_id() has every id.';
comment on function auth.current_org() is
    'The organization this transaction acts for, or NULL.';
comment on function auth.current_workspace() is
    'The workspace this transaction acts for, or NULL.';
comment on function auth.org_ids() is
    'The organizations the user belongs to, sorted; empty without an identity.';
comment on function auth.workspace_ids() is
    'The workspaces the user belongs to, sorted; empty without an identity.';
comment on function auth.in_org(uuid) is
    'Is this the current organization? NULL without an identity or for NULL.';
comment on function auth.is_member(uuid) is
    'Does the user belong to this organization? NULL without an identity or for NULL.';
comment on function auth.is_workspace_member(uuid) is
    'Does the user belong to this workspace? NULL without an identity or for NULL.';
