-- Operators in policies. A name such as = means what search_path found when the policy was made, and lint is told of it here alone:
-- what a policy asks looks the same with another one.

-- Does one of these operators take the column, alone or inside of something else? nodes is an expression as the catalog holds it.
create or replace function auth_internal.lint_takes_column(nodes text, operators oid[], number smallint) returns boolean
    language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
    token text;
    depth integer := 0;
    -- For each node that is open, whether it is one of the operators; and how many are.
    is_one integer[] := '{}';
    ones integer := 0;
begin
    for token in
        select m[1] from regexp_matches(nodes, '\\.|[{}]|:opnos? (?:\d+|\(o[ \d]+\)) |:varno 1 :varattno \d+ ', 'g') m
    loop
        case left(token, 2)
        when '{' then
            depth := depth + 1;
            is_one[depth] := 0;
        when '}' then
            ones := ones - is_one[depth];
            depth := depth - 1;
        when ':o' then
            if is_one[depth] = 0 and operators && array(select m[1]::oid from regexp_matches(token, '\d+', 'g') m) then
                is_one[depth] := 1;
                ones := ones + 1;
            end if;
        when ':v' then
            if ones > 0 and token = format(':varno 1 :varattno %s ', number) then
                return true;
            end if;
        else
        end case;
    end loop;
    return false;
end
$$;
comment on function auth_internal.lint_takes_column is 'Does one of these operators take a column of the table in an expression?';

-- Postgres's own leave no dependency. What an extension brought is as good as the extension. A stranger is who can make an operator
-- answer otherwise, by replacing its function for instance, and could not change the table's policies.
create or replace function auth_internal.lint_operators(namespaces oid[], tables oid[], columns smallint[])
    returns table (policy oid, names text, stranger name, takes_org boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with uses as materialized (
        select p.oid as policy, p.polrelid as source, o.oid as operator, s.rolname as stranger
          from pg_policy p
          join pg_class c on c.oid = p.polrelid and c.relnamespace = any (namespaces) and auth_internal.has_rights_of(c.relowner)
          join pg_roles a on a.oid = c.relowner
          join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_operator'::regclass
          join pg_operator o on o.oid = d.refobjid
          join pg_proc f on f.oid = o.oprcode
          left join pg_roles s on s.oid in (o.oprowner, f.proowner) and not s.rolsuper and s.oid <> c.relowner
                              and not (not a.rolsuper and pg_has_role(a.oid, s.oid, 'member'))
         where not exists (select from pg_depend e
                            where e.classid = 'pg_operator'::regclass and e.objid = o.oid and e.deptype = 'e')),
    found as (
        select u.policy, u.source, array_agg(u.operator) as operators, min(u.stranger) as stranger,
               string_agg(distinct u.operator::regoperator::text, ', ') as names
          from uses u group by u.policy, u.source)
    select f.policy, f.names, f.stranger,
           exists (select from unnest(tables, columns) t (source, org)
                    where t.source = f.source
                      and auth_internal.lint_takes_column(concat(p.polqual, p.polwithcheck), f.operators, t.org))
      from found f join pg_policy p on p.oid = f.policy
$$;
comment on function auth_internal.lint_operators is 'Operators in policies that are none of Postgres''s and of no extension; the arrays are auth.organization_columns().';
