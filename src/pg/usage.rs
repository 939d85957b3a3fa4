//! What API keys were used for is counted, and limited, in shared memory: no table is written, so that it works
//! in read-only transactions and on a standby. `ffi/usage_worker.rs` records the counts.

pub(super) mod recording;
pub(super) mod table;

use super::ffi::{catalog, shared};
use super::sqlstate;
use crate::verify::identity::Uuid;
use crate::verify::rate::Limit;
use pgrx::pg_sys::panic::ErrorReport;
use std::sync::atomic::Ordering::Relaxed;
use table::{Entry, Kind, Name};

/// Microseconds between two lines in the log that say what was given up.
const TELL_AGAIN_AFTER: i64 = 60_000_000;

/// A bucket that a request takes from.
struct Bucket {
    name: Name,
    limit: Option<Limit>,
}

/// Is the library in shared_preload_libraries?
pub(super) fn is_preloaded() -> bool {
    shared::is_there()
}

/// Counts one use of the key, and takes one request from its bucket and from its organization's. A refused
/// request is not counted. Nothing of it is undone by a rollback.
///
/// 53400 when it is too many; F0000 for a limit when the library is not preloaded.
pub(super) fn note(
    key: Uuid,
    key_limit: Option<Limit>,
    org: Option<Uuid>,
    org_limit: Option<Limit>,
) -> Result<(), ErrorReport> {
    let org_limit = org.zip(org_limit);
    if !is_preloaded() {
        let is_limited = key_limit.is_some() || org_limit.is_some();
        return if is_limited { Err(sqlstate::not_preloaded()) } else { Ok(()) };
    }
    let database = shared::database();
    let key = Bucket { name: Name { database, kind: Kind::Key, id: key }, limit: key_limit };
    let org = org_limit.map(|(id, limit)| (Name { database, kind: Kind::Organization, id }, limit));
    let counted = count_if_known(&key, org).or_else(|| make_and_count(&key, org));
    // Nowhere to count: without a limit it does not matter.
    let is_limited = key.limit.is_some() || org.is_some();
    counted.unwrap_or(if is_limited { Err(1) } else { Ok(()) }).map_err(sqlstate::too_many_requests)
}

/// Counts where there are entries already; `None` if there are not.
fn count_if_known(key: &Bucket, org: Option<(Name, Limit)>) -> Option<Result<(), u32>> {
    shared::with_shared(|table| {
        let entry = table.find(&key.name)?;
        let org = match org {
            Some((name, limit)) => Some((table.find(&name)?, limit)),
            None => None,
        };
        Some(count(entry, key.limit, org))
    })?
}

/// The same, making entries; `None` if there are none to have.
fn make_and_count(key: &Bucket, org: Option<(Name, Limit)>) -> Option<Result<(), u32>> {
    let now = catalog::now();
    let counted = shared::with_exclusive(|table| {
        let entry = table.find_or_make(&key.name, None, now)?;
        let org = match org {
            Some((name, limit)) => Some((table.find_or_make(&name, Some(entry), now)?, limit)),
            None => None,
        };
        Some(count(entry, key.limit, org))
    });
    tell_what_was_given_up(now);
    counted?
}

/// Takes a request, or says how many seconds to wait. From the key's bucket first: a key that is used too often
/// takes nothing from its organization.
fn count(key: &Entry, key_limit: Option<Limit>, org: Option<(&Entry, Limit)>) -> Result<(), u32> {
    if let Some(limit) = key_limit {
        key.take(limit, catalog::now)?;
    }
    if let Some((entry, limit)) = org {
        entry.take(limit, catalog::now).inspect_err(|_| {
            if let Some(limit) = key_limit {
                key.give_back(limit);
            }
        })?;
    }
    key.count(catalog::now());
    Ok(())
}

/// In the log, but not every time.
fn tell_what_was_given_up(now: i64) {
    let Some(head) = shared::head() else { return };
    let told_at = head.told_at.load(Relaxed);
    let is_due = now.abs_diff(told_at) >= TELL_AGAIN_AFTER.unsigned_abs();
    if head.has_given_up.load(Relaxed)
        && is_due
        && head.told_at.compare_exchange(told_at, now, Relaxed, Relaxed).is_ok()
    {
        head.has_given_up.store(false, Relaxed);
        sqlstate::log_given_up();
    }
}
