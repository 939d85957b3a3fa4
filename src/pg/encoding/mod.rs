//! The identity as the bytes that travel in the setting: a fixed head for what policies read per row,
//! the sorted id lists, the roles that they name, then the texts. Pure; `ffi/carrier.rs` stores it,
//! `identity.rs` reads it.
//!
//! ```text
//!   0  u32 version      16  org        64  u32 organizations    80  u32 where roles begin
//!   4  u32 flags        32  workspace  68  u32 workspaces       84  u32 where texts begin
//!   8  i64 valid until  48  user uuid  72  i64 expires at       88  reserved
//!                                                               96  API key
//! 112  organization ids, sorted; workspace ids, sorted; u16 role of each organization; u16 role of each
//!      workspace; u32 place of each workspace's organization in the list
//!      roles: u32 count, u32 place of each after the roles' beginning; name, permissions
//!      texts: u32 length, bytes
//! ```

mod view;

#[cfg(test)]
mod tests;

pub(super) use view::{RoleView, View};

use crate::verify::granted::MAX_COUNTED;
use crate::verify::identity::{Identity, Kind, Uuid, uuid};
use crate::verify::membership::{Memberships, Role};

/// Raised whenever the layout changes: a worker that loaded a newer library refuses what it does not know.
const VERSION: u32 = 4;
pub(super) const HEAD: usize = 112;
pub(super) const HAS_ORG: u32 = 1;
pub(super) const HAS_WORKSPACE: u32 = 2;
pub(super) const HAS_UID: u32 = 4;
const IS_SERVICE: u32 = 8;
const EMAIL_VERIFIED: u32 = 16;
const IS_API_KEY: u32 = 32;
const HAS_KEY: u32 = 64;
const IS_ACT_AS: u32 = 128;
/// Where the head says what the current organization and workspace are.
const ORG_AT: usize = 16;
const WORKSPACE_AT: usize = 32;
const KEY_AT: usize = 96;
/// More organizations and workspaces than this make no identity: what our tables and those of applications say, with
/// room for what a token names besides.
pub(super) const MAX_MEMBERSHIPS: usize = MAX_COUNTED + 1_000;
/// Stands for "no role" and for "not known whose".
const NO_ROLE: u16 = u16::MAX;
const NO_ORG: u32 = u32::MAX;
/// Length that stands for an absent text.
const ABSENT: u32 = u32::MAX;
/// Stands for a credential that does not expire.
const NEVER: i64 = i64::MAX;

/// The texts of an identity, in the order in which they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Issuer,
    Environment,
    UserId,
    Role,
    Email,
    SessionId,
    Actor,
    /// Each name followed by a zero byte, which no name contains.
    Scopes,
    /// The numbers of tables, written as scopes are.
    Tables,
    Payload,
    /// What another system calls the current organization. The last one, so that it can be exchanged.
    ExternalOrg,
}

const TEXTS: [Text; 11] = [
    Text::Issuer,
    Text::Environment,
    Text::UserId,
    Text::Role,
    Text::Email,
    Text::SessionId,
    Text::Actor,
    Text::Scopes,
    Text::Tables,
    Text::Payload,
    Text::ExternalOrg,
];

/// Writes an identity; `None` when there is more of something than the layout holds.
pub(super) fn encode(identity: &Identity) -> Option<Vec<u8>> {
    let place = &identity.place;
    let uid = identity.user_id.as_deref().and_then(uuid);
    let mut flags = 0;
    flags |= if place.org.is_some() { HAS_ORG } else { 0 };
    flags |= if place.workspace.is_some() { HAS_WORKSPACE } else { 0 };
    flags |= if uid.is_some() { HAS_UID } else { 0 };
    flags |= match identity.kind {
        Kind::Jwt => 0,
        Kind::ApiKey => IS_API_KEY,
        Kind::Service => IS_SERVICE,
        Kind::ActAs => IS_ACT_AS,
    };
    flags |= if identity.key_id.is_some() { HAS_KEY } else { 0 };
    flags |= if identity.email_verified { EMAIL_VERIFIED } else { 0 };
    let (orgs, workspaces) = (&place.memberships.orgs, &place.memberships.workspaces);
    let payload = identity.payload.as_ref().map_or(0, Vec::len);
    let mut out = Vec::with_capacity(HEAD + 256 + 18 * orgs.len() + 22 * workspaces.len() + payload);
    out.extend(VERSION.to_le_bytes());
    out.extend(flags.to_le_bytes());
    out.extend(identity.valid_until.to_le_bytes());
    for id in [place.org, place.workspace, uid] {
        out.extend(id.unwrap_or_default());
    }
    out.extend(u32::try_from(orgs.len()).ok()?.to_le_bytes());
    out.extend(u32::try_from(workspaces.len()).ok()?.to_le_bytes());
    out.extend(identity.expires_at.unwrap_or(NEVER).to_le_bytes());
    out.resize(KEY_AT, 0);
    out.extend(identity.key_id.unwrap_or_default());
    write_memberships(&mut out, &place.memberships)?;
    let begin = u32::try_from(out.len()).ok()?;
    write_at(&mut out, 80, begin)?;
    write_roles(&mut out, &place.memberships.roles)?;
    let begin = u32::try_from(out.len()).ok()?;
    write_at(&mut out, 84, begin)?;
    for which in TEXTS {
        write_text(&mut out, text_of(identity, which).as_deref())?;
    }
    Some(out)
}

