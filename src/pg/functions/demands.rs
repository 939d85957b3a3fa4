//! The same questions as the readers ask, with an error for an answer: for RPC functions and for
//! policies that should say 403 instead of showing nothing.

use super::readers::may;
use crate::pg::ffi::carrier::with_identity;
use crate::pg::sqlstate::{forbidden, not_authenticated};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// True, or 28000 when nobody is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_authenticated() -> Result<bool, ErrorReport> {
    with_identity(|_| true).ok_or_else(not_authenticated)
}

/// True, 28000 when nobody is signed in, or 42501 without this permission in the current organization.
/// NULL is a permission that nobody has.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_permission(permission: Option<&str>) -> Result<bool, ErrorReport> {
    let granted = |wanted| with_identity(|view| may(view.current_role(), wanted));
    match granted(permission.unwrap_or_default()) {
        Some(true) => Ok(true),
        Some(false) => {
            Err(forbidden("the identity does not have this permission in its current organization"))
        }
        None => Err(not_authenticated()),
    }
}

/// True, 28000 when nobody is signed in, or 42501 unless this is the current organization. An
/// organization that does not exist, one of others and NULL give the same error.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_org(org_id: Option<pgrx::Uuid>) -> Result<bool, ErrorReport> {
    let is_current = with_identity(|view| org_id.is_some_and(|wanted| view.org() == Some(wanted.as_bytes())));
    match is_current {
        Some(true) => Ok(true),
        Some(false) => Err(forbidden("this is not the identity's current organization")),
        None => Err(not_authenticated()),
    }
}
