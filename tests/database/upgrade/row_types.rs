//! Everybody may use the types of our tables' rows. What is made of them must not stop an update.

use super::scripts::{assert_fresh, release, released, update, update_once_more};
use crate::catalog::rows;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

/// The types of the rows of all our tables and views.
fn row_types(session: &mut Client) -> Vec<String> {
    let types = "select t.oid::regtype::text from pg_type t join pg_class c on c.oid = t.typrelid
                  where c.relnamespace in (select n.oid from pg_namespace n where n.nspname in ('auth', 'auth_internal'))
                    and has_schema_privilege('tenant', c.relnamespace, 'usage') and has_type_privilege('tenant', t.oid, 'usage')
                  order by 1";
    rows(session, types)
}

/// Makes in this schema whatever can be made of these types, with values in it.
fn make(session: &mut Client, schema: &str, types: &[String]) {
    for (number, name) in types.iter().enumerate() {
        session.run(&format!(
            "create type {schema}.part_{number} as (part {name});
             create domain {schema}.same_{number} as {name};
             create table {schema}.held_{number} (one {name}, many {name}[], part {schema}.part_{number}, same {schema}.same_{number});
             create index on {schema}.held_{number} ((one is null));
             create view {schema}.seen_{number} as select one, many from {schema}.held_{number};
             create function {schema}.given_{number}(one {name}) returns {name} language sql as 'select $1';
             insert into {schema}.held_{number}
             select r, array[r], row(r)::{schema}.part_{number}, r from (select jsonb_populate_record(null::{name}, '{{}}') as r) v"
        ));
    }
}

fn assert_there(session: &mut Client, schema: &str, types: &[String]) {
    for (number, name) in types.iter().enumerate() {
        let sql =
            format!("select count(*) from {schema}.held_{number} h where h.one::text = h.many[1]::text");
        assert_eq!(session.value(&sql).as_deref(), Some("1"), "{name}");
        session.run(&format!(
            "select * from {schema}.held_{number}; select * from {schema}.seen_{number};
             select {schema}.given_{number}(one) from {schema}.held_{number}"
        ));
    }
}

/// What a tenant makes in this schema, and an update past it; also past a transaction that has read it and stays open.
fn assert_updates(db: &Database, schema: &str, is_open: bool, what: &str) {
    let mut superuser = db.superuser();
    let types = row_types(&mut superuser);
    assert!(types.len() >= 15, "{types:?}");
    let mut tenant = db.tenant();
    make(&mut tenant, schema, &types);
    if is_open {
        tenant.run("begin");
        assert_there(&mut tenant, schema, &types);
    }
    // Nor is anybody waited for.
    superuser.run("set lock_timeout = '5s'");
    update(&mut superuser);
    let all = row_types(&mut superuser);
    assert_there(&mut tenant, schema, &types);
    if is_open {
        tenant.run("commit");
    }
    // Also of the types that came with this version.
    if schema == "pg_temp" {
        tenant.run("discard temporary");
    } else {
        tenant.run("drop schema kept cascade; create schema kept");
    }
    make(&mut tenant, schema, &all);
    update_once_more(&mut superuser);
    assert_there(&mut tenant, schema, &all);
    drop(tenant);
    superuser.run("drop schema if exists kept cascade");
    assert_fresh(&mut superuser, what);
}

#[test]
fn t215_a_temporary_table_of_our_row_types_stops_no_update() {
    for (version, script) in released() {
        for is_open in [false, true] {
            assert_updates(&release(&version, &script), "pg_temp", is_open, &version);
        }
    }
}

#[test]
fn t215_a_table_of_a_tenant_of_our_row_types_stops_no_update() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let allow = format!("grant create on database {} to tenant", db.name);
        db.superuser().run(&allow);
        db.tenant().run("create schema kept");
        assert_updates(&db, "kept", false, &version);
    }
}
