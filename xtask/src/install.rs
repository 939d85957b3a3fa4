//! Copying the built extension to where a server looks for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::extension::Extension;
use crate::pg_config::PgConfig;
use crate::process;

/// Where the files of an extension belong.
pub(crate) struct Places {
    library_dir: PathBuf,
    share_dir: PathBuf,
}

impl Places {
    /// The directories of this server, below `destdir` if one is given.
    pub(crate) fn of(pg_config: &PgConfig, destdir: Option<&Path>) -> Self {
        let below = |dir: &Path| match destdir {
            Some(destdir) => under(destdir, dir),
            None => dir.to_path_buf(),
        };
        Self {
            library_dir: below(&pg_config.package_lib_dir),
            share_dir: below(&pg_config.share_dir.join("extension")),
        }
    }
}

/// The absolute path `path` as it is called inside the tree `root`.
pub(crate) fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Installs, with sudo for the copying alone where we may not write ourselves.
pub(crate) fn install(extension: &Extension, places: &Places) -> Result<Vec<PathBuf>, Error> {
    let mut installed = copy_all(std::slice::from_ref(&extension.library), &places.library_dir, 0o755)?;
    installed.extend(copy_all(&extension.share_files, &places.share_dir, 0o644)?);
    Ok(installed)
}

fn copy_all(files: &[PathBuf], dir: &Path, mode: u32) -> Result<Vec<PathBuf>, Error> {
    let writable = is_writable(dir);
    let mut copies = Vec::new();
    for file in files {
        let copy = dir.join(file.file_name().unwrap_or_default());
        if writable {
            replace(file, &copy, mode)?;
        } else {
            copy_with_sudo(file, &copy, mode)?;
        }
        copies.push(copy);
    }
    Ok(copies)
}

/// Whether we can create files there (the directory is made if it is missing).
fn is_writable(dir: &Path) -> bool {
    let probe = dir.join(format!(".pg_bearer-{}", std::process::id()));
    fs::create_dir_all(dir).is_ok() && fs::write(&probe, "").is_ok() && fs::remove_file(&probe).is_ok()
}

/// Copies under another name and renames: a running server keeps the library it has mapped.
fn replace(file: &Path, copy: &Path, mode: u32) -> Result<(), Error> {
    let doing = || format!("cannot install {}", copy.display());
    let fresh = copy.with_extension("new");
    fs::copy(file, &fresh).context(doing)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(mode)).context(doing)?;
    fs::rename(&fresh, copy).context(doing)
}

fn copy_with_sudo(file: &Path, copy: &Path, mode: u32) -> Result<(), Error> {
    let sudo = process::find_program("sudo").ok_or_else(|| {
        let dir = copy.parent().unwrap_or(copy);
        Error::new(format!(
            "{} is not writable and there is no sudo; run this as root or set DESTDIR",
            dir.display()
        ))
    })?;
    // install(1) removes the old file first, so a running server keeps the library it has mapped.
    let mut command = Command::new(sudo);
    command.args(["install", "-D", "-m", &format!("{mode:o}")]).arg(file).arg(copy);
    process::run(&mut command)
}
