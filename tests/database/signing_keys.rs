//! Keys that this database signs with: their life, who learns of them, and where they are gone.

mod foreign;
mod libraries;
mod private;
mod races;
mod restored;
mod spellings;
mod states;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

const OWN: &str = "https://own.example";
/// What this database signs with.
const ALGORITHMS: [&str; 4] = ["ES256", "RS256", "EdDSA", "HS256"];
const REFUSED: &str = "28000 the credential was refused";

/// A database with an issuer of its own and no key, and an administrator's session in it.
fn world() -> (Database, Client) {
    let db = Database::new();
    let mut session = db.connect("administrator");
    session.run(&format!("select auth.add_issuer('{OWN}', leeway => '0', own => true)"));
    (db, session)
}

fn create(session: &mut Client, alg: &str) -> String {
    session.value(&format!("select auth.create_signing_key('{alg}')")).unwrap()
}

fn rotate(session: &mut Client) {
    session.run("select auth.rotate_signing_key()");
}

fn issue(session: &mut Client) -> String {
    session.value("select auth.issue_jwt('ada')").unwrap()
}

/// Is the token good, in this session?
fn is_good(session: &mut Client, token: &str) -> bool {
    session.run("begin");
    let verdict = session.authenticate(token);
    session.run("rollback");
    verdict.is_ok()
}

/// The states of the keys, in the order in which they were made.
fn states(session: &mut Client) -> String {
    session
        .value(&format!(
            "select string_agg(state, ' ' order by created_at, key_id) from auth.list_jwt_keys('{OWN}')"
        ))
        .unwrap_or_default()
}
