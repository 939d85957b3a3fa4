//! Establishing an identity, and checking a token without side effects. None of these runs SQL, so none
//! needs the rights of an owner or a search_path.

use crate::pg::ffi::input::CredentialText;
use crate::pg::ffi::output::{JsonbText, JsonbValue};
use crate::pg::{credential, identity};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Verifies a JWT and makes it the identity of this transaction; returns the identity.
///
/// NULL and an empty text are a missing credential. Raises 28000 for every credential that is not good
/// (an expired one says so), F0000 when no issuer is configured, 55006 while a cursor is open, 42501
/// inside a security-restricted operation. After an error that the caller catches, the identity is what
/// it was before the call.
#[pg_extern(schema = "auth", volatile, parallel_unsafe)]
fn authenticate(credential: Option<CredentialText>) -> Result<Option<JsonbValue>, ErrorReport> {
    let verified = credential::identify(credential.as_ref()).map_err(credential::Failure::report)?;
    identity::establish(&verified)?;
    Ok(identity::show())
}

/// Leaves the rest of the transaction without an identity. Raises 55006 while a cursor is open.
#[pg_extern(schema = "auth", volatile, parallel_unsafe)]
fn sign_out() -> Result<(), ErrorReport> {
    identity::clear()
}

/// The claims of a good JWT, or the error that `authenticate` would raise. Changes nothing.
///
/// With `issuer` the token must be from it; with `audience` it must be for it, whatever audiences the
/// issuer lists.
#[pg_extern(schema = "auth", stable, parallel_unsafe)]
fn verify_jwt(
    token: Option<CredentialText>,
    issuer: default!(Option<&str>, "NULL"),
    audience: default!(Option<&str>, "NULL"),
) -> Result<JsonbText, ErrorReport> {
    credential::verify_jwt(token.as_ref(), issuer, audience)
        .map(JsonbText)
        .map_err(credential::Failure::report)
}

/// The verdict on a JWT with its reason, for administrators: never raises for a bad token.
///
/// `header` and `claims` are what the token says, believed or not, numbers as they are written; NULL where that is no strict JSON.
#[pg_extern(schema = "auth", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn check_jwt(
    token: Option<CredentialText>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(valid, bool),
            name!(reason, Option<String>),
            name!(header, Option<JsonbText>),
            name!(claims, Option<JsonbText>),
        ),
    >,
    ErrorReport,
> {
    super::keys::demand_administrator()?;
    let [header, claims] = credential::said(token.as_ref()).map(|part| part.map(JsonbText));
    let reason = jwt_fault(token.as_ref());
    Ok(TableIterator::once((reason.is_none(), reason, header, claims)))
}

/// Why a JWT is refused; `None` for a good one.
pub(super) fn jwt_fault(token: Option<&CredentialText>) -> Option<String> {
    match credential::verify_jwt(token, None, None) {
        Ok(_) => None,
        Err(credential::Failure::Refused(refused)) => Some(refused.refusal.reason().to_owned()),
        Err(credential::Failure::Error(error)) => Some(error.message().to_owned()),
    }
}
