//! A real PgBouncer in transaction mode: many clients share a few sessions, and none sees another's rows.

mod leftovers;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::pooler::Pooler;
use pg_bearer_tests::token::*;
use postgres::Client;
use postgres::types::Type;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ORGANIZATIONS: u32 = 100;
const CLIENTS: u32 = 24;
const SESSIONS: u32 = 4;
const DURATION: Duration = Duration::from_secs(20);

fn org(number: u32) -> String {
    format!("0c000000-0000-4000-8000-{number:012}")
}

/// Organization `number` has ten rows, in which its number is written.
fn rows_of(number: u32) -> Vec<(i32, String)> {
    let number = i32::try_from(number).unwrap();
    (1..=10).map(|n| (number * 100 + n, org(number.unsigned_abs()))).collect()
}

fn database() -> Database {
    let db = Database::new();
    db.superuser().run(&format!(
        "create table papers (id int primary key, org_id uuid not null);
         insert into papers select org * 100 + n, ('0c000000-0000-4000-8000-' || lpad(org::text, 12, '0'))::uuid
           from generate_series(1, {ORGANIZATIONS}) org, generate_series(1, 10) n;
         create index on papers (org_id);
         alter table papers owner to table_owner;
         alter table papers enable row level security;
         alter table papers force row level security;
         create policy own_organization on papers using (auth.in_org(org_id)) with check (auth.in_org(org_id));
         grant select, insert, update, delete on papers to tenant"
    ));
    db
}

/// Good tokens by organization, and bad ones.
struct Tokens {
    good: Vec<String>,
    bad: Vec<String>,
}

impl Tokens {
    fn new() -> Tokens {
        let claims =
            |number: u32| with(claims_a(), json!({"sub": format!("user {number}"), "org_id": org(number)}));
        let expired = with(claims(1), json!({"iat": now() - 7200, "exp": now() - 3600}));
        let stranger = with(claims(1), json!({"iss": "https://stranger.example"}));
        let forged =
            hs256_with(b"another secret, as long as the real", r#"{"alg":"HS256"}"#, &claims(1).to_string());
        let bad = vec![hs256(&expired), hs256(&stranger), forged, "a.b.c".into(), String::new()];
        Tokens { good: (0..=ORGANIZATIONS).map(|number| hs256(&claims(number))).collect(), bad }
    }
}

/// One client of the pooler, and what it has done.
struct Application<'a> {
    db: &'a Database,
    pooler: &'a Pooler,
    tokens: &'a Tokens,
    session: Client,
    random: u32,
    done: BTreeMap<&'static str, u32>,
}

/// Prepared transactions are few, and their names are the whole server's.
static PREPARING: Mutex<()> = Mutex::new(());

