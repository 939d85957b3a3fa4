//! t107: changes of one organization at the same moment. What comes of them could also have come of one
//! after the other, and whoever waited decides on what is, not on what was.

pub(crate) mod stage;

use pg_bearer_tests::database::{Session, rounds};
use pg_bearer_tests::token::*;
use postgres::Client;
use stage::{LEVELS, Stage, assert_fair, attempt, enter, scene};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

#[test]
fn t107_of_two_last_owners_one_stays() {
    let races = [
        "alice set_member_role({org}, 'bob', 'member') / bob set_member_role({org}, 'alice', 'member')",
        "alice remove_member({org}, 'bob') / bob remove_member({org}, 'alice')",
        "alice leave_organization({org}) / bob leave_organization({org})",
        "alice set_member_role({org}, 'bob', 'admin') / bob remove_member({org}, 'alice')",
        "alice set_member_role({org}, 'alice', 'viewer') / bob leave_organization({org})",
        "alice transfer_ownership({org}, 'bob') / bob leave_organization({org})",
        "service remove_member({org}, 'alice') / service remove_member({org}, 'bob')",
        "service set_member_role({org}, 'alice', 'admin') / bob leave_organization({org})",
    ];
    let mut stage = Stage::new();
    for (level, all) in LEVELS.into_iter().zip([1000, 500, 500]) {
        for round in 0..rounds(all) {
            let race = races[round / 3 % races.len()];
            let told = stage.race(round, level, race, "select auth.set_member_role({org}, 'bob', 'owner')");
            let owners =
                "select count(*) from auth.memberships m where m.role_id = auth_internal.owner_role()";
            let context = format!("{level}, round {round}, {race}: {told:?}");
            assert_eq!(stage.observer.value(owners).as_deref(), Some("1"), "{context}");
            assert_eq!(told.iter().filter(|told| *told == "ok").count(), 1, "{context}");
            assert_fair(&told, level, &context);
            stage.clear();
        }
    }
}

#[test]
fn t107_nobody_counts_on_an_owner_who_is_gone_since_the_snapshot() {
    for level in LEVELS {
        let mut stage = Stage::new();
        let [(_, org), ..] = scene(&mut stage.observer);
        stage.observer.run(&format!("select auth.set_member_role({org}, 'bob', 'owner')"));
        // Services do not wait for whoever is ending an owner.
        let mut busy = stage.db.superuser();
        busy.run(&format!(
            "begin; select from auth.organizations where id = {org} for no key update;
             select auth_internal.take_lock('owners', {org}, true, true)"
        ));
        let [first, second] = &mut stage.sessions;
        enter(first, level, "service");
        enter(second, level, "service");
        assert_eq!(attempt(first, &format!("select auth.remove_member({org}, 'alice'); commit")), "ok");
        let told = attempt(second, &format!("select auth.remove_member({org}, 'bob'); commit"));
        assert_eq!(told, "42501 the last owner must stay", "{level}");
    }
}

#[test]
fn t107_who_is_removed_keeps_nothing() {
    let races = [
        "alice remove_member({org}, 'bob') / dave add_workspace_member({workspace}, 'bob')",
        "bob leave_organization({org}) / service add_workspace_member({workspace}, 'bob')",
        "alice remove_member({org}, 'dave') / dave create_workspace({org}, 'x')",
        "alice remove_member({org}, 'dave') / dave create_invitation({org})",
        "alice delete_workspace({workspace}) / dave add_workspace_member({workspace}, 'bob')",
        "alice delete_workspace({workspace}) / dave create_invitation({org}, workspace_id => {workspace})",
        "alice delete_workspace({workspace}) / guest accept_invitation({token})",
    ];
    Stage::new().run_all(&LEVELS, "", &races);
}

#[test]
fn t107_what_is_disabled_has_no_member_who_is_not_suspended() {
    let mut stage = Stage::new();
    let races = [
        "service disable_organization({org}) / alice add_member({org}, 'new')",
        "service disable_organization({org}) / guest accept_invitation({token})",
        "service disable_organization({org}) / dave create_workspace({org}, 'x')",
        "service disable_organization({org}) / dave enable_workspace({workspace})",
        "alice disable_workspace({workspace}) / dave add_workspace_member({workspace}, 'bob')",
        "alice disable_workspace({workspace}) / guest accept_invitation({token})",
        "alice enable_workspace({workspace}) / dave add_workspace_member({workspace}, 'bob')",
        "service enable_workspace({workspace}) / service add_workspace_member({workspace}, 'bob')",
    ];
    stage.run_all(&LEVELS, "", &races);
    let disabled = "select auth.disable_workspace({workspace}); select auth.disable_organization({org})";
    let races = [
        "service enable_organization({org}) / service add_member({org}, 'new')",
        "service enable_organization({org}) / service enable_workspace({workspace})",
        "service enable_organization({org}) / service disable_workspace({workspace})",
        "service enable_organization({org}) / service add_workspace_member({workspace}, 'bob')",
    ];
    stage.run_all(&LEVELS, disabled, &races);
}

