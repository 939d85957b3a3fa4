//! t186: a foreign key is never checked against a part of the rows by somebody whom row security binds.

use super::{refused, shop};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;

const BOTH: &str = "select auth.begin_data_migration('{shop.tasks,shop.notes}')";
const KEY: &str = "alter table shop.notes add constraint key foreign key (org_id, task_id) references shop.tasks (org_id, id)";

fn part_of(table: &str) -> String {
    format!("55000 the foreign key would be checked without the rows of {table} that row security hides")
}

#[test]
fn t186_adding_and_validating_a_foreign_key_needs_a_data_migration() {
    let (db, owner) = shop();
    // A note of A refers to a task that is not there.
    db.superuser().run("insert into shop.notes values (3, '0a000000-0000-4000-8000-00000000000a', 7)");
    let mut session = db.connect(&owner);
    let part = part_of("shop.notes");
    assert_eq!(refused(&mut session, KEY), part);
    assert_eq!(refused(&mut session, &format!("do $$ begin {KEY}; end $$")), part);
    session.run(&format!("begin; {BOTH}"));
    assert!(refused(&mut session, KEY).starts_with("23503"));
    session.run(&format!("{KEY} not valid"));
    let validate = "alter table shop.notes validate constraint key";
    assert_eq!(refused(&mut session, validate), part);
    // B sees none of the rows that violate it.
    session.run("begin");
    session.authenticate(&token_b()).unwrap();
    assert_eq!(refused(&mut session, validate), part);
    // Neither does an owner who chose to see nothing.
    db.superuser().run(&format!("alter role {owner} set pg_bearer.owner_without_identity = empty"));
    assert_eq!(refused(&mut db.connect(&owner), validate), part);
    // Half of the migration is not enough.
    session.run("begin; select auth.begin_data_migration('{shop.notes}')");
    assert_eq!(refused(&mut session, validate), part_of("shop.tasks"));
    session.run(&format!("begin; {BOTH}"));
    assert!(refused(&mut session, validate).starts_with("23503"));
    session.run(&format!("begin; {BOTH}; delete from shop.notes where id = 3; {validate}; commit"));
    assert_eq!(
        db.superuser().value("select convalidated from pg_constraint where conname = 'key'").as_deref(),
        Some("t")
    );
}

#[test]
fn t186_the_first_command_of_a_session_is_refused_too() {
    let (db, owner) = shop();
    let part = part_of("shop.notes");
    db.superuser().run(&format!("alter role {owner} set pg_bearer.owner_without_identity = empty"));
    assert_eq!(refused(&mut db.connect(&owner), KEY), part);
    assert_eq!(refused(&mut db.connect(&owner), &format!("begin; savepoint s; {KEY}")), part);
}

#[test]
fn t186_partitions_and_changes_of_type_check_foreign_keys_too() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(&format!(
        "begin; {BOTH}; {KEY}; commit;
         create table shop.logs (org_id uuid not null, task_id int, n int) partition by list (n);
         create table shop.log_1 partition of shop.logs for values in (1);
         create table shop.log_2 (like shop.logs);
         begin; select auth.begin_data_migration('{{shop.tasks}}');
         alter table shop.logs add foreign key (org_id, task_id) references shop.tasks (org_id, id); commit;
         create table shop.years (org_id uuid, id int, y int, primary key (org_id, id, y)) partition by list (y);
         create table shop.year_1 partition of shop.years for values in (1);
         create table shop.entries (org_id uuid, id int, y int, foreign key (org_id, id, y) references shop.years)"
    ));
    db.superuser().run(
        "insert into shop.log_2 values ('0a000000-0000-4000-8000-00000000000a', 7, 2);
         insert into shop.years values ('0a000000-0000-4000-8000-00000000000a', 1, 1);
         insert into shop.entries values ('0a000000-0000-4000-8000-00000000000a', 1, 1)",
    );
    session.run("select auth.protect('shop.logs'); select auth.protect('shop.log_2'); select auth.protect('shop.years'); select auth.protect('shop.entries')");
    for (command, table, tables) in [
        (
            "alter table shop.logs attach partition shop.log_2 for values in (2)",
            "shop.log_2",
            "shop.logs,shop.log_2,shop.tasks",
        ),
        ("alter table shop.years detach partition shop.year_1", "shop.entries", "shop.years,shop.entries"),
        ("alter table shop.notes alter column task_id type bigint", "shop.notes", "shop.notes,shop.tasks"),
    ] {
        assert_eq!(refused(&mut session, command), part_of(table), "{command}");
        session.run(&format!("begin; select auth.begin_data_migration('{{{tables}}}')"));
        if command.contains("type bigint") {
            session.run(&format!("{command}; rollback"));
        } else {
            assert!(refused(&mut session, command).starts_with("23503"), "{command}");
        }
    }
}

