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

-- The column of the organization that auth.protect() goes by; NULL is none. No column is called "", which is what an argument that
-- was left out has: then it is the column that the table is protected by, or else org_id, whatever is there besides, or else the
-- only column with another usual name. A table that has none is refused later, for want of org_id.
create or replace function auth_internal.protection_organization(source regclass, org_column name) returns name
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    candidates name[];
    surest integer;
    before constant name := auth_internal.protection_of(protection_organization.source) ->> 'organization';
begin
    if protection_organization.org_column is distinct from '' then
        return protection_organization.org_column;
    end if;
    select array_agg(a.attname order by a.attnum), min(n.place) into candidates, surest
      from auth_internal.organization_names() n
      join pg_attribute a on a.attrelid = protection_organization.source and a.attname = n.name and a.attnum > 0 and not a.attisdropped
     where n.place = 1
        or auth_internal.base_type(a.atttypid) in (select r.type from auth_internal.column_readers() r where r.kind = 'organization');
    if surest > 1 and cardinality(candidates) > 1 and before is null then
        perform auth_internal.refuse_protection(
            format('the organization can be in any of the columns %s', (select string_agg(quote_ident(c), ', ') from unnest(candidates) c)),
            format('Say which it is: org_column => %L, or null for none of them.', candidates[1]));
    end if;
    return coalesce(before, case when surest > 1 then candidates[1] end, 'org_id');
end
$$;
comment on function auth_internal.protection_organization is 'The column of the organization that auth.protect() goes by; 22023 where more than one can be meant.';

create or replace function auth_internal.refuse_protection(message text, hint text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', refuse_protection.message, refuse_protection.hint);
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
        perform auth_internal.refuse('0A000', format('%s is a foreign table and would stay open', foreign_table),
                                     'Row-level security does not apply to foreign tables. Detach it first.');
    end if;
end
$$;
comment on function auth_internal.protection_demand_table is '22023 or 0A000 for what cannot be protected.';

-- As Postgres says it, before a statement of ours fails for it.
create or replace function auth_internal.protection_demand_owner(source regclass) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    foreign_table name;
begin
    select c.relname into foreign_table
      from auth_internal.table_tree(source) with ordinality t (part, is_being_detached, n)
      join pg_class c on c.oid = t.part and not pg_has_role(c.relowner, 'usage')
     order by t.n limit 1;
    if found then
        perform auth_internal.refuse('42501', format('must be owner of table %s', foreign_table), null);
    end if;
end
$$;
comment on function auth_internal.protection_demand_owner is '42501 unless the table, and all that inherits from it, belongs to the caller.';

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
                                           'Give the name as it is stored, without quotes'
                                               || case the_column.kind when 'organization' then ', or null for a table without one.' else '.' end);
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

-- The statements that one table lacks, without its index. part is isolation or default. inherited is what the policies of the
-- topmost table show: a partition that came later brought its defaults along.
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
    new_defaults text[] := '{}';
begin
    select c.relrowsecurity as enabled, c.relforcerowsecurity as forced into flags
      from pg_class c where c.oid = protection_changes.source;
    if not flags.enabled then
        return query select 'isolation', format('alter table %s enable row level security', the_table);
    end if;
    if not flags.forced then
        return query select 'isolation', format('alter table %s force row level security', the_table);
    end if;
    for target in
        select c.*, known -> 'defaults' ? c.kind
                    and known ->> c.kind = protection_changes.settings ->> c.kind as is_known
          from auth_internal.protection_columns(protection_changes.source, settings) c
    loop
        if target.fillable then
            new_defaults := new_defaults || format('alter table only %s alter column %I set default %s',
                                                   the_table, target.name, target.own_default);
            own_defaults := own_defaults || target.kind;
        elsif target.is_known and target.present_default = target.own_default then
            own_defaults := own_defaults || target.kind;
        end if;
    end loop;
    return query
        select 'isolation', c.statement
          from auth_internal.protection_policy_changes(protection_changes.source, settings,
                   format('{"by": "auth.protect", "forced": %s, "enabled": %s, "defaults": %s}',
                          coalesce((before -> 'forced')::text, (not flags.forced)::text),
                          coalesce((before -> 'enabled')::text, (not flags.enabled)::text), to_jsonb(own_defaults))) c;
    -- A default that is not wanted any more goes, unless somebody has changed it.
    return query
        select 'default', format('alter table only %s alter column %I drop default', the_table, c.name)
          from auth_internal.protection_columns(protection_changes.source, known) c
         where known -> 'defaults' ? c.kind and c.present_default = c.own_default
           and known ->> c.kind is distinct from protection_changes.settings ->> c.kind;
    return query select 'default', d.statement from unnest(new_defaults) d (statement);
end
$$;
comment on function auth_internal.protection_changes is 'The statements that one table lacks, without its index.';

-- The statements for policies of one table, each with its comment, which says what is ours; 42710 when somebody else's has the
-- name of one of ours.
create or replace function auth_internal.protection_policy_changes(source oid, settings jsonb, memory text) returns table (statement text)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_table constant text := auth_internal.qualified(protection_policy_changes.source);
    target record;
    tests text;
    grantees text;
    commands text[];
begin
    for target in
        select w.*, p.oid, p.polcmd = w.command and p.polpermissive as is_of_kind,
               obj_description(p.oid, 'pg_policy') as comment,
               pg_get_expr(p.polqual, p.polrelid) is not distinct from w.using_test
               and pg_get_expr(p.polwithcheck, p.polrelid) is not distinct from w.check_test
               and (select array_agg(r order by r) from unnest(p.polroles) r) = w.roles as is_same
          from auth_internal.protection_policies(protection_policy_changes.source, settings) w
          left join pg_policy p on p.polrelid = protection_policy_changes.source and p.polname = w.policy
    loop
        if target.oid is not null and auth_internal.protection_memory(target.comment) is null then
            perform auth_internal.refuse('42710', format('policy "%s" of %s was not made by auth.protect()', target.policy, the_table),
                                         'Drop or rename it. A policy that auth.protect() made has its comment.');
        end if;
        tests := concat(E'\n    using ' || auth_internal.spelt_out(target.using_test),
                        E'\n    with check ' || auth_internal.spelt_out(target.check_test));
        select string_agg(case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', ' order by r)
          into grantees from unnest(target.roles) r;
        commands := case
            when target.is_of_kind and target.is_same then '{}'
            when target.is_of_kind then array[format('alter policy %I on %s to %s%s', target.policy, the_table, grantees, tests)]
            else case when target.oid is not null then array[format('drop policy %I on %s', target.policy, the_table)] else '{}' end
                 || format('create policy %I on %s for %s to %s%s', target.policy, the_table, target.verb, grantees, tests) end;
        if target.comment is distinct from protection_policy_changes.memory or target.is_of_kind is not true then
            commands := commands || format(E'comment on policy %I on %s is\n    %L', target.policy, the_table, protection_policy_changes.memory);
        end if;
        return query select array_to_string(commands, E';\n') where commands <> '{}';
    end loop;
end
$$;
comment on function auth_internal.protection_policy_changes is 'The statements for policies that one table lacks, with their comments; 42710 when somebody else''s has the name of one of ours.';
