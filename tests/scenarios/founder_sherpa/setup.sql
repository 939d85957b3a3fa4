-- The database of Founder Sherpa. For psql, in an empty database, as a superuser; `supabase_secret` is the JWT secret of the Supabase project.
create extension pg_bearer;
create schema api;
create schema app;
select auth.install_postgrest('{api,auth_http}', service_role => 'web_service');
-- Every request has the key of the project.
alter database :"DBNAME" set pg_bearer.require_apikey = on;
-- What is not listed is refused.
alter database :"DBNAME" set pg_bearer.http_permissions =
    '/workspaces =, /documents =, /rpc/workspace =, /rpc/create_workspace =, auth_http/rpc/token_password =, '
    'auth_http/rpc/token_refresh_token =, auth_http/rpc/get_user =, auth_http/rpc/logout =';

select auth.add_issuer('https://abcdefghijklmnopqrst.supabase.co/auth/v1', own => true, audiences => '{authenticated}');
select auth.create_signing_key('ES256');
-- The project's anonymous key of before is still taken, beside publishable ones. It names nobody.
select auth.add_issuer('supabase', algorithms => '{HS256}');
select auth.add_jwt_secret('supabase', :'supabase_secret');

-- Rows are of workspaces, and whoever is a member of one has its rows.
create table app.documents (
    id bigint generated always as identity primary key, workspace_id uuid not null, title text not null check (title <> '')
);
select auth.protect('app.documents', org_column => null, workspace_column => 'workspace_id');
create view api.documents with (security_invoker) as select id, workspace_id, title from app.documents;
create view api.workspaces with (security_invoker) as
    select w.workspace_id as id, w.name, w.role
      from auth.list_organizations() o, auth.list_workspaces(o.org_id) w
     where auth.is_workspace_member(w.workspace_id);
grant usage on schema app to web_user, web_service;
grant select, insert, update, delete on app.documents, api.documents to web_user, web_service;
grant select on api.workspaces to web_user;

-- One workspace, with 403 where its rows would be hidden.
create function api.workspace(id uuid) returns json language plpgsql stable as $$
begin
    perform auth.require_workspace(workspace.id);
    return (select json_build_object('id', w.id, 'name', w.name, 'documents', (select count(*) from api.documents d where d.workspace_id = w.id))
              from api.workspaces w where w.id = workspace.id);
end $$;
-- In the user's organization; the user is its first member.
create function api.create_workspace(name text) returns json language plpgsql as $$
begin
    perform set_config('response.status', '201', true);
    return json_build_object('id', auth.create_workspace(auth.current_org(), create_workspace.name), 'name', create_workspace.name);
end $$;
