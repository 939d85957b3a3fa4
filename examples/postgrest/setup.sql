-- The database behind PostgREST, as docs/postgrest.md explains it. Needs the extension.

create role authenticator login noinherit;
create role web_anon nologin;
create role web_user nologin;
grant web_anon, web_user to authenticator;
-- Which role it is follows from who is signed in, and not from what was sent.
do $$ begin
    execute format('alter database %I set pg_bearer.http_anonymous_role = ''web_anon''', current_database());
    execute format('alter database %I set pg_bearer.http_user_role = ''web_user''', current_database());
    execute format('alter database %I set pg_bearer.http_key_role = ''web_user''', current_database());
end $$;
-- PostgREST binds the headers of a request: no statement's parameters in the log.
alter role authenticator set log_parameter_max_length = 0;
alter role authenticator set log_parameter_max_length_on_error = 0;

create schema api;
grant usage on schema api to web_anon, web_user;
create table api.notes (id bigint generated always as identity, org_id uuid not null default auth.current_org(), body text);
select auth.protect('api.notes');
grant select, insert on api.notes to web_user;
create function api.health() returns text language sql begin atomic select 'ok'; end;
-- For EventSource, which sends no headers: a ticket, and what is read with it.
create function api.ticket() returns text language sql return auth.issue_ticket();
create function api.events() returns text language sql stable return 'data: ' || (select count(*) from api.notes) || E' notes\n\n';
