#!/bin/sh
# Installs the Debian packages that a make target needs, and builds PostgreSQL where no package has the
# version that PG names; does nothing when all are there.
# usage: xtask/setup.sh install|demo|demo-http|test|test-long|test-all|test-postgres|bench
set -eu
cd "$(dirname "$0")/.."
purpose=$1

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

# The server we run is a private one, so Debian need not start its own.
no_cluster=/etc/postgresql-common/createcluster.d/pg_bearer.conf
# Nor its own nginx: while this is there, no package starts a service.
no_services=/usr/sbin/policy-rc.d
tidy() {
    [ ! -e "$no_cluster" ] || $as_root rm -f "$no_cluster"
    [ -z "${made_no_services-}" ] || $as_root rm -f "$no_services"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# Is there such a package to install?
is_offered() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

apt() {
    [ -z "$as_root" ] || command -v sudo >/dev/null || fail 'Please run this as root once: there is no sudo.'
    $as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get --quiet=2 "$@" ||
        fail "apt-get $1 failed."
}

# apt's lists may be missing, as in a fresh container, or old.
update() {
    [ -n "${updated-}" ] || apt update
    updated=yes
}

# Installs those of these packages that are missing.
need() {
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "==> installing$missing"
    update
    if ! is_installed postgresql-common; then
        $as_root mkdir -p "${no_cluster%/*}"
        echo 'create_main_cluster = false' | $as_root tee "$no_cluster" >/dev/null
    fi
    # shellcheck disable=SC2086  # a list of words
    apt install --yes --no-install-recommends $missing
}

# nginx, which neither runs now nor when the machine starts next.
need_nginx() {
    ! is_installed nginx || return 0
    if [ ! -e "$no_services" ]; then
        made_no_services=yes
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$no_services" >/dev/null
        $as_root chmod 755 "$no_services"
    fi
    need nginx
    ! command -v systemctl >/dev/null || $as_root systemctl --quiet disable nginx || true
}

# The same place as in xtask.
need_built() {
    need bison flex bzip2 xz-utils gpgv make libperl-dev libssl-dev zlib1g-dev libreadline-dev libclang-dev \
        debian-archive-keyring ca-certificates
    xtask/build_postgresql.sh "$1" "${XDG_CACHE_HOME:-${HOME:?}/.cache}/pg_bearer/postgresql-$1"
}

# PostgreSQL of this major version: the system's, or else one that we build.
need_major() {
    if ! is_installed "postgresql-server-dev-$1" && ! is_offered "postgresql-server-dev-$1"; then
        # A fresh container has no lists to look at.
        [ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ] || update
    fi
    if is_installed "postgresql-server-dev-$1" || is_offered "postgresql-server-dev-$1"; then
        need "postgresql-$1" "postgresql-server-dev-$1"
        case $purpose in test | test-long) need "postgresql-plperl-$1" ;; esac
        return
    fi
    case $purpose in
    install) fail "The system has no package postgresql-$1; name a PostgreSQL with PG_CONFIG." ;;
    bench) fail "The system has no package postgresql-$1, and one with assertions would say nothing; name one with PG_CONFIG." ;;
    esac
    need_built "$1"
}

need gcc libc6-dev
major=${PG:-15}
case $major in
15 | 16 | 17 | 18) ;;
*) fail "PG=$major: pg_bearer supports PostgreSQL 15, 16, 17 and 18." ;;
esac
case $purpose in
test-all) ;;
test-postgres) need_built "$major" ;;
*)
    if [ -n "${PG_CONFIG-}" ]; then
        command -v "$PG_CONFIG" >/dev/null || fail "PG_CONFIG: there is no $PG_CONFIG."
        need libclang-dev
    else
        need_major "$major"
    fi
    ;;
esac
case $purpose in
install | test-all | test-postgres) ;;
demo) need python3-jwt python3-cryptography ;;
demo-http)
    # PostgREST and a Node that fetches it come from npm and PyPI.
    need python3-venv openssl curl ca-certificates
    need_nginx
    ;;
test | test-long)
    need python3-jwt python3-cryptography python3-venv pgbouncer pgtap openssl curl chromium
    need_nginx
    # The tests themselves fetch ORMs, token libraries, and a Node for them, from PyPI and npm.
    # cargo-deny fetches advisories with git; a test signs an archive of its own.
    command -v git >/dev/null || need git ca-certificates
    command -v gpg-agent >/dev/null || need gpg gpg-agent gpgconf
    ;;
bench) need python3-jwt python3-cryptography python3-venv valgrind wrk curl ca-certificates ;;
*) fail "setup.sh: unknown purpose $purpose" ;;
esac
