//! A row of one of our own tables.

use super::version::slot_getsomeattrs_int;
use super::wanted::Wanted;
use crate::verify::identity::Uuid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::{CStr, CString};

/// More columns than any of our tables has.
const MAX_COLUMNS: usize = 32;

/// A row while it is being looked at. Columns are numbered from 1; one that is NULL, or that the table
/// does not have, reads as `None`. It is taken apart only as far as it is read.
pub(in crate::pg) struct Row {
    table: pg_sys::Oid,
    description: pg_sys::TupleDesc,
    slot: *mut pg_sys::TupleTableSlot,
    columns: usize,
    /// The last column that anybody has read, of this row or of one before it.
    deepest: Cell<usize>,
    /// The types of the columns, where somebody has asked.
    kinds: [Cell<pg_sys::Oid>; MAX_COLUMNS],
}

impl Row {
    pub(super) unsafe fn of(relation: pg_sys::Relation, slot: *mut pg_sys::TupleTableSlot) -> Row {
        // SAFETY: the relation is open.
        unsafe {
            let description = (*relation).rd_att;
            let columns = usize::try_from((*description).natts).unwrap_or(0);
            Row {
                table: (*relation).rd_id,
                description,
                slot,
                columns: if columns <= MAX_COLUMNS { columns } else { 0 },
                deepest: Cell::new(0),
                kinds: [const { Cell::new(pg_sys::InvalidOid) }; MAX_COLUMNS],
            }
        }
    }

    /// Is the column NULL where it has to be, and nowhere else?
    pub(super) fn agrees(&self, wanted: &Wanted<'_>) -> bool {
        let is_null = |column: i16| {
            let datum = usize::try_from(column).ok().and_then(|column| self.datum(column));
            datum.is_none_or(|(_, is_null)| is_null)
        };
        wanted.nullness().is_none_or(|(column, null)| is_null(column) == null)
    }

    /// What a column holds, and whether it is NULL.
    #[inline]
    fn datum(&self, column: usize) -> Option<(pg_sys::Datum, bool)> {
        let index = column.checked_sub(1).filter(|index| *index < self.columns)?;
        // SAFETY: the slot holds the row, and has a place for each column of its table.
        unsafe {
            if usize::try_from((*self.slot).tts_nvalid).unwrap_or(0) < column {
                self.take_apart(column);
            }
            Some(((*self.slot).tts_values.add(index).read(), (*self.slot).tts_isnull.add(index).read()))
        }
    }

    /// At once as far as the rows before it were read: beginning again takes longer than going on.
    #[inline(never)]
    fn take_apart(&self, column: usize) {
        self.deepest.set(self.deepest.get().max(column));
        let columns = i32::try_from(self.deepest.get()).unwrap_or(1);
        // SAFETY: the slot holds the row, and its table has so many columns.
        unsafe { slot_getsomeattrs_int(self.slot, columns) }
    }

    /// Has the column this type?
    #[inline]
    fn is_a(&self, column: usize, kind: pg_sys::Oid) -> bool {
        let known = column.checked_sub(1).and_then(|index| self.kinds.get(index));
        known.is_some_and(|known| known.get() == kind || self.learn(known, column) == kind)
    }

    /// Asks for the type of a column, once.
    #[cold]
    fn learn(&self, known: &Cell<pg_sys::Oid>, column: usize) -> pg_sys::Oid {
        if known.get() == pg_sys::InvalidOid {
            let number = i32::try_from(column).unwrap_or(0);
            // SAFETY: a number that is none of a column's gives no type.
            known.set(unsafe { pg_sys::SPI_gettypeid(self.description, number) });
        }
        known.get()
    }

    /// The value of a column, if it has the type that is asked for.
    #[inline]
    fn value<T: FromDatum>(&self, column: usize, kind: pg_sys::Oid) -> Option<T> {
        let (datum, is_null) = self.datum(column)?;
        if !self.is_a(column, kind) {
            return None;
        }
        // SAFETY: the value is of the type that T reads.
        unsafe { T::from_datum(datum, is_null) }
    }

    /// How many bytes a list has, without reading one that is compressed or stored elsewhere.
    pub(in crate::pg) fn list_size(&self, column: usize) -> Option<usize> {
        let (datum, is_null) = self.datum(column)?;
        let is_list = !is_null && self.is_a(column, pg_sys::TEXTARRAYOID);
        // SAFETY: an array, in whatever form it is stored.
        is_list.then(|| unsafe { pg_sys::toast_raw_datum_size(datum) })
    }

    /// A list as it is stored, equal for equal lists unless they were made in different ways; `None` for one that is
    /// compressed or stored elsewhere.
    pub(in crate::pg) fn list_image(&self, column: usize) -> Option<&[u8]> {
        self.list_size(column)?;
        let (datum, _) = self.datum(column)?;
        let start = datum.cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: an array whose bytes are in the row, which stays while it is borrowed.
        unsafe {
            let is_here = !pgrx::varatt_is_4b_c(start) && !pgrx::varatt_is_1b_e(start);
            is_here.then(|| pgrx::varlena_to_byte_slice(start))
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

    #[inline]
    pub(in crate::pg) fn uuid(&self, column: usize) -> Option<Uuid> {
        let (datum, is_null) = self.datum(column)?;
        if is_null || !self.is_a(column, pg_sys::UUIDOID) {
            return None;
        }
        // SAFETY: a uuid is passed as a pointer to its 16 bytes, which are in the row.
        Some(unsafe { datum.cast_mut_ptr::<Uuid>().read() })
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

    /// Where the row is, and which transaction made it: no other row of the table is ever taken for it.
    pub(in crate::pg) fn mark(&self) -> (u64, u32) {
        // SAFETY: the slot holds a row of the table as it is stored.
        unsafe {
            let mut is_copy = false;
            let tuple = pg_sys::ExecFetchSlotHeapTuple(self.slot, false, &mut is_copy);
            let maker = (*(*tuple).t_data).t_choice.t_heap.t_xmin;
            (pgrx::itemptr::item_pointer_to_u64((*tuple).t_self), maker.into())
        }
    }

    /// The row's own bytes, by which it can be recognised: equal bytes in the same table are equal values.
    /// `None` when a value is stored elsewhere.
    pub(in crate::pg) fn image(&self) -> Option<(u32, u32, &[u8])> {
        // SAFETY: the slot holds a row of the table as it is stored, and keeps it while the row is looked at; its data
        // ends after t_len bytes.
        unsafe {
            let mut is_copy = false;
            let tuple = pg_sys::ExecFetchSlotHeapTuple(self.slot, false, &mut is_copy);
            let head = (*tuple).t_data;
            let infomask = u32::from((*head).t_infomask);
            if infomask & pg_sys::HEAP_HASEXTERNAL != 0 {
                return None;
            }
            let shape = (u32::from((*head).t_infomask2) & pg_sys::HEAP_NATTS_MASK) << 16
                | u32::from((*head).t_hoff) << 8
                | infomask & pg_sys::HEAP_HASNULL;
            let start = std::mem::offset_of!(pg_sys::HeapTupleHeaderData, t_bits);
            let length = usize::try_from((*tuple).t_len).ok()?.checked_sub(start)?;
            let bytes = std::slice::from_raw_parts(head.cast::<u8>().add(start), length);
            Some((u32::from(self.table), shape, bytes))
        }
    }
}
