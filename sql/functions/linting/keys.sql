-- What auth.lint() says about unique and foreign keys: they see the rows of every organization.

-- A key without the organization answers whether another organization has a value, to whoever can choose values.
-- Nobody guesses a uuid, and nobody chooses GENERATED ALWAYS.
create or replace function auth_internal.lint_unique_keys(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    keys as materialized (
        select i.indexrelid, i.indrelid, i.indisexclusion, k.oid as constraint_id, k.contype, k.conname,
               quote_ident(a.attname) as org_name, x.relname,
               exists (select from pg_constraint f where f.contype = 'f' and f.conindid = i.indexrelid) as referenced,
               pg_get_indexdef(i.indexrelid) as definition,
               format('CREATE UNIQUE INDEX %I ON %s%s USING %I (', x.relname,
                      case c.relkind when 'p' then 'ONLY ' else '' end, c.oid::regclass, m.amname) as head
          from organizations o
          join pg_class c on c.oid = o.source and c.relkind in ('r', 'p') and not c.relispartition
                         and c.relnamespace = any (namespaces)
          join pg_index i on i.indrelid = c.oid and (i.indisunique or i.indisexclusion)
          join pg_class x on x.oid = i.indexrelid
          join pg_am m on m.oid = x.relam
          join pg_attribute a on a.attrelid = c.oid and a.attnum = o.org
          left join pg_constraint k on k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
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
                                       where d.adrelid = c.oid and d.adnum = n))))
    select 'unique_without_org', 'warning', format('%I on %s', coalesce(k.conname, k.relname), k.indrelid::regclass),
           format('the key shows whether another organization has a value: put column %s first', k.org_name)
               || case when k.indisexclusion then '; no SQL can say whether its type has an operator class there (btree_gist)'
                       when k.referenced then '; no SQL can say where the foreign keys that refer to it belong then'
                       else '' end,
           case when k.indisexclusion or k.referenced then null
                when k.constraint_id is not null
                then format('alter table %1$s drop constraint %2$I, add constraint %2$I %3$s', k.indrelid::regclass, k.conname,
                            overlay(d.text placing '(' || k.org_name || ', ' from position('(' in d.text) for 1))
                when starts_with(k.definition, k.head)
                then format('drop index %s; %s%s, %s', k.indexrelid::regclass, k.head, k.org_name,
                            substr(k.definition, length(k.head) + 1))
           end
      from keys k
      left join lateral (select pg_get_constraintdef(k.constraint_id) as text) d on true
$$;
comment on function auth_internal.lint_unique_keys is 'Findings of auth.lint() about unique keys.';

-- A foreign key without the organization accepts another organization's row, and shows whether there is one.
create or replace function auth_internal.lint_foreign_keys(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    keys as materialized (
        select k.*, child.attname as child_org, parent.attname as parent_org, p.org as parent_place,
               child.atttypid = parent.atttypid as same_type,
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
          join pg_class c on c.oid = k.conrelid and c.relnamespace = any (namespaces)
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
                    when temporal then 'the key is temporal'
                    when confupdtype in ('n', 'd') then 'ON UPDATE would change the organization too'
                    when confmatchtype = 'f' and cardinality(conkey) > 1 then 'MATCH FULL would ask for every column'
                    when child_org is null or child_columns is null or parent_columns is null then 'its columns are unknown'
               end as obstacle,
               exists (select from pg_index i
                        where i.indrelid = k.confrelid and i.indisunique and i.indisvalid and i.indimmediate
                          and i.indpred is null and i.indexprs is null
                          and i.indnkeyatts = cardinality(k.confkey) + 1
                          and (i.indkey::smallint[])[0:i.indnkeyatts - 1] @> (k.confkey || k.parent_place)) as has_key
          from keys k)
    select 'fk_crosses_orgs', 'warning', format('%I on %s', conname, conrelid::regclass),
           format('a row can refer to another organization''s row of %s, and so shows whether there is one', confrelid::regclass)
               || coalesce('; no SQL can mend it: ' || obstacle, ''),
           case when obstacle is null then
               case when has_key then ''
                    else format('alter table %s add unique (%I, %s); ', confrelid::regclass, parent_org, parent_columns) end
               || format('alter table %1$s drop constraint %2$I, add constraint %2$I foreign key (%3$I, %4$s) references %5$s (%6$I, %7$s)%8$s',
                         conrelid::regclass, conname, child_org, child_columns, confrelid::regclass, parent_org, parent_columns,
                         case confupdtype when 'r' then ' on update restrict' when 'c' then ' on update cascade' else '' end
                         || case confdeltype when 'r' then ' on delete restrict' when 'c' then ' on delete cascade'
                                 when 'n' then format(' on delete set null (%s)', cleared_columns)
                                 when 'd' then format(' on delete set default (%s)', cleared_columns) else '' end
                         || case when condeferrable then ' deferrable' else '' end
                         || case when condeferred then ' initially deferred' else '' end
                         || case when not enforced then ' not enforced'
                                 when not convalidated then ' not valid' else '' end)
           end
      from judged
$$;
comment on function auth_internal.lint_foreign_keys is 'Findings of auth.lint() about foreign keys.';
