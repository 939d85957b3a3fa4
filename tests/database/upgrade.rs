//! From every released version to this one: the scripts in tests/upgrade/released/ are what CREATE EXTENSION ran
//! then, and never change again.

use super::dump::{TABLES, TENANTS};
use super::install::catalog;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, installation, server};
use pg_bearer_tests::token::*;
use postgres::Client;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The version that this tree makes.
fn current() -> String {
    installation().extension_version().unwrap()
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The files of a directory whose names lie between these ends, by what is between.
fn scripts(dir: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(project(dir)).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let version = name.strip_prefix("pg_bearer--")?.strip_suffix(".sql")?.to_owned();
        Some((version, fs::read_to_string(&path).unwrap()))
    });
    named.collect()
}

fn released() -> BTreeMap<String, String> {
    let found = scripts("tests/upgrade/released");
    assert!(!found.is_empty(), "no version was released");
    found
}

/// What leads from a version to this one, as `make install` installs it.
fn upgrade_from(version: &str) -> String {
    let file = installation().extension_dir().join(format!("pg_bearer--{version}--{}.sql", current()));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Makes a version called `old` installable, with what leads from it to this one.
fn offer(old: &str, script: &str, upgrade: &str) {
    let dir = installation().extension_dir();
    fs::write(dir.join(format!("pg_bearer--{old}.sql")), script).unwrap();
    fs::write(dir.join(format!("pg_bearer--{old}--{}.sql", current())), upgrade).unwrap();
}

/// A database with a version as it was released.
fn installed(old: &str) -> Database {
    let db = Database::empty();
    db.superuser().run(&format!("create extension pg_bearer version '{old}'"));
    db
}

/// A database with a version as it was released, under a name that no version of this tree has.
fn release(version: &str, script: &str) -> Database {
    let old = format!("released-{version}");
    server();
    offer(&old, script, &upgrade_from(version));
    installed(&old)
}

fn upgrade(session: &mut Client) {
    session.run("alter extension pg_bearer update");
    let version = session.value("select extversion from pg_extension where extname = 'pg_bearer'");
    assert_eq!(version.as_deref(), Some(current().as_str()));
}

fn fresh() -> Vec<String> {
    let db = Database::empty();
    let mut session = db.superuser();
    session.run("create extension pg_bearer");
    let found = catalog(&mut session);
    assert!(found.len() > 500, "{}", found.len());
    found
}

/// What one of them has and the other has not.
fn differences(one: &[String], other: &[String]) -> Vec<String> {
    let only = |sign: &str, these: &[String], those: &[String]| {
        let missing = these.iter().filter(|line| !those.contains(line));
        missing.map(|line| format!("{sign} {line}")).collect::<Vec<_>>()
    };
    [only("-", one, other), only("+", other, one)].concat()
}

#[test]
fn an_upgraded_database_is_the_same_as_a_new_one() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let mut session = db.superuser();
        upgrade(&mut session);
        assert_eq!(differences(&catalog(&mut session), &fresh()), [] as [String; 0], "from {version}");
    }
}

#[test]
fn a_script_that_forgets_something_is_noticed() {
    let fresh = fresh();
    let (version, script) = released().into_iter().next_back().unwrap();
    for (number, (slip, trace)) in [
        ("alter function auth.in_org(uuid) called on null input", "in_org"),
        (
            "grant execute on function auth_internal.require_administrator() to public",
            "require_administrator",
        ),
        ("alter table auth.api_keys disable row level security", "api_keys"),
        ("alter table auth.issuers add column forgotten text", "forgotten"),
        ("alter table auth.memberships alter column role_id drop not null", "memberships"),
        ("comment on function auth.uid() is 'another'", "auth.uid()"),
        ("alter function auth.uid() volatile", "uid"),
        ("alter function auth.add_issuer reset search_path", "add_issuer"),
    ]
    .into_iter()
    .enumerate()
    {
        let old = format!("slip-{number}");
        offer(&old, &script, &format!("{}{slip};", upgrade_from(&version)));
        let db = installed(&old);
        let mut session = db.superuser();
        upgrade(&mut session);
        let found = differences(&catalog(&mut session), &fresh);
        assert!(!found.is_empty() && found.iter().all(|line| line.contains(trace)), "{slip}: {found:#?}");
    }
}

/// Everything in our tables.
fn contents(session: &mut Client) -> Vec<String> {
    let rows = TABLES.iter().map(|table| {
        let sql =
            format!("select coalesce(string_agg(t::text, E'\\n' order by t::text), '') from auth.{table} t");
        format!("{table}: {}", session.value(&sql).unwrap())
    });
    rows.collect()
}

fn seed(session: &mut Client) {
    session.run(TENANTS);
    session.run(&format!(
        "select auth.add_issuer('{STRICT_ISSUER}');
         select auth.add_jwt_secret('{STRICT_ISSUER}', '{SECRET}')"
    ));
}

/// Alice's token is accepted, she sees her organization's rows and nobody else's, and a key can be made and used.
fn assert_works(session: &mut Client) {
    session.run(
        "create table notes (org_id uuid not null default auth.current_org(), body text);
         create index on notes (org_id);
         alter table notes enable row level security; alter table notes force row level security;
         create policy own on notes using (auth.in_org(org_id)) with check (auth.in_org(org_id));
         insert into notes select org_id, slug from auth.list_organizations();
         grant all on notes to tenant",
    );
    session.run("begin; set local role tenant");
    session.authenticate(&token_of("alice")).unwrap();
    assert_eq!(session.value("select string_agg(body, ',') from notes").as_deref(), Some("acme"));
    let made = "select key from auth.create_api_key('after', auth.current_org(), scopes => '{x.read}')";
    let key = session.value(made).unwrap();
    session.authenticate(&key).unwrap();
    assert_eq!(session.value("select count(*) from notes").as_deref(), Some("1"));
    session.run("rollback");
    session.run("drop table notes");
}

#[test]
fn what_was_stored_survives_an_upgrade() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let mut session = db.superuser();
        seed(&mut session);
        let before = contents(&mut session);
        assert!(
            before.iter().all(|rows| !rows.ends_with(": ")),
            "an empty table proves nothing: {before:#?}"
        );
        upgrade(&mut session);
        assert_eq!(contents(&mut session), before, "from {version}");
        assert_works(&mut session);
    }
}

#[test]
fn a_new_library_serves_a_database_that_was_not_upgraded_yet() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let mut session = db.superuser();
        seed(&mut session);
        assert_works(&mut session);
        // In a session that has used the old functions, too.
        upgrade(&mut session);
        assert_works(&mut session);
    }
}
