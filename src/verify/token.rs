//! A token taken apart: JWS compact serialization (RFC 7515 section 7.1) and its claims.
//! Nothing in here has been verified; [`super::jwt::verify`] does that.

use std::fmt;

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::error::Refusal;
use super::{base64url, json};

/// The longest token that is looked at. HTTP servers cap their headers at 8 to 16 KiB.
pub(crate) const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The longest key id, in bytes.
pub(crate) const MAX_KID_BYTES: usize = 128;
/// The longest issuer, in bytes.
pub(crate) const MAX_ISSUER_BYTES: usize = 1024;

/// A well-formed JWS whose header asks for nothing this extension does not do.
pub(crate) struct Jws<'a> {
    text: &'a [u8],
    signing_input: &'a [u8],
    header: Map<String, Value>,
    algorithm: Algorithm,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes `text` apart; refuses everything but a signed three-part JWS in its only spelling.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        let segments = Segments::split(text)?;
        let header = base64url::decode(segments.header).ok_or(Refusal::BadBase64)?;
        let header = json::parse_object(&header).map_err(Refusal::in_header)?;
        let algorithm = accept_header(&header)?;
        Ok(Jws {
            text,
            signing_input: segments.signing_input,
            header,
            algorithm,
            payload: base64url::decode(segments.payload).ok_or(Refusal::BadBase64)?,
            signature: base64url::decode(segments.signature).ok_or(Refusal::BadBase64)?,
        })
    }

    /// The whole token, as it came.
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// What the signature is over: header, dot, payload as they came (RFC 7515 section 5.1).
    pub(crate) fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// The algorithm the header names. Only ever compared with the key's, never obeyed.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id of the header (RFC 7515 section 4.1.4).
    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The `typ` of the header (RFC 7515 section 4.1.9), as it came.
    pub(crate) fn token_type(&self) -> Option<&str> {
        self.header.get("typ").and_then(Value::as_str)
    }

    /// The decoded signature.
    pub(crate) fn signature(&self) -> &Vec<u8> {
        &self.signature
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Jws").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The parts of a token that say something of its bearer.
pub(crate) struct Parts {
    pub(crate) claims: Map<String, Value>,
    pub(crate) payload: Vec<u8>,
    pub(crate) issuer: String,
    pub(crate) token_type: Option<String>,
}

/// A JWS whose payload is a claims object that names its issuer (RFC 7519 section 3).
pub(crate) struct Token<'a> {
    jws: Jws<'a>,
    claims: Map<String, Value>,
    issuer: String,
}

impl<'a> Token<'a> {
    /// Takes `text` apart and reads its claims; the issuer tells which keys to look up.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        let jws = Jws::parse(text)?;
        let claims = json::parse_object(&jws.payload).map_err(Refusal::in_payload)?;
        let issuer = match claims.get("iss") {
            None => return Err(Refusal::IssuerMissing),
            Some(Value::String(name)) if (1..=MAX_ISSUER_BYTES).contains(&name.len()) => name.clone(),
            Some(_) => return Err(Refusal::IssuerMalformed),
        };
        Ok(Token { jws, claims, issuer })
    }

    /// The JWS around the claims.
    pub(crate) fn jws(&self) -> &Jws<'a> {
        &self.jws
    }

    /// The algorithm the header names.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.jws.algorithm()
    }

    /// The key id of the header.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.jws.kid()
    }

    /// The `typ` of the header, as it came.
    pub(crate) fn token_type(&self) -> Option<&str> {
        self.jws.token_type()
    }

    /// Who the token says made it (RFC 7519 section 4.1.1). Good for looking up keys only.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The claims, which anybody may have written.
    pub(crate) fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The text that the claims were read from.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.jws.payload
    }

    /// What is left to know of it once it was verified.
    pub(crate) fn into_parts(self) -> Parts {
        let Token { jws: Jws { mut header, payload, .. }, claims, issuer } = self;
        let token_type = match header.remove("typ") {
            Some(Value::String(name)) => Some(name),
            Some(_) | None => None,
        };
        Parts { claims, payload, issuer, token_type }
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("jws", &self.jws).finish_non_exhaustive()
    }
}

