//! Reading an application's own table of memberships. Past the executor, like our own tables: no policy,
//! trigger or function of the table's owner runs, and none of its privileges is needed.

use super::scan::Latest;
use super::version::{UUID_FAMILY, is_virtual};
use crate::verify::identity::{Uuid, uuid, uuid_text};
use crate::verify::membership::OrgName;
use pgrx::prelude::*;
use pgrx::{IntoDatum, pg_sys};
use std::ffi::{CStr, CString};

/// A registered table and the columns to read.
#[derive(PartialEq, Eq)]
pub(in crate::pg) struct Source {
    pub(in crate::pg) table: pg_sys::Oid,
    pub(in crate::pg) user: CString,
    pub(in crate::pg) org: CString,
    pub(in crate::pg) role: Option<CString>,
}

/// What kind of values a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Uuid,
    Bigint,
    Integer,
    Enum,
}

/// A column as it is now.
#[derive(Clone, Copy)]
struct Column {
    number: pg_sys::AttrNumber,
    kind: Kind,
    collation: pg_sys::Oid,
}

/// An organization, and the name of the user's role there.
pub(in crate::pg) type Held = (OrgName, Option<String>);

/// A relation that is locked while this lives; after an error, the end of the transaction lets it go.
struct Locked(pg_sys::Relation);

const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;

impl Drop for Locked {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: opened in this transaction, with this lock.
            unsafe { pg_sys::relation_close(self.0, LOCK) }
        }
    }
}

/// A registered table as it stays while this lives, and how the rows of a user are found in it. A snapshot
/// to read it with has to be taken afterwards: an older one sees nothing in a table that was rewritten, and
/// the wrong rows through an index that is younger.
pub(in crate::pg) struct Opened {
    relation: Locked,
    user: Column,
    org: Column,
    role: Option<Column>,
    index: pg_sys::Oid,
}

impl Opened {
    /// `None` when the table or one of the columns is gone, is no longer of a kind that can be read, or is
    /// being changed by the command that asks.
    pub(in crate::pg) fn open(source: &Source) -> Option<Opened> {
        // SAFETY: the relation stays open and locked while it and its columns are looked at.
        unsafe {
            let relation = pg_sys::try_relation_open(source.table, LOCK);
            if relation.is_null() {
                return None;
            }
            let relation = Locked(relation);
            if (*(*relation.0).rd_rel).relkind as u8 != pg_sys::RELKIND_RELATION || is_changing(relation.0) {
                return None;
            }
            let id = |name| column(source.table, name).filter(|column| column.kind != Kind::Enum);
            let user = id(&source.user)?;
            let org = id(&source.org)?;
            let role = match &source.role {
                Some(name) => Some(
                    column(source.table, name).filter(|role| matches!(role.kind, Kind::Text | Kind::Enum))?,
                ),
                None => None,
            };
            let index = index_of(relation.0, user);
            Some(Opened { relation, user, org, role, index })
        }
    }

    /// What the table says of this user.
    pub(in crate::pg) fn rows(&self, latest: &Latest, user: &str) -> Vec<Held> {
        let mut found = Vec::new();
        let Some(user) = User::of(user, self.user.kind) else { return found };
        let relation = self.relation.0;
        // SAFETY: the relation is open and locked. Every row is used before the next is fetched.
        unsafe {
            let mut key = scan_key(self.user, user);
            let by_index = self.index != pg_sys::InvalidOid;
            let snapshot = latest.snapshot();
            let scan = pg_sys::systable_beginscan(relation, self.index, by_index, snapshot, 1, &mut key);
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                // Once more, because an index can be damaged, and a table has an access method of its own.
                if User::in_row(tuple, relation, self.user) != Some(user) {
                    continue;
                }
                // A row without an organization says nothing.
                if let Some(org) = org_of(tuple, relation, self.org) {
                    found.push((org, self.role.and_then(|role| text_of(tuple, relation, role))));
                }
            }
            pg_sys::systable_endscan(scan);
        }
        found
    }
}

