//! Passwords and refresh tokens are where they belong, and nowhere else.

use super::session_callers::call;
use super::world::{PASSWORD, member, set_up};
use pg_bearer_tests::database::{Session, installation};
use postgres::{Client, Config, NoTls};
use std::sync::{Arc, Mutex};
use xtask::Server;

const SETTINGS: &[&str] = &[
    "set log_statement = 'all'",
    "set log_min_duration_statement = 0",
    "set log_min_duration_statement = 0; set log_parameter_max_length = -1; set log_parameter_max_length_on_error = -1",
    "set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on; set auto_explain.log_analyze = on; set auto_explain.log_verbose = on",
    "set log_min_messages = debug5; set log_error_verbosity = verbose; set log_min_error_statement = debug5",
    "set debug_print_parse = on; set debug_print_plan = on; set client_min_messages = debug1",
];

/// Calls with the password, the new one and the refresh token as parameters.
const CALLS: &[&str] = &[
    "select auth.sign_in_with_password('ada@example.com', $1) is not null, length($2) + length($3)",
    "select auth.sign_up('ada@example.com', $1) is not null, length($2) + length($3)",
    "select auth.sign_up('not an address', $1) is not null, length($2) + length($3)",
    "select auth.change_password($1, $2), length($3)",
    "select auth.redeem_token($3, $2), length($1)",
    "select auth.refresh_session($3), length($1) + length($2)",
    "select auth.create_user('eve' || random() || '@example.com', $1), length($2) + length($3)",
    "select auth.create_user('eve@example.com', password_hash => $1), length($2) + length($3)",
    "select 1 / (length(auth.sign_in_with_password('ada@example.com', $1)::text) * 0), length($2) + length($3)",
    "select 1 / (length(auth.refresh_session($3)::text) * 0), length($2) + length($1)",
];

/// Of one's own: what is a password there, nobody knows, but refresh tokens are known by what they look like.
const WRAPPER: &str = "
create function public.refreshed(token text) returns void language plpgsql as $$
begin
    perform auth.refresh_session(token);
    perform 1 / 0;
end $$";

fn config(server: &Server) -> Config {
    let mut config = Config::new();
    config.host_path(server.socket_dir()).port(server.port()).dbname("postgres").user("postgres");
    config
}

fn connect(server: &Server) -> (Client, Arc<Mutex<String>>) {
    let told = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&told);
    let mut config = config(server);
    config.notice_callback(move |notice| *hears.lock().unwrap() += &format!("{notice:?}\n"));
    (config.connect(NoTls).unwrap(), told)
}

/// Asserts that none of these is in a text.
fn assert_hides(text: &str, canaries: &[&str], context: &str) {
    for canary in canaries {
        let at = text.lines().position(|line| line.contains(canary));
        let around =
            |at: usize| text.lines().skip(at.saturating_sub(2)).take(3).collect::<Vec<_>>().join("\n");
        assert_eq!(at.map(around), None, "{context}: {canary}");
    }
}

#[test]
fn t138_bound_passwords_and_refresh_tokens_are_nowhere_to_be_read() {
    let settings = [("shared_preload_libraries", "pg_bearer,auto_explain"), ("max_connections", "30")];
    let server = Server::start(installation(), "sessions-canaries", &settings).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    set_up(&mut connect(&server).0, "postgres");
    server.psql("postgres", WRAPPER).unwrap();
    let mut watcher = connect(&server).0;
    let mut made = call(&mut watcher, &format!("sign_up('ada@example.com', '{PASSWORD}')"));
    let mut failed = 0;
    for (at, settings) in SETTINGS.iter().enumerate() {
        let (mut session, told) = connect(&server);
        session.run(&format!("select auth.uid(); {settings}"));
        let pid = session.value("select pg_backend_pid()").unwrap();
        let password = format!("Zq7canaryOne{at}xKvT");
        let new_password = format!("Wb3canaryTwo{at}yLpR");
        let token = member(&made, "refresh_token").to_owned();
        let canaries = [password.as_str(), new_password.as_str(), &token[40..70]];
        let before = server.log_end();
        for sql in CALLS {
            if let Err(error) = session.query(*sql, &[&password, &new_password, &token]) {
                failed += 1;
                let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
                let said = format!("{} {:?} {:?}", error.message(), error.detail(), error.hint());
                assert_hides(&said, &canaries, sql);
                if !settings.contains("on_error") {
                    assert_hides(&format!("{error:?}"), &canaries, sql);
                }
            }
            let activity = "select query from pg_stat_activity where pid = ";
            let seen = watcher.value(&format!("{activity}{pid}")).unwrap();
            assert_hides(&seen, &canaries, sql);
        }
        session.query("select public.refreshed($1)", &[&token]).unwrap_err();
        let prepared = "select coalesce(string_agg(p::text, ' '), '') from pg_prepared_statements p";
        assert_hides(&session.value(prepared).unwrap(), &canaries, "prepared");
        let cursors = "select coalesce(string_agg(c::text, ' '), '') from pg_cursors c";
        assert_hides(&session.value(cursors).unwrap(), &canaries, "cursors");
        assert_hides(&told.lock().unwrap(), &canaries, settings);
        assert_hides(&server.log_from(before), &canaries, settings);
        let tables = "select string_agg(t::text, ' ') from (select s::text from auth.sessions s
            union all select p::text from auth.user_passwords p union all select a::text from auth.audit_log a
            union all select u::text from auth.users u union all select m::text from auth.minted_tokens m) t";
        assert_hides(&watcher.value(tables).unwrap(), &canaries, "tables");
        made = call(&mut watcher, &format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"));
    }
    assert!(failed > 3 * SETTINGS.len(), "{failed}");
}

#[test]
fn t138_literals_are_masked_in_the_log() {
    let settings = [("shared_preload_libraries", "pg_bearer,auto_explain"), ("log_statement", "all")];
    let server = Server::start(installation(), "sessions-literals", &settings).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    set_up(&mut connect(&server).0, "postgres");
    let mut session = connect(&server).0;
    let made = call(&mut session, "sign_up('ada@example.com', 'Zq7canaryOneOfMine')");
    let token = member(&made, "refresh_token").to_owned();
    let before = server.log_end();
    let calls = [
        "auth.sign_in_with_password('ada@example.com', 'Zq7canaryOneOfMine')",
        "auth.sign_up('bob@example.com', 'Zq7canaryOneOfMine')",
        "auth.change_password('Zq7canaryOneOfMine', 'Wb3canaryTwoOfMine')",
        "auth.redeem_token('x', 'Wb3canaryTwoOfMine')",
        "auth.create_user('eve@example.com', 'Wb3canaryTwoOfMine')",
        &format!("auth.refresh_session('{token}')"),
    ];
    for call in calls {
        for form in [
            format!("select {call}"),
            format!("select * from {call}"),
            format!("select {call}, 1/0"),
            format!("do $do$ begin perform {call}; end $do$"),
            format!("do $do$ begin perform {call}; perform 1/0; end $do$"),
            format!("prepare p as select {call}; execute p"),
            format!("begin; declare c cursor for select {call}; fetch all from c; commit"),
            format!("explain analyze select {call}"),
            format!("create temp table t as select {call} as x; drop table t"),
            format!("select {call} from from"),
        ] {
            let _ = session.batch_execute(&form);
            session.run("rollback; deallocate all");
        }
    }
    let log = server.log_from(before);
    assert!(log.contains("sign_in_with_password"), "{log}");
    assert_hides(&log, &["canaryOne", "canaryTwo", &token[40..70]], "log");
}
