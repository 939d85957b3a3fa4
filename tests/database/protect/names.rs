//! Names of every kind, names that change, and databases that are restored.

use super::{TABLES, VISIBLE, only, shop, statements, tell};
use crate::dump;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

/// As SQL literals; the last has 63 bytes.
const NAMES: [&str; 8] = [
    "Mixed Case",
    "quo\"te",
    "it''s",
    "$x$ $$",
    "select",
    "x\" AND auth.in_org(y) AND (z = auth.user_id()",
    "Été \u{202e}",
    "ñññññññññññññññññññññññññññññññ1",
];

const ROWS: &str = "select concat_ws(' ', source, org_column, workspace_column, owner_column, environment_column, resource, roles, all_orgs, single_login, intact)
                      from auth.protected_tables()";

#[test]
fn hostile_names_are_names() {
    for (number, name) in NAMES.iter().enumerate() {
        let db = Database::new();
        let mut superuser = db.superuser();
        let column = |kind: &str| {
            format!(
                "'{}'",
                if name.len() > 55 { format!("{kind}{}", &name[2..]) } else { format!("{name}{kind}") }
            )
        };
        let make = format!(
            "do $do$ begin
                 execute format('create schema %I; grant usage on schema %I to public', '{name}', '{name}');
                 execute format('create table %I.%I (id int, %I uuid, %I uuid, %I text, %I text, plain uuid)', '{name}', '{name}', {o}, {w}, {u}, {e});
                 execute format('create table %I.%I (id int)', '{name}', 'bearer_{name}'::name);
                 if not exists (select from pg_roles where rolname = '{name}') then execute format('create role %I', '{name}'); end if;
                 execute format('insert into %I.%I values (1, %L, %L, %L, ''live''), (2, %L, %L, %L, ''live'')', '{name}', '{name}', '{ORG_A}', '{ORG_A}', '{USER_A}', '{ORG_B}', '{ORG_B}', '{USER_B}');
                 execute format('grant select, insert on all tables in schema %I to public', '{name}');
             end $do$",
            o = column("o"), w = column("w"), u = column("u"), e = column("e"),
        );
        superuser.run(&make);
        let table = superuser.value(&format!("select format('%I.%I', '{name}', '{name}')")).unwrap();
        let quoted = table.replace('\'', "''");
        for form in ["", ", single_login => true", ", all_orgs => true"] {
            let call = format!(
                "protect('{quoted}', {}, {}, {}, {}, 'r', array['{name}', 'tenant']{form})",
                column("o"),
                column("w"),
                column("u"),
                column("e")
            );
            assert!(!only("run", &statements(&mut superuser, &call)).is_empty(), "{number} {form}");
            assert_eq!(only("run", &statements(&mut superuser, &call)), [] as [String; 0], "{number} {form}");
            let same = format!(
                "select org_column = {} and workspace_column = {} and owner_column = {} and environment_column = {} and resource = 'r' and intact
                        and source = '{quoted}'::regclass from auth.protected_tables()",
                column("o"), column("w"), column("u"), column("e")
            );
            assert_eq!(superuser.value(&same).as_deref(), Some("t"), "{number} {form}");
        }
        let token = hs256(&with(claims_a(), json!({"permissions": ["r.*"], "workspace_id": ORG_A})));
        let ids = format!("select string_agg(id::text, ' ') from {table}");
        assert_eq!(tell(&mut db.tenant(), &token, &ids).as_deref(), Some("1"), "{number}");
        let inserted = format!("insert into {table} (id) values (3) returning id");
        assert_eq!(tell(&mut db.tenant(), &token, &inserted).as_deref(), Some("3"), "{number}");
        superuser.run(&format!("select auth.unprotect('{quoted}')"));
        let left = "select (select count(*) from pg_policy where polname like 'bearer%') + (select count(*) from pg_attrdef d join pg_class c on c.oid = d.adrelid where c.relnamespace not in ('auth'::regnamespace, 'public'::regnamespace))";
        assert_eq!(superuser.value(left).as_deref(), Some("0"), "{number}");
        superuser.run(&format!(
            "do $do$ begin execute format('drop owned by %I; drop role %I', '{name}', '{name}'); end $do$"
        ));
    }
}

