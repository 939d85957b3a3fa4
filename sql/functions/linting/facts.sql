-- What auth.lint() goes by: which column says whose a row is, and which functions know who asks.

-- The schemas to look at. One that is misspelled has to be an error, or it would look as if nothing were found.
create or replace function auth_internal.lint_schemas(schemas name[]) returns oid[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    missing name;
begin
    select s into missing from unnest(schemas) s
     where not exists (select from pg_namespace n where n.nspname = s) limit 1;
    if found then
        raise invalid_parameter_value using message = format('schema %s does not exist', coalesce(quote_ident(missing), 'null'));
    end if;
    return array(
        select n.oid from pg_namespace n
         where case when schemas is null
                    then n.nspname not in ('auth', 'information_schema') and n.nspname !~ '^pg_'
                    else n.nspname = any (schemas) end);
end
$$;
comment on function auth_internal.lint_schemas is 'The schemas that auth.lint() looks at; 22023 for one that does not exist.';

-- Functions that answer whose rows may be seen: ours, and those of the application that call them.
create or replace function auth_internal.lint_readers(names name[]) returns oid[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as (
        select p.oid from pg_proc p
         where p.pronamespace = 'auth'::regnamespace and p.proname = any (names))
    select array(
        select oid from ours
        union
        select p.oid from pg_proc p join pg_language l on l.oid = p.prolang
         where l.lanname not in ('internal', 'c') and p.pronamespace <> 'auth'::regnamespace
           and p.pronamespace <> 'pg_catalog'::regnamespace
           and p.prosrc ~* ('\mauth"?\s*\.\s*"?(' || array_to_string(names, '|') || ')\M')
        union
        -- Bodies in standard SQL have no text, but dependencies.
        select d.objid from pg_depend d join ours on ours.oid = d.refobjid
         where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_proc'::regclass)
$$;
comment on function auth_internal.lint_readers is 'Functions of ours with these names, and functions of applications that call them.';

create or replace function auth_internal.lint_org_readers() returns oid[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.lint_readers(array['in_org', 'is_member', 'current_org', 'org_ids', 'org_ids_with', 'require_org',
        'has_permission_in', 'external_org_id', 'external_org_number', 'is_workspace_member', 'current_workspace',
        'workspace_ids'])
$$;
comment on function auth_internal.lint_org_readers is 'Functions that answer for the organization, as auth_internal.lint_readers().';

create or replace function auth_internal.lint_identity_readers() returns oid[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.lint_readers(array['in_org', 'is_member', 'current_org', 'org_ids', 'org_ids_with', 'require_org',
        'has_permission_in', 'external_org_id', 'external_org_number', 'is_workspace_member', 'current_workspace',
        'workspace_ids', 'uid', 'user_id', 'email', 'jwt', 'claim', 'role', 'org_role', 'workspace_role',
        'has_permission', 'has_scope', 'is_service_role', 'is_authenticated', 'require_authenticated',
        'require_permission', 'identity', 'api_key_id', 'service_floor', 'service_floor_text',
        'service_floor_number', 'verify_jwt', 'check_api_key'])
$$;
comment on function auth_internal.lint_identity_readers is 'Functions that answer for the identity, as auth_internal.lint_readers().';

-- The tables of an application and the column that says to which organization a row belongs: one that a policy
-- compares with our functions, or else one that they fill, or else a uuid with one of the usual names. Expressions
-- are read as node trees, in which no name can pass for something else.
create or replace function auth.organization_columns() returns table (source oid, org smallint)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with readers as materialized (
        select p.oid, p.proname from pg_proc p
         where p.pronamespace = 'auth'::regnamespace
           and p.proname in ('in_org', 'is_member', 'current_org', 'org_ids', 'org_ids_with', 'external_org_id',
                             'external_org_number')),
    pattern as materialized (
        select format('\{FUNCEXPR :funcid (?:%s) [^{}]*:args \(\{VAR :varno 1 :varattno (\d+) ',
                      string_agg(oid::text, '|') filter (where proname in ('in_org', 'is_member'))) as called,
               format('\{(?:OPEXPR|SCALARARRAYOPEXPR) [^{}]*:args \((?:\{RELABELTYPE :arg )?\{VAR :varno 1 :varattno (\d+) [^{}]*\}(?:[^{}]*\})? \{FUNCEXPR :funcid (?:%s) ',
                      string_agg(oid::text, '|')) as compared,
               format('\{OPEXPR [^{}]*:args \(\{FUNCEXPR :funcid (?:%s) [^{}]*\} (?:\{RELABELTYPE :arg )?\{VAR :varno 1 :varattno (\d+) ',
                      string_agg(oid::text, '|')) as reversed,
               format(':funcid (?:%s) ', string_agg(oid::text, '|')) as any_reader
          from readers),
    relations as materialized (
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'f') and n.nspname not in ('auth', 'information_schema') and n.nspname !~ '^pg_'
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    -- Both expressions of a policy, where it has two, are about the same column.
    policies as materialized (
        select p.polrelid as source, coalesce(p.polqual, p.polwithcheck)::text as nodes from pg_policy p),
    calls as materialized (
        select p.source, p.nodes, substring(p.nodes from pattern.called)::smallint as org from policies p cross join pattern),
    columns as (
        select c.source, c.org, 1 as rank from calls c where c.org is not null
        union
        select c.source, coalesce(substring(c.nodes from pattern.compared), substring(c.nodes from pattern.reversed))::smallint, 1
          from calls c cross join pattern
         where c.org is null and c.nodes ~ pattern.any_reader
        union
        select d.adrelid, d.adnum, 2
          from pg_attrdef d
          join pg_depend x on x.classid = 'pg_attrdef'::regclass and x.objid = d.oid
                          and x.refclassid = 'pg_proc'::regclass
          join readers on readers.oid = x.refobjid
         where readers.proname in ('current_org', 'external_org_id', 'external_org_number')
        union
        select a.attrelid, a.attnum, 3
          from pg_attribute a
         where a.attname in ('org_id', 'organization_id', 'tenant_id') and a.atttypid = 'uuid'::regtype
           and a.attnum > 0 and not a.attisdropped),
    ranked as (
        select k.source, k.org, rank() over (partition by k.source order by k.rank) as place
          from columns k join relations r on r.oid = k.source
         where k.org > 0)
    select distinct k.source, k.org from ranked k where k.place = 1
$$;
comment on function auth.organization_columns is
    'The tables of applications that have a column for the organization, and its number: the column that a policy compares with our functions, or else whose default is one of them, or else a uuid called org_id, organization_id or tenant_id. Several rows for a table with several of one sort.';

-- The column that says whether a row is live or a test: filled by us, or so named and said to hold these words.
create or replace function auth_internal.lint_environment_columns() returns table (source oid, name name)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select distinct on (a.attrelid) a.attrelid, a.attname
      from pg_attribute a
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      cross join lateral (
           select exists (select from pg_depend x join pg_proc p on p.oid = x.refobjid
                           where x.classid = 'pg_attrdef'::regclass and x.objid = d.oid
                             and x.refclassid = 'pg_proc'::regclass and p.proname = 'environment'
                             and p.pronamespace = 'auth'::regnamespace) as filled) f
     where a.attnum > 0 and not a.attisdropped
       and (a.atthasdef or a.attname = 'environment')
       and (f.filled
            or a.attname = 'environment' and pg_get_expr(d.adbin, d.adrelid) ~ '''(live|test)'''
            or a.attname = 'environment'
               and exists (select from pg_constraint k where k.conrelid = a.attrelid and k.contype = 'c'
                              and a.attnum = any (k.conkey)
                              and pg_get_expr(k.conbin, k.conrelid) ~ '''(live|test)'''))
     order by a.attrelid, f.filled desc, a.attnum
$$;
comment on function auth_internal.lint_environment_columns is 'The tables that have a column for the environment, live or test, and its name.';

-- What a tenants' policy has to ask of a row at the least, or NULL for a column of another type.
create or replace function auth_internal.lint_predicate(source oid, org smallint, environment name) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when t.base = 'uuid'::regtype then format('auth.in_org(%I)', a.attname)
                when t.base in ('text'::regtype, 'varchar'::regtype)
                then format('%I = auth.external_org_id()', a.attname)
                when t.base in ('bigint'::regtype, 'integer'::regtype)
                then format('%I = auth.external_org_number()', a.attname)
           end || coalesce(' and ' || quote_ident(lint_predicate.environment) || ' = auth.environment()', '')
      from pg_attribute a cross join lateral auth_internal.base_type(a.atttypid) t (base)
     where a.attrelid = lint_predicate.source and a.attnum = lint_predicate.org
$$;
comment on function auth_internal.lint_predicate is 'The least that a tenants'' policy of a table has to ask, with these columns; NULL for a type without a reader.';

-- The two expressions of every policy, apart: as SQL, as SQL without literals and quoted names, which could pass for
-- something else, as a node tree, and the functions in it.
create or replace function auth_internal.lint_expressions(namespaces oid[]) returns table (
    policy oid, source oid, name name, command "char", permissive boolean, checks boolean,
    expression text, code text, nodes text, calls oid[]
)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select p.oid, p.polrelid, p.polname, p.polcmd, p.polpermissive, e.checks, t.expression,
           regexp_replace(t.expression, '''(?:[^'']|'''')*''|"(?:[^"]|"")*"', '?', 'g'), e.tree::text,
           array(select distinct m[1]::oid from regexp_matches(e.tree::text, ':(?:op)?funcid (\d+)', 'g') m)
      from pg_policy p
      join pg_class c on c.oid = p.polrelid
      cross join lateral (values (false, p.polqual), (true, p.polwithcheck)) e (checks, tree)
      cross join lateral (select pg_get_expr(e.tree, p.polrelid) as expression) t
     where e.tree is not null and t.expression is not null and c.relnamespace = any (namespaces)
       and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.deptype = 'e')
$$;
comment on function auth_internal.lint_expressions is 'The expressions of all policies in these schemas.';
