-- Statements that mean the same in every session: whatever its search_path, however it reads a literal and prints a value. What
-- lint, protect and explain make goes through these. Operators are written operator(pg_catalog.=), types pg_catalog.text.

-- regclass leaves the schema out where search_path allows it.
create or replace function auth_internal.qualified(relation oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('%I.%I', n.nspname, c.relname)
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = qualified.relation
$$;
comment on function auth_internal.qualified is 'A table, view or index with its schema, whatever the search_path; NULL when there is none.';

-- regprocedure leaves the schemas of types out too, and a type of the same name elsewhere means another function.
create or replace function auth_internal.qualified_routine(routine oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select i.identity from pg_identify_object('pg_proc'::regclass, qualified_routine.routine, 0) i
$$;
comment on function auth_internal.qualified_routine is 'A function with its schema and those of its arguments'' types; NULL when there is none.';

-- USING of a policy, or WITH CHECK, as SQL; NULL also for one that is so deep that Postgres itself cannot print it. Whoever
-- makes such a policy must not keep others from asking about theirs. Constants are printed in the forms that every session
-- reads alike.
create or replace function auth_internal.printed_expression(policy oid, checks boolean) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on
    set quote_all_identifiers = off set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601' set timezone = 'UTC'
    set extra_float_digits = 1 set bytea_output = 'hex' as $$
begin
    return (select pg_get_expr(case when checks then p.polwithcheck else p.polqual end, p.polrelid)
              from pg_policy p where p.oid = printed_expression.policy);
exception when statement_too_complex then
    return null;
end
$$;
comment on function auth_internal.printed_expression is 'USING of a policy, or WITH CHECK, as SQL; NULL when it has none and when it is too deep to be printed.';

create or replace function auth_internal.printed_index(index oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on
    set quote_all_identifiers = off set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601' set timezone = 'UTC'
    set extra_float_digits = 1 set bytea_output = 'hex' as $$
    select pg_get_indexdef(printed_index.index)
$$;
comment on function auth_internal.printed_index is 'The statement that makes an index, as SQL.';

-- Postgres prints a backslash as it is, which is a literal of its own only where standard_conforming_strings is on.
create or replace function auth_internal.portable_literals(printed text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select string_agg(case when starts_with(t.part[1], '''') and strpos(t.part[1], '\') > 0
                           then 'E' || replace(t.part[1], '\', '\\') else t.part[1] end, '' order by t.n)
      from regexp_matches(portable_literals.printed, '"(?:[^"]|"")*"|''(?:[^'']|'''')*''|[^"'']+', 'g') with ordinality as t (part, n)
$$;
comment on function auth_internal.portable_literals is 'What Postgres printed with standard_conforming_strings, with literals that are read alike without.';

-- Money and NULL in an array are read by settings (lc_monetary, array_nulls), also inside of rows and ranges.
create or replace function auth_internal.read_by_settings(value text, type text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive inside (type) as (
        -- Not by a cast, which asks for rights on the schema.
        select case when read_by_settings.type like '%[]' then t.typarray else t.oid end
          from (select case when length(read_by_settings.type) < 300
                             and read_by_settings.type ~ '^(?:(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)\.)?(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)(?:\[\])?$'
                            then parse_ident(regexp_replace(read_by_settings.type, '\[\]$', ''), false) end as words) w
          join pg_type t on t.typname = w.words[cardinality(w.words)]
          join pg_namespace n on n.oid = t.typnamespace
                             and n.nspname = case cardinality(w.words) when 1 then 'pg_catalog' else w.words[1] end
        union
        select n.type from inside i join pg_type t on t.oid = i.type
         cross join lateral (
               select t.typbasetype where t.typbasetype <> 0
               union all select t.typelem where t.typelem <> 0
               union all select g.rngsubtype from pg_range g where t.oid in (g.rngtypid, g.rngmultitypid)
               union all select a.atttypid from pg_attribute a
                          where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) n (type))
    select coalesce(bool_or(t.oid = 'money'::regtype
                            or t.typcategory = 'A' and read_by_settings.value ~* '\mNULL\M'), false)
      from inside i join pg_type t on t.oid = i.type
$$;
comment on function auth_internal.read_by_settings is 'Do settings decide what a constant of this type is, or any of several?';

-- There is no form of those that all settings read alike.
create or replace function auth_internal.portable(printed text) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select auth_internal.portable_literals(portable.printed)
     where portable.printed !~* '''::money\M|\mNULL\M(?:[^'']|'''')*''::[[:alnum:]_ ".]+\[\]'
       and not exists (
           -- Types that are not of Postgres have one word, and its schema; those that are hold others only as arrays.
           select from regexp_matches(portable.printed,
                       '"(?:[^"]|"")*"|''((?:[^'']|'''')*)''(?:::((?:(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_]*)\.)?(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_]*)(?:\[\])?))?|[^"'']+',
                       'g') as t (part)
            where t.part[2] is not null
            group by t.part[2] having auth_internal.read_by_settings(string_agg(t.part[1], ' '), t.part[2]))
$$;
comment on function auth_internal.portable is 'What Postgres printed, with constants that are read alike under all settings; NULL where there is no such form.';

-- For the tests of auth.protect(), whose operators and types are these. Parentheses keep the order, whatever an operator's rank.
create or replace function auth_internal.spelt_out(printed text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select string_agg(case when t.part[1] ~ '^["'']' then t.part[1]
                           else replace(regexp_replace(regexp_replace(t.part[1], ' (=|>=) ', ' operator(pg_catalog.\1) ', 'g'),
                                                       '::(text|uuid|regclass|oid)\M', '::pg_catalog.\1', 'g'),
                                        ' AND ', E'\n        AND ') end, '' order by t.n)
      from regexp_matches(auth_internal.portable_literals(spelt_out.printed), '"(?:[^"]|"")*"|''(?:[^'']|'''')*''|[^"'']+', 'g') with ordinality as t (part, n)
$$;
comment on function auth_internal.spelt_out is 'A test of auth.protect() as Postgres prints it, with the schemas of operators and types.';

-- One statement, which nothing in it can end: its quotes are a word that it does not have, since nobody writes a text's own
-- digest into it.
create or replace function auth_internal.as_block(body text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select 'do ' || q.quotes || as_block.body || q.quotes
      from (select case when strpos(as_block.body, '$fix$') = 0 then '$fix$'
                        else format('$fix%s$', md5(as_block.body)) end as quotes) q
     where strpos(as_block.body, q.quotes) = 0
$$;
comment on function auth_internal.as_block is 'The body of a PL/pgSQL block as one statement, whatever is in it; NULL for NULL.';

-- What Postgres prints has no schemas where search_path says them, and forms such as IN that take none: it is run as it was
-- printed.
create or replace function auth_internal.pinned(statement text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.as_block(
        E'declare\n    path pg_catalog.text := pg_catalog.current_setting(''search_path'');\n'
        || E'begin\n    set local search_path = pg_catalog, pg_temp;\n    ' || pinned.statement
        || E';\n    perform pg_catalog.set_config(''search_path'', path, true);\nend')
$$;
comment on function auth_internal.pinned is 'The statement, in one that has the search_path under which Postgres printed a part of it; NULL for NULL.';

-- What looks at the rows of protected tables, as a foreign key does when it is made, sees them all in a data migration only: where
-- FORCE holds for their owner, it would see none and find nothing wrong.
create or replace function auth_internal.as_data_migration(statement text, tables oid[]) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.as_block(format(E'begin\n    perform auth.begin_data_migration(array[%s]::pg_catalog.regclass[]);\n    %s;\nend',
               (select string_agg(distinct quote_literal(auth_internal.qualified(t.oid)), ', ') from unnest(tables) t (oid)), statement))
     where statement is not null
$$;
comment on function auth_internal.as_data_migration is 'The statement, in one that sees all rows of these tables whatever their policies say; NULL for NULL.';