impl Application<'_> {
    fn random(&mut self, below: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random % below
    }

    fn run(&mut self, sql: &str) {
        self.session.run(sql);
    }

    fn authenticate(&mut self, token: &str) -> Result<(), postgres::Error> {
        // Unnamed: a prepared statement of one client would be looked for in the session of another.
        self.session.query_typed("select auth.authenticate($1)", &[(&token, Type::TEXT)]).map(drop)
    }

    /// Begins a transaction for an organization.
    fn begin(&mut self, number: u32) {
        self.run("begin");
        let tokens = self.tokens;
        self.authenticate(&tokens.good[number as usize]).unwrap();
    }

    fn refused(&mut self, sql: &str, sqlstate: &str) {
        let refusal = self.session.refused(sql);
        assert!(refusal.starts_with(sqlstate), "{sql}: {refusal}");
    }

    /// Asserts that these are exactly the rows of the organization, or none.
    fn sees(&mut self, number: Option<u32>, reader: &str) {
        let rows = self.session.query_typed(reader, &[]).unwrap();
        let rows: Vec<(i32, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(rows, number.map(rows_of).unwrap_or_default(), "LEAK for {number:?} by {reader}");
    }

    fn reads(&mut self, number: Option<u32>) {
        self.sees(number, "select id, org_id::text from public.papers order by id");
        let row =
            self.session.query_typed_one("select auth.current_org()::text, auth.user_id()", &[]).unwrap();
        let identity: (Option<String>, Option<String>) = (row.get(0), row.get(1));
        assert_eq!(identity, (number.map(org), number.map(|number| format!("user {number}"))), "LEAK");
    }

    /// Does one thing that applications do.
    fn act(&mut self, number: u32) {
        let other = 1 + self.random(ORGANIZATIONS);
        let what = match self.random(14) {
            0 | 1 => self.reads_and_commits(number),
            2 => self.has_no_token(),
            3 => self.forgets_to_begin(number),
            4 => self.has_a_bad_token(number),
            5 => self.rolls_back_to_a_savepoint(number, other),
            6 => self.fails_in_the_middle(number),
            7 => self.prepares_a_transaction(number),
            8 => self.reads_through_a_cursor(number),
            9 => self.tries_a_held_cursor(number),
            10 => self.leaves_in_the_middle(number),
            11 => self.breaks_off_in_the_middle(number),
            12 => self.runs_into_a_timeout(number),
            _ => self.acts_for_two(number, other),
        };
        *self.done.entry(what).or_default() += 1;
    }

    fn reads_and_commits(&mut self, number: u32) -> &'static str {
        self.begin(number);
        self.reads(Some(number));
        let writes = self
            .session
            .query_typed("update public.papers set org_id = org_id returning id, org_id::text", &[]);
        assert_eq!(writes.unwrap().len(), 10, "LEAK");
        self.run("commit");
        "good token"
    }

    fn has_no_token(&mut self) -> &'static str {
        self.run("begin");
        self.reads(None);
        self.run("commit");
        self.reads(None);
        "no token"
    }

    fn forgets_to_begin(&mut self, number: u32) -> &'static str {
        let tokens = self.tokens;
        self.authenticate(&tokens.good[number as usize]).unwrap();
        self.reads(None);
        "no transaction"
    }

    fn has_a_bad_token(&mut self, number: u32) -> &'static str {
        let tokens = self.tokens;
        let bad = &tokens.bad[self.random(5) as usize];
        self.run("begin");
        assert_eq!(self.authenticate(bad).unwrap_err().code().unwrap().code(), "28000");
        self.run("rollback");
        self.begin(number);
        self.run("savepoint s");
        assert!(self.authenticate(bad).is_err());
        self.run("rollback to s");
        self.reads(Some(number));
        self.run("rollback");
        "bad token"
    }

    fn rolls_back_to_a_savepoint(&mut self, number: u32, other: u32) -> &'static str {
        let tokens = self.tokens;
        self.begin(number);
        self.run("savepoint s");
        self.authenticate(&tokens.good[other as usize]).unwrap();
        self.reads(Some(other));
        self.run("rollback to s");
        self.reads(Some(number));
        self.run("commit");
        "savepoint"
    }

    fn fails_in_the_middle(&mut self, number: u32) -> &'static str {
        self.begin(number);
        self.reads(Some(number));
        self.refused("select 1 / 0", "22012");
        self.run("rollback");
        self.reads(None);
        "error"
    }

    fn prepares_a_transaction(&mut self, number: u32) -> &'static str {
        let _one_at_a_time = PREPARING.lock();
        self.begin(number);
        self.reads(Some(number));
        self.run("prepare transaction 'pooled'");
        self.reads(None);
        self.run("rollback prepared 'pooled'");
        "prepare transaction"
    }

    fn reads_through_a_cursor(&mut self, number: u32) -> &'static str {
        self.begin(number);
        self.run("declare c cursor for select id, org_id::text from public.papers order by id; move 0 in c");
        self.refused_in_savepoint("select auth.sign_out()", "55006");
        self.sees(Some(number), "fetch all from c");
        self.run("close c; commit");
        "cursor"
    }

    fn tries_a_held_cursor(&mut self, number: u32) -> &'static str {
        self.begin(number);
        self.refused_in_savepoint(
            "declare h cursor with hold for select id, org_id::text from public.papers",
            "55006",
        );
        self.reads(Some(number));
        self.run("commit");
        assert_eq!(
            self.session.query_typed("select 1 from pg_cursors where is_holdable", &[]).unwrap().len(),
            0
        );
        "held cursor"
    }

    fn refused_in_savepoint(&mut self, sql: &str, sqlstate: &str) {
        self.run("savepoint s");
        self.refused(sql, sqlstate);
        self.run("rollback to s");
    }

    fn leaves_in_the_middle(&mut self, number: u32) -> &'static str {
        self.begin(number);
        self.reads(Some(number));
        self.session = self.pooler.connect(self.db);
        self.reads(None);
        "client that leaves"
    }

    /// A connection that breaks while the server is still busy with it.
    fn breaks_off_in_the_middle(&mut self, number: u32) -> &'static str {
        let mut socket = UnixStream::connect(self.pooler.socket()).unwrap();
        let tokens = self.tokens;
        let startup = format!("\0\x03\0\0user\0tenant\0database\0{}\0\0", self.db.name);
        let query = format!(
            "begin; select auth.authenticate('{}'); select pg_sleep(0.01)\0",
            tokens.good[number as usize]
        );
        let length = |text: &str| u32::try_from(text.len() + 4).unwrap().to_be_bytes();
        socket.write_all(&[&length(&startup)[..], startup.as_bytes()].concat()).unwrap();
        socket.write_all(&[b"Q", &length(&query)[..], query.as_bytes()].concat()).unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(self.random(10))));
        drop(socket);
        self.reads(None);
        "connection that breaks"
    }

    fn runs_into_a_timeout(&mut self, number: u32) -> &'static str {
        self.begin(number);
        self.run("set local statement_timeout = 5");
        self.refused("select count(*), pg_sleep(1) from public.papers", "57014");
        self.run("rollback");
        self.reads(None);
        "timeout"
    }

    fn acts_for_two(&mut self, number: u32, other: u32) -> &'static str {
        let tokens = self.tokens;
        self.begin(number);
        self.reads(Some(number));
        self.authenticate(&tokens.good[other as usize]).unwrap();
        self.reads(Some(other));
        self.run("select auth.sign_out()");
        self.reads(None);
        self.run("commit");
        "two organizations"
    }
}

