//! API keys and what organizations' keys are held to, numbered as `sql/tables/api_keys.sql` declares them.

use super::not_installed;
use crate::pg::ffi::scan::{Latest, Row, Wanted};
use crate::verify::api_key::{Environment, KeyKind, KeyRow};
use crate::verify::identity::Uuid;
use crate::verify::rate::Limit;
use crate::verify::restriction::Restrictions;
use pgrx::pg_sys::panic::ErrorReport;
use std::ffi::CStr;

const KEYS: &CStr = c"api_keys";
const KEYS_BY_ID: &CStr = c"api_keys_pkey";
const KEYS_BY_HASH: &CStr = c"api_keys_key_hash_key";
const KEYS_BY_PUBLIC_ID: &CStr = c"api_keys_public_id_key";
const REVOCATIONS: &CStr = c"api_key_revocations";
const REVOCATIONS_BY_KEY: &CStr = c"api_key_revocations_key";
const SETTINGS: &CStr = c"api_key_settings";
const SETTINGS_BY_ORG: &CStr = c"api_key_settings_pkey";

/// How many keys may have made one another, one after the other; a key that rotates itself every day gets there in
/// 27 years.
const ANCESTORS_MAX: usize = 10_000;

/// A key as it is stored, and what is not for the verdict on it.
pub(in crate::pg) struct Stored {
    /// `None` when the row holds what it cannot hold.
    pub(in crate::pg) row: Option<KeyRow>,
    pub(in crate::pg) id: Uuid,
    pub(in crate::pg) name: String,
    pub(in crate::pg) limit: Option<Limit>,
}

/// The key with this SHA-256.
pub(in crate::pg) fn find(hash: &[u8; 32]) -> Result<Option<Stored>, ErrorReport> {
    find_by(KEYS_BY_HASH, &Wanted::Bytes(2, hash))
}

/// The key with this id.
pub(in crate::pg) fn find_by_id(id: Uuid) -> Result<Option<Stored>, ErrorReport> {
    find_by(KEYS_BY_ID, &Wanted::Uuid(1, id))
}

/// The key with this public id, which proves nothing.
pub(in crate::pg) fn find_by_public_id(id: &str) -> Result<Option<Stored>, ErrorReport> {
    find_by(KEYS_BY_PUBLIC_ID, &Wanted::Text(20, id))
}

fn find_by(index: &CStr, wanted: &Wanted<'_>) -> Result<Option<Stored>, ErrorReport> {
    let (mut found, mut maker) = (None, None);
    let take = |row: &Row| {
        maker = row.uuid(25);
        let is_revoked = row.timestamp(11).is_some();
        found = row.uuid(1).map(|id| Stored {
            row: parse(row),
            id,
            name: row.text(18).unwrap_or_default(),
            limit: if is_revoked { None } else { limit(row, 16, 17) },
        });
        false
    };
    let latest = Latest::new();
    latest.rows(KEYS, index, std::slice::from_ref(wanted), take).ok_or_else(not_installed)?;
    match found.as_mut().map(|stored: &mut Stored| stored.row.as_mut()) {
        Some(Some(row)) if row.revoked_at.is_none() => {
            row.revoked_at = Link { id: row.id, kind: row.kind, maker }.revoked_at(&latest)?;
        }
        Some(_) => {}
        // For the time it takes: a key that there is not shall not be told from a revoked one.
        None => drop(revoked_while_held(&latest, Uuid::default())?),
    }
    Ok(found)
}

/// Was this key revoked, or one of its kind that made it?
pub(in crate::pg) fn is_revoked(key: Uuid) -> Result<bool, ErrorReport> {
    let latest = Latest::new();
    match link(&latest, key)? {
        Some((_, Some(_))) => Ok(true),
        Some((link, None)) => Ok(link.revoked_at(&latest)?.is_some()),
        None => Ok(false),
    }
}

/// A key and the one that made it.
struct Link {
    id: Uuid,
    kind: KeyKind,
    maker: Option<Uuid>,
}

impl Link {
    /// When this key was revoked beside its row, or one of its kind that it descends from was revoked at all.
    fn revoked_at(mut self, latest: &Latest) -> Result<Option<i64>, ErrorReport> {
        for _ in 0..ANCESTORS_MAX {
            if let Some(time) = revoked_while_held(latest, self.id)? {
                return Ok(Some(time));
            }
            let Some(maker) = self.maker else { return Ok(None) };
            match link(latest, maker)? {
                Some((link, _)) if link.kind != self.kind => return Ok(None),
                Some((_, Some(time))) => return Ok(Some(time)),
                Some((link, None)) => self = link,
                None => return Ok(None),
            }
        }
        // Nobody needs so many; whoever makes them does not get past a revocation.
        Ok(Some(0))
    }
}

/// The link of a key, and when its row says that it was revoked.
fn link(latest: &Latest, key: Uuid) -> Result<Option<(Link, Option<i64>)>, ErrorReport> {
    let mut found = None;
    let take = |row: &Row| {
        let kind = row.text(3).and_then(|kind| KeyKind::from_name(&kind));
        found = kind.map(|kind| (Link { id: key, kind, maker: row.uuid(25) }, row.timestamp(11)));
        false
    };
    latest.rows(KEYS, KEYS_BY_ID, &[Wanted::Uuid(1, key)], take).ok_or_else(not_installed)?;
    Ok(found)
}

/// When the key was revoked, if somebody held its row then.
fn revoked_while_held(latest: &Latest, key: Uuid) -> Result<Option<i64>, ErrorReport> {
    let mut found = None;
    let take = |row: &Row| {
        // Whatever the time: it was revoked.
        found = Some(row.timestamp(3).unwrap_or(0));
        false
    };
    let wanted = [Wanted::Uuid(2, key)];
    latest.rows(REVOCATIONS, REVOCATIONS_BY_KEY, &wanted, take).ok_or_else(not_installed)?;
    Ok(found)
}

/// How often all keys of an organization together may be used.
pub(in crate::pg) fn organization_limit(org: Uuid) -> Result<Option<Limit>, ErrorReport> {
    let mut found = None;
    let take = |row: &Row| {
        found = limit(row, 4, 5);
        false
    };
    Latest::new().rows(SETTINGS, SETTINGS_BY_ORG, &[Wanted::Uuid(1, org)], take).ok_or_else(not_installed)?;
    Ok(found)
}

fn parse(row: &Row) -> Option<KeyRow> {
    let revoked_at = row.timestamp(11);
    // What a revoked key was for decides nothing, and would take time that an unknown one does not.
    let list = |column| if revoked_at.is_some() { None } else { row.list(column) };
    Some(KeyRow {
        id: row.uuid(1)?,
        hash: row.bytes(2)?.try_into().ok()?,
        kind: KeyKind::from_name(&row.text(3)?)?,
        org: row.uuid(4),
        workspace: row.uuid(5),
        user: row.text(6),
        role: row.uuid(7),
        environment: Environment::from_name(&row.text(8)?)?,
        scopes: list(9),
        expires_at: row.timestamp(10),
        revoked_at,
        restrictions: Restrictions { networks: list(12), origins: list(13), endpoints: list(14) },
        tables: list(15),
        created_at: row.timestamp(23),
    })
}

fn limit(row: &Row, requests: usize, period: usize) -> Option<Limit> {
    let requests = u32::try_from(row.integer(requests)?).ok()?;
    let period_seconds = u32::try_from(row.seconds(period)).ok()?;
    Some(Limit { requests, period_seconds })
}
