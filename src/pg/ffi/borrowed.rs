//! Running a query as another role, on behalf of an administrator who asks what that role would see.
//!
//! The query may run code of whoever owns the table: policies, and the functions in them. So it never runs as
//! the one who asks: it runs as a role that is named, in a security-restricted operation, in which no role can
//! be taken on and no identity established, READ ONLY, in a subtransaction that is rolled back whatever comes
//! of it, which brings back settings, the identity, the role and cursors, and takes notifications back. Meanwhile
//! nothing tells what the administrator wrote.

use super::carrier::set_locally;
use super::catalog::OWNER;
use super::nodes::members;
use super::request::setting;
use super::veil::Veil;
use super::version::{may_become, run_executor};
use crate::pg::sqlstate;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use pgrx::{PgTryBuilder, pg_guard, pg_sys};
use std::ffi::{CStr, CString, c_int};
use std::panic::AssertUnwindSafe;

/// What PostgREST says of the request in which somebody asks: their own credential, not the one that is asked about.
const REQUEST: [&CStr; 3] = [c"request.headers", c"request.cookies", c"request.header.authorization"];
/// Whoever is a member of these can become a superuser by files and programs of the server, also READ ONLY.
pub(super) const AS_GOOD_AS_SUPERUSERS: [u32; 3] = [
    pg_sys::ROLE_PG_READ_SERVER_FILES,
    pg_sys::ROLE_PG_WRITE_SERVER_FILES,
    pg_sys::ROLE_PG_EXECUTE_SERVER_PROGRAM,
];

/// An error that stayed within: its SQLSTATE and message.
pub(in crate::pg) struct Failed {
    pub(in crate::pg) state: String,
    pub(in crate::pg) message: String,
}

/// Whether the one who asks may have something run as a role.
pub(in crate::pg) enum Standing {
    May,
    /// There is no such role.
    Unknown,
    /// He cannot SET ROLE to it himself.
    NotHis,
    /// What others wrote is never run as this role.
    TooPowerful,
}

/// What the outer user may have done as this role.
pub(in crate::pg) fn standing(role: pg_sys::Oid) -> Standing {
    // SAFETY: catalog look-ups in a transaction; a missing role gives an invalid oid, and its name is null.
    unsafe {
        let user = pg_sys::GetOuterUserId();
        if pg_sys::GetUserNameFromId(role, true).is_null() {
            Standing::Unknown
        } else if !pg_sys::superuser_arg(user) && !may_become(user, role) {
            Standing::NotHis
        } else if pg_sys::superuser_arg(role)
            || role == pg_sys::get_role_oid(OWNER.as_ptr(), true)
            || AS_GOOD_AS_SUPERUSERS
                .iter()
                .any(|group| pg_sys::is_member_of_role(role, pg_sys::Oid::from(*group)))
        {
            Standing::TooPowerful
        } else {
            Standing::May
        }
    }
}

/// Does `work` in a subtransaction, and rolls it back. An error of `work` is caught, unless somebody wants the
/// session to stop.
pub(in crate::pg) fn rolled_back<T>(work: impl FnOnce() -> T) -> Result<T, Failed> {
    // SAFETY: as plpgsql does for a block with EXCEPTION: the context and the owner of resources are those from
    // before once the subtransaction is gone.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| Ok(work()))).catch_others(Err).execute();
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome.map_err(failed)
    }
}

fn failed(error: CaughtError) -> Failed {
    let report = match &error {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
        CaughtError::RustPanic { .. } => error.rethrow(),
    };
    let code = report.sql_error_code();
    if sqlstate::asks_to_stop(code) {
        error.rethrow();
    }
    Failed { state: state_text(code as c_int), message: report.message().to_owned() }
}

/// A SQLSTATE as it is written: five characters of six bits each.
pub(in crate::pg) fn state_text(code: c_int) -> String {
    let character = |at: c_int| u8::try_from((code >> (6 * at)) & 0x3F).unwrap_or(0).saturating_add(b'0');
    (0..5).map(|at| char::from(character(at))).collect()
}

