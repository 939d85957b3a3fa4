//! Commands whose own queries look at rows for their owner: while one runs, its queries are told from others.

use super::nodes::is_a;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::ffi::c_int;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// ALTER TABLE, which checks foreign keys.
    Alters,
    /// CREATE MATERIALIZED VIEW, which fills it.
    Fills,
}

thread_local! {
    /// Those on the stack, and the nesting of transactions in which each was started.
    static RUNNING: RefCell<Vec<(c_int, Kind)>> = const { RefCell::new(Vec::new()) };
}

/// Notes such a command that begins. `None` for any other.
///
/// # Safety
/// A utility command.
pub(super) unsafe fn begin(statement: *const pg_sys::PlannedStmt) -> Option<usize> {
    // SAFETY: a PlannedStmt of a utility command carries the node of that command; a variable of the backend.
    unsafe {
        let node = (*statement).utilityStmt;
        let kind = if is_a(node, pg_sys::NodeTag::T_AlterTableStmt) {
            Kind::Alters
        } else if is_a(node, pg_sys::NodeTag::T_CreateTableAsStmt) {
            Kind::Fills
        } else {
            return None;
        };
        let level = pg_sys::GetCurrentTransactionNestLevel();
        Some(RUNNING.with_borrow_mut(|running| {
            running.push((level, kind));
            running.len() - 1
        }))
    }
}

/// It has ended.
pub(super) fn end(before: usize) {
    RUNNING.with_borrow_mut(|running| running.truncate(before));
}

/// The transaction has ended.
pub(super) fn at_end() {
    RUNNING.with_borrow_mut(Vec::clear);
}

/// A subtransaction was rolled back.
pub(super) fn at_rollback(ending: c_int) {
    RUNNING.with_borrow_mut(|running| running.retain(|(level, _)| *level < ending));
}

/// Is ALTER TABLE running?
pub(super) fn alters_table() -> bool {
    runs(Kind::Alters)
}

/// Is something being created from a query?
pub(super) fn fills_relation() -> bool {
    runs(Kind::Fills)
}

fn runs(kind: Kind) -> bool {
    RUNNING.with_borrow(|running| running.iter().any(|(_, found)| *found == kind))
}
