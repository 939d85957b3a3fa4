//! Calling a function of the application on behalf of one of ours: a hook.
//!
//! It runs as its owner, under a pinned search_path, and leaves nothing behind but what it wrote: settings, role and
//! identity are those from before, its cursors are closed, and as in a security-restricted operation there is no deferred
//! trigger, temporary table or prepared statement of it. What it says, and why it failed, reaches nobody: it is
//! given one-time tokens, and any message may hold them.

use super::borrowed::{AS_GOOD_AS_SUPERUSERS, state_text};
use super::carrier::set_locally;
use super::catalog;
use super::input::JsonbArgument;
use super::log_masks::is_line_of_ours;
use super::output::JsonbText;
use super::portals;
use crate::pg::sqlstate::{self, hooks as errors};
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::{FromDatum, IntoDatum, PgTryBuilder, pg_sys};
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::panic::AssertUnwindSafe;

/// What a hook begins with. Its workers would log their errors themselves: it gets none.
const PINNED: [(&CStr, &CStr); 6] = [
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"max_parallel_workers", c"0"),
    // Whoever signs in has no say in what the code of a hook means.
    (c"row_security", c"on"),
    (c"standard_conforming_strings", c"on"),
    (c"transform_null_equals", c"off"),
    (c"array_nulls", c"on"),
];

thread_local! {
    /// While a hook runs: where messages went before.
    static RUNNING: Cell<Option<pg_sys::CommandDest::Type>> = const { Cell::new(None) };
}

/// Does a hook run?
pub(in crate::pg) fn runs() -> bool {
    RUNNING.get().is_some()
}

/// Calls the hook with this argument. 55000 when it fails, whatever the reason, and when it may not be called.
pub(in crate::pg) fn call(
    function: pg_sys::Oid,
    argument: JsonbText,
) -> Result<Option<JsonbText>, ErrorReport> {
    demand_alone()?;
    // SAFETY: in a transaction.
    apart(|| unsafe { Hook::find(function) }, argument)
}

/// Calls a function of ours that writes auth.users, on which there may be triggers of others: they run with the rights of its
/// owner, who has none, and as silently as a hook. Of an error the caller gets the SQLSTATE, if it is one to go by, else 55000.
pub(in crate::pg) fn write_users(
    function: &CStr,
    argument: JsonbText,
) -> Result<Option<JsonbText>, ErrorReport> {
    demand_alone()?;
    // SAFETY: catalog look-ups in a transaction.
    apart(|| unsafe { Hook::of_users(function) }, argument)
}

/// The same of one that reads auth.users, in whose policies and columns there may be code of others. It sees what is there now, and
/// may be called while a hook runs.
pub(in crate::pg) fn read_users(
    function: &CStr,
    argument: JsonbText,
) -> Result<Option<JsonbText>, ErrorReport> {
    // SAFETY: in a transaction, whose abort takes the snapshot away where this gives an error.
    unsafe {
        pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        let found = apart(|| Hook::of_users(function).map(|hook| Hook { reads: true, ..hook }), argument)?;
        pg_sys::PopActiveSnapshot();
        Ok(found)
    }
}

/// What `auth_internal.find_hook()` says of a hook as it is now.
pub(in crate::pg) fn current(name: &str) -> Result<Option<JsonbText>, ErrorReport> {
    // SAFETY: in a transaction, whose abort takes the snapshot away where this gives an error. Only superusers make functions in
    // our schema; this one takes a text, and gives a jsonb.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"auth_internal".as_ptr(), true);
        let found = catalog::function(schema, c"find_hook", &[pg_sys::TEXTOID], |row, _| Some(row.oid));
        let (Some(function), Some(name)) = (found, name.into_datum()) else { return Err(errors::missing()) };
        pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot());
        let hook = invoke(function, name);
        pg_sys::PopActiveSnapshot();
        Ok(hook)
    }
}

/// Nothing else of others runs meanwhile.
fn demand_alone() -> Result<(), ErrorReport> {
    if runs() { Err(errors::nested()) } else { Ok(()) }
}

