//! Calls that say the same for every row, made once: as an InitPlan, which is what `(select …)` around them is.

use super::{is_a, list, make_node, members, support_function};
use crate::pg::ffi::version::SQL_LANGUAGE;
use pgrx::{pg_guard, pg_sys};
use std::ffi::c_void;

support_function!(
    /// For readers that no column is compared with.
    pg_bearer_support_once, pg_finfo_pg_bearer_support_once, |request| once(request));

/// The call as a subquery, where the planner is about to look for subqueries and there are rows to repeat it for.
unsafe fn once(request: *mut pg_sys::Node) -> Option<*mut pg_sys::Node> {
    // SAFETY: the tag says what the request is; root, query and call are the planner's.
    unsafe {
        if !is_a(request, pg_sys::NodeTag::T_SupportRequestSimplify) {
            return None;
        }
        let request = &*request.cast::<pg_sys::SupportRequestSimplify>();
        let root = request.root;
        // Once the relations are set up, nobody looks for subqueries any more: what is simplified then are the
        // copies of a condition for the members of a union.
        if root.is_null() || (*root).parse.is_null() || !(*root).simple_rel_array.is_null() {
            return None;
        }
        let query = (*root).parse;
        let call = request.fcall;
        if !is_fixed_list((*call).args) || pg_sys::contain_volatile_functions((*call).args.cast()) {
            return None;
        }
        // Grouping sets empty an expression in some of their rows, and recognise it by being the same.
        if !(*query).groupingSets.is_null()
            || !reads_rows(query, (*query).jointree.cast())
            || is_out_of_place(root, (*call).funcid)
        {
            return None;
        }
        (*query).hasSubLinks = true;
        Some(subquery(call))
    }
}

/// # Safety
/// An expression of the planner.
unsafe fn subquery(call: *mut pg_sys::FuncExpr) -> *mut pg_sys::Node {
    // SAFETY: the tags are those of the types. The planner's call is on its stack, so it is copied.
    unsafe {
        let query: *mut pg_sys::Query = make_node(pg_sys::NodeTag::T_Query);
        let call = pg_sys::copyObjectImpl(call.cast());
        let name = pg_sys::pstrdup(c"once".as_ptr());
        let target = pg_sys::makeTargetEntry(call.cast(), 1, name, false);
        (*query).commandType = pg_sys::CmdType::CMD_SELECT;
        (*query).querySource = pg_sys::QuerySource::QSRC_ORIGINAL;
        (*query).canSetTag = true;
        (*query).jointree = pg_sys::makeFromExpr(std::ptr::null_mut(), std::ptr::null_mut());
        (*query).targetList = list([target.cast()]);
        let link: *mut pg_sys::SubLink = make_node(pg_sys::NodeTag::T_SubLink);
        (*link).subLinkType = pg_sys::SubLinkType::EXPR_SUBLINK;
        (*link).subselect = query.cast();
        (*link).location = -1;
        link.cast()
    }
}

unsafe fn is_fixed_list(expressions: *mut pg_sys::List) -> bool {
    // SAFETY: a list of expressions.
    unsafe { members(expressions).all(|expression| is_fixed(expression)) }
}

/// Is it made of constants, parameters of the statement, functions, operators and casts alone?
unsafe fn is_fixed(expression: *mut pg_sys::Node) -> bool {
    use pg_sys::NodeTag::*;
    // SAFETY: the tag says what the node is. It raises where the stack ends.
    unsafe {
        pg_sys::check_stack_depth();
        if is_a(expression, T_Const) {
            true
        } else if is_a(expression, T_Param) {
            let parameter = &*expression.cast::<pg_sys::Param>();
            parameter.paramkind == pg_sys::ParamKind::PARAM_EXTERN
        } else if is_a(expression, T_FuncExpr) {
            let call = &*expression.cast::<pg_sys::FuncExpr>();
            !call.funcretset && is_fixed_list(call.args)
        } else if is_a(expression, T_OpExpr) {
            let operator = &*expression.cast::<pg_sys::OpExpr>();
            !operator.opretset && is_fixed_list(operator.args)
        } else if is_a(expression, T_RelabelType) {
            is_fixed((*expression.cast::<pg_sys::RelabelType>()).arg.cast())
        } else if is_a(expression, T_CoerceViaIO) {
            is_fixed((*expression.cast::<pg_sys::CoerceViaIO>()).arg.cast())
        } else if is_a(expression, T_ArrayExpr) {
            is_fixed_list((*expression.cast::<pg_sys::ArrayExpr>()).elements)
        } else {
            false
        }
    }
}

/// Does the query read a table or anything else with rows? One that does not would be planned for ever: the
/// subquery itself is such a one.
unsafe fn reads_rows(query: *mut pg_sys::Query, from: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag says what the node is; a reference names an entry of the query's own range table.
    unsafe {
        pg_sys::check_stack_depth();
        if is_a(from, pg_sys::NodeTag::T_FromExpr) {
            members((*from.cast::<pg_sys::FromExpr>()).fromlist).any(|item| reads_rows(query, item))
        } else if is_a(from, pg_sys::NodeTag::T_RangeTblRef) {
            let place = (*from.cast::<pg_sys::RangeTblRef>()).rtindex as usize;
            let entry = members((*query).rtable).nth(place.wrapping_sub(1));
            let is_real = |entry: *mut pg_sys::RangeTblEntry| (*entry).rtekind != pg_sys::RTEKind::RTE_RESULT;
            entry.is_some_and(|entry| is_real(entry.cast()))
        } else {
            !from.is_null()
        }
    }
}

