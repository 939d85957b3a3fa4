//! t186, t187: the owner of a protected table, whom row security binds too, never sees nothing in silence.

mod constraints;
mod hidden;
mod migrations;
mod others;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

/// What is said about a table of the schema shop.
fn nobody(table: &str) -> String {
    format!("55000 nobody is signed in, and row security would hide all rows of shop.{table} from its owner")
}

/// Tasks and notes of organizations A and B, protected, of an owner who logs in, and a member of his role.
const TABLES: &str = "
create role shop_owner login;
create role shop_member login in role shop_owner;
create schema shop authorization shop_owner;
grant usage on schema shop to public;
set role shop_owner;
create table shop.tasks (org_id uuid not null, id int not null, priority int, primary key (org_id, id));
create table shop.notes (id int primary key, org_id uuid not null, task_id int);
create table shop.open (id int primary key);
create table shop.parts (org_id uuid not null, id int not null) partition by list (id);
create table shop.part_1 partition of shop.parts for values in (1);
reset role;
insert into shop.tasks values ('0a000000-0000-4000-8000-00000000000a', 1, 1), ('0b000000-0000-4000-8000-00000000000b', 2, 1);
insert into shop.notes values (1, '0a000000-0000-4000-8000-00000000000a', 1), (2, '0b000000-0000-4000-8000-00000000000b', 2);
insert into shop.open values (1), (2);
insert into shop.parts values ('0a000000-0000-4000-8000-00000000000a', 1);
set role shop_owner;
select auth.protect('shop.tasks'); select auth.protect('shop.notes'); select auth.protect('shop.parts');
create view shop.all_tasks as select * from shop.tasks;
create function shop.counted() returns bigint language sql security definer as 'select count(*) from shop.tasks';
grant select, insert, update, delete on all tables in schema shop to tenant;
reset role;
";

/// A database with the tables. Roles are of the whole server: each database has an owner of its own.
fn shop() -> (Database, String) {
    let db = Database::new();
    let owner = format!("shop_owner_{}", db.name);
    db.superuser().run(&named(&owner, TABLES));
    (db, owner)
}

fn named(owner: &str, sql: &str) -> String {
    let member = owner.replace("shop_owner", "shop_member");
    sql.replace("shop_owner", owner).replace("shop_member", &member)
}

/// Runs this by itself, and says what refuses it.
fn refused(session: &mut Client, sql: &str) -> String {
    let told = session.refused(sql);
    session.run("rollback");
    told
}

#[test]
fn t186_an_owner_without_an_identity_is_told_before_a_row_changes() {
    let (db, owner) = shop();
    for user in [owner.clone(), owner.replace("owner", "member")] {
        let mut session = db.connect(&user);
        for sql in [
            "select from shop.tasks",
            "select count(*) from shop.open where exists (select from shop.tasks)",
            "with t as materialized (select * from shop.tasks) select from shop.open, t",
            "update shop.tasks set priority = 3",
            "insert into shop.tasks values ('0a000000-0000-4000-8000-00000000000a', 3, 1)",
            "insert into shop.tasks (org_id, id) select '0a000000-0000-4000-8000-00000000000a', id from shop.open",
            "delete from shop.tasks",
            "delete from shop.open where not exists (select from shop.tasks t where t.id = open.id)",
            "merge into shop.open o using shop.tasks t on t.id = o.id when matched then delete",
            "copy shop.tasks to stdout",
            "copy (select from shop.tasks) to stdout",
            "create table shop.copied as select * from shop.tasks",
            "declare c cursor for select from shop.tasks",
            "select from shop.all_tasks",
            "select shop.counted()",
            "do $$ begin perform from shop.tasks; end $$",
            "explain analyze select from shop.tasks",
            "select from shop.tasks for update",
        ] {
            assert_eq!(refused(&mut session, &format!("begin; {sql}")), nobody("tasks"), "{user}: {sql}");
        }
        assert_eq!(refused(&mut session, "select from shop.parts"), nobody("parts"));
        assert_eq!(refused(&mut session, "select from shop.part_1"), nobody("part_1"));
        assert_eq!(session.value("select count(*) from shop.open").as_deref(), Some("2"));
        session.run("explain select from shop.tasks; truncate shop.open; rollback");
    }
    let mut observer = db.superuser();
    assert_eq!(observer.value("select count(*) from shop.tasks where priority = 1").as_deref(), Some("2"));
}

#[test]
fn t186_it_is_the_first_query_of_a_session_that_is_told() {
    // The library is loaded while this query is planned.
    let (db, owner) = shop();
    for sql in [
        "update shop.tasks set priority = 3",
        "prepare p as update shop.tasks set priority = 3; execute p",
        "do $$ begin update shop.tasks set priority = 3; end $$",
    ] {
        assert_eq!(refused(&mut db.connect(&owner), sql), nobody("tasks"), "{sql}");
    }
    // A plan that was made then is told in later transactions too.
    let mut session = db.connect(&owner);
    session.run("prepare p as select count(*) from shop.tasks");
    for _ in 0..8 {
        assert_eq!(session.refused("execute p"), nobody("tasks"));
    }
}

#[test]
fn t186_a_plan_that_was_made_under_an_identity_is_told_without_one() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run("set plan_cache_mode = force_generic_plan; prepare p as select count(*) from shop.tasks");
    for _ in 0..3 {
        session.run("begin");
        session.authenticate(&token_a()).unwrap();
        assert_eq!(session.value("execute p").as_deref(), Some("1"));
        session.run("commit");
        assert_eq!(session.refused("execute p"), nobody("tasks"));
    }
    // Somebody whose identity has expired, or who signed out, has been somebody.
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run("select auth.sign_out()");
    assert_eq!(session.refused("execute p"), nobody("tasks"));
}

#[test]
fn t187_only_administrators_choose_that_owners_see_nothing() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    let denied = "42501 permission denied to set parameter \"pg_bearer.owner_without_identity\"";
    session.run("select auth.uid()");
    assert_eq!(session.refused("set pg_bearer.owner_without_identity = empty"), denied);
    let mut observer = db.superuser();
    observer.run("select auth.uid()");
    assert!(observer.refused("set pg_bearer.owner_without_identity = nothing").starts_with("22023"));
    observer.run(&format!("alter role {owner} set pg_bearer.owner_without_identity = empty"));
    // Whoever had set it before the library was loaded has not chosen it.
    let mut early = db.connect(&owner.replace("owner", "member"));
    early.run("set pg_bearer.owner_without_identity = empty");
    assert_eq!(early.refused("select from shop.tasks"), nobody("tasks"));
    let mut session = db.connect(&owner);
    assert_eq!(session.value("select count(*) from shop.tasks").as_deref(), Some("0"));
    session.run("update shop.tasks set priority = 3");
    observer.run(&format!("alter role {owner} reset pg_bearer.owner_without_identity"));
    assert_eq!(db.connect(&owner).refused("select from shop.tasks"), nobody("tasks"));
}

#[test]
fn the_names_in_the_library_are_those_of_protect() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create table t (org_id uuid); select auth.protect('t')");
    let policies = session.value(
        "select string_agg(polname || ' ' || starts_with(obj_description(oid, 'pg_policy'), '{\"by\": \"auth.protect\", '), ', ' order by polname)
           from pg_policy",
    );
    let expected =
        ["delete", "insert", "select", "service", "update"].map(|name| format!("bearer_{name} true"));
    assert_eq!(policies.as_deref(), Some(expected.join(", ").as_str()));
}
