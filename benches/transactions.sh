# A transaction that authenticates and reads, against the same transaction with `select 1` twice, under
# pgbench -M prepared with one client. Both run interleaved in one pgbench, so that a noisy machine
# disturbs both alike; the ratio is that of their average latencies.
seconds=${BENCH_SECONDS:-20}

echo "transactions: authenticate + current_org + commit, speed relative to select 1 (goal: 0.85 or more)"
for alg in HS256 RS256 ES256 EdDSA; do
    "$PGBIN/pgbench" -n -M prepared -T "$seconds" -D token="$(cat "$work/$alg.token")" \
        -f select_1.sql -f authenticate.sql 2>&1 |
        awk -v alg="$alg" '/latency average/ { latency[n++] = $(NF - 1) }
            END { printf "  %-6s %.3f   (%.0f µs against %.0f µs)\n", alg, latency[1] / latency[2],
                         latency[2] * 1000, latency[1] * 1000 }'
done
