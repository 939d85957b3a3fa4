//! Tickets: issued to whoever is signed in, and good for one `auth.authenticate()` where the server keeps count.
//! `src/verify/ticket.rs` says what is in them, and `tickets/table.rs` which are open.

pub(super) mod table;

use super::api_key::{self, Place};
use super::credential::{self, Failure};
use super::ffi::{carrier, catalog, shared, ticket_memory};
use super::sqlstate::{self, tickets as errors};
use super::{handing_on, settings, store};
use crate::verify::error::Refusal;
use crate::verify::handing_on::{Bearer, Origin};
use crate::verify::identity::{Identity, Uuid};
use crate::verify::ticket::{self, Obstacle, Print, Ticket, Unsealed};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use pgrx::pg_sys::panic::ErrorReport;
use std::cell::Cell;
use table::{Issued, MOST_OF_ONE, NoRoom};
use zeroize::Zeroizing;

thread_local! {
    static WARNED: Cell<bool> = const { Cell::new(false) };
}

/// A ticket for whoever is signed in, for so many microseconds.
pub(super) fn issue(lifetime: Option<i128>) -> Result<Zeroizing<String>, ErrorReport> {
    let lifetime = lifetime.and_then(ticket::lifetime).ok_or_else(|| {
        sqlstate::bad_argument("ttl must be given, longer than 0 and not longer than 60 seconds")
    })?;
    if catalog::in_restricted_operation() {
        return Err(sqlstate::forbidden("no ticket is issued within a security-restricted operation"));
    }
    let signed_in = carrier::with_identity(|view| (handing_on::bearer(view), view.valid_until()));
    let (bearer, ends_at) = signed_in.ok_or_else(sqlstate::not_authenticated)?;
    ticket::may_have(&bearer).map_err(obstacle)?;
    if settings::max_tickets() == 0 {
        return Err(errors::turned_off());
    }
    let now = catalog::now();
    let expires_at = now.saturating_add(lifetime).min(ends_at);
    if expires_at <= now {
        return Err(sqlstate::not_authenticated());
    }
    let holder = ticket::holder_of(&bearer);
    let text = sealed(bearer, now, expires_at)?;
    open(ticket::print_of(text.as_bytes()), holder, expires_at, now)?;
    Ok(text)
}

fn sealed(bearer: Bearer, now: i64, expires_at: i64) -> Result<Zeroizing<String>, ErrorReport> {
    let secret = store::ticket_secret().ok_or_else(errors::no_secret)?;
    let mut id = Uuid::default();
    SystemRandom::new().fill(&mut id).map_err(|_| sqlstate::no_random_numbers())?;
    let ticket = Ticket { issued_at: now, expires_at, origin: bearer.origin };
    ticket.seal(&id, &secret, shared::database()).map_err(|unsealed| match unsealed {
        Unsealed::TooLong => errors::too_long(),
        Unsealed::Failed => errors::no_secret(),
    })
}

/// Notes that the ticket is open, where that is kept.
fn open(ticket: Print, holder: Print, expires_at: i64, now: i64) -> Result<(), ErrorReport> {
    let issued = Issued { database: shared::database(), ticket, holder, expires_at };
    match ticket_memory::with_exclusive(|table| table.open(&issued, now)) {
        Some(Ok(())) => Ok(()),
        Some(Err(NoRoom::TooManyOfOne)) => Err(errors::too_many_of_one(MOST_OF_ONE)),
        Some(Err(NoRoom::Full)) => Err(errors::full()),
        None => {
            if !WARNED.replace(true) {
                errors::warn_of_reuse();
            }
            Ok(())
        }
    }
}

/// The identity that a ticket gives: what its origin would give now. A ticket that is `used` is spent first, whatever
/// becomes of it and of the transaction.
pub(super) fn identify(text: &[u8], used: bool) -> Result<Identity, Failure> {
    let ticket = opened(text)?;
    if !is_open(text, used) {
        return Err(Refusal::TicketNotOpen.into());
    }
    let identity = match &ticket.origin {
        Origin::Token(token) => {
            let token = credential::renewed(token)?;
            ticket.check_times(catalog::now())?;
            credential::of_token(&token, used)?
        }
        Origin::ApiKey(key) => {
            let accepted = api_key::renewed(*key, Place::Here)?;
            ticket.check_times(catalog::now())?;
            credential::of_key(accepted, used)?
        }
        Origin::Stated => return Err(Refusal::TicketUnknown.into()),
    };
    Ok(Identity { from_ticket: true, ..identity })
}

fn opened(text: &[u8]) -> Result<Ticket, Failure> {
    let secret = store::ticket_secret().ok_or(Refusal::TicketUnknown)?;
    Ok(Ticket::open(text, &secret, shared::database())?)
}

/// Was the ticket not used yet? One that is `used` now is spent by that. Where nothing is kept, it always is open.
fn is_open(text: &[u8], used: bool) -> bool {
    if settings::max_tickets() == 0 {
        return false;
    }
    let (database, print) = (shared::database(), ticket::print_of(text));
    let found = match used {
        true => ticket_memory::with_exclusive(|table| table.take(database, &print)),
        false => ticket_memory::with_shared(|table| table.has(database, &print)),
    };
    found.unwrap_or(true)
}

/// What there is to say of a ticket that somebody asks about. It is not spent.
pub(super) struct Explained {
    pub(super) refusal: Option<Refusal>,
    /// When it expired, if it has.
    pub(super) expired_at: Option<i64>,
    /// The API key that it was issued for.
    pub(super) key: Option<Uuid>,
}

/// Says why a ticket is refused, without spending it. An API key is judged in this place.
pub(super) fn explain(text: &[u8], place: Place) -> Result<Explained, Failure> {
    let ticket = match opened(text) {
        Err(Failure::Refused(refused)) => {
            return Ok(Explained { refusal: Some(refused.refusal), expired_at: None, key: None });
        }
        opened => opened?,
    };
    let now = catalog::now();
    let (key, renewed) = match &ticket.origin {
        Origin::Token(token) => (None, credential::renewed(token).map(drop)),
        Origin::ApiKey(key) => (Some(*key), api_key::renewed(*key, place).map(drop)),
        Origin::Stated => (None, Err(Refusal::TicketUnknown.into())),
    };
    let refusal = match renewed {
        _ if !is_open(text, false) => Some(Refusal::TicketNotOpen),
        Ok(()) => ticket.check_times(now).err(),
        Err(Failure::Refused(refused)) => Some(refused.refusal),
        Err(Failure::Error(error)) => return Err(Failure::Error(error)),
    };
    Ok(Explained { refusal, expired_at: Some(ticket.expires_at).filter(|end| *end <= now), key })
}

fn obstacle(obstacle: Obstacle) -> ErrorReport {
    match obstacle {
        Obstacle::Stated => sqlstate::forbidden("an identity that was only stated gets no ticket")
            .set_hint("Sign in with a credential."),
        Obstacle::Ticket => sqlstate::forbidden("whoever signed in with a ticket gets no other one")
            .set_hint("Sign in with the credential that the ticket was issued for."),
    }
}
