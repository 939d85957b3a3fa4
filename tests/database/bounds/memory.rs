//! Kilobytes of a backend, not microseconds: `make bench` measures those.

use super::largest;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

/// So many organizations, in which others have granted the users of these names roles of their own, large or small.
const ORGS: usize = 999;

fn granted() -> Database {
    let db = Database::new();
    db.superuser().run(&format!(
        "create table granting as select auth.create_organization('org ' || n) as org_id, n
           from generate_series(1, {ORGS}) n;
         select auth.define_role('small', '{{docs.read,docs.write}}', org_id => org_id),
                auth.define_role('large', {}, org_id => org_id), auth.add_member(org_id, 'large', 'large'),
                auth.add_member(org_id, 'small', 'small') from granting;
         select auth.add_member(org_id, 'none', 'viewer') from granting where n = 1;",
        largest("any").replace("'any '", "n || ' '")
    ));
    db
}

/// Kilobytes that this backend has of its own.
fn resident(session: &mut Client) -> i64 {
    let kb = "select substring(pg_read_file('/proc/self/status') from 'RssAnon:\\s*(\\d+)')";
    session.value(kb).unwrap().parse().unwrap()
}

/// By how many of them it grows, from a first authenticate of somebody with little, while `work` is done.
fn growth(db: &Database, work: impl FnOnce(&mut Client)) -> i64 {
    let mut session = db.superuser();
    session.run("begin");
    session.authenticate(&token_of("none")).unwrap();
    let before = resident(&mut session);
    work(&mut session);
    resident(&mut session) - before
}

/// So many savepoints, of which the first authenticates this user, or each.
fn savepoints(db: &Database, user: &str, count: usize, each: bool) -> i64 {
    growth(db, |session| {
        for number in 0..count {
            session.run("savepoint s");
            if number == 0 || each {
                session.authenticate(&token_of(user)).unwrap();
            } else {
                session.run("select auth.user_id()");
            }
        }
        assert_eq!(session.value("select cardinality(auth.org_ids())").as_deref(), Some("999"), "{user}");
    })
}

#[test]
fn t221_t222_neither_roles_that_others_grant_nor_savepoints_multiply_an_identity() {
    let db = granted();
    let [small, large] = ["small", "large"].map(|user| savepoints(&db, user, 1, true));
    // 94,264 kB when roles were carried whole.
    assert!(large < 2048 && small < 2048, "one authenticate: small roles {small} kB, large ones {large} kB");
    for user in ["small", "large"] {
        let once = savepoints(&db, user, 100, false);
        let each = savepoints(&db, user, 100, true);
        // 4,705,700 kB when each savepoint stored an identity; twice as much, or the noise of measuring, is none.
        assert!(each <= 2 * once.max(1024), "{user}: once {once} kB, in each savepoint {each} kB");
    }
    // Moving through all organizations carries one role at a time.
    let moving = growth(&db, |session| {
        session.authenticate(&token_of("large")).unwrap();
        session.run(
            "do $$ declare org uuid; begin
                       foreach org in array auth.org_ids() loop
                         perform auth.set_org(org);
                         if not auth.has_permission('docs.read') then raise 'no permission in %', org; end if;
                       end loop; end $$",
        );
    });
    assert!(moving < 8192, "moving through {ORGS} organizations: {moving} kB");
    // Nor does asking about all of them keep what was read.
    let asking = growth(&db, |session| {
        session.authenticate(&token_of("large")).unwrap();
        let all = "select cardinality(auth.org_ids_with('docs.read'))";
        assert_eq!(session.value(all).as_deref(), Some("999"));
    });
    assert!(asking < 8192, "asking about {ORGS} organizations: {asking} kB");
}
