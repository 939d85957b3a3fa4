//! Which functions of ours a policy calls, read from its stored expression.

use super::nodes::{is_a, members};
use pgrx::pg_guard;
use pgrx::pg_sys;
use std::ffi::{CStr, c_void};

/// A call of a function of ours.
pub(in crate::pg) struct Call {
    /// As SQL.
    pub(in crate::pg) text: String,
    pub(in crate::pg) name: String,
    /// As SQL.
    pub(in crate::pg) arguments: Vec<String>,
    /// Does its value depend on the row?
    pub(in crate::pg) uses_columns: bool,
}

struct Walk {
    schema: pg_sys::Oid,
    /// How many subqueries there are around the node.
    level: i32,
    found: Vec<(*mut pg_sys::FuncExpr, bool)>,
}

/// The calls in an expression of a table, outer ones before those within them. Those that depend on rows of a
/// subquery are left out: they have no single value.
pub(in crate::pg) fn calls(tree: &CStr, table: pg_sys::Oid) -> Vec<Call> {
    // SAFETY: only bearer_owner gets here, with what pg_policy holds for this table. Names that are looked up are copied.
    unsafe {
        let relation = pg_sys::get_rel_name(table);
        if relation.is_null() {
            return Vec::new();
        }
        let context = pg_sys::deparse_context_for(relation, table);
        let schema = pg_sys::get_namespace_oid(c"auth".as_ptr(), true);
        let mut walk = Walk { schema, level: 0, found: Vec::new() };
        let node = pg_sys::stringToNode(tree.as_ptr()).cast::<pg_sys::Node>();
        visit(node, (&raw mut walk).cast());
        let describe = |(call, uses_columns): &(*mut pg_sys::FuncExpr, bool)| {
            let sql = |node: *mut pg_sys::Node| {
                CStr::from_ptr(pg_sys::deparse_expression(node, context, false, false))
                    .to_string_lossy()
                    .into_owned()
            };
            let name = pg_sys::get_func_name((**call).funcid);
            let name = if name.is_null() { c"" } else { CStr::from_ptr(name) };
            let arguments = members((**call).args).map(sql).collect();
            Call {
                text: sql(call.cast()),
                name: name.to_string_lossy().into_owned(),
                arguments,
                uses_columns: *uses_columns,
            }
        };
        walk.found.iter().map(describe).collect()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn visit(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    // SAFETY: the walkers hand on the context that they got, and nodes of the tree or null.
    unsafe {
        if node.is_null() {
            return false;
        }
        let walk = &mut *context.cast::<Walk>();
        if is_a(node, pg_sys::NodeTag::T_Query) {
            walk.level += 1;
            let stop = pg_sys::query_tree_walker(node.cast(), Some(visit), context, 0);
            (*context.cast::<Walk>()).level -= 1;
            return stop;
        }
        if is_a(node, pg_sys::NodeTag::T_FuncExpr) {
            let call = node.cast::<pg_sys::FuncExpr>();
            let ours = pg_sys::get_func_namespace((*call).funcid) == walk.schema;
            let uses = |level| pg_sys::contain_vars_of_level(node, level);
            if ours && walk.level == 0 {
                walk.found.push((call, uses(0)));
            } else if ours && !(0..=walk.level).any(uses) {
                walk.found.push((call, false));
            }
        }
        pg_sys::expression_tree_walker(node, Some(visit), context)
    }
}
