//! What others' rows do not tell, and what stays shut when something else is opened or dropped.

use super::{VISIBLE, denied, shop, statements, tell, within};
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;

const PROTECT: &str = "select auth.protect('shop.invoices');";

#[test]
fn t044_the_owner_of_the_table_sees_no_more_than_others() {
    let db = shop(PROTECT);
    let mut session = db.superuser();
    session.run("set role table_owner");
    let nobody =
        "55000 nobody is signed in, and row security would hide all rows of shop.invoices from its owner";
    assert_eq!(session.refused(VISIBLE), nobody);
    assert_eq!(tell(&mut session, &token_a(), VISIBLE).as_deref(), Some("1 2"));
    session.run("alter table shop.invoices no force row level security");
    assert_eq!(session.value(VISIBLE).as_deref(), Some("1 2 3 4"));
    let ran = statements(&mut session, "protect('shop.invoices')");
    assert_eq!(ran[0], "run: alter table shop.invoices force row level security");
    assert_eq!(session.refused(VISIBLE), nobody);
}

#[test]
fn t047_nobody_gets_the_right_to_truncate() {
    let db = shop(PROTECT);
    let refused = denied(&mut db.tenant(), &token_a(), "truncate shop.invoices");
    assert_eq!(refused, "42501 permission denied for table invoices");
    let granted = "select has_table_privilege('tenant', 'shop.invoices', 'truncate, references, trigger')
                       or has_table_privilege('bearer_service', 'shop.invoices', 'truncate, references, trigger')";
    assert_eq!(db.superuser().value(granted).as_deref(), Some("f"));
}

#[test]
fn t051_dropping_the_extension_with_all_that_hangs_on_it_closes_the_table() {
    let drop =
        |name: &str| format!("alter extension pg_bearer drop function {name}; drop function {name} cascade");
    for drop in [
        "drop extension pg_bearer cascade".into(),
        drop("auth.in_org(uuid)"),
        drop("auth.current_org()"),
        drop("auth.allows_table(oid)"),
    ] {
        let db = shop(PROTECT);
        let mut superuser = db.superuser();
        assert_eq!(tell(&mut db.tenant(), &token_a(), VISIBLE).as_deref(), Some("1 2"));
        superuser.run(&drop);
        let mut session = db.tenant();
        if !drop.contains("current_org") {
            assert_eq!(session.value(VISIBLE), None, "{drop}");
            assert_contains(
                session.refused("insert into shop.invoices (id) values (9)"),
                "42501 new row violates",
            );
        }
        // What is left belongs to the service.
        let open = "select count(*) from pg_policy where polrelid = 'shop.invoices'::regclass and polname <> 'bearer_service'";
        assert_eq!(
            superuser.value(open).as_deref(),
            Some(if drop.contains("current_org") { "4" } else { "0" }),
            "{drop}"
        );
        assert_eq!(superuser.value(VISIBLE).as_deref(), Some("1 2 3 4"));
    }
}

#[test]
fn t052_a_protected_table_can_refer_to_itself_in_queries_and_functions() {
    let db = shop(
        "alter table shop.invoices add replaces int references shop.invoices;
         create function shop.replaced(int) returns bigint language sql stable as
             'select count(*) from shop.invoices where replaces = $1';
         select auth.protect('shop.invoices', environment_column => 'environment', resource => 'i')",
    );
    let token = hs256(&with(claims_a(), serde_json::json!({"permissions": ["*"]})));
    let joined = "select count(*) from shop.invoices a join shop.invoices b on shop.replaced(a.id) = 0";
    assert_eq!(tell(&mut db.tenant(), &token, joined).as_deref(), Some("4"));
}

#[test]
fn t053_a_leaky_function_sees_no_foreign_row() {
    let db = shop(PROTECT);
    let mut session = db.tenant();
    session.run(
        "create temp table seen (body text); grant all on seen to public;
         create function pg_temp.leak(body text) returns boolean language plpgsql cost 0.0000001 as
             $$begin insert into seen values (body); return true; end$$",
    );
    within(&mut session, &token_a(), |session| {
        for condition in
            ["pg_temp.leak(body)", "pg_temp.leak(body) and id > 0", "not not pg_temp.leak(body) or false"]
        {
            let count = format!("select count(*) from shop.invoices where {condition}");
            assert_eq!(session.value(&count).as_deref(), Some("2"), "{condition}");
        }
        session.run("update shop.invoices set body = body where pg_temp.leak(body); delete from shop.invoices where pg_temp.leak(body)");
        let seen = "select string_agg(distinct body, ' ' order by body) from seen";
        assert_eq!(session.value(seen).as_deref(), Some("a1 a2"));
    });
}

#[test]
fn t054_errors_tell_nothing_of_foreign_rows() {
    let db = shop(PROTECT);
    let mut session = db.tenant();
    for probe in [
        "select count(*) from shop.invoices where 1 / (id - 3) <> 99",
        "select count(*) from shop.invoices where case body when 'b3' then body::int end is null",
        "select count(*) from shop.invoices where (case when id = 4 then 'x' else '1' end)::int = 1",
    ] {
        assert_eq!(tell(&mut session, &token_a(), probe).as_deref(), Some("2"), "{probe}");
        assert!(db.superuser().refused(probe).starts_with("22"), "{probe}");
    }
}
