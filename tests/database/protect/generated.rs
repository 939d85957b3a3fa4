//! What auth.protect() says it would run, run by hand in a session that others have prepared.

use super::shop;
use crate::lint::hostile::{CATALOG, NO_SETTINGS, PLANTED, SETTINGS};
use pg_bearer_tests::database::Session;
use postgres::Client;

/// The tables, and the arguments of auth.protect().
const TABLES: [(&str, &str); 9] = [
    (
        "create table shop.things (id int primary key, org_id uuid not null, w uuid, o text, e varchar, slug text unique)",
        "workspace_column => 'w', owner_column => 'o', environment_column => 'e', resource => 'a.b'",
    ),
    ("create table shop.things (id int primary key, org_id varchar not null)", ""),
    ("create table shop.things (id int, org_id text)", "single_login => true"),
    (
        "create domain shop.tenant as varchar; create table shop.things (id int, org_id shop.tenant)",
        "single_login => true",
    ),
    (
        "create domain shop.tenant as uuid; create table shop.things (id int, org_id shop.tenant)",
        "all_orgs => true, resource => 'a'",
    ),
    (
        "create table shop.things (id int, org_id bigint) partition by list (id); create table shop.part partition of shop.things for values in (1)",
        "",
    ),
    (
        "create table shop.things (id int, org_id int); create table shop.heir () inherits (shop.things)",
        "roles => '{tenant,public}'",
    ),
    (
        r#"create table shop.things (id int primary key, org_id uuid not null, parent int references shop.things, slug text);
           create unique index odd on shop.things (lower(slug || E'\\'')))); reset role; --') collate "C") where slug <> E'\\' and slug in ('a', 'b');
           create policy "\')); reset role; --" on shop.things using (slug = E'\\'')))')"#,
        "",
    ),
    (
        r#"create domain shop."\'::text" as text; create table shop.things (id int, org_id shop."\'::text", "o\' = " uuid)"#,
        r"owner_column => E'o\\'' = '",
    ),
];

/// A name that would end a literal.
const RENAME: &str = r#"alter table shop.things rename to "\'::regclass)))) = '; reset role; --""#;

fn said(session: &mut Client, call: &str) -> Vec<(String, String)> {
    let rows = session.query(&format!("select action, statement from auth.{call} order by step"), &[]);
    let rows = rows.unwrap_or_else(|error| panic!("{call}: {error:?}"));
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The catalog after these statements, which are undone.
fn after(session: &mut Client, settings: &str, statements: &[(String, String)]) -> String {
    session.run("savepoint before");
    session.run(settings);
    for (_, statement) in statements {
        session.run(statement);
    }
    session.run(NO_SETTINGS);
    let catalog = session.value(CATALOG).unwrap();
    session.run("rollback to before");
    catalog
}

/// Does the call, after what it says was tried by hand.
fn assert_one_meaning(session: &mut Client, call: &str, dry: &str) {
    let clean = said(session, dry);
    assert!(clean.iter().any(|(action, _)| action == "run"), "{clean:?}");
    session.run("savepoint settings");
    session.run(SETTINGS);
    assert_eq!(said(session, dry), clean);
    session.run("rollback to settings");
    let (run, suggested): (Vec<_>, Vec<_>) = clean.into_iter().partition(|(action, _)| action == "run");
    let by_hand = after(session, SETTINGS, &run);
    said(session, call);
    assert_eq!(by_hand, session.value(CATALOG).unwrap(), "{run:#?}");
    let pinned = "set local search_path = pg_catalog, pg_temp";
    assert_eq!(after(session, SETTINGS, &suggested), after(session, pinned, &suggested), "{suggested:#?}");
}

#[test]
fn t274_statements_of_protect_do_the_same_where_others_have_planted_operators_functions_and_types() {
    let db = shop("");
    let mut session = db.superuser();
    for (tables, arguments) in TABLES {
        for rename in ["", RENAME] {
            session.run("begin");
            session.run(tables);
            session.run(rename);
            session.run(PLANTED);
            let newest = "select max(c.oid::bigint)::text from pg_class c
                           where c.relnamespace = 'shop'::regnamespace and c.relkind in ('r', 'p') and c.relname ~ 'things|reset'";
            let oid = session.value(newest).unwrap();
            let table = format!("{oid}::pg_catalog.oid::pg_catalog.regclass");
            let comma = if arguments.is_empty() { "" } else { ", " };
            let call = format!("protect({table}{comma}{arguments}");
            assert_one_meaning(&mut session, &format!("{call})"), &format!("{call}, dry_run => true)"));
            let intact = format!("select intact::text from auth.protected_tables() where source = {oid}");
            assert_eq!(session.value(&intact).as_deref(), Some("true"));
            let call = format!("unprotect({table}");
            assert_one_meaning(&mut session, &format!("{call})"), &format!("{call}, dry_run => true)"));
            session.run("rollback");
        }
    }
}
