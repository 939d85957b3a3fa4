use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::{process, project};

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

/// The major that is built for when nothing says another one; `xtask/setup.sh` says the same.
pub(crate) const DEFAULT: u32 = 15;

/// The majors there is a feature for in Cargo.toml.
pub(crate) const SUPPORTED: &[u32] = &[15, 16, 17, 18];

impl PgConfig {
    /// The pg_config named by PG_CONFIG, or of the major version named by PG, or else the default in
    /// `.cargo/config.toml`, which cargo passes on to the programs it runs.
    pub(crate) fn find() -> Result<Self, Error> {
        if let Some(program) = variable("PG_CONFIG") {
            let found = Self::read(&program)?;
            return match major_of_pg()? {
                Some(major) if major != found.major => {
                    Err(Error::new(format!("PG={major}, but PG_CONFIG names {}", found.version)))
                }
                _ => Ok(found),
            };
        }
        if let Some(major) = major_of_pg()? {
            return Self::of_major(major);
        }
        let program = variable("PGRX_PG_CONFIG_PATH").ok_or_else(|| {
            Error::new("set PG_CONFIG to the path of a pg_config, or PG to a major version")
        })?;
        Self::read(&program)
    }

    /// Debian's of this major version, or else the one we built.
    pub(crate) fn of_major(major: u32) -> Result<Self, Error> {
        let packaged = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
        let headers = PathBuf::from(format!("/usr/include/postgresql/{major}/server"));
        // Debian's client brings a pg_config without a server.
        if packaged.join("postgres").exists() && headers.exists() {
            return Self::read(&packaged.join("pg_config").to_string_lossy());
        }
        Self::built(major)
    }

    /// The one that `xtask/build_postgresql.sh` built of this major version.
    pub(crate) fn built(major: u32) -> Result<Self, Error> {
        Self::read(&built_dir(major)?.join("bin/pg_config").to_string_lossy())
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

/// The major version named by PG, or else the default.
pub(crate) fn chosen_major() -> Result<u32, Error> {
    Ok(major_of_pg()?.unwrap_or(DEFAULT))
}

/// Where `xtask/build_postgresql.sh` builds this major version; PostgreSQL's own tests are there, too.
pub(crate) fn built_dir(major: u32) -> Result<PathBuf, Error> {
    Ok(project::cache_dir()?.join(format!("postgresql-{major}")))
}

/// The major version named by PG.
pub(crate) fn major_of_pg() -> Result<Option<u32>, Error> {
    let Some(text) = variable("PG") else { return Ok(None) };
    match text.parse() {
        Ok(major) if SUPPORTED.contains(&major) => Ok(Some(major)),
        _ => Err(Error::new(format!("PG={text}: pg_bearer supports PostgreSQL {SUPPORTED:?}"))),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn ask(pg_config: &Path, option: &str) -> Result<String, Error> {
    let answer = process::capture(Command::new(pg_config).arg(option))
        .context(|| "cannot ask PostgreSQL where it is installed".into())?;
    Ok(answer.trim().to_owned())
}
