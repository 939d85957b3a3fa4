//! Public keys: JWK sets, single JWKs and PEM, checked before they are stored
//! (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

mod material;
mod pem;

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::error::{KeyError, KeyFault};
use super::json;
use super::token::is_kid;

pub(crate) use material::{Curve, Material};

/// The longest JWK set or key text.
pub(crate) const MAX_SET_BYTES: usize = 256 * 1024;
/// The largest JWK set.
pub(crate) const MAX_SET_KEYS: usize = 100;
/// The longest HMAC secret.
pub(crate) const MAX_SECRET_BYTES: usize = 1024;

/// Members that only private or secret keys have (RFC 7518 sections 6.2.2, 6.3.2, 6.4; RFC 9964).
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A public key that was checked and can verify signatures of one algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// The one algorithm it may be used with.
    pub(crate) algorithm: Algorithm,
    /// The key id tokens name it by.
    pub(crate) kid: Option<String>,
    /// The key as JWK text: public members, `kty`, `alg` and `kid`, sorted, nothing else.
    pub(crate) jwk: String,
    /// What identifies the key itself (RFC 7638 with SHA-256).
    pub(crate) thumbprint: [u8; 32],
}

/// The usable keys of a JWK set (RFC 7517 section 5). Keys for other purposes or of unknown kinds
/// are skipped; a broken or private one refuses the whole set. `rsa_default` is for RSA keys without `alg`.
pub(crate) fn parse_set(text: &str, rsa_default: Algorithm) -> Result<Vec<PublicKey>, KeyError> {
    if !rsa_default.is_rsa() {
        return Err(KeyError::DefaultIsNotRsa);
    }
    let set = parse_json(text)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(KeyError::NotAKeySet)?;
    if keys.len() > MAX_SET_KEYS {
        return Err(KeyError::TooManyKeys);
    }
    let mut usable: Vec<PublicKey> = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let in_set = |fault| KeyError::InSet { index, fault };
        let members = key.as_object().ok_or(in_set(KeyFault::NotAnObject))?;
        let Some(key) = read_jwk(members, rsa_default).map_err(in_set)? else {
            continue;
        };
        for other in usable.iter().filter(|other| other.algorithm == key.algorithm) {
            if key.kid.is_some() && other.kid == key.kid {
                return Err(KeyError::DuplicateKid { index });
            }
            if other.thumbprint == key.thumbprint {
                return Err(KeyError::DuplicateKey { index });
            }
        }
        usable.push(key);
    }
    if usable.is_empty() { Err(KeyError::NoUsableKey) } else { Ok(usable) }
}

