//! t105, t106: every action of every role, on everything that it can be done to, is tried and compared with
//! what the definition says.

mod cases;
mod model;
mod world;

use cases::{Call, cases};
use model::{Actor, Model, Role, list};
use pg_bearer_tests::database::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use world::{ALLOWED, World};

const ACTORS: [Actor; 11] = [
    Actor::Nobody,
    Actor::Administrator,
    Actor::Service,
    Actor::User("owner_1"),
    Actor::User("admin_1"),
    Actor::User("builder_1"),
    Actor::User("clerk_1"),
    Actor::User("helper_1"),
    Actor::User("member_1"),
    Actor::User("viewer_1"),
    Actor::User("outsider"),
];

/// Those of API keys are tried in `tests/database/api_keys/`, those of users and what is theirs in `tests/database/sessions/`.
const MANAGING: &str =
    "select string_agg(proname, ',') from pg_proc where pronamespace = 'auth'::regnamespace
    and prosecdef and proname !~ 'api_key|session|user|sign_up|sign_in|send_|redeem|password|own_invit|decline' and proname not in ('lint', 'organization_columns', 'protected_tables', 'purge_endings',
                                  'jwks', 'issue_jwt', 'impersonate', 'revoke_token', 'purge_revocations', 'list_tokens')
    and has_function_privilege('tenant', oid, 'execute')";

/// What somebody tried, and the tables after it or the error.
struct Outcome {
    actor: Actor,
    call: Call,
    found: Result<String, String>,
    expected: Result<String, String>,
}

struct Matrix {
    model: Model,
    outcomes: Vec<Outcome>,
    /// The functions that manage tenants.
    functions: Vec<String>,
}

/// Everything, tried once for all tests.
fn matrix() -> &'static Matrix {
    static MATRIX: OnceLock<Matrix> = OnceLock::new();
    MATRIX.get_or_init(|| {
        let mut world = World::new();
        let mut outcomes = Vec::new();
        for actor in ACTORS {
            let calls = cases(actor.user().unwrap_or("owner_1"));
            let answers = world.attempt(actor, &calls);
            outcomes.extend(calls.into_iter().zip(answers).map(|(call, answer)| {
                let mut model = world.model.clone();
                let judged = model.judge(actor, &call);
                let expected = judged.map(|()| model.state()).map_err(str::to_owned);
                let found = answer.strip_prefix(ALLOWED).map(str::to_owned).ok_or(answer.clone());
                Outcome { actor, call, found, expected }
            }));
        }
        let functions = world.admin.value(MANAGING).unwrap();
        Matrix { model: world.model, outcomes, functions: list(&functions) }
    })
}

/// One membership of an organization (`m`) or a workspace (`g`): before and after a call.
#[derive(Debug)]
struct Change<'a> {
    org: &'a str,
    user: &'a str,
    old: Option<&'a str>,
    new: Option<&'a str>,
    guest: bool,
}

/// Memberships by place and user.
fn memberships<'a>(state: &'a str, mark: &str) -> BTreeMap<(&'a str, &'a str), &'a str> {
    let lines = state.lines().filter_map(|line| line.strip_prefix(mark));
    let parts = lines.map(|line| line.trim_end_matches(" suspended").split_once('=').unwrap());
    parts.map(|(place, role)| (place.split_once('/').unwrap(), role)).collect()
}

impl Matrix {
    fn start(&self) -> String {
        self.model.state()
    }

    /// What users were allowed to do, and which memberships it changed.
    fn done(&self) -> impl Iterator<Item = (&'static str, &Call, Vec<Change<'_>>)> {
        let start: &'static str = self.start().leak();
        self.outcomes.iter().filter_map(move |outcome| {
            let (user, state) = (outcome.actor.user()?, outcome.found.as_ref().ok()?);
            let mut changes = Vec::new();
            for (mark, guest) in [("m ", false), ("g ", true)] {
                let (before, after) = (memberships(start, mark), memberships(state, mark));
                let touched: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
                for (place, member) in touched {
                    let (old, new) =
                        (before.get(&(place, member)).copied(), after.get(&(place, member)).copied());
                    let org = if guest { self.org_of_workspace(place, &outcome.call) } else { place };
                    if old != new {
                        changes.push(Change { org, user: member, old, new, guest });
                    }
                }
            }
            Some((user, &outcome.call, changes))
        })
    }

