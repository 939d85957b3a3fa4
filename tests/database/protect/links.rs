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

/// Every key of the tables, with the unique indexes that are no constraints.
const KEYS: &str = "select string_agg(k.key, E'\\n' order by k.key) from (
  select pg_get_constraintdef(oid) from pg_constraint where connamespace = 'shop'::regnamespace and contype in ('f', 'u', 'p')
  union all
  select pg_get_indexdef(i.indexrelid) from pg_index i join pg_class c on c.oid = i.indexrelid and c.relnamespace = 'shop'::regnamespace
   where i.indisunique and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('u', 'p'))) k (key)";

/// The foreign keys of `WORK`, mended.
const UP: &str = "do $fix$begin
    perform auth.begin_data_migration(array['shop.tasks']::pg_catalog.regclass[]);
    if pg_catalog.to_regclass('shop.tasks_org_id_id_key') is null then
        alter table shop.tasks add constraint tasks_org_id_id_key unique (org_id, id);
    end if;
    alter table shop.tasks
        drop constraint \"Up $x$\",
        add constraint \"Up $x$\" foreign key (org_id, parent)
            references shop.tasks (org_id, id) on delete set null (parent) deferrable initially deferred;
end$fix$";
const PROJECT: &str = "do $fix$begin
    perform auth.begin_data_migration(array['shop.projects', 'shop.tasks']::pg_catalog.regclass[]);
    if pg_catalog.to_regclass('shop.projects_org_id_id_key') is null then
        alter table shop.projects add constraint projects_org_id_id_key unique (org_id, id);
    end if;
    alter table shop.tasks
        drop constraint tasks_project_fkey,
        add constraint tasks_project_fkey foreign key (org_id, project)
            references shop.projects (org_id, id) on delete cascade;
end$fix$";

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

/// What each call suggests, in their order.
fn suggested(session: &mut Client, calls: &[&str]) -> Vec<Vec<String>> {
    calls
        .iter()
        .map(|table| only("suggested", &statements(session, &format!("protect('shop.{table}')"))))
        .collect()
}

fn key(table: &str, name: &str, rest: &str) -> String {
    format!("alter table shop.{table}\n    drop constraint {name},\n    add constraint {name} {rest}")
}

#[test]
fn each_key_is_suggested_by_one_call_and_in_an_order_that_can_be_run() {
    let slug = key("projects", "projects_slug_key", "UNIQUE (org_id, slug)");
    let projects = key("projects", "projects_pkey", "PRIMARY KEY (org_id, id)");
    let tasks = key("tasks", "tasks_pkey", "PRIMARY KEY (org_id, id)");
    let (up, project) = (UP.to_owned(), PROJECT.to_owned());
    for (order, first, second) in [
        (["projects", "tasks"], vec![&slug], vec![&up, &project, &projects, &tasks]),
        (["tasks", "projects"], vec![&up, &tasks], vec![&project, &projects, &slug]),
    ] {
        let (_db, mut superuser) = work(false);
        let said = suggested(&mut superuser, &order);
        assert_eq!(
            said.iter().map(|call| call.iter().collect::<Vec<_>>()).collect::<Vec<_>>(),
            [first, second]
        );
        for statement in said.concat() {
            superuser.run(&statement);
        }
        assert_eq!(suggested(&mut superuser, &order).concat(), [] as [String; 0]);
        let keys = "FOREIGN KEY (org_id, parent) REFERENCES shop.tasks(org_id, id) ON DELETE SET NULL (parent) DEFERRABLE INITIALLY DEFERRED
FOREIGN KEY (org_id, project) REFERENCES shop.projects(org_id, id) ON DELETE CASCADE
PRIMARY KEY (org_id, id)
PRIMARY KEY (org_id, id)
UNIQUE (org_id, id)
UNIQUE (org_id, id)
UNIQUE (org_id, slug)";
        assert_eq!(superuser.value(KEYS).as_deref(), Some(keys));
    }
}

