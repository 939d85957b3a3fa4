#!/bin/sh
# Builds a PostgreSQL from the source package of a Linux distribution, unless that has been done before.
# It has assertions, all of contrib, PL/Perl, and what PostgreSQL's own regression tests need; its PL/Perl
# and its libraries are this machine's.
# usage: xtask/build_postgresql.sh MAJOR DIRECTORY
set -eu
major=$1
prefix=$2

# The distributions that have this major, the most stable first; all of them sign their archives.
case $major in
15) suites='debian/bookworm' ;;
16) suites='ubuntu/noble ubuntu/noble-updates' ;;
17) suites='debian/trixie' ;;
18) suites='debian/forky ubuntu/resolute' ;;
*)
    echo "Nobody is known to have the source of PostgreSQL $major." >&2
    exit 1
    ;;
esac

# Whatever changes how it is built changes this number.
recipe=1
if [ "$(cat "$prefix/built" 2>/dev/null)" = "$recipe" ]; then
    exit 0
fi

work=$prefix.work
begin=$(date +%s)
rm -rf "$prefix" "$work"
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/build"
cd "$work"

# Fetches a file whose checksum is known.
fetch() { /usr/lib/apt/apt-helper -o APT::Sandbox::User= download-file "$1" "$2" "SHA256:$3" >/dev/null; }

# apt with a configuration of its own: the machine's stays as it is.
apt() {
    tool=$1
    shift
    "$tool" --quiet=2 -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/archives" -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o Acquire::Retries=3 -o Debug::NoLocking=1 "$@"
}

# A line for sources.list. Debian's testing may have a Release file past its date.
source_of() {
    case $1 in
    debian/*)
        options='signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no'
        echo "deb-src [$options] http://deb.debian.org/debian ${1#*/} main"
        ;;
    ubuntu/*)
        archive=http://archive.ubuntu.com/ubuntu
        keyring=$work/usr/share/keyrings/ubuntu-archive-keyring.gpg
        if [ ! -e "$keyring" ]; then
            fetch $archive/pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb keyring.deb \
                36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8
            dpkg-deb --extract keyring.deb "$work"
        fi
        echo "deb-src [signed-by=$keyring] $archive ${1#*/} main"
        ;;
    esac
}

echo "==> fetching the source of PostgreSQL $major"
for suite in $suites; do
    source_of "$suite" >>sources.list
done
apt apt-get update
if ! apt apt-get source --download-only "postgresql-$major"; then
    echo "None of these has the source of PostgreSQL $major, or none can be reached: $suites" >&2
    exit 1
fi
tar --extract --file "$(ls postgresql-"${major}"_*.orig.tar.*)"
source=$(ls -d "$work/postgresql-$major"*/)
source=${source%/}

# The libraries are found beside the programs, wherever those are copied to.
echo "==> building ${source##*/}, which takes some minutes (log: $work/log)"
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
if ! (build) >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
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
rm -rf "$work"
echo "    built in $(($(date +%s) - begin)) s"