#[test]
fn renaming_anything_keeps_the_protection_and_what_is_known_of_it() {
    let db = shop(
        "select auth.protect('shop.invoices', 'org_id', 'workspace_id', 'owner', 'environment', 'bills', '{tenant,other}')",
    );
    let mut superuser = db.superuser();
    superuser.run(
        "alter table shop.invoices rename to \"Bills\"; alter schema shop rename to \"Shop\";
         alter table \"Shop\".\"Bills\" rename org_id to \"Org Id\"; alter table \"Shop\".\"Bills\" rename workspace_id to w;
         alter table \"Shop\".\"Bills\" rename owner to org_id; alter table \"Shop\".\"Bills\" rename environment to \"e\"\"\";
         alter index \"Shop\".bearer_invoices rename to renamed",
    );
    let row = superuser.value(ROWS).unwrap();
    assert_eq!(row, "\"Shop\".\"Bills\" Org Id w org_id e\" bills {other,tenant} f f t");
    let same = "protect('\"Shop\".\"Bills\"', 'Org Id', 'w', 'org_id', 'e\"', 'bills', '{other,tenant}')";
    assert_eq!(only("run", &statements(&mut superuser, same)), [] as [String; 0]);
    superuser.run("select auth.unprotect('\"Shop\".\"Bills\"')");
    let left = "select (select count(*) from pg_policy where polname like 'bearer%') + (select count(*) from pg_attrdef where adrelid = '\"Shop\".\"Bills\"'::regclass)
                       + (select count(*) from pg_class where relname = 'renamed')";
    assert_eq!(superuser.value(left).as_deref(), Some("0"));
}

#[test]
fn renamed_roles_stay_the_ones_that_are_let_in() {
    let db = shop(
        "create role before_rename; select auth.protect('shop.invoices', roles => '{before_rename,tenant}')",
    );
    let mut superuser = db.superuser();
    superuser.run("alter role before_rename rename to \"After rename\"");
    assert_eq!(
        superuser.value("select roles from auth.protected_tables()").as_deref(),
        Some("{\"After rename\",tenant}")
    );
    let same = "protect('shop.invoices', roles => '{\"After rename\",tenant}')";
    assert_eq!(only("run", &statements(&mut superuser, same)), [] as [String; 0]);
    superuser.run("select auth.unprotect('shop.invoices'); drop role \"After rename\"");
}

#[test]
fn a_restored_table_is_as_protected_as_its_source() {
    for format in ["-Fp", "-Fc"] {
        let db = Database::new();
        let mut superuser = db.superuser();
        superuser.run(&format!(
            "{TABLES}
             alter table shop.invoices add gone int, add \"Org \"\" id\" uuid; update shop.invoices set \"Org \"\" id\" = org_id; alter table shop.invoices drop gone, drop org_id;
             select auth.protect('shop.invoices', 'Org \" id', environment_column => 'environment', owner_column => 'owner', resource => 'r', roles => '{{tenant,other}}', single_login => true);
             create table shop.events (id int, org_id uuid) partition by range (id);
             create table shop.e1 partition of shop.events for values from (0) to (10);
             create table shop.e2 partition of shop.events default;
             select auth.protect('shop.events', all_orgs => true);
             create table shop.children (size int) inherits (shop.invoices); select auth.protect('shop.invoices', 'Org \" id')"
        ));
        let restored = dump::restore(&dump::dump(&db, format, "-c pg_bearer.dump_secrets=on"), format, "-j1");
        let all = "select string_agg(t::text, E'\\n' order by t::text) from auth.protected_tables() t";
        let expected = superuser.value(all).unwrap();
        assert_eq!(expected.lines().count(), 5, "{expected}");
        assert!(expected.lines().all(|line| line.ends_with(",t)")), "{expected}");
        let mut again = restored.superuser();
        assert_eq!(again.value(all).unwrap(), expected);
        assert_eq!(
            tell(&mut restored.tenant(), &token_a(), VISIBLE),
            tell(&mut db.tenant(), &token_a(), VISIBLE)
        );
        assert_eq!(tell(&mut db.tenant(), &token_a(), VISIBLE).as_deref(), Some("1 2"));
        for call in ["protect('shop.events', all_orgs => true)", "protect('shop.invoices', 'Org \" id')"] {
            assert_eq!(only("run", &statements(&mut again, call)), [] as [String; 0], "{call}");
        }
        assert_eq!(
            super::only("run", &statements(&mut again, "unprotect('shop.invoices')")),
            super::only("run", &statements(&mut superuser, "unprotect('shop.invoices')"))
        );
        again.run("select auth.unprotect('shop.events')");
        let left = "select (select count(*) from pg_policy where polname like 'bearer%') + (select count(*) from pg_class where relname like 'bearer\\_%' and relkind = 'i')
                           + (select count(*) from pg_attrdef d join pg_class c on c.oid = d.adrelid where c.relnamespace = 'shop'::regnamespace)";
        assert_eq!(again.value(left).as_deref(), Some("0"));
    }
}
