//! Organizations, memberships and roles: our own tables, numbered as `sql/tables/tenancy.sql` declares
//! them, and the tables of applications that are registered as sources of memberships.

use super::endings::{self, Ended};
use super::granted::{ORGANIZATIONS as ORGANIZATIONS_OF, Place, WORKSPACES as WORKSPACES_OF};
use super::not_installed;
use super::roles::{self, ROLES, ROLES_BY_NAME, Roles};
use crate::pg::ffi::scan::{Latest, Row, Wanted, transaction_keeps_snapshot};
use crate::pg::ffi::source::{Held, Opened, Source};
use crate::pg::sqlstate;
use crate::verify::ending::{Ending, Member, apply, leaves_owner};
use crate::verify::granted::LeftOut;
use crate::verify::identity::Uuid;
use crate::verify::membership::{
    Directory, KnownOrg, KnownWorkspace, Memberships, OrgGrant, OrgName, Role, RoleIndex, StoredRole,
    WorkspaceGrant, settle_key,
};
use pgrx::pg_sys::panic::ErrorReport;
use std::collections::{HashMap, HashSet};
use std::ffi::CStr;

const ORGANIZATIONS: &CStr = c"organizations";
const ORGANIZATIONS_BY_ID: &CStr = c"organizations_pkey";
const ORGANIZATIONS_BY_SLUG: &CStr = c"organizations_slug_key";
const ORGANIZATIONS_DISABLED: &CStr = c"organizations_disabled";
const ORGANIZATIONS_BY_EXTERNAL_ID: &CStr = c"organizations_external_id_key";
const WORKSPACES: &CStr = c"workspaces";
const WORKSPACES_BY_ID: &CStr = c"workspaces_pkey";
const MEMBERSHIPS: &CStr = c"memberships";
const MEMBERSHIPS_BY_ORG: &CStr = c"memberships_org";
const SOURCES: &CStr = c"membership_sources";
const SOURCES_BY_TABLE: &CStr = c"membership_sources_pkey";

/// What our tables say of what claims name, and of the roles of memberships as the snapshot shows them with which
/// these were read.
pub(in crate::pg) struct Tables(Latest);

impl Directory for Tables {
    type Error = ErrorReport;

    fn organization(&self, name: &OrgName) -> Result<Option<KnownOrg>, ErrorReport> {
        if matches!(name, OrgName::External(id) if id.is_empty()) {
            return Ok(None);
        }
        find_organization(&Latest::new(), name)
    }

    fn workspace(&self, id: Uuid) -> Result<Option<KnownWorkspace>, ErrorReport> {
        find_workspace(id)
    }

    fn role(&self, role: StoredRole) -> Result<Option<Role>, ErrorReport> {
        roles::stored(&self.0, role)
    }
}

fn find_workspace(id: Uuid) -> Result<Option<KnownWorkspace>, ErrorReport> {
    let mut found = None;
    let take = |row: &Row| {
        found = row.uuid(2).map(|org| KnownWorkspace { org, disabled: row.timestamp(7).is_some() });
        false
    };
    let latest = Latest::new();
    latest.rows(WORKSPACES, WORKSPACES_BY_ID, &[Wanted::Uuid(1, id)], take).ok_or_else(not_installed)?;
    let mut known: Option<KnownWorkspace> = found;
    if let Some(known) = &mut known {
        known.disabled |= endings::has_ended(&latest, id)?;
    }
    Ok(known)
}

fn find_organization(latest: &Latest, name: &OrgName) -> Result<Option<KnownOrg>, ErrorReport> {
    let mut found = None;
    let take = |row: &Row| {
        let disabled = row.timestamp(7).is_some();
        found = row.uuid(1).map(|id| KnownOrg { id, disabled, external_id: row.text(4) });
        false
    };
    match name {
        OrgName::Id(id) => latest.rows(ORGANIZATIONS, ORGANIZATIONS_BY_ID, &[Wanted::Uuid(1, *id)], take),
        OrgName::External(id) => {
            latest.rows(ORGANIZATIONS, ORGANIZATIONS_BY_EXTERNAL_ID, &[Wanted::Text(4, id)], take)
        }
    }
    .ok_or_else(not_installed)?;
    let mut known: Option<KnownOrg> = found;
    if let Some(known) = &mut known {
        known.disabled |= endings::has_ended(latest, known.id)?;
    }
    Ok(known)
}

