//! Strict base64url, strict JSON, names of algorithms.

use super::*;
use crate::verify::json::{JsonFault, MAX_DEPTH, parse_object};

fn fault(text: &str) -> Option<JsonFault> {
    parse_object(text.as_bytes()).err()
}

#[test]
fn algorithm_names_are_exact() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        assert_eq!(Algorithm::from_name(&algorithm.name().to_lowercase()), None);
        assert_eq!(algorithm.is_symmetric(), algorithm.minimum_secret_bytes() > 0);
        assert!(!(algorithm.is_symmetric() && algorithm.is_rsa()));
    }
    assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDSA));
    for name in ["none", "", "ES256K", "Ed448", "ed25519"] {
        assert_eq!(Algorithm::from_name(name), None);
    }
}

#[test]
fn base64url_is_that_of_rfc_4648_without_padding() {
    for (plain, encoded) in
        [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
    {
        assert_eq!(base64url::encode(plain.as_bytes()), encoded);
        assert_eq!(base64url::decode(encoded.as_bytes()).as_deref(), Some(plain.as_bytes()));
    }
    assert_eq!(base64url::decode(b"-_-_").as_deref(), Some(&[0xfb, 0xff, 0xbf][..]));
    let refused = [
        "Z",
        "Zg=",
        "Zg==",
        "Zm9v\n",
        "Zm 9v",
        "Zm9vY",
        "+/+/",
        "Zh",
        "Zm9",
        "Zg.A",
        "\u{ff}AAA",
        "\0AAA",
        "Zm9vYmE=",
    ];
    for text in refused {
        assert_eq!(base64url::decode(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn base64url_has_one_text_for_every_value() {
    for first in 0..=255_u8 {
        for second in 0..=255_u8 {
            let text = [first, second];
            if let Some(bytes) = base64url::decode(&text) {
                assert_eq!(base64url::encode(&bytes).as_bytes(), text);
            }
        }
    }
}

#[test]
fn t084_duplicate_members_are_refused_at_any_depth() {
    let duplicates = [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"b":{"a":1,"a":2}}"#,
        r#"{"b":[[{"a":1,"c":0,"a":2}]]}"#,
        r#"{"":1,"":2}"#,
        r#"{"é":1,"\u00e9":2}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
    ];
    for text in duplicates {
        assert_eq!(fault(text), Some(JsonFault::DuplicateMember), "{text}");
    }
    assert_eq!(fault(r#"{"a":{"a":{"a":1}},"A":2,"b":[{"a":1},{"a":1}]}"#), None);
    assert_eq!(refusal(r#"{"alg":"HS256","alg":"HS256"}"#, PAYLOAD), Some(Refusal::DuplicateMember));
    let twice = payload_with("aud", r#""api","aud":"api""#);
    assert_eq!(refusal(HEADER, &twice), Some(Refusal::DuplicateMember));
}

#[test]
fn t084_depth_is_limited() {
    let nested = |levels: usize, open: &str, close: &str| {
        let inner = levels - 1;
        format!("{{\"a\":{}1{}}}", open.repeat(inner), close.repeat(inner))
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        assert_eq!(fault(&nested(MAX_DEPTH, open, close)), None);
        assert_eq!(fault(&nested(MAX_DEPTH + 1, open, close)), Some(JsonFault::TooDeep));
        assert_eq!(fault(&nested(100_000, open, close)), Some(JsonFault::TooDeep));
    }
    assert_eq!(fault(&"[".repeat(16_000)), Some(JsonFault::TooDeep));
    let flat =
        format!(r#"{{"a":[{}[]],"b":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[["}}"#, "[],".repeat(100));
    assert_eq!(fault(&flat), None, "brackets in strings and side by side do not nest");
    let deep = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    assert_eq!(refusal(HEADER, &payload_with("a", &deep)), Some(Refusal::TooDeep));
}

#[test]
fn t084_characters_no_text_can_hold_are_refused() {
    for text in [r#"{"a":"\u0000"}"#, r#"{"\u0000":1}"#, r#"{"a":["b\u0000c"]}"#, r#"{"a":{"b\u0000":1}}"#] {
        assert_eq!(fault(text), Some(JsonFault::NulCharacter), "{text}");
    }
    for text in [
        "{\"a\":\"\0\"}",
        "{\"\0\":1}",
        "{}\0",
        "\0{}",
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00"}"#,
        r#"{"\ud800x":1}"#,
    ] {
        assert_eq!(fault(text), Some(JsonFault::Syntax), "{text:?}");
    }
    assert_eq!(fault(r#"{"a":"\\u0000"}"#), None, "an escaped backslash is no escape");
    for bytes in
        [&b"{\"a\":\"\xff\"}"[..], b"{\"a\":\"\xc0\x80\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"\xef\xbb\xbf{}"]
    {
        assert_eq!(parse_object(bytes).err(), Some(JsonFault::Syntax));
    }
    assert_eq!(refusal(HEADER, &payload_with("sub", r#""a\u0000b""#)), Some(Refusal::NulCharacter));
    assert_eq!(refusal(HEADER, &payload_with("a", "\"\\ud800\"")), Some(Refusal::PayloadNotJson));
}

#[test]
fn t084_numbers_are_limited() {
    let too_large = ["1e301", "-1E+301", "1e-301", "1e400", "1e-20000", "1e99999999999999999999", "0e999"];
    for number in too_large {
        assert_eq!(fault(&format!(r#"{{"a":[{number}]}}"#)), Some(JsonFault::NumberOutOfRange), "{number}");
    }
    let digits = |count: usize| format!("{{\"a\":{}}}", "9".repeat(count));
    assert_eq!(fault(&digits(401)), Some(JsonFault::NumberOutOfRange));
    assert_eq!(fault(&digits(400)), Some(JsonFault::Syntax), "more than a double can hold");
    assert_eq!(fault(&digits(300)), None);
    for number in ["1e300", "1E-300", "-0", "0.1", "123456789012345678901234567890", "1e00000000000300"] {
        assert_eq!(fault(&format!(r#"{{"a":{number}}}"#)), None, "{number}");
    }
    assert_eq!(fault(r#"{"1e999":"1e999"}"#), None, "strings are no numbers");
}

#[test]
fn only_objects_and_nothing_after_them() {
    for text in ["[]", "1", "null", "\"a\"", "true", "[{}]"] {
        assert_eq!(fault(text), Some(JsonFault::NotAnObject), "{text}");
    }
    for text in [
        "",
        " ",
        "{",
        "}",
        "{}{}",
        "{} x",
        "{},",
        "{'a':1}",
        "{a:1}",
        r#"{"a":1,}"#,
        r#"{"a":tru}"#,
        "// x\n{}",
        "{\"a\":\"\n\"}",
        r#"{"a":"#,
        r#"{"a":""#,
        r#"{"a":"\"#,
    ] {
        assert_eq!(fault(text), Some(JsonFault::Syntax), "{text}");
    }
    assert_eq!(fault(" \t\r\n{ \"a\" : [ 1 , 2 ] } \n"), None);
}
