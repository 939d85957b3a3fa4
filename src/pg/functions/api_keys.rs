//! Checking API keys without using them, and what the functions in `sql/functions/` that keep them ask of Rust.

use super::authenticate::jwt_fault;
use super::tenancy::fill_randomly;
use crate::pg::api_key::Place;
use crate::pg::credential::{self, Explained, Failure};
use crate::pg::ffi::carrier::with_identity;
use crate::pg::ffi::catalog;
use crate::pg::ffi::input::CredentialText;
use crate::pg::sqlstate::{bad_argument, no_random_numbers};
use crate::pg::store::{api_keys, directory};
use crate::verify::api_key::{Environment, KeyKind, generate};
use crate::verify::identity::Uuid;
use crate::verify::restriction::Surroundings;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

fn id(id: Option<Uuid>) -> Option<pgrx::Uuid> {
    id.map(pgrx::Uuid::from_bytes)
}

/// The verdict on an API key as a row. Never raises for a bad key, and every bad key looks the same: NULLs, and
/// the reason in the server log. Uses nothing up and is not counted.
#[pg_extern(schema = "auth", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn check_api_key(
    key: Option<CredentialText>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(valid, bool),
            name!(key_id, Option<pgrx::Uuid>),
            name!(org_id, Option<pgrx::Uuid>),
            name!(environment, Option<String>),
            name!(scopes, Option<Vec<String>>),
        ),
    >,
    ErrorReport,
> {
    let row = match credential::check_api_key(key.as_ref()) {
        Ok(accepted) => {
            let key = &accepted.key;
            let scopes = match key.kind {
                KeyKind::Service => vec!["*".to_owned()],
                KeyKind::Secret | KeyKind::Publishable => accepted.place.permissions().to_vec(),
            };
            (true, id(Some(key.id)), id(key.org), Some(key.environment.name().to_owned()), Some(scopes))
        }
        Err(Failure::Refused(refused)) => {
            refused.log();
            (false, None, None, None, None)
        }
        Err(Failure::Error(error)) => return Err(error),
    };
    Ok(TableIterator::once(row))
}

/// The verdict on any credential with its reason, for administrators: never raises for a bad one.
///
/// Restrictions of an API key are looked at from the address, origin and endpoint that are given; without any
/// of them they are left alone.
#[pg_extern(schema = "auth", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn explain_credential(
    credential: Option<CredentialText>,
    client_address: default!(Option<&str>, "NULL"),
    origin: default!(Option<&str>, "NULL"),
    endpoint: default!(Option<&str>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(kind, String),
            name!(valid, bool),
            name!(reason, Option<String>),
            name!(since, Option<TimestampWithTimeZone>),
            name!(key_id, Option<pgrx::Uuid>),
            name!(key_name, Option<String>),
            name!(org_id, Option<pgrx::Uuid>),
            name!(environment, Option<String>),
        ),
    >,
    ErrorReport,
> {
    super::keys::demand_administrator()?;
    let place = given(client_address, origin, endpoint)?;
    let row = match credential::explain(credential.as_ref(), place) {
        Ok(Explained::ApiKey(explained)) => {
            let reason = explained.refusal.map(|refusal| refusal.reason().to_owned());
            let stored = explained.stored;
            let row = stored.as_ref().and_then(|stored| stored.row.as_ref());
            let since =
                row.and_then(|row| row.revoked_at.or(row.expires_at.filter(|end| *end <= catalog::now())));
            (
                "api_key".to_owned(),
                reason.is_none(),
                reason,
                since.and_then(|time| TimestampWithTimeZone::try_from(time).ok()),
                id(stored.as_ref().map(|stored| stored.id)),
                stored.as_ref().map(|stored| stored.name.clone()),
                id(row.and_then(|row| row.org)),
                row.map(|row| row.environment.name().to_owned()),
            )
        }
        Ok(Explained::Ticket(explained)) => {
            let reason = explained.refusal.map(|refusal| refusal.reason().to_owned());
            let since = explained.expired_at.and_then(|time| TimestampWithTimeZone::try_from(time).ok());
            ("ticket".to_owned(), reason.is_none(), reason, since, id(explained.key), None, None, None)
        }
        Ok(Explained::Jwt) => {
            let reason = jwt_fault(credential.as_ref());
            ("jwt".to_owned(), reason.is_none(), reason, None, None, None, None, None)
        }
        Err(Failure::Refused(refused)) => {
            let reason = refused.refusal.reason().to_owned();
            ("unknown".to_owned(), false, Some(reason), None, None, None, None, None)
        }
        Err(Failure::Error(error)) => return Err(error),
    };
    Ok(TableIterator::once(row))
}

