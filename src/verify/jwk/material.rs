//! The numbers a public key is made of, and what they must satisfy.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ParsedPublicKey,
    VerificationAlgorithm,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::verify::algorithm::Algorithm;
use crate::verify::error::KeyFault;
use crate::verify::{base64url, json};

/// The NIST curves of RFC 7518 section 6.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            "P-521" => Some(Self::P521),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of a coordinate; a point has two and a format byte, a signature two.
    pub(crate) fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::P521 => Algorithm::ES512,
        }
    }

    fn verifier(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

/// The numbers of a public key; [`Material::check`] says whether they are any good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Material {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// The uncompressed point: 4, x, y.
    Ec { curve: Curve, point: Vec<u8> },
    /// The encoded point (RFC 8032 section 5.1.2).
    Ed25519 { x: Vec<u8> },
}

impl Material {
    /// The key of a JWK; None if its kind or curve is not one of ours.
    pub(super) fn from_members(members: &Map<String, Value>) -> Result<Option<Self>, KeyFault> {
        let curve = || match members.get("crv") {
            None => Err(KeyFault::MemberMissing("crv")),
            Some(Value::String(name)) => Ok(name.as_str()),
            Some(_) => Err(KeyFault::MemberMalformed("crv")),
        };
        match members.get("kty").and_then(Value::as_str) {
            Some("RSA") => {
                let (n, e) = (number(members, "n")?, number(members, "e")?);
                Ok(Some(Self::Rsa { n, e }))
            }
            Some("EC") => match Curve::from_name(curve()?) {
                None => Ok(None),
                Some(curve) => {
                    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
                    Self::ec(curve, &x, &y).map(Some)
                }
            },
            Some("OKP") if curve()? == "Ed25519" => Self::ed25519(bytes(members, "x")?).map(Some),
            _ => Ok(None),
        }
    }

    /// The key of a stored [`super::PublicKey`] text; None if somebody tampered with it.
    pub(crate) fn of_stored(text: &str) -> Option<Self> {
        let members = json::parse_object(text.as_bytes()).ok()?;
        Self::from_members(&members).ok()?
    }

    /// An RSA key from big-endian numbers, with or without leading zeros.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::Rsa { n: without_leading_zeros(n), e: without_leading_zeros(e) }
    }

    /// A point from coordinates of exactly the curve's length (RFC 7518 section 6.2.1.2).
    pub(crate) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyFault> {
        let expected = curve.coordinate_bytes();
        for coordinate in [x, y] {
            if coordinate.len() != expected {
                return Err(KeyFault::CoordinateLength { bytes: coordinate.len(), expected });
            }
        }
        Ok(Self::Ec { curve, point: [&[4], x, y].concat() })
    }

    /// An Ed25519 point of exactly 32 bytes (RFC 8037 section 2).
    pub(crate) fn ed25519(x: Vec<u8>) -> Result<Self, KeyFault> {
        match x.len() {
            32 => Ok(Self::Ed25519 { x }),
            bytes => Err(KeyFault::CoordinateLength { bytes, expected: 32 }),
        }
    }

    /// The algorithm this key is for, where the key leaves no choice, else `rsa_default`.
    pub(super) fn algorithm(&self, rsa_default: Algorithm) -> Algorithm {
        match self {
            Self::Rsa { .. } => rsa_default,
            Self::Ec { curve, .. } => curve.algorithm(),
            Self::Ed25519 { .. } => Algorithm::EdDSA,
        }
    }

    /// Whether the key can be used with this algorithm.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => algorithm.is_rsa(),
            Self::Ec { curve, .. } => algorithm == curve.algorithm(),
            Self::Ed25519 { .. } => algorithm == Algorithm::EdDSA,
        }
    }

    /// The only length a signature under this key can have (RFC 7518 section 3.4, RFC 8017).
    pub(crate) fn signature_bytes(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => n.len(),
            Self::Ec { curve, .. } => curve.coordinate_bytes().saturating_mul(2),
            Self::Ed25519 { .. } => 64,
        }
    }

    /// Refuses keys that are weak or no keys at all.
    pub(super) fn check(&self) -> Result<(), KeyFault> {
        match self {
            Self::Rsa { n, e } => check_rsa(n, e),
            Self::Ec { curve, point } => {
                ParsedPublicKey::new(curve.verifier(), point).map(drop).map_err(|_| KeyFault::NotOnCurve)
            }
            Self::Ed25519 { x } => check_ed25519(x),
        }
    }

    /// The key as JWK text with its members sorted by name.
    pub(super) fn to_jwk(&self, algorithm: Algorithm, kid: Option<&str>) -> String {
        let mut members = self.public_members();
        members.push(("alg", algorithm.name().to_owned()));
        if let Some(kid) = kid {
            members.push(("kid", kid.to_owned()));
        }
        members.sort_unstable();
        object(members)
    }

    /// SHA-256 over the required members in alphabetical order (RFC 7638 section 3).
    pub(super) fn thumbprint(&self) -> [u8; 32] {
        let mut members = self.public_members();
        members.sort_unstable();
        Sha256::digest(object(members)).into()
    }

    fn public_members(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Rsa { n, e } => {
                vec![("kty", "RSA".to_owned()), ("n", base64url::encode(n)), ("e", base64url::encode(e))]
            }
            Self::Ec { curve, point } => {
                let coordinates = point.get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                vec![
                    ("kty", "EC".to_owned()),
                    ("crv", curve.name().to_owned()),
                    ("x", base64url::encode(x)),
                    ("y", base64url::encode(y)),
                ]
            }
            Self::Ed25519 { x } => {
                vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", base64url::encode(x))]
            }
        }
    }
}

/// 2048 to 8192 bits, an odd modulus, and an exponent that neither leaks nor stalls.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyFault> {
    let zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = n.len().saturating_mul(8).saturating_sub(zeros);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyFault::ModulusBits(bits));
    }
    if n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyFault::ModulusEven);
    }
    if e.len() > 4 {
        return Err(KeyFault::Exponent);
    }
    let exponent = e.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    if exponent < 65537 || exponent % 2 == 0 { Err(KeyFault::Exponent) } else { Ok(()) }
}

/// The y coordinates of the points of order 1, 2, 4 and 8: a key among them accepts one signature
/// for many messages.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    *b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
       \xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\
       \xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
    *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\
       \x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
];

/// Refuses small-order points and encodings of y that are not reduced modulo 2^255 - 19.
/// Half of all other texts are no points either; those never verify anything.
fn check_ed25519(x: &[u8]) -> Result<(), KeyFault> {
    let mut y = <[u8; 32]>::try_from(x).map_err(|_| KeyFault::NotOnCurve)?;
    y[31] &= 0x7f;
    let [lowest, middle @ .., highest] = y;
    let is_reduced = highest != 0x7f || lowest < 0xed || middle.iter().any(|byte| *byte != 0xff);
    if SMALL_ORDER.contains(&y) || !is_reduced { Err(KeyFault::WeakPoint) } else { Ok(()) }
}

fn bytes(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let value = members.get(name).ok_or(KeyFault::MemberMissing(name))?;
    let text = value.as_str().ok_or(KeyFault::MemberMalformed(name))?;
    base64url::decode(text.as_bytes()).ok_or(KeyFault::MemberMalformed(name))
}

/// A Base64urlUInt (RFC 7518 section 2). Leading zeros, which some libraries add, are dropped.
fn number(members: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    bytes(members, name).map(|bytes| without_leading_zeros(&bytes))
}

fn without_leading_zeros(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

fn object(members: Vec<(&'static str, String)>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    format!("{{{}}}", members.join(","))
}
