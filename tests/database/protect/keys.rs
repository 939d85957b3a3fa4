//! Columns of every type that the identity has, and the index that finds their rows.

use super::{VISIBLE, denied, only, service, shop, statements, tell};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;

fn protects(setup: &str) -> Vec<String> {
    let db = shop(setup);
    statements(&mut db.superuser(), "protect('shop.invoices')")
}

fn creates_index(all: &[String]) -> bool {
    only("run", all).iter().any(|run| run.starts_with("create index"))
}

#[test]
fn an_index_that_serves_is_taken_and_any_other_is_not() {
    for (index, serves) in [
        ("create index on shop.invoices (org_id)", true),
        ("create index on shop.invoices (org_id, body)", true),
        ("create index on shop.invoices using hash (org_id)", true),
        ("create unique index on shop.invoices (org_id, id)", true),
        ("create index on shop.invoices (org_id desc nulls first) include (body)", true),
        ("create index on shop.invoices (body, org_id)", false),
        ("create index on shop.invoices (org_id) where id > 0", false),
        ("create index on shop.invoices using brin (org_id)", false),
        ("create index on shop.invoices ((org_id::text))", false),
        (
            "create index i on shop.invoices (org_id); update pg_index set indisvalid = false where indexrelid = 'shop.i'::regclass",
            false,
        ),
        ("", false),
    ] {
        assert_eq!(creates_index(&protects(index)), !serves, "{index}");
    }
}

#[test]
fn the_index_begins_with_what_decides() {
    for (arguments, columns) in [
        ("", "(org_id)"),
        (", workspace_column => 'workspace_id', owner_column => 'owner'", "(org_id)"),
        (", org_column => null, workspace_column => 'workspace_id'", "(workspace_id)"),
        (", org_column => null, owner_column => 'owner'", "(owner)"),
    ] {
        let db = shop("");
        let ran =
            only("run", &statements(&mut db.superuser(), &format!("protect('shop.invoices'{arguments})")));
        let index = format!(
            "create index bearer_invoices on shop.invoices {columns};\ncomment on index shop.bearer_invoices is '{{\"by\": \"auth.protect\"}}'"
        );
        assert!(ran.contains(&index), "{arguments}: {ran:?}");
    }
}

#[test]
fn a_large_table_gets_its_index_suggested() {
    let fill = "insert into shop.invoices (id, body) select n, repeat(md5(n::text), 60) from generate_series(10, 9000) n;
                alter table shop.invoices alter body set storage plain";
    let db = shop("alter table shop.invoices alter body set storage plain");
    let mut session = db.superuser();
    session.run(fill);
    let all = statements(&mut session, "protect('shop.invoices')");
    assert!(!creates_index(&all));
    let suggestion = "create index concurrently on shop.invoices (org_id)".to_owned();
    assert!(only("suggested", &all).contains(&suggestion), "{all:?}");
    // Nothing that protecting again would mend.
    assert_eq!(session.value("select intact from auth.protected_tables()").as_deref(), Some("t"));
    session.run(&suggestion);
    assert!(!only("suggested", &statements(&mut session, "protect('shop.invoices')")).contains(&suggestion));
    session.run("select auth.unprotect('shop.invoices')");
    let left = "select indexrelid::regclass::text from pg_index where indrelid = 'shop.invoices'::regclass and not indisprimary";
    assert_eq!(session.value(left).as_deref(), Some("shop.invoices_org_id_idx"));
}

/// Types that can hold the number or name of an organization, and one that a tenant finds there.
const TYPES: &[&str] = &[
    "bigint",
    "integer",
    "text",
    "varchar",
    "varchar(20)",
    "text collate \"C\"",
    "shop.number",
    "shop.word",
];

