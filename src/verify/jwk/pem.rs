//! Public keys as PEM (RFC 7468): SubjectPublicKeyInfo, PKCS#1 for RSA, and certificates.

use aws_lc_rs::rsa;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::certificate;
use super::material::{Curve, Material};
use crate::verify::error::KeyFault;

/// What a SubjectPublicKeyInfo of these curves starts with; the uncompressed point follows.
/// Compressed points and explicit curve parameters do not match and are refused.
const POINTS: [(Curve, &[u8]); 3] = [
    (
        Curve::P256,
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\
          \x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04",
    ),
    (
        Curve::P384,
        b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\
          \x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04",
    ),
    (
        Curve::P521,
        b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\
          \x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00\x04",
    ),
];
/// The same for Ed25519 (RFC 8410 section 4).
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// What an AlgorithmIdentifier of id-RSASSA-PSS contains (RFC 4055 section 1.2): a key that is for PSS alone, with parameters.
const RSASSA_PSS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";

/// The key in the one PEM block of `text`: a public key or a certificate.
pub(super) fn parse(text: &str) -> Result<Material, KeyFault> {
    let (label, der) = unwrap(text)?;
    match label {
        "PUBLIC KEY" => parse_spki(&der),
        "RSA PUBLIC KEY" => parse_rsa(&der),
        "CERTIFICATE" | "X509 CERTIFICATE" => certificate::key(&der),
        label if label.ends_with("PRIVATE KEY") => Err(KeyFault::Private),
        _ => Err(KeyFault::PemKind),
    }
}

/// The key of a certificate as PEM, and of nothing else.
pub(super) fn parse_certificate(text: &str) -> Result<Material, KeyFault> {
    match unwrap(text)? {
        ("CERTIFICATE", der) => certificate::key(&der),
        (label, _) if label.ends_with("PRIVATE KEY") => Err(KeyFault::Private),
        _ => Err(KeyFault::Certificate),
    }
}

/// The label and the bytes. A private key's bytes are not looked at.
fn unwrap(text: &str) -> Result<(&str, Vec<u8>), KeyFault> {
    let text = text.trim();
    if text.contains("PRIVATE KEY-----") {
        return Err(KeyFault::Private);
    }
    let begin = match text.split_once("-----BEGIN ") {
        Some(("", begin)) => begin,
        Some(_) => return Err(KeyFault::PemSurrounded),
        None => return Err(KeyFault::PemKind),
    };
    if text.contains("\\n") {
        return Err(KeyFault::PemEscaped);
    }
    if begin.contains("-----BEGIN ") {
        return Err(KeyFault::PemSeveral);
    }
    let (label, body) = begin.split_once("-----").ok_or(KeyFault::Pem)?;
    let (body, end) = body.split_once("-----END ").ok_or(KeyFault::Pem)?;
    let (end, after) = end.split_once("-----").ok_or(KeyFault::Pem)?;
    if end != label {
        return Err(KeyFault::Pem);
    }
    if !after.is_empty() {
        return Err(KeyFault::PemSurrounded);
    }
    let base64: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    Ok((label, decode(&base64).ok_or(KeyFault::Pem)?))
}

/// The bytes of strict base64 (RFC 4648 section 4), as PEM and `x5c` have it.
pub(super) fn decode(base64: &str) -> Option<Vec<u8>> {
    STANDARD.decode(base64).ok()
}

/// The key in a SubjectPublicKeyInfo (RFC 5280 section 4.1).
pub(super) fn parse_spki(der: &[u8]) -> Result<Material, KeyFault> {
    if let Some(x) = der.strip_prefix(ED25519) {
        return Material::ed25519(x.to_vec());
    }
    for (curve, prefix) in POINTS {
        if let Some(coordinates) = der.strip_prefix(prefix) {
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            return Material::ec(curve, x, y);
        }
    }
    // In front of the key itself: two lengths, and the algorithm.
    let front = der.get(..32.min(der.len())).unwrap_or_default();
    if front.windows(RSASSA_PSS.len()).any(|part| part == RSASSA_PSS) {
        return Err(KeyFault::Unsupported);
    }
    parse_rsa(der)
}

fn parse_rsa(der: &[u8]) -> Result<Material, KeyFault> {
    let key = rsa::PublicKey::from_der(der).map_err(|_| KeyFault::PemKind)?;
    let modulus = key.modulus().big_endian_without_leading_zero();
    Ok(Material::rsa(modulus, key.exponent().big_endian_without_leading_zero()))
}
