-- What explaining access is made of. Whatever a table's owner wrote is run by auth_internal.answers_for() alone, as the role
-- that is asked about; here only catalogs are read.

-- May the role do nothing that the owner of the table may not? Attributes are not inherited.
create or replace function auth_internal.is_within_owner(source regclass, as_role oid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select pg_has_role(o.oid, r.oid, 'usage')
           and (o.rolsuper or r.rolcreaterole <= o.rolcreaterole and r.rolcreatedb <= o.rolcreatedb
                              and r.rolreplication <= o.rolreplication and r.rolbypassrls <= o.rolbypassrls)
      from pg_class c
      join pg_roles o on o.oid = c.relowner
      join pg_roles r on r.oid = is_within_owner.as_role
     where c.oid = is_within_owner.source
$$;
comment on function auth_internal.is_within_owner is 'May the role do nothing that the owner of the table may not?';

-- The role that is asked about: the one that is named, or the only one that the table was granted to. The table's
-- owner chose whom they granted it to, and their policies run as that role, so that it has to be named by whoever asks
-- where it may do what the owner may not.
create or replace function auth_internal.asked_role(source regclass, as_role name) returns oid
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    chosen oid;
    candidates name[];
    granted_to text;
begin
    if source is null or not exists (select from pg_class c where c.oid = asked_role.source) then
        raise invalid_parameter_value using message = 'there is no such table';
    end if;
    if as_role is not null then
        select r.oid into chosen from pg_roles r where r.rolname = asked_role.as_role;
        if chosen is null then
            raise invalid_parameter_value using message = 'there is no such role';
        end if;
        return chosen;
    end if;
    select array_agg(r.rolname order by r.rolname), min(r.oid::bigint)::oid into candidates, chosen
      from pg_roles r
      join pg_class c on c.oid = asked_role.source
     where not r.rolsuper and not r.rolbypassrls and not pg_has_role(r.oid, c.relowner, 'usage')
       and r.rolname not in (select o.name from auth_internal.our_roles() o)
       and not exists (select from pg_roles g
                        where g.oid < 16384 and starts_with(g.rolname, 'pg_') and pg_has_role(r.oid, g.oid, 'member'))
       and exists (select from (select c.relacl union all
                                select t.attacl from pg_attribute t where t.attrelid = c.oid) g (acl),
                               aclexplode(g.acl) a
                    where a.grantee = r.oid
                      and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE'));
    if cardinality(candidates) = 1 and auth_internal.is_within_owner(source, chosen) then
        return chosen;
    end if;
    granted_to := 'The table is granted to ' || (select string_agg(quote_ident(n.name), ', ' order by n.name) from unnest(candidates) n (name));
    raise invalid_parameter_value using
        message = 'as_role has to say which role is asked about',
        hint = case when granted_to is null then 'The table is granted to no role by name.'
                    when cardinality(candidates) > 1 then granted_to || '.'
                    else granted_to || ', which may do what the table''s owner may not: policies run as that role only when you name it.' end;
end
$$;
comment on function auth_internal.asked_role is 'The role that is asked about, or for NULL the only one that the table is granted to, unless it may do what the table''s owner may not; 22023 otherwise.';

-- The tables in which the rows of a table are, for a query of it.
create or replace function auth_internal.parts_of(source regclass) returns oid[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select array_agg(t.part) from auth_internal.table_tree(parts_of.source) t where not t.is_being_detached
$$;
comment on function auth_internal.parts_of is 'The tables that a query of this one reads.';

-- The privileges that a command takes.
create or replace function auth_internal.privileges_for(command text) returns text[]
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case command when 'select' then '{SELECT}' when 'insert' then '{INSERT}'
                        when 'insert returning' then '{INSERT,SELECT}' when 'update' then '{SELECT,UPDATE}'
                        when 'delete' then '{SELECT,DELETE}' when 'upsert' then '{INSERT,SELECT,UPDATE}' end::text[]
$$;
comment on function auth_internal.privileges_for is 'The privileges that a command takes; NULL for an unknown one.';

-- What a role was not granted, in words; NULL when nothing is missing.
create or replace function auth_internal.missing_grants(source regclass, as_role oid, command text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
           when not has_schema_privilege(missing_grants.as_role, c.relnamespace, 'usage')
               then format('role %I lacks USAGE on schema %I', r.rolname, n.nspname)
           else (select format('role %I lacks %s on %s', r.rolname, string_agg(w.privilege, ', ' order by w.privilege), c.oid::regclass)
                   from unnest(auth_internal.privileges_for(missing_grants.command)) w (privilege)
                  where not has_table_privilege(missing_grants.as_role, c.oid, w.privilege)
                    and (w.privilege = 'DELETE' or not has_any_column_privilege(missing_grants.as_role, c.oid, w.privilege))
                 having count(*) > 0) end
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_roles r on r.oid = missing_grants.as_role
     where c.oid = missing_grants.source
$$;
comment on function auth_internal.missing_grants is 'What a role was not granted for a command, in words, or NULL.';

-- Which columns alone a role was granted, in words; NULL when it was granted the table.
create or replace function auth_internal.column_grants(source regclass, as_role oid, command text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select string_agg(format('; %s is granted only on %s', w.privilege, c.columns), '' order by w.privilege)
      from unnest(auth_internal.privileges_for(column_grants.command)) w (privilege)
     cross join lateral (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
                           from pg_attribute a
                          where a.attrelid = column_grants.source and a.attnum > 0 and not a.attisdropped
                            and w.privilege <> 'DELETE'
                            and has_column_privilege(column_grants.as_role, a.attrelid, a.attnum, w.privilege)) c
     where not has_table_privilege(column_grants.as_role, column_grants.source, w.privilege)
$$;
comment on function auth_internal.column_grants is 'Which columns alone a role was granted, in words, or NULL.';

-- Why the policies of a table do not count for a role, in words; NULL when they do.
create or replace function auth_internal.policy_bypass(source regclass, as_role oid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
           when not c.relrowsecurity then format('row-level security is not enabled on %s', c.oid::regclass)
           when r.rolsuper then format('role %I is a superuser', r.rolname)
           when r.rolbypassrls then format('role %I has BYPASSRLS', r.rolname)
           when not c.relforcerowsecurity and pg_has_role(r.oid, c.relowner, 'usage')
               then format('%s belongs to role %I, whose row-level security is not forced', c.oid::regclass, r.rolname)
           end
      from pg_class c join pg_roles r on r.oid = policy_bypass.as_role
     where c.oid = policy_bypass.source
$$;
comment on function auth_internal.policy_bypass is 'Why a table''s policies do not count for a role, in words, or NULL.';

-- As whom the text of a table's policies is read: as its owner, who may use what is named in it, unless he is one as whom
-- nothing is run and a constant in it could be of a type whose input runs functions of others.
create or replace function auth_internal.policy_author(source regclass, as_role oid) returns oid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when (r.rolsuper or r.rolname = 'bearer_owner')
                     and exists (select from pg_policy p
                                   join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
                                                   and d.refclassid = 'pg_type'::regclass
                                   join pg_type t on t.oid = d.refobjid
                                  where p.polrelid = c.oid and (t.typtype not in ('b', 'e') or t.typelem <> 0))
                then policy_author.as_role else c.relowner end
      from pg_class c join pg_roles r on r.oid = c.relowner
     where c.oid = policy_author.source
$$;
comment on function auth_internal.policy_author is 'As whom the text of a table''s policies is read when they are explained for a role.';

-- What of policies a command asks, one after the other: the SELECT policies wherever rows are found or shown.
create or replace function auth_internal.policy_steps(command text) returns table (step bigint, policies text, cmd text, clause text, purpose text)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select row_number() over (order by s.n), s.policies, s.cmd, s.clause, s.purpose
      from (values (1, '{insert,insert returning,upsert}'::text[], 'INSERT', 'a', 'check', ''),
                   (2, '{select}', 'SELECT', 'r', 'using', ''),
                   (3, '{insert returning}', 'SELECT', 'r', 'using', 'the row may be inserted, but RETURNING has to show it: '),
                   (4, '{update,delete}', 'SELECT', 'r', 'using', 'the row has to be found first: '),
                   (5, '{upsert}', 'SELECT', 'r', 'using', 'ON CONFLICT has to read the row: '),
                   (6, '{update}', 'UPDATE', 'w', 'using', ''),
                   (7, '{upsert}', 'UPDATE', 'w', 'using', 'the row that is there may not be updated: '),
                   (8, '{update,upsert}', 'UPDATE', 'w', 'check', 'the row may not be written as it is then: '),
                   (9, '{delete}', 'DELETE', 'd', 'using', ''))
           s (n, commands, policies, cmd, clause, purpose)
     where policy_steps.command = any (s.commands)
$$;
comment on function auth_internal.policy_steps is 'Which policies a command asks, one after the other.';

-- Why a call has its value, in words; NULL when that explains itself.
create or replace function auth_internal.call_reason(called text, arguments jsonb, shown jsonb) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case
           when shown is null and called not in ('user_id', 'uid') then 'nobody is signed in'
           when called in ('in_org', 'is_member', 'is_workspace_member') and arguments ->> 0 is null then 'it is asked about NULL'
           when called = 'in_org' then
               coalesce('the current organization of ' || u.name || ' is ' || (shown ->> 'org_id') || ', not ' || (arguments ->> 0),
                        u.name || ' has no current organization')
           when called in ('current_org', 'external_org_id', 'external_org_number') then
               coalesce('the organization ' || (shown ->> 'org_id') || ' has no external_id'
                        || case called when 'external_org_number' then ' that is a number' else '' end,
                        u.name || ' has no current organization')
           when called = 'current_workspace' then u.name || ' has no current workspace'
           when called = 'is_member' then u.name || ' is not a member of ' || (arguments ->> 0)
           when called = 'is_workspace_member' then u.name || ' is not a member of the workspace ' || (arguments ->> 0)
           when called = 'has_permission' then
               u.name || ' does not have the permission ' || (arguments ->> 0) || ' in '
               || coalesce(shown ->> 'org_id', 'any current organization') || coalesce(' as ' || (shown ->> 'org_role'), '')
           when called = 'has_permission_in' then
               u.name || ' does not have the permission ' || (arguments ->> 0) || ' in ' || (arguments ->> 1)
           when called = 'has_scope' then 'the scope ' || (arguments ->> 0) || ' was not granted'
           when called in ('aal', 'amr', 'session_id') then 'the credential does not say it'
           when called = 'signed_in_within' then
               'the credential does not say that ' || u.name || ' signed in less than ' || (arguments ->> 0) || ' ago'
           when called = 'is_service_role' then 'the identity is no verified service credential'
           when called = 'allows_table' then 'the API key is not for this table' end
      from (select coalesce(case when shown ->> 'kind' = 'api_key' then 'the API key' || coalesce(' of user ' || (shown ->> 'user_id'), '') end,
                            'user ' || (shown ->> 'user_id'), 'the identity') as name) u
$$;
comment on function auth_internal.call_reason is 'Why one of our functions answers no, in words, or NULL.';

-- The value in the row that a call is compared with, as {"column": …, "value": …}; NULL unless all that a policy does
-- with the call is to compare it with one column.
create or replace function auth_internal.compared_with(called text, conditions text[], row_values jsonb) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    with pattern (call, compared) as (
        select p.call, '\(([a-z_][a-z0-9_]*|"(?:[^"]|"")+")\)?(?:::[a-z ]+)? = ' || p.call
          from (select regexp_replace(called, '([^[:alnum:]_])', '\\\1', 'g')) p (call)
    ), condition (shown) as (
        select distinct c.shown from unnest(conditions) c (shown) where strpos(c.shown, called) > 0
    )
    select jsonb_build_object('column', min(n.name), 'value', row_values -> min(n.name))
      from pattern p
     cross join condition c
     cross join lateral regexp_matches(c.shown, p.compared, 'g') m (parts)
     cross join lateral (select (parse_ident(m.parts[1]))[1] as name) n
    having min(n.name) = max(n.name) and row_values ? min(n.name)
       and count(*) = (select sum(regexp_count(c.shown, p.call)) from pattern p cross join condition c)
$$;
comment on function auth_internal.compared_with is 'The column that a call is compared with and its value in the row, or NULL.';

-- What a policy says of a row for an identity: its verdicts, and the values of our functions in it.
create or replace function auth_internal.policy_reading(
    policy oid, as_role oid, credential text, identity jsonb, shown jsonb, clauses text[], row_values jsonb,
    helper_search_path text
) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found record;
    calls jsonb;
    queries text[];
    answers jsonb;
    place text := '';
begin
    select p.polrelid as source, c.relname, pg_get_expr(p.polqual, p.polrelid) as qual,
           pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid) as checked,
           p.polqual::text as qual_tree, p.polwithcheck::text as check_tree
      into found
      from pg_policy p join pg_class c on c.oid = p.polrelid where p.oid = policy_reading.policy;
    if row_values is not null then
        place := format(' from pg_catalog.jsonb_populate_record(null::%s, %L::pg_catalog.jsonb) as %I',
                        auth_internal.qualified(found.source), row_values, found.relname);
        queries := array[
            case when 'using' = any (clauses) and found.qual is not null then format('select ((%s)::pg_catalog.bool)::pg_catalog.text%s', found.qual, place) end,
            case when 'check' = any (clauses) and found.checked is not null then format('select ((%s)::pg_catalog.bool)::pg_catalog.text%s', found.checked, place) end];
    else
        queries := array[null, null]::text[];
    end if;
    select coalesce(jsonb_agg(jsonb_build_object('call', c.call, 'called', c.called, 'arguments', c.arguments) order by c.n), '[]')
      into calls
      from (select distinct on (x.call) x.call, x.called, x.arguments, x.n
              from (select f.*, 0 + f.ordinality as n
                      from auth_internal.calls_in(found.qual_tree, found.source) with ordinality f
                    union all
                    select f.*, 1000000 + f.ordinality
                      from auth_internal.calls_in(found.check_tree, found.source) with ordinality f) x
             where row_values is not null or not x.uses_columns
             order by x.call, x.n) c;
    select queries || coalesce(array_agg(q.query order by q.n, q.m), '{}') into queries
      from (select c.n, m.m,
                   case m.m when 1 then format('select pg_catalog.to_jsonb(%s)::pg_catalog.text%s', c.item ->> 'call', place)
                            else format('select pg_catalog.jsonb_build_array(%s)::pg_catalog.text%s',
                                        (select string_agg(a.argument, ', ' order by a.n)
                                           from jsonb_array_elements_text(c.item -> 'arguments') with ordinality a (argument, n)),
                                        place) end
              from jsonb_array_elements(calls) with ordinality c (item, n), (values (1), (2)) m (m)) q (n, m, query);
    select jsonb_object_agg(a.query, jsonb_build_object('value', a.value, 'failure', a.failure)) into answers
      from auth_internal.answers_for(as_role, auth_internal.policy_author(found.source, as_role), credential, identity, queries, helper_search_path) a;
    return jsonb_build_object(
        'using', auth_internal.verdict_text(answers -> '1'), 'check', auth_internal.verdict_text(answers -> '2'),
        'calls', (select coalesce(jsonb_agg(jsonb_build_object('call', c.item ->> 'call', 'called', c.item ->> 'called',
                                   'value', coalesce(to_jsonb('error: ' || (v.answer ->> 'failure')), (v.answer ->> 'value')::jsonb, 'null'),
                                   'matches', w.compared ->> 'value' = (v.answer ->> 'value')::jsonb #>> '{}',
                                   'reason', case when v.answer ->> 'failure' is not null then null
                                                  when coalesce(v.answer ->> 'value', 'null') in ('false', 'null') then
                                       auth_internal.call_reason(c.item ->> 'called', (answers -> (2 * c.n + 2)::text ->> 'value')::jsonb, shown) end,
                                   'compared', w.compared)
                                   order by c.n), '[]')
                    from jsonb_array_elements(calls) with ordinality c (item, n)
                   cross join lateral (select answers -> (2 * c.n + 1)::text) v (answer)
                   cross join lateral (select auth_internal.compared_with(c.item ->> 'call', array[found.qual, found.checked], row_values)) w (compared)));
end
$$;
comment on function auth_internal.policy_reading is 'The verdicts of a policy on a row for an identity, and the values of our functions in it.';

-- true, false, null, or an error; NULL for what was not asked.
create or replace function auth_internal.verdict_text(answer jsonb) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when answer is not null
                then coalesce('error: ' || (answer ->> 'failure'), answer ->> 'value', 'null') end
$$;
comment on function auth_internal.verdict_text is 'A verdict as text; NULL for what was not asked.';

-- The values of our functions in policies, as reasons.
create or replace function auth_internal.reading_words(reading jsonb) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select string_agg((c.item ->> 'call') || ' is ' || coalesce(c.item ->> 'value', 'null') || coalesce(' because ' || (c.item ->> 'reason'), '')
                      || coalesce(', and ' || quote_ident(c.item -> 'compared' ->> 'column') || ' of the row is '
                                  || coalesce(c.item -> 'compared' ->> 'value', 'null'), ''),
                      '; ' order by c.n)
      from jsonb_array_elements(reading -> 'calls') with ordinality c (item, n)
     where c.item -> 'value' <> 'true' and (c.item ->> 'matches')::boolean is not true
$$;
comment on function auth_internal.reading_words is 'The values of our functions in a policy, in words.';

-- What follows from the policies for a command; readings are what auth.explain_access() collects.
create or replace function auth_internal.access_verdict(command text, rolename name, readings jsonb, has_row boolean) returns text
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    step record;
    asked record;
begin
    for step in select * from auth_internal.policy_steps(command) s order by s.step loop
        select count(*) filter (where v.permissive) as permissive,
               bool_or(v.verdict = 'true') filter (where v.permissive) as granted,
               min(v.name) filter (where v.verdict like 'error: %') as broken,
               min(v.verdict) filter (where v.verdict like 'error: %') as error,
               min(v.name) filter (where not v.permissive and v.verdict <> 'true') as barred,
               string_agg(v.words, '; ') filter (where v.permissive) as words,
               min(v.words) filter (where not v.permissive and v.verdict <> 'true') as bar
          into asked
          from (select r.item ->> 'policy' as name, (r.item ->> 'permissive')::boolean as permissive,
                       r.item -> 'reading' ->> step.clause as verdict, auth_internal.reading_words(r.item -> 'reading') as words
                  from jsonb_array_elements(readings) r (item)
                 where r.item ->> 'cmd' in ('*', step.cmd) and r.item ->> step.clause is not null) v;
        if asked.permissive = 0 then
            return format('denied: %sno permissive %s policy applies to role %I', step.purpose, step.policies, rolename);
        elsif not has_row then
            continue;
        elsif asked.broken is not null then
            return format('fails: %spolicy %I raises an error (%s)', step.purpose, asked.broken, substr(asked.error, 8));
        elsif asked.granted is not true then
            return format('denied: %sno permissive %s policy is true', step.purpose, step.policies) || coalesce('; ' || asked.words, '');
        elsif asked.barred is not null then
            return format('denied: %sthe restrictive policy %I is not true', step.purpose, asked.barred) || coalesce('; ' || asked.bar, '');
        end if;
    end loop;
    return case when has_row then format('allowed: the policies for %s are true for role %I', upper(command), rolename)
                else format('depends on the row: name one with row_key, for role %I', rolename) end;
end
$$;
comment on function auth_internal.access_verdict is 'What follows from the verdicts of all policies, in words.';