/// A user as a column holds him.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User<'a> {
    Text(&'a str),
    Uuid(Uuid),
    Bigint(i64),
    Integer(i32),
}

impl<'a> User<'a> {
    /// `None` when a column of this kind cannot hold such an id. A number is written in one way only: 7 is
    /// not the user 007.
    fn of(id: &'a str, kind: Kind) -> Option<User<'a>> {
        match kind {
            Kind::Text => Some(User::Text(id)),
            Kind::Uuid => uuid(id).map(User::Uuid),
            Kind::Bigint => id.parse().ok().filter(|number: &i64| number.to_string() == id).map(User::Bigint),
            Kind::Integer => {
                id.parse().ok().filter(|number: &i32| number.to_string() == id).map(User::Integer)
            }
            Kind::Enum => None,
        }
    }

    /// The user of a row; `None` for NULL.
    unsafe fn in_row(
        tuple: pg_sys::HeapTuple,
        relation: pg_sys::Relation,
        column: Column,
    ) -> Option<User<'a>> {
        // SAFETY: the value is read as what the column holds, and used before the next row is fetched.
        unsafe {
            let (value, is_null) = value_of(tuple, relation, column);
            match column.kind {
                Kind::Text => <&str>::from_datum(value, is_null).map(User::Text),
                Kind::Uuid => pgrx::Uuid::from_datum(value, is_null).map(|id| User::Uuid(*id.as_bytes())),
                Kind::Bigint => i64::from_datum(value, is_null).map(User::Bigint),
                Kind::Integer => i32::from_datum(value, is_null).map(User::Integer),
                Kind::Enum => None,
            }
        }
    }
}

/// Is a command of this session that may be changing the table on the stack? Then the rows can be of one kind
/// and the columns of another.
unsafe fn is_changing(relation: pg_sys::Relation) -> bool {
    // SAFETY: the caller holds the relation open.
    unsafe {
        let exclusive = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        (*relation).rd_refcnt > 1 && pg_sys::CheckRelationLockedByMe(relation, exclusive, true)
    }
}

unsafe fn column(table: pg_sys::Oid, name: &CStr) -> Option<Column> {
    let (mut kind, mut modifier, mut collation) = (pg_sys::InvalidOid, 0, pg_sys::InvalidOid);
    // SAFETY: catalog look-ups; a column that was dropped has no number.
    unsafe {
        let number = pg_sys::get_attnum(table, name.as_ptr());
        if number <= 0 || is_virtual(table, number) {
            return None;
        }
        pg_sys::get_atttypetypmodcoll(table, number, &mut kind, &mut modifier, &mut collation);
        let kind = match kind {
            pg_sys::TEXTOID | pg_sys::VARCHAROID => Kind::Text,
            pg_sys::UUIDOID => Kind::Uuid,
            pg_sys::INT8OID => Kind::Bigint,
            pg_sys::INT4OID => Kind::Integer,
            other if pg_sys::type_is_enum(other) => Kind::Enum,
            _ => return None,
        };
        // Where different texts count as equal, one user could pass for another.
        let exact = collation == pg_sys::InvalidOid || pg_sys::get_collation_isdeterministic(collation);
        exact.then_some(Column { number, kind, collation })
    }
}

/// Finds the rows of this user.
unsafe fn scan_key(column: Column, user: User<'_>) -> pg_sys::ScanKeyData {
    let (function, datum) = match user {
        User::Text(id) => (pg_sys::F_TEXTEQ, id.into_datum()),
        User::Uuid(id) => (pg_sys::F_UUID_EQ, pgrx::Uuid::from_bytes(id).into_datum()),
        User::Bigint(id) => (pg_sys::F_INT8EQ, id.into_datum()),
        User::Integer(id) => (pg_sys::F_INT4EQ, id.into_datum()),
    };
    let mut key = pg_sys::ScanKeyData::default();
    // SAFETY: the function compares values of the column's type, under the column's collation.
    unsafe {
        pg_sys::ScanKeyEntryInitialize(
            &mut key,
            0,
            column.number,
            pg_sys::BTEqualStrategyNumber as u16,
            pg_sys::InvalidOid,
            column.collation,
            pg_sys::Oid::from(function),
            datum.unwrap_or(pg_sys::Datum::null()),
        );
    }
    key
}

