use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::error::{Context, Error};
use crate::process;

/// Who runs the server: PostgreSQL refuses root.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerUser {
    uid: u32,
    gid: u32,
    switch: bool,
}

impl ServerUser {
    /// `postgres` (or else `nobody`) if we are root, ourselves otherwise.
    pub(crate) fn find() -> Result<Self, Error> {
        let (uid, gid) = ourselves()?;
        if uid != 0 {
            return Ok(Self { uid, gid, switch: false });
        }
        let name = if id("-u", "postgres").is_ok() { "postgres" } else { "nobody" };
        Ok(Self { uid: id("-u", name)?, gid: id("-g", name)?, switch: true })
    }

    /// The user's number.
    pub(crate) fn uid(self) -> u32 {
        self.uid
    }

    /// The user's group.
    pub(crate) fn gid(self) -> u32 {
        self.gid
    }

    /// A command that runs as this user.
    pub(crate) fn command(self, program: &Path) -> Command {
        if !self.switch {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid));
        command.args(["--clear-groups", "--"]).arg(program);
        command
    }

    /// Creates a directory that only this user (and root) can enter.
    pub(crate) fn create_dir(self, dir: &Path) -> Result<(), Error> {
        let doing = || format!("cannot create {}", dir.display());
        fs::create_dir(dir).context(doing)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).context(doing)?;
        std::os::unix::fs::chown(dir, Some(self.uid), Some(self.gid)).context(doing)
    }
}

/// Our own user and group.
pub(crate) fn ourselves() -> Result<(u32, u32), Error> {
    let us = fs::metadata("/proc/self").context(|| "cannot tell who we are".into())?;
    Ok((us.uid(), us.gid()))
}

fn id(option: &str, name: &str) -> Result<u32, Error> {
    let answer = process::capture(Command::new("id").args([option, name]))?;
    answer.trim().parse().context(|| format!("`id {option} {name}` says {answer:?}"))
}
