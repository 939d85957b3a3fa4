//! The headers of HTTP requests.

use crate::verify::error::Refusal;
use crate::verify::http::{
    HeaderFault, NamedOrg, challenge, credentials, header_names, later_status, name_nobody, organization,
    request_id, sender, status, status_of, without_credentials,
};
use crate::verify::identity::Kind;
use serde_json::{Map, Value, json};

const KEY: &str = "sk_live_abc";
const TOKEN: &str = "eyJh.eyJi.c2ln";

fn names() -> Vec<String> {
    header_names("x-credential, authorization, X-Api-Key,apikey").unwrap()
}

fn headers(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn found(value: Value) -> Result<Vec<String>, HeaderFault> {
    let found = credentials(&headers(value), &names())?;
    Ok(found.iter().map(|text| text.to_string()).collect())
}

#[test]
fn t171_a_credential_is_written_in_one_way_for_each_scheme() {
    for value in [
        TOKEN.to_owned(),
        format!("Bearer {TOKEN}"),
        format!("bEARER   {TOKEN}"),
        format!("\t Bearer {TOKEN} "),
        format!("ApiKey {TOKEN}"),
    ] {
        assert_eq!(found(json!({"authorization": value})).unwrap(), [TOKEN], "{value}");
    }
    for value in ["Basic c2tfbGl2ZV9hYmM6", "basic  c2tfbGl2ZV9hYmM6", "sk_live_abc", "apikey sk_live_abc"] {
        assert_eq!(found(json!({"authorization": value})).unwrap(), [KEY], "{value}");
        assert_eq!(found(json!({"x-credential": value})).unwrap(), [KEY], "{value}");
    }
    for value in [
        "Bearer",
        "Basic",
        "Basic c2tfbGl2ZV9hYmM",
        "Basic c2tfbGl2ZV9hYmM6==",
        // As the password, with one, with two names, a token, nothing, NUL, a space, not UTF-8.
        "Basic OnNrX2xpdmVfYWJj",
        "Basic c2tfbGl2ZV9hYmM6eA==",
        "Basic YTpiOg==",
        "Basic ZXlKaC5leUppLmMybG46",
        "Basic Og==",
        "Basic YQBiOg==",
        "Basic YSBiOg==",
        "Basic /zo=",
        "Bearer a b",
        "Bearer\ta.b.c",
        "Digest username=x",
        "Bearer \u{e9}",
        "Bearer a\u{0}b",
    ] {
        assert_eq!(found(json!({"authorization": value})), Err(HeaderFault::Malformed), "{value:?}");
    }
    for value in ["a b", "Bearer x", "a\u{7f}"] {
        assert_eq!(found(json!({"x-api-key": value})), Err(HeaderFault::Malformed), "{value:?}");
    }
}

#[test]
fn t166_a_header_that_was_sent_twice_is_noticed() {
    for value in [format!("Bearer {TOKEN}, Bearer {TOKEN}"), format!("{KEY},{KEY}"), ",".to_owned()] {
        for name in ["authorization", "x-api-key", "apikey", "x-credential"] {
            assert_eq!(found(json!({name: value})), Err(HeaderFault::Doubled), "{name}: {value}");
        }
    }
    assert_eq!(found(json!({"apikey": [KEY]})), Err(HeaderFault::Unreadable));
    assert_eq!(organization(&headers(json!({"x-organization": "a, b"}))), Err(HeaderFault::Doubled));
}

#[test]
fn t170_what_is_sent_in_several_headers_is_found_once_each() {
    let same = json!({"authorization": format!("Bearer {KEY}"), "apikey": KEY, "x-api-key": KEY});
    assert_eq!(found(same).unwrap(), [KEY]);
    let two = json!({"authorization": format!("Bearer {TOKEN}"), "apikey": KEY});
    assert_eq!(found(two).unwrap(), [TOKEN, KEY]);
    assert!(found(json!({"authorization": "", "apikey": " ", "cookie": KEY})).unwrap().is_empty());
}

#[test]
fn t169_what_the_proxy_put_in_place_of_the_credential_is_not_looked_at() {
    let moved = json!({"x-credential": KEY, "authorization": format!("Bearer {TOKEN}")});
    assert_eq!(found(moved).unwrap(), [KEY]);
    let nobody = json!({"x-credential": "", "authorization": format!("Bearer {TOKEN}")});
    assert!(found(nobody).unwrap().is_empty());
    // But where no proxy does that.
    let sent = headers(json!({"x-credential": "x", "authorization": format!("Bearer {TOKEN}")}));
    let found = credentials(&sent, &header_names("authorization, apikey").unwrap()).unwrap();
    assert_eq!(found.iter().map(|text| text.as_str()).collect::<Vec<_>>(), [TOKEN]);
}

#[test]
fn organizations_are_named_by_id_or_name() {
    let named = |name: &str| organization(&headers(json!({"x-organization": name})));
    let id = "0a000000-0000-4000-8000-00000000000a";
    assert!(matches!(named(id), Ok(Some(NamedOrg::Id(_)))));
    assert_eq!(named("acme").unwrap(), Some(NamedOrg::Name("acme".into())));
    assert_eq!(named(" ").unwrap(), None);
    assert_eq!(organization(&Map::new()).unwrap(), None);
    for name in ["x".repeat(256), "a\u{1}b".into()] {
        assert_eq!(named(&name), Err(HeaderFault::Organization));
    }
}

#[test]
fn headers_with_credentials_are_left_out() {
    let all = headers(
        json!({"authorization": "a", "x-credential": "b", "apikey": "c", "x-mine": "d", "host": "e"}),
    );
    let left = without_credentials(&all, &header_names("apikey, X-Mine").unwrap());
    assert_eq!(Value::Object(left), json!({"host": "e"}));
}

#[test]
fn lists_of_headers_are_names_between_commas() {
    assert_eq!(header_names("X-A , b").unwrap(), ["x-a", "b"]);
    for list in ["", "a,,b", "a b", "a_b", "a;b", "a,"] {
        assert_eq!(header_names(list), None, "{list}");
    }
}

#[test]
fn who_sends_a_request_follows_from_the_credential() {
    let claims = |json: Value| name_nobody(&headers(json));
    assert!(claims(json!({"role": "anon"})));
    for json in [
        json!({"role": "anon", "sub": "x"}),
        json!({"role": "anon", "sub": null}),
        json!({"role": "x"}),
        json!({}),
    ] {
        assert!(!claims(json.clone()), "{json}");
    }
    assert_eq!(sender(Kind::Jwt, true), Kind::ApiKey);
    for (kind, has_key) in
        [(Kind::Jwt, false), (Kind::ApiKey, true), (Kind::Service, true), (Kind::ActAs, false)]
    {
        assert_eq!(sender(kind, has_key), kind);
    }
}

#[test]
fn a_good_key_in_a_wrong_place_is_forbidden_and_anything_else_unauthorized() {
    for refusal in [Refusal::KeyNetwork, Refusal::KeyOrigin, Refusal::KeyEndpoint] {
        assert_eq!(status_of(refusal), 403);
    }
    for refusal in [
        Refusal::KeyRevoked,
        Refusal::KeyUnknown,
        Refusal::KeyExpired,
        Refusal::Expired,
        Refusal::BadSignature,
    ] {
        assert_eq!(status_of(refusal), 401);
    }
}

#[test]
fn only_what_nobody_documents_is_an_error_of_the_server() {
    assert_eq!(
        ["28000", "42501", "22023", "23505", "53400", "XX000"].map(status),
        [401, 403, 400, 409, 429, 500]
    );
    assert_eq!(
        [("28000", false), ("55000", false), ("55000", true), ("40001", false), ("40P01", true)]
            .map(|(sqlstate, is_of_nobody)| later_status(sqlstate, is_of_nobody)),
        [Some(401), Some(503), Some(401), None, None]
    );
    assert_eq!([challenge(false), challenge(true)], ["Bearer", "Bearer error=\"invalid_token\""]);
}

#[test]
fn t607_the_id_of_a_request_is_short_and_plain() {
    let (longest, longer) = ("a".repeat(128), "a".repeat(129));
    for id in ["0", "4f1c9a7be0d24c6f", "A.b_c:d=e-f", "7a6f0a9e-7d1b-4b5c-9d7e-0123456789ab", &longest] {
        assert_eq!(request_id(id), Some(id));
    }
    let key = format!("sk_live_{}", "a1".repeat(33));
    for text in [
        "", &longer, "a b", "a\n", "\r\nb", "a\0", "a\"", "a'", "a,b", "a;b", "a/b", "a%0A", "\u{e4}",
        "\u{ff10}", &key, TOKEN,
    ] {
        assert_eq!(request_id(text), None, "{text:?}");
    }
    // Every single byte.
    let taken = (0..=0x7f_u8).filter(|byte| request_id(&char::from(*byte).to_string()).is_some()).count();
    assert_eq!(taken, 26 + 26 + 10 + 5);
}
