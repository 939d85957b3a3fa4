-- The database of DramWell. For psql, in an empty database, as a superuser; `supabase_secret` is the JWT secret of the Supabase project.
create extension pg_bearer;
create schema api;
create schema app;
select auth.install_postgrest('{api,auth_http}', service_role => 'web_service');
alter database :"DBNAME" set pg_bearer.http_permissions =
    '/customers, /jobs, /rpc/list_api_keys =, /rpc/create_api_key =, /rpc/revoke_api_key =, '
    'auth_http/rpc/token_password =, auth_http/rpc/token_refresh_token =, auth_http/rpc/get_user =, auth_http/rpc/logout =, '
    'auth_http/rpc/jwks =, auth_http/rpc/settings =, auth_http/rpc/health =';

-- Supabase signs the tokens of users and the keys of the project with one secret, under two names.
select auth.add_issuer('https://abcdefghijklmnopqrst.supabase.co/auth/v1', audiences => '{authenticated}', algorithms => '{HS256}',
                       max_lifetime => '1 hour', memberships_from_claims => true,
                       org_claim => '{app_metadata,org_id}', org_role_claim => '{app_metadata,role}',
                       permissions_claim => '{app_metadata,permissions}');
select auth.add_issuer('supabase', algorithms => '{HS256}', allow_service_role => true);
select auth.add_jwt_secret(i.issuer, :'supabase_secret') from auth.list_issuers() i;
-- Users who sign in here, through the paths of Supabase Auth. Their tokens last an hour, as by default.
select auth.add_issuer('https://api.dramwell.example/auth/v1', own => true, leeway => '0');
select auth.create_signing_key('ES256');

-- What members in our tables may do; owners and admins may do everything. Other users may do what their token says.
select auth.define_role('member', '{organization.read,members.read,workspaces.read,roles.read,customers.*,jobs.*}');
select auth.define_role('viewer', '{organization.read,members.read,workspaces.read,roles.read,jobs.read}');

create table app.customers (
    id bigint generated always as identity primary key, org_id uuid not null, environment text not null, name text not null
);
create table app.jobs (
    id bigint generated always as identity primary key, org_id uuid not null, environment text not null, title text not null
);
select auth.protect('app.customers', environment_column => 'environment', resource => 'customers');
select auth.protect('app.jobs', environment_column => 'environment', resource => 'jobs');
create view api.customers with (security_invoker) as select id, org_id, name from app.customers;
create view api.jobs with (security_invoker) as select id, org_id, title from app.jobs;
grant usage on schema app to web_user, web_service;
grant select, insert, update, delete on app.customers, app.jobs, api.customers, api.jobs to web_user, web_service;

-- Settings > Security > API Keys
create function api.create_api_key(label text, environment text default 'live', scopes text[] default null)
    returns json language sql begin atomic
    select json_build_object('id', k.id, 'label', k.name, 'key', k.key)
      from auth.create_api_key(label, environment => environment, scopes => scopes) k;
end;
create function api.list_api_keys() returns json language sql stable begin atomic
    select coalesce(json_agg(json_build_object('id', k.id, 'label', k.name, 'prefix', k.prefix, 'last4', k.last4, 'scopes', k.scopes)
                             order by k.created_at), '[]')
      from auth.list_api_keys() k;
end;
create function api.revoke_api_key(id uuid) returns void language sql begin atomic
    select auth.revoke_api_key(id);
end;
