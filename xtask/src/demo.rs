//! A server with two tenants to look at and to play with.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::installation::{Installation, remove_dir};
use crate::pg_config::PgConfig;
use crate::server::Server;
use crate::{demo_http, process, project, run_dir};

const NAME: &str = "demo";

/// The file that says which PostgreSQL it runs on.
const NOTE: &str = "demo-runs-on";

/// The tokens that make_tokens.py writes, and how the table calls them.
const TOKENS: &[(&str, &str)] = &[
    ("acme", "acme's token (ES256)"),
    ("beta", "beta's token (HS256)"),
    ("forged", "forged: another's key"),
    ("expired", "acme's, expired"),
];

const SEEN: &str = "select count(*) || case count(*) when 1 then ' invoice' else ' invoices' end
    || coalesce(': ' || string_agg(customer || ' ' || amount, ', ' order by id), '') from invoices;";

const FOR_BETA: &str = "insert into invoices (org_id, customer, amount)
    values ('bbbbbbbb-0000-4000-8000-000000000000', 'Smuggler', 1);";

/// Starts the demo afresh, shows what each credential sees and leaves it running.
pub(crate) fn start() -> Result<(), Error> {
    let installation = Installation::prepare()?;
    println!("==> starting {}", installation.pg_config().version());
    remember(&installation)?;
    let server = Server::start_shared(&installation, NAME, &[])?;
    println!("==> loading the example: two tenants, acme and beta, share the table invoices");
    let secrets = make_tokens(&installation)?;
    server.psql("postgres", "create database demo")?;
    load(&server, &secrets)?;
    show(&server, &secrets)?;
    print_how_to_connect(&installation, &server, &secrets);
    server.keep();
    Ok(())
}

/// Opens psql as the application, with the tokens as variables.
pub(crate) fn psql() -> Result<(), Error> {
    let installation = remembered()?;
    let server = running(&installation)?;
    let secrets = secrets_dir(&installation);
    let mut psql = server.client("psql", "app", NAME);
    for (token, _) in TOKENS {
        psql.arg("--set").arg(format!("{token}={}", read(&secrets.join(format!("{token}.jwt")))?));
    }
    psql.env("PSQLRC", project::root().join("examples/demo/psqlrc"));
    process::run(&mut psql)
}

/// Stops the demo and removes what it had.
pub(crate) fn stop() -> Result<(), Error> {
    let installation = remembered()?;
    remove_dir(&secrets_dir(&installation))?;
    let server = Server::shared(&installation, NAME)?;
    let was_there = server.is_some();
    server.map_or(Ok(()), Server::remove)?;
    let another_was_there = demo_http::stop(&installation)?;
    match was_there || another_was_there {
        true => println!("the demo has stopped"),
        false => println!("the demo was not running"),
    }
    Ok(())
}

/// Notes which PostgreSQL the demo runs on, so that `psql` and `stop` need not be told.
pub(crate) fn remember(installation: &Installation) -> Result<(), Error> {
    let note = installation.run_dir().join(NOTE);
    fs::write(&note, installation.pg_config().path().as_os_str().as_encoded_bytes())
        .context(|| format!("cannot write {}", note.display()))
}

fn remembered() -> Result<Installation, Error> {
    let note = run_dir::existing()?.and_then(|dir| fs::read_to_string(dir.join(NOTE)).ok());
    let program = note.ok_or_else(|| Error::new("nothing has been started yet; begin with `make demo`"))?;
    Installation::found(PgConfig::read(&program)?)
}

fn running(installation: &Installation) -> Result<Server, Error> {
    Server::shared(installation, NAME)?
        .ok_or_else(|| Error::new("the demo is not running; start it with `make demo`"))
}

fn secrets_dir(installation: &Installation) -> PathBuf {
    installation.run_dir().join("demo-secrets")
}

fn make_tokens(installation: &Installation) -> Result<PathBuf, Error> {
    let dir = secrets_dir(installation);
    remove_dir(&dir)?;
    fs::DirBuilder::new().mode(0o700).create(&dir).context(|| format!("cannot create {}", dir.display()))?;
    // Debian's Python: it has Debian's packages.
    let mut python = Command::new("/usr/bin/python3");
    python.arg(project::root().join("examples/demo/make_tokens.py")).arg(&dir);
    process::capture(&mut python)?;
    Ok(dir)
}

fn load(server: &Server, secrets: &Path) -> Result<(), Error> {
    let mut psql = server.client("psql", "postgres", NAME);
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
    psql.arg("--set").arg(format!("acme_keys={}", read(&secrets.join("acme_keys.json"))?));
    psql.arg("--set").arg(format!("beta_secret={}", read(&secrets.join("beta_secret"))?));
    psql.arg("--file").arg(project::root().join("examples/demo/schema.sql"));
    process::capture(&mut psql).map(drop)
}

fn show(server: &Server, secrets: &Path) -> Result<(), Error> {
    println!();
    print_row("credential", "what the application sees");
    print_row(&"-".repeat(22), &"-".repeat(60));
    for (token, title) in TOKENS {
        let token = read(&secrets.join(format!("{token}.jwt")))?;
        print_row(title, &ask(server, Some(&token), SEEN));
    }
    print_row("none", &ask(server, None, SEEN));
    let acme = read(&secrets.join("acme.jwt"))?;
    print_row("acme's, writes to beta", &ask(server, Some(&acme), FOR_BETA));
    Ok(())
}

fn print_row(credential: &str, seen: &str) {
    println!("  {credential:<24}{seen}");
}

/// The answer to a query as the application with this credential, or why it was refused.
fn ask(server: &Server, token: Option<&str>, query: &str) -> String {
    let mut psql = server.client("psql", "app", NAME);
    psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
    psql.arg("--set").arg(format!("token={}", token.unwrap_or_default()));
    let sign_in = if token.is_some() { "select auth.authenticate(:'token') \\g /dev/null\n" } else { "" };
    match process::capture_with_input(&mut psql, &format!("begin;\n{sign_in}{query}\nrollback;\n")) {
        Ok(answer) => answer.trim().to_owned(),
        Err(error) => {
            let text = error.to_string();
            let refusal = text.lines().find_map(|line| line.split_once("ERROR:"));
            format!("refused: {}", refusal.map_or(text.as_str(), |(_, message)| message.trim()))
        }
    }
}

fn print_how_to_connect(installation: &Installation, server: &Server, secrets: &Path) {
    let mut psql = Command::new(installation.bin("psql"));
    psql.arg("-h").arg(server.socket_dir()).args(["-U", "app", NAME]);
    println!("\nThe server keeps running.");
    println!("  make psql    to try the tokens yourself");
    println!("  make stop    to end it");
    println!("Without make: {}", process::describe(&psql));
    println!("The tokens are in {}.", secrets.display());
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))
}
