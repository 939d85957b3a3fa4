//! The examples of RFC 7515, 7519, 7520, 7638 and 8037.

use super::*;
use crate::verify::signature;
use crate::verify::token::Jws;

fn examples(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../../tests/vectors/rfc.json")).unwrap();
    all[kind].as_array().unwrap().clone()
}

#[test]
fn signatures_of_the_rfcs_are_good() {
    let examples = examples("jws");
    assert_eq!(examples.len(), 9);
    for example in examples {
        let jws = Jws::parse(text(&example, "token").as_bytes()).unwrap();
        assert_eq!(signature::check(&jws, &vector_key(&example)), Ok(()), "{}", example["name"]);
    }
}

#[test]
fn signatures_of_the_rfcs_are_bad_under_another_key() {
    let examples = examples("jws");
    for example in &examples {
        let jws = Jws::parse(text(example, "token").as_bytes()).unwrap();
        for other in examples.iter().filter(|other| other["alg"] == example["alg"]) {
            let expected = if other["name"] == example["name"] { Ok(()) } else { Err(Refusal::BadSignature) };
            assert_eq!(signature::check(&jws, &vector_key(other)), expected, "{}", example["name"]);
        }
    }
}

#[test]
fn the_first_example_is_a_token_until_it_expires() {
    let example = &examples("jws")[0];
    let key = [vector_key(example)];
    let rules = Rules { audiences: vec![], leeway: 0, ..rules() };
    let at = |now| {
        let token = Token::parse(text(example, "token").as_bytes()).unwrap();
        jwt::verify(token, &rules, &key, None, now, &mut SignatureMemory::new())
    };
    let claims = at(1_300_819_379).unwrap();
    assert_eq!((claims.issuer(), claims.subject(), claims.expires_at()), ("joe", None, 1_300_819_380));
    assert_eq!(claims.at(&["http://example.com/is_root".to_owned()]), Some(&Value::Bool(true)));
    assert!(claims.payload().starts_with(b"{\"iss\":\"joe\",\r\n"));
    assert_eq!(at(1_300_819_380).err(), Some(Refusal::Expired));
}

#[test]
fn payloads_that_are_no_claims_are_no_tokens() {
    let fourth = &examples("jws")[3];
    assert_eq!(Token::parse(text(fourth, "token").as_bytes()).err(), Some(Refusal::PayloadNotJson));
}

#[test]
fn t090_unsecured_and_encrypted_examples_are_refused() {
    let refusals: Vec<_> = examples("refused")
        .iter()
        .map(|example| Token::parse(text(example, "token").as_bytes()).err().unwrap())
        .collect();
    assert_eq!(refusals, [Refusal::Unsigned, Refusal::Encrypted, Refusal::Encrypted]);
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    for example in examples("thumbprints") {
        let key = jwk::parse_key(&example["jwk"].to_string(), None, None).unwrap();
        assert_eq!(base64url::encode(&key.thumbprint), text(&example, "thumbprint"), "{}", example["name"]);
        assert_eq!(key.algorithm.name(), text(&example, "alg"));
    }
}
