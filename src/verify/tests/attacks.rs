//! Attacks on signatures and on what is remembered about them.

use sha2::{Digest, Sha256};

use super::*;
use crate::verify::memory::{ENTRIES, Fingerprint};
use crate::verify::signature;
use crate::verify::token::Jws;

/// A token with this header and raw signature.
fn with_signature(header: &str, signature: &[u8]) -> String {
    let segments = [header.as_bytes(), PAYLOAD.as_bytes(), signature];
    segments.map(base64url::encode).join(".")
}

fn parts(token: &str) -> (&str, Vec<u8>) {
    let (input, signature) = token.rsplit_once('.').unwrap();
    (input, base64url::decode(signature.as_bytes()).unwrap())
}

fn joined(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", base64url::encode(signature))
}

#[test]
fn t075_a_public_key_is_no_secret() {
    for vector in library_vectors().iter().filter(|vector| vector.get("pem").is_some()) {
        let key = vector_key(vector);
        let KeyMaterial::PublicJwk(stored) = &key.material else { panic!() };
        let pem = text(vector, "pem");
        for secret in [pem, pem.trim_end(), stored.as_str(), &vector["jwk"].to_string(), text(vector, "kid")]
        {
            for alg in ["HS256", text(vector, "alg")] {
                let header = format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, text(vector, "kid"));
                let forged = sign(header.as_bytes(), PAYLOAD.as_bytes(), secret.as_bytes());
                let expected =
                    if alg == "HS256" { Refusal::AlgorithmMismatch } else { Refusal::BadSignature };
                assert_eq!(verify_under(&forged, std::slice::from_ref(&key)).err(), Some(expected));
            }
        }
    }
}

#[test]
fn t075_a_secret_is_no_public_key() {
    for vector in library_vectors() {
        let mut key = vector_key(&vector);
        key.material = match key.material {
            KeyMaterial::Secret(_) => KeyMaterial::PublicJwk(library_vector("RS256")["jwk"].to_string()),
            KeyMaterial::PublicJwk(_) | KeyMaterial::Missing => {
                KeyMaterial::Secret(Zeroizing::new(vec![1; 64]))
            }
        };
        assert_eq!(verify_under(text(&vector, "token"), &[key]).err(), Some(Refusal::KeyUnusable));
        let secret = secret_key(Algorithm::HS512, &[1; 64]);
        let expected =
            if vector["alg"] == "HS512" { Refusal::BadSignature } else { Refusal::AlgorithmMismatch };
        assert_eq!(verify_under(text(&vector, "token_without_kid"), &[secret]).err(), Some(expected));
    }
}

#[test]
fn t075_the_header_must_name_the_algorithm_of_the_key() {
    for vector in library_vectors() {
        let jws = Jws::parse(text(&vector, "token").as_bytes()).unwrap();
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != jws.algorithm()) {
            let key = Key { algorithm, ..vector_key(&vector) };
            assert_eq!(signature::check(&jws, &key), Err(Refusal::AlgorithmMismatch));
        }
    }
}

#[test]
fn t075_a_key_of_another_kind_is_unusable() {
    let vectors = library_vectors();
    let public: Vec<&Value> = vectors.iter().filter(|vector| vector.get("jwk").is_some()).collect();
    for vector in &public {
        for other in &public {
            let stored = vector_key(other).material;
            let key = Key { material: stored, ..vector_key(vector) };
            let family = |vector: &Value| text(vector, "alg")[..2].replace("PS", "RS").replace("Ed", "ed");
            let size = |vector: &Value| vector["jwk"].get("crv").cloned();
            let expected =
                match (vector == other, family(vector) == family(other) && size(vector) == size(other)) {
                    (true, _) => None,
                    (false, true) => Some(Refusal::BadSignature),
                    (false, false) => Some(Refusal::KeyUnusable),
                };
            assert_eq!(verify_under(text(vector, "token"), &[key]).err(), expected);
        }
    }
}

