//! Owners of tables who wait for an administrator to ask about their policies.

use crate::lint::hostile::{PLANTED, SETTINGS};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;

/// A table whose policy runs whatever is in the setting `villain.sql`, which makes trying attacks easy; its
/// owner is nobody special.
const TRAP: &str = r#"
create schema lair; grant usage, create on schema lair to table_owner; grant usage on schema lair to asker;
create table lair.loot (id int); grant all on lair.loot to public; create sequence lair.counter; grant all on lair.counter to public;
set role table_owner;
create table lair.trap (id int, org_id uuid);
insert into lair.trap values (1, '0a000000-0000-4000-8000-00000000000a');
create function lair.attack() returns boolean language plpgsql as $$
begin
    if current_user <> 'asker' then raise exception 'ran as %', current_user; end if;
    execute current_setting('villain.sql');
    return true;
end $$;
create policy p on lair.trap using (lair.attack());
alter table lair.trap enable row level security;
grant select, insert, update, delete on lair.trap to asker;
reset role;
"#;
const ASK: &str = "select * from auth.explain_access('lair.trap', 'select', identity => '{\"user_id\": \"u1\"}', row_key => '{\"id\": 1}', as_role => 'asker')";

/// Sets the trap for a role of this test's own, which it may take with it into groups.
pub(super) fn set_trap(db: &Database, session: &mut Client) -> String {
    let role = format!("asker_{}", db.name);
    session.run(&format!("create role {role}; set villain.mark = ''; set villain.victim = '{role}'"));
    session.run(&TRAP.replace("asker", &role));
    role
}

/// The verdict on the only policy, which attacks.
pub(super) fn verdict(session: &mut Client, role: &str, attack: &str) -> String {
    session.execute("select set_config('villain.sql', $1, false)", &[&attack]).unwrap();
    let ask = ASK.replace("asker", role);
    session.value(&format!("select verdict from ({ask}) e where policy is not null")).unwrap()
}

/// What could be left behind.
fn traces(session: &mut Client) -> String {
    session
        .value(
            "select jsonb_build_array(current_user, session_user, current_setting('role'), current_setting('search_path'),
                    current_setting('row_security'), current_setting('transaction_read_only'), auth.identity(),
                    current_setting('villain.mark', true), (select count(*) from pg_cursors where name <> ''),
                    (select count(*) from pg_prepared_statements where from_sql), (select count(*) from lair.loot),
                    (select is_called from lair.counter), (select count(*) from pg_class where relpersistence = 't'),
                    (select rolsuper from pg_roles where rolname = current_setting('villain.victim')),
                    (select count(*) from pg_listening_channels()))",
        )
        .unwrap()
}

