//! Is this token good? Signature first, then its claims (RFC 7519 section 7.2, RFC 8725).

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;
use super::error::Refusal;
use super::handing_on::Token as Kept;
use super::identity::Uuid;
use super::json;
use super::memory::{Fingerprint, SignatureMemory};
use super::numeric_date::claimed;
use super::signature::{self, Key};
use super::token::{Parts, Token, short_media_type};

/// How many keys are tried for a token that names none. Whoever looks for keys gives one more if there are more.
pub(crate) const MAX_KEYS_WITHOUT_KID: usize = 8;
/// The largest leeway, in seconds; more in [`Rules`] counts as this.
pub(crate) const MAX_LEEWAY: u64 = 300;
/// The longest subject, in bytes.
pub(crate) const MAX_SUBJECT_BYTES: usize = 1024;
/// The longest token id, in bytes.
pub(crate) const MAX_TOKEN_ID_BYTES: usize = 256;
/// The role of service credentials. It opens nothing by itself: policies ask `auth.is_service_role()`.
pub(crate) const SERVICE_ROLE: &str = "service_role";

/// What an issuer's tokens must satisfy.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// If not empty, the token must be for one of these (RFC 7519 section 4.1.3).
    pub(crate) audiences: Vec<String>,
    /// If given, only these algorithms, whatever keys there are.
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    /// If given, `typ` must be one of these; otherwise absent, `JWT` or `at+jwt`.
    pub(crate) token_types: Option<Vec<String>>,
    /// How many seconds clocks may differ; at most [`MAX_LEEWAY`].
    pub(crate) leeway: u64,
    /// If given, the most seconds between `iat` and `exp`; `iat` is then required.
    pub(crate) max_lifetime: Option<u64>,
    /// If given, the earliest `iat`, in Unix seconds; `iat` is then required.
    pub(crate) issued_since: Option<u64>,
    /// Whether the issuer may make tokens whose role is `service_role`.
    pub(crate) allow_service_role: bool,
    /// Where the role is in the claims.
    pub(crate) role_claim: Vec<String>,
}

impl Rules {
    fn leeway(&self) -> u64 {
        self.leeway.min(MAX_LEEWAY)
    }
}

/// Claims whose signature, times and audience were checked. Only [`verify`] makes one, and [`verify_again`] of what is left
/// of one.
pub(crate) struct VerifiedClaims {
    parts: Parts,
    key: Uuid,
    expires_at: u64,
    valid_until: u64,
}

impl VerifiedClaims {
    /// All claims.
    pub(crate) fn claims(&self) -> &Map<String, Value> {
        &self.parts.claims
    }

    /// The `typ` of the header (RFC 7515 section 4.1.9).
    pub(crate) fn token_type(&self) -> Option<&str> {
        self.parts.token_type.as_deref()
    }

    /// The claims as the bytes that were signed: strict JSON, UTF-8.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.parts.payload
    }

    /// Who made the token.
    pub(crate) fn issuer(&self) -> &str {
        &self.parts.issuer
    }

    /// The id of the key that signed it.
    pub(crate) fn key(&self) -> Uuid {
        self.key
    }

    /// Whom it is about (RFC 7519 section 4.1.2).
    #[cfg(test)]
    pub(crate) fn subject(&self) -> Option<&str> {
        self.claims().get("sub").and_then(Value::as_str)
    }

    /// Its `exp`, in Unix seconds.
    pub(crate) fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// The first Unix second in which it is refused: `exp` and the leeway.
    pub(crate) fn valid_until(&self) -> u64 {
        self.valid_until
    }

    /// The claim at the end of `path`, going through objects only. None for an empty path.
    pub(crate) fn at(&self, path: &[String]) -> Option<&Value> {
        claim_at(self.claims(), path)
    }
}

impl fmt::Debug for VerifiedClaims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifiedClaims").finish_non_exhaustive()
    }
}

/// Checks `token` against its issuer's `rules` at the Unix second `now`.
///
/// `keys` is what the issuer has for the token's kid or, without one, its active keys of the token's
/// algorithm. `audience` is demanded by the caller on top of the rules. The signature comes before
/// every verdict on a claim, and expiry last: [`Refusal::Expired`] means all else was good.
pub(crate) fn verify(
    token: Token<'_>,
    rules: &Rules,
    keys: &[Key],
    audience: Option<&str>,
    now: u64,
    memory: &mut SignatureMemory,
) -> Result<VerifiedClaims, Refusal> {
    check_type(token.token_type(), rules.token_types.as_deref())?;
    check_algorithm(token.algorithm(), rules)?;
    let key = check_signature(&token, keys, memory)?;
    let (expires_at, valid_until) =
        check_claims((token.unverified_claims(), token.payload()), rules, audience, now)?;
    Ok(VerifiedClaims { parts: token.into_parts(), key, expires_at, valid_until })
}

