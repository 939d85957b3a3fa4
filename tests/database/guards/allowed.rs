//! Who may change protected tables all the same, and for how long.

use super::{PROTECTED, assert_refused, guarded, owner};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, server};
use pg_bearer_tests::token::*;

const OFF: &str = "row-level security of shop.invoices is off";
const DISABLE: &str = "alter table shop.invoices disable row level security";

#[test]
fn t312_changes_are_allowed_for_one_transaction() {
    let db = guarded("");
    let mut session = db.superuser();
    session.run(&format!("begin; select auth.allow_changes(); {DISABLE}; select auth.unprotect('shop.invoices'); create table shop.t (org_id uuid); rollback"));
    assert_refused(&mut session, &[(DISABLE, OFF)]);
    session.run("begin; select auth.allow_changes(); commit");
    assert_refused(&mut session, &[(DISABLE, OFF)]);
    assert_refused(
        &mut session,
        &[(&format!("begin; savepoint s; select auth.allow_changes(); rollback to s; {DISABLE}"), OFF)],
    );
    session.run(&format!("begin; savepoint s; select auth.allow_changes(); release s; {DISABLE}; rollback"));
    let caught = format!(
        "do $$ begin begin perform auth.allow_changes(); raise 'x'; exception when others then null; end; execute '{DISABLE}'; end $$"
    );
    assert_refused(&mut session, &[(&caught, OFF)]);
    let committed = format!("do $$ begin perform auth.allow_changes(); commit; execute '{DISABLE}'; end $$");
    assert_refused(&mut session, &[(&committed, OFF)]);
}

#[test]
fn t312_only_administrators_allow_changes_and_not_while_they_act_for_somebody() {
    let db = guarded("create role guards_admin login in role bearer_admin, table_owner");
    let mut session = db.connect("guards_admin");
    session.run(&format!("begin; select auth.allow_changes(); {DISABLE}; rollback"));
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(
        session.refused("select auth.allow_changes()"),
        "42501 whoever acts for somebody changes no protected table"
    );
    session.run("rollback");
    // Nobody's right passes through somebody else's function.
    db.superuser().run("create function shop.lends() returns void language sql security definer as 'select auth.allow_changes()';
                        grant execute on function auth.allow_changes() to tenant");
    let refused = "42501 this needs an administrator of pg_bearer";
    assert_eq!(db.tenant().refused("select shop.lends()"), refused);
    assert_eq!(db.tenant().refused("select auth.allow_changes()"), refused);
    assert!(server().log().contains("pg_bearer: \"guards_admin\" may change protected tables"));
    db.superuser().run("revoke execute on function auth.allow_changes() from tenant; drop owned by guards_admin; drop role guards_admin");
}

#[test]
fn t316_guards_are_made_and_taken_away_by_superusers() {
    let db = Database::new();
    let mut session = db.superuser();
    let listed = "select string_agg(concat_ws(' ', coalesce(schemas::text, 'all'), new_tables, intact), ',') from auth.guards()";
    assert_eq!(session.value(listed), None);
    for (arguments, refusal) in [
        ("new_tables => 'x'", "22023 new_tables has a value that is not allowed"),
        ("new_tables => null", "22023 new_tables has a value that is not allowed"),
        ("'{nowhere}'", "22023 schema nowhere does not exist"),
        ("'{null}'", "22023 schema null does not exist"),
    ] {
        assert_eq!(session.refused(&format!("select auth.guard({arguments})")), refusal);
        assert_eq!(session.value(listed), None);
    }
    for (arguments, expected) in [
        ("", "all protect t"),
        ("'{public}', 'refuse'", "{public} refuse t"),
        ("null, 'ignore'", "all ignore t"),
    ] {
        session.run(&format!("select auth.guard({arguments})"));
        assert_eq!(session.value(listed).as_deref(), Some(expected));
        assert_eq!(db.connect("administrator").value(listed).as_deref(), Some(expected));
    }
    for user in ["tenant", "administrator"] {
        for call in ["guard()", "unguard()"] {
            assert!(db.connect(user).refused(&format!("select auth.{call}")).starts_with("42501 "));
        }
    }
    let triggers =
        "select string_agg(concat_ws(' ', evtname, evtenabled), ', ' order by evtname) from pg_event_trigger";
    assert_eq!(session.value(triggers).as_deref(), Some("bearer_guard_changes A, bearer_guard_drops A"));
    session.run("alter event trigger bearer_guard_drops disable");
    assert_eq!(session.value(listed).as_deref(), Some("all ignore f"));
    session.run("select auth.unguard(); select auth.unguard()");
    assert_eq!(session.value(listed), None);
    assert_eq!(session.value(triggers), None);
    session.run(
        "create table t (org_id uuid); select auth.protect('t'); alter table t disable row level security",
    );
}

#[test]
fn t318_an_update_leaves_guards_as_they_are() {
    let db = guarded("");
    crate::upgrade::update_once_more(&mut db.superuser());
    let mut session = owner(&db);
    assert_refused(&mut session, &[(DISABLE, OFF)]);
    session.run("create table shop.t (org_id uuid)");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t, shop.t t"));
    let intact = "select concat_ws(' ', new_tables, intact) from auth.guards()";
    assert_eq!(db.superuser().value(intact).as_deref(), Some("protect t"));
}
