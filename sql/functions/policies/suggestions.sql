-- The index that a protected table needs, and what auth.protect() only suggests: what can fail, take long or is the owner's to
-- decide.

-- Is a scan of the table, and of all that inherits from it, a matter of a moment?
create or replace function auth_internal.protection_is_small(source oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(sum(pg_relation_size(t.part)), 0) <= 16 * 1024 * 1024 from auth_internal.table_tree(protection_is_small.source) t
$$;
comment on function auth_internal.protection_is_small is 'Is a scan of the table a matter of a moment?';

-- The statement that gives the table the index it lacks: named, so that we know it again by its comment. creator is who would
-- run it.
create or replace function auth_internal.protection_index(source oid, settings jsonb, creator name)
    returns table (action text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with missing as materialized (
        select t.relkind, t.relname, t.relnamespace, auth_internal.qualified(t.oid) as name, n.nspname, k.name as key,
               -- An owner may lack the right to create it.
               auth_internal.protection_is_small(t.oid)
                   and exists (select from pg_roles r where r.rolname = protection_index.creator and has_schema_privilege(r.oid, n.oid, 'create')) as is_run
          from pg_class t
         -- The first column that says whose a row is.
         cross join lateral (select c.name, c.number from auth_internal.protection_columns(t.oid, protection_index.settings) c
                              where c.kind in ('organization', 'workspace', 'owner') limit 1) k
          join pg_namespace n on n.oid = t.relnamespace
         where t.oid = protection_index.source
           and not auth_internal.column_has_index(t.oid, k.number)
    ), named as (
        select m.*, f.free
          from missing m
         cross join lateral (
              -- The number comes first, since a long name loses its end.
              select (case g when 1 then 'bearer_' else format('bearer_%s_', g) end || m.relname)::name as free
                from generate_series(1, 1000) g
               where not exists (select from pg_class x
                                  where x.relnamespace = m.relnamespace
                                    and x.relname = (case g when 1 then 'bearer_' else format('bearer_%s_', g) end || m.relname)::name)
               order by g limit 1) f
    )
    select case when m.is_run then 'run' else 'suggested' end,
           case when m.is_run then format(E'create index %I on %s (%I);\ncomment on index %I.%I is %L', m.free, m.name, m.key,
                                          m.nspname, m.free, '{"by": "auth.protect"}')
                when m.relkind = 'p' then format('create index on %s (%I)', m.name, m.key)
                else format('create index concurrently on %s (%I)', m.name, m.key) end
      from named m
$$;
comment on function auth_internal.protection_index is 'The statement for the index that a table lacks, to run or to suggest.';

-- What the owner should look at in one table of a tree.
create or replace function auth_internal.protection_suggestions(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('drop policy %I on %s', p.polname, auth_internal.qualified(p.polrelid))
      from pg_policy p
     where p.polrelid = protection_suggestions.source and p.polpermissive
       and p.polname <> all (auth_internal.protection_policy_names())
     order by 1
$$;
comment on function auth_internal.protection_suggestions is 'Policies of somebody else that open a protected table.';

-- NOT NULL, foreign keys and unique keys, for the organization. A foreign key is mended when both of its tables are protected, so
-- that of two calls the second one suggests it. The other tables have the column that their own policies ask about.
create or replace function auth_internal.protection_key_suggestions(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with org as materialized (
        select c.name, c.number, a.attnotnull
          from auth_internal.protection_columns(protection_key_suggestions.source, settings) c
          join pg_attribute a on a.attrelid = protection_key_suggestions.source and a.attnum = c.number
         where c.kind = 'organization'
    ), parents as materialized (
        select k.confrelid as oid from pg_constraint k
         where k.contype = 'f' and k.conrelid = protection_key_suggestions.source
    ), family as materialized (
        -- Whatever refers to the table, what it refers to, and what else refers to that.
        select distinct x.oid
          from pg_constraint k cross join lateral (values (k.conrelid), (k.confrelid)) x (oid)
         where k.contype = 'f'
           and (protection_key_suggestions.source in (k.conrelid, k.confrelid) or k.confrelid in (select p.oid from parents p))
           and x.oid <> protection_key_suggestions.source
    ), tables as materialized (
        select array_agg(t.source order by t.source) as sources, array_agg(t.number order by t.source) as numbers
          from (select protection_key_suggestions.source, o.number from org o
                union all
                select l.oid, a.attnum
                  from family l
                  join pg_attribute a on a.attrelid = l.oid and a.attnum > 0 and not a.attisdropped
                                     and a.attname = auth_internal.protection_of(l.oid) ->> 'organization') t
    ), mended as materialized (
        select k.*, row_number() over (order by k.source::regclass::text, k.name) as n
          from org o cross join tables t cross join lateral auth_internal.foreign_keys_without_org(t.sources, t.numbers) k
         where k.statements is not null
    ), links as materialized (
        select m.* from mended m where protection_key_suggestions.source in (m.source, m.parent)
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
        -- Nothing refers to it any more when the foreign keys are mended. Those of a table that this one refers to could not be
        -- suggested as long as this one was not protected.
        select 3, k.n, s.n, s.statement
          from org o
         cross join tables t
         cross join lateral auth_internal.unique_keys_without_org(t.sources, t.numbers)
                            with ordinality as k (source, name, org, statements, obstacle, referenced_by, n)
         cross join lateral unnest(k.statements) with ordinality as s (statement, n)
         where o.attnotnull and k.referenced_by <@ array(select m.key from mended m)
           and (k.source = protection_key_suggestions.source
                or k.referenced_by && array(select l.key from links l where l.source = protection_key_suggestions.source))
    )
    select f.statement from suggested f order by f.place, f.key, f.step
$$;
comment on function auth_internal.protection_key_suggestions is 'NOT NULL and keys that a protected table should have.';
