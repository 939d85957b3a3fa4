//! Who sees and writes what in a protected table.

use super::{VISIBLE, denied, service, shop, tell, within};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use serde_json::json;

const PROTECT: &str = "select auth.protect('shop.invoices');";
const VIOLATES: &str = "42501 new row violates row-level security policy for table \"invoices\"";

#[test]
fn a_protected_table_shows_no_foreign_row() {
    let db = shop("");
    let mut session = db.tenant();
    assert_eq!(session.value(VISIBLE).as_deref(), Some("1 2 3 4"));
    db.superuser().run(PROTECT);
    assert_eq!(tell(&mut session, &token_a(), VISIBLE).as_deref(), Some("1 2"));
    assert_eq!(tell(&mut session, &token_b(), VISIBLE).as_deref(), Some("3 4"));
    assert_eq!(session.value(VISIBLE), None);
}

#[test]
fn t060_rows_are_written_in_the_own_organization_and_moved_to_no_other() {
    let db = shop(PROTECT);
    let mut session = db.tenant();
    within(&mut session, &token_a(), |session| {
        let insert = "insert into shop.invoices (id) values (5) returning org_id::text";
        assert_values(
            session,
            &[
                (insert, Some(ORG_A)),
                (
                    "insert into shop.invoices (id, body) values (5, 'n') on conflict (id) do update set body = excluded.body returning body",
                    Some("n"),
                ),
                (VISIBLE, Some("1 2 5")),
                (
                    "with u as (update shop.invoices set body = 'x' returning id) select count(*) from u",
                    Some("3"),
                ),
                (
                    "with d as (delete from shop.invoices where id <> 1 returning id) select count(*) from d",
                    Some("2"),
                ),
            ],
        );
        for foreign in [
            format!("insert into shop.invoices (id, org_id) values (6, '{ORG_B}')"),
            "insert into shop.invoices (id, org_id) values (6, null)".into(),
            format!(
                "insert into shop.invoices (id, org_id) values (6, '{ORG_B}') on conflict (id) do nothing"
            ),
            format!("update shop.invoices set org_id = '{ORG_B}'"),
            "update shop.invoices set org_id = null".into(),
        ] {
            session.run("savepoint s");
            assert_eq!(session.refused(&foreign), VIOLATES, "{foreign}");
            session.run("rollback to s");
        }
        session.run("savepoint s");
        let upsert = "insert into shop.invoices (id) values (3) on conflict (id) do update set body = 'mine'";
        let refused = session.refused(upsert);
        assert!(
            refused.starts_with("42501 new row violates row-level security policy (USING expression)"),
            "{refused}"
        );
        session.run("rollback to s; commit");
    });
    let all = "select string_agg(id || body, ' ' order by id) from shop.invoices";
    assert_eq!(db.superuser().value(all).as_deref(), Some("1x 3b3 4b4"));
    let mut nobody = db.tenant();
    assert_eq!(nobody.refused("insert into shop.invoices (id) values (7)"), VIOLATES);
}

#[test]
fn t062_copy_shows_own_rows_and_row_security_off_is_an_error() {
    let db = shop(PROTECT);
    let mut session = db.tenant();
    within(&mut session, &token_a(), |session| {
        use std::io::Read;
        let mut copied = String::new();
        let mut reader = session.copy_out("copy shop.invoices (id) to stdout").unwrap();
        reader.read_to_string(&mut copied).unwrap();
        drop(reader);
        assert_eq!(copied, "1\n2\n");
    });
    let refused = denied(&mut session, &token_a(), "copy shop.invoices (id) from stdin");
    assert_eq!(refused, "0A000 COPY FROM not supported with row-level security");
    let off = denied(&mut session, &token_a(), "set local row_security = off; select from shop.invoices");
    assert_eq!(off, "42501 query would be affected by row-level security policy for table \"invoices\"");
}

