-- From 0.1.0: what nobody is to call moves to a schema of its own; memberships, roles and invitations get new columns. Nothing
-- is to be done.

select auth_internal.retire_function('auth.add_issuer(text, text[], text[], text[], boolean, boolean, text, interval, interval, text[], text[], text[], text[], text[], text[], text[], uuid[], text, text[])');
select auth_internal.retire_function('auth.demand_free_role_name(uuid, text)');
select auth_internal.move_function('access_verdict(text, name, jsonb, boolean)');
select auth_internal.move_function('acting_permissions(uuid)');
select auth_internal.move_function('acting_user()');
select auth_internal.move_function('all_covered(text[], text[])');
select auth_internal.move_function('answers_for(oid, oid, text, jsonb, text[], text)');
select auth_internal.move_function('api_key_end(timestamptz, timestamptz)');
select auth_internal.move_function('asked_role(regclass, name)');
select auth_internal.move_function('asked_row(regclass, text, jsonb)');
select auth_internal.move_function('assumed_defaults(regclass, oid, text, jsonb, text)');
select auth_internal.move_function('base_type(oid)');
select auth_internal.move_function('belongs_to(uuid)');
select auth_internal.move_function('call_reason(text, jsonb, jsonb)');
select auth_internal.move_function('calls_in(text, oid)');
select auth_internal.move_function('check_jwt_secret(bytea, text)');
select auth_internal.move_function('column_grants(regclass, oid, text)');
select auth_internal.move_function('commit_durably()');
select auth_internal.move_function('common_permissions(text[], text[])');
select auth_internal.move_function('compared_with(text, text[], jsonb)');
select auth_internal.move_function('counts_api_key_uses()');
select auth_internal.move_function('cut_by_scopes(text[])');
select auth_internal.move_function('decode_jwt_secret(text, text)');
select auth_internal.move_function('decode_key_hash(text)');
select auth_internal.retire_function('auth.delete_member(uuid, text)');
select auth_internal.move_function('demand_changeable(auth.api_keys, auth.api_keys)');
select auth_internal.move_function('demand_definable(auth.roles, auth.roles, integer, text[])');
select auth_internal.move_function('demand_grant(auth.roles, auth.roles)');
select auth_internal.move_function('demand_key_creation()');
select auth_internal.move_function('demand_lower_roles(auth.roles, uuid, integer, text[])');
select auth_internal.move_function('demand_not_ended(uuid)');
select auth_internal.move_function('demand_other_owner(uuid, text)');
select auth_internal.move_function('demand_own(uuid, text)');
select auth_internal.move_function('demand_own_width(auth.api_keys, text[])');
select auth_internal.move_function('demand_ownership(auth.roles)');
select auth_internal.move_function('demand_permission(auth.roles, text)');
select auth_internal.move_function('demand_quota(uuid, text)');
select auth_internal.move_function('demand_seniority(auth.roles, auth.roles)');
select auth_internal.move_function('demand_source_index(regclass, smallint)');
select auth_internal.move_function('demand_unrestricted()');
select auth_internal.move_function('demand_valid_key(auth.api_keys)');
select auth_internal.move_function('described_identity(text, jsonb)');
select auth_internal.move_function('described_key(text, text, uuid, text, text[], uuid, timestamptz, cidr[], text[], text[], regclass[], integer, interval, jsonb, text, text)');
select auth_internal.move_function('end_api_key(uuid, text)');
select auth_internal.retire_function('auth.enter_api_keys(uuid)');
select auth_internal.move_function('enter_organization(uuid, text)');
select auth_internal.retire_function('auth.enter_roles(uuid)');
select auth_internal.move_function('enter_workspace(uuid, text)');
select auth_internal.move_function('generate_api_key(text, text)');
select auth_internal.move_function('insert_api_key(auth.api_keys)');
select auth_internal.move_function('insert_member(uuid, text, uuid, text)');
select auth_internal.move_function('insert_workspace_member(uuid, text, uuid, text)');
select auth_internal.move_function('invitation_end(interval)');
select auth_internal.move_function('invitation_holds(auth.invitations)');
select auth_internal.retire_function('auth.invited_user()');
select auth_internal.move_function('is_administrator()');
select auth_internal.move_function('is_api_key_revoked(uuid)');
select auth_internal.move_function('is_list_of(text[], text, integer)');
select auth_internal.move_function('is_unrestricted()');
select auth_internal.move_function('is_workspace_user(uuid, text)');
select auth_internal.move_function('issue_key(auth.api_keys)');
select auth_internal.move_function('issuer_reaches(uuid)');
select auth_internal.move_function('key_is_within(auth.api_keys, auth.api_keys)');
select auth_internal.move_function('key_prefix(text, uuid)');
select auth_internal.move_function('keys_in(uuid)');
select auth_internal.move_function('latest_key_end(timestamptz)');
select auth_internal.move_function('leaving_user()');
select auth_internal.move_function('lint_clauses("char", text, text, text)');
select auth_internal.move_function('lint_environment_columns()');
select auth_internal.move_function('lint_escapes(oid, oid)');
select auth_internal.move_function('lint_expressions(oid[])');
select auth_internal.move_function('lint_policy_facts(oid[], oid[], smallint[])');
select auth_internal.move_function('lint_predicate(oid, smallint, name)');
select auth_internal.move_function('lint_protected(oid[])');
select auth_internal.move_function('lint_readers(name[])');
select auth_internal.move_function('lint_schemas(name[])');
select auth_internal.move_function('live_role(uuid)');
select auth_internal.move_function('lock_api_key(uuid)');
select auth_internal.move_function('lock_issuer(text)');
select auth_internal.move_function('lock_organization(uuid)');
select auth_internal.move_function('lower_workspace_roles(uuid, text, auth.roles)');
select auth_internal.move_function('make_api_key(text, text, uuid, text, text[], uuid, timestamptz, cidr[], text[], text[], regclass[], integer, interval, jsonb, text, text)');
select auth_internal.move_function('may_grant(auth.roles, auth.roles)');
select auth_internal.move_function('may_invite(auth.roles, auth.roles, uuid)');
select auth_internal.move_function('may_run_as(oid)');
select auth_internal.move_function('member_permissions(text, uuid)');
select auth_internal.move_function('missing_grants(regclass, oid, text)');
select auth_internal.move_function('organization_column(regclass, name)');
select auth_internal.move_function('own_api_key(uuid)');
select auth_internal.move_function('owner_of_new(text, text)');
select auth_internal.move_function('owner_role()');
select auth_internal.move_function('owns_table(oid)');
select auth_internal.move_function('parse_jwks(text, text)');
select auth_internal.move_function('parse_jwt_key(text, text, text)');
select auth_internal.move_function('parts_of(regclass)');
select auth_internal.move_function('permission_covers(text[], text)');
select auth_internal.move_function('policy_author(regclass, oid)');
select auth_internal.move_function('policy_bypass(regclass, oid)');
select auth_internal.move_function('policy_condition(regclass, oid, text, text, jsonb)');
select auth_internal.move_function('policy_reading(oid, oid, text, jsonb, jsonb, text[], jsonb, text)');
select auth_internal.move_function('policy_steps(text)');
select auth_internal.move_function('privileges_for(text)');
select auth_internal.move_function('protection_advice(oid, jsonb)');
select auth_internal.move_function('protection_changes(oid, jsonb, jsonb)');
select auth_internal.move_function('protection_demand_columns(regclass, jsonb)');
select auth_internal.move_function('protection_demand_table(regclass)');
select auth_internal.retire_function('auth.protection_index(oid, jsonb)');
select auth_internal.move_function('protection_is_intact(oid, jsonb)');
select auth_internal.move_function('protection_is_small(oid)');
select auth_internal.move_function('protection_key_suggestions(oid, jsonb)');
select auth_internal.move_function('protection_memory(text)');
select auth_internal.move_function('protection_name(text)');
select auth_internal.move_function('protection_of(oid)');
select auth_internal.retire_function('auth.protection_plan(oid, jsonb)');
select auth_internal.move_function('protection_policies(oid, jsonb)');
select auth_internal.retire_function('auth.protection_policy_changes(oid, jsonb)');
select auth_internal.move_function('protection_removal(oid)');
select auth_internal.move_function('protection_settings(regclass, name, name, name, name, text, name[], boolean, boolean)');
select auth_internal.move_function('protection_suggestions(oid, jsonb)');
select auth_internal.move_function('protection_table_test(oid)');
select auth_internal.move_function('protection_test(oid, jsonb, boolean)');
select auth_internal.move_function('random_token()');
select auth_internal.move_function('read_organization(uuid, text)');
select auth_internal.move_function('reading_words(jsonb)');
select auth_internal.move_function('record_api_key_uses(uuid[], bigint[], timestamptz[])');
select auth_internal.move_function('refuse_action()');
select auth_internal.move_function('refuse_api_key()');
select auth_internal.move_function('refuse_duplicate(text)');
select auth_internal.move_function('refuse_key_argument(text, text)');
select auth_internal.move_function('refuse_member()');
select auth_internal.move_function('refuse_protection(text, text)');
select auth_internal.move_function('refuse_rate_limit()');
select auth_internal.move_function('refuse_restricted_operation()');
select auth_internal.move_function('refuse_role()');
select auth_internal.move_function('refuse_source(text, text)');
select auth_internal.move_function('refuse_target(text)');
select auth_internal.move_function('refuse_value(text, text)');
select auth_internal.move_function('refuse_width(text)');
select auth_internal.move_function('require_administrator()');
select auth_internal.move_function('revoked_jwt_key(uuid, bytea)');
select auth_internal.move_function('role_in(uuid, text)');
select auth_internal.move_function('role_named(uuid, text)');
select auth_internal.move_function('role_of(uuid, text)');
select auth_internal.move_function('roles_in(uuid)');
select auth_internal.move_function('rsa_algorithm(text[])');
select auth_internal.move_function('source_column(regclass, text, name, regtype[], boolean)');
select auth_internal.move_function('stored_rows(oid, oid[], jsonb, text, integer)');
select auth_internal.move_function('table_names(regclass[])');
select auth_internal.move_function('token_hash(text)');
select auth_internal.move_function('token_scopes()');
select auth_internal.move_function('try_isolation(regclass, oid, name, text, jsonb, jsonb, jsonb, text)');
select auth_internal.move_function('usage_of(uuid, date)');
select auth_internal.move_function('verdict_text(jsonb)');
select auth_internal.move_function('workspace_org(uuid)');
select auth_internal.move_function('workspace_role_of(uuid, text)');
select auth_internal.move_function('workspaces_in(uuid)');

