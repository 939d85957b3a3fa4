//! Every setting of the extension. None that an ordinary user can set has any security meaning.

use super::ffi::carrier;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

/// Read by pg_dump through the condition in `sql/install/issuers.sql`, not by us.
static DUMP_SECRETS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Declares all settings and keeps the prefix for ourselves.
pub(super) fn define() {
    carrier::define();
    GucRegistry::define_bool_guc(
        c"pg_bearer.dump_secrets",
        c"Lets pg_dump include the secrets of HS256, HS384 and HS512 keys.",
        c"Off by default: whoever reads such a dump can sign tokens.",
        &DUMP_SECRETS,
        GucContext::Suset,
        GucFlags::default(),
    );
    carrier::reserve_prefix();
}
