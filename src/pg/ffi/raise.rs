//! Raising an error whose SQLSTATE is not one of PostgreSQL's: pgrx knows no others.

use super::version::{errcode, errdetail_internal, errfinish, errmsg_internal, errstart};
use pgrx::pg_sys;
use std::ffi::{CStr, CString, c_char, c_int};

const RAISER: &CStr = c"pg_bearer_raise";
/// How an error says that it was raised here.
pub(super) const NAME: &str = "pg_bearer_raise";

/// An error that can be raised when nothing is left to be dropped: its texts are in PostgreSQL's memory.
#[derive(Clone, Copy)]
pub(in crate::pg) struct Raisable {
    code: c_int,
    message: *const c_char,
    detail: *const c_char,
}

impl Raisable {
    /// One with this SQLSTATE, message and detail. A text with a NUL is cut off before it.
    pub(in crate::pg) fn new(state: &[u8; 5], message: &str, detail: &str) -> Raisable {
        Raisable { code: packed(state), message: copied(message), detail: copied(detail) }
    }

    /// Raises it. The caller, and whoever called that, must have nothing to drop: PostgreSQL jumps over them.
    pub(in crate::pg) fn raise(self) {
        // SAFETY: as the macro ereport() does. The texts are terminated and live until the error is dealt with; the jump passes
        // this frame and the caller's.
        unsafe {
            if errstart(pg_sys::PGERROR as c_int, std::ptr::null()) {
                errcode(self.code);
                errmsg_internal(c"%s".as_ptr(), self.message);
                errdetail_internal(c"%s".as_ptr(), self.detail);
                errfinish(c"raise.rs".as_ptr(), 0, RAISER.as_ptr());
            }
        }
    }
}

/// A SQLSTATE of five characters, as elog.h packs it.
pub(super) fn packed(state: &[u8; 5]) -> c_int {
    let six_bits = |byte: u8| c_int::from(byte.wrapping_sub(b'0') & 0x3F);
    state.iter().rev().fold(0, |code, byte| code << 6 | six_bits(*byte))
}

fn copied(text: &str) -> *const c_char {
    let text = CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default();
    // SAFETY: a terminated string, which is copied into the current memory context.
    unsafe { pg_sys::pstrdup(text.as_ptr()) }
}
