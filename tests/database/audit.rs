//! The audit log: every change is in it, nothing else is, and nobody else writes or reads it.

mod keeping;
mod reading;
pub(super) mod requests;
mod rows;
mod secrets;
mod walk;

use super::catalog::rows as lines;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

/// The newest rows first, of who and what: action, target user, user, kind of credential, role of the database.
const WHO: &str = "select concat_ws(' ', action, coalesce(target_user_id, '-'), coalesce(user_id, '-'), coalesce(credential, '-'), database_role)
                     from auth.audit_log order by occurred_at desc, id limit 5";

/// The newest row, as a superuser sees it.
fn newest(session: &mut Client, columns: &str) -> Option<String> {
    session.value(&format!(
        "select concat_ws(' ', {columns}) from auth.audit_log order by occurred_at desc, id limit 1"
    ))
}

fn count(session: &mut Client) -> u32 {
    session.value("select count(*) from auth.audit_log").unwrap().parse().unwrap()
}

/// North, which ada owns, with ben, an admin, and cara, a member; without what that wrote.
fn north(db: &Database) -> String {
    let mut session = db.superuser();
    let north = session.value("select auth.create_organization('north', owner_id => 'ada')").unwrap();
    session.run(&format!(
        "select auth.add_member('{north}', 'ben', 'admin'), auth.add_member('{north}', 'cara')"
    ));
    session.run("delete from auth.audit_log");
    north
}

/// Begins a transaction of this user.
fn signed_in(session: &mut Client, user: &str) {
    session.run("rollback; begin");
    session.authenticate(&token_of(user)).unwrap();
}
