//! Names the HTTP request in what the server log says of it.

use super::error_text::{bytes, joined};
use crate::pg::{api_key, sqlstate};
use pgrx::{pg_guard, pg_sys};

const NAME: &[u8] = b"HTTP request ";

/// Adds a line to the detail that is for the log alone, where the log shows it in place of the client's. The client's stays as it
/// is; without an id, and without memory, so does the log's.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn name_request(edata: *mut pg_sys::ErrorData) {
    // SAFETY: Postgres passes the message it is about to log, whose texts are terminated or null, and were allocated one by one.
    unsafe {
        let edata = &mut *edata;
        // Nothing is taken apart where there is no memory for it.
        if sqlstate::is_out_of_memory(edata.sqlerrcode) {
            return;
        }
        let Some(id) = api_key::stated_request_id() else { return };
        let for_log = bytes(edata.detail_log);
        // A message may be logged once more.
        if for_log.strip_suffix(id.as_bytes()).is_some_and(|before| before.ends_with(NAME)) {
            return;
        }
        let detail = if edata.detail_log.is_null() { bytes(edata.detail) } else { for_log };
        let between: &[u8] = if detail.is_empty() { b"" } else { b"\n" };
        let text = joined(edata, &[detail, between, NAME, id.as_bytes()]);
        if text.is_null() {
            return;
        }
        // Of a message that is no error Postgres frees text by text, and would not know of this one.
        if !edata.detail_log.is_null() {
            pg_sys::pfree(edata.detail_log.cast());
        }
        edata.detail_log = text;
    }
}
