-- The readers that policies call once per row (src/pg/ffi/readers.rs). A wrong declaration here would be
-- memory-unsafe; tests/database/catalog.rs compares each with what the C function expects.
-- LEAKPROOF: none of the three that take an argument raises or allocates, and what they look at besides the
-- argument's 16 bytes is the identity, which the argument does not change. What the planner makes of them
-- compares with uuid_eq, which is LEAKPROOF itself. Those without an argument see no column and need no mark.

create or replace function auth.uid() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_uid';
comment on function auth.uid is
    'The user''s id when it is a uuid, else NULL. auth.user_id() has every id.';

create or replace function auth.current_org() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_current_org';
comment on function auth.current_org is
    'The organization this transaction acts for, or NULL.';

create or replace function auth.current_workspace() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_current_workspace';
comment on function auth.current_workspace is
    'The workspace this transaction acts for, or NULL.';

create or replace function auth.org_ids() returns uuid[]
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_org_ids';
comment on function auth.org_ids is
    'The organizations the user belongs to, sorted; empty without an identity.';

create or replace function auth.workspace_ids() returns uuid[]
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_workspace_ids';
comment on function auth.workspace_ids is
    'The workspaces the user belongs to, sorted; empty without an identity.';

create or replace function auth.user_id() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_user_id';
comment on function auth.user_id is
    'The user''s id: the subject of the credential, whatever its form, after the issuer''s user_id_prefix; NULL without one.';

create or replace function auth.environment() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_environment';
comment on function auth.environment is 'live or test; NULL only without an identity.';

create or replace function auth.external_org_id() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_external_org_id';
comment on function auth.external_org_id is
    'What another system calls the current organization (organizations.external_id, as it was when the identity was established or auth.set_org() called), or NULL.';

create or replace function auth.external_org_number() returns bigint
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_external_org_number';
comment on function auth.external_org_number is
    'auth.external_org_id() as a number, when it is written as a bigint is (42, not 042 or +42), else NULL.';

create or replace function auth.service_floor() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_service_floor';
comment on function auth.service_floor is
    'The least uuid for a verified service credential, NULL for everybody else: org_id >= auth.service_floor() is true for every row, and can use an index.';

create or replace function auth.service_floor_text() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_service_floor_text';
comment on function auth.service_floor_text is
    'The least text, empty, for a verified service credential, NULL for everybody else.';

create or replace function auth.service_floor_number() returns bigint
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_service_floor_number';
comment on function auth.service_floor_number is
    'The least bigint for a verified service credential, NULL for everybody else.';

-- What the planner asks about them (src/pg/ffi/planner/). Nobody can call these: there is no value of type
-- internal.
create or replace function auth.support_in_org(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_in_org';
comment on function auth.support_in_org is 'Internal: for the planner, auth.in_org(x) is x = auth.current_org().';

create or replace function auth.support_is_member(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_is_member';
comment on function auth.support_is_member is
    'Internal: for the planner, auth.is_member(x) finds x = any (auth.org_ids()) in an index.';

create or replace function auth.support_is_workspace_member(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_is_workspace_member';
comment on function auth.support_is_workspace_member is
    'Internal: for the planner, auth.is_workspace_member(x) finds x = any (auth.workspace_ids()) in an index.';

create or replace function auth.support_once(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_once';
comment on function auth.support_once is
    'Internal: for the planner, a call that depends on no row is made once for each query.';

create or replace function auth.id_lists(out org_ids uuid[], out workspace_ids uuid[])
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_id_lists';
comment on function auth.id_lists is
    'Internal: auth.org_ids() and auth.workspace_ids() as a record, for plans with long lists; NULL without an identity.';

create or replace function auth.in_org(org_id uuid) returns boolean
    language c stable strict leakproof parallel safe support auth.support_in_org as 'MODULE_PATHNAME', 'pg_bearer_in_org';
comment on function auth.in_org is
    'Is this the current organization? NULL without one, without an identity or for NULL.';

create or replace function auth.is_member(org_id uuid) returns boolean
    language c stable strict leakproof parallel safe support auth.support_is_member as 'MODULE_PATHNAME', 'pg_bearer_is_member';
comment on function auth.is_member is
    'Does the user belong to this organization? NULL without an identity or for NULL.';

create or replace function auth.is_workspace_member(workspace_id uuid) returns boolean
    language c stable strict leakproof parallel safe support auth.support_is_workspace_member as 'MODULE_PATHNAME', 'pg_bearer_is_workspace_member';
comment on function auth.is_workspace_member is
    'Does the user belong to this workspace? NULL without an identity or for NULL.';
