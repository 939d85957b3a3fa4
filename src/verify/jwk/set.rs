//! Key sets: JWK sets (RFC 7517 section 5), and objects of certificates by kid.

use serde_json::Value;

use super::{MAX_SET_KEYS, PublicKey, finish, parse_json, pem, read_jwk};
use crate::verify::algorithm::Algorithm;
use crate::verify::error::{KeyError, KeyFault};
use crate::verify::token::is_kid;

/// The longest name of an algorithm that is repeated of an entry that is skipped.
const SHOWN_NAME_BYTES: usize = 32;

/// An entry of a key set: a key, or why it is skipped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The key id that it says, if that can be one.
    pub(crate) kid: Option<String>,
    /// The algorithm of the key; of an entry that is skipped the one that it says.
    pub(crate) algorithm: Option<String>,
    pub(crate) key: Result<PublicKey, KeyFault>,
}

impl Entry {
    fn new(entry: &Value, rsa_default: Algorithm) -> Entry {
        let key = match entry.as_object() {
            Some(members) => read_jwk(members, rsa_default),
            None => Err(KeyFault::NotAnObject),
        };
        let member = |name: &str| entry.get(name).and_then(Value::as_str);
        Entry::of(member("kid"), member("alg"), key)
    }

    fn of_certificate(kid: &str, certificate: &Value, rsa_default: Algorithm) -> Entry {
        let text = certificate.as_str().ok_or(KeyFault::PemKind);
        let material = text.and_then(pem::parse_certificate);
        let key = material.and_then(|material| finish(&material, None, rsa_default, Some(kid)));
        Entry::of(Some(kid), None, key)
    }

    fn of(kid: Option<&str>, alg: Option<&str>, key: Result<PublicKey, KeyFault>) -> Entry {
        let is_name = |name: &&str| {
            name.len() <= SHOWN_NAME_BYTES
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let algorithm = match &key {
            Ok(key) => Some(key.algorithm.name()),
            Err(_) => alg.filter(is_name),
        };
        let algorithm = algorithm.map(str::to_owned);
        Entry { kid: kid.filter(|kid| is_kid(kid)).map(str::to_owned), algorithm, key }
    }

    /// Two keys that a token could not tell apart by their names.
    fn contradicts(&self, other: &Entry) -> bool {
        match (&self.key, &other.key) {
            (Ok(key), Ok(other)) => {
                key.kid.is_some()
                    && (&key.kid, key.algorithm) == (&other.kid, other.algorithm)
                    && key.thumbprint != other.thumbprint
            }
            _ => false,
        }
    }

    fn repeats(&self, other: &Entry) -> bool {
        self.key.is_ok() && self.key == other.key
    }
}

/// The entries of a key set: keys in its order, certificates in that of their kids. What cannot be used is skipped; a private key refuses the whole set, and so does one
/// that has nothing else. `rsa_default` is for RSA keys that say no algorithm.
pub(crate) fn parse_set(text: &str, rsa_default: Algorithm) -> Result<Vec<Entry>, KeyError> {
    if !rsa_default.is_rsa() {
        return Err(KeyError::DefaultIsNotRsa);
    }
    let set = parse_json(text)?;
    let mut entries: Vec<Entry> = match set.get("keys") {
        Some(Value::Array(keys)) => keys.iter().map(|key| Entry::new(key, rsa_default)).collect(),
        None if set.contains_key("kty") => return Err(KeyError::IsAKey),
        None if !set.is_empty() && set.values().all(is_certificate) => {
            set.iter().map(|(kid, text)| Entry::of_certificate(kid, text, rsa_default)).collect()
        }
        _ => return Err(KeyError::NotAKeySet),
    };
    if entries.len() > MAX_SET_KEYS {
        return Err(KeyError::TooManyKeys);
    }
    let private = entries.iter().position(|entry| entry.key == Err(KeyFault::Private));
    if let Some(index) = private {
        return Err(KeyError::InSet { index, fault: KeyFault::Private });
    }
    skip_what_is_there_twice(&mut entries);
    if entries.iter().any(|entry| entry.key.is_ok()) {
        return Ok(entries);
    }
    let faults = entries.into_iter().filter_map(|entry| entry.key.err()).enumerate().collect();
    Err(KeyError::NoUsableKey(faults))
}

/// Of equal entries the first stays; of different keys with one kid and algorithm none.
fn skip_what_is_there_twice(entries: &mut [Entry]) {
    let fault = |index: usize, entry: &Entry| {
        let first = entries.iter().position(|other| entry.repeats(other)).filter(|first| *first < index);
        match first {
            _ if entries.iter().any(|other| entry.contradicts(other)) => Some(KeyFault::Ambiguous),
            Some(index) => Some(KeyFault::Repeated { index }),
            None => None,
        }
    };
    let faults: Vec<_> = entries.iter().enumerate().map(|(index, entry)| fault(index, entry)).collect();
    for (entry, fault) in entries.iter_mut().zip(faults) {
        if let Some(fault) = fault {
            entry.key = Err(fault);
        }
    }
}

fn is_certificate(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim_start().starts_with("-----BEGIN"))
}
