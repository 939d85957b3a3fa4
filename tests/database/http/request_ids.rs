//! The id of an HTTP request in the server log, and nowhere else.

use super::world;
use crate::audit::requests::stated;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, server};
use postgres::error::DbError;
use postgres::{Client, NoTls};
use serde_json::Value;
use std::sync::{Arc, Mutex};

const ID: &str = "4f1c9a7be0d24c6f8a31b5d07e92c164";
const LINE: &str = "HTTP request ";

/// A session that has the library, with the number of its process.
fn loaded(mut session: Client) -> (Client, String) {
    session.run("select auth.is_authenticated()");
    let process = session.value("select pg_backend_pid()").unwrap();
    (session, process)
}

fn begin(session: &mut Client, headers: &str) {
    session.run("rollback; begin");
    session.execute("select set_config('request.headers', $1, true)", &[&headers]).unwrap();
}

fn with_id(session: &mut Client) {
    begin(session, &format!(r#"{{"x-request-id": "{ID}"}}"#));
}

/// What this process has logged after this many bytes of the log: one line for each line of its messages.
fn logged_since(process: &str, before: u64) -> Vec<String> {
    let mut is_its = false;
    let mut lines = Vec::new();
    for line in server().log_from(before).lines() {
        if !line.starts_with('\t') {
            is_its = line.contains(&format!("[{process}]"));
        }
        if is_its {
            lines.push(line.split_once("] ").map_or(line, |(_, said)| said).to_owned());
        }
    }
    lines
}

fn error(session: &mut Client, sql: &str) -> DbError {
    let failed = session.batch_execute(sql).expect_err(sql);
    failed.as_db_error().unwrap().clone()
}

#[test]
fn t607_no_request_id_is_a_line_of_its_own_in_the_log() {
    let db = Database::new();
    let (mut session, process) = loaded(db.tenant());
    // An error is logged with its statement, and here that is all there is.
    for (at, (headers, expected)) in stated().into_iter().enumerate() {
        begin(&mut session, &headers);
        let before = server().log_end();
        let told = error(&mut session, &format!("select 'n{at}'::int"));
        let mut lines = vec![format!("ERROR:  {} at character 8", told.message())];
        lines.extend(expected.map(|id| format!("DETAIL:  {LINE}{id}")));
        lines.push(format!("STATEMENT:  select 'n{at}'::int"));
        let seen: String = headers.chars().take(80).collect();
        assert_eq!(logged_since(&process, before), lines, "{seen}");
        assert_eq!(told.detail(), None, "{seen}");
    }
}

#[test]
fn t608_what_the_client_is_told_stays_as_it_is() {
    let db = Database::new();
    db.superuser()
        .run("create table public.once (a text unique); grant insert, select on public.once to tenant");
    let told = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&told);
    let mut config = db.config("tenant");
    config.notice_callback(move |notice| *hears.lock().unwrap() += &format!("{notice:?}"));
    let (mut session, process) = loaded(config.connect(NoTls).unwrap());
    let key = format!("sk_live_{}", "b2".repeat(33));
    let raised = "do $$ begin raise exception 'x' using detail = E'its\\nown', hint = 'h'; end $$";
    for (sql, detail, in_log) in [
        (raised.to_owned(), Some("its\nown"), "DETAIL:  its\n\town"),
        ("select 1/0".to_owned(), None, ""),
        // Masked before, and logged with its statement from within the hook.
        (
            format!("insert into public.once values ('{key}'), ('{key}')"),
            Some("Key (a)=(sk_live_***) already exists."),
            "DETAIL:  Key (a)=(sk_live_***) already exists.",
        ),
        ("select auth.authenticate('a canary, a canary')".to_owned(), None, ""),
        ("select auth.no_such_function()".to_owned(), None, ""),
    ] {
        with_id(&mut session);
        let before = server().log_end();
        let failed = error(&mut session, &sql);
        assert_eq!(failed.detail(), detail, "{sql}");
        assert!(!format!("{failed:?}").contains(ID), "{sql}: {failed:?}");
        let log = logged_since(&process, before).join("\n");
        let line = if in_log.is_empty() {
            format!("DETAIL:  {LINE}{ID}")
        } else {
            format!("{in_log}\n\t{LINE}{ID}")
        };
        assert!(log.contains(&line), "{sql}: {log}");
        assert!(!log.contains("canary") && !log.contains(&key), "{sql}: {log}");
    }
    // A warning reaches both.
    with_id(&mut session);
    let before = server().log_end();
    session
        .run("do $$ begin for n in 1..3 loop raise warning 'w' using detail = 'its own'; end loop; end $$");
    let log = logged_since(&process, before).join("\n");
    assert_eq!(log.matches(&format!("DETAIL:  its own\n\t{LINE}{ID}")).count(), 3, "{log}");
    let told = told.lock().unwrap();
    assert!(told.contains("its own") && !told.contains(ID), "{told}");
}

#[test]
fn t608_answers_of_postgrest_s_form_have_no_id_in_them() {
    let (db, _admin) = world::database("");
    let (mut session, process) = loaded(db.connect(&format!("{}_login", db.name)));
    for credential in ["", r#", "x-api-key": "sk_live_nothing""#] {
        begin(&mut session, &format!(r#"{{"x-request-id": "{ID}"{credential}}}"#));
        let before = server().log_end();
        let told = error(&mut session, "select auth.pre_request(); select auth.require_authenticated()");
        let detail: Value = serde_json::from_str(told.detail().unwrap()).unwrap();
        assert_eq!((told.code().code(), &detail["status"]), ("PGRST", &Value::from(401)), "{told:?}");
        assert!(!format!("{told:?}").contains(ID), "{told:?}");
        let log = logged_since(&process, before).join("\n");
        let line = format!("DETAIL:  {}\n\t{LINE}{ID}", told.detail().unwrap());
        assert!(log.contains(&line), "{log}");
        // So has the line that says why.
        let lines = if credential.is_empty() { 1 } else { 2 };
        assert_eq!(log.matches(&format!("{LINE}{ID}")).count(), lines, "{log}");
    }
}

#[test]
fn t609_the_log_has_the_id_of_no_other_request() {
    let db = Database::new();
    let (mut session, process) = loaded(db.tenant());
    let set = format!(r#"begin; set local request.headers = '{{"x-request-id": "{ID}"}}'"#);
    let failing = format!("{set}; select 1/0");
    error(&mut session, &failing);
    session.run("rollback");
    for before in ["select 1".to_owned(), format!("{set}; commit"), format!("{set}; rollback")] {
        session.run(&before);
        let lines = server().log_end();
        error(&mut session, "select 1/0");
        let log = logged_since(&process, lines).join("\n");
        assert!(log.contains("division") && !log.contains(LINE), "{before}: {log}");
    }
    assert_eq!(logged_since(&process, 0).join("\n").matches(&format!("{LINE}{ID}")).count(), 1);
}

#[test]
fn the_log_names_requests_in_statements_workers_and_every_form() {
    let db = Database::new();
    let (mut session, process) = loaded(db.superuser());
    session.run("create function fails(n int) returns int language plpgsql parallel safe as $$ begin raise 'worker'; end $$");
    let force = "select set_config(case when current_setting('server_version_num')::int < 160000 then 'force_parallel_mode'
                                        else 'debug_parallel_query' end, 'on', false)";
    for (settings, sql, least) in [
        ("set log_min_duration_statement = 0; set log_min_error_statement = panic", "select 'quiet'", 1),
        ("set log_statement = 'all'", "select 'quiet'", 1),
        (
            "set log_error_verbosity = verbose; set log_min_messages = debug5",
            "do $$ begin raise debug 'd'; end $$",
            1,
        ),
        // The worker's error, and the same again of its leader.
        (force, "select fails(1)", 2),
    ] {
        session.run(settings);
        with_id(&mut session);
        let before = server().log_end();
        assert_eq!(session.batch_execute(sql).is_err(), sql.contains("fails"), "{settings}");
        session.run("rollback; reset all");
        let log = server().log_from(before);
        assert!(log.matches(&format!("{LINE}{ID}")).count() >= least, "{settings}: {log}");
    }
    // What asks for terse lines has none.
    session.run("set log_error_verbosity = terse");
    with_id(&mut session);
    let before = server().log_end();
    error(&mut session, "select 1/0");
    let log = logged_since(&process, before).join("\n");
    assert!(log.contains("division") && !log.contains(LINE), "{log}");
}
