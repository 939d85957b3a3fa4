-- What auth.install_postgrest() and auth.uninstall_postgrest() run, as text.

-- A role that is not there yet has what PUBLIC has.
create or replace function auth_internal.postgrest_plan(schemas name[], roles name[]) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with wanted as materialized (select r.* from auth_internal.postgrest_roles(postgrest_plan.roles) r),
    login as materialized (select w.role, w.role_oid from wanted w where w.place = 1),
    requests as materialized (
        select min(w.place) as place, w.role, w.role_oid from wanted w where w.place > 1 group by w.role, w.role_oid),
    steps (place, number, statement) as (
        select 1, w.place * 2 + x.number, x.statement
          from (select min(n.place) as place, n.role from wanted n where n.role_oid is null group by n.role) w
         cross join lateral (values
              (0, format('create role %I %s', w.role, case when w.place = 1 then 'login noinherit' else 'nologin' end)),
              (1, format('comment on role %I is %L', w.role, auth_internal.postgrest_mark(postgrest_plan.roles[1])))) x (number, statement)
        union all
        select 2, 0, format('grant bearer_service to %I', w.role)
          from wanted w
         where w.place = 5
           and not exists (select from pg_auth_members m where m.member = w.role_oid and m.roleid = 'bearer_service'::regrole)
        union all
        select 3, r.place, format('grant %I to %I', r.role, l.role)
          from requests r cross join login l
         where not exists (select from pg_auth_members m
                            where m.roleid = r.role_oid and m.member = l.role_oid
                              and coalesce((to_jsonb(m) ->> 'set_option')::boolean, true))
        union all
        select 4, w.place, format('alter database %I set %s = %L', current_database(), w.setting, w.role)
          from wanted w
         where w.place > 1
           and not exists (select from auth_internal.postgrest_settings() s where s.setting = w.setting and s.role = w.role)
        union all
        select 5, s.place, format('alter role %I set %s = 0', l.role, s.setting)
          from login l cross join (values (1, 'log_parameter_max_length'), (2, 'log_parameter_max_length_on_error')) s (place, setting)
         where not exists (select from pg_db_role_setting x
                            where x.setrole = l.role_oid and x.setdatabase = 0 and s.setting || '=0' = any (x.setconfig))
        union all
        select 6, 0, format('grant connect on database %I to %I', current_database(), l.role)
          from login l
         where not case when l.role_oid is null then has_database_privilege('public', current_database(), 'connect')
                        else has_database_privilege(l.role_oid, current_database(), 'connect') end
        union all
        select 7, min(s.place)::integer, format('grant usage on schema %I to %s', n.nspname, string_agg(quote_ident(r.role), ', ' order by r.place))
          from (select u.name, min(u.place) as place from unnest(postgrest_plan.schemas) with ordinality u (name, place) group by u.name) s
          join pg_namespace n on n.nspname = s.name
         cross join requests r
         where not case when r.role_oid is null then has_schema_privilege('public', n.oid, 'usage')
                        else has_schema_privilege(r.role_oid, n.oid, 'usage') end
         group by n.nspname)
    select s.statement from steps s order by s.place, s.number
$$;
comment on function auth_internal.postgrest_plan is 'The statements of auth.install_postgrest() that have something to do, in order.';

