//! A database with an application that has hooks.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::{Client, NoTls};
use std::sync::{Arc, Mutex};

/// Its owner is a role of this test's own.
pub(super) struct World {
    pub(super) db: Database,
    pub(super) owner: String,
}

impl World {
    pub(super) fn new() -> World {
        let db = Database::new();
        let owner = format!("app_of_{}", db.name);
        let mut session = db.superuser();
        session.run(&format!(
            "create role {owner}; create schema app authorization {owner};
             grant usage on schema auth_internal to {owner};
             grant execute on function auth_internal.call_hook, auth_internal.in_hook to {owner};
             create table app.outbox (mail text); alter table app.outbox owner to {owner};
             create table app.seen (what text); alter table app.seen owner to {owner}"
        ));
        World { db, owner }
    }

    /// Makes the hook app.`name`, with this body in PL/pgSQL.
    pub(super) fn hook(&self, name: &str, body: &str) -> String {
        let (owner, hook) = (&self.owner, format!("app.{name}(jsonb)"));
        self.db.superuser().run(&format!(
            "create or replace function app.{name}(argument jsonb) returns jsonb language plpgsql as $hook$ begin {body} end $hook$;
             alter function {hook} owner to {owner}"
        ));
        hook
    }

    /// A superuser's session, and what it is told beside results.
    pub(super) fn listening(&self) -> (Client, Arc<Mutex<String>>) {
        let told = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&told);
        let mut config = self.db.config("postgres");
        config.notice_callback(move |notice| *hears.lock().unwrap() += &format!("{notice:?}\n"));
        (config.connect(NoTls).unwrap(), told)
    }
}

/// The call of a hook, as an expression.
pub(super) fn call(hook: &str) -> String {
    format!("auth_internal.call_hook('{hook}'::regprocedure, '{{\"to\": \"ada\"}}')")
}
