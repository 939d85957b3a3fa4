-- What auth.lint() says about policies.

-- Every policy with what its expressions ask, and the condition that would do for it.
create or replace function auth_internal.lint_policy_facts(namespaces oid[], tables oid[], columns smallint[]) returns table (
    policy oid, source oid, command "char", permissive boolean, has_org boolean, object text, alter_policy text,
    using_text text, check_text text, using_true boolean, check_true boolean, reads_setting boolean,
    reads_metadata boolean, null_matches boolean, goes_by_role boolean, using_asks boolean, check_asks boolean,
    always_asks boolean, asks_identity boolean, asks_environment boolean, reads_itself boolean, environment name,
    predicate text, calls oid[]
)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with readers as materialized (
        select auth_internal.lint_readers(array(select r.name from auth_internal.readers() r
                                                 where r.tells in ('organization', 'workspace'))) as org,
               auth_internal.lint_readers(array(select r.name from auth_internal.readers() r
                                                 where r.tells <> 'request')) as identity,
               auth_internal.lint_readers(array(select r.name from auth_internal.readers() r
                                                 where r.tells = 'service')) as service,
               auth_internal.lint_readers(array['role']) as claimed_role,
               array(select p.oid from pg_proc p
                      where p.pronamespace = 'pg_catalog'::regnamespace
                        and p.proname in ('current_user', 'session_user', 'getpgusername', 'pg_has_role')) as role_name),
    organizations as materialized (
        select t.source, array_agg(t.org) as orgs, min(t.org) as org
          from unnest(tables, columns) t (source, org) group by t.source),
    relations as materialized (
        select coalesce(o.source, n.source) as source, o.orgs, o.org, n.name as environment,
               auth_internal.lint_predicate(o.source, o.org, n.name) as predicate
          from organizations o full join auth_internal.lint_environment_columns() n on n.source = o.source),
    -- Functions of the application that believe a setting.
    believers as materialized (
        select array_agg(p.oid) as oids
          from pg_proc p join pg_language l on l.oid = p.prolang
         where l.lanname not in ('internal', 'c') and p.pronamespace::regnamespace::text <> all (auth_internal.our_schemas())
           and (p.prosrc ~* '\mcurrent_setting\M' or p.prosqlbody::text ~ ':funcid (2077|3294) ')),
    expressions as materialized (
        select e.*, o.org, o.environment, o.predicate,
               case
               -- As an operand of OR it is as true.
               when e.code ~ '^\(*true\)*$|\mOR true\M|\(true OR\M' then 'true'
               when e.calls && f.oids then 'setting'
               when e.calls && array[2077, 3294]::oid[]
                    and (e.expression ~ 'current_setting\((?!''(?:[^'']|'''')*''::text[,)])'
                         or exists (
                             select from regexp_matches(e.expression, 'current_setting\(''((?:[^'']|'''')*)''::text', 'g') m
                               left join pg_settings s on s.name = lower(m[1])
                              where (s.context in ('internal', 'postmaster', 'sighup')) is not true))
                   then 'setting'
               when e.expression ~ '''\{?"?user_metadata"?[,}'']|\mraw_user_meta_data\M' then 'metadata'
               when e.code ~ '\mDISTINCT FROM \(*\s*(SELECT )?auth\.[a-z_]+\('
                    or e.code ~ '\mauth\.[a-z_]+\([^()]*\)\)*(\s*AS [a-z_]+\))? IS (NOT )?DISTINCT FROM'
                    or e.code ~ '\mauth\.[a-z_]+\([^()]*\)\)*(\s*AS [a-z_]+\))? IS (NULL|UNKNOWN|NOT TRUE|NOT FALSE)'
                    or e.code ~ '\mCOALESCE\(\(*\s*(SELECT )?auth\.[a-z_]+\([^()]*\)\)*(\s*AS [a-z_]+\))?, (?!false)'
                   then 'null'
               end as fault,
               -- Without a column there is nothing that the organization is compared with.
               e.calls && r.org and position('{VAR ' in e.nodes) > 0 or e.calls && r.service
                 or (e.calls && r.identity and exists (
                        select from unnest(o.orgs) k
                         where position(format(':varno 1 :varattno %s ', k) in e.nodes) > 0)) as asks_org,
               e.calls && r.identity as asks_identity,
               o.environment is null or e.code ~ '\mauth\.environment\(\)' as asks_environment,
               e.code ~ '\m(CURRENT_USER|SESSION_USER|CURRENT_ROLE|USER)\M' or e.calls && r.role_name as asks_role,
               e.calls && r.claimed_role
                 and (not e.calls && array(select unnest(r.identity) except select unnest(r.claimed_role))
                      or e.code ~ '\mauth\.role\(\)( AS role\))?[^()]*\) OR (?!\(*auth\.role)'
                      or e.code ~ '\mauth\.(in_org|is_member)\([^()]*\) OR \(*auth\.role\M') as asks_claimed_role
          from auth_internal.lint_expressions(namespaces) e cross join readers r cross join believers f
          left join relations o on o.source = e.source),
    policies as (
        select policy, source, name, command, permissive, org, environment, predicate,
               max(expression) filter (where not checks) as using_text,
               max(expression) filter (where checks) as check_text,
               bool_or(not checks and fault = 'true') as using_true, bool_or(checks and fault = 'true') as check_true,
               bool_or(fault = 'setting') as reads_setting, bool_or(fault = 'metadata') as reads_metadata,
               bool_or(fault = 'null') as null_matches,
               bool_or(asks_role and (not coalesce(asks_org, false) or code ~ '\mOR\M') or asks_claimed_role) as goes_by_role,
               bool_or(not checks and asks_org) as using_asks,
               bool_or(checks) is not true or bool_or(checks and asks_org) as check_asks,
               bool_and(coalesce(asks_org, false)) as always_asks, bool_or(asks_identity) as asks_identity,
               bool_and(asks_environment) as asks_environment,
               bool_or(position(format(':relid %s ', source) in nodes) > 0) as reads_itself,
               string_agg(array_to_string(calls, ' '), ' ') as calls
          from expressions group by policy, source, name, command, permissive, org, environment, predicate)
    select policy, source, command, permissive, org is not null, format('%I on %s', name, source::regclass),
           format('alter policy %I on %s ', name, auth_internal.qualified(source)), using_text, check_text, using_true, check_true,
           reads_setting, reads_metadata, null_matches, goes_by_role, using_asks, check_asks, always_asks, asks_identity,
           asks_environment, reads_itself, environment, predicate,
           array(select distinct x::oid from unnest(string_to_array(policies.calls, ' ')) x where x <> '')
      from policies
$$;
comment on function auth_internal.lint_policy_facts is 'What every policy in these schemas asks; the arrays are auth.organization_columns().';

-- The clauses that give a policy this condition. With what it had, if that is given.
create or replace function auth_internal.lint_clauses(command "char", using_text text, check_text text, condition text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    with parts as (
        select coalesce('(' || nullif(using_text, 'true') || ') and ', '') || condition as visible,
               coalesce('(' || nullif(coalesce(check_text, using_text), 'true') || ') and ', '') || condition as writable)
    select case command when 'a' then format('with check (%s)', writable)
                        when 'w' then format('using (%s) with check (%s)', visible, writable)
                        when '*' then format('using (%s) with check (%s)', visible, writable)
                        else format('using (%s)', visible) end
      from parts
     where condition is not null
$$;
comment on function auth_internal.lint_clauses is 'USING and WITH CHECK of a policy for this command with this condition beside others; NULL without a condition.';

-- At most one finding about what a policy lets through: the worst.
create or replace function auth_internal.lint_policies(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with facts as materialized (select f.* from auth_internal.lint_policy_facts(namespaces, tables, columns) f),
    guarded as materialized (select distinct source from facts where not permissive and asks_identity),
    operators as materialized (select o.* from auth_internal.lint_operators(namespaces, tables, columns) o),
    judged as materialized (
        select p.*, v.*
          from facts p
          left join guarded g on g.source = p.source
          left join operators o on o.policy = p.policy
          cross join lateral (
               select * from (values
                   -- Whatever else the policy seems to ask, this decides.
                   (0, 'foreign_operator', 'error', o.stranger is not null, case when o.takes_org then 'replace' else 'none' end,
                    format('the policy compares with %s, and %s, to whom it belongs, can make it say anything', o.names, quote_ident(o.stranger))
                    || case when o.takes_org then '' else '; no SQL can say what to ask instead' end),
                   (1, 'reads_setting', 'error', p.reads_setting, 'replace',
                    'the policy believes a setting, and every session can set it'),
                   (2, 'reads_user_metadata', 'error', p.reads_metadata, 'replace',
                    'the policy believes metadata, which users write themselves'),
                   (3, 'null_matches', 'error', p.permissive and p.null_matches, 'replace',
                    'the policy lets rows through to whoever is not signed in: NULL satisfies it'),
                   (4, 'restrictive_only', 'error', p.permissive and not p.asks_identity and g.source is not null, 'add',
                    'a restrictive policy alone keeps tenants apart, and this one opens the table when that is dropped, with its function for instance'),
                   (5, 'using_true', 'error', p.permissive and p.using_true and p.has_org, 'replace',
                    'the policy lets the rows of every organization through'),
                   (6, 'using_true', 'warning', p.permissive and p.using_true and p.command <> 'r' and not p.has_org, 'none',
                    'whoever has the grant changes every row; no SQL can say who may'),
                   (7, 'check_true', 'error', p.permissive and p.check_true and p.using_text is null and p.has_org, 'replace',
                    'rows can be written for every organization'),
                   (8, 'check_true', 'error', p.permissive and p.check_true and p.using_text is not null, 'check',
                    'WITH CHECK is true: rows that USING admits can be made into any others'),
                   (9, 'role_name', 'error', p.permissive and p.goes_by_role,
                    case when p.using_asks or p.check_asks and p.command = 'a' then 'replace' else 'service' end,
                    'the policy goes by the name of a role, which SET ROLE or a claim chooses, and not by a verified service credential'),
                   (10, 'reads_itself', 'error', p.reads_itself, 'replace',
                    'the policy reads the table that it protects: every query fails with infinite recursion'),
                   (11, 'check_without_org', 'error', p.permissive and p.has_org and p.using_asks and not p.check_asks, 'check',
                    'rows can be moved to another organization: USING asks for it, WITH CHECK does not'),
                   (12, 'org_not_tested', 'warning', p.permissive and p.has_org and not p.always_asks, 'add',
                    'the policy does not ask for the organization'),
                   (13, 'environment_not_tested', 'warning', p.permissive and not p.asks_environment, 'environment',
                    'the policy does not ask for the environment: tests see live rows, and the reverse'),
                   (14, 'foreign_operator', 'warning', o.takes_org, 'replace',
                    format('the organization is compared with %s, which is none of Postgres''s and of no extension: only who knows what it says can tell whether it keeps organizations apart', o.names))
               ) f (place, code, severity, applies, mend, message)
                where f.applies order by f.place limit 1) v
    )
    select j.code, j.severity, j.object,
           j.message || case when j.predicate is null and j.mend in ('replace', 'add')
                             then '; no SQL can mend it: no column of the table says whose a row is'
                             when k.is_lost then '; no SQL can say its constants so that all settings read them alike' else '' end,
           case when j.mend not in ('add', 'check', 'environment') then j.alter_policy || case j.mend
                    when 'replace' then auth_internal.lint_clauses(j.command, null, null, j.predicate)
                    when 'service' then 'to bearer_service '
                         || auth_internal.lint_clauses(j.command, null, null, concat_ws(' and ', 'auth.is_service_role()', e.condition)) end
                -- What the policy asks already is said as Postgres printed it.
                when not k.is_lost then auth_internal.pinned(j.alter_policy || case j.mend
                    when 'add' then auth_internal.lint_clauses(j.command, k.using_text, k.check_text, j.predicate)
                    when 'check' then format('with check (%s)', k.using_text)
                    when 'environment' then auth_internal.lint_clauses(j.command, k.using_text, k.check_text, e.condition) end) end,
           (select c.relowner from pg_class c where c.oid = j.source)
      from judged j
      cross join lateral (select auth_internal.lint_environment_test(j.source, j.environment) as condition) e
      cross join lateral (
           select auth_internal.portable(j.using_text) as using_text, auth_internal.portable(j.check_text) as check_text,
                  j.mend in ('add', 'check', 'environment')
                  and (j.using_text is not null and auth_internal.portable(j.using_text) is null
                       or j.check_text is not null and auth_internal.portable(j.check_text) is null) as is_lost) k
    union all
    select 'volatile_in_policy', 'warning', j.object,
           format('%s is volatile: it runs for every row, and no index serves the policy',
                  string_agg(f.oid::regprocedure::text, ', ' order by f.oid))
               || case when bool_or(f.pronamespace = 'pg_catalog'::regnamespace) then '; no SQL can say what to ask instead' else '' end,
           case when not bool_or(f.pronamespace = 'pg_catalog'::regnamespace)
                then string_agg(format('alter function %s stable', auth_internal.qualified_routine(f.oid)), '; ' order by f.oid) end,
           (select c.relowner from pg_class c where c.oid = j.source)
      from facts j join pg_proc f on f.oid = any (j.calls) and f.provolatile = 'v'
     group by j.policy, j.object, j.source
    union all
    select 'leaky_in_policy', 'info', j.object,
           format('%s takes a column and is not LEAKPROOF: beside a restrictive policy no index serves it; only who knows that it reveals nothing of its arguments may say so, no SQL can',
                  string_agg(f.oid::regprocedure::text, ', ' order by f.oid)), null,
           (select c.relowner from pg_class c where c.oid = j.source)
      from facts j
      join pg_policy p on p.oid = j.policy
      join pg_proc f on f.oid = any (j.calls)
     where not f.proleakproof and f.pronamespace::regnamespace::text <> all (auth_internal.our_schemas() || 'pg_catalog'::text)
       and j.source in (select r.source from facts r where not r.permissive)
       and concat(p.polqual, p.polwithcheck) ~ format('\{FUNCEXPR :funcid %s [^{}]*:args \(\{VAR :varno 1 ', f.oid)
     group by j.policy, j.object, j.source
    union all
    select 'unreadable_policy', 'error', format('%I on %s', p.polname, c.oid::regclass),
           'the policy is so deep that it cannot be printed; no SQL can say what it lets through', null, c.relowner
      from pg_policy p join pg_class c on c.oid = p.polrelid
     where c.relnamespace = any (namespaces) and auth_internal.has_rights_of(c.relowner)
       and (p.polqual is not null and auth_internal.printed_expression(p.oid, false) is null
            or p.polwithcheck is not null and auth_internal.printed_expression(p.oid, true) is null)
       and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                          and d.deptype = 'e')
    union all
    select 'no_select_policy', 'info', j.source::regclass::text,
           'policies let rows be changed and none lets them be read: UPDATE and DELETE with a condition find nothing'
               || case when max(j.predicate) is null then '; no SQL can say who may read them' else '' end,
           format('create policy read_own_rows on %s for select using (', auth_internal.qualified(j.source)) || max(j.predicate) || ')',
           (select c.relowner from pg_class c where c.oid = j.source)
      from facts j
     where j.permissive
     group by j.source
    having bool_or(j.command in ('w', 'd')) and not bool_or(j.command in ('r', '*'))
$$;
comment on function auth_internal.lint_policies is 'Findings of auth.lint() about policies.';
