//! Tokens of transactions that are rolled back.

use super::world::*;
use pg_bearer_tests::database::{Session, assert_contains, refusal};
use pg_bearer_tests::server;

#[test]
fn t155_the_token_of_a_transaction_that_is_rolled_back_is_refused() {
    let mut world = World::new();
    let key = world.key(&user("ada"), "'k', :north");
    for (credential, call, subject) in [
        (user("ada"), "issue_jwt(expires_at => now() + interval '5 years')", "the user \"ada\""),
        (key.clone(), "exchange_api_key('1 hour')", "the user \"ada\""),
        (service(), "issue_jwt(E'e\\nve')", "the user \"e\\nve\""),
        (service(), "impersonate('ben', 'to help')", "the user \"ben\""),
    ] {
        for end in ["rollback", "rollback to a; commit", "select 1/0; commit"] {
            let (before, logged) = (world.rows(), server().log_end());
            let mut session = world.db.tenant();
            session.run("begin");
            session.authenticate(&credential).unwrap();
            session.run("savepoint a");
            let token = session.value(&format!("select auth.{call}")).unwrap();
            // Within, it is as good as any.
            let mut other = world.db.tenant();
            assert_eq!(refusal(other.authenticate(&token)), REFUSED);
            session.authenticate(&token).unwrap();
            session.authenticate(&credential).unwrap();
            let _ = session.batch_execute(end);
            let _ = session.batch_execute("rollback");
            assert_eq!(refusal(session.authenticate(&token)), REFUSED, "{call} {end}");
            assert_eq!(refusal(other.authenticate(&token)), REFUSED, "{call} {end}");
            assert_eq!(world.rows(), before);
            // The server log keeps what it was.
            let log = server().log_from(logged);
            let line = format!("pg_bearer: token {} for {subject} until ", id_of(&token));
            assert_contains(&log, &line);
            let year = world
                .admin
                .value(&format!("select extract(year from to_timestamp({}))", payload(&token)["exp"]));
            assert_contains(&log, &format!("{line}{}-", year.unwrap()));
            assert!(!log.contains(token.rsplit('.').next().unwrap()), "{call}: the token is in the log");
        }
    }
}