#[test]
fn t015_t016_pooled_clients_see_the_rows_of_their_own_organization() {
    let db = database();
    let pooler = Pooler::start(SESSIONS);
    let tokens = Tokens::new();
    let failed = AtomicBool::new(false);
    let end = Instant::now() + DURATION;
    let counts = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let session = pooler.connect(&db);
                let random = 0x9E37_79B9_u32.wrapping_mul(client + 1);
                let (db, pooler, tokens, failed) = (&db, &pooler, &tokens, &failed);
                scope.spawn(move || {
                    let mut app = Application { db, pooler, tokens, session, random, done: BTreeMap::new() };
                    // Some clients know two organizations, some a hundred, so that the same ones meet often.
                    let known = 2 + client * (ORGANIZATIONS - 2) / (CLIENTS - 1);
                    let failing = Failing(failed);
                    while Instant::now() < end && !failed.load(Ordering::Relaxed) {
                        let number = 1 + app.random(known);
                        app.act(number);
                    }
                    std::mem::forget(failing);
                    app.done
                })
            })
            .collect();
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for client in clients {
            for (what, count) in client.join().unwrap() {
                *counts.entry(what).or_default() += count;
            }
        }
        counts
    });
    drop(pooler);
    let transactions = transactions(&db);
    println!(
        "{transactions} transactions of {CLIENTS} clients over {SESSIONS} sessions and no leak: {counts:?}"
    );
    assert_eq!(counts.len(), 13, "not everything was tried");
    assert!(transactions > 1000, "only {transactions} transactions in {DURATION:?}");
}

/// How many transactions have ended in a database.
fn transactions(db: &Database) -> i64 {
    let sql = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
    db.superuser().value(sql).unwrap().parse().unwrap()
}

/// Tells the other clients to stop when one of them panics.
struct Failing<'a>(&'a AtomicBool);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// PostgreSQL's temporary tables belong to the session, and so to whomever the pooler gives it next; no
/// policy guards them. Who copies rows there must say `on commit drop`, or the database must not allow them.
#[test]
fn t020_a_temporary_table_stays_in_a_pooled_session() {
    let db = database();
    let tokens = Tokens::new();
    let pooler = Pooler::start(1);
    let app = || Application {
        db: &db,
        pooler: &pooler,
        tokens: &tokens,
        session: pooler.connect(&db),
        random: 1,
        done: BTreeMap::new(),
    };
    let (mut careless, mut next) = (app(), app());
    careless.begin(1);
    careless.run("create temp table papers as select * from public.papers");
    careless.run("commit");
    // Even the name of the table that is protected now means the copy.
    next.run("begin");
    next.sees(Some(1), "select id, org_id::text from papers order by id");
    next.reads(None);
    next.run("commit; drop table pg_temp.papers");

    careless.begin(1);
    careless.run("create temp table papers on commit drop as select * from public.papers");
    careless.sees(Some(1), "select id, org_id::text from pg_temp.papers order by id");
    careless.run("commit");
    next.sees(None, "select id, org_id::text from papers order by id");
    next.refused("select * from pg_temp.papers", "42P01");

    db.superuser().run(&format!("revoke temporary on database {} from public", db.name));
    careless.begin(1);
    careless.refused("create temp table papers as select * from public.papers", "42501");
    careless.run("rollback");
}