/// Surroundings as an administrator describes them.
fn given(address: Option<&str>, origin: Option<&str>, endpoint: Option<&str>) -> Result<Place, ErrorReport> {
    if address.is_none() && origin.is_none() && endpoint.is_none() {
        return Ok(Place::Anywhere);
    }
    let peer = match address.map(str::parse) {
        Some(Err(_)) => return Err(bad_argument("client_address is not an IP address")),
        Some(Ok(address)) => Some(address),
        None => None,
    };
    let (method, path) = match endpoint.map(|endpoint| endpoint.split_once(' ')) {
        Some(None) => {
            return Err(
                bad_argument("endpoint is not a method and a path").set_hint("Such as GET /invoices.")
            );
        }
        Some(Some((method, path))) => (Some(method.to_owned()), Some(path.to_owned())),
        None => (None, None),
    };
    Ok(Place::At(Surroundings {
        peer,
        origin: origin.map(str::to_owned),
        method,
        path,
        ..Surroundings::default()
    }))
}

/// A new key of this prefix and environment: its text, what of it may be shown, and its SHA-256. 22023 for a
/// prefix that is none.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn generate_api_key(
    prefix: &str,
    environment: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(key, String),
            name!(prefix, String),
            name!(public_id, String),
            name!(last4, String),
            name!(key_hash, Vec<u8>),
        ),
    >,
    ErrorReport,
> {
    let kind = Environment::from_name(environment).ok_or_else(|| {
        bad_argument("environment has a value that is not allowed").set_hint("It is live or test.")
    })?;
    if !crate::verify::api_key::is_prefix(prefix) {
        return Err(bad_argument("the prefix of API keys is not allowed").set_hint(
            "pg_bearer.api_key_prefix is a to z, 0 to 9 and single underscores, at most 20 bytes, and has no part live or test.",
        ));
    }
    let key = generate(prefix, kind, fill_randomly).ok_or_else(no_random_numbers)?;
    let shown = format!("{prefix}_{environment}_");
    Ok(TableIterator::once((key.text.to_string(), shown, key.public_id, key.last4, key.hash.to_vec())))
}

/// Was this key revoked, or one of its kind that made it? As of now, whatever the snapshot of the transaction.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn is_api_key_revoked(key_id: pgrx::Uuid) -> Result<bool, ErrorReport> {
    api_keys::is_revoked(*key_id.as_bytes())
}

/// What the user may do in the organization now, by all that makes him a member; NULL when he is none.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn member_permissions(user_id: &str, org_id: pgrx::Uuid) -> Result<Option<Vec<String>>, ErrorReport> {
    let org = *org_id.as_bytes();
    if directory::organization(org)?.is_none_or(|known| known.disabled) {
        return Ok(None);
    }
    directory::permissions_in(user_id, org)
}

/// The API key that the identity came from, or NULL.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn api_key_id() -> Option<pgrx::Uuid> {
    with_identity(|view| view.key().copied()).flatten().map(pgrx::Uuid::from_bytes)
}

/// May the credential be used with this table? True for one that is not restricted to tables; NULL when nobody
/// is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn allows_table(source: pg_sys::Oid) -> Option<bool> {
    with_identity(|view| view.allows_table(u32::from(source)))
}
