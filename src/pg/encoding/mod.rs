//! The identity as the bytes that travel in the setting: a fixed head for what policies read per row,
//! the sorted id lists, the roles that they name, then the texts. Pure; `ffi/carrier.rs` stores it,
//! `identity.rs` reads it.
//!
//! ```text
//!   0  u32 version      16  org        64  u32 organizations    80  u32 where roles begin
//!   4  u32 flags        32  workspace  68  u32 workspaces       84  u32 where texts begin
//!   8  i64 valid until  48  user uuid  72  i64 expires at       88  reserved
//!                                                               96  API key
//!                                                              112  key that signed the token
//! 128  organization ids, sorted; workspace ids, sorted; u16 role of each organization; u16 role of each
//!      workspace; u32 place of each workspace's organization in the list
//!      roles: u32 count, u32 place of each after the roles' beginning; name, permissions, or for one that is
//!      left where it is stored u32 STORED, id, version
//!      texts: u32 length, bytes; those of the current organization and workspace come last
//! ```

mod role;
mod view;

#[cfg(test)]
mod tests;

pub(super) use role::{Held, RoleView};
pub(super) use view::View;

use crate::verify::granted::MAX_COUNTED;
use crate::verify::identity::{Identity, Kind, Uuid, uuid};
use crate::verify::membership::{HeldRole, Memberships, Role, StoredRole};

/// Raised whenever the layout changes: a worker that loaded a newer library refuses what it does not know.
const VERSION: u32 = 7;
pub(super) const HEAD: usize = 128;
pub(super) const HAS_ORG: u32 = 1;
pub(super) const HAS_WORKSPACE: u32 = 2;
pub(super) const HAS_UID: u32 = 4;
const IS_SERVICE: u32 = 8;
const EMAIL_VERIFIED: u32 = 16;
const IS_API_KEY: u32 = 32;
const HAS_KEY: u32 = 64;
const IS_ACT_AS: u32 = 128;
const HAS_SIGNING_KEY: u32 = 256;
const FROM_TICKET: u32 = 512;
/// Where the head says what the current organization and workspace are.
const ORG_AT: usize = 16;
const WORKSPACE_AT: usize = 32;
const KEY_AT: usize = 96;
const SIGNING_KEY_AT: usize = 112;
/// More organizations and workspaces than this make no identity: what our tables and those of applications say, with
/// room for what a token names besides.
pub(super) const MAX_MEMBERSHIPS: usize = MAX_COUNTED + 1_000;
/// Stands for "no role" and for "not known whose".
const NO_ROLE: u16 = u16::MAX;
const NO_ORG: u32 = u32::MAX;
/// Length that stands for an absent text.
const ABSENT: u32 = u32::MAX;
/// Stands, where the length of a role's name would be, for a role that is not carried.
const STORED: u32 = u32::MAX - 1;
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
    TokenType,
    Payload,
    /// What another system calls the current organization. From here on texts are exchanged with it.
    ExternalOrg,
    /// The roles in the current organization and workspace, where the lists do not carry them: the name, and the
    /// permissions written as scopes are.
    OrgRole,
    OrgPermissions,
    WorkspaceRole,
    WorkspacePermissions,
}

const TEXTS: [Text; 16] = [
    Text::Issuer,
    Text::Environment,
    Text::UserId,
    Text::Role,
    Text::Email,
    Text::SessionId,
    Text::Actor,
    Text::Scopes,
    Text::Tables,
    Text::TokenType,
    Text::Payload,
    Text::ExternalOrg,
    Text::OrgRole,
    Text::OrgPermissions,
    Text::WorkspaceRole,
    Text::WorkspacePermissions,
];

