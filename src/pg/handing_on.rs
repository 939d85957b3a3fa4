//! Giving something that outlives the transaction: `src/verify/handing_on.rs` decides, by what our tables say now.

use super::api_key;
use super::credential::{self, Failure};
use super::encoding::{Text, View};
use super::ffi::carrier;
use super::settings;
use super::sqlstate::{self, Configured, Refused};
use super::store;
use crate::verify::api_key::Environment;
use crate::verify::handing_on::{self, Bearer, Obstacle, Origin, Token};
use crate::verify::identity::{Said, Uuid};
use pgrx::pg_sys::panic::ErrorReport;

pub(super) fn bearer(view: View<'_>) -> Bearer {
    let text = |which| view.text(which).map(str::to_owned);
    let origin = match (view.key(), text(Text::Issuer), view.signing_key()) {
        (Some(key), _, _) => Origin::ApiKey(*key),
        (None, Some(issuer), Some(key)) => Origin::Token(Token {
            issuer,
            key: *key,
            token_type: text(Text::TokenType),
            payload: view.text(Text::Payload).unwrap_or_default().as_bytes().to_vec(),
        }),
        (None, _, _) => Origin::Stated,
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

/// May users of the identity's issuer act in this organization, or for `None` in whatever there is? False without an issuer.
pub(super) fn issuer_reaches(org: Option<&Uuid>) -> Result<bool, ErrorReport> {
    let name = carrier::with_identity(|view| view.text(Text::Issuer).map(str::to_owned)).flatten();
    let issuer = name.map(|name| store::issuer_named(&name)).transpose()?.flatten();
    Ok(issuer.is_some_and(|issuer| issuer.profile.reaches(org)))
}

fn still_holds(bearer: &Bearer, org: Option<&Uuid>) -> Result<(), Failure> {
    match &bearer.origin {
        Origin::Stated => Ok(()),
        Origin::ApiKey(key) => api_key::demand_still_holds(*key),
        Origin::Token(token) => {
            let (claims, issuer) = credential::renewed(token)?;
            handing_on::say_the_same(&claims, &issuer.profile, &bearer.said, org).map_err(|refusal| {
                let issuer = token.issuer.clone();
                Refused { refusal, configured: Some(Configured::Issuer { issuer, kid: None }) }.into()
            })
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
