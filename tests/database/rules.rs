//! Rules that several functions go by have one home, and answer the same whoever asks.

use super::catalog::rows;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;

/// An organization with a role of its own, a member, and a key with that role whose text is returned.
fn keyed(session: &mut Client) -> String {
    session.run(&format!(
        "insert into auth.organizations (id, name) values ('{ORG_A}', 'a');
         select auth.define_role('robot', '{{x.read}}', '{ORG_A}')"
    ));
    session.value(&format!("select key from auth.create_api_key('k', '{ORG_A}', role => 'robot')")).unwrap()
}

const REVOKE: &str = "select auth.revoke_api_key(id) from auth.list_api_keys()";
const DROP: &str = "select auth.drop_role('robot', '0a000000-0000-4000-8000-00000000000a')";

#[test]
fn a_key_that_was_revoked_while_its_row_was_held_keeps_no_role_in_use() {
    let db = Database::new();
    let mut session = db.superuser();
    keyed(&mut session);
    assert_eq!(session.refused(DROP), "2BP01 the role is in use");
    let mut thief = db.superuser();
    thief.run("begin; select from auth.api_keys for update");
    session.run(REVOKE);
    thief.run("commit");
    assert_values(
        &mut session,
        &[
            ("select revoked_at from auth.api_keys", None),
            ("select count(*) from auth.api_key_revocations", Some("1")),
        ],
    );
    session.run(DROP);
}

#[test]
fn sql_and_verify_agree_on_which_keys_are_alive() {
    let db = Database::new();
    let mut session = db.superuser();
    let key = keyed(&mut session);
    for (change, alive) in [
        ("select", true),
        ("update auth.api_keys set expires_at = now() + interval '1 hour'", true),
        ("update auth.api_keys set expires_at = now() - interval '1 second'", false),
        ("update auth.api_keys set expires_at = '-infinity'", false),
        ("update auth.api_keys set revoked_at = now()", false),
        ("insert into auth.api_key_revocations (key_id) select id from auth.api_keys", false),
        ("update auth.api_keys set replaced_by = id", true),
    ] {
        session.run(&format!("begin; {change}"));
        session.run("commit");
        let live = session.value("select count(*) = 1 from auth_internal.live_api_keys");
        let valid = session.value(&format!("select valid from auth.check_api_key('{key}')"));
        assert_eq!(live, valid, "{change}");
        assert_eq!(valid.as_deref(), Some(if alive { "t" } else { "f" }), "{change}");
        let used = if alive { "2BP01 the role is in use" } else { "" };
        session.run("begin");
        match session.batch_execute(DROP) {
            Ok(()) => assert_eq!(used, "", "{change}"),
            Err(error) => assert_eq!(pg_bearer_tests::refusal::<()>(Err(error)), used, "{change}"),
        }
        session.run("rollback");
        let due = "select count(*) from auth_internal.api_key_rotations";
        session.run("set pg_bearer.api_key_rotation = '1d'");
        let rotated = change.contains("replaced_by");
        assert_eq!(
            session.value(due).as_deref(),
            Some(if alive && !rotated { "1" } else { "0" }),
            "{change}"
        );
        session.run("update auth.api_keys set expires_at = null, revoked_at = null, replaced_by = null; delete from auth.api_key_revocations");
    }
}

#[test]
fn the_list_of_readers_has_every_reader_and_decides_which_are_asked_once() {
    let db = Database::new();
    let mut session = db.superuser();
    // What everybody may call, in C and stable, is what policies can ask.
    let callable = "select p.proname::text from pg_proc p join pg_language l on l.oid = p.prolang
                     where p.pronamespace = 'auth'::regnamespace and l.lanname = 'c' and p.provolatile = 's'
                       and has_function_privilege('tenant', p.oid, 'execute') and p.proname <> 'id_lists' order by 1";
    let listed = "select r.name::text from auth_internal.readers() r order by 1";
    assert_eq!(rows(&mut session, callable), rows(&mut session, listed));
    assert!(rows(&mut session, listed).len() > 30);
    let once =
        "select p.proname::text from pg_proc p where p.prosupport = 'auth.support_once'::regproc order by 1";
    assert_eq!(
        rows(&mut session, once),
        rows(
            &mut session,
            "select r.name::text from auth_internal.readers() r where r.is_asked_once order by 1"
        )
    );
    let kinds = "select distinct r.tells from auth_internal.readers() r order by 1";
    assert_eq!(
        rows(&mut session, kinds),
        ["credential", "organization", "request", "service", "user", "workspace"]
    );
}

