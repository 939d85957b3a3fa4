//! Everything that differs between major versions of Postgres.
//!
//! Each difference names every version, so that one that is added does not compile before somebody has looked at
//! all of them, and is mistaken for none of its predecessors.

use super::executor::{enter, leave, previous_run};
use pgrx::pg_sys;
use std::ffi::{CStr, c_void};

#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
compile_error!("a feature has to say for which PostgreSQL this is built: pg15, pg16, pg17 or pg18");

#[cfg(any(
    all(feature = "pg15", any(feature = "pg16", feature = "pg17", feature = "pg18")),
    all(feature = "pg16", any(feature = "pg15", feature = "pg17", feature = "pg18")),
    all(feature = "pg17", any(feature = "pg15", feature = "pg16", feature = "pg18")),
    all(feature = "pg18", any(feature = "pg15", feature = "pg16", feature = "pg17")),
))]
compile_error!("one library is for one PostgreSQL: choose one of pg15, pg16, pg17 and pg18");

#[cfg(feature = "pg15")]
const MAJOR: u32 = 15;
#[cfg(feature = "pg16")]
const MAJOR: u32 = 16;
#[cfg(feature = "pg17")]
const MAJOR: u32 = 17;
#[cfg(feature = "pg18")]
const MAJOR: u32 = 18;
const _: () = assert!(
    MAJOR == pg_sys::PG_MAJORVERSION_NUM,
    "the headers are those of another major version than the one that the feature names"
);

// Called without a guard, as in executor.rs.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
        once: bool,
    );
}
#[cfg(feature = "pg18")]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
    );
}

/// Settings that not all versions have and that could end a background worker, with the values that it needs.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub(super) const PINNED: [(&CStr, &CStr); 0] = [];
#[cfg(any(feature = "pg17", feature = "pg18"))]
pub(super) const PINNED: [(&CStr, &CStr); 1] = [(c"transaction_timeout", c"0")];

/// Memory for a setting's `extra` block, which the settings machinery frees itself: with `free` on 15,
/// in its own memory context from 16 on. Null when there is none left.
pub(super) fn allocate_extra(size: usize) -> *mut c_void {
    #[cfg(feature = "pg15")]
    // SAFETY: plain malloc; a null result is the caller's to handle.
    unsafe {
        libc::malloc(size)
    }
    #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
    // SAFETY: guc_malloc with an elevel below ERROR returns null instead of raising.
    unsafe {
        pg_sys::guc_malloc(pg_sys::LOG as i32, size)
    }
}

/// Sets the handler of a signal.
pub(super) fn handle_signal(signal: u32, handler: pg_sys::pqsigfunc) {
    // SAFETY: the handler is one of Postgres's own, made for this.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        pg_sys::pqsignal(signal as i32, handler);
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(signal as i32, handler);
    }
}

/// May the current user execute this function?
pub(super) fn may_execute(function: pg_sys::Oid) -> bool {
    let right = pg_sys::ACL_EXECUTE as pg_sys::AclMode;
    // SAFETY: catalog look-ups in a transaction.
    let result = unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        let result = pg_sys::pg_proc_aclcheck(function, user, right);
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        let result = pg_sys::object_aclcheck(pg_sys::ProcedureRelationId, function, user, right);
        result
    };
    result == pg_sys::AclResult::ACLCHECK_OK
}

/// May this user SET ROLE to that one?
pub(super) fn may_become(user: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups in a transaction.
    unsafe {
        #[cfg(feature = "pg15")]
        let may = pg_sys::is_member_of_role(user, role);
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        let may = pg_sys::member_can_set_role(user, role);
        may
    }
}

/// Runs a started query to its end.
pub(super) unsafe fn run_executor(query: *mut pg_sys::QueryDesc) {
    let forward = pg_sys::ScanDirection::ForwardScanDirection;
    // SAFETY: the caller's query was started and not run yet.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        pg_sys::ExecutorRun(query, forward, 0, true);
        #[cfg(feature = "pg18")]
        pg_sys::ExecutorRun(query, forward, 0);
    }
}

/// The hook of ExecutorRun.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
pub(super) unsafe extern "C-unwind" fn run_query(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    once: bool,
) {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        let before = enter(query);
        previous_run().unwrap_or(standard_ExecutorRun)(query, direction, count, once);
        leave(before, query, count);
    }
}

/// The hook of ExecutorRun.
#[cfg(feature = "pg18")]
pub(super) unsafe extern "C-unwind" fn run_query(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        let before = enter(query);
        previous_run().unwrap_or(standard_ExecutorRun)(query, direction, count);
        leave(before, query, count);
    }
}
