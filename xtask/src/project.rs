//! Where things are in the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::pg_config::PgConfig;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    // An absolute path replaces what it is joined to.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Where what is fetched and built once is kept; `xtask/setup.sh` says the same.
pub(crate) fn cache_dir() -> Result<PathBuf, Error> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    Ok(caches.ok_or_else(|| Error::new("set HOME"))?.join("pg_bearer"))
}

/// The extension's version, from Cargo.toml, its only home.
pub(crate) fn version() -> Result<String, Error> {
    let manifest = root().join("Cargo.toml");
    let text =
        std::fs::read_to_string(&manifest).context(|| format!("cannot read {}", manifest.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .ok_or_else(|| Error::new(format!("{} has no version", manifest.display())))
}

/// A cargo command for this repository that compiles against the chosen server's headers.
pub(crate) fn cargo(pg_config: &PgConfig) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("PGRX_PG_CONFIG_PATH", pg_config.path());
    command.env("PG_CONFIG", pg_config.path());
    command
}

/// The arguments that choose the extension's features for the server.
pub(crate) fn features(pg_config: &PgConfig) -> [String; 3] {
    ["--no-default-features".into(), "--features".into(), format!("pg_bearer/pg{}", pg_config.major())]
}
