//! Isolation tried with identities that are made up, and customers' tests with pgTAP.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains, server};
use pg_bearer_tests::token::*;
use std::path::{Path, PathBuf};
use std::process::Command;

const ASSERT: &str = "select auth.assert_isolated('docs', 'tenant')";

#[test]
fn an_isolated_table_is_said_to_be() {
    let db = Database::new();
    let mut session = db.superuser();
    assert_eq!(
        session.value(ASSERT).as_deref(),
        Some(
            "public.docs is isolated for role tenant: identities of 2 of its 2 organizations in live and test, a stranger, a user without organization and nobody see and may write no row of others; 4 of 4 identities saw rows of their own"
        )
    );
    session.run("begin read only");
    session.authenticate(&token_a()).unwrap();
    session.run(ASSERT);
    assert_eq!(session.value("select auth.current_org()").as_deref(), Some(ORG_A));
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
}

#[test]
fn every_gap_is_found_and_named() {
    let db = Database::new();
    let mut session = db.superuser();
    for (gap, offence) in [
        ("create policy gap on docs for select to tenant using (true)", "sees rows of organization"),
        ("create policy gap on docs for select to tenant using (id = 1)", "sees rows of organization 0b0"),
        (
            "create policy gap on docs to tenant using (auth.in_org(org_id) or id = 1) with check (auth.in_org(org_id))",
            "sees rows of organization 0b0",
        ),
        (
            "create policy gap on docs for select to tenant using (not auth.is_authenticated())",
            "nobody sees rows",
        ),
        (
            "create policy gap on docs for select to tenant using (auth.environment() = 'test')",
            "sees rows of organization",
        ),
        (
            "create policy gap on docs for select to tenant using (auth.is_authenticated() and auth.current_org() is null)",
            "an identity without rows sees",
        ),
        (
            "create policy gap on docs for insert to tenant with check (true)",
            "may insert rows of organization",
        ),
        ("create policy gap on docs for update to tenant using (true)", "may update rows of organization"),
        (
            "create policy gap on docs for update to tenant using (auth.in_org(org_id)) with check (true)",
            "may move rows to organization",
        ),
        ("create policy gap on docs for delete to tenant using (true)", "may delete rows of organization"),
        ("alter table docs disable row level security", "row-level security is not enabled"),
    ] {
        session.run("begin");
        session.run(gap);
        let refused = session.refused(ASSERT);
        assert!(refused.starts_with("P0004 public.docs is not isolated: "), "{gap}: {refused}");
        assert_contains(&refused, offence);
        session.run("rollback");
    }
    // A restrictive policy that holds everything back makes up for it.
    session.run(
        "create policy gap on docs to tenant using (true);
         create policy apart on docs as restrictive using (auth.in_org(org_id)) with check (auth.in_org(org_id))",
    );
    session.run(ASSERT);
    // What was not granted cannot be done.
    session.run(
        "drop policy apart on docs; drop policy gap on docs; create policy gap on docs for delete using (true);
         revoke delete on docs from tenant",
    );
    session.run(ASSERT);
}

#[test]
fn t046_a_partition_that_goes_past_the_policies_is_a_gap() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(&format!(
        "create table parted (id int, org_id uuid not null) partition by range (id);
         create table part partition of parted for values from (0) to (9);
         grant select on parted to tenant; insert into parted values (1, '{ORG_A}'), (2, '{ORG_B}');
         select auth.protect('parted'); alter table part disable row level security"
    ));
    let ask = "select auth.assert_isolated('parted', 'tenant')";
    assert_contains(session.value(ask).unwrap(), "is isolated");
    session.run("grant insert on part to tenant");
    let refused = session.refused(ask);
    assert_eq!(
        refused,
        "P0004 public.parted is not isolated: row-level security is not enabled on public.part"
    );
    session.run("alter table part enable row level security");
    assert_contains(session.value(ask).unwrap(), "is isolated");
}

#[test]
fn the_column_is_found_or_named() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(&format!(
        r#"create table t ("Tenant" uuid, other uuid); insert into t values ('{ORG_A}', '{ORG_B}'), ('{ORG_B}', '{ORG_A}');
           alter table t enable row level security; grant select on t to tenant;
           create policy p on t using (auth.in_org("Tenant"))"#
    ));
    assert_contains(session.value("select auth.assert_isolated('t')").unwrap(), "2 of its 2 organizations");
    let wrong = session.refused("select auth.assert_isolated('t', org_column => 'other')");
    assert_contains(&wrong, "P0004 public.t is not isolated: an identity of organization");
    session.run("drop policy p on t; create policy p on t using (\"Tenant\" = auth.current_org())");
    session.run("select auth.assert_isolated('t')");
    session.run(
        "drop policy p on t; create policy p on t using (auth.in_org(\"Tenant\") or auth.in_org(other))",
    );
    let named = "22023 org_column has to name the column of the organization";
    assert_eq!(session.refused("select auth.assert_isolated('t')"), named);
    assert_eq!(session.refused("select auth.assert_isolated('t', org_column => 'none')"), named);
    session.run("truncate t");
    let empty = "22023 the table has no row of an organization to try with";
    assert_eq!(session.refused("select auth.assert_isolated('t', org_column => 'other')"), empty);
}

