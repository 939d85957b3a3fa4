//! The authentication pages of services, done over HTTP: real PostgreSQL, PostgREST and nginx, with the files of
//! `tests/scenarios`.

mod api_example;
mod dramwell;
mod drivly;
mod founder_sherpa;
mod infraaudit;

use pg_bearer_tests::database::{Session, installation};
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::nginx::Nginx;
use postgres::{Client, Config, NoTls};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use xtask::Server;

/// As docs/postgrest.md asks for, and uses of keys are recorded.
const SETTINGS: &[(&str, &str)] = &[
    ("shared_preload_libraries", "pg_bearer"),
    ("pg_bearer.trusted_proxies", "local"),
    ("pg_bearer.usage_flush_interval", "1"),
];

/// The server of all of them.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(installation(), "scenarios", SETTINGS).unwrap())
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

/// One of these services, as it runs.
struct Service {
    name: &'static str,
    nginx: Nginx,
}

impl Service {
    /// Sets it up by its files, after these commands of psql.
    fn start(name: &'static str, before: &str) -> Service {
        // Roles belong to the server.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        let directory = directory(name);
        server().psql("postgres", &format!("create database {name}")).unwrap();
        let run = |file: &str, before: &str| {
            server().psql(name, &format!("{before}\n\\i {}\n", directory.join(file).display())).unwrap()
        };
        run("setup.sql", before);
        let shown = if directory.join("nginx.sql").exists() { run("nginx.sql", "") } else { String::new() };
        let files = shown.lines().filter_map(|line| line.split_once('|'));
        let files: Vec<_> = files.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let roles = ["authenticator", "web_anon", "web_user"];
        let nginx = Nginx::at(server(), name, roles, Some(&directory), &files);
        Service { name, nginx }
    }

    /// An administrator's session.
    fn admin(&self) -> Client {
        let mut config = Config::new();
        config.host_path(server().socket_dir()).port(server().port()).dbname(self.name).user("postgres");
        config.connect(NoTls).unwrap()
    }

    /// What the only row of this says to an administrator.
    fn ask(&self, sql: &str) -> String {
        self.admin().value(sql).unwrap_or_else(|| panic!("{sql}: null"))
    }

    /// An organization with this owner.
    fn organization(&self, owner: &str) -> String {
        self.ask(&format!("select auth.create_organization('Of {owner}', owner_id => '{owner}')"))
    }

    /// A request with this credential.
    fn send(&self, credential: &str, method: &str, path: &str, body: &str) -> Answer {
        self.send_with(credential, &[], method, path, body)
    }

    /// The same with more headers.
    fn send_with(
        &self,
        credential: &str,
        more: &[(&str, &str)],
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        let bearer = format!("Bearer {credential}");
        self.nginx.send(method, path, &[&[("Authorization", bearer.as_str())], more].concat(), body)
    }

    fn get(&self, credential: &str, path: &str) -> Answer {
        self.send(credential, "GET", path, "")
    }
}

/// The body of a request that was answered with this status.
#[track_caller]
fn expect(answer: Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    if answer.body.is_empty() { json!(null) } else { answer.json() }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Asserts that a credential is refused, and that nothing says why.
#[track_caller]
fn refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""), "{answer:?}");
}

/// Asserts that somebody is asked for a credential.
#[track_caller]
fn asked_for_one(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{answer:?}");
}
