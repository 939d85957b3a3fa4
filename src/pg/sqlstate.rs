//! From a reason to what the caller is told. The reason itself goes to the server log only.

use crate::verify::error::{KeyError, Refusal};
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::borrow::Cow;

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
        Refusal::Expired => Told::Expired,
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
        | Refusal::NoKeys
        | Refusal::KeyUnusable
        | Refusal::BadSignature
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
        | Refusal::ServiceRoleNotAllowed => Told::Refused,
    }
}

/// A refused credential: why, and the issuer and key it was matched with, if it got that far.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) configured: Option<Configured>,
}

/// Names from our own tables, so that nothing of the credential reaches the log.
pub(super) struct Configured {
    pub(super) issuer: String,
    pub(super) kid: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, configured: None }
    }
}

impl Refused {
    /// Writes the reason to the server log and gives the error for the caller (28000).
    pub(super) fn report(self) -> ErrorReport {
        let mut line = format!("pg_bearer refused a credential: {}", self.refusal.reason());
        if let Some(Configured { issuer, kid }) = &self.configured {
            line.push_str(&format!(" (issuer {issuer:?}"));
            line.push_str(&kid.as_ref().map_or(String::from(")"), |kid| format!(", key {kid:?})")));
        }
        let code = PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
        // Not LOG: a client can ask to be sent that one.
        ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, line, "refused")
            .report(PgLogLevel::LOG_SERVER_ONLY);
        match told(self.refusal) {
            Told::NothingGiven => ErrorReport::new(code, "no credential was given", "authenticate")
                .set_hint("Pass a JSON Web Token, with or without \"Bearer \" before it."),
            Told::Expired => ErrorReport::new(code, "the credential has expired", "authenticate")
                .set_hint("Get a new one and try again."),
            Told::Refused => ErrorReport::new(code, "the credential was refused", "authenticate")
                .set_hint("The reason is in the server log; administrators can ask auth.check_jwt(token)."),
        }
    }
}

/// Nobody is signed in, or no longer (28000).
pub(super) fn not_authenticated() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
        "this transaction has no identity",
        "require",
    )
    .set_hint("Call auth.authenticate(credential) first, in the same transaction.")
}

/// Somebody is signed in who may not (42501).
pub(super) fn forbidden(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message, "require")
}

/// An organization that does not exist, or that the identity does not belong to (42501): one error for both.
pub(super) fn no_such_organization() -> ErrorReport {
    forbidden("no such organization, or it is not yours")
}

/// More than an identity can hold (54000).
pub(super) fn too_many(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, message, "identity")
}

/// A table that memberships are read from has changed or is gone (F0000).
pub(super) fn broken_source() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
        "a table that memberships come from cannot be read",
        "authenticate",
    )
    .set_hint("Register it again with auth.register_membership_source(), or take it out with auth.unregister_membership_source().")
}

/// An argument of an administrator's function is wrong (22023).
pub(super) fn bad_argument(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, "argument")
}

/// A key that cannot be stored (22023), with the reason.
pub(super) fn bad_key(error: KeyError) -> ErrorReport {
    bad_argument(error.to_string())
}

/// There is no issuer at all (F0000).
pub(super) fn not_configured() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
        "no issuer of tokens is configured",
        "authenticate",
    )
    .set_hint(
        "Add one with auth.add_issuer() and give it keys with auth.load_jwks() or auth.add_jwt_secret().",
    )
}

/// Something of this transaction is in the way (55006).
pub(super) fn in_use(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, message, "identity")
}

/// A defect of ours (XX000).
pub(super) fn internal(message: impl Into<Cow<'static, str>>) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message, "internal")
}
