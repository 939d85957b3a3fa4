//! Owners of forced tables, whom row security binds too, are told what it would hide from them.
//!
//! Nobody who is signed in sees all of a protected table, and its owner sees none of it when nobody is. A
//! migration would then change no row and report success, and a constraint would be checked against no row.

use super::carrier;
use super::catalog::in_restricted_operation;
use super::commands;
use super::executor::{self, has_policies};
use super::hooks;
use super::migration;
use super::nodes::{is_a, members};
use super::shared::is_preloading;
use super::veil;
use super::version::{POLICY_CATALOG, access_of, get_relation_policy_oid, standard_planner};
use crate::pg::settings;
use crate::pg::sqlstate::unseen;
use pgrx::pg_sys::elog::PgLogLevel;
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};

/// The names of the policies that auth.protect() makes, and what its comments on them begin with:
/// `auth_internal.protection_policies()` and `auth_internal.protection_memory()`, which a test compares with these.
const OURS: [&CStr; 5] =
    [c"bearer_select", c"bearer_insert", c"bearer_update", c"bearer_delete", c"bearer_service"];
const MEMORY: &str = "{\"by\": \"auth.protect\", ";

/// Of pg_policy's `polcmd`, and the right that a query needs to do it.
const COMMANDS: [(u8, u32); 4] = [
    (b'r', pg_sys::ACL_SELECT),
    (b'a', pg_sys::ACL_INSERT),
    (b'w', pg_sys::ACL_UPDATE),
    (b'd', pg_sys::ACL_DELETE),
];
const EVERY_COMMAND: u8 = b'*';

thread_local! {
    /// Was the library loaded in this very transaction, perhaps while its first query was planned, or by an ALTER TABLE?
    static LOADED_NOW: Cell<bool> = const { Cell::new(true) };
    /// Did a parallel worker load it while it ran its leader's query?
    static LOADED_BY_QUERY: Cell<bool> = const { Cell::new(false) };
    static PREVIOUS: Cell<pg_sys::planner_hook_type> = const { Cell::new(None) };
}

/// Hooks into the planner. Called once, from `_PG_init`.
pub(super) fn install() {
    LOADED_NOW.set(!is_preloading());
    // SAFETY: a callback with the signature of planner.h; hooks are variables of this backend.
    unsafe {
        LOADED_BY_QUERY.set(pg_sys::ParallelWorkerNumber >= 0 && !pg_sys::InitializingParallelWorker);
        PREVIOUS.set(pg_sys::planner_hook);
        pg_sys::planner_hook = Some(plan);
    }
}

/// Can there be plans that [`plan`] has not marked?
#[inline]
pub(super) fn is_unmarked() -> bool {
    LOADED_NOW.get()
}

/// Marks plans of tables with row security, so that starting any other one costs nothing. They depend on the role:
/// Postgres makes them anew for another one, which it does for their queries anyway. Nothing in it needs dropping when
/// an error jumps over it.
unsafe extern "C-unwind" fn plan(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: c_int,
    params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        let known = says_itself(query).then(|| (*query).hasRowSecurity);
        let plan = PREVIOUS.get().unwrap_or(standard_planner)(query, text, options, params);
        match known {
            Some(has_policies) => (*plan).dependsOnRole |= has_policies,
            None => mark(plan),
        }
        if migration::lasts() {
            migration::mark(plan);
        }
        plan
    }
}

