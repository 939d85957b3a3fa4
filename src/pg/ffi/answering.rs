//! Errors of ours on their way to a client that speaks HTTP, once `auth.pre_request()` ran: in the form that PostgREST makes
//! an answer of. By then nobody can catch them any more, so that SQL sees the SQLSTATE that is documented.

use super::borrowed::state_text;
use super::error_text::{bytes, joined};
use super::{raise, transaction};
use crate::pg::sqlstate::OURS;
use crate::pg::{http, sqlstate};
use pgrx::{pg_guard, pg_sys};
use std::ffi::{c_char, c_int};

/// What is longer is no text of ours.
const LONGEST: usize = 8192;

/// The log shows it in this form too.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn answer_request(edata: *mut pg_sys::ErrorData) {
    // SAFETY: Postgres passes the error it is about to log, whose texts are terminated or null.
    unsafe {
        let edata = &mut *edata;
        if edata.elevel != pg_sys::PGERROR as c_int || !transaction::has_request() {
            return;
        }
        let (Some(function), Some(message)) = (text(edata.funcname), text(edata.message)) else { return };
        // Whoever raises it in that form has done so.
        if !function.starts_with(OURS) || function == raise::NAME {
            return;
        }
        let said = sqlstate::Said {
            sqlstate: state_text(edata.sqlerrcode),
            message: message.to_owned(),
            hint: text(edata.hint).map(str::to_owned),
        };
        let Some((body, detail)) = http::later_answer(function, &said) else { return };
        let (body, detail) = (joined(edata, &[body.as_bytes()]), joined(edata, &[detail.as_bytes()]));
        if body.is_null() || detail.is_null() {
            return;
        }
        edata.sqlerrcode = raise::packed(b"PGRST");
        (edata.message, edata.detail) = (body, detail);
        edata.detail_log = std::ptr::null_mut();
        edata.hint = std::ptr::null_mut();
    }
}

/// # Safety
/// Terminated or null, and unchanged as long as it is used.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: as the caller promises.
    let bytes = if text.is_null() { return None } else { unsafe { bytes(text) } };
    std::str::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST)
}
