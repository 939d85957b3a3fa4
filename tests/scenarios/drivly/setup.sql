-- The database of Drivly. For psql, in an empty database, as a superuser.
create extension pg_bearer;
create schema api;
select auth.install_postgrest('{api,auth_http}', key_role => 'web_key', service_role => 'web_service');
-- `.read` grants GET, `.write` POST, PUT, PATCH and DELETE.
alter database :"DBNAME" set pg_bearer.http_permissions =
    '/invoices, /profiles, /rpc/auth = tokens.write, /rpc/refresh =, /rpc/sign_in_page =, /rpc/sign_in = sessions.write, '
    '/rpc/create_api_key = api_keys.write, auth_http/rpc/token_password =';
-- A JWT of a session lives for 10 minutes; its refresh token for ever, as sessions do by default.
alter database :"DBNAME" set pg_bearer.access_token_lifetime = 600;

select auth.add_issuer('https://drivly.example/auth', own => true);
select auth.create_signing_key();
-- A user of an application, in the organization that made it.
select auth.define_role('applicant', '{profiles.read,profiles.write}', rank => 100);

create table api.invoices (id uuid primary key default gen_random_uuid(), org_id uuid not null, amount numeric not null);
select auth.protect('api.invoices', resource => 'invoices');
-- Whoever changes rows finds them, without `.read` too. GET is refused by the list above.
create policy found_by_writers on api.invoices for select using (auth.in_org(org_id) and auth.has_permission('invoices.write'));
grant select, insert, update, delete on api.invoices to web_key, web_user;

create table api.profiles (
    id bigint generated always as identity primary key, org_id uuid not null, user_id text not null default auth.user_id(),
    name text, ssn text, card_number text
);
select auth.protect('api.profiles', resource => 'profiles');
create policy own on api.profiles as restrictive to web_user using (user_id = auth.user_id());
-- Users give what is sensitive, and nobody reads it but Drivly's own services.
grant select (id, user_id, name) on api.profiles to web_key, web_user;
grant insert (name, ssn, card_number), update (name, ssn, card_number) on api.profiles to web_user;
grant select on api.profiles to web_service;

-- POST /auth
create function api.auth(permissions text[], expiration timestamptz default null) returns json language sql begin atomic
    select json_build_object('token', auth.issue_jwt(permissions => permissions, expires_at => expiration));
end;

-- POST /auth/refresh. A refusal is committed, so it is no error.
create function api.refresh(refresh_token text) returns json language plpgsql as $$
declare
    answer constant jsonb := auth.refresh_session(refresh_token);
begin
    if answer ? 'error' then
        perform set_config('response.status', '401', true);
        return answer;
    end if;
    return json_build_object('token', answer -> 'access_token', 'refresh_token', answer -> 'refresh_token');
end $$;

-- The dashboard's. Keys create no keys: pg_bearer.api_key_creation.
create function api.create_api_key(name text, scopes text[] default null) returns json language sql begin atomic
    select json_build_object('id', k.id, 'name', k.name, 'key', k.key) from auth.create_api_key(name, scopes => scopes) k;
end;

\ir page.sql
