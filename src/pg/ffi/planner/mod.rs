//! Support functions: what the planner asks about ours. None of them raises for what it does not know; it then
//! plans as for any other function.

mod membership;
mod once;

use super::catalog;
use super::nodes::{is_a, members};
use super::version::{self, C_LANGUAGE, UUID_EQ};
use pgrx::pg_sys;
use std::ffi::CStr;

/// A list of these nodes.
///
/// # Safety
/// The nodes live as long as the list.
unsafe fn list<const N: usize>(nodes: [*mut pg_sys::Node; N]) -> *mut pg_sys::List {
    // SAFETY: lappend copies the pointer, and allocates or raises.
    nodes.into_iter().fold(std::ptr::null_mut(), |list, node| unsafe { pg_sys::lappend(list, node.cast()) })
}

/// A node of this type, full of zeros, which are what a node begins with.
///
/// # Safety
/// The tag is that of the type.
unsafe fn make_node<T>(tag: pg_sys::NodeTag) -> *mut T {
    // SAFETY: palloc0 gives that many zeros or raises.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>());
        (*node.cast::<pg_sys::Node>()).type_ = tag;
        node.cast()
    }
}

/// The only argument of a call, if it is a uuid.
///
/// # Safety
/// A list of expressions.
unsafe fn only_uuid(arguments: *mut pg_sys::List) -> Option<*mut pg_sys::Node> {
    // SAFETY: as the caller promises.
    unsafe {
        let mut all = members(arguments);
        let first = all.next()?;
        (all.next().is_none() && pg_sys::exprType(first) == pg_sys::UUIDOID).then_some(first)
    }
}

/// One of our readers without arguments, as an expression to put in place of a call of `function`, which is in
/// the same schema. `None` unless the user may execute both, as the plan asks him for one right only.
///
/// # Safety
/// `root` is null or the planner's.
unsafe fn reader(
    root: *mut pg_sys::PlannerInfo,
    function: pg_sys::Oid,
    name: &CStr,
    symbol: &CStr,
    result: pg_sys::Oid,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: catalog look-ups in a transaction; nodes are allocated or it raises.
    unsafe {
        let found = find_reader(pg_sys::get_func_namespace(function), name, symbol, result)?;
        if !version::may_execute(function) || !version::may_execute(found) {
            return None;
        }
        if !root.is_null() {
            // Whoever changes a right has the plan made anew.
            pg_sys::record_plan_function_dependency(root, function);
            pg_sys::record_plan_function_dependency(root, found);
        }
        let (none, form) = (pg_sys::InvalidOid, pg_sys::CoercionForm::COERCE_EXPLICIT_CALL);
        Some(pg_sys::makeFuncExpr(found, result, std::ptr::null_mut(), none, none, form).cast())
    }
}

/// The function of this name without arguments in a schema, if it is the C function that we declare so. Only
/// superusers make C functions: one that somebody else put there instead is not taken for ours.
///
/// # Safety
/// In a transaction.
unsafe fn find_reader(
    schema: pg_sys::Oid,
    name: &CStr,
    symbol: &CStr,
    result: pg_sys::Oid,
) -> Option<pg_sys::Oid> {
    // SAFETY: a look-up in a transaction, and an attribute of the row that it finds.
    unsafe {
        catalog::function(schema, name, &[], |row, tuple| {
            let mut is_null = false;
            let source = pg_sys::SysCacheGetAttr(
                pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as std::ffi::c_int,
                tuple,
                pg_sys::Anum_pg_proc_prosrc as pg_sys::AttrNumber,
                &mut is_null,
            );
            let is_ours = !is_null
                && row.prolang == C_LANGUAGE
                && row.prorettype == result
                && !row.proretset
                && CStr::from_ptr(pg_sys::text_to_cstring(source.cast_mut_ptr())) == symbol;
            is_ours.then_some(row.oid)
        })
    }
}

/// A support function: its C symbol and the version record that fmgr asks for. It is given a request, and gives
/// a node, or null when it has nothing to say.
macro_rules! support_function {
    ($(#[$doc:meta])* $symbol:ident, $record:ident, |$request:ident| $body:expr) => {
        $(#[$doc])*
        #[pgrx::pg_guard]
        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $symbol(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: declared STRICT with one argument of type internal, so that only the planner calls it,
            // and with a node.
            unsafe {
                let $request = (*fcinfo).args.as_ptr().read().value.cast_mut_ptr::<pg_sys::Node>();
                let answer: Option<*mut pg_sys::Node> = $body;
                pg_sys::Datum::from(answer.unwrap_or(std::ptr::null_mut()))
            }
        }

        #[unsafe(no_mangle)]
        extern "C" fn $record() -> *const pg_sys::Pg_finfo_record {
            static RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }
    };
}
use support_function;
