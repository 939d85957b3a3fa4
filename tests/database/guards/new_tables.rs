//! Tables with a column for the organization that are new.

use super::{PROTECTED, assert_refused, guarded, owner, seen_by_a};
use pg_bearer_tests::database::Session;

#[test]
fn t313_new_tables_of_organizations_are_protected_refused_or_left_alone() {
    let db = guarded(
        "drop table shop.invoices; create schema aside; grant create, usage on schema aside to table_owner",
    );
    let mut superuser = db.superuser();
    let made = "create table shop.t (tenant_id bigint); create table aside.t (org_id uuid)";
    for (arguments, protected) in [
        ("", Some("aside.t t, shop.t t")),
        ("'{shop}'", Some("shop.t t")),
        ("'{shop}', 'protect'", Some("shop.t t")),
        ("null, 'ignore'", None),
        ("'{}'", None),
    ] {
        superuser.run(&format!("select auth.guard({arguments})"));
        let mut session = owner(&db);
        session.run(made);
        assert_eq!(session.value(PROTECTED).as_deref(), protected, "{arguments}");
        session.run("drop table shop.t, aside.t");
    }
    superuser.run("select auth.guard('{shop}', 'refuse')");
    let mut session = owner(&db);
    let refused = |of: &str, column: &str| {
        format!("shop.{of} has a column for the organization, {column}, and is not protected")
    };
    assert_refused(
        &mut session,
        &[
            ("create table shop.t (tenant_id bigint)", &refused("t", "tenant_id")),
            ("create table shop.t as select null::uuid as org_id", &refused("t", "org_id")),
            ("select null::uuid as org_id into shop.t", &refused("t", "org_id")),
            (
                "create table shop.t (org uuid default auth.current_org(), tenant_id text)",
                &refused("t", "org"),
            ),
        ],
    );
    session.run("create table aside.t (org_id uuid)");
    superuser.run("begin; select auth.allow_changes(); create table shop.t (org_id uuid); select auth.protect('shop.t'); commit");
    assert_eq!(superuser.value(PROTECTED).as_deref(), Some("shop.t t"));
}

