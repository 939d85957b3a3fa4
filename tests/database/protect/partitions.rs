//! Partitions, at every level, and tables that inherit.

use super::{denied, only, statements, tell};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;

const EVENTS: &str = "
create schema shop;
grant usage on schema shop to public;
create table shop.events (id int not null, org_id uuid, year int) partition by range (year);
create table shop.old partition of shop.events for values from (2000) to (2020);
create table shop.recent partition of shop.events for values from (2020) to (2030) partition by list (year);
create table shop.y2025 partition of shop.recent for values in (2025);
create table shop.rest partition of shop.events default;
grant select, insert, update, delete on all tables in schema shop to tenant;
insert into shop.events
  select n, case n % 2 when 0 then '0a000000-0000-4000-8000-00000000000a'::uuid else '0b000000-0000-4000-8000-00000000000b' end,
         (array[2001, 2025, 2040])[1 + n % 3]
    from generate_series(1, 60) n;
";

const NAMES: [&str; 5] = ["events", "old", "recent", "y2025", "rest"];

fn count(name: &str) -> String {
    format!("select count(*) from shop.{name}")
}

#[test]
fn t046_partitions_queried_directly_show_no_foreign_row() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(EVENTS);
    let call = "protect('shop.events')";
    let ran = only("run", &statements(&mut superuser, call));
    assert_eq!(ran.iter().filter(|run| run.ends_with(" force row level security")).count(), 5);
    assert_eq!(ran.iter().filter(|run| run.starts_with("create index")).count(), 1);
    assert_eq!(only("run", &statements(&mut superuser, call)), [] as [String; 0]);
    let mut session = db.tenant();
    for (name, rows) in NAMES.iter().zip(["30", "10", "10", "10", "10"]) {
        assert_eq!(tell(&mut session, &token_a(), &count(name)).as_deref(), Some(rows), "{name}");
        assert_eq!(session.value(&count(name)).as_deref(), Some("0"), "{name}");
        let year = ["2001", "2001", "2025", "2025", "2040"][NAMES.iter().position(|n| n == name).unwrap()];
        let insert = format!("insert into shop.{name} (id, year) values (99, {year}) returning org_id");
        assert_eq!(tell(&mut session, &token_a(), &insert).as_deref(), Some(ORG_A), "{name}");
        let foreign = format!("insert into shop.{name} (id, year, org_id) values (99, {year}, '{ORG_B}')");
        assert!(denied(&mut session, &token_a(), &foreign).starts_with("42501 new row violates"), "{name}");
        let moved = format!("update shop.{name} set org_id = '{ORG_B}'");
        assert!(denied(&mut session, &token_a(), &moved).starts_with("42501 new row violates"), "{name}");
    }
}

#[test]
fn t046_a_partition_that_comes_later_is_brought_in_by_protecting_again() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(EVENTS);
    let call = "protect('shop.events')";
    let before = "select string_agg(concat_ws(' ', relname, relrowsecurity, relforcerowsecurity), ', ' order by relname) from pg_class
                   where relnamespace = 'shop'::regnamespace and relkind in ('r', 'p')";
    let policies = "select count(*) from pg_policy where polname like 'bearer%'";
    let defaults = "select count(*) from pg_attrdef";
    let (open, none) = (superuser.value(before), superuser.value(defaults));
    superuser.run(&format!("select auth.{call}"));
    let intact =
        "select string_agg(source || ' ' || intact, ', ' order by source::text) from auth.protected_tables()";
    let all = "shop.events true, shop.old true, shop.recent true, shop.rest true, shop.y2025 true";
    assert_eq!(superuser.value(intact).as_deref(), Some(all));
    superuser.run("create table shop.y2026 partition of shop.recent for values in (2026); grant select on shop.y2026 to tenant");
    let behind = "shop.events false, shop.old true, shop.recent false, shop.rest true, shop.y2025 true";
    assert_eq!(superuser.value(intact).as_deref(), Some(behind));
    let ran = only("run", &statements(&mut superuser, call));
    assert!(ran.iter().all(|run| run.contains("shop.y2026")) && ran.len() == 7, "{ran:?}");
    assert_eq!(superuser.value(intact).unwrap(), format!("{all}, shop.y2026 true"));
    superuser.run("select auth.unprotect('shop.events'); drop table shop.y2026");
    assert_eq!(superuser.value(before), open);
    assert_eq!(superuser.value(policies).as_deref(), Some("0"));
    assert_eq!(superuser.value(defaults), none);
}

