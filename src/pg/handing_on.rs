//! Giving something that outlives the transaction: `src/verify/handing_on.rs` decides, by what our tables say now.

use super::api_key;
use super::credential::{self, Failure};
use super::encoding::{Text, View};
use super::ffi::carrier;
use super::settings;
use super::sqlstate::{self, Configured, Refused};
use crate::verify::api_key::Environment;
use crate::verify::handing_on::{self, Bearer, Obstacle, Origin, Token};
use crate::verify::identity::{Said, Uuid};
use crate::verify::revocation::Revocable;
use pgrx::pg_sys::panic::ErrorReport;

pub(super) fn bearer(view: View<'_>) -> Bearer {
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
    Bearer { said, origin, from_ticket: view.is_from_ticket() }
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
    let found = credential::renewed(&token).map_err(Failure::report)?;
    Ok(found.profile().reaches(org))
}

/// What can be revoked of the token of the identity, the key that signed it and, if it is ours, its id. `None` without a token.
pub(super) fn origin() -> Result<Option<(Revocable, Uuid, Option<Uuid>)>, ErrorReport> {
    let Some(Bearer { origin: Origin::Token(token), .. }) = carrier::with_identity(bearer) else {
        return Ok(None);
    };
    let found = credential::renewed(&token).map_err(Failure::report)?;
    Ok(Some((found.revocable(), token.key, found.row.map(|row| row.id))))
}

fn still_holds(bearer: &Bearer, org: Option<&Uuid>) -> Result<(), Failure> {
    match &bearer.origin {
        Origin::Stated => Ok(()),
        Origin::ApiKey(key) => api_key::demand_still_holds(*key),
        Origin::Token(token) => {
            let found = credential::renewed(token)?;
            let key = found.row.as_ref().and_then(|row| row.api_key);
            let (profile, said) = (found.profile(), &bearer.said);
            let same = handing_on::say_the_same(&found.claims, &profile, said, key.is_some(), org);
            same.map_err(|refusal| {
                let issuer = token.issuer.clone();
                Refused { refusal, configured: Some(Configured::Issuer { issuer, kid: None }) }
            })?;
            key.map_or(Ok(()), api_key::demand_still_holds)
        }
    }
}

fn obstacle(obstacle: Obstacle) -> ErrorReport {
    match obstacle {
        Obstacle::Ticket => sqlstate::forbidden("whoever signed in with a ticket gives nothing that lasts")
            .set_hint("Sign in with the credential that the ticket was issued for."),
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
