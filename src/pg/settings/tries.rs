//! The setting of how many tries are told apart.

use super::at_start;
use pgrx::{GucFlags, GucRegistry, GucSetting};

static MAX_TRACKED_TRIES: GucSetting<i32> = GucSetting::<i32>::new(262_144);

/// `pg_bearer.max_tracked_tries`: the cells of a row.
pub(in crate::pg) fn max_tracked_tries() -> usize {
    usize::try_from(MAX_TRACKED_TRIES.get()).unwrap_or(0)
}

pub(super) fn define() {
    GucRegistry::define_int_guc(
        c"pg_bearer.max_tracked_tries",
        c"How many users, addresses and the like have room in shared memory to have their tries to sign in counted.",
        c"32 bytes for each. More of them are counted together, some of them. Without pg_bearer in shared_preload_libraries it has no effect.",
        &MAX_TRACKED_TRIES,
        1024,
        4_194_304,
        at_start(),
        GucFlags::default(),
    );
}