#[test]
fn t333_what_is_gone_of_a_partition_shows() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(EVENTS);
    // One that needs no index, since its partitions are for single organizations.
    superuser.run(
        "create table shop.by_org (id int, org_id uuid) partition by list (org_id);
         create table shop.org_a partition of shop.by_org for values in ('0a000000-0000-4000-8000-00000000000a')",
    );
    superuser.run("select auth.protect('shop.events'), auth.protect('shop.by_org')");
    let broken = "select coalesce(string_agg(source::text, ', ' order by source::text), 'none') from auth.protected_tables() where not intact";
    assert_eq!(superuser.value(broken).as_deref(), Some("none"));
    for (change, found) in [
        ("alter table only shop.old alter org_id drop default", "shop.events, shop.old"),
        ("drop index shop.bearer_events", "shop.events"),
        ("alter table shop.y2025 no force row level security", "shop.events, shop.recent, shop.y2025"),
        ("create policy bearer_select on shop.rest using (true)", ""),
        ("comment on policy bearer_select on shop.y2025 is null", "shop.events, shop.recent, shop.y2025"),
        ("alter table only shop.org_a alter org_id set default gen_random_uuid()", "shop.by_org, shop.org_a"),
    ] {
        superuser.run("begin");
        if found.is_empty() {
            superuser.run("drop policy bearer_select on shop.rest");
            superuser.run(change);
            assert_eq!(superuser.value(broken).as_deref(), Some("shop.events, shop.rest"), "{change}");
        } else {
            superuser.run(change);
            assert_eq!(superuser.value(broken).as_deref(), Some(found), "{change}");
        }
        superuser.run("rollback");
    }
}

#[test]
fn a_partition_that_is_detached_stays_protected_by_itself() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(EVENTS);
    superuser.run("select auth.protect('shop.events'); alter table shop.events detach partition shop.old; drop table shop.events");
    assert_eq!(tell(&mut db.tenant(), &token_a(), &count("old")).as_deref(), Some("10"));
    assert_eq!(only("run", &statements(&mut superuser, "protect('shop.old')")), [] as [String; 0]);
}

#[test]
fn tables_that_inherit_are_protected_with_their_parent() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(
        "create schema shop; grant usage on schema shop to public;
         create table shop.things (id int, org_id uuid); create table shop.\"Big things\" (size int) inherits (shop.things);
         create table shop.both () inherits (shop.\"Big things\", shop.things);
         insert into shop.\"Big things\" values (1, '0a000000-0000-4000-8000-00000000000a', 1), (2, '0b000000-0000-4000-8000-00000000000b', 2);
         grant select, insert on all tables in schema shop to tenant",
    );
    let ran = only("run", &statements(&mut superuser, "protect('shop.things')"));
    assert_eq!(ran.iter().filter(|run| run.starts_with("create index")).count(), 3);
    let mut session = db.tenant();
    for name in ["things", "\"Big things\""] {
        let ids = format!("select string_agg(id::text, ' ') from shop.{name}");
        assert_eq!(tell(&mut session, &token_a(), &ids).as_deref(), Some("1"), "{name}");
        assert_eq!(session.value(&ids), None);
    }
    let inserted = "insert into shop.both (id) values (3) returning org_id";
    assert_eq!(tell(&mut session, &token_b(), inserted).as_deref(), Some(ORG_B));
    superuser.run("select auth.unprotect('shop.things')");
    assert_eq!(session.value("select count(*) from shop.things").as_deref(), Some("2"));
}

#[test]
fn a_foreign_table_among_the_partitions_is_refused() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(EVENTS);
    superuser.run(
        "create foreign data wrapper far; create server away foreign data wrapper far;
         create foreign table shop.y2027 partition of shop.recent for values in (2027) server away",
    );
    let refused = superuser.refused("select auth.protect('shop.events')");
    assert_eq!(refused, "0A000 shop.y2027 is a foreign table and would stay open");
    superuser.run("alter table shop.recent detach partition shop.y2027; select auth.protect('shop.events')");
}
