//! Keys of our own: making them, and signing with them. Nothing here is an input of others.

use crate::verify::algorithm::Algorithm;
use crate::verify::base64url;
use crate::verify::jwk::{self, Curve, Material, PublicKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand, rsa};
use zeroize::Zeroizing;

/// What keys of ours are for.
pub(super) const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA, Algorithm::HS256];
const SECRET_BYTES: usize = 32;

/// A key that nobody has yet.
pub(super) struct NewSigningKey {
    /// PKCS #8 (RFC 5958), or the secret of an HMAC algorithm.
    pub(super) private: Zeroizing<Vec<u8>>,
    /// `None` for HMAC.
    pub(super) public: Option<PublicKey>,
}

/// Makes a key with random numbers of the operating system. `None` for an algorithm that is none of [`ALGORITHMS`], or
/// without random numbers.
pub(super) fn generate(algorithm: Algorithm, kid: &str) -> Option<NewSigningKey> {
    let (private, material) = match algorithm {
        Algorithm::ES256 => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            let private = Zeroizing::new(key.to_pkcs8v1().ok()?.as_ref().to_vec());
            let (x, y) = key.public_key().as_ref().get(1..)?.split_at_checked(32)?;
            (private, Some(Material::ec(Curve::P256, x, y).ok()?))
        }
        Algorithm::EdDSA => {
            let key = Ed25519KeyPair::generate().ok()?;
            let private = Zeroizing::new(key.to_pkcs8v1().ok()?.as_ref().to_vec());
            (private, Some(Material::ed25519(key.public_key().as_ref().to_vec()).ok()?))
        }
        Algorithm::RS256 => {
            let key = RsaKeyPair::generate(rsa::KeySize::Rsa2048).ok()?;
            let private: Pkcs8V1Der<'_> = key.as_der().ok()?;
            let public = key.public_key();
            let material = Material::rsa(
                public.modulus().big_endian_without_leading_zero(),
                public.exponent().big_endian_without_leading_zero(),
            );
            (Zeroizing::new(private.as_ref().to_vec()), Some(material))
        }
        Algorithm::HS256 => {
            let mut secret = Zeroizing::new(vec![0; SECRET_BYTES]);
            rand::fill(&mut secret).ok()?;
            (secret, None)
        }
        Algorithm::HS384
        | Algorithm::HS512
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512
        | Algorithm::ES384
        | Algorithm::ES512 => return None,
    };
    let public = match material {
        Some(material) => Some(jwk::public_key(&material, algorithm, kid).ok()?),
        None => None,
    };
    Some(NewSigningKey { private, public })
}

/// The token with this payload (RFC 7515 section 7.1). `None` when the private key cannot be used.
pub(super) fn sign(payload: &str, kid: &str, algorithm: Algorithm, private: &[u8]) -> Option<String> {
    let header = serde_json::json!({ "alg": algorithm.name(), "kid": kid, "typ": "JWT" }).to_string();
    let input = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
    let signature = signature(input.as_bytes(), algorithm, private)?;
    Some(format!("{input}.{}", base64url::encode(&signature)))
}

fn signature(input: &[u8], algorithm: Algorithm, private: &[u8]) -> Option<Vec<u8>> {
    Some(match algorithm {
        Algorithm::ES256 => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private).ok()?;
            key.sign(&SystemRandom::new(), input).ok()?.as_ref().to_vec()
        }
        Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(private).ok()?.sign(input).as_ref().to_vec(),
        Algorithm::RS256 => {
            let key = RsaKeyPair::from_pkcs8(private).ok()?;
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).ok()?;
            signature
        }
        Algorithm::HS256 => {
            jwk::check_secret(private, algorithm).ok()?;
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, private), input).as_ref().to_vec()
        }
        Algorithm::HS384
        | Algorithm::HS512
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512
        | Algorithm::ES384
        | Algorithm::ES512 => return None,
    })
}
