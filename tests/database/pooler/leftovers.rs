//! t183: after whatever a transaction did, the next one without a credential has nothing of it, in any session of the pooler.

mod world;

use super::{Failing, org, transactions};
use pg_bearer_tests::database::{Session, one_in};
use postgres::types::Type;
use postgres::{Client, SimpleQueryMessage};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use world::{KNOWN, SESSIONS, World};

const CLIENTS: usize = 10;
/// Of all clients together.
const ROUNDS: usize = 1_000_000;

/// Who is signed in, whose papers are seen, and the role.
const WHO: &str = "select auth.current_org(), count(*), min(org_id::text), max(org_id::text), current_user from public.papers";

/// All that a transaction could have left.
const LEFT: &str = "select concat_ws(' ', auth.identity() is null, auth.user_id() is null, auth.current_org() is null, auth.role() is null,
    (select count(*) from public.papers), current_user, current_setting('role'), current_setting('row_security'),
    current_setting('search_path'), current_setting('statement_timeout'),
    quote_nullable(nullif(current_setting('request.headers', true), '')),
    quote_nullable(nullif(current_setting('request.method', true), '')),
    quote_nullable(nullif(current_setting('app.note', true), '')))";

/// What is set in the session but by the pooler, and cursors.
const SET: &str = "select string_agg(name || '=' || setting, ' ') from pg_settings where source = 'session'
    and name not in ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')
    union all select string_agg(name, ' ') from pg_cursors";

/// One client of the pooler, and what it has done.
struct Application<'a> {
    world: &'a World,
    session: Client,
    random: u32,
    done: BTreeMap<&'static str, usize>,
    checks: usize,
}

