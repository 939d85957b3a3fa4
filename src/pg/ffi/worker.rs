//! The processes that record what was counted: a launcher that lives as long as the server accepts writes, and
//! for each database with something to record a short-lived worker, one after the other.
//!
//! The worker acts as the server, has no identity, and calls one function, by its oid and only if
//! `bearer_owner` owns it: nothing that others have created runs with its rights.

use super::version::{
    self, INVALID_DATABASE, STATEMENT_TIMEOUT, SignalHandlerForConfigReload, SignalHandlerForShutdownRequest,
    die, enable_timeout_after, handle_signal,
};
use crate::pg::settings;
use crate::pg::usage::recording;
use crate::pg::usage::table::Uses;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::{IntoDatum, pg_guard, pg_sys};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char, c_int};
use std::time::{Duration, Instant};

/// Seconds after which the postmaster starts a launcher that failed again.
const RESTART_AFTER: u8 = 10;
/// The longest time between two attempts with a database in which recording fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Workers that follow one another in the same database before it is another one's turn.
const MOST_RUNS: u64 = 10;

/// What the worker sets for itself, whatever the owner of the database has stored for it. A background worker
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

/// Has the postmaster start the launcher. Called from `_PG_init`, and only while the server is loading the
/// library at its start.
pub(in crate::pg) fn register_launcher() {
    let mut launcher = description(c"pg_bearer launcher", c"pg_bearer_launcher");
    launcher.bgw_restart_time = RESTART_AFTER.into();
    // SAFETY: the postmaster copies the description.
    unsafe { pg_sys::RegisterBackgroundWorker(&mut launcher) }
}

fn description(name: &CStr, function: &CStr) -> pg_sys::BackgroundWorker {
    let mut worker = pg_sys::BackgroundWorker::default();
    copy(name, &mut worker.bgw_name);
    copy(name, &mut worker.bgw_type);
    copy(c"pg_bearer", &mut worker.bgw_library_name);
    copy(function, &mut worker.bgw_function_name);
    worker.bgw_flags =
        (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as c_int;
    worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = pg_sys::BGW_NEVER_RESTART;
    worker
}

/// Copies a name that is shorter than its field, which is full of zeros.
fn copy(name: &CStr, field: &mut [c_char]) {
    for (to, from) in field.iter_mut().zip(name.to_bytes()) {
        *to = *from as c_char;
    }
}

/// Connected to no database, so that it is in the way of no DROP DATABASE.
#[pg_guard]
#[unsafe(no_mangle)]
extern "C-unwind" fn pg_bearer_launcher(_argument: pg_sys::Datum) {
    handle_signal(pg_sys::SIGHUP, Some(SignalHandlerForConfigReload));
    handle_signal(pg_sys::SIGTERM, Some(SignalHandlerForShutdownRequest));
    // SAFETY: the first things that a worker does.
    unsafe {
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0);
    }
    let mut launcher = Launcher::default();
    let mut last = Instant::now();
    loop {
        let rest = settings::usage_flush_interval().saturating_sub(last.elapsed());
        if rest.is_zero() {
            launcher.record_everywhere();
            last = Instant::now();
        } else {
            wait(rest);
        }
    }
}

#[derive(Default)]
struct Launcher {
    /// Databases in which recording failed: how often in a row, and when to try again.
    failing: BTreeMap<u32, (u32, Instant)>,
    /// The log knows that there are too few workers.
    has_complained: bool,
}

impl Launcher {
    fn record_everywhere(&mut self) {
        let counted = recording::databases();
        if counted.is_empty() {
            return;
        }
        let existing = existing_databases();
        self.failing.retain(|database, _| existing.contains(database));
        for database in counted {
            if !existing.contains(&database) {
                recording::discard(database);
            } else if self.failing.get(&database).is_none_or(|(_, again)| Instant::now() >= *again) {
                self.record(database);
            }
        }
    }

    fn record(&mut self, database: u32) {
        let (before, mut runs) = (recording::successes(), 0);
        let (mut has_run, mut is_good) = (true, true);
        while has_run && is_good && runs < MOST_RUNS && (runs == 0 || recording::is_unfinished()) {
            has_run = run_worker(database);
            runs = runs.saturating_add(1);
            is_good = recording::successes() == before.saturating_add(runs);
        }
        if !has_run && !self.has_complained {
            pgrx::log!(
                "pg_bearer cannot start a worker to record uses of API keys; raise max_worker_processes"
            );
        }
        self.has_complained = !has_run;
        if !has_run || is_good {
            self.failing.remove(&database);
            return;
        }
        // The worker has said why in the log.
        let times = self.failing.get(&database).map_or(0, |(times, _)| times.saturating_add(1));
        let pause = settings::usage_flush_interval().saturating_mul(1 << times.min(8)).min(LONGEST_PAUSE);
        self.failing.insert(database, (times, Instant::now() + pause));
    }
}

/// Waits for this time, or less. Does not return when the server stops.
fn wait(time: Duration) {
    let milliseconds = time.as_millis().clamp(1, 3_600_000) as std::ffi::c_long;
    let events = (pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH) as c_int;
    // SAFETY: the process's own latch, and flags that signal handlers set. Nothing here has to be dropped when
    // the process exits.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events, milliseconds, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
        pg_sys::check_for_interrupts!();
        if (&raw const pg_sys::ShutdownRequestPending).read_volatile() != 0 {
            // Not 0, which would mean to the postmaster that it is never needed again.
            pg_sys::proc_exit(1);
        }
        if (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0 {
            pg_sys::ConfigReloadPending = 0;
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
    }
}

/// Runs a worker for this database to its end; false if there is none to have.
fn run_worker(database: u32) -> bool {
    let mut worker = description(c"pg_bearer usage", c"pg_bearer_usage");
    worker.bgw_main_arg = pg_sys::Oid::from_u32(database).into_datum().unwrap_or(pg_sys::Datum::null());
    let mut handle = std::ptr::null_mut();
    // SAFETY: the description is copied to shared memory; the handle is ours, and freed once.
    unsafe {
        worker.bgw_notify_pid = pg_sys::MyProcPid;
        if !pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle) {
            return false;
        }
        let mut pid = 0;
        while pg_sys::GetBackgroundWorkerPid(handle, &mut pid) != pg_sys::BgwHandleStatus::BGWH_STOPPED {
            wait(Duration::from_secs(1));
        }
        pg_sys::pfree(handle.cast());
    }
    true
}

