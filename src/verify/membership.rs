//! Where the bearer of a credential belongs, and which organization the credential acts in.

use super::granted::MAX_COUNTED;
use super::identity::{Profile, Uuid, text, uuid, words};
use super::jwt::VerifiedClaims;
use super::permission::intersection;
pub(crate) use super::place::{KnownOrg, KnownWorkspace, OrgName};
pub(crate) use super::role::{HeldRole, Role, RoleIndex, StoredRole};
use serde_json::Value;

/// The longest id that another system may have given an organization, in bytes.
pub(super) const EXTERNAL_ID_MAX: usize = 255;

/// Membership of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrgGrant {
    pub(crate) id: Uuid,
    pub(crate) role: Option<RoleIndex>,
}

/// Membership of a workspace; its organization is known unless a claim alone names the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkspaceGrant {
    pub(crate) id: Uuid,
    pub(crate) org: Option<Uuid>,
    pub(crate) role: Option<RoleIndex>,
}

/// Where a user belongs. Once [`Memberships::sort`] was called, the lists are sorted by id and hold no
/// duplicates, and no workspace is in an organization that is not in the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memberships {
    pub(crate) orgs: Vec<OrgGrant>,
    pub(crate) workspaces: Vec<WorkspaceGrant>,
    pub(crate) roles: Vec<HeldRole>,
}

impl Memberships {
    /// Adds a role to name in grants; `None` when there are more than an index can tell apart.
    pub(crate) fn add_role(&mut self, role: impl Into<HeldRole>) -> Option<RoleIndex> {
        // The largest index means "no role" where identities are encoded.
        let index = RoleIndex::try_from(self.roles.len()).ok().filter(|index| *index < RoleIndex::MAX)?;
        self.roles.push(role.into());
        Some(index)
    }

    /// The role in this organization.
    fn org_index(&self, org: Option<Uuid>) -> Option<RoleIndex> {
        let place = self.orgs.binary_search_by_key(&org?, |grant| grant.id).ok()?;
        self.orgs.get(place)?.role
    }

    /// The role in this workspace.
    fn workspace_index(&self, workspace: Option<Uuid>) -> Option<RoleIndex> {
        let place = self.workspaces.binary_search_by_key(&workspace?, |grant| grant.id).ok()?;
        self.workspaces.get(place)?.role
    }

    /// The places, each with the role there: equal for equal memberships, in whatever order they were read.
    pub(crate) fn into_grants(self) -> Vec<(Uuid, Option<HeldRole>)> {
        let orgs = self.orgs.iter().map(|grant| (grant.id, grant.role));
        let all = orgs.chain(self.workspaces.iter().map(|grant| (grant.id, grant.role)));
        all.map(|(id, role)| (id, self.role(role).cloned())).collect()
    }

    fn role(&self, index: Option<RoleIndex>) -> Option<&HeldRole> {
        self.roles.get(usize::from(index?))
    }

    /// Puts the role itself in the place of one that is left where it is stored.
    fn read_role<D: Directory>(&mut self, index: Option<RoleIndex>, directory: &D) -> Result<(), D::Error> {
        if let Some(held) = index.and_then(|index| self.roles.get_mut(usize::from(index)))
            && let HeldRole::Stored(stored) = held
        {
            *held = HeldRole::Whole(directory.role(*stored)?.unwrap_or_default());
        }
        Ok(())
    }

    /// Adds what a table of the application says. A membership that is known already counts before it; of
    /// several rows for one organization that differ in the role none is believed, whatever their order. Says how many
    /// are not added, the last ones, because there is no room.
    pub(crate) fn add_rows(&mut self, rows: Vec<OrgGrant>) -> usize {
        self.sort();
        let mut rows: Vec<(usize, OrgGrant)> = rows.into_iter().enumerate().collect();
        rows.sort_by_key(|(_, row)| row.id);
        let mut new = Vec::new();
        for same in rows.chunk_by(|(_, one), (_, other)| one.id == other.id) {
            if let [(place, first), others @ ..] = same
                && !self.has_org(first.id)
            {
                let agreed = others.iter().all(|(_, other)| other.role == first.role);
                new.push((*place, OrgGrant { id: first.id, role: first.role.filter(|_| agreed) }));
            }
        }
        let room = MAX_COUNTED.saturating_sub(self.orgs.len());
        let left_out = new.len().saturating_sub(room);
        if left_out > 0 {
            new.sort_by_key(|(place, _)| *place);
            new.truncate(room);
        }
        self.orgs.extend(new.into_iter().map(|(_, grant)| grant));
        self.sort();
        left_out
    }