/// Where this user belongs, by our tables first and then by registered ones. What is disabled is left out.
pub(in crate::pg) fn memberships(user: Option<&str>) -> Result<(Memberships, Tables), ErrorReport> {
    user.map_or_else(|| Ok((Memberships::default(), Tables(Latest::new()))), |user| read(user, None))
}

/// What of that is in one organization, which must have a row and not be disabled. With a time, in microseconds since
/// 2000, a membership of ours counts only if it was there by then.
pub(in crate::pg) fn memberships_in(
    user: &str,
    org: Uuid,
    by: Option<i64>,
) -> Result<(Memberships, Tables), ErrorReport> {
    let (mut held, tables) = read(user, Some(Narrowed { org, by }))?;
    held.keep_only(Some(org).filter(|_| held.has_org(org)), None);
    Ok((held, tables))
}

/// What the user may do in one organization; `None` when the user does not belong to it.
pub(in crate::pg) fn permissions_in(user: &str, org: Uuid) -> Result<Option<Vec<String>>, ErrorReport> {
    let (held, tables) = memberships_in(user, org, None)?;
    let settled = settle_key(held, org, None, None, &tables)?;
    Ok(settled.map(|settled| settled.permissions().to_vec()))
}

/// The organization with this id, if there is a row for it.
pub(in crate::pg) fn organization(org: Uuid) -> Result<Option<KnownOrg>, ErrorReport> {
    find_organization(&Latest::new(), &OrgName::Id(org))
}

/// The organizations that are called so: the one with this external id first, then the one with this slug.
pub(in crate::pg) fn named(name: &str) -> Result<Vec<Uuid>, ErrorReport> {
    let latest = Latest::new();
    let mut found = Vec::new();
    for (index, column) in [(ORGANIZATIONS_BY_EXTERNAL_ID, 4), (ORGANIZATIONS_BY_SLUG, 2)] {
        latest
            .rows(ORGANIZATIONS, index, &[Wanted::Text(column, name)], |row| {
                found.extend(row.uuid(1));
                false
            })
            .ok_or_else(not_installed)?;
    }
    Ok(found)
}

/// Is there such a workspace in this organization, and is it not disabled?
pub(in crate::pg) fn is_enabled_workspace(id: Uuid, org: Uuid) -> Result<bool, ErrorReport> {
    Ok(find_workspace(id)?.is_some_and(|known| known.org == org && !known.disabled))
}

/// Does the statement that asks see the organization, what has ended in it and the user's place there as they are now? In
/// a transaction that keeps its snapshot it may not.
pub(in crate::pg) fn is_as_seen(org: Uuid, user: Option<&str>) -> Result<bool, ErrorReport> {
    if !transaction_keeps_snapshot() {
        return Ok(true);
    }
    let look = |latest: Latest| -> Result<_, ErrorReport> {
        let known = find_organization(&latest, &OrgName::Id(org))?.map(|known| known.disabled);
        let ended: Vec<Uuid> = endings::in_org(&latest, org)?.into_iter().map(|ending| ending.id).collect();
        let mut reading = Reading::new(&latest);
        if let Some(user) = user {
            reading.own(user, Some(Narrowed { org, by: None }))?;
            reading.held.sort();
            reading.held.keep_only(Some(org), None);
        }
        Ok((known, ended, reading.held.into_grants()))
    };
    Ok(look(Latest::new())? == look(Latest::as_seen_here())?)
}

/// The memberships of the owners that the organization has besides this user, now.
pub(in crate::pg) fn other_owners(org: Uuid, user: &str, owner_role: Uuid) -> Result<Vec<Uuid>, ErrorReport> {
    let latest = Latest::new();
    let mut owners = Vec::new();
    let mut others = Vec::new();
    let take = |row: &Row| {
        if let Some(other) = row.text(1).filter(|other| other != user && row.uuid(3) == Some(owner_role)) {
            let member = Member { row: row.uuid(7), org, created_at: row.timestamp(5) };
            others.push((other, member, row.uuid(9)));
        }
        true
    };
    latest.rows(MEMBERSHIPS, MEMBERSHIPS_BY_ORG, &[Wanted::Uuid(2, org)], take).ok_or_else(not_installed)?;
    for (other, member, invitation) in others {
        let is_member = match invitation {
            Some(invitation) => !endings::has_ended(&latest, invitation)?,
            None => true,
        };
        if is_member && leaves_owner(&endings::of_user(&latest, &other)?, &member, owner_role) {
            owners.extend(member.row);
        }
    }
    Ok(owners)
}

