//! Locks that are nobody's row: no SQL of a user can take one but through our functions, and the end of the transaction
//! releases them at the latest. The locks that Postgres has for applications would be anybody's.

use pgrx::pg_sys;
use sha2::{Digest, Sha256};
use std::ffi::CStr;

/// The table whose number tells these locks from those of Postgres, which are on objects of its catalogs.
const SCHEMA: &CStr = c"auth";
const TABLE: &CStr = c"organizations";

/// The class of the locks that all databases share: objects of pg_shseclabel, which are nothing that SQL could name.
const SHARED_CLASS: u32 = 3592;

/// What there are so and so many of on the server, whatever the database.
#[derive(Clone, Copy)]
pub(in crate::pg) enum Places {
    /// Who hashes a password.
    Hashing,
    /// Who waits for one of those.
    Waiting,
}

/// One of them, held until it is released or the transaction ends, or its part that a savepoint began.
pub(in crate::pg) struct Place(pg_sys::LOCKTAG);

impl Places {
    /// Takes this one alone, unless somebody has it. Never waits.
    pub(in crate::pg) fn take(self, number: u32) -> Option<Place> {
        let tag = pg_sys::LOCKTAG {
            locktag_field1: 0,
            locktag_field2: SHARED_CLASS,
            locktag_field3: number,
            locktag_field4: match self {
                Places::Hashing => 1,
                Places::Waiting => 2,
            },
            locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
            locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        };
        // SAFETY: we are in a transaction, which owns the lock.
        let result = unsafe { pg_sys::LockAcquire(&tag, mode(true), false, true) };
        (result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL).then_some(Place(tag))
    }
}

impl Place {
    /// Lets it go. There is no Drop: where an error of Postgres's unwinds, the end of the transaction does this.
    pub(in crate::pg) fn release(self) {
        // SAFETY: what was acquired is released once, with the same mode.
        unsafe { pg_sys::LockRelease(&self.0, mode(true), false) };
    }
}

/// Locks what `name` says until the transaction ends, alone or together with others who share it. Without `wait` it
/// gives up where somebody is in the way; with it, `lock_timeout` applies. Says whether the lock is held.
///
/// Two names can mean one lock by chance, which only makes somebody wait or go another way.
pub(in crate::pg) fn take(name: &[u8], alone: bool, wait: bool) -> bool {
    let Some(tag) = tag(name) else { return false };
    // SAFETY: we are in a transaction, which owns the lock.
    let result = unsafe { pg_sys::LockAcquire(&tag, mode(alone), false, !wait) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

/// Does nobody else hold the lock? It is taken alone and let go at once, without waiting.
pub(in crate::pg) fn is_free(name: &[u8]) -> bool {
    let Some(tag) = tag(name) else { return false };
    // SAFETY: we are in a transaction; what was acquired is released once, with the same mode.
    unsafe {
        let result = pg_sys::LockAcquire(&tag, mode(true), false, true);
        let is_free = result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
        if is_free {
            pg_sys::LockRelease(&tag, mode(true), false);
        }
        is_free
    }
}

fn mode(alone: bool) -> pg_sys::LOCKMODE {
    (if alone { pg_sys::ExclusiveLock } else { pg_sys::ShareLock }) as pg_sys::LOCKMODE
}

fn tag(name: &[u8]) -> Option<pg_sys::LOCKTAG> {
    let digest = Sha256::digest(name);
    let [a, b, c, d, e, f, ..] = digest.as_slice() else { return None };
    // SAFETY: looks up names in the catalogs. The tag is what SET_LOCKTAG_OBJECT() of lock.h makes.
    unsafe {
        let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
        Some(pg_sys::LOCKTAG {
            locktag_field1: u32::from(pg_sys::MyDatabaseId),
            locktag_field2: u32::from(pg_sys::get_relname_relid(TABLE.as_ptr(), schema)),
            locktag_field3: u32::from_le_bytes([*a, *b, *c, *d]),
            locktag_field4: u16::from_le_bytes([*e, *f]),
            locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
            locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
        })
    }
}
