//! Partitions and children of protected tables.

use super::{PROTECTED, assert_refused, guarded, owner, refusal_and_hint, seen_by_a};
use pg_bearer_tests::database::Session;

const EVENTS: &str = "
create table shop.events (id int, org_id uuid, year int) partition by range (year);
create table shop.old partition of shop.events for values from (2000) to (2020);
alter table shop.events owner to table_owner; alter table shop.old owner to table_owner;
select auth.protect('shop.events', resource => 'events'); drop table shop.invoices";

#[test]
fn t195_partitions_and_children_are_protected_by_the_command_that_makes_them() {
    let db = guarded(EVENTS);
    let mut session = owner(&db);
    session.run(
        "create table shop.recent partition of shop.events for values from (2020) to (2030) partition by list (year);
         create table shop.y2025 partition of shop.recent for values in (2025);
         create table shop.rest partition of shop.events default;
         create table shop.plain (id int, org_id uuid); create table shop.child (extra text) inherits (shop.plain);
         create table shop.grandchild () inherits (shop.child)",
    );
    let all = "shop.child t, shop.events t, shop.grandchild t, shop.old t, shop.plain t, shop.recent t, shop.rest t, shop.y2025 t";
    assert_eq!(session.value(PROTECTED).as_deref(), Some(all));
    let of = "select count(distinct (resource, org_column)) from auth.protected_tables() where source::text ~ '(events|old|recent|y2025|rest)$'";
    assert_eq!(session.value(of).as_deref(), Some("1"));
    // As if auth.protect() had been called for the whole: nothing is left for it.
    let left = "select count(*) from auth.protect('shop.events', resource => 'events') where action = 'run'";
    assert_eq!(session.value(left).as_deref(), Some("0"));
}

#[test]
fn t195_a_partition_of_another_owner_is_protected_as_that_owner() {
    let db = guarded(&format!(
        "{EVENTS}; create role guards_member nologin in role table_owner; grant usage, create on schema shop to guards_member"
    ));
    let mut session = db.superuser();
    session.run("set role guards_member; create table shop.next partition of shop.events for values from (2020) to (2030); reset role");
    session.run("create table shop.last partition of shop.events for values from (2030) to (2040)");
    let owners =
        "select string_agg(concat_ws(' ', c.relname, c.relowner::regrole, p.intact), ', ' order by c.relname)
                    from auth.protected_tables() p join pg_class c on c.oid = p.source";
    let expected = "events table_owner t, last postgres t, next guards_member t, old table_owner t";
    assert_eq!(session.value(owners).as_deref(), Some(expected));
    session.run("drop table shop.next; drop owned by guards_member; drop role guards_member");
}

#[test]
fn t195_what_is_attached_shows_nothing_to_others() {
    let db = guarded(&format!(
        "{EVENTS}; create table shop.open (id int, org_id uuid, year int);
         insert into shop.open values (1, '0a000000-0000-4000-8000-00000000000a', 2021), (2, '0b000000-0000-4000-8000-00000000000b', 2022);
         alter table shop.open owner to table_owner; grant select on shop.open to tenant"
    ));
    let mut session = owner(&db);
    let attach = "alter table shop.events attach partition shop.open for values from (2020) to (2030)";
    let (message, right) = refusal_and_hint(&mut session, attach);
    assert_eq!(message, "row-level security of shop.open is off");
    assert_eq!(right, "select auth.protect('shop.open', resource => 'events')");
    session.run(&format!("{right}; {attach}"));
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.events t, shop.old t, shop.open t"));
    assert_eq!(seen_by_a(&db, "select count(*) from shop.open").as_deref(), Some("0"));
    // It stays so when it is on its own again.
    session.run("alter table shop.events detach partition shop.open");
    assert_refused(
        &mut session,
        &[("alter table shop.open disable row level security", "row-level security of shop.open is off")],
    );
}

#[test]
fn t195_names_that_are_taken_do_not_leave_a_partition_open() {
    let db = guarded(&format!(
        "{EVENTS}; create table shop.plain (id int, org_id uuid); alter table shop.plain owner to table_owner; select auth.protect('shop.plain');
         create table shop.bearer_child (id int); create table shop.bearer_2_child (id int)"
    ));
    let mut session = owner(&db);
    session.run("create table shop.child () inherits (shop.plain)");
    let index = "select string_agg(indexrelid::regclass::text, ' ') from pg_index where indrelid = 'shop.child'::regclass";
    assert_eq!(session.value(index).as_deref(), Some("shop.bearer_3_child"));
}

