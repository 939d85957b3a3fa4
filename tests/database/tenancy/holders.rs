//! t230, t231: whoever is removed, demoted or shut out holds every lock that their own calls can take, in an open or a
//! prepared transaction. What ends them returns at once, counts from its commit on, and goes on counting whatever
//! becomes of that transaction.

use super::races::stage::{LEVELS, OFFENCES, attempt, credential, enter};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, rounds};
use pg_bearer_tests::token::*;
use postgres::Client;
use std::collections::BTreeMap;

/// What somebody does and then waits: who, and the call.
const HOLDS: &[&str] = &[
    "dave update_organization({org}, 'x', 'a-slug')",
    "dave create_workspace({org}, 'x')",
    "dave update_workspace({desk}, 'x', 'a-slug')",
    "dave disable_workspace({desk})",
    "dave delete_workspace({desk})",
    "dave add_member({org}, 'new')",
    "dave set_member_role({org}, 'bob', 'viewer')",
    "dave set_member_role({org}, 'bob', 'lead')",
    "dave remove_member({org}, 'bob')",
    "dave leave_organization({org})",
    "dave add_workspace_member({desk}, 'carl')",
    "dave set_workspace_member_role({desk}, 'bob', 'viewer')",
    "dave remove_workspace_member({desk}, 'bob')",
    "dave create_invitation({org}, workspace_id => {desk})",
    "dave revoke_invitation({invitation})",
    "dave define_role('lead', '{a,b}', {org}, 500)",
    "dave define_role('fresh', '{}', {org})",
    "dave drop_role('spare', {org})",
    "dave create_api_key('another', {org})",
    "dave create_api_key('another', {org}, role => 'lead')",
    "dave update_api_key({key}, 'x')",
    "dave rotate_api_key({key})",
    "dave revoke_api_key({key})",
    "bob confirm_membership({org})",
    "dave confirm_membership({org})",
    "erin confirm_membership({org})",
    "bob leave_organization({org})",
    "bob leave_workspace({desk})",
    "guest accept_invitation({token})",
    "erin leave_organization({org})",
    "erin delete_organization({org})",
    "erin transfer_ownership({org}, 'dave')",
    "erin set_member_role({org}, 'dave', 'owner')",
    "erin set_member_role({org}, 'bob', 'admin')",
    "erin remove_member({org}, 'dave')",
];

/// What takes something away meanwhile: who, the call, whom it concerns, and what is true for them afterwards.
const ENDINGS: &[(&str, &str, &str)] = &[
    ("alice remove_member({org}, 'dave')", "dave", "not auth.is_member({org})"),
    (
        "alice set_member_role({org}, 'dave', 'viewer')",
        "dave",
        "not coalesce(auth.has_permission_in('members.write', {org}), false)",
    ),
    ("alice remove_member({org}, 'bob')", "bob", "not auth.is_member({org})"),
    ("alice set_member_role({org}, 'bob', 'viewer')", "bob", "auth.org_role() is distinct from 'member'"),
    ("alice remove_workspace_member({desk}, 'bob')", "bob", "not auth.is_workspace_member({desk})"),
    (
        "alice set_workspace_member_role({desk}, 'bob', 'viewer')",
        "bob",
        "auth.workspace_role() is distinct from 'member'",
    ),
    ("alice disable_workspace({desk})", "bob", "not auth.is_workspace_member({desk})"),
    ("alice delete_workspace({desk})", "bob", "not auth.is_workspace_member({desk})"),
    ("alice delete_organization({org})", "dave", "not auth.is_member({org})"),
    ("service disable_organization({org})", "dave", "not auth.is_member({org})"),
    ("service remove_member({org}, 'dave')", "dave", "not auth.is_member({org})"),
    ("service delete_organization({org})", "bob", "not auth.is_member({org})"),
    ("alice revoke_invitation({invitation})", "guest", "not auth.is_member({org})"),
    ("alice revoke_api_key({key})", "dave", "not (select valid from auth.check_api_key({secret}))"),
    ("alice define_role('lead', '{a}', {org}, 450)", "lee", "not auth.has_permission('b')"),
    ("service define_role('clerk', '{}')", "bob", "auth.is_authenticated()"),
    ("alice leave_organization({org})", "alice", "not auth.is_member({org})"),
];

pub(super) struct Place {
    pub(super) db: Database,
    pub(super) admin: Client,
    ids: BTreeMap<&'static str, String>,
}

impl Place {
    pub(super) fn new() -> Place {
        let db = Database::new();
        let mut admin = db.superuser();
        admin.run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
        Place { db, admin, ids: BTreeMap::new() }
    }

