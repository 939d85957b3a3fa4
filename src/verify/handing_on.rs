//! May whoever was signed in earlier in a transaction give something that outlives it: a key, a membership, a role, an
//! invitation, an organization? The credential is asked again, since it may have ended meanwhile, and some credentials give
//! nothing at all.

use super::algorithm::Algorithm;
use super::api_key::Environment;
use super::error::Refusal;
use super::identity::{Profile, Uuid, is_same_user};
use super::json;
use super::jwt::{self, Rules};
use serde_json::Value;

/// What the identity of the transaction says about its bearer.
pub(crate) struct Bearer {
    pub(crate) user_id: Option<String>,
    /// Whoever acts for the user (RFC 8693 section 4.1).
    pub(crate) actor: Option<String>,
    /// `live` or `test`.
    pub(crate) environment: String,
    pub(crate) origin: Origin,
}

/// Where the identity came from.
pub(crate) enum Origin {
    /// A token: its issuer, the key that signed it, and its claims as they were signed.
    Token { issuer: String, key: Uuid, payload: Vec<u8> },
    /// An API key.
    ApiKey(Uuid),
    /// An administrator's word, which does not end.
    Stated,
}

/// What our tables say now about a token's issuer, and about the key that signed it unless that is of no use any more.
pub(crate) struct Issuer<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) profile: &'a Profile,
    pub(crate) key: Option<Algorithm>,
}

/// Would the claims of this bearer's token be accepted at the Unix second `now`, for the same user, and in this organization?
/// `None` where there is no such issuer any more.
pub(crate) fn token_still_holds(
    bearer: &Bearer,
    payload: &[u8],
    issuer: Option<Issuer<'_>>,
    org: Option<&Uuid>,
    now: u64,
) -> Result<(), Refusal> {
    let issuer = issuer.ok_or(Refusal::UnknownIssuer)?;
    let algorithm = issuer.key.ok_or(Refusal::UnknownKey)?;
    let claims = json::parse_object(payload).map_err(Refusal::in_payload)?;
    jwt::verify_again(&claims, issuer.rules, algorithm, now)?;
    let subject = claims.get("sub").and_then(Value::as_str);
    if is_same_user(subject, issuer.profile, bearer.user_id.as_deref(), &bearer.environment, org) {
        Ok(())
    } else {
        Err(Refusal::IssuerChanged)
    }
}

/// Why a credential that is still good gives nothing that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
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
    if bearer.actor.is_some() {
        return Err(Obstacle::Actor);
    }
    if reaches(&bearer.environment, environment, allowed) { Ok(()) } else { Err(Obstacle::Environment) }
}

/// Does what somebody of the environment `own` does stay there? Organizations, members and roles are those of every
/// environment.
pub(crate) fn reaches(own: &str, environment: Option<Environment>, allowed: &[Environment]) -> bool {
    let counts_in_live = environment.unwrap_or(Environment::Live) == Environment::Live;
    own == Environment::Live.name() || !counts_in_live || !allowed.contains(&Environment::Live)
}
