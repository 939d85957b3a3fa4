//! What the administrator wrote, and what the session holds, is out of reach while code of others runs on their behalf.
//!
//! Postgres shows a session its own cursors, prepared statements, statement and error context, whatever role it
//! runs as. A credential that is asked about can stand in all of them.

use super::catalog;
use super::nodes::is_a;
use super::portals;
use super::version::REFUSED_BEHIND_THE_VEIL;
use crate::pg::sqlstate;
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::{IntoDatum, pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};

const ACTIVE: pg_sys::PortalStatus::Type = pg_sys::PortalStatus::PORTAL_ACTIVE;
const NOTHING: &CStr = c"";

thread_local! {
    static IS_DOWN: Cell<bool> = const { Cell::new(false) };
    static PREVIOUS: Cell<pg_sys::object_access_hook_type> = const { Cell::new(None) };
}

/// Hooks into the execution of functions. Called once, from `_PG_init`.
pub(in crate::pg) fn install() {
    // SAFETY: hooks are variables of this backend.
    unsafe {
        PREVIOUS.set(pg_sys::object_access_hook);
        pg_sys::object_access_hook = Some(at_object_access);
    }
}

/// As long as it exists, the session's cursors and prepared statements can be neither seen nor used, nothing tells
/// the statement that runs, and nothing is sent to the client. Functions are refused that last or that tell what this
/// process keeps.
pub(super) struct Veil {
    cursors: Vec<Cursor>,
    prepared: Vec<Prepared>,
    was_down: bool,
    statement: *const c_char,
    context: *mut pg_sys::ErrorContextCallback,
    destination: pg_sys::CommandDest::Type,
}

/// A cursor, or what a PL loops over, as it was.
struct Cursor {
    portal: pg_sys::Portal,
    status: pg_sys::PortalStatus::Type,
}

/// A prepared statement, and its text.
struct Prepared {
    plan: *mut pg_sys::CachedPlanSource,
    text: *const c_char,
}

impl Veil {
    pub(super) fn new() -> Veil {
        let prepared = portals::prepared_statements();
        // SAFETY: variables of the backend; portals and prepared statements are live, since nothing ran since they
        // were looked up. No other session and no signal changes them.
        unsafe {
            let veil = Veil {
                cursors: portals::visible().into_iter().map(|portal| Cursor::hide(portal)).collect(),
                prepared: prepared.into_iter().map(|plan| Prepared::hide(plan)).collect(),
                was_down: IS_DOWN.replace(true),
                statement: pg_sys::debug_query_string,
                context: pg_sys::error_context_stack,
                destination: pg_sys::whereToSendOutput,
            };
            pg_sys::debug_query_string = std::ptr::null();
            pg_sys::error_context_stack = std::ptr::null_mut();
            // A policy could say to the administrator whatever it wants to be taken for us.
            pg_sys::whereToSendOutput = pg_sys::CommandDest::DestNone;
            veil
        }
    }
}

impl Drop for Veil {
    /// Also runs while an error is on its way, so it calls nothing that could raise another one.
    fn drop(&mut self) {
        // SAFETY: variables of the backend. A portal that counts as running is not dropped by anybody, and a prepared
        // statement not by what is restricted.
        unsafe {
            pg_sys::whereToSendOutput = self.destination;
            pg_sys::error_context_stack = self.context;
            pg_sys::debug_query_string = self.statement;
            IS_DOWN.set(self.was_down);
            for prepared in &self.prepared {
                (*prepared.plan).query_string = prepared.text;
            }
            for cursor in &self.cursors {
                (*cursor.portal).status = cursor.status;
                (*cursor.portal).visible = true;
            }
        }
        if !self.was_down {
            seed_randomly();
        }
    }
}

impl Cursor {
    /// Takes it out of pg_cursors. One that counts as running can be neither read from, nor moved, nor closed.
    unsafe fn hide(portal: pg_sys::Portal) -> Cursor {
        // SAFETY: a live portal.
        unsafe {
            let status = (*portal).status;
            (*portal).visible = false;
            (*portal).status = ACTIVE;
            Cursor { portal, status }
        }
    }
}

impl Prepared {
    /// Leaves an empty text in pg_prepared_statements. It would still be executed: see [`refuse_execute`].
    unsafe fn hide(plan: *mut pg_sys::CachedPlanSource) -> Prepared {
        // SAFETY: a live statement; its text is read for nothing but planning it anew, which only executing it does.
        unsafe {
            let text = (*plan).query_string;
            (*plan).query_string = NOTHING.as_ptr();
            Prepared { plan, text }
        }
    }
}

/// The setting `seed` is everybody's, and what it did to random() outlives its rollback. Raises no error: the seed is
/// between 0 and 1, and built-in functions are called without the catalog.
fn seed_randomly() {
    let mut bits = 0_u32;
    // SAFETY: the buffer is as long as is said; setseed() takes one float8.
    unsafe {
        if pg_sys::pg_strong_random((&raw mut bits).cast(), size_of::<u32>()) {
            let seed = f64::from(bits) / f64::from(u32::MAX);
            if let Some(datum) = seed.into_datum() {
                pg_sys::OidFunctionCall1Coll(pg_sys::Oid::from(pg_sys::F_SETSEED), pg_sys::InvalidOid, datum);
            }
        }
    }
}

/// Does this utility command execute a prepared statement, or show its plan?
///
/// # Safety
/// Null, or a node.
pub(super) unsafe fn executes_prepared(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag says which node it is.
    unsafe {
        let inner = if is_a(node, pg_sys::NodeTag::T_ExplainStmt) {
            (*node.cast::<pg_sys::ExplainStmt>()).query
        } else if is_a(node, pg_sys::NodeTag::T_CreateTableAsStmt) {
            (*node.cast::<pg_sys::CreateTableAsStmt>()).query
        } else if is_a(node, pg_sys::NodeTag::T_Query) {
            (*node.cast::<pg_sys::Query>()).utilityStmt
        } else {
            return is_a(node, pg_sys::NodeTag::T_ExecuteStmt);
        };
        executes_prepared(inner)
    }
}

pub(super) fn is_down() -> bool {
    IS_DOWN.get()
}

/// Its plan, its result and its error messages can hold what the administrator wrote into it.
#[pg_guard]
pub(super) extern "C-unwind" fn refuse_execute() {
    refuse("statements that the session prepared are not executed while access is explained");
}

/// Nothing in it needs dropping when an error of the previous hook jumps over it.
unsafe extern "C-unwind" fn at_object_access(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    part: c_int,
    argument: *mut c_void,
) {
    if access == pg_sys::ObjectAccessType::OAT_FUNCTION_EXECUTE && (IS_DOWN.get() || works_restricted()) {
        refuse_function(object);
    }
    if let Some(previous) = PREVIOUS.get() {
        // SAFETY: the arguments are passed on as they came.
        unsafe { previous(access, class, object, part, argument) }
    }
}

/// Is this a parallel worker of something restricted? It does not know of its leader's veil, and nothing that Postgres
/// itself gives to workers calls these functions.
fn works_restricted() -> bool {
    // SAFETY: variables of the backend.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 && catalog::in_restricted_operation() }
}

#[pg_guard]
extern "C-unwind" fn refuse_function(function: pg_sys::Oid) {
    if REFUSED_BEHIND_THE_VEIL.contains(&u32::from(function)) {
        refuse(
            "locks that outlast the transaction, and what tells of this session, are refused while access is explained",
        );
    }
}

fn refuse(message: &'static str) {
    sqlstate::forbidden(message).report(PgLogLevel::ERROR);
}