/// Every database that one can connect to.
fn existing_databases() -> BTreeSet<u32> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    let mut found = BTreeSet::new();
    // SAFETY: the catalog is open while it is read, row by row, without an index, which a process without a
    // database cannot use. An error ends the process.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, lock);
        let (index, snapshot, keys) = (pg_sys::InvalidOid, std::ptr::null_mut(), std::ptr::null_mut());
        let scan = pg_sys::systable_beginscan(relation, index, false, snapshot, 0, keys);
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            if row.datconnlimit != INVALID_DATABASE {
                found.insert(row.oid.to_u32());
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
        pg_sys::CommitTransactionCommand();
    }
    found
}

/// Records the uses of one database, and ends.
#[pg_guard]
#[unsafe(no_mangle)]
extern "C-unwind" fn pg_bearer_usage(database: pg_sys::Datum) {
    handle_signal(pg_sys::SIGTERM, Some(die));
    let database = pg_sys::Oid::from_u32(database.value() as u32);
    // SAFETY: the first things that a worker does. The launcher waits for its worker, but one that was restarted
    // does not know of its predecessor's: two of them would record the same uses.
    unsafe {
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::null());
        if !recording::step_up(pg_sys::MyProcPid as u32) {
            return;
        }
        let flags = pg_sys::BGWORKER_BYPASS_ALLOWCONN;
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, pg_sys::InvalidOid, flags);
        for (name, value) in PINNED.into_iter().chain(version::PINNED) {
            let (context, source) = (pg_sys::GucContext::PGC_SUSET, pg_sys::GucSource::PGC_S_OVERRIDE);
            pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source);
        }
        // Nobody but a session's main loop sets it otherwise.
        enable_timeout_after(STATEMENT_TIMEOUT, recording::LONGEST.as_millis() as c_int);
    }
    if !recording::record_all(database.to_u32(), record) {
        recording::discard(database.to_u32());
    }
    recording::succeed();
}

#[pg_guard]
unsafe extern "C-unwind" fn at_exit(_code: c_int, _argument: pg_sys::Datum) {
    // SAFETY: set when the process began.
    recording::step_down(unsafe { pg_sys::MyProcPid } as u32);
}

/// Records these uses in a transaction of their own; false if the database has no place for them.
fn record(uses: &[Uses]) -> bool {
    // SAFETY: the calls that a transaction consists of. An error ends the process, and with it the transaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::pgstat_report_activity(
            pg_sys::BackendState::STATE_RUNNING,
            c"recording uses of API keys".as_ptr(),
        );
        let function = recorder();
        if let Some(function) = function {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            call(function, uses);
            pg_sys::PopActiveSnapshot();
        }
        pg_sys::CommitTransactionCommand();
        function.is_some()
    }
}

/// # Safety
/// In a transaction with a snapshot; the function is declared with these three arrays.
unsafe fn call(function: pg_sys::Oid, uses: &[Uses]) {
    let keys: Vec<pgrx::Uuid> = uses.iter().map(|uses| pgrx::Uuid::from_bytes(uses.key)).collect();
    let counts: Vec<i64> = uses.iter().map(|uses| i64::try_from(uses.uses).unwrap_or(i64::MAX)).collect();
    let times: Vec<Option<TimestampWithTimeZone>> =
        uses.iter().map(|uses| TimestampWithTimeZone::try_from(uses.last_used_at).ok()).collect();
    let datum = |datum: Option<pg_sys::Datum>| datum.unwrap_or(pg_sys::Datum::null());
    let (keys, counts, times) =
        (datum(keys.into_datum()), datum(counts.into_datum()), datum(times.into_datum()));
    // SAFETY: as the caller promises; arrays have datums.
    unsafe { pg_sys::OidFunctionCall3Coll(function, pg_sys::InvalidOid, keys, counts, times) };
}

/// `auth.record_api_key_uses(uuid[], bigint[], timestamptz[])`, if it is ours.
///
/// # Safety
/// In a transaction.
unsafe fn recorder() -> Option<pg_sys::Oid> {
    let types = [pg_sys::UUIDARRAYOID, pg_sys::INT8ARRAYOID, pg_sys::TIMESTAMPTZARRAYOID];
    // SAFETY: catalog look-ups; the row is copied from before it is released.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"auth".as_ptr(), true);
        let owner = pg_sys::get_role_oid(c"bearer_owner".as_ptr(), true);
        let tuple = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as c_int,
            pg_sys::Datum::from(c"record_api_key_uses".as_ptr()),
            pg_sys::Datum::from(pg_sys::buildoidvector(types.as_ptr(), types.len() as c_int)),
            pg_sys::Datum::from(schema),
        );
        if tuple.is_null() {
            return None;
        }
        let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let is_ours = row.proowner == owner && owner != pg_sys::InvalidOid && row.prosecdef;
        let function = row.oid;
        pg_sys::ReleaseSysCache(tuple);
        is_ours.then_some(function)
    }
}
