//! Where an error was raised, as its CONTEXT says.

use pgrx::pg_sys;
use std::ffi::CStr;

/// How what is ours is called there, in whatever language.
const OURS: [&[u8]; 2] = [b"auth.", b"auth_internal."];

/// The error that is raised next says nothing of the functions of ours that it comes from: what is around the outermost
/// stays, as around a function in C.
pub(in crate::pg) fn leave_out_ours() {
    // SAFETY: a list of the backend's own, whose frames live as long as the functions that made them, which have not
    // ended. Whoever catches the error puts the list back, and so do we while we read it.
    unsafe {
        let innermost = pg_sys::error_context_stack;
        let mut frame = innermost;
        let mut rest = innermost;
        while !frame.is_null() {
            let next = (*frame).previous;
            let (all, after) = (text_from(frame), text_from(next));
            let own = all.get(..all.len().saturating_sub(after.len())).unwrap_or_default();
            if OURS.iter().any(|ours| own.windows(ours.len()).any(|part| part == *ours)) {
                rest = next;
            }
            frame = next;
        }
        pg_sys::error_context_stack = rest;
    }
}

/// What the frames from this one on say.
unsafe fn text_from(frame: *mut pg_sys::ErrorContextCallback) -> Vec<u8> {
    // SAFETY: as above. The text is null or nul-terminated, and is copied.
    unsafe {
        pg_sys::error_context_stack = frame;
        let text = pg_sys::GetErrorContextStack();
        if text.is_null() { Vec::new() } else { CStr::from_ptr(text).to_bytes().to_vec() }
    }
}
