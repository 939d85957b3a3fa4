//! Who calls, besides those who just signed in.

use super::world::{OURS, World, member};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::refusal;
use postgres::Client;
use serde_json::Value;

pub(super) const GONE: &str = "28000 the credential was refused";

/// What a call of a function of schema auth returns in this session.
pub(super) fn call(session: &mut Client, call: &str) -> Value {
    serde_json::from_str(&session.value(&format!("select auth.{call}")).expect("an answer")).expect("JSON")
}

/// The id of whoever got this answer.
pub(super) fn id(answer: &Value) -> String {
    member(&answer["user"], "id").to_owned()
}

/// The session that this answer began or went on with.
pub(super) fn session_id(world: &mut World, answer: &Value) -> String {
    let token = member(answer, "access_token");
    let sql = format!("select claims ->> 'session_id' from auth.check_jwt('{token}')");
    world.admin.value(&sql).expect("a session")
}

/// What this query gives whoever has this credential, in a transaction that commits; or why not.
pub(super) fn as_bearer(
    session: &mut Client,
    credential: &str,
    query: &str,
) -> Result<Option<String>, String> {
    let mut transaction = session.transaction().expect("a transaction");
    if let Err(error) = transaction.execute("select auth.authenticate($1)", &[&credential]) {
        return Err(refusal(Err::<(), _>(error)));
    }
    match transaction.query_one(&format!("select ({query})::text"), &[]) {
        Ok(row) => {
            transaction.commit().expect("commits");
            Ok(row.get(0))
        }
        Err(error) => Err(refusal(Err::<(), _>(error))),
    }
}

/// The verdict on a credential: who it is, or why not.
pub(super) fn verdict(session: &mut Client, credential: &str) -> Result<Option<String>, String> {
    as_bearer(session, credential, "select auth.user_id()")
}

/// Does the session of this answer go on?
pub(super) fn refreshes(world: &mut World, answer: &Value) -> bool {
    let next = world.refresh(member(answer, "refresh_token"));
    next["access_token"].is_string() && world.is_good(&next)
}

/// The token of a service that our issuer made.
pub(super) fn service(world: &mut World) -> String {
    let sql = format!("select auth.issue_jwt(role => 'service_role', issuer => '{OURS}')");
    world.admin.value(&sql).expect("a token")
}

/// An organization of this user.
pub(super) fn organization(world: &mut World, owner: &str) -> String {
    world.admin.value(&format!("select auth.create_organization('o', owner_id => '{owner}')")).expect("an id")
}

/// Sets something of this database, for sessions that begin from now on.
pub(super) fn set(world: &mut World, setting: &str) {
    world.admin.run(&format!("alter database {} set pg_bearer.{setting}", world.db.name));
    world.session = world.db.tenant();
}
