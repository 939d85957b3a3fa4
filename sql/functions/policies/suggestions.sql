-- The index that a protected table needs, and what auth.protect() only suggests: what can fail, take long or is the owner's to
-- decide.

-- Is a scan of the table, and of all that inherits from it, a matter of a moment?
create or replace function auth_internal.protection_is_small(source oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(sum(pg_relation_size(t)), 0) <= 16 * 1024 * 1024 from auth_internal.protection_tree(protection_is_small.source) t
$$;
comment on function auth_internal.protection_is_small is 'Is a scan of the table a matter of a moment?';

-- Has the table an index that finds the rows of an organization (of a workspace, an owner)?
create or replace function auth_internal.protection_has_index(source oid, settings jsonb) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from (select c.number, c.kind, c.type
                       from auth_internal.protection_columns(protection_has_index.source, settings) c limit 1) k
          join pg_attribute a on a.attrelid = protection_has_index.source and a.attnum = k.number
          join pg_index i on i.indrelid = a.attrelid and i.indkey[0] = a.attnum and i.indcollation[0] = a.attcollation
          join pg_class x on x.oid = i.indexrelid
          join pg_am m on m.oid = x.relam and m.amname not in ('brin', 'bloom')
          join pg_opclass c on c.oid = i.indclass[0]
          join pg_amop o on o.amopfamily = c.opcfamily
          join pg_operator p on p.oid = o.amopopr and p.oprname = '=' and p.oprnamespace = 'pg_catalog'::regnamespace
         where i.indisvalid and i.indisready and i.indislive and i.indpred is null
           and o.amoplefttype = case k.type when 'varchar'::regtype then 'text'::regtype::oid else k.type end
           and o.amoprighttype = case k.type when 'varchar'::regtype then 'text'::regtype::oid
                                             when 'integer'::regtype then 'bigint'::regtype::oid else k.type end)
$$;
comment on function auth_internal.protection_has_index is 'Does an index find the rows of an organization (of a workspace, an owner)?';

