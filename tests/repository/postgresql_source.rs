//! xtask/postgresql_source.sh, tried with archives that lack things: made here, read by the real apt.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use aws_lc_rs::digest::{SHA256, digest};

use crate::sources::root;

/// Tries the script with suites of an archive of ours. Only where the archive is, and who signs it, is ours.
const TRY: &str = r#"set -eu
. xtask/postgresql_source.sh
source_of() {
    case $1 in
    unreachable) archive=http://127.0.0.1:9 ;;
    *) archive=copy:$ARCHIVE/$1 ;;
    esac
    echo "deb-src [signed-by=$ARCHIVE/good.gpg] $archive stable main"
}
fetch_source 17 "$ARCHIVE/fetched" "$ARCHIVE/log" "$@" || { echo "nothing:$tried"; exit 0; }
echo "found ${tarball#"$ARCHIVE/fetched/"}: $(cat "$tarball")"
"#;

/// What an index says of a version.
#[derive(Clone, Copy, PartialEq)]
enum Is {
    /// The file is there.
    There,
    /// There is no such file.
    Missing,
    /// The file is another one.
    Forged,
}

/// A directory of archives, and the keys that sign them.
struct Archive {
    dir: PathBuf,
}

impl Archive {
    /// A new one. Needs apt, as the script does.
    fn new(name: &str) -> Archive {
        // Short, because gpg has a socket in it.
        let dir = std::env::temp_dir().join(format!("pg_bearer-{}-{name}", std::process::id()));
        let archive = Archive { dir };
        for key in ["good", "other"] {
            fs::create_dir_all(archive.dir.join(key)).unwrap();
            run(Command::new("chmod").arg("700").arg(archive.dir.join(key)));
            run(archive.gpg(key).args([
                "--passphrase",
                "",
                "--quick-gen-key",
                key,
                "ed25519",
                "sign",
                "never",
            ]));
            run(archive.gpg(key).arg("--output").arg(archive.dir.join(format!("{key}.gpg"))).arg("--export"));
        }
        archive
    }

    fn gpg(&self, key: &str) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--yes"]).env("GNUPGHOME", self.dir.join(key));
        gpg
    }

    /// Adds a suite with these versions of PostgreSQL 17, signed with this key or not at all.
    fn add(&self, suite: &str, key: Option<&str>, versions: &[(&str, Is)]) {
        let dist = self.dir.join(suite).join("dists/stable");
        fs::create_dir_all(dist.join("main/source")).unwrap();
        // apt takes an empty index for none.
        let mut index = stanza("another", "1", "x");
        for (version, is) in versions {
            let source = format!("source of {version}");
            index += &stanza("postgresql-17", version, &source);
            if *is != Is::Missing {
                let text = if *is == Is::Forged { source.replace("source", "forged") } else { source };
                fs::write(self.dir.join(suite).join(tarball("postgresql-17", version)), text).unwrap();
            }
        }
        let file = "main/source/Sources";
        fs::write(dist.join(file), &index).unwrap();
        let release = format!(
            "Suite: stable\nCodename: stable\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nComponents: main\n\
             SHA256:\n {} {} {file}\n",
            sha256(&index),
            index.len()
        );
        fs::write(dist.join("Release"), release).unwrap();
        if let Some(key) = key {
            let signed = dist.join("InRelease");
            run(self.gpg(key).arg("--output").arg(signed).arg("--clearsign").arg(dist.join("Release")));
        }
    }

    /// What the script says, given these suites.
    fn search(&self, suites: &[&str]) -> String {
        let mut sh = Command::new("sh");
        sh.args(["-c", TRY, "sh"]).args(suites).current_dir(root()).env("ARCHIVE", &self.dir);
        run(&mut sh)
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        for key in ["good", "other"] {
            let mut end = Command::new("gpgconf");
            let ended = end.args(["--kill", "all"]).env("GNUPGHOME", self.dir.join(key)).status();
            ended.unwrap_or_else(|error| panic!("gpgconf: {error}"));
        }
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// What an index says of one version of a package.
fn stanza(package: &str, version: &str, source: &str) -> String {
    let mut text = format!(
        "Package: {package}\nFormat: 3.0 (quilt)\nBinary: {package}\nVersion: {version}\nDirectory: .\nChecksums-Sha256:\n"
    );
    let (dsc, tarball) = (format!("{package}_{version}.dsc"), tarball(package, version));
    for (content, name) in [("a description", dsc), (source, tarball)] {
        writeln!(text, " {} {} {name}", sha256(content), content.len()).unwrap();
    }
    text + "\n"
}

fn tarball(package: &str, version: &str) -> String {
    let upstream = version.split('-').next().unwrap();
    format!("{package}_{upstream}.orig.tar.bz2")
}

fn sha256(text: &str) -> String {
    hex::encode(digest(&SHA256, text.as_bytes()))
}

/// What a command writes; it must succeed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_newest_source_that_is_there_is_taken() {
    let archive = Archive::new("newest");
    archive.add(
        "a",
        Some("good"),
        &[("17.9-1", Is::There), ("17.12-1", Is::Missing), ("17.11-1", Is::There), ("17.10-1", Is::There)],
    );
    assert_eq!(
        archive.search(&["a"]),
        "    a: lists 17.12-1, but does not give its source\n\
         found a/17.11-1/postgresql-17_17.11.orig.tar.bz2: source of 17.11-1\n"
    );
}

#[test]
fn further_suites_are_asked() {
    let archive = Archive::new("further");
    archive.add("empty", Some("good"), &[]);
    archive.add("ahead", Some("good"), &[("17.12-1", Is::Missing)]);
    archive.add("old", Some("good"), &[("17.6-1", Is::There)]);
    archive.add("unasked", Some("good"), &[("17.7-1", Is::There)]);
    assert_eq!(
        archive.search(&["unreachable", "none", "empty", "ahead", "old", "unasked"]),
        "    unreachable: its index cannot be fetched, or is not signed by whom it should be\n    \
             none: its index cannot be fetched, or is not signed by whom it should be\n    \
             empty: does not list postgresql-17\n    \
             ahead: lists 17.12-1, but does not give its source\n\
         found old/17.6-1/postgresql-17_17.6.orig.tar.bz2: source of 17.6-1\n"
    );
}

#[test]
fn what_nobody_trusted_signed_is_not_taken_and_all_that_was_tried_is_told() {
    let archive = Archive::new("untrusted");
    archive.add("unsigned", None, &[("17.11-1", Is::There)]);
    archive.add("foreign", Some("other"), &[("17.11-1", Is::There)]);
    archive.add("forged", Some("good"), &[("17.11-1", Is::Forged), ("17.12-1", Is::Missing)]);
    let told = "    unsigned: its index cannot be fetched, or is not signed by whom it should be\n    \
                    foreign: its index cannot be fetched, or is not signed by whom it should be\n    \
                    forged: lists 17.12-1, but does not give its source\n    \
                    forged: lists 17.11-1, but does not give its source\n";
    let said = archive.search(&["unsigned", "foreign", "forged"]);
    assert_eq!(said, format!("{told}nothing:\n{told}"));
}
