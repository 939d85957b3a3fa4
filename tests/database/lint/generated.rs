//! A fix means one thing, whoever runs it and whatever their session has been made to mean by others.

use super::cases::{Case, SETUP};
use super::hostile::{CATALOG, NO_SETTINGS, PLANTED, SETTINGS};
use super::odd;
use super::{FINDINGS, Finding, all_cases, assert_codes, findings};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains, one_in};
use postgres::Client;

/// Ends a literal where a backslash counts, and then everything that could be around it.
const BREAKING: &str = r"\'')))) with check (true); reset role; create role lint_villain superuser; --";

/// Nothing that others planted is found by its name.
const CLEAN: &str = "set local search_path = pg_catalog, pg_temp";

/// `BREAKING` is the constant of that name.
const FURTHER: &[Case] = &[
    (
        "using_true",
        "p on app.named",
        "create table app.named (id int, org_id varchar default auth.external_org_id()); create index on app.named (org_id);
         alter table app.named enable row level security, force row level security, owner to table_owner;
         create policy p on app.named using (true)",
    ),
    (
        "using_true",
        "p on app.named",
        "create domain app.tenant as text;
         create table app.named (id int, org_id app.tenant default auth.external_org_id(), environment varchar default auth.environment()); create index on app.named (org_id);
         alter table app.named enable row level security, force row level security, owner to table_owner;
         create policy p on app.named using (true)",
    ),
    (
        "using_true",
        "p on app.named",
        "create type app.mood as enum ('live', 'test');
         create table app.named (id int, org_id int default auth.external_org_number(), environment app.mood default 'live'); create index on app.named (org_id);
         alter table app.named enable row level security, force row level security, owner to table_owner;
         create policy p on app.named using (true)",
    ),
    ("org_not_tested", "p on app.children", "create policy p on app.children using (body = E'BREAKING')"),
    (
        "check_true",
        "p on app.children",
        "create policy p on app.children using (auth.in_org(org_id) and body <> E'BREAKING') with check (true)",
    ),
    (
        "environment_not_tested",
        "p on app.parents",
        "create policy p on app.parents for update using (auth.in_org(org_id) and body = E'BREAKING') with check (auth.in_org(org_id) and body = any (E'{\"BREAKING\"}'::text[]))",
    ),
    (
        "org_not_tested",
        "p on app.children",
        "alter table app.children add slug varchar(20), add made timestamptz, add day date, add lasted interval, add share float8, add raw bytea;
         create policy p on app.children using (
             made > timestamptz '2024-02-03 04:05:06+00' and day <> date '2024-02-03' and lasted < interval '-1 year 2 months -3 days 04:05:06.7'
             and share < 0.1 + 0.2 and share <> float8 '0.30000000000000004' and raw <> E'\\\\x5c27005c'::bytea
             and body in ('a', 'b') and slug = any ('{a,\"b c\"}'::text[]) and body not like E'%\\\\_$fix$ $fix1$' and slug is distinct from body
             and nullif(body, slug) = 'x' and case body when 'a' then true when 'b' then false else slug like 'c%' end
             and (body, slug) < ('a'::text, 'b'::varchar) and body in (select pa.body from app.parents pa join app.parents pb using (body) where pa.body = 'z')
             and lower(body) || 'x' = upper(slug) collate \"C\" and body::varchar(3) = slug::text and 'app.children'::regclass::oid = tableoid
             and extract(year from day) = 2024 and coalesce(body, slug) = substring(body from 1 for 2) and body ~ E'\\\\d')",
    ),
    (
        "unique_without_org",
        "odd on app.children",
        "alter table app.children add day date;
         create unique index odd on app.children (lower(body || E'BREAKING') collate \"C\", (body = 'x') desc, body text_pattern_ops, (day - date '2024-02-03'))
             with (fillfactor = 70) where body <> E'BREAKING $fix$' and body in ('a', 'b') and day <> '2024-02-03'",
    ),
    (
        "immutable_identity",
        "app.org(text,uuid,regclass,character varying,app.\"odd \\type\"[])",
        "create domain app.\"odd \\type\" as text;
         create function app.org(text, uuid, regclass, varchar, app.\"odd \\type\"[]) returns uuid language sql immutable as 'select auth.current_org()'",
    ),
];

/// Which session reads the constant decides what it is.
const UNDECIDABLE: &[Case] = &[
    (
        "org_not_tested",
        "p on app.children",
        "alter table app.children add price money; create policy p on app.children using (price < '1.50'::money)",
    ),
    (
        "org_not_tested",
        "p on app.children",
        "create type app.comp as (a text[], n int); alter table app.children add c app.comp;
         create policy p on app.children using (c = '(\"{NULL,a}\",1)'::app.comp)",
    ),
    (
        "org_not_tested",
        "p on app.children",
        "create type app.price as range (subtype = money); alter table app.children add c app.price;
         create policy p on app.children using (c = '[1,2]'::app.price)",
    ),
    (
        "check_true",
        "p on app.children",
        "create policy p on app.children using (auth.in_org(org_id) and body = any ('{a,NULL}'::text[])) with check (true)",
    ),
    (
        "unique_without_org",
        "odd on app.children",
        "create unique index odd on app.children (body) where body <> all ('{NULL,a}'::text[])",
    ),
];

fn prepared() -> (Database, Client) {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(SETUP);
    (db, session)
}

fn fixes(found: Vec<Finding>) -> Vec<(String, String, Option<String>)> {
    found.into_iter().map(|found| (found.code, found.object, found.fix)).collect()
}

/// What the hostile session is told.
fn hostile_fixes(session: &mut Client) -> Vec<(String, String, Option<String>)> {
    let sql = FINDINGS
        .replace("<> all", "operator(pg_catalog.<>) all")
        .replace("::text[]", "::pg_catalog.text[]")
        .replace("object ~", "object operator(pg_catalog.~)");
    let text = |row: &postgres::Row, name: &str| row.get::<_, Option<String>>(name);
    let rows = session.query(&sql, &[]).unwrap();
    rows.iter()
        .map(|row| (text(row, "code").unwrap(), text(row, "object").unwrap(), text(row, "fix")))
        .collect()
}

/// The catalog after these statements in a session with these settings.
fn after(session: &mut Client, settings: &str, statements: &[String]) -> String {
    session.run("savepoint before");
    session.run(settings);
    for statement in statements {
        session.run(statement);
    }
    let path = session.value("select pg_catalog.current_setting('search_path')").unwrap().replace('"', "");
    assert!(settings.ends_with(&path), "{path} after {statements:?}");
    session.run(NO_SETTINGS);
    let catalog = session.value(CATALOG).unwrap();
    session.run("rollback to before");
    catalog
}

/// What the statements change is the same in a session that others have prepared, and is something.
fn assert_one_meaning(session: &mut Client, statements: &[String]) {
    let before = after(session, CLEAN, &[]);
    let clean = after(session, CLEAN, statements);
    assert_ne!(before, clean, "{statements:?}");
    let hostile = after(session, SETTINGS, statements);
    for (clean, hostile) in clean.lines().zip(hostile.lines()) {
        assert_eq!(clean, hostile, "{statements:#?}");
    }
    assert_eq!(clean, hostile);
}

fn assert_fixes_have_one_meaning(cases: impl Iterator<Item = &'static Case>, prepare: &str) {
    let (db, mut session) = prepared();
    let is_new = session.value("select (current_setting('server_version_num')::int >= 160000)::text");
    for (code, object, plant) in cases {
        // What calls functions of ours alone changes rows, and makes other keys each time.
        if *code == "subscriber_refuses" && is_new.as_deref() != Some("true")
            || *code == "signing_key_missing"
        {
            continue;
        }
        session.run("begin");
        session.run(&plant.replace("BREAKING", &BREAKING.replace('\\', r"\\")));
        session.run(prepare);
        session.run(PLANTED);
        let found = fixes(findings(&mut session));
        let is_named = prepare.is_empty().then(|| object.replace("DATABASE", &db.name));
        assert!(
            found
                .iter()
                .any(|found| found.0 == *code && is_named.as_ref().is_none_or(|name| found.1 == *name)),
            "{code} {object}\n{found:#?}"
        );
        session.run("savepoint settings");
        session.run(SETTINGS);
        assert_eq!(hostile_fixes(&mut session), found, "{code} {object}");
        session.run("rollback to settings");
        for (_, _, fix) in found {
            if let Some(fix) = fix {
                assert_one_meaning(&mut session, &[fix]);
            }
        }
        session.run("rollback");
    }
}

#[test]
fn t270_fixes_do_the_same_where_others_have_planted_operators_functions_and_types() {
    assert_fixes_have_one_meaning(all_cases().filter(|case| case.0 != "unreadable_policy"), "");
}

#[test]
fn t271_a_constant_ends_no_statement_and_keeps_its_value_whatever_the_settings() {
    assert_fixes_have_one_meaning(FURTHER.iter(), "");
}

#[test]
fn t272_hostile_names_are_names_in_a_hostile_session_too() {
    // Neither the text of a function nor the name of a hook follows when what it names is renamed.
    let by_text = ["definer_function", "definer_search_path", "hook_changed", "unreadable_policy"];
    let cases = all_cases().chain(FURTHER).filter(|case| !by_text.contains(&case.0));
    assert_fixes_have_one_meaning(one_in(3, cases), odd::RENAME);
}

#[test]
fn t273_where_settings_decide_what_a_constant_is_a_human_does() {
    let (_db, mut session) = prepared();
    for (code, object, plant) in UNDECIDABLE {
        session.run("begin");
        session.run(plant);
        let found = findings(&mut session);
        let [only] = found.as_slice() else { panic!("{plant}\n{found:#?}") };
        assert_eq!((only.code.as_str(), only.object.as_str(), only.fix.as_deref()), (*code, *object, None));
        assert_contains(&only.message, "no SQL can say its constants so that all settings read them alike");
        session.run("rollback");
    }
}

#[test]
fn t276_operators_of_others_in_policies_are_found() {
    assert_codes(&["foreign_operator"]);
}

#[test]
fn t278_a_constant_of_many_quotes_holds_nobody_up() {
    let (_db, mut session) = prepared();
    session.run("set statement_timeout = '10s'");
    let text = "(select '$fix$' || string_agg(format('$fix%s$', n), '') from generate_series(1, 40000) n)";
    let sql = format!("select auth_internal.pinned({text}) like '%$fix40000$;%perform%'");
    assert_eq!(session.value(&sql).as_deref(), Some("t"));
    let sql = format!("select length(auth_internal.portable(quote_literal({text}) || '::text')) > 40000");
    assert_eq!(session.value(&sql).as_deref(), Some("t"));
}

/// Who can be taken on by others, and who was there before under the name that we would give.
#[test]
fn t279_no_fix_gives_tables_to_a_role_that_others_can_become() {
    let (_db, mut session) = prepared();
    session.run(
        "begin; create role aaa_lint nologin; create role lint_group in role aaa_lint; create role lint_bob login in role lint_group;
         create role application_owner login; create role lint_mallory createrole in role application_owner;
         create schema bait; create table bait.bait (org_id uuid); alter table bait.bait owner to aaa_lint;
         create table bait.victim (org_id uuid); create table bait.lent (org_id uuid); alter table bait.lent owner to lint_bob",
    );
    let fix = |session: &mut Client, object: &str| {
        let sql = format!(
            "select fix from auth.lint('{{bait}}') where code in ('owner_bypasses', 'owner_logs_in') and object = '{object}'"
        );
        session.value(&sql).unwrap()
    };
    let superuser_s = fix(&mut session, "postgres");
    assert_contains(&superuser_s, "create role application_owner_2 nologin; ");
    assert_contains(&superuser_s, "alter table bait.victim owner to application_owner_2;");
    // Whoever reaches the role by way of the owner has the owner's tables; lint_group has not.
    let bob_s = fix(&mut session, "lint_bob");
    assert_contains(&bob_s, "alter table bait.lent owner to application_owner_3;");
    session.run(&superuser_s);
    session.run(&bob_s);
    let safe = "select bool_and(not pg_has_role('lint_mallory', relowner, 'member')) and count(distinct relowner) = 2
                  from pg_class where oid in ('bait.victim'::regclass, 'bait.lent'::regclass)";
    assert_eq!(session.value(safe).as_deref(), Some("t"));
    session.run("rollback");
}