#[test]
fn api_keys_reach_only_their_tables_and_their_environment() {
    let db = shop("create table shop.bills (like shop.invoices); grant select on shop.bills to tenant");
    let mut superuser = db.superuser();
    let org = superuser.value("select auth.create_organization('Org', owner_id => 'alice')").unwrap();
    superuser.run(&format!(
        "insert into shop.invoices (id, org_id, environment) values (11, '{org}', 'live'), (12, '{org}', 'test');
         insert into shop.bills select * from shop.invoices;
         select auth.protect('shop.invoices', environment_column => 'environment'), auth.protect('shop.bills')"
    ));
    let mut key = |environment: &str, tables: &str| {
        let create = format!(
            "select key from auth.create_api_key('k', '{org}', '{environment}', user_id => 'alice', allowed_tables => {tables})"
        );
        superuser.value(&create).unwrap()
    };
    let cases = [
        (key("live", "null"), Some("11"), Some("11 12")),
        (key("test", "null"), Some("12"), Some("11 12")),
        (key("live", "'{shop.invoices}'"), Some("11"), None),
        (key("test", "'{shop.bills}'"), None, Some("11 12")),
    ];
    let mut session = db.tenant();
    let bills = VISIBLE.replace("invoices", "bills");
    for (number, (key, invoices, billed)) in cases.iter().enumerate() {
        assert_eq!(tell(&mut session, key, VISIBLE).as_deref(), *invoices, "{number}");
        assert_eq!(tell(&mut session, key, &bills).as_deref(), *billed, "{number}");
    }
    let inserted = "insert into shop.invoices (id) values (13) returning environment";
    assert_eq!(tell(&mut session, &cases[1].0, inserted).as_deref(), Some("test"));
    let other = "insert into shop.invoices (id, environment) values (13, 'live')";
    assert_eq!(denied(&mut session, &cases[1].0, other), VIOLATES);
    assert_eq!(denied(&mut session, &cases[3].0, "insert into shop.invoices (id) values (13)"), VIOLATES);
}

#[test]
fn a_resource_asks_for_the_permission_to_read_and_the_one_to_write() {
    let db = shop("select auth.protect('shop.invoices', resource => 'billing.invoices')");
    let mut session = db.tenant();
    let token = |permissions: &[&str]| hs256(&with(claims_a(), json!({"permissions": permissions})));
    assert_eq!(tell(&mut session, &token(&["billing"]), VISIBLE), None);
    let reader = token(&["billing.invoices.read"]);
    assert_eq!(tell(&mut session, &reader, VISIBLE).as_deref(), Some("1 2"));
    assert_eq!(denied(&mut session, &reader, "insert into shop.invoices (id) values (9)"), VIOLATES);
    let update = "with u as (update shop.invoices set body = 'x' returning id) select count(*) from u";
    let delete = "with u as (delete from shop.invoices returning id) select count(*) from u";
    assert_eq!(tell(&mut session, &reader, update).as_deref(), Some("0"));
    assert_eq!(tell(&mut session, &reader, delete).as_deref(), Some("0"));
    for writer in
        [token(&["billing.invoices.*"]), token(&["billing.invoices.read", "billing.invoices.write"])]
    {
        assert_eq!(tell(&mut session, &writer, update).as_deref(), Some("2"));
        assert_eq!(tell(&mut session, &writer, delete).as_deref(), Some("2"));
    }
    within(&mut session, &token(&["billing.invoices.write"]), |session| {
        session.run("insert into shop.invoices (id) values (9)");
        assert_eq!(session.value(VISIBLE), None);
    });
}

#[test]
fn all_orgs_shows_the_rows_of_all_organizations_and_takes_those_of_the_current_one() {
    let db = shop(
        "insert into shop.invoices values (5, '0c000000-0000-4000-8000-00000000000c', null, null, 'live')",
    );
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "insert into auth.organizations (id, name) values ('{ORG_A}', 'a'), ('{ORG_B}', 'b');
         select auth.define_role('reader', '{{invoices.read}}');
         select auth.add_member('{ORG_A}', 'alice', 'owner'), auth.add_member('{ORG_B}', 'alice', 'reader');
         select auth.protect('shop.invoices', all_orgs => true)"
    ));
    let mut session = db.tenant();
    let token = token_of("alice");
    let in_a = |session: &mut postgres::Client, sql: &str| {
        within(session, &token, |session| {
            session.run(&format!("select auth.set_org('{ORG_A}')"));
            session.value(sql)
        })
    };
    let update = "with u as (update shop.invoices set body = 'x' returning id) select string_agg(id::text, ' ') from u";
    assert_eq!(in_a(&mut session, VISIBLE).as_deref(), Some("1 2 3 4"));
    assert_eq!(in_a(&mut session, update).as_deref(), Some("1 2"));
    superuser.run("select auth.protect('shop.invoices', all_orgs => true, resource => 'invoices')");
    assert_eq!(in_a(&mut session, VISIBLE).as_deref(), Some("1 2 3 4"));
    superuser.run("select auth.define_role('reader', '{other.read}')");
    assert_eq!(in_a(&mut session, VISIBLE).as_deref(), Some("1 2"));
    superuser.run("select auth.protect('shop.invoices')");
    assert_eq!(in_a(&mut session, VISIBLE).as_deref(), Some("1 2"));
}

