//! Users and their sessions, numbered as `sql/tables/users.sql` and `sql/tables/sessions.sql` declare them.

use super::not_installed;
use crate::pg::ffi::catalog;
use crate::pg::ffi::scan::{Latest, Wanted};
use crate::verify::ban::{self, Decision};
use crate::verify::identity::{Uuid, uuid, uuid_text};
use crate::verify::session::{Facts, Session};
use pgrx::pg_sys::panic::ErrorReport;
use std::ffi::CStr;

const BANS: &CStr = c"user_bans";
const BANS_BY_USER: &CStr = c"user_bans_user";
const SESSIONS: &CStr = c"sessions";
const SESSIONS_BY_ID: &CStr = c"sessions_pkey";
const PASSWORDS: &CStr = c"user_passwords";
const PASSWORDS_BY_USER: &CStr = c"user_passwords_user";

/// Can anybody be banned? Cheap; false also in a database that was not updated yet.
pub(in crate::pg) fn can_be_banned() -> bool {
    Latest::has_rows(BANS)
}

/// Is this user banned or deleted, with a snapshot taken now?
pub(in crate::pg) fn is_banned(user: &str) -> Result<bool, ErrorReport> {
    if !can_be_banned() {
        return Ok(false);
    }
    let mut decisions = Vec::new();
    let latest = Latest::new();
    latest
        .rows(BANS, BANS_BY_USER, &[Wanted::Text(2, user)], |row| {
            decisions.push(Decision {
                decided_at: row.timestamp(5).unwrap_or(i64::MAX),
                banned_until: row.timestamp(3),
                is_deleted: row.flag(4),
            });
            true
        })
        .ok_or_else(not_installed)?;
    Ok(ban::is_banned(&decisions, catalog::now()))
}

/// The session with this id, and what it depends on, as they are now; `None` when there is none.
pub(in crate::pg) fn session(id: Uuid) -> Result<Option<(Session, Facts)>, ErrorReport> {
    let latest = Latest::new();
    let mut found = None;
    latest
        .rows(SESSIONS, SESSIONS_BY_ID, &[Wanted::Uuid(1, id)], |row| {
            found = row.text(2).map(|user| Session {
                user,
                password: row.uuid(9),
                created_at: row.timestamp(13),
                expires_at: row.timestamp(14),
            });
            false
        })
        .ok_or_else(not_installed)?;
    let Some(session) = found else { return Ok(None) };
    // Users of other issuers have none here, however their ids look.
    let user = uuid(&session.user).filter(|id| uuid_text(id) == session.user);
    let password = user.map_or(Ok(None), |user| newest_password(&latest, user))?;
    Ok(Some((session, Facts { password, now: catalog::now() })))
}

/// The password that a user has now, whatever the snapshot.
pub(in crate::pg) fn password(user: Uuid) -> Result<Option<Uuid>, ErrorReport> {
    newest_password(&Latest::new(), user)
}

fn newest_password(latest: &Latest, user: Uuid) -> Result<Option<Uuid>, ErrorReport> {
    let mut newest = None;
    latest
        .rows(PASSWORDS, PASSWORDS_BY_USER, &[Wanted::Uuid(2, user)], |row| {
            newest = newest.max(row.timestamp(4).zip(row.uuid(1)));
            true
        })
        .ok_or_else(not_installed)?;
    Ok(newest.map(|(_, id)| id))
}
