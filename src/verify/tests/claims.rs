//! Hostile claims other than times. The numbers are those of the threat list.

use super::*;

#[test]
fn t081_audience_must_be_ours() {
    for audience in [r#""api""#, r#"["api"]"#, r#"["other","api"]"#] {
        assert_eq!(refusal(HEADER, &payload_with("aud", audience)), None, "{audience}");
    }
    for audience in
        [r#""other""#, r#"["other"]"#, r#""API""#, r#""api ""#, r#""api2""#, r#""ap""#, r#""a,api""#]
    {
        let refused = refusal(HEADER, &payload_with("aud", audience));
        assert_eq!(refused, Some(Refusal::AudienceMismatch), "{audience}");
    }
    for audience in
        ["null", "[]", r#""""#, r#"["api",""]"#, r#"["api",null]"#, r#"["api",1]"#, r#"[["api"]]"#, "1", "{}"]
    {
        let refused = refusal(HEADER, &payload_with("aud", audience));
        assert_eq!(refused, Some(Refusal::AudienceMalformed), "{audience}");
    }
    assert_eq!(refusal(HEADER, &payload_without("aud")), Some(Refusal::AudienceMissing));
}

#[test]
fn t081_audience_is_free_only_where_none_is_configured_or_demanded() {
    let open = Rules { audiences: vec![], ..rules() };
    let keys = [secret_key(Algorithm::HS256, SECRET)];
    let try_audience = |payload: &str, rules: &Rules, demanded: Option<&str>| {
        let text = token(HEADER, payload);
        let parsed = Token::parse(text.as_bytes()).unwrap();
        jwt::verify(parsed, rules, &keys, demanded, NOW, &mut SignatureMemory::new()).err()
    };
    let without = payload_without("aud");
    assert_eq!(try_audience(&without, &open, None), None);
    assert_eq!(try_audience(&without, &open, Some("api")), Some(Refusal::AudienceMissing));
    assert_eq!(try_audience(PAYLOAD, &open, Some("api")), None);
    assert_eq!(try_audience(PAYLOAD, &open, Some("other")), Some(Refusal::AudienceMismatch));
    assert_eq!(try_audience(PAYLOAD, &rules(), Some("other")), Some(Refusal::AudienceMismatch));
    let both = payload_with("aud", r#"["other","api"]"#);
    assert_eq!(try_audience(&both, &rules(), Some("other")), None);
    assert_eq!(
        try_audience(&payload_with("aud", r#"["other"]"#), &rules(), Some("other")),
        Some(Refusal::AudienceMismatch)
    );
    assert_eq!(try_audience(&payload_with("aud", "null"), &open, None), Some(Refusal::AudienceMalformed));
}

#[test]
fn t081_issuer_is_required() {
    assert_eq!(refusal(HEADER, &payload_without("iss")), Some(Refusal::IssuerMissing));
    let long = format!("\"{}\"", "x".repeat(1025));
    for issuer in ["null", "1", "[]", r#"["https://issuer.example"]"#, r#""""#, long.as_str()] {
        let refused = refusal(HEADER, &payload_with("iss", issuer));
        assert_eq!(refused, Some(Refusal::IssuerMalformed), "{issuer}");
    }
    assert_eq!(refusal(HEADER, &payload_with("iss", &long.replacen('x', "", 1))), None);
}

#[test]
fn subjects_and_token_ids_are_strings_or_absent() {
    let too_long = |limit: usize| format!("\"{}\"", "x".repeat(limit + 1));
    let texts = [
        ("sub", too_long(1024), Refusal::SubjectMalformed),
        ("jti", too_long(256), Refusal::TokenIdMalformed),
    ];
    for (name, long, expected) in texts {
        for value in ["null", "1", "[]", "{}", "false", r#""""#, long.as_str()] {
            assert_eq!(refusal(HEADER, &payload_with(name, value)), Some(expected), "{name} {value}");
        }
        let longest = long.replacen('x', "", 1);
        assert_eq!(refusal(HEADER, &payload_with(name, &longest)), None);
    }
    assert_eq!(refusal(HEADER, &payload_without("sub")), None);
    assert_eq!(refusal(HEADER, &payload_with("jti", r#""one""#)), None);
}

#[test]
fn the_service_role_needs_permission() {
    let allowed = Rules { allow_service_role: true, ..rules() };
    let service = token(HEADER, &payload_with("role", r#""service_role""#));
    assert_eq!(verify_at(&service, &rules(), NOW).err(), Some(Refusal::ServiceRoleNotAllowed));
    assert!(verify_at(&service, &allowed, NOW).is_ok());
    let nested = token(HEADER, &payload_with("app", r#"{"the.role":"service_role"}"#));
    let path = vec!["app".to_owned(), "the.role".to_owned()];
    let elsewhere = Rules { role_claim: path, ..rules() };
    assert_eq!(verify_at(&nested, &elsewhere, NOW).err(), Some(Refusal::ServiceRoleNotAllowed));
    assert!(verify_at(&nested, &rules(), NOW).is_ok());
    assert!(verify_at(&token(HEADER, &payload_with("role", r#""authenticated""#)), &rules(), NOW).is_ok());
}

#[test]
fn claims_are_found_by_path_through_objects_only() {
    let text = token(HEADER, &payload_with("a", r#"{"b.c":{"d":[{"e":1}]},"":2}"#));
    let claims = verify_at(&text, &rules(), NOW).unwrap();
    let at = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        claims.at(&path).map(Value::to_string)
    };
    assert_eq!(at(&["a", "b.c", "d"]).as_deref(), Some(r#"[{"e":1}]"#));
    assert_eq!(at(&["a", ""]).as_deref(), Some("2"));
    for path in [&[][..], &["a", "b", "c"], &["a", "b.c", "d", "0"], &["a", "b.c", "d", "e"], &["iss", "x"]] {
        assert_eq!(at(path), None, "{path:?}");
    }
}

#[test]
fn verdicts_on_claims_need_a_good_signature_first() {
    let payloads = [
        payload_with("exp", "1"),
        payload_with("exp", "null"),
        payload_with("aud", "\"other\""),
        payload_with("nbf", "9000000000"),
        payload_with("role", "\"service_role\""),
        payload_with("sub", "null"),
    ];
    for payload in payloads {
        let forged = sign(HEADER.as_bytes(), payload.as_bytes(), &[1; 32]);
        assert_eq!(verify_at(&forged, &rules(), NOW).err(), Some(Refusal::BadSignature), "{payload}");
    }
}

#[test]
fn debug_output_shows_no_token_and_no_secret() {
    let text = token(HEADER, PAYLOAD);
    let secret = secret_key(Algorithm::HS256, SECRET);
    let public = public_key(Algorithm::ES256, &library_vector("ES256")["jwk"]);
    let claims = verify_at(&text, &rules(), NOW).unwrap();
    let parsed = Token::parse(text.as_bytes()).unwrap();
    let shown = format!("{secret:?} {public:?} {claims:?} {parsed:?} {:?}", parsed.jws());
    let numbers = format!("{:?}", SECRET.as_slice());
    let inner = numbers.trim_matches(['[', ']']);
    for hidden in ["a secret", "someone", "issuer.example", "eyJ", "kty", inner] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
    assert!(shown.contains("Secret([redacted])"));
}