#[test]
fn a_query_that_only_looks_like_one_of_a_check_is_answered() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    let sql = "SELECT fk.id FROM shop.notes fk LEFT OUTER JOIN shop.tasks pk ON ( pk.id = fk.task_id)";
    session.run("commit; begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.value(sql).as_deref(), Some("1"));
}

#[test]
fn superusers_and_owners_of_what_is_not_forced_add_foreign_keys() {
    let (db, owner) = shop();
    db.superuser().run(&format!("{KEY}; alter table shop.notes drop constraint key"));
    let mut session = db.connect(&owner);
    session.run("create table shop.a (id int primary key); create table shop.b (id int); alter table shop.b add foreign key (id) references shop.a");
    session.run(
        "create policy mine on shop.tasks for select using (true); create policy mine on shop.notes for select using (true)",
    );
    session.run(KEY);
}

#[test]
fn foreign_keys_from_before_are_counted_and_found_by_lint() {
    let (db, owner) = shop();
    let mut observer = db.superuser();
    observer.run(&format!(
        "insert into shop.notes values (3, '0a000000-0000-4000-8000-00000000000a', 7), (4, '0b000000-0000-4000-8000-00000000000b', 7);
         {KEY} not valid;
         update pg_constraint set convalidated = true where conname = 'key';
         insert into auth.unchecked_foreign_keys select oid from pg_constraint where conname = 'key'"
    ));
    let found = "select string_agg(object, ', ') from auth.lint() where code = 'foreign_key_unchecked'";
    let fix = "select fix from auth.lint() where code = 'foreign_key_unchecked'";
    assert_eq!(observer.value(found).as_deref(), Some("key on shop.notes"));
    let mut session = db.connect(&owner);
    let count = "select string_agg(concat_ws(' ', name, child, parent, validated, violations), ', ') from auth.recheck_foreign_keys";
    let hidden = "55000 row security hides rows of shop.notes from you";
    for choice in ["error", "empty"] {
        observer.run(&format!("alter role {owner} set pg_bearer.owner_without_identity = {choice}"));
        assert_eq!(db.connect(&owner).refused(&format!("{count}('shop.tasks')")), hidden);
    }
    session.run(&format!("begin; {BOTH}"));
    for table in ["tasks", "notes"] {
        let expected = Some("key shop.notes shop.tasks t 2");
        assert_eq!(session.value(&format!("{count}('shop.{table}')")).as_deref(), expected);
    }
    session.run("commit");
    // Its fix makes it anew, which Postgres checks.
    let fix = session.value(fix).unwrap();
    assert!(session.refused(&fix).starts_with("23503"));
    session.run(&format!("begin; {BOTH}; delete from shop.notes where task_id = 7; commit; {fix}"));
    assert_eq!(session.value(found), None);
    assert_eq!(
        session.value("select pg_get_constraintdef(oid) from pg_constraint where conname = 'key'").as_deref(),
        Some("FOREIGN KEY (org_id, task_id) REFERENCES shop.tasks(org_id, id)")
    );
    assert_eq!(db.tenant().refused("select auth.recheck_foreign_keys('shop.notes')"), hidden);
    assert_eq!(session.value("select count(*) from auth.recheck_foreign_keys(null)").as_deref(), Some("0"));
    assert_eq!(
        session.value("select count(*) from auth.recheck_foreign_keys('shop.open')").as_deref(),
        Some("0")
    );
}

#[test]
fn rows_that_violate_a_foreign_key_of_any_kind_are_counted() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        r#"create schema "odd $$ name"; set search_path = "odd $$ name";
           create table "Pa'rent" ("x ""y" bigint, b text collate "POSIX", primary key ("x ""y", b));
           insert into "Pa'rent" values (1, 'a');
           create table child (x int, "b\n" varchar collate "C");
           insert into child values (1, 'a'), (2, 'a'), (1, 'b'), (null, 'a'), (null, null), (1, null);
           alter table child add constraint simple foreign key (x, "b\n") references "Pa'rent" not valid;
           alter table child add constraint whole foreign key (x, "b\n") references "Pa'rent" match full not valid"#,
    );
    let sql = "select string_agg(concat_ws(' ', name, validated, violations), ', ' order by name) from auth.recheck_foreign_keys('child')";
    assert_eq!(session.value(sql).as_deref(), Some("simple f 2, whole f 4"));
}
