-- Foreign keys that were checked against a part of the rows only.

-- What makes an unmatched row of a foreign key: text for a query of the table `c` with its parent `p`. Operators are the key's own.
create or replace function auth_internal.foreign_key_query(key oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select format('select count(*) from %s c where (%s) and not exists (select from %s p where %s)%s',
                  case c.relkind when 'p' then '' else 'only ' end || auth_internal.qualified(k.conrelid),
                  string_agg(format('c.%I is not null', f.attname), ' and ' order by n.place),
                  case p.relkind when 'p' then '' else 'only ' end || auth_internal.qualified(k.confrelid),
                  string_agg(format('p.%I operator(%I.%s) c.%I', r.attname, s.nspname, o.oprname, f.attname)
                             -- The parent's decides, as Postgres has it.
                             || case when r.attcollation <> f.attcollation and l.oid is not null then format(' collate %I.%I', ls.nspname, l.collname) else '' end,
                             ' and ' order by n.place),
                  -- A part of the columns without the others.
                  case k.confmatchtype when 'f' then
                      format(' or num_nulls(%1$s) between 1 and %2$s',
                             string_agg(format('c.%I', f.attname), ', ' order by n.place), count(*) - 1) else '' end)
      from pg_constraint k
      join pg_class c on c.oid = k.conrelid
      join pg_class p on p.oid = k.confrelid
     cross join lateral unnest(k.conkey, k.confkey, k.conpfeqop) with ordinality as n (child, parent, operator, place)
      join pg_attribute f on f.attrelid = k.conrelid and f.attnum = n.child
      join pg_attribute r on r.attrelid = k.confrelid and r.attnum = n.parent
      join pg_operator o on o.oid = n.operator
      join pg_namespace s on s.oid = o.oprnamespace
      left join pg_collation l on l.oid = r.attcollation
      left join pg_namespace ls on ls.oid = l.collnamespace
     where k.oid = foreign_key_query.key and k.contype = 'f'
       and coalesce(to_jsonb(k) ->> 'conperiod', 'false') = 'false'
     group by k.oid, k.conrelid, k.confrelid, k.confmatchtype, c.relkind, p.relkind
$$;
comment on function auth_internal.foreign_key_query is 'The query that counts the rows that violate a foreign key; NULL for one over periods.';

-- As the caller, who has to see both tables whole.
create or replace function auth.recheck_foreign_keys(source regclass)
    returns table (name name, child regclass, parent regclass, validated boolean, violations bigint)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    key record;
    hidden regclass;
    query text;
begin
    for key in
        select k.oid, k.conname, k.conrelid, k.confrelid, k.convalidated
          from pg_constraint k
         where k.contype = 'f' and k.conparentid = 0 and recheck_foreign_keys.source in (k.conrelid, k.confrelid)
           and coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
         order by k.conrelid::regclass::text, k.conname
    loop
        select t.oid into hidden from unnest(array[key.conrelid, key.confrelid]) t (oid)
         where row_security_active(t.oid) and not auth_internal.is_migrating(t.oid);
        if found then
            raise object_not_in_prerequisite_state using
                message = format('row security hides rows of %s from you', hidden),
                hint = 'Call auth.begin_data_migration() with both tables first in the transaction.';
        end if;
        name := key.conname;
        child := key.conrelid;
        parent := key.confrelid;
        validated := key.convalidated;
        violations := null;
        query := auth_internal.foreign_key_query(key.oid);
        if query is not null then
            execute query into violations;
        end if;
        return next;
    end loop;
end
$$;
comment on function auth.recheck_foreign_keys is
    'Whoever sees them whole: counts the rows that violate the foreign keys of a table, and those that refer to it; in a data migration for owners. One row per key: its name, both tables, whether Postgres holds it validated, and how many rows violate it, NULL for a key over periods, which this cannot check. Keys that are not enforced are left out. No rows for NULL and a table without such keys. 55000 where row security hides rows of either table, 42501 without the right to select from both.';
