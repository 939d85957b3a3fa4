# Policies with our functions, not wrapped in anything, against what is written by hand today. Every case of a group runs
# in turn in one session, so that a noisy machine disturbs all alike; medians, planning included. All cases of a group have
# to give the same rows.
runs=${BENCH_POLICY_RUNS:-7}
sizes=${BENCH_POLICY_ROWS:-1000000 5000000}

psql <<SQL > /dev/null
create table users (who text primary key, id uuid, orgs uuid[], token text);
$(for who in one ten hundred thousand admin; do
    echo "insert into users values ('$who', '$(cat "$work/$who.user")', '{$(cat "$work/$who.orgs")}', '$(cat "$work/$who.token")');"
done)
create table memberships (user_id uuid, org_id uuid, role text, primary key (user_id, org_id));
insert into memberships select id, unnest(orgs), 'admin' from users;
insert into memberships
  select md5('user' || n % 700)::uuid, md5('org' || n)::uuid, 'member' from generate_series(0, 999) n;
insert into auth.organizations (id, name) select unnest(orgs), 'An organization' from users where who = 'thousand';
insert into auth.memberships (org_id, user_id, role_id)
  select unnest(orgs), id::text, auth_internal.owner_role() from users where who = 'thousand';

-- What Supabase's auth.uid() is, and the helpers that its guides recommend.
create schema rival;
create function rival.uid() returns uuid language sql stable as \$\$
    select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid \$\$;
create function rival.is_member(org uuid) returns boolean language plpgsql stable security definer as \$\$
    begin return exists (select from memberships m where m.org_id = org and m.user_id = rival.uid()); end \$\$;
create function rival.is_admin() returns boolean language plpgsql security definer as \$\$
    begin return exists (select from memberships where user_id = rival.uid() and role = 'admin'); end \$\$;
create function rival.role() returns text language plpgsql security definer as \$\$
    begin return (select min(role) from memberships where user_id = rival.uid()); end \$\$;
create function rival.orgs() returns uuid[] language plpgsql security definer as \$\$
    begin return array(select org_id from memberships where user_id = rival.uid()); end \$\$;
create function rival.org_set() returns setof uuid language plpgsql security definer as \$\$
    begin return query select org_id from memberships where user_id = rival.uid(); end \$\$;

create table cases (
    id int generated always as identity primary key, part text, label text, who text, policy_role text, query text, most int
);
create table timings (id int, run int, seconds float, answer text);

-- Runs the cases of a part; a case whose who is '' runs with nobody signed in.
create procedure measure(wanted text, runs int) language plpgsql as \$\$
declare
    c record;
    u record;
    begins timestamptz;
    answer text;
begin
    for run in 1 .. runs loop
        for c in select * from cases where part = wanted and run <= coalesce(most, runs) order by id loop
            select * into u from users where who = c.who;
            perform auth.sign_out();
            if u.token is not null then
                perform auth.authenticate(u.token);
            end if;
            perform set_config('request.jwt.claims', coalesce(json_build_object('sub', u.id)::text, ''), true);
            perform set_config('role', coalesce(c.policy_role, 'none'), true);
            begins := clock_timestamp();
            execute c.query into answer;
            perform set_config('role', 'none', true);
            insert into timings values (c.id, run, extract(epoch from clock_timestamp() - begins), answer);
        end loop;
    end loop;
    if exists (select from timings t join cases k using (id) where k.part = wanted group by () having count(distinct t.answer) > 1) then
        raise 'the cases of % differ: %', wanted,
            (select string_agg(distinct k.label || ' ' || t.answer, ', ') from timings t join cases k using (id) where k.part = wanted);
    end if;
end \$\$;
create view medians as
    select c.id, c.part, c.label, percentile_cont(0.5) within group (order by t.seconds) as seconds
      from cases c join timings t using (id) group by c.id;
SQL

