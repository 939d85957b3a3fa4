//! Trees that Postgres makes of queries.

use pgrx::pg_sys;

/// Is it a node of this kind?
///
/// # Safety
/// Null, or a node.
pub(super) unsafe fn is_a<T>(node: *mut T, tag: pg_sys::NodeTag) -> bool {
    // SAFETY: every node begins with its tag.
    unsafe { !node.is_null() && (*node.cast::<pg_sys::Node>()).type_ == tag }
}

/// The members of a list of nodes.
///
/// # Safety
/// Null, or a list of pointers that nobody changes meanwhile.
pub(super) unsafe fn members(list: *mut pg_sys::List) -> impl Iterator<Item = *mut pg_sys::Node> {
    // SAFETY: an empty list is null, and others have as many members as they say.
    let length = if list.is_null() { 0 } else { unsafe { (*list).length } };
    // SAFETY: as above.
    (0..length as usize).map(move |place| unsafe { (*(*list).elements.add(place)).ptr_value.cast() })
}
