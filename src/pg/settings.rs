//! Every setting of the extension. None that an ordinary user can set has any security meaning.

use super::ffi::carrier;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

/// Read by pg_dump through the condition in `sql/install/issuers.sql`, not by us.
static DUMP_SECRETS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Who may create an organization. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum Creation {
    #[name = c"interactive"]
    Interactive,
    #[name = c"admin"]
    Admin,
}

/// Read by `auth.create_organization()`.
static ORGANIZATION_CREATION: GucSetting<Creation> = GucSetting::<Creation>::new(Creation::Interactive);
/// The same for a session that had a value before the library was loaded. If it was a client's, Postgres
/// drops it now, but it has hidden the value of the database.
static ORGANIZATION_CREATION_IN_DOUBT: GucSetting<Creation> = GucSetting::<Creation>::new(Creation::Admin);

/// How a tenant's administrators get members. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum Addition {
    #[name = c"direct"]
    Direct,
    #[name = c"invitation"]
    Invitation,
}

/// Read by `auth.add_member()`; in doubt as above.
static MEMBER_ADDITION: GucSetting<Addition> = GucSetting::<Addition>::new(Addition::Direct);
static MEMBER_ADDITION_IN_DOUBT: GucSetting<Addition> = GucSetting::<Addition>::new(Addition::Invitation);

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
    let name = c"pg_bearer.organization_creation";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_enum_guc(
        name,
        c"Who may create organizations: interactive (every signed-in user) or admin.",
        c"admin leaves it to administrators and service credentials.",
        if in_doubt { &ORGANIZATION_CREATION_IN_DOUBT } else { &ORGANIZATION_CREATION },
        GucContext::Suset,
        GucFlags::default(),
    );
    let name = c"pg_bearer.member_addition";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_enum_guc(
        name,
        c"How users make others members: direct (auth.add_member) or by invitation only.",
        c"Services and administrators may always add members.",
        if in_doubt { &MEMBER_ADDITION_IN_DOUBT } else { &MEMBER_ADDITION },
        GucContext::Suset,
        GucFlags::default(),
    );
    carrier::reserve_prefix();
}