#[test]
fn t043_a_policy_that_an_administrator_asks_about_cannot_become_him_write_or_leave_anything() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    session.run(&format!("create role spare_{role}; grant bearer_admin, spare_{role} to {role}"));
    let before = traces(&mut session);
    let in_restricted = "within ";
    for (attack, error) in [
        ("reset role", in_restricted),
        ("set role postgres", in_restricted),
        ("set role spare_asker", in_restricted),
        ("set local role none", in_restricted),
        ("select set_config('role', 'postgres', true)", in_restricted),
        ("set session authorization postgres", in_restricted),
        ("reset session authorization", in_restricted),
        ("select set_config('session_authorization', 'postgres', false)", in_restricted),
        ("insert into lair.loot values (1)", "read-only transaction"),
        ("delete from lair.loot", "read-only transaction"),
        ("select nextval('lair.counter')", "read-only transaction"),
        ("set transaction read write", "read-write mode"),
        ("select set_config('transaction_read_only', 'off', false)", "read-write mode"),
        ("create temp table x (n int)", ""),
        ("create table lair.x (n int)", "read-only transaction"),
        ("alter role asker superuser", "read-only transaction"),
        ("grant all on lair.trap to public", "read-only transaction"),
        ("listen villain", ""),
        ("select auth.authenticate('x.y.z')", "28000"),
        ("select auth.act_as('{\"user_id\": \"u2\"}')", "this needs an administrator"),
        (
            "select * from auth.explain_access('lair.trap', 'select', as_role => 'asker')",
            "this needs an administrator",
        ),
        ("select * from auth.rows_visible_to('lair.loot', null, 'asker')", "this needs an administrator"),
        ("select auth.assert_isolated('lair.trap', 'asker')", "this needs an administrator"),
        ("select * from auth.list_issuers()", "this needs an administrator"),
        ("select auth.sign_out()", in_restricted),
        ("select auth.issue_ticket()", "within a security-restricted operation"),
        ("select auth.set_org('0a000000-0000-4000-8000-00000000000a')", ""),
        ("select * from auth.jwt_secrets", "permission denied"),
        ("select pg_read_file('/etc/hostname')", "permission denied"),
        ("copy (select 1) to program 'true'", ""),
        ("declare c cursor with hold for select 1", ""),
        ("commit", ""),
        ("set pg_bearer.identity = 'x'", ""),
    ] {
        let verdict = verdict(&mut session, &role, &attack.replace("asker", &role));
        assert!(verdict.starts_with("error: "), "{attack}: {verdict}");
        if error != "28000" {
            assert_contains(&verdict, error);
        }
        assert!(!verdict.contains("ran as"), "{attack}: {verdict}");
        session.run("set villain.sql = ''");
        assert_eq!(traces(&mut session), before, "{attack}");
    }
    // What may be done leaves no trace either.
    for attack in [
        "select set_config('search_path', 'lair', false)",
        "select set_config('villain.mark', 'was here', false)",
        "set row_security = off",
        "select pg_notify('villain', session_user)",
        "declare c cursor for select 1",
        "select 1",
    ] {
        assert_eq!(verdict(&mut session, &role, &attack.replace("asker", &role)), "true", "{attack}");
        session.run("set villain.sql = ''");
        assert_eq!(traces(&mut session), before, "{attack}");
    }
    session.run(&format!("drop owned by {role}; drop role {role}, spare_{role}"));
}

#[test]
fn t043_neither_does_it_within_a_transaction_that_has_an_identity() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    let mut listener = db.superuser();
    listener.run("listen villain");
    session.run("begin");
    session.authenticate(&token_b()).unwrap();
    session.run("create temp table mine (n int)");
    for attack in [
        "select pg_notify('villain', 'secret')",
        "select auth.sign_out()",
        "reset role",
        "declare c cursor for select 1",
    ] {
        verdict(&mut session, &role, &attack.replace("asker", &role));
        assert_eq!(session.value("select auth.current_org()").as_deref(), Some(ORG_B), "{attack}");
        assert_eq!(
            session.value("select count(*) from pg_cursors where name = 'c'").as_deref(),
            Some("0"),
            "{attack}"
        );
        session.run("insert into mine values (1)");
    }
    assert_eq!(
        verdict(
            &mut session,
            &role,
            "do $$ begin if auth.user_id() <> 'u1' then raise exception 'not him'; end if; end $$"
        ),
        "true"
    );
    session.run("commit; notify villain, 'the end'");
    let heard: Vec<String> = listener
        .notifications()
        .timeout_iter(std::time::Duration::from_secs(30))
        .take_while(|heard| Ok(heard.payload() != "the end"))
        .map(|heard| Ok(heard.payload().to_owned()))
        .collect()
        .unwrap();
    assert_eq!(heard, [] as [String; 0]);
}