-- Gone, or made anew with other columns.
select auth_internal.retire_function('auth.lint_foreign_keys(oid[], oid[], smallint[])');
select auth_internal.retire_function('auth.lint_functions(oid[], oid[])');
select auth_internal.retire_function('auth.lint_grants(oid[], oid[])');
select auth_internal.retire_function('auth.lint_identity_readers()');
select auth_internal.retire_function('auth.lint_org_readers()');
select auth_internal.retire_function('auth.lint_policies(oid[], oid[], smallint[])');
select auth_internal.retire_function('auth.lint_replication()');
select auth_internal.retire_function('auth.lint_roles(oid[], oid[])');
select auth_internal.retire_function('auth.lint_tables(oid[], oid[], smallint[])');
select auth_internal.retire_function('auth.lint_unique_keys(oid[], oid[], smallint[])');
select auth_internal.retire_function('auth.lint_views(oid[], oid[])');
select auth_internal.retire_function('auth.protection_columns(oid, jsonb)');
select auth_internal.retire_function('auth.protection_foreign_keys(oid, jsonb)');
select auth_internal.retire_function('auth.protection_has_index(oid, jsonb)');
select auth_internal.retire_function('auth.protection_tree(oid)');
select auth_internal.retire_function('auth.protection_unique_keys(oid, smallint)');
select auth_internal.retire_function('auth.rotation_due_at(auth.api_keys)');
select auth_internal.retire_function('auth.list_members(uuid)');
select auth_internal.retire_function('auth.list_organizations()');
select auth_internal.retire_function('auth.list_workspace_members(uuid)');