/// Does this level of a query say whether row security has a say in it? Not where there are others, whose answer not
/// every minor version hands up. The planner changes the query.
unsafe fn says_itself(query: *mut pg_sys::Query) -> bool {
    use pg_sys::RTEKind::{RTE_JOIN, RTE_RELATION, RTE_RESULT};
    // SAFETY: a rewritten query, and the entries of its range table.
    unsafe {
        !(*query).hasSubLinks
            && (*query).cteList.is_null()
            && members((*query).rtable).all(|entry| {
                let kind = (*entry.cast::<pg_sys::RangeTblEntry>()).rtekind;
                [RTE_RELATION, RTE_JOIN, RTE_RESULT].contains(&kind)
            })
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn mark(plan: *mut pg_sys::PlannedStmt) {
    // SAFETY: a finished plan, in a transaction.
    unsafe {
        (*plan).dependsOnRole =
            (*plan).dependsOnRole || tables(plan).any(|entry| has_policies((*entry).relid));
    }
}

/// The tables in the range table of a plan.
///
/// # Safety
/// A plan.
pub(super) unsafe fn tables(
    plan: *mut pg_sys::PlannedStmt,
) -> impl Iterator<Item = *mut pg_sys::RangeTblEntry> {
    // SAFETY: the entries of a range table.
    unsafe {
        members((*plan).rtable)
            .map(|entry| entry.cast::<pg_sys::RangeTblEntry>())
            .filter(|entry| (**entry).rtekind == pg_sys::RTEKind::RTE_RELATION)
    }
}

/// The transaction has ended.
pub(super) fn at_end() {
    commands::at_end();
    if LOADED_NOW.replace(false) {
        // SAFETY: marks plans as no longer good; allocates nothing and asks no catalog.
        unsafe { pg_sys::ResetPlanCache() }
    }
}

/// Is this one of the two queries by which ALTER TABLE looks for rows that violate a foreign key
/// (`RI_Initial_Check`, `RI_PartitionRemove_Check` of ri_triggers.c)? They run with the rights of whoever alters.
unsafe fn checks_foreign_key(source: *const c_char) -> bool {
    if source.is_null() || !commands::alters_table() && !LOADED_NOW.get() {
        return false;
    }
    // SAFETY: the text of a query ends with a nul.
    let source = unsafe { CStr::from_ptr(source) }.to_bytes();
    let has = |part: &[u8]| source.windows(part.len()).any(|window| window == part);
    source.starts_with(b"SELECT fk.\"") && has(b" fk ") && has(b" pk ON ")
}

/// In a security-restricted operation: is this CREATE MATERIALIZED VIEW, which its owner runs for himself? Not what is
/// explained meanwhile.
unsafe fn fills_view(query: *mut pg_sys::QueryDesc) -> bool {
    // SAFETY: the executor's query, whose destination is null or says what it is.
    let kind = unsafe { (*query).dest.as_ref().map(|destination| destination.mydest) };
    !veil::is_down() && (commands::fills_relation() || kind == Some(pg_sys::CommandDest::DestIntoRel))
}

/// What row security hides.
#[derive(Clone, Copy, PartialEq)]
enum Hidden {
    /// All rows, from an owner.
    Everything,
    /// Also in a migration of his: the query reads the table with the rights of somebody else.
    FromOthers,
    /// Also there: the query was planned before.
    FromOlderPlan,
    /// Some of those that a constraint is checked against.
    OfConstraint,
}

/// Raises 55000 where row security would hide rows of a table from its owner in silence. For queries that depend on
/// row security, before they begin.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn refuse_unseen(query: *mut pg_sys::QueryDesc, flags: c_int) {
    // SAFETY: the executor's query with its plan; variables of the backend.
    unsafe {
        let hidden =
            if checks_foreign_key((*query).sourceText) { Hidden::OfConstraint } else { Hidden::Everything };
        let nobody = carrier::with_published(|_| ()).is_none();
        let asked = hidden == Hidden::OfConstraint || nobody && !settings::owner_may_see_nothing();
        // A worker does what its leader may, and functions in it what they may. ANALYZE, REFRESH and the like run what
        // others wrote.
        if !asked
            || flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as c_int != 0
            || pg_sys::ParallelWorkerNumber >= 0 && !executor::runs() && !LOADED_BY_QUERY.get()
            || in_restricted_operation() && !fills_view(query) && !hooks::runs()
            || pg_sys::IsLogicalWorker()
        {
            return;
        }
        let plan = (*query).plannedstmt;
        let unseen = tables(plan).find_map(|entry| {
            let table = (*entry).relid;
            Some((table, what_is_hidden(plan, table, &access_of(plan, entry)?, hidden)?))
        });
        if let Some((table, hidden)) = unseen {
            report(table, hidden);
        }
    }
}

/// How a query uses a table.
pub(super) struct Access {
    /// As whom.
    pub(super) user: pg_sys::Oid,
    pub(super) rights: pg_sys::AclMode,
}

/// Does row security bind somebody here who has the owner's rights, without anything that lets him in?
unsafe fn what_is_hidden(
    plan: *mut pg_sys::PlannedStmt,
    table: pg_sys::Oid,
    access: &Access,
    asked: Hidden,
) -> Option<Hidden> {
    // SAFETY: look-ups in a transaction; the query has locked the table, and it is open while it is looked at.
    unsafe {
        let enabled = pg_sys::CheckEnableRlsResult::RLS_ENABLED as c_int;
        if pg_sys::check_enable_rls(table, access.user, true) != enabled {
            return None;
        }
        let relation = pg_sys::RelationIdGetRelation(table);
        if relation.is_null() {
            return None;
        }
        let row = &*(*relation).rd_rel;
        let has_rights = |user| pg_sys::has_privs_of_role(user, row.relowner);
        let found = if !row.relforcerowsecurity {
            None
        } else if asked == Hidden::OfConstraint {
            let sees = || match migration::covers(table) {
                true => restriction(relation, access.user).is_none(),
                false => sees_everything(relation, access.user),
            };
            (has_rights(access.user) && !sees()).then_some(asked)
        } else if migration::covers(table) && has_rights(access.user) {
            (!migration::is_marked(plan, table)).then_some(Hidden::FromOlderPlan)
        } else {
            let outer = pg_sys::GetOuterUserId();
            let is_hidden =
                has_rights(outer) && is_protected(relation, table) && !is_let_in(relation, access);
            is_hidden.then(|| if migration::covers(table) { Hidden::FromOthers } else { asked })
        };
        pg_sys::RelationClose(relation);
        found
    }
}

/// Did auth.protect() make a policy of it?
unsafe fn is_protected(relation: pg_sys::Relation, table: pg_sys::Oid) -> bool {
    // SAFETY: an open table.
    unsafe { policies(relation).any(|policy| is_remembered(table, policy)) }
}

/// Has a policy the comment of auth.protect(), whatever it is called by now?
unsafe fn is_remembered(table: pg_sys::Oid, policy: *mut pg_sys::RowSecurityPolicy) -> bool {
    // SAFETY: a policy of an open table, whose name ends with a nul; a comment does so too, or is null.
    unsafe {
        let policy = get_relation_policy_oid(table, (*policy).policy_name, true);
        let comment = pg_sys::GetComment(policy, POLICY_CATALOG, 0);
        !comment.is_null() && CStr::from_ptr(comment).to_bytes().starts_with(MEMORY.as_bytes())
    }
}

/// Do policies of somebody else let this user do all that the query does? An UPDATE whose rows he may only read changes none.
unsafe fn is_let_in(relation: pg_sys::Relation, access: &Access) -> bool {
    // SAFETY: an open table.
    unsafe {
        let lets_in = |policy: *mut pg_sys::RowSecurityPolicy, command: u8| {
            let name = CStr::from_ptr((*policy).policy_name);
            (*policy).permissive
                && [command, EVERY_COMMAND].contains(&((*policy).polcmd as u8))
                && !OURS.contains(&name)
                && !is_remembered((*relation).rd_id, policy)
                && applies(policy, access.user)
        };
        COMMANDS
            .iter()
            .filter(|(_, right)| access.rights & u64::from(*right) as pg_sys::AclMode != 0)
            .all(|(command, _)| policies(relation).any(|policy| lets_in(policy, *command)))
    }
}

/// Does a policy show this user every row?
unsafe fn sees_everything(relation: pg_sys::Relation, user: pg_sys::Oid) -> bool {
    // SAFETY: an open table; the expression of a policy is a node or null.
    unsafe {
        let all = |policy: *mut pg_sys::RowSecurityPolicy| {
            let qual = (*policy).qual;
            (*policy).permissive
                && [b'r', EVERY_COMMAND].contains(&((*policy).polcmd as u8))
                && is_a(qual, pg_sys::NodeTag::T_Const)
                && !(*qual.cast::<pg_sys::Const>()).constisnull
                && (*qual.cast::<pg_sys::Const>()).constvalue.value() != 0
        };
        policies(relation).any(|policy| all(policy) && applies(policy, user))
            && !policies(relation).any(|policy| restricts(policy, user))
    }
}

/// The restrictive policy that binds this user in a table, if there is one.
///
/// # Safety
/// An open table.
pub(super) unsafe fn restriction(relation: pg_sys::Relation, user: pg_sys::Oid) -> Option<String> {
    // SAFETY: as the caller promises.
    unsafe {
        let found = policies(relation).find(|policy| restricts(*policy, user))?;
        Some(CStr::from_ptr((*found).policy_name).to_string_lossy().into_owned())
    }
}

unsafe fn restricts(policy: *mut pg_sys::RowSecurityPolicy, user: pg_sys::Oid) -> bool {
    // SAFETY: a policy of an open table.
    unsafe { !(*policy).permissive && applies(policy, user) }
}

unsafe fn policies(relation: pg_sys::Relation) -> impl Iterator<Item = *mut pg_sys::RowSecurityPolicy> {
    // SAFETY: an open table has its policies, or none.
    unsafe {
        let list = (*relation).rd_rsdesc.as_ref().map_or(std::ptr::null_mut(), |all| all.policies);
        members(list).map(|policy| policy.cast())
    }
}

/// As `check_role_for_policy` of rowsecurity.c.
unsafe fn applies(policy: *mut pg_sys::RowSecurityPolicy, user: pg_sys::Oid) -> bool {
    // SAFETY: an array of oids without nulls, which has as many members as it says.
    unsafe {
        let (mut roles, mut count) = (std::ptr::null_mut(), 0);
        pg_sys::deconstruct_array_builtin(
            (*policy).roles,
            pg_sys::OIDOID,
            &mut roles,
            std::ptr::null_mut(),
            &mut count,
        );
        let roles = std::slice::from_raw_parts(roles, usize::try_from(count).unwrap_or(0));
        roles.iter().any(|role| {
            let role = pg_sys::Oid::from(role.value() as u32);
            role == pg_sys::InvalidOid || pg_sys::has_privs_of_role(user, role)
        })
    }
}

unsafe fn report(table: pg_sys::Oid, hidden: Hidden) {
    // SAFETY: a table that the query has locked.
    let name = unsafe { qualified(table) };
    let error = match hidden {
        Hidden::Everything => unseen::owner_sees_nothing(&name),
        Hidden::FromOthers => unseen::others_see_nothing(&name),
        Hidden::FromOlderPlan => unseen::planned_before(&name),
        Hidden::OfConstraint => unseen::constraint_sees_part(&name),
    };
    error.report(PgLogLevel::ERROR);
}

/// The name of a table with its schema, as SQL.
///
/// # Safety
/// In a transaction.
pub(super) unsafe fn qualified(table: pg_sys::Oid) -> String {
    // SAFETY: look-ups that give null for what is gone; texts that end with a nul.
    unsafe {
        let relation = pg_sys::get_rel_name(table);
        if relation.is_null() {
            return table.to_u32().to_string();
        }
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(table));
        CStr::from_ptr(pg_sys::quote_qualified_identifier(schema, relation)).to_string_lossy().into_owned()
    }
}
