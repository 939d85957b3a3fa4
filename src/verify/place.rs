//! Organizations and workspaces, as claims name them and as rows describe them.

use super::identity::Uuid;

/// How a claim names an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OrgName {
    Id(Uuid),
    /// What another system calls it.
    External(String),
}

impl OrgName {
    /// The organization of this name, unless it is disabled. One that there is no row for is known by its
    /// own id only.
    pub(crate) fn enabled(&self, known: Option<&KnownOrg>) -> Option<Uuid> {
        match (known, self) {
            (Some(known), _) => Some(known.id).filter(|_| !known.disabled),
            (None, OrgName::Id(id)) => Some(*id),
            (None, OrgName::External(_)) => None,
        }
    }
}

/// An organization that there is a row for.
#[derive(Debug, Clone)]
pub(crate) struct KnownOrg {
    pub(crate) id: Uuid,
    pub(crate) disabled: bool,
    /// What another system calls it.
    pub(crate) external_id: Option<String>,
}

/// A workspace that there is a row for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownWorkspace {
    pub(crate) org: Uuid,
    pub(crate) disabled: bool,
}
