//! Servers that are killed while people sign up, refresh, sign out and are banned: what was acknowledged is so afterwards.

use super::session_callers::GONE;
use super::world::{PASSWORD, member, set_up};
use pg_bearer_tests::database::{Session, installation, rounds};
use pg_bearer_tests::refusal;
use postgres::{Client, Config, NoTls};
use serde_json::Value;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use xtask::Server;

const CLIENTS: usize = 4;

fn connect(server: &Server) -> Result<Client, postgres::Error> {
    let mut config = Config::new();
    config.host_path(server.socket_dir()).port(server.port()).dbname("postgres").user("postgres");
    config.application_name("crashing").connect(NoTls)
}

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// Answers whose session goes on, and the address.
    good: Vec<(String, Value)>,
    /// Answers whose session or user was ended.
    ended: Vec<Value>,
    /// Answers within transactions that were not told to commit, or did not.
    never: Vec<Value>,
}

/// What a call gives, if the server still answered; errors of SQL are none of the crash.
fn answer(session: &mut Client, sql: &str) -> Option<Value> {
    match session.query_one(&format!("select ({sql})::text"), &[]) {
        Ok(row) => Some(row.get::<_, Option<&str>>(0).map_or(Value::Null, |text| {
            if text.is_empty() { Value::Null } else { serde_json::from_str(text).unwrap() }
        })),
        Err(error) => {
            let crashed = error.as_db_error().is_none_or(|error| error.code().code().starts_with("57P"));
            assert!(crashed, "{error:?}");
            None
        }
    }
}

fn refresh(session: &mut Client, from: &Value) -> Option<Value> {
    answer(session, &format!("auth.refresh_session('{}')", member(from, "refresh_token")))
}

/// Ends this session in one of three ways.
fn end(session: &mut Client, begun: &Value, step: usize) -> Option<()> {
    let user = member(&begun["user"], "id");
    match step % 3 {
        0 => answer(session, &format!("select auth.ban_user('{user}')")),
        1 => answer(session, &format!("select auth.delete_user('{user}')")),
        _ => {
            let access = member(begun, "access_token");
            let block = format!(
                "begin; select auth.authenticate('{access}'); select auth.sign_out_session(); commit"
            );
            let done = session.batch_execute(&block);
            let crashed = |error: &postgres::Error| {
                error.as_db_error().is_none_or(|error| error.code().code().starts_with("57P"))
            };
            assert!(done.as_ref().err().is_none_or(crashed), "{done:?}");
            done.ok().map(|()| Value::Null)
        }
    }
    .map(drop)
}

/// Works until the server is gone.
fn work(session: &mut Client, name: &str, acknowledged: &AtomicUsize, told: &mut Told) -> Option<()> {
    for step in 0usize.. {
        let email = format!("u{step}.{name}@example.com");
        let begun = answer(session, &format!("auth.sign_up('{email}', '{PASSWORD}')"))?;
        match step % 4 {
            0 => told.good.push((email, begun)),
            1 => {
                let next = refresh(session, &begun)?;
                told.good.push((email, next));
            }
            2 => {
                end(session, &begun, step / 4)?;
                told.ended.push(begun);
            }
            _ => {
                session.batch_execute("begin").ok()?;
                let lost = refresh(session, &begun)?;
                told.never.push(lost);
                session.batch_execute("rollback").ok()?;
                told.good.push((email, begun));
            }
        }
        acknowledged.fetch_add(1, SeqCst);
    }
    None
}

/// A session, as soon as the server has recovered.
fn recovered(server: &Server) -> Client {
    let begin = Instant::now();
    loop {
        match connect(server) {
            Ok(session) => return session,
            Err(error) => assert!(begin.elapsed() < Duration::from_secs(60), "no recovery: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Has a server killed the work in its midst, with and without waiting for the disk at a commit.
fn crash(server: &Server, round: usize) -> Told {
    let sessions: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut session = connect(server).unwrap();
            session.run(&format!("set synchronous_commit = {}", ["off", "on"][number % 2]));
            session
        })
        .collect();
    let sql = "select string_agg(pid::text, ' ') from pg_stat_activity where application_name = 'crashing' and pid <> pg_backend_pid()";
    let victims = connect(server).unwrap().value(sql).unwrap();
    let victims: Vec<_> = victims.split(' ').collect();
    let acknowledged = AtomicUsize::new(0);
    let mut all = Told::default();
    thread::scope(|scope| {
        let acknowledged = &acknowledged;
        let working: Vec<_> = (0..)
            .zip(sessions)
            .map(|(at, mut session)| {
                scope.spawn(move || {
                    let mut told = Told::default();
                    let _ = work(&mut session, &format!("{round}.{at}"), acknowledged, &mut told);
                    told
                })
            })
            .collect();
        // Another moment in every round.
        while acknowledged.load(SeqCst) < 16 + round * 37 % 50 {
            assert!(!working.iter().all(thread::ScopedJoinHandle::is_finished), "nobody works");
            thread::sleep(Duration::from_micros(100));
        }
        if round % 5 == 4 {
            server.kill().unwrap();
        } else {
            let victim = victims[round * 7 % victims.len()];
            assert!(Command::new("kill").args(["-9", victim]).status().unwrap().success());
        }
        for client in working {
            let Told { good, ended, never } = client.join().unwrap();
            all.good.extend(good);
            all.ended.extend(ended);
            all.never.extend(never);
        }
    });
    if round % 5 == 4 {
        server.restart().unwrap();
    }
    all
}

fn is_good(session: &mut Client, answer: &Value) -> bool {
    match session.execute("select auth.authenticate($1)", &[&member(answer, "access_token")]) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(refusal(Err::<(), _>(error)), GONE);
            false
        }
    }
}

fn refreshes(session: &mut Client, from: &Value) -> bool {
    refresh(session, from).unwrap()["access_token"].is_string()
}

#[test]
fn t155_no_crash_loses_a_session_or_brings_one_back() {
    let settings = [
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        // What a commit does not wait for stays in memory for long.
        ("wal_writer_delay", "10s"),
        ("wal_writer_flush_after", "0"),
        ("log_min_messages", "fatal"),
    ];
    let server = Server::start(installation(), "sessions-crash", &settings).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    set_up(&mut connect(&server).unwrap(), "postgres");
    let mut all = (0, 0, 0);
    for round in 0..rounds(50).max(5) {
        let told = crash(&server, round);
        let mut session = recovered(&server);
        for (at, answer) in told.ended.iter().chain(&told.never).enumerate() {
            assert!(!is_good(&mut session, answer), "round {round}: {at} of {}", told.ended.len());
            assert!(!refreshes(&mut session, answer), "round {round}: {at} of {}", told.ended.len());
        }
        for (email, answer) in &told.good {
            assert!(is_good(&mut session, answer), "round {round}: {email}");
            assert!(refreshes(&mut session, answer), "round {round}: {email}");
        }
        // Users are whole: whoever is there signs in.
        if let Some((email, _)) = told.good.last() {
            let sign_in = format!("auth.sign_in_with_password('{email}', '{PASSWORD}')");
            assert!(answer(&mut session, &sign_in).unwrap()["access_token"].is_string());
        }
        let halves = "select count(*) from auth.users u where u.deleted_at is null
                         and not exists (select from auth.user_passwords p where p.user_id = u.id)";
        assert_eq!(session.value(halves).as_deref(), Some("0"), "round {round}");
        all = (all.0 + told.good.len(), all.1 + told.ended.len(), all.2 + told.never.len());
    }
    let least = rounds(50).max(5);
    assert!(all.0 > least && all.1 > least && all.2 > least, "too little was done: {all:?}");
}