#[test]
fn t107_a_deleted_organization_leaves_no_row() {
    let races = [
        "alice delete_organization({org}) / dave add_member({org}, 'new')",
        "alice delete_organization({org}) / dave create_invitation({org})",
        "alice delete_organization({org}) / dave create_workspace({org}, 'x')",
        "alice delete_organization({org}) / dave define_role('x', '{}', {org})",
        "alice delete_organization({org}) / dave add_workspace_member({workspace}, 'bob')",
        "alice delete_organization({org}) / dave set_member_role({org}, 'bob', 'viewer')",
        "alice delete_organization({org}) / guest accept_invitation({token})",
    ];
    Stage::new().run_all(&LEVELS, "", &races);
}

#[test]
fn t107_a_dropped_role_is_nobodys_and_a_name_means_one_role() {
    let mut stage = Stage::new();
    let races = [
        "alice drop_role('auditor', {org}) / dave add_member({org}, 'new', 'auditor')",
        "alice drop_role('auditor', {org}) / dave set_member_role({org}, 'bob', 'auditor')",
        "alice drop_role('auditor', {org}) / dave create_invitation({org}, 'auditor')",
        "alice drop_role('auditor', {org}) / dave add_workspace_member({workspace}, 'bob', 'auditor')",
    ];
    // Roles are dropped, and those of every organization changed, in READ COMMITTED only.
    stage.run_all(&LEVELS[..1], "", &races);
    let races = [
        "service drop_role('clerk') / alice add_member({org}, 'new', 'clerk')",
        "service drop_role('clerk') / alice set_member_role({org}, 'bob', 'clerk')",
        "service drop_role('clerk') / alice create_invitation({org}, 'clerk')",
        "service drop_role('clerk') / guest accept_invitation({token})",
        "service define_role('twin', '{}') / alice define_role('twin', '{}', {org})",
    ];
    let before = "delete from auth.roles where name = 'twin'; select auth.define_role('clerk', '{}')";
    stage.run_all(&LEVELS[..1], before, &races);
}

#[test]
fn t107_who_waited_for_another_decides_on_what_is() {
    let mut stage = Stage::new();
    let (removed, refused) = (
        "42501 no such organization, or it is not yours",
        "42501 your role in this organization does not allow this",
    );
    let (no_member, no_role) = ("22023 no such member", "22023 no such role");
    for (race, expected) in [
        ("alice set_member_role({org}, 'dave', 'viewer') / dave add_member({org}, 'new')", refused),
        ("alice set_member_role({org}, 'dave', 'viewer') / dave create_invitation({org})", refused),
        ("alice remove_member({org}, 'dave') / dave create_workspace({org}, 'x')", removed),
        ("service disable_organization({org}) / dave add_member({org}, 'new')", removed),
        ("alice delete_organization({org}) / dave update_organization({org}, 'x')", removed),
        // This one waits for nobody, and comes to nothing.
        ("alice remove_member({org}, 'bob') / dave set_member_role({org}, 'bob', 'viewer')", "ok"),
        ("alice remove_member({org}, 'bob') / dave add_workspace_member({workspace}, 'bob')", no_member),
        ("alice drop_role('auditor', {org}) / dave add_member({org}, 'new', 'auditor')", no_role),
        ("service drop_role('clerk') / dave add_member({org}, 'new', 'clerk')", no_role),
    ] {
        let before = "select auth.define_role('clerk', '{}')";
        assert_eq!(stage.race(1, LEVELS[0], race, before), ["ok", expected], "{race}");
        stage.observer.run("delete from auth.roles where not builtin");
        stage.clear();
    }
}

#[test]
fn t107_nobody_grants_after_his_demotion_was_acknowledged() {
    let mut stage = Stage::new();
    for round in 0..rounds(1000) {
        let [(_, org), ..] = scene(&mut stage.observer);
        let demotion = match round % 3 {
            0 => format!("auth.set_member_role({org}, 'dave', 'viewer')"),
            1 => format!("auth.remove_member({org}, 'dave')"),
            _ => {
                let lead = format!("auth.define_role('lead', '{{members.write}}', {org}, 500)");
                stage
                    .observer
                    .run(&format!("select {lead}; select auth.set_member_role({org}, 'dave', 'lead')"));
                lead.replace("members.write", "members.read")
            }
        };
        let [alice, dave] = &mut stage.sessions;
        enter(alice, LEVELS[0], "alice");
        enter(dave, LEVELS[round / 3 % 3], "dave");
        let (demoted, start) = (AtomicBool::new(false), Barrier::new(2));
        let (late, told) = thread::scope(|scope| {
            let granting = scope.spawn(|| {
                start.wait();
                // Now and then it begins right after the acknowledgement.
                while round % 4 == 3 && !demoted.load(SeqCst) {
                    std::hint::spin_loop();
                }
                thread::sleep(Duration::from_micros([0, 300, 900, 0][round % 4]));
                let late = demoted.load(SeqCst);
                (late, attempt(dave, &format!("select auth.add_member({org}, 'new', 'viewer'); commit")))
            });
            start.wait();
            let told = attempt(alice, &format!("select {demotion}; commit"));
            demoted.store(true, SeqCst);
            assert_eq!(told, "ok");
            granting.join().unwrap()
        });
        assert!(!late || told != "ok", "round {round}: {demotion}");
        assert!(["ok", "42501", "40001"].iter().any(|code| told.starts_with(code)), "round {round}: {told}");
        stage.clear();
    }
}

