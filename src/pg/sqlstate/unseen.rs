//! What owners of tables are told about rows that row security hides from them.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// How an error says that somebody has to sign in, whatever its code.
pub(in crate::pg) const NOBODY: &str = "pg_bearer_nobody";

/// Row security binds the owner of a table, and nobody is signed in (55000).
pub(in crate::pg) fn owner_sees_nothing(table: &str) -> ErrorReport {
    let message =
        format!("nobody is signed in, and row security would hide all rows of {table} from its owner");
    ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, NOBODY)
        .set_hint("Sign in with auth.authenticate(), or call auth.begin_data_migration() first in the transaction. Where an application owns its tables, a superuser can set pg_bearer.owner_without_identity to empty.")
}

/// In a data migration, a view or a function reads with the rights of somebody else (55000).
pub(in crate::pg) fn others_see_nothing(table: &str) -> ErrorReport {
    not_ready(format!("a view or function of somebody else would see no rows of {table}")).set_hint(
        "A data migration is for whoever has the rights of the table's owner. Query the table itself.",
    )
}

/// The plan of a statement is older than the data migration (55000).
pub(in crate::pg) fn planned_before(table: &str) -> ErrorReport {
    not_ready(format!(
        "this statement was planned before the data migration began, and would see no rows of {table}"
    ))
    .set_hint("Before PostgreSQL 18, a function in SQL plans all of its statements at first. Call auth.begin_data_migration() before it, or write it in PL/pgSQL.")
}

/// A constraint would be checked by somebody who does not see all rows (55000).
pub(in crate::pg) fn constraint_sees_part(table: &str) -> ErrorReport {
    not_ready(format!("the foreign key would be checked without the rows of {table} that row security hides"))
        .set_hint("Begin a transaction, call auth.begin_data_migration() with both tables, and repeat the command there.")
}

/// The owner of a table would not see all of it in a data migration either (55000).
pub(in crate::pg) fn restricted_owner(policy: &str, table: &str) -> ErrorReport {
    not_ready(format!("the restrictive policy {policy:?} of {table} binds its owner too"))
        .set_hint("A data migration would miss rows. Use a role with BYPASSRLS, or drop the policy in the same transaction.")
}

/// A data migration ends with its session's transaction (0A000).
pub(in crate::pg) fn prepared_migration() -> ErrorReport {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "cannot PREPARE a transaction that is a data migration",
        "pg_bearer_migration",
    )
    .set_hint("COMMIT it instead.")
}

/// Something has to be set right first (55000).
fn not_ready(message: String) -> ErrorReport {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, "pg_bearer_state")
}
