//! t462: whether a hook is the one that was set does not depend on whose session asks.

use super::world::World;
use pg_bearer_tests::database::Session;

/// Each changes how a body is printed that Postgres keeps as a tree.
const SETTINGS: [&str; 8] = [
    "quote_all_identifiers = on",
    "datestyle = 'SQL, DMY'",
    "intervalstyle = sql_standard",
    "timezone = 'Asia/Tokyo'",
    "extra_float_digits = -15",
    "bytea_output = escape",
    "standard_conforming_strings = off",
    "search_path = app, public",
];

#[test]
fn t462_no_setting_of_a_session_makes_a_hook_another() {
    let world = World::new();
    let mut session = world.db.superuser();
    session.run(&format!(
        "create function app.note(event jsonb) returns void language sql
         begin atomic
             insert into app.seen select 'x' where now() > timestamptz '2024-02-03 04:05:06+00' and interval '-1 day 2 hours' < '1 hour'
                 and 0.1::float8 + 0.2 > 0.30000000000000004::float8 and '\\x5c27'::bytea <> '' and E'a\\\\b' <> 'c';
         end;
         alter function app.note(jsonb) owner to {}",
        world.owner
    ));
    let listed = "select pg_catalog.concat_ws(' ', function, intact) from auth.list_hooks()";
    for set_under in SETTINGS {
        session.run(&format!(
            "set {set_under}; select auth.set_hook('after_user_created', 'app.note'); reset all"
        ));
        for setting in SETTINGS {
            session.run(&format!("set {setting}"));
            assert_eq!(session.value(listed).as_deref(), Some("app.note t"), "{set_under}; {setting}");
            session.run("reset all");
        }
    }
    session.run("alter function app.note(jsonb) volatile set work_mem = '1MB'");
    assert_eq!(session.value(listed).as_deref(), Some("app.note f"));
}
