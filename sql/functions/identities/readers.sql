-- The identity of the transaction. These functions are in src/pg/functions/readers.rs; those that policies call for each row
-- are in raw_readers.sql.

comment on function auth.is_authenticated is 'Is somebody signed in?';
comment on function auth.jwt is 'The claims of the token as jsonb, or NULL.';
comment on function auth.claim is
    'A top-level claim of the token: a string as it is, anything else as JSON text; NULL when it is absent or null.';
comment on function auth.identity is
    'The identity as jsonb (kind, user_id, issuer, role, email, org_id, org_role, workspace_id, environment, permissions, scopes, key_id, session_id, actor, expires_at, claims), or NULL.';
comment on function auth.role is 'The role that the credential names, or NULL. No Postgres role follows from it.';
comment on function auth.email is 'The user''s e-mail address as the credential states it, or NULL.';
comment on function auth.email_verified is
    'Does the issuer say that the e-mail address is verified? NULL without an identity.';
comment on function auth.org_role is 'The user''s role in the current organization, or NULL.';
comment on function auth.workspace_role is 'The user''s role in the current workspace, or NULL.';
comment on function auth.has_permission is
    'Does the identity have this permission in its current organization? "a.*" covers all below "a.", "*" everything. NULL without an identity or for NULL.';
comment on function auth.has_permission_in is
    'Does the identity have this permission in this organization? Elsewhere than in the current one, a role that was changed since the user authenticated permits nothing, or what it did if it is small. NULL without an identity or for NULL.';
comment on function auth.org_ids_with is
    'The organizations in which the identity has this permission, as auth.has_permission_in() says; empty without one, NULL for NULL.';
comment on function auth.has_scope is
    'Was this scope granted to the credential? The scopes of an API key are permissions, with wildcards. NULL without an identity or for NULL.';
comment on function auth.session_id is 'The session that the token belongs to, by its claim session_id or sid, or NULL.';
comment on function auth.aal is
    'How strongly the user signed in: the authenticator assurance level aal1, aal2 or aal3 of NIST SP 800-63 that the token''s claim aal says. NULL where it says none of them, for an API key and without an identity.';
comment on function auth.amr is
    'How the user signed in: the methods in the token''s claim amr, in its order, written as strings (RFC 8176) or as objects with a member method. NULL without such a list, for an API key and without an identity.';
comment on function auth.signed_in_within is
    'Did the user prove who they are less than this period ago, by the token''s claim auth_time or, without it, the latest timestamp in amr? A refreshed token changes neither. False when they say nothing, or a time more than 300 seconds ahead, and for an API key; NULL without an identity or for NULL. A day has 24 hours, whatever the time zone.';
comment on function auth.is_service_role is
    'Is the identity a verified service credential? The name of the Postgres role plays no part.';
comment on function auth.api_key_id is 'The API key that the identity came from; NULL without one.';
comment on function auth.allows_table is
    'May the credential be used with this table (an oid or ''name''::regclass)? False only for an API key with allowed_tables and not this one among them. NULL without an identity or for NULL.';
comment on function auth.set_org is
    'Makes an organization that the user belongs to the current one for the rest of the transaction, with the only workspace that the user has there, or none. A role that was changed since the user authenticated, and is too large to have been carried, permits nothing there before the user authenticates again. 42501 for one that is unknown or not theirs or NULL, and in a security-restricted operation; 28000 without an identity; 55006 while a cursor is open or a query reads a table with policies or a view that asks for the identity.';

-- The one list of the functions that policies ask, and of what they tell: the organization of a row or of the identity, its
-- workspace, who the user is, what a credential is worth, that a service asks, or only something about the request. Lint,
-- explain and the planner go by it. Asked once: what depends on no row is asked once for each query
-- (src/pg/ffi/planner/once.rs), where no column is compared with it. Not the demands: in a parallel query they would
-- raise before there is a row to raise for.
create or replace function auth_internal.readers() returns table (name name, tells text, is_asked_once boolean)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select r.name::name, r.tells, r.is_asked_once
      from (values
        ('in_org', 'organization', false), ('is_member', 'organization', false), ('current_org', 'organization', false),
        ('org_ids', 'organization', false), ('org_ids_with', 'organization', true),
        ('external_org_id', 'organization', false), ('external_org_number', 'organization', false),
        ('require_org', 'organization', false), ('require_member', 'organization', false),
        ('has_permission_in', 'organization', true),
        ('is_workspace_member', 'workspace', false), ('current_workspace', 'workspace', false),
        ('workspace_ids', 'workspace', false), ('require_workspace', 'workspace', false),
        ('uid', 'user', false), ('user_id', 'user', false), ('email', 'user', true), ('email_verified', 'user', true),
        ('jwt', 'user', true), ('claim', 'user', true), ('role', 'user', true), ('org_role', 'user', true),
        ('workspace_role', 'user', true), ('has_permission', 'user', true), ('has_scope', 'user', true),
        ('identity', 'user', true), ('api_key_id', 'user', false), ('is_authenticated', 'user', false),
        ('require_authenticated', 'user', false), ('require_permission', 'user', false),
        ('aal', 'user', true), ('amr', 'user', true), ('session_id', 'user', true), ('signed_in_within', 'user', true),
        ('require_aal', 'user', false),
        ('verify_jwt', 'credential', true), ('check_api_key', 'credential', false),
        ('is_service_role', 'service', false), ('service_floor', 'service', false),
        ('service_floor_text', 'service', false), ('service_floor_number', 'service', false),
        ('environment', 'request', false), ('allows_table', 'request', true)) r (name, tells, is_asked_once)
$$;
comment on function auth_internal.readers is 'The functions that policies ask, what they tell, and whether the planner asks them once for each query.';

-- CREATE OR REPLACE forgets it.
do $$
declare
    reader name;
begin
    for reader in select r.name from auth_internal.readers() r where r.is_asked_once loop
        execute pg_catalog.format('alter function auth.%I support auth.support_once', reader);
    end loop;
end
$$;