/// Is the function called where the planner simplifies expressions without looking for subqueries afterwards, or
/// where a subquery would be in the way of something better?
unsafe fn is_out_of_place(root: *mut pg_sys::PlannerInfo, function: pg_sys::Oid) -> bool {
    // SAFETY: the query is the planner's; the walkers get a pointer to a number that outlives them.
    unsafe {
        let query = (*root).parse;
        let mut function = function;
        let context = (&raw mut function).cast();
        let special = members((*query).rtable).any(|entry| has_expressions(entry));
        // What the members of a union give in place of its columns is not in the query any more.
        let in_unions = || {
            members((*root).append_rel_list).any(|member| {
                let given = (*member.cast::<pg_sys::AppendRelInfo>()).translated_vars;
                finds_trouble(given.cast(), context)
            })
        };
        ((*query).hasSubLinks || special) && (walk_query(query, context) || in_unions())
    }
}

unsafe fn has_expressions(entry: *mut pg_sys::Node) -> bool {
    // SAFETY: an entry of a range table.
    let kind = unsafe { (*entry.cast::<pg_sys::RangeTblEntry>()).rtekind };
    kind == pg_sys::RTEKind::RTE_FUNCTION || kind == pg_sys::RTEKind::RTE_VALUES
}

unsafe fn walk_query(query: *mut pg_sys::Query, context: *mut c_void) -> bool {
    let flags = pg_sys::QTW_EXAMINE_RTES_BEFORE as std::ffi::c_int;
    // SAFETY: the walker is called with parts of the query and with the context.
    unsafe { pg_sys::query_tree_walker(query, Some(finds_trouble), context, flags) }
}

/// Finds what a query must not have for one of its calls to become a subquery.
#[pg_guard]
unsafe extern "C-unwind" fn finds_trouble(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    use pg_sys::NodeTag::*;
    // SAFETY: the tag says what the node is.
    unsafe {
        if node.is_null() {
            return false;
        }
        if is_a(node, T_Query) {
            return walk_query(node.cast(), context);
        }
        if is_a(node, T_RangeTblEntry) {
            // Lists of values are long, and functions with plain arguments may be inlined.
            let entry = &*node.cast::<pg_sys::RangeTblEntry>();
            return has_expressions(node)
                && (calls(entry.functions.cast(), context) || calls(entry.values_lists.cast(), context));
        }
        if is_a(node, T_SubLink) {
            // The limit and the condition of an EXISTS are simplified in the name of the query around it.
            let link = &*node.cast::<pg_sys::SubLink>();
            if link.subLinkType == pg_sys::SubLinkType::EXISTS_SUBLINK && is_a(link.subselect, T_Query) {
                let query = &*link.subselect.cast::<pg_sys::Query>();
                if has_open_limit(query) || may_call((*query.jointree).quals, context) {
                    return true;
                }
            }
        }
        pg_sys::expression_tree_walker(node, Some(finds_trouble), context)
    }
}

unsafe fn has_open_limit(query: &pg_sys::Query) -> bool {
    // SAFETY: null or an expression.
    unsafe { !query.limitCount.is_null() && !is_a(query.limitCount, pg_sys::NodeTag::T_Const) }
}

/// Is the function called in this expression?
#[pg_guard]
unsafe extern "C-unwind" fn calls(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    // SAFETY: the tag says what the node is; the context is the number of a function.
    unsafe {
        if node.is_null() {
            return false;
        }
        if is_a(node, pg_sys::NodeTag::T_FuncExpr) {
            let call = &*node.cast::<pg_sys::FuncExpr>();
            if call.funcid == *context.cast::<pg_sys::Oid>() {
                return true;
            }
        }
        if is_a(node, pg_sys::NodeTag::T_Query) {
            return false;
        }
        pg_sys::expression_tree_walker(node, Some(calls), context)
    }
}

/// Does simplifying this expression come upon calls that become subqueries, be it in the body of an SQL function?
#[pg_guard]
unsafe extern "C-unwind" fn may_call(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    // SAFETY: the tag says what the node is; subqueries are not simplified with what is around them.
    unsafe {
        if node.is_null() || is_a(node, pg_sys::NodeTag::T_Query) {
            return false;
        }
        pg_sys::check_functions_in_node(node, Some(becomes_a_call), context)
            || pg_sys::expression_tree_walker(node, Some(may_call), context)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn becomes_a_call(function: pg_sys::Oid, context: *mut c_void) -> bool {
    // SAFETY: the context is the number of a function; the row is read before it is released.
    unsafe {
        let ours = pg_sys::get_func_support(*context.cast::<pg_sys::Oid>());
        let place = pg_sys::SysCacheIdentifier::PROCOID as std::ffi::c_int;
        let tuple = pg_sys::SearchSysCache1(place, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return true;
        }
        let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let found = row.prolang == SQL_LANGUAGE || row.prosupport == ours;
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}
