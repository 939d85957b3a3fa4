//! From a reason to what the caller is told. The reason itself goes to the server log only.

mod codes;
pub(super) mod hooks;
mod http;
pub(super) mod passwords;
pub(super) mod tickets;
pub(super) mod unseen;

pub(super) use codes::*;
pub(super) use http::*;

use super::ffi::borrowed::{self, Failed};
use super::ffi::catalog;
use super::settings::{MAX_GRANTED_BY_ONE, MAX_GRANTED_MEMBERSHIPS};
use crate::verify::error::{KeyError, Refusal};
use crate::verify::granted::LeftOut;
use crate::verify::identity::{Uuid, uuid_text};
use crate::verify::rate::{self, Limit};
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::borrow::Cow;
use std::cell::Cell;

/// How the name begins by which an error says that it was raised by code of ours. Its file is no proof: Postgres keeps the
/// last part of its path, which files of other extensions may have.
pub(super) const OURS: &str = "pg_bearer_";

/// How many lines of a kind a session writes to the log, so that guessing does not fill the disk.
const LOGGED: Limit = Limit { requests: 100, period_seconds: 60 };

/// What a session may still log of one kind, and how many lines were left out.
struct Quota {
    bucket: Cell<i64>,
    unlogged: Cell<u64>,
}

thread_local! {
    static REFUSALS: Quota = const { Quota::new() };
    static LEFT_OUT: Quota = const { Quota::new() };
}

impl Quota {
    const fn new() -> Quota {
        Quota { bucket: Cell::new(0), unlogged: Cell::new(0) }
    }

    /// Takes one line; the answer is how many were left out before it, or `None` when this one is to be.
    fn take(&self) -> Option<u64> {
        match rate::take(self.bucket.get(), catalog::now(), LOGGED) {
            Ok(state) => {
                self.bucket.set(state);
                Some(self.unlogged.take())
            }
            Err(_) => {
                self.unlogged.set(self.unlogged.get().saturating_add(1));
                None
            }
        }
    }
}

/// A line for the server log alone: LOG could be sent to a client that asks for it.
pub(super) fn log(line: String) {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, line, "pg_bearer_log")
        .report(PgLogLevel::LOG_SERVER_ONLY);
}

/// May another refusal be logged? Tells how many were not.
fn may_log_refusal() -> bool {
    let unlogged = REFUSALS.with(Quota::take);
    if let Some(unlogged) = unlogged.filter(|unlogged| *unlogged > 0) {
        log(format!("pg_bearer refused {unlogged} more credentials of this session, for reasons not logged"));
    }
    unlogged.is_some()
}

/// Writes to the server log that memberships of a user do not count, as often as a session may: of which kind, and why.
pub(super) fn log_left_out(user: &str, found: &[(&str, LeftOut)]) {
    let Some(unlogged) = LEFT_OUT.with(Quota::take) else { return };
    if unlogged > 0 {
        log(format!("pg_bearer left out memberships {unlogged} more times in this session"));
    }
    let mut reasons = Vec::new();
    for (kind, left_out) in found {
        for (count, reason) in [
            (left_out.of_one, MAX_GRANTED_BY_ONE),
            (left_out.of_all, MAX_GRANTED_MEMBERSHIPS),
            (left_out.beyond, "more than an identity holds"),
        ] {
            if count > 0 {
                reasons.push(format!("at least {count} {kind} ({reason})"));
            }
        }
    }
    log(format!("pg_bearer left out memberships of the user {user:?}: {}", reasons.join(", ")));
}

/// What a caller may learn about a refused credential.
enum Told {
    NothingGiven,
    Expired,
    Refused,
}