/// Of our own tables what is in `only`, if that is given; of others everything.
fn read(user: &str, only: Option<Narrowed>) -> Result<(Memberships, Tables), ErrorReport> {
    let (latest, sources) = open_sources()?;
    let held = {
        let mut reading = Reading::new(&latest);
        let [orgs, workspaces] = reading.own(user, only)?;
        let mut of_sources = LeftOut::default();
        for source in &sources {
            let rows = source.rows(&latest, user);
            if !rows.is_empty() {
                let rows = reading.grants(rows)?;
                of_sources.beyond += reading.held.add_rows(rows);
            }
        }
        let found = [
            (ORGANIZATIONS_OF.name, orgs),
            (WORKSPACES_OF.name, workspaces),
            ("organizations of registered tables", of_sources),
        ];
        // Of a single organization nothing is known but that it counts or not.
        if only.is_none() && found.iter().any(|(_, left_out)| left_out.any()) {
            sqlstate::log_left_out(user, &found);
        }
        reading.held
    };
    Ok((held, Tables(latest)))
}

/// A snapshot, and the tables that are registered in it. They were locked before it was taken, so that the
/// one snapshot sees all there is to see in each of them.
fn open_sources() -> Result<(Latest, Vec<Opened>), ErrorReport> {
    let mut latest = Latest::new();
    let mut registered = sources(&latest)?;
    while !registered.is_empty() {
        let opened: Option<Vec<Opened>> = registered.iter().map(Opened::open).collect();
        latest = Latest::new();
        let still = sources(&latest)?;
        if still == registered {
            return Ok((latest, opened.ok_or_else(sqlstate::broken_source)?));
        }
        registered = still;
    }
    Ok((latest, Vec::new()))
}

fn sources(latest: &Latest) -> Result<Vec<Source>, ErrorReport> {
    let mut sources = Vec::new();
    let add = |row: &Row| {
        if let (Some(table), Some(user), Some(org)) = (row.relation(1), row.name(2), row.name(3)) {
            sources.push(Source { table, user, org, role: row.name(4) });
        }
        true
    };
    latest.rows(SOURCES, SOURCES_BY_TABLE, &[], add).ok_or_else(not_installed)?;
    Ok(sources)
}

/// What of our own memberships is read: those in one organization that were there by this time.
#[derive(Clone, Copy)]
struct Narrowed {
    org: Uuid,
    by: Option<i64>,
}

struct Reading<'a> {
    latest: &'a Latest,
    held: Memberships,
    roles: Roles<'a>,
}

