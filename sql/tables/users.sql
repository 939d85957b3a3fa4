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
