-- Tables that a command made, or that came to where guards look.

-- The column that says to which organization a row belongs: filled by us, or surely so named, of a type that auth.protect() takes.
create or replace function auth_internal.guard_column(source oid) returns name
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
    select a.attname
      from pg_attribute a
      join auth_internal.column_readers() r on r.kind = 'organization' and r.type = auth_internal.base_type(a.atttypid)
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      left join pg_collation l on l.oid = a.attcollation
      left join auth_internal.organization_names() n on n.name = a.attname and n.place <= 2
     cross join lateral (select coalesce(a.attgenerated = '' and pg_get_expr(d.adbin, d.adrelid) = r.reader, false) as is_filled) f
     where a.attrelid = guard_column.source and a.attnum > 0 and not a.attisdropped
       and a.attgenerated <> 'v' and coalesce(l.collisdeterministic, true)
       and (f.is_filled or n.name is not null)
     order by f.is_filled desc, n.place, a.attnum limit 1
$$;
comment on function auth_internal.guard_column is 'The column of a new table that says to which organization a row belongs; NULL without one.';

create or replace function auth_internal.guard_new_table(source oid, tag text, is_member boolean, changes text[])
    returns table (fault text, repair text)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_made constant boolean := tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO');
    settings jsonb;
    wanted text;
    org_column name;
begin
    -- Protected, or somebody's own business.
    if exists (select from pg_policy p where p.polrelid = source) then
        return;
    end if;
    if exists (select from pg_inherits i where i.inhrelid = source) then
        select s.settings into settings
          from auth_internal.table_ancestors(source) a
         cross join lateral (select auth_internal.protection_of(a.ancestor) as settings) s
         where s.settings is not null order by a.level limit 1;
        if found then
            -- One that was there before is left to whoever attaches it.
            perform auth_internal.protect_as_owner(source, settings) where is_made;
            return;
        end if;
    end if;
    select g.new_tables into wanted
      from auth.guard_settings g
      join pg_class c on c.oid = source and not c.relispartition
      join pg_namespace n on n.oid = c.relnamespace and (g.schemas is null or n.nspname = any (g.schemas));
    org_column := auth_internal.guard_column(source);
    if coalesce(wanted, 'ignore') = 'ignore' or is_member or org_column is null
       or not (is_made or 'name' = any (changes)
               or exists (select from pg_attribute a
                           where a.attrelid = source and a.attname = org_column and a.attnum::text = any (changes))) then
        return;
    end if;
    settings := jsonb_build_object('organization', org_column, 'roles', '[0]'::jsonb, 'all_orgs', false, 'single_login', false);
    if wanted = 'refuse' then
        fault := format('%s has a column for the organization, %I, and is not protected', auth_internal.qualified(source), org_column);
        repair := auth_internal.protection_call(source, settings);
        return next;
    else
        perform auth_internal.protect_as_owner(source, settings);
    end if;
end
$$;
comment on function auth_internal.guard_new_table is 'Protects a table that the command made, or brought to where guards look; or why that is refused.';

-- auth_internal.protect_as_owner() calls it.
create or replace function auth_internal.protection_repeated(source oid, settings jsonb) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.protect(
        source::regclass, (settings ->> 'organization')::name, (settings ->> 'workspace')::name, (settings ->> 'owner')::name,
        (settings ->> 'environment')::name, settings ->> 'resource', auth_internal.protection_role_names(settings),
        false, (settings ->> 'all_orgs')::boolean, (settings ->> 'single_login')::boolean);
end
$$;
comment on function auth_internal.protection_repeated is 'Calls auth.protect() with these settings.';