#[test]
fn t195_what_cannot_be_protected_does_not_become_a_partition() {
    let db = guarded(&format!(
        "{EVENTS}; create foreign data wrapper guards; create server guards foreign data wrapper guards"
    ));
    let mut session = db.superuser();
    assert_refused(
        &mut session,
        &[(
            "create foreign table shop.far partition of shop.events for values from (2020) to (2030) server guards",
            "shop.far is a foreign table, which has no policies",
        )],
    );
    // Partitions in schemas that auth.guard() was not asked for are protected as well.
    session.run(
        "create schema aside; select auth.guard('{shop}', 'ignore');
                 create table aside.next partition of shop.events for values from (2020) to (2030)",
    );
    assert_eq!(session.value(PROTECTED).as_deref(), Some("aside.next t, shop.events t, shop.old t"));
}

#[test]
fn t195_no_moment_is_left_between_making_and_protecting() {
    let db = guarded(&format!("{EVENTS}; grant select on shop.events to tenant"));
    let mut session = owner(&db);
    session.run("begin; create table shop.next partition of shop.events for values from (2020) to (2030)");
    // The statement is done, the transaction is not.
    assert_eq!(
        session
            .value("select intact from auth.protected_tables() where source = 'shop.next'::regclass")
            .as_deref(),
        Some("t")
    );
    session.run("rollback");
    // Where protecting fails, so does making.
    let mut superuser = db.superuser();
    superuser.run("begin; alter role bearer_service rename to guards_service");
    let made = "create table shop.next partition of shop.events for values from (2020) to (2030)";
    assert_eq!(superuser.refused(made), "55000 the role bearer_service of pg_bearer is missing");
    superuser.run("rollback");
    assert_eq!(superuser.value("select to_regclass('shop.next')"), None);
}

/// Policies of a parent alone decide what is read through it.
#[test]
fn t195_no_open_table_becomes_a_parent() {
    let db = guarded(
        "create table shop.near (id int not null, org_id uuid, body text) partition by list (id);
         create table shop.far (id int, org_id uuid, body text) partition by list (id);
         create table shop.above (body text); create table shop.opener (id int, org_id uuid, body text);
         grant select on all tables in schema shop to tenant; alter table shop.above owner to table_owner;
         alter table shop.near owner to table_owner; alter table shop.far owner to table_owner;
         alter table shop.opener owner to table_owner; create table shop.kid () inherits (shop.opener);
         alter table shop.kid owner to table_owner",
    );
    let mut session = owner(&db);
    for mut session in [owner(&db), db.superuser()] {
        assert_refused(
            &mut session,
            &[
                (
                    "alter table shop.invoices inherit shop.above",
                    "rows of shop.invoices could be read through shop.above, which is not protected",
                ),
                (
                    "alter table shop.invoices add x int, inherit shop.kid",
                    "rows of shop.invoices could be read through shop.opener, which is not protected",
                ),
                (
                    "create table shop.under () inherits (shop.above, shop.invoices)",
                    "rows of shop.under could be read through shop.above, which is not protected",
                ),
                (
                    "alter table shop.near attach partition shop.invoices for values in (1, 2)",
                    "rows of shop.invoices could be read through shop.near, which is not protected",
                ),
            ],
        );
    }
    // What is said to be right is right.
    for (join, parent, leave) in [
        (
            "alter table shop.invoices inherit shop.kid",
            "opener",
            "alter table shop.invoices no inherit shop.kid",
        ),
        (
            "alter table shop.far attach partition shop.invoices default",
            "far",
            "alter table shop.far detach partition shop.invoices",
        ),
    ] {
        let (_, right) = refusal_and_hint(&mut session, join);
        assert_eq!(right, format!("select auth.protect('shop.{parent}')"));
        session.run(&format!("{right}; {join}"));
        let seen = seen_by_a(&db, &format!("select string_agg(body, '') from shop.{parent}"));
        assert_eq!(seen.as_deref(), Some("a"));
        session.run(leave);
    }
    // Tables of which none is protected are nobody's business.
    session.run("alter table shop.above add org_id uuid; create table shop.a (id int); create table shop.b (id int); alter table shop.b inherit shop.a");
}

/// auth.protect() keeps the column that a table is protected by where none is given.
#[test]
fn t195_the_hint_names_the_column_where_a_table_is_protected_by_another() {
    let db = guarded(
        "create table shop.child (id int not null, org_id uuid, body text, tenant_id uuid);
         alter table shop.child owner to table_owner; select auth.protect('shop.child', 'tenant_id')",
    );
    let mut session = owner(&db);
    let inherit = "alter table shop.child inherit shop.invoices";
    let (_, right) = refusal_and_hint(&mut session, inherit);
    assert_eq!(right, "select auth.protect('shop.child', org_column => 'org_id')");
    session.run(&format!("{right}; {inherit}"));
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.child t, shop.invoices t"));
}
