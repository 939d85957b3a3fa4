-- The database behind PostgREST, as docs/postgrest.md explains it. Needs the extension.

create schema api;
select * from auth.install_postgrest('{api,auth_http}');

create table api.notes (id bigint generated always as identity, org_id uuid not null default auth.current_org(), body text);
select auth.protect('api.notes');
grant select, insert on api.notes to web_user;
create function api.health() returns text language sql begin atomic select 'ok'; end;
-- For EventSource, which sends no headers: a ticket, and what is read with it.
create function api.ticket() returns text language sql return auth.issue_ticket();
create function api.events() returns text language sql stable return 'data: ' || (select count(*) from api.notes) || E' notes\n\n';
