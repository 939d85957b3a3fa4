-- Comments of what is generated, owners, and the one list of grants.

comment on schema auth is
    'Bearer credentials verified in the database, and who belongs to which tenant: identities, issuers, keys, organizations (extension pg_bearer).';

comment on function auth.authenticate(text) is
    'Verifies a JWT or an API key ("Bearer " before it is tolerated), makes it the identity of this transaction and returns the identity. 28000 when it is missing, refused or expired; 53400 for an API key beyond its rate limit; F0000 for a JWT when no issuer is configured; 55006 while a cursor is open; 42501 in a security-restricted operation. After an error that is caught, the identity is what it was before the call.';
comment on function auth.sign_out() is
    'Leaves the rest of the transaction without an identity. 55006 while a cursor is open.';
comment on function auth.verify_jwt(text, text, text) is
    'The claims of a good JWT, or the error that auth.authenticate() would raise; changes nothing. issuer and audience, when given, must be the token''s.';
comment on function auth.check_jwt(text) is
    'Administrators: the verdict on a JWT with its reason, and what the token says, believed or not. Never raises for a bad token.';
comment on function auth.check_api_key(text) is
    'The verdict on an API key, here and now, as one row: never raises for a bad one, and every bad one looks the same, false and NULLs. scopes is what it may do; a publishable key has none. Changes nothing and is not counted.';
comment on function auth.explain_credential(text, text, text, text) is
    'Administrators: the verdict on an API key or a JWT with its reason, and whose key it is. since is when it was revoked or expired. Restrictions of a key are looked at from client_address, origin and endpoint (GET /invoices) if any of them is given. Never raises for a bad credential; 22023 for a bad argument, 42501 for anybody else.';
comment on function auth.api_key_id() is 'The API key that the identity came from; NULL without one.';
comment on function auth.allows_table(oid) is
    'May the credential be used with this table (an oid or ''name''::regclass)? False only for an API key with allowed_tables and not this one among them. NULL without an identity or for NULL.';
comment on function auth.generate_api_key(text, text) is 'Internal: a new API key of this prefix and environment; 22023 for one that is not allowed; nothing for NULL.';
comment on function auth.is_api_key_revoked(uuid) is 'Internal: was this key revoked, or one of its kind that it descends from, as of now? NULL for NULL.';
comment on function auth.member_permissions(text, uuid) is 'Internal: what a user may do in an organization now, by all that makes him a member; NULL when he is none or it is disabled or unknown.';
comment on function auth.identity() is
    'The identity as jsonb (kind, user_id, issuer, role, email, org_id, org_role, workspace_id, environment, permissions, scopes, key_id, session_id, actor, expires_at, claims), or NULL.';
comment on function auth.jwt() is 'The claims of the token as jsonb, or NULL.';
comment on function auth.role() is 'The role that the credential names, or NULL. No Postgres role follows from it.';
comment on function auth.email() is 'The user''s e-mail address as the credential states it, or NULL.';
comment on function auth.email_verified() is
    'Does the issuer say that the e-mail address is verified? NULL without an identity.';
comment on function auth.claim(text) is
    'A top-level claim of the token: a string as it is, anything else as JSON text; NULL when it is absent or null.';
comment on function auth.org_role() is 'The user''s role in the current organization, or NULL.';
comment on function auth.workspace_role() is 'The user''s role in the current workspace, or NULL.';
comment on function auth.set_org(uuid) is
    'Makes an organization that the user belongs to the current one for the rest of the transaction, with the only workspace that the user has there, or none. 42501 for one that is unknown or not his or NULL, 28000 without an identity, 55006 while a cursor is open.';
comment on function auth.is_authenticated() is 'Is somebody signed in?';
comment on function auth.is_service_role() is
    'Is the identity a verified service credential? The name of the Postgres role plays no part.';
comment on function auth.has_permission(text) is
    'Does the identity have this permission in its current organization? "a.*" covers all below "a.", "*" everything. NULL without an identity or for NULL.';
comment on function auth.has_permission_in(text, uuid) is
    'Does the identity have this permission in this organization? NULL without an identity or for NULL.';
comment on function auth.org_ids_with(text) is
    'The organizations in which the identity has this permission; empty without one, NULL for NULL.';
comment on function auth.has_scope(text) is
    'Was this scope granted to the credential? The scopes of an API key are permissions, with wildcards. NULL without an identity or for NULL.';
comment on function auth.require_authenticated() is 'True, or 28000 without an identity.';
comment on function auth.require_permission(text) is
    'True, or 42501 without this permission in the current organization, also for NULL; 28000 without an identity.';