/// Functions that run where one would not look for any: while a constant is read, while a query is planned, while
/// a row is compared or turned into JSON.
#[test]
fn t043_nothing_of_a_table_s_owner_runs_as_the_one_who_asks() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create schema lair; grant usage, create on schema lair to table_owner; grant usage on schema lair to tenant; set role table_owner;
         create function lair.spy() returns boolean language plpgsql immutable as $$
         begin if current_user not in ('tenant', 'table_owner') then raise exception 'ran as %', current_user; end if; return true; end $$;
         create function lair.spy_on(int) returns int language plpgsql immutable as $$ begin perform lair.spy(); return $1; end $$;
         create domain lair.checked as int check (lair.spy());
         create type lair.pair as (a lair.checked);
         create function lair.as_json(lair.pair) returns json language plpgsql as $$ begin perform lair.spy(); return '1'; end $$;
         create cast (lair.pair as json) with function lair.as_json(lair.pair);
         create function lair.same(lair.pair, lair.pair) returns bool language plpgsql as $$ begin return lair.spy(); end $$;
         create operator lair.= (leftarg = lair.pair, rightarg = lair.pair, function = lair.same);
         create table lair.trap (id int, c lair.checked, p lair.pair, org_id uuid, check (lair.spy_on(id) > 0));
         insert into lair.trap values (1, 1, '(1)', '0a000000-0000-4000-8000-00000000000a'), (2, 2, '(2)', '0b000000-0000-4000-8000-00000000000b');
         create index on lair.trap (lair.spy_on(id)) where lair.spy_on(1) = 1;
         create function lair.as_text(lair.trap) returns text language plpgsql as $$ begin perform lair.spy(); return 'x'; end $$;
         create cast (lair.trap as text) with function lair.as_text(lair.trap);
         create policy p on lair.trap using (p operator(lair.=) '(1)'::lair.pair and c = '1'::lair.checked and lair.spy_on(1) = 1 and auth.in_org(org_id));
         alter table lair.trap enable row level security;
         grant select, insert, update, delete on lair.trap to tenant;
         create view lair.shown as select lair.spy() as spied, t.* from lair.trap t; grant select on lair.shown to tenant;
         reset role",
    );
    let who = format!(r#"'{{"user_id": "u1", "org_id": "{ORG_A}"}}'"#);
    for command in ["select", "update", "delete", "upsert"] {
        for key in [r#"{"id": 1}"#, r#"{"c": 1}"#] {
            let sql = format!(
                "select string_agg(coalesce(verdict, '') || coalesce(conclusion, ''), ' ' order by policy nulls last)
                   from auth.explain_access('lair.trap', '{command}', identity => {who}, row_key => '{key}', as_role => 'tenant')"
            );
            assert_contains(session.value(&sql).unwrap(), "allowed");
        }
    }
    let insert = format!(
        "select string_agg(conclusion, ' ') from auth.explain_access('lair.trap', 'insert', identity => {who}, as_role => 'tenant',
                row_key => '{{\"id\": 5, \"c\": 1, \"p\": \"(5)\", \"org_id\": \"{ORG_A}\"}}')"
    );
    assert_contains(session.value(&insert).unwrap(), "allowed");
    let key = format!(
        "select auth.explain_access('lair.trap', 'select', identity => {who}, row_key => '{{\"p\": \"(1)\"}}', as_role => 'tenant')"
    );
    assert_eq!(session.refused(&key), "22023 rows cannot be looked for by a column of this type");
    for relation in ["trap", "shown"] {
        let seen = session
            .value(&format!("select count(*) from auth.rows_visible_to('lair.{relation}', {who}, 'tenant')"));
        assert!(matches!(seen.as_deref(), Some("1" | "2")), "{relation}: {seen:?}");
    }
    let isolated = session.value("select auth.assert_isolated('lair.trap', 'tenant')").unwrap();
    assert_contains(isolated, "lair.trap is isolated for role tenant");
    // The trap works: a query of his own would have run it.
    assert_contains(session.refused("select * from lair.shown"), "ran as postgres");
}

