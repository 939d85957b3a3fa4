//! Masks what must not be logged in the texts of a message, and in the statement that Postgres logs with it.
//!
//! No masked text is longer than it was, so each is written over: nothing is allocated that the message would have to
//! free. The statement is somebody else's; a masked copy stands in for it while the message is logged.

use super::error_text::bytes;
use super::log_hook::names_function_of_ours;
use crate::pg::sqlstate;
use crate::verify::masking::{
    Characters, Mask, ROOM, Reading, Secrets, byte_of, characters_before, names_function, names_secrets,
    quotes_call, quotes_parameters, statement_names_function,
};
use pgrx::{pg_guard, pg_sys};
use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int};

/// Room for one masked text and its end. It is there when memory is not, and touched only when it is needed.
struct Room(UnsafeCell<[u8; ROOM + 1]>);
// SAFETY: a backend runs on a single thread.
unsafe impl Sync for Room {}
static TEXT: Room = Room(UnsafeCell::new([0; ROOM + 1]));
static STATEMENT: Room = Room(UnsafeCell::new([0; ROOM + 1]));

/// Masks the texts of this message. Returns what to log as the statement, or null for the statement itself.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn mask_texts(edata: *mut pg_sys::ErrorData) -> *const c_char {
    // SAFETY: Postgres passes the error it is about to log.
    unsafe {
        let edata = &mut *edata;
        if is_line_of_ours(edata) {
            // Says what there is to say. Whoever guesses keys would fill the log with statements.
            edata.hide_stmt = true;
            edata.hide_ctx = true;
        }
        // The masked copy itself, where an error came up while it was logged.
        let statement =
            Some(pg_sys::debug_query_string).filter(|text| !std::ptr::eq(*text, STATEMENT.0.get().cast()));
        let statement = bytes(statement.unwrap_or(std::ptr::null()));
        let calls = calls_function(edata, statement);
        let backslashes = !pg_sys::standard_conforming_strings;
        let secrets = learned(edata, statement, calls && !is_ours(edata), backslashes);
        let mask = |reading| Mask { reading, backslashes, secrets: &secrets };
        mask_internal_query(edata, mask(Reading::Sql));
        for (text, reading) in readings(edata, statement, calls) {
            overwrite(text, mask(reading), 0);
        }
        for text in names(edata) {
            overwrite(text, Mask { secrets: &NONE, ..mask(Reading::Plain) }, 0);
        }
        if edata.hide_stmt || !is_logged_with_statement(edata.elevel) {
            return std::ptr::null();
        }
        let copy = STATEMENT.0.get();
        match in_sql(calls, mask(Reading::Sql)).apply(statement, 0, &mut *copy) {
            Some(masked) => {
                end(&mut *copy, masked.length);
                copy.cast()
            }
            None => std::ptr::null(),
        }
    }
}

static NONE: Secrets = Secrets::none();

/// What the texts of a message must not repeat of the statement's literals, its parameters, and credentials anywhere.
unsafe fn learned(edata: &pg_sys::ErrorData, statement: &[u8], repeats: bool, backslashes: bool) -> Secrets {
    // SAFETY: the texts of an error are null or nul-terminated.
    unsafe {
        let (query, context, detail) =
            (bytes(edata.internalquery), bytes(edata.context), bytes(edata.detail));
        let mut secrets = Secrets::none();
        for (text, reading, has_literals) in [
            (statement, Reading::Sql, true),
            (query, Reading::Sql, statement_names_function(query)),
            (context, Reading::Quoting, names_function(context) || quotes_parameters(context)),
            (bytes(edata.message), Reading::Plain, false),
            (detail, Reading::Quoting, quotes_parameters(detail)),
        ] {
            secrets.learn(text, if has_literals && repeats { reading } else { Reading::Plain }, backslashes);
        }
        secrets
    }
}

/// Does this statement call a function that takes a secret: itself, in what it runs, or by executing what was prepared?
unsafe fn calls_function(edata: &pg_sys::ErrorData, statement: &[u8]) -> bool {
    // SAFETY: the texts of an error are null or nul-terminated.
    unsafe {
        let prepared = if edata.hide_stmt { bytes(edata.detail) } else { &[] };
        [statement, bytes(edata.internalquery)].into_iter().any(statement_names_function)
            || [bytes(edata.context), prepared].into_iter().any(names_function)
    }
}

/// In SQL that calls one the literals are hidden where they are, and nothing that equals them.
fn in_sql(calls: bool, mask: Mask) -> Mask {
    if calls { Mask { secrets: &NONE, ..mask } } else { Mask { reading: Reading::Plain, ..mask } }
}

