//! Which entries of a key set are used, and what is said of the others.

use serde_json::json;

use super::keys::{changed, entries, fault, faults, jwk_of};
use super::*;
use crate::verify::error::{KeyError, KeyFault};
use crate::verify::json::JsonFault;
use crate::verify::jwk::{check_secret, parse_key, parse_set};

#[test]
fn sets_choose_the_algorithm_and_keep_the_order() {
    let named = |key: &str, kid: &str| changed(&jwk_of(key), &[("kid", json!(kid)), ("alg", Value::Null)]);
    let keys = [named("RS256", "a"), named("ES256", "b"), named("EdDSA", "c"), named("ES512", "d")];
    let text = json!({ "keys": keys }).to_string();
    let read = parse_set(&text, Algorithm::PS384).unwrap();
    let read: Vec<_> = read.into_iter().map(|entry| entry.key.unwrap()).collect();
    let named: Vec<_> = read
        .iter()
        .map(|key| (key.kid.as_deref().unwrap(), key.algorithm.name(), key.is_algorithm_assumed))
        .collect();
    let expected =
        [("a", "PS384", true), ("b", "ES256", false), ("c", "EdDSA", false), ("d", "ES512", false)];
    assert_eq!(named, expected);
    let declared = changed(&jwk_of("RS256"), &[("alg", json!("RS256"))]);
    assert!(!entries(&[declared]).unwrap()[0].as_ref().unwrap().is_algorithm_assumed);
    assert_eq!(parse_set(&text, Algorithm::ES256), Err(KeyError::DefaultIsNotRsa));
}

#[test]
fn of_equal_entries_one_counts_and_of_contradicting_ones_none() {
    let named = |key: &str, kid: &str| changed(&jwk_of(key), &[("kid", json!(kid))]);
    let usable = |keys: &[Value]| -> Vec<bool> { entries(keys).unwrap().iter().map(Result::is_ok).collect() };
    let (a, b) = (named("RS256", "a"), named("RS384", "a"));
    let b = changed(&b, &[("alg", json!("RS256"))]);
    assert_eq!(faults(&[a.clone(), b.clone()]), [KeyFault::Ambiguous; 2]);
    let all = [a.clone(), b.clone(), a.clone(), named("ES256", "a")];
    assert_eq!(entries(&all).unwrap()[..3], [(); 3].map(|()| Err(KeyFault::Ambiguous)));
    assert_eq!(usable(&[a.clone(), named("RS256", "b")]), [true, true]);
    let twice = entries(&[a.clone(), jwk_of("ES256"), a.clone(), jwk_of("ES256")]).unwrap();
    let repeated = |index| Err(KeyFault::Repeated { index });
    assert_eq!([&twice[2], &twice[3]], [&repeated(0), &repeated(1)]);
    // The same but for what nobody reads.
    let noted = changed(&a, &[("note", json!(1))]);
    assert_eq!(entries(&[a.clone(), noted]).unwrap()[1], repeated(0));
    assert_eq!(usable(&[jwk_of("RS256"), jwk_of("RS384")]), [true, true]);
    assert_eq!(usable(&[a.clone(), named("ES256", "a")]), [true, true]);
    let both = changed(&a, &[("alg", json!("PS256"))]);
    assert_eq!(usable(&[a, both]), [true, true]);
    // One that is skipped stands in nobody's way.
    let weak = changed(&b, &[("e", json!("Aw"))]);
    assert_eq!(usable(&[named("RS256", "a"), weak]), [true, false]);
}

#[test]
fn of_what_is_skipped_the_names_are_told_if_they_can_be_names() {
    let weak =
        |kid: Value, alg: Value| changed(&jwk_of("RS256"), &[("e", json!("Aw")), ("kid", kid), ("alg", alg)]);
    for (entry, kid, algorithm) in [
        (weak(json!("a"), json!("RS512")), Some("a"), Some("RS512")),
        (weak(json!("a\u{7}"), json!("RS 256")), None, None),
        (weak(json!("x".repeat(129)), json!("x".repeat(33))), None, None),
        (weak(json!(1), json!(["RS256"])), None, None),
        (json!(["kid"]), None, None),
    ] {
        let set = json!({"keys": [jwk_of("ES256"), entry]}).to_string();
        let read = parse_set(&set, Algorithm::RS256).unwrap();
        assert_eq!((read[1].kid.as_deref(), read[1].algorithm.as_deref()), (kid, algorithm), "{entry}");
        assert!(read[1].key.is_err(), "{entry}");
    }
}

#[test]
fn sets_are_strict_and_bounded() {
    let parse = |text: &str| parse_set(text, Algorithm::RS256);
    for text in ["{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"a":"b"}"#, r#"{"a":1}"#] {
        assert_eq!(parse(text), Err(KeyError::NotAKeySet), "{text}");
    }
    assert_eq!(parse(&jwk_of("RS256").to_string()), Err(KeyError::IsAKey));
    let set = json!({"keys": [jwk_of("RS256")]}).to_string();
    assert_eq!(parse_key(&set, None, None), Err(KeyError::IsAKeySet));
    assert_eq!(parse("[]"), Err(KeyError::NotJson(JsonFault::NotAnObject)));
    assert_eq!(parse("<html>"), Err(KeyError::NotJson(JsonFault::Syntax)));
    let twice = r#"{"keys":[{"kty":"RSA","\u006bty":"RSA"}]}"#;
    assert_eq!(parse(twice), Err(KeyError::NotJson(JsonFault::DuplicateMember)));
    let key = json!({"kty": "unknown"});
    assert_eq!(entries(&vec![key.clone(); 101]), Err(KeyError::TooManyKeys));
    assert_eq!(faults(&vec![key; 100]).len(), 100);
    let long = format!("{}{}", jwk_of("RS256"), " ".repeat(256 * 1024));
    assert_eq!(parse(&long), Err(KeyError::TooLong));
    assert_eq!(parse_key(&long, None, None), Err(KeyError::TooLong));
    assert_eq!(parse_key(&"-".repeat(256 * 1024 + 1), None, None), Err(KeyError::TooLong));
}

