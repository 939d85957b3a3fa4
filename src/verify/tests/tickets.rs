//! What is sealed into a ticket, and what is refused.

use crate::verify::base64url;
use crate::verify::error::Refusal;
use crate::verify::handing_on::{Bearer, Origin, Token};
use crate::verify::identity::{Kind, Said};
use crate::verify::ticket::{
    Obstacle, TICKET_MAX, Ticket, Unsealed, holder_of, is_over, lifetime, looks_like_ticket, may_have,
    print_of,
};

const SECRET: [u8; 32] = [3; 32];
const ID: [u8; 16] = [5; 16];
const SECOND: i64 = 1_000_000;

fn token(payload: &str) -> Origin {
    Origin::Token(Token {
        issuer: "https://issuer.example".to_owned(),
        key: [9; 16],
        token_type: Some(String::new()),
        payload: payload.as_bytes().to_vec(),
    })
}

fn ticket(origin: Origin) -> Ticket {
    Ticket { issued_at: 5 * SECOND, expires_at: 35 * SECOND, origin }
}

fn sealed(origin: Origin) -> String {
    ticket(origin).seal(&ID, &SECRET, 7).unwrap().to_string()
}

fn open(text: &str) -> Result<Ticket, Refusal> {
    Ticket::open(text.as_bytes(), &SECRET, 7)
}

#[test]
fn what_was_sealed_is_found_again_and_shows_nothing() {
    let mut untyped = token("{}");
    if let Origin::Token(token) = &mut untyped {
        token.token_type = None;
    }
    for origin in [Origin::ApiKey([8; 16]), token(r#"{"sub":"somebody"}"#), token(""), untyped] {
        let text = sealed(origin.clone());
        assert!(looks_like_ticket(text.as_bytes()), "{text}");
        assert!(open(&text).unwrap() == ticket(origin));
        let bytes = base64url::decode(text.strip_prefix("ticket.").unwrap().as_bytes()).unwrap();
        for part in ["issuer", "somebody", "sub"] {
            assert!(!bytes.windows(part.len()).any(|window| window == part.as_bytes()));
        }
    }
    assert!(ticket(Origin::Stated).seal(&ID, &SECRET, 7).is_err());
}

#[test]
fn t161_a_ticket_that_was_changed_or_is_of_another_database_is_refused() {
    let text = sealed(token(r#"{"sub":"x"}"#));
    let refused = |text: &str, secret: &[u8], database| {
        assert_eq!(
            Ticket::open(text.as_bytes(), secret, database).err(),
            Some(Refusal::TicketUnknown),
            "{text}"
        );
    };
    refused(&text, &SECRET, 8);
    refused(&text, &[4; 32], 7);
    refused(&text, &SECRET[..31], 7);
    let bytes = base64url::decode(text.strip_prefix("ticket.").unwrap().as_bytes()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            refused(&format!("ticket.{}", base64url::encode(&changed)), &SECRET, 7);
        }
        refused(&format!("ticket.{}", base64url::encode(&bytes[..at])), &SECRET, 7);
    }
    for text in [
        format!("{text}A"),
        format!("{text}="),
        format!(" {text}"),
        text.replace("ticket.", "TICKET."),
        "ticket.".to_owned(),
        format!("ticket.{}", "A".repeat(TICKET_MAX)),
        "ticket.\u{e9}".to_owned(),
    ] {
        refused(&text, &SECRET, 7);
    }
}

#[test]
fn the_longest_ticket_is_one_that_opens() {
    let of = |length: usize| ticket(token(&"x".repeat(length))).seal(&ID, &SECRET, 7);
    let longest = (0..TICKET_MAX).rev().find(|length| of(*length).is_ok()).unwrap();
    assert!(longest > 5_000, "{longest}");
    assert!(open(&of(longest).unwrap()).is_ok());
    assert_eq!(of(longest + 1).err(), Some(Unsealed::TooLong));
    assert_eq!(ticket(token("")).seal(&ID, &[1; 31], 7).err(), Some(Unsealed::Failed));
    let mut origin = token("");
    if let Origin::Token(token) = &mut origin {
        token.token_type = Some("x".repeat(70_000));
    }
    assert_eq!(ticket(origin).seal(&ID, &SECRET, 7).err(), Some(Unsealed::TooLong));
}

#[test]
fn a_ticket_is_good_from_its_issue_to_its_end() {
    let ticket = ticket(Origin::ApiKey(ID));
    for (now, expected) in [
        (5 * SECOND, Ok(())),
        (35 * SECOND - 1, Ok(())),
        (35 * SECOND, Err(Refusal::TicketExpired)),
        (i64::MAX, Err(Refusal::TicketExpired)),
        // A clock that was set back by less than a minute.
        (-55 * SECOND, Ok(())),
        (-55 * SECOND - 1, Err(Refusal::TicketEarly)),
        (i64::MIN, Err(Refusal::TicketEarly)),
    ] {
        assert_eq!(ticket.check_times(now), expected, "{now}");
        // What is forgotten is never good.
        assert!(!is_over(ticket.expires_at, now) || expected.is_err(), "{now}");
    }
    assert!(is_over(35 * SECOND, 35 * SECOND) && is_over(1000 * SECOND, 0) && !is_over(60 * SECOND, 0));
}

#[test]
fn a_ticket_lives_for_a_minute_at_most() {
    for (asked, expected) in
        [(0, None), (-1, None), (1, Some(1)), (60_000_000, Some(60_000_000)), (60_000_001, None)]
    {
        assert_eq!(lifetime(asked), expected);
    }
    assert_eq!((lifetime(i128::MAX), lifetime(i128::MIN)), (None, None));
}

fn bearer(user_id: Option<&str>, origin: Origin, from_ticket: bool) -> Bearer {
    let said = Said {
        kind: Kind::Jwt,
        user_id: user_id.map(str::to_owned),
        role: None,
        email: None,
        email_verified: false,
        environment: "live".to_owned(),
        scopes: Vec::new(),
        session_id: None,
        actor: None,
    };
    Bearer { said, origin, from_ticket }
}

#[test]
fn whoever_has_a_ticket_or_was_only_stated_gets_none() {
    assert_eq!(may_have(&bearer(None, Origin::ApiKey(ID), false)), Ok(()));
    assert_eq!(may_have(&bearer(Some("u"), token(""), false)), Ok(()));
    assert_eq!(may_have(&bearer(Some("u"), Origin::ApiKey(ID), true)), Err(Obstacle::Ticket));
    assert_eq!(may_have(&bearer(Some("u"), Origin::Stated, false)), Err(Obstacle::Stated));
}

#[test]
fn tickets_are_counted_by_user_else_by_key_or_token() {
    let of = |user_id, origin| holder_of(&bearer(user_id, origin, false));
    assert_eq!(of(Some("u"), Origin::ApiKey(ID)), of(Some("u"), token("x")));
    let all = [
        of(Some("u"), token("x")),
        of(Some("v"), token("x")),
        of(None, token("x")),
        of(None, token("y")),
        of(None, Origin::ApiKey(*b"0123456789abcdef")),
        of(None, token("0123456789abcdef")),
        of(Some("0123456789abcdef"), token("x")),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(at));
    }
    assert_ne!(print_of(b"ticket.a"), print_of(b"ticket.b"));
}
