//! What a hook says, and why it failed, reaches nobody.

use super::world::{World, call};
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::server;
use postgres::Client;

/// What a hook must not tell. It is put together where it is used, so that no statement of a test holds it.
const CANARY: &str = "canary-4711-of-a-hook";
const MAKE: &str = "'canary-' || 4711 || '-of-a-hook'";

/// All that an error says.
fn error_of(session: &mut Client, sql: &str) -> String {
    format!("{:?}", session.batch_execute(sql).unwrap_err())
}

#[test]
fn t143_neither_the_client_nor_the_log_learns_what_a_hook_says() {
    let world = World::new();
    let (mut session, told) = world.listening();
    session.run(
        "set client_min_messages = debug5; set log_min_messages = debug5; set log_error_verbosity = verbose",
    );
    for (number, (body, state)) in [
        ("raise exception '%', {};", "P0001"),
        ("raise exception using message = 'm', detail = {}, hint = {}, errcode = '22023';", "22023"),
        ("raise exception using message = {}, errcode = '57014';", "57014"),
        ("raise exception using message = 'm', constraint = {}, table = {}, errcode = '57P01';", "57P01"),
        ("perform ({})::integer;", "22P02"),
        ("execute 'select ' || quote_literal({}) || '::integer';", "22P02"),
        ("execute 'selec ' || quote_literal({});", "42601"),
        ("insert into app.seen values ({}), ({});", "23505"),
        (
            "begin raise exception '%', {}; exception when others then raise warning '%', {}; raise; end;",
            "P0001",
        ),
        // A code that Postgres does not have.
        ("raise exception using message = {}, errcode = 'AB123';", "XX000"),
        ("perform 1 / length({}) / 0;", "22012"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(
            "raise log '%', {MAKE}; raise info '%', {MAKE}; raise warning '%', {MAKE}; {}",
            body.replace("{}", MAKE)
        );
        world.db.superuser().run("create unique index if not exists once on app.seen (what)");
        let hook = world.hook(&format!("leaks_{}_{number}", world.db.name), &body);
        let error = error_of(&mut session, &format!("select {}", call(&hook)));
        assert_contains(
            &error,
            &format!("SqlState(E55000), message: \"hook \\\"{hook}\\\" failed\", detail: None, hint: None"),
        );
        assert_contains(&error, "where_: None");
        assert!(!error.contains(CANARY), "{error}");
        let line = format!("LOG:  00000: pg_bearer: hook \"{hook}\" failed with {state}");
        assert_eq!(server().log().matches(&line).count(), 1, "{line}");
    }
    let hook = world.hook(
        &format!("tells_{}", world.db.name),
        &format!("raise notice '%', {MAKE}; raise log '%', {MAKE}; raise warning '%', {MAKE}; return null;"),
    );
    let sql = format!("select {}", call(&hook));
    assert_eq!(session.value(&sql), None);
    // Somebody who catches the error knows as much.
    let failing = world.hook("fails", &format!("raise exception '%', {MAKE};"));
    session.run(&format!(
        "do $$ declare d text; h text; c text; begin perform {}; exception when others then
             get stacked diagnostics d = pg_exception_detail, h = pg_exception_hint, c = pg_exception_context;
             raise notice 'caught: % % % % %', sqlstate, sqlerrm, d, h, c;
         end $$",
        call(&failing)
    ));
    session.run("do $$ begin raise notice 'heard again'; raise log 'logged again'; end $$");
    let (told, log) = (told.lock().unwrap().clone(), server().log());
    assert_contains(&told, "caught: 55000 hook");
    assert_contains(&told, "heard again");
    assert_contains(&log, "logged again");
    assert!(!told.contains(CANARY), "{told}");
    assert!(!log.contains(CANARY), "the log");
}

#[test]
fn t143_parallel_workers_of_a_hook_say_nothing() {
    let world = World::new();
    world.db.superuser().run(
        "create table app.many as select generate_series(1, 100000) id; analyze app.many;
         alter table app.many set (parallel_workers = 4);
         create function app.shout(id integer) returns integer parallel safe cost 10000 language plpgsql
             as $$ begin if id = 99999 then raise exception 'canary-%-of-a-hook', 4711; end if; return id; end $$;
         grant all on all tables in schema app to public; grant usage on schema app to public",
    );
    let hook = world.hook(
        "works",
        "return (select jsonb_build_object('n', count(*)) from app.many where app.shout(id) > 0);",
    );
    let (mut session, _) = world.listening();
    session.run(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0",
    );
    let refused = session.refused(&format!("select {}", call(&hook)));
    assert_eq!(refused, "55000 hook \"app.works(jsonb)\" failed");
    assert!(!server().log().contains(CANARY));
    assert_eq!(session.value("show max_parallel_workers").as_deref(), Some("8"));
}

#[test]
fn t143_lines_of_ours_are_written_also_while_a_hook_runs() {
    let world = World::new();
    let hook = world.hook(
        "guesses",
        "begin perform auth.authenticate('x.y.z'); exception when others then null; end; return null;",
    );
    let mut session = world.db.superuser();
    session.run(&format!(
        "set application_name = 'guess'; set log_error_verbosity = terse; select {}",
        call(&hook)
    ));
    assert_contains(server().log(), "pg_bearer refused a credential: ");
}

#[test]
fn t143_what_ends_the_statement_or_the_session_is_told_without_what_the_hook_did() {
    let world = World::new();
    let sleeps = format!("execute 'select pg_sleep(60), ' || quote_literal({MAKE}); return null;");
    let hook = world.hook("sleeps", &sleeps);
    let (mut session, _) = world.listening();
    session.run("set statement_timeout = 300");
    let error = error_of(&mut session, &format!("select {}", call(&hook)));
    assert_contains(&error, "SqlState(E57014), message: \"canceling statement due to statement timeout\"");
    assert!(!error.contains(CANARY), "{error}");
    session.run("set statement_timeout = 0");
    assert_eq!(session.value("select auth_internal.in_hook()").as_deref(), Some("f"));
    for (function, told) in [
        ("pg_cancel_backend", "SqlState(E57014), message: \"canceling statement due to user request\""),
        (
            "pg_terminate_backend",
            "SqlState(E57P01), message: \"terminating connection due to administrator command\"",
        ),
    ] {
        let number = session.value("select pg_backend_pid()").unwrap();
        let mut other = world.db.superuser();
        let error = std::thread::scope(|scope| {
            let failing = scope.spawn(|| error_of(&mut session, &format!("select {}", call(&hook))));
            let sleeping = format!(
                "select count(*) from pg_stat_activity where pid = {number} and wait_event = 'PgSleep'"
            );
            while other.value(&sleeping).as_deref() != Some("1") {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            other.run(&format!("select {function}({number})"));
            failing.join().unwrap()
        });
        // Who reads the end of a session late may find the connection closed.
        let is_closed = function == "pg_terminate_backend" && error.to_lowercase().contains("closed");
        assert!(is_closed || error.contains(told), "{error}");
        assert!(!error.contains(CANARY), "{error}");
    }
    assert!(!server().log().contains(CANARY), "the log");
}
