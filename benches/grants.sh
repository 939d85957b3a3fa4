# What others grant a user costs an authenticate of a token that was seen, in time and in memory: 10,000 organizations
# with built-in roles, 1,000 with ordinary roles of their own, 1,000 with roles as large as they can be, and a hundred
# savepoints that authenticate one after the other.
runs=${BENCH_GRANT_RUNS:-101}

psql <<'SQL' > /dev/null
create table granting as
  select auth.create_organization('Granting ' || n) as org_id, n from generate_series(1, 10000) n;
select auth.define_role('ordinary',
         array['org.' || n || '.read'] || array(select 'invoices.part_' || p || '.read' from generate_series(1, 9) p),
         org_id => org_id),
       auth.define_role('largest',
         array(select rpad(repeat(md5(n || ' ' || p), 3), 100, 'x') from generate_series(1, 200) p), org_id => org_id)
  from granting where n <= 1000;
select auth.add_member(org_id, 'granted ' || role, role)
  from granting, unnest(array['ordinary', 'largest']) role where n <= 1000;
select auth.add_member(org_id, 'granted member', case when n % 3 = 0 then 'admin' else 'member' end) from granting;
vacuum analyze;
SQL

# The least that each takes, in microseconds, in one session: a noisy machine only makes it slower.
token_of() { cat "$work/granted_$1.token"; }
psql <<SQL > "$work/granted"
create temp table times (who text, seconds float);
do \$\$
declare
    start timestamptz;
    who text;
    tokens jsonb := jsonb_build_object('none', '$(token_of none)', 'ordinary', '$(token_of ordinary)',
                                       'largest', '$(token_of largest)', 'member', '$(token_of member)');
    token text;
begin
    foreach who in array array['none', 'ordinary', 'largest', 'member'] loop
        token := tokens ->> who;
        for run in 1 .. $runs loop
            -- Somebody else in between, since the same identity is not stored again.
            perform auth.authenticate(tokens ->> 'none');
            start := clock_timestamp();
            perform auth.authenticate(token);
            insert into times values (who, extract(epoch from clock_timestamp() - start));
        end loop;
    end loop;
end
\$\$;
select min(seconds) * 1e6 from times group by who order by who;
SQL
readarray -t took < "$work/granted" # largest, member, none, ordinary

# Kilobytes that a backend holds more after it has authenticated this user so many times, and made as many savepoints:
# all of them afterwards, or each before one.
memory() { # WHO, TIMES, after|before
    local savepoints=() authenticate="select null from (select auth.authenticate('$(token_of "$1")')) a;" number
    for ((number = 0; number < $2; number++)); do savepoints+=("savepoint s$number;"); done
    {
        echo "begin; do \$\$ begin perform auth.authenticate('$(token_of none)'); end \$\$;"
        echo "create temp table held as select substring(pg_read_file('/proc/self/status') from 'RssAnon:\s*(\d+)')::int as kb;"
        for number in "${!savepoints[@]}"; do
            [ "$3" = after ] || echo "${savepoints[number]}"
            echo "$authenticate"
        done
        [ "$3" = before ] || printf '%s select null;\n' "${savepoints[@]}"
        echo "select 'kB ' || substring(pg_read_file('/proc/self/status') from 'RssAnon:\s*(\d+)')::int - kb from held;"
    } | psql | sed -n 's/^kB //p'
}

echo "grants: what others grant a user adds to authenticate"
awk -v largest="${took[0]}" -v member="${took[1]}" -v none="${took[2]}" -v ordinary="${took[3]}" 'BEGIN {
    printf "  10,000 organizations, built-in roles: %.0f µs (goal: 2,000)\n", member - none
    printf "  1,000 organizations, roles of their own: largest %.0f µs, ordinary %.0f µs, ratio %.2f (goal: 1.5)\n",
        largest - none, ordinary - none, (largest - none) / (ordinary - none) }'
echo "  10,000 organizations: memory of one authenticate $(memory member 1 before) kB (goal: 4,096)"
for who in member ordinary largest; do
    one=$(memory "$who" 100 after) each=$(memory "$who" 100 before)
    awk -v who="$who" -v one="$one" -v each="$each" 'BEGIN {
        printf "  authenticated 100 times, %-8s: in one transaction %d kB, in a savepoint each %d kB, ratio %.2f (goal: 2)\n",
            who, one, each, each / one }'
done
