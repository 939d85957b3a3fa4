-- A table's isolation, tried with identities that are made up.

-- The column that says whose a row is: the one that is named, or the only one that auth.organization_columns() knows.
create or replace function auth_internal.organization_column(source regclass, org_column name) returns name
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    columns name[];
begin
    select array_agg(a.attname) into columns
      from pg_attribute a
     where a.attrelid = organization_column.source and a.attnum > 0 and not a.attisdropped
       and case when organization_column.org_column is not null then a.attname = organization_column.org_column
                else a.attnum in (select c.org from auth_internal.organization_columns() c
                                   where c.source = organization_column.source) end;
    if cardinality(columns) = 1 then
        return columns[1];
    end if;
    raise invalid_parameter_value using
        message = 'org_column has to name the column of the organization',
        hint = 'A table of users has none: compare what auth.rows_visible_to() gives for two of them.';
end
$$;
comment on function auth_internal.organization_column is 'The column that says whose a row is; 22023 when there is none, or no single one.';

-- Whether a command's policies let a row through, as SQL; NULL when the role was not granted the command or no
-- policy lets anything through.
create or replace function auth_internal.policy_condition(source regclass, as_role oid, cmd text, clause text, row_values jsonb) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select format('select ((%s)%s)::pg_catalog.text from pg_catalog.jsonb_populate_record(null::%s, %L::pg_catalog.jsonb) as %I',
                  string_agg('coalesce((' || p.expression || ')::pg_catalog.bool, false)', ' or ') filter (where p.polpermissive),
                  coalesce(string_agg(' and coalesce((' || p.expression || ')::pg_catalog.bool, false)', '')
                           filter (where not p.polpermissive), ''),
                  auth_internal.qualified(c.oid), policy_condition.row_values, c.relname)
      from pg_class c
      join (select p.polrelid, p.polpermissive,
                   pg_get_expr(case when policy_condition.clause = 'check' then coalesce(p.polwithcheck, p.polqual)
                                    else p.polqual end, p.polrelid) as expression
              from pg_policy p
             where p.polcmd::text in ('*', policy_condition.cmd)
               and (0 = any (p.polroles) or exists (select from unnest(p.polroles) r (oid)
                                                     where pg_has_role(policy_condition.as_role, r.oid, 'usage')))) p
        on p.polrelid = c.oid and p.expression is not null
     where c.oid = policy_condition.source
       and case policy_condition.cmd
           when 'a' then has_any_column_privilege(policy_condition.as_role, c.oid, 'insert')
           when 'w' then has_any_column_privilege(policy_condition.as_role, c.oid, 'update')
           else has_table_privilege(policy_condition.as_role, c.oid, 'delete') end
     group by c.oid, c.relname
    having bool_or(p.polpermissive)
$$;
comment on function auth_internal.policy_condition is 'A query for whether policies let a row through, or NULL when nothing does.';

-- Fails with what an identity can do to rows of others; returns whether it sees rows of its own organization.
create or replace function auth_internal.try_isolation(
    source regclass, as_role oid, org_column name, org text, identity jsonb, own_row jsonb, foreign_row jsonb,
    helper_search_path text
) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    answer record;
    sees_own boolean := false;
    offence text;
begin
    for answer in
        select a.* from auth_internal.answers_for(
            as_role, auth_internal.policy_author(source, as_role), null, identity,
            array[format('select t.%I::pg_catalog.text from %s t group by 1', org_column, auth_internal.qualified(source)),
                  auth_internal.policy_condition(source, as_role, 'a', 'check', foreign_row),
                  auth_internal.policy_condition(source, as_role, 'w', 'using', foreign_row),
                  auth_internal.policy_condition(source, as_role, 'd', 'using', foreign_row),
                  auth_internal.policy_condition(source, as_role, 'w', 'check',
                                        own_row || jsonb_build_object(org_column, foreign_row -> org_column::text))],
            helper_search_path) a
    loop
        if answer.failure is not null then
            raise exception using errcode = answer.state, message = answer.failure;
        end if;
        if answer.query = 1 then
            sees_own := sees_own or answer.value is not distinct from org;
            offence := case when answer.value is distinct from org and answer.value is not null
                            then 'sees rows of organization ' || answer.value end;
        elsif answer.value = 'true' then
            offence := (array['', 'may insert rows of', 'may update rows of', 'may delete rows of', 'may move rows to'])[answer.query]
                       || ' organization ' || (foreign_row ->> org_column::text);
        end if;
        if offence is not null then
            raise assert_failure using
                message = format('%s is not isolated: %s %s', source,
                                 coalesce('an identity of organization ' || org,
                                          case when identity is null then 'nobody' else 'an identity without rows' end), offence),
                detail = format('As role %I with the identity %s.', pg_get_userbyid(as_role), coalesce(identity::text, 'of nobody'));
        end if;
    end loop;
    return sees_own;
