//! A user's rows in our tables, and which of them count where others gave more than the settings allow.

use super::not_installed;
use crate::pg::ffi::scan::{Latest, Row, Wanted};
use crate::pg::settings::{self, MAX_GRANTED_BY_ONE, MAX_GRANTED_MEMBERSHIPS};
use crate::verify::ending::Member;
use crate::verify::granted::{Given, LeftOut, Limits, MAX_COUNTED, is_accepted};
use crate::verify::identity::Uuid;
use pgrx::pg_sys::panic::ErrorReport;
use std::ffi::CStr;

/// A giver's share of workspaces is so many times that of organizations: an admin lets a colleague into many workspaces
/// of one organization.
const WORKSPACES_FOR_ONE: usize = 10;

/// A table of memberships, with the numbers of its columns.
pub(super) struct Kind {
    pub(super) name: &'static str,
    table: &'static CStr,
    index_by_user: &'static CStr,
    index_by_age: &'static CStr,
    /// The organization or the workspace.
    id: usize,
    org: usize,
    role: usize,
    suspended: usize,
    created_at: usize,
    created_by: usize,
    /// The id of the row itself.
    row: usize,
    accepted: usize,
    /// What it ends with: the invitation that it came by, or the membership of the organization.
    link: usize,
    shares: usize,
}

pub(super) const ORGANIZATIONS: Kind = Kind {
    name: "organizations",
    table: c"memberships",
    index_by_user: c"memberships_pkey",
    index_by_age: c"memberships_accepted",
    id: 2,
    org: 2,
    role: 3,
    suspended: 4,
    created_at: 5,
    created_by: 6,
    row: 7,
    accepted: 8,
    link: 9,
    shares: 1,
};

pub(super) const WORKSPACES: Kind = Kind {
    name: "workspaces",
    table: c"workspace_memberships",
    index_by_user: c"workspace_memberships_pkey",
    index_by_age: c"workspace_memberships_accepted",
    id: 2,
    org: 3,
    role: 4,
    suspended: 5,
    created_at: 6,
    created_by: 7,
    row: 8,
    accepted: 9,
    link: 10,
    shares: WORKSPACES_FOR_ONE,
};

/// A membership that is not suspended.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) id: Uuid,
    pub(super) org: Uuid,
    pub(super) role: Option<Uuid>,
    /// The id of the row, and of what it ends with.
    pub(super) row: Option<Uuid>,
    pub(super) link: Option<Uuid>,
    /// In microseconds since 2000.
    pub(super) created_at: Option<i64>,
}

impl Place {
    /// As a membership of an organization.
    pub(super) fn member(&self) -> Member {
        Member { row: self.row, org: self.org, created_at: self.created_at }
    }
}

/// When somebody gave it, and who.
type Gift = (i64, Option<String>);

impl Kind {
    /// What counts of a user's rows, or of those in one organization, and what does not.
    pub(super) fn places(
        &self,
        latest: &Latest,
        user: &str,
        only: Option<Uuid>,
    ) -> Result<(Vec<Place>, LeftOut), ErrorReport> {
        let limits = self.limits();
        let mut wanted = vec![Wanted::Text(1, user)];
        wanted.extend(only.map(|org| Wanted::Uuid(self.org as i16, org)));
        let (mut count, mut given, mut has_all_columns) = (0, 0, true);
        // One that others gave counts or not by what else they gave.
        let most = if only.is_some() { 0 } else { limits.all };
        let take = |row: &Row| {
            let place = self.place(row);
            count += usize::from(place.is_some());
            has_all_columns = row.has(self.accepted);
            given += usize::from(!self.is_accepted(row, user));
            (place, given <= most && count <= MAX_COUNTED)
        };
        let places = latest.many_rows(self.table, self.index_by_user, &wanted, take);
        let mut places: Vec<Place> = places.ok_or_else(not_installed)?;
        if given <= most && places.len() <= MAX_COUNTED {
            return Ok((places, LeftOut::default()));
        }
        // A database that was not updated yet knows no order.
        if !has_all_columns {
            places.truncate(MAX_COUNTED);
            return Ok((places, LeftOut { beyond: 1, ..LeftOut::default() }));
        }
        match only {
            Some(org) => {
                let (mut places, left_out) = self.places(latest, user, None)?;
                places.retain(|place| place.org == org);
                Ok((places, left_out))
            }
            None => self.oldest(latest, user, limits),
        }
    }

