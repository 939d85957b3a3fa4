//! Data migrations: in one transaction, the owner of a table sees and writes all of its rows.
//!
//! Row security stays as it is, so that a COMMIT leaves nothing open: while a migration lasts, a policy that is in no
//! catalog lets its owner in. It asks at run time whether the migration still lasts and who asks, so a plan that
//! outlives it shows nothing more.

use super::catalog;
use super::nodes::{is_a, members};
use super::owners::{qualified, restriction, tables};
use super::portals;
use super::transaction;
use super::version::find_all_inheritors;
use crate::pg::sqlstate::{self, unseen};
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};

/// What the policy asks.
const ASKS: &CStr = c"is_migrating";
const SCHEMA: &CStr = c"auth_internal";
/// Where a plan says of which tables it has the policy.
const NOTE: c_int = pg_sys::SysCacheIdentifier::RELOID as c_int;

/// A table in a migration.
#[derive(Clone, Copy)]
struct Entry {
    table: pg_sys::Oid,
    /// Who began it, and sees it. Not whoever he becomes, nor whose functions he calls from there.
    user: pg_sys::Oid,
    /// The nesting of transactions in which it was begun.
    level: c_int,
}

thread_local! {
    static ENTRIES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
    static PREVIOUS: Cell<pg_sys::row_security_policy_hook_type> = const { Cell::new(None) };
}

/// Hooks into row security and transactions. Called once, from `_PG_init`.
pub(in crate::pg) fn install() {
    // SAFETY: callbacks with the signatures of xact.h and rowsecurity.h; hooks are variables of this backend.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
        PREVIOUS.set(pg_sys::row_security_policy_hook_permissive);
        pg_sys::row_security_policy_hook_permissive = Some(policies);
    }
}

/// Does a migration last in this transaction?
pub(in crate::pg) fn lasts() -> bool {
    ENTRIES.with_borrow(|entries| !entries.is_empty())
}

/// Is the table in a migration of the outer user?
pub(in crate::pg) fn covers(table: pg_sys::Oid) -> bool {
    // SAFETY: reads a variable of the backend.
    let user = || unsafe { pg_sys::GetOuterUserId() };
    ENTRIES.with_borrow(|entries| {
        !entries.is_empty() && {
            let user = user();
            entries.iter().any(|entry| entry.table == table && entry.user == user)
        }
    })
}

/// Notes in a plan which of its tables the policy of a migration is in, among what makes a plan anew when it changes. Postgres
/// watches no rows of pg_class there, so that this is all that it does.
///
/// # Safety
/// A plan that was just made.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn mark(plan: *mut pg_sys::PlannedStmt) {
    // SAFETY: as the caller promises; the notes lie in the memory that the plan was made in.
    unsafe {
        for entry in tables(plan).filter(|entry| is_entered((**entry).relid)) {
            let note: *mut pg_sys::PlanInvalItem = pg_sys::palloc0(size_of::<pg_sys::PlanInvalItem>()).cast();
            (*note).type_ = pg_sys::NodeTag::T_PlanInvalItem;
            (*note).cacheId = NOTE;
            (*note).hashValue = (*entry).relid.to_u32();
            (*plan).invalItems = pg_sys::lappend((*plan).invalItems, note.cast());
        }
    }
}

/// Did [`mark`] note this table?
///
/// # Safety
/// A plan.
pub(super) unsafe fn is_marked(plan: *mut pg_sys::PlannedStmt, table: pg_sys::Oid) -> bool {
    // SAFETY: the plan's own list.
    unsafe {
        members((*plan).invalItems)
            .filter(|item| is_a(*item, pg_sys::NodeTag::T_PlanInvalItem))
            .map(|item| &*item.cast::<pg_sys::PlanInvalItem>())
            .any(|item| item.cacheId == NOTE && item.hashValue == table.to_u32())
    }
}

fn is_entered(table: pg_sys::Oid) -> bool {
    ENTRIES.with_borrow(|entries| entries.iter().any(|entry| entry.table == table))
}

