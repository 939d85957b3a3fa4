//! Everything that differs between major versions of Postgres.

use super::executor::{enter, leave, previous_run};
use std::ffi::{CStr, c_void};

/// Settings that not all versions have and that could end a background worker, with the values that it needs.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub(super) const PINNED: [(&CStr, &CStr); 0] = [];
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
pub(super) const PINNED: [(&CStr, &CStr); 1] = [(c"transaction_timeout", c"0")];

/// Memory for a setting's `extra` block, which the settings machinery frees itself: with `free` on 15,
/// in its own memory context from 16 on. Null when there is none left.
pub(super) fn allocate_extra(size: usize) -> *mut c_void {
    #[cfg(feature = "pg15")]
    // SAFETY: plain malloc; a null result is the caller's to handle.
    unsafe {
        libc::malloc(size)
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: guc_malloc with an elevel below ERROR returns null instead of raising.
    unsafe {
        pgrx::pg_sys::guc_malloc(pgrx::pg_sys::LOG as i32, size)
    }
}

/// Sets the handler of a signal.
pub(super) fn handle_signal(signal: u32, handler: pgrx::pg_sys::pqsigfunc) {
    // SAFETY: the handler is one of Postgres's own, made for this.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pgrx::pg_sys::pqsignal(signal as i32, handler);
        #[cfg(feature = "pg18")]
        pgrx::pg_sys::pqsignal_be(signal as i32, handler);
    }
}

/// May the current user execute this function?
pub(super) fn may_execute(function: pgrx::pg_sys::Oid) -> bool {
    let right = pgrx::pg_sys::ACL_EXECUTE as pgrx::pg_sys::AclMode;
    // SAFETY: catalog look-ups in a transaction.
    let result = unsafe {
        let user = pgrx::pg_sys::GetUserId();
        #[cfg(feature = "pg15")]
        let result = pgrx::pg_sys::pg_proc_aclcheck(function, user, right);
        #[cfg(not(feature = "pg15"))]
        let result = pgrx::pg_sys::object_aclcheck(pgrx::pg_sys::ProcedureRelationId, function, user, right);
        result
    };
    result == pgrx::pg_sys::AclResult::ACLCHECK_OK
}

/// Runs a started query to its end.
pub(super) unsafe fn run_executor(query: *mut pgrx::pg_sys::QueryDesc) {
    let forward = pgrx::pg_sys::ScanDirection::ForwardScanDirection;
    // SAFETY: the caller's query was started and not run yet.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pgrx::pg_sys::ExecutorRun(query, forward, 0, true);
        #[cfg(feature = "pg18")]
        pgrx::pg_sys::ExecutorRun(query, forward, 0);
    }
}

/// May this user SET ROLE to that one?
pub(super) fn may_become(user: pgrx::pg_sys::Oid, role: pgrx::pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups in a transaction.
    unsafe {
        #[cfg(feature = "pg15")]
        let may = pgrx::pg_sys::is_member_of_role(user, role);
        #[cfg(not(feature = "pg15"))]
        let may = pgrx::pg_sys::member_can_set_role(user, role);
        may
    }
}

// Called without a guard, as in executor.rs.
#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pgrx::pg_sys::QueryDesc,
        direction: pgrx::pg_sys::ScanDirection::Type,
        count: u64,
        once: bool,
    );
}
#[cfg(feature = "pg18")]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pgrx::pg_sys::QueryDesc,
        direction: pgrx::pg_sys::ScanDirection::Type,
        count: u64,
    );
}

/// The hook of ExecutorRun.
#[cfg(not(feature = "pg18"))]
pub(super) unsafe extern "C-unwind" fn run_query(
    query: *mut pgrx::pg_sys::QueryDesc,
    direction: pgrx::pg_sys::ScanDirection::Type,
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
    query: *mut pgrx::pg_sys::QueryDesc,
    direction: pgrx::pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        let before = enter(query);
        previous_run().unwrap_or(standard_ExecutorRun)(query, direction, count);
        leave(before, query, count);
    }
}