#[test]
fn t107_repeatable_read_changes_nothing_on_the_strength_of_what_was() {
    let mut stage = Stage::new();
    for level in &LEVELS[1..] {
        let [(_, org), (_, workspace), _] = scene(&mut stage.observer);
        let dave = &mut stage.sessions[0];
        enter(dave, level, "dave");
        stage.observer.run(&format!("select auth.set_member_role({org}, 'dave', 'viewer')"));
        dave.run("savepoint s");
        for call in [
            format!("add_member({org}, 'new')"),
            format!("set_member_role({org}, 'bob', 'viewer')"),
            format!("remove_member({org}, 'bob')"),
            format!("leave_organization({org})"),
            format!("update_organization({org}, 'x')"),
            format!("create_workspace({org}, 'x')"),
            format!("update_workspace({workspace}, 'x')"),
            format!("disable_workspace({workspace})"),
            format!("delete_workspace({workspace})"),
            format!("add_workspace_member({workspace}, 'bob')"),
            format!("create_invitation({org})"),
            format!("define_role('x', '{{}}', {org})"),
            format!("drop_role('auditor', {org})"),
        ] {
            let told = dave.refused(&format!("select auth.{call}"));
            assert!(told.starts_with("40001"), "{call}: {told}");
            dave.run("rollback to s");
        }
        // The identity of the same transaction does change, when it authenticates again.
        dave.authenticate(&token_of("dave")).unwrap();
        assert_eq!(dave.value("select auth.org_role()").as_deref(), Some("viewer"));
        dave.run("rollback");
        stage.clear();
    }
}

/// Changes of bob's membership, one after the other: the number of the last one that was asked for, and of
/// the last one that was acknowledged.
#[derive(Default)]
struct Changes {
    asked: AtomicUsize,
    acknowledged: AtomicUsize,
}

impl Changes {
    const STATES: [&str; 3] = ["nobody", "member", "viewer"];

    fn make_next(&self, observer: &mut Client, org: &str) {
        let number = self.asked.fetch_add(1, SeqCst) + 1;
        observer.run(&match Self::STATES[number % 3] {
            "member" => format!("select auth.add_member({org}, 'bob')"),
            "viewer" => format!("select auth.set_member_role({org}, 'bob', 'viewer')"),
            _ => format!("select auth.remove_member({org}, 'bob')"),
        });
        self.acknowledged.store(number, SeqCst);
        thread::sleep(Duration::from_micros(500));
    }

    /// Authenticates ten times in one transaction; how often no change could come in between.
    fn watch(&self, session: &mut Client, level: &str) -> usize {
        session.run(&format!("begin isolation level {level}"));
        let mut exact = 0;
        for _ in 0..10 {
            let since = self.acknowledged.load(SeqCst);
            session.authenticate(&token_of("bob")).unwrap();
            let until = self.asked.load(SeqCst);
            let role = session.value("select coalesce(auth.org_role(), 'nobody')").unwrap();
            let possible = (since..=until).any(|number| Self::STATES[number % 3] == role);
            assert!(possible, "{level}: {role} between the changes {since} and {until}");
            exact += usize::from(since == until);
        }
        session.run("commit");
        exact
    }
}

#[test]
fn t107_every_authenticate_sees_the_changes_that_were_acknowledged_before_it() {
    let mut stage = Stage::new();
    let [(_, org), ..] = scene(&mut stage.observer);
    stage.observer.run(&format!("select auth.remove_member({org}, 'bob')"));
    let (changes, db) = (&Changes::default(), &stage.db);
    let exact: usize = thread::scope(|scope| {
        let watch = |level| {
            scope.spawn(move || {
                let mut session = db.tenant();
                let mut exact = 0;
                // On a busy machine changes come in between more often.
                for round in 0.. {
                    if round >= rounds(1000) && exact >= rounds(1000) {
                        break;
                    }
                    exact += changes.watch(&mut session, level);
                }
                exact
            })
        };
        let levels = LEVELS.into_iter().chain(["repeatable read"]);
        let watching: Vec<_> = levels.map(watch).collect();
        while watching.iter().any(|session| !session.is_finished()) {
            changes.make_next(&mut stage.observer, &org);
        }
        watching.into_iter().map(|session| session.join().unwrap()).sum()
    });
    assert!(exact >= 4 * rounds(1000), "{exact}");
}
