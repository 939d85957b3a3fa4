//! What others have put into schema auth, or hold, when an update comes.

use super::scripts::{before, update};
use pg_bearer_tests::database::{Session, assert_contains, assert_values};

#[test]
fn a_function_of_somebody_else_with_a_name_of_ours_stops_the_update_and_says_what_to_do() {
    let db = before();
    let mut session = db.superuser();
    session.run("create function auth.lint(x int) returns int language sql as 'select 1'");
    let error = session.batch_execute("alter extension pg_bearer update").unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(
        (error.code().code(), error.message()),
        ("42723", "auth.lint(integer) is not a function of pg_bearer")
    );
    assert_contains(error.hint().unwrap(), "move it to another schema, and run the update again");
    session.run("alter function auth.lint(int) set schema public");
    update(&mut session);
    assert_eq!(session.value("select public.lint(1)").as_deref(), Some("1"));
}

#[test]
fn t200_what_is_not_of_the_extension_keeps_its_grants_and_gets_none() {
    let db = before();
    let mut session = db.superuser();
    session.run(
        "create type auth.mood as enum ('good'); grant usage on type auth.mood to tenant;
         create domain auth.word as text; grant usage on domain auth.word to bearer_admin;
         grant execute on function auth.protection_tree to tenant;
         create aggregate public.protection_tree(int) (sfunc = int4pl, stype = int);
         revoke all on function public.protection_tree(int) from public;
         alter aggregate public.protection_tree(int) set schema auth",
    );
    let grants = "select string_agg(typname || ' ' || typacl::text, ' ' order by typname) from pg_type where typname in ('mood', 'word')";
    let before = session.value(grants);
    // One of theirs with the name of one of ours is refused; here ours goes.
    assert_contains(
        session.refused("alter extension pg_bearer update"),
        "42723 auth.protection_tree(integer)",
    );
    session.run("alter aggregate auth.protection_tree(int) rename to tree_of_protection");
    update(&mut session);
    assert_eq!(session.value(grants), before);
    let granted = "select has_function_privilege('tenant', 'auth.tree_of_protection(int)', 'execute')";
    assert_values(&mut session, &[(granted, Some("f"))]);
}

#[test]
fn t199_nobody_holds_up_an_update_with_what_refers_to_a_function_that_goes() {
    let db = before();
    let mut session = db.superuser();
    session.run("create schema own authorization tenant");
    let mut tenant = db.tenant();
    tenant.run("create view own.tree as select auth.protection_tree(1::oid)");
    tenant.run("begin; lock table own.tree in access share mode");
    session.run("set lock_timeout = '5s'");
    update(&mut session);
    tenant.run("commit");
    assert_contains(
        tenant.refused("select * from own.tree"),
        "55000 auth.protection_tree() is not what it was",
    );
}
