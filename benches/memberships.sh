# What memberships add to an authenticate of a token that was seen, in one session: of a user of 3, 1,000 and
# 10,000 organizations against a user of none. In our tables, and in a registered table of the application.
runs=${BENCH_MEMBERSHIP_RUNS:-41}

psql <<'SQL' > /dev/null
create table members (user_id text not null, org_id uuid not null, role text not null);
create index on members (user_id);
select auth.create_organization('Organization ' || n) from generate_series(1, 10000) n;
insert into members
  select 'registered ' || count, o.id, case when row % 3 = 0 then 'admin' else 'member' end
    from (values (3), (1000), (10000)) c (count),
         (select id, row_number() over (order by id) as row from auth.organizations) o
   where row <= count;
select auth.add_member(org_id, replace(user_id, 'registered', 'ours'), role) from members;
vacuum analyze;
SQL

# Both in turn in one session, so that a noisy machine disturbs both alike; medians in microseconds.
compare() { # ours|registered, ORGANIZATIONS
    psql -F ' ' <<SQL
create temp table times (few float, many float);
do \$\$
declare
    start timestamptz;
    none float;
    token_of_none text := '$(cat "$work/$1_0.token")';
    token text := '$(cat "$work/$1_$2.token")';
begin
    for run in 1 .. $runs loop
        start := clock_timestamp();
        for i in 1 .. 5 loop
            perform auth.authenticate(token_of_none);
        end loop;
        none := extract(epoch from clock_timestamp() - start) / 5;
        start := clock_timestamp();
        for i in 1 .. 5 loop
            perform auth.authenticate(token);
        end loop;
        insert into times values (none, extract(epoch from clock_timestamp() - start) / 5);
    end loop;
    if cardinality(auth.org_ids()) <> $2 then
        raise 'organizations: %', cardinality(auth.org_ids());
    end if;
end
\$\$;
select $2, round((percentile_cont(0.5) within group (order by many - few) * 1e6)::numeric, 1),
       round((percentile_cont(0.5) within group (order by few) * 1e6)::numeric, 1) from times;
SQL
}

echo "memberships: microseconds that they add to authenticate (goals: 3 organizations 30, 1,000 1,000, 10,000 10,000)"
for table in ours registered; do
    [ "$table" = ours ] || psql -c "select auth.register_membership_source('members', 'user_id', 'org_id', 'role')" > /dev/null
    for count in 3 1000 10000; do
        compare "$table" "$count" | awk -v table="$table" \
            '{ printf "  %-12s %6d organizations: %9.1f   (without any: %.1f)\n", table, $1, $2, $3 }'
    done
done
psql -c "select auth.unregister_membership_source('members')" > /dev/null
