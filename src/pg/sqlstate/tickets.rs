//! Why no ticket is issued.

use crate::verify::ticket::TICKET_MAX;
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// The server has no room for tickets at all (0A000).
pub(in crate::pg) fn turned_off() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "tickets are turned off on this server",
        "pg_bearer_ticket",
    )
    .set_hint("Set pg_bearer.max_tickets to more than 0.")
}

/// The user has as many open ones as a user may have (54000).
pub(in crate::pg) fn too_many_of_one(most: u32) -> ErrorReport {
    limit("this user has too many open tickets")
        .set_hint(format!("There may be {most}. Wait until some are used or have expired."))
}

/// There is no room for another one (54000).
pub(in crate::pg) fn full() -> ErrorReport {
    limit("there are too many open tickets on this server")
        .set_hint("Try again in a minute, or raise pg_bearer.max_tickets.")
}

/// What the credential says does not fit (54000).
pub(in crate::pg) fn too_long() -> ErrorReport {
    limit("the token is too long for a ticket")
        .set_hint(format!("A ticket has at most {TICKET_MAX} bytes. Have the issuer make smaller tokens."))
}

/// Somebody deleted the secret, or made another one of it (55000).
pub(in crate::pg) fn no_secret() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "the secret of tickets and refresh tokens is missing or was changed",
        "pg_bearer_ticket",
    )
    .set_hint("auth.ticket_secret has one row, with a secret of 32 bytes or more.")
}

/// Tickets can be used again and again here.
pub(in crate::pg) fn warn_of_reuse() {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_WARNING,
        "tickets of this server can be used more than once",
        "pg_bearer_ticket",
    )
    .set_hint(
        "Add pg_bearer to shared_preload_libraries and restart the server, so that each is good for one use.",
    )
    .report(PgLogLevel::WARNING);
}

fn limit(message: &'static str) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, message, "pg_bearer_ticket")
}
