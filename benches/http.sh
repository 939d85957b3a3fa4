# Requests for 20 rows of 20,000 through PostgREST, 8 connections, alternating: with auth.pre_request(), an ES256 token and a protected
# table, against the same PostgREST without, with an empty pre-request, and verifying the token itself.
seconds=${BENCH_SECONDS:-20}
export PGDATABASE=http_bench
psql -d bench -c 'create database http_bench'
psql -c 'create extension pg_bearer'
psql -f "$work/keys.sql" > /dev/null
org=0a000000-0000-4000-8000-000000000007
psql > /dev/null <<SQL
create role bench_login login noinherit;
create role bench_anon nologin;
create role authenticated nologin;
grant bench_anon, authenticated to bench_login;
alter database http_bench set pg_bearer.http_user_role = 'authenticated';
create schema api;
create function public.nothing() returns void language sql begin atomic select; end;
create table api.plain as select n as id, case when n % 1000 = 0 then '$org'::uuid else md5('org' || n % 1000)::uuid end as org_id,
       'a row of ' || n as body from generate_series(1, 20000) n;
create table api.literal as select * from api.plain;
create table api.docs as select * from api.plain;
create index on api.plain (org_id);
create index on api.literal (org_id);
create index on api.docs (org_id);
alter table api.docs alter org_id set not null;
alter table api.literal enable row level security;
create policy own on api.literal using (org_id = '$org');
select auth.protect('api.docs');
grant usage on schema api to bench_anon, authenticated;
grant select on all tables in schema api to bench_anon, authenticated;
vacuum analyze api.plain;
vacuum analyze api.literal;
vacuum analyze api.docs;
SQL

constant='a secret that PostgREST and the proxy have'
/usr/bin/python3 -c 'import jwt, sys; print(jwt.encode({"role": "authenticated"}, sys.argv[1], "HS256"))' "$constant" > "$work/constant"
started=()
trap '[ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2> /dev/null; wait; rm -rf "$work"' EXIT

# One that listens at this port, with these lines.
postgrest() { # NAME PORT LINES
    printf 'db-uri = "host=%s port=%s user=bench_login dbname=http_bench"\ndb-schemas = "api"\ndb-anon-role = "bench_anon"\n' \
        "$PGHOST" "$PGPORT" > "$work/$1.conf"
    printf 'db-config = false\ndb-pool = 8\nserver-host = "127.0.0.1"\nserver-port = %s\nlog-level = "crit"\n%b' "$2" "$3" >> "$work/$1.conf"
    "$POSTGREST" "$work/$1.conf" > /dev/null 2>&1 &
    started+=($!)
}
first=$((20000 + RANDOM % 20000))
own="jwt-secret = \"$constant\"\njwt-cache-max-lifetime = 3600\n"
verify="jwt-secret = \"@$work/jwks.json\"\n"
postgrest plain $first ''
postgrest empty $((first + 1)) "${own}db-pre-request = \"public.nothing\"\n"
postgrest pg_bearer $((first + 2)) "${own}db-pre-request = \"auth.pre_request\"\n"
postgrest verifying $((first + 3)) "$verify"
postgrest caching $((first + 4)) "${verify}jwt-cache-max-lifetime = 3600\n"

filtered="plain?org_id=eq.$org"
by_constant=(-H "Authorization: Bearer $(cat "$work/constant")")
by_token=(-H "Authorization: Bearer $(cat "$work/ES256.token")")
# What each is asked: sets path and headers.
asked() {
    headers=()
    case $1 in
    plain) port=$first path=$filtered ;;
    empty) port=$((first + 1)) path=literal headers=("${by_constant[@]}") ;;
    pg_bearer) port=$((first + 2)) path=docs headers=("${by_constant[@]}" -H "X-Credential: Bearer $(cat "$work/ES256.token")") ;;
    verifying) port=$((first + 3)) path=$filtered headers=("${by_token[@]}") ;;
    caching) port=$((first + 4)) path=$filtered headers=("${by_token[@]}") ;;
    esac
}
for name in plain empty pg_bearer verifying caching; do
    asked $name
    for _ in $(seq 100); do
        rows=$(curl -s ${headers[@]+"${headers[@]}"} "http://127.0.0.1:$port/$path" | tr -cd '{' | wc -c)
        [ "$rows" -ne 20 ] || break
        sleep 0.2
    done
    [ "$rows" -eq 20 ] || { echo "PostgREST \"$name\" gives $rows rows instead of 20" >&2; exit 1; }
done
for round in 1 2 3 4 5 6 7; do
    for name in plain empty pg_bearer verifying caching; do
        asked $name
        rate=$(wrk -t 2 -c 8 -d "$((seconds / 10 + 1))s" ${headers[@]+"${headers[@]}"} "http://127.0.0.1:$port/$path" | awk '/^Requests\/sec/ { print $2 }')
        echo "$name $rate"
    done
done > "$work/http"
kill "${started[@]}"
started=()
/usr/bin/python3 - "$work/http" <<'PYTHON'
import statistics, sys
rates = {}
for line in open(sys.argv[1]):
    name, rate = line.split()
    rates.setdefault(name, []).append(float(rate))
ours = rates["pg_bearer"]
print("http: requests a second with auth.pre_request(), an ES256 token and a protected table, 8 connections, median of 7 rounds")
for name, what, goal in [("plain", "without pre-request and policies", 0.85), ("empty", "an empty pre-request and a policy of a literal", 0.95),
                         ("verifying", "PostgREST verifying ES256 itself", 3.5), ("caching", "the same with its cache on", 0.78)]:
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, rates[name]))
    print(f"  {ratio:.2f} of {what} (goal: {goal} or more; {statistics.median(ours):.0f}/s against {statistics.median(rates[name]):.0f}/s)")
PYTHON
