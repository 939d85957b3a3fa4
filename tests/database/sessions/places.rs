//! Places for hashing passwords, as those who sign in take them.

use super::session_callers::call;
use super::world::{PASSWORD, member, set_up};
use crate::tickets::world::connect;
use pg_bearer_tests::database::{Session, installation};
use postgres::Client;
use std::thread;
use std::time::{Duration, Instant};
use xtask::Server;

/// As much work as a hash may be, of nothing in particular.
const HEAVY: &str = "$argon2id$v=19$m=131072,t=6,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI";
/// The places of this server that somebody has, or waits at.
const TAKEN: &str =
    "select count(*) from pg_locks where locktype = 'object' and database = 0 and classid = 3592";
const SIGN_IN: &str = "select auth.sign_in_with_password('heavy@example.com', 'x')";

fn session(server: &Server) -> Client {
    connect(server.socket_dir(), "postgres", "postgres")
}

fn until(session: &mut Client, sql: &str, expected: &str) {
    let start = Instant::now();
    while session.value(sql).as_deref() != Some(expected) {
        assert!(start.elapsed() < Duration::from_secs(30), "{sql}: not {expected} in 30 seconds");
        thread::sleep(Duration::from_millis(2));
    }
}

/// One that hashes one password at a time, with a user whose password takes long.
fn server() -> Server {
    let settings = [("pg_bearer.password_workers", "1"), ("shared_preload_libraries", "pg_bearer")];
    let server = Server::start(installation(), "sessions-places", &settings).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    set_up(&mut session(&server), "postgres");
    let create = format!("select auth.create_user('heavy@example.com', password_hash => '{HEAVY}')");
    server.psql("postgres", &create).unwrap();
    server
}

#[test]
fn t136_whatever_ends_a_sign_in_frees_its_place_and_whoever_waits_holds_no_row() {
    let server = server();
    let mut watcher = session(&server);
    let begun = call(&mut watcher, &format!("sign_up('ada@example.com', '{PASSWORD}')"));
    let free = format!("sign_in_with_password('ada@example.com', '{PASSWORD}')");
    for how in ["cancel", "timeout", "terminate", "error", "rollback"] {
        let mut client = session(&server);
        let pid = client.value("select pg_backend_pid()").unwrap();
        let statement = match how {
            "timeout" => format!("set statement_timeout = 100; {SIGN_IN}, 1"),
            "error" => format!("{SIGN_IN}, 1 / 0 from pg_sleep(0)"),
            "rollback" => format!("begin; {SIGN_IN}; rollback"),
            _ => SIGN_IN.to_owned(),
        };
        thread::scope(|scope| {
            let working = scope.spawn(move || client.batch_execute(&statement).is_ok());
            match how {
                "cancel" | "terminate" => {
                    until(&mut watcher, TAKEN, "1");
                    let call = if how == "cancel" { "pg_cancel_backend" } else { "pg_terminate_backend" };
                    watcher.run(&format!("select {call}({pid})"));
                }
                _ => {}
            }
            assert_eq!(working.join().unwrap(), how == "rollback", "{how}");
        });
        until(&mut watcher, TAKEN, "0");
        assert!(call(&mut watcher, &free)["access_token"].is_string(), "{how}");
    }
    // Those who wait for a place have no transaction that others could wait for.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut seen = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut worker = session(&server);
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                worker.run(SIGN_IN);
            }
        });
        until(&mut watcher, TAKEN, "1");
        for statement in [
            free.clone(),
            format!("sign_up('bob@example.com', '{PASSWORD}')"),
            format!("change_password('{PASSWORD}', '{PASSWORD}')"),
        ] {
            let mut client = session(&server);
            let pid = client.value("select pg_backend_pid()").unwrap();
            client.run(&format!("begin; select auth.authenticate('{}')", member(&begun, "access_token")));
            let waiting = scope.spawn(move || {
                let _ = client.batch_execute(&format!("select auth.{statement}; rollback"));
            });
            let held = format!(
                "select concat(count(*) filter (where classid = 3592 and locktype = 'object') > 0, ' ',
                               count(*) filter (where locktype in ('transactionid', 'tuple')))
                   from pg_locks where pid = {pid}"
            );
            for _ in 0..40 {
                let found = watcher.value(&held).unwrap();
                assert!(!found.starts_with("t ") || found == "t 0", "{found}");
                seen += u32::from(found == "t 0");
                thread::sleep(Duration::from_millis(5));
            }
            waiting.join().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(seen > 0, "nobody was seen waiting");
    until(&mut watcher, TAKEN, "0");
}
