//! Memory that all processes of the server share, for what is counted per key. It is there when the library is
//! in shared_preload_libraries, and as large as `pg_bearer.max_tracked_keys` says.
//!
//! One LWLock guards it: shared to find an entry, whose numbers are atomics, exclusive to make one.

use super::reuse_memory;
use super::ticket_memory;
use super::try_memory;
use super::version::ADDIN_SHMEM_INIT_LOCK;
use crate::pg::settings;
use crate::pg::usage::table::{Entry, Head, Table};
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::CStr;
use std::sync::atomic::AtomicU32;

/// Of the memory, and of the lock's tranche in `pg_stat_activity`.
const NAME: &CStr = c"pg_bearer";

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
static PREVIOUS_REQUEST: Local<pg_sys::shmem_request_hook_type> = Local(Cell::new(None));
static PREVIOUS_STARTUP: Local<pg_sys::shmem_startup_hook_type> = Local(Cell::new(None));

/// Is the server loading the library at its start?
pub(in crate::pg) fn is_preloading() -> bool {
    // SAFETY: reads a flag.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Asks for the memory. Called from `_PG_init`, and only while [preloading](is_preloading).
pub(in crate::pg) fn install() {
    // SAFETY: hooks are plain variables of the postmaster, read and written on its one thread.
    unsafe {
        PREVIOUS_REQUEST.0.set(pg_sys::shmem_request_hook);
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP.0.set(pg_sys::shmem_startup_hook);
        pg_sys::shmem_startup_hook = Some(start_up);
    }
}

/// Is there shared memory?
pub(in crate::pg) fn is_there() -> bool {
    SHARED.0.get().is_some()
}

/// Lets `look` look for entries while none is made or replaced. It must neither raise nor allocate. `None`
/// without shared memory.
pub(in crate::pg) fn with_shared<T>(look: impl FnOnce(Table<'static>) -> T) -> Option<T> {
    locked(pg_sys::LWLockMode::LW_SHARED, look)
}

/// Lets `change` make and replace entries while nobody else looks. As [`with_shared`] otherwise.
pub(in crate::pg) fn with_exclusive<T>(change: impl FnOnce(Table<'static>) -> T) -> Option<T> {
    locked(pg_sys::LWLockMode::LW_EXCLUSIVE, change)
}

/// The head alone, which needs no lock.
pub(in crate::pg) fn head() -> Option<&'static Head> {
    SHARED.0.get().map(|shared| shared.table.head)
}

/// The database of this process, as entries name it.
pub(in crate::pg) fn database() -> u32 {
    // SAFETY: set when the process connected.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
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
    chains: usize,
    size: usize,
}

impl Layout {
    /// `None` when the numbers do not fit.
    fn of(capacity: usize) -> Option<Layout> {
        // Head and entries are multiples of 64 bytes, so that everything is aligned if the beginning is.
        let entries = size_of::<Head>();
        let chains = capacity.checked_mul(size_of::<Entry>())?.checked_add(entries)?;
        let size = capacity.checked_mul(size_of::<AtomicU32>())?.checked_add(chains)?;
        Some(Layout { entries, chains, size })
    }
}

/// Room to align the beginning: Postgres promises less than a cache line.
const ALIGNMENT: usize = align_of::<Head>();

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: this is the hook in which both requests are allowed; the previous one is called as Postgres would.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST.0.get() {
            previous();
        }
        if let Some(layout) = Layout::of(settings::max_tracked_keys()) {
            pg_sys::RequestAddinShmemSpace(layout.size.saturating_add(ALIGNMENT));
            pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
        }
        ticket_memory::request();
        try_memory::request();
        reuse_memory::request();
    }
}

/// Runs in the postmaster before it forks anybody, and again after a crash, when the memory is new.
#[pg_guard]
unsafe extern "C-unwind" fn start_up() {
    // SAFETY: the previous hook is called as Postgres would; we are in the hook in which memory is given out.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP.0.get() {
            previous();
        }
        let capacity = settings::max_tracked_keys();
        SHARED.0.set(Layout::of(capacity).map(|layout| attach(capacity, &layout)));
        ticket_memory::start_up();
        try_memory::start_up();
        reuse_memory::start_up();
    }
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
        let table = Table {
            head: &*start.cast::<Head>(),
            entries: std::slice::from_raw_parts(start.add(layout.entries).cast::<Entry>(), capacity),
            chains: std::slice::from_raw_parts(start.add(layout.chains).cast::<AtomicU32>(), capacity),
        };
        Shared { table, lock }
    }
}
