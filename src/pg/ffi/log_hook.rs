//! Keeps credentials that a client wrote into its SQL out of the server log.
//!
//! When a statement fails, Postgres logs its text. A client should pass credentials as bind parameters;
//! for the one that does not, the text is left out of the log.

use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::CStr;

/// Calls with a credential or a secret among their arguments, in lower case.
const CALLS: [&[u8]; 5] =
    [b"authenticate", b"verify_jwt", b"check_jwt", b"add_jwt_secret", b"pg_bearer.identity"];
/// How every JWT begins: `{"` in base64url.
const JWT_START: &[u8] = b"eyJ";

struct Previous(Cell<pg_sys::emit_log_hook_type>);
// SAFETY: a backend runs on a single thread.
unsafe impl Sync for Previous {}
static PREVIOUS: Previous = Previous(Cell::new(None));

/// Puts our hook in front of whatever is there. Called once, from `_PG_init`.
pub(in crate::pg) fn install() {
    // SAFETY: hooks are plain variables of the backend, read and written on its one thread.
    unsafe {
        PREVIOUS.0.set(pg_sys::emit_log_hook);
        pg_sys::emit_log_hook = Some(hide_credentials);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn hide_credentials(edata: *mut pg_sys::ErrorData) {
    // SAFETY: Postgres passes the error it is about to log; debug_query_string is null or nul-terminated.
    unsafe {
        if !(*edata).hide_stmt && !pg_sys::debug_query_string.is_null() {
            let statement = CStr::from_ptr(pg_sys::debug_query_string).to_bytes();
            (*edata).hide_stmt = holds_credential(statement);
        }
        if let Some(previous) = PREVIOUS.0.get() {
            previous(edata);
        }
    }
}

/// Does this text call one of our functions, or contain something that begins like a JWT?
fn holds_credential(statement: &[u8]) -> bool {
    let contains = |needle: &[u8], same: fn(&[u8], &[u8]) -> bool| {
        statement.windows(needle.len()).any(|window| same(window, needle))
    };
    contains(JWT_START, |a, b| a == b)
        || CALLS.iter().any(|call| contains(call, |a, b| a.eq_ignore_ascii_case(b)))
}

#[cfg(test)]
mod tests {
    use super::holds_credential;

    #[test]
    fn statements_with_credentials_are_recognised() {
        for text in ["select auth.authenticate('x')", "SELECT AUTH.\"authenticate\"($1)", "select f('eyJhbGci')"]
        {
            assert!(holds_credential(text.as_bytes()), "{text}");
        }
        for text in ["", "e", "select * from invoices", "select 'EYJ'"] {
            assert!(!holds_credential(text.as_bytes()), "{text}");
        }
    }
}