/// Checks what was kept of a token that was verified earlier against its issuer's rules of today and against `now`.
/// `algorithm` is that of the key that signed it, which the caller has found to be usable still.
pub(crate) fn verify_again(
    kept: &Kept,
    rules: &Rules,
    algorithm: Algorithm,
    now: u64,
) -> Result<VerifiedClaims, Refusal> {
    let claims = json::parse_object(&kept.payload).map_err(Refusal::in_payload)?;
    check_type(kept.token_type.as_deref(), rules.token_types.as_deref())?;
    check_algorithm(algorithm, rules)?;
    let (expires_at, valid_until) = check_claims((&claims, &kept.payload), rules, None, now)?;
    let Kept { issuer, key, token_type, payload } = kept.clone();
    Ok(VerifiedClaims { parts: Parts { claims, payload, issuer, token_type }, key, expires_at, valid_until })
}

fn check_algorithm(algorithm: Algorithm, rules: &Rules) -> Result<(), Refusal> {
    match &rules.algorithms {
        Some(allowed) if !allowed.contains(&algorithm) => Err(Refusal::AlgorithmNotAllowed),
        Some(_) | None => Ok(()),
    }
}

/// When the token expires, and from when on it is refused. Expiry comes last.
fn check_claims(
    (claims, payload): (&Map<String, Value>, &[u8]),
    rules: &Rules,
    audience: Option<&str>,
    now: u64,
) -> Result<(u64, u64), Refusal> {
    check_text(claims, "sub", MAX_SUBJECT_BYTES, Refusal::SubjectMalformed)?;
    check_text(claims, "jti", MAX_TOKEN_ID_BYTES, Refusal::TokenIdMalformed)?;
    check_audience(claims.get("aud"), &rules.audiences, audience)?;
    let role = claim_at(claims, &rules.role_claim).and_then(Value::as_str);
    if role == Some(SERVICE_ROLE) && !rules.allow_service_role {
        return Err(Refusal::ServiceRoleNotAllowed);
    }
    check_times((claims, payload), rules, now)
}

/// Compares media types (RFC 7515 section 4.1.9, RFC 9068 section 2.1).
fn check_type(given: Option<&str>, wanted: Option<&[String]>) -> Result<(), Refusal> {
    let is =
        |given: &str, wanted: &str| short_media_type(given).eq_ignore_ascii_case(short_media_type(wanted));
    let accepted = match (given, wanted) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(given), None) => is(given, "JWT") || is(given, "at+jwt"),
        (Some(given), Some(wanted)) => wanted.iter().any(|wanted| is(given, wanted)),
    };
    if accepted { Ok(()) } else { Err(Refusal::TokenType) }
}

/// The id of the key under which the signature is good.
fn check_signature(token: &Token<'_>, keys: &[Key], memory: &mut SignatureMemory) -> Result<Uuid, Refusal> {
    let (candidates, are_all) = candidates(token, keys)?;
    let token_digest = Sha256::digest(token.jws().text()).into();
    let fingerprints = candidates.iter().map(|key| Fingerprint::new(&token_digest, &key.digest()));
    let candidates: Vec<(&Key, Fingerprint)> = candidates.iter().copied().zip(fingerprints).collect();
    if let Some((key, _)) = candidates.iter().find(|(_, fingerprint)| memory.knows(fingerprint)) {
        return Ok(key.id);
    }
    let mut refusal = Refusal::KeyUnusable;
    for (key, fingerprint) in &candidates {
        match signature::check(token.jws(), key) {
            Ok(()) => {
                memory.remember(fingerprint);
                return Ok(key.id);
            }
            Err(Refusal::BadSignature) => refusal = Refusal::BadSignature,
            Err(_) => {}
        }
    }
    Err(if are_all { refusal } else { Refusal::NotAllKeysTried })
}

