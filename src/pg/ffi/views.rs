//! Plans that ask who is signed in through a view: nobody who selects from it sees that it does.

use super::nodes::{is_a, members};
use pgrx::{pg_guard, pg_sys};
use std::cell::RefCell;
use std::ffi::{CStr, c_int};

const SCHEMA: &CStr = c"auth";
const VIEW: std::ffi::c_char = b'v' as std::ffi::c_char;
const FUNCTIONS: c_int = pg_sys::SysCacheIdentifier::PROCOID as c_int;

/// What views and policies ask: `auth_internal.readers()`, which a test compares with this, and what the planner puts in place
/// of some.
const READERS: [&CStr; 44] = [
    c"id_lists",
    c"in_org",
    c"is_member",
    c"current_org",
    c"org_ids",
    c"org_ids_with",
    c"external_org_id",
    c"external_org_number",
    c"require_org",
    c"require_member",
    c"has_permission_in",
    c"is_workspace_member",
    c"current_workspace",
    c"workspace_ids",
    c"require_workspace",
    c"uid",
    c"user_id",
    c"email",
    c"email_verified",
    c"jwt",
    c"claim",
    c"role",
    c"org_role",
    c"workspace_role",
    c"has_permission",
    c"has_scope",
    c"identity",
    c"api_key_id",
    c"is_authenticated",
    c"require_authenticated",
    c"require_permission",
    c"aal",
    c"amr",
    c"session_id",
    c"signed_in_within",
    c"require_aal",
    c"verify_jwt",
    c"check_api_key",
    c"is_service_role",
    c"service_floor",
    c"service_floor_text",
    c"service_floor_number",
    c"environment",
    c"allows_table",
];

thread_local! {
    /// The hashes of our readers in the cache of functions, by which a plan knows them; `None` when a function has changed.
    static HASHES: RefCell<Option<Vec<u32>>> = const { RefCell::new(None) };
}

/// Watches for functions that change. Called once, from `_PG_init`.
pub(super) fn install() {
    // SAFETY: a callback with the signature of inval.h.
    unsafe { pg_sys::CacheRegisterSyscacheCallback(FUNCTIONS, Some(forget), pg_sys::Datum::from(0_usize)) }
}

#[pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, _cache: c_int, _hash: u32) {
    HASHES.with_borrow_mut(|hashes| *hashes = None);
}

/// Does it read a view of somebody's, and call a reader of the identity?
///
/// # Safety
/// A plan.
pub(super) unsafe fn asks_through_view(plan: *mut pg_sys::PlannedStmt) -> bool {
    // SAFETY: the plan's own lists: of entries of a range table, and of what makes the plan anew when it changes.
    unsafe {
        let is_view = |entry: *mut pg_sys::Node| {
            let entry = &*entry.cast::<pg_sys::RangeTblEntry>();
            // Those that Postgres comes with ask nothing of ours.
            entry.relkind == VIEW && entry.relid.to_u32() >= pg_sys::FirstNormalObjectId
        };
        members((*plan).rtable).any(is_view)
            && members((*plan).invalItems)
                .filter(|item| is_a(*item, pg_sys::NodeTag::T_PlanInvalItem))
                .map(|item| &*item.cast::<pg_sys::PlanInvalItem>())
                .any(|item| item.cacheId == FUNCTIONS && is_reader(item.hashValue))
    }
}

/// In a transaction.
unsafe fn is_reader(hash: u32) -> bool {
    let known = HASHES.with_borrow(|hashes| hashes.as_ref().map(|hashes| hashes.contains(&hash)));
    known.unwrap_or_else(|| {
        // SAFETY: as the caller promises. A look-up may take in what has changed, and forget the hashes meanwhile.
        let hashes = unsafe { hashes() };
        let is_reader = hashes.contains(&hash);
        HASHES.with_borrow_mut(|kept| *kept = Some(hashes));
        is_reader
    })
}

unsafe fn hashes() -> Vec<u32> {
    // SAFETY: look-ups by name in a transaction; rows are read before their list is released.
    unsafe {
        let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
        let none = pg_sys::Datum::from(0_usize);
        let by_name = pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as c_int;
        let mut hashes = Vec::new();
        for name in READERS {
            let found =
                pg_sys::SearchSysCacheList(by_name, 1, pg_sys::Datum::from(name.as_ptr()), none, none);
            for place in 0..usize::try_from((*found).n_members).unwrap_or(0) {
                let member = *(*found).members.as_ptr().add(place);
                let row = pg_sys::GETSTRUCT(&raw mut (*member).tuple).cast::<pg_sys::FormData_pg_proc>();
                if (*row).pronamespace == schema {
                    let key = pg_sys::Datum::from((*row).oid);
                    hashes.push(pg_sys::GetSysCacheHashValue(FUNCTIONS, key, none, none, none));
                }
            }
            pg_sys::ReleaseCatCacheList(found);
        }
        hashes
    }
}