comment on function auth.require_org(uuid) is
    'True, or 42501 when this is not the current organization, also for NULL; 28000 without an identity.';
comment on function auth.require_administrator() is
    'Internal: 42501 unless the outer user is a superuser or a member of bearer_admin.';
comment on function auth.refuse_restricted_operation() is 'Internal: 42501 where code of one user runs for another: in ANALYZE, REINDEX, REFRESH and index expressions.';
comment on function auth.is_administrator() is
    'Internal: is the outer user a superuser or a member of bearer_admin?';
comment on function auth.owns_table(oid) is
    'Internal: is the outer user a superuser, or a member of the role that owns this table? NULL for NULL.';
comment on function auth.permission_covers(text[], text) is
    'Internal: does one of these permissions cover the one that is asked for? NULL for NULL.';
comment on function auth.common_permissions(text[], text[]) is
    'Internal: the permissions that both lists cover. NULL for NULL.';
comment on function auth.random_token() is 'Internal: 256 random bits as 43 characters of base64url.';
comment on function auth.parse_jwks(text, text) is 'Internal: the usable keys of a JWK Set; 22023 with the reason.';
comment on function auth.parse_jwt_key(text, text, text) is 'Internal: a public key from JWK or PEM; 22023 with the reason.';
comment on function auth.check_jwt_secret(bytea, text) is 'Internal: 22023 unless these bytes can be a secret for the algorithm.';
comment on function auth.decode_jwt_secret(text, text) is 'Internal: the bytes of a secret; 22023 when the text is not in the encoding.';
comment on function auth.counts_api_key_uses() is
    'Internal: are uses of API keys counted, and rate limits enforced, in shared memory? Where pg_bearer is in shared_preload_libraries.';

-- What depends on no row is asked once for each query (src/pg/ffi/planner/once.rs): readers that no column is
-- compared with, and the costly one that verifies a token. Not the demands: in a parallel query they would raise
-- before there is a row to raise for.
alter function auth.claim(text) support auth.support_once;
alter function auth.jwt() support auth.support_once;
alter function auth.identity() support auth.support_once;
alter function auth.role() support auth.support_once;
alter function auth.email() support auth.support_once;
alter function auth.org_role() support auth.support_once;
alter function auth.workspace_role() support auth.support_once;
alter function auth.has_permission(text) support auth.support_once;
alter function auth.has_scope(text) support auth.support_once;
alter function auth.has_permission_in(text, uuid) support auth.support_once;
alter function auth.org_ids_with(text) support auth.support_once;
alter function auth.allows_table(oid) support auth.support_once;
alter function auth.verify_jwt(text, text, text) support auth.support_once;

-- Acting as somebody, and explaining access.
comment on function auth.act_as(jsonb) is
    'Administrators: makes an identity that is stated instead of proven, of kind act_as, that of this transaction, and returns it; for tests of policies. Members as auth.identity() shows them: user_id, org_id (a uuid or an external_id), org_role, permissions, workspace_id, scopes, role, email, environment (live by default), claims and others, and also org_ids, workspace_ids and email_verified. Rows of memberships count as for a token of that user; what is stated counts before them. Noted in the server log. 22023 for NULL, another member, a wrong type and what is disabled or unknown; 42501 for a service and anybody but administrators; 55006 while a cursor is open.';
comment on function auth.explain_access(regclass, text, text, jsonb, jsonb, name, text) is
    'Administrators: why a row is, or is not, there for somebody. A row for each policy, with what it says of the row and the values of the auth functions in it, then one with the conclusion. command: select, insert, insert returning, update, delete or upsert. Either credential or identity (as for auth.act_as()), or nobody. row_key: columns and values that find the row, or for inserts the row itself (columns that are left out have their default where it is a constant or one of our functions, otherwise NULL); NULL: no verdicts. as_role: NULL is the only role that the table is granted to. Policies run as that role, READ ONLY, and all they do is rolled back; functions in them that have no search_path of their own get helper_search_path, by default the caller''s. 22023 for a bad argument, 42501 for a role that the caller may not SET ROLE to, for rows that he may not read and for anybody but administrators.';
comment on function auth.rows_visible_to(regclass, jsonb, name, text) is
    'Administrators: the rows of a table or view that an identity (as for auth.act_as(); NULL is nobody) sees as a role, as jsonb; the other arguments, and how it runs, are those of auth.explain_access(). 22023, 42501, and what selecting the rows raises.';