report() { # PART: milliseconds of every case, and relative to the first one
    psql -F '|' -c "select label, round((seconds * 1000)::numeric, 2),
        round((seconds / first_value(seconds) over (order by id))::numeric, 2) from medians where part = '$1' order by id" |
        awk -F'|' '{ printf "    %-58s %10s ms %8s\n", $1, $2, $3 }'
}
measure() { # PART [RUNS]
    psql -c "set max_parallel_workers_per_gather = 0" -c "call measure('$1', ${2:-$runs})" > /dev/null
    report "$1"
}
# A case: PART, LABEL, WHO, ROLE ('' means past row-level security), QUERY, MOST RUNS
case_of() {
    psql -v part="$1" -v label="$2" -v who="$3" -v role="$4" -v query="$5" -v most="${6:-}" <<'SQL'
insert into cases (part, label, who, policy_role, query, most)
values (:'part', :'label', :'who', nullif(:'role', ''), :'query', nullif(:'most', '')::int);
SQL
}
# A role that the policy of this name and expression is for: TABLE, ROLE, EXPRESSION
policy() {
    psql -v t="$1" -v r="$2" -v expression="$3" <<'SQL' > /dev/null
select format('create role %I', :'r') where not exists (select from pg_roles where rolname = :'r') \gexec
select format('grant usage on schema rival to %1$I; grant select on memberships, %2$I to %1$I', :'r', :'t') \gexec
select format('create policy %1$I on %2$I for select to %1$I using (%3$s)', :'r', :'t', :'expression') \gexec
SQL
}

for size in $sizes; do
  for index in index 'no index'; do
    table="rows_${size}_${index% *}"
    psql -c "create table $table as select g::bigint as id, md5('org' || (g * 7919::bigint % 1000))::uuid as org_id,
                 timestamptz '2026-01-01' + g * interval '1 second' as created_at, 'body of document ' || g as body
                 from generate_series(1, $size) g" \
         -c "alter table $table enable row level security"
    [ "$index" = index ] && psql -c "create index on $table (org_id)"
    psql -c "vacuum (freeze, analyze) $table"
    policy "$table" by_is_member 'auth.is_member(org_id)'
    policy "$table" by_in_org 'auth.in_org(org_id)'
    policy "$table" by_subquery 'org_id in (select m.org_id from memberships m where m.user_id = rival.uid())'
    policy "$table" by_wrapped 'org_id in (select m.org_id from memberships m where m.user_id = (select rival.uid()))'
    policy "$table" by_array 'org_id = any (array(select rival.org_set()))'
    policy "$table" by_plpgsql 'rival.is_member(org_id)'
    for who in one ten hundred thousand; do
        part="$size rows, $who, $index"
        echo
        echo "policies: $size rows, organizations: $who of 1,000, $index (relative to the constant array; goals 1.2, from 100 organizations on 1.5)"
        all="select count(body)::text from $table"
        case_of "$part" 'constant array, no policy' "$who" '' "$all where org_id = any ('{$(cat "$work/$who.orgs")}')"
        case_of "$part" 'auth.is_member(org_id)' "$who" by_is_member "$all"
        if [ "$who" = one ]; then
            case_of "$part" 'auth.in_org(org_id)' "$who" by_in_org "$all"
        fi
        case_of "$part" 'org_id in (select … where user_id = uid())' "$who" by_subquery "$all" 3
        case_of "$part" 'org_id in (select … where user_id = (select uid()))' "$who" by_wrapped "$all" 3
        case_of "$part" 'org_id = any(array(select orgs()))' "$who" by_array "$all" 3
        if [ "$size" = 1000000 ]; then
            case_of "$part" 'plpgsql helper is_member(org_id)' "$who" by_plpgsql "$all" 1
        fi
        measure "$part"
    done
    psql -c "drop table $table"
  done
done