/// The header and the claims of what may be a token, as it says them: of each the text, if it is strict JSON.
pub(crate) fn said(text: &[u8]) -> [Option<String>; 2] {
    let mut parts = text.split(|byte| *byte == b'.');
    let mut next = || {
        let part = base64url::decode(parts.next()?)?;
        json::parse_object(&part).ok()?;
        String::from_utf8(part).ok()
    };
    let is_short = text.len() <= MAX_TOKEN_BYTES;
    [next(), next()].map(|part| part.filter(|_| is_short))
}

/// Whether this is a key id a key may have and a token may name.
pub(crate) fn is_kid(kid: &str) -> bool {
    (1..=MAX_KID_BYTES).contains(&kid.len()) && !kid.chars().any(char::is_control)
}

struct Segments<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
    signing_input: &'a [u8],
}

impl<'a> Segments<'a> {
    fn split(text: &'a [u8]) -> Result<Self, Refusal> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::TooLong);
        }
        let mut parts = text.split(|byte| *byte == b'.');
        let segments = (parts.next(), parts.next(), parts.next());
        let (Some(header), Some(payload), Some(signature)) = segments else {
            return Err(Refusal::NotAToken);
        };
        match parts.count() {
            0 => {}
            2 => return Err(Refusal::Encrypted),
            _ => return Err(Refusal::NotAToken),
        }
        if header.is_empty() {
            return Err(Refusal::NotAToken);
        }
        if signature.is_empty() {
            return Err(Refusal::Unsigned);
        }
        let signed_bytes = header.len().saturating_add(1).saturating_add(payload.len());
        let signing_input = text.get(..signed_bytes).ok_or(Refusal::NotAToken)?;
        Ok(Segments { header, payload, signature, signing_input })
    }
}

/// Header members that would change what is verified or with which key, even with a null value.
const REFUSED_MEMBERS: [(&str, Refusal); 8] = [
    ("crit", Refusal::CriticalHeader),
    ("b64", Refusal::UnencodedPayload),
    ("jwk", Refusal::EmbeddedKey),
    ("jku", Refusal::EmbeddedKey),
    ("x5c", Refusal::EmbeddedKey),
    ("x5u", Refusal::EmbeddedKey),
    ("zip", Refusal::Encrypted),
    ("enc", Refusal::Encrypted),
];

/// Applies the rules for headers (RFC 7515 section 4.1) and returns the algorithm.
fn accept_header(header: &Map<String, Value>) -> Result<Algorithm, Refusal> {
    for (name, refusal) in REFUSED_MEMBERS {
        if header.contains_key(name) {
            return Err(refusal);
        }
    }
    match header.get("kid") {
        None => {}
        Some(Value::String(kid)) if is_kid(kid) => {}
        Some(_) => return Err(Refusal::KidMalformed),
    }
    if header.get("typ").is_some_and(|value| !value.is_string()) {
        return Err(Refusal::TokenType);
    }
    match header.get("cty") {
        None => {}
        Some(Value::String(content)) if !is_jwt_media_type(content) => {}
        Some(_) => return Err(Refusal::NestedToken),
    }
    let name = header.get("alg").and_then(Value::as_str).ok_or(Refusal::AlgorithmUnknown)?;
    Algorithm::from_name(name).ok_or(Refusal::AlgorithmUnknown)
}

fn is_jwt_media_type(content: &str) -> bool {
    short_media_type(content).eq_ignore_ascii_case("JWT")
}

/// A media type without its `application/`, which RFC 7515 section 4.1.9 lets senders leave out.
pub(crate) fn short_media_type(name: &str) -> &str {
    const PREFIX: &str = "application/";
    match name.split_at_checked(PREFIX.len()) {
        Some((start, short)) if start.eq_ignore_ascii_case(PREFIX) && !short.contains('/') => short,
        _ => name,
    }
}
