-- Unique and foreign keys without the organization: they see the rows of every organization. What mends them keeps all that the
-- key is: its name, MATCH, actions, NOT VALID, DEFERRABLE, INCLUDE, operator classes, order and predicate. Lint and protect go by
-- these. tables and columns are the tables that have a column for the organization, and its number.

-- A key without the organization answers whether another organization has a value, to whoever can choose values. Nobody guesses a
-- uuid, and nobody chooses GENERATED ALWAYS. obstacle says why the statements cannot be run as things are; they are NULL where no
-- SQL can mend it. referenced_by are the foreign keys that have to be mended first.
create or replace function auth_internal.unique_keys_without_org(tables oid[], columns smallint[])
    returns table (source oid, name name, org name, statements text[], obstacle text, referenced_by oid[])
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    keys as materialized (
        select i.indexrelid, i.indrelid, i.indisexclusion, k.oid as constraint_id, coalesce(k.conname, x.relname) as name,
               a.attname as org,
               array(select f.oid from pg_constraint f where f.contype = 'f' and f.conparentid = 0 and f.conindid = i.indexrelid) as referenced_by,
               pg_get_constraintdef(k.oid) as constraint_definition, auth_internal.printed_index(i.indexrelid) as definition,
               format('CREATE UNIQUE INDEX %I ON %s%s USING %I (', x.relname,
                      case c.relkind when 'p' then 'ONLY ' else '' end, auth_internal.qualified(c.oid), m.amname) as head
          from organizations o
          join pg_class c on c.oid = o.source and c.relkind in ('r', 'p') and not c.relispartition
          join pg_index i on i.indrelid = c.oid and (i.indisunique or i.indisexclusion)
          join pg_class x on x.oid = i.indexrelid
          join pg_am m on m.oid = x.relam
          join pg_attribute a on a.attrelid = c.oid and a.attnum = o.org
          left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
         where not exists (
               select from unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1]) n
                 left join pg_attribute t on t.attrelid = c.oid and t.attnum = n
                where n = any (o.orgs) or t.atttypid = 'uuid'::regtype
                   or i.indnkeyatts = 1
                      and (t.attidentity <> ''
                           or exists (select from pg_attrdef d
                                        join pg_depend y on y.classid = 'pg_attrdef'::regclass and y.objid = d.oid
                                                        and y.refclassid = 'pg_class'::regclass
                                        join pg_class s on s.oid = y.refobjid and s.relkind = 'S'
                                       where d.adrelid = c.oid and d.adnum = n)))),
    judged as (
        select k.*, case when k.indisexclusion then 'no SQL can say whether its type has an operator class there (btree_gist)'
                         when k.constraint_id is null and auth_internal.portable(k.definition) is null
                              then 'no SQL can say its constants so that all settings read them alike'
                         when k.referenced_by <> '{}' then 'no SQL can say where the foreign keys that refer to it belong then' end as obstacle
          from keys k)
    select j.indrelid, j.name, j.org,
           case when j.indisexclusion then null
                when j.constraint_id is not null then array[
                    format(E'alter table %1$s\n    drop constraint %2$I,\n    add constraint %2$I %3$s', auth_internal.qualified(j.indrelid), j.name,
                           overlay(j.constraint_definition placing '(' || quote_ident(j.org) || ', '
                                   from position('(' in j.constraint_definition) for 1))]
                when starts_with(j.definition, j.head) and auth_internal.portable(j.definition) is not null then array[
                    format('drop index %s', auth_internal.qualified(j.indexrelid)),
                    auth_internal.pinned(format('%s%I, %s', j.head, j.org, auth_internal.portable(substr(j.definition, length(j.head) + 1))))] end,
           j.obstacle, j.referenced_by
      from judged j
     order by j.indrelid::regclass::text, j.name
$$;
comment on function auth_internal.unique_keys_without_org is 'Unique keys of these tables that show whether another organization has a value, and the statements that mend each.';

-- As Postgres would call it, unless that is too long: one that was cut off could be that of another key.
create or replace function auth_internal.free_key_name(source oid, columns smallint[]) returns name
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select f.name::name
      from pg_class c
     cross join lateral (
           select concat_ws('_', c.relname, string_agg(a.attname, '_' order by k.n), 'key') as whole
             from unnest(columns) with ordinality k (attnum, n)
             join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum) w
     cross join generate_series(0, 9) n
     cross join lateral (
           select case when octet_length(w.whole) < 60 then w.whole else 'bearer_' || md5(w.whole) end
                  || coalesce(nullif(n, 0)::text, '') as name) f
     where c.oid = free_key_name.source
       -- Where all are taken, making it says so.
       and (n = 9 or not exists (select from pg_class x where x.relnamespace = c.relnamespace and x.relname = f.name::name))
     order by n limit 1