comment on function auth.assert_isolated(regclass, name, name, text) is
    'Administrators: tries whether identities of up to 100 organizations in a table, live and test, a stranger, a user without organization and nobody see rows of others as a role, or get past policies to write them (policies are evaluated, nothing is written); returns what was tried. P0004 with the offence. org_column: NULL is org_id or the one that policies ask about. 22023 for a bad argument and a table without rows, 42501 for whoever may not read all rows of the table.';
comment on function auth.asked_role(regclass, name) is 'Internal: the role that is asked about, or for NULL the only one that the table is granted to; 22023 otherwise.';
comment on function auth.parts_of(regclass) is 'Internal: a table and all that inherit from it.';
comment on function auth.privileges_for(text) is 'Internal: the privileges that a command takes; NULL for an unknown one.';
comment on function auth.missing_grants(regclass, oid, text) is 'Internal: what a role was not granted for a command, in words, or NULL.';
comment on function auth.column_grants(regclass, oid, text) is 'Internal: which columns alone a role was granted, in words, or NULL.';
comment on function auth.policy_bypass(regclass, oid) is 'Internal: why a table''s policies do not count for a role, in words, or NULL.';
comment on function auth.policy_author(regclass, oid) is 'Internal: as whom the text of a table''s policies is read when they are explained for a role.';
comment on function auth.policy_steps(text) is 'Internal: which policies a command asks, one after the other.';
comment on function auth.call_reason(text, jsonb, jsonb) is 'Internal: why one of our functions answers no, in words, or NULL.';
comment on function auth.policy_reading(oid, oid, text, jsonb, jsonb, text[], jsonb, text) is 'Internal: the verdicts of a policy on a row for an identity, and the values of our functions in it.';
comment on function auth.verdict_text(jsonb) is 'Internal: a verdict as text; NULL for what was not asked.';
comment on function auth.reading_words(jsonb) is 'Internal: the values of our functions in a policy, in words.';
comment on function auth.access_verdict(text, name, jsonb, boolean) is 'Internal: what follows from the verdicts of all policies, in words.';
comment on function auth.asked_row(regclass, text, jsonb) is 'Internal: the row that row_key names, or NULL; 22023 for a bad key, 42501 for rows that the outer user may not read.';
comment on function auth.assumed_defaults(regclass, oid, text, jsonb, text) is 'Internal: defaults of a table that are constants or functions of ours, as an identity inserts them.';
comment on function auth.compared_with(text, text[], jsonb) is 'Internal: the column that a call is compared with and its value in the row, or NULL.';
comment on function auth.organization_column(regclass, name) is 'Internal: the column that says whose a row is; 22023 when there is none, or no single one.';
comment on function auth.policy_condition(regclass, oid, text, text, jsonb) is 'Internal: a query for whether policies let a row through, or NULL when nothing does.';
comment on function auth.try_isolation(regclass, oid, name, text, jsonb, jsonb, jsonb, text) is 'Internal: P0004 when an identity reaches rows of others; otherwise whether it sees its own.';
comment on function auth.described_identity(text, jsonb) is 'Internal: the identity of a credential, or one that is stated, or why the credential is refused.';
comment on function auth.may_run_as(oid) is 'Internal: may something be run as this role? 42501 when the outer user may not SET ROLE to it, 22023 when there is none.';
comment on function auth.answers_for(oid, oid, text, jsonb, text[], text) is 'Internal: what queries answer to a role, for an identity; everything is rolled back.';
comment on function auth.calls_in(text, oid) is 'Internal: the calls of our functions in a policy''s expression.';
comment on function auth.stored_rows(oid, oid[], jsonb, text, integer) is 'Internal: rows of a table, read past its policies for somebody to whom they do not apply; 42501 for others, 22023 for a bad key.';

-- Tables and security-definer functions belong to a role that can do nothing else.
do $$
declare
    target record;
begin
    for target in
        select c.oid::pg_catalog.regclass as name from pg_catalog.pg_class c
         where c.relnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
           and c.relkind in ('r', 'v')
    loop
        execute pg_catalog.format('alter table %s owner to bearer_owner', target.name);
    end loop;
    for target in
        select p.oid::pg_catalog.regprocedure as name from pg_catalog.pg_proc p
         where p.pronamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace and p.prosecdef
    loop
        execute pg_catalog.format('alter function %s owner to bearer_owner', target.name);
    end loop;
end
$$;

-- Nobody but the owners keeps a right that default privileges or Postgres itself gave.
do $$
declare
    target record;
