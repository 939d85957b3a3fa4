//! Memory that all processes share, for sessions that have to end whatever becomes of the transaction that found it out. It is
//! there when the library is in shared_preload_libraries. A crash of the server empties it.

use super::version::ADDIN_SHMEM_INIT_LOCK;
use crate::pg::reused::Reused;
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

const NAME: &CStr = c"pg_bearer_reused";
/// With room to align it.
const BYTES: usize = size_of::<Reused>() + align_of::<Reused>();

struct Local<T>(Cell<T>);
// SAFETY: a backend runs Postgres code, and so all of ours, on a single thread.
unsafe impl<T> Sync for Local<T> {}

static SHARED: Local<Option<&'static Reused>> = Local(Cell::new(None));

/// `None` where the library was not loaded at the server's start.
pub(in crate::pg) fn reused() -> Option<&'static Reused> {
    SHARED.0.get()
}

/// Asks for the memory.
///
/// # Safety
/// Only in the hook in which this is allowed.
pub(super) unsafe fn request() {
    // SAFETY: as the caller says.
    unsafe { pg_sys::RequestAddinShmemSpace(BYTES) };
}

/// Takes it, before the postmaster forks anybody, and again after a crash, when it is new.
///
/// # Safety
/// Only in the startup hook, after [`request`].
pub(super) unsafe fn start_up() {
    // SAFETY: the memory is that large, lives as long as the server, and zeros are valid atomics. It is written once,
    // before there is anybody else. An error of Postgres here ends its start.
    unsafe {
        let directory = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock;
        pg_sys::LWLockAcquire(directory, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let mut found = false;
        let memory = pg_sys::ShmemInitStruct(NAME.as_ptr(), BYTES, &mut found).cast::<u8>();
        let start = memory.add(memory.align_offset(align_of::<Reused>())).cast::<Reused>();
        if !found {
            start.write_bytes(0, 1);
        }
        pg_sys::LWLockRelease(directory);
        SHARED.0.set(Some(&*start));
    }
}
