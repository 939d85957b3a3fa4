//! A PgBouncer of our own, in transaction mode.

use crate::database::{Database, installation, server};
use crate::program;
use postgres::{Client, Config, NoTls};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use xtask::Server;

/// PgBouncer between its clients and a server; ends with this value or with this process.
pub struct Pooler {
    process: Child,
    dir: PathBuf,
}

impl Pooler {
    /// Starts one before the test server that gives each tenant of a database this many sessions.
    pub fn start(sessions: u32) -> Pooler {
        Pooler::start_before(server(), sessions, &["tenant"])
    }

    /// The same before another server, and for these users.
    pub fn start_before(server: &Server, sessions: u32, users: &[&str]) -> Pooler {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let program = program("pgbouncer", "pgbouncer");
        let dir = server.socket_dir().join(format!("pooler_{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {}\n\
             auth_type = trust\nauth_file = users\npool_mode = transaction\ndefault_pool_size = {sessions}\n\
             max_client_conn = 200\nlogfile = log\n",
            server.socket_dir().display(),
            server.port(),
            dir.display()
        );
        if version(&program) >= (1, 21) {
            settings += "max_prepared_statements = 100\n";
        }
        let users: String = users.iter().map(|user| format!("\"{user}\" \"\"\n")).collect();
        // Its standard input closes however its owner dies.
        let script = r#"mkdir -m 700 "$1" && cd "$1" && printf %s "$2" > settings && printf %s "$4" > users || exit
            "$3" -q settings & trap 'kill $!; wait' EXIT; read -r _"#;
        let mut command = installation().command(Path::new("/bin/sh"));
        command.args(["-c", script, "sh"]).arg(&dir).arg(settings).arg(program).arg(users);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let pooler = Pooler { process: command.spawn().unwrap(), dir };
        let deadline = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(pooler.socket()).is_err() {
            let log = std::fs::read_to_string(pooler.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PgBouncer does not answer; its log: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    /// Where clients find it, at port 6432.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The socket to connect to without a library.
    pub fn socket(&self) -> PathBuf {
        self.dir.join(".s.PGSQL.6432")
    }

    /// A session of an ordinary user, which others may share.
    pub fn connect(&self, db: &Database) -> Client {
        self.connect_as("tenant", &db.name)
    }

    /// A session of this user in this database.
    pub fn connect_as(&self, user: &str, database: &str) -> Client {
        Config::new().host_path(&self.dir).port(6432).dbname(database).user(user).connect(NoTls).unwrap()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

fn version(program: &Path) -> (u32, u32) {
    let output = Command::new(program).arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}