    /// Puts the lists in order. Of two grants for one place the first counts.
    pub(crate) fn sort(&mut self) {
        self.orgs.sort_by_key(|grant| u128::from_be_bytes(grant.id));
        self.orgs.dedup_by_key(|grant| grant.id);
        let orgs = &self.orgs;
        let belongs = |org: Uuid| orgs.binary_search_by_key(&org, |grant| grant.id).is_ok();
        self.workspaces.retain(|grant| grant.org.is_none_or(belongs));
        self.workspaces.sort_by_key(|grant| u128::from_be_bytes(grant.id));
        self.workspaces.dedup_by_key(|grant| grant.id);
    }

    /// Is this organization among them?
    pub(crate) fn has_org(&self, org: Uuid) -> bool {
        self.orgs.binary_search_by_key(&org, |grant| grant.id).is_ok()
    }

    /// Leaves one organization, or none, and in it one workspace, or all.
    pub(crate) fn keep_only(&mut self, org: Option<Uuid>, workspace: Option<Uuid>) {
        self.orgs.retain(|grant| Some(grant.id) == org);
        self.workspaces.retain(|grant| {
            grant.org.is_some() && grant.org == org && workspace.is_none_or(|only| grant.id == only)
        });
    }

    /// Keeps the workspaces that are among those of others.
    pub(crate) fn keep_workspaces_of(&mut self, others: &Memberships) {
        self.workspaces.retain(|own| others.workspaces.iter().any(|other| other.id == own.id));
    }

    /// Takes from every role what these scopes do not cover. A role that nobody has read cannot be cut, and
    /// permits nothing.
    fn limit_to(&mut self, scopes: &[String]) {
        for held in &mut self.roles {
            match held {
                HeldRole::Whole(role) => role.permissions = intersection(scopes, &role.permissions),
                HeldRole::Stored(_) => *held = HeldRole::Whole(Role::default()),
            }
        }
    }

    /// The workspace to act in: the one that is claimed, or else the only one in the organization.
    pub(super) fn workspace_in(&self, org: Option<Uuid>, claimed: Option<&[Uuid]>) -> Option<Uuid> {
        let found = match claimed {
            Some([id]) => self.workspaces.iter().find(|grant| grant.id == *id),
            Some(_) => None,
            None => {
                let mut here = self.workspaces.iter().filter(|grant| grant.org.is_some() && grant.org == org);
                here.next().filter(|_| here.next().is_none())
            }
        };
        found.filter(|grant| grant.org.is_none() || grant.org == org).map(|grant| grant.id)
    }
}

/// Where an API key acts: in its organization, with the memberships there of its user or its own.
/// `None` when it may act there no longer.
pub(crate) fn settle_key<D: Directory>(
    mut memberships: Memberships,
    org: Uuid,
    workspace: Option<Uuid>,
    scopes: Option<&[String]>,
    directory: &D,
) -> Result<Option<Settled>, D::Error> {
    memberships.sort();
    memberships.keep_only(Some(org), workspace);
    let found = memberships.workspace_in(Some(org), workspace.as_ref().map(std::slice::from_ref));
    if !memberships.has_org(org) || (workspace.is_some() && found.is_none()) {
        return Ok(None);
    }
    // Whole, because no look at a role that is left where it is stored would know of the scopes.
    memberships.read_role(memberships.org_index(Some(org)), directory)?;
    memberships.read_role(memberships.workspace_index(found), directory)?;
    if let Some(scopes) = scopes {
        memberships.limit_to(scopes);
    }
    Ok(Some(Settled { memberships, org: Some(org), workspace: found, ..Settled::default() }))
}

