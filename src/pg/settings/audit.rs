//! What the audit log takes, and how long it keeps it. SQL reads these settings.

use super::carrier;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};

/// From which level on an action is written. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum Level {
    #[name = c"off"]
    Off,
    #[name = c"access"]
    Access,
    #[name = c"all"]
    All,
}

/// Read by `auth_internal.audit()`. Where a client's value hides that of the database, everything is written.
static LIVE: GucSetting<Level> = GucSetting::<Level>::new(Level::All);
static TEST: GucSetting<Level> = GucSetting::<Level>::new(Level::Access);
static TEST_IN_DOUBT: GucSetting<Level> = GucSetting::<Level>::new(Level::All);

/// And nothing is deleted.
static RETENTION: GucSetting<i32> = GucSetting::<i32>::new(0);

pub(super) fn define() {
    GucRegistry::define_enum_guc(
        c"pg_bearer.audit_live",
        c"What the audit log takes of what is done with live credentials and by administrators: off, access or all.",
        c"access: only what gives or takes access. all: names, settings and metadata, too.",
        &LIVE,
        GucContext::Suset,
        GucFlags::default(),
    );
    let name = c"pg_bearer.audit_test";
    GucRegistry::define_enum_guc(
        name,
        c"What the audit log takes of what is done with credentials of environment test: off, access or all.",
        c"As pg_bearer.audit_live.",
        if carrier::was_set_by_session(name) { &TEST_IN_DOUBT } else { &TEST },
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"pg_bearer.audit_retention",
        c"How long rows of the audit log are kept.",
        c"0: until auth.purge_audit_log(). Older ones go when new ones are written, some at a time.",
        &RETENTION,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
}
