//! What opens or breaks a protected table, and what only looks so.

use super::{PROTECTED, assert_refused, guarded, owner, refusal_and_hint, seen_by_a};
use pg_bearer_tests::database::{Session, installation};
use std::fs;

const OFF: &str = "row-level security of shop.invoices is off";
const SELECT_MISSING: &str = "policy bearer_select of shop.invoices is missing";
const SELECT_CHANGED: &str = "policy bearer_select of shop.invoices is not as auth.protect() makes it";

#[test]
fn t191_row_security_stays_on_and_forced() {
    let db = guarded("");
    for mut session in [owner(&db), db.superuser()] {
        assert_refused(
            &mut session,
            &[
                ("alter table shop.invoices disable row level security", OFF),
                ("alter table shop.invoices add x int, disable row level security", OFF),
                (
                    "alter table shop.invoices no force row level security",
                    "row-level security of shop.invoices does not hold for its owner (FORCE)",
                ),
                ("do $$ begin execute 'alter table shop.invoices disable row level security'; end $$", OFF),
                (
                    "begin; alter table shop.invoices add x int; alter table shop.invoices disable row level security",
                    OFF,
                ),
            ],
        );
    }
}

#[test]
fn t191_what_schema_tools_send_is_refused() {
    let db = guarded("");
    let mut session = owner(&db);
    assert_refused(
        &mut session,
        &[
            // drizzle-kit push.
            ("ALTER TABLE \"shop\".\"invoices\" DISABLE ROW LEVEL SECURITY;", OFF),
            ("DROP POLICY \"bearer_select\" ON \"shop\".\"invoices\" CASCADE;", SELECT_MISSING),
            (
                "DROP INDEX \"shop\".\"bearer_invoices\";",
                "no index of shop.invoices finds the rows of an organization any more",
            ),
            (
                "ALTER TABLE \"shop\".\"invoices\" ALTER COLUMN \"org_id\" DROP DEFAULT;",
                "the default of column org_id of shop.invoices is not the one that auth.protect() set",
            ),
            // Alembic.
            (
                "DROP INDEX shop.bearer_invoices",
                "no index of shop.invoices finds the rows of an organization any more",
            ),
            (
                "ALTER TABLE shop.invoices ALTER COLUMN org_id SET DEFAULT gen_random_uuid()",
                "the default of column org_id of shop.invoices is not the one that auth.protect() set",
            ),
        ],
    );
    // What else they send passes.
    session.run(
        "alter table shop.invoices add column paid boolean default false not null, alter body set not null, add unique (org_id, id);
         create index on shop.invoices (body); drop index shop.invoices_body_idx; alter table shop.invoices drop column paid;
         alter table shop.invoices drop constraint invoices_org_id_id_key; comment on table shop.invoices is 'x';
         create policy live on shop.invoices as restrictive using (body <> ''); drop policy live on shop.invoices",
    );
}

#[test]
fn t191_policies_of_protect_stay_as_they_are() {
    let db = guarded("");
    for mut session in [owner(&db), db.superuser()] {
        assert_refused(
            &mut session,
            &[
                ("drop policy bearer_select on shop.invoices", SELECT_MISSING),
                ("alter policy bearer_select on shop.invoices using (true)", SELECT_CHANGED),
                (
                    "alter policy bearer_select on shop.invoices using (org_id = auth.current_org() or true)",
                    SELECT_CHANGED,
                ),
                (
                    "alter policy bearer_update on shop.invoices with check (true)",
                    "policy bearer_update of shop.invoices is not as auth.protect() makes it",
                ),
                (
                    "alter policy bearer_service on shop.invoices to public",
                    "policy bearer_service of shop.invoices is not as auth.protect() makes it",
                ),
                ("alter policy bearer_select on shop.invoices rename to mine", SELECT_MISSING),
                ("comment on policy bearer_select on shop.invoices is null", SELECT_CHANGED),
                ("comment on policy bearer_select on shop.invoices is 'mine'", SELECT_CHANGED),
            ],
        );
    }
    let (_, right) = refusal_and_hint(&mut owner(&db), "drop policy bearer_select on shop.invoices");
    assert_eq!(right, "select auth.protect('shop.invoices')");
}

#[test]
fn t191_the_hint_is_the_call_that_protected_the_table() {
    for (columns, arguments) in [
        (
            "tenant text, o text, e text, w uuid",
            "org_column => 'tenant', workspace_column => 'w', owner_column => 'o', environment_column => 'e', resource => 'a.b'",
        ),
        (
            "\"Ten'ant\" bigint",
            "org_column => 'Ten''ant', roles => '{bearer_admin,tenant}', single_login => true",
        ),
        ("org_id uuid", "all_orgs => true"),
        ("o uuid", "org_column => null, owner_column => 'o'"),
    ] {
        let db = guarded(&format!(
            "create table shop.things (id int, {columns}); select auth.protect('shop.things', {arguments})"
        ));
        let mut session = db.superuser();
        let (_, right) = refusal_and_hint(&mut session, "drop policy bearer_delete on shop.things");
        assert_eq!(right, format!("select auth.protect('shop.things', {arguments})"));
        let again = right.replace("select ", "select count(*) from ");
        session.run(&format!(
            "begin; select auth.allow_changes(); drop policy bearer_delete on shop.things; {again}; commit"
        ));
        assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t, shop.things t"));
    }
}

