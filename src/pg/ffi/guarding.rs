//! What the guards of protected tables ask of Postgres: what a command did, whether they are to look away, and steps of
//! `auth.protect()` that are judged when all of them are done.

use super::auditing;
use super::carrier::set_locally;
use super::catalog;
use super::nodes::{is_a, members};
use super::output::JsonbText;
use super::owners::qualified;
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::prelude::*;
use std::cell::Cell;
use std::ffi::{CStr, c_int};

const SETTING: &CStr = c"pg_bearer.allow_changes";

thread_local! {
    /// True only while the steps of `auth.protect()` run, in which no code of a user does.
    static PROTECTING: Cell<bool> = const { Cell::new(false) };
}

/// Is the running command a step of `auth.protect()`?
pub(in crate::pg) fn is_protecting() -> bool {
    PROTECTING.get()
}

/// Turns the setting on until the end of the transaction, or of the savepoint that is rolled back. The caller has asked
/// whether the user may.
pub(in crate::pg) fn allow_changes() {
    set_locally(SETTING, c"on", pg_sys::GucContext::PGC_SUSET);
}

/// Calls a function of auth_internal with a table and settings; what it gave, if there is one.
fn call(function: &CStr, source: pg_sys::Oid, settings: String) -> Option<pg_sys::Datum> {
    // SAFETY: catalog look-ups in a transaction; the function takes an oid and a jsonb, and gives void or an integer.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"auth_internal".as_ptr(), true);
        let arguments = [pg_sys::OIDOID, pg_sys::JSONBOID];
        let function = catalog::function(schema, function, &arguments, |row, _| Some(row.oid))?;
        let (source, settings) = (pg_sys::Datum::from(source), JsonbText(settings).into_datum()?);
        Some(pg_sys::OidFunctionCall2Coll(function, pg_sys::InvalidOid, source, settings))
    }
}

/// Notes in the audit log what was done to a table, if these are more than no statements.
fn note(action: &str, source: pg_sys::Oid, statements: pg_sys::Datum) {
    if statements.value() != 0 {
        // SAFETY: a look-up in a transaction.
        auditing::note(action, &unsafe { qualified(source) });
    }
}

/// Runs the steps of `auth.protect()` that run no code of a user, as the current user. The guards look away meanwhile.
pub(in crate::pg) fn protect_undisturbed(source: pg_sys::Oid, settings: String) -> bool {
    struct Protecting(bool);
    impl Drop for Protecting {
        fn drop(&mut self) {
            PROTECTING.set(self.0);
        }
    }
    let flag = Protecting(PROTECTING.replace(true));
    // An error unwinds through the flag.
    let statements = call(c"protection_run", source, settings);
    drop(flag);
    statements.map(|statements| note("table.protect", source, statements)).is_some()
}

/// Runs the steps of `auth.unprotect()`, as the current user. False where there are none in this schema.
pub(in crate::pg) fn unprotect(source: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up in a transaction; the function takes an oid and gives an integer.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"auth_internal".as_ptr(), true);
        let undo = |row: &pg_sys::FormData_pg_proc, _| Some(row.oid);
        let Some(undo) = catalog::function(schema, c"protection_undo", &[pg_sys::OIDOID], undo) else {
            return false;
        };
        let statements = pg_sys::OidFunctionCall1Coll(undo, pg_sys::InvalidOid, pg_sys::Datum::from(source));
        note("table.unprotect", source, statements);
        true
    }
}

/// Protects a table as its owner, in a security-restricted operation. False where there is no such table.
pub(in crate::pg) fn protect_as_owner(source: pg_sys::Oid, settings: String) -> bool {
    struct Before(pg_sys::Oid, c_int);
    impl Drop for Before {
        fn drop(&mut self) {
            // SAFETY: what GetUserIdAndSecContext said.
            unsafe { pg_sys::SetUserIdAndSecContext(self.0, self.1) }
        }
    }
    let Some(owner) = catalog::table_owner(source) else { return false };
    let mut before = Before(pg_sys::InvalidOid, 0);
    let context = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
    // SAFETY: the owner exists; Drop brings user and context back, and so does the end of a failed (sub)transaction.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut before.0, &raw mut before.1);
        pg_sys::SetUserIdAndSecContext(owner, before.1 | context as c_int);
    }
    call(c"protection_repeated", source, settings).is_some()
}

/// A command as `pg_event_trigger_ddl_commands()` gives it.
pub(in crate::pg) struct DdlCommand(*const pg_sys::CollectedCommand);

impl DdlCommand {
    /// In words: `owner` where it gave a table to another owner, `parent` where it put one table under another, `name` where
    /// something got another name or schema, and the numbers of columns that it added or gave another type.
    pub(in crate::pg) fn changes(&self) -> Vec<String> {
        // SAFETY: Postgres keeps the command until its event triggers are done. Its type says which member of the union
        // is the valid one; the list holds CollectedATSubcmd, and each of those a node.
        unsafe {
            let Some(command) = self.0.as_ref() else { return Vec::new() };
            if command.type_ == pg_sys::CollectedCommandType::SCT_AlterTable {
                return members(command.d.alterTable.subcmds)
                    .filter_map(|part| altered(part.cast()))
                    .collect();
            }
            let tags = [pg_sys::NodeTag::T_RenameStmt, pg_sys::NodeTag::T_AlterObjectSchemaStmt];
            let names = command.type_ == pg_sys::CollectedCommandType::SCT_Simple
                && tags.into_iter().any(|tag| is_a(command.parsetree, tag));
            if names { vec!["name".to_owned()] } else { Vec::new() }
        }
    }
}

/// What one part of ALTER TABLE did.
unsafe fn altered(part: *const pg_sys::CollectedATSubcmd) -> Option<String> {
    // SAFETY: the caller's list holds such parts.
    unsafe {
        let node = (*part).parsetree;
        if !is_a(node, pg_sys::NodeTag::T_AlterTableCmd) {
            return None;
        }
        let step = &*node.cast::<pg_sys::AlterTableCmd>();
        match step.subtype {
            pg_sys::AlterTableType::AT_ChangeOwner => return Some("owner".to_owned()),
            pg_sys::AlterTableType::AT_AddInherit | pg_sys::AlterTableType::AT_AttachPartition => {
                return Some("parent".to_owned());
            }
            _ => {}
        }
        // Columns are defined where they are added and where they get another type.
        is_a(step.def, pg_sys::NodeTag::T_ColumnDef).then(|| (*part).address.objectSubId.to_string())
    }
}

impl FromDatum for DdlCommand {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null { None } else { Some(DdlCommand(datum.cast_mut_ptr())) }
    }
}

// SAFETY: FromDatum above handles every such datum, which is a pointer; nobody but Postgres makes one.
unsafe impl<'fcx> pgrx::callconv::ArgAbi<'fcx> for DdlCommand {
    unsafe fn unbox_arg_unchecked(arg: pgrx::callconv::Arg<'_, 'fcx>) -> Self {
        // SAFETY: the function is strict, so there is a value, and it is of the declared type.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(DdlCommand(std::ptr::null()))
    }

    unsafe fn unbox_nullable_arg(arg: pgrx::callconv::Arg<'_, 'fcx>) -> pgrx::nullable::Nullable<Self> {
        // SAFETY: as above.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: it is a pg_ddl_command argument and nothing else.
unsafe impl SqlTranslatable for DdlCommand {
    const TYPE_IDENT: &'static str = "pg_ddl_command";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("pg_ddl_command"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Err(ReturnsError::Datum);
}
