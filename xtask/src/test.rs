//! Everything that must hold before a change is good.

use std::process::Command;
use std::time::Instant;

use crate::error::{Context, Error};
use crate::extension::Extension;
use crate::orms::Orms;
use crate::pg_config::PgConfig;
use crate::{dependencies, process, project, virtual_env};

/// Finds what is unsafe in the SQL of extensions.
const PGSPOT: &str = "pgspot==0.9.4";

type Check = fn(&PgConfig) -> Result<(), Error>;

const STEPS: &[(&str, Check)] = &[
    ("formatting", formatting),
    ("dependencies (cargo-deny)", dependencies::check),
    ("lints", lints),
    ("unit tests", unit_tests),
    ("ORMs and token libraries (PyPI, npm)", orms),
    ("database tests", database_tests),
    ("install script (pgspot)", pgspot),
];

/// Runs every step and stops at the first failure.
pub(crate) fn run() -> Result<(), Error> {
    let pg_config = PgConfig::find()?;
    println!("testing with {}", pg_config.version());
    let begin = Instant::now();
    for (number, (name, check)) in STEPS.iter().enumerate() {
        println!("==> {}/{} {name}", number + 1, STEPS.len());
        let begin = Instant::now();
        check(&pg_config).context(|| name.to_string())?;
        println!("    {name}: passed in {:.1} s", begin.elapsed().as_secs_f64());
    }
    println!("==> all {} steps passed in {:.0} s", STEPS.len(), begin.elapsed().as_secs_f64());
    Ok(())
}

/// Runs the database tests with every round of those that repeat themselves.
pub(crate) fn run_long() -> Result<(), Error> {
    let mut test = project::cargo(&PgConfig::find()?);
    process::run(test.args(["test", "--package", "pg_bearer_tests"]).env("PG_BEARER_LONG", "1"))
}

/// Writes docs/reference.md, by the test that says when it is stale.
pub(crate) fn write_reference() -> Result<(), Error> {
    let mut test = project::cargo(&PgConfig::find()?);
    test.args(["test", "--package", "pg_bearer_tests", "--test", "database", "--", "--exact"]);
    process::run(
        test.arg("reference::the_page_with_the_reference_is_what_the_database_says")
            .env("PG_BEARER_WRITE_REFERENCE", "1"),
    )
}

fn formatting(pg_config: &PgConfig) -> Result<(), Error> {
    process::run(project::cargo(pg_config).args(["fmt", "--all", "--check"]))
}

fn lints(pg_config: &PgConfig) -> Result<(), Error> {
    let mut clippy = project::cargo(pg_config);
    clippy.args(["clippy", "--release", "--workspace", "--all-targets"]).args(project::features(pg_config));
    process::run(clippy.args(["--", "--deny", "warnings"]))
}

/// The extension is built beside its unit tests: each keeps one core busy, and the database tests need it.
fn unit_tests(pg_config: &PgConfig) -> Result<(), Error> {
    let mut build = project::cargo(pg_config);
    build.args(["build", "--release", "--lib", "--tests", "--package", "pg_bearer"]);
    process::run(build.args(project::features(pg_config)))?;
    let mut test = project::cargo(pg_config);
    test.args(["test", "--release", "--lib", "--package", "pg_bearer"]);
    process::run(test.args(project::features(pg_config)))
}

/// The tests build the extension for themselves; built without optimization they are ready sooner.
fn database_tests(pg_config: &PgConfig) -> Result<(), Error> {
    process::run(project::cargo(pg_config).args(["test", "--package", "pg_bearer_tests"]))
}

/// What the database tests would otherwise fetch without a word.
fn orms(_: &PgConfig) -> Result<(), Error> {
    Orms::prepare().map(drop)
}

fn pgspot(pg_config: &PgConfig) -> Result<(), Error> {
    let extension = Extension::build(pg_config)?;
    let program = virtual_env::bin_with(PGSPOT, "pgspot")?.join("pgspot");
    process::run(Command::new(program).arg(&extension.install_script))
}