/// Settings are afterwards what they were.
fn apart(
    find: impl FnOnce() -> Result<Hook, ErrorReport>,
    argument: JsonbText,
) -> Result<Option<JsonbText>, ErrorReport> {
    // SAFETY: in a transaction, whose abort ends the nest level of settings where this gives an error. The memory
    // context is the one from before also after an error.
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        for (setting, value) in PINNED {
            set_locally(setting, value, pg_sys::GucContext::PGC_USERSET);
        }
        let hook = find()?;
        let context = pg_sys::CurrentMemoryContext;
        let outcome = hook.run_silently(argument);
        pg_sys::MemoryContextSwitchTo(context);
        let result = outcome.map_err(|error| hook.failure(error))?;
        pg_sys::AtEOXact_GUC(false, level);
        Ok(result)
    }
}

/// A function that may be called as a hook.
struct Hook {
    function: pg_sys::Oid,
    owner: pg_sys::Oid,
    /// As a regprocedure is printed under the pinned search_path: with its schema.
    name: String,
    /// It is one of ours.
    is_ours: bool,
    /// It changes nothing.
    reads: bool,
}

impl Hook {
    /// # Safety
    /// In a transaction.
    unsafe fn of_users(function: &CStr) -> Result<Hook, ErrorReport> {
        // SAFETY: catalog look-ups by terminated names. Nobody but its owner, whom nobody can become, makes such a function.
        unsafe {
            let schema = pg_sys::get_namespace_oid(c"auth_internal".as_ptr(), true);
            let owner = pg_sys::get_role_oid(catalog::USERS.as_ptr(), true);
            let ours = |row: &pg_sys::FormData_pg_proc, _| {
                (row.prosecdef && row.proowner == owner).then_some(row.oid)
            };
            let found = catalog::function(schema, function, &[pg_sys::JSONBOID], ours);
            let function = found.ok_or_else(errors::missing)?;
            Ok(Hook { function, owner, name: "auth.users".to_owned(), is_ours: true, reads: false })
        }
    }

    /// # Safety
    /// In a transaction.
    unsafe fn find(function: pg_sys::Oid) -> Result<Hook, ErrorReport> {
        // SAFETY: a look-up by number; the row is read before it is released. The name of a function that is there is a
        // terminated string.
        unsafe {
            let tuple = pg_sys::SearchSysCache1(
                pg_sys::SysCacheIdentifier::PROCOID as c_int,
                pg_sys::Datum::from(function),
            );
            if tuple.is_null() {
                return Err(errors::missing());
            }
            let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
            let (owner, is_fit) = (row.proowner, is_fit(row));
            pg_sys::ReleaseSysCache(tuple);
            let name = CStr::from_ptr(pg_sys::format_procedure(function)).to_string_lossy().into_owned();
            if !is_fit {
                Err(errors::unfit(&name))
            } else if is_too_powerful(owner) {
                Err(errors::too_powerful(&name))
            } else {
                Ok(Hook { function, owner, name, is_ours: false, reads: false })
            }
        }
    }

    /// Runs it as its owner, and closes the cursors that it opened.
    fn run_silently(&self, argument: JsonbText) -> Result<Option<JsonbText>, CaughtError> {
        let before = portals::open();
        let _running = Running::begin(self.owner);
        let work = || {
            // SAFETY: the function takes a jsonb and gives a jsonb or void.
            let result =
                argument.into_datum().and_then(|argument| unsafe { invoke(self.function, argument) });
            portals::close_since(&before);
            Ok(result)
        };
        PgTryBuilder::new(AssertUnwindSafe(work)).catch_others(Err).execute()
    }

    /// What the caller is told, without a word of the hook's. Who wants the statement to end is not the hook.
    fn failure(&self, error: CaughtError) -> ErrorReport {
        let report = match &error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
            CaughtError::RustPanic { .. } => error.rethrow(),
        };
        let code = report.sql_error_code();
        let is_interrupt = report.file().ends_with("postgres.c");
        if is_interrupt && sqlstate::asks_to_stop(code) {
            return errors::stopped(code, report.message().to_owned());
        }
        if self.is_ours && errors::is_gone_by(code) {
            return errors::not_written_for(code);
        }
        sqlstate::log(format!("pg_bearer: hook {:?} failed with {}", self.name, state_text(code as c_int)));
        if self.is_ours {
            return if self.reads { errors::not_read() } else { errors::not_written() };
        }
        errors::failed(&self.name)
    }
}

/// May a function of this owner be a hook?
pub(in crate::pg) fn demand_fit(function: pg_sys::Oid) -> Result<(), ErrorReport> {
    // SAFETY: in a transaction.
    unsafe { Hook::find(function).map(drop) }
}

