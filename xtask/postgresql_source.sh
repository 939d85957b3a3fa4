# shellcheck shell=sh
# Finds the upstream source of a PostgreSQL in the archives of Linux distributions; a part of build_postgresql.sh.
# An archive may be ahead of itself and list a version whose files it does not have (yet, or any more): then an older
# one is taken, or another archive's. Nothing is taken that an archive's signature does not vouch for.

# Downloads the newest source of postgresql-$1 that there is, from the first of these suites that gives one:
# fetch_source MAJOR DIRECTORY LOG SUITE...
# Sets tarball to the file, or else tried to what was tried, a line each.
fetch_source() {
    package=postgresql-$1 sources=$2 log=$3 tried='' tarball=''
    shift 3
    for suite in "$@"; do
        suite_dir=$sources/$suite
        if ! (fetch_index) >>"$log" 2>&1; then
            note "$suite: its index cannot be fetched, or is not signed by whom it should be"
            continue
        fi
        versions=$(listed_versions 2>>"$log")
        [ -n "$versions" ] || note "$suite: does not list $package"
        for version in $versions; do
            if (download "$version") >>"$log" 2>&1; then
                tarball=$(find "$suite_dir/$version" -name "${package}_*.orig.tar.*" ! -name '*.asc')
                [ -z "$tarball" ] || return 0
            fi
            note "$suite: lists $version, but does not give its source"
        done
    done
    return 1
}

# Says at once what was tried, and remembers it.
note() {
    echo "    $1"
    tried="$tried
    $1"
}

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

# Fetches the index of a suite. By itself apt would take it for a success that there is none.
fetch_index() {
    mkdir -p "$suite_dir/lists/partial" "$suite_dir/archives/partial" &&
        source_of "$suite" >"$suite_dir/sources.list" && apt apt-get -o APT::Update::Error-Mode=any update
}

# The versions that the index has, the newest first.
listed_versions() {
    apt apt-cache showsrc --only-source "$package" | sed -n 's/^Version: //p' | sort --version-sort --reverse --unique
}

# Downloads the upstream part of a version: the distribution's own is not used, and may be missing.
download() {
    mkdir -p "$suite_dir/$1" && cd "$suite_dir/$1" &&
        apt apt-get source --download-only --tar-only --only-source "$package=$1"
}
