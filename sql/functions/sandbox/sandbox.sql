-- Test data: rows in a column that auth.environment() fills.

-- Runs as the caller, and so do triggers of the tables: he names them, so that nobody else's are among them. The
-- rows go with his search_path, on which triggers may rely; a default is computed before the function has its own.
create or replace function auth.purge_sandbox(
    tables regclass[], time_column name default null, older_than interval default null,
    trigger_search_path text default pg_catalog.current_setting('search_path')
) returns table (source regclass, deleted bigint)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    remaining oid[];
    place name;
    age text := '';
begin
    if (time_column is null) <> (older_than is null) then
        perform auth_internal.refuse('22023', 'time_column and older_than do not go together',
                                     'Name the column that says when a row was made, and for how long rows stay; or leave out both.');
    elsif older_than < '0' or older_than > '100 years' then
        perform auth_internal.refuse('22023', 'older_than is 0 to 100 years', 'Such as 1 day.');
    end if;
    select array_agg(c.oid order by c.oid) into remaining
      from pg_class c
     where c.relkind in ('r', 'p') and not c.relispartition and auth.environment_column(c.oid) is not null
       and c.oid = any (purge_sandbox.tables::oid[]);
    if purge_sandbox.tables is null
       or exists (select from unnest(purge_sandbox.tables) t where (t::oid = any (remaining)) is not true) then
        raise invalid_parameter_value using
            message = 'a table has no column for the environment',
            hint = 'Give one the default auth.environment().';
    end if;
    if time_column is not null then
        if exists (select from unnest(remaining) r
                    where not exists (select from pg_attribute a
                                       where a.attrelid = r and a.attname = time_column and a.attnum > 0 and not a.attisdropped
                                         and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype))) then
            perform auth_internal.refuse('22023', 'a table has no such column with a time', 'It has to be a timestamptz, a timestamp or a date.');
        end if;
        age := pg_catalog.format(' and %I operator(pg_catalog.<) %L::pg_catalog.timestamptz', time_column, now() - older_than);
    end if;
    while cardinality(remaining) > 0 loop
        -- Rows that refer to others go before them.
        select r.t::regclass, auth.environment_column(r.t) into source, place
          from unnest(remaining) with ordinality as r (t, n)
         order by exists (select from pg_constraint k
                           where k.contype = 'f' and k.confrelid = r.t and k.conrelid <> r.t
                             and k.conrelid = any (remaining)), r.n
         limit 1;
        perform set_config('search_path', trigger_search_path, true);
        execute pg_catalog.format('delete from %s where %I operator(pg_catalog.=) ''test''', purge_sandbox.source, place) operator(pg_catalog.||) age;
        get diagnostics deleted = row_count;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        remaining := array_remove(remaining, purge_sandbox.source::oid);
        return next;
    end loop;
end
$$;
comment on function auth.purge_sandbox is
    'Deletes rows of environment test from these tables, by their column with the default auth.environment(): those rows that the caller sees and may delete, so a tenant''s only his own and a superuser''s everybody''s. Returns how many in each, rows that refer to others first. With time_column (a timestamptz, timestamp or date of each table) and older_than only rows that are older than that; rows without a time stay. Triggers run with trigger_search_path, by default the caller''s. It also fails where deleting a row fails. 22023 for NULL, a table without such a column, one of time_column and older_than without the other, and a time that is not 0 to 100 years.';

-- The column whose default is auth.environment(), or NULL.
create or replace function auth.environment_column(source oid) returns name
    language sql stable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
    select a.attname
      from pg_attrdef d
      join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
     where d.adrelid = environment_column.source and pg_get_expr(d.adbin, d.adrelid) = 'auth.environment()'
     order by a.attnum limit 1
$$;
comment on function auth.environment_column is
    'The first column of a table whose default is auth.environment(), or NULL.';
