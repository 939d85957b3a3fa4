//! What nobody learns, holds up or does by calling the functions about users in their own way.

use super::callers::told;
use super::session_callers::{as_bearer, call, id, set};
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use postgres::{Client, NoTls};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A session of somebody without rights, and all that the server tells it.
fn listening(world: &World) -> (Client, Arc<Mutex<String>>) {
    let told = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&told);
    let mut config = world.db.config("tenant");
    config.notice_callback(move |notice| *hears.lock().unwrap() += &format!("{notice:?}\n"));
    (config.connect(NoTls).unwrap(), told)
}

#[test]
fn t470_no_plan_that_is_printed_shows_rows_or_tokens_of_others() {
    let mut world = World::with_mail();
    world.admin.run(&format!(
        "select auth.create_user('ada@example.com', '{PASSWORD}', email_confirmed_at => now(), phone => '5550canary',
                                 app_metadata => '{{\"of\": \"hers-canary\"}}')"
    ));
    let (mut session, heard) = listening(&world);
    session.run("select auth.uid(); set client_min_messages = log; set debug_print_plan = on; set debug_pretty_print = off");
    session.run("do $$ declare x text := 'shown-canary'; begin perform x, 1 from pg_class limit 1; end $$");
    assert!(heard.lock().unwrap().contains("PLANNEDSTMT"), "no plan is printed");
    heard.lock().unwrap().clear();
    for _ in 0..2 {
        for call in [
            "send_magic_link('ada@example.com')",
            "send_password_reset('ada@example.com')",
            "sign_up('ada@example.com', 'a password of a thief')",
            "sign_up('new@example.com', 'a password of a thief')",
            "send_confirmation('new@example.com')",
            "sign_in_with_password('ada@example.com', 'wrong')",
            "redeem_token('otp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')",
        ] {
            session.run(&format!("select auth.{call}"));
        }
    }
    let heard = heard.lock().unwrap().replace("\\n", " ").replace('\n', " ");
    let mails = world.admin.value("select string_agg(event ->> 'token', ' ') from app.outbox").unwrap();
    let hash = world.admin.value("select hash from auth.user_passwords").unwrap();
    assert!(mails.split(' ').count() >= 4);
    let id = world.admin.value("select id from auth.users where phone is not null").unwrap();
    // A text is printed as a list of its bytes.
    let bytes = |text: &str| text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(" ");
    for secret in mails.split(' ').chain([hash.as_str(), "5550canary", "hers-canary", &id]) {
        assert!(!heard.contains(secret) && !heard.contains(&bytes(secret)), "{secret}");
    }
    assert!(!heard.contains("one_time_tokens"), "{heard}");
}

#[test]
fn t471_what_the_owner_of_the_users_puts_on_them_runs_as_nobody_else() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    world.admin.run(
        "create schema app; create table app.ran (who text); grant usage, create on schema app to public; grant all on app.ran to public;
         create function app.runs() returns boolean language plpgsql as $$ begin
             insert into app.ran values (current_user); return true;
         exception when read_only_sql_transaction or feature_not_supported or others then return true; end $$;
         create function app.tells(anyelement) returns boolean language plpgsql as $$ begin
             perform app.runs(); return has_table_privilege('auth.user_passwords', 'select') is false; end $$;
         create domain app.phone as text collate \"C\" check (app.tells(value));
         grant usage on type app.phone to public;
         set role bearer_users;
         create policy p on auth.users using (app.runs());
         alter table auth.users force row level security, add column more boolean default app.runs(),
             alter column phone type app.phone;
         create function app.is_odd(auth.users) returns boolean language sql as 'select app.runs()';
         alter function auth_internal.find_user(jsonb) set search_path = app, pg_catalog;
         reset role;
         create function app.lower(text) returns text language plpgsql as $$ begin perform app.runs(); return $1; end $$;
         create function app.to_jsonb(auth.users) returns jsonb language plpgsql as $$ begin
             perform app.runs(); return pg_catalog.to_jsonb($1); end $$",
    );
    let id = id(&answer);
    for call in [
        format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"),
        format!("refresh_session('{}')", member(&answer, "refresh_token")),
        "sign_up('bob@example.com', 'a good password of his')".to_owned(),
        "sign_in_anonymously()".to_owned(),
    ] {
        told(&mut world.session, &format!("select auth.{call}"));
    }
    for call in [
        format!("update_user('{id}', phone => '17')"),
        "list_users()".to_owned(),
        "send_magic_link('ada@example.com')".to_owned(),
        format!("issue_session('{id}')"),
        "create_user('cyd@example.com')".to_owned(),
        format!("delete_user('{id}')"),
    ] {
        told(&mut world.admin, &format!("select auth.{call}"));
    }
    assert_values(
        &mut world.admin,
        &[("select string_agg(distinct who, ',') from app.ran", Some("bearer_users"))],
    );
}

