//! The tests of PostgreSQL itself, on a server that has loaded pg_bearer: it must not change anything.

use std::path::Path;
use std::process::Command;

use crate::error::{Context, Error, tail};
use crate::installation::Installation;
use crate::pg_config::{self, PgConfig};
use crate::process;
use crate::server::Server;

const SETTINGS: &[(&str, &str)] = &[
    ("shared_preload_libraries", "pg_bearer"),
    ("max_prepared_transactions", "2"),
    // The tests expect what is the default.
    ("synchronous_commit", "on"),
];

/// The suites, each with the program that runs it and the file that names its tests.
const SUITES: &[(&str, &str, &str)] = &[
    ("regress", "pg_regress", "parallel_schedule"),
    ("isolation", "pg_isolation_regress", "isolation_schedule"),
];

/// Runs the suites of the PostgreSQL that `xtask/build_postgresql.sh` built: every test that a suite names
/// must pass.
pub(crate) fn run() -> Result<(), Error> {
    let major = pg_config::chosen_major()?;
    let (pg_config, tests) = (PgConfig::built(major)?, pg_config::built_dir(major)?.join("tests"));
    println!("the tests of {}, with pg_bearer loaded", pg_config.version());
    let installation = Installation::prepare_for(pg_config)?;
    let server = Server::start(&installation, "postgres", SETTINGS)?;
    let loaded = server.psql("postgres", "show shared_preload_libraries")?;
    if loaded.trim() != "pg_bearer" {
        return Err(Error::new(format!("shared_preload_libraries is {loaded}")));
    }
    // The server's user may be unable to read the place they were built in.
    let copy = server.socket_dir().join("tests");
    process::capture(Command::new("cp").arg("-R").arg(&tests).arg(&copy))?;
    process::capture(Command::new("chmod").args(["-R", "go+rX"]).arg(&copy))?;
    for (suite, program, schedule) in SUITES {
        println!("==> {suite}");
        let passed = run_suite(&installation, &server, &copy.join(suite), program, schedule)
            .context(|| format!("the suite {suite}"))?;
        let expected = count(&copy.join(suite).join(schedule))?;
        if !passed.contains(&format!("All {expected} tests passed")) {
            return Err(Error::new(format!("{suite}: of {expected} tests, {passed}")));
        }
        println!("    {suite}: {passed}");
    }
    Ok(())
}

/// How many tests a schedule names: groups that run together, one on a line.
fn count(schedule: &Path) -> Result<usize, Error> {
    let text = std::fs::read_to_string(schedule).context(|| format!("cannot read {}", schedule.display()))?;
    let groups = text.lines().filter_map(|line| line.strip_prefix("test:"));
    Ok(groups.map(|group| group.split_whitespace().count()).sum())
}

/// Gives the last words of the program.
fn run_suite(
    installation: &Installation,
    server: &Server,
    suite: &Path,
    program: &str,
    schedule: &str,
) -> Result<String, Error> {
    let output = server.socket_dir().join(program);
    installation.server_user().create_dir(&output)?;
    let mut command = installation.command(&suite.join(program));
    command.current_dir(suite).arg("--outputdir").arg(&output).arg("--bindir").arg(installation.bin(""));
    command.arg("--dlpath").arg(suite.with_file_name("lib")).arg("--schedule").arg(schedule);
    command.arg("--host").arg(server.socket_dir()).args(["--port", &server.port().to_string()]);
    command.args(["--user", "postgres", "--max-concurrent-tests", "20"]);
    let answer = process::capture(&mut command).map_err(|error| {
        let differences = std::fs::read_to_string(output.join("regression.diffs")).unwrap_or_default();
        Error::new(format!("{error}\n{}", tail(&differences, 200)))
    })?;
    let last =
        answer.lines().rev().map(|line| line.trim_matches(['#', '=', ' '])).find(|line| !line.is_empty());
    Ok(last.unwrap_or_default().to_owned())
}