    /// What counts of however many rows: those that the user accepted, then of the others the oldest.
    fn oldest(
        &self,
        latest: &Latest,
        user: &str,
        limits: Limits,
    ) -> Result<(Vec<Place>, LeftOut), ErrorReport> {
        let mut places = Vec::new();
        self.by_age(latest, user, Some(true), |row| {
            places.extend(self.place(row));
            places.len() <= MAX_COUNTED
        })?;
        let before = self.before(latest, user, limits, &mut places)?;
        let share = limits.share_before(before.len());
        let mut before = before.into_iter().peekable();
        let (mut given, mut left) = (Given::new(limits.all), limits.rows());
        self.by_age(latest, user, Some(false), |row| {
            left = left.saturating_sub(1);
            let Some(place) = self.place(row) else { return left > 0 };
            let at = self.given_at(row);
            while let Some(((_, giver), place)) = before.next_if(|((older, _), _)| *older <= at) {
                given.note(giver.as_deref(), share, place);
            }
            given.note(row.text_of(self.created_by), limits.of_one, place) && left > 0
        })?;
        for ((_, giver), place) in before {
            given.note(giver.as_deref(), share, place);
        }
        let (given, mut left_out) = given.finish();
        places.extend(given);
        left_out.beyond = places.len().saturating_sub(MAX_COUNTED);
        places.truncate(MAX_COUNTED);
        Ok((places, left_out))
    }

    /// Those that others gave at the time of 0.1.0, of rows that say no more than who made them; the rest of these goes to
    /// `accepted`.
    fn before(
        &self,
        latest: &Latest,
        user: &str,
        limits: Limits,
        accepted: &mut Vec<Place>,
    ) -> Result<Vec<(Gift, Place)>, ErrorReport> {
        let (mut before, mut left) = (Vec::new(), limits.rows());
        self.by_age(latest, user, None, |row| {
            if self.is_accepted(row, user) {
                accepted.extend(self.place(row));
            } else {
                left = left.saturating_sub(1);
                let gift = (self.given_at(row), row.text(self.created_by));
                before.extend(self.place(row).map(|place| (gift, place)));
            }
            left > 0 && accepted.len() <= MAX_COUNTED
        })?;
        Ok(before)
    }

    /// The rows that say this of having been accepted, the oldest first.
    fn by_age(
        &self,
        latest: &Latest,
        user: &str,
        accepted: Option<bool>,
        each: impl FnMut(&Row) -> bool,
    ) -> Result<(), ErrorReport> {
        let column = self.accepted as i16;
        let accepted = accepted.map_or(Wanted::Null(column), |accepted| Wanted::Flag(column, accepted));
        let wanted = [Wanted::Text(1, user), accepted];
        latest.rows_in_order(self.table, self.index_by_age, &wanted, each).ok_or_else(not_installed)
    }

    fn limits(&self) -> Limits {
        let (all, of_one) = settings::max_granted();
        Limits { all, of_one: of_one.saturating_mul(self.shares), of_one_before: of_one }
    }

    fn is_accepted(&self, row: &Row, user: &str) -> bool {
        let accepted = row.perhaps(self.accepted);
        let giver = if accepted.is_none() { row.text_of(self.created_by) } else { None };
        !row.has(self.accepted) || is_accepted(accepted, giver, user)
    }

    fn given_at(&self, row: &Row) -> i64 {
        row.timestamp(self.created_at).unwrap_or(i64::MAX)
    }

    fn place(&self, row: &Row) -> Option<Place> {
        match (row.uuid(self.id), row.uuid(self.org), row.flag(self.suspended)) {
            (Some(id), Some(org), false) => Some(Place {
                id,
                org,
                role: row.uuid(self.role),
                row: row.uuid(self.row),
                link: row.uuid(self.link),
                created_at: row.timestamp(self.created_at),
            }),
            _ => None,
        }
    }
}

/// The organizations in which a user's memberships count now; what applications say is not asked.
pub(in crate::pg) fn organizations(user: &str) -> Result<Vec<Uuid>, ErrorReport> {
    let (places, _) = ORGANIZATIONS.places(&Latest::new(), user, None)?;
    Ok(places.into_iter().map(|place| place.id).collect())
}

/// The workspaces in which they do.
pub(in crate::pg) fn workspaces(user: &str) -> Result<Vec<Uuid>, ErrorReport> {
    let (places, _) = WORKSPACES.places(&Latest::new(), user, None)?;
    Ok(places.into_iter().map(|place| place.id).collect())
}

/// The setting that keeps a giver from giving this user one more, if one does. It looks at what is there now, whatever
/// the transaction sees.
pub(in crate::pg) fn obstacle(
    user: &str,
    giver: &str,
    in_workspaces: bool,
) -> Result<Option<&'static str>, ErrorReport> {
    let kind = if in_workspaces { WORKSPACES } else { ORGANIZATIONS };
    let (limits, latest) = (kind.limits(), Latest::new());
    let (mut all, mut of_giver) = (0, 0);
    for accepted in [Some(false), None] {
        kind.by_age(&latest, user, accepted, |row| {
            if !kind.is_accepted(row, user) {
                all += 1;
                of_giver += usize::from(row.text_of(kind.created_by) == Some(giver));
            }
            all < limits.all
        })?;
    }
    Ok(if all >= limits.all {
        Some(MAX_GRANTED_MEMBERSHIPS)
    } else if of_giver >= limits.of_one {
        Some(MAX_GRANTED_BY_ONE)
    } else {
        None
    })
}
