//! Where races take place, and what must be true after each of them.

use pg_bearer_tests::database::{Session, rounds};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use serde_json::json;
use std::sync::Barrier;
use std::thread;

pub(crate) const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

/// A token of this user; "service" is a service.
pub(crate) fn credential(user: &str) -> String {
    match user {
        "service" => hs256(&with(claims_a(), json!({"role": "service_role", "org_id": null}))),
        user => token_of(user),
    }
}

/// Begins a transaction of this user, with a snapshot of its own where the level keeps one.
pub(crate) fn enter(session: &mut Client, level: &str, user: &str) {
    session.run(&format!("begin isolation level {level}"));
    session.authenticate(&credential(user)).unwrap();
}

/// What a session in a transaction is told: "ok", or the refusal, which ends the transaction.
pub(crate) fn attempt(session: &mut Client, sql: &str) -> String {
    let Err(error) = session.batch_execute(sql) else { return "ok".into() };
    session.run("rollback");
    refusal::<()>(Err(error))
}

/// Lets sessions in transactions do this at the same moment, and commit.
pub(crate) fn at_once<'a>(attempts: impl IntoIterator<Item = (&'a mut Client, String)>) -> Vec<String> {
    let attempts: Vec<_> = attempts.into_iter().collect();
    let start = &Barrier::new(attempts.len());
    thread::scope(|scope| {
        let begin = |(session, sql): (&'a mut Client, String)| {
            scope.spawn(move || {
                start.wait();
                attempt(session, &format!("{sql}; commit"))
            })
        };
        let begun: Vec<_> = attempts.into_iter().map(begin).collect();
        begun.into_iter().map(|session| session.join().unwrap()).collect()
    })
}

/// Lets the second begin when the first has done its part and not committed.
fn in_turn(
    observer: &mut Client,
    (first, done): (&mut Client, String),
    (second, wanted): (&mut Client, String),
) -> Vec<String> {
    let waits = "select count(*) from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock'";
    let told = attempt(first, &done);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| attempt(second, &format!("{wanted}; commit")));
        while observer.value(waits).as_deref() == Some("0") && !waiting.is_finished() {
            thread::yield_now();
        }
        let told = if told == "ok" { attempt(first, "commit") } else { told };
        vec![told, waiting.join().unwrap()]
    })
}

pub(crate) struct Stage {
    pub(crate) observer: Client,
    pub(crate) sessions: [Client; 2],
    // Dropped last, when nobody is connected any more.
    pub(crate) db: Database,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let db = Database::new();
        let mut observer = db.superuser();
        observer.run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
        Stage { observer, sessions: [db.tenant(), db.tenant()], db }
    }

    /// Runs a race in a new scene, after these statements: both at once, or one while the other's
    /// transaction is open, by the number of the round. A race is "user call / user call".
    pub(crate) fn race(&mut self, round: usize, level: &str, race: &str, before: &str) -> Vec<String> {
        let scene = scene(&mut self.observer);
        let fill = |sql: &str| scene.iter().fold(sql.to_owned(), |sql, (name, id)| sql.replace(name, id));
        self.observer.run(&fill(before));
        let (one, two) = race.split_once(" / ").unwrap();
        let [first, second] = &mut self.sessions;
        let cast = |session: &mut Client, part: &str| {
            let (user, call) = part.split_once(' ').unwrap();
            enter(session, level, user);
            format!("select auth.{}", fill(call))
        };
        let (one, two) = (cast(first, one), cast(second, two));
        match round % 3 {
            0 => at_once([(first, one), (second, two)]),
            1 => in_turn(&mut self.observer, (first, one), (second, two)),
            _ => {
                let mut told = in_turn(&mut self.observer, (second, two), (first, one));
                told.reverse();
                told
            }
        }
    }

    /// Runs every race in every way, often; nothing may be left that no order of the two explains.
    pub(crate) fn run_all(&mut self, levels: &[&str], before: &str, races: &[&str]) {
        for level in levels {
            let all = if *level == LEVELS[0] { 1000 } else { 240 };
            for round in 0..rounds(all).max(3 * races.len()) {
                let race = races[round / 3 % races.len()];
                let told = self.race(round, level, race, before);
                let context = format!("{level}, round {round}, {race}: {told:?}");
                self.observer.run("select auth.purge_endings()");
                assert_eq!(self.observer.value(OFFENCES), None, "{context}");
                assert_fair(&told, level, &context);
                self.clear();
            }
        }
    }

    /// Takes away what a race left.
    pub(crate) fn clear(&mut self) {
        self.observer.run("select auth.purge_endings()");
        self.observer.run("select auth.delete_organization(id) from auth.organizations");
    }
}

