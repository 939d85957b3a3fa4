-- What auth.protect() wants of a table, and what it left there before. Everything here reads the catalogs, as the
-- caller. Settings are jsonb: organization, workspace, owner and environment (names of columns), resource, roles
-- (oids, 0 for PUBLIC), all_orgs, single_login, and what the comment remembers: enabled, forced and defaults.

-- The columns that settings name, as they are in this table. operand is the column as Postgres prints it
-- where its base type is asked for.
create or replace function auth_internal.protection_columns(source oid, settings jsonb)
    returns table (kind text, name name, number smallint, type oid, operand text, own_default text, floor text,
                   present_default text, fillable boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select k.kind, a.attname, a.attnum, b.type,
           case when b.type = a.atttypid and b.type <> 'varchar'::regtype then quote_ident(a.attname)
                else format('(%I)::%s', a.attname,
                            case b.type when 'varchar'::regtype then 'text' else format_type(b.type, null) end) end,
           r.reader, r.floor, pg_get_expr(d.adbin, d.adrelid),
           d.oid is null and a.attgenerated = '' and a.attidentity = ''
      from unnest(array['organization', 'workspace', 'owner', 'environment']) with ordinality as k (kind, n)
      join pg_attribute a on a.attrelid = protection_columns.source and a.attnum > 0 and not a.attisdropped
                         and a.attname = protection_columns.settings ->> k.kind
     cross join lateral (select auth_internal.base_type(a.atttypid) as type) b
      left join auth_internal.column_readers() r on r.kind = k.kind and r.type = b.type
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     order by k.n
$$;
comment on function auth_internal.protection_columns is 'The columns that settings of a protection name, as they are.';

-- May the API key be used with the table? As Postgres prints it, which knows no E'' strings.
create or replace function auth_internal.protection_table_test(source oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('auth.allows_table((''%s''::regclass)::oid)',
                  replace(protection_table_test.source::regclass::text, '''', ''''''))
$$;
comment on function auth_internal.protection_table_test is 'The test of API keys limited to tables, as Postgres prints it.';

-- The tests of reading or of writing, exactly as Postgres prints them, so that text can be compared.
create or replace function auth_internal.protection_test(source oid, settings jsonb, writes boolean) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with parts (tenants, everybody, service) as (
        select array_agg(t.test order by t.n) filter (where t.n < 5), array_agg(t.test order by t.n) filter (where t.n >= 5),
               max(t.floor)
          from (select case c.kind when 'organization' then 1 when 'workspace' then 2 when 'owner' then 3 else 5 end as n,
                       case when c.kind = 'organization' and c.type = 'uuid'::regtype then
                                case when s.across then format('auth.is_member(%s)', c.operand)
                                     else format('auth.in_org(%s)', c.operand) end
                            when c.kind = 'workspace' then format('auth.is_workspace_member(%s)', c.operand)
                            else format('(%s = %s)', c.operand, c.own_default) end as test,
                       '(' || c.operand || ' >= ' || c.floor || ')' as floor
                  from auth_internal.protection_columns(protection_test.source, protection_test.settings) c
                 cross join (select (protection_test.settings ->> 'all_orgs')::boolean
                                    and not protection_test.writes as across) s
                union all
                select 4, case when (protection_test.settings ->> 'all_orgs')::boolean and not protection_test.writes then
                                   format('auth.has_permission_in(%L::text, %s)', r.permission,
                                          (select c.operand from auth_internal.protection_columns(protection_test.source, protection_test.settings) c
                                            where c.kind = 'organization'))
                               else format('auth.has_permission(%L::text)', r.permission) end, null
                  from (select protection_test.settings ->> 'resource'
                               || case when protection_test.writes then '.write' else '.read' end as permission) r
                 where r.permission is not null
                union all
                select 6, auth_internal.protection_table_test(protection_test.source), null) t
    )
    select format('(%s)', array_to_string(
               case when (protection_test.settings ->> 'single_login')::boolean then
                        format('(%s OR %s)', case when cardinality(p.tenants) = 1 then p.tenants[1]
                                                  else format('(%s)', array_to_string(p.tenants, ' AND ')) end, p.service)
                        || p.everybody
                    else p.tenants || p.everybody end, ' AND '))
      from parts p
$$;
comment on function auth_internal.protection_test is 'The test of a protected table, of reading or writing, as Postgres prints it.';

-- What policies auth.protect() makes, by what they are for.
create or replace function auth_internal.protection_kinds() returns table (name name, command "char", verb text)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    values ('bearer_select'::name, 'r'::"char", 'select'), ('bearer_insert', 'a', 'insert'), ('bearer_update', 'w', 'update'),
           ('bearer_delete', 'd', 'delete'), ('bearer_service', '*', 'all')
$$;
comment on function auth_internal.protection_kinds is 'The policies of auth.protect(), the command of each as in pg_policy, and as in CREATE POLICY.';

create or replace function auth_internal.protection_policy_names() returns name[]
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select array(select k.name from auth_internal.protection_kinds() k)
$$;
comment on function auth_internal.protection_policy_names is 'What the policies of auth.protect() are called.';

-- The policies that a table has to have.
create or replace function auth_internal.protection_policies(source oid, settings jsonb)
    returns table (policy name, command "char", verb text, roles oid[], using_test text, check_test text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with tests as materialized (
        select auth_internal.protection_test(protection_policies.source, protection_policies.settings, false) as reads,
               auth_internal.protection_test(protection_policies.source, protection_policies.settings, true) as writes,
               (select format('(%s)', string_agg(s.test, ' AND ' order by s.n))
                  from (select 1 as n, 'auth.is_service_role()' as test
                        union all
                        select 2, format('(%s = %s)', c.operand, c.own_default)
                          from auth_internal.protection_columns(protection_policies.source, protection_policies.settings) c
                         where c.kind = 'environment'
                        union all
                        select 3, auth_internal.protection_table_test(protection_policies.source)) s) as service,
               (select array_agg(r::oid order by r::oid)
                  from jsonb_array_elements_text(protection_policies.settings -> 'roles') r) as roles
    )
    select p.name, p.command, p.verb,
           case p.command when '*' then array[s.oid] else t.roles end,
           case p.command when 'r' then t.reads when 'a' then null when '*' then t.service else t.writes end,
           case p.command when 'a' then t.writes when 'w' then t.writes when '*' then t.service end
      from tests t
     cross join auth_internal.protection_kinds() p
     -- Where somebody renamed the role, no policy is as it has to be.
      left join pg_roles s on s.rolname = 'bearer_service'
$$;
comment on function auth_internal.protection_policies is 'The policies that a protected table has to have.';

-- What a comment of ours remembers, NULL for any other: owners of tables write comments too. The pattern admits only
-- what is good JSON.
create or replace function auth_internal.protection_memory(comment text) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when length(protection_memory.comment) < 200 then
           case when protection_memory.comment ~ ('^[{]"by": "auth[.]protect", "forced": (true|false), "enabled": (true|false), '
                    || '"defaults": [[]("(organization|workspace|owner|environment)"(, (?="))?)*[]][}]$')
                then protection_memory.comment::jsonb end end
$$;
comment on function auth_internal.protection_memory is 'What a policy''s comment remembers; NULL unless auth.protect() wrote it.';

-- The settings that a table's policies show; NULL when none of them is ours.
create or replace function auth_internal.protection_of(source oid) returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as materialized (
        select p.polcmd, p.polroles, auth_internal.protection_memory(d.description) as memory, b.m
          from pg_policy p
          join pg_description d on d.classoid = 'pg_policy'::regclass and d.objoid = p.oid and d.objsubid = 0
          left join lateral regexp_match(pg_get_expr(coalesce(p.polqual, p.polwithcheck), p.polrelid), (
                   -- I stands for a column, with or without a cast. The parts come in the order of protection_test.
                   select replace('^[(]*(?:auth[.](in_org|is_member)[(]I[)]|[(]I = auth[.]external_org_(?:id|number)[(][)][)])?'
                       || '(?: AND )?(?:auth[.]is_workspace_member[(]I[)])?'
                       || '(?: AND )?(?:[(]I = auth[.](?:user_id|uid)[(][)][)])?'
                       || '(?: AND )?(?:auth[.]has_permission(?:_in)?[(]''([a-z0-9_.:-]+)[.](?:read|write)''::text(?:, I)?[)])?'
                       || '[)]?( OR [(]I >= auth[.]service_floor(?:_text|_number)?[(][)][)][)])?'
                       || '(?: AND )?(?:[(]I = auth[.]environment[(][)][)])?'
                       || ' AND auth[.]allows_table[(].*$',
                       'I', '[(]?("(?:[^"]|"")+"|[a-z_][a-z0-9_]*)(?:[)]::[a-z]+)?'))) b (m) on p.polcmd <> '*'
         where p.polrelid = protection_of.source and auth_internal.protection_memory(d.description) is not null
    ), best as (
        select o.*, o.m[1] = 'is_member' as across from ours o
         where o.polcmd <> '*' order by o.m is null, o.polcmd <> 'r' limit 1
    )
    select (select o.memory from ours o limit 1)
           || jsonb_build_object(
               'organization', auth_internal.protection_name(coalesce(b.m[2], b.m[3])), 'workspace', auth_internal.protection_name(b.m[4]),
               'owner', auth_internal.protection_name(b.m[5]), 'environment', auth_internal.protection_name(b.m[10]), 'resource', b.m[6],
               'roles', coalesce(to_jsonb(b.polroles::bigint[]), '[0]'),
               'all_orgs', coalesce(b.across, false), 'single_login', b.m[8] is not null)
      from (select from ours limit 1) o left join best b on true
$$;
comment on function auth_internal.protection_of is 'The settings that the policies of a table show; NULL when none is of auth.protect().';

-- The name that an identifier in SQL stands for.
create or replace function auth_internal.protection_name(identifier text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when protection_name.identifier like '"_%"'
                then replace(substr(protection_name.identifier, 2, length(protection_name.identifier) - 2), '""', '"')
                else protection_name.identifier end
$$;
comment on function auth_internal.protection_name is 'The name that an identifier in SQL stands for.';
