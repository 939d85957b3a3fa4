//! Foreign keys and unique keys of protected tables: what auth.protect() suggests, and what that changes.

use super::{denied, follow, only, shop, statements, tell, within};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

/// Projects of A (1) and B (2), and tasks that refer to them.
const WORK: &str = "
create schema shop;
grant usage on schema shop to public;
create table shop.projects (id int primary key, org_id uuid not null, slug text unique);
create table shop.tasks (id int primary key, org_id uuid not null, project int references shop.projects on delete cascade,
                         parent int constraint \"Up $x$\" references shop.tasks on delete set null deferrable initially deferred);
insert into shop.projects values (1, '0a000000-0000-4000-8000-00000000000a', 'secret-a'), (2, '0b000000-0000-4000-8000-00000000000b', 'secret-b');
insert into shop.tasks values (1, '0a000000-0000-4000-8000-00000000000a', 1), (2, '0b000000-0000-4000-8000-00000000000b', 2);
grant select, insert, update, delete on all tables in schema shop to tenant;
";

/// Every key of the tables.
const KEYS: &str = "select string_agg(pg_get_constraintdef(oid), E'\\n' order by conrelid::regclass::text, pg_get_constraintdef(oid)) from pg_constraint
  where connamespace = 'shop'::regnamespace and contype in ('f', 'u', 'p')";

fn work(protect: bool) -> (Database, Client) {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(WORK);
    if protect {
        superuser.run("select auth.protect('shop.projects'), auth.protect('shop.tasks')");
    }
    (db, superuser)
}

/// Takes every suggestion for both tables until there is none.
fn follow_all(superuser: &mut Client) {
    follow(superuser, "protect('shop.tasks')");
    follow(superuser, "protect('shop.projects')");
    for table in ["tasks", "projects"] {
        assert_eq!(statements(superuser, &format!("protect('shop.{table}')")), [] as [String; 0]);
    }
}

#[test]
fn foreign_keys_are_suggested_from_both_sides() {
    let (_db, mut superuser) = work(false);
    let said = only("suggested", &statements(&mut superuser, "protect('shop.tasks')"));
    assert_eq!(
        said[..4],
        [
            "alter table shop.tasks add unique (org_id, id)",
            "alter table shop.tasks drop constraint \"Up $x$\", add constraint \"Up $x$\" foreign key (org_id, parent) references shop.tasks (org_id, id) on delete set null (parent) deferrable initially deferred",
            "alter table shop.projects add unique (org_id, id)",
            "alter table shop.tasks drop constraint tasks_project_fkey, add constraint tasks_project_fkey foreign key (org_id, project) references shop.projects (org_id, id) on delete cascade",
        ]
    );
    let said = only("suggested", &statements(&mut superuser, "protect('shop.projects')"));
    assert_eq!(
        said[..2],
        [
            "alter table shop.projects add unique (org_id, id)",
            "alter table shop.tasks drop constraint tasks_project_fkey, add constraint tasks_project_fkey foreign key (org_id, project) references shop.projects (org_id, id) on delete cascade",
        ]
    );
    follow_all(&mut superuser);
    let keys = "UNIQUE (org_id, id)
UNIQUE (org_id, slug)
FOREIGN KEY (org_id, parent) REFERENCES shop.tasks(org_id, id) ON DELETE SET NULL (parent) DEFERRABLE INITIALLY DEFERRED
FOREIGN KEY (org_id, project) REFERENCES shop.projects(org_id, id) ON DELETE CASCADE
PRIMARY KEY (org_id, id)";
    let found = superuser.value(KEYS).unwrap();
    assert!(keys.lines().all(|key| found.contains(key)), "{found}");
}

#[test]
fn t059_a_link_to_another_organization_is_refused_like_one_to_a_missing_row() {
    let (db, mut superuser) = work(true);
    let mut session = db.tenant();
    let link =
        |project: i32| format!("insert into shop.tasks (id, project) values (9, {project}) returning id");
    // Without the suggested key, the link is made and tells that the row is there.
    assert_eq!(tell(&mut session, &token_a(), &link(2)).as_deref(), Some("9"));
    follow_all(&mut superuser);
    assert_eq!(tell(&mut session, &token_a(), &link(1)).as_deref(), Some("9"));
    let foreign = denied(&mut session, &token_a(), &link(2));
    assert_eq!(foreign, denied(&mut session, &token_a(), &link(77)));
    assert!(
        foreign.starts_with("23503 insert or update on table \"tasks\" violates foreign key constraint"),
        "{foreign}"
    );
    let update = denied(&mut session, &token_a(), "update shop.tasks set project = 2");
    assert_eq!(update, denied(&mut session, &token_a(), "update shop.tasks set project = 77"));
}

#[test]
fn t049_cascades_stay_within_the_organization_with_the_suggested_keys() {
    for with_keys in [false, true] {
        let (db, mut superuser) = work(true);
        let mut session = db.tenant();
        if with_keys {
            follow_all(&mut superuser);
            let refused = superuser.refused(&format!(
                "insert into shop.tasks values (3, '{ORG_A}', 2, null), (4, '{ORG_A}', null, 2)"
            ));
            assert!(refused.starts_with("23503 "), "{refused}");
        } else {
            // A cascade runs as the table's owner and asks no policy.
            superuser.run(&format!("insert into shop.tasks values (3, '{ORG_A}', 2)"));
        }
        within(&mut session, &token_b(), |session| {
            session.run("delete from shop.projects where id = 2; commit");
        });
        let left = "select count(*) from shop.tasks where org_id = '0a000000-0000-4000-8000-00000000000a'";
        assert_eq!(superuser.value(left).as_deref(), Some("1"), "{with_keys}");
        let all = "select string_agg(id::text, ' ') from shop.tasks";
        assert_eq!(superuser.value(all).as_deref(), Some("1"));
    }
}

#[test]
fn t058_a_unique_key_with_the_organization_tells_nothing_of_others() {
    let (db, mut superuser) = work(true);
    let mut session = db.tenant();
    let taken = "insert into shop.projects (id, slug) values (9, 'secret-b')";
    let silent = format!("with i as ({taken} on conflict do nothing returning id) select count(*) from i");
    // Without the suggested key, a slug of B is known to A.
    assert!(denied(&mut session, &token_a(), taken).starts_with("23505 "));
    assert_eq!(tell(&mut session, &token_a(), &silent).as_deref(), Some("0"));
    follow_all(&mut superuser);
    assert_eq!(tell(&mut session, &token_a(), &silent).as_deref(), Some("1"));
    let own = "insert into shop.projects (id, slug) values (9, 'secret-a')";
    assert!(denied(&mut session, &token_a(), own).starts_with("23505 "));
}

#[test]
fn unique_keys_of_every_form_are_suggested_with_the_organization() {
    let db = shop(
        "delete from shop.invoices; alter table shop.invoices alter org_id set not null, add number int, add code text, add token uuid unique, add serial_no int generated always as identity unique,
             add constraint \"Nr\" unique nulls not distinct (number), add constraint mine unique (org_id, code);
         create unique index \"By lower\" on shop.invoices (lower(code), number) where number > 0;
         create unique index with_org on shop.invoices (code, org_id)",
    );
    let mut superuser = db.superuser();
    let call = "protect('shop.invoices')";
    let said = only("suggested", &statements(&mut superuser, call));
    let mut expected = vec![
        "do $fix$declare path pg_catalog.text := pg_catalog.current_setting('search_path'); begin set local search_path = pg_catalog, pg_temp; \
         CREATE UNIQUE INDEX \"By lower\" ON shop.invoices USING btree (org_id, lower(code), number) WHERE (number > 0); \
         perform pg_catalog.set_config('search_path', path, true); end$fix$",
        "drop index shop.\"By lower\"",
        "alter table shop.invoices drop constraint \"Nr\", add constraint \"Nr\" UNIQUE NULLS NOT DISTINCT (org_id, number)",
        "alter table shop.invoices drop constraint invoices_pkey, add constraint invoices_pkey PRIMARY KEY (org_id, id)",
    ];
    expected.sort_unstable();
    let mut found = said;
    found.sort();
    assert_eq!(found, expected);
    follow(&mut superuser, call);
    assert_eq!(statements(&mut superuser, call), [] as [String; 0]);
}

#[test]
fn not_null_is_suggested_until_it_is_there() {
    let db = shop("");
    let mut superuser = db.superuser();
    let call = "protect('shop.invoices')";
    let wanted = "alter table shop.invoices alter column org_id set not null".to_owned();
    assert!(only("suggested", &statements(&mut superuser, call)).contains(&wanted));
    superuser.run(&wanted);
    assert!(!only("suggested", &statements(&mut superuser, call)).contains(&wanted));
}

#[test]
fn partitioned_tables_get_suggestions_for_the_whole_only() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(
        "create schema shop; create table shop.parents (id int primary key, org_id uuid not null);
         create table shop.events (id int, org_id uuid not null, parent int references shop.parents, unique (id)) partition by range (id);
         create table shop.p1 partition of shop.events for values from (0) to (9)",
    );
    let said = only("suggested", &statements(&mut superuser, "protect('shop.events')"));
    assert_eq!(
        said,
        [
            "alter table shop.parents add unique (org_id, id)",
            "alter table shop.events drop constraint events_parent_fkey, add constraint events_parent_fkey foreign key (org_id, parent) references shop.parents (org_id, id)",
            "alter table shop.events drop constraint events_id_key, add constraint events_id_key UNIQUE (org_id, id)",
        ]
    );
    follow(&mut superuser, "protect('shop.events')");
    assert_eq!(statements(&mut superuser, "protect('shop.events')"), [] as [String; 0]);
}
