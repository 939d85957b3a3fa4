//! Guards: protected tables stay protected, whoever changes them.

mod allowed;
mod forged;
mod invisible;
mod new_tables;
mod partitions;
mod refused;
mod restored;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

/// Invoices of organizations A and B, protected and guarded, of an owner who cannot log in.
const WORLD: &str = "
create schema shop;
grant usage on schema shop to public;
grant usage, create on schema shop to table_owner;
create table shop.invoices (id int primary key, org_id uuid, body text);
alter table shop.invoices owner to table_owner;
grant select, insert, update, delete on shop.invoices to tenant;
insert into shop.invoices values (1, '0a000000-0000-4000-8000-00000000000a', 'a'), (2, '0b000000-0000-4000-8000-00000000000b', 'b');
select auth.protect('shop.invoices');
";

/// A database in which this is done before auth.guard().
fn guarded(setup: &str) -> Database {
    let db = Database::new();
    db.superuser().run(&format!("{WORLD} {setup}; select auth.guard()"));
    db
}

/// A session with the rights of the tables' owner.
fn owner(db: &Database) -> Client {
    let mut session = db.superuser();
    session.run("set role table_owner");
    session
}

/// The tables that are protected, and whether they are whole.
const PROTECTED: &str = "select string_agg(concat_ws(' ', source, intact), ', ' order by source::text) from auth.protected_tables()";

/// What the guard says of a command that it refuses, and what it says is right.
fn refusal_and_hint(session: &mut Client, sql: &str) -> (String, String) {
    let error = session.batch_execute(sql).expect_err(sql);
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42501", "{sql}: {error}");
    let message = error.message().strip_prefix("a guard of pg_bearer refuses the command: ");
    let hint = error.hint().unwrap_or_default();
    let (right, rest) = hint.strip_prefix("Right is: ").and_then(|hint| hint.split_once("; ")).expect(sql);
    assert_eq!(rest, "An administrator can begin the transaction with: select auth.allow_changes();");
    (message.unwrap_or_else(|| panic!("{sql}: {error}")).to_owned(), right.to_owned())
}

/// Asserts that the guard refuses each command, with this reason, and that all is as it was.
fn assert_refused(session: &mut Client, cases: &[(&str, &str)]) {
    let before = session.value(PROTECTED);
    for (sql, reason) in cases {
        let (message, _) = refusal_and_hint(session, sql);
        assert_eq!(message, *reason, "{sql}");
        session.run("rollback");
        assert_eq!(session.value(PROTECTED), before, "{sql}");
    }
}

/// What somebody of organization A sees with a query.
fn seen_by_a(db: &Database, sql: &str) -> Option<String> {
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.value(sql)
}
