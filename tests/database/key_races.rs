//! What is acknowledged about an API key counts at once, holding its row stops nobody, and of changes at the
//! same moment nothing comes that no order of them explains.

use crate::tenancy::races::stage::{LEVELS, Stage, at_once, enter, scene};
use pg_bearer_tests::database::{Session, rounds};
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const REFUSED: &str = "28000 the credential was refused";

/// Ways in which a key ends or becomes worth less, of the key :key in the organization :org of its user dave.
const ENDS: [&str; 7] = [
    "auth.revoke_api_key(:key)",
    "auth.rotate_api_key(:key)",
    "auth.remove_member(:org, 'dave')",
    "auth.disable_organization(:org)",
    "auth.set_member_role(:org, 'dave', 'viewer')",
    "auth.update_api_key(:key, scopes => '{api_keys.read}')",
    "auth.delete_organization(:org)",
];

/// What of the key there is in a session: nothing, less than there was, or everything.
fn worth(session: &mut Client, key: &str) -> &'static str {
    session.run("savepoint s");
    let worth = match session.authenticate(key) {
        Err(error) => match refusal::<()>(Err(error)) == REFUSED {
            true => "nothing",
            false => "another error",
        },
        Ok(()) => match session.value("select auth.has_permission('api_keys.write')").as_deref() {
            Some("t") => "everything",
            _ => "less",
        },
    };
    session.run("rollback to s; release s");
    worth
}

/// One round of a session: it uses the key until it is told that the key is not what it was. Each use is noted
/// with whether the change had been acknowledged before it began.
struct Round {
    key: String,
    acknowledged: Arc<AtomicBool>,
}

fn use_until_changed(session: &mut Client, level: &str, round: &Round) -> Vec<(bool, &'static str)> {
    let mut uses = Vec::new();
    while !uses.last().is_some_and(|(late, _)| *late) {
        let late = round.acknowledged.load(SeqCst);
        uses.push((late, worth(session, &round.key)));
    }
    session.run("rollback");
    // And in a transaction that begins now.
    session.run(&format!("begin isolation level {level}"));
    uses.push((true, worth(session, &round.key)));
    session.run("rollback");
    uses
}

