//! Hashing passwords: what is answered, how many at once, and how long an answer takes.

use crate::tickets::world::connect;
use pg_bearer_tests::database::{Session, assert_values, installation};
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use xtask::Server;

/// As much work as a hash may be, of nothing in particular.
const HEAVY: &str = "$argon2id$v=19$m=131072,t=6,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI";
const BCRYPT: &str = "$2b$04$LDR6TPgUvBIcO2e4ltf9WuCg.JhaAcNDGAggie5uDavFF.eInGxua";
const NOT_ALLOWED: &str = "22023 password has a value that is not allowed";
const TOO_MANY: &str = "53400 too many passwords are being checked";
const CANCELED: &str = "57014 canceling statement due to statement timeout";
/// The places of this server that somebody has, or waits at.
const TAKEN: &str =
    "select count(*) from pg_locks where locktype = 'object' and database = 0 and classid = 3592";

/// A server that hashes one password at a time.
fn server(name: &str) -> Server {
    let settings = [("pg_bearer.password_workers", "1"), ("max_connections", "50")];
    let server = Server::start(installation(), name, &settings).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    server
}

fn session(server: &Server) -> Client {
    connect(server.socket_dir(), "postgres", "postgres")
}

fn verify(password: &str, hash: &str) -> String {
    format!("select auth_internal.verify_password('{password}', '{hash}')")
}

fn wait_until(session: &mut Client, sql: &str) {
    let start = Instant::now();
    while session.value(sql).as_deref() != Some("t") {
        assert!(start.elapsed() < Duration::from_secs(30), "{sql}: not in 30 seconds");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_password_matches_its_hash_alone() {
    let db = Database::new();
    let mut session = db.superuser();
    let hash = session.value("select auth_internal.hash_password('correct horse')").unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(session.value("select auth_internal.hash_password('correct horse')").unwrap(), hash);
    let needs = |password: &str, hash: &str| {
        format!("select auth_internal.password_needs_rehash('{password}', '{hash}')")
    };
    assert_values(
        &mut session,
        &[
            (&verify("correct horse", &hash), Some("t")),
            (&verify("correct horsf", &hash), Some("f")),
            (&verify("correct horse battery staple", BCRYPT), Some("t")),
            (&needs("correct horse", &hash), Some("f")),
            (&needs("correct horse battery staple", BCRYPT), Some("t")),
            ("select auth_internal.password_needs_rehash('a', null)", Some("f")),
            (&format!("select auth_internal.is_password_hash('{hash}')"), Some("t")),
            (&format!("select auth_internal.is_password_hash('{BCRYPT}')"), Some("t")),
            ("select auth_internal.is_password_hash('')", Some("f")),
            ("select auth_internal.is_password_hash(repeat('$', 1000000))", Some("f")),
            ("select auth_internal.is_password_hash(null)", None),
        ],
    );
    session.run("set pg_bearer.password_memory = '16MB'; set pg_bearer.password_passes = 3");
    assert_eq!(session.value(&needs("correct horse", &hash)).as_deref(), Some("t"));
    assert_eq!(session.value(&verify("correct horse", &hash)).as_deref(), Some("t"));
    let other = session.value("select auth_internal.hash_password('correct horse')").unwrap();
    assert!(other.starts_with("$argon2id$v=19$m=16384,t=3,p=1$"), "{other}");
}

#[test]
fn t137_nothing_matches_where_there_is_no_hash_or_no_password() {
    let db = Database::new();
    let mut session = db.superuser();
    let hash = session.value("select auth_internal.hash_password('a')").unwrap();
    for (password, hash) in [
        ("'a'", "null".to_owned()),
        ("'a'", "''".to_owned()),
        ("''", "null".to_owned()),
        ("''", "''".to_owned()),
        ("null", "null".to_owned()),
        ("null", format!("'{hash}'")),
        ("''", format!("'{hash}'")),
        ("repeat('a', 1025)", format!("'{hash}'")),
        ("repeat('a', 10000000)", format!("'{hash}'")),
        ("'a'", "repeat('a', 10000000)".to_owned()),
        ("'a'", format!("'{hash}$'")),
    ] {
        let sql = format!("select auth_internal.verify_password({password}, {hash})");
        assert_eq!(session.value(&sql).as_deref(), Some("f"), "{sql}");
    }
    for password in ["null", "''", "repeat('a', 1025)", "repeat('a', 10000000)"] {
        let sql = format!("select auth_internal.hash_password({password})");
        assert_eq!(session.refused(&sql), NOT_ALLOWED, "{sql}");
    }
    session.run("select auth_internal.hash_password(repeat('a', 1024))");
}

#[test]
fn t136_one_more_than_may_work_and_wait_is_refused_and_nobody_waits_for_long() {
    let server = server("passwords-many");
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..14 {
            scope.spawn(|| {
                let mut client = session(&server);
                // Loads the library.
                client.run("select auth_internal.is_password_hash('')");
                for _ in 0..5 {
                    let start = Instant::now();
                    let answer = client.query_one(&verify("a", HEAVY), &[]).map(|row| row.get::<_, bool>(0));
                    let is_refused = answer.is_err();
                    answers.lock().unwrap().push((start.elapsed(), answer));
                    if is_refused {
                        break;
                    }
                }
            });
        }
    });
    let (refused, answered): (Vec<_>, Vec<_>) =
        answers.into_inner().unwrap().into_iter().partition(|(_, answer)| answer.is_err());
    assert!(!answered.is_empty(), "nobody was answered");
    assert!(answered.into_iter().all(|(_, answer)| matches!(answer, Ok(false))));
    let mut times = Vec::new();
    for (time, answer) in refused {
        assert_eq!(refusal(answer), TOO_MANY);
        times.push(time);
    }
    // One works and eight wait.
    let at_once = times.iter().filter(|time| **time < Duration::from_millis(1500)).count();
    let later = times.iter().filter(|time| **time >= Duration::from_millis(1990)).count();
    assert!(at_once >= 1 && later >= 1 && at_once + later == times.len(), "{times:?}");
    assert!(times.iter().all(|time| *time < Duration::from_secs(10)), "{times:?}");
    let mut other = session(&server);
    assert_values(
        &mut other,
        &[(&verify("correct horse battery staple", BCRYPT), Some("t")), (TAKEN, Some("0"))],
    );
}

