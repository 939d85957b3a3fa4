//! The same questions as the readers ask, with an error for an answer: for RPC functions and for
//! policies that should say 403 instead of showing nothing.

use super::readers::{level as level_of, may};
use crate::pg::ffi::carrier::with_identity;
use crate::pg::sqlstate::{bad_argument, forbidden, no_such_organization, not_authenticated};
use crate::verify::sign_in::Level;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// What an identity says, `None` without one: true, or an error.
fn demand(said: Option<bool>, refused: impl FnOnce() -> ErrorReport) -> Result<bool, ErrorReport> {
    match said {
        Some(true) => Ok(true),
        Some(false) => Err(refused()),
        None => Err(not_authenticated()),
    }
}

/// True, or 28000 when nobody is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_authenticated() -> Result<bool, ErrorReport> {
    with_identity(|_| true).ok_or_else(not_authenticated)
}

/// True, 28000 when nobody is signed in, or 42501 without this permission in the current organization.
/// NULL is a permission that nobody has.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_permission(permission: Option<&str>) -> Result<bool, ErrorReport> {
    demand_permission(permission.unwrap_or_default())
}

/// The same for whoever asks from Rust.
pub(in crate::pg) fn demand_permission(permission: &str) -> Result<bool, ErrorReport> {
    demand(with_identity(|view| may(view.current_role(), permission)), || {
        forbidden("the identity does not have this permission in its current organization")
    })
}

/// True, 28000 when nobody is signed in, or 42501 unless this is the current organization. An
/// organization that does not exist, one of others and NULL give the same error.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_org(org_id: Option<pgrx::Uuid>) -> Result<bool, ErrorReport> {
    let is_current = with_identity(|view| org_id.is_some_and(|wanted| view.org() == Some(wanted.as_bytes())));
    demand(is_current, || forbidden("this is not the identity's current organization"))
}

/// True, 28000 when nobody is signed in, or 42501 for an organization that the identity does not belong to. One that does not
/// exist, one of others and NULL give the same error.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_member(org_id: Option<pgrx::Uuid>) -> Result<bool, ErrorReport> {
    let is_member = with_identity(|view| {
        org_id.is_some_and(|wanted| view.orgs().binary_search(wanted.as_bytes()).is_ok())
    });
    demand(is_member, no_such_organization)
}

/// True, 28000 when nobody is signed in, or 42501 for a workspace that the identity does not belong to. One that does not
/// exist, one of others and NULL give the same error.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_workspace(workspace_id: Option<pgrx::Uuid>) -> Result<bool, ErrorReport> {
    let belongs = with_identity(|view| {
        workspace_id.is_some_and(|wanted| view.workspaces().binary_search(wanted.as_bytes()).is_ok())
    });
    demand(belongs, || forbidden("no such workspace, or it is not yours"))
}

/// True, 28000 when nobody is signed in, or 42501 when the token says a lower authenticator assurance level than this, or
/// none. 22023 for what is no level, whoever asks: a policy with a slip of the pen is to be noticed.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn require_aal(level: Option<&str>) -> Result<bool, ErrorReport> {
    let wanted = level.and_then(Level::read);
    let wanted = wanted.ok_or_else(|| bad_argument("the level must be aal1, aal2 or aal3"))?;
    let has_level = with_identity(|view| level_of(view).is_some_and(|level| level >= wanted));
    demand(has_level, || {
        let message = format!(
            "the identity's authenticator assurance level is not known to be {} or higher",
            wanted.name()
        );
        forbidden(message).set_hint(
            "Sign in again, with what is missing for this level, and authenticate with the new token.",
        )
    })
}
