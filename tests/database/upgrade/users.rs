//! After an update people sign in, and the role that owns them is one that can do nothing else.

use super::data::{assert_works, columns, contents, seed};
use super::scripts::{before, first_release, install, update, update_from};
use crate::install::catalog;
use pg_bearer_tests::database::{Session, installation};
use pg_bearer_tests::token::*;
use postgres::{Client, NoTls};
use xtask::Server;

#[test]
fn people_sign_in_after_an_update_beside_the_organizations_and_keys_that_were_there() {
    let db = before();
    let mut session = db.superuser();
    seed(&mut session);
    let columns = columns(&mut session);
    let stored = contents(&mut session, &columns);
    update(&mut session);
    assert_eq!(contents(&mut session, &columns), stored);
    session.run(&format!(
        "select auth.add_issuer('https://ours.example', own => true), auth.create_signing_key();
         alter database {} set pg_bearer.user_creation = 'interactive'",
        db.name
    ));
    let mut tenant = db.tenant();
    tenant.run("select auth.uid()");
    let answer = "select auth.sign_up('ann@people.example', 'a password of hers') ->> 'refresh_token'";
    let refresh = tenant.value(answer).unwrap();
    let sign_in =
        "select auth.sign_in_with_password('ann@people.example', 'a password of hers') ->> 'access_token'";
    let token = tenant.value(sign_in).unwrap();
    let refreshed = tenant.value(&format!("select auth.refresh_session('{refresh}') ->> 'token_type'"));
    assert_eq!(refreshed.as_deref(), Some("bearer"));
    // She joins an organization that was there, and acts in it.
    let ann = session.value("select id from auth.users").unwrap();
    session.run(&format!(
        "select auth.add_member(id, '{ann}', 'viewer') from auth.organizations where slug = 'acme'"
    ));
    tenant.run("begin");
    tenant.authenticate(&token).unwrap();
    assert_eq!(tenant.value("select auth.org_role()").as_deref(), Some("viewer"));
    tenant.run("commit");
    assert_works(&mut session);
    // A ban counts for tokens of the issuers that were there, too.
    session.run("select auth.ban_user('alice')");
    tenant.run("begin");
    let refused = tenant.refused(&format!("select auth.authenticate('{}')", token_of("alice")));
    assert_eq!(refused, "28000 the credential was refused");
    tenant.run("rollback");
    session.run("select auth.ban_user('alice', null)");
    assert_works(&mut session);
}

fn connect(server: &Server, database: &str) -> Client {
    let mut config = Client::configure();
    config.host_path(server.socket_dir()).port(server.port()).user("postgres").dbname(database);
    config.connect(NoTls).unwrap()
}

#[test]
fn t461_an_update_takes_no_role_that_can_do_more_and_leaves_nothing() {
    // Roles belong to the whole cluster: a server of its own, so that no other test is disturbed.
    let server = Server::start(installation(), "update_roles", &[]).unwrap();
    let (version, script) = first_release();
    let mut main = connect(&server, "postgres");
    for sql in ["create database old", "create database another", "create role somebody"] {
        main.run(sql);
    }
    let mut session = connect(&server, "old");
    install(&mut session, &script, &update_from(&version));
    let before = catalog(&mut session);
    let rights = ["login", "superuser", "bypassrls", "createrole", "createdb", "replication"];
    let members = ["in role somebody", "role somebody", "admin somebody"];
    for right in rights.iter().chain(&members) {
        session.run(&format!("create role bearer_users {right}"));
        let error = session.batch_execute("alter extension pg_bearer update").unwrap_err();
        let error = error.as_db_error().unwrap();
        let expected = ("22023", "role \"bearer_users\" exists and has rights that it must not have");
        assert_eq!((error.code().code(), error.message()), expected, "{right}");
        assert!(error.hint().unwrap().contains("Drop it, or take that away."), "{right}");
        assert_eq!(catalog(&mut session), before, "{right}");
        session.run("drop role bearer_users");
    }
    update(&mut session);
    // A second database finds the role that the first one made.
    let mut session = connect(&server, "another");
    install(&mut session, &script, &update_from(&version));
    update(&mut session);
    assert_eq!(session.value("select count(*) from auth.users").as_deref(), Some("0"));
}
