//! Who owns the tables, and what others may do with them.

use super::{TABLES, assert_none, rows};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

#[test]
fn row_security_is_on_for_every_table_and_nobody_but_the_owner_has_a_grant() {
    let db = Database::new();
    let mut session = db.superuser();
    let tables = "select c.oid::regclass::text from pg_class c where c.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and c.relkind = 'r'";
    let mut found = rows(&mut session, tables);
    found.sort();
    assert_eq!(found, TABLES);
    let tables = &format!("{tables} and c.oid <> 'auth.users'::regclass");
    assert_none(&mut session, tables, "not c.relrowsecurity or c.relowner <> 'bearer_owner'::regrole");
    assert_none(
        &mut session,
        tables,
        "exists (select from aclexplode(c.relacl) a where a.grantee <> c.relowner)
         or exists (select from pg_attribute a where a.attrelid = c.oid and a.attacl is not null)
         or exists (select from pg_policy p where p.polrelid = c.oid)",
    );
    assert_none(
        &mut session,
        "select t.typname::text from pg_type t where t.typnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)",
        "t.typacl is not null",
    );
}

/// The one exception: triggers on it, and foreign keys to it, are other people's, and run with the rights of its owner.
#[test]
fn the_table_of_users_belongs_to_a_role_of_its_own_and_no_other_one_reads_it() {
    let db = Database::new();
    let mut session = db.superuser();
    let table =
        "select concat_ws(' ', c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity) from pg_class c
                  where c.oid = 'auth.users'::regclass";
    assert_eq!(session.value(table).as_deref(), Some("bearer_users t f"));
    let policies = "select p.polname::text from pg_policy p where p.polrelid = 'auth.users'::regclass";
    assert_eq!(rows(&mut session, policies), [] as [String; 0]);
    let grants = "select concat_ws(' ', a.grantee::regrole, a.privilege_type, a.is_grantable)
                    from pg_class c, aclexplode(c.relacl) a where c.oid = 'auth.users'::regclass and a.grantee <> c.relowner
                  union all select concat_ws(' ', a.attname, a.attacl) from pg_attribute a
                   where a.attrelid = 'auth.users'::regclass and a.attacl is not null";
    assert_eq!(rows(&mut session, grants), [] as [String; 0]);
}

#[test]
fn t460_whoever_owns_the_users_can_do_nothing_else() {
    let db = Database::new();
    let mut session = db.superuser();
    let owned = rows(
        &mut session,
        "select distinct pg_describe_object(d.classid, d.objid, 0) from pg_shdepend d join pg_database b on b.oid = d.dbid
          where d.refobjid = 'bearer_users'::regrole and d.deptype = 'o' and b.datname = current_database() order by 1",
    );
    let expected = [
        "function auth_internal.change_user(jsonb)",
        "function auth_internal.find_user(jsonb)",
        "function auth_internal.insert_user(jsonb)",
        "function auth_internal.page_of_users(jsonb)",
        "table auth.users",
    ];
    assert_eq!(owned, expected);
    let granted = rows(
        &mut session,
        "select distinct pg_describe_object(d.classid, d.objid, 0) from pg_shdepend d join pg_database b on b.oid = d.dbid
          where d.refobjid = 'bearer_users'::regrole and d.deptype not in ('o', 'i') and b.datname = current_database() order by 1",
    );
    assert_eq!(granted, ["schema auth"]);
    // What it may, but for what everybody may.
    let more = "has_table_privilege('bearer_users', c.oid, 'select, insert, update, delete, truncate, references, trigger')
                and not has_table_privilege('tenant', c.oid, 'select, insert, update, delete, truncate, references, trigger')";
    let tables = "select c.oid::regclass::text from pg_class c where c.relkind in ('r', 'v', 'm', 'p', 'f')";
    assert_eq!(rows(&mut session, &format!("{tables} and {more}")), ["auth.users"]);
    let functions = "select p.oid::regprocedure::text from pg_proc p where has_function_privilege('bearer_users', p.oid, 'execute')
                        and not has_function_privilege('tenant', p.oid, 'execute') order by 1";
    assert_eq!(
        rows(&mut session, functions),
        [
            "auth_internal.change_user(jsonb)",
            "auth_internal.find_user(jsonb)",
            "auth_internal.insert_user(jsonb)",
            "auth_internal.page_of_users(jsonb)"
        ]
    );
    let creates = "select n.nspname::text from pg_namespace n
                    where has_schema_privilege('bearer_users', n.oid, 'create') and not has_schema_privilege('tenant', n.oid, 'create')";
    assert_eq!(rows(&mut session, creates), [] as [String; 0]);
}

#[test]
fn administrators_read_the_only_view_and_nothing_else() {
    let db = Database::new();
    let mut session = db.superuser();
    let grants = rows(
        &mut session,
        "select concat_ws(' ', c.oid::regclass, c.relowner::regrole, a.grantee::regrole, a.privilege_type)
           from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
          where c.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and c.relkind not in ('r', 'i', 't') and a.grantee <> c.relowner",
    );
    assert_eq!(grants, ["auth.api_keys_due bearer_owner bearer_admin SELECT"]);
    let view = "auth.api_keys_due";
    assert_eq!(
        db.tenant().refused(&format!("select from {view}")),
        "42501 permission denied for view api_keys_due"
    );
    let mut administrator = db.connect("administrator");
    administrator.run(&format!("select * from {view}"));
    for sql in [format!("delete from {view}"), format!("update {view} set name = ''")] {
        assert!(
            administrator.refused(&sql).starts_with("42501 ")
                || administrator.refused(&sql).starts_with("55000 ")
        );
    }
}

#[test]
fn tables_have_no_trigger_that_a_restore_would_fire() {
    let db = Database::new();
    let mut session = db.superuser();
    let triggers = "select t.tgname::text from pg_trigger t join pg_class c on c.oid = t.tgrelid
                     where c.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)";
    assert_eq!(rows(&mut session, triggers), [] as [String; 0]);
}
