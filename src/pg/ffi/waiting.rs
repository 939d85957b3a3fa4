//! Waiting that can be cancelled, and ends with the server.

use pgrx::pg_sys;
use std::ffi::{c_int, c_long};
use std::time::{Duration, Instant};

/// Waits for so long, as whole milliseconds. A cancelled query, a timeout and the end of the session raise.
pub(in crate::pg) fn pause(time: Duration) {
    let events = (pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH) as c_int;
    let start = Instant::now();
    loop {
        pgrx::check_for_interrupts!();
        let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else { return };
        let milliseconds = left.as_micros().div_ceil(1000).clamp(1, 3_600_000) as c_long;
        // SAFETY: the process's own latch. Whoever else waits for it looks again at what he waits for.
        unsafe {
            pg_sys::WaitLatch(pg_sys::MyLatch, events, milliseconds, pg_sys::PG_WAIT_EXTENSION);
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
    }
}
