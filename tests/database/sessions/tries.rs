//! How often somebody may try, and that others' tries keep nobody out.

use super::session_callers::{call, refreshes};
use super::world::{NOT_REFRESHED, PASSWORD, World, set_up};
use crate::usage::world::{connect, counting_server};
use pg_bearer_tests::database::{Session, rounds};
use postgres::Client;
use serde_json::Value;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use xtask::Server;

const INVALID: &str = "invalid_grant";
const TOO_MANY: &str = "too_many_requests";

/// A server that counts in memory, and believes what clients of its socket say of those before them.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| counting_server("sessions-tries", &[("pg_bearer.trusted_proxies", "local")]))
}

/// A database of its own, with ada in it; sessions of an administrator and of somebody without rights.
fn counting(settings: &[&str]) -> (Client, Client) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("tries_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    server().psql("postgres", &format!("create database {name}")).unwrap();
    server().psql(&name, "create extension pg_bearer").unwrap();
    let mut admin = connect(server().socket_dir(), &name, "postgres");
    set_up(&mut admin, &name);
    for setting in ["max_sign_in_tries", "max_sign_in_tries_per_network", "max_mails"] {
        admin.run(&format!("alter database {name} reset pg_bearer.{setting}"));
    }
    for setting in settings {
        admin.run(&format!("alter database {name} set pg_bearer.{setting}"));
    }
    admin.run(&format!("select auth.create_user('Ada@Example.com', '{PASSWORD}')"));
    (connect(server().socket_dir(), &name, "postgres"), connect(server().socket_dir(), &name, "tenant"))
}

/// What signing in with these gives: the error, or `ok`.
fn sign_in(session: &mut Client, email: &str, password: &str) -> String {
    let answer = call(session, &format!("sign_in_with_password('{email}', '{password}')"));
    answer["error"].as_str().unwrap_or("ok").to_owned()
}

fn come_from(session: &mut Client, address: &str) {
    session.run(&format!("set request.headers = '{{\"x-forwarded-for\": \"{address}\"}}'"));
}

#[test]
fn t134_no_rollback_takes_a_try_back() {
    let (_, mut session) = counting(&[]);
    for (at, (before, after)) in [
        ("begin", "rollback"),
        ("begin", "commit"),
        ("begin; savepoint s", "rollback to s; commit"),
        ("begin isolation level serializable", "rollback"),
    ]
    .into_iter()
    .cycle()
    .take(10)
    .enumerate()
    {
        session.run(before);
        assert_eq!(sign_in(&mut session, "ada@example.com", "wrong"), INVALID, "{at}");
        session.run(after);
    }
    let answer = call(&mut session, &format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"));
    assert_eq!(answer["error"], TOO_MANY);
    let seconds = answer["retry_after"].as_i64().unwrap();
    assert!((1..=900).contains(&seconds), "{answer}");
    // In a request of PostgREST with the status, and nothing to keep.
    session.run("begin; set local request.method = 'POST'");
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), TOO_MANY);
    assert_eq!(session.value("select current_setting('response.status')").as_deref(), Some("429"));
    let headers = session.value("select current_setting('response.headers')").unwrap();
    assert!(headers.contains("Retry-After") && headers.contains("no-store"), "{headers}");
    session.run("rollback");
    // A cancelled one counts too, and an error after it.
    assert_eq!(sign_in(&mut session, "bob@example.com", "wrong"), INVALID);
    for _ in 0..9 {
        let failing =
            "select 1 / length(left(auth.sign_in_with_password('bob@example.com', 'wrong')::text, 0))";
        assert!(session.refused(failing).starts_with("22012 "));
    }
    assert_eq!(sign_in(&mut session, "bob@example.com", "wrong"), TOO_MANY);
}

#[test]
fn t134_one_statement_tries_no_more_often_than_many() {
    let (_, mut session) = counting(&["password_time = 0"]);
    let many = rounds(10_000);
    let sql = format!(
        "select count(*) filter (where e = '{INVALID}') || ' ' || count(*) filter (where e = '{TOO_MANY}')
           from (select auth.sign_in_with_password('ada@example.com', n::text) ->> 'error' as e
                   from generate_series(1, {many}) n) t"
    );
    assert_eq!(session.value(&sql), Some(format!("10 {}", many - 10)));
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), TOO_MANY);
}

#[test]
fn t134_all_spellings_of_an_address_count_together() {
    let (_, mut session) = counting(&[]);
    for email in
        ["ada@example.com", "ADA@EXAMPLE.COM", "Ada@Example.com", "aDa@example.com", "ada@Example.COM"]
    {
        for _ in 0..2 {
            assert_eq!(sign_in(&mut session, email, "wrong"), INVALID);
        }
    }
    for email in ["ada@example.com", "ADA@example.com", "adA@example.com"] {
        assert_eq!(sign_in(&mut session, email, PASSWORD), TOO_MANY);
    }
    // Others are of nobody.
    for email in [
        " ada@example.com",
        "ada@example.com ",
        "ada@example.com.",
        "\u{e4}da@example.com",
        "ada@e\u{212a}ample.com",
    ] {
        assert_eq!(sign_in(&mut session, email, PASSWORD), INVALID, "{email}");
    }
}

#[test]
fn t134_no_number_of_addresses_makes_one_forgotten() {
    let (_, mut session) = counting(&["password_time = 0"]);
    for _ in 0..10 {
        assert_eq!(sign_in(&mut session, "ada@example.com", "wrong"), INVALID);
    }
    let many = rounds(1000);
    session.run(&format!(
        "select count(auth.sign_in_with_password('u' || n || '@example.com', 'x')) from generate_series(1, {many}) n"
    ));
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), TOO_MANY);
}

