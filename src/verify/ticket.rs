//! Tickets: credentials for a minute at most, which act as whoever asked for one. What they are for is sealed into them; the
//! credential that its bearer signed in with is not.
//!
//! ```text
//! ticket.base64url( version | id | AES-256-GCM( issued at | expires at | origin ) )
//! ```
//!
//! Each ticket has a key of its own, made of the secret of the database and the id, and is bound to the database's number.

use super::base64url;
use super::error::Refusal;
use super::handing_on::{Bearer, Origin, Token};
use super::identity::Uuid;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const PREFIX: &[u8] = b"ticket.";
const VERSION: u8 = 1;
/// No ticket is longer: URLs of more than 8 kB do not get far.
pub(crate) const TICKET_MAX: usize = 8 * 1024;
/// Microseconds that a ticket may live.
const LIFETIME_MAX: i64 = 60_000_000;
/// No shorter secret seals.
const SECRET_MIN: usize = 32;
/// Tells our origins apart.
const OF_KEY: u8 = 1;
const OF_TOKEN: u8 = 2;

/// 128 bits.
pub(crate) type Print = [u8; 16];

/// Whether a text is for whoever opens tickets. An API key has no dot where its prefix ends, and a token has two.
pub(crate) fn looks_like_ticket(text: &[u8]) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| !rest.contains(&b'.'))
}

/// How long a ticket lives that is asked for so many microseconds, if it may.
pub(crate) fn lifetime(microseconds: i128) -> Option<i64> {
    i64::try_from(microseconds).ok().filter(|asked| (1..=LIFETIME_MAX).contains(asked))
}

/// Why somebody who is signed in gets no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// No credential is there that could be judged again.
    Stated,
    /// They have one: it would live on.
    Ticket,
}

/// May the bearer have a ticket?
pub(crate) fn may_have(bearer: &Bearer) -> Result<(), Obstacle> {
    match bearer.origin {
        Origin::Stated => Err(Obstacle::Stated),
        Origin::Token(_) | Origin::ApiKey(_) if bearer.from_ticket => Err(Obstacle::Ticket),
        Origin::Token(_) | Origin::ApiKey(_) => Ok(()),
    }
}

/// Why a ticket cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsealed {
    TooLong,
    /// The secret is none, or the library failed.
    Failed,
}

/// What a ticket is for. Times are in microseconds since 2000.
#[derive(PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) origin: Origin,
}

impl Ticket {
    /// Is it a time at which the ticket is good? One from the future is refused, so that no step of the clock makes it live long.
    pub(crate) fn check_times(&self, now: i64) -> Result<(), Refusal> {
        if is_early(self.issued_at, now) {
            Err(Refusal::TicketEarly)
        } else if self.expires_at <= now {
            Err(Refusal::TicketExpired)
        } else {
            Ok(())
        }
    }

    /// The ticket as a text. `id` is random.
    pub(crate) fn seal(
        &self,
        id: &Uuid,
        secret: &[u8],
        database: u32,
    ) -> Result<Zeroizing<String>, Unsealed> {
        let mut sealed = self.to_bytes().ok_or(Unsealed::TooLong)?;
        let key = key(id, secret).ok_or(Unsealed::Failed)?;
        key.seal_in_place_append_tag(nonce(), bound_to(database), &mut *sealed)
            .map_err(|_| Unsealed::Failed)?;
        let whole = [&[VERSION][..], id, &sealed].concat();
        let mut text = Zeroizing::new(String::with_capacity(TICKET_MAX));
        text.extend(PREFIX.iter().copied().map(char::from));
        text.push_str(&base64url::encode(&whole));
        if text.len() > TICKET_MAX { Err(Unsealed::TooLong) } else { Ok(text) }
    }

    /// What is in a ticket of this database. Whether it is good is not decided here.
    pub(crate) fn open(text: &[u8], secret: &[u8], database: u32) -> Result<Ticket, Refusal> {
        Ticket::opened(text, secret, database).ok_or(Refusal::TicketUnknown)
    }

