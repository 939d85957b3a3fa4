//! Credentials and secrets wherever they do not belong, on a server that preloads the library.

use super::cases::{CREDENTIALS, SECRETS, SETTINGS, SETUP};
use super::{canary, unique};
use pg_bearer_tests::database::{Session, assert_contains, installation};
use pg_bearer_tests::token::*;
use postgres::error::ErrorPosition;
use postgres::{Client, Config, NoTls};
use serde_json::json;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use xtask::Server;

/// A server of its own, which has the library from its start.
pub(super) fn start(name: &str) -> Server {
    let settings = [
        ("shared_preload_libraries", "pg_bearer,auto_explain"),
        ("log_connections", "on"),
        ("max_prepared_transactions", "5"),
    ];
    let server = Server::start(installation(), name, &settings).unwrap();
    let issuer =
        format!("select auth.add_issuer('{ISSUER}'); select auth.add_jwt_secret('{ISSUER}', '{SECRET}')");
    server.psql("postgres", &format!("create extension pg_bearer; {issuer}; {SETUP}")).unwrap();
    server
}

fn config(server: &Server) -> Config {
    let mut config = Config::new();
    config.host_path(server.socket_dir()).port(server.port()).dbname("postgres").user("postgres");
    config
}

/// A session, and what it was told.
pub(super) fn connect(server: &Server) -> (Client, Arc<Mutex<String>>) {
    let told = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&told);
    let mut config = config(server);
    config.notice_callback(move |notice| *hears.lock().unwrap() += &format!("{notice:?}\n"));
    (config.connect(NoTls).unwrap(), told)
}

/// A text that occurs once, and whose end does not.
fn random(length: usize) -> String {
    let seed = hs256_raw("{}", &unique().to_string());
    let text: String = seed.rsplit('.').next().unwrap().chars().filter(char::is_ascii_alphanumeric).collect();
    text.repeat(length / text.len() + 1)[..length].to_owned()
}

/// A token, a key, an invitation, and such as were broken, cut off or mistyped.
fn credentials() -> Vec<String> {
    let token = || hs256(&with(claims_a(), json!({"jti": random(12)})));
    let key = || format!("sk_live_{}", random(66));
    let halves = |text: String| (text[..text.len() / 2].to_owned(), text[text.len() / 2..].to_owned());
    let (head, tail) = halves(token());
    vec![
        token(),
        key(),
        format!("inv_{}", random(43)),
        format!("ticket.{}", random(120)),
        head,
        format!("{}\n{tail}", token().split('.').next().unwrap()),
        key()[..50].to_owned(),
        token().replace('.', "%2E"),
    ]
}

/// Parts of the secret: of its middle and of its end.
fn canaries(credential: &str) -> [String; 2] {
    let middle = credential.len() / 2;
    [credential[middle..middle + 16].to_owned(), credential[credential.len() - 16..].to_owned()]
}

pub(super) fn assert_hides(text: &str, canaries: &[String], context: &str) {
    for canary in canaries {
        let line = text.lines().find(|line| line.contains(canary.as_str()));
        assert_eq!(line, None, "{context}: {canary}");
    }
}

/// Runs every case with this credential: its secret part is nowhere, its name is in the log, each error once.
fn misplace(server: &Server, settings: &str, cases: &[&str], credential: &str) {
    let canaries = canaries(credential);
    let (mut session, _) = connect(server);
    session.run(&format!("select auth.is_authenticated(); {settings}"));
    let before = server.log_end();
    let (mut names, mut errors) = (Vec::new(), 0);
    for case in cases {
        let name = format!("control_{}", unique());
        let error = session.batch_execute(&case.replace("{c}", credential).replace("{n}", &name)).err();
        errors += usize::from(error.is_some());
        assert_hides(&format!("{error:?}"), &canaries, case);
        names.push((case, name));
        session.run("rollback; deallocate all");
    }
    let log = server.log_from(before);
    assert_hides(&log, &canaries, settings);
    for (case, name) in names {
        assert!(log.contains(&name), "{settings}: nothing of {case} for {credential} in {log}");
    }
    assert_eq!(log.matches("ERROR:  ").count(), errors, "{settings}: {log}");
    assert!(errors > cases.len() / 2, "{errors}");
}