# The newest rows of a tenant that has a tenth of the table.
echo
echo 'policies: the 20 newest rows of a tenant with 100,000 of 1,000,000 (relative to the literal; goal 1.2)'
large=$(cat "$work/one.orgs")
psql -c "create table timeline as select g::bigint as id, case when g % 10 = 0 then '$large'::uuid else md5('org' || (g % 1000))::uuid end as org_id,
             timestamptz '2026-01-01' + g * interval '1 second' as created_at, 'body of document ' || g as body
             from generate_series(1, 1000000) g" \
     -c "create index on timeline (org_id, created_at)" -c "vacuum (freeze, analyze) timeline" \
     -c "alter table timeline enable row level security"
policy timeline by_in_org 'auth.in_org(org_id)'
policy timeline by_current_org 'org_id = auth.current_org()'
policy timeline by_wrapped 'org_id in (select m.org_id from memberships m where m.user_id = (select rival.uid()))'
newest="select string_agg(id::text, ',') from (select id from timeline order by created_at desc limit 20) t"
case_of newest literal one '' "${newest/from timeline/from timeline where org_id = \'$large\'}"
case_of newest 'auth.in_org(org_id)' one by_in_org "$newest"
case_of newest 'org_id = auth.current_org()' one by_current_org "$newest"
case_of newest 'org_id in (select … where user_id = (select uid()))' one by_wrapped "$newest"
measure newest 101

# The situations of github.com/GaryAustin1/RLS-Performance: its forms tuned by hand, and ours as one writes them first.
echo
echo 'policies: nine situations, 100,000 rows (relative to the form that was tuned by hand; goal at most 1)'
psql -c "create table situations as select g::bigint as id, case when g % 1000 = 0 then '$(cat "$work/admin.user")'::uuid else md5('user' || g % 997)::uuid end as user_id,
             md5('org' || g % 1000)::uuid as team_id, case when g % 50 = 0 then 'admin' else 'member' end as role, 'body of document ' || g as body
             from generate_series(1, 100000) g" \
     -c "create table indexed as table situations" -c 'create index on indexed (user_id)' -c 'create index on indexed (team_id)' \
     -c 'alter table situations enable row level security' -c 'alter table indexed enable row level security' \
     -c 'vacuum (freeze, analyze) situations, indexed'
situation() { # NUMBER, WHO, TABLE, TUNED, OURS [CONDITION OF THE TUNED ONE]
    policy "$3" "tuned_$1" "$4"
    policy "$3" "ours_$1" "$5"
    local all="select count(body)::text from $3"
    case_of "situation $1" "$1: $4" "$2" "tuned_$1" "$all ${6:-}"
    case_of "situation $1" "$1: $5" "$2" "ours_$1" "$all"
    measure "situation $1" 101
}
situation 1 admin indexed 'rival.uid() = user_id' 'auth.uid() = user_id'
situation 2a admin situations '(select rival.uid()) = user_id' 'auth.uid() = user_id'
situation 2b admin situations '(select rival.is_admin())' "auth.has_permission('docs.admin')"
situation 2c admin situations '(select rival.is_admin()) or (select rival.uid()) = user_id' "auth.has_permission('docs.admin') or auth.uid() = user_id"
situation 2d admin situations '(select rival.role()) = role' 'auth.org_role() = role'
situation 2e ten situations 'team_id = any (array(select rival.org_set()))' 'auth.is_member(team_id)'
situation 3 admin situations 'rival.uid() = user_id' 'auth.uid() = user_id' "where user_id = '$(cat "$work/admin.user")'"
situation 5 ten situations 'team_id in (select m.org_id from memberships m where m.user_id = rival.uid())' 'auth.is_member(team_id)'
# Nobody is signed in. Tuned by hand: the policy is for another role. Ours: as auth.protect() writes it, for everybody,
# with the index that it makes.
psql -c 'create role tuned_6; grant select on indexed to tuned_6'
policy indexed ours_6 "auth.in_org(team_id) and auth.allows_table('indexed'::regclass)"
case_of 'situation 6' '6: no policy for the role, nobody signed in' '' tuned_6 'select count(body)::text from indexed'
case_of 'situation 6' '6: as auth.protect() writes it, nobody signed in' '' ours_6 'select count(body)::text from indexed'
measure 'situation 6' 101