fn write_memberships(out: &mut Vec<u8>, held: &Memberships) -> Option<()> {
    out.extend(held.orgs.iter().flat_map(|grant| grant.id));
    out.extend(held.workspaces.iter().flat_map(|grant| grant.id));
    let roles =
        held.orgs.iter().map(|grant| grant.role).chain(held.workspaces.iter().map(|grant| grant.role));
    out.extend(roles.flat_map(|role| role.unwrap_or(NO_ROLE).to_le_bytes()));
    for grant in &held.workspaces {
        let place = match grant.org {
            Some(org) => u32::try_from(held.orgs.binary_search_by_key(&org, |grant| grant.id).ok()?).ok()?,
            None => NO_ORG,
        };
        out.extend(place.to_le_bytes());
    }
    Some(())
}

fn write_roles(out: &mut Vec<u8>, roles: &[Role]) -> Option<()> {
    let begin = out.len();
    out.extend(u32::try_from(roles.len()).ok()?.to_le_bytes());
    out.resize(begin + 4 + 4 * roles.len(), 0);
    for (index, role) in roles.iter().enumerate() {
        let place = u32::try_from(out.len() - begin).ok()?;
        write_at(out, begin + 4 + 4 * index, place)?;
        write_text(out, role.name.as_deref().map(str::as_bytes))?;
        write_text(out, Some(&joined(&role.permissions)))?;
    }
    Some(())
}

fn write_at(out: &mut [u8], at: usize, number: u32) -> Option<()> {
    *out.get_mut(at..)?.first_chunk_mut()? = number.to_le_bytes();
    Some(())
}

/// The same identity in another of its organizations, which another system calls `external_id`: its only
/// workspace there is the current one, if it has just one. `None` when it does not belong to that organization.
pub(super) fn moved_to(view: View<'_>, org: &Uuid, external_id: Option<&str>) -> Option<Vec<u8>> {
    let place = view.orgs().binary_search(org).ok()?;
    let mut here =
        view.workspace_orgs().zip(view.workspaces()).filter(|(of, _)| usize::try_from(*of) == Ok(place));
    let workspace = here.next().filter(|_| here.next().is_none()).map(|(_, id)| id);
    let flags =
        view.u32_at(4)? & !HAS_WORKSPACE | HAS_ORG | if workspace.is_some() { HAS_WORKSPACE } else { 0 };
    let mut out = view.as_bytes().to_vec();
    write_at(&mut out, 4, flags)?;
    *out.get_mut(ORG_AT..)?.first_chunk_mut()? = *org;
    *out.get_mut(WORKSPACE_AT..)?.first_chunk_mut()? = workspace.copied().unwrap_or_default();
    out.truncate(view.find(Text::ExternalOrg)?.0);
    write_text(&mut out, external_id.map(str::as_bytes))?;
    Some(out)
}

fn text_of(identity: &Identity, which: Text) -> Option<Vec<u8>> {
    let bytes = |text: &String| text.as_bytes().to_vec();
    match which {
        Text::Issuer => identity.issuer.as_ref().map(bytes),
        Text::Environment => Some(bytes(&identity.environment)),
        Text::UserId => identity.user_id.as_ref().map(bytes),
        Text::Role => identity.role.as_ref().map(bytes),
        Text::Email => identity.email.as_ref().map(bytes),
        Text::SessionId => identity.session_id.as_ref().map(bytes),
        Text::Actor => identity.actor.as_ref().map(bytes),
        Text::Scopes => Some(joined(&identity.scopes)),
        Text::Tables => {
            let numbers = identity.tables.as_ref()?.iter().map(u32::to_string);
            Some(joined(&numbers.collect::<Vec<String>>()))
        }
        Text::Payload => identity.payload.clone(),
        Text::ExternalOrg => identity.place.external_id.as_ref().map(bytes),
    }
}

fn joined(names: &[String]) -> Vec<u8> {
    names.iter().flat_map(|name| name.bytes().chain([0])).collect()
}

fn write_text(out: &mut Vec<u8>, text: Option<&[u8]>) -> Option<()> {
    let length = match text {
        Some(text) => u32::try_from(text.len()).ok().filter(|length| *length != ABSENT)?,
        None => ABSENT,
    };
    out.extend(length.to_le_bytes());
    out.extend(text.unwrap_or_default());
    Some(())
}
