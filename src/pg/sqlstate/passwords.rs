//! Why a password is not hashed, or not checked.

use crate::pg::sqlstate::{bad_argument, internal};
use crate::verify::password::{Failure, MAX_PASSWORD_BYTES};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Nobody can have this password (22023).
pub(in crate::pg) fn not_allowed() -> ErrorReport {
    bad_argument("password has a value that is not allowed")
        .set_hint(format!("It has 1 to {MAX_PASSWORD_BYTES} bytes."))
}

/// As many as may are at it, and so are as many as may wait, or nobody was done in time (53400).
pub(in crate::pg) fn too_many() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "too many passwords are being checked",
        "pg_bearer_password",
    )
    .set_hint("Try again in a few seconds. pg_bearer.password_workers says how many are checked at once.")
}

/// There is no hash: for want of memory (53200), or by a defect of ours (XX000).
pub(in crate::pg) fn no_hash(failure: Failure) -> ErrorReport {
    match failure {
        Failure::NoMemory => ErrorReport::new(
            PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
            "there is not enough memory to check a password",
            "pg_bearer_password",
        )
        .set_hint("Each that is checked at once takes as much as pg_bearer.password_memory says, or as its hash does."),
        Failure::Unusable => internal("the hash of a password cannot be made"),
    }
}