# Planning: the ids written by hand, and the same functions without their support functions (which find fewer ways to
# plan: no index serves them).
echo
echo 'policies: planning, in microseconds (goal: at most 1.15 of the literal)'
psql <<'SQL'
create schema bare;
create function bare.in_org(uuid) returns boolean language c stable strict leakproof parallel safe as '$libdir/pg_bearer', 'pg_bearer_in_org';
create function bare.is_member(uuid) returns boolean language c stable strict leakproof parallel safe as '$libdir/pg_bearer', 'pg_bearer_is_member';
SQL
planning() { # WHO, FUNCTION
    local form
    for form in literal bare auth; do
        case $form in
            literal) condition="org_id = any ('{$(cat "$work/$1.orgs")}')"
                     [ "$2" = in_org ] && condition="org_id = '$(cat "$work/$1.orgs")'" ;;
            *) condition="$form.$2(org_id)" ;;
        esac
        psql -c "create table plan_$form (id bigint primary key, org_id uuid, created_at timestamptz, parent bigint)" \
             -c "insert into plan_$form select id, org_id, created_at, id / 2 from timeline where id <= 100000" \
             -c "create index on plan_$form (org_id, created_at)" -c "create index on plan_$form (org_id)" -c "vacuum analyze plan_$form" \
             -c "alter table plan_$form enable row level security"
        policy "plan_$form" "plans_$1_$2_$form" "$condition"
        psql -c "grant usage on schema bare to plans_$1_$2_$form"
    done
    psql -F '|' <<SQL
set max_parallel_workers_per_gather = 0;
create temp table times (run int, query int, form text, seconds float);
do \$\$
declare
    queries text[] := array['select * from T where id = 7', 'select * from T order by created_at desc limit 20',
        'select * from T a join T b on b.id = a.parent join T c on c.id = b.parent where a.created_at > now()'];
    form text; begins timestamptz;
begin
    perform auth.authenticate((select token from users where who = '$1'));
    for run in 1 .. 41 loop
        for q in 1 .. 3 loop
            foreach form in array '{literal,bare,auth}'::text[] loop
                perform set_config('role', 'plans_$1_$2_' || form, true);
                begins := clock_timestamp();
                for i in 1 .. 20 loop
                    execute 'explain ' || replace(queries[q], 'T ', 'plan_' || form || ' ');
                end loop;
                perform set_config('role', 'none', true);
                insert into times values (run, q, form, extract(epoch from clock_timestamp() - begins) / 20);
            end loop;
        end loop;
    end loop;
end \$\$;
with m as (select query, percentile_cont(0.5) within group (order by seconds) filter (where form = 'literal') as literal,
                  percentile_cont(0.5) within group (order by seconds) filter (where form = 'bare') as bare,
                  percentile_cont(0.5) within group (order by seconds) filter (where form = 'auth') as auth from times group by query)
select (array['one row by its key', 'the 20 newest', 'three tables'])[query], round((literal * 1e6)::numeric, 1), round((bare * 1e6)::numeric, 1),
       round((auth * 1e6)::numeric, 1), round((auth / literal)::numeric, 2), round((auth / bare)::numeric, 2) from m order by query;
SQL
    psql -c 'drop table plan_literal, plan_bare, plan_auth'
}
printf '    %-58s %9s %9s %9s %9s %9s\n' '' literal bare ours /literal /bare
for who in one ten hundred thousand; do
    for function in in_org is_member; do
        [ "$function" = in_org ] && [ "$who" != one ] && continue
        planning "$who" "$function" | awk -F'|' -v f="$function, organizations: $who" \
            '{ printf "    %-38s %-19s %9s %9s %9s %9s %9s\n", f, $1, $2, $3, $4, $5, $6 }'
    done
done
