# API keys: one among few and among many; against KeyHippo's way (keyhippo.sql); one key that 16 clients use at
# once; and whether the time of a refusal says what is wrong with a key. BENCH_LARGE=1 adds ten million keys.
rounds=${BENCH_KEY_ROUNDS:-9}
seconds=${BENCH_SECONDS:-20}
sizes="1000 100000${BENCH_LARGE:+ 10000000}"

# A database with this many keys in our tables and in the rival's, and a table of a thousand of them to try.
keys_database() { # KEYS
    psql -c "create database keys_$1" -c "alter database keys_$1 set synchronous_commit = off"
    psql -d "keys_$1" -c 'create extension pg_bearer' -f keyhippo.sql
    psql -d "keys_$1" -v keys="$1" <<'SQL' > /dev/null
create temp table texts as
  select n, g.* from generate_series(1, :keys) n,
         lateral auth_internal.generate_api_key('sk', case when n > 0 then 'live' end) g;
insert into auth.organizations (name) select 'Organization ' || n from generate_series(1, :keys / 10) n;
insert into auth.api_keys (key_hash, org_id, role_id, name, prefix, public_id, last4)
  select t.key_hash, o.id, r.id, 'key', t.prefix, t.public_id, t.last4
    from texts t
    join (select id, row_number() over () - 1 as row from auth.organizations) o on o.row = t.n % (:keys / 10)
    join auth.roles r on r.name = 'member' and r.org_id is null;
with metadata as (
    insert into keyhippo.api_key_metadata (prefix, user_id, scope_id)
    select left(t.key, 25), gen_random_uuid(), s.id from texts t, keyhippo.scopes s returning id, prefix
)
insert into keyhippo.api_key_secrets
  select m.id, encode(sha512(convert_to(t.key, 'UTF8')), 'hex')
    from texts t join metadata m on m.prefix = left(t.key, 25);
create table tried as select key from texts order by hashint4(n) limit 1000;
vacuum analyze;
SQL
}

# Mean microseconds of each statement for the keys in `tried`, in one backend; a first pass warms up, and takes
# the rival's write of a use that it makes once a minute.
microseconds() { # DATABASE, STATEMENT with `tried`…
    local database=$1 pass statement what
    shift
    {
        echo 'create temp table times (what int, seconds float);'
        echo 'do $$ declare keys text[] := array(select key from tried); tried text; start timestamptz; begin'
        for pass in 1 2; do
            what=0
            for statement in "$@"; do
                what=$((what + 1))
                echo "start := clock_timestamp(); foreach tried in array keys loop $statement end loop;"
                [ $pass = 1 ] ||
                    echo "insert into times values ($what, extract(epoch from clock_timestamp() - start)); commit;"
            done
        done
        echo 'end $$;'
        echo "select string_agg(round((seconds * 1000)::numeric, 3)::text, ' ' order by what) from times;"
    } | psql -d "$database"
}

for size in $sizes; do
    keys_database "$size"
done
for round in $(seq "$rounds"); do
    for size in $sizes; do
        echo "$size $(microseconds "keys_$size" 'perform auth.check_api_key(tried);' \
            'perform auth.authenticate(tried); commit;' 'perform keyhippo.verify_api_key(tried);' \
            'perform keyhippo.verify_api_key(tried); commit;')"
    done
done > "$work/api_keys"
echo "API keys: µs in the quickest round; relative to one among 1,000 (goal: 1.2 or less); relative to KeyHippo's (goal: below 1)"
for size in $sizes; do
    /usr/bin/python3 - "$work/api_keys" "$size" <<'PYTHON'
import sys
rounds = [line.split() for line in open(sys.argv[1])]
def quickest(size):
    return [min(float(line[at]) for line in rounds if line[0] == size) for at in range(1, 5)]
few, many = quickest("1000"), quickest(sys.argv[2])
for name, at in ("check_api_key", 0), ("authenticate + commit", 1):
    print(f"  {name:22} among {int(sys.argv[2]):10,}: {many[at]:6.2f}   {many[at] / few[at]:.2f}   "
          f"{many[at] / many[at + 2]:.2f}   (KeyHippo's {many[at + 2]:.2f})")
