//! t188, t189: a data migration lasts as long as its transaction, for its tables and for whoever began it.

use super::{nobody, refused, shop};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;

const BEGIN: &str = "select auth.begin_data_migration('{shop.tasks,shop.notes}')";
const COUNT: &str = "select count(*) from shop.tasks";

#[test]
fn in_a_data_migration_the_owner_sees_and_writes_every_row() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(&format!("begin; {BEGIN}"));
    assert_eq!(session.value(COUNT).as_deref(), Some("2"));
    for (sql, expected) in [
        ("update shop.tasks set priority = id * 10", 2),
        ("insert into shop.tasks select org_id, id + 10, 5 from shop.tasks", 2),
        (
            "merge into shop.notes n using shop.tasks t on t.id = n.task_id when matched then update set task_id = t.id",
            2,
        ),
        ("delete from shop.tasks where id > 10", 2),
    ] {
        assert_eq!(session.execute(sql, &[]).unwrap(), expected, "{sql}");
    }
    assert_eq!(
        session.value("select shop.counted() + (select count(*) from shop.all_tasks)").as_deref(),
        Some("4")
    );
    session.run("commit");
    assert_eq!(session.refused(COUNT), nobody("tasks"));
    let mut observer = db.superuser();
    assert_eq!(observer.value("select sum(priority) from shop.tasks").as_deref(), Some("30"));
    // FORCE was never off, and no policy is left.
    let open = "select count(*) from pg_class where relname in ('tasks', 'notes') and not (relrowsecurity and relforcerowsecurity)";
    assert_eq!(observer.value(open).as_deref(), Some("0"));
    assert_eq!(
        observer.value("select count(*) from pg_policies where tablename = 'tasks'").as_deref(),
        Some("5")
    );
}

#[test]
fn t188_it_ends_with_its_transaction_or_subtransaction() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(&format!("set plan_cache_mode = force_generic_plan; prepare p as {COUNT}"));
    for end in ["commit", "rollback"] {
        session.run(&format!("begin; {BEGIN}"));
        assert_eq!(session.value("execute p").as_deref(), Some("2"));
        session.run(end);
        assert_eq!(session.refused("execute p"), nobody("tasks"), "{end}");
    }
    session.run(&format!("begin; savepoint a; {BEGIN}"));
    assert_eq!(session.value("execute p").as_deref(), Some("2"));
    session.run("rollback to a");
    assert_eq!(refused(&mut session, "execute p"), nobody("tasks"));
    // What was begun in a savepoint that is released goes on, until the one around it is rolled back.
    session.run(&format!("begin; savepoint a; savepoint b; {BEGIN}; release b"));
    assert_eq!(session.value("execute p").as_deref(), Some("2"));
    session.run("rollback to a");
    assert_eq!(refused(&mut session, "execute p"), nobody("tasks"));
    let caught = format!(
        "do $$ begin begin perform 1 from ({BEGIN}) x; raise 'x'; exception when others then null; end; perform from shop.tasks; end $$"
    );
    assert_eq!(session.refused(&caught), nobody("tasks"));
    session.run("create procedure shop.moves() language plpgsql as $$ begin perform auth.begin_data_migration('{shop.tasks}'); commit; perform from shop.tasks; end $$");
    assert_eq!(session.refused("call shop.moves()"), nobody("tasks"));
    // A part of it can be taken back.
    session.run("begin; select auth.begin_data_migration('{shop.tasks}'); savepoint a; select auth.begin_data_migration('{shop.notes}'); rollback to a");
    assert_eq!(session.value(COUNT).as_deref(), Some("2"));
    assert_eq!(refused(&mut session, "select from shop.notes"), nobody("notes"));
}

#[test]
fn t188_a_plan_made_within_shows_nobody_more_afterwards() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(&format!("set plan_cache_mode = force_generic_plan; prepare p as {COUNT}; begin; {BEGIN}; execute p; commit; begin"));
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.value("execute p").as_deref(), Some("1"));
    db.superuser().run(&format!("grant tenant to {owner}"));
    session.run(&format!("commit; begin; {BEGIN}; select shop.counted(); set local role tenant"));
    assert_eq!(session.value("select shop.counted()").as_deref(), Some("0"));
}

#[test]
fn t188_nothing_of_it_outlives_the_transaction() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(&format!("begin; {BEGIN}"));
    let held = "55006 a cursor WITH HOLD cannot be created in a data migration";
    assert_eq!(refused(&mut session, &format!("declare c cursor with hold for {COUNT}")), held);
    session.run(&format!(
        "create function shop.begins() returns int stable language plpgsql as $$ begin {}; return 1; end $$",
        BEGIN.replace("select", "perform")
    ));
    let planned = "begin; declare c cursor with hold for select from shop.tasks where id = shop.begins()";
    assert!(["55000", "55006"].contains(&&refused(&mut session, planned)[..5]));
    assert_eq!(session.value("select count(*) from pg_cursors").as_deref(), Some("0"));
    session.run(&format!("begin; {BEGIN}"));
    let prepared = session.refused("prepare transaction 'migration'");
    assert_eq!(prepared, "0A000 cannot PREPARE a transaction that is a data migration");
    session.run("rollback");
    assert_eq!(session.refused(COUNT), nobody("tasks"));
    // One that was rolled back is none.
    session.run(&format!("begin; savepoint a; {BEGIN}; rollback to a; create table shop.new (); prepare transaction 'no_migration'"));
    session.run("rollback prepared 'no_migration'");
}

