//! Memory that all processes share, for the tickets that are open. It is there when the library is in
//! shared_preload_libraries, and as large as `pg_bearer.max_tickets` says. A crash of the server empties it.
//!
//! One LWLock guards it.

use super::version::ADDIN_SHMEM_INIT_LOCK;
use crate::pg::settings;
use crate::pg::tickets::table::{Entry, Head, Table};
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::AtomicU32;

/// Of the memory, and of the lock's tranche in `pg_stat_activity`.
const NAME: &CStr = c"pg_bearer_tickets";

/// What the postmaster set up, for the processes that it forks.
#[derive(Clone, Copy)]
struct Shared {
    table: Table<'static>,
    lock: *mut pg_sys::LWLock,
}

struct Local<T>(Cell<T>);
// SAFETY: a backend runs Postgres code, and so all of ours, on a single thread.
unsafe impl<T> Sync for Local<T> {}

static SHARED: Local<Option<Shared>> = Local(Cell::new(None));

/// Lets `look` look while no ticket is opened or taken out. It must neither raise nor allocate. `None` where the library
/// was not loaded at the server's start.
pub(in crate::pg) fn with_shared<T>(look: impl FnOnce(Table<'static>) -> T) -> Option<T> {
    locked(pg_sys::LWLockMode::LW_SHARED, look)
}

/// Lets `change` open tickets and take them out while nobody else looks. As [`with_shared`] otherwise.
pub(in crate::pg) fn with_exclusive<T>(change: impl FnOnce(Table<'static>) -> T) -> Option<T> {
    locked(pg_sys::LWLockMode::LW_EXCLUSIVE, change)
}

fn locked<T>(mode: pg_sys::LWLockMode::Type, work: impl FnOnce(Table<'static>) -> T) -> Option<T> {
    struct Held(*mut pg_sys::LWLock);
    impl Drop for Held {
        fn drop(&mut self) {
            // SAFETY: acquired below. Nothing in between raises an error of Postgres, which would have
            // released it.
            unsafe { pg_sys::LWLockRelease(self.0) }
        }
    }
    let shared = SHARED.0.get()?;
    // SAFETY: the lock lies in shared memory and was initialized by the postmaster. Acquiring holds off
    // interrupts until the release.
    unsafe { pg_sys::LWLockAcquire(shared.lock, mode) };
    let _held = Held(shared.lock);
    Some(work(shared.table))
}

/// Where the parts begin, and the size of the whole.
struct Layout {
    entries: usize,
    by_ticket: usize,
    by_holder: usize,
    size: usize,
}

impl Layout {
    /// `None` when the numbers do not fit.
    fn of(capacity: usize) -> Option<Layout> {
        // Head and entries are multiples of 64 bytes, so that everything is aligned if the beginning is.
        let chains = capacity.checked_mul(size_of::<AtomicU32>())?;
        let entries = size_of::<Head>();
        let by_ticket = capacity.checked_mul(size_of::<Entry>())?.checked_add(entries)?;
        let by_holder = by_ticket.checked_add(chains)?;
        Some(Layout { entries, by_ticket, by_holder, size: by_holder.checked_add(chains)? })
    }
}

/// Room to align the beginning: Postgres promises less than a cache line.
const ALIGNMENT: usize = align_of::<Head>();

/// Asks for the memory.
///
/// # Safety
/// Only in the hook in which both requests are allowed.
pub(super) unsafe fn request() {
    if let Some(layout) = Layout::of(settings::max_tickets()) {
        // SAFETY: as the caller says.
        unsafe {
            pg_sys::RequestAddinShmemSpace(layout.size.saturating_add(ALIGNMENT));
            pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
        }
    }
}

/// Takes it, before the postmaster forks anybody, and again after a crash, when it is new.
///
/// # Safety
/// Only in the startup hook, after [`request`].
pub(super) unsafe fn start_up() {
    let capacity = settings::max_tickets();
    // SAFETY: as the caller says.
    SHARED.0.set(Layout::of(capacity).map(|layout| unsafe { attach(capacity, &layout) }));
}

/// # Safety
/// Only in the startup hook, for the capacity that was requested.
unsafe fn attach(capacity: usize, layout: &Layout) -> Shared {
    // SAFETY: the memory is as large as `layout` with room to align it, lives as long as the server, and zeros
    // are valid atomics. It is written once, before there is anybody else. The tranche was requested with one
    // lock. An error of Postgres here ends its start.
    unsafe {
        let directory = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock;
        pg_sys::LWLockAcquire(directory, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let mut found = false;
        let size = layout.size.saturating_add(ALIGNMENT);
        let memory = pg_sys::ShmemInitStruct(NAME.as_ptr(), size, &mut found).cast::<u8>();
        let start = memory.add(memory.align_offset(ALIGNMENT));
        if !found {
            start.write_bytes(0, layout.size);
        }
        let lock = &raw mut (*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock;
        pg_sys::LWLockRelease(directory);
        let chains = |at| std::slice::from_raw_parts(start.add(at).cast::<AtomicU32>(), capacity);
        let table = Table {
            head: &*start.cast::<Head>(),
            by_ticket: chains(layout.by_ticket),
            by_holder: chains(layout.by_holder),
            entries: std::slice::from_raw_parts(start.add(layout.entries).cast::<Entry>(), capacity),
        };
        Shared { table, lock }
    }
}
