//! The setting `pg_bearer.identity`: the one place where a transaction's identity lives.
//!
//! Postgres restores a setting at commit, rollback, savepoint and caught exception, and sends it to
//! parallel workers, which no memory of ours could match. A check hook refuses every value that does
//! not come from [`publish`] or from the start of a parallel worker. The decoded identity lies in the
//! setting's `extra` block, which Postgres keeps exactly as long as the value it belongs to.

use super::version::{GetCurrentStatementStartTimestamp, allocate_extra};
use crate::pg::encoding::View;
use crate::verify::identity::Uuid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

pub(super) const NAME: &CStr = c"pg_bearer.identity";
const REFUSED: &CStr = c"setting \"pg_bearer.identity\" cannot be set";
const REFUSED_HINT: &CStr = c"Call auth.authenticate(credential) to establish an identity.";
const UNREADABLE: &CStr = c"the identity was written by another version of pg_bearer";
const UNREADABLE_HINT: &CStr = c"Reconnect, so that every process of the session loads the same library.";

/// A value that only the backend's one thread touches.
struct Local<T>(Cell<T>);
// SAFETY: a backend runs Postgres code, and so all of ours, on a single thread.
unsafe impl<T> Sync for Local<T> {}

/// The current `extra` block: its length in the first eight bytes, then the encoded identity.
static CURRENT: Local<*const u8> = Local(Cell::new(std::ptr::null()));
/// What readers look up once per row, found once per assignment: pointers into the current block.
static LISTS: Lists =
    Lists { valid_until: Cell::new(i64::MIN), orgs: List::empty(), workspaces: List::empty() };
/// Raised at every assignment, so that copies know when they are stale.
static GENERATION: Local<u64> = Local(Cell::new(0));
/// True only while [`publish`] is on the stack.
static PUBLISHING: Local<bool> = Local(Cell::new(false));
static VALUE: Local<*mut c_char> = Local(Cell::new(std::ptr::null_mut()));

/// Sorted ids in the current block.
struct List(Cell<*const Uuid>, Cell<usize>);

impl List {
    const fn empty() -> List {
        List(Cell::new(std::ptr::dangling()), Cell::new(0))
    }

    fn set(&self, ids: &[Uuid]) {
        self.0.set(ids.as_ptr());
        self.1.set(ids.len());
    }

    #[inline]
    fn has(&self, id: &Uuid) -> bool {
        // SAFETY: `assign` sets pointer and length together, from a slice of the block that stays allocated
        // until the next call of it; a length of 0 with a dangling pointer is a slice as well.
        let ids = unsafe { std::slice::from_raw_parts(self.0.get(), self.1.get()) };
        match ids {
            [only] => only == id,
            _ => is_among(ids, id),
        }
    }
}

/// Apart from the way of a single id, which it would lengthen.
#[inline(never)]
fn is_among(ids: &[Uuid], id: &Uuid) -> bool {
    ids.binary_search(id).is_ok()
}

/// The memberships of the current identity, and when it expires: the distant past without one.
struct Lists {
    valid_until: Cell<i64>,
    orgs: List,
    workspaces: List,
}
// SAFETY: as for `Local`.
unsafe impl Sync for Lists {}

/// Which list of memberships.
#[derive(Clone, Copy)]
pub(super) enum Membership {
    Organization,
    Workspace,
}

/// Does the user belong there? `None` without an identity, or with one that has expired.
#[inline]
pub(super) fn belongs<'a>(which: Membership, id: impl FnOnce() -> &'a Uuid) -> Option<bool> {
    if statement_start() >= LISTS.valid_until.get() {
        return None;
    }
    Some(match which {
        Membership::Organization => LISTS.orgs.has(id()),
        Membership::Workspace => LISTS.workspaces.has(id()),
    })
}

/// Length prefix of an `extra` block; keeps what follows aligned for any id.
const PREFIX: usize = 16;

/// Why an identity could not be published.
#[derive(Debug)]
pub(in crate::pg) struct NotPublished;

/// Declares the setting. Called once, from `_PG_init`.
pub(in crate::pg) fn define() {
    // SAFETY: the strings are static, VALUE outlives the process, and the hooks have the signatures
    // that guc.h asks for.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            NAME.as_ptr(),
            c"The verified identity of this transaction.".as_ptr(),
            c"Set by auth.authenticate() and by nothing else; never shown.".as_ptr(),
            VALUE.0.as_ptr(),
            std::ptr::null(),
            pg_sys::GucContext::PGC_SUSET,
            (pg_sys::GUC_NO_SHOW_ALL | pg_sys::GUC_NOT_IN_SAMPLE | pg_sys::GUC_DISALLOW_IN_FILE) as c_int,
            Some(check),
            Some(assign),
            Some(show),
        );
    }
}

/// Refuses unknown settings that begin with `pg_bearer.`, also those set before the library was loaded.
pub(in crate::pg) fn reserve_prefix() {
    // SAFETY: a static string.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"pg_bearer".as_ptr()) }
}

/// Does this setting, which is not defined yet, have a value here, be it a client's? A server that loads
/// the library at its start has heard no client.
pub(in crate::pg) fn was_set_by_session(name: &CStr) -> bool {
    // SAFETY: with missing_ok it returns null for what nobody set; the name is nul-terminated.
    unsafe { pg_sys::IsUnderPostmaster && !pg_sys::GetConfigOption(name.as_ptr(), true, false).is_null() }
}

