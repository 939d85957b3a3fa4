#!/bin/sh
# Installs the Debian packages that a make target needs; does nothing when all are there.
# usage: xtask/setup.sh install|demo|test|bench
set -eu
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || {
    echo "There is no cargo: install Rust first (https://rustup.rs)." >&2
    exit 1
}

# As in xtask: PG_CONFIG, or else the default in .cargo/config.toml.
pg_config=${PG_CONFIG:-$(sed -n 's/^PGRX_PG_CONFIG_PATH = "\(.*\)"$/\1/p' .cargo/config.toml)}
packages='gcc libc6-dev'
case $pg_config in
/usr/lib/postgresql/*/bin/pg_config)
    major=${pg_config#/usr/lib/postgresql/}
    major=${major%%/*}
    packages="$packages postgresql-$major postgresql-server-dev-$major"
    ;;
*)
    command -v "$pg_config" >/dev/null || {
        echo "PG_CONFIG: there is no $pg_config." >&2
        exit 1
    }
    packages="$packages libclang-dev"
    ;;
esac
case $1 in
install) ;;
demo) packages="$packages python3-jwt python3-cryptography" ;;
test)
    packages="$packages python3-jwt python3-cryptography python3-venv pgbouncer"
    [ -z "${major-}" ] || packages="$packages postgresql-plperl-$major"
    ;;
bench) packages="$packages python3-jwt python3-cryptography valgrind" ;;
*)
    echo "setup.sh: unknown purpose $1" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian; what is needed here is known there as: $packages" >&2
    exit 0
fi

missing=
for package in $packages; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null || {
        echo "Please install as root, since there is no sudo:$missing" >&2
        exit 1
    }
fi

# The server we run is a private one, so Debian need not start its own.
no_cluster=/etc/postgresql-common/createcluster.d/pg_bearer.conf
restore() { $as_root rm -f "$no_cluster"; }
if ! dpkg-query --show postgresql-common >/dev/null 2>&1; then
    trap restore EXIT
    $as_root mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' | $as_root tee "$no_cluster" >/dev/null
fi

echo "==> installing$missing"
apt() { $as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get --quiet=2 "$@"; }
apt update
# shellcheck disable=SC2086  # a list of words
apt install --yes --no-install-recommends $missing
