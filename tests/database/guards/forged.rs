//! Owners who want the guards to look away, and auth.protect(), for whose end they wait.

use super::{PROTECTED, assert_refused, guarded, owner};
use pg_bearer_tests::database::Session;
use postgres::NoTls;

const OFF: &str = "row-level security of shop.invoices is off";
const DISABLE: &str = "alter table shop.invoices disable row level security";

#[test]
fn t310_an_owner_does_not_switch_guards_off() {
    let db = guarded("");
    let mut session = owner(&db);
    session.run("select auth.uid()");
    for sql in [
        "set pg_bearer.allow_changes = on",
        "set local pg_bearer.allow_changes = on",
        "select set_config('pg_bearer.allow_changes', 'on', true)",
        "create function shop.f() returns void language sql set pg_bearer.allow_changes = on as ''",
        "select auth.allow_changes()",
        "select auth.unguard()",
        "select auth.guard(new_tables => 'ignore')",
        "select * from auth.guards()",
        "delete from auth.guard_settings",
        "update auth.guard_settings set new_tables = 'ignore'",
        "alter event trigger bearer_guard_changes disable",
        "drop event trigger bearer_guard_changes",
        "alter function auth_internal.guard_changes() rename to x",
        "create event trigger a on ddl_command_end execute function auth_internal.guard_changes()",
        "select auth_internal.protect_as_owner('shop.invoices'::regclass, '{}')",
        "select auth_internal.protection_run('shop.invoices'::regclass, '{}')",
        "select auth_internal.guard_is_off()",
        "set session_replication_role = replica",
    ] {
        let refused = session.refused(sql);
        assert!(refused.starts_with("42501 ") && !refused.contains("a guard"), "{sql}: {refused}");
    }
    assert_refused(&mut session, &[(DISABLE, OFF)]);
}

/// The setting before the library is loaded, which is when the guard asks for the first time.
#[test]
fn t310_a_value_from_before_the_library_was_loaded_does_not_count() {
    let db = guarded("create role guards_owner login; alter table shop.invoices owner to guards_owner");
    let before = "set pg_bearer.allow_changes = on";
    for (options, first) in [
        ("-c pg_bearer.allow_changes=on", ""),
        ("", before),
        ("", "begin; set local pg_bearer.allow_changes = on"),
    ] {
        let mut session = db.config("guards_owner").options(options).connect(NoTls).unwrap();
        session.run(first);
        assert_refused(&mut session, &[(DISABLE, OFF)]);
    }
    db.superuser().run("drop owned by guards_owner; drop role guards_owner");
}