#[test]
fn numbered_and_named_tenants_are_tried_by_their_external_ids() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "select auth.create_organization('o' || n, external_id => n::text) from generate_series(1, 3) n;
         create table t (org_id bigint); insert into t select generate_series(1, 4);
         alter table t enable row level security; grant select on t to tenant;
         create policy p on t using (org_id::text = auth.claim('n'))",
    );
    let told = session.value("select auth.assert_isolated('t')").unwrap();
    assert_contains(&told, "3 of its 4 organizations");
    assert_contains(&told, "1 organizations are disabled or have no such id");
    assert_contains(&told, "none saw a row of its own");
}

#[test]
fn of_many_organizations_some_are_chosen_over_the_range() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create table t (org_id uuid); alter table t enable row level security; grant select on t to tenant;
         insert into t select ('0c000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid from generate_series(1, 250) n;
         create policy p on t using (auth.in_org(org_id))",
    );
    let told = session.value("select auth.assert_isolated('t')").unwrap();
    assert_contains(&told, "identities of 100 of its 250 organizations");
    assert_contains(&told, "200 of 200 identities saw rows of their own");
}

/// The newest pgTAP that Debian has for any version of Postgres: it is SQL alone.
fn pgtap() -> PathBuf {
    let versions = std::fs::read_dir("/usr/share/postgresql").into_iter().flatten().flatten();
    let files = versions.flat_map(|version| {
        std::fs::read_dir(version.path().join("extension")).into_iter().flatten().flatten()
    });
    let whole = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("pgtap--") && name.ends_with(".sql") && name.matches("--").count() == 1
    };
    let mut found: Vec<PathBuf> = files.map(|file| file.path()).filter(whole).collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("there is no pgTAP; install Debian's package pgtap"))
}

const TAP: &str = r#"
begin;
set search_path = public, tap;
select plan(9);
select isnt_empty($$select auth.act_as('{"user_id": "u1", "org_id": "0a000000-0000-4000-8000-00000000000a"}')$$, 'acting');
set local role tenant;
select results_eq('select count(*) from docs', array[500::bigint], 'its own rows');
select is(auth.current_org(), '0a000000-0000-4000-8000-00000000000a'::uuid, 'its organization');
select throws_ok($$insert into docs values (0, '0b000000-0000-4000-8000-00000000000b')$$, '42501', null, 'no row of another');
select throws_ok($$select auth.act_as('{"user_id": "u2"}')$$, '42501', null, 'a tenant does not act');
reset role;
select is((select count(*) from auth.rows_visible_to('docs', '{"org_id": "0b000000-0000-4000-8000-00000000000b"}', 'tenant')), 500::bigint, 'rows of the other');
select is(auth.current_org(), '0a000000-0000-4000-8000-00000000000a'::uuid, 'still its organization');
select lives_ok($$select auth.assert_isolated('docs', 'tenant')$$, 'isolated');
create policy gap on docs for select using (true);
select throws_ok($$select auth.assert_isolated('docs', 'tenant')$$, 'P0004', null, 'a gap is found');
select * from finish();
rollback;
"#;

/// pg_prove of Debian's package against this database.
fn prove(db: &Database, file: &Path, test: &str) -> (bool, String) {
    std::fs::write(file, test).unwrap();
    let output = Command::new("pg_prove")
        .args([
            "--verbose",
            "--username",
            "postgres",
            "--dbname",
            &db.name,
            "--port",
            &server().port().to_string(),
            "--host",
        ])
        .arg(server().socket_dir())
        .arg(file)
        .output()
        .unwrap_or_else(|error| panic!("pg_prove, of Debian's package pgtap, does not run: {error}"));
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

#[test]
fn customers_test_their_policies_with_pgtap() {
    let db = Database::new();
    let sql = std::fs::read_to_string(pgtap()).unwrap();
    let sql: Vec<&str> = sql.lines().filter(|line| !line.starts_with('\\')).collect();
    let mut session = db.superuser();
    session.run("create schema tap; grant usage on schema tap to public; set search_path = tap, public");
    session.run(&sql.join("\n"));
    let file = std::env::temp_dir().join(format!("{}_{}.sql", db.name, std::process::id()));
    let (passed, output) = prove(&db, &file, TAP);
    assert!(passed, "{output}");
    assert_contains(&output, "ok 9 - a gap is found");
    let (passed, output) = prove(&db, &file, &TAP.replace("array[500::bigint]", "array[499::bigint]"));
    std::fs::remove_file(file).unwrap();
    assert!(!passed, "a test can fail: {output}");
}
