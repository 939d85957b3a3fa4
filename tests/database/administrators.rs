//! Who counts as an administrator, as Postgres has it, and what happens to roles of ours that somebody changed.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, installation, refusal};
use pg_bearer_tests::token::*;
use postgres::{Config, NoTls};
use xtask::Server;

#[test]
fn t257_a_member_counts_as_an_administrator_where_it_has_the_rights_of_the_role() {
    let db = Database::new();
    let name = |role: &str| format!("{role}_{}", db.name);
    let (inherits, sets, behind) = (name("inherits"), name("sets"), name("behind"));
    db.superuser().run(&format!(
        "create role {inherits} login in role bearer_admin;
         create role {sets} login noinherit in role bearer_admin;
         create role {behind} login noinherit in role {inherits}"
    ));
    let calls = [
        "select count(*) from auth.list_issuers()",
        "select count(*) from auth.create_api_key('k', kind => 'service')",
        "select count(*) from auth.create_organization('o')",
        "select auth.act_as('{\"user_id\": \"u\"}') is null",
    ];
    for (role, before, set_role, after) in [
        (&inherits, true, "bearer_admin", true),
        (&sets, false, "bearer_admin", true),
        (&behind, false, inherits.as_str(), true),
        (&behind, false, behind.as_str(), false),
    ] {
        let mut session = db.connect(role);
        for call in calls {
            session.run("begin");
            assert_eq!(session.simple_query(call).is_ok(), before, "{role}: {call}");
            session.run(&format!("rollback; begin; set local role {set_role}"));
            assert_eq!(session.simple_query(call).is_ok(), after, "{role} as {set_role}: {call}");
            session.run("rollback");
        }
    }
    for role in [&behind, &sets, &inherits] {
        db.superuser().run(&format!("drop role {role}"));
    }
}

#[test]
fn t257_a_role_of_ours_that_was_renamed_gives_a_clear_error() {
    let server = Server::start(installation(), "roles", &[]).unwrap();
    let run = |sql: &str| server.psql("postgres", sql).unwrap();
    run("create extension pg_bearer");
    run(
        "create role administrator login in role bearer_admin; create role plain login; create table t (org_id uuid)",
    );
    run(&format!(
        "select auth.add_issuer('{STRICT_ISSUER}'), auth.add_jwt_secret('{STRICT_ISSUER}', '{SECRET}')"
    ));
    let connect = |user: &str| {
        let mut config = Config::new();
        config.host_path(server.socket_dir()).port(server.port()).dbname("postgres").user(user);
        config.connect(NoTls).unwrap()
    };
    let token = token_of("u");

    run("alter role bearer_owner rename to moved");
    let told = refusal(connect("plain").authenticate(&token));
    assert_eq!(told, "55000 the role bearer_owner of pg_bearer is missing");
    run("alter role moved rename to bearer_owner");

    run("alter role bearer_admin rename to moved");
    let told = connect("administrator").refused("select * from auth.list_issuers()");
    assert_eq!(told, "55000 the role bearer_admin of pg_bearer is missing");
    assert_eq!(connect("postgres").value("select count(*) from auth.list_issuers()").as_deref(), Some("1"));
    connect("plain").authenticate(&token).unwrap();
    run("alter role moved rename to bearer_admin");

    run("alter role bearer_service rename to moved");
    let told = connect("postgres").refused("select * from auth.protect('t')");
    assert_eq!(told, "55000 the role bearer_service of pg_bearer is missing");
    connect("plain").authenticate(&token).unwrap();
    run("alter role moved rename to bearer_service");

    // Another role of the same name is another role.
    run(
        "alter role bearer_admin rename to moved; create role bearer_admin; create role own login in role bearer_admin",
    );
    for call in ["auth.create_api_key('k', kind => 'service')", "auth.create_organization('o')"] {
        let told = connect("own").refused(&format!("select * from {call}"));
        assert_eq!(told, "28000 this transaction has no identity", "{call}");
    }
    let missing = "select count(*) from auth.lint() where code = 'role_missing' and object = 'bearer_admin'";
    assert_eq!(connect("postgres").value(missing).as_deref(), Some("1"));
    run("drop role own; drop role bearer_admin; alter role moved rename to bearer_admin");

    connect("administrator").run("select * from auth.list_issuers()");
    let told = connect("plain").refused("select * from auth.list_issuers()");
    assert_eq!(told, "42501 permission denied for function list_issuers");
}

#[test]
fn t256_an_issuer_with_org_ids_has_users_of_its_own() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let refused = "22023 user_id_prefix has a value that is not allowed";
    let one = "org_ids => '{0a000000-0000-4000-8000-00000000000a}'";
    assert_eq!(session.refused(&format!("select auth.add_issuer('x', {one})")), refused);
    assert_eq!(
        session.refused(&format!("select auth.add_issuer('x', {one}, user_id_prefix => 'x')")),
        refused
    );
    session.run(&format!("select auth.add_issuer('x', {one}, user_id_prefix => 'x:')"));
    for (arguments, is_right) in [
        ("user_id_prefix => ''".to_owned(), false),
        ("user_id_prefix => 'y:'".to_owned(), true),
        ("org_ids => '{}', user_id_prefix => ''".to_owned(), true),
        (one.to_owned(), false),
        (format!("{one}, user_id_prefix => 'x:'"), true),
    ] {
        let sql = format!("select auth.update_issuer('x', {arguments})");
        if is_right {
            session.run(&sql);
        } else {
            assert_eq!(session.refused(&sql), refused, "{arguments}");
        }
    }
    // One that came before the rule is changed in other ways.
    db.superuser().run("update auth.issuers set user_id_prefix = '' where issuer = 'x'");
    session.run("select auth.update_issuer('x', leeway => '0')");
}
