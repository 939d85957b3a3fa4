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
    session.run("revoke all on docs from other; alter table docs owner to postgres");
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

#[test]
fn what_an_insert_leaves_out_is_the_default_and_what_is_compared_is_told() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        r#"create table bills (id bigint generated always as identity, org_id uuid, environment varchar(4), total int,
                               "By Whom" text, kind text default 'plain', note text default concat('n', 'o'));
           grant insert, select on bills to tenant;
           select auth.protect('bills', environment_column => 'environment', owner_column => 'By Whom');
           create policy plain on bills as restrictive for insert with check (kind = 'plain');
           create policy noted on bills as restrictive for select using (note is null)"#,
    );
    let told = |session: &mut _, command, key| conclusion(session, &about("bills", command, U1, key));
    assert_eq!(
        told(&mut session, "insert", r#"{"total": 1}"#),
        "allowed: the policies for INSERT are true for role tenant"
    );
    // A default that runs code is not tried.
    assert_eq!(
        told(&mut session, "insert returning", "{}"),
        "allowed: the policies for INSERT RETURNING are true for role tenant"
    );
    for (key, reason) in [
        (r#"{"environment": "test"}"#, "auth.environment() is live, and environment of the row is test"),
        (r#"{"environment": null}"#, "auth.environment() is live, and environment of the row is null"),
        (r#"{"By Whom": "u2"}"#, r#"auth.user_id() is u1, and "By Whom" of the row is u2"#),
    ] {
        assert_eq!(
            told(&mut session, "insert", key),
            format!("denied: no permissive INSERT policy is true; {reason}")
        );
    }
    assert_contains(
        told(&mut session, "insert", r#"{"org_id": null}"#),
        "auth.in_org(org_id) is null because it is asked about NULL",
    );
    assert_contains(
        told(&mut session, "insert", r#"{"kind": "x"}"#),
        "the restrictive policy plain is not true",
    );
    assert_contains(
        session.refused(
            "select auth.explain_access('bills', 'insert', as_role => 'tenant', row_key => '{\"nope\": 1}')",
        ),
        "row_key has to be an object of columns",
    );
    // What else a policy does with the value is not guessed at.
    session.run("alter policy bearer_insert on bills with check (environment = auth.environment() and auth.environment() = 'test')");
    assert_contains(told(&mut session, "insert", "{}"), "is true; auth.environment() is live");
    assert!(!told(&mut session, "insert", r#"{"environment": "test"}"#).contains("of the row"));
}

#[test]
fn readers_that_are_null_say_what_is_missing() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create table orders (tenant bigint, place uuid); grant select on orders to tenant; insert into orders values (1, null);
         select auth.protect('orders', 'tenant');
         create policy here on orders as restrictive using (place = auth.current_workspace())",
    );
    let told =
        |session: &mut _, who| conclusion(session, &about("orders", "select", who, r#"{"tenant": 1}"#));
    let number = "denied: no permissive SELECT policy is true; auth.external_org_number() is null because";
    assert_eq!(
        told(&mut session, U1),
        format!(
            "{number} the organization {ORG_A} has no external_id that is a number, and tenant of the row is 1"
        )
    );
    assert_eq!(
        told(&mut session, r#"identity => '{"user_id": "u3"}'"#),
        format!("{number} user u3 has no current organization, and tenant of the row is 1")
    );
    session.run("alter policy bearer_select on orders using (true)");
    assert_contains(
        told(&mut session, U1),
        "auth.current_workspace() is null because user u1 has no current workspace, and place of the row is null",
    );
}

#[test]
fn refused_arguments_come_with_what_to_do() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create table settings (user_id text); create view shown as select * from settings;
         grant select on settings to tenant; select auth.protect('settings', org_column => null, owner_column => 'user_id')",
    );
    for (call, hint) in [
        (
            r#"explain_access('docs', 'select', row_key => '{"nope": 1}', as_role => 'tenant')"#,
            "The table has no column nope.",
        ),
        (
            "explain_access('docs', 'select', row_key => '7', as_role => 'tenant')",
            r#"For example {"id": 7}."#,
        ),
        ("explain_access('shown', 'select')", "Of a view ask about its tables: as_role is its owner"),
        ("assert_isolated('settings')", "A table of users has none: compare what auth.rows_visible_to()"),
    ] {
        let error = session.batch_execute(&format!("select auth.{call}")).unwrap_err();
        assert_contains(error.as_db_error().and_then(|error| error.hint()).unwrap_or_default(), hint);
    }
}
