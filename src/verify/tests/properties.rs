//! Statements about all inputs.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::verify::json::{JsonFault, parse_object};
use crate::verify::jwk::{check_secret, parse_key, parse_set};
use crate::verify::token::Jws;

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        "[^\u{0}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[^\u{0}]{0,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn json_object() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("[^\u{0}]{0,6}", json_value(), 0..6)
        .prop_map(|members| members.into_iter().collect())
}

/// Text that looks enough like tokens, keys and JSON to get past the first checks.
fn similar_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(base64url::encode(HEADER.as_bytes())),
        Just(base64url::encode(PAYLOAD.as_bytes())),
        Just(HEADER.to_owned()),
        Just("{\"keys\":[".to_owned()),
        Just("{\"kty\":\"RSA\",\"n\":\"".to_owned()),
        Just("\"kty\":\"EC\",\"crv\":\"P-256\",".to_owned()),
        Just("-----BEGIN PUBLIC KEY-----\n".to_owned()),
        Just("\n-----END PUBLIC KEY-----".to_owned()),
        Just("-----".to_owned()),
        Just(".".to_owned()),
        Just("\\u00".to_owned()),
        "[{}\\[\\]\",:.=A-Za-z0-9_-]{0,20}",
        ".{0,10}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn try_everything(bytes: &[u8]) {
    let _ = Jws::parse(bytes);
    let _ = parse_object(bytes);
    let _ = base64url::decode(bytes);
    let _ = check_secret(bytes, Algorithm::HS256);
    if let Ok(token) = Token::parse(bytes) {
        let keys = [secret_key(Algorithm::HS256, &[1; 32])];
        assert!(jwt::verify(token, &rules(), &keys, None, NOW, &mut SignatureMemory::new()).is_err());
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = parse_set(&text, Algorithm::RS256);
    let _ = parse_key(&text, None, Some("kid"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        try_everything(&bytes);
    }

    #[test]
    fn similar_texts_never_panic(text in similar_text()) {
        try_everything(text.as_bytes());
    }

    #[test]
    fn arbitrary_headers_and_payloads_never_panic(header in json_object(), payload in json_value()) {
        let header = Value::Object(header).to_string();
        try_everything(token(&header, &payload.to_string()).as_bytes());
        try_everything(token(HEADER, &payload.to_string()).as_bytes());
    }

    #[test]
    fn arbitrary_keys_never_panic(
        kind in "RSA|EC|OKP|oct|x",
        members in json_object(),
        x in "[A-Za-z0-9_-]{0,90}",
    ) {
        let mut key = members;
        key.insert("kty".to_owned(), json!(kind));
        for (name, value) in [("crv", "P-256"), ("n", &x), ("e", "AQAB"), ("x", &x), ("y", &x)] {
            key.insert(name.to_owned(), json!(value));
        }
        try_everything(json!({ "keys": [key.clone()] }).to_string().as_bytes());
        try_everything(Value::Object(key).to_string().as_bytes());
    }

    #[test]
    fn claims_come_back_as_they_were_signed(extra in json_object()) {
        let mut claims = extra;
        let ours: Map<String, Value> = serde_json::from_str(PAYLOAD).unwrap();
        for name in ["jti", "nbf", "iat", "role"] {
            claims.remove(name);
        }
        claims.extend(ours);
        let payload = Value::Object(claims.clone()).to_string();
        let text = token(HEADER, &payload);
        let verified = verify_at(&text, &rules(), NOW).unwrap();
        prop_assert_eq!(verified.payload(), payload.as_bytes());
        prop_assert_eq!(verified.claims(), &claims);
    }

    #[test]
    fn another_secret_never_verifies(secret in any::<[u8; 32]>()) {
        prop_assume!(&secret != SECRET);
        let text = sign(HEADER.as_bytes(), PAYLOAD.as_bytes(), &secret);
        prop_assert_eq!(verify_at(&text, &rules(), NOW).err(), Some(Refusal::BadSignature));
    }

    #[test]
    fn base64url_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(base64url::decode(base64url::encode(&bytes).as_bytes()), Some(bytes));
    }

    #[test]
    fn base64url_accepts_one_text_only(text in "[A-Za-z0-9_-]{0,20}") {
        if let Some(bytes) = base64url::decode(text.as_bytes()) {
            prop_assert_eq!(base64url::encode(&bytes), text);
        }
    }

    #[test]
    fn strict_json_means_what_serde_json_reads(object in json_object()) {
        let text = serde_json::to_string_pretty(&object).unwrap();
        let plain: Map<String, Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(parse_object(text.as_bytes()), Ok(plain));
    }

    #[test]
    fn strict_json_accepts_no_more_than_serde_json(text in "[{}\\[\\]\",:.\\\\u0-9eE+ -]{0,24}") {
        if let Ok(object) = parse_object(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), Value::Object(object));
        }
    }

    #[test]
    fn a_repeated_member_is_always_found(
        object in json_object(),
        name in "[^\u{0}]{0,6}",
        value in json_value(),
    ) {
        let mut members: Vec<String> = object
            .iter()
            .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
            .collect();
        let escaped: String = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        members.push(format!("{}:{value}", Value::from(name.as_str())));
        members.insert(0, format!("\"{escaped}\":{value}"));
        let flat = format!("{{{}}}", members.join(","));
        prop_assert_eq!(parse_object(flat.as_bytes()), Err(JsonFault::DuplicateMember));
        let nested = format!("{{\"outer\":[{flat}]}}");
        prop_assert_eq!(parse_object(nested.as_bytes()), Err(JsonFault::DuplicateMember));
    }
}
