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
