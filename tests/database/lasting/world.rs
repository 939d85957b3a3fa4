//! An organization in which everything can be given, and who calls.

use super::credentials::{TEST_ISSUER, Weak};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, refusal};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) who: &'static str,
    pub(super) sql: &'static str,
}

/// A user who signs in here.
pub(super) const UNA: &str = "0d000000-0000-4000-8000-00000000000d";

pub(crate) struct World {
    db: Database,
    pub(super) admin: Client,
    session: Client,
    named: Vec<(&'static str, String)>,
}

impl World {
    pub(crate) fn new() -> World {
        let db = Database::new();
        let mut admin = db.superuser();
        admin.run(&format!(
            "select auth.uid(); alter database {} set pg_bearer.api_key_creation = 'any'",
            db.name
        ));
        let (mut admin, session) = (db.superuser(), db.tenant());
        admin.run(&format!(
            "select auth.update_issuer('{STRICT_ISSUER}', allow_service_role => true, email_verified_claim => '{{}}');
             select auth.add_issuer('{TEST_ISSUER}', environment => 'test', allow_service_role => true),
                    auth.add_jwt_secret('{TEST_ISSUER}', '{SECRET}')"
        ));
        admin.run(&format!(
            "select auth.add_issuer('https://ours.example', own => true); select auth.create_signing_key();
             select auth.create_user('una@users.example', 'her password', id => '{UNA}')"
        ));
        let mut world = World { db, admin, session, named: vec![("una", format!("'{UNA}'"))] };
        for (name, who, sql) in [
            ("north", "service", "auth.create_organization('north', owner_id => 'ada')"),
            ("closed", "service", "auth.create_organization('closed', owner_id => 'ada')"),
            ("desk", "ada", "auth.create_workspace(:north, 'desk')"),
            ("attic", "ada", "auth.create_workspace(:north, 'attic')"),
            ("auditor", "ada", "auth.define_role('auditor', '{a}', :north, 200)"),
            ("spare", "ada", "auth.define_role('spare', '{a}', :north, 200)"),
            ("", "ada", "auth.add_member(:north, 'ben', 'admin')"),
            ("", "ada", "auth.add_member(:north, 'cara')"),
            ("", "ada", "auth.add_workspace_member(:desk, 'ben')"),
            ("", "ada", "auth.disable_workspace(:attic)"),
            ("", "service", "auth.disable_organization(:closed)"),
            ("invitation", "ada", "invitation_id from auth.create_invitation(:north)"),
            ("token", "ada", "token from auth.create_invitation(:north)"),
            (
                "mailed",
                "ada",
                "invitation_id from auth.create_invitation(:north, email => 'guest@users.example')",
            ),
            ("key", "ada", "id from auth.create_api_key('k', :north, scopes => '{a}')"),
            ("live", "ada", "id from auth.create_api_key('k', :north)"),
        ] {
            world.session.run("begin");
            world.session.authenticate(&hs256(&claims_of(who))).unwrap();
            let value = world.session.value(&format!("select {}", world.fill(sql)));
            world.session.run("commit");
            world.named.push((name, format!("'{}'", value.unwrap_or_default())));
        }
        world
    }

    pub(crate) fn fill(&self, sql: &str) -> String {
        let put = |sql: String, (name, value): &(&str, String)| match *name {
            "" => sql,
            name => sql.replace(&format!(":{name}"), value),
        };
        self.named.iter().fold(sql.to_owned(), put)
    }

    fn call(&mut self, call: &Call, before: &str) -> String {
        let sql = self.fill(&format!("{before}perform auth.{}", call.sql));
        let done = self.session.batch_execute(&format!("do $do$ begin {sql}; end $do$"));
        let told = if done.is_ok() { "ok".to_owned() } else { refusal(done) };
        self.session.run("rollback");
        told
    }

    fn begin(&mut self, claims: &Value, isolation: &str) {
        self.session.run(&format!("begin isolation level {isolation}"));
        self.session.authenticate(&hs256(claims)).unwrap();
    }

    /// What somebody is told who authenticates, whose credential becomes weak then, and who calls.
    pub(super) fn answer(&mut self, call: &Call, isolation: &str, weak: &Weak) -> String {
        self.begin(&weak.claims(claims_of(call.who)), isolation);
        self.admin.run(weak.weaken);
        let told = self.call(call, "");
        self.admin.run(weak.undo);
        told
    }

    /// The same, where something happens while the call is waiting.
    pub(super) fn answer_while(&mut self, call: &Call, happens: impl FnOnce(&mut Client)) -> String {
        self.begin(&claims_of(call.who), "read committed");
        let sql = self.fill(&format!("select auth.{}", call.sql));
        let World { session, admin, .. } = self;
        let done = std::thread::scope(|scope| {
            let waits = scope.spawn(|| session.batch_execute(&sql));
            happens(admin);
            waits.join().unwrap()
        });
        let told = if done.is_ok() { "ok".to_owned() } else { refusal(done) };
        self.session.run("rollback");
        told
    }

    /// Another session.
    pub(crate) fn superuser(&self) -> Client {
        self.db.superuser()
    }

    /// The same for a token that runs out while the statement that calls is running.
    pub(super) fn answer_after(&mut self, call: &Call, seconds: i64) -> String {
        let leeway =
            |interval| format!("select auth.update_issuer('{STRICT_ISSUER}', leeway => '{interval}')");
        self.admin.run(&leeway("0"));
        self.begin(&with(claims_of(call.who), json!({"exp": now() + seconds})), "read committed");
        let told = self.call(call, &format!("perform pg_sleep({}); ", seconds + 1));
        self.admin.run(&leeway("30 seconds"));
        told
    }

    /// What somebody is told whose token has other claims.
    pub(super) fn answer_with(&mut self, call: &Call, change: impl FnOnce(Value) -> Value) -> String {
        self.begin(&change(claims_of(call.who)), "read committed");
        self.call(call, "")
    }

    /// What somebody is told whose token is of an issuer for tests.
    pub(super) fn answer_in_test(&mut self, call: &Call) -> String {
        self.answer_with(call, |claims| with(claims, json!({"iss": TEST_ISSUER})))
    }

    /// The id and the text of a new API key of Ben's.
    pub(super) fn key_of_ben(&mut self) -> (String, String) {
        self.begin(&claims_of("ben"), "read committed");
        let sql = self.fill("select id || ' ' || key from auth.create_api_key('k', :north)");
        let made = self.session.value(&sql).unwrap();
        self.session.run("commit");
        let (id, text) = made.split_once(' ').unwrap();
        (id.to_owned(), text.to_owned())
    }

    /// What the bearer of this API key is told, who authenticates before something is done about it.
    pub(super) fn answer_of_key(&mut self, key: &str, sql: &'static str, meanwhile: &str) -> String {
        self.session.run("begin");
        self.session.authenticate(key).unwrap();
        let meanwhile = self.fill(meanwhile);
        self.admin.run(&meanwhile);
        self.call(&Call { who: "", sql }, "")
    }
}

pub(crate) fn claims_of(who: &str) -> Value {
    let who = if who == "una" { UNA } else { who };
    let claims = json!({"iss": STRICT_ISSUER, "sub": who, "email": format!("{who}@users.example"), "scp": "invoices.read",
                        "iat": now(), "exp": now() + 600, "auth_time": now()});
    if who == "service" { with(claims, json!({"role": "service_role"})) } else { claims }
}
