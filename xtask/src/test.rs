//! Everything that must hold before a change is good.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::error::{Context, Error};
use crate::extension::Extension;
use crate::pg_config::PgConfig;
use crate::{process, project, run_dir};

/// Finds what is unsafe in the SQL of extensions.
const PGSPOT: &str = "pgspot==0.9.4";

type Check = fn(&PgConfig) -> Result<(), Error>;

const STEPS: &[(&str, Check)] = &[
    ("formatting", formatting),
    ("lints", lints),
    ("unit tests", unit_tests),
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

fn unit_tests(pg_config: &PgConfig) -> Result<(), Error> {
    let mut test = project::cargo(pg_config);
    test.args(["test", "--release", "--lib", "--package", "pg_bearer"]);
    process::run(test.args(project::features(pg_config)))
}

/// The tests build the extension for themselves; built without optimization they are ready sooner.
fn database_tests(pg_config: &PgConfig) -> Result<(), Error> {
    process::run(project::cargo(pg_config).args(["test", "--package", "pg_bearer_tests"]))
}

fn pgspot(pg_config: &PgConfig) -> Result<(), Error> {
    let extension = Extension::build(pg_config)?;
    let python = python_with_pgspot()?;
    process::run(Command::new(python).args(["-m", "pgspot"]).arg(&extension.install_script))
}

/// The interpreter of a virtual environment that has this version of pgspot.
fn python_with_pgspot() -> Result<PathBuf, Error> {
    let home = run_dir::create()?.join(PGSPOT.replace("==", "-"));
    let python = home.join("bin/python");
    if has_pgspot(&python) {
        return Ok(python);
    }
    eprintln!("installing {PGSPOT} in {} …", home.display());
    process::capture(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    process::capture(Command::new(&python).args(["-m", "pip", "install", "--quiet", PGSPOT]))?;
    Ok(python)
}

fn has_pgspot(python: &Path) -> bool {
    process::capture(Command::new(python).args(["-c", "import pgspot.cli"])).is_ok()
}
