//! Roles of memberships.

use super::identity::Uuid;

/// A role as it counts in one organization or workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: Option<String>,
    pub(crate) permissions: Vec<String>,
}

/// A role that is left where it is stored, as it was when somebody looked: every change gives it another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StoredRole {
    pub(crate) id: Uuid,
    pub(crate) version: Uuid,
}

/// A role of memberships.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeldRole {
    Whole(Role),
    /// Nobody has read it: what others grant a user is paid for when the user makes use of it.
    Stored(StoredRole),
}

impl HeldRole {
    /// Nothing where it is left where it is stored.
    pub(crate) fn permissions(&self) -> Vec<String> {
        match self {
            HeldRole::Whole(role) => role.permissions.clone(),
            HeldRole::Stored(_) => Vec::new(),
        }
    }
}

impl From<Role> for HeldRole {
    fn from(role: Role) -> HeldRole {
        HeldRole::Whole(role)
    }
}

/// The place of a role in the list of memberships.
pub(crate) type RoleIndex = u16;
