//! Arguments that are refused, owners, comments that somebody else wrote, and two sessions at once.

use super::{STATE, only, shop, statements};
use pg_bearer_tests::database::{Session, assert_contains, rounds};
use pg_bearer_tests::{Database, refusal};
use std::sync::Barrier;

const ODD: &str = "
create table shop.odd (org_id uuid, a json, b uuid[], c int[], d numeric, e char(4), f smallint, g boolean, h uuid, o text, o2 text, v date);
create view shop.seen as select * from shop.odd;
create materialized view shop.stored as select * from shop.odd;
create foreign data wrapper far; create server away foreign data wrapper far;
create foreign table shop.elsewhere (org_id uuid) server away;
create temp table passing (org_id uuid);
create sequence shop.numbers;
create collation shop.loose (provider = libc, locale = 'C');
update pg_collation set collisdeterministic = false where collname = 'loose';
create table shop.fuzzy (org_id text collate shop.loose, owner text collate shop.loose);
create domain shop.list as uuid[];
create table shop.lists (org_id shop.list);
";

#[test]
fn bad_arguments_are_refused_by_name() {
    let db = shop("");
    let mut session = db.superuser();
    session.run(ODD);
    for (arguments, message) in [
        ("null", "the source is not a table that can be protected"),
        ("0", "the source is not a table that can be protected"),
        ("'shop.seen'", "the source is not a table that can be protected"),
        ("'shop.stored'", "the source is not a table that can be protected"),
        ("'shop.elsewhere'", "the source is not a table that can be protected"),
        ("'passing'", "the source is not a table that can be protected"),
        ("'shop.numbers'", "the source is not a table that can be protected"),
        ("'shop.invoices_pkey'", "the source is not a table that can be protected"),
        ("'pg_class'", "the source is not a table that can be protected"),
        ("'information_schema.sql_features'", "the source is not a table that can be protected"),
        ("'auth.organizations'", "the source is not a table that can be protected"),
        ("'shop.odd', 'missing'", "org_column: the table has no column \"missing\""),
        ("'shop.odd', 'ctid'", "org_column: the table has no column \"ctid\""),
        ("'shop.odd', 'ORG_ID'", "org_column: the table has no column \"ORG_ID\""),
        ("'shop.odd', workspace_column => 'x'", "workspace_column: the table has no column \"x\""),
        ("'shop.odd', owner_column => 'x'", "owner_column: the table has no column \"x\""),
        ("'shop.odd', environment_column => 'x'", "environment_column: the table has no column \"x\""),
        ("'shop.odd', 'a'", "org_column: column \"a\" has a type that is not allowed"),
        ("'shop.odd', 'b'", "org_column: column \"b\" has a type that is not allowed"),
        ("'shop.odd', 'c'", "org_column: column \"c\" has a type that is not allowed"),
        ("'shop.odd', 'd'", "org_column: column \"d\" has a type that is not allowed"),
        ("'shop.odd', 'e'", "org_column: column \"e\" has a type that is not allowed"),
        ("'shop.odd', 'f'", "org_column: column \"f\" has a type that is not allowed"),
        ("'shop.lists'", "org_column: column \"org_id\" has a type that is not allowed"),
        (
            "'shop.odd', workspace_column => 'o'",
            "workspace_column: column \"o\" has a type that is not allowed",
        ),
        ("'shop.odd', owner_column => 'd'", "owner_column: column \"d\" has a type that is not allowed"),
        (
            "'shop.odd', environment_column => 'h'",
            "environment_column: column \"h\" has a type that is not allowed",
        ),
        ("'shop.fuzzy'", "org_column: column \"org_id\" must be stored and compared exactly"),
        ("'shop.odd', owner_column => 'org_id'", "org_column: column \"org_id\" is given twice"),
        (
            "'shop.odd', owner_column => 'o', environment_column => 'o'",
            "owner_column: column \"o\" is given twice",
        ),
        ("'shop.odd', org_column => null", "no column says whose a row is"),
        ("'shop.odd', org_column => null, environment_column => 'o'", "no column says whose a row is"),
        ("'shop.odd', 'o', all_orgs => true", "all_orgs needs an org_column of type uuid"),
        (
            "'shop.odd', null, owner_column => 'o', all_orgs => true",
            "all_orgs needs an org_column of type uuid",
        ),
        ("'shop.odd', null, owner_column => 'o', single_login => true", "single_login needs an org_column"),
        ("'shop.odd', all_orgs => null", "all_orgs and single_login cannot be null"),
        ("'shop.odd', single_login => null", "all_orgs and single_login cannot be null"),
        ("'shop.odd', dry_run => null", "dry_run cannot be null"),
        ("'shop.odd', resource => ''", "resource has a character that is not allowed"),
        ("'shop.odd', resource => 'a..b'", "resource has a character that is not allowed"),
        ("'shop.odd', resource => 'a.*'", "resource has a character that is not allowed"),
        ("'shop.odd', resource => 'Invoices'", "resource has a character that is not allowed"),
        ("'shop.odd', resource => E'a''b'", "resource has a character that is not allowed"),
        ("'shop.odd', resource => E'a\\n'", "resource has a character that is not allowed"),
        ("'shop.odd', resource => 'été'", "resource has a character that is not allowed"),
        ("'shop.odd', resource => repeat('a', 100000000)", "resource is too long"),
        ("'shop.odd', roles => '{}'", "roles is empty or has a null"),
        ("'shop.odd', roles => '{tenant,null}'", "roles is empty or has a null"),
        ("'shop.odd', roles => array['tenant', 'no \"one']", "role \"no \"one\" does not exist"),
        ("'shop.odd', roles => '{TENANT}'", "role \"TENANT\" does not exist"),
    ] {
        let refused = session.refused(&format!("select auth.protect({arguments})"));
        assert_eq!(refused, format!("22023 {message}"), "{arguments}");
    }
    for arguments in ["null", "0", "'shop.seen'", "'pg_class'", "'auth.organizations'", "'shop.odd', null"] {
        assert!(
            session.refused(&format!("select auth.unprotect({arguments})")).starts_with("22023 "),
            "{arguments}"
        );
    }
    assert_eq!(session.value("select count(*) from auth.protected_tables()").as_deref(), Some("0"));
}

