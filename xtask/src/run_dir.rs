//! The directory for everything that runs: the private PostgreSQL, its clusters, their sockets.
//!
//! Not in the repository, which the server's user may be unable to read, and short, because a socket's
//! path may have 107 bytes.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::{project, server_user};

/// The path; `PG_BEARER_RUN_DIR` chooses another (where `/tmp` may not hold programs).
fn path() -> Result<PathBuf, Error> {
    if let Some(dir) = std::env::var_os("PG_BEARER_RUN_DIR").filter(|dir| !dir.is_empty()) {
        return std::path::absolute(dir).context(|| "PG_BEARER_RUN_DIR is not a path".into());
    }
    let (uid, _) = server_user::ourselves()?;
    Ok(PathBuf::from(format!("/tmp/pg_bearer-{uid}-{}", hash(&project::root()))))
}

/// Creates the directory, or makes sure that the one found is ours alone to write.
pub(crate) fn create() -> Result<PathBuf, Error> {
    let dir = path()?;
    let doing = || format!("cannot create {}", dir.display());
    match DirBuilder::new().mode(0o755).create(&dir) {
        // Again, because a strict umask would keep the server's user out.
        Ok(()) => fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).context(doing)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_ours(&dir)?,
        Err(error) => return Err(error).context(doing),
    }
    Ok(dir)
}

/// The directory that an earlier run created; one that somebody else can write is an error.
pub(crate) fn existing() -> Result<Option<PathBuf>, Error> {
    let dir = path()?;
    if fs::symlink_metadata(&dir).is_err() {
        return Ok(None);
    }
    check_ours(&dir)?;
    Ok(Some(dir))
}

/// Waits for other processes that prepare the same directory.
pub(crate) fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let doing = || format!("cannot lock {}", path.display());
    let file = File::create(&path).context(doing)?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another build of pg_bearer …");
        file.lock().context(doing)?;
    }
    Ok(file)
}

fn check_ours(dir: &Path) -> Result<(), Error> {
    let found = fs::symlink_metadata(dir).context(|| format!("cannot read {}", dir.display()))?;
    let (uid, _) = server_user::ourselves()?;
    if found.is_dir() && found.uid() == uid && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Error::new(format!(
        "{} is not a directory that only we can write; remove it or set PG_BEARER_RUN_DIR",
        dir.display()
    )))
}

/// A short name for a path (FNV-1a).
pub(crate) fn hash(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    format!("{:08x}", bytes.iter().fold(0x811c_9dc5, mix))
}
