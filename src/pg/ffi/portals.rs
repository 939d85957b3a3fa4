//! Cursors that are open beside the running statement.

use super::executor::depends_on_identity;
use super::nodes::members;
use super::version::NO_SUBTRANSACTION;
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::{CStr, CString};

/// A portal as this module's callers need it.
pub(super) struct OpenPortal {
    pub(super) identity: PortalIdentity,
    /// An earlier transaction filled it.
    pub(super) held: bool,
    pub(super) holdable: bool,
    /// A procedure commits while it reads from it, so Postgres keeps its rows.
    pub(super) auto_held: bool,
    /// It is running, or a PL loop is reading from it.
    busy: bool,
    /// Policies choose its rows, or a view asks who is signed in.
    depends_on_identity: bool,
}

/// Tells a portal from every other, also from a later one of the same name: times stand still within a
/// message, so the addresses of the portal and of its rows count as well. They are compared, never followed.
#[derive(PartialEq)]
pub(super) struct PortalIdentity {
    portal: pg_sys::Portal,
    rows: *mut pg_sys::Tuplestorestate,
    name: CString,
    created_at: pg_sys::TimestampTz,
}

impl PortalIdentity {
    /// Closes the portal of this name for good, also when a loop was reading from it.
    pub(super) fn close(&self) {
        // SAFETY: looked up afresh, so it is null or a portal of the portal table.
        unsafe {
            if let Some(portal) = pg_sys::GetPortalByName(self.name.as_ptr()).as_mut() {
                portal.portalPinned = false;
                pg_sys::PortalDrop(portal, false);
            }
        }
    }
}

/// Is a cursor open that this transaction declared, other than those that run or are being looped over?
pub(in crate::pg) fn cursor_is_open() -> bool {
    all().iter().any(|portal| !portal.held && !portal.busy)
}

/// Is a cursor WITH HOLD open that this transaction declared, and fills when it ends?
pub(super) fn holdable_is_open() -> bool {
    all().iter().any(|portal| !portal.held && portal.holdable)
}

/// Is something being looped over that depends on who is signed in?
pub(in crate::pg) fn loops_over_dependent() -> bool {
    all().iter().any(|portal| !portal.held && portal.busy && portal.depends_on_identity)
}

/// Every open portal with a name, in no particular order.
pub(super) fn all() -> Vec<OpenPortal> {
    if only_the_running_portal() {
        return Vec::new();
    }
    names().into_iter().filter_map(look_up).collect()
}

/// Which portals are open.
pub(super) fn open() -> Vec<PortalIdentity> {
    all().into_iter().map(|portal| portal.identity).collect()
}

/// Closes those that were opened since, other than those that run.
pub(super) fn close_since(before: &[PortalIdentity]) {
    for portal in all() {
        if !portal.busy && !before.contains(&portal.identity) {
            portal.identity.close();
        }
    }
}

fn look_up(name: CString) -> Option<OpenPortal> {
    // SAFETY: the portal is read at once; it belongs to the portal table, not to us.
    unsafe {
        let portal = pg_sys::GetPortalByName(name.as_ptr());
        let found = portal.as_ref()?;
        Some(OpenPortal {
            held: found.createSubid == NO_SUBTRANSACTION,
            holdable: found.cursorOptions & pg_sys::CURSOR_OPT_HOLD as i32 != 0,
            auto_held: found.autoHeld,
            busy: found.portalPinned || found.status == pg_sys::PortalStatus::PORTAL_ACTIVE,
            depends_on_identity: members(found.stmts).any(|plan| depends_on_identity(plan.cast())),
            identity: PortalIdentity { portal, rows: found.holdStore, created_at: found.creation_time, name },
        })
    }
}

/// Is there no portal but the one that runs now? Every portal has a memory context, all of them below
/// one that lives as long as the backend, and looking at those costs next to nothing.
fn only_the_running_portal() -> bool {
    thread_local! {
        static PORTAL_CONTEXTS: Cell<pg_sys::MemoryContext> = const { Cell::new(std::ptr::null_mut()) };
    }
    // SAFETY: contexts below TopMemoryContext are valid while they are linked; the one called
    // TopPortalContext is made when the backend starts and never deleted.
    unsafe {
        if PORTAL_CONTEXTS.get().is_null() {
            PORTAL_CONTEXTS.set(child_named(pg_sys::TopMemoryContext, c"TopPortalContext"));
        }
        let Some(contexts) = PORTAL_CONTEXTS.get().as_ref() else {
            return false;
        };
        let Some(only) = contexts.firstchild.as_ref() else {
            return true;
        };
        let running = pg_sys::ActivePortal.as_ref().map(|portal| portal.portalContext);
        running == Some(contexts.firstchild) && only.nextchild.is_null()
    }
}

