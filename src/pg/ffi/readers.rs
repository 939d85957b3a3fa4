//! The readers that policies call once per row, as plain C functions: no allocation per row, and a
//! result that cannot dangle, because it is a copy that belongs to the calling expression.
//!
//! `sql/functions/identities/raw_readers.sql` declares them; `tests/database/catalog.rs` compares its declarations with the table there.

use super::carrier::{Membership, belongs, generation, statement_start, with_identity};
use crate::pg::encoding::{Text, View};
use crate::verify::identity::{Kind, Uuid};
use pgrx::{pg_guard, pg_sys};

/// What a reader of a value keeps in `fn_extra`.
#[repr(C)]
struct Kept {
    generation: u64,
    /// When the value becomes NULL; in the past for one that is NULL already.
    valid_until: i64,
    value: pg_sys::Datum,
}

/// Which value, and how to copy it into memory that lives as long as the expression.
type Copy = unsafe fn(View<'_>) -> Option<pg_sys::Datum>;

/// Answers with the kept copy while the identity is the one it was made from and has not expired.
#[inline]
unsafe fn kept(fcinfo: pg_sys::FunctionCallInfo, copy: Copy) -> pg_sys::Datum {
    // SAFETY: fmgr passes a valid fcinfo with a flinfo whose fn_extra is ours alone.
    unsafe {
        // Asked first: what is read after a call need not be saved across it.
        let now = statement_start();
        let function = (*fcinfo).flinfo;
        let mut kept = (*function).fn_extra.cast::<Kept>();
        if kept.is_null() || (*kept).generation != generation() {
            kept = renew(function, copy);
        }
        (*fcinfo).isnull = now >= (*kept).valid_until;
        (*kept).value
    }
}

/// Copies the value anew. Former copies stay until the expression ends: a caller may still look at them.
#[cold]
unsafe fn renew(function: *mut pg_sys::FmgrInfo, copy: Copy) -> *mut Kept {
    let copied = || {
        // SAFETY: fn_mcxt lives at least as long as fn_extra, and is current while the copy is made.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo((*function).fn_mcxt);
            let mut fresh =
                Kept { generation: generation(), valid_until: i64::MIN, value: pg_sys::Datum::null() };
            with_identity(|view| {
                if let Some(value) = copy(view) {
                    fresh.value = value;
                    fresh.valid_until = view.valid_until();
                }
            });
            let mut kept = (*function).fn_extra.cast::<Kept>();
            if kept.is_null() {
                kept = pg_sys::palloc(size_of::<Kept>()).cast();
            }
            kept.write(fresh);
            (*function).fn_extra = kept.cast();
            pg_sys::MemoryContextSwitchTo(before);
            kept
        }
    };
    // SAFETY: the readers that call this hold nothing that needs dropping when an error jumps past them.
    unsafe { pg_sys::panic::pgrx_extern_c_guard(copied) }
}

unsafe fn copy_id(id: Option<&Uuid>) -> Option<pg_sys::Datum> {
    let id = id?;
    // SAFETY: palloc gives 16 bytes or raises.
    unsafe {
        let copy = pg_sys::palloc(size_of::<Uuid>()).cast::<u8>();
        std::ptr::copy_nonoverlapping(id.as_ptr(), copy, size_of::<Uuid>());
        Some(pg_sys::Datum::from(copy))
    }
}

unsafe fn copy_ids(ids: &[Uuid]) -> Option<pg_sys::Datum> {
    let mut elements: Vec<pg_sys::Datum> = ids.iter().map(|id| pg_sys::Datum::from(id.as_ptr())).collect();
    let count = i32::try_from(elements.len()).ok()?;
    // SAFETY: every datum points to the 16 bytes of a uuid, which construct_array copies.
    unsafe {
        let align = pg_sys::TYPALIGN_CHAR as std::ffi::c_char;
        let array = pg_sys::construct_array(elements.as_mut_ptr(), count, pg_sys::UUIDOID, 16, false, align);
        Some(pg_sys::Datum::from(array))
    }
}

unsafe fn copy_text(text: Option<&str>) -> Option<pg_sys::Datum> {
    let text = text?;
    let length = i32::try_from(text.len()).ok()?;
    // SAFETY: that many bytes are copied into a fresh text; a pointer to nothing is not read.
    unsafe { Some(pg_sys::Datum::from(pg_sys::cstring_to_text_with_len(text.as_ptr().cast(), length))) }
}

