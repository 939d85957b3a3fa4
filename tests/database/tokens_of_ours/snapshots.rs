//! Transactions whose snapshot is older than what they sign in with.

use super::world::*;
use pg_bearer_tests::database::{Session, refusal};

#[test]
fn t385_a_snapshot_from_before_a_key_or_token_makes_no_token() {
    let mut world = World::new();
    for isolation in ["repeatable read", "serializable"] {
        for made in ["key", "token"] {
            let mut session = world.db.tenant();
            session.run(&format!("begin isolation level {isolation}; select from docs"));
            let credential = match made {
                "key" => world.key(
                    &user("ada"),
                    "'k', :north, expires_at => now() + interval '1 hour', scopes => '{tokens.write}'",
                ),
                _ => world.mint(
                    &user("ada"),
                    "issue_jwt(expires_at => now() + interval '1 hour', org_id => :north)",
                ),
            };
            session.authenticate(&credential).unwrap();
            let before = world.rows();
            let mut calls = vec!["issue_jwt()", "issue_jwt(expires_at => now() + interval '2 years')"];
            if made == "key" {
                calls.push("exchange_api_key()");
            }
            for call in calls {
                session.run("savepoint a");
                let told = refusal(session.batch_execute(&format!("select auth.{call}")));
                // What a key may do is asked of the tables before.
                let is_right = told.starts_with("40001 ");
                assert!(is_right, "{isolation}: {made}: {call}: {told}");
                session.run("rollback to a");
            }
            session.run("commit");
            assert_eq!(world.rows(), before);
        }
    }
}
