//! Reading our own tables without the executor, whose start-up would cost more than everything else that
//! verifying a known token takes. No privilege or policy is consulted, so only `store.rs` may use it.

use crate::verify::identity::Uuid;
use pgrx::prelude::*;
use pgrx::{IntoDatum, pg_sys};
use std::ffi::{CStr, CString};

/// The schema of all our tables.
const SCHEMA: &CStr = c"auth";
/// The role that owns them.
const OWNER: &CStr = c"bearer_owner";
/// More columns than any of our tables has.
const MAX_COLUMNS: usize = 32;

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
    fn nullness(&self) -> Option<(i16, bool)> {
        match self {
            Wanted::Null(column) => Some((*column, true)),
            Wanted::NotNull(column) => Some((*column, false)),
            Wanted::Text(..) | Wanted::Uuid(..) | Wanted::Bytes(..) | Wanted::Flag(..) => None,
        }
    }
}

/// A snapshot taken when it is made: it sees every commit that came before, whatever the isolation level
/// of the transaction. Dropped on success; after an error, the end of the transaction releases it.
pub(in crate::pg) struct Latest {
    snapshot: pg_sys::Snapshot,
    owner: pg_sys::Oid,
}

/// Does the transaction keep the snapshot of its first statement (REPEATABLE READ, SERIALIZABLE)?
pub(in crate::pg) fn transaction_keeps_snapshot() -> bool {
    // SAFETY: reads a setting of the transaction; IsolationUsesXactSnapshot() of xact.h.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

impl Latest {
    pub(in crate::pg) fn new() -> Latest {
        // SAFETY: we are in a transaction; the copy is registered with its resource owner.
        unsafe {
            Latest {
                snapshot: pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()),
                owner: pg_sys::get_role_oid(OWNER.as_ptr(), true),
            }
        }
    }

    /// What the statement that runs sees, which in a transaction that keeps its snapshot can be old.
    pub(in crate::pg) fn as_seen_here() -> Latest {
        // SAFETY: a statement that calls us has a snapshot; the copy is registered with the resource owner.
        unsafe {
            Latest {
                snapshot: pg_sys::RegisterSnapshot(pg_sys::GetActiveSnapshot()),
                owner: pg_sys::get_role_oid(OWNER.as_ptr(), true),
            }
        }
    }

    /// Can there be rows in this table of ours? False also where there is no such table. Cheap, and says nothing of
    /// whether they are visible.
    pub(in crate::pg) fn has_rows(&self, table: &CStr) -> bool {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: the relation is open while its size is asked.
        unsafe {
            let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
            let table = pg_sys::get_relname_relid(table.as_ptr(), schema);
            if table == pg_sys::InvalidOid {
                return false;
            }
            let relation = pg_sys::try_table_open(table, lock);
            if relation.is_null() {
                return false;
            }
            let blocks = pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
            pg_sys::table_close(relation, lock);
            blocks > 0
        }
    }

    /// The snapshot itself, for scans made elsewhere.
    pub(super) fn snapshot(&self) -> pg_sys::Snapshot {
        self.snapshot
    }

    /// Gives `each` every row of `table` in which the wanted values stand, found through `index`, until it
    /// answers false; without wanted values every row of the table. `None` when there is no such table of
    /// ours: a table of the same name that does not belong to our owner, whose role nobody can take on, is
    /// not looked at.
    pub(in crate::pg) fn rows(
        &self,
        table: &CStr,
        index: &CStr,
        wanted: &[Wanted<'_>],
        each: impl FnMut(&Row) -> bool,
    ) -> Option<()> {
        self.read(table, index, wanted, Scan::begin, each)
    }

    /// The same in the order of the index. A client that can do without indexes is warned that this cannot.
    pub(in crate::pg) fn rows_in_order(
        &self,
        table: &CStr,
        index: &CStr,
        wanted: &[Wanted<'_>],
        each: impl FnMut(&Row) -> bool,
    ) -> Option<()> {
        self.read(table, index, wanted, Scan::begin_in_order, each)
    }

    fn read(
        &self,
        table: &CStr,
        index: &CStr,
        wanted: &[Wanted<'_>],
        begin: unsafe fn(pg_sys::Relation, pg_sys::Oid, pg_sys::Snapshot, &[Wanted<'_>]) -> Scan,
        mut each: impl FnMut(&Row) -> bool,
    ) -> Option<()> {
        let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: the relation is locked while it is read, and its index is looked up under that lock, so
        // that it cannot be replaced in between. Every row is used before the next one is fetched.
        unsafe {
            let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
            let table = pg_sys::get_relname_relid(table.as_ptr(), schema);
            if table == pg_sys::InvalidOid {
                return None;
            }
            let relation = pg_sys::try_table_open(table, lock);
            if relation.is_null() {
                return None;
            }
            let index = pg_sys::get_relname_relid(index.as_ptr(), schema);
            let ours = (*(*relation).rd_rel).relowner == self.owner && index != pg_sys::InvalidOid;
            if ours {
                let scan = begin(relation, index, self.snapshot, wanted);
                while let Some(tuple) = scan.next() {
                    let row = Row::of(tuple, relation);
                    if wanted.iter().all(|wanted| row.agrees(wanted)) && !each(&row) {
                        break;
                    }
                }
                scan.end();
            }
            pg_sys::table_close(relation, lock);
            ours.then_some(())
        }
    }
}

/// A scan that was begun, and its index if the rows come in the order of that.
struct Scan(pg_sys::SysScanDesc, Option<pg_sys::Relation>);

impl Scan {
    unsafe fn begin(
        relation: pg_sys::Relation,
        index: pg_sys::Oid,
        snapshot: pg_sys::Snapshot,
        wanted: &[Wanted<'_>],
    ) -> Scan {
        // SAFETY: set when the session began.
        let by_index = !unsafe { pg_sys::IgnoreSystemIndexes };
        // Only an index can look for NULL. A client can do without indexes, so each row is asked as well.
        let mut keys: Vec<pg_sys::ScanKeyData> =
            wanted.iter().filter(|wanted| by_index || wanted.nullness().is_none()).map(scan_key).collect();
        let (count, keys) = (keys.len() as i32, keys.as_mut_ptr());
        // SAFETY: the relation is open and locked; the keys are copied.
        Scan(unsafe { pg_sys::systable_beginscan(relation, index, count > 0, snapshot, count, keys) }, None)
    }

    unsafe fn begin_in_order(
        relation: pg_sys::Relation,
        index: pg_sys::Oid,
        snapshot: pg_sys::Snapshot,
        wanted: &[Wanted<'_>],
    ) -> Scan {
        let mut keys: Vec<pg_sys::ScanKeyData> = wanted.iter().map(scan_key).collect();
        let (count, keys) = (keys.len() as i32, keys.as_mut_ptr());
        // SAFETY: as above; the index stays open until the end of the scan.
        unsafe {
            let index = pg_sys::index_open(index, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            Scan(pg_sys::systable_beginscan_ordered(relation, index, snapshot, count, keys), Some(index))
        }
    }

    unsafe fn next(&self) -> Option<pg_sys::HeapTuple> {
        // SAFETY: the scan was begun and has not ended.
        let tuple = unsafe {
            match self.1 {
                None => pg_sys::systable_getnext(self.0),
                Some(_) => {
                    pg_sys::systable_getnext_ordered(self.0, pg_sys::ScanDirection::ForwardScanDirection)
                }
            }
        };
        Some(tuple).filter(|tuple| !tuple.is_null())
    }

    unsafe fn end(self) {
        // SAFETY: as above.
        unsafe {
            match self.1 {
                None => pg_sys::systable_endscan(self.0),
                Some(index) => {
                    pg_sys::systable_endscan_ordered(self.0);
                    pg_sys::index_close(index, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
                }
            }
        }
    }
}

impl Drop for Latest {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: registered in `new`, in this transaction.
            unsafe { pg_sys::UnregisterSnapshot(self.snapshot) }
        }
    }
}

fn scan_key(wanted: &Wanted<'_>) -> pg_sys::ScanKeyData {
    let (column, procedure, datum) = match wanted {
        Wanted::Text(column, text) => (*column, pg_sys::F_TEXTEQ, text.into_datum()),
        Wanted::Uuid(column, id) => (*column, pg_sys::F_UUID_EQ, pgrx::Uuid::from_bytes(*id).into_datum()),
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

/// A row while it is being looked at. Columns are numbered from 1; one that is NULL, or that the table
/// does not have, reads as `None`.
pub(in crate::pg) struct Row {
    tuple: pg_sys::HeapTuple,
    table: pg_sys::Oid,
    description: pg_sys::TupleDesc,
    values: [pg_sys::Datum; MAX_COLUMNS],
    nulls: [bool; MAX_COLUMNS],
    columns: usize,
}

impl Row {
    unsafe fn of(tuple: pg_sys::HeapTuple, relation: pg_sys::Relation) -> Row {
        // SAFETY: the relation is open.
        let (table, description) = unsafe { ((*relation).rd_id, (*relation).rd_att) };
        let mut row = Row {
            tuple,
            table,
            description,
            values: [pg_sys::Datum::null(); MAX_COLUMNS],
            nulls: [true; MAX_COLUMNS],
            columns: 0,
        };
        // SAFETY: the arrays are as long as the descriptor says, or the row reads as empty.
        unsafe {
            let columns = usize::try_from((*description).natts).unwrap_or(0);
            if columns <= MAX_COLUMNS {
                pg_sys::heap_deform_tuple(
                    tuple,
                    description,
                    row.values.as_mut_ptr(),
                    row.nulls.as_mut_ptr(),
                );
                row.columns = columns;
            }
        }
        row
    }

    /// Is the column NULL where it has to be, and nowhere else?
    fn agrees(&self, wanted: &Wanted<'_>) -> bool {
        let is_null = |column: i16| {
            let index = usize::try_from(column).ok().and_then(|column| column.checked_sub(1));
            index.and_then(|index| self.nulls.get(index)).copied().unwrap_or(true)
        };
        wanted.nullness().is_none_or(|(column, null)| is_null(column) == null)
    }

    /// The value of a column, if it has the type that is asked for.
    fn value<T: FromDatum>(&self, column: usize, kind: pg_sys::Oid) -> Option<T> {
        let index = column.checked_sub(1).filter(|index| *index < self.columns)?;
        // SAFETY: the descriptor has that many columns, and the value is of the type that T reads.
        unsafe {
            if pg_sys::SPI_gettypeid(self.description, i32::try_from(column).ok()?) != kind {
                return None;
            }
            T::from_datum(*self.values.get(index)?, *self.nulls.get(index)?)
        }
    }

    pub(in crate::pg) fn text(&self, column: usize) -> Option<String> {
        self.value(column, pg_sys::TEXTOID)
    }

    /// A text that is not kept longer than the row.
    pub(in crate::pg) fn text_of(&self, column: usize) -> Option<&str> {
        self.value(column, pg_sys::TEXTOID)
    }

    pub(in crate::pg) fn texts(&self, column: usize) -> Vec<String> {
        self.list(column).unwrap_or_default()
    }

    /// `None` for NULL, which is not the same as an empty list. NULLs in it are left out.
    pub(in crate::pg) fn list(&self, column: usize) -> Option<Vec<String>> {
        let texts: Vec<Option<String>> = self.value(column, pg_sys::TEXTARRAYOID)?;
        Some(texts.into_iter().flatten().collect())
    }

    /// A whole number.
    pub(in crate::pg) fn integer(&self, column: usize) -> Option<i32> {
        self.value(column, pg_sys::INT4OID)
    }

    pub(in crate::pg) fn bytes(&self, column: usize) -> Option<Vec<u8>> {
        self.value(column, pg_sys::BYTEAOID)
    }

    pub(in crate::pg) fn flag(&self, column: usize) -> bool {
        self.perhaps(column).unwrap_or(false)
    }

    /// A boolean that can be NULL.
    pub(in crate::pg) fn perhaps(&self, column: usize) -> Option<bool> {
        self.value(column, pg_sys::BOOLOID)
    }

    /// Has the table this column? One of an older release may not have it.
    pub(in crate::pg) fn has(&self, column: usize) -> bool {
        column <= self.columns
    }

    pub(in crate::pg) fn uuid(&self, column: usize) -> Option<Uuid> {
        self.value::<pgrx::Uuid>(column, pg_sys::UUIDOID).map(|id| *id.as_bytes())
    }

    pub(in crate::pg) fn uuids(&self, column: usize) -> Vec<Uuid> {
        let ids = self.value::<Vec<pgrx::Uuid>>(column, pg_sys::UUIDARRAYOID).unwrap_or_default();
        ids.iter().map(|id| *id.as_bytes()).collect()
    }

    /// A table, by its oid.
    pub(in crate::pg) fn relation(&self, column: usize) -> Option<pg_sys::Oid> {
        self.value(column, pg_sys::REGCLASSOID)
    }

    /// The name of something in the catalogs.
    pub(in crate::pg) fn name(&self, column: usize) -> Option<CString> {
        self.value::<&CStr>(column, pg_sys::NAMEOID).map(CStr::to_owned)
    }

    /// Microseconds since 2000.
    pub(in crate::pg) fn timestamp(&self, column: usize) -> Option<i64> {
        self.value(column, pg_sys::TIMESTAMPTZOID)
    }

    /// An interval in whole seconds, a month having 30 days; 0 when it is negative or NULL.
    pub(in crate::pg) fn seconds(&self, column: usize) -> u64 {
        let seconds = self.value::<Interval>(column, pg_sys::INTERVALOID).map(|interval| {
            let days = i64::from(interval.months()) * 30 + i64::from(interval.days());
            days * 86_400 + interval.micros() / 1_000_000
        });
        seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0)
    }

    /// The row's own bytes, by which it can be recognised: equal bytes in the same table are equal values.
    /// `None` when a value is stored elsewhere.
    pub(in crate::pg) fn image(&self) -> Option<(u32, u32, &[u8])> {
        // SAFETY: the tuple is valid while the row is looked at; its data ends after t_len bytes.
        unsafe {
            let head = (*self.tuple).t_data;
            let infomask = u32::from((*head).t_infomask);
            if infomask & pg_sys::HEAP_HASEXTERNAL != 0 {
                return None;
            }
            let shape = (u32::from((*head).t_infomask2) & pg_sys::HEAP_NATTS_MASK) << 16
                | u32::from((*head).t_hoff) << 8
                | infomask & pg_sys::HEAP_HASNULL;
            let start = std::mem::offset_of!(pg_sys::HeapTupleHeaderData, t_bits);
            let length = usize::try_from((*self.tuple).t_len).ok()?.checked_sub(start)?;
            let bytes = std::slice::from_raw_parts(head.cast::<u8>().add(start), length);
            Some((u32::from(self.table), shape, bytes))
        }
    }
}