#[test]
fn only_the_owner_protects_and_needs_no_other_right() {
    let db = shop("grant select, update, delete on shop.invoices to other");
    let mut owner = db.superuser();
    owner.run("set role table_owner");
    let mut session = db.connect("other");
    let state = db.superuser().value(STATE);
    for call in ["protect('shop.invoices')", "protect('shop.invoices', single_login => true)"] {
        let refused = session.refused(&format!("select auth.{call}"));
        assert_eq!(refused, "42501 must be owner of table invoices", "{call}");
    }
    assert_contains(owner.value("select count(*) from auth.protect('shop.invoices')").unwrap(), "1");
    assert_eq!(
        session.refused("select auth.unprotect('shop.invoices')"),
        "42501 must be owner of table invoices"
    );
    owner.run("select auth.unprotect('shop.invoices')");
    assert_eq!(db.superuser().value(STATE), state);
}

#[test]
fn comments_and_policies_of_others_are_never_believed_or_run() {
    let db = shop("create table shop.booty (n int)");
    let mut session = db.superuser();
    let memory = r#"{"by": "auth.protect", "forced": true, "enabled": true, "defaults": ["organization"]}"#;
    for comment in [
        "",
        "{",
        "null",
        "[]",
        "auth.protect",
        "{\"by\": \"auth.protect\"}",
        "{\"by\": \"auth.protect\", \"forced\": true, \"enabled\": true, \"defaults\": [\"organization\",]}",
        "{\"by\": \"auth.protect\", \"forced\": true, \"enabled\": true, \"defaults\": [\"organization\", ]}",
        "{\"by\": \"auth.protect\", \"forced\": true, \"enabled\": true, \"defaults\": [\"x; drop table shop.booty\"]}",
        "{\"by\": \"auth.protect\", \"forced\": 1, \"enabled\": true, \"defaults\": []}",
        "'); drop table shop.booty; --",
        &format!("{memory}\n"),
        &format!("{memory}{memory}"),
        &"[".repeat(100_000),
    ] {
        let quoted = comment.replace('\'', "''");
        session.run(&format!(
            "create policy bearer_select on shop.invoices using (true); comment on policy bearer_select on shop.invoices is '{quoted}'"
        ));
        assert_eq!(
            session.value("select count(*) from auth.protected_tables()").as_deref(),
            Some("0"),
            "{comment:.50}"
        );
        assert_eq!(
            session.refused("select auth.protect('shop.invoices')"),
            "42710 policy \"bearer_select\" of shop.invoices was not made by auth.protect()"
        );
        assert_eq!(statements(&mut session, "unprotect('shop.invoices')"), [] as [String; 0]);
        session.run("drop policy bearer_select on shop.invoices");
    }
    // Our own comment, copied to a policy that says something else.
    for test in [
        "true",
        "org_id is not null",
        "auth.in_org(workspace_id) and auth.has_permission('x') and auth.allows_table(0)",
        "owner = 'auth.in_org(org_id) AND auth.allows_table('",
        "auth.in_org(gen_random_uuid()) and auth.allows_table(1)",
    ] {
        session.run(&format!(
            "create policy bearer_update on shop.invoices for update using ({test}); comment on policy bearer_update on shop.invoices is '{memory}'"
        ));
        assert_eq!(
            session.value("select intact from auth.protected_tables()").as_deref(),
            Some("f"),
            "{test}"
        );
        session.run("select auth.protect('shop.invoices')");
        assert_eq!(
            session.value("select intact from auth.protected_tables()").as_deref(),
            Some("t"),
            "{test}"
        );
        session.run("select auth.unprotect('shop.invoices')");
    }
    assert_eq!(session.value("select count(*) from shop.booty").as_deref(), Some("0"));
}