#[test]
fn t136_a_place_is_free_when_its_query_is_done_whatever_becomes_of_it() {
    let server = server("passwords-freed");
    let mut watcher = session(&server);
    let mut client = session(&server);
    // Within a transaction that goes on.
    client.run("begin isolation level read committed");
    client.run(&verify("a", BCRYPT));
    client.run("do $$ begin perform auth_internal.verify_password('a', null); end $$");
    assert_eq!(watcher.value(TAKEN).as_deref(), Some("0"));
    client.run("rollback");
    // Cancelled while it waits, and caught.
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut worker = session(&server);
            let until = Instant::now() + Duration::from_secs(3);
            while Instant::now() < until {
                worker.run(&format!("select {0}, {0}, {0}", verify("a", HEAVY).replace("select ", "")));
            }
        });
        wait_until(&mut watcher, &format!("select ({TAKEN}) = 1"));
        client.run("begin; set local statement_timeout = 100; savepoint s");
        let mut refused = client.refused(&verify("a", HEAVY));
        // It may have had its turn between two of the worker's.
        while refused != CANCELED {
            client.run("rollback to s");
            refused = client.refused(&verify("a", HEAVY));
        }
        client.run("rollback to s");
        let own = format!("{TAKEN} and pid = pg_backend_pid()");
        assert_eq!(client.value(&own).as_deref(), Some("0"));
        client.run("rollback");
    });
    assert_eq!(watcher.value(TAKEN).as_deref(), Some("0"));
}

