//! Triggers of an application on auth.users.

use super::callers::told;
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_contains, assert_values};
use pg_bearer_tests::server;
use pg_bearer_tests::token::token_of;
use postgres::Client;
use serde_json::json;

const UNWRITTEN: &str = "55000 auth.users could not be written";

/// A trigger with this body in PL/pgSQL, which may write into app.told.
fn trigger(world: &mut World, kind: &str, body: &str) {
    let (first, rest) = kind.split_once(' ').unwrap();
    let (create, timing) =
        if first == "constraint" { ("constraint trigger", rest) } else { ("trigger", kind) };
    world.admin.run(&format!(
        "create schema if not exists app; create table if not exists app.told (what text);
         grant usage on schema app to public; grant all on app.told to public;
         create or replace function app.fires() returns trigger language plpgsql as $fires$ begin {body} return new; end $fires$;
         alter function app.fires() owner to table_owner;
         drop trigger if exists fires on auth.users;
         create {create} fires {} on auth.users {} for each row execute function app.fires()",
        timing.split(" deferrable").next().unwrap(),
        timing.find(" deferrable").map_or("", |at| timing.split_at(at).1),
    ));
}

/// Tries all of this, and notes what it is told.
fn tries(statements: &[&str]) -> String {
    let tries = statements.iter().map(|statement| {
        format!(
            "begin execute $try$ {statement} $try$; insert into app.told values ($try$did {statement}$try$);
             exception when others then insert into app.told values (sqlstate); end; "
        )
    });
    tries.collect()
}

const SECRETS: [&str; 8] = [
    "select * from auth.jwt_secrets",
    "select * from auth.user_passwords",
    "select * from auth.sessions",
    "select * from auth.one_time_tokens",
    "select * from auth.hooks",
    "insert into auth.user_bans (user_id) values ('x')",
    "update auth.issuers set issuer = 'x'",
    "select auth_internal.call_hook(1, '{}')",
];

const CALLS: [&str; 8] = [
    "select auth.create_user('eve@example.com')",
    "select auth.issue_session('victim')",
    "select auth.issue_jwt('victim')",
    "select auth.create_api_key('k', kind => 'service')",
    "select auth.ban_user('victim')",
    "select auth.set_hook('access_token', 'app.f')",
    "select auth.update_issuer('https://ours.example', allow_service_role => false)",
    "select auth.impersonate('victim', 'because')",
];

fn state(session: &mut Client) -> String {
    session
        .value(
            "select jsonb_build_array(current_user, session_user, current_setting('role'), current_setting('search_path'),
                    current_setting('application_name'), nullif(current_setting('app.mine', true), ''), current_setting('work_mem'),
                    auth.identity() ->> 'user_id', (select count(*) from pg_cursors))",
        )
        .unwrap()
}

#[test]
fn t147_a_trigger_finds_nothing_and_does_nothing_with_the_rights_of_others() {
    let mut world = World::new();
    let body = tries(&[SECRETS.as_slice(), &CALLS].concat());
    trigger(
        &mut world,
        "after insert",
        &format!(
            "insert into app.told values (current_user || ' ' || current_setting('search_path')); {body}"
        ),
    );
    let mut administrator = world.db.superuser();
    let make = "select auth.create_user('ada@example.com')";
    // As an administrator, who can do all of it.
    administrator.run(make);
    let did = "select string_agg(what, ',') from app.told where what like 'did%'";
    let counted = "select count(*) from app.told where what ~ '^(42501|28000|55000)$'";
    let all = (SECRETS.len() + CALLS.len()).to_string();
    let cases = [
        (did, None),
        (counted, Some(all.as_str())),
        (
            "select what from app.told where what like '% %' and what not like 'did%'",
            Some("bearer_users pg_catalog, pg_temp"),
        ),
    ];
    assert_values(&mut administrator, &cases);
    // As a service.
    administrator.run("truncate app.told; delete from auth.users");
    let service = administrator.value("select auth.issue_jwt(role => 'service_role')").unwrap();
    world.session.run("begin");
    world.session.authenticate(&service).unwrap();
    world.session.run(make);
    world.session.run("commit");
    assert_values(&mut administrator, &cases);
    // As somebody who signs up.
    administrator.run("truncate app.told");
    world.sign_up("bob@example.com");
    assert_values(&mut administrator, &cases);
}

#[test]
fn t147_a_trigger_leaves_neither_identity_nor_settings() {
    let mut world = World::new();
    let attacks = [
        format!("begin perform auth.authenticate('{}'); exception when others then null; end;", token_of("eve")),
        "begin perform auth.sign_out(); exception when others then null; end;".to_owned(),
        "perform set_config('app.mine', 'x', false), set_config('application_name', 'mine', false); set work_mem = 123456;".to_owned(),
        "begin set role postgres; exception when others then null; end;".to_owned(),
        "begin perform set_config('role', 'table_owner', false); exception when others then null; end;".to_owned(),
        "execute 'declare c cursor for select 1';".to_owned(),
        "set constraints all immediate; perform set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false);".to_owned(),
    ];
    let mut session = world.db.tenant();
    for attack in attacks {
        for ending in ["", "perform 1 / 0;"] {
            trigger(&mut world, "after insert or update", &format!("{attack} {ending}"));
            for signed_in in [false, true] {
                session.run("begin");
                if signed_in {
                    session.authenticate(&token_of("ada")).unwrap();
                }
                let before = state(&mut session);
                session.run("savepoint s");
                let told = told(&mut session, &format!("select auth.sign_up('u@example.com', '{PASSWORD}')"));
                assert_eq!(told, if ending.is_empty() { "ok" } else { UNWRITTEN }, "{attack}");
                if !ending.is_empty() {
                    session.run("rollback to s");
                }
                assert_eq!(state(&mut session), before, "{attack}");
                session.run("rollback");
            }
        }
    }
}