    fn role_of(&self, org: &str, user: &str) -> Option<&str> {
        self.model.members.get(&(org.to_owned(), user.to_owned())).map(String::as_str)
    }

    fn rank(&self, role: Option<&str>) -> i32 {
        role.map_or(0, |role| self.role(role).rank)
    }

    fn role(&self, name: &str) -> &Role {
        let stored = name.trim_end_matches(":own");
        let mut all = self.model.roles.iter().filter(|((_, own), _)| own == stored);
        let all = if stored == name { all.next() } else { all.next_back() };
        all.unwrap().1
    }
}

#[test]
fn t105_t106_every_function_decides_as_the_definition_says() {
    let matrix = matrix();
    for Outcome { actor, call, found, expected } in &matrix.outcomes {
        assert_eq!(found, expected, "{actor:?}: {call}");
    }
    assert!(matrix.outcomes.len() > 10_000, "only {} cases", matrix.outcomes.len());
    assert!(matrix.functions.len() >= 28, "only {}", matrix.functions.len());
    let mut missing = Vec::new();
    for function in &matrix.functions {
        let of_users =
            matrix.outcomes.iter().filter(|one| one.call.function == *function && one.actor.user().is_some());
        let (allowed, refused): (Vec<_>, Vec<_>) = of_users.partition(|one| one.found.is_ok());
        let administrators = ["disable_organization", "enable_organization"].contains(&function.as_str());
        if allowed.is_empty() != administrators || refused.is_empty() && function != "list_organizations" {
            missing.push(function);
        }
    }
    assert!(missing.is_empty(), "always the same answer: {missing:?}");
}

#[test]
fn t105_nobody_gives_or_takes_a_role_that_is_not_below_his_own() {
    let matrix = matrix();
    let mut count = 0;
    for (me, call, changes) in matrix.done() {
        // A workspace goes with its members.
        let others = changes.iter().filter(|change| change.user != me && call.function != "delete_workspace");
        for change in others {
            let own = matrix.role_of(change.org, me);
            let rank = matrix.rank(own);
            let below = matrix.rank(change.old).max(matrix.rank(change.new)) < rank;
            assert!(below || own == Some("owner"), "{me}: {call}: {change:?}");
            let role = matrix.role(own.unwrap());
            let listed =
                |new: &str| role.grantable.as_ref().is_none_or(|names| names.iter().any(|name| name == new));
            assert!(change.new.is_none_or(listed), "{me}: {call}: {change:?}");
            count += 1;
        }
    }
    assert!(count > 200, "only {count} changes");
}

#[test]
fn t204_in_workspaces_nobody_changes_members_who_are_not_below_them_in_the_organization() {
    let matrix = matrix();
    let (mut lowest, mut changed) = (BTreeSet::new(), BTreeSet::new());
    for (me, call, changes) in matrix.done() {
        let of_others = changes.iter().filter(|change| change.guest && change.user != me);
        for change in of_others.filter(|_| call.function != "delete_workspace") {
            let (own, theirs) = (matrix.role_of(change.org, me), matrix.role_of(change.org, change.user));
            let below = matrix.rank(theirs) < matrix.rank(own);
            assert!(below || own == Some("owner"), "{me}: {call}: {change:?}");
            lowest.insert(own);
            changed.insert((call.function, change.old.is_some(), change.new.is_some()));
        }
    }
    assert!(lowest.contains(&Some("builder")), "{lowest:?}");
    for change in [
        ("add_workspace_member", false, true),
        ("set_workspace_member_role", true, true),
        ("remove_workspace_member", true, false),
    ] {
        assert!(changed.contains(&change), "{changed:?}");
    }
}

#[test]
fn t105_nobody_changes_his_own_role_but_an_owner_who_steps_down() {
    let matrix = matrix();
    let mut left = BTreeSet::new();
    for (me, call, changes) in matrix.done() {
        for change in changes.iter().filter(|change| change.user == me && change.old.is_some()) {
            let leaves = change.new.is_none();
            assert!(leaves || matrix.role_of(change.org, me) == Some("owner"), "{me}: {call}: {change:?}");
            if !leaves && !change.guest {
                assert_eq!(change.old, Some("owner"), "{me}: {call}: {change:?}");
                left.insert(call.function);
            }
        }
    }
    assert_eq!(left, BTreeSet::from(["set_member_role", "transfer_ownership"]));
}

