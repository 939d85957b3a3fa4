-- Why guards refuse a command, and the statement that is right: no row where they do not.

-- The table, and all that it inherits from, nearest first.
create or replace function auth_internal.table_ancestors(source oid) returns table (ancestor oid, level integer)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive above (oid, level) as (
        select table_ancestors.source, 0
        union
        select i.inhparent, a.level + 1 from above a join pg_inherits i on i.inhrelid = a.oid)
    select a.oid, min(a.level) from above a group by a.oid order by 2, 1
$$;
comment on function auth_internal.table_ancestors is 'A table and all that it inherits from, nearest first.';

-- As its own policies say, and those of each table that it inherits from.
create or replace function auth_internal.guard_table(source oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select f.fault, f.repair
      from auth_internal.table_ancestors(guard_table.source) a
     cross join lateral (select auth_internal.protection_of(a.ancestor) as settings) s
     cross join lateral auth_internal.protection_faults(guard_table.source, s.settings) with ordinality f (fault, repair, n)
     where s.settings is not null
     order by a.level, f.n limit 1
$$;
comment on function auth_internal.guard_table is 'Why a table is other than its policies, or those of a table that it inherits from, say.';

create or replace function auth_internal.guard_owner(source oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('%s would belong to %I, who logs in or whom no policy binds', t.name, r.rolname),
           format('alter table %s owner to a role without LOGIN, SUPERUSER and BYPASSRLS', t.name)
      from pg_class c
      join pg_roles r on r.oid = c.relowner and (r.rolcanlogin or r.rolsuper or r.rolbypassrls)
     cross join lateral (select auth_internal.qualified(c.oid) as name) t
     where c.oid = guard_owner.source and auth_internal.protection_of(c.oid) is not null
$$;
comment on function auth_internal.guard_owner is 'Why a protected table cannot have the owner that it has: one who logs in, or whom no policy binds.';

-- Rows are read through a parent by its policies alone. The parent that is furthest away comes first: auth.protect() protects
-- all below it.
create or replace function auth_internal.guard_parents(source oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('rows of %s could be read through %s, which is not protected',
                  auth_internal.qualified(t.part), auth_internal.qualified(a.ancestor)),
           auth_internal.protection_call(a.ancestor, s.settings)
      from auth_internal.table_ancestors(guard_parents.source) a
     cross join auth_internal.table_tree(guard_parents.source) with ordinality t (part, is_being_detached, n)
     cross join lateral (select auth_internal.protection_of(t.part) as settings) s
     where s.settings is not null and auth_internal.protection_of(a.ancestor) is null
     order by a.level desc, a.ancestor, t.n limit 1
$$;
comment on function auth_internal.guard_parents is 'Why a table cannot be under another, or have another under it: rows of a protected table could be read through one that is not.';

create or replace function auth_internal.guard_policy(policy oid) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('policy %I would open %s further: permissive policies add up', p.polname, t.name),
           format('create policy %I on %s as restrictive …', p.polname, t.name)
      from pg_policy p
     cross join lateral (select auth_internal.qualified(p.polrelid) as name) t
     where p.oid = guard_policy.policy and p.polpermissive and p.polname <> all (auth_internal.protection_policy_names())
       and exists (select from auth_internal.table_ancestors(p.polrelid) a where auth_internal.protection_of(a.ancestor) is not null)
$$;
comment on function auth_internal.guard_policy is 'Why a policy cannot be: a permissive one of somebody else on a protected table.';

-- Where the last policy of ours went, nothing tells any more that the table was protected, but what it was called.
create or replace function auth_internal.guard_lost(source oid, policies name[]) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('policies of auth.protect() on %s are gone', auth_internal.qualified(guard_lost.source)),
           auth_internal.protection_call(guard_lost.source, '{}')
     where auth_internal.protection_of(guard_lost.source) is null
       and guard_lost.policies && auth_internal.protection_policy_names()
    union all
    select g.fault, g.repair from auth_internal.guard_table(guard_lost.source) g
$$;
comment on function auth_internal.guard_lost is 'Why policies with these names, or something else, cannot be dropped from a table.';

-- An index is known by its name and schema alone. Small tables have the one that they need, because auth.protect() makes it; of large
-- ones those count whose index it had named.
create or replace function auth_internal.guard_index(schema name, index name) returns table (fault text, repair text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('no index of %s finds the rows of an organization any more', auth_internal.qualified(c.oid)),
           auth_internal.protection_call(c.oid, s.settings)
      from pg_namespace n
      join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and c.relrowsecurity and not c.relispartition
     cross join lateral (select auth_internal.protection_of(c.oid) as settings) s
     where n.nspname = guard_index.schema and s.settings is not null
       and exists (select from auth_internal.protection_index(c.oid, s.settings, pg_get_userbyid(c.relowner)))
       and (auth_internal.protection_is_small(c.oid)
            or guard_index.index in (('bearer_' || c.relname)::name,
                                     (substring(guard_index.index from '^bearer_[0-9]+_') || c.relname)::name))
     limit 1
$$;
comment on function auth_internal.guard_index is 'Why an index cannot be dropped: a protected table needs it.';