impl Settled {
    /// What may be done in the current organization.
    pub(crate) fn permissions(&self) -> &[String] {
        let role = match self.memberships.role(self.memberships.org_index(self.org)) {
            Some(HeldRole::Whole(role)) => Some(role),
            Some(HeldRole::Stored(_)) => self.org_role.as_ref(),
            None => None,
        };
        role.map_or(&[], |role| &role.permissions)
    }

    /// The same, with roles that have no name.
    pub(crate) fn without_role_names(mut self) -> Settled {
        let roles = self.memberships.roles.iter_mut();
        roles.for_each(|held| *held = HeldRole::Whole(Role { name: None, permissions: held.permissions() }));
        Settled { org_role: None, workspace_role: None, ..self }
    }

    /// The same, with nothing permitted that these scopes do not cover. Roles elsewhere that are left where they are stored
    /// permit nothing: no look at one would know of the scopes.
    pub(crate) fn limited<D: Directory>(
        mut self,
        scopes: &[String],
        directory: &D,
    ) -> Result<Settled, D::Error> {
        let held = &mut self.memberships;
        held.read_role(held.org_index(self.org), directory)?;
        held.read_role(held.workspace_index(self.workspace), directory)?;
        held.limit_to(scopes);
        Ok(Settled { org_role: None, workspace_role: None, ..self })
    }

    /// The same, with the roles of the current organization and workspace read.
    pub(crate) fn with_roles<D: Directory>(mut self, directory: &D) -> Result<Settled, D::Error> {
        let read = |held: Option<&HeldRole>| match held {
            Some(HeldRole::Stored(stored)) => directory.role(*stored),
            Some(HeldRole::Whole(_)) | None => Ok(None),
        };
        let held = &self.memberships;
        self.org_role = read(held.role(held.org_index(self.org)))?;
        self.workspace_role = read(held.role(held.workspace_index(self.workspace)))?;
        Ok(self)
    }
}

/// Looks up what claims name.
pub(crate) trait Directory {
    type Error;
    fn organization(&self, name: &OrgName) -> Result<Option<KnownOrg>, Self::Error>;
    fn workspace(&self, id: Uuid) -> Result<Option<KnownWorkspace>, Self::Error>;
    /// A role of the memberships, in that version.
    fn role(&self, role: StoredRole) -> Result<Option<Role>, Self::Error>;
}

/// Memberships, and where of them the credential acts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    pub(crate) memberships: Memberships,
    /// One of the organizations of the memberships.
    pub(crate) org: Option<Uuid>,
    /// What another system calls that organization.
    pub(crate) external_id: Option<String>,
    /// One of the workspaces of the memberships, of that organization if it is known whose it is.
    pub(crate) workspace: Option<Uuid>,
    /// The role in that organization, where the memberships leave it where it is stored.
    pub(crate) org_role: Option<Role>,
    /// The same of the workspace.
    pub(crate) workspace_role: Option<Role>,
}