#[test]
fn t134_whoever_signed_in_from_a_network_is_not_kept_out_by_others() {
    let (_, mut session) = counting(&["password_time = 0"]);
    come_from(&mut session, "203.0.113.7");
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), "ok");
    for bot in 0..12 {
        come_from(&mut session, &format!("198.51.100.{bot}"));
        let expected = if bot < 9 { INVALID } else { TOO_MANY };
        assert_eq!(sign_in(&mut session, "ada@example.com", "wrong"), expected, "{bot}");
    }
    come_from(&mut session, "192.0.2.1");
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), TOO_MANY);
    come_from(&mut session, "203.0.113.7");
    for _ in 0..9 {
        assert_eq!(sign_in(&mut session, "ADA@example.com", "wrong"), INVALID);
    }
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), "ok");
    // There, too, no more than so many.
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), TOO_MANY);
}

#[test]
fn t134_a_network_has_so_many_tries_for_all_addresses() {
    let (_, mut session) = counting(&["password_time = 0", "max_sign_in_tries_per_network = 20"]);
    come_from(&mut session, "2001:db8:1:2:3::4");
    for n in 0..16 {
        assert_eq!(sign_in(&mut session, &format!("u{n}@example.com"), "wrong"), INVALID);
    }
    for call in [
        "sign_in_anonymously()",
        "sign_up('new@example.com', 'a long password')",
        "redeem_token('x')",
        "redeem_token(null)",
    ] {
        session.run(&format!("begin; select auth.{call}; rollback"));
    }
    come_from(&mut session, "2001:db8:1:2:ffff::1");
    for text in [
        "sign_in_anonymously()",
        "sign_up('new@example.com', 'a long password')",
        "redeem_token('x')",
        &format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"),
    ] {
        assert_eq!(call(&mut session, text)["error"], TOO_MANY, "{text}");
    }
    come_from(&mut session, "2001:db8:1:3::1");
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), "ok");
}

#[test]
fn t134_a_client_from_nowhere_is_no_client_that_is_known() {
    let (_, mut session) = counting(&["password_time = 0"]);
    // Ada signed in from where nobody knows, and so do those who guess.
    assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), "ok");
    for _ in 0..9 {
        assert_eq!(sign_in(&mut session, "ada@example.com", "wrong"), INVALID);
    }
    assert_eq!(sign_in(&mut session, "ada@example.com", "wrong"), TOO_MANY);
    for forged in ["unknown", "", "' or true"] {
        session.run(&format!(
            "set request.headers = '{{\"x-forwarded-for\": \"{}\"}}'",
            forged.replace('\'', "''")
        ));
        assert_eq!(sign_in(&mut session, "ada@example.com", PASSWORD), TOO_MANY, "{forged}");
    }
}

#[test]
fn t134_without_memory_a_table_counts_what_is_committed() {
    let mut world = World::new();
    super::session_callers::set(&mut world, "max_sign_in_tries = 5");
    world.sign_up("ada@example.com");
    let wrong =
        |world: &mut World| world.sign_in("ADA@example.com", "wrong")["error"].as_str().unwrap().to_owned();
    for (before, after) in [("begin", "rollback"), ("begin; savepoint s", "rollback to s; commit")] {
        for _ in 0..10 {
            world.session.run(before);
            assert_eq!(wrong(&mut world), INVALID);
            world.session.run(after);
        }
    }
    // Signing up was the first.
    for _ in 0..4 {
        assert_eq!(wrong(&mut world), INVALID);
    }
    let limited = world.sign_in("ada@example.com", PASSWORD);
    assert_eq!(limited["error"], TOO_MANY);
    assert!((800..=900).contains(&limited["retry_after"].as_i64().unwrap()), "{limited}");
    let many = "select string_agg(distinct auth.sign_in_with_password('bob@example.com', n::text) ->> 'error', ' '), count(*)
                  from generate_series(1, 50) n";
    let row = world.session.query_one(many, &[]).unwrap();
    assert_eq!(row.get::<_, &str>(0), format!("{INVALID} {TOO_MANY}"));
    let kept = world.admin.value("select count(*) from auth.sign_in_tries").unwrap();
    assert_eq!(kept, "10");
    // Little by little there are more.
    world.admin.run("update auth.sign_in_tries set tried_at = tried_at - interval '15 min', expires_at = expires_at - interval '15 min'");
    assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
}

#[test]
fn t134_no_client_sets_what_limits_it() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let loaded = world.session.value(
        "select string_agg(name, ' ') from pg_settings where name like 'pg_bearer.%' and category like 'Customized%'",
    );
    for name in loaded.unwrap().split(' ').filter(|name| !name.contains("identity")) {
        let refused = world.session.refused(&format!("set {name} = '0'"));
        assert!(
            refused.starts_with("42501 ") || refused.starts_with("55P02 ") || refused.starts_with("22023 "),
            "{refused}"
        );
    }
    // Nor before there is a library that would say so.
    for setting in [
        "max_sign_in_tries = 1000000",
        "session_idle_time = 0",
        "refresh_reuse_grace = 300",
        "user_creation = anonymous",
        "confirm_email = off",
    ] {
        let mut fresh = world.db.tenant();
        fresh.run(&format!("set pg_bearer.{setting}"));
        let found = call(&mut fresh, "refresh_session('x')");
        assert_eq!(found, serde_json::from_str::<Value>(NOT_REFRESHED).unwrap());
        let name = setting.split(' ').next().unwrap();
        let value = fresh.value(&format!("show pg_bearer.{name}")).unwrap();
        let wanted = setting.rsplit(' ').next().unwrap();
        let is_default = value == "anonymous" && wanted == "anonymous";
        assert!(value != wanted || is_default, "{setting}: {value}");
    }
    assert!(refreshes(&mut world, &answer));
}
