//! Servers that are killed while tokens are made and revoked: what was acknowledged is so afterwards.

use super::world::*;
use pg_bearer_tests::database::{Session, installation, rounds};
use pg_bearer_tests::token::*;
use postgres::{Client, Config, NoTls};
use serde_json::json;
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
    good: Vec<String>,
    ended: Vec<String>,
    /// Signed in transactions that were not told to commit, or did not.
    never: Vec<String>,
}

/// The row of a statement, if the server still answered; errors of SQL are none of the crash.
fn answer<T>(said: Result<T, postgres::Error>) -> Option<T> {
    said.map_err(|error| {
        let crashed = error.as_db_error().is_none_or(|error| error.code().code().starts_with("57P"));
        assert!(crashed, "{error:?}");
    })
    .ok()
}

fn minted(session: &mut Client, user: &str) -> Option<String> {
    answer(session.query_one("select auth.issue_jwt($1)", &[&user])).map(|row| row.get(0))
}

/// Revokes in turn by each way. `None`: nobody knows.
fn revoke(session: &mut Client, token: &str, user: &str, step: usize) -> Option<u64> {
    answer(match step % 3 {
        0 => session.execute("select auth.revoke_token($1)", &[&token]),
        1 => session.execute("select auth.revoke_user($1)", &[&user]),
        _ => session.execute("select auth.remove_user($1)", &[&user]),
    })
}

/// Works until the server is gone.
fn work(mut session: Client, name: &str, acknowledged: &AtomicUsize) -> Told {
    let mut told = Told::default();
    for step in 0usize.. {
        let user = format!("{name} {step}");
        // Foreign ones have no row: there is nothing but the revocation.
        let token = if step % 2 == 0 { minted(&mut session, &user) } else { Some(foreign(&user, json!({}))) };
        let Some(token) = token else { break };
        if step % 4 == 2 {
            told.good.push(token);
        } else if step % 8 == 4 {
            if answer(session.batch_execute("begin")).is_none() {
                break;
            }
            let Some(token) = minted(&mut session, &user) else { break };
            told.never.push(token);
            if answer(session.batch_execute("rollback")).is_none() {
                break;
            }
        } else if revoke(&mut session, &token, &user, step).is_some() {
            told.ended.push(token);
        } else {
            break;
        }
        acknowledged.fetch_add(1, SeqCst);
    }
    told
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
    let mut told = Told::default();
    thread::scope(|scope| {
        let acknowledged = &acknowledged;
        let working: Vec<_> = (0..)
            .zip(sessions)
            .map(|(at, session)| scope.spawn(move || work(session, &format!("{round}.{at}"), acknowledged)))
            .collect();
        // Another moment in every round.
        while acknowledged.load(SeqCst) < 20 + round * 37 % 150 {
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
            told.good.extend(good);
            told.ended.extend(ended);
            told.never.extend(never);
        }
    });
    if round % 5 == 4 {
        server.restart().unwrap();
    }
    told
}

#[test]
fn t397_no_crash_loses_a_revocation_or_makes_a_token_that_was_not_committed() {
    let settings = [
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        // What a commit does not wait for stays in memory for long.
        ("wal_writer_delay", "10s"),
        ("wal_writer_flush_after", "0"),
        ("log_min_messages", "fatal"),
    ];
    let server = Server::start(installation(), "revoking_crash", &settings).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    let mut session = connect(&server).unwrap();
    set_up(&mut session);
    session.run(&format!(
        "select auth.add_issuer('{STRICT_ISSUER}'), auth.add_jwt_secret('{STRICT_ISSUER}', '{SECRET}')"
    ));
    let mut all = (0, 0, 0);
    for round in 0..rounds(50).max(5) {
        let told = crash(&server, round);
        let mut session = recovered(&server);
        let context = format!("round {round}");
        let refs = |tokens: &[String]| tokens.iter().map(String::clone).collect::<Vec<_>>();
        for token in refs(&told.ended).iter().chain(&told.never) {
            assert_eq!(verdict(&mut session, token), REFUSED, "{context}");
        }
        for token in &told.good {
            assert_eq!(verdict(&mut session, token), GOOD, "{context}");
        }
        all = (all.0 + told.good.len(), all.1 + told.ended.len(), all.2 + told.never.len());
    }
    let least = 3 * rounds(50);
    assert!(all.0 > least && all.1 > least && all.2 > least, "too little was done: {all:?}");
}
