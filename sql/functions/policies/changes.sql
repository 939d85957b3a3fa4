-- What has to be run to make a table what auth.protect() wants, and what its owner should look at.

-- The settings that arguments of auth.protect() stand for; 22023 with the argument that is wrong.
create or replace function auth_internal.protection_settings(
    source regclass, org_column name, workspace_column name, owner_column name, environment_column name,
    resource text, roles name[], all_orgs boolean, single_login boolean
) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    settings constant jsonb := jsonb_build_object('organization', org_column, 'workspace', workspace_column, 'owner', owner_column,
                                         'environment', environment_column, 'resource', resource,
                                         'all_orgs', all_orgs, 'single_login', single_login);
    org_type oid;
    role_name name;
begin
    perform auth_internal.protection_demand_table(source);
    perform auth_internal.protection_demand_columns(source, settings);
    select c.type into org_type from auth_internal.protection_columns(source, settings) c where c.kind = 'organization';
    case
    when all_orgs is null or single_login is null then
        perform auth_internal.refuse_protection('all_orgs and single_login cannot be null', 'Say true or false.');
    when coalesce(org_column, workspace_column, owner_column) is null then
        perform auth_internal.refuse_protection('no column says whose a row is',
                                       'Give org_column, workspace_column or owner_column.');
    when all_orgs and org_type is distinct from 'uuid'::regtype then
        perform auth_internal.refuse_protection('all_orgs needs an org_column of type uuid',
                                       'Other ids are known of the current organization only.');
    when single_login and org_column is null then
        perform auth_internal.refuse_protection('single_login needs an org_column', 'Grant bearer_service instead.');
    when length(resource) > 200 then
        perform auth_internal.refuse_protection('resource is too long', 'It has at most 200 characters.');
    when cardinality(roles) not between 1 and 1000 or array_position(roles, null) is not null then
        perform auth_internal.refuse_protection('roles is empty or has a null', 'Leave it out for everybody.');
    else
    end case;
    if resource !~ '^[a-z0-9_:-]+([.][a-z0-9_:-]+)*$' then
        perform auth_internal.refuse_protection('resource has a character that is not allowed',
                                       'Use small letters, digits, "_", ":" and "-", and dots between them, as in billing.invoices.');
    end if;
    foreach role_name in array coalesce(roles, '{}') loop
        if role_name <> 'public' and not exists (select from pg_roles r where r.rolname = role_name) then
            perform auth_internal.refuse_protection(format('role "%s" does not exist', role_name),
                                           'Give names as they are stored, without quotes, or public.');
        end if;
    end loop;
    return settings || jsonb_build_object('roles',
        case when roles is null or 'public' = any (roles) then '[0]'
             else (select jsonb_agg(r.oid::bigint order by r.oid) from pg_roles r where r.rolname = any (roles)) end);
end
$$;
comment on function auth_internal.protection_settings is 'Arguments of auth.protect() as jsonb; 22023 with the one that is wrong.';

