-- What auth.lint() says about tables and their partitions.

create or replace function auth_internal.lint_tables(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    relations as materialized (
        select c.oid, c.relowner, c.relkind, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, o.org, o.orgs,
               -- NULL where auth.protect() would not know the column, or its type.
               (select format('select auth.protect(%L, %L', auth_internal.qualified(c.oid), a.attname)
                       || coalesce(', environment_column => ' || quote_literal(n.name), '') || ')'
                  from pg_attribute a where a.attrelid = c.oid and a.attnum = o.org and cardinality(o.orgs) = 1
                                        and auth_internal.lint_predicate(c.oid, o.org, null) is not null) as protect,
               (select string_agg(quote_ident(a.attname), ' or ' order by a.attnum)
                  from pg_attribute a where a.attrelid = c.oid and a.attnum = any (o.orgs) and cardinality(o.orgs) > 1) as doubt,
               exists (select from pg_policy p where p.polrelid = c.oid) as has_policies,
               -- A child that RLS does not cover shows what its parent hides.
               exists (select from pg_inherits i join pg_class p on p.oid = i.inhparent
                        where i.inhrelid = c.oid and p.relrowsecurity) as has_protected_parent
          from pg_class c left join organizations o on o.source = c.oid
          left join auth_internal.lint_environment_columns() n on n.source = c.oid
         where c.relkind in ('r', 'p', 'f') and c.relnamespace = any (namespaces)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e'))
    select 'rls_off', 'error', r.oid::regclass::text,
           'row-level security is off: whoever has the grant sees every row'
               || case when r.doubt is not null and not r.has_policies and not r.relispartition
                       then '; no SQL can say which column is the organization''s: ' || r.doubt else '' end,
           case when r.doubt is not null and not r.has_policies and not r.relispartition then null
                when not r.has_policies and not r.relispartition and r.protect is not null then r.protect
                else format('alter table %s enable row level security, force row level security', auth_internal.qualified(r.oid)) end, r.relowner
      from relations r
     where r.relkind <> 'f' and not r.relrowsecurity and not r.has_protected_parent
       and (r.org is not null or r.has_policies)
    union all
    select 'no_policy', 'info', r.oid::regclass::text,
           'row-level security is on and there is no policy: nobody sees a row'
               || case when r.protect is null then '; no SQL can say whose they are' else '' end, r.protect, r.relowner
      from relations r
     where r.relrowsecurity and r.org is not null and not r.has_policies and not r.has_protected_parent
    union all
    select 'child_rls_off', 'error', r.oid::regclass::text,
           'row-level security is off, and the policies of its parent hold only for queries of the parent',
           format('alter table %s enable row level security, force row level security', auth_internal.qualified(r.oid)), r.relowner
      from relations r
     where r.relkind <> 'f' and not r.relrowsecurity and r.has_protected_parent
    union all
    select 'rls_not_forced', 'error', r.oid::regclass::text,
           'the policies do not hold for the owner of the table, nor for views and functions of the owner',
           format('alter table %s force row level security', auth_internal.qualified(r.oid)), r.relowner
      from relations r
     where r.relrowsecurity and not r.relforcerowsecurity
       and (r.org is not null or r.has_policies or r.has_protected_parent)
    union all
    select 'foreign_table', 'error', r.oid::regclass::text,
           'a foreign table has no policies: whoever has the grant sees every row',
           format('revoke all on %s from %s cascade', auth_internal.qualified(r.oid), string_agg(distinct g.name, ', ')), r.relowner
      from relations r join pg_class c on c.oid = r.oid
      cross join lateral (
           select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name
             from aclexplode(c.relacl) x where x.grantee <> c.relowner) g
     where r.relkind = 'f' and (r.org is not null or r.has_protected_parent)
     group by r.oid, r.relowner
    union all
    select 'org_not_indexed', 'warning', r.oid::regclass::text,
           format('no index begins with column %I: a query of one organization reads the rows of all, and EXPLAIN counts them', a.attname),
           format('create index on %s (%I)', auth_internal.qualified(r.oid), a.attname), r.relowner
      from relations r join pg_attribute a on a.attrelid = r.oid and a.attnum = r.org
     where r.relkind <> 'f' and not r.relispartition
       and not exists (select from unnest(r.orgs) n (org) where auth_internal.column_has_index(r.oid, n.org))
    union all
    select 'serial_id', 'info', r.oid::regclass::text,
           format('column %I counts with a sequence that those who insert may read, and takes numbers of their choice: both tell what other organizations do. A uuid, or GENERATED ALWAYS AS IDENTITY, does not; no SQL can tell whether the application needs it', a.attname),
           null, r.relowner
      from relations r
      join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
     where r.org is not null and not r.relispartition
       and exists (select from pg_index i where i.indrelid = r.oid and i.indisunique
                      and i.indnkeyatts = 1 and i.indkey[0] = a.attnum)
       and (a.attidentity = 'd'
            or exists (select from pg_attrdef d
                         join pg_depend x on x.classid = 'pg_attrdef'::regclass and x.objid = d.oid
                                         and x.refclassid = 'pg_class'::regclass
                         join pg_class s on s.oid = x.refobjid and s.relkind = 'S'
                        where d.adrelid = a.attrelid and d.adnum = a.attnum))
$$;
comment on function auth_internal.lint_tables is 'Findings of auth.lint() about tables.';
