//! Where a request comes from: the client's address, and what PostgREST says about the HTTP request.

use super::carrier;
use pgrx::{PgTryBuilder, pg_sys};
use std::ffi::{CStr, CString};
use std::net::IpAddr;

/// The address that the client's connection comes from; `None` for a unix socket, and in a process that has
/// no client.
pub(in crate::pg) fn peer() -> Option<IpAddr> {
    // SAFETY: SQL's inet_client_addr() takes no argument and gives an inet or NULL; host() takes an inet and
    // gives a text.
    let host: Option<String> = unsafe {
        let address = pgrx::direct_function_call_as_datum(pg_sys::inet_client_addr, &[])?;
        pgrx::direct_function_call(pg_sys::network_host, &[Some(address)])
    };
    host?.parse().ok()
}

/// The value of a setting, whoever made it; `None` when nobody did, when it is empty or longer than `limit`.
pub(in crate::pg) fn setting(name: &CStr, limit: usize) -> Option<String> {
    // SAFETY: with missing_ok it returns null for what nobody set; the name is nul-terminated, and the value is
    // copied before anything can change it.
    let value = unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        if value.is_null() {
            return None;
        }
        CStr::from_ptr(value)
    };
    let is_taken = (1..=limit).contains(&value.count_bytes());
    is_taken.then(|| value.to_str().ok().map(str::to_owned)).flatten()
}

/// Sets a setting that anybody may set, until the end of the transaction. Was it set?
pub(in crate::pg) fn set_locally(name: &CStr, value: &str) -> bool {
    CString::new(value).is_ok_and(|value| carrier::set_locally(name, &value, pg_sys::GucContext::PGC_USERSET))
}

/// Switches to a role until the end of the transaction. Could it?
pub(in crate::pg) fn switch_role(role: &CStr) -> bool {
    let switch = || carrier::set_locally(c"role", role, pg_sys::GucContext::PGC_USERSET);
    PgTryBuilder::new(switch).catch_others(|_| false).execute()
}

/// The number of the table of this name, if there is one.
pub(in crate::pg) fn table_number(schema: &CStr, table: &CStr) -> Option<u32> {
    // SAFETY: catalog look-ups by terminated names, in a transaction.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return None;
        }
        let table = pg_sys::get_relname_relid(table.as_ptr(), schema);
        (table != pg_sys::InvalidOid).then(|| u32::from(table))
    }
}
