use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error};
use crate::extension::Extension;
use crate::install::{self, Places, under};
use crate::pg_config::PgConfig;
use crate::server_user::ServerUser;
use crate::{process, project, run_dir};

/// A private copy of PostgreSQL with the extension installed; the system's own stays as it is.
#[derive(Clone)]
pub struct Installation {
    pg_config: PgConfig,
    user: ServerUser,
    run_dir: PathBuf,
    tree: PathBuf,
    template: PathBuf,
}

impl Installation {
    /// Builds the extension for the chosen PostgreSQL and brings its private copy up to date; parallel
    /// processes wait.
    pub fn prepare() -> Result<Installation, Error> {
        Self::prepare_for(PgConfig::find()?)
    }

    /// The same for this PostgreSQL.
    pub(crate) fn prepare_for(pg_config: PgConfig) -> Result<Installation, Error> {
        let installation = Self::in_run_dir(run_dir::create()?, pg_config)?;
        let _lock = run_dir::lock(&installation.run_dir)?;
        let extension = Extension::build(&installation.pg_config)?;
        installation.refresh_tree()?;
        install::install(&extension, &Places::of(&installation.pg_config, Some(&installation.tree)))?;
        Ok(installation)
    }

    /// The private copy of this PostgreSQL that `prepare` made earlier, as it is.
    pub(crate) fn found(pg_config: PgConfig) -> Result<Installation, Error> {
        Self::in_run_dir(run_dir::create()?, pg_config)
    }

    fn in_run_dir(run_dir: PathBuf, pg_config: PgConfig) -> Result<Installation, Error> {
        let name = format!("{}-{}", pg_config.major(), run_dir::hash(pg_config.path()));
        let tree = run_dir.join(format!("pg{name}"));
        let template = run_dir.join(format!("template-pg{name}"));
        Ok(Installation { pg_config, user: ServerUser::find()?, run_dir, tree, template })
    }

    /// The PostgreSQL that this is a copy of.
    pub(crate) fn pg_config(&self) -> &PgConfig {
        &self.pg_config
    }

    /// A program of the private copy, such as `psql` or `pgbench`.
    pub fn bin(&self, program: &str) -> PathBuf {
        under(&self.tree, &self.pg_config.bin_dir).join(program)
    }

    /// The version of the extension in this tree.
    pub fn extension_version(&self) -> Result<String, Error> {
        project::version()
    }

    /// Where the private copy looks for the scripts of extensions.
    pub fn extension_dir(&self) -> PathBuf {
        under(&self.tree, &self.pg_config.share_dir).join("extension")
    }

    /// The directory for everything that runs.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// A command that runs as the server's user, untouched by our own environment's PostgreSQL settings.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.user.command(program);
        clean_environment(&mut command);
        command.env("HOME", &self.run_dir).current_dir(&self.run_dir);
        command
    }

    /// A command that runs as ourselves, untouched by our own environment's PostgreSQL settings.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin(program));
        clean_environment(&mut command);
        command
    }

    /// Who runs the servers.
    pub(crate) fn server_user(&self) -> ServerUser {
        self.user
    }

    /// An initialized data directory to start servers from.
    pub(crate) fn template(&self) -> &Path {
        &self.template
    }

    /// Copies PostgreSQL and initializes a cluster if what is there is not from this very PostgreSQL.
    fn refresh_tree(&self) -> Result<(), Error> {
        let stamp_file = self.tree.join("copied-from");
        let stamp = self.stamp()?;
        if fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) {
            return Ok(());
        }
        eprintln!("copying {} to {} …", self.pg_config.version(), self.tree.display());
        remove_dir(&self.tree)?;
        remove_dir(&self.template)?;
        self.copy_postgres()?;
        self.check_relocated()?;
        self.create_template()?;
        fs::write(&stamp_file, stamp).context(|| format!("cannot write {}", stamp_file.display()))?;
        Ok(())
    }

    /// Changes whenever PostgreSQL is upgraded or gains an extension.
    fn stamp(&self) -> Result<String, Error> {
        let mut stamp = format!("{}\nuser {}\n", self.pg_config.version(), self.user.uid());
        let extensions = self.pg_config.share_dir.join("extension");
        for path in [&self.pg_config.bin_dir.join("postgres"), &self.pg_config.package_lib_dir, &extensions] {
            let found = fs::metadata(path).context(|| format!("cannot read {}", path.display()))?;
            stamp += &format!("{} {}.{:09}\n", path.display(), found.mtime(), found.mtime_nsec());
        }
        Ok(stamp)
    }

    fn copy_postgres(&self) -> Result<(), Error> {
        let config = &self.pg_config;
        let mut dirs = vec![&config.bin_dir, &config.package_lib_dir, &config.share_dir];
        if has_private_libraries(config) {
            dirs.push(&config.lib_dir);
        }
        for dir in dirs {
            let copy = under(&self.tree, dir);
            fs::create_dir_all(&copy).context(|| format!("cannot create {}", copy.display()))?;
            let mut cp = Command::new("cp");
            cp.args(["-r", "--preserve=mode,timestamps,links"]).arg(dir.join(".")).arg(&copy);
            process::capture(&mut cp)?;
        }
        process::capture(Command::new("chmod").args(["-R", "u+rwX,go+rX,go-w"]).arg(&self.tree)).map(drop)
    }

    /// PostgreSQL finds its files relative to its programs; without that we would run the system's extension.
    fn check_relocated(&self) -> Result<(), Error> {
        let copy = PgConfig::read(&self.bin("pg_config").to_string_lossy())?;
        for (found, original) in [
            (&copy.package_lib_dir, &self.pg_config.package_lib_dir),
            (&copy.share_dir, &self.pg_config.share_dir),
        ] {
            let expected = under(&self.tree, original);
            if *found != expected {
                return Err(Error::new(format!(
                    "the copy of PostgreSQL looks for its files in {} instead of {}",
                    found.display(),
                    expected.display()
                )));
            }
        }
        Ok(())
    }

    fn create_template(&self) -> Result<(), Error> {
        self.user.create_dir(&self.template)?;
        let mut initdb = self.command(&self.bin("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        process::capture(initdb.arg("--pgdata").arg(&self.template)).map(drop)
    }
}

/// Whether the server's libraries lie beside it, and not among the system's.
fn has_private_libraries(config: &PgConfig) -> bool {
    let prefix = config.bin_dir.parent().unwrap_or(&config.bin_dir);
    prefix != Path::new("/usr") && config.lib_dir.starts_with(prefix)
}

pub(crate) fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_BACKTRACE").env("LC_ALL", "C.UTF-8");
}

pub(crate) fn remove_dir(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("cannot remove {}", dir.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
