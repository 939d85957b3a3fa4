//! exp, nbf and iat: every type of value, and the seconds around every limit.

use super::*;

const TIMES: [(&str, Refusal); 3] = [
    ("exp", Refusal::ExpiryMalformed),
    ("nbf", Refusal::NotBeforeMalformed),
    ("iat", Refusal::IssuedAtMalformed),
];

#[test]
fn t079_times_of_the_wrong_type_are_refused() {
    let wrong = [
        r#""1800000600""#,
        r#""never""#,
        r#""Infinity""#,
        r#""""#,
        "null",
        "true",
        "false",
        "[]",
        "[1800000600]",
        "{}",
        r#"{"$numberLong":"1800000600"}"#,
    ];
    for (name, malformed) in TIMES {
        for value in wrong {
            assert_eq!(refusal(HEADER, &payload_with(name, value)), Some(malformed), "{name} {value}");
        }
        for value in ["1e400", "1e-20000", "-1E999"] {
            let refused = refusal(HEADER, &payload_with(name, value));
            assert_eq!(refused, Some(Refusal::NumberOutOfRange), "{name} {value}");
        }
        for value in ["NaN", "Infinity", "0x10", "+1", "01", ".5", "1."] {
            let refused = refusal(HEADER, &payload_with(name, value));
            assert_eq!(refused, Some(Refusal::PayloadNotJson), "{name} {value}");
        }
        let twice = payload_with(name, "1800000600").replacen('{', &format!("{{\"{name}\":1,"), 1);
        assert_eq!(refusal(HEADER, &twice), Some(Refusal::DuplicateMember), "{name}");
    }
}

#[test]
fn t699_a_time_may_have_a_fraction_which_only_ever_shortens() {
    let now = NOW.to_string();
    for value in ["1800000600.0", "1.8000006e9", "1e300", "9223372036854775807", "18446744073709551617"] {
        assert_eq!(refusal(HEADER, &payload_with("exp", value)), None, "{value}");
    }
    for value in ["0", "-0", "0.0", "-1", "-1.5", "-1e300", "1e-300", "1.7e9", &now, &format!("{now}.0")] {
        assert_eq!(refusal(HEADER, &payload_with("nbf", value)), None, "{value}");
        assert_eq!(refusal(HEADER, &payload_with("iat", value)), None, "{value}");
    }
    let at =
        |name: &str, value: &str, now| verify_at(&token(HEADER, &payload_with(name, value)), &rules(), now);
    // The last digits are more than a double holds.
    for value in ["1800000600.5", "1800000600.99999999999999999999", "18000006009999999999999999999e-19"] {
        let claims = at("exp", value, NOW).unwrap();
        assert_eq!((claims.expires_at(), claims.valid_until()), (1_800_000_600, 1_800_000_630), "{value}");
        assert_eq!(at("exp", value, 1_800_000_630).err(), Some(Refusal::Expired), "{value}");
    }
    for value in ["0", "-1", "-1e300", "0.5", "1e-300"] {
        assert_eq!(refusal(HEADER, &payload_with("exp", value)), Some(Refusal::Expired), "{value}");
    }
    let late = format!("{NOW}.00000000000000000001");
    for (name, early) in [("nbf", Refusal::NotYetValid), ("iat", Refusal::IssuedInFuture)] {
        assert_eq!(at(name, &late, NOW - 30).err(), Some(early), "{name}");
        assert_eq!(at(name, &late, NOW - 29).err(), None, "{name}");
        for value in ["1e300", "9223372036854775807", "18446744073709551616"] {
            assert_eq!(refusal(HEADER, &payload_with(name, value)), Some(early), "{name} {value}");
        }
    }
}

#[test]
fn t080_missing_exp_is_refused() {
    assert_eq!(refusal(HEADER, &payload_without("exp")), Some(Refusal::ExpiryMissing));
}