/// The texts of a message, and how each is read.
unsafe fn readings(edata: &pg_sys::ErrorData, statement: &[u8], calls: bool) -> [(*mut c_char, Reading); 6] {
    // SAFETY: the texts of an error are null or nul-terminated.
    unsafe {
        let quoting = |text: *mut c_char| {
            let text = bytes(text);
            let is_call = quotes_call(text) || (calls && quotes_parameters(text));
            if is_call { Reading::Quoting } else { Reading::Plain }
        };
        let value = calls && sqlstate::quotes_a_value(edata.sqlerrcode) && !is_ours(edata);
        // What a line of COPY holds is quoted whatever the error is.
        let origin = value || names_secrets(bytes(edata.context));
        let prose = |text| if value { Reading::Value } else { quoting(text) };
        let message = bytes(edata.message);
        // What log_statement and its like print ends with the statement.
        let is_statement = edata.hide_stmt && calls && message.ends_with(statement);
        let message = if is_statement { Reading::Sql } else { prose(edata.message) };
        let cut_off = if names_function(bytes(edata.detail_log)) { Reading::CutOff } else { Reading::Plain };
        [
            (edata.message, message),
            (edata.detail, if shows_all(edata, value) { Reading::Whole } else { prose(edata.detail) }),
            (edata.detail_log, cut_off),
            (edata.hint, quoting(edata.hint)),
            (edata.context, if origin { Reading::Origin } else { quoting(edata.context) }),
            (edata.backtrace, Reading::Plain),
        ]
    }
}

/// Does the detail show a document, or a row of secrets?
unsafe fn shows_all(edata: &pg_sys::ErrorData, value: bool) -> bool {
    // SAFETY: the texts of an error are null or nul-terminated.
    let is_secrets = unsafe { names_secrets(bytes(edata.table_name)) };
    (value && sqlstate::shows_a_document(edata.sqlerrcode))
        || (is_secrets && sqlstate::shows_a_row(edata.sqlerrcode))
}

/// The texts that applications compare, and that hold no value but by mistake.
fn names(edata: &pg_sys::ErrorData) -> [*mut c_char; 5] {
    [edata.schema_name, edata.table_name, edata.column_name, edata.datatype_name, edata.constraint_name]
}

/// Is this a line that we write to the server log alone?
pub(super) unsafe fn is_line_of_ours(edata: &pg_sys::ErrorData) -> bool {
    // SAFETY: the texts of an error are null or nul-terminated.
    unsafe { is_ours(edata) && u32::try_from(edata.elevel) == Ok(pg_sys::LOG_SERVER_ONLY) }
}

/// Was this raised by code of ours, in Rust or by RAISE in PL/pgSQL? Such an error repeats nothing secret, and may well
/// repeat an argument. What Postgres raises while code of ours runs is none.
unsafe fn is_ours(edata: &pg_sys::ErrorData) -> bool {
    // SAFETY: the texts of an error are null or nul-terminated.
    unsafe {
        let (file, function) = (bytes(edata.filename), bytes(edata.funcname));
        if file.ends_with(b".rs") {
            return function.starts_with(sqlstate::OURS.as_bytes());
        }
        let is_raised = file.ends_with(b"pl_exec.c") && function == b"exec_stmt_raise";
        // The innermost place comes first.
        let place = bytes(edata.context).split(|byte| *byte == b'\n').next().unwrap_or_default();
        is_raised && !place.contains(&b'"') && names_function_of_ours(place)
    }
}

/// Does Postgres log the statement with such a message? Not of what is for debugging, unless it is told to.
fn is_logged_with_statement(level: c_int) -> bool {
    // SAFETY: settings are plain variables of the backend.
    let least = unsafe { pg_sys::log_min_error_statement };
    level >= least || u32::try_from(level).is_ok_and(|level| level >= pg_sys::LOG)
}

/// The position in it goes where its character has gone.
unsafe fn mask_internal_query(edata: &mut pg_sys::ErrorData, mask: Mask) {
    // SAFETY: as above; what the encoding is a plain variable tells.
    unsafe {
        let text = bytes(edata.internalquery);
        let is_utf8 = pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as c_int;
        let characters = if is_utf8 { Characters::Utf8 } else { Characters::Bytes };
        let character = usize::try_from(edata.internalpos.saturating_sub(1)).ok();
        let place = character.map_or(0, |character| byte_of(text, character, characters));
        let Some(moved) = overwrite(edata.internalquery, in_sql(statement_names_function(text), mask), place)
        else {
            return;
        };
        let before = characters_before(bytes(edata.internalquery), moved, characters);
        if character.is_some() {
            edata.internalpos = c_int::try_from(before.saturating_add(1)).unwrap_or_default();
        }
    }
}

