# What looking for revocations costs an authenticate of a token that was seen: with none, and with 100,000 of other users,
# sessions and tokens. The same of a token of ours, whose row is read as well; and what making one takes.
revocation_rounds=${BENCH_REVOCATION_ROUNDS:-9}
many=${BENCH_REVOCATIONS:-100000}

psql -c "create database tokens"
psql -d tokens -c 'create extension pg_bearer' -f "$work/keys.sql" > /dev/null
psql -d tokens -c "select auth.add_issuer('https://ours.example', own => true), auth.create_signing_key()" > /dev/null
psql -d tokens -c "select auth.issue_jwt('granted none')" > "$work/ours.token"

# The least microseconds of one authenticate, of a foreign token and of one of ours, in a session that has seen both.
authenticate_both() {
    psql -d tokens <<SQL
create temp table times (what int, seconds float);
do \$\$
declare
    tokens text[] := array['$(cat "$work/granted_none.token")', '$(cat "$work/ours.token")'];
    start timestamptz;
begin
    for what in 1 .. 2 loop
        for run in 1 .. 2000 loop
            start := clock_timestamp();
            perform auth.authenticate(tokens[what]);
            perform auth.authenticate(tokens[what]);
            perform auth.authenticate(tokens[what]);
            perform auth.authenticate(tokens[what]);
            insert into times values (what, extract(epoch from clock_timestamp() - start) / 4);
        end loop;
    end loop;
end
\$\$;
select string_agg((m * 1e6)::text, ' ' order by what) from (select what, min(seconds) as m from times group by what) t;
SQL
}

revoke_many() {
    psql -d tokens <<SQL > /dev/null
insert into auth.revocations (kind, value, issuer, issued_before, expires_at)
select (array['user', 'session', 'token'])[n % 3 + 1], gen_random_uuid(), 'https://bench.example', now(), 'infinity'
  from generate_series(1, $many) n;
vacuum analyze auth.revocations;
SQL
}

for round in $(seq "$revocation_rounds"); do
    psql -d tokens -c 'truncate auth.revocations'
    echo "none $(authenticate_both)"
    revoke_many
    echo "many $(authenticate_both)"
done > "$work/revocations"
psql -d tokens <<'SQL' > "$work/minting"
truncate auth.revocations;
do $$ begin perform auth.issue_jwt('bob') from generate_series(1, 100); end $$;
select extract(epoch from clock_timestamp() - now()) * 1e3
  from (select count(auth.issue_jwt('bob')) from generate_series(1, 1000)) m;
SQL
echo "Revocations: µs of an authenticate in the quickest round; with $many revocations, relative to none (goal: 1.5 or less)"
/usr/bin/python3 - "$work/revocations" "$work/minting" <<'PYTHON'
import sys
rounds = [line.split() for line in open(sys.argv[1])]
least = lambda kind, at: min(float(r[at]) for r in rounds if r[0] == kind)
for name, at in ("of another issuer", 1), ("of ours", 2):
    none, many = least("none", at), least("many", at)
    print(f"  a token {name:18} {none:6.2f}   {many / none:.2f}")
print(f"  issue_jwt, ES256: {float(open(sys.argv[2]).read().split()[-1]):.0f} µs each")
PYTHON
psql -c 'drop database tokens'
