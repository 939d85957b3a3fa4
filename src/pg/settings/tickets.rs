//! The setting of tickets.

use super::at_start;
use crate::pg::ffi::carrier;
use pgrx::{GucFlags, GucRegistry, GucSetting};
use std::cell::Cell;

/// In doubt there are none: a client may have hidden that they are turned off.
static MAX_TICKETS: GucSetting<i32> = GucSetting::<i32>::new(10_000);
static MAX_TICKETS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);

thread_local! {
    static DOUBTED: Cell<bool> = const { Cell::new(false) };
}

/// `pg_bearer.max_tickets`; 0 turns tickets off.
pub(in crate::pg) fn max_tickets() -> usize {
    let setting = if DOUBTED.get() { &MAX_TICKETS_IN_DOUBT } else { &MAX_TICKETS };
    usize::try_from(setting.get()).unwrap_or(0)
}

pub(super) fn define() {
    let name = c"pg_bearer.max_tickets";
    let in_doubt = carrier::was_set_by_session(name);
    DOUBTED.set(in_doubt);
    GucRegistry::define_int_guc(
        name,
        c"How many tickets may be open at a time, of all databases; 0 turns tickets off.",
        c"Without pg_bearer in shared_preload_libraries nothing is kept of them, and only 0 has an effect.",
        if in_doubt { &MAX_TICKETS_IN_DOUBT } else { &MAX_TICKETS },
        0,
        100_000,
        at_start(),
        GucFlags::default(),
    );
}
