#!/bin/sh
# Builds a PostgreSQL from the source package of a Linux distribution, unless that has been done before.
# It has assertions, contrib (but for what needs further libraries), PL/Perl, and PostgreSQL's own tests. It is
# the upstream source: no patches of the distribution.
# usage: xtask/build_postgresql.sh MAJOR DIRECTORY
set -eu
major=$1
prefix=$2
# shellcheck source=xtask/postgresql_source.sh
. "$(dirname "$0")/postgresql_source.sh"
# Under another make PostgreSQL's would take itself for a part of it, and not make its headers first.
unset MAKELEVEL MAKEFLAGS MFLAGS MAKEOVERRIDES

fail() {
    echo "$@" >&2
    exit 1
}

# The name has to contain "postgres": then PostgreSQL puts its libraries straight into lib, where the programs
# look for them.
case $prefix in
*[[:space:]]*) fail "PostgreSQL cannot be built in \"$prefix\": the path has blanks; set XDG_CACHE_HOME." ;;
/*postgres*) ;;
*) fail "PostgreSQL cannot be built in \"$prefix\": set XDG_CACHE_HOME to an absolute path." ;;
esac

# The distributions that have this major, the most stable first; all of them sign their archives.
case $major in
15) suites='debian-security/bookworm-security debian/bookworm' ;;
16) suites='ubuntu/noble-updates ubuntu/noble-security ubuntu/noble' ;;
17) suites='debian-security/trixie-security debian/trixie ubuntu/questing-updates ubuntu/questing ubuntu/plucky' ;;
18) suites='debian/forky ubuntu/resolute-updates ubuntu/resolute debian/sid' ;;
*) fail "Nobody is known to have the source of PostgreSQL $major." ;;
esac

# Others may be building the same one.
mkdir -p "${prefix%/*}"
exec 9>"$prefix.lock"
flock 9

# Whatever changes how it is built changes this number.
recipe=1
work=$prefix.work
rm -rf "$work"
[ "$(cat "$prefix/built" 2>/dev/null)" != "$recipe" ] || exit 0
begin=$(date +%s)

echo "==> fetching the source of PostgreSQL $major"
# shellcheck disable=SC2086  # a list of words
fetch_source "$major" "$work" "$prefix.log" $suites ||
    fail "None of these gives the source of PostgreSQL $major (see $prefix.log):$tried"
mkdir -p "$work/build"
cd "$work"
tar --extract --file "$tarball"
source=$(ls -d "$work/postgresql-$major"*/)
source=${source%/}
rm -rf "$prefix"

# The libraries are found beside the programs, wherever those are copied to.
echo "==> building ${source##*/}, which takes some minutes (log: $prefix.log)"
build() {
    cd "$work/build"
    # shellcheck disable=SC2016  # the linker knows $ORIGIN
    "$source/configure" --prefix="$prefix" --enable-cassert --with-perl --with-ssl=openssl --without-icu \
        --disable-rpath CFLAGS='-O1 -g0' LDFLAGS='-Wl,-rpath,'"'"'$$ORIGIN/../lib'"'" &&
        make --silent -j "$(nproc)" world-bin &&
        make --silent -j "$(nproc)" -C src/test/regress all &&
        make --silent -j "$(nproc)" -C src/test/isolation all &&
        make --silent install-world-bin &&
        make --silent -C src/test/isolation install
}
if ! (build) >"$prefix.log" 2>&1; then
    tail -n 20 "$prefix.log" >&2
    exit 1
fi

# PostgreSQL's own tests, as they are run against an installed server.
tests=$prefix/tests
mkdir -p "$tests/lib"
for suite in regress isolation; do
    cp -R "$source/src/test/$suite" "$tests/$suite"
done
find build/src/test/regress build/contrib/spi -name '*.so' -exec cp {} "$tests/lib" ';'
cp build/src/test/isolation/isolationtester build/src/test/isolation/pg_isolation_regress "$tests/isolation"
cp build/src/test/regress/pg_regress "$tests/regress"

echo "$recipe" >"$prefix/built"
cd /
rm -rf "$work" "$prefix.log"
echo "    built in $(($(date +%s) - begin)) s"