impl<'a> Reading<'a> {
    fn new(latest: &'a Latest) -> Reading<'a> {
        Reading { latest, held: Memberships::default(), roles: Roles::new(latest) }
    }

    /// What our own tables say, and what of it does not count.
    fn own(&mut self, user: &str, only: Option<Narrowed>) -> Result<[LeftOut; 2], ErrorReport> {
        let (mut orgs, orgs_left_out) =
            ORGANIZATIONS_OF.places(self.latest, user, only.map(|only| only.org))?;
        if let Some(by) = only.and_then(|only| only.by) {
            orgs.retain(|place| place.created_at.is_none_or(|at| at <= by));
        }
        let (mut workspaces, mut workspaces_left_out) = (Vec::new(), LeftOut::default());
        if !orgs.is_empty() {
            (workspaces, workspaces_left_out) = WORKSPACES_OF.places(self.latest, user, None)?;
        }
        self.without_ended(user, &mut orgs, &mut workspaces)?;
        for place in orgs {
            let role = self.role(place.role)?;
            self.held.orgs.push(OrgGrant { id: place.id, role });
        }
        for place in workspaces {
            let role = self.role(place.role)?;
            self.held.workspaces.push(WorkspaceGrant { id: place.id, org: Some(place.org), role });
        }
        Ok([orgs_left_out, workspaces_left_out])
    }

    /// Takes out what has ended beside its row, and changes roles as far as they were changed there.
    fn without_ended(
        &self,
        user: &str,
        orgs: &mut Vec<Place>,
        workspaces: &mut Vec<Place>,
    ) -> Result<(), ErrorReport> {
        // A membership of a workspace counts with the membership of the organization that it was made for.
        let ids: HashMap<Uuid, Option<Uuid>> = match workspaces.as_slice() {
            [] => HashMap::new(),
            _ => orgs.iter().map(|place| (place.org, place.row)).collect(),
        };
        workspaces.retain(|place| place.link.is_none() || ids.get(&place.org) == Some(&place.link));
        if !endings::can_be() {
            return Ok(());
        }
        let ended = Ended::read(self.latest, orgs.len() + workspaces.len())?;
        let changes = endings::of_user(self.latest, user)?;
        let has_ended = |thing: Uuid| ended.has(thing);
        orgs.retain(|place| !has_ended(place.org) && !place.link.is_some_and(has_ended));
        workspaces.retain(|place| !has_ended(place.id));
        if changes.is_empty() {
            return Ok(());
        }
        let mut ranks = HashMap::new();
        for place in orgs.iter() {
            let member = place.member();
            let is_changed = changes.iter().any(|change| change.is_of(&member));
            if let (true, Some(role)) = (is_changed, place.role) {
                ranks.insert(role, roles::rank(self.latest, role)?);
            }
        }
        orgs.retain_mut(|place| {
            let rank = place.role.and_then(|role| ranks.get(&role).copied()).unwrap_or(0);
            let (member, role) = (place.member(), place.role);
            let counts = |change: &&Ending| change.is_of(&member) && change.counts(role, rank);
            apply(&mut place.role, changes.iter().filter(counts))
        });
        workspaces.retain_mut(|place| {
            let row = place.row;
            let counts = |change: &&Ending| Some(change.target) == row;
            apply(&mut place.role, changes.iter().filter(counts))
        });
        Ok(())
    }

    fn role(&mut self, id: Option<Uuid>) -> Result<Option<RoleIndex>, ErrorReport> {
        match id {
            Some(id) => self.roles.with_id(id, &mut self.held),
            None => Ok(None),
        }
    }

    /// What rows of registered tables mean.
    fn grants(&mut self, rows: Vec<Held>) -> Result<Vec<OrgGrant>, ErrorReport> {
        // One look at what is unusual is cheaper than a look at each organization, unless it is usual.
        let (mut disabled, mut with_roles) = (None, None);
        if rows.len() > 1 {
            let limit = rows.len().saturating_mul(2);
            let by_time = [Wanted::NotNull(7)];
            disabled = self.few(ORGANIZATIONS, ORGANIZATIONS_DISABLED, &by_time, 1, limit)?;
            disabled = match Ended::read(self.latest, rows.len())? {
                Ended::Few(ended) => disabled.map(|ids| ids.into_iter().chain(ended).collect()),
                Ended::Many(_) => None,
            };
            with_roles = self.few(ROLES, ROLES_BY_NAME, &[Wanted::NotNull(3)], 3, limit)?;
        }
        let mut grants = Vec::with_capacity(rows.len());
        for (org, role) in rows {
            let Some(id) = self.enabled(&org, disabled.as_ref())? else { continue };
            let role = match role {
                Some(name) => {
                    let has_own = with_roles.as_ref().is_none_or(|orgs| orgs.contains(&id));
                    self.roles.named(id, has_own, name, &mut self.held)?
                }
                None => None,
            };
            grants.push(OrgGrant { id, role });
        }
        Ok(grants)
    }

    /// The ids in a column of these rows, or `None` when there are more rows than `limit`.
    fn few(
        &self,
        table: &CStr,
        index: &CStr,
        wanted: &[Wanted<'_>],
        column: usize,
        limit: usize,
    ) -> Result<Option<HashSet<Uuid>>, ErrorReport> {
        let (mut ids, mut count) = (HashSet::new(), 0);
        let add = |row: &Row| {
            ids.extend(row.uuid(column));
            count += 1;
            count <= limit
        };
        self.latest.rows(table, index, wanted, add).ok_or_else(not_installed)?;
        Ok(Some(ids).filter(|_| count <= limit))
    }

    /// The id of an organization, unless it is disabled.
    fn enabled(&self, org: &OrgName, disabled: Option<&HashSet<Uuid>>) -> Result<Option<Uuid>, ErrorReport> {
        match (org, disabled) {
            (OrgName::Id(id), Some(disabled)) => Ok(Some(*id).filter(|id| !disabled.contains(id))),
            (OrgName::Id(_) | OrgName::External(_), _) => {
                Ok(org.enabled(find_organization(self.latest, org)?.as_ref()))
            }
        }
    }
}
