#!/usr/bin/env bash
# What is claimed about speed, as ratios against a rival in the same run. `make bench` sets PGBIN, PGHOST, …
# BENCH_PARTS="rows" runs only that part.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
psql() { "$PGBIN/psql" -XqAt -v ON_ERROR_STOP=1 "$@"; }

/usr/bin/python3 tokens.py "$work" > "$work/keys.sql"
chmod 644 "$work"/*
psql -c 'create extension pg_bearer'
psql -f "$work/keys.sql" > /dev/null

for part in ${BENCH_PARTS:-transactions first_time memberships grants revocations api_keys rows policies masking http sign_in}; do
    echo
    . "./$part.sh"
done