#[test]
fn names_that_break_out_of_quotes_are_names() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        r#"create schema "s'; drop table docs; --"; grant usage on schema "s'; drop table docs; --" to tenant;
           create table "s'; drop table docs; --"."t""; select 1; --'" ("c'""; --" int, org_id uuid);
           insert into "s'; drop table docs; --"."t""; select 1; --'" values (1, '0a000000-0000-4000-8000-00000000000a');
           alter table "s'; drop table docs; --"."t""; select 1; --'" enable row level security;
           create policy "p'"";--" on "s'; drop table docs; --"."t""; select 1; --'" using (auth.in_org(org_id) and "c'""; --" = 1);
           grant select on "s'; drop table docs; --"."t""; select 1; --'" to tenant"#,
    );
    let name = r#"'"s''; drop table docs; --"."t""; select 1; --''"'"#;
    let told = session.value(&format!(
        r#"select conclusion from auth.explain_access({name}, 'select', identity => '{{"org_id": "{ORG_A}"}}', row_key => '{{"c''\"; --": 1}}') where policy is null"#
    ));
    assert_contains(told.unwrap(), "allowed");
    let seen = session
        .value(&format!(r#"select count(*) from auth.rows_visible_to({name}, '{{"org_id": "{ORG_A}"}}')"#));
    assert_eq!(seen.as_deref(), Some("1"));
    assert_contains(session.value(&format!("select auth.assert_isolated({name})")).unwrap(), "is isolated");
}

#[test]
fn t043_a_policy_does_not_learn_what_the_administrator_wrote() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    let shown = "do $$ begin raise exception 'read: %', coalesce(current_query(), 'nothing'); end $$";
    assert_contains(verdict(&mut session, &role, shown), "read: nothing");
    assert_eq!(session.value("select current_query()").as_deref(), Some("select current_query()"));
}

/// To read a constant of an array of a domain runs the domain's CHECK.
#[test]
fn t043_a_superuser_s_table_does_not_lend_its_owner_to_the_types_in_its_policies() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create schema lair; grant usage, create on schema lair to table_owner; grant usage on schema lair to tenant; set role table_owner;
         create function lair.spy() returns boolean language plpgsql as $$
         begin if current_user <> 'tenant' then raise exception 'ran as %', current_user; end if; return true; end $$;
         create domain lair.checked as text;
         reset role;
         create table ours (id int, org_id uuid); insert into ours values (1, '0a000000-0000-4000-8000-00000000000a'), (2, '0b000000-0000-4000-8000-00000000000b');
         create policy p on ours using (auth.in_org(org_id) and '{x}'::lair.checked[] is not null);
         alter table ours enable row level security; grant select on ours to tenant;
         alter domain lair.checked add check (lair.spy()) not valid",
    );
    let told = session.value(
        "select conclusion from auth.explain_access('ours', 'select', identity => '{\"org_id\": \"0a000000-0000-4000-8000-00000000000a\"}',
                                                    row_key => '{\"id\": 1}', as_role => 'tenant') where policy is null",
    );
    assert_contains(told.unwrap(), "allowed");
    assert_contains(session.value("select auth.assert_isolated('ours', 'tenant')").unwrap(), "is isolated");
    assert_contains(session.refused("select '{x}'::lair.checked[]"), "ran as postgres");
}