#[test]
fn t083_every_flipped_bit_is_refused() {
    for algorithm in ["HS256", "ES256", "EdDSA", "RS256"] {
        let vector = library_vector(algorithm);
        for name in ["token", "token_without_kid"] {
            let good = text(&vector, name);
            let key = [vector_key(&vector)];
            assert!(verify_under(good, &key).is_ok());
            for position in 0..good.len() * 8 {
                let mut bytes = good.as_bytes().to_vec();
                bytes[position / 8] ^= 1 << (position % 8);
                let refused = Token::parse(&bytes).and_then(|token| {
                    jwt::verify(token, &rules(), &key, None, NOW, &mut SignatureMemory::new()).map(drop)
                });
                assert!(refused.is_err(), "{algorithm} bit {position}");
            }
        }
    }
}

#[test]
fn t083_signatures_of_another_length_are_refused() {
    for vector in library_vectors() {
        let key = [vector_key(&vector)];
        let (input, signature) = parts(text(&vector, "token"));
        let variants = [
            signature[..signature.len() - 1].to_vec(),
            signature[1..].to_vec(),
            [&signature[..], &[0]].concat(),
            [&[0], &signature[..]].concat(),
            [&signature[..], &signature[..]].concat(),
            vec![0],
            vec![0; signature.len()],
            vec![0xff; signature.len()],
        ];
        for variant in variants {
            let refused = verify_under(&joined(input, &variant), &key).err();
            assert_eq!(refused, Some(Refusal::BadSignature), "{}", vector["alg"]);
        }
    }
}

#[test]
fn t085_psychic_signatures_are_refused() {
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    for (algorithm, size) in [("ES256", 32), ("ES384", 48), ("ES512", 66)] {
        let key = [vector_key(&library_vector(algorithm))];
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        let small = |number: u8| [vec![0; size - 1], vec![number]].concat();
        let mut numbers = vec![small(0), small(1), vec![0xff; size]];
        if size == 32 {
            numbers.push(hex::decode(ORDER).unwrap());
        }
        for r in &numbers {
            for s in &numbers {
                let forged = with_signature(&header, &[r.as_slice(), s.as_slice()].concat());
                assert_eq!(verify_under(&forged, &key).err(), Some(Refusal::BadSignature));
            }
        }
        let der = with_signature(&header, &[0x30, 6, 2, 1, 0, 2, 1, 0]);
        assert_eq!(verify_under(&der, &key).err(), Some(Refusal::BadSignature));
    }
}

