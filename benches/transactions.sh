# A transaction that authenticates and reads, against the same transaction with `select 1` twice:
# transactions per second under pgbench -M prepared, one client, alternating, the median of the ratios.
seconds=${BENCH_SECONDS:-4}
rounds=${BENCH_ROUNDS:-7}
tps() { "$PGBIN/pgbench" -n -M prepared -T "$seconds" "$@" 2>&1 | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }

echo "transactions: authenticate + current_org + commit, against select 1 (goal 0.85)"
for alg in HS256 RS256 ES256 EdDSA; do
    token=$(cat "$work/$alg.token")
    ratios=()
    for _ in $(seq "$rounds"); do
        rival=$(tps -f select_1.sql)
        ours=$(tps -f authenticate.sql -D token="$token")
        ratios+=("$(awk "BEGIN { printf \"%.3f\", $ours / $rival }")")
    done
    median=$(printf '%s\n' "${ratios[@]}" | sort -n | sed -n "$(((rounds + 1) / 2))p")
    printf '  %-6s %s   (last: %s tps against %s; all: %s)\n' "$alg" "$median" "$ours" "$rival" "${ratios[*]}"
done
