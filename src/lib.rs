//! pg_bearer verifies bearer credentials inside PostgreSQL and keeps tenants apart with row-level
//! security. `verify` decides, `pg` translates, `sql` remembers; see ARCHITECTURE.md.

mod pg;
mod verify;

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

/// The schema of what people call. `sql/begin.sql` creates both.
#[pg_schema]
mod auth {}

/// The schema of what those functions are made of.
#[pg_schema]
mod auth_internal {}

/// Called by Postgres when a backend loads the library.
#[pg_guard]
extern "C-unwind" fn _PG_init() {
    pg::init();
}
