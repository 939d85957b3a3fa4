//! Public keys: JWK sets, single JWKs and PEM, checked before they are stored
//! (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

mod certificate;
mod material;
mod pem;
mod set;

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::error::{KeyError, KeyFault};
use super::json;
use super::token::is_kid;

pub(crate) use material::{Curve, Material};
pub(crate) use set::parse_set;

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
    /// It says no algorithm and could be used with several.
    pub(crate) is_algorithm_assumed: bool,
}

/// One public key, as a JWK, as PEM or as a certificate. `algorithm` and `kid` complete what the text leaves open and
/// must not contradict what it says; RSA without any algorithm means RS256.
pub(crate) fn parse_key(
    text: &str,
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<PublicKey, KeyError> {
    let key = if text.trim_start().starts_with('{') {
        let members = parse_json(text)?;
        if members.contains_key("keys") {
            return Err(KeyError::IsAKeySet);
        }
        let rsa_default = algorithm.filter(|given| given.is_rsa()).unwrap_or(Algorithm::RS256);
        read_jwk(&members, rsa_default).map_err(KeyError::Key)?
    } else {
        if text.len() > MAX_SET_BYTES {
            return Err(KeyError::TooLong);
        }
        let material = pem::parse(text).map_err(KeyError::Key)?;
        finish(&material, algorithm, Algorithm::RS256, None).map_err(KeyError::Key)?
    };
    if algorithm.is_some_and(|given| given != key.algorithm) {
        return Err(KeyError::Key(KeyFault::AlgorithmContradicts));
    }
    let is_assumed = key.is_algorithm_assumed && algorithm.is_none();
    let key = PublicKey { is_algorithm_assumed: is_assumed, ..key };
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

/// The key in `members`.
fn read_jwk(members: &Map<String, Value>, rsa_default: Algorithm) -> Result<PublicKey, KeyFault> {
    let is_symmetric = members.get("kty").and_then(Value::as_str) == Some("oct");
    // A secret key is all that `k` can be of; every other one of these is a private key's, whatever else is wrong.
    if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name) && !(is_symmetric && *name == "k")) {
        return Err(KeyFault::Private);
    }
    if is_symmetric {
        return Err(KeyFault::Symmetric);
    }
    optional_text(members, "kty")?.ok_or(KeyFault::MemberMissing("kty"))?;
    if !is_for_verification(members)? {
        return Err(KeyFault::OtherPurpose);
    }
    let declared = match optional_text(members, "alg")? {
        None => None,
        Some(name) => Some(Algorithm::from_name(name).ok_or(KeyFault::Unsupported)?),
    };
    let material = Material::from_members(members)?.ok_or(KeyFault::Unsupported)?;
    certificate::check(members, &material)?;
    finish(&material, declared, rsa_default, optional_text(members, "kid")?)
}

/// The public half of a key of ours.
pub(crate) fn public_key(
    material: &Material,
    algorithm: Algorithm,
    kid: &str,
) -> Result<PublicKey, KeyFault> {
    finish(material, Some(algorithm), algorithm, Some(kid))
}

/// `rsa_default` is for an RSA key of which nothing says the algorithm.
fn finish(
    material: &Material,
    declared: Option<Algorithm>,
    rsa_default: Algorithm,
    kid: Option<&str>,
) -> Result<PublicKey, KeyFault> {
    let algorithm = declared.unwrap_or(material.algorithm(rsa_default));
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
        is_algorithm_assumed: declared.is_none() && algorithm.is_rsa(),
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
            let renamed = finish(&material, Some(key.algorithm), key.algorithm, Some(given))?;
            Ok(PublicKey { is_algorithm_assumed: key.is_algorithm_assumed, ..renamed })
        }
    }
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
