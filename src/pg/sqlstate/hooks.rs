//! Why a hook was not called, or failed.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// A hook leads to another one (55000).
pub(in crate::pg) fn nested() -> ErrorReport {
    not_ready("no hook is called while a hook runs".to_owned())
        .set_hint("What a hook does must not make another one necessary.")
}

/// There is no such function (55000).
pub(in crate::pg) fn missing() -> ErrorReport {
    not_ready("the function of a hook does not exist".to_owned())
}

/// It is of another kind (55000).
pub(in crate::pg) fn unfit(name: &str) -> ErrorReport {
    not_ready(format!("function \"{name}\" is no hook"))
        .set_hint("A hook is a function that takes one jsonb and returns jsonb or void.")
}

/// It would run with too many rights (55000).
pub(in crate::pg) fn too_powerful(name: &str) -> ErrorReport {
    not_ready(format!("the owner of hook \"{name}\" has too many rights")).set_hint(
        "A hook runs as its owner, who must be neither a superuser, nor a role of pg_bearer or a member of one, nor able to use files or programs of the server.",
    )
}

/// It failed; the server log says with which SQLSTATE (55000).
pub(in crate::pg) fn failed(name: &str) -> ErrorReport {
    not_ready(format!("hook \"{name}\" failed"))
}

/// Does somebody who writes auth.users go by this? The rest is for the server log.
pub(in crate::pg) fn is_gone_by(code: PgSqlErrorCode) -> bool {
    matches!(
        code,
        PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION
            | PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
            | PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE
            | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
    )
}

/// The row of a user was not written (55000).
pub(in crate::pg) fn not_written() -> ErrorReport {
    not_written_for(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
}

/// The same for a reason that its caller goes by.
pub(in crate::pg) fn not_written_for(code: PgSqlErrorCode) -> ErrorReport {
    ErrorReport::new(code, "auth.users could not be written", "pg_bearer_hook")
        .set_hint("A trigger on it may have failed. The server log says with which SQLSTATE.")
}

/// No user could be read (55000).
pub(in crate::pg) fn not_read() -> ErrorReport {
    not_ready("auth.users could not be read".to_owned())
        .set_hint("A policy or column on it may have failed. The server log says with which SQLSTATE.")
}

/// Somebody or a timeout ended the statement; the message is Postgres's own.
pub(in crate::pg) fn stopped(code: PgSqlErrorCode, message: String) -> ErrorReport {
    ErrorReport::new(code, message, "pg_bearer_hook")
}

fn not_ready(message: String) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, "pg_bearer_hook")
}