#[test]
fn t043_a_table_s_owner_does_not_choose_a_mighty_role_for_his_policies() {
    let db = Database::new();
    let mut session = db.superuser();
    let heir = format!("heir_{}", db.name);
    session.run(&format!(
        "create role {heir}; grant pg_execute_server_program to {heir};
         create schema lair; grant usage, create on schema lair to table_owner; set role table_owner;
         create table lair.trap (id int, org_id uuid); insert into lair.trap values (1, '{ORG_A}');
         create function lair.attack() returns boolean language plpgsql as $$ begin copy (select 1) to program 'true'; return true; end $$;
         create policy p on lair.trap using (lair.attack()); alter table lair.trap enable row level security; reset role"
    ));
    for role in [
        "pg_execute_server_program",
        "pg_write_server_files",
        "pg_read_server_files",
        "pg_read_all_data",
        &heir,
    ] {
        session.run(&format!("grant usage on schema lair to {role}; grant select on lair.trap to {role}"));
        for call in [
            "explain_access('lair.trap', 'select', row_key => '{\"id\": 1}')",
            "rows_visible_to('lair.trap', null)",
            "assert_isolated('lair.trap')",
        ] {
            let refused = session.refused(&format!("select auth.{call}"));
            assert_eq!(refused, "22023 as_role has to say which role is asked about", "{role} {call}");
        }
        if role != "pg_read_all_data" {
            let named = format!(
                "select auth.explain_access('lair.trap', 'select', row_key => '{{\"id\": 1}}', as_role => '{role}')"
            );
            assert_eq!(
                session.refused(&named),
                "42501 nothing is run as a superuser or as bearer_owner",
                "{role}"
            );
        }
        session.run(&format!("revoke all on lair.trap from {role}"));
    }
    session.run(&format!("drop owned by {heir}; drop role {heir}"));
}

/// What these put together is read as it was printed, whatever the session of whoever asks makes of names and literals.
#[test]
fn t275_answers_are_the_same_where_others_have_planted_operators_functions_and_types() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        r#"begin;
         create schema app; grant usage on schema app to tenant, table_owner;
         create table app.things (t text, id int, org_id uuid default auth.current_org(), slug varchar, made date default '2024-02-03',
                                  environment text default auth.environment());
         insert into app.things (t, id, org_id, slug, environment)
         select E'\\''', n, ('0' || substr('ab', n, 1) || '000000-0000-4000-8000-00000000000' || substr('ab', n, 1))::uuid, 'a', 'test' from generate_series(1, 2) n;
         alter table app.things enable row level security, force row level security, owner to table_owner;
         grant select, insert, update, delete on app.things to tenant;
         create policy p on app.things using (auth.in_org(org_id) and t = E'\\''' and slug in ('a', 'b') and made < date '2024-03-02' and lower(slug) is distinct from t)"#,
    );
    session.run(PLANTED);
    let who = r#"'{"user_id": "u1", "org_id": "0a000000-0000-4000-8000-00000000000a"}'"#;
    let said = "pg_catalog.string_agg(pg_catalog.concat_ws(' ', policy, applies, kind, verdict, functions, conclusion), ' ')";
    let about = format!("identity => {who}, as_role => 'tenant'");
    let questions = [
        format!(
            r#"select {said} from auth.explain_access('app.things', 'update', row_key => '{{"id": 2}}', {about})"#
        ),
        format!(
            r#"select {said} from auth.explain_access('app.things', 'insert', row_key => '{{"slug": "b"}}', {about})"#
        ),
        format!(
            "select pg_catalog.jsonb_agg(visible) from auth.rows_visible_to('app.things', {who}, 'tenant')"
        ),
        "select auth.assert_isolated('app.things', 'tenant')".to_owned(),
        "select pg_catalog.concat_ws(' ', source::pg_catalog.oid, deleted) from auth.purge_sandbox('{app.things}')".to_owned(),
    ];
    let clean = "set local search_path = pg_catalog, pg_temp; set local datestyle = 'SQL, DMY'";
    session.run("savepoint before");
    for question in questions {
        let [expected, found] = [clean, SETTINGS].map(|settings| {
            session.run(settings);
            let answer = session.value(&question).unwrap();
            session.run("rollback to before");
            // How names are printed is the session's own.
            answer.replace(['"', '\\'], "")
        });
        assert_eq!(found, expected, "{question}");
    }
    // A column can be called as a query of ours calls the table.
    let seen = format!("select visible ->> 't' from auth.rows_visible_to('app.things', {who}, 'tenant')");
    assert_eq!(session.value(&seen).as_deref(), Some(r"\'"));
}