/// Every reason has an answer here, and a new one does not compile without.
fn told(refusal: Refusal) -> Told {
    match refusal {
        Refusal::NoCredential => Told::NothingGiven,
        Refusal::Expired | Refusal::TicketExpired => Told::Expired,
        Refusal::NotAToken
        | Refusal::TooLong
        | Refusal::Unsigned
        | Refusal::Encrypted
        | Refusal::BadBase64
        | Refusal::HeaderNotJson
        | Refusal::PayloadNotJson
        | Refusal::DuplicateMember
        | Refusal::TooDeep
        | Refusal::NulCharacter
        | Refusal::NumberOutOfRange
        | Refusal::AlgorithmUnknown
        | Refusal::AlgorithmNotAllowed
        | Refusal::AlgorithmMismatch
        | Refusal::CriticalHeader
        | Refusal::UnencodedPayload
        | Refusal::EmbeddedKey
        | Refusal::NestedToken
        | Refusal::TokenType
        | Refusal::KidMalformed
        | Refusal::UnknownIssuer
        | Refusal::UnknownKey
        | Refusal::KidNotNamed
        | Refusal::NoKeys
        | Refusal::KeyUnusable
        | Refusal::BadSignature
        | Refusal::NotAllKeysTried
        | Refusal::IssuerMissing
        | Refusal::IssuerMalformed
        | Refusal::IssuerMismatch
        | Refusal::SubjectMalformed
        | Refusal::ExpiryMissing
        | Refusal::ExpiryMalformed
        | Refusal::NotBeforeMalformed
        | Refusal::NotYetValid
        | Refusal::IssuedAtMissing
        | Refusal::IssuedAtMalformed
        | Refusal::IssuedInFuture
        | Refusal::LifetimeTooLong
        | Refusal::AudienceMissing
        | Refusal::AudienceMalformed
        | Refusal::AudienceMismatch
        | Refusal::TokenIdMalformed
        | Refusal::ServiceRoleNotAllowed
        | Refusal::IssuerChanged
        | Refusal::TokenRevoked
        | Refusal::UserBanned
        | Refusal::TokenSession
        | Refusal::TokenNotMinted
        | Refusal::TokenParent
        | Refusal::TokenEnvironment
        | Refusal::TokenPlace
        | Refusal::NotAKey
        | Refusal::KeyChecksum
        | Refusal::KeyUnknown
        | Refusal::KeyRevoked
        // Nothing about a key is told: its expiry cannot be read from it.
        | Refusal::KeyExpired
        | Refusal::KeyEnvironment
        | Refusal::EnvironmentNotAllowed
        | Refusal::KeyNetwork
        | Refusal::KeyOrigin
        | Refusal::KeyEndpoint
        | Refusal::KeyPublishable
        | Refusal::KeyOrganization
        | Refusal::KeyWorkspace
        | Refusal::KeyUser
        | Refusal::KeyRole
        | Refusal::KeyMalformed
        | Refusal::IsATicket
        | Refusal::TicketUnknown
        | Refusal::TicketNotOpen
        | Refusal::TicketEarly => Told::Refused,
    }
}

/// A refused credential: why, and the issuer and key it was matched with, if it got that far.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) configured: Option<Configured>,
}

/// Names from our own tables, so that nothing of the credential reaches the log.
pub(super) enum Configured {
    Issuer { issuer: String, kid: Option<String> },
    ApiKey(Uuid),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, configured: None }
    }
}

impl Refused {
    /// Writes the reason to the server log, as often as a session may.
    pub(super) fn log(&self) {
        if may_log_refusal() {
            log(self.line());
        }
    }

    fn line(&self) -> String {
        let mut line = format!("pg_bearer refused a credential: {}", self.refusal.reason());
        match &self.configured {
            Some(Configured::Issuer { issuer, kid: Some(kid) }) => {
                line.push_str(&format!(" (issuer {issuer:?}, key {kid:?})"));
            }
            Some(Configured::Issuer { issuer, kid: None }) => {
                line.push_str(&format!(" (issuer {issuer:?})"));
            }
            Some(Configured::ApiKey(id)) => line.push_str(&format!(" (API key {})", uuid_text(id))),
            None => {}
        }
        line
    }

    /// Writes the reason to the server log and gives the error for the caller (28000).
    pub(super) fn report(self) -> ErrorReport {
        self.log();
        let code = PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
        match told(self.refusal) {
            Told::NothingGiven => ErrorReport::new(code, "no credential was given", "pg_bearer_authenticate")
                .set_hint("Pass a JSON Web Token or an API key, with or without \"Bearer \" before it."),
            Told::Expired => ErrorReport::new(code, "the credential has expired", "pg_bearer_authenticate")
                .set_hint("Get a new one and try again."),
            Told::Refused => ErrorReport::new(code, "the credential was refused", "pg_bearer_authenticate")
                .set_hint(
                    "The reason is in the server log; administrators can ask auth.explain_credential(text).",
                ),
        }
    }
}

/// Nobody is signed in, or no longer (28000).
pub(super) fn not_authenticated() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
        "this transaction has no identity",
        "pg_bearer_require",
    )
    .set_hint("Call auth.authenticate(credential) first, in the same transaction.")
}

/// Somebody is signed in who may not (42501).
pub(super) fn forbidden(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message, "pg_bearer_require")
}

