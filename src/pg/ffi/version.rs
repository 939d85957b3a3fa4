//! Everything that differs between major versions of Postgres, or could differ without the compiler noticing.
//!
//! Each difference names every version, so that one that is added does not compile before somebody has looked at
//! all of them, and is mistaken for none of its predecessors.

use super::executor::{enter, leave, previous_run};
use super::owners::Access;
use pgrx::pg_sys;
use std::ffi::{CStr, c_char, c_int, c_void};

#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
compile_error!("a feature has to say for which PostgreSQL this is built: pg15, pg16, pg17 or pg18");

#[cfg(any(
    all(feature = "pg15", any(feature = "pg16", feature = "pg17", feature = "pg18")),
    all(feature = "pg16", any(feature = "pg15", feature = "pg17", feature = "pg18")),
    all(feature = "pg17", any(feature = "pg15", feature = "pg16", feature = "pg18")),
    all(feature = "pg18", any(feature = "pg15", feature = "pg16", feature = "pg17")),
))]
compile_error!("one library is for one PostgreSQL: choose one of pg15, pg16, pg17 and pg18");

#[cfg(feature = "pg15")]
const MAJOR: u32 = 15;
#[cfg(feature = "pg16")]
const MAJOR: u32 = 16;
#[cfg(feature = "pg17")]
const MAJOR: u32 = 17;
#[cfg(feature = "pg18")]
const MAJOR: u32 = 18;
const _: () = assert!(
    MAJOR == pg_sys::PG_MAJORVERSION_NUM,
    "the headers are those of another major version than the one that the feature names"
);

/// What the bindings have no names for. Look each of them up in the sources of a new version.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
mod numbers {
    use pgrx::pg_sys::{Oid, SubTransactionId};
    use std::ffi::c_int;

    /// The timeout of a statement: TimeoutId of timeout.h.
    pub(in crate::pg::ffi) const STATEMENT_TIMEOUT: c_int = 3;
    /// The lock that guards the directory of shared memory: lwlocknames.txt, from 17 on lwlocklist.h.
    pub(in crate::pg::ffi) const ADDIN_SHMEM_INIT_LOCK: usize = 21;
    /// The `createSubid` of a portal that an earlier transaction left: InvalidSubTransactionId of c.h.
    pub(in crate::pg::ffi) const NO_SUBTRANSACTION: SubTransactionId = 0;
    /// The `datconnlimit` of a database that was not dropped completely: DATCONNLIMIT_INVALID_DB of pg_database.h,
    /// which the first minor releases of 15 do not have.
    pub(in crate::pg::ffi) const INVALID_DATABASE: i32 = -2;
    /// The operator `uuid = uuid`: pg_operator.dat.
    pub(in crate::pg::ffi) const UUID_EQ: Oid = Oid::from_u32(2972);
    /// The btree operator family of uuids: pg_opfamily.dat.
    pub(in crate::pg::ffi) const UUID_FAMILY: Oid = Oid::from_u32(2968);
    /// The number of pg_policy: pg_policy.h.
    pub(in crate::pg::ffi) const POLICY_CATALOG: Oid = Oid::from_u32(3256);
    /// The number of pg_db_role_setting, and of its index by database and role: pg_db_role_setting.h.
    pub(in crate::pg::ffi) const ROLE_SETTINGS_CATALOG: Oid = Oid::from_u32(2964);
    pub(in crate::pg::ffi) const ROLE_SETTINGS_INDEX: Oid = Oid::from_u32(2965);
    /// pg_language.dat.
    pub(in crate::pg::ffi) const C_LANGUAGE: Oid = Oid::from_u32(13);
    pub(in crate::pg::ffi) const SQL_LANGUAGE: Oid = Oid::from_u32(14);
}
pub(super) use numbers::*;

