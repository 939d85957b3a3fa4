# A token whose signature the backend has never seen, against what cannot be avoided: the JWT library's own
# work for it (see library_verify.rs) and one look-up of the issuer's key in SQL with a kept plan. All of it
# once per round; each time is that of the quickest round, since whatever disturbs makes it longer.
rounds=${BENCH_ROUNDS:-9}

cargo build --quiet --release --package pg_bearer_tests --example library_verify
library_verify() { "${CARGO_TARGET_DIR:-../target}/release/examples/library_verify" "$work" "$1"; }

# Nanoseconds per token of a PL/pgSQL loop in a new backend, net of an empty loop: for tokens seen for the
# first time, and again for the last of them, which are remembered. Ten tokens are timed at a time and the
# quickest tenth of these times bounds what counts, because a busy machine interrupts the others.
in_backend() { # ALGORITHM, STATEMENT with `token`
    psql <<SQL
create temp table tokens (token text);
\\copy tokens from '$work/$1.many'
$(timed empty 'result := null')
$(timed full "$2")
begin;
-- Loads the library, the catalog and the key with a token that is not counted.
select count(auth.authenticate('$(cat "$work/$1.token")')) from generate_series(1, 20) \\g /dev/null
select pg_temp.empty(array['x']), pg_temp.full(array['$(cat "$work/$1.token")']) \\g /dev/null
select array(select token from tokens) as tokens \\gset
select format('%s %s', round(pg_temp.full(:'tokens') - pg_temp.empty(:'tokens')),
    round(pg_temp.full((:'tokens'::text[])[301:]) - pg_temp.empty((:'tokens'::text[])[301:])));
SQL
}

timed() { # NAME, STATEMENT
    cat <<SQL
create function pg_temp.$1(tokens text[]) returns numeric language plpgsql as \$\$
declare
    token text;
    found text;
    result jsonb;
    count int := 0;
    marks timestamptz[];
begin
    foreach token in array tokens loop
        if count % 10 = 0 then
            marks := marks || clock_timestamp();
        end if;
        count := count + 1;
        $2;
    end loop;
    return (select percentile_cont(0.1) within group (order by extract(epoch from ending - beginning)) * 1e8
        from unnest(marks[:cardinality(marks) - 1], marks[2:]) as m (beginning, ending));
end
\$\$;
SQL
}

look_up="select coalesce(k.public_jwk, s.material::text) into found
    from auth.issuers i join auth.jwt_keys k on k.issuer_id = i.id left join auth.jwt_secrets s on s.key_id = k.id
    where i.issuer = 'https://bench.example' and k.kid = '%s' and k.state = 'active'"

echo "first time: a signature never seen, relative to the JWT library's own work + one key look-up (goal: 1.3 or less)"
for alg in HS256 RS256 ES256 EdDSA; do
    for round in $(seq "$rounds"); do
        # shellcheck disable=SC2059  # the look-up is a format
        echo "$(library_verify $alg) $(in_backend $alg "$(printf "$look_up" $alg)") \
            $(in_backend $alg 'result := auth.authenticate(token)') $(in_backend $alg 'result := auth.verify_jwt(token)')"
    done |
        awk -v alg="$alg" '
            { for (i = 1; i <= NF; i++) if (NR == 1 || $i < least[i]) least[i] = $i }
            END {
                rival = least[1] + least[2]
                printf "  %-6s authenticate %.2f, verify_jwt %.2f   (%.1f and %.1f µs against %.1f + %.1f;", alg,
                    least[4] / rival, least[6] / rival, least[4] / 1000, least[6] / 1000, least[1] / 1000, least[2] / 1000
                printf " seen before: %.1f and %.1f)\n", least[5] / 1000, least[7] / 1000
            }'
done