/// A SELECT of one column of type text, and who it concerns.
pub(in crate::pg) struct Question<'a> {
    pub(in crate::pg) query: &'a CStr,
    /// Wrote what is in the query. To read it can mean running functions already, of a domain for instance.
    pub(in crate::pg) written_by: pg_sys::Oid,
    /// Asks it.
    pub(in crate::pg) role: pg_sys::Oid,
    /// For functions that have none of their own.
    pub(in crate::pg) search_path: &'a CStr,
}

impl Question<'_> {
    /// The rows. Only to be called where [`rolled_back`] cleans up.
    pub(in crate::pg) fn answer(&self) -> Vec<Option<String>> {
        let _veil = Veil::new();
        // SAFETY: user, read-only mode and settings are those from before when `rolled_back` is done. Parsing, rewriting,
        // planning and executing follow each other as in the simple protocol.
        unsafe {
            pg_sys::XactReadOnly = true;
            let anybody = pg_sys::GucContext::PGC_USERSET;
            set_locally(c"row_security", c"on", anybody);
            for name in REQUEST {
                // Where there is no such setting, none is made.
                if setting(name, usize::MAX).is_some() {
                    set_locally(name, c"", anybody);
                }
            }
            become_restricted(self.written_by);
            pg_sys::CommandCounterIncrement();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let text = self.query.as_ptr();
            let Some(statement) = members(pg_sys::pg_parse_query(text)).next() else { return Vec::new() };
            let query = pg_sys::parse_analyze_fixedparams(
                statement.cast(),
                text,
                std::ptr::null(),
                0,
                std::ptr::null_mut(),
            );
            set_locally(c"search_path", self.search_path, anybody);
            become_restricted(self.role);
            let Some(query) = members(pg_sys::pg_rewrite_query(query)).next() else { return Vec::new() };
            let plan = pg_sys::pg_plan_query(query.cast(), text, 0, std::ptr::null_mut());
            execute(plan, text)
        }
    }
}

unsafe fn become_restricted(role: pg_sys::Oid) {
    let context = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
    // SAFETY: the role exists; the subtransaction's end brings back user and context.
    unsafe { pg_sys::SetUserIdAndSecContext(role, context as c_int) }
}

/// What the executor hands rows to.
#[repr(C)]
struct Collector {
    receiver: pg_sys::DestReceiver,
    rows: Vec<Option<String>>,
}

unsafe fn execute(plan: *mut pg_sys::PlannedStmt, text: *const std::ffi::c_char) -> Vec<Option<String>> {
    let mut collector = Collector {
        receiver: pg_sys::DestReceiver {
            receiveSlot: Some(receive),
            rStartup: Some(start_up),
            rShutdown: Some(shut_down),
            rDestroy: Some(shut_down),
            mydest: pg_sys::CommandDest::DestNone,
        },
        rows: Vec::new(),
    };
    // SAFETY: the plan is a SELECT's; the collector outlives the query, and the snapshot is active meanwhile.
    unsafe {
        let query = pg_sys::CreateQueryDesc(
            plan,
            text,
            pg_sys::GetActiveSnapshot(),
            std::ptr::null_mut(),
            (&raw mut collector).cast(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        );
        pg_sys::ExecutorStart(query, 0);
        run_executor(query);
        pg_sys::ExecutorFinish(query);
        pg_sys::ExecutorEnd(query);
        pg_sys::FreeQueryDesc(query);
        pg_sys::PopActiveSnapshot();
    }
    collector.rows
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: the receiver is the first field of a Collector; the one column is a text.
    unsafe {
        if (*slot).tts_nvalid < 1 {
            pg_sys::slot_getsomeattrs_int(slot, 1);
        }
        let value = String::from_datum(*(*slot).tts_values, *(*slot).tts_isnull);
        (*receiver.cast::<Collector>()).rows.push(value);
    }
    true
}

#[pg_guard]
unsafe extern "C-unwind" fn start_up(
    _receiver: *mut pg_sys::DestReceiver,
    _operation: c_int,
    _shape: pg_sys::TupleDesc,
) {
}

#[pg_guard]
unsafe extern "C-unwind" fn shut_down(_receiver: *mut pg_sys::DestReceiver) {}

/// A text without zero bytes.
pub(in crate::pg) fn terminated(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}
