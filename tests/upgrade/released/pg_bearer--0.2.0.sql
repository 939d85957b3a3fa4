
-- What has to be true before anything is created, the roles and the schemas. Each schema comes with a plain CREATE
-- SCHEMA, so that one that somebody else owns is an error and never adopted.

-- Whatever names the script leaves unqualified are Postgres's own, whoever runs it.
set local search_path = pg_catalog, pg_temp;

do $$
declare
    existing record;
    name text;
begin
    if pg_catalog.current_setting('server_encoding') operator(pg_catalog.<>) 'UTF8' then
        raise feature_not_supported using
            message = 'pg_bearer needs a database with encoding UTF8',
            hint = 'Tokens are UTF-8. Create the database with ENCODING ''UTF8''.';
    end if;
    foreach name in array array['auth', 'auth_internal'] loop
        if exists (select from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) name) then
            raise duplicate_schema using
                message = pg_catalog.format('schema "%s" already exists', name),
                hint = case name when 'auth' then
                    'pg_bearer needs that name to itself. Supabase''s own auth schema cannot be shared: use another database.'
                    else 'pg_bearer needs that name to itself. Rename the schema that is there, or use another database.' end;
        end if;
    end loop;
    foreach name in array array['bearer_owner', 'bearer_users', 'bearer_admin', 'bearer_service'] loop
        select r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb
                   or r.rolreplication as powerful,
               exists (select from pg_catalog.pg_auth_members m
                        where m.member operator(pg_catalog.=) r.oid) as is_member,
               exists (select from pg_catalog.pg_auth_members m
                         join pg_catalog.pg_roles u on u.oid operator(pg_catalog.=) m.member
                        where m.roleid operator(pg_catalog.=) r.oid and not u.rolsuper) as has_members
          into existing
          from pg_catalog.pg_roles r
         where r.rolname operator(pg_catalog.=) name;
        if not found then
            execute pg_catalog.format('create role %I nologin', name);
        elsif existing.powerful or existing.is_member
              or (name in ('bearer_owner', 'bearer_users') and existing.has_members) then
            raise invalid_parameter_value using
                message = pg_catalog.format('role "%s" exists and has rights that it must not have', name),
                hint = 'It must not log in, have attributes or be a member of another role, and nobody may be a member of bearer_owner or bearer_users. Drop it, or take that away.';
        end if;
    end loop;
end
$$;

create schema auth;
create schema auth_internal;

comment on schema auth is
    'Bearer credentials verified in the database, and who belongs to which tenant: identities, issuers, keys, organizations (extension pg_bearer).';
comment on schema auth_internal is 'What the functions of schema auth are made of: call those instead (extension pg_bearer).';

-- What was there before an update, with its grants; empty in an install. grants.sql reads and drops it.
create table auth_internal.before_update (class oid not null, object oid not null, name text not null, acl aclitem[]);

-- What constraints of the tables call. Created before them.

-- Is this a plain list of at most so many texts, each matching the pattern and no longer
-- than 100 bytes?
create function auth_internal.is_list_of(texts text[], pattern text, most integer) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_ndims(texts), 1) = 1 and cardinality(texts) <= most
           and not exists (select from unnest(texts) t
                            where (octet_length(t) <= 100 and t ~ pattern) is not true)
$$;
comment on function auth_internal.is_list_of is
    'Is it a list of at most so many texts, each of up to 100 bytes and matching the pattern? NULL for NULL.';

create function auth_internal.is_permission(name text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.is_list_of(array[is_permission.name], '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 1)
$$;
comment on function auth_internal.is_permission is 'Can a role have this permission? False for NULL.';

-- API keys, and what an organization's keys are held to. When they were used is in usage.sql.
-- As in tenancy.sql: nobody has a grant, the functions alone write, and there is one constraint for each column.

create table auth.api_keys (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    key_hash bytea not null unique check (pg_catalog.octet_length(key_hash) = 32),
    kind text not null default 'secret' check (kind in ('secret', 'publishable', 'service')),
    org_id uuid,
    workspace_id uuid,
    user_id text collate pg_catalog."C" check (pg_catalog.octet_length(user_id) between 1 and 1024),
    role_id uuid,
    environment text not null default 'live' check (environment in ('live', 'test')),
    scopes text[] check (auth_internal.is_list_of(scopes, '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 200)),
    expires_at timestamptz,
    revoked_at timestamptz,
    allowed_cidrs text[] check (auth_internal.is_list_of(allowed_cidrs, '^[0-9a-f.:]+/[0-9]+$', 100)),
    allowed_origins text[] check (auth_internal.is_list_of(allowed_origins, '^[a-z][a-z0-9+.-]*://([*][.])?[a-z0-9._-]+(:[0-9]{1,5})?$', 100)),
    allowed_endpoints text[] check (auth_internal.is_list_of(allowed_endpoints, '^([*]|[A-Z]+) /([^*[:cntrl:][:space:]]*|([^*[:cntrl:][:space:]]*/)?[*])$', 100)),
    allowed_tables text[] check (auth_internal.is_list_of(allowed_tables, '[.]', 100)),
    rate_limit integer check (rate_limit between 1 and 1000000),
    rate_period interval not null default '1 minute'
        check (rate_period between '1 second'::pg_catalog.interval and '1 day'::pg_catalog.interval
               and rate_period = pg_catalog.date_trunc('second', rate_period)),
    name text not null
        check (pg_catalog.char_length(name) between 1 and 200 and name !~ '[[:cntrl:]]' and name ~ '[^[:space:]]'),
    prefix text check (pg_catalog.octet_length(prefix) <= 40 and prefix ~ '^[!-~]+$'),
    public_id text collate pg_catalog."C" unique check (public_id ~ '^[0-9A-Za-z]{17}$'),
    last4 text check (last4 ~ '^[!-~]{4}$'),
    metadata jsonb not null default '{}'
        check (pg_catalog.jsonb_typeof(metadata) = 'object'
               and pg_catalog.octet_length(metadata::pg_catalog.text) <= 16384),
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    created_by text,
    created_by_key uuid,
    replaced_by uuid,
    revoked_by text,
    revoke_reason text check (pg_catalog.char_length(revoke_reason) <= 1000),
    check (user_id is null or role_id is null),
    check ((kind = 'secret') = (user_id is not null or role_id is not null)),
    check (org_id is not null or kind <> 'secret')
);

create index api_keys_org on auth.api_keys (org_id);

create index api_keys_created_by_key on auth.api_keys (created_by_key) where created_by_key is not null;

create table auth.api_key_settings (
    org_id uuid primary key,
    key_prefix text check (pg_catalog.octet_length(key_prefix) <= 20 and key_prefix ~ '^[a-z][a-z0-9]*(_[a-z0-9]+)*$'
               and key_prefix !~ '^(pk|service)$|(^|_)(live|test)(_|$)'),
    max_keys integer check (max_keys between 0 and 1000000),
    rate_limit integer check (rate_limit between 1 and 1000000),
    rate_period interval not null default '1 minute'
        check (rate_period between '1 second'::pg_catalog.interval and '1 day'::pg_catalog.interval
               and rate_period = pg_catalog.date_trunc('second', rate_period))
);
-- Revocations of keys whose rows somebody held at that moment: a revocation waits for nobody.
create table auth.api_key_revocations (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    key_id uuid not null,
    revoked_at timestamptz not null default pg_catalog.clock_timestamp(),
    revoked_by text,
    revoke_reason text check (pg_catalog.char_length(revoke_reason) <= 1000)
);

create index api_key_revocations_key on auth.api_key_revocations (key_id);

comment on table auth.api_keys is 'API keys. Of a key itself only its SHA-256 is stored.';
comment on column auth.api_keys.id is 'Identifies the key: auth.api_key_id() in policies.';
comment on column auth.api_keys.key_hash is 'SHA-256 of the whole text of the key.';
comment on column auth.api_keys.kind is 'secret: acts in an organization; publishable: names the project and grants nothing; service: passes the service policies.';
comment on column auth.api_keys.org_id is 'The organization it acts in and ends with; never changes. NULL: none (publishable and service keys only). What a service key manages it does not limit.';
comment on column auth.api_keys.workspace_id is 'The only workspace it acts in; NULL: those of its user, or none.';
comment on column auth.api_keys.user_id is 'The user it acts as, for as long as he is a member; NULL: it is nobody''s.';
comment on column auth.api_keys.role_id is 'The role of a key that is nobody''s.';
comment on column auth.api_keys.environment is 'live or test, which auth.environment() gives policies; never changes.';
comment on column auth.api_keys.scopes is 'The permissions it has, of those its user or role has when it is used, at most 200, each of up to 100 bytes, as in auth.roles; NULL: all of them.';
comment on column auth.api_keys.expires_at is 'It is worth nothing from this time on; NULL: it does not expire.';
comment on column auth.api_keys.revoked_at is 'When it was revoked.';
comment on column auth.api_keys.allowed_cidrs is 'The networks its bearer connects from, at most 100; NULL: any.';
comment on column auth.api_keys.allowed_origins is 'The web origins of requests with it, such as https://app.example.com or https://*.example.com, at most 100, each of up to 100 bytes; NULL: any, or none named.';
comment on column auth.api_keys.allowed_endpoints is 'The requests it may make: GET /invoices, POST /rpc/send, * /reports/*, at most 100, each of up to 100 bytes; NULL: any.';
comment on column auth.api_keys.allowed_tables is 'The tables that auth.allows_table() answers true for, with their schemas, at most 100, with names of up to 100 bytes; NULL: any.';
comment on column auth.api_keys.rate_limit is 'How many times it may authenticate in a rate_period, 1 to 1000000; NULL: no limit.';
comment on column auth.api_keys.rate_period is 'From 1 second to 1 day, in whole seconds. What was used comes back evenly.';
comment on column auth.api_keys.name is 'Name for people: 1 to 200 characters, not only blanks, no control characters.';
comment on column auth.api_keys.prefix is 'How it begins, such as sk_live_, in up to 40 printable ASCII characters without blanks; NULL: not known (imported).';
comment on column auth.api_keys.public_id is 'The part of it after the prefix that is no secret; NULL: it has none (imported).';
comment on column auth.api_keys.last4 is 'How it ends, in 4 printable ASCII characters without blanks; NULL: not known (imported).';
comment on column auth.api_keys.metadata is 'A JSON object of up to 16384 bytes that means nothing to the library.';
comment on column auth.api_keys.created_at is 'When it was created.';
comment on column auth.api_keys.created_by is 'The user who created it; NULL: a service, an administrator, or a key that is nobody''s.';
comment on column auth.api_keys.created_by_key is 'The API key that created it (where pg_bearer.api_key_creation is any).';
comment on column auth.api_keys.replaced_by is 'The key that auth.rotate_api_key() made in its place.';
comment on column auth.api_keys.revoked_by is 'The user who revoked it; NULL: as for created_by.';
comment on column auth.api_keys.revoke_reason is 'Why, in up to 1000 characters.';
comment on index auth.api_keys_created_by_key is 'Finds the keys that a key made, which end with it.';
comment on index auth.api_keys_org is 'Finds the keys of an organization.';
comment on table auth.api_key_settings is 'What the API keys of single organizations are held to. Organizations without a row have what the settings of the server say.';
comment on column auth.api_key_settings.org_id is 'The organization.';
comment on column auth.api_key_settings.key_prefix is 'What its secret keys begin with instead of pg_bearer.api_key_prefix: a to z, 0 to 9 and single underscores, at most 20 bytes, not pk or service and no part live or test; NULL: the same.';
comment on column auth.api_key_settings.max_keys is 'How many live keys it may have, 0 to 1000000; NULL: as pg_bearer.max_api_keys says.';
comment on column auth.api_key_settings.rate_limit is 'How many times all its keys together may authenticate in a rate_period, 1 to 1000000; NULL: no limit.';
comment on column auth.api_key_settings.rate_period is 'From 1 second to 1 day, in whole seconds. What was used comes back evenly.';
comment on table auth.api_key_revocations is 'Revocations of keys whose rows another transaction held. They count as those in auth.api_keys do.';
comment on column auth.api_key_revocations.id is 'Identifies the row.';
comment on column auth.api_key_revocations.key_id is 'The key that was revoked.';
comment on column auth.api_key_revocations.revoked_at is 'When it was revoked.';
comment on column auth.api_key_revocations.revoked_by is 'The user who revoked it; NULL: as in auth.api_keys.';
comment on column auth.api_key_revocations.revoke_reason is 'Why, in up to 1000 characters.';
comment on index auth.api_key_revocations_key is 'Finds the revocation of a key.';
alter table auth.api_keys enable row level security;
alter table auth.api_key_settings enable row level security;
alter table auth.api_key_revocations enable row level security;
select pg_catalog.pg_extension_config_dump('auth.api_keys'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.api_key_settings'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.api_key_revocations'::pg_catalog.regclass, '');

-- Who changed what. Nobody has a grant: auth_internal.audit() writes the rows, in the transaction of the change, and
-- auth.list_audit_log() shows them.

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

-- Foreign keys that may never have been checked: whom row security binds used to check them against the rows that he saw.

-- Apart from the catalog, which does not say when a key was made. Not dumped: a restore checks every key.
create table auth.unchecked_foreign_keys (
    key oid primary key
);
comment on table auth.unchecked_foreign_keys is 'Foreign keys of forced tables from before the extension refused to check them against a part of the rows. auth.lint() names them until they are made anew. Not dumped: a restore checks every key.';
comment on column auth.unchecked_foreign_keys.key is 'The key, in pg_constraint.';
alter table auth.unchecked_foreign_keys enable row level security;

insert into auth.unchecked_foreign_keys (key)
select k.oid from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) k.conrelid
 where k.contype operator(pg_catalog.=) 'f'::pg_catalog."char" and k.conparentid operator(pg_catalog.=) 0::pg_catalog.oid
   and k.convalidated and c.relforcerowsecurity;

-- What auth.guard() was asked for. It is restored with a dump, as the event triggers are.

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

-- Who may make tokens for this database, and the keys that prove it.
-- Row-level security is on without a policy and nobody has a grant: the tables are read and written by
-- the functions alone, which belong to their owner.
-- Operators on arrays are qualified: pg_catalog has them for any array only, and an exact one elsewhere in
-- the installer's path would be preferred.
-- No foreign keys: pg_dump does not tell pg_restore -j that the rows of one of these tables must wait for
-- those of another, and keys would be missing. The functions keep the tables together.

create table auth.issuers (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    issuer text collate pg_catalog."C" not null unique
        check (pg_catalog.octet_length(issuer) between 1 and 1024),
    audiences text[] not null default '{}'
        check (('' <> all (audiences)) is true and coalesce(pg_catalog.array_ndims(audiences), 1) = 1),
    algorithms text[] not null default '{}'
        check (coalesce(pg_catalog.array_ndims(algorithms), 1) = 1 and algorithms operator(pg_catalog.<@)
                             array['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384',
                                   'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']),
    token_types text[] not null default '{}'
        check (('' <> all (token_types)) is true and coalesce(pg_catalog.array_ndims(token_types), 1) = 1),
    memberships_from_claims boolean not null default false,
    allow_service_role boolean not null default false,
    environment text not null default 'live' check (environment in ('live', 'test')),
    leeway interval not null default '30 seconds' check (leeway between '0' and '300 seconds'),
    max_lifetime interval not null default '0'
        check (max_lifetime = '0' or max_lifetime between '1 second' and '100 years'),
    org_claim text[] not null default '{org_id}'
        check (('' <> all (org_claim)) is true and coalesce(pg_catalog.array_ndims(org_claim), 1) = 1),
    workspace_claim text[] not null default '{workspace_id}'
        check (('' <> all (workspace_claim)) is true and coalesce(pg_catalog.array_ndims(workspace_claim), 1) = 1),
    role_claim text[] not null default '{role}'
        check (('' <> all (role_claim)) is true and coalesce(pg_catalog.array_ndims(role_claim), 1) = 1),
    org_role_claim text[] not null default '{org_role}'
        check (('' <> all (org_role_claim)) is true and coalesce(pg_catalog.array_ndims(org_role_claim), 1) = 1),
    permissions_claim text[] not null default '{permissions}'
        check (('' <> all (permissions_claim)) is true and coalesce(pg_catalog.array_ndims(permissions_claim), 1) = 1),
    scopes_claim text[] not null default '{scope}'
        check (('' <> all (scopes_claim)) is true and coalesce(pg_catalog.array_ndims(scopes_claim), 1) = 1),
    email_claim text[] not null default '{email}'
        check (('' <> all (email_claim)) is true and coalesce(pg_catalog.array_ndims(email_claim), 1) = 1),
    created_at timestamptz not null default pg_catalog.now(),
    org_ids uuid[] not null default '{}'
        check (case coalesce(pg_catalog.array_ndims(org_ids), 1)
                   when 1 then pg_catalog.array_position(org_ids, null) is null else false end),
    user_id_prefix text not null default '' check (pg_catalog.octet_length(user_id_prefix) <= 255),
    email_verified_claim text[] not null default '{email_verified}'
        check (('' <> all (email_verified_claim)) is true
               and coalesce(pg_catalog.array_ndims(email_verified_claim), 1) = 1),
    own boolean not null default false,
    issued_since timestamptz,
    -- A service sees every organization.
    constraint issuers_allow_service_role_check
        check (not (allow_service_role and pg_catalog.cardinality(org_ids) > 0)),
    constraint issuers_own_check
        check (not own or not memberships_from_claims and org_ids = '{}' and user_id_prefix = ''
                          and org_claim = '{org_id}' and workspace_claim = '{workspace_id}' and role_claim = '{role}'
                          and org_role_claim = '{org_role}' and permissions_claim = '{permissions}'
                          and scopes_claim = '{scope}' and email_claim = '{email}'
                          and email_verified_claim = '{email_verified}')
);

comment on table auth.issuers is 'The issuers whose tokens are accepted. Tokens of any other issuer are refused.';
comment on column auth.issuers.id is 'Identifies the issuer in other tables.';
comment on column auth.issuers.issuer is 'The iss claim, 1 to 1024 bytes, compared byte for byte (RFC 7519 section 4.1.1).';
comment on column auth.issuers.audiences is 'One of these must be in the aud claim; empty asks for none (RFC 7519 section 4.1.3).';
comment on column auth.issuers.algorithms is 'The JWS algorithms this issuer may use, out of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA; empty leaves it to the keys.';
comment on column auth.issuers.token_types is 'The typ headers accepted; empty accepts JWT, at+jwt and none at all.';
comment on column auth.issuers.memberships_from_claims is 'Organizations, workspaces, organization roles and permissions in its tokens count as they are.';
comment on column auth.issuers.allow_service_role is 'Its tokens may name the role service_role. Not for an issuer with org_ids: a service sees every organization.';
comment on column auth.issuers.environment is 'The environment of its tokens: live or test.';
comment on column auth.issuers.leeway is 'How far its clock may differ from ours, 0 to 300 seconds.';
comment on column auth.issuers.max_lifetime is 'The longest time from iat to exp, 1 second to 100 years; 0 sets no limit.';
comment on column auth.issuers.org_claim is 'Path of member names to the organization, or list of organizations, in the claims.';
comment on column auth.issuers.workspace_claim is 'Path of member names to the workspace, or list of workspaces.';
comment on column auth.issuers.role_claim is 'Path of member names to the role.';
comment on column auth.issuers.org_role_claim is 'Path of member names to the role in the organization.';
comment on column auth.issuers.permissions_claim is 'Path of member names to the permissions: an array, or a line with spaces between them.';
comment on column auth.issuers.scopes_claim is 'Path of member names to the scopes: an array, or a line with spaces between them (RFC 8693 section 4.2).';
comment on column auth.issuers.email_claim is 'Path of member names to the e-mail address.';
comment on column auth.issuers.org_ids is 'The only organizations its users act in, whatever claims and memberships say, for a tenant''s own sign-in service, which then needs a user_id_prefix; its workspace claims count for nothing. Empty: any.';
comment on column auth.issuers.user_id_prefix is 'Put before the subject of its tokens, so that two issuers cannot name each other''s users; at most 255 bytes.';
comment on column auth.issuers.email_verified_claim is 'Path of member names to the claim that says true when the e-mail address is verified; empty: the issuer vouches for every address it names.';
comment on column auth.issuers.created_at is 'When it was added.';
comment on column auth.issuers.own is 'This database makes its tokens, with keys that auth.create_signing_key() makes. Their claims are where we put them: memberships_from_claims, org_ids, user_id_prefix and the names of claims stay as they are by default.';
comment on column auth.issuers.issued_since is 'Its tokens must have an iat from then on; NULL: any. Set where a revocation goes because no token of that time is good any more: a longer max_lifetime brings none back.';

create table auth.jwt_keys (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    issuer_id uuid not null,
    kid text collate pg_catalog."C" check (pg_catalog.octet_length(kid) between 1 and 128),
    alg text not null
        check (alg in ('HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512',
                       'ES256', 'ES384', 'ES512', 'EdDSA')),
    public_jwk text,
    thumbprint bytea,
    state text not null default 'active' check (state in ('next', 'active', 'retired', 'revoked')),
    disappeared boolean not null default false,
    not_before timestamptz,
    not_after timestamptz,
    created_at timestamptz not null default pg_catalog.now(),
    revoked_at timestamptz,
    retired_until timestamptz,
    made_in text,
    check ((alg in ('HS256', 'HS384', 'HS512')) = (public_jwk is null)),
    check ((public_jwk is null) = (thumbprint is null)),
    check ((state = 'revoked') = (revoked_at is not null)),
    check ((state = 'retired') = (retired_until is not null)),
    unique (issuer_id, thumbprint, alg)
);

create index jwt_keys_issuer on auth.jwt_keys (issuer_id, kid);

create unique index jwt_keys_kid on auth.jwt_keys (issuer_id, kid, alg) where state in ('next', 'active');
comment on table auth.jwt_keys is 'The keys that verify tokens. A key belongs to one issuer and serves one algorithm.';
comment on column auth.jwt_keys.id is 'Identifies the key, for auth.revoke_jwt_key().';
comment on column auth.jwt_keys.issuer_id is 'The issuer that signs with it.';
comment on column auth.jwt_keys.kid is 'The key id a token names (RFC 7515 section 4.1.4), 1 to 128 bytes; NULL serves tokens that name none.';
comment on column auth.jwt_keys.alg is 'The one algorithm it is used with (RFC 7518 section 3.1).';
comment on column auth.jwt_keys.public_jwk is 'The public key (RFC 7517) without anything else; NULL for a secret.';
comment on column auth.jwt_keys.thumbprint is 'SHA-256 thumbprint of the public key (RFC 7638).';
comment on column auth.jwt_keys.state is 'next: published, signs nothing yet. active. retired: verifies until retired_until. revoked: never verifies again.';
comment on column auth.jwt_keys.disappeared is 'It was revoked or retired because the issuer''s key set no longer had it, and comes back with it.';
comment on column auth.jwt_keys.not_before is 'It verifies nothing before this time.';
comment on column auth.jwt_keys.not_after is 'It verifies nothing from this time on.';
comment on column auth.jwt_keys.created_at is 'When it was added.';
comment on column auth.jwt_keys.revoked_at is 'When it was revoked.';
comment on column auth.jwt_keys.retired_until is 'When the grace of a retired key ends.';
comment on column auth.jwt_keys.made_in is 'The database that made a signing key of ours, as system identifier and number of the database; NULL: a key of another issuer.';

create table auth.jwt_secrets (
    key_id uuid primary key,
    material bytea not null
);
-- Nothing of it in pg_statistic.
alter table auth.jwt_secrets alter column material set statistics 0;
comment on table auth.jwt_secrets is 'The secrets of HS256, HS384 and HS512 keys, and the private keys of our own issuers. Left out of dumps unless pg_bearer.dump_secrets is on.';
comment on column auth.jwt_secrets.key_id is 'The key it belongs to.';
comment on column auth.jwt_secrets.material is 'The secret, or the private key as PKCS #8 (RFC 5958). Whoever reads it can sign tokens.';
comment on index auth.jwt_keys_issuer is 'Finds the keys that may have signed a token.';
comment on index auth.jwt_keys_kid is 'Among the keys that an issuer uses, a kid and an algorithm name one.';

alter table auth.issuers enable row level security;
alter table auth.jwt_keys enable row level security;
alter table auth.jwt_secrets enable row level security;
-- One call in each statement: together they would update the same catalog row twice.
select pg_catalog.pg_extension_config_dump('auth.issuers'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.jwt_keys'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.jwt_secrets'::pg_catalog.regclass,
    'where pg_catalog.current_setting(''pg_bearer.dump_secrets'', true)::pg_catalog.bool');

-- Sessions: who signed in here, and goes on with refresh tokens. As in tokens.sql, nobody waits for anybody: what ends a session is a
-- row of auth.revocations.

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

-- Organizations, workspaces, who belongs to them and as what.
-- As in issuers.sql: nobody has a grant, the functions alone read and write, and the functions, not
-- foreign keys, keep the tables together.
-- One constraint for each column: the functions tell the argument from the constraint's name. Lengths come
-- first: a regular expression needs four bytes for each character, and fails where they cannot be had.

create table auth.organizations (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    slug text collate pg_catalog."C" unique
        check (pg_catalog.octet_length(slug) <= 63 and slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null
        check (pg_catalog.char_length(name) between 1 and 200 and name !~ '[[:cntrl:]]' and name ~ '[^[:space:]]'),
    external_id text collate pg_catalog."C" unique
        check (pg_catalog.octet_length(external_id) between 1 and 255
               and external_id !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    metadata jsonb not null default '{}'
        check (pg_catalog.jsonb_typeof(metadata) = 'object'
               and pg_catalog.octet_length(metadata::pg_catalog.text) <= 16384),
    created_at timestamptz not null default pg_catalog.now(),
    disabled_at timestamptz,
    revision bigint not null default 0,
    created_by text collate pg_catalog."C"
);

create table auth.workspaces (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    org_id uuid not null,
    slug text collate pg_catalog."C"
        check (pg_catalog.octet_length(slug) <= 63 and slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null
        check (pg_catalog.char_length(name) between 1 and 200 and name !~ '[[:cntrl:]]' and name ~ '[^[:space:]]'),
    metadata jsonb not null default '{}'
        check (pg_catalog.jsonb_typeof(metadata) = 'object'
               and pg_catalog.octet_length(metadata::pg_catalog.text) <= 16384),
    created_at timestamptz not null default pg_catalog.now(),
    disabled_at timestamptz,
    unique (org_id, slug)
);

create index organizations_created_by on auth.organizations (created_by) where created_by is not null;

create index organizations_disabled on auth.organizations (disabled_at) where disabled_at is not null;

create index workspaces_org on auth.workspaces (org_id);

create table auth.roles (
    id uuid not null,
    builtin boolean not null default false,
    org_id uuid,
    name text collate pg_catalog."C" not null
        check (pg_catalog.octet_length(name) <= 63 and name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    rank integer not null check (rank between 1 and 1000),
    permissions text[] not null default '{}'
        check (auth_internal.is_list_of(permissions, '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 200)),
    grantable text[] check (auth_internal.is_list_of(grantable, '^[a-z][a-z0-9_-]{0,62}(:own)?$', 1000)),
    created_at timestamptz not null default pg_catalog.now(),
    version uuid not null default pg_catalog.gen_random_uuid(),
    primary key (id, builtin),
    unique nulls not distinct (org_id, name, builtin)
);

create table auth.memberships (
    user_id text collate pg_catalog."C" not null check (pg_catalog.octet_length(user_id) between 1 and 1024),
    org_id uuid not null,
    role_id uuid not null,
    suspended boolean not null default false,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    created_by text,
    id uuid not null default pg_catalog.gen_random_uuid(),
    accepted boolean,
    invitation_id uuid,
    primary key (user_id, org_id)
);

create index memberships_org on auth.memberships (org_id);

create index memberships_accepted on auth.memberships (user_id, accepted, created_at);

create table auth.workspace_memberships (
    user_id text collate pg_catalog."C" not null check (pg_catalog.octet_length(user_id) between 1 and 1024),
    workspace_id uuid not null,
    org_id uuid not null,
    role_id uuid not null,
    suspended boolean not null default false,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    created_by text,
    id uuid not null default pg_catalog.gen_random_uuid(),
    accepted boolean,
    membership_id uuid,
    primary key (user_id, workspace_id)
);

create index workspace_memberships_workspace on auth.workspace_memberships (workspace_id);

create index workspace_memberships_accepted on auth.workspace_memberships (user_id, accepted, created_at);

create table auth.invitations (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    org_id uuid not null,
    workspace_id uuid,
    email text
        check (pg_catalog.octet_length(email) <= 320 and email ~ '^[^@[:cntrl:][:space:]]+@[^@[:cntrl:][:space:]]+$'
               and email = pg_catalog.lower(email collate pg_catalog."C")),
    role_id uuid not null,
    token_hash bytea not null unique check (pg_catalog.octet_length(token_hash) = 32),
    created_by text,
    created_at timestamptz not null default pg_catalog.now(),
    expires_at timestamptz not null,
    accepted_at timestamptz,
    accepted_by text,
    revoked_at timestamptz,
    accepted_email text,
    membership_id uuid,
    check ((accepted_at is null) = (accepted_by is null)),
    check (accepted_at is null or revoked_at is null)
);

create index invitations_org on auth.invitations (org_id);

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

create index endings_target on auth.endings (target_id);

create index endings_user on auth.endings (user_id, target_id);

create index endings_org on auth.endings (org_id);

create table auth.creation_rates (
    user_id text collate pg_catalog."C" not null,
    kind text not null check (kind in ('organizations', 'workspaces', 'roles', 'invitations')),
    busy_until timestamptz not null,
    primary key (user_id, kind)
);

create table auth.membership_sources (
    source regclass primary key,
    user_column name not null,
    org_column name not null,
    role_column name,
    created_at timestamptz not null default pg_catalog.now()
);

comment on table auth.organizations is 'The tenants. A user acts in those that have a membership of his.';
comment on column auth.organizations.id is 'Identifies the organization, in tokens and policies too.';
comment on column auth.organizations.slug is 'Short name for addresses, of a to z, 0 to 9 and hyphens, at most 63; NULL: none.';
comment on column auth.organizations.name is 'Name for people: 1 to 200 characters, not only blanks, no control characters.';
comment on column auth.organizations.external_id is 'What another system calls it, 1 to 255 bytes and not a uuid; tokens may use it instead of the id. NULL: nothing.';
comment on column auth.organizations.metadata is 'A JSON object of up to 16384 bytes that means nothing to the library.';
comment on column auth.organizations.created_at is 'When it was created.';
comment on column auth.organizations.disabled_at is 'When it was disabled; NULL while it is not.';
comment on column auth.organizations.revision is 'Raised by every change of the organization, its workspaces, members, roles and invitations; makes a concurrent REPEATABLE READ transaction fail instead of acting on what it was.';
comment on column auth.organizations.created_by is 'The user who created it; NULL: a service or an administrator.';
comment on index auth.organizations_created_by is 'Counts the organizations that a user created.';
comment on table auth.workspaces is 'Parts of an organization with members of their own.';
comment on column auth.workspaces.id is 'Identifies the workspace, in tokens and policies too.';
comment on column auth.workspaces.org_id is 'The organization it is a part of; never changes.';
comment on column auth.workspaces.slug is 'Short name for addresses, unique in the organization, of a to z, 0 to 9 and hyphens, at most 63; NULL: none.';
comment on column auth.workspaces.name is 'Name for people: 1 to 200 characters, not only blanks, no control characters.';
comment on column auth.workspaces.metadata is 'A JSON object of up to 16384 bytes that means nothing to the library.';
comment on column auth.workspaces.created_at is 'When it was created.';
comment on column auth.workspaces.disabled_at is 'When it was disabled; NULL while it is not.';
comment on index auth.organizations_disabled is 'Tells quickly which organizations are disabled, where many have to be asked about.';
comment on index auth.workspaces_org is 'Finds the workspaces of an organization.';
comment on table auth.roles is 'What members may do. A row that is not builtin goes before the builtin one with the same id.';
comment on column auth.roles.id is 'Identifies the role in memberships; the same for a built-in role and the change of it.';
comment on column auth.roles.builtin is 'It came with the extension. Such rows never change and are left out of dumps.';
comment on column auth.roles.org_id is 'The organization that has the role; NULL: every organization.';
comment on column auth.roles.name is 'Of a to z, 0 to 9, hyphens and underscores, begins with a letter, at most 63 bytes.';
comment on column auth.roles.rank is '1 or more and below 1000, which is owner''s alone. Members change only members whose role has a lower rank, and grant only roles of a lower rank.';
comment on column auth.roles.permissions is 'Dotted names; "a.*" covers all below "a.", "*" everything. At most 200, each of up to 100 bytes, without blanks.';
comment on column auth.roles.grantable is 'Names of the roles that its members may grant, at most 1000; NULL: every role of a lower rank.';
comment on column auth.roles.created_at is 'When it was defined.';
comment on column auth.roles.version is 'Another one after every change of the role.';
comment on table auth.memberships is 'Who belongs to which organization, with one role.';
comment on column auth.memberships.user_id is 'The user, as auth.user_id() names him, 1 to 1024 bytes.';
comment on column auth.memberships.org_id is 'The organization.';
comment on column auth.memberships.role_id is 'His role there, of the organization or of every one.';
comment on column auth.memberships.suspended is 'The organization is disabled.';
comment on column auth.memberships.created_at is 'Since when.';
comment on column auth.memberships.created_by is 'The user who made him a member; NULL: a service or an administrator.';
comment on column auth.memberships.id is 'Identifies the membership: whoever is removed and comes back has another one.';
comment on column auth.memberships.accepted is 'The user created the organization, accepted an invitation or confirmed the membership; or a service or an administrator made it. NULL, in rows of 0.1.0 that others made: as created_by says.';
comment on column auth.memberships.invitation_id is 'The invitation that it came by; NULL: none.';
comment on index auth.memberships_accepted is 'Finds the memberships of a user in the order in which they count, where there are too many.';
comment on index auth.memberships_org is 'Finds the members of an organization.';
comment on table auth.workspace_memberships is 'Who belongs to which workspace, with one role. All of them belong to its organization.';
comment on column auth.workspace_memberships.user_id is 'The user, as auth.user_id() names him, 1 to 1024 bytes.';
comment on column auth.workspace_memberships.workspace_id is 'The workspace.';
comment on column auth.workspace_memberships.org_id is 'The organization of the workspace.';
comment on column auth.workspace_memberships.role_id is 'His role there, of the organization or of every one.';
comment on column auth.workspace_memberships.suspended is 'The workspace or its organization is disabled.';
comment on column auth.workspace_memberships.created_at is 'Since when.';
comment on column auth.workspace_memberships.created_by is 'The user who made him a member; NULL: a service or an administrator.';
comment on column auth.workspace_memberships.id is 'Identifies the membership: whoever is removed and comes back has another one.';
comment on column auth.workspace_memberships.accepted is 'As in auth.memberships.';
comment on column auth.workspace_memberships.membership_id is 'The membership of the organization that it is part of and ends with; NULL, in rows of 0.1.0: whichever there is.';
comment on index auth.workspace_memberships_accepted is 'Finds the memberships of a user in the order in which they count, where there are too many.';
comment on index auth.workspace_memberships_workspace is 'Finds the members of a workspace.';
comment on table auth.invitations is 'Who may become a member by showing a token. The token itself is not stored.';
comment on column auth.invitations.id is 'Identifies the invitation, for auth.revoke_invitation().';
comment on column auth.invitations.org_id is 'The organization.';
comment on column auth.invitations.workspace_id is 'The workspace that comes with it; NULL: none.';
comment on column auth.invitations.email is 'The only verified e-mail address that may accept, in small letters (of A to Z), up to 320 bytes; NULL: whoever has the token.';
comment on column auth.invitations.role_id is 'The role it gives.';
comment on column auth.invitations.token_hash is 'SHA-256 of the token.';
comment on column auth.invitations.created_by is 'The user who invites, who must still be allowed to when it is accepted; NULL: a service or an administrator.';
comment on column auth.invitations.created_at is 'When it was created.';
comment on column auth.invitations.expires_at is 'It is worth nothing from this time on.';
comment on column auth.invitations.accepted_at is 'When it was accepted.';
comment on column auth.invitations.accepted_by is 'The user who accepted it.';
comment on column auth.invitations.revoked_at is 'When it was revoked.';
comment on column auth.invitations.accepted_email is 'The verified e-mail address of the user who accepted it, in small letters (of A to Z); NULL: none was known.';
comment on column auth.invitations.membership_id is 'The membership of the user who invites, with which the invitation ends; NULL: a service or an administrator invites, or 0.1.0 made it.';
comment on index auth.invitations_accepted_by is 'Finds the addresses of a user.';
comment on index auth.invitations_open_org is 'Counts the open invitations of an organization.';
comment on index auth.invitations_open_created_by is 'Counts the open invitations of a user.';
comment on index auth.invitations_org is 'Finds the invitations of an organization.';
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
comment on table auth.creation_rates is 'How fast users created what quotas limit, for those who create and delete without end. Not dumped: it is about the last hour.';
comment on column auth.creation_rates.user_id is 'The user who creates.';
comment on column auth.creation_rates.kind is 'Of what: organizations, workspaces, roles, invitations.';
comment on column auth.creation_rates.busy_until is 'Moved on by each creation, by as much of an hour as it takes of what the hour allows; nothing is created that would move it beyond an hour from now.';
comment on table auth.membership_sources is 'Tables of the application that say who belongs to which organization. The library reads them directly: no SQL of their owners runs, and no grant or policy on them is needed or made.';
comment on column auth.membership_sources.source is 'The table, of the application.';
comment on column auth.membership_sources.user_column is 'Its column with the user, as auth.user_id() names him.';
comment on column auth.membership_sources.org_column is 'Its column with the organization: id or external_id.';
comment on column auth.membership_sources.role_column is 'Its column with the name of the role; NULL: it has none.';
comment on column auth.membership_sources.created_at is 'When it was registered.';

alter table auth.organizations enable row level security;
alter table auth.workspaces enable row level security;
alter table auth.roles enable row level security;
alter table auth.memberships enable row level security;
alter table auth.workspace_memberships enable row level security;
alter table auth.invitations enable row level security;
alter table auth.creation_rates enable row level security;
alter table auth.membership_sources enable row level security;
alter table auth.endings enable row level security;

insert into auth.roles (id, version, builtin, name, rank, permissions, grantable) values
    ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', true, 'owner', 1000, '{*}', null),
    ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000002', true, 'admin', 800, '{*}', null),
    ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000003', true, 'member', 400,
     '{organization.read,members.read,workspaces.read,roles.read}', '{}'),
    ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000004', true, 'viewer', 200,
     '{organization.read,members.read,workspaces.read,roles.read}', '{}');
select pg_catalog.pg_extension_config_dump('auth.organizations'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.workspaces'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.roles'::pg_catalog.regclass, 'where not builtin');
select pg_catalog.pg_extension_config_dump('auth.memberships'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.workspace_memberships'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.invitations'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.endings'::pg_catalog.regclass, '');
-- Not a table that is gone: its number could be another's where the dump is restored.
select pg_catalog.pg_extension_config_dump('auth.membership_sources'::pg_catalog.regclass,
    'where exists (select from pg_catalog.pg_class c where c.oid = source)');

-- What tickets (auth.issue_ticket) are sealed with.

-- Made here and never dumped: a restored database has one of its own. A copy within a server has the same one, but another
-- number, to which tickets are bound.
create table auth.ticket_secret (
    single boolean primary key default true check (single),
    secret bytea not null check (pg_catalog.octet_length(secret) >= 32)
);

comment on table auth.ticket_secret is 'What the tickets of this database are sealed with, and its refresh tokens are marked with. Never dumped: each database makes its own.';
comment on column auth.ticket_secret.single is 'True, so that there is one row at most.';
comment on column auth.ticket_secret.secret is 'The secret, 32 bytes or more. Whoever reads it can make tickets, which are good where the library is not in shared_preload_libraries.';
alter table auth.ticket_secret enable row level security;

-- 488 random bits of Postgres's strong source.
insert into auth.ticket_secret (secret)
select pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(pg_catalog.gen_random_uuid()::pg_catalog.text, ''), 'UTF8'))
  from pg_catalog.generate_series(1, 4);

-- Tokens that this database made, and what ends tokens of any issuer before they expire.
-- As in tenancy.sql: nobody has a grant, the functions alone write, and there is one constraint for each column.
-- Rows are only added, and deleted when they have expired: nobody waits for anybody.

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

-- When API keys were used, and how often. A server that has pg_bearer in shared_preload_libraries counts in
-- shared memory, and a background worker calls auth_internal.record_api_key_uses(); elsewhere applications may call
-- auth.touch_api_key().

-- Apart from the keys, so that noting a use never touches what authenticate reads.
create table auth.api_key_uses (
    key_id uuid primary key,
    last_used_at timestamptz
) with (fillfactor = 50);

create table auth.api_key_usage (
    key_id uuid not null,
    day date not null,
    uses bigint not null,
    primary key (key_id, day)
);

comment on table auth.api_key_uses is 'When each API key was used last. Written often: nothing that a use of a key depends on is in it.';
comment on column auth.api_key_uses.key_id is 'The key, in auth.api_keys.';
comment on column auth.api_key_uses.last_used_at is 'The last use that was recorded; NULL before the first. Some seconds behind, or a minute with auth.touch_api_key().';
comment on table auth.api_key_usage is 'How often each API key was used on each day, where uses are counted.';
comment on column auth.api_key_usage.key_id is 'The key, in auth.api_keys.';
comment on column auth.api_key_usage.day is 'The day in UTC on which the uses were counted; around midnight, some seconds'' uses may be the next day''s.';
comment on column auth.api_key_usage.uses is 'How often. Refused requests do not count.';
alter table auth.api_key_uses enable row level security;
alter table auth.api_key_usage enable row level security;
select pg_catalog.pg_extension_config_dump('auth.api_key_uses'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.api_key_usage'::pg_catalog.regclass, '');

-- Users who sign in here, their passwords, and what was decided about users of any issuer.
-- auth.users belongs to a role of its own, bearer_users, which can do nothing else: triggers on it are other people's code, and
-- run with the rights of whoever writes it. All else is as in tenancy.sql.

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

-- ASCII alone is folded, whatever the collation of the database and its version.
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

create function auth."aal"() RETURNS TEXT /* Option < & '_ str > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'aal_wrapper';

create function auth."act_as"(
    "identity" jsonb /* Option < JsonbArgument > */
) RETURNS jsonb /* Result < Option < JsonbValue > , ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'act_as_wrapper';

create function auth."allow_changes"() RETURNS VOID /* Result < (), ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'allow_changes_wrapper';

create function auth."allows_table"(
    "source" oid /* pg_sys :: Oid */
) RETURNS bool /* Option < bool > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'allows_table_wrapper';

create function auth."amr"() RETURNS TEXT[] /* :: std :: option :: Option < Vec < String > > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'amr_wrapper';

create function auth."api_key_id"() RETURNS uuid /* Option < pgrx :: Uuid > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'api_key_id_wrapper';

create function auth."authenticate"(
    "credential" TEXT /* Option < CredentialText > */
) RETURNS jsonb /* Result < Option < JsonbValue > , ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'authenticate_wrapper';

create function auth."check_api_key"(
    "key" TEXT /* Option < CredentialText > */
) RETURNS TABLE (
    "valid" bool,  /* bool */
    "key_id" uuid,  /* Option < pgrx :: Uuid > */
    "org_id" uuid,  /* Option < pgrx :: Uuid > */
    "environment" TEXT,  /* Option < String > */
    "scopes" TEXT[]  /* :: std :: option :: Option < Vec < String > > */
)
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'check_api_key_wrapper';

create function auth."check_jwt"(
    "token" TEXT /* Option < CredentialText > */
) RETURNS TABLE (
    "valid" bool,  /* bool */
    "reason" TEXT,  /* Option < String > */
    "header" jsonb,  /* Option < JsonbText > */
    "claims" jsonb  /* Option < JsonbText > */
)
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'check_jwt_wrapper';

create function auth."claim"(
    "name" TEXT /* & str */
) RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'claim_wrapper';

create function auth."email"() RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'email_wrapper';

create function auth."email_verified"() RETURNS bool /* Option < bool > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'email_verified_wrapper';

create function auth."explain_credential"(
    "credential" TEXT, /* Option < CredentialText > */
    "client_address" TEXT DEFAULT NULL, /* Option < & str > */
    "origin" TEXT DEFAULT NULL, /* Option < & str > */
    "endpoint" TEXT DEFAULT NULL /* Option < & str > */
) RETURNS TABLE (
    "kind" TEXT,  /* String */
    "valid" bool,  /* bool */
    "reason" TEXT,  /* Option < String > */
    "since" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
    "key_id" uuid,  /* Option < pgrx :: Uuid > */
    "key_name" TEXT,  /* Option < String > */
    "org_id" uuid,  /* Option < pgrx :: Uuid > */
    "environment" TEXT  /* Option < String > */
)
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'explain_credential_wrapper';

create function auth."has_permission"(
    "permission" TEXT /* & str */
) RETURNS bool /* Option < bool > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'has_permission_wrapper';

create function auth."has_permission_in"(
    "permission" TEXT, /* & str */
    "org_id" uuid /* pgrx :: Uuid */
) RETURNS bool /* Option < bool > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'has_permission_in_wrapper';

create function auth."has_scope"(
    "scope" TEXT /* & str */
) RETURNS bool /* Option < bool > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'has_scope_wrapper';

create function auth."identity"() RETURNS jsonb /* Option < JsonbValue > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'show_identity_wrapper';

create function auth."is_authenticated"() RETURNS bool /* bool */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_authenticated_wrapper';

create function auth."is_service_role"() RETURNS bool /* bool */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_service_role_wrapper';

create function auth."issue_ticket"(
    "ttl" interval DEFAULT '30 seconds' /* Option < Interval > */
) RETURNS TEXT /* Result < String, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'issue_ticket_wrapper';

create function auth."jwt"() RETURNS jsonb /* Option < JsonbText > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'jwt_wrapper';

create function auth."org_ids_with"(
    "permission" TEXT /* & str */
) RETURNS uuid[] /* Vec < pgrx :: Uuid > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'org_ids_with_wrapper';

create function auth."org_role"() RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'org_role_wrapper';

create function auth."require_aal"(
    "level" TEXT /* Option < & str > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'require_aal_wrapper';

create function auth."require_authenticated"() RETURNS bool /* Result < bool, ErrorReport > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'require_authenticated_wrapper';

create function auth."require_org"(
    "org_id" uuid /* Option < pgrx :: Uuid > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'require_org_wrapper';

create function auth."require_permission"(
    "permission" TEXT /* Option < & str > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'require_permission_wrapper';

create function auth."role"() RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'role_wrapper';

create function auth."session_id"() RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'session_id_wrapper';

create function auth."set_org"(
    "org_id" uuid /* Option < pgrx :: Uuid > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'set_org_wrapper';

create function auth."sign_out"() RETURNS VOID /* Result < (), ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sign_out_wrapper';

create function auth."signed_in_within"(
    "period" interval /* Interval */
) RETURNS bool /* Option < bool > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'signed_in_within_wrapper';

create function auth."verify_jwt"(
    "token" TEXT, /* Option < CredentialText > */
    "issuer" TEXT DEFAULT NULL, /* Option < & str > */
    "audience" TEXT DEFAULT NULL /* Option < & str > */
) RETURNS jsonb /* Result < JsonbText, ErrorReport > */
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'verify_jwt_wrapper';

create function auth."workspace_role"() RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'workspace_role_wrapper';

create function auth_internal."answers_for"(
    "as_role" oid, /* pg_sys :: Oid */
    "written_by" oid, /* pg_sys :: Oid */
    "credential" TEXT, /* Option < CredentialText > */
    "identity" jsonb, /* Option < JsonbArgument > */
    "queries" TEXT[], /* Vec < Option < String > > */
    "search_path" TEXT /* Option < & str > */
) RETURNS TABLE (
    "query" INT,  /* i32 */
    "value" TEXT,  /* Option < String > */
    "state" TEXT,  /* Option < String > */
    "failure" TEXT  /* Option < String > */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'answers_for_wrapper';

create function auth_internal."call_hook"(
    "function" oid, /* Option < pg_sys :: Oid > */
    "argument" jsonb /* Option < JsonbArgument > */
) RETURNS jsonb /* Result < Option < JsonbText > , ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'call_hook_wrapper';

create function auth_internal."calls_in"(
    "tree" TEXT, /* Option < & str > */
    "source" oid /* pg_sys :: Oid */
) RETURNS TABLE (
    "call" TEXT,  /* String */
    "called" TEXT,  /* String */
    "arguments" TEXT[],  /* Vec < String > */
    "uses_columns" bool  /* bool */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'calls_in_wrapper';

create function auth_internal."check_jwt_secret"(
    "secret" bytea, /* & [u8] */
    "alg" TEXT /* & str */
) RETURNS VOID /* Result < (), ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'check_jwt_secret_wrapper';

create function auth_internal."client_network"() RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'client_network_wrapper';

create function auth_internal."command_changes"(
    "command" pg_ddl_command /* Option < DdlCommand > */
) RETURNS TEXT[] /* Vec < String > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'command_changes_wrapper';

create function auth_internal."common_permissions"(
    "one" TEXT[], /* Vec < Option < String > > */
    "other" TEXT[] /* Vec < Option < String > > */
) RETURNS TEXT[] /* Vec < String > */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'common_permissions_wrapper';

create function auth_internal."counted_organizations"(
    "user_id" TEXT /* & str */
) RETURNS uuid[] /* Result < Vec < pgrx :: Uuid > , ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'counted_organizations_wrapper';

create function auth_internal."counted_workspaces"(
    "user_id" TEXT /* & str */
) RETURNS uuid[] /* Result < Vec < pgrx :: Uuid > , ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'counted_workspaces_wrapper';

create function auth_internal."counts_api_key_uses"() RETURNS bool /* bool */
STRICT STABLE PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'counts_api_key_uses_wrapper';

create function auth_internal."current_hook"(
    "name" TEXT /* & str */
) RETURNS jsonb /* Result < Option < JsonbText > , ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'current_hook_wrapper';

create function auth_internal."demand_accepted"(
    "token" TEXT, /* CredentialText */
    "user_id" TEXT, /* Option < & str > */
    "session_id" uuid /* Option < pgrx :: Uuid > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'demand_accepted_wrapper';

create function auth_internal."demand_environment"(
    "environment" TEXT /* Option < & str > */
) RETURNS VOID /* Result < (), ErrorReport > */
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'demand_environment_wrapper';

create function auth_internal."demand_handing_on"(
    "org_id" uuid, /* Option < pgrx :: Uuid > */
    "environment" TEXT /* Option < & str > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'demand_handing_on_wrapper';

create function auth_internal."demand_hook_owner"(
    "function" oid /* pg_sys :: Oid */
) RETURNS VOID /* Result < (), ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'demand_hook_owner_wrapper';

create function auth_internal."described_identity"(
    "credential" TEXT, /* Option < CredentialText > */
    "identity" jsonb /* Option < JsonbArgument > */
) RETURNS TABLE (
    "refusal" TEXT,  /* Option < String > */
    "shown" jsonb  /* Option < JsonbText > */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'described_identity_wrapper';

create function auth_internal."generate_api_key"(
    "prefix" TEXT, /* & str */
    "environment" TEXT /* & str */
) RETURNS TABLE (
    "key" TEXT,  /* String */
    "prefix" TEXT,  /* String */
    "public_id" TEXT,  /* String */
    "last4" TEXT,  /* String */
    "key_hash" bytea  /* Vec < u8 > */
)
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'generate_api_key_wrapper';

create function auth_internal."generate_signing_key"(
    "alg" TEXT, /* & str */
    "kid" TEXT /* & str */
) RETURNS TABLE (
    "material" bytea,  /* Vec < u8 > */
    "public_jwk" TEXT,  /* Option < String > */
    "thumbprint" bytea  /* :: std :: option :: Option < Vec < u8 > > */
)
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'generate_signing_key_wrapper';

create function auth_internal."grant_obstacle"(
    "user_id" TEXT, /* & str */
    "giver" TEXT, /* & str */
    "in_workspaces" bool /* bool */
) RETURNS TEXT /* Result < Option < String > , ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'grant_obstacle_wrapper';

create function auth_internal."guard_is_off"() RETURNS bool /* bool */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'guard_is_off_wrapper';

create function auth_internal."has_rights_of"(
    "role" oid /* pg_sys :: Oid */
) RETURNS bool /* bool */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'has_rights_of_wrapper';

create function auth_internal."hash_password"(
    "password" TEXT /* Option < CredentialText > */
) RETURNS TEXT /* Result < String, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'hash_password_wrapper';

create function auth_internal."in_hook"() RETURNS bool /* bool */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'in_hook_wrapper';

create function auth_internal."is_administrator"() RETURNS bool /* bool */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_administrator_wrapper';

create function auth_internal."is_allowed_environment"(
    "environment" TEXT /* & str */
) RETURNS bool /* bool */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_allowed_environment_wrapper';

create function auth_internal."is_api_key_revoked"(
    "key_id" uuid /* pgrx :: Uuid */
) RETURNS bool /* Result < bool, ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_api_key_revoked_wrapper';

create function auth_internal."is_as_seen"(
    "org_id" uuid, /* Option < pgrx :: Uuid > */
    "user_id" TEXT /* Option < & str > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_as_seen_wrapper';

create function auth_internal."is_banned"(
    "user_id" TEXT /* & str */
) RETURNS bool /* Result < bool, ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_banned_wrapper';

create function auth_internal."is_lock_free"(
    "what" TEXT, /* & str */
    "id" uuid /* pgrx :: Uuid */
) RETURNS bool /* bool */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_lock_free_wrapper';

create function auth_internal."is_migrating"(
    "source" oid /* pg_sys :: Oid */
) RETURNS bool /* bool */
STRICT STABLE PARALLEL RESTRICTED
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_migrating_wrapper';

create function auth_internal."is_password_hash"(
    "hash" TEXT /* CredentialText */
) RETURNS bool /* bool */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_password_hash_wrapper';

create function auth_internal."is_strict_object"(
    "object" jsonb /* JsonbArgument */
) RETURNS bool /* bool */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'is_strict_object_wrapper';

create function auth_internal."issuer_reaches"(
    "org_id" uuid /* Option < pgrx :: Uuid > */
) RETURNS bool /* Result < bool, ErrorReport > */
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'issuer_reaches_wrapper';

create function auth_internal."looks_like_token"(
    "text" TEXT /* CredentialText */
) RETURNS bool /* bool */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'looks_like_token_wrapper';

create function auth_internal."may_run_as"(
    "as_role" oid /* pg_sys :: Oid */
) RETURNS bool /* Result < bool, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'may_run_as_wrapper';

create function auth_internal."member_permissions"(
    "user_id" TEXT, /* & str */
    "org_id" uuid /* pgrx :: Uuid */
) RETURNS TEXT[] /* Result < :: std :: option :: Option < Vec < String > > , ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'member_permissions_wrapper';

create function auth_internal."new_refresh_token"(
    "session_id" uuid, /* pgrx :: Uuid */
    "generation" INT /* i32 */
) RETURNS TEXT /* Result < String, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'new_refresh_token_wrapper';

create function auth_internal."newest_password"(
    "user_id" uuid /* pgrx :: Uuid */
) RETURNS uuid /* Result < Option < pgrx :: Uuid > , ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'newest_password_wrapper';

create function auth_internal."note_reuse"(
    "session_id" uuid /* pgrx :: Uuid */
) RETURNS void
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'note_reuse_wrapper';

create function auth_internal."open_refresh_token"(
    "presented" TEXT, /* CredentialText */
    "sealed" bytea /* & [u8] */
) RETURNS TEXT /* Option < String > */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'open_refresh_token_wrapper';

create function auth_internal."origin_of_identity"() RETURNS TABLE (
    "issuer" TEXT,  /* String */
    "user_id" TEXT,  /* Option < String > */
    "subject" TEXT,  /* Option < String > */
    "session" TEXT,  /* Option < String > */
    "token" TEXT,  /* Option < String > */
    "digest" TEXT,  /* Option < String > */
    "issued_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
    "expires_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
    "key_id" uuid,  /* Option < pgrx :: Uuid > */
    "minted_id" uuid  /* Option < pgrx :: Uuid > */
)
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'origin_of_identity_wrapper';

create function auth_internal."other_owners"(
    "org_id" uuid, /* pgrx :: Uuid */
    "user_id" TEXT, /* & str */
    "owner_role" uuid /* pgrx :: Uuid */
) RETURNS uuid[] /* Result < Vec < pgrx :: Uuid > , ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'other_owners_wrapper';

create function auth_internal."outer_user_name"() RETURNS TEXT /* String */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'outer_user_name_wrapper';

create function auth_internal."owns_table"(
    "source" oid /* pg_sys :: Oid */
) RETURNS bool /* bool */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'owns_table_wrapper';

create function auth_internal."parse_jwks"(
    "jwks" TEXT, /* & str */
    "rsa_algorithm" TEXT /* & str */
) RETURNS TABLE (
    "kid" TEXT,  /* Option < String > */
    "alg" TEXT,  /* String */
    "public_jwk" TEXT,  /* String */
    "thumbprint" bytea  /* Vec < u8 > */
)
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'parse_jwks_wrapper';

create function auth_internal."parse_jwt_key"(
    "key" TEXT, /* Option < & str > */
    "alg" TEXT, /* Option < & str > */
    "kid" TEXT /* Option < & str > */
) RETURNS TABLE (
    "kid" TEXT,  /* Option < String > */
    "alg" TEXT,  /* String */
    "public_jwk" TEXT,  /* String */
    "thumbprint" bytea  /* Vec < u8 > */
)
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'parse_jwt_key_wrapper';

create function auth_internal."parse_refresh_token"(
    "token" TEXT /* Option < CredentialText > */
) RETURNS TABLE (
    "session_id" uuid,  /* pgrx :: Uuid */
    "generation" INT,  /* i32 */
    "is_ours" bool  /* bool */
)
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'parse_refresh_token_wrapper';

create function auth_internal."password_needs_rehash"(
    "password" TEXT, /* Option < CredentialText > */
    "hash" TEXT /* Option < CredentialText > */
) RETURNS bool /* bool */
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'password_needs_rehash_wrapper';

create function auth_internal."permission_covers"(
    "granted" TEXT[], /* Vec < Option < String > > */
    "wanted" TEXT /* & str */
) RETURNS bool /* bool */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'permission_covers_wrapper';

create function auth_internal."protect_as_owner"(
    "source" oid, /* pg_sys :: Oid */
    "settings" jsonb /* JsonbArgument */
) RETURNS bool /* bool */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'protect_as_owner_wrapper';

create function auth_internal."random_token"() RETURNS TEXT /* Result < String, ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'random_token_wrapper';

create function auth_internal."read_users"(
    "function" TEXT, /* & str */
    "described" jsonb /* JsonbArgument */
) RETURNS jsonb /* Result < Option < JsonbText > , ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'read_users_wrapper';

create function auth_internal."refuse"(
    "code" TEXT, /* Option < & str > */
    "message" TEXT, /* Option < String > */
    "hint" TEXT /* Option < String > */
) RETURNS VOID /* Result < (), ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'refuse_wrapper';

create function auth_internal."refuse_restricted_operation"() RETURNS VOID /* Result < (), ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'refuse_restricted_operation_wrapper';

create function auth_internal."require_administrator"() RETURNS VOID /* Result < (), ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'require_administrator_wrapper';

create function auth_internal."revocable_token"(
    "token" TEXT /* Option < CredentialText > */
) RETURNS TABLE (
    "issuer" TEXT,  /* String */
    "user_id" TEXT,  /* Option < String > */
    "subject" TEXT,  /* Option < String > */
    "session" TEXT,  /* Option < String > */
    "token" TEXT,  /* Option < String > */
    "digest" TEXT,  /* Option < String > */
    "issued_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
    "expires_at" timestamp with time zone,  /* Option < TimestampWithTimeZone > */
    "key_id" uuid,  /* Option < pgrx :: Uuid > */
    "minted_id" uuid  /* Option < pgrx :: Uuid > */
)
STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'revocable_token_wrapper';

create function auth_internal."run_protection"(
    "source" oid, /* pg_sys :: Oid */
    "settings" jsonb /* JsonbArgument */
) RETURNS bool /* bool */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'run_protection_wrapper';

create function auth_internal."run_unprotection"(
    "source" oid /* pg_sys :: Oid */
) RETURNS bool /* bool */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'run_unprotection_wrapper';

create function auth_internal."seal_refresh_token"(
    "presented" TEXT, /* CredentialText */
    "next" TEXT /* & str */
) RETURNS bytea /* :: std :: option :: Option < Vec < u8 > > */
IMMUTABLE STRICT PARALLEL SAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'seal_refresh_token_wrapper';

create function auth_internal."session_holds"(
    "session_id" uuid, /* pgrx :: Uuid */
    "user_id" TEXT /* & str */
) RETURNS bool /* Result < bool, ErrorReport > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'session_holds_wrapper';

create function auth_internal."sign_jwt"(
    "key_id" uuid, /* pgrx :: Uuid */
    "alg" TEXT, /* & str */
    "payload" TEXT, /* & str */
    "subject" TEXT, /* Option < & str > */
    "token_id" uuid, /* pgrx :: Uuid */
    "expires_at" timestamp with time zone /* TimestampWithTimeZone */
) RETURNS TEXT /* Result < String, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'sign_jwt_wrapper';

create function auth_internal."stated_address"() RETURNS TEXT /* Option < String > */
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'stated_address_wrapper';

create function auth_internal."stored_rows"(
    "source" oid, /* pg_sys :: Oid */
    "tables" oid[], /* Vec < pg_sys :: Oid > */
    "key" jsonb, /* Option < JsonbArgument > */
    "by_column" TEXT, /* Option < & str > */
    "most" INT /* i32 */
) RETURNS TABLE (
    "value" TEXT,  /* Option < String > */
    "row_values" jsonb  /* JsonbText */
)
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'stored_rows_wrapper';

create function auth_internal."take_lock"(
    "what" TEXT, /* & str */
    "id" uuid, /* pgrx :: Uuid */
    "alone" bool, /* bool */
    "wait" bool /* bool */
) RETURNS bool /* bool */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'take_lock_wrapper';

create function auth_internal."take_try"(
    "kind" TEXT, /* Option < & str > */
    "value" TEXT, /* Option < & str > */
    "most" INT, /* Option < i32 > */
    "period" interval /* Option < Interval > */
) RETURNS INT /* Result < Option < i32 > , ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'take_try_wrapper';

create function auth_internal."verify_password"(
    "password" TEXT, /* Option < CredentialText > */
    "hash" TEXT /* Option < CredentialText > */
) RETURNS bool /* Result < bool, ErrorReport > */
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'verify_password_wrapper';

create function auth_internal."wait_for_answer"(
    "started" timestamp with time zone /* Option < TimestampWithTimeZone > */
) RETURNS void
VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'wait_for_answer_wrapper';

create function auth_internal."write_user"(
    "function" TEXT, /* & str */
    "described" jsonb /* JsonbArgument */
) RETURNS jsonb /* Result < Option < JsonbText > , ErrorReport > */
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'write_user_wrapper';

-- Creating, importing, changing, rotating and revoking API keys. The key itself is shown once.

-- The key that the arguments of a creating function describe, before anything is decided about it.
create function auth_internal.described_key(
    kind text, name text, org_id uuid, environment text, scopes text[], workspace_id uuid, expires_at timestamptz,
    allowed_cidrs cidr[], allowed_origins text[], allowed_endpoints text[], allowed_tables regclass[],
    rate_limit integer, rate_period interval, metadata jsonb, role text, user_id text
) returns auth.api_keys
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    -- All NULL. As a record, because linters take the fields of other types for unknown variables.
    described record := jsonb_populate_record(null::auth.api_keys, '{}');
    parent record := described;
begin
    if role is not null and user_id is not null then
        perform auth_internal.refuse_key_argument('role', 'A key is either a user''s or has a role of its own.');
    end if;
    if auth.api_key_id() is not null and (kind = 'service' or not auth_internal.is_unrestricted()) then
        parent := auth_internal.own_api_key(auth.api_key_id());
    end if;
    described.id := gen_random_uuid();
    described.kind := kind;
    described.name := name;
    described.org_id := org_id;
    described.environment := coalesce(environment, auth.environment(), 'live');
    -- What a key that makes a key does not narrow, it hands on, and so does a token with scopes.
    described.scopes := coalesce(scopes, parent.scopes,
        case when auth_internal.token_scopes() is not null then auth_internal.acting_permissions(org_id) end);
    described.workspace_id := coalesce(workspace_id, parent.workspace_id);
    described.expires_at := auth_internal.api_key_end(coalesce(expires_at, parent.expires_at), clock_timestamp());
    described.allowed_cidrs := coalesce(allowed_cidrs::text[], parent.allowed_cidrs);
    described.allowed_origins := coalesce(allowed_origins, parent.allowed_origins);
    described.allowed_endpoints := coalesce(allowed_endpoints, parent.allowed_endpoints);
    described.allowed_tables := coalesce(auth_internal.table_names(allowed_tables), parent.allowed_tables);
    described.rate_limit := coalesce(rate_limit, parent.rate_limit);
    described.rate_period := coalesce(rate_period, parent.rate_period, '1 minute');
    described.metadata := coalesce(metadata, '{}');
    described.created_at := clock_timestamp();
    described.created_by := auth_internal.acting_user();
    described.created_by_key := auth.api_key_id();
    if described.kind <> 'secret' then
        if role is not null or user_id is not null then
            perform auth_internal.refuse_key_argument('role', 'Publishable and service keys have neither a role nor a user.');
        end if;
    elsif role is not null or user_id is null and auth_internal.is_unrestricted() then
        described.role_id := (auth_internal.granted_role(org_id, coalesce(role, 'admin'))).id;
    elsif parent.id is not null then
        described.user_id := coalesce(user_id, parent.user_id);
        described.role_id := parent.role_id;
    else
        described.user_id := coalesce(user_id, auth.user_id());
    end if;
    return described;
end
$$;
comment on function auth_internal.described_key is 'The row of the key that these arguments describe.';

-- Stores a key that was decided about.
create function auth_internal.insert_api_key(new_key auth.api_keys) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    violated text;
begin
    insert into auth.api_keys select (new_key).*;
    insert into auth.api_key_uses (key_id) values (new_key.id);
    perform auth_internal.commit_durably();
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on((new_key).org_id, (new_key).environment);
exception
    when unique_violation then
        raise unique_violation using message = 'this key is known already';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('api_keys', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('api_keys', violated);
end
$$;
comment on function auth_internal.insert_api_key is 'Stores a key; 22023 for a value that is not allowed, 23505 for a key that is known.';

-- How new keys of this kind begin in this organization.
create function auth_internal.key_prefix(kind text, org_id uuid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case kind when 'publishable' then 'pk' when 'service' then 'service'
                else coalesce((select s.key_prefix from auth.api_key_settings s where s.org_id = key_prefix.org_id),
                              current_setting('pg_bearer.api_key_prefix', true)) end
$$;
comment on function auth_internal.key_prefix is 'How new keys of this kind begin in this organization.';

-- Gives the key a text of its own, which is the only place where that is ever seen.
create function auth_internal.issue_key(described auth.api_keys) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    issued record := described;
    made record;
begin
    select * into strict made
      from auth_internal.generate_api_key(auth_internal.key_prefix(issued.kind, issued.org_id), issued.environment);
    issued.key_hash := made.key_hash;
    issued.prefix := made.prefix;
    issued.public_id := made.public_id;
    issued.last4 := made.last4;
    perform auth_internal.insert_api_key(issued);
    return made.key;
end
$$;
comment on function auth_internal.issue_key is 'Makes the text of a key and stores the key.';

-- Apart from auth.create_api_key() because PL/pgSQL cannot return a column that is called like an argument.
create function auth_internal.make_api_key(
    kind text, name text, org_id uuid, environment text, scopes text[], workspace_id uuid, expires_at timestamptz,
    allowed_cidrs cidr[], allowed_origins text[], allowed_endpoints text[], allowed_tables regclass[],
    rate_limit integer, rate_period interval, metadata jsonb, role text, user_id text
) returns table (new_id uuid, new_name text, new_key text)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := coalesce(org_id, auth.current_org());
    held text[];
    described record;
begin
    if not auth_internal.is_unrestricted() then
        perform auth_internal.demand_key_creation();
    elsif kind = 'secret' and its_org is null then
        perform auth_internal.refuse_key_argument('org_id', 'A secret key acts in an organization.');
    end if;
    held := auth_internal.enter_api_keys(its_org, coalesce(environment, auth.environment()));
    described := auth_internal.described_key(kind, name, its_org, environment, scopes, workspace_id, expires_at,
        allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, rate_limit, rate_period, metadata,
        role, user_id);
    perform auth_internal.demand_valid_key(described);
    perform auth_internal.demand_own_width(described, held);
    new_key := auth_internal.issue_key(described);
    perform auth_internal.demand_quota(its_org, 'new');
    perform auth_internal.audit_key('api_key.create', described);
    new_id := described.id;
    new_name := described.name;
    return next;
end
$$;
comment on function auth_internal.make_api_key is 'What auth.create_api_key() does.';

create function auth.create_api_key(
    name text, org_id uuid default null, environment text default null, scopes text[] default null,
    workspace_id uuid default null, expires_at timestamptz default null, allowed_cidrs cidr[] default null,
    allowed_origins text[] default null, allowed_endpoints text[] default null,
    allowed_tables regclass[] default null, metadata jsonb default null, role text default null,
    user_id text default null, kind text default 'secret', rate_limit integer default null,
    rate_period interval default null
) returns table (id uuid, name text, key text)
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.make_api_key(create_api_key.kind, create_api_key.name, create_api_key.org_id,
        create_api_key.environment, create_api_key.scopes, create_api_key.workspace_id, create_api_key.expires_at,
        create_api_key.allowed_cidrs, create_api_key.allowed_origins, create_api_key.allowed_endpoints,
        create_api_key.allowed_tables, create_api_key.rate_limit, create_api_key.rate_period,
        create_api_key.metadata, create_api_key.role, create_api_key.user_id)
$$;
comment on function auth.create_api_key is
    'With api_keys.write, where pg_bearer.api_key_creation lets the caller: creates an API key and returns its id, name and text, which is never shown again. org_id NULL is the current organization. The key acts as the user who creates it or, with role, as nobody; services and administrators may name a user_id, or else the role is admin. kind publishable and service: services and administrators only. The columns of auth.api_keys explain the arguments; environment NULL is that of the caller, or live. 42501 for what goes beyond the caller, 22023 for a value that is not allowed, 54000 beyond the quota, 0A000 for a rate limit without shared_preload_libraries, 28000 without an identity.';

create function auth.import_api_key(
    name text, hash text, org_id uuid, environment text default null, scopes text[] default null,
    workspace_id uuid default null, expires_at timestamptz default null, allowed_cidrs cidr[] default null,
    allowed_origins text[] default null, allowed_endpoints text[] default null,
    allowed_tables regclass[] default null, metadata jsonb default null, role text default null,
    user_id text default null, rate_limit integer default null, rate_period interval default null,
    prefix text default null, last4 text default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    described record;
begin
    perform auth_internal.demand_unrestricted();
    if org_id is null then
        perform auth_internal.refuse_key_argument('org_id', 'A secret key acts in an organization.');
    end if;
    perform auth_internal.enter_api_keys(org_id, coalesce(environment, auth.environment()));
    described := auth_internal.described_key('secret', name, org_id, environment, scopes, workspace_id, expires_at,
        allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, rate_limit, rate_period, metadata,
        role, user_id);
    described.key_hash := auth_internal.decode_key_hash(hash);
    described.prefix := prefix;
    described.last4 := last4;
    perform auth_internal.demand_valid_key(described);
    perform auth_internal.demand_own_width(described, '{*}');
    perform auth_internal.insert_api_key(described);
    perform auth_internal.demand_quota(org_id, 'new');
    perform auth_internal.audit_key('api_key.import', described);
    return described.id;
end
$$;
comment on function auth.import_api_key is
    'Services and administrators: makes a key that was issued elsewhere valid here and returns its id. hash is the SHA-256 of the whole key, as 64 hexadecimal digits or base64; the key has 1 to 512 printable ASCII characters without blanks, and not exactly two dots. prefix and last4 are for people. The rest as for auth.create_api_key(). 23505 for a key that is known, 22023 for a value that is not allowed, 54000 beyond the quota, 0A000 for a rate limit without shared_preload_libraries, 42501 for anybody else and for an organization that is unknown, 28000 without an identity.';

-- A key that the caller may know of; one error for what is not there and what is somebody else's.
create function auth_internal.own_api_key(key_id uuid) returns auth.api_keys
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    found_key auth.api_keys;
begin
    select * into found_key from auth.api_keys k where k.id = own_api_key.key_id;
    if found_key.id is null or auth.environment() = 'test' and found_key.environment <> 'test'
       or not unrestricted and (found_key.kind <> 'secret' or auth.is_member(found_key.org_id) is not true
                                or auth_internal.acting_permissions(found_key.org_id) is null) then
        perform auth_internal.refuse_target('API key');
    end if;
    return found_key;
end
$$;
comment on function auth_internal.own_api_key is 'A key that the caller may know of; 42501 for any other and NULL, 28000 for nobody.';

-- As auth_internal.own_api_key(), with the organization and the key locked for a change.
create function auth_internal.lock_api_key(key_id uuid) returns auth.api_keys
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found_key auth.api_keys := auth_internal.own_api_key(key_id);
begin
    perform auth_internal.refuse_lesser_token();
    perform auth_internal.lock_organization(found_key.org_id);
    perform from auth.api_keys k where k.id = lock_api_key.key_id for update;
    found_key := auth_internal.own_api_key(key_id);
    perform auth_internal.demand_not_ended(key_id);
    return found_key;
end
$$;
comment on function auth_internal.lock_api_key is 'As auth_internal.own_api_key(), locked together with its organization; 22023 for a revoked one.';

create function auth_internal.demand_not_ended(key_id uuid) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_api_key_revoked(key_id) then
        raise invalid_parameter_value using message = 'the API key is revoked';
    end if;
end
$$;
comment on function auth_internal.demand_not_ended is '22023 for a key that was revoked, also since this transaction began.';

create function auth.rotate_api_key(key_id uuid, grace interval default '0')
    returns table (id uuid, name text, key text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old record := auth_internal.lock_api_key(key_id);
    new record := old;
    now timestamptz := clock_timestamp();
begin
    if (grace between '0' and '90 days') is not true then
        perform auth_internal.refuse_key_argument('grace', 'It is from 0 to 90 days.');
    elsif old.replaced_by is not null or old.expires_at <= now then
        raise invalid_parameter_value using
            message = 'the API key has expired or was rotated before', hint = 'Create a new one.';
    end if;
    if not auth_internal.is_unrestricted() then
        perform auth_internal.demand_key_creation();
        if auth.api_key_id() <> key_id then
            perform auth_internal.refuse_api_key();
        end if;
    end if;
    new.id := gen_random_uuid();
    new.created_at := now;
    new.created_by := auth_internal.acting_user();
    new.created_by_key := auth.api_key_id();
    -- As long as the old one was to live, but an API key does not outlive itself.
    new.expires_at := auth_internal.api_key_end(least(auth_internal.latest_key_end(now),
        case when auth.api_key_id() = key_id then old.expires_at
             when old.expires_at is not null
             then least(now + (old.expires_at - old.created_at), '9999-12-31 23:59:59Z') end), now);
    perform auth_internal.demand_valid_key(new);
    perform auth_internal.demand_own_width(new, auth_internal.enter_api_keys(old.org_id, old.environment));
    return query select new.id, new.name, auth_internal.issue_key(new);
    -- Afterwards: a key that rotates itself ends with this.
    update auth.api_keys k
       set expires_at = least(k.expires_at, now + grace), replaced_by = new.id
     where k.id = old.id;
    perform auth_internal.demand_quota(old.org_id, case when grace = '0' then 'replaced' else 'rotated' end);
    perform auth_internal.audit('api_key.rotate', old.org_id, old.id::text, old.user_id, jsonb_build_object('new_id', new.id));
end
$$;
comment on function auth.rotate_api_key is
    'Whoever could create such a key: makes a new key like this one and returns its id, name and text, which is never shown again. Nobody rotates a key of another user, except services and administrators. The old key works until the grace ends (0 to 90 days), and not at all with 0. The new one lives as long as the old one was to. 22023 for a key that is revoked, has expired or was rotated before and for another grace, 42501 for one that is unknown or not the caller''s, 54000 beyond the quota, 0A000 for a key with a rate limit without shared_preload_libraries, 28000 without an identity.';

create function auth.revoke_api_key(key_id uuid, reason text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.api_keys := auth_internal.own_api_key(key_id);
    relation text;
    violated text;
begin
    perform auth_internal.refuse_lesser_token();
    -- Its user, and whoever holds it: a key that leaked is ended with itself.
    if not auth_internal.is_unrestricted() and auth.api_key_id() is distinct from key_id
       and (auth.api_key_id() is not null or old.user_id is distinct from auth.user_id())
       and auth_internal.permission_covers(auth_internal.acting_permissions(old.org_id), 'api_keys.write') is not true then
        perform auth_internal.refuse_action();
    elsif auth.api_key_id() <> key_id then
        perform auth_internal.refuse_api_key();
    end if;
    -- And the keys that it made, which may be its thief's; not those that a service made for others.
    perform auth_internal.end_api_key(f.id, revoke_api_key.reason)
       from (with recursive family (id, kind) as (
                 select old.id, old.kind
                 union
                 select k.id, k.kind from auth.api_keys k join family f on k.created_by_key = f.id and k.kind = f.kind)
             select * from family) f;
    perform auth_internal.commit_durably();
exception
    when check_violation then
        get stacked diagnostics relation = table_name, violated = constraint_name;
        perform auth_internal.refuse_value(relation, violated);
end
$$;
comment on function auth.revoke_api_key is
    'Whoever has api_keys.write, the key''s user, and the key itself: ends a key, and keys of its kind that it made itself: every auth.authenticate() that starts after the commit refuses them. Waits for nobody. Idempotent; the first reason stays. 42501 for anybody else and for a key that is unknown or NULL, 22023 for a reason of more than 1000 characters, 28000 without an identity.';

create function auth.update_api_key(
    key_id uuid, name text default null, scopes text[] default null, expires_at timestamptz default null,
    allowed_cidrs cidr[] default null, allowed_origins text[] default null, allowed_endpoints text[] default null,
    allowed_tables regclass[] default null, metadata jsonb default null, rate_limit integer default null,
    rate_period interval default null, clear text[] default '{}'
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old record := auth_internal.lock_api_key(key_id);
    new record := old;
    changed jsonb;
    violated text;
begin
    perform auth_internal.refuse_api_key();
    if (clear <@ '{scopes,expires_at,allowed_cidrs,allowed_origins,allowed_endpoints,allowed_tables,rate_limit}') is not true then
        perform auth_internal.refuse_key_argument('clear', 'It names arguments: scopes, expires_at, allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, rate_limit.');
    end if;
    new := jsonb_populate_record(old, (select coalesce(jsonb_object_agg(c, null), '{}') from unnest(clear) c));
    new.name := coalesce(name, old.name);
    new.scopes := coalesce(scopes, new.scopes);
    new.allowed_cidrs := coalesce(allowed_cidrs::text[], new.allowed_cidrs);
    new.allowed_origins := coalesce(allowed_origins, new.allowed_origins);
    new.allowed_endpoints := coalesce(allowed_endpoints, new.allowed_endpoints);
    new.allowed_tables := coalesce(auth_internal.table_names(allowed_tables), new.allowed_tables);
    new.metadata := coalesce(metadata, old.metadata);
    new.rate_limit := coalesce(rate_limit, new.rate_limit);
    new.rate_period := coalesce(rate_period, old.rate_period);
    if expires_at is not null or 'expires_at' = any (clear) then
        if old.replaced_by is not null then
            raise invalid_parameter_value using
                message = 'the API key was rotated', hint = 'It ends with its grace; there is a new one.';
        end if;
        new.expires_at := auth_internal.api_key_end(expires_at, old.created_at);
    end if;
    perform auth_internal.demand_valid_key(new);
    perform auth_internal.demand_changeable(old, new);
    update auth.api_keys k
       set name = new.name, scopes = new.scopes, expires_at = new.expires_at, allowed_cidrs = new.allowed_cidrs,
           allowed_origins = new.allowed_origins, allowed_endpoints = new.allowed_endpoints,
           allowed_tables = new.allowed_tables, metadata = new.metadata, rate_limit = new.rate_limit,
           rate_period = new.rate_period
     where k.id = update_api_key.key_id;
    if old.expires_at <= clock_timestamp() and new.expires_at is distinct from old.expires_at then
        perform auth_internal.demand_quota(old.org_id, 'new');
    end if;
    perform auth_internal.commit_durably();
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit(
            case when changed <@ '["name", "metadata"]' then 'api_key.describe' else 'api_key.update' end,
            old.org_id, key_id::text, old.user_id, jsonb_build_object('changed', changed));
    end if;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('api_keys', violated);
end
$$;
comment on function auth.update_api_key is
    'Whoever has api_keys.write, and the key''s user; to make it wider, only whoever could create it so: changes what is given; NULL leaves it, and clear names what becomes NULL. API keys, except service keys, change none. The columns of auth.api_keys explain the arguments. 22023 for a revoked key, for another end of one that was rotated and for a value that is not allowed, 42501 for one that is unknown or not the caller''s and for what goes beyond him, 54000 for a key that had expired, beyond the quota, 0A000 for a rate limit without shared_preload_libraries, 28000 without an identity.';

-- The functions are in src/pg/functions/api_keys.rs and usage.rs.

comment on function auth_internal.generate_api_key is 'A new API key of this prefix and environment; 22023 for one that is not allowed; nothing for NULL.';
comment on function auth_internal.is_api_key_revoked is 'Was this key revoked, or one of its kind that it descends from, as of now? NULL for NULL.';
comment on function auth_internal.member_permissions is 'What a user may do in an organization now, by all that makes him a member; NULL when he is none or it is disabled or unknown.';
comment on function auth_internal.counts_api_key_uses is
    'Are uses of API keys counted, and rate limits enforced, in shared memory? Where pg_bearer is in shared_preload_libraries.';

-- What there is of API keys to see, and the limits of organizations. No function or view shows a hash.

create function auth_internal.keys_in(its_org uuid)
    returns setof auth.api_keys
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    held text[];
begin
    if auth_internal.is_unrestricted() then
        return query
            select k.* from auth.api_keys k
             where (its_org is null or k.org_id = its_org)
               and (auth.environment() is distinct from 'test' or k.environment = 'test');
        return;
    end if;
    its_org := coalesce(its_org, auth.current_org());
    held := auth_internal.acting_permissions(its_org);
    if held is null then
        perform auth_internal.refuse_target('organization');
    end if;
    return query
        select k.* from auth.api_keys k
         where k.org_id = its_org and k.kind = 'secret'
           and (auth.environment() is distinct from 'test' or k.environment = 'test')
           and (auth_internal.permission_covers(held, 'api_keys.read')
                or auth_internal.permission_covers(held, 'api_keys.write')
                or k.id = auth.api_key_id()
                or auth.api_key_id() is null and k.user_id = auth.user_id());
end
$$;
comment on function auth_internal.keys_in is 'The keys that the caller may see, of the organization or for NULL of the current one; all for services and administrators.';

create function auth.list_api_keys(org_id uuid default null, include_revoked boolean default false)
    returns table (id uuid, name text, prefix text, created_at timestamptz, last_used timestamptz, kind text,
                   org_id uuid, environment text, workspace_id uuid, user_id text, role text, scopes text[],
                   expires_at timestamptz, revoked_at timestamptz, revoke_reason text, rotation_due_at timestamptz,
                   public_id text, last4 text, allowed_cidrs text[], allowed_origins text[],
                   allowed_endpoints text[], allowed_tables text[], rate_limit integer, rate_period interval,
                   metadata jsonb, created_by text, created_by_key uuid, replaced_by uuid, revoked_by text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select k.id, k.name, k.prefix, k.created_at, u.last_used_at, k.kind, k.org_id, k.environment, k.workspace_id,
           k.user_id, auth_internal.role_name(r), k.scopes, k.expires_at, e.revoked_at, e.revoke_reason,
           d.due_at,
           k.public_id, k.last4, k.allowed_cidrs, k.allowed_origins, k.allowed_endpoints, k.allowed_tables,
           k.rate_limit, k.rate_period, k.metadata, k.created_by, k.created_by_key, k.replaced_by, e.revoked_by
      from auth_internal.keys_in(list_api_keys.org_id) k
      left join auth.api_key_uses u on u.key_id = k.id
      left join auth_internal.api_key_rotations d on d.id = k.id
      left join lateral auth_internal.live_role(k.role_id) r on true
     cross join lateral (
           select * from (values (k.revoked_at, k.revoked_by, k.revoke_reason)) v (revoked_at, revoked_by, revoke_reason)
            where v.revoked_at is not null
           union all
           select p.revoked_at, p.revoked_by, p.revoke_reason from auth.api_key_revocations p where p.key_id = k.id
           union all
           select null, null, null
           limit 1) e
     where list_api_keys.include_revoked or e.revoked_at is null
     order by k.created_at, k.id
$$;
comment on function auth.list_api_keys is
    'The API keys of the organization (NULL: the current one; for services and administrators all), without those revoked unless asked for: all with api_keys.read, else the caller''s own. last_used is some seconds behind with pg_bearer in shared_preload_libraries; without, it is what auth.touch_api_key() noted. Shows no hash. 42501 for an organization that is unknown or not the caller''s, 28000 without an identity.';

create function auth.list_api_key_usage(key_id uuid, since date default null)
    returns table (day date, uses bigint)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    shown auth.api_keys := auth_internal.own_api_key(list_api_key_usage.key_id);
begin
    perform from auth_internal.keys_in(shown.org_id) k where k.id = shown.id;
    if not found then
        perform auth_internal.refuse_target('API key');
    end if;
    return query select * from auth_internal.usage_of(shown.id, since);
end
$$;
comment on function auth.list_api_key_usage is
    'Whoever sees the key in auth.list_api_keys(): how often a key authenticated on each day (UTC) from the date since on, or for NULL ever, as far as it was counted: that needs pg_bearer in shared_preload_libraries. 42501 for any other key or NULL, 28000 without an identity.';

create function auth.purge_api_keys(keep interval default '90 days') returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    purged bigint;
begin
    perform auth_internal.demand_unrestricted();
    if (keep between '0' and '100 years') is not true then
        perform auth_internal.refuse_key_argument('keep', 'It is how long keys are kept after their end: 0 to 100 years.');
    end if;
    delete from auth.api_keys k
     where k.id in (select e.id from auth.api_keys e
                     where least(e.expires_at, e.revoked_at,
                                 (select min(r.revoked_at) from auth.api_key_revocations r where r.key_id = e.id))
                           < clock_timestamp() - purge_api_keys.keep
                       and (auth.environment() is distinct from 'test' or e.environment = 'test')
                       -- What a key made ends with it, as long as it is there.
                       and e.id not in (select c.created_by_key from auth.api_keys c
                                         where c.created_by_key is not null and c.kind = e.kind)
                       for update skip locked);
    get diagnostics purged = row_count;
    perform auth_internal.commit_durably();
    delete from auth.api_key_revocations r where r.key_id not in (select k.id from auth.api_keys k);
    delete from auth.api_key_uses u where u.key_id not in (select k.id from auth.api_keys k);
    delete from auth.api_key_usage u where u.key_id not in (select k.id from auth.api_keys k);
    if purged > 0 then
        perform auth_internal.audit('api_key.purge', null, null, null, jsonb_build_object('keys', purged));
    end if;
    return purged;
end
$$;
comment on function auth.purge_api_keys is
    'Services and administrators: deletes keys that ended this long ago, and what was counted of keys that are gone; returns how many keys. 22023 for another interval than 0 to 100 years, 42501 for anybody else, 28000 without an identity.';

create function auth.set_api_key_settings(
    org_id uuid, key_prefix text default null, max_keys integer default null, rate_limit integer default null,
    rate_period interval default '1 minute'
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.api_key_settings;
    new auth.api_key_settings;
    changed jsonb;
    violated text;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.enter_organization(org_id, null);
    select s.* into old from auth.api_key_settings s where s.org_id = set_api_key_settings.org_id;
    if rate_limit is not null and not auth_internal.counts_api_key_uses() then
        perform auth_internal.refuse_rate_limit();
    end if;
    insert into auth.api_key_settings as s values (org_id, key_prefix, max_keys, rate_limit, rate_period)
    on conflict on constraint api_key_settings_pkey do update
       set key_prefix = excluded.key_prefix, max_keys = excluded.max_keys,
           rate_limit = excluded.rate_limit, rate_period = excluded.rate_period
    returning s.* into new;
    perform auth_internal.demand_handing_on(org_id, null);
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit('api_key.set_settings', org_id, org_id::text, null, jsonb_build_object('changed', changed));
    end if;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('api_key_settings', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('api_key_settings', violated);
end
$$;
comment on function auth.set_api_key_settings is
    'Services and administrators: what the API keys of an organization are held to from now on; NULL is what the server''s settings say. The columns of auth.api_key_settings explain the arguments. 22023 for a value that is not allowed, 0A000 for a rate limit without shared_preload_libraries, 42501 for anybody else, for a credential of environment test, and for an organization that is unknown or NULL, 28000 without an identity.';

create function auth.list_api_key_settings()
    returns table (org_id uuid, key_prefix text, max_keys integer, rate_limit integer, rate_period interval)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    return query select s.* from auth.api_key_settings s order by s.org_id;
end
$$;
comment on function auth.list_api_key_settings is
    'Services and administrators: the organizations whose API keys are held to something of their own. 42501 for anybody else, 28000 without an identity.';

-- Who may create and change API keys, and how far a key reaches. As in organizations/rules.sql.

create function auth_internal.all_covered(granted text[], wanted text[]) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select not exists (select from unnest(all_covered.wanted) w
                        where auth_internal.permission_covers(all_covered.granted, w) is not true)
$$;
comment on function auth_internal.all_covered is 'Does the first list of permissions cover each of the second? True for NULL or nothing wanted.';

create function auth_internal.is_of_own_issuer() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth.issuers i where i.own and i.issuer = auth.identity() ->> 'issuer')
$$;
comment on function auth_internal.is_of_own_issuer is 'Is the identity that of a token that this database made? False for nobody.';

-- The scopes that limit a token, or NULL: those of OpenID Connect Core 1.0 only ask for claims.
create function auth_internal.token_scopes() returns text[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when own.permissions is null or given.scopes is null then coalesce(own.permissions, given.scopes)
                else auth_internal.common_permissions(own.permissions, given.scopes) end
      from (select array_agg(s) as scopes from jsonb_array_elements_text(auth.identity() -> 'scopes') s
             where auth.identity() ->> 'kind' in ('jwt', 'service') and auth.identity() ->> 'key_id' is null
               and s not in ('openid', 'profile', 'email', 'address', 'phone', 'offline_access')) given,
           -- What a token of ours was made for.
           (select case when auth.jwt() ? 'permissions' and auth.identity() ->> 'key_id' is null
                             and auth_internal.is_of_own_issuer()
                        then array(select jsonb_array_elements_text(auth.jwt() -> 'permissions')) end as permissions) own
$$;
comment on function auth_internal.token_scopes is 'The scopes that limit the token of the identity, and the permissions that a token of ours was made for; NULL: none do, or it is no token.';

-- What the identity may do in this organization now, or NULL when it does not belong there.
create function auth_internal.acting_permissions(org_id uuid) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    held text[];
begin
    if auth.is_member(org_id) is not true then
        return null;
    elsif auth.user_id() is not null then
        held := auth_internal.member_permissions(auth.user_id(), org_id);
    else
        held := (auth_internal.acting_key_role()).permissions;
    end if;
    if held is null then
        return null;
    elsif auth.api_key_id() is null then
        return auth_internal.common_permissions(held, coalesce(auth_internal.token_scopes(), held));
    end if;
    return auth_internal.cut_by_scopes(held);
end
$$;
comment on function auth_internal.acting_permissions is 'What the identity may do in this organization now; NULL when it does not belong there.';

create function auth_internal.demand_key_creation() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    allowed text := current_setting('pg_bearer.api_key_creation', true);
begin
    if allowed = 'any' or allowed = 'interactive' and auth.api_key_id() is null then
        return;
    end if;
    raise insufficient_privilege using
        message = case when auth.api_key_id() is null then 'users do not create API keys here'
                       else 'API keys do not create API keys here' end,
        hint = format('pg_bearer.api_key_creation is %s.', coalesce(allowed, 'admin'));
end
$$;
comment on function auth_internal.demand_key_creation is '42501 where pg_bearer.api_key_creation does not let such an identity create keys.';

-- Locks the organization, or with NULL none, and returns what the caller may do in it.
create function auth_internal.enter_api_keys(org_id uuid, environment text) returns text[]
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    locked auth.organizations;
    permissions text[] := '{*}';
begin
    perform auth_internal.refuse_lesser_token();
    if org_id is null and unrestricted then
        perform auth_internal.demand_handing_on(null, environment);
        return permissions;
    elsif not unrestricted and auth.is_member(org_id) is not true then
        perform auth_internal.refuse_target('organization');
    end if;
    locked := auth_internal.lock_organization(org_id);
    -- Whoever waits for more asks once more. What a key makes while it is revoked ends with it all the same.
    perform auth_internal.demand_handing_on(org_id, environment);
    if not unrestricted then
        permissions := auth_internal.acting_permissions(org_id);
    end if;
    if locked.id is not null and permissions is null then
        raise insufficient_privilege using
            message = 'a membership that only a token claims gives no API keys',
            hint = 'A service or an administrator can create keys of the organization.';
    elsif locked.id is null then
        perform auth_internal.refuse_target('organization');
    end if;
    if auth_internal.permission_covers(permissions, 'api_keys.write') is not true then
        perform auth_internal.refuse_action();
    end if;
    return permissions;
end
$$;
comment on function auth_internal.enter_api_keys is 'Locks an organization for a key of this environment and returns what the caller may do there; 42501 when it is not theirs or they lack api_keys.write and for a token that came from an API key, 28000 for nobody and a credential that has ended. NULL: services and administrators only.';

-- Would the first key reach nothing that the second does not?
create function auth_internal.key_is_within(inner_key auth.api_keys, outer_key auth.api_keys) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (inner_key.org_id is not distinct from outer_key.org_id
            and inner_key.user_id is not distinct from outer_key.user_id
            and inner_key.role_id is not distinct from outer_key.role_id
            and inner_key.environment = outer_key.environment
            -- A key that is nobody's belongs to no workspace but this one.
            and (inner_key.workspace_id is not distinct from outer_key.workspace_id
                 or outer_key.workspace_id is null and outer_key.user_id is not null)
            and (outer_key.scopes is null
                 or inner_key.scopes is not null and auth_internal.all_covered(outer_key.scopes, inner_key.scopes))
            and (outer_key.expires_at is null or inner_key.expires_at <= outer_key.expires_at)
            and (outer_key.allowed_cidrs is null
                 or inner_key.allowed_cidrs is not null
                    and not exists (select from unnest(inner_key.allowed_cidrs) i
                                     where not exists (select from unnest(outer_key.allowed_cidrs) o
                                                        where i::cidr <<= o::cidr)))
            and (outer_key.allowed_origins is null or inner_key.allowed_origins <@ outer_key.allowed_origins)
            and (outer_key.allowed_endpoints is null or inner_key.allowed_endpoints <@ outer_key.allowed_endpoints)
            and (outer_key.allowed_tables is null or inner_key.allowed_tables <@ outer_key.allowed_tables)
            and (outer_key.rate_limit is null
                 or inner_key.rate_limit <= outer_key.rate_limit
                    and inner_key.rate_period >= outer_key.rate_period)) is true
$$;
comment on function auth_internal.key_is_within is 'Would the first key reach nothing that the second does not?';

create function auth_internal.refuse_width(what text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise insufficient_privilege using
        message = format('the key would go beyond what you may do: %s', what);
end
$$;
comment on function auth_internal.refuse_width is 'The error for a key that goes beyond its creator (42501).';

-- May the caller, who may do this in the organization, have such a key? Asked with the organization locked.
create function auth_internal.demand_own_width(wanted auth.api_keys, permissions text[]) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    role auth.roles;
begin
    if auth.environment() = 'test' and wanted.environment <> 'test' then
        perform auth_internal.refuse_width('environment');
    elsif wanted.kind <> 'secret' then
        perform auth_internal.demand_unrestricted();
    end if;
    if auth_internal.is_unrestricted() and (wanted.kind <> 'service' or auth.api_key_id() is null) then
        perform auth_internal.demand_scopes('{*}');
        return;
    elsif auth.api_key_id() is not null then
        perform from auth.api_keys k where k.id = auth.api_key_id() and auth_internal.key_is_within(wanted, k);
        if not found then
            perform auth_internal.refuse_width('it is itself an API key');
        end if;
        return;
    elsif wanted.role_id is null and wanted.user_id is distinct from auth.user_id() then
        perform auth_internal.refuse_width('user_id');
    elsif wanted.role_id is not null then
        role := auth_internal.live_role(wanted.role_id);
        perform auth_internal.demand_grant(auth_internal.role_of(wanted.org_id, auth.user_id()), role);
    end if;
    if not auth_internal.all_covered(permissions, coalesce(wanted.scopes, role.permissions))
       or wanted.scopes is null and role.id is null and auth_internal.token_scopes() is not null then
        perform auth_internal.refuse_width('scopes');
    end if;
    if wanted.workspace_id is not null
       and (auth.is_workspace_member(wanted.workspace_id) is not true
            or not auth_internal.is_workspace_user(wanted.workspace_id, auth.user_id())) then
        perform auth_internal.refuse_width('workspace_id');
    elsif wanted.workspace_id is not null and wanted.role_id is not null
          and ((auth_internal.workspace_role_of(wanted.workspace_id, auth.user_id())).rank >= role.rank) is not true then
        perform auth_internal.refuse_width('role in the workspace');
    end if;
end
$$;
comment on function auth_internal.demand_own_width is '42501 for a key that goes beyond its creator, who may do this in its organization.';

create function auth_internal.is_workspace_user(workspace_id uuid, user_id text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth_internal.live_workspace_memberships m
                    where m.workspace_id = is_workspace_user.workspace_id
                      and m.user_id = is_workspace_user.user_id and not m.suspended)
$$;
comment on function auth_internal.is_workspace_user is 'Is this user a member of the workspace, as the tables say? False for NULL.';

create function auth_internal.refuse_key_argument(argument text, hint text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', format('%s has a value that is not allowed', argument), hint);
end
$$;
comment on function auth_internal.refuse_key_argument is 'The error for an argument (22023).';

create function auth_internal.latest_key_end(created_at timestamptz) returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select latest_key_end.created_at + nullif(current_setting('pg_bearer.api_key_max_age', true), '0')::interval
$$;
comment on function auth_internal.latest_key_end is 'The latest end that pg_bearer.api_key_max_age leaves a key created then; NULL: it does not limit it.';

-- The end of a key created then for which this one is asked; NULL is the latest.
create function auth_internal.api_key_end(expires_at timestamptz, created_at timestamptz) returns timestamptz
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    latest timestamptz := auth_internal.latest_key_end(created_at);
    wanted timestamptz := coalesce(expires_at, latest, 'infinity');
begin
    if wanted <= clock_timestamp() or wanted > latest
       or wanted >= '10000-01-01Z' and wanted <> 'infinity' then
        perform auth_internal.refuse_key_argument('expires_at', 'It must be in the future, before the year 10000 and within pg_bearer.api_key_max_age.');
    end if;
    return nullif(wanted, 'infinity');
end
$$;
comment on function auth_internal.api_key_end is 'When a key created then, for which this end is asked, ends, NULL never; 22023 for one that is not allowed.';

-- Is this a key that can be, whoever wants it?
create function auth_internal.demand_valid_key(wanted auth.api_keys) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if wanted.rate_limit is not null and not auth_internal.counts_api_key_uses() then
        perform auth_internal.refuse_rate_limit();
    elsif wanted.kind <> 'secret' and (wanted.scopes is not null or wanted.workspace_id is not null) then
        perform auth_internal.refuse_key_argument('kind', 'scopes and workspace_id are for secret keys.');
    elsif wanted.kind = 'publishable' and wanted.rate_limit is not null then
        perform auth_internal.refuse_key_argument('rate_limit', 'A publishable key is never used.');
    elsif 0 in (cardinality(wanted.allowed_cidrs), cardinality(wanted.allowed_origins),
                cardinality(wanted.allowed_endpoints), cardinality(wanted.allowed_tables)) then
        perform auth_internal.refuse_key_argument('an empty list', 'NULL is no restriction; auth.update_api_key() takes one away with its argument clear.');
    elsif wanted.workspace_id is not null
          and auth_internal.workspace_org(wanted.workspace_id) is distinct from wanted.org_id then
        perform auth_internal.refuse_target('workspace');
    elsif wanted.user_id is not null and auth_internal.member_permissions(wanted.user_id, wanted.org_id) is null then
        perform auth_internal.refuse_member();
    elsif wanted.user_id is not null and wanted.workspace_id is not null
          and not auth_internal.is_workspace_user(wanted.workspace_id, wanted.user_id) then
        perform auth_internal.refuse_member();
    end if;
end
$$;
comment on function auth_internal.demand_valid_key is '22023, 42501 or 0A000 for a key that cannot be.';

create function auth_internal.refuse_rate_limit() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise feature_not_supported using
        message = 'rate limits need pg_bearer in shared_preload_libraries',
        hint = 'Add it to shared_preload_libraries and restart the server.';
end
$$;
comment on function auth_internal.refuse_rate_limit is 'The error for a rate limit that nobody would keep (0A000).';

-- Asked when the key is there. Keys that were rotated and have not ended yet may be as many again. What is created in
-- an hour is limited for who creates and revokes without end. Of keys that took the place of another one (`made` is
-- new, rotated, or replaced when the other one has ended) more are let through.
create function auth_internal.demand_quota(org_id uuid, made text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    quota integer := coalesce((select s.max_keys from auth.api_key_settings s where s.org_id = demand_quota.org_id),
                              current_setting('pg_bearer.max_api_keys', true)::integer, 0);
    recent_quota integer;
    counted record;
begin
    select count(l.id) filter (where l.replaced_by is null) as kept, count(l.id) as alive,
           count(*) filter (where k.created_at > clock_timestamp() - interval '1 hour') as recent
      into counted
      from auth.api_keys k left join auth_internal.live_api_keys l on l.id = k.id
     where k.org_id = demand_quota.org_id;
    recent_quota := case made when 'new' then quota + 10 else 2 * quota + 100 end;
    if counted.recent > recent_quota or made = 'new' and counted.kept > quota
       or made <> 'replaced' and counted.alive > 2 * quota then
        raise program_limit_exceeded using
            message = case when counted.recent > recent_quota
                           then 'the organization has created as many API keys as it may in an hour'
                           else 'the organization has as many API keys as it may' end,
            hint = 'Revoke keys that are no longer used, or wait.';
    end if;
end
$$;
comment on function auth_internal.demand_quota is '54000 when the organization has more live keys than it may, or created too many in the last hour; nothing for NULL.';

create function auth_internal.audit_key(action text, new_key auth.api_keys) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.audit(audit_key.action, new_key.org_id, new_key.id::text, new_key.user_id,
                               jsonb_build_object('kind', new_key.kind, 'environment', new_key.environment,
                                                  'role', auth_internal.role_name(auth_internal.live_role(new_key.role_id)),
                                                  'workspace_id', new_key.workspace_id))
$$;
comment on function auth_internal.audit_key is 'Adds a row to the audit log for a new API key.';

-- Tables as they are called in a list of allowed ones.
create function auth_internal.table_names(tables regclass[]) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    names text[];
begin
    select array_agg(distinct quote_ident(n.nspname) || '.' || quote_ident(c.relname)) into names
      from unnest(tables) t
      left join pg_class c on c.oid = t and c.relkind in ('r', 'p', 'v', 'm', 'f')
      left join pg_namespace n on n.oid = c.relnamespace
    having bool_and(c.oid is not null);
    if names is null and cardinality(tables) > 0 then
        perform auth_internal.refuse_key_argument('allowed_tables', 'Name tables and views that there are.');
    end if;
    return case when cardinality(tables) = 0 then '{}' else names end;
end
$$;
comment on function auth_internal.table_names is 'The names of tables with their schemas; 22023 for one that there is not; NULL for NULL.';

-- Narrower: its user, and whoever may write keys. Wider: whoever could create it so.
create function auth_internal.demand_changeable(old auth.api_keys, new auth.api_keys) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() then
        perform auth_internal.demand_handing_on(old.org_id, old.environment);
        -- No service key beyond the one that asks.
        perform auth_internal.demand_own_width(new, '{*}');
    elsif not auth_internal.key_is_within(new, old) then
        perform auth_internal.demand_key_creation();
        perform auth_internal.demand_own_width(new, auth_internal.enter_api_keys(old.org_id, old.environment));
    elsif old.user_id is distinct from auth.user_id() then
        perform auth_internal.enter_api_keys(old.org_id, old.environment);
    end if;
end
$$;
comment on function auth_internal.demand_changeable is '42501 unless the caller may change the first key to the second.';

-- A SHA-256 as other systems keep it: 64 hexadecimal digits, or base64 or base64url with or without padding.
create function auth_internal.decode_key_hash(hash text) returns bytea
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if hash ~ '^[0-9A-Fa-f]{64}$' then
        return decode(hash, 'hex');
    elsif hash ~ '^[0-9A-Za-z+/_-]{43}=?$' then
        return decode(rtrim(translate(hash, '-_', '+/'), '=') || '=', 'base64');
    end if;
    perform auth_internal.refuse_key_argument('hash', 'It is the SHA-256 of the whole key, as 64 hexadecimal digits or base64.');
    return null;
end
$$;
comment on function auth_internal.decode_key_hash is 'The bytes of a SHA-256; 22023 for what is none; NULL is none.';

-- Adds what was counted, in the order of the keys, so that two calls cannot wait for each other.
create function auth_internal.record_api_key_uses(key_ids uuid[], uses bigint[], last_used_at timestamptz[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into auth.api_key_uses as u (key_id, last_used_at)
    select n.key_id, max(n.last_used_at)
      from unnest(record_api_key_uses.key_ids, record_api_key_uses.last_used_at) n(key_id, last_used_at)
      join auth.api_keys k on k.id = n.key_id
     group by n.key_id order by n.key_id
    on conflict (key_id) do update set last_used_at = greatest(u.last_used_at, excluded.last_used_at);
    insert into auth.api_key_usage as u (key_id, day, uses)
    select n.key_id, (n.last_used_at at time zone 'UTC')::date, sum(n.uses)
      from unnest(record_api_key_uses.key_ids, record_api_key_uses.uses, record_api_key_uses.last_used_at)
           n(key_id, uses, last_used_at)
      join auth.api_keys k on k.id = n.key_id
     where n.uses > 0 and n.last_used_at is not null
     group by 1, 2 order by 1, 2
    on conflict (key_id, day) do update set uses = u.uses + excluded.uses;
end
$$;
comment on function auth_internal.record_api_key_uses is
    'The background worker adds what was counted. Ids that are no keys are ignored.';

-- Never in the way of the transaction that calls it: whatever could make it wait or fail gives false. In a
-- SERIALIZABLE one even to look at the row could make the transaction fail later.
create function auth.touch_api_key() returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_key constant uuid := nullif(auth.identity() ->> 'key_id', '')::uuid;
begin
    if the_key is null or auth_internal.counts_api_key_uses() or pg_is_in_recovery()
       or current_setting('transaction_read_only')::boolean
       or current_setting('transaction_isolation') = 'serializable' then
        return false;
    end if;
    lock table auth.api_key_uses in row exclusive mode nowait;
    update auth.api_key_uses u set last_used_at = clock_timestamp()
     where u.key_id = (select t.key_id from auth.api_key_uses t
                        where t.key_id = the_key
                          and (t.last_used_at is null
                               or t.last_used_at not between clock_timestamp() - interval '1 minute'
                                                         and clock_timestamp())
                          for no key update skip locked);
    return found;
exception when serialization_failure or lock_not_available then
    return false;
end
$$;
comment on function auth.touch_api_key is
    'Notes that the API key of the identity was used, where the library does not count uses by itself. Writes at most once in a minute for each key, and never waits. True when it wrote; false also without a key, in read-only and SERIALIZABLE transactions, on a standby, and where uses are counted. Never raises.';

-- What was counted on the days from `since` on. Who may ask is for the caller to say.
create function auth_internal.usage_of(key_id uuid, since date) returns table (day date, uses bigint)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.day, u.uses from auth.api_key_usage u
     where u.key_id = usage_of.key_id and (since is null or u.day >= since) order by u.day
$$;
comment on function auth_internal.usage_of is
    'How often a key was used on each day from since on, NULL: from the beginning; whoever asks.';

-- What the audit log is about. Names and levels have this one home.

create function auth_internal.audit_actions() returns table (action text, level text)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    values
        ('act_as', 'access'),
        ('api_key.create', 'access'),
        ('api_key.describe', 'all'),
        ('api_key.import', 'access'),
        ('api_key.purge', 'all'),
        ('api_key.revoke', 'access'),
        ('api_key.rotate', 'access'),
        ('api_key.set_settings', 'all'),
        ('api_key.update', 'access'),
        ('audit_log.purge', 'access'),
        ('endings.purge', 'all'),
        ('guards.allow_changes', 'access'),
        ('guards.guard', 'access'),
        ('guards.unguard', 'access'),
        ('hook.remove', 'access'),
        ('hook.set', 'access'),
        ('invitation.accept', 'access'),
        ('invitation.create', 'access'),
        ('invitation.revoke', 'access'),
        ('issuer.add', 'access'),
        ('issuer.remove', 'access'),
        ('issuer.update', 'access'),
        ('jwt_key.add', 'access'),
        ('jwt_key.load', 'access'),
        ('jwt_key.revoke', 'access'),
        ('member.add', 'access'),
        ('member.confirm', 'access'),
        ('member.remove', 'access'),
        ('member.set_role', 'access'),
        ('membership_source.register', 'access'),
        ('membership_source.unregister', 'access'),
        ('migration.begin', 'access'),
        ('organization.create', 'access'),
        ('organization.delete', 'access'),
        ('organization.disable', 'access'),
        ('organization.enable', 'access'),
        ('organization.set_external_id', 'access'),
        ('organization.transfer', 'access'),
        ('organization.update', 'all'),
        ('revocation.purge', 'all'),
        ('role.define', 'access'),
        ('role.drop', 'access'),
        ('session.begin', 'access'),
        ('session.end', 'access'),
        ('session.refresh', 'all'),
        ('session.reuse', 'access'),
        ('session.revoke', 'access'),
        ('signing_key.create', 'access'),
        ('signing_key.rotate', 'access'),
        ('signing_key.set_state', 'access'),
        ('table.protect', 'access'),
        ('table.unprotect', 'access'),
        ('token.exchange', 'access'),
        ('token.impersonate', 'access'),
        ('token.issue', 'access'),
        ('token.revoke', 'access'),
        ('user.ban', 'access'),
        ('user.change_password', 'access'),
        ('user.create', 'access'),
        ('user.delete', 'access'),
        ('user.redeem', 'access'),
        ('user.remove', 'access'),
        ('user.revoke', 'access'),
        ('user.update', 'access'),
        ('workspace.create', 'access'),
        ('workspace.delete', 'access'),
        ('workspace.disable', 'access'),
        ('workspace.enable', 'access'),
        ('workspace.update', 'all'),
        ('workspace_member.add', 'access'),
        ('workspace_member.remove', 'access'),
        ('workspace_member.set_role', 'access')
$$;
comment on function auth_internal.audit_actions is 'Every action of the audit log, and from which level on it is written: access, where it gives or takes access, or all.';

-- Writing the audit log. Whoever changes something writes one row for it, when it is done: both commit or neither.

-- Only bearer_owner's functions call it, and superusers: the rows say what was done, not what somebody says.
create function auth_internal.audit(
    action text, org_id uuid, target text, target_user_id text default null, details jsonb default '{}'
) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    -- First of all: it loads the library, and a setting that was none of a superuser's is gone.
    identity constant jsonb := auth.identity();
    -- What an administrator states counts as what administrators do.
    is_test constant boolean := coalesce(identity ->> 'environment' = 'test' and identity ->> 'kind' <> 'act_as', false);
    wanted constant text := current_setting(case when is_test then 'pg_bearer.audit_test' else 'pg_bearer.audit_live' end, true);
    retention constant text := current_setting('pg_bearer.audit_retention', true);
begin
    if wanted = 'off' or wanted = 'access' and auth_internal.audit_level(action) = 'all' then
        return;
    end if;
    insert into auth.audit_log (action, org_id, target, target_user_id, user_id, credential, api_key_id, session_id, issuer,
                                actor, database_role, environment, client_addr, stated_addr, details)
    values (action, org_id, left(target, 1000), target_user_id, identity ->> 'user_id', identity ->> 'kind',
            (identity ->> 'key_id')::uuid, left(identity ->> 'session_id', 1000), identity ->> 'issuer',
            left(identity ->> 'actor', 1000), auth_internal.outer_user_name(), identity ->> 'environment',
            inet_client_addr(), auth_internal.stated_address(), jsonb_strip_nulls(coalesce(details, '{}')));
    -- Under an older snapshot a row that somebody else has just deleted would make the change fail.
    if retention <> '0' and not auth_internal.keeps_snapshot() then
        perform auth_internal.forget_audit_rows(clock_timestamp() - retention::interval, 10);
    end if;
end
$$;
comment on function auth_internal.audit is 'Adds a row to the audit log, if the settings want it. What it was done to is an id or a name; details are few, small and nothing of a credential.';

create function auth_internal.audit_level(action text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select a.level from auth_internal.audit_actions() a where a.action = audit_level.action
$$;
comment on function auth_internal.audit_level is 'From which level on an action is written; NULL for one that there is not.';

-- For the library, whose functions run as their caller: src/pg/ffi/auditing.rs calls it past grants.
create function auth_internal.audit_command(action text, target text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- Nothing else that the library does by itself has to do with an organization.
    perform auth_internal.audit(action, case when action = 'act_as' then auth.current_org() end, nullif(target, ''),
                                case when action = 'act_as' then auth.user_id() end);
end
$$;
comment on function auth_internal.audit_command is 'Adds a row about what the library itself did, as bearer_owner. Nobody else may call it.';

-- The names that go into details.
create function auth_internal.changed_members(old jsonb, new jsonb) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select jsonb_agg(n.key order by n.key) from jsonb_each(changed_members.new) n
     where n.value is distinct from changed_members.old -> n.key
$$;
comment on function auth_internal.changed_members is 'The names of the members whose values differ; NULL where none does.';

-- Waits for nobody.
create function auth_internal.forget_audit_rows(before timestamptz, most integer) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    forgotten bigint;
begin
    delete from auth.audit_log a
     where a.id = any (array(select f.id from auth.audit_log f where f.occurred_at < forget_audit_rows.before
                              order by f.occurred_at limit forget_audit_rows.most for update skip locked));
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
comment on function auth_internal.forget_audit_rows is 'Deletes the oldest rows of the audit log from before this time, at most so many, NULL: all, whose rows nobody holds; returns how many.';

-- The functions are in src/pg/functions/audit.rs.
comment on function auth_internal.outer_user_name is 'The role that called, as SET ROLE left it: not the owner of a security-definer function.';
comment on function auth_internal.stated_address is 'The end of X-Forwarded-For in the setting request.headers, without anything but printable ASCII, at most 200 characters; NULL without one. Never raises.';

-- Reading the audit log, and taking old rows away.

-- PL/pgSQL has no argument and column of one name, so auth.list_audit_log() only passes on what this finds.
create function auth_internal.audit_rows(
    its_org uuid, its_action text, its_user text, beginning timestamptz, ending timestamptz, most integer
) returns setof auth.audit_log
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted constant boolean := auth_internal.is_unrestricted();
begin
    if (most between 1 and 10000) is not true then
        perform auth_internal.refuse('22023', 'max_rows has a value that is not allowed', 'It is from 1 to 10000.');
    end if;
    if unrestricted then
        perform auth_internal.demand_scopes('{audit.read}');
    else
        its_org := coalesce(its_org, auth.current_org());
        perform auth_internal.acting_role(its_org, 'audit.read');
    end if;
    -- How the operators' servers are called and where they stand is not for tenants.
    return query
        select a.id, a.occurred_at, a.action, a.org_id, a.target, a.target_user_id, a.user_id, a.credential, a.api_key_id,
               a.session_id, a.issuer, a.actor, case when unrestricted then a.database_role end, a.environment,
               case when unrestricted then a.client_addr end, a.stated_addr, a.details
          from auth.audit_log a
         where (its_org is null or a.org_id = its_org)
           and (its_action is null or a.action = its_action)
           and (its_user is null or its_user in (a.user_id, a.target_user_id))
           and (beginning is null or a.occurred_at >= beginning)
           and (ending is null or a.occurred_at < ending)
           and (auth.environment() is distinct from 'test' or a.environment = 'test')
         order by a.occurred_at desc, a.id
         limit most;
end
$$;
comment on function auth_internal.audit_rows is 'What auth.list_audit_log() shows.';

create function auth.list_audit_log(
    org_id uuid default null, action text default null, user_id text default null, since timestamptz default null,
    until timestamptz default null, max_rows integer default 100
) returns table (id uuid, occurred_at timestamptz, action text, org_id uuid, target text, target_user_id text, user_id text,
                 credential text, api_key_id uuid, session_id text, issuer text, actor text, database_role text,
                 environment text, client_addr inet, stated_addr text, details jsonb)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.audit_rows(list_audit_log.org_id, list_audit_log.action, list_audit_log.user_id,
                                           list_audit_log.since, list_audit_log.until, list_audit_log.max_rows)
$$;
comment on function auth.list_audit_log is
    'With audit.read: what was changed in an organization, for NULL in the current one, the newest first; services and administrators see everything, for NULL also what belongs to no organization. user_id finds what a user did and what was done to them; since is the first moment, until the first one no longer, max_rows is 1 to 10000. The comments on the columns of auth.audit_log explain the result. database_role and client_addr are NULL for members; a credential of environment test sees what such credentials did. 22023 for another max_rows, 42501 when the caller may not, the organization is unknown or not theirs, or the scopes of their token do not cover audit.read, 28000 without an identity.';

create function auth.purge_audit_log(older_than interval) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    purged bigint;
begin
    perform auth_internal.require_administrator();
    if (older_than between '0' and '100 years') is not true then
        perform auth_internal.refuse('22023', 'older_than has a value that is not allowed', 'It is from 0 to 100 years.');
    end if;
    purged := auth_internal.forget_audit_rows(clock_timestamp() - older_than, null);
    if purged > 0 then
        perform auth_internal.audit('audit_log.purge', null, null, null,
                                    jsonb_build_object('older_than', older_than::text, 'rows', purged));
    end if;
    return purged;
end
$$;
comment on function auth.purge_audit_log is
    'Administrators: deletes the rows of the audit log that are older than this, and returns how many; one row says so. Waits for nobody. pg_bearer.audit_retention does the same little by little. 22023 for another interval than 0 to 100 years, 42501 for anybody else.';

-- What takes a credential. The functions are in src/pg/functions/authenticate.rs, api_keys.rs and tickets.rs.

comment on function auth.authenticate is
    'Verifies a JWT, an API key or a ticket ("Bearer " before it is tolerated), makes it the identity of this transaction and returns the identity. Of more than 50,000 organizations or workspaces, and of more than pg_bearer.max_granted_memberships that others gave and the user never accepted, the newest do not count. After an error that is caught, the identity is what it was before the call. Pass the credential as a bind parameter. 28000 when it is missing, refused or expired; 53400 for an API key beyond its rate limit; 55006 while a cursor is open or a query reads a table with policies or a view that asks for the identity; 42501 in a security-restricted operation; F0000 for a JWT when no issuer is configured, for a registered table that cannot be read, and for an API key with a rate limit without shared_preload_libraries.';
comment on function auth.issue_ticket is
    'A credential for whoever is signed in, for places whose URLs are logged: it lives for ttl, at most 60 seconds and not longer than theirs, and is good for one auth.authenticate() where pg_bearer is in shared_preload_libraries, else as often as it is shown. It gives the identity that their credential would give at that moment, but no other ticket and nothing that lasts. A rollback takes back neither its issue nor its use. 22023 for a ttl that is NULL, 0 or less, or more than 60 seconds; 28000 without an identity; 42501 for an identity that was stated or came from a ticket, and in a security-restricted operation; 54000 for the 101st open ticket of a user, for more than pg_bearer.max_tickets, and for a token too long for a ticket of 8192 bytes; 0A000 where pg_bearer.max_tickets is 0.';
comment on function auth.sign_out is
    'Leaves the rest of the transaction without an identity. 55006 while a cursor is open or a query reads a table with policies or a view that asks for the identity; 42501 in a security-restricted operation.';
comment on function auth.verify_jwt is
    'Returns the claims of a good JWT; changes nothing. issuer and audience, when given, must be the token''s. 28000 when it is missing, refused or expired; F0000 when no issuer is configured.';
comment on function auth.check_jwt is
    'Administrators: the verdict on a JWT with its reason, and what the token says, believed or not. Never raises for a bad token. 42501 for anybody else.';
comment on function auth.check_api_key is
    'The verdict on an API key, here and now, as one row: never raises for a bad one, and every bad one looks the same, false and NULLs. scopes is what it may do; a publishable key has none. Changes nothing and is not counted.';
comment on function auth.explain_credential is
    'Administrators: the verdict on an API key, a JWT or a ticket with its reason, and whose key it is. A ticket is not spent by it. since is when it was revoked or expired. Restrictions of a key are looked at from client_address, origin and endpoint (GET /invoices) if any of them is given. Never raises for a bad credential. 22023 for a bad argument, 42501 for anybody else.';

-- The functions are in src/pg/functions/acting.rs and explain.rs.

comment on function auth.act_as is
    'Administrators: makes an identity that is stated instead of proven, of kind act_as, that of this transaction, and returns it; for tests of policies. Members as auth.identity() shows them: user_id, org_id (a uuid or an external_id), org_role, permissions, workspace_id, scopes, role, email, environment (live by default), claims and others, and also org_ids, workspace_ids and email_verified. Rows of memberships count as for a token of that user; what is stated counts before them. Noted in the server log. 22023 for NULL, another member, a wrong type and what is disabled or unknown; 42501 for a service and anybody but administrators; 55006 while a cursor is open or a query reads a table with policies or a view that asks for the identity.';
comment on function auth_internal.described_identity is 'The identity of a credential, or one that is stated, or why the credential is refused.';
comment on function auth_internal.may_run_as is 'May something be run as this role? 42501 when the outer user may not SET ROLE to it, 22023 when there is none.';
comment on function auth_internal.answers_for is 'What queries answer to a role, for an identity; everything is rolled back.';
comment on function auth_internal.calls_in is 'The calls of our functions in a policy''s expression.';
comment on function auth_internal.stored_rows is 'Rows of a table, read past its policies for somebody to whom they do not apply; 42501 for others, 22023 for a bad key.';

-- Why a row is, or is not, there for somebody.

-- The row that is asked about: for an insert the one that would be, otherwise one that is looked up for the caller.
create function auth_internal.asked_row(source regclass, command text, row_key jsonb) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found jsonb[];
    unknown text;
begin
    if row_key is null then
        return null;
    end if;
    if jsonb_typeof(row_key) = 'object' then
        select k.name into unknown
          from jsonb_object_keys(row_key) k (name)
         where k.name not in (select a.attname from pg_attribute a
                               where a.attrelid = asked_row.source and a.attnum > 0 and not a.attisdropped)
         limit 1;
    end if;
    if jsonb_typeof(row_key) <> 'object' or unknown is not null then
        raise invalid_parameter_value using
            message = 'row_key has to be an object of columns of the table and their values',
            hint = coalesce('The table has no column ' || quote_ident(unknown) || '.', 'For example {"id": 7}.');
    end if;
    if command in ('insert', 'insert returning') then
        return row_key;
    end if;
    select array_agg(r.row_values) into found
      from auth_internal.stored_rows(source, auth_internal.parts_of(source), row_key, null, 2) r;
    if cardinality(found) > 1 then
        raise invalid_parameter_value using message = 'row_key has to name one row', hint = 'More than one has these values.';
    end if;
    return found[1];
end
$$;
comment on function auth_internal.asked_row is 'The row that row_key names, or NULL; 22023 for a bad key, 42501 for rows that the outer user may not read.';

-- What an insert puts into columns that it does not name, where the default is a constant or one of our functions.
-- Others are not tried: they may count, or do more.
create function auth_internal.assumed_defaults(source regclass, as_role oid, credential text, identity jsonb, helper_search_path text)
    returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    queries text[];
begin
    select array_agg(format('select pg_catalog.jsonb_build_object(%L::pg_catalog.text, %s)::pg_catalog.text', a.attname, e.shown))
      into queries
      from pg_attrdef d
      join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated = ''
     cross join lateral (select pg_get_expr(d.adbin, d.adrelid) as shown) e
     where d.adrelid = assumed_defaults.source
       and (d.adbin::text like '{CONST %'
            or e.shown ~ ('^\(*"?auth"?\."?(' || (select string_agg(r.name, '|') from auth_internal.readers() r) || ')"?\(\)\)*(::[a-z ]+)?$'));
    if queries is null then
        return '{}';
    end if;
    return coalesce((select jsonb_object_agg(v.key, v.value)
                       from auth_internal.answers_for(as_role, as_role, credential, identity, queries, helper_search_path) r
                      cross join lateral jsonb_each(r.value::jsonb) v
                      where r.failure is null), '{}');
end
$$;
comment on function auth_internal.assumed_defaults is 'Defaults of a table that are constants or functions of ours, as an identity inserts them.';

create function auth.explain_access(
    source regclass, command text, credential text default null, identity jsonb default null,
    row_key jsonb default null, as_role name default null,
    helper_search_path text default pg_catalog.current_setting('search_path')
) returns table (policy name, applies boolean, kind text, expression text, verdict text, functions jsonb, conclusion text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
    asked text := regexp_replace(lower(btrim(command)), '\s+', ' ', 'g');
    role_oid oid;
    rolename name;
    obstacle text;
    bypass text;
    who record;
    asked_about jsonb;
    found record;
    reading jsonb;
    readings jsonb := '[]';
    clauses text[];
begin
    perform auth_internal.require_administrator();
    if auth_internal.privileges_for(asked) is null then
        raise invalid_parameter_value using
            message = 'command has a value that is not allowed',
            hint = 'It is one of select, insert, insert returning, update, delete and upsert.';
    end if;
    if (select count(*) from pg_class c where c.oid = explain_access.source and c.relkind in ('r', 'p')) = 0 then
        raise invalid_parameter_value using 
            message = 'access to a table is explained, and this is none',
            hint = 'Of a view ask about its tables: as_role is its owner, or with security_invoker whoever asks.';
    end if;
    role_oid := auth_internal.asked_role(source, as_role);
    rolename := pg_get_userbyid(role_oid);
    bypass := auth_internal.policy_bypass(source, role_oid);
    if not auth_internal.may_run_as(role_oid) and bypass is null then
        raise insufficient_privilege using
            message = 'nothing is run as a superuser or as bearer_owner',
            hint = 'Nor as a role that may use files or programs of the server.';
    end if;
    obstacle := auth_internal.missing_grants(source, role_oid, asked);
    select * into who from auth_internal.described_identity(credential, identity);
    if who.refusal is not null then
        conclusion := 'refused: ' || who.refusal;
        return next;
        return;
    end if;
    asked_about := auth_internal.asked_row(source, asked, row_key);
    if asked in ('insert', 'insert returning') and row_key is not null and bypass is null then
        asked_about := auth_internal.assumed_defaults(source, role_oid, credential, identity, helper_search_path) || asked_about;
    end if;
    for found in
        select p.oid, p.polname, p.polpermissive, p.polcmd::text as cmd,
               pg_get_expr(p.polqual, p.polrelid) as qual, pg_get_expr(p.polwithcheck, p.polrelid) as checked,
               0 = any (p.polroles) or exists (select from unnest(p.polroles) r (oid)
                                                where pg_has_role(role_oid, r.oid, 'usage')) as for_role
          from pg_policy p where p.polrelid = explain_access.source
         order by p.polpermissive desc, p.polcmd <> '*', p.polname
    loop
        select array_agg(distinct s.clause) into clauses
          from auth_internal.policy_steps(asked) s where found.cmd in ('*', s.cmd);
        policy := found.polname;
        kind := case when found.polpermissive then 'permissive ' else 'restrictive ' end
                || case found.cmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                                  when 'd' then 'delete' else 'all' end;
        expression := concat_ws(' ', 'using (' || found.qual || ')', 'with check (' || found.checked || ')');
        applies := bypass is null and found.for_role and clauses is not null;
        verdict := null;
        functions := null;
        conclusion := case when bypass is not null then 'does not apply: ' || bypass
                           when clauses is null then format('does not apply: it is not for %s', upper(asked))
                           when not found.for_role then format('does not apply: it is not for role %I', rolename) end;
        if applies then
            reading := auth_internal.policy_reading(found.oid, role_oid, credential, identity, who.shown, clauses, asked_about, helper_search_path);
            readings := readings || jsonb_build_object(
                'policy', found.polname, 'permissive', found.polpermissive, 'cmd', found.cmd,
                'using', found.qual, 'check', coalesce(found.checked, found.qual), 'reading', reading);
            verdict := case when reading ->> 'using' is distinct from reading ->> 'check' and cardinality(clauses) > 1
                            then concat_ws(', ', 'using ' || (reading ->> 'using'), 'with check ' || (reading ->> 'check'))
                            else coalesce(reading ->> 'using', reading ->> 'check') end;
            select jsonb_object_agg(c.item ->> 'call', c.item -> 'value') into functions
              from jsonb_array_elements(reading -> 'calls') c (item);
            conclusion := auth_internal.reading_words(reading);
        end if;
        return next;
    end loop;
    policy := null;
    applies := null;
    kind := null;
    expression := null;
    verdict := null;
    functions := null;
    conclusion := case
        when obstacle is not null then 'denied: ' || obstacle
        when bypass is not null then 'allowed: row-level security does not apply, since ' || bypass
        when row_key is not null and asked_about is null then 'no such row: nothing in the table has these values'
        else auth_internal.access_verdict(asked, rolename, readings, asked_about is not null) end
        || case when obstacle is null then coalesce(auth_internal.column_grants(source, role_oid, asked), '') else '' end
        || (select case when c.relkind = 'p' then '; partitions that are queried directly have policies of their own' else '' end
              from pg_class c where c.oid = explain_access.source);
    return next;
end
$$;
comment on function auth.explain_access is
    'Administrators: why a row is, or is not, there for somebody. A row for each policy, with what it says of the row and the values of the auth functions in it, then one with the conclusion. command: select, insert, insert returning, update, delete or upsert. Either credential or identity (as for auth.act_as()), or nobody. row_key: columns and values that find the row, or for inserts the row itself (columns that are left out have their default where it is a constant or one of our functions, otherwise NULL); NULL: no verdicts. as_role: NULL is the only role that the table is granted to, if the table''s owner has all of its rights; other roles have to be named, since policies run as that role, READ ONLY. All they do is rolled back. Meanwhile they see nothing of what the caller wrote, prepared, opened or sent as request.headers, say nothing to the client and lock nothing beyond the transaction. Functions in them that have no search_path of their own get helper_search_path, by default the caller''s. 22023 for a bad argument, 42501 for a role that the caller may not SET ROLE to, for rows that he may not read and for anybody but administrators.';

create function auth.rows_visible_to(
    source regclass, identity jsonb, as_role name default null,
    helper_search_path text default pg_catalog.current_setting('search_path')
) returns table (visible jsonb)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    role_oid oid;
    answer record;
begin
    perform auth_internal.require_administrator();
    role_oid := auth_internal.asked_role(source, as_role);
    perform auth_internal.described_identity(null, identity);
    for answer in
        select * from auth_internal.answers_for(role_oid, role_oid, null, identity,
                                       array[format('select pg_catalog.to_jsonb(t.*)::pg_catalog.text from %s t', auth_internal.qualified(source))],
                                       helper_search_path)
    loop
        if answer.failure is not null then
            raise exception using errcode = answer.state, message = answer.failure;
        end if;
        visible := answer.value::jsonb;
        return next;
    end loop;
end
$$;
comment on function auth.rows_visible_to is
    'Administrators: the rows of a table or view that an identity (as for auth.act_as(); NULL is nobody) sees as a role, as jsonb; the other arguments, and how it runs, are those of auth.explain_access(). It also fails where selecting the rows fails. 22023 for a bad argument, 42501 for a role that the caller may not SET ROLE to and for anybody but administrators.';

-- A table's isolation, tried with identities that are made up.

-- The column that says whose a row is: the one that is named, or the only one that auth.organization_columns() knows.
create function auth_internal.organization_column(source regclass, org_column name) returns name
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    columns name[];
begin
    select array_agg(a.attname) into columns
      from pg_attribute a
     where a.attrelid = organization_column.source and a.attnum > 0 and not a.attisdropped
       and case when organization_column.org_column is not null then a.attname = organization_column.org_column
                else a.attnum in (select c.org from auth_internal.organization_columns() c
                                   where c.source = organization_column.source) end;
    if cardinality(columns) = 1 then
        return columns[1];
    end if;
    raise invalid_parameter_value using
        message = 'org_column has to name the column of the organization',
        hint = 'A table of users has none: compare what auth.rows_visible_to() gives for two of them.';
end
$$;
comment on function auth_internal.organization_column is 'The column that says whose a row is; 22023 when there is none, or no single one.';

-- Whether a command's policies let a row through, as SQL; NULL when the role was not granted the command or no
-- policy lets anything through.
create function auth_internal.policy_condition(source regclass, as_role oid, cmd text, clause text, row_values jsonb) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('select ((%s)%s)::pg_catalog.text from pg_catalog.jsonb_populate_record(null::%s, %L::pg_catalog.jsonb) as %I',
                  string_agg('coalesce((' || p.expression || ')::pg_catalog.bool, false)', ' or ') filter (where p.polpermissive),
                  coalesce(string_agg(' and coalesce((' || p.expression || ')::pg_catalog.bool, false)', '')
                           filter (where not p.polpermissive), ''),
                  auth_internal.qualified(c.oid), policy_condition.row_values, c.relname)
      from pg_class c
      join (select p.polrelid, p.polpermissive,
                   pg_get_expr(case when policy_condition.clause = 'check' then coalesce(p.polwithcheck, p.polqual)
                                    else p.polqual end, p.polrelid) as expression
              from pg_policy p
             where p.polcmd::text in ('*', policy_condition.cmd)
               and (0 = any (p.polroles) or exists (select from unnest(p.polroles) r (oid)
                                                     where pg_has_role(policy_condition.as_role, r.oid, 'usage')))) p
        on p.polrelid = c.oid and p.expression is not null
     where c.oid = policy_condition.source
       and case policy_condition.cmd
           when 'a' then has_any_column_privilege(policy_condition.as_role, c.oid, 'insert')
           when 'w' then has_any_column_privilege(policy_condition.as_role, c.oid, 'update')
           else has_table_privilege(policy_condition.as_role, c.oid, 'delete') end
     group by c.oid, c.relname
    having bool_or(p.polpermissive)
$$;
comment on function auth_internal.policy_condition is 'A query for whether policies let a row through, or NULL when nothing does.';

-- Fails with what an identity can do to rows of others; returns whether it sees rows of its own organization.
create function auth_internal.try_isolation(
    source regclass, as_role oid, org_column name, org text, identity jsonb, own_row jsonb, foreign_row jsonb,
    helper_search_path text
) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    answer record;
    sees_own boolean := false;
    offence text;
begin
    for answer in
        select a.* from auth_internal.answers_for(
            as_role, auth_internal.policy_author(source, as_role), null, identity,
            array[format('select t.%I::pg_catalog.text from %s t group by 1', org_column, auth_internal.qualified(source)),
                  auth_internal.policy_condition(source, as_role, 'a', 'check', foreign_row),
                  auth_internal.policy_condition(source, as_role, 'w', 'using', foreign_row),
                  auth_internal.policy_condition(source, as_role, 'd', 'using', foreign_row),
                  auth_internal.policy_condition(source, as_role, 'w', 'check',
                                        own_row || jsonb_build_object(org_column, foreign_row -> org_column::text))],
            helper_search_path) a
    loop
        if answer.failure is not null then
            raise exception using errcode = answer.state, message = answer.failure;
        end if;
        if answer.query = 1 then
            sees_own := sees_own or answer.value is not distinct from org;
            offence := case when answer.value is distinct from org and answer.value is not null
                            then 'sees rows of organization ' || answer.value end;
        elsif answer.value = 'true' then
            offence := (array['', 'may insert rows of', 'may update rows of', 'may delete rows of', 'may move rows to'])[answer.query]
                       || ' organization ' || (foreign_row ->> org_column::text);
        end if;
        if offence is not null then
            raise assert_failure using
                message = format('%s is not isolated: %s %s', source,
                                 coalesce('an identity of organization ' || org,
                                          case when identity is null then 'nobody' else 'an identity without rows' end), offence),
                detail = format('As role %I with the identity %s.', pg_get_userbyid(as_role), coalesce(identity::text, 'of nobody'));
        end if;
    end loop;
    return sees_own;
end
$$;
comment on function auth_internal.try_isolation is 'P0004 when an identity reaches rows of others; otherwise whether it sees its own.';

create function auth.assert_isolated(
    source regclass, as_role name default null, org_column name default null,
    helper_search_path text default pg_catalog.current_setting('search_path')
) returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    most constant integer := 100;
    role_oid oid;
    column_name name;
    reason text;
    total bigint;
    tried bigint := 0;
    seeing bigint := 0;
    unknown bigint := 0;
    nobodys_row jsonb;
    sample record;
    stated jsonb;
    environment text;
begin
    perform auth_internal.require_administrator();
    if (select count(*) from pg_class c where c.oid = assert_isolated.source and c.relkind in ('r', 'p')) = 0 then
        raise invalid_parameter_value using message = 'the isolation of a table is tried, and this is none';
    end if;
    role_oid := auth_internal.asked_role(source, as_role);
    perform auth_internal.may_run_as(role_oid);
    column_name := auth_internal.organization_column(source, org_column);
    -- Whoever names a partition asks its policies, not those of the table.
    select auth_internal.policy_bypass(t.oid, role_oid) into reason
      from unnest(auth_internal.parts_of(source)) t (oid)
     where auth_internal.policy_bypass(t.oid, role_oid) is not null
       and (t.oid = source or exists (select from unnest('{select,insert,update,delete}'::text[]) c (command)
                                       where auth_internal.missing_grants(t.oid, role_oid, c.command) is null))
     order by t.oid <> source, t.oid limit 1;
    if reason is not null then
        raise assert_failure using message = format('%s is not isolated: %s', source, reason);
    end if;
    for sample in
        with found as materialized (
            select r.value as org, r.row_values as own, row_number() over w as n, count(*) over () as total,
                   coalesce(lead(r.row_values) over w, first_value(r.row_values) over w) as other
              from auth_internal.stored_rows(source, auth_internal.parts_of(source), null, column_name, 100000) r
            window w as (order by r.value rows between unbounded preceding and unbounded following))
        select f.* from found f
         where f.total <= most or f.n * most / f.total <> (f.n - 1) * most / f.total
         order by f.n
    loop
        total := sample.total;
        nobodys_row := sample.own;
        foreach environment in array array['live', 'test'] loop
            stated := jsonb_build_object('user_id', 'isolation test ' || gen_random_uuid(), 'org_id', sample.org,
                                         'permissions', '["*"]'::jsonb, 'scopes', '["*"]'::jsonb, 'environment', environment);
            begin
                perform auth_internal.described_identity(null, stated);
            exception when invalid_parameter_value then
                unknown := unknown + 1;
                exit;
            end;
            tried := tried + 1;
            if auth_internal.try_isolation(source, role_oid, column_name, sample.org, stated, sample.own,
                                  case when sample.total > 1 then sample.other end, helper_search_path) then
                seeing := seeing + 1;
            end if;
        end loop;
    end loop;
    if total is null then
        raise invalid_parameter_value using message = 'the table has no row of an organization to try with';
    end if;
    foreach stated in array array[
        null, jsonb_build_object('user_id', 'isolation test ' || gen_random_uuid()),
        jsonb_build_object('user_id', 'isolation test ' || gen_random_uuid(), 'org_id', gen_random_uuid(),
                           'permissions', '["*"]'::jsonb, 'scopes', '["*"]'::jsonb)]
    loop
        perform auth_internal.try_isolation(source, role_oid, column_name, null, stated, nobodys_row, nobodys_row, helper_search_path);
    end loop;
    return format('%s is isolated for role %I: identities of %s of its %s organizations in live and test, a stranger, a user without organization and nobody see and may write no row of others',
                  source, pg_get_userbyid(role_oid), tried / 2, total)
           || case when unknown > 0 then format('; %s organizations are disabled or have no such id', unknown) else '' end
           || case when seeing = 0 then '; none saw a row of its own either: see what else the policies ask for'
                   else format('; %s of %s identities saw rows of their own', seeing, tried) end;
end
$$;
comment on function auth.assert_isolated is
    'Administrators: tries whether identities of up to 100 organizations in a table, live and test, a stranger, a user without organization and nobody see rows of others as a role, or get past policies to write them (policies are evaluated, nothing is written); returns what was tried. as_role and helper_search_path, and how policies run, are those of auth.explain_access(). org_column: NULL is the one that auth.organization_columns() names. P0004 with the offence, 22023 for a bad argument and a table without rows, 42501 for whoever may not read all rows of the table and for anybody but administrators.';

-- What explaining access is made of. Whatever a table's owner wrote is run by auth_internal.answers_for() alone, as the role
-- that is asked about; here only catalogs are read.

-- May the role do nothing that the owner of the table may not? Attributes are not inherited.
create function auth_internal.is_within_owner(source regclass, as_role oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select pg_has_role(o.oid, r.oid, 'usage')
           and (o.rolsuper or r.rolcreaterole <= o.rolcreaterole and r.rolcreatedb <= o.rolcreatedb
                              and r.rolreplication <= o.rolreplication and r.rolbypassrls <= o.rolbypassrls)
      from pg_class c
      join pg_roles o on o.oid = c.relowner
      join pg_roles r on r.oid = is_within_owner.as_role
     where c.oid = is_within_owner.source
$$;
comment on function auth_internal.is_within_owner is 'May the role do nothing that the owner of the table may not?';

-- The role that is asked about: the one that is named, or the only one that the table was granted to. The table's
-- owner chose whom they granted it to, and their policies run as that role, so that it has to be named by whoever asks
-- where it may do what the owner may not.
create function auth_internal.asked_role(source regclass, as_role name) returns oid
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    chosen oid;
    candidates name[];
    granted_to text;
begin
    if source is null or not exists (select from pg_class c where c.oid = asked_role.source) then
        raise invalid_parameter_value using message = 'there is no such table';
    end if;
    if as_role is not null then
        select r.oid into chosen from pg_roles r where r.rolname = asked_role.as_role;
        if chosen is null then
            raise invalid_parameter_value using message = 'there is no such role';
        end if;
        return chosen;
    end if;
    select array_agg(r.rolname order by r.rolname), min(r.oid::bigint)::oid into candidates, chosen
      from pg_roles r
      join pg_class c on c.oid = asked_role.source
     where not r.rolsuper and not r.rolbypassrls and not pg_has_role(r.oid, c.relowner, 'usage')
       and r.rolname not in (select o.name from auth_internal.our_roles() o)
       and not exists (select from pg_roles g
                        where g.oid < 16384 and starts_with(g.rolname, 'pg_') and pg_has_role(r.oid, g.oid, 'member'))
       and exists (select from (select c.relacl union all
                                select t.attacl from pg_attribute t where t.attrelid = c.oid) g (acl),
                               aclexplode(g.acl) a
                    where a.grantee = r.oid
                      and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE'));
    if cardinality(candidates) = 1 and auth_internal.is_within_owner(source, chosen) then
        return chosen;
    end if;
    granted_to := 'The table is granted to ' || (select string_agg(quote_ident(n.name), ', ' order by n.name) from unnest(candidates) n (name));
    raise invalid_parameter_value using
        message = 'as_role has to say which role is asked about',
        hint = case when granted_to is null then 'The table is granted to no role by name.'
                    when cardinality(candidates) > 1 then granted_to || '.'
                    else granted_to || ', which may do what the table''s owner may not: policies run as that role only when you name it.' end;
end
$$;
comment on function auth_internal.asked_role is 'The role that is asked about, or for NULL the only one that the table is granted to, unless it may do what the table''s owner may not; 22023 otherwise.';

-- The tables in which the rows of a table are, for a query of it.
create function auth_internal.parts_of(source regclass) returns oid[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select array_agg(t.part) from auth_internal.table_tree(parts_of.source) t where not t.is_being_detached
$$;
comment on function auth_internal.parts_of is 'The tables that a query of this one reads.';

-- The privileges that a command takes.
create function auth_internal.privileges_for(command text) returns text[]
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case command when 'select' then '{SELECT}' when 'insert' then '{INSERT}'
                        when 'insert returning' then '{INSERT,SELECT}' when 'update' then '{SELECT,UPDATE}'
                        when 'delete' then '{SELECT,DELETE}' when 'upsert' then '{INSERT,SELECT,UPDATE}' end::text[]
$$;
comment on function auth_internal.privileges_for is 'The privileges that a command takes; NULL for an unknown one.';

-- What a role was not granted, in words; NULL when nothing is missing.
create function auth_internal.missing_grants(source regclass, as_role oid, command text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
           when not has_schema_privilege(missing_grants.as_role, c.relnamespace, 'usage')
               then format('role %I lacks USAGE on schema %I', r.rolname, n.nspname)
           else (select format('role %I lacks %s on %s', r.rolname, string_agg(w.privilege, ', ' order by w.privilege), c.oid::regclass)
                   from unnest(auth_internal.privileges_for(missing_grants.command)) w (privilege)
                  where not has_table_privilege(missing_grants.as_role, c.oid, w.privilege)
                    and (w.privilege = 'DELETE' or not has_any_column_privilege(missing_grants.as_role, c.oid, w.privilege))
                 having count(*) > 0) end
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_roles r on r.oid = missing_grants.as_role
     where c.oid = missing_grants.source
$$;
comment on function auth_internal.missing_grants is 'What a role was not granted for a command, in words, or NULL.';

-- Which columns alone a role was granted, in words; NULL when it was granted the table.
create function auth_internal.column_grants(source regclass, as_role oid, command text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select string_agg(format('; %s is granted only on %s', w.privilege, c.columns), '' order by w.privilege)
      from unnest(auth_internal.privileges_for(column_grants.command)) w (privilege)
     cross join lateral (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
                           from pg_attribute a
                          where a.attrelid = column_grants.source and a.attnum > 0 and not a.attisdropped
                            and w.privilege <> 'DELETE'
                            and has_column_privilege(column_grants.as_role, a.attrelid, a.attnum, w.privilege)) c
     where not has_table_privilege(column_grants.as_role, column_grants.source, w.privilege)
$$;
comment on function auth_internal.column_grants is 'Which columns alone a role was granted, in words, or NULL.';

-- Why the policies of a table do not count for a role, in words; NULL when they do.
create function auth_internal.policy_bypass(source regclass, as_role oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
           when not c.relrowsecurity then format('row-level security is not enabled on %s', c.oid::regclass)
           when r.rolsuper then format('role %I is a superuser', r.rolname)
           when r.rolbypassrls then format('role %I has BYPASSRLS', r.rolname)
           when not c.relforcerowsecurity and pg_has_role(r.oid, c.relowner, 'usage')
               then format('%s belongs to role %I, whose row-level security is not forced', c.oid::regclass, r.rolname)
           end
      from pg_class c join pg_roles r on r.oid = policy_bypass.as_role
     where c.oid = policy_bypass.source
$$;
comment on function auth_internal.policy_bypass is 'Why a table''s policies do not count for a role, in words, or NULL.';

-- As whom the text of a table's policies is read: as its owner, who may use what is named in it, unless he is one as whom
-- nothing is run and a constant in it could be of a type whose input runs functions of others.
create function auth_internal.policy_author(source regclass, as_role oid) returns oid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when (r.rolsuper or r.rolname = 'bearer_owner')
                     and exists (select from pg_policy p
                                   join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
                                                   and d.refclassid = 'pg_type'::regclass
                                   join pg_type t on t.oid = d.refobjid
                                  where p.polrelid = c.oid and (t.typtype not in ('b', 'e') or t.typelem <> 0))
                then policy_author.as_role else c.relowner end
      from pg_class c join pg_roles r on r.oid = c.relowner
     where c.oid = policy_author.source
$$;
comment on function auth_internal.policy_author is 'As whom the text of a table''s policies is read when they are explained for a role.';

-- What of policies a command asks, one after the other: the SELECT policies wherever rows are found or shown.
create function auth_internal.policy_steps(command text) returns table (step bigint, policies text, cmd text, clause text, purpose text)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select row_number() over (order by s.n), s.policies, s.cmd, s.clause, s.purpose
      from (values (1, '{insert,insert returning,upsert}'::text[], 'INSERT', 'a', 'check', ''),
                   (2, '{select}', 'SELECT', 'r', 'using', ''),
                   (3, '{insert returning}', 'SELECT', 'r', 'using', 'the row may be inserted, but RETURNING has to show it: '),
                   (4, '{update,delete}', 'SELECT', 'r', 'using', 'the row has to be found first: '),
                   (5, '{upsert}', 'SELECT', 'r', 'using', 'ON CONFLICT has to read the row: '),
                   (6, '{update}', 'UPDATE', 'w', 'using', ''),
                   (7, '{upsert}', 'UPDATE', 'w', 'using', 'the row that is there may not be updated: '),
                   (8, '{update,upsert}', 'UPDATE', 'w', 'check', 'the row may not be written as it is then: '),
                   (9, '{delete}', 'DELETE', 'd', 'using', ''))
           s (n, commands, policies, cmd, clause, purpose)
     where policy_steps.command = any (s.commands)
$$;
comment on function auth_internal.policy_steps is 'Which policies a command asks, one after the other.';

-- Why a call has its value, in words; NULL when that explains itself.
create function auth_internal.call_reason(called text, arguments jsonb, shown jsonb) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case
           when shown is null and called not in ('user_id', 'uid') then 'nobody is signed in'
           when called in ('in_org', 'is_member', 'is_workspace_member') and arguments ->> 0 is null then 'it is asked about NULL'
           when called = 'in_org' then
               coalesce('the current organization of ' || u.name || ' is ' || (shown ->> 'org_id') || ', not ' || (arguments ->> 0),
                        u.name || ' has no current organization')
           when called in ('current_org', 'external_org_id', 'external_org_number') then
               coalesce('the organization ' || (shown ->> 'org_id') || ' has no external_id'
                        || case called when 'external_org_number' then ' that is a number' else '' end,
                        u.name || ' has no current organization')
           when called = 'current_workspace' then u.name || ' has no current workspace'
           when called = 'is_member' then u.name || ' is not a member of ' || (arguments ->> 0)
           when called = 'is_workspace_member' then u.name || ' is not a member of the workspace ' || (arguments ->> 0)
           when called = 'has_permission' then
               u.name || ' does not have the permission ' || (arguments ->> 0) || ' in '
               || coalesce(shown ->> 'org_id', 'any current organization') || coalesce(' as ' || (shown ->> 'org_role'), '')
           when called = 'has_permission_in' then
               u.name || ' does not have the permission ' || (arguments ->> 0) || ' in ' || (arguments ->> 1)
           when called = 'has_scope' then 'the scope ' || (arguments ->> 0) || ' was not granted'
           when called in ('aal', 'amr', 'session_id') then 'the credential does not say it'
           when called = 'signed_in_within' then
               'the credential does not say that ' || u.name || ' signed in less than ' || (arguments ->> 0) || ' ago'
           when called = 'is_service_role' then 'the identity is no verified service credential'
           when called = 'allows_table' then 'the API key is not for this table' end
      from (select coalesce(case when shown ->> 'kind' = 'api_key' then 'the API key' || coalesce(' of user ' || (shown ->> 'user_id'), '') end,
                            'user ' || (shown ->> 'user_id'), 'the identity') as name) u
$$;
comment on function auth_internal.call_reason is 'Why one of our functions answers no, in words, or NULL.';

-- The value in the row that a call is compared with, as {"column": …, "value": …}; NULL unless all that a policy does
-- with the call is to compare it with one column.
create function auth_internal.compared_with(called text, conditions text[], row_values jsonb) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    with pattern (call, compared) as (
        select p.call, '\(([a-z_][a-z0-9_]*|"(?:[^"]|"")+")\)?(?:::[a-z ]+)? = ' || p.call
          from (select regexp_replace(called, '([^[:alnum:]_])', '\\\1', 'g')) p (call)
    ), condition (shown) as (
        select distinct c.shown from unnest(conditions) c (shown) where strpos(c.shown, called) > 0
    )
    select jsonb_build_object('column', min(n.name), 'value', row_values -> min(n.name))
      from pattern p
     cross join condition c
     cross join lateral regexp_matches(c.shown, p.compared, 'g') m (parts)
     cross join lateral (select (parse_ident(m.parts[1]))[1] as name) n
    having min(n.name) = max(n.name) and row_values ? min(n.name)
       and count(*) = (select sum(regexp_count(c.shown, p.call)) from pattern p cross join condition c)
$$;
comment on function auth_internal.compared_with is 'The column that a call is compared with and its value in the row, or NULL.';

-- What a policy says of a row for an identity: its verdicts, and the values of our functions in it.
create function auth_internal.policy_reading(
    policy oid, as_role oid, credential text, identity jsonb, shown jsonb, clauses text[], row_values jsonb,
    helper_search_path text
) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found record;
    calls jsonb;
    queries text[];
    answers jsonb;
    place text := '';
begin
    select p.polrelid as source, c.relname, pg_get_expr(p.polqual, p.polrelid) as qual,
           pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid) as checked,
           p.polqual::text as qual_tree, p.polwithcheck::text as check_tree
      into found
      from pg_policy p join pg_class c on c.oid = p.polrelid where p.oid = policy_reading.policy;
    if row_values is not null then
        place := format(' from pg_catalog.jsonb_populate_record(null::%s, %L::pg_catalog.jsonb) as %I',
                        auth_internal.qualified(found.source), row_values, found.relname);
        queries := array[
            case when 'using' = any (clauses) and found.qual is not null then format('select ((%s)::pg_catalog.bool)::pg_catalog.text%s', found.qual, place) end,
            case when 'check' = any (clauses) and found.checked is not null then format('select ((%s)::pg_catalog.bool)::pg_catalog.text%s', found.checked, place) end];
    else
        queries := array[null, null]::text[];
    end if;
    select coalesce(jsonb_agg(jsonb_build_object('call', c.call, 'called', c.called, 'arguments', c.arguments) order by c.n), '[]')
      into calls
      from (select distinct on (x.call) x.call, x.called, x.arguments, x.n
              from (select f.*, 0 + f.ordinality as n
                      from auth_internal.calls_in(found.qual_tree, found.source) with ordinality f
                    union all
                    select f.*, 1000000 + f.ordinality
                      from auth_internal.calls_in(found.check_tree, found.source) with ordinality f) x
             where row_values is not null or not x.uses_columns
             order by x.call, x.n) c;
    select queries || coalesce(array_agg(q.query order by q.n, q.m), '{}') into queries
      from (select c.n, m.m,
                   case m.m when 1 then format('select pg_catalog.to_jsonb(%s)::pg_catalog.text%s', c.item ->> 'call', place)
                            else format('select pg_catalog.jsonb_build_array(%s)::pg_catalog.text%s',
                                        (select string_agg(a.argument, ', ' order by a.n)
                                           from jsonb_array_elements_text(c.item -> 'arguments') with ordinality a (argument, n)),
                                        place) end
              from jsonb_array_elements(calls) with ordinality c (item, n), (values (1), (2)) m (m)) q (n, m, query);
    select jsonb_object_agg(a.query, jsonb_build_object('value', a.value, 'failure', a.failure)) into answers
      from auth_internal.answers_for(as_role, auth_internal.policy_author(found.source, as_role), credential, identity, queries, helper_search_path) a;
    return jsonb_build_object(
        'using', auth_internal.verdict_text(answers -> '1'), 'check', auth_internal.verdict_text(answers -> '2'),
        'calls', (select coalesce(jsonb_agg(jsonb_build_object('call', c.item ->> 'call', 'called', c.item ->> 'called',
                                   'value', coalesce(to_jsonb('error: ' || (v.answer ->> 'failure')), (v.answer ->> 'value')::jsonb, 'null'),
                                   'matches', w.compared ->> 'value' = (v.answer ->> 'value')::jsonb #>> '{}',
                                   'reason', case when v.answer ->> 'failure' is not null then null
                                                  when coalesce(v.answer ->> 'value', 'null') in ('false', 'null') then
                                       auth_internal.call_reason(c.item ->> 'called', (answers -> (2 * c.n + 2)::text ->> 'value')::jsonb, shown) end,
                                   'compared', w.compared)
                                   order by c.n), '[]')
                    from jsonb_array_elements(calls) with ordinality c (item, n)
                   cross join lateral (select answers -> (2 * c.n + 1)::text) v (answer)
                   cross join lateral (select auth_internal.compared_with(c.item ->> 'call', array[found.qual, found.checked], row_values)) w (compared)));
end
$$;
comment on function auth_internal.policy_reading is 'The verdicts of a policy on a row for an identity, and the values of our functions in it.';

-- true, false, null, or an error; NULL for what was not asked.
create function auth_internal.verdict_text(answer jsonb) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when answer is not null
                then coalesce('error: ' || (answer ->> 'failure'), answer ->> 'value', 'null') end
$$;
comment on function auth_internal.verdict_text is 'A verdict as text; NULL for what was not asked.';

-- The values of our functions in policies, as reasons.
create function auth_internal.reading_words(reading jsonb) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select string_agg((c.item ->> 'call') || ' is ' || coalesce(c.item ->> 'value', 'null') || coalesce(' because ' || (c.item ->> 'reason'), '')
                      || coalesce(', and ' || quote_ident(c.item -> 'compared' ->> 'column') || ' of the row is '
                                  || coalesce(c.item -> 'compared' ->> 'value', 'null'), ''),
                      '; ' order by c.n)
      from jsonb_array_elements(reading -> 'calls') with ordinality c (item, n)
     where c.item -> 'value' <> 'true' and (c.item ->> 'matches')::boolean is not true
$$;
comment on function auth_internal.reading_words is 'The values of our functions in a policy, in words.';

-- What follows from the policies for a command; readings are what auth.explain_access() collects.
create function auth_internal.access_verdict(command text, rolename name, readings jsonb, has_row boolean) returns text
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    step record;
    asked record;
begin
    for step in select * from auth_internal.policy_steps(command) s order by s.step loop
        select count(*) filter (where v.permissive) as permissive,
               bool_or(v.verdict = 'true') filter (where v.permissive) as granted,
               min(v.name) filter (where v.verdict like 'error: %') as broken,
               min(v.verdict) filter (where v.verdict like 'error: %') as error,
               min(v.name) filter (where not v.permissive and v.verdict <> 'true') as barred,
               string_agg(v.words, '; ') filter (where v.permissive) as words,
               min(v.words) filter (where not v.permissive and v.verdict <> 'true') as bar
          into asked
          from (select r.item ->> 'policy' as name, (r.item ->> 'permissive')::boolean as permissive,
                       r.item -> 'reading' ->> step.clause as verdict, auth_internal.reading_words(r.item -> 'reading') as words
                  from jsonb_array_elements(readings) r (item)
                 where r.item ->> 'cmd' in ('*', step.cmd) and r.item ->> step.clause is not null) v;
        if asked.permissive = 0 then
            return format('denied: %sno permissive %s policy applies to role %I', step.purpose, step.policies, rolename);
        elsif not has_row then
            continue;
        elsif asked.broken is not null then
            return format('fails: %spolicy %I raises an error (%s)', step.purpose, asked.broken, substr(asked.error, 8));
        elsif asked.granted is not true then
            return format('denied: %sno permissive %s policy is true', step.purpose, step.policies) || coalesce('; ' || asked.words, '');
        elsif asked.barred is not null then
            return format('denied: %sthe restrictive policy %I is not true', step.purpose, asked.barred) || coalesce('; ' || asked.bar, '');
        end if;
    end loop;
    return case when has_row then format('allowed: the policies for %s are true for role %I', upper(command), rolename)
                else format('depends on the row: name one with row_key, for role %I', rolename) end;
end
$$;
comment on function auth_internal.access_verdict is 'What follows from the verdicts of all policies, in words.';

-- Why guards refuse a command, and the statement that is right: no row where they do not.

-- The table, and all that it inherits from, nearest first.
create function auth_internal.table_ancestors(source oid) returns table (ancestor oid, level integer)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive above (oid, level) as (
        select table_ancestors.source, 0
        union
        select i.inhparent, a.level + 1 from above a join pg_inherits i on i.inhrelid = a.oid)
    select a.oid, min(a.level) from above a group by a.oid order by 2, 1
$$;
comment on function auth_internal.table_ancestors is 'A table and all that it inherits from, nearest first.';

-- As its own policies say, and those of each table that it inherits from.
create function auth_internal.guard_table(source oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select f.fault, f.repair
      from auth_internal.table_ancestors(guard_table.source) a
     cross join lateral (select auth_internal.protection_of(a.ancestor) as settings) s
     cross join lateral auth_internal.protection_faults(guard_table.source, s.settings) with ordinality f (fault, repair, n)
     where s.settings is not null
     order by a.level, f.n limit 1
$$;
comment on function auth_internal.guard_table is 'Why a table is other than its policies, or those of a table that it inherits from, say.';

create function auth_internal.guard_owner(source oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('%s would belong to %I, who logs in or whom no policy binds', t.name, r.rolname),
           format('alter table %s owner to a role without LOGIN, SUPERUSER and BYPASSRLS', t.name)
      from pg_class c
      join pg_roles r on r.oid = c.relowner and (r.rolcanlogin or r.rolsuper or r.rolbypassrls)
     cross join lateral (select auth_internal.qualified(c.oid) as name) t
     where c.oid = guard_owner.source and auth_internal.protection_of(c.oid) is not null
$$;
comment on function auth_internal.guard_owner is 'Why a protected table cannot have the owner that it has: one who logs in, or whom no policy binds.';

-- Rows are read through a parent by its policies alone. The parent that is furthest away comes first: auth.protect() protects
-- all below it.
create function auth_internal.guard_parents(source oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('rows of %s could be read through %s, which is not protected',
                  auth_internal.qualified(t.part), auth_internal.qualified(a.ancestor)),
           auth_internal.protection_call(a.ancestor, s.settings)
      from auth_internal.table_ancestors(guard_parents.source) a
     cross join auth_internal.table_tree(guard_parents.source) with ordinality t (part, is_being_detached, n)
     cross join lateral (select auth_internal.protection_of(t.part) as settings) s
     where s.settings is not null and auth_internal.protection_of(a.ancestor) is null
     order by a.level desc, a.ancestor, t.n limit 1
$$;
comment on function auth_internal.guard_parents is 'Why a table cannot be under another, or have another under it: rows of a protected table could be read through one that is not.';

create function auth_internal.guard_policy(policy oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('policy %I would open %s further: permissive policies add up', p.polname, t.name),
           format('create policy %I on %s as restrictive …', p.polname, t.name)
      from pg_policy p
     cross join lateral (select auth_internal.qualified(p.polrelid) as name) t
     where p.oid = guard_policy.policy and p.polpermissive and p.polname <> all (auth_internal.protection_policy_names())
       and exists (select from auth_internal.table_ancestors(p.polrelid) a where auth_internal.protection_of(a.ancestor) is not null)
$$;
comment on function auth_internal.guard_policy is 'Why a policy cannot be: a permissive one of somebody else on a protected table.';

-- Where the last policy of ours went, nothing tells any more that the table was protected, but what it was called.
create function auth_internal.guard_lost(source oid, policies name[]) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('policies of auth.protect() on %s are gone', auth_internal.qualified(guard_lost.source)),
           auth_internal.protection_call(guard_lost.source, '{}')
     where auth_internal.protection_of(guard_lost.source) is null
       and guard_lost.policies && auth_internal.protection_policy_names()
    union all
    select g.fault, g.repair from auth_internal.guard_table(guard_lost.source) g
$$;
comment on function auth_internal.guard_lost is 'Why policies with these names, or something else, cannot be dropped from a table.';

-- An index is known by its name and schema alone. Small tables have the one that they need, because auth.protect() makes it; of large
-- ones those count whose index it had named.
create function auth_internal.guard_index(schema name, index name) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('no index of %s finds the rows of an organization any more', auth_internal.qualified(c.oid)),
           auth_internal.protection_call(c.oid, s.settings)
      from pg_namespace n
      join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and c.relrowsecurity and not c.relispartition
     cross join lateral (select auth_internal.protection_of(c.oid) as settings) s
     where n.nspname = guard_index.schema and s.settings is not null
       and exists (select from auth_internal.protection_index(c.oid, s.settings, pg_get_userbyid(c.relowner)))
       and (auth_internal.protection_is_small(c.oid)
            or guard_index.index in (('bearer_' || c.relname)::name,
                                     (substring(guard_index.index from '^bearer_[0-9]+_') || c.relname)::name))
     limit 1
$$;
comment on function auth_internal.guard_index is 'Why an index cannot be dropped: a protected table needs it.';

-- Guards: event triggers that keep protected tables protected while they are changed. They are no members of the extension, so
-- that pg_dump carries them.

-- The event triggers: ALWAYS, because others are silent where session_replication_role is replica.
create function auth_internal.guard_triggers() returns table (name name, event text, function name)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    values ('bearer_guard_changes'::name, 'ddl_command_end', 'guard_changes'::name), ('bearer_guard_drops', 'sql_drop', 'guard_drops')
$$;
comment on function auth_internal.guard_triggers is 'The event triggers that auth.guard() makes.';

create function auth_internal.demand_superuser() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform from pg_roles r where r.rolname = current_user and r.rolsuper;
    if not found then
        perform auth_internal.refuse('42501', 'only superusers make guards and take them away', null);
    end if;
end
$$;
comment on function auth_internal.demand_superuser is '42501 unless the caller is a superuser.';

-- The caller makes them: Postgres lets nobody but superusers.
create function auth.guard(schemas name[] default null, new_tables text default 'protect') returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    wanted record;
    is_new boolean;
begin
    perform auth_internal.demand_superuser();
    if coalesce(guard.new_tables, '') not in ('protect', 'refuse', 'ignore') then
        perform auth_internal.refuse('22023', 'new_tables has a value that is not allowed', 'It is protect, refuse or ignore.');
    end if;
    -- 22023 for a schema that does not exist.
    perform auth_internal.lint_schemas(guard.schemas);
    is_new := exists (select from auth_internal.lint_guards())
              or not exists (select from auth.guard_settings g
                              where g.schemas is not distinct from guard.schemas and g.new_tables = guard.new_tables);
    for wanted in select t.* from auth_internal.guard_triggers() t loop
        if exists (select from pg_event_trigger e where e.evtname = wanted.name) then
            execute format('drop event trigger %I', wanted.name);
        end if;
        execute format('create event trigger %I on %s execute function auth_internal.%I()', wanted.name, wanted.event, wanted.function);
        execute format('alter event trigger %I enable always', wanted.name);
    end loop;
    perform auth_internal.commit_durably();
    insert into auth.guard_settings as g (schemas, new_tables) values (guard.schemas, guard.new_tables)
        on conflict (single) do update set schemas = excluded.schemas, new_tables = excluded.new_tables;
    if is_new then
        perform auth_internal.audit('guards.guard', null, null, null, jsonb_build_object('new_tables', guard.new_tables));
    end if;
end
$$;
comment on function auth.guard is
    'Administrators who are superusers: guards every table that auth.protect() protects, whoever changes it: a command after which one lacks row security, FORCE, one of its policies, a default or its index, has a new permissive policy of somebody else, an open partition, child or parent, or an owner who logs in, is refused, and told the statement that is right. New partitions and children of protected tables are protected by the command that makes them. new_tables says what becomes of other tables in these schemas (NULL: all of applications) that are made, renamed, moved there or given a column for the organization: protect, with the usual settings; refuse; ignore. Called again it replaces what was asked for. The event triggers and this are in dumps. 22023 for a bad argument, 42501 for others.';

create function auth.unguard() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    made record;
    guarded boolean := exists (select from auth.guard_settings);
begin
    perform auth_internal.demand_superuser();
    for made in select t.name from auth_internal.guard_triggers() t join pg_event_trigger e on e.evtname = t.name loop
        execute format('drop event trigger %I', made.name);
        guarded := true;
    end loop;
    delete from auth.guard_settings;
    if guarded then
        perform auth_internal.audit('guards.unguard', null, null);
    end if;
end
$$;
comment on function auth.unguard is
    'Administrators who are superusers: takes away what auth.guard() made. Tables stay protected, and are guarded no more. 42501 for others.';

create function auth.guards() returns table (schemas name[], new_tables text, intact boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query
    select g.schemas, g.new_tables, not exists (select from auth_internal.lint_guards())
      from auth.guard_settings g;
end
$$;
comment on function auth.guards is
    'Administrators: what auth.guard() was asked for; no row without guards. intact is false when auth.lint() finds that they do not guard everything (guard_off). 42501 for others.';

-- The function is in src/pg/functions/guards.rs.
comment on function auth.allow_changes is
    'Administrators: lets the rest of the transaction change protected tables and make new ones, as if there were no guards; a rollback to a savepoint before it takes it back. Noted in the server log. 42501 for others and for whoever acts for somebody.';
comment on function auth_internal.guard_is_off is 'Do the guards look away: by auth.allow_changes() or the setting pg_bearer.allow_changes, or in the middle of auth.protect()?';
comment on function auth_internal.command_changes is 'What a command changed of a table: owner, name, and the numbers of new columns and of those of another type. Empty for NULL.';
comment on function auth_internal.run_protection is 'Runs auth_internal.protection_run() as the caller, with the guards looking away until all its steps are done, and notes what was done in the audit log. NULL for NULL.';
comment on function auth_internal.run_unprotection is 'Runs auth_internal.protection_undo() as the caller, and notes what was done in the audit log. NULL for NULL.';
comment on function auth_internal.protect_as_owner is 'Calls auth.protect() with these settings as the table''s owner, in a security-restricted operation. NULL for NULL.';

-- Tables that a command made, or that came to where guards look.

-- The column that says to which organization a row belongs: filled by us, or surely so named, of a type that auth.protect() takes.
create function auth_internal.guard_column(source oid) returns name
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
    select a.attname
      from pg_attribute a
      join auth_internal.column_readers() r on r.kind = 'organization' and r.type = auth_internal.base_type(a.atttypid)
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      left join pg_collation l on l.oid = a.attcollation
      left join auth_internal.organization_names() n on n.name = a.attname and n.place <= 2
     cross join lateral (select coalesce(a.attgenerated = '' and pg_get_expr(d.adbin, d.adrelid) = r.reader, false) as is_filled) f
     where a.attrelid = guard_column.source and a.attnum > 0 and not a.attisdropped
       and a.attgenerated <> 'v' and coalesce(l.collisdeterministic, true)
       and (f.is_filled or n.name is not null)
     order by f.is_filled desc, n.place, a.attnum limit 1
$$;
comment on function auth_internal.guard_column is 'The column of a new table that says to which organization a row belongs; NULL without one.';

create function auth_internal.guard_new_table(source oid, tag text, is_member boolean, changes text[])
    returns table (fault text, repair text)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_made constant boolean := tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO');
    settings jsonb;
    wanted text;
    org_column name;
begin
    -- Protected, or somebody's own business.
    if exists (select from pg_policy p where p.polrelid = source) then
        return;
    end if;
    if exists (select from pg_inherits i where i.inhrelid = source) then
        select s.settings into settings
          from auth_internal.table_ancestors(source) a
         cross join lateral (select auth_internal.protection_of(a.ancestor) as settings) s
         where s.settings is not null order by a.level limit 1;
        if found then
            -- One that was there before is left to whoever attaches it.
            perform auth_internal.protect_as_owner(source, settings) where is_made;
            return;
        end if;
    end if;
    select g.new_tables into wanted
      from auth.guard_settings g
      join pg_class c on c.oid = source and not c.relispartition
      join pg_namespace n on n.oid = c.relnamespace and (g.schemas is null or n.nspname = any (g.schemas));
    org_column := auth_internal.guard_column(source);
    if coalesce(wanted, 'ignore') = 'ignore' or is_member or org_column is null
       or not (is_made or 'name' = any (changes)
               or exists (select from pg_attribute a
                           where a.attrelid = source and a.attname = org_column and a.attnum::text = any (changes))) then
        return;
    end if;
    settings := jsonb_build_object('organization', org_column, 'roles', '[0]'::jsonb, 'all_orgs', false, 'single_login', false);
    if wanted = 'refuse' then
        fault := format('%s has a column for the organization, %I, and is not protected', auth_internal.qualified(source), org_column);
        repair := auth_internal.protection_call(source, settings);
        return next;
    else
        perform auth_internal.protect_as_owner(source, settings);
    end if;
end
$$;
comment on function auth_internal.guard_new_table is 'Protects a table that the command made, or brought to where guards look; or why that is refused.';

-- auth_internal.protect_as_owner() calls it.
create function auth_internal.protection_repeated(source oid, settings jsonb) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.protect(
        source::regclass, (settings ->> 'organization')::name, (settings ->> 'workspace')::name, (settings ->> 'owner')::name,
        (settings ->> 'environment')::name, settings ->> 'resource', auth_internal.protection_role_names(settings),
        false, (settings ->> 'all_orgs')::boolean, (settings ->> 'single_login')::boolean);
end
$$;
comment on function auth_internal.protection_repeated is 'Calls auth.protect() with these settings.';

-- What the event triggers run, after every command of the database. A table is judged by what it is when the command is done. They run as
-- bearer_owner, read catalogs and evaluate nothing of anybody's: whoever changes the table may be a superuser. Before a table of an
-- application is touched they call nothing of ours, which an update may just be replacing. To compile their queries would take longer
-- than all the rest.

create function auth_internal.guard_changes() returns event_trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
    set jit = off as $$
declare
    tables oid[];
    commands jsonb;
    command record;
    refused record;
begin
    tables := array(
        select distinct r.oid
          from pg_event_trigger_ddl_commands() c
          left join pg_policy p on c.classid = 'pg_policy'::regclass and p.oid = c.objid
          join pg_class r on r.oid = case c.classid when 'pg_class'::regclass then c.objid else p.polrelid end
          join pg_namespace n on n.oid = r.relnamespace
         where r.relkind in ('r', 'p', 'f') and r.relpersistence <> 't'
           and n.nspname not in ('auth', 'auth_internal', 'information_schema') and n.nspname !~ '^pg_'
        union
        -- Roles that go from policies are in no list.
        select p.polrelid from pg_policy p where tg_tag = 'DROP OWNED');
    if tables = '{}' then
        return;
    end if;
    if auth_internal.guard_is_off() then
        return;
    end if;
    select jsonb_agg(jsonb_build_object('class', c.classid, 'object', c.objid, 'tag', c.command_tag, 'is_member', c.in_extension,
                                        'changes', auth_internal.command_changes(c.command)))
      into commands
      from pg_event_trigger_ddl_commands() c where c.classid in ('pg_class'::regclass, 'pg_policy'::regclass);
    for command in
        select x.object, x.tag, x.is_member, array(select jsonb_array_elements_text(x.changes)) as changes
          from jsonb_to_recordset(commands) x (class oid, object oid, tag text, is_member boolean, changes jsonb)
          join pg_class r on r.oid = x.object and r.relkind in ('r', 'p')
         where x.class = 'pg_class'::regclass and x.object = any (tables)
    loop
        select g.* into refused
          from auth_internal.guard_new_table(command.object, command.tag, command.is_member, command.changes) g;
        exit when found;
    end loop;
    if refused is null then
        select g.* into refused
          from jsonb_to_recordset(commands) x (class oid, object oid, tag text, changes jsonb)
         cross join lateral auth_internal.guard_parents(x.object) g
         where x.class = 'pg_class'::regclass
           -- What belongs to a protected table is under no other.
           and (x.changes ? 'parent'
                or x.tag = 'CREATE TABLE' and exists (select from pg_inherits i
                                                       where i.inhrelid = x.object and auth_internal.protection_of(i.inhparent) is not null))
         limit 1;
    end if;
    -- Nothing that has no policies is protected; most tables cost no more than this.
    tables := array(select t.oid from unnest(tables) t (oid)
                     where exists (select from auth_internal.table_ancestors(t.oid) a join pg_policy p on p.polrelid = a.ancestor));
    if refused is null and tables <> '{}' then
        select f.fault, f.repair into refused
          from (select 1 as place, g.*
                  from unnest(tables) t (oid) cross join lateral auth_internal.guard_table(t.oid) g
                union all
                select 2, g.*
                  from jsonb_to_recordset(commands) x (class oid, object oid, changes jsonb)
                 cross join lateral auth_internal.guard_owner(x.object) g
                 where x.class = 'pg_class'::regclass and x.changes ? 'owner'
                union all
                select 3, g.*
                  from jsonb_to_recordset(commands) x (class oid, object oid, tag text)
                 cross join lateral auth_internal.guard_policy(x.object) g
                 where x.class = 'pg_policy'::regclass and x.tag in ('CREATE POLICY', 'ALTER POLICY')) f
         order by f.place limit 1;
    end if;
    if refused is not null then
        perform auth_internal.refuse_command(refused.fault, refused.repair);
    end if;
end
$$;
comment on function auth_internal.guard_changes is 'The event trigger that judges tables after a command that changed them.';

-- What was dropped is known by name alone; what it was dropped from is still there.
create function auth_internal.guard_drops() returns event_trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
    set jit = off as $$
declare
    dropped jsonb;
    refused record;
begin
    select jsonb_agg(jsonb_build_object('type', d.object_type, 'schema', d.address_names[1], 'relation', d.address_names[2],
                                        'name', d.address_names[3]))
      into dropped
      from pg_event_trigger_dropped_objects() d
     where d.object_type in ('policy', 'default value', 'table column', 'index') and not d.is_temporary
       -- Not those that go with their table.
       and (d.object_type <> 'index' or d.original or tg_tag = 'ALTER TABLE')
       and d.address_names[1] not in ('auth', 'auth_internal', 'information_schema') and d.address_names[1] !~ '^pg_';
    if dropped is null then
        return;
    end if;
    if auth_internal.guard_is_off() then
        return;
    end if;
    select f.fault, f.repair into refused
      from (select 1 as place, g.*
              from (select c.oid, coalesce(array_agg(x.name) filter (where x.type = 'policy'), '{}') as policies
                      from jsonb_to_recordset(dropped) x (type text, schema name, relation name, name name)
                      join pg_namespace n on n.nspname = x.schema
                      join pg_class c on c.relnamespace = n.oid and c.relname = x.relation and c.relkind in ('r', 'p', 'f')
                     where x.type <> 'index'
                     group by c.oid
                    having bool_or(x.type = 'policy')
                        or exists (select from auth_internal.table_ancestors(c.oid) a join pg_policy p on p.polrelid = a.ancestor)) t
             cross join lateral auth_internal.guard_lost(t.oid, t.policies) g
            union all
            select 2, g.*
              from jsonb_to_recordset(dropped) x (type text, schema name, relation name)
             cross join lateral auth_internal.guard_index(x.schema, x.relation) g
             where x.type = 'index') f
     order by f.place limit 1;
    if found then
        perform auth_internal.refuse_command(refused.fault, refused.repair);
    end if;
end
$$;
comment on function auth_internal.guard_drops is 'The event trigger that judges tables from which something was dropped.';

create function auth_internal.refuse_command(fault text, repair text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse(
        '42501', format('a guard of pg_bearer refuses the command: %s', fault),
        concat_ws(' ', 'Right is: ' || repair || ';', 'An administrator can begin the transaction with: select auth.allow_changes();'));
end
$$;
comment on function auth_internal.refuse_command is 'The error of guards (42501), with the statement that is right.';

-- The readers that policies call once per row (src/pg/ffi/readers.rs). A wrong declaration here would be
-- memory-unsafe; tests/database/catalog.rs compares each with what the C function expects.
-- LEAKPROOF: none of the three that take an argument raises or allocates, and what they look at besides the
-- argument's 16 bytes is the identity, which the argument does not change. What the planner makes of them
-- compares with uuid_eq, which is LEAKPROOF itself. Those without an argument see no column and need no mark.

create function auth.uid() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_uid';
comment on function auth.uid is
    'The user''s id when it is a uuid, else NULL. auth.user_id() has every id.';

create function auth.current_org() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_current_org';
comment on function auth.current_org is
    'The organization this transaction acts for, or NULL.';

create function auth.current_workspace() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_current_workspace';
comment on function auth.current_workspace is
    'The workspace this transaction acts for, or NULL.';

create function auth.org_ids() returns uuid[]
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_org_ids';
comment on function auth.org_ids is
    'The organizations the user belongs to, sorted; empty without an identity.';

create function auth.workspace_ids() returns uuid[]
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_workspace_ids';
comment on function auth.workspace_ids is
    'The workspaces the user belongs to, sorted; empty without an identity.';

create function auth.user_id() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_user_id';
comment on function auth.user_id is
    'The user''s id: the subject of the credential, whatever its form, after the issuer''s user_id_prefix; NULL without one.';

create function auth.environment() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_environment';
comment on function auth.environment is 'live or test; NULL only without an identity.';

create function auth.external_org_id() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_external_org_id';
comment on function auth.external_org_id is
    'What another system calls the current organization (organizations.external_id, as it was when the identity was established or auth.set_org() called), or NULL.';

create function auth.external_org_number() returns bigint
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_external_org_number';
comment on function auth.external_org_number is
    'auth.external_org_id() as a number, when it is written as a bigint is (42, not 042 or +42), else NULL.';

create function auth.service_floor() returns uuid
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_service_floor';
comment on function auth.service_floor is
    'The least uuid for a verified service credential, NULL for everybody else: org_id >= auth.service_floor() is true for every row, and can use an index.';

create function auth.service_floor_text() returns text
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_service_floor_text';
comment on function auth.service_floor_text is
    'The least text, empty, for a verified service credential, NULL for everybody else.';

create function auth.service_floor_number() returns bigint
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_service_floor_number';
comment on function auth.service_floor_number is
    'The least bigint for a verified service credential, NULL for everybody else.';

-- What the planner asks about them (src/pg/ffi/planner/). Nobody can call these: there is no value of type
-- internal.
create function auth.support_in_org(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_in_org';
comment on function auth.support_in_org is 'Internal: for the planner, auth.in_org(x) is x = auth.current_org().';

create function auth.support_is_member(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_is_member';
comment on function auth.support_is_member is
    'Internal: for the planner, auth.is_member(x) finds x = any (auth.org_ids()) in an index.';

create function auth.support_is_workspace_member(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_is_workspace_member';
comment on function auth.support_is_workspace_member is
    'Internal: for the planner, auth.is_workspace_member(x) finds x = any (auth.workspace_ids()) in an index.';

create function auth.support_once(internal) returns internal
    language c strict as 'MODULE_PATHNAME', 'pg_bearer_support_once';
comment on function auth.support_once is
    'Internal: for the planner, a call that depends on no row is made once for each query.';

create function auth.id_lists(out org_ids uuid[], out workspace_ids uuid[])
    language c stable parallel safe as 'MODULE_PATHNAME', 'pg_bearer_id_lists';
comment on function auth.id_lists is
    'Internal: auth.org_ids() and auth.workspace_ids() as a record, for plans with long lists; NULL without an identity.';

create function auth.in_org(org_id uuid) returns boolean
    language c stable strict leakproof parallel safe support auth.support_in_org as 'MODULE_PATHNAME', 'pg_bearer_in_org';
comment on function auth.in_org is
    'Is this the current organization? NULL without one, without an identity or for NULL.';

create function auth.is_member(org_id uuid) returns boolean
    language c stable strict leakproof parallel safe support auth.support_is_member as 'MODULE_PATHNAME', 'pg_bearer_is_member';
comment on function auth.is_member is
    'Does the user belong to this organization? NULL without an identity or for NULL.';

create function auth.is_workspace_member(workspace_id uuid) returns boolean
    language c stable strict leakproof parallel safe support auth.support_is_workspace_member as 'MODULE_PATHNAME', 'pg_bearer_is_workspace_member';
comment on function auth.is_workspace_member is
    'Does the user belong to this workspace? NULL without an identity or for NULL.';

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
create function auth_internal.readers() returns table (name name, tells text, is_asked_once boolean)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select r.name::name, r.tells, r.is_asked_once
      from (values
        ('in_org', 'organization', false), ('is_member', 'organization', false), ('current_org', 'organization', false),
        ('org_ids', 'organization', false), ('org_ids_with', 'organization', true),
        ('external_org_id', 'organization', false), ('external_org_number', 'organization', false),
        ('require_org', 'organization', false), ('has_permission_in', 'organization', true),
        ('is_workspace_member', 'workspace', false), ('current_workspace', 'workspace', false),
        ('workspace_ids', 'workspace', false),
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

-- The functions are in src/pg/functions/demands.rs.

comment on function auth.require_authenticated is 'True when somebody is signed in. 28000 without an identity.';
comment on function auth.require_permission is
    'True when the identity has this permission in its current organization. 42501 when it has not, also for NULL; 28000 without an identity.';
comment on function auth.require_org is
    'True when this is the current organization. 42501 when it is another one, also for NULL; 28000 without an identity.';
comment on function auth.require_aal is
    'True when the user signed in with this authenticator assurance level (aal1, aal2, aal3) or a higher one, by the token''s claim aal. 42501 when it says a lower one or none, and for an API key; 28000 without an identity; 22023 for what is no level, also for NULL.';

-- Invitations. The token is shown once and only its hash is kept. Whoever invites must still be allowed to
-- when the invitation is accepted.

create function auth_internal.token_hash(token text) returns bytea
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select sha256(convert_to(token, 'UTF8'))
$$;
comment on function auth_internal.token_hash is 'What is kept of a token.';

-- When an invitation of this duration ends; 22023 for a duration that is not allowed.
create function auth_internal.invitation_end(expires_in interval) returns timestamptz
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    start timestamptz := clock_timestamp();
begin
    -- First without adding, which fails for huge intervals.
    if (expires_in between '1 minute' and '400 days') is true then
        if start + expires_in between start + interval '1 minute' and start + interval '1 year' then
            return start + expires_in;
        end if;
    end if;
    raise invalid_parameter_value using
        message = 'expires_in has a value that is not allowed', hint = 'Use 1 minute to 1 year.';
end
$$;
comment on function auth_internal.invitation_end is 'When an invitation of this duration ends; 22023 unless it is 1 minute to 1 year.';

-- May somebody with this role give out the role, and the workspace if there is one?
create function auth_internal.may_invite(inviter auth.roles, granted auth.roles, workspace_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (auth_internal.permission_covers(inviter.permissions, 'invitations.write')
            and (workspace_id is null or auth_internal.permission_covers(inviter.permissions, 'workspaces.write'))
            and auth_internal.may_grant(inviter, granted)) is true
$$;
comment on function auth_internal.may_invite is 'May a member with the first role invite others to have the second one, and to this workspace?';

create function auth.create_invitation(
    org_id uuid, role text default 'member', email text default null, workspace_id uuid default null,
    expires_in interval default '7 days'
) returns table (invitation_id uuid, token text, expires_at timestamptz)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, 'invitations.write');
    granted auth.roles := auth_internal.granted_role(org_id, role);
    own_membership uuid := (select m.id from auth_internal.live_memberships m
                             where m.org_id = create_invitation.org_id and m.user_id = auth_internal.acting_user());
    violated text;
begin
    if workspace_id is not null then
        perform auth_internal.share('workspace', workspace_id);
        if auth_internal.workspace_org(workspace_id) is distinct from org_id then
            perform auth_internal.refuse_target('workspace');
        end if;
        perform auth_internal.demand_permission(actor, 'workspaces.write');
        perform auth_internal.demand_scopes('{workspaces.write}');
    end if;
    perform auth_internal.demand_grant(actor, granted);
    -- The invitation ends with it.
    if own_membership is null and auth_internal.acting_user() is not null then
        perform auth_internal.refuse_target('organization');
    end if;
    perform auth_internal.demand_creatable('invitations', org_id);
    token := 'inv_' || auth_internal.random_token();
    expires_at := auth_internal.invitation_end(expires_in);
    insert into auth.invitations (org_id, workspace_id, email, role_id, token_hash, created_by, membership_id, expires_at)
    values (create_invitation.org_id, create_invitation.workspace_id, auth_internal.folded(create_invitation.email), granted.id,
            auth_internal.token_hash(create_invitation.token), auth_internal.acting_user(),
            own_membership, create_invitation.expires_at)
    returning invitations.id into invitation_id;
    perform auth_internal.demand_handing_on(org_id, null);
    perform auth_internal.audit('invitation.create', org_id, invitation_id::text, null,
                                jsonb_build_object('role', auth_internal.role_name(granted), 'workspace_id', workspace_id));
    return next;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('invitations', violated);
end
$$;
comment on function auth.create_invitation is
    'With invitations.write, for a workspace workspaces.write too: invites whoever has the token, or only the one with this verified e-mail address, to a role that the caller may grant. The token is shown this once. expires_in is 1 minute to 1 year. 22023 for an unknown role or a value that is not allowed, 42501 when the caller may not or the organization or workspace is unknown or not his, 54000 for a user where pg_bearer.max_invitations are open in the organization or of theirs, or who created too many in an hour, 28000 without an identity.';

create function auth.list_invitations(org_id uuid default null)
    returns table (invitation_id uuid, email text, role text, workspace_id uuid, created_by text,
                   created_at timestamptz, expires_at timestamptz, accepted_at timestamptz,
                   accepted_by text, revoked_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := coalesce(list_invitations.org_id, auth.current_org());
begin
    perform auth_internal.read_organization(its_org, 'invitations.read');
    return query
        select i.id, i.email, auth_internal.role_name(r), i.workspace_id, i.created_by, i.created_at, i.expires_at,
               i.accepted_at, i.accepted_by,
               coalesce(i.revoked_at, (select min(e.ended_at) from auth.endings e where e.target_id = i.id))
          from auth.invitations i left join lateral auth_internal.live_role(i.role_id) r on true
         where i.org_id = its_org
         order by i.created_at, i.id;
end
$$;
comment on function auth.list_invitations is
    'With invitations.read: the invitations of an organization, for NULL of the current one, without their tokens. 42501 when the caller may not or it is unknown or not his, 28000 without an identity.';

create function auth.revoke_invitation(invitation_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := (select i.org_id from auth.invitations i where i.id = revoke_invitation.invitation_id);
begin
    perform auth_internal.demand_own(its_org, 'invitation');
    perform auth_internal.enter_ending(its_org, 'invitations.write');
    perform auth_internal.end_invitation(invitation_id, its_org);
    perform from auth.invitations i where i.id = revoke_invitation.invitation_id and i.accepted_at is not null;
    if found then
        raise invalid_parameter_value using
            message = 'the invitation was accepted', hint = 'auth.remove_member() removes the member.';
    end if;
end
$$;
comment on function auth.revoke_invitation is
    'With invitations.write: makes an invitation worth nothing. Waits for nobody: whoever is accepting it at the moment becomes no member. Idempotent. 22023 when it was accepted, 42501 when the caller may not or it is unknown or not theirs or NULL, 28000 without an identity.';

-- Does everything about the invitation still hold, besides being open?
create function auth_internal.invitation_holds(invitation auth.invitations) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    granted auth.roles := auth_internal.live_role(invitation.role_id);
begin
    return granted.id is not null
       and auth_internal.issuer_reaches(invitation.org_id)
       and (invitation.email is null
            or auth.email_verified() and auth_internal.folded(auth.email()) = invitation.email)
       and (invitation.workspace_id is null
            or auth_internal.workspace_org(invitation.workspace_id) = invitation.org_id)
       and (invitation.created_by is null
            or auth_internal.may_invite(auth_internal.role_of(invitation.org_id, invitation.created_by), granted,
                               invitation.workspace_id));
end
$$;
comment on function auth_internal.invitation_holds is 'May this user accept it, and may whoever invited him still do so?';

-- The invitation that a token is for, with its organization and workspace kept from going; NULL when there is none.
create function auth_internal.enter_invitation(token text) returns auth.invitations
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    invitation auth.invitations;
begin
    -- The length first: texts so long that a regular expression cannot hold them are refused like all others.
    if octet_length(token) = 47 and token ~ '^inv_[A-Za-z0-9_-]{43}$' then
        select i.* into invitation
          from auth.invitations i where i.token_hash = auth_internal.token_hash(enter_invitation.token);
        perform auth_internal.share('organization', invitation.org_id);
        perform auth_internal.share('workspace', invitation.workspace_id);
        perform auth_internal.share_role(invitation.role_id);
        perform auth_internal.refuse_stale(invitation.org_id, invitation.created_by);
    end if;
    perform from auth_internal.live_organizations o where o.id = invitation.org_id and o.disabled_at is null;
    if not found then
        return null;
    end if;
    return invitation;
end
$$;
comment on function auth_internal.enter_invitation is 'The invitation that a token is for, kept from going with its organization; NULL when there is none or that is disabled.';

create function auth.accept_invitation(token text) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    invited text := auth_internal.user_in_person('only a user can accept an invitation');
    invitation auth.invitations := auth_internal.enter_invitation(token);
begin
    -- It works once, also after a crash.
    perform auth_internal.commit_durably();
    -- Of several who show the token at once, one changes the row.
    update auth.invitations i
       set accepted_at = clock_timestamp(), accepted_by = invited,
           accepted_email = case when auth.email_verified() then auth_internal.folded(auth.email()) end
     where i.id = invitation.id and i.id in (select o.id from auth_internal.open_invitations o where o.id = invitation.id)
       and i.accepted_at is null and i.revoked_at is null and i.expires_at > clock_timestamp()
       and auth_internal.invitation_holds(i)
    returning i.* into invitation;
    if not found then
        raise insufficient_privilege using
            message = 'the invitation is not valid', hint = 'Ask for a new one.';
    end if;
    perform auth_internal.demand_scopes((auth_internal.live_role(invitation.role_id)).permissions);
    perform auth_internal.insert_member(invitation.org_id, invited, invitation.role_id, invitation.created_by);
    update auth.memberships m set invitation_id = invitation.id
     where m.org_id = invitation.org_id and m.user_id = invited;
    if invitation.workspace_id is not null then
        perform auth_internal.insert_workspace_member(invitation.workspace_id, invited, invitation.role_id,
                                             invitation.created_by);
    end if;
    perform auth_internal.audit('invitation.accept', invitation.org_id, invitation.id::text, invited,
                                jsonb_build_object('role', auth_internal.role_name(auth_internal.live_role(invitation.role_id)),
                                                   'workspace_id', invitation.workspace_id));
    return invitation.org_id;
end
$$;
comment on function auth.accept_invitation is
    'Makes the user a member by an invitation and returns the organization; takes effect with their next auth.authenticate(). Pass the token as a bind parameter. 42501 for everything that is wrong with the token, NULL included: unknown, expired, used, revoked, for another or an unverified e-mail address, the organization disabled, the inviter no longer allowed to; 42501 for a service and an API key; 23505 when they are a member already, which leaves the invitation as it is; 55P03 when somebody is disabling or deleting the organization for 2 seconds; 28000 without an identity.';

-- Invitations as those see them who were invited.

create function auth.list_own_invitations()
    returns table (invitation_id uuid, org_id uuid, organization text, role text, workspace_id uuid, created_at timestamptz, expires_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth.require_authenticated();
    perform auth_internal.refuse_api_key();
    return query
        select i.id, i.org_id, o.name, auth_internal.role_name(r), i.workspace_id, i.created_at, i.expires_at
          from auth.invitations i
          join auth_internal.open_invitations p on p.id = i.id
          join auth_internal.live_organizations o on o.id = i.org_id and o.disabled_at is null
         cross join lateral auth_internal.live_role(i.role_id) r
         where i.email = auth_internal.folded(auth.email()) and auth.email_verified()
           and auth_internal.invitation_holds(i)
         order by i.created_at, i.id;
end
$$;
comment on function auth.list_own_invitations is
    'Users: the open invitations for their verified e-mail address, without tokens: whoever has the token accepts it. Nothing for an address that is not verified. 42501 for an API key, 28000 without an identity.';

create function auth.decline_invitation(invitation_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    invitation record;
begin
    perform auth_internal.user_in_person('only a user can decline an invitation');
    perform auth_internal.commit_durably();
    select i.id, i.org_id into invitation
      from auth_internal.open_invitations i
     where i.id = decline_invitation.invitation_id and i.email = auth_internal.folded(auth.email()) and auth.email_verified()
       and auth_internal.issuer_reaches(i.org_id);
    if not found then
        perform auth_internal.refuse_target('invitation');
    end if;
    perform auth_internal.end_invitation(invitation.id, invitation.org_id);
end
$$;
comment on function auth.decline_invitation is
    'Users: makes an open invitation for their verified e-mail address worth nothing. 42501 for any other invitation, an API key and whoever acts for the user, 28000 without an identity.';

-- Administering issuers. Every function demands an administrator, whoever was granted it.
-- They are security definer because the tables have no grants at all.

-- Whatever takes something away must survive a crash once it was acknowledged, and so must a key that its bearer goes on
-- using. Whoever turned this off for speed did not mean them.
create function auth_internal.commit_durably() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'local', true);
    end if;
end
$$;
comment on function auth_internal.commit_durably is 'The commit of this transaction survives a crash of the server.';

-- Turns a violated constraint on one of our tables into an error about the argument it came from (22023).
create function auth_internal.refuse_value(relation text, violated text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    argument text := coalesce(substring(violated from '^' || relation || '_(.*)_check$'), violated);
begin
    perform auth_internal.refuse('22023', format('%s has a value that is not allowed', argument),
               coalesce((select d.description from pg_description d
                           join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid
                           join pg_class c on c.oid = a.attrelid
                          where c.relname = relation and c.relnamespace = 'auth'::regnamespace
                            and d.classoid = 'pg_class'::regclass and a.attname = argument),
                        format('See the comments on auth.%s.', relation)));
end
$$;
comment on function auth_internal.refuse_value is 'The error for a violated constraint of one of our tables (22023).';

-- The row of an issuer, locked so that changes of its keys follow one another; 22023 when there is none.
create function auth_internal.lock_issuer(name text) returns auth.issuers
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found_issuer auth.issuers;
begin
    select * into found_issuer from auth.issuers i where i.issuer = name for update;
    if not found then
        raise invalid_parameter_value using
            message = 'no such issuer',
            hint = 'auth.list_issuers() shows those there are; the name is compared byte for byte.';
    end if;
    perform auth_internal.commit_durably();
    return found_issuer;
end
$$;
comment on function auth_internal.lock_issuer is 'The row of an issuer, locked; 22023 when there is none.';

-- Whoever limits an issuer to organizations does not trust it with the users of others.
create function auth_internal.demand_own_users(org_ids uuid[], user_id_prefix text) returns void
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    -- With a separator the ids of others do not begin so by chance.
    if cardinality(org_ids) > 0 and user_id_prefix !~ '[^[:alnum:]]$' then
        raise invalid_parameter_value using
            message = 'user_id_prefix has a value that is not allowed',
            hint = 'An issuer with org_ids needs one that ends with a mark, such as acme:. Without it, its tokens name users of other issuers, whose rows they would see in tables that go by the user alone.';
    end if;
end
$$;
comment on function auth_internal.demand_own_users is '22023 for an issuer that is limited to organizations and could name users of others.';

create function auth.add_issuer(
    issuer text,
    audiences text[] default '{}',
    algorithms text[] default '{}',
    token_types text[] default '{}',
    memberships_from_claims boolean default false,
    allow_service_role boolean default false,
    environment text default 'live',
    leeway interval default '30 seconds',
    max_lifetime interval default '0',
    org_claim text[] default '{org_id}',
    workspace_claim text[] default '{workspace_id}',
    role_claim text[] default '{role}',
    org_role_claim text[] default '{org_role}',
    permissions_claim text[] default '{permissions}',
    scopes_claim text[] default '{scope}',
    email_claim text[] default '{email}',
    org_ids uuid[] default '{}',
    user_id_prefix text default '',
    email_verified_claim text[] default '{email_verified}',
    own boolean default false
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    new_id uuid;
    violated text;
begin
    perform auth_internal.require_administrator();
    insert into auth.issuers (issuer, audiences, algorithms, token_types, memberships_from_claims,
                              allow_service_role, environment, leeway, max_lifetime, org_claim,
                              workspace_claim, role_claim, org_role_claim, permissions_claim, scopes_claim,
                              email_claim, org_ids, user_id_prefix, email_verified_claim, own)
    values (issuer, audiences, algorithms, token_types, memberships_from_claims, allow_service_role,
            environment, leeway, max_lifetime, org_claim, workspace_claim, role_claim, org_role_claim,
            permissions_claim, scopes_claim, email_claim, org_ids, user_id_prefix, email_verified_claim, own)
    returning issuers.id into new_id;
    perform auth_internal.demand_own_users(org_ids, user_id_prefix);
    perform auth_internal.demand_distinct_issuer(issuer, own);
    perform auth_internal.audit('issuer.add', null, issuer);
    return new_id;
exception
    when unique_violation then
        raise unique_violation using
            message = 'this issuer exists already', hint = 'auth.update_issuer() changes it.';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('issuers', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('issuers', violated);
end
$$;
comment on function auth.add_issuer is
    'Administrators: accepts tokens of an issuer from now on, once it has keys; returns its id. The columns of auth.issuers explain the arguments. With org_ids, user_id_prefix has to be given too. own: this database makes its tokens itself, with keys of auth.create_signing_key(); it takes no other keys. 22023 for a value that is not allowed, 23505 when it exists, 42501 for anybody else.';

create function auth.update_issuer(
    issuer text,
    audiences text[] default null,
    algorithms text[] default null,
    token_types text[] default null,
    memberships_from_claims boolean default null,
    allow_service_role boolean default null,
    environment text default null,
    leeway interval default null,
    max_lifetime interval default null,
    org_claim text[] default null,
    workspace_claim text[] default null,
    role_claim text[] default null,
    org_role_claim text[] default null,
    permissions_claim text[] default null,
    scopes_claim text[] default null,
    email_claim text[] default null,
    org_ids uuid[] default null,
    user_id_prefix text default null,
    email_verified_claim text[] default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.issuers;
    new auth.issuers;
    changed jsonb;
    violated text;
begin
    perform auth_internal.require_administrator();
    old := auth_internal.lock_issuer(issuer);
    update auth.issuers i set
        audiences = coalesce(update_issuer.audiences, old.audiences),
        algorithms = coalesce(update_issuer.algorithms, old.algorithms),
        token_types = coalesce(update_issuer.token_types, old.token_types),
        memberships_from_claims = coalesce(update_issuer.memberships_from_claims, old.memberships_from_claims),
        allow_service_role = coalesce(update_issuer.allow_service_role, old.allow_service_role),
        environment = coalesce(update_issuer.environment, old.environment),
        leeway = coalesce(update_issuer.leeway, old.leeway),
        max_lifetime = coalesce(update_issuer.max_lifetime, old.max_lifetime),
        org_claim = coalesce(update_issuer.org_claim, old.org_claim),
        workspace_claim = coalesce(update_issuer.workspace_claim, old.workspace_claim),
        role_claim = coalesce(update_issuer.role_claim, old.role_claim),
        org_role_claim = coalesce(update_issuer.org_role_claim, old.org_role_claim),
        permissions_claim = coalesce(update_issuer.permissions_claim, old.permissions_claim),
        scopes_claim = coalesce(update_issuer.scopes_claim, old.scopes_claim),
        email_claim = coalesce(update_issuer.email_claim, old.email_claim),
        org_ids = coalesce(update_issuer.org_ids, old.org_ids),
        user_id_prefix = coalesce(update_issuer.user_id_prefix, old.user_id_prefix),
        email_verified_claim = coalesce(update_issuer.email_verified_claim, old.email_verified_claim)
     where i.id = old.id
    returning i.* into new;
    -- What 0.1.0 let pass stays as long as nobody touches it.
    if org_ids is not null or user_id_prefix is not null then
        perform auth_internal.demand_own_users(coalesce(org_ids, old.org_ids), coalesce(user_id_prefix, old.user_id_prefix));
    end if;
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit('issuer.update', null, issuer, null, jsonb_build_object('changed', changed));
    end if;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('issuers', violated);
end
$$;
comment on function auth.update_issuer is
    'Administrators: changes what is given and leaves the rest. Counts for every authenticate that starts after the commit. The columns of auth.issuers explain the arguments. An issuer with org_ids needs a user_id_prefix, which renames its users: what they had under the old id is not theirs. 22023 for a value that is not allowed or an unknown issuer, 42501 for anybody else.';

create function auth.remove_issuer(issuer text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.issuers;
begin
    perform auth_internal.require_administrator();
    old := auth_internal.lock_issuer(remove_issuer.issuer);
    delete from auth.jwt_secrets s using auth.jwt_keys k where s.key_id = k.id and k.issuer_id = old.id;
    delete from auth.jwt_keys k where k.issuer_id = old.id;
    -- Those that somebody else is deleting are gone soon; without the issuer none is good.
    delete from auth.minted_tokens t
     where t.id in (select m.id from auth.minted_tokens m where m.issuer_id = old.id for update skip locked);
    delete from auth.issuers i where i.id = old.id;
    perform auth_internal.audit('issuer.remove', null, old.issuer);
end
$$;
comment on function auth.remove_issuer is
    'Administrators: forgets an issuer, its keys and the tokens that we made for it. Its tokens are refused from the commit on. 22023 for an unknown issuer, 42501 for anybody else.';

create function auth.list_issuers() returns setof auth.issuers
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query select * from auth.issuers i order by i.issuer;
end
$$;
comment on function auth.list_issuers is
    'Administrators: the issuers. The comments on the columns of auth.issuers explain them. 42501 for anybody else.';

-- Administering the keys of issuers. Like the functions of issuers, each demands an administrator.

create function auth.list_jwt_keys(issuer text default null)
    returns table (key_id uuid, issuer_name text, kid text, alg text, state text, usable boolean,
                   not_before timestamptz, not_after timestamptz, retired_until timestamptz,
                   created_at timestamptz, revoked_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query
        select k.id, i.issuer, k.kid, k.alg, k.state,
               (k.state in ('next', 'active') or k.state = 'retired' and k.retired_until > clock_timestamp())
                   and (k.not_before is null or k.not_before <= clock_timestamp())
                   and (k.not_after is null or k.not_after > clock_timestamp())
                   and (k.public_jwk is not null or exists (select from auth.jwt_secrets s where s.key_id = k.id)),
               k.not_before, k.not_after, k.retired_until, k.created_at, k.revoked_at
          from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
         where list_jwt_keys.issuer is null or i.issuer = list_jwt_keys.issuer
         order by i.issuer, k.created_at, k.kid;
end
$$;
comment on function auth.list_jwt_keys is
    'Administrators: the keys of an issuer, or of all; usable says whether a key verifies tokens now. Shows no secret; no rows for an issuer that is not there. 42501 for anybody else.';

-- The bytes of a secret. Never repeats the text in an error, as decode() does.
create function auth_internal.decode_jwt_secret(secret text, encoding text) returns bytea
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return case encoding
        when 'text' then convert_to(secret, 'UTF8')
        when 'hex' then decode(secret, 'hex')
        when 'base64' then decode(secret, 'base64')
        when 'base64url' then
            decode(rpad(translate(secret, '-_', '+/'), (length(secret) + 3) / 4 * 4, '='), 'base64')
    end;
exception
    when invalid_parameter_value or null_value_not_allowed then
        raise invalid_parameter_value using
            message = 'the secret is not in the encoding that was given',
            hint = 'Use text, base64, base64url or hex.';
end
$$;
comment on function auth_internal.decode_jwt_secret is 'The bytes of a secret; 22023 when the text is not in the encoding.';

-- The algorithm of an RSA key that names none: the only one its issuer may use, else RS256.
create function auth_internal.rsa_algorithm(allowed text[]) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case count(*) when 1 then min(a) else 'RS256' end
      from unnest(allowed) a where a like 'RS%' or a like 'PS%'
$$;
comment on function auth_internal.rsa_algorithm is 'The algorithm of an RSA key that names none.';

-- A key that an administrator revoked stays so under every algorithm.
create function auth_internal.revoked_jwt_key(issuer_id uuid, thumbprint bytea) returns uuid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select k.id from auth.jwt_keys k
     where k.issuer_id = revoked_jwt_key.issuer_id and k.thumbprint = revoked_jwt_key.thumbprint
       and k.state = 'revoked' and not k.disappeared
     limit 1
$$;
comment on function auth_internal.revoked_jwt_key is 'The key with this thumbprint that an administrator revoked.';

create function auth.load_jwks(issuer text, jwks text, grace interval default '0')
    returns table (key_id uuid, kid text, alg text, state text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    new_key record;
    present bytea[];
    touched uuid[];
    touched_id uuid;
    before jsonb;
begin
    perform auth_internal.require_administrator();
    if jwks is null then
        raise invalid_parameter_value using
            message = 'the key set must be given', hint = 'Pass the JWK Set (RFC 7517) that the issuer publishes.';
    end if;
    if (grace between '0' and '100 years') is not true then
        raise invalid_parameter_value using
            message = 'the grace must be from 0 to 100 years', hint = 'It is how long a key that disappeared goes on working.';
    end if;
    the_issuer := auth_internal.lock_issuer(load_jwks.issuer);
    perform auth_internal.refuse_own_issuer(the_issuer);
    before := auth_internal.audited_keys(the_issuer.id);
    select array_agg(p.thumbprint || p.alg::bytea) into present
      from auth_internal.parse_jwks(jwks, auth_internal.rsa_algorithm(the_issuer.algorithms)) p;

    -- What the set no longer has goes first, so that its kid is free for another key. A grace that is
    -- running may end sooner, but not later.
    with gone as (
        update auth.jwt_keys k
           set state = case when grace > '0' then 'retired' else 'revoked' end,
               retired_until = case when grace > '0' then least(k.retired_until, clock_timestamp() + grace) end,
               revoked_at = case when grace > '0' then null else clock_timestamp() end,
               disappeared = true
         where k.issuer_id = the_issuer.id and k.public_jwk is not null
           and k.state in ('next', 'active', 'retired')
           and k.thumbprint || k.alg::bytea <> all (present)
        returning k.id
    )
    select coalesce(array_agg(gone.id), '{}') into touched from gone;

    -- Kids may change places among the keys that stay.
    update auth.jwt_keys k set kid = null
     where k.issuer_id = the_issuer.id and k.public_jwk is not null and k.state in ('next', 'active');
    for new_key in
        select * from auth_internal.parse_jwks(jwks, auth_internal.rsa_algorithm(the_issuer.algorithms))
    loop
        touched_id := auth_internal.revoked_jwt_key(the_issuer.id, new_key.thumbprint);
        if touched_id is not null then
            touched := touched || touched_id;
            continue;
        end if;
        insert into auth.jwt_keys as k (issuer_id, kid, alg, public_jwk, thumbprint)
        values (the_issuer.id, new_key.kid, new_key.alg, new_key.public_jwk, new_key.thumbprint)
        on conflict on constraint jwt_keys_issuer_id_thumbprint_alg_key do update
           set kid = excluded.kid,
               public_jwk = excluded.public_jwk,
               state = case when k.disappeared then 'active' else k.state end,
               retired_until = null,
               revoked_at = null,
               disappeared = false
        returning k.id into touched_id;
        touched := touched || touched_id;
    end loop;
    if exists (select from auth.jwt_keys k where k.id = any (touched) and k.state = 'revoked' and not k.disappeared) then
        raise warning using
            message = 'the key set has a key that an administrator revoked; it stays revoked',
            hint = 'Tell the issuer to stop publishing it.';
    end if;
    if auth_internal.audited_keys(the_issuer.id) <> before then
        perform auth_internal.audit('jwt_key.load', null, issuer, null, jsonb_build_object(
            'keys', jsonb_array_length(auth_internal.changed_members(before, auth_internal.audited_keys(the_issuer.id)))));
    end if;
    return query
        select k.id, k.kid, k.alg, k.state from auth.jwt_keys k
         where k.id = any (touched) order by k.state, k.kid, k.created_at;
end
$$;
comment on function auth.load_jwks is
    'Administrators: makes a JWK Set (RFC 7517) the public keys of an issuer, all or nothing; returns the keys it has and those it lost. A key that disappeared is revoked, or with a grace (up to 100 years) retired until it ends, and comes back when the set has it again; a running grace may end sooner but not later. A key revoked by auth.revoke_jwt_key() stays revoked. 22023 with the reason for a bad set, for another grace and for an unknown issuer, 42501 for anybody else.';

create function auth.add_jwt_key(
    issuer text, key text, alg text default null, kid text default null,
    not_before timestamptz default null, not_after timestamptz default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    parsed record;
    new_id uuid;
    violated text;
begin
    perform auth_internal.require_administrator();
    if key is null then
        raise invalid_parameter_value using
            message = 'the key must be given', hint = 'Pass a public key as JWK or PEM.';
    end if;
    if not_after <= not_before then
        raise invalid_parameter_value using message = 'not_after must be later than not_before';
    end if;
    the_issuer := auth_internal.lock_issuer(issuer);
    perform auth_internal.refuse_own_issuer(the_issuer);
    select * into parsed from auth_internal.parse_jwt_key(add_jwt_key.key, add_jwt_key.alg, add_jwt_key.kid);
    if auth_internal.revoked_jwt_key(the_issuer.id, parsed.thumbprint) is not null then
        raise unique_violation using
            message = 'this key was revoked and cannot come back', hint = 'Have the issuer make a new one.';
    end if;
    insert into auth.jwt_keys (issuer_id, kid, alg, public_jwk, thumbprint, not_before, not_after)
    values (the_issuer.id, parsed.kid, parsed.alg, parsed.public_jwk, parsed.thumbprint, not_before, not_after)
    returning jwt_keys.id into new_id;
    perform auth_internal.audit('jwt_key.add', null, new_id::text, null,
                                jsonb_build_object('issuer', the_issuer.issuer, 'alg', parsed.alg));
    return new_id;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        if violated = '' then
            raise;
        end if;
        raise unique_violation using
            message = 'the issuer has this key, or another one with this kid',
            hint = 'auth.list_jwt_keys() shows it.';
end
$$;
comment on function auth.add_jwt_key is
    'Administrators: adds one public key, as JWK or PEM, to an issuer; returns its id. Without alg: what the JWK says, RS256 for RSA, or what the curve asks for. The next auth.load_jwks() of the issuer takes it away unless the set has it. 22023 with the reason for a bad key and for an unknown issuer, 23505 when it is there, was revoked, or another one has its kid, 42501 for anybody else.';

create function auth.add_jwt_secret(
    issuer text, secret text, alg text default 'HS256', kid text default null, encoding text default 'text',
    not_before timestamptz default null, not_after timestamptz default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    secret_bytes bytea;
    new_id uuid;
    violated text;
begin
    perform auth_internal.require_administrator();
    if secret is null or alg is null then
        raise invalid_parameter_value using message = 'the secret and its algorithm must be given';
    end if;
    if not_after <= not_before then
        raise invalid_parameter_value using message = 'not_after must be later than not_before';
    end if;
    if octet_length(kid) not between 1 and 128 or kid ~ '[\u0001-\u001f\u007f-\u009f]' then
        raise invalid_parameter_value using
            message = 'kid must be a string of 1 to 128 bytes without control characters';
    end if;
    if (encoding in ('text', 'base64', 'base64url', 'hex')) is not true then
        raise invalid_parameter_value using
            message = 'unknown encoding of the secret', hint = 'Use text, base64, base64url or hex.';
    end if;
    secret_bytes := auth_internal.decode_jwt_secret(secret, encoding);
    perform auth_internal.check_jwt_secret(secret_bytes, alg);
    the_issuer := auth_internal.lock_issuer(issuer);
    perform auth_internal.refuse_own_issuer(the_issuer);
    if exists (select from auth.jwt_keys k join auth.jwt_secrets s on s.key_id = k.id
                where k.issuer_id = the_issuer.id and k.state = 'revoked' and s.material = secret_bytes) then
        raise unique_violation using
            message = 'this secret was revoked and cannot come back', hint = 'Have the issuer make a new one.';
    end if;
    insert into auth.jwt_keys (issuer_id, kid, alg, not_before, not_after)
    values (the_issuer.id, kid, alg, not_before, not_after)
    returning jwt_keys.id into new_id;
    insert into auth.jwt_secrets (key_id, material) values (new_id, secret_bytes);
    perform auth_internal.audit('jwt_key.add', null, new_id::text, null,
                                jsonb_build_object('issuer', the_issuer.issuer, 'alg', alg));
    return new_id;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        if violated = '' then
            raise;
        end if;
        raise unique_violation using
            message = 'the issuer has another key with this kid', hint = 'auth.list_jwt_keys() shows it.';
end
$$;
comment on function auth.add_jwt_secret is
    'Administrators: adds a shared secret for HS256 (at least 32 bytes), HS384 (48) or HS512 (64); returns the key''s id. encoding says how the text becomes bytes: text, base64, base64url or hex. Pass it as a bind parameter: a psql variable becomes part of the statement. 22023 with the reason for a bad secret and for an unknown issuer, 23505 when it was revoked or another one has its kid, 42501 for anybody else.';

-- What the audit log tells apart of an issuer's keys.
create function auth_internal.audited_keys(issuer_id uuid) returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(jsonb_object_agg(k.id, jsonb_build_array(k.kid, k.state, k.retired_until, k.disappeared, k.public_jwk)), '{}')
      from auth.jwt_keys k where k.issuer_id = audited_keys.issuer_id
$$;
comment on function auth_internal.audited_keys is 'The keys of an issuer by their ids, with what can change of them.';

create function auth.revoke_jwt_key(key_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    before jsonb;
begin
    perform auth_internal.require_administrator();
    -- A key set that is being loaded may bring the key under another algorithm: wait, and see it.
    perform auth_internal.lock_issuer(i.issuer)
       from auth.issuers i join auth.jwt_keys k on k.issuer_id = i.id
      where k.id = revoke_jwt_key.key_id;
    select i.* into the_issuer
      from auth.issuers i join auth.jwt_keys k on k.issuer_id = i.id where k.id = revoke_jwt_key.key_id;
    before := auth_internal.audited_keys(the_issuer.id);
    -- The same key may be there under several algorithms, the same secret under several kids.
    update auth.jwt_keys k
       set state = 'revoked', revoked_at = coalesce(k.revoked_at, clock_timestamp()), retired_until = null,
           disappeared = false
      from auth.jwt_keys named left join auth.jwt_secrets named_secret on named_secret.key_id = named.id
     where named.id = revoke_jwt_key.key_id and k.issuer_id = named.issuer_id
       and (k.id = named.id or k.thumbprint = named.thumbprint
            or exists (select from auth.jwt_secrets s
                        where s.key_id = k.id and s.material = named_secret.material));
    if not found then
        raise invalid_parameter_value using
            message = 'no such key', hint = 'auth.list_jwt_keys() shows those there are.';
    end if;
    if auth_internal.audited_keys(the_issuer.id) <> before then
        perform auth_internal.audit('jwt_key.revoke', null, key_id::text, null, jsonb_build_object('issuer', the_issuer.issuer));
    end if;
end
$$;
comment on function auth.revoke_jwt_key is
    'Administrators: revokes a key or secret for good, under every algorithm and kid, a signing key of ours too; no token it signed is accepted by an authenticate that starts after the commit. Idempotent. 22023 when there is no such key, 42501 for anybody else.';

-- The functions are in src/pg/functions/keys.rs.

comment on function auth_internal.parse_jwks is 'The usable keys of a JWK Set; 22023 with the reason.';
comment on function auth_internal.parse_jwt_key is 'A public key from JWK or PEM; 22023 with the reason.';
comment on function auth_internal.check_jwt_secret is '22023 unless these bytes can be a secret for the algorithm.';

-- What auth.lint() says about who counts as an administrator, and about roles of ours that somebody changed. Roles are those of
-- the whole server.

create function auth_internal.our_roles() returns table (name text, role_oid oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    -- What the extension gave to the role or has from it: another one of the same name is none of ours.
    select o.name, r.oid
      from unnest(array['bearer_owner', 'bearer_users', 'bearer_admin', 'bearer_service']) o (name)
      left join pg_roles r
             on r.rolname = o.name
            and case o.name when 'bearer_owner' then exists (select from pg_class c where c.oid = 'auth.issuers'::regclass and c.relowner = r.oid)
                            when 'bearer_users' then exists (select from pg_class c where c.oid = 'auth.users'::regclass and c.relowner = r.oid)
                            when 'bearer_admin' then exists (select from pg_proc p cross join lateral aclexplode(p.proacl) x
                                                              where p.oid in ('auth.list_issuers()'::regprocedure, 'auth.list_membership_sources()'::regprocedure)
                                                                and x.grantee = r.oid)
                            else true end
$$;
comment on function auth_internal.our_roles is 'The roles of the extension, and their numbers; NULL for one that is missing, also where another role has its name.';

-- A superuser needs no grant.
create function auth_internal.role_members()
    returns table (role name, member name, can_admin boolean, revoke_admin text, revoke_all text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select o.rolname, d.rolname, m.admin_option,
           format('revoke admin option for %I from %I%s', o.rolname, d.rolname, g.granted),
           format('revoke %I from %I%s', o.rolname, d.rolname, g.granted)
      from pg_auth_members m
      join pg_roles o on o.oid = m.roleid
      join pg_roles d on d.oid = m.member and not d.rolsuper
     cross join lateral (
          -- From 16 on a grant belongs to whoever made it.
          select case when current_setting('server_version_num')::integer < 160000 then ' cascade'
                      else format(' granted by %I cascade', pg_get_userbyid(m.grantor)) end as granted) g
$$;
comment on function auth_internal.role_members is 'Which roles are members of others, and the SQL that takes it away.';

create function auth_internal.lint_administrators()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'administrator', 'info', quote_ident(m.member),
           'the role counts as an administrator of pg_bearer where it has the rights of bearer_admin, by inheritance or SET ROLE, and so does who has its rights'
               || coalesce(': ' || (select string_agg(quote_ident(l.rolname), ', ' order by l.rolname collate "C")
                                      from pg_roles l
                                     where not l.rolsuper and l.rolname <> m.member and pg_has_role(l.oid, m.member, 'member')), ''),
           m.revoke_all, null::oid
      from auth_internal.role_members() m where m.role = 'bearer_admin'
    union all
    select 'owner_has_members', 'error', quote_ident(m.member),
           format('the role is a member of %I, which nobody is to be: it reads and writes %s past every check', m.role,
                  case m.role when 'bearer_users' then 'users' else 'secrets, keys and memberships' end),
           m.revoke_all, null::oid
      from auth_internal.role_members() m where m.role in ('bearer_owner', 'bearer_users')
    union all
    select 'administrator_reachable', 'warning', format('%s for %s', quote_ident(m.role), quote_ident(m.member)),
           'the role may grant itself the rights of bearer_admin (ADMIN OPTION)', m.revoke_admin, null::oid
      from auth_internal.role_members() m
      join auth_internal.our_roles() a on a.name = 'bearer_admin'
     where m.can_admin and (pg_has_role(m.role, a.role_oid, 'member') or m.role = 'bearer_owner')
    union all
    select 'administrator', 'info', quote_ident(m.member), format('the role can become the superuser %I', m.role), m.revoke_all, null::oid
      from auth_internal.role_members() m join pg_roles s on s.rolname = m.role and s.rolsuper
    union all
    select 'administrator_reachable', 'warning', quote_ident(r.rolname),
           'the role may grant itself bearer_admin and bearer_owner: before PostgreSQL 16, CREATEROLE lets it grant every role but superusers',
           format('alter role %I nocreaterole', r.rolname), null::oid
      from pg_roles r
     where r.rolcreaterole and not r.rolsuper and current_setting('server_version_num')::integer < 160000
       and r.rolname not in (select o.name from auth_internal.our_roles() o)
$$;
comment on function auth_internal.lint_administrators is 'Findings of auth.lint() about who counts, or can make itself, an administrator.';

create function auth_internal.lint_our_roles()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'role_missing', 'error', o.name,
           'the role was renamed, and what needs it fails'
               || case when t.named is null then ': no SQL can tell what it is called now' else '' end,
           (select format('alter role %I rename to %I', pg_get_userbyid(c.relowner), o.name) from pg_class c where c.oid = t.named), null::oid
      from auth_internal.our_roles() o
     cross join lateral (select case o.name when 'bearer_owner' then 'auth.issuers'::regclass
                                            when 'bearer_users' then 'auth.users'::regclass end as named) t
     where o.role_oid is null
    union all
    select 'role_altered', 'error', o.name, 'the role has more rights than it is made with: it is not to log in, nor to have attributes',
           format('alter role %I nologin nosuperuser nobypassrls nocreaterole nocreatedb noreplication', o.name), null::oid
      from auth_internal.our_roles() o join pg_roles r on r.oid = o.role_oid
     where r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
    union all
    select 'role_altered', 'error', format('%s for %s', quote_ident(m.role), o.name),
           'the role is a member of another one, and whoever has its rights has those too', m.revoke_all, null::oid
      from auth_internal.our_roles() o
      join pg_roles r on r.oid = o.role_oid
      join auth_internal.role_members() m on m.member = r.rolname
$$;
comment on function auth_internal.lint_our_roles is 'Findings of auth.lint() about roles of the extension that somebody renamed or gave rights.';

create function auth_internal.lint_issuers()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'names_other_users', 'error', format('issuer %L', i.issuer),
           'the issuer is limited to organizations, and its tokens name users of other issuers, whose prefix is the same or begins so: in tables that go by the user alone they see the rows of those. '
               'A user_id_prefix of its own keeps them apart (auth.update_issuer); it renames its users, so no SQL can tell what of theirs is to be renamed with them',
           null::text, null::oid
      from auth.issuers i
     where cardinality(i.org_ids) > 0
       and exists (select from auth.issuers o
                    where o.id <> i.id
                      and (i.user_id_prefix = '' or o.user_id_prefix <> '' and starts_with(o.user_id_prefix, i.user_id_prefix)
                           or cardinality(o.org_ids) > 0 and starts_with(i.user_id_prefix, o.user_id_prefix)))
$$;
comment on function auth_internal.lint_issuers is 'Findings of auth.lint() about issuers whose tokens can name users of others.';

-- What auth.lint() goes by: which column says whose a row is, and which functions know who asks.

-- The schemas to look at. One that is misspelled has to be an error, or it would look as if nothing were found.
create function auth_internal.lint_schemas(schemas name[]) returns oid[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    missing name;
begin
    select s into missing from unnest(schemas) s
     where not exists (select from pg_namespace n where n.nspname = s) limit 1;
    if found then
        perform auth_internal.refuse('22023', format('schema %s does not exist', coalesce(quote_ident(missing), 'null')), null);
    end if;
    return array(
        select n.oid from pg_namespace n
         where case when schemas is null
                    then auth_internal.is_application_schema(n.nspname)
                    else n.nspname = any (schemas) end);
end
$$;
comment on function auth_internal.lint_schemas is 'The schemas that auth.lint() looks at; 22023 for one that does not exist.';

-- Functions that answer whose rows may be seen: ours, and those of the application that call them.
create function auth_internal.lint_readers(names name[]) returns oid[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as (
        select p.oid from pg_proc p
         where p.pronamespace = 'auth'::regnamespace and p.proname = any (names))
    select array(
        select oid from ours
        union
        select p.oid from pg_proc p join pg_language l on l.oid = p.prolang
         where l.lanname not in ('internal', 'c') and p.pronamespace not in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'pg_catalog'::regnamespace)
           and p.prosrc ~* ('\mauth"?\s*\.\s*"?(' || array_to_string(names, '|') || ')\M')
        union
        -- Bodies in standard SQL have no text, but dependencies.
        select d.objid from pg_depend d join ours on ours.oid = d.refobjid
         where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_proc'::regclass)
$$;
comment on function auth_internal.lint_readers is 'Functions of ours with these names, and functions of applications that call them.';

-- The column that says whether a row is live or a test: filled by us, or so named and said to hold these words.
create function auth_internal.lint_environment_columns() returns table (source oid, name name)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select distinct on (a.attrelid) a.attrelid, a.attname
      from pg_attribute a
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      cross join lateral (
           select exists (select from pg_depend x join pg_proc p on p.oid = x.refobjid
                           where x.classid = 'pg_attrdef'::regclass and x.objid = d.oid
                             and x.refclassid = 'pg_proc'::regclass and p.proname = 'environment'
                             and p.pronamespace = 'auth'::regnamespace) as filled) f
     where a.attnum > 0 and not a.attisdropped
       and (a.atthasdef or a.attname = 'environment')
       and (f.filled
            or a.attname = 'environment' and pg_get_expr(d.adbin, d.adrelid) ~ '''(live|test)'''
            or a.attname = 'environment'
               and exists (select from pg_constraint k where k.conrelid = a.attrelid and k.contype = 'c'
                              and a.attnum = any (k.conkey)
                              and pg_get_expr(k.conbin, k.conrelid) ~ '''(live|test)'''))
     order by a.attrelid, f.filled desc, a.attnum
$$;
comment on function auth_internal.lint_environment_columns is 'The tables that have a column for the environment, live or test, and its name.';

-- That a row's environment is the caller's, or NULL for a table without such a column. It can be of a type of the application's.
create function auth_internal.lint_environment_test(source oid, environment name) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('%I%s operator(pg_catalog.=) auth.environment()', a.attname,
                  case when a.atttypid <> 'text'::regtype then '::pg_catalog.text' else '' end)
      from pg_attribute a
     where a.attrelid = lint_environment_test.source and a.attname = lint_environment_test.environment
$$;
comment on function auth_internal.lint_environment_test is 'The test of a column for the environment; NULL without one.';

-- What a tenants' policy has to ask of a row at the least, or NULL for a column of another type. As auth.protect() asks it.
create function auth_internal.lint_predicate(source oid, org smallint, environment name) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when c.type = 'uuid'::regtype then format('auth.in_org(%s)', auth_internal.spelt_out(c.operand))
                else auth_internal.spelt_out(format('%s = %s', c.operand, c.own_default)) end
           || coalesce(' and ' || auth_internal.lint_environment_test(lint_predicate.source, lint_predicate.environment), '')
      from pg_attribute a
     cross join lateral auth_internal.protection_columns(lint_predicate.source, jsonb_build_object('organization', a.attname)) c
     where a.attrelid = lint_predicate.source and a.attnum = lint_predicate.org and c.own_default is not null
$$;
comment on function auth_internal.lint_predicate is 'The least that a tenants'' policy of a table has to ask, with these columns; NULL for a type without a reader.';

-- The two expressions of every policy of whoever asks, apart: as SQL, as SQL without literals and quoted names, which could pass for
-- something else, as a node tree, and the functions in it.
create function auth_internal.lint_expressions(namespaces oid[]) returns table (
    policy oid, source oid, name name, command "char", permissive boolean, checks boolean,
    expression text, code text, nodes text, calls oid[]
)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select p.oid, p.polrelid, p.polname, p.polcmd, p.polpermissive, e.checks, t.expression,
           regexp_replace(t.expression, '''(?:[^'']|'''')*''|"(?:[^"]|"")*"', '?', 'g'), e.tree::text,
           array(select distinct m[1]::oid from regexp_matches(e.tree::text, ':(?:op)?funcid (\d+)', 'g') m)
      from pg_policy p
      join pg_class c on c.oid = p.polrelid
      cross join lateral (values (false, p.polqual), (true, p.polwithcheck)) e (checks, tree)
      cross join lateral (select auth_internal.printed_expression(p.oid, e.checks) as expression) t
     where e.tree is not null and t.expression is not null and c.relnamespace = any (namespaces)
       and auth_internal.has_rights_of(c.relowner)
       and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.deptype = 'e')
$$;
comment on function auth_internal.lint_expressions is 'The expressions of the policies in these schemas that whoever asks is told about.';

-- What auth.lint() says about guards, and about settings that name what is not there.

create function auth_internal.lint_guards()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with again as materialized (
        select format('select auth.guard(%s, %L)', coalesce(quote_literal(g.schemas::text), 'null'), g.new_tables) as guard, g.schemas
          from auth.guard_settings g),
    stored as materialized (
        select a.guard, s.setconfig, r.rolname, d.datname,
               case when s.setrole = 0 then coalesce('database ' || quote_ident(d.datname), 'role all')
                    else concat('role ', quote_ident(r.rolname), ' in database ' || quote_ident(d.datname)) end as object
          from again a cross join pg_db_role_setting s
          left join pg_roles r on r.oid = s.setrole
          left join pg_database d on d.oid = s.setdatabase
         where s.setdatabase = 0 or d.datname = current_database())
    select 'guard_off', 'warning', format('event trigger %I', t.name),
           case when e.oid is null then 'the event trigger that auth.guard() made is gone: nothing keeps protected tables protected'
                when e.evtenabled <> 'A' then 'the event trigger is off, or silent where session_replication_role is replica'
                else 'the event trigger runs something else than auth.guard() had it run' end, a.guard, null::oid
      from again a cross join auth_internal.guard_triggers() t
      left join pg_event_trigger e on e.evtname = t.name
      left join pg_proc p on p.oid = e.evtfoid
     where e.oid is null or e.evtenabled <> 'A' or e.evtevent <> t.event or e.evttags is not null
        or p.proname <> t.function or p.pronamespace <> 'auth_internal'::regnamespace
    union all
    select 'guard_off', 'warning', s.object, format('%s lets the guards of protected tables look away', m.parts[1]),
           format('alter %s reset %s', s.object, m.parts[1]), null
      from stored s cross join lateral unnest(s.setconfig) u (setting)
     cross join lateral regexp_match(u.setting, '^(event_triggers|pg_bearer\.allow_changes)=(.*)$') m (parts)
     where (m.parts[1] = 'event_triggers') <> (lower(m.parts[2]) in ('on', 'true', 'yes', '1', 't', 'y'))
    union all
    select 'guard_off', 'warning', format('schema %I', x.name),
           'new tables were to be looked at in the schema, which does not exist; no SQL can say what it is called now', null, null
      from again a cross join lateral unnest(a.schemas) x (name)
     where not exists (select from pg_namespace n where n.nspname = x.name)
$$;
comment on function auth_internal.lint_guards is 'Findings of auth.lint() about guards that guard no more; none where auth.guard() was not called.';

-- Which function PostgREST calls before every request. Without a schema it is looked for in several.
create function auth_internal.lint_pre_requests()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with named as materialized (
        select s.setrole, s.setdatabase, btrim(m.parts[1]) as function
          from pg_db_role_setting s cross join lateral unnest(s.setconfig) u (setting)
         cross join lateral regexp_match(u.setting, '^pgrst\.db_pre_request=(.*)$') m (parts)
         where s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))),
    known as (
        select n.*, case when n.function ~ '^(?:(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)\.)?(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)$' and length(n.function) < 200
                         then parse_ident(n.function, false) end as words
          from named n where n.function <> '')
    select 'pre_request_missing', 'warning',
           case k.setrole when 0 then 'database ' || quote_ident(current_database()) else 'role ' || quote_ident(pg_get_userbyid(k.setrole)) end,
           format('pgrst.db_pre_request names %s, which does not exist: requests fail, and whoever can make it decides what runs before each of them; no SQL can say which function was meant', k.function),
           null::text, null::oid
      from known k
     where not exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                        where p.proname = k.words[cardinality(k.words)] and p.pronargs = p.pronargdefaults
                          and (cardinality(k.words) = 1 or n.nspname = k.words[1]))
$$;
comment on function auth_internal.lint_pre_requests is 'Findings of auth.lint() about functions to be called before requests that do not exist.';

-- What auth.lint() says about unique and foreign keys: they see the rows of every organization.

create function auth_internal.lint_unique_keys(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'unique_without_org', 'warning', format('%I on %s', k.name, k.source::regclass),
           format('the key shows whether another organization has a value: put column %I first', k.org)
               || coalesce('; ' || k.obstacle, ''),
           case when k.obstacle is null then array_to_string(k.statements, '; ') end, c.relowner
      from auth_internal.unique_keys_without_org(tables, columns) k
      join pg_class c on c.oid = k.source and c.relnamespace = any (namespaces)
$$;
comment on function auth_internal.lint_unique_keys is 'Findings of auth.lint() about unique keys.';

create function auth_internal.lint_foreign_keys(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'fk_crosses_orgs', 'warning', format('%I on %s', k.name, k.source::regclass),
           format('a row can refer to another organization''s row of %s, and so shows whether there is one', k.parent::regclass)
               || coalesce('; no SQL can mend it: ' || k.obstacle, ''),
           array_to_string(k.statements, '; '), c.relowner
      from auth_internal.foreign_keys_without_org(tables, columns) k
      join pg_class c on c.oid = k.source and c.relnamespace = any (namespaces)
$$;
comment on function auth_internal.lint_foreign_keys is 'Findings of auth.lint() about foreign keys.';

-- Asks no rows: who owns the table does, where he sees them all.
create function auth_internal.lint_unchecked_foreign_keys(namespaces oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'foreign_key_unchecked', 'warning', format('%I on %s', k.conname, k.conrelid::regclass),
           'it may have been checked against none of its rows, which row security hid: '
               || 'count those that violate it with auth.recheck_foreign_keys() in a data migration, and make it anew',
           auth_internal.as_data_migration(
               format('alter table %1$s drop constraint %2$I, add constraint %2$I %3$s',
                      auth_internal.qualified(k.conrelid), k.conname, pg_get_constraintdef(k.oid)),
               array[k.conrelid, k.confrelid]),
           c.relowner
      from auth.unchecked_foreign_keys u
      join pg_constraint k on k.oid = u.key and k.contype = 'f'
      join pg_class c on c.oid = k.conrelid and c.relnamespace = any (namespaces)
$$;
comment on function auth_internal.lint_unchecked_foreign_keys is 'Findings of auth.lint() about foreign keys that may be violated.';

-- Gaps in tenant isolation, and the statement that closes each.

-- Whoever asks: 42501 unless an administrator, or the owner of a table, view or function of an application. A temporary one is
-- nobody's business but its session's, and makes nobody an owner of others'.
create function auth_internal.demand_owner() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.has_rights_of(0) then
        return;
    end if;
    perform from (select c.relowner as owner
                    from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where c.relkind in ('r', 'p', 'v', 'm', 'f') and auth_internal.is_application_schema(n.nspname)
                  union
                  select p.proowner
                    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where auth_internal.is_application_schema(n.nspname)) o
      where auth_internal.has_rights_of(o.owner);
    if not found then
        perform auth_internal.refuse('42501', 'this is for administrators of pg_bearer and owners of tables',
                                     'Owners are told about what they own, administrators about everything.');
    end if;
end
$$;
comment on function auth_internal.demand_owner is '42501 unless the outer user is an administrator or owns a table, view or function of an application.';

-- Security definer, so that nobody has to be able to call the parts. They read catalogs that everybody may read, and our own
-- tables.
create function auth.lint(schemas name[] default null)
    returns table (code text, severity text, object text, message text, fix text)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    namespaces oid[];
    tables oid[];
    columns smallint[];
    sources oid[];
begin
    perform auth_internal.demand_owner();
    namespaces := auth_internal.lint_schemas(schemas);
    select coalesce(array_agg(c.source), '{}'), coalesce(array_agg(c.org), '{}'), coalesce(array_agg(distinct c.source), '{}')
      into tables, columns, sources
      from auth_internal.organization_columns() c where not c.is_guess;
    return query
    select f.code, f.severity, f.object, f.message, f.fix
      from (select * from auth_internal.lint_tables(namespaces, tables, columns)
            union all select * from auth_internal.lint_open_tables(namespaces, sources)
            union all select * from auth_internal.lint_policies(namespaces, tables, columns)
            union all select * from auth_internal.lint_unique_keys(namespaces, tables, columns)
            union all select * from auth_internal.lint_foreign_keys(namespaces, tables, columns)
            union all select * from auth_internal.lint_unchecked_foreign_keys(namespaces)
            union all select * from auth_internal.lint_views(namespaces, sources)
            union all select * from auth_internal.lint_functions(namespaces, sources)
            union all select * from auth_internal.lint_grants(namespaces, sources)
            union all select * from auth_internal.lint_roles(namespaces, sources)
            union all select * from auth_internal.lint_administrators()
            union all select * from auth_internal.lint_our_roles()
            union all select * from auth_internal.lint_issuers()
            union all select * from auth_internal.lint_signing_keys()
            union all select * from auth_internal.lint_users()
            union all select * from auth_internal.lint_granted()
            union all select * from auth_internal.lint_replication()
            union all select * from auth_internal.lint_quotas()
            union all select * from auth_internal.lint_role_names()
            union all select * from auth_internal.lint_guards()
            union all select * from auth_internal.lint_pre_requests()) f
     -- What is nobody's in particular is for administrators.
     where auth_internal.has_rights_of(coalesce(f.owner, 0))
     order by array_position(array['error', 'warning', 'info'], f.severity), f.code collate "C", f.object collate "C";
end
$$;
comment on function auth.lint is
    'Gaps in tenant isolation, the worst first: nothing on what auth.protect() made. severity is error where a row can reach another organization, or nobody, by this alone; warning where something else has to go wrong too, or queries become slow; info for what is good to know. object is what it is about, as SQL names it; fix is SQL that clears the finding and means the same in every session, to be read before it is run, by the object''s owner or a superuser; NULL where the message says what a human has to decide. Administrators are told about everything, owners about what they own. Looks at these schemas, or, for NULL, at all but those of the system and ours, not at members of extensions, and at roles, publications and the database whatever the schemas. Administrators are also told which users were given more memberships than count; of these a million are looked at. Reads catalogs, and counts in our own tables. 42501 for anybody else, 22023 for a schema that does not exist.';

-- Security definer, as auth.lint().
create function auth.organization_columns() returns table (source oid, org smallint)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_owner();
    return query
    select o.source, o.org
      from auth_internal.organization_columns() o join pg_class c on c.oid = o.source
     where auth_internal.has_rights_of(c.relowner);
end
$$;
comment on function auth.organization_columns is
    'The tables of applications that have a column for the organization, and its number: the column that a policy compares with our functions, or else whose default is one of them, or else org_id, organization_id or tenant_id, or else account_id, team_id or company_id, of a type that auth.protect() takes. Several rows for a table with several of one sort. Administrators see all, owners those of their own tables. 42501 for anybody else.';

-- What auth.lint() says about tables without row-level security of which nothing sure says that they are tenants': a column's name
-- that can mean something else, a workspace, or a reference to a table that is protected.

create function auth_internal.lint_open_tables(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with open as materialized (
        select c.oid, c.relowner, c.relkind, c.relacl
          from pg_class c
         where c.relkind in ('r', 'p', 'f') and not c.relispartition and not c.relrowsecurity
           and c.relnamespace = any (namespaces)
           and not exists (select from unnest(tables) t (oid) where t.oid = c.oid)
           and not exists (select from pg_policy p where p.polrelid = c.oid)
           and not exists (select from pg_inherits i join pg_class p on p.oid = i.inhparent
                            where i.inhrelid = c.oid and p.relrowsecurity)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    -- A lookup table that shows its rows to everybody is not protected, whether row security is on or not.
    protected as materialized (
        select c.oid
          from pg_class c join pg_namespace n on n.oid = c.relnamespace and auth_internal.is_application_schema(n.nspname)
         where c.relrowsecurity
           and (exists (select from unnest(tables) t (oid) where t.oid = c.oid)
                or exists (select from pg_policy p
                             join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
                             join pg_proc f on f.oid = d.refobjid and f.pronamespace = 'auth'::regnamespace
                            where p.polrelid = c.oid))),
    judged as materialized (
        select o.*, coalesce(', environment_column => ' || quote_literal(e.name), '') as environment,
               array(select a.attname::text
                       from auth_internal.organization_names() n
                       join pg_attribute a on a.attrelid = o.oid and a.attname = n.name and a.attnum > 0 and not a.attisdropped
                       join auth_internal.column_readers() r on r.kind = 'organization' and r.type = auth_internal.base_type(a.atttypid)
                      order by a.attnum) as guesses,
               exists (select from pg_attribute a
                        where a.attrelid = o.oid and a.attname = 'workspace_id' and a.attnum > 0 and not a.attisdropped
                          and auth_internal.base_type(a.atttypid) = 'uuid'::regtype) as has_workspace,
               (select string_agg(distinct k.confrelid::regclass::text, ', ')
                  from pg_constraint k join protected p on p.oid = k.confrelid
                 where k.conrelid = o.oid and k.contype = 'f' and k.conparentid = 0) as parents
          from open o left join auth_internal.lint_environment_columns() e on e.source = o.oid)
    select 'rls_off', case when j.has_workspace or j.parents is not null then 'error' else 'warning' end, j.oid::regclass::text,
           'row-level security is off: whoever has the grant sees every row'
               || case when j.has_workspace then ', and column workspace_id says that they are of workspaces'
                       else format(', and column %s may say whose it is', (select string_agg(quote_ident(g), ' or ') from unnest(j.guesses) g)) end
               || case when cardinality(j.guesses) + j.has_workspace::integer > 1
                       then '; no SQL can say which column is the organization''s' else '' end,
           case when cardinality(j.guesses) + j.has_workspace::integer > 1 then null
                when j.has_workspace
                then format('select auth.protect(%L, org_column => null, workspace_column => %L%s)', auth_internal.qualified(j.oid), 'workspace_id', j.environment)
                else format('select auth.protect(%L, %L%s)', auth_internal.qualified(j.oid), j.guesses[1], j.environment) end, j.relowner
      from judged j
     where j.relkind <> 'f' and (j.guesses <> '{}' or j.has_workspace)
    union all
    select 'foreign_table', case when j.has_workspace then 'error' else 'warning' end, j.oid::regclass::text,
           'a foreign table has no policies: whoever has the grant sees every row',
           format('revoke all on %s from %s cascade', auth_internal.qualified(j.oid), string_agg(distinct g.name, ', ')), j.relowner
      from judged j
     cross join lateral (
           select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name
             from aclexplode(j.relacl) x where x.grantee <> j.relowner) g
     where j.relkind = 'f' and (j.guesses <> '{}' or j.has_workspace)
     group by j.oid, j.relowner, j.has_workspace
    union all
    select 'open_reference', 'warning', j.oid::regclass::text,
           format('row-level security is off, and the rows refer to those of %s: whoever has the grant sees and writes the references of every organization. '
                  'A column for the organization, and auth.protect(), would keep them apart; no SQL can say what that column holds', j.parents),
           null, j.relowner
      from judged j
     where j.relkind <> 'f' and j.guesses = '{}' and not j.has_workspace and j.parents is not null
    union all
    select 'parent_open', 'error', j.oid::regclass::text,
           format('rows of %s, which is protected, are read through this table past its policies; no SQL can say how to tell them apart here',
                  string_agg(i.inhrelid::regclass::text, ', ' order by i.inhrelid::regclass::text)),
           null, j.relowner
      from judged j
      join pg_inherits i on i.inhparent = j.oid and not i.inhdetachpending
      join protected p on p.oid = i.inhrelid
     where j.guesses = '{}' and not j.has_workspace
     group by j.oid, j.relowner
$$;
comment on function auth_internal.lint_open_tables is 'Findings of auth.lint() about open tables that may be tenants''; tables are those that surely are.';

-- Operators in policies. A name such as = means what search_path found when the policy was made, and lint is told of it here alone:
-- what a policy asks looks the same with another one.

-- Does one of these operators take the column, alone or inside of something else? nodes is an expression as the catalog holds it.
create function auth_internal.lint_takes_column(nodes text, operators oid[], number smallint) returns boolean
    language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
    token text;
    depth integer := 0;
    -- For each node that is open, whether it is one of the operators; and how many are.
    is_one integer[] := '{}';
    ones integer := 0;
begin
    for token in
        select m[1] from regexp_matches(nodes, '\\.|[{}]|:opnos? (?:\d+|\(o[ \d]+\)) |:varno 1 :varattno \d+ ', 'g') m
    loop
        case left(token, 2)
        when '{' then
            depth := depth + 1;
            is_one[depth] := 0;
        when '}' then
            ones := ones - is_one[depth];
            depth := depth - 1;
        when ':o' then
            if is_one[depth] = 0 and operators && array(select m[1]::oid from regexp_matches(token, '\d+', 'g') m) then
                is_one[depth] := 1;
                ones := ones + 1;
            end if;
        when ':v' then
            if ones > 0 and token = format(':varno 1 :varattno %s ', number) then
                return true;
            end if;
        else
        end case;
    end loop;
    return false;
end
$$;
comment on function auth_internal.lint_takes_column is 'Does one of these operators take a column of the table in an expression?';

-- Postgres's own leave no dependency. What an extension brought is as good as the extension. A stranger is who can make an operator
-- answer otherwise, by replacing its function for instance, and could not change the table's policies.
create function auth_internal.lint_operators(namespaces oid[], tables oid[], columns smallint[])
    returns table (policy oid, names text, stranger name, takes_org boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with uses as materialized (
        select p.oid as policy, p.polrelid as source, o.oid as operator, s.rolname as stranger
          from pg_policy p
          join pg_class c on c.oid = p.polrelid and c.relnamespace = any (namespaces) and auth_internal.has_rights_of(c.relowner)
          join pg_roles a on a.oid = c.relowner
          join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_operator'::regclass
          join pg_operator o on o.oid = d.refobjid
          join pg_proc f on f.oid = o.oprcode
          left join pg_roles s on s.oid in (o.oprowner, f.proowner) and not s.rolsuper and s.oid <> c.relowner
                              and not (not a.rolsuper and pg_has_role(a.oid, s.oid, 'member'))
         where not exists (select from pg_depend e
                            where e.classid = 'pg_operator'::regclass and e.objid = o.oid and e.deptype = 'e')),
    found as (
        select u.policy, u.source, array_agg(u.operator) as operators, min(u.stranger) as stranger,
               string_agg(distinct u.operator::regoperator::text, ', ') as names
          from uses u group by u.policy, u.source)
    select f.policy, f.names, f.stranger,
           exists (select from unnest(tables, columns) t (source, org)
                    where t.source = f.source
                      and auth_internal.lint_takes_column(concat(p.polqual, p.polwithcheck), f.operators, t.org))
      from found f join pg_policy p on p.oid = f.policy
$$;
comment on function auth_internal.lint_operators is 'Operators in policies that are none of Postgres''s and of no extension; the arrays are auth.organization_columns().';

-- What auth.lint() says about policies.

-- Every policy with what its expressions ask, and the condition that would do for it.
create function auth_internal.lint_policy_facts(namespaces oid[], tables oid[], columns smallint[]) returns table (
    policy oid, source oid, command "char", permissive boolean, has_org boolean, object text, alter_policy text,
    using_text text, check_text text, using_true boolean, check_true boolean, reads_setting boolean,
    reads_metadata boolean, null_matches boolean, goes_by_role boolean, using_asks boolean, check_asks boolean,
    always_asks boolean, asks_identity boolean, asks_environment boolean, reads_itself boolean, environment name,
    predicate text, calls oid[]
)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with readers as materialized (
        select auth_internal.lint_readers(array(select r.name from auth_internal.readers() r
                                                 where r.tells in ('organization', 'workspace'))) as org,
               auth_internal.lint_readers(array(select r.name from auth_internal.readers() r
                                                 where r.tells <> 'request')) as identity,
               auth_internal.lint_readers(array(select r.name from auth_internal.readers() r
                                                 where r.tells = 'service')) as service,
               auth_internal.lint_readers(array['role']) as claimed_role,
               array(select p.oid from pg_proc p
                      where p.pronamespace = 'pg_catalog'::regnamespace
                        and p.proname in ('current_user', 'session_user', 'getpgusername', 'pg_has_role')) as role_name),
    organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    relations as materialized (
        select coalesce(o.source, n.source) as source, o.orgs, o.org, n.name as environment,
               auth_internal.lint_predicate(o.source, o.org, n.name) as predicate
          from organizations o full join auth_internal.lint_environment_columns() n on n.source = o.source),
    -- Functions of the application that believe a setting.
    believers as materialized (
        select array_agg(p.oid) as oids
          from pg_proc p join pg_language l on l.oid = p.prolang
         where l.lanname not in ('internal', 'c') and p.pronamespace not in ('auth'::regnamespace, 'auth_internal'::regnamespace)
           and (p.prosrc ~* '\mcurrent_setting\M' or p.prosqlbody::text ~ ':funcid (2077|3294) ')),
    expressions as materialized (
        select e.*, o.org, o.environment, o.predicate,
               case
               -- As an operand of OR it is as true.
               when e.code ~ '^\(*true\)*$|\mOR true\M|\(true OR\M' then 'true'
               when e.calls && f.oids then 'setting'
               when e.calls && array[2077, 3294]::oid[]
                    and (e.expression ~ 'current_setting\((?!''(?:[^'']|'''')*''::text[,)])'
                         or exists (
                             select from regexp_matches(e.expression, 'current_setting\(''((?:[^'']|'''')*)''::text', 'g') m
                               left join pg_settings s on s.name = lower(m[1])
                              where (s.context in ('internal', 'postmaster', 'sighup')) is not true))
                   then 'setting'
               when e.expression ~ '''\{?"?user_metadata"?[,}'']|\mraw_user_meta_data\M' then 'metadata'
               when e.code ~ '\mDISTINCT FROM \(*\s*(SELECT )?auth\.[a-z_]+\('
                    or e.code ~ '\mauth\.[a-z_]+\([^()]*\)\)*(\s*AS [a-z_]+\))? IS (NOT )?DISTINCT FROM'
                    or e.code ~ '\mauth\.[a-z_]+\([^()]*\)\)*(\s*AS [a-z_]+\))? IS (NULL|UNKNOWN|NOT TRUE|NOT FALSE)'
                    or e.code ~ '\mCOALESCE\(\(*\s*(SELECT )?auth\.[a-z_]+\([^()]*\)\)*(\s*AS [a-z_]+\))?, (?!false)'
                   then 'null'
               end as fault,
               -- Without a column there is nothing that the organization is compared with.
               e.calls && r.org and position('{VAR ' in e.nodes) > 0 or e.calls && r.service
                 or (e.calls && r.identity and exists (
                        select from unnest(o.orgs) k
                         where position(format(':varno 1 :varattno %s ', k) in e.nodes) > 0)) as asks_org,
               e.calls && r.identity as asks_identity,
               o.environment is null or e.code ~ '\mauth\.environment\(\)' as asks_environment,
               e.code ~ '\m(CURRENT_USER|SESSION_USER|CURRENT_ROLE|USER)\M' or e.calls && r.role_name as asks_role,
               e.calls && r.claimed_role
                 and (not e.calls && array(select unnest(r.identity) except select unnest(r.claimed_role))
                      or e.code ~ '\mauth\.role\(\)( AS role\))?[^()]*\) OR (?!\(*auth\.role)'
                      or e.code ~ '\mauth\.(in_org|is_member)\([^()]*\) OR \(*auth\.role\M') as asks_claimed_role
          from auth_internal.lint_expressions(namespaces) e cross join readers r cross join believers f
          left join relations o on o.source = e.source),
    policies as (
        select policy, source, name, command, permissive, org, environment, predicate,
               max(expression) filter (where not checks) as using_text,
               max(expression) filter (where checks) as check_text,
               bool_or(not checks and fault = 'true') as using_true, bool_or(checks and fault = 'true') as check_true,
               bool_or(fault = 'setting') as reads_setting, bool_or(fault = 'metadata') as reads_metadata,
               bool_or(fault = 'null') as null_matches,
               bool_or(asks_role and (not coalesce(asks_org, false) or code ~ '\mOR\M') or asks_claimed_role) as goes_by_role,
               bool_or(not checks and asks_org) as using_asks,
               bool_or(checks) is not true or bool_or(checks and asks_org) as check_asks,
               bool_and(coalesce(asks_org, false)) as always_asks, bool_or(asks_identity) as asks_identity,
               bool_and(asks_environment) as asks_environment,
               bool_or(position(format(':relid %s ', source) in nodes) > 0) as reads_itself,
               string_agg(array_to_string(calls, ' '), ' ') as calls
          from expressions group by policy, source, name, command, permissive, org, environment, predicate)
    select policy, source, command, permissive, org is not null, format('%I on %s', name, source::regclass),
           format('alter policy %I on %s ', name, auth_internal.qualified(source)), using_text, check_text, using_true, check_true,
           reads_setting, reads_metadata, null_matches, goes_by_role, using_asks, check_asks, always_asks, asks_identity,
           asks_environment, reads_itself, environment, predicate,
           array(select distinct x::oid from unnest(string_to_array(policies.calls, ' ')) x where x <> '')
      from policies
$$;
comment on function auth_internal.lint_policy_facts is 'What every policy in these schemas asks; the arrays are auth.organization_columns().';

-- The clauses that give a policy this condition. With what it had, if that is given.
create function auth_internal.lint_clauses(command "char", using_text text, check_text text, condition text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    with parts as (
        select coalesce('(' || nullif(using_text, 'true') || ') and ', '') || condition as visible,
               coalesce('(' || nullif(coalesce(check_text, using_text), 'true') || ') and ', '') || condition as writable)
    select case command when 'a' then format('with check (%s)', writable)
                        when 'w' then format('using (%s) with check (%s)', visible, writable)
                        when '*' then format('using (%s) with check (%s)', visible, writable)
                        else format('using (%s)', visible) end
      from parts
     where condition is not null
$$;
comment on function auth_internal.lint_clauses is 'USING and WITH CHECK of a policy for this command with this condition beside others; NULL without a condition.';

-- At most one finding about what a policy lets through: the worst.
create function auth_internal.lint_policies(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with facts as materialized (select f.* from auth_internal.lint_policy_facts(namespaces, tables, columns) f),
    guarded as materialized (select distinct source from facts where not permissive and asks_identity),
    operators as materialized (select o.* from auth_internal.lint_operators(namespaces, tables, columns) o),
    judged as materialized (
        select p.*, v.*
          from facts p
          left join guarded g on g.source = p.source
          left join operators o on o.policy = p.policy
          cross join lateral (
               select * from (values
                   -- Whatever else the policy seems to ask, this decides.
                   (0, 'foreign_operator', 'error', o.stranger is not null, case when o.takes_org then 'replace' else 'none' end,
                    format('the policy compares with %s, and %s, to whom it belongs, can make it say anything', o.names, quote_ident(o.stranger))
                    || case when o.takes_org then '' else '; no SQL can say what to ask instead' end),
                   (1, 'reads_setting', 'error', p.reads_setting, 'replace',
                    'the policy believes a setting, and every session can set it'),
                   (2, 'reads_user_metadata', 'error', p.reads_metadata, 'replace',
                    'the policy believes metadata, which users write themselves'),
                   (3, 'null_matches', 'error', p.permissive and p.null_matches, 'replace',
                    'the policy lets rows through to whoever is not signed in: NULL satisfies it'),
                   (4, 'restrictive_only', 'error', p.permissive and not p.asks_identity and g.source is not null, 'add',
                    'a restrictive policy alone keeps tenants apart, and this one opens the table when that is dropped, with its function for instance'),
                   (5, 'using_true', 'error', p.permissive and p.using_true and p.has_org, 'replace',
                    'the policy lets the rows of every organization through'),
                   (6, 'using_true', 'warning', p.permissive and p.using_true and p.command <> 'r' and not p.has_org, 'none',
                    'whoever has the grant changes every row; no SQL can say who may'),
                   (7, 'check_true', 'error', p.permissive and p.check_true and p.using_text is null and p.has_org, 'replace',
                    'rows can be written for every organization'),
                   (8, 'check_true', 'error', p.permissive and p.check_true and p.using_text is not null, 'check',
                    'WITH CHECK is true: rows that USING admits can be made into any others'),
                   (9, 'role_name', 'error', p.permissive and p.goes_by_role,
                    case when p.using_asks or p.check_asks and p.command = 'a' then 'replace' else 'service' end,
                    'the policy goes by the name of a role, which SET ROLE or a claim chooses, and not by a verified service credential'),
                   (10, 'reads_itself', 'error', p.reads_itself, 'replace',
                    'the policy reads the table that it protects: every query fails with infinite recursion'),
                   (11, 'check_without_org', 'error', p.permissive and p.has_org and p.using_asks and not p.check_asks, 'check',
                    'rows can be moved to another organization: USING asks for it, WITH CHECK does not'),
                   (12, 'org_not_tested', 'warning', p.permissive and p.has_org and not p.always_asks, 'add',
                    'the policy does not ask for the organization'),
                   (13, 'environment_not_tested', 'warning', p.permissive and not p.asks_environment, 'environment',
                    'the policy does not ask for the environment: tests see live rows, and the reverse'),
                   (14, 'foreign_operator', 'warning', o.takes_org, 'replace',
                    format('the organization is compared with %s, which is none of Postgres''s and of no extension: only who knows what it says can tell whether it keeps organizations apart', o.names))
               ) f (place, code, severity, applies, mend, message)
                where f.applies order by f.place limit 1) v
    )
    select j.code, j.severity, j.object,
           j.message || case when j.predicate is null and j.mend in ('replace', 'add')
                             then '; no SQL can mend it: no column of the table says whose a row is'
                             when k.is_lost then '; no SQL can say its constants so that all settings read them alike' else '' end,
           case when j.mend not in ('add', 'check', 'environment') then j.alter_policy || case j.mend
                    when 'replace' then auth_internal.lint_clauses(j.command, null, null, j.predicate)
                    when 'service' then 'to bearer_service '
                         || auth_internal.lint_clauses(j.command, null, null, concat_ws(' and ', 'auth.is_service_role()', e.condition)) end
                -- What the policy asks already is said as Postgres printed it.
                when not k.is_lost then auth_internal.pinned(j.alter_policy || case j.mend
                    when 'add' then auth_internal.lint_clauses(j.command, k.using_text, k.check_text, j.predicate)
                    when 'check' then format('with check (%s)', k.using_text)
                    when 'environment' then auth_internal.lint_clauses(j.command, k.using_text, k.check_text, e.condition) end) end,
           (select c.relowner from pg_class c where c.oid = j.source)
      from judged j
      cross join lateral (select auth_internal.lint_environment_test(j.source, j.environment) as condition) e
      cross join lateral (
           select auth_internal.portable(j.using_text) as using_text, auth_internal.portable(j.check_text) as check_text,
                  j.mend in ('add', 'check', 'environment')
                  and (j.using_text is not null and auth_internal.portable(j.using_text) is null
                       or j.check_text is not null and auth_internal.portable(j.check_text) is null) as is_lost) k
    union all
    select 'volatile_in_policy', 'warning', j.object,
           format('%s is volatile: it runs for every row, and no index serves the policy',
                  string_agg(f.oid::regprocedure::text, ', ' order by f.oid))
               || case when bool_or(f.pronamespace = 'pg_catalog'::regnamespace) then '; no SQL can say what to ask instead' else '' end,
           case when not bool_or(f.pronamespace = 'pg_catalog'::regnamespace)
                then string_agg(format('alter function %s stable', auth_internal.qualified_routine(f.oid)), '; ' order by f.oid) end,
           (select c.relowner from pg_class c where c.oid = j.source)
      from facts j join pg_proc f on f.oid = any (j.calls) and f.provolatile = 'v'
     group by j.policy, j.object, j.source
    union all
    select 'leaky_in_policy', 'info', j.object,
           format('%s takes a column and is not LEAKPROOF: beside a restrictive policy no index serves it; only who knows that it reveals nothing of its arguments may say so, no SQL can',
                  string_agg(f.oid::regprocedure::text, ', ' order by f.oid)), null,
           (select c.relowner from pg_class c where c.oid = j.source)
      from facts j
      join pg_policy p on p.oid = j.policy
      join pg_proc f on f.oid = any (j.calls)
     where not f.proleakproof and f.pronamespace not in ('pg_catalog'::regnamespace, 'auth'::regnamespace, 'auth_internal'::regnamespace)
       and j.source in (select r.source from facts r where not r.permissive)
       and concat(p.polqual, p.polwithcheck) ~ format('\{FUNCEXPR :funcid %s [^{}]*:args \(\{VAR :varno 1 ', f.oid)
     group by j.policy, j.object, j.source
    union all
    select 'unreadable_policy', 'error', format('%I on %s', p.polname, c.oid::regclass),
           'the policy is so deep that it cannot be printed; no SQL can say what it lets through', null, c.relowner
      from pg_policy p join pg_class c on c.oid = p.polrelid
     where c.relnamespace = any (namespaces) and auth_internal.has_rights_of(c.relowner)
       and (p.polqual is not null and auth_internal.printed_expression(p.oid, false) is null
            or p.polwithcheck is not null and auth_internal.printed_expression(p.oid, true) is null)
       and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.deptype = 'e')
    union all
    select 'no_select_policy', 'info', j.source::regclass::text,
           'policies let rows be changed and none lets them be read: UPDATE and DELETE with a condition find nothing'
               || case when max(j.predicate) is null then '; no SQL can say who may read them' else '' end,
           format('create policy read_own_rows on %s for select using (', auth_internal.qualified(j.source)) || max(j.predicate) || ')',
           (select c.relowner from pg_class c where c.oid = j.source)
      from facts j
     where j.permissive
     group by j.source
    having bool_or(j.command in ('w', 'd')) and not bool_or(j.command in ('r', '*'))
$$;
comment on function auth_internal.lint_policies is 'Findings of auth.lint() about policies.';

-- What auth.lint() says about what stands between a caller and a protected table: views and functions.

-- Tables whose rows are not everybody's, those of this schema among them, and the views through which they are seen.
create function auth_internal.lint_protected(tables oid[]) returns table (relation oid, base oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive bases as (
        select unnest(tables) as oid
        union
        select c.oid from pg_class c where c.relkind in ('r', 'p') and c.relrowsecurity),
    uses as materialized (
        select distinct r.ev_class as relation, d.refobjid as used
          from pg_rewrite r
          join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                          and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
         where r.rulename = '_RETURN'),
    reached as (
        select oid as relation, oid as base from bases
        union
        select u.relation, r.base from reached r join uses u on u.used = r.relation)
    select r.relation, r.base from reached r
$$;
comment on function auth_internal.lint_protected is 'These tables, those with row-level security, and the views on them, each with the table below.';

-- Do the policies of a table not hold for this role?
create function auth_internal.lint_escapes(role_id oid, relation oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.rolsuper or r.rolbypassrls or (not c.relforcerowsecurity and pg_has_role(r.oid, c.relowner, 'usage'))
      from pg_roles r, pg_class c where r.oid = role_id and c.oid = relation
$$;
comment on function auth_internal.lint_escapes is 'Do the policies of a table not hold for this role? NULL when there is no such role or table.';

create function auth_internal.lint_views(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with protected as materialized (select p.relation, p.base from auth_internal.lint_protected(tables) p),
    views as materialized (
        select c.oid, c.relkind, c.relowner, c.relacl
          from pg_class c
         where c.relkind in ('v', 'm') and c.relnamespace = any (namespaces)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')
           and not exists (select from pg_options_to_table(c.reloptions) o
                            where o.option_name = 'security_invoker' and o.option_value::boolean)),
    -- A view that asks for its caller's rights does so also inside of one that does not: only its own tables count.
    bypassed as (
        select v.oid, v.relowner, bool_or(auth_internal.lint_escapes(v.relowner, d.refobjid)) as escapes, min(d.refobjid::regclass::text) as example
          from views v
          join pg_rewrite r on r.ev_class = v.oid
          join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                          and d.refclassid = 'pg_class'::regclass and d.refobjid <> v.oid
         where v.relkind = 'v' and d.refobjid in (select base from protected)
         group by v.oid, v.relowner),
    kept as (
        select v.oid, v.relowner, string_agg(distinct g.name, ', ') as grantees
          from views v
          cross join lateral (
               select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name
                 from aclexplode(v.relacl) x where x.grantee <> v.relowner) g
         where v.relkind = 'm' and v.oid in (select relation from protected)
         group by v.oid, v.relowner),
    -- What is refreshed asks as the owner, when nobody is signed in.
    emptied as (
        select v.oid, v.relowner, min(p.base::regclass::text) as example
          from views v
          join protected p on p.relation = v.oid
          join pg_class c on c.oid = p.base and c.relrowsecurity
         where v.relkind = 'm' and not auth_internal.lint_escapes(v.relowner, p.base)
         group by v.oid, v.relowner)
    select 'view_bypasses', case when escapes then 'error' else 'warning' end, oid::regclass::text,
           case when escapes then format('the view reads %s with the rights of its owner, for whom no policy holds', example)
                else format('the view reads %s with the rights of its owner: policies of other roles do not hold, and none if the owner gets more rights', example) end,
           format('alter view %s set (security_invoker = true)', auth_internal.qualified(oid)), relowner
      from bypassed
    union all
    select 'materialized_view', 'error', oid::regclass::text,
           'a materialized view keeps rows of all organizations and has no policies: whoever has the grant sees them',
           format('revoke all on %s from %s cascade', auth_internal.qualified(oid), grantees), relowner
      from kept
    union all
    select 'materialized_view_empty', 'warning', oid::regclass::text,
           format('REFRESH reads %s as the owner of the materialized view, for whom its policies hold, and keeps none of its rows: no SQL can say whose it is to keep', example),
           null, relowner
      from emptied
$$;
comment on function auth_internal.lint_views is 'Findings of auth.lint() about views.';

-- Functions of the application, and what lets others use them.
create function auth_internal.lint_functions(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with functions as materialized (
        select p.oid, p.oid::regprocedure::text as name, auth_internal.qualified_routine(p.oid) as signature, p.proowner, p.prosrc, p.prosqlbody is not null as is_bound, l.lanname,
               p.provolatile, p.prosecdef, p.prorettype, r.rolsuper or r.rolbypassrls as is_powerful, p.pronamespace,
               (select max(substr(s, 13)) from unnest(p.proconfig) s where starts_with(s, 'search_path=')) as path,
               exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
                         left join pg_roles g on g.oid = x.grantee
                        where x.grantee <> p.proowner and g.rolsuper is not true) as is_open
          from pg_proc p join pg_language l on l.oid = p.prolang join pg_roles r on r.oid = p.proowner
         where p.pronamespace = any (namespaces) and l.lanname not in ('internal', 'c')
           -- Before its text is looked at: a long one costs whoever is told about it, and nobody else.
           and auth_internal.has_rights_of(p.proowner)
           and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                              and d.deptype = 'e')),
    names as materialized (
        select n.nspname::text as schema, c.relname::text as name, p.base
          from auth_internal.lint_protected(tables) p join pg_class c on c.oid = p.relation
          join pg_namespace n on n.oid = c.relnamespace),
    words as materialized (
        select f.oid, w.schema, w.name
          from functions f
          cross join lateral regexp_matches(f.prosrc,
               '(?:\m(?:from|join|into|update|only|table|using)\M|,)\s*(?:("(?:[^"]|"")+"|[[:alpha:]_][\w$]*)\s*\.\s*)?("(?:[^"]|"")+"|[[:alpha:]_][\w$]*)',
               'gi') m
          cross join lateral (
               select case when m[1] like '"%' then replace(substr(m[1], 2, length(m[1]) - 2), '""', '"') else lower(m[1]) end as schema,
                      case when m[2] like '"%' then replace(substr(m[2], 2, length(m[2]) - 2), '""', '"') else lower(m[2]) end as name) w
         where f.prosecdef and f.is_open),
    touched as (
        select w.oid, n.base from words w join names n on n.name = w.name and (w.schema is null or w.schema = n.schema)
        union
        select d.objid, p.base
          from pg_depend d join auth_internal.lint_protected(tables) p on p.relation = d.refobjid
         where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_class'::regclass)
    select 'definer_function', 'error', f.name,
           format('the function reads or writes %s for everybody who may call it, with the rights of its owner, for whom no policy holds',
                  min(t.base::regclass::text)),
           format('alter routine %s security invoker', f.signature), f.proowner
      from functions f join touched t on t.oid = f.oid
     where f.prosecdef and f.is_open and f.prorettype <> 'trigger'::regtype
       and auth_internal.lint_escapes(f.proowner, t.base)
     group by f.oid, f.name, f.signature, f.proowner
    union all
    select 'definer_search_path', case when f.is_powerful then 'error' else 'warning' end, f.name,
           case when f.path is null then 'callers choose what the names in the function mean, and it runs with the rights of its owner'
                else 'tables of the caller''s own in pg_temp come before others, and the function runs with the rights of its owner' end,
           format('alter routine %s set search_path = %s', f.signature,
                  -- set_config() takes names with anything but spaces in them, and SET FROM CURRENT keeps them as they are.
                  case when f.path ~ '^(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)(?:, *(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*))*$'
                       then concat_ws(', ', nullif(regexp_replace(f.path, '^"?pg_temp"?(, *|$)|, *"?pg_temp"?(?=,|$)', '', 'g'), ''), 'pg_temp')
                       when exists (select from pg_namespace n cross join lateral aclexplode(n.nspacl) x
                                     where n.oid = f.pronamespace and x.privilege_type = 'CREATE' and x.grantee = 0)
                       then 'pg_catalog, pg_temp'
                       else format('pg_catalog, %s, pg_temp', f.pronamespace::regnamespace) end), f.proowner
      from functions f
     where f.prosecdef and f.is_open and not f.is_bound
       and (f.path is null or f.path not in ('', '""') 
            and (f.path !~ '(^|, *)"?pg_temp"?$' or f.path ~ '(^|, *)"?pg_temp"?,'))
    union all
    select 'immutable_identity', 'error', f.name,
           'the function asks who is signed in and says that its answer never changes: a prepared statement keeps the answer for others',
           format('alter function %s stable', f.signature), f.proowner
      from functions f
     where f.provolatile = 'i'
       and (f.oid = any (auth_internal.lint_readers(array(select r.name from auth_internal.readers() r))) or f.prosrc ~* '\mcurrent_setting\M')
    union all
    select 'others_code', 'warning', u.object,
           format('%s is called here, and its owner, %I, can make it say and do anything%s', u.function::regprocedure, o.rolname,
                  case when p.prosecdef then '; it runs with his rights, and no SQL can say who else should own it' else '' end),
           -- What its owner wrote is not to run with the rights of the next one.
           case when not p.prosecdef then format('alter routine %1$s security invoker; alter routine %1$s owner to %2$I',
                                                 auth_internal.qualified_routine(u.function), a.rolname) end, c.relowner
      from (select format('%I on %s', p.polname, p.polrelid::regclass) as object, p.polrelid as source, d.refobjid as function
              from pg_policy p
              join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
            union
            select format('%I on %s', g.tgname, g.tgrelid::regclass), g.tgrelid, g.tgfoid
              from pg_trigger g where not g.tgisinternal and g.tgrelid in (select base from auth_internal.lint_protected(tables))) u
      join pg_class c on c.oid = u.source and c.relnamespace = any (namespaces)
      join pg_proc p on p.oid = u.function and p.pronamespace not in ('auth'::regnamespace, 'auth_internal'::regnamespace)
      join pg_roles o on o.oid = p.proowner and not o.rolsuper
      join pg_roles a on a.oid = c.relowner
     where p.proowner <> c.relowner and not (a.rolsuper is not true and pg_has_role(a.oid, p.proowner, 'member'))
       and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
$$;
comment on function auth_internal.lint_functions is 'Findings of auth.lint() about functions.';

-- What auth.lint() says about roles, grants, and who else gets the rows.

create function auth_internal.lint_grants(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with relations as materialized (
        select c.oid, c.relowner, c.relacl from pg_class c
         where c.relkind in ('r', 'p') and c.relnamespace = any (namespaces)
           and (c.relrowsecurity or c.oid = any (tables))
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    grants as (
        select r.oid, r.relowner, x.grantor, x.grantee, x.privilege_type
          from relations r cross join lateral aclexplode(r.relacl) x
        union
        select r.oid, r.relowner, x.grantor, x.grantee, x.privilege_type
          from relations r join pg_attribute a on a.attrelid = r.oid and a.attacl is not null
          cross join lateral aclexplode(a.attacl) x),
    risks as (
        select * from (values
            ('TRUNCATE', 'truncate_granted', 'error', 'TRUNCATE asks no policy: %s can remove the rows of every organization'),
            ('TRIGGER', 'trigger_granted', 'error', '%s can add a trigger, whose code runs as whoever writes, also as a service'),
            ('REFERENCES', 'references_granted', 'warning', '%s can refer to rows, which shows whether there are any, also of other organizations')
        ) r (privilege_type, code, severity, message))
    select k.code, k.severity, format('%s for %s', g.oid::regclass, n.name), format(k.message, n.name),
           -- Whoever passed it on was given the right to.
           case when g.grantor = g.relowner
                then format('revoke %s on %s from %s cascade', lower(k.privilege_type), auth_internal.qualified(g.oid), n.name)
                else format('revoke grant option for %s on %s from %I cascade', lower(k.privilege_type), auth_internal.qualified(g.oid),
                            pg_get_userbyid(g.grantor)) end, g.relowner
      from grants g join risks k on k.privilege_type = g.privilege_type
      cross join lateral (
           select case g.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end as name) n
     where g.grantee <> g.relowner and not exists (select from pg_roles r where r.oid = g.grantee and r.rolsuper)
    union all
    select 'create_granted', 'warning', n.oid::regnamespace::text,
           'everybody may create in the schema: functions and operators there are taken for yours',
           format('revoke create on schema %s from public', n.oid::regnamespace), n.nspowner
      from pg_namespace n
     where n.oid = any (namespaces) and exists (select from pg_class c join relations r on r.oid = c.oid where c.relnamespace = n.oid)
       and exists (select from aclexplode(n.nspacl) x where x.grantee = 0 and x.privilege_type = 'CREATE')
    union all
    select 'temporary_granted', 'warning', format('%s for %s', quote_ident(d.datname), n.name),
           'rows copied to a temporary table have no policies, and stay there for the next client of a pooled connection',
           format('revoke temporary on database %I from %s cascade', d.datname, n.name), d.datdba
      from pg_database d
      cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
      cross join lateral (
           select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name) n
     where d.datname = current_database() and x.privilege_type = 'TEMPORARY' and x.grantee <> d.datdba
       and not exists (select from pg_roles r where r.oid = x.grantee and r.rolsuper)
       and exists (select from relations)
$$;
comment on function auth_internal.lint_grants is 'Findings of auth.lint() about grants.';

-- Who may own tables instead of their owner: whoever has tables already, cannot log in, and cannot be taken on by anybody but
-- superusers and that owner, who have these tables already. Whoever can grant a role can take it on.
create function auth_internal.lint_keeper(owner oid, candidates oid[]) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive reach (candidate, member) as (
        select m.roleid, m.member from pg_auth_members m where m.roleid = any (lint_keeper.candidates)
        union
        select h.candidate, m.member from reach h join pg_auth_members m on m.roleid = h.member
         where h.member <> lint_keeper.owner)
    select min(r.rolname::text) from pg_roles r
     where r.oid = any (lint_keeper.candidates) and not r.rolcanlogin and not r.rolsuper and not r.rolbypassrls
       -- The owner of the database is a member of pg_database_owner without being one in the catalog.
       and r.oid <> lint_keeper.owner and r.rolname !~ '^pg_'
       and not exists (select from reach h join pg_roles m on m.oid = h.member
                        where h.candidate = r.oid and h.member <> lint_keeper.owner and not m.rolsuper)
$$;
comment on function auth_internal.lint_keeper is 'Who of these may own the tables of this owner; NULL when nobody.';

create function auth_internal.lint_roles(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with relations as materialized (
        select c.oid, c.relowner, c.relacl, c.relnamespace from pg_class c
         where c.relkind in ('r', 'p') and c.relnamespace = any (namespaces)
           and (c.relrowsecurity or c.oid = any (tables))
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    owners as materialized (
        select r.oid, r.rolname, r.rolsuper, r.rolsuper or r.rolbypassrls as escapes, count(*) as owned,
               auth_internal.lint_keeper(r.oid, array(select distinct relowner from relations)) as keeper
          from relations t join pg_roles r on r.oid = t.relowner
         where r.rolcanlogin or r.rolsuper or r.rolbypassrls
         group by r.oid, r.rolname, r.rolsuper, r.rolbypassrls),
    -- Each that has none gets a new one of its own, so that these run in any order.
    fresh as materialized (
        select o.oid, f.name
          from (select oid, row_number() over (order by oid) as place from owners where keeper is null) o
          join (select g.name, row_number() over (order by g.n) as place
                  from (select n, 'application_owner' || case n when 1 then '' else '_' || n end as name
                          from generate_series(1, (select count(*) from pg_roles k where starts_with(k.rolname::text, 'application_owner'))
                                                  + (select count(*) from owners)) n) g
                 where not exists (select from pg_roles k where k.rolname = g.name)) f on f.place = o.place),
    moved as (
        select o.*, f.name as fresh,
               string_agg(distinct format('grant usage on schema %s to %I; ', t.relnamespace::regnamespace, k.name), '')
               || string_agg(format('alter table %s owner to %I; ', auth_internal.qualified(t.oid), k.name)
                             || case when o.rolsuper then '' else
                                     format('grant select, insert, update, delete on %s to %I; ', auth_internal.qualified(t.oid), o.rolname) end,
                             '' order by t.oid) as moves
          from owners o left join fresh f on f.oid = o.oid
          join relations t on t.relowner = o.oid
          cross join lateral (select coalesce(o.keeper, f.name) as name) k
         group by o.oid, o.rolname, o.rolsuper, o.escapes, o.owned, o.keeper, f.name)
    select case when escapes then 'owner_bypasses' else 'owner_logs_in' end, 'warning', quote_ident(rolname),
           case when escapes then format('the role owns %s protected tables, and FORCE does not bind it: its views and functions see everything', owned)
                else format('the role owns %s protected tables and logs in: it can switch their policies off', owned) end,
           -- In one statement: where somebody took the name meanwhile, nothing becomes theirs.
           case when fresh is null then rtrim(moves, '; ')
                else auth_internal.pinned(format('create role %I nologin; ', fresh) || rtrim(moves, '; ')) end, oid
      from moved
    union all
    select 'bypasses_rls', 'error', quote_ident(r.rolname),
           case when r.rolsuper then 'a superuser is granted protected tables as if an application logged in with it: no policy holds for it'
                when r.rolcanlogin then 'the role logs in, has grants on protected tables, and no policy holds for it: good for backups alone'
                else 'roles that log in can become this one, for which no policy holds' end,
           format('alter role %I %s', r.rolname, case when r.rolsuper then 'nosuperuser nobypassrls' else 'nobypassrls' end), null::oid
      from pg_roles r
     where case when r.rolsuper
                then r.rolcanlogin and exists (
                     select from relations t cross join lateral aclexplode(t.relacl) x
                      where x.grantee = r.oid and t.relowner <> r.oid)
                else r.rolbypassrls
                     and (r.rolcanlogin
                          or exists (select from pg_roles m where m.rolcanlogin and not m.rolsuper and pg_has_role(m.oid, r.oid, 'member')))
                     and exists (select from relations t where t.relowner <> r.oid
                                    and has_table_privilege(r.oid, t.oid, 'select, insert, update, delete')) end
    union all
    select 'inherits_service', 'warning', quote_ident(d.rolname),
           'roles that log in have the policies of bearer_service all the time: every query of a tenant loses its index to them',
           case when current_setting('server_version_num')::integer < 160000 then format('alter role %I noinherit', d.rolname)
                else format('grant bearer_service to %I with inherit false granted by %I', d.rolname, pg_get_userbyid(m.grantor)) end, null::oid
      from pg_auth_members m
      join pg_roles s on s.oid = m.roleid and s.rolname = 'bearer_service'
      join pg_roles d on d.oid = m.member
     where not d.rolsuper and coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, d.rolinherit)
       and exists (select from pg_roles l where l.rolcanlogin and not l.rolsuper and pg_has_role(l.oid, d.oid, 'usage'))
    union all
    select 'owner_reachable', 'info', format('%s for %s', quote_ident(o.rolname), quote_ident(d.rolname)),
           'a role that logs in is a member of the owner of protected tables and can switch their policies off: good for migrations alone',
           format('revoke %I from %I cascade', o.rolname, d.rolname), o.oid
      from pg_auth_members m
      join pg_roles o on o.oid = m.roleid
      join pg_roles d on d.oid = m.member
     where d.rolcanlogin and not d.rolsuper and o.oid in (select relowner from relations)
$$;
comment on function auth_internal.lint_roles is 'Findings of auth.lint() about roles.';

-- Replication gives and takes rows past every policy.
create function auth_internal.lint_replication()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select 'publishes_credentials', 'warning', quote_ident(p.pubname),
           case when p.puballtables then 'all tables are published, also those of schema auth, with keys and secrets'
                else 'tables of schema auth are published, with keys and secrets' end,
           case when p.puballtables
                then format('drop publication %1$I; create publication %1$I%2$s with (publish = %3$L, publish_via_partition_root = %4$s)',
                            p.pubname, coalesce(' for tables in schema ' || s.names, ''),
                            concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                                      case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end),
                            p.pubviaroot::text)
                else concat_ws('; ',
                     case when t.names is not null then format('alter publication %I drop table %s', p.pubname, t.names) end,
                     case when x.whole then format('alter publication %I drop tables in schema auth', p.pubname) end) end, p.pubowner
      from pg_publication p
      cross join lateral (
           select string_agg(distinct quote_ident(n.nspname), ', ') as names
             from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
            where auth_internal.is_application_schema(n.nspname)) s
      cross join lateral (
           select string_agg(distinct auth_internal.qualified(r.prrelid), ', ') as names
             from pg_publication_rel r join pg_class c on c.oid = r.prrelid
            where r.prpubid = p.oid and c.relnamespace = 'auth'::regnamespace) t
      cross join lateral (
           select exists (select from pg_publication_namespace n
                           where n.pnpubid = p.oid and n.pnnspid = 'auth'::regnamespace) as whole) x
     where p.puballtables or t.names is not null or x.whole;
    -- Before 16 changes are applied as the subscription's owner, who is a superuser.
    if current_setting('server_version_num')::integer >= 160000 then
        return query
        select 'subscriber_refuses', 'error', format('%s into %s', quote_ident(s.subname), c.oid::regclass),
               'changes are not applied: whoever applies them is bound by the policies of the table, which replication refuses'
                   || case when s.subrunasowner or not (o.rolsuper or o.rolbypassrls)
                           then '; no SQL can say who else should own the subscription' else '' end,
               case when not s.subrunasowner and (o.rolsuper or o.rolbypassrls)
                    then format('alter subscription %I set (run_as_owner = true)', s.subname) end, c.relowner
          from pg_subscription s
          join pg_roles o on o.oid = s.subowner
          join pg_subscription_rel r on r.srsubid = s.oid
          join pg_class c on c.oid = r.srrelid and c.relrowsecurity
         where s.subdbid = (select d.oid from pg_database d where d.datname = current_database())
           and not auth_internal.lint_escapes(case when s.subrunasowner then s.subowner else c.relowner end, c.oid);
    end if;
end
$$;
comment on function auth_internal.lint_replication is 'Findings of auth.lint() about replication.';

-- What auth.lint() says about the keys that this database signs with.

create function auth_internal.lint_signing_keys()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with signing_keys as (
        select k.id, k.alg, k.state, k.made_in, i.issuer, i.id as issuer_id, format('key %L of issuer %L', k.id, i.issuer) as object,
               exists (select from auth.jwt_secrets s where s.key_id = k.id) as has_material
          from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
         where i.own and k.state <> 'revoked'
    )
    select 'signing_key_copied', 'warning', k.object,
           'another database made the key, of which this one is a copy: tokens that it made until then are accepted here, where their revocation may be unknown, and whoever has either can sign for both. '
               'Make another one (auth.create_signing_key) and sign with it (auth.rotate_signing_key), then end this one (auth.revoke_jwt_key). That ends its tokens, so no SQL can tell when',
           null::text, null::oid
      from signing_keys k where k.made_in is distinct from auth_internal.this_database()
    union all
    select 'signing_key_missing', 'warning', k.object,
           'the private key is not here, as after a restore from a dump without secrets: nothing can be signed with it, and what it signed '
               || case when k.alg = 'HS256' then 'is refused' else 'stays good' end,
           case when k.state = 'next' then format('select auth.set_signing_key_state(%L, %L)', k.id, 'retired')
                when n.has_material then format('select auth.rotate_signing_key(%L)', k.issuer)
                else case when n.id is null then '' else format('select auth.set_signing_key_state(%L, %L); ', n.id, 'retired') end
                     || format('select auth.create_signing_key(%1$L, %2$L); select auth.rotate_signing_key(%2$L)', k.alg, k.issuer) end,
           null::oid
      from signing_keys k
      left join signing_keys n on k.state = 'active' and n.issuer_id = k.issuer_id and n.state = 'next'
     where k.state in ('next', 'active') and not k.has_material
$$;
comment on function auth_internal.lint_signing_keys is 'Findings of auth.lint() about the keys of our own issuers.';

-- What auth.lint() says about tables and their partitions.

create function auth_internal.lint_tables(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    relations as materialized (
        select c.oid, c.relowner, c.relkind, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, o.org, o.orgs,
               -- NULL where auth.protect() would not know the column, or its type.
               (select format('select auth.protect(%L, %L', auth_internal.qualified(c.oid), a.attname)
                       || coalesce(', environment_column => ' || quote_literal(n.name), '') || ')'
                  from pg_attribute a where a.attrelid = c.oid and a.attnum = o.org and cardinality(o.orgs) = 1
                                        and auth_internal.lint_predicate(c.oid, o.org, null) is not null) as protect,
               (select string_agg(quote_ident(a.attname), ' or ' order by a.attnum)
                  from pg_attribute a where a.attrelid = c.oid and a.attnum = any (o.orgs) and cardinality(o.orgs) > 1) as doubt,
               exists (select from pg_policy p where p.polrelid = c.oid) as has_policies,
               -- A child that RLS does not cover shows what its parent hides.
               exists (select from pg_inherits i join pg_class p on p.oid = i.inhparent
                        where i.inhrelid = c.oid and p.relrowsecurity) as has_protected_parent
          from pg_class c left join organizations o on o.source = c.oid
          left join auth_internal.lint_environment_columns() n on n.source = c.oid
         where c.relkind in ('r', 'p', 'f') and c.relnamespace = any (namespaces)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e'))
    select 'rls_off', 'error', r.oid::regclass::text,
           'row-level security is off: whoever has the grant sees every row'
               || case when r.doubt is not null and not r.has_policies and not r.relispartition
                       then '; no SQL can say which column is the organization''s: ' || r.doubt else '' end,
           case when r.doubt is not null and not r.has_policies and not r.relispartition then null
                when not r.has_policies and not r.relispartition and r.protect is not null then r.protect
                else format('alter table %s enable row level security, force row level security', auth_internal.qualified(r.oid)) end, r.relowner
      from relations r
     where r.relkind <> 'f' and not r.relrowsecurity and not r.has_protected_parent
       and (r.org is not null or r.has_policies)
    union all
    select 'no_policy', 'info', r.oid::regclass::text,
           'row-level security is on and there is no policy: nobody sees a row'
               || case when r.protect is null then '; no SQL can say whose they are' else '' end, r.protect, r.relowner
      from relations r
     where r.relrowsecurity and r.org is not null and not r.has_policies and not r.has_protected_parent
    union all
    select 'child_rls_off', 'error', r.oid::regclass::text,
           'row-level security is off, and the policies of its parent hold only for queries of the parent',
           format('alter table %s enable row level security, force row level security', auth_internal.qualified(r.oid)), r.relowner
      from relations r
     where r.relkind <> 'f' and not r.relrowsecurity and r.has_protected_parent
    union all
    select 'rls_not_forced', 'error', r.oid::regclass::text,
           'the policies do not hold for the owner of the table, nor for views and functions of the owner',
           format('alter table %s force row level security', auth_internal.qualified(r.oid)), r.relowner
      from relations r
     where r.relrowsecurity and not r.relforcerowsecurity
       and (r.org is not null or r.has_policies or r.has_protected_parent)
    union all
    select 'foreign_table', 'error', r.oid::regclass::text,
           'a foreign table has no policies: whoever has the grant sees every row',
           format('revoke all on %s from %s cascade', auth_internal.qualified(r.oid), string_agg(distinct g.name, ', ')), r.relowner
      from relations r join pg_class c on c.oid = r.oid
      cross join lateral (
           select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name
             from aclexplode(c.relacl) x where x.grantee <> c.relowner) g
     where r.relkind = 'f' and (r.org is not null or r.has_protected_parent)
     group by r.oid, r.relowner
    union all
    select 'org_not_indexed', 'warning', r.oid::regclass::text,
           format('no index begins with column %I: a query of one organization reads the rows of all, and EXPLAIN counts them', a.attname),
           format('create index on %s (%I)', auth_internal.qualified(r.oid), a.attname), r.relowner
      from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum = r.org
     where r.relkind <> 'f' and not r.relispartition
       and not exists (select from unnest(r.orgs) n (org) where auth_internal.column_has_index(r.oid, n.org))
    union all
    select 'serial_id', 'info', r.oid::regclass::text,
           format('column %I counts with a sequence that those who insert may read, and takes numbers of their choice: both tell what other organizations do. A uuid, or GENERATED ALWAYS AS IDENTITY, does not; no SQL can tell whether the application needs it', a.attname),
           null, r.relowner
      from relations r
      join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
     where r.org is not null and not r.relispartition
       and exists (select from pg_index i where i.indrelid = r.oid and i.indisunique
                      and i.indnkeyatts = 1 and i.indkey[0] = a.attnum)
       and (a.attidentity = 'd'
            or exists (select from pg_attrdef d
                         join pg_depend x on x.classid = 'pg_attrdef'::regclass and x.objid = d.oid
                                         and x.refclassid = 'pg_class'::regclass
                         join pg_class s on s.oid = x.refobjid and s.relkind = 'S'
                        where d.adrelid = a.attrelid and d.adnum = a.attnum))
$$;
comment on function auth_internal.lint_tables is 'Findings of auth.lint() about tables.';

-- What auth.lint() says about tenants: what there is more of than quotas allow, and roles that are shown under another name.

create function auth_internal.lint_quotas()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- It is nobody's in particular, and to be counted in whole tables.
    if not auth_internal.has_rights_of(0) then
        return;
    end if;
    return query
    select 'over_quota', 'info', c.whose,
           format('%s %s, and pg_bearer.max_%s is %s: these stay, users create no more, and no SQL can tell which are needed',
                  c.number, c.what, c.kind, auth_internal.quota(c.kind)), null::text, null::oid
      from (select 'organizations' as kind, 'organizations' as what, format('user %L', o.created_by) as whose, count(*) as number
              from auth.organizations o where o.created_by is not null group by o.created_by
            union all
            select 'workspaces', 'workspaces', format('organization %L', w.org_id), count(*)
              from auth.workspaces w group by w.org_id
            union all
            select 'roles', 'roles of its own', format('organization %L', r.org_id), count(*)
              from auth.roles r where r.org_id is not null group by r.org_id
            union all
            select 'invitations', 'open invitations', format('organization %L', i.org_id), count(*)
              from auth.invitations i
             where i.accepted_at is null and i.revoked_at is null and i.expires_at > clock_timestamp()
             group by i.org_id
            union all
            select 'invitations', 'open invitations', format('user %L', i.created_by), count(*)
              from auth.invitations i
             where i.created_by is not null and i.accepted_at is null and i.revoked_at is null
               and i.expires_at > clock_timestamp()
             group by i.created_by) c
     where c.number > auth_internal.quota(c.kind);
end
$$;
comment on function auth_internal.lint_quotas is 'Findings of auth.lint() about what there is more of than quotas allow.';

create function auth_internal.lint_role_names()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'role_renamed', 'info', format('role %s of organization %L', auth_internal.role_name(r), r.org_id),
           format('every organization has a role %1$s, so this one is %1$s:own: no policy that compares with %1$s means it, and no SQL can tell which of the two its members should have',
                  r.name), null::text, null::oid
      from auth.roles r
     where r.org_id is not null
       and exists (select from auth.roles g where g.org_id is null and g.name = r.name)
$$;
comment on function auth_internal.lint_role_names is 'Findings of auth.lint() about roles whose name administrators gave to one of every organization.';

-- What auth.lint() says about the tenants' own data, to administrators alone.

create function auth_internal.lint_granted()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    most integer := current_setting('pg_bearer.max_granted_memberships', true)::integer;
    -- So many memberships are looked at, and so many users named.
    looked_at constant integer := 1000000;
    named constant integer := 100;
begin
    if not auth_internal.has_rights_of(0) then
        return;
    end if;
    return query
    select 'too_much_granted', 'warning', quote_literal(g.user_id),
           format('others made the user a member of %s %s, of which they accepted none; those beyond pg_bearer.max_granted_memberships (%s) do not count, '
                  'and no SQL can tell which are wanted: the user confirms those (auth.confirm_membership), their admins remove the others',
                  g.given, g.kind, most), null::text, null::oid
      from (select m.user_id, 'organizations' as kind, count(*) as given
              from (select n.user_id, n.created_by, n.accepted from auth.memberships n
                     where n.accepted is not true limit looked_at) m
             where not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
             group by m.user_id having count(*) > most
            union all
            select m.user_id, 'workspaces', count(*)
              from (select n.user_id, n.created_by, n.accepted from auth.workspace_memberships n
                     where n.accepted is not true limit looked_at) m
             where not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
             group by m.user_id having count(*) > most) g
     order by g.given desc, g.user_id limit named;
end
$$;
comment on function auth_internal.lint_granted is 'Findings of auth.lint() about users whom others gave more memberships than count.';

-- What auth.lint() says about users who sign in here.

create function auth_internal.lint_users()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'trigger_on_users', 'warning', format('trigger %I on auth.users', t.tgname),
           'pg_dump leaves triggers on tables of an extension out, so that a restored database does not have it. '
               'The hook after_user_created (auth.set_hook) is in the dump; no SQL can move what the trigger does there',
           null::text, null::oid
      from pg_trigger t where t.tgrelid = 'auth.users'::regclass and not t.tgisinternal
    union all
    select 'hook_changed', 'warning', format('hook %L', h.name),
           format('%s was changed, or has another owner, since it was set: what calls it fails. Read it before it is set again', h.function),
           case when pg_get_userbyid(p.proowner) = h.owner then format('select auth.set_hook(%L, %L)', h.name, h.function)
                else format('select auth.remove_hook(%L)', h.name) end, null::oid
      from auth.hooks h left join pg_proc p on p.oid = auth_internal.hook_function(h.function)
     where not auth_internal.hook_is_intact(h) and auth_internal.hook_function(h.function) is not null
    union all
    select 'hook_missing', 'warning', format('hook %L', h.name),
           format('there is no function %s that takes a jsonb: what calls it fails', h.function),
           format('select auth.remove_hook(%L)', h.name), null::oid
      from auth.hooks h where auth_internal.hook_function(h.function) is null
    union all
    select 'tries_undone', 'warning', 'auth.sign_in_tries',
           'pg_bearer is not in shared_preload_libraries, so that tries to sign in are counted in a table: whoever rolls back, with SQL of their own, tries passwords without end, and no SQL can load it',
           null::text, null::oid
     where exists (select from auth.user_passwords) and not auth_internal.counts_api_key_uses()
$$;
comment on function auth_internal.lint_users is 'Findings of auth.lint() about users who sign in here.';

-- What users give to others: how much of it, and how these accept it. Of too many, authenticate leaves some out
-- (src/verify/granted.rs): the functions here keep it from coming to that.

create function auth_internal.is_accepted(accepted boolean, created_by text, user_id text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(is_accepted.accepted, is_accepted.created_by is null or is_accepted.created_by = is_accepted.user_id)
$$;
comment on function auth_internal.is_accepted is
    'Did the user make the membership or accept it, or did a service or an administrator make it? Where the row does not say, whoever made it does.';

-- Does what its user never accepted count? That of an organization, or with a workspace that of both.
create function auth_internal.is_left_out(user_id text, org_id uuid, workspace_id uuid default null) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select not (is_left_out.org_id = any (auth_internal.counted_organizations(is_left_out.user_id))
                and (is_left_out.workspace_id is null
                     or is_left_out.workspace_id = any (auth_internal.counted_workspaces(is_left_out.user_id))))
$$;
comment on function auth_internal.is_left_out is
    'Is this membership, which is not suspended, one of too many that others gave the user?';

-- Of one giver, other sessions wait, so that they cannot give more together. Nobody else waits.
create function auth_internal.demand_acceptable(user_id text, in_workspaces boolean) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    giver text := auth_internal.acting_user();
    obstacle text;
begin
    if giver is null or giver = user_id then
        return;
    end if;
    perform auth_internal.take_lock('grant ' || jsonb_build_array(giver, user_id)::text,
                                    '00000000-0000-0000-0000-000000000000', true, true);
    obstacle := auth_internal.grant_obstacle(user_id, giver, in_workspaces);
    if obstacle is not null then
        raise program_limit_exceeded using
            message = case when obstacle = 'pg_bearer.max_granted_by_one' then 'you have given this user as many memberships as you may'
                           else 'others have given this user as many memberships as they may' end,
            hint = format('Invite them, or ask them to confirm what they have (%s).', obstacle);
    end if;
end
$$;
comment on function auth_internal.demand_acceptable is
    '54000 where a user has been given as many memberships of organizations, or of workspaces, as others may give; nothing for what the user does, a service or an administrator.';

-- Not what the identity has, which may have been made without this membership. Whoever holds a row may be ending it.
create function auth.confirm_membership(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    me text := auth_internal.user_in_person('only a user can confirm a membership');
    was_confirmed boolean;
begin
    perform from auth_internal.live_memberships m join auth_internal.live_organizations o on o.id = m.org_id
      where m.user_id = me and m.org_id = confirm_membership.org_id
        and not m.suspended and o.disabled_at is null and auth_internal.issuer_reaches(m.org_id);
    if not found then
        perform auth_internal.refuse_target('organization');
    end if;
    perform auth_internal.demand_scopes((auth_internal.role_of(org_id, me)).permissions);
    perform auth_internal.demand_scopes((auth_internal.live_role(m.role_id)).permissions)
       from auth_internal.live_workspace_memberships m
      where m.user_id = me and m.org_id = confirm_membership.org_id;
    with free as (
        select m.id from auth.memberships m
         where m.user_id = me and m.org_id = confirm_membership.org_id
           and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
           for no key update skip locked)
    update auth.memberships m set accepted = true
      from free where m.user_id = me and m.org_id = confirm_membership.org_id and m.id = free.id;
    was_confirmed := not found;
    with free as (
        select m.id, m.workspace_id from auth.workspace_memberships m
         where m.user_id = me and m.org_id = confirm_membership.org_id
           and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
           for no key update skip locked)
    update auth.workspace_memberships m set accepted = true
      from free where m.user_id = me and m.workspace_id = free.workspace_id and m.id = free.id;
    was_confirmed := was_confirmed and not found;
    perform from auth.memberships m
      where m.user_id = me and m.org_id = confirm_membership.org_id
        and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
    union all
    select from auth.workspace_memberships m
      where m.user_id = me and m.org_id = confirm_membership.org_id
        and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id);
    if found then
        perform auth_internal.refuse_busy_member();
    end if;
    if not was_confirmed then
        perform auth_internal.audit('member.confirm', org_id, org_id::text, me);
    end if;
end
$$;
comment on function auth.confirm_membership is
    'Accepts the caller''s own membership of an organization, and of the workspaces they have there now: it counts however much others give, from their next auth.authenticate() on, also where it was left out. Idempotent. 42501 when the organization is unknown or disabled or not theirs or NULL, for a service and an API key, 55P03 when somebody is changing a membership there at this moment, 28000 without an identity.';

-- The members of organizations.

create function auth_internal.refuse_member() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', 'no such member', 'auth.list_members() shows those there are.');
end
$$;
comment on function auth_internal.refuse_member is 'The error for a user who is no member (22023).';

-- The organization must be locked, and the caller's right to do it known.
create function auth_internal.insert_member(org_id uuid, user_id text, role_id uuid, created_by text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    violated text;
begin
    if exists (select from auth_internal.live_memberships m
                where m.org_id = insert_member.org_id and m.user_id = insert_member.user_id) then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_member_role() changes the role.';
    end if;
    perform auth_internal.demand_acceptable(user_id, false);
    -- One that has ended beside its row.
    delete from auth.memberships m
     where m.org_id = insert_member.org_id and m.user_id = insert_member.user_id
       and not exists (select from auth_internal.live_memberships l
                        where l.id = m.id and l.org_id = m.org_id and l.user_id = m.user_id);
    insert into auth.memberships (user_id, org_id, role_id, suspended, created_by, accepted)
    select insert_member.user_id, insert_member.org_id, insert_member.role_id, o.disabled_at is not null,
           insert_member.created_by, coalesce(auth_internal.acting_user() = insert_member.user_id, true)
      from auth.organizations o where o.id = insert_member.org_id;
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(org_id, null);
exception
    when unique_violation then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_member_role() changes the role.';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('memberships', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('memberships', violated);
end
$$;
comment on function auth_internal.insert_member is 'Adds a member to a locked organization; 23505 when he is one, 22023 for a bad id, 54000 when others have given them too many.';

create function auth.add_member(org_id uuid, user_id text, role text default 'member') returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, 'members.write');
    granted auth.roles := auth_internal.granted_role(org_id, role);
begin
    perform auth_internal.demand_grant(actor, granted);
    if auth_internal.acting_user() is not null
       and current_setting('pg_bearer.member_addition', true) is distinct from 'direct' then
        raise insufficient_privilege using
            message = 'users are not added without their consent here',
            hint = 'Invite them with auth.create_invitation() (pg_bearer.member_addition is invitation).';
    end if;
    perform auth_internal.insert_member(org_id, user_id, granted.id, auth_internal.acting_user());
    perform auth_internal.audit('member.add', org_id, org_id::text, user_id,
                                jsonb_build_object('role', auth_internal.role_name(granted)));
end
$$;
comment on function auth.add_member is
    'With members.write: makes a user a member with a role that the caller may grant: of a lower rank than his own and not excluded by it; an owner may grant every role. 23505 when he is one, 22023 for an unknown role or a bad or missing user id, 42501 when the caller may not or, for a user, pg_bearer.member_addition is invitation, 54000 when a user adds one whom others, or this user alone, have given as many memberships as pg_bearer.max_granted_memberships and pg_bearer.max_granted_by_one allow and who accepted none of them, 28000 without an identity.';

create function auth_internal.keep_owner(membership_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not auth_internal.may_keep(membership_id) then
        perform auth_internal.refuse_busy_member();
    end if;
end
$$;
comment on function auth_internal.keep_owner is 'Lets nobody end a membership that is about to be an owner''s until the transaction ends; 55P03 when somebody is doing so.';

-- Gives a member another role: in their row, or where somebody holds that beside it.
create function auth_internal.change_role(org_id uuid, user_id text, role_id uuid, rank integer, is_held boolean) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.memberships;
    makes_owner boolean := role_id = auth_internal.owner_role();
begin
    select m.* into member from auth.memberships m
     where m.org_id = change_role.org_id and m.user_id = change_role.user_id;
    -- Whoever held the row deleted it.
    if member.id is null then
        perform auth_internal.refuse_member();
    end if;
    if not is_held and makes_owner then
        perform auth_internal.keep_owner(member.id);
    end if;
    if is_held or not auth_internal.clear_beside('membership_role', member.id) then
        -- Who counts owners goes by the rows.
        if not is_held and makes_owner then
            perform auth_internal.refuse_busy_member();
        end if;
        perform auth_internal.end_beside('membership_role', member.id, org_id, user_id, role_id,
                                         auth_internal.rank_beside(member.id, rank), false, member.role_id);
        return;
    end if;
    update auth.memberships m set role_id = change_role.role_id
     where m.org_id = change_role.org_id and m.user_id = change_role.user_id;
end
$$;
comment on function auth_internal.change_role is 'Gives a member another role, for a caller of this rank. The row is locked, or held by somebody else.';

create function auth.set_member_role(org_id uuid, user_id text, role text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_ending(org_id, 'members.write');
    is_held boolean := auth_internal.try_member(org_id, user_id) is not true;
    old auth.roles := auth_internal.role_of(org_id, user_id);
    granted auth.roles := auth_internal.granted_role(org_id, role);
begin
    if granted.rank > old.rank then
        perform auth_internal.share('organization', org_id);
        perform auth_internal.wait_for_member(org_id, user_id);
        is_held := false;
        -- Again: both may have been changed while this waited.
        actor := auth_internal.acting_role(org_id, 'members.write');
        old := auth_internal.role_of(org_id, user_id);
    end if;
    if old.id is null then
        perform auth_internal.refuse_member();
    end if;
    -- Nobody has a higher rank than their own: of those who change themselves only owners come further.
    perform auth_internal.demand_seniority(actor, old);
    perform auth_internal.demand_grant(actor, granted);
    if old.id = auth_internal.owner_role() and granted.id <> old.id then
        perform auth_internal.demand_other_owner(org_id, user_id);
    end if;
    perform auth_internal.change_role(org_id, user_id, granted.id, actor.rank, is_held);
    perform auth_internal.lower_workspace_roles(org_id, user_id, granted);
    perform auth_internal.demand_handing_on(org_id, null);
    if granted.id <> old.id then
        perform auth_internal.audit('member.set_role', org_id, org_id::text, user_id,
                                    jsonb_build_object('role', auth_internal.role_name(granted), 'was', auth_internal.role_name(old)));
    end if;
end
$$;
comment on function auth.set_member_role is
    'With members.write: gives a member another role, also in workspaces where theirs would be higher than that. Their old role must have a lower rank than the caller''s own, and the new one be one that the caller may grant; an owner may change everybody, themselves too. A lower role waits for nobody but, where an owner is changed, for others who do so. 22023 for an unknown member or role, 42501 when the caller may not or the last owner would go, 55P03 after 2 seconds of waiting, 28000 without an identity.';

create function auth.remove_member(org_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    leaves boolean := coalesce(user_id = auth_internal.acting_user(), false);
    actor auth.roles := case when leaves then auth_internal.enter_own_ending(org_id)
                             else auth_internal.enter_ending(org_id, 'members.write') end;
    old auth.roles;
begin
    perform auth_internal.try_member(org_id, user_id);
    old := auth_internal.role_of(org_id, user_id);
    if old.id is null then
        perform auth_internal.refuse_member();
    end if;
    if not leaves then
        perform auth_internal.demand_seniority(actor, old);
    end if;
    if old.id = auth_internal.owner_role() then
        perform auth_internal.demand_other_owner(org_id, user_id);
    end if;
    perform auth_internal.delete_member(org_id, user_id, case when leaves then 1000 else actor.rank end);
    perform auth_internal.audit('member.remove', org_id, org_id::text, user_id,
                                jsonb_build_object('was', auth_internal.role_name(old)));
end
$$;
comment on function auth.remove_member is
    'With members.write: removes a member, whose role must have a lower rank than the caller''s own (an owner removes everybody), from the organization and its workspaces. Their API keys there end, and open invitations that they made or could come back by. Anybody may remove themselves. Waits for nobody, but where an owner is removed for others who do so. 22023 for an unknown member, 42501 when the caller may not or the last owner would go, 55P03 after 2 seconds of waiting, 28000 without an identity.';

create function auth.leave_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.remove_member(org_id, auth_internal.leaving_user());
end
$$;
comment on function auth.leave_organization is
    'Ends the caller''s own membership of the organization and its workspaces, as auth.remove_member() does. 42501 when they are no member, or its last owner, 55P03 after 2 seconds of waiting, 28000 without an identity.';

create function auth.list_members(org_id uuid default null)
    returns table (user_id text, role text, rank integer, created_at timestamptz, created_by text, accepted boolean,
                   left_out boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := coalesce(list_members.org_id, auth.current_org());
begin
    perform auth_internal.read_organization(its_org, 'members.read');
    return query
        select m.user_id, auth_internal.role_name(r), r.rank, m.created_at, m.created_by, a.accepted,
               not a.accepted and not m.suspended and auth_internal.is_left_out(m.user_id, m.org_id)
          from auth_internal.live_memberships m cross join lateral auth_internal.live_role(m.role_id) r
         cross join lateral (select auth_internal.is_accepted(m.accepted, m.created_by, m.user_id) as accepted) a
         where m.org_id = its_org
         order by r.rank desc, m.user_id;
end
$$;
comment on function auth.list_members is
    'With members.read: the members of an organization, for NULL of the current one, and their roles; the highest first. accepted is false where another user added them and they never confirmed it, left_out true where that does not count because others gave them too many memberships. 42501 when the caller may not or it is unknown or not his, 28000 without an identity.';

-- Tables of the application that say who belongs where. The library reads them directly, past the
-- executor: no trigger, policy, view or function of their owners runs, and no grant is needed or made.
-- Every function demands an administrator, whoever was granted it.

-- 22023 for a table that cannot be a source.
create function auth_internal.refuse_source(message text, hint text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', refuse_source.message, refuse_source.hint);
end
$$;
comment on function auth_internal.refuse_source is 'The error for a table that cannot be a source of memberships (22023).';

-- The column's number, when it is there, stored and of one of these types; 22023 else.
create function auth_internal.source_column(source regclass, argument text, wanted name, types regtype[], or_enum boolean)
    returns smallint
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_column record;
begin
    select a.attnum, a.attgenerated = 'v' as is_virtual, coalesce(c.collisdeterministic, true) as is_exact,
           a.atttypid = any (types) or or_enum and t.typtype = 'e' as has_type
      into the_column
      from pg_attribute a
      join pg_type t on t.oid = a.atttypid
      left join pg_collation c on c.oid = a.attcollation
     where a.attrelid = source and a.attname = wanted and a.attnum > 0 and not a.attisdropped;
    if not found then
        perform auth_internal.refuse_source(format('%s is not a column of the table', argument),
                                   'Give the name as it is stored, without quotes.');
    elsif not the_column.has_type then
        perform auth_internal.refuse_source(
            format('the column for %s has a type that is not allowed', argument),
            case when or_enum then 'Use text, varchar or an enum.'
                 else 'Use text, varchar, uuid, bigint or integer.' end);
    elsif not the_column.is_exact or the_column.is_virtual then
        perform auth_internal.refuse_source(
            format('the column for %s must be stored and compared exactly', argument),
            'It can be no virtual column and have no nondeterministic collation.');
    end if;
    return the_column.attnum;
end
$$;
comment on function auth_internal.source_column is 'The number of a column of a source; 22023 when it is not there or not fit for it.';

-- 22023 unless an index finds the rows of a user.
create function auth_internal.demand_source_index(source regclass, user_number smallint) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform from pg_index i
      join pg_class c on c.oid = i.indexrelid
      join pg_am m on m.oid = c.relam and m.amname = 'btree'
      join pg_opclass o on o.oid = i.indclass[0] and o.opcdefault
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
     where i.indrelid = source and i.indkey[0] = user_number and i.indcollation[0] = a.attcollation
       and i.indisvalid and i.indisready and i.indislive and i.indpred is null;
    if not found then
        perform auth_internal.refuse_source(
            'the table has no index that finds the rows of a user',
            'Create a btree index, without WHERE, whose first column is user_column.');
    end if;
end
$$;
comment on function auth_internal.demand_source_index is '22023 unless an index of the table finds the rows of a user.';

create function auth.register_membership_source(
    source regclass, user_column name, org_column name, role_column name default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    ids constant regtype[] := '{text,varchar,uuid,bigint,integer}';
    old auth.membership_sources;
begin
    perform auth_internal.require_administrator();
    perform from pg_class c
      join pg_namespace n on n.oid = c.relnamespace and auth_internal.is_application_schema(n.nspname)
      where c.oid = register_membership_source.source and c.relkind = 'r' and c.relpersistence <> 't';
    if not found then
        perform auth_internal.refuse_source('the source is not a plain table',
                                   'It can be no view, partitioned, foreign or temporary table, and none of pg_bearer.');
    end if;
    if auth_internal.owns_table(source) is not true then
        raise insufficient_privilege using
            message = 'the table is not yours', hint = 'Its owner, who must be an administrator of pg_bearer, can do it.';
    end if;
    perform auth_internal.demand_source_index(source, auth_internal.source_column(source, 'user_column', user_column, ids, false));
    perform auth_internal.source_column(source, 'org_column', org_column, ids, false);
    if role_column is not null then
        perform auth_internal.source_column(source, 'role_column', role_column, '{text,varchar}', true);
    end if;
    select s.* into old from auth.membership_sources s where s.source = register_membership_source.source;
    insert into auth.membership_sources as s (source, user_column, org_column, role_column)
    values (source, user_column, org_column, role_column)
    on conflict on constraint membership_sources_pkey do update
       set user_column = excluded.user_column, org_column = excluded.org_column,
           role_column = excluded.role_column;
    -- Other columns are other members.
    perform auth_internal.commit_durably();
    if (old.user_column, old.org_column, old.role_column) is distinct from (user_column, org_column, role_column) then
        perform auth_internal.audit('membership_source.register', null, source::text);
    end if;
end
$$;
comment on function auth.register_membership_source is
    'Administrators who own the table: the rows of the table make users members of organizations from now on. user_column and org_column are text, varchar, uuid, bigint or integer, org_column the organization''s id or external_id; role_column, text, varchar or an enum, is the name of a role. A btree index must begin with user_column. Whoever writes the table decides who is a member; several rows for one user and organization that differ in the role give none, and rows of tables that inherit from it do not count. The library reads it directly: no SQL of its owner runs, and no grant or policy is needed or made. Registering again changes the columns. 22023 with a hint for a table that is not fit for it or NULL, 42501 for one of somebody else and for anybody but administrators.';

create function auth.unregister_membership_source(source regclass) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    delete from auth.membership_sources s where s.source = unregister_membership_source.source;
    if not found then
        perform auth_internal.refuse_source('the table is not registered', 'auth.list_membership_sources() shows those that are.');
    end if;
    perform auth_internal.commit_durably();
    perform auth_internal.audit('membership_source.unregister', null, source::text);
end
$$;
comment on function auth.unregister_membership_source is
    'Administrators: the table makes nobody a member any more, from the commit on. Of a table that is gone give the number. 22023 when it is not registered, 42501 for anybody else.';

create function auth.list_membership_sources() returns setof auth.membership_sources
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query select * from auth.membership_sources s order by s.source::text;
end
$$;
comment on function auth.list_membership_sources is
    'Administrators: the tables that make users members. 42501 for anybody else.';

-- Foreign keys that were checked against a part of the rows only.

-- What makes an unmatched row of a foreign key: text for a query of the table `c` with its parent `p`. Operators are the key's own.
create function auth_internal.foreign_key_query(key oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select format('select count(*) from %s c where (%s) and not exists (select from %s p where %s)%s',
                  case c.relkind when 'p' then '' else 'only ' end || auth_internal.qualified(k.conrelid),
                  string_agg(format('c.%I is not null', f.attname), ' and ' order by n.place),
                  case p.relkind when 'p' then '' else 'only ' end || auth_internal.qualified(k.confrelid),
                  string_agg(format('p.%I operator(%I.%s) c.%I', r.attname, s.nspname, o.oprname, f.attname)
                             -- The parent's decides, as Postgres has it.
                             || case when r.attcollation <> f.attcollation and l.oid is not null then format(' collate %I.%I', ls.nspname, l.collname) else '' end,
                             ' and ' order by n.place),
                  -- A part of the columns without the others.
                  case k.confmatchtype when 'f' then
                      format(' or num_nulls(%1$s) between 1 and %2$s',
                             string_agg(format('c.%I', f.attname), ', ' order by n.place), count(*) - 1) else '' end)
      from pg_constraint k
      join pg_class c on c.oid = k.conrelid
      join pg_class p on p.oid = k.confrelid
     cross join lateral unnest(k.conkey, k.confkey, k.conpfeqop) with ordinality as n (child, parent, operator, place)
      join pg_attribute f on f.attrelid = k.conrelid and f.attnum = n.child
      join pg_attribute r on r.attrelid = k.confrelid and r.attnum = n.parent
      join pg_operator o on o.oid = n.operator
      join pg_namespace s on s.oid = o.oprnamespace
      left join pg_collation l on l.oid = r.attcollation
      left join pg_namespace ls on ls.oid = l.collnamespace
     where k.oid = foreign_key_query.key and k.contype = 'f'
       and coalesce(to_jsonb(k) ->> 'conperiod', 'false') = 'false'
     group by k.oid, k.conrelid, k.confrelid, k.confmatchtype, c.relkind, p.relkind
$$;
comment on function auth_internal.foreign_key_query is 'The query that counts the rows that violate a foreign key; NULL for one over periods.';

-- As the caller, who has to see both tables whole.
create function auth.recheck_foreign_keys(source regclass)
    returns table (name name, child regclass, parent regclass, validated boolean, violations bigint)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    key record;
    hidden regclass;
    query text;
begin
    for key in
        select k.oid, k.conname, k.conrelid, k.confrelid, k.convalidated
          from pg_constraint k
         where k.contype = 'f' and k.conparentid = 0 and recheck_foreign_keys.source in (k.conrelid, k.confrelid)
           and coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
         order by k.conrelid::regclass::text, k.conname
    loop
        select t.oid into hidden from unnest(array[key.conrelid, key.confrelid]) t (oid)
         where row_security_active(t.oid) and not auth_internal.is_migrating(t.oid);
        if found then
            raise object_not_in_prerequisite_state using
                message = format('row security hides rows of %s from you', hidden),
                hint = 'Call auth.begin_data_migration() with both tables first in the transaction.';
        end if;
        name := key.conname;
        child := key.conrelid;
        parent := key.confrelid;
        validated := key.convalidated;
        violations := null;
        query := auth_internal.foreign_key_query(key.oid);
        if query is not null then
            execute query into violations;
        end if;
        return next;
    end loop;
end
$$;
comment on function auth.recheck_foreign_keys is
    'Whoever sees them whole: counts the rows that violate the foreign keys of a table, and those that refer to it; in a data migration for owners. One row per key: its name, both tables, whether Postgres holds it validated, and how many rows violate it, NULL for a key over periods, which this cannot check. Keys that are not enforced are left out. No rows for NULL and a table without such keys. 55000 where row security hides rows of either table, 42501 without the right to select from both.';

-- Changing the rows of all tenants at once, as the owner of their tables. The functions are in src/pg/functions/migrations.rs.

create function auth.begin_data_migration(tables regclass[]) returns void
    language c parallel unsafe as 'MODULE_PATHNAME', 'begin_data_migration_wrapper';
comment on function auth.begin_data_migration is
    'The tables'' owner: sees and writes all rows of these tables, and of what inherits from them, until the transaction ends or is rolled back to before the call; also in foreign keys that are added or validated, and in functions and views of the owner that they use. Row security stays as it is: other roles see what they saw, also after SET ROLE. Called again it adds tables. Noted in the server log. Meanwhile nobody can sign in, no cursor WITH HOLD can be declared and the transaction cannot be prepared. 22023 for NULL, no tables and what is no table of an application, 42501 for a table of somebody else, 55000 where a restrictive policy binds the owner too, 55006 in a transaction that has had an identity, or has declared a cursor WITH HOLD that is open.';
comment on function auth_internal.is_migrating is 'Is the table in a data migration of the outer user, in this transaction? What the policy of one asks.';

-- Who calls, and what permissions cover. The functions are in src/pg/functions/tenancy.rs and keys.rs.

comment on function auth_internal.require_administrator is
    '42501 unless the outer user has the rights of a superuser or of bearer_admin; 55000 where that role is missing.';
comment on function auth_internal.is_administrator is
    'Has the outer user the rights of a superuser or of bearer_admin, in a transaction that acts for nobody?';
comment on function auth_internal.refuse_restricted_operation is '42501 where code of one user runs for another: in ANALYZE, REINDEX, REFRESH and index expressions.';
comment on function auth_internal.owns_table is
    'Is the outer user a superuser, or a member of the role that owns this table? NULL for NULL.';
comment on function auth_internal.demand_handing_on is '28000 unless the credential of the identity would be accepted now, for the same user, also in this organization; 42501 where it gives nothing that lasts, or nothing that counts in this environment, NULL: in all. Nothing for an administrator without an identity.';
comment on function auth_internal.demand_environment is '42501 where whoever is signed in changes nothing that counts in this environment, NULL: in all.';
comment on function auth_internal.issuer_reaches is 'May users of the identity''s issuer, as it is now, act in this organization, or for NULL in any? False without an issuer.';
comment on function auth_internal.permission_covers is
    'Does one of these permissions cover the one that is asked for? NULL for NULL.';
comment on function auth_internal.common_permissions is
    'The permissions that both lists cover. NULL for NULL.';
comment on function auth_internal.random_token is '256 random bits as 43 characters of base64url.';
comment on function auth_internal.has_rights_of is 'Is the outer user an administrator, or does he have the rights of this role? NULL for NULL.';
comment on function auth_internal.is_as_seen is 'Does the statement see an organization, what has ended in it and the place of a user there as they are now?';
comment on function auth_internal.other_owners is 'The memberships of the owners that the organization has besides this user now, whatever the snapshot. NULL for NULL.';
comment on function auth_internal.refuse is 'Raises an error with this SQLSTATE, 22023 for one that it does not know, of whose CONTEXT the functions of ours are left out.';
comment on function auth_internal.take_lock is 'Locks something of ours until the transaction ends. False where somebody is in the way and nobody is to wait. NULL for NULL.';
comment on function auth_internal.is_lock_free is 'Does nobody else hold such a lock now? NULL for NULL.';
comment on function auth_internal.counted_organizations is 'The organizations in which the user''s memberships in our tables count now. NULL for NULL.';
comment on function auth_internal.counted_workspaces is 'The workspaces in which they do, if those in their organizations do. NULL for NULL.';
comment on function auth_internal.grant_obstacle is 'The setting that keeps the giver from making the user a member of one more organization, or workspace; NULL when none does, and for NULL.';

-- Endings wait for nobody. What takes something away tries the row's lock; where somebody holds the row, who might be the
-- very user that is removed, the ending becomes a row of auth.endings, which every reader honours, also against what the
-- holder makes of the row afterwards. auth.purge_endings() makes the rows what they count as.

-- Does an ending of this rank count against a member whose row names this role? One that somebody of a lower rank made while
-- the promotion was under way does not, unless the row still names the role that it named then.
create function auth_internal.ending_counts(rank integer, former_role_id uuid, role_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(ending_counts.rank >= 1000 or ending_counts.rank > (auth_internal.live_role(ending_counts.role_id)).rank, true)
        or coalesce(ending_counts.former_role_id = ending_counts.role_id, false)
$$;
comment on function auth_internal.ending_counts is 'Does an ending by somebody of this rank count against a member with this role? True where the rank is not known.';

create function auth_internal.end_beside(
    kind text, target_id uuid, org_id uuid, user_id text default null, role_id uuid default null, rank integer default null,
    deleted boolean default false, former_role_id uuid default null
) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.begin_beside(kind, target_id, org_id, rank, deleted);
    insert into auth.endings (kind, target_id, org_id, user_id, role_id, rank, deleted, former_role_id, ended_by)
    values (kind, target_id, org_id, user_id, role_id, rank, deleted, former_role_id, auth_internal.acting_user_if_any())
$$;
comment on function auth_internal.end_beside is 'Ends or changes something whose row somebody holds.';

-- Changes beside a row share this lock; whoever makes one in the row looks whether it is free, and goes beside the row as well
-- where it is not: what is not committed yet, and older, must not count against what comes later. Nobody keeps it alone.
create function auth_internal.begin_beside(kind text, target_id uuid, org_id uuid, rank integer, deleted boolean)
    returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform case
        when kind in ('membership', 'membership_role', 'role') then auth_internal.take_lock('beside', target_id, false, true)
        -- There can be many of them.
        when kind = 'workspace_membership_role' then auth_internal.take_lock('beside', org_id, false, true)
    end;
    -- Nobody makes others read without end.
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f
          where f.target_id = begin_beside.target_id and f.kind = begin_beside.kind and f.deleted <= begin_beside.deleted
            and (begin_beside.kind = 'role' or begin_beside.rank is null or f.rank <= begin_beside.rank)
            for update skip locked);
end
$$;
comment on function auth_internal.begin_beside is 'Prepares an ending or a change beside a row: the last one of several is enough.';

-- Before a row itself is changed. Whoever is changing the same thing beside its row once more holds what came before, and is not
-- waited for: what is left would go before the row.
create function auth_internal.clear_beside(kind text, target_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f
          where f.target_id = clear_beside.target_id and f.kind = clear_beside.kind for update skip locked);
    return not exists (select from auth.endings e where e.target_id = clear_beside.target_id and e.kind = clear_beside.kind);
end
$$;
comment on function auth_internal.clear_beside is 'Takes away what was changed beside a row; false where somebody holds some of that, so that the change has to go beside the row as well.';

create function auth_internal.refuse_busy_member() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise lock_not_available using
        message = 'somebody is changing this membership now', hint = 'Try again.';
end
$$;
comment on function auth_internal.refuse_busy_member is 'The error for a membership that somebody else is changing (55P03).';

create function auth_internal.keeps_snapshot() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
$$;
comment on function auth_internal.keeps_snapshot is 'Does the transaction go on seeing what its first statement saw?';

-- As Postgres says it, for clients that try again.
create function auth_internal.refuse_snapshot() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    raise serialization_failure using message = 'could not serialize access due to concurrent update';
end
$$;
comment on function auth_internal.refuse_snapshot is 'The error for a snapshot that does not show what counts now (40001).';

-- Under REPEATABLE READ nobody acts on the strength of what was.
create function auth_internal.refuse_stale(org_id uuid, user_id text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not auth_internal.is_as_seen(org_id, user_id) then
        perform auth_internal.refuse_snapshot();
    end if;
end
$$;
comment on function auth_internal.refuse_stale is '40001 where the transaction keeps a snapshot in which the organization, or the place of the user there, is not what it is now.';

-- As auth_internal.enter_organization(), for what takes something away: raises the revision if nobody is in the way.
create function auth_internal.enter_ending(org_id uuid, permission text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.enter_own_ending(org_id);
    perform auth_internal.acting_role(org_id, permission);
    update auth.organizations o set revision = o.revision + 1
     where o.id = (select f.id from auth.organizations f where f.id = enter_ending.org_id for no key update skip locked);
    -- Again: what that row's last holder did counts.
    return auth_internal.acting_role(org_id, permission);
end
$$;
comment on function auth_internal.enter_ending is 'As auth_internal.enter_organization(), without waiting for anybody.';

-- As auth_internal.enter_ending(), for members who end something of their own: touches nothing that others need.
create function auth_internal.enter_own_ending(org_id uuid) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_api_key();
    perform auth_internal.demand_own(org_id, 'organization');
    -- What ends here ends in the live environment too, with live API keys.
    perform auth_internal.demand_environment(null);
    perform auth_internal.commit_durably();
    perform auth_internal.refuse_stale(org_id, auth_internal.acting_user());
    return auth_internal.read_organization(org_id, null);
end
$$;
comment on function auth_internal.enter_own_ending is 'The role of a member who ends something of their own.';

create function auth_internal.is_enabled(what text, id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case what when 'organization' then
                exists (select from auth_internal.live_organizations o where o.id = is_enabled.id and o.disabled_at is null)
           else exists (select from auth_internal.live_workspaces w where w.id = is_enabled.id and w.disabled_at is null) end
$$;
comment on function auth_internal.is_enabled is 'Is there this organization or workspace, and is it not disabled itself?';

-- Before what the row says is looked at. Where somebody holds it, what is seen is what was before.
create function auth_internal.try_member(org_id uuid, user_id text) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.memberships m
      where m.org_id = try_member.org_id and m.user_id = try_member.user_id for update skip locked;
    return found and auth_internal.is_lock_free('beside', m.id)
      from auth.memberships m where m.org_id = try_member.org_id and m.user_id = try_member.user_id;
end
$$;
comment on function auth_internal.try_member is 'Locks the row of a member; false where somebody holds it or is changing something beside it, NULL where there is none.';

create function auth_internal.wait_for_member(org_id uuid, user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform from auth.memberships m
      where m.org_id = wait_for_member.org_id and m.user_id = wait_for_member.user_id for update;
    if auth_internal.try_member(org_id, user_id) is false then
        perform auth_internal.refuse_busy_member();
    end if;
end
$$;
comment on function auth_internal.wait_for_member is 'Locks the row of a member. 55P03 after 2 seconds, and when somebody is changing something beside it.';

-- Ends invitations that are open: those that the user made, and those to addresses that they accepted with.
create function auth_internal.end_invitations(org_id uuid, user_id text) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.end_invitation(i.id, i.org_id)
      from auth_internal.open_invitations i
     where i.org_id = end_invitations.org_id
       and (i.created_by = end_invitations.user_id
            or i.email in (select auth_internal.folded(unnest(array[a.email, a.accepted_email]))
                             from auth.invitations a where a.accepted_by = end_invitations.user_id))
$$;
comment on function auth_internal.end_invitations is 'Ends the open invitations of an organization that this user made or could come back by.';

create function auth_internal.end_invitation(invitation_id uuid, org_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    was_open boolean := exists (select from auth_internal.open_invitations i where i.id = end_invitation.invitation_id);
begin
    perform from auth.invitations i where i.id = end_invitation.invitation_id for no key update skip locked;
    if found then
        update auth.invitations i set revoked_at = coalesce(i.revoked_at, clock_timestamp())
         where i.id = end_invitation.invitation_id and i.accepted_at is null;
    else
        perform auth_internal.end_beside('invitation', invitation_id, org_id);
    end if;
    if was_open then
        perform auth_internal.audit('invitation.revoke', org_id, invitation_id::text);
    end if;
end
$$;
comment on function auth_internal.end_invitation is 'Revokes an invitation without waiting: if somebody is accepting it, that ends too.';

-- The caller's right to do it must be known. `rank` is that of the role in which the caller acts.
create function auth_internal.delete_member(org_id uuid, user_id text, rank integer) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_invitations(org_id, user_id);
    perform auth_internal.end_api_key(k.id, 'its user is no longer a member')
       from auth.api_keys k
      where k.org_id = delete_member.org_id and k.user_id = delete_member.user_id and k.revoked_at is null;
    perform auth_internal.end_workspace_membership(w)
       from auth.workspace_memberships w
      where w.org_id = delete_member.org_id and w.user_id = delete_member.user_id;
    perform from auth.memberships m
      where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id for update skip locked;
    if found then
        delete from auth.memberships m where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id;
    else
        perform auth_internal.end_beside('membership', m.id, m.org_id, m.user_id, null,
                                         auth_internal.rank_beside(m.id, delete_member.rank), false, m.role_id)
           from auth.memberships m where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id;
    end if;
end
$$;
comment on function auth_internal.delete_member is 'Removes a member, from the workspaces too, without waiting, and ends their keys, the invitations that they made and those that they could come back by.';

-- Whoever makes somebody an owner, or counts on an owner who stays, keeps the membership, and whoever removes or demotes an
-- owner ends it: several may do the one or the other, and nobody does what somebody else does the opposite of meanwhile.
create function auth_internal.may_keep(membership_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.take_lock('keeps', membership_id, false, true);
    return auth_internal.is_lock_free('ends', membership_id);
end
$$;
comment on function auth_internal.may_keep is 'Is nobody ending this membership of an owner? Then nobody does until the transaction ends.';

create function auth_internal.may_end(membership_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.take_lock('ends', membership_id, false, true);
    return auth_internal.is_lock_free('keeps', membership_id);
end
$$;
comment on function auth_internal.may_end is 'Does nobody count on this membership being an owner''s? Then nobody does until the transaction ends.';

create function auth_internal.rank_beside(membership_id uuid, rank integer) returns integer
    language sql set search_path = pg_catalog, pg_temp as $$
    select case when rank < 1000 or auth_internal.may_end(membership_id) then rank else 999 end
$$;
comment on function auth_internal.rank_beside is 'The rank of an ending beside a member''s row: one that an owner need not heed where somebody is making the member an owner.';

create function auth_internal.end_workspace_membership(ended auth.workspace_memberships) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_api_key(k.id, 'its user is no longer a member')
       from auth.api_keys k
      where k.org_id = (end_workspace_membership.ended).org_id and k.workspace_id = (end_workspace_membership.ended).workspace_id
        and k.user_id = (end_workspace_membership.ended).user_id and k.revoked_at is null;
    perform from auth.workspace_memberships m
      where m.workspace_id = (end_workspace_membership.ended).workspace_id
        and m.user_id = (end_workspace_membership.ended).user_id for update skip locked;
    if found then
        delete from auth.workspace_memberships m
         where m.workspace_id = (end_workspace_membership.ended).workspace_id
           and m.user_id = (end_workspace_membership.ended).user_id;
    else
        perform auth_internal.end_beside('workspace_membership', ended.id, ended.org_id, ended.user_id);
    end if;
end
$$;
comment on function auth_internal.end_workspace_membership is 'Removes a member of a workspace, and their keys for it, without waiting.';

-- Where they belong to workspaces, members have no higher role there than in their organization.
create function auth_internal.lower_workspace_roles(org_id uuid, user_id text, role auth.roles) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    too_high auth.workspace_memberships;
begin
    for too_high in
        select w.* from auth.workspace_memberships w
          join auth_internal.live_workspace_memberships l on l.id = w.id
         where w.org_id = lower_workspace_roles.org_id and w.user_id = lower_workspace_roles.user_id
           and (auth_internal.live_role(l.role_id)).rank > (lower_workspace_roles.role).rank
    loop
        perform auth_internal.change_workspace_role(too_high, role.id);
    end loop;
end
$$;
comment on function auth_internal.lower_workspace_roles is 'Gives a member this role in those workspaces of an organization where theirs is higher, without waiting.';

create function auth_internal.change_workspace_role(changed auth.workspace_memberships, role_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.workspace_memberships m
      where m.workspace_id = (change_workspace_role.changed).workspace_id
        and m.user_id = (change_workspace_role.changed).user_id for update skip locked;
    if not (found and auth_internal.is_lock_free('beside', changed.org_id)
            and auth_internal.clear_beside('workspace_membership_role', changed.id)) then
        perform auth_internal.end_beside('workspace_membership_role', changed.id, changed.org_id, changed.user_id, role_id);
        return;
    end if;
    update auth.workspace_memberships m set role_id = change_workspace_role.role_id
     where m.workspace_id = (change_workspace_role.changed).workspace_id
       and m.user_id = (change_workspace_role.changed).user_id;
end
$$;
comment on function auth_internal.change_workspace_role is 'Gives a member of a workspace another role, without waiting.';

-- Users who end an owner wait for one another, at most 2 seconds; an administrator never does.
create function auth_internal.lock_owners(org_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    return auth_internal.take_lock('owners', org_id, true, auth_internal.acting_user() is not null);
end
$$;
comment on function auth_internal.lock_owners is 'Keeps others from ending owners of an organization. 55P03 after 2 seconds. False for an administrator or a service that would have to wait.';

create function auth_internal.demand_other_owner(org_id uuid, user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_alone boolean := auth_internal.lock_owners(org_id);
    other uuid;
begin
    -- Unless somebody counts on this one.
    if (select auth_internal.may_end(m.id) from auth.memberships m
         where m.org_id = demand_other_owner.org_id and m.user_id = demand_other_owner.user_id) then
        foreach other in array auth_internal.other_owners(org_id, user_id, auth_internal.owner_role()) loop
            -- Where somebody is ending an owner, it is not the one that can be kept; and whoever just did is not seen to be
            -- doing it any more.
            if is_alone
               or auth_internal.may_keep(other)
                  and other = any (auth_internal.other_owners(org_id, user_id, auth_internal.owner_role())) then
                return;
            end if;
        end loop;
    end if;
    raise insufficient_privilege using
        message = 'the last owner must stay',
        hint = 'Make somebody else an owner first (auth.transfer_ownership).';
end
$$;
comment on function auth_internal.demand_other_owner is '42501 unless somebody else is an owner and stays one.';

-- What is made in an organization, or given to somebody, shares this lock with everything else that is; what disables or deletes
-- the organization tries to have it alone, to know whether it sees everything that there is.
create function auth_internal.share(what text, id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform auth_internal.take_lock(what, id, false, true);
end
$$;
comment on function auth_internal.share is 'Shares the lock of an organization or a workspace; nothing for NULL. 55P03 when somebody is disabling or deleting it for 2 seconds.';

-- A snapshot that is kept is older than the lock.
create function auth_internal.sees_all(what text, id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return auth_internal.take_lock(what, id, true, false) and not auth_internal.keeps_snapshot();
end
$$;
comment on function auth_internal.sees_all is 'Is nobody making anything in this organization or workspace, so that the next statement sees everything that is in it? Then nobody does until the transaction ends.';

-- Ends a key without waiting for whoever holds its row, who might be its thief.
create function auth_internal.end_api_key(key_id uuid, reason text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_held boolean;
begin
    perform from auth.api_key_revocations r where r.key_id = end_api_key.key_id;
    if found then
        return;
    end if;
    begin
        perform from auth.api_keys k where k.id = end_api_key.key_id and k.revoked_at is null for update skip locked;
        is_held := not found;
    exception when serialization_failure then
        is_held := true;
    end;
    if is_held then
        insert into auth.api_key_revocations (key_id, revoked_by, revoke_reason)
        select end_api_key.key_id, auth_internal.acting_user_if_any(), end_api_key.reason
          from auth.api_keys k where k.id = end_api_key.key_id and k.revoked_at is null;
    else
        update auth.api_keys k
           set revoked_at = clock_timestamp(), revoked_by = auth_internal.acting_user_if_any(), revoke_reason = end_api_key.reason
         where k.id = end_api_key.key_id;
    end if;
    perform auth_internal.audit('api_key.revoke', k.org_id, k.id::text, k.user_id)
       from auth.api_keys k where k.id = end_api_key.key_id and (not is_held or k.revoked_at is null);
end
$$;
comment on function auth_internal.end_api_key is 'Revokes a key that is not revoked, without waiting.';

-- Creating, changing and ending organizations. Whoever may call these is decided in rules.sql.
-- Security definer, like all that follow, because the tables have no grants at all.

-- The user who will own a new organization, or NULL; raises when the caller may not create one.
create function auth_internal.owner_of_new(owner_id text, external_id text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    perform auth_internal.refuse_api_key();
    -- An owner may do everything there.
    perform auth_internal.demand_scopes('{*}');
    perform auth_internal.demand_handing_on(null, null);
    if unrestricted then
        if octet_length(owner_id) not between 1 and 1024 then
            raise invalid_parameter_value using
                message = 'owner_id has a value that is not allowed', hint = 'It is 1 to 1024 bytes long.';
        end if;
        return owner_id;
    end if;
    if current_setting('pg_bearer.organization_creation', true) = 'admin' then
        raise insufficient_privilege using
            message = 'users do not create organizations here',
            hint = 'Ask an administrator (pg_bearer.organization_creation is admin).';
    end if;
    if owner_id is not null or external_id is not null then
        raise insufficient_privilege using
            message = 'only a service or an administrator sets owner_id and external_id',
            hint = 'You become the owner yourself.';
    end if;
    if auth.user_id() is null then
        raise insufficient_privilege using message = 'the identity is no user''s';
    end if;
    if not auth_internal.issuer_reaches(null) then
        raise insufficient_privilege using
            message = 'users of this issuer do not create organizations',
            hint = 'The issuer is limited to the organizations in its org_ids.';
    end if;
    return auth.user_id();
end
$$;
comment on function auth_internal.owner_of_new is 'The owner of an organization that the caller is about to create, or NULL; 42501 when he may not, 28000 for nobody.';

-- Turns a duplicate into an error about the argument (23505).
create function auth_internal.refuse_duplicate(violated text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('23505', case when violated = 'organizations_external_id_key' then 'this external id is taken'
                                               else 'this slug is taken' end, null);
end
$$;
comment on function auth_internal.refuse_duplicate is 'The error for a slug or an external id that is taken (23505).';

create function auth.create_organization(
    name text, slug text default null, external_id text default null, metadata jsonb default '{}',
    owner_id text default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    owner text := auth_internal.owner_of_new(owner_id, external_id);
    new_id uuid;
    relation text;
    violated text;
begin
    perform auth_internal.demand_creatable('organizations');
    insert into auth.organizations (name, slug, external_id, metadata, created_by)
    values (name, slug, external_id, metadata, auth_internal.acting_user())
    returning organizations.id into new_id;
    if owner is not null then
        insert into auth.memberships (user_id, org_id, role_id, created_by, accepted)
        values (owner, new_id, auth_internal.owner_role(), auth_internal.acting_user(), true);
    end if;
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(null, null);
    perform auth_internal.audit('organization.create', new_id, new_id::text, owner);
    return new_id;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_duplicate(violated);
    when check_violation then
        get stacked diagnostics relation = table_name, violated = constraint_name;
        perform auth_internal.refuse_value(relation, violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('organizations', violated);
end
$$;
comment on function auth.create_organization is
    'Creates an organization and returns its id. A user becomes its owner, and a member for the library with his next auth.authenticate(); a service or an administrator may name the owner and an external id, or have none. 22023 for a value that is not allowed, 23505 for a slug or external id that is taken, 42501 for an API key, for a user who gives owner_id or external_id, whose issuer is limited by org_ids, or where pg_bearer.organization_creation is admin, 54000 for a user who created pg_bearer.max_organizations, or too many in an hour, 28000 without an identity.';

create function auth.update_organization(
    org_id uuid, name text default null, slug text default null, external_id text default null,
    metadata jsonb default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.organizations;
    new auth.organizations;
    changed jsonb;
    violated text;
begin
    perform auth_internal.enter_organization(org_id, 'organization.write');
    if external_id is not null then
        perform auth_internal.demand_unrestricted();
    end if;
    select o.* into old from auth.organizations o where o.id = update_organization.org_id;
    update auth.organizations o
       set name = coalesce(update_organization.name, o.name),
           slug = case when update_organization.slug = '' then null else coalesce(update_organization.slug, o.slug) end,
           external_id = coalesce(update_organization.external_id, o.external_id),
           metadata = coalesce(update_organization.metadata, o.metadata)
     where o.id = update_organization.org_id
    returning o.* into new;
    perform auth_internal.demand_handing_on(org_id, null);
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit(
            case when changed ? 'external_id' then 'organization.set_external_id' else 'organization.update' end,
            org_id, org_id::text, null, jsonb_build_object('changed', changed));
    end if;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_duplicate(violated);
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('organizations', violated);
end
$$;
comment on function auth.update_organization is
    'With organization.write: changes what is given; NULL leaves it, slug '''' removes the slug. external_id is for services and administrators only. 22023 for a value that is not allowed, 23505 for a slug or external id that is taken, 42501 when the caller may not or the organization is unknown or not his or NULL, 28000 without an identity.';

create function auth.disable_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    was_enabled boolean;
    sees_all boolean;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.enter_ending(org_id, null);
    was_enabled := auth_internal.is_enabled('organization', org_id);
    sees_all := auth_internal.sees_all('organization', org_id);
    update auth.organizations o set disabled_at = coalesce(o.disabled_at, clock_timestamp())
     where o.id = (select f.id from auth.organizations f
                    where f.id = disable_organization.org_id for no key update skip locked);
    sees_all := sees_all and found;
    sees_all := auth_internal.suspend_members(org_id, null) and sees_all;
    if not sees_all then
        perform auth_internal.end_beside('organization', org_id, org_id);
    end if;
    if was_enabled then
        perform auth_internal.audit('organization.disable', org_id, org_id::text);
    end if;
end
$$;
comment on function auth.disable_organization is
    'Services and administrators: the organization and its workspaces have no members for the library, and nobody changes it but they, until auth.enable_organization(). Waits for nobody. Idempotent. 42501 for anybody else, or when there is none, 28000 without an identity.';

create function auth.enable_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    was_enabled boolean;
begin
    perform auth_internal.demand_unrestricted();
    -- The row first, as everybody does.
    perform from auth.organizations o where o.id = enable_organization.org_id for no key update;
    -- Before it is shared as well. What is being made in it, and which of its workspaces are being disabled, has to be seen.
    perform auth_internal.take_lock('organization', org_id, true, true);
    perform auth_internal.enter_organization(org_id, null);
    perform from auth.workspaces w where w.org_id = enable_organization.org_id for share;
    was_enabled := auth_internal.is_enabled('organization', org_id);
    delete from auth.endings e where e.target_id = enable_organization.org_id and not e.deleted;
    update auth.organizations o set disabled_at = null where o.id = enable_organization.org_id;
    update auth.memberships m set suspended = false where m.org_id = enable_organization.org_id and m.suspended;
    update auth.workspace_memberships m set suspended = false
      from auth.workspaces w
     where m.org_id = enable_organization.org_id and m.suspended and w.id = m.workspace_id and w.disabled_at is null
       and not exists (select from auth.endings e where e.target_id = w.id);
    perform auth_internal.demand_handing_on(org_id, null);
    if not was_enabled then
        perform auth_internal.audit('organization.enable', org_id, org_id::text);
    end if;
end
$$;
comment on function auth.enable_organization is
    'Services and administrators: undoes auth.disable_organization(); disabled workspaces stay so. Idempotent. 42501 for anybody else, or when there is none, 55P03 when somebody makes something in it for 2 seconds, 28000 without an identity.';

create function auth.delete_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_ending(org_id, null);
begin
    perform auth_internal.demand_ownership(actor);
    if not auth_internal.sees_all('organization', org_id)
       or not auth_internal.delete_organization_rows(org_id) then
        perform auth_internal.end_beside('organization', org_id, org_id, deleted => true);
    end if;
    perform auth_internal.audit('organization.delete', org_id, org_id::text);
end
$$;
comment on function auth.delete_organization is
    'Owners, services and administrators: deletes an organization with its workspaces, memberships, roles, invitations and API keys. Waits for nobody: what somebody holds is worth nothing from now on, and auth.purge_endings() deletes it. Rows of the application stay, and a registered table or a trusted claim that still names it gives membership, as for every organization without a row: disable it to shut it. 42501 for anybody else and for an organization that is unknown or not the caller''s or NULL, 28000 without an identity.';

-- Deletes what is in an organization, and then its row, as far as nobody holds a row. Are all of them gone?
create function auth_internal.delete_organization_rows(org_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    -- What was counted of the keys stays until auth.purge_api_keys(): the recorder waits for no tenant.
    delete from auth.api_keys k where k.id in
        (select f.id from auth.api_keys f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.api_key_settings s where s.org_id =
        (select f.org_id from auth.api_key_settings f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.invitations i where i.id in
        (select f.id from auth.invitations f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.workspace_memberships m where m.org_id = delete_organization_rows.org_id and (m.user_id, m.workspace_id) in
        (select f.user_id, f.workspace_id from auth.workspace_memberships f
          where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.memberships m where m.org_id = delete_organization_rows.org_id and m.user_id in
        (select f.user_id from auth.memberships f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.workspaces w where w.id in
        (select f.id from auth.workspaces f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.roles r where r.id in
        (select f.id from auth.roles f where f.org_id = delete_organization_rows.org_id for update skip locked);
    if exists (select from auth.api_keys k where k.org_id = delete_organization_rows.org_id
               union all select from auth.api_key_settings s where s.org_id = delete_organization_rows.org_id
               union all select from auth.invitations i where i.org_id = delete_organization_rows.org_id
               union all select from auth.workspace_memberships m where m.org_id = delete_organization_rows.org_id
               union all select from auth.memberships m where m.org_id = delete_organization_rows.org_id
               union all select from auth.workspaces w where w.org_id = delete_organization_rows.org_id
               union all select from auth.roles r where r.org_id = delete_organization_rows.org_id) then
        return false;
    end if;
    delete from auth.organizations o where o.id =
        (select f.id from auth.organizations f where f.id = delete_organization_rows.org_id for update skip locked);
    if not found and exists (select from auth.organizations o where o.id = delete_organization_rows.org_id) then
        return false;
    end if;
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f where f.org_id = delete_organization_rows.org_id for update skip locked);
    return true;
end
$$;
comment on function auth_internal.delete_organization_rows is 'Deletes an organization as far as nobody holds its rows; true when nothing is left. The caller has its lock alone.';

-- Suspends the members of an organization, or with a workspace those of the workspace, whose rows nobody holds.
create function auth_internal.suspend_members(org_id uuid, workspace_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update auth.workspace_memberships m set suspended = true
     where m.org_id = suspend_members.org_id and (m.user_id, m.workspace_id) in
           (select f.user_id, f.workspace_id from auth.workspace_memberships f
             where f.org_id = suspend_members.org_id and not f.suspended
               and (suspend_members.workspace_id is null or f.workspace_id = suspend_members.workspace_id)
               for update skip locked);
    if workspace_id is null then
        update auth.memberships m set suspended = true
         where m.org_id = suspend_members.org_id and m.user_id in
               (select f.user_id from auth.memberships f
                 where f.org_id = suspend_members.org_id and not f.suspended for update skip locked);
    end if;
    return not exists (select from auth.workspace_memberships m
                        where m.org_id = suspend_members.org_id and not m.suspended
                          and (suspend_members.workspace_id is null or m.workspace_id = suspend_members.workspace_id)
                       union all
                       select from auth.memberships m
                        where suspend_members.workspace_id is null
                          and m.org_id = suspend_members.org_id and not m.suspended);
end
$$;
comment on function auth_internal.suspend_members is 'Suspends members whose rows nobody holds; true when those were all.';

create function auth.transfer_ownership(org_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, null);
    former text := auth_internal.acting_user();
    lower auth.roles := auth_internal.role_named(null, 'admin');
    was_owner boolean;
begin
    perform auth_internal.demand_ownership(actor);
    if user_id = former then
        raise invalid_parameter_value using message = 'the new owner must be somebody else';
    end if;
    -- Rows first: whoever has the owners' lock waits for no row.
    perform auth_internal.wait_for_member(org_id, user_id);
    perform auth_internal.lock_owners(org_id);
    -- Again: others may have ended this owner while this waited.
    perform auth_internal.demand_ownership(auth_internal.acting_role(org_id, null));
    if (auth_internal.role_of(org_id, user_id)).id is null then
        perform auth_internal.refuse_member();
    end if;
    was_owner := (auth_internal.role_of(org_id, user_id)).id = auth_internal.owner_role();
    perform auth_internal.change_role(org_id, user_id, auth_internal.owner_role(), 1000, false);
    if former is not null then
        perform auth_internal.change_role(org_id, former, lower.id, 1000, auth_internal.try_member(org_id, former) is not true);
        perform auth_internal.lower_workspace_roles(org_id, former, lower);
    end if;
    perform auth_internal.demand_handing_on(org_id, null);
    if former is not null or not was_owner then
        perform auth_internal.audit('organization.transfer', org_id, org_id::text, user_id);
    end if;
end
$$;
comment on function auth.transfer_ownership is
    'Owners, services and administrators: makes a member an owner. An owner who calls it becomes admin; for a service or an administrator the others stay owners. 22023 when the user is no member, NULL or the caller, 42501 for anybody else, 55P03 after 2 seconds of waiting for other owners, 28000 without an identity.';

-- What was left out is no part of the identity: the user sees it here, to confirm it.
create function auth.list_organizations()
    returns table (org_id uuid, slug text, name text, external_id text, metadata jsonb, role text,
                   disabled_at timestamptz, created_at timestamptz, accepted boolean, left_out boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    counted uuid[];
begin
    if auth_internal.is_unrestricted() then
        return query
            select o.id, o.slug, o.name, o.external_id, o.metadata, null::text, o.disabled_at, o.created_at, null::boolean,
                   null::boolean
              from auth_internal.live_organizations o order by o.name, o.id;
        return;
    end if;
    counted := case when auth.api_key_id() is null then auth_internal.counted_organizations(auth.user_id()) end;
    return query
        select o.id, o.slug, o.name, o.external_id, o.metadata, auth_internal.role_name(r), o.disabled_at, o.created_at, a.accepted,
               not auth.is_member(m.org_id)
          from auth_internal.live_memberships m
          join auth_internal.live_organizations o on o.id = m.org_id
         cross join lateral auth_internal.live_role(m.role_id) r
         cross join lateral (select auth_internal.is_accepted(m.accepted, m.created_by, m.user_id) as accepted) a
         where m.user_id = auth.user_id() and not m.suspended and o.disabled_at is null
           and (auth.is_member(m.org_id)
                or not a.accepted and counted is not null and m.org_id not in (select unnest(counted))
                   and auth_internal.issuer_reaches(m.org_id))
         order by o.name, o.id;
end
$$;
comment on function auth.list_organizations is
    'The organizations that the user is a member of now, with his role; for a service or an administrator all of them, role NULL. accepted is false where another user added them and they never confirmed it; left_out true where that does not count because others gave them too many: auth.confirm_membership() makes it count. 28000 without an identity.';

-- Making rows what they count as, when nobody holds them any more.

create function auth_internal.settle_membership(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.memberships;
begin
    select m.* into member from auth.memberships m
     where m.org_id = ending.org_id and m.user_id = ending.user_id
       and (m.id = ending.target_id or m.created_at <= ending.ended_at);
    if member.id is null or not auth_internal.ending_counts(ending.rank, ending.former_role_id, member.role_id) then
        return true;
    elsif auth_internal.try_member(ending.org_id, ending.user_id) is not true then
        return false;
    elsif ending.kind = 'membership' then
        perform auth_internal.delete_member(ending.org_id, ending.user_id, 1000);
    else
        update auth.memberships m set role_id = ending.role_id
         where m.org_id = ending.org_id and m.user_id = ending.user_id;
    end if;
    return true;
end
$$;
comment on function auth_internal.settle_membership is 'Does to the row of a membership what an ending says; false while somebody holds it.';

create function auth_internal.settle_workspace_membership(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.workspace_memberships;
begin
    perform from auth.workspace_memberships m where m.user_id = ending.user_id and m.id = ending.target_id;
    if not found then
        return true;
    end if;
    select m.* into member from auth.workspace_memberships m
     where m.user_id = ending.user_id and m.id = ending.target_id for update skip locked;
    if member.id is null then
        return false;
    elsif ending.kind = 'workspace_membership' then
        perform auth_internal.end_workspace_membership(member);
    elsif not auth_internal.is_lock_free('beside', ending.org_id) then
        return false;
    else
        update auth.workspace_memberships m set role_id = ending.role_id
         where m.user_id = ending.user_id and m.id = ending.target_id;
    end if;
    return true;
end
$$;
comment on function auth_internal.settle_workspace_membership is 'Does to the row of a membership of a workspace what an ending says; false while somebody holds it.';

create function auth_internal.settle_place(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_done boolean;
begin
    -- Who makes something in a workspace shares the lock of its organization too.
    if ending.kind = 'workspace' and ending.deleted then
        return auth_internal.delete_workspace_rows(ending.target_id, ending.org_id);
    elsif ending.kind = 'workspace' then
        update auth.workspaces w set disabled_at = coalesce(w.disabled_at, ending.ended_at)
         where w.id = (select f.id from auth.workspaces f where f.id = ending.target_id for no key update skip locked);
        is_done := found or not exists (select from auth.workspaces w where w.id = ending.target_id);
        return auth_internal.suspend_members(ending.org_id, ending.target_id) and is_done;
    end if;
    update auth.organizations o set disabled_at = coalesce(o.disabled_at, ending.ended_at)
     where o.id = (select f.id from auth.organizations f where f.id = ending.target_id for no key update skip locked);
    is_done := found or not exists (select from auth.organizations o where o.id = ending.target_id);
    return auth_internal.suspend_members(ending.org_id, null) and is_done;
end
$$;
comment on function auth_internal.settle_place is 'Disables or deletes an organization or workspace as an ending says; false while somebody holds a row. The caller has the organization''s lock alone.';

create function auth_internal.settle_invitation(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.memberships;
begin
    perform from auth.invitations i where i.id = ending.target_id for no key update skip locked;
    if not found then
        return not exists (select from auth.invitations i where i.id = ending.target_id);
    end if;
    update auth.invitations i set revoked_at = ending.ended_at
     where i.id = ending.target_id and i.accepted_at is null and i.revoked_at is null;
    select m.* into member from auth.memberships m
     where m.org_id = ending.org_id and m.invitation_id = ending.target_id;
    if member.id is null then
        return true;
    elsif auth_internal.try_member(member.org_id, member.user_id) is not true then
        return false;
    end if;
    perform auth_internal.delete_member(member.org_id, member.user_id, 1000);
    return true;
end
$$;
comment on function auth_internal.settle_invitation is 'Revokes an invitation as an ending says, and removes whoever was accepting it; false while somebody holds a row.';

create function auth_internal.settle_role(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not auth_internal.try_role(ending.target_id) then
        return not exists (select from auth.roles r where r.id = ending.target_id and not r.builtin);
    end if;
    update auth.roles r
       set rank = ending.rank, permissions = ending.permissions, grantable = ending.grantable, version = ending.id
     where r.id = ending.target_id and not r.builtin;
    return true;
end
$$;
comment on function auth_internal.settle_role is 'Changes a role as an ending says; false while somebody holds its row.';

-- How many endings of an organization are done with. Its lock is held alone: nothing is there that is not seen.
create function auth_internal.settle_organization(org_id uuid) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ending auth.endings;
    is_settled boolean;
    settled bigint := 0;
begin
    -- Or somebody deleted it who did not see them.
    if exists (select from auth.endings e where e.target_id = settle_organization.org_id and e.deleted)
       or not exists (select from auth.organizations o where o.id = settle_organization.org_id) then
        select count(*) into settled from auth.endings e where e.org_id = settle_organization.org_id;
        return case when auth_internal.delete_organization_rows(org_id) then settled else 0 end;
    end if;
    for ending in
        select e.* from auth.endings e where e.org_id = settle_organization.org_id order by e.ended_at for update skip locked
    loop
        is_settled := case ending.kind
            when 'membership' then auth_internal.settle_membership(ending)
            when 'membership_role' then auth_internal.settle_membership(ending)
            when 'workspace_membership' then auth_internal.settle_workspace_membership(ending)
            when 'workspace_membership_role' then auth_internal.settle_workspace_membership(ending)
            when 'invitation' then auth_internal.settle_invitation(ending)
            when 'role' then auth_internal.settle_role(ending)
            else auth_internal.settle_place(ending)
        end;
        if is_settled then
            delete from auth.endings e where e.id = ending.id;
            settled := settled + 1;
        end if;
    end loop;
    return settled;
end
$$;
comment on function auth_internal.settle_organization is 'Makes the rows of an organization what its endings say, as far as nobody holds them; how many endings that were.';

-- What gives nobody anything: how fast users created something, when that is long ago; memberships of workspaces that were
-- given to members while they were removed, and the suspension of members who were added while their organization or workspace
-- was enabled, in transactions that did not see one another.
-- With the rows of the places locked, so that nobody disables one of them meanwhile who is not seen here.
create function auth_internal.settle_leftovers() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.creation_rates r where (r.user_id, r.kind) in
        (select f.user_id, f.kind from auth.creation_rates f where f.busy_until < clock_timestamp() for update skip locked);
    delete from auth.workspace_memberships w where (w.user_id, w.workspace_id) in
        (select f.user_id, f.workspace_id from auth.workspace_memberships f
          where not exists (select from auth.memberships m
                             where m.user_id = f.user_id and m.org_id = f.org_id and m.id = coalesce(f.membership_id, m.id))
            for update skip locked);
    update auth.memberships m set suspended = false where (m.user_id, m.org_id) in
        (select f.user_id, f.org_id from auth.memberships f join auth.organizations o on o.id = f.org_id
          where f.suspended and o.disabled_at is null
            and not exists (select from auth.endings e where e.target_id = o.id)
            for update of f skip locked for no key update of o skip locked);
    update auth.workspace_memberships w set suspended = false where (w.user_id, w.workspace_id) in
        (select f.user_id, f.workspace_id from auth.workspace_memberships f
           join auth.workspaces w on w.id = f.workspace_id join auth.organizations o on o.id = f.org_id
          where f.suspended and w.disabled_at is null and o.disabled_at is null
            and not exists (select from auth.endings e where e.target_id in (w.id, o.id))
            for update of f skip locked for no key update of w, o skip locked);
end
$$;
comment on function auth_internal.settle_leftovers is 'Deletes what counts for nothing, and ends suspensions that have no reason any more.';

create function auth.purge_endings() returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid;
    settled bigint := 0;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.demand_environment(null);
    perform auth_internal.commit_durably();
    -- Each takes a lock, of which the server has only so many, and tenants make endings.
    for its_org in
        select o.org_id from (select distinct e.org_id from auth.endings e) o order by random() limit 1000
    loop
        if auth_internal.sees_all('organization', its_org) then
            settled := settled + auth_internal.settle_organization(its_org);
        end if;
    end loop;
    perform auth_internal.settle_leftovers();
    if settled > 0 then
        perform auth_internal.audit('endings.purge', null, null, null, jsonb_build_object('endings', settled));
    end if;
    return settled;
end
$$;
comment on function auth.purge_endings is
    'Services and administrators: what was removed, changed, disabled, deleted or revoked while somebody held its row is in auth.endings and counts; this does it to the rows, as far as nobody holds them now, and deletes those endings. Looks at up to 1,000 organizations. Returns how many. Nothing that counts changes. Call it now and then, for example each night with auth.purge_api_keys(). Waits for nobody. 42501 for anybody else, 28000 without an identity.';

-- How much users may create. Services and administrators are not limited, but what they create counts. Asked before something
-- is created, with the place that it comes to locked, as far as that is locked at all.

create function auth_internal.quota(kind text) returns integer
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(current_setting('pg_bearer.max_' || quota.kind, true)::integer, 0)
$$;
comment on function auth_internal.quota is 'How many of this kind there may be: organizations, workspaces, roles, invitations.';

create function auth_internal.refuse_quota(kind text, reason text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise program_limit_exceeded using
        message = format(reason, kind),
        hint = format('pg_bearer.max_%s is %s. Delete what is no longer needed, wait, or ask an administrator.',
                      kind, auth_internal.quota(kind));
end
$$;
comment on function auth_internal.refuse_quota is 'The error for more than a quota allows (54000).';

-- What a user creates in an hour is limited for who creates and deletes without end: by one row, which only their own calls
-- change, so that these follow one another, and under REPEATABLE READ the later one fails (40001).
create function auth_internal.demand_rate(kind text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    share constant interval := interval '1 hour' / (auth_internal.quota(kind) + 10);
    is_over boolean;
begin
    insert into auth.creation_rates as r (user_id, kind, busy_until)
    values (auth_internal.acting_user(), demand_rate.kind, clock_timestamp() + share)
    on conflict on constraint creation_rates_pkey do update
       set busy_until = greatest(r.busy_until, clock_timestamp()) + share
    returning r.busy_until > clock_timestamp() + interval '1 hour' into is_over;
    if is_over then
        perform auth_internal.refuse_quota(kind, 'you have created as many %s as you may in an hour');
    end if;
end
$$;
comment on function auth_internal.demand_rate is '54000 when the user who acts has created too many of this kind in the last hour; counts one more.';

-- Counted as far as the quota goes. Organizations by who created them, all else by the organization.
create function auth_internal.quota_used(kind text, org_id uuid) returns bigint
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    quota constant integer := auth_internal.quota(kind);
begin
    return case kind
        when 'organizations' then
            (select count(*) from (select from auth_internal.live_organizations o
                                    where o.created_by = auth_internal.acting_user() limit quota) c)
        when 'workspaces' then
            (select count(*) from (select from auth_internal.live_workspaces w
                                    where w.org_id = quota_used.org_id limit quota) c)
        when 'roles' then
            (select count(*) from (select from auth.roles r where r.org_id = quota_used.org_id limit quota) c)
        when 'invitations' then
            (select count(*) from (select from auth_internal.open_invitations i
                                    where i.org_id = quota_used.org_id limit quota) c)
    end;
end
$$;
comment on function auth_internal.quota_used is 'How many of this kind the user who acts has created, for organizations, or there are in the organization; at most the quota.';

create function auth_internal.demand_creatable(kind text, org_id uuid default null) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    quota constant integer := auth_internal.quota(kind);
    things constant text := case kind when 'invitations' then 'open %s' else '%s' end;
begin
    if auth_internal.acting_user() is null then
        return;
    end if;
    perform auth_internal.demand_rate(kind);
    if auth_internal.quota_used(kind, org_id) >= quota then
        perform auth_internal.refuse_quota(kind, case kind when 'organizations' then 'you have created as many %s as you may'
                                                      else format('the organization has as many %s as it may', things) end);
    elsif kind = 'invitations'
          and (select count(*) from (select from auth_internal.open_invitations i
                                      where i.created_by = auth_internal.acting_user() limit quota) c) >= quota then
        perform auth_internal.refuse_quota(kind, 'you have as many open %s as you may');
    end if;
end
$$;
comment on function auth_internal.demand_creatable is '54000 for a user who creates more of this kind than the quota allows: for themselves, or in the organization.';

-- Who may do what to an organization. All internal: the functions of the following files, which run as
-- bearer_owner, call them.
-- Whoever makes or gives something takes the organization's row first, by changing it: of two changes the second
-- sees the first, and under REPEATABLE READ it fails (40001) instead of acting on what no longer is. What takes something away
-- waits for nobody (endings.sql).

create function auth_internal.owner_role() returns uuid
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select '00000000-0000-4000-8000-000000000001'::uuid
$$;
comment on function auth_internal.owner_role is 'The id of the role owner.';

-- One error for what is not there and what is somebody else's.
create function auth_internal.refuse_target(kind text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('42501', format('no such %s, or it is not yours', kind), null);
end
$$;
comment on function auth_internal.refuse_target is 'The one error for what is unknown and what is foreign (42501).';

-- A hook, and a trigger on auth.users, may be the code of somebody who has less rights than whoever signs in just then.
create function auth_internal.refuse_in_hook() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.in_hook() then
        perform auth_internal.refuse('55000', 'a hook or a trigger may not do this', null);
    end if;
end
$$;
comment on function auth_internal.refuse_in_hook is '55000 where a function of the application runs that one of ours called.';

-- Every function of this and the following files asks this first, or as soon as it acts.
create function auth_internal.is_unrestricted() returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    if auth_internal.is_administrator() then
        return true;
    end if;
    perform auth.require_authenticated();
    perform auth_internal.refuse_in_hook();
    return auth.is_service_role();
end
$$;
comment on function auth_internal.is_unrestricted is 'Does a service act, or an administrator without an identity? 28000 without either, 42501 in a security-restricted operation, 55000 in a hook.';

create function auth_internal.demand_unrestricted() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() is not true then
        raise insufficient_privilege using
            message = 'this needs a service credential or an administrator',
            hint = 'The identity of a user may not do it, whatever his role.';
    end if;
    perform auth_internal.demand_scopes('{*}');
end
$$;
comment on function auth_internal.demand_unrestricted is '42501 for the identity of a user and for a service whose token has scopes but *, 28000 for nobody.';

create function auth_internal.acting_user() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when auth_internal.is_unrestricted() then null else auth.user_id() end
$$;
comment on function auth_internal.acting_user is 'The user who acts; NULL for a service or an administrator; 28000 for nobody.';

-- Whoever redeems a mailed token need not be signed in.
create function auth_internal.acting_user_if_any() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when auth.is_authenticated() then auth_internal.acting_user() end
$$;
comment on function auth_internal.acting_user_if_any is 'The user who acts; NULL for a service, an administrator and nobody.';

-- A key does not manage what its bearer could manage in person.
create function auth_internal.refuse_api_key() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is not null and not auth.is_service_role() then
        raise insufficient_privilege using
            message = 'an API key may not do this', hint = 'Use the token of a user, or a service credential.';
    end if;
end
$$;
comment on function auth_internal.refuse_api_key is '42501 for the identity of an API key that is no service key.';

-- Whoever has no id of their own, a service and a key do nothing in person.
create function auth_internal.user_in_person(refusal text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth.require_authenticated();
    perform auth_internal.refuse_in_hook();
    perform auth_internal.refuse_api_key();
    if auth.is_service_role() or auth.user_id() is null then
        raise insufficient_privilege using message = refusal;
    end if;
    perform auth_internal.demand_handing_on(null, null);
    return auth.user_id();
end
$$;
comment on function auth_internal.user_in_person is 'The user who takes something that lasts, which nobody does for them; 28000 without an identity and for one whose credential has ended, 42501 with this message for a service, and for an API key.';

-- The user who leaves; a service and an administrator are members of nothing.
create function auth_internal.leaving_user() returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.acting_user() is null then
        raise insufficient_privilege using
            message = 'only a member can leave', hint = 'auth.remove_member() and auth.remove_workspace_member() remove others.';
    end if;
    return auth_internal.acting_user();
end
$$;
comment on function auth_internal.leaving_user is 'The user who leaves; 42501 for a service or an administrator, 28000 for nobody.';

create function auth_internal.workspace_org(workspace_id uuid) returns uuid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select w.org_id from auth_internal.live_workspaces w where w.id = workspace_org.workspace_id
$$;
comment on function auth_internal.workspace_org is 'The organization of a workspace, or NULL.';

-- A change of a built-in role has the same id and goes before it.
create function auth_internal.live_role(role_id uuid) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.id, r.builtin, r.org_id, r.name, coalesce(e.rank, r.rank), coalesce(e.permissions, r.permissions),
           case when e.id is null then r.grantable else e.grantable end, r.created_at, coalesce(e.id, r.version)
      from auth.roles r
      left join lateral (select * from auth.endings e where e.target_id = r.id and e.kind = 'role'
                          order by e.ended_at desc limit 1) e on true
     where r.id = live_role.role_id order by r.builtin limit 1
$$;
comment on function auth_internal.live_role is 'The role with this id as it counts now, or NULL.';

create function auth_internal.refuse_role() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', 'no such role', 'auth.list_roles() shows those there are.');
end
$$;
comment on function auth_internal.refuse_role is 'The error for a role that there is not (22023).';

create function auth_internal.role_of(org_id uuid, user_id text) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.* from auth_internal.live_memberships m cross join lateral auth_internal.live_role(m.role_id) r
     where m.org_id = role_of.org_id and m.user_id = role_of.user_id
$$;
comment on function auth_internal.role_of is 'The role of a member as it counts now, or NULL.';

-- The identity names the organization, and so does a membership that counts now.
create function auth_internal.belongs_to(org_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth.is_member(belongs_to.org_id) is true
           and exists (select from auth_internal.live_memberships m join auth.organizations o on o.id = m.org_id
                        where m.org_id = belongs_to.org_id and m.user_id = auth.user_id()
                          and not m.suspended and o.disabled_at is null)
$$;
comment on function auth_internal.belongs_to is 'Is the user a member who may act there now? False for NULL and without an identity.';

-- The organization of something, or NULL when there is no such thing.
create function auth_internal.demand_own(org_id uuid, kind text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() then
        if org_id is null then
            perform auth_internal.refuse_target(kind);
        end if;
    elsif not auth_internal.belongs_to(org_id) then
        perform auth_internal.refuse_target(kind);
    end if;
end
$$;
comment on function auth_internal.demand_own is 'auth_internal.refuse_target() unless this is an organization, and for a user one that he may act in; 28000 for nobody.';

create function auth_internal.refuse_action() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('42501', 'your role in this organization does not allow this', null);
end
$$;
comment on function auth_internal.refuse_action is 'The error for what the caller''s role does not allow (42501).';

create function auth_internal.demand_permission(actor auth.roles, permission text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.permission_covers(actor.permissions, permission) is not true then
        perform auth_internal.refuse_action();
    end if;
end
$$;
comment on function auth_internal.demand_permission is '42501 unless the role has the permission, also for NULL.';

create function auth_internal.demand_ownership(actor auth.roles) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if actor.id is distinct from auth_internal.owner_role() then
        perform auth_internal.refuse_action();
    end if;
    perform auth_internal.demand_scopes(actor.permissions);
end
$$;
comment on function auth_internal.demand_ownership is '42501 unless it is the role owner, and the scopes of a token cover all that it may.';

-- In which role a key acts that is nobody's.
create function auth_internal.acting_key_role() returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.* from auth.api_keys k cross join lateral auth_internal.live_role(k.role_id) r where k.id = auth.api_key_id()
$$;
comment on function auth_internal.acting_key_role is 'The role, as it is now, of the API key of the identity; NULL without a key and for a key of a user.';

create function auth_internal.read_organization(org_id uuid, permission text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles;
begin
    if auth_internal.is_unrestricted() then
        perform from auth_internal.live_organizations o where o.id = read_organization.org_id;
        if not found then
            perform auth_internal.refuse_target('organization');
        end if;
        return auth_internal.live_role(auth_internal.owner_role());
    end if;
    if auth_internal.belongs_to(org_id) then
        actor := auth_internal.role_of(org_id, auth.user_id());
    elsif auth.user_id() is null and auth.is_member(org_id) then
        actor := auth_internal.acting_key_role();
    end if;
    if actor.id is null then
        perform auth_internal.refuse_target('organization');
    end if;
    if auth.api_key_id() is not null then
        actor := jsonb_populate_record(actor,
            jsonb_build_object('permissions', auth_internal.cut_by_scopes(actor.permissions)));
    end if;
    if permission is not null then
        perform auth_internal.demand_permission(actor, permission);
    end if;
    return actor;
end
$$;
comment on function auth_internal.read_organization is 'The role in which the caller acts in the organization, owner''s for a service or an administrator, with no more than its scopes for an API key; 42501 when it is not his or, with a permission, his role lacks it; 28000 for nobody.';

-- As auth_internal.read_organization(), for what changes something: the scopes of a token limit that, as those of an API key do.
create function auth_internal.acting_role(org_id uuid, permission text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.read_organization(org_id, permission);
begin
    perform auth_internal.refuse_workspace_token();
    if permission is not null then
        perform auth_internal.demand_scopes(array[permission]);
    end if;
    return actor;
end
$$;
comment on function auth_internal.acting_role is 'As auth_internal.read_organization(); 42501 also where the scopes of a token do not cover the permission.';

-- An administrator or a service does not wait for tenants who hold the row.
create function auth_internal.lock_organization(org_id uuid) returns auth.organizations
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    locked auth.organizations;
begin
    if auth_internal.is_unrestricted() then
        perform from auth.organizations o where o.id = lock_organization.org_id for no key update skip locked;
        if not found then
            select o.* into locked from auth.organizations o where o.id = lock_organization.org_id;
        end if;
    end if;
    if locked.id is null then
        update auth.organizations o set revision = o.revision + 1
         where o.id = lock_organization.org_id
        returning o.* into locked;
    end if;
    perform auth_internal.share('organization', org_id);
    perform auth_internal.refuse_stale(org_id, auth_internal.acting_user());
    perform auth_internal.demand_current_roles();
    perform auth_internal.commit_durably();
    -- It may have been deleted while this waited.
    perform from auth_internal.live_organizations o where o.id = lock_organization.org_id;
    if not found then
        return null;
    end if;
    return locked;
end
$$;
comment on function auth_internal.lock_organization is 'Locks an organization for something new in it and raises its revision; NULL when there is none.';

create function auth_internal.enter_organization(org_id uuid, permission text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    locked auth.organizations;
begin
    perform auth_internal.refuse_api_key();
    -- Before the lock, so that nobody can hold up an organization of others.
    perform auth_internal.demand_own(org_id, 'organization');
    locked := auth_internal.lock_organization(org_id);
    if locked.id is null then
        perform auth_internal.refuse_target('organization');
    end if;
    -- Whoever waits for more asks once more.
    perform auth_internal.demand_handing_on(org_id, null);
    -- Again: it may have changed while this waited.
    return auth_internal.acting_role(org_id, permission);
end
$$;
comment on function auth_internal.enter_organization is 'As auth_internal.acting_role(), with the organization locked for something new in it; 28000 also for a credential that has ended.';

create function auth_internal.enter_workspace(workspace_id uuid, permission text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.workspace_org(workspace_id);
    actor auth.roles;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    actor := auth_internal.enter_organization(its_org, permission);
    perform auth_internal.share('workspace', workspace_id);
    -- Again: it may have been deleted while this waited.
    if auth_internal.workspace_org(workspace_id) is null then
        perform auth_internal.refuse_target('workspace');
    end if;
    return actor;
end
$$;
comment on function auth_internal.enter_workspace is 'As auth_internal.enter_organization(), for the organization of a workspace.';

-- Only the owner's role has rank 1000, and its members may grant it.
create function auth_internal.may_grant(actor auth.roles, granted auth.roles) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (actor.id = auth_internal.owner_role()
            or actor.rank > granted.rank
               and (actor.grantable is null or auth_internal.names_role(actor.grantable, granted))) is true
$$;
comment on function auth_internal.may_grant is 'May members with the first role grant the second?';

create function auth_internal.demand_grant(actor auth.roles, granted auth.roles) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.may_grant(actor, granted) is not true then
        raise insufficient_privilege using
            message = 'you cannot grant this role',
            hint = 'Its rank must be lower than that of your own role, which must not exclude it either.';
    end if;
    perform auth_internal.demand_scopes(granted.permissions);
end
$$;
comment on function auth_internal.demand_grant is '42501 unless members with the first role may grant the second, and the scopes of a token cover it.';

create function auth_internal.demand_seniority(actor auth.roles, changed auth.roles) returns void
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if (actor.id = auth_internal.owner_role() or actor.rank > changed.rank) is not true then
        raise insufficient_privilege using
            message = 'you cannot change this member',
            hint = 'The rank of his role must be lower than that of yours.';
    end if;
end
$$;
comment on function auth_internal.demand_seniority is '42501 unless members with the first role may change members with the second.';

-- What somebody is in a workspace does not say how much they are in the organization.
create function auth_internal.demand_senior_to(actor auth.roles, org_id uuid, user_id text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    changed auth.roles := auth_internal.role_of(org_id, user_id);
begin
    if changed.id is not null and user_id is distinct from auth_internal.acting_user() then
        perform auth_internal.demand_seniority(actor, changed);
    end if;
end
$$;
comment on function auth_internal.demand_senior_to is '42501 for a member of the organization whose role there is not below that of the actor, unless it is the caller.';

-- How the scopes of a credential limit what its bearer does to an organization. As in rules.sql.

-- A token with scopes gives no more than they cover, as the API keys that it makes.
create function auth_internal.demand_scopes(permissions text[]) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    scopes text[] := auth_internal.token_scopes();
    lacking text;
begin
    if scopes is not null then
        select min(p collate "C") into lacking
          from unnest(permissions) p where auth_internal.permission_covers(scopes, p) is not true;
    end if;
    if lacking is not null then
        raise insufficient_privilege using
            message = 'the scopes of the token do not cover this',
            hint = format('It needs %s among them. Or use a token without scopes.', lacking);
    end if;
end
$$;
comment on function auth_internal.demand_scopes is '42501 for the identity of a token whose scopes do not cover these permissions.';

-- What the scopes of the identity's API key leave of these permissions.
create function auth_internal.cut_by_scopes(permissions text[]) returns text[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.common_permissions(cut_by_scopes.permissions,
        array(select jsonb_array_elements_text(auth.identity() -> 'permissions')))
$$;
comment on function auth_internal.cut_by_scopes is 'What the scopes of the identity''s API key leave of these permissions; nothing without an identity.';

-- What has to be run to make a table what auth.protect() wants, and what its owner should look at.

-- The settings that arguments of auth.protect() stand for; 22023 with the argument that is wrong.
create function auth_internal.protection_settings(
    source regclass, org_column name, workspace_column name, owner_column name, environment_column name,
    resource text, roles name[], all_orgs boolean, single_login boolean
) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    settings constant jsonb := jsonb_build_object('organization', org_column, 'workspace', workspace_column, 'owner', owner_column,
                                         'environment', environment_column, 'resource', resource,
                                         'all_orgs', all_orgs, 'single_login', single_login);
    org_type oid;
    role_name name;
begin
    perform auth_internal.protection_demand_table(source);
    perform auth_internal.protection_demand_columns(source, settings);
    select c.type into org_type from auth_internal.protection_columns(source, settings) c where c.kind = 'organization';
    case
    when all_orgs is null or single_login is null then
        perform auth_internal.refuse_protection('all_orgs and single_login cannot be null', 'Say true or false.');
    when coalesce(org_column, workspace_column, owner_column) is null then
        perform auth_internal.refuse_protection('no column says whose a row is',
                                       'Give org_column, workspace_column or owner_column.');
    when all_orgs and org_type is distinct from 'uuid'::regtype then
        perform auth_internal.refuse_protection('all_orgs needs an org_column of type uuid',
                                       'Other ids are known of the current organization only.');
    when single_login and org_column is null then
        perform auth_internal.refuse_protection('single_login needs an org_column', 'Grant bearer_service instead.');
    when length(resource) > 200 then
        perform auth_internal.refuse_protection('resource is too long', 'It has at most 200 characters.');
    when cardinality(roles) not between 1 and 1000 or array_position(roles, null) is not null then
        perform auth_internal.refuse_protection('roles is empty or has a null', 'Leave it out for everybody.');
    else
    end case;
    if resource !~ '^[a-z0-9_:-]+([.][a-z0-9_:-]+)*$' then
        perform auth_internal.refuse_protection('resource has a character that is not allowed',
                                       'Use small letters, digits, "_", ":" and "-", and dots between them, as in billing.invoices.');
    end if;
    foreach role_name in array coalesce(roles, '{}') loop
        if role_name <> 'public' and not exists (select from pg_roles r where r.rolname = role_name) then
            perform auth_internal.refuse_protection(format('role "%s" does not exist', role_name),
                                           'Give names as they are stored, without quotes, or public.');
        end if;
    end loop;
    return settings || jsonb_build_object('roles',
        case when roles is null or 'public' = any (roles) then '[0]'
             else (select jsonb_agg(r.oid::bigint order by r.oid) from pg_roles r where r.rolname = any (roles)) end);
end
$$;
comment on function auth_internal.protection_settings is 'Arguments of auth.protect() as jsonb; 22023 with the one that is wrong.';

-- The column of the organization that auth.protect() goes by; NULL is none. No column is called "", which is what an argument that
-- was left out has: then it is the column that the table is protected by, or else org_id, whatever is there besides, or else the
-- only column with another usual name. A table that has none is refused later, for want of org_id.
create function auth_internal.protection_organization(source regclass, org_column name) returns name
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    candidates name[];
    surest integer;
    before constant name := auth_internal.protection_of(protection_organization.source) ->> 'organization';
begin
    if protection_organization.org_column is distinct from '' then
        return protection_organization.org_column;
    end if;
    select array_agg(a.attname order by a.attnum), min(n.place) into candidates, surest
      from auth_internal.organization_names() n
      join pg_attribute a on a.attrelid = protection_organization.source and a.attname = n.name and a.attnum > 0 and not a.attisdropped
     where n.place = 1
        or auth_internal.base_type(a.atttypid) in (select r.type from auth_internal.column_readers() r where r.kind = 'organization');
    if surest > 1 and cardinality(candidates) > 1 and before is null then
        perform auth_internal.refuse_protection(
            format('the organization can be in any of the columns %s', (select string_agg(quote_ident(c), ', ') from unnest(candidates) c)),
            format('Say which it is: org_column => %L, or null for none of them.', candidates[1]));
    end if;
    return coalesce(before, case when surest > 1 then candidates[1] end, 'org_id');
end
$$;
comment on function auth_internal.protection_organization is 'The column of the organization that auth.protect() goes by; 22023 where more than one can be meant.';

create function auth_internal.refuse_protection(message text, hint text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', refuse_protection.message, refuse_protection.hint);
end
$$;
comment on function auth_internal.refuse_protection is 'The error for a bad argument of auth.protect() (22023).';

-- 22023 for what cannot be protected, 0A000 where only a part cannot.
create function auth_internal.protection_demand_table(source regclass) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    foreign_table regclass;
begin
    perform from pg_class c
      join pg_namespace n on n.oid = c.relnamespace and auth_internal.is_application_schema(n.nspname)
      where c.oid = source and c.relkind in ('r', 'p') and c.relpersistence <> 't';
    if not found then
        perform auth_internal.refuse_protection(
            'the source is not a table that can be protected',
            'It can be no view, foreign, temporary or system table, and none of pg_bearer.');
    end if;
    select c.oid into foreign_table
      from auth_internal.table_tree(source) t join pg_class c on c.oid = t.part and c.relkind = 'f' limit 1;
    if found then
        perform auth_internal.refuse('0A000', format('%s is a foreign table and would stay open', foreign_table),
                                     'Row-level security does not apply to foreign tables. Detach it first.');
    end if;
end
$$;
comment on function auth_internal.protection_demand_table is '22023 or 0A000 for what cannot be protected.';

-- As Postgres says it, before a statement of ours fails for it.
create function auth_internal.protection_demand_owner(source regclass) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    foreign_table name;
begin
    select c.relname into foreign_table
      from auth_internal.table_tree(source) with ordinality t (part, is_being_detached, n)
      join pg_class c on c.oid = t.part and not pg_has_role(c.relowner, 'usage')
     order by t.n limit 1;
    if found then
        perform auth_internal.refuse('42501', format('must be owner of table %s', foreign_table), null);
    end if;
end
$$;
comment on function auth_internal.protection_demand_owner is '42501 unless the table, and all that inherits from it, belongs to the caller.';

-- 22023 unless the columns are there, different, stored, compared exactly and of a type that the identity has.
create function auth_internal.protection_demand_columns(source regclass, settings jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_column record;
    argument text;
begin
    for the_column in
        select w.kind, w.argument, w.types, settings ->> w.kind as name, c.number, c.type, a.attgenerated = 'v' as is_virtual,
               coalesce(l.collisdeterministic, true) as is_exact,
               count(*) over (partition by settings ->> w.kind) > 1 as is_double
          from (values (1, 'organization', 'org_column', '{uuid,text,varchar,bigint,integer}'::regtype[]),
                       (2, 'workspace', 'workspace_column', '{uuid}'), (3, 'owner', 'owner_column', '{text,varchar,uuid}'),
                       (4, 'environment', 'environment_column', '{text,varchar}')) as w (n, kind, argument, types)
          left join auth_internal.protection_columns(source, settings) c on c.kind = w.kind
          left join pg_attribute a on a.attrelid = source and a.attnum = c.number
          left join pg_collation l on l.oid = a.attcollation
         where settings ->> w.kind is not null
         order by w.n
    loop
        argument := the_column.argument;
        case
        when the_column.number is null then
            perform auth_internal.refuse_protection(format('%s: the table has no column "%s"', argument, the_column.name),
                                           'Give the name as it is stored, without quotes'
                                               || case the_column.kind when 'organization' then ', or null for a table without one.' else '.' end);
        when the_column.is_double then
            perform auth_internal.refuse_protection(format('%s: column "%s" is given twice', argument, the_column.name),
                                           'Each argument needs a column of its own.');
        when the_column.type <> all (the_column.types) then
            perform auth_internal.refuse_protection(
                format('%s: column "%s" has a type that is not allowed', argument, the_column.name),
                format('Use %s.', array_to_string(the_column.types::text[], ', ')));
        when the_column.is_virtual or not the_column.is_exact then
            perform auth_internal.refuse_protection(
                format('%s: column "%s" must be stored and compared exactly', argument, the_column.name),
                'It can be no virtual column and have no nondeterministic collation.');
        else
        end case;
    end loop;
end
$$;
comment on function auth_internal.protection_demand_columns is '22023 for columns that a protection cannot use.';

-- The statements that one table lacks, without its index. part is isolation or default. inherited is what the policies of the
-- topmost table show: a partition that came later brought its defaults along.
create function auth_internal.protection_changes(source oid, settings jsonb, inherited jsonb)
    returns table (part text, statement text)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_table constant text := auth_internal.qualified(protection_changes.source);
    before constant jsonb := auth_internal.protection_of(protection_changes.source);
    known constant jsonb := coalesce(before, inherited);
    flags record;
    target record;
    own_defaults text[] := '{}';
    new_defaults text[] := '{}';
begin
    select c.relrowsecurity as enabled, c.relforcerowsecurity as forced into flags
      from pg_class c where c.oid = protection_changes.source;
    if not flags.enabled then
        return query select 'isolation', format('alter table %s enable row level security', the_table);
    end if;
    if not flags.forced then
        return query select 'isolation', format('alter table %s force row level security', the_table);
    end if;
    for target in
        select c.*, known -> 'defaults' ? c.kind
                    and known ->> c.kind = protection_changes.settings ->> c.kind as is_known
          from auth_internal.protection_columns(protection_changes.source, settings) c
    loop
        if target.fillable then
            new_defaults := new_defaults || format('alter table only %s alter column %I set default %s',
                                                   the_table, target.name, target.own_default);
            own_defaults := own_defaults || target.kind;
        elsif target.is_known and target.present_default = target.own_default then
            own_defaults := own_defaults || target.kind;
        end if;
    end loop;
    return query
        select 'isolation', c.statement
          from auth_internal.protection_policy_changes(protection_changes.source, settings,
                   format('{"by": "auth.protect", "forced": %s, "enabled": %s, "defaults": %s}',
                          coalesce((before -> 'forced')::text, (not flags.forced)::text),
                          coalesce((before -> 'enabled')::text, (not flags.enabled)::text), to_jsonb(own_defaults))) c;
    -- A default that is not wanted any more goes, unless somebody has changed it.
    return query
        select 'default', format('alter table only %s alter column %I drop default', the_table, c.name)
          from auth_internal.protection_columns(protection_changes.source, known) c
         where known -> 'defaults' ? c.kind and c.present_default = c.own_default
           and known ->> c.kind is distinct from protection_changes.settings ->> c.kind;
    return query select 'default', d.statement from unnest(new_defaults) d (statement);
end
$$;
comment on function auth_internal.protection_changes is 'The statements that one table lacks, without its index.';

-- The statements for policies of one table, each with its comment, which says what is ours; 42710 when somebody else's has the
-- name of one of ours.
create function auth_internal.protection_policy_changes(source oid, settings jsonb, memory text) returns table (statement text)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_table constant text := auth_internal.qualified(protection_policy_changes.source);
    target record;
    tests text;
    grantees text;
    commands text[];
begin
    for target in
        select w.*, p.oid, p.polcmd = w.command and p.polpermissive as is_of_kind,
               obj_description(p.oid, 'pg_policy') as comment,
               pg_get_expr(p.polqual, p.polrelid) is not distinct from w.using_test
               and pg_get_expr(p.polwithcheck, p.polrelid) is not distinct from w.check_test
               and (select array_agg(r order by r) from unnest(p.polroles) r) = w.roles as is_same
          from auth_internal.protection_policies(protection_policy_changes.source, settings) w
          left join pg_policy p on p.polrelid = protection_policy_changes.source and p.polname = w.policy
    loop
        if target.oid is not null and auth_internal.protection_memory(target.comment) is null then
            perform auth_internal.refuse('42710', format('policy "%s" of %s was not made by auth.protect()', target.policy, the_table),
                                         'Drop or rename it. A policy that auth.protect() made has its comment.');
        end if;
        tests := concat(E'\n    using ' || auth_internal.spelt_out(target.using_test),
                        E'\n    with check ' || auth_internal.spelt_out(target.check_test));
        select string_agg(case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', ' order by r)
          into grantees from unnest(target.roles) r;
        commands := case
            when target.is_of_kind and target.is_same then '{}'
            when target.is_of_kind then array[format('alter policy %I on %s to %s%s', target.policy, the_table, grantees, tests)]
            else case when target.oid is not null then array[format('drop policy %I on %s', target.policy, the_table)] else '{}' end
                 || format('create policy %I on %s for %s to %s%s', target.policy, the_table, target.verb, grantees, tests) end;
        if target.comment is distinct from protection_policy_changes.memory or target.is_of_kind is not true then
            commands := commands || format(E'comment on policy %I on %s is\n    %L', target.policy, the_table, protection_policy_changes.memory);
        end if;
        return query select array_to_string(commands, E';\n') where commands <> '{}';
    end loop;
end
$$;
comment on function auth_internal.protection_policy_changes is 'The statements for policies that one table lacks, with their comments; 42710 when somebody else''s has the name of one of ours.';

-- What a protected table lacks, and the statement that is right.

create function auth_internal.protection_role_names(settings jsonb) returns name[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select array(select case r when '0' then 'public' else pg_get_userbyid(r::oid) end
                   from jsonb_array_elements_text(protection_role_names.settings -> 'roles') r order by 1)
$$;
comment on function auth_internal.protection_role_names is 'The roles of settings of a protection by name, PUBLIC as public.';

-- The call of auth.protect() that gives a table these settings.
create function auth_internal.protection_call(source oid, settings jsonb) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select format('select auth.protect(%L', auth_internal.qualified(protection_call.source))
           || coalesce((select string_agg(format(', %s => %s', a.argument, a.value), '' order by a.n)
                from (values (1, 'org_column', coalesce(quote_literal(settings ->> 'organization'), 'null'),
                              -- Left out, it is the column that the table is protected by now.
                              case when coalesce(auth_internal.protection_of(protection_call.source) ->> 'organization', 'org_id') = 'org_id'
                                   then '''org_id''' end),
                             (2, 'workspace_column', quote_literal(settings ->> 'workspace'), null),
                             (3, 'owner_column', quote_literal(settings ->> 'owner'), null),
                             (4, 'environment_column', quote_literal(settings ->> 'environment'), null),
                             (5, 'resource', quote_literal(settings ->> 'resource'), null),
                             (6, 'roles', case when coalesce(settings -> 'roles', '[0]') <> '[0]'
                                               then quote_literal(auth_internal.protection_role_names(settings)::text) end, null),
                             (7, 'all_orgs', case when (settings ->> 'all_orgs')::boolean then 'true' end, null),
                             (8, 'single_login', case when (settings ->> 'single_login')::boolean then 'true' end, null))
                     as a (n, argument, value, usual)
               where a.value is distinct from a.usual and a.value is not null
                 -- Where no column is known any more, the usual one is the guess.
                 and (a.n > 1 or coalesce(settings ->> 'organization', settings ->> 'workspace', settings ->> 'owner') is not null)), '')
           || ')'
$$;
comment on function auth_internal.protection_call is 'The call of auth.protect() that stands for these settings.';

-- Everything by which a table, or what inherits from it, is other than auth.protect() makes it with these settings, the worst
-- first. An index that is missing is none of it: large tables may lack it.
create function auth_internal.protection_faults(source oid, settings jsonb) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with parts as materialized (
        select c.oid, auth_internal.qualified(c.oid) as name, c.relkind, c.relrowsecurity, c.relforcerowsecurity, t.n,
               auth_internal.protection_of(c.oid)
                   - '{organization,workspace,owner,environment,resource,roles,all_orgs,single_login}'::text[] as memory
          from auth_internal.table_tree(protection_faults.source) with ordinality as t (oid, is_being_detached, n)
          join pg_class c on c.oid = t.oid
    ), found as (
        select 1 as place, p.n, '' as detail, p.oid, format('no column of %s says any more whose a row is', p.name) as fault
          from parts p
         where p.n = 1 and not exists (select from auth_internal.protection_columns(p.oid, protection_faults.settings) c
                                        where c.kind in ('organization', 'workspace', 'owner'))
        union all
        select 2, p.n, '', p.oid, case p.relkind when 'f' then format('%s is a foreign table, which has no policies', p.name)
                                                 else format('row-level security of %s is off', p.name) end
          from parts p where not p.relrowsecurity
        union all
        select 3, p.n, '', p.oid, format('row-level security of %s does not hold for its owner (FORCE)', p.name)
          from parts p where not p.relforcerowsecurity and p.relkind <> 'f'
        union all
        select 4, p.n, w.policy, p.oid,
               format(case when y.oid is null then 'policy %I of %s is missing' else 'policy %I of %s is not as auth.protect() makes it' end,
                      w.policy, p.name)
          from parts p
         cross join lateral auth_internal.protection_policies(p.oid, protection_faults.settings) w
          left join pg_policy y on y.polrelid = p.oid and y.polname = w.policy
         where p.relkind <> 'f'
           and (y.oid is null or not y.polpermissive or y.polcmd <> w.command
                -- The comments of one table are all the same.
                or auth_internal.protection_memory(obj_description(y.oid, 'pg_policy')) is null
                or auth_internal.protection_memory(obj_description(y.oid, 'pg_policy')) <> p.memory
                or pg_get_expr(y.polqual, y.polrelid) is distinct from w.using_test
                or pg_get_expr(y.polwithcheck, y.polrelid) is distinct from w.check_test
                or (select array_agg(r order by r) from unnest(y.polroles) r) is distinct from w.roles)
        union all
        select 5, p.n, c.name, p.oid, format('the default of column %I of %s is not the one that auth.protect() set', c.name, p.name)
          from parts p
         cross join lateral auth_internal.protection_columns(p.oid, protection_faults.settings) c
         where c.present_default is distinct from c.own_default
           and p.memory -> 'defaults' ? c.kind
    )
    select f.fault, auth_internal.protection_call(f.oid, protection_faults.settings)
      from found f order by f.place, f.n, f.detail
$$;
comment on function auth_internal.protection_faults is 'By what a table and what inherits from it differ from what auth.protect() makes, the worst first, and the statement that is right.';

-- What auth.protect() wants of a table, and what it left there before. Everything here reads the catalogs, as the
-- caller. Settings are jsonb: organization, workspace, owner and environment (names of columns), resource, roles
-- (oids, 0 for PUBLIC), all_orgs, single_login, and what the comment remembers: enabled, forced and defaults.

-- The columns that settings name, as they are in this table. operand is the column as Postgres prints it
-- where its base type is asked for.
create function auth_internal.protection_columns(source oid, settings jsonb)
    returns table (kind text, name name, number smallint, type oid, operand text, own_default text, floor text,
                   present_default text, fillable boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select k.kind, a.attname, a.attnum, b.type,
           case when b.type = a.atttypid and b.type <> 'varchar'::regtype then quote_ident(a.attname)
                else format('(%I)::%s', a.attname,
                            case b.type when 'varchar'::regtype then 'text' else format_type(b.type, null) end) end,
           r.reader, r.floor, pg_get_expr(d.adbin, d.adrelid),
           d.oid is null and a.attgenerated = '' and a.attidentity = ''
      from unnest(array['organization', 'workspace', 'owner', 'environment']) with ordinality as k (kind, n)
      join pg_attribute a on a.attrelid = protection_columns.source and a.attnum > 0 and not a.attisdropped
                         and a.attname = protection_columns.settings ->> k.kind
     cross join lateral (select auth_internal.base_type(a.atttypid) as type) b
      left join auth_internal.column_readers() r on r.kind = k.kind and r.type = b.type
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     order by k.n
$$;
comment on function auth_internal.protection_columns is 'The columns that settings of a protection name, as they are.';

-- May the API key be used with the table? As Postgres prints it, which knows no E'' strings.
create function auth_internal.protection_table_test(source oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('auth.allows_table((''%s''::regclass)::oid)',
                  replace(protection_table_test.source::regclass::text, '''', ''''''))
$$;
comment on function auth_internal.protection_table_test is 'The test of API keys limited to tables, as Postgres prints it.';

-- The tests of reading or of writing, exactly as Postgres prints them, so that text can be compared.
create function auth_internal.protection_test(source oid, settings jsonb, writes boolean) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with parts (tenants, everybody, service) as (
        select array_agg(t.test order by t.n) filter (where t.n < 5), array_agg(t.test order by t.n) filter (where t.n >= 5),
               max(t.floor)
          from (select case c.kind when 'organization' then 1 when 'workspace' then 2 when 'owner' then 3 else 5 end as n,
                       case when c.kind = 'organization' and c.type = 'uuid'::regtype then
                                case when s.across then format('auth.is_member(%s)', c.operand)
                                     else format('auth.in_org(%s)', c.operand) end
                            when c.kind = 'workspace' then format('auth.is_workspace_member(%s)', c.operand)
                            else format('(%s = %s)', c.operand, c.own_default) end as test,
                       '(' || c.operand || ' >= ' || c.floor || ')' as floor
                  from auth_internal.protection_columns(protection_test.source, protection_test.settings) c
                 cross join (select (protection_test.settings ->> 'all_orgs')::boolean
                                    and not protection_test.writes as across) s
                union all
                select 4, case when (protection_test.settings ->> 'all_orgs')::boolean and not protection_test.writes then
                                   format('auth.has_permission_in(%L::text, %s)', r.permission,
                                          (select c.operand from auth_internal.protection_columns(protection_test.source, protection_test.settings) c
                                            where c.kind = 'organization'))
                               else format('auth.has_permission(%L::text)', r.permission) end, null
                  from (select protection_test.settings ->> 'resource'
                               || case when protection_test.writes then '.write' else '.read' end as permission) r
                 where r.permission is not null
                union all
                select 6, auth_internal.protection_table_test(protection_test.source), null) t
    )
    select format('(%s)', array_to_string(
               case when (protection_test.settings ->> 'single_login')::boolean then
                        format('(%s OR %s)', case when cardinality(p.tenants) = 1 then p.tenants[1]
                                                  else format('(%s)', array_to_string(p.tenants, ' AND ')) end, p.service)
                        || p.everybody
                    else p.tenants || p.everybody end, ' AND '))
      from parts p
$$;
comment on function auth_internal.protection_test is 'The test of a protected table, of reading or writing, as Postgres prints it.';

-- What policies auth.protect() makes, by what they are for.
create function auth_internal.protection_kinds() returns table (name name, command "char", verb text)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    values ('bearer_select'::name, 'r'::"char", 'select'), ('bearer_insert', 'a', 'insert'), ('bearer_update', 'w', 'update'),
           ('bearer_delete', 'd', 'delete'), ('bearer_service', '*', 'all')
$$;
comment on function auth_internal.protection_kinds is 'The policies of auth.protect(), the command of each as in pg_policy, and as in CREATE POLICY.';

create function auth_internal.protection_policy_names() returns name[]
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select array(select k.name from auth_internal.protection_kinds() k)
$$;
comment on function auth_internal.protection_policy_names is 'What the policies of auth.protect() are called.';

-- The policies that a table has to have.
create function auth_internal.protection_policies(source oid, settings jsonb)
    returns table (policy name, command "char", verb text, roles oid[], using_test text, check_test text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with tests as materialized (
        select auth_internal.protection_test(protection_policies.source, protection_policies.settings, false) as reads,
               auth_internal.protection_test(protection_policies.source, protection_policies.settings, true) as writes,
               (select format('(%s)', string_agg(s.test, ' AND ' order by s.n))
                  from (select 1 as n, 'auth.is_service_role()' as test
                        union all
                        select 2, format('(%s = %s)', c.operand, c.own_default)
                          from auth_internal.protection_columns(protection_policies.source, protection_policies.settings) c
                         where c.kind = 'environment'
                        union all
                        select 3, auth_internal.protection_table_test(protection_policies.source)) s) as service,
               (select array_agg(r::oid order by r::oid)
                  from jsonb_array_elements_text(protection_policies.settings -> 'roles') r) as roles
    )
    select p.name, p.command, p.verb,
           case p.command when '*' then array[s.oid] else t.roles end,
           case p.command when 'r' then t.reads when 'a' then null when '*' then t.service else t.writes end,
           case p.command when 'a' then t.writes when 'w' then t.writes when '*' then t.service end
      from tests t
     cross join auth_internal.protection_kinds() p
     -- Where somebody renamed the role, no policy is as it has to be.
      left join pg_roles s on s.rolname = 'bearer_service'
$$;
comment on function auth_internal.protection_policies is 'The policies that a protected table has to have.';

-- What a comment of ours remembers, NULL for any other: owners of tables write comments too. The pattern admits only
-- what is good JSON.
create function auth_internal.protection_memory(comment text) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when length(protection_memory.comment) < 200 then
           case when protection_memory.comment ~ ('^[{]"by": "auth[.]protect", "forced": (true|false), "enabled": (true|false), '
                    || '"defaults": [[]("(organization|workspace|owner|environment)"(, (?="))?)*[]][}]$')
                then protection_memory.comment::jsonb end end
$$;
comment on function auth_internal.protection_memory is 'What a policy''s comment remembers; NULL unless auth.protect() wrote it.';

-- The settings that a table's policies show; NULL when none of them is ours.
create function auth_internal.protection_of(source oid) returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as materialized (
        select p.polcmd, p.polroles, auth_internal.protection_memory(d.description) as memory, b.m
          from pg_policy p
          join pg_description d on d.classoid = 'pg_policy'::regclass and d.objoid = p.oid and d.objsubid = 0
          left join lateral regexp_match(pg_get_expr(coalesce(p.polqual, p.polwithcheck), p.polrelid), (
                   -- I stands for a column, with or without a cast. The parts come in the order of protection_test.
                   select replace('^[(]*(?:auth[.](in_org|is_member)[(]I[)]|[(]I = auth[.]external_org_(?:id|number)[(][)][)])?'
                       || '(?: AND )?(?:auth[.]is_workspace_member[(]I[)])?'
                       || '(?: AND )?(?:[(]I = auth[.](?:user_id|uid)[(][)][)])?'
                       || '(?: AND )?(?:auth[.]has_permission(?:_in)?[(]''([a-z0-9_.:-]+)[.](?:read|write)''::text(?:, I)?[)])?'
                       || '[)]?( OR [(]I >= auth[.]service_floor(?:_text|_number)?[(][)][)][)])?'
                       || '(?: AND )?(?:[(]I = auth[.]environment[(][)][)])?'
                       || ' AND auth[.]allows_table[(].*$',
                       'I', '[(]?("(?:[^"]|"")+"|[a-z_][a-z0-9_]*)(?:[)]::[a-z]+)?'))) b (m) on p.polcmd <> '*'
         where p.polrelid = protection_of.source and auth_internal.protection_memory(d.description) is not null
    ), best as (
        select o.*, o.m[1] = 'is_member' as across from ours o
         where o.polcmd <> '*' order by o.m is null, o.polcmd <> 'r' limit 1
    )
    select (select o.memory from ours o limit 1)
           || jsonb_build_object(
               'organization', auth_internal.protection_name(coalesce(b.m[2], b.m[3])), 'workspace', auth_internal.protection_name(b.m[4]),
               'owner', auth_internal.protection_name(b.m[5]), 'environment', auth_internal.protection_name(b.m[10]), 'resource', b.m[6],
               'roles', coalesce(to_jsonb(b.polroles::bigint[]), '[0]'),
               'all_orgs', coalesce(b.across, false), 'single_login', b.m[8] is not null)
      from (select from ours limit 1) o left join best b on true
$$;
comment on function auth_internal.protection_of is 'The settings that the policies of a table show; NULL when none is of auth.protect().';

-- The name that an identifier in SQL stands for.
create function auth_internal.protection_name(identifier text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when protection_name.identifier like '"_%"'
                then replace(substr(protection_name.identifier, 2, length(protection_name.identifier) - 2), '""', '"')
                else protection_name.identifier end
$$;
comment on function auth_internal.protection_name is 'The name that an identifier in SQL stands for.';

-- A table is protected in one line. The caller's rights do it: Postgres itself asks whether the table is his. A database's
-- owner decides how its sessions read a backslash, so what names can be part of says so itself. Compiling these queries takes
-- longer than they do.

create function auth.protect(
    source regclass, org_column name default '', workspace_column name default null, owner_column name default null,
    environment_column name default null, resource text default null, roles name[] default null,
    dry_run boolean default false, all_orgs boolean default false, single_login boolean default false
) returns table (step integer, action text, statement text)
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set jit = off as $$
declare
    quoting constant text := current_setting('quote_all_identifiers');
    settings jsonb;
    statements text[];
    parts text[];
begin
    -- What Postgres prints is compared as text.
    perform set_config('quote_all_identifiers', 'off', true);
    if dry_run is null then
        perform auth_internal.refuse_protection('dry_run cannot be null', 'Say true or false.');
    end if;
    perform from pg_roles r where r.rolname = 'bearer_service';
    if not found then
        perform auth_internal.refuse('55000', 'the role bearer_service of pg_bearer is missing',
                                     'Somebody renamed it: ALTER ROLE … RENAME TO bearer_service.');
    end if;
    settings := auth_internal.protection_settings(source, auth_internal.protection_organization(source, org_column), workspace_column, owner_column, environment_column,
                                         resource, roles, all_orgs, single_login);
    select coalesce(array_agg(p.statement order by p.n), '{}'), array_agg(p.part order by p.n) into statements, parts
      from auth_internal.protection_plan(source, settings, current_user) with ordinality p (part, statement, n);
    -- Whoever finds nothing to do locks nothing. Others wait here for each other, and look again.
    if not dry_run and statements <> '{}' then
        perform auth_internal.protection_demand_owner(source);
        execute format('lock table %s in access exclusive mode', auth_internal.qualified(source));
        -- As auth_internal.commit_durably(), which the caller cannot run.
        if current_setting('synchronous_commit') = 'off' then
            perform set_config('synchronous_commit', 'local', true);
        end if;
        select coalesce(array_agg(p.statement order by p.n), '{}'), array_agg(p.part order by p.n) into statements, parts
          from auth_internal.protection_plan(source, settings, current_user) with ordinality p (part, statement, n);
        -- Guards judge what all steps together make of the table. Indexes are made when it is protected: that can run code
        -- of the table's owner.
        perform auth_internal.run_protection(source, settings);
    end if;
    step := 0;
    action := 'run';
    foreach statement in array statements loop
        step := step + 1;
        if not dry_run and parts[step] = 'index' then
            execute statement;
        end if;
        return next;
    end loop;
    action := 'suggested';
    for statement in select s.statement from auth_internal.protection_advice(source, settings) s loop
        step := step + 1;
        return next;
    end loop;
    perform set_config('quote_all_identifiers', quoting, true);
end
$$;
-- auth.protect() and its kin run as the caller, who therefore needs their parts: those read catalogs and make text.
comment on function auth.protect is
    'The table''s owner: makes the table, its partitions and whatever inherits from it show and take only rows of the identity, and returns the statements: action run for those that were run (with dry_run: would be), suggested for what to look at and run oneself. Row security is enabled and forced; policies bearer_select, _insert, _update, _delete for roles (default public), bearer_service for bearer_service with a service credential; defaults from the identity where a column has none; an index where the table is small. org_column is uuid, text, varchar, bigint or integer (the last four hold organizations.external_id) or NULL; left out it is the column that the table is protected by, or else org_id, or else the only one of organization_id, tenant_id, account_id, team_id and company_id, workspace_column is uuid, owner_column uuid, text or varchar, environment_column text or varchar. A resource asks for the permissions resource.read and resource.write. all_orgs (uuid only): rows of all organizations of the user are read, those of the current one written. single_login lets a service credential through without the role bearer_service. Called again it changes only what differs. 22023 with a hint for a bad argument and where more than one column can be the organization''s, 42710 when a policy of somebody else has the name of one of ours, 0A000 for a foreign table as partition, 42501 for a table of somebody else, 55000 where the role bearer_service was renamed.';

-- The steps without the indexes. auth_internal.run_protection() calls this, so that guards judge the end and not each step; called
-- by itself it does the same, and is judged by steps. So settings are not believed here.
create function auth_internal.protection_run(source oid, settings jsonb) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    checked constant jsonb := auth_internal.protection_settings(
        source::regclass, (settings ->> 'organization')::name, (settings ->> 'workspace')::name, (settings ->> 'owner')::name,
        (settings ->> 'environment')::name, settings ->> 'resource', auth_internal.protection_role_names(settings),
        (settings ->> 'all_orgs')::boolean, (settings ->> 'single_login')::boolean);
    statement text;
    steps integer := 0;
begin
    foreach statement in array array(select p.statement from auth_internal.protection_plan(source, checked, current_user) p where p.part <> 'index') loop
        execute statement;
        steps := steps + 1;
    end loop;
    return steps;
end
$$;
comment on function auth_internal.protection_run is 'Runs what auth.protect() runs with these settings, but for indexes; returns how many statements. 22023 for settings that it would not take.';

-- All that is to be run for a table and what inherits from it, in order. creator is who would run it.
create function auth_internal.protection_plan(source oid, settings jsonb, creator name) returns table (part text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with tables as (
        select t.oid, t.n, c.relispartition and t.n > 1 as is_partition
          from auth_internal.table_tree(protection_plan.source) with ordinality as t (oid, is_being_detached, n)
          join pg_class c on c.oid = t.oid
    ), inherited as (
        select coalesce(auth_internal.protection_of(protection_plan.source),
                        (select auth_internal.protection_of(i.inhparent) from pg_inherits i
                          where i.inhrelid = protection_plan.source order by i.inhseqno limit 1)) as settings
    )
    select x.part, x.statement
      from (select t.n, 1 as place, c.part, c.statement, c.number
              from tables t cross join inherited i
             cross join lateral auth_internal.protection_changes(t.oid, protection_plan.settings, i.settings)
                                with ordinality as c (part, statement, number)
            union all
            select t.n, 2, 'index', c.statement, c.number
              from tables t
             cross join lateral auth_internal.protection_index(t.oid, protection_plan.settings, protection_plan.creator)
                                with ordinality as c (action, statement, number)
             where not t.is_partition and c.action = 'run') x
     order by x.place, x.n, x.number
$$;
comment on function auth_internal.protection_plan is 'All statements that a table and what inherits from it lack, indexes last.';

-- What is suggested after that.
create function auth_internal.protection_advice(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select x.statement
      from (select t.n, 1 as place, c.statement, c.number
              from auth_internal.table_tree(protection_advice.source) with ordinality as t (oid, is_being_detached, n)
             cross join lateral auth_internal.protection_suggestions(t.oid, protection_advice.settings)
                                with ordinality as c (statement, number)
            union all
            select t.n, 2, c.statement, c.number
              from auth_internal.table_tree(protection_advice.source) with ordinality as t (oid, is_being_detached, n)
              join pg_class r on r.oid = t.oid and (t.n = 1 or not r.relispartition)
             cross join lateral auth_internal.protection_index(t.oid, protection_advice.settings, current_user)
                                with ordinality as c (action, statement, number)
             where c.action = 'suggested'
            union all
            select 1, 3, c.statement, c.number
              from auth_internal.protection_key_suggestions(protection_advice.source, protection_advice.settings)
                   with ordinality as c (statement, number)) x
     order by x.place, x.n, x.number
$$;
comment on function auth_internal.protection_advice is 'All that auth.protect() suggests.';

create function auth.unprotect(source regclass, dry_run boolean default false)
    returns table (step integer, action text, statement text)
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set jit = off as $$
declare
    quoting constant text := current_setting('quote_all_identifiers');
    statements text[];
begin
    perform set_config('quote_all_identifiers', 'off', true);
    if dry_run is null then
        perform auth_internal.refuse_protection('dry_run cannot be null', 'Say true or false.');
    end if;
    perform auth_internal.protection_demand_table(source);
    statements := array(select r.statement from auth_internal.protection_removal(source) r where r.action = 'run');
    if not dry_run and statements <> '{}' then
        perform auth_internal.protection_demand_owner(source);
        execute format('lock table %s in access exclusive mode', auth_internal.qualified(source));
        -- As auth_internal.commit_durably(), which the caller cannot run.
        if current_setting('synchronous_commit') = 'off' then
            perform set_config('synchronous_commit', 'local', true);
        end if;
        statements := array(select r.statement from auth_internal.protection_removal(source) r where r.action = 'run');
    end if;
    step := 0;
    action := 'suggested';
    -- Afterwards nothing tells any more what was ours.
    for statement in select r.statement from auth_internal.protection_removal(source) r where r.action = 'suggested' loop
        step := step + 1;
        return next;
    end loop;
    action := 'run';
    if not dry_run and statements <> '{}' then
        perform auth_internal.run_unprotection(source);
    end if;
    foreach statement in array statements loop
        step := step + 1;
        return next;
    end loop;
    perform set_config('quote_all_identifiers', quoting, true);
end
$$;
comment on function auth.unprotect is
    'The table''s owner: takes away what auth.protect() made, on the table and what inherits from it, and nothing else: policies, defaults, the index that it created, and row security where it was off before. The table is then open to everybody with grants on it: revoking them is suggested. Returns the statements; dry_run runs none. No rows for a table that is not protected. 22023 for NULL and what is no table, 42501 for a table of somebody else.';

-- auth_internal.run_unprotection() calls this.
create function auth_internal.protection_undo(source oid) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    statement text;
    steps integer := 0;
begin
    foreach statement in array array(select r.statement from auth_internal.protection_removal(source) r where r.action = 'run') loop
        execute statement;
        steps := steps + 1;
    end loop;
    return steps;
end
$$;
comment on function auth_internal.protection_undo is 'Runs what auth.unprotect() runs; returns how many statements.';

-- What takes our own away from a table and what inherits from it. Where nothing keeps rows apart afterwards, those who
-- can then read or write all of them are suggested.
create function auth_internal.protection_removal(source oid) returns table (action text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as materialized (
        select t.oid, auth_internal.qualified(t.oid) as name, t.n, s.settings, c.relacl, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
               exists (select from pg_policy p
                        where p.polrelid = t.oid and auth_internal.protection_memory(obj_description(p.oid, 'pg_policy')) is null) as has_others
          from auth_internal.table_tree(protection_removal.source) with ordinality as t (oid, is_being_detached, n)
          join pg_class c on c.oid = t.oid
         cross join lateral (select auth_internal.protection_of(t.oid) as settings) s
         where s.settings is not null
    )
    select x.action, x.statement
      from (select 1 as place, o.n, p.polname::text as name, 'run' as action, format('drop policy %I on %s', p.polname, o.name) as statement
              from ours o join pg_policy p on p.polrelid = o.oid
             where auth_internal.protection_memory(obj_description(p.oid, 'pg_policy')) is not null
            union all
            select 2, o.n, c.name::text, 'run', format('alter table only %s alter column %I drop default', o.name, c.name)
              from ours o cross join lateral auth_internal.protection_columns(o.oid, o.settings) c
             where o.settings -> 'defaults' ? c.kind and c.present_default = c.own_default
            union all
            select 3, o.n, i.indexrelid::regclass::text, 'run', format('drop index %s', auth_internal.qualified(i.indexrelid))
              from ours o join pg_index i on i.indrelid = o.oid
             where obj_description(i.indexrelid, 'pg_class') = '{"by": "auth.protect"}' and not i.indisunique
            union all
            select 4, o.n, '', 'run', format('alter table %s no force row level security', o.name)
              from ours o where (o.settings ->> 'forced')::boolean and o.relforcerowsecurity
            union all
            -- Policies of somebody else would be switched off with it.
            select 5, o.n, '', case when o.has_others then 'suggested' else 'run' end,
                   format('alter table %s disable row level security', o.name)
              from ours o where (o.settings ->> 'enabled')::boolean and o.relrowsecurity
            union all
            select distinct 6, o.n, g.grantee, 'suggested', format('revoke all on table %s from %s', o.name, g.grantee)
              from ours o
             cross join lateral (
                  select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
                    from aclexplode(o.relacl) a where a.grantee <> o.relowner) g
             where (o.settings ->> 'enabled')::boolean and not o.has_others) x
     order by x.action desc, x.place, x.n, x.name
$$;
comment on function auth_internal.protection_removal is 'The statements of auth.unprotect().';

-- Security definer, as auth.lint().
create function auth.protected_tables() returns table (
    source regclass, org_column name, workspace_column name, owner_column name, environment_column name, resource text,
    roles name[], all_orgs boolean, single_login boolean, intact boolean
)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set jit = off as $$
declare
    quoting constant text := current_setting('quote_all_identifiers');
begin
    perform auth_internal.demand_owner();
    perform set_config('quote_all_identifiers', 'off', true);
    return query
    with ours as materialized (
        select t.oid, s.settings
          from (select distinct p.polrelid as oid from pg_policy p join pg_class c on c.oid = p.polrelid
                 where auth_internal.has_rights_of(c.relowner)
                   and p.polname = any (auth_internal.protection_policy_names())) t
         cross join lateral (select auth_internal.protection_of(t.oid) as settings) s
         where s.settings is not null
    ), parts as materialized (
        select o.oid, t.part, o.settings - '{by,forced,enabled,defaults}'::text[] as settings
          from ours o cross join lateral auth_internal.table_tree(o.oid) t
    ), checked as materialized (
        -- Once for a partition, and not again for all that it belongs to.
        select p.part, p.settings, auth_internal.protection_is_intact(p.part, p.settings) as is_intact
          from (select distinct d.part, d.settings from parts d) p
    ), answers as materialized (
        select p.oid, bool_and(c.is_intact) as is_intact
          from parts p join checked c on c.part = p.part and c.settings = p.settings group by p.oid
    )
    select o.oid::regclass, (o.settings ->> 'organization')::name, (o.settings ->> 'workspace')::name,
           (o.settings ->> 'owner')::name, (o.settings ->> 'environment')::name, o.settings ->> 'resource',
           auth_internal.protection_role_names(o.settings),
           (o.settings ->> 'all_orgs')::boolean, (o.settings ->> 'single_login')::boolean, a.is_intact
      from ours o join answers a on a.oid = o.oid
     order by o.oid::regclass::text;
    perform set_config('quote_all_identifiers', quoting, true);
end
$$;
comment on function auth.protected_tables is
    'The tables that auth.protect() protects, partitions too, as their policies say. roles are those of the tenants'' policies. intact says that auth.protect(), called again by the table''s owner with these arguments, would run nothing: it is false when a policy was changed or dropped, row security is off or not forced, a default that auth.protect() made or the index is gone, or a partition came later. auth.protect() again repairs that. Columns are NULL where the policies were changed beyond recognition. Administrators see all, owners their own tables. 42501 for anybody else.';

-- Is there nothing that auth.protect() would change in this one table, if its owner called it again with these settings? A
-- partition has the index of the table that it belongs to, or needs none.
create function auth_internal.protection_is_intact(source oid, settings jsonb) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
           -- Asking for changes would be an error.
           when exists (select from pg_policy p
                         where p.polrelid = protection_is_intact.source
                           and p.polname = any (auth_internal.protection_policy_names())
                           and auth_internal.protection_memory(obj_description(p.oid, 'pg_policy')) is null) then false
           else not exists (select from auth_internal.protection_changes(protection_is_intact.source, protection_is_intact.settings, null))
                and not exists (select from pg_class c
                                 cross join lateral auth_internal.protection_index(c.oid, protection_is_intact.settings,
                                                                                   pg_get_userbyid(c.relowner)) i
                                 where c.oid = protection_is_intact.source and not c.relispartition and i.action = 'run') end
$$;
comment on function auth_internal.protection_is_intact is 'Is there nothing that auth.protect() would change in this table, if its owner called it again?';

-- The index that a protected table needs, and what auth.protect() only suggests: what can fail, take long or is the owner's to
-- decide.

-- Is a scan of the table, and of all that inherits from it, a matter of a moment?
create function auth_internal.protection_is_small(source oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(sum(pg_relation_size(t.part)), 0) <= 16 * 1024 * 1024 from auth_internal.table_tree(protection_is_small.source) t
$$;
comment on function auth_internal.protection_is_small is 'Is a scan of the table a matter of a moment?';

-- The statement that gives the table the index it lacks: named, so that we know it again by its comment. creator is who would
-- run it.
create function auth_internal.protection_index(source oid, settings jsonb, creator name)
    returns table (action text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with missing as materialized (
        select t.relkind, t.relname, t.relnamespace, auth_internal.qualified(t.oid) as name, n.nspname, k.name as key,
               -- An owner may lack the right to create it.
               auth_internal.protection_is_small(t.oid)
                   and exists (select from pg_roles r where r.rolname = protection_index.creator and has_schema_privilege(r.oid, n.oid, 'create')) as is_run
          from pg_class t
         -- The first column that says whose a row is.
         cross join lateral (select c.name, c.number from auth_internal.protection_columns(t.oid, protection_index.settings) c
                              where c.kind in ('organization', 'workspace', 'owner') limit 1) k
          join pg_namespace n on n.oid = t.relnamespace
         where t.oid = protection_index.source
           and not auth_internal.column_has_index(t.oid, k.number)
    ), named as (
        select m.*, f.free
          from missing m
         cross join lateral (
              -- The number comes first, since a long name loses its end.
              select (case g when 1 then 'bearer_' else format('bearer_%s_', g) end || m.relname)::name as free
                from generate_series(1, 1000) g
               where not exists (select from pg_class x
                                  where x.relnamespace = m.relnamespace
                                    and x.relname = (case g when 1 then 'bearer_' else format('bearer_%s_', g) end || m.relname)::name)
               order by g limit 1) f
    )
    select case when m.is_run then 'run' else 'suggested' end,
           case when m.is_run then format(E'create index %I on %s (%I);\ncomment on index %I.%I is %L', m.free, m.name, m.key,
                                          m.nspname, m.free, '{"by": "auth.protect"}')
                when m.relkind = 'p' then format('create index on %s (%I)', m.name, m.key)
                else format('create index concurrently on %s (%I)', m.name, m.key) end
      from named m
$$;
comment on function auth_internal.protection_index is 'The statement for the index that a table lacks, to run or to suggest.';

-- What the owner should look at in one table of a tree.
create function auth_internal.protection_suggestions(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('drop policy %I on %s', p.polname, auth_internal.qualified(p.polrelid))
      from pg_policy p
     where p.polrelid = protection_suggestions.source and p.polpermissive
       and p.polname <> all (auth_internal.protection_policy_names())
     order by 1
$$;
comment on function auth_internal.protection_suggestions is 'Policies of somebody else that open a protected table.';

-- NOT NULL, foreign keys and unique keys, for the organization. A foreign key is mended when both of its tables are protected, so
-- that of two calls the second one suggests it. The other tables have the column that their own policies ask about.
create function auth_internal.protection_key_suggestions(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with org as materialized (
        select c.name, c.number, a.attnotnull
          from auth_internal.protection_columns(protection_key_suggestions.source, settings) c
          join pg_attribute a on a.attrelid = protection_key_suggestions.source and a.attnum = c.number
         where c.kind = 'organization'
    ), parents as materialized (
        select k.confrelid as oid from pg_constraint k
         where k.contype = 'f' and k.conrelid = protection_key_suggestions.source
    ), family as materialized (
        -- Whatever refers to the table, what it refers to, and what else refers to that.
        select distinct x.oid
          from pg_constraint k cross join lateral (values (k.conrelid), (k.confrelid)) x (oid)
         where k.contype = 'f'
           and (protection_key_suggestions.source in (k.conrelid, k.confrelid) or k.confrelid in (select p.oid from parents p))
           and x.oid <> protection_key_suggestions.source
    ), tables as materialized (
        select array_agg(t.source order by t.source) as sources, array_agg(t.number order by t.source) as numbers
          from (select protection_key_suggestions.source, o.number from org o
                union all
                select l.oid, a.attnum
                  from family l
                  join pg_attribute a on a.attrelid = l.oid and a.attnum > 0 and not a.attisdropped
                                     and a.attname = auth_internal.protection_of(l.oid) ->> 'organization') t
    ), mended as materialized (
        select k.*, row_number() over (order by k.source::regclass::text, k.name) as n
          from org o cross join tables t cross join lateral auth_internal.foreign_keys_without_org(t.sources, t.numbers) k
         where k.statements is not null
    ), links as materialized (
        select m.* from mended m where protection_key_suggestions.source in (m.source, m.parent)
    ), suggested as (
        -- Nobody looks for NULLs: to plan a query of the table runs functions in its indexes, as whoever asks.
        select 1 as place, 1::bigint as key, 1::bigint as step,
               format('alter table %s alter column %I set not null', auth_internal.qualified(protection_key_suggestions.source), o.name) as statement
          from org o where not o.attnotnull
        union all
        select 2, k.n, s.n, s.statement
          from org o cross join links k cross join lateral unnest(k.statements) with ordinality as s (statement, n)
         where o.attnotnull
        union all
        -- Nothing refers to it any more when the foreign keys are mended. Those of a table that this one refers to could not be
        -- suggested as long as this one was not protected.
        select 3, k.n, s.n, s.statement
          from org o
         cross join tables t
         cross join lateral auth_internal.unique_keys_without_org(t.sources, t.numbers)
                            with ordinality as k (source, name, org, statements, obstacle, referenced_by, n)
         cross join lateral unnest(k.statements) with ordinality as s (statement, n)
         where o.attnotnull and k.referenced_by <@ array(select m.key from mended m)
           and (k.source = protection_key_suggestions.source
                or k.referenced_by && array(select l.key from links l where l.source = protection_key_suggestions.source))
    )
    select f.statement from suggested f order by f.place, f.key, f.step
$$;
comment on function auth_internal.protection_key_suggestions is 'NOT NULL and keys that a protected table should have.';

-- What people read about the functions: auth.help(), and docs/reference.md, which a test makes of the same rows.

create function auth.help(topic text default null) returns setof text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    -- As people write it: api-keys, auth.uid, uid().
    wanted constant text := regexp_replace(translate(lower(btrim(left(help.topic, 100))), ' -', '__'), '^auth[.]|[(].*$', '', 'g');
    entry record;
    found_any boolean := false;
begin
    if help.topic is null then
        return query select 'select auth.help(''api_keys'') shows the functions of a topic, auth.help(''uid'') one function.'::text;
        return query select ''::text;
        return query select rpad(t.topic, 20) || t.title from auth_internal.topics() t order by t.place;
        return;
    end if;
    for entry in select r.* from auth_internal.reference() r where wanted in (r.topic, r.name) order by r.place loop
        if found_any then
            return query select ''::text;
        elsif entry.topic = wanted then
            return query select h from auth_internal.help_heading(wanted) h;
            return query select ''::text;
        end if;
        found_any := true;
        return query select s from unnest(entry.signature) s;
        return query
            select w from unnest(entry.promise) p,
                          -- chr(92) is a backslash, whatever standard_conforming_strings says.
                          replace(p, 'explain the arguments', concat('explain the arguments (', chr(92), 'd+ ', split_part(p, ' ', 4), ' shows them)')) s,
                          auth_internal.wrapped(string_to_array(s, ' '), '  ', '    ') w;
        return query select w from auth_internal.wrapped(string_to_array(entry.callers, ' '), '  Who may call it: ', '    ') w;
        return query
            select w from unnest(entry.errors) with ordinality e (error, n),
                          auth_internal.wrapped(string_to_array(e.error, ' '),
                                                case e.n when 1 then '  Errors: ' else '          ' end, repeat(' ', 16)) w;
    end loop;
    if not found_any then
        raise invalid_parameter_value using
            message = 'there is no such topic, and no such function in schema auth',
            hint = 'The topics are ' || (select string_agg(t.topic, ', ' order by t.place) from auth_internal.topics() t) || '.';
    end if;
end
$$;
comment on function auth.help is
    'What the functions of schema auth promise, for psql, in lines of up to 96 characters. Without an argument: the topics. With a topic: its functions. With the name of a function: that one. 22023 for anything else; the hint lists the topics.';

-- The comments on functions follow a form. Who may call one stands before a colon at the beginning, if not everybody may;
-- sentences that begin with a SQLSTATE are its errors; all others are what it promises.
create function auth_internal.reference()
    returns table (place bigint, topic text, title text, name text, signature text[], promise text[], callers text, errors text[])
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select row_number() over (order by t.place, f.n), t.topic, t.title, f.name, auth_internal.signature_of(p.oid),
           array(select case when s.n = 1 and c.callers is not null then upper(left(s.sentence, 1)) || substr(s.sentence, 2)
                             else s.sentence end
                   from unnest(c.sentences) with ordinality s (sentence, n) where s.sentence !~ c.error order by s.n),
           auth_internal.callers_of(p.oid, c.callers),
           array(select rtrim(e.error, '.')
                   from unnest(c.sentences) with ordinality s (sentence, n)
                  cross join lateral regexp_split_to_table(s.sentence, '[,;] (?=' || substr(c.error, 2) || ')')
                                     with ordinality e (error, n)
                  where s.sentence ~ c.error order by s.n, e.n)
      from auth_internal.topics() t
     cross join lateral unnest(t.functions) with ordinality f (name, n)
      join pg_proc p on p.proname = f.name and p.pronamespace = 'auth'::regnamespace
     cross join lateral regexp_match(obj_description(p.oid, 'pg_proc'),
         '^(?:((?:Administrators|Services|Owners|The table''s owner|Members|Whoever|With)(?![a-z])(?:[^:.]|[.](?! ))*): )?(.*)$') m (parts)
     cross join lateral (select m.parts[1], regexp_split_to_array(m.parts[2], '(?<=[.?!]) '),
                                '^(?:[0-9][0-9A-Z]|[A-Z][0-9])[0-9A-Z]{3} ') c (callers, sentences, error)
$$;
comment on function auth_internal.reference is
    'What auth.help() and docs/reference.md say of each function, from its declaration, grants and comment.';

-- Arguments and columns are kept in one piece each.
create function auth_internal.signature_of(described oid) returns text[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with parts as (
        select a.mode = 't' as is_column,
               concat(case when row_number() over w = 1 then
                          case a.mode when 't' then 'returns table (' else format('auth.%s(', p.proname) end end,
                      a.name, ' ', replace(format_type(a.type, null), 'timestamp with time zone', 'timestamptz'),
                      -- Without casts: each value is written as the type that stands before it.
                      ' default ' || replace(regexp_replace(pg_get_function_arg_default(p.oid, a.n::integer), '::[a-z ]+([[][]])?', '', 'g'),
                                             'NULL', 'null'),
                      case when lead(a.n) over w is null then ')' else ',' end) as part,
               a.n
          from pg_proc p
         cross join lateral unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes::text[])
                            with ordinality u (type, name, mode, n)
         cross join lateral (select u.type, u.name, coalesce(u.mode, 'i') as mode, u.n) a
         where p.oid = signature_of.described
        window w as (partition by a.mode order by a.n)
    ), pieces as (
        select coalesce(array_agg(p.part order by p.n) filter (where not p.is_column),
                        array[format('auth.%s()', (select proname from pg_proc where oid = signature_of.described))]) as arguments,
               coalesce(array_agg(p.part order by p.n) filter (where p.is_column),
                        array['returns ' || lower(replace(pg_get_function_result(signature_of.described),
                                                          'timestamp with time zone', 'timestamptz'))]) as result
          from parts p
    )
    select case when length(array_to_string(arguments || result, ' ')) <= 96 then array[array_to_string(arguments || result, ' ')]
                else array(select w from auth_internal.wrapped(arguments, '', '        ') w)
                     || array(select w from auth_internal.wrapped(result, '    ', '        ') w) end
      from pieces
$$;
comment on function auth_internal.signature_of is 'How a function of schema auth is called and what it returns, in lines of up to 96 characters.';

-- Whoever was granted it, and of them those whom its comment names.
create function auth_internal.callers_of(described oid, named text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when g.everybody then coalesce(n.callers, 'everybody')
                when g.roles = '{bearer_admin}' and n.callers ~ '^administrators' then n.callers
                when g.roles is null then 'superusers only'
                else concat('only ', array_to_string(g.roles, ', '), ': ' || n.callers) end
      from (select bool_or(a.grantee = 0) as everybody,
                   array_agg(pg_get_userbyid(a.grantee)::text order by pg_get_userbyid(a.grantee)) filter (where a.grantee not in (0, p.proowner)) as roles
              from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
             where p.oid = callers_of.described) g
     cross join (select regexp_replace(regexp_replace(lower(left(named, 1)) || substr(named, 2), '^with ', 'whoever has the permission '),
                                       'administrators', 'administrators (superusers and members of bearer_admin)')
                        || case when named ~ '[.](read|write)(?![a-z])' and named !~ 'dministrators'
                                then '; services and administrators too' else '' end) n (callers)
$$;
comment on function auth_internal.callers_of is 'Who may call a function of schema auth: by its grants, and as its comment says.';

create function auth_internal.help_heading(topic text) returns setof text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select w.line
      from auth_internal.topics() t
     cross join lateral (
           select t.topic || ': ' || t.title as line, 0 as n
            union all
           select w.line, w.n
             from auth_internal.wrapped(regexp_split_to_array(array_to_string(t.functions, ', '), ' '), '', '') with ordinality w (line, n)) w
     where t.topic = help_heading.topic order by w.n
$$;
comment on function auth_internal.help_heading is 'What auth.help() begins with for a topic.';

-- As many pieces on a line as fit, with blanks between them. A piece that is longer than a line has one to itself.
create function auth_internal.wrapped(pieces text[], first_indent text, other_indent text) returns setof text
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    -- Nobody gets more out of it than he puts in.
    indent constant text := coalesce(left(other_indent, 96), '');
    line text := coalesce(first_indent, '');
    is_begun boolean := false;
    piece text;
begin
    foreach piece in array coalesce(pieces, '{}') loop
        piece := coalesce(piece, '');
        if is_begun and length(line) + 1 + length(piece) > 96 then
            return next line;
            line := indent;
            is_begun := false;
        end if;
        line := line || case when is_begun then ' ' else '' end || piece;
        is_begun := true;
    end loop;
    return next line;
end
$$;
comment on function auth_internal.wrapped is 'Pieces of text in lines of up to 96 characters, with these indents.';

-- What the name of a role means, and how a role is shown: the one home of that. A role of every organization goes before an
-- organization's own of the same name, which administrators need not ask about. That one is shown with ':own' behind its
-- name, which no stored name has, and may be called so always.

create function auth_internal.find_role(org_id uuid, name text) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select l.*
      from (select r.id from auth.roles r
             where r.org_id is null and r.name = find_role.name
                or r.org_id = find_role.org_id
                   and r.name = case when right(find_role.name, 4) = ':own' then left(find_role.name, -4) else find_role.name end
             order by r.org_id is not null, r.builtin limit 1) r
     cross join lateral auth_internal.live_role(r.id) l
$$;
comment on function auth_internal.find_role is 'The role that this name means in this organization, or for NULL in every one, as it counts now; NULL when there is none.';

create function auth_internal.role_named(org_id uuid, name text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    found_role auth.roles := auth_internal.find_role(org_id, name);
begin
    if found_role.id is null then
        perform auth_internal.refuse_role();
    end if;
    return found_role;
end
$$;
comment on function auth_internal.role_named is 'The role that this name means in this organization, or for NULL in every one; 22023 when there is none.';

create function auth_internal.role_in(org_id uuid, name text) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.* from auth_internal.find_role(role_in.org_id, role_in.name) r
     where r.id is not null and r.org_id is not distinct from role_in.org_id
$$;
comment on function auth_internal.role_in is 'The role that this name means, if it is of exactly this organization, or for NULL of every one; else NULL.';

create function auth_internal.role_name(role auth.roles) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (role_name.role).name
           || case when (role_name.role).org_id is not null
                        and exists (select from auth.roles r
                                     where r.org_id is null and r.name = (role_name.role).name)
                   then ':own' else '' end
$$;
comment on function auth_internal.role_name is 'How a role is shown; NULL for NULL.';

create function auth_internal.names_role(names text[], role auth.roles) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.role_name(names_role.role) = any (names_role.names)
           or (names_role.role).org_id is not null and (names_role.role).name || ':own' = any (names_role.names)
$$;
comment on function auth_internal.names_role is 'Does one of these names mean the role, in an organization that has it? NULL for NULL.';

-- Whoever gives a role to somebody shares it until the transaction ends, so that it is not dropped meanwhile. Who shares it is
-- never waited for: to drop a role that others share is refused.
create function auth_internal.share_role(role_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform auth_internal.take_lock('role', role_id, false, true);
    -- An older snapshot still shows a role that was dropped since.
    if auth_internal.keeps_snapshot() then
        perform auth_internal.demand_current_roles();
        -- One that came with the extension is not dropped: nobody keeps administrators from what it was.
        perform from auth.roles r
          where r.id = share_role.role_id and not exists (select from auth.roles b where b.id = r.id and b.builtin) for key share;
    end if;
end
$$;
comment on function auth_internal.share_role is 'Keeps a role from being dropped until the transaction ends; 55P03 when somebody has been dropping it for 2 seconds, 40001 for one that was changed or dropped since the snapshot of a transaction that has one. Look at the role again.';

create function auth_internal.granted_role(org_id uuid, name text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    shared auth.roles;
    granted auth.roles := auth_internal.role_named(org_id, name);
begin
    -- Again: while this waited the role may have been dropped, or the name have come to mean another one.
    while granted.id is distinct from shared.id loop
        shared := granted;
        perform auth_internal.share_role(shared.id);
        granted := auth_internal.role_named(org_id, name);
    end loop;
    return granted;
end
$$;
comment on function auth_internal.granted_role is 'The role that this name means in this organization, for somebody who is about to give it: it is not dropped until the transaction ends. 22023 when there is none.';

-- The roles of one organization, and those of every one. A changed built-in role is a second row with the
-- same id, so that what the extension installs and what a dump restores never meet.

-- There is no row to notice that somebody began to use a role after an older snapshot.
create function auth_internal.demand_read_committed(message text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.keeps_snapshot() then
        raise invalid_transaction_state using message = demand_read_committed.message, hint = 'Use READ COMMITTED.';
    end if;
end
$$;
comment on function auth_internal.demand_read_committed is '25000 with this message in a transaction that keeps its snapshot.';

create function auth_internal.enter_general_roles() returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_read_committed('roles of every organization cannot be changed in this isolation level');
    -- Only those who change such roles queue here: no tenant is in the way.
    perform auth_internal.commit_durably();
    perform auth_internal.take_lock('roles', auth_internal.owner_role(), true, true);
    -- For who has an older snapshot.
    update auth.roles r set created_at = r.created_at where r.id = auth_internal.owner_role() and r.builtin;
    return auth_internal.live_role(auth_internal.owner_role());
end
$$;
comment on function auth_internal.enter_general_roles is 'Enters the roles of every organization and returns the role of the owner; 42501 for users, 25000 unless READ COMMITTED.';

-- Locks the place of a role and returns the role in which the caller acts there: for one that an organization has, without
-- waiting. Whoever gives a role meanwhile waits for none of this (auth_internal.granted_role).
create function auth_internal.enter_roles(org_id uuid, name text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles;
begin
    if (auth_internal.role_in(org_id, name)).id is null and org_id is not null then
        return auth_internal.enter_organization(org_id, 'roles.write');
    elsif org_id is not null then
        actor := auth_internal.enter_ending(org_id, 'roles.write');
    else
        actor := auth_internal.enter_general_roles();
    end if;
    -- To drop a role can give as well: a built-in one is what it was again.
    perform auth_internal.demand_handing_on(org_id, null);
    return actor;
end
$$;
comment on function auth_internal.enter_roles is 'Enters the roles of an organization, or for NULL those of every one, for this one, and returns the caller''s own role; 42501 when they may not change them.';

-- The seed of the owner's role stands for the roles of every organization: who changes one of those changes this row. It is
-- locked, without waiting, to be told of that, and let go at once: else it would be in the way of the next change.
create function auth_internal.demand_current_roles() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.keeps_snapshot() then
        begin
            perform from auth.roles r where r.id = auth_internal.owner_role() and r.builtin for share skip locked;
            raise exception using errcode = 'LETGO';
        exception
            when sqlstate 'LETGO' then
                null;
        end;
    end if;
end
$$;
comment on function auth_internal.demand_current_roles is '40001 in a transaction with an older snapshot than the roles of every organization.';

create function auth_internal.demand_free_role_name(name text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.roles r where r.name = demand_free_role_name.name and r.org_id is null;
    if found then
        raise unique_violation using
            message = 'every organization has a role of this name', hint = 'Choose another name.';
    end if;
end
$$;
comment on function auth_internal.demand_free_role_name is '23505 when the name means a role of every organization.';

-- Are these roles known where the role is, and of a lower rank than it?
create function auth_internal.demand_lower_roles(actor auth.roles, org_id uuid, rank integer, names text[])
    returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    wanted text;
    wanted_role auth.roles;
    restricted boolean := not auth_internal.is_unrestricted();
    -- What one's own role may not grant, no role may grant that one makes.
    limited boolean := restricted and actor.id <> auth_internal.owner_role() and actor.grantable is not null;
    is_scoped boolean := auth_internal.token_scopes() is not null;
    is_beyond boolean := (limited or is_scoped) and names is null;
begin
    foreach wanted in array coalesce(names, '{}') loop
        wanted_role := auth_internal.find_role(org_id, wanted);
        if wanted_role.rank < rank then
            is_beyond := is_beyond or limited and auth_internal.names_role(actor.grantable, wanted_role) is not true;
            continue;
        end if;
        if restricted then
            raise insufficient_privilege using message = 'a role can only grant known roles of a lower rank';
        end if;
        raise invalid_parameter_value using message = 'a role can only grant known roles of a lower rank';
    end loop;
    if is_scoped then
        perform auth_internal.demand_scopes((auth_internal.find_role(org_id, n)).permissions) from unnest(names) n;
    end if;
    if is_beyond then
        raise insufficient_privilege using
            message = 'a role cannot grant what yours cannot', hint = 'Give the argument grantable.';
    end if;
end
$$;
comment on function auth_internal.demand_lower_roles is 'Refuses roles to grant that are unknown, not of a lower rank or more than the caller''s own role may grant; 42501 for users, 22023 else.';

create function auth_internal.demand_definable(actor auth.roles, old auth.roles, rank integer, permissions text[])
    returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    permission text;
begin
    perform auth_internal.demand_scopes(permissions);
    if auth_internal.is_unrestricted() then
        return;
    end if;
    if (actor.rank > demand_definable.rank) is not true or old.rank >= actor.rank then
        raise insufficient_privilege using
            message = 'you cannot define this role', hint = 'Its rank must be lower than that of your own role.';
    end if;
    foreach permission in array permissions loop
        if auth_internal.permission_covers(actor.permissions, permission) is not true then
            raise insufficient_privilege using
                message = 'you cannot define this role', hint = 'It has a permission that your own role lacks.';
        end if;
    end loop;
end
$$;
comment on function auth_internal.demand_definable is '42501 when a user defines a role that is not below their own, or has permissions that their own lacks, or anybody one that the scopes of their token do not cover.';

create function auth_internal.audited_role(rank integer, permissions text[]) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select jsonb_build_object('rank', audited_role.rank, 'permission_count', cardinality(audited_role.permissions),
                              'permissions', array(select p from unnest(audited_role.permissions) p limit 20))
$$;
comment on function auth_internal.audited_role is 'What the audit log says of a role: its rank, and its first 20 permissions.';

create function auth.define_role(
    name text, permissions text[], org_id uuid default null, rank integer default null,
    grantable text[] default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_roles(org_id, name);
    old auth.roles := auth_internal.role_in(org_id, name);
    usual_rank constant integer := coalesce(old.rank, 300);
    new_rank constant integer := coalesce(rank, usual_rank);
    defined_id uuid;
    relation text;
    violated text;
begin
    if name = 'owner' then
        raise invalid_parameter_value using message = 'the role owner cannot be changed';
    end if;
    if new_rank not between 1 and 999 then
        perform auth_internal.refuse_value('roles', 'rank');
    end if;
    if old.id is null and org_id is not null then
        perform auth_internal.demand_free_role_name(name);
        perform auth_internal.demand_creatable('roles', org_id);
    end if;
    if org_id is not null and old.id is not null
       and not (auth_internal.try_role(old.id) and auth_internal.clear_beside('role', old.id)) then
        if permissions is null then
            perform auth_internal.refuse_value('roles', 'permissions');
        end if;
        perform auth_internal.begin_beside('role', old.id, org_id, new_rank, false);
        insert into auth.endings (kind, target_id, org_id, rank, permissions, grantable, ended_by)
        values ('role', old.id, org_id, new_rank, permissions, grantable, auth_internal.acting_user())
        returning endings.target_id into defined_id;
    else
        insert into auth.roles as r (id, org_id, name, rank, permissions, grantable)
        values (coalesce(old.id, gen_random_uuid()), org_id, coalesce(old.name, name), new_rank, permissions, grantable)
        on conflict on constraint roles_pkey do update
           set rank = excluded.rank, permissions = excluded.permissions, grantable = excluded.grantable,
               version = gen_random_uuid()
        returning r.id into defined_id;
    end if;
    -- Afterwards, so that what these look at is well-formed.
    perform auth_internal.demand_definable(actor, old, new_rank, permissions);
    -- Who gets a higher rank gets those below them, too.
    if new_rank > usual_rank then
        perform auth_internal.demand_scopes('{*}');
    end if;
    perform auth_internal.demand_lower_roles(actor, org_id, new_rank, grantable);
    perform auth_internal.demand_handing_on(org_id, null);
    if (old.rank, old.permissions, old.grantable) is distinct from (new_rank, permissions, grantable) then
        perform auth_internal.audit('role.define', org_id, coalesce(old.name, name), null,
                                    auth_internal.audited_role(new_rank, permissions));
    end if;
    return defined_id;
exception
    when check_violation then
        get stacked diagnostics relation = table_name, violated = constraint_name;
        perform auth_internal.refuse_value(relation, violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('roles', violated);
end
$$;
comment on function auth.define_role is
    'With roles.write, or for every organization services and administrators: creates or replaces a role and returns its id. Without org_id it is a role of every organization; where an organization has its own of that name, that one is name:own from then on, everywhere. For users its rank is below that of their own role, which has all its permissions and grantable roles too. rank is 1 to 999; NULL is 300, or leaves it. grantable NULL: every role of a lower rank. 22023 for a value that is not allowed and for the role owner, 23505 for a new role of an organization with the name of one of every organization, 42501 when the caller may not, 25000 for a role of every organization unless the transaction is READ COMMITTED, 54000 for a new role of a user where the organization has pg_bearer.max_roles, or who created too many in an hour, 28000 without an identity.';

create function auth_internal.try_role(role_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.roles r where r.id = try_role.role_id and not r.builtin for update skip locked;
    return found and auth_internal.is_lock_free('beside', role_id);
end
$$;
comment on function auth_internal.try_role is 'Locks the row of an organization''s own role; false where somebody holds it or is changing it beside the row.';

create function auth_internal.is_role_used(role_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth.memberships m where m.role_id = is_role_used.role_id)
        or exists (select from auth.workspace_memberships m where m.role_id = is_role_used.role_id)
        or exists (select from auth.endings e where e.role_id = is_role_used.role_id)
        or exists (select from auth_internal.live_api_keys k where k.role_id = is_role_used.role_id)
        or exists (select from auth_internal.open_invitations i where i.role_id = is_role_used.role_id)
$$;
comment on function auth_internal.is_role_used is 'Has a member this role, an invitation that is open or an API key that works?';

create function auth_internal.refuse_used_role() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise dependent_objects_still_exist using
        message = 'the role is in use',
        hint = 'Give its members another one, revoke the open invitations that give it and the API keys that have it, and let whoever is giving it finish.';
end
$$;
comment on function auth_internal.refuse_used_role is 'The error for a role that cannot be dropped (2BP01).';

create function auth.drop_role(name text, org_id uuid default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_roles(org_id, name);
    old auth.roles := auth_internal.role_in(org_id, name);
begin
    if old.id is null then
        perform auth_internal.refuse_role();
    elsif old.builtin then
        raise invalid_parameter_value using message = 'a built-in role cannot be dropped';
    end if;
    perform auth_internal.demand_definable(actor, old, old.rank, '{}');
    perform from auth.roles r where r.id = old.id and r.builtin;
    if not found then
        perform auth_internal.demand_read_committed('roles cannot be dropped in this isolation level');
        -- Whoever is giving it is not waited for, and who has done so is seen only by what begins with the lock held.
        if not auth_internal.take_lock('role', old.id, true, false) then
            perform auth_internal.refuse_used_role();
        elsif auth_internal.is_role_used(old.id) or old.org_id is not null and not auth_internal.try_role(old.id) then
            perform auth_internal.refuse_used_role();
        end if;
    end if;
    perform auth_internal.clear_beside('role', old.id);
    delete from auth.roles r where r.id = old.id and not r.builtin;
    perform auth_internal.audit('role.drop', org_id, old.name);
end
$$;
comment on function auth.drop_role is
    'With roles.write, or for every organization services and administrators: drops a role of an organization, of a rank below that of the caller''s own; without org_id, one of every organization. A built-in role that was changed becomes what it was. 22023 when there is none or it is built in, 2BP01 while it is in use or somebody is giving it, 42501 when the caller may not, 25000 unless the transaction is READ COMMITTED, 28000 without an identity.';

create function auth_internal.roles_in(its_org uuid)
    returns table (role text, org_id uuid, rank integer, permissions text[], grantable text[], builtin boolean)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if its_org is not null then
        perform auth_internal.read_organization(its_org, 'roles.read');
    else
        -- 28000 for nobody.
        perform auth_internal.is_unrestricted();
    end if;
    return query
        select auth_internal.role_name(r), l.org_id, l.rank, l.permissions, l.grantable, l.builtin
          from auth.roles r cross join lateral auth_internal.live_role(r.id) l
         where (r.org_id is null or r.org_id = its_org) and r.builtin = l.builtin
         order by r.rank desc, r.name;
end
$$;
comment on function auth_internal.roles_in is 'What auth.list_roles() shows.';

create function auth.list_roles(org_id uuid default null)
    returns table (role text, org_id uuid, rank integer, permissions text[], grantable text[], builtin boolean)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.roles_in(list_roles.org_id)
$$;
comment on function auth.list_roles is
    'The roles of every organization, for anybody who is signed in; with an organization its own too, with roles.read there. builtin: as it came with the extension. 42501 for an organization that is unknown or not the caller''s, 28000 without an identity.';

-- Test data: rows in a column that auth.environment() fills.

-- Runs as the caller, and so do triggers of the tables: he names them, so that nobody else's are among them. The
-- rows go with his search_path, on which triggers may rely; a default is computed before the function has its own.
create function auth.purge_sandbox(
    tables regclass[], trigger_search_path text default pg_catalog.current_setting('search_path')
) returns table (source regclass, deleted bigint)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    remaining oid[];
    place name;
begin
    select array_agg(c.oid order by c.oid) into remaining
      from pg_class c
     where c.relkind in ('r', 'p') and not c.relispartition and auth.environment_column(c.oid) is not null
       and c.oid = any (purge_sandbox.tables::oid[]);
    if purge_sandbox.tables is null
       or exists (select from unnest(purge_sandbox.tables) t where (t::oid = any (remaining)) is not true) then
        raise invalid_parameter_value using
            message = 'a table has no column for the environment',
            hint = 'Give one the default auth.environment().';
    end if;
    while cardinality(remaining) > 0 loop
        -- Rows that refer to others go before them.
        select r.t::regclass, auth.environment_column(r.t) into source, place
          from unnest(remaining) with ordinality as r (t, n)
         order by exists (select from pg_constraint k
                           where k.contype = 'f' and k.confrelid = r.t and k.conrelid <> r.t
                             and k.conrelid = any (remaining)), r.n
         limit 1;
        perform set_config('search_path', trigger_search_path, true);
        execute pg_catalog.format('delete from %s where %I operator(pg_catalog.=) ''test''', purge_sandbox.source, place);
        get diagnostics deleted = row_count;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        remaining := array_remove(remaining, purge_sandbox.source::oid);
        return next;
    end loop;
end
$$;
comment on function auth.purge_sandbox is
    'Deletes rows of environment test from these tables, by their column with the default auth.environment(): those rows that the caller sees and may delete, so a tenant''s only his own and a superuser''s everybody''s. Returns how many in each, rows that refer to others first. Triggers run with trigger_search_path, by default the caller''s. It also fails where deleting a row fails. 22023 for NULL and a table without such a column.';

-- The column whose default is auth.environment(), or NULL.
create function auth.environment_column(source oid) returns name
    language sql stable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
    select a.attname
      from pg_attrdef d
      join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
     where d.adrelid = environment_column.source and pg_get_expr(d.adbin, d.adrelid) = 'auth.environment()'
     order by a.attnum limit 1
$$;
comment on function auth.environment_column is
    'The first column of a table whose default is auth.environment(), or NULL.';

-- What those who sign in get. A refusal is returned and not raised: an error would undo what was counted.

-- In a request of PostgREST it gets its status too.
create function auth_internal.refusal(error text, description text, status integer default 400, seconds integer default null) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if nullif(current_setting('request.method', true), '') is not null then
        perform set_config('response.status', status::text, true);
        perform set_config('response.headers', (jsonb_build_array(jsonb_build_object('Cache-Control', 'no-store'))
            || case when seconds is null then '[]' else jsonb_build_array(jsonb_build_object('Retry-After', seconds::text)) end)::text, true);
    end if;
    return jsonb_strip_nulls(jsonb_build_object('error', error, 'error_description', description, 'retry_after', seconds));
end
$$;
comment on function auth_internal.refusal is 'The answer to a refused sign-in (RFC 6749 section 5.2), with the status of the HTTP response.';

create function auth_internal.refuse_grant(description text default 'Invalid login credentials') returns jsonb
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.refusal('invalid_grant', refuse_grant.description)
$$;
comment on function auth_internal.refuse_grant is 'The one answer to whatever is wrong with what somebody signs in with.';

create function auth_internal.refuse_tries(seconds integer) returns jsonb
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.refusal('too_many_requests', format('Too many tries. Try again in %s seconds.', refuse_tries.seconds), 429, refuse_tries.seconds)
$$;
comment on function auth_internal.refuse_tries is 'The answer to too many tries.';

create function auth_internal.sign_in_issuer() returns auth.issuers
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.own_issuer(nullif(current_setting('pg_bearer.session_issuer', true), ''))
$$;
comment on function auth_internal.sign_in_issuer is 'The issuer of ours that makes access tokens; 55000 where there is none.';

-- Before anything else in a function that somebody signs in with.
create function auth_internal.enter_sign_in() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth_internal.refuse_in_hook();
    perform auth_internal.sign_in_issuer();
end
$$;
comment on function auth_internal.enter_sign_in is '55000 where nobody signs in: without an issuer of ours, and within a hook.';

-- One more try, of what is named so. In shared memory, which no rollback undoes; without, in a table, which one does.
create function auth_internal.count_try(kind text, value text, most integer, period interval) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_key bytea := sha256(convert_to(kind || ' ' || value, 'UTF8'));
    seconds integer := auth_internal.take_try(kind, value, most, period);
    counted bigint;
    oldest timestamptz;
begin
    if seconds is not null then
        return seconds;
    end if;
    select count(*), min(t.tried_at) into counted, oldest
      from (select s.tried_at from auth.sign_in_tries s
             where s.key = its_key and s.tried_at > clock_timestamp() - period
             order by s.tried_at desc limit most) t;
    if counted >= most then
        return greatest(1, ceil(extract(epoch from oldest + period - clock_timestamp())));
    end if;
    insert into auth.sign_in_tries (key, expires_at) values (its_key, clock_timestamp() + period);
    begin
        delete from auth.sign_in_tries s
         where s.id = any (array(select o.id from auth.sign_in_tries o where o.expires_at < clock_timestamp()
                                  order by o.expires_at limit 10 for update skip locked));
    exception when serialization_failure then
        null;
    end;
    return 0;
end
$$;
comment on function auth_internal.count_try is 'Counts a try, and returns 0; or in how many seconds there may be one more.';

create function auth_internal.tries_period() returns interval
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select current_setting('pg_bearer.sign_in_tries_period')::interval
$$;
comment on function auth_internal.tries_period is 'In which time tries are counted together.';

-- Whoever signed in as the user from the same network before is not kept out by what others try.
create function auth_internal.count_address_try(kind text, email text, most integer) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    address text := auth_internal.folded(email);
    its_network text := auth_internal.client_network();
    its_user text := (auth_internal.user_by_email(email)).id::text;
begin
    perform from auth.sessions s where s.user_id = its_user and s.network = its_network;
    if found then
        kind := kind || ' of a known client';
        address := address || ' ' || its_network;
    end if;
    return auth_internal.count_try(kind, address, most, auth_internal.tries_period());
end
$$;
comment on function auth_internal.count_address_try is 'Counts a try of this kind for this address, and returns 0; or in how many seconds there may be one more.';

create function auth_internal.count_password_try(email text) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    seconds integer := auth_internal.count_network_try();
begin
    if seconds > 0 then
        return seconds;
    end if;
    return auth_internal.count_address_try('address', email, current_setting('pg_bearer.max_sign_in_tries')::integer);
end
$$;
comment on function auth_internal.count_password_try is 'Counts a try to sign in with this address, and returns 0; or in how many seconds there may be one more.';

create function auth_internal.count_network_try() returns integer
    language sql set search_path = pg_catalog, pg_temp as $$
    select case when auth_internal.client_network() is null then 0
                else auth_internal.count_try('network', auth_internal.client_network(),
                         current_setting('pg_bearer.max_sign_in_tries_per_network')::integer, auth_internal.tries_period()) end
$$;
comment on function auth_internal.count_network_try is 'Counts a try from the client''s network, where it is known, and returns 0; or in how many seconds there may be one more.';

create function auth_internal.count_mail(email text) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    seconds integer := auth_internal.count_network_try();
begin
    if seconds > 0 then
        return seconds;
    end if;
    return auth_internal.count_address_try('mail', email, current_setting('pg_bearer.max_mails')::integer);
end
$$;
comment on function auth_internal.count_mail is 'Counts a mail to this address, whoever has it, and returns 0; or in how many seconds there may be one more.';

-- Beginning a session, and the access tokens of one.

-- Its access token, and all that the client gets.
create function auth_internal.session_answer(session auth.sessions, refresh_token text) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    issuer auth.issuers;
    known auth_internal.user_row := auth_internal.user_by_id(session.user_id);
    described record := jsonb_populate_record(null::auth.minted_tokens, '{}');
    lifetime interval := current_setting('pg_bearer.access_token_lifetime')::interval;
    claims jsonb;
    signed record;
    minted record;
begin
    select * into issuer from auth.issuers i where i.id = session.issuer_id and i.own;
    if issuer.id is null then
        perform auth_internal.refuse('55000', 'the issuer of the session is gone', null);
    end if;
    described.user_id := session.user_id;
    described.org_id := session.org_id;
    described.permissions := session.permissions;
    described.environment := session.environment;
    described.is_service := false;
    described.is_member := session.org_id is not null;
    described.session_id := session.id;
    described.expires_at := auth_internal.token_end(null, least(clock_timestamp() + lifetime, session.expires_at), issuer);
    claims := auth_internal.session_claims(session, known);
    signed := auth_internal.sign_minted(described, issuer, 'authenticated', null, claims || auth_internal.hooked_claims(session, claims));
    minted := signed.minted;
    if nullif(current_setting('request.method', true), '') is not null then
        perform set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
    end if;
    return jsonb_build_object(
        'access_token', signed.token, 'token_type', 'bearer',
        'expires_in', floor(extract(epoch from minted.expires_at))::bigint - floor(extract(epoch from minted.created_at))::bigint,
        'expires_at', floor(extract(epoch from minted.expires_at))::bigint,
        'refresh_token', refresh_token,
        'user', case when known.id is null then jsonb_build_object('id', session.user_id) else auth_internal.user_record(known) end);
end
$$;
comment on function auth_internal.session_answer is 'An access token of a session, as RFC 6749 section 5.1 has it, with expires_at and the user as Supabase does.';

-- What the rows say. A name of these is never for a hook to say.
create function auth_internal.session_claims(session auth.sessions, known auth_internal.user_row) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
               'session_id', (session).id, 'aal', (session).aal,
               'amr', case when (session).method is not null then jsonb_build_array(jsonb_build_object(
                          'method', (session).method, 'timestamp', floor(extract(epoch from (session).created_at))::bigint)) end,
               'auth_time', floor(extract(epoch from (session).created_at))::bigint))
           || case when (known).id is null then '{}'::jsonb else jsonb_strip_nulls(jsonb_build_object(
               'email', (known).email, 'email_verified', (known).email_confirmed_at is not null, 'phone', (known).phone,
               'is_anonymous', (known).is_anonymous))
               || jsonb_build_object('app_metadata', (known).raw_app_meta_data, 'user_metadata', (known).raw_user_meta_data) end;
end
$$;
comment on function auth_internal.session_claims is 'The claims of an access token that come from the rows of the session and its user.';

create function auth_internal.hooked_claims(session auth.sessions, claims jsonb) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    added jsonb := auth_internal.run_hook('access_token', jsonb_build_object(
        'user_id', session.user_id, 'session_id', session.id, 'method', session.method, 'org_id', session.org_id, 'claims', claims));
begin
    if added is null or added = 'null' then
        return '{}';
    elsif jsonb_typeof(added) <> 'object' then
        perform auth_internal.refuse('55000', 'hook "access_token" failed', 'It returns an object of claims.');
    end if;
    select coalesce(jsonb_object_agg(a.key, a.value), '{}') into added
      from jsonb_each(added) a where not auth_internal.is_reserved_claim(a.key);
    if octet_length(added::text) > 4096 or not auth_internal.is_strict_object(added) then
        perform auth_internal.refuse('55000', 'hook "access_token" failed', 'Its claims have at most 4096 bytes, and must be those that a token can have.');
    end if;
    return added;
end
$$;
comment on function auth_internal.hooked_claims is 'The claims that the hook adds, without reserved ones; 55000 where it fails.';

-- A staging server, which accepts no live credentials, has test sessions.
create function auth_internal.session_environment() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when auth_internal.is_allowed_environment('live') then 'live' else 'test' end
$$;
comment on function auth_internal.session_environment is 'The environment of those who sign in here.';

create function auth_internal.note_sign_in(user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if (auth_internal.user_by_id(user_id)).id is not null then
        perform auth_internal.changed_user(auth_internal.token_id(user_id), jsonb_build_object('last_sign_in_at', clock_timestamp()), waits => false);
    end if;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.note_sign_in is 'Notes that a user signed in now, where nobody holds the row.';

-- Whoever calls has asked whether the user may. The password is the one that the user had then: another one ends the session, also
-- where nobody sees it yet.
create function auth_internal.begin_session(
    user_id text, method text, password_id uuid default null, org_id uuid default null, permissions text[] default null,
    environment text default null
) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    begun auth.sessions;
    its_id uuid := gen_random_uuid();
    token text := auth_internal.new_refresh_token(its_id, 1);
    lifetime interval := coalesce(current_setting('pg_bearer.session_lifetime', true), '0')::interval;
    answer jsonb;
begin
    insert into auth.sessions (id, user_id, issuer_id, org_id, permissions, environment, method, password_id, token_hash, expires_at, network)
    values (its_id, begin_session.user_id, (auth_internal.sign_in_issuer()).id, begin_session.org_id, begin_session.permissions,
            coalesce(environment, auth_internal.session_environment()), begin_session.method, begin_session.password_id,
            auth_internal.token_hash(token), case when lifetime > '0' then clock_timestamp() + lifetime end, auth_internal.client_network())
    returning * into begun;
    -- An older snapshot does not show another password, nor what others did meanwhile.
    if auth_internal.is_banned(user_id) or not auth_internal.session_holds(begun.id, user_id) then
        perform auth_internal.refuse_snapshot();
    end if;
    perform auth_internal.end_surplus_sessions(user_id, begun.environment);
    perform auth_internal.purge_sessions(10);
    if begun.environment = 'live' then
        perform auth_internal.note_sign_in(user_id);
    end if;
    answer := auth_internal.session_answer(begun, token);
    perform auth_internal.audit('session.begin', begun.org_id, begun.id::text, user_id, jsonb_build_object('method', method));
    return answer;
end
$$;
comment on function auth_internal.begin_session is 'Begins a session of a user, and returns what the client gets.';

create function auth.sign_in_with_password(email text, password text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    seconds integer;
    known auth_internal.user_row;
    stored auth.user_passwords;
    is_right boolean;
begin
    perform auth_internal.enter_sign_in();
    if octet_length(email) > 254 then
        email := null;
    end if;
    seconds := auth_internal.count_password_try(coalesce(email, ''));
    if seconds > 0 then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_tries(seconds);
    end if;
    known := auth_internal.user_by_email(email);
    stored := auth_internal.password_of(known.id);
    is_right := auth_internal.verify_password(password, stored.hash);
    if is_right is not true or known.email_confirmed_at is null and auth_internal.confirms_email()
       or auth_internal.is_banned(known.id::text) is not false then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_grant();
    end if;
    perform auth_internal.rehash_password(stored, password);
    return auth_internal.begin_session(known.id::text, 'password', stored.id);
end
$$;
comment on function auth.sign_in_with_password is
    'Everybody: signs a user in, and returns access_token, token_type, expires_in, expires_at, refresh_token and user as JSON. Whatever is wrong, the answer is {"error": "invalid_grant", "error_description": "Invalid login credentials"}, at a fixed time after the call (pg_bearer.password_time); too many tries give too_many_requests with retry_after in seconds, however good they are. In a request of PostgREST these set the status 400 or 429. Bind the password, or it is in pg_stat_activity. Commit afterwards, or the session was never there. 53400 while too many passwords are being checked, 55000 where this database makes no tokens.';

create function auth.issue_session(
    user_id text, org_id uuid default null, permissions text[] default null, method text default null
) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_environment text;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    perform auth_internal.enter_sign_in();
    its_environment := coalesce(auth.environment(), auth_internal.session_environment());
    perform auth_internal.demand_handing_on(null, its_environment);
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user who signed in, in 1 to 1024 bytes.');
    elsif 0 = cardinality(permissions) or array_ndims(permissions) > 1
          or exists (select from unnest(permissions) p where not auth_internal.is_permission(p)) or cardinality(permissions) > 200 then
        perform auth_internal.refuse_token_argument('permissions', 'NULL is all that the user may do; a list names 1 to 200 permissions.');
    elsif octet_length(method) not between 1 and 64 or method ~ '[[:cntrl:]]' then
        perform auth_internal.refuse_token_argument('method', 'It is the name of a way to sign in, such as oauth, in 1 to 64 bytes.');
    elsif auth_internal.is_banned(user_id) then
        perform auth_internal.refuse('42501', 'the user is banned or deleted', null);
    elsif org_id is not null and auth_internal.member_permissions(user_id, org_id) is null then
        perform auth_internal.refuse_member();
    end if;
    return auth_internal.begin_session(user_id, method, (auth_internal.password_of((auth_internal.user_by_id(user_id)).id)).id,
                                       org_id, permissions, its_environment);
end
$$;
comment on function auth.issue_session is
    'Services and administrators, after they have signed a user in by other means (OAuth, SAML, passkeys): begins a session of that user, whose id need not be in auth.users, and returns what auth.sign_in_with_password() does. With org_id it is for that organization only, with permissions for so much of what the user may do. method is for the claim amr. Refreshing goes on when the credential of the service has ended. 22023 for a value that is not allowed and a user who is no member, 42501 for a user who is banned and for anybody else, 28000 without an identity, 55000 where this database makes no tokens.';

-- The functions are in src/pg/functions/sessions.rs.

comment on function auth_internal.new_refresh_token is 'A new refresh token of this generation of a session: 32 random bytes, and a mark of this database. 55000 without its secret.';
comment on function auth_internal.parse_refresh_token is 'What a refresh token says of itself, and whether this database made it; no row for what is none.';
comment on function auth_internal.seal_refresh_token is 'The next refresh token, readable with the one before it alone. NULL for NULL.';
comment on function auth_internal.open_refresh_token is 'The refresh token that was sealed for this one; NULL for any other, and for NULL.';
comment on function auth_internal.session_holds is 'Are access tokens of this session good now for this user, as far as its row and its password go? NULL for NULL.';
comment on function auth_internal.note_reuse is 'Has a session ended soon, whatever becomes of this transaction, where the library is in shared_preload_libraries. Nothing for NULL.';
comment on function auth_internal.is_allowed_environment is 'Are credentials of this environment accepted on this server? NULL for NULL.';

-- Ending sessions. Deleting the row is enough; where somebody holds it, a revocation is added, so that this waits for nobody.

create function auth_internal.end_session(session auth.sessions) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    issuer text := (select i.issuer from auth.issuers i where i.id = session.issuer_id);
    is_gone boolean;
begin
    perform auth_internal.commit_durably();
    begin
        with free as (select s.id from auth.sessions s where s.id = session.id for update skip locked)
        delete from auth.sessions s using free where s.id = free.id;
        is_gone := found;
    exception when serialization_failure then
        is_gone := false;
    end;
    -- Not by auth_internal.revoke(), which asks who calls: nobody does who only refreshes.
    if not is_gone and issuer is not null then
        insert into auth.revocations (kind, value, issuer, issued_before, expires_at)
        values ('session', session.id::text, issuer, clock_timestamp(), auth_internal.end_of_tokens(issuer) + interval '30 days');
    end if;
end
$$;
comment on function auth_internal.end_session is 'Ends a session, without waiting for whoever is refreshing it.';

create function auth_internal.end_sessions_of(user_id text, but uuid default null) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    session auth.sessions;
    ended bigint := 0;
begin
    for session in select * from auth.sessions s where s.user_id = end_sessions_of.user_id and s.id is distinct from but loop
        perform auth_internal.end_session(session);
        ended := ended + 1;
    end loop;
    return ended;
end
$$;
comment on function auth_internal.end_sessions_of is 'Ends the sessions of a user, but this one; returns how many.';

-- The oldest go. One that is being refreshed stays this time.
create function auth_internal.end_surplus_sessions(user_id text, environment text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    most integer := coalesce(current_setting('pg_bearer.max_sessions', true)::integer, 1);
begin
    if most > 0 then
        delete from auth.sessions s
         where s.id = any (array(select o.id from auth.sessions o
                                  where o.id = any (array(select a.id from auth.sessions a
                                                           where a.user_id = end_surplus_sessions.user_id
                                                             and a.environment = end_surplus_sessions.environment
                                                           order by a.created_at desc, a.id offset most))
                                  for update skip locked));
    end if;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.end_surplus_sessions is 'Ends the oldest sessions of a user who has more than pg_bearer.max_sessions in this environment.';

create function auth_internal.purge_sessions(most integer) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.sessions s
     where s.id = any (array(select o.id from auth.sessions o where o.expires_at < clock_timestamp() - interval '10 minutes'
                              order by o.expires_at limit most for update skip locked));
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.purge_sessions is 'Deletes so many sessions at most that have ended by themselves.';

create function auth.sign_out_session(scope text default 'this') returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own auth.sessions;
    ended bigint;
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth.require_authenticated();
    if (scope in ('this', 'others', 'all')) is not true then
        perform auth_internal.refuse_token_argument('scope', 'It is this, others or all.');
    end if;
    select s.* into own from auth.sessions s join auth.issuers i on i.id = s.issuer_id and i.own
     where s.id = auth_internal.token_id(auth.identity() ->> 'session_id') and s.user_id = auth.user_id()
       and i.issuer = auth.identity() ->> 'issuer';
    if own.id is null then
        perform auth_internal.refuse('42501', 'the credential belongs to no session of this database', 'auth.revoke_session() ends sessions of other issuers.');
    end if;
    perform auth_internal.demand_handing_on(null, own.environment);
    if scope <> 'this' then
        perform auth_internal.demand_oneself(own.user_id);
        ended := auth_internal.end_sessions_of(own.user_id, case scope when 'others' then own.id end);
    else
        perform auth_internal.end_session(own);
    end if;
    perform auth_internal.audit('session.end', own.org_id, own.id::text, own.user_id, jsonb_strip_nulls(jsonb_build_object('scope', scope, 'sessions', ended)));
end
$$;
comment on function auth.sign_out_session is
    'Users, with an access token of a session: ends that session (this), all others of theirs (others), or all of them (all). Counts for every authenticate that starts after the commit, and waits for nobody. auth.sign_out() is about the transaction alone. Services and administrators end sessions with auth.revoke_session() and auth.revoke_user(). 22023 for another scope, 42501 for any other credential, for whoever acts for the user and, but for this, for tokens with permissions but tokens.write, 28000 without an identity.';

create function auth.list_sessions(user_id text default null)
    returns table (id uuid, subject text, org_id uuid, permissions text[], method text, aal text, network text, is_current boolean,
                   created_at timestamptz, refreshed_at timestamptz, expires_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    if unrestricted then
        perform auth_internal.demand_unrestricted();
    else
        perform auth_internal.refuse_api_key();
        if coalesce(list_sessions.user_id = auth.user_id(), list_sessions.user_id is null) is not true or auth.user_id() is null then
            perform auth_internal.refuse('42501', 'users see their own sessions only', null);
        end if;
    end if;
    return query
        select s.id, s.user_id, s.org_id, s.permissions, s.method, s.aal, s.network,
               coalesce(s.id::text = auth.identity() ->> 'session_id', false), s.created_at, s.refreshed_at, s.expires_at
          from auth.sessions s
         where s.user_id = case when unrestricted then coalesce(list_sessions.user_id, s.user_id) else auth.user_id() end
           and (auth.environment() is distinct from 'test' or s.environment = 'test')
           and (unrestricted or auth.jwt() is null or auth_internal.issuer_reaches(s.org_id))
           and auth_internal.session_is_alive(s)
         order by s.created_at, s.id;
end
$$;
comment on function auth.list_sessions is
    'Users, their own; services and administrators, all or those of a user: the sessions that can still be refreshed. network is where the user signed in. No token is shown: nobody keeps them. 42501 for the sessions of others, 28000 without an identity.';

-- What sign-in asks of the world outside: src/pg/functions/outside.rs.

comment on function auth_internal.call_hook is 'What a function of the application gives for this argument, run as its owner with a pinned search_path. Settings, role and identity are afterwards what they were, its cursors are closed, and no message of it reaches anybody. 55000 when it fails or may not be called.';
comment on function auth_internal.current_hook is 'What auth_internal.find_hook() says now, whatever the snapshot. NULL for NULL.';
comment on function auth_internal.in_hook is 'Does a function of the application run that auth_internal.call_hook() called, or a trigger on auth.users?';
comment on function auth_internal.take_try is 'Counts one try of this kind and value, of which there may be most in a period: 0, or the seconds to wait, which counts nothing. No rollback undoes it. NULL where the library is not in shared_preload_libraries.';
comment on function auth_internal.client_network is 'The network that the client is in: its IPv4 address with /32, or its IPv6 address cut to /64; behind pg_bearer.trusted_proxies that of X-Forwarded-For. NULL where it is not known.';
comment on function auth_internal.demand_hook_owner is '55000 unless this function takes one jsonb, returns jsonb or void, and belongs to somebody without special rights. NULL for NULL.';
comment on function auth_internal.read_users is 'Calls find_user or page_of_users, which read auth.users as it is now, whatever the snapshot; what code of others in a policy or column does leaves nothing behind in the session. 55000 where it fails. NULL for NULL.';
comment on function auth_internal.write_user is 'Calls insert_user or change_user, so that triggers on auth.users leave nothing behind in the session. 23505, 55P03, 40001 and 40P01 as they are, 55000 for any other error. NULL for NULL.';

-- Refreshing: each refresh token is good for one, and the one before it for a moment longer, for clients that ask twice.

-- Whoever holds the row is refreshing the same session.
create function auth_internal.lock_session(session_id uuid) returns auth.sessions
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    locked auth.sessions;
begin
    select * into locked from auth.sessions s where s.id = lock_session.session_id for update;
    return locked;
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.lock_session is 'The session, which nobody else refreshes meanwhile; NULL when there is none. 53400 where somebody else does for too long.';

-- Is it still one? As src/pg/minted.rs asks it of access tokens, and how long nobody refreshed it. In its last seconds no access
-- token can end with it.
create function auth_internal.session_is_alive(session auth.sessions) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return auth_internal.session_holds((session).id, (session).user_id)
       and coalesce((session).expires_at > clock_timestamp() + interval '2 seconds', true)
       and auth_internal.is_allowed_environment((session).environment)
       and not auth_internal.is_banned((session).user_id)
       and (auth_internal.session_idle_time() = '0' or (session).refreshed_at > clock_timestamp() - auth_internal.session_idle_time())
       and not exists (select from auth.revocations r join auth.issuers i on i.id = (session).issuer_id
                        where r.kind = 'session' and r.value = (session).id::text and r.issuer = i.issuer
                           or r.kind in ('user', 'subject') and r.value = (session).user_id and coalesce(r.issuer = i.issuer, true)
                              and r.issued_before >= (session).created_at)
       and ((session).org_id is null or auth_internal.member_permissions((session).user_id, (session).org_id) is not null);
end
$$;
comment on function auth_internal.session_is_alive is 'May a session be refreshed?';

create function auth_internal.session_idle_time() returns interval
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(current_setting('pg_bearer.session_idle_time', true), '1s')::interval
$$;
comment on function auth_internal.session_idle_time is 'After what time without a refresh a session ends; 0: never.';

create function auth_internal.reuse_grace() returns interval
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(current_setting('pg_bearer.refresh_reuse_grace', true), '0')::interval
$$;
comment on function auth_internal.reuse_grace is 'How long after a refresh the same refresh token gives the same next one.';

-- The next refresh token of a session.
create function auth_internal.rotate_session(session auth.sessions, presented text) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    next_token text := auth_internal.new_refresh_token(session.id, session.generation + 1);
begin
    update auth.sessions s
       set generation = s.generation + 1, parent_hash = s.token_hash, token_hash = auth_internal.token_hash(next_token),
           refreshed_at = clock_timestamp()
     where s.id = session.id;
    if auth_internal.reuse_grace() > '0' then
        insert into auth.sealed_tokens (session_id, generation, sealed, expires_at)
        values (session.id, session.generation + 1, auth_internal.seal_refresh_token(presented, next_token),
                clock_timestamp() + auth_internal.reuse_grace());
    end if;
    return next_token;
end
$$;
comment on function auth_internal.rotate_session is 'Makes the next refresh token of a session; whoever presented the last one can have it again during the grace.';

create function auth.refresh_session(refresh_token text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    parsed record;
    session auth.sessions;
    presented bytea := auth_internal.token_hash(refresh_token);
    next_token text;
begin
    perform auth_internal.enter_sign_in();
    perform auth_internal.commit_durably();
    select * into parsed from auth_internal.parse_refresh_token(refresh_token);
    -- Whoever only knows the id of a session does not hold it up.
    if parsed.is_ours or exists (select from auth.sessions s where s.id = parsed.session_id and presented in (s.token_hash, s.parent_hash)) then
        session := auth_internal.lock_session(parsed.session_id);
    end if;
    if session.id is null or auth_internal.session_is_alive(session) is not true then
        return auth_internal.refuse_grant('Invalid refresh token');
    end if;
    if presented = session.token_hash then
        next_token := auth_internal.rotate_session(session, refresh_token);
    elsif presented = session.parent_hash then
        next_token := (select auth_internal.open_refresh_token(refresh_token, t.sealed) from auth.sealed_tokens t
                        where t.session_id = session.id and t.generation = session.generation and t.expires_at > clock_timestamp());
    end if;
    if next_token is null and parsed.is_ours and parsed.generation < session.generation then
        -- Whoever rolls back does not undo it.
        perform auth_internal.note_reuse(session.id);
        perform auth_internal.end_reused_session(session);
    end if;
    if next_token is null then
        return auth_internal.refuse_grant('Invalid refresh token');
    end if;
    perform auth_internal.purge_sealed_tokens(10);
    perform auth_internal.audit('session.refresh', session.org_id, session.id::text, session.user_id);
    return auth_internal.session_answer(session, next_token);
end
$$;
comment on function auth.refresh_session is
    'Everybody: a new access token and the next refresh token, as auth.sign_in_with_password() returns them. The same refresh token once more gives the same next one for pg_bearer.refresh_reuse_grace, as long as that one was not used; later, and with an older one, it ends the session, because two have it. Whatever is wrong, the answer is {"error": "invalid_grant", "error_description": "Invalid refresh token"}. Bind the token. Commit afterwards, also after a refusal. 40001 in a transaction that keeps an older snapshot, 53400 while another transaction refreshes the session, 55000 where this database makes no tokens.';

-- In a table of their own, so that this keeps nobody from refreshing a session.
create function auth_internal.purge_sealed_tokens(most integer) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.sealed_tokens t
     where t.id = any (array(select o.id from auth.sealed_tokens o where o.expires_at < clock_timestamp()
                              order by o.expires_at limit most for update skip locked));
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.purge_sealed_tokens is 'Deletes so many next refresh tokens at most whose grace is over.';

create function auth_internal.end_reused_session(session auth.sessions) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_session(session);
    perform auth_internal.audit('session.reuse', session.org_id, session.id::text, session.user_id);
end
$$;
comment on function auth_internal.end_reused_session is 'Ends a session of which two have refresh tokens.';

-- The worker calls it: src/pg/ffi/reuse_worker.rs.
create function auth_internal.end_reused_sessions(session_ids uuid[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_reused_session(s) from auth.sessions s
      where s.id = any (end_reused_sessions.session_ids) and auth_internal.session_is_alive(s);
end
$$;
comment on function auth_internal.end_reused_sessions is 'Ends those of these sessions that have not ended.';

-- What protect, lint and explain have to know of an application's tables. Everything here reads the catalogs, as the caller.

-- Is it a schema of an application's? None of Postgres's and none of ours.
create function auth_internal.is_application_schema(name name) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select is_application_schema.name not in ('auth', 'auth_internal', 'information_schema')
           and is_application_schema.name !~ '^pg_'
$$;
comment on function auth_internal.is_application_schema is 'Is it a schema of an application''s: none of Postgres''s and none of ours? NULL for NULL.';

-- The type below all domains.
create function auth_internal.base_type(type oid) returns oid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive below (oid, base) as (
        select t.oid, t.typbasetype from pg_type t where t.oid = base_type.type
        union all
        select t.oid, t.typbasetype from below b join pg_type t on t.oid = b.base
    )
    select b.oid from below b where b.base = 0
$$;
comment on function auth_internal.base_type is 'The type below all domains; NULL for NULL and what is no type.';

-- The one list of what answers for a column: by what the column says of a row, and by its type below all domains. floor
-- is the least value of the type, for services only.
create function auth_internal.column_readers()
    returns table (kind text, type oid, place integer, reader text, floor text)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select * from (values
        ('organization', 'uuid'::regtype::oid, 1, 'auth.current_org()', 'auth.service_floor()'),
        ('organization', 'text'::regtype, 2, 'auth.external_org_id()', 'auth.service_floor_text()'),
        ('organization', 'varchar'::regtype, 3, 'auth.external_org_id()', 'auth.service_floor_text()'),
        ('organization', 'bigint'::regtype, 4, 'auth.external_org_number()', 'auth.service_floor_number()'),
        ('organization', 'integer'::regtype, 5, 'auth.external_org_number()', 'auth.service_floor_number()'),
        ('workspace', 'uuid'::regtype, 1, 'auth.current_workspace()', null),
        ('owner', 'text'::regtype, 1, 'auth.user_id()', null),
        ('owner', 'varchar'::regtype, 2, 'auth.user_id()', null),
        ('owner', 'uuid'::regtype, 3, 'auth.uid()', null),
        ('environment', 'text'::regtype, 1, 'auth.environment()', null),
        ('environment', 'varchar'::regtype, 2, 'auth.environment()', null)) r
$$;
comment on function auth_internal.column_readers is 'What answers for a column that says whose a row is (kind), by its base type; place orders the types of a kind.';

-- The one list of what a column of the organization is usually called. place: 1 counts whatever else is there, 2 and 3 where
-- it is not. 3 are names that mean something else as often: where nothing but such a name speaks for it, lint is cautious.
-- A workspace is no organization.
create function auth_internal.organization_names() returns table (name name, place integer)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select n.name::name, n.place
      from (values ('org_id', 1), ('organization_id', 2), ('tenant_id', 2),
                   ('account_id', 3), ('team_id', 3), ('company_id', 3)) n (name, place)
$$;
comment on function auth_internal.organization_names is 'What a column of the organization is usually called, the surest names first (place).';

-- The table and all that inherits from it, partitions or not, nearest first. Of other sessions' temporary tables
-- nothing can be changed, and nobody else sees them. A partition that is being detached is no part of it for queries.
create function auth_internal.table_tree(source oid) returns table (part oid, is_being_detached boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive tree (oid, level, is_being_detached) as (
        select table_tree.source, 0, false
        union
        select i.inhrelid, t.level + 1, t.is_being_detached or i.inhdetachpending
          from tree t join pg_inherits i on i.inhparent = t.oid
    )
    select c.oid, t.is_being_detached
      from (select t.oid, min(t.level) as level, bool_and(t.is_being_detached) as is_being_detached
              from tree t group by t.oid) t
      join pg_class c on c.oid = t.oid and (c.relpersistence <> 't' or t.level = 0)
     order by t.level, c.oid
$$;
comment on function auth_internal.table_tree is 'A table and all that inherits from it, nearest first.';

-- Does an index find the rows that have a value in the column, when it is compared as our policies do? Or is the table
-- partitioned by list of that column, so that the planner leaves out the others?
create function auth_internal.column_has_index(source oid, number smallint) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with compared as (
        select a.attcollation, auth_internal.base_type(a.atttypid) as type
          from pg_attribute a
         where a.attrelid = column_has_index.source and a.attnum = column_has_index.number)
    select exists (
        select from compared k
          join pg_index i on i.indrelid = column_has_index.source
          join pg_class x on x.oid = i.indexrelid
          join pg_am m on m.oid = x.relam and m.amname not in ('brin', 'bloom')
         cross join generate_series(0, i.indnkeyatts - 1) n (place)
          join pg_opclass c on c.oid = i.indclass[n.place]
          join pg_amop o on o.amopfamily = c.opcfamily
          join pg_operator p on p.oid = o.amopopr and p.oprname = '=' and p.oprnamespace = 'pg_catalog'::regnamespace
         where i.indkey[n.place] = column_has_index.number and i.indcollation[n.place] = k.attcollation
           -- GiST and GIN search by any of their columns.
           and (n.place = 0 or m.amname in ('gist', 'gin'))
           and i.indisvalid and i.indisready and i.indislive and i.indpred is null
           and o.amoplefttype = case k.type when 'varchar'::regtype then 'text'::regtype::oid else k.type end
           and o.amoprighttype = case k.type when 'varchar'::regtype then 'text'::regtype::oid
                                             when 'integer'::regtype then 'bigint'::regtype::oid else k.type end)
        or exists (
        select from pg_partitioned_table p
         where p.partrelid = column_has_index.source and p.partstrat = 'l' and p.partattrs[0] = column_has_index.number)
$$;
comment on function auth_internal.column_has_index is 'Does an index find the rows with a value of this column, or are there partitions for single values of it?';

-- The tables of applications and the column that says to which organization a row belongs: one that a policy compares
-- with our functions, or else one that they fill, or else one with a usual name and a type that there is a reader for. Several
-- rows for a table with several of one sort. is_guess: nothing but a name that can mean something else speaks for it.
-- Expressions are read as node trees, in which no name can pass for something else.
create function auth_internal.organization_columns() returns table (source oid, org smallint, is_guess boolean)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with readers as materialized (
        select p.oid, p.proargtypes = '2950'::oidvector as takes_column, p.pronargs = 0 as fills_column
          from auth_internal.readers() r
          join pg_proc p on p.pronamespace = 'auth'::regnamespace and p.proname = r.name
         where r.tells = 'organization'),
    pattern as materialized (
        select format('\{FUNCEXPR :funcid (?:%s) [^{}]*:args \(\{VAR :varno 1 :varattno (\d+) ',
                      string_agg(oid::text, '|') filter (where takes_column)) as called,
               format('\{(?:OPEXPR|SCALARARRAYOPEXPR) [^{}]*:args \((?:\{RELABELTYPE :arg )?\{VAR :varno 1 :varattno (\d+) [^{}]*\}(?:[^{}]*\})? \{FUNCEXPR :funcid (?:%s) ',
                      string_agg(oid::text, '|')) as compared,
               format('\{OPEXPR [^{}]*:args \(\{FUNCEXPR :funcid (?:%s) [^{}]*\} (?:\{RELABELTYPE :arg )?\{VAR :varno 1 :varattno (\d+) ',
                      string_agg(oid::text, '|')) as reversed,
               format(':funcid (?:%s) ', string_agg(oid::text, '|')) as any_reader
          from readers),
    relations as materialized (
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'f') and auth_internal.is_application_schema(n.nspname)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    -- Both expressions of a policy, where it has two, are about the same column.
    policies as materialized (
        select p.polrelid as source, coalesce(p.polqual, p.polwithcheck)::text as nodes from pg_policy p),
    calls as materialized (
        select p.source, m.parts[1]::smallint as org
          from policies p cross join pattern cross join lateral regexp_matches(p.nodes, pattern.called, 'g') m (parts)),
    columns as (
        select c.source, c.org, 1 as rank from calls c
        union
        select p.source, m.parts[1]::smallint, 1
          from policies p
         cross join pattern
         cross join lateral (select regexp_matches(p.nodes, pattern.compared, 'g')
                             union all
                             select regexp_matches(p.nodes, pattern.reversed, 'g')) m (parts)
         where p.source not in (select c.source from calls c) and p.nodes ~ pattern.any_reader
        union
        select d.adrelid, d.adnum, 2
          from pg_attrdef d
          join pg_depend x on x.classid = 'pg_attrdef'::regclass and x.objid = d.oid
                          and x.refclassid = 'pg_proc'::regclass
          join readers on readers.oid = x.refobjid and readers.fills_column
        union
        select a.attrelid, a.attnum, 2 + n.place
          from auth_internal.organization_names() n
          join pg_attribute a on a.attname = n.name and a.attnum > 0 and not a.attisdropped
          join auth_internal.column_readers() r on r.kind = 'organization' and r.type = auth_internal.base_type(a.atttypid)),
    ranked as (
        select k.source, k.org, k.rank, rank() over (partition by k.source order by k.rank) as place
          from columns k join relations r on r.oid = k.source
         where k.org > 0)
    select distinct k.source, k.org, k.rank = 5 from ranked k where k.place = 1
$$;
comment on function auth_internal.organization_columns is 'The tables of applications that have a column for the organization, its number and whether that is a guess, whoever owns them.';

-- Unique and foreign keys without the organization: they see the rows of every organization. What mends them keeps all that the
-- key is: its name, MATCH, actions, NOT VALID, DEFERRABLE, INCLUDE, operator classes, order and predicate. Lint and protect go by
-- these. tables and columns are the tables that have a column for the organization, and its number.

-- A key without the organization answers whether another organization has a value, to whoever can choose values. Nobody guesses a
-- uuid, and nobody chooses GENERATED ALWAYS. obstacle says why the statements cannot be run as things are; they are NULL where no
-- SQL can mend it. referenced_by are the foreign keys that have to be mended first.
create function auth_internal.unique_keys_without_org(tables oid[], columns smallint[])
    returns table (source oid, name name, org name, statements text[], obstacle text, referenced_by oid[])
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    keys as materialized (
        select i.indexrelid, i.indrelid, i.indisexclusion, k.oid as constraint_id, coalesce(k.conname, x.relname) as name,
               a.attname as org,
               array(select f.oid from pg_constraint f where f.contype = 'f' and f.conparentid = 0 and f.conindid = i.indexrelid) as referenced_by,
               pg_get_constraintdef(k.oid) as constraint_definition, auth_internal.printed_index(i.indexrelid) as definition,
               format('CREATE UNIQUE INDEX %I ON %s%s USING %I (', x.relname,
                      case c.relkind when 'p' then 'ONLY ' else '' end, auth_internal.qualified(c.oid), m.amname) as head
          from organizations o
          join pg_class c on c.oid = o.source and c.relkind in ('r', 'p') and not c.relispartition
          join pg_index i on i.indrelid = c.oid and (i.indisunique or i.indisexclusion)
          join pg_class x on x.oid = i.indexrelid
          join pg_am m on m.oid = x.relam
          join pg_attribute a on a.attrelid = c.oid and a.attnum = o.org
          left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
         where not exists (
               select from unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1]) n
                 left join pg_attribute t on t.attrelid = c.oid and t.attnum = n
                where n = any (o.orgs) or t.atttypid = 'uuid'::regtype
                   or i.indnkeyatts = 1
                      and (t.attidentity <> ''
                           or exists (select from pg_attrdef d
                                        join pg_depend y on y.classid = 'pg_attrdef'::regclass and y.objid = d.oid
                                                        and y.refclassid = 'pg_class'::regclass
                                        join pg_class s on s.oid = y.refobjid and s.relkind = 'S'
                                       where d.adrelid = c.oid and d.adnum = n)))),
    judged as (
        select k.*, case when k.indisexclusion then 'no SQL can say whether its type has an operator class there (btree_gist)'
                         when k.constraint_id is null and auth_internal.portable(k.definition) is null
                              then 'no SQL can say its constants so that all settings read them alike'
                         when k.referenced_by <> '{}' then 'no SQL can say where the foreign keys that refer to it belong then' end as obstacle
          from keys k)
    select j.indrelid, j.name, j.org,
           case when j.indisexclusion then null
                when j.constraint_id is not null then array[
                    format(E'alter table %1$s\n    drop constraint %2$I,\n    add constraint %2$I %3$s', auth_internal.qualified(j.indrelid), j.name,
                           overlay(j.constraint_definition placing '(' || quote_ident(j.org) || ', '
                                   from position('(' in j.constraint_definition) for 1))]
                when starts_with(j.definition, j.head) and auth_internal.portable(j.definition) is not null then array[
                    format('drop index %s', auth_internal.qualified(j.indexrelid)),
                    auth_internal.pinned(format('%s%I, %s', j.head, j.org, auth_internal.portable(substr(j.definition, length(j.head) + 1))))] end,
           j.obstacle, j.referenced_by
      from judged j
     order by j.indrelid::regclass::text, j.name
$$;
comment on function auth_internal.unique_keys_without_org is 'Unique keys of these tables that show whether another organization has a value, and the statements that mend each.';

-- As Postgres would call it, unless that is too long: one that was cut off could be that of another key.
create function auth_internal.free_key_name(source oid, columns smallint[]) returns name
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select f.name::name
      from pg_class c
     cross join lateral (
           select concat_ws('_', c.relname, string_agg(a.attname, '_' order by k.n), 'key') as whole
             from unnest(columns) with ordinality k (attnum, n)
             join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum) w
     cross join generate_series(0, 9) n
     cross join lateral (
           select case when octet_length(w.whole) < 60 then w.whole else 'bearer_' || md5(w.whole) end
                  || coalesce(nullif(n, 0)::text, '') as name) f
     where c.oid = free_key_name.source
       -- Where all are taken, making it says so.
       and (n = 9 or not exists (select from pg_class x where x.relnamespace = c.relnamespace and x.relname = f.name::name))
     order by n limit 1
$$;
comment on function auth_internal.free_key_name is 'A name for a unique key of these columns that nothing has, the same until something has it.';

-- A foreign key without the organization accepts another organization's row, and shows whether there is one. As above.
create function auth_internal.foreign_keys_without_org(tables oid[], columns smallint[])
    returns table (key oid, source oid, parent oid, name name, statements text[], obstacle text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    keys as materialized (
        select k.*, child.attname as child_org, parent.attname as parent_org, p.org as parent_place,
               child.atttypid = parent.atttypid as same_type, o.orgs && k.conkey or p.orgs && k.confkey as is_elsewhere,
               coalesce(to_jsonb(k) ->> 'conperiod', 'false') = 'true' as temporal,
               coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true' as enforced,
               (select string_agg(quote_ident(a.attname), ', ' order by n.place)
                  from unnest(k.conkey) with ordinality n (attnum, place)
                  join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.attnum) as child_columns,
               (select string_agg(quote_ident(a.attname), ', ' order by n.place)
                  from unnest(k.confkey) with ordinality n (attnum, place)
                  join pg_attribute a on a.attrelid = k.confrelid and a.attnum = n.attnum) as parent_columns,
               (select string_agg(quote_ident(a.attname), ', ' order by n.place)
                  from unnest(coalesce(k.confdelsetcols, k.conkey)) with ordinality n (attnum, place)
                  join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.attnum) as cleared_columns
          from pg_constraint k
          join organizations o on o.source = k.conrelid
          join organizations p on p.source = k.confrelid
          join pg_attribute child on child.attrelid = k.conrelid and child.attnum = o.org
          join pg_attribute parent on parent.attrelid = k.confrelid and parent.attnum = p.org
         where k.contype = 'f' and k.conparentid = 0
           and not exists (select from unnest(k.conkey, k.confkey) n (here, there)
                            where n.here = any (o.orgs) and n.there = any (p.orgs))),
    judged as (
        select k.*,
               case when not same_type then 'the columns of the organization differ in type'
                    when is_elsewhere then 'the organization refers to another column, or another column to it'
                    when temporal then 'the key is temporal'
                    when confupdtype in ('n', 'd') then 'ON UPDATE would change the organization too'
                    when confmatchtype = 'f' and cardinality(conkey) > 1 then 'MATCH FULL would ask for every column'
                    when child_org is null or child_columns is null or parent_columns is null then 'its columns are unknown'
               end as obstacle,
               exists (select from pg_index i
                        where i.indrelid = k.confrelid and i.indisunique and i.indisvalid and i.indimmediate
                          and i.indpred is null and i.indexprs is null
                          and i.indnkeyatts = cardinality(k.confkey) + 1
                          and (i.indkey::smallint[])[0:i.indnkeyatts - 1] @> (k.confkey || k.parent_place)) as has_key,
               f.key_name, format('%I.%I', n.nspname, f.key_name) as key_index
          from keys k
          join pg_class p on p.oid = k.confrelid
          join pg_namespace n on n.oid = p.relnamespace
         cross join lateral auth_internal.free_key_name(k.confrelid, k.parent_place || k.confkey) as f (key_name))
    select oid, conrelid, confrelid, conname,
           case when obstacle is null then array[auth_internal.as_data_migration(
               -- Two foreign keys may need the same key, and may be mended in either order.
               case when has_key then ''
                    else format(E'if pg_catalog.to_regclass(%L) is null then\n        alter table %s add constraint %I unique (%I, %s);\n    end if;\n    ',
                                key_index, auth_internal.qualified(confrelid), key_name, parent_org, parent_columns) end
               || format(E'alter table %1$s\n        drop constraint %2$I,\n        add constraint %2$I foreign key (%3$I, %4$s)\n            references %5$s (%6$I, %7$s)%8$s',
                         auth_internal.qualified(conrelid), conname, child_org, child_columns, auth_internal.qualified(confrelid), parent_org, parent_columns,
                         case confupdtype when 'r' then ' on update restrict' when 'c' then ' on update cascade' else '' end
                         -- The organization stays what it is when the row that is referred to goes.
                         || case confdeltype when 'r' then ' on delete restrict' when 'c' then ' on delete cascade'
                                 when 'n' then format(' on delete set null (%s)', cleared_columns)
                                 when 'd' then format(' on delete set default (%s)', cleared_columns) else '' end
                         || case when condeferrable then ' deferrable' else '' end
                         || case when condeferred then ' initially deferred' else '' end
                         || case when not enforced then ' not enforced'
                                 when not convalidated then ' not valid' else '' end),
               array[conrelid, confrelid])]
           end,
           obstacle
      from judged
     order by conrelid::regclass::text, conname
$$;
comment on function auth_internal.foreign_keys_without_org is 'Foreign keys between these tables that let a row refer to another organization''s, and the statements that mend each.';

-- Statements that mean the same in every session: whatever its search_path, however it reads a literal and prints a value. What
-- lint, protect and explain make goes through these. Operators are written operator(pg_catalog.=), types pg_catalog.text.

-- regclass leaves the schema out where search_path allows it.
create function auth_internal.qualified(relation oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('%I.%I', n.nspname, c.relname)
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = qualified.relation
$$;
comment on function auth_internal.qualified is 'A table, view or index with its schema, whatever the search_path; NULL when there is none.';

-- regprocedure leaves the schemas of types out too, and a type of the same name elsewhere means another function.
create function auth_internal.qualified_routine(routine oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select i.identity from pg_identify_object('pg_proc'::regclass, qualified_routine.routine, 0) i
$$;
comment on function auth_internal.qualified_routine is 'A function with its schema and those of its arguments'' types; NULL when there is none.';

-- USING of a policy, or WITH CHECK, as SQL; NULL also for one that is so deep that Postgres itself cannot print it. Whoever
-- makes such a policy must not keep others from asking about theirs. Constants are printed in the forms that every session
-- reads alike.
create function auth_internal.printed_expression(policy oid, checks boolean) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on
    set quote_all_identifiers = off set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601' set timezone = 'UTC'
    set extra_float_digits = 1 set bytea_output = 'hex' as $$
begin
    return (select pg_get_expr(case when checks then p.polwithcheck else p.polqual end, p.polrelid)
              from pg_policy p where p.oid = printed_expression.policy);
exception when statement_too_complex then
    return null;
end
$$;
comment on function auth_internal.printed_expression is 'USING of a policy, or WITH CHECK, as SQL; NULL when it has none and when it is too deep to be printed.';

create function auth_internal.printed_index(index oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on
    set quote_all_identifiers = off set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601' set timezone = 'UTC'
    set extra_float_digits = 1 set bytea_output = 'hex' as $$
    select pg_get_indexdef(printed_index.index)
$$;
comment on function auth_internal.printed_index is 'The statement that makes an index, as SQL.';

-- Postgres prints a backslash as it is, which is a literal of its own only where standard_conforming_strings is on.
create function auth_internal.portable_literals(printed text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select string_agg(case when starts_with(t.part[1], '''') and strpos(t.part[1], '\') > 0
                           then 'E' || replace(t.part[1], '\', '\\') else t.part[1] end, '' order by t.n)
      from regexp_matches(portable_literals.printed, '"(?:[^"]|"")*"|''(?:[^'']|'''')*''|[^"'']+', 'g') with ordinality as t (part, n)
$$;
comment on function auth_internal.portable_literals is 'What Postgres printed with standard_conforming_strings, with literals that are read alike without.';

-- Money and NULL in an array are read by settings (lc_monetary, array_nulls), also inside of rows and ranges.
create function auth_internal.read_by_settings(value text, type text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive inside (type) as (
        -- Not by a cast, which asks for rights on the schema.
        select case when read_by_settings.type like '%[]' then t.typarray else t.oid end
          from (select case when length(read_by_settings.type) < 300
                             and read_by_settings.type ~ '^(?:(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)\.)?(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)(?:\[\])?$'
                            then parse_ident(regexp_replace(read_by_settings.type, '\[\]$', ''), false) end as words) w
          join pg_type t on t.typname = w.words[cardinality(w.words)]
          join pg_namespace n on n.oid = t.typnamespace
                             and n.nspname = case cardinality(w.words) when 1 then 'pg_catalog' else w.words[1] end
        union
        select n.type from inside i join pg_type t on t.oid = i.type
         cross join lateral (
               select t.typbasetype where t.typbasetype <> 0
               union all select t.typelem where t.typelem <> 0
               union all select g.rngsubtype from pg_range g where t.oid in (g.rngtypid, g.rngmultitypid)
               union all select a.atttypid from pg_attribute a
                          where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) n (type))
    select coalesce(bool_or(t.oid = 'money'::regtype
                            or t.typcategory = 'A' and read_by_settings.value ~* '\mNULL\M'), false)
      from inside i join pg_type t on t.oid = i.type
$$;
comment on function auth_internal.read_by_settings is 'Do settings decide what a constant of this type is, or any of several?';

-- There is no form of those that all settings read alike.
create function auth_internal.portable(printed text) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select auth_internal.portable_literals(portable.printed)
     where portable.printed !~* '''::money\M|\mNULL\M(?:[^'']|'''')*''::[[:alnum:]_ ".]+\[\]'
       and not exists (
           -- Types that are not of Postgres have one word, and its schema; those that are hold others only as arrays.
           select from regexp_matches(portable.printed,
                       '"(?:[^"]|"")*"|''((?:[^'']|'''')*)''(?:::((?:(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_]*)\.)?(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_]*)(?:\[\])?))?|[^"'']+',
                       'g') as t (part)
            where t.part[2] is not null
            group by t.part[2] having auth_internal.read_by_settings(string_agg(t.part[1], ' '), t.part[2]))
$$;
comment on function auth_internal.portable is 'What Postgres printed, with constants that are read alike under all settings; NULL where there is no such form.';

-- For the tests of auth.protect(), whose operators and types are these. Parentheses keep the order, whatever an operator's rank.
create function auth_internal.spelt_out(printed text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select string_agg(case when t.part[1] ~ '^["'']' then t.part[1]
                           else replace(regexp_replace(regexp_replace(t.part[1], ' (=|>=) ', ' operator(pg_catalog.\1) ', 'g'),
                                                       '::(text|uuid|regclass|oid)\M', '::pg_catalog.\1', 'g'),
                                        ' AND ', E'\n        AND ') end, '' order by t.n)
      from regexp_matches(auth_internal.portable_literals(spelt_out.printed), '"(?:[^"]|"")*"|''(?:[^'']|'''')*''|[^"'']+', 'g') with ordinality as t (part, n)
$$;
comment on function auth_internal.spelt_out is 'A test of auth.protect() as Postgres prints it, with the schemas of operators and types.';

-- One statement, which nothing in it can end: its quotes are a word that it does not have, since nobody writes a text's own
-- digest into it.
create function auth_internal.as_block(body text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select 'do ' || q.quotes || as_block.body || q.quotes
      from (select case when strpos(as_block.body, '$fix$') = 0 then '$fix$'
                        else format('$fix%s$', md5(as_block.body)) end as quotes) q
     where strpos(as_block.body, q.quotes) = 0
$$;
comment on function auth_internal.as_block is 'The body of a PL/pgSQL block as one statement, whatever is in it; NULL for NULL.';

-- What Postgres prints has no schemas where search_path says them, and forms such as IN that take none: it is run as it was
-- printed.
create function auth_internal.pinned(statement text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.as_block(
        E'declare\n    path pg_catalog.text := pg_catalog.current_setting(''search_path'');\n'
        || E'begin\n    set local search_path = pg_catalog, pg_temp;\n    ' || pinned.statement
        || E';\n    perform pg_catalog.set_config(''search_path'', path, true);\nend')
$$;
comment on function auth_internal.pinned is 'The statement, in one that has the search_path under which Postgres printed a part of it; NULL for NULL.';

-- What looks at the rows of protected tables, as a foreign key does when it is made, sees them all in a data migration only: where
-- FORCE holds for their owner, it would see none and find nothing wrong.
create function auth_internal.as_data_migration(statement text, tables oid[]) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.as_block(format(E'begin\n    perform auth.begin_data_migration(array[%s]::pg_catalog.regclass[]);\n    %s;\nend',
               (select string_agg(distinct quote_literal(auth_internal.qualified(t.oid)), ', ') from unnest(tables) t (oid)), statement))
     where statement is not null
$$;
comment on function auth_internal.as_data_migration is 'The statement, in one that sees all rows of these tables whatever their policies say; NULL for NULL.';

-- What SQL asks of the library: src/pg/functions/tokens.rs.

comment on function auth_internal.generate_signing_key is 'A new signing key for this algorithm, named like this: the private key as PKCS #8 or the secret, and the public key as JWK. 22023 for an algorithm that we do not sign with.';
comment on function auth_internal.sign_jwt is 'The token with this payload, signed with a key of ours; noted in the server log. 55000 where the private key is missing.';
comment on function auth_internal.demand_accepted is '22023 unless auth.authenticate() would accept this token now, as that of this user and, unless it is NULL, session.';
comment on function auth_internal.origin_of_identity is 'What can be revoked of the token that the identity came from; no row without one.';
comment on function auth_internal.revocable_token is 'What can be revoked of a token that is good, or was until it was revoked or expired. 28000 for any other.';
comment on function auth_internal.looks_like_token is 'Does this text look like a token, rather than like the id of one? NULL for NULL.';

-- Tokens in place of an API key, and tokens to act for somebody; what such tokens may not do.

create function auth.exchange_api_key(ttl interval default '1 hour') returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    begun record;
    described record;
begin
    perform auth_internal.is_unrestricted();
    if auth.api_key_id() is null or auth.jwt() is not null then
        perform auth_internal.refuse('42501', 'only an API key can be exchanged', 'Authenticate with the key itself.');
    end if;
    perform auth_internal.demand_ttl(ttl, interval '1 day');
    begun := auth_internal.token_of_caller(null);
    described := begun.described;
    select k.user_id, k.org_id, k.workspace_id into described.user_id, described.org_id, described.workspace_id
      from auth.api_keys k where k.id = described.api_key_id;
    described.is_service := auth.is_service_role();
    if described.is_service then
        described.org_id := null;
    end if;
    described.expires_at := auth_internal.token_end(least(clock_timestamp() + ttl, begun.latest), begun.latest, begun.issuer);
    return auth_internal.mint('token.exchange', described, begun.issuer, case when described.is_service then 'service_role' else 'authenticated' end, null, null);
end
$$;
comment on function auth.exchange_api_key is
    'API keys: a token that acts as the key of the identity, with all of its restrictions, for ttl (up to a day), but no longer than the key. It counts as a use of the key each time, makes no tokens and changes no API keys. For clients that are not to have the key. 22023 for another ttl, 42501 for anybody else, 28000 without an identity, 54000 beyond pg_bearer.max_tokens, 55000 without an issuer of ours or its key.';

create function auth_internal.demand_ttl(ttl interval, longest interval) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (ttl between interval '1 second' and longest) is not true then
        perform auth_internal.refuse_token_argument('ttl', format('It is from 1 second to %s.', longest));
    end if;
end
$$;
comment on function auth_internal.demand_ttl is '22023 unless this is from a second to the longest time.';

-- A token for a workspace manages nothing: organizations, keys and members are not the workspace's.
create function auth_internal.refuse_workspace_token() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.jwt() ->> 'workspace_id' is not null and auth_internal.is_of_own_issuer() then
        perform auth_internal.refuse('42501', 'a token for a single workspace may not do this', 'Use one without workspace_id.');
    end if;
end
$$;
comment on function auth_internal.refuse_workspace_token is '42501 for the identity of a token of ours that is for a single workspace.';

-- Whoever came by a key changes no keys with what was made of it for less.
create function auth_internal.refuse_derived() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is not null and auth.jwt() is not null then
        perform auth_internal.refuse('42501', 'a token that came from an API key may not do this', 'Use the API key itself.');
    end if;
end
$$;
comment on function auth_internal.refuse_derived is '42501 for the identity of a token that came from an API key.';

create function auth_internal.refuse_lesser_token() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_derived();
    perform auth_internal.refuse_workspace_token();
end
$$;
comment on function auth_internal.refuse_lesser_token is '42501 for the identity of a token that came from an API key, or is of ours and for a single workspace.';

create function auth.impersonate(user_id text, reason text, ttl interval default '1 hour') returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    begun record;
    described record;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    perform auth_internal.demand_handing_on(null, null);
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user to act for.');
    elsif (char_length(reason) between 1 and 1000 and reason ~ '[^[:space:]]' and reason !~ '[[:cntrl:]]') is not true then
        perform auth_internal.refuse_token_argument('reason', 'Say why, in 1 to 1000 characters.');
    end if;
    perform auth_internal.demand_ttl(ttl, interval '1 day');
    begun := auth_internal.token_of_caller(null);
    described := begun.described;
    described.user_id := impersonate.user_id;
    described.maker_key_id := described.api_key_id;
    described.api_key_id := null;
    described.reason := impersonate.reason;
    described.actor := auth_internal.actor_name();
    described.expires_at := auth_internal.token_end(least(clock_timestamp() + ttl, begun.latest), begun.latest, begun.issuer);
    return auth_internal.mint('token.impersonate', described, begun.issuer, 'authenticated', null, null);
end
$$;
comment on function auth.impersonate is
    'Services and administrators: a token with which one acts for a user, for ttl (up to a day), and says who does (the claim act of RFC 8693). It gives nothing that lasts and makes no tokens; auth.identity() shows the actor. The reason, 1 to 1000 characters, is kept with the token. 22023 for a value that is not allowed, 42501 for anybody else and for whoever acts for somebody already, 28000 without an identity, 55000 without an issuer of ours or its key.';

-- Who acts for a user: the API key or token of the service, else the database role.
create function auth_internal.actor_name() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce('api_key:' || auth.api_key_id(), 'token:' || (auth.jwt() ->> 'jti'), 'service:' || auth.user_id(),
                    case when auth.is_service_role() then 'service:' || (auth.identity() ->> 'issuer') end,
                    'role:' || auth_internal.outer_user_name())
$$;
comment on function auth_internal.actor_name is 'Who acts for a user, as the claim act says it.';

-- Who may have which token of ours. None reaches further than whoever asks for it, then and later: src/pg/minted.rs looks at
-- what it came from each time.

-- The token that the caller's own would allow: where it came from, and how far that reaches.
create function auth_internal.token_of_caller(wanted_issuer text, out described auth.minted_tokens, out issuer auth.issuers,
                                                         out latest timestamptz)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    origin record;
    parent record;
    -- All NULL. As a record, because linters take the fields of other types for unknown variables.
    begun record := jsonb_populate_record(null::auth.minted_tokens, '{}');
    is_seen boolean;
begin
    -- Before anything else is told, and again when the token is there.
    perform auth_internal.demand_handing_on(null, coalesce(auth.environment(), 'live'));
    select * into origin from auth_internal.origin_of_identity();
    begun.api_key_id := auth.api_key_id();
    select k.expires_at into latest from auth.api_keys k where k.id = begun.api_key_id;
    is_seen := found or begun.api_key_id is null;
    if origin.minted_id is not null then
        select * into parent from auth.minted_tokens t where t.id = origin.minted_id;
        is_seen := is_seen and found;
        issuer := auth_internal.own_issuer(origin.issuer);
        if wanted_issuer <> (issuer).issuer then
            perform auth_internal.refuse_token_argument('issuer', 'A token that a token makes is of the same issuer.');
        end if;
        begun.parent_id := parent.id;
        begun.org_id := parent.org_id;
        begun.workspace_id := parent.workspace_id;
        latest := least(latest, parent.expires_at);
    else
        issuer := auth_internal.own_issuer(wanted_issuer);
        if origin.issuer is not null then
            begun.from_issuer := origin.issuer;
            begun.from_user := origin.user_id;
            begun.from_subject := origin.subject;
            begun.from_session := origin.session;
            begun.from_token := origin.token;
            begun.from_digest := origin.digest;
            begun.from_issued_at := origin.issued_at;
            begun.from_key_id := origin.key_id;
        end if;
    end if;
    -- A snapshot that is kept is older than what it came from.
    if not is_seen then
        perform auth_internal.refuse_snapshot();
    end if;
    begun.environment := coalesce(auth.environment(), 'live');
    begun.is_service := false;
    begun.is_member := false;
    described := begun;
end
$$;
comment on function auth_internal.token_of_caller is 'A token that begins as that of the caller: its origin, issuer, and latest end; 55000 where this database makes no tokens, 40001 where a snapshot that is kept does not show what it comes from.';

create function auth_internal.refuse_wider_token(hint text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('42501', 'the token would go beyond what you may do', hint);
end
$$;
comment on function auth_internal.refuse_wider_token is 'The error for a token that goes beyond whoever asks for it (42501).';

-- A token that was made for less than its user may do makes others only where it says so.
create function auth_internal.demand_minting(org_id uuid) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is not null then
        perform auth_internal.refuse_derived();
        if auth_internal.permission_covers(auth_internal.acting_permissions(org_id), 'tokens.write') is not true then
            perform auth_internal.refuse('42501', 'the API key may not make tokens', 'It needs the permission tokens.write.');
        end if;
    end if;
    perform auth_internal.demand_scopes('{tokens.write}');
end
$$;
comment on function auth_internal.demand_minting is '42501 for an API key, or a token with scopes or permissions, without tokens.write.';

-- The user id that a token is for which this subject is asked: somebody's own; for an API key a member of its organization, or a
-- name of its own.
create function auth_internal.minted_user(subject text, org_id uuid) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is null then
        if subject <> auth.user_id() or auth.user_id() is null then
            perform auth_internal.refuse('42501', 'users have tokens for themselves only',
                'A service or an administrator makes tokens for others.');
        end if;
        return auth.user_id();
    elsif subject is null or subject = auth.user_id() then
        return auth.user_id();
    elsif auth_internal.member_permissions(subject, org_id) is not null then
        perform auth_internal.demand_senior_key(org_id, subject);
        return subject;
    elsif char_length(subject) not between 1 and 200 or subject ~ '[[:cntrl:]]' or subject !~ '[^[:space:]]' then
        perform auth_internal.refuse_token_argument('subject', 'It is a member, or a name of 1 to 200 characters without control characters.');
    end if;
    return org_id || ':' || subject;
end
$$;
comment on function auth_internal.minted_user is 'The user that a token is for which the caller asks; 42501 for anybody else''s, 22023 for what is no name.';

-- Who acts as somebody sees what is theirs alone.
create function auth_internal.demand_senior_key(org_id uuid, user_id text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := case when auth.user_id() is null then auth_internal.acting_key_role()
                             else auth_internal.role_of(org_id, auth.user_id()) end;
    member auth.roles := auth_internal.role_of(org_id, user_id);
begin
    if (actor.id = auth_internal.owner_role() or actor.rank > member.rank) is not true then
        perform auth_internal.refuse('42501', 'the API key may not make tokens for this member',
            'The rank of the member''s role must be lower than that of the key''s own.');
    end if;
end
$$;
comment on function auth_internal.demand_senior_key is '42501 unless the role of the identity''s API key is above that of this member.';

-- Permissions for which somebody asks, in this organization or, NULL, wherever they act; NULL is what they have.
create function auth_internal.minted_permissions(permissions text[], org_id uuid) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    held text[] := case when org_id is null then auth_internal.token_scopes() else auth_internal.acting_permissions(org_id) end;
    is_narrowed boolean := auth_internal.token_scopes() is not null;
    lacking text;
begin
    if org_id is not null and held is null then
        perform auth_internal.refuse('42501', 'a membership that only a token claims gives no tokens',
            'A service or an administrator can make one.');
    end if;
    if is_narrowed then
        -- A scope may be what nobody can have.
        held := array(select h from unnest(held) h where auth_internal.is_permission(h));
    end if;
    if held is not null then
        select min(p collate "C") into lacking from unnest(permissions) p
         where auth_internal.permission_covers(held, p) is not true;
    end if;
    if lacking is not null or permissions is null and is_narrowed and cardinality(held) = 0 then
        perform auth_internal.refuse_wider_token(format('You do not have %s there.', coalesce(lacking, 'any permission')));
    end if;
    return coalesce(permissions, case when is_narrowed then held end);
end
$$;
comment on function auth_internal.minted_permissions is 'The permissions of a token for which the caller asks; 42501 where they go beyond the caller.';

-- As RFC 6749 section 3.3 has them: with a space in it, one would be read as two.
create function auth_internal.is_scope(name text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select (is_scope.name ~ '^[!#-[\]-~]{1,200}$') is true
$$;
comment on function auth_internal.is_scope is 'Can a token have this scope? False for NULL.';

-- In policies a scope may open something, so that nobody takes one.
create function auth_internal.minted_scopes(scopes text[]) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    if exists (select from unnest(scopes) s where not auth_internal.is_scope(s)) or cardinality(scopes) > 200 then
        perform auth_internal.refuse_token_argument('scopes', 'It is at most 200 names as RFC 6749 section 3.3 has them, of up to 200 bytes.');
    elsif not unrestricted and exists (select from unnest(scopes) s where auth.has_scope(s) is not true) then
        perform auth_internal.refuse_wider_token('Its scopes are not among those of your credential.');
    elsif unrestricted or auth.api_key_id() is not null then
        return scopes;
    end if;
    return coalesce(scopes, array(select s from jsonb_array_elements_text(auth.identity() -> 'scopes') s where auth_internal.is_scope(s)));
end
$$;
comment on function auth_internal.minted_scopes is 'The scopes of a token for which the caller asks, NULL: their own; 22023 for what is none, 42501 where they go beyond the caller.';

-- What a service or an administrator asks for.
create function auth_internal.described_for_others(begun auth.minted_tokens, subject text, org_id uuid, workspace_id uuid, role text) returns auth.minted_tokens
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    described record := begun;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    described.maker_key_id := described.api_key_id;
    described.api_key_id := null;
    if role = 'service_role' then
        if not auth_internal.is_administrator() then
            perform auth_internal.refuse('42501', 'only administrators make tokens of services', null);
        elsif subject is not null or org_id is not null or workspace_id is not null then
            perform auth_internal.refuse_token_argument('role', 'A service has neither a subject nor an organization.');
        end if;
        described.is_service := true;
        return described;
    elsif role is not null and not auth_internal.is_administrator() then
        perform auth_internal.refuse('42501', 'only administrators choose the role of a token', null);
    elsif octet_length(role) not between 1 and 63 or role ~ '[[:cntrl:]]' then
        perform auth_internal.refuse_token_argument('role', 'It is the name of a database role, or service_role.');
    elsif (octet_length(subject) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('subject', 'Name the user that the token is for, in 1 to 1024 bytes.');
    end if;
    described.user_id := subject;
    described.org_id := coalesce(org_id, auth_internal.workspace_org(workspace_id));
    if workspace_id is not null and described.org_id is null then
        perform auth_internal.refuse_token_argument('workspace_id', 'It is a workspace, of the organization where one is named.');
    end if;
    described.workspace_id := workspace_id;
    described.is_member := described.org_id is not null;
    if workspace_id is not null and auth_internal.workspace_org(workspace_id) is distinct from described.org_id then
        perform auth_internal.refuse_target('workspace');
    elsif described.is_member and auth_internal.member_permissions(subject, described.org_id) is null
          or workspace_id is not null and not auth_internal.is_workspace_user(workspace_id, subject) then
        perform auth_internal.refuse_member();
    end if;
    return described;
end
$$;
comment on function auth_internal.described_for_others is 'The token that a service or an administrator asks for; 42501 for anybody else, 22023 for what makes no sense.';

-- What a user or an API key asks for.
create function auth_internal.described_for_oneself(begun auth.minted_tokens, subject text, org_id uuid, workspace_id uuid, role text) returns auth.minted_tokens
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    described record := begun;
    -- A token of ours, an issuer and an API key may be for one organization only.
    its_workspace uuid := (select k.workspace_id from auth.api_keys k where k.id = auth.api_key_id());
    bound boolean := described.org_id is not null or auth.api_key_id() is not null
        or auth.jwt() is not null and not auth_internal.issuer_reaches(null);
begin
    if role is not null then
        perform auth_internal.refuse('42501', 'only administrators choose the role of a token', null);
    elsif described.org_id <> org_id or described.workspace_id <> workspace_id then
        perform auth_internal.refuse_wider_token('Yours is for another organization or workspace.');
    elsif workspace_id is not null and auth.is_workspace_member(workspace_id) is not true then
        perform auth_internal.refuse_target('workspace');
    end if;
    described.org_id := coalesce(described.org_id, org_id, auth_internal.workspace_org(workspace_id), case when bound then auth.current_org() end);
    if bound and described.org_id is null or described.org_id is not null and auth.is_member(described.org_id) is not true then
        perform auth_internal.refuse_target('organization');
    end if;
    -- The issuer may be believed less than when the caller signed in.
    perform auth_internal.demand_handing_on(described.org_id, described.environment);
    perform auth_internal.demand_minting(described.org_id);
    described.workspace_id := coalesce(described.workspace_id, workspace_id, its_workspace);
    if described.workspace_id is not null
       and (auth.is_workspace_member(described.workspace_id) is not true
            or auth_internal.workspace_org(described.workspace_id) is distinct from described.org_id) then
        perform auth_internal.refuse_target('workspace');
    end if;
    described.user_id := auth_internal.minted_user(subject, described.org_id);
    -- One that an API key names, and its own, act where the key does.
    described.is_member := described.org_id is not null
        and (auth.api_key_id() is null
             or described.user_id is distinct from auth.user_id()
                and auth_internal.member_permissions(described.user_id, described.org_id) is not null);
    if not described.is_member and described.workspace_id is distinct from its_workspace then
        perform auth_internal.refuse_token_argument('workspace_id', 'A token that acts as an API key acts where the key does.');
    end if;
    return described;
end
$$;
comment on function auth_internal.described_for_oneself is 'The token that a user or an API key asks for; 42501 where it goes beyond them.';

-- Nobody becomes more by a token of their own: what their own says of them, and of the client, stays.
create function auth_internal.minted_role(role text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(minted_role.role, case when auth.jwt() is not null and not auth_internal.is_unrestricted() then auth.role() end,
                    'authenticated')
$$;
comment on function auth_internal.minted_role is 'The role of a token for which this one is asked, NULL: the caller''s own.';

create function auth_internal.kept_claims() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(jsonb_object_agg(c.key, c.value), '{}') from jsonb_each(auth.jwt()) c
     where c.key in ('is_anonymous', 'azp', 'client_id') and not auth_internal.is_unrestricted()
$$;
comment on function auth_internal.kept_claims is 'The claims of the caller''s token that a token of theirs has too.';

-- A policy may open something for a claim.
create function auth_internal.demand_own_claims(claims jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- A part of a list or an object is another value than the whole.
    if exists (select from jsonb_each(claims) c where auth.jwt() -> c.key is distinct from c.value) then
        perform auth_internal.refuse_wider_token('Its claims are not among those of your token. A service or an administrator adds others.');
    end if;
end
$$;
comment on function auth_internal.demand_own_claims is '42501 for claims that the caller''s own token has not.';

create function auth_internal.minted_environment(environment text, own text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (coalesce(environment, own) in ('live', 'test')) is not true then
        perform auth_internal.refuse_token_argument('environment', 'It is live or test.');
    end if;
    perform auth_internal.demand_environment(coalesce(environment, own));
    if environment <> own and (own = 'test' or auth.api_key_id() is not null) then
        perform auth_internal.refuse_wider_token('Its environment is another one than yours.');
    end if;
    return coalesce(environment, own);
end
$$;
comment on function auth_internal.minted_environment is 'The environment of a token for which the caller asks; 22023 and 42501 for one that is not allowed.';

create function auth.issue_jwt(
    subject text default null, permissions text[] default null, scopes text[] default null, org_id uuid default null,
    workspace_id uuid default null, environment text default null, expires_at timestamptz default null,
    claims jsonb default null, role text default null, issuer text default null
) returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    begun record;
    described record;
begin
    perform auth_internal.demand_claims(claims);
    if not unrestricted then
        perform auth_internal.demand_own_claims(claims);
    end if;
    if array_position(permissions, null) is not null or 0 = cardinality(permissions) then
        perform auth_internal.refuse_token_argument('permissions', 'NULL is all that the user may do; a list names some.');
    end if;
    begun := auth_internal.token_of_caller(issuer);
    described := begun.described;
    if role = 'service_role' and not (begun.issuer).allow_service_role then
        perform auth_internal.refuse('55000', 'the issuer may not make tokens of services',
            'auth.update_issuer(issuer, allow_service_role => true) lets it.');
    elsif unrestricted then
        described := auth_internal.described_for_others(described, subject, org_id, workspace_id, role);
        described.permissions := permissions;
    else
        described := auth_internal.described_for_oneself(described, subject, org_id, workspace_id, role);
        described.permissions := auth_internal.minted_permissions(permissions, described.org_id);
    end if;
    described.environment := auth_internal.minted_environment(environment, described.environment);
    described.expires_at := auth_internal.token_end(expires_at, begun.latest, begun.issuer);
    return auth_internal.mint('token.issue', described, begun.issuer, auth_internal.minted_role(role),
                              auth_internal.minted_scopes(scopes), coalesce(claims, '{}') || auth_internal.kept_claims());
end
$$;
comment on function auth.issue_jwt is
    'Everybody who is signed in, for themselves; API keys with tokens.write for a member of their organization, or for a name of their own, whose user id is the organization''s id, a colon and the name; services and administrators for anybody: makes a token and returns it. permissions NULL: all that the user may do; a list: that much of it, at each use. A token never goes beyond whoever asked for it and ends with the API key, the token of ours or the membership that it came from; with org_id it is for that organization only. expires_at NULL: in a year, or as late as pg_bearer.max_token_lifetime, and an API key or token of ours that asks, let it. claims: a JSON object without reserved names; users give what their own token has. API keys give none, and act for members whose role is below theirs. role: administrators only; service_role makes the token of a service, without subject. environment NULL: the caller''s. issuer NULL: the only one of ours. 22023 for a value that is not allowed, 42501 for what goes beyond the caller, 28000 without an identity, 54000 beyond pg_bearer.max_tokens, 55000 without an issuer of ours or its key.';

-- What a token of ours may say, and making it. Who may have which is in issuing.sql.

create function auth_internal.refuse_token_argument(argument text, hint text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', format('%s has a value that is not allowed', argument), hint);
end
$$;
comment on function auth_internal.refuse_token_argument is 'The error for an argument (22023).';

-- What an issuer of ours, a registry (RFC 7519, RFC 8693, RFC 8705, OpenID Connect) or a reader of ours gives a meaning.
create function auth_internal.reserved_claims() returns text[]
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select array['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'role', 'act', 'may_act', 'aal', 'acr', 'amr', 'auth_time',
                 'azp', 'client_id', 'cnf', 'nonce', 'events', 'token_use', 'sid', 'session_id', 'email', 'email_verified',
                 'phone', 'phone_verified', 'org_id', 'org_role', 'workspace_id', 'permissions', 'scope', 'scopes',
                 'environment', 'is_anonymous', 'app_metadata', 'user_metadata', 'roles', 'groups', 'entitlements']
$$;
comment on function auth_internal.reserved_claims is 'The claims that auth.issue_jwt() does not take from its caller.';

-- And what other issuers call it, whose claims policies believe.
create function auth_internal.is_reserved_claim(name text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select is_reserved_claim.name = any (auth_internal.reserved_claims())
        or exists (select from auth.issuers i
                    where is_reserved_claim.name in (i.org_claim[1], i.workspace_claim[1], i.role_claim[1], i.org_role_claim[1],
                                                     i.permissions_claim[1], i.scopes_claim[1], i.email_claim[1], i.email_verified_claim[1]))
$$;
comment on function auth_internal.is_reserved_claim is 'Is this claim of a token of ours not for anybody else to say?';

create function auth_internal.demand_claims(claims jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    reserved text;
begin
    if claims is null then
        return;
    elsif jsonb_typeof(claims) <> 'object' or octet_length(claims::text) > 8192 then
        perform auth_internal.refuse_token_argument('claims', 'It is a JSON object of at most 8192 bytes.');
    end if;
    select min(name) into reserved from jsonb_object_keys(claims) name where auth_internal.is_reserved_claim(name);
    if reserved is not null then
        perform auth_internal.refuse_token_argument('claims', format('%s is not for the caller to say.', reserved));
    end if;
end
$$;
comment on function auth_internal.demand_claims is '22023 for claims that are no small JSON object, or one with a reserved name.';

-- Until the end of the last whole second: what exp says and what the row says are one moment.
create function auth_internal.token_end(wanted timestamptz, latest timestamptz, issuer auth.issuers) returns timestamptz
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    cap interval := coalesce(current_setting('pg_bearer.max_token_lifetime', true), '0')::interval;
    limits timestamptz := least(latest, clock_timestamp() + cap,
        case when (issuer).max_lifetime > '0' then clock_timestamp() + (issuer).max_lifetime end);
    its_end timestamptz := coalesce(wanted, least(limits, clock_timestamp() + interval '1 year'));
begin
    -- A second of grace, for whoever asks for just as long as is allowed.
    if not isfinite(its_end) or its_end > limits + interval '1 second' or its_end < clock_timestamp() + interval '1 second' then
        perform auth_internal.refuse_token_argument('expires_at',
            'It must be in the future, within pg_bearer.max_token_lifetime and the issuer''s max_lifetime, and no later than the end of what the token comes from.');
    end if;
    return to_timestamp(floor(extract(epoch from least(its_end, limits))));
end
$$;
comment on function auth_internal.token_end is 'When a token of ours ends for which this end is asked, NULL: as late as may be, up to a year; 22023 for one that is not allowed.';

-- How many tokens a user, or the API key that they come from, may have. Asked when the new one is there.
create function auth_internal.demand_token_quota(minted auth.minted_tokens) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    quota integer := coalesce(current_setting('pg_bearer.max_tokens', true)::integer, 0);
    counted bigint;
begin
    if auth_internal.is_unrestricted() then
        return;
    end if;
    select count(*) into counted
      from (select from auth.minted_tokens t
             where case when (minted).api_key_id is null then t.user_id = (minted).user_id and t.api_key_id is null and t.session_id is null
                        else t.api_key_id = (minted).api_key_id end
               and t.expires_at > clock_timestamp()
             limit quota + 1) t;
    if counted > quota then
        perform auth_internal.refuse('54000', 'there are as many tokens as there may be',
            'pg_bearer.max_tokens is the limit for a user and for an API key. Tokens that have expired do not count.');
    end if;
end
$$;
comment on function auth_internal.demand_token_quota is '54000 when the user, or the API key, has more tokens than they may; nothing for services and administrators.';

-- What has expired goes as new rows come, a few at a time, and waits for nobody.
create function auth_internal.purge_minted_tokens(most integer) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    gone integer;
begin
    with old as (
        select t.id from auth.minted_tokens t where t.expires_at < clock_timestamp() - interval '10 minutes'
         order by t.expires_at limit most for update skip locked
    )
    delete from auth.minted_tokens t using old where t.id = old.id;
    get diagnostics gone = row_count;
    return gone;
exception when serialization_failure then
    return 0;
end
$$;
comment on function auth_internal.purge_minted_tokens is 'Deletes so many tokens at most that have expired; returns how many.';

-- The claims of a token of ours, besides those that its maker gives.
create function auth_internal.minted_claims(minted auth.minted_tokens, issuer auth.issuers, role text, scopes text[]) returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'iss', (issuer).issuer,
        'sub', (minted).user_id,
        'aud', coalesce((issuer).audiences[1], 'authenticated'),
        'role', role,
        'iat', floor(extract(epoch from (minted).created_at))::bigint,
        'exp', floor(extract(epoch from (minted).expires_at))::bigint,
        'jti', (minted).id,
        'org_id', (minted).org_id,
        'workspace_id', (minted).workspace_id,
        'environment', (minted).environment,
        'permissions', to_jsonb((minted).permissions),
        'scope', nullif(array_to_string(scopes, ' '), ''),
        'act', case when (minted).actor is not null then jsonb_build_object('sub', (minted).actor) end))
$$;
comment on function auth_internal.minted_claims is 'The claims of a token of ours, besides those that its maker gives.';

-- Signs a token and keeps its row. That the token is accepted, and gives what is meant, is asked last.
create function auth_internal.sign_minted(
    described auth.minted_tokens, issuer auth.issuers, role text, scopes text[], claims jsonb, out token text, out minted auth.minted_tokens
)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    begun record := described;
    signing_key record;
    payload text;
begin
    select * into signing_key from auth.jwt_keys k where k.issuer_id = (sign_minted.issuer).id and k.state = 'active';
    if signing_key.id is null then
        perform auth_internal.refuse('55000', 'the issuer has no active signing key',
            'auth.create_signing_key() makes one, and auth.rotate_signing_key() makes the next one active.');
    end if;
    begun.id := gen_random_uuid();
    begun.issuer_id := (sign_minted.issuer).id;
    begun.created_at := clock_timestamp();
    payload := (coalesce(claims, '{}') || auth_internal.minted_claims(begun, sign_minted.issuer, role, scopes))::text;
    begun.digest := sha256(convert_to(payload, 'UTF8'));
    insert into auth.minted_tokens select (begun::auth.minted_tokens).*;
    perform auth_internal.purge_minted_tokens(10);
    perform auth_internal.commit_durably();
    token := auth_internal.sign_jwt(signing_key.id, signing_key.alg, payload, begun.user_id, begun.id, begun.expires_at);
    perform auth_internal.demand_accepted(token, begun.user_id, begun.session_id);
    minted := begun;
end
$$;
comment on function auth_internal.sign_minted is 'Signs a token and keeps its row; 22023 for one that would be refused, 55000 without a signing key.';

create function auth_internal.mint(action text, described auth.minted_tokens, issuer auth.issuers, role text, scopes text[], claims jsonb) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    begun record := described;
    signed record;
    minted record;
    violated text;
begin
    begun.created_by := auth_internal.acting_user();
    signed := auth_internal.sign_minted(begun, mint.issuer, role, scopes, claims);
    minted := signed.minted;
    perform auth_internal.demand_token_quota(minted);
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(minted.org_id, minted.environment);
    perform auth_internal.audit(action, minted.org_id, minted.id::text, minted.user_id,
        jsonb_strip_nulls(jsonb_build_object('issuer', (mint.issuer).issuer, 'expires_at', minted.expires_at,
            'is_service', nullif(minted.is_service, false), 'actor', minted.actor, 'reason', minted.reason)));
    return signed.token;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('minted_tokens', violated);
end
$$;
comment on function auth_internal.mint is 'Makes the token for which somebody asks, and returns it; 22023 for one that would be refused, 54000 beyond the quota, 55000 without a signing key.';

-- Ending tokens before they expire, those of every issuer. A revocation is a row that is added: it waits for nobody, and counts
-- for every authenticate that starts after its commit.

-- 10 years are the most for ours (pg_bearer.max_token_lifetime).
create function auth_internal.end_of_ours() returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select clock_timestamp() + interval '10 years 10 days'
$$;
comment on function auth_internal.end_of_ours is 'When every token of ours will have expired that was made until now.';

-- How long a token can live that was issued until now, by this issuer, or for NULL by any, and those of ours that were made with
-- it. Clocks may differ by 5 minutes, twice.
create function auth_internal.end_of_tokens(issuer text) returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(max(case when i.own then auth_internal.end_of_ours()
                             when i.max_lifetime = '0' then 'infinity'::timestamptz
                             else clock_timestamp() + i.max_lifetime + interval '15 minutes' end), 'infinity')
      from auth.issuers i where i.own or end_of_tokens.issuer is null or i.issuer = end_of_tokens.issuer
$$;
comment on function auth_internal.end_of_tokens is 'When every token will have expired that this issuer, NULL: any, has issued until now, and those that were made with one.';

-- It may be beyond all timestamps.
create function auth_internal.end_of_own(expires_at timestamptz) returns timestamptz
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(least(end_of_own.expires_at, '290000-01-01 00:00:00+00'::timestamptz) + interval '15 minutes', 'infinity')
$$;
comment on function auth_internal.end_of_own is 'When a token will have expired that says it does then.';

-- A token of another issuer ends by itself; what it made here does not.
create function auth_internal.end_of_token(expires_at timestamptz) returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select greatest(auth_internal.end_of_own(end_of_token.expires_at),
        case when exists (select from auth.issuers i where i.own) then auth_internal.end_of_ours() end)
$$;
comment on function auth_internal.end_of_token is 'When a token of another issuer will have expired that says it does then, and those that were made with it.';

-- Ends what was issued until now, by whatever clock: that of this server may be behind the one that it took over from.
create function auth_internal.revoke(kind text, value text, issuer text, expires_at timestamptz, latest timestamptz default null) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    before timestamptz := greatest(clock_timestamp(), latest, (select max(r.issued_before) from auth.revocations r
        where r.kind = revoke.kind and r.value = revoke.value and r.issuer is not distinct from revoke.issuer));
begin
    perform auth_internal.add_revocation(kind, value, issuer, before, expires_at);
end
$$;
comment on function auth_internal.revoke is 'Adds a revocation, which ends what was issued until now, and until the latest time; 22023 for a value that no token has.';

create function auth_internal.add_revocation(kind text, value text, issuer text, before timestamptz, expires_at timestamptz) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.commit_durably();
    if before is null
       and exists (select from auth.revocations r
                    where r.kind = add_revocation.kind and r.value = add_revocation.value
                      and r.issuer is not distinct from add_revocation.issuer and r.issued_before is null) then
        return false;
    end if;
    if (octet_length(value) between 1 and 1300) is not true then
        perform auth_internal.refuse('22023', 'the value is too long for any token', null);
    end if;
    insert into auth.revocations (kind, value, issuer, issued_before, expires_at, revoked_by)
    values (kind, value, issuer, before, expires_at, auth_internal.acting_user_if_any());
    perform auth_internal.purge_superseded(kind, value, issuer);
    perform auth_internal.purge_expired_revocations(10);
    return true;
end
$$;
comment on function auth_internal.add_revocation is 'Adds a revocation, and says whether it is new; 22023 for a value that no token has.';

-- Waits for nobody.
create function auth_internal.purge_superseded(kind text, value text, issuer text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    with same as (
        select r.id, coalesce(r.issued_before, '-infinity') as issued_before, r.expires_at from auth.revocations r
         where r.kind = purge_superseded.kind and r.value = purge_superseded.value
           and r.issuer is not distinct from purge_superseded.issuer
    ), old as (
        select r.id from auth.revocations r
         where r.id in (select s.id from same s
                         where exists (select from same later where later.expires_at >= s.expires_at
                                          and (later.issued_before, later.id) > (s.issued_before, s.id)))
         limit 10 for update skip locked
    )
    delete from auth.revocations r using old where r.id = old.id;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.purge_superseded is 'Deletes revocations that a later one repeats.';

-- Of an issuer whose max_lifetime is raised later, no token comes back: it must be younger than what has gone, by whatever clock.
create function auth_internal.purge_expired_revocations(most integer) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    old auth.revocations;
    gone integer := 0;
begin
    for old in
        select * from auth.revocations r where r.expires_at < clock_timestamp()
         order by r.expires_at limit most for update skip locked
    loop
        -- Users lock no issuer: administrators would wait for them. Of a session, tokens that were made later have gone too.
        if old.issued_before is null
           or auth_internal.is_unrestricted()
              and auth_internal.note_issued_since(old.issuer,
                      old.issued_before + case old.kind when 'session' then interval '30 days' else interval '0' end) then
            delete from auth.revocations r where r.id = old.id;
            gone := gone + 1;
        end if;
    end loop;
    return gone;
exception when serialization_failure then
    return 0;
end
$$;
comment on function auth_internal.purge_expired_revocations is 'Deletes so many revocations at most that have run out; returns how many.';

create function auth_internal.note_issued_since(issuer text, since timestamptz) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    noted bigint;
    due bigint;
begin
    select count(*) into due from auth.issuers i
     where not i.own and (note_issued_since.issuer is null or i.issuer = note_issued_since.issuer)
       and (i.issued_since < since + i.leeway or i.issued_since is null and since is not null);
    if due = 0 then
        return true;
    end if;
    with free as (
        select i.id from auth.issuers i
         where not i.own and (note_issued_since.issuer is null or i.issuer = note_issued_since.issuer)
           and (i.issued_since < since + i.leeway or i.issued_since is null and since is not null)
         for no key update skip locked
    )
    update auth.issuers i set issued_since = since + i.leeway from free where i.id = free.id;
    get diagnostics noted = row_count;
    return noted = due;
end
$$;
comment on function auth_internal.note_issued_since is 'Sets the earliest iat of an issuer, NULL: of all but ours, without waiting; false where somebody is changing one.';

-- Services and administrators, and users in person: not by an API key, nor for somebody else, nor by what was made for less.
create function auth_internal.demand_oneself(user_id text, environment text default null) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() then
        perform auth_internal.demand_unrestricted();
        perform auth_internal.demand_environment(environment);
        return;
    elsif auth.api_key_id() is not null or (user_id = auth.user_id()) is not true then
        perform auth_internal.refuse('42501', 'users end their own tokens only',
            'A service or an administrator ends those of others.');
    end if;
    perform auth_internal.demand_scopes('{tokens.write}');
    -- A token for one organization ends nothing elsewhere.
    if auth.jwt() is not null and not auth_internal.issuer_reaches(null) then
        perform auth_internal.refuse('42501', 'the token is for single organizations', 'Use one that is for all of the user''s.');
    end if;
    perform auth_internal.demand_handing_on(null, environment);
end
$$;
comment on function auth_internal.demand_oneself is '42501 unless a service or an administrator calls, or this user in person, for what counts in this environment or, NULL, in all; 28000 without an identity.';

-- Whatever a token was made for, it ends itself, and an API key itself what it made for its own user.
create function auth_internal.demand_ending(jti text, issuer text, user_id text, key_id uuid, environment text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (auth.identity() ->> 'issuer' = issuer and auth.jwt() -> 'jti' = to_jsonb(jti)
        or auth.jwt() is null and auth.api_key_id() = key_id and auth.user_id() = user_id) is not true then
        perform auth_internal.demand_oneself(user_id, environment);
    else
        perform auth_internal.demand_environment(environment);
    end if;
end
$$;
comment on function auth_internal.demand_ending is '42501 unless the caller may end this token, which came from this API key.';

create function auth_internal.token_id(jti text) returns uuid
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when jti ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then jti::uuid end
$$;
comment on function auth_internal.token_id is 'The id of a token of ours, in whatever case; NULL for any other jti.';

-- By its id: whatever text a token of another issuer may have for one. It may be one of ours whose row is not to be seen yet.
create function auth_internal.revoke_jti(jti text, issuer text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_id text := jti;
begin
    perform auth_internal.demand_issuer(issuer);
    if jti ~ '_(live|test)_[0-9A-Za-z]{20}' then
        perform auth_internal.refuse_token_argument('token', 'It looks like an API key: auth.revoke_api_key() ends those.');
    elsif exists (select from auth.issuers i where i.issuer = revoke_jti.issuer and i.own) then
        its_id := coalesce(auth_internal.token_id(jti)::text, jti);
    end if;
    perform auth_internal.revoke('token', its_id, issuer, auth_internal.end_of_tokens(issuer));
    perform auth_internal.audit('token.revoke', null, its_id, details => jsonb_build_object('issuer', issuer));
end
$$;
comment on function auth_internal.revoke_jti is 'Ends a token that is known by its id alone; 22023 for an unknown issuer.';

-- A token, by itself or by its id.
create function auth.revoke_token(token text, issuer text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    named record;
    minted auth.minted_tokens;
    its_issuer record;
begin
    perform auth_internal.is_unrestricted();
    if token is null then
        perform auth_internal.refuse_token_argument('token', 'It is a token, or the id of one (jti).');
    elsif auth_internal.looks_like_token(token) then
        select * into named from auth_internal.revocable_token(token);
    else
        select t.id::text as token, null::text as digest, i.issuer, t.user_id, t.expires_at into named
          from auth.minted_tokens t join auth.issuers i on i.id = t.issuer_id
         where t.id = auth_internal.token_id(revoke_token.token) and (revoke_token.issuer is null or i.issuer = revoke_token.issuer);
        if not found then
            -- Users learn nothing of which there are.
            perform auth_internal.demand_oneself(null);
            perform auth_internal.revoke_jti(token, issuer);
            return;
        end if;
    end if;
    select * into its_issuer from auth.issuers i where i.issuer = named.issuer;
    select * into minted from auth.minted_tokens t where t.id = auth_internal.token_id(named.token) and t.issuer_id = its_issuer.id;
    perform auth_internal.demand_ending(named.token, named.issuer, named.user_id, minted.api_key_id, coalesce(minted.environment, its_issuer.environment));
    if auth_internal.add_revocation(case when named.token is null then 'digest' else 'token' end, coalesce(named.token, named.digest), named.issuer, null,
           case when its_issuer.own then auth_internal.end_of_own(named.expires_at) else auth_internal.end_of_token(named.expires_at) end) then
        perform auth_internal.audit('token.revoke', minted.org_id, coalesce(named.token, named.digest), named.user_id,
                                    jsonb_build_object('issuer', named.issuer));
    end if;
end
$$;
comment on function auth.revoke_token is
    'The user of a token in person, services and administrators; every token for itself, and an API key for what came from it: ends a token of whatever issuer. token is the token itself, or its id (jti): of a token of ours, or with issuer of another one, which services and administrators name. Counts for every authenticate that starts after the commit; tokens that it made end too, also where it has expired itself. Idempotent. 28000 without an identity and for a text that is no good token, 42501 for a token that is not theirs, and for whoever was signed in for less (scopes or permissions without tokens.write) or acts for the user, 22023 for an unknown issuer and for NULL.';

create function auth_internal.demand_issuer(issuer text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.issuers i where i.issuer = demand_issuer.issuer;
    if not found then
        perform auth_internal.refuse_token_argument('issuer', 'auth.list_issuers() shows those there are; the name is compared byte for byte.');
    end if;
end
$$;
comment on function auth_internal.demand_issuer is '22023 unless there is such an issuer.';

create function auth.revoke_session(issuer text default null, session_id text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own_issuer text := auth.identity() ->> 'issuer';
    own_session text := auth.identity() ->> 'session_id';
    its_issuer text := coalesce(issuer, own_issuer);
    its_session text := coalesce(session_id, own_session);
begin
    if not auth_internal.is_unrestricted() and (its_issuer = own_issuer and its_session = own_session) is not true then
        perform auth_internal.refuse('42501', 'users end the session of their own token only',
            'auth.revoke_user() ends all of a user''s own.');
    elsif auth_internal.is_unrestricted() then
        perform auth_internal.demand_unrestricted();
    else
        perform auth_internal.demand_scopes('{tokens.write}');
        perform auth_internal.demand_handing_on(null, null);
    end if;
    perform auth_internal.demand_environment(null);
    if its_session is null then
        perform auth_internal.refuse_token_argument('session_id', 'It is the claim session_id or sid of the tokens.');
    end if;
    perform auth_internal.demand_issuer(its_issuer);
    -- The issuer may go on making tokens of it.
    perform auth_internal.revoke('session', its_session, its_issuer, auth_internal.end_of_tokens(its_issuer) + interval '30 days');
    perform auth_internal.audit('session.revoke', null, its_session, details => jsonb_build_object('issuer', its_issuer));
end
$$;
comment on function auth.revoke_session is
    'Users, for the session of the token that they are signed in with; services and administrators, for any: ends all tokens of an issuer with this session_id or, without one, sid, also those of the next 30 days, and the tokens of ours that they made. issuer and session_id NULL: those of the identity. Counts for every authenticate that starts after the commit. Idempotent. 28000 without an identity, 42501 for another session, for a token with scopes or permissions but tokens.write, and for whoever acts for the user, 22023 for an unknown issuer and where there is no session.';

create function auth.revoke_user(user_id text, issuer text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_oneself(user_id);
    if (octet_length(user_id) between 1 and 1300) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user whose tokens end.');
    elsif issuer is not null then
        perform auth_internal.demand_issuer(issuer);
    end if;
    perform auth_internal.revoke_tokens_of(user_id, issuer);
    perform auth_internal.audit('user.revoke', null, null, user_id, case when issuer is null then '{}'::jsonb else jsonb_build_object('issuer', issuer) end);
end
$$;
comment on function auth.revoke_user is
    'Users, for themselves; services and administrators, for anybody: ends all tokens of a user that were issued until now, by this issuer or, NULL, by any. user_id is what auth.user_id() gives; where a service or an administrator names an issuer, its sub too. Counts for every authenticate that starts after the commit. Tokens of ours that are made afterwards are good at once, those of other issuers once their iat is later by the issuer''s leeway; a token without iat stays refused. API keys stay: auth.remove_user() ends them. 28000 without an identity, 42501 for anybody else, 22023 for an unknown issuer and for NULL.';

create function auth_internal.revoke_tokens_of(user_id text, issuer text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.revoke('user', user_id, issuer, auth_internal.end_of_tokens(issuer),
        (select max(t.created_at) from auth.minted_tokens t where t.user_id = revoke_tokens_of.user_id));
    -- Which subject of another issuer a user is, the user does not say.
    if issuer is not null and auth_internal.is_unrestricted() then
        perform auth_internal.revoke('subject', user_id, issuer, auth_internal.end_of_tokens(issuer));
    end if;
end
$$;
comment on function auth_internal.revoke_tokens_of is 'Ends the tokens of a user that were issued until now, by this issuer, NULL: by any.';

create function auth.remove_user(user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    removed record;
begin
    perform auth_internal.demand_oneself(user_id);
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user to remove.');
    end if;
    perform auth_internal.demand_handing_on(null, null);
    for removed in
        select m.org_id, m.role_id from auth_internal.live_memberships m
         where m.user_id = remove_user.user_id order by m.org_id
    loop
        if removed.role_id = auth_internal.owner_role() then
            perform auth_internal.demand_other_owner(removed.org_id, user_id);
        end if;
    end loop;
    for removed in
        select m.org_id from auth.memberships m where m.user_id = remove_user.user_id order by m.org_id
    loop
        perform auth_internal.delete_member(removed.org_id, user_id, 1000);
        perform auth_internal.audit('member.remove', removed.org_id, null, user_id);
    end loop;
    perform auth_internal.end_workspace_membership(w) from auth.workspace_memberships w where w.user_id = remove_user.user_id;
    perform auth_internal.end_api_key(k.id, 'its user was removed')
       from auth.api_keys k where k.user_id = remove_user.user_id and k.revoked_at is null;
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth_internal.open_invitations i
      where i.created_by = remove_user.user_id
         or i.email in (select auth_internal.folded(unnest(array[a.email, a.accepted_email]))
                          from auth.invitations a where a.accepted_by = remove_user.user_id);
    perform auth_internal.revoke_tokens_of(user_id, null);
    perform auth_internal.audit('user.remove', null, null, user_id);
end
$$;
comment on function auth.remove_user is
    'Users, for themselves; services and administrators, for anybody: ends a user''s memberships everywhere, their API keys, the invitations that they made and those that they could come back by, and all of their tokens that were issued until now. Rows of the application stay, and so do memberships that a registered table says. 42501 for the last owner of an organization (auth.transfer_ownership() or auth.delete_organization() first) and for anybody else, 28000 without an identity, 22023 for NULL.';

create function auth.purge_revocations() returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone bigint;
begin
    perform auth_internal.demand_unrestricted();
    gone := auth_internal.purge_expired_revocations(2147483647)::bigint + auth_internal.purge_minted_tokens(2147483647);
    if gone > 0 then
        perform auth_internal.audit('revocation.purge', null, null, details => jsonb_build_object('rows', gone));
    end if;
    return gone;
end
$$;
comment on function auth.purge_revocations is
    'Services and administrators: deletes revocations that have run out and tokens of ours that have expired, and returns how many. Each revocation and each new token takes away a few by itself. 42501 for anybody else, 28000 without an identity.';

create function auth.list_tokens(user_id text default null, org_id uuid default null)
    returns table (id uuid, subject text, organization uuid, workspace_id uuid, environment text, permissions text[], actor text,
                   reason text, api_key_id uuid, created_at timestamptz, created_by text, expires_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    if unrestricted then
        perform auth_internal.demand_unrestricted();
    else
        perform auth_internal.refuse_api_key();
        if coalesce(list_tokens.user_id = auth.user_id(), list_tokens.user_id is null) is not true or auth.user_id() is null then
            perform auth_internal.refuse('42501', 'users see their own tokens only', null);
        end if;
    end if;
    return query
        select t.id, t.user_id, t.org_id, t.workspace_id, t.environment, t.permissions, t.actor, t.reason,
               coalesce(t.api_key_id, t.maker_key_id), t.created_at, t.created_by, t.expires_at
          from auth.minted_tokens t join auth.issuers i on i.id = t.issuer_id
         where t.user_id is not distinct from case when unrestricted then coalesce(list_tokens.user_id, t.user_id) else auth.user_id() end
           and (list_tokens.org_id is null or t.org_id = list_tokens.org_id)
           and (auth.environment() is distinct from 'test' or t.environment = 'test')
           and (unrestricted or auth.jwt() is null or auth_internal.issuer_reaches(t.org_id))
           and t.expires_at > clock_timestamp()
           and not exists (select from auth.revocations r
                            where r.kind = 'token' and r.value = t.id::text and r.issuer = i.issuer
                               or r.kind = 'user' and r.value = t.user_id and coalesce(r.issuer = i.issuer, true)
                                  and r.issued_before >= t.created_at)
         order by t.created_at, t.id;
end
$$;
comment on function auth.list_tokens is
    'Users, their own; services and administrators, all or those of a user: the tokens of ours that have neither expired nor been revoked themselves, with their ids for auth.revoke_token(). No token is shown: nobody keeps them. 42501 for the tokens of others, 28000 without an identity.';

-- Signing keys of our own issuers. A key is next (published, so that verifiers know it before it signs), active (one for each
-- issuer: it signs), retired (what it signed is good until it expires) or revoked, for good. Private keys never leave
-- auth.jwt_secrets: signing is in src/pg/signing.rs.

-- An issuer of ours; NULL is the only one.
create function auth_internal.own_issuer(name text) returns auth.issuers
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    found_issuer auth.issuers;
begin
    select * into found_issuer from auth.issuers i
     where i.own and (name is null or i.issuer = name) order by i.created_at limit 1;
    if found_issuer.id is null and name is null then
        perform auth_internal.refuse('55000', 'this database makes no tokens',
            'An administrator adds an issuer with auth.add_issuer(url, own => true) and a key with auth.create_signing_key().');
    elsif found_issuer.id is null then
        perform auth_internal.refuse('22023', 'issuer has a value that is not allowed',
            'It is the URL of an issuer that was added with own => true.');
    elsif name is null and exists (select from auth.issuers i where i.own and i.id <> found_issuer.id) then
        perform auth_internal.refuse('22023', 'issuer must be given', 'There are several issuers with own => true.');
    end if;
    return found_issuer;
end
$$;
comment on function auth_internal.own_issuer is 'An issuer of ours, NULL: the only one; 22023 where that says none, 55000 where there is none.';

-- Keys of others would let others make our tokens.
create function auth_internal.refuse_own_issuer(issuer auth.issuers) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (issuer).own then
        perform auth_internal.refuse('22023', 'this issuer has keys of its own only',
            'auth.create_signing_key() makes them.');
    end if;
end
$$;
comment on function auth_internal.refuse_own_issuer is '22023 for an issuer of ours, which takes no keys of others.';

-- Two spellings of one address would pass for one another.
create function auth_internal.demand_distinct_issuer(issuer text, own boolean) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from auth.issuers i
                where i.issuer <> demand_distinct_issuer.issuer and (i.own or demand_distinct_issuer.own)
                  and rtrim(lower(i.issuer collate "C"), '/') = rtrim(lower(demand_distinct_issuer.issuer collate "C"), '/')) then
        perform auth_internal.refuse('22023', 'issuer has a value that is not allowed',
            'It differs from the URL of an issuer with own => true, or of another one, in case or a slash only.');
    end if;
end
$$;
comment on function auth_internal.demand_distinct_issuer is '22023 for an issuer whose URL differs from that of one of ours in its spelling only.';

-- A copy of the database has another one, and so has a dump that was restored elsewhere.
create function auth_internal.this_database() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select c.system_identifier || '/' || d.oid from pg_control_system() c, pg_database d where d.datname = current_database()
$$;
comment on function auth_internal.this_database is 'Which database this is: system identifier and number.';

-- The row of an issuer of ours, locked for a change of its keys. A change of the row as well, so that whoever keeps a snapshot
-- is not led by the keys that it shows.
create function auth_internal.lock_own_issuer(name text) returns auth.issuers
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
begin
    the_issuer := auth_internal.lock_issuer((auth_internal.own_issuer(name)).issuer);
    update auth.issuers i set own = true where i.id = the_issuer.id;
    return the_issuer;
end
$$;
comment on function auth_internal.lock_own_issuer is 'The row of an issuer of ours, NULL: the only one, locked; 22023 where that says none, 55000 where there is none, 40001 where somebody else changed its keys since the snapshot was taken.';

-- The row of a signing key, its issuer locked.
create function auth_internal.lock_signing_key(key_id uuid) returns auth.jwt_keys
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found_key auth.jwt_keys;
begin
    perform auth_internal.lock_own_issuer(i.issuer) from auth.issuers i join auth.jwt_keys k on k.issuer_id = i.id
      where k.id = lock_signing_key.key_id and i.own;
    select k.* into found_key from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
     where k.id = lock_signing_key.key_id and i.own;
    if found_key.id is null then
        perform auth_internal.refuse('22023', 'no such signing key', 'auth.list_jwt_keys() shows those there are.');
    end if;
    return found_key;
end
$$;
comment on function auth_internal.lock_signing_key is 'The row of a signing key, with its issuer locked; 22023 when there is none.';

create function auth.create_signing_key(alg text default 'ES256', issuer text default null) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    new_id uuid := gen_random_uuid();
    is_first boolean;
begin
    perform auth_internal.require_administrator();
    the_issuer := auth_internal.lock_own_issuer(create_signing_key.issuer);
    if alg is null or cardinality(the_issuer.algorithms) > 0 and alg <> all (the_issuer.algorithms) then
        perform auth_internal.refuse('22023', 'alg has a value that is not allowed',
            'It is ES256, RS256, EdDSA or HS256, and one of the issuer''s algorithms where it lists some.');
    end if;
    is_first := not exists (select from auth.jwt_keys k where k.issuer_id = the_issuer.id and k.state = 'active');
    if not is_first and exists (select from auth.jwt_keys k where k.issuer_id = the_issuer.id and k.state = 'next') then
        perform auth_internal.refuse('55000', 'the issuer has a next key already',
            'auth.rotate_signing_key() makes it the active one; auth.revoke_jwt_key() ends it.');
    end if;
    -- In one statement: what passes through a variable is in plans and parameters, which any caller can have printed.
    with made as materialized (select * from auth_internal.generate_signing_key(alg, new_id::text)),
         key as (
        insert into auth.jwt_keys (id, issuer_id, kid, alg, public_jwk, thumbprint, state, made_in)
        select new_id, the_issuer.id, new_id::text, alg, made.public_jwk, made.thumbprint,
               case when is_first then 'active' else 'next' end, auth_internal.this_database()
          from made
    )
    insert into auth.jwt_secrets (key_id, material) select new_id, made.material from made;
    perform auth_internal.audit('signing_key.create', null, new_id::text, details => jsonb_build_object('issuer', the_issuer.issuer, 'alg', alg));
    return new_id;
end
$$;
comment on function auth.create_signing_key is
    'Administrators: makes a key that an issuer of ours signs with, for ES256, RS256, EdDSA or HS256, and returns its id, which is its kid. The first key is active at once; another one is next, published by auth.jwks() until auth.rotate_signing_key(). issuer NULL is the only one. HS256 keys are not published: nobody else can verify their tokens. 22023 for another algorithm or issuer, 55000 when there is a next key or no issuer of ours, 42501 for anybody else.';

create function auth.rotate_signing_key(issuer text default null)
    returns table (key_id uuid, alg text, state text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    next_id uuid;
begin
    perform auth_internal.require_administrator();
    the_issuer := auth_internal.lock_own_issuer(rotate_signing_key.issuer);
    select k.id into next_id from auth.jwt_keys k where k.issuer_id = the_issuer.id and k.state = 'next';
    if next_id is null then
        perform auth_internal.refuse('55000', 'the issuer has no next key',
            'auth.create_signing_key() makes one. Rotate when whoever caches auth.jwks() has seen it.');
    end if;
    perform auth_internal.change_signing_key(next_id, 'active');
    perform auth_internal.audit('signing_key.rotate', null, next_id::text, details => jsonb_build_object('issuer', the_issuer.issuer));
    return query select k.id, k.alg, k.state from auth.jwt_keys k
                  where k.issuer_id = the_issuer.id and k.state <> 'revoked' order by k.state, k.created_at;
end
$$;
comment on function auth.rotate_signing_key is
    'Administrators: makes the next key of an issuer of ours the active one and retires the one that was; returns the keys that are not revoked. Tokens of a retired key are good until they expire. auth.set_signing_key_state() goes back. issuer NULL is the only one. 55000 when there is no next key or no issuer of ours, 22023 for another issuer, 42501 for anybody else.';

-- Of the next and the active key there is one at most.
create function auth_internal.change_signing_key(key_id uuid, state text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if state = 'active' then
        update auth.jwt_keys k set state = 'retired', retired_until = 'infinity'
          from auth.jwt_keys changed
         where changed.id = change_signing_key.key_id and k.issuer_id = changed.issuer_id
           and k.state = 'active' and k.id <> changed.id;
    end if;
    update auth.jwt_keys k
       set state = change_signing_key.state,
           retired_until = case when change_signing_key.state = 'retired' then 'infinity'::timestamptz end
     where k.id = change_signing_key.key_id;
end
$$;
comment on function auth_internal.change_signing_key is 'Gives a signing key this state; where it becomes active, the one that was retires.';

create function auth.set_signing_key_state(key_id uuid, state text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    changed auth.jwt_keys;
begin
    perform auth_internal.require_administrator();
    if (state in ('next', 'active', 'retired')) is not true then
        perform auth_internal.refuse('22023', 'state has a value that is not allowed',
            'It is next, active or retired. auth.revoke_jwt_key() ends a key for good.');
    end if;
    changed := auth_internal.lock_signing_key(key_id);
    if changed.state = set_signing_key_state.state then
        return;
    elsif changed.state = 'revoked' then
        perform auth_internal.refuse('55000', 'the key is revoked for good', 'auth.create_signing_key() makes another one.');
    elsif changed.state = 'active' then
        perform auth_internal.refuse('55000', 'the issuer would have no active key',
            'Make another key active first: this one retires then.');
    elsif set_signing_key_state.state = 'next'
          and exists (select from auth.jwt_keys k where k.issuer_id = changed.issuer_id and k.state = 'next') then
        perform auth_internal.refuse('55000', 'the issuer has a next key already', 'Retire that one first.');
    end if;
    perform auth_internal.change_signing_key(key_id, state);
    perform auth_internal.audit('signing_key.set_state', null, key_id::text, details => jsonb_build_object('was', changed.state, 'state', state));
end
$$;
comment on function auth.set_signing_key_state is
    'Administrators: makes a signing key of ours next, active or retired, from whichever of these it is; what it signed stays good. The key that was active retires when another one becomes active. Idempotent. 22023 for another state and for a key that is not ours, 55000 for a revoked key, for the active one, and for a second next one, 42501 for anybody else.';

create function auth.jwks(issuer text default null) returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_build_object('keys', coalesce(
        (select jsonb_agg(k.public_jwk::jsonb || '{"use": "sig"}' order by k.created_at, k.id)
           from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
          where i.own and (jwks.issuer is null or i.issuer = jwks.issuer)
            and k.state in ('next', 'active', 'retired') and k.public_jwk is not null), '[]'));
end
$$;
comment on function auth.jwks is
    'Everybody: the JWK Set (RFC 7517) that verifies tokens of our issuers, for /.well-known/jwks.json: public members of the next, active and retired keys. issuer NULL: of all. Keys for HS256 are secrets and not in it. No keys for an issuer that is not ours.';

-- The functions are in src/pg/functions/passwords.rs and sessions.rs.

comment on function auth_internal.is_banned is 'Is this user banned or deleted now, whatever the snapshot? NULL for NULL.';
comment on function auth_internal.is_strict_object is 'Would a token with this object among its claims be accepted? NULL for NULL.';
comment on function auth_internal.newest_password is 'The password that this user has now, whatever the snapshot; NULL without one, and for NULL.';
comment on function auth_internal.hash_password is 'The hash of a new password, under the settings. 22023 for one that is missing, empty or longer than 1024 bytes; 53400 while too many are hashed.';
comment on function auth_internal.verify_password is 'Is this the password of this hash? Without the one or the other, or with one that cannot be used, it takes as long as a new hash to say no. 53400 while too many are hashed.';
comment on function auth_internal.password_needs_rehash is 'Is this password, which is the one of this hash, to be hashed anew under the settings? Not where bcrypt did not look at the whole of it.';
comment on function auth_internal.is_password_hash is 'Is this a hash that passwords can be compared with: Argon2 or bcrypt, and not more work than we allow? NULL for NULL.';
comment on function auth_internal.wait_for_answer is 'Waits until a multiple of pg_bearer.password_time has passed since then; that time from now for NULL, the future and what is more than a minute ago.';

-- What there is to know of users, and what may be said of them.

-- ASCII alone, whatever the collation: two addresses that Postgres might take for one later are two.
create function auth_internal.folded(address text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select lower(folded.address collate "C")
$$;
comment on function auth_internal.folded is 'An e-mail address as it is compared.';

create function auth_internal.user_by_email(email text) returns auth_internal.user_row
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.* from jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.read_users('find_user', jsonb_build_object('email', auth_internal.folded(user_by_email.email)))) u
$$;
comment on function auth_internal.user_by_email is 'The user who has this address now, whatever the snapshot, also one whose deletion is not written yet; NULL for none.';

create function auth_internal.user_by_id(user_id text) returns auth_internal.user_row
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.* from jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.read_users('find_user', (select jsonb_build_object('id', t.id)
            from auth_internal.token_id(user_by_id.user_id) t (id) where t.id::text = user_by_id.user_id))) u
$$;
comment on function auth_internal.user_by_id is 'The user with this id as they are now, whatever the snapshot; NULL for one of another issuer.';

create function auth_internal.password_of(user_id uuid) returns auth.user_passwords
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select p.* from auth.user_passwords p where p.user_id = password_of.user_id order by p.created_at desc, p.id desc limit 1
$$;
comment on function auth_internal.password_of is 'The password of a user; NULL without one.';

create function auth_internal.is_deleted(user_id text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth.user_bans b where b.user_id = is_deleted.user_id and b.is_deleted)
$$;
comment on function auth_internal.is_deleted is 'Was the user deleted, whether or not the row says so already?';

create function auth_internal.demand_address(email text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- The length first: texts so long that a regular expression cannot hold them are refused like all others.
    if octet_length(email) between 3 and 254 and email collate "C" ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$' then
        return;
    end if;
    perform auth_internal.refuse_token_argument('email', 'It is an e-mail address of 3 to 254 bytes, without white space.');
end
$$;
comment on function auth_internal.demand_address is '22023 for what is no e-mail address, and for NULL.';

-- So that every token of the user is accepted, and fits into a header.
create function auth_internal.demand_metadata(argument text, metadata jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if metadata is not null and (jsonb_typeof(metadata) <> 'object' or octet_length(metadata::text) > 2048
                                 or not auth_internal.is_strict_object(metadata)) then
        perform auth_internal.refuse_token_argument(argument,
            'It is a JSON object of at most 2048 bytes and 31 levels, with numbers that a double can hold.');
    end if;
end
$$;
comment on function auth_internal.demand_metadata is '22023 for metadata that no token could carry.';

create function auth_internal.demand_new_password(password text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    shortest integer := current_setting('pg_bearer.password_min_length')::integer;
begin
    if (octet_length(password) <= 1024 and char_length(password) >= shortest) is not true then
        perform auth_internal.refuse_token_argument('password', format('It has at least %s characters and at most 1024 bytes.', shortest));
    end if;
end
$$;
comment on function auth_internal.demand_new_password is '22023 for a password that is too short or too long, and for NULL.';

-- Members that are null go, as in Supabase.
create function auth_internal.merged(old jsonb, new jsonb) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(jsonb_object_agg(m.key, m.value) filter (where m.value <> 'null'), '{}')
      from jsonb_each(coalesce(merged.old, '{}') || coalesce(merged.new, '{}')) m
$$;
comment on function auth_internal.merged is 'The members of both objects, the second''s where both have one; those that are null are left out.';

-- As Supabase shows a user. Nothing of the password.
create function auth_internal.user_record(known auth_internal.user_row) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_build_object(
        'id', (known).id, 'aud', 'authenticated', 'role', 'authenticated', 'email', (known).email,
        'email_confirmed_at', (known).email_confirmed_at, 'phone', (known).phone,
        'app_metadata', (known).raw_app_meta_data, 'user_metadata', (known).raw_user_meta_data,
        'is_anonymous', (known).is_anonymous, 'last_sign_in_at', (known).last_sign_in_at,
        'created_at', (known).created_at, 'updated_at', (known).updated_at);
end
$$;
comment on function auth_internal.user_record is 'A user as answers show them.';

create function auth_internal.confirms_email() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case current_setting('pg_bearer.confirm_email', true)
           when 'off' then false
           when 'auto' then auth_internal.has_hook('send_email')
           else true end
$$;
comment on function auth_internal.confirms_email is 'Does nobody sign in before they have shown that they read mail to their address?';

-- Functions of the application that are called here. Each runs as its owner; src/pg/ffi/hooks.rs puts back what it changes.

-- How a body is printed must not depend on who signs in.
create function auth_internal.hook_digest(function regprocedure) returns bytea
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on
    set quote_all_identifiers = off set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601' set timezone = 'UTC'
    set bytea_output = 'hex' set extra_float_digits = 1 as $$
    select sha256(convert_to(jsonb_build_array(p.prosrc, p.probin, p.proconfig, p.prosecdef, l.lanname, p.provolatile,
                                               format_type(p.prorettype, null), pg_get_function_sqlbody(p.oid))::text, 'UTF8'))
      from pg_proc p join pg_language l on l.oid = p.prolang where p.oid = hook_digest.function
$$;
comment on function auth_internal.hook_digest is 'What a hook is recognised by: its body and how it runs.';

-- A name without quotes around it could mean another function later.
create function auth_internal.hook_function(name text) returns regprocedure
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    parts text[];
    found_function regprocedure;
begin
    begin
        parts := parse_ident(name);
    exception when invalid_parameter_value then
        parts := null;
    end;
    if cardinality(parts) = 2 then
        select p.oid into found_function
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = parts[1] and p.proname = parts[2] and p.pronargs = 1 and p.proargtypes[0] = 'jsonb'::regtype
           and p.prokind = 'f' and not p.proretset and p.prorettype in ('jsonb'::regtype, 'void'::regtype)
           and p.pronamespace <> all (array['auth'::regnamespace, 'auth_internal'::regnamespace, 'pg_catalog'::regnamespace]::oid[])
           and not pg_is_other_temp_schema(n.oid) and n.oid <> pg_my_temp_schema();
    end if;
    return found_function;
end
$$;
comment on function auth_internal.hook_function is 'The function of this name, with its schema, that takes one jsonb and returns jsonb or void; NULL when there is none.';

create function auth.set_hook(name text, function text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
declare
    its_function regprocedure := auth_internal.hook_function(function);
    its_owner text;
begin
    perform auth_internal.require_administrator();
    perform auth_internal.commit_durably();
    if (name in ('send_email', 'before_user_created', 'after_user_created', 'access_token')) is not true then
        perform auth_internal.refuse_token_argument('name', 'It is send_email, before_user_created, after_user_created or access_token.');
    elsif its_function is null then
        perform auth_internal.refuse_token_argument('function', 'It is the name of a function with its schema, which takes one jsonb and returns jsonb or void.');
    end if;
    -- Whoever signs in may have tables of that name, which come first where pg_temp is not the last schema.
    if exists (select from pg_proc p, unnest(p.proconfig) c
                where p.oid = its_function and starts_with(lower(c), 'search_path=') and c !~ '[=,] *pg_temp$') then
        perform auth_internal.refuse_token_argument('function', 'Its search_path has pg_temp last: set search_path = …, pg_temp.');
    end if;
    perform auth_internal.demand_hook_owner(its_function::oid);
    select pg_get_userbyid(p.proowner) into its_owner from pg_proc p where p.oid = its_function;
    insert into auth.hooks as h (name, function, owner, digest)
    select set_hook.name, format('%I.%I', n.nspname, p.proname), its_owner, auth_internal.hook_digest(its_function)
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid = its_function
        on conflict on constraint hooks_pkey
        do update set function = excluded.function, owner = excluded.owner, digest = excluded.digest, created_at = clock_timestamp();
    perform auth_internal.audit('hook.set', null, name, details => jsonb_build_object('function', its_function::text, 'owner', its_owner));
end
$$;
comment on function auth.set_hook is
    'Administrators: has a function of the application called here. name is send_email (to mail a token: recipient, purpose, token and user_id), before_user_created (those who sign up; may return {"error": {"message"}}) and after_user_created (everybody; the user as auth.current_user_record() shows one), or access_token (user_id, session_id, method, org_id and claims; returns claims to add, of which reserved ones are left out). The function takes one jsonb and returns jsonb or void. It runs as its owner, who is neither a superuser nor one of our roles, with search_path pg_catalog, pg_temp unless it says another, with pg_temp last; it is a security-restricted operation, in which no deferred trigger fires and nothing is left in the session, what it does to settings and the identity is undone, and its messages and errors reach nobody: that it failed is all that is said. One that was changed since, or has another owner, is not called: set it again. 22023 for another name or no such function, 42501 for anybody else, 55000 where the owner has too many rights.';

create function auth.remove_hook(name text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    perform auth_internal.commit_durably();
    delete from auth.hooks h where h.name = remove_hook.name;
    if found then
        perform auth_internal.audit('hook.remove', null, name);
    end if;
end
$$;
comment on function auth.remove_hook is 'Administrators: has the function of a hook called no more. Idempotent. 42501 for anybody else.';

create function auth.list_hooks() returns table (name text, function text, owner text, intact boolean, created_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query
        select h.name, h.function, h.owner, auth_internal.hook_is_intact(h), h.created_at from auth.hooks h order by h.name;
end
$$;
comment on function auth.list_hooks is 'Administrators: the hooks. One that is not intact was changed, or given to somebody else, since it was set, and fails when it would be called. 42501 for anybody else.';

create function auth_internal.hook_is_intact(hook auth.hooks) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce((select pg_get_userbyid(p.proowner) = hook.owner and auth_internal.hook_digest(p.oid) = hook.digest
                       from pg_proc p where p.oid = auth_internal.hook_function(hook.function)), false)
$$;
comment on function auth_internal.hook_is_intact is 'Is it the function that was set, and that owner''s?';

-- src/pg/functions/outside.rs calls it with a snapshot of its own: what was decided about hooks counts at once.
create function auth_internal.find_hook(name text) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    hook auth.hooks;
begin
    select * into hook from auth.hooks h where h.name = find_hook.name;
    return case when hook.name is not null then jsonb_build_object(
        'function', auth_internal.hook_function(hook.function)::oid::bigint, 'intact', auth_internal.hook_is_intact(hook)) end;
end
$$;
comment on function auth_internal.find_hook is 'The number of the function of a hook, NULL where there is none of that name any more, and whether it is what was set; NULL without a hook.';

create function auth_internal.has_hook(name text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.current_hook(has_hook.name) is not null
$$;
comment on function auth_internal.has_hook is 'Is there such a hook now?';

-- Before it is known whether the hook is called, where that tells something.
create function auth_internal.demand_intact(name text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not (auth_internal.current_hook(name) -> 'intact')::boolean then
        perform auth_internal.refuse('55000', format('hook "%s" failed', name), 'auth.list_hooks() shows whether the function was changed since it was set.');
    end if;
end
$$;
comment on function auth_internal.demand_intact is '55000 where the function of a hook was changed since it was set; nothing without one.';

create function auth_internal.run_hook(name text, argument jsonb) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not auth_internal.has_hook(name) then
        return null;
    end if;
    perform auth_internal.demand_intact(name);
    return auth_internal.call_hook((auth_internal.current_hook(name) ->> 'function')::oid, argument);
end
$$;
comment on function auth_internal.run_hook is 'What the function of a hook returns; NULL without one. 55000 where it fails or was changed.';

-- Tokens that are mailed. Mailing is for the application: the hook send_email puts them into its outbox in the same transaction.

create function auth_internal.make_one_time_token(
    known auth_internal.user_row, purpose text, new_email text default null, password_hash text default null
) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    token text := 'otp_' || auth_internal.random_token();
begin
    perform auth_internal.commit_durably();
    insert into auth.one_time_tokens (token_hash, purpose, user_id, email, new_email, password_id, password_hash, expires_at)
    values (auth_internal.token_hash(token), purpose, known.id, auth_internal.folded(known.email), make_one_time_token.new_email,
            auth_internal.newest_password(known.id), make_one_time_token.password_hash,
            clock_timestamp() + coalesce(current_setting('pg_bearer.one_time_token_lifetime', true), '1s')::interval);
    begin
        delete from auth.one_time_tokens t
         where t.id = any (array(select o.id from auth.one_time_tokens o where o.expires_at < clock_timestamp() - interval '1 day'
                                  order by o.expires_at limit 10 for update skip locked));
    exception when serialization_failure then
        null;
    end;
    return token;
end
$$;
comment on function auth_internal.make_one_time_token is 'A token for this purpose, good for the user as they are now.';

-- Of whom there is none: whether a transaction wrote something can be seen from outside.
create function auth_internal.pretend_one_time_token(purpose text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.make_one_time_token(
        jsonb_populate_record(null::auth_internal.user_row, jsonb_build_object('id', gen_random_uuid())), purpose);
end
$$;
comment on function auth_internal.pretend_one_time_token is 'Writes what a token for this purpose writes, for nobody.';

-- Of several who signed up with the address nobody knows which one is the user.
create function auth_internal.pending_password(user_id uuid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select min(t.password_hash) from auth.one_time_tokens t
     where t.user_id = pending_password.user_id and t.purpose = 'confirm_email' and t.used_at is null
    having count(distinct t.password_hash) = 1
$$;
comment on function auth_internal.pending_password is 'The password hash of whoever signed up as this user and has confirmed nothing; NULL where there were several, or none with a password.';

-- Services and administrators mail by themselves where there is no hook; nobody else sees a token.
create function auth_internal.send_token(known auth_internal.user_row, recipient text, purpose text, token text) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.has_hook('send_email') then
        perform auth_internal.run_hook('send_email', jsonb_build_object(
            'recipient', recipient, 'purpose', purpose, 'token', token, 'user_id', known.id));
        return '{}';
    elsif auth_internal.may_see_tokens() and token is not null then
        return jsonb_build_object('token', token);
    end if;
    return '{}';
end
$$;
comment on function auth_internal.send_token is 'Has a token mailed; without a hook services and administrators get it as {"token"}.';

create function auth_internal.may_see_tokens() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.is_administrator() or auth.is_service_role() and auth_internal.token_scopes() is null
$$;
comment on function auth_internal.may_see_tokens is 'Is it a service or an administrator who calls?';

-- What all that mails something begins with.
create function auth_internal.enter_mailing() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.enter_sign_in();
    if auth_internal.has_hook('send_email') then
        perform auth_internal.demand_intact('send_email');
        return;
    elsif not auth_internal.may_see_tokens() then
        perform auth_internal.refuse('55000', 'nobody mails tokens', 'An administrator sets the hook send_email with auth.set_hook().');
    end if;
    -- What is returned signs anybody in.
    perform auth_internal.refuse_derived();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_handing_on(null, null);
end
$$;
comment on function auth_internal.enter_mailing is '55000 where no hook mails and it is no service or administrator who calls, 42501 for a service that may not sign in just anybody.';

-- One answer, at one time, whether there is such a user or not.
create function auth_internal.mail_user(email text, purpose text) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    seconds integer;
    known auth_internal.user_row;
    answer jsonb := '{}';
begin
    perform auth_internal.enter_mailing();
    perform auth_internal.demand_address(email);
    seconds := case when auth_internal.may_see_tokens() then 0 else auth_internal.count_mail(email) end;
    if seconds > 0 then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_tries(seconds);
    end if;
    known := auth_internal.user_by_email(email);
    if known.id is not null and not auth_internal.is_banned(known.id::text)
       and (purpose <> 'confirm_email' or known.email_confirmed_at is null) then
        answer := auth_internal.send_token(known, known.email, purpose, auth_internal.make_one_time_token(known, purpose,
            password_hash => case purpose when 'confirm_email' then auth_internal.pending_password(known.id) end));
    else
        perform auth_internal.pretend_one_time_token(purpose);
    end if;
    perform auth_internal.wait_for_answer(started);
    return answer;
end
$$;
comment on function auth_internal.mail_user is 'Has a token for this purpose mailed to a user, if there is one.';

create function auth.send_password_reset(email text) returns jsonb
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select auth_internal.mail_user(send_password_reset.email, 'reset_password')
$$;
comment on function auth.send_password_reset is
    'Everybody: has a token mailed with which the user sets a new password (auth.redeem_token). The answer is {} and comes at a fixed time, whether there is such a user or not; too_many_requests after pg_bearer.max_mails. Without the hook send_email services and administrators get {"token"}, and nobody else may call it. 22023 for what is no e-mail address, 42501 without the hook for a credential that gives nothing that lasts or nothing live, 55000 without it for anybody else.';

create function auth.send_magic_link(email text) returns jsonb
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select auth_internal.mail_user(send_magic_link.email, 'magic_link')
$$;
comment on function auth.send_magic_link is
    'Everybody: has a token mailed with which the user signs in (auth.redeem_token). All else is as with auth.send_password_reset().';

create function auth.send_confirmation(email text) returns jsonb
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select auth_internal.mail_user(send_confirmation.email, 'confirm_email')
$$;
comment on function auth.send_confirmation is
    'Everybody: has a token mailed once more with which the user confirms the address (auth.redeem_token), if it is not confirmed. All else is as with auth.send_password_reset().';

-- Whoever holds the row is using the token.
create function auth_internal.lock_one_time_token(token text) returns auth.one_time_tokens
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    locked auth.one_time_tokens;
begin
    if octet_length(token) = 47 and token ~ '^otp_[A-Za-z0-9_-]{43}$' then
        select * into locked from auth.one_time_tokens t
         where t.token_hash = auth_internal.token_hash(lock_one_time_token.token) and t.used_at is null and t.expires_at > clock_timestamp()
           for update;
    end if;
    return locked;
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.lock_one_time_token is 'The token, which nobody else uses meanwhile; NULL for one that was used, and for any other. 53400 where somebody else is using it for too long.';

-- A password that somebody signed up with is for a user who has not confirmed anything.
create function auth_internal.token_fits(given auth.one_time_tokens, known auth_internal.user_row) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return (known).id is not null and (known).deleted_at is null and not auth_internal.is_banned((known).id::text)
       and auth_internal.folded((known).email) is not distinct from (given).email
       and auth_internal.newest_password((known).id) is not distinct from (given).password_id
       and ((given).password_hash is null or (known).email_confirmed_at is null)
       and coalesce((auth_internal.user_by_email((given).new_email)).id = (known).id, true);
end
$$;
comment on function auth_internal.token_fits is 'Is the user still as when the token was made?';

-- How the session that it gives was begun (the claim amr), as Supabase names it.
create function auth_internal.method_of(purpose text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case method_of.purpose when 'confirm_email' then 'email/signup' when 'reset_password' then 'recovery'
                                  when 'magic_link' then 'magiclink' when 'change_email' then 'email_change' end
$$;
comment on function auth_internal.method_of is 'The method of a session that a one-time token begins.';

create function auth.redeem_token(token text, new_password text default null) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    seconds integer;
    new_hash text;
    redeemed auth.one_time_tokens;
    known auth_internal.user_row;
    is_first boolean;
    its_password uuid;
begin
    perform auth_internal.enter_sign_in();
    perform auth_internal.commit_durably();
    seconds := auth_internal.count_network_try();
    if seconds > 0 then
        return auth_internal.refuse_tries(seconds);
    end if;
    if new_password is not null then
        perform auth_internal.demand_new_password(new_password);
        -- Before anything is locked: others may be hashing theirs. Only for a token that there is.
        if exists (select from auth.one_time_tokens t where t.token_hash = auth_internal.token_hash(token)) then
            new_hash := auth_internal.hash_password(new_password);
        end if;
    end if;
    redeemed := auth_internal.lock_one_time_token(token);
    known := auth_internal.user_by_id(redeemed.user_id::text);
    if auth_internal.token_fits(redeemed, known) is not true then
        return auth_internal.refuse_grant('Token is invalid or has expired');
    elsif (redeemed.purpose = 'reset_password') <> (new_password is not null) then
        perform auth_internal.refuse_token_argument('new_password', 'A token of auth.send_password_reset() sets a new password, and no other one does.');
    end if;
    -- Whoever reads mail to the address has shown it, whatever the token was for.
    is_first := known.email_confirmed_at is null;
    if is_first then
        known := auth_internal.confirmed_user(redeemed);
        if known.id is null then
            return auth_internal.refuse_grant('Token is invalid or has expired');
        end if;
        perform auth_internal.end_what_others_began(known.id::text);
    end if;
    update auth.one_time_tokens t set used_at = clock_timestamp() where t.id = redeemed.id;
    its_password := redeemed.password_id;
    new_hash := coalesce(new_hash, redeemed.password_hash);
    if new_hash is not null then
        its_password := auth_internal.set_password(known.id, new_hash);
        perform auth_internal.end_sessions_of(known.id::text);
    elsif redeemed.purpose = 'magic_link' and is_first and redeemed.password_id is not null then
        -- Whoever set it may have been somebody else, whom the user knows nothing of.
        its_password := auth_internal.take_password(known.id);
    end if;
    perform auth_internal.audit('user.redeem', null, redeemed.purpose, known.id::text);
    return auth_internal.begin_session(known.id::text, auth_internal.method_of(redeemed.purpose), its_password);
end
$$;
comment on function auth.redeem_token is
    'Everybody: uses a token that was mailed, once, and signs its user in, as auth.sign_in_with_password() does. The address counts as confirmed from then on; where nobody had confirmed it, the sessions, tokens, API keys and invitations of the user end, which somebody else may have made, and a password that came with the token is set. One of auth.send_password_reset() sets new_password and ends all sessions; others take none. One of auth.send_magic_link() takes the password away that was set before anybody confirmed the address. A token is worth nothing after its lifetime (pg_bearer.one_time_token_lifetime, an hour at most), and once the user has another address or password. Whatever is wrong with it, the answer is {"error": "invalid_grant", "error_description": "Token is invalid or has expired"}. Bind both. 22023 for a password that is too short or too long, 53400 while somebody else uses the token.';

-- Locked, and looked at once more: others may have changed or confirmed the address meanwhile. Who has confirmed it is not locked, so
-- that no thief who changes something of the user keeps them from setting another password.
create function auth_internal.confirmed_user(redeemed auth.one_time_tokens) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row := auth_internal.locked_user(redeemed.user_id);
begin
    if auth_internal.token_fits(redeemed, known) is not true then
        return null;
    end if;
    return auth_internal.changed_user(known.id, jsonb_strip_nulls(jsonb_build_object(
        'email', redeemed.new_email, 'email_confirmed_at', clock_timestamp(), 'is_anonymous', false)));
exception
    when unique_violation then
        return null;
end
$$;
comment on function auth_internal.confirmed_user is 'The user, whose address is confirmed now; NULL where the token does not fit any more.';

create function auth_internal.end_what_others_began(user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_sessions_of(user_id);
    perform auth_internal.revoke_tokens_of(user_id, null);
    perform auth_internal.end_api_key(k.id, 'its user confirmed an address')
       from auth.api_keys k where k.user_id = end_what_others_began.user_id and k.revoked_at is null;
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth_internal.open_invitations i where i.created_by = end_what_others_began.user_id;
end
$$;
comment on function auth_internal.end_what_others_began is 'Ends the sessions, tokens, API keys and invitations of a user who shows for the first time who they are.';

-- Passwords. A new one is a new row, so that nobody waits for whoever holds the old one.

create function auth_internal.set_password(user_id uuid, hash text) returns uuid
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_id uuid;
begin
    perform auth_internal.commit_durably();
    -- Whoever acts on an older snapshot puts none in the place of one that they do not see.
    if auth_internal.newest_password(user_id) is distinct from (auth_internal.password_of(user_id)).id then
        perform auth_internal.refuse_snapshot();
    end if;
    -- Younger than whatever there is, by whatever clock.
    insert into auth.user_passwords (user_id, hash, created_at)
    values (set_password.user_id, set_password.hash,
            greatest(clock_timestamp(), (select max(p.created_at) + interval '1 microsecond' from auth.user_passwords p where p.user_id = set_password.user_id)))
    returning id into its_id;
    perform auth_internal.forget_passwords(user_id, its_id);
    return its_id;
end
$$;
comment on function auth_internal.set_password is 'Gives a user a password, whose hash this is: what the former one began has ended.';

create function auth_internal.forget_passwords(user_id uuid, but uuid default null) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    with old as (
        select p.id from auth.user_passwords p
         where p.user_id = forget_passwords.user_id and p.id is distinct from but for update skip locked
    )
    delete from auth.user_passwords p using old where p.id = old.id;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.forget_passwords is 'Deletes the passwords of a user, but this one, that nobody holds.';

-- Not only deleted: a row that somebody holds stays, and would be the password.
create function auth_internal.take_password(user_id uuid) returns uuid
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.set_password(take_password.user_id, '*')
$$;
comment on function auth_internal.take_password is 'Leaves a user without a password; what the former one began has ended. Returns what sessions of the user refer to from now on.';

-- In the same row: it is the same password.
create function auth_internal.rehash_password(stored auth.user_passwords, password text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    new_hash text;
begin
    if auth_internal.password_needs_rehash(password, stored.hash) then
        new_hash := auth_internal.hash_password(password);
        with free as (select p.id from auth.user_passwords p where p.id = stored.id for update skip locked)
        update auth.user_passwords p set hash = new_hash from free where p.id = free.id;
    end if;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.rehash_password is 'Hashes a password anew that was hashed otherwise than the settings say.';

create function auth.change_password(current_password text, new_password text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    its_user text;
    known auth_internal.user_row;
    stored auth.user_passwords;
    seconds integer;
    new_hash text;
    its_id uuid;
begin
    its_user := auth_internal.user_in_person('only a user changes a password');
    perform auth_internal.demand_oneself(its_user);
    perform auth_internal.enter_sign_in();
    known := auth_internal.user_by_id(its_user);
    if known.id is null then
        perform auth_internal.refuse('42501', 'the user has no password here', null);
    end if;
    perform auth_internal.demand_new_password(new_password);
    stored := auth_internal.password_of(known.id);
    its_id := stored.id;
    if stored.hash = '*' then
        stored := null;
    end if;
    if stored.id is null and not auth.signed_in_within('1 hour') then
        perform auth_internal.refuse('42501', 'whoever signed in long ago sets no first password', 'Sign in again.');
    elsif stored.id is not null then
        seconds := auth_internal.count_password_try(coalesce(known.email, its_user));
        if seconds > 0 then
            perform auth_internal.wait_for_answer(started);
            return auth_internal.refuse_tries(seconds);
        elsif auth_internal.verify_password(current_password, stored.hash) is not true then
            perform auth_internal.wait_for_answer(started);
            return auth_internal.refuse_grant();
        end if;
    end if;
    new_hash := auth_internal.hash_password(new_password);
    -- Somebody may have set another one, or ended the credential, since they were looked at.
    perform auth_internal.demand_handing_on(null, null);
    if auth_internal.newest_password(known.id) is distinct from its_id then
        perform auth_internal.refuse_snapshot();
    end if;
    its_id := auth_internal.set_password(known.id, new_hash);
    perform auth_internal.end_sessions_of(its_user);
    perform auth_internal.audit('user.change_password', null, null, its_user);
    return auth_internal.begin_session(its_user, 'password', its_id);
end
$$;
comment on function auth.change_password is
    'Users: sets another password, and ends all of their sessions; returns a new one, as auth.sign_in_with_password() does. Without a password so far current_password is not looked at, and the user has to have signed in within the last hour. A wrong current_password is refused, and counted, as there. Bind both. 40001 where somebody set another one meanwhile. 22023 for a new password that is too short (pg_bearer.password_min_length) or longer than 1024 bytes, 42501 for a user of another issuer, an API key, and whoever acts for the user, 28000 without an identity.';

-- New users.

-- Who may make them is for an administrator to say; nobody may, until one does.
create function auth_internal.demand_user_creation(anonymous boolean) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.enter_sign_in();
    if auth_internal.is_administrator() or auth.is_service_role() then
        return;
    elsif current_setting('pg_bearer.user_creation', true) = any (case when anonymous then '{anonymous}' else '{interactive,anonymous}' end::text[]) then
        return;
    end if;
    perform auth_internal.refuse('42501', 'users do not sign up here by themselves',
        'pg_bearer.user_creation lets them. Services and administrators call auth.create_user().');
end
$$;
comment on function auth_internal.demand_user_creation is '42501 where users do not make themselves, 55000 where nobody signs in.';

-- What the hook says against it, if anything.
create function auth_internal.creation_refusal(described auth_internal.user_row) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    said jsonb := auth_internal.run_hook('before_user_created', auth_internal.user_record(described));
begin
    if said -> 'error' is null then
        return null;
    end if;
    return auth_internal.refusal('access_denied', left(coalesce(said -> 'error' ->> 'message', 'The user was not accepted'), 1000), 403);
end
$$;
comment on function auth_internal.creation_refusal is 'The answer where the hook before_user_created returns {"error": {"message"}}; NULL where it does not.';

create function auth_internal.described_user(email text, data jsonb, is_anonymous boolean) returns auth_internal.user_row
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_metadata('data', data);
    return jsonb_populate_record(null::auth_internal.user_row, jsonb_build_object(
        'id', gen_random_uuid(), 'email', email, 'is_anonymous', is_anonymous, 'raw_user_meta_data', auth_internal.merged(data, null),
        'raw_app_meta_data', case when is_anonymous then '{}' else '{"provider": "email", "providers": ["email"]}'::jsonb end,
        'created_at', clock_timestamp(), 'updated_at', clock_timestamp()));
end
$$;
comment on function auth_internal.described_user is 'The row of a user who is to be made; 22023 for metadata that no token could carry.';

-- Makes it, with its password if there is one; NULL where the address was taken.
create function auth_internal.enter_user(described auth_internal.user_row, hash text) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    made auth_internal.user_row;
begin
    perform auth_internal.commit_durably();
    if described.email is not null then
        perform auth_internal.lock_address(described.email);
        perform auth_internal.free_address(described.email);
        if (auth_internal.user_by_email(described.email)).id is not null then
            return null;
        end if;
    end if;
    made := auth_internal.new_user(described);
    if made.id is not null then
        if hash is not null then
            perform auth_internal.set_password(made.id, hash);
        end if;
        perform auth_internal.run_hook('after_user_created', auth_internal.user_record(made));
        perform auth_internal.audit('user.create', null, null, made.id::text, jsonb_build_object('is_anonymous', made.is_anonymous));
    end if;
    return made;
end
$$;
comment on function auth_internal.enter_user is 'Makes a user; NULL where the id or address is taken.';

-- Whoever signs up with an address waits for others who do, whether or not it is a user's already.
create function auth_internal.lock_address(email text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform auth_internal.take_lock('address', encode(substr(sha256(convert_to(auth_internal.folded(email), 'UTF8')), 1, 16), 'hex')::uuid, true, true);
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.lock_address is 'Keeps others from signing up with this address until the transaction ends. 53400 where somebody else does for too long.';

-- Somebody may have held the row of its last user when that one was deleted.
create function auth_internal.free_address(email text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    former auth_internal.user_row := auth_internal.user_by_email(email);
begin
    if former.id is not null and auth_internal.is_deleted(former.id::text) then
        perform auth_internal.clear_user(former.id);
    end if;
end
$$;
comment on function auth_internal.free_address is 'Frees the address of a user who was deleted.';

-- The user, who is no anonymous one of theirs, if this one signs up.
create function auth_internal.anonymous_caller() returns auth_internal.user_row
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row;
begin
    if auth.is_authenticated() and not auth.is_service_role() and auth.api_key_id() is null then
        known := auth_internal.user_by_id(auth.user_id());
        if known.is_anonymous then
            perform auth_internal.demand_oneself(known.id::text);
            return known;
        end if;
    end if;
    return null;
end
$$;
comment on function auth_internal.anonymous_caller is 'The anonymous user who calls; NULL for anybody else.';

create function auth.sign_up(email text, password text, data jsonb default null) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    confirms boolean;
    described auth_internal.user_row;
    anonymous auth_internal.user_row;
    known auth_internal.user_row;
    seconds integer;
    hash text;
    refused jsonb;
    answer jsonb;
begin
    perform auth_internal.demand_user_creation(false);
    -- Not before: settings are there once the library is loaded.
    confirms := auth_internal.confirms_email();
    if confirms then
        perform auth_internal.demand_intact('send_email');
    end if;
    perform auth_internal.demand_address(email);
    perform auth_internal.demand_new_password(password);
    described := auth_internal.described_user(email, data, false);
    anonymous := auth_internal.anonymous_caller();
    seconds := case when confirms then auth_internal.count_mail(email) else auth_internal.count_password_try(email) end;
    if seconds > 0 then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_tries(seconds);
    end if;
    refused := auth_internal.creation_refusal(described);
    if refused is not null then
        return refused;
    end if;
    hash := auth_internal.hash_password(password);
    if anonymous.id is not null then
        answer := auth_internal.sign_up_anonymous(anonymous, described, hash, confirms);
    else
        known := auth_internal.enter_user(described, case when not confirms then hash end);
        if known.id is not null and confirms then
            perform auth_internal.send_token(known, known.email, 'confirm_email',
                auth_internal.make_one_time_token(known, 'confirm_email', password_hash => hash));
        elsif known.id is not null then
            answer := auth_internal.begin_session(known.id::text, 'password', (auth_internal.password_of(known.id)).id);
        else
            answer := auth_internal.sign_up_again(auth_internal.user_by_email(email), password, hash, confirms);
        end if;
    end if;
    if confirms or answer ? 'error' then
        perform auth_internal.wait_for_answer(started);
    end if;
    -- Of a new user and of one that there was already, the same is told.
    return coalesce(answer, jsonb_build_object('user', auth_internal.user_record(described)));
end
$$;
comment on function auth.sign_up is
    'Everybody where pg_bearer.user_creation is interactive or anonymous; services and administrators: a new user with a password. data is an object for user_metadata. Where addresses are confirmed (pg_bearer.confirm_email, by default where the hook send_email is set) the answer is {"user"} without a session, the token is mailed, and nothing tells whether there was such a user: then the address gets a mail with purpose already_registered, and the id in the answer is nobody''s. Otherwise the user is signed in at once, as auth.sign_in_with_password() does, the address is unconfirmed, and one of somebody else''s is refused like a wrong password. An anonymous user who calls becomes this user, with a new session. Bind the password. 22023 for a value that is not allowed, 42501 where users do not sign up, 53400 while too many passwords are being checked or somebody else is taking the address, 55000 where this database makes no tokens.';

-- The address was there. Whoever signed up with it and never came back may have been somebody else: each gets a token, with which the
-- password comes that each chose.
create function auth_internal.sign_up_again(known auth_internal.user_row, password text, hash text, confirms boolean) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    stored auth.user_passwords := auth_internal.password_of(known.id);
begin
    if not confirms then
        if auth_internal.verify_password(password, stored.hash) and not auth_internal.is_banned(known.id::text) then
            return auth_internal.begin_session(known.id::text, 'password', stored.id);
        end if;
        return auth_internal.refuse_grant();
    elsif known.email_confirmed_at is null and known.last_sign_in_at is null
          and known.id is not null and not auth_internal.is_banned(known.id::text) then
        perform auth_internal.send_token(known, known.email, 'confirm_email',
            auth_internal.make_one_time_token(known, 'confirm_email', password_hash => hash));
        return null;
    end if;
    perform auth_internal.pretend_one_time_token('confirm_email');
    if known.id is not null and not auth_internal.is_banned(known.id::text) then
        perform auth_internal.send_token(known, known.email, 'already_registered', null);
    end if;
    return null;
end
$$;
comment on function auth_internal.sign_up_again is 'What signing up does where the address is taken; NULL where nothing is told.';

-- The address is the user's once it is confirmed; where nobody confirms, at once.
create function auth_internal.sign_up_anonymous(anonymous auth_internal.user_row, described auth_internal.user_row, hash text, confirms boolean) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row;
    its_password uuid;
begin
    perform auth_internal.lock_address(described.email);
    perform auth_internal.free_address(described.email);
    known := auth_internal.user_by_email(described.email);
    if confirms then
        if known.id is null then
            perform auth_internal.send_token(anonymous, described.email, 'change_email',
                auth_internal.make_one_time_token(anonymous, 'change_email', described.email, hash));
            return null;
        end if;
        perform auth_internal.pretend_one_time_token('change_email');
        if not auth_internal.is_banned(known.id::text) then
            perform auth_internal.send_token(known, known.email, 'already_registered', null);
        end if;
        return null;
    end if;
    -- They may have become somebody else meanwhile.
    anonymous := auth_internal.locked_user(anonymous.id);
    if anonymous.is_anonymous is not true then
        return auth_internal.refuse_grant();
    end if;
    begin
        known := auth_internal.changed_user(anonymous.id, jsonb_build_object(
            'email', described.email, 'email_confirmed_at', null, 'is_anonymous', false,
            'raw_user_meta_data', auth_internal.merged(anonymous.raw_user_meta_data, described.raw_user_meta_data),
            'raw_app_meta_data', auth_internal.merged(anonymous.raw_app_meta_data, described.raw_app_meta_data)));
    exception when unique_violation then
        return auth_internal.refuse_grant();
    end;
    if known.id is null then
        perform auth_internal.refuse_unwritten();
    end if;
    its_password := auth_internal.set_password(known.id, hash);
    perform auth_internal.end_sessions_of(known.id::text);
    return auth_internal.begin_session(known.id::text, 'password', its_password);
end
$$;
comment on function auth_internal.sign_up_anonymous is 'What signing up does for an anonymous user, who keeps the id; NULL where nothing is told.';

create function auth.sign_in_anonymously(data jsonb default null) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    described auth_internal.user_row;
    known auth_internal.user_row;
    seconds integer;
    refused jsonb;
begin
    perform auth_internal.demand_user_creation(true);
    described := auth_internal.described_user(null, data, true);
    seconds := auth_internal.count_network_try();
    if seconds > 0 then
        return auth_internal.refuse_tries(seconds);
    end if;
    refused := auth_internal.creation_refusal(described);
    if refused is not null then
        return refused;
    end if;
    known := auth_internal.enter_user(described, null);
    if known.id is null then
        perform auth_internal.refuse_unwritten();
    end if;
    return auth_internal.begin_session(known.id::text, 'anonymous');
end
$$;
comment on function auth.sign_in_anonymously is
    'Everybody where pg_bearer.user_creation is anonymous; services and administrators: a new user without address or password, signed in as auth.sign_in_with_password() does. The claim is_anonymous is true. data is an object for user_metadata. auth.sign_up() turns such a user into one who can come back. too_many_requests after pg_bearer.max_sign_in_tries_per_network. 22023 for data that is none, 42501 where users do not, 55000 where this database makes no tokens.';

create function auth.create_user(
    email text default null, password text default null, password_hash text default null, id uuid default null,
    email_confirmed_at timestamptz default null, phone text default null, data jsonb default null, app_metadata jsonb default null,
    is_anonymous boolean default false, created_at timestamptz default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    -- As a record, because linters take the fields of other types for unknown variables.
    described record;
    made auth_internal.user_row;
    hash text := nullif(password_hash, '');
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_handing_on(null, null);
    if email is not null then
        perform auth_internal.demand_address(email);
    elsif email_confirmed_at is not null then
        perform auth_internal.refuse_token_argument('email_confirmed_at', 'There is no address to be confirmed.');
    end if;
    perform auth_internal.demand_metadata('app_metadata', app_metadata);
    if octet_length(phone) not between 1 and 64 then
        perform auth_internal.refuse_token_argument('phone', 'It has 1 to 64 bytes.');
    elsif password is not null and hash is not null then
        perform auth_internal.refuse_token_argument('password_hash', 'Give a password or a hash.');
    elsif hash is not null and auth_internal.is_password_hash(hash) is not true then
        perform auth_internal.refuse_token_argument('password_hash',
            'It is argon2 in the PHC string format, or bcrypt, and takes no more than a second to check.');
    elsif password is not null then
        perform auth_internal.demand_new_password(password);
        hash := auth_internal.hash_password(password);
    end if;
    described := auth_internal.described_user(email, data, coalesce(is_anonymous, false));
    described.id := coalesce(create_user.id, described.id);
    described.email_confirmed_at := create_user.email_confirmed_at;
    described.phone := create_user.phone;
    described.raw_app_meta_data := coalesce(app_metadata, described.raw_app_meta_data);
    described.created_at := coalesce(create_user.created_at, described.created_at);
    if (auth_internal.user_by_id(described.id::text)).id is not null or auth_internal.is_banned(described.id::text) then
        perform auth_internal.refuse('23505', 'there is such a user already', null);
    end if;
    made := auth_internal.enter_user(described, hash);
    if made.id is null then
        perform auth_internal.refuse('23505', 'there is such a user already', null);
    end if;
    return made.id;
end
$$;
comment on function auth.create_user is
    'Services and administrators: makes a user, and returns the id. password, or password_hash: argon2 in the PHC string format or bcrypt, of another system, which takes at most a second and 128 MB to check, and is hashed anew when the user signs in; '''' is none. id, for those who have one already, and created_at; email_confirmed_at for an address that somebody confirmed. data and app_metadata are objects of at most 2048 bytes. Bind the password. 22023 for a value that is not allowed, 23505 for an id or address that is taken, 42501 for anybody else, 28000 without an identity, 53400 while too many passwords are being checked or somebody else is taking the address.';

-- Changing, banning and deleting users. What is decided about a user is a row of auth.user_bans: it waits for nobody.

create function auth.current_user_record() returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row := auth_internal.user_by_id(auth.user_id());
begin
    return case when known.id is not null and known.deleted_at is null then auth_internal.user_record(known) end;
end
$$;
comment on function auth.current_user_record is
    'Who is signed in, as Supabase shows a user: id, email, email_confirmed_at, phone, app_metadata, user_metadata, is_anonymous, last_sign_in_at, created_at and updated_at. NULL without an identity and for a user of another issuer.';

create function auth.update_user(
    user_id text default null, data jsonb default null, app_metadata jsonb default null, email text default null,
    email_confirmed boolean default null, phone text default null
) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    its_user text := coalesce(user_id, case when not unrestricted then auth.user_id() end);
    known auth_internal.user_row;
    changes jsonb := '{}';
begin
    perform auth_internal.demand_oneself(its_user);
    perform auth_internal.demand_handing_on(null, null);
    perform auth_internal.commit_durably();
    if not unrestricted and (app_metadata is not null or email is not null or email_confirmed is not null or phone is not null) then
        perform auth_internal.refuse('42501', 'users change their own data only', 'Services and administrators change the rest.');
    end if;
    known := auth_internal.locked_user((auth_internal.user_by_id(its_user)).id);
    if known.id is null or known.deleted_at is not null or auth_internal.is_deleted(its_user) then
        perform auth_internal.refuse('22023', 'no such user', null);
    end if;
    if data is not null then
        perform auth_internal.demand_metadata('data', data);
        changes := changes || jsonb_build_object('raw_user_meta_data', auth_internal.merged(known.raw_user_meta_data, data));
        perform auth_internal.demand_metadata('data', changes -> 'raw_user_meta_data');
    end if;
    if app_metadata is not null then
        perform auth_internal.demand_metadata('app_metadata', app_metadata);
        changes := changes || jsonb_build_object('raw_app_meta_data', auth_internal.merged(known.raw_app_meta_data, app_metadata));
        perform auth_internal.demand_metadata('app_metadata', changes -> 'raw_app_meta_data');
    end if;
    if email is not null then
        perform auth_internal.demand_address(email);
        perform auth_internal.free_address(email);
        changes := changes || jsonb_build_object('email', email, 'is_anonymous', false, 'email_confirmed_at',
            case when auth_internal.folded(email) = auth_internal.folded(known.email) then known.email_confirmed_at end);
    end if;
    if email_confirmed is not null then
        if coalesce(email, known.email) is null then
            perform auth_internal.refuse_token_argument('email_confirmed', 'There is no address to be confirmed.');
        end if;
        changes := changes || jsonb_build_object('email_confirmed_at', case when email_confirmed then clock_timestamp() end);
    end if;
    if phone is not null then
        if octet_length(phone) > 64 then
            perform auth_internal.refuse_token_argument('phone', 'It has up to 64 bytes; none takes it away.');
        end if;
        changes := changes || jsonb_build_object('phone', nullif(phone, ''));
    end if;
    known := auth_internal.changed_user(known.id, changes);
    if known.id is null then
        perform auth_internal.refuse_unwritten();
    end if;
    perform auth_internal.audit('user.update', null, null, its_user,
        jsonb_build_object('changed', (select jsonb_agg(c order by c) from jsonb_object_keys(changes) c)));
    return auth_internal.user_record(known);
exception
    when unique_violation then
        perform auth_internal.refuse('23505', 'another user has this address', null);
end
$$;
comment on function auth.update_user is
    'Users, for themselves (user_id NULL): data, whose members go into user_metadata; null takes one away. Services and administrators, for anybody, also app_metadata, email, email_confirmed and phone ('''' takes it away). Another address is unconfirmed unless email_confirmed says so, and tokens that were mailed are worth nothing from then on. Returns the user as auth.current_user_record() does; access tokens show it after the next refresh. 22023 for a value that is not allowed and for an unknown user, 23505 for an address of somebody else''s, 42501 for anybody else, 28000 without an identity, 53400 where somebody else holds the user''s row for too long.';

create function auth.ban_user(user_id text, until timestamptz default 'infinity') returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_handing_on(null, null);
    perform auth_internal.decide_about(user_id, until, false);
    if (auth_internal.user_by_id(user_id)).id is not null then
        perform auth_internal.changed_user(auth_internal.token_id(user_id), jsonb_build_object('banned_until', until), waits => false);
    end if;
    perform auth_internal.audit('user.ban', null, null, user_id, jsonb_build_object('until', until));
end
$$;
comment on function auth.ban_user is
    'Services and administrators: until then no credential of this user is accepted: tokens of whatever issuer, API keys, tickets and sessions. NULL, or a time that has passed, ends a ban. user_id is what auth.user_id() gives, and need not be in auth.users. Counts for every authenticate that starts after the commit, and waits for nobody. 22023 for NULL, 42501 for anybody else, 28000 without an identity.';

create function auth_internal.decide_about(user_id text, until timestamptz, is_deleted boolean) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.commit_durably();
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user, in 1 to 1024 bytes.');
    end if;
    -- Later than whatever was decided before, by whatever clock.
    insert into auth.user_bans (user_id, banned_until, is_deleted, created_by, created_at)
    values (decide_about.user_id, until, decide_about.is_deleted, auth_internal.acting_user(),
            greatest(clock_timestamp(), (select max(b.created_at) + interval '1 microsecond' from auth.user_bans b where b.user_id = decide_about.user_id)));
    with old as (
        select b.id from auth.user_bans b
         where b.user_id = decide_about.user_id and not b.is_deleted
           and exists (select from auth.user_bans l where l.user_id = b.user_id and (l.created_at, l.id) > (b.created_at, b.id))
           for update skip locked
    )
    delete from auth.user_bans b using old where b.id = old.id;
exception when serialization_failure then
    perform auth_internal.refuse_snapshot();
end
$$;
comment on function auth_internal.decide_about is 'Bans a user until then, ends a ban, or says that the user is deleted; 22023 for NULL.';

-- What the row of a deleted user keeps: nothing of the user.
create function auth_internal.clear_user(id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.changed_user(clear_user.id, jsonb_build_object(
        'email', null, 'email_confirmed_at', null, 'phone', null, 'raw_app_meta_data', '{}'::jsonb, 'raw_user_meta_data', '{}'::jsonb,
        'banned_until', 'infinity', 'last_sign_in_at', null, 'deleted_at', clock_timestamp()), waits => false);
end
$$;
comment on function auth_internal.clear_user is 'Empties the row of a deleted user, if nobody holds it.';

create function auth.delete_user(user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row;
begin
    perform auth_internal.demand_oneself(user_id);
    perform auth_internal.demand_handing_on(null, null);
    if not auth_internal.is_unrestricted() and not auth.signed_in_within('1 hour') then
        perform auth_internal.refuse('42501', 'whoever signed in long ago deletes no user', 'Sign in again.');
    end if;
    known := auth_internal.user_by_id(user_id);
    if known.id is null then
        perform auth_internal.refuse('22023', 'no such user', 'auth.remove_user() and auth.ban_user() are for users of other issuers.');
    elsif auth_internal.is_deleted(user_id) then
        perform auth_internal.clear_user(known.id);
        return;
    end if;
    perform auth.remove_user(user_id);
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth_internal.open_invitations i where i.email = auth_internal.folded(known.email) and known.email_confirmed_at is not null;
    perform auth_internal.end_sessions_of(user_id);
    perform auth_internal.forget_passwords(known.id);
    perform auth_internal.decide_about(user_id, 'infinity', true);
    perform auth_internal.clear_user(known.id);
    perform auth_internal.audit('user.delete', null, null, user_id);
end
$$;
comment on function auth.delete_user is
    'Users, for themselves, within an hour of signing in; services and administrators, for anybody in auth.users: deletes a user. All of what auth.remove_user() ends, all sessions and the passwords end at once, for good, and no credential of the user is accepted any more. The row stays, with its id and nothing else, because rows of the application may refer to it; where somebody holds it, it is emptied when this is called again or somebody signs up with the address, who is a new user. Waits for nobody. 42501 for the last owner of an organization, for who signed in long ago and for anybody else, 28000 without an identity, 22023 for an unknown user.';

create function auth.list_users(max_rows integer default 100, after uuid default null)
    returns table (id uuid, email text, email_confirmed_at timestamptz, phone text, app_metadata jsonb, user_metadata jsonb,
                   is_anonymous boolean, banned boolean, last_sign_in_at timestamptz, created_at timestamptz, deleted_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    if (max_rows between 1 and 10000) is not true then
        perform auth_internal.refuse_token_argument('max_rows', 'It is from 1 to 10000.');
    end if;
    return query
        select u.id, u.email, u.email_confirmed_at, u.phone, u.raw_app_meta_data, u.raw_user_meta_data, u.is_anonymous,
               auth_internal.is_banned(u.id::text), u.last_sign_in_at, u.created_at, u.deleted_at
          from jsonb_populate_recordset(null::auth_internal.user_row,
                   auth_internal.read_users('page_of_users', jsonb_build_object('after', after, 'most', max_rows))) u
         order by u.id;
end
$$;
comment on function auth.list_users is
    'Services and administrators: the users who sign in here, in the order of their ids; after is the last id of the page before. max_rows is 1 to 10000. banned says what counts, for deleted users too. 22023 for another max_rows, 42501 for anybody else, 28000 without an identity.';

-- The only functions that read and write auth.users: they belong to bearer_users, which can do nothing else, because triggers,
-- policies and columns of the table can have code of others, which runs within them. auth_internal.write_user() and read_users()
-- undo what such code did to the session.

create function auth_internal.find_user(described jsonb) returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    found_user jsonb;
begin
    if described ? 'email' then
        select to_jsonb(u) into found_user from auth.users u where lower(u.email) = described ->> 'email' and u.deleted_at is null;
    else
        select to_jsonb(u) into found_user from auth.users u where u.id = (described ->> 'id')::uuid;
    end if;
    return found_user;
end
$$;
comment on function auth_internal.find_user is 'The user with this email, as auth_internal.folded() writes it, who has not been deleted, or with this id; NULL for none.';

create function auth_internal.page_of_users(described jsonb) returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select jsonb_agg(to_jsonb(p) order by p.id)
              from (select u.* from auth.users u
                     where described ->> 'after' is null or u.id > (described ->> 'after')::uuid
                     order by u.id limit (described ->> 'most')::integer) p);
end
$$;
comment on function auth_internal.page_of_users is 'So many users at most, in the order of their ids, from the one after this id on; NULL for none.';

create function auth_internal.insert_user(described jsonb) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    made auth.users;
begin
    insert into auth.users (id, email, email_confirmed_at, phone, raw_app_meta_data, raw_user_meta_data, is_anonymous, created_at)
    select d.id, d.email, d.email_confirmed_at, d.phone, coalesce(d.raw_app_meta_data, '{}'), coalesce(d.raw_user_meta_data, '{}'),
           coalesce(d.is_anonymous, false), coalesce(d.created_at, clock_timestamp())
      from jsonb_populate_record(null::auth.users, described) d
        on conflict do nothing
    returning * into made;
    return case when made.id is not null then to_jsonb(made) end;
end
$$;
comment on function auth_internal.insert_user is 'Makes the row of a user; NULL where the id or the address is somebody''s already. 55P03 where somebody is making the same one.';

-- Never FOR UPDATE: rows of the application that refer to a user hold its key. First locked, then read: what others changed
-- meanwhile stays.
create function auth_internal.change_user(described jsonb) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    changed auth.users;
    waits boolean := coalesce((described ->> 'waits')::boolean, false);
begin
    if waits then
        perform from auth.users u where u.id = (described ->> 'id')::uuid for no key update;
    else
        begin
            -- Whoever makes a foreign key to the table holds all of it.
            lock table auth.users in row exclusive mode nowait;
        exception when lock_not_available then
            return null;
        end;
        perform from auth.users u where u.id = (described ->> 'id')::uuid for no key update skip locked;
    end if;
    if not found then
        return null;
    elsif described -> 'changes' = 'null' then
        return (select to_jsonb(u) from auth.users u where u.id = (described ->> 'id')::uuid);
    end if;
    update auth.users u
       set email = n.email, email_confirmed_at = n.email_confirmed_at, phone = n.phone, raw_app_meta_data = n.raw_app_meta_data,
           raw_user_meta_data = n.raw_user_meta_data, is_anonymous = n.is_anonymous, banned_until = n.banned_until,
           last_sign_in_at = n.last_sign_in_at, deleted_at = n.deleted_at, updated_at = clock_timestamp()
      from auth.users o cross join lateral jsonb_populate_record(o, (described -> 'changes') - array['id', 'created_at', 'updated_at']) n
     where u.id = (described ->> 'id')::uuid and o.id = u.id
    returning u.* into changed;
    return case when changed.id is not null then to_jsonb(changed) end;
end
$$;
comment on function auth_internal.change_user is 'Changes the row of a user, which without waits nobody may hold, or for no changes only locks it; NULL where there is none, or somebody does. 23505 for an address of somebody else''s, 55P03 where the wait is too long.';

create function auth_internal.refuse_busy() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('53400', 'somebody else is changing the same', 'Try again.');
end
$$;
comment on function auth_internal.refuse_busy is 'The error for a wait that was too long (53400).';

create function auth_internal.refuse_unwritten() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('55000', 'auth.users could not be written', 'A trigger on it may have said so.');
end
$$;
comment on function auth_internal.refuse_unwritten is 'The error for a row that a trigger kept from being written (55000).';

create function auth_internal.new_user(described auth_internal.user_row) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.write_user('insert_user', to_jsonb(described)));
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.new_user is 'Makes the row of a user; NULL where the id or the address is taken, 53400 where somebody is just taking it.';

-- What changes and who waits is named, so that no trigger sees more than the row.
create function auth_internal.changed_user(id uuid, changes jsonb, waits boolean default true) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.write_user('change_user', jsonb_build_object('id', changed_user.id, 'changes', changes, 'waits', waits)));
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.changed_user is 'Changes the row of a user, and returns it; NULL where there is none or, without waits, somebody holds it; 53400 where the wait is too long.';

-- What is changed by what the row says is asked of this one.
create function auth_internal.locked_user(id uuid) returns auth_internal.user_row
    language sql set search_path = pg_catalog, pg_temp as $$
    select l.* from auth_internal.changed_user(locked_user.id, null) l
$$;
comment on function auth_internal.locked_user is 'The row of a user as it is now, which nobody else changes until the transaction ends; NULL where there is none, 53400 where the wait is too long.';

-- Workspaces and their members. What somebody may do in a workspace's place depends on his role in its
-- organization; his role in the workspace is for the application.

create function auth.create_workspace(
    org_id uuid, name text, slug text default null, metadata jsonb default '{}'
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, 'workspaces.write');
    new_id uuid;
    violated text;
begin
    perform auth_internal.demand_creatable('workspaces', org_id);
    insert into auth.workspaces (org_id, name, slug, metadata) values (org_id, name, slug, metadata)
    returning workspaces.id into new_id;
    if auth_internal.acting_user() is not null then
        perform auth_internal.demand_scopes(actor.permissions);
        perform auth_internal.insert_workspace_member(new_id, auth_internal.acting_user(), actor.id, auth_internal.acting_user());
    end if;
    perform auth_internal.demand_handing_on(org_id, null);
    perform auth_internal.audit('workspace.create', org_id, new_id::text, auth_internal.acting_user());
    return new_id;
exception
    when unique_violation then
        raise unique_violation using message = 'this slug is taken';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('workspaces', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('workspaces', violated);
end
$$;
comment on function auth.create_workspace is
    'With workspaces.write: creates a workspace and returns its id. A user becomes a member of it with his role in the organization. 22023 for a value that is not allowed, 23505 for a slug that is taken there, 42501 when the caller may not or the organization is unknown or not his or NULL, 54000 for a user where the organization has pg_bearer.max_workspaces, or who created too many in an hour, 28000 without an identity.';

create function auth.update_workspace(
    workspace_id uuid, name text default null, slug text default null, metadata jsonb default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.workspaces;
    new auth.workspaces;
    changed jsonb;
    violated text;
begin
    perform auth_internal.enter_workspace(workspace_id, 'workspaces.write');
    select w.* into old from auth.workspaces w where w.id = update_workspace.workspace_id;
    update auth.workspaces w
       set name = coalesce(update_workspace.name, w.name),
           slug = case when update_workspace.slug = '' then null else coalesce(update_workspace.slug, w.slug) end,
           metadata = coalesce(update_workspace.metadata, w.metadata)
     where w.id = update_workspace.workspace_id
    returning w.* into new;
    perform auth_internal.demand_handing_on(new.org_id, null);
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit('workspace.update', new.org_id, workspace_id::text, null,
                                    jsonb_build_object('changed', changed));
    end if;
exception
    when unique_violation then
        raise unique_violation using message = 'this slug is taken';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('workspaces', violated);
end
$$;
comment on function auth.update_workspace is
    'With workspaces.write: changes what is given; NULL leaves it, slug '''' removes the slug. 22023 for a value that is not allowed, 23505 for a slug that is taken, 42501 when the caller may not or it is unknown or not his or NULL, 28000 without an identity.';

create function auth.disable_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.enter_workspace_ending(workspace_id);
    was_enabled boolean := auth_internal.is_enabled('workspace', workspace_id);
    sees_all boolean := auth_internal.sees_all('workspace', workspace_id);
begin
    update auth.workspaces w set disabled_at = coalesce(w.disabled_at, clock_timestamp())
     where w.id = (select f.id from auth.workspaces f
                    where f.id = disable_workspace.workspace_id for no key update skip locked);
    sees_all := sees_all and found;
    sees_all := auth_internal.suspend_members(its_org, workspace_id) and sees_all;
    if not sees_all then
        perform auth_internal.end_beside('workspace', workspace_id, its_org);
    end if;
    if was_enabled then
        perform auth_internal.audit('workspace.disable', its_org, workspace_id::text);
    end if;
end
$$;
comment on function auth.disable_workspace is
    'With workspaces.write: the workspace has no members for the library until auth.enable_workspace(). Waits for nobody. Idempotent. 42501 when the caller may not or it is unknown or not theirs or NULL, 28000 without an identity.';

-- As auth_internal.enter_ending(), for a workspace.
create function auth_internal.enter_workspace_ending(workspace_id uuid) returns uuid
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.workspace_org(workspace_id);
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    perform auth_internal.enter_ending(its_org, 'workspaces.write');
    return its_org;
end
$$;
comment on function auth_internal.enter_workspace_ending is 'The organization of a workspace in which the caller ends something, with workspaces.write.';

create function auth.enable_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    its_org uuid := auth_internal.workspace_org(workspace_id);
    was_enabled boolean;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    -- The organization first, as everybody does.
    perform auth_internal.enter_organization(its_org, 'workspaces.write');
    perform auth_internal.take_lock('workspace', workspace_id, true, true);
    -- Again: it may have been deleted while this waited.
    if auth_internal.workspace_org(workspace_id) is null then
        perform auth_internal.refuse_target('workspace');
    end if;
    was_enabled := auth_internal.is_enabled('workspace', workspace_id);
    delete from auth.endings e where e.target_id = enable_workspace.workspace_id and not e.deleted;
    update auth.workspaces w set disabled_at = null where w.id = enable_workspace.workspace_id;
    update auth.workspace_memberships m set suspended = false
      from auth.organizations o
     where m.workspace_id = enable_workspace.workspace_id and m.suspended and o.id = m.org_id and o.disabled_at is null
       and not exists (select from auth.endings e where e.target_id = o.id);
    perform auth_internal.demand_handing_on(its_org, null);
    if not was_enabled then
        perform auth_internal.audit('workspace.enable', its_org, workspace_id::text);
    end if;
end
$$;
comment on function auth.enable_workspace is
    'With workspaces.write: undoes auth.disable_workspace(). Idempotent. 42501 when the caller may not or it is unknown or not theirs or NULL, 55P03 when somebody makes something in it for 2 seconds, 28000 without an identity.';

create function auth.delete_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.enter_workspace_ending(workspace_id);
begin
    if not auth_internal.sees_all('workspace', workspace_id)
       or not auth_internal.delete_workspace_rows(workspace_id, its_org) then
        perform auth_internal.end_beside('workspace', workspace_id, its_org, deleted => true);
    end if;
    perform auth_internal.audit('workspace.delete', its_org, workspace_id::text);
end
$$;
comment on function auth.delete_workspace is
    'With workspaces.write: deletes a workspace with its memberships and revokes the open invitations to it. Waits for nobody: what somebody holds is worth nothing from now on, and auth.purge_endings() deletes it. Rows of the application stay. 42501 when the caller may not or it is unknown or not theirs or NULL, 28000 without an identity.';

-- Deletes what is in a workspace, and then its row, as far as nobody holds a row. Are all of them gone?
create function auth_internal.delete_workspace_rows(workspace_id uuid, org_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth.invitations i
      where i.org_id = delete_workspace_rows.org_id and i.workspace_id = delete_workspace_rows.workspace_id
        and i.accepted_at is null and i.revoked_at is null;
    delete from auth.workspace_memberships m where m.workspace_id = delete_workspace_rows.workspace_id and m.user_id in
        (select f.user_id from auth.workspace_memberships f
          where f.workspace_id = delete_workspace_rows.workspace_id for update skip locked);
    if exists (select from auth.workspace_memberships m where m.workspace_id = delete_workspace_rows.workspace_id) then
        return false;
    end if;
    delete from auth.workspaces w where w.id =
        (select f.id from auth.workspaces f where f.id = delete_workspace_rows.workspace_id for update skip locked);
    if not found and exists (select from auth.workspaces w where w.id = delete_workspace_rows.workspace_id) then
        return false;
    end if;
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f where f.target_id = delete_workspace_rows.workspace_id for update skip locked);
    return true;
end
$$;
comment on function auth_internal.delete_workspace_rows is 'Deletes a workspace as far as nobody holds its rows; true when nothing is left. The caller has its lock alone.';

-- The organization must be locked, and the caller's right to do it known.
create function auth_internal.insert_workspace_member(workspace_id uuid, user_id text, role_id uuid, created_by text)
    returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    if exists (select from auth_internal.live_workspace_memberships m
                where m.workspace_id = insert_workspace_member.workspace_id
                  and m.user_id = insert_workspace_member.user_id) then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_workspace_member_role() changes the role.';
    end if;
    perform auth_internal.demand_acceptable(user_id, true);
    -- One that has ended beside its row.
    delete from auth.workspace_memberships m
     where m.workspace_id = insert_workspace_member.workspace_id and m.user_id = insert_workspace_member.user_id
       and not exists (select from auth_internal.live_workspace_memberships l
                        where l.id = m.id and l.user_id = m.user_id and l.workspace_id = m.workspace_id);
    insert into auth.workspace_memberships (user_id, workspace_id, org_id, role_id, suspended, created_by, accepted, membership_id)
    select m.user_id, w.id, w.org_id, insert_workspace_member.role_id, m.suspended or w.disabled_at is not null,
           insert_workspace_member.created_by, coalesce(auth_internal.acting_user() = m.user_id, true), m.id
      from auth_internal.live_workspaces w join auth_internal.live_memberships m on m.org_id = w.org_id
     where w.id = insert_workspace_member.workspace_id and m.user_id = insert_workspace_member.user_id;
    if not found then
        perform auth_internal.refuse_member();
    end if;
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(auth_internal.workspace_org(workspace_id), null);
exception
    when unique_violation then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_workspace_member_role() changes the role.';
end
$$;
comment on function auth_internal.insert_workspace_member is
    'Adds a member of the locked organization to its workspace; 23505 when he is there, 22023 when he is no member, 54000 when others have given them too many.';

-- The role of a member of a workspace; 22023 when he is none.
create function auth_internal.workspace_role_of(workspace_id uuid, user_id text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    its_role auth.roles;
begin
    select r.* into its_role
      from auth_internal.live_workspace_memberships m cross join lateral auth_internal.live_role(m.role_id) r
     where m.workspace_id = workspace_role_of.workspace_id and m.user_id = workspace_role_of.user_id;
    if not found then
        perform auth_internal.refuse_member();
    end if;
    return its_role;
end
$$;
comment on function auth_internal.workspace_role_of is
    'The role of a member of a workspace as it counts now; 22023 when he is none.';

create function auth.add_workspace_member(workspace_id uuid, user_id text, role text default 'member')
    returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_workspace(workspace_id, 'workspaces.write');
    granted auth.roles := auth_internal.granted_role(auth_internal.workspace_org(workspace_id), role);
begin
    perform auth_internal.demand_grant(actor, granted);
    perform auth_internal.demand_senior_to(actor, auth_internal.workspace_org(workspace_id), user_id);
    perform auth_internal.insert_workspace_member(workspace_id, user_id, granted.id, auth_internal.acting_user());
    perform auth_internal.audit('workspace_member.add', auth_internal.workspace_org(workspace_id), workspace_id::text, user_id,
                                jsonb_build_object('role', auth_internal.role_name(granted)));
end
$$;
comment on function auth.add_workspace_member is
    'With workspaces.write: makes a member of the organization one of the workspace, with a role that the caller may grant as one who has his role in the organization. The member''s own role in the organization must have a lower rank than that of the caller, who may add themselves and, as an owner, everybody. 23505 when he is one, 22023 for an unknown role or a user who is no member of the organization, 42501 when the caller may not, 54000 when a user adds one whom others, or this user alone, have let into as many workspaces as pg_bearer.max_granted_memberships and ten times pg_bearer.max_granted_by_one allow and who accepted none of them, 28000 without an identity.';

create function auth.set_workspace_member_role(workspace_id uuid, user_id text, role text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.enter_workspace_ending(workspace_id);
    actor auth.roles := auth_internal.acting_role(its_org, 'workspaces.write');
    old auth.roles := auth_internal.workspace_role_of(workspace_id, user_id);
    granted auth.roles := auth_internal.granted_role(its_org, role);
begin
    perform auth_internal.demand_seniority(actor, old);
    perform auth_internal.demand_senior_to(actor, its_org, user_id);
    -- Unlike in an organization their role here may have a lower rank than the one they act in.
    if user_id = auth_internal.acting_user() and actor.id <> auth_internal.owner_role() then
        raise insufficient_privilege using
            message = 'you cannot change this member', hint = 'Nobody but an owner changes their own role.';
    end if;
    perform auth_internal.demand_grant(actor, granted);
    perform auth_internal.change_workspace_role(m, granted.id)
       from auth.workspace_memberships m
      where m.workspace_id = set_workspace_member_role.workspace_id and m.user_id = set_workspace_member_role.user_id;
    perform auth_internal.demand_handing_on(its_org, null);
    if granted.id <> old.id then
        perform auth_internal.audit('workspace_member.set_role', its_org, workspace_id::text, user_id,
                                    jsonb_build_object('role', auth_internal.role_name(granted), 'was', auth_internal.role_name(old)));
    end if;
end
$$;
comment on function auth.set_workspace_member_role is
    'With workspaces.write: gives a member of a workspace another role. Their old one, and their role in the organization, must have a lower rank than the caller''s own in the organization, and the new one be one that the caller may grant; an owner may change everybody, and nobody else changes themselves. Waits for nobody. 22023 for an unknown member or role, 42501 when the caller may not, 28000 without an identity.';

create function auth.remove_workspace_member(workspace_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    leaves boolean := coalesce(user_id = auth_internal.acting_user(), false);
    its_org uuid := auth_internal.workspace_org(workspace_id);
    actor auth.roles;
    old auth.roles;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    actor := case when leaves then auth_internal.enter_own_ending(its_org)
                  else auth_internal.enter_ending(its_org, 'workspaces.write') end;
    old := auth_internal.workspace_role_of(workspace_id, user_id);
    if not leaves then
        perform auth_internal.demand_seniority(actor, old);
        perform auth_internal.demand_senior_to(actor, its_org, user_id);
    end if;
    perform auth_internal.end_workspace_membership(m)
       from auth.workspace_memberships m
      where m.workspace_id = remove_workspace_member.workspace_id and m.user_id = remove_workspace_member.user_id;
    perform auth_internal.audit('workspace_member.remove', its_org, workspace_id::text, user_id,
                                jsonb_build_object('was', auth_internal.role_name(old)));
end
$$;
comment on function auth.remove_workspace_member is
    'With workspaces.write: removes a member from a workspace, whose role there and in the organization must have a lower rank than the caller''s own in the organization; an owner removes everybody. Anybody may remove themselves. Waits for nobody. 22023 for an unknown member, 42501 when the caller may not, 28000 without an identity.';

create function auth.leave_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.remove_workspace_member(workspace_id, auth_internal.leaving_user());
end
$$;
comment on function auth.leave_workspace is
    'Ends the caller''s own membership of a workspace. 22023 when he is no member of it, 42501 when it is unknown or not his, 28000 without an identity.';

-- PL/pgSQL has no argument and column of one name, so auth.list_workspaces() only passes on what this finds.
create function auth_internal.workspaces_in(its_org uuid)
    returns table (workspace_id uuid, org_id uuid, slug text, name text, metadata jsonb, role text,
                   disabled_at timestamptz, created_at timestamptz)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.read_organization(its_org, null);
    all_of_them boolean := auth_internal.permission_covers(actor.permissions, 'workspaces.write') is true;
begin
    return query
        select w.id, w.org_id, w.slug, w.name, w.metadata, auth_internal.role_name(r), w.disabled_at, w.created_at
          from auth_internal.live_workspaces w
          left join auth_internal.live_workspace_memberships m on m.workspace_id = w.id and m.user_id = auth_internal.acting_user()
          left join lateral auth_internal.live_role(m.role_id) r on true
         where w.org_id = its_org and (all_of_them or m.user_id is not null and not m.suspended)
         order by w.name, w.id;
end
$$;
comment on function auth_internal.workspaces_in is 'What auth.list_workspaces() shows.';

create function auth.list_workspaces(org_id uuid default null)
    returns table (workspace_id uuid, org_id uuid, slug text, name text, metadata jsonb, role text,
                   disabled_at timestamptz, created_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.workspaces_in(coalesce(list_workspaces.org_id, auth.current_org()))
$$;
comment on function auth.list_workspaces is
    'The workspaces of an organization, for NULL of the current one, and the caller''s role in each: with workspaces.write all, else those that he is a member of. 42501 when the organization is unknown or not the caller''s, 28000 without an identity.';

create function auth.list_workspace_members(workspace_id uuid)
    returns table (user_id text, role text, created_at timestamptz, created_by text, accepted boolean, left_out boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.workspace_org(list_workspace_members.workspace_id);
    actor auth.roles;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    actor := auth_internal.read_organization(its_org, null);
    perform from auth_internal.live_workspace_memberships m
      where m.workspace_id = list_workspace_members.workspace_id
        and m.user_id = auth_internal.acting_user() and not m.suspended;
    if not found then
        perform auth_internal.demand_permission(actor, 'workspaces.write');
    end if;
    return query
        select m.user_id, auth_internal.role_name(r), m.created_at, m.created_by, a.accepted,
               not (a.accepted and a.of_org) and not m.suspended
               and auth_internal.is_left_out(m.user_id, m.org_id, m.workspace_id)
          from auth_internal.live_workspace_memberships m cross join lateral auth_internal.live_role(m.role_id) r
          left join auth.memberships o on o.user_id = m.user_id and o.org_id = m.org_id
         cross join lateral (select auth_internal.is_accepted(m.accepted, m.created_by, m.user_id) as accepted,
                                    auth_internal.is_accepted(o.accepted, o.created_by, o.user_id) as of_org) a
         where m.workspace_id = list_workspace_members.workspace_id
         order by m.user_id;
end
$$;
comment on function auth.list_workspace_members is
    'Members of the workspace, and whoever has workspaces.write: the members of a workspace and their roles. accepted is false where another user added them and they never confirmed it, left_out true where they do not count because others gave them too many memberships. 42501 when the caller may not or it is unknown or not his, 28000 without an identity.';

-- Made from sql/topics.txt and the folders in sql/functions/.
create function auth_internal.topics() returns table (place integer, topic text, title text, functions text[])
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    values
        (1, 'credentials', 'Sign in with a token or an API key, and see what is wrong with one', array['authenticate', 'issue_ticket', 'sign_out', 'verify_jwt', 'check_jwt', 'check_api_key', 'explain_credential']),
        (2, 'identities', 'Who is signed in, where he acts and what he may do: for policies and queries', array['uid', 'current_org', 'current_workspace', 'org_ids', 'workspace_ids', 'user_id', 'environment', 'external_org_id', 'external_org_number', 'service_floor', 'service_floor_text', 'service_floor_number', 'in_org', 'is_member', 'is_workspace_member', 'is_authenticated', 'jwt', 'claim', 'identity', 'role', 'email', 'email_verified', 'org_role', 'workspace_role', 'has_permission', 'has_permission_in', 'org_ids_with', 'has_scope', 'session_id', 'aal', 'amr', 'signed_in_within', 'is_service_role', 'api_key_id', 'allows_table', 'set_org', 'require_authenticated', 'require_permission', 'require_org', 'require_aal']),
        (3, 'policies', 'Tables that show and take only the caller''s rows', array['protect', 'unprotect', 'protected_tables']),
        (4, 'migrations', 'Change rows of all tenants, as the owner of their tables', array['recheck_foreign_keys', 'begin_data_migration']),
        (5, 'guarding', 'Keep protected tables protected while they are changed', array['guard', 'unguard', 'guards', 'allow_changes']),
        (6, 'linting', 'Find gaps between tenants, with the SQL that closes them', array['lint', 'organization_columns']),
        (7, 'explain', 'Why a row is visible or not; try policies without a credential', array['act_as', 'explain_access', 'rows_visible_to', 'assert_isolated']),
        (8, 'issuers', 'Whose tokens count, and the keys that verify them', array['add_issuer', 'update_issuer', 'remove_issuer', 'list_issuers', 'list_jwt_keys', 'load_jwks', 'add_jwt_key', 'add_jwt_secret', 'revoke_jwt_key']),
        (9, 'tokens', 'Make tokens of our own, and end tokens of any issuer', array['exchange_api_key', 'impersonate', 'issue_jwt', 'revoke_token', 'revoke_session', 'revoke_user', 'remove_user', 'purge_revocations', 'list_tokens', 'create_signing_key', 'rotate_signing_key', 'set_signing_key_state', 'jwks']),
        (10, 'users', 'Users who sign in here, with a password or by mail', array['set_hook', 'remove_hook', 'list_hooks', 'send_password_reset', 'send_magic_link', 'send_confirmation', 'redeem_token', 'change_password', 'sign_up', 'sign_in_anonymously', 'create_user', 'current_user_record', 'update_user', 'ban_user', 'delete_user', 'list_users']),
        (11, 'sessions', 'Sign in, refresh and sign out', array['sign_in_with_password', 'issue_session', 'sign_out_session', 'list_sessions', 'refresh_session']),
        (12, 'organizations', 'The tenants', array['create_organization', 'update_organization', 'disable_organization', 'enable_organization', 'delete_organization', 'transfer_ownership', 'list_organizations', 'purge_endings']),
        (13, 'members', 'Who belongs to an organization, and with which role', array['confirm_membership', 'add_member', 'set_member_role', 'remove_member', 'leave_organization', 'list_members']),
        (14, 'workspaces', 'Parts of an organization with members of their own', array['create_workspace', 'update_workspace', 'disable_workspace', 'enable_workspace', 'delete_workspace', 'add_workspace_member', 'set_workspace_member_role', 'remove_workspace_member', 'leave_workspace', 'list_workspaces', 'list_workspace_members']),
        (15, 'roles', 'What members may do', array['define_role', 'drop_role', 'list_roles']),
        (16, 'invitations', 'Let somebody join by showing a token', array['create_invitation', 'list_invitations', 'revoke_invitation', 'accept_invitation', 'list_own_invitations', 'decline_invitation']),
        (17, 'membership_sources', 'Take memberships from a table of the application', array['register_membership_source', 'unregister_membership_source', 'list_membership_sources']),
        (18, 'api_keys', 'Create, change, rotate, revoke and list API keys, and limit them', array['create_api_key', 'import_api_key', 'rotate_api_key', 'revoke_api_key', 'update_api_key', 'list_api_keys', 'list_api_key_usage', 'purge_api_keys', 'set_api_key_settings', 'list_api_key_settings', 'touch_api_key']),
        (19, 'sandbox', 'Test data in the same tables', array['purge_sandbox', 'environment_column']),
        (20, 'audit', 'See who changed what', array['list_audit_log', 'purge_audit_log']),
        (21, 'reference', 'This help', array['help'])
$$;
comment on function auth_internal.topics is 'The topics of auth.help(), and the functions of each, in the order in which they are shown.';

-- What an API key is now, for SQL. Views, because whoever reads one needs no grant on what it is made of.

-- The one rule for "this key is alive", for SQL: neither revoked, in its row or beside it, nor past its end,
-- and its organization was not deleted. For a credential
-- that is shown verify decides (src/verify/api_key.rs).
create view auth_internal.live_api_keys as
    select k.* from auth.api_keys k
     where k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())
       and not exists (select from auth.api_key_revocations r where r.key_id = k.id)
       and not exists (select from auth.endings e where e.target_id = k.org_id and e.deleted);
comment on view auth_internal.live_api_keys is 'The API keys that are neither revoked nor past their end, of organizations that were not deleted.';

-- The one rule for when a key should be rotated. The call of the library loads it, and with it the setting: a session that only
-- reads a view has not.
create view auth_internal.api_key_rotations as
    select k.id, k.created_at + s.age as due_at
      from auth_internal.live_api_keys k
     cross join (select case when cardinality(auth.org_ids()) >= 0
                             then nullif(current_setting('pg_bearer.api_key_rotation', true), '0')::interval
                        end) s (age)
     where k.kind <> 'publishable' and k.replaced_by is null and s.age is not null;
comment on view auth_internal.api_key_rotations is 'When live API keys that were not rotated yet should be (pg_bearer.api_key_rotation after they were created). Publishable keys need not.';

create view auth.api_keys_due as
    select k.id, k.name, k.prefix, k.last4, k.kind, k.org_id, k.environment, k.user_id, k.created_at,
           d.due_at, u.last_used_at as last_used
      from auth_internal.api_key_rotations d
      join auth.api_keys k on k.id = d.id
      left join auth.api_key_uses u on u.key_id = k.id
     where d.due_at <= clock_timestamp();
comment on view auth.api_keys_due is 'Administrators: live keys that should be rotated, by pg_bearer.api_key_rotation.';
comment on column auth.api_keys_due.id is 'Identifies the key, for auth.rotate_api_key().';
comment on column auth.api_keys_due.name is 'Its name, for people.';
comment on column auth.api_keys_due.prefix is 'How it begins.';
comment on column auth.api_keys_due.last4 is 'How it ends.';
comment on column auth.api_keys_due.kind is 'secret or service.';
comment on column auth.api_keys_due.org_id is 'Its organization, or NULL.';
comment on column auth.api_keys_due.environment is 'live or test.';
comment on column auth.api_keys_due.user_id is 'Its user, or NULL.';
comment on column auth.api_keys_due.created_at is 'When it was created.';
comment on column auth.api_keys_due.due_at is 'When it was due.';
comment on column auth.api_keys_due.last_used is 'When it was used last, as far as that was noted.';

-- What counts of organizations, workspaces, memberships and invitations, for SQL: their rows, and what has ended beside them
-- (auth.endings). The library has the same rules for a credential in src/pg/store/endings.rs.

create view auth_internal.live_organizations as
    select o.id, o.slug, o.name, o.external_id, o.metadata, o.created_at, o.created_by,
           coalesce(o.disabled_at, (select min(e.ended_at) from auth.endings e where e.target_id = o.id)) as disabled_at
      from auth.organizations o
     where not exists (select from auth.endings e where e.target_id = o.id and e.deleted);
comment on view auth_internal.live_organizations is 'The organizations that were not deleted.';

create view auth_internal.live_workspaces as
    select w.id, w.org_id, w.slug, w.name, w.metadata, w.created_at,
           coalesce(w.disabled_at, (select min(e.ended_at) from auth.endings e where e.target_id = w.id)) as disabled_at
      from auth.workspaces w
     where not exists (select from auth.endings e where e.target_id in (w.id, w.org_id) and e.deleted);
comment on view auth_internal.live_workspaces is 'The workspaces that were not deleted.';

-- A role that somebody changed while the row was held goes before the one in the row, unless the row names a role by now that
-- whoever changed it may not change. Endings count also against a row that was made before them, in a transaction that was not
-- committed yet: of somebody who was removed and added again.
create view auth_internal.live_memberships as
    select m.user_id, m.org_id, coalesce(c.role_id, m.role_id) as role_id,
           m.suspended or exists (select from auth.endings e where e.target_id = m.org_id) as suspended,
           m.created_at, m.created_by, m.id, m.accepted, m.invitation_id
      from auth.memberships m
      left join lateral (select e.role_id from auth.endings e
                          where e.user_id = m.user_id and e.org_id = m.org_id and e.kind = 'membership_role'
                            and (e.target_id = m.id or m.created_at <= e.ended_at)
                            and auth_internal.ending_counts(e.rank, e.former_role_id, m.role_id)
                          order by e.ended_at desc limit 1) c on true
     where not exists (select from auth.endings e
                        where e.target_id = m.invitation_id or e.target_id = m.org_id and e.deleted)
       and not exists (select from auth.endings e
                        where e.user_id = m.user_id and e.org_id = m.org_id and e.kind = 'membership'
                          and (e.target_id = m.id or m.created_at <= e.ended_at)
                          and auth_internal.ending_counts(e.rank, e.former_role_id, m.role_id));
comment on view auth_internal.live_memberships is 'The memberships of organizations that have not ended, with the role that counts.';

create view auth_internal.live_workspace_memberships as
    select w.user_id, w.workspace_id, w.org_id, coalesce(c.role_id, w.role_id) as role_id,
           w.suspended or m.suspended or exists (select from auth.endings e where e.target_id = w.workspace_id) as suspended,
           w.created_at, w.created_by, w.id, w.accepted, w.membership_id
      from auth.workspace_memberships w
      join auth_internal.live_memberships m
        on m.user_id = w.user_id and m.org_id = w.org_id and m.id = coalesce(w.membership_id, m.id)
      left join lateral (select e.role_id from auth.endings e
                          where e.target_id = w.id and e.kind = 'workspace_membership_role'
                          order by e.ended_at desc limit 1) c on true
     where not exists (select from auth.endings e
                        where e.target_id = w.id and e.kind = 'workspace_membership'
                           or e.target_id = w.workspace_id and e.deleted);
comment on view auth_internal.live_workspace_memberships is 'The memberships of workspaces that have not ended, with the role that counts.';

-- The one rule for "this invitation is open". Whether everything else still holds is asked when it is accepted.
create view auth_internal.open_invitations as
    select i.*
      from auth.invitations i
     where i.accepted_at is null and i.revoked_at is null and i.expires_at > clock_timestamp()
       and not exists (select from auth.endings e where e.target_id in (i.id, i.org_id, i.workspace_id))
       and (i.membership_id is null
            or exists (select from auth_internal.live_memberships m
                        where m.user_id = i.created_by and m.org_id = i.org_id and m.id = i.membership_id));
comment on view auth_internal.open_invitations is 'The invitations that were neither accepted nor revoked nor have expired, by somebody who is still the member that they were.';

-- Who owns what, and who may do what: the last step of every install and every update, and the one list of grants.

-- Tables, views and security-definer functions belong to a role that can do nothing else. Only those of the extension:
-- what somebody else put into the schema must not run with that role's rights.
do $$
declare
    target record;
    extension constant pg_catalog.oid :=
        (select e.oid from pg_catalog.pg_extension e where e.extname operator(pg_catalog.=) 'pg_bearer');
begin
    for target in
        select o.kind, o.name, o.wanted
          from (select 'pg_catalog.pg_class'::pg_catalog.regclass as class, c.oid, 'table' as kind,
                       c.oid::pg_catalog.regclass::pg_catalog.text as name, c.relowner as owner,
                       -- The one exception: triggers on it are other people's code, and run as whoever writes it.
                       case when c.oid operator(pg_catalog.=) 'auth.users'::pg_catalog.regclass then 'bearer_users' else 'bearer_owner' end as wanted
                  from pg_catalog.pg_class c where c.relkind in ('r', 'v')
                union all
                select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'function',
                       p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proowner,
                       case when p.pronamespace operator(pg_catalog.=) 'auth_internal'::pg_catalog.regnamespace
                                 and p.proname in ('find_user', 'page_of_users', 'insert_user', 'change_user') then 'bearer_users' else 'bearer_owner' end
                  from pg_catalog.pg_proc p where p.prosecdef) o
          join pg_catalog.pg_depend m on m.classid operator(pg_catalog.=) o.class and m.objid operator(pg_catalog.=) o.oid
         where m.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
           and m.refobjid operator(pg_catalog.=) extension and m.deptype operator(pg_catalog.=) 'e'
           and o.owner operator(pg_catalog.<>) o.wanted::pg_catalog.regrole
    loop
        execute pg_catalog.format('alter %s %s owner to %I', target.kind, target.name, target.wanted);
    end loop;
end
$$;

-- A plan holds the values that it is made for, which may be rows and secrets of others: no caller has them printed.
do $$
declare
    target record;
    extension constant pg_catalog.oid :=
        (select e.oid from pg_catalog.pg_extension e where e.extname operator(pg_catalog.=) 'pg_bearer');
begin
    for target in
        select p.oid::pg_catalog.regprocedure::pg_catalog.text as name
          from pg_catalog.pg_proc p
          join pg_catalog.pg_depend m on m.classid operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
                                     and m.objid operator(pg_catalog.=) p.oid
          join pg_catalog.pg_language l on l.oid operator(pg_catalog.=) p.prolang
         where m.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
           and m.refobjid operator(pg_catalog.=) extension and m.deptype operator(pg_catalog.=) 'e'
           and p.prosecdef and l.lanname in ('plpgsql', 'sql')
    loop
        execute pg_catalog.format('alter function %s set debug_print_plan = off', target.name);
    end loop;
end
$$;

-- Nobody but the owners keeps a right that default privileges or Postgres itself gave to what is new. What was there
-- before an update loses what PUBLIC and our own roles have: the lists below say it again. What administrators
-- granted to others stays, but in auth_internal, where nobody else has anything to do. What is not of the extension is left alone.
do $$
declare
    target record;
    extension constant pg_catalog.oid :=
        (select e.oid from pg_catalog.pg_extension e where e.extname operator(pg_catalog.=) 'pg_bearer');
begin
    for target in
        select o.kind, o.name, a.grantee
          from (select 'pg_catalog.pg_namespace'::pg_catalog.regclass as class, n.oid, 'schema' as kind,
                       pg_catalog.quote_ident(n.nspname) as name, n.oid as schema, n.nspowner as owner,
                       coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
                  from pg_catalog.pg_namespace n
                union all
                select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 'table', c.oid::pg_catalog.regclass::pg_catalog.text,
                       c.relnamespace, c.relowner,
                       -- With what was granted on columns, which a revoke from the table takes away too.
                       pg_catalog.array_cat(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)),
                           array(select x from pg_catalog.pg_attribute a cross join lateral pg_catalog.unnest(a.attacl) x
                                  where a.attrelid operator(pg_catalog.=) c.oid))
                  from pg_catalog.pg_class c
                 where c.relkind in ('r', 'v', 'm', 'p', 'f')
                union all
                select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'function',
                       p.oid::pg_catalog.regprocedure::pg_catalog.text, p.pronamespace, p.proowner,
                       coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
                  from pg_catalog.pg_proc p
                union all
                select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 'type', t.oid::pg_catalog.regtype::pg_catalog.text,
                       t.typnamespace, t.typowner, t.typacl
                  from pg_catalog.pg_type t
                 where t.typelem operator(pg_catalog.=) 0::pg_catalog.oid
                   -- Row types keep what PUBLIC has by default: pg_dump would warn about anything else.
                   and t.typacl is not null) o
          cross join lateral (
               select distinct x.grantee as role,
                      case x.grantee when 0::pg_catalog.oid then 'public'
                           else x.grantee::pg_catalog.regrole::pg_catalog.text end as grantee
                 from pg_catalog.aclexplode(o.acl) x
                where x.grantee operator(pg_catalog.<>) o.owner) a
         where o.schema in ('auth'::pg_catalog.regnamespace, 'auth_internal'::pg_catalog.regnamespace)
           -- The types of tables' rows are members in newer versions only: their tables are in all.
           and exists (select from pg_catalog.pg_depend m
                         left join pg_catalog.pg_type t on o.kind operator(pg_catalog.=) 'type' and t.oid operator(pg_catalog.=) o.oid
                        where m.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                          and m.refobjid operator(pg_catalog.=) extension and m.deptype operator(pg_catalog.=) 'e'
                          and (m.classid operator(pg_catalog.=) o.class and m.objid operator(pg_catalog.=) o.oid
                               or m.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                                  and m.objid operator(pg_catalog.=) t.typrelid))
           and (o.schema operator(pg_catalog.=) 'auth_internal'::pg_catalog.regnamespace
                or a.role in (0, 'bearer_owner'::pg_catalog.regrole, 'bearer_users'::pg_catalog.regrole,
                              'bearer_admin'::pg_catalog.regrole, 'bearer_service'::pg_catalog.regrole)
                or not exists (select from auth_internal.before_update b
                                where b.class operator(pg_catalog.=) o.class and b.object operator(pg_catalog.=) o.oid))
    loop
        execute pg_catalog.format('revoke all on %s %s from %s cascade', target.kind, target.name, target.grantee);
    end loop;
end
$$;

-- Everybody. None of these does for somebody what his credential or his rights do not allow.
grant usage on schema auth to public;
grant execute on function
    auth.authenticate, auth.issue_ticket, auth.sign_out, auth.verify_jwt, auth.uid, auth.user_id, auth.jwt, auth.role, auth.email,
    auth.claim, auth.identity, auth.current_org, auth.current_workspace, auth.org_role, auth.org_ids,
    auth.workspace_ids, auth.id_lists, auth.org_ids_with, auth.in_org, auth.is_member, auth.is_workspace_member,
    auth.has_permission, auth.has_permission_in, auth.has_scope, auth.environment, auth.is_authenticated,
    auth.is_service_role, auth.require_authenticated, auth.require_permission, auth.require_org, auth.email_verified,
    auth.aal, auth.amr, auth.session_id, auth.signed_in_within, auth.require_aal,
    auth.workspace_role, auth.set_org, auth.create_organization, auth.update_organization, auth.disable_organization,
    auth.enable_organization, auth.delete_organization, auth.transfer_ownership, auth.list_organizations,
    auth.add_member, auth.set_member_role, auth.remove_member, auth.leave_organization, auth.list_members,
    auth.confirm_membership,
    auth.create_workspace, auth.update_workspace, auth.disable_workspace, auth.enable_workspace,
    auth.delete_workspace, auth.add_workspace_member, auth.set_workspace_member_role, auth.remove_workspace_member,
    auth.leave_workspace, auth.list_workspaces, auth.list_workspace_members, auth.define_role, auth.drop_role,
    auth.list_roles, auth.create_invitation, auth.list_invitations, auth.revoke_invitation, auth.accept_invitation,
    auth.environment_column, auth.purge_sandbox, auth.check_api_key, auth.api_key_id, auth.allows_table,
    auth.create_api_key, auth.import_api_key, auth.rotate_api_key, auth.revoke_api_key, auth.update_api_key,
    auth.touch_api_key, auth.list_api_keys, auth.list_api_key_usage, auth.purge_api_keys, auth.purge_endings, auth.set_api_key_settings,
    auth.list_api_key_settings, auth.external_org_id, auth.external_org_number, auth.service_floor,
    auth.service_floor_text, auth.service_floor_number, auth.protect, auth.unprotect, auth.protected_tables,
    auth.lint, auth.organization_columns, auth.help, auth.begin_data_migration,
    auth.recheck_foreign_keys, auth.jwks, auth.issue_jwt, auth.exchange_api_key, auth.impersonate, auth.revoke_token,
    auth.revoke_session, auth.revoke_user, auth.remove_user, auth.purge_revocations, auth.list_tokens, auth.list_audit_log,
    auth.sign_up, auth.sign_in_anonymously, auth.sign_in_with_password, auth.refresh_session, auth.redeem_token, auth.issue_session,
    auth.sign_out_session, auth.list_sessions, auth.send_password_reset, auth.send_magic_link, auth.send_confirmation,
    auth.change_password, auth.create_user, auth.update_user, auth.ban_user, auth.delete_user, auth.list_users,
    auth.current_user_record, auth.list_own_invitations, auth.decline_invitation
to public;

-- Everybody, in auth_internal: only what runs as its caller, and why it has to. auth.protect() and auth.unprotect() change a
-- table with the rights of whoever calls them, so that Postgres itself asks whether the table is theirs. So their parts
-- run as the caller too: these make text of the settings and of what the table has, and change nothing.
grant usage on schema auth_internal to public;
grant execute on function
    auth_internal.protection_advice, auth_internal.protection_changes, auth_internal.protection_columns,
    auth_internal.protection_demand_columns, auth_internal.protection_demand_owner, auth_internal.protection_demand_table,
    auth_internal.protection_index,
    auth_internal.protection_is_small, auth_internal.protection_key_suggestions, auth_internal.protection_kinds, auth_internal.protection_memory,
    auth_internal.protection_name, auth_internal.protection_of, auth_internal.protection_organization, auth_internal.protection_plan,
    auth_internal.protection_policies, auth_internal.protection_policy_changes, auth_internal.protection_policy_names, auth_internal.protection_removal,
    auth_internal.protection_role_names, auth_internal.protection_settings, auth_internal.protection_suggestions,
    auth_internal.protection_table_test, auth_internal.protection_test, auth_internal.refuse, auth_internal.refuse_protection
to public;
-- The only ones in C, for the steps of auth.protect() and auth.unprotect(): they do what a call of those would do, with
-- the rights of their caller, believe no settings, and note it in the audit log when something was done.
grant execute on function auth_internal.run_protection, auth_internal.run_unprotection to public;
-- These tell what the catalogs say of tables; everybody may read those.
grant execute on function
    auth_internal.base_type, auth_internal.column_has_index, auth_internal.column_readers,
    auth_internal.foreign_keys_without_org, auth_internal.free_key_name, auth_internal.is_application_schema,
    auth_internal.organization_names, auth_internal.printed_index,
    auth_internal.qualified, auth_internal.table_tree, auth_internal.unique_keys_without_org
to public;
-- These make text of text, for auth.protect().
grant execute on function
    auth_internal.as_block, auth_internal.as_data_migration, auth_internal.pinned, auth_internal.portable, auth_internal.portable_literals, auth_internal.read_by_settings,
    auth_internal.spelt_out
to public;

-- The policy of a data migration asks this as whoever owns the table.
grant execute on function auth_internal.is_migrating to public;
-- auth.recheck_foreign_keys() reads tables with the rights of whoever calls it: this makes text of what the catalogs say.
grant execute on function auth_internal.foreign_key_query to public;

-- auth.help() runs as its caller; these read the declarations, grants and comments of our functions.
grant execute on function
    auth_internal.topics, auth_internal.reference, auth_internal.signature_of, auth_internal.callers_of,
    auth_internal.help_heading, auth_internal.wrapped
to public;

-- Administrators. By its rights on the lists the library knows the role from another one of its name.
grant execute on function
    auth.check_jwt, auth.explain_credential, auth.list_issuers, auth.list_jwt_keys, auth.add_issuer,
    auth.update_issuer, auth.remove_issuer, auth.load_jwks, auth.add_jwt_key, auth.add_jwt_secret,
    auth.revoke_jwt_key, auth.register_membership_source, auth.unregister_membership_source,
    auth.list_membership_sources, auth.act_as, auth.explain_access, auth.rows_visible_to, auth.assert_isolated,
    auth.allow_changes, auth.guards, auth.guard, auth.unguard, auth.create_signing_key, auth.rotate_signing_key,
    auth.set_signing_key_state, auth.purge_audit_log, auth.set_hook, auth.remove_hook, auth.list_hooks
to bearer_admin;
grant select on auth.api_keys_due to bearer_admin;

-- The bodies of security-definer functions run as bearer_owner, also where PUBLIC may not look into our schemas: guards run
-- after every command of everybody.
grant usage on schema auth, auth_internal to bearer_owner;
grant execute on all functions in schema auth_internal to bearer_owner;
-- What reads and writes users, and checks foreign keys to them, runs as bearer_users.
grant usage on schema auth to bearer_users;

-- Functions of an older version that something of a user's still refers to: they refuse, and say why.
do $$
declare
    target record;
begin
    for target in
        select p.oid::pg_catalog.regprocedure as name from pg_catalog.pg_proc p
         where p.pronamespace operator(pg_catalog.=) 'auth_internal'::pg_catalog.regnamespace
           and p.proname operator(pg_catalog.~~) 'retired\_%'::pg_catalog.text
    loop
        execute pg_catalog.format('grant execute on function %s to public', target.name);
    end loop;
end
$$;

-- What administrators had granted on a function that an update made anew.
do $$
declare
    target record;
begin
    for target in
        select p.oid::pg_catalog.regprocedure as name, a.grantee::pg_catalog.regrole as grantee,
               case when pg_catalog.bool_or(a.is_grantable) then ' with grant option' else '' end as option
          from auth_internal.before_update b
          join pg_catalog.pg_proc p on p.proname operator(pg_catalog.=) b.name
                                   and p.pronamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
         cross join lateral pg_catalog.aclexplode(b.acl) a
          join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) a.grantee
          -- Not on what somebody else has put there.
          join pg_catalog.pg_depend m on m.classid operator(pg_catalog.=) b.class and m.objid operator(pg_catalog.=) p.oid
                                     and m.deptype operator(pg_catalog.=) 'e'
         where b.class operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
           and b.object operator(pg_catalog.<>) p.oid and a.grantee operator(pg_catalog.<>) p.proowner
           and r.rolname not in ('bearer_owner', 'bearer_users', 'bearer_admin', 'bearer_service')
         group by p.oid, a.grantee
    loop
        execute pg_catalog.format('grant execute on function %s to %s%s', target.name, target.grantee, target.option);
    end loop;
end
$$;

drop table auth_internal.before_update;
