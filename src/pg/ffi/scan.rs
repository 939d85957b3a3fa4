//! Reading our own tables without the executor, whose start-up would cost more than everything else that
//! verifying a known token takes. No privilege or policy is consulted, so only `store.rs` may use it.

use super::catalog::OWNER;
pub(in crate::pg) use super::row::Row;
pub(in crate::pg) use super::wanted::Wanted;
use super::wanted::scan_key;
use pgrx::pg_sys;
use std::ffi::CStr;

/// The schema of all our tables.
const SCHEMA: &CStr = c"auth";
const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
/// So many places of rows are put in order at once: whoever stops early has not looked for all.
const AT_ONCE: u16 = 4096;

/// A snapshot. After an error, the end of the transaction releases it.
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
    /// One that sees every commit that came before, whatever the isolation level of the transaction.
    pub(in crate::pg) fn new() -> Latest {
        // SAFETY: we are in a transaction; the copy is registered with its resource owner.
        unsafe { Latest::of(pg_sys::GetLatestSnapshot()) }
    }

    /// What the statement that runs sees, which in a transaction that keeps its snapshot can be old.
    pub(in crate::pg) fn as_seen_here() -> Latest {
        // SAFETY: a statement that calls us has a snapshot; it is registered once more, so that it stays while we read.
        unsafe { Latest::of(pg_sys::GetActiveSnapshot()) }
    }

    /// The same, in a parallel worker what its leader sees, so that what is read is of one state with all else that the
    /// query reads. `None` where nothing is seen of rows.
    pub(in crate::pg) fn as_the_query_sees() -> Option<Latest> {
        // SAFETY: reads a variable of the backend.
        let is_set = unsafe { pg_sys::ActiveSnapshotSet() };
        is_set.then(Latest::as_seen_here).filter(Latest::is_of_rows)
    }

    unsafe fn of(snapshot: pg_sys::Snapshot) -> Latest {
        // SAFETY: the caller's snapshot is valid; a role that is missing gives an invalid number.
        unsafe {
            Latest {
                snapshot: pg_sys::RegisterSnapshot(snapshot),
                owner: pg_sys::get_role_oid(OWNER.as_ptr(), true),
            }
        }
    }

    fn is_of_rows(&self) -> bool {
        // SAFETY: registered by us.
        unsafe { (*self.snapshot).snapshot_type == pg_sys::SnapshotType::SNAPSHOT_MVCC }
    }

    /// Can there be rows in this table of ours? False also where there is no such table. Cheap, takes no snapshot, and says
    /// nothing of whether they are visible.
    pub(in crate::pg) fn has_rows(table: &CStr) -> bool {
        let Some((relation, _)) = relation(table) else { return false };
        // SAFETY: the relation is open while its size is asked.
        unsafe {
            let blocks = pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
            pg_sys::table_close(relation, LOCK);
            blocks > 0
        }
    }

    /// The snapshot itself, for scans made elsewhere.
    pub(super) fn snapshot(&self) -> pg_sys::Snapshot {
        self.snapshot
    }

    /// Gives `each` every row of `table` in which the wanted values stand, found through `index`, until it
    /// answers false; without wanted values every row of the table. `None` when there is no such table of ours.
    pub(in crate::pg) fn rows(
        &self,
        table: &CStr,
        index: &CStr,
        wanted: &[Wanted<'_>],
        each: impl FnMut(&Row) -> bool,
    ) -> Option<()> {
        self.open(table, index)?.rows(wanted, each);
        Some(())
    }

    /// The same in the order of the index. A client that can do without indexes is warned that this cannot.
    pub(in crate::pg) fn rows_in_order(
        &self,
        table: &CStr,
        index: &CStr,
        wanted: &[Wanted<'_>],
        each: impl FnMut(&Row) -> bool,
    ) -> Option<()> {
        self.open(table, index)?.rows_in_order(wanted, each);
        Some(())
    }

    /// What `read` makes of what can be thousands of rows, in the order of the index. They are read in the order of their
    /// places in the table, so that each of its pages is looked for once: in the order of the index that takes longer
    /// than all the rest. No more is read once `read` answers false.
    pub(in crate::pg) fn many_rows<T>(
        &self,
        table: &CStr,
        index: &CStr,
        wanted: &[Wanted<'_>],
        read: impl FnMut(&Row) -> (Option<T>, bool),
    ) -> Option<Vec<T>> {
        Some(self.open(table, index)?.many_rows(wanted, read))
    }

    /// Opens a table for several look-ups through one index. `None` when there is no such table of ours: a table of
    /// the same name that does not belong to our owner, whose role nobody can take on, is not looked at.
    pub(in crate::pg) fn open(&self, table: &CStr, index: &CStr) -> Option<Table<'_>> {
        let (relation, schema) = relation(table)?;
        // SAFETY: the relation is locked while it is open, and its index is looked up under that lock, so that it
        // cannot be replaced in between.
        unsafe {
            let scan = std::ptr::null_mut();
            let mut opened = Table { latest: self, relation, index: pg_sys::InvalidOid, scan, keys: 0 };
            opened.index = pg_sys::get_relname_relid(index.as_ptr(), schema);
            let ours = (*(*relation).rd_rel).relowner == self.owner && opened.index != pg_sys::InvalidOid;
            ours.then_some(opened)
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

/// A table of our schema, opened and locked, and the number of that schema; `None` when there is none of this name.
fn relation(table: &CStr) -> Option<(pg_sys::Relation, pg_sys::Oid)> {
    // SAFETY: catalog look-ups; a table that is gone by now gives null.
    unsafe {
        let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
        let table = pg_sys::get_relname_relid(table.as_ptr(), schema);
        if table == pg_sys::InvalidOid {
            return None;
        }
        let relation = pg_sys::try_table_open(table, LOCK);
        (!relation.is_null()).then_some((relation, schema))
    }
}

/// One of our tables, open and locked while this lives; after an error, the end of the transaction lets it go.
pub(in crate::pg) struct Table<'a> {
    latest: &'a Latest,
    relation: pg_sys::Relation,
    index: pg_sys::Oid,
    /// Null before the first look-up. Beginning one anew takes longer than all the rest of a look-up.
    scan: pg_sys::SysScanDesc,
    /// By how many values it looks.
    keys: i32,
}

impl Table<'_> {
    /// As [`Latest::rows`].
    pub(in crate::pg) fn rows(&mut self, wanted: &[Wanted<'_>], mut each: impl FnMut(&Row) -> bool) {
        // SAFETY: set when the session began.
        let by_index = !unsafe { pg_sys::IgnoreSystemIndexes };
        // Only an index can look for NULL. A client can do without indexes, so each row is asked as well.
        let mut keys: Vec<pg_sys::ScanKeyData> =
            wanted.iter().filter(|wanted| by_index || wanted.nullness().is_none()).map(scan_key).collect();
        let by_nullness = wanted.iter().any(|wanted| wanted.nullness().is_some());
        // SAFETY: the relation is open. Every row is used before the next one is fetched, and the values that are
        // looked for live as long as `wanted` or this memory context.
        unsafe {
            self.look_for(&mut keys);
            let row = Row::of(self.relation, (*self.scan).slot);
            while !pg_sys::systable_getnext(self.scan).is_null() {
                let agrees = !by_nullness || wanted.iter().all(|wanted| row.agrees(wanted));
                if agrees && !each(&row) {
                    break;
                }
            }
        }
    }

    fn rows_in_order(&self, wanted: &[Wanted<'_>], mut each: impl FnMut(&Row) -> bool) {
        let mut keys: Vec<pg_sys::ScanKeyData> = wanted.iter().map(scan_key).collect();
        let (count, keys) = (i32::try_from(keys.len()).unwrap_or(0), keys.as_mut_ptr());
        // SAFETY: the relation is open; the index stays so until the end of the scan. Every row is used before the next
        // one is fetched.
        unsafe {
            let index = pg_sys::index_open(self.index, LOCK);
            let snapshot = self.latest.snapshot;
            let scan = pg_sys::systable_beginscan_ordered(self.relation, index, snapshot, count, keys);
            let row = Row::of(self.relation, (*scan).slot);
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            while !pg_sys::systable_getnext_ordered(scan, forward).is_null() {
                if wanted.iter().all(|wanted| row.agrees(wanted)) && !each(&row) {
                    break;
                }
            }
            pg_sys::systable_endscan_ordered(scan);
            pg_sys::index_close(index, LOCK);
        }
    }

    fn many_rows<T>(
        &mut self,
        wanted: &[Wanted<'_>],
        mut read: impl FnMut(&Row) -> (Option<T>, bool),
    ) -> Vec<T> {
        let mut all = Vec::new();
        // SAFETY: set when the session began.
        if wanted.iter().any(|wanted| wanted.nullness().is_some()) || unsafe { pg_sys::IgnoreSystemIndexes } {
            self.rows(wanted, |row| {
                let (found, more) = read(row);
                all.extend(found);
                more
            });
            return all;
        }
        let mut keys: Vec<pg_sys::ScanKeyData> = wanted.iter().map(scan_key).collect();
        let (mut places, mut found, mut more) = (Vec::new(), Vec::new(), true);
        // SAFETY: the relation is open. A place that the index names holds the row for as long as the snapshot sees it,
        // and what else may come to be there, the snapshot does not see. Every row is used before the next is fetched.
        unsafe {
            self.look_for(&mut keys);
            let (scan, slot) = ((*self.scan).iscan, (*self.scan).slot);
            let row = Row::of(self.relation, slot);
            while more {
                let is_last = !next_places(scan, &mut places);
                found.resize_with(places.len(), || None);
                for place in &places {
                    pgrx::itemptr::u64_to_item_pointer(*place, &mut (*scan).xs_heaptid);
                    if pg_sys::index_fetch_heap(scan, slot) {
                        let (value, go_on) = read(&row);
                        let number = usize::from((*place >> NUMBER_AT) as u16);
                        if let Some(place) = found.get_mut(number) {
                            *place = value;
                        }
                        more &= go_on;
                        if !more {
                            break;
                        }
                    }
                }
                all.extend(found.drain(..).flatten());
                // It is not the one that the index was at.
                (*scan).kill_prior_tuple = false;
                more &= !is_last;
            }
        }
        all
    }

    unsafe fn look_for(&mut self, keys: &mut [pg_sys::ScanKeyData]) {
        let count = i32::try_from(keys.len()).unwrap_or(0);
        // SAFETY: the scan was begun on this relation and index, by as many values; the places of the index's
        // columns are taken for the numbers of the table's, as systable_beginscan() does.
        unsafe {
            if !self.scan.is_null() && !(*self.scan).irel.is_null() && self.keys == count {
                let index = (*(*self.scan).irel).rd_index;
                let columns =
                    (*index).indkey.values.as_slice(usize::try_from((*index).indnatts).unwrap_or(0));
                for key in keys.iter_mut() {
                    let place = columns.iter().position(|column| *column == key.sk_attno).unwrap_or(0);
                    key.sk_attno = i16::try_from(place + 1).unwrap_or(0);
                }
                let none = std::ptr::null_mut();
                pg_sys::index_rescan((*self.scan).iscan, keys.as_mut_ptr(), count, none, 0);
                return;
            }
            self.end();
            let snapshot = self.latest.snapshot;
            self.scan = pg_sys::systable_beginscan(
                self.relation,
                self.index,
                count > 0,
                snapshot,
                count,
                keys.as_mut_ptr(),
            );
            self.keys = count;
        }
    }

    unsafe fn end(&mut self) {
        // SAFETY: the scan that was begun, once.
        unsafe {
            if !self.scan.is_null() {
                pg_sys::systable_endscan(self.scan);
                self.scan = std::ptr::null_mut();
            }
        }
    }
}

/// The next places that the index names, in the order of pages, each with its number among them; false when those are the
/// last, after which nobody may ask for more.
unsafe fn next_places(scan: pg_sys::IndexScanDesc, places: &mut Vec<u64>) -> bool {
    places.clear();
    for number in 0..AT_ONCE {
        // SAFETY: the caller's scan; the place is copied at once.
        unsafe {
            let place = pg_sys::index_getnext_tid(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if place.is_null() {
                break;
            }
            places.push(pgrx::itemptr::item_pointer_to_u64(*place) | u64::from(number) << NUMBER_AT);
        }
    }
    places.sort_unstable();
    places.len() == usize::from(AT_ONCE)
}

/// Between the number of the page, in the upper half, and that of the row on it.
const NUMBER_AT: u32 = 16;

impl Drop for Table<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: opened in this transaction, with this lock.
            unsafe {
                self.end();
                pg_sys::table_close(self.relation, LOCK);
            }
        }
    }
}