#[test]
fn two_sessions_that_protect_a_table_at_once_wait_for_each_other() {
    let db = Database::new();
    for round in 0..rounds(60) {
        db.superuser().run(&format!(
            "create table t{round} (org_id uuid) partition by hash (org_id);
            create table t{round}_0 partition of t{round} for values with (modulus 2, remainder 0);
            create table t{round}_1 partition of t{round} for values with (modulus 2, remainder 1)"
        ));
        let start = Barrier::new(4);
        let ran: Vec<usize> = std::thread::scope(|scope| {
            let sessions: Vec<_> = (0..4)
                .map(|_| {
                    let (db, start) = (&db, &start);
                    scope.spawn(move || {
                        let mut session = db.superuser();
                        start.wait();
                        only("run", &statements(&mut session, &format!("protect('t{round}')"))).len()
                    })
                })
                .collect();
            sessions.into_iter().map(|session| session.join().unwrap()).collect()
        });
        assert_eq!(ran.iter().filter(|&&ran| ran > 0).count(), 1, "{ran:?}");
    }
}

#[test]
fn a_failure_in_the_middle_leaves_nothing_behind() {
    let db = shop(
        "create table shop.children () inherits (shop.invoices); create table shop.free () inherits (shop.children);
         alter table shop.free owner to table_owner",
    );
    let state = db.superuser().value(STATE);
    let mut session = db.superuser();
    session.run("set role table_owner");
    let refused = refusal(session.batch_execute("select auth.protect('shop.invoices')"));
    assert_eq!(refused, "42501 must be owner of table children");
    assert_eq!(db.superuser().value(STATE), state);
}

#[test]
fn an_owner_who_may_create_nothing_gets_the_index_suggested() {
    let db = shop("revoke create on schema shop from table_owner");
    let mut session = db.superuser();
    session.run("set role table_owner");
    let said = only("suggested", &statements(&mut session, "protect('shop.invoices')"));
    assert_eq!(said[0], "create index concurrently on shop.invoices (org_id)");
    let intact = "select intact from auth.protected_tables()";
    assert_eq!(db.superuser().value(intact).as_deref(), Some("t"));
    db.superuser().run(&said[0]);
    assert_eq!(only("run", &statements(&mut session, "protect('shop.invoices')")), [] as [String; 0]);
    session.run("select auth.unprotect('shop.invoices')");
}
