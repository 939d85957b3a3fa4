//! Everything that differs between major versions of Postgres.

use std::ffi::c_void;

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
