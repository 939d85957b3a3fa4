//! A PostgREST of our own.

use crate::database::{Database, installation, server};
use crate::http::{self, Answer};
use crate::token::hs256_with;
use std::fmt::Display;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use xtask::Orms;

const SECRET: &str = "a secret that PostgREST and the proxy have";

/// PostgREST in front of one database; ends with this value or with this process.
pub struct Postgrest {
    process: Child,
    dir: PathBuf,
    socket: PathBuf,
    /// What the proxy sends in place of a credential: a token of PostgREST's own.
    constant: String,
}

impl Postgrest {
    /// Starts one that logs in as this role, is `anon` for nobody and `user` for whoever the proxy says has a credential.
    pub fn start(db: &Database, login: &str, anon: &str, user: &str, schema: &str) -> Postgrest {
        Postgrest::start_with(db, login, anon, user, schema, "db-channel-enabled = false\n")
    }

    /// The same with these lines in its configuration.
    pub fn start_with(
        db: &Database,
        login: &str,
        anon: &str,
        user: &str,
        schema: &str,
        more: &str,
    ) -> Postgrest {
        let (dir, port) = (server().socket_dir().display(), server().port());
        let uri = format!("host={dir} port={port} user={login} dbname={}", db.name);
        Postgrest::start_at(&uri, anon, user, schema, more)
    }

    /// The same at another server or pooler.
    pub fn start_at(uri: &str, anon: &str, user: &str, schema: &str, more: &str) -> Postgrest {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = server().socket_dir().join(format!("postgrest_{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let settings = format!(
            "db-uri = \"{uri}\"\ndb-schemas = \"{schema}\"\ndb-anon-role = \"{anon}\"\n\
             db-pre-request = \"auth.pre_request\"\ndb-config = false\ndb-pool = 4\n{more}\
             jwt-secret = \"{SECRET}\"\nopenapi-mode = \"disabled\"\nserver-unix-socket = \"{}/http\"\n",
            dir.display()
        );
        let constant = hs256_with(
            SECRET.as_bytes(),
            r#"{"alg":"HS256","typ":"JWT"}"#,
            &serde_json::json!({"role": user}).to_string(),
        );
        let socket = dir.join("http");
        Postgrest::launch(dir, &settings, socket, constant)
    }

    /// Starts one with these settings, which name this socket and the secret of this token.
    pub(crate) fn launch(dir: PathBuf, settings: &str, socket: PathBuf, constant: String) -> Postgrest {
        let orms = Orms::prepare().unwrap();
        // Its standard input closes however its owner dies.
        let script = r#"mkdir -m 700 "$1" && cd "$1" && printf %s "$2" > settings && cp "$3" program && chmod 700 program || exit
            ./program settings > log 2>&1 & trap 'kill $!; wait' EXIT; read -r _"#;
        let mut command = installation().command(Path::new("/bin/sh"));
        command.args(["-c", script, "sh"]).arg(&dir).arg(settings).arg(orms.postgrest());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let postgrest = Postgrest { process: command.spawn().unwrap(), dir, socket, constant };
        postgrest.wait_until_ready();
        postgrest
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = UnixStream::connect(&self.socket).ok().map(|_| self.send("GET", "/", &[], ""));
            if answer.is_some_and(|answer| answer.status != 503) {
                return;
            }
            assert!(Instant::now() < deadline, "PostgREST does not answer; its log: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The socket that it listens at.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// What the proxy sends in place of a credential.
    pub fn constant(&self) -> &str {
        &self.constant
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// As PostgREST itself gets it, with these headers.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::exchange(&self.socket, http::request(method, path, headers, body).as_bytes())
    }

    /// As a proxy passes it on that moves a credential away and puts its own token in its place.
    pub fn proxied(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let constant = format!("Bearer {}", self.constant);
        let mut passed = Vec::new();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("authorization") {
                passed.push(("X-Credential", *value));
                passed.push(("Authorization", constant.as_str()));
            } else {
                passed.push((*name, *value));
            }
        }
        self.send(method, path, &passed, body)
    }

    /// What somebody reads with this credential.
    pub fn get(&self, path: &str, credential: impl Display) -> Answer {
        self.proxied("GET", path, &[("Authorization", &format!("Bearer {credential}"))], "")
    }
}

impl Drop for Postgrest {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}