/// Functions that no policy may call while access is explained: what they do outlives a rollback, or they show what this
/// session keeps and only it can see. Their numbers are those of pg_proc.dat; a new version may have more of them.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
pub(super) const REFUSED_BEHIND_THE_VEIL: [u32; 19] = [
    pg_sys::F_PG_ADVISORY_LOCK_INT8,
    pg_sys::F_PG_ADVISORY_LOCK_INT4_INT4,
    pg_sys::F_PG_ADVISORY_LOCK_SHARED_INT8,
    pg_sys::F_PG_ADVISORY_LOCK_SHARED_INT4_INT4,
    pg_sys::F_PG_TRY_ADVISORY_LOCK_INT8,
    pg_sys::F_PG_TRY_ADVISORY_LOCK_INT4_INT4,
    pg_sys::F_PG_TRY_ADVISORY_LOCK_SHARED_INT8,
    pg_sys::F_PG_TRY_ADVISORY_LOCK_SHARED_INT4_INT4,
    pg_sys::F_PG_ADVISORY_UNLOCK_INT8,
    pg_sys::F_PG_ADVISORY_UNLOCK_INT4_INT4,
    pg_sys::F_PG_ADVISORY_UNLOCK_SHARED_INT8,
    pg_sys::F_PG_ADVISORY_UNLOCK_SHARED_INT4_INT4,
    pg_sys::F_PG_ADVISORY_UNLOCK_ALL,
    // pg_logical_emit_message() has one argument more from 17 on, and so another name in the bindings.
    3577,
    3578,
    pg_sys::F_SETSEED,
    pg_sys::F_PG_STAT_GET_ACTIVITY,
    pg_sys::F_PG_STAT_GET_BACKEND_ACTIVITY,
    pg_sys::F_PG_GET_BACKEND_MEMORY_CONTEXTS,
];

// Not in the bindings: elog.h. The last of them jumps to whoever handles the error.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
unsafe extern "C-unwind" {
    pub(super) fn errstart(level: c_int, domain: *const c_char) -> bool;
    pub(super) fn errcode(code: c_int) -> c_int;
    pub(super) fn errmsg_internal(format: *const c_char, ...) -> c_int;
    pub(super) fn errdetail_internal(format: *const c_char, ...) -> c_int;
    pub(super) fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
}

// Not in the bindings: timeout.h.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
unsafe extern "C-unwind" {
    pub(super) fn enable_timeout_after(timeout: c_int, milliseconds: c_int);
}

// Not in the bindings: policy.h and pg_inherits.h.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
unsafe extern "C-unwind" {
    pub(super) fn get_relation_policy_oid(
        table: pg_sys::Oid,
        name: *const c_char,
        missing_ok: bool,
    ) -> pg_sys::Oid;
    pub(super) fn find_all_inheritors(
        table: pg_sys::Oid,
        lock: pg_sys::LOCKMODE,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
}

// In the bindings, too, whose wrappers do too much for these: they guard each call with a setjmp, catch errors of
// the command and raise other ones in their place, without position, context and names of constraints. Whoever
// calls one of these has nothing that needs dropping when an error jumps over it. Each is used where the bindings
// say what type it has: as a hook, or as the handler of a signal.
unsafe extern "C-unwind" {
    pub(super) fn SignalHandlerForConfigReload(signal: c_int);
    pub(super) fn SignalHandlerForShutdownRequest(signal: c_int);
    pub(super) fn die(signal: c_int);
    pub(super) fn standard_planner(
        query: *mut pg_sys::Query,
        text: *const c_char,
        options: c_int,
        params: pg_sys::ParamListInfo,
    ) -> *mut pg_sys::PlannedStmt;
    pub(super) fn standard_ExecutorStart(query: *mut pg_sys::QueryDesc, flags: c_int);
    pub(super) fn standard_ExecutorFinish(query: *mut pg_sys::QueryDesc);
    pub(super) fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        query: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        params: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        destination: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
        once: bool,
    );
}
#[cfg(feature = "pg18")]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
    );
}

// The same; these cannot raise at all, the second where the slot has a column of this number. A reader that policies
// call for each row asks the first, and each row that is read of our tables the second.
unsafe extern "C" {
    pub(super) fn GetCurrentStatementStartTimestamp() -> pg_sys::TimestampTz;
    pub(super) fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, column: c_int);
}
// They are what the bindings say.
const _: unsafe fn() -> pg_sys::TimestampTz = pg_sys::GetCurrentStatementStartTimestamp;
const _: unsafe fn(*mut pg_sys::TupleTableSlot, c_int) = pg_sys::slot_getsomeattrs_int;

/// Settings that not all versions have and that could end a background worker, with the values that it needs.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub(super) const PINNED: [(&CStr, &CStr); 0] = [];
#[cfg(any(feature = "pg17", feature = "pg18"))]
pub(super) const PINNED: [(&CStr, &CStr); 1] = [(c"transaction_timeout", c"0")];

