use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::process;

/// A PostgreSQL to build for, as its pg_config describes it.
#[derive(Clone)]
pub(crate) struct PgConfig {
    path: PathBuf,
    major: u32,
    version: String,
    pub(crate) bin_dir: PathBuf,
    pub(crate) lib_dir: PathBuf,
    pub(crate) package_lib_dir: PathBuf,
    pub(crate) share_dir: PathBuf,
}

/// The majors there is a feature for in Cargo.toml.
const SUPPORTED: &[u32] = &[15];

impl PgConfig {
    /// The pg_config named by PG_CONFIG, or else the default in `.cargo/config.toml`, which cargo
    /// passes on to the programs it runs.
    pub(crate) fn find() -> Result<Self, Error> {
        let chosen = ["PG_CONFIG", "PGRX_PG_CONFIG_PATH"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty())
            .ok_or_else(|| Error::new("set PG_CONFIG to the path of a pg_config"))?;
        Self::read(&chosen)
    }

    /// Asks this pg_config where its PostgreSQL lives.
    pub(crate) fn read(program: &str) -> Result<Self, Error> {
        let path = process::find_program(program).ok_or_else(|| {
            Error::new(format!(
                "there is no {program}; `make` installs Debian's PostgreSQL, PG_CONFIG chooses another"
            ))
        })?;
        let version = ask(&path, "--version")?;
        let major = version
            .split_ascii_whitespace()
            .nth(1)
            .and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .ok_or_else(|| Error::new(format!("{program} --version says {version:?}")))?;
        if !SUPPORTED.contains(&major) {
            return Err(Error::new(format!(
                "pg_bearer supports PostgreSQL {SUPPORTED:?}, and this is {version}"
            )));
        }
        Ok(Self {
            bin_dir: ask(&path, "--bindir")?.into(),
            lib_dir: ask(&path, "--libdir")?.into(),
            package_lib_dir: ask(&path, "--pkglibdir")?.into(),
            share_dir: ask(&path, "--sharedir")?.into(),
            path,
            major,
            version,
        })
    }

    /// The pg_config itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The major version.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// The version in full, as pg_config words it.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }
}

fn ask(pg_config: &Path, option: &str) -> Result<String, Error> {
    let answer = process::capture(Command::new(pg_config).arg(option))
        .context(|| "cannot ask PostgreSQL where it is installed".into())?;
    Ok(answer.trim().to_owned())
}
