//! ORMs, tried for real on protected tables, as the owner of the tables and with the snippets of docs/migrations.md.

mod alembic;
mod day;
mod drizzle;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, server};
use pg_bearer_tests::token::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use xtask::Orms;

const PAGE: &str = include_str!("../../docs/migrations.md");

/// Who owns the tables and is used by ORMs: an ordinary login.
const OWNER: &str = "orm_owner";

/// Tables as they are before anybody thinks of organizations in keys; one is partitioned.
const TABLES: &str = "
create table projects (id uuid primary key default gen_random_uuid(), org_id uuid not null, name text not null unique);
create table labels (id uuid primary key default gen_random_uuid(), org_id uuid not null, name text not null);
create table tasks (id uuid primary key default gen_random_uuid(), org_id uuid not null,
                    project_id uuid not null references projects on delete cascade, title text not null);
create table task_labels (org_id uuid not null, task_id uuid references tasks on delete cascade,
                          label_id uuid references labels, primary key (task_id, label_id));
create table events (org_id uuid not null, id uuid default gen_random_uuid(), at timestamptz, task_id uuid references tasks,
                     what text, primary key (id, at)) partition by range (at);
create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01');
insert into projects (org_id, name) values ('0a000000-0000-4000-8000-00000000000a', 'of A'),
                                           ('0b000000-0000-4000-8000-00000000000b', 'of B');
grant select, insert, update, delete on all tables in schema public to tenant;
";

/// What auth.protect() is called for.
const PROTECTED: [&str; 5] = ["projects", "labels", "tasks", "task_labels", "events"];

/// The ORMs, installed.
fn orms() -> &'static Orms {
    static ORMS: OnceLock<Orms> = OnceLock::new();
    ORMS.get_or_init(|| Orms::prepare().unwrap())
}

/// A database of the owner's, without tables.
fn empty() -> Database {
    let db = Database::new();
    make_owner(&db);
    db.superuser().run(&format!("drop table docs; alter database {} owner to {OWNER}", db.name));
    db
}

/// The role is the whole server's.
fn make_owner(db: &Database) {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| db.superuser().run(&format!("create role {OWNER} login")));
}

/// A database with the tables, protected, with all keys that auth.protect() suggests.
fn protected() -> Database {
    let db = empty();
    db.connect(OWNER).run(TABLES);
    protect(&db);
    is_intact(&db);
    db
}

/// Protects all tables and follows what is suggested.
fn protect(db: &Database) {
    let mut session = db.connect(OWNER);
    for table in PROTECTED {
        session.run(&format!("select auth.protect('{table}')"));
    }
    // A suggested key may be what another table's suggestion needs.
    for table in PROTECTED {
        let sql =
            format!("select statement from auth.protect('{table}') where action = 'suggested' order by step");
        for row in session.query(&sql, &[]).unwrap() {
            session.run(row.get(0));
        }
    }
}

/// Asserts that every table is protected as auth.protect() leaves it, and apart.
fn is_intact(db: &Database) {
    let mut session = db.connect(OWNER);
    let intact = "select string_agg(source::text, ' ' order by source::text) from auth.protected_tables() where intact";
    assert_eq!(
        session.value(intact).as_deref(),
        Some("events events_2026 labels projects task_labels tasks")
    );
    assert_eq!(found(db), "");
    let left = "select count(*) from unnest('{projects,labels,tasks,task_labels,events}'::regclass[]) t, auth.protect(t)";
    assert_eq!(session.value(left).as_deref(), Some("0"), "auth.protect() would run or suggest something");
    assert_eq!(projects(db), "of A");
}

/// What auth.lint() tells the owner about tables.
fn found(db: &Database) -> String {
    let findings =
        "select coalesce(string_agg(code || ' ' || object, ', ' order by code, object), '') from auth.lint()
                     where code not in ('owner_logs_in', 'temporary_granted')";
    db.connect(OWNER).value(findings).unwrap()
}

/// The projects that a user of organization A sees.
fn projects(db: &Database) -> String {
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.value("select coalesce(string_agg(name, ', ' order by name), '') from projects").unwrap()
}

/// The snippet of the page that names this file in its first line.
fn snippet(file: &str) -> &'static str {
    let blocks = PAGE.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let mut found = blocks.map(|(_, text)| text).filter(|text| {
        let first = text.lines().next().unwrap_or_default();
        first.trim_start_matches(['/', '#', ' ']) == file && first != file
    });
    let text = found.next().unwrap_or_else(|| panic!("docs/migrations.md has no snippet {file}"));
    assert!(found.next().is_none(), "docs/migrations.md has two snippets {file}");
    text
}

/// The SQL of the page: it protects two of the tables.
fn protection() -> &'static str {
    let (_, sql) = PAGE.split_once("```sql\n").unwrap();
    let sql = sql.split("```").next().unwrap();
    assert!(sql.contains("auth.protect('projects')") && sql.contains("auth.protect('tasks')"), "{sql}");
    sql
}

/// A file of `tests/orms`.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("orms").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The project of a test.
struct Project {
    dir: PathBuf,
    url: String,
}

impl Project {
    fn new(name: &str, scheme: &str, db: &Database) -> Project {
        let (host, port) = (server().socket_dir().display().to_string(), server().port());
        let url = format!("{scheme}:///{}?host={host}&port={port}&user={OWNER}", db.name);
        Project { dir: orms().project(name).unwrap(), url }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        let path = self.dir.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Changes a file; the text that is replaced must be there.
    fn change(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replace(from, to));
    }

    /// Runs a program in the project; whether it succeeded, and all that it says.
    fn run(&self, mut program: Command, arguments: &[&str]) -> (bool, String) {
        program.args(arguments).current_dir(&self.dir).env("DATABASE_URL", &self.url);
        let output = program.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    }
}