/// The name that another system gave the current organization, as a number if it is written like one.
fn external_number(view: View<'_>) -> Option<i64> {
    let text = view.text(Text::ExternalOrg)?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// What is for services alone.
fn for_service<T>(view: View<'_>, value: T) -> Option<T> {
    (view.kind() == Kind::Service).then_some(value)
}

/// The id in the first argument of a function that is declared STRICT with one uuid argument.
#[inline]
unsafe fn argument<'a>(fcinfo: pg_sys::FunctionCallInfo) -> &'a Uuid {
    // SAFETY: a uuid is passed as a pointer to its 16 bytes, which fmgr keeps during the call.
    unsafe { &*(*fcinfo).args.as_ptr().read().value.cast_mut_ptr::<Uuid>() }
}

/// Answers with the verdict of a test; with NULL when nobody is signed in.
#[inline]
unsafe fn answer(fcinfo: pg_sys::FunctionCallInfo, verdict: Option<bool>) -> pg_sys::Datum {
    match verdict {
        Some(passed) => pg_sys::Datum::from(passed),
        None => {
            // SAFETY: fmgr passes a valid fcinfo.
            unsafe { (*fcinfo).isnull = true };
            pg_sys::Datum::null()
        }
    }
}

/// A raw reader: its C symbol and the version record that fmgr asks for.
macro_rules! raw_reader {
    ($(#[$doc:meta])* $symbol:ident, $record:ident, |$fcinfo:ident| $body:expr) => {
        $(#[$doc])*
        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $symbol($fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: called by fmgr for a function that the install script declares.
            unsafe { $body }
        }

        #[unsafe(no_mangle)]
        extern "C" fn $record() -> *const pg_sys::Pg_finfo_record {
            static RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }
    };
}

raw_reader!(
    /// `auth.uid()`
    pg_bearer_uid, pg_finfo_pg_bearer_uid, |fcinfo| kept(fcinfo, |view| copy_id(view.uid())));
raw_reader!(
    /// `auth.current_org()`
    pg_bearer_current_org, pg_finfo_pg_bearer_current_org, |fcinfo| kept(fcinfo, |view| copy_id(view.org())));
raw_reader!(
    /// `auth.current_workspace()`
    pg_bearer_current_workspace, pg_finfo_pg_bearer_current_workspace, |fcinfo| kept(fcinfo, |view| copy_id(view.workspace())));
raw_reader!(
    /// `auth.user_id()`
    pg_bearer_user_id, pg_finfo_pg_bearer_user_id, |fcinfo| kept(fcinfo, |view| copy_text(view.text(Text::UserId))));
raw_reader!(
    /// `auth.environment()`
    pg_bearer_environment, pg_finfo_pg_bearer_environment,
    |fcinfo| kept(fcinfo, |view| copy_text(view.text(Text::Environment))));
raw_reader!(
    /// `auth.external_org_id()`
    pg_bearer_external_org_id, pg_finfo_pg_bearer_external_org_id,
    |fcinfo| kept(fcinfo, |view| copy_text(view.text(Text::ExternalOrg))));
raw_reader!(
    /// `auth.external_org_number()`
    pg_bearer_external_org_number, pg_finfo_pg_bearer_external_org_number,
    |fcinfo| kept(fcinfo, |view| external_number(view).map(pg_sys::Datum::from)));
raw_reader!(
    /// `auth.service_floor()`
    pg_bearer_service_floor, pg_finfo_pg_bearer_service_floor,
    |fcinfo| kept(fcinfo, |view| copy_id(for_service(view, &[0; 16]))));
raw_reader!(
    /// `auth.service_floor_text()`
    pg_bearer_service_floor_text, pg_finfo_pg_bearer_service_floor_text,
    |fcinfo| kept(fcinfo, |view| copy_text(for_service(view, ""))));
raw_reader!(
    /// `auth.service_floor_number()`
    pg_bearer_service_floor_number, pg_finfo_pg_bearer_service_floor_number,
    |fcinfo| kept(fcinfo, |view| for_service(view, i64::MIN).map(pg_sys::Datum::from)));
raw_reader!(
    /// `auth.in_org(uuid)`
    pg_bearer_in_org, pg_finfo_pg_bearer_in_org, 
    |fcinfo| answer(fcinfo, with_identity(|view| view.org().map(|org| org == argument(fcinfo))).flatten()));
raw_reader!(
    /// `auth.is_member(uuid)`
    pg_bearer_is_member, pg_finfo_pg_bearer_is_member,
    |fcinfo| answer(fcinfo, belongs(Membership::Organization, || argument(fcinfo))));
raw_reader!(
    /// `auth.is_workspace_member(uuid)`
    pg_bearer_is_workspace_member, pg_finfo_pg_bearer_is_workspace_member,
    |fcinfo| answer(fcinfo, belongs(Membership::Workspace, || argument(fcinfo))));
raw_reader!(
    /// `auth.org_ids()`
    pg_bearer_org_ids, pg_finfo_pg_bearer_org_ids, |fcinfo| kept_list(fcinfo, |view| copy_ids(view.orgs())));
raw_reader!(
    /// `auth.workspace_ids()`
    pg_bearer_workspace_ids, pg_finfo_pg_bearer_workspace_ids,
    |fcinfo| kept_list(fcinfo, |view| copy_ids(view.workspaces())));

raw_reader!(
    /// `auth.id_lists()`
    pg_bearer_id_lists, pg_finfo_pg_bearer_id_lists, |fcinfo| kept(fcinfo, |view| copy_lists(view)));

/// Both lists as a record.
unsafe fn copy_lists(view: View<'_>) -> Option<pg_sys::Datum> {
    // SAFETY: the description says two columns, and two values are given; all of it is allocated or raises.
    unsafe {
        let mut values = [copy_ids(view.orgs())?, copy_ids(view.workspaces())?];
        let description = pg_sys::CreateTemplateTupleDesc(2);
        for (number, name) in [(1, c"org_ids"), (2, c"workspace_ids")] {
            pg_sys::TupleDescInitEntry(description, number, name.as_ptr(), pg_sys::UUIDARRAYOID, -1, 1);
        }
        let description = pg_sys::BlessTupleDesc(description);
        let tuple = pg_sys::heap_form_tuple(description, values.as_mut_ptr(), [false; 2].as_mut_ptr());
        Some(pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data))
    }
}

/// Like [`kept`], with an empty list instead of NULL.
unsafe fn kept_list(fcinfo: pg_sys::FunctionCallInfo, copy: Copy) -> pg_sys::Datum {
    // SAFETY: as for `kept`.
    unsafe {
        let value = kept(fcinfo, copy);
        if (*fcinfo).isnull { empty_list(fcinfo) } else { value }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn empty_list(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: allocates in the caller's memory context.
    unsafe {
        (*fcinfo).isnull = false;
        pg_sys::Datum::from(pg_sys::construct_empty_array(pg_sys::UUIDOID))
    }
}