PYTHON
done

# Transactions per second of four short runs each, in turn, on this server and on the one that counts uses.
echo "API keys: one key, 16 clients: authenticate + current_org + commit"
on_preloaded() { PGHOST=$PRELOADED_HOST PGPORT=$PRELOADED_PORT "$@"; }
hot_key() {
    psql -d postgres -c 'create database hot_key'
    psql -d hot_key -c 'create extension pg_bearer' -f keyhippo.sql
    psql -d hot_key -c "select key from auth.create_api_key('hot', auth.create_organization('Hot'))"
}
tps() { # SCRIPT KEY
    "$PGBIN/pgbench" -n -M prepared -c 16 -j 2 -T $((seconds / 5 + 1)) -D token="$2" -f "$1.sql" hot_key 2>&1 |
        awk '/^tps/ { print $3 }'
}
key=$(hot_key)
counted_key=$(on_preloaded hot_key)
for round in 1 2 3 4; do
    echo "select_1 $(tps select_1 "$key")"
    echo "authenticate $(tps authenticate "$key")"
    echo "counted $(on_preloaded tps authenticate "$counted_key")"
done |
    awk '{ tps[$1] += $2 / 4 }
        END { printf "  with uses counted, relative to without: %.3f (goal: 0.95 or more; %.0f against %.0f per second)\n",
                  tps["counted"] / tps["authenticate"], tps["counted"], tps["authenticate"]
              printf "  without, relative to select 1: %.3f\n", tps["authenticate"] / tps["select_1"] }'
psql -d postgres -c 'drop database hot_key'

# Keys that nobody has, keys with the public id of a live one and another secret, and revoked keys, all well
# formed: a hundred of each at a time, in changing order.
echo "API keys: how much longer a refusal takes than for an unknown key, in µs (goal: within 1)"
/usr/bin/python3 bad_keys.py > "$work/bad_keys"
psql -d keys_100000 -F ' ' <<SQL
create temp table bad (kind text, key text, public_id text);
\\copy bad from '$work/bad_keys' (format csv)
insert into auth.api_keys (key_hash, org_id, role_id, name, prefix, public_id, revoked_at)
  select sha256(convert_to(b.key, 'UTF8')), k.org_id, k.role_id, 'key', 'sk_live_', b.public_id,
         case when b.kind = 'revoked' then now() end
    from bad b, (select * from auth.api_keys limit 1) k where b.kind in ('live', 'revoked');
create temp table times (kind text, pass int, seconds float);
do \$\$
declare
    kinds text[] := '{unknown,secret,revoked}';
    keys text[];
    all_keys text[] := array(select array_agg(key) from bad where kind <> 'live' group by kind
                             order by array_position('{unknown,secret,revoked}', kind));
    tried text;
    start timestamptz;
    kind int;
begin
    for pass in 0 .. 1000 loop
        for turn in 0 .. 2 loop
            kind := (pass + turn) % 3 + 1;
            keys := array(select unnest(all_keys[kind:kind]));
            start := clock_timestamp();
            foreach tried in array keys loop
                perform auth.check_api_key(tried);
            end loop;
            insert into times values (kinds[kind], pass, extract(epoch from clock_timestamp() - start) * 1e4);
        end loop;
    end loop;
end
\$\$;
select format('  %-30s mean %s, median %s   (%s)', case m.kind when 'secret' then 'another secret' else m.kind end,
              round((m.mean - u.mean)::numeric, 3), round((m.median - u.median)::numeric, 3), round(m.mean::numeric, 2))
  from (select kind, avg(seconds) as mean, percentile_cont(0.5) within group (order by seconds) as median
          from times where pass > 0 group by kind) m,
       (select avg(seconds) as mean, percentile_cont(0.5) within group (order by seconds) as median
          from times where pass > 0 and kind = 'unknown') u
 where m.kind <> 'unknown' order by m.kind;
SQL
for size in $sizes; do
    psql -c "drop database keys_$size"
done