#[test]
fn t085_ed25519_signatures_have_one_form() {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let vector = library_vector("EdDSA");
    let (input, mut signature) = parts(text(&vector, "token"));
    let mut carry = 0_u16;
    for (byte, add) in signature[32..].iter_mut().zip(&order) {
        carry += u16::from(*byte) + u16::from(*add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_eq!(carry, 0, "s + order fits");
    let refused = verify_under(&joined(input, &signature), &[vector_key(&vector)]).err();
    assert_eq!(refused, Some(Refusal::BadSignature));
}

#[test]
fn t085_small_order_keys_would_accept_anything_and_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let stored = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(&identity));
    let signature = [&identity[..], &[0; 32]].concat();
    let forged = with_signature(r#"{"alg":"EdDSA"}"#, &signature);
    let material = KeyMaterial::PublicJwk(stored.clone());
    let key = Key { id: [0; 16], kid: None, algorithm: Algorithm::EdDSA, material };
    assert!(verify_under(&forged, &[key]).is_ok(), "why such keys must not be stored");
    assert!(jwk::parse_key(&stored, None, None).is_err());
}

#[test]
fn t085_tampered_stored_keys_verify_nothing() {
    for algorithm in ["RS256", "ES256", "ES384", "ES512", "EdDSA"] {
        let vector = library_vector(algorithm);
        let KeyMaterial::PublicJwk(stored) = vector_key(&vector).material else { panic!() };
        let members: Value = serde_json::from_str(&stored).unwrap();
        for name in ["kty", "crv", "n", "e", "x", "y"].into_iter().filter(|name| members.get(name).is_some())
        {
            for position in 0..text(&members, name).len() {
                let mut value = text(&members, name).to_owned().into_bytes();
                value[position] ^= 1;
                let mut tampered = members.clone();
                tampered[name] = String::from_utf8(value).unwrap().into();
                let material = KeyMaterial::PublicJwk(tampered.to_string());
                let key = Key { material, ..vector_key(&vector) };
                assert!(
                    verify_under(text(&vector, "token"), &[key]).is_err(),
                    "{algorithm} {name} {position}"
                );
            }
        }
    }
}

#[test]
fn t086_weak_secrets_verify_nothing() {
    for secret in [&b""[..], b"secret", &SECRET[..31]] {
        let forged = sign(HEADER.as_bytes(), PAYLOAD.as_bytes(), secret);
        let key = secret_key(Algorithm::HS256, secret);
        assert_eq!(verify_under(&forged, &[key]).err(), Some(Refusal::KeyUnusable));
    }
}

#[test]
fn memory_knows_tokens_only_under_their_key_and_algorithm() {
    let vector = library_vector("RS256");
    let key = vector_key(&vector);
    let fingerprint = |key: &Key| Fingerprint::new(&[1; 32], &key.digest());
    let mut memory = SignatureMemory::new();
    memory.remember(&fingerprint(&key));
    assert!(memory.knows(&fingerprint(&vector_key(&vector))));
    let other_id = Key { id: [1; 16], kid: None, ..vector_key(&vector) };
    assert!(memory.knows(&fingerprint(&other_id)), "the id is no part of the key itself");
    assert!(!memory.knows(&Fingerprint::new(&[2; 32], &key.digest())));
    let other_algorithm = Key { algorithm: Algorithm::PS256, ..vector_key(&vector) };
    assert!(!memory.knows(&fingerprint(&other_algorithm)));
    let KeyMaterial::PublicJwk(stored) = &key.material else { panic!() };
    let as_secret =
        Key { material: KeyMaterial::Secret(Zeroizing::new(stored.clone().into())), ..vector_key(&vector) };
    assert!(!memory.knows(&fingerprint(&as_secret)));
    let missing = Key { material: KeyMaterial::Missing, ..vector_key(&vector) };
    assert!(!memory.knows(&fingerprint(&missing)));
}

#[test]
fn memory_does_not_remember_refusals_and_does_not_help_forgers() {
    let keys = [secret_key(Algorithm::HS256, SECRET)];
    let mut memory = SignatureMemory::new();
    let mut check = |text: &str, keys: &[Key]| {
        let token = Token::parse(text.as_bytes()).unwrap();
        jwt::verify(token, &rules(), keys, None, NOW, &mut memory).err()
    };
    let good = token(HEADER, PAYLOAD);
    let forged = sign(HEADER.as_bytes(), PAYLOAD.as_bytes(), &[1; 32]);
    for _ in 0..2 {
        assert_eq!(check(&forged, &keys), Some(Refusal::BadSignature));
        assert_eq!(check(&good, &keys), None);
        assert_eq!(check(&good, &[secret_key(Algorithm::HS256, &[1; 32])]), Some(Refusal::BadSignature));
        let late = token(HEADER, &payload_with("exp", "1"));
        assert_eq!(check(&late, &keys), Some(Refusal::Expired));
    }
}

#[test]
fn memory_learns_good_signatures_only() {
    let keys = [secret_key(Algorithm::HS256, SECRET)];
    let mut memory = SignatureMemory::new();
    let forged = sign(HEADER.as_bytes(), PAYLOAD.as_bytes(), &[1; 32]);
    for (text, is_good) in [(token(HEADER, PAYLOAD), true), (forged, false)] {
        let parsed = Token::parse(text.as_bytes()).unwrap();
        let verdict = jwt::verify(parsed, &rules(), &keys, None, NOW, &mut memory);
        assert_eq!(verdict.is_ok(), is_good);
        let fingerprint = Fingerprint::new(&Sha256::digest(&text).into(), &keys[0].digest());
        assert_eq!(memory.knows(&fingerprint), is_good);
    }
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    assert_eq!(ENTRIES, 1024);
    assert!(size_of::<SignatureMemory>() <= 33 * 1024);
    let fingerprint = |number: u32| {
        let mut token = [0; 32];
        token[..4].copy_from_slice(&number.to_be_bytes());
        Fingerprint::new(&token, &[0; 32])
    };
    let mut memory = SignatureMemory::new();
    for number in 0..20_000 {
        assert!(!memory.knows(&fingerprint(number)));
        memory.remember(&fingerprint(number));
        memory.remember(&fingerprint(number));
        assert!(memory.knows(&fingerprint(number)), "the newest is known");
    }
    let known = (0..20_000).filter(|number| memory.knows(&fingerprint(*number))).count();
    assert_eq!(known, ENTRIES);
    assert!((19_900..20_000).filter(|number| memory.knows(&fingerprint(*number))).count() > 95);
}
