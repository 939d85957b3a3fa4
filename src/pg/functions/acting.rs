//! Acting as somebody without a credential: administrators' tests of policies.

use super::keys::demand_administrator;
use crate::pg::ffi::input::JsonbArgument;
use crate::pg::ffi::output::JsonbValue;
use crate::pg::ffi::{auditing, catalog};
use crate::pg::{credential, identity, sqlstate};
use crate::verify::identity::{Identity, uuid_text};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Makes a stated identity, of kind `act_as`, that of this transaction; returns it.
#[pg_extern(schema = "auth", volatile, parallel_unsafe)]
fn act_as(identity: Option<JsonbArgument>) -> Result<Option<JsonbValue>, ErrorReport> {
    demand_administrator()?;
    let stated = credential::stated(identity.as_ref())?;
    identity::establish(&stated)?;
    note(&stated, "acts");
    auditing::note("act_as", "");
    Ok(identity::show())
}

/// One line in the server log for an identity that is acted; it stays when the transaction is rolled back.
pub(super) fn note(identity: &Identity, doing: &str) {
    let org = identity.place.org.as_ref().map_or_else(|| "none".to_owned(), uuid_text);
    let user = identity.said.user_id.as_deref().unwrap_or_default();
    sqlstate::log(format!(
        "pg_bearer: {:?} {doing} as user {user:?} in organization {org}, without a credential",
        catalog::outer_user_name()
    ));
}
