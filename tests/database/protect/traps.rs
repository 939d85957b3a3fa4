//! What owners of tables lay out for whoever is mightier and calls auth.protect() and its kin.

use super::{only, shop, statements};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

/// Functions that tell whom they ran as, wherever a query of the table would run them.
const LAID_OUT: &str = "
create function shop.told(x int) returns int immutable language plpgsql as $$
begin
    if current_user <> 'table_owner' then raise exception 'ran as %', current_user; end if;
    return 1;
end $$;
alter function shop.told(int) owner to table_owner;
set role table_owner;
create index on shop.invoices (shop.told(1));
create index on shop.invoices (id) where shop.told(2) = 1;
alter table shop.invoices add check (shop.told(3) = 1), alter body set default shop.told(4)::text;
create table shop.more (check (shop.told(5) = 1)) inherits (shop.invoices);
create statistics shop.s on (shop.told(id)), id from shop.invoices;
create policy villain on shop.invoices as restrictive using (shop.told(6) = 1);
reset role;
";

#[test]
fn t043_what_a_table_s_owner_wrote_does_not_run_as_the_superuser_who_protects_it() {
    let db = shop(LAID_OUT);
    let mut session = db.superuser();
    for call in [
        "protect('shop.invoices', dry_run => true)",
        "protect('shop.invoices')",
        "protect('shop.invoices')",
        "protect('shop.invoices', environment_column => 'environment')",
        "unprotect('shop.invoices', dry_run => true)",
        "unprotect('shop.invoices')",
    ] {
        assert!(!statements(&mut session, call).is_empty(), "{call}");
    }
    session.run("select auth.protect('shop.invoices'); select * from auth.protected_tables(); select * from auth.lint()");
}

#[test]
fn t043_a_name_cannot_end_a_literal_where_backslashes_count() {
    let db = Database::new();
    let mut session = db.superuser();
    // What comes before the quote is the name of a table that is there.
    let name = r"a\x22.b\'::regclass)::oid)); set villain.mark to ran; --";
    session.run(&format!(
        "create schema \"{0}\"; create schema a; create table a.\"b'\" (); create table \"{0}\".\"{name}\" (org_id uuid);
         set villain.mark = ''; set standard_conforming_strings = off; set escape_string_warning = off",
        db.name
    ));
    let source = "(select c.oid::regclass from pg_class c where c.relname like 'a%villain%')";
    let ran = only("run", &statements(&mut session, &format!("protect({source})")));
    assert!(ran.len() > 8, "{ran:?}");
    assert_eq!(session.value("select intact::text from auth.protected_tables()").as_deref(), Some("true"));
    assert_eq!(only("run", &statements(&mut session, &format!("protect({source})"))), [] as [String; 0]);
    assert_eq!(
        session.value("select count(*) from auth.lint('{a}') where code !~ '^administrator'").as_deref(),
        Some("0")
    );
    assert!(!statements(&mut session, &format!("unprotect({source})")).is_empty());
    assert_eq!(session.value("select current_setting('villain.mark')").as_deref(), Some(""));
    let mode = session.value("select current_setting('standard_conforming_strings')");
    assert_eq!(mode.as_deref(), Some("off"));
}