#[test]
fn t088_expiry_counts_to_the_second() {
    for (leeway, counted) in [(0, 0), (30, 30), (300, 300), (301, 300), (u64::MAX, 300)] {
        let rules = Rules { leeway, ..rules() };
        let text = token(HEADER, PAYLOAD);
        let end = 1_800_000_600 + counted;
        for now in [0, 1_800_000_599, end - 1] {
            let claims = verify_at(&text, &rules, now).unwrap();
            assert_eq!((claims.expires_at(), claims.valid_until()), (1_800_000_600, end));
        }
        for now in [end, end + 1, 1 << 53, u64::MAX] {
            assert_eq!(verify_at(&text, &rules, now).err(), Some(Refusal::Expired), "{leeway} {now}");
        }
    }
}

#[test]
fn t088_not_before_and_issued_at_count_to_the_second() {
    for (name, early) in [("nbf", Refusal::NotYetValid), ("iat", Refusal::IssuedInFuture)] {
        let at = |offset: u64, leeway| {
            let text = token(HEADER, &payload_with(name, &(NOW + offset).to_string()));
            verify_at(&text, &Rules { leeway, ..rules() }, NOW).err()
        };
        assert_eq!(at(0, 0), None);
        assert_eq!(at(1, 0), Some(early));
        assert_eq!(at(30, 30), None);
        assert_eq!(at(31, 30), Some(early));
    }
}

#[test]
fn t080_lifetimes_can_be_limited() {
    let limited = Rules { max_lifetime: Some(3600), ..rules() };
    let at = |issued: &str| verify_at(&token(HEADER, &payload_with("iat", issued)), &limited, NOW).err();
    assert_eq!(at("1799997000"), None);
    assert_eq!(at("1799996999"), Some(Refusal::LifetimeTooLong));
    assert_eq!(verify_at(&token(HEADER, PAYLOAD), &limited, NOW).err(), Some(Refusal::IssuedAtMissing));
    // Issued half a second earlier, it lives half a second too long.
    assert_eq!(at("1799997000.5"), None);
    assert_eq!(at("1799996999.5"), Some(Refusal::LifetimeTooLong));
    assert_eq!(at("-1e300"), Some(Refusal::LifetimeTooLong));
    let backwards = payload_with("exp", "1800000010").replacen('{', "{\"iat\":1800000020,", 1);
    assert_eq!(verify_at(&token(HEADER, &backwards), &limited, NOW).err(), Some(Refusal::LifetimeTooLong));
}

#[test]
fn expired_means_that_all_else_was_good() {
    let expired = |name: &str, value: &str| payload_with(name, value).replace("1800000600", "1700000000");
    assert_eq!(refusal(HEADER, &expired("sub", "\"a\"")), Some(Refusal::Expired));
    assert_eq!(refusal(HEADER, &expired("aud", "\"other\"")), Some(Refusal::AudienceMismatch));
    assert_eq!(refusal(HEADER, &expired("role", "\"service_role\"")), Some(Refusal::ServiceRoleNotAllowed));
    assert_eq!(refusal(HEADER, &expired("nbf", "\"x\"")), Some(Refusal::NotBeforeMalformed));
}

#[test]
fn a_remembered_token_still_expires_and_keeps_its_rules() {
    let keys = [secret_key(Algorithm::HS256, SECRET)];
    let text = token(HEADER, PAYLOAD);
    let mut memory = SignatureMemory::new();
    let mut at = |rules: &Rules, now| {
        let token = Token::parse(text.as_bytes()).unwrap();
        jwt::verify(token, rules, &keys, None, now, &mut memory).err()
    };
    assert_eq!(at(&rules(), NOW), None);
    assert_eq!(at(&rules(), NOW), None);
    assert_eq!(at(&rules(), NOW + 630), Some(Refusal::Expired));
    let elsewhere = Rules { audiences: vec!["other".to_owned()], ..rules() };
    assert_eq!(at(&elsewhere, NOW), Some(Refusal::AudienceMismatch));
}