/// A whole btree index that begins with this column and orders it as its type and collation do; without one
/// the table is read from end to end.
unsafe fn index_of(relation: pg_sys::Relation, column: Column) -> pg_sys::Oid {
    let family = match column.kind {
        Kind::Text => pg_sys::TEXT_BTREE_FAM_OID,
        Kind::Uuid => UUID_FAMILY,
        Kind::Bigint | Kind::Integer => pg_sys::INTEGER_BTREE_FAM_OID,
        Kind::Enum => return pg_sys::InvalidOid,
    };
    // SAFETY: the table is locked, so its indexes stay; each is open while it is looked at.
    unsafe {
        let fits = |index: &pg_sys::Oid| {
            let opened = pg_sys::index_open(*index, LOCK);
            let form = (*opened).rd_index;
            let partial = pg_sys::Anum_pg_index_indpred as i32;
            let fits = (*(*opened).rd_rel).relam == pg_sys::BTREE_AM_OID
                && (*form).indisvalid
                && (*form).indkey.values.as_slice(1).first() == Some(&column.number)
                && pg_sys::heap_attisnull((*opened).rd_indextuple, partial, std::ptr::null_mut())
                && *(*opened).rd_opfamily == family
                && *(*opened).rd_indcollation == column.collation;
            pg_sys::index_close(opened, LOCK);
            fits
        };
        let list = pg_sys::RelationGetIndexList(relation);
        if list.is_null() {
            return pg_sys::InvalidOid;
        }
        let cells =
            std::slice::from_raw_parts((*list).elements, usize::try_from((*list).length).unwrap_or(0));
        cells.iter().map(|cell| cell.oid_value).find(fits).unwrap_or(pg_sys::InvalidOid)
    }
}

/// The value of a column, and whether it is NULL.
unsafe fn value_of(
    tuple: pg_sys::HeapTuple,
    relation: pg_sys::Relation,
    column: Column,
) -> (pg_sys::Datum, bool) {
    let mut is_null = true;
    let number = i32::from(column.number);
    // SAFETY: the column belongs to the relation that the tuple comes from.
    let value = unsafe { pg_sys::SPI_getbinval(tuple, (*relation).rd_att, number, &mut is_null) };
    (value, is_null)
}

/// An organization; `None` for NULL.
unsafe fn org_of(tuple: pg_sys::HeapTuple, relation: pg_sys::Relation, column: Column) -> Option<OrgName> {
    if column.kind == Kind::Uuid {
        // SAFETY: the column holds uuids.
        let id = unsafe {
            let (value, is_null) = value_of(tuple, relation, column);
            pgrx::Uuid::from_datum(value, is_null)
        };
        return id.map(|id| OrgName::Id(*id.as_bytes()));
    }
    // SAFETY: as the caller's.
    let text = unsafe { text_of(tuple, relation, column) }?;
    Some(uuid(&text).map_or(OrgName::External(text), OrgName::Id))
}

/// A value as text; `None` for NULL.
unsafe fn text_of(tuple: pg_sys::HeapTuple, relation: pg_sys::Relation, column: Column) -> Option<String> {
    // SAFETY: the value is read as what the column holds.
    unsafe {
        let (value, is_null) = value_of(tuple, relation, column);
        match column.kind {
            Kind::Text => String::from_datum(value, is_null),
            Kind::Uuid => pgrx::Uuid::from_datum(value, is_null).map(|id| uuid_text(id.as_bytes())),
            Kind::Bigint => i64::from_datum(value, is_null).map(|id| id.to_string()),
            Kind::Integer => i32::from_datum(value, is_null).map(|id| id.to_string()),
            Kind::Enum if is_null => None,
            Kind::Enum => {
                let label = pg_sys::OidOutputFunctionCall(pg_sys::Oid::from(pg_sys::F_ENUM_OUT), value);
                Some(CStr::from_ptr(label).to_string_lossy().into_owned())
            }
        }
    }
}
