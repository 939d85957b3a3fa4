//! What rows of our own tables are looked for by.

use crate::verify::identity::Uuid;
use pgrx::{IntoDatum, pg_sys};

/// A value that a column has to equal, by the column's number.
pub(in crate::pg) enum Wanted<'a> {
    Text(i16, &'a str),
    Uuid(i16, Uuid),
    Bytes(i16, &'a [u8]),
    Flag(i16, bool),
    /// The column is NULL.
    Null(i16),
    /// The column is not NULL.
    NotNull(i16),
}

impl Wanted<'_> {
    /// The column that has to be NULL (true), or must not be.
    pub(super) fn nullness(&self) -> Option<(i16, bool)> {
        match self {
            Wanted::Null(column) => Some((*column, true)),
            Wanted::NotNull(column) => Some((*column, false)),
            Wanted::Text(..) | Wanted::Uuid(..) | Wanted::Bytes(..) | Wanted::Flag(..) => None,
        }
    }
}

/// As Postgres looks for it. It points to what is wanted, or to the current memory context.
pub(super) fn scan_key(wanted: &Wanted<'_>) -> pg_sys::ScanKeyData {
    let (column, procedure, datum) = match wanted {
        Wanted::Text(column, text) => (*column, pg_sys::F_TEXTEQ, text.into_datum()),
        Wanted::Uuid(column, id) => (*column, pg_sys::F_UUID_EQ, Some(pg_sys::Datum::from(id.as_ptr()))),
        Wanted::Bytes(column, bytes) => (*column, pg_sys::F_BYTEAEQ, bytes.into_datum()),
        Wanted::Flag(column, flag) => (*column, pg_sys::F_BOOLEQ, flag.into_datum()),
        Wanted::Null(column) | Wanted::NotNull(column) => (*column, 0, None),
    };
    let mut key = pg_sys::ScanKeyData::default();
    if let Some((column, is_null)) = wanted.nullness() {
        let search = if is_null { pg_sys::SK_SEARCHNULL } else { pg_sys::SK_SEARCHNOTNULL };
        let (flags, none) = (pg_sys::SK_ISNULL | search, pg_sys::InvalidOid);
        // SAFETY: what ExecIndexBuildScanKeys() makes of IS NULL and IS NOT NULL.
        unsafe {
            pg_sys::ScanKeyEntryInitialize(
                &mut key,
                flags as i32,
                column,
                0, // InvalidStrategy
                none,
                none,
                none,
                pg_sys::Datum::null(),
            );
        }
        return key;
    }
    // SAFETY: the procedure compares values of the column's type. ScanKeyInit() gives texts the collation
    // "C", which is what these columns have.
    unsafe {
        pg_sys::ScanKeyInit(
            &mut key,
            column,
            pg_sys::BTEqualStrategyNumber as u16,
            pg_sys::Oid::from(procedure),
            datum.unwrap_or(pg_sys::Datum::null()),
        );
    }
    key
}
