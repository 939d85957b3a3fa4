# What a policy costs each row of a sequential scan, relative to a literal in its place. Rows of a thousand
# organizations, of which the caller has one, or a hundred.
one=$(cat "$work/one.orgs")
hundred=$(cat "$work/hundred.orgs")
rival="(current_setting('request.jwt.claims')::jsonb ->> 'org_id')::uuid"

# name | organizations of the caller | condition
conditions="one: literal|one|org_id = '$one'
one: org_id = auth.current_org()|one|org_id = auth.current_org()
one: org_id = (select auth.current_org())|one|org_id = (select auth.current_org())
one: auth.in_org(org_id)|one|auth.in_org(org_id)
one: auth.is_member(org_id)|one|auth.is_member(org_id)
one: org_id = any(auth.org_ids())|one|org_id = any(auth.org_ids())
one: claims of a setting, as jsonb|one|org_id = $rival
hundred: literal|hundred|org_id = any('{$hundred}')
hundred: auth.is_member(org_id)|hundred|auth.is_member(org_id)
hundred: org_id = any(auth.org_ids())|hundred|org_id = any(auth.org_ids())"

rows_of() { # NUMBER
    echo "select g::bigint as id, md5('org' || (g * 7919::bigint % 1000))::uuid as org_id, 'body of document ' || g as body from generate_series(1, $1) g"
}
quote() { sed "s/'/''/g"; }
authenticate() { # one|hundred
    echo "select count(auth.authenticate('$(cat "$work/$1.token")'))"
}
claims="select set_config('request.jwt.claims', '{\"org_id\": \"$one\", \"role\": \"authenticated\"}', true)"

# Instructions, counted by callgrind in a server of a single process: the difference between 120,000 rows
# and 20,000 of them. They are the same on every run, however busy the machine is.
as_server=()
if [ "$(id -u)" -eq 0 ]; then
    user=$(id -u postgres >/dev/null 2>&1 && echo postgres || echo nobody)
    as_server=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups --)
    install -d -o "$user" "$work/single"
else
    mkdir "$work/single"
fi
cluster=$work/single/data
single() { # [TOOL …]: runs the statements on standard input, one per line, under this tool
    (cd "$work/single" && LC_ALL=C.UTF-8 "${as_server[@]}" "$@" "$PGBIN/postgres" --single -D "$cluster" -F \
        -c jit=off -c max_parallel_workers_per_gather=0 -c shared_buffers=64MB postgres)
}
instructions() { # one|hundred, CONDITION, TABLE
    printf '%s\n' begin "$(authenticate "$1")" "$claims" "select count(*) from $3 where $2" commit |
        single valgrind --tool=callgrind --callgrind-out-file=/dev/null 2> "$work/callgrind" > "$work/single.out"
    if grep -q 'ERROR' "$work/callgrind"; then
        cat "$work/callgrind" >&2
        return 1
    fi
    awk '/Collected/ { print $NF }' "$work/callgrind" | tail -1
}

(cd "$work/single" && LC_ALL=C.UTF-8 "${as_server[@]}" "$PGBIN/initdb" -D "$cluster" -A trust -U postgres --no-sync > /dev/null)
{
    echo 'create extension pg_bearer'
    cat "$work/keys.sql"
    echo "create table few as $(rows_of 20000)"
    echo "create table more as $(rows_of 120000)"
    echo 'vacuum freeze analyze'
} | single > "$work/single.out" 2>&1
if grep 'ERROR' "$work/single.out"; then exit 1; fi

# Time: each condition in turn on 1,000,000 rows in one session, so that a noisy machine disturbs all alike.
psql -c "create table million as $(rows_of 1000000)" -c 'vacuum (freeze, analyze) million'
{
    echo 'create temp table times (condition int, run int, seconds float);'
    echo 'create temp table conditions (number int, who text, condition text);'
    number=0
    while IFS='|' read -r _ who condition; do
        number=$((number + 1))
        echo "insert into conditions values ($number, '$who', '$(echo "$condition" | quote)');"
    done <<< "$conditions"
    cat <<SQL
set max_parallel_workers_per_gather = 0;
do \$\$
declare
    c record;
    begins timestamptz;
begin
    $(echo "$claims" | sed 's/^select/perform/');
    for run in 1 .. ${BENCH_RUNS:-15} loop
        for c in select * from conditions order by number loop
            -- The rival is slow enough to need fewer runs.
            continue when c.condition like '%setting%' and run > 2;
            if c.who = 'one' then
                perform ($(authenticate one));
            else
                perform ($(authenticate hundred));
            end if;
            begins := clock_timestamp();
            execute 'select count(*) from million where ' || c.condition;
            insert into times values (c.number, run, extract(epoch from clock_timestamp() - begins));
        end loop;
    end loop;
end
\$\$;
select percentile_cont(0.5) within group (order by seconds) from times group by condition order by condition;
SQL
} | psql > "$work/seconds"

echo "rows: relative to a literal (goals: in_org 1.05, is_member of one organization 1.02)"
printf '  %-42s %12s %7s %11s %7s\n' '' instructions ratio 'ns per row' ratio
base=
number=0
while IFS='|' read -r name who condition; do
    number=$((number + 1))
    few=$(instructions "$who" "$condition" few)
    more=$(instructions "$who" "$condition" more)
    per_row=$(((more - few) / 100000))
    seconds=$(sed -n "${number}p" "$work/seconds")
    case $name in *literal) base=$per_row base_seconds=$seconds ;; esac
    awk -v name="$name" -v n="$per_row" -v base="$base" -v s="$seconds" -v base_s="$base_seconds" \
        'BEGIN { printf "  %-42s %12d %7.3f %11.1f %7.2f\n", name, n, n / base, s * 1000, s / base_s }'
done <<< "$conditions"
