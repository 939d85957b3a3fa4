//! Data migrations: what owners call, and what the policy of one asks.

use crate::pg::ffi::{auditing, catalog, migration};
use crate::pg::sqlstate;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Lets the outer user, who owns these tables, see and write all of their rows until the transaction ends. Declared in
/// `sql/functions/migrations/migrations.sql`, with regclass[] for its argument.
#[pg_extern(sql = false)]
fn begin_data_migration(tables: Option<Vec<Option<pg_sys::Oid>>>) -> Result<(), ErrorReport> {
    let tables: Option<Vec<_>> = tables.unwrap_or_default().into_iter().collect();
    let tables = tables.filter(|tables| !tables.is_empty()).ok_or_else(|| {
        sqlstate::bad_argument("a data migration needs tables")
            .set_hint("Write auth.begin_data_migration(array['a', 'b']::regclass[]).")
    })?;
    if catalog::in_restricted_operation() {
        return Err(sqlstate::forbidden("no data migration begins within a security-restricted operation"));
    }
    migration::demand_fresh_transaction()?;
    let names = migration::begin(&tables)?;
    if catalog::outside_transaction_block() {
        sqlstate::warn_that_it_ends(
            "auth.begin_data_migration() outside a transaction block: the migration ends with this statement",
        );
    }
    sqlstate::log(format!(
        "pg_bearer: {:?} begins a data migration of {}",
        catalog::outer_user_name(),
        names.join(", ")
    ));
    for name in names {
        auditing::note("migration.begin", &name);
    }
    Ok(())
}

/// Is a table in a data migration of the outer user, in this transaction? What the policy of one asks.
#[pg_extern(schema = "auth_internal", stable, parallel_restricted)]
fn is_migrating(source: pg_sys::Oid) -> bool {
    migration::covers(source)
}
