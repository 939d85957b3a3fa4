//! What the administrators' functions in `sql/functions/issuers/keys.sql` ask of the verifier.

use crate::pg::ffi::catalog::{missing_administrators, outer_user_is_administrator};
use crate::pg::sqlstate::{bad_argument, bad_key, forbidden, unreadable_tables};
use crate::verify::algorithm::Algorithm;
use crate::verify::jwk;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// 42501 unless the outer user is an administrator, 55000 where nobody can be one for want of the role.
pub(super) fn demand_administrator() -> Result<(), ErrorReport> {
    if outer_user_is_administrator() {
        return Ok(());
    } else if let Some(role) = missing_administrators() {
        return Err(unreadable_tables(Some(role)));
    }
    Err(forbidden("this needs an administrator of pg_bearer")
        .set_hint("Become a member of bearer_admin, or ask one. A member who does not inherit its rights has to SET ROLE."))
}

/// Raises 42501 unless the outer user has the rights of a superuser or of bearer_admin.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn require_administrator() -> Result<(), ErrorReport> {
    demand_administrator()
}

fn algorithm(name: &str) -> Result<Algorithm, ErrorReport> {
    Algorithm::from_name(name).ok_or_else(|| {
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        bad_argument("this is not a supported algorithm").set_hint(format!("Supported are {known}."))
    })
}

/// The entries of a JWK Set (RFC 7517 section 5) or of an object of certificates, or 22023 with the reason. Of one that cannot be
/// used there is a reason and no key; `is_usual` says that such an entry is no fault of the issuer. An RSA key that names no
/// algorithm gets `rsa_algorithm`, and says so.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn parse_jwks(
    jwks: &str,
    rsa_algorithm: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(place, i32),
            name!(kid, Option<String>),
            name!(alg, Option<String>),
            name!(public_jwk, Option<String>),
            name!(thumbprint, Option<Vec<u8>>),
            name!(alg_assumed, bool),
            name!(reason, Option<String>),
            name!(is_usual, bool),
        ),
    >,
    ErrorReport,
> {
    let entries = jwk::parse_set(jwks, algorithm(rsa_algorithm)?).map_err(bad_key)?;
    Ok(TableIterator::new((0..).zip(entries).map(|(place, entry)| {
        let (kid, alg) = (entry.kid, entry.algorithm);
        match entry.key {
            Ok(key) => {
                let thumbprint = Some(key.thumbprint.to_vec());
                (place, kid, alg, Some(key.jwk), thumbprint, key.is_algorithm_assumed, None, false)
            }
            Err(fault) => (place, kid, alg, None, None, false, Some(fault.to_string()), fault.is_usual()),
        }
    })))
}

/// One public key given as JWK, PEM or certificate, or 22023 with the reason.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn parse_jwt_key(
    key: Option<&str>,
    alg: Option<&str>,
    kid: Option<&str>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(kid, Option<String>),
            name!(alg, String),
            name!(public_jwk, String),
            name!(thumbprint, Vec<u8>),
            name!(alg_assumed, bool),
        ),
    >,
    ErrorReport,
> {
    let key = key.ok_or_else(|| bad_argument("the key must be given"))?;
    let key = jwk::parse_key(key, alg.map(algorithm).transpose()?, kid).map_err(bad_key)?;
    let alg = key.algorithm.name().to_owned();
    Ok(TableIterator::once((key.kid, alg, key.jwk, key.thumbprint.to_vec(), key.is_algorithm_assumed)))
}

/// Raises 22023 with the reason unless these bytes can be a secret for this algorithm.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn check_jwt_secret(secret: &[u8], alg: &str) -> Result<(), ErrorReport> {
    jwk::check_secret(secret, algorithm(alg)?).map_err(bad_key)
}
