//! What rows of the audit log say of who called, and from where.

use crate::pg::api_key;
use crate::pg::ffi::catalog;
use pgrx::prelude::*;

/// The role that called, as SET ROLE left it.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn outer_user_name() -> String {
    catalog::outer_user_name()
}

/// What the request says of its address.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn stated_address() -> Option<String> {
    api_key::stated_address()
}

/// What the request says of its id.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn stated_request_id() -> Option<String> {
    api_key::stated_request_id()
}
