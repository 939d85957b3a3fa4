use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, tail};
use crate::installation::{Installation, remove_dir};
use crate::process;
use crate::watcher::Watcher;

/// What a cluster that nobody will miss is started with; callers add to it.
const SETTINGS: &[(&str, &str)] =
    &[("listen_addresses", ""), ("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];

/// Every cluster has a socket directory of its own, so they can share the port.
const PORT: u16 = 5432;

/// The longest path a unix socket may have.
const SOCKET_PATH_MAX: usize = 107;

/// A throwaway cluster; stopped and removed when dropped or when this process dies, unless `keep` is called.
///
/// It trusts every connection: its directory, which holds the socket, is closed to other users.
pub struct Server {
    installation: Installation,
    dir: PathBuf,
    data_dir: PathBuf,
    port: u16,
    watcher: Option<Watcher>,
}

impl Server {
    /// Starts a new cluster. `settings` go to postgresql.conf, after our own.
    pub fn start(
        installation: &Installation,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Result<Server, Error> {
        let dir = directory(installation, &format!("{name}-{}", std::process::id()))?;
        Self::start_in(installation, dir, settings)
    }

    /// Starts a new cluster under a name that other processes know, in place of the one that may be there.
    pub(crate) fn start_shared(
        installation: &Installation,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Result<Server, Error> {
        Self::start_in(installation, directory(installation, name)?, settings)
    }

    /// The cluster that `start_shared` and `keep` left under this name.
    pub(crate) fn shared(installation: &Installation, name: &str) -> Result<Option<Server>, Error> {
        let server = Self::at(installation, directory(installation, name)?, PORT);
        Ok(Some(server).filter(|server| server.data_dir.exists()))
    }

    /// The directory of the socket, for clients' `host`.
    pub fn socket_dir(&self) -> &Path {
        &self.dir
    }

    /// The port, which is part of the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All that the server has logged so far.
    pub fn log(&self) -> String {
        self.log_from(0)
    }

    /// How many bytes the server has logged so far.
    pub fn log_end(&self) -> u64 {
        fs::metadata(self.log_file()).map(|file| file.len()).unwrap_or_default()
    }

    /// What the server has logged after this many bytes.
    pub fn log_from(&self, start: u64) -> String {
        let read = || {
            let mut bytes = Vec::new();
            let mut file = File::open(self.log_file())?;
            file.seek(SeekFrom::Start(start))?;
            file.read_to_end(&mut bytes)?;
            io::Result::Ok(bytes)
        };
        read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Stops the server if it runs, and starts it again.
    pub fn restart(&self) -> Result<(), Error> {
        self.stop()?;
        self.pg_ctl(&["start", "--log", &self.log_file().to_string_lossy()])
    }

    /// Stops the server as an administrator would.
    pub fn stop(&self) -> Result<(), Error> {
        self.stop_if_running("--mode=fast")
    }

    /// Stops the server at once, as a crash would.
    pub fn kill(&self) -> Result<(), Error> {
        self.stop_if_running("--mode=immediate")
    }

    /// Runs SQL as the superuser, stopping at the first error; rows come one per line, columns parted by `|`.
    pub fn psql(&self, db: &str, sql: &str) -> Result<String, Error> {
        let mut psql = self.client("psql", "postgres", db);
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        process::capture_with_input(&mut psql, sql)
    }

    /// A client program that connects as this role.
    pub(crate) fn client(&self, program: &str, role: &str, db: &str) -> Command {
        let mut client = self.installation.client(program);
        client.arg("--host").arg(&self.dir).args(["--port", &self.port.to_string()]);
        client.args(["--username", role, "--dbname", db]);
        client
    }

    /// Leaves the server running when this process ends.
    pub fn keep(mut self) {
        if let Some(watcher) = self.watcher.take() {
            watcher.dismiss();
        }
    }

    /// Stops the server and removes all it had.
    pub(crate) fn remove(self) -> Result<(), Error> {
        self.kill()?;
        remove_dir(&self.dir)
    }

    fn at(installation: &Installation, dir: PathBuf, port: u16) -> Server {
        let data_dir = dir.join("data");
        Server { installation: installation.clone(), dir, data_dir, port, watcher: None }
    }

    fn start_in(
        installation: &Installation,
        dir: PathBuf,
        settings: &[(&str, &str)],
    ) -> Result<Server, Error> {
        let mut server = Self::at(installation, dir, port_of(settings)?);
        let socket = server.dir.join(format!(".s.PGSQL.{}", server.port));
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(Error::new(format!("the path {} is too long for a socket", socket.display())));
        }
        server.kill()?;
        remove_dir(&server.dir)?;
        installation.server_user().create_dir(&server.dir)?;
        let stop = server.pg_ctl_command(&["stop", "--mode=immediate"]);
        server.watcher = Some(Watcher::start(&server.dir, &stop)?);
        let mut cp = Command::new("cp");
        cp.args(["-a", "--reflink=auto"]).arg(installation.template()).arg(&server.data_dir);
        process::capture(&mut cp)?;
        server.configure(settings)?;
        server.restart()?;
        Ok(server)
    }

    fn configure(&self, settings: &[(&str, &str)]) -> Result<(), Error> {
        let socket_dir = self.dir.to_string_lossy();
        let mut lines = String::from("\n");
        for (name, value) in
            SETTINGS.iter().chain(&[("unix_socket_directories", &*socket_dir)]).chain(settings)
        {
            lines += &format!("{name} = '{}'\n", value.replace('\'', "''"));
        }
        let path = self.data_dir.join("postgresql.conf");
        let doing = || format!("cannot write {}", path.display());
        let mut file = OpenOptions::new().append(true).open(&path).context(doing)?;
        file.write_all(lines.as_bytes()).context(doing)
    }

    fn stop_if_running(&self, mode: &str) -> Result<(), Error> {
        if !self.data_dir.join("postmaster.pid").exists() {
            return Ok(());
        }
        self.pg_ctl(&["stop", mode])
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<(), Error> {
        match process::capture(&mut self.pg_ctl_command(arguments)) {
            Ok(_) => Ok(()),
            Err(error) => {
                let log = tail(&self.log(), 20);
                Err(Error::new(format!("{error}\n  the server's log ends with\n{}", log.trim_end())))
            }
        }
    }

    fn pg_ctl_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.installation.command(&self.installation.bin("pg_ctl"));
        command.args(arguments).args(["--wait", "--timeout=60", "--silent", "--pgdata"]).arg(&self.data_dir);
        command
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            watcher.finish();
        }
    }
}

/// Where the cluster of this name lives.
fn directory(installation: &Installation, name: &str) -> Result<PathBuf, Error> {
    let servers = installation.run_dir().join("servers");
    fs::create_dir_all(&servers).context(|| format!("cannot create {}", servers.display()))?;
    Ok(servers.join(name))
}

fn port_of(settings: &[(&str, &str)]) -> Result<u16, Error> {
    match settings.iter().rev().find(|(name, _)| *name == "port") {
        Some((_, port)) => port.parse().context(|| format!("{port:?} is not a port")),
        None => Ok(PORT),
    }
}
