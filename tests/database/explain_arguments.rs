//! What explaining takes: rows found by their keys, roles, and who may ask.

use super::explain_access::{U1, about, conclusion};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;

#[test]
fn rows_are_found_by_values_of_any_type_and_in_partitions() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        r#"create type color as enum ('red', 'green'); create domain positive as int check (value > 0);
           create table things (id bigint, c color, p positive, at timestamptz, j jsonb, a text[], "N" numeric(8,2)) partition by range (id);
           create table things_1 partition of things for values from (0) to (100);
           create table things_2 (extra int, j jsonb, a text[], "N" numeric(8,2), at timestamptz, p positive, c color, id bigint);
           alter table things_2 drop column extra; alter table things attach partition things_2 for values from (100) to (200);
           insert into things values (1, 'red', 1, '2026-01-01 00:00+00', '{"k": [1, "x"]}', '{"a b",null}', 1.5),
                                     (101, 'green', 2, null, '"text"', '{}', 2);
           alter table things enable row level security; grant select on things to tenant;
           create policy p on things using (c = 'green' and p = 2 and j = '"text"' and a = '{}' and at is null and "N" = 2
                                             or j -> 'k' ->> 1 = 'x' and a[1] = 'a b' and auth.is_authenticated())"#,
    );
    for key in [
        r#"{"id": 1}"#,
        r#"{"id": "101"}"#,
        r#"{"c": "green"}"#,
        r#"{"p": 1}"#,
        r#"{"at": null}"#,
        r#"{"at": "2026-01-01 01:00+01"}"#,
        r#"{"N": 1.5}"#,
        r#"{"N": "2"}"#,
        r#"{"id": 101, "c": "green"}"#,
    ] {
        let told = conclusion(&mut session, &about("things", "select", U1, key));
        assert_eq!(
            told,
            "allowed: the policies for SELECT are true for role tenant; partitions that are queried directly have policies of their own",
            "{key}"
        );
    }
    for (key, refused) in [
        (r#"{"nope": 1}"#, "22023 row_key has to be an object of columns of the table and their values"),
        ("[1]", "22023 row_key has to be an object of columns of the table and their values"),
        ("{}", "22023 the key must be a JSON object of columns and their values"),
        (r#"{"id": "x"}"#, "22P02 invalid input syntax for type bigint: \"x\""),
        (r#"{"id": [1]}"#, "22023 the key must be a JSON object of columns and their values"),
    ] {
        assert_eq!(
            session.refused(&format!("select auth.explain_access({})", about("things", "select", U1, key))),
            refused,
            "{key}"
        );
    }
    assert_eq!(
        conclusion(&mut session, &about("things", "select", U1, r#"{"id": 7}"#)).split(';').next().unwrap(),
        "no such row: nothing in the table has these values"
    );
    session.run("insert into docs select n, org_id from docs, generate_series(2001, 2001) n where id = 1");
    assert_eq!(
        session.refused(&format!(
            "select auth.explain_access({})",
            about("docs", "select", U1, &format!(r#"{{"org_id": "{ORG_B}"}}"#))
        )),
        "22023 row_key has to name one row"
    );
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create view shown as select * from docs; create table ungranted (id int)");
    for (arguments, refused) in [
        ("null, 'select'", "22023 access to a table is explained, and this is none"),
        ("'shown', 'select'", "22023 access to a table is explained, and this is none"),
        ("'docs', 'truncate', as_role => 'tenant'", "22023 command has a value that is not allowed"),
        ("'docs', null, as_role => 'tenant'", "22023 command has a value that is not allowed"),
        ("'docs', 'select'", "22023 as_role has to say which role is asked about"),
        ("'ungranted', 'select'", "22023 as_role has to say which role is asked about"),
        ("'docs', 'select', as_role => 'no such role'", "22023 there is no such role"),
        (
            "'docs', 'select', as_role => 'bearer_owner'",
            "42501 nothing is run as a superuser or as bearer_owner",
        ),
        (
            "'docs', 'select', identity => '{\"role\": \"service_role\"}', as_role => 'tenant'",
            "42501 nobody acts as a service",
        ),
    ] {
        assert_eq!(
            session.refused(&format!("select auth.explain_access({arguments})")),
            refused,
            "{arguments}"
        );
    }
    session.run("revoke all on docs from other");
    assert_contains(conclusion(&mut session, "'docs', 'select'"), "for role tenant");
    assert_eq!(
        session.refused("select auth.rows_visible_to('docs', null, 'postgres')"),
        "42501 nothing is run as a superuser or as bearer_owner"
    );
    assert_eq!(session.refused("select auth.rows_visible_to(null, null)"), "22023 there is no such table");
    assert_eq!(
        session.refused("select auth.rows_visible_to('ungranted', null, 'tenant')"),
        "42501 permission denied for table ungranted"
    );
}

/// Somebody who administers keys is not on that account somebody who reads the tables.
#[test]
fn t031_administrators_who_are_no_superusers_ask_about_their_own_roles_and_rows() {
    let db = Database::new();
    let (admin, app) = (format!("admin_{}", db.name), format!("app_{}", db.name));
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "create role {admin} login in role bearer_admin; create role {app}; grant select on docs to {app}"
    ));
    let mut session = db.connect(&admin);
    let ask = |role: &str, key: &str| {
        format!(
            r#"select auth.explain_access('docs', 'select', identity => '{{"org_id": "{ORG_A}"}}', row_key => {key}, as_role => '{role}')"#
        )
    };
    let not_his = "42501 only a role that you may SET ROLE to can be asked about";
    let not_read = "42501 this needs somebody who may read every row of the table";
    for role in ["tenant", "postgres", app.as_str()] {
        assert_eq!(session.refused(&ask(role, "null")), not_his, "{role}");
        assert_eq!(
            session.refused(&format!(
                "select auth.rows_visible_to('docs', '{{\"org_id\": \"{ORG_A}\"}}', '{role}')"
            )),
            not_his,
            "{role}"
        );
        assert_eq!(
            session.refused(&format!("select auth.assert_isolated('docs', '{role}')")),
            not_his,
            "{role}"
        );
    }
    superuser.run(&format!("grant {app} to {admin}"));
    session.run(&ask(&app, "null"));
    let seen = session.value(&format!(
        r#"select count(*) from auth.rows_visible_to('docs', '{{"org_id": "{ORG_A}"}}', '{app}')"#
    ));
    assert_eq!(seen.as_deref(), Some("500"));
    // He reads as that role, by its policies, and so learns no more of a row than that.
    assert_eq!(session.refused(&ask(&app, "'{\"id\": 1}'")), not_read);
    assert_eq!(session.refused(&format!("select auth.assert_isolated('docs', '{app}')")), not_read);
    superuser.run(&format!("revoke {app} from {admin}; alter role {admin} bypassrls; grant select on docs to {admin}; grant {app} to {admin}"));
    session.run(&ask(&app, "'{\"id\": 1}'"));
    let mut tenant = db.tenant();
    for call in
        ["explain_access('docs', 'select')", "rows_visible_to('docs', null)", "assert_isolated('docs')"]
    {
        let name = call.split('(').next().unwrap();
        assert_eq!(
            tenant.refused(&format!("select auth.{call}")),
            format!("42501 permission denied for function {name}")
        );
    }
    drop(session);
    superuser.run(&format!("drop owned by {admin}, {app}; drop role {admin}, {app}"));
}
