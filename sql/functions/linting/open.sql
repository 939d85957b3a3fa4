-- What auth.lint() says about tables without row-level security of which nothing sure says that they are tenants': a column's name
-- that can mean something else, a workspace, or a reference to a table that is protected.

create or replace function auth_internal.lint_open_tables(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with open as materialized (
        select c.oid, c.relowner, c.relkind, c.relacl
          from pg_class c
         where c.relkind in ('r', 'p', 'f') and not c.relispartition and not c.relrowsecurity
           and c.relnamespace = any (namespaces)
           and not exists (select from unnest(tables) t (oid) where t.oid = c.oid)
           and not exists (select from pg_policy p where p.polrelid = c.oid)
           and not exists (select from pg_inherits i join pg_class p on p.oid = i.inhparent
                            where i.inhrelid = c.oid and p.relrowsecurity)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    -- A lookup table that shows its rows to everybody is not protected, whether row security is on or not.
    protected as materialized (
        select c.oid
          from pg_class c join pg_namespace n on n.oid = c.relnamespace and auth_internal.is_application_schema(n.nspname)
         where c.relrowsecurity
           and (exists (select from unnest(tables) t (oid) where t.oid = c.oid)
                or exists (select from pg_policy p
                             join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
                             join pg_proc f on f.oid = d.refobjid and f.pronamespace = 'auth'::regnamespace
                            where p.polrelid = c.oid))),
    judged as materialized (
        select o.*, coalesce(', environment_column => ' || quote_literal(e.name), '') as environment,
               array(select a.attname::text
                       from auth_internal.organization_names() n
                       join pg_attribute a on a.attrelid = o.oid and a.attname = n.name and a.attnum > 0 and not a.attisdropped
                       join auth_internal.column_readers() r on r.kind = 'organization' and r.type = auth_internal.base_type(a.atttypid)
                      order by a.attnum) as guesses,
               exists (select from pg_attribute a
                        where a.attrelid = o.oid and a.attname = 'workspace_id' and a.attnum > 0 and not a.attisdropped
                          and auth_internal.base_type(a.atttypid) = 'uuid'::regtype) as has_workspace,
               (select string_agg(distinct k.confrelid::regclass::text, ', ')
                  from pg_constraint k join protected p on p.oid = k.confrelid
                 where k.conrelid = o.oid and k.contype = 'f' and k.conparentid = 0) as parents
          from open o left join auth_internal.lint_environment_columns() e on e.source = o.oid)
    select 'rls_off', case when j.has_workspace or j.parents is not null then 'error' else 'warning' end, j.oid::regclass::text,
           'row-level security is off: whoever has the grant sees every row'
               || case when j.has_workspace then ', and column workspace_id says that they are of workspaces'
                       else format(', and column %s may say whose it is', (select string_agg(quote_ident(g), ' or ') from unnest(j.guesses) g)) end
               || case when cardinality(j.guesses) + j.has_workspace::integer > 1
                       then '; no SQL can say which column is the organization''s' else '' end,
           case when cardinality(j.guesses) + j.has_workspace::integer > 1 then null
                when j.has_workspace
                then format('select auth.protect(%L, org_column => null, workspace_column => %L%s)', auth_internal.qualified(j.oid), 'workspace_id', j.environment)
                else format('select auth.protect(%L, %L%s)', auth_internal.qualified(j.oid), j.guesses[1], j.environment) end, j.relowner
      from judged j
     where j.relkind <> 'f' and (j.guesses <> '{}' or j.has_workspace)
    union all
    select 'foreign_table', case when j.has_workspace then 'error' else 'warning' end, j.oid::regclass::text,
           'a foreign table has no policies: whoever has the grant sees every row',
           format('revoke all on %s from %s cascade', auth_internal.qualified(j.oid), string_agg(distinct g.name, ', ')), j.relowner
      from judged j
     cross join lateral (
           select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name
             from aclexplode(j.relacl) x where x.grantee <> j.relowner) g
     where j.relkind = 'f' and (j.guesses <> '{}' or j.has_workspace)
     group by j.oid, j.relowner, j.has_workspace
    union all
    select 'open_reference', 'warning', j.oid::regclass::text,
           format('row-level security is off, and the rows refer to those of %s: whoever has the grant sees and writes the references of every organization. '
                  'A column for the organization, and auth.protect(), would keep them apart; no SQL can say what that column holds', j.parents),
           null, j.relowner
      from judged j
     where j.relkind <> 'f' and j.guesses = '{}' and not j.has_workspace and j.parents is not null
    union all
    select 'parent_open', 'error', j.oid::regclass::text,
           format('rows of %s, which is protected, are read through this table past its policies; no SQL can say how to tell them apart here',
                  string_agg(i.inhrelid::regclass::text, ', ' order by i.inhrelid::regclass::text)),
           null, j.relowner
      from judged j
      join pg_inherits i on i.inhparent = j.oid and not i.inhdetachpending
      join protected p on p.oid = i.inhrelid
     where j.guesses = '{}' and not j.has_workspace
     group by j.oid, j.relowner
$$;
comment on function auth_internal.lint_open_tables is 'Findings of auth.lint() about open tables that may be tenants''; tables are those that surely are.';
