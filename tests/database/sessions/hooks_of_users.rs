//! The application's hooks, as far as functions about users call them.

use super::callers::{assert_told, told};
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_contains, assert_values};
use pg_bearer_tests::server;
use serde_json::json;

const CREATED: &str = "before_user_created";

/// A function app.`name` in PL/pgSQL that belongs to the application.
fn function(world: &mut World, name: &str, body: &str) {
    let owner = format!("app_{}", world.db.name);
    world.admin.run(&format!(
        "create or replace function app.{name}(event jsonb) returns jsonb language plpgsql as $hook$ begin {body} end $hook$;
         alter function app.{name}(jsonb) owner to {owner}"
    ));
}

/// The same, set as this hook.
fn hook(world: &mut World, name: &str, body: &str) {
    function(world, name, body);
    world.admin.run(&format!("select auth.set_hook('{name}', 'app.{name}')"));
}

/// What signing up is answered.
fn signs_up(world: &mut World) -> String {
    let number = world.admin.value("select count(*) from auth.users").unwrap();
    told(&mut world.session, &format!("select auth.sign_up('u{number}@example.com', '{PASSWORD}')"))
}

#[test]
fn t144_a_hook_that_is_not_what_was_set_is_not_called() {
    let mut world = World::with_mail();
    let owner = format!("app_{}", world.db.name);
    hook(&mut world, CREATED, "return null;");
    world
        .admin
        .run("create schema elsewhere; create table app.ran (what text); grant all on app.ran to public");
    assert_eq!(signs_up(&mut world), "ok");
    let f = format!("app.{CREATED}(jsonb)");
    let evil = "insert into app.ran values ('evil'); return null;";
    for (change, undo) in [
        (
            format!(
                "create or replace function app.{CREATED}(event jsonb) returns jsonb language plpgsql as $$ begin {evil} end $$"
            ),
            None,
        ),
        (
            format!("alter function {f} rename to other"),
            Some(format!("alter function app.other(jsonb) rename to {CREATED}")),
        ),
        (
            format!("alter function {f} set schema elsewhere"),
            Some(format!("alter function elsewhere.{CREATED}(jsonb) set schema app")),
        ),
        (
            format!("alter function {f} owner to postgres"),
            Some(format!("alter function {f} owner to {owner}")),
        ),
        (format!("alter function {f} owner to tenant"), Some(format!("alter function {f} owner to {owner}"))),
        (
            format!("alter function {f} security definer"),
            Some(format!("alter function {f} security invoker")),
        ),
        (format!("alter function {f} set search_path = app"), Some(format!("alter function {f} reset all"))),
        (format!("alter function {f} set role = postgres"), Some(format!("alter function {f} reset all"))),
        (format!("alter function {f} stable"), Some(format!("alter function {f} volatile"))),
        (format!("drop function {f}"), None),
        (format!("alter role {owner} superuser"), Some(format!("alter role {owner} nosuperuser"))),
        (format!("grant bearer_admin to {owner}"), Some(format!("revoke bearer_admin from {owner}"))),
        (
            format!(
                "alter schema app rename to apps; create schema app; create function app.{CREATED}(event jsonb) returns jsonb language plpgsql as $$ begin return null; end $$"
            ),
            Some("drop schema app cascade; alter schema apps rename to app".to_owned()),
        ),
    ] {
        world.admin.run(&change);
        let refused = signs_up(&mut world);
        assert!(refused.starts_with("55000 "), "{change}: {refused}");
        if !change.contains("alter role") && !change.contains("grant") {
            let intact =
                world.admin.value(&format!("select intact from auth.list_hooks() where name = '{CREATED}'"));
            assert_eq!(intact.as_deref(), Some("f"), "{change}");
        }
        match undo {
            Some(undo) => world.admin.run(&undo),
            None => function(&mut world, CREATED, "return null;"),
        }
        assert_eq!(signs_up(&mut world), "ok", "{change}");
    }
    assert_values(&mut world.admin, &[("select count(*) from app.ran", Some("0"))]);
}

#[test]
fn t144_neither_an_overload_nor_a_temporary_function_is_called() {
    let mut world = World::with_mail();
    hook(&mut world, CREATED, "return null;");
    world.admin.run(&format!(
        "create table app.ran (what text); grant all on app.ran to public; grant usage on schema app to public;
         create function app.{CREATED}(event json) returns jsonb language sql as 'insert into app.ran values (1) returning null::jsonb';
         create function app.{CREATED}(event text) returns jsonb language sql as 'insert into app.ran values (1) returning null::jsonb';
         create function app.{CREATED}(event jsonb, other text default null) returns jsonb language sql as 'insert into app.ran values (1) returning null::jsonb';
         create function public.{CREATED}(event jsonb) returns jsonb language sql as 'insert into app.ran values (1) returning null::jsonb'"
    ));
    world.session.run(&format!(
        "create function pg_temp.{CREATED}(event jsonb) returns jsonb language sql as 'insert into app.ran values (1) returning null::jsonb';
         set search_path = pg_temp, public"
    ));
    assert_eq!(signs_up(&mut world), "ok");
    assert_values(&mut world.admin, &[("select count(*) from app.ran", Some("0"))]);
}

