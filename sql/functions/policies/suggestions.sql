-- The index that a protected table needs, and what auth.protect() only suggests: what can fail, take long or is the owner's to
-- decide.

-- Is a scan of the table, and of all that inherits from it, a matter of a moment?
create or replace function auth_internal.protection_is_small(source oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(sum(pg_relation_size(t.part)), 0) <= 16 * 1024 * 1024 from auth_internal.table_tree(protection_is_small.source) t
$$;
comment on function auth_internal.protection_is_small is 'Is a scan of the table a matter of a moment?';

-- The statements that give the table the index it lacks: named, so that we know it again by its comment.
create or replace function auth_internal.protection_index(source oid, settings jsonb) returns table (action text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with missing as (
        select t.relkind, auth_internal.qualified(t.oid) as name, n.nspname,
               -- An owner may lack the right to create it.
               auth_internal.protection_is_small(t.oid) and has_schema_privilege(n.oid, 'create') as is_run, f.free,
               k.name as key
          from pg_class t
         -- The first column that says whose a row is.
         cross join lateral (select c.name, c.number from auth_internal.protection_columns(t.oid, protection_index.settings) c
                              where c.kind in ('organization', 'workspace', 'owner') limit 1) k
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
           and not auth_internal.column_has_index(t.oid, k.number)
    )
    select case when m.is_run then 'run' else 'suggested' end, s.statement
      from missing m
     cross join lateral (
          select 1 as n, case when m.is_run then format('create index %I on %s (%I)', m.free, m.name, m.key)
                              when m.relkind = 'p' then format('create index on %s (%I)', m.name, m.key)
                              else format('create index concurrently on %s (%I)', m.name, m.key) end as statement
          union all
          select 2, format('comment on index %I.%I is %L', m.nspname, m.free, '{"by": "auth.protect"}')
           where m.is_run) s
     order by s.n
$$;
comment on function auth_internal.protection_index is 'The statements for the index that a table lacks, to run or to suggest.';

-- What the owner should look at in one table of a tree.
create or replace function auth_internal.protection_suggestions(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('drop policy %I on %s', p.polname, auth_internal.qualified(p.polrelid))
      from pg_policy p
     where p.polrelid = protection_suggestions.source and p.polpermissive
       and p.polname not in ('bearer_select', 'bearer_insert', 'bearer_update', 'bearer_delete', 'bearer_service')
     order by 1
$$;
comment on function auth_internal.protection_suggestions is 'Policies of somebody else that open a protected table.';

-- NOT NULL, foreign keys and unique keys of the table itself, for the organization. The tables that it refers to, and those that
-- refer to it, have the column that their own policies ask about, or one of the same name.
create or replace function auth_internal.protection_key_suggestions(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with org as materialized (
        select c.name, c.number, a.attnotnull
          from auth_internal.protection_columns(protection_key_suggestions.source, settings) c
          join pg_attribute a on a.attrelid = protection_key_suggestions.source and a.attnum = c.number
         where c.kind = 'organization'
    ), linked as materialized (
        select distinct x.oid
          from pg_constraint k cross join lateral (values (k.conrelid), (k.confrelid)) x (oid)
         where k.contype = 'f' and protection_key_suggestions.source in (k.conrelid, k.confrelid)
           and x.oid <> protection_key_suggestions.source
    ), tables as materialized (
        select array_agg(t.source order by t.source) as sources, array_agg(t.number order by t.source) as numbers
          from (select protection_key_suggestions.source, o.number from org o
                union all
                select l.oid, a.attnum
                  from linked l
                 cross join org o
                  join pg_attribute a on a.attrelid = l.oid and a.attnum > 0 and not a.attisdropped
                                     and a.attname = coalesce(auth_internal.protection_of(l.oid) ->> 'organization', o.name)) t
    ), links as materialized (
        select k.*, row_number() over (order by k.source::regclass::text, k.name) as n
          from tables t cross join lateral auth_internal.foreign_keys_without_org(t.sources, t.numbers) k
         where protection_key_suggestions.source in (k.source, k.parent) and k.statements is not null
    ), suggested as (
        -- Nobody looks for NULLs: to plan a query of the table runs functions in its indexes, as whoever asks.
        select 1 as place, 1::bigint as key, 1::bigint as step,
               format('alter table %s alter column %I set not null', auth_internal.qualified(protection_key_suggestions.source), o.name) as statement
          from org o where not o.attnotnull
        union all
        select 2, k.n, s.n, s.statement
          from org o cross join links k cross join lateral unnest(k.statements) with ordinality as s (statement, n)
         where o.attnotnull
        union all
        -- Nothing refers to it any more when the foreign keys above are mended.
        select 3, k.n, s.n, s.statement
          from org o
         cross join lateral auth_internal.unique_keys_without_org(array[protection_key_suggestions.source], array[o.number])
                            with ordinality as k (source, name, org, statements, obstacle, referenced_by, n)
         cross join lateral unnest(k.statements) with ordinality as s (statement, n)
         where o.attnotnull and k.referenced_by <@ array(select l.key from links l)
    )
    -- Two keys may need the same unique key of the table that they refer to.
    select f.statement
      from (select distinct on (s.statement) s.* from suggested s order by s.statement, s.place, s.key, s.step) f
     order by f.place, f.key, f.step
$$;
comment on function auth_internal.protection_key_suggestions is 'NOT NULL and keys that a protected table should have.';
