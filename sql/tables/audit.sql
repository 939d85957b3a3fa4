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
    details jsonb not null default '{}',
    request_id text
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
comment on column auth.audit_log.request_id is 'The id of the HTTP request (X-Request-Id in request.headers): 1 to 128 ASCII letters, digits and characters of ._:=- that look like no credential. NULL: none, or another text. Whoever runs SQL can make it up.';
comment on index auth.audit_log_org is 'Finds what was done in an organization, by time.';
comment on index auth.audit_log_occurred_at is 'Finds the newest rows, and those that are old.';
alter table auth.audit_log enable row level security;
select pg_catalog.pg_extension_config_dump('auth.audit_log'::pg_catalog.regclass, '');
