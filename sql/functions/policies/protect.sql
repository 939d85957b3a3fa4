-- A table is protected in one line. The caller's rights do it: Postgres itself asks whether the table is his. A database's
-- owner decides how its sessions read a backslash, so what names can be part of says so itself. Compiling these queries takes
-- longer than they do.

create or replace function auth.protect(
    source regclass, org_column name default '', workspace_column name default null, owner_column name default null,
    environment_column name default null, resource text default null, roles name[] default null,
    dry_run boolean default false, all_orgs boolean default false, single_login boolean default false
) returns table (step integer, action text, statement text)
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set jit = off as $$
declare
    quoting constant text := current_setting('quote_all_identifiers');
    settings jsonb;
    statements text[];
    parts text[];
begin
    -- What Postgres prints is compared as text.
    perform set_config('quote_all_identifiers', 'off', true);
    if dry_run is null then
        perform auth_internal.refuse_protection('dry_run cannot be null', 'Say true or false.');
    end if;
    perform from pg_roles r where r.rolname = 'bearer_service';
    if not found then
        perform auth_internal.refuse('55000', 'the role bearer_service of pg_bearer is missing',
                                     'Somebody renamed it: ALTER ROLE … RENAME TO bearer_service.');
    end if;
    settings := auth_internal.protection_settings(source, auth_internal.protection_organization(source, org_column), workspace_column, owner_column, environment_column,
                                         resource, roles, all_orgs, single_login);
    select coalesce(array_agg(p.statement order by p.n), '{}'), array_agg(p.part order by p.n) into statements, parts
      from auth_internal.protection_plan(source, settings, current_user) with ordinality p (part, statement, n);
    -- Whoever finds nothing to do locks nothing. Others wait here for each other, and look again.
    if not dry_run and statements <> '{}' then
        perform auth_internal.protection_demand_owner(source);
        execute format('lock table %s in access exclusive mode', auth_internal.qualified(source));
        -- As auth_internal.commit_durably(), which the caller cannot run.
        if current_setting('synchronous_commit') = 'off' then
            perform set_config('synchronous_commit', 'local', true);
        end if;
        select coalesce(array_agg(p.statement order by p.n), '{}'), array_agg(p.part order by p.n) into statements, parts
          from auth_internal.protection_plan(source, settings, current_user) with ordinality p (part, statement, n);
        -- Guards judge what all steps together make of the table. Indexes are made when it is protected: that can run code
        -- of the table's owner.
        perform auth_internal.run_protection(source, settings);
    end if;
    step := 0;
    action := 'run';
    foreach statement in array statements loop
        step := step + 1;
        if not dry_run and parts[step] = 'index' then
            execute statement;
        end if;
        return next;
    end loop;
    action := 'suggested';
    for statement in select s.statement from auth_internal.protection_advice(source, settings) s loop
        step := step + 1;
        return next;
    end loop;
    perform set_config('quote_all_identifiers', quoting, true);
end
$$;
-- auth.protect() and its kin run as the caller, who therefore needs their parts: those read catalogs and make text.
comment on function auth.protect is
    'The table''s owner: makes the table, its partitions and whatever inherits from it show and take only rows of the identity, and returns the statements: action run for those that were run (with dry_run: would be), suggested for what to look at and run oneself. Row security is enabled and forced; policies bearer_select, _insert, _update, _delete for roles (default public), bearer_service for bearer_service with a service credential; defaults from the identity where a column has none; an index where the table is small. org_column is uuid, text, varchar, bigint or integer (the last four hold organizations.external_id) or NULL; left out it is the column that the table is protected by, or else org_id, or else the only one of organization_id, tenant_id, account_id, team_id and company_id, workspace_column is uuid, owner_column uuid, text or varchar, environment_column text or varchar. A resource asks for the permissions resource.read and resource.write. all_orgs (uuid only): rows of all organizations of the user are read, those of the current one written. single_login lets a service credential through without the role bearer_service. Called again it changes only what differs. 22023 with a hint for a bad argument and where more than one column can be the organization''s, 42710 when a policy of somebody else has the name of one of ours, 0A000 for a foreign table as partition, 42501 for a table of somebody else, 55000 where the role bearer_service was renamed.';

