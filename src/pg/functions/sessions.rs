//! What the functions in `sql/functions/users/` and `sql/functions/sessions/` ask.

use super::tenancy::fill_randomly;
use crate::pg::ffi::input::{CredentialText, JsonbArgument};
use crate::pg::ffi::{reuse_memory, shared};
use crate::pg::settings;
use crate::pg::sqlstate::{no_random_numbers, tickets as errors};
use crate::pg::store::{self, users};
use crate::verify::api_key::Environment;
use crate::verify::json;
use crate::verify::refresh::{self, SECRET_BYTES};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use zeroize::Zeroizing;

/// A new refresh token of this generation of a session. Nothing of it is stored here.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn new_refresh_token(session_id: pgrx::Uuid, generation: i32) -> Result<String, ErrorReport> {
    let marking = store::ticket_secret().ok_or_else(errors::no_secret)?;
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    fill_randomly(&mut *secret).ok_or_else(no_random_numbers)?;
    let generation = u32::try_from(generation).unwrap_or(0);
    Ok(refresh::make(session_id.as_bytes(), generation, &secret, &marking).to_string())
}

/// What a refresh token says of itself, and whether it was made here; no row for what is none.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn parse_refresh_token(
    token: Option<CredentialText>,
) -> TableIterator<'static, (name!(session_id, pgrx::Uuid), name!(generation, i32), name!(is_ours, bool))> {
    let marking = store::ticket_secret().unwrap_or_default();
    let parsed = token.as_ref().and_then(|token| refresh::parse(token.bytes()?, &marking));
    TableIterator::new(parsed.into_iter().map(|token| {
        let generation = i32::try_from(token.generation).unwrap_or(0);
        (pgrx::Uuid::from_bytes(token.session), generation, token.is_ours)
    }))
}

/// The next refresh token, so that only whoever presents the one before it can read it.
#[pg_extern(schema = "auth_internal", immutable, parallel_safe)]
fn seal_refresh_token(presented: CredentialText, next: &str) -> Option<Vec<u8>> {
    refresh::seal(presented.bytes()?, next)
}

/// The refresh token that was sealed for this one; NULL where that is another.
#[pg_extern(schema = "auth_internal", immutable, parallel_safe)]
fn open_refresh_token(presented: CredentialText, sealed: &[u8]) -> Option<String> {
    refresh::open(presented.bytes()?, sealed).map(|token| token.to_string())
}

/// Is this user banned or deleted, as it is now?
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn is_banned(user_id: &str) -> Result<bool, ErrorReport> {
    users::is_banned(user_id)
}

/// Are access tokens of this session good now, as far as it goes, for this user?
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn session_holds(session_id: pgrx::Uuid, user_id: &str) -> Result<bool, ErrorReport> {
    let found = users::session(*session_id.as_bytes())?;
    Ok(found.is_some_and(|(session, facts)| session.holds(Some(user_id), &facts)))
}

/// Would this JSON object be accepted in a token?
#[pg_extern(schema = "auth_internal", immutable, parallel_safe)]
fn is_strict_object(object: JsonbArgument) -> bool {
    // One level less: it is a member of the claims.
    json::parse_object(format!("{{\"claim\":{}}}", object.0).as_bytes()).is_ok()
}

/// Has this session ended whatever becomes of the transaction, where the library is preloaded.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn note_reuse(session_id: pgrx::Uuid) {
    if let Some(reused) = reuse_memory::reused() {
        reused.note(shared::database(), session_id.as_bytes());
    }
}

/// The password that this user has now, whatever the snapshot; NULL without one.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn newest_password(user_id: pgrx::Uuid) -> Result<Option<pgrx::Uuid>, ErrorReport> {
    Ok(users::password(*user_id.as_bytes())?.map(pgrx::Uuid::from_bytes))
}

/// Are credentials of this environment accepted on this server?
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn is_allowed_environment(environment: &str) -> bool {
    Environment::from_name(environment).is_some_and(|own| settings::allowed_environments().contains(&own))
}