create or replace function auth_internal.percent_encoded(part text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select string_agg(case when c.letter ~ '^[A-Za-z0-9_.~-]$' then c.letter
                           else upper(regexp_replace(encode(convert_to(c.letter, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) end, '' order by c.place)
      from regexp_split_to_table(percent_encoded.part, '') with ordinality c (letter, place)
$$;
comment on function auth_internal.percent_encoded is 'The text as it is written in a URI; NULL for NULL.';

-- Nothing in it is a secret, and nothing passes for one.
create or replace function auth_internal.postgrest_advice(schemas name[], roles name[]) returns table (action text, line text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with missing as materialized (
        select s.name, min(s.place) as place from unnest(postgrest_advice.schemas) with ordinality s (name, place)
         where not exists (select from pg_namespace n where n.nspname = s.name) group by s.name),
    lines (place, number, action, line) as (
        select 1, m.place * 2 + x.number, 'suggested', x.line
          from missing m
         cross join lateral (values
              (0, format('create schema %I', m.name)),
              (1, format('grant usage on schema %I to %s', m.name,
                         (select string_agg(distinct quote_ident(r.role), ', ') from auth_internal.postgrest_roles(postgrest_advice.roles) r where r.place > 1)))
              ) x (number, line)
        union all
        select 2, 0, 'configure',
               format('# %I has no password: let it in by peer or cert (pg_hba.conf), or set one with \password', postgrest_advice.roles[1])
         where not exists (select from pg_authid a where a.rolname = postgrest_advice.roles[1] and a.rolpassword is not null)
        union all
        select 3, x.number, 'configure', x.name || ' = ' || x.value
          from (values (1, 'server-host', '"127.0.0.1"'),
                       (2, 'db-uri', format('"postgres://%s@/%s%s"', auth_internal.percent_encoded(postgrest_advice.roles[1]),
                                            auth_internal.percent_encoded(current_database()::text),
                                            case when current_setting('port') <> '5432' then '?port=' || current_setting('port') else '' end)),
                       (3, 'db-schemas', to_json(array_to_string(postgrest_advice.schemas, ', '))::text),
                       (4, 'db-anon-role', to_json(postgrest_advice.roles[2]::text)::text),
                       (5, 'db-pre-request', '"auth.pre_request"'),
                       (6, 'db-config', 'false'),
                       (7, '# jwt-secret', '"32 random characters or more, which only PostgREST and the proxy have"'),
                       (8, 'openapi-mode', '"disabled"')) x (number, name, value))
    select l.action, l.line from lines l order by l.place, l.number
$$;
comment on function auth_internal.postgrest_advice is 'What auth.install_postgrest() suggests, and the lines of PostgREST''s configuration.';

-- DROP ROLE asks for what a role owns and was granted, and takes away the rest silently. A schema's USAGE and CONNECT are what
-- auth.install_postgrest() granted.
create or replace function auth_internal.postgrest_keepers(role oid, installed oid[]) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select string_agg(distinct k.keeper, ', ')
      from (select case when s.dbid in (0, d.oid) then pg_describe_object(s.classid, s.objid, s.objsubid)
                        else 'objects in database ' || coalesce((select quote_ident(o.datname) from pg_database o where o.oid = s.dbid), s.dbid::text) end
              from pg_shdepend s join pg_database d on d.datname = current_database()
             where s.refclassid = 'pg_authid'::regclass and s.refobjid = postgrest_keepers.role
               and not (s.deptype = 'a' and s.dbid = d.oid and s.classid = 'pg_namespace'::regclass
                        and not exists (select from pg_namespace n cross join lateral aclexplode(n.nspacl) x
                                         where n.oid = s.objid and postgrest_keepers.role in (x.grantee, x.grantor)
                                           and (x.privilege_type <> 'USAGE' or x.is_grantable)))
               and not (s.deptype = 'a' and s.classid = 'pg_database'::regclass and s.objid = d.oid
                        and not exists (select from aclexplode(d.datacl) x
                                         where postgrest_keepers.role in (x.grantee, x.grantor)
                                           and (x.privilege_type <> 'CONNECT' or x.is_grantable)))
            union all
            select 'member ' || quote_ident(pg_get_userbyid(m.member))
              from pg_auth_members m where m.roleid = postgrest_keepers.role and m.member <> all (postgrest_keepers.installed)
            union all
            select 'membership in ' || quote_ident(pg_get_userbyid(m.roleid))
              from pg_auth_members m
             where m.member = postgrest_keepers.role and m.roleid <> all (postgrest_keepers.installed) and m.roleid <> 'bearer_service'::regrole
            union all
            select concat('settings', ' of database ' || quote_ident(d.datname))
              from pg_db_role_setting s cross join lateral unnest(s.setconfig) u (setting)
              left join pg_database d on d.oid = s.setdatabase
             where (s.setrole <> 0 or d.datname is distinct from current_database())
               and u.setting ~ '^pg_bearer\.http_[a-z]+_role='
               and split_part(u.setting, '=', 2) = pg_get_userbyid(postgrest_keepers.role)) k (keeper)
$$;
comment on function auth_internal.postgrest_keepers is 'What else depends on a role of PostgREST than these roles and this database''s settings; NULL for nothing.';

create or replace function auth_internal.postgrest_removal(authenticator name) returns table (place integer, action text, line text)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with known as materialized (
        select r.oid, r.rolname, shobj_description(r.oid, 'pg_authid') as mark from pg_roles r
         -- Whatever somebody says of those.
         where r.rolname not in (select o.name from auth_internal.our_roles() o)),
    login as materialized (
        select k.oid, k.rolname, coalesce(starts_with(k.mark, '{"by": "auth.install_postgrest", '), false) as is_ours
          from known k where k.rolname = postgrest_removal.authenticator),
    requests as materialized (
        select k.oid, k.rolname, x.is_ours, x.is_granted
          from known k
         cross join lateral (
              select coalesce(starts_with(k.mark, '{"by": "auth.install_postgrest", '), false) as is_ours,
                     exists (select from pg_auth_members m join login l on l.oid = m.member where m.roleid = k.oid) as is_granted,
                     exists (select from auth_internal.postgrest_settings() s where s.role_oid = k.oid) as is_named) x
         where k.rolname <> postgrest_removal.authenticator
           and (k.mark = auth_internal.postgrest_mark(postgrest_removal.authenticator) or x.is_granted and (x.is_ours or x.is_named))),
    made as materialized (
        select u.oid, u.rolname, u.place,
               auth_internal.postgrest_keepers(u.oid, array(select r.oid from requests r union all select l.oid from login l)) as keepers
          from (select r.oid, r.rolname, 1 as place from requests r where r.is_ours
                union all select l.oid, l.rolname, 2 from login l where l.is_ours) u)
    select 1, 'run', format('alter database %I reset %s', current_database(), s.setting)
      from auth_internal.postgrest_settings() s join requests r on r.oid = s.role_oid
    union all
    select case when r.is_ours or l.is_ours then 2 else 9 end, case when r.is_ours or l.is_ours then 'run' else 'suggested' end,
           format('revoke %I from %I', r.rolname, l.rolname)
      from requests r cross join login l where r.is_granted
    union all
    select 3, 'run', format('revoke usage on schema %I from %I', n.nspname, m.rolname)
      from made m join pg_namespace n on exists (select from aclexplode(n.nspacl) x where x.grantee = m.oid) where m.keepers is null
    union all
    select 4, 'run', format('revoke connect on database %I from %I', d.datname, m.rolname)
      from made m join pg_database d on d.datname = current_database() and exists (select from aclexplode(d.datacl) x where x.grantee = m.oid)
     where m.keepers is null
    union all
    select 4 + m.place, 'run', format('drop role %I', m.rolname) from made m where m.keepers is null
    union all
    select 8, 'kept', format('%I: %s', m.rolname, m.keepers) from made m where m.keepers is not null
    union all
    select 9, 'suggested', format('alter role %I reset %s', l.rolname, split_part(u.setting, '=', 1))
      from login l join pg_db_role_setting s on s.setrole = l.oid and s.setdatabase = 0
     cross join lateral unnest(s.setconfig) u (setting)
     where not l.is_ours and u.setting in ('log_parameter_max_length=0', 'log_parameter_max_length_on_error=0')
       and exists (select from requests)
$$;
comment on function auth_internal.postgrest_removal is 'What auth.uninstall_postgrest() runs, keeps and suggests, by place.';
