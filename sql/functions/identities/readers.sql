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
    'Does the identity have this permission in this organization? NULL without an identity or for NULL.';
comment on function auth.org_ids_with is
    'The organizations in which the identity has this permission; empty without one, NULL for NULL.';
comment on function auth.has_scope is
    'Was this scope granted to the credential? The scopes of an API key are permissions, with wildcards. NULL without an identity or for NULL.';
comment on function auth.is_service_role is
    'Is the identity a verified service credential? The name of the Postgres role plays no part.';
comment on function auth.api_key_id is 'The API key that the identity came from; NULL without one.';
comment on function auth.allows_table is
    'May the credential be used with this table (an oid or ''name''::regclass)? False only for an API key with allowed_tables and not this one among them. NULL without an identity or for NULL.';
comment on function auth.set_org is
    'Makes an organization that the user belongs to the current one for the rest of the transaction, with the only workspace that the user has there, or none. 42501 for one that is unknown or not his or NULL, and in a security-restricted operation; 28000 without an identity; 55006 while a cursor is open or a query reads a table with policies.';
