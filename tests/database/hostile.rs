//! What policies are worth when somebody works against them with the means of a table owner, a schema of
//! their own, or DROP.

use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};

#[test]
fn t034_a_policy_keeps_its_meaning_under_a_hostile_search_path() {
    let db = Database::new();
    db.superuser().run(
        "create schema evil authorization tenant;
         create schema decoy; grant usage on schema decoy to public",
    );
    let mut session = db.tenant();
    session.run(
        "create function evil.in_org(uuid) returns boolean language sql as 'select true';
         create function evil.in_org(text) returns boolean language sql as 'select true';
         create function evil.always(uuid, uuid) returns boolean language sql as 'select true';
         create operator evil.= (leftarg = uuid, rightarg = uuid, function = evil.always);
         create function evil.current_org() returns uuid language sql as 'select null::uuid';
         create domain evil.uuid as text;
         create temp table docs (id int, org_id uuid);
         set search_path = evil, pg_temp, pg_catalog",
    );
    let hidden = |session: &mut postgres::Client| session.value("select count(*) from public.docs").unwrap();
    assert_eq!(hidden(&mut session), "0");
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(hidden(&mut session), "500");
    let foreign = format!("select count(*) from public.docs where org_id operator(pg_catalog.<>) '{ORG_A}'");
    assert_eq!(session.value(&foreign).as_deref(), Some("0"));
    let moved = format!("update public.docs set org_id = '{ORG_B}' where id operator(pg_catalog.=) 2");
    assert_eq!(
        session.refused(&moved),
        "42501 new row violates row-level security policy for table \"docs\""
    );
}

#[test]
fn t048_rows_stay_hidden_when_triggers_are_off() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("set session_replication_role = replica; set role tenant");
    assert_eq!(session.visible(), 0);
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.visible(), 500);
    assert_contains(db.tenant().refused("set session_replication_role = replica"), "42501 permission denied");
}

#[test]
fn t050_other_peoples_advisory_locks_delay_nothing() {
    let db = Database::new();
    let mut squatter = db.tenant();
    squatter.run("select pg_advisory_lock(n) from generate_series(-500, 500) n");
    squatter.run("select pg_advisory_lock(c.oid::int, n) from pg_class c, generate_series(0, 2) n where c.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace)");
    let set = jwks(&[Pair::es256().jwk("k")]);
    let (mut administrator, mut tenant) = (db.connect("administrator"), db.tenant());
    // A bound on waiting alone: the time that a slow machine takes does not count.
    administrator.run("set lock_timeout = '100ms'");
    tenant.run("set lock_timeout = '100ms'");
    administrator.execute("select auth.load_jwks($1, $2)", &[&ISSUER, &set]).unwrap();
    tenant.authenticate(&token_a()).unwrap();
}

#[test]
fn t051_dropping_the_extension_closes_a_table_with_a_permissive_policy() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.visible(), 500);
    session.run("commit");
    for sql in [
        "drop extension pg_bearer",
        "drop schema auth cascade",
        "drop schema auth_internal cascade",
        "drop function auth.in_org(uuid) cascade",
        "drop function auth_internal.is_list_of(text[], text, integer) cascade",
        "drop table auth.issuers cascade",
        "drop owned by bearer_owner",
        "drop owned by bearer_owner cascade",
        "drop role bearer_owner",
    ] {
        assert_contains(superuser.refused(sql), "2BP01 ");
    }
    superuser.run("drop extension pg_bearer cascade");
    assert_eq!(session.visible(), 0);
    assert_eq!(db.tenant().visible(), 0);
    assert_contains(session.refused("select auth.uid()"), "3F000 schema \"auth\" does not exist");
    assert_contains(
        session.refused("insert into docs values (0)"),
        "42501 new row violates row-level security policy",
    );
    // A session that read the identity before goes on, without one.
    superuser.run("create extension pg_bearer");
    assert_eq!(session.value("select auth.uid()"), None);
    assert_eq!(session.visible(), 0);
}

#[test]
fn a_look_alike_of_our_schema_is_not_read() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run("alter schema auth rename to auth_before");
    let mut session = db.connect("other");
    let good = "create schema auth;
         create table auth.issuers (like auth_before.issuers including all);
         create table auth.jwt_keys (like auth_before.jwt_keys including all);
         create table auth.jwt_secrets (like auth_before.jwt_secrets including all);";
    // Of the same shape, and of another one: what is read as a pointer must be one.
    let strange = "create schema auth;
         create table auth.issuers (id int8, issuer text collate \"C\" constraint issuers_issuer_key unique,
                                    audiences int8 default 4096);";
    for tables in [good, strange] {
        // Made by a superuser, because LIKE needs a right to read; an attacker writes the columns down.
        superuser.run(tables);
        superuser.run(&format!(
            "insert into auth.issuers (id, issuer) values ({}, '{ISSUER}')",
            if tables == good { "gen_random_uuid()" } else { "1" }
        ));
        session.run("begin");
        let refused = refusal(session.execute("select auth_before.authenticate($1)", &[&token_a()]));
        assert_eq!(refused, "55000 a table of pg_bearer is missing or was changed");
        session.run("rollback");
        superuser.run("drop schema auth cascade");
    }
    superuser.run("alter schema auth_before rename to auth");
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
}