    fn opened(text: &[u8], secret: &[u8], database: u32) -> Option<Ticket> {
        if text.len() > TICKET_MAX {
            return None;
        }
        let whole = base64url::decode(text.strip_prefix(PREFIX)?)?;
        let (head, sealed) = whole.split_first_chunk::<17>()?;
        let (version, id) = head.split_first_chunk::<1>()?;
        if *version != [VERSION] {
            return None;
        }
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let key = key(id.first_chunk()?, secret)?;
        let bytes = key.open_in_place(nonce(), bound_to(database), &mut sealed).ok()?;
        Ticket::from_bytes(bytes)
    }

    /// `None` when something is longer than the layout holds.
    fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Room for all of it, so that growing leaves no copy behind.
        let mut out = Zeroizing::new(Vec::with_capacity(TICKET_MAX));
        out.extend(self.issued_at.to_be_bytes());
        out.extend(self.expires_at.to_be_bytes());
        match &self.origin {
            Origin::ApiKey(id) => {
                out.push(OF_KEY);
                out.extend(id);
            }
            Origin::Token(Token { issuer, key, token_type, payload }) => {
                out.push(OF_TOKEN);
                out.extend(key);
                let token_type = token_type.as_ref().map(|name| [b"=", name.as_bytes()].concat());
                for text in [issuer.as_bytes(), &token_type.unwrap_or_default()] {
                    out.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
                    out.extend(text);
                }
                out.extend(payload);
            }
            Origin::Stated => return None,
        }
        Some(out)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Ticket> {
        let (issued_at, rest) = bytes.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let origin = match *kind {
            OF_KEY if rest.is_empty() => Origin::ApiKey(*id),
            OF_TOKEN => {
                let (issuer, rest) = text(rest)?;
                let (token_type, payload) = text(rest)?;
                let token_type = match token_type {
                    "" => None,
                    name => Some(name.strip_prefix('=')?.to_owned()),
                };
                let (issuer, payload) = (issuer.to_owned(), payload.to_vec());
                Origin::Token(Token { issuer, key: *id, token_type, payload })
            }
            _ => return None,
        };
        let (issued_at, expires_at) = (i64::from_be_bytes(*issued_at), i64::from_be_bytes(*expires_at));
        Some(Ticket { issued_at, expires_at, origin })
    }
}

/// Does a ticket that was issued then come from a clock that was set back since?
fn is_early(issued_at: i64, now: i64) -> bool {
    issued_at > now.saturating_add(LIFETIME_MAX)
}

/// Will a ticket that expires then never be good again? As [`Ticket::check_times`] has it, of one whose end alone is known.
pub(crate) fn is_over(expires_at: i64, now: i64) -> bool {
    expires_at <= now || is_early(expires_at.saturating_sub(LIFETIME_MAX), now)
}

/// What an open ticket is known by. It gives nothing of the ticket away, and no other text has it.
pub(crate) fn print_of(text: &[u8]) -> Print {
    shortened(Sha256::new_with_prefix(text))
}

/// What the open tickets of one bearer are counted by: a user, else the API key or the token.
pub(crate) fn holder_of(bearer: &Bearer) -> Print {
    let (kind, name) = match (&bearer.said.user_id, &bearer.origin) {
        (Some(user), _) => (&b"user "[..], user.as_bytes()),
        (None, Origin::ApiKey(id)) => (&b"key "[..], id.as_slice()),
        (None, Origin::Token(token)) => (&b"token "[..], token.payload.as_slice()),
        (None, Origin::Stated) => (&b""[..], &b""[..]),
    };
    shortened(Sha256::new_with_prefix(kind).chain_update(name))
}

fn shortened(digest: Sha256) -> Print {
    let digest: [u8; 32] = digest.finalize().into();
    let mut print = Print::default();
    print.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    print
}

/// The key of the ticket with this id.
fn key(id: &Uuid, secret: &[u8]) -> Option<LessSafeKey> {
    if secret.len() < SECRET_MIN {
        return None;
    }
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let derived = hmac::sign(&secret, &[b"pg_bearer ticket key".as_slice(), &[VERSION], id].concat());
    UnboundKey::new(&AES_256_GCM, derived.as_ref()).ok().map(LessSafeKey::new)
}

/// A key seals one ticket.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn bound_to(database: u32) -> Aad<[u8; 4]> {
    Aad::from(database.to_be_bytes())
}

/// A text with its length before it, and what follows.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
