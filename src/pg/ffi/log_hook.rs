//! Sees every message on its way to the server log: masks credentials in it, says what to do where the library is
//! newer than the schema, answers HTTP requests, names them, and drops what hooks say.

use super::answering;
use super::error_text::{bytes, joined};
use super::hooks;
use super::log_masks;
use super::log_request;
use crate::pg::sqlstate;
use crate::verify::masking::SCHEMAS;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;

/// What is added to the hint of an error about a function of ours that is not there.
const UPDATE: &[u8] = b"If the package was upgraded, run ALTER EXTENSION pg_bearer UPDATE.";
/// A hint that is longer, or a message, is not of that error.
const LONGEST: usize = 8192;

struct Previous(Cell<pg_sys::emit_log_hook_type>);
// SAFETY: a backend runs on a single thread.
unsafe impl Sync for Previous {}
static PREVIOUS: Previous = Previous(Cell::new(None));

/// Puts our hook in front of whatever is there. Called once, from `_PG_init`.
pub(in crate::pg) fn install() {
    // SAFETY: hooks are plain variables of the backend, read and written on its one thread.
    unsafe {
        PREVIOUS.0.set(pg_sys::emit_log_hook);
        pg_sys::emit_log_hook = Some(before_logging);
    }
}

/// Switches Rust's backtraces off: pgrx would send them to the client.
/// Called once, from `_PG_init`.
pub(in crate::pg) fn disable_backtraces() {
    for variable in ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"] {
        if std::env::var_os(variable).is_some() {
            // SAFETY: a backend has a single thread.
            unsafe { std::env::set_var(variable, "0") }
        }
    }
}

/// Nothing in it needs dropping when an error of the previous hook jumps over it.
unsafe extern "C-unwind" fn before_logging(edata: *mut pg_sys::ErrorData) {
    // SAFETY: Postgres passes the error it is about to log, and so do we.
    unsafe {
        if hooks::silences(edata) {
            (*edata).output_to_server = false;
            return;
        }
        let statement = log_masks::mask_texts(edata);
        hint_at_update(edata);
        answering::answer_request(edata);
        log_request::name_request(edata);
        if statement.is_null() {
            call_previous(edata);
        } else {
            log_masks::log_with_statement(edata, statement, Some(call_previous));
        }
    }
}

/// What stands in for the hook while it logs a message itself.
unsafe extern "C-unwind" fn call_previous(edata: *mut pg_sys::ErrorData) {
    if let Some(previous) = PREVIOUS.0.get() {
        // SAFETY: Postgres passes the error it is about to log, and so do we.
        unsafe { previous(edata) }
    }
}

/// The client sees it too: Postgres sends the error after it has been here.
#[pg_guard]
unsafe extern "C-unwind" fn hint_at_update(edata: *mut pg_sys::ErrorData) {
    // SAFETY: as above; the texts of an error are null or terminated.
    unsafe {
        let edata = &mut *edata;
        if !sqlstate::is_undefined_function(edata.sqlerrcode) || !names_function_of_ours(bytes(edata.message))
        {
            return;
        }
        let hint = bytes(edata.hint);
        // An error of a parallel worker comes here twice.
        let is_told = hint.windows(UPDATE.len()).any(|window| window == UPDATE);
        if is_told || hint.len() > LONGEST {
            return;
        }
        let between: &[u8] = if hint.is_empty() { b"" } else { b" " };
        let text = joined(edata, &[hint, between, UPDATE]);
        if !text.is_null() {
            edata.hint = text;
        }
    }
}

/// Does this message, in whatever language, name a function of one of our schemas before it names arguments?
pub(super) fn names_function_of_ours(message: &[u8]) -> bool {
    let end = message.iter().take(LONGEST).position(|byte| *byte == b'(');
    let before = end.and_then(|end| message.get(..end)).unwrap_or_default();
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let name =
        before.iter().rposition(|byte| !word(byte) && *byte != b'.').map_or(0, |last| last.saturating_add(1));
    // Another script may go without blanks; a quoted name, or one with a dollar sign, is none of ours.
    let (ahead, name) = before.split_at_checked(name).unwrap_or_default();
    let starts_anew = !matches!(ahead.last(), Some(b'"' | b'$'));
    let in_schema = |schema: &&[u8]| name.strip_prefix(*schema).and_then(|rest| rest.strip_prefix(b"."));
    let function = SCHEMAS.iter().find_map(in_schema);
    starts_anew && function.is_some_and(|function| !function.is_empty() && function.iter().all(word))
}

#[cfg(test)]
mod tests {
    use super::names_function_of_ours;

    #[test]
    fn functions_of_ours_are_recognised_in_every_language() {
        for text in [
            "function auth.help() does not exist",
            "Funktion auth.help(integer, auth.issuers) existiert nicht",
            "関数auth_internal.x1(uuid)は存在しません",
            "auth.help(unknown)",
            "function auth_http.token(text) does not exist",
        ] {
            assert!(names_function_of_ours(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "(",
            "auth.",
            "function auth.() does not exist",
            "function help() does not exist",
            "function public.help(auth.issuers) does not exist",
            "function f(auth.help()) does not exist",
            "function my_auth.help() does not exist",
            "function my.auth.help() does not exist",
            "function \"auth.help() does not exist",
            "function x$auth.help() does not exist",
            "function auth_internals.help() does not exist",
            "function auth.a b() does not exist",
            "operator does not exist: auth.issuers = integer",
            "could not find function \"auth.help\" in file \"x\"",
        ] {
            assert!(!names_function_of_ours(text.as_bytes()), "{text}");
        }
    }
}
