//! What every background worker of ours begins with, so that none forgets a part of it: signals, the connection to
//! its one database, settings that the database's owner does not choose, and a time at which it ends.
//!
//! A worker acts as the server, has no identity, and calls functions by their oid and only if `bearer_owner` owns
//! them: nothing that others have created runs with its rights.

use super::catalog;
use super::version::{self, STATEMENT_TIMEOUT, die, enable_timeout_after, handle_signal};
use pgrx::pg_sys;
use std::collections::BTreeSet;
use std::ffi::{CStr, c_int};
use std::time::Duration;

/// What the launcher has to know of a kind of worker.
pub(super) struct Job {
    /// What its workers are called in `pg_stat_activity`.
    pub(super) name: &'static CStr,
    /// The C symbol that they begin at; it gets the oid of the database.
    pub(super) entry: &'static CStr,
    /// What they do, for the log.
    pub(super) purpose: &'static str,
    /// Time between two rounds through the databases.
    pub(super) interval: fn() -> Duration,
    /// The databases in which there is something to do.
    pub(super) databases: fn() -> BTreeSet<u32>,
    /// Such a database does not exist any more.
    pub(super) forget: fn(u32),
    /// How many of its workers have ended well.
    pub(super) successes: fn() -> u64,
    /// Has the last worker left something to the next one?
    pub(super) is_unfinished: fn() -> bool,
}

/// What a worker sets for itself, whatever the owner of the database has stored for it. A background worker
/// loads no libraries for its session and fires no login triggers, and the other timeouts are for sessions.
const PINNED: [(&CStr, &CStr); 9] = [
    (c"role", c"none"),
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_deferrable", c"off"),
    // There is one for the whole run.
    (c"lock_timeout", c"0"),
    // Which takes longer than the rest.
    (c"jit", c"off"),
    // Shared memory would not survive the crash either, and a synchronous standby may be away.
    (c"synchronous_commit", c"off"),
    (c"row_security", c"on"),
];

const EXTENSION: &CStr = c"pg_bearer";

/// Where functions of ours are: in `auth` in a database whose extension was not updated yet.
const SCHEMAS: [&CStr; 2] = [c"auth_internal", c"auth"];

/// A worker that is connected and has pinned its settings. There is no other way to a transaction.
pub(super) struct Worker {
    database: pg_sys::Oid,
}

impl Worker {
    /// To be called at the beginning of a worker's entry, with what that was given. `is_wanted` is asked once signals
    /// arrive, and before the worker is in the way of DROP DATABASE; if it answers false the worker has to end.
    /// After `longest` the worker fails, wherever it is.
    pub(super) fn start(
        database: pg_sys::Datum,
        longest: Duration,
        is_wanted: impl FnOnce() -> bool,
    ) -> Option<Worker> {
        handle_signal(pg_sys::SIGTERM, Some(die));
        let database = pg_sys::Oid::from_u32(database.value() as u32);
        // SAFETY: the first things that a worker does.
        unsafe {
            pg_sys::BackgroundWorkerUnblockSignals();
            if !is_wanted() {
                return None;
            }
            let flags = pg_sys::BGWORKER_BYPASS_ALLOWCONN;
            pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, flags);
            for (name, value) in PINNED.into_iter().chain(version::PINNED) {
                let (context, source) = (pg_sys::GucContext::PGC_SUSET, pg_sys::GucSource::PGC_S_OVERRIDE);
                pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source);
            }
            // Nobody but a session's main loop sets it otherwise.
            enable_timeout_after(STATEMENT_TIMEOUT, longest.as_millis() as c_int);
        }
        Some(Worker { database })
    }

    pub(super) fn database(&self) -> u32 {
        self.database.to_u32()
    }

    /// Does `work` in a transaction of its own, with a snapshot; `pg_stat_activity` shows `activity` meanwhile.
    pub(super) fn transaction<T>(&self, activity: &CStr, work: impl FnOnce() -> T) -> T {
        // SAFETY: the calls that a transaction consists of. An error ends the process, and with it the transaction.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, activity.as_ptr());
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let done = work();
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            done
        }
    }
}

/// The function of this name with these arguments, if it is ours: a look-alike is not called. DROP EXTENSION waits
/// until the transaction ends: what the function reads and writes is there as long as it runs.
///
/// # Safety
/// In a transaction.
pub(super) unsafe fn function(name: &CStr, arguments: &[pg_sys::Oid]) -> Option<pg_sys::Oid> {
    // SAFETY: as the caller promises; whatever is locked, the transaction releases.
    unsafe {
        let extension = pg_sys::get_extension_oid(EXTENSION.as_ptr(), true);
        let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        pg_sys::LockDatabaseObject(pg_sys::ExtensionRelationId, extension, 0, mode);
        SCHEMAS.into_iter().find_map(|schema| function_in(schema, name, arguments))
    }
}

/// # Safety
/// In a transaction.
unsafe fn function_in(schema: &CStr, name: &CStr, arguments: &[pg_sys::Oid]) -> Option<pg_sys::Oid> {
    // SAFETY: catalog look-ups in a transaction.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        let owner = pg_sys::get_role_oid(catalog::OWNER.as_ptr(), true);
        catalog::function(schema, name, arguments, |row, _| {
            let is_ours = row.proowner == owner && owner != pg_sys::InvalidOid && row.prosecdef;
            is_ours.then_some(row.oid)
        })
    }
}