#[test]
fn t474_what_somebody_else_cleans_up_keeps_nobody_from_refreshing() {
    let mut world = World::new();
    let (ada, eve) = (world.sign_up("ada@example.com"), world.sign_up("eve@example.com"));
    let ada = world.refresh(member(&ada, "refresh_token"));
    world.admin.run("update auth.sealed_tokens set expires_at = clock_timestamp() - interval '1 hour'");
    let mut thief = world.db.tenant();
    thief.run("begin");
    call(&mut thief, &format!("refresh_session('{}')", member(&eve, "refresh_token")));
    assert_eq!(thief.value("select 1").as_deref(), Some("1"));
    let begun = Instant::now();
    let next = world.refresh(member(&ada, "refresh_token"));
    assert!(world.is_good(&next) && begun.elapsed() < Duration::from_secs(1));
    thief.run("commit");
    assert_values(&mut world.admin, &[("select count(*) from auth.sealed_tokens", Some("2"))]);
}

#[test]
fn t475_what_a_transaction_wrote_does_not_tell_whether_there_is_such_a_user() {
    let mut world = World::with_mail();
    world.admin.run(&format!(
        "select auth.create_user('ada@example.com', '{PASSWORD}', email_confirmed_at => now()), auth.create_user('bob@example.com');
         select auth.ban_user(auth.create_user('eve@example.com', email_confirmed_at => now())::text)"
    ));
    for function in ["send_magic_link", "send_password_reset", "send_confirmation", "sign_up"] {
        let password = if function == "sign_up" { format!(", '{PASSWORD}'") } else { String::new() };
        let mut answers = Vec::new();
        for email in ["ada@example.com", "bob@example.com", "eve@example.com", "nobody@example.com"] {
            let sql = format!("select auth.{function}('{email}'{password})");
            world.session.run("begin read only");
            let refused = told(&mut world.session, &sql);
            world.session.run("rollback; begin");
            world.session.run(&sql);
            let wrote = world.session.value("select pg_current_xact_id_if_assigned() is not null").unwrap();
            world.session.run("rollback");
            answers.push(format!("{} {wrote}", &refused[..5]));
        }
        assert_eq!(answers, ["25006 t"; 4], "{function}");
    }
}

#[test]
fn t479_signing_in_with_a_test_credential_touches_no_live_session() {
    let mut world = World::new();
    set(&mut world, "max_sessions = 1");
    let live = world.sign_up("ada@example.com");
    let key = "key from auth.create_api_key('t', kind => 'service', environment => 'test')";
    let service = world.admin.value(&format!("select {key}")).unwrap();
    let before = "select last_sign_in_at from auth.users";
    let noted = world.admin.value(before);
    let call = format!("auth.issue_session('{}')", id(&live));
    let issued = as_bearer(&mut world.session, &service, &call).unwrap().unwrap();
    assert!(world.is_good(&live));
    assert_eq!(world.admin.value(before), noted);
    // Nor does it show any.
    let test: serde_json::Value = serde_json::from_str(&issued).unwrap();
    let listed = "(select string_agg(id::text, ' ') from auth.list_sessions())";
    let shown = as_bearer(&mut world.session, member(&test, "access_token"), listed).unwrap().unwrap();
    assert_eq!(shown.split(' ').count(), 1);
    let all = as_bearer(&mut world.session, member(&live, "access_token"), listed).unwrap().unwrap();
    assert_eq!(all.split(' ').count(), 2);
}

#[test]
fn t480_no_hook_looks_into_temporary_tables_of_whoever_signs_in() {
    let mut world = World::with_mail();
    for (path, is_fit) in [
        ("app", false),
        ("pg_temp, app", false),
        ("\"app, pg_temp\"", false),
        ("app, pg_temp", true),
        ("pg_temp", true),
    ] {
        world.admin.run(&format!("alter function app.send_email(jsonb) set search_path = {path}"));
        let set = told(&mut world.admin, "select auth.set_hook('send_email', 'app.send_email')");
        let expected = if is_fit { "ok" } else { "22023 function has a value that is not allowed" };
        assert_eq!(set, expected, "{path}");
    }
}

#[test]
fn t485_a_session_from_long_ago_deletes_no_user() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    world.admin.run("update auth.sessions set created_at = created_at - interval '2 hours'");
    let next = world.refresh(member(&answer, "refresh_token"));
    let delete = format!("select auth.delete_user('{}')", id(&answer));
    let refused = world.as_user(&next, &delete).unwrap_err();
    assert_eq!(refused, "42501 whoever signed in long ago deletes no user");
    let again = world.sign_in("ada@example.com", PASSWORD);
    world.as_user(&again, &delete).unwrap();
    assert_eq!(world.sign_in("ada@example.com", PASSWORD)["error"], json!("invalid_grant"));
}
