//! The scripts of releases and the updates from them, also with slips and changes of a test's own.

use crate::install::{catalog, clean_catalog};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, installation, server};
use postgres::Client;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What comes after the steps of an update.
const FUNCTIONS: &str = "-- Every function, as it is in this version.\n";

/// The version that this tree makes.
pub(super) fn current() -> String {
    installation().extension_version().unwrap()
}

pub(super) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The install script of every release, by its version.
pub(crate) fn released() -> BTreeMap<String, String> {
    let entries = fs::read_dir(project("tests/upgrade/released")).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let version = name.strip_prefix("pg_bearer--")?.strip_suffix(".sql")?.to_owned();
        Some((version, fs::read_to_string(&path).unwrap()))
    });
    let found: BTreeMap<_, _> = named.collect();
    assert!(!found.is_empty(), "no version was released");
    found
}

/// The last release, and its script.
pub(super) fn last_release() -> (String, String) {
    released().into_iter().next_back().unwrap()
}

/// The first release, from which most is different now.
pub(super) fn first_release() -> (String, String) {
    released().into_iter().next().unwrap()
}

/// What leads from a version to this one, as `make install` installs it.
pub(crate) fn update_from(version: &str) -> String {
    let file = installation().extension_dir().join(format!("pg_bearer--{version}--{}.sql", current()));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The same with one more step.
pub(super) fn with_step(update: &str, step: &str) -> String {
    assert_eq!(update.matches(FUNCTIONS).count(), 1);
    update.replace(FUNCTIONS, &format!("{step}\n{FUNCTIONS}"))
}

/// What leads from a version to one that has no step: the next one, if nothing changes but bodies of functions.
fn without_steps() -> String {
    let update = update_from(&last_release().0);
    let (_, functions) = update.split_once(FUNCTIONS).unwrap();
    format!("{}\n{FUNCTIONS}{functions}", fs::read_to_string(project("sql/upgrade/before.sql")).unwrap())
}

/// The text of the steps from a version to this one, and the file of the last.
pub(super) fn steps(from: &str) -> (String, String) {
    let (mut text, mut file, mut at) = (String::new(), String::new(), from.to_owned());
    let dir = project("sql/upgrade");
    while at != current() {
        let names =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let name = names.into_iter().find(|name| name.starts_with(&format!("{at}--"))).unwrap();
        text += &fs::read_to_string(dir.join(&name)).unwrap();
        at = name.trim_end_matches(".sql").split_once("--").unwrap().1.to_owned();
        file = format!("sql/upgrade/{name}");
    }
    (text, file)
}

fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn write(name: &str, script: &str) {
    fs::write(installation().extension_dir().join(name), script).unwrap();
}

/// A database with what this script makes, as a version that this one leads on from.
pub(super) fn installed(script: &str, update: &str) -> Database {
    let db = Database::empty();
    install(&mut db.superuser(), script, update);
    db
}

/// The same in a database that is there already.
pub(crate) fn install(session: &mut Client, script: &str, update: &str) {
    server();
    let old = unique("old");
    write(&format!("pg_bearer--{old}.sql"), script);
    write(&format!("pg_bearer--{old}--{}.sql", current()), update);
    session.run(&format!("create extension pg_bearer version '{old}'"));
}

/// A database with a version as it was released.
pub(super) fn release(version: &str, script: &str) -> Database {
    installed(script, &update_from(version))
}

/// A database with the first release.
pub(crate) fn before() -> Database {
    let (version, script) = first_release();
    release(&version, &script)
}

pub(crate) fn update(session: &mut Client) {
    session.run("alter extension pg_bearer update");
    assert_eq!(version_of(session), current());
}

fn version_of(session: &mut Client) -> String {
    session.value("select extversion from pg_extension where extname = 'pg_bearer'").unwrap()
}

/// From now on this leads from the version that the session's database has to this one.
pub(super) fn replace_update(session: &mut Client, update: &str) {
    write(&format!("pg_bearer--{}--{}.sql", version_of(session), current()), update);
}

/// From a version that has both schemas to one after it.
pub(crate) fn update_once_more(session: &mut Client) {
    let from = version_of(session);
    let next = unique("next");
    write(&format!("pg_bearer--{from}--{next}.sql"), &without_steps());
    session.run(&format!("alter extension pg_bearer update to '{next}'"));
}

/// What one of them has and the other has not.
pub(super) fn differences(one: &[String], other: &[String]) -> Vec<String> {
    let only = |sign: &str, these: &[String], those: &[String]| {
        let those: HashSet<&String> = those.iter().collect();
        let missing = these.iter().filter(|line| !those.contains(line));
        missing.map(|line| format!("{sign} {line}")).collect::<Vec<_>>()
    };
    [only("-", one, other), only("+", other, one)].concat()
}

/// Asserts that a session's database is what CREATE EXTENSION makes.
pub(super) fn assert_fresh(session: &mut Client, what: &str) {
    assert_eq!(differences(&catalog(session), clean_catalog()), [] as [String; 0], "{what}");
}
