-- What keeps tenants apart less than it seems to, and the statement that mends it.

-- Reads nothing but catalogs, with the caller's rights: everybody may see what is wrong.
create function auth.lint(schemas name[] default null)
    returns table (code text, severity text, object text, message text, fix text)
    language plpgsql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
    namespaces oid[] := auth.lint_schemas(schemas);
    tables oid[];
    columns smallint[];
    sources oid[];
begin
    select coalesce(array_agg(c.source), '{}'), coalesce(array_agg(c.org), '{}'), coalesce(array_agg(distinct c.source), '{}')
      into tables, columns, sources
      from auth.organization_columns() c;
    return query
    select f.code, f.severity, f.object, f.message, f.fix
      from (select * from auth.lint_tables(namespaces, tables, columns)
            union all select * from auth.lint_policies(namespaces, tables, columns)
            union all select * from auth.lint_unique_keys(namespaces, tables, columns)
            union all select * from auth.lint_foreign_keys(namespaces, tables, columns)
            union all select * from auth.lint_views(namespaces, sources)
            union all select * from auth.lint_functions(namespaces, sources)
            union all select * from auth.lint_grants(namespaces, sources)
            union all select * from auth.lint_roles(namespaces, sources)
            union all select * from auth.lint_replication()) f
     order by array_position(array['error', 'warning', 'info'], f.severity), f.code collate "C", f.object collate "C";
end
$$;
