//! What the guards in `sql/functions/guarding/` ask of Rust, and the way past them.

use super::keys::demand_administrator;
use crate::pg::ffi::carrier::with_published;
use crate::pg::ffi::guarding::{self, DdlCommand};
use crate::pg::ffi::input::JsonbArgument;
use crate::pg::ffi::{auditing, catalog};
use crate::pg::{settings, sqlstate};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Lets this transaction change protected tables. Noted in the server log.
#[pg_extern(schema = "auth", volatile, parallel_unsafe)]
fn allow_changes() -> Result<(), ErrorReport> {
    demand_administrator()?;
    if with_published(|_| ()).is_some() {
        return Err(sqlstate::forbidden("whoever acts for somebody changes no protected table")
            .set_hint("Call auth.sign_out() before, or use another transaction."));
    }
    guarding::allow_changes();
    sqlstate::log(format!("pg_bearer: {:?} may change protected tables", catalog::outer_user_name()));
    auditing::note("guards.allow_changes", "");
    Ok(())
}

/// Do the guards look away: because an administrator said so, or because `auth.protect()` is not done yet?
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn guard_is_off() -> bool {
    guarding::is_protecting() || settings::changes_are_allowed()
}

/// What a command changed of a table, as far as guards have to know.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn command_changes(command: Option<DdlCommand>) -> Vec<String> {
    command.map(|command| command.changes()).unwrap_or_default()
}

/// Runs the steps of `auth.protect()` as the current user, with the guards looking away.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn run_protection(source: pg_sys::Oid, settings: JsonbArgument) -> bool {
    guarding::protect_undisturbed(source, settings.0)
}

/// Runs the steps of `auth.unprotect()` as the current user.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn run_unprotection(source: pg_sys::Oid) -> bool {
    guarding::unprotect(source)
}

/// Protects a table as its owner.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn protect_as_owner(source: pg_sys::Oid, settings: JsonbArgument) -> bool {
    guarding::protect_as_owner(source, settings.0)
}
