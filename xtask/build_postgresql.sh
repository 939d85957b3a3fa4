#!/bin/sh
# Builds a PostgreSQL from the source package of a Linux distribution, unless that has been done before.
# It has assertions, contrib (but for what needs further libraries), PL/Perl, and PostgreSQL's own tests. It is
# the upstream source: no patches of the distribution.
# usage: xtask/build_postgresql.sh MAJOR DIRECTORY
set -eu
major=$1
prefix=$2
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
16) suites='ubuntu/noble-updates ubuntu/noble' ;;
17) suites='debian-security/trixie-security debian/trixie' ;;
18) suites='debian/forky ubuntu/resolute' ;;
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

# apt with a configuration of its own, whatever the machine's allows.
apt() {
    tool=$1
    shift
    "$tool" --quiet=2 -o "Dir::Etc::SourceList=$suite_dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$suite_dir/lists" -o "Dir::Cache=$suite_dir/archives" -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o Debug::NoLocking=1 -o APT::Default-Release= \
        -o Acquire::AllowInsecureRepositories=false -o Acquire::AllowDowngradeToInsecureRepositories=false \
        -o Acquire::AllowWeakRepositories=false -o APT::Get::AllowUnauthenticated=false "$@"
}

# Fetches a file whose checksum is known.
fetch() { /usr/lib/apt/apt-helper -o APT::Sandbox::User= download-file "$1" "$2" "SHA256:$3" >/dev/null; }

# A line for sources.list.
source_of() {
    debian=/usr/share/keyrings/debian-archive-keyring.gpg
    case $1 in
    # What testing has is the newest when its Release file is past its date, too.
    debian/forky) echo "deb-src [signed-by=$debian check-valid-until=no] http://deb.debian.org/debian forky main" ;;
    debian/* | debian-security/*) echo "deb-src [signed-by=$debian] http://deb.debian.org/${1%/*} ${1#*/} main" ;;
    ubuntu/*)
        archive=http://archive.ubuntu.com/ubuntu
        fetch $archive/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb "$suite_dir/keyring.deb" \
            36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8 || return 1
        dpkg-deb --extract "$suite_dir/keyring.deb" "$suite_dir" || return 1
        keyring=$suite_dir/usr/share/keyrings/ubuntu-archive-keyring.gpg
        echo "deb-src [signed-by=$keyring] $archive ${1#*/} main"
        ;;
    esac
}

# Downloads the source package of one distribution.
download_from() {
    suite_dir=$work/$1
    mkdir -p "$suite_dir/lists/partial" "$suite_dir/archives/partial"
    cd "$suite_dir" && source_of "$1" >sources.list && apt apt-get update &&
        apt apt-get source --download-only "postgresql-$major" >/dev/null
}

echo "==> fetching the source of PostgreSQL $major"
found=
for suite in $suites; do
    if (download_from "$suite") >>"$prefix.log" 2>&1; then
        found=$work/$suite
        break
    fi
    echo "    $suite does not give it (see $prefix.log)"
done
[ -n "$found" ] || fail "None of these has the source of PostgreSQL $major, or none can be reached: $suites"
mkdir -p "$work/build"
cd "$work"
tar --extract --file "$(ls "$found"/postgresql-"$major"_*.orig.tar.*)"
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
