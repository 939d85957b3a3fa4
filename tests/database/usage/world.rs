//! Servers that load the library at their start, and keys.

use pg_bearer_tests::database::{Session, installation};
use pg_bearer_tests::refusal;
use postgres::{Client, Config, NoTls};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use xtask::Server;

pub(crate) const TOO_MANY: &str = "53400 too many requests";

/// A server of its own that counts; settings come after ours.
pub(crate) fn counting_server(name: &str, settings: &[(&str, &str)]) -> Server {
    let ours = [
        ("shared_preload_libraries", "pg_bearer"),
        ("pg_bearer.usage_flush_interval", "1"),
        ("wal_level", "replica"),
    ];
    let server = Server::start(installation(), name, &[&ours[..], settings].concat()).unwrap();
    server.psql("postgres", "create role tenant login").unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    server
}

/// The one that tests share which can.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| counting_server("usage", &[("max_connections", "100")]))
}

/// A database of its own on the shared server.
pub(crate) struct Counting {
    pub(crate) server: &'static Server,
    pub(crate) name: String,
}

impl Counting {
    pub(crate) fn new() -> Counting {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("counting_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let server = server();
        server.psql("postgres", &format!("create database {name}")).unwrap();
        server.psql(&name, "create extension pg_bearer").unwrap();
        Counting { server, name }
    }

    pub(crate) fn connect(&self, user: &str) -> Client {
        connect(self.server.socket_dir(), &self.name, user)
    }
}

pub(crate) fn connect(dir: &Path, database: &str, user: &str) -> Client {
    Config::new().host_path(dir).port(5432).dbname(database).user(user).connect(NoTls).unwrap()
}

/// A key of a service, under its text. `more` are columns and values.
pub(crate) fn make_key(administrator: &mut Client, key: &str, more: &[(&str, &str)]) -> String {
    let columns: String = more.iter().map(|(column, _)| format!(", {column}")).collect();
    let values: String = more.iter().map(|(_, value)| format!(", '{value}'")).collect();
    let sql = format!(
        "with k as (insert into auth.api_keys (key_hash, kind, name{columns})
                    values (sha256('{key}'), 'service', 'a key'{values}) returning id)
         insert into auth.api_key_uses (key_id) select id from k returning key_id"
    );
    administrator.value(&sql).unwrap()
}

/// Uses a key once, as an application does.
pub(crate) fn use_key(session: &mut Client, key: &str) -> Result<(), postgres::Error> {
    session.authenticate(key)
}

/// How often the key can be used in a row, and what it is told then, with the hint.
pub(crate) fn exhaust(session: &mut Client, key: &str) -> (u32, String, String) {
    for times in 0..1000 {
        if let Err(error) = use_key(session, key) {
            let hint = error.as_db_error().and_then(|error| error.hint()).unwrap_or_default().to_owned();
            return (times, refusal(Err::<(), _>(error)), hint);
        }
    }
    panic!("{key} is not limited");
}

/// What is recorded of a key: uses on all days, and whether the last one is known.
pub(crate) fn recorded(administrator: &mut Client, key_id: &str) -> (i64, bool) {
    let sql = "select coalesce((select sum(uses) from auth_internal.usage_of($1::text::uuid, null)), 0)::bigint,
                      coalesce((select last_used_at is not null from auth.api_key_uses where key_id = $1::text::uuid), false)";
    let row = administrator.query_one(sql, &[&key_id]).unwrap();
    (row.get(0), row.get(1))
}

/// Waits until so many uses of the key are recorded.
pub(crate) fn until_recorded(administrator: &mut Client, key_id: &str, uses: i64) {
    until(&format!("{uses} uses of {key_id} recorded"), || {
        let (found, is_known) = recorded(administrator, key_id);
        assert!(found <= uses, "{found} uses are recorded of {uses}");
        found == uses && is_known
    });
}

/// Waits, at most half a minute.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "not after 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The lines of a server's log that report an error.
pub(crate) fn errors(log: &str) -> Vec<&str> {
    log.lines().filter(|line| ["ERROR:", "FATAL:", "PANIC:"].iter().any(|word| line.contains(word))).collect()
}