#[test]
fn t191_policies_that_roles_take_with_them_stay() {
    let db = guarded(
        "create table shop.notes (id int, org_id uuid); alter table shop.notes owner to table_owner;
         select auth.protect('shop.notes', roles => '{tenant,other}')",
    );
    // DROP OWNED takes what was granted everywhere in the database.
    let mut session = db.superuser();
    let (message, _) = refusal_and_hint(&mut session, "begin; drop owned by tenant, other");
    assert_eq!(message, "no column of shop.notes says any more whose a row is");
    session.run("rollback");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t, shop.notes t"));
    // Whom policies still name keeps what they allow, and nobody else gets it.
    session.run("begin; drop owned by tenant");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t, shop.notes t"));
    session.run("rollback");
    // A service by itself.
    session.run("set role bearer_service");
    let _ = session.batch_execute("drop owned by bearer_service");
    session.run("reset role");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t, shop.notes t"));
}

#[test]
fn t191_the_column_of_the_organization_stays() {
    let db = guarded("");
    let mut session = owner(&db);
    assert!(session.refused("alter table shop.invoices drop column org_id").starts_with("2BP01 "));
    assert_refused(
        &mut session,
        &[(
            "alter table shop.invoices drop column org_id cascade",
            "no column of shop.invoices says any more whose a row is",
        )],
    );
    let (_, right) = refusal_and_hint(&mut session, "alter table shop.invoices drop column org_id cascade");
    assert_eq!(right, "select auth.protect('shop.invoices')");
}