fn certificates() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/certificates.json")).unwrap()
}

/// As `x5c` has it.
fn der_text(certificate: &str) -> String {
    certificate.lines().filter(|line| !line.starts_with("-----")).collect()
}

#[test]
fn certificates_are_read_by_kid() {
    let all = certificates();
    let certificate = |name: &str| text(&all[name], "certificate").to_owned();
    let public = |name: &str| parse_key(text(&all[name], "public"), None, None).unwrap();
    let set = json!({"a": certificate("rsa"), "b": certificate("p256"), "c": certificate("ed25519"), "d": certificate("rsa_1024")});
    let read = parse_set(&set.to_string(), Algorithm::PS256).unwrap();
    let found: Vec<_> =
        read.iter().map(|entry| (entry.kid.as_deref().unwrap(), entry.key.as_ref())).collect();
    for ((kid, key), (name, algorithm)) in found.iter().zip([
        ("rsa", Algorithm::PS256),
        ("p256", Algorithm::ES256),
        ("ed25519", Algorithm::EdDSA),
    ]) {
        let key = key.unwrap();
        assert_eq!((key.algorithm, key.thumbprint), (algorithm, public(name).thumbprint), "{kid}");
        assert_eq!((key.kid.as_deref(), key.is_algorithm_assumed), (Some(*kid), name == "rsa"));
    }
    assert_eq!(found[3].1, Err(&KeyFault::ModulusBits(1024)));
    // One alone, as a key.
    let alone = parse_key(&certificate("p256"), None, Some("k")).unwrap();
    assert_eq!((alone.thumbprint, alone.kid.as_deref()), (public("p256").thumbprint, Some("k")));
    // What is no certificate is no key among certificates.
    let mixed = json!({"a": certificate("rsa"), "b": text(&all["p256"], "public")});
    assert_eq!(parse_set(&mixed.to_string(), Algorithm::RS256).unwrap()[1].key, Err(KeyFault::Certificate));
    let broken = certificate("rsa").replacen("MII", "MIJ", 1);
    assert_eq!(parse_key(&broken, None, None), Err(KeyError::Key(KeyFault::Certificate)));
    let private =
        json!({"a": certificate("rsa"), "b": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"});
    assert_eq!(
        parse_set(&private.to_string(), Algorithm::RS256),
        Err(KeyError::InSet { index: 1, fault: KeyFault::Private })
    );
    let kids = json!({"": certificate("rsa"), "b": certificate("p256")});
    assert_eq!(parse_set(&kids.to_string(), Algorithm::RS256).unwrap()[0].key, Err(KeyFault::KidMalformed));
}

#[test]
fn t121_a_certificate_vouches_for_its_own_key_and_algorithm_only() {
    let all = certificates();
    let jwk = |name: &str| {
        let key = parse_key(text(&all[name], "public"), None, None).unwrap();
        serde_json::from_str::<Value>(&key.jwk).unwrap()
    };
    let x5c = |name: &str| json!([der_text(text(&all[name], "certificate"))]);
    for (key, chain, expected) in [
        ("rsa", x5c("rsa"), None),
        ("p256", x5c("p256"), None),
        ("rsa", x5c("rsa_other"), Some(KeyFault::CertificateDiffers)),
        ("rsa", x5c("p256"), Some(KeyFault::CertificateDiffers)),
        ("rsa", json!([]), Some(KeyFault::MemberMalformed("x5c"))),
        ("rsa", json!("AAAA"), Some(KeyFault::MemberMalformed("x5c"))),
        ("rsa", json!(["AAAA"]), Some(KeyFault::MemberMalformed("x5c"))),
        ("rsa", json!([1]), Some(KeyFault::MemberMalformed("x5c"))),
        ("rsa", json!(null), None),
    ] {
        assert_eq!(fault(&changed(&jwk(key), &[("x5c", chain.clone())])), expected, "{key} {chain}");
    }
    // A certificate is no key where the numbers are missing.
    let alone = json!({"kty": "RSA", "alg": "RS256", "x5c": x5c("rsa")});
    assert_eq!(fault(&alone), Some(KeyFault::MemberMissing("n")));
    // A key for PSS alone is none for RS256, and its parameters are not looked at: it is none at all.
    for form in ["certificate", "public"] {
        for algorithm in [None, Some(Algorithm::RS256), Some(Algorithm::PS256)] {
            let refused = parse_key(text(&all["rsa_pss"], form), algorithm, None);
            assert_eq!(refused, Err(KeyError::Key(KeyFault::Unsupported)), "{form}");
        }
    }
    for algorithm in [Algorithm::ES256, Algorithm::HS256] {
        let refused = parse_key(text(&all["rsa"], "certificate"), Some(algorithm), None);
        assert_eq!(refused, Err(KeyError::Key(KeyFault::AlgorithmContradicts)));
    }
    let pasted = check_secret(text(&all["rsa"], "certificate").as_bytes(), Algorithm::HS256);
    assert_eq!(pasted, Err(KeyError::SecretIsAKey));
}
