-- What PostgREST needs in the database: its login, the roles of requests, and the settings that name them. Nobody but superusers
-- may store log_parameter_max_length and our settings. Roles belong to the server: a comment tells which ones we made, and no
-- others are dropped. Roles are passed in this order: the login, those of nobody, users, API keys and services.

create or replace function auth.install_postgrest(
    schemas name[] default '{api}', authenticator name default 'authenticator', anonymous_role name default 'web_anon',
    user_role name default 'web_user', key_role name default null, service_role name default null, dry_run boolean default false
) returns table (step integer, action text, line text)
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    roles constant name[] := array[authenticator, anonymous_role, user_role, coalesce(key_role, user_role), service_role];
    statements text[];
begin
    perform auth_internal.demand_superuser('make and take away what PostgREST needs',
                                           'Nobody else may store log_parameter_max_length and settings of pg_bearer.');
    perform auth_internal.demand_postgrest(authenticator, dry_run);
    perform auth_internal.demand_postgrest_roles(install_postgrest.schemas, roles);
    statements := array(select p.statement from auth_internal.postgrest_plan(install_postgrest.schemas, roles) p);
    step := 0;
    action := 'run';
    foreach line in array statements loop
        step := step + 1;
        if not dry_run then
            execute line;
        end if;
        return next;
    end loop;
    if not dry_run and statements <> '{}' then
        perform auth_internal.audit('postgrest.install', null, authenticator::text);
    end if;
    for action, line in select a.action, a.line from auth_internal.postgrest_advice(install_postgrest.schemas, roles) a loop
        step := step + 1;
        return next;
    end loop;
end
$$;
comment on function auth.install_postgrest is
    'Administrators who are superusers: makes what PostgREST needs in this database, and returns it: action run for statements that were run (with dry_run: would be), suggested for those to run oneself where a schema is missing, configure for the lines of PostgREST''s configuration. The login is authenticator (login noinherit, no password) with nothing of the parameters of its statements in the log; roles that cannot log in are those of nobody, of users, of API keys (NULL: as users) and of services (NULL: none; a member of bearer_service), of which it is a member, the settings pg_bearer.http_…_role name them, and they have USAGE on the schemas. A role that exists is taken as it is. Called again it makes what is missing, and no row has the action run where nothing is. Sessions that are open keep their settings: start PostgREST afterwards. 22023 with a hint for NULL elsewhere, a role that could reach past policies (attributes, tables that it owns, roles that it can become) or has two purposes, and schemas of ours and the system. 42501 for others.';

create or replace function auth.uninstall_postgrest(authenticator name default 'authenticator', dry_run boolean default false)
    returns table (step integer, action text, line text)
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    removal record;
    has_run boolean := false;
begin
    perform auth_internal.demand_superuser('make and take away what PostgREST needs',
                                           'Nobody else may store log_parameter_max_length and settings of pg_bearer.');
    perform auth_internal.demand_postgrest(authenticator, dry_run);
    perform auth_internal.commit_durably();
    step := 0;
    -- All is read before anything is done.
    for removal in select r.action, r.line from auth_internal.postgrest_removal(uninstall_postgrest.authenticator) r order by r.place, r.line collate "C" loop
        step := step + 1;
        action := removal.action;
        line := removal.line;
        if action = 'run' and not dry_run then
            execute line;
            has_run := true;
        end if;
        return next;
    end loop;
    if has_run then
        perform auth_internal.audit('postgrest.uninstall', null, authenticator::text);
    end if;
end
$$;
comment on function auth.uninstall_postgrest is
    'Administrators who are superusers: takes away what auth.install_postgrest() made for this login in this database, and returns it: action run for statements that were run (with dry_run: would be), kept for a role of its making that stays, with what else depends on it, suggested for what may have been there before. Settings are reset, the login loses its memberships, and the roles that auth.install_postgrest() made are dropped where nothing else depends on them: grants on tables, members, other databases. Called again it drops those of which that is true by then; no rows where there is nothing. Stop PostgREST first. 22023 for NULL, 42501 for others.';

create or replace function auth_internal.demand_postgrest(authenticator name, dry_run boolean) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if authenticator is null or dry_run is null then
        perform auth_internal.refuse('22023', 'authenticator and dry_run cannot be null', 'Leave them out for what is usual.');
    end if;
end
$$;
comment on function auth_internal.demand_postgrest is '22023 for NULL.';

create or replace function auth_internal.demand_postgrest_roles(schemas name[], roles name[]) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    fault record;
begin
    select f.message, f.hint into fault
      from (select n.place, n.message, n.hint from auth_internal.postgrest_name_faults(demand_postgrest_roles.schemas, demand_postgrest_roles.roles) n
            union all
            select r.place, r.message, r.hint from auth_internal.postgrest_role_faults(demand_postgrest_roles.roles) r) f
     order by f.place, f.message limit 1;
    if found then
        perform auth_internal.refuse('22023', fault.message, fault.hint);
    end if;
end
$$;
comment on function auth_internal.demand_postgrest_roles is '22023 for schemas and roles that auth.install_postgrest() does not take.';

create or replace function auth_internal.may_be_served(name name) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.is_application_schema(may_be_served.name) or may_be_served.name = 'auth_http'
$$;
comment on function auth_internal.may_be_served is 'Is it a schema that PostgREST may serve: an application''s, or the one that is made for it? NULL for NULL.';

create or replace function auth_internal.postgrest_mark(authenticator name) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select jsonb_build_object('by', 'auth.install_postgrest', 'authenticator', postgrest_mark.authenticator)::text
$$;
comment on function auth_internal.postgrest_mark is 'The comment on a role that auth.install_postgrest() made for this login.';

