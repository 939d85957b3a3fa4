//! Which column auth.protect() takes for the organization's when none is named.

use super::shop;
use crate::catalog::rows;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

const NAMES: [&str; 6] = ["org_id", "organization_id", "tenant_id", "account_id", "team_id", "company_id"];

/// The column by which a table with these columns is protected, or the refusal.
fn taken(session: &mut Client, columns: &str, calls: &[&str]) -> String {
    session.run(&format!("begin; create table shop.t ({columns}); savepoint made"));
    let mut told = String::new();
    for call in calls {
        told = match session.batch_execute(&format!("select auth.protect('shop.t'{call})")) {
            Ok(()) => session
                .value("select coalesce(org_column, 'none') from auth.protected_tables() where source = 'shop.t'::regclass")
                .unwrap(),
            Err(error) => {
                let hint = error.as_db_error().and_then(|error| error.hint()).unwrap_or_default().to_owned();
                session.run("rollback to made");
                format!("{}; {hint}", pg_bearer_tests::refusal::<()>(Err(error)))
            }
        };
    }
    session.run("rollback");
    told
}

#[test]
fn t330_every_usual_name_of_every_type_is_taken_found_and_named() {
    let db = Database::new();
    let mut session = db.superuser();
    let listed = "select n.name::text from auth_internal.organization_names() n order by n.place, n.name <> 'organization_id', n.name";
    let mut expected = NAMES;
    expected[3..].sort_unstable();
    let mut found = rows(&mut session, listed);
    found[3..].sort();
    assert_eq!(found, expected);
    // Nothing else has a list of its own.
    let elsewhere = "select p.oid::regprocedure::text from pg_proc p
                      where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace) and p.prosrc ~ '''(tenant_id|organization_id|company_id)'''";
    assert_eq!(rows(&mut session, elsewhere), ["auth_internal.organization_names()"]);
    let types = "select r.type::regtype::text from auth_internal.column_readers() r where r.kind = 'organization' order by r.place";
    let types = rows(&mut session, types);
    assert_eq!(types.len(), 5);
    session.run("create schema shop");
    for name in NAMES {
        for kind in types.iter().map(String::as_str).chain(["numeric", "json", "uuid[]"]) {
            let known = types.iter().any(|known| known == kind);
            session.run(&format!("begin; create table shop.t (id int, {name} {kind}); savepoint made"));
            let named = "select string_agg(a.attname, ' ') from auth.organization_columns() o
                           join pg_attribute a on a.attrelid = o.source and a.attnum = o.org where o.source = 'shop.t'::regclass";
            let severity = if NAMES[..3].contains(&name) { "error" } else { "warning" };
            let finding = "select string_agg(severity || ' ' || fix, ', ') from auth.lint('{shop}') where code = 'rls_off' and object = 'shop.t'";
            let fix = format!("{severity} select auth.protect('shop.t', '{name}')");
            let expected = |text: &str| known.then(|| text.to_owned());
            assert_eq!(session.value(named), expected(name), "{name} {kind}");
            assert_eq!(session.value(finding), expected(&fix), "{name} {kind}");
            let protect = session.batch_execute("select auth.protect('shop.t')");
            assert_eq!(protect.is_ok(), known, "{name} {kind}");
            if known {
                let column = session.value("select org_column from auth.protected_tables()");
                assert_eq!(column.as_deref(), Some(name), "{kind}");
                assert_eq!(session.value(finding), None, "{name} {kind}");
                assert_eq!(
                    session.value("select auth_internal.organization_column('shop.t', null)").as_deref(),
                    Some(name)
                );
            }
            session.run("rollback");
        }
    }
}