begin
    for target in
        select o.kind, o.name, a.grantee
          from (select 'schema' as kind, pg_catalog.quote_ident(n.nspname) as name, n.nspowner as owner,
                       coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
                  from pg_catalog.pg_namespace n
                 where n.nspname operator(pg_catalog.=) 'auth'
                union all
                select 'table', c.oid::pg_catalog.regclass::pg_catalog.text, c.relowner,
                       coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))
                  from pg_catalog.pg_class c
                 where c.relnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
                   and c.relkind in ('r', 'v', 'm', 'p', 'f')
                union all
                select 'function', p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proowner,
                       coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
                  from pg_catalog.pg_proc p
                 where p.pronamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
                union all
                select 'type', t.oid::pg_catalog.regtype::pg_catalog.text, t.typowner,
                       t.typacl
                  from pg_catalog.pg_type t
                 where t.typnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
                   and t.typelem operator(pg_catalog.=) 0::pg_catalog.oid
                   -- Row types keep what PUBLIC has by default: pg_dump would warn about anything else.
                   and t.typacl is not null) o
          cross join lateral (
               select distinct case x.grantee when 0::pg_catalog.oid then 'public'
                                    else x.grantee::pg_catalog.regrole::pg_catalog.text end as grantee
                 from pg_catalog.aclexplode(o.acl) x
                where x.grantee operator(pg_catalog.<>) o.owner) a
    loop
        execute pg_catalog.format('revoke all on %s %s from %s cascade', target.kind, target.name, target.grantee);
    end loop;
end
$$;

grant usage on schema auth to public;

grant execute on function
    auth.authenticate(text), auth.sign_out(), auth.verify_jwt(text, text, text),
    auth.uid(), auth.user_id(), auth.jwt(), auth.role(), auth.email(), auth.claim(text), auth.identity(),
    auth.current_org(), auth.current_workspace(), auth.org_role(), auth.org_ids(), auth.workspace_ids(), auth.id_lists(),
    auth.org_ids_with(text), auth.in_org(uuid), auth.is_member(uuid), auth.is_workspace_member(uuid),
    auth.has_permission(text), auth.has_permission_in(text, uuid), auth.has_scope(text), auth.environment(),
    auth.is_authenticated(), auth.is_service_role(),
    auth.require_authenticated(), auth.require_permission(text), auth.require_org(uuid),
    auth.email_verified(), auth.workspace_role(), auth.set_org(uuid),
    auth.create_organization(text, text, text, jsonb, text),
    auth.update_organization(uuid, text, text, text, jsonb),
    auth.disable_organization(uuid), auth.enable_organization(uuid), auth.delete_organization(uuid),
    auth.transfer_ownership(uuid, text), auth.list_organizations(),
    auth.add_member(uuid, text, text), auth.set_member_role(uuid, text, text), auth.remove_member(uuid, text),
    auth.leave_organization(uuid), auth.list_members(uuid),
    auth.create_workspace(uuid, text, text, jsonb), auth.update_workspace(uuid, text, text, jsonb),
    auth.disable_workspace(uuid), auth.enable_workspace(uuid), auth.delete_workspace(uuid),
    auth.add_workspace_member(uuid, text, text), auth.set_workspace_member_role(uuid, text, text),
    auth.remove_workspace_member(uuid, text), auth.leave_workspace(uuid),
    auth.list_workspaces(uuid), auth.list_workspace_members(uuid),
    auth.define_role(text, text[], uuid, integer, text[]), auth.drop_role(text, uuid), auth.list_roles(uuid),
    auth.create_invitation(uuid, text, text, uuid, interval), auth.list_invitations(uuid),
    auth.revoke_invitation(uuid), auth.accept_invitation(text),
    auth.environment_column(oid), auth.purge_sandbox(regclass[], text),
    auth.check_api_key(text), auth.api_key_id(), auth.allows_table(oid),
    auth.create_api_key(text, uuid, text, text[], uuid, timestamptz, cidr[], text[], text[], regclass[], jsonb, text, text, text, integer, interval),
    auth.import_api_key(text, text, uuid, text, text[], uuid, timestamptz, cidr[], text[], text[], regclass[], jsonb, text, text, integer, interval, text, text),
    auth.rotate_api_key(uuid, interval), auth.revoke_api_key(uuid, text),
    auth.update_api_key(uuid, text, text[], timestamptz, cidr[], text[], text[], regclass[], jsonb, integer, interval, text[]),
    auth.touch_api_key(), auth.list_api_keys(uuid, boolean), auth.list_api_key_usage(uuid, date),
    auth.purge_api_keys(interval), auth.set_api_key_settings(uuid, text, integer, integer, interval), auth.list_api_key_settings()
