//! Hostile headers and shapes of tokens. The numbers are those of the threat list.

use super::*;
use crate::verify::token::MAX_TOKEN_BYTES;

fn header_refusal(members: &str) -> Option<Refusal> {
    refusal(&format!("{{{members}}}"), PAYLOAD)
}

#[test]
fn t074_none_and_unknown_algorithms_are_refused() {
    let names = ["none", "None", "NONE", "nOnE", "", "hs256", "Hs256", "HS256 ", " HS256", "HS1", "ES256K"];
    for name in names.into_iter().chain(["Ed448", "RSA-OAEP", "dir", "HS256\\u0000x", "HS25\u{212A}"]) {
        let refused = header_refusal(&format!(r#""alg":"{name}""#));
        let expected = if name.contains("u0000") { Refusal::NulCharacter } else { Refusal::AlgorithmUnknown };
        assert_eq!(refused, Some(expected), "{name}");
    }
    for value in ["null", "1", "true", "[]", "{}", r#"["HS256"]"#] {
        assert_eq!(header_refusal(&format!(r#""alg":{value}"#)), Some(Refusal::AlgorithmUnknown), "{value}");
    }
    assert_eq!(header_refusal(r#""typ":"JWT""#), Some(Refusal::AlgorithmUnknown));
}

#[test]
fn t074_unsigned_tokens_are_refused() {
    let signed = token(r#"{"alg":"none"}"#, PAYLOAD);
    let unsigned = signed.rsplit_once('.').unwrap().0;
    let parse = |text: &str| Token::parse(text.as_bytes()).err();
    assert_eq!(parse(&format!("{unsigned}.")), Some(Refusal::Unsigned));
    assert_eq!(parse(unsigned), Some(Refusal::NotAToken));
    assert_eq!(parse(&signed), Some(Refusal::AlgorithmUnknown));
    let stripped = token(HEADER, PAYLOAD).rsplit_once('.').unwrap().0.to_owned();
    assert_eq!(parse(&format!("{stripped}.")), Some(Refusal::Unsigned));
}

#[test]
fn t076_embedded_keys_are_refused_even_if_null() {
    for name in ["jwk", "jku", "x5c", "x5u"] {
        for value in ["null", "{}", r#""https://evil.example/keys""#, r#"["MIIB"]"#] {
            let refused = header_refusal(&format!(r#""alg":"HS256","{name}":{value}"#));
            assert_eq!(refused, Some(Refusal::EmbeddedKey), "{name} {value}");
        }
    }
    assert_eq!(header_refusal(r#""alg":"HS256","\u006awk":null"#), Some(Refusal::EmbeddedKey));
}

#[test]
fn t076_thumbprint_and_unknown_headers_are_harmless() {
    assert_eq!(header_refusal(r#""alg":"HS256","x5t":"a","x5t#S256":"b","other":{"jwk":1}"#), None);
}

#[test]
fn t077_hostile_kids_are_refused_or_unknown() {
    let malformed = ["null", "1", "[]", "{}", "true", r#""""#, r#""a\nb""#, r#""a\u007fb""#, r#""a\u0085b""#];
    for kid in malformed {
        let refused = header_refusal(&format!(r#""alg":"HS256","kid":{kid}"#));
        assert_eq!(refused, Some(Refusal::KidMalformed), "{kid}");
    }
    let nul = header_refusal(r#""alg":"HS256","kid":"a\u0000b""#);
    assert_eq!(nul, Some(Refusal::NulCharacter));
    let unknown =
        ["' or '1'='1", "../../../../dev/null", "k1; drop table", "key\u{0430}", "\u{202e}1k", "KEY"];
    let longest = "x".repeat(128);
    let keys = || [Key { kid: Some("key".to_owned()), ..secret_key(Algorithm::HS256, SECRET) }];
    for kid in unknown.into_iter().chain([longest.as_str()]) {
        let text = token(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), PAYLOAD);
        assert_eq!(verify_under(&text, &keys()).err(), Some(Refusal::UnknownKey), "{kid}");
    }
    let long = header_refusal(&format!(r#""alg":"HS256","kid":"{longest}x""#));
    assert_eq!(long, Some(Refusal::KidMalformed));
    let text = token(r#"{"alg":"HS256","kid":"key"}"#, PAYLOAD);
    assert!(verify_under(&text, &keys()).is_ok());
}

#[test]
fn t078_critical_and_unencoded_headers_are_refused() {
    for value in ["null", "[]", r#"["exp"]"#, r#"["b64"]"#, "0"] {
        let refused = header_refusal(&format!(r#""alg":"HS256","crit":{value}"#));
        assert_eq!(refused, Some(Refusal::CriticalHeader), "{value}");
    }
    for value in ["false", "true", "null"] {
        let refused = header_refusal(&format!(r#""alg":"HS256","b64":{value}"#));
        assert_eq!(refused, Some(Refusal::UnencodedPayload), "{value}");
    }
}

#[test]
fn t082_token_types_are_told_apart() {
    let accepted = ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"];
    for name in accepted {
        assert_eq!(header_refusal(&format!(r#""alg":"HS256","typ":"{name}""#)), None, "{name}");
    }
    for name in
        ["", "id+jwt", "logout+jwt", "JOSE", "text/at+jwt", "application/", "application/a/JWT", "JWT "]
    {
        let refused = header_refusal(&format!(r#""alg":"HS256","typ":"{name}""#));
        assert_eq!(refused, Some(Refusal::TokenType), "{name}");
    }
    for value in ["null", "1", r#"["JWT"]"#] {
        assert_eq!(header_refusal(&format!(r#""alg":"HS256","typ":{value}"#)), Some(Refusal::TokenType));
    }
}

#[test]
fn t082_a_list_of_types_makes_the_type_required() {
    let listed = |names: &[&str]| Rules {
        token_types: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..rules()
    };
    let try_type = |header: &str, rules: &Rules| verify_at(&token(header, PAYLOAD), rules, NOW).err();
    let access = r#"{"alg":"HS256","typ":"at+jwt"}"#;
    assert_eq!(try_type(access, &listed(&["application/AT+jwt"])), None);
    assert_eq!(try_type(access, &listed(&["JWT"])), Some(Refusal::TokenType));
    assert_eq!(try_type(access, &listed(&[])), Some(Refusal::TokenType));
    let slash = r#"{"alg":"HS256","typ":"application/a/b"}"#;
    assert_eq!(try_type(slash, &listed(&["a/b"])), Some(Refusal::TokenType));
    assert_eq!(try_type(slash, &listed(&["application/A/B"])), None);
    assert_eq!(try_type(HEADER, &listed(&["at+jwt"])), Some(Refusal::TokenType));
}

#[test]
fn t083_only_one_spelling_of_a_token_is_accepted() {
    let good = token(HEADER, PAYLOAD);
    let last = good.chars().last().unwrap();
    let head = &good[..good.len() - 1];
    let others = (0..64_u8).map(|value| {
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[usize::from(value)])
    });
    for other in others.filter(|other| *other != last) {
        assert!(verify_under(&format!("{head}{other}"), &[secret_key(Algorithm::HS256, SECRET)]).is_err());
    }
    let segments: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = segments[..] else { panic!() };
    let variants = [
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}\0"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}\n.{signature}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}"),
        format!("Bearer {good}"),
    ];
    for variant in variants {
        assert!(Token::parse(variant.as_bytes()).is_err(), "{variant:?}");
    }
}

#[test]
fn t089_long_tokens_are_refused_before_anything_else() {
    let refused = |length: usize| Token::parse(&vec![b'!'; length]).err();
    assert_eq!(refused(MAX_TOKEN_BYTES + 1), Some(Refusal::TooLong));
    assert_eq!(refused(MAX_TOKEN_BYTES), Some(Refusal::NotAToken));
    let dots = vec![b'.'; MAX_TOKEN_BYTES];
    assert_eq!(Token::parse(&dots).err(), Some(Refusal::NotAToken));
    let padding = "x".repeat(11_000);
    assert_eq!(refusal(HEADER, &payload_with("padding", &format!("\"{padding}\""))), None);
}

#[test]
fn t090_encrypted_and_nested_tokens_are_refused() {
    assert_eq!(Token::parse(b"a.b.c.d.e").err(), Some(Refusal::Encrypted));
    assert_eq!(Token::parse(b"....").err(), Some(Refusal::Encrypted));
    for name in ["enc", "zip"] {
        assert_eq!(header_refusal(&format!(r#""alg":"HS256","{name}":null"#)), Some(Refusal::Encrypted));
    }
    for content in [r#""JWT""#, r#""jwt""#, r#""application/jwt""#, r#""APPLICATION/JWT""#, "null", "1"] {
        let refused = header_refusal(&format!(r#""alg":"HS256","cty":{content}"#));
        assert_eq!(refused, Some(Refusal::NestedToken), "{content}");
    }
    assert_eq!(header_refusal(r#""alg":"HS256","cty":"application/json""#), None);
}

#[test]
fn allowed_algorithms_bind_even_with_the_right_key() {
    let only = |algorithm| Rules { algorithms: Some(vec![algorithm]), ..rules() };
    let text = token(HEADER, PAYLOAD);
    assert_eq!(verify_at(&text, &only(Algorithm::HS256), NOW).err(), None);
    assert_eq!(verify_at(&text, &only(Algorithm::ES256), NOW).err(), Some(Refusal::AlgorithmNotAllowed));
}
