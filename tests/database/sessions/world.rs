//! A database in which people sign in.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;
use serde_json::Value;

pub(super) const OURS: &str = "https://ours.example";
pub(super) const PASSWORD: &str = "correct horse battery staple";
pub(super) const REFUSED: &str =
    r#"{"error": "invalid_grant", "error_description": "Invalid login credentials"}"#;
pub(super) const NOT_REFRESHED: &str =
    r#"{"error": "invalid_grant", "error_description": "Invalid refresh token"}"#;

/// Refusals come soon, and nobody is limited unless a test says so.
const SETUP: &str = "
select auth.add_issuer(':ours', own => true, allow_service_role => true), auth.create_signing_key();
alter database :database set pg_bearer.user_creation = 'anonymous';
alter database :database set pg_bearer.password_time = 20;
alter database :database set pg_bearer.max_sign_in_tries = 100000;
alter database :database set pg_bearer.max_sign_in_tries_per_network = 100000;
alter database :database set pg_bearer.max_mails = 100000;
alter database :database set pg_bearer.password_memory = 8192;
alter database :database set pg_bearer.password_passes = 1";

pub(super) struct World {
    pub(super) db: Database,
    pub(super) admin: Client,
    pub(super) session: Client,
}

impl World {
    pub(super) fn new() -> World {
        let db = Database::new();
        set_up(&mut db.superuser(), &db.name);
        let (mut admin, session) = (db.superuser(), db.tenant());
        admin.run("select auth.uid()");
        World { db, admin, session }
    }

    /// The same with a hook that puts mails into `app.outbox`, so that addresses are confirmed.
    pub(super) fn with_mail() -> World {
        let mut world = World::new();
        let owner = format!("app_{}", world.db.name);
        world.admin.run(&format!(
            "create schema app; create role {owner}; grant usage, create on schema app to {owner};
             create table app.outbox (id bigint generated always as identity, event jsonb not null);
             grant insert on app.outbox to {owner};
             create function app.send_email(event jsonb) returns void language sql
                 as 'insert into app.outbox (event) values ($1)';
             alter function app.send_email(jsonb) owner to {owner};
             select auth.set_hook('send_email', 'app.send_email')"
        ));
        world
    }

    /// The last mail.
    pub(super) fn mail(&mut self) -> Value {
        let mail = self.admin.value("select event from app.outbox order by id desc limit 1");
        serde_json::from_str(&mail.expect("a mail")).expect("JSON")
    }

    pub(super) fn mails(&mut self) -> String {
        self.admin.value("select count(*) from app.outbox").expect("a number")
    }

    /// What this call of a function of schema auth returns to somebody who has no rights.
    pub(super) fn call(&mut self, call: &str) -> Value {
        let text = self.session.value(&format!("select auth.{call}")).expect("an answer");
        serde_json::from_str(&text).expect("JSON")
    }

    pub(super) fn sign_up(&mut self, email: &str) -> Value {
        self.call(&format!("sign_up('{email}', '{PASSWORD}')"))
    }

    pub(super) fn sign_in(&mut self, email: &str, password: &str) -> Value {
        self.call(&format!("sign_in_with_password('{email}', '{password}')"))
    }

    pub(super) fn refresh(&mut self, token: &str) -> Value {
        self.call(&format!("refresh_session('{token}')"))
    }

    /// What auth.authenticate() says of an access token.
    pub(super) fn authenticate(&mut self, answer: &Value) -> Result<Value, String> {
        let call = format!("select auth.authenticate('{}')::text", member(answer, "access_token"));
        let row = self.session.query_one(&call, &[]);
        let row = row.map_err(|error| {
            let error = error.as_db_error().expect("an error of the server");
            format!("{} {}", error.code().code(), error.message())
        })?;
        Ok(serde_json::from_str(row.get(0)).expect("JSON"))
    }

    pub(super) fn is_good(&mut self, answer: &Value) -> bool {
        self.authenticate(answer).is_ok()
    }

    /// Runs statements within a transaction of whoever has this access token; what the last one returns.
    pub(super) fn as_user(&mut self, answer: &Value, query: &str) -> Result<Option<String>, String> {
        let mut transaction = self.session.transaction().expect("a transaction");
        let token = member(answer, "access_token");
        transaction.execute("select auth.authenticate($1)", &[&token]).expect("an identity");
        let result = transaction.query_one(query, &[]).map(|row| row.try_get(0).ok());
        let result = result.map_err(|error| {
            let error = error.as_db_error().expect("an error of the server");
            format!("{} {}", error.code().code(), error.message())
        });
        match result {
            Ok(value) => {
                transaction.commit().expect("commits");
                Ok(value)
            }
            Err(error) => Err(error),
        }
    }
}

/// Makes this database one in which people sign in.
pub(super) fn set_up(administrator: &mut Client, database: &str) {
    administrator.run(&SETUP.replace(":ours", OURS).replace(":database", database));
}

/// A text in an answer.
pub(super) fn member<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}"))
}
