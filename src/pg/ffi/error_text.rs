//! Texts of a message that is about to be logged.

use pgrx::pg_sys;
use std::ffi::{CStr, c_char, c_int};

/// No text is longer once it was masked, and no answer to a request.
const LONGEST: usize = 256 * 1024;

/// These parts, one after the other, where the message's other texts lie, and which live as long. Null where that would be too long,
/// and without memory for it, which is no error in the middle of another one.
///
/// # Safety
/// Postgres made the message, and its memory is there.
pub(super) unsafe fn joined(edata: &pg_sys::ErrorData, parts: &[&[u8]]) -> *mut c_char {
    let length = parts.iter().map(|part| part.len()).fold(0_usize, usize::saturating_add);
    let ends_early = parts.iter().any(|part| part.contains(&0));
    if edata.assoc_context.is_null() || ends_early || length > LONGEST {
        return std::ptr::null_mut();
    }
    // SAFETY: the context is the message's; as many bytes are written as were allocated, and the last one ends the text.
    unsafe {
        let flags = pg_sys::MCXT_ALLOC_NO_OOM as c_int;
        let size = length.saturating_add(1);
        let text = pg_sys::MemoryContextAllocExtended(edata.assoc_context, size, flags).cast::<u8>();
        if text.is_null() {
            return std::ptr::null_mut();
        }
        let mut end = text;
        for part in parts {
            std::ptr::copy_nonoverlapping(part.as_ptr(), end, part.len());
            end = end.add(part.len());
        }
        end.write(0);
        text.cast()
    }
}

/// What a text holds, without its end; nothing of none.
///
/// # Safety
/// It is null or terminated, and stays as it is until the message was logged.
pub(super) unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    // SAFETY: as the caller promises.
    unsafe { if text.is_null() { &[] } else { CStr::from_ptr(text).to_bytes() } }
}
