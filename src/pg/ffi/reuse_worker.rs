//! The worker that ends sessions of which an old refresh token was presented in a transaction that was rolled back.

use super::reuse_memory::reused;
use super::worker::{self, Job, Worker};
use crate::pg::settings;
use pgrx::{IntoDatum, pg_guard, pg_sys};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// DROP DATABASE gives up after 5 s.
const LONGEST: Duration = Duration::from_secs(1);

/// So many sessions in one transaction.
const MOST: usize = 100;

pub(super) const JOB: Job = Job {
    name: c"pg_bearer sessions",
    entry: c"pg_bearer_sessions",
    purpose: "end sessions whose refresh tokens were used twice",
    interval: settings::usage_flush_interval,
    databases: || reused().map(|reused| reused.databases()).unwrap_or_default(),
    forget: |database| {
        if let Some(reused) = reused() {
            reused.forget(database);
        }
    },
    successes: || reused().map_or(0, |reused| reused.successes.load(Relaxed)),
    is_unfinished: || false,
};

/// Ends the sessions of one database, and ends.
#[pg_guard]
#[unsafe(no_mangle)]
extern "C-unwind" fn pg_bearer_sessions(database: pg_sys::Datum) {
    let Some(worker) = Worker::start(database, LONGEST, || true) else { return };
    let Some(reused) = reused() else { return };
    let mut sessions = reused.sessions(worker.database());
    sessions.truncate(MOST);
    let types = [pg_sys::UUIDARRAYOID];
    worker.transaction(c"ending sessions whose refresh tokens were used twice", || {
        let ids: Vec<pgrx::Uuid> = sessions.iter().map(|id| pgrx::Uuid::from_bytes(*id)).collect();
        // SAFETY: in a transaction with a snapshot; the function has an argument of this type, and an array has a datum.
        unsafe {
            let function = worker::function(c"end_reused_sessions", &types);
            if let (Some(function), Some(ids)) = (function, ids.into_datum()) {
                pg_sys::OidFunctionCall1Coll(function, pg_sys::InvalidOid, ids);
            }
        }
    });
    // Also where the database has no such function.
    reused.settle(worker.database(), &sessions);
    reused.successes.fetch_add(1, Relaxed);
}
