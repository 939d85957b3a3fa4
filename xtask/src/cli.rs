use std::path::Path;

use crate::error::Error;
use crate::extension::Extension;
use crate::install::{self, Places};
use crate::pg_config::PgConfig;
use crate::{bench, demo, demo_http, postgres_tests, test, test_all};

const USAGE: &str = "\
usage: cargo xtask <command>

  schema    write the install script and print where it is
  reference  write docs/reference.md
  install   [--pg-config FILE] [--destdir DIR]  install into a PostgreSQL
  demo      start a server with an example of two tenants
  demo SCENARIO  start a service of tests/scenarios over HTTP, with requests to try
  demo-http  start PostgREST behind nginx, with credentials to send and a page
  psql      open the demo in psql
  stop      stop the demos
  test      everything that must hold before a change is good
  test-long  the tests of many rounds, with all of them
  test-all  the same for every version of PostgreSQL, and its own tests too; notes it in docs/versions.md
  test-postgres  the tests of PostgreSQL itself, with pg_bearer loaded
  bench     measure

PG=<major version> or PG_CONFIG=<file> chooses the PostgreSQL; the default is in .cargo/config.toml.";

/// Runs one command line of xtask.
pub fn run(arguments: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["schema"] => schema(),
        ["reference"] => test::write_reference(),
        ["install", options @ ..] => install(options),
        ["demo"] => demo::start(),
        ["demo", scenario] => demo_http::start_scenario(scenario),
        ["demo-http"] => demo_http::start(),
        ["psql"] => demo::psql(),
        ["stop"] => demo::stop(),
        ["test"] => test::run(),
        ["test-long"] => test::run_long(),
        ["test-all"] => test_all::run(),
        ["test-postgres"] => postgres_tests::run(),
        ["bench"] => bench::run(),
        ["help" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Error::new(USAGE)),
    }
}

fn schema() -> Result<(), Error> {
    let extension = Extension::build(&PgConfig::find()?)?;
    println!("{}", extension.install_script.display());
    Ok(())
}

fn install(options: &[&str]) -> Result<(), Error> {
    let mut pg_config = None;
    let mut destdir = None;
    let mut rest = options;
    while let [name, value, after @ ..] = rest {
        match *name {
            "--pg-config" => pg_config = Some(*value),
            "--destdir" => destdir = Some(Path::new(*value)),
            _ => return Err(Error::new(USAGE)),
        }
        rest = after;
    }
    if !rest.is_empty() {
        return Err(Error::new(USAGE));
    }
    let pg_config = match pg_config {
        Some(program) => PgConfig::read(program)?,
        None => PgConfig::find()?,
    };
    let extension = Extension::build(&pg_config)?;
    for file in install::install(&extension, &Places::of(&pg_config, destdir))? {
        println!("installed {}", file.display());
    }
    Ok(())
}