-- The steps without the indexes. auth_internal.run_protection() calls this, so that guards judge the end and not each step; called
-- by itself it does the same, and is judged by steps. So settings are not believed here.
create or replace function auth_internal.protection_run(source oid, settings jsonb) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    checked constant jsonb := auth_internal.protection_settings(
        source::regclass, (settings ->> 'organization')::name, (settings ->> 'workspace')::name, (settings ->> 'owner')::name,
        (settings ->> 'environment')::name, settings ->> 'resource', auth_internal.protection_role_names(settings),
        (settings ->> 'all_orgs')::boolean, (settings ->> 'single_login')::boolean);
    statement text;
    steps integer := 0;
begin
    foreach statement in array array(select p.statement from auth_internal.protection_plan(source, checked, current_user) p where p.part <> 'index') loop
        execute statement;
        steps := steps + 1;
    end loop;
    return steps;
end
$$;
comment on function auth_internal.protection_run is 'Runs what auth.protect() runs with these settings, but for indexes; returns how many statements. 22023 for settings that it would not take.';

-- All that is to be run for a table and what inherits from it, in order. creator is who would run it.
create or replace function auth_internal.protection_plan(source oid, settings jsonb, creator name) returns table (part text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with tables as (
        select t.oid, t.n, c.relispartition and t.n > 1 as is_partition
          from auth_internal.table_tree(protection_plan.source) with ordinality as t (oid, is_being_detached, n)
          join pg_class c on c.oid = t.oid
    ), inherited as (
        select coalesce(auth_internal.protection_of(protection_plan.source),
                        (select auth_internal.protection_of(i.inhparent) from pg_inherits i
                          where i.inhrelid = protection_plan.source order by i.inhseqno limit 1)) as settings
    )
    select x.part, x.statement
      from (select t.n, 1 as place, c.part, c.statement, c.number
              from tables t cross join inherited i
             cross join lateral auth_internal.protection_changes(t.oid, protection_plan.settings, i.settings)
                                with ordinality as c (part, statement, number)
            union all
            select t.n, 2, 'index', c.statement, c.number
              from tables t
             cross join lateral auth_internal.protection_index(t.oid, protection_plan.settings, protection_plan.creator)
                                with ordinality as c (action, statement, number)
             where not t.is_partition and c.action = 'run') x
     order by x.place, x.n, x.number
$$;
comment on function auth_internal.protection_plan is 'All statements that a table and what inherits from it lack, indexes last.';

-- What is suggested after that.
create or replace function auth_internal.protection_advice(source oid, settings jsonb) returns table (statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select x.statement
      from (select t.n, 1 as place, c.statement, c.number
              from auth_internal.table_tree(protection_advice.source) with ordinality as t (oid, is_being_detached, n)
             cross join lateral auth_internal.protection_suggestions(t.oid, protection_advice.settings)
                                with ordinality as c (statement, number)
            union all
            select t.n, 2, c.statement, c.number
              from auth_internal.table_tree(protection_advice.source) with ordinality as t (oid, is_being_detached, n)
              join pg_class r on r.oid = t.oid and (t.n = 1 or not r.relispartition)
             cross join lateral auth_internal.protection_index(t.oid, protection_advice.settings, current_user)
                                with ordinality as c (action, statement, number)
             where c.action = 'suggested'
            union all
            select 1, 3, c.statement, c.number
              from auth_internal.protection_key_suggestions(protection_advice.source, protection_advice.settings)
                   with ordinality as c (statement, number)) x
     order by x.place, x.n, x.number
$$;
comment on function auth_internal.protection_advice is 'All that auth.protect() suggests.';

create or replace function auth.unprotect(source regclass, dry_run boolean default false)
    returns table (step integer, action text, statement text)
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set jit = off as $$
declare
    quoting constant text := current_setting('quote_all_identifiers');
    statements text[];
begin
    perform set_config('quote_all_identifiers', 'off', true);
    if dry_run is null then
        perform auth_internal.refuse_protection('dry_run cannot be null', 'Say true or false.');
    end if;
    perform auth_internal.protection_demand_table(source);
    statements := array(select r.statement from auth_internal.protection_removal(source) r where r.action = 'run');
    if not dry_run and statements <> '{}' then
        perform auth_internal.protection_demand_owner(source);
        execute format('lock table %s in access exclusive mode', auth_internal.qualified(source));
        -- As auth_internal.commit_durably(), which the caller cannot run.
        if current_setting('synchronous_commit') = 'off' then
            perform set_config('synchronous_commit', 'local', true);
        end if;
        statements := array(select r.statement from auth_internal.protection_removal(source) r where r.action = 'run');
    end if;
    step := 0;
    action := 'suggested';
    -- Afterwards nothing tells any more what was ours.
    for statement in select r.statement from auth_internal.protection_removal(source) r where r.action = 'suggested' loop
        step := step + 1;
        return next;
    end loop;
    action := 'run';
    if not dry_run and statements <> '{}' then
        perform auth_internal.run_unprotection(source);
    end if;
    foreach statement in array statements loop
        step := step + 1;
        return next;
    end loop;
    perform set_config('quote_all_identifiers', quoting, true);
end
$$;
comment on function auth.unprotect is
    'The table''s owner: takes away what auth.protect() made, on the table and what inherits from it, and nothing else: policies, defaults, the index that it created, and row security where it was off before. The table is then open to everybody with grants on it: revoking them is suggested. Returns the statements; dry_run runs none. No rows for a table that is not protected. 22023 for NULL and what is no table, 42501 for a table of somebody else.';

-- auth_internal.run_unprotection() calls this.
create or replace function auth_internal.protection_undo(source oid) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
    statement text;
    steps integer := 0;
begin
    foreach statement in array array(select r.statement from auth_internal.protection_removal(source) r where r.action = 'run') loop
        execute statement;
        steps := steps + 1;
    end loop;
    return steps;
end
$$;
comment on function auth_internal.protection_undo is 'Runs what auth.unprotect() runs; returns how many statements.';

-- What takes our own away from a table and what inherits from it. Where nothing keeps rows apart afterwards, those who
-- can then read or write all of them are suggested.
create or replace function auth_internal.protection_removal(source oid) returns table (action text, statement text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as materialized (
        select t.oid, auth_internal.qualified(t.oid) as name, t.n, s.settings, c.relacl, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
               exists (select from pg_policy p
                        where p.polrelid = t.oid and auth_internal.protection_memory(obj_description(p.oid, 'pg_policy')) is null) as has_others
          from auth_internal.table_tree(protection_removal.source) with ordinality as t (oid, is_being_detached, n)
          join pg_class c on c.oid = t.oid
         cross join lateral (select auth_internal.protection_of(t.oid) as settings) s
         where s.settings is not null
    )
    select x.action, x.statement
      from (select 1 as place, o.n, p.polname::text as name, 'run' as action, format('drop policy %I on %s', p.polname, o.name) as statement
              from ours o join pg_policy p on p.polrelid = o.oid
             where auth_internal.protection_memory(obj_description(p.oid, 'pg_policy')) is not null
            union all
            select 2, o.n, c.name::text, 'run', format('alter table only %s alter column %I drop default', o.name, c.name)
              from ours o cross join lateral auth_internal.protection_columns(o.oid, o.settings) c
             where o.settings -> 'defaults' ? c.kind and c.present_default = c.own_default
            union all
            select 3, o.n, i.indexrelid::regclass::text, 'run', format('drop index %s', auth_internal.qualified(i.indexrelid))
              from ours o join pg_index i on i.indrelid = o.oid
             where obj_description(i.indexrelid, 'pg_class') = '{"by": "auth.protect"}' and not i.indisunique
            union all
            select 4, o.n, '', 'run', format('alter table %s no force row level security', o.name)
              from ours o where (o.settings ->> 'forced')::boolean and o.relforcerowsecurity
            union all
            -- Policies of somebody else would be switched off with it.
            select 5, o.n, '', case when o.has_others then 'suggested' else 'run' end,
                   format('alter table %s disable row level security', o.name)
              from ours o where (o.settings ->> 'enabled')::boolean and o.relrowsecurity
            union all
            select distinct 6, o.n, g.grantee, 'suggested', format('revoke all on table %s from %s', o.name, g.grantee)
              from ours o
             cross join lateral (
                  select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
                    from aclexplode(o.relacl) a where a.grantee <> o.relowner) g
             where (o.settings ->> 'enabled')::boolean and not o.has_others) x
     order by x.action desc, x.place, x.n, x.name
$$;
comment on function auth_internal.protection_removal is 'The statements of auth.unprotect().';

-- Security definer, as auth.lint().
create or replace function auth.protected_tables() returns table (
    source regclass, org_column name, workspace_column name, owner_column name, environment_column name, resource text,
    roles name[], all_orgs boolean, single_login boolean, intact boolean
)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set jit = off as $$
declare
    quoting constant text := current_setting('quote_all_identifiers');
begin
    perform auth_internal.demand_owner();
    perform set_config('quote_all_identifiers', 'off', true);
    return query
    with ours as materialized (
        select t.oid, s.settings
          from (select distinct p.polrelid as oid from pg_policy p join pg_class c on c.oid = p.polrelid
                 where auth_internal.has_rights_of(c.relowner)
                   and p.polname = any (auth_internal.protection_policy_names())) t
         cross join lateral (select auth_internal.protection_of(t.oid) as settings) s
         where s.settings is not null
    ), parts as materialized (
        select o.oid, t.part, o.settings - '{by,forced,enabled,defaults}'::text[] as settings
          from ours o cross join lateral auth_internal.table_tree(o.oid) t
    ), checked as materialized (
        -- Once for a partition, and not again for all that it belongs to.
        select p.part, p.settings, auth_internal.protection_is_intact(p.part, p.settings) as is_intact
          from (select distinct d.part, d.settings from parts d) p
    ), answers as materialized (
        select p.oid, bool_and(c.is_intact) as is_intact
          from parts p join checked c on c.part = p.part and c.settings = p.settings group by p.oid
    )
    select o.oid::regclass, (o.settings ->> 'organization')::name, (o.settings ->> 'workspace')::name,
           (o.settings ->> 'owner')::name, (o.settings ->> 'environment')::name, o.settings ->> 'resource',
           auth_internal.protection_role_names(o.settings),
           (o.settings ->> 'all_orgs')::boolean, (o.settings ->> 'single_login')::boolean, a.is_intact
      from ours o join answers a on a.oid = o.oid
     order by o.oid::regclass::text;
    perform set_config('quote_all_identifiers', quoting, true);
end
$$;
comment on function auth.protected_tables is
    'The tables that auth.protect() protects, partitions too, as their policies say. roles are those of the tenants'' policies. intact says that auth.protect(), called again by the table''s owner with these arguments, would run nothing: it is false when a policy was changed or dropped, row security is off or not forced, a default that auth.protect() made or the index is gone, or a partition came later. auth.protect() again repairs that. Columns are NULL where the policies were changed beyond recognition. Administrators see all, owners their own tables. 42501 for anybody else.';

-- Is there nothing that auth.protect() would change in this one table, if its owner called it again with these settings? A
-- partition has the index of the table that it belongs to, or needs none.
create or replace function auth_internal.protection_is_intact(source oid, settings jsonb) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
           -- Asking for changes would be an error.
           when exists (select from pg_policy p
                         where p.polrelid = protection_is_intact.source
                           and p.polname = any (auth_internal.protection_policy_names())
                           and auth_internal.protection_memory(obj_description(p.oid, 'pg_policy')) is null) then false
           else not exists (select from auth_internal.protection_changes(protection_is_intact.source, protection_is_intact.settings, null))
                and not exists (select from pg_class c
                                 cross join lateral auth_internal.protection_index(c.oid, protection_is_intact.settings,
                                                                                   pg_get_userbyid(c.relowner)) i
                                 where c.oid = protection_is_intact.source and not c.relispartition and i.action = 'run') end
$$;
comment on function auth_internal.protection_is_intact is 'Is there nothing that auth.protect() would change in this table, if its owner called it again?';