type Act = fn(&mut Application<'_>);

/// Each with its name, and how many transactions it is.
const ACTS: [(&str, i64, Act); 20] = [
    ("token", 1, |app| app.token()),
    ("token bound", 1, |app| app.token_bound()),
    ("token rolled back", 1, |app| app.token_rolled_back()),
    ("key", 1, |app| app.key()),
    ("key without begin", 1, |app| app.key_without_begin()),
    ("bad", 1, |app| app.bad()),
    ("bad without begin", 1, |app| app.bad_without_begin()),
    ("no credential", 1, |app| app.no_credential()),
    ("error", 1, |app| app.error()),
    ("savepoint", 1, |app| app.savepoint()),
    ("savepoint and bad", 1, |app| app.savepoint_and_bad()),
    ("settings", 1, |app| app.settings()),
    ("settings and error", 1, |app| app.settings_and_error()),
    ("request with token", 1, |app| app.request_with_token()),
    ("request with key", 1, |app| app.request_with_key()),
    ("request of nobody", 1, |app| app.request_of_nobody()),
    ("request refused", 1, |app| app.request_refused()),
    ("caught", 1, |app| app.caught()),
    ("two and nobody", 1, |app| app.two_and_nobody()),
    ("chain", 2, |app| app.chain()),
];

impl<'a> Application<'a> {
    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random as usize % below
    }

    /// All rows of a text of statements, each in one line; `-` is NULL.
    fn rows(&mut self, sql: &str) -> Vec<String> {
        let messages = self.session.simple_query(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let line = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let fields = (0..row.len()).map(|column| row.get(column).unwrap_or("-"));
                Some(fields.collect::<Vec<&str>>().join(" "))
            }
            _ => None,
        };
        messages.iter().filter_map(line).collect()
    }

    /// Runs a transaction and asserts what `$WHO` in it says.
    fn sees(&mut self, sql: &str, expected: &[String]) {
        let rows = self.rows(&sql.replace("$WHO", WHO));
        let who: Vec<&String> = rows.iter().filter(|row| row.contains(&self.world.db.name)).collect();
        assert_eq!(who, expected.iter().collect::<Vec<_>>(), "LEAK by {sql}");
    }

    fn refused(&mut self, sql: &str, sqlstate: &str) {
        let refusal = self.session.refused(sql);
        assert!(refusal.starts_with(sqlstate), "{sql}: {refusal}");
    }

    /// An organization and a call with its token.
    fn some_token(&mut self) -> (String, String) {
        let (number, token) = self.some_credential();
        (number, format!("do $$ begin perform auth.authenticate('{token}'); end $$"))
    }

    fn some_credential(&mut self) -> (String, &'a str) {
        let number = 1 + self.random(KNOWN as usize);
        let world = self.world;
        (org(u32::try_from(number).unwrap()), &world.tokens.good[number])
    }

    fn some_key(&mut self) -> (String, &'a str) {
        let number = self.random(self.world.keys.len());
        let world = self.world;
        let (org, key) = &world.keys[number];
        (org.clone(), key)
    }

    fn some_bad(&mut self) -> &'a str {
        let number = self.random(self.world.tokens.bad.len());
        let world = self.world;
        &world.tokens.bad[number]
    }

    fn token(&mut self) {
        let (org, sign_in) = self.some_token();
        self.sees(&format!("begin; {sign_in}; $WHO; commit"), &[self.world.member(&org, "login")]);
    }

    fn token_bound(&mut self) {
        let (org, token) = self.some_credential();
        self.session.run("begin");
        self.session.query_typed("select auth.authenticate($1)", &[(&token, Type::TEXT)]).unwrap();
        self.sees("$WHO; commit", &[self.world.member(&org, "login")]);
    }

    fn token_rolled_back(&mut self) {
        let (org, sign_in) = self.some_token();
        let sql = format!("begin; {sign_in}; update papers set org_id = org_id; $WHO; rollback");
        self.sees(&sql, &[self.world.member(&org, "login")]);
    }

    fn key(&mut self) {
        let (org, key) = self.some_key();
        let sql = format!("begin; select from auth.authenticate('{key}'); $WHO; commit");
        self.sees(&sql, &[self.world.member(&org, "login")]);
    }

    fn key_without_begin(&mut self) {
        let key = self.some_key().1;
        self.session.query_typed("select auth.authenticate($1)", &[(&key, Type::TEXT)]).unwrap();
    }

    fn bad(&mut self) {
        let sql = format!("begin; select auth.authenticate('{}'); {WHO}", self.some_bad());
        self.refused(&sql, "28000");
        self.session.run("rollback");
    }

    fn bad_without_begin(&mut self) {
        let (_, sign_in) = self.some_token();
        let sql = format!("{sign_in}; select auth.authenticate('{}')", self.some_bad());
        self.refused(&sql, "28000");
    }

    fn no_credential(&mut self) {
        self.sees("begin; $WHO; commit", &[self.world.nobody("login")]);
    }

    fn error(&mut self) {
        let (_, sign_in) = self.some_token();
        self.refused(&format!("begin; {sign_in}; {WHO}; select 1 / 0"), "22012");
        self.session.run("rollback");
    }

    fn savepoint(&mut self) {
        let ((org, sign_in), (other, sign_in_other)) = (self.some_token(), self.some_token());
        let sql = format!(
            "begin; {sign_in}; savepoint s; {sign_in_other}; $WHO; rollback to s; $WHO; release s; commit"
        );
        self.sees(&sql, &[self.world.member(&other, "login"), self.world.member(&org, "login")]);
    }

    fn savepoint_and_bad(&mut self) {
        let (org, sign_in) = self.some_token();
        let sql = format!("begin; {sign_in}; savepoint s; select auth.authenticate('{}')", self.some_bad());
        self.refused(&sql, "28000");
        self.sees("rollback to s; $WHO; commit", &[self.world.member(&org, "login")]);
    }

    /// What a transaction sets for itself.
    fn local_settings(&self, role: &str) -> String {
        format!(
            "select set_config('role', '{}_{role}', true), set_config('search_path', 'pg_temp', true),
                    set_config('request.headers', '{{\"x-note\": \"of another\"}}', true), set_config('request.method', 'POST', true),
                    set_config('statement_timeout', '1h', true), set_config('app.note', 'of another', true);
             set local row_security = off",
            self.world.db.name
        )
    }

    fn settings(&mut self) {
        let (org, sign_in) = self.some_token();
        let set = self.local_settings("user");
        let sql = format!(
            "begin; {sign_in}; {set}; set local row_security = on; $WHO; set local row_security = off; commit"
        );
        let rows = self.rows(&sql.replace("$WHO", WHO));
        assert_eq!(rows.last(), Some(&self.world.member(&org, "user")), "LEAK");
    }

    fn settings_and_error(&mut self) {
        let (_, sign_in) = self.some_token();
        // Row security that is off is an error of whoever reads.
        let sql = format!("begin; {}; {sign_in}; {WHO}", self.local_settings("key"));
        self.refused(&sql, "42501");
        self.session.run("rollback");
    }

    fn request(&mut self, headers: &str, expected: &[String]) {
        let sql = format!(
            "begin; do $$ begin perform set_config('request.headers', '{{{headers}}}', true), set_config('request.method', 'GET', true),
             set_config('request.path', '/papers', true), set_config('search_path', 'public', true); end $$;
             select auth.pre_request(); $WHO; commit"
        );
        self.sees(&sql, expected);
    }

    fn request_with_token(&mut self) {
        let (org, token) = self.some_credential();
        let headers = format!("\"x-credential\": \"Bearer {token}\"");
        self.request(&headers, &[self.world.member(&org, "user")]);
    }

    fn request_with_key(&mut self) {
        let (org, key) = self.some_key();
        let headers = format!("\"apikey\": \"{key}\"");
        self.request(&headers, &[self.world.member(&org, "key")]);
    }

    fn request_of_nobody(&mut self) {
        self.request("\"accept\": \"*/*\"", &[self.world.nobody("anon")]);
    }

    fn request_refused(&mut self) {
        let sql = format!(
            "begin; set local role = '{}_user'; set local request.headers = '{{\"x-credential\": \"Bearer x{}\"}}'; select auth.pre_request()",
            self.world.db.name,
            self.some_bad()
        );
        self.refused(&sql, "PGRST");
        self.session.run("rollback");
    }

    fn caught(&mut self) {
        let (_, token) = self.some_credential();
        let sql = format!(
            "begin; do $$ begin perform auth.authenticate('{token}'); set local app.note = 'x'; raise exception 'caught';
             exception when raise_exception then null; end $$; $WHO; commit"
        );
        self.sees(&sql, &[self.world.nobody("login")]);
    }

    fn two_and_nobody(&mut self) {
        let ((_, sign_in), (other, sign_in_other)) = (self.some_token(), self.some_token());
        let sql = format!("begin; {sign_in}; {sign_in_other}; $WHO; select auth.sign_out(); $WHO; commit");
        self.sees(&sql, &[self.world.member(&other, "login"), self.world.nobody("login")]);
    }

    fn chain(&mut self) {
        let (org, sign_in) = self.some_token();
        let sql = format!("begin; {sign_in}; $WHO; commit and chain; $WHO; set local app.note = 'x'; commit");
        self.sees(&sql, &[self.world.member(&org, "login"), self.world.nobody("login")]);
    }

    /// Asserts that a transaction without a credential has nothing of what others did.
    fn finds_nothing(&mut self, after: &str) {
        let left = self.rows(&format!("begin; {LEFT}; commit"));
        let login = &self.world.login;
        assert_eq!(
            left,
            [format!("t t t t 0 {login} none on \"$user\", public 0 NULL NULL NULL")],
            "LEFT after {after}"
        );
        if self.checks.is_multiple_of(100) {
            assert_eq!(self.rows(SET), ["-", "-"], "LEFT after {after}");
        }
        self.checks += 1;
    }

    /// Does everything equally often, in an order that differs each time, and looks after each.
    fn work(&mut self, rounds: usize, failed: &AtomicBool) {
        for _ in 0..rounds / ACTS.len() {
            let mut order = ACTS;
            for place in (1..order.len()).rev() {
                order.swap(place, self.random(place + 1));
            }
            for (name, _, act) in order {
                if failed.load(Ordering::Relaxed) {
                    return;
                }
                act(self);
                *self.done.entry(name).or_default() += 1;
                self.finds_nothing(name);
            }
        }
    }
}

