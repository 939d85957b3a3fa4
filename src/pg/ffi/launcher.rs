//! The process that lives as long as the server accepts writes, and starts a short-lived worker for each job and
//! each database in which there is something to do, one after the other.

use super::reuse_worker;
use super::usage_worker;
use super::version::{
    INVALID_DATABASE, SignalHandlerForConfigReload, SignalHandlerForShutdownRequest, handle_signal,
};
use super::worker::Job;
use pgrx::{IntoDatum, pg_guard, pg_sys};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, c_char, c_int};
use std::time::{Duration, Instant};

/// What is done in the background.
const JOBS: [Job; 2] = [usage_worker::JOB, reuse_worker::JOB];

/// Seconds after which the postmaster starts a launcher that failed again.
const RESTART_AFTER: u8 = 10;
/// The longest time between two attempts with a database in which a job fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Workers that follow one another in the same database before it is another one's turn.
const MOST_RUNS: u64 = 10;

/// Has the postmaster start the launcher. Called from `_PG_init`, and only while the server is loading the
/// library at its start.
pub(in crate::pg) fn register() {
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
    let mut schedules = JOBS.map(Schedule::new);
    loop {
        for schedule in &mut schedules {
            if schedule.rest().is_zero() {
                schedule.run_everywhere();
            }
        }
        wait(schedules.iter().map(Schedule::rest).min().unwrap_or(LONGEST_PAUSE));
    }
}

/// When a job is to be done next, and where not.
struct Schedule {
    job: Job,
    /// The end of its last round.
    last: Instant,
    /// Databases in which it failed: how often in a row, and when to try again.
    failing: BTreeMap<u32, (u32, Instant)>,
    /// The log knows that there are too few workers.
    has_complained: bool,
}

impl Schedule {
    fn new(job: Job) -> Schedule {
        Schedule { job, last: Instant::now(), failing: BTreeMap::new(), has_complained: false }
    }

    /// The time until the next round.
    fn rest(&self) -> Duration {
        (self.job.interval)().saturating_sub(self.last.elapsed())
    }

    fn run_everywhere(&mut self) {
        let wanted = (self.job.databases)();
        if !wanted.is_empty() {
            let existing = existing_databases();
            self.failing.retain(|database, _| existing.contains(database));
            for database in wanted {
                if !existing.contains(&database) {
                    (self.job.forget)(database);
                } else if self.failing.get(&database).is_none_or(|(_, again)| Instant::now() >= *again) {
                    self.run(database);
                }
            }
        }
        self.last = Instant::now();
    }

    fn run(&mut self, database: u32) {
        let (before, mut runs) = ((self.job.successes)(), 0);
        let (mut has_run, mut is_good) = (true, true);
        while has_run && is_good && runs < MOST_RUNS && (runs == 0 || (self.job.is_unfinished)()) {
            has_run = run_worker(&self.job, database);
            runs = runs.saturating_add(1);
            is_good = (self.job.successes)() == before.saturating_add(runs);
        }
        if !has_run && !self.has_complained {
            let purpose = self.job.purpose;
            pgrx::log!("pg_bearer cannot start a worker to {purpose}; raise max_worker_processes");
        }
        self.has_complained = !has_run;
        if !has_run || is_good {
            self.failing.remove(&database);
            return;
        }
        // The worker has said why in the log.
        let times = self.failing.get(&database).map_or(0, |(times, _)| times.saturating_add(1));
        let pause = (self.job.interval)().saturating_mul(1 << times.min(8)).min(LONGEST_PAUSE);
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
fn run_worker(job: &Job, database: u32) -> bool {
    let mut worker = description(job.name, job.entry);
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