    /// An organization of alice and erin, with a workspace, roles, an invitation and a key of dave's.
    pub(super) fn build(&mut self) {
        let admin = &mut self.admin;
        let mut id = |sql: &str| format!("'{}'", admin.value(sql).unwrap());
        let org = id("select auth.create_organization('held', owner_id => 'alice')");
        let desk = id(&format!("select auth.create_workspace({org}, 'Desk')"));
        admin.run(&format!(
            "select auth.add_member({org}, 'erin', 'owner'); select auth.add_member({org}, 'dave', 'admin');
             select auth.define_role('lead', '{{a,b,c}}', {org}, 500); select auth.define_role('spare', '{{}}', {org}); select auth.define_role('clerk', '{{c}}');
             select auth.add_member({org}, 'bob'); select auth.add_member({org}, 'carl');
             select auth.add_member({org}, 'lee', 'lead');
             select auth.add_workspace_member({desk}, 'bob');
             update auth.memberships set accepted = false; update auth.workspace_memberships set accepted = false"
        ));
        let invited = admin.value(&format!(
            "select invitation_id || ' ' || token from auth.create_invitation({org}, workspace_id => {desk})"
        ));
        let made = admin.value(&format!(
            "select id || ' ' || key from auth.create_api_key('k', {org}, user_id => 'dave')"
        ));
        let pair = |both: Option<String>| {
            let both = both.unwrap();
            let (one, two) = both.split_once(' ').unwrap();
            (format!("'{one}'"), format!("'{two}'"))
        };
        let ((invitation, token), (key, secret)) = (pair(invited), pair(made));
        self.ids = BTreeMap::from([
            ("{org}", org),
            ("{desk}", desk),
            ("{invitation}", invitation),
            ("{token}", token),
            ("{key}", key),
            ("{secret}", secret),
        ]);
    }

    pub(super) fn fill(&self, sql: &str) -> String {
        self.ids.iter().fold(sql.to_owned(), |sql, (name, id)| sql.replace(name, id))
    }

    /// Begins a transaction in which somebody makes a call.
    pub(super) fn call(&self, session: &mut Client, level: &str, call: &str) -> String {
        let (user, call) = call.split_once(' ').unwrap();
        enter(session, level, user);
        attempt(session, &format!("select auth.{}", self.fill(call)))
    }

    pub(super) fn clear(&mut self) {
        self.admin.run("select auth.purge_endings()");
        self.admin.run("select auth.delete_organization(id) from auth.organizations");
    }

    /// Asserts what is true for a user who authenticates now.
    pub(super) fn assert_for(&self, session: &mut Client, user: &str, truth: &str, context: &str) {
        session.run("begin");
        session.authenticate(&credential(user)).unwrap();
        let found = session.value(&format!("select {}", self.fill(truth)));
        assert_eq!(found.as_deref(), Some("t"), "{context}: {truth}");
        session.run("rollback");
    }
}

/// An owner who ends an owner waits for another one who does so.
fn are_owners(hold: &str, ending: &str) -> bool {
    let ends_owner = |call: &str| call.contains("leave_organization") || call.contains("transfer_ownership");
    hold.starts_with("erin") && ends_owner(hold) && ending.starts_with("alice leave")
}

#[test]
fn t230_no_ending_waits_for_what_a_user_holds() {
    let mut place = Place::new();
    place.build();
    let (mut holder, mut other) = (place.db.tenant(), place.db.tenant());
    other.run("set statement_timeout = '1500ms'");
    for hold in HOLDS {
        for is_prepared in [false, true] {
            assert_eq!(place.call(&mut holder, LEVELS[0], hold), "ok", "{hold}");
            if is_prepared {
                holder.run("prepare transaction 't230'");
            }
            for (ending, ..) in ENDINGS.iter().filter(|(ending, ..)| !are_owners(hold, ending)) {
                // Roles of every organization change in READ COMMITTED only.
                let levels = if ending.contains("'clerk'") { &LEVELS[..1] } else { &LEVELS[..2] };
                for level in levels {
                    let told = place.call(&mut other, level, ending);
                    assert_eq!(told, "ok", "{hold}, prepared: {is_prepared}; {level}, {ending}");
                    other.run("rollback");
                }
            }
            holder.run(if is_prepared { "rollback prepared 't230'" } else { "rollback" });
        }
    }
    place.clear();
}

