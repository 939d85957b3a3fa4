//! Updating where somebody has prepared the ground.

use super::retired::{WITH_OTHER_RESULT, old_list_invitations};
use super::scripts::{
    assert_fresh, before, first_release, install, installed, last_release, update, update_from,
    update_once_more, with_step,
};
use crate::install::{PLANTS, TEMPORARY_PLANTS, TRACES, catalog};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};

#[test]
fn t040_an_update_never_adopts_a_schema_auth_internal() {
    ["auth_internal", "auth_http"].into_iter().for_each(is_not_adopted);
}

fn is_not_adopted(schema: &str) {
    let db = before();
    let mut session = db.superuser();
    session.run(&format!(
        "create schema {schema} authorization other;
         create table {schema}.before_update (class oid, object oid, name text, acl aclitem[]);
         alter table {schema}.before_update owner to other"
    ));
    let before = catalog(&mut session);
    assert!(before.iter().any(|line| line.contains("before_update")));
    for _ in 0..2 {
        let error = session.batch_execute("alter extension pg_bearer update").unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(
            (error.code().code(), error.message()),
            ("42P06", format!("schema \"{schema}\" already exists").as_str())
        );
        assert_contains(error.hint().unwrap(), "Rename the schema that is there, and run the update again.");
        assert_eq!(catalog(&mut session), before);
    }
    session.run(&format!("alter schema {schema} rename to mine"));
    update(&mut session);
    assert_fresh(&mut session, "renamed");
    assert_eq!(session.value("select count(*) from mine.before_update").as_deref(), Some("0"));
}

#[test]
fn t033_t039_plants_are_neither_adopted_nor_called_by_an_update() {
    let (version, script) = first_release();
    for path in ["evil", "evil, pg_catalog", "pg_temp, evil, pg_catalog", "evil, auth, auth_internal"] {
        let db = Database::empty();
        let mut session = db.superuser();
        session.run(PLANTS);
        session.run(TEMPORARY_PLANTS);
        // The schema that the extension was made in comes before others when its scripts run.
        session.run("set search_path = evil");
        install(&mut session, &script, &update_from(&version));
        session.run(&format!("set search_path = {path}"));
        session.run("alter extension pg_bearer update");
        assert_eq!(session.value("show search_path").as_deref(), Some(path));
        assert_fresh(&mut session, path);
        session.run(&format!("set search_path = {path}"));
        update_once_more(&mut session);
        assert_fresh(&mut session, path);
    }
}

#[test]
fn strange_settings_of_the_session_make_no_difference_to_an_update() {
    for settings in [
        "set standard_conforming_strings = off; set escape_string_warning = off; set check_function_bodies = off",
        "set quote_all_identifiers = on; set array_nulls = off; set transform_null_equals = on",
        "set row_security = off; set session_replication_role = replica; set bytea_output = escape",
        "load 'plpgsql'; set plpgsql.variable_conflict = use_column; set plpgsql.extra_errors = 'all'",
        "set default_transaction_isolation = serializable; set client_encoding = latin1; set role postgres",
    ] {
        // With everything that an update does: a function that is in use and has to be made anew, and grants that go.
        let step = "select auth_internal.retire_function('auth.list_invitations(uuid)');";
        let db = installed(&old_list_invitations(), &with_step(&update_from(&last_release().0), step));
        let mut session = db.superuser();
        session.run(WITH_OTHER_RESULT);
        session.run("grant execute on function auth.list_issuers() to bearer_service, public; grant select on auth.roles to bearer_admin");
        session.run(settings);
        session.run("alter extension pg_bearer update");
        assert_eq!(
            session.refused("select * from invitation_list").split(' ').next(),
            Some("55000"),
            "{settings}"
        );
        session.run("drop view invitation_list");
        update_once_more(&mut session);
        session.run("reset all");
        assert_fresh(&mut session, settings);
    }
}

#[test]
fn functions_with_the_names_of_ours_stop_an_update_and_lose_nothing() {
    // Made by whoever may create in the schema, which is a superuser unless one gave it away.
    for plant in ["auth.in_org(uuid, uuid)", "auth.uid(text)"] {
        let db = before();
        let mut session = db.superuser();
        session.run(&format!("create function {plant} returns boolean language sql return true"));
        let before = catalog(&mut session);
        assert_contains(session.refused("alter extension pg_bearer update"), "42723 ");
        assert_eq!(catalog(&mut session), before);
    }
}

#[test]
fn t042_only_superusers_update() {
    let db = before();
    db.superuser().run(&format!("alter database {} owner to other", db.name));
    for role in ["other", "administrator"] {
        assert_contains(
            db.connect(role).refused("alter extension pg_bearer update"),
            "42501 must be owner of",
        );
    }
}

#[test]
fn dropping_the_extension_after_an_update_leaves_nothing() {
    let empty = Database::empty();
    let before_all = empty.superuser().value(TRACES);
    let db = before();
    let mut session = db.superuser();
    update(&mut session);
    assert_ne!(session.value(TRACES), before_all);
    for sql in
        ["drop schema auth_internal cascade", "drop function auth_internal.role_in(uuid, text) cascade"]
    {
        assert_contains(session.refused(sql), "2BP01 ");
    }
    session.run("drop extension pg_bearer");
    assert_eq!(session.value(TRACES), before_all);
    session.run("create extension pg_bearer");
    assert_fresh(&mut session, "made again");
}

#[test]
fn t041_updates_substitute_nothing_and_take_no_advisory_locks() {
    let update = update_from(&last_release().0).to_lowercase();
    for word in ["@extschema", "@extowner", "advisory", "pg_notify", "notify "] {
        assert!(!update.contains(word), "{word:?}");
    }
}