/// Puts together what the tables say of the user (`held`) and what the claims say.
///
/// Claims add organizations, workspaces, a role and permissions only if the issuer is believed
/// (`memberships_from_claims`), and only organizations that are not disabled; a row of the tables counts
/// before the claims. The issuer's `org_ids` limits both. The current organization is the one that the
/// claim names, if the user belongs to it: a claim that names another one, several, or nothing that can be
/// one gives none, never a different one. Without a claim it is the only one there is.
pub(crate) fn settle<D: Directory>(
    claims: &VerifiedClaims,
    profile: &Profile,
    mut held: Memberships,
    directory: &D,
) -> Result<Settled, D::Error> {
    let believed = profile.memberships_from_claims;
    let allowed = |org: &Uuid| profile.reaches(Some(org));
    held.orgs.retain(|grant| allowed(&grant.id));
    held.sort();

    let names = org_names(claims.at(&profile.paths.org));
    let single = names.as_ref().is_some_and(|names| names.len() == 1);
    let mut named = Vec::new();
    if believed || single {
        for name in names.iter().flatten() {
            named.extend(resolve(name, believed, directory)?.filter(|named| allowed(&named.id)));
        }
    }
    if believed {
        let role =
            if single { claimed_role(claims, profile).and_then(|role| held.add_role(role)) } else { None };
        let new = named.iter().map(|named| named.id).filter(|org| !held.has_org(*org));
        let new: Vec<OrgGrant> = new.map(|id| OrgGrant { id, role }).collect();
        held.orgs.extend(new);
    }
    let workspaces = claims.at(&profile.paths.workspace).filter(|claim| !claim.is_null()).map(ids);
    // Whose workspaces they are, nothing here says: an issuer with a list of organizations names none.
    if believed && profile.org_ids.is_empty() {
        for id in workspaces.iter().flatten() {
            let known = directory.workspace(*id)?;
            if known.is_none_or(|known| !known.disabled) {
                let org = known.map(|known| known.org);
                held.workspaces.push(WorkspaceGrant { id: *id, org, role: None });
            }
        }
    }
    held.sort();
    let org = match (&names, named.as_slice(), held.orgs.as_slice()) {
        (Some(_), [named], _) if single => Some(named.id).filter(|org| held.has_org(*org)),
        (None, _, [grant]) => Some(grant.id),
        _ => None,
    };
    let workspace = held.workspace_in(org, workspaces.as_deref());
    let external_id = match org {
        Some(org) => external_id(org, named, directory)?,
        None => None,
    };
    Settled { memberships: held, org, external_id, workspace, ..Settled::default() }.with_roles(directory)
}

/// An organization that a claim names.
struct Named {
    id: Uuid,
    /// Its row, or that there is none, if that was looked for.
    row: Option<Option<KnownOrg>>,
}

fn resolve<D: Directory>(name: &OrgName, believed: bool, directory: &D) -> Result<Option<Named>, D::Error> {
    match name {
        // What the tables say about memberships of it says enough.
        OrgName::Id(id) if !believed => Ok(Some(Named { id: *id, row: None })),
        OrgName::Id(_) | OrgName::External(_) => {
            let row = directory.organization(name)?;
            Ok(name.enabled(row.as_ref()).map(|id| Named { id, row: Some(row) }))
        }
    }
}

/// What another system calls this organization, which is looked up unless it was before.
fn external_id<D: Directory>(
    org: Uuid,
    named: Vec<Named>,
    directory: &D,
) -> Result<Option<String>, D::Error> {
    let row = match named.into_iter().find(|named| named.id == org).and_then(|named| named.row) {
        Some(row) => row,
        None => directory.organization(&OrgName::Id(org))?,
    };
    Ok(row.and_then(|row| row.external_id))
}

fn claimed_role(claims: &VerifiedClaims, profile: &Profile) -> Option<Role> {
    let role = Role {
        name: text(claims.at(&profile.paths.org_role)),
        permissions: words(claims.at(&profile.paths.permissions)),
    };
    (role != Role::default()).then_some(role)
}

/// The organizations that a claim names; `None` without the claim. What can be no id counts as the name of an
/// organization that there is not.
fn org_names(claim: Option<&Value>) -> Option<Vec<OrgName>> {
    let name = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                String::new()
            }
        };
        match uuid(&text) {
            Some(id) => OrgName::Id(id),
            None if text.len() > EXTERNAL_ID_MAX => OrgName::External(String::new()),
            None => OrgName::External(text),
        }
    };
    let mut names: Vec<OrgName> = match claim? {
        Value::Null => return None,
        Value::Array(items) => items.iter().map(name).collect(),
        single @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![name(single)]
        }
    };
    let mut seen = Vec::new();
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    Some(names)
}

/// The uuids of a claim: one or several, sorted; what is no uuid names none.
fn ids(claim: &Value) -> Vec<Uuid> {
    let mut found: Vec<Uuid> = match claim {
        Value::String(id) => uuid(id).into_iter().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).filter_map(uuid).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    found.sort_unstable();
    found.dedup();
    found
}
