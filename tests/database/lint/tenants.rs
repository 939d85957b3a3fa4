//! What lint says about tenants, to administrators.

use super::cases::TENANTS;
use super::{assert_codes, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

#[test]
fn t207_users_who_were_given_more_than_counts_are_found() {
    assert_codes(&["too_much_granted"]);
    // By administrators, in a time that does not depend on who was given what; owners of tables are told nothing of it.
    let db = Database::new();
    let mut session = prepared(&db);
    session.run(TENANTS[0].2);
    session.run(
        "insert into auth.workspace_memberships (user_id, workspace_id, org_id, role_id, created_by, accepted)
         select 'user ' || n % 60, gen_random_uuid(), gen_random_uuid(), auth_internal.owner_role(), 'x', n % 2 = 0
           from generate_series(1, 120000) n",
    );
    let count = "select count(*) || ' ' || count(*) filter (where object = $$'it''s a user'$$) from auth.lint() where code = 'too_much_granted'";
    assert_eq!(session.value(count).as_deref(), Some("31 1"));
    let mut owner = db.superuser();
    owner.run("set session authorization table_owner");
    assert_eq!(owner.value(count).as_deref(), Some("0 0"));
}
