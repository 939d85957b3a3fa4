//! t101: no key goes beyond whoever creates it. Every combination is tried, and compared with a model.

mod changes;
mod parents;

use super::world::*;
use pg_bearer_tests::database::Session;

/// What roles and scopes speak of.
const UNIVERSE: [&str; 8] = [
    "docs.read",
    "docs.write",
    "docs.deep.read",
    "members.read",
    "organization.read",
    "api_keys.read",
    "api_keys.write",
    "billing.pay",
];
const CLERK: [&str; 2] = ["docs.read", "api_keys.write"];

pub(super) fn covers(granted: &[&str], wanted: &str) -> bool {
    let reaches = |one: &&str| match one.strip_suffix('*') {
        Some("") => true,
        Some(start) => wanted.starts_with(start),
        None => *one == wanted,
    };
    granted.iter().any(reaches)
}

struct Role {
    name: &'static str,
    rank: u32,
    permissions: &'static [&'static str],
}

const ROLES: [Role; 5] = [
    Role { name: "owner", rank: 1000, permissions: &["*"] },
    Role { name: "admin", rank: 800, permissions: &["*"] },
    Role { name: "keeper", rank: 500, permissions: &["docs.*", "api_keys.*", "members.read"] },
    Role { name: "clerk", rank: 300, permissions: &CLERK },
    Role {
        name: "viewer",
        rank: 200,
        permissions: &["organization.read", "members.read", "workspaces.read", "roles.read"],
    },
];

fn role(name: &str) -> &'static Role {
    ROLES.iter().find(|role| role.name == name).unwrap()
}

struct Creator {
    user: &'static str,
    role: &'static str,
    workspace: Option<&'static str>,
    rank_there: u32,
}

const CREATORS: [Creator; 4] = [
    Creator { user: "ada", role: "owner", workspace: Some("desk"), rank_there: 1000 },
    Creator { user: "ben", role: "admin", workspace: Some("attic"), rank_there: 400 },
    Creator { user: "cara", role: "keeper", workspace: Some("desk"), rank_there: 400 },
    Creator { user: "erin", role: "clerk", workspace: None, rank_there: 0 },
];

const SCOPES: [Option<&[&str]>; 8] = [
    None,
    Some(&[]),
    Some(&["docs.read"]),
    Some(&["docs.*"]),
    Some(&["docs.deep.*", "members.read"]),
    Some(&["docs.read", "billing.pay"]),
    Some(&["api_keys.write"]),
    Some(&["*"]),
];

#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    scopes: Option<&'static [&'static str]>,
    role: Option<&'static str>,
    workspace: Option<&'static str>,
    user: Option<&'static str>,
    environment: Option<&'static str>,
}

impl Wanted {
    fn arguments(&self) -> String {
        let text = |value: Option<&str>| value.map_or("null".to_owned(), |value| format!("'{value}'"));
        let scopes = self.scopes.map(|scopes| format!("{{{}}}", scopes.join(",")));
        let workspace = self.workspace.map_or("null".to_owned(), |name| format!(":{name}"));
        format!(
            "org_id => :north, scopes => {}, role => {}, workspace_id => {workspace}, user_id => {}, environment => {}",
            text(scopes.as_deref()),
            text(self.role),
            text(self.user),
            text(self.environment)
        )
    }

    /// May this user have it, with a token of this environment?
    fn is_within(&self, creator: &Creator, token: &str) -> bool {
        let own = role(creator.role);
        let role_is_lower = self.role.is_none_or(|name| own.name == "owner" || role(name).rank < own.rank);
        let given = self.scopes.or(self.role.map(|name| role(name).permissions));
        let scopes_are_own =
            given.is_none_or(|scopes| scopes.iter().all(|scope| covers(own.permissions, scope)));
        role_is_lower
            && scopes_are_own
            && (self.workspace.is_none() || self.workspace == creator.workspace)
            && (self.workspace.is_none()
                || self.role.is_none_or(|name| role(name).rank <= creator.rank_there))
            && self.user.is_none_or(|user| user == creator.user)
            && (token == "live" || self.environment != Some("live"))
    }

    /// May its bearer do this?
    fn permits(&self, creator: &Creator, permission: &str) -> bool {
        let base = role(self.role.unwrap_or(creator.role)).permissions;
        covers(base, permission) && self.scopes.is_none_or(|scopes| covers(scopes, permission))
    }
}

fn world() -> World {
    let mut world = World::new();
    world.root("auth.define_role('clerk', '{docs.read,api_keys.write}', :north)");
    world.root("auth.add_member(:north, 'erin', 'clerk')");
    world
}

