//! The worker that records how often API keys were used.

use super::worker::{self, Job, Worker};
use crate::pg::settings;
use crate::pg::usage::recording;
use crate::pg::usage::table::Uses;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::{IntoDatum, pg_guard, pg_sys};
use std::ffi::c_int;

pub(super) const JOB: Job = Job {
    name: c"pg_bearer usage",
    entry: c"pg_bearer_usage",
    purpose: "record uses of API keys",
    interval: settings::usage_flush_interval,
    databases: recording::databases,
    forget: recording::discard,
    successes: recording::successes,
    is_unfinished: recording::is_unfinished,
};

/// Records the uses of one database, and ends.
#[pg_guard]
#[unsafe(no_mangle)]
extern "C-unwind" fn pg_bearer_usage(database: pg_sys::Datum) {
    let Some(worker) = Worker::start(database, recording::LONGEST, step_up) else { return };
    if !recording::record_all(worker.database(), |uses| record(&worker, uses)) {
        recording::discard(worker.database());
    }
    recording::succeed();
}

/// The launcher waits for its worker, but one that was restarted does not know of its predecessor's: two of them
/// would record the same uses.
fn step_up() -> bool {
    // SAFETY: the callback is called once, when the process ends.
    unsafe {
        pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::null());
        recording::step_up(pg_sys::MyProcPid as u32)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_exit(_code: c_int, _argument: pg_sys::Datum) {
    // SAFETY: set when the process began.
    recording::step_down(unsafe { pg_sys::MyProcPid } as u32);
}

/// Records these uses in a transaction of their own; false if the database has no place for them.
fn record(worker: &Worker, uses: &[Uses]) -> bool {
    let types = [pg_sys::UUIDARRAYOID, pg_sys::INT8ARRAYOID, pg_sys::TIMESTAMPTZARRAYOID];
    worker.transaction(c"recording uses of API keys", || {
        // SAFETY: in a transaction with a snapshot; the function has arguments of these types.
        unsafe {
            let function = worker::function(c"record_api_key_uses", &types);
            if let Some(function) = function {
                call(function, uses);
            }
            function.is_some()
        }
    })
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
