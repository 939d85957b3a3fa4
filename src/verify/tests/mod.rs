//! Tests of verification as a whole. Tokens come from RFCs and other libraries, or are signed here
//! with a shared secret, whatever their header says.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod acting;
mod api_keys;
mod attacks;
mod claims;
mod endings;
mod endpoints;
mod granted;
mod headers;
mod http;
mod interop;
mod key_sets;
mod keys;
mod masking;
mod memberships;
mod minted;
mod networks;
mod passwords;
mod properties;
mod restrictions;
mod revocations;
mod rfc;
mod strictness;
mod tickets;
mod times;

use aws_lc_rs::hmac;
use serde_json::Value;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::base64url;
use super::error::Refusal;
use super::jwk;
use super::jwt::{self, Rules, VerifiedClaims};
use super::memory::SignatureMemory;
use super::signature::{Key, KeyMaterial};
use super::token::Token;

/// A second in 2027, when all tokens here are valid unless a test is about time.
const NOW: u64 = 1_800_000_000;
const SECRET: &[u8; 32] = b"a secret of exactly 32 bytes ...";
const HEADER: &str = r#"{"alg":"HS256"}"#;
const PAYLOAD: &str = r#"{"iss":"https://issuer.example","aud":"api","sub":"someone","exp":1800000600}"#;

/// A token with this header and payload, signed with [`SECRET`] under HS256.
fn token(header: &str, payload: &str) -> String {
    sign(header.as_bytes(), payload.as_bytes(), SECRET)
}

fn sign(header: &[u8], payload: &[u8], secret: &[u8]) -> String {
    let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", base64url::encode(tag.as_ref()))
}

/// [`PAYLOAD`] with one member more, or another value for one of its own.
fn payload_with(name: &str, value: &str) -> String {
    let members = [("iss", r#""https://issuer.example""#), ("aud", r#""api""#), ("exp", "1800000600")];
    let mut texts: Vec<String> = members
        .iter()
        .filter(|(own, _)| *own != name)
        .map(|(own, value)| format!("\"{own}\":{value}"))
        .collect();
    texts.push(format!("\"{name}\":{value}"));
    format!("{{{}}}", texts.join(","))
}

fn payload_without(name: &str) -> String {
    let mut members: serde_json::Map<String, Value> = serde_json::from_str(PAYLOAD).unwrap();
    members.remove(name).unwrap();
    Value::Object(members).to_string()
}

fn rules() -> Rules {
    Rules {
        audiences: vec!["api".to_owned()],
        algorithms: None,
        token_types: None,
        leeway: 30,
        max_lifetime: None,
        issued_since: None,
        allow_service_role: false,
        role_claim: vec!["role".to_owned()],
    }
}

fn secret_key(algorithm: Algorithm, secret: &[u8]) -> Key {
    Key { id: [7; 16], kid: None, algorithm, material: KeyMaterial::Secret(Zeroizing::new(secret.to_vec())) }
}

fn public_key(algorithm: Algorithm, jwk: &Value) -> Key {
    let key = jwk::parse_key(&jwk.to_string(), Some(algorithm), None).unwrap();
    Key { id: [9; 16], kid: key.kid, algorithm, material: KeyMaterial::PublicJwk(key.jwk) }
}

/// Verifies under the given keys and otherwise ordinary circumstances.
fn verify_under(text: &str, keys: &[Key]) -> Result<VerifiedClaims, Refusal> {
    let token = Token::parse(text.as_bytes())?;
    jwt::verify(token, &rules(), keys, None, NOW, &mut SignatureMemory::new())
}

/// Verifies a token of [`token`] at a second under the given rules.
fn verify_at(text: &str, rules: &Rules, now: u64) -> Result<VerifiedClaims, Refusal> {
    let keys = [secret_key(Algorithm::HS256, SECRET)];
    jwt::verify(Token::parse(text.as_bytes())?, rules, &keys, None, now, &mut SignatureMemory::new())
}

/// Why a token with this header and payload is refused under ordinary circumstances; None if it is not.
fn refusal(header: &str, payload: &str) -> Option<Refusal> {
    verify_at(&token(header, payload), &rules(), NOW).err()
}

/// The list in a vector file.
fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_else(|| panic!("no {name} in {vector}"))
}

/// The key of a vector: `secret` or `jwk`, with the vector's `kid` if it has one.
fn vector_key(vector: &Value) -> Key {
    let algorithm = Algorithm::from_name(text(vector, "alg")).unwrap();
    let mut key = match vector.get("secret").and_then(Value::as_str) {
        Some(secret) => secret_key(algorithm, &base64url::decode(secret.as_bytes()).unwrap()),
        None => public_key(algorithm, &vector["jwk"]),
    };
    if let Some(kid) = vector.get("kid").and_then(Value::as_str) {
        key.kid = Some(kid.to_owned());
    }
    key
}

/// The vectors of PyJWT and jose.
fn library_vectors() -> Vec<Value> {
    let mut all = vectors(include_str!("../../../tests/vectors/pyjwt.json"));
    all.extend(vectors(include_str!("../../../tests/vectors/jose.json")));
    all
}

fn library_vector(algorithm: &str) -> Value {
    library_vectors().into_iter().find(|vector| vector["alg"] == algorithm).unwrap()
}

#[test]
fn the_ordinary_token_of_these_tests_is_accepted() {
    assert_eq!(refusal(HEADER, PAYLOAD), None);
    for name in ["iss", "aud", "exp"] {
        let value = serde_json::from_str::<Value>(PAYLOAD).unwrap()[name].to_string();
        assert_eq!(refusal(HEADER, &payload_with(name, &value)), None);
    }
}