/// Makes `encoded` the identity until the end of the transaction, or nobody with `None`.
pub(in crate::pg) fn publish(encoded: Option<&[u8]>) -> Result<(), NotPublished> {
    struct Publishing;
    impl Drop for Publishing {
        fn drop(&mut self) {
            PUBLISHING.0.set(false);
        }
    }
    let text = encoded.map(|bytes| STANDARD_NO_PAD.encode(bytes)).unwrap_or_default();
    let value = CString::new(text).map_err(|_| NotPublished)?;
    let _flag = Publishing;
    PUBLISHING.0.set(true);
    // An ERROR unwinds through the flag's Drop, which only stores a bool.
    let done = set_locally(NAME, &value, pg_sys::GucContext::PGC_SUSET);
    if done { Ok(()) } else { Err(NotPublished) }
}

/// Sets a setting until the end of the transaction, as somebody who may do what `rights` says. Was it set?
pub(super) fn set_locally(name: &CStr, value: &CStr, rights: pg_sys::GucContext::Type) -> bool {
    // SAFETY: both strings are nul-terminated and live across the call.
    let done = unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            rights,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        )
    };
    done > 0
}

/// Lets `read` look at the published identity, expired or not. The view must not outlive the call,
/// because the next assignment frees what it points to.
#[inline]
pub(in crate::pg) fn with_published<T>(read: impl FnOnce(View<'_>) -> T) -> Option<T> {
    let block = CURRENT.0.get();
    if block.is_null() {
        return None;
    }
    // SAFETY: a block that is not null was built by `build`: its first eight bytes hold the number of
    // bytes that follow the prefix. It stays allocated until the next assignment, and `read` cannot
    // keep the slice because its lifetime is the closure's.
    let bytes = unsafe {
        let length = block.cast::<usize>().read();
        std::slice::from_raw_parts(block.add(PREFIX), length)
    };
    Some(read(View::new(bytes)))
}

/// When the running statement began, in a parallel worker as in its leader.
#[inline]
pub(in crate::pg) fn statement_start() -> pg_sys::TimestampTz {
    // SAFETY: reads a variable of the backend.
    unsafe { GetCurrentStatementStartTimestamp() }
}

/// Lets `read` look at the identity if there is one that has not expired at the statement's start.
#[inline]
pub(in crate::pg) fn with_identity<T>(read: impl FnOnce(View<'_>) -> T) -> Option<T> {
    let now = statement_start();
    with_published(|view| if now < view.valid_until() { Some(read(view)) } else { None }).flatten()
}

/// Number of assignments so far in this process.
#[inline]
pub(super) fn generation() -> u64 {
    GENERATION.0.get()
}

/// Checks and decodes a value into a fresh `extra` block.
fn build(value: &CStr) -> Option<*mut c_void> {
    let bytes = STANDARD_NO_PAD.decode(value.to_bytes()).ok()?;
    View::check(&bytes)?;
    let block = allocate_extra(bytes.len().checked_add(PREFIX)?).cast::<u8>();
    if block.is_null() {
        return None;
    }
    // SAFETY: the block has PREFIX + len bytes and the alignment of malloc.
    unsafe {
        block.cast::<usize>().write(bytes.len());
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), block.add(PREFIX), bytes.len());
    }
    Some(block.cast())
}

/// Sets the message of a refusal, so that Postgres does not print the value it refused.
fn refuse(message: &CStr, hint: &CStr) -> bool {
    let code = pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as c_int;
    // SAFETY: what GUC_check_errmsg() and GUC_check_errhint() of guc.h do.
    unsafe {
        pg_sys::GUC_check_errcode(code);
        pg_sys::GUC_check_errmsg_string = pg_sys::pstrdup(message.as_ptr());
        pg_sys::GUC_check_errhint_string = pg_sys::pstrdup(hint.as_ptr());
    }
    false
}

/// Nobody may always be set. Somebody may be set by [`publish`] and, with the leader's value, while a
/// parallel worker starts: that one arrives with source SESSION, whereas a value that a superuser stored
/// for a role or a database arrives with another.
#[pg_guard]
unsafe extern "C-unwind" fn check(
    value: *mut *mut c_char,
    extra: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: guc.h: both pointers are valid, *value is null or nul-terminated.
    unsafe {
        *extra = std::ptr::null_mut();
        if (*value).is_null() || **value == 0 {
            return true;
        }
        let starting_worker =
            pg_sys::InitializingParallelWorker && source == pg_sys::GucSource::PGC_S_SESSION;
        if !PUBLISHING.0.get() && !starting_worker {
            return refuse(REFUSED, REFUSED_HINT);
        }
        match build(CStr::from_ptr(*value)) {
            Some(block) => {
                *extra = block;
                true
            }
            None => refuse(UNREADABLE, UNREADABLE_HINT),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn assign(_value: *const c_char, extra: *mut c_void) {
    CURRENT.0.set(extra.cast_const().cast());
    LISTS.valid_until.set(i64::MIN);
    with_published(|view| {
        LISTS.orgs.set(view.orgs());
        LISTS.workspaces.set(view.workspaces());
        LISTS.valid_until.set(view.valid_until());
    });
    GENERATION.0.set(GENERATION.0.get().wrapping_add(1));
}

#[pg_guard]
unsafe extern "C-unwind" fn show() -> *const c_char {
    c"".as_ptr()
}