/// Creates a key, and gives what it may do or the error.
fn created(world: &mut World, who: &Who, arguments: &str) -> Result<Vec<bool>, String> {
    let create = world.fill(&format!("select key from auth.create_api_key('k', {arguments})"));
    let session = world.begin(who).unwrap();
    let key: String = match session.query_one(&create, &[]) {
        Ok(row) => row.get(0),
        Err(error) => return Err(told(&error)),
    };
    session.authenticate(&key).unwrap();
    let list = UNIVERSE.map(|permission| format!("auth.has_permission('{permission}')")).join(", ");
    let answers = session.value(&format!("select array[{list}]::text")).unwrap();
    Ok(answers.trim_matches(['{', '}']).split(',').map(|answer| answer == "t").collect())
}

fn assert_as_modelled(world: &mut World, creator: &Creator, token: &str, wanted: Wanted) -> bool {
    let who = if token == "test" { Who::Tester(creator.user) } else { Who::User(creator.user) };
    let found = created(world, &who, &wanted.arguments());
    let case = format!("{who:?}: {wanted:?}: {found:?}");
    match &found {
        Ok(answers) => {
            assert!(wanted.is_within(creator, token), "{case}");
            for (permission, answer) in UNIVERSE.into_iter().zip(answers) {
                assert_eq!(*answer, wanted.permits(creator, permission), "{permission}: {case}");
                assert!(
                    !answer || covers(role(creator.role).permissions, permission),
                    "{permission}: {case}"
                );
            }
        }
        Err(told) => {
            assert!(!wanted.is_within(creator, token), "{case}");
            assert!(told.starts_with("42501 "), "{case}");
        }
    }
    found.is_ok()
}

#[test]
fn t101_users_give_keys_the_scopes_roles_and_workspaces_that_they_may() {
    let mut world = world();
    let (mut made, mut refused) = (0, 0);
    for creator in &CREATORS {
        for scopes in SCOPES {
            for role in [None, Some("viewer"), Some("clerk"), Some("keeper"), Some("admin"), Some("owner")] {
                for workspace in [None, Some("desk"), Some("attic")] {
                    let wanted = Wanted { scopes, role, workspace, ..Wanted::default() };
                    // A personal key of a workspace is its user's, and one for others' is no member's.
                    if role.is_none() && workspace.is_some() && workspace != creator.workspace {
                        let told = world.attempt(&Who::User(creator.user), &wanted.arguments());
                        assert_eq!(told, "22023 no such member", "{wanted:?}");
                        continue;
                    }
                    let is_made = assert_as_modelled(&mut world, creator, "live", wanted);
                    *(if is_made { &mut made } else { &mut refused }) += 1;
                }
            }
        }
    }
    assert!(made > 150 && refused > 150, "{made} {refused}");
}

#[test]
fn t101_users_make_keys_for_themselves_and_their_environment() {
    let mut world = world();
    let (mut made, mut refused) = (0, 0);
    for creator in &CREATORS {
        for token in ["live", "test"] {
            for scopes in [None, Some(&["docs.read"][..]), Some(&["billing.pay"][..])] {
                for user in [None, Some("ada"), Some("cara"), Some("dan")] {
                    for environment in [None, Some("live"), Some("test")] {
                        let wanted = Wanted { scopes, user, environment, ..Wanted::default() };
                        let is_made = assert_as_modelled(&mut world, creator, token, wanted);
                        *(if is_made { &mut made } else { &mut refused }) += 1;
                    }
                }
            }
        }
    }
    assert!(made > 50 && refused > 100, "{made} {refused}");
}

#[test]
fn t101_only_services_and_administrators_make_keys_of_other_kinds() {
    let mut world = world();
    for kind in ["service", "publishable"] {
        for who in [Who::User("ada"), Who::User("cara"), Who::Tester("ada")] {
            let told = world.attempt(&who, &format!("org_id => :north, kind => '{kind}'"));
            assert_eq!(told, "42501 this needs a service credential or an administrator", "{who:?}");
            let told = world.attempt(&who, &format!("kind => '{kind}'"));
            assert!(told.starts_with("42501 "), "{who:?}: {told}");
        }
    }
}

#[test]
fn t101_a_role_that_grows_does_not_widen_the_keys_of_lower_ones() {
    let mut world = world();
    let key = world.key(&Who::User("cara"), "role => 'clerk', scopes => '{docs.read}'");
    world.root("auth.define_role('clerk', '{*}', :north)");
    let may = "concat(auth.has_permission('docs.read'), auth.has_permission('docs.write'), auth.has_permission('billing.pay'))";
    assert_eq!(world.tell(&key.bearer(), may), "tff");
    // Now it would be wider than its creator.
    let change = format!("auth.update_api_key('{}', clear => '{{scopes}}')", key.id);
    assert_eq!(
        world.tell(&Who::User("cara"), &change),
        "42501 the key would go beyond what you may do: scopes"
    );
}