/// An organization that does not exist, or that the identity does not belong to (42501): one error for both.
pub(super) fn no_such_organization() -> ErrorReport {
    forbidden("no such organization, or it is not yours")
}

/// More than an identity can hold (54000).
pub(super) fn too_many(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, message, "pg_bearer_identity")
}

/// A table that memberships are read from has changed or is gone (F0000).
pub(super) fn broken_source() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
        "a table that memberships come from cannot be read",
        "pg_bearer_authenticate",
    )
    .set_hint("Register it again with auth.register_membership_source(), or take it out with auth.unregister_membership_source().")
}

/// Somebody changed what CREATE EXTENSION made, by renaming one of our roles or else (55000).
pub(super) fn unreadable_tables(missing_role: Option<&str>) -> ErrorReport {
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    match missing_role {
        Some(role) => {
            ErrorReport::new(code, format!("the role {role} of pg_bearer is missing"), "pg_bearer_read")
                .set_hint(format!("Somebody renamed it: ALTER ROLE … RENAME TO {role}."))
        }
        None => ErrorReport::new(code, "a table of pg_bearer is missing or was changed", "pg_bearer_read")
            .set_hint("It has to have its indexes and to belong to bearer_owner."),
    }
}

/// What only lasts as long as its transaction was asked for outside of one.
pub(super) fn warn_that_it_ends(message: &'static str) {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_NO_ACTIVE_SQL_TRANSACTION, message, "pg_bearer_authenticate")
        .set_hint("Begin a transaction first.")
        .report(PgLogLevel::WARNING);
}

/// An argument of an administrator's function is wrong (22023).
pub(super) fn bad_argument(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, "pg_bearer_argument")
}

/// What a function in SQL says to whoever called it, with one of the codes that those raise.
pub(super) fn refusal(code: &str, message: String, hint: Option<String>) -> ErrorReport {
    let known = [
        ("0A000", PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED),
        ("23505", PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION),
        ("42501", PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE),
        ("42710", PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT),
        ("53400", PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
        ("54000", PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED),
        ("55000", PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
    ];
    let named = known.into_iter().find(|(name, _)| *name == code);
    let code = named.map_or(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, |(_, code)| code);
    let report = ErrorReport::new(code, message, "pg_bearer_refuse");
    hint.into_iter().fold(report, |report, hint| report.set_hint(hint))
}

/// A key that cannot be stored (22023), with the reason.
pub(super) fn bad_key(error: KeyError) -> ErrorReport {
    bad_argument(error.to_string())
}

/// An error that was caught where none was expected (XX000). Its message is of others.
pub(super) fn failed(failed: Failed) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, failed.message, "failed")
}

/// There is no issuer at all (F0000).
pub(super) fn not_configured() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
        "no issuer of tokens is configured",
        "pg_bearer_authenticate",
    )
    .set_hint(
        "Add one with auth.add_issuer() and give it keys with auth.load_jwks() or auth.add_jwt_secret().",
    )
}

/// A key, or all of an organization, was used too often (53400).
pub(super) fn too_many_requests(seconds: u32) -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "too many requests",
        "pg_bearer_authenticate",
    )
    .set_hint(format!("Try again in {seconds} seconds."))
}

/// A key has a limit that this server does not enforce (F0000).
pub(super) fn not_preloaded() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
        "the key has a rate limit, which this server cannot enforce",
        "pg_bearer_authenticate",
    )
    .set_hint("Add pg_bearer to shared_preload_libraries and restart the server.")
}

/// Tells the server log that there was no room for all keys.
pub(super) fn log_given_up() {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        "pg_bearer gave up the count or the limit of another API key to make room for one",
        "pg_bearer_counting",
    )
    .set_hint("Raise pg_bearer.max_tracked_keys.")
    .report(PgLogLevel::LOG_SERVER_ONLY);
}

/// Something of this transaction is in the way (55006).
pub(super) fn in_use(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, message, "pg_bearer_identity")
}

/// The private key of a signing key of ours is not there, or cannot be used (55000).
pub(super) fn no_private_key() -> ErrorReport {
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    ErrorReport::new(code, "the private key of the signing key is missing", "pg_bearer_tokens").set_hint(
        "Dumps leave it out unless pg_bearer.dump_secrets is on. auth.create_signing_key() and auth.rotate_signing_key() give the issuer another key.",
    )
}

/// There are no random numbers to make a secret of (XX000).
pub(super) fn no_random_numbers() -> ErrorReport {
    internal("the operating system gives no random numbers")
}

/// A defect of ours (XX000).
pub(super) fn internal(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message, "pg_bearer_internal")
}
