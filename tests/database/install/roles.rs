//! Roles that are there before the extension is.

use super::assert_works;
use pg_bearer_tests::database::{Session, assert_contains, installation};
use postgres::{Client, NoTls};
use xtask::Server;

#[test]
fn roles_with_rights_of_their_own_are_refused() {
    // Roles belong to the whole cluster: a server of its own, so that no other test is disturbed.
    let server = Server::start(installation(), "roles", &[]).unwrap();
    let mut session = Client::configure()
        .host_path(server.socket_dir())
        .port(server.port())
        .user("postgres")
        .dbname("postgres")
        .connect(NoTls)
        .unwrap();
    session.run("create role somebody");
    let mut cases = Vec::new();
    for role in ["bearer_owner", "bearer_users", "bearer_admin", "bearer_service"] {
        for right in ["login", "superuser", "bypassrls", "createrole", "createdb", "replication"] {
            cases.push((role, format!("create role {role} {right}")));
        }
        cases.push((role, format!("create role {role} in role somebody")));
    }
    for role in ["bearer_owner", "bearer_users"] {
        cases.push((role, format!("create role {role} role somebody")));
    }
    for (role, prepare) in cases {
        session.run(&prepare);
        let error = session.batch_execute("create extension pg_bearer").unwrap_err();
        let error = error.as_db_error().unwrap();
        let message = format!("role \"{role}\" exists and has rights that it must not have");
        assert_eq!((error.code().code(), error.message()), ("22023", &*message), "{prepare}");
        assert_contains(error.hint().unwrap(), "Drop it, or take that away.");
        session.run(&format!("drop role {role}"));
        let left = "select (select count(*) from pg_roles where rolname like 'bearer%')
                         + (select count(*) from pg_namespace where nspname = 'auth')";
        assert_eq!(session.value(left).as_deref(), Some("0"), "{prepare}");
    }
    // An administrator from another database of the cluster is no obstacle.
    session.run("create role bearer_admin role somebody; create extension pg_bearer");
    assert_works(&mut session);
}