end
$$;
comment on function auth_internal.try_isolation is 'P0004 when an identity reaches rows of others; otherwise whether it sees its own.';

create or replace function auth.assert_isolated(
    source regclass, as_role name default null, org_column name default null,
    helper_search_path text default pg_catalog.current_setting('search_path')
) returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    most constant integer := 100;
    role_oid oid;
    column_name name;
    reason text;
    total bigint;
    tried bigint := 0;
    seeing bigint := 0;
    unknown bigint := 0;
    nobodys_row jsonb;
    sample record;
    stated jsonb;
    environment text;
begin
    perform auth_internal.require_administrator();
    if (select count(*) from pg_class c where c.oid = assert_isolated.source and c.relkind in ('r', 'p')) = 0 then
        raise invalid_parameter_value using message = 'the isolation of a table is tried, and this is none';
    end if;
    role_oid := auth_internal.asked_role(source, as_role);
    perform auth_internal.may_run_as(role_oid);
    column_name := auth_internal.organization_column(source, org_column);
    -- Whoever names a partition asks its policies, not those of the table.
    select auth_internal.policy_bypass(t.oid, role_oid) into reason
      from unnest(auth_internal.parts_of(source)) t (oid)
     where auth_internal.policy_bypass(t.oid, role_oid) is not null
       and (t.oid = source or exists (select from unnest('{select,insert,update,delete}'::text[]) c (command)
                                       where auth_internal.missing_grants(t.oid, role_oid, c.command) is null))
     order by t.oid <> source, t.oid limit 1;
    if reason is not null then
        raise assert_failure using message = format('%s is not isolated: %s', source, reason);
    end if;
    for sample in
        with found as materialized (
            select r.value as org, r.row_values as own, row_number() over w as n, count(*) over () as total,
                   coalesce(lead(r.row_values) over w, first_value(r.row_values) over w) as other
              from auth_internal.stored_rows(source, auth_internal.parts_of(source), null, column_name, 100000) r
            window w as (order by r.value rows between unbounded preceding and unbounded following))
        select f.* from found f
         where f.total <= most or f.n * most / f.total <> (f.n - 1) * most / f.total
         order by f.n
    loop
        total := sample.total;
        nobodys_row := sample.own;
        foreach environment in array array['live', 'test'] loop
            stated := jsonb_build_object('user_id', 'isolation test ' || gen_random_uuid(), 'org_id', sample.org,
                                         'permissions', '["*"]'::jsonb, 'scopes', '["*"]'::jsonb, 'environment', environment);
            begin
                perform auth_internal.described_identity(null, stated);
            exception when invalid_parameter_value then
                unknown := unknown + 1;
                exit;
            end;
            tried := tried + 1;
            if auth_internal.try_isolation(source, role_oid, column_name, sample.org, stated, sample.own,
                                  case when sample.total > 1 then sample.other end, helper_search_path) then
                seeing := seeing + 1;
            end if;
        end loop;
    end loop;
    if total is null then
        raise invalid_parameter_value using message = 'the table has no row of an organization to try with';
    end if;
    foreach stated in array array[
        null, jsonb_build_object('user_id', 'isolation test ' || gen_random_uuid()),
        jsonb_build_object('user_id', 'isolation test ' || gen_random_uuid(), 'org_id', gen_random_uuid(),
                           'permissions', '["*"]'::jsonb, 'scopes', '["*"]'::jsonb)]
    loop
        perform auth_internal.try_isolation(source, role_oid, column_name, null, stated, nobodys_row, nobodys_row, helper_search_path);
    end loop;
    return format('%s is isolated for role %I: identities of %s of its %s organizations in live and test, a stranger, a user without organization and nobody see and may write no row of others',
                  source, pg_get_userbyid(role_oid), tried / 2, total)
           || case when unknown > 0 then format('; %s organizations are disabled or have no such id', unknown) else '' end
           || case when seeing = 0 then '; none saw a row of its own either: see what else the policies ask for'
                   else format('; %s of %s identities saw rows of their own', seeing, tried) end;
end
$$;
comment on function auth.assert_isolated is
    'Administrators: tries whether identities of up to 100 organizations in a table, live and test, a stranger, a user without organization and nobody see rows of others as a role, or get past policies to write them (policies are evaluated, nothing is written); returns what was tried. as_role and helper_search_path, and how policies run, are those of auth.explain_access(). org_column: NULL is the one that auth.organization_columns() names. P0004 with the offence, 22023 for a bad argument and a table without rows, 42501 for whoever may not read all rows of the table and for anybody but administrators.';
