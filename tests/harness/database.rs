//! One server for all tests of a run, and a fresh database for each test.

use crate::token::{ISSUER, SECRET, STRICT_ISSUER};
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use std::fmt::Display;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use xtask::{Installation, Server};

/// The database that the others are copies of.
const TEMPLATE: &str = "template_of_tests";

/// Organizations A and B with 500 rows each, in a table that its policy protects; login roles `tenant`
/// (ordinary) and `other`; a table owner who cannot log in.
const SETUP: &str = "
create role table_owner nologin;
create role tenant login;
create role other login;
create role administrator login in role bearer_admin;
create table docs (id int primary key, org_id uuid, owner text, body text not null default 'x');
insert into docs
  select n, case when n % 2 = 0 then '0a000000-0000-4000-8000-00000000000a'::uuid
                 else '0b000000-0000-4000-8000-00000000000b' end, null, 'row ' || n
    from generate_series(1, 1000) n;
create index on docs (org_id);
alter table docs owner to table_owner;
alter table docs enable row level security;
alter table docs force row level security;
create policy own_organization on docs using (auth.in_org(org_id)) with check (auth.in_org(org_id));
grant select, insert, update, delete on docs to tenant, other;
";

/// The server of this run, started at the first call.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Server::start(
            installation(),
            "tests",
            &[
                ("max_connections", "200"),
                ("max_prepared_transactions", "20"),
                ("max_parallel_workers", "8"),
                ("wal_level", "replica"),
                ("jit", "off"),
            ],
        )
        .unwrap();
        server.psql("postgres", &format!("create database {TEMPLATE}")).unwrap();
        server.psql(TEMPLATE, "create extension pg_bearer").unwrap();
        server.psql(TEMPLATE, SETUP).unwrap();
        for (issuer, believed) in [(ISSUER, true), (STRICT_ISSUER, false)] {
            let sql = format!(
                "select auth.add_issuer('{issuer}', memberships_from_claims => {believed});
                 select auth.add_jwt_secret('{issuer}', '{SECRET}')"
            );
            server.psql(TEMPLATE, &sql).unwrap();
        }
        server
    })
}

/// The private PostgreSQL that holds the extension as it is in this tree.
pub fn installation() -> &'static Installation {
    static INSTALLATION: OnceLock<Installation> = OnceLock::new();
    INSTALLATION.get_or_init(|| Installation::prepare().unwrap())
}

/// A database of its own for one test; dropped with it.
pub struct Database {
    pub name: String,
}

impl Database {
    /// With the extension, two issuers, and the table `docs`.
    pub fn new() -> Database {
        Database::copy_of(TEMPLATE)
    }

    /// Without the extension.
    pub fn empty() -> Database {
        Database::copy_of("template1")
    }

    fn copy_of(template: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static COPYING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let server = server();
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let _one_at_a_time = COPYING.lock();
        server.psql("postgres", &format!("create database {name} template {template}")).unwrap();
        Database { name }
    }

    /// How to connect as this user.
    pub fn config(&self, user: &str) -> Config {
        let mut config = Config::new();
        config
            .host_path(server().socket_dir())
            .port(server().port())
            .dbname(&self.name)
            .user(user)
            .application_name("tests");
        config
    }

    pub fn connect(&self, user: &str) -> Client {
        self.config(user).connect(NoTls).unwrap()
    }

    /// A session of an ordinary user.
    pub fn tenant(&self) -> Client {
        self.connect("tenant")
    }

    /// A session of a superuser.
    pub fn superuser(&self) -> Client {
        self.connect("postgres")
    }
}

impl Default for Database {
    fn default() -> Database {
        Database::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = server().psql("postgres", &format!("drop database {} with (force)", self.name));
    }
}

/// What tests ask of a session most often.
pub trait Session {
    /// Authenticates with a bind parameter, as applications should.
    fn authenticate(&mut self, token: &str) -> Result<(), postgres::Error>;
    /// The first column of the only row, as text.
    fn value(&mut self, sql: &str) -> Option<String>;
    /// Runs statements that must succeed.
    fn run(&mut self, sql: &str);
    /// The SQLSTATE and message of a statement that must fail.
    fn refused(&mut self, sql: &str) -> String;
    /// How many rows of `docs` are visible.
    fn visible(&mut self) -> i64;
}

impl Session for Client {
    fn authenticate(&mut self, token: &str) -> Result<(), postgres::Error> {
        self.execute("select auth.authenticate($1)", &[&token]).map(drop)
    }

    fn value(&mut self, sql: &str) -> Option<String> {
        let messages = self.simple_query(sql).unwrap_or_else(|error| panic!("{sql}: {}", refusal_of(&error)));
        let mut rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        });
        let first = rows.next().unwrap_or_else(|| panic!("{sql}: no row"));
        assert!(rows.next().is_none(), "{sql}: more than one row");
        first
    }

    fn run(&mut self, sql: &str) {
        self.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {}", refusal_of(&error)));
    }

    fn refused(&mut self, sql: &str) -> String {
        match self.batch_execute(sql) {
            Ok(()) => panic!("{sql}: was not refused"),
            Err(error) => refusal_of(&error),
        }
    }

    fn visible(&mut self) -> i64 {
        self.value("select count(*) from docs").unwrap().parse().unwrap()
    }
}

fn refusal_of(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => error.to_string(),
    }
}

/// The SQLSTATE and message of a failure.
pub fn refusal<T>(result: Result<T, postgres::Error>) -> String {
    match result {
        Ok(_) => panic!("was not refused"),
        Err(error) => refusal_of(&error),
    }
}

/// Asserts that every one of these statements gives this value.
pub fn assert_values(session: &mut Client, cases: &[(&str, Option<&str>)]) {
    for (sql, expected) in cases {
        assert_eq!(session.value(sql).as_deref(), *expected, "{sql}");
    }
}

/// How often a test of many rounds runs: a twentieth of them, or all in `make test-long`.
pub fn rounds(all: usize) -> usize {
    if is_long() { all } else { all.div_ceil(20) }
}

/// One in so many of these, or all in `make test-long`.
pub fn one_in<T>(step: usize, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    all.step_by(if is_long() { 1 } else { step })
}

/// Whether this is `make test-long`.
pub fn is_long() -> bool {
    std::env::var_os("PG_BEARER_LONG").is_some()
}

/// Asserts that a text contains another.
pub fn assert_contains(text: impl Display, part: &str) {
    let text = text.to_string();
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}
