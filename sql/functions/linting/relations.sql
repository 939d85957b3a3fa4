-- What auth.lint() says about what stands between a caller and a protected table: views and functions.

-- Tables whose rows are not everybody's, those of this schema among them, and the views through which they are seen.
create or replace function auth_internal.lint_protected(tables oid[]) returns table (relation oid, base oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive bases as (
        select unnest(tables) as oid
        union
        select c.oid from pg_class c where c.relkind in ('r', 'p') and c.relrowsecurity),
    uses as materialized (
        select distinct r.ev_class as relation, d.refobjid as used
          from pg_rewrite r
          join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                          and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
         where r.rulename = '_RETURN'),
    reached as (
        select oid as relation, oid as base from bases
        union
        select u.relation, r.base from reached r join uses u on u.used = r.relation)
    select r.relation, r.base from reached r
$$;
comment on function auth_internal.lint_protected is 'These tables, those with row-level security, and the views on them, each with the table below.';

-- Do the policies of a table not hold for this role?
create or replace function auth_internal.lint_escapes(role_id oid, relation oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.rolsuper or r.rolbypassrls or (not c.relforcerowsecurity and pg_has_role(r.oid, c.relowner, 'usage'))
      from pg_roles r, pg_class c where r.oid = role_id and c.oid = relation
$$;
comment on function auth_internal.lint_escapes is 'Do the policies of a table not hold for this role? NULL when there is no such role or table.';

create or replace function auth_internal.lint_views(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with protected as materialized (select p.relation, p.base from auth_internal.lint_protected(tables) p),
    views as materialized (
        select c.oid, c.relkind, c.relowner, c.relacl
          from pg_class c
         where c.relkind in ('v', 'm') and c.relnamespace = any (namespaces)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')
           and not exists (select from pg_options_to_table(c.reloptions) o
                            where o.option_name = 'security_invoker' and o.option_value::boolean)),
    -- A view that asks for its caller's rights does so also inside of one that does not: only its own tables count.
    bypassed as (
        select v.oid, v.relowner, bool_or(auth_internal.lint_escapes(v.relowner, d.refobjid)) as escapes, min(d.refobjid::regclass::text) as example
          from views v
          join pg_rewrite r on r.ev_class = v.oid
          join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                          and d.refclassid = 'pg_class'::regclass and d.refobjid <> v.oid
         where v.relkind = 'v' and d.refobjid in (select base from protected)
         group by v.oid, v.relowner),
    kept as (
        select v.oid, v.relowner, string_agg(distinct g.name, ', ') as grantees
          from views v
          cross join lateral (
               select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name
                 from aclexplode(v.relacl) x where x.grantee <> v.relowner) g
         where v.relkind = 'm' and v.oid in (select relation from protected)
         group by v.oid, v.relowner),
    -- What is refreshed asks as the owner, when nobody is signed in.
    emptied as (
        select v.oid, v.relowner, min(p.base::regclass::text) as example
          from views v
          join protected p on p.relation = v.oid
          join pg_class c on c.oid = p.base and c.relrowsecurity
         where v.relkind = 'm' and not auth_internal.lint_escapes(v.relowner, p.base)
         group by v.oid, v.relowner)
    select 'view_bypasses', case when escapes then 'error' else 'warning' end, oid::regclass::text,
           case when escapes then format('the view reads %s with the rights of its owner, for whom no policy holds', example)
                else format('the view reads %s with the rights of its owner: policies of other roles do not hold, and none if the owner gets more rights', example) end,
           format('alter view %s set (security_invoker = true)', auth_internal.qualified(oid)), relowner
      from bypassed
    union all
    select 'materialized_view', 'error', oid::regclass::text,
           'a materialized view keeps rows of all organizations and has no policies: whoever has the grant sees them',
           format('revoke all on %s from %s cascade', auth_internal.qualified(oid), grantees), relowner
      from kept
    union all
    select 'materialized_view_empty', 'warning', oid::regclass::text,
           format('REFRESH reads %s as the owner of the materialized view, for whom its policies hold, and keeps none of its rows: no SQL can say whose it is to keep', example),
           null, relowner
      from emptied
$$;
comment on function auth_internal.lint_views is 'Findings of auth.lint() about views.';

-- Functions of the application, and what lets others use them.
create or replace function auth_internal.lint_functions(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with functions as materialized (
        select p.oid, p.oid::regprocedure::text as name, auth_internal.qualified_routine(p.oid) as signature, p.proowner, p.prosrc, p.prosqlbody is not null as is_bound, l.lanname,
               p.provolatile, p.prosecdef, p.prorettype, r.rolsuper or r.rolbypassrls as is_powerful, p.pronamespace,
               (select max(substr(s, 13)) from unnest(p.proconfig) s where starts_with(s, 'search_path=')) as path,
               exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
                         left join pg_roles g on g.oid = x.grantee
                        where x.grantee <> p.proowner and g.rolsuper is not true) as is_open
          from pg_proc p join pg_language l on l.oid = p.prolang join pg_roles r on r.oid = p.proowner
         where p.pronamespace = any (namespaces) and l.lanname not in ('internal', 'c')
           -- Before its text is looked at: a long one costs whoever is told about it, and nobody else.
           and auth_internal.has_rights_of(p.proowner)
           and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                              and d.deptype = 'e')),
    names as materialized (
        select n.nspname::text as schema, c.relname::text as name, p.base
          from auth_internal.lint_protected(tables) p join pg_class c on c.oid = p.relation
          join pg_namespace n on n.oid = c.relnamespace),
    words as materialized (
        select f.oid, w.schema, w.name
          from functions f
          cross join lateral regexp_matches(f.prosrc,
               '(?:\m(?:from|join|into|update|only|table|using)\M|,)\s*(?:("(?:[^"]|"")+"|[[:alpha:]_][\w$]*)\s*\.\s*)?("(?:[^"]|"")+"|[[:alpha:]_][\w$]*)',
               'gi') m
          cross join lateral (
               select case when m[1] like '"%' then replace(substr(m[1], 2, length(m[1]) - 2), '""', '"') else lower(m[1]) end as schema,
                      case when m[2] like '"%' then replace(substr(m[2], 2, length(m[2]) - 2), '""', '"') else lower(m[2]) end as name) w
         where f.prosecdef and f.is_open),
    touched as (
        select w.oid, n.base from words w join names n on n.name = w.name and (w.schema is null or w.schema = n.schema)
        union
        select d.objid, p.base
          from pg_depend d join auth_internal.lint_protected(tables) p on p.relation = d.refobjid
         where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_class'::regclass)
    select 'definer_function', 'error', f.name,
           format('the function reads or writes %s for everybody who may call it, with the rights of its owner, for whom no policy holds',
                  min(t.base::regclass::text)),
           format('alter routine %s security invoker', f.signature), f.proowner
      from functions f join touched t on t.oid = f.oid
     where f.prosecdef and f.is_open and f.prorettype <> 'trigger'::regtype
       and auth_internal.lint_escapes(f.proowner, t.base)
     group by f.oid, f.name, f.signature, f.proowner
    union all
    select 'definer_search_path', case when f.is_powerful then 'error' else 'warning' end, f.name,
           case when f.path is null then 'callers choose what the names in the function mean, and it runs with the rights of its owner'
                else 'tables of the caller''s own in pg_temp come before others, and the function runs with the rights of its owner' end,
           format('alter routine %s set search_path = %s', f.signature,
                  -- set_config() takes names with anything but spaces in them, and SET FROM CURRENT keeps them as they are.
                  case when f.path ~ '^(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)(?:, *(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*))*$'
                       then concat_ws(', ', nullif(regexp_replace(f.path, '^"?pg_temp"?(, *|$)|, *"?pg_temp"?(?=,|$)', '', 'g'), ''), 'pg_temp')
                       when exists (select from pg_namespace n cross join lateral aclexplode(n.nspacl) x
                                     where n.oid = f.pronamespace and x.privilege_type = 'CREATE' and x.grantee = 0)
                       then 'pg_catalog, pg_temp'
                       else format('pg_catalog, %s, pg_temp', f.pronamespace::regnamespace) end), f.proowner
      from functions f
     where f.prosecdef and f.is_open and not f.is_bound
       and (f.path is null or f.path not in ('', '""') 
            and (f.path !~ '(^|, *)"?pg_temp"?$' or f.path ~ '(^|, *)"?pg_temp"?,'))
    union all
    select 'immutable_identity', 'error', f.name,
           'the function asks who is signed in and says that its answer never changes: a prepared statement keeps the answer for others',
           format('alter function %s stable', f.signature), f.proowner
      from functions f
     where f.provolatile = 'i'
       and (f.oid = any (auth_internal.lint_readers(array(select r.name from auth_internal.readers() r))) or f.prosrc ~* '\mcurrent_setting\M')
    union all
    select 'others_code', 'warning', u.object,
           format('%s is called here, and its owner, %I, can make it say and do anything%s', u.function::regprocedure, o.rolname,
                  case when p.prosecdef then '; it runs with his rights, and no SQL can say who else should own it' else '' end),
           -- What its owner wrote is not to run with the rights of the next one.
           case when not p.prosecdef then format('alter routine %1$s security invoker; alter routine %1$s owner to %2$I',
                                                 auth_internal.qualified_routine(u.function), a.rolname) end, c.relowner
      from (select format('%I on %s', p.polname, p.polrelid::regclass) as object, p.polrelid as source, d.refobjid as function
              from pg_policy p
              join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
            union
            select format('%I on %s', g.tgname, g.tgrelid::regclass), g.tgrelid, g.tgfoid
              from pg_trigger g where not g.tgisinternal and g.tgrelid in (select base from auth_internal.lint_protected(tables))) u
      join pg_class c on c.oid = u.source and c.relnamespace = any (namespaces)
      join pg_proc p on p.oid = u.function and p.pronamespace::regnamespace::text <> all (auth_internal.our_schemas())
      join pg_roles o on o.oid = p.proowner and not o.rolsuper
      join pg_roles a on a.oid = c.relowner
     where p.proowner <> c.relowner and not (a.rolsuper is not true and pg_has_role(a.oid, p.proowner, 'member'))
       and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
$$;
comment on function auth_internal.lint_functions is 'Findings of auth.lint() about functions.';