-- The statements that give the table the index it lacks: named, so that we know it again by its comment.
create or replace function auth_internal.protection_index(source oid, settings jsonb) returns table (action text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with missing as (
        select t.relkind, t.oid::regclass as name, n.nspname,
               -- An owner may lack the right to create it.
               auth_internal.protection_is_small(t.oid) and has_schema_privilege(n.oid, 'create') as is_run, f.free,
               (select string_agg(quote_ident(c.name), ', ')
                  from (select c.* from auth_internal.protection_columns(t.oid, protection_index.settings) c
                         where c.kind in ('organization', 'workspace', 'owner') limit 1) c) as key
          from pg_class t
          join pg_namespace n on n.oid = t.relnamespace
         cross join lateral (
              -- The number comes first, since a long name loses its end.
              select (case g when 1 then 'bearer_' else format('bearer_%s_', g) end || t.relname)::name as free
                from generate_series(1, 1000) g
               where not exists (select from pg_class x
                                  where x.relnamespace = t.relnamespace
                                    and x.relname = (case g when 1 then 'bearer_' else format('bearer_%s_', g) end || t.relname)::name)
               order by g limit 1) f
         where t.oid = protection_index.source
           and not auth_internal.protection_has_index(t.oid, protection_index.settings)
    )
    select case when m.is_run then 'run' else 'suggested' end, s.statement
      from missing m
     cross join lateral (
          select 1 as n, case when m.is_run then format('create index %I on %s (%s)', m.free, m.name, m.key)
                              when m.relkind = 'p' then format('create index on %s (%s)', m.name, m.key)
                              else format('create index concurrently on %s (%s)', m.name, m.key) end as statement
          union all
          select 2, format('comment on index %I.%I is %L', m.nspname, m.free, '{"by": "auth.protect"}')
           where m.is_run) s
     order by s.n
$$;
comment on function auth_internal.protection_index is 'The statements for the index that a table lacks, to run or to suggest.';

-- What the owner should look at in one table of a tree.
create or replace function auth_internal.protection_suggestions(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('drop policy %I on %s', p.polname, p.polrelid::regclass)
      from pg_policy p
     where p.polrelid = protection_suggestions.source and p.polpermissive
       and p.polname not in ('bearer_select', 'bearer_insert', 'bearer_update', 'bearer_delete', 'bearer_service')
     order by 1
$$;
comment on function auth_internal.protection_suggestions is 'Policies of somebody else that open a protected table.';

-- NOT NULL, foreign keys and unique keys of the table itself, for the organization.
create or replace function auth_internal.protection_key_suggestions(source oid, settings jsonb) returns table (statement text)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    org record;
begin
    select c.name, c.number, c.type, a.attnotnull into org
      from auth_internal.protection_columns(protection_key_suggestions.source, settings) c
      join pg_attribute a on a.attrelid = protection_key_suggestions.source and a.attnum = c.number
     where c.kind = 'organization';
    if not found then
        return;
    end if;
    if not org.attnotnull then
        -- Nobody looks for NULLs: to plan a query of the table runs functions in its indexes, as whoever asks.
        return query select format('alter table %s alter column %I set not null', protection_key_suggestions.source::regclass, org.name);
    end if;
    return query select f.statement from auth_internal.protection_foreign_keys(protection_key_suggestions.source, settings) f;
    return query select u.statement from auth_internal.protection_unique_keys(protection_key_suggestions.source, org.number) u;
end
$$;
comment on function auth_internal.protection_key_suggestions is 'NOT NULL and keys that a protected table should have.';

-- Foreign keys from and to the table that let a row of one organization refer to another's.
create or replace function auth_internal.protection_foreign_keys(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with sides as (
        select k.oid, k.conrelid, k.confrelid, k.conkey, k.confkey, k.conname, k.confdeltype, k.confupdtype, k.condeferrable,
               k.condeferred, a.attname as org, f.attname as foreign_org, a.attnum, f.attnum as foreign_attnum
          from pg_constraint k
         cross join lateral (select coalesce(case k.conrelid when protection_foreign_keys.source then protection_foreign_keys.settings end,
                                             auth_internal.protection_of(k.conrelid), protection_foreign_keys.settings) ->> 'organization' as name) n
         cross join lateral (select coalesce(case k.confrelid when protection_foreign_keys.source then protection_foreign_keys.settings end,
                                             auth_internal.protection_of(k.confrelid), protection_foreign_keys.settings) ->> 'organization' as name) m
          join pg_attribute a on a.attrelid = k.conrelid and a.attname = n.name
          join pg_attribute f on f.attrelid = k.confrelid and f.attname = m.name and f.atttypid = a.atttypid
         where k.contype = 'f' and k.conparentid = 0 and protection_foreign_keys.source in (k.conrelid, k.confrelid)
           and not exists (select from unnest(k.conkey, k.confkey) p (c, f) where p.c = a.attnum and p.f = f.attnum)
           and a.attnum <> all (k.conkey) and f.attnum <> all (k.confkey)
    ), columns as (
        select s.*, c.names, c.foreign_names, c.numbers
          from sides s
         cross join lateral (
              select string_agg(quote_ident(a.attname), ', ' order by p.n) as names,
                     string_agg(quote_ident(f.attname), ', ' order by p.n) as foreign_names,
                     array_agg(f.attnum order by f.attnum) as numbers
                from unnest(s.conkey, s.confkey) with ordinality as p (c, f, n)
                join pg_attribute a on a.attrelid = s.conrelid and a.attnum = p.c
                join pg_attribute f on f.attrelid = s.confrelid and f.attnum = p.f) c
    )
    select t.statement
      from columns s
     cross join lateral (
          select 1 as n, format('alter table %s add unique (%I, %s)', s.confrelid::regclass, s.foreign_org, s.foreign_names) as statement
           where not exists (
                 select from pg_index i
                  where i.indrelid = s.confrelid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
                    and i.indnkeyatts = cardinality(s.numbers) + 1
                    and (select array_agg(x order by x) from unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1]) x)
                        = (select array_agg(x order by x) from unnest(s.numbers || s.foreign_attnum) x))
          union all
          select 2, format('alter table %s drop constraint %I, add foreign key (%I, %s) references %s (%I, %s)%s%s%s',
                           s.conrelid::regclass, s.conname, s.org, s.names, s.confrelid::regclass, s.foreign_org, s.foreign_names,
                           -- The organization stays what it is when the row that is referred to goes.
                           case s.confupdtype when 'c' then ' on update cascade' when 'r' then ' on update restrict' else '' end,
                           case s.confdeltype when 'c' then ' on delete cascade' when 'r' then ' on delete restrict'
                                              when 'n' then format(' on delete set null (%s)', s.names)
                                              when 'd' then format(' on delete set default (%s)', s.names) else '' end,
                           case when s.condeferred then ' deferrable initially deferred' when s.condeferrable then ' deferrable' else '' end)) t
     order by s.conrelid::regclass::text, s.conname, t.n
$$;
comment on function auth_internal.protection_foreign_keys is 'Foreign keys with the organization in place of those without.';

-- Unique keys, other than those of made-up ids, that tell an organization what another one has.
create or replace function auth_internal.protection_unique_keys(source oid, org_number smallint) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with keys as (
        select i.indexrelid, i.indrelid::regclass as name, a.attname as org, k.conname, k.contype, i.indnullsnotdistinct as is_strict,
               pg_get_expr(i.indpred, i.indrelid) as predicate,
               (select string_agg(pg_get_indexdef(i.indexrelid, n, false), ', ' order by n)
                  from generate_series(1, i.indnkeyatts) n) as columns
          from pg_index i
          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = protection_unique_keys.org_number
          left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
         where i.indrelid = protection_unique_keys.source and i.indisunique and k.contype is distinct from 'x'
           and not exists (
               select from unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1]) x (number)
                 join pg_attribute c on c.attrelid = i.indrelid and c.attnum = x.number
                 left join pg_attrdef d on d.adrelid = c.attrelid and d.adnum = c.attnum
                where c.attnum = protection_unique_keys.org_number or c.atttypid = 'uuid'::regtype or c.attidentity <> ''
                   or pg_get_expr(d.adbin, d.adrelid) like 'nextval(%')
    )
    select s.statement
      from keys k
     cross join lateral (
          select 1 as n, case when k.contype is null then
                                  format('create unique index on %s (%I, %s)%s%s', k.name, k.org, k.columns,
                                         case when k.is_strict then ' nulls not distinct' else '' end, ' where ' || k.predicate)
                              else format('alter table %s drop constraint %I, add %s (%I, %s)', k.name, k.conname,
                                          case when k.contype = 'p' then 'primary key'
                                               when k.is_strict then 'unique nulls not distinct' else 'unique' end,
                                          k.org, k.columns) end as statement
          union all
          select 2, format('drop index %s', k.indexrelid::regclass) where k.contype is null) s
     order by k.indexrelid::regclass::text, s.n
$$;
comment on function auth_internal.protection_unique_keys is 'Unique keys with the organization in place of those without.';