#[test]
fn org_id_counts_whatever_is_there_besides_and_others_are_asked_about() {
    let db = shop("");
    let mut session = db.superuser();
    for (columns, calls, expected) in [
        ("org_id uuid, account_id uuid, tenant_id bigint", &[""][..], "org_id"),
        ("account_id uuid, org_id text", &[""], "org_id"),
        ("team_id json, company_id bigint", &[""], "company_id"),
        (
            "company_id uuid, tenant_id text",
            &[""],
            "22023 the organization can be in any of the columns company_id, tenant_id; \
             Say which it is: org_column => 'company_id', or null for none of them.",
        ),
        ("company_id uuid, tenant_id text", &[", 'tenant_id'"], "tenant_id"),
        // A table of org_id never falls to another column because of its type.
        (
            "org_id numeric, tenant_id uuid",
            &[""],
            "22023 org_column: column \"org_id\" has a type that is not allowed; \
             Use uuid, text, character varying, bigint, integer.",
        ),
        (
            "workspace_id uuid, o text",
            &[""],
            "22023 org_column: the table has no column \"org_id\"; Give the name as it is stored, without quotes, or null for a table without one.",
        ),
        (
            "workspace_id uuid, o text",
            &[", workspace_column => 'workspace_id'"],
            "22023 org_column: the table has no column \"org_id\"; Give the name as it is stored, without quotes, or null for a table without one.",
        ),
        ("workspace_id uuid, o text", &[", null, workspace_column => 'workspace_id'"], "none"),
        ("tenant_id uuid, o text", &[", org_column => null, owner_column => 'o'"], "none"),
        (
            "tenant_id uuid",
            &[", 'org_id'"],
            "22023 org_column: the table has no column \"org_id\"; Give the name as it is stored, without quotes, or null for a table without one.",
        ),
        // Again, without saying it: as it is.
        ("org_id uuid, company uuid", &[", 'company'", ", resource => 'x'"], "company"),
        ("company_id uuid, tenant_id text", &[", 'tenant_id'", ""], "tenant_id"),
        ("org_id uuid, tenant_id text", &[", 'tenant_id'", "", ", 'org_id'"], "org_id"),
        ("tenant_id text, o text", &[", null, owner_column => 'o'", ""], "tenant_id"),
    ] {
        assert_eq!(taken(&mut session, columns, calls), expected, "{columns}: {calls:?}");
    }
}

/// Hints for users, and nothing of what is inside.
#[test]
fn errors_say_nothing_of_the_functions_that_they_come_from() {
    let db =
        shop("create table shop.taken (org_id uuid); create policy bearer_select on shop.taken using (true)");
    let mut session = db.superuser();
    let assert_bare = |session: &mut Client, sql: &str, code: &str, context: Option<&str>| {
        let error = session.batch_execute(sql).expect_err(sql);
        let error = error.as_db_error().unwrap();
        assert_eq!((error.code().code(), error.where_()), (code, context), "{sql}: {error:?}");
    };
    for (sql, code) in [
        ("select auth.protect(null)", "22023"),
        ("select auth.protect('shop.invoices', 'x')", "22023"),
        ("select * from auth.protect('shop.invoices', roles => '{nobody at all}')", "22023"),
        ("select auth.protect('shop.taken')", "42710"),
        ("select auth.unprotect('pg_class')", "22023"),
        ("select auth.lint('{nowhere}')", "22023"),
        ("select auth.create_organization('')", "22023"),
        ("select auth.drop_role('nothing')", "22023"),
        ("select auth.delete_organization(gen_random_uuid())", "42501"),
    ] {
        assert_bare(&mut session, sql, code, None);
        // What the caller's own code is remains.
        let within = format!(
            "do $$begin execute {}; end$$",
            session.value(&format!("select quote_literal($${sql}$$)")).unwrap()
        );
        let context = "PL/pgSQL function inline_code_block line 1 at EXECUTE";
        assert_bare(&mut session, &within, code, Some(context));
        // And after an error that was caught, everything is as it was.
        let caught = format!(
            "do $do$begin begin execute $${sql}$$; exception when others then null; end; perform 1 / 0; end$do$"
        );
        let context = "SQL statement \"SELECT 1 / 0\"\nPL/pgSQL function inline_code_block line 1 at PERFORM";
        assert_bare(&mut session, &caught, "22012", Some(context));
    }
    let mut other = db.connect("other");
    db.superuser().run("grant select, update, delete on shop.invoices to other");
    for call in ["protect", "unprotect"] {
        if call == "unprotect" {
            session.run("select auth.protect('shop.invoices')");
        }
        assert_bare(&mut other, &format!("select auth.{call}('shop.invoices')"), "42501", None);
    }
}
