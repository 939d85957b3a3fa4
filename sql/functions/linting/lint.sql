-- What keeps tenants apart less than it seems to, and the statement that mends it.

-- Reads nothing but catalogs, with the caller's rights: everybody may see what is wrong.
create or replace function auth.lint(schemas name[] default null)
    returns table (code text, severity text, object text, message text, fix text)
    language plpgsql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
    namespaces oid[] := auth_internal.lint_schemas(schemas);
    tables oid[];
    columns smallint[];
    sources oid[];
begin
    select coalesce(array_agg(c.source), '{}'), coalesce(array_agg(c.org), '{}'), coalesce(array_agg(distinct c.source), '{}')
      into tables, columns, sources
      from auth.organization_columns() c;
    return query
    select f.code, f.severity, f.object, f.message, f.fix
      from (select * from auth_internal.lint_tables(namespaces, tables, columns)
            union all select * from auth_internal.lint_policies(namespaces, tables, columns)
            union all select * from auth_internal.lint_unique_keys(namespaces, tables, columns)
            union all select * from auth_internal.lint_foreign_keys(namespaces, tables, columns)
            union all select * from auth_internal.lint_views(namespaces, sources)
            union all select * from auth_internal.lint_functions(namespaces, sources)
            union all select * from auth_internal.lint_grants(namespaces, sources)
            union all select * from auth_internal.lint_roles(namespaces, sources)
            union all select * from auth_internal.lint_replication()) f
     order by array_position(array['error', 'warning', 'info'], f.severity), f.code collate "C", f.object collate "C";
end
$$;
comment on function auth.lint is
    'Gaps between tenants, the worst first: nothing on what auth.protect() made. severity is error where a row can reach another organization, or nobody, by this alone; warning where something else has to go wrong too, or queries become slow; info for what is good to know. object is what it is about, as SQL names it; fix is SQL that clears the finding, to be read before it is run, by the object''s owner or a superuser; NULL where the message says what a human has to decide. Looks at these schemas, or, for NULL, at all but those of the system and auth, not at members of extensions, and at roles, publications and the database whatever the schemas. Reads catalogs only, with the caller''s rights. 22023 for a schema that does not exist.';