#[test]
fn t189_an_identity_and_a_migration_exclude_each_other() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(&format!("begin; {BEGIN}"));
    let refused_in = "55006 no identity can be established in a data migration";
    assert_eq!(refusal(session.authenticate(&token_a())), refused_in);
    session.run("rollback; begin");
    session.authenticate(&token_a()).unwrap();
    let refused_with = "55006 a data migration cannot begin in a transaction that has had an identity";
    session.run("savepoint a");
    assert_eq!(session.refused(BEGIN), refused_with);
    session.run("rollback to a; select auth.sign_out()");
    assert_eq!(session.refused(BEGIN), refused_with);
    session.run(&format!("rollback; begin; savepoint a; {BEGIN}; rollback to a"));
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.value(COUNT).as_deref(), Some("1"));
}

#[test]
fn t189_only_whoever_began_it_sees_more_and_of_its_tables_only() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    db.superuser().run(&format!("grant tenant to {owner}; grant create on schema shop to tenant"));
    // Its plan is kept, and first made for somebody else.
    session.run(
        "create function shop.kept() returns bigint language plpgsql security definer
             as 'begin return (select count(*) from shop.tasks); end'",
    );
    session.run("begin; select auth.begin_data_migration('{shop.tasks}')");
    session.run("savepoint a");
    assert_eq!(session.refused("select from shop.notes"), nobody("notes"));
    session.run("rollback to a; set local role tenant");
    for sql in [
        COUNT,
        "select shop.counted()",
        "select shop.kept()",
        "select count(*) from shop.all_tasks",
        "select count(*) from shop.notes",
    ] {
        assert_eq!(session.value(sql).as_deref(), Some("0"), "{sql}");
    }
    session.run("reset role");
    for sql in ["select shop.counted()", "select shop.kept()"] {
        assert_eq!(session.value(sql).as_deref(), Some("2"), "{sql}");
    }
    // The rights of a function are its owner's, who has none here.
    session.run("set local role tenant; create function shop.theirs() returns bigint language sql security definer as 'select count(*) from shop.tasks'; reset role");
    session.run("savepoint b");
    let theirs = "55000 a view or function of somebody else would see no rows of shop.tasks";
    assert_eq!(session.refused("select shop.theirs()"), theirs);
    session.run("rollback to b");
    let mut other = db.connect(&owner);
    assert_eq!(other.refused(COUNT), nobody("tasks"));
}

#[test]
fn t189_only_owners_begin_one() {
    let (db, owner) = shop();
    let not_yours = "42501 a data migration is for tables that you own";
    for user in ["tenant", "administrator"] {
        assert_eq!(db.connect(user).refused(BEGIN), not_yours, "{user}");
    }
    // Nor does a function of the owner begin one for whoever calls it.
    let mut session = db.connect(&owner);
    session.run(&format!("create function shop.lends() returns void language sql security definer as $$ {BEGIN} $$; grant execute on function shop.lends to public"));
    assert_eq!(db.tenant().refused("select shop.lends()"), not_yours);
    for (tables, expected) in [
        ("null", "22023 a data migration needs tables"),
        ("'{}'", "22023 a data migration needs tables"),
        ("'{null}'", "22023 a data migration needs tables"),
        ("'{shop.tasks,null}'", "22023 a data migration needs tables"),
        ("'{4000000000}'", not_yours),
        ("'{pg_class}'", not_yours),
        ("'{auth.organizations}'", not_yours),
        ("'{shop.all_tasks}'", "22023 shop.all_tasks is not a table"),
    ] {
        assert_eq!(
            session.refused(&format!("select auth.begin_data_migration({tables})")),
            expected,
            "{tables}"
        );
    }
    let mut observer = db.superuser();
    for table in ["pg_class", "auth.organizations"] {
        let told = observer.refused(&format!("select auth.begin_data_migration('{{{table}}}')"));
        assert!(told.starts_with("22023") && told.ends_with("is not a table of an application"), "{told}");
    }
    let analyzed = "create table shop.trap (id int); insert into shop.trap values (1);
                    create function shop.lend(int) returns int immutable language plpgsql as $$ begin perform auth.begin_data_migration('{shop.tasks}'); return 1; end $$";
    session.run(analyzed);
    session.run("create index on shop.open (shop.lend(id)) where false");
    observer.run("drop index shop.open_lend_idx");
    let restricted = session.refused("create index on shop.trap (shop.lend(id))");
    assert_eq!(restricted, "42501 no data migration begins within a security-restricted operation");
}

#[test]
fn t189_a_restrictive_policy_that_binds_the_owner_is_named() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run("create policy fence on shop.part_1 as restrictive using (false)");
    let named = "55000 the restrictive policy \"fence\" of shop.part_1 binds its owner too";
    assert_eq!(session.refused("select auth.begin_data_migration('{shop.parts}')"), named);
    session.run("alter policy fence on shop.part_1 to tenant; begin; select auth.begin_data_migration('{shop.parts}')");
    assert_eq!(session.value("select count(*) from shop.part_1").as_deref(), Some("1"));
}

#[test]
fn t189_a_migration_is_in_the_server_log() {
    let (db, owner) = shop();
    db.connect(&owner).run(&format!("begin; {BEGIN}; rollback"));
    let line = format!("pg_bearer: \"{owner}\" begins a data migration of shop.tasks, shop.notes");
    assert!(pg_bearer_tests::server().log().contains(&line), "{line}");
}

#[test]
fn outside_of_a_transaction_block_it_says_that_it_ends() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(BEGIN);
    assert_eq!(session.refused(COUNT), nobody("tasks"));
    session.run("do $$ begin perform auth.begin_data_migration('{shop.tasks}'); update shop.tasks set priority = 9; end $$");
    assert_eq!(db.superuser().value("select sum(priority) from shop.tasks").as_deref(), Some("18"));
}
