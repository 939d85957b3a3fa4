//! Which public keys and secrets may be stored.

use serde_json::json;

use super::*;
use crate::verify::error::{KeyError, KeyFault};
use crate::verify::jwk::{PublicKey, check_secret, parse_key, parse_set};

fn keys() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/keys.json")).unwrap()
}

/// What becomes of the entries of a set.
pub(super) fn entries(keys: &[Value]) -> Result<Vec<Result<PublicKey, KeyFault>>, KeyError> {
    let read = parse_set(&json!({ "keys": keys }).to_string(), Algorithm::RS256)?;
    Ok(read.into_iter().map(|entry| entry.key).collect())
}

/// The same of a set with nothing usable.
pub(super) fn faults(keys: &[Value]) -> Vec<KeyFault> {
    match entries(keys) {
        Err(KeyError::NoUsableKey(faults)) => faults.into_iter().map(|(_, fault)| fault).collect(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn fault(key: &Value) -> Option<KeyFault> {
    let alone = match parse_key(&key.to_string(), None, None) {
        Ok(_) => None,
        Err(KeyError::Key(fault)) => Some(fault),
        Err(other) => panic!("{other}"),
    };
    let good = library_vector("RS512")["jwk"].clone();
    match entries(&[good, key.clone()]) {
        Ok(read) => {
            assert!(read[0].is_ok(), "the other key is there");
            assert_eq!(read[1].as_ref().err(), alone.as_ref());
            assert_ne!(alone, Some(KeyFault::Private));
        }
        Err(error) => {
            assert_eq!(error, KeyError::InSet { index: 1, fault: KeyFault::Private });
            assert_eq!(alone, Some(KeyFault::Private));
        }
    }
    alone
}

/// A key with other members; null removes one.
pub(super) fn changed(key: &Value, members: &[(&str, Value)]) -> Value {
    let mut key = key.clone();
    for (name, value) in members {
        let object = key.as_object_mut().unwrap();
        if value.is_null() {
            object.remove(*name);
        } else {
            object.insert((*name).to_owned(), value.clone());
        }
    }
    key
}

pub(super) fn jwk_of(algorithm: &str) -> Value {
    library_vector(algorithm)["jwk"].clone()
}

#[test]
fn t085_weak_rsa_keys_are_refused() {
    let keys = keys();
    let good = &keys["rsa_spki"]["jwk"];
    assert_eq!(fault(good), None);
    for (name, expected) in
        [("rsa_1024", KeyFault::ModulusBits(1024)), ("rsa_exponent_3", KeyFault::Exponent)]
    {
        assert_eq!(fault(&keys[name]["jwk"]), Some(expected));
        assert_eq!(parse_key(text(&keys[name], "pem"), None, None), Err(KeyError::Key(expected)), "{name}");
    }
    for exponent in ["AQ", "Aw", "AQAC", "AQAAAAE", "AQABAAE", "", "AA", "__8"] {
        assert_eq!(fault(&changed(good, &[("e", json!(exponent))])), Some(KeyFault::Exponent), "{exponent}");
    }
    let mut modulus = base64url::decode(text(good, "n").as_bytes()).unwrap();
    let with_modulus = |n: &[u8]| changed(good, &[("n", json!(base64url::encode(n)))]);
    modulus[255] ^= 1;
    assert_eq!(fault(&with_modulus(&modulus)), Some(KeyFault::ModulusEven));
    modulus[255] ^= 1;
    modulus[0] = 0x7f;
    assert_eq!(fault(&with_modulus(&modulus)), Some(KeyFault::ModulusBits(2047)));
    assert_eq!(fault(&with_modulus(&[0xff; 1025])), Some(KeyFault::ModulusBits(8200)));
    assert_eq!(fault(&with_modulus(&[])), Some(KeyFault::ModulusBits(0)));
    let message = KeyError::Key(KeyFault::ModulusBits(1024)).to_string();
    assert_eq!(message, "RSA modulus has 1024 bits, at least 2048 are required");
}

#[test]
fn leading_zeros_of_rsa_numbers_do_not_count() {
    let good = &keys()["rsa_spki"]["jwk"];
    let n = base64url::decode(text(good, "n").as_bytes()).unwrap();
    let padded =
        changed(good, &[("n", json!(base64url::encode(&[&[0], &n[..]].concat()))), ("e", json!("AAEAAQ"))]);
    assert_eq!(parse_key(&padded.to_string(), None, None), parse_key(&good.to_string(), None, None));
}

#[test]
fn t085_points_off_the_curve_are_refused() {
    for algorithm in ["ES256", "ES384", "ES512"] {
        let good = jwk_of(algorithm);
        let mut y = base64url::decode(text(&good, "y").as_bytes()).unwrap();
        let size = y.len();
        *y.last_mut().unwrap() ^= 1;
        let zero = json!(base64url::encode(&vec![0; size]));
        let most = json!(base64url::encode(&vec![0xff; size]));
        let flipped = json!(base64url::encode(&y));
        let variants = [
            vec![("y", flipped)],
            vec![("x", zero.clone()), ("y", zero)],
            vec![("x", most.clone()), ("y", most)],
            vec![("x", good["y"].clone()), ("y", good["x"].clone())],
        ];
        for variant in variants {
            assert_eq!(fault(&changed(&good, &variant)), Some(KeyFault::NotOnCurve), "{algorithm}");
        }
        for length in [0, size - 1, size + 1] {
            let coordinate = json!(base64url::encode(&vec![1; length]));
            let expected = KeyFault::CoordinateLength { bytes: length, expected: size };
            assert_eq!(fault(&changed(&good, &[("x", coordinate)])), Some(expected));
        }
    }
}

#[test]
fn t085_weak_ed25519_keys_are_refused() {
    let weak = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    let with_point = |x: &[u8]| changed(&jwk_of("EdDSA"), &[("x", json!(base64url::encode(x)))]);
    for point in weak {
        assert_eq!(fault(&with_point(&hex::decode(point).unwrap())), Some(KeyFault::WeakPoint), "{point}");
    }
    for bytes in [0, 31, 33, 57] {
        let expected = KeyFault::CoordinateLength { bytes, expected: 32 };
        assert_eq!(fault(&with_point(&vec![5; bytes])), Some(expected));
    }
}

#[test]
fn private_keys_refuse_a_set_whatever_else_is_wrong_with_them() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        for key in [jwk_of("RS256"), jwk_of("ES256"), jwk_of("EdDSA"), json!({"kty": "other"}), json!({})] {
            let private = changed(&key, &[(name, json!("AQAB")), ("use", json!("enc"))]);
            assert_eq!(fault(&private), Some(KeyFault::Private), "{name}");
        }
    }
    let secret = json!({"kty": "oct", "k": "c2VjcmV0"});
    assert_eq!(fault(&secret), Some(KeyFault::Symmetric));
    assert_eq!(fault(&json!({"kty": "oct"})), Some(KeyFault::Symmetric));
    assert_eq!(fault(&json!({"kty": "oct", "k": "c2VjcmV0", "d": "AA"})), Some(KeyFault::Private));
    assert!(!KeyError::Key(KeyFault::Symmetric).to_string().contains("c2VjcmV0"));
}

#[test]
fn keys_for_other_purposes_are_skipped() {
    let rsa = jwk_of("RS256");
    for members in [("use", json!("enc")), ("key_ops", json!(["sign"])), ("key_ops", json!([]))] {
        assert_eq!(fault(&changed(&rsa, &[members])), Some(KeyFault::OtherPurpose));
    }
    let others = [
        changed(&rsa, &[("alg", json!("RSA-OAEP"))]),
        changed(&rsa, &[("kty", json!("rsa"))]),
        changed(&jwk_of("ES256"), &[("alg", json!("ES256K"))]),
        changed(&jwk_of("ES256"), &[("crv", json!("secp256k1"))]),
        changed(&jwk_of("EdDSA"), &[("crv", json!("Ed448"))]),
        changed(&jwk_of("EdDSA"), &[("crv", json!("X25519"))]),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
    ];
    for key in &others {
        assert_eq!(fault(key), Some(KeyFault::Unsupported), "{key}");
    }
    assert_eq!(faults(&others), [KeyFault::Unsupported; 7]);
    assert_eq!(faults(&[]), []);
    for members in [&[("use", json!("sig"))][..], &[("key_ops", json!(["verify", "other"]))]] {
        assert_eq!(fault(&changed(&rsa, members)), None);
    }
}

#[test]
fn malformed_keys_are_skipped() {
    let (rsa, ec) = (jwk_of("RS256"), jwk_of("ES256"));
    let cases = [
        (changed(&rsa, &[("kty", Value::Null)]), KeyFault::MemberMissing("kty")),
        (changed(&rsa, &[("kty", json!(1))]), KeyFault::MemberMalformed("kty")),
        (changed(&rsa, &[("n", Value::Null)]), KeyFault::MemberMissing("n")),
        (changed(&rsa, &[("e", json!(65537))]), KeyFault::MemberMalformed("e")),
        (changed(&rsa, &[("e", json!("AQAB=="))]), KeyFault::MemberMalformed("e")),
        (changed(&rsa, &[("e", json!("AQ AB"))]), KeyFault::MemberMalformed("e")),
        (changed(&rsa, &[("use", json!(["sig"]))]), KeyFault::MemberMalformed("use")),
        (changed(&rsa, &[("key_ops", json!("verify"))]), KeyFault::MemberMalformed("key_ops")),
        (changed(&rsa, &[("alg", json!(256))]), KeyFault::MemberMalformed("alg")),
        (changed(&rsa, &[("kid", json!(1))]), KeyFault::MemberMalformed("kid")),
        (changed(&rsa, &[("kid", json!(""))]), KeyFault::KidMalformed),
        (changed(&rsa, &[("kid", json!("a\nb"))]), KeyFault::KidMalformed),
        (changed(&rsa, &[("kid", json!("x".repeat(129)))]), KeyFault::KidMalformed),
        (changed(&ec, &[("crv", Value::Null)]), KeyFault::MemberMissing("crv")),
        (changed(&ec, &[("y", Value::Null)]), KeyFault::MemberMissing("y")),
    ];
    for (key, expected) in cases {
        assert_eq!(fault(&key), Some(expected), "{key}");
    }
    assert_eq!(entries(&[rsa, json!("key")]).unwrap()[1], Err(KeyFault::NotAnObject));
    let told = KeyError::NoUsableKey(vec![(0, KeyFault::NotAnObject); 7]).to_string();
    assert_eq!(told.matches("keys[0]: a key must be a JSON object").count(), 5);
    assert!(told.ends_with("; and 2 more"), "{told}");
}

#[test]
fn algorithms_that_do_not_fit_the_key_are_refused() {
    for (key, algorithm) in
        [("RS256", "ES256"), ("RS256", "HS256"), ("ES256", "ES384"), ("ES256", "RS256"), ("EdDSA", "ES256")]
    {
        let contradicting = changed(&jwk_of(key), &[("alg", json!(algorithm))]);
        assert_eq!(fault(&contradicting), Some(KeyFault::AlgorithmContradicts), "{key} {algorithm}");
        let algorithm = Algorithm::from_name(algorithm);
        for text in [jwk_of(key).to_string(), text(&library_vector(key), "pem").to_owned()] {
            let refused = parse_key(&text, algorithm, None);
            assert_eq!(refused, Err(KeyError::Key(KeyFault::AlgorithmContradicts)), "{key} {algorithm:?}");
        }
    }
    let declared = changed(&jwk_of("RS256"), &[("alg", json!("PS256"))]).to_string();
    assert_eq!(parse_key(&declared, None, None).unwrap().algorithm, Algorithm::PS256);
    let open = changed(&jwk_of("RS256"), &[("alg", Value::Null)]).to_string();
    for (given, expected) in [(None, true), (Some(Algorithm::RS256), false)] {
        for kid in [None, Some("a")] {
            assert_eq!(parse_key(&open, given, kid).unwrap().is_algorithm_assumed, expected);
        }
    }
    let refused = parse_key(&declared, Some(Algorithm::RS256), None);
    assert_eq!(refused, Err(KeyError::Key(KeyFault::AlgorithmContradicts)));
}

#[test]
fn stored_keys_hold_the_public_members_and_nothing_else() {
    let noisy =
        changed(&jwk_of("ES256"), &[("kid", json!("a\"b")), ("use", json!("sig")), ("note", json!("hello"))]);
    let key = parse_key(&noisy.to_string(), None, None).unwrap();
    let (x, y) = (text(&noisy, "x"), text(&noisy, "y"));
    let expected = format!(r#"{{"alg":"ES256","crv":"P-256","kid":"a\"b","kty":"EC","x":"{x}","y":"{y}"}}"#);
    assert_eq!(key.jwk, expected);
    assert_eq!(key.kid.as_deref(), Some("a\"b"));
}

#[test]
fn kids_can_be_given_but_not_contradicted() {
    let named = changed(&jwk_of("ES256"), &[("kid", json!("a"))]).to_string();
    assert_eq!(parse_key(&named, None, Some("a")).unwrap().kid.as_deref(), Some("a"));
    assert_eq!(parse_key(&named, None, Some("b")), Err(KeyError::Key(KeyFault::KidContradicts)));
    let pem = text(&library_vector("ES256"), "pem").to_owned();
    let key = parse_key(&pem, None, Some("b")).unwrap();
    assert!(key.jwk.contains(r#""kid":"b""#) && key.kid.as_deref() == Some("b"));
    assert_eq!(parse_key(&pem, None, Some("")), Err(KeyError::Key(KeyFault::KidMalformed)));
    assert_eq!(parse_key(&pem, None, None).unwrap().kid, None);
}

#[test]
fn pem_is_read_in_both_forms_and_any_layout() {
    let keys = keys();
    let expected = parse_key(&keys["rsa_spki"]["jwk"].to_string(), None, None);
    let (spki, pkcs1) = (text(&keys["rsa_spki"], "pem"), text(&keys["rsa_pkcs1"], "pem"));
    let layouts =
        [spki.replace('\n', "\r\n"), format!("\n  {spki}\n\n"), spki.replace('\n', " "), pkcs1.to_owned()];
    for layout in layouts.iter().map(String::as_str).chain([spki]) {
        assert_eq!(parse_key(layout, None, None), expected, "{layout}");
    }
    let as_ps = parse_key(pkcs1, Some(Algorithm::PS512), None).unwrap();
    assert_eq!(as_ps.algorithm, Algorithm::PS512);
}

#[test]
fn pem_of_other_things_is_refused_with_advice() {
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let refused = |text: &str| match parse_key(text, None, None) {
        Err(KeyError::Key(fault)) => fault,
        other => panic!("{other:?}"),
    };
    for label in
        ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
    {
        assert_eq!(refused(&block(label)), KeyFault::Private);
    }
    assert!(KeyFault::Private.to_string().contains("give only the public key"));
    assert_eq!(refused(&block("CERTIFICATE")), KeyFault::Certificate);
    assert_eq!(refused(&block("TRUSTED CERTIFICATE")), KeyFault::PemKind);
    for label in ["DSA PUBLIC KEY", "PUBLIC KEY", "RSA PUBLIC KEY", "PGP PUBLIC KEY BLOCK"] {
        assert_eq!(refused(&block(label)), KeyFault::PemKind, "{label}");
    }
    for name in ["p256_compressed", "secp256k1", "ed448", "x25519"] {
        assert_eq!(refused(text(&keys()[name], "pem")), KeyFault::PemKind, "{name}");
    }
    for text in ["", "hello", "ssh-rsa AAAA", "BEGIN PUBLIC KEY"] {
        assert_eq!(refused(text), KeyFault::PemKind, "{text}");
    }
}

#[test]
fn mistakes_with_pem_are_named() {
    let good = text(&library_vector("ES256"), "pem").to_owned();
    let refused = |text: &str| parse_key(text, None, None).map(drop);
    for (text, fault) in [
        (format!("Key: {good}"), KeyFault::PemSurrounded),
        (format!("{good}trailing"), KeyFault::PemSurrounded),
        (good.replace('\n', "\\n"), KeyFault::PemEscaped),
        (format!("{good}{good}"), KeyFault::PemSeveral),
        (good.replace("PUBLIC KEY", "TRUSTED CERTIFICATE"), KeyFault::PemKind),
    ] {
        assert_eq!(refused(&text), Err(KeyError::Key(fault)), "{text}");
    }
    // What is private is called so, whatever else is wrong.
    let private = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
    for text in [format!("{good}{private}"), format!("x {private}"), private.replace('\n', "\\n")] {
        assert_eq!(refused(&text), Err(KeyError::Key(KeyFault::Private)), "{text}");
    }
}

#[test]
fn malformed_pem_is_refused() {
    let good = text(&library_vector("ES256"), "pem").to_owned();
    let body = good.lines().nth(1).unwrap().to_owned();
    let variants = [
        good.replace("-----END PUBLIC KEY-----", ""),
        good.replace("-----END PUBLIC", "-----END RSA PUBLIC"),
        format!("{good}{good}"),
        format!("{good}trailing"),
        good.replace(&body, &body[1..]),
        good.replace(&body, &format!("{body}A")),
        good.replace(&body, &format!("*{}", &body[1..])),
        good.replace(&body, ""),
        good.replace(&body, &format!("{body}AAAA")),
    ];
    for variant in variants {
        assert!(parse_key(&variant, None, None).is_err(), "{variant}");
    }
}

#[test]
fn t086_secrets_must_be_long_enough_and_no_keys() {
    for (algorithm, minimum) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        for bytes in [0, 1, minimum - 1] {
            let refused = check_secret(&vec![0; bytes], algorithm);
            assert_eq!(refused, Err(KeyError::SecretTooShort { bytes, minimum }));
        }
        for bytes in [minimum, 1024] {
            assert_eq!(check_secret(&vec![0; bytes], algorithm), Ok(()));
        }
        assert_eq!(check_secret(&[0; 1025], algorithm), Err(KeyError::SecretTooLong));
    }
    for vector in library_vectors().iter().filter(|vector| vector.get("pem").is_some()) {
        let spaced = format!("\n {}", text(vector, "pem"));
        for pasted in [text(vector, "pem"), &spaced, &vector["jwk"].to_string()] {
            assert_eq!(check_secret(pasted.as_bytes(), Algorithm::HS256), Err(KeyError::SecretIsAKey));
        }
    }
    let braces = b"{this is no JSON, just a secret that starts with a brace";
    assert_eq!(check_secret(braces, Algorithm::HS256), Ok(()));
    let refused = check_secret(&[0; 64], Algorithm::RS256);
    assert_eq!(refused, Err(KeyError::NotASecretAlgorithm(Algorithm::RS256)));
}