#[test]
fn t136_a_session_that_is_ended_leaves_no_place_taken() {
    let server = server("passwords-ended");
    let mut watcher = session(&server);
    let mut client = session(&server);
    let pid = client.value("select pg_backend_pid()").unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let sql = "select auth_internal.verify_password('a', h) from (values ($1)) v (h), generate_series(1, 100)";
            assert!(client.query(sql, &[&HEAVY]).is_err());
        });
        wait_until(&mut watcher, &format!("select ({TAKEN}) = 1"));
        watcher.run(&format!("select pg_terminate_backend({pid})"));
    });
    wait_until(&mut watcher, &format!("select ({TAKEN}) = 0"));
    assert_eq!(watcher.value(&verify("correct horse battery staple", BCRYPT)).as_deref(), Some("t"));
}

#[test]
fn an_answer_takes_a_multiple_of_the_time_that_is_set() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("set pg_bearer.password_time = 400");
    for (started, least, most) in [
        ("clock_timestamp()", 395, 2000),
        ("clock_timestamp() - interval '100 ms'", 295, 1900),
        ("clock_timestamp() - interval '500 ms'", 295, 1900),
        ("clock_timestamp() + interval '1 hour'", 395, 2000),
        ("clock_timestamp() - interval '1 hour'", 395, 2000),
        ("'infinity'", 395, 2000),
        ("'-infinity'", 395, 2000),
        ("null", 395, 2000),
    ] {
        let start = Instant::now();
        session.run(&format!("select auth_internal.wait_for_answer({started})"));
        let taken = start.elapsed().as_millis();
        assert!((least..most).contains(&taken), "{started}: {taken} ms");
    }
    session.run("set pg_bearer.password_time = 0");
    let start = Instant::now();
    session.run("select auth_internal.wait_for_answer(clock_timestamp())");
    assert!(start.elapsed() < Duration::from_millis(300));
    session.run("set pg_bearer.password_time = '10s'; set statement_timeout = 100");
    assert_eq!(session.refused("select auth_internal.wait_for_answer(now())"), CANCELED);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn t135_a_client_weakens_no_hash_by_a_value_from_before_the_library_was_loaded() {
    let db = Database::new();
    let mut owner = db.superuser();
    owner.run("grant usage on schema auth_internal to tenant; grant execute on all functions in schema auth_internal to tenant");
    let mut session = db.tenant();
    session.run("set pg_bearer.password_memory = '8MB'; set pg_bearer.password_passes = 1");
    let hash = session.value("select auth_internal.hash_password('correct horse')").unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"), "{hash}");
    for setting in ["workers", "memory", "passes", "time", "min_length"] {
        let refused = session.refused(&format!("set pg_bearer.password_{setting} = 9000"));
        assert!(refused.starts_with("42501 ") || refused.starts_with("55P02 "), "{refused}");
    }
}

#[test]
fn t135_no_hash_that_is_taken_holds_its_place_for_long() {
    let db = Database::new();
    let mut session = db.superuser();
    let bcrypt = BCRYPT.replace("$04$", "$13$");
    for hash in
        [HEAVY, &HEAVY.replace("p=1", "p=16"), &HEAVY.replace("m=131072,t=6", "m=1024,t=768"), &bcrypt]
    {
        assert_eq!(
            session.value(&format!("select auth_internal.is_password_hash('{hash}')")).as_deref(),
            Some("t")
        );
        let start = Instant::now();
        assert_eq!(session.value(&verify("a", hash)).as_deref(), Some("f"));
        // A second or less, with room for a machine that does other things.
        assert!(start.elapsed() < Duration::from_secs(5), "{hash}: {:?}", start.elapsed());
    }
    for more in [HEAVY.replace("t=6", "t=7"), HEAVY.replace("p=1", "p=255"), bcrypt.replace("$13$", "$31$")] {
        let start = Instant::now();
        assert_eq!(session.value(&verify("a", &more)).as_deref(), Some("f"));
        assert!(start.elapsed() < Duration::from_secs(2), "{more}: {:?}", start.elapsed());
        assert_eq!(
            session.value(&format!("select auth_internal.is_password_hash('{more}')")).as_deref(),
            Some("f")
        );
    }
}
