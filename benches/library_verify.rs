//! What the JWT library asks for a token by itself, for `first_time.sh`: nanoseconds per token.
//!
//! Included for each token: reading the JWK (or taking the secret) as text, making the library's key of it,
//! and `jsonwebtoken::decode`, which checks the signature, `exp` and `iss` and parses header and claims.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark may fail loudly")]

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Map, Value};
use std::hint::black_box;
use std::time::Instant;

/// Of ten tokens each.
const ROUNDS: u32 = 110;

/// The library's key, made of what a look-up would find.
fn key(jwk: Option<&str>, secret: &str) -> DecodingKey {
    match jwk {
        Some(jwk) => DecodingKey::from_jwk(&serde_json::from_str::<Jwk>(jwk).unwrap()).unwrap(),
        None => DecodingKey::from_secret(secret.as_bytes()),
    }
}

/// usage: library_verify DIRECTORY ALGORITHM
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, alg] = &arguments[..] else { panic!("usage: library_verify DIRECTORY ALGORITHM") };
    let read = |kind: &str| std::fs::read_to_string(format!("{dir}/{alg}.{kind}")).unwrap();
    let tokens = read("many");
    let mut tokens = tokens.lines().cycle();
    let stored: Value = serde_json::from_str(&read("key")).unwrap();
    let jwk = stored.get("jwk").map(Value::to_string);
    let secret = stored.get("secret").and_then(Value::as_str).unwrap_or_default();
    let mut validation = Validation::new(alg.parse::<Algorithm>().unwrap());
    validation.set_issuer(&["https://bench.example"]);
    validation.set_required_spec_claims(&["exp", "iss"]);

    let mut round = || {
        let begin = Instant::now();
        for token in tokens.by_ref().take(10) {
            black_box(
                decode::<Map<String, Value>>(token, &key(jwk.as_deref(), secret), &validation).unwrap(),
            );
        }
        begin.elapsed().as_nanos() / 10
    };
    // The first rounds warm the machine; as in `first_time.sh`, the quickest tenth bounds what counts.
    let mut times: Vec<u128> = (0..ROUNDS).map(|_| round()).skip(10).collect();
    times.sort_unstable();
    println!("{}", times.get(times.len() / 10).unwrap());
}
