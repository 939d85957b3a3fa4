//! Nothing that the owner of a registered table plants in it runs, and nothing that he forgets to grant is missed.

use super::{A, B, place, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;

/// A table with everything in it that Postgres would run for a reader; each of these writes and then raises.
fn mined() -> (Database, Client) {
    let (db, mut superuser) = prepared();
    superuser.run(&format!(
        "create role miner_{0} in role bearer_admin;
         create schema app authorization miner_{0};
         set role miner_{0}; set search_path = app, public;
         create sequence runs;
         create function harmless(anyelement) returns boolean immutable security definer language plpgsql as 'begin return true; end';
         create type job as enum ('editor', 'reader');
         create table members (
             u text check (harmless(u)), o uuid default gen_random_uuid(), r job,
             made text generated always as (case when harmless(u) then u end) stored, check (harmless(o)));
         create index members_u on members (u, harmless(o)) include (o);
         insert into members (u, o, r) values ('u', '{ORG_A}', 'editor'), ('u', '{ORG_B}', 'reader'), ('v', '{ORG_B}', 'editor');
         analyze members;
         alter table members enable row level security;
         alter table members force row level security;
         create policy p on members using (harmless(u));
         create policy q on members as restrictive using (harmless(o));
         create function strike() returns trigger language plpgsql as $$ begin perform nextval('app.runs'); raise 'ran'; end $$;
         create trigger t before insert or update or delete or truncate on members execute function strike();
         create trigger s before insert or update or delete on members for each row execute function strike();
         create rule r as on update to members do also select nextval('app.runs');
         create or replace function harmless(anyelement) returns boolean immutable security definer language plpgsql as
             $$ begin perform nextval('app.runs'); raise 'ran'; end $$;
         select auth.register_membership_source('members', 'u', 'o', 'r');
         revoke all on members from miner_{0}; revoke all on schema app from public;
         reset role; reset search_path",
        db.name
    ));
    (db, superuser)
}

/// No part of it ran: sequences keep what a failed transaction took.
fn assert_silent(superuser: &mut Client) {
    assert_values(superuser, &[("select is_called from app.runs", Some("f"))]);
}

/// Roles belong to the server.
fn disarm(db: &Database, superuser: &mut Client) {
    superuser.run(&format!(
        "reset role; revoke bearer_admin from miner_{0}; drop owned by miner_{0} cascade; drop role miner_{0}",
        db.name
    ));
}

#[test]
fn nothing_of_the_tables_owner_runs_and_no_grant_is_missed() {
    let (db, mut superuser) = mined();
    let mut session = db.tenant();
    assert!(session.refused("select * from app.members").starts_with("42501"));
    for _ in 0..3 {
        assert_eq!(place(&mut session, "u"), format!("{A}+ {B}"));
        assert_eq!(place(&mut session, "v"), format!("{B}+"));
        assert_eq!(place(&mut session, "w"), "");
    }
    // The owner's own sessions, too.
    superuser.run(&format!("set role miner_{}", db.name));
    assert_eq!(place(&mut superuser, "u"), format!("{A}+ {B}"));
    superuser.run("reset role");
    superuser.run("drop index app.members_u");
    assert_eq!(place(&mut session, "u"), format!("{A}+ {B}"));
    assert_silent(&mut superuser);
    // The mines are good: whoever reads with SQL steps on them.
    superuser.run("grant usage on schema app to tenant; grant select on app.members to tenant");
    assert_eq!(session.refused("select * from app.members"), "P0001 ran");
    assert_values(&mut superuser, &[("select is_called from app.runs", Some("t"))]);
    disarm(&db, &mut superuser);
}

#[test]
fn operators_functions_and_casts_of_others_are_not_used() {
    let (db, mut superuser) = mined();
    superuser.run(
        "create schema trap; grant usage on schema trap to public;
         create function trap.texteq(text, text) returns boolean language plpgsql immutable security definer as $$ begin perform nextval('app.runs'); return true; end $$;
         create function trap.int4eq(int, int) returns boolean language sql immutable return true;
         create function trap.enum_out(app.job) returns cstring language internal immutable as 'enum_out';
         create function trap.uuid_eq(uuid, uuid) returns boolean language sql immutable return true;
         create operator trap.= (leftarg = text, rightarg = text, function = trap.texteq);
         create operator trap.= (leftarg = uuid, rightarg = uuid, function = trap.uuid_eq);
         create cast (app.job as text) with inout as implicit;
         alter role tenant set search_path = trap, pg_catalog, public",
    );
    let mut session = db.tenant();
    assert_values(&mut session, &[("select 'a'::text = 'b'::text", Some("t"))]);
    superuser.run("alter sequence app.runs restart; alter role tenant reset search_path");
    for drop_index in [false, true] {
        if drop_index {
            superuser.run("drop index app.members_u");
        }
        for (user, expected) in [("u", format!("{{{ORG_A},{ORG_B}}} editor")), ("w", "{} -".into())] {
            session.run("begin");
            session.authenticate(&token_of(user)).unwrap();
            session.run("set local search_path = pg_catalog");
            let told = format!(
                "select auth.set_org('{ORG_A}')::text || auth.org_ids()::text || ' ' || auth.org_role()"
            );
            let told = if user == "u" {
                session.value(&told)
            } else {
                session.value("select auth.org_ids()::text || ' -'")
            };
            assert_eq!(told.unwrap(), expected);
            session.run("rollback");
        }
    }
    assert_silent(&mut superuser);
    disarm(&db, &mut superuser);
}

#[test]
fn t028_parallel_workers_know_the_rows_of_the_table() {
    let (db, mut superuser) = mined();
    superuser.run(&format!(
        "create table big as select n, case n % 3 when 0 then '{ORG_A}'::uuid when 1 then '{ORG_B}' end as org_id
           from generate_series(1, 60000) n;
         grant select on big to tenant; alter table big set (parallel_workers = 4); analyze big"
    ));
    let mut session = db.tenant();
    session.run(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
         set parallel_leader_participation = off; begin read only",
    );
    session.authenticate(&token_of("u")).unwrap();
    for (condition, rows) in [
        ("auth.is_member(org_id)", "40000"),
        ("auth.has_permission_in('docs.write', org_id)", "20000"),
        ("org_id = any (auth.org_ids_with('docs.read'))", "40000"),
    ] {
        let sql = format!("select count(*) from big where {condition}");
        let plan = session.query(&format!("explain (analyze, costs off, timing off) {sql}"), &[]).unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        assert!(
            plan.iter().any(|line| line.contains("Workers Launched:") && !line.ends_with(": 0")),
            "{plan:?}"
        );
        assert_eq!(session.value(&sql).as_deref(), Some(rows), "{condition}");
    }
    session.run("rollback");
    assert_silent(&mut superuser);
    disarm(&db, &mut superuser);
}

#[test]
fn a_table_is_not_read_in_the_midst_of_its_own_change() {
    let (db, mut superuser) = prepared();
    // Rows that are still of the old type would be taken for the new one.
    superuser.run(&format!(
        "create table members (n int, u bigint, o text);
         create index on members (u); insert into members select n, n, '{ORG_A}' from generate_series(1, 1000) n;
         select auth.register_membership_source('members', 'u', 'o');
         create table told (answer text);
         create function ask(user_id bigint) returns text language plpgsql as $$
         begin
             perform auth.authenticate('{}');
             insert into told values ('in');
             return user_id::text;
         exception when config_file_error then
             insert into told values (sqlerrm);
             return user_id::text;
         end $$",
        token_of("7")
    ));
    for change in [
        "alter table members alter u type text using ask(u)",
        "alter table members alter u type bigint using ask(u::bigint)::bigint",
        "alter table members add more text default ask(1)",
        "alter table members add check (n > 0 and ask(n) <> '')",
    ] {
        superuser.run(&format!("truncate told; {change}"));
        let told = superuser.value("select string_agg(distinct answer, ', ') from told");
        assert_eq!(told.as_deref(), Some("a table that memberships come from cannot be read"), "{change}");
        assert_eq!(place(&mut db.tenant(), "7"), A, "{change}");
    }
}