to public;

grant execute on function
    auth.external_org_id(), auth.external_org_number(),
    auth.service_floor(), auth.service_floor_text(), auth.service_floor_number()
to public;

grant execute on function
    auth.check_jwt(text), auth.explain_credential(text, text, text, text),
    auth.list_issuers(), auth.list_jwt_keys(text),
    auth.add_issuer(text, text[], text[], text[], boolean, boolean, text, interval, interval, text[], text[], text[], text[], text[], text[], text[], uuid[], text, text[]),
    auth.update_issuer(text, text[], text[], text[], boolean, boolean, text, interval, interval, text[], text[], text[], text[], text[], text[], text[], uuid[], text, text[]),
    auth.remove_issuer(text), auth.load_jwks(text, text, interval),
    auth.add_jwt_key(text, text, text, text, timestamptz, timestamptz),
    auth.add_jwt_secret(text, text, text, text, text, timestamptz, timestamptz),
    auth.revoke_jwt_key(uuid),
    auth.register_membership_source(regclass, name, name, name), auth.unregister_membership_source(regclass),
    auth.list_membership_sources()
to bearer_admin;

grant select on auth.api_keys_due to bearer_admin;

-- The bodies of the functions above run as bearer_owner, which calls these.
grant execute on function
    auth.require_administrator(), auth.parse_jwks(text, text), auth.parse_jwt_key(text, text, text),
    auth.check_jwt_secret(bytea, text), auth.decode_jwt_secret(text, text), auth.lock_issuer(text),
    auth.refuse_value(text, text), auth.rsa_algorithm(text[]), auth.revoked_jwt_key(uuid, bytea),
    auth.is_administrator(), auth.owns_table(oid), auth.permission_covers(text[], text), auth.random_token(),
    auth.is_list_of(text[], text, integer), auth.owner_role(),
    auth.refuse_target(text), auth.is_unrestricted(), auth.demand_unrestricted(), auth.acting_user(),
    auth.live_role(uuid), auth.role_named(uuid, text), auth.role_of(uuid, text), auth.belongs_to(uuid),
    auth.demand_own(uuid, text), auth.demand_permission(auth.roles, text), auth.read_organization(uuid, text),
    auth.lock_organization(uuid), auth.enter_organization(uuid, text), auth.enter_workspace(uuid, text),
    auth.may_grant(auth.roles, auth.roles), auth.demand_grant(auth.roles, auth.roles),
    auth.demand_seniority(auth.roles, auth.roles), auth.demand_other_owner(uuid, text),
    auth.owner_of_new(text, text), auth.refuse_duplicate(text), auth.refuse_member(),
    auth.refuse_restricted_operation(), auth.refuse_action(), auth.refuse_role(), auth.demand_ownership(auth.roles),
    auth.leaving_user(), auth.workspace_org(uuid), auth.issuer_reaches(uuid), auth.lower_workspace_roles(uuid, text, auth.roles),
    auth.insert_member(uuid, text, uuid, text), auth.delete_member(uuid, text),
    auth.insert_workspace_member(uuid, text, uuid, text), auth.workspace_role_of(uuid, text),
    auth.workspaces_in(uuid), auth.enter_roles(uuid), auth.role_in(uuid, text),
    auth.demand_free_role_name(uuid, text),
    auth.demand_lower_roles(auth.roles, uuid, integer, text[]),
    auth.demand_definable(auth.roles, auth.roles, integer, text[]), auth.roles_in(uuid),
    auth.token_hash(text), auth.invitation_end(interval), auth.may_invite(auth.roles, auth.roles, uuid),
    auth.invited_user(), auth.invitation_holds(auth.invitations), auth.refuse_source(text, text),
    auth.source_column(regclass, text, name, regtype[], boolean), auth.demand_source_index(regclass, smallint),
    auth.refuse_api_key(), auth.all_covered(text[], text[]), auth.acting_permissions(uuid),
    auth.demand_key_creation(), auth.enter_api_keys(uuid), auth.key_is_within(auth.api_keys, auth.api_keys),
    auth.refuse_width(text), auth.demand_own_width(auth.api_keys, text[]), auth.is_workspace_user(uuid, text),
    auth.refuse_key_argument(text, text), auth.api_key_end(timestamptz, timestamptz), auth.demand_valid_key(auth.api_keys),
    auth.refuse_rate_limit(), auth.latest_key_end(timestamptz), auth.token_scopes(),
    auth.common_permissions(text[], text[]), auth.cut_by_scopes(text[]), auth.end_api_key(uuid, text), auth.demand_not_ended(uuid),
    auth.demand_quota(uuid, text), auth.table_names(regclass[]), auth.commit_durably(),
    auth.described_key(text, text, uuid, text, text[], uuid, timestamptz, cidr[], text[], text[], regclass[], integer, interval, jsonb, text, text),
    auth.make_api_key(text, text, uuid, text, text[], uuid, timestamptz, cidr[], text[], text[], regclass[], integer, interval, jsonb, text, text),
    auth.insert_api_key(auth.api_keys), auth.key_prefix(text, uuid), auth.issue_key(auth.api_keys),
    auth.decode_key_hash(text), auth.own_api_key(uuid), auth.lock_api_key(uuid),
    auth.demand_changeable(auth.api_keys, auth.api_keys), auth.rotation_due_at(auth.api_keys), auth.keys_in(uuid),
    auth.generate_api_key(text, text), auth.member_permissions(text, uuid), auth.is_api_key_revoked(uuid), auth.counts_api_key_uses(),
    auth.usage_of(uuid, date)