#[test]
fn lint_knows_every_reader() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create schema app");
    for reader in rows(&mut session, "select r.name::text from auth_internal.readers() r") {
        session.run(&format!(
            "begin; create function app.frozen() returns text immutable language plpgsql as $$ begin perform auth.{reader}(); end $$"
        ));
        let found = "select count(*) from auth.lint('{app}') where code = 'immutable_identity'";
        assert_eq!(session.value(found).as_deref(), Some("1"), "{reader}");
        session.run("rollback");
    }
}

/// A table of each type that there is a reader for.
#[test]
fn what_protect_takes_lint_suggests_and_explain_finds_is_one_list() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create schema app");
    let types = rows(
        &mut session,
        "select r.type::regtype::text from auth_internal.column_readers() r where r.kind = 'organization' order by r.place",
    );
    assert_eq!(types, ["uuid", "text", "character varying", "bigint", "integer"]);
    for kind in types.iter().map(String::as_str).chain(["numeric", "smallint", "bytea"]) {
        let known = types.iter().any(|known| known == kind);
        session.run(&format!("begin; create table app.t (id int, company {kind} not null)"));
        session.run("savepoint s");
        let protect = "select count(*) from auth.protect('app.t', 'company')";
        let taken = session.batch_execute(protect).is_ok();
        assert_eq!(taken, known, "{kind}");
        if taken {
            assert_values(
                &mut session,
                &[
                    (
                        "select count(*) from auth.lint('{app}') where object ~ 'app.t' and severity <> 'warning'",
                        Some("0"),
                    ),
                    (
                        "select a.attname from auth.organization_columns() o join pg_attribute a on a.attrelid = o.source and a.attnum = o.org where o.source = 'app.t'::regclass",
                        Some("company"),
                    ),
                    ("select auth_internal.organization_column('app.t', null)", Some("company")),
                    ("select auth_internal.column_has_index('app.t'::regclass, 2::smallint)", Some("t")),
                    ("select intact from auth.protected_tables()", Some("t")),
                ],
            );
        }
        session.run("rollback");
    }
}

#[test]
fn explain_lint_and_organization_columns_name_the_same_column() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create schema app");
    for (setup, column) in [
        (
            "create table app.t (org_id uuid, company uuid); create policy p on app.t using (auth.in_org(company))",
            "company",
        ),
        (
            "create table app.t (org_id uuid, company uuid); create policy p on app.t using (company = auth.current_org())",
            "company",
        ),
        (
            "create table app.t (org_id uuid, company text); create policy p on app.t using (company = auth.external_org_id())",
            "company",
        ),
        ("create table app.t (org_id uuid, company uuid default auth.current_org())", "company"),
        ("create table app.t (id uuid, tenant_id uuid)", "tenant_id"),
        ("create table app.t (id uuid, org_id uuid)", "org_id"),
        ("create table app.t (account_id uuid, tenant_id uuid, org_id uuid)", "org_id"),
        ("create table app.t (account_id uuid, tenant_id bigint)", "tenant_id"),
        ("create table app.t (workspace_id uuid, company_id text)", "company_id"),
    ] {
        session.run(&format!("begin; {setup}"));
        assert_values(
            &mut session,
            &[
                ("select auth_internal.organization_column('app.t', null)", Some(column)),
                (
                    "select a.attname from auth.organization_columns() o join pg_attribute a on a.attrelid = o.source and a.attnum = o.org where o.source = 'app.t'::regclass",
                    Some(column),
                ),
            ],
        );
        session.run("rollback");
    }
}