#[test]
fn t144_what_is_set_is_looked_at() {
    let mut world = World::with_mail();
    function(&mut world, "f", "return null;");
    world.admin.run(&format!(
        "create function app.set_of(event jsonb) returns setof jsonb language sql as 'select $1';
         create function app.none() returns jsonb language sql as 'select null::jsonb';
         create function app.text(event jsonb) returns text language sql as 'select 1::text';
         create function app.json(event json) returns jsonb language sql as 'select null::jsonb';
         create function app.mighty(event jsonb) returns jsonb language sql as 'select $1';
         create function pg_temp.g(event jsonb) returns jsonb language sql as 'select $1';
         create function app.\"F\"(event jsonb) returns jsonb language sql as 'select $1';
         alter function app.\"F\"(jsonb) owner to app_{}",
        world.db.name
    ));
    let names = ["null", "''", "'x'", "'Send_email'", "repeat('x', 1000000)"];
    for name in names {
        assert_told(&mut world.admin, &[&format!("set_hook({name}, 'app.f')")], "22023 name has");
    }
    for function in [
        "null",
        "''",
        "'f'",
        "'app.g'",
        "'app.f(jsonb)'",
        "'app.f.g'",
        "'app.set_of'",
        "'app.none'",
        "'app.text'",
        "'app.json'",
        "'pg_temp.g'",
        "'pg_catalog.jsonb_pretty'",
        "'auth_internal.insert_user'",
        "'app.f; drop table app.outbox'",
        "'\"app.f\"'",
        "repeat('x', 1000000)",
        "'app.' || repeat('f', 100000)",
    ] {
        assert_told(
            &mut world.admin,
            &[&format!("set_hook('access_token', {function})")],
            "22023 function has",
        );
    }
    let schema =
        world.admin.value("select nspname from pg_namespace where oid = pg_my_temp_schema()").unwrap();
    assert_told(
        &mut world.admin,
        &[&format!("set_hook('access_token', '{schema}.g')")],
        "22023 function has",
    );
    let refused = world.admin.refused("select auth.set_hook('access_token', 'app.mighty')");
    assert_eq!(refused, "55000 the owner of hook \"app.mighty(jsonb)\" has too many rights");
    for (given, function) in [("App.F", "app.f"), (" app . f ", "app.f"), ("app.\"F\"", "app.\"F\"")] {
        world.admin.run(&format!("select auth.set_hook('access_token', '{given}')"));
        let sql = "select function || ' ' || intact from auth.list_hooks() where name = 'access_token'";
        assert_eq!(world.admin.value(sql), Some(format!("{function} true")));
    }
    assert_told(
        &mut world.admin,
        &[
            "remove_hook(null)",
            "remove_hook('x')",
            "remove_hook('access_token')",
            "remove_hook('access_token')",
        ],
        "ok",
    );
    assert_values(
        &mut world.admin,
        &[
            ("select string_agg(name, ',') from auth.list_hooks()", Some("send_email")),
            ("select count(*) from auth.audit_log where action = 'hook.set'", Some("4")),
            ("select count(*) from auth.audit_log where action = 'hook.remove'", Some("1")),
        ],
    );
    let mut administrator = world.db.connect("administrator");
    administrator.run("select auth.set_hook('access_token', 'app.f'), auth.remove_hook('access_token'); select * from auth.list_hooks()");
    for call in ["set_hook('access_token', 'app.f')", "remove_hook('send_email')", "list_hooks()"] {
        assert!(
            world.session.refused(&format!("select auth.{call}")).starts_with("42501 permission denied"),
            "{call}"
        );
    }
    assert!(world.session.refused("select * from auth.hooks").starts_with("42501"));
}