to bearer_owner;

-- auth.protect() and its kin run as the caller, who therefore needs their parts: those read catalogs and make text.
comment on function auth.protect(regclass, name, name, name, name, text, name[], boolean, boolean, boolean) is
    'The table''s owner: makes the table, its partitions and whatever inherits from it show and take only rows of the identity, and returns the statements: action run for those that were run (with dry_run: would be), suggested for what to look at and run oneself. Row security is enabled and forced; policies bearer_select, _insert, _update, _delete for roles (default public), bearer_service for bearer_service with a service credential; defaults from the identity where a column has none; an index where the table is small. org_column is uuid, text, varchar, bigint or integer (the last four hold organizations.external_id) or NULL, workspace_column uuid, owner_column uuid, text or varchar, environment_column text or varchar. A resource asks for the permissions resource.read and resource.write. all_orgs (uuid only): rows of all organizations of the user are read, those of the current one written. single_login lets a service credential through without the role bearer_service. Called again it changes only what differs. 22023 with a hint for a bad argument, 42710 when a policy of somebody else has the name of one of ours, 0A000 for a foreign table as partition, 42501 for a table of somebody else.';
comment on function auth.unprotect(regclass, boolean) is
    'The table''s owner: takes away what auth.protect() made, on the table and what inherits from it, and nothing else: policies, defaults, the index that it created, and row security where it was off before. The table is then open to everybody with grants on it: revoking them is suggested. Returns the statements; dry_run runs none. No rows for a table that is not protected; 22023 for NULL and what is no table, 42501 for a table of somebody else.';
comment on function auth.protected_tables() is
    'The tables that auth.protect() protects, partitions too, as their policies say. roles are those of the tenants'' policies. intact is false when a policy was changed or dropped, row security is off or not forced, or a partition came later: auth.protect() again repairs that. Columns are NULL where the policies were changed beyond recognition.';