#[test]
fn lint_and_protect_agree_on_which_index_serves() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create schema app; create extension btree_gist schema public; create extension btree_gin schema public");
    for (setup, serves) in [
        ("", false),
        ("create index on app.t (org_id)", true),
        ("create index on app.t (org_id, body)", true),
        ("create index on app.t (body, org_id)", false),
        ("create index on app.t using hash (org_id)", true),
        ("create index on app.t using brin (org_id)", false),
        ("create index on app.t (org_id) where id > 0", false),
        ("create index on app.t using gist (body, org_id)", true),
        ("create index on app.t using gin (id, org_id)", true),
    ] {
        session.run(&format!(
            "begin; create table app.t (id int, org_id uuid not null, body text); {setup};
             create policy p on app.t using (auth.in_org(org_id)); alter table app.t enable row level security, force row level security"
        ));
        let linted = session.value("select count(*) from auth.lint('{app}') where code = 'org_not_indexed'");
        assert_eq!(linted.as_deref(), Some(if serves { "0" } else { "1" }), "lint: {setup}");
        let made = "select count(*) from auth.protect('app.t', dry_run => true) where statement like 'create index%'";
        assert_eq!(session.value(made).as_deref(), Some(if serves { "0" } else { "1" }), "protect: {setup}");
        session.run("rollback");
    }
    for (strategy, serves) in [("list", true), ("hash", false), ("range", false)] {
        session.run(&format!(
            "begin; create table app.t (id int, org_id uuid not null) partition by {strategy} (org_id);
             alter table app.t enable row level security, force row level security; create policy p on app.t using (auth.in_org(org_id))"
        ));
        let linted = session.value("select count(*) from auth.lint('{app}') where code = 'org_not_indexed'");
        assert_eq!(linted.as_deref(), Some(if serves { "0" } else { "1" }), "lint: {strategy}");
        let made = "select count(*) from auth.protect('app.t', dry_run => true) where statement like 'create index%'";
        assert_eq!(
            session.value(made).as_deref(),
            Some(if serves { "0" } else { "1" }),
            "protect: {strategy}"
        );
        session.run("rollback");
    }
}

/// Keys, and all that the one that is suggested has to keep; none where no SQL can keep it.
const KEYS: &[(&str, &[&str])] = &[
    (
        "add constraint \"The key\" foreign key (parent) references app.parents match full",
        &["\"The key\"", "(org_id, parent) references app.parents (org_id, id)"],
    ),
    ("add constraint k foreign key (parent, kind) references app.parents (id, kind) match full", &[]),
    ("add constraint k foreign key (parent) references app.parents on update set null", &[]),
    ("add constraint k foreign key (parent) references app.parents on update set default", &[]),
    (
        "add constraint k foreign key (parent) references app.parents on update cascade on delete restrict",
        &["constraint k", "on update cascade", "on delete restrict"],
    ),
    (
        "add constraint k foreign key (parent) references app.parents not valid",
        &["constraint k", "not valid"],
    ),
    (
        "add constraint k foreign key (parent) references app.parents deferrable initially deferred",
        &["deferrable initially deferred"],
    ),
    (
        "add constraint k foreign key (parent, kind) references app.parents (id, kind) on delete set null (kind)",
        &["on delete set null (kind)"],
    ),
    ("add constraint k foreign key (org_id) references app.parents (other)", &[]),
    ("add constraint k unique (slug)", &["constraint k", "UNIQUE (org_id, slug)"]),
    ("add constraint k unique (slug) include (body)", &["UNIQUE (org_id, slug) INCLUDE (body)"]),
    ("add constraint k unique (slug) deferrable initially deferred", &["DEFERRABLE INITIALLY DEFERRED"]),
    ("add constraint k unique nulls not distinct (slug)", &["UNIQUE NULLS NOT DISTINCT (org_id, slug)"]),
    (
        "; create unique index k on app.t (slug text_pattern_ops desc nulls last) include (body) where id > 0",
        &["k ON app.t", "(org_id, slug text_pattern_ops DESC NULLS LAST) INCLUDE (body) WHERE (id > 0)"],
    ),
];