/// Begins a migration of these tables and all that inherits from them, or adds them to it; returns the names of the former.
/// They are locked against other changes of what they are.
pub(in crate::pg) fn begin(tables: &[pg_sys::Oid]) -> Result<Vec<String>, ErrorReport> {
    // SAFETY: look-ups in a transaction, which keeps the locks until its end.
    unsafe {
        let user = pg_sys::GetOuterUserId();
        let level = pg_sys::GetCurrentTransactionNestLevel();
        let mut names = Vec::new();
        let mut entries = Vec::new();
        for table in tables {
            names.push(demand_table(*table)?);
            let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            // It waits for locks, and its errors must not jump over what is to be dropped.
            let tree = pg_guard_ffi_boundary(|| find_all_inheritors(*table, lock, std::ptr::null_mut()));
            let length = if tree.is_null() { 0 } else { (*tree).length };
            for place in 0..usize::try_from(length).unwrap_or(0) {
                let table = (*(*tree).elements.add(place)).oid_value;
                demand_visible(table, user)?;
                entries.push(Entry { table, user, level });
            }
        }
        ENTRIES.with_borrow_mut(|all| all.extend(entries));
        // Those that were made without the policy.
        pg_sys::ResetPlanCache();
        Ok(names)
    }
}

/// The name of a table that may be in a migration.
unsafe fn demand_table(table: pg_sys::Oid) -> Result<String, ErrorReport> {
    // SAFETY: look-ups in a transaction.
    unsafe {
        let kind = pg_sys::get_rel_relkind(table) as u8;
        if kind == 0 || !catalog::outer_user_owns_table(table) {
            return Err(sqlstate::forbidden("a data migration is for tables that you own"));
        }
        let name = qualified(table);
        if ![pg_sys::RELKIND_RELATION, pg_sys::RELKIND_PARTITIONED_TABLE].contains(&kind) {
            return Err(sqlstate::bad_argument(format!("{name} is not a table")));
        }
        if table.to_u32() < pg_sys::FirstNormalObjectId || belongs_to_us(table) {
            return Err(sqlstate::bad_argument(format!("{name} is not a table of an application")));
        }
        Ok(name)
    }
}

/// Our own tables are read with the rights of their owner, which is nobody's role.
unsafe fn belongs_to_us(table: pg_sys::Oid) -> bool {
    // SAFETY: look-ups in a transaction.
    unsafe {
        let schema = pg_sys::get_rel_namespace(table);
        [c"auth", SCHEMA].into_iter().any(|name| pg_sys::get_namespace_oid(name.as_ptr(), true) == schema)
    }
}

/// Refuses a table of which the owner would still not see everything.
unsafe fn demand_visible(table: pg_sys::Oid, user: pg_sys::Oid) -> Result<(), ErrorReport> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the table is open while its policies are looked at, and stays locked.
    unsafe {
        let relation = pg_sys::try_relation_open(table, lock);
        if relation.is_null() {
            return Ok(());
        }
        let owner = (*(*relation).rd_rel).relowner;
        let found = if pg_sys::has_privs_of_role(user, owner) { restriction(relation, user) } else { None };
        pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        let bypasses = pg_sys::has_bypassrls_privilege(user);
        found
            .filter(|_| !bypasses)
            .map_or(Ok(()), |policy| Err(unseen::restricted_owner(&policy, &qualified(table))))
    }
}

/// What else lets a user in: in a migration its table's owner. Whoever plans the query: a function is planned once for all who
/// call it.
#[pg_guard]
unsafe extern "C-unwind" fn policies(
    command: pg_sys::CmdType::Type,
    relation: pg_sys::Relation,
) -> *mut pg_sys::List {
    // SAFETY: the arguments are passed on as they came; the relation is open.
    unsafe {
        let others = PREVIOUS.get().map_or(std::ptr::null_mut(), |previous| previous(command, relation));
        let table = (*relation).rd_id;
        match is_entered(table).then(|| policy(relation, table)).flatten() {
            Some(policy) => pg_sys::lappend(others, policy.cast()),
            None => others,
        }
    }
}

