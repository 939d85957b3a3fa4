//! What event triggers do not see, and guards that were switched off: lint finds the result.

use super::{PROTECTED, assert_refused, guarded};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

/// The codes of lint about these objects.
fn codes(session: &mut Client, objects: &str) -> String {
    let sql = format!(
        "select coalesce(string_agg(code, ' ' order by code), '') from auth.lint() where object ~ '{objects}'"
    );
    session.value(&sql).unwrap()
}

#[test]
fn t190_guards_are_not_silent_under_a_replica_role() {
    let db = guarded("");
    let mut session = db.superuser();
    session.run("set session_replication_role = replica");
    assert_refused(
        &mut session,
        &[
            (
                "alter table shop.invoices disable row level security",
                "row-level security of shop.invoices is off",
            ),
            (
                "drop policy bearer_select on shop.invoices",
                "policy bearer_select of shop.invoices is missing",
            ),
        ],
    );
    session.run("create table shop.kid () inherits (shop.invoices)");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t, shop.kid t"));
}

/// As with event_triggers = off, from 17 on, and in single-user mode: no event trigger fires.
#[test]
fn t190_lint_finds_what_was_done_while_no_event_trigger_fired() {
    let db = guarded(
        "create table shop.kid () inherits (shop.invoices); alter table shop.kid owner to table_owner; select auth.protect('shop.invoices')",
    );
    let mut session = db.superuser();
    assert!(!codes(&mut session, "shop|guard").contains("off"));
    let none =
        "alter event trigger bearer_guard_changes disable; alter event trigger bearer_guard_drops disable";
    for (done, found) in [
        ("alter table shop.invoices disable row level security", "rls_off"),
        ("alter table shop.invoices no force row level security", "rls_not_forced"),
        ("alter table shop.kid disable row level security", "child_rls_off"),
        ("create policy p on shop.invoices using (true)", "using_true"),
        ("alter policy bearer_select on shop.invoices using (true)", "using_true"),
        ("drop index shop.bearer_invoices", "org_not_indexed"),
        ("create table shop.t (id int, org_id uuid primary key)", "rls_off"),
    ] {
        session.run(&format!("begin; {none}; {done}"));
        let codes = codes(&mut session, "shop");
        assert!(codes.split(' ').any(|code| code == found), "{done}: {codes}");
        session.run("rollback");
    }
    session.run(&format!("begin; {none}"));
    assert_eq!(codes(&mut session, "guard"), "guard_off guard_off");
}

#[test]
fn t190_lint_finds_the_result_of_each_command_without_an_event() {
    let db = guarded("");
    let mut session = db.superuser();
    let before = "create role guards_login login; create role guards_group nologin";
    for (done, object, code) in [
        ("grant table_owner to guards_login", "table_owner for guards_login", "owner_reachable"),
        (
            "grant guards_group to guards_login; alter role guards_group bypassrls; grant select on shop.invoices to guards_group",
            "guards_group",
            "bypasses_rls",
        ),
        ("alter role table_owner login", "table_owner", "owner_logs_in"),
        ("alter role table_owner bypassrls", "table_owner", "owner_bypasses"),
        ("alter role table_owner superuser", "table_owner", "owner_bypasses"),
        (
            "grant select on shop.invoices to guards_login; alter role guards_login bypassrls",
            "guards_login",
            "bypasses_rls",
        ),
        ("reassign owned by table_owner to guards_login", "guards_login", "owner_logs_in"),
        ("reassign owned by table_owner to postgres", "postgres", "owner_bypasses"),
        ("grant truncate on shop.invoices to tenant", "shop.invoices for tenant", "truncate_granted"),
        ("grant all on all tables in schema shop to tenant", "shop.invoices for tenant", "truncate_granted"),
        ("grant bearer_owner to guards_login", "guards_login", "owner_has_members"),
        (
            "grant bearer_admin to guards_login with admin option",
            "bearer_admin for guards_login",
            "administrator_reachable",
        ),
    ] {
        let asked = format!("select count(*) from auth.lint() where object = '{object}' and code = '{code}'");
        session.run(&format!("begin; {before}"));
        let count = session.value(&asked).unwrap();
        assert_eq!(count, if object == "postgres" { count.clone() } else { "0".into() }, "{done}");
        session.run(done);
        assert_eq!(session.value(&asked).as_deref(), Some("1"), "{done}");
        session.run("rollback");
    }
}

#[test]
fn t190_guards_that_guard_no_more_are_found_where_there_were_to_be_some() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("select auth.guard(); select auth.unguard()");
    assert_eq!(codes(&mut session, "guard"), "");
    session.run("select auth.guard('{public}', 'refuse')");
    for planted in [
        "drop event trigger bearer_guard_drops",
        "alter event trigger bearer_guard_drops disable",
        "alter event trigger bearer_guard_drops enable",
        "alter event trigger bearer_guard_drops enable replica",
        "drop event trigger bearer_guard_drops; create event trigger bearer_guard_drops on sql_drop when tag in ('DROP TABLE') execute function auth_internal.guard_drops();
         alter event trigger bearer_guard_drops enable always",
        "create function public.guard_drops() returns event_trigger language plpgsql as 'begin end'; drop event trigger bearer_guard_drops;
         create event trigger bearer_guard_drops on sql_drop execute function public.guard_drops(); alter event trigger bearer_guard_drops enable always",
    ] {
        session.run(&format!("begin; {planted}"));
        let found = session.query_one("select code, severity, object, fix from auth.lint() where code = 'guard_off'", &[]).unwrap();
        let (severity, object, fix): (String, String, String) = (found.get(1), found.get(2), found.get(3));
        assert_eq!((severity.as_str(), object.as_str()), ("warning", "event trigger bearer_guard_drops"), "{planted}");
        assert_eq!(fix, "select auth.guard('{public}', 'refuse')");
        session.run(&fix);
        assert_eq!(codes(&mut session, "guard"), "", "{planted}");
        assert_eq!(session.value("select intact from auth.guards()").as_deref(), Some("t"));
        session.run("rollback");
    }
}
