-- What has to be true before anything is created, the roles and the schemas. Each schema comes with a plain CREATE
-- SCHEMA, so that one that somebody else owns is an error and never adopted.

-- Whatever names the script leaves unqualified are Postgres's own, whoever runs it.
set local search_path = pg_catalog, pg_temp;

do $$
declare
    existing record;
    name text;
begin
    if pg_catalog.current_setting('server_encoding') operator(pg_catalog.<>) 'UTF8' then
        raise feature_not_supported using
            message = 'pg_bearer needs a database with encoding UTF8',
            hint = 'Tokens are UTF-8. Create the database with ENCODING ''UTF8''.';
    end if;
    foreach name in array array['auth', 'auth_internal', 'auth_http'] loop
        if exists (select from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) name) then
            raise duplicate_schema using
                message = pg_catalog.format('schema "%s" already exists', name),
                hint = case name when 'auth' then
                    'pg_bearer needs that name to itself. Supabase''s own auth schema cannot be shared: use another database.'
                    else 'pg_bearer needs that name to itself. Rename the schema that is there, or use another database.' end;
        end if;
    end loop;
    foreach name in array array['bearer_owner', 'bearer_users', 'bearer_admin', 'bearer_service'] loop
        select r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb
                   or r.rolreplication as powerful,
               exists (select from pg_catalog.pg_auth_members m
                        where m.member operator(pg_catalog.=) r.oid) as is_member,
               exists (select from pg_catalog.pg_auth_members m
                         join pg_catalog.pg_roles u on u.oid operator(pg_catalog.=) m.member
                        where m.roleid operator(pg_catalog.=) r.oid and not u.rolsuper) as has_members
          into existing
          from pg_catalog.pg_roles r
         where r.rolname operator(pg_catalog.=) name;
        if not found then
            execute pg_catalog.format('create role %I nologin', name);
        elsif existing.powerful or existing.is_member
              or (name in ('bearer_owner', 'bearer_users') and existing.has_members) then
            raise invalid_parameter_value using
                message = pg_catalog.format('role "%s" exists and has rights that it must not have', name),
                hint = 'It must not log in, have attributes or be a member of another role, and nobody may be a member of bearer_owner or bearer_users. Drop it, or take that away.';
        end if;
    end loop;
end
$$;

create schema auth;
create schema auth_internal;
create schema auth_http;

comment on schema auth is
    'Bearer credentials verified in the database, and who belongs to which tenant: identities, issuers, keys, organizations (extension pg_bearer).';
comment on schema auth_internal is 'What the functions of schema auth are made of: call those instead (extension pg_bearer).';
comment on schema auth_http is 'What PostgREST may serve of schema auth (extension pg_bearer).';

-- What was there before an update, with its grants; empty in an install. grants.sql reads and drops it.
create table auth_internal.before_update (class oid not null, object oid not null, name text not null, acl aclitem[]);
