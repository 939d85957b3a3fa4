//! Tokens, good and bad, signed here so that every byte of them can be chosen.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as sig, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The issuer whose tokens count in every test database; its memberships come from its claims.
pub const ISSUER: &str = "https://issuer.example";
/// A second issuer, whose organization claims are not believed.
pub const STRICT_ISSUER: &str = "https://strict.example";
/// The HS256 secret of both.
pub const SECRET: &str = "a secret of the tests, 32 bytes or more";
pub const ORG_A: &str = "0a000000-0000-4000-8000-00000000000a";
pub const ORG_B: &str = "0b000000-0000-4000-8000-00000000000b";
pub const USER_A: &str = "7a000000-0000-4000-8000-00000000000a";
pub const USER_B: &str = "7b000000-0000-4000-8000-00000000000b";

/// Seconds since 1970.
pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Claims of user A in organization A, good for ten minutes.
pub fn claims_a() -> Value {
    json!({"iss": ISSUER, "sub": USER_A, "org_id": ORG_A, "iat": now(), "exp": now() + 600})
}

/// Claims of user B in organization B, good for ten minutes.
pub fn claims_b() -> Value {
    json!({"iss": ISSUER, "sub": USER_B, "org_id": ORG_B, "iat": now(), "exp": now() + 600})
}

/// The claims with some members replaced or added; a null takes the member away.
pub fn with(mut claims: Value, changes: Value) -> Value {
    let target = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(target.remove(name)),
            value => drop(target.insert(name.clone(), value.clone())),
        }
    }
    claims
}

/// A good HS256 token with these claims.
pub fn hs256(claims: &Value) -> String {
    hs256_raw(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// An HS256 token with exactly these bytes as header and payload.
pub fn hs256_raw(header: &str, payload: &str) -> String {
    hs256_with(SECRET.as_bytes(), header, payload)
}

/// An HS256 token under another secret.
pub fn hs256_with(secret: &[u8], header: &str, payload: &str) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", base64url(tag.as_ref()))
}

/// A token of user A, of user B.
pub fn token_a() -> String {
    hs256(&claims_a())
}

pub fn token_b() -> String {
    hs256(&claims_b())
}

/// A token of this user of the issuer whose organization claims are not believed; its verified address is
/// the user's name at users.example.
pub fn token_of(user: &str) -> String {
    hs256(&json!({"iss": STRICT_ISSUER, "sub": user, "email": format!("{user}@users.example"),
                  "email_verified": true, "iat": now(), "exp": now() + 600}))
}

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair made for one test.
pub enum Pair {
    Es256(sig::EcdsaKeyPair),
    Ed25519(sig::Ed25519KeyPair),
    Rs256(aws_lc_rs::rsa::KeyPair),
}

impl Pair {
    pub fn es256() -> Pair {
        Pair::Es256(sig::EcdsaKeyPair::generate(&sig::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn ed25519() -> Pair {
        Pair::Ed25519(sig::Ed25519KeyPair::generate().unwrap())
    }

    pub fn rs256() -> Pair {
        Pair::Rs256(aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap())
    }

    pub fn alg(&self) -> &'static str {
        match self {
            Pair::Es256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
            Pair::Rs256(_) => "RS256",
        }
    }

    /// The public half as a JWK.
    pub fn jwk(&self, kid: &str) -> Value {
        match self {
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point.split_at(1).1.split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
                       "x": base64url(x), "y": base64url(y)})
            }
            Pair::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA",
                                          "x": base64url(pair.public_key().as_ref())}),
            Pair::Rs256(pair) => {
                let key = pair.public_key();
                json!({"kty": "RSA", "kid": kid, "alg": "RS256",
                       "n": base64url(key.modulus().big_endian_without_leading_zero()),
                       "e": base64url(key.exponent().big_endian_without_leading_zero())})
            }
        }
    }

    /// A token with this kid and these claims, signed with the private half.
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = json!({"alg": self.alg(), "kid": kid, "typ": "JWT"}).to_string();
        let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let signature = match self {
            Pair::Es256(pair) => pair.sign(&random, input.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(input.as_bytes()).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&sig::RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{input}.{}", base64url(&signature))
    }
}

/// A JWK Set of these keys.
pub fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}
