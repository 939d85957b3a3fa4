//! An equal identity is not stored again, and what is found out about roles ends with what it was found out from.

use super::{begin, largest, may, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;

#[test]
fn t228_an_identity_that_was_not_stored_again_is_there_after_every_rollback() {
    let db = Database::new();
    let mut session = db.tenant();
    let (a, b) = (token_a(), token_b());
    let user = "select auth.current_org()";
    session.run("begin");
    session.authenticate(&a).unwrap();
    session.run("savepoint one");
    session.authenticate(&a).unwrap();
    session.run("rollback to one");
    assert_values(&mut session, &[(user, Some(ORG_A))]);
    session.run("savepoint two");
    session.authenticate(&b).unwrap();
    session.run("savepoint three");
    session.authenticate(&b).unwrap();
    session.run("rollback to three");
    assert_values(&mut session, &[(user, Some(ORG_B))]);
    session.authenticate(&a).unwrap();
    session.run("rollback to three; release three");
    assert_values(&mut session, &[(user, Some(ORG_B))]);
    session.run("rollback to one");
    assert_values(&mut session, &[(user, Some(ORG_A))]);
    for ending in ["reset all", "select auth.sign_out()"] {
        session.run(ending);
        assert_values(&mut session, &[(user, None)]);
        session.authenticate(&a).unwrap();
        assert_values(&mut session, &[(user, Some(ORG_A))]);
        session.run("savepoint four; select auth.sign_out()");
        session.authenticate(&a).unwrap();
        session.run("rollback to four");
        assert_values(&mut session, &[(user, Some(ORG_A))]);
    }
    session.run("rollback");
    assert_values(&mut session, &[(user, None)]);
    // One that is gone with its savepoint is stored by the next call, and the transaction is known to have had it.
    session.run("begin; savepoint five");
    session.authenticate(&a).unwrap();
    session.run("rollback to five");
    assert_values(&mut session, &[(user, None)]);
    session.authenticate(&a).unwrap();
    session.authenticate(&a).unwrap();
    assert_values(&mut session, &[(user, Some(ORG_A))]);
    let refused = session.refused("declare c cursor with hold for select 1");
    assert!(refused.starts_with("55006 "), "{refused}");
    session.run("rollback");
}

#[test]
fn t228_what_a_rollback_undoes_was_not_found_out() {
    let (db, mut superuser, [one, _]) = prepared();
    begin(&mut superuser);
    let change = format!(
        "select auth.sign_out(); select auth.define_role('large', {}, org_id => '{one}')",
        largest("other")
    );
    for ending in ["rollback to s", "rollback to s; release s"] {
        superuser.run("savepoint s");
        assert_eq!(may(&mut superuser, &one), "tft");
        superuser.run(&change);
        superuser.authenticate(&token_of("alice")).unwrap();
        assert_eq!(may(&mut superuser, &one), "tft");
        superuser.run(ending);
        assert_eq!(may(&mut superuser, &one), "tft", "{ending}");
    }
    // Two snapshots that differ in nothing but what the subtransaction did: the transaction that ended last is another
    // one, which began later.
    superuser.run("savepoint s; update auth.roles set version = gen_random_uuid() where name = 'large'");
    db.superuser().run("create table later ()");
    assert_eq!(may(&mut superuser, &one), "fff");
    superuser.run("rollback to s");
    assert_eq!(may(&mut superuser, &one), "tft");
    superuser.run("rollback");
}
