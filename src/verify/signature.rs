//! Is the signature good under this key? The key says which algorithm, never the token.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::error::Refusal;
use super::jwk::{self, Curve, Material};
use super::token::Jws;

/// A key as the administrator stored it.
#[derive(Debug)]
pub(crate) struct Key {
    /// The id of its row.
    pub(crate) id: [u8; 16],
    /// The key id tokens name it by.
    pub(crate) kid: Option<String>,
    /// The one algorithm it may be used with.
    pub(crate) algorithm: Algorithm,
    /// The key itself.
    pub(crate) material: KeyMaterial,
}

/// What signatures are checked with. Never printed.
pub(crate) enum KeyMaterial {
    /// The text of a [`jwk::PublicKey`].
    PublicJwk(String),
    /// The secret of an HMAC algorithm.
    Secret(Zeroizing<Vec<u8>>),
    /// Not there, for instance because secrets were left out of a dump.
    Missing,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PublicJwk(_) => "PublicJwk([redacted])",
            Self::Secret(_) => "Secret([redacted])",
            Self::Missing => "Missing",
        })
    }
}

impl Key {
    /// SHA-256 of algorithm and material: changes whenever a remembered signature must not count.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let (kind, material) = match &self.material {
            KeyMaterial::PublicJwk(text) => (b'p', text.as_bytes()),
            KeyMaterial::Secret(secret) => (b's', secret.as_slice()),
            KeyMaterial::Missing => (b'm', [].as_slice()),
        };
        let name = self.algorithm.name();
        let start = Sha256::new().chain_update(name).chain_update([0, kind]);
        start.chain_update(material).finalize().into()
    }
}

/// Whether `jws` was signed with `key` (RFC 7515 section 5.2, RFC 7518 section 3, RFC 8037 section 3).
pub(crate) fn check(jws: &Jws<'_>, key: &Key) -> Result<(), Refusal> {
    if jws.algorithm() != key.algorithm {
        return Err(Refusal::AlgorithmMismatch);
    }
    match (&key.material, key.algorithm.is_symmetric()) {
        (KeyMaterial::Secret(secret), true) => check_secret(jws, key.algorithm, secret),
        (KeyMaterial::PublicJwk(text), false) => check_public(jws, key.algorithm, text),
        (KeyMaterial::Secret(_), false) | (KeyMaterial::PublicJwk(_), true) => Err(Refusal::KeyUnusable),
        (KeyMaterial::Missing, _) => Err(Refusal::KeyUnusable),
    }
}

fn check_secret(jws: &Jws<'_>, algorithm: Algorithm, secret: &[u8]) -> Result<(), Refusal> {
    jwk::check_secret(secret, algorithm).map_err(|_| Refusal::KeyUnusable)?;
    delegate(jws, algorithm, &DecodingKey::from_secret(secret))
}

fn check_public(jws: &Jws<'_>, algorithm: Algorithm, text: &str) -> Result<(), Refusal> {
    let material = Material::of_stored(text).ok_or(Refusal::KeyUnusable)?;
    if !material.fits(algorithm) {
        return Err(Refusal::KeyUnusable);
    }
    if material.signature_bytes() != jws.signature().len() {
        return Err(Refusal::BadSignature);
    }
    match &material {
        Material::Rsa { n, e } => delegate(jws, algorithm, &DecodingKey::from_rsa_raw_components(n, e)),
        Material::Ec { curve: Curve::P521, point } => UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point)
            .verify(jws.signing_input(), jws.signature())
            .map_err(|_| Refusal::BadSignature),
        Material::Ec { curve: Curve::P256 | Curve::P384, point } => {
            delegate(jws, algorithm, &DecodingKey::from_ec_der(point))
        }
        Material::Ed25519 { x } => delegate(jws, algorithm, &DecodingKey::from_ed_der(x)),
    }
}

/// Asks jsonwebtoken, whose `crypto::verify` would decode the signature a second time.
fn delegate(jws: &Jws<'_>, algorithm: Algorithm, key: &DecodingKey) -> Result<(), Refusal> {
    let algorithm = delegated(algorithm).ok_or(Refusal::KeyUnusable)?;
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key).map_err(|_| Refusal::KeyUnusable)?;
    verifier.verify(jws.signing_input(), jws.signature()).map_err(|_| Refusal::BadSignature)
}

fn delegated(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Theirs;
    Some(match algorithm {
        Algorithm::HS256 => Theirs::HS256,
        Algorithm::HS384 => Theirs::HS384,
        Algorithm::HS512 => Theirs::HS512,
        Algorithm::RS256 => Theirs::RS256,
        Algorithm::RS384 => Theirs::RS384,
        Algorithm::RS512 => Theirs::RS512,
        Algorithm::PS256 => Theirs::PS256,
        Algorithm::PS384 => Theirs::PS384,
        Algorithm::PS512 => Theirs::PS512,
        Algorithm::ES256 => Theirs::ES256,
        Algorithm::ES384 => Theirs::ES384,
        Algorithm::ES512 => return None,
        Algorithm::EdDSA => Theirs::EdDSA,
    })
}
