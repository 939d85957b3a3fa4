//! Tokens that this database made: what their rows say.

use super::api_key::Environment;
use super::identity::{Profile, Uuid, uuid, uuid_text};
use super::revocation::Revocable;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// How many tokens may have come from one another.
pub(crate) const ANCESTORS_MAX: usize = 8;

/// A token that this database made, as its row says it. Times are in microseconds since 2000.
#[derive(Debug, Clone)]
pub(crate) struct MintedToken {
    pub(crate) id: Uuid,
    pub(crate) issuer: Uuid,
    /// SHA-256 of the payload.
    pub(crate) digest: Vec<u8>,
    pub(crate) user: Option<String>,
    pub(crate) org: Option<Uuid>,
    pub(crate) workspace: Option<Uuid>,
    pub(crate) environment: String,
    pub(crate) permissions: Option<Vec<String>>,
    pub(crate) is_service: bool,
    /// Its user has to be a member of the organization since before the token was made.
    pub(crate) is_member: bool,
    /// The API key that it acts as.
    pub(crate) api_key: Option<Uuid>,
    /// The service key that made it for somebody, with which it ends.
    pub(crate) maker_key: Option<Uuid>,
    pub(crate) parent: Option<Uuid>,
    /// The token of another issuer that it came from, and the key that signed it.
    pub(crate) from: Option<Revocable>,
    pub(crate) from_key: Option<Uuid>,
    pub(crate) created_at: i64,
    /// The session whose access token it is, with which it ends.
    pub(crate) session: Option<Uuid>,
}

impl MintedToken {
    /// Is this payload the one that was signed?
    pub(crate) fn is_of(&self, issuer: Uuid, payload: &[u8]) -> bool {
        self.issuer == issuer && self.digest.as_slice() == Sha256::digest(payload).as_slice()
    }

    /// How far it reaches, of what its issuer's profile lets it.
    pub(crate) fn profile(&self, issuer: &Profile) -> Profile {
        Profile {
            org_ids: self.org.into_iter().collect(),
            environment: self.environment.clone(),
            ..issuer.clone()
        }
    }

    /// Are tokens of its environment accepted where these are? One that nobody knows is not.
    pub(crate) fn is_allowed_in(&self, environments: &[Environment]) -> bool {
        Environment::from_name(&self.environment).is_some_and(|own| environments.contains(&own))
    }

    /// Is it one that its issuer, which may have services or not, may make?
    pub(crate) fn may_be_of(&self, allow_service_role: bool) -> bool {
        !self.is_service || allow_service_role
    }

    /// Would the issuer of the token that it came from, of which this is the profile now, still say the same of who made it?
    /// Nobody but a service makes one for somebody else.
    pub(crate) fn is_as_said(&self, from: &Revocable, issuer: &Profile, allow_service_role: bool) -> bool {
        let user = from.subject.as_ref().map(|subject| format!("{}{subject}", issuer.user_id_prefix));
        let stays = issuer.environment == Environment::Live.name() || issuer.environment == self.environment;
        let may = self.user == from.user || allow_service_role;
        user == from.user && may && stays && issuer.reaches(self.org.as_ref())
    }

    /// What can be revoked of it.
    pub(crate) fn revocable(&self, issuer: &str) -> Revocable {
        Revocable {
            issuer: issuer.to_owned(),
            user: self.user.clone(),
            subject: self.user.clone(),
            session: self.session.as_ref().map(uuid_text),
            token: Some(uuid_text(&self.id)),
            digest: None,
            issued_at: Some(self.created_at),
        }
    }
}

/// The id of a token of ours, which its claims name.
pub(crate) fn minted_id(claims: &Map<String, Value>) -> Option<Uuid> {
    uuid(claims.get("jti")?.as_str()?)
}
