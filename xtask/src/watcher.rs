use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Context, Error};

// The pipe closes however its owner dies. `$1` is the directory, the rest stops the server.
const SCRIPT: &str = r#"dir=$1; shift; read -r _ || { "$@" >/dev/null 2>&1; rm -rf "$dir"; }"#;

/// A process that stops a server and removes its directory as soon as we are gone, also when we are killed.
pub(crate) struct Watcher {
    process: Child,
}

impl Watcher {
    /// Starts watching ourselves.
    pub(crate) fn start(dir: &Path, stop_server: &Command) -> Result<Self, Error> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "sh"]).arg(dir);
        command.arg(stop_server.get_program()).args(stop_server.get_args());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Its own group: an interrupt from the terminal must not reach it.
        command.process_group(0).current_dir("/");
        let process = command.spawn().context(|| "cannot start the server's watcher".into())?;
        Ok(Self { process })
    }

    /// Stops the server and removes its directory now.
    pub(crate) fn finish(mut self) {
        drop(self.process.stdin.take());
        self.wait();
    }

    /// Leaves the server alone from now on.
    pub(crate) fn dismiss(mut self) {
        if let Some(mut pipe) = self.process.stdin.take()
            && pipe.write_all(b"\n").is_err()
        {
            eprintln!("the server's watcher is already gone");
        }
        self.wait();
    }

    fn wait(&mut self) {
        if let Err(error) = self.process.wait() {
            eprintln!("cannot wait for the server's watcher: {error}");
        }
    }
}