#[test]
fn owner_and_workspace_narrow_what_the_organization_may_see() {
    let db = shop(&format!(
        "update shop.invoices set owner = '{USER_A}' where id in (1, 3); update shop.invoices set workspace_id = '{ORG_B}' where id < 3;
         select auth.protect('shop.invoices', owner_column => 'owner')"
    ));
    let mut session = db.tenant();
    assert_eq!(tell(&mut session, &token_a(), VISIBLE).as_deref(), Some("1"));
    let inserted = "insert into shop.invoices (id) values (9) returning owner";
    assert_eq!(tell(&mut session, &token_a(), inserted).as_deref(), Some(USER_A));
    let given = "insert into shop.invoices (id, owner) values (9, 'somebody')";
    assert_eq!(denied(&mut session, &token_a(), given), VIOLATES);
    db.superuser().run("select auth.protect('shop.invoices', workspace_column => 'workspace_id')");
    let member = hs256(&with(claims_a(), json!({"workspace_id": ORG_B})));
    assert_eq!(tell(&mut session, &token_a(), VISIBLE), None);
    assert_eq!(tell(&mut session, &member, VISIBLE).as_deref(), Some("1 2"));
    let inserted = "insert into shop.invoices (id) values (9) returning workspace_id";
    assert_eq!(tell(&mut session, &member, inserted).as_deref(), Some(ORG_B));
    // A table of users' own rows needs no organization.
    db.superuser().run("select auth.protect('shop.invoices', org_column => null, owner_column => 'owner')");
    assert_eq!(tell(&mut session, &token_a(), VISIBLE).as_deref(), Some("1 3"));
    db.superuser().run(&format!(
        "alter table shop.invoices add author uuid; update shop.invoices set author = '{USER_B}' where id = 2;
         select auth.protect('shop.invoices', org_column => null, owner_column => 'author')"
    ));
    assert_eq!(tell(&mut session, &token_b(), VISIBLE).as_deref(), Some("2"));
    let inserted = "insert into shop.invoices (id) values (9) returning author";
    assert_eq!(tell(&mut session, &token_b(), inserted).as_deref(), Some(USER_B));
}

#[test]
fn the_service_takes_the_role_and_the_credential() {
    let db = shop(PROTECT);
    let service = service(&db);
    let mut tenant = db.tenant();
    assert_eq!(tell(&mut tenant, &service, VISIBLE), None);
    let mut session = db.superuser();
    session.run("set role bearer_service");
    assert_eq!(session.value(VISIBLE), None);
    assert_eq!(tell(&mut session, &token_a(), VISIBLE).as_deref(), Some("1 2"));
    assert_eq!(tell(&mut session, &service, VISIBLE).as_deref(), Some("1 2 3 4"));
    let write = format!("insert into shop.invoices (id, org_id) values (9, '{ORG_B}') returning id");
    assert_eq!(tell(&mut session, &service, &write).as_deref(), Some("9"));
    db.superuser().run("select auth.protect('shop.invoices', environment_column => 'environment'); update shop.invoices set environment = 'test' where id = 3");
    assert_eq!(tell(&mut session, &service, VISIBLE).as_deref(), Some("1 2 4"));
}

#[test]
fn roles_limit_whom_the_policies_let_in() {
    let db = shop(
        "select auth.protect('shop.invoices', roles => '{tenant}'); grant select on shop.invoices to other",
    );
    assert_eq!(tell(&mut db.tenant(), &token_a(), VISIBLE).as_deref(), Some("1 2"));
    assert_eq!(tell(&mut db.connect("other"), &token_a(), VISIBLE), None);
    db.superuser().run("select auth.protect('shop.invoices', roles => '{other,tenant,public}')");
    assert_eq!(tell(&mut db.connect("other"), &token_a(), VISIBLE).as_deref(), Some("1 2"));
}
