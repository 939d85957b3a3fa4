//! What SQL asks about the counting of uses.

use crate::pg::usage;
use pgrx::prelude::*;

/// Are uses of API keys counted in shared memory?
#[pg_extern(schema = "auth_internal", stable, parallel_safe)]
fn counts_api_key_uses() -> bool {
    usage::is_preloaded()
}