unsafe fn child_named(parent: pg_sys::MemoryContext, name: &CStr) -> pg_sys::MemoryContext {
    // SAFETY: the caller's parent is a live context, and so are its children; their names are static.
    unsafe {
        let mut child = (*parent).firstchild;
        while !child.is_null() && ((*child).name.is_null() || CStr::from_ptr((*child).name) != name) {
            child = (*child).nextchild;
        }
        child
    }
}

/// The portals that pg_cursors shows, those that run among them.
pub(super) fn visible() -> Vec<pg_sys::Portal> {
    // SAFETY: a look-up by a terminated name; null for what is not there.
    let look_up = |name: CString| unsafe { pg_sys::GetPortalByName(name.as_ptr()) };
    names().into_iter().map(look_up).filter(|portal| !portal.is_null()).collect()
}

/// The plans of all statements that the session has prepared, by SQL or by the protocol.
pub(super) fn prepared_statements() -> Vec<*mut pg_sys::CachedPlanSource> {
    // SAFETY: the view's function, and a look-up by a terminated name; null for what is not there.
    let look_up = |name: CString| unsafe {
        pg_sys::FetchPreparedStatement(name.as_ptr(), false).as_ref().map(|found| found.plansource)
    };
    // SAFETY: as above.
    let names = unsafe { first_column_of(pg_sys::F_PG_PREPARED_STATEMENT, pg_sys::pg_prepared_statement) };
    names.into_iter().filter_map(look_up).collect()
}

/// The names behind the view pg_cursors. The portal table itself is private to Postgres; calling the
/// view's function directly spares the executor.
fn names() -> Vec<CString> {
    // SAFETY: the view's function.
    unsafe { first_column_of(pg_sys::F_PG_CURSOR, pg_sys::pg_cursor) }
}

/// The first column, a text, of what a function without arguments gives.
unsafe fn first_column_of(
    number: u32,
    run: unsafe fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum,
) -> Vec<CString> {
    // SAFETY: the call is set up as execSRF.c does for a function that returns its rows in a tuplestore.
    unsafe {
        let context = pg_sys::CreateStandaloneExprContext();
        let mut function = pg_sys::FmgrInfo::default();
        pg_sys::fmgr_info(pg_sys::Oid::from(number), &mut function);
        let mut result = pg_sys::ReturnSetInfo {
            type_: pg_sys::NodeTag::T_ReturnSetInfo,
            econtext: context,
            allowedModes: pg_sys::SetFunctionReturnMode::SFRM_Materialize as i32,
            ..Default::default()
        };
        let mut call = pg_sys::FunctionCallInfoBaseData {
            flinfo: &mut function,
            resultinfo: (&raw mut result).cast(),
            ..Default::default()
        };
        run(&mut call);
        let texts = first_column(&result);
        pg_sys::FreeExprContext(context, true);
        texts
    }
}

/// Reads the first column, a text, of every row, and frees the rows.
unsafe fn first_column(result: &pg_sys::ReturnSetInfo) -> Vec<CString> {
    let mut texts = Vec::new();
    // SAFETY: the function filled setResult and setDesc.
    unsafe {
        let slot = pg_sys::MakeSingleTupleTableSlot(result.setDesc, &raw const pg_sys::TTSOpsMinimalTuple);
        while pg_sys::tuplestore_gettupleslot(result.setResult, true, false, slot) {
            pg_sys::slot_getsomeattrs_int(slot, 1);
            let text = pg_sys::text_to_cstring((*(*slot).tts_values).cast_mut_ptr());
            texts.push(CStr::from_ptr(text).to_owned());
            pg_sys::pfree(text.cast());
        }
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::tuplestore_end(result.setResult);
    }
    texts
}