create or replace function auth_internal.postgrest_roles(roles name[]) returns table (place integer, setting text, role name, role_oid oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.place::integer, s.setting, r.role, e.oid
      from unnest(postgrest_roles.roles) with ordinality r (role, place)
      join unnest(array[null, 'pg_bearer.http_anonymous_role', 'pg_bearer.http_user_role', 'pg_bearer.http_key_role',
                        'pg_bearer.http_service_role']) with ordinality s (setting, place) on s.place = r.place
      left join pg_roles e on e.rolname = r.role
     where r.role is not null
$$;
comment on function auth_internal.postgrest_roles is 'The roles of PostgREST: the login, those of nobody, users, API keys and services; the setting that names each, and its number; NULL for one that is missing.';

-- What is stored for all who log in to this database.
create or replace function auth_internal.postgrest_settings() returns table (setting text, role name, role_oid oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select m.parts[1], m.parts[2]::name, r.oid
      from pg_db_role_setting s
      join pg_database d on d.oid = s.setdatabase and d.datname = current_database()
     cross join lateral unnest(s.setconfig) u (setting)
     cross join lateral regexp_match(u.setting, '^(pg_bearer\.http_(?:anonymous|user|key|service)_role)=(.+)$') m (parts)
      left join pg_roles r on r.rolname = m.parts[2]
     where s.setrole = 0 and m.parts is not null
$$;
comment on function auth_internal.postgrest_settings is 'The roles that requests to this database go on as, as it is stored; number NULL for one that does not exist.';

create or replace function auth_internal.postgrest_name_faults(schemas name[], roles name[]) returns table (place integer, message text, hint text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 1, 'anonymous_role, user_role and schemas cannot be null', 'Leave them out for what is usual.'
     where postgrest_name_faults.schemas is null or postgrest_name_faults.roles[2] is null or postgrest_name_faults.roles[3] is null
    union all
    select 2, format('%I cannot be a role of PostgREST', r.role),
           'Names that are empty or begin with pg_, public, none and the roles of pg_bearer are none: choose another one.'
      from auth_internal.postgrest_roles(postgrest_name_faults.roles) r
     where r.role in ('', 'public', 'none') or r.role ~ '^pg_' or r.role in (select o.name from auth_internal.our_roles() o)
    union all
    select 3, format('%I has two purposes', r.role),
           'The login, the role of nobody and the role of services are roles of their own: what is granted to one is for it alone.'
      from auth_internal.postgrest_roles(postgrest_name_faults.roles) r
      join auth_internal.postgrest_roles(postgrest_name_faults.roles) o on o.role = r.role and o.place > r.place
     where (r.place, o.place) <> (3, 4)
    union all
    select 4, 'schemas is empty', 'Name the schemas that PostgREST is to serve, such as {api}.' where postgrest_name_faults.schemas = '{}'
    union all
    select 4, format('PostgREST cannot serve the schema %s', coalesce(quote_ident(s.name), 'null')),
           'Schemas of Postgres and of pg_bearer are served to nobody, and db-schemas has commas and blanks between names: name schemas of your own.'
      from unnest(postgrest_name_faults.schemas) s (name)
     where (auth_internal.may_be_served(s.name) and s.name <> '' and s.name !~ '[,[:space:][:cntrl:]]') is not true
$$;
comment on function auth_internal.postgrest_name_faults is 'What auth.install_postgrest() does not take of these names, and what is to be done; the first one counts.';

create or replace function auth_internal.postgrest_role_faults(roles name[]) returns table (place integer, message text, hint text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with present as materialized (
        select r.place, e.* from auth_internal.postgrest_roles(postgrest_role_faults.roles) r join pg_roles e on e.oid = r.role_oid),
    owners as materialized (
        select c.relowner as oid from pg_class c
          join pg_namespace n on n.oid = c.relnamespace and auth_internal.is_application_schema(n.nspname)
         where c.relkind in ('r', 'p', 'v', 'm', 'f')
        union
        select d.datdba from pg_database d where d.datname = current_database())
    select 5, format('role %I is a superuser, or has BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION', p.rolname),
           format('Choose another role, or take that away: alter role %I nosuperuser nobypassrls nocreaterole nocreatedb noreplication.', p.rolname)
      from present p where p.rolsuper or p.rolbypassrls or p.rolcreaterole or p.rolcreatedb or p.rolreplication
    union all
    select 6, format('role %I exists, and is not what PostgREST logs in as', p.rolname),
           format('PostgREST''s login has no rights but to become others: alter role %I login noinherit, or choose another one.', p.rolname)
      from present p where p.place = 1 and (p.rolinherit or not p.rolcanlogin)
    union all
    select 7, format('role %I owns tables, or the database', p.rolname),
           'An owner switches policies off. Give them to another role, or choose another one here.'
      from present p where p.oid in (select o.oid from owners o)
    union all
    select 8, format('role %I can become %I', p.rolname, d.rolname),
           format('Requests would have its rights. Choose another role, or take that away: revoke %I from whoever has it.', d.rolname)
      from present p join pg_roles d on d.oid <> p.oid and pg_has_role(p.oid, d.oid, 'member')
     where d.rolsuper or d.rolbypassrls or d.rolcreaterole or d.rolreplication or d.rolname ~ '^pg_' and d.rolname <> 'pg_database_owner' or d.oid in (select o.oid from owners o)
        or d.rolname in ('bearer_owner', 'bearer_users', 'bearer_admin')
        or p.place in (2, 3, 4) and d.rolname in ('bearer_service', postgrest_role_faults.roles[5])
        or p.place = 2 and d.rolname = any (postgrest_role_faults.roles)
$$;
comment on function auth_internal.postgrest_role_faults is 'Which of these roles, as they are, PostgREST is not to have, and what is to be done; the first one counts.';