/// At least one of the two succeeds. Where snapshots are kept, the other one is told that something changed, or
/// decides on what is now.
pub(crate) fn assert_fair(told: &[String], level: &str, context: &str) {
    let losers: Vec<_> = told.iter().filter(|told| *told != "ok").map(|told| &told[..5]).collect();
    let expected: &[&str] =
        if level == LEVELS[0] { &["42501", "22023", "23505", "2BP01"] } else { &["40001", "42501", "2BP01"] };
    assert!(losers.len() < told.len(), "{context}");
    assert!(losers.iter().all(|loser| expected.contains(loser)), "{context}");
}

/// An organization with owner alice, admin dave, member bob and role auditor, a workspace of it and an
/// invitation to that, as SQL.
pub(crate) fn scene(observer: &mut Client) -> [(&'static str, String); 3] {
    let mut id = |sql: &str| format!("'{}'", observer.value(sql).unwrap());
    let org = id("select auth.create_organization('raced', owner_id => 'alice')");
    let workspace = id(&format!("select auth.create_workspace({org}, 'w')"));
    let token = id(&format!("select token from auth.create_invitation({org}, workspace_id => {workspace})"));
    observer.run(&format!(
        "select auth.add_member({org}, 'dave', 'admin'); select auth.add_member({org}, 'bob');
         select auth.define_role('auditor', '{{}}', {org});
         select auth.add_workspace_member({workspace}, 'alice', 'owner')"
    ));
    [("{org}", org), ("{workspace}", workspace), ("{token}", token)]
}

/// What must never be, whatever happened.
pub(crate) const OFFENCES: &str = "
select string_agg(distinct offence, '; ') from (
  select 'a row without its organization' from (
         select org_id from auth.memberships union all select org_id from auth.workspaces
         union all select org_id from auth.workspace_memberships union all select org_id from auth.invitations
         union all select org_id from auth.roles where org_id is not null) x
   where org_id not in (select id from auth.organizations)
  union all select 'an organization without an owner' from auth.organizations o
   where not exists (select from auth.memberships m where m.org_id = o.id and m.role_id = auth_internal.owner_role())
  union all select 'a member of a workspace who is none of its organization' from auth.workspace_memberships w
   where not exists (select from auth.memberships m where (m.user_id, m.org_id) = (w.user_id, w.org_id))
  union all select 'a member of a workspace that is gone' from auth.workspace_memberships m
   where not exists (select from auth.workspaces w where (w.id, w.org_id) = (m.workspace_id, m.org_id))
  union all select 'an open invitation to a workspace that is gone' from auth_internal.open_invitations i
   where i.workspace_id is not null and i.workspace_id not in (select id from auth.workspaces)
  union all select 'an open invitation by somebody who is gone' from auth_internal.open_invitations i
   where not exists (select from auth.memberships m where m.org_id = i.org_id and m.user_id = i.created_by)
     and i.created_by is not null
  union all select 'a suspended flag that lies' from auth.memberships m join auth.organizations o on o.id = m.org_id
   where m.suspended <> (o.disabled_at is not null)
  union all select 'a suspended flag of a workspace that lies' from auth.workspace_memberships m
    join auth.organizations o on o.id = m.org_id join auth.workspaces w on w.id = m.workspace_id
   where m.suspended <> (o.disabled_at is not null or w.disabled_at is not null)
  union all select 'a role that is gone' from (
         select org_id, role_id from auth.memberships
         union all select org_id, role_id from auth.workspace_memberships
         union all select org_id, role_id from auth_internal.open_invitations) x
   where not exists (select from auth.roles r where r.id = x.role_id and coalesce(r.org_id, x.org_id) = x.org_id)
  union all select 'one name for two roles' from auth.organizations o
   where exists (select from auth.list_roles(o.id) r group by r.role having count(*) > 1)
) x (offence)";
