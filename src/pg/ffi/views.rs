//! Plans that ask who is signed in through a view: nobody who selects from it sees that it does.

use super::nodes::{is_a, members};
use pgrx::pg_sys;
use std::ffi::{CStr, c_int};

const SCHEMA: &CStr = c"auth";
const VIEW: std::ffi::c_char = b'v' as std::ffi::c_char;

/// What views and policies ask: `auth_internal.readers()`, which a test compares with this.
const READERS: [&CStr; 36] = [
    c"in_org",
    c"is_member",
    c"current_org",
    c"org_ids",
    c"org_ids_with",
    c"external_org_id",
    c"external_org_number",
    c"require_org",
    c"has_permission_in",
    c"is_workspace_member",
    c"current_workspace",
    c"workspace_ids",
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
    c"verify_jwt",
    c"check_api_key",
    c"is_service_role",
    c"service_floor",
    c"service_floor_text",
    c"service_floor_number",
    c"environment",
    c"allows_table",
];

/// Does it read a view, and call a reader of the identity?
///
/// # Safety
/// A plan.
pub(super) unsafe fn asks_through_view(plan: *mut pg_sys::PlannedStmt) -> bool {
    // SAFETY: the plan's own lists: of entries of a range table, and of what makes the plan anew when it changes.
    unsafe {
        let is_view = |entry: *mut pg_sys::Node| (*entry.cast::<pg_sys::RangeTblEntry>()).relkind == VIEW;
        if !members((*plan).rtable).any(is_view) {
            return false;
        }
        let functions = c_int::try_from(pg_sys::SysCacheIdentifier::PROCOID).unwrap_or(-1);
        let called: Vec<u32> = members((*plan).invalItems)
            .filter(|item| is_a(*item, pg_sys::NodeTag::T_PlanInvalItem))
            .map(|item| &*item.cast::<pg_sys::PlanInvalItem>())
            .filter(|item| item.cacheId == functions)
            .map(|item| item.hashValue)
            .collect();
        !called.is_empty() && READERS.iter().any(|name| is_called(name, functions, &called))
    }
}

/// Is a function of this name of ours among those of these hashes?
unsafe fn is_called(name: &CStr, functions: c_int, hashes: &[u32]) -> bool {
    // SAFETY: a look-up by name in a transaction; rows are read before the list is released.
    unsafe {
        let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
        let none = pg_sys::Datum::from(0_usize);
        let cache = pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as c_int;
        let found = pg_sys::SearchSysCacheList(cache, 1, pg_sys::Datum::from(name.as_ptr()), none, none);
        let count = usize::try_from((*found).n_members).unwrap_or(0);
        let is_called = (0..count).any(|place| {
            let member = *(*found).members.as_ptr().add(place);
            let row = pg_sys::GETSTRUCT(&raw mut (*member).tuple).cast::<pg_sys::FormData_pg_proc>();
            let key = pg_sys::Datum::from((*row).oid);
            (*row).pronamespace == schema
                && hashes.contains(&pg_sys::GetSysCacheHashValue(functions, key, none, none, none))
        });
        pg_sys::ReleaseCatCacheList(found);
        is_called
    }
}
