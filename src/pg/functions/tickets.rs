//! Tickets. What takes one is `auth.authenticate()`.

use crate::pg::tickets;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// A credential for whoever is signed in, good for a minute at most and, with shared_preload_libraries, for one use. Nothing
/// of it is undone by a rollback. Runs no SQL.
#[pg_extern(schema = "auth", volatile, parallel_unsafe)]
fn issue_ticket(ttl: default!(Option<Interval>, "'30 seconds'")) -> Result<String, ErrorReport> {
    let lifetime = ttl.as_ref().map(Interval::as_micros);
    Ok(tickets::issue(lifetime)?.to_string())
}