/// Two tables that refer to one: both need the same key of it.
#[test]
fn a_key_that_two_tables_need_is_made_once() {
    let (_db, mut superuser) = work(false);
    superuser.run("create table shop.notes (id uuid primary key, org_id uuid not null, project int references shop.projects)");
    let mut said = suggested(&mut superuser, &["projects", "tasks", "notes"]).concat();
    // The key of what both refer to changes after both.
    assert!(
        said.iter().position(|one| one.contains("projects_pkey"))
            > said.iter().position(|one| one.contains("notes_project_fkey"))
    );
    let all = said.len();
    said.sort();
    said.dedup();
    assert_eq!(said.len(), all, "{said:#?}");
    let (blocks, keys): (Vec<_>, Vec<_>) = said.into_iter().partition(|one| one.starts_with("do "));
    // In either order.
    for statement in blocks.iter().rev().chain(&keys) {
        superuser.run(statement);
    }
    assert_eq!(superuser.value("select count(*) from pg_index where indrelid = 'shop.projects'::regclass and indisunique and indnatts = 2
                                   and indkey[1] = 1").as_deref(), Some("2"));
    assert_eq!(suggested(&mut superuser, &["projects", "tasks", "notes"]).concat(), [] as [String; 0]);
}

/// A foreign key is checked by a query of its tables' owner, who sees no row where FORCE holds for him.
#[test]
fn t332_what_makes_a_foreign_key_of_protected_tables_is_one_statement_in_a_data_migration() {
    let (_db, mut superuser) = work(true);
    superuser.run(
        "create table shop.\"N'o$fix$\\te s\" (id int, org_id uuid not null, project int references shop.projects, t int);
         alter table shop.\"N'o$fix$\\te s\" add foreign key (t) references shop.tasks not valid;
         select auth.protect('shop.\"N''o$fix$\\te s\"')",
    );
    let said = suggested(&mut superuser, &["projects", "tasks"]).concat();
    let linted = "select fix from auth.lint('{shop}') where code = 'fk_crosses_orgs'";
    let rows = superuser.query(linted, &[]).unwrap();
    let fixes: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(fixes.len(), 4, "{fixes:#?}");
    let keys: Vec<_> = said.iter().filter(|one| one.contains("foreign key")).collect();
    assert_eq!(keys.len(), 5, "{keys:#?}");
    for statement in keys.into_iter().chain(&fixes) {
        assert!(statement.starts_with("do $fix"), "{statement}");
        let quotes = statement.split_inclusive('$').take(2).collect::<String>();
        let quotes = quotes.trim_start_matches("do ");
        assert!(statement.ends_with(&format!("end{quotes}")), "{statement}");
        assert_eq!(statement.matches(quotes).count(), 2, "{statement}");
        let begin = statement.find("perform auth.begin_data_migration(array[").unwrap();
        assert!(begin < statement.find("alter table").unwrap(), "{statement}");
        let named: Vec<_> = ["'shop.projects'", "'shop.tasks'", r#"E'shop."N''o$fix$\\te s"'"#]
            .into_iter()
            .filter(|name| statement.contains(name))
            .collect();
        assert!(!named.is_empty(), "{statement}");
    }
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
        "do $fix$declare
    path pg_catalog.text := pg_catalog.current_setting('search_path');
begin
    set local search_path = pg_catalog, pg_temp;
    CREATE UNIQUE INDEX \"By lower\" ON shop.invoices USING btree (org_id, lower(code), number) WHERE (number > 0);
    perform pg_catalog.set_config('search_path', path, true);
end$fix$"
            .to_owned(),
        "drop index shop.\"By lower\"".to_owned(),
        key("invoices", "\"Nr\"", "UNIQUE NULLS NOT DISTINCT (org_id, number)"),
        key("invoices", "invoices_pkey", "PRIMARY KEY (org_id, id)"),
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
    assert_eq!(suggested(&mut superuser, &["parents"]).concat(), [] as [String; 0]);
    let said = suggested(&mut superuser, &["events"]).concat();
    let keys: Vec<_> = said.iter().filter(|one| !one.starts_with("do ")).collect();
    assert_eq!(
        keys,
        [
            &key("events", "events_id_key", "UNIQUE (org_id, id)"),
            &key("parents", "parents_pkey", "PRIMARY KEY (org_id, id)"),
        ]
    );
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("(array['shop.events', 'shop.parents']::pg_catalog.regclass[])"), "{said:?}");
    assert!(said[0].contains("references shop.parents (org_id, id);"), "{said:?}");
    follow(&mut superuser, "protect('shop.events')");
    assert_eq!(statements(&mut superuser, "protect('shop.events')"), [] as [String; 0]);
}