/// Is it a plain function of one jsonb that gives jsonb or nothing?
unsafe fn is_fit(row: &pg_sys::FormData_pg_proc) -> bool {
    let is_plain = u8::try_from(row.prokind) == Ok(pg_sys::PROKIND_FUNCTION) && !row.proretset;
    let gives = row.prorettype == pg_sys::JSONBOID || row.prorettype == pg_sys::VOIDOID;
    // SAFETY: a row of the catalog has as many types as arguments.
    let takes =
        unsafe { row.pronargs == 1 && row.proargtypes.values.as_slice(1).first() == Some(&pg_sys::JSONBOID) };
    is_plain && gives && takes
}

/// Is this a role that nothing of an application's runs as?
unsafe fn is_too_powerful(role: pg_sys::Oid) -> bool {
    let groups = AS_GOOD_AS_SUPERUSERS.map(pg_sys::Oid::from);
    // SAFETY: catalog look-ups in a transaction.
    let is_mighty = unsafe {
        pg_sys::superuser_arg(role) || groups.into_iter().any(|group| pg_sys::is_member_of_role(role, group))
    };
    is_mighty || catalog::is_of_ours(role)
}

/// As long as it exists, another user is the current one and no message reaches the client.
struct Running {
    user: pg_sys::Oid,
    context: c_int,
    destination: pg_sys::CommandDest::Type,
    outer: Option<pg_sys::CommandDest::Type>,
}

impl Running {
    fn begin(owner: pg_sys::Oid) -> Running {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: variables of the backend. What was restricted stays so.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            let destination = pg_sys::whereToSendOutput;
            let outer = RUNNING.get();
            let running = Running { user, context, destination, outer };
            RUNNING.set(outer.or(Some(destination)));
            pg_sys::whereToSendOutput = pg_sys::CommandDest::DestNone;
            let restricted = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
            pg_sys::SetUserIdAndSecContext(owner, context | restricted as c_int);
            running
        }
    }
}

impl Drop for Running {
    /// Also runs while an error is on its way: every error of the hook is caught where this is.
    fn drop(&mut self) {
        // SAFETY: variables of the backend, and the user and context from before.
        unsafe {
            pg_sys::SetUserIdAndSecContext(self.user, self.context);
            pg_sys::whereToSendOutput = self.destination;
            RUNNING.set(self.outer);
        }
    }
}

/// Room for a call with one argument: FunctionCallInfoBaseData ends with an array.
#[repr(C)]
struct Call {
    info: pg_sys::FunctionCallInfoBaseData,
    argument: pg_sys::NullableDatum,
}

/// # Safety
/// The function takes one argument, whose value this is, and gives a jsonb or void.
unsafe fn invoke(function: pg_sys::Oid, value: pg_sys::Datum) -> Option<JsonbText> {
    // SAFETY: the call is set up as fmgr.h does, and lives until it is done.
    unsafe {
        let mut looked_up = pg_sys::FmgrInfo::default();
        pg_sys::fmgr_info(function, &mut looked_up);
        let run = looked_up.fn_addr?;
        let info =
            pg_sys::FunctionCallInfoBaseData { flinfo: &mut looked_up, nargs: 1, ..Default::default() };
        let mut call = Call { info, argument: pg_sys::NullableDatum { value, isnull: false } };
        let result = pg_guard_ffi_boundary(|| run((&raw mut call).cast()));
        let is_void = pg_sys::get_func_rettype(function) == pg_sys::VOIDOID;
        let result = JsonbArgument::from_datum(result, call.info.isnull || is_void);
        result.map(|result| JsonbText(result.0))
    }
}

/// Is this message one of a hook, which nobody gets? The end of a session is told, but not what the hook was doing.
///
/// # Safety
/// The error that Postgres is about to log.
pub(super) unsafe fn silences(edata: *mut pg_sys::ErrorData) -> bool {
    let Some(destination) = RUNNING.get() else { return false };
    // SAFETY: as the caller says. Whatever ends the session does not free these texts.
    unsafe {
        let edata = &mut *edata;
        let is_at_least = |level: u32| u32::try_from(edata.elevel).is_ok_and(|found| found >= level);
        if is_at_least(pg_sys::FATAL) {
            edata.output_to_client = destination == pg_sys::CommandDest::DestRemote;
            edata.context = std::ptr::null_mut();
        }
        !is_at_least(pg_sys::PGERROR) && !is_line_of_ours(edata)
    }
}
