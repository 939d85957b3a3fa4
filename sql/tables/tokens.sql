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
