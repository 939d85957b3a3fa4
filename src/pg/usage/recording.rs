//! From shared memory to the tables, for `ffi/usage_worker.rs`.
//!
//! Counts are read, recorded, and subtracted after the commit. What fails before the commit is still there the
//! next time; between the commit and the subtraction nothing can interrupt, and a crash takes the shared memory
//! with it. So every use is recorded at most once, and lost only in a crash, at the end of the server, or when
//! another key needed its room.

use super::table::{Head, Uses};
use crate::pg::ffi::shared;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Entries looked at without letting go of the lock. A worker records less than twice as many in a transaction,
/// which has to end within half of [`LONGEST`] also on a slow disk.
const AT_ONCE: usize = 1024;
/// How long a worker stays connected: DROP DATABASE gives up after 5 s. What is not recorded then fails.
pub(in crate::pg) const LONGEST: Duration = Duration::from_secs(1);
/// How long it begins to record another part.
const BEGINNING: Duration = Duration::from_millis(500);

/// The databases in which something is to be recorded.
pub(in crate::pg) fn databases() -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut some = [0; 64];
    for start in (0..filled()).step_by(AT_ONCE) {
        // Rather a database that is seen only the next time than an allocation with the lock held.
        let mut count = 0;
        shared::with_shared(|table| {
            table.databases(start, AT_ONCE, &mut |database| {
                let (known, rest) = some.split_at_mut(count);
                if let Some(free) = rest.first_mut().filter(|_| !known.contains(&database)) {
                    *free = database;
                    count = count.saturating_add(1);
                }
            });
        });
        found.extend(some.iter().take(count));
    }
    found
}

/// Gives `record` the unrecorded uses of a database, a part at a time, and takes them for recorded when it
/// answers true. It ends when it answers false; an error, too, leaves the rest as it is. After [`BEGINNING`] the
/// rest is left to the next run, which [`is_unfinished`] asks for.
pub(in crate::pg) fn record_all(database: u32, mut record: impl FnMut(&[Uses]) -> bool) -> bool {
    let Some(Head { resume, .. }) = shared::head() else { return true };
    let begin = Instant::now();
    let mut batch = Vec::with_capacity(AT_ONCE.saturating_mul(2));
    let mut start = usize::try_from(resume.swap(0, Relaxed)).unwrap_or(0);
    while start < filled() {
        // An entry gives at most one: there is room, so that nothing is allocated.
        shared::with_shared(|table| table.uses(database, start, AT_ONCE, &mut |uses| batch.push(uses)));
        start = start.saturating_add(AT_ONCE);
        if batch.len() > AT_ONCE || start >= filled() && !batch.is_empty() {
            if !record(&batch) {
                return false;
            }
            shared::with_shared(|table| batch.iter().for_each(|uses| table.settle(database, uses)));
            batch.clear();
        }
        if batch.is_empty() && begin.elapsed() >= BEGINNING && start < filled() {
            resume.store(u32::try_from(start).unwrap_or(0), Relaxed);
            return true;
        }
    }
    true
}

/// Has the last run left something to the next one?
pub(in crate::pg) fn is_unfinished() -> bool {
    shared::head().is_some_and(|head| head.resume.load(Relaxed) != 0)
}

/// Forgets the unrecorded uses of a database that has no place for them.
pub(in crate::pg) fn discard(database: u32) {
    for start in (0..filled()).step_by(AT_ONCE) {
        shared::with_shared(|table| table.discard(database, start, AT_ONCE));
    }
}

/// Makes this process the only one that records, until [`step_down`].
pub(in crate::pg) fn step_up(pid: u32) -> bool {
    shared::head().is_some_and(|head| head.recorder.compare_exchange(0, pid, Relaxed, Relaxed).is_ok())
}

/// Lets others record again.
pub(in crate::pg) fn step_down(pid: u32) {
    if let Some(head) = shared::head() {
        // Not the one who records: nothing to do.
        let _ = head.recorder.compare_exchange(pid, 0, Relaxed, Relaxed);
    }
}

/// A recorder has done its work.
pub(in crate::pg) fn succeed() {
    if let Some(Head { recorded, .. }) = shared::head() {
        recorded.fetch_add(1, Relaxed);
    }
}

/// How often [`succeed`] was called.
pub(in crate::pg) fn successes() -> u64 {
    shared::head().map_or(0, |head| head.recorded.load(Relaxed))
}

fn filled() -> usize {
    shared::with_shared(|table| table.filled()).unwrap_or(0)
}
