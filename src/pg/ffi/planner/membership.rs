//! Questions about a column as comparisons, which indexes, sorting, partitions and statistics know how to use.

use super::{UUID_EQ, is_a, list, make_node, only_uuid, reader, support_function};
use crate::pg::encoding::View;
use crate::pg::ffi::carrier::with_identity;
use pgrx::pg_sys;
use std::ffi::CStr;

/// Up to so many ids are looked up one by one in the statistics of a column.
const MOST_LOOKED_UP: usize = 64;

/// A long list that is more than this part of all values is better looked for in every row.
const MOST_OF_A_COLUMN: f64 = 0.2;

/// A list of ids that a column can be in.
struct Ids {
    name: &'static CStr,
    symbol: &'static CStr,
    /// Its place in what `auth.id_lists()` returns.
    place: pg_sys::AttrNumber,
    count: fn(View<'_>) -> usize,
}

const ORG_IDS: Ids =
    Ids { name: c"org_ids", symbol: c"pg_bearer_org_ids", place: 1, count: |view| view.orgs().len() };
const WORKSPACE_IDS: Ids = Ids {
    name: c"workspace_ids",
    symbol: c"pg_bearer_workspace_ids",
    place: 2,
    count: |view| view.workspaces().len(),
};

support_function!(
    /// For `auth.in_org(uuid)`.
    pg_bearer_support_in_org, pg_finfo_pg_bearer_support_in_org, |request| equality(request));
support_function!(
    /// For `auth.is_member(uuid)`.
    pg_bearer_support_is_member, pg_finfo_pg_bearer_support_is_member, |request| is_one_of(request, &ORG_IDS));
support_function!(
    /// For `auth.is_workspace_member(uuid)`.
    pg_bearer_support_is_workspace_member, pg_finfo_pg_bearer_support_is_workspace_member,
    |request| is_one_of(request, &WORKSPACE_IDS));

/// `auth.in_org(x)` is `x = auth.current_org()`, for NULL and without an organization too.
unsafe fn equality(request: *mut pg_sys::Node) -> Option<*mut pg_sys::Node> {
    // SAFETY: the tag says what the request is; the call in it is the planner's, with simplified arguments.
    unsafe {
        if !is_a(request, pg_sys::NodeTag::T_SupportRequestSimplify) {
            return None;
        }
        let request = &*request.cast::<pg_sys::SupportRequestSimplify>();
        let call = &*request.fcall;
        let argument = only_uuid(call.args)?;
        let org =
            reader(request.root, call.funcid, c"current_org", c"pg_bearer_current_org", pg_sys::UUIDOID)?;
        let none = pg_sys::InvalidOid;
        let test =
            pg_sys::make_opclause(UUID_EQ, pg_sys::BOOLOID, false, argument.cast(), org.cast(), none, none);
        pg_sys::set_opfuncid(test.cast());
        Some(test.cast())
    }
}

unsafe fn is_one_of(request: *mut pg_sys::Node, ids: &Ids) -> Option<*mut pg_sys::Node> {
    // SAFETY: the tag says what the request is.
    unsafe {
        if is_a(request, pg_sys::NodeTag::T_SupportRequestIndexCondition) {
            index_condition(&mut *request.cast(), ids)
        } else if is_a(request, pg_sys::NodeTag::T_SupportRequestSelectivity) {
            let asked = &mut *request.cast::<pg_sys::SupportRequestSelectivity>();
            asked.selectivity = selectivity(asked, ids)?;
            Some(request)
        } else {
            None
        }
    }
}

/// `x = any (ids)`, which is true for the same x. Where it would not be true, the function is false or NULL;
/// a condition of an index is never negated.
unsafe fn index_condition(
    request: &mut pg_sys::SupportRequestIndexCondition,
    ids: &Ids,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: the planner's request about one of its indexes and a clause of the query.
    unsafe {
        let index = &*request.index;
        // Such an index would be scanned with a list that only bitmap scans take apart for it.
        let takes_lists = index.amsearcharray || !index.amhasgettuple;
        if request.indexarg != 0
            || !takes_lists
            || !is_a(request.node, pg_sys::NodeTag::T_FuncExpr)
            || !pg_sys::op_in_opfamily(UUID_EQ, request.opfamily)
        {
            return None;
        }
        let argument = only_uuid((*request.node.cast::<pg_sys::FuncExpr>()).args)?;
        let count = count(ids);
        let all = if count <= MOST_LOOKED_UP {
            reader(request.root, request.funcid, ids.name, ids.symbol, pg_sys::UUIDARRAYOID)?
        } else {
            let (part, is_guess) = part_of(request.root, argument, 0, count);
            if part >= MOST_OF_A_COLUMN && !is_guess {
                return None;
            }
            unseen(request.root, request.funcid, ids)?
        };
        let test = one_of(argument, all);
        request.lossy = false;
        Some(list([test.cast()]).cast())
    }
}

fn count(ids: &Ids) -> usize {
    with_identity(ids.count).unwrap_or(0)
}

/// The list as a column of a record, which the planner does not evaluate to look every id up for each index.
unsafe fn unseen(
    root: *mut pg_sys::PlannerInfo,
    function: pg_sys::Oid,
    ids: &Ids,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: the tag is that of the type.
    unsafe {
        let lists = reader(root, function, c"id_lists", c"pg_bearer_id_lists", pg_sys::RECORDOID)?;
        let column: *mut pg_sys::FieldSelect = make_node(pg_sys::NodeTag::T_FieldSelect);
        (*column).arg = lists.cast();
        (*column).fieldnum = ids.place;
        (*column).resulttype = pg_sys::UUIDARRAYOID;
        (*column).resulttypmod = -1;
        Some(column.cast())
    }
}

unsafe fn one_of(argument: *mut pg_sys::Node, all: *mut pg_sys::Node) -> *mut pg_sys::ScalarArrayOpExpr {
    // SAFETY: the planner's expressions; the tag is that of the type.
    unsafe {
        let test: *mut pg_sys::ScalarArrayOpExpr = make_node(pg_sys::NodeTag::T_ScalarArrayOpExpr);
        (*test).opno = UUID_EQ;
        (*test).useOr = true;
        (*test).args = list([argument, all]);
        (*test).location = -1;
        pg_sys::set_sa_opfuncid(test);
        test
    }
}

/// The part of the rows that are in the list. A long list is not walked, which took longer than most queries;
/// a list that is empty now may be another one when the plan is used.
unsafe fn selectivity(request: &pg_sys::SupportRequestSelectivity, ids: &Ids) -> Option<f64> {
    let count = count(ids);
    // SAFETY: the planner's request.
    unsafe {
        let argument = only_uuid(request.args)?;
        if !(1..=MOST_LOOKED_UP).contains(&count) {
            return Some(part_of(request.root, argument, request.varRelid, count).0);
        }
        let all = reader(request.root, request.funcid, ids.name, ids.symbol, pg_sys::UUIDARRAYOID)?;
        let (join, relation) = (request.is_join, request.varRelid);
        let (kind, info) = (request.jointype, request.sjinfo);
        Some(pg_sys::scalararraysel(request.root, one_of(argument, all), join, relation, kind, info))
    }
}

/// The part of the rows that so many values of an expression have, at least one, if all are as frequent; and whether
/// nobody knows how many values there are.
unsafe fn part_of(
    root: *mut pg_sys::PlannerInfo,
    expression: *mut pg_sys::Node,
    relation: std::ffi::c_int,
    count: usize,
) -> (f64, bool) {
    // SAFETY: the planner's expression; statistics are released after their use.
    unsafe {
        let mut column = pg_sys::VariableStatData::default();
        pg_sys::examine_variable(root, expression, relation, &mut column);
        let mut is_default = false;
        let distinct = pg_sys::get_variable_numdistinct(&mut column, &mut is_default);
        let mut nulls = 0.0;
        if !column.statsTuple.is_null() {
            let row = pg_sys::GETSTRUCT(column.statsTuple).cast::<pg_sys::FormData_pg_statistic>();
            nulls = f64::from((*row).stanullfrac);
            if let Some(free) = column.freefunc {
                free(column.statsTuple);
            }
        }
        let part = (1.0 - nulls) * count.max(1) as f64 / distinct.max(1.0);
        (part.clamp(0.0, 1.0), is_default)
    }
}