#[test]
fn suggested_keys_keep_all_that_the_old_one_is_and_lint_says_the_same() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create schema app");
    for (key, kept) in KEYS {
        let change =
            if key.starts_with(';') { (*key).to_owned() } else { format!("; alter table app.t {key}") };
        session.run(&format!(
            "begin;
             create table app.parents (id int generated always as identity primary key, org_id uuid not null, kind int, other uuid unique, unique (id, kind), unique (org_id, id), unique (org_id, id, kind));
             create table app.t (id int generated always as identity primary key, org_id uuid not null, parent int, kind int, slug text, body text);
             create index on app.t (org_id){change};
             select auth.protect('app.parents'), auth.protect('app.t')"
        ));
        let suggested =
            rows(&mut session, "select statement from auth.protect('app.t') where action = 'suggested'");
        let fixes = rows(
            &mut session,
            "select coalesce(fix, '') from auth.lint('{app}') where code in ('fk_crosses_orgs', 'unique_without_org') and object ~ ' on app.t$'",
        );
        // What the table refers to has a key that can be mended afterwards.
        let own: Vec<_> =
            suggested.iter().filter(|one| !one.starts_with("alter table app.parents")).cloned().collect();
        assert_eq!(fixes, [own.join("; ")], "{key}");
        assert_eq!(own.is_empty(), kept.is_empty(), "{key}: {suggested:?}");
        let fix = fixes[0].split_whitespace().collect::<Vec<_>>().join(" ");
        for part in *kept {
            assert!(fix.contains(part), "{key}: {part:?} is not in {fix:?}");
        }
        session.run(&suggested.join(";\n"));
        let again = "select count(*) from auth.protect('app.t') where action = 'suggested'";
        assert_eq!(session.value(again).as_deref(), Some("0"), "{key}");
        session.run("rollback");
    }
}

#[test]
fn what_two_keys_need_is_made_once() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create schema app;
         create table app.parents (id int generated always as identity primary key, org_id uuid not null);
         create table app.t (id int generated always as identity primary key, org_id uuid not null,
                             one int references app.parents, two int references app.parents, up int references app.t)",
    );
    session.run("select auth.protect('app.parents')");
    let doubles = "select count(*) - count(distinct statement) from auth.protect('app.t', dry_run => true)";
    assert_eq!(session.value(doubles).as_deref(), Some("0"));
    for statement in rows(
        &mut session,
        "select statement from auth.protect('app.t') where action = 'suggested' and statement ~ 'parents'",
    ) {
        session.run(&statement);
    }
    let unique = "select string_agg(c.relname, ' ') from pg_index i join pg_class c on c.oid = i.indexrelid
                   where i.indrelid = 'app.parents'::regclass and i.indisunique and not i.indisprimary";
    assert_eq!(session.value(unique).as_deref(), Some("parents_org_id_id_key"));
}

#[test]
fn the_parts_of_a_table_are_the_same_for_protect_and_explain() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create schema app;
         create table app.t (id int, org_id uuid) partition by range (id);
         create table app.one partition of app.t for values from (0) to (10) partition by range (id);
         create table app.leaf partition of app.one for values from (0) to (5);
         create table app.gone partition of app.t for values from (10) to (20);
         create table app.plain (id int); create table app.child () inherits (app.plain); create temp table own () inherits (app.plain);
         update pg_inherits set inhdetachpending = true where inhrelid = 'app.gone'::regclass",
    );
    let parts = |source: &str, only: &str| {
        format!("select string_agg(part::regclass::text, ' ' order by n) from auth_internal.table_tree('app.{source}'::regclass)
                   with ordinality t (part, is_being_detached, n) where {only}")
    };
    assert_values(
        &mut session,
        &[
            (&parts("t", "true"), Some("app.t app.one app.gone app.leaf")),
            (&parts("t", "not is_being_detached"), Some("app.t app.one app.leaf")),
            (&parts("plain", "true"), Some("app.plain app.child")),
            (
                "select array_agg(p::regclass::text) from unnest(auth_internal.parts_of('app.t')) p",
                Some("{app.t,app.one,app.leaf}"),
            ),
        ],
    );
}
