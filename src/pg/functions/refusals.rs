//! The errors that functions in SQL raise for whoever called them.

use crate::pg::ffi::context;
use crate::pg::sqlstate;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Raises an error whose CONTEXT does not show what is within the function of ours that was called. NULL is no text.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn refuse(code: Option<&str>, message: Option<String>, hint: Option<String>) -> Result<(), ErrorReport> {
    let refusal = sqlstate::refusal(code.unwrap_or_default(), message.unwrap_or_default(), hint);
    context::leave_out_ours();
    Err(refusal)
}
