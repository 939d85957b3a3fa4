-- What a protected table lacks, and the statement that is right.

create or replace function auth_internal.protection_role_names(settings jsonb) returns name[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select array(select case r when '0' then 'public' else pg_get_userbyid(r::oid) end
                   from jsonb_array_elements_text(protection_role_names.settings -> 'roles') r order by 1)
$$;
comment on function auth_internal.protection_role_names is 'The roles of settings of a protection by name, PUBLIC as public.';

-- The call of auth.protect() that gives a table these settings.
create or replace function auth_internal.protection_call(source oid, settings jsonb) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select format('select auth.protect(%L', auth_internal.qualified(protection_call.source))
           || coalesce((select string_agg(format(', %s => %s', a.argument, a.value), '' order by a.n)
                from (values (1, 'org_column', coalesce(quote_literal(settings ->> 'organization'), 'null'),
                              -- Left out, it is the column that the table is protected by now.
                              case when coalesce(auth_internal.protection_of(protection_call.source) ->> 'organization', 'org_id') = 'org_id'
                                   then '''org_id''' end),
                             (2, 'workspace_column', quote_literal(settings ->> 'workspace'), null),
                             (3, 'owner_column', quote_literal(settings ->> 'owner'), null),
                             (4, 'environment_column', quote_literal(settings ->> 'environment'), null),
                             (5, 'resource', quote_literal(settings ->> 'resource'), null),
                             (6, 'roles', case when coalesce(settings -> 'roles', '[0]') <> '[0]'
                                               then quote_literal(auth_internal.protection_role_names(settings)::text) end, null),
                             (7, 'all_orgs', case when (settings ->> 'all_orgs')::boolean then 'true' end, null),
                             (8, 'single_login', case when (settings ->> 'single_login')::boolean then 'true' end, null))
                     as a (n, argument, value, usual)
               where a.value is distinct from a.usual and a.value is not null
                 -- Where no column is known any more, the usual one is the guess.
                 and (a.n > 1 or coalesce(settings ->> 'organization', settings ->> 'workspace', settings ->> 'owner') is not null)), '')
           || ')'
$$;
comment on function auth_internal.protection_call is 'The call of auth.protect() that stands for these settings.';

-- Everything by which a table, or what inherits from it, is other than auth.protect() makes it with these settings, the worst
-- first. An index that is missing is none of it: large tables may lack it.
create or replace function auth_internal.protection_faults(source oid, settings jsonb) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with parts as materialized (
        select c.oid, auth_internal.qualified(c.oid) as name, c.relkind, c.relrowsecurity, c.relforcerowsecurity, t.n,
               auth_internal.protection_of(c.oid)
                   - '{organization,workspace,owner,environment,resource,roles,all_orgs,single_login}'::text[] as memory
          from auth_internal.table_tree(protection_faults.source) with ordinality as t (oid, is_being_detached, n)
          join pg_class c on c.oid = t.oid
    ), found as (
        select 1 as place, p.n, '' as detail, p.oid, format('no column of %s says any more whose a row is', p.name) as fault
          from parts p
         where p.n = 1 and not exists (select from auth_internal.protection_columns(p.oid, protection_faults.settings) c
                                        where c.kind in ('organization', 'workspace', 'owner'))
        union all
        select 2, p.n, '', p.oid, case p.relkind when 'f' then format('%s is a foreign table, which has no policies', p.name)
                                                 else format('row-level security of %s is off', p.name) end
          from parts p where not p.relrowsecurity
        union all
        select 3, p.n, '', p.oid, format('row-level security of %s does not hold for its owner (FORCE)', p.name)
          from parts p where not p.relforcerowsecurity and p.relkind <> 'f'
        union all
        select 4, p.n, w.policy, p.oid,
               format(case when y.oid is null then 'policy %I of %s is missing' else 'policy %I of %s is not as auth.protect() makes it' end,
                      w.policy, p.name)
          from parts p
         cross join lateral auth_internal.protection_policies(p.oid, protection_faults.settings) w
          left join pg_policy y on y.polrelid = p.oid and y.polname = w.policy
         where p.relkind <> 'f'
           and (y.oid is null or not y.polpermissive or y.polcmd <> w.command
                -- The comments of one table are all the same.
                or auth_internal.protection_memory(obj_description(y.oid, 'pg_policy')) is null
                or auth_internal.protection_memory(obj_description(y.oid, 'pg_policy')) <> p.memory
                or pg_get_expr(y.polqual, y.polrelid) is distinct from w.using_test
                or pg_get_expr(y.polwithcheck, y.polrelid) is distinct from w.check_test
                or (select array_agg(r order by r) from unnest(y.polroles) r) is distinct from w.roles)
        union all
        select 5, p.n, c.name, p.oid, format('the default of column %I of %s is not the one that auth.protect() set', c.name, p.name)
          from parts p
         cross join lateral auth_internal.protection_columns(p.oid, protection_faults.settings) c
         where c.present_default is distinct from c.own_default
           and p.memory -> 'defaults' ? c.kind
    )
    select f.fault, auth_internal.protection_call(f.oid, protection_faults.settings)
      from found f order by f.place, f.n, f.detail
$$;
comment on function auth_internal.protection_faults is 'By what a table and what inherits from it differ from what auth.protect() makes, the worst first, and the statement that is right.';