comment on function auth.base_type(oid) is 'Internal: the type below all domains; NULL for NULL and what is no type.';
comment on function auth.protection_tree(oid) is 'Internal: a table and all that inherits from it, nearest first.';
comment on function auth.protection_columns(oid, jsonb) is 'Internal: the columns that settings of a protection name, as they are.';
comment on function auth.protection_table_test(oid) is 'Internal: the test of API keys limited to tables, as Postgres prints it.';
comment on function auth.protection_test(oid, jsonb, boolean) is 'Internal: the test of a protected table, of reading or writing, as Postgres prints it.';
comment on function auth.protection_policies(oid, jsonb) is 'Internal: the policies that a protected table has to have.';
comment on function auth.protection_memory(text) is 'Internal: what a policy''s comment remembers; NULL unless auth.protect() wrote it.';
comment on function auth.protection_of(oid) is 'Internal: the settings that the policies of a table show; NULL when none is of auth.protect().';
comment on function auth.protection_name(text) is 'Internal: the name that an identifier in SQL stands for.';
comment on function auth.protection_settings(regclass, name, name, name, name, text, name[], boolean, boolean) is 'Internal: arguments of auth.protect() as jsonb; 22023 with the one that is wrong.';
comment on function auth.refuse_protection(text, text) is 'Internal: the error for a bad argument of auth.protect() (22023).';
comment on function auth.protection_demand_table(regclass) is 'Internal: 22023 or 0A000 for what cannot be protected.';
comment on function auth.protection_demand_columns(regclass, jsonb) is 'Internal: 22023 for columns that a protection cannot use.';
comment on function auth.protection_changes(oid, jsonb, jsonb) is 'Internal: the statements that one table lacks, without its index.';
comment on function auth.protection_policy_changes(oid, jsonb) is 'Internal: the statements for policies that one table lacks; 42710 when somebody else''s has the name of one of ours.';
comment on function auth.protection_is_small(oid) is 'Internal: is a scan of the table a matter of a moment?';
comment on function auth.protection_has_index(oid, jsonb) is 'Internal: does an index find the rows of an organization (of a workspace, an owner)?';
comment on function auth.protection_index(oid, jsonb) is 'Internal: the statements for the index that a table lacks, to run or to suggest.';
comment on function auth.protection_suggestions(oid, jsonb) is 'Internal: policies of somebody else that open a protected table.';
comment on function auth.protection_key_suggestions(oid, jsonb) is 'Internal: NOT NULL and keys that a protected table should have.';
comment on function auth.protection_foreign_keys(oid, jsonb) is 'Internal: foreign keys with the organization in place of those without.';
comment on function auth.protection_unique_keys(oid, smallint) is 'Internal: unique keys with the organization in place of those without.';
comment on function auth.protection_plan(oid, jsonb) is 'Internal: all statements that a table and what inherits from it lack.';
comment on function auth.protection_advice(oid, jsonb) is 'Internal: all that auth.protect() suggests.';
comment on function auth.protection_removal(oid) is 'Internal: the statements of auth.unprotect().';
comment on function auth.protection_is_intact(oid, jsonb) is 'Internal: are row security and policies as auth.protect() makes them, here and in what inherits?';

grant execute on function
    auth.protect(regclass, name, name, name, name, text, name[], boolean, boolean, boolean),
    auth.unprotect(regclass, boolean), auth.protected_tables(),
    auth.base_type(oid), auth.protection_tree(oid), auth.protection_columns(oid, jsonb), auth.protection_table_test(oid),
    auth.protection_test(oid, jsonb, boolean), auth.protection_policies(oid, jsonb), auth.protection_memory(text),
    auth.protection_of(oid), auth.protection_name(text),
    auth.protection_settings(regclass, name, name, name, name, text, name[], boolean, boolean),
    auth.refuse_protection(text, text), auth.protection_demand_table(regclass), auth.protection_demand_columns(regclass, jsonb),
    auth.protection_changes(oid, jsonb, jsonb), auth.protection_policy_changes(oid, jsonb), auth.protection_is_small(oid),
    auth.protection_has_index(oid, jsonb), auth.protection_index(oid, jsonb), auth.protection_suggestions(oid, jsonb),
    auth.protection_key_suggestions(oid, jsonb), auth.protection_foreign_keys(oid, jsonb),
    auth.protection_unique_keys(oid, smallint), auth.protection_plan(oid, jsonb), auth.protection_advice(oid, jsonb),
    auth.protection_removal(oid), auth.protection_is_intact(oid, jsonb)
to public;

comment on function auth.lint(name[]) is
    'What keeps tenants apart less than it seems to, the worst first: nothing on what auth.protect() made. severity is error where a row can reach another organization, or nobody, by this alone; warning where something else has to go wrong too, or queries become slow; info for what is good to know. object is what it is about, as SQL names it; fix is SQL that clears the finding, to be read before it is run, by the object''s owner or a superuser; NULL where the message says what a human has to decide. Looks at these schemas, or, for NULL, at all but those of the system and auth, not at members of extensions, and at roles, publications and the database whatever the schemas. Reads catalogs only, with the caller''s rights: anybody may call it. 22023 for a schema that does not exist.';
comment on function auth.lint_schemas(name[]) is 'Internal: the schemas that auth.lint() looks at; 22023 for one that does not exist.';
comment on function auth.lint_readers(name[]) is 'Internal: functions of ours with these names, and functions of applications that call them.';
comment on function auth.lint_org_readers() is 'Internal: functions that answer for the organization, as auth.lint_readers().';
comment on function auth.lint_identity_readers() is 'Internal: functions that answer for the identity, as auth.lint_readers().';
comment on function auth.organization_columns() is
    'The tables of applications that have a column for the organization, and its number: the column that a policy compares with our functions, or else whose default is one of them, or else a uuid called org_id, organization_id or tenant_id. Several rows for a table with several of one sort.';
