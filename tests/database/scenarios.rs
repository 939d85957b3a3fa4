//! The API-key pages of three services, done in SQL as their servers would.

mod api_example;
mod dramwell;
mod infraaudit;

use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use serde_json::{Value, json};

/// What every one of them has: a table of its own under policies, which only the server's role touches.
const SCHEMA: &str = "
create table :table (
    id bigint generated always as identity primary key,
    org_id uuid not null default auth.current_org(),
    environment text not null default auth.environment(),
    label text not null
);
alter table :table enable row level security;
alter table :table force row level security;
create policy tenant on :table using (auth.in_org(org_id) and environment = auth.environment());
create index on :table (org_id);
grant select, insert, update, delete on :table to tenant, other;
";

/// The server of one of these services: a pool of one session, and its database.
struct Service {
    server: Client,
    admin: Client,
    // Dropped last, when nobody is connected any more.
    db: Database,
}

/// What an HTTP status says: 401 for SQLSTATE 28000, 403 for 42501.
#[derive(Debug, PartialEq)]
enum Answer {
    Ok(Value),
    Unauthorized,
    Forbidden,
}

impl Answer {
    /// The rows of a request that was answered.
    #[track_caller]
    fn rows(self) -> Vec<Value> {
        match self {
            Answer::Ok(Value::Array(rows)) => rows,
            answer => panic!("{answer:?}"),
        }
    }

    /// The only row.
    #[track_caller]
    fn row(self) -> Value {
        let mut rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }
}

impl Service {
    /// With this table, the settings of the database as given, and users by tokens of an issuer.
    fn new(table: &str, settings: &str) -> Service {
        let db = Database::new();
        let mut admin = db.superuser();
        admin.run(&SCHEMA.replace(":table", table));
        for setting in settings.split(';').filter(|setting| !setting.is_empty()) {
            admin.run(&format!("alter database {} set {setting}", db.name));
        }
        // Settings of a database count from the next session on.
        Service { server: db.tenant(), admin: db.superuser(), db }
    }

    /// An organization with this owner.
    fn organization(&mut self, name: &str, owner: &str) -> String {
        let sql = format!("select auth.create_organization('{name}', owner_id => '{owner}')");
        self.admin.value(&sql).unwrap()
    }

    /// One request: a transaction that begins with the credential from the header `Authorization`.
    fn request(&mut self, authorization: &str, sql: &str) -> Answer {
        request(&mut self.server, authorization, sql)
    }
}

/// One request to a server: its rows as JSON objects, or which error it is.
fn request(server: &mut Client, authorization: &str, sql: &str) -> Answer {
    server.run("begin");
    let done = server.authenticate(authorization).and_then(|()| rows(server, sql));
    let answer = match done {
        Ok(rows) => {
            server.run("commit");
            return Answer::Ok(Value::Array(rows));
        }
        Err(error) => refusal::<()>(Err(error)),
    };
    server.run("rollback");
    match answer.split_at(5) {
        ("28000", _) => Answer::Unauthorized,
        ("42501", _) => Answer::Forbidden,
        _ => panic!("{sql}: {answer}"),
    }
}

/// The rows of a statement as JSON objects; numbers and times as text.
fn rows(server: &mut Client, sql: &str) -> Result<Vec<Value>, postgres::Error> {
    let mut rows = Vec::new();
    for message in server.simple_query(sql)? {
        if let postgres::SimpleQueryMessage::Row(row) = message {
            let columns = row.columns().iter().enumerate();
            rows.push(columns.map(|(at, column)| (column.name().to_owned(), json!(row.get(at)))).collect());
        }
    }
    Ok(rows)
}

/// A text of a JSON object.
fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}")).to_owned()
}

fn bearer(credential: &str) -> String {
    format!("Bearer {credential}")
}

/// What the header of a signed-in user says.
fn session_of(user: &str) -> String {
    bearer(&token_of(user))
}
