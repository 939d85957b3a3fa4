//! Organizations, memberships and roles: our own tables, numbered as `sql/tables/tenancy.sql` declares
//! them, and the tables of applications that are registered as sources of memberships.

use super::not_installed;
use super::roles::{self, ROLES, ROLES_BY_NAME, Roles};
use crate::pg::ffi::scan::{Latest, Row, Wanted};
use crate::pg::ffi::source::{Held, Opened, Source};
use crate::pg::sqlstate;
use crate::verify::identity::Uuid;
use crate::verify::membership::{
    Directory, KnownOrg, KnownWorkspace, Memberships, OrgGrant, OrgName, Role, RoleIndex, StoredRole,
    WorkspaceGrant, settle_key,
};
use pgrx::pg_sys::panic::ErrorReport;
use std::collections::HashSet;
use std::ffi::CStr;

const ORGANIZATIONS: &CStr = c"organizations";
const ORGANIZATIONS_BY_ID: &CStr = c"organizations_pkey";
const ORGANIZATIONS_DISABLED: &CStr = c"organizations_disabled";
const ORGANIZATIONS_BY_EXTERNAL_ID: &CStr = c"organizations_external_id_key";
const WORKSPACES: &CStr = c"workspaces";
const WORKSPACES_BY_ID: &CStr = c"workspaces_pkey";
const MEMBERSHIPS: &CStr = c"memberships";
const MEMBERSHIPS_BY_USER: &CStr = c"memberships_pkey";
const WORKSPACE_MEMBERSHIPS: &CStr = c"workspace_memberships";
const WORKSPACE_MEMBERSHIPS_BY_USER: &CStr = c"workspace_memberships_pkey";
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
    Latest::new()
        .rows(WORKSPACES, WORKSPACES_BY_ID, &[Wanted::Uuid(1, id)], take)
        .ok_or_else(not_installed)?;
    Ok(found)
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
    Ok(found)
}

/// Where this user belongs, by our tables first and then by registered ones. What is disabled is left out.
pub(in crate::pg) fn memberships(user: Option<&str>) -> Result<(Memberships, Tables), ErrorReport> {
    user.map_or_else(|| Ok((Memberships::default(), Tables(Latest::new()))), |user| read(user, None))
}

/// What of that is in one organization, which must have a row and not be disabled.
pub(in crate::pg) fn memberships_in(user: &str, org: Uuid) -> Result<(Memberships, Tables), ErrorReport> {
    let (mut held, tables) = read(user, Some(org))?;
    held.keep_only(Some(org).filter(|_| held.has_org(org)), None);
    Ok((held, tables))
}

/// What the user may do in one organization; `None` when the user does not belong to it.
pub(in crate::pg) fn permissions_in(user: &str, org: Uuid) -> Result<Option<Vec<String>>, ErrorReport> {
    let (held, tables) = memberships_in(user, org)?;
    let settled = settle_key(held, org, None, None, &tables)?;
    Ok(settled.map(|settled| settled.permissions().to_vec()))
}

/// The organization with this id, if there is a row for it.
pub(in crate::pg) fn organization(org: Uuid) -> Result<Option<KnownOrg>, ErrorReport> {
    find_organization(&Latest::new(), &OrgName::Id(org))
}

/// Is there such a workspace in this organization, and is it not disabled?
pub(in crate::pg) fn is_enabled_workspace(id: Uuid, org: Uuid) -> Result<bool, ErrorReport> {
    Ok(find_workspace(id)?.is_some_and(|known| known.org == org && !known.disabled))
}

/// Of our own tables what is in `only`, if that is given; of others everything.
fn read(user: &str, only: Option<Uuid>) -> Result<(Memberships, Tables), ErrorReport> {
    let (latest, sources) = open_sources()?;
    let held = {
        let mut reading =
            Reading { latest: &latest, held: Memberships::default(), roles: Roles::new(&latest) };
        reading.own(user, only)?;
        for source in &sources {
            let rows = source.rows(&latest, user);
            if !rows.is_empty() {
                let rows = reading.grants(rows)?;
                reading.held.add_rows(rows);
            }
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

struct Reading<'a> {
    latest: &'a Latest,
    held: Memberships,
    roles: Roles<'a>,
}

impl Reading<'_> {
    fn own(&mut self, user: &str, only: Option<Uuid>) -> Result<(), ErrorReport> {
        let mut wanted = vec![Wanted::Text(1, user)];
        wanted.extend(only.map(|org| Wanted::Uuid(2, org)));
        let mut orgs: Vec<(Uuid, Option<Uuid>)> = Vec::new();
        let org = |row: &Row| {
            if let (Some(org), false) = (row.uuid(2), row.flag(4)) {
                orgs.push((org, row.uuid(3)));
            }
            true
        };
        self.latest.many_rows(MEMBERSHIPS, MEMBERSHIPS_BY_USER, &wanted, org).ok_or_else(not_installed)?;
        wanted.truncate(1);
        let mut workspaces: Vec<(Uuid, Uuid, Option<Uuid>)> = Vec::new();
        let workspace = |row: &Row| {
            if let (Some(workspace), Some(org), false) = (row.uuid(2), row.uuid(3), row.flag(5)) {
                workspaces.push((workspace, org, row.uuid(4)));
            }
            true
        };
        if !orgs.is_empty() {
            self.latest
                .many_rows(WORKSPACE_MEMBERSHIPS, WORKSPACE_MEMBERSHIPS_BY_USER, &wanted, workspace)
                .ok_or_else(not_installed)?;
        }
        for (id, role) in orgs {
            let role = self.role(role)?;
            self.held.orgs.push(OrgGrant { id, role });
        }
        for (id, org, role) in workspaces {
            let role = self.role(role)?;
            self.held.workspaces.push(WorkspaceGrant { id, org: Some(org), role });
        }
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
