//! What the functions in `sql/functions/tokens/` ask: keys of our own, tokens signed with them, and tokens to revoke.

use crate::pg::credential::{self, Failure};
use crate::pg::ffi::catalog;
use crate::pg::ffi::input::CredentialText;
use crate::pg::signing::{self, ALGORITHMS};
use crate::pg::sqlstate::{self, bad_argument};
use crate::pg::{handing_on, store};
use crate::verify::algorithm::Algorithm;
use crate::verify::identity::timestamp;
use crate::verify::revocation::Revocable;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

fn algorithm(name: &str) -> Result<Algorithm, ErrorReport> {
    let known = Algorithm::from_name(name).filter(|algorithm| ALGORITHMS.contains(algorithm));
    known.ok_or_else(|| {
        let names = ALGORITHMS.map(Algorithm::name).join(", ");
        bad_argument("alg has a value that is not allowed").set_hint(format!("It is one of {names}."))
    })
}

/// A new signing key for this algorithm, named `kid`: the private key (PKCS #8) or secret, and the public key, which HS256 has
/// none of. 22023 for an algorithm that we do not sign with.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn generate_signing_key(
    alg: &str,
    kid: &str,
) -> Result<
    TableIterator<
        'static,
        (name!(material, Vec<u8>), name!(public_jwk, Option<String>), name!(thumbprint, Option<Vec<u8>>)),
    >,
    ErrorReport,
> {
    let key = signing::generate(algorithm(alg)?, kid).ok_or_else(sqlstate::no_random_numbers)?;
    let (jwk, thumbprint) = key.public.map(|key| (key.jwk, key.thumbprint.to_vec())).unzip();
    Ok(TableIterator::once((key.private.to_vec(), jwk, thumbprint)))
}

/// The token with this payload, signed with a key of ours, which stays here. Raises 55000 where the private key is missing, as in
/// a database that was restored from a dump without secrets. What is signed is noted in the server log, which no rollback changes.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn sign_jwt(
    key_id: pgrx::Uuid,
    alg: &str,
    payload: &str,
    subject: Option<&str>,
    token_id: pgrx::Uuid,
    expires_at: TimestampWithTimeZone,
) -> Result<String, ErrorReport> {
    let private = store::private_key(*key_id.as_bytes())?.ok_or_else(sqlstate::no_private_key)?;
    let algorithm = algorithm(alg)?;
    let token = signing::sign(payload, &key_id.to_string(), algorithm, &private);
    let token = token.ok_or_else(sqlstate::no_private_key)?;
    let whose = subject.map_or("nobody".to_owned(), |subject| format!("the user {subject:?}"));
    let until = catalog::timestamp_text(expires_at.into());
    sqlstate::log(format!("pg_bearer: token {token_id} for {whose} until {until} was signed"));
    Ok(token)
}

/// Raises 22023 with the reason unless `auth.authenticate()` would accept this token of ours now, as that of this user and session.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn demand_accepted(
    token: CredentialText,
    user_id: Option<&str>,
    session_id: Option<pgrx::Uuid>,
) -> Result<(), ErrorReport> {
    match credential::identify_unused(&token) {
        Ok(identity) => {
            let session = session_id.map(|id| id.to_string());
            let is_as_meant = identity.said.user_id.as_deref() == user_id
                && (session.is_none() || identity.said.session_id == session);
            if is_as_meant { Ok(()) } else { Err(bad_argument("the token would give another identity")) }
        }
        Err(Failure::Refused(refused)) => Err(bad_argument("the token would be refused")
            .set_hint(format!("The reason would be: {}.", refused.refusal.reason()))),
        Err(Failure::Error(error)) => Err(error),
    }
}

type RevocableRow = (
    name!(issuer, String),
    name!(user_id, Option<String>),
    name!(subject, Option<String>),
    name!(session, Option<String>),
    name!(token, Option<String>),
    name!(digest, Option<String>),
    name!(issued_at, Option<TimestampWithTimeZone>),
    name!(expires_at, Option<TimestampWithTimeZone>),
    name!(key_id, Option<pgrx::Uuid>),
    name!(minted_id, Option<pgrx::Uuid>),
);

fn row(
    token: Revocable,
    expires_at: Option<i64>,
    key: Option<[u8; 16]>,
    minted: Option<[u8; 16]>,
) -> RevocableRow {
    let time = |time: Option<i64>| time.and_then(|time| TimestampWithTimeZone::try_from(time).ok());
    (
        token.issuer,
        token.user,
        token.subject,
        token.session,
        token.token,
        token.digest,
        time(token.issued_at),
        time(expires_at),
        key.map(pgrx::Uuid::from_bytes),
        minted.map(pgrx::Uuid::from_bytes),
    )
}

/// What can be revoked of the token that the identity came from; no row without one.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn origin_of_identity() -> Result<
    TableIterator<
        'static,
        (
            name!(issuer, String),
            name!(user_id, Option<String>),
            name!(subject, Option<String>),
            name!(session, Option<String>),
            name!(token, Option<String>),
            name!(digest, Option<String>),
            name!(issued_at, Option<TimestampWithTimeZone>),
            name!(expires_at, Option<TimestampWithTimeZone>),
            name!(key_id, Option<pgrx::Uuid>),
            name!(minted_id, Option<pgrx::Uuid>),
        ),
    >,
    ErrorReport,
> {
    let found = handing_on::origin()?;
    Ok(TableIterator::new(found.into_iter().map(|(token, key, minted)| row(token, None, Some(key), minted))))
}

/// What can be revoked of a token that is good, or was before it was revoked or expired. Raises 28000 for any other, as
/// `auth.authenticate()` does.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn revocable_token(
    token: Option<CredentialText>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(issuer, String),
            name!(user_id, Option<String>),
            name!(subject, Option<String>),
            name!(session, Option<String>),
            name!(token, Option<String>),
            name!(digest, Option<String>),
            name!(issued_at, Option<TimestampWithTimeZone>),
            name!(expires_at, Option<TimestampWithTimeZone>),
            name!(key_id, Option<pgrx::Uuid>),
            name!(minted_id, Option<pgrx::Uuid>),
        ),
    >,
    ErrorReport,
> {
    let (token, expires_at) = credential::revocable(token.as_ref()).map_err(Failure::report)?;
    Ok(TableIterator::once(row(token, Some(timestamp(expires_at)), None, None)))
}

/// Does this text look like a token, rather than like the id of one?
#[pg_extern(schema = "auth_internal", immutable, parallel_safe)]
fn looks_like_token(text: CredentialText) -> bool {
    text.bytes().is_none_or(|text| crate::verify::api_key::looks_like_jwt(text.trim_ascii()))
}
