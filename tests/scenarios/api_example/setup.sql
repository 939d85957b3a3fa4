-- The database of api.example.com. For psql, in an empty database, as a superuser.
create extension pg_bearer;
create schema api;
create schema app;
select auth.install_postgrest(service_role => 'web_service');
alter database :"DBNAME" set pg_bearer.http_permissions =
    '/rpc/get_user = users.read, /charges, /charges_due, /rpc/list_api_keys =, /rpc/create_api_key =, '
    '/rpc/rotate_api_key =, /rpc/revoke_api_key =, /rpc/purge_sandbox = sandbox.write';

-- Whoever is signed in to the dashboard has a token of ours.
select auth.add_issuer('https://dashboard.example.com', own => true);
select auth.create_signing_key();

create table app.users (
    id text, org_id uuid not null, environment text not null, name text not null,
    primary key (org_id, environment, id)
);
create table app.charges (
    id bigint generated always as identity primary key, org_id uuid not null, environment text not null, amount numeric not null
);
select auth.protect('app.users', environment_column => 'environment', resource => 'users');
select auth.protect('app.charges', environment_column => 'environment', resource => 'charges');
grant usage on schema app to web_anon, web_user, web_service;
grant select on app.users, app.charges to web_user;
grant insert on app.charges to web_user;
grant select, delete on app.users, app.charges to web_service;

create view api.charges with (security_invoker) as select id, amount from app.charges;
grant select, insert on api.charges to web_user;
-- What is charged: the worker that does it reads this with the key of a service.
create view api.charges_due with (security_invoker) as select id, org_id, amount from app.charges where environment = 'live';
grant select on api.charges_due to web_service;

create function api.get_user(id text) returns json language plpgsql stable as $$
declare
    answer json;
begin
    select json_build_object('success', true, 'data', json_build_object('id', u.id, 'name', u.name)) into answer
      from app.users u where u.id = get_user.id;
    if answer is null then
        raise sqlstate 'PT404' using message = 'no such user';
    end if;
    return answer;
end $$;

-- Keys: their ids are key_… and their times end in Z.
create function app.key_name(id uuid) returns text language sql immutable return 'key_' || replace(id::text, '-', '');
create function app.key_id(name text) returns uuid language sql immutable return substr(name, 5)::uuid;
create function app.utc(at timestamptz) returns text language sql stable return to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

create function api.list_api_keys() returns json language sql stable begin atomic
    select json_build_object('success', true, 'data', coalesce(json_agg(json_build_object(
               'id', app.key_name(k.id), 'name', k.name, 'prefix', k.prefix,
               'created_at', app.utc(k.created_at), 'last_used', app.utc(k.last_used)) order by k.created_at), '[]'))
      from auth.list_api_keys() k;
end;
create function api.create_api_key(name text, environment text default 'live', permissions text[] default null, allowed_ips cidr[] default null,
                                   allowed_referrers text[] default null, allowed_endpoints text[] default null)
    returns json language sql begin atomic
    select json_build_object('success', true, 'data', json_build_object('id', app.key_name(k.id), 'name', k.name, 'key', k.key))
      from auth.create_api_key(name, environment => environment, scopes => permissions, allowed_cidrs => allowed_ips,
                               allowed_origins => allowed_referrers, allowed_endpoints => allowed_endpoints) k;
end;
-- Both keys work for another day.
create function api.rotate_api_key(id text) returns json language sql begin atomic
    select json_build_object('success', true, 'data', json_build_object('id', app.key_name(k.id), 'name', k.name, 'key', k.key))
      from auth.rotate_api_key(app.key_id(rotate_api_key.id), '1 day') k;
end;
create function api.revoke_api_key(id text) returns json language sql begin atomic
    select auth.revoke_api_key(app.key_id(id));
    select json_build_object('success', true, 'message', 'API key revoked successfully');
end;

-- What cron calls every night.
create function api.purge_sandbox() returns json language sql begin atomic
    select json_object_agg(p.source, p.deleted) from auth.purge_sandbox('{app.charges}') p;
end;
