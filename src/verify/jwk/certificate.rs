//! The public keys of X.509 certificates (RFC 5280). Nothing else of a certificate counts, neither its dates nor who signed it:
//! whoever gives it to us vouches for it, as for a key.

use serde_json::{Map, Value};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::material::Material;
use super::pem;
use crate::verify::error::KeyFault;

/// The key of a certificate in DER.
pub(super) fn key(der: &[u8]) -> Result<Material, KeyFault> {
    let certificate = Certificate::from_der(der).map_err(|_| KeyFault::Certificate)?;
    let key = certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|_| KeyFault::Certificate)?;
    pem::parse_spki(&key)
}

/// Whether the first certificate of `x5c`, where there is one, is of this key, as RFC 7517 section 4.7 demands.
pub(super) fn check(members: &Map<String, Value>, material: &Material) -> Result<(), KeyFault> {
    let malformed = KeyFault::MemberMalformed("x5c");
    let Some(chain) = members.get("x5c") else {
        return Ok(());
    };
    let first = chain.as_array().and_then(|chain| chain.first()).and_then(Value::as_str).ok_or(malformed)?;
    let der = pem::decode(first).ok_or(malformed)?;
    if key(&der).map_err(|_| malformed)? == *material { Ok(()) } else { Err(KeyFault::CertificateDiffers) }
}
