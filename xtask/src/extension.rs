//! The built extension: the files a server needs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::pg_config::PgConfig;
use crate::{process, project, schema};

/// The files to install for one server.
pub(crate) struct Extension {
    /// The shared library, under the name the server looks for.
    pub(crate) library: PathBuf,
    /// The control file, the install script and the update scripts.
    pub(crate) share_files: Vec<PathBuf>,
    /// The install script, which is among the share files too.
    pub(crate) install_script: PathBuf,
}

impl Extension {
    /// Compiles for this server and gathers the files under the target directory.
    pub(crate) fn build(pg_config: &PgConfig) -> Result<Self, Error> {
        let mut cargo = project::cargo(pg_config);
        cargo.args(["build", "--release", "--package", "pg_bearer"]);
        process::run(cargo.args(project::features(pg_config)))?;
        let compiled = project::target_dir().join("release/libpg_bearer.so");
        let stage = project::target_dir().join(format!("extension-pg{}", pg_config.major()));
        fs::create_dir_all(&stage).context(|| format!("cannot create {}", stage.display()))?;
        Self::gather(&compiled, &stage)
    }

    fn gather(compiled: &Path, stage: &Path) -> Result<Self, Error> {
        let version = project::version()?;
        let source = project::root().join("pg_bearer.control");
        let control = fs::read_to_string(&source)
            .context(|| format!("cannot read {}", source.display()))?
            .replace("@CARGO_VERSION@", &version);
        let library = stage.join("pg_bearer.so");
        fs::copy(compiled, &library).context(|| format!("cannot copy {}", compiled.display()))?;
        let scripts = schema::scripts(&library, &control, &version)?;
        let control_file = stage.join("pg_bearer.control");
        write(&control_file, &control)?;
        let install_script = stage.join(format!("pg_bearer--{version}.sql"));
        write(&install_script, &scripts.install)?;
        let mut share_files = vec![control_file, install_script.clone()];
        for (from, update) in scripts.updates {
            let file = stage.join(format!("pg_bearer--{from}--{version}.sql"));
            write(&file, &update)?;
            share_files.push(file);
        }
        Ok(Self { library, share_files, install_script })
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).context(|| format!("cannot write {}", path.display()))
}
