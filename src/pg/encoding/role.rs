//! Roles of an encoded identity.

use crate::verify::membership::StoredRole;

/// A role of an encoded identity.
#[derive(Clone, Copy)]
pub(in crate::pg) enum Held<'a> {
    Carried(RoleView<'a>),
    Stored(StoredRole),
}

impl<'a> Held<'a> {
    pub(super) fn carried(self) -> Option<RoleView<'a>> {
        match self {
            Held::Carried(role) => Some(role),
            Held::Stored(_) => None,
        }
    }

    pub(super) fn stored(self) -> Option<StoredRole> {
        match self {
            Held::Carried(_) => None,
            Held::Stored(stored) => Some(stored),
        }
    }
}

/// A role within an encoded identity.
#[derive(Clone, Copy)]
pub(in crate::pg) struct RoleView<'a> {
    pub(super) name: Option<&'a [u8]>,
    pub(super) permissions: &'a [u8],
}

impl<'a> RoleView<'a> {
    pub(in crate::pg) fn name(self) -> Option<&'a str> {
        std::str::from_utf8(self.name?).ok()
    }

    pub(in crate::pg) fn permissions(self) -> impl Iterator<Item = &'a str> {
        names(self.permissions)
    }
}

/// Names that a zero byte follows each.
pub(super) fn names(joined: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(joined).unwrap_or_default().split_terminator('\0')
}
