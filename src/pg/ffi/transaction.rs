//! An identity must not outlive its transaction in a cursor WITH HOLD.
//!
//! Once a transaction has had an identity, declaring such a cursor is refused, also when it got one while
//! the cursor was planned. Publishing is refused while a cursor is open (`identity.rs`). What gets past
//! both is closed before the commit, which fails. Cursors that a procedure reads across its own commits are
//! left to it, and closed when the command ends that called it.

use super::commands;
use super::migration;
use super::portals::{self, OpenPortal, PortalIdentity};
use super::veil;
use super::version::standard_ProcessUtility;
use crate::pg::sqlstate;
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};

thread_local! {
    /// This transaction has had an identity, whatever became of it.
    static HAD_IDENTITY: Cell<bool> = const { Cell::new(false) };
    /// The cursors that earlier transactions had left open when it got its first one.
    static HELD_BEFORE: RefCell<Vec<PortalIdentity>> = const { RefCell::new(Vec::new()) };
    /// A procedure may have ended a transaction while it was reading rows of an identity.
    static LEFT_TO_PROCEDURE: Cell<bool> = const { Cell::new(false) };
    /// This transaction is that of an HTTP request, whose sender was asked for.
    static HAD_REQUEST: Cell<bool> = const { Cell::new(false) };
    static PREVIOUS: Cell<pg_sys::ProcessUtility_hook_type> = const { Cell::new(None) };
}

/// Hooks into transactions and utility commands. Called once, from `_PG_init`.
pub(in crate::pg) fn install() {
    // SAFETY: callbacks with the signatures of xact.h and utility.h; hooks are variables of this backend.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        PREVIOUS.set(pg_sys::ProcessUtility_hook);
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

/// Remembers, until the transaction ends, that it has had an identity.
pub(in crate::pg) fn note_identity() {
    if !HAD_IDENTITY.replace(true) {
        let held = portals::all().into_iter().filter(|portal| portal.held);
        HELD_BEFORE.set(held.map(|portal| portal.identity).collect());
    }
}

/// Has this transaction had an identity, be it gone again?
pub(in crate::pg) fn had_identity() -> bool {
    HAD_IDENTITY.get()
}

/// Remembers, until the transaction ends, that the sender of its request was asked for. Is it the first time?
pub(in crate::pg) fn note_request() -> bool {
    !HAD_REQUEST.replace(true)
}

/// Was it asked for in this transaction?
pub(super) fn has_request() -> bool {
    HAD_REQUEST.get()
}

/// Commit and abort may neither raise nor call back into Postgres: they only set flags.
#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    let ends = [
        pg_sys::XactEvent::XACT_EVENT_COMMIT,
        pg_sys::XactEvent::XACT_EVENT_PREPARE,
        pg_sys::XactEvent::XACT_EVENT_ABORT,
    ];
    if ends.contains(&event) {
        HAD_REQUEST.set(false);
    }
    match event {
        pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT if HAD_IDENTITY.get() || LEFT_TO_PROCEDURE.get() => {
            close_cursors_of_identity();
        }
        pg_sys::XactEvent::XACT_EVENT_COMMIT | pg_sys::XactEvent::XACT_EVENT_PREPARE => {
            HAD_IDENTITY.set(false);
        }
        // A procedure that rolls back keeps the rows it is reading as well.
        pg_sys::XactEvent::XACT_EVENT_ABORT if HAD_IDENTITY.replace(false) => LEFT_TO_PROCEDURE.set(true),
        _ => {}
    }
}

/// The commit has already filled holdable cursors with rows, and an error alone would leave them open.
fn close_cursors_of_identity() {
    // SAFETY: asks whether a procedure is committing, rather than the client.
    let in_procedure = unsafe { pg_sys::SPI_inside_nonatomic_context() };
    let mut outliving = false;
    for portal in portals::all() {
        if portal.auto_held && in_procedure {
            LEFT_TO_PROCEDURE.set(true);
        } else if portal.auto_held && LEFT_TO_PROCEDURE.get() {
            portal.identity.close();
        } else if portal.holdable && HAD_IDENTITY.get() && !was_held_before(&portal) {
            portal.identity.close();
            outliving = true;
        }
    }
    if !in_procedure {
        LEFT_TO_PROCEDURE.set(false);
    }
    if outliving {
        refuse_held_cursor();
    }
}

fn was_held_before(portal: &OpenPortal) -> bool {
    HELD_BEFORE.with_borrow(|before| before.contains(&portal.identity))
}

fn refuse_held_cursor() {
    sqlstate::in_use("a cursor WITH HOLD cannot be created in a transaction that has had an identity")
        .set_hint(
            "Read the rows before the transaction ends; an identity, and what it may see, ends with it.",
        )
        .report(PgLogLevel::ERROR);
}

/// Nothing in it needs dropping when an error of the command jumps over it.
#[allow(clippy::too_many_arguments, reason = "the signature is utility.h's")]
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the arguments are passed on as they came; the statement is a valid node.
    unsafe {
        let holds = declares_held_cursor(statement);
        if holds {
            refuse_if_rows_are_somebodys();
        }
        if veil::is_down() && veil::executes_prepared((*statement).utilityStmt) {
            veil::refuse_execute();
        }
        let noted = commands::begin(statement);
        let next = PREVIOUS.get().unwrap_or(standard_ProcessUtility);
        next(statement, query, read_only_tree, context, params, environment, destination, completion);
        if let Some(before) = noted {
            commands::end(before);
        }
        // Planning the cursor's query may have run a function that authenticates.
        if holds {
            refuse_if_rows_are_somebodys();
        }
    }
}

#[pg_guard]
extern "C-unwind" fn refuse_if_rows_are_somebodys() {
    if HAD_IDENTITY.get() {
        refuse_held_cursor();
    }
    if migration::lasts() {
        sqlstate::in_use("a cursor WITH HOLD cannot be created in a data migration")
            .set_hint("Read the rows before the transaction ends; the migration ends with it.")
            .report(PgLogLevel::ERROR);
    }
}

unsafe fn declares_held_cursor(statement: *const pg_sys::PlannedStmt) -> bool {
    // SAFETY: a PlannedStmt of a utility command carries the node of that command.
    unsafe {
        let node = (*statement).utilityStmt;
        if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_DeclareCursorStmt {
            return false;
        }
        let declare = node.cast::<pg_sys::DeclareCursorStmt>();
        (*declare).options & pg_sys::CURSOR_OPT_HOLD as i32 != 0
    }
}