/// Masks a text in its place. Returns where the place in it is now, if anything changed.
unsafe fn overwrite(text: *mut c_char, mask: Mask, place: usize) -> Option<usize> {
    // SAFETY: a text of an error is null or a nul-terminated copy of its own, which nobody else reads now. The masked one
    // is no longer, and `TEXT` is used by one call at a time.
    unsafe {
        let room = &mut *TEXT.0.get();
        let masked = mask.apply(bytes(text), place, room)?;
        end(room, masked.length);
        std::ptr::copy_nonoverlapping(room.as_ptr(), text.cast(), masked.length.saturating_add(1));
        Some(masked.place)
    }
}

fn end(room: &mut [u8], length: usize) {
    if let Some(end) = room.get_mut(length) {
        *end = 0;
    }
}

/// Logs the message with this statement, and leaves for Postgres to tell the client.
///
/// After the hook Postgres would log it with `debug_query_string`, and there is no hook afterwards to put that back. So it
/// is logged from here, by the same function.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn log_with_statement(
    edata: *mut pg_sys::ErrorData,
    statement: *const c_char,
    hook: pg_sys::emit_log_hook_type,
) {
    // SAFETY: the message is the one on top of Postgres's stack, which is what EmitErrorReport logs. The statement lies in
    // a variable of ours.
    unsafe {
        let _restored = Restored { statement: pg_sys::debug_query_string, hook: pg_sys::emit_log_hook };
        pg_sys::debug_query_string = statement;
        // Who came after us has seen it.
        pg_sys::emit_log_hook = hook;
        let to_client = std::mem::replace(&mut (*edata).output_to_client, false);
        pg_sys::EmitErrorReport();
        (*edata).output_to_client = to_client;
        (*edata).output_to_server = false;
    }
}

/// What it was, also when logging fails.
struct Restored {
    statement: *const c_char,
    hook: pg_sys::emit_log_hook_type,
}

impl Drop for Restored {
    fn drop(&mut self) {
        // SAFETY: plain variables of the backend, read and written on its one thread.
        unsafe {
            pg_sys::debug_query_string = self.statement;
            pg_sys::emit_log_hook = self.hook;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mask, ROOM, Reading, Secrets, names_function, quotes_parameters, statement_names_function};
    use std::time::{Duration, Instant};

    /// Here and not beside the others, because it needs a clock. What masking takes is measured in `benches/masking.rs`.
    #[test]
    fn t284_no_text_takes_long() {
        let literals = format!("authenticate('{}')", "ab1".repeat(43_000));
        let mut room = vec![0; ROOM];
        for (unit, length) in [("a ", 250_000_000), ("a ", 130_000), ("eyJ", 130_000), (" eyJ", 130_000)]
            .into_iter()
            .chain(["xeyJaB3aB3aB3 ", "a_test_", "inv_.", "inv_-", "a_live_ "].map(|unit| (unit, 130_000)))
            .chain(["eyJhbGciOi aB3aB3aB3aB3 ", "'", "\"", "$$", "$a$ "].map(|unit| (unit, 130_000)))
            .chain(
                ["$a", "/*", "--", "%41", "ab1", "authenticate", "$1", "x.authenticate ", "\"a\" "]
                    .map(|unit| (unit, 130_000)),
            )
        {
            let text = unit.repeat(length / unit.len());
            for reading in [Reading::Plain, Reading::Sql, Reading::Quoting, Reading::CutOff, Reading::Value] {
                let mut take = || {
                    let begin = Instant::now();
                    let mut secrets = Secrets::none();
                    secrets.learn(literals.as_bytes(), Reading::Sql, false);
                    secrets.learn(text.as_bytes(), reading, false);
                    names_function(text.as_bytes());
                    statement_names_function(text.as_bytes());
                    quotes_parameters(text.as_bytes());
                    let mask = Mask { reading, backslashes: false, secrets: &secrets };
                    mask.apply(text.as_bytes(), 0, &mut room);
                    begin.elapsed()
                };
                // What takes time by itself takes it each time, what others take away not.
                let is_quick = (0..5).any(|_| take() < Duration::from_millis(500));
                assert!(is_quick, "{unit:?} {length} {reading:?}");
            }
        }
    }
}
