//! What has ended although its row does not say so, because somebody held the row: `auth.endings`, numbered as
//! `sql/tables/tenancy.sql` declares it. What of it counts, `src/verify/ending.rs` decides.

use super::not_installed;
use crate::pg::ffi::scan::{Latest, Row, Table, Wanted};
use crate::verify::ending::{Ending, EndingKind};
use crate::verify::identity::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::CStr;

const ENDINGS: &CStr = c"endings";
pub(super) const ENDINGS_BY_TARGET: &CStr = c"endings_target";
const ENDINGS_BY_USER: &CStr = c"endings_user";
const ENDINGS_BY_ORG: &CStr = c"endings_org";

fn ending(row: &Row) -> Option<Ending> {
    Some(Ending {
        id: row.uuid(1)?,
        kind: EndingKind::from_name(row.text_of(2)?),
        target: row.uuid(3)?,
        org: row.uuid(4)?,
        role: row.uuid(6),
        rank: row.integer(8),
        former: row.uuid(13),
        at: row.timestamp(11)?,
    })
}

/// Can anything have ended beside its row? Cheap.
pub(super) fn can_be() -> bool {
    Latest::has_rows(ENDINGS)
}

/// What there is can be looked through by this index; `None` while nothing has ended beside its row, or in a database
/// that was not updated yet and has no such table. One that cannot be read is an error: what has ended must not come back.
pub(super) fn open<'a>(latest: &'a Latest, index: &CStr) -> Result<Option<Table<'a>>, ErrorReport> {
    if !can_be() {
        return Ok(None);
    }
    latest.open(ENDINGS, index).ok_or_else(not_installed).map(Some)
}

fn read(latest: &Latest, index: &CStr, wanted: &[Wanted<'_>]) -> Result<Vec<Ending>, ErrorReport> {
    let mut found = Vec::new();
    if let Some(mut table) = open(latest, index)? {
        table.rows(wanted, |row| {
            found.extend(ending(row));
            true
        });
    }
    found.sort_by_key(|ending| ending.at);
    Ok(found)
}

/// Those of a user's memberships, the latest last.
pub(super) fn of_user(latest: &Latest, user: &str) -> Result<Vec<Ending>, ErrorReport> {
    read(latest, ENDINGS_BY_USER, &[Wanted::Text(5, user)])
}

/// Those of an organization and whatever is in it.
pub(super) fn in_org(latest: &Latest, org: Uuid) -> Result<Vec<Ending>, ErrorReport> {
    read(latest, ENDINGS_BY_ORG, &[Wanted::Uuid(4, org)])
}

/// Has this ended, be it an organization, a workspace or an invitation?
pub(super) fn has_ended(latest: &Latest, target: Uuid) -> Result<bool, ErrorReport> {
    Ok(open(latest, ENDINGS_BY_TARGET)?.is_some_and(|mut table| is_in(&mut table, target)))
}

fn is_in(endings: &mut Table<'_>, target: Uuid) -> bool {
    let mut is_there = false;
    endings.rows(&[Wanted::Uuid(3, target)], |_| {
        is_there = true;
        false
    });
    is_there
}

/// How many endings of what is no user's are always read at once.
const FEW: usize = 32;

/// What of organizations, workspaces and invitations has ended: all that has, while that is little beside what is asked
/// about. Others make as many endings as they like.
pub(super) enum Ended<'a> {
    Few(HashSet<Uuid>),
    /// Each thing is asked about.
    Many(RefCell<Table<'a>>),
}

impl<'a> Ended<'a> {
    /// For somebody who will ask about so many things.
    pub(super) fn read(latest: &'a Latest, things: usize) -> Result<Ended<'a>, ErrorReport> {
        let (mut found, mut count, most) = (HashSet::new(), 0, FEW.max(things / 4));
        if let Some(mut table) = open(latest, ENDINGS_BY_USER)? {
            table.rows(&[Wanted::Null(5)], |row| {
                found.extend(row.uuid(3));
                count += 1;
                count <= most
            });
        }
        if count > most
            && let Some(table) = open(latest, ENDINGS_BY_TARGET)?
        {
            return Ok(Ended::Many(RefCell::new(table)));
        }
        Ok(Ended::Few(found))
    }

    pub(super) fn has(&self, target: Uuid) -> bool {
        match self {
            Ended::Few(targets) => targets.contains(&target),
            Ended::Many(table) => is_in(&mut table.borrow_mut(), target),
        }
    }
}
