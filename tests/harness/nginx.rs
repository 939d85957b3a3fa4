//! nginx and PostgREST as `examples/postgrest` sets them up, with the files that lie there.

use crate::database::{Database, installation, server};
use crate::http::{self, Answer};
use crate::postgrest::Postgrest;
use crate::program;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};
use xtask::{HttpExample, Server};

/// The origin whose pages may call.
pub const ORIGIN: &str = "https://app.example.com";

/// nginx in front of a PostgREST of its own; both end with this value or with this process.
///
/// Its server listens on three sockets: `tls` is as the example has it; on `public` the client says its address (the PROXY protocol), and
/// needs no TLS; `plain` is the server that refuses plain HTTP.
pub struct Nginx {
    process: Child,
    dir: PathBuf,
    pub postgrest: Postgrest,
}

impl Nginx {
    /// Starts both: PostgREST logs in as this role, is `anon` for nobody and `user` for whoever has a credential.
    pub fn start(db: &Database, login: &str, anon: &str, user: &str) -> Nginx {
        Nginx::at(server(), &db.name, [login, anon, user], None, &[])
    }

    /// The same in front of a database of this server, with the rules for paths in this directory, and the files that they include.
    pub fn at(
        server: &Server,
        db: &str,
        [login, anon, user]: [&str; 3],
        rules: Option<&Path>,
        files: &[(String, String)],
    ) -> Nginx {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nginx = program("nginx", "nginx");
        let dir = server.socket_dir().join(format!("nginx_{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let (socket_dir, port, at) = (server.socket_dir().display(), server.port(), dir.display());
        let example = HttpExample::fill(
            installation(),
            &dir,
            &[
                ("DB_URI", &format!("host={socket_dir} port={port} user={login} dbname={db}")),
                ("ANON_ROLE", anon),
                ("USER_ROLE", user),
                ("ORIGIN", ORIGIN),
                ("PLAIN_LISTEN", &format!("unix:{at}/plain")),
                (
                    "TLS_LISTEN",
                    &format!(
                        "unix:{at}/public proxy_protocol; set_real_ip_from unix:; real_ip_header proxy_protocol; \
                         listen unix:{at}/tls ssl"
                    ),
                ),
            ],
            rules,
            files,
        )
        .unwrap();
        let settings = example.postgrest_settings().unwrap() + "db-channel-enabled = false\ndb-pool = 4\n";
        let postgrest = Postgrest::launch(
            dir.join("postgrest"),
            &settings,
            example.postgrest_socket(),
            example.postgrest_token().unwrap(),
        );
        let script = r#""$2" -p "$1" -c "$1/nginx.conf" -g 'daemon off;' > "$1/start" 2>&1 &
            trap 'kill $!; wait' EXIT; read -r _"#;
        let mut command = installation().command(Path::new("/bin/sh"));
        command.args(["-c", script, "sh"]).arg(&dir).arg(nginx);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let nginx = Nginx { process: command.spawn().unwrap(), dir, postgrest };
        nginx.wait_until_ready();
        nginx
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while ["public", "tls", "plain"].iter().any(|name| UnixStream::connect(self.socket(name)).is_err()) {
            assert!(Instant::now() < deadline, "nginx does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The directory with its files, which only its user enters.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One of its sockets.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A port of 127.0.0.1 that leads to its socket `tls`, for programs that speak to no other, as long as this process runs.
    pub fn port(&self) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = self.socket("tls");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&socket) else { continue };
                let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
                let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
                thread::spawn(move || {
                    let _ = io::copy(&mut from_client, &mut to_server);
                    let _ = to_server.shutdown(Shutdown::Write);
                });
                thread::spawn(move || {
                    let _ = io::copy(&mut from_server, &mut to_client);
                    let _ = to_client.shutdown(Shutdown::Both);
                });
            }
        });
        port
    }

    /// All that nginx and PostgREST have written.
    pub fn log(&self) -> String {
        let files = ["access.log", "error.log", "start"];
        let read = |name| fs::read(self.dir.join(name)).unwrap_or_default();
        let texts: String = files.map(|name| String::from_utf8_lossy(&read(name)).into_owned()).concat();
        texts + &self.postgrest.log()
    }

    /// What a client gets that sends this, from an address that nobody has sent anything from.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send_from(&fresh_address(), method, path, headers, body)
    }

    /// The same from this address.
    pub fn send_from(
        &self,
        address: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.raw(address, http::request(method, path, headers, body).as_bytes())
    }

    /// What a client with this address gets for exactly these bytes.
    pub fn raw(&self, address: &str, bytes: &[u8]) -> Answer {
        let family = if address.contains(':') { "TCP6" } else { "TCP4" };
        let own = if address.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        let line = format!("PROXY {family} {address} {own} 1024 443\r\n");
        http::exchange(&self.socket("public"), &[line.as_bytes(), bytes].concat())
    }

    /// What somebody reads with this credential.
    pub fn get(&self, path: &str, credential: &str) -> Answer {
        self.send("GET", path, &[("Authorization", &format!("Bearer {credential}"))], "")
    }
}

/// Limits are per address.
pub fn fresh_address() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let [_, high, middle, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("10.{high}.{middle}.{low}")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}
