//! A registered table counts as it is when a token is shown, whatever happens to it at the same time.

use super::{A, B, of, place, with_members};
use pg_bearer_tests::database::{Session, rounds};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The organizations of an open transaction, whose user shows his token again.
fn again(session: &mut Client, user: &str) -> String {
    session.authenticate(&token_of(user)).unwrap();
    session.value("select auth.org_ids()").unwrap()
}

#[test]
fn t026_every_commit_counts_for_the_next_authenticate_in_every_isolation_level() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    for level in ["read committed", "repeatable read", "serializable", "repeatable read read only"] {
        session.run(&format!("begin isolation level {level}; select count(*) from docs"));
        assert_eq!(again(&mut session, "v"), format!("{{{ORG_B}}}"), "{level}");
        superuser.run(&format!("insert into members values ('v', '{ORG_A}', 'reader')"));
        assert_eq!(again(&mut session, "v"), format!("{{{ORG_A},{ORG_B}}}"), "{level}");
        superuser.run(&format!("update members set u = 'x' where u = 'v' and o = '{ORG_B}'"));
        assert_eq!(again(&mut session, "v"), format!("{{{ORG_A}}}"), "{level}");
        assert_eq!(again(&mut session, "x"), format!("{{{ORG_B}}}"), "{level}");
        superuser.run(&format!(
            "begin; delete from members where u = 'v'; insert into members values ('v', '{ORG_B}')"
        ));
        // Not committed: it does not count, and nobody waits for it.
        session.run("set local statement_timeout = '5 s'");
        assert_eq!(again(&mut session, "v"), format!("{{{ORG_A}}}"), "{level}");
        superuser.run("commit");
        assert_eq!(again(&mut session, "v"), format!("{{{ORG_B}}}"), "{level}");
        superuser.run("truncate members");
        assert_eq!(again(&mut session, "v"), "{}", "{level}");
        session.run("rollback");
        superuser.run(&format!("insert into members values ('v', '{ORG_B}', 'editor')"));
    }
}

#[test]
fn t026_a_role_and_a_registration_count_as_soon() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    session.run("begin isolation level repeatable read; select count(*) from docs");
    let mut may = |user: &str| {
        session.authenticate(&token_of(user)).unwrap();
        session
            .value("select cardinality(auth.org_ids()) || ' ' || auth.org_ids_with('docs.write')::text")
            .unwrap()
    };
    assert_eq!(may("v"), format!("1 {{{ORG_B}}}"));
    superuser.run("select auth.define_role('editor', '{}')");
    assert_eq!(may("v"), "1 {}");
    superuser.run("select auth.define_role('editor', '{docs.write}')");
    superuser.run("update members set r = 'reader'");
    assert_eq!(may("v"), "1 {}");
    superuser.run(&format!("select auth.disable_organization('{ORG_B}')"));
    assert_eq!(may("v"), "0 {}");
    superuser.run(&format!("select auth.enable_organization('{ORG_B}')"));
    assert_eq!(may("v"), "1 {}");
    superuser.run("select auth.unregister_membership_source('members')");
    assert_eq!(may("v"), "0 {}");
}

/// Runs `change` in a transaction that holds the table while v shows his token, and gives what v is told
/// when it has committed.
fn told_after(db: &Database, change: &str) -> String {
    let mut changing = db.superuser();
    changing.run(&format!("begin; lock table members in access exclusive mode; {change}"));
    thread::scope(|scope| {
        let told = scope.spawn(|| place(&mut db.tenant(), "v"));
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while changing.value(waits).as_deref() != Some("1") && !told.is_finished() {
            changing.run("select pg_sleep(0.01), pg_stat_clear_snapshot()");
        }
        changing.run("commit");
        told.join().unwrap()
    })
}

