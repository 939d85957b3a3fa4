//! The audit log, for what the library does itself: its functions run as their caller, who may not write rows.

use super::catalog::{self, OWNER};
use pgrx::IntoDatum;
use pgrx::pg_sys;

/// Adds a row to the audit log, as the owner of our tables: he owns the function that does it. The action is one of
/// `auth_internal.audit_actions()`. Nothing happens where the transaction writes nothing, and in the schema of 0.1.0.
pub(in crate::pg) fn note(action: &str, target: &str) {
    // SAFETY: catalog look-ups in a transaction. The function takes two texts and gives void; an error in it unwinds.
    unsafe {
        if pg_sys::XactReadOnly || pg_sys::RecoveryInProgress() {
            return;
        }
        let schema = pg_sys::get_namespace_oid(c"auth_internal".as_ptr(), true);
        let owner = pg_sys::get_role_oid(OWNER.as_ptr(), true);
        let arguments = [pg_sys::TEXTOID, pg_sys::TEXTOID];
        let ours =
            |row: &pg_sys::FormData_pg_proc, _| (row.prosecdef && row.proowner == owner).then_some(row.oid);
        let function = catalog::function(schema, c"audit_command", &arguments, ours);
        if let (Some(function), Some(action), Some(target)) =
            (function, action.into_datum(), target.into_datum())
        {
            pg_sys::OidFunctionCall2Coll(function, pg_sys::InvalidOid, action, target);
        }
    }
}
