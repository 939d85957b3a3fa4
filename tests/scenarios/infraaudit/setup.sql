-- The database of InfraAudit. For psql, in an empty database, as a superuser; `supabase_secret` is the JWT secret of the Supabase project.
create extension pg_bearer;
create schema api;
create schema app;
select auth.install_postgrest('{api,auth_http}');
-- What is not listed is refused.
alter database :"DBNAME" set pg_bearer.http_permissions =
    'api/resources, api/drifts, api/rpc/drift_events = drifts.read, api/rpc/login =, api/rpc/list_api_keys = api_keys.read, '
    'api/rpc/create_api_key = api_keys.write, api/rpc/revoke_api_key =, auth_http/rpc/create_ticket =, auth_http/rpc/jwks =, '
    'auth_http/rpc/token_password =, auth_http/rpc/token_refresh_token =, auth_http/rpc/get_user =, auth_http/rpc/logout =';
alter database :"DBNAME" set pg_bearer.api_key_prefix = 'ia';

-- ES256: who signs in here, by supabase-js, POST /v1/api/login or the CLI.
select auth.add_issuer('https://api.infraaudit.dev/auth/v1', own => true, audiences => '{authenticated}');
select auth.create_signing_key('ES256');
-- HS256: tokens of the Supabase project, whose users have the same ids here.
select auth.add_issuer('https://abcdefghijklmnopqrst.supabase.co/auth/v1', audiences => '{authenticated}', algorithms => '{HS256}',
                       max_lifetime => '1 hour');
select auth.add_jwt_secret('https://abcdefghijklmnopqrst.supabase.co/auth/v1', :'supabase_secret');

-- What members may do; owners and admins may do everything.
select auth.define_role('member', '{organization.read,members.read,workspaces.read,roles.read,resources.*,drifts.read}');
select auth.define_role('viewer', '{organization.read,members.read,workspaces.read,roles.read,resources.read}');

-- Users have a number and a role here: the row is made with the user, by the hook.
create table app.users (
    id bigint generated always as identity primary key, user_id uuid not null unique references auth.users (id),
    role text not null default 'user'
);
alter table app.users enable row level security;
create role infraaudit_hook nologin;
create policy own on app.users for select using (user_id = auth.uid());
create policy new on app.users for insert to infraaudit_hook with check (true);
grant usage on schema app to web_anon, web_user, infraaudit_hook;
grant select on app.users to web_anon;
grant insert (user_id) on app.users to infraaudit_hook;
create function app.number_user(made jsonb) returns void language sql begin atomic
    insert into app.users (user_id) values ((made ->> 'id')::uuid);
end;
grant create on schema app to infraaudit_hook;
alter function app.number_user(jsonb) owner to infraaudit_hook;
revoke create on schema app from infraaudit_hook;
select auth.set_hook('after_user_created', 'app.number_user');

create table app.resources (
    id bigint generated always as identity primary key, org_id uuid not null, name text not null
);
create table app.drifts (
    id bigint generated always as identity primary key, org_id uuid not null, resource_id bigint not null references app.resources,
    what text not null
);
create table app.api_keys (
    id bigint generated always as identity primary key, org_id uuid not null, key_id uuid not null unique
);
select auth.protect('app.resources', resource => 'resources');
select auth.protect('app.drifts', resource => 'drifts');
select auth.protect('app.api_keys', resource => 'api_keys');
create view api.resources with (security_invoker) as select id, name from app.resources;
create view api.drifts with (security_invoker) as select id, resource_id, what from app.drifts;
grant select, insert, update, delete on app.resources, api.resources to web_user;
grant select on app.drifts, api.drifts to web_user;
grant select, insert (key_id) on app.api_keys to web_user;

-- POST /v1/api/login. A wrong password is 401; too many tries stay 429.
create function api.login(json) returns json language plpgsql as $$
declare
    answer constant jsonb := auth.sign_in_with_password($1 ->> 'email', $1 ->> 'password');
    known app.users;
begin
    if answer ->> 'error' = 'invalid_grant' then
        perform set_config('response.status', '401', true),
                set_config('response.headers', '[{"WWW-Authenticate": "Bearer"}, {"Cache-Control": "no-store"}]', true);
    end if;
    if answer ? 'error' then
        return answer;
    end if;
    perform auth.authenticate(answer ->> 'access_token');
    select * into known from app.users u where u.user_id = auth.uid();
    return json_build_object('user', json_build_object('id', known.id, 'email', auth.email(), 'role', known.role),
                             'token', answer -> 'access_token');
end $$;

-- Settings > API Keys. Keys have numbers here.
create function api.create_api_key(name text default null) returns json language plpgsql as $$
declare
    made record;
    number bigint;
begin
    select * into made from auth.create_api_key(create_api_key.name);
    insert into app.api_keys (key_id) values (made.id) returning id into number;
    perform set_config('response.status', '201', true), set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
    return json_build_object('id', number, 'name', made.name, 'key', made.key);
end $$;
create function api.list_api_keys() returns json language sql stable begin atomic
    select coalesce(json_agg(json_build_object('id', n.id, 'name', k.name, 'prefix', k.prefix, 'last4', k.last4) order by n.id), '[]')
      from auth.list_api_keys() k join app.api_keys n on n.key_id = k.id;
end;
create function api.revoke_api_key(id bigint) returns void language plpgsql as $$
declare
    its_key uuid;
begin
    select n.key_id into its_key from app.api_keys n where n.id = revoke_api_key.id;
    if its_key is null then
        raise sqlstate 'PT404' using message = 'no such key';
    end if;
    perform auth.revoke_api_key(its_key);
end $$;

-- GET /api/ws/drifts: what is new, and the browser asks again with the id of the last one.
create domain api."text/event-stream" as text;
create function api.drift_events() returns api."text/event-stream" language sql stable as $$
    select E'retry: 5000\n\n' || coalesce(string_agg(format(E'id: %s\nevent: drift\ndata: %s\n\n', d.id, to_json(d)), '' order by d.id), '')
      from (select d.id, d.resource_id, d.what from api.drifts d
             where d.id > coalesce(substring(current_setting('request.headers')::json ->> 'last-event-id' from '^[0-9]{1,18}$')::bigint, 0)
             order by d.id limit 100) d
$$;