#[test]
fn t231_an_ending_counts_whatever_the_holder_does_then() {
    let mut place = Place::new();
    let (mut holder, mut other, mut victim) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    other.run("set statement_timeout = '5 s'");
    let pairs = HOLDS.iter().flat_map(|hold| ENDINGS.iter().map(move |ending| (hold, ending)));
    let pairs: Vec<_> = pairs.filter(|(hold, ending)| !are_owners(hold, ending.0)).collect();
    let step = pairs.len() / rounds(4 * pairs.len()).min(pairs.len()).max(1);
    for (number, (hold, (ending, user, truth))) in pairs.into_iter().enumerate().step_by(step.max(1)) {
        place.build();
        let context = format!("{hold}; {ending}");
        // Roles are dropped in READ COMMITTED only.
        let level = if hold.contains("drop_role") { LEVELS[0] } else { LEVELS[number % 3] };
        assert_eq!(place.call(&mut holder, level, hold), "ok", "{context}");
        let level = if ending.contains("'clerk'") { LEVELS[0] } else { LEVELS[number / 3 % 2] };
        assert_eq!(place.call(&mut other, level, ending), "ok", "{context}");
        other.run("commit");
        place.assert_for(&mut victim, user, truth, &context);
        // What the holder's transaction does next is refused, or concerns something else.
        let commits = attempt(&mut holder, "commit");
        assert_eq!(commits, "ok", "{context}");
        // Whoever is being made an owner stays one: the organization might have no other.
        let is_made_owner = (hold.contains("'owner'") || hold.contains("transfer_ownership"))
            && (ending.contains("remove_member({org}, 'dave')")
                || ending.contains("set_member_role({org}, 'dave'"));
        if !is_made_owner {
            place.assert_for(&mut victim, user, truth, &format!("{context}, committed"));
        }
        place.admin.run("select auth.purge_endings()");
        assert_eq!(place.admin.value(OFFENCES), None, "{context}");
        assert_eq!(place.admin.value("select count(*) from auth.endings").as_deref(), Some("0"), "{context}");
        if !is_made_owner {
            place.assert_for(&mut victim, user, truth, &format!("{context}, purged"));
        }
        place.clear();
    }
}

#[test]
fn t235_whoever_is_promoted_meanwhile_is_not_ended_by_somebody_of_a_lower_rank() {
    let mut place = Place::new();
    let (mut holder, mut other, mut session) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    for promotion in ["transfer_ownership({org}, 'bob')", "set_member_role({org}, 'bob', 'owner')"] {
        for ending in ["remove_member({org}, 'bob')", "set_member_role({org}, 'bob', 'viewer')"] {
            place.build();
            assert_eq!(place.call(&mut holder, LEVELS[0], &format!("erin {promotion}")), "ok");
            // Before that is committed, bob is a member like others.
            assert_eq!(place.call(&mut other, LEVELS[0], &format!("dave {ending}")), "ok");
            other.run("commit");
            holder.run("commit");
            for purged in [false, true] {
                if purged {
                    place.admin.run("select auth.purge_endings()");
                }
                let context = format!("{promotion}, {ending}, purged: {purged}");
                place.assert_for(&mut session, "bob", "auth.org_role() = 'owner'", &context);
                let listed = place.fill("select role from auth.list_members({org}) where user_id = 'bob'");
                assert_eq!(place.admin.value(&listed).as_deref(), Some("owner"), "{context}");
            }
            place.clear();
        }
    }
}

#[test]
fn t232_what_was_made_while_its_maker_was_removed_is_worth_nothing_when_they_come_back() {
    let mut place = Place::new();
    let (mut holder, mut other, mut session) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    for level in &LEVELS[..2] {
        place.build();
        enter(&mut holder, level, "dave");
        let key = place.fill("select key from auth.create_api_key('late', {org})");
        let token = place.fill("select token from auth.create_invitation({org})");
        let add = place.fill("select auth.add_workspace_member({desk}, 'carl')");
        let (key, token) = (holder.value(&key).unwrap(), holder.value(&token).unwrap());
        holder.run(&add);
        for removed in ["dave", "carl"] {
            assert_eq!(
                place.call(&mut other, LEVELS[0], &format!("alice remove_member({{org}}, '{removed}')")),
                "ok"
            );
            other.run("commit");
        }
        // Nor does more come of an open transaction.
        holder.run("savepoint s");
        for call in [
            "add_member({org}, 'late')",
            "set_member_role({org}, 'bob', 'lead')",
            "create_invitation({org})",
            "create_api_key('later', {org})",
            "define_role('later', '{}', {org})",
            "create_workspace({org}, 'later')",
        ] {
            let told = holder.refused(&format!("select auth.{}", place.fill(call)));
            assert!(
                told.starts_with(if *level == LEVELS[0] { "42501" } else { "40001" }),
                "{level}, {call}: {told}"
            );
            holder.run("rollback to s");
        }
        holder.run("commit");
        let back = place
            .fill("select auth.add_member({org}, 'dave', 'admin'); select auth.add_member({org}, 'carl')");
        place.admin.run(&back);
        assert!(session.authenticate(&key).is_err(), "{level}");
        place.assert_for(
            &mut session,
            "carl",
            "auth.is_member({org}) and not auth.is_workspace_member({desk})",
            level,
        );
        enter(&mut session, LEVELS[0], "guest");
        let told = session.refused(&format!("select auth.accept_invitation('{token}')"));
        assert_eq!(told, "42501 the invitation is not valid", "{level}");
        session.run("rollback");
        place.clear();
    }
}

