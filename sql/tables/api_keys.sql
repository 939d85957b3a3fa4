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
