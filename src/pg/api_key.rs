//! From the text of an API key to where its bearer may act, now.

use super::credential::Failure;
use super::ffi::{catalog, request};
use super::settings;
use super::sqlstate::{self, Configured, Refused};
use super::store::api_keys::{self, Stored};
use super::store::{directory, roles, users};
use crate::verify::api_key::{KeyKind, KeyRow, Presented, judge, judge_row, public_id};
use crate::verify::error::Refusal;
use crate::verify::http;
use crate::verify::identifier::identifier;
use crate::verify::identity::{Identity, Uuid, uuid_text};
use crate::verify::json;
use crate::verify::membership::{OrgGrant, Settled, WorkspaceGrant, settle_key};
use crate::verify::rate::Limit;
use crate::verify::restriction::{self, Restrictions, Surroundings};
use pgrx::pg_sys::panic::ErrorReport;
use std::ffi::CString;

/// Longer headers than any server passes on are not looked at.
const HEADERS_MAX: usize = 65_536;
/// So long that taking them apart for each message that is logged costs little.
const LOGGED_HEADERS_MAX: usize = 16_384;
pub(super) const LINE_MAX: usize = 8_192;
const FORWARDED_FOR: &str = "x-forwarded-for";

/// A key that may be used now and here.
pub(super) struct Accepted {
    pub(super) key: KeyRow,
    pub(super) name: String,
    pub(super) limit: Option<Limit>,
    pub(super) place: Settled,
}

/// What is known of a key that somebody asks about.
pub(super) struct Explained {
    pub(super) stored: Option<Stored>,
    pub(super) refusal: Option<Refusal>,
}

/// Where a key is to be judged.
pub(super) enum Place {
    /// In this request.
    Here,
    /// In a request that somebody describes.
    At(Surroundings),
    /// Wherever its restrictions let it.
    Anywhere,
}

/// Looks the key up and decides about it in this request.
pub(super) fn accept(text: &[u8]) -> Result<Accepted, Failure> {
    let presented = Presented::parse(text)?;
    let stored = api_keys::find(presented.hash())?;
    decide(&presented, stored.as_ref(), Place::Here)
}

/// Looks the key up and says what there is to say. A text that is no key but begins like one, as one that was
/// cut short or mistyped, is said to be meant for that one.
pub(super) fn explain(text: &[u8], place: Place) -> Result<Explained, Failure> {
    let meant = || public_id(text).map_or(Ok(None), api_keys::find_by_public_id);
    let presented = match Presented::parse(text) {
        Ok(presented) => presented,
        Err(refusal) => return Ok(Explained { stored: meant()?, refusal: Some(refusal) }),
    };
    let mut stored = api_keys::find(presented.hash())?;
    if stored.is_none() {
        return Ok(Explained { stored: meant()?, refusal: Some(Refusal::KeyUnknown) });
    }
    if let (Place::Anywhere, Some(row)) = (&place, stored.as_mut().and_then(|stored| stored.row.as_mut())) {
        row.restrictions = Restrictions::default();
    }
    let refusal = match decide(&presented, stored.as_ref(), place) {
        Ok(_) => None,
        Err(Failure::Refused(refused)) => Some(refused.refusal),
        Err(Failure::Error(error)) => return Err(Failure::Error(error)),
    };
    Ok(Explained { stored, refusal })
}

fn decide(presented: &Presented, stored: Option<&Stored>, at: Place) -> Result<Accepted, Failure> {
    let refuse = |refusal| refused(stored.map(|stored| stored.id), refusal);
    let row = match stored {
        Some(Stored { row: None, .. }) => return Err(refuse(Refusal::KeyMalformed)),
        stored => stored.and_then(|stored| stored.row.as_ref()),
    };
    let allowed = settings::allowed_environments();
    let restricted = row.is_some_and(|row| row.restrictions != Restrictions::default());
    let surroundings = match at {
        Place::Here if restricted => surroundings(),
        Place::At(given) => given,
        Place::Here | Place::Anywhere => Surroundings::default(),
    };
    judge(presented, row, catalog::now(), &allowed, &surroundings).map_err(refuse)?;
    let (Some(key), Some(stored)) = (row, stored) else {
        return Err(refuse(Refusal::KeyUnknown));
    };
    let place = settled(key)?;
    Ok(Accepted { key: key.clone(), name: stored.name.clone(), limit: stored.limit, place })
}