#[test]
fn t311_protect_is_never_refused_midway_and_unprotect_is() {
    let forms = [
        "",
        ", resource => 'a.b'",
        ", all_orgs => true, roles => '{tenant}'",
        ", org_column => null, owner_column => 'body'",
        ", single_login => true, owner_column => 'body'",
    ];
    let db = guarded("");
    let mut session = owner(&db);
    session.run("create table shop.child () inherits (shop.invoices)");
    for from in forms {
        for to in forms {
            session.run(&format!(
                "select auth.protect('shop.invoices'{from}); select auth.protect('shop.invoices'{to})"
            ));
            assert_eq!(
                session.value(PROTECTED).as_deref(),
                Some("shop.child t, shop.invoices t"),
                "{from} {to}"
            );
        }
    }
    let refused = session.refused("select auth.unprotect('shop.invoices')");
    assert!(refused.starts_with("42501 a guard"), "{refused}");
    // Protecting repairs what was broken while nobody looked.
    let mut superuser = db.superuser();
    for broken in ["disable row level security", "no force row level security", "alter org_id drop default"] {
        superuser
            .run(&format!("begin; select auth.allow_changes(); alter table shop.invoices {broken}; commit"));
        session.run("select auth.protect('shop.invoices')");
        assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.child t, shop.invoices t"), "{broken}");
    }
    superuser.run("begin; select auth.allow_changes(); drop policy bearer_select on shop.invoices; create policy bearer_select on shop.invoices for all using (true);
                   comment on policy bearer_select on shop.invoices is '{\"by\": \"auth.protect\", \"forced\": true, \"enabled\": true, \"defaults\": []}'; commit");
    session.run("select auth.protect('shop.invoices')");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.child t, shop.invoices t"));
}

/// What auth.protect() is made of, called by somebody who means something else.
#[test]
fn t311_the_steps_of_protect_lend_nobody_anything() {
    let db = guarded("");
    let mut session = owner(&db);
    for settings in [
        "{}",
        "{\"organization\": null, \"roles\": [0], \"all_orgs\": false, \"single_login\": false}",
        "{\"organization\": \"nowhere\", \"roles\": [0], \"all_orgs\": false, \"single_login\": false}",
        "{\"owner\": \"id\", \"roles\": [0], \"all_orgs\": false, \"single_login\": false}",
        "null",
    ] {
        let refused = session.refused(&format!(
            "select auth_internal.run_protection('shop.invoices'::regclass, '{settings}')"
        ));
        assert!(refused.starts_with("22023 "), "{settings}: {refused}");
        assert_refused(&mut session, &[(DISABLE, OFF)]);
    }
    // A failure within leaves the guards as they were, also where it is caught.
    session.run("do $$ begin perform auth_internal.run_protection('shop.invoices'::regclass, '{}'); exception when others then null; end $$");
    assert_refused(&mut session, &[(DISABLE, OFF)]);
    let protect = "select auth_internal.run_protection('shop.invoices'::regclass, '{\"organization\": \"org_id\", \"resource\": \"x\", \"roles\": [0], \"all_orgs\": false, \"single_login\": false}')";
    session.run(protect);
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t"));
    assert!(db.tenant().refused(&protect.replace("\"x\"", "\"y\"")).starts_with("42501 must be owner"));
}

/// Making an index can run functions of the table's owner, in its other indexes.
#[test]
fn t314_guards_wait_only_while_no_code_of_the_owner_runs() {
    let db = guarded("drop table shop.invoices");
    let mut session = db.superuser();
    session.run(
        "create table shop.seen (tag text, is_off boolean); create table shop.t (id int, org_id uuid); drop table shop.t;
         create function shop.look() returns event_trigger language plpgsql as
             $$begin insert into shop.seen values (tg_tag, auth_internal.guard_is_off()); end$$;
         create event trigger look on ddl_command_end execute function shop.look();
         create table shop.t (id int, org_id uuid); select auth.protect('shop.t', resource => 'x'); alter table shop.t add x int",
    );
    let seen =
        "select string_agg(distinct tag || ' ' || is_off, ', ' order by tag || ' ' || is_off) from shop.seen";
    let expected = "ALTER POLICY true, ALTER TABLE false, ALTER TABLE true, COMMENT false, COMMENT true, CREATE INDEX false, CREATE POLICY true, CREATE TABLE false";
    assert_eq!(session.value(seen), Some(expected.to_owned()));
}

/// What a comment says of the table's past, in the words of auth.protect().
#[test]
fn t311_a_forged_comment_lets_no_default_go() {
    let db = guarded("");
    let mut session = owner(&db);
    for policy in ["bearer_select", "bearer_insert", "bearer_service"] {
        let memory = "{\"by\": \"auth.protect\", \"forced\": true, \"enabled\": true, \"defaults\": []}";
        let comment = format!("comment on policy {policy} on shop.invoices is '{memory}'");
        let refused = session.refused(&comment);
        assert!(refused.contains("is not as auth.protect() makes it"), "{comment}: {refused}");
    }
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t"));
}

/// Policies name a role of ours; nobody has its name when it is renamed.
#[test]
fn t310_a_renamed_role_of_ours_opens_nothing() {
    let db = guarded("");
    let mut superuser = db.superuser();
    superuser.run("begin; alter role bearer_service rename to bearer_renamed; set local role table_owner");
    let opened = superuser.refused("alter policy bearer_select on shop.invoices using (true)");
    assert!(opened.starts_with("42501 a guard"), "{opened}");
    superuser.run("rollback");
}