create or replace function auth_internal.refuse_protection(message text, hint text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise invalid_parameter_value using message = coalesce(refuse_protection.message, ''), hint = coalesce(refuse_protection.hint, '');
end
$$;
comment on function auth_internal.refuse_protection is 'The error for a bad argument of auth.protect() (22023).';

-- 22023 for what cannot be protected, 0A000 where only a part cannot.
create or replace function auth_internal.protection_demand_table(source regclass) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    foreign_table regclass;
begin
    perform from pg_class c
      join pg_namespace n on n.oid = c.relnamespace and auth_internal.is_application_schema(n.nspname)
      where c.oid = source and c.relkind in ('r', 'p') and c.relpersistence <> 't';
    if not found then
        perform auth_internal.refuse_protection(
            'the source is not a table that can be protected',
            'It can be no view, foreign, temporary or system table, and none of pg_bearer.');
    end if;
    select c.oid into foreign_table
      from auth_internal.table_tree(source) t join pg_class c on c.oid = t.part and c.relkind = 'f' limit 1;
    if found then
        raise feature_not_supported using
            message = format('%s is a foreign table and would stay open', foreign_table),
            hint = 'Row-level security does not apply to foreign tables. Detach it first.';
    end if;
end
$$;
comment on function auth_internal.protection_demand_table is '22023 or 0A000 for what cannot be protected.';

-- 22023 unless the columns are there, different, stored, compared exactly and of a type that the identity has.
create or replace function auth_internal.protection_demand_columns(source regclass, settings jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_column record;
    argument text;
begin
    for the_column in
        select w.kind, w.argument, w.types, settings ->> w.kind as name, c.number, c.type, a.attgenerated = 'v' as is_virtual,
               coalesce(l.collisdeterministic, true) as is_exact,
               count(*) over (partition by settings ->> w.kind) > 1 as is_double
          from (values (1, 'organization', 'org_column', '{uuid,text,varchar,bigint,integer}'::regtype[]),
                       (2, 'workspace', 'workspace_column', '{uuid}'), (3, 'owner', 'owner_column', '{text,varchar,uuid}'),
                       (4, 'environment', 'environment_column', '{text,varchar}')) as w (n, kind, argument, types)
          left join auth_internal.protection_columns(source, settings) c on c.kind = w.kind
          left join pg_attribute a on a.attrelid = source and a.attnum = c.number
          left join pg_collation l on l.oid = a.attcollation
         where settings ->> w.kind is not null
         order by w.n
    loop
        argument := the_column.argument;
        case
        when the_column.number is null then
            perform auth_internal.refuse_protection(format('%s: the table has no column "%s"', argument, the_column.name),
                                           'Give the name as it is stored, without quotes.');
        when the_column.is_double then
            perform auth_internal.refuse_protection(format('%s: column "%s" is given twice', argument, the_column.name),
                                           'Each argument needs a column of its own.');
        when the_column.type <> all (the_column.types) then
            perform auth_internal.refuse_protection(
                format('%s: column "%s" has a type that is not allowed', argument, the_column.name),
                format('Use %s.', array_to_string(the_column.types::text[], ', ')));
        when the_column.is_virtual or not the_column.is_exact then
            perform auth_internal.refuse_protection(
                format('%s: column "%s" must be stored and compared exactly', argument, the_column.name),
                'It can be no virtual column and have no nondeterministic collation.');
        else
        end case;
    end loop;
end
$$;
comment on function auth_internal.protection_demand_columns is '22023 for columns that a protection cannot use.';

-- The statements that one table lacks, without its index. part is isolation, default or comment. inherited is what the
-- policies of the topmost table show: a partition that came later brought its defaults along.
create or replace function auth_internal.protection_changes(source oid, settings jsonb, inherited jsonb)
    returns table (part text, statement text)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_table constant text := auth_internal.qualified(protection_changes.source);
    before constant jsonb := auth_internal.protection_of(protection_changes.source);
    known constant jsonb := coalesce(before, inherited);
    flags record;
    target record;
    own_defaults text[] := '{}';
    memory text;
begin
    select c.relrowsecurity as enabled, c.relforcerowsecurity as forced into flags
      from pg_class c where c.oid = protection_changes.source;
    if not flags.enabled then
        return query select 'isolation', format('alter table %s enable row level security', the_table);
    end if;
    if not flags.forced then
        return query select 'isolation', format('alter table %s force row level security', the_table);
    end if;
    return query select 'isolation', c.statement from auth_internal.protection_policy_changes(protection_changes.source, settings) c;
    -- A default that is not wanted any more goes, unless somebody has changed it.
    return query
        select 'default', format('alter table only %s alter column %I drop default', the_table, c.name)
          from auth_internal.protection_columns(protection_changes.source, known) c
         where known -> 'defaults' ? c.kind and c.present_default = c.own_default
           and known ->> c.kind is distinct from protection_changes.settings ->> c.kind;
    for target in
        select c.*, known -> 'defaults' ? c.kind
                    and known ->> c.kind = protection_changes.settings ->> c.kind as is_known
          from auth_internal.protection_columns(protection_changes.source, settings) c
    loop
        if target.fillable then
            return query select 'default', format('alter table only %s alter column %I set default %s',
                                                  the_table, target.name, target.own_default);
            own_defaults := own_defaults || target.kind;
        elsif target.is_known and target.present_default = target.own_default then
            own_defaults := own_defaults || target.kind;
        end if;
    end loop;
    memory := format('{"by": "auth.protect", "forced": %s, "enabled": %s, "defaults": %s}',
                     coalesce((before -> 'forced')::text, (not flags.forced)::text),
                     coalesce((before -> 'enabled')::text, (not flags.enabled)::text), to_jsonb(own_defaults));
    return query
        select 'comment', format('comment on policy %I on %s is %L', w.policy, the_table, memory)
          from auth_internal.protection_policies(protection_changes.source, settings) w
          left join pg_policy p on p.polrelid = protection_changes.source and p.polname = w.policy
         where obj_description(p.oid, 'pg_policy') is distinct from memory;
end
$$;
comment on function auth_internal.protection_changes is 'The statements that one table lacks, without its index.';

-- The statements for policies of one table; 42710 when somebody else's has the name of one of ours.
create or replace function auth_internal.protection_policy_changes(source oid, settings jsonb) returns table (statement text)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_table constant text := auth_internal.qualified(protection_policy_changes.source);
    target record;
    tests text;
    grantees text;
begin
    for target in
        select w.*, p.oid, p.polcmd = w.command and p.polpermissive as is_of_kind,
               auth_internal.protection_memory(obj_description(p.oid, 'pg_policy')) is not null as is_ours,
               pg_get_expr(p.polqual, p.polrelid) is not distinct from w.using_test
               and pg_get_expr(p.polwithcheck, p.polrelid) is not distinct from w.check_test
               and (select array_agg(r order by r) from unnest(p.polroles) r) = w.roles as is_same
          from auth_internal.protection_policies(protection_policy_changes.source, settings) w
          left join pg_policy p on p.polrelid = protection_policy_changes.source and p.polname = w.policy
    loop
        if target.oid is not null and not target.is_ours then
            raise duplicate_object using
                message = format('policy "%s" of %s was not made by auth.protect()', target.policy, the_table),
                hint = 'Drop or rename it. A policy that auth.protect() made has its comment.';
        end if;
        continue when target.is_of_kind and target.is_same;
        tests := concat(' using ' || auth_internal.spelt_out(target.using_test), ' with check ' || auth_internal.spelt_out(target.check_test));
        select string_agg(case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', ' order by r)
          into grantees from unnest(target.roles) r;
        if target.is_of_kind then
            return query select format('alter policy %I on %s to %s%s', target.policy, the_table, grantees, tests);
        else
            return query select format('drop policy %I on %s', target.policy, the_table) where target.oid is not null;
            return query select format('create policy %I on %s for %s to %s%s',
                                       target.policy, the_table, target.verb, grantees, tests);
        end if;
    end loop;
end
$$;
comment on function auth_internal.protection_policy_changes is 'The statements for policies that one table lacks; 42710 when somebody else''s has the name of one of ours.';
