# Sign-ins against the hashing alone, refreshing against a durable update of one row, and the memory of 50 who sign in at once.
# With the library preloaded, so that tries are counted in memory.
seconds=${BENCH_SECONDS:-20}
PGHOST_BEFORE=$PGHOST PGPORT_BEFORE=$PGPORT
export PGHOST=$PRELOADED_HOST PGPORT=$PRELOADED_PORT PGDATABASE=signing_in
psql -d postgres -c 'create database signing_in' -c 'alter system set fsync = on' -c 'select pg_reload_conf()' > /dev/null
psql -c 'create extension pg_bearer'
psql <<'SQL' > /dev/null
select auth.add_issuer('https://ours.example', own => true), auth.create_signing_key();
alter database signing_in set pg_bearer.max_sign_in_tries = 1000000;
create table counted (id int primary key, n bigint) with (fillfactor = 50);
insert into counted select n, 0 from generate_series(0, 1) n;
select auth.create_user('u' || n || '@bench.example', 'correct horse battery staple') from generate_series(0, 49) n;
SQL
cat > "$work/sign_in.sql" <<'SQL'
select auth.sign_in_with_password('u' || :client_id || '@bench.example', 'correct horse battery staple');
SQL
echo "select auth_internal.hash_password('correct horse battery staple');" > "$work/hash.sql"
echo "select auth.refresh_session(:token) ->> 'refresh_token' as token \\gset" > "$work/refresh.sql"
echo 'update counted set n = n + 1 where id = :id;' > "$work/update.sql"

# Transactions a second of two clients.
sign_in_tps() { "$PGBIN/pgbench" -n -c 2 -j 2 -T $((seconds / 5 + 1)) -f "$work/$1.sql" 2>&1 | awk '/^tps/ { print $3 }'; }

# The same of two with a variable of their own each.
refresh_tps() { # SCRIPT VARIABLE VALUE VALUE
    for value in "$3" "$4"; do
        PGOPTIONS='-c synchronous_commit=on' "$PGBIN/pgbench" -n -M prepared -T $((seconds / 5 + 1)) -D "$2=$value" -f "$work/$1.sql" 2>&1 | awk '/^tps/ { print $3 }' &
    done | awk '{ sum += $1 } END { print sum }'
    wait
}
new_token() { psql -c "select auth.sign_in_with_password('u$1@bench.example', 'correct horse battery staple') ->> 'refresh_token'"; }

for round in 1 2 3 4 5; do
    echo "hash $(sign_in_tps hash)"
    echo "sign_in $(sign_in_tps sign_in)"
    echo "update $(refresh_tps update id 0 1)"
    echo "refresh $(refresh_tps refresh token "$(new_token 0)" "$(new_token 1)")"
done > "$work/sign_in"

# Resident memory of the backends, with and without what they share, as often as it can be asked.
/usr/bin/python3 - "$PGBIN/pgbench" "$work/sign_in.sql" <<'PYTHON' > "$work/memory"
import glob, os, subprocess, sys
run = subprocess.Popen([sys.argv[1], "-n", "-c", "50", "-j", "2", "-t", "4", "-f", sys.argv[2]],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
page = os.sysconf("SC_PAGE_SIZE") / 1e6
peak = (0, 0, 0)
while run.poll() is None:
    resident = own = backends = 0
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if b" signing_in " in open(folder + "/cmdline", "rb").read():
                _, rss, shared, *_ = map(int, open(folder + "/statm").read().split())
                resident, own, backends = resident + rss * page, own + (rss - shared) * page, backends + 1
        except OSError:
            pass
    peak = max(peak, (own, resident, backends))
print(*peak)
PYTHON
/usr/bin/python3 - "$work/sign_in" "$work/memory" <<'PYTHON'
import sys
rounds = [line.split() for line in open(sys.argv[1])]
most = lambda kind: max(float(r[1]) for r in rounds if r[0] == kind)
print("signing in: two clients, the quickest of five rounds")
print(f"  sign_in_with_password, relative to argon2 alone:   {most('sign_in') / most('hash'):.2f} (goal: 0.9 or more; "
      f"{most('sign_in'):.1f} against {most('hash'):.1f} a second)")
print(f"  refresh_session, relative to a durable update:     {most('refresh') / most('update'):.2f} (goal: 0.25 or more; "
      f"{most('refresh'):.0f} against {most('update'):.0f} a second)")
own, resident, backends = open(sys.argv[2]).read().split()
print(f"  memory of 50 who sign in at once, at most:         {float(own):.0f} MB, {float(resident):.0f} MB with what they share, of {backends} backends")
PYTHON
psql -d postgres -c 'alter system reset fsync' -c 'select pg_reload_conf()' > /dev/null
export PGHOST=$PGHOST_BEFORE PGPORT=$PGPORT_BEFORE PGDATABASE=bench
