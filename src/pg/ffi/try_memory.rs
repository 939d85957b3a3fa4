//! Memory that all processes share, for tries that are counted whatever becomes of their transactions. It is there when
//! the library is in shared_preload_libraries, and as large as `pg_bearer.max_tracked_tries` says. A crash of the server
//! empties it, and so does its end.
//!
//! It needs no lock: cells are atomics, and `src/verify/tries.rs` says why that is enough.

use super::shared;
use super::version::ADDIN_SHMEM_INIT_LOCK;
use crate::pg::settings;
use crate::verify::rate::Limit;
use crate::verify::tries::{Key, ROWS, Sketch, Tried};
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::AtomicI64;

const NAME: &CStr = c"pg_bearer_tries";

/// What the postmaster set up, for the processes that it forks.
#[derive(Clone, Copy)]
struct Shared {
    sketch: Sketch<'static>,
    /// Random, and another one after every start.
    secret: [u8; 16],
}

struct Local<T>(Cell<T>);
// SAFETY: a backend runs Postgres code, and so all of ours, on a single thread.
unsafe impl<T> Sync for Local<T> {}

static SHARED: Local<Option<Shared>> = Local(Cell::new(None));

/// Counts one try of this database, or says how many seconds to wait. `None` where the library was not loaded at the
/// server's start.
pub(in crate::pg) fn take(tried: &Tried, limit: Limit) -> Option<Result<(), u32>> {
    let shared = SHARED.0.get()?;
    let key = Key::new(&shared.secret, shared::database(), limit, tried);
    Some(shared.sketch.take(&key, limit, clock))
}

/// Microseconds of a clock that nobody sets, the same in all processes.
fn clock() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time to where it is told.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec.div_euclid(1000))
}

/// How many cells there are, and the bytes that they take, with room to align them.
fn size() -> Option<(usize, usize)> {
    let cells = settings::max_tracked_tries().checked_mul(ROWS)?;
    let bytes = cells.checked_mul(size_of::<AtomicI64>())?;
    Some((cells, bytes.checked_add(align_of::<AtomicI64>())?))
}

/// Asks for the memory.
///
/// # Safety
/// Only in the hook in which this is allowed.
pub(super) unsafe fn request() {
    if let Some((_, bytes)) = size() {
        // SAFETY: as the caller says.
        unsafe { pg_sys::RequestAddinShmemSpace(bytes) };
    }
}

/// Takes it, before the postmaster forks anybody, and again after a crash, when it is new.
///
/// # Safety
/// Only in the startup hook, after [`request`].
pub(super) unsafe fn start_up() {
    let mut secret = [0; 16];
    // SAFETY: the buffer is as long as is said.
    let is_random = unsafe { pg_sys::pg_strong_random(secret.as_mut_ptr().cast(), secret.len()) };
    // SAFETY: as the caller says.
    let sketch = size().and_then(|(cells, bytes)| unsafe { attach(cells, bytes) });
    // Without random numbers there is none: others could aim at a key.
    SHARED.0.set(sketch.filter(|_| is_random).map(|sketch| Shared { sketch, secret }));
}

/// # Safety
/// Only in the startup hook, for the size that was requested.
unsafe fn attach(cells: usize, bytes: usize) -> Option<Sketch<'static>> {
    // SAFETY: the memory is that large, lives as long as the server, and zeros are valid atomics. It is written once,
    // before there is anybody else. An error of Postgres here ends its start.
    unsafe {
        let directory = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock;
        pg_sys::LWLockAcquire(directory, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let mut found = false;
        let memory = pg_sys::ShmemInitStruct(NAME.as_ptr(), bytes, &mut found).cast::<u8>();
        let start = memory.add(memory.align_offset(align_of::<AtomicI64>())).cast::<AtomicI64>();
        if !found {
            start.write_bytes(0, cells);
        }
        pg_sys::LWLockRelease(directory);
        Sketch::new(std::slice::from_raw_parts(start, cells))
    }
}