$$;
comment on function auth_internal.free_key_name is 'A name for a unique key of these columns that nothing has, the same until something has it.';

-- A foreign key without the organization accepts another organization's row, and shows whether there is one. As above.
create or replace function auth_internal.foreign_keys_without_org(tables oid[], columns smallint[])
    returns table (key oid, source oid, parent oid, name name, statements text[], obstacle text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    keys as materialized (
        select k.*, child.attname as child_org, parent.attname as parent_org, p.org as parent_place,
               child.atttypid = parent.atttypid as same_type, o.orgs && k.conkey or p.orgs && k.confkey as is_elsewhere,
               coalesce(to_jsonb(k) ->> 'conperiod', 'false') = 'true' as temporal,
               coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true' as enforced,
               (select string_agg(quote_ident(a.attname), ', ' order by n.place)
                  from unnest(k.conkey) with ordinality n (attnum, place)
                  join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.attnum) as child_columns,
               (select string_agg(quote_ident(a.attname), ', ' order by n.place)
                  from unnest(k.confkey) with ordinality n (attnum, place)
                  join pg_attribute a on a.attrelid = k.confrelid and a.attnum = n.attnum) as parent_columns,
               (select string_agg(quote_ident(a.attname), ', ' order by n.place)
                  from unnest(coalesce(k.confdelsetcols, k.conkey)) with ordinality n (attnum, place)
                  join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.attnum) as cleared_columns
          from pg_constraint k
          join organizations o on o.source = k.conrelid
          join organizations p on p.source = k.confrelid
          join pg_attribute child on child.attrelid = k.conrelid and child.attnum = o.org
          join pg_attribute parent on parent.attrelid = k.confrelid and parent.attnum = p.org
         where k.contype = 'f' and k.conparentid = 0
           and not exists (select from unnest(k.conkey, k.confkey) n (here, there)
                            where n.here = any (o.orgs) and n.there = any (p.orgs))),
    judged as (
        select k.*,
               case when not same_type then 'the columns of the organization differ in type'
                    when is_elsewhere then 'the organization refers to another column, or another column to it'
                    when temporal then 'the key is temporal'
                    when confupdtype in ('n', 'd') then 'ON UPDATE would change the organization too'
                    when confmatchtype = 'f' and cardinality(conkey) > 1 then 'MATCH FULL would ask for every column'
                    when child_org is null or child_columns is null or parent_columns is null then 'its columns are unknown'
               end as obstacle,
               exists (select from pg_index i
                        where i.indrelid = k.confrelid and i.indisunique and i.indisvalid and i.indimmediate
                          and i.indpred is null and i.indexprs is null
                          and i.indnkeyatts = cardinality(k.confkey) + 1
                          and (i.indkey::smallint[])[0:i.indnkeyatts - 1] @> (k.confkey || k.parent_place)) as has_key,
               f.key_name, format('%I.%I', n.nspname, f.key_name) as key_index
          from keys k
          join pg_class p on p.oid = k.confrelid
          join pg_namespace n on n.oid = p.relnamespace
         cross join lateral auth_internal.free_key_name(k.confrelid, k.parent_place || k.confkey) as f (key_name))
    select oid, conrelid, confrelid, conname,
           case when obstacle is null then array[auth_internal.as_data_migration(
               -- Two foreign keys may need the same key, and may be mended in either order.
               case when has_key then ''
                    else format(E'if pg_catalog.to_regclass(%L) is null then\n        alter table %s add constraint %I unique (%I, %s);\n    end if;\n    ',
                                key_index, auth_internal.qualified(confrelid), key_name, parent_org, parent_columns) end
               || format(E'alter table %1$s\n        drop constraint %2$I,\n        add constraint %2$I foreign key (%3$I, %4$s)\n            references %5$s (%6$I, %7$s)%8$s',
                         auth_internal.qualified(conrelid), conname, child_org, child_columns, auth_internal.qualified(confrelid), parent_org, parent_columns,
                         case confupdtype when 'r' then ' on update restrict' when 'c' then ' on update cascade' else '' end
                         -- The organization stays what it is when the row that is referred to goes.
                         || case confdeltype when 'r' then ' on delete restrict' when 'c' then ' on delete cascade'
                                 when 'n' then format(' on delete set null (%s)', cleared_columns)
                                 when 'd' then format(' on delete set default (%s)', cleared_columns) else '' end
                         || case when condeferrable then ' deferrable' else '' end
                         || case when condeferred then ' initially deferred' else '' end
                         || case when not enforced then ' not enforced'
                                 when not convalidated then ' not valid' else '' end),
               array[conrelid, confrelid])]
           end,
           obstacle
      from judged
     order by conrelid::regclass::text, conname
$$;
comment on function auth_internal.foreign_keys_without_org is 'Foreign keys between these tables that let a row refer to another organization''s, and the statements that mend each.';
