use std::process::Command;

use crate::error::Error;
use crate::installation::Installation;
use crate::orms::Orms;
use crate::server::Server;
use crate::{process, project};

const SETTINGS: &[(&str, &str)] = &[("shared_buffers", "512MB"), ("jit", "off")];

/// Runs benches/run.sh against a server of its own; another one has the library preloaded.
pub(crate) fn run() -> Result<(), Error> {
    let installation = Installation::prepare()?;
    let server = Server::start(&installation, "bench", SETTINGS)?;
    if server.psql("postgres", "show debug_assertions")?.trim() == "on" {
        return Err(Error::new("this PostgreSQL checks assertions: what it takes says nothing"));
    }
    server.psql("postgres", "create database bench")?;
    let settings = [SETTINGS, &[("shared_preload_libraries", "pg_bearer")]].concat();
    let preloaded = Server::start(&installation, "bench-preloaded", &settings)?;
    let mut script = Command::new("bash");
    script.arg("benches/run.sh").current_dir(project::root());
    script.env("PGBIN", installation.bin("")).env("PGHOST", server.socket_dir());
    script.env("PGPORT", server.port().to_string()).env("POSTGREST", Orms::prepare()?.postgrest());
    script.env("PGUSER", "postgres").env("PGDATABASE", "bench");
    script.env("PRELOADED_HOST", preloaded.socket_dir()).env("PRELOADED_PORT", preloaded.port().to_string());
    process::run(&mut script)
}
