//! The settings of what is kept in shared memory until a worker records it.

use super::at_start;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::time::Duration;

/// Room for this many keys and organizations in shared memory.
static MAX_TRACKED_KEYS: GucSetting<i32> = GucSetting::<i32>::new(10_000);

/// Seconds between two rounds of the workers.
static USAGE_FLUSH_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(5);

/// Of `pg_bearer.max_tracked_keys`.
pub(in crate::pg) fn max_tracked_keys() -> usize {
    usize::try_from(MAX_TRACKED_KEYS.get()).unwrap_or(0)
}

/// `pg_bearer.usage_flush_interval`.
pub(in crate::pg) fn usage_flush_interval() -> Duration {
    Duration::from_secs(u64::try_from(USAGE_FLUSH_INTERVAL.get()).unwrap_or(5))
}

pub(super) fn define() {
    GucRegistry::define_int_guc(
        c"pg_bearer.max_tracked_keys",
        c"How many API keys and organizations have room in shared memory to be counted and limited.",
        c"Without pg_bearer in shared_preload_libraries it has no effect.",
        &MAX_TRACKED_KEYS,
        100,
        1_000_000,
        at_start(),
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_bearer.usage_flush_interval",
        c"Time between two recordings of how often API keys were used, and of sessions that end whatever was rolled back.",
        c"What was noted since the last one is lost when the server stops. Without pg_bearer in shared_preload_libraries it has no effect.",
        &USAGE_FLUSH_INTERVAL,
        1,
        3600,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
}
