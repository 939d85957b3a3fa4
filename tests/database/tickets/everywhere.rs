//! Tickets of other servers and other databases, changed ones, and where nothing of them may be seen.

use super::world::{Counting, REFUSED, connect, counting_server, issue, issue_for, sign_in};
use crate::dump;
use crate::standby::Standby;
use pg_bearer_tests::database::{Session, assert_contains, server};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use std::time::{Duration, Instant};

#[test]
fn t161_each_server_takes_only_what_it_issued_itself() {
    let primary = counting_server("tickets-primary", &[]);
    let standby = Standby::of(&primary);
    let mut there = connect(primary.socket_dir(), "postgres", "tenant");
    let mut here = connect(&standby.0, "postgres", "tenant");
    assert_eq!(here.value("select pg_is_in_recovery()").as_deref(), Some("t"));
    let foreign = issue_for(&mut there, &token_a(), "interval '60 seconds'");
    assert_eq!(refusal(sign_in(&mut here, &foreign)), REFUSED);
    // It was not spent by that.
    assert_eq!(sign_in(&mut there, &foreign).unwrap(), USER_A);
    let own = issue(&mut here, &token_a());
    assert_eq!(refusal(sign_in(&mut there, &own)), REFUSED);
    assert_eq!(sign_in(&mut here, &own).unwrap(), USER_A);
    assert_eq!(refusal(sign_in(&mut here, &own)), REFUSED);
}

#[test]
fn t161_a_copy_of_a_database_takes_none_of_its_tickets() {
    let db = Database::new();
    let mut session = db.tenant();
    let ticket = issue_for(&mut session, &token_a(), "interval '60 seconds'");
    drop(session);
    let copy = Database { name: format!("{}_copy", db.name) };
    let begin = Instant::now();
    // Sessions end a moment later than their clients.
    while server().psql("postgres", &format!("create database {} template {}", copy.name, db.name)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no copy");
        std::thread::sleep(Duration::from_millis(50));
    }
    let secret = "select encode(secret, 'hex') from auth.ticket_secret";
    assert_eq!(copy.superuser().value(secret), db.superuser().value(secret));
    assert_eq!(refusal(sign_in(&mut copy.tenant(), &ticket)), REFUSED);
    assert_eq!(sign_in(&mut db.tenant(), &ticket).unwrap(), USER_A);
}

#[test]
fn t370_no_dump_has_the_secret_of_tickets_and_every_database_makes_its_own() {
    let db = Database::new();
    let secret = "select encode(secret, 'hex') from auth.ticket_secret";
    let own = db.superuser().value(secret).unwrap();
    for options in ["", "-c pg_bearer.dump_secrets=on"] {
        let file = dump::dump(&db, "-Fp", options);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&own) && !text.contains("COPY auth.ticket_secret"), "{options}");
        let restored = dump::restore(&file, "-Fp", "");
        let new = restored.superuser().value(secret).unwrap();
        assert!(new != own && new.len() == 64, "{new}");
    }
}

#[test]
fn t371_no_byte_of_a_ticket_can_be_changed() {
    let db = Database::new();
    let mut session = db.tenant();
    let ticket = issue_for(&mut session, &token_a(), "interval '60 seconds'");
    for at in 0..ticket.len() {
        let mut changed = ticket.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(refusal(sign_in(&mut session, &changed)), REFUSED, "{at}");
        assert_eq!(refusal(sign_in(&mut session, &ticket[..at])).split_at(5).0, "28000", "{at}");
    }
    for changed in [
        format!("{ticket}A"),
        format!("{ticket}="),
        format!("{ticket}.x"),
        format!("{ticket}.x.y"),
        format!("eyJ{ticket}"),
        ticket.replace("ticket", "Ticket"),
        ticket.replacen("ticket.", "ticket_", 1),
        format!("ticket.{ticket}"),
        format!("ticket.{}", "A".repeat(9000)),
        format!("ticket.{}", "A".repeat(40_000)),
        "ticket.".to_owned(),
        "ticket.\u{1F3AB}".to_owned(),
    ] {
        assert_eq!(refusal(sign_in(&mut session, &changed)), REFUSED, "{changed}");
    }
    assert_eq!(sign_in(&mut session, &ticket).unwrap(), USER_A);
}

#[test]
fn t372_the_log_has_neither_tickets_nor_what_is_in_them() {
    let db = Counting::new();
    let mut session = db.tenant();
    let before = db.server.log_end();
    let ticket = issue(&mut session, &token_a());
    let secret = ticket.strip_prefix("ticket.").unwrap();
    let name = &secret[40..56];
    session.refused(&format!("select '{ticket}'::int as control_1"));
    session.refused(&format!("select auth.set_org('{ticket}') as control_2"));
    session.refused(&format!("do $$ begin raise exception 'control_3 GET /events?ticket={ticket}'; end $$"));
    session
        .refused(&format!("select auth.check_api_key('{ticket}'), auth.verify_jwt('{ticket}') as control_4"));
    sign_in(&mut session, &ticket).unwrap();
    refusal(sign_in(&mut session, &ticket));
    let log = db.server.log_from(before);
    for control in ["control_1", "control_2", "control_3 GET /events?ticket=ticket.***", "control_4"] {
        assert_contains(&log, control);
    }
    assert_contains(&log, "pg_bearer refused a credential: the ticket was used, or issued by another server");
    assert!(!log.contains(name), "{log}");
}