/// Writes an identity; `None` when there is more of something than the layout holds.
pub(super) fn encode(identity: &Identity) -> Option<Vec<u8>> {
    let place = &identity.place;
    let uid = identity.said.user_id.as_deref().and_then(uuid);
    let mut flags = 0;
    flags |= if place.org.is_some() { HAS_ORG } else { 0 };
    flags |= if place.workspace.is_some() { HAS_WORKSPACE } else { 0 };
    flags |= if uid.is_some() { HAS_UID } else { 0 };
    flags |= match identity.said.kind {
        Kind::Jwt => 0,
        Kind::ApiKey => IS_API_KEY,
        Kind::Service => IS_SERVICE,
        Kind::ActAs => IS_ACT_AS,
    };
    flags |= if identity.key_id.is_some() { HAS_KEY } else { 0 };
    flags |= if identity.signing_key.is_some() { HAS_SIGNING_KEY } else { 0 };
    flags |= if identity.said.email_verified { EMAIL_VERIFIED } else { 0 };
    flags |= if identity.from_ticket { FROM_TICKET } else { 0 };
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
    out.extend(identity.signing_key.unwrap_or_default());
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

fn write_roles(out: &mut Vec<u8>, roles: &[HeldRole]) -> Option<()> {
    let begin = out.len();
    out.extend(u32::try_from(roles.len()).ok()?.to_le_bytes());
    out.resize(begin + 4 + 4 * roles.len(), 0);
    for (index, role) in roles.iter().enumerate() {
        let place = u32::try_from(out.len() - begin).ok()?;
        write_at(out, begin + 4 + 4 * index, place)?;
        match role {
            HeldRole::Whole(role) => {
                write_text(out, role.name.as_deref().map(str::as_bytes))?;
                write_text(out, Some(&joined(&role.permissions)))?;
            }
            HeldRole::Stored(StoredRole { id, version }) => {
                out.extend(STORED.to_le_bytes());
                out.extend(id);
                out.extend(version);
            }
        }
    }
    Some(())
}

fn write_at(out: &mut [u8], at: usize, number: u32) -> Option<()> {
    *out.get_mut(at..)?.first_chunk_mut()? = number.to_le_bytes();
    Some(())
}

/// Another of the identity's organizations, to move to.
pub(super) struct Move {
    pub(super) org: Uuid,
    workspace: Option<Uuid>,
    /// The roles in it and in the workspace that have to be read for it.
    pub(super) org_role: Option<StoredRole>,
    pub(super) workspace_role: Option<StoredRole>,
}

/// What is to be known to move to this organization, whose only workspace, if it is the only one, becomes the
/// current one. `None` when the identity does not belong to it.
pub(super) fn move_to(view: View<'_>, org: &Uuid) -> Option<Move> {
    let place = view.orgs().binary_search(org).ok()?;
    let mut here =
        view.workspace_orgs().zip(view.workspaces()).filter(|(of, _)| usize::try_from(*of) == Ok(place));
    let workspace = here.next().filter(|_| here.next().is_none()).map(|(_, id)| *id);
    Some(Move {
        org: *org,
        workspace,
        org_role: view.org_role_listed(org).and_then(Held::stored),
        workspace_role: workspace.and_then(|id| view.workspace_role_listed(&id)).and_then(Held::stored),
    })
}

/// What becomes current with an organization.
#[derive(Default)]
pub(super) struct Current {
    /// What another system calls the organization.
    pub(super) external_id: Option<String>,
    /// The roles in it and in its workspace, where they had to be read.
    pub(super) org_role: Option<Role>,
    pub(super) workspace_role: Option<Role>,
}

/// The same identity in another of its organizations.
pub(super) fn moved(view: View<'_>, to: &Move, current: &Current) -> Option<Vec<u8>> {
    let flags =
        view.u32_at(4)? & !HAS_WORKSPACE | HAS_ORG | if to.workspace.is_some() { HAS_WORKSPACE } else { 0 };
    let mut out = view.as_bytes().get(..view.find(Text::ExternalOrg)?.0)?.to_vec();
    write_at(&mut out, 4, flags)?;
    *out.get_mut(ORG_AT..)?.first_chunk_mut()? = to.org;
    *out.get_mut(WORKSPACE_AT..)?.first_chunk_mut()? = to.workspace.unwrap_or_default();
    write_text(&mut out, current.external_id.as_deref().map(str::as_bytes))?;
    for role in [&current.org_role, &current.workspace_role] {
        write_text(&mut out, role_name(role.as_ref()).as_deref())?;
        write_text(&mut out, role_permissions(role.as_ref()).as_deref())?;
    }
    Some(out)
}

fn role_name(role: Option<&Role>) -> Option<Vec<u8>> {
    role?.name.as_ref().map(|name| name.as_bytes().to_vec())
}

fn role_permissions(role: Option<&Role>) -> Option<Vec<u8>> {
    role.map(|role| joined(&role.permissions))
}

fn text_of(identity: &Identity, which: Text) -> Option<Vec<u8>> {
    let bytes = |text: &String| text.as_bytes().to_vec();
    match which {
        Text::Issuer => identity.issuer.as_ref().map(bytes),
        Text::Environment => Some(bytes(&identity.said.environment)),
        Text::UserId => identity.said.user_id.as_ref().map(bytes),
        Text::Role => identity.said.role.as_ref().map(bytes),
        Text::Email => identity.said.email.as_ref().map(bytes),
        Text::SessionId => identity.said.session_id.as_ref().map(bytes),
        Text::Actor => identity.said.actor.as_ref().map(bytes),
        Text::Scopes => Some(joined(&identity.said.scopes)),
        Text::Tables => {
            let numbers = identity.tables.as_ref()?.iter().map(u32::to_string);
            Some(joined(&numbers.collect::<Vec<String>>()))
        }
        Text::TokenType => identity.token_type.as_ref().map(bytes),
        Text::Payload => identity.payload.clone(),
        Text::ExternalOrg => identity.place.external_id.as_ref().map(bytes),
        Text::OrgRole => role_name(identity.place.org_role.as_ref()),
        Text::OrgPermissions => role_permissions(identity.place.org_role.as_ref()),
        Text::WorkspaceRole => role_name(identity.place.workspace_role.as_ref()),
        Text::WorkspacePermissions => role_permissions(identity.place.workspace_role.as_ref()),
    }
}

fn joined(names: &[String]) -> Vec<u8> {
    names.iter().flat_map(|name| name.bytes().chain([0])).collect()
}

fn write_text(out: &mut Vec<u8>, text: Option<&[u8]>) -> Option<()> {
    let length = match text {
        Some(text) => u32::try_from(text.len()).ok().filter(|length| *length < STORED)?,
        None => ABSENT,
    };
    out.extend(length.to_le_bytes());
    out.extend(text.unwrap_or_default());
    Some(())
}
