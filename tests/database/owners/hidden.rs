//! t186, t188: ways around the error that a view, a function, a policy or an older plan could open.

use super::{nobody, refused, shop};
use pg_bearer_tests::database::Session;

const BEGIN: &str = "select auth.begin_data_migration('{shop.tasks}')";

fn version(session: &mut postgres::Client) -> i32 {
    session.value("show server_version_num").unwrap().parse().unwrap()
}

#[test]
fn t186_a_policy_that_lets_the_owner_read_lets_no_update_pass_in_silence() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run("create policy mine on shop.tasks for select using (true)");
    assert_eq!(session.value("select count(*) from shop.tasks").as_deref(), Some("2"));
    for sql in [
        "update shop.tasks set priority = 2 where id = 1",
        "delete from shop.tasks where id = 1",
        "select from shop.tasks for update",
    ] {
        assert_eq!(refused(&mut session, sql), nobody("tasks"), "{sql}");
    }
    session.run("create policy writes on shop.tasks for update using (true)");
    assert_eq!(session.execute("update shop.tasks set priority = 2 where id = 1", &[]).unwrap(), 1);
}

#[test]
fn t186_functions_in_parallel_workers_are_told() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    let force = if version(&mut session) < 160_000 { "force_parallel_mode" } else { "debug_parallel_query" };
    session.run(&format!(
        "create function shop.reads() returns bigint parallel safe language plpgsql
             as 'begin return (select count(*) from shop.tasks); end';
         set {force} = on"
    ));
    let sum = "select sum(shop.reads()) from generate_series(1, 3)";
    assert_eq!(session.refused(sum), nobody("tasks"));
    // Of a migration of its leader's a worker knows nothing.
    session.run(&format!("begin; {BEGIN}"));
    assert_eq!(refused(&mut session, sum), nobody("tasks"));
    session.run(&format!("begin; {BEGIN}"));
    assert_eq!(session.value("select count(*) from shop.tasks, generate_series(1, 3)").as_deref(), Some("6"));
}

#[test]
fn t186_in_a_migration_views_and_functions_of_others_are_told() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    db.superuser().run(
        "create view shop.theirs as select * from shop.tasks; alter view shop.theirs owner to tenant;
         grant select on shop.theirs to public",
    );
    session.run(&format!("begin; {BEGIN}"));
    assert_eq!(
        refused(&mut session, "select from shop.theirs"),
        "55000 a view or function of somebody else would see no rows of shop.tasks"
    );
}

#[test]
fn t188_a_function_in_sql_that_begins_a_migration_changes_rows_or_is_told() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(&format!(
        "create function shop.moves() returns bigint language sql
             as $$ {BEGIN}; update shop.tasks set priority = 9; select count(*) from shop.tasks $$"
    ));
    if version(&mut session) < 180_000 {
        let told = "55000 this statement was planned before the data migration began, and would see no rows of shop.tasks";
        assert_eq!(session.refused("select shop.moves()"), told);
    } else {
        assert_eq!(session.value("select shop.moves()").as_deref(), Some("2"));
    }
    session.run(&format!("begin; {BEGIN}"));
    assert_eq!(session.value("select shop.moves()").as_deref(), Some("2"));
    session.run("select from shop.tasks where false");
}

#[test]
fn t188_a_held_cursor_keeps_nothing_of_a_migration() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(
        "create function shop.reads() returns bigint language plpgsql
             as 'begin return (select count(*) from shop.tasks); end'",
    );
    let declare = "declare c cursor with hold for select shop.reads()";
    session.run(&format!("begin; {declare}"));
    assert_eq!(
        refused(&mut session, BEGIN),
        "55006 a data migration cannot begin in a transaction that has a cursor WITH HOLD open"
    );
    // One that an earlier transaction has filled is in nobody's way.
    session
        .run(&format!("begin; declare c cursor with hold for select from shop.open; commit; begin; {BEGIN}"));
    assert_eq!(session.value("select shop.reads()").as_deref(), Some("2"));
}

#[test]
fn t186_a_foreign_key_sees_past_no_restriction_that_a_migration_brings() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run("begin; select auth.begin_data_migration('{shop.tasks,shop.notes}'); create policy fence on shop.notes as restrictive using (id > 1)");
    assert_eq!(
        refused(
            &mut session,
            "alter table shop.notes add foreign key (org_id, task_id) references shop.tasks"
        ),
        "55000 the foreign key would be checked without the rows of shop.notes that row security hides"
    );
}

#[test]
fn t186_a_materialized_view_is_not_created_empty() {
    let (db, owner) = shop();
    let create = "create materialized view shop.kept as select * from shop.tasks";
    let mut session = db.connect(&owner);
    session.run("select auth.uid()");
    for _ in 0..2 {
        assert_eq!(session.refused(create), nobody("tasks"));
    }
    if version(&mut session) < 170_000 {
        assert_eq!(db.connect(&owner).refused(create), nobody("tasks"), "the first command of a session");
    }
    session.run(&format!(
        "{create} with no data; refresh materialized view shop.kept; drop materialized view shop.kept"
    ));
    session.run(&format!("begin; select auth.begin_data_migration('{{shop.tasks}}'); {create}; commit"));
    assert_eq!(session.value("select count(*) from shop.kept").as_deref(), Some("2"));
    let mut superuser = db.superuser();
    superuser.run(&create.replace("kept", "of_superuser"));
    // What is explained meanwhile is asked as somebody else.
    superuser.run(
        "create table told as select * from auth.explain_access('shop.tasks', 'select', as_role => 'tenant');
         create table isolated as select auth.assert_isolated('shop.tasks', as_role => 'tenant')",
    );
}
