//! The only place in Rust that reads tables. Every look-up takes a snapshot of its own, so that a
//! revocation counts for every call that starts after its commit, whatever the isolation level.
//!
//! Columns are numbered as `sql/tables/issuers.sql` declares them; `tests/database/layout.rs` holds the
//! numbers to the catalog.

pub(super) mod api_keys;
pub(super) mod directory;
mod endings;
pub(super) mod granted;
pub(super) mod roles;
pub(super) mod tokens;
pub(super) mod users;

use super::ffi::catalog;
use super::ffi::scan::{Latest, Row, Wanted};
use super::sqlstate;
use crate::verify::algorithm::Algorithm;
use crate::verify::identity::{ClaimPaths, Profile, Uuid, unix_seconds};
use crate::verify::jwt::{MAX_KEYS_WITHOUT_KID, Rules};
use crate::verify::signature::{Key, KeyMaterial};
use pgrx::pg_sys::panic::ErrorReport;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::ffi::CStr;
use std::rc::Rc;
use zeroize::Zeroizing;

const ISSUERS: &CStr = c"issuers";
const ISSUERS_BY_NAME: &CStr = c"issuers_issuer_key";
const KEYS: &CStr = c"jwt_keys";
const KEYS_BY_ISSUER: &CStr = c"jwt_keys_issuer";
const SECRETS: &CStr = c"jwt_secrets";
const SECRETS_BY_KEY: &CStr = c"jwt_secrets_pkey";
const TICKET_SECRET: &CStr = c"ticket_secret";
const TICKET_SECRET_INDEX: &CStr = c"ticket_secret_pkey";

/// How many issuers a backend keeps in their parsed form.
const KEPT_ISSUERS: usize = 16;

/// An issuer as its row describes it.
pub(super) struct Issuer {
    pub(super) id: Uuid,
    /// Does this database make its tokens?
    pub(super) is_own: bool,
    pub(super) rules: Rules,
    pub(super) profile: Profile,
}

/// The bytes of an issuer's row and what they parse to. The row itself is read every time; the bytes
/// only spare parsing the same ones again.
struct Parsed {
    shape: (u32, u32),
    image: Vec<u8>,
    issuer: Rc<Issuer>,
}

thread_local! {
    static PARSED: RefCell<Vec<Parsed>> = const { RefCell::new(Vec::new()) };
}

/// An issuer and those of its keys that may verify the token at hand.
pub(super) type Found = (Rc<Issuer>, Vec<Key>);

