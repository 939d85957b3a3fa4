//! What PostgREST calls before a request.

use crate::pg::http;
use pgrx::prelude::*;

/// Establishes who sends the HTTP request that this transaction is for, for PostgREST's `db-pre-request`.
///
/// Takes the credential from the headers in `pg_bearer.credential_headers`, the organization from `X-Organization`, and goes on
/// in the role that settings name. Raises `PGRST` with the status and body of the answer; see `src/verify/http.rs`.
#[pg_extern(schema = "auth", volatile, parallel_unsafe)]
fn pre_request() {
    if let Err(answer) = http::enter() {
        answer.raise();
    }
}
