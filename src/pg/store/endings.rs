//! What has ended although its row does not say so, because somebody held the row: `auth.endings`, numbered as
//! `sql/tables/tenancy.sql` declares it. It counts against whatever the holder makes of the row afterwards.

use crate::pg::ffi::scan::{Latest, Row, Table, Wanted};
use crate::verify::identity::Uuid;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::CStr;

/// The table.
pub(super) const ENDINGS: &CStr = c"endings";
pub(super) const ENDINGS_BY_TARGET: &CStr = c"endings_target";
const ENDINGS_BY_USER: &CStr = c"endings_user";
const ENDINGS_BY_ORG: &CStr = c"endings_org";

/// The rank of an owner, whom everybody's ending yields to but another owner's.
const HIGHEST_RANK: i32 = 1000;

/// One row.
pub(super) struct Ending {
    pub(super) kind: String,
    target: Uuid,
    org: Uuid,
    /// For a changed role of a member: the new one.
    pub(super) role: Option<Uuid>,
    /// For a member: the rank of whoever ended or changed it. For a role: its new one; `roles.rs` reads its permissions.
    rank: Option<i32>,
    /// For a member: the role that the row named.
    former: Option<Uuid>,
    pub(super) id: Uuid,
    at: i64,
}

impl Ending {
    fn of(row: &Row) -> Option<Ending> {
        Some(Ending {
            id: row.uuid(1)?,
            kind: row.text(2)?,
            target: row.uuid(3)?,
            org: row.uuid(4)?,
            role: row.uuid(6),
            rank: row.integer(8),
            former: row.uuid(13),
            at: row.timestamp(11)?,
        })
    }

    /// Is it about this membership of an organization? Also about one that was made before, by a transaction that had
    /// not been committed: of somebody who was removed and added again.
    pub(super) fn is_of(&self, membership: &Member) -> bool {
        Some(self.target) == membership.row
            || self.org == membership.org
                && matches!(self.kind.as_str(), "membership" | "membership_role")
                && membership.created_at.is_some_and(|at| at <= self.at)
    }

    pub(super) fn is_of_row(&self, row: Option<Uuid>) -> bool {
        Some(self.target) == row
    }

    /// Does it count against a member whose row names a role of this rank? Somebody of a lower rank ended it while the
    /// promotion was under way: then the promotion counts.
    pub(super) fn counts(&self, role: Option<Uuid>, rank: i32) -> bool {
        self.rank.is_none_or(|own| own >= HIGHEST_RANK || own > rank)
            || self.former.is_some() && self.former == role
    }
}

/// What endings ask of a membership of an organization.
pub(super) struct Member {
    pub(super) row: Option<Uuid>,
    pub(super) org: Uuid,
    pub(super) created_at: Option<i64>,
}

/// Applies the changes of one membership to its role. Is it still one afterwards?
pub(super) fn apply<'a>(role: &mut Option<Uuid>, changes: impl Iterator<Item = &'a Ending>) -> bool {
    for change in changes {
        match change.kind.as_str() {
            "membership_role" | "workspace_membership_role" => *role = change.role,
            _ => return false,
        }
    }
    true
}

fn read(latest: &Latest, index: &CStr, wanted: &[Wanted<'_>]) -> Vec<Ending> {
    let mut found = Vec::new();
    // A database that was not updated yet has no such table, and nothing ends beside its row.
    if latest.has_rows(ENDINGS) {
        let _ = latest.rows(ENDINGS, index, wanted, |row| {
            found.extend(Ending::of(row));
            true
        });
    }
    found.sort_by_key(|ending| ending.at);
    found
}

/// Those of a user's memberships, the latest last.
pub(super) fn of_user(latest: &Latest, user: &str) -> Vec<Ending> {
    read(latest, ENDINGS_BY_USER, &[Wanted::Text(5, user)])
}

/// Those of one thing, the latest last.
pub(super) fn of(latest: &Latest, target: Uuid) -> Vec<Ending> {
    read(latest, ENDINGS_BY_TARGET, &[Wanted::Uuid(3, target)])
}

/// Those of an organization and whatever is in it.
pub(super) fn in_org(latest: &Latest, org: Uuid) -> Vec<Ending> {
    read(latest, ENDINGS_BY_ORG, &[Wanted::Uuid(4, org)])
}

/// Has this ended, be it an organization, a workspace or an invitation?
pub(super) fn has_ended(latest: &Latest, target: Uuid) -> bool {
    !of(latest, target).is_empty()
}

/// Is a user whose row says that they are an owner still one?
pub(super) fn leaves_owner(latest: &Latest, user: &str, membership: &Member, owner_role: Uuid) -> bool {
    let mut role = Some(owner_role);
    let changes = of_user(latest, user);
    let counts = |change: &&Ending| change.is_of(membership) && change.counts(Some(owner_role), HIGHEST_RANK);
    apply(&mut role, changes.iter().filter(counts)) && role == Some(owner_role)
}

/// How many endings of what is no user's are always read at once.
const FEW: usize = 32;

/// What of organizations, workspaces and invitations has ended: all that has, while that is little beside what is asked
/// about. Others make as many endings as they like.
pub(super) enum Ended<'a> {
    Few(HashSet<Uuid>),
    /// Each thing is asked about.
    Many(RefCell<Option<Table<'a>>>),
}

impl<'a> Ended<'a> {
    /// For somebody who will ask about so many things.
    pub(super) fn read(latest: &'a Latest, things: usize) -> Ended<'a> {
        let (mut found, mut count, most) = (HashSet::new(), 0, FEW.max(things / 4));
        if latest.has_rows(ENDINGS) {
            let _ = latest.rows(ENDINGS, ENDINGS_BY_USER, &[Wanted::Null(5)], |row| {
                found.extend(row.uuid(3));
                count += 1;
                count <= most
            });
        }
        if count <= most {
            return Ended::Few(found);
        }
        Ended::Many(RefCell::new(latest.open(ENDINGS, ENDINGS_BY_TARGET)))
    }

    pub(super) fn has(&self, target: Uuid) -> bool {
        match self {
            Ended::Few(targets) => targets.contains(&target),
            Ended::Many(table) => {
                let mut has_ended = false;
                if let Some(table) = table.borrow_mut().as_mut() {
                    table.rows(&[Wanted::Uuid(3, target)], |_| {
                        has_ended = true;
                        false
                    });
                }
                has_ended
            }
        }
    }
}