#[test]
fn t280_no_misplaced_credential_reaches_the_log_or_whoever_is_told_of_a_logged_error() {
    let server = start("misplaced");
    for settings in SETTINGS {
        for credential in credentials() {
            misplace(&server, settings, CREDENTIALS, &credential);
        }
    }
}

#[test]
fn t280_the_log_as_csv_is_masked_too() {
    let settings = [
        ("shared_preload_libraries", "pg_bearer"),
        ("logging_collector", "on"),
        ("log_destination", "csvlog"),
    ];
    let server = Server::start(installation(), "csv", &settings).unwrap();
    let (mut session, _) = connect(&server);
    let token = token_a();
    session.refused(&format!("select '{token}' as control from from"));
    let dir = server.socket_dir().join("data/log");
    let read = || -> String {
        let files = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path());
        let csv = files.filter(|file| file.extension().is_some_and(|extension| extension == "csv"));
        csv.map(|file| std::fs::read_to_string(file).unwrap()).collect()
    };
    let begin = Instant::now();
    while !read().contains("\"select 'eyJ***' as control from from\"") {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", read());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_hides(&read(), &canaries(&token), "csv");
    assert_eq!(read().matches("syntax error").count(), 1);
}

#[test]
fn t281_no_literal_of_a_call_that_takes_a_secret_reaches_the_log() {
    let server = start("calls");
    for settings in SETTINGS {
        for secret in [
            format!("a secret of nobody, number {:>12}, and so on", unique()),
            hex(&random(32)),
            format!("Schlüssel und Größe {:>12} naiv, unicod {:>12}", unique(), unique()),
        ] {
            misplace(&server, settings, SECRETS, &secret);
        }
    }
}

