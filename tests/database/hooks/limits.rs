//! What a hook cannot change, nor leave behind.

use super::world::{World, call};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;

/// What a hook could change.
fn state(session: &mut Client) -> String {
    session
        .value(
            "select jsonb_build_array(current_user, session_user, current_setting('role'), current_setting('search_path'),
                    current_setting('application_name'), nullif(current_setting('app.mine', true), ''), current_setting('transaction_read_only'),
                    current_setting('work_mem'), current_setting('TimeZone'), auth.identity() -> 'user_id', auth.current_org(),
                    auth_internal.in_hook(), (select count(*) from pg_cursors where name <> 'around'))",
        )
        .unwrap()
}

/// Wants to change things, and goes on when it may not.
fn attacks(token: &str) -> Vec<String> {
    let attacks = [
        "perform auth.authenticate('{token}');",
        "perform auth.authenticate('{token}'); perform auth.set_org(null);",
        "perform auth.sign_out();",
        "perform set_config('app.mine', 'x', false), set_config('application_name', 'mine', false);",
        "set work_mem = 123456; set search_path = app; set local timezone = 'Asia/Tokyo';",
        "reset all;",
        "set transaction read only;",
        "begin set role postgres; exception when others then null; end;",
        "begin set session authorization postgres; exception when others then null; end;",
        "begin perform set_config('role', 'bearer_admin', false); exception when others then null; end;",
        "declare c refcursor; begin open c for select * from pg_class; end;",
        "declare c refcursor := 'named'; begin open c for select 1; end;",
        "execute 'declare c cursor for select 1'; execute 'declare d scroll cursor for select 1';",
        "begin execute 'declare c cursor with hold for select 1'; exception when others then null; end;",
        "begin perform auth_internal.call_hook('app.inner(jsonb)'::regprocedure, '{}'); exception when others then
             insert into app.seen values (sqlstate || ' ' || sqlerrm); end;",
    ];
    attacks.map(|attack| attack.replace("{token}", token)).to_vec()
}

#[test]
fn t145_a_hook_changes_neither_identity_nor_role_nor_settings_and_leaves_no_cursor() {
    let world = World::new();
    let inner = world.hook("inner", "insert into app.seen values ('inner ran'); return null;");
    assert_eq!(inner, "app.inner(jsonb)");
    let mut session = world.db.superuser();
    for ending in ["return null;", "perform 1 / 0;"] {
        for attack in attacks(&token_b()) {
            let hook = world.hook("attack", &format!("{attack} {ending}"));
            for signed_in in [false, true] {
                session.run("begin; set local application_name = 'before'; truncate app.seen");
                if signed_in {
                    session.authenticate(&token_a()).unwrap();
                }
                // Nobody replaces an identity while a cursor is open.
                let is_about_identity = attack.contains("auth.");
                if !is_about_identity {
                    session.run("declare around cursor for select 1");
                }
                let before = state(&mut session);
                session.run(&format!(
                    "do $do$ begin perform {}; exception when others then
                         if sqlstate <> '55000' or sqlerrm not like 'hook % failed' then raise; end if; end $do$",
                    call(&hook)
                ));
                assert_eq!(state(&mut session), before, "{attack}");
                if !is_about_identity {
                    assert_eq!(session.value("fetch all from around").as_deref(), Some("1"), "{attack}");
                }
                let seen = session.value("select string_agg(what, ',') from app.seen");
                if attack.contains("call_hook") && ending == "return null;" {
                    assert_eq!(seen.as_deref(), Some("55000 no hook is called while a hook runs"));
                } else {
                    assert_eq!(seen, None, "{attack}");
                }
                session.run("rollback");
            }
        }
    }
}

#[test]
fn t145_what_a_hook_set_is_gone_also_for_the_session() {
    let world = World::new();
    let mut session = world.db.superuser();
    let hook = world.hook(
        "sets",
        "perform set_config('app.mine', 'x', false); set work_mem = 123456; set timezone = 'Asia/Tokyo'; return null;",
    );
    session.run("set timezone = 'UTC'");
    session.run(&format!("select {}", call(&hook)));
    session.run(&format!("begin; select {}; commit", call(&hook)));
    assert_values(
        &mut session,
        &[
            ("select nullif(current_setting('app.mine', true), '')", None),
            ("show work_mem", Some("4MB")),
            ("show timezone", Some("UTC")),
        ],
    );
}

#[test]
fn t145_a_hook_signs_nobody_in() {
    let world = World::new();
    let body = format!(
        "begin perform auth.authenticate('{}'); exception when others then return to_jsonb(sqlstate); end; return null;",
        token_b()
    );
    let hook = world.hook("signs_in", &body);
    let mut session = world.db.superuser();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_values(
        &mut session,
        &[
            (&format!("select {}", call(&hook)), Some("\"42501\"")),
            ("select auth.user_id()", Some(USER_A)),
            ("select auth.current_org()", Some(ORG_A)),
        ],
    );
    session.run("set role tenant");
    assert_eq!(session.visible(), 500);
    session.run("commit");
}

/// What is deferred would run as whoever commits, and what stays in a session could take the place of what others prepared.
#[test]
fn t145_a_hook_leaves_nothing_for_later() {
    let world = World::new();
    let mut session = world.db.superuser();
    session.run(
        "create table app.later (id int); grant all on app.later to public;
         create function app.fires() returns trigger language plpgsql as
             $$ begin insert into app.seen values ('fired as ' || current_user); return null; end $$;
         create constraint trigger fires after insert on app.later deferrable initially deferred
             for each row execute function app.fires()",
    );
    for left in [
        "insert into app.later values (1);",
        "execute 'prepare p as select 1';",
        "create temp table t (x int);",
        "execute 'listen told';",
        "execute 'declare c cursor with hold for select 1';",
        "execute 'deallocate all';",
        "execute 'set session authorization default';",
    ] {
        let hook = world.hook("leaves", &format!("{left} return null;"));
        session.run("begin; prepare mine as select 1");
        let refused = session.refused(&format!("select {}", call(&hook)));
        assert_eq!(refused, "55000 hook \"app.leaves(jsonb)\" failed", "{left}");
        session.run("rollback");
        session.run("deallocate all");
    }
    assert_values(&mut session, &[("select count(*) from app.seen where what like 'fired%'", Some("0"))]);
}

#[test]
fn t145_an_error_of_a_hook_lets_others_run() {
    let world = World::new();
    let failing = world.hook("fails", "perform 1 / 0;");
    let hook = world.hook("works", "return to_jsonb(auth_internal.in_hook());");
    let mut session = world.db.superuser();
    for _ in 0..3 {
        session.run(&format!(
            "do $$ begin
                 for i in 1..3 loop
                     begin perform {}; exception when others then null; end;
                     if auth_internal.in_hook() then raise exception 'still in it'; end if;
                     if {} <> 'true' then raise exception 'not in it'; end if;
                 end loop;
             end $$",
            call(&failing),
            call(&hook)
        ));
        session.refused(&format!("select {}", call(&failing)));
        assert_eq!(session.value(&format!("select {}", call(&hook))).as_deref(), Some("true"));
        assert_eq!(session.value("select auth_internal.in_hook()").as_deref(), Some("f"));
    }
}
