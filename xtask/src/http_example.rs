//! `examples/postgrest`, filled in for one directory.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::installation::Installation;
use crate::{process, project};

/// The files of nginx and PostgREST, as `make.py` made them.
pub struct HttpExample {
    dir: PathBuf,
}

impl HttpExample {
    /// Makes the files in a new directory that only the server's user enters; `values` are what `make.py` takes, `rules` is a
    /// directory with nginx's rules for paths besides those of the example, and `files` what these include, by name.
    pub fn fill(
        installation: &Installation,
        dir: &Path,
        values: &[(&str, &str)],
        rules: Option<&Path>,
        files: &[(String, String)],
    ) -> Result<HttpExample, Error> {
        let user = installation.server_user();
        user.create_dir(dir)?;
        let mut python = Command::new("/usr/bin/python3");
        python.arg(project::root().join("examples/postgrest/make.py")).arg(dir);
        python.args(values.iter().map(|(name, value)| format!("{name}={value}")));
        process::capture(&mut python)?;
        if let Some(rules) = rules {
            copy_rules(rules, dir)?;
        }
        for (name, text) in files {
            let path = dir.join(name);
            let mut file = OpenOptions::new();
            file.write(true).create(true).truncate(true).mode(0o600);
            // They have keys in them.
            let written = file.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.context(|| format!("cannot write {}", path.display()))?;
        }
        let doing = || format!("cannot give {} to the server's user", dir.display());
        for entry in fs::read_dir(dir).context(doing)? {
            let path = entry.context(doing)?.path();
            chown(&path, Some(user.uid()), Some(user.gid())).context(doing)?;
        }
        Ok(HttpExample { dir: dir.to_path_buf() })
    }

    /// The settings of PostgREST.
    pub fn postgrest_settings(&self) -> Result<String, Error> {
        self.read("postgrest.conf")
    }

    /// Where PostgREST listens.
    pub fn postgrest_socket(&self) -> PathBuf {
        self.dir.join("private/http")
    }

    /// What nginx sends PostgREST in place of a credential.
    pub fn postgrest_token(&self) -> Result<String, Error> {
        let settings = self.read("bearer.conf")?;
        let token = settings.split_once("\"Bearer e").and_then(|(_, rest)| rest.split_once('"'));
        token.map(|(rest, _)| format!("e{rest}")).ok_or_else(|| Error::new("bearer.conf has no token"))
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let path = self.dir.join(name);
        fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))
    }
}

fn copy_rules(rules: &Path, dir: &Path) -> Result<(), Error> {
    let doing = || format!("cannot copy the rules in {}", rules.display());
    for entry in fs::read_dir(rules).context(doing)? {
        let path = entry.context(doing)?.path();
        if let (Some(name), true) = (path.file_name(), path.extension().is_some_and(|found| found == "conf"))
        {
            fs::copy(&path, dir.join(name)).context(doing)?;
        }
    }
    Ok(())
}