/// How many there are in this run.
fn count() -> usize {
    one_in(100, 0..ROUNDS).count()
}

#[test]
fn t183_after_any_transaction_the_next_in_a_pooled_session_has_nothing_of_it() {
    let world = World::new();
    let (failed, begin) = (AtomicBool::new(false), Instant::now());
    let each = count() / CLIENTS;
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    let mut checks = 0;
    std::thread::scope(|scope| {
        let client = |number: usize| {
            let session = world.pooler.connect_as(&world.login, &world.db.name);
            let random = 0x9E37_79B9_u32.wrapping_mul(u32::try_from(number).unwrap() + 1);
            let mut app = Application { world: &world, session, random, done: BTreeMap::new(), checks: 0 };
            let failed = &failed;
            scope.spawn(move || {
                let failing = Failing(failed);
                app.work(each, failed);
                std::mem::forget(failing);
                (app.done, app.checks)
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        for client in clients {
            let (client_done, client_checks) = client.join().unwrap();
            checks += client_checks;
            client_done.into_iter().for_each(|(name, count)| *done.entry(name).or_default() += count);
        }
    });
    let sessions = format!("select count(*) from pg_stat_activity where usename = '{}'", world.login);
    assert_eq!(world.db.superuser().value(&sessions), Some(SESSIONS.to_string()));
    println!("{} transactions and as many after them in {:?}: {done:?}", count(), begin.elapsed());
    let expected = ACTS.map(|(name, _, _)| (name, count() / ACTS.len()));
    assert_eq!(done, BTreeMap::from(expected));
    assert_eq!(checks, count());
    let World { db, pooler, .. } = world;
    drop(pooler);
    let of_acts: i64 = ACTS.iter().map(|(name, count, _)| count * i64::try_from(done[name]).unwrap()).sum();
    let expected = of_acts + i64::try_from(checks).unwrap();
    assert!(transactions(&db) >= expected, "{} of {expected} transactions ended", transactions(&db));
}
