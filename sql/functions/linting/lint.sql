-- Gaps in tenant isolation, and the statement that closes each.

-- Whoever asks: 42501 unless an administrator, or the owner of a table, view or function of an application. A temporary one is
-- nobody's business but its session's, and makes nobody an owner of others'.
create or replace function auth_internal.demand_owner() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.has_rights_of(0) then
        return;
    end if;
    perform from (select c.relowner as owner
                    from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where c.relkind in ('r', 'p', 'v', 'm', 'f') and auth_internal.is_application_schema(n.nspname)
                  union
                  select p.proowner
                    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where auth_internal.is_application_schema(n.nspname)) o
      where auth_internal.has_rights_of(o.owner);
    if not found then
        perform auth_internal.refuse('42501', 'this is for administrators of pg_bearer and owners of tables',
                                     'Owners are told about what they own, administrators about everything.');
    end if;
end
$$;
comment on function auth_internal.demand_owner is '42501 unless the outer user is an administrator or owns a table, view or function of an application.';

-- Security definer, so that nobody has to be able to call the parts. They read catalogs that everybody may read, and our own
-- tables.
create or replace function auth.lint(schemas name[] default null)
    returns table (code text, severity text, object text, message text, fix text)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    namespaces oid[];
    tables oid[];
    columns smallint[];
    sources oid[];
begin
    perform auth_internal.demand_owner();
    namespaces := auth_internal.lint_schemas(schemas);
    select coalesce(array_agg(c.source), '{}'), coalesce(array_agg(c.org), '{}'), coalesce(array_agg(distinct c.source), '{}')
      into tables, columns, sources
      from auth_internal.organization_columns() c where not c.is_guess;
    return query
    select f.code, f.severity, f.object, f.message, f.fix
      from (select * from auth_internal.lint_tables(namespaces, tables, columns)
            union all select * from auth_internal.lint_open_tables(namespaces, sources)
            union all select * from auth_internal.lint_policies(namespaces, tables, columns)
            union all select * from auth_internal.lint_unique_keys(namespaces, tables, columns)
            union all select * from auth_internal.lint_foreign_keys(namespaces, tables, columns)
            union all select * from auth_internal.lint_unchecked_foreign_keys(namespaces)
            union all select * from auth_internal.lint_views(namespaces, sources)
            union all select * from auth_internal.lint_functions(namespaces, sources)
            union all select * from auth_internal.lint_grants(namespaces, sources)
            union all select * from auth_internal.lint_roles(namespaces, sources)
            union all select * from auth_internal.lint_administrators()
            union all select * from auth_internal.lint_our_roles()
            union all select * from auth_internal.lint_issuers()
            union all select * from auth_internal.lint_signing_keys()
            union all select * from auth_internal.lint_users()
            union all select * from auth_internal.lint_granted()
            union all select * from auth_internal.lint_replication()
            union all select * from auth_internal.lint_quotas()
            union all select * from auth_internal.lint_role_names()
            union all select * from auth_internal.lint_guards()
            union all select * from auth_internal.lint_pre_requests()
            union all select * from auth_internal.lint_postgrest()
            union all select * from auth_internal.lint_http_roles()) f
     -- What is nobody's in particular is for administrators.
     where auth_internal.has_rights_of(coalesce(f.owner, 0))
     order by array_position(array['error', 'warning', 'info'], f.severity), f.code collate "C", f.object collate "C";
end
$$;
comment on function auth.lint is
    'Gaps in tenant isolation, the worst first: nothing on what auth.protect() made. severity is error where a row can reach another organization, or nobody, by this alone; warning where something else has to go wrong too, or queries become slow; info for what is good to know. object is what it is about, as SQL names it; fix is SQL that clears the finding and means the same in every session, to be read before it is run, by the object''s owner or a superuser; NULL where the message says what a human has to decide. Administrators are told about everything, owners about what they own. Looks at these schemas, or, for NULL, at all but those of the system and ours, not at members of extensions, and at roles, publications and the database whatever the schemas. Administrators are also told which users were given more memberships than count; of these a million are looked at. Reads catalogs, and counts in our own tables. 42501 for anybody else, 22023 for a schema that does not exist.';

-- Security definer, as auth.lint().
create or replace function auth.organization_columns() returns table (source oid, org smallint)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_owner();
    return query
    select o.source, o.org
      from auth_internal.organization_columns() o join pg_class c on c.oid = o.source
     where auth_internal.has_rights_of(c.relowner);
end
$$;
comment on function auth.organization_columns is
    'The tables of applications that have a column for the organization, and its number: the column that a policy compares with our functions, or else whose default is one of them, or else org_id, organization_id or tenant_id, or else account_id, team_id or company_id, of a type that auth.protect() takes. Several rows for a table with several of one sort. Administrators see all, owners those of their own tables. 42501 for anybody else.';
