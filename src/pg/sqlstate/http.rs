//! What is wrong with an HTTP request, and what an error says to one.

use super::bad_argument;
use super::borrowed::state_text;
use crate::verify::http::HeaderFault;
use pgrx::PgTryBuilder;
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::prelude::*;
use std::panic::AssertUnwindSafe;

/// What an error says to a client.
pub(in crate::pg) struct Said {
    pub(in crate::pg) sqlstate: String,
    pub(in crate::pg) message: String,
    pub(in crate::pg) hint: Option<String>,
}

impl Said {
    /// pgrx tells the code of an error only to whoever catches it.
    pub(in crate::pg) fn by(error: ErrorReport) -> Said {
        let raise = AssertUnwindSafe(move || {
            error.report(PgLogLevel::ERROR);
            None
        });
        match PgTryBuilder::new(raise).catch_others(Some).execute() {
            Some(CaughtError::PostgresError(report) | CaughtError::ErrorReport(report)) => Said {
                sqlstate: state_text(report.sql_error_code() as i32),
                message: report.message().to_owned(),
                hint: report.hint().map(str::to_owned),
            },
            Some(CaughtError::RustPanic { .. }) | None => {
                Said::by(super::internal("an error was not raised"))
            }
        }
    }

    /// In how many seconds to come again, where it says so (`too_many_requests`).
    pub(in crate::pg) fn seconds(&self) -> Option<u32> {
        self.hint.as_ref()?.strip_prefix("Try again in ")?.strip_suffix(" seconds.")?.parse().ok()
    }
}

fn unclear(message: &'static str) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR, message, "pg_bearer_http")
}

/// A client may have hidden what the database says (F0000).
pub(in crate::pg) fn http_settings_in_doubt() -> ErrorReport {
    unclear("a session set a setting of requests before pg_bearer was loaded")
        .set_hint("Close the connection. With pg_bearer in shared_preload_libraries it does not happen.")
}

/// (F0000)
pub(in crate::pg) fn http_headers_unreadable() -> ErrorReport {
    unclear("pg_bearer.credential_headers is no list of names of headers")
}

/// (F0000)
pub(in crate::pg) fn http_permissions_unreadable() -> ErrorReport {
    unclear("pg_bearer.http_permissions is no list of endpoints")
        .set_hint("Such as: /invoices, /bills = invoices, /rpc/send = mail.send, /rpc/health =")
}

/// An endpoint that is not listed, for whoever is signed in (42501).
pub(in crate::pg) fn endpoint_not_listed() -> ErrorReport {
    super::forbidden("the request is for no endpoint that pg_bearer.http_permissions lists")
}

/// PostgREST's login is no member of the role, or there is none (F0000).
pub(in crate::pg) fn http_role_unusable() -> ErrorReport {
    unclear("the role for this request cannot be used")
        .set_hint("PostgREST's login has to be a member of the roles that pg_bearer.http_… name.")
}

/// Headers that could be understood in two ways (22023).
pub(in crate::pg) fn bad_headers(fault: HeaderFault) -> ErrorReport {
    bad_argument(match fault {
        HeaderFault::Doubled => "a header was sent twice, or has a comma",
        HeaderFault::Organization => "the header X-Organization names no organization",
        HeaderFault::Unreadable | HeaderFault::Malformed => "the headers of the request cannot be read",
    })
}

/// (22023)
pub(in crate::pg) fn two_credentials() -> ErrorReport {
    bad_argument("the request has two credentials")
        .set_hint("Send one of them. A publishable key may be beside it.")
}

/// (28000)
pub(in crate::pg) fn no_api_key() -> ErrorReport {
    missing("the request has no API key").set_hint("Send a publishable key in the header apikey.")
}

/// Nobody's request names an organization (28000).
pub(in crate::pg) fn no_credential() -> ErrorReport {
    missing("the request has no credential")
        .set_hint("The header X-Organization chooses one of the organizations of whoever is signed in.")
}

fn missing(message: &'static str) -> ErrorReport {
    let code = PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
    ErrorReport::new(code, message, "pg_bearer_http")
}
