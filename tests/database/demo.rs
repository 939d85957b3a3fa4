//! What `make demo` shows, with tokens of a library that is not ours.

use pg_bearer_tests::database::{Session, installation};
use pg_bearer_tests::refusal;
use postgres::{Client, Config, NoTls};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::Server;

const ACME: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const BETA: &str = "bbbbbbbb-0000-4000-8000-000000000000";

/// Everything that a session sees, with the organizations that it is of.
const SEEN: &str = "select count(*) || ' of ' || coalesce(string_agg(distinct org_id::text, ', '), 'nobody')
    || ', ' || (select count(*) from organizations) || ' organizations' from invoices";

/// A server with the example's schema (its roles belong to the whole cluster) and its tokens.
struct Demo {
    server: Server,
    secrets: PathBuf,
}

impl Demo {
    fn start() -> Demo {
        let server = Server::start(installation(), "demo-test", &[]).unwrap();
        let secrets = server.socket_dir().join("secrets");
        fs::create_dir(&secrets).unwrap();
        let demo = Demo { server, secrets };
        // Debian's Python, as in `make demo`.
        succeed(Command::new("/usr/bin/python3").arg(example("make_tokens.py")).arg(&demo.secrets));
        demo.server.psql("postgres", "create database demo").unwrap();
        demo.load();
        demo
    }

    fn load(&self) {
        let mut psql = installation().command(&installation().bin("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--username=postgres",
            "--dbname=demo",
        ]);
        psql.arg("--host").arg(self.server.socket_dir()).args(["--port", &self.server.port().to_string()]);
        psql.arg("--set").arg(format!("acme_keys={}", self.secret("acme_keys.json")));
        psql.arg("--set").arg(format!("beta_secret={}", self.secret("beta_secret")));
        succeed(psql.stdin(File::open(example("schema.sql")).unwrap()));
    }

    fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.secrets.join(name)).unwrap()
    }

    /// A session of the application.
    fn app(&self) -> Client {
        let mut config = Config::new();
        config.host_path(self.server.socket_dir()).port(self.server.port()).dbname("demo").user("app");
        config.connect(NoTls).unwrap()
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/demo").join(name)
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The header of a token names its algorithm.
fn assert_algorithm(token: &str, algorithm: &str) {
    use base64::Engine;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["alg"], algorithm);
}

#[test]
fn each_token_of_the_demo_shows_what_it_should() {
    let demo = Demo::start();
    let mut app = demo.app();
    for (token, algorithm, seen) in [
        ("acme.jwt", "ES256", format!("3 of {ACME}, 1 organizations")),
        ("beta.jwt", "HS256", format!("2 of {BETA}, 1 organizations")),
    ] {
        let token = demo.secret(token);
        assert_algorithm(&token, algorithm);
        app.run("begin");
        app.authenticate(&token).unwrap();
        assert_eq!(app.value(SEEN), Some(seen));
        app.run("commit");
        assert_eq!(app.value(SEEN).as_deref(), Some("0 of nobody, 0 organizations"));
    }
    for (token, refused) in [
        ("forged.jwt", "28000 the credential was refused"),
        ("expired.jwt", "28000 the credential has expired"),
    ] {
        app.run("begin");
        assert_eq!(refusal(app.authenticate(&demo.secret(token))), refused, "{token}");
        app.run("rollback");
        assert_eq!(app.value(SEEN).as_deref(), Some("0 of nobody, 0 organizations"), "{token}");
    }
    let for_beta =
        format!("insert into invoices (org_id, customer, amount) values ('{BETA}', 'Smuggler', 1)");
    app.run("begin");
    app.authenticate(&demo.secret("acme.jwt")).unwrap();
    assert_eq!(
        app.refused(&for_beta),
        "42501 new row violates row-level security policy for table \"invoices\""
    );
    app.run("rollback");
    assert_eq!(demo.server.psql("demo", "select count(*) from app_data.invoices").unwrap().trim(), "5");
}