#[test]
fn a_hook_says_who_becomes_no_user() {
    let mut world = World::with_mail();
    hook(
        &mut world,
        CREATED,
        "if event ->> 'email' like '%@spam.example' then return jsonb_build_object('error', jsonb_build_object('message', 'No ' || (event ->> 'email'))); end if;
         if (event ->> 'is_anonymous')::boolean then return '{\"error\": {}}'; end if; return event -> 'user_metadata' -> 'answer';",
    );
    let refused = |message: &str| json!({"error": "access_denied", "error_description": message});
    world.session.run("begin; select set_config('request.method', 'POST', true)");
    let answer = world.call(&format!("sign_up('a@spam.example', '{PASSWORD}')"));
    assert_eq!(answer, refused("No a@spam.example"));
    assert_eq!(world.session.value("show response.status").as_deref(), Some("403"));
    world.session.run("commit");
    assert_eq!(world.call("sign_in_anonymously()"), refused("The user was not accepted"));
    assert_values(&mut world.admin, &[("select count(*) from auth.users", Some("0"))]);
    assert_eq!(world.mails(), "0");
    let long = "x".repeat(1500);
    for (said, expected) in [
        (json!({"error": "no"}), Some("The user was not accepted".to_owned())),
        (json!({"error": {"message": long}}), Some("x".repeat(1000))),
        (json!({"error": {"message": ["a"]}}), Some("[\"a\"]".to_owned())),
        (json!({}), None),
        (json!({"user": {"role": "service_role", "email": "eve@example.com"}}), None),
        (json!("error"), None),
        (json!(["error"]), None),
        (json!(17), None),
    ] {
        let data = json!({"answer": said});
        world.session.run("begin");
        let answer = world.call(&format!("sign_up('b@example.com', '{PASSWORD}', '{data}')"));
        world.session.run("rollback");
        match expected {
            Some(message) => assert_eq!(answer, refused(&message), "{said}"),
            None => assert_eq!(answer["user"]["email"], "b@example.com", "{said}"),
        }
    }
}

#[test]
fn t143_a_hook_that_fails_says_so_and_no_more() {
    let mut world = World::with_mail();
    let canary = format!("canary-{}", world.db.name);
    world.admin.run("drop function app.send_email(jsonb)");
    for name in ["send_email", CREATED, "after_user_created", "access_token"] {
        hook(
            &mut world,
            name,
            "raise exception '%', 'canary-' || current_database() || event using detail = event;",
        );
        let call = match name {
            "send_email" => "sign_up('a@example.com', 'correct horse')",
            _ => "sign_in_anonymously()",
        };
        let error = world.session.batch_execute(&format!("select auth.{call}")).unwrap_err();
        let text = format!("{error:?}");
        assert_contains(&text, &format!("hook \\\"app.{name}(jsonb)\\\" failed"));
        assert!(!text.contains(&canary) && !text.contains("otp_") && text.contains("detail: None"), "{text}");
        if name != "send_email" {
            world.admin.run(&format!("select auth.remove_hook('{name}')"));
        }
    }
    assert!(!server().log().contains(&canary));
    assert_values(&mut world.admin, &[("select count(*) from auth.users", Some("0"))]);
}

#[test]
fn t145_a_hook_does_not_act_as_whoever_calls() {
    let mut world = World::with_mail();
    world.admin.run("create table app.told (what text); grant all on app.told to public");
    let calls = [
        "auth.sign_up(''eve@example.com'', ''correct horse'')",
        "auth.sign_in_anonymously()",
        "auth.create_user(''eve@example.com'')",
        "auth.issue_session(''victim'')",
        "auth.issue_jwt(''victim'')",
        "auth.create_api_key(''k'', kind => ''service'')",
        "auth.ban_user(''victim'')",
        "auth.list_users()",
        "auth.send_magic_link(''eve@example.com'')",
        "auth.impersonate(''victim'', ''because'')",
        "auth.create_organization(''o'', owner_id => ''eve'')",
        "auth.revoke_user(''victim'')",
        "auth.update_user(email => ''eve@example.com'')",
        "auth.set_hook(''access_token'', ''app.f'')",
    ];
    let body: String = calls
        .iter()
        .map(|call| {
            format!(
                "begin execute 'select {call}'; insert into app.told values ('did {call}');
                     exception when others then insert into app.told values (sqlstate); end; "
            )
        })
        .collect();
    hook(&mut world, "after_user_created", &format!("{body} return null;"));
    let service = world.admin.value("select auth.issue_jwt(role => 'service_role')").unwrap();
    let make = "select auth.create_user('ada@example.com')";
    world.session.run("begin");
    world.session.authenticate(&service).unwrap();
    world.session.run(make);
    assert_eq!(world.session.value("select auth.is_service_role()").as_deref(), Some("t"));
    world.session.run("commit");
    let told = "select string_agg(distinct what, ',' order by what) || count(*) from app.told";
    let expected = format!("42501{}", calls.len());
    assert_values(&mut world.admin, &[(told, Some(&expected)), ("truncate app.told; select 1", Some("1"))]);
    // Nor where an administrator does.
    world.admin.run("select auth.create_user('bob@example.com')");
    let told = world.admin.value("select string_agg(distinct what, ',' order by what) from app.told");
    assert_eq!(told.as_deref(), Some("42501"));
    assert_values(&mut world.admin, &[("select count(*) from auth.users", Some("2"))]);
    assert_eq!(member(&world.call("sign_in_anonymously()")["user"], "aud"), "authenticated");
}
