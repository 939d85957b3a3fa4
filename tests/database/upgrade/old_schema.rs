//! Between the upgrade of the package and ALTER EXTENSION UPDATE the new library works for the old schema.

use super::data::{assert_works, seed};
use super::scripts::{before, release, released, update};
use pg_bearer_tests::database::{Session, assert_contains, assert_values};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;

/// What was there is used, in every way that the library has a part in.
fn assert_serves(db: &Database) {
    let mut session = db.superuser();
    assert_works(&mut session);
    session.run(
        "create table bills (org_id uuid not null, body text); grant all on bills to tenant;
         alter table bills owner to other; insert into bills select org_id, slug from auth.list_organizations()",
    );
    let mut owner = db.connect("other");
    owner.run("select auth.protect('bills')");
    assert_values(
        &mut owner,
        &[
            (
                "select count(*) from auth.lint('{public}') where object = 'public.bills' and severity = 'error'",
                Some("0"),
            ),
            ("select intact from auth.protected_tables() where source = 'bills'::regclass", Some("t")),
        ],
    );
    assert_tenant(&mut db.tenant());
    assert_administrator(&mut db.connect("administrator"));
    for (slug, conclusion) in [("acme", "allowed: "), ("other", "no such row: ")] {
        let row = format!("row_key => '{{\"body\": \"{slug}\"}}', as_role => 'tenant'");
        let sql = format!(
            "select string_agg(conclusion, ' ') from auth.explain_access('bills', 'select', '{}', {row})",
            token_of("alice")
        );
        assert_contains(session.value(&sql).unwrap(), conclusion);
    }
    owner.run("select auth.unprotect('bills')");
    session.run("drop table bills");
}

/// Readers, choosing an organization, changing one, and keys.
fn assert_tenant(tenant: &mut Client) {
    tenant.run("begin");
    tenant.authenticate(&token_of("alice")).unwrap();
    assert_values(
        tenant,
        &[
            ("select auth.user_id() || ' ' || auth.org_role()", Some("alice owner")),
            ("select string_agg(body, ' ') from bills", Some("acme")),
            ("select count(*) from auth.list_members()", Some("3")),
            (
                "select auth.require_permission('x') and auth.has_permission_in('x', auth.current_org())",
                Some("t"),
            ),
        ],
    );
    tenant.run("select auth.set_org(auth.current_org())");
    assert_eq!(tenant.value("select count(*) from bills").as_deref(), Some("1"));
    let made =
        "select id || ' ' || key from auth.create_api_key('old', auth.current_org(), scopes => '{x.read}')";
    let made = tenant.value(made).unwrap();
    let (id, key) = made.split_once(' ').unwrap();
    let check = |key: &str| format!("select valid from auth.check_api_key('{key}')");
    assert_eq!(tenant.value(&check(key)).as_deref(), Some("t"));
    let rotated = tenant.value(&format!("select key from auth.rotate_api_key('{id}')")).unwrap();
    tenant.run("savepoint before");
    assert_eq!(refusal(tenant.authenticate(key)), "28000 the credential was refused");
    tenant.run("rollback to before");
    // There are no tickets yet.
    assert_eq!(refusal(tenant.authenticate("ticket.AQ")), "28000 the credential was refused");
    tenant.run("rollback to before");
    tenant.authenticate(&rotated).unwrap();
    assert_eq!(tenant.value("select auth.has_scope('x.read')").as_deref(), Some("t"));
    assert_eq!(tenant.value("select count(*) from bills").as_deref(), Some("1"));
    tenant.run("rollback; begin");
    tenant.authenticate(&token_of("alice")).unwrap();
    tenant.run("select auth.sign_out()");
    assert_eq!(tenant.value("select count(*) from bills").as_deref(), Some("0"));
    tenant.run("rollback");
}

fn assert_administrator(administrator: &mut Client) {
    let alice = token_of("alice");
    assert_values(
        administrator,
        &[
            (&format!("select valid from auth.check_jwt('{alice}')"), Some("t")),
            (&format!("select valid from auth.explain_credential('{alice}')"), Some("t")),
            ("select count(*) > 0 from auth.list_jwt_keys()", Some("t")),
        ],
    );
    administrator.run("begin");
    administrator.run("select auth.act_as('{\"user_id\": \"alice\"}')");
    assert_eq!(administrator.value("select auth.user_id()").as_deref(), Some("alice"));
    administrator.run("rollback");
}

#[test]
fn t199_a_new_library_serves_a_database_that_was_not_upgraded_yet() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let mut session = db.superuser();
        seed(&mut session);
        assert_serves(&db);
        // In a session that has used the old functions, too.
        assert_works(&mut session);
        update(&mut session);
        assert_works(&mut session);
        assert_serves(&db);
    }
}

const UPDATE: &str = "If the package was upgraded, run ALTER EXTENSION pg_bearer UPDATE.";

/// The code and the hint of a statement that must fail.
fn hint(session: &mut Client, sql: &str) -> (String, String) {
    let error = session.batch_execute(sql).unwrap_err();
    let error = error.as_db_error().unwrap();
    (error.code().code().to_owned(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn t199_a_function_that_the_old_schema_lacks_says_to_update() {
    let db = before();
    let mut session = db.superuser();
    session.run("select auth.uid()");
    let postgres = hint(&mut session, "select pg_catalog.of_a_later_version()").1;
    assert!(!postgres.is_empty() && !postgres.contains("ALTER EXTENSION"));
    let expected = ("42883".to_owned(), format!("{postgres} {UPDATE}"));
    for call in [
        "select auth.of_a_later_version()",
        "select * from auth.of_a_later_version('x', now()) f",
        "select auth.in_org(1, 2)",
        "do $$ begin perform auth.of_a_later_version(); end $$",
        "begin; select auth.of_a_later_version(1)",
        "rollback; prepare p as select auth.of_a_later_version($1)",
        "create view v as select auth.of_a_later_version()",
    ] {
        assert_eq!(hint(&mut session, call), expected, "{call}");
    }
    // With parameters, too; in commands that have no hint of their own; and in the server's log.
    let error = session.query("select auth.of_a_later_version($1::text)", &[&"x"]).unwrap_err();
    assert_eq!(error.as_db_error().unwrap().hint(), Some(&*expected.1));
    for command in ["comment on function auth.later_one(int) is 'x'", "call auth.later_one(1)"] {
        assert_contains(hint(&mut session, command).1, UPDATE);
    }
    assert!(
        pg_bearer_tests::server().log().lines().any(|line| line.contains("HINT:") && line.ends_with(UPDATE))
    );
    update(&mut session);
    session.run("create function auth_internal.f() returns int language sql return 1");
    assert_eq!(hint(&mut session, "select auth_internal.of_a_later_version()"), expected);
    session.run("select auth_internal.f()");
}