/// The keys that may have signed the token: those of its kid, else any, and of its algorithm. Also whether these are all there are.
fn candidates<'k>(token: &Token<'_>, keys: &'k [Key]) -> Result<(Vec<&'k Key>, bool), Refusal> {
    if keys.is_empty() && token.kid().is_none() {
        return Err(Refusal::NoKeys);
    }
    let named: Vec<&Key> = match token.kid() {
        Some(kid) => keys.iter().filter(|key| key.kid.as_deref() == Some(kid)).collect(),
        None => keys.iter().collect(),
    };
    if named.is_empty() {
        return Err(Refusal::UnknownKey);
    }
    let fitting = named.into_iter().filter(|key| key.algorithm == token.algorithm());
    let mut fitting: Vec<&Key> = fitting.collect();
    let are_all = fitting.len() <= MAX_KEYS_WITHOUT_KID;
    fitting.truncate(MAX_KEYS_WITHOUT_KID);
    if fitting.is_empty() { Err(Refusal::AlgorithmMismatch) } else { Ok((fitting, are_all)) }
}

/// A claim that may be absent but not anything other than a string of 1 to `limit` bytes.
fn check_text(
    claims: &Map<String, Value>,
    name: &str,
    limit: usize,
    refusal: Refusal,
) -> Result<(), Refusal> {
    match claims.get(name) {
        None => Ok(()),
        Some(Value::String(text)) if (1..=limit).contains(&text.len()) => Ok(()),
        Some(_) => Err(refusal),
    }
}

/// Whether the token is for one of `accepted` (if any are) and for `demanded` (if it is).
fn check_audience(claim: Option<&Value>, accepted: &[String], demanded: Option<&str>) -> Result<(), Refusal> {
    let audiences: Vec<&str> = match claim {
        None if accepted.is_empty() && demanded.is_none() => return Ok(()),
        None => return Err(Refusal::AudienceMissing),
        Some(Value::String(audience)) => vec![audience],
        Some(Value::Array(list)) => {
            list.iter().map(Value::as_str).collect::<Option<_>>().ok_or(Refusal::AudienceMalformed)?
        }
        Some(_) => return Err(Refusal::AudienceMalformed),
    };
    if audiences.is_empty() || audiences.contains(&"") {
        return Err(Refusal::AudienceMalformed);
    }
    let is_accepted = accepted.is_empty() || accepted.iter().any(|one| audiences.contains(&one.as_str()));
    let is_demanded = demanded.is_none_or(|one| audiences.contains(&one));
    if is_accepted && is_demanded { Ok(()) } else { Err(Refusal::AudienceMismatch) }
}

/// `exp` and `exp` with leeway, if the token is valid at `now` (RFC 7519 sections 4.1.4 to 4.1.6). Of a time with a fraction
/// counts the whole second that leaves the token less.
fn check_times(
    (claims, payload): (&Map<String, Value>, &[u8]),
    rules: &Rules,
    now: u64,
) -> Result<(u64, u64), Refusal> {
    let time = |name, malformed| claimed(claims, payload, name).map_err(|_| malformed);
    let expires_at = time("exp", Refusal::ExpiryMalformed)?.ok_or(Refusal::ExpiryMissing)?.floor;
    let not_before = time("nbf", Refusal::NotBeforeMalformed)?;
    let issued_at = time("iat", Refusal::IssuedAtMalformed)?;
    let now = signed(now);
    let latest = now.saturating_add(signed(rules.leeway()));
    if not_before.is_some_and(|begin| begin.ceil > latest) {
        return Err(Refusal::NotYetValid);
    }
    if issued_at.is_some_and(|issued| issued.ceil > latest) {
        return Err(Refusal::IssuedInFuture);
    }
    if let Some(limit) = rules.max_lifetime {
        let issued = issued_at.ok_or(Refusal::IssuedAtMissing)?.floor;
        if !(0..=signed(limit)).contains(&expires_at.saturating_sub(issued)) {
            return Err(Refusal::LifetimeTooLong);
        }
    }
    if let Some(earliest) = rules.issued_since {
        let issued = issued_at.ok_or(Refusal::IssuedAtMissing)?.floor;
        if issued < signed(earliest) {
            return Err(Refusal::LifetimeTooLong);
        }
    }
    let valid_until = expires_at.saturating_add(signed(rules.leeway()));
    match (u64::try_from(expires_at), u64::try_from(valid_until)) {
        (Ok(expires_at), Ok(until)) if now < valid_until => Ok((expires_at, until)),
        _ => Err(Refusal::Expired),
    }
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// The claim at the end of `path`, going through objects only. None for an empty path.
pub(super) fn claim_at<'c>(claims: &'c Map<String, Value>, path: &[String]) -> Option<&'c Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))
}
