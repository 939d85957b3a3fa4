//! t187: nobody else gets that error, and what has to see nothing, or everything, goes on.

use super::{nobody, refused, shop};
use pg_bearer_tests::database::{Session, installation, server};
use pg_bearer_tests::token::*;

#[test]
fn t187_functions_and_views_of_the_owner_stay_empty_for_others() {
    let (db, _) = shop();
    let mut tenant = db.tenant();
    for sql in ["shop.tasks", "shop.all_tasks", "shop.part_1", "shop.counted() n where n > 0"] {
        assert_eq!(tenant.value(&format!("select count(*) from {sql}")).as_deref(), Some("0"), "{sql}");
    }
    tenant.run("begin");
    tenant.authenticate(&token_a()).unwrap();
    assert_eq!(tenant.value("select shop.counted()").as_deref(), Some("1"));
}

#[test]
fn t187_whoever_is_signed_in_or_let_in_sees_what_is_theirs() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run("begin");
    session.authenticate(&token_b()).unwrap();
    assert_eq!(session.value("select count(*) from shop.all_tasks").as_deref(), Some("1"));
    session.run("rollback; set row_security = off");
    assert!(
        session
            .refused("select from shop.tasks")
            .starts_with("42501 query would be affected by row-level security")
    );
    session.run("reset row_security; create policy mine on shop.tasks for select using (true)");
    assert_eq!(session.value("select count(*) from shop.tasks").as_deref(), Some("2"));
    assert_eq!(session.refused("delete from shop.notes"), nobody("notes"));
    session.run("drop policy mine on shop.tasks; create policy mine on shop.tasks for insert to pg_monitor with check (true)");
    assert_eq!(session.refused("select from shop.tasks"), nobody("tasks"));
    session.run("alter policy bearer_select on shop.tasks rename to renamed");
    assert_eq!(session.refused("select from shop.tasks"), nobody("tasks"));
    // Without FORCE row security does not bind him, and without auth.protect() it is none of our business.
    session.run("drop policy mine on shop.tasks; alter table shop.tasks no force row level security");
    assert_eq!(session.value("select count(*) from shop.tasks").as_deref(), Some("2"));
    session.run("create table shop.own (id int); alter table shop.own enable row level security; alter table shop.own force row level security");
    assert_eq!(session.value("select count(*) from shop.own").as_deref(), Some("0"));
}

#[test]
fn t187_a_parent_that_is_open_shows_the_rows_of_a_child_that_is_protected() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session
        .run("create table shop.base (org_id uuid, id int); create table shop.child () inherits (shop.base)");
    session.run("insert into shop.child values ('0a000000-0000-4000-8000-00000000000a', 1); select auth.protect('shop.child')");
    assert_eq!(session.value("select count(*) from shop.base").as_deref(), Some("1"));
    assert_eq!(session.refused("select from shop.child"), nobody("child"));
}

#[test]
fn t187_referential_checks_and_cascades_are_left_alone() {
    let (db, owner) = shop();
    let mut observer = db.superuser();
    observer.run(
        "alter table shop.notes add foreign key (org_id, task_id) references shop.tasks (org_id, id) on delete cascade;
         create table shop.links (org_id uuid, task_id int, foreign key (org_id, task_id) references shop.tasks (org_id, id))",
    );
    observer.run(&format!("alter table shop.links owner to {owner}"));
    let mut session = db.connect(&owner);
    // The table that refers is open, and the one that it refers to is looked at as its owner, past row security.
    session.run("insert into shop.links values ('0a000000-0000-4000-8000-00000000000a', 1)");
    let missing =
        session.refused("insert into shop.links values ('0a000000-0000-4000-8000-00000000000a', 7)");
    assert!(missing.starts_with("23503"), "{missing}");
    session.run("delete from shop.links; begin");
    session.authenticate(&token_a()).unwrap();
    session.run("delete from shop.tasks; commit");
    assert_eq!(observer.value("select count(*) from shop.notes").as_deref(), Some("1"));
}

#[test]
fn t187_maintenance_of_others_is_left_alone() {
    let (db, owner) = shop();
    let mut session = db.connect(&owner);
    session.run(
        "create function shop.reads(int) returns bigint immutable language plpgsql as 'begin return (select count(*) from shop.tasks); end';
         create index on shop.open (shop.reads(id));
         create materialized view shop.kept as select * from shop.tasks with no data;
         refresh materialized view shop.kept",
    );
    session.run("analyze shop.open; analyze shop.tasks; reindex table shop.open");
    session.batch_execute("vacuum shop.tasks").unwrap();
    let mut observer = db.superuser();
    observer.run("analyze shop.open; reindex table shop.open; refresh materialized view shop.kept");
    // What a superuser calls as himself is told: he has the rights of every owner.
    assert_eq!(refused(&mut observer, "select shop.counted()"), nobody("tasks"));
}

#[test]
fn a_dump_of_the_owner_fails_instead_of_dumping_nothing() {
    let (db, owner) = shop();
    for (options, expected) in [
        (&["--enable-row-security"][..], "nobody is signed in"),
        (&[][..], "query would be affected by row-level security policy"),
    ] {
        let mut command = installation().command(&installation().bin("pg_dump"));
        command.arg("-h").arg(server().socket_dir()).args(["-p", &server().port().to_string(), "-U", &owner]);
        command.args(options).args(["-t", "shop.tasks", &db.name]);
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{options:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{options:?}: {said}");
    }
}
