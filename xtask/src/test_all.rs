//! Every test with every version of PostgreSQL, or with the one that PG names; noted in docs/versions.md.

use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::error::{Context, Error};
use crate::pg_config::{self, PgConfig, SUPPORTED};
use crate::{process, project};

/// Where it is noted: in the row of a table that begins with the major version.
const RECORD: &str = "docs/versions.md";

/// Prepares each version, runs all there is to run, and notes what passed.
pub(crate) fn run() -> Result<(), Error> {
    let chosen = pg_config::major_of_pg()?;
    for major in SUPPORTED.iter().filter(|major| chosen.is_none_or(|chosen| chosen == **major)) {
        let begin = Instant::now();
        make(*major, "test")?;
        make(*major, "test-postgres")?;
        let minutes = begin.elapsed().as_secs().div_ceil(60);
        note(*major, minutes)?;
        println!("==> {major} passed; noted in {RECORD}");
    }
    Ok(())
}

/// Runs a target of the Makefile, which installs what the version needs.
fn make(major: u32, target: &str) -> Result<(), Error> {
    println!("==> make {target} PG={major}");
    let mut make = Command::new("make");
    make.args(["--no-print-directory", target, &format!("PG={major}"), "PG_CONFIG="]);
    process::run(make.current_dir(project::root()))
}

fn note(major: u32, minutes: u64) -> Result<(), Error> {
    let (tested, built) = (PgConfig::of_major(major)?, PgConfig::built(major)?);
    let date = process::capture(Command::new("date").args(["--utc", "+%F"]))?;
    let row =
        format!("| {major} | {} | {} | {} | {minutes} min |", tested.version(), built.version(), date.trim());
    let path = project::root().join(RECORD);
    let text = fs::read_to_string(&path).context(|| format!("cannot read {RECORD}"))?;
    let begin = format!("| {major} |");
    let lines = text.lines().map(|line| if line.starts_with(&begin) { row.as_str() } else { line });
    let changed: String = lines.flat_map(|line| [line, "\n"]).collect();
    fs::write(&path, changed).context(|| format!("cannot write {RECORD}"))
}