/// A policy for the owner of a table: `auth_internal.is_migrating(table)`.
unsafe fn policy(relation: pg_sys::Relation, table: pg_sys::Oid) -> Option<*mut pg_sys::RowSecurityPolicy> {
    // SAFETY: a look-up in a transaction; what is allocated lives as long as the query that is being planned.
    unsafe {
        let schema = pg_sys::get_namespace_oid(SCHEMA.as_ptr(), true);
        let asks = catalog::function(schema, ASKS, &[pg_sys::OIDOID], |row, _| Some(row.oid))?;
        let (none, form) = (pg_sys::InvalidOid, pg_sys::CoercionForm::COERCE_EXPLICIT_CALL);
        let asked = pg_sys::makeConst(pg_sys::OIDOID, -1, none, 4, pg_sys::Datum::from(table), false, true);
        let arguments = pg_sys::lappend(std::ptr::null_mut(), asked.cast());
        let call = pg_sys::makeFuncExpr(asks, pg_sys::BOOLOID, arguments, none, none, form);
        let mut owner = pg_sys::Datum::from((*(*relation).rd_rel).relowner);
        let policy: *mut pg_sys::RowSecurityPolicy =
            pg_sys::palloc0(size_of::<pg_sys::RowSecurityPolicy>()).cast();
        (*policy).policy_name = pg_sys::pstrdup(c"data migration".as_ptr());
        (*policy).polcmd = b'*' as std::ffi::c_char;
        (*policy).roles = pg_sys::construct_array_builtin(&mut owner, 1, pg_sys::OIDOID);
        (*policy).permissive = true;
        (*policy).qual = call.cast();
        (*policy).with_check_qual = call.cast();
        Some(policy)
    }
}

/// Commit and abort may neither raise nor call back into Postgres: plans are only marked.
#[pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    let ends = [
        pg_sys::XactEvent::XACT_EVENT_ABORT,
        pg_sys::XactEvent::XACT_EVENT_COMMIT,
        pg_sys::XactEvent::XACT_EVENT_PREPARE,
    ];
    if event == pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE && lasts() {
        unseen::prepared_migration().report(pgrx::pg_sys::elog::PgLogLevel::ERROR);
    }
    if ends.contains(&event) {
        keep(|_| false);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_event(
    event: pg_sys::SubXactEvent::Type,
    _own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _argument: *mut c_void,
) {
    // SAFETY: reads a variable of the backend.
    let ending = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => keep(|entry| entry.level < ending),
        // What was begun in it goes on in the one around it.
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => ENTRIES.with_borrow_mut(|entries| {
            entries.iter_mut().for_each(|entry| entry.level = entry.level.min(ending - 1));
        }),
        _ => {}
    }
}

/// Ends the migration of other tables, and throws away the plans that were made for it.
fn keep(stays: impl FnMut(&Entry) -> bool) {
    let changes = ENTRIES.with_borrow_mut(|entries| {
        let before = entries.len();
        entries.retain(stays);
        before != entries.len()
    });
    if changes {
        // SAFETY: marks plans as no longer good; allocates nothing and asks no catalog.
        unsafe { pg_sys::ResetPlanCache() }
    }
}

/// A migration and an identity exclude each other, and nothing of one is kept.
pub(in crate::pg) fn demand_fresh_transaction() -> Result<(), ErrorReport> {
    if transaction::had_identity() {
        return Err(sqlstate::in_use(
            "a data migration cannot begin in a transaction that has had an identity",
        )
        .set_hint("Begin another transaction for it."));
    }
    // What it sees would be in there after the transaction.
    if portals::holdable_is_open() {
        return Err(sqlstate::in_use(
            "a data migration cannot begin in a transaction that has a cursor WITH HOLD open",
        )
        .set_hint("Close the cursor, or begin another transaction for the migration."));
    }
    Ok(())
}
