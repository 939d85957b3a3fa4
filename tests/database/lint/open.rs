//! Open tables of which nothing but a name, a workspace or a reference says whose they are.

use super::cases::Case;
use super::{assert_codes, findings, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};

pub(super) const OPEN: &[Case] = &[
    (
        "rls_off",
        "app.bare",
        "create table app.bare (id int, tenant_id bigint); create index on app.bare (tenant_id); alter table app.bare owner to table_owner",
    ),
    (
        "rls_off",
        "app.bare",
        "create table app.bare (id int, organization_id varchar(9), account_id uuid); create index on app.bare (organization_id);
         alter table app.bare owner to table_owner",
    ),
    (
        "rls_off",
        "app.bare",
        "create table app.bare (id int, organization_id text, tenant_id int); create index on app.bare (tenant_id);
         alter table app.bare owner to table_owner",
    ),
    (
        "rls_off",
        "app.bare",
        "create table app.bare (id int, account_id uuid, environment text default 'live'); alter table app.bare owner to table_owner",
    ),
    (
        "rls_off",
        "app.bare",
        "create table app.bare (id int, team_id text) partition by range (id); create table app.bare_1 partition of app.bare default;
         alter table app.bare owner to table_owner; alter table app.bare_1 owner to table_owner",
    ),
    ("rls_off", "app.bare", "create table app.bare (id int, company_id int, account_id uuid)"),
    (
        "rls_off",
        "app.bare",
        "create domain app.space as uuid; create table app.bare (id int, workspace_id app.space); alter table app.bare owner to table_owner",
    ),
    ("rls_off", "app.bare", "create table app.bare (id int, workspace_id uuid, team_id uuid)"),
    (
        "foreign_table",
        "app.remote",
        "create foreign data wrapper nothing; create server elsewhere foreign data wrapper nothing;
         create foreign table app.remote (id int, account_id uuid) server elsewhere; grant select on app.remote to tenant, public",
    ),
    (
        "open_reference",
        "app.child_labels",
        "create table app.labels (id int primary key); create table app.child_labels (child_id bigint references app.children, label_id int references app.labels)",
    ),
    (
        "open_reference",
        "app.child_labels",
        "create table app.child_labels (id int, child_id bigint references app.children, parent_id uuid references app.parents on delete cascade)
             partition by list (id);
         create table app.child_labels_1 partition of app.child_labels default",
    ),
    (
        "parent_open",
        "app.base",
        "create table app.base (body text); alter table app.base owner to table_owner; alter table app.parents inherit app.base",
    ),
    // Of users, and with a policy of somebody's who knows no other function of ours.
    (
        "open_reference",
        "app.uses",
        "alter table app.plain enable row level security, force row level security, owner to table_owner; create policy p on app.plain using (auth.user_id() = body);
         create table app.uses (plain int references app.plain)",
    ),
];

#[test]
fn t330_tables_whose_columns_have_other_names_are_found() {
    assert_codes(&["rls_off", "foreign_table"]);
}

#[test]
fn t331_open_tables_that_refer_to_protected_ones_are_found() {
    assert_codes(&["open_reference", "parent_open"]);
}

#[test]
fn names_that_mean_something_else_as_often_are_a_warning_unless_something_speaks_for_them() {
    let db = Database::new();
    let mut session = prepared(&db);
    for (columns, severity, says) in [
        ("tenant_id bigint", "error", "whoever has the grant sees every row"),
        ("account_id uuid", "warning", "column account_id may say whose it is"),
        ("company_id text, team_id uuid", "warning", "no SQL can say which column is the organization's"),
        (
            "account_id uuid, child bigint references app.children",
            "error",
            "column account_id may say whose it is",
        ),
        (
            "account_id uuid, workspace_id uuid",
            "error",
            "column workspace_id says that they are of workspaces",
        ),
        ("workspace_id uuid", "error", "column workspace_id says that they are of workspaces"),
        (
            "organization_id uuid, tenant_id uuid",
            "error",
            "no SQL can say which column is the organization's: organization_id or tenant_id",
        ),
    ] {
        session.run(&format!("begin; create table app.bare ({columns})"));
        let row = "select severity || ' ' || message from auth.lint('{app}') where code = 'rls_off' and object = 'app.bare'";
        let found = session.value(row).unwrap();
        assert!(found.starts_with(&format!("{severity} ")), "{columns}: {found}");
        assert_contains(found, says);
        session.run("rollback");
    }
    session.run(
        "begin; create table app.joined (a bigint references app.children, b uuid references app.parents)",
    );
    let row = "select severity || ' ' || message from auth.lint('{app}') where code = 'open_reference'";
    let found = session.value(row).unwrap();
    assert!(found.starts_with("warning "), "{found}");
    assert_contains(found, "the rows refer to those of app.children, app.parents:");
}

/// Nothing is said about these.
#[test]
fn what_is_referred_to_and_what_has_row_security_is_not_found() {
    let db = Database::new();
    let mut session = prepared(&db);
    for right in [
        "create table app.kinds (id int primary key, name text); alter table app.children add kind int references app.kinds",
        "create table app.child_labels (child_id bigint references app.children, label text);
         alter table app.child_labels enable row level security, force row level security, owner to table_owner",
        "alter table app.plain enable row level security, force row level security, owner to table_owner;
         create policy p on app.plain for select using (true); create table app.uses (plain int references app.plain)",
        "create table app.bare (id int, workspace_id text, account_id numeric, team_id uuid[], company text)",
        "create table app.bills (id uuid primary key default gen_random_uuid(), account_id uuid, org_id uuid); alter table app.bills owner to table_owner;
         select auth.protect('app.bills')",
        "create table app.spaces (id uuid primary key default gen_random_uuid(), workspace_id uuid); alter table app.spaces owner to table_owner;
         select auth.protect('app.spaces', null, workspace_column => 'workspace_id')",
        // An open view or function of what only might be a tenant's is nobody's concern.
        "create table app.kinds (id int primary key, account_id uuid); alter table app.kinds enable row level security, force row level security, owner to table_owner;
         create policy p on app.kinds using (id > 0)",
    ] {
        session.run("begin");
        session.run(right);
        assert!(findings(&mut session).is_empty(), "{right}\n{:#?}", findings(&mut session));
        session.run("rollback");
    }
}

#[test]
fn what_is_guessed_is_said_of_no_view_function_key_or_owner() {
    let db = Database::new();
    let mut session = prepared(&db);
    let plant = (
        "rls_off",
        "app.bare",
        "create table app.bare (id serial primary key, account_id uuid, slug text unique);
         create view app.seen as select * from app.bare; create materialized view app.kept as select * from app.bare; grant select on app.kept to tenant;
         create function app.peek() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from app.bare';
         grant truncate on app.bare to tenant",
    );
    session.run(plant.2);
    let found = findings(&mut session);
    let [only] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((only.code.as_str(), only.object.as_str()), (plant.0, plant.1));
}