/// Memory for a setting's `extra` block, which the settings machinery frees itself: with `free` on 15,
/// in its own memory context from 16 on. Null when there is none left.
pub(super) fn allocate_extra(size: usize) -> *mut c_void {
    #[cfg(feature = "pg15")]
    // SAFETY: plain malloc; a null result is the caller's to handle.
    unsafe {
        libc::malloc(size)
    }
    #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
    // SAFETY: guc_malloc with an elevel below ERROR returns null instead of raising.
    unsafe {
        pg_sys::guc_malloc(pg_sys::LOG as i32, size)
    }
}

/// Sets the handler of a signal.
pub(super) fn handle_signal(signal: u32, handler: pg_sys::pqsigfunc) {
    // SAFETY: the handler is one of Postgres's own, made for this.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        pg_sys::pqsignal(signal as i32, handler);
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(signal as i32, handler);
    }
}

/// May the current user execute this function?
pub(super) fn may_execute(function: pg_sys::Oid) -> bool {
    // SAFETY: reads a variable of the backend.
    user_may_execute(unsafe { pg_sys::GetUserId() }, function)
}

/// May this one?
pub(super) fn user_may_execute(user: pg_sys::Oid, function: pg_sys::Oid) -> bool {
    let right = pg_sys::ACL_EXECUTE as pg_sys::AclMode;
    // SAFETY: catalog look-ups in a transaction.
    let result = unsafe {
        #[cfg(feature = "pg15")]
        let result = pg_sys::pg_proc_aclcheck(function, user, right);
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        let result = pg_sys::object_aclcheck(pg_sys::ProcedureRelationId, function, user, right);
        result
    };
    result == pg_sys::AclResult::ACLCHECK_OK
}

/// May this user SET ROLE to that one?
pub(super) fn may_become(user: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups in a transaction.
    unsafe {
        #[cfg(feature = "pg15")]
        let may = pg_sys::is_member_of_role(user, role);
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        let may = pg_sys::member_can_set_role(user, role);
        may
    }
}

/// Is this column computed when it is read, so that no row holds it?
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
pub(super) fn is_virtual(_table: pg_sys::Oid, _column: pg_sys::AttrNumber) -> bool {
    false
}
#[cfg(feature = "pg18")]
pub(super) fn is_virtual(table: pg_sys::Oid, column: pg_sys::AttrNumber) -> bool {
    // SAFETY: a catalog look-up in a transaction.
    unsafe { pg_sys::get_attgenerated(table, column) as u8 == pg_sys::ATTRIBUTE_GENERATED_VIRTUAL }
}

/// Runs a started query to its end.
pub(super) unsafe fn run_executor(query: *mut pg_sys::QueryDesc) {
    let forward = pg_sys::ScanDirection::ForwardScanDirection;
    // SAFETY: the caller's query was started and not run yet.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        pg_sys::ExecutorRun(query, forward, 0, true);
        #[cfg(feature = "pg18")]
        pg_sys::ExecutorRun(query, forward, 0);
    }
}

/// How a query uses a table of its range table; `None` for one that it reads as a part of another one, whose policies
/// count.
///
/// # Safety
/// A plan, and an entry of its range table.
pub(super) unsafe fn access_of(
    plan: *mut pg_sys::PlannedStmt,
    entry: *mut pg_sys::RangeTblEntry,
) -> Option<Access> {
    // SAFETY: as the caller promises; on 16 and later an entry says which of the plan's permissions are its own.
    unsafe {
        #[cfg(feature = "pg15")]
        let (user, rights) = {
            let _ = plan;
            ((*entry).checkAsUser, (*entry).requiredPerms)
        };
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        let (user, rights) = {
            let place = usize::try_from((*entry).perminfoindex).ok()?.checked_sub(1)?;
            let info =
                super::nodes::members((*plan).permInfos).nth(place)?.cast::<pg_sys::RTEPermissionInfo>();
            ((*info).checkAsUser, (*info).requiredPerms)
        };
        let user = if user == pg_sys::InvalidOid { pg_sys::GetUserId() } else { user };
        (rights != 0).then_some(Access { user, rights })
    }
}

/// The hook of ExecutorRun.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
pub(super) unsafe extern "C-unwind" fn run_query(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    once: bool,
) {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        let before = enter(query);
        previous_run().unwrap_or(standard_ExecutorRun)(query, direction, count, once);
        leave(before, query, count);
    }
}

/// The hook of ExecutorRun.
#[cfg(feature = "pg18")]
pub(super) unsafe extern "C-unwind" fn run_query(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        let before = enter(query);
        previous_run().unwrap_or(standard_ExecutorRun)(query, direction, count);
        leave(before, query, count);
    }
}
