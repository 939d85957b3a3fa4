//! What a good credential says about its bearer.

use super::api_key::{KeyKind, KeyRow};
use super::jwt::{SERVICE_ROLE, VerifiedClaims, claim_at};
use super::membership::Settled;
use super::revocation::session;
use serde_json::{Map, Value};

/// 128 bits, in network order, as in the `uuid` type.
pub(crate) type Uuid = [u8; 16];

/// Seconds from 1970 to 2000, where timestamps of Postgres begin.
pub(crate) const POSTGRES_EPOCH: i64 = 946_684_800;

/// What kind of credential an identity came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A JWT of a user or of a service with limited rights.
    Jwt,
    /// An API key, of a user or with a role of its own.
    ApiKey,
    /// A credential that may pass the service policies.
    Service,
    /// No credential: an administrator's word.
    ActAs,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Jwt => "jwt",
            Kind::ApiKey => "api_key",
            Kind::Service => "service",
            Kind::ActAs => "act_as",
        }
    }
}

/// Where an issuer keeps what we read from its tokens: paths of member names from the top of the claims.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimPaths {
    pub(crate) org: Vec<String>,
    pub(crate) workspace: Vec<String>,
    pub(crate) role: Vec<String>,
    pub(crate) org_role: Vec<String>,
    pub(crate) permissions: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) email: Vec<String>,
    /// Empty: the issuer vouches for every address it names.
    pub(crate) email_verified: Vec<String>,
}

/// How far an issuer is believed, and where to look in its tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    pub(crate) paths: ClaimPaths,
    /// Organizations, workspaces, roles and permissions in the token count without rows of ours.
    pub(crate) memberships_from_claims: bool,
    /// The only organizations its users act in; empty means any.
    pub(crate) org_ids: Vec<Uuid>,
    /// Put before the subject, so that two issuers cannot name each other's users.
    pub(crate) user_id_prefix: String,
    /// `live` or `test`.
    pub(crate) environment: String,
}

impl Profile {
    /// May its users act in this organization; for `None`, in whatever there is?
    pub(crate) fn reaches(&self, org: Option<&Uuid>) -> bool {
        self.org_ids.is_empty() || org.is_some_and(|org| self.org_ids.contains(org))
    }
}

/// A verified identity.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) said: Said,
    /// Of a token.
    pub(crate) issuer: Option<String>,
    pub(crate) place: Settled,
    pub(crate) key_id: Option<Uuid>,
    /// The key that signed the token.
    pub(crate) signing_key: Option<Uuid>,
    /// The `typ` of the token's header.
    pub(crate) token_type: Option<String>,
    /// The numbers of the only tables that it is for.
    pub(crate) tables: Option<Vec<u32>>,
    /// In microseconds since 2000; `None`: it does not expire.
    pub(crate) expires_at: Option<i64>,
    /// The first microsecond since 2000 at which the credential is no longer accepted: for a token `exp` plus
    /// the issuer's leeway.
    pub(crate) valid_until: i64,
    /// The claims, byte for byte as they were signed.
    pub(crate) payload: Option<Vec<u8>>,
    /// It came from a ticket that was issued for the credential.
    pub(crate) from_ticket: bool,
}

/// What a credential says of its bearer, besides where they act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) kind: Kind,
    /// Of a token the subject after the issuer's prefix.
    pub(crate) user_id: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) environment: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) actor: Option<String>,
}

impl Said {
    /// What claims say under an issuer's profile. One of the wrong type counts as absent, where that can only take away. Scopes and actors limit: there anything
    /// counts.
    pub(crate) fn of(claims: &Map<String, Value>, profile: &Profile) -> Said {
        let paths = &profile.paths;
        let at = |path: &[String]| claim_at(claims, path);
        let role = text(at(&paths.role));
        let email = text(at(&paths.email));
        Said {
            kind: if role.as_deref() == Some(SERVICE_ROLE) { Kind::Service } else { Kind::Jwt },
            user_id: text(claims.get("sub")).map(|subject| format!("{}{subject}", profile.user_id_prefix)),
            role,
            email_verified: email.is_some() && is_verified(claims, &paths.email_verified),
            email,
            environment: profile.environment.clone(),
            scopes: scopes(at(&paths.scopes)),
            session_id: session(claims),
            actor: actor(claims.get("act")),
        }
    }
}

impl Identity {
    /// The identity of the bearer of a verified token, of which this is said, in this place.
    pub(crate) fn from_claims(claims: &VerifiedClaims, said: Said, place: Settled) -> Identity {
        Identity {
            said,
            issuer: Some(claims.issuer().to_owned()),
            place,
            key_id: None,
            signing_key: Some(claims.key()),
            token_type: claims.token_type().map(str::to_owned),
            tables: None,
            expires_at: Some(timestamp(claims.expires_at())),
            valid_until: timestamp(claims.valid_until()),
            payload: Some(claims.payload().to_vec()),
            from_ticket: false,
        }
    }
}

impl Identity {
    /// The identity of the bearer of an API key that was accepted. Its scopes are what it may do, so that a
    /// policy can ask for either.
    pub(crate) fn from_key(key: &KeyRow, place: Settled, tables: Option<Vec<u32>>) -> Identity {
        let kind = match key.kind {
            KeyKind::Service => Kind::Service,
            KeyKind::Secret | KeyKind::Publishable => Kind::ApiKey,
        };
        let said = Said {
            kind,
            user_id: key.user.clone(),
            role: (kind == Kind::Service).then(|| SERVICE_ROLE.to_owned()),
            email: None,
            email_verified: false,
            environment: key.environment.name().to_owned(),
            scopes: place.permissions().to_vec(),
            session_id: None,
            actor: None,
        };
        Identity {
            said,
            issuer: None,
            place,
            key_id: Some(key.id),
            signing_key: None,
            token_type: None,
            tables,
            expires_at: key.expires_at,
            valid_until: key.expires_at.unwrap_or(i64::MAX),
            payload: None,
            from_ticket: false,
        }
    }
}

