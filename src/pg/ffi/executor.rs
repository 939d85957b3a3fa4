//! Queries that are running and depend on who is signed in: policies choose their rows, or a view asks.
//!
//! Of what these ask, the planner has some found out once for the query and some for each row. So that both
//! are about the same identity, it stays while such a query runs.

use super::commands;
use super::nodes::members;
use super::owners;
use super::version::{run_query, standard_ExecutorFinish, standard_ExecutorStart};
use super::views::{self, asks_through_view};
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};

thread_local! {
    /// The queries on the stack, and the nesting of transactions in which each was started, so that an error
    /// takes out its own.
    static RUNNING: RefCell<Vec<(c_int, *mut pg_sys::PlannedStmt)>> = const { RefCell::new(Vec::new()) };
    /// The memory of queries that were left before their end, for as long as it is there: SQL functions are
    /// asked for one row after the other, and are on no stack meanwhile.
    static SUSPENDED: RefCell<Vec<pg_sys::MemoryContext>> = const { RefCell::new(Vec::new()) };
    static PREVIOUS_START: Cell<pg_sys::ExecutorStart_hook_type> = const { Cell::new(None) };
    static PREVIOUS_RUN: Cell<pg_sys::ExecutorRun_hook_type> = const { Cell::new(None) };
    static PREVIOUS_FINISH: Cell<pg_sys::ExecutorFinish_hook_type> = const { Cell::new(None) };
}

/// Hooks into the executor. Called once, from `_PG_init`.
pub(in crate::pg) fn install() {
    // SAFETY: callbacks with the signatures of xact.h and executor.h; hooks are variables of this backend.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
        PREVIOUS_START.set(pg_sys::ExecutorStart_hook);
        PREVIOUS_RUN.set(pg_sys::ExecutorRun_hook);
        PREVIOUS_FINISH.set(pg_sys::ExecutorFinish_hook);
        pg_sys::ExecutorStart_hook = Some(start);
        pg_sys::ExecutorRun_hook = Some(run_query);
        pg_sys::ExecutorFinish_hook = Some(finish);
    }
    views::install();
    owners::install();
}

/// Whose hook comes after ours.
pub(super) fn previous_run() -> pg_sys::ExecutorRun_hook_type {
    PREVIOUS_RUN.get()
}

/// Is any query on the stack?
pub(super) fn runs() -> bool {
    RUNNING.with_borrow(|running| !running.is_empty())
}

/// Is such a query on the stack?
pub(in crate::pg) fn dependent_runs() -> bool {
    let plans: Vec<_> = RUNNING.with_borrow(|running| running.iter().map(|(_, plan)| *plan).collect());
    // SAFETY: what is on the stack has its plan; what an error ended was taken out with its transaction.
    plans.into_iter().any(|plan| unsafe { depends_on_identity(plan) })
}

/// Is the query that called us one of a function, and not the client's own?
pub(in crate::pg) fn function_runs() -> bool {
    let Some(plan) = RUNNING.with_borrow(|running| running.last().map(|(_, plan)| *plan)) else {
        return false;
    };
    // SAFETY: the active portal is null or has the plans of the client's statement.
    unsafe {
        let portal = pg_sys::ActivePortal;
        !portal.is_null() && !members((*portal).stmts).any(|own| own.cast() == plan)
    }
}

/// Is such a query to go on later?
pub(in crate::pg) fn is_dependent_suspended() -> bool {
    SUSPENDED.with_borrow(|suspended| !suspended.is_empty())
}

/// Does it use a table with row security, or ask through a view? Policies themselves are not in a plan any more.
///
/// # Safety
/// A plan.
pub(super) unsafe fn depends_on_identity(plan: *mut pg_sys::PlannedStmt) -> bool {
    // SAFETY: the entries of a range table; rows of pg_class are read before they are released.
    unsafe {
        members((*plan).rtable).any(|entry| {
            let entry = entry.cast::<pg_sys::RangeTblEntry>();
            (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION && has_policies((*entry).relid)
        }) || asks_through_view(plan)
    }
}

/// # Safety
/// In a transaction.
pub(super) unsafe fn has_policies(table: pg_sys::Oid) -> bool {
    // SAFETY: a look-up by number in a transaction.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::RELOID as c_int;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(table));
        if tuple.is_null() {
            return false;
        }
        let found = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>()).relrowsecurity;
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    let ends = [
        pg_sys::XactEvent::XACT_EVENT_ABORT,
        pg_sys::XactEvent::XACT_EVENT_COMMIT,
        pg_sys::XactEvent::XACT_EVENT_PREPARE,
    ];
    if ends.contains(&event) {
        RUNNING.with_borrow_mut(Vec::clear);
        owners::at_end();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_event(
    event: pg_sys::SubXactEvent::Type,
    _own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        // SAFETY: reads a variable of the backend.
        let ending = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
        RUNNING.with_borrow_mut(|running| running.retain(|(level, _)| *level < ending));
        commands::at_rollback(ending);
    }
}

/// Only queries of tables with row security cost more than this. Nothing in it needs dropping when an error jumps
/// over it.
unsafe extern "C-unwind" fn start(query: *mut pg_sys::QueryDesc, flags: c_int) {
    // SAFETY: the arguments are passed on as they came; a query has its plan.
    unsafe {
        if (*(*query).plannedstmt).dependsOnRole || owners::is_unmarked() {
            owners::refuse_unseen(query, flags);
        }
        PREVIOUS_START.get().unwrap_or(standard_ExecutorStart)(query, flags);
    }
}

/// Notes a query, and says how many ran before it.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn enter(query: *mut pg_sys::QueryDesc) -> usize {
    // SAFETY: the executor's query with its plan.
    unsafe {
        let before = RUNNING.with_borrow(Vec::len);
        let level = pg_sys::GetCurrentTransactionNestLevel();
        RUNNING.with_borrow_mut(|running| running.push((level, (*query).plannedstmt)));
        before
    }
}

/// Statements in WITH that nobody reads to their end run here. Nothing in it needs dropping when an error jumps
/// over it.
unsafe extern "C-unwind" fn finish(query: *mut pg_sys::QueryDesc) {
    // SAFETY: the argument is passed on as it came.
    unsafe {
        let before = enter(query);
        PREVIOUS_FINISH.get().unwrap_or(standard_ExecutorFinish)(query);
        leave(before, query, 0);
    }
}

/// Takes a query out again that was run for so many rows, 0 for all.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn leave(before: usize, query: *mut pg_sys::QueryDesc, count: u64) {
    RUNNING.with_borrow_mut(|running| running.truncate(before));
    // SAFETY: the executor's query, which has not ended.
    unsafe {
        if count > 0 && !(*query).estate.is_null() && depends_on_identity((*query).plannedstmt) {
            suspend((*(*query).estate).es_query_cxt);
        }
    }
}

unsafe fn suspend(memory: pg_sys::MemoryContext) {
    if SUSPENDED.with_borrow(|suspended| suspended.contains(&memory)) {
        return;
    }
    // SAFETY: the callback lies in the memory whose end it is called at.
    unsafe {
        let callback = pg_sys::MemoryContextAllocZero(memory, size_of::<pg_sys::MemoryContextCallback>());
        let callback = callback.cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(forget);
        (*callback).arg = memory.cast();
        SUSPENDED.with_borrow_mut(|suspended| suspended.push(memory));
        pg_sys::MemoryContextRegisterResetCallback(memory, callback);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn forget(memory: *mut c_void) {
    SUSPENDED.with_borrow_mut(|suspended| suspended.retain(|found| *found != memory.cast()));
}