/// Would the key with this id, which was accepted earlier in this place, be accepted now?
pub(super) fn demand_still_holds(id: Uuid) -> Result<(), Failure> {
    renewed(id, Place::Anywhere).map(drop)
}

/// The key with this id, which was accepted earlier, if it would be accepted now and there.
pub(super) fn renewed(id: Uuid, at: Place) -> Result<Accepted, Failure> {
    let refuse = |refusal| refused(Some(id), refusal);
    let stored = api_keys::find_by_id(id)?.ok_or_else(|| refuse(Refusal::KeyUnknown))?;
    let key = stored.row.ok_or_else(|| refuse(Refusal::KeyMalformed))?;
    judge_row(&key, None, catalog::now(), &settings::allowed_environments()).map_err(refuse)?;
    let surroundings = match at {
        Place::Here if key.restrictions != Restrictions::default() => Some(surroundings()),
        Place::At(given) => Some(given),
        Place::Here | Place::Anywhere => None,
    };
    if let Some(surroundings) = surroundings {
        key.restrictions.check(&surroundings).map_err(refuse)?;
    }
    let place = settled(&key)?;
    Ok(Accepted { key, name: stored.name, limit: stored.limit, place })
}

/// Where the key acts, and what it may do there, with the name that others have for its organization.
fn settled(key: &KeyRow) -> Result<Settled, Failure> {
    let refuse = |refusal| refused(Some(key.id), refusal);
    if let Some(user) = key.user.as_deref()
        && users::is_banned(user)?
    {
        return Err(refuse(Refusal::KeyUser));
    }
    let mut external_id = None;
    if let Some(org) = key.org {
        let known = directory::organization(org)?.filter(|known| !known.disabled);
        external_id = known.ok_or_else(|| refuse(Refusal::KeyOrganization))?.external_id;
    }
    Ok(Settled { external_id, ..place(key)?.map_err(refuse)? })
}

fn refused(key: Option<Uuid>, refusal: Refusal) -> Failure {
    Failure::Refused(Refused { refusal, configured: key.map(Configured::ApiKey) })
}

/// Where the key acts, and what it may do there.
fn place(key: &KeyRow) -> Result<Result<Settled, Refusal>, ErrorReport> {
    let Some(org) = key.org else { return Ok(Ok(Settled::default())) };
    let (mut held, mut tables) = directory::memberships(None)?;
    match (key.kind, &key.user, key.role) {
        (KeyKind::Publishable, ..) => return Ok(Ok(Settled { org: Some(org), ..Settled::default() })),
        (KeyKind::Service, ..) => held.orgs.push(OrgGrant { id: org, role: None }),
        (KeyKind::Secret, Some(user), None) => {
            // Whoever was removed and came back has the keys that were made since.
            (held, tables) = directory::memberships_in(user, org, key.created_at)?;
            if !held.has_org(org) {
                return Ok(Err(Refusal::KeyUser));
            }
        }
        (KeyKind::Secret, None, Some(role)) => {
            let Some(role) = roles::role(role)? else { return Ok(Err(Refusal::KeyRole)) };
            let role = held.add_role(role);
            held.orgs.push(OrgGrant { id: org, role });
            held.workspaces.extend(key.workspace.map(|id| WorkspaceGrant { id, org: Some(org), role }));
        }
        (KeyKind::Secret, ..) => return Ok(Err(Refusal::KeyMalformed)),
    }
    if let Some(workspace) = key.workspace
        && !directory::is_enabled_workspace(workspace, org)?
    {
        return Ok(Err(Refusal::KeyWorkspace));
    }
    let settled = settle_key(held, org, key.workspace, key.scopes.as_deref(), &tables)?;
    Ok(settled.ok_or(Refusal::KeyWorkspace))
}