comment on function auth.lint_environment_columns() is 'Internal: the tables that have a column for the environment, live or test, and its name.';
comment on function auth.lint_predicate(oid, smallint, name) is 'Internal: the least that a tenants'' policy of a table has to ask, with these columns; NULL for a type without a reader.';
comment on function auth.lint_expressions(oid[]) is 'Internal: the expressions of all policies in these schemas.';
comment on function auth.lint_policy_facts(oid[], oid[], smallint[]) is 'Internal: what every policy in these schemas asks; the arrays are auth.organization_columns().';
comment on function auth.lint_clauses("char", text, text, text) is 'Internal: USING and WITH CHECK of a policy for this command with this condition beside others; NULL without a condition.';
comment on function auth.lint_policies(oid[], oid[], smallint[]) is 'Internal: findings of auth.lint() about policies.';
comment on function auth.lint_tables(oid[], oid[], smallint[]) is 'Internal: findings of auth.lint() about tables.';
comment on function auth.lint_unique_keys(oid[], oid[], smallint[]) is 'Internal: findings of auth.lint() about unique keys.';
comment on function auth.lint_foreign_keys(oid[], oid[], smallint[]) is 'Internal: findings of auth.lint() about foreign keys.';
comment on function auth.lint_protected(oid[]) is 'Internal: these tables, those with row-level security, and the views on them, each with the table below.';
comment on function auth.lint_escapes(oid, oid) is 'Internal: do the policies of a table not hold for this role? NULL when there is no such role or table.';
comment on function auth.lint_views(oid[], oid[]) is 'Internal: findings of auth.lint() about views.';
comment on function auth.lint_functions(oid[], oid[]) is 'Internal: findings of auth.lint() about functions.';
comment on function auth.lint_grants(oid[], oid[]) is 'Internal: findings of auth.lint() about grants.';
comment on function auth.lint_roles(oid[], oid[]) is 'Internal: findings of auth.lint() about roles.';
comment on function auth.lint_replication() is 'Internal: findings of auth.lint() about replication.';

-- auth.lint() runs as the caller, and so do its parts: they read catalogs that everybody may read.
grant execute on function
    auth.lint(name[]), auth.lint_schemas(name[]), auth.lint_readers(name[]), auth.lint_org_readers(),
    auth.lint_identity_readers(), auth.organization_columns(), auth.lint_environment_columns(),
    auth.lint_predicate(oid, smallint, name), auth.lint_expressions(oid[]),
    auth.lint_policy_facts(oid[], oid[], smallint[]), auth.lint_clauses("char", text, text, text),
    auth.lint_policies(oid[], oid[], smallint[]), auth.lint_tables(oid[], oid[], smallint[]),
    auth.lint_unique_keys(oid[], oid[], smallint[]), auth.lint_foreign_keys(oid[], oid[], smallint[]),
    auth.lint_protected(oid[]), auth.lint_escapes(oid, oid), auth.lint_views(oid[], oid[]),
    auth.lint_functions(oid[], oid[]), auth.lint_grants(oid[], oid[]), auth.lint_roles(oid[], oid[]),
    auth.lint_replication()
to public;

grant execute on function
    auth.act_as(jsonb), auth.explain_access(regclass, text, text, jsonb, jsonb, name, text),
    auth.rows_visible_to(regclass, jsonb, name, text), auth.assert_isolated(regclass, name, name, text)
to bearer_admin;

grant execute on function
    auth.asked_role(regclass, name), auth.parts_of(regclass), auth.privileges_for(text),
    auth.missing_grants(regclass, oid, text), auth.column_grants(regclass, oid, text), auth.policy_bypass(regclass, oid), auth.policy_author(regclass, oid), auth.policy_steps(text),
    auth.call_reason(text, jsonb, jsonb), auth.policy_reading(oid, oid, text, jsonb, jsonb, text[], jsonb, text),
    auth.verdict_text(jsonb), auth.reading_words(jsonb), auth.access_verdict(text, name, jsonb, boolean),
    auth.asked_row(regclass, text, jsonb), auth.assumed_defaults(regclass, oid, text, jsonb, text),
    auth.compared_with(text, text[], jsonb), auth.organization_column(regclass, name),
    auth.policy_condition(regclass, oid, text, text, jsonb),
    auth.try_isolation(regclass, oid, name, text, jsonb, jsonb, jsonb, text),
    auth.described_identity(text, jsonb), auth.may_run_as(oid),
    auth.answers_for(oid, oid, text, jsonb, text[], text), auth.calls_in(text, oid),
    auth.stored_rows(oid, oid[], jsonb, text, integer)
to bearer_owner;