/// `email_verified` of OpenID Connect Core 1.0 section 5.1; some issuers write it as a string.
fn is_verified(claims: &Map<String, Value>, path: &[String]) -> bool {
    match claim_at(claims, path) {
        _ if path.is_empty() => true,
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(verified)) => verified == "true",
        _ => false,
    }
}

pub(super) fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// A claim that lists names: an array of strings, or one string with spaces between them (RFC 8693 4.2).
pub(super) fn words(value: Option<&Value>) -> Vec<String> {
    let mut names: Vec<String> = match value {
        Some(Value::String(line)) => line.split_ascii_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    names.retain(|name| !name.is_empty());
    names
}

/// The scopes of a claim. What is no name is one that nothing is called by: it shows, and covers nothing.
fn scopes(value: Option<&Value>) -> Vec<String> {
    let mut names = words(value);
    let is_text = |item: &&Value| item.is_string();
    match value {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(Value::Array(items)) => {
            names.extend(items.iter().filter(|item| !is_text(item)).map(Value::to_string));
        }
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => names.push(other.to_string()),
    }
    names
}

/// Whoever acts for the user (RFC 8693 section 4.1): the subject of the claim or, where it has none that can be read, the claim.
fn actor(value: Option<&Value>) -> Option<String> {
    let act = value.filter(|act| !act.is_null())?;
    Some(text(act.get("sub")).unwrap_or_else(|| act.to_string()))
}

/// Seconds since 1970 as microseconds since 2000, which is what timestamps of Postgres count; a time
/// beyond its calendar becomes the largest number, which Postgres reads as infinity.
pub(crate) fn timestamp(seconds: u64) -> i64 {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    seconds.saturating_sub(POSTGRES_EPOCH).checked_mul(1_000_000).unwrap_or(i64::MAX)
}

/// The other way round: the first whole second that is not before that time.
pub(crate) fn unix_seconds(timestamp: i64) -> u64 {
    let seconds =
        timestamp.div_euclid(1_000_000).saturating_add(i64::from(timestamp.rem_euclid(1_000_000) > 0));
    u64::try_from(seconds.saturating_add(POSTGRES_EPOCH)).unwrap_or(0)
}

/// Reads the canonical form of RFC 9562 section 4, in either case, and nothing else.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut digits = [0u8; 32];
    let mut filled = digits.iter_mut();
    for (position, byte) in bytes.iter().enumerate() {
        match (position, byte) {
            (8 | 13 | 18 | 23, b'-') => {}
            (8 | 13 | 18 | 23, _) => return None,
            (_, digit) => *filled.next()? = *digit,
        }
    }
    let mut id = [0u8; 16];
    hex::decode_to_slice(digits, &mut id).ok()?;
    Some(id)
}

/// Writes the canonical lower-case form of RFC 9562 section 4.
pub(crate) fn uuid_text(id: &Uuid) -> String {
    let mut text = hex::encode(id);
    for position in [20, 16, 12, 8] {
        text.insert(position, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use serde_json::json;

    const A: &str = "0a000000-0000-4000-8000-00000000000a";

    #[test]
    fn uuids_are_read_in_their_canonical_form_only() {
        assert_eq!(uuid_text(&uuid(A).unwrap()), A);
        assert_eq!(uuid(&A.to_uppercase()), uuid(A));
        for text in [
            "",
            "0a00000000004000800000000000000a",
            "{0a000000-0000-4000-8000-00000000000a}",
            "0a000000-0000-4000-8000-00000000000",
            "0a000000-0000-4000-8000-00000000000g",
            "0a000000-0000-4000-80000-0000000000a",
            " a000000-0000-4000-8000-00000000000a",
            "0a000000_0000-4000-8000-00000000000a",
            "+a000000-0000-4000-8000-00000000000a",
        ] {
            assert_eq!(uuid(text), None, "{text}");
        }
    }

    #[test]
    fn lists_of_names_come_as_arrays_or_lines() {
        assert_eq!(words(Some(&json!("a  b"))), ["a", "b"]);
        assert_eq!(words(Some(&json!(["a b", "", 1, "c"]))), ["a b", "c"]);
        assert!(words(Some(&json!({"a": true}))).is_empty());
        assert!(words(None).is_empty());
        for (claim, expected) in [
            (json!("a  b"), vec!["a", "b"]),
            (json!(["a", 5, null, ["b"]]), vec!["a", "5", "null", "[\"b\"]"]),
            (json!({"a": 1}), vec!["{\"a\":1}"]),
            (json!(true), vec!["true"]),
            (json!(""), vec![]),
            (json!([]), vec![]),
            (json!(null), vec![]),
        ] {
            assert_eq!(scopes(Some(&claim)), expected, "{claim}");
        }
    }

    #[test]
    fn an_actor_is_noticed_however_it_is_written() {
        for (act, expected) in [
            (json!({"sub": "x"}), Some("x")),
            (json!({"client_id": "x"}), Some("{\"client_id\":\"x\"}")),
            (json!({"sub": 5}), Some("{\"sub\":5}")),
            (json!("x"), Some("\"x\"")),
            (json!([]), Some("[]")),
            (json!(false), Some("false")),
            (json!(null), None),
        ] {
            assert_eq!(actor(Some(&act)).as_deref(), expected, "{act}");
        }
        assert_eq!(actor(None), None);
    }
}
