//! What lint says about who administers, and about the roles of the extension.

use super::{assert_codes, findings, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

#[test]
fn t257_who_counts_as_an_administrator_and_changed_roles_are_found() {
    assert_codes(&["administrator", "owner_has_members", "role_altered", "role_missing"]);
}

#[test]
fn t257_who_can_make_itself_an_administrator_is_found() {
    let db = Database::new();
    let mut session = prepared(&db);
    let version: i32 =
        session.query_one("select current_setting('server_version_num')::int", &[]).unwrap().get(0);
    let reachable = |session: &mut Client| -> Vec<(String, String)> {
        let found = findings(session).into_iter().filter(|found| found.code == "administrator_reachable");
        found.map(|found| (found.object, found.fix.unwrap())).collect()
    };
    for (objects, plant) in [
        // From 16 on it grants what it may grant, and no more.
        (
            if version < 160_000 { vec!["\"lint app\""] } else { vec![] },
            "create role \"lint app\" createrole",
        ),
        (
            vec!["bearer_admin for \"lint app\""],
            "create role \"lint app\"; grant bearer_admin to \"lint app\" with admin option",
        ),
        (
            vec!["lint_group for \"lint app\""],
            "create role lint_group in role bearer_admin; create role \"lint app\"; grant lint_group to \"lint app\" with admin option",
        ),
    ] {
        session.run("begin");
        session.run(plant);
        let found = reachable(&mut session);
        assert_eq!(found.iter().map(|(object, _)| object.as_str()).collect::<Vec<_>>(), objects, "{plant}");
        for (_, fix) in found {
            session.run(&fix);
        }
        assert_eq!(reachable(&mut session), [], "{plant}");
        session.run("rollback");
    }
}

#[test]
fn t256_issuers_that_name_users_of_others_are_found() {
    assert_codes(&["names_other_users"]);
}
