//! May whoever was signed in earlier in a transaction give something that outlives it: a key, a membership, a role, an
//! invitation, an organization? The credential is asked again, since it may have ended meanwhile, and some credentials give
//! nothing at all.

use super::algorithm::Algorithm;
use super::api_key::Environment;
use super::error::Refusal;
use super::identity::{Profile, Said, Uuid};
use super::jwt::{self, Rules, VerifiedClaims};

/// The bearer of the identity of the transaction.
pub(crate) struct Bearer {
    pub(crate) said: Said,
    pub(crate) origin: Origin,
    /// It came from a ticket.
    pub(crate) from_ticket: bool,
}

/// Where the identity came from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Token(Token),
    /// An API key.
    ApiKey(Uuid),
    /// An administrator's word, which does not end.
    Stated,
}

/// What is kept of a token: its issuer, the key that signed it, the `typ` of its header, and its claims as they were signed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) issuer: String,
    pub(crate) key: Uuid,
    pub(crate) token_type: Option<String>,
    pub(crate) payload: Vec<u8>,
}

/// What our tables say now about a token's issuer, and about the key that signed it unless that is of no use any more.
pub(crate) struct Issuer<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) key: Option<Algorithm>,
}

/// The claims of this token, if it would be accepted at the Unix second `now`. `None` where there is no such issuer any more.
pub(crate) fn renewed(
    token: &Token,
    issuer: Option<&Issuer<'_>>,
    now: u64,
) -> Result<VerifiedClaims, Refusal> {
    let issuer = issuer.ok_or(Refusal::UnknownIssuer)?;
    let algorithm = issuer.key.ok_or(Refusal::UnknownKey)?;
    jwt::verify_again(token, issuer.rules, algorithm, now)
}

/// Do these claims still say the same of their bearer, and are they good in this organization? The scopes of what came from
/// an API key are the key's, whatever the claims say.
pub(crate) fn say_the_same(
    claims: &VerifiedClaims,
    profile: &Profile,
    said: &Said,
    scopes_are_of_key: bool,
    org: Option<&Uuid>,
) -> Result<(), Refusal> {
    let mut now_said = Said::of(claims.claims(), profile);
    if scopes_are_of_key {
        now_said.scopes.clone_from(&said.scopes);
    }
    let is_same = now_said == *said;
    if is_same && org.is_none_or(|org| profile.reaches(Some(org))) {
        Ok(())
    } else {
        Err(Refusal::IssuerChanged)
    }
}

/// Why a credential that is still good gives nothing that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It is good for a moment only.
    Ticket,
    /// Somebody acts for its user.
    Actor,
    /// It is for tests, and what it would give counts in the live environment.
    Environment,
}

/// May the bearer give something that counts in this environment, or for `None` in all that are allowed?
pub(crate) fn may_hand_on(
    bearer: &Bearer,
    environment: Option<Environment>,
    allowed: &[Environment],
) -> Result<(), Obstacle> {
    if bearer.from_ticket {
        return Err(Obstacle::Ticket);
    }
    if bearer.said.actor.is_some() {
        return Err(Obstacle::Actor);
    }
    if reaches(&bearer.said.environment, environment, allowed) { Ok(()) } else { Err(Obstacle::Environment) }
}

/// Does what somebody of the environment `own` does stay there? Organizations, members and roles are those of every
/// environment.
pub(crate) fn reaches(own: &str, environment: Option<Environment>, allowed: &[Environment]) -> bool {
    let counts_in_live = environment.unwrap_or(Environment::Live) == Environment::Live;
    own == Environment::Live.name() || !counts_in_live || !allowed.contains(&Environment::Live)
}
