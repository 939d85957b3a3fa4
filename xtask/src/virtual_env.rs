//! Programs from PyPI, each in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::{process, run_dir};

/// The directory of programs of a virtual environment with this package (`name==version`), whose program has this
/// name; it is made unless it is there and the program runs.
pub(crate) fn bin_with(package: &str, program: &str) -> Result<PathBuf, Error> {
    let home = run_dir::create()?.join(package.replace("==", "-"));
    let bin = home.join("bin");
    if runs(&bin.join(program)) {
        return Ok(bin);
    }
    eprintln!("installing {package} in {} …", home.display());
    process::capture(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    process::capture(Command::new(bin.join("python")).args(["-m", "pip", "install", "--quiet", package]))?;
    Ok(bin)
}

/// An installation that was interrupted, or is of a Python that is gone, has programs that do not run.
fn runs(program: &Path) -> bool {
    process::capture(Command::new(program).arg("--help")).is_ok()
}