/// Before PostgreSQL 18 it would run as whoever commits.
#[test]
fn t147_no_deferred_trigger_fires() {
    let mut world = World::new();
    let body = "insert into app.told values ('as ' || current_user);";
    trigger(&mut world, "constraint after insert deferrable initially deferred", body);
    let sign_up = format!("select auth.sign_up('ada@example.com', '{PASSWORD}')");
    assert_eq!(told(&mut world.session, &sign_up), UNWRITTEN);
    world.session.run("begin; set constraints all immediate");
    world.sign_up("ada@example.com");
    world.session.run("commit");
    assert_values(
        &mut world.admin,
        &[("select string_agg(what, ',') from app.told", Some("as bearer_users"))],
    );
}

#[test]
fn t148_a_trigger_that_raises_shows_nothing_of_the_row() {
    let mut world = World::new();
    let canary = format!("canary-{}", world.db.name);
    let sign_up = format!(
        "select auth.sign_up(split_part('x{canary}', 'x', 2) || '@example.com', '{PASSWORD}', '{{\"a\": \"private\"}}')"
    );
    for (number, body) in [
        "raise exception 'canary: %', new using detail = new, hint = new;",
        "raise exception 'canary: %', new using errcode = '23505', detail = new;",
        "raise exception 'canary: %', new using errcode = '40001', constraint = new.email;",
        "raise exception 'canary: %', new using errcode = '55P03';",
        "raise exception 'canary: %', new using errcode = '57014';",
        "raise exception 'canary: %', new using errcode = 'P0001', message = new.email;",
        "raise warning '%', new; raise notice '%', new; raise log '%', new; perform 1 / 0;",
        "execute 'select ' || quote_literal(new.email) || '::integer';",
        "insert into app.unknown values (new.email);",
        "insert into told values (new.email);",
        "insert into app.told select new.email from auth.jwt_secrets;",
    ]
    .iter()
    .enumerate()
    {
        let timing = if number % 2 == 0 { "before" } else { "after" };
        trigger(&mut world, &format!("{timing} insert"), body);
        let mut session = world.db.tenant();
        session.run("set client_min_messages = debug1");
        let error = session.batch_execute(&sign_up).unwrap_err();
        let error = error.as_db_error().unwrap();
        let said = format!("{error:?}");
        let parts = [error.detail(), error.constraint(), error.table(), error.where_()];
        assert!(
            parts.iter().flatten().all(|part| !part.contains(&canary) && !part.contains("private")),
            "{number}: {said}"
        );
        assert!(!said.contains(&canary) && !said.contains("private"), "{number}: {said}");
        let busy = error.message() == "somebody else is changing the same";
        assert!(busy || error.message() == "auth.users could not be written", "{number}: {said}");
    }
    let log = server().log();
    assert!(!log.contains("canary: ") && !log.contains("(canary") && !log.contains("\"private\"}\",f"));
    assert_contains(log, "pg_bearer: hook \"auth.users\" failed with 22012");
    assert_values(&mut world.admin, &[("select count(*) from auth.users", Some("0"))]);
}

#[test]
fn t148_a_trigger_that_lets_nothing_be_written_is_an_error() {
    let mut world = World::new();
    let ada = world.sign_up("ada@example.com");
    let id = member(&ada["user"], "id").to_owned();
    let anonymous = world.call("sign_in_anonymously()");
    trigger(&mut world, "before insert or update", "return null;");
    assert_eq!(told(&mut world.session, "select auth.sign_in_anonymously()"), UNWRITTEN);
    assert_eq!(world.admin.refused(&format!("select auth.update_user('{id}', phone => '1')")), UNWRITTEN);
    let sql = format!("select auth.sign_up('bob@example.com', '{PASSWORD}')::text");
    assert_eq!(world.as_user(&anonymous, &sql).unwrap_err(), UNWRITTEN);
    let refused = json!({"error": "invalid_grant", "error_description": "Invalid login credentials"});
    assert_eq!(world.sign_up("new@example.com"), refused);
    // Signing in, a ban and a deletion do not depend on it.
    assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
    world.admin.run(&format!("select auth.ban_user('{id}')"));
    assert_eq!(world.sign_in("ada@example.com", PASSWORD), refused);
    world.admin.run(&format!("select auth.delete_user('{id}')"));
    assert!(!world.is_good(&ada));
}

#[test]
fn a_trigger_and_a_foreign_key_work() {
    let mut world = World::new();
    trigger(&mut world, "after insert", "insert into app.told values (new.id); return null;");
    world.admin.run("create table app.profiles (id uuid primary key references auth.users (id)); grant insert, select on app.profiles to tenant");
    let answer = world.sign_up("ada@example.com");
    let id = member(&answer["user"], "id");
    assert_eq!(world.admin.value("select what from app.told").as_deref(), Some(id));
    // Whoever refers to a user keeps nobody from signing in, being banned or deleted.
    let mut holder = world.db.tenant();
    holder.run(&format!("begin; insert into app.profiles values ('{id}')"));
    assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
    world.admin.run("set lock_timeout = '100ms'");
    world.admin.run(&format!("select auth.update_user('{id}', phone => '1'), auth.ban_user('{id}')"));
    world.admin.run(&format!("select auth.delete_user('{id}')"));
    assert_values(
        &mut world.admin,
        &[("select email is null and deleted_at is not null from auth.users", Some("t"))],
    );
    holder.run("commit");
}
