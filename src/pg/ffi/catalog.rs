//! Small questions to Postgres.

use super::hooks;
use super::version;
use pgrx::pg_sys;
use std::ffi::{CStr, c_int};

/// The role that owns our tables.
pub(super) const OWNER: &CStr = c"bearer_owner";
const ADMINISTRATORS: &CStr = c"bearer_admin";
const SERVICES: &CStr = c"bearer_service";
pub(super) const USERS: &CStr = c"bearer_users";
const OURS: [&CStr; 4] = [OWNER, USERS, ADMINISTRATORS, SERVICES];

/// Has the user who runs the outermost code (not the owner of a security-definer function on the stack) the rights of a
/// superuser or of bearer_admin? As Postgres has it: a member who does not inherit them has them after SET ROLE.
///
/// Never where code of one user runs for another: in ANALYZE (autovacuum's too), REINDEX, REFRESH the outer
/// user is the one who runs it, and the code is the table owner's. So it is in a hook.
pub(in crate::pg) fn outer_user_is_administrator() -> bool {
    if runs_for_others() {
        return false;
    }
    // SAFETY: catalog look-ups in a transaction; a missing role gives an invalid oid.
    unsafe {
        let user = pg_sys::GetOuterUserId();
        if pg_sys::superuser_arg(user) {
            return true;
        }
        administrators().is_some_and(|role| pg_sys::has_privs_of_role(user, role))
    }
}

/// The role of administrators, which has a right that the extension gave it: a role of the same name that somebody made after
/// that one was renamed is another one.
fn administrators() -> Option<pg_sys::Oid> {
    // SAFETY: catalog look-ups in a transaction; a missing role or schema gives an invalid oid.
    unsafe {
        let role = pg_sys::get_role_oid(ADMINISTRATORS.as_ptr(), true);
        if role == pg_sys::InvalidOid {
            return None;
        }
        let schema = pg_sys::get_namespace_oid(c"auth".as_ptr(), true);
        let may = |row: &pg_sys::FormData_pg_proc, _| version::user_may_execute(role, row.oid).then_some(());
        let lists = [c"list_issuers", c"list_membership_sources"];
        lists.into_iter().find_map(|name| function(schema, name, &[], may)).map(|()| role)
    }
}

/// What `read` makes of the row in pg_proc of the function with this name and these arguments. `None` where there is none.
///
/// # Safety
/// In a transaction. The row is gone afterwards.
pub(super) unsafe fn function<T>(
    schema: pg_sys::Oid,
    name: &CStr,
    arguments: &[pg_sys::Oid],
    read: impl FnOnce(&pg_sys::FormData_pg_proc, pg_sys::HeapTuple) -> Option<T>,
) -> Option<T> {
    let count = c_int::try_from(arguments.len()).ok()?;
    // SAFETY: a look-up by name and types; the row is read before it is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as c_int,
            pg_sys::Datum::from(name.as_ptr()),
            pg_sys::Datum::from(pg_sys::buildoidvector(arguments.as_ptr(), count)),
            pg_sys::Datum::from(schema),
        );
        if tuple.is_null() {
            return None;
        }
        let found = read(&*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>(), tuple);
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}

/// The name of the role of administrators, if that role is not there or another one has its name.
pub(in crate::pg) fn missing_administrators() -> Option<&'static str> {
    if administrators().is_some() { None } else { ADMINISTRATORS.to_str().ok() }
}

/// Which of our roles is not there? Somebody renamed it: while the extension depends on them, none can be dropped.
pub(in crate::pg) fn missing_role() -> Option<&'static str> {
    OURS.into_iter().find_map(|name| {
        // SAFETY: a catalog look-up in a transaction; a missing role gives an invalid oid.
        let role = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
        if role == pg_sys::InvalidOid { name.to_str().ok() } else { None }
    })
}

/// Is the outer user a superuser, or a member of the role that owns this table?
pub(in crate::pg) fn outer_user_owns_table(table: pg_sys::Oid) -> bool {
    !runs_for_others() && table_owner(table).is_some_and(outer_user_has_rights_of)
}

/// Who owns this table, if there is one.
pub(super) fn table_owner(table: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: catalog look-ups in a transaction; the relation is open while its row is read.
    unsafe {
        let relation = pg_sys::try_relation_open(table, lock);
        if relation.is_null() {
            return None;
        }
        let owner = (*(*relation).rd_rel).relowner;
        pg_sys::relation_close(relation, lock);
        Some(owner)
    }
}

/// Has the outer user the rights of this role? Nobody has those of a role that is not there.
pub(in crate::pg) fn outer_user_has_rights_of(role: pg_sys::Oid) -> bool {
    if runs_for_others() || role == pg_sys::InvalidOid {
        return false;
    }
    // SAFETY: a catalog look-up in a transaction.
    unsafe { pg_sys::has_privs_of_role(pg_sys::GetOuterUserId(), role) }
}

/// Is this role one of ours, or a member of one?
pub(super) fn is_of_ours(role: pg_sys::Oid) -> bool {
    OURS.into_iter().any(|name| {
        // SAFETY: catalog look-ups in a transaction; a missing role gives an invalid oid.
        unsafe {
            let ours = pg_sys::get_role_oid(name.as_ptr(), true);
            ours != pg_sys::InvalidOid && pg_sys::is_member_of_role(role, ours)
        }
    })
}

/// Does code of somebody else run, whom the outer user's rights are not for?
fn runs_for_others() -> bool {
    in_restricted_operation() || hooks::runs()
}

/// True inside index expressions, REFRESH and the like, where code of one user runs for another.
pub(in crate::pg) fn in_restricted_operation() -> bool {
    // SAFETY: reads a flag.
    unsafe { pg_sys::InSecurityRestrictedOperation() }
}

/// True when the running command is a plain statement by itself, so that whatever is local to the
/// transaction ends with it.
pub(in crate::pg) fn outside_transaction_block() -> bool {
    // SAFETY: reads state of the transaction and of the active portal, which is null or valid.
    unsafe {
        let portal = pg_sys::ActivePortal;
        let plain = !portal.is_null() && (*portal).commandTag == pg_sys::CommandTag::CMDTAG_SELECT;
        plain && !pg_sys::IsTransactionBlock()
    }
}

/// The clock of this moment, not of the transaction or statement, in microseconds since 2000.
pub(in crate::pg) fn now() -> i64 {
    // SAFETY: gettimeofday.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// The clock of this moment in seconds since 1970.
pub(in crate::pg) fn clock() -> u64 {
    let seconds = now().div_euclid(1_000_000).saturating_add(946_684_800);
    u64::try_from(seconds).unwrap_or(0)
}

/// A timestamp as `to_jsonb` writes it.
pub(in crate::pg) fn timestamp_text(microseconds: i64) -> String {
    let mut buffer = [0; pg_sys::MAXDATELEN as usize + 1];
    // SAFETY: the buffer has the size that JsonEncodeDateTime asks for; it writes a terminated string.
    unsafe {
        pg_sys::JsonEncodeDateTime(
            buffer.as_mut_ptr(),
            pg_sys::Datum::from(microseconds),
            pg_sys::TIMESTAMPTZOID,
            std::ptr::null(),
        );
        CStr::from_ptr(buffer.as_ptr()).to_string_lossy().into_owned()
    }
}

/// The name of the user who runs the outermost code.
pub(in crate::pg) fn outer_user_name() -> String {
    // SAFETY: a catalog look-up that gives null for a role that is gone, or a terminated string.
    unsafe {
        let name = pg_sys::GetUserNameFromId(pg_sys::GetOuterUserId(), true);
        if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}