-- What these columns take; errors show it as a hint.
comment on column auth.issuers.org_ids is 'The only organizations its users act in, whatever claims and memberships say, for a tenant''s own sign-in service, which then needs a user_id_prefix; its workspace claims count for nothing. Empty: any.';
comment on column auth.roles.permissions is 'Dotted names; "a.*" covers all below "a.", "*" everything. At most 200, each of up to 100 bytes, without blanks.';
comment on column auth.roles.rank is '1 or more and below 1000, which is owner''s alone. Members change only members whose role has a lower rank, and grant only roles of a lower rank.';
comment on column auth.api_keys.scopes is 'The permissions it has, of those its user or role has when it is used, at most 200, each of up to 100 bytes, as in auth.roles; NULL: all of them.';
comment on column auth.api_keys.allowed_origins is 'The web origins of requests with it, such as https://app.example.com or https://*.example.com, at most 100, each of up to 100 bytes; NULL: any, or none named.';
comment on column auth.api_keys.allowed_endpoints is 'The requests it may make: GET /invoices, POST /rpc/send, * /reports/*, at most 100, each of up to 100 bytes; NULL: any.';
comment on column auth.api_keys.allowed_tables is 'The tables that auth.allows_table() answers true for, with their schemas, at most 100, with names of up to 100 bytes; NULL: any.';
comment on column auth.api_keys.prefix is 'How it begins, such as sk_live_, in up to 40 printable ASCII characters without blanks; NULL: not known (imported).';
comment on column auth.api_keys.last4 is 'How it ends, in 4 printable ASCII characters without blanks; NULL: not known (imported).';
comment on column auth.jwt_keys.kid is 'The key id a token names (RFC 7515 section 4.1.4), 1 to 128 bytes; NULL serves tokens that name none.';

-- New columns. Never with a default of their own: Postgres refuses that as long as anybody's table, be it a temporary one, has a
-- column of the row's type.
alter table auth.memberships
    add column id uuid, add column accepted boolean, add column invitation_id uuid,
    alter column created_at set default pg_catalog.clock_timestamp();
update auth.memberships
   set id = pg_catalog.gen_random_uuid(),
       accepted = case when created_by is null or created_by operator(pg_catalog.=) user_id then true end;
alter table auth.memberships
    alter column id set default pg_catalog.gen_random_uuid(), alter column id set not null;
alter table auth.workspace_memberships
    add column id uuid, add column accepted boolean, add column membership_id uuid,
    alter column created_at set default pg_catalog.clock_timestamp();
update auth.workspace_memberships
   set id = pg_catalog.gen_random_uuid(),
       accepted = case when created_by is null or created_by operator(pg_catalog.=) user_id then true end;
alter table auth.workspace_memberships
    alter column id set default pg_catalog.gen_random_uuid(), alter column id set not null;
alter table auth.roles
    add column version uuid,
    drop constraint roles_grantable_check,
    add constraint roles_grantable_check check (auth_internal.is_list_of(grantable, '^[a-z][a-z0-9_-]{0,62}(:own)?$', 1000));
update auth.roles set version = case when builtin then id else pg_catalog.gen_random_uuid() end;
alter table auth.roles
    alter column version set default pg_catalog.gen_random_uuid(), alter column version set not null;
alter table auth.invitations add column accepted_email text, add column membership_id uuid;
alter table auth.organizations add column created_by text collate pg_catalog."C";
-- Whoever created one became its owner at that moment.
update auth.organizations o set created_by = m.user_id
  from auth.memberships m
 where m.org_id operator(pg_catalog.=) o.id and m.user_id operator(pg_catalog.=) m.created_by
   and m.created_at operator(pg_catalog.=) o.created_at;

-- Whoever joined by an invitation has accepted; the address is the one that it was for.
update auth.invitations set accepted_email = email where accepted_at is not null;
update auth.memberships m set accepted = true, invitation_id = i.id
  from auth.invitations i
 where i.org_id operator(pg_catalog.=) m.org_id and i.accepted_by operator(pg_catalog.=) m.user_id
   and i.accepted_at operator(pg_catalog.>=) m.created_at - interval '1 second';
update auth.workspace_memberships m set accepted = true
  from auth.invitations i
 where i.workspace_id operator(pg_catalog.=) m.workspace_id and i.accepted_by operator(pg_catalog.=) m.user_id
   and i.accepted_at operator(pg_catalog.>=) m.created_at - interval '1 second';

create index memberships_accepted on auth.memberships (user_id, accepted, created_at);
create index workspace_memberships_accepted on auth.workspace_memberships (user_id, accepted, created_at);
create index organizations_created_by on auth.organizations (created_by) where created_by is not null;
create index invitations_open_org on auth.invitations (org_id, expires_at)
    where accepted_at is null and revoked_at is null;
create index invitations_open_created_by on auth.invitations (created_by, expires_at)
    where accepted_at is null and revoked_at is null;
create index invitations_accepted_by on auth.invitations (accepted_by) where accepted_by is not null;