#[test]
fn organizations_with_ids_of_their_own_are_kept_apart() {
    let forms = [
        "",
        ", single_login => true",
        ", single_login => true, environment_column => 'environment', resource => 'r'",
    ];
    for (number, kind) in TYPES.iter().enumerate() {
        for arguments in forms.iter().skip(number % 2).step_by(2) {
            let db = shop("create domain shop.number as bigint; create domain shop.word as varchar(30)");
            let mut superuser = db.superuser();
            superuser.run(&format!(
                "insert into auth.organizations (id, name, external_id) values ('{ORG_A}', 'a', '42'), ('{ORG_B}', 'b', '-7');
                 alter table shop.invoices drop org_id, add org_id {kind};
                 update shop.invoices set org_id = case when id < 3 then '42' when id = 3 then '-7' end::{kind}",
                kind = kind
            ));
            let call = format!("protect('shop.invoices'{arguments})");
            superuser.run(&format!("select auth.{call}"));
            assert_eq!(
                only("run", &statements(&mut superuser, &call)),
                [] as [String; 0],
                "{kind} {arguments}"
            );
            assert_eq!(
                superuser
                    .value("select intact and org_column = 'org_id' from auth.protected_tables()")
                    .as_deref(),
                Some("t")
            );
            let mut session = db.tenant();
            let [a, b] = [claims_a(), claims_b()]
                .map(|claims| hs256(&with(claims, serde_json::json!({"permissions": ["*"]}))));
            assert_eq!(tell(&mut session, &a, VISIBLE).as_deref(), Some("1 2"), "{kind} {arguments}");
            assert_eq!(tell(&mut session, &b, VISIBLE).as_deref(), Some("3"), "{kind} {arguments}");
            let insert = "insert into shop.invoices (id) values (9) returning org_id";
            assert_eq!(tell(&mut session, &b, insert).as_deref(), Some("-7"), "{kind} {arguments}");
            let moved = format!("update shop.invoices set org_id = '42'::{kind}");
            assert!(
                denied(&mut session, &b, &moved).starts_with("42501 new row violates"),
                "{kind} {arguments}"
            );
            assert_eq!(session.value(VISIBLE), None);
            let service = service(&db);
            let seen = if arguments.is_empty() { None } else { Some("1 2 3") };
            assert_eq!(tell(&mut session, &service, VISIBLE).as_deref(), seen, "{kind} {arguments}");
        }
    }
}

#[test]
fn a_single_login_serves_tenants_and_the_service() {
    for arguments in [
        "",
        ", workspace_column => 'workspace_id', owner_column => 'owner', environment_column => 'environment', resource => 'r'",
    ] {
        let db = shop("");
        let mut superuser = db.superuser();
        let call = format!("protect('shop.invoices', single_login => true{arguments})");
        superuser.run(&format!(
            "update shop.invoices set owner = '{USER_A}', workspace_id = '{ORG_A}' where id = 1; update shop.invoices set environment = 'test' where id = 4;
             select auth.{call}"
        ));
        assert_eq!(only("run", &statements(&mut superuser, &call)), [] as [String; 0]);
        let mut session = db.tenant();
        let token =
            hs256(&with(claims_a(), serde_json::json!({"permissions": ["*"], "workspace_id": ORG_A})));
        let (tenants, services) = if arguments.is_empty() { ("1 2", "1 2 3 4") } else { ("1", "1 2 3") };
        assert_eq!(tell(&mut session, &token, VISIBLE).as_deref(), Some(tenants));
        assert_eq!(tell(&mut session, &service(&db), VISIBLE).as_deref(), Some(services));
        assert_eq!(session.value(VISIBLE), None);
        let row = "select concat_ws(' ', org_column, workspace_column, owner_column, environment_column, resource, single_login, intact) from auth.protected_tables()";
        let expected =
            if arguments.is_empty() { "org_id t t" } else { "org_id workspace_id owner environment r t t" };
        assert_eq!(superuser.value(row).as_deref(), Some(expected));
    }
}

#[test]
fn domains_over_uuid_and_generated_columns_work_as_uuid() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(
        "create schema shop; grant usage on schema shop to public; create domain shop.inner_id as uuid; create domain shop.org as shop.inner_id;
         create table shop.invoices (id int, org_id shop.org, doc jsonb, copied uuid generated always as (org_id) stored);
         insert into shop.invoices values (1, '0a000000-0000-4000-8000-00000000000a'), (2, '0b000000-0000-4000-8000-00000000000b');
         grant select, insert on shop.invoices to tenant;
         select auth.protect('shop.invoices')",
    );
    let mut session = db.tenant();
    assert_eq!(tell(&mut session, &token_a(), VISIBLE).as_deref(), Some("1"));
    assert_eq!(
        tell(&mut session, &token_a(), "insert into shop.invoices (id) values (3) returning org_id")
            .as_deref(),
        Some(ORG_A)
    );
    assert_values(&mut superuser, &[("select intact from auth.protected_tables()", Some("t"))]);
    superuser.run("select auth.unprotect('shop.invoices'); select auth.protect('shop.invoices', 'copied')");
    assert_eq!(tell(&mut session, &token_b(), VISIBLE).as_deref(), Some("2"));
    let defaults = "select count(*) from pg_attrdef where adrelid = 'shop.invoices'::regclass";
    assert_eq!(superuser.value(defaults).as_deref(), Some("1"));
}