#[test]
fn t191_a_function_of_ours_is_not_dropped_with_the_policies() {
    let db = guarded("");
    let mut session = db.superuser();
    assert!(session.refused("drop function auth.in_org(uuid) cascade").starts_with("2BP01 "));
    session.run("alter extension pg_bearer drop function auth.in_org(uuid); alter extension pg_bearer drop function auth.allows_table(oid);
                 alter extension pg_bearer drop function auth.current_org()");
    assert_refused(
        &mut session,
        &[
            // All but the service's.
            (
                "drop function auth.in_org(uuid) cascade",
                "no column of shop.invoices says any more whose a row is",
            ),
            // All of them.
            (
                "drop function auth.allows_table(oid) cascade",
                "policies of auth.protect() on shop.invoices are gone",
            ),
            (
                "drop function auth.current_org() cascade",
                "the default of column org_id of shop.invoices is not the one that auth.protect() set",
            ),
        ],
    );
}

#[test]
fn t191_no_second_permissive_policy_comes() {
    let db = guarded("create policy early on shop.invoices using (id = 0)");
    let mut session = owner(&db);
    let reason = "policy own would open shop.invoices further: permissive policies add up";
    assert_refused(
        &mut session,
        &[
            ("create policy own on shop.invoices using (true)", reason),
            ("create policy own on shop.invoices for select to tenant using (id = 1)", reason),
            (
                "alter policy early on shop.invoices using (true)",
                "policy early would open shop.invoices further: permissive policies add up",
            ),
        ],
    );
    let (_, right) = refusal_and_hint(&mut session, "create policy own on shop.invoices using (true)");
    assert_eq!(right, "create policy own on shop.invoices as restrictive …");
    // Those that were there do not stand in the way, and can go.
    session.run("alter table shop.invoices add x int; comment on policy early on shop.invoices is 'x'; drop policy early on shop.invoices");
    session.run("create policy own on shop.invoices as restrictive using (id > 0); alter policy own on shop.invoices using (true)");
}

#[test]
fn t191_no_owner_comes_whom_policies_do_not_bind() {
    let db = guarded("create table shop.mine (id int, org_id uuid); select auth.protect('shop.mine')");
    let mut session = db.superuser();
    let reason =
        |owner: &str| format!("shop.invoices would belong to {owner}, who logs in or whom no policy binds");
    for owner in ["postgres", "tenant"] {
        assert_refused(
            &mut session,
            &[(&format!("alter table shop.invoices add x int, owner to {owner}"), &reason(owner))],
        );
    }
    session.run(
        "alter table shop.invoices owner to bearer_service; alter table shop.invoices owner to table_owner",
    );
    // Who has it already does not stand in the way.
    session.run("alter table shop.mine add x int; alter table shop.mine rename to ours");
}

#[test]
fn t191_renaming_changes_nothing() {
    let db = guarded("create schema other; grant create, usage on schema other to table_owner");
    let mut session = owner(&db);
    for sql in [
        "alter table shop.invoices rename org_id to \"Organi\"\"zation\"",
        "alter table shop.invoices rename to \"bi''l\"\"ls\"",
        "alter table shop.\"bi''l\"\"ls\" set schema other",
        "reset role; alter schema other rename to \"an other\"",
        "alter index \"an other\".bearer_invoices rename to x",
    ] {
        session.run(sql);
    }
    assert_eq!(session.value(PROTECTED).as_deref(), Some("\"an other\".\"bi''l\"\"ls\" t"));
    let sql = "alter table \"an other\".\"bi''l\"\"ls\" disable row level security";
    let (message, right) = refusal_and_hint(&mut session, sql);
    assert_eq!(message, "row-level security of \"an other\".\"bi''l\"\"ls\" is off");
    session.run(&right);
}

#[test]
fn t191_a_copy_that_takes_the_place_is_protected() {
    let db = guarded(
        "create table shop.old_copy (id int, org_id uuid, body text); alter table shop.old_copy owner to table_owner",
    );
    let mut session = owner(&db);
    session.run(
        "create table shop.copy (id int primary key, org_id uuid, body text);
         drop table shop.invoices; alter table shop.copy rename to invoices",
    );
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t"));
    // One that was open before.
    session.run("drop table shop.invoices; alter table shop.old_copy rename to invoices");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t"));
}

#[test]
fn t191_tables_made_of_it_are_protected() {
    let db = guarded("");
    let mut session = owner(&db);
    session.run(
        "create table shop.alike (like shop.invoices);
         create table shop.alike_in_all (like shop.invoices including all);
         begin; select auth.begin_data_migration('{shop.invoices}');
         create table shop.made as select * from shop.invoices;
         create table shop.made_of_table as table shop.invoices with no data;
         select * into shop.made_by_select from shop.invoices;
         create unlogged table shop.quick as select org_id, body from shop.invoices; commit",
    );
    for table in ["alike", "alike_in_all", "made", "made_of_table", "made_by_select", "quick"] {
        let intact =
            format!("select intact from auth.protected_tables() where source = 'shop.{table}'::regclass");
        assert_eq!(session.value(&intact).as_deref(), Some("t"), "{table}");
    }
    // Rows of everybody that a superuser copied.
    let mut superuser = db.superuser();
    superuser.run(
        "create table shop.all_of_them as table shop.invoices; grant select on shop.all_of_them to tenant",
    );
    assert_eq!(seen_by_a(&db, "select string_agg(body, '') from shop.all_of_them").as_deref(), Some("a"));
}

#[test]
fn t191_no_open_child_is_inherited() {
    let db = guarded(
        "create table shop.child (id int not null, org_id uuid, body text); alter table shop.child owner to table_owner",
    );
    let mut session = owner(&db);
    let inherit = "alter table shop.child inherit shop.invoices";
    let (message, right) = refusal_and_hint(&mut session, inherit);
    assert_eq!(
        (message.as_str(), right.as_str()),
        ("row-level security of shop.child is off", "select auth.protect('shop.child')")
    );
    // Otherwise protected is not enough.
    session.run("select auth.protect('shop.child', resource => 'x')");
    let (_, right) = refusal_and_hint(&mut session, inherit);
    session.run(&format!("{right}; {inherit}"));
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.child t, shop.invoices t"));
}

#[test]
fn t191_views_rules_and_publications_open_nothing_that_lint_does_not_find() {
    let db = guarded("");
    let mut session = owner(&db);
    session.run(
        "create view shop.seen as select * from shop.invoices;
         create rule noted as on insert to shop.invoices do also select * from shop.invoices;
         create rule instead as on update to shop.invoices do instead insert into shop.invoices (id) values (7)",
    );
    let mut superuser = db.superuser();
    superuser.run("create publication p for table shop.invoices; grant select on shop.seen to tenant");
    assert_eq!(superuser.value(PROTECTED).as_deref(), Some("shop.invoices t"));
    let found =
        "select string_agg(code, ' ' order by code) from auth.lint('{shop}') where object = 'shop.seen'";
    assert_eq!(superuser.value(found).as_deref(), Some("view_bypasses"));
    for source in ["seen", "invoices"] {
        let rows = format!("select string_agg(body, '') from shop.{source}");
        assert_eq!(seen_by_a(&db, &rows).as_deref(), Some("a"));
    }
}

#[test]
fn t191_scripts_of_extensions_are_judged_too() {
    let db = guarded("");
    let folder = installation().extension_dir();
    let name = format!("opens_{}", db.name);
    fs::write(folder.join(format!("{name}.control")), "default_version = '1'\n").unwrap();
    let mut session = db.superuser();
    for (script, reason) in [
        ("alter table shop.invoices disable row level security;", OFF),
        (
            "create policy p on shop.invoices using (true);",
            "policy p would open shop.invoices further: permissive policies add up",
        ),
    ] {
        fs::write(folder.join(format!("{name}--1.sql")), script).unwrap();
        assert_refused(&mut session, &[(&format!("create extension {name}"), reason)]);
    }
    // Its own tables are its own business.
    fs::write(
        folder.join(format!("{name}--1.sql")),
        "create table shop.own (org_id uuid); create table shop.kid () inherits (shop.invoices);",
    )
    .unwrap();
    session.run(&format!("create extension {name}"));
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t, shop.kid t"));
    for end in [".control", "--1.sql"] {
        fs::remove_file(folder.join(format!("{name}{end}"))).unwrap();
    }
}
