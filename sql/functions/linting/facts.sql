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
        perform auth_internal.refuse('22023', format('schema %s does not exist', coalesce(quote_ident(missing), 'null')), null);
    end if;
    return array(
        select n.oid from pg_namespace n
         where case when schemas is null
                    then auth_internal.is_application_schema(n.nspname)
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
         where l.lanname not in ('internal', 'c') and p.pronamespace::regnamespace::text <> all (auth_internal.our_schemas() || 'pg_catalog'::text)
           and p.prosrc ~* ('\mauth"?\s*\.\s*"?(' || array_to_string(names, '|') || ')\M')
        union
        -- Bodies in standard SQL have no text, but dependencies.
        select d.objid from pg_depend d join ours on ours.oid = d.refobjid
         where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_proc'::regclass)
$$;
comment on function auth_internal.lint_readers is 'Functions of ours with these names, and functions of applications that call them.';

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

-- That a row's environment is the caller's, or NULL for a table without such a column. It can be of a type of the application's.
create or replace function auth_internal.lint_environment_test(source oid, environment name) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('%I%s operator(pg_catalog.=) auth.environment()', a.attname,
                  case when a.atttypid <> 'text'::regtype then '::pg_catalog.text' else '' end)
      from pg_attribute a
     where a.attrelid = lint_environment_test.source and a.attname = lint_environment_test.environment
$$;
comment on function auth_internal.lint_environment_test is 'The test of a column for the environment; NULL without one.';

-- What a tenants' policy has to ask of a row at the least, or NULL for a column of another type. As auth.protect() asks it.
create or replace function auth_internal.lint_predicate(source oid, org smallint, environment name) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when c.type = 'uuid'::regtype then format('auth.in_org(%s)', auth_internal.spelt_out(c.operand))
                else auth_internal.spelt_out(format('%s = %s', c.operand, c.own_default)) end
           || coalesce(' and ' || auth_internal.lint_environment_test(lint_predicate.source, lint_predicate.environment), '')
      from pg_attribute a
     cross join lateral auth_internal.protection_columns(lint_predicate.source, jsonb_build_object('organization', a.attname)) c
     where a.attrelid = lint_predicate.source and a.attnum = lint_predicate.org and c.own_default is not null
$$;
comment on function auth_internal.lint_predicate is 'The least that a tenants'' policy of a table has to ask, with these columns; NULL for a type without a reader.';

-- The two expressions of every policy of whoever asks, apart: as SQL, as SQL without literals and quoted names, which could pass for
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
      cross join lateral (select auth_internal.printed_expression(p.oid, e.checks) as expression) t
     where e.tree is not null and t.expression is not null and c.relnamespace = any (namespaces)
       and auth_internal.has_rights_of(c.relowner)
       and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.deptype = 'e')
$$;
comment on function auth_internal.lint_expressions is 'The expressions of the policies in these schemas that whoever asks is told about.';