#[test]
fn t281_every_function_that_takes_a_secret_is_known() {
    let server = start("complete");
    let (mut session, _) = connect(&server);
    session.run("select auth.is_authenticated()");
    // Also in the body of a request, which has no name where PostgREST is to pass it on whole.
    let takers = "select distinct n.nspname || '.' || p.proname
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
             unnest(coalesce(p.proargnames, '{\"\"}'), p.proargtypes::oid[]) a(name, type)
       where n.nspname in ('auth', 'auth_internal', 'auth_http')
         and (a.type in ('text'::regtype, 'bytea'::regtype)
              and a.name in ('credential', 'token', 'key', 'secret', 'hash', 'password', 'material', 'jwks', 'jwt', 'client_secret',
                             'new_password', 'current_password', 'refresh_token')
              or a.type = 'jsonb'::regtype and a.name in ('', 'body'))";
    let takers: Vec<String> = session.query(takers, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(takers.len() > 15, "{takers:?}");
    for function in ["auth.update_password", "auth_http.token_password", "auth_internal.supabase_call"] {
        assert!(takers.iter().any(|taker| taker == function), "{function}: {takers:?}");
    }
    for function in takers {
        let secret = format!("nothing to see here, {:>12}", unique());
        session.refused(&format!("select {function}('{secret}') from nowhere_{}", unique()));
        assert!(
            !server.log().contains(&secret),
            "{function} is missing from the list in src/verify/masking/names.rs"
        );
    }
    // And one that takes none shows what it is given.
    session.refused("select auth.in_org('nothing to see here either') from nowhere");
    assert_contains(server.log(), "nothing to see here either");
}

#[test]
fn t281_literals_of_what_was_prepared_or_calls_through_another_function_are_hidden() {
    let server = start("prepared");
    let (mut session, _) = connect(&server);
    session.run("create function add(i text, s text) returns void language plpgsql as 'begin perform auth.add_jwt_secret(i, s); end'");
    session.run("set log_statement = 'all'; prepare p as select auth.add_jwt_secret($1, $2)");
    let secrets = [1, 2].map(|_| format!("a secret of this length {:>12}", unique()));
    session.run(&format!("execute p('{ISSUER}', '{}')", secrets[0]));
    session.run("reset log_statement");
    session.refused(&format!("select add('nobody', '{}') as control", secrets[1]));
    let log = server.log();
    assert_hides(&log, &secrets, "prepared");
    assert_contains(&log, "statement: execute p('***', '***')");
    assert_contains(&log, "STATEMENT:  select add('***', '***') as control");
}

#[test]
fn t282_bound_credentials_are_hidden_in_messages_and_among_parameters() {
    let server = start("bound");
    let (mut session, _) = connect(&server);
    for settings in SETTINGS {
        session.run(&format!("reset all; {settings}; set log_parameter_max_length_on_error = -1"));
        let secret = format!("a bound secret that nobody knows, {:>12}", unique());
        let mut all = credentials();
        all.push(secret);
        for credential in all {
            let canaries = canaries(&credential);
            let is_plain = credential.starts_with("a bound");
            let name = format!("control_{}", unique());
            let sql = if is_plain {
                [
                    "select auth.add_jwt_secret('i', $1), 1/0 as {n}",
                    "select auth.add_jwt_key('i', $1::json::text) as {n}",
                    "select auth.import_api_key('k', $1::uuid::text, null) as {n}",
                ]
            } else {
                [
                    "select $1::text::int as {n}",
                    "select $1::text::json as {n}",
                    "select auth.set_org($1::text::uuid::text) as {n}",
                ]
            };
            for sql in sql {
                let error = session.query(&sql.replace("{n}", &name), &[&credential]).unwrap_err();
                assert_hides(&format!("{error:?}"), &canaries, sql);
            }
            let log = server.log();
            assert_contains(&log, &name);
            assert_hides(&log, &canaries, settings);
        }
    }
}

#[test]
fn t282_lines_of_copy_are_masked() {
    let server = start("copy");
    let (mut session, _) = connect(&server);
    for credential in credentials().into_iter().filter(|credential| !credential.contains('\n')) {
        let canaries = canaries(&credential);
        let name = format!("control_{}", unique());
        for line in [
            format!("{credential}\tno number {name}\n"),
            format!("x\t{credential} {name}\n"),
            format!("{credential} {name}\n"),
        ] {
            let mut copy = session.copy_in("copy misplaced from stdin").unwrap();
            copy.write_all(line.as_bytes()).unwrap();
            let error = copy.finish().unwrap_err();
            assert_hides(&format!("{error:?}"), &canaries, &line);
        }
        assert_hides(&server.log(), &canaries, "copy");
        assert_contains(server.log(), &name);
    }
    let _ = session.copy_out("copy misplaced to stdout").unwrap().read_to_end(&mut Vec::new());
}

#[test]
fn t283_positions_and_the_statement_itself_stay_as_they_were() {
    let server = start("positions");
    let (mut session, told) = connect(&server);
    let token = token_a();
    let mut position =
        |sql: &str| session.batch_execute(sql).unwrap_err().as_db_error().unwrap().position().cloned();
    let sql = format!("select 'ä{token}' from from");
    let place = u32::try_from(sql.chars().count() - 3).unwrap();
    assert_eq!(position(&sql), Some(ErrorPosition::Original(place)));
    let inner = format!("do $$ begin execute 'select ''ä{token}'' from from'; end $$");
    let query = "select 'äeyJ***' from from".to_owned();
    let place = u32::try_from(query.chars().count() - 3).unwrap();
    assert_eq!(position(&inner), Some(ErrorPosition::Internal { position: place, query }));
    // What is logged on the way changes nothing of what runs.
    let sql = format!("select misplaced_log('{token}'), current_query()");
    session.run("create function misplaced_log(t text) returns void language plpgsql as 'begin raise log $$%$$, t; raise warning $$%$$, t; end'");
    let row = session.simple_query(&sql).unwrap();
    assert!(format!("{row:?}").contains(&token));
    let told = told.lock().unwrap().clone();
    assert!(told.contains("eyJ***") && !told.contains(canary(&token)), "{told}");
    assert_eq!(server.log().matches("LOG:  eyJ***").count(), 1);
    assert_contains(server.log(), "STATEMENT:  select misplaced_log('eyJ***'), current_query()");
}

#[test]
fn t284_a_long_statement_is_logged_by_its_beginning_and_its_end() {
    let server = start("long");
    let (mut session, _) = connect(&server);
    let (token, name) = (token_a(), format!("control_{}", unique()));
    let sql = format!("select 1/0, '{token}' as {name}, '{}' as {name}_end", "x ".repeat(50_000_000));
    let begin = Instant::now();
    session.refused(&sql);
    let took = begin.elapsed();
    let log = server.log();
    assert_hides(&log, &canaries(&token), "long");
    assert_contains(&log, &format!("STATEMENT:  select 1/0, 'eyJ***' as {name}, 'x x"));
    assert_contains(&log, &format!("x ' as {name}_end\n"));
    assert!(log.len() < 200_000, "{}", log.len());
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn t285_nobody_blanks_their_own_statements() {
    let server = start("blank");
    let (mut session, _) = connect(&server);
    for sql in [
        "/* eyJ */ select 'an evil deed', 1/0",
        "/* eyJhbGciOiJub25lIn0 */ select 'an evil deed', 1/0",
        "select 'an evil deed', 1/0, 'sk_live_0123456789abcdefghijABCDEFGHIJ'",
        "select an_evil_deed(), auth.authenticate('x')",
        "set pg_bearer.identity = an_evil_deed",
    ] {
        let before = server.log_end();
        session.refused(sql);
        let log = server.log_from(before).replace('_', " ");
        assert_contains(log.split("STATEMENT:").nth(1).unwrap(), "an evil deed");
    }
}

#[test]
fn t286_what_a_failed_process_was_running_is_masked() {
    let server = start("killed");
    for (call, control) in [
        (format!("auth.authenticate('{}')", token_a()), "control_one"),
        (format!("auth.add_jwt_secret('nobody', 'a secret of this length {:>12}')", unique()), "control_two"),
        (format!("length('sk_live_{}')", random(66)), "control_three"),
    ] {
        let (mut session, _) = connect(&server);
        let pid = session.value("select pg_backend_pid()").unwrap();
        let sql = format!("select pg_sleep(60) as {control}; select {call}");
        let sleeping = std::thread::spawn(move || session.batch_execute(&sql));
        let begin = Instant::now();
        let waiting =
            format!("select count(*) from pg_stat_activity where pid = {pid} and wait_event = 'PgSleep'");
        while server.psql("postgres", &waiting).unwrap().trim() != "1" {
            assert!(begin.elapsed() < Duration::from_secs(30), "it does not sleep");
        }
        // A connection can still succeed before the server notices.
        let starts = |server: &Server| server.log().matches("ready to accept connections").count();
        let before = starts(&server);
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        sleeping.join().unwrap().unwrap_err();
        while starts(&server) == before || config(&server).connect(NoTls).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(60), "no recovery");
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = server.log();
        assert_contains(&log, &format!("Failed process was running: select pg_sleep(60) as {control}"));
        assert_hides(&log, &[call[call.len() - 18..call.len() - 2].to_owned()], control);
    }
}

#[test]
fn t287_credentials_in_the_parameters_of_a_connection_are_masked() {
    let server = start("connections");
    for credential in credentials().into_iter().filter(|credential| !credential.contains('\n')) {
        let options = format!("-c work_mem={credential}");
        let errors = [
            config(&server).user(&credential).connect(NoTls).err(),
            config(&server).dbname(&credential).connect(NoTls).err(),
            config(&server).options(&options).connect(NoTls).err(),
        ];
        for error in errors {
            assert_hides(&format!("{:?}", error.unwrap()), &canaries(&credential), "connection");
        }
        assert_hides(&server.log(), &canaries(&credential), "connection");
    }
    assert_contains(server.log(), "FATAL:  role \"eyJ***\" does not exist");
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
