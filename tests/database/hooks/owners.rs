//! A hook runs as its owner, who has no more rights than an application.

use super::world::{World, call};
use pg_bearer_tests::database::{Session, assert_values};

#[test]
fn t144_a_hook_runs_as_its_owner_whoever_calls() {
    let world = World::new();
    let hook = world.hook(
        "asks",
        "insert into app.outbox values (argument ->> 'to');
         return jsonb_build_array(current_user, current_setting('search_path'), auth_internal.in_hook());",
    );
    let expected = format!("[\"{}\", \"pg_catalog, pg_temp\", true]", world.owner);
    let mut session = world.db.superuser();
    let sql = format!("select {}", call(&hook));
    assert_values(&mut session, &[(&sql, Some(&expected))]);
    session.run(&format!("alter function {hook} set search_path = app"));
    assert_values(&mut session, &[(&sql, Some(&expected.replace("pg_catalog, pg_temp", "app")))]);
    assert_values(
        &mut session,
        &[
            ("select current_user", Some("postgres")),
            ("show search_path", Some("\"$user\", public")),
            ("select auth_internal.in_hook()", Some("f")),
            ("select string_agg(mail, ',') from app.outbox", Some("ada,ada")),
        ],
    );
    // What it writes goes with the transaction.
    session.run(&format!("begin; {sql}; rollback"));
    assert_values(&mut session, &[("select count(*) from app.outbox", Some("2"))]);
    let refused = world.db.tenant().refused(&sql);
    assert_eq!(refused, "42501 permission denied for schema app");
}

#[test]
fn t144_no_hook_runs_with_more_rights_than_an_application_has() {
    let world = World::new();
    let hook = world.hook("mighty", "return null;");
    let mut session = world.db.superuser();
    let refused = format!("55000 the owner of hook \"{hook}\" has too many rights");
    let sql = format!("select {}", call(&hook));
    for role in ["postgres", "bearer_owner", "bearer_admin", "bearer_service", "administrator"] {
        session.run(&format!("alter function {hook} owner to {role}"));
        assert_eq!(session.refused(&sql), refused, "{role}");
    }
    let (owner, between) = (&world.owner, format!("between_{}", world.db.name));
    session.run(&format!(
        "alter function {hook} owner to {owner}; create role {between}; grant {between} to {owner}"
    ));
    for group in [
        "bearer_admin",
        "bearer_service",
        "pg_read_server_files",
        "pg_write_server_files",
        "pg_execute_server_program",
    ] {
        assert_eq!(session.value(&sql), None);
        session.run(&format!("grant {group} to {between}"));
        assert_eq!(session.refused(&sql), refused, "{group}");
        session.run(&format!("revoke {group} from {between}"));
    }
    session.run(&format!("alter role {owner} superuser"));
    assert_eq!(session.refused(&sql), refused);
}

#[test]
fn t144_a_hook_has_nothing_of_the_rights_of_whoever_calls() {
    let world = World::new();
    let mut session = world.db.superuser();
    let create = "auth.create_organization('o', owner_id => 'u')";
    session.run(&format!("select {create}"));
    let body = format!(
        "begin perform {create}; exception when others then return to_jsonb(sqlstate); end; return null;"
    );
    let hook = world.hook("creates", &body);
    assert_eq!(session.value(&format!("select {}", call(&hook))).as_deref(), Some("\"42501\""));
    for body in
        ["perform * from auth.jwt_secrets;", "perform auth.list_issuers();", "perform auth.allow_changes();"]
    {
        let body =
            format!("begin {body} exception when others then return to_jsonb(sqlstate); end; return null;");
        let hook = world.hook("reads", &body);
        assert_eq!(session.value(&format!("select {}", call(&hook))).as_deref(), Some("\"42501\""), "{body}");
    }
}

#[test]
fn t144_nothing_temporary_gets_into_a_hook() {
    let world = World::new();
    let hook = world.hook("looks", "return jsonb_build_array(lower('A'), 1 + 1, (select count(*) from pg_class where relname = 'nothing'));");
    let mut session = world.db.tenant();
    let mut superuser = world.db.superuser();
    superuser.run("grant usage on schema auth_internal to tenant; grant execute on function auth_internal.call_hook to tenant; grant usage on schema app to tenant; grant create on schema public to tenant");
    session.run(
        "create temp table pg_class (relname name); insert into pg_class select 'nothing' from generate_series(1, 5);
         create function pg_temp.lower(text) returns text language sql as $$ select 'mine' $$;
         create function public.lower(text) returns text language sql as $$ select 'mine' $$;
         create function pg_temp.plus(integer, integer) returns integer language sql as $$ select 42 $$;
         create operator pg_temp.+ (function = pg_temp.plus, leftarg = integer, rightarg = integer);
         create operator public.+ (function = pg_temp.plus, leftarg = integer, rightarg = integer);
         set search_path = pg_temp, public, pg_catalog",
    );
    let sql = format!("select {}", call(&hook));
    assert_eq!(session.value("select 1 + 1").as_deref(), Some("42"));
    for _ in 0..2 {
        assert_eq!(session.value(&sql).as_deref(), Some("[\"a\", 2, 0]"));
    }
    assert_eq!(session.value("show search_path").as_deref(), Some("pg_temp, public, pg_catalog"));
}

#[test]
fn only_a_function_of_one_jsonb_is_a_hook() {
    let world = World::new();
    let mut session = world.db.superuser();
    session.run(
        "create function app.two(jsonb, jsonb) returns jsonb language sql as $$ select $1 $$;
         create function app.of_json(json) returns jsonb language sql as $$ select $1::jsonb $$;
         create function app.texts(jsonb) returns text language sql as $$ select 'x' $$;
         create function app.many(jsonb) returns setof jsonb language sql as $$ select $1 $$;
         create procedure app.process(jsonb) language sql as $$ select 1 $$;
         create aggregate app.sum(jsonb) (sfunc = jsonb_concat, stype = jsonb);
         create function app.nothing(jsonb) returns void language sql as $$ insert into app.outbox values ('void') $$;
         create function app.echo(jsonb) returns jsonb strict language sql as $$ select $1 $$",
    );
    for hook in [
        "app.two(jsonb,jsonb)",
        "app.of_json(json)",
        "app.texts(jsonb)",
        "app.many(jsonb)",
        "app.process(jsonb)",
        "app.sum(jsonb)",
    ] {
        assert_eq!(
            session.refused(&format!("select {}", call(hook))),
            format!("55000 function \"{hook}\" is no hook")
        );
    }
    let owner = &world.owner;
    session.run(&format!(
        "alter function app.nothing(jsonb) owner to {owner}; alter function app.echo(jsonb) owner to {owner}"
    ));
    let big = "jsonb_build_object('n', 12345678901234567890.123456789012345678901234567890, 'long', repeat('x', 100000))";
    assert_values(
        &mut session,
        &[
            (&format!("select {}", call("app.nothing(jsonb)")), None),
            ("select string_agg(mail, ',') from app.outbox", Some("void")),
            (
                &format!("select auth_internal.call_hook('app.echo(jsonb)'::regprocedure, {big}) = {big}"),
                Some("t"),
            ),
        ],
    );
    for arguments in ["null, '{}'", "'app.echo(jsonb)'::regprocedure, null"] {
        let refused = session.refused(&format!("select auth_internal.call_hook({arguments})"));
        assert_eq!(refused, "22023 function and argument must be given");
    }
    assert_eq!(
        session.refused("select auth_internal.call_hook(1, '{}')"),
        "55000 the function of a hook does not exist"
    );
}
