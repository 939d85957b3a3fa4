#!/bin/sh
# Installs the Debian packages that a make target needs, and builds PostgreSQL where no package has the
# version that PG names; does nothing when all are there.
# usage: xtask/setup.sh install|demo|test|test-postgres|bench
set -eu
cd "$(dirname "$0")/.."
purpose=$1
default_major=15

# What is built is kept here; the same as in xtask.
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/pg_bearer

fail() {
    echo "$@" >&2
    exit 1
}

command -v cargo >/dev/null || fail 'There is no cargo: install Rust first (https://rustup.rs).'
command -v apt-get >/dev/null || {
    echo 'This is not Debian: nothing is installed for you; set PG_CONFIG.' >&2
    exit 0
}

as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# Is there such a package to install?
is_offered() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

apt() { $as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get --quiet=2 "$@"; }

# apt's lists may be missing, as in a fresh container, or old.
update() {
    [ -n "${updated-}" ] || apt update
    updated=yes
}

no_cluster=/etc/postgresql-common/createcluster.d/pg_bearer.conf

# The server we run is a private one, so Debian need not start its own.
without_cluster() {
    is_installed postgresql-common && return
    trap '$as_root rm -f "$no_cluster"' EXIT
    $as_root mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' | $as_root tee "$no_cluster" >/dev/null
}

# Installs those of these packages that are missing.
need() {
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ -z "$as_root" ] || command -v sudo >/dev/null ||
        fail "Please install as root, since there is no sudo:$missing"
    update
    without_cluster
    echo "==> installing$missing"
    # shellcheck disable=SC2086  # a list of words
    apt install --yes --no-install-recommends $missing
}

# Is PostgreSQL of this major version among the system's packages?
is_packaged() {
    is_installed "postgresql-server-dev-$1" || is_offered "postgresql-server-dev-$1" || {
        [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ] && update &&
            is_offered "postgresql-server-dev-$1"
    }
}

need_built() {
    need bison flex bzip2 xz-utils make libperl-dev libssl-dev zlib1g-dev libreadline-dev \
        debian-archive-keyring ca-certificates
    xtask/build_postgresql.sh "$1" "$cache/postgresql-$1"
}

need gcc libc6-dev
if [ "$purpose" = test-postgres ]; then
    need libclang-dev
    need_built "${PG:-$default_major}"
elif [ -n "${PG_CONFIG-}" ]; then
    command -v "$PG_CONFIG" >/dev/null || fail "PG_CONFIG: there is no $PG_CONFIG."
    need libclang-dev
else
    major=${PG:-$default_major}
    if is_packaged "$major"; then
        need "postgresql-$major" "postgresql-server-dev-$major"
        [ "$purpose" != test ] || need "postgresql-plperl-$major"
    elif [ "$purpose" = install ]; then
        fail "There is no package postgresql-$major here; name a PostgreSQL with PG_CONFIG."
    else
        need libclang-dev
        need_built "$major"
    fi
fi

case $purpose in
install | test-postgres) ;;
demo) need python3-jwt python3-cryptography ;;
test) need python3-jwt python3-cryptography python3-venv pgbouncer ;;
bench) need python3-jwt python3-cryptography valgrind ;;
*) fail "setup.sh: unknown purpose $purpose" ;;
esac