#[test]
fn t233_a_removed_member_does_not_come_back_by_another_invitation() {
    let mut place = Place::new();
    let mut session = place.db.tenant();
    place.build();
    let address = "guest@users.example";
    let claims = with(
        claims_a(),
        serde_json::json!({"sub": "guest", "org_id": null, "email": address, "email_verified": true}),
    );
    let guest = hs256(&claims);
    let invite = place.fill("select token from auth.create_invitation({org}");
    let mut tokens: Vec<String> = Vec::new();
    // By address, by no address, in another spelling; and one by somebody else's.
    for email in [
        ", email => 'guest@users.example')",
        ")",
        ", email => 'GUEST@users.example')",
        ", email => 'other@users.example')",
    ] {
        tokens.push(place.admin.value(&format!("{invite}{email}")).unwrap());
    }
    for accepted in [0, 1] {
        session.run("begin");
        session.authenticate(&guest).unwrap();
        session.run(&format!("select auth.accept_invitation('{}'); commit", tokens[accepted]));
        let remove = place.fill("select auth.remove_member({org}, 'guest')");
        place.admin.run(&remove);
        session.run("begin");
        session.authenticate(&guest).unwrap();
        let again = format!("select auth.accept_invitation('{}')", tokens[2]);
        assert_eq!(session.refused(&again), "42501 the invitation is not valid");
        session.run("rollback");
        // Another invitation to the same address, before the next one is accepted without naming one.
        if accepted == 0 {
            tokens[2] = place.admin.value(&format!("{invite}, email => '{address}')")).unwrap();
        }
    }
    let others = "select string_agg(email, ' ') from auth_internal.open_invitations where email is not null";
    assert_eq!(place.admin.value(others).as_deref(), Some("other@users.example"));
}

#[test]
fn t234_owners_wait_for_one_another_for_two_seconds_and_administrators_not_at_all() {
    let mut place = Place::new();
    let (mut holder, mut other) = (place.db.tenant(), place.db.tenant());
    place.build();
    assert_eq!(place.call(&mut holder, LEVELS[0], "erin remove_member({org}, 'alice')"), "ok");
    for call in ["alice leave_organization({org})", "alice set_member_role({org}, 'erin', 'viewer')"] {
        other.run("set statement_timeout = '20 s'");
        let told = place.call(&mut other, LEVELS[0], call);
        assert_eq!(told, "55P03 canceling statement due to lock timeout", "{call}");
    }
    // Nobody but those whom it concerns waits.
    other.run("set statement_timeout = '1500ms'");
    for (call, expected) in [
        ("alice remove_member({org}, 'dave')", "ok"),
        ("service remove_member({org}, 'alice')", "ok"),
        ("service set_member_role({org}, 'alice', 'viewer')", "ok"),
        // Alice may be on her way out, so that erin is the last.
        ("service remove_member({org}, 'erin')", "42501 the last owner must stay"),
        ("service add_member({org}, 'new', 'owner')", "ok"),
        ("service disable_organization({org})", "ok"),
    ] {
        assert_eq!(place.call(&mut other, LEVELS[0], call), expected, "{call}");
        other.run("rollback");
    }
    // With a third owner whose row is free, an administrator needs to wait for nothing.
    let add = place.fill("select auth.add_member({org}, 'third', 'owner')");
    place.admin.run(&add);
    assert_eq!(place.call(&mut other, LEVELS[0], "service remove_member({org}, 'erin')"), "ok");
    other.run("commit");
    holder.run("commit");
    let owners =
        "select string_agg(user_id, ' ') from auth.memberships where role_id = auth_internal.owner_role()";
    assert_eq!(place.admin.value(owners).as_deref(), Some("third"));
}
