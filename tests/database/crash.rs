//! Servers that are killed while keys are created, rotated and revoked: what was acknowledged is so afterwards.

use pg_bearer_tests::database::{Session, installation, rounds};
use postgres::{Client, Config, NoTls};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use xtask::Server;

const CLIENTS: usize = 6;

fn connect(server: &Server) -> Result<Client, postgres::Error> {
    Config::new()
        .host_path(server.socket_dir())
        .port(server.port())
        .dbname("postgres")
        .user("postgres")
        .application_name("crashing")
        .connect(NoTls)
}

/// What the clients were told.
#[derive(Default)]
struct Told {
    /// Keys that work, by their id.
    good: BTreeMap<String, String>,
    /// Keys that must not work any more.
    ended: Vec<String>,
    /// Whether these were ended nobody was told.
    in_doubt: Vec<String>,
}

impl Told {
    fn join(&mut self, other: Told) {
        self.good.extend(other.good);
        self.ended.extend(other.ended);
        self.in_doubt.extend(other.in_doubt);
    }
}

/// The row of a statement that returns an id and a key, when there was an answer.
fn made(session: &mut Client, sql: &str) -> Option<(String, String)> {
    let row = answer(session.query_one(sql, &[]))?;
    Some((row.get(0), row.get(1)))
}

/// What the server said, if it still did; errors of SQL are none of the crash.
fn answer<T>(said: Result<T, postgres::Error>) -> Option<T> {
    said.map_err(|error| {
        let crashed = error.as_db_error().is_none_or(|error| error.code().code().starts_with("57P"));
        assert!(crashed, "{error:?}");
    })
    .ok()
}

/// Works in autocommit until the server is gone.
fn work(mut session: Client, org: &str, acknowledged: &AtomicUsize) -> Told {
    let mut told = Told::default();
    for step in 0usize.. {
        let done = match (step % 6, told.good.pop_first()) {
            (1, Some((id, key))) => {
                let rotate = format!("select id::text, key from auth.rotate_api_key('{id}')");
                end(&mut told, key, made(&mut session, &rotate).map(Some))
            }
            (3, Some((id, key))) => {
                let revoke = format!("select auth.revoke_api_key('{id}')");
                end(&mut told, key, answer(session.execute(&revoke, &[])).map(|_| None))
            }
            (4, Some((id, key))) => {
                // No client of a test has an address.
                let narrow =
                    format!("select auth.update_api_key('{id}', allowed_cidrs => '{{192.0.2.1/32}}')");
                end(&mut told, key, answer(session.execute(&narrow, &[])).map(|_| None))
            }
            (_, kept) => {
                told.good.extend(kept);
                let create = format!(
                    "select id::text, key from auth.create_api_key('a key', '{org}', role => 'member')"
                );
                made(&mut session, &create).map(|made| told.good.extend([made])).is_some()
            }
        };
        if !done {
            break;
        }
        acknowledged.fetch_add(1, SeqCst);
    }
    told
}

/// Notes that a key was ended, and the one that took its place; without an answer nothing is known.
fn end(told: &mut Told, key: String, answer: Option<Option<(String, String)>>) -> bool {
    let answered = answer.is_some();
    if answered {
        told.ended.push(key)
    } else {
        told.in_doubt.push(key)
    }
    told.good.extend(answer.flatten());
    answered
}

/// Asserts that a server killed the work in its midst. With and without waiting for the disk at a commit.
fn crash(server: &Server, round: usize, told: &mut Told) {
    let mut observer = connect(server).unwrap();
    let org = observer.value("select auth.create_organization('o')").unwrap();
    let sessions: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut session = connect(server).unwrap();
            let durable = if number % 2 == 0 { "off" } else { "on" };
            session.run(&format!("set synchronous_commit = {durable}"));
            session
        })
        .collect();
    let victims = observer
        .value("select string_agg(pid::text, ' ') from pg_stat_activity where application_name = 'crashing'")
        .unwrap();
    let victims: Vec<_> = victims.split(' ').collect();
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (org, acknowledged) = (&*org, &acknowledged);
        let working: Vec<_> = sessions
            .into_iter()
            .map(|session| scope.spawn(move || work(session, org, acknowledged)))
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
        working.into_iter().for_each(|client| told.join(client.join().unwrap()));
    });
    if round % 5 == 4 {
        server.restart().unwrap();
    }
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

/// How many of these keys are good, and how many of them authenticate.
fn good(session: &mut Client, keys: &[&String]) -> (i64, i64) {
    session.run("drop table if exists asked; create temp table asked (key text)");
    session.execute("insert into asked select unnest($1::text[])", &[&keys]).unwrap();
    session.run(
        "drop function if exists pg_temp.authenticates;
         create function pg_temp.authenticates(key text) returns boolean language plpgsql as $$
         begin
             perform auth.authenticate(key);
             return true;
         exception when invalid_authorization_specification then
             return false;
         end $$",
    );
    let sql = "select count(*) filter (where (select valid from auth.check_api_key(key))),
                      count(*) filter (where pg_temp.authenticates(key)) from asked";
    let row = session.query_one(sql, &[]).unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn t097_no_crash_loses_a_key_or_brings_one_back() {
    let settings = [
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        // What a commit does not wait for stays in memory for long.
        ("wal_writer_delay", "10s"),
        ("wal_writer_flush_after", "0"),
        ("pg_bearer.max_api_keys", "1000000"),
        ("log_min_messages", "fatal"),
    ];
    let server = Server::start(installation(), "crash", &settings).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    let mut told = Told::default();
    for round in 0..rounds(200) {
        crash(&server, round, &mut told);
        let mut session = recovered(&server);
        let count = |keys: usize| i64::try_from(keys).unwrap();
        let keys: Vec<_> = told.good.values().collect();
        let context = format!("round {round}: {} good, {} ended", keys.len(), told.ended.len());
        assert_eq!(good(&mut session, &keys), (count(keys.len()), count(keys.len())), "{context}");
        assert_eq!(good(&mut session, &told.ended.iter().collect::<Vec<_>>()), (0, 0), "{context}");
        // Without the indexes, which would find only what they know.
        session
            .run("set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off");
        let doubles = "select count(*) - count(distinct key_hash) + count(*) - count(distinct public_id)
                              + count(*) - count(distinct id) from auth.api_keys";
        assert_eq!(session.value(doubles).as_deref(), Some("0"), "{context}");
        // No more than one for each client is there that nobody was told of, and none is half there.
        let known = told.good.len() + told.ended.len() + told.in_doubt.len();
        let stored: usize = session.value("select count(*) from auth.api_keys").unwrap().parse().unwrap();
        assert!(stored >= known && stored <= known + CLIENTS * (round + 1), "{context}: {stored} stored");
        let halves = "select count(*) from auth.api_keys k full join auth.api_key_uses u on u.key_id = k.id
                       where k.id is null or u.key_id is null";
        assert_eq!(session.value(halves).as_deref(), Some("0"), "{context}");
    }
    assert!(told.ended.len() > 3 * rounds(200), "too little was done: {}", told.ended.len());
}
