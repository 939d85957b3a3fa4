//! The paths of Supabase Auth, through nginx, PostgREST and schema auth_http.

mod clients;
mod flows;
mod mails;
mod refusals;
mod surface;

use super::world;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::nginx::{Nginx, fresh_address};
use postgres::Client;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";

/// Whoever asks has rights of their own in no table but notes, of which everybody sees their own.
const SETUP: &str = "
select auth.add_issuer('https://app.example/auth/v1', own => true), auth.create_signing_key('ES256');
alter database {db} set pg_bearer.user_creation = 'anonymous';
alter database {db} set pg_bearer.password_time = 20;
alter database {db} set pg_bearer.password_memory = 8192;
alter database {db} set pg_bearer.password_passes = 1;
alter database {db} set pg_bearer.max_mails = 100000;
create table api.notes (id bigint generated always as identity primary key, user_id uuid not null default auth.uid(), body text unique);
alter table api.notes enable row level security;
create policy own on api.notes using (user_id = auth.uid());
grant select, insert, update, delete on api.notes to {db}_user;
grant execute on function api.whoami to public;";

/// Mails are put into app.outbox, and addresses confirmed.
const MAIL: &str = "
create schema app; create role {db}_app; grant usage, create on schema app to {db}_app;
create table app.outbox (id bigint generated always as identity, event jsonb not null);
grant insert on app.outbox to {db}_app;
create function app.send_email(event jsonb) returns void language sql as 'insert into app.outbox (event) values ($1)';
alter function app.send_email(jsonb) owner to {db}_app;
select auth.set_hook('send_email', 'app.send_email');";

struct Site {
    /// Lives as long as this.
    _db: Database,
    admin: Client,
    nginx: Nginx,
    apikey: String,
}

impl Site {
    fn new(more: &str) -> Site {
        let (db, mut admin) = world::database(&format!("{SETUP}{more}"));
        let name = |role: &str| format!("{}_{role}", db.name);
        let apikey = world::key(&mut admin, ", kind => 'publishable'");
        let nginx = Nginx::start(&db, &name("login"), &name("anon"), &name("user"));
        Site { _db: db, admin, nginx, apikey }
    }

    /// What supabase-js gets that sends this body, with this token or else the publishable key.
    fn send(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let bearer = format!("Bearer {}", token.unwrap_or(&self.apikey));
        let headers = [
            ("apikey", self.apikey.as_str()),
            ("Authorization", &bearer),
            ("Content-Type", "application/json;charset=UTF-8"),
            ("X-Supabase-Api-Version", "2024-01-01"),
        ];
        self.nginx.send_from(&fresh_address(), method, &format!("/auth/v1/{path}"), &headers, body)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, None, &body.to_string())
    }

    fn user(&self, token: &str) -> u16 {
        self.send("GET", "user", Some(token), "").status
    }

    /// A session of a new user.
    fn sign_up(&self, email: &str) -> Value {
        let answer = self.post("signup", &json!({"email": email, "password": PASSWORD}));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post("token?grant_type=password", &json!({"email": email, "password": password}))
    }

    fn refresh(&self, token: &Value) -> Answer {
        self.post("token?grant_type=refresh_token", &json!({"refresh_token": token}))
    }

    /// The last mail.
    fn mail(&mut self) -> Value {
        let mail = self.admin.value("select event from app.outbox order by id desc limit 1");
        serde_json::from_str(&mail.expect("a mail")).unwrap()
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{value} has no {name}"))
}

/// Asserts an error as Supabase Auth makes it, and as RFC 6749 does.
fn assert_error(answer: &Answer, status: u16, code: &str) {
    let said = answer.json();
    assert_eq!((answer.status, &said["error_code"]), (status, &json!(code)), "{answer:?}");
    assert_eq!(said["code"], status, "{said}");
    assert!(
        said["msg"].is_string() && said["error"].is_string() && said["msg"] == said["error_description"],
        "{said}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
}
