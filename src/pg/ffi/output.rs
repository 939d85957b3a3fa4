//! JSON handed to Postgres as text, so that a number arrives as it was written.

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::prelude::*;
use std::ffi::CString;
use std::rc::Rc;

/// A `jsonb` result, given as JSON text.
pub(in crate::pg) struct JsonbText(pub(in crate::pg) String);

impl IntoDatum for JsonbText {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let text = CString::new(self.0).ok()?;
        // SAFETY: jsonb_in takes a C string and raises when it is no JSON.
        unsafe {
            pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(pg_sys::Datum::from(text.as_ptr()))])
        }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: into_datum gives a jsonb datum.
unsafe impl BoxRet for JsonbText {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        match self.into_datum() {
            // SAFETY: the datum is of the declared type.
            Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
            None => fcinfo.return_null(),
        }
    }
}

// SAFETY: it is a jsonb result and nothing else.
unsafe impl SqlTranslatable for JsonbText {
    const TYPE_IDENT: &'static str = <pgrx::JsonB as SqlTranslatable>::TYPE_IDENT;
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}

/// What the operator `->>` gives for a member of an object.
pub(in crate::pg) fn member_text(object: JsonbText, name: &str) -> Option<String> {
    // SAFETY: jsonb_object_field_text takes a jsonb and a text, and gives a text or NULL.
    unsafe {
        pgrx::direct_function_call(pg_sys::jsonb_object_field_text, &[object.into_datum(), name.into_datum()])
    }
}

/// A finished `jsonb` value that can be handed out again and again.
#[derive(Clone)]
pub(in crate::pg) struct JsonbValue(Rc<[u8]>);

impl JsonbValue {
    /// Makes the value of a JSON text; `None` when the text has a zero byte.
    pub(in crate::pg) fn new(text: JsonbText) -> Option<JsonbValue> {
        let datum = text.into_datum()?;
        // SAFETY: jsonb_in gives a plain varlena, whose head says how long it is.
        unsafe {
            let varlena = datum.cast_mut_ptr::<pg_sys::varlena>();
            let bytes = std::slice::from_raw_parts(varlena.cast::<u8>(), pgrx::varsize_any(varlena));
            let value = JsonbValue(bytes.into());
            pg_sys::pfree(varlena.cast());
            Some(value)
        }
    }
}

// SAFETY: the datum is a fresh copy of a jsonb value.
unsafe impl BoxRet for JsonbValue {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: palloc gives that many bytes or raises.
        unsafe {
            let copy = pg_sys::palloc(self.0.len()).cast::<u8>();
            std::ptr::copy_nonoverlapping(self.0.as_ptr(), copy, self.0.len());
            fcinfo.return_raw_datum(pg_sys::Datum::from(copy))
        }
    }
}

// SAFETY: it is a jsonb result and nothing else.
unsafe impl SqlTranslatable for JsonbValue {
    const TYPE_IDENT: &'static str = <JsonbText as SqlTranslatable>::TYPE_IDENT;
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = <JsonbText as SqlTranslatable>::ARGUMENT_SQL;
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = <JsonbText as SqlTranslatable>::RETURN_SQL;
}