/// The issuer called `name`, and those of its keys that may verify a token with this kid or, when the
/// token names none, with this algorithm.
pub(super) fn issuer_and_keys(
    name: &str,
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<Option<Found>, ErrorReport> {
    let latest = Latest::new();
    let Some(issuer) = issuer(&latest, name)? else {
        return Ok(None);
    };
    let mut keys = keys(&latest, &issuer, kid, algorithm)?;
    for key in &mut keys {
        if key.algorithm.is_symmetric() {
            key.material = secret(&latest, key.id)?;
        }
    }
    Ok(Some((issuer, keys)))
}

/// An issuer, and the algorithm of a key of its own while that verifies tokens.
pub(super) type Known = (Rc<Issuer>, Option<Algorithm>);

/// The issuer called `name`, and what its key with this id is for.
pub(super) fn issuer_and_algorithm(name: &str, key: Uuid) -> Result<Option<Known>, ErrorReport> {
    let latest = Latest::new();
    let Some(issuer) = issuer(&latest, name)? else {
        return Ok(None);
    };
    let (now, mut algorithm) = (catalog::now(), None);
    let take = |row: &Row| {
        let is_it = row.uuid(1) == Some(key);
        if is_it && Usable::of(row, now).is_some() {
            algorithm = row.text(4).and_then(|name| Algorithm::from_name(&name));
        }
        !is_it
    };
    latest.rows(KEYS, KEYS_BY_ISSUER, &[Wanted::Uuid(2, issuer.id)], take).ok_or_else(not_installed)?;
    Ok(Some((issuer, algorithm)))
}

fn issuer(latest: &Latest, name: &str) -> Result<Option<Rc<Issuer>>, ErrorReport> {
    let mut issuer = None;
    let take = |row: &Row| {
        issuer = parsed(row);
        false
    };
    latest.rows(ISSUERS, ISSUERS_BY_NAME, &[Wanted::Text(2, name)], take).ok_or_else(not_installed)?;
    Ok(issuer)
}

/// The issuer called `name`.
pub(super) fn issuer_of(name: &str) -> Result<Option<Rc<Issuer>>, ErrorReport> {
    issuer(&Latest::new(), name)
}

/// The issuer called `name`, while it is there and its key with this id was not revoked by an administrator. A key that its
/// issuer replaced is none.
pub(super) fn issuer_of_key(name: &str, key: Uuid) -> Result<Option<Rc<Issuer>>, ErrorReport> {
    let latest = Latest::new();
    let Some(issuer) = issuer(&latest, name)? else {
        return Ok(None);
    };
    let mut is_good = false;
    let take = |row: &Row| {
        let is_it = row.uuid(1) == Some(key);
        is_good |= is_it && (row.text_of(7) != Some("revoked") || row.flag(8));
        !is_it
    };
    latest.rows(KEYS, KEYS_BY_ISSUER, &[Wanted::Uuid(2, issuer.id)], take).ok_or_else(not_installed)?;
    Ok(Some(issuer).filter(|_| is_good))
}

/// Is any issuer configured?
pub(super) fn has_issuers() -> Result<bool, ErrorReport> {
    let mut found = false;
    let first = |_: &Row| {
        found = true;
        false
    };
    Latest::new().rows(ISSUERS, ISSUERS_BY_NAME, &[], first).ok_or_else(not_installed)?;
    Ok(found)
}

pub(super) fn not_installed() -> ErrorReport {
    sqlstate::unreadable_tables(catalog::missing_role())
}

/// Has the issuer a key without a kid that verifies tokens of this algorithm now?
pub(super) fn has_key_without_kid(issuer: &Issuer, algorithm: Algorithm) -> Result<bool, ErrorReport> {
    let (now, mut found) = (catalog::now(), false);
    let look = |row: &Row| {
        found |= row.text_of(3).is_none()
            && row.text_of(4) == Some(algorithm.name())
            && Usable::of(row, now).is_some();
        !found
    };
    Latest::new()
        .rows(KEYS, KEYS_BY_ISSUER, &[Wanted::Uuid(2, issuer.id)], look)
        .ok_or_else(not_installed)?;
    Ok(found)
}

/// Keys that verify now: active ones before retired ones, the newest first.
fn keys(
    latest: &Latest,
    issuer: &Issuer,
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<Vec<Key>, ErrorReport> {
    let now = catalog::now();
    let mut found: Vec<(bool, Reverse<i64>, Key)> = Vec::new();
    let wanted = Wanted::Uuid(2, issuer.id);
    let wanted = match kid {
        Some(kid) => vec![wanted, Wanted::Text(3, kid)],
        None => vec![wanted],
    };
    let collect = |row: &Row| {
        if let Some(usable) = Usable::of(row, now)
            && let Some(key) = key(row)
            && (kid.is_some() || key.algorithm == algorithm)
        {
            found.push((usable == Usable::Retired, Reverse(row.timestamp(11).unwrap_or(0)), key));
        }
        true
    };
    latest.rows(KEYS, KEYS_BY_ISSUER, &wanted, collect).ok_or_else(not_installed)?;
    found.sort_by_key(|(retired, created, _)| (*retired, *created));
    Ok(found.into_iter().map(|(_, _, key)| key).take(MAX_KEYS_WITHOUT_KID + 1).collect())
}

/// How a key verifies tokens now.
#[derive(PartialEq)]
enum Usable {
    Active,
    /// For a while, so that tokens which it signed can run out.
    Retired,
}

impl Usable {
    /// `None` for the row of a key that verifies nothing.
    fn of(row: &Row, now: i64) -> Option<Usable> {
        let is_in_time = row.timestamp(9).is_none_or(|not_before| not_before <= now)
            && row.timestamp(10).is_none_or(|not_after| now < not_after);
        match row.text(7).as_deref() {
            // Everybody else verifies with a key that is published; one that was active before may have signed.
            Some("active" | "next") if is_in_time => Some(Usable::Active),
            Some("retired") if is_in_time && row.timestamp(13).is_some_and(|until| now < until) => {
                Some(Usable::Retired)
            }
            Some(_) | None => None,
        }
    }
}

fn key(row: &Row) -> Option<Key> {
    let material = row.text(5).map_or(KeyMaterial::Missing, KeyMaterial::PublicJwk);
    Some(Key {
        id: row.uuid(1)?,
        kid: row.text(3),
        algorithm: Algorithm::from_name(&row.text(4)?)?,
        material,
    })
}

/// The private key or secret of a signing key of ours.
pub(super) fn private_key(key: Uuid) -> Result<Option<Zeroizing<Vec<u8>>>, ErrorReport> {
    Ok(match secret(&Latest::new(), key)? {
        KeyMaterial::Secret(private) => Some(private),
        KeyMaterial::PublicJwk(_) | KeyMaterial::Missing => None,
    })
}

fn secret(latest: &Latest, key: Uuid) -> Result<KeyMaterial, ErrorReport> {
    let mut material = KeyMaterial::Missing;
    let take = |row: &Row| {
        if let Some(bytes) = row.bytes(2) {
            material = KeyMaterial::Secret(Zeroizing::new(bytes));
        }
        false
    };
    latest.rows(SECRETS, SECRETS_BY_KEY, &[Wanted::Uuid(1, key)], take).ok_or_else(not_installed)?;
    Ok(material)
}

/// What the tickets of this database are sealed with. `None` also where the schema is older than tickets.
pub(super) fn ticket_secret() -> Option<Zeroizing<Vec<u8>>> {
    let mut secret = None;
    let take = |row: &Row| {
        secret = row.bytes(2).map(Zeroizing::new);
        false
    };
    Latest::new().rows(TICKET_SECRET, TICKET_SECRET_INDEX, &[], take)?;
    secret
}

/// The issuer of a row, parsed anew only when its bytes are not known.
fn parsed(row: &Row) -> Option<Rc<Issuer>> {
    let Some((table, shape, image)) = row.image() else {
        return parse(row).map(Rc::new);
    };
    PARSED.with_borrow_mut(|kept| {
        let known = kept.iter().find(|parsed| parsed.shape == (table, shape) && parsed.image == image);
        if let Some(known) = known {
            return Some(Rc::clone(&known.issuer));
        }
        let issuer = Rc::new(parse(row)?);
        kept.retain(|parsed| parsed.issuer.id != issuer.id);
        kept.truncate(KEPT_ISSUERS - 1);
        kept.insert(0, Parsed { shape: (table, shape), image: image.to_vec(), issuer: Rc::clone(&issuer) });
        Some(issuer)
    })
}

fn parse(row: &Row) -> Option<Issuer> {
    let algorithms: Vec<Algorithm> =
        row.texts(4).iter().filter_map(|name| Algorithm::from_name(name)).collect();
    let token_types = row.texts(5);
    let max_lifetime = row.seconds(10);
    let role = row.texts(13);
    Some(Issuer {
        id: row.uuid(1)?,
        is_own: row.flag(22),
        rules: Rules {
            audiences: row.texts(3),
            algorithms: (!algorithms.is_empty()).then_some(algorithms),
            token_types: (!token_types.is_empty()).then_some(token_types),
            leeway: row.seconds(9),
            max_lifetime: (max_lifetime > 0).then_some(max_lifetime),
            issued_since: row.timestamp(23).map(unix_seconds),
            allow_service_role: row.flag(7),
            role_claim: role.clone(),
        },
        profile: Profile {
            memberships_from_claims: row.flag(6),
            environment: row.text(8)?,
            org_ids: row.uuids(19),
            user_id_prefix: row.text(20)?,
            paths: ClaimPaths {
                org: row.texts(11),
                workspace: row.texts(12),
                role,
                org_role: row.texts(14),
                permissions: row.texts(15),
                scopes: row.texts(16),
                email: row.texts(17),
                email_verified: row.texts(21),
            },
        },
    })
}