impl Accepted {
    /// How often the keys of its organization may be used.
    pub(super) fn org_limit(&self) -> Result<Option<Limit>, ErrorReport> {
        self.key.org.map_or(Ok(None), api_keys::organization_limit)
    }

    /// Refuses it after all.
    pub(super) fn refuse(&self, refusal: Refusal) -> Failure {
        refused(Some(self.key.id), refusal)
    }

    /// The identity of its bearer. That of a service is noted in the server log.
    pub(super) fn identity(self) -> Identity {
        if self.key.kind == KeyKind::Service {
            let (id, name) = (uuid_text(&self.key.id), &self.name);
            sqlstate::log(format!("pg_bearer: service key {id} ({name:?}) was used"));
        }
        let tables = self.tables();
        Identity::from_key(&self.key, self.place, tables)
    }

    /// The numbers of the only tables that it is for.
    pub(super) fn tables(&self) -> Option<Vec<u32>> {
        let names = self.key.tables.as_ref()?;
        Some(names.iter().filter_map(|name| table_number(name)).collect())
    }
}

/// The number of a table by its name as quote_ident() writes schema and table.
fn table_number(name: &str) -> Option<u32> {
    let (schema, rest) = identifier(name)?;
    let (table, rest) = identifier(rest.strip_prefix('.')?)?;
    let (schema, table) = (CString::new(schema).ok()?, CString::new(table).ok()?);
    if rest.is_empty() { request::table_number(&schema, &table) } else { None }
}

/// Where this request comes from, by the connection and by what PostgREST says of the HTTP request. Whoever can
/// run SQL of his own can set the latter.
fn surroundings() -> Surroundings {
    let headers = headers();
    let header = |name| header(&headers, name);
    Surroundings {
        peer: request::peer(),
        forwarded_for: header(FORWARDED_FOR),
        origin: header("origin"),
        referer: header("referer"),
        method: request::setting(c"request.method", LINE_MAX),
        path: request::setting(c"request.path", LINE_MAX),
        trusted: settings::trusted_proxies(),
    }
}

/// The network that the client is in, as far as it is known.
pub(super) fn client_network() -> Option<String> {
    let here = surroundings();
    let address = restriction::client_address(here.peer, here.forwarded_for.as_deref(), &here.trusted);
    address.and_then(restriction::network_of)
}

fn headers() -> serde_json::Map<String, serde_json::Value> {
    strict_headers().unwrap_or_default()
}

/// The headers of the request, none where it has none; `None` where they cannot be read in one way only.
pub(super) fn strict_headers() -> Option<serde_json::Map<String, serde_json::Value>> {
    match request::setting(c"request.headers", usize::MAX) {
        Some(text) if text.len() > HEADERS_MAX => None,
        Some(text) => json::parse_object(text.as_bytes()).ok(),
        None => Some(serde_json::Map::new()),
    }
}

fn header(headers: &serde_json::Map<String, serde_json::Value>, name: &str) -> Option<String> {
    headers.get(name).and_then(serde_json::Value::as_str).map(str::to_owned)
}

/// What the request says of where it comes from, for people.
pub(super) fn stated_address() -> Option<String> {
    restriction::stated_address(&header(&headers(), FORWARDED_FOR)?)
}

/// What the request says of its id, for people. Raises nothing: it is asked in the middle of errors too.
pub(super) fn stated_request_id() -> Option<String> {
    let headers = request::setting(c"request.headers", LOGGED_HEADERS_MAX)?;
    let headers = json::parse_object(headers.as_bytes()).ok()?;
    http::request_id(headers.get(http::REQUEST_ID)?.as_str()?).map(str::to_owned)
}
