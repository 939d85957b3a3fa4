//! What the rows of our tokens say of them.

use super::NOW;
use crate::verify::api_key::Environment;
use crate::verify::identity::{Profile, timestamp};
use crate::verify::minted::{MintedToken, minted_id};
use crate::verify::revocation::{Kind, Revocable, Revocation};
use serde_json::json;
use sha2::{Digest, Sha256};

const ISSUER: &str = "https://issuer.example";
const NORTH: [u8; 16] = [1; 16];
const SOUTH: [u8; 16] = [2; 16];

/// A token for the user ada.
fn row() -> MintedToken {
    MintedToken {
        id: [0xab; 16],
        issuer: [1; 16],
        digest: Sha256::digest(b"payload").to_vec(),
        user: Some("ada".to_owned()),
        org: None,
        workspace: None,
        environment: "live".to_owned(),
        permissions: None,
        is_service: false,
        is_member: false,
        api_key: None,
        maker_key: None,
        parent: None,
        from: None,
        from_key: None,
        created_at: timestamp(NOW),
        session: None,
    }
}

/// The token of another issuer that one came from.
fn origin(user: Option<&str>, subject: Option<&str>) -> Revocable {
    Revocable {
        issuer: ISSUER.to_owned(),
        user: user.map(str::to_owned),
        subject: subject.map(str::to_owned),
        session: None,
        token: None,
        digest: None,
        issued_at: None,
    }
}

fn profile(prefix: &str, environment: &str, org_ids: &[[u8; 16]]) -> Profile {
    Profile {
        user_id_prefix: prefix.to_owned(),
        environment: environment.to_owned(),
        org_ids: org_ids.to_vec(),
        ..Profile::default()
    }
}

#[test]
fn a_row_is_of_one_payload_and_issuer() {
    assert!(row().is_of([1; 16], b"payload"));
    assert!(!row().is_of([2; 16], b"payload"));
    for payload in [&b""[..], b"payload ", b"Payload"] {
        assert!(!row().is_of([1; 16], payload));
        let unsaid = MintedToken { digest: vec![], ..row() };
        assert!(!unsaid.is_of([1; 16], payload));
    }
}

#[test]
fn the_row_says_how_far_a_token_reaches() {
    let issuer = profile("p:", "live", &[]);
    let anywhere = row().profile(&issuer);
    assert_eq!((anywhere.org_ids.as_slice(), anywhere.environment.as_str()), (&[][..], "live"));
    let limited = MintedToken { org: Some(NORTH), environment: "test".to_owned(), ..row() }.profile(&issuer);
    assert_eq!((limited.org_ids.as_slice(), limited.environment.as_str()), (&[NORTH][..], "test"));
    assert_eq!(limited.user_id_prefix, "p:");
}

#[test]
fn an_environment_that_is_not_allowed_or_known_is_refused() {
    for (environment, allowed, expected) in [
        ("live", &[Environment::Live, Environment::Test][..], true),
        ("test", &[Environment::Live, Environment::Test], true),
        ("live", &[Environment::Test], false),
        ("test", &[Environment::Live], false),
        ("live", &[], false),
        ("Live", &[Environment::Live, Environment::Test], false),
        ("", &[Environment::Live, Environment::Test], false),
    ] {
        let row = MintedToken { environment: environment.to_owned(), ..row() };
        assert_eq!(row.is_allowed_in(allowed), expected, "{environment} {allowed:?}");
    }
}

#[test]
fn services_have_tokens_where_the_issuer_has_services() {
    let service = MintedToken { is_service: true, user: None, ..row() };
    assert!(service.may_be_of(true) && !service.may_be_of(false));
    assert!(row().may_be_of(true) && row().may_be_of(false));
}

#[test]
fn t410_a_token_ends_when_its_origin_is_believed_no_more() {
    let (live, anywhere) = ("live", &[][..]);
    let from = || origin(Some("p:ada"), Some("ada"));
    let own = || MintedToken { user: Some("p:ada".to_owned()), ..row() };
    let is_as_said = |row: MintedToken, from: Revocable, issuer: Profile, services: bool| {
        row.is_as_said(&from, &issuer, services)
    };
    assert!(is_as_said(own(), from(), profile("p:", live, anywhere), false));
    // Another prefix makes another user of the subject, whoever is a service.
    for prefix in ["", "q:", "P:"] {
        for services in [false, true] {
            assert!(!is_as_said(own(), from(), profile(prefix, live, anywhere), services));
        }
    }
    // Another user: a service made it, and is one still.
    let others = || MintedToken { user: Some("ben".to_owned()), ..own() };
    assert!(!is_as_said(others(), from(), profile("p:", live, anywhere), false));
    assert!(is_as_said(others(), from(), profile("p:", live, anywhere), true));
    // The environment and the organizations are those of now.
    assert!(!is_as_said(own(), from(), profile("p:", "test", anywhere), true));
    let test = || MintedToken { environment: "test".to_owned(), ..own() };
    assert!(is_as_said(test(), from(), profile("p:", "test", anywhere), false));
    assert!(is_as_said(test(), from(), profile("p:", live, anywhere), false));
    let north = || MintedToken { org: Some(NORTH), ..own() };
    assert!(is_as_said(north(), from(), profile("p:", live, &[NORTH, SOUTH]), false));
    assert!(!is_as_said(north(), from(), profile("p:", live, &[SOUTH]), true));
    // One for every organization is not one for those.
    assert!(!is_as_said(own(), from(), profile("p:", live, &[NORTH]), true));
    // A service without a name.
    let nobody = || origin(None, None);
    assert!(is_as_said(others(), nobody(), profile("p:", live, anywhere), true));
    assert!(!is_as_said(others(), nobody(), profile("p:", live, anywhere), false));
}

#[test]
fn the_id_of_a_token_is_a_uuid() {
    let id = |jti| minted_id(json!({"jti": jti}).as_object().unwrap());
    assert_eq!(id(json!("abababab-abab-abab-abab-abababababab")), Some([0xab; 16]));
    for jti in [json!("x"), json!(1), json!(null), json!(["abababab-abab-abab-abab-abababababab"])] {
        assert_eq!(id(jti), None);
    }
    assert_eq!(minted_id(json!({}).as_object().unwrap()), None);
}

#[test]
fn t392_a_token_of_ours_is_named_by_its_row() {
    let token = row().revocable(ISSUER);
    let id = "abababab-abab-abab-abab-abababababab";
    for (kind, value, before, ended) in [
        (Kind::Token, id, None, true),
        (Kind::Token, id, Some(0), true),
        (Kind::User, "ada", Some(timestamp(NOW)), true),
        (Kind::User, "ada", Some(timestamp(NOW) - 1), false),
        (Kind::Subject, "ada", Some(timestamp(NOW)), true),
        (Kind::Session, "ada", None, false),
        (Kind::Digest, id, None, false),
    ] {
        let row = Revocation {
            kind,
            value: value.to_owned(),
            issuer: Some(ISSUER.to_owned()),
            issued_before: before,
        };
        assert_eq!(token.is_ended_by(&row), ended, "{row:?}");
    }
    let nobody = MintedToken { user: None, ..row() }.revocable(ISSUER);
    assert_eq!(nobody.values(), [id]);
}