/// One public key, as a JWK or as PEM. `algorithm` and `kid` complete what the text leaves open and
/// must not contradict what it says; RSA without any algorithm means RS256.
pub(crate) fn parse_key(
    text: &str,
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<PublicKey, KeyError> {
    let key = if text.trim_start().starts_with('{') {
        let members = parse_json(text)?;
        let rsa_default = algorithm.filter(|given| given.is_rsa()).unwrap_or(Algorithm::RS256);
        let read = read_jwk(&members, rsa_default).map_err(KeyError::Key)?;
        read.ok_or(KeyError::Key(KeyFault::Unsupported))?
    } else {
        if text.len() > MAX_SET_BYTES {
            return Err(KeyError::TooLong);
        }
        let material = pem::parse(text).map_err(KeyError::Key)?;
        let algorithm = algorithm.unwrap_or(material.algorithm(Algorithm::RS256));
        finish(&material, algorithm, None).map_err(KeyError::Key)?
    };
    if algorithm.is_some_and(|given| given != key.algorithm) {
        return Err(KeyError::Key(KeyFault::AlgorithmContradicts));
    }
    named(key, kid).map_err(KeyError::Key)
}

/// Whether `secret` may be used with `algorithm` (RFC 7518 section 3.2). A public key pasted as a
/// secret would let anybody sign, so it is refused.
pub(crate) fn check_secret(secret: &[u8], algorithm: Algorithm) -> Result<(), KeyError> {
    if !algorithm.is_symmetric() {
        return Err(KeyError::NotASecretAlgorithm(algorithm));
    }
    let start = secret.trim_ascii_start();
    if start.starts_with(b"-----BEGIN") || start.starts_with(b"{") && json::parse_object(start).is_ok() {
        return Err(KeyError::SecretIsAKey);
    }
    let minimum = algorithm.minimum_secret_bytes();
    if secret.len() < minimum {
        return Err(KeyError::SecretTooShort { bytes: secret.len(), minimum });
    }
    if secret.len() > MAX_SECRET_BYTES { Err(KeyError::SecretTooLong) } else { Ok(()) }
}

fn parse_json(text: &str) -> Result<Map<String, Value>, KeyError> {
    if text.len() > MAX_SET_BYTES {
        return Err(KeyError::TooLong);
    }
    json::parse_object(text.as_bytes()).map_err(KeyError::NotJson)
}

/// The key in `members`, or None if it is for something this extension does not do.
fn read_jwk(members: &Map<String, Value>, rsa_default: Algorithm) -> Result<Option<PublicKey>, KeyFault> {
    if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
        return Err(if kind(members)? == "oct" { KeyFault::Symmetric } else { KeyFault::Private });
    }
    if kind(members)? == "oct" {
        return Err(KeyFault::Symmetric);
    }
    if !is_for_verification(members)? {
        return Ok(None);
    }
    let declared = match optional_text(members, "alg")? {
        None => None,
        Some(name) => match Algorithm::from_name(name) {
            None => return Ok(None),
            known => known,
        },
    };
    let Some(material) = Material::from_members(members)? else {
        return Ok(None);
    };
    let algorithm = declared.unwrap_or(material.algorithm(rsa_default));
    finish(&material, algorithm, optional_text(members, "kid")?).map(Some)
}

/// The public half of a key of ours.
pub(crate) fn public_key(
    material: &Material,
    algorithm: Algorithm,
    kid: &str,
) -> Result<PublicKey, KeyFault> {
    finish(material, algorithm, Some(kid))
}

fn finish(material: &Material, algorithm: Algorithm, kid: Option<&str>) -> Result<PublicKey, KeyFault> {
    if !material.fits(algorithm) {
        return Err(KeyFault::AlgorithmContradicts);
    }
    if kid.is_some_and(|kid| !is_kid(kid)) {
        return Err(KeyFault::KidMalformed);
    }
    material.check()?;
    Ok(PublicKey {
        algorithm,
        kid: kid.map(str::to_owned),
        jwk: material.to_jwk(algorithm, kid),
        thumbprint: material.thumbprint(),
    })
}

/// `key` under the given kid, if one is given.
fn named(key: PublicKey, kid: Option<&str>) -> Result<PublicKey, KeyFault> {
    match (&key.kid, kid) {
        (_, None) => Ok(key),
        (Some(own), Some(given)) if own == given => Ok(key),
        (Some(_), Some(_)) => Err(KeyFault::KidContradicts),
        (None, Some(given)) => {
            let material = Material::of_stored(&key.jwk).ok_or(KeyFault::Unsupported)?;
            finish(&material, key.algorithm, Some(given))
        }
    }
}

fn kind(members: &Map<String, Value>) -> Result<&str, KeyFault> {
    optional_text(members, "kty")?.ok_or(KeyFault::MemberMissing("kty"))
}

/// Whether `use` and `key_ops`, where present, allow verifying (RFC 7517 sections 4.2 and 4.3).
fn is_for_verification(members: &Map<String, Value>) -> Result<bool, KeyFault> {
    if optional_text(members, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Ok(false);
    }
    match members.get("key_ops") {
        None => Ok(true),
        Some(Value::Array(operations)) => {
            Ok(operations.iter().any(|operation| operation.as_str() == Some("verify")))
        }
        Some(_) => Err(KeyFault::MemberMalformed("key_ops")),
    }
}

fn optional_text<'m>(
    members: &'m Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'m str>, KeyFault> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFault::MemberMalformed(name)),
    }
}
