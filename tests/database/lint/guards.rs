//! Guards that are off.

use super::assert_codes;
use super::cases::Case;

pub(super) const GUARDS: &[Case] = &[
    ("guard_off", "event trigger bearer_guard_changes", "select auth.guard(null, 'ignore'); drop event trigger bearer_guard_changes"),
    (
        "guard_off",
        "event trigger bearer_guard_drops",
        "select auth.guard('{public}', 'ignore'); alter event trigger bearer_guard_drops enable",
    ),
    (
        "guard_off",
        "role \"lint app\" in database DATABASE",
        "create role \"lint app\"; select auth.guard();
         do $$begin execute format('alter role \"lint app\" in database %I set pg_bearer.allow_changes = on', current_database()); end$$",
    ),
    (
        "guard_off",
        "database DATABASE",
        "select auth.guard(null, 'ignore'); do $$begin execute format('alter database %I set pg_bearer.allow_changes = on', current_database()); end$$",
    ),
    (
        "guard_off",
        "schema \"no more\"",
        "create schema was; select auth.guard('{was}', 'ignore'); alter schema was rename to \"still there\";
         update auth.guard_settings set schemas = '{no more}'",
    ),
];

#[test]
fn t190_guards_that_are_off_and_pre_requests_that_are_missing_are_found() {
    assert_codes(&["guard_off", "pre_request_missing"]);
}
