//! Arguments whose size is looked at before they are copied.

use crate::verify::token::MAX_TOKEN_BYTES;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::prelude::*;
use zeroize::Zeroizing;

/// Room for `Bearer ` and white space around the longest token.
const LIMIT: usize = MAX_TOKEN_BYTES + 64;

/// A `text` argument that holds a credential: never longer than a credential can be, wiped when dropped.
pub(in crate::pg) struct CredentialText(Option<Zeroizing<Vec<u8>>>);

impl CredentialText {
    /// The bytes, or `None` when there were more than any credential has.
    pub(in crate::pg) fn bytes(&self) -> Option<&[u8]> {
        self.0.as_ref().map(|bytes| bytes.as_slice())
    }
}

impl FromDatum for CredentialText {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the function is declared with a text argument, so the datum is a varlena. Its raw size
        // is read from its head, without detoasting.
        if unsafe { pg_sys::toast_raw_datum_size(datum) } > LIMIT + pg_sys::VARHDRSZ {
            return Some(CredentialText(None));
        }
        // SAFETY: as above, and it is not null.
        let bytes = unsafe { Vec::<u8>::from_datum(datum, false) }?;
        Some(CredentialText(Some(Zeroizing::new(bytes))))
    }
}

// SAFETY: FromDatum above handles every text datum, and null is never passed to it as a value.
unsafe impl<'fcx> pgrx::callconv::ArgAbi<'fcx> for CredentialText {
    unsafe fn unbox_arg_unchecked(arg: pgrx::callconv::Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for the argument's type.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(CredentialText(None))
    }

    unsafe fn unbox_nullable_arg(arg: pgrx::callconv::Arg<'_, 'fcx>) -> pgrx::nullable::Nullable<Self> {
        // SAFETY: the caller vouches for the argument's type.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: it is a text argument and nothing else.
unsafe impl SqlTranslatable for CredentialText {
    const TYPE_IDENT: &'static str = <String as SqlTranslatable>::TYPE_IDENT;
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("TEXT"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("TEXT")));
}

/// A `jsonb` argument as JSON text, which costs no stack to take however deep it is.
pub(in crate::pg) struct JsonbArgument(pub(in crate::pg) String);

impl FromDatum for JsonbArgument {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the function is declared with a jsonb argument; jsonb_out gives a terminated string.
        unsafe {
            let text = pgrx::direct_function_call_as_datum(pg_sys::jsonb_out, &[Some(datum)])?;
            let text = std::ffi::CStr::from_ptr(text.cast_mut_ptr());
            Some(JsonbArgument(text.to_string_lossy().into_owned()))
        }
    }
}

// SAFETY: FromDatum above handles every jsonb datum, and null is never passed to it as a value.
unsafe impl<'fcx> pgrx::callconv::ArgAbi<'fcx> for JsonbArgument {
    unsafe fn unbox_arg_unchecked(arg: pgrx::callconv::Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for the argument's type.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(JsonbArgument(String::new()))
    }

    unsafe fn unbox_nullable_arg(arg: pgrx::callconv::Arg<'_, 'fcx>) -> pgrx::nullable::Nullable<Self> {
        // SAFETY: the caller vouches for the argument's type.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: it is a jsonb argument and nothing else.
unsafe impl SqlTranslatable for JsonbArgument {
    const TYPE_IDENT: &'static str = <pgrx::JsonB as SqlTranslatable>::TYPE_IDENT;
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}