#[test]
fn t313_a_table_is_new_where_it_comes_from_elsewhere_or_gets_the_column() {
    let db = guarded("create schema aside; create table aside.moved (org_id uuid); create table shop.named (org_id uuid);
                      create table shop.grown (id int); create table shop.turned (org_id json); create table shop.column_named (org uuid);
                      create table shop.as_before (org_id uuid); create table shop.own (org_id uuid); create policy own on shop.own using (false)");
    let mut session = db.superuser();
    session.run(
        "select auth.guard('{shop}');
         alter table shop.as_before add x int, alter org_id set not null; alter table aside.moved rename to moved_later;
         alter table aside.moved_later set schema shop; alter table shop.named rename to named_anew;
         alter table shop.grown add x int; alter table shop.grown add organization_id text;
         alter table shop.turned alter org_id type uuid using null; alter table shop.column_named rename org to org_id; alter table shop.own rename to own_anew",
    );
    let all = "shop.column_named t, shop.grown t, shop.invoices t, shop.moved_later t, shop.named_anew t, shop.turned t";
    assert_eq!(session.value(PROTECTED).as_deref(), Some(all));
}

#[test]
fn t313_other_tables_are_left_alone() {
    let db = guarded("create table shop.unprotected (id int, org_id uuid) partition by range (id)");
    let mut session = owner(&db);
    session.run(
        "create table shop.a (id int, org text); create table shop.b (org_id numeric); create temporary table t (org_id uuid);
         create temporary table kid () inherits (shop.invoices); create view shop.v as select null::uuid as org_id;
         create materialized view shop.m as select null::uuid as org_id; create type shop.c as (org_id uuid); create sequence shop.s",
    );
    // Who queries the whole is not kept from the rows of one part.
    db.superuser().run("create table shop.part partition of shop.unprotected for values from (1) to (2)");
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.invoices t"));
}

#[test]
fn t313_names_are_quoted_and_columns_are_what_protect_takes() {
    let db = guarded(
        r#"create schema "a'b""c $$ \ %I"; grant usage, create on schema "a'b""c $$ \ %I" to table_owner; create domain shop.org as uuid"#,
    );
    for settings in [
        "",
        "set standard_conforming_strings = off;",
        "set quote_all_identifiers = on;",
        "set search_path = shop, pg_catalog;",
    ] {
        let mut session = owner(&db);
        session.run(&format!(
            r#"{settings} create table "a'b""c $$ \ %I"."t'""$$ \ %I" ("o'""$$ \ %I" uuid default auth.current_org());
               create table "a'b""c $$ \ %I"."d" (org_id shop.org, organization_id text);"#
        ));
        let found = "select string_agg(concat_ws(' ', org_column, intact), ', ' order by org_column) from auth.protected_tables() where source::text !~ 'invoices'";
        assert_eq!(session.value(found).as_deref(), Some(r#"o'"$$ \ %I t, org_id t"#), "{settings}");
        session.run(r#"drop table "a'b""c $$ \ %I"."t'""$$ \ %I", "a'b""c $$ \ %I".d"#);
    }
}

/// A superuser makes tables out of what somebody else wrote.
#[test]
fn t192_nothing_that_others_wrote_runs_as_whoever_changes_tables() {
    let db = guarded("");
    let mut superuser = db.superuser();
    superuser.run(
        "grant create on schema public to table_owner; set role table_owner;
         create function public.trap() returns uuid immutable language plpgsql as $$begin
             if current_user in ('postgres', 'bearer_owner') then raise exception 'it ran as %', current_user; end if; return null; end$$;
         create function public.trap(anyelement) returns boolean immutable language plpgsql as $$begin return public.trap() is null; end$$;
         create domain public.org as uuid check (public.trap(value));
         create function public.eq(uuid, uuid) returns boolean immutable language plpgsql as $$begin return public.trap() is null; end$$;
         create operator public.= (leftarg = uuid, rightarg = uuid, function = public.eq);
         create function public.\"current_setting\"(text) returns text language plpgsql as $$begin perform public.trap(); return 'x'; end$$;
         create table shop.events (id int, org_id public.org, body text default public.trap()::text, year int) partition by range (year);
         create index on shop.events ((public.trap(body)));
         select auth.protect('shop.events')",
    );
    superuser.run(
        "reset role; set search_path = public, pg_catalog;
         create temporary table pg_class (oid oid, relkind text); create temporary table pg_policy (oid oid, polrelid oid);
         create function pg_temp.format(text, variadic text[]) returns text language plpgsql as $$begin raise exception 'ours'; end$$",
    );
    superuser.run(
        "create table shop.next partition of shop.events for values from (2020) to (2030);
         alter table shop.events add x int; create table shop.taken (like shop.events including defaults);
         alter table shop.events rename body to text",
    );
    let all = "shop.events t, shop.invoices t, shop.next t, shop.taken t";
    assert_eq!(db.superuser().value(PROTECTED).as_deref(), Some(all));
    assert!(
        superuser.refused("alter table shop.events disable row level security").starts_with("42501 a guard")
    );
}

#[test]
fn t192_dropping_the_extension_is_never_stopped() {
    for broken in ["", "alter event trigger bearer_guard_changes disable; alter event trigger bearer_guard_drops disable;
         create or replace function auth_internal.guard_drops() returns event_trigger language plpgsql as 'begin raise division_by_zero; end';
         create or replace function auth_internal.guard_changes() returns event_trigger language plpgsql as 'begin raise division_by_zero; end';
         alter event trigger bearer_guard_changes enable always; alter event trigger bearer_guard_drops enable always"] {
        let db = guarded("");
        let mut session = db.superuser();
        session.run(broken);
        let refused = session.refused("drop extension pg_bearer");
        assert!(refused.starts_with("2BP01 "), "{refused}");
        session.run("drop extension pg_bearer cascade");
        assert_eq!(session.value("select count(*) from pg_event_trigger").as_deref(), Some("0"));
        session.run("create table shop.t (org_id uuid); drop table shop.t");
        session.run("create extension pg_bearer; select auth.guard(); create table shop.t (org_id uuid)");
        assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.t t"));
    }
}

#[test]
fn t317_users_without_rights_in_our_schemas_change_their_own() {
    let db = guarded("revoke usage on schema auth, auth_internal from public");
    let mut session = owner(&db);
    session.run(
        "create table shop.own (id int primary key, body text); alter table shop.own add x int; create index on shop.own (x);
         create view shop.v as select * from shop.own; drop view shop.v; drop table shop.own; create type shop.e as enum ('a');
         create function shop.f() returns int return 1; drop function shop.f(); alter table shop.invoices add x int",
    );
    assert!(
        session.refused("alter table shop.invoices disable row level security").starts_with("42501 a guard")
    );
    assert_eq!(
        seen_by_a(&guarded(""), "select string_agg(body, '') from shop.invoices").as_deref(),
        Some("a")
    );
}
