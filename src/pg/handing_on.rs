//! Giving something that outlives the transaction: `src/verify/handing_on.rs` decides, by what our tables say now.

use super::api_key;
use super::credential::Failure;
use super::encoding::{Text, View};
use super::ffi::{carrier, catalog};
use super::minted::{self, Verified};
use super::settings;
use super::sqlstate::{self, Configured, Refused};
use super::store;
use crate::verify::algorithm::Algorithm;
use crate::verify::api_key::Environment;
use crate::verify::error::Refusal;
use crate::verify::handing_on::{self, Bearer, Issuer, Obstacle, Origin, Token};
use crate::verify::identity::{Profile, Said, Uuid};
use crate::verify::json;
use crate::verify::minted::minted_id;
use crate::verify::revocation::Revocable;
use pgrx::pg_sys::panic::ErrorReport;
use serde_json::{Map, Value};
use std::rc::Rc;

fn bearer(view: View<'_>) -> Bearer {
    let text = |which| view.text(which).map(str::to_owned);
    let origin = match (text(Text::Issuer), view.signing_key(), view.key()) {
        (Some(issuer), Some(key), _) => Origin::Token(Token {
            issuer,
            key: *key,
            token_type: text(Text::TokenType),
            payload: view.text(Text::Payload).unwrap_or_default().as_bytes().to_vec(),
        }),
        (_, _, Some(key)) => Origin::ApiKey(*key),
        (_, _, None) => Origin::Stated,
    };
    let said = Said {
        kind: view.kind(),
        user_id: text(Text::UserId),
        role: text(Text::Role),
        email: text(Text::Email),
        email_verified: view.email_verified(),
        environment: text(Text::Environment).unwrap_or_default(),
        scopes: view.scopes().map(str::to_owned).collect(),
        session_id: text(Text::SessionId),
        actor: text(Text::Actor),
    };
    Bearer { said, origin }
}

/// 28000 unless the credential of the transaction's identity would be accepted now, for the same user, also in this
/// organization; 42501 where it gives nothing that counts in this environment, or for `None` in all. An administrator
/// without an identity needs no credential.
pub(super) fn demand(org: Option<&Uuid>, environment: Option<Environment>) -> Result<(), ErrorReport> {
    let Some(bearer) = carrier::with_published(bearer) else { return Ok(()) };
    still_holds(&bearer, org).map_err(Failure::report)?;
    let allowed = settings::allowed_environments();
    handing_on::may_hand_on(&bearer, environment, &allowed).map_err(obstacle)
}

/// 42501 where whoever is signed in changes nothing that counts in this environment, or for `None` in all.
pub(super) fn demand_environment(environment: Option<Environment>) -> Result<(), ErrorReport> {
    let own = carrier::with_published(|view| view.text(Text::Environment).unwrap_or_default().to_owned());
    match own {
        Some(own) if !handing_on::reaches(&own, environment, &settings::allowed_environments()) => {
            Err(obstacle(Obstacle::Environment))
        }
        Some(_) | None => Ok(()),
    }
}

/// May the bearer of the identity's token act in this organization, or for `None` in whatever there is, as far as its issuer
/// and, for one of ours, the token go? False without a token.
pub(super) fn issuer_reaches(org: Option<&Uuid>) -> Result<bool, ErrorReport> {
    let Some(Bearer { origin: Origin::Token(token), .. }) = carrier::with_identity(bearer) else {
        return Ok(false);
    };
    let found = current(&token).map_err(Failure::report)?;
    Ok(found.is_some_and(|found| found.profile.reaches(org)))
}

/// What can be revoked of the token of the identity and, if it is ours, its id. `None` without a token.
pub(super) fn origin() -> Result<Option<(Revocable, Option<Uuid>)>, ErrorReport> {
    let Some(Bearer { origin: Origin::Token(token), .. }) = carrier::with_identity(bearer) else {
        return Ok(None);
    };
    let Some(issuer) = store::issuer_named(&token.issuer)? else { return Ok(None) };
    let claims = parsed(&token).map_err(Failure::report)?;
    let verified =
        Verified { name: &token.issuer, issuer: &issuer, claims: &claims, payload: &token.payload };
    Ok(Some((verified.revocable(), minted_id(&claims).filter(|_| issuer.is_own))))
}

/// What our tables say now of a token that was accepted earlier.
struct Found {
    issuer: Rc<store::Issuer>,
    key: Option<Algorithm>,
    profile: Profile,
    /// The API key that it came from.
    api_key: Option<Uuid>,
}

/// `None` where there is no such issuer any more. Refused where the token was revoked.
fn current(token: &Token) -> Result<Option<Found>, Failure> {
    let Some((issuer, key)) = store::issuer_and_algorithm(&token.issuer, token.key)? else {
        return Ok(None);
    };
    let claims = parsed(token)?;
    let verified =
        Verified { name: &token.issuer, issuer: &issuer, claims: &claims, payload: &token.payload };
    let row = minted::demand_current(&verified)?;
    let profile = row.as_ref().map_or_else(|| issuer.profile.clone(), |row| row.profile(&issuer.profile));
    Ok(Some(Found { issuer, key, profile, api_key: row.and_then(|row| row.api_key) }))
}

fn parsed(token: &Token) -> Result<Map<String, Value>, Failure> {
    json::parse_object(&token.payload).map_err(|fault| Refusal::in_payload(fault).into())
}

fn still_holds(bearer: &Bearer, org: Option<&Uuid>) -> Result<(), Failure> {
    match &bearer.origin {
        Origin::Stated => Ok(()),
        Origin::ApiKey(key) => api_key::demand_still_holds(*key),
        Origin::Token(token) => {
            let found = current(token)?;
            let issuer = found.as_ref().map(|found| Issuer {
                rules: &found.issuer.rules,
                profile: &found.profile,
                key: found.key,
                scopes_are_of_key: found.api_key.is_some(),
            });
            let held = handing_on::token_still_holds(token, &bearer.said, issuer, org, catalog::clock());
            held.map_err(|refusal| {
                let known = || Configured::Issuer { issuer: token.issuer.clone(), kid: None };
                Failure::Refused(Refused { refusal, configured: found.is_some().then(known) })
            })?;
            found.and_then(|found| found.api_key).map_or(Ok(()), api_key::demand_still_holds)
        }
    }
}

fn obstacle(obstacle: Obstacle) -> ErrorReport {
    match obstacle {
        Obstacle::Actor => sqlstate::forbidden("whoever acts for somebody else gives nothing that lasts")
            .set_hint("The token has the claim act. Use a token of the user alone."),
        Obstacle::Environment => sqlstate::forbidden(
            "a test credential changes nothing that counts in the live environment",
        )
        .set_hint(
            "Use a live credential. Where pg_bearer.allowed_environments is test, test credentials do.",
        ),
    }
}
