//! What is stored for a role (`ALTER ROLE … SET`): Postgres applies it to logins, and not to a role that is switched to.

use super::carrier;
use super::version::{ROLE_SETTINGS_CATALOG, ROLE_SETTINGS_INDEX};
use pgrx::{FromDatum, pg_sys};
use std::ffi::{CStr, CString};

const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
/// The columns of pg_db_role_setting: pg_db_role_setting.h.
const DATABASE: i16 = 1;
const ROLE: i16 = 2;
const CONFIGURATION: i32 = 3;

/// Gives the current user's values to these settings, until the end of the transaction: those of its role in this database,
/// else those of its role, else those that the session began with. Could it? What this Postgres has no setting for is left out.
pub(in crate::pg) fn take_on(names: &[&CStr]) -> bool {
    // SAFETY: reads a variable of the backend.
    let (here, anywhere) = unsafe { (pg_sys::MyDatabaseId, pg_sys::InvalidOid) };
    let (nearer, farther) = (stored(here), stored(anywhere));
    names.iter().all(|name| {
        let Some((current, initial)) = values(name) else { return true };
        let value = value_of(&nearer, name).or_else(|| value_of(&farther, name)).unwrap_or(initial);
        value == current || carrier::set_locally(name, &value, pg_sys::GucContext::PGC_USERSET)
    })
}

/// What it is, and what the session began with, where there is such a setting.
fn values(name: &CStr) -> Option<(CString, CString)> {
    // SAFETY: the second call raises for what is no setting, which the first one has ruled out; each text is copied before
    // the next one takes its place.
    unsafe {
        let copied =
            |value: *const std::ffi::c_char| (!value.is_null()).then(|| CStr::from_ptr(value).to_owned());
        let current = copied(pg_sys::GetConfigOption(name.as_ptr(), true, false))?;
        Some((current, copied(pg_sys::GetConfigOptionResetString(name.as_ptr()))?))
    }
}

fn value_of(stored: &[String], name: &CStr) -> Option<CString> {
    let name = name.to_str().ok()?;
    let values = stored.iter().filter_map(|entry| entry.split_once('='));
    let value = values.filter(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()?;
    CString::new(value).ok()
}

/// `name=value` for the current user in this database; in the one that is none: in every one.
fn stored(database: pg_sys::Oid) -> Vec<String> {
    // SAFETY: the catalog and its index have these columns, which hold oids; the row is read before the scan ends, and what
    // is read is copied.
    unsafe {
        let mut keys = [pg_sys::ScanKeyData::default(), pg_sys::ScanKeyData::default()];
        for (key, (column, value)) in keys.iter_mut().zip([(DATABASE, database), (ROLE, pg_sys::GetUserId())])
        {
            let equals = pg_sys::Oid::from(pg_sys::F_OIDEQ);
            let strategy = pg_sys::BTEqualStrategyNumber as u16;
            pg_sys::ScanKeyInit(key, column, strategy, equals, pg_sys::Datum::from(value));
        }
        let relation = pg_sys::table_open(ROLE_SETTINGS_CATALOG, LOCK);
        let (count, none) = (2, std::ptr::null_mut());
        let scan =
            pg_sys::systable_beginscan(relation, ROLE_SETTINGS_INDEX, true, none, count, keys.as_mut_ptr());
        let tuple = pg_sys::systable_getnext(scan);
        let mut list = Vec::new();
        if !tuple.is_null() {
            let mut is_null = false;
            let datum = pg_sys::heap_getattr(tuple, CONFIGURATION, (*relation).rd_att, &mut is_null);
            list = Vec::<String>::from_datum(datum, is_null).unwrap_or_default();
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, LOCK);
        list
    }
}