#[test]
fn whoever_waits_for_a_table_is_told_what_it_holds_then() {
    let both = format!("{A}+ {B}");
    let rows = format!(
        "delete from members where u = 'v'; insert into members values ('v', '{ORG_A}', 'editor'), ('v', '{ORG_B}', 'reader')"
    );
    for (change, expected) in [
        (format!("truncate members; {rows}"), both.as_str()),
        (format!("{rows}; alter table members alter o type text"), both.as_str()),
        (format!("{rows}; alter table members add filled float default random()"), both.as_str()),
        (
            format!("{rows}; alter table members rename to former; create table members (u int)"),
            both.as_str(),
        ),
        // The index knows the newest rows only.
        (
            format!(
                "drop index members_u; {rows}; update members set u = 'w' where u = 'u'; update members set u = 'x' where u = 'v' and r = 'editor'; create index on members (u)"
            ),
            B,
        ),
        ("truncate members".into(), ""),
        // What is written after the end of the registration never counted.
        (format!("select auth.unregister_membership_source('members'); {rows}"), ""),
        ("select auth.unregister_membership_source('members'); drop table members".into(), ""),
        ("select auth.register_membership_source('members', 'u', 'o')".into(), B),
    ] {
        let (db, _) = with_members();
        assert_eq!(told_after(&db, &change), expected, "{change}");
    }
}

/// What a table's owner does to it while it is in use, without changing what it says.
const UPHEAVALS: [&str; 14] = [
    "begin; create temp table kept on commit drop as table members; truncate members; insert into members select * from kept; commit",
    "vacuum full members",
    "cluster members using members_u",
    "reindex index concurrently members_u",
    "reindex table members",
    "alter table members alter o type text",
    "alter table members alter o type uuid using o::uuid",
    "alter table members add extra float default random()",
    "alter table members drop extra",
    "begin; update members set r = r; delete from members where u = 'nobody'; commit",
    "create index concurrently second on members (u)",
    "drop index concurrently second",
    "vacuum members",
    "begin; alter table members rename u to v; alter table members rename v to u; commit",
];

#[test]
fn upheaval_of_the_table_changes_no_answer() {
    let (db, mut superuser) = with_members();
    superuser.run(&format!(
        "insert into members select 'other ' || n, '{ORG_A}', 'editor' from generate_series(1, 300) n"
    ));
    let stop = AtomicBool::new(false);
    let (again, told) = thread::scope(|scope| {
        let asking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut session, mut count) = (db.tenant(), 0_usize);
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(place(&mut session, "u"), format!("{A}+ {B}"));
                        assert_eq!(place(&mut session, "other 7"), format!("{A}+"));
                        assert_eq!(place(&mut session, "nobody"), "");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let (begin, mut count) = (Instant::now(), 0);
        let long = Duration::from_millis(u64::try_from(rounds(30_000)).unwrap());
        while begin.elapsed() < long && !asking.iter().any(|asking| asking.is_finished()) {
            for upheaval in UPHEAVALS {
                superuser.run(upheaval);
            }
            count += 1;
        }
        stop.store(true, Ordering::Relaxed);
        (count, asking.into_iter().map(|asking| asking.join().unwrap()).sum::<usize>())
    });
    assert!(again > 0 && told > 10, "{again} upheavals, {told} answers");
}

#[test]
fn a_table_that_is_held_for_good_gives_a_clean_error() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    superuser.run("begin; lock table members in access exclusive mode");
    for (setting, expected) in [("lock_timeout", "55P03"), ("statement_timeout", "57014")] {
        session.run(&format!("begin; set local {setting} = '200 ms'; savepoint s"));
        let refused = refusal(session.authenticate(&token_of("u")));
        assert!(refused.starts_with(expected), "{refused}");
        session.run("rollback to s");
        assert_eq!(session.value("select auth.identity()"), None);
        session.run("rollback");
    }
    superuser.run("rollback");
    assert_eq!(place(&mut session, "v"), format!("{B}+"));
    // No lock stays behind.
    session.run("begin");
    session.authenticate(&token_of("u")).unwrap();
    superuser.run("set lock_timeout = '2 s'; truncate members");
}

#[test]
fn reading_is_all_that_is_done() {
    let (db, _) = with_members();
    let mut session = db.tenant();
    session.run("begin read only");
    session.authenticate(&token_of("u")).unwrap();
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
    session.run("commit");
    assert_eq!(of(&mut session, "u", "select auth.is_member((auth.org_ids())[1])").as_deref(), Some("t"));
}