create table auth.endings (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    kind text not null
        check (kind in ('membership', 'membership_role', 'workspace_membership', 'workspace_membership_role',
                        'organization', 'workspace', 'invitation', 'role')),
    target_id uuid not null,
    org_id uuid not null,
    user_id text collate pg_catalog."C",
    role_id uuid,
    deleted boolean not null default false,
    rank integer check (rank between 1 and 1000),
    permissions text[] check (auth_internal.is_list_of(permissions, '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 200)),
    grantable text[] check (auth_internal.is_list_of(grantable, '^[a-z][a-z0-9_-]{0,62}(:own)?$', 1000)),
    ended_at timestamptz not null default pg_catalog.clock_timestamp(),
    ended_by text,
    former_role_id uuid
);

create table auth.creation_rates (
    user_id text collate pg_catalog."C" not null,
    kind text not null check (kind in ('organizations', 'workspaces', 'roles', 'invitations')),
    busy_until timestamptz not null,
    primary key (user_id, kind)
);

create table auth.unchecked_foreign_keys (
    key oid primary key
);

create index endings_target on auth.endings (target_id);

create index endings_user on auth.endings (user_id, target_id);

create index endings_org on auth.endings (org_id);

insert into auth.unchecked_foreign_keys (key)
select k.oid from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) k.conrelid
 where k.contype operator(pg_catalog.=) 'f'::pg_catalog."char" and k.conparentid operator(pg_catalog.=) 0::pg_catalog.oid
   and k.convalidated and c.relforcerowsecurity;

alter table auth.unchecked_foreign_keys enable row level security;
alter table auth.endings enable row level security;
alter table auth.creation_rates enable row level security;
select pg_catalog.pg_extension_config_dump('auth.endings'::pg_catalog.regclass, '');

comment on column auth.roles.version is 'Another one after every change of the role.';
comment on column auth.memberships.id is 'Identifies the membership: whoever is removed and comes back has another one.';
comment on column auth.memberships.accepted is 'The user created the organization, accepted an invitation or confirmed the membership; or a service or an administrator made it. NULL, in rows of 0.1.0 that others made: as created_by says.';
comment on column auth.memberships.invitation_id is 'The invitation that it came by; NULL: none.';
comment on index auth.memberships_accepted is 'Finds the memberships of a user in the order in which they count, where there are too many.';
comment on column auth.workspace_memberships.id is 'Identifies the membership: whoever is removed and comes back has another one.';
comment on column auth.workspace_memberships.accepted is 'As in auth.memberships.';
comment on column auth.workspace_memberships.membership_id is 'The membership of the organization that it is part of and ends with; NULL, in rows of 0.1.0: whichever there is.';
comment on index auth.workspace_memberships_accepted is 'Finds the memberships of a user in the order in which they count, where there are too many.';
comment on column auth.invitations.accepted_email is 'The verified e-mail address of the user who accepted it, in small letters (of A to Z); NULL: none was known.';
comment on column auth.invitations.membership_id is 'The membership of the user who invites, with which the invitation ends; NULL: a service or an administrator invites, or 0.1.0 made it.';
comment on index auth.invitations_accepted_by is 'Finds the addresses of a user.';
comment on column auth.organizations.created_by is 'The user who created it; NULL: a service or an administrator.';
comment on index auth.organizations_created_by is 'Counts the organizations that a user created.';
comment on index auth.invitations_open_org is 'Counts the open invitations of an organization.';
comment on index auth.invitations_open_created_by is 'Counts the open invitations of a user.';
comment on table auth.creation_rates is 'How fast users created what quotas limit, for those who create and delete without end. Not dumped: it is about the last hour.';
comment on column auth.creation_rates.user_id is 'The user who creates.';
comment on column auth.creation_rates.kind is 'Of what: organizations, workspaces, roles, invitations.';
comment on column auth.creation_rates.busy_until is 'Moved on by each creation, by as much of an hour as it takes of what the hour allows; nothing is created that would move it beyond an hour from now.';
comment on table auth.unchecked_foreign_keys is 'Foreign keys of forced tables from before the extension refused to check them against a part of the rows. auth.lint() names them until they are made anew. Not dumped: a restore checks every key.';
comment on column auth.unchecked_foreign_keys.key is 'The key, in pg_constraint.';
comment on table auth.endings is 'What was ended while another transaction held its row. It counts as if the row had been changed; auth.purge_endings() does that later.';
comment on column auth.endings.id is 'Identifies the ending.';
comment on column auth.endings.kind is 'What has ended: membership, workspace_membership, organization, workspace, invitation; or what was changed: membership_role, workspace_membership_role, role.';
comment on column auth.endings.target_id is 'The id of the row that it counts for.';
comment on column auth.endings.org_id is 'The organization that it belongs to.';
comment on column auth.endings.user_id is 'The user whose membership it is; NULL for other kinds.';
comment on column auth.endings.role_id is 'The role that a member has from now on.';
comment on column auth.endings.deleted is 'An organization or workspace was deleted, not only disabled.';
comment on column auth.endings.rank is 'Of a role: its rank from now on, 1 to 1000. Of a membership: the rank of whoever ended it, whom a member of a higher rank need not heed.';
comment on column auth.endings.permissions is 'What a role permits from now on, as in auth.roles: at most 200 permissions, each of up to 100 bytes.';
comment on column auth.endings.grantable is 'What the members of a role may grant from now on, at most 1000 names, as in auth.roles.';
comment on column auth.endings.ended_at is 'When it was ended or changed.';
comment on column auth.endings.ended_by is 'The user who did it; NULL: a service or an administrator.';
comment on column auth.endings.former_role_id is 'Of a membership: the role that its row named. As long as it does, the ending counts, whatever becomes of that role.';
comment on index auth.endings_target is 'Finds the endings of something.';
comment on index auth.endings_user is 'Finds the endings of a user''s memberships.';
comment on index auth.endings_org is 'Finds the endings in an organization.';

create table auth.guard_settings (
    single boolean primary key default true check (single),
    schemas name[],
    new_tables text not null check (new_tables in ('protect', 'refuse', 'ignore'))
);

comment on table auth.guard_settings is 'What the guards of protected tables do; empty without guards.';
comment on column auth.guard_settings.single is 'True, so that there is one row at most.';
comment on column auth.guard_settings.schemas is 'The schemas in which new tables are looked at; NULL: all of applications.';
comment on column auth.guard_settings.new_tables is 'What becomes of a new table with a column for the organization: protect, refuse or ignore.';
alter table auth.guard_settings enable row level security;
select pg_catalog.pg_extension_config_dump('auth.guard_settings'::pg_catalog.regclass, '');

alter table auth.issuers add column own boolean, add column issued_since timestamptz;
update auth.issuers set own = false;
alter table auth.issuers alter column own set default false, alter column own set not null;
alter table auth.issuers add constraint issuers_own_check
    check (not own or not memberships_from_claims and org_ids = '{}' and user_id_prefix = ''
                      and org_claim = '{org_id}' and workspace_claim = '{workspace_id}' and role_claim = '{role}'
                      and org_role_claim = '{org_role}' and permissions_claim = '{permissions}'
                      and scopes_claim = '{scope}' and email_claim = '{email}'
                      and email_verified_claim = '{email_verified}');
alter table auth.jwt_keys add column made_in text;
comment on column auth.issuers.own is 'This database makes its tokens, with keys that auth.create_signing_key() makes. Their claims are where we put them: memberships_from_claims, org_ids, user_id_prefix and the names of claims stay as they are by default.';
comment on column auth.issuers.issued_since is 'Its tokens must have an iat from then on; NULL: any. Set where a revocation goes because no token of that time is good any more: a longer max_lifetime brings none back.';
comment on column auth.jwt_keys.state is 'next: published, signs nothing yet. active. retired: verifies until retired_until. revoked: never verifies again.';
comment on column auth.jwt_keys.made_in is 'The database that made a signing key of ours, as system identifier and number of the database; NULL: a key of another issuer.';
-- Nothing of it in pg_statistic.
alter table auth.jwt_secrets alter column material set statistics 0;
delete from pg_catalog.pg_statistic s where s.starelid operator(pg_catalog.=) 'auth.jwt_secrets'::pg_catalog.regclass;
comment on table auth.jwt_secrets is 'The secrets of HS256, HS384 and HS512 keys, and the private keys of our own issuers. Left out of dumps unless pg_bearer.dump_secrets is on.';
comment on column auth.jwt_secrets.material is 'The secret, or the private key as PKCS #8 (RFC 5958). Whoever reads it can sign tokens.';

create table auth.minted_tokens (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    issuer_id uuid not null,
    digest bytea not null check (pg_catalog.octet_length(digest) = 32),
    user_id text collate pg_catalog."C" check (pg_catalog.octet_length(user_id) between 1 and 1024),
    org_id uuid,
    workspace_id uuid,
    environment text not null check (environment in ('live', 'test')),
    permissions text[] check (auth_internal.is_list_of(permissions, '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 200) and permissions <> '{}'),
    is_service boolean not null default false,
    is_member boolean not null default false,
    actor text check (pg_catalog.octet_length(actor) between 1 and 1024),
    reason text check (pg_catalog.char_length(reason) between 1 and 1000),
    api_key_id uuid,
    maker_key_id uuid,
    parent_id uuid,
    from_issuer text collate pg_catalog."C",
    from_user text collate pg_catalog."C",
    from_subject text collate pg_catalog."C",
    from_session text collate pg_catalog."C",
    from_token text collate pg_catalog."C",
    from_digest text collate pg_catalog."C",
    from_issued_at timestamptz,
    from_key_id uuid,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    created_by text,
    expires_at timestamptz not null,
    session_id uuid,
    check (is_service or user_id is not null or api_key_id is not null),
    check (not is_service or user_id is null and org_id is null and permissions is null),
    check (org_id is not null or workspace_id is null)
);

create index minted_tokens_user on auth.minted_tokens (user_id);
create index minted_tokens_api_key on auth.minted_tokens (api_key_id) where api_key_id is not null;
create index minted_tokens_expires_at on auth.minted_tokens (expires_at);

create table auth.revocations (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    kind text not null check (kind in ('user', 'subject', 'session', 'token', 'digest')),
    value text collate pg_catalog."C" not null check (pg_catalog.octet_length(value) between 1 and 1300),
    issuer text collate pg_catalog."C",
    issued_before timestamptz,
    expires_at timestamptz not null,
    revoked_by text,
    check (kind = 'user' or issuer is not null)
);

create index revocations_value on auth.revocations (value);
create index revocations_expires_at on auth.revocations (expires_at);

comment on table auth.minted_tokens is 'The tokens that this database made. One is accepted only while its row is here.';
comment on column auth.minted_tokens.id is 'Identifies the token: its claim jti.';
comment on column auth.minted_tokens.issuer_id is 'The issuer of ours that made it.';
comment on column auth.minted_tokens.digest is 'SHA-256 of its payload, byte for byte: no other token passes for it, whoever has the key.';
comment on column auth.minted_tokens.user_id is 'The user it is for, in 1 to 1024 bytes; NULL: a service, or nobody.';
comment on column auth.minted_tokens.org_id is 'The only organization it acts in; NULL: all of its user.';
comment on column auth.minted_tokens.workspace_id is 'The only workspace it acts in; NULL: all of its user there.';
comment on column auth.minted_tokens.environment is 'live or test, which auth.environment() gives policies.';
comment on column auth.minted_tokens.permissions is 'What it may do, of what its user or API key may do when it is used: at most 200 permissions, each of up to 100 bytes, as in auth.roles; NULL: all of it.';
comment on column auth.minted_tokens.is_service is 'It passes the service policies.';
comment on column auth.minted_tokens.is_member is 'Its user must be a member of the organization, since before it was made.';
comment on column auth.minted_tokens.actor is 'Who acts for the user, in 1 to 1024 bytes (the claim act of RFC 8693); NULL: nobody.';
comment on column auth.minted_tokens.reason is 'Why somebody acts for the user, in 1 to 1000 characters.';
comment on column auth.minted_tokens.api_key_id is 'The API key that it came from, whose restrictions it has and with which it ends.';
comment on column auth.minted_tokens.maker_key_id is 'The service key that made it for somebody, with which it ends.';
comment on column auth.minted_tokens.parent_id is 'The token of ours that it came from and ends with.';
comment on column auth.minted_tokens.from_issuer is 'The issuer of the token that it came from: a revocation of that one ends it too.';
comment on column auth.minted_tokens.from_user is 'The user of that token.';
comment on column auth.minted_tokens.from_subject is 'The sub of that token.';
comment on column auth.minted_tokens.from_session is 'The session of that token.';
comment on column auth.minted_tokens.from_token is 'The jti of that token.';
comment on column auth.minted_tokens.from_digest is 'SHA-256 of its payload, in hexadecimal digits, where it has no jti.';
comment on column auth.minted_tokens.from_issued_at is 'The iat of that token, less the leeway of its issuer; NULL: it had none.';
comment on column auth.minted_tokens.from_key_id is 'The key that signed that token: where it is revoked, or its issuer removed, this token ends too.';
comment on column auth.minted_tokens.created_at is 'When it was made.';
comment on column auth.minted_tokens.created_by is 'The user who made it; NULL: a service, an administrator, or an API key that is nobody''s.';
comment on column auth.minted_tokens.expires_at is 'When it expires: its claim exp.';
comment on column auth.minted_tokens.session_id is 'The session whose access token it is, and with which it ends; NULL: none.';
comment on index auth.minted_tokens_user is 'Finds the tokens of a user.';
comment on index auth.minted_tokens_api_key is 'Finds the tokens that came from an API key.';
comment on index auth.minted_tokens_expires_at is 'Finds what has expired.';
comment on table auth.revocations is 'What ended tokens before they expire. auth.authenticate() looks here each time.';
comment on column auth.revocations.id is 'Identifies the row.';
comment on column auth.revocations.kind is 'What value is: user (as auth.user_id() gives it), subject (sub), session (session_id or sid), token (jti), or digest (of a token without jti).';
comment on column auth.revocations.value is 'Whose tokens, or which token: 1 to 1300 bytes.';
comment on column auth.revocations.issuer is 'The issuer whose tokens it ends; NULL: any (users only).';
comment on column auth.revocations.issued_before is 'Tokens that were issued until then have ended; of single tokens and sessions, all. NULL: a single token, of which expires_at is known.';
comment on column auth.revocations.expires_at is 'From then on there is no such token, and the row can go.';
comment on column auth.revocations.revoked_by is 'The user who revoked it; NULL: a service or an administrator, or a session that was held when it ended.';
comment on index auth.revocations_value is 'Finds what ended a token.';
comment on index auth.revocations_expires_at is 'Finds what can go.';
alter table auth.minted_tokens enable row level security;
alter table auth.revocations enable row level security;
select pg_catalog.pg_extension_config_dump('auth.minted_tokens'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.revocations'::pg_catalog.regclass, '');
create table auth.ticket_secret (
    single boolean primary key default true check (single),
    secret bytea not null check (pg_catalog.octet_length(secret) >= 32)
);

comment on table auth.ticket_secret is 'What the tickets of this database are sealed with, and its refresh tokens are marked with. Never dumped: each database makes its own.';
comment on column auth.ticket_secret.single is 'True, so that there is one row at most.';
comment on column auth.ticket_secret.secret is 'The secret, 32 bytes or more. Whoever reads it can make tickets, which are good where the library is not in shared_preload_libraries.';
alter table auth.ticket_secret enable row level security;

insert into auth.ticket_secret (secret)
select pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(pg_catalog.gen_random_uuid()::pg_catalog.text, ''), 'UTF8'))
  from pg_catalog.generate_series(1, 4);
create table auth.audit_log (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    occurred_at timestamptz not null default pg_catalog.clock_timestamp(),
    action text not null,
    org_id uuid,
    target text,
    target_user_id text collate pg_catalog."C",
    user_id text collate pg_catalog."C",
    credential text,
    api_key_id uuid,
    session_id text,
    issuer text,
    actor text,
    database_role text not null,
    environment text,
    client_addr inet,
    stated_addr text,
    details jsonb not null default '{}'
);

create index audit_log_org on auth.audit_log (org_id, occurred_at);

create index audit_log_occurred_at on auth.audit_log (occurred_at);

comment on table auth.audit_log is 'Who changed what of the library. Functions add rows and only purging takes some away; auth.list_audit_log() shows them.';
comment on column auth.audit_log.id is 'Identifies the row.';
comment on column auth.audit_log.occurred_at is 'When it was done, by the clock of that moment; it counts from the commit on.';
comment on column auth.audit_log.action is 'What was done, such as api_key.create; auth_internal.audit_actions() has them all.';
comment on column auth.audit_log.org_id is 'The organization in which it was done; NULL: in none.';
comment on column auth.audit_log.target is 'What it was done to: the id or, where there is none, the name.';
comment on column auth.audit_log.target_user_id is 'The user to whom it was done, or whose it is; NULL: nobody.';
comment on column auth.audit_log.user_id is 'The user who did it, as the credential says; NULL: a service, a key that is nobody''s or an administrator.';
comment on column auth.audit_log.credential is 'The kind of identity that did it: jwt, api_key, service; act_as where an administrator stated it; NULL: an administrator without one.';
comment on column auth.audit_log.api_key_id is 'The API key that did it; NULL: none.';
comment on column auth.audit_log.session_id is 'The session that the credential names; NULL: none.';
comment on column auth.audit_log.issuer is 'The issuer of the token; NULL: there is no token.';
comment on column auth.audit_log.actor is 'Who acted for the user, as the credential says; NULL: nobody.';
comment on column auth.audit_log.database_role is 'The role of the database that called, also where SET ROLE had chosen it.';
comment on column auth.audit_log.environment is 'The environment of the identity, live or test; NULL: an administrator without one.';
comment on column auth.audit_log.client_addr is 'The address that the connection came from, as the server saw it; NULL: a unix socket. That of the pooler or API server, where there is one.';
comment on column auth.audit_log.stated_addr is 'What the request said of its address (X-Forwarded-For in request.headers), the last 200 characters. Whoever runs SQL can make it up.';
comment on column auth.audit_log.details is 'More about it, by members that depend on the action. Nothing of a credential.';
comment on index auth.audit_log_org is 'Finds what was done in an organization, by time.';
comment on index auth.audit_log_occurred_at is 'Finds the newest rows, and those that are old.';
alter table auth.audit_log enable row level security;
select pg_catalog.pg_extension_config_dump('auth.audit_log'::pg_catalog.regclass, '');

-- Users and sessions.
do $$
declare
    existing record;
begin
    select r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication as powerful,
           exists (select from pg_catalog.pg_auth_members m where m.member operator(pg_catalog.=) r.oid) as is_member,
           exists (select from pg_catalog.pg_auth_members m
                     join pg_catalog.pg_roles u on u.oid operator(pg_catalog.=) m.member
                    where m.roleid operator(pg_catalog.=) r.oid and not u.rolsuper) as has_members
      into existing
      from pg_catalog.pg_roles r where r.rolname operator(pg_catalog.=) 'bearer_users';
    if not found then
        create role bearer_users nologin;
    elsif existing.powerful or existing.is_member or existing.has_members then
        raise invalid_parameter_value using
            message = 'role "bearer_users" exists and has rights that it must not have',
            hint = 'It must not log in, have attributes or be a member of another role, and nobody may be a member of it. Drop it, or take that away.';
    end if;
end
$$;
create table auth.users (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    email text collate pg_catalog."C" check (pg_catalog.octet_length(email) between 3 and 254),
    email_confirmed_at timestamptz,
    phone text collate pg_catalog."C" check (pg_catalog.octet_length(phone) between 1 and 64),
    raw_app_meta_data jsonb not null default '{}' check (pg_catalog.jsonb_typeof(raw_app_meta_data) = 'object'),
    raw_user_meta_data jsonb not null default '{}' check (pg_catalog.jsonb_typeof(raw_user_meta_data) = 'object'),
    is_anonymous boolean not null default false,
    banned_until timestamptz,
    last_sign_in_at timestamptz,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    updated_at timestamptz not null default pg_catalog.clock_timestamp(),
    deleted_at timestamptz,
    check (email is not null or email_confirmed_at is null)
);

create unique index users_email on auth.users (pg_catalog.lower(email)) where deleted_at is null;

-- A user as our functions have one. Not the row type of the table: whoever owns that can give its columns code of theirs.
create type auth_internal.user_row as (
    id uuid,
    email text collate pg_catalog."C",
    email_confirmed_at timestamptz,
    phone text collate pg_catalog."C",
    raw_app_meta_data jsonb,
    raw_user_meta_data jsonb,
    is_anonymous boolean,
    banned_until timestamptz,
    last_sign_in_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
comment on type auth_internal.user_row is 'A row of auth.users.';

create table auth.user_passwords (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    user_id uuid not null,
    hash text not null check (pg_catalog.octet_length(hash) <= 1024),
    created_at timestamptz not null default pg_catalog.clock_timestamp()
);

create index user_passwords_user on auth.user_passwords (user_id);

create table auth.user_bans (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    user_id text collate pg_catalog."C" not null check (pg_catalog.octet_length(user_id) between 1 and 1024),
    banned_until timestamptz,
    is_deleted boolean not null default false,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    created_by text
);

create index user_bans_user on auth.user_bans (user_id);

create table auth.one_time_tokens (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    token_hash bytea not null unique check (pg_catalog.octet_length(token_hash) = 32),
    purpose text not null check (purpose in ('confirm_email', 'reset_password', 'magic_link', 'change_email')),
    user_id uuid not null,
    email text collate pg_catalog."C",
    new_email text collate pg_catalog."C" check (pg_catalog.octet_length(new_email) between 3 and 254),
    password_id uuid,
    password_hash text check (pg_catalog.octet_length(password_hash) <= 1024),
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz
);

create index one_time_tokens_user on auth.one_time_tokens (user_id);
create index one_time_tokens_expires_at on auth.one_time_tokens (expires_at);

create table auth.sign_in_tries (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    key bytea not null check (pg_catalog.octet_length(key) = 32),
    tried_at timestamptz not null default pg_catalog.clock_timestamp(),
    expires_at timestamptz not null
);

create index sign_in_tries_key on auth.sign_in_tries (key, tried_at);
create index sign_in_tries_expires_at on auth.sign_in_tries (expires_at);

create table auth.hooks (
    name text primary key check (name in ('send_email', 'before_user_created', 'after_user_created', 'access_token')),
    function text not null,
    owner text not null,
    digest bytea not null check (pg_catalog.octet_length(digest) = 32),
    created_at timestamptz not null default pg_catalog.clock_timestamp()
);

comment on table auth.users is 'Users who sign in here, with the column names that Supabase has. Rows are never deleted: a deleted user keeps the id and nothing else.';
comment on column auth.users.id is 'Identifies the user: sub of their tokens, auth.uid(). Foreign keys of the application may refer to it.';
comment on column auth.users.email is 'The e-mail address as it was given, 3 to 254 bytes; mail goes there. Two that differ in the case of ASCII letters only are one. NULL: none.';
comment on column auth.users.email_confirmed_at is 'When somebody showed that they read mail to it; NULL: nobody did.';
comment on column auth.users.phone is 'A telephone number, 1 to 64 bytes, which nothing is done with.';
comment on column auth.users.raw_app_meta_data is 'What the application says of the user: the claim app_metadata. Users do not write it.';
comment on column auth.users.raw_user_meta_data is 'What the user says of themselves: the claim user_metadata. Nothing to go by in a policy.';
comment on column auth.users.is_anonymous is 'Signed in without saying who they are.';
comment on column auth.users.banned_until is 'Until when the user is banned, as far as this row is written: what counts is in auth.user_bans.';
comment on column auth.users.last_sign_in_at is 'When they signed in last, about.';
comment on column auth.users.created_at is 'When the user was made, here or where they came from.';
comment on column auth.users.updated_at is 'When one of the functions changed it last.';
comment on column auth.users.deleted_at is 'When the user was deleted; NULL: there they are.';
comment on index auth.users_email is 'Finds users by address, and keeps each for one user.';
comment on table auth.user_passwords is 'Password hashes. The youngest of a user is the password, and sessions that an older one began have ended.';
comment on column auth.user_passwords.id is 'Identifies the password: what one began ends with it.';
comment on column auth.user_passwords.user_id is 'Whose password it is: a row of auth.users.';
comment on column auth.user_passwords.hash is 'argon2 (PHC string format) or bcrypt, at most 1024 bytes; *: the user has no password, and none of before.';
comment on column auth.user_passwords.created_at is 'Since when it is the password.';
comment on index auth.user_passwords_user is 'Finds the password of a user.';
comment on table auth.user_bans is 'Who is banned, or was, and who was deleted; users of other issuers too. The last row of a user counts, and a deletion always.';
comment on column auth.user_bans.id is 'Identifies the row.';
comment on column auth.user_bans.user_id is 'The user, as auth.user_id() gives the id: 1 to 1024 bytes.';
comment on column auth.user_bans.banned_until is 'Until when; NULL: not any more.';
comment on column auth.user_bans.is_deleted is 'The user was deleted, for good.';
comment on column auth.user_bans.created_at is 'When it was decided.';
comment on column auth.user_bans.created_by is 'The user who decided it; NULL: a service or an administrator.';
comment on index auth.user_bans_user is 'Finds what was decided about a user.';
comment on table auth.one_time_tokens is 'Tokens that were mailed, each for one use, one purpose, one user and the address and password that they had then.';
comment on column auth.one_time_tokens.id is 'Identifies the row.';
comment on column auth.one_time_tokens.token_hash is 'SHA-256 of the token.';
comment on column auth.one_time_tokens.purpose is 'confirm_email, reset_password, magic_link or change_email.';
comment on column auth.one_time_tokens.user_id is 'Whom it is for: a row of auth.users, or nobody, so that asking for a mail leaves the same traces whoever is asked about.';
comment on column auth.one_time_tokens.email is 'The address that the user had then, with ASCII letters in lower case; NULL: none. Once it is another one, the token is worth nothing.';
comment on column auth.one_time_tokens.new_email is 'The address that it gives the user (change_email), 3 to 254 bytes; NULL: none.';
comment on column auth.one_time_tokens.password_id is 'The password that the user had then; NULL: none. Once it is another one, the token is worth nothing.';
comment on column auth.one_time_tokens.password_hash is 'The password of whoever signed up with the address, which the user gets with the address confirmed; at most 1024 bytes, as in auth.user_passwords. NULL: none.';
comment on column auth.one_time_tokens.created_at is 'When it was made.';
comment on column auth.one_time_tokens.expires_at is 'From then on it is worth nothing. A day later the row can go.';
comment on column auth.one_time_tokens.used_at is 'When it was used; NULL: it was not.';
comment on index auth.one_time_tokens_user is 'Finds the tokens of a user.';
comment on index auth.one_time_tokens_expires_at is 'Finds what can go.';
comment on table auth.sign_in_tries is 'Tries to sign in, where the library is not in shared_preload_libraries and cannot count them in memory.';
comment on column auth.sign_in_tries.id is 'Identifies the row.';
comment on column auth.sign_in_tries.key is 'SHA-256 of what is counted: an address, a client''s network, or both.';
comment on column auth.sign_in_tries.tried_at is 'When it was tried.';
comment on column auth.sign_in_tries.expires_at is 'From then on the row can go.';
comment on index auth.sign_in_tries_key is 'Counts the tries.';
comment on index auth.sign_in_tries_expires_at is 'Finds what can go.';
comment on table auth.hooks is 'Functions of the application that are called here. auth.set_hook() writes it.';
comment on column auth.hooks.name is 'When it is called: send_email, before_user_created, after_user_created or access_token.';
comment on column auth.hooks.function is 'The function, as quote_ident() writes schema and name. It takes a jsonb.';
comment on column auth.hooks.owner is 'Who owned it when it was set, and has to own it when it is called.';
comment on column auth.hooks.digest is 'SHA-256 of its definition when it was set: a function that was changed since is not called.';
comment on column auth.hooks.created_at is 'When it was set.';
alter table auth.users enable row level security;
alter table auth.user_passwords enable row level security;
alter table auth.user_bans enable row level security;
alter table auth.one_time_tokens enable row level security;
alter table auth.sign_in_tries enable row level security;
alter table auth.hooks enable row level security;
select pg_catalog.pg_extension_config_dump('auth.users'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.user_passwords'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.user_bans'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.one_time_tokens'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.hooks'::pg_catalog.regclass, '');
create table auth.sessions (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    user_id text collate pg_catalog."C" not null check (pg_catalog.octet_length(user_id) between 1 and 1024),
    issuer_id uuid not null,
    org_id uuid,
    permissions text[] check (auth_internal.is_list_of(permissions, '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 200) and permissions <> '{}'),
    environment text not null check (environment in ('live', 'test')),
    aal text not null default 'aal1' check (aal in ('aal1', 'aal2', 'aal3')),
    method text check (pg_catalog.octet_length(method) between 1 and 64),
    password_id uuid,
    generation integer not null default 1 check (generation >= 1),
    token_hash bytea not null check (pg_catalog.octet_length(token_hash) = 32),
    parent_hash bytea check (pg_catalog.octet_length(parent_hash) = 32),
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    expires_at timestamptz,
    refreshed_at timestamptz not null default pg_catalog.clock_timestamp(),
    network text
);

create index sessions_user on auth.sessions (user_id, created_at);
create index sessions_expires_at on auth.sessions (expires_at) where expires_at is not null;

create table auth.sealed_tokens (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    session_id uuid not null,
    generation integer not null,
    sealed bytea not null,
    expires_at timestamptz not null
);

create index sealed_tokens_session on auth.sealed_tokens (session_id);
create index sealed_tokens_expires_at on auth.sealed_tokens (expires_at);

comment on table auth.sessions is 'Who is signed in here. An access token of a session is accepted only while its row is here, is not revoked and has not expired.';
comment on column auth.sessions.id is 'Identifies the session: the claim session_id of its access tokens.';
comment on column auth.sessions.user_id is 'Who signed in, in 1 to 1024 bytes, as auth.user_id() gives the id.';
comment on column auth.sessions.issuer_id is 'The issuer of ours that makes its access tokens.';
comment on column auth.sessions.org_id is 'The only organization it acts in; NULL: all of its user.';
comment on column auth.sessions.permissions is 'What it may do, of what its user may do: at most 200 permissions, each of up to 100 bytes, as in auth.roles; NULL: all of it.';
comment on column auth.sessions.environment is 'live or test, which auth.environment() gives policies.';
comment on column auth.sessions.aal is 'How strongly the user signed in: aal1, aal2 or aal3 (NIST SP 800-63).';
comment on column auth.sessions.method is 'How the user signed in (the claim amr), in 1 to 64 bytes; NULL: it was not said.';
comment on column auth.sessions.password_id is 'The password that the user had when it began, and which ends it when it is changed; NULL: none.';
comment on column auth.sessions.generation is 'Which refresh token of the session the newest is; 1 for the first.';
comment on column auth.sessions.token_hash is 'SHA-256 of the newest refresh token.';
comment on column auth.sessions.parent_hash is 'SHA-256 of the one before it.';
comment on column auth.sessions.created_at is 'When the user signed in.';
comment on column auth.sessions.expires_at is 'When it ends by itself; NULL: never.';
comment on column auth.sessions.refreshed_at is 'When it was refreshed last, or begun.';
comment on column auth.sessions.network is 'Where the user signed in: an IPv4 address, or the first 64 bits of an IPv6 address; NULL: unknown.';
comment on index auth.sessions_user is 'Finds the sessions of a user.';
comment on index auth.sessions_expires_at is 'Finds what has ended.';
comment on table auth.sealed_tokens is 'The newest refresh tokens of sessions, for pg_bearer.refresh_reuse_grace: only whoever presents the one before can read one.';
comment on column auth.sealed_tokens.id is 'Identifies the row.';
comment on column auth.sealed_tokens.session_id is 'Whose it is: a row of auth.sessions.';
comment on column auth.sealed_tokens.generation is 'Which one of its session it is.';
comment on column auth.sealed_tokens.sealed is 'The token, under a key made of the one before it.';
comment on column auth.sealed_tokens.expires_at is 'From then on nobody gets it. The next refresh deletes the row.';
comment on index auth.sealed_tokens_session is 'Finds the token of a session.';
comment on index auth.sealed_tokens_expires_at is 'Finds what can go.';
alter table auth.sessions enable row level security;
alter table auth.sealed_tokens enable row level security;
select pg_catalog.pg_extension_config_dump('auth.sessions'::pg_catalog.regclass, '');