struct Worker {
    orders: Sender<Round>,
    opened: Receiver<()>,
    uses: Receiver<Vec<(bool, &'static str)>>,
}

fn worker(db: &Database, number: usize) -> Worker {
    let mut session = db.tenant();
    let (orders, rounds) = channel::<Round>();
    let (open, opened) = channel();
    let (used, uses) = channel();
    thread::spawn(move || {
        let level = LEVELS[number % 3];
        for round in rounds {
            // Takes the transaction's snapshot.
            session.run(&format!("begin isolation level {level}; select count(*) from docs"));
            session.authenticate(&round.key).unwrap();
            open.send(()).unwrap();
            used.send(use_until_changed(&mut session, level, &round)).unwrap();
        }
    });
    Worker { orders, opened, uses }
}

#[test]
fn t097_no_authenticate_accepts_what_was_ended_before_it_began() {
    let db = Database::new();
    let mut administrator = db.superuser();
    let workers: Vec<_> = (0..8).map(|number| worker(&db, number)).collect();
    let mut late_uses = 0;
    for round in 0..rounds(1000) {
        let org = administrator.value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
        administrator.run(&format!("select auth.add_member('{org}', 'dave', 'admin')"));
        let (id, key) = create(&mut administrator, &format!("org_id => '{org}', user_id => 'dave'"));
        let end =
            ENDS[round % ENDS.len()].replace(":key", &format!("'{id}'")).replace(":org", &format!("'{org}'"));
        let acknowledged = Arc::new(AtomicBool::new(false));
        for worker in &workers {
            worker.orders.send(Round { key: key.clone(), acknowledged: acknowledged.clone() }).unwrap();
        }
        for worker in &workers {
            worker.opened.recv().unwrap();
        }
        administrator.run(&format!("select {end}"));
        acknowledged.store(true, SeqCst);
        let expected = if end.contains("'viewer'") || end.contains("scopes") { "less" } else { "nothing" };
        for (number, worker) in workers.iter().enumerate() {
            let uses = worker.uses.recv().unwrap();
            for (late, worth) in &uses {
                let context = format!("round {round}, {}: {end}: {uses:?}", LEVELS[number % 3]);
                // Until it is acknowledged, either is right, and nothing else.
                assert!(*worth == expected || (!late && *worth == "everything"), "{context}");
                late_uses += usize::from(*late);
            }
        }
        administrator.run(&format!("delete from auth.organizations where id = '{org}'"));
    }
    assert_eq!(late_uses, 2 * 8 * rounds(1000));
}

/// Creates a key in a session of an administrator: its id and text.
fn create(administrator: &mut Client, arguments: &str) -> (String, String) {
    let made = administrator
        .value(&format!("select id || ' ' || key from auth.create_api_key('a key', {arguments})"))
        .unwrap();
    let (id, key) = made.split_once(' ').unwrap();
    (id.to_owned(), key.to_owned())
}

#[test]
fn t098_who_holds_the_rows_of_a_key_stops_nobody_from_using_it() {
    let db = Database::new();
    let mut administrator = db.superuser();
    let org = administrator.value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
    let mut keys = Vec::new();
    for owner in ["user_id => 'alice'", "role => 'admin'"] {
        keys.push(create(&mut administrator, &format!("org_id => '{org}', {owner}")).1);
    }
    let mut session = db.tenant();
    session.run("set statement_timeout = '2 s'");
    for held in [
        "select from auth.api_keys for update",
        "update auth.api_keys set name = name",
        "update auth.api_keys set revoked_at = now()",
        "delete from auth.api_keys",
        "select from auth.organizations for update",
        "update auth.organizations set disabled_at = now()",
        "select from auth.memberships for update",
        "delete from auth.memberships",
        "update auth.roles set permissions = '{}'",
        "insert into auth.api_key_settings (org_id, max_keys) select id, 0 from auth.organizations",
        "lock table auth.api_keys, auth.organizations, auth.memberships, auth.roles in exclusive mode",
    ] {
        administrator.run(&format!("begin; {held}"));
        for key in &keys {
            session.run("begin");
            session.authenticate(key).unwrap_or_else(|error| panic!("{held}: {}", refusal::<()>(Err(error))));
            // What is not committed does not count either.
            assert_eq!(
                session.value("select auth.has_permission('members.write')").as_deref(),
                Some("t"),
                "{held}"
            );
            let valid = session.query_one("select valid from auth.check_api_key($1)", &[key]);
            assert!(valid.unwrap().get::<_, bool>(0), "{held}");
            session.run("commit");
        }
        administrator.run("rollback");
    }
}

#[test]
fn t097_a_revocation_does_not_wait_for_who_holds_the_organization() {
    let db = Database::new();
    let mut administrator = db.superuser();
    let org = administrator.value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
    let mut alice = db.tenant();
    alice.run("set statement_timeout = '2 s'");
    for held in [
        "select from auth.organizations for update".to_owned(),
        format!("select auth.update_organization('{org}', 'x')"),
        format!("select auth.create_api_key('another', org_id => '{org}')"),
        format!("select auth.add_member('{org}', 'bob')"),
    ] {
        let (id, key) = create(&mut administrator, &format!("org_id => '{org}'"));
        administrator.run(&format!("begin; {held}"));
        enter(&mut alice, LEVELS[0], "alice");
        alice.run(&format!("select auth.revoke_api_key('{id}'); commit"));
        assert_eq!(refusal(alice.authenticate(&key)), REFUSED, "{held}");
        administrator.run("rollback");
    }
}

/// A key of nobody's in the organization of the scene, as the row of a table.
const RACED: &str = "
drop table if exists raced;
create table raced as select id, key from auth.create_api_key('raced', {org}, role => 'member');
grant select on raced to tenant";
const ID: &str = "(select id from raced)";
/// How many keys work of those that the race is about and that it made.
const WORKING: &str = "select count(*) filter (where valid) from raced, auth.check_api_key(key)";

#[test]
fn of_two_who_rotate_a_key_one_succeeds() {
    let mut stage = Stage::new();
    for (level, all) in LEVELS.into_iter().zip([1000, 400, 400]) {
        for round in 0..rounds(all) {
            let race = match round / 3 % 3 {
                0 => format!("alice rotate_api_key({ID}) / dave rotate_api_key({ID})"),
                1 => format!("alice rotate_api_key({ID}, '1 day') / service rotate_api_key({ID})"),
                _ => format!("service rotate_api_key({ID}) / dave rotate_api_key({ID}, '1 hour')"),
            };
            let told = stage.race(round, level, &race, RACED);
            let context = format!("{level}, round {round}, {race}: {told:?}");
            let loser = if level == LEVELS[0] { "22023" } else { "40001" };
            assert_eq!(told.iter().filter(|told| *told == "ok").count(), 1, "{context}");
            assert!(told.iter().any(|told| told.starts_with(loser)), "{context}");
            let successors = "select count(*) from auth.api_keys where id <> (select id from raced)";
            assert_eq!(stage.observer.value(successors).as_deref(), Some("1"), "{context}");
            // The grace of the one who succeeded is what counts.
            let grace = if told[0] == "ok" { race.split(" / ").next() } else { race.split(" / ").nth(1) };
            let working = if grace.unwrap().contains('\'') { "1" } else { "0" };
            assert_eq!(stage.observer.value(WORKING).as_deref(), Some(working), "{context}");
            stage.clear();
        }
    }
}

#[test]
fn t097_a_key_that_is_revoked_while_it_is_rotated_or_changed_is_dead() {
    let mut stage = Stage::new();
    let changes = [
        "rotate_api_key({id}, '1 day')",
        "rotate_api_key({id})",
        "update_api_key({id}, name => 'another')",
        "update_api_key({id}, expires_at => 'infinity')",
        "revoke_api_key({id})",
    ];
    for (level, all) in LEVELS.into_iter().zip([1000, 400, 400]) {
        for round in 0..rounds(all) {
            let change = changes[round / 3 % changes.len()].replace("{id}", ID);
            let race = format!("alice revoke_api_key({ID}) / dave {change}");
            let told = stage.race(round, level, &race, RACED);
            let context = format!("{level}, round {round}, {race}: {told:?}");
            assert!(told.contains(&"ok".to_owned()), "{context}");
            let losers = told.iter().filter(|told| *told != "ok");
            let expected: &[&str] = if level == LEVELS[0] { &["22023"] } else { &["40001", "22023"] };
            losers.for_each(|loser| assert!(expected.contains(&&loser[..5]), "{context}"));
            // Nobody has to wait for the organization to revoke, so that in READ COMMITTED it always succeeds.
            assert!(level != LEVELS[0] || told[0] == "ok", "{context}");
            if told[0] == "ok" {
                assert_eq!(stage.observer.value(WORKING).as_deref(), Some("0"), "{context}");
                // In its row, or beside it when the other one held that.
                let state = "select bool_or(revoked_by in ('alice', 'dave'))
                               from (select id, revoked_by from auth.api_keys where revoked_at is not null
                                     union all select key_id, revoked_by from auth.api_key_revocations) r
                              where id = (select id from raced)";
                assert_eq!(stage.observer.value(state).as_deref(), Some("t"), "{context}");
            }
            stage.clear();
        }
    }
}

#[test]
fn t099_the_last_place_of_the_quota_is_taken_once() {
    let mut stage = Stage::new();
    let before = "select auth.set_api_key_settings({org}, max_keys => 2);
                  select auth.create_api_key('first', {org}, role => 'member')";
    for (level, all) in LEVELS.into_iter().zip([1000, 400, 400]) {
        for round in 0..rounds(all) {
            let race = match round / 3 % 2 {
                0 => "alice create_api_key('a') / dave create_api_key('b', role => 'member')",
                // A service waits for no tenant, and may take one more.
                _ => "dave create_api_key('a', scopes => '{x}') / alice create_api_key('b')",
            };
            let told = stage.race(round, level, race, before);
            let context = format!("{level}, round {round}, {race}: {told:?}");
            assert_eq!(told.iter().filter(|told| *told == "ok").count(), 1, "{context}");
            let mut losers = told.iter().filter(|told| *told != "ok");
            assert!(losers.all(|told| ["54000", "40001"].contains(&&told[..5])), "{context}");
            assert_eq!(
                stage.observer.value("select count(*) from auth.api_keys").as_deref(),
                Some("2"),
                "{context}"
            );
            stage.clear();
        }
    }
}

#[test]
fn t099_no_way_to_a_key_that_works_leads_past_the_quota() {
    let mut stage = Stage::new();
    let org = scene(&mut stage.observer)[0].1.clone();
    let admin = &mut stage.observer;
    let (id, key) = create(admin, &format!("org_id => {org}, role => 'member'"));
    admin.run(&format!("select auth.set_api_key_settings({org}, max_keys => 1)"));
    let session = &mut stage.sessions[0];
    let mut attempt = |call: &str| {
        enter(session, LEVELS[0], "alice");
        let told = session.batch_execute(&format!("select auth.{call}; commit"));
        session.run("rollback");
        told.map_or_else(|error| refusal::<()>(Err(error)), |()| "ok".into())
    };
    let beyond = "54000 the organization has as many API keys as it may";
    assert_eq!(attempt("create_api_key('another')"), beyond);
    // What takes no place may be there in any number, until it would work again.
    admin.run(&format!(
        "select auth.set_api_key_settings({org}, max_keys => 2);
         create table former as select * from auth.create_api_key('former', {org}, role => 'member');
         update auth.api_keys set expires_at = now() where id = (select id from former);
         select auth.set_api_key_settings({org}, max_keys => 1)"
    ));
    let former = admin.value("select id from former").unwrap();
    assert_eq!(attempt(&format!("update_api_key('{former}', expires_at => 'infinity')")), beyond);
    assert_eq!(attempt(&format!("update_api_key('{former}', name => 'a former one')")), "ok");
    // Nor does one that was rotated, once, until its grace ends.
    assert_eq!(attempt(&format!("rotate_api_key('{id}', '1 day')")), "ok");
    let next = format!("select replaced_by from auth.api_keys where id = '{id}'");
    let next = admin.value(&next).unwrap();
    assert_eq!(attempt(&format!("rotate_api_key('{next}', '1 second')")), beyond);
    assert_eq!(attempt(&format!("rotate_api_key('{next}')")), "ok");
    let longer = format!("update_api_key('{id}', expires_at => 'infinity')");
    assert_eq!(attempt(&longer), "22023 the API key was rotated");
    let valid = format!("select valid from auth.check_api_key('{key}')");
    assert_eq!(admin.value(&valid).as_deref(), Some("t"));
}

#[test]
fn a_key_that_two_import_is_known_once() {
    let mut stage = Stage::new();
    for round in 0..rounds(400) {
        let org = scene(&mut stage.observer)[0].1.clone();
        let other =
            format!("'{}'", stage.observer.value("select auth.create_organization('other')").unwrap());
        // In one organization they follow one another; across two only the hash is between them.
        let orgs = [&org, if round % 2 == 0 { &org } else { &other }];
        let level = LEVELS[round / 2 % 3];
        let [first, second] = &mut stage.sessions;
        for session in [&mut *first, &mut *second] {
            enter(session, level, "service");
        }
        let import = |org: &str| format!("select auth.import_api_key('i', repeat('0a', 32), {org})");
        let told = at_once([(first, import(orgs[0])), (second, import(orgs[1]))]);
        let context = format!("round {round}, {level}: {told:?}");
        assert_eq!(told.iter().filter(|told| *told == "ok").count(), 1, "{context}");
        let expected: &[&str] = if level == LEVELS[0] { &["23505"] } else { &["23505", "40001"] };
        assert!(told.iter().any(|told| expected.contains(&&told[..5.min(told.len())])), "{context}");
        assert_eq!(
            stage.observer.value("select count(*) from auth.api_keys").as_deref(),
            Some("1"),
            "{context}"
        );
        stage.clear();
    }
}

#[test]
fn t101_a_creator_who_is_demoted_meanwhile_makes_no_key() {
    let mut stage = Stage::new();
    for (demotion, levels) in [
        ("alice set_member_role({org}, 'dave', 'viewer')", &LEVELS[..]),
        ("alice remove_member({org}, 'dave')", &LEVELS[..]),
        ("service disable_organization({org})", &LEVELS[..]),
    ] {
        for level in levels {
            for _ in 0..rounds(200) {
                // The creation begins when the demotion is done and not committed.
                let race = format!("{demotion} / dave create_api_key('late')");
                let told = stage.race(1, level, &race, "");
                let expected = if *level == LEVELS[0] { "42501" } else { "40001" };
                assert!(told[0] == "ok" && told[1].starts_with(expected), "{level}, {race}: {told:?}");
                stage.observer.run("delete from auth.roles where not builtin");
                stage.clear();
            }
        }
    }
}