#[test]
fn t105_only_owners_make_owners() {
    let matrix = matrix();
    let mut makers = BTreeSet::new();
    for (me, call, changes) in matrix.done() {
        let invites = call.function == "create_invitation" && call.get("role") == Some("owner");
        let invited = invites.then(|| matrix.place_of(call));
        let made = changes.iter().filter(|change| change.new == Some("owner") && change.old != change.new);
        for org in made.map(|change| change.org).chain(invited).filter(|org| *org != "new") {
            assert_eq!(matrix.role_of(org, me), Some("owner"), "{me}: {call}");
            makers.insert(call.function);
        }
    }
    let expected = [
        "add_member",
        "add_workspace_member",
        "create_invitation",
        "create_workspace",
        "set_member_role",
        "set_workspace_member_role",
        "transfer_ownership",
    ];
    assert_eq!(makers, BTreeSet::from(expected));
}

#[test]
fn t106_nobody_reaches_into_organizations_that_are_not_his() {
    let matrix = matrix();
    let start = matrix.start();
    let before: BTreeSet<&str> = start.lines().collect();
    for outcome in &matrix.outcomes {
        let (Some(me), Ok(state)) = (outcome.actor.user(), &outcome.found) else { continue };
        let after: BTreeSet<&str> = state.lines().collect();
        let touched: Vec<&str> = before.symmetric_difference(&after).copied().collect();
        let orgs: BTreeSet<&str> = touched.iter().map(|line| matrix.org_of(line, &outcome.call)).collect();
        assert!(orgs.len() <= 1, "{me}: {}: {touched:?}", outcome.call);
        for org in orgs {
            let joins = outcome.call.function == "accept_invitation";
            let own =
                matrix.role_of(org, me).is_some() && org != "shut" && org == matrix.place_of(&outcome.call);
            let creates = org == "new" && outcome.call.function == "create_organization";
            assert!(own || creates || joins, "{me}: {}: {touched:?}", outcome.call);
            let mine = |line: &&str| {
                line.contains(&format!("/{me}=")) || line.contains(&format!("accepted by {me}"))
            };
            let added = touched.iter().filter(|line| after.contains(*line));
            assert!(!joins || added.copied().all(|line| mine(&line)), "{me}: {}: {touched:?}", outcome.call);
        }
    }
}

#[test]
fn t106_no_call_moves_a_membership_to_another_organization() {
    let matrix = matrix();
    let start = matrix.start();
    let before = memberships(&start, "m ");
    for outcome in &matrix.outcomes {
        let Ok(state) = &outcome.found else { continue };
        let after = memberships(state, "m ");
        let gained = after.keys().filter(|key| !before.contains_key(*key));
        let lost: Vec<_> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        for (org, user) in gained {
            assert!(!lost.iter().any(|(_, who)| who == user), "{:?}: {}", outcome.actor, outcome.call);
            assert!(
                *org == "new" || *org == matrix.place_of(&outcome.call),
                "{:?}: {}",
                outcome.actor,
                outcome.call
            );
        }
    }
}

impl Matrix {
    /// The organization that a line of the state is about; an empty one is every one.
    fn org_of<'a>(&'a self, line: &'a str, call: &'a Call) -> &'a str {
        let (mark, rest) = line.split_once(' ').unwrap();
        let place = rest.split([' ', '/']).next().unwrap();
        if mark == "g" { self.org_of_workspace(place, call) } else { place }
    }

    fn org_of_workspace<'a>(&'a self, workspace: &str, call: &'a Call) -> &'a str {
        self.model.workspaces.get(workspace).map_or_else(|| self.place_of(call), String::as_str)
    }

    /// The organization that a call is about.
    fn place_of<'a>(&'a self, call: &'a Call) -> &'a str {
        let of_workspace = call.get("workspace_id").and_then(|name| self.model.workspaces.get(name));
        let name = call.get("invitation_id").or(call.get("token"));
        let invitation = self.model.invitations.iter().find(|one| Some(one.name.as_str()) == name);
        let of_invitation = invitation.map(|one| &one.org);
        call.get("org_id").or(of_workspace.or(of_invitation).map(String::as_str)).unwrap_or_default()
    }
}
