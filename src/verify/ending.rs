//! Endings that stand beside the rows that they count for: does one count against what the row has become?

use super::identity::Uuid;

/// The rank of an owner, whom everybody's ending yields to but another owner's.
const HIGHEST_RANK: i32 = 1000;

/// What an ending does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndingKind {
    Membership,
    MembershipRole,
    WorkspaceMembership,
    WorkspaceMembershipRole,
    /// Of an organization, a workspace, an invitation or a role: whatever there is of these counts.
    Other,
}

impl EndingKind {
    pub(crate) fn from_name(name: &str) -> EndingKind {
        match name {
            "membership" => EndingKind::Membership,
            "membership_role" => EndingKind::MembershipRole,
            "workspace_membership" => EndingKind::WorkspaceMembership,
            "workspace_membership_role" => EndingKind::WorkspaceMembershipRole,
            _ => EndingKind::Other,
        }
    }
}

/// A row of `auth.endings`.
pub(crate) struct Ending {
    pub(crate) id: Uuid,
    pub(crate) kind: EndingKind,
    pub(crate) target: Uuid,
    pub(crate) org: Uuid,
    /// For a changed role of a member: the new one.
    pub(crate) role: Option<Uuid>,
    /// For a member: the rank of whoever ended or changed it.
    pub(crate) rank: Option<i32>,
    /// For a member: the role that the row named.
    pub(crate) former: Option<Uuid>,
    /// In microseconds since 2000.
    pub(crate) at: i64,
}

/// What endings ask of a membership of an organization.
pub(crate) struct Member {
    pub(crate) row: Option<Uuid>,
    pub(crate) org: Uuid,
    pub(crate) created_at: Option<i64>,
}

impl Ending {
    /// Is it about this membership of an organization? Also about one that was made before, by a transaction that had
    /// not been committed: of somebody who was removed and added again.
    pub(crate) fn is_of(&self, membership: &Member) -> bool {
        Some(self.target) == membership.row
            || self.org == membership.org
                && matches!(self.kind, EndingKind::Membership | EndingKind::MembershipRole)
                && membership.created_at.is_some_and(|at| at <= self.at)
    }

    /// Does it count against a member whose row names a role of this rank? Somebody of a lower rank ended it while the
    /// promotion was under way: then the promotion counts. As `auth_internal.ending_counts()` has it.
    pub(crate) fn counts(&self, role: Option<Uuid>, rank: i32) -> bool {
        self.rank.is_none_or(|own| own >= HIGHEST_RANK || own > rank)
            || self.former.is_some() && self.former == role
    }
}

/// Applies the changes of one membership to its role, the latest last. Is it still one afterwards?
pub(crate) fn apply<'a>(role: &mut Option<Uuid>, changes: impl Iterator<Item = &'a Ending>) -> bool {
    for change in changes {
        match change.kind {
            EndingKind::MembershipRole | EndingKind::WorkspaceMembershipRole => *role = change.role,
            EndingKind::Membership | EndingKind::WorkspaceMembership | EndingKind::Other => return false,
        }
    }
    true
}

/// Is a user whose row says that they are an owner still one, after these changes of theirs?
pub(crate) fn leaves_owner(changes: &[Ending], membership: &Member, owner_role: Uuid) -> bool {
    let mut role = Some(owner_role);
    let counts = |change: &&Ending| change.is_of(membership) && change.counts(Some(owner_role), HIGHEST_RANK);
    apply(&mut role, changes.iter().filter(counts)) && role == Some(owner_role)
}
