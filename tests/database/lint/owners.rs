//! Who is told what: administrators everything, owners what they own, anybody else nothing.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

const REFUSED: &str = "42501 this is for administrators of pg_bearer and owners of tables";

/// Tables of two owners, both open, and a publication of everything. Roles are everybody's: each test has its own.
const SETUP: &str = "
create role NAME_one nologin; create role NAME_two nologin; create role NAME_member login in role NAME_one; create role NAME_nobody login;
create schema app; grant usage, create on schema app to NAME_one, NAME_two;
create table app.first (id int, org_id uuid); alter table app.first owner to NAME_one;
create table app.second (id int, org_id uuid); alter table app.second owner to NAME_two;
create table app.guarded (id int, org_id uuid); alter table app.guarded owner to NAME_two;
grant truncate on app.first, app.second to tenant;
create publication everything for all tables;
set role NAME_two; select auth.protect('app.guarded'); reset role;
";

/// The functions that answer this way, as one text each.
const ASKED: &[&str] = &[
    "select coalesce(string_agg(distinct object, ',' order by object), '') from auth.lint('{app}') where object ~ '^app\\.|everything'",
    "select coalesce(string_agg(distinct source::regclass::text, ',' order by source::regclass::text), '') from auth.organization_columns() where source::regclass::text ~ '^app'",
    "select coalesce(string_agg(source::text, ',' order by source::text), '') from auth.protected_tables()",
];

fn setup(name: &str) -> Database {
    let db = Database::new();
    db.superuser().run(&SETUP.replace("NAME", name));
    db
}

fn tear_down(db: &Database, name: &str) {
    let sql = "drop owned by NAME_one, NAME_two cascade; drop publication everything; drop role NAME_one, NAME_two, NAME_member, NAME_nobody";
    db.superuser().run(&sql.replace("NAME", name));
}

/// What each of them answers.
fn answers(db: &Database, user: &str) -> Vec<String> {
    let mut session = db.connect(user);
    ASKED.iter().map(|sql| session.value(sql).unwrap()).collect()
}

#[test]
fn administrators_are_told_about_everything_and_owners_about_what_they_own() {
    let db = setup("told");
    let all = [
        "app.first,app.first for tenant,app.second,app.second for tenant,everything",
        "app.first,app.guarded,app.second",
        "app.guarded",
    ];
    for user in ["postgres", "administrator"] {
        let found = answers(&db, user);
        assert_eq!(found, all, "{user}");
    }
    assert_eq!(answers(&db, "told_member"), ["app.first,app.first for tenant", "app.first", ""]);
    db.superuser().run("grant told_two to told_member");
    assert_eq!(
        answers(&db, "told_member"),
        [
            "app.first,app.first for tenant,app.second,app.second for tenant",
            "app.first,app.guarded,app.second",
            "app.guarded"
        ]
    );
    // Rights that are not inherited are none, as everywhere in Postgres.
    db.superuser().run("create role told_careful login noinherit in role told_one");
    let mut session = db.connect("told_careful");
    assert_eq!(session.refused(ASKED[0]), REFUSED);
    session.run("set role told_one");
    assert_eq!(session.value(ASKED[1]).as_deref(), Some("app.first"));
    db.superuser().run("drop role told_careful");
    tear_down(&db, "told");
}

#[test]
fn whoever_owns_nothing_is_told_nothing() {
    let db = setup("untold");
    for user in ["tenant", "untold_nobody"] {
        let mut session = db.connect(user);
        for sql in ASKED {
            assert_eq!(session.refused(sql), REFUSED, "{user}");
        }
        // A temporary table makes nobody an owner of others'.
        session.run("create temp table mine (org_id uuid); create function pg_temp.f() returns int language sql as 'select 1'");
        for sql in ASKED {
            assert_eq!(session.refused(sql), REFUSED, "{user}");
        }
        assert_eq!(
            session.refused("select * from auth_internal.lint_tables('{}', '{}', '{}')"),
            "42501 permission denied for function lint_tables"
        );
    }
    // A function of the owner's does not lend his rights.
    db.superuser().run(
        "set role untold_one; create function app.lent() returns bigint language sql security definer as 'select count(*) from auth.lint()';
         reset role; grant usage on schema app to public",
    );
    assert_eq!(db.tenant().refused("select app.lent()"), REFUSED);
    assert_eq!(db.connect("untold_member").value("select app.lent() > 0").as_deref(), Some("t"));
    tear_down(&db, "untold");
}

#[test]
fn no_owner_keeps_others_from_asking_and_no_setting_hides_a_finding() {
    let db = setup("deep");
    let mut session = db.superuser();
    session.run(
        "alter table app.second add body text;
         set max_stack_depth = '7MB';
         do $$ begin execute 'create policy deep on app.second using (body' || repeat('||body', 9000) || ' is null)'; end $$;
         reset max_stack_depth;
         create policy open on app.first using (org_id is not distinct from auth.current_org());
         alter table app.first enable row level security, force row level security",
    );
    let found = "select string_agg(code, ',' order by code) from auth.lint('{app}') where code in ('unreadable_policy', 'null_matches')";
    assert_eq!(session.value(found).as_deref(), Some("null_matches,unreadable_policy"));
    let mut owner = db.connect("deep_member");
    for setting in
        ["quote_all_identifiers = on", "standard_conforming_strings = off", "search_path = app, pg_temp"]
    {
        owner.run(&format!("set {setting}"));
        assert_eq!(owner.value(found).as_deref(), Some("null_matches"), "{setting}");
        let first = "select count(*) = 1 and bool_and(source = 'app.first'::regclass) from auth.organization_columns()";
        assert_eq!(owner.value(first).as_deref(), Some("t"), "{setting}");
    }
    session.run("drop table app.second cascade; set standard_conforming_strings = off");
    session.run("grant select on app.first to tenant; insert into app.first values (1, '0a000000-0000-4000-8000-00000000000a')");
    session.run("select auth.assert_isolated('app.first', 'tenant')");
    tear_down(&db, "deep");
}
