//! Where an error was raised, as its CONTEXT says.

use super::log_hook::names_function_of_ours;
use pgrx::pg_sys;
use std::ffi::CStr;

/// The error that is raised next says nothing of the functions of ours that it comes from: what is around the outermost
/// stays, as around a function in C.
pub(in crate::pg) fn leave_out_ours() {
    // SAFETY: a list of the backend's own, whose frames live as long as the functions that made them, which have not
    // ended. Whoever catches the error puts the list back, and so do we while we read it.
    unsafe {
        let mut frame = pg_sys::error_context_stack;
        let mut rest = frame;
        let mut all = text_from(frame);
        while !frame.is_null() {
            let next = (*frame).previous;
            let after = text_from(next);
            let own = all.get(..all.len().saturating_sub(after.len())).unwrap_or_default();
            if own.split(|byte| *byte == b'\n').any(names_function_of_ours) {
                rest = next;
            }
            (frame, all) = (next, after);
        }
        pg_sys::error_context_stack = rest;
    }
}

/// What the frames from this one on say.
unsafe fn text_from(frame: *mut pg_sys::ErrorContextCallback) -> Vec<u8> {
    // SAFETY: as above. The text is null or nul-terminated, is copied, and is ours to free: there can be many frames.
    unsafe {
        pg_sys::error_context_stack = frame;
        let text = pg_sys::GetErrorContextStack();
        if text.is_null() {
            return Vec::new();
        }
        let copy = CStr::from_ptr(text).to_bytes().to_vec();
        pg_sys::pfree(text.cast());
        copy
    }
}
