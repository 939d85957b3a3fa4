//! Every action there is, on everything that it can be done to.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

pub(super) const ROLES: [&str; 7] = ["owner", "admin", "builder", "clerk", "helper", "member", "viewer"];
const ORGS: [Option<&str>; 6] =
    [Some("home"), Some("lone"), Some("far"), Some("shut"), Some("unknown"), None];
const WORKSPACES: [Option<&str>; 5] = [Some("desk"), Some("attic"), Some("shed"), Some("unknown"), None];
const INVITATIONS: [Option<&str>; 9] = [
    Some("open"),
    Some("desk"),
    Some("by helper"),
    Some("used"),
    Some("gone"),
    Some("far"),
    Some("shut"),
    Some("unknown"),
    None,
];

/// A function and its arguments by their names. Organizations, workspaces and invitations are called what
/// the world calls them.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) function: &'static str,
    args: Vec<(&'static str, Option<String>)>,
}

impl Call {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_deref())
    }

    /// The call as SQL; `ids` has the ids and tokens of what has one.
    pub(super) fn sql(&self, ids: &BTreeMap<String, String>) -> String {
        let literal = |(name, value): &(&str, Option<String>)| {
            let Some(value) = value else { return format!("{name} => null") };
            let key = format!("{name} {value}");
            let id = ids.get(&key).or_else(|| ids.get(*name).filter(|_| value == "unknown"));
            format!("{name} => '{}'", id.unwrap_or(value))
        };
        let args: Vec<String> = self.args.iter().map(literal).collect();
        format!("select count(*) from auth.{}({})", self.function, args.join(", "))
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args =
            self.args.iter().map(|(name, value)| format!("{name}: {}", value.as_deref().unwrap_or("NULL")));
        write!(f, "{}({})", self.function, args.collect::<Vec<_>>().join(", "))
    }
}

fn call(function: &'static str, args: &[(&'static str, Option<&str>)]) -> Call {
    Call { function, args: args.iter().map(|(name, value)| (*name, value.map(str::to_owned))).collect() }
}

/// What somebody of this name can try.
pub(super) fn cases(me: &str) -> Vec<Call> {
    let mut calls = vec![call("list_organizations", &[])];
    for (owner_id, external_id) in
        [(None, None), (Some(me), None), (None, Some("theirs")), (Some("new"), Some("theirs"))]
    {
        let args = [("name", Some("new")), ("owner_id", owner_id), ("external_id", external_id)];
        calls.push(call("create_organization", &args));
    }
    calls.extend(INVITATIONS.iter().flat_map(|one| {
        [call("revoke_invitation", &[("invitation_id", *one)]), call("accept_invitation", &[("token", *one)])]
    }));
    for org in ORGS {
        on_organization(&mut calls, org, me);
        on_members(&mut calls, org, me);
        on_roles(&mut calls, org);
    }
    for workspace in WORKSPACES {
        on_workspace(&mut calls, workspace, me);
    }
    calls
}

fn on_organization(calls: &mut Vec<Call>, org: Option<&str>, me: &str) {
    let it = ("org_id", org);
    let alone = [
        "disable_organization",
        "enable_organization",
        "delete_organization",
        "leave_organization",
        "confirm_membership",
        "list_members",
        "list_workspaces",
        "list_roles",
        "list_invitations",
        "list_audit_log",
    ];
    calls.extend(alone.map(|function| call(function, &[it])));
    calls.push(call("update_organization", &[it, ("metadata", Some("{}"))]));
    calls.push(call("update_organization", &[it, ("external_id", Some("theirs"))]));
    calls.push(call("create_workspace", &[it, ("name", Some("new"))]));
    for user in people(org, me) {
        calls.push(call("transfer_ownership", &[it, ("user_id", user.as_deref())]));
        calls.push(call("remove_member", &[it, ("user_id", user.as_deref())]));
    }
    for role in granted(org) {
        for workspace in [None, Some("desk"), Some("shed"), Some("unknown")] {
            calls.push(call("create_invitation", &[it, ("role", role), ("workspace_id", workspace)]));
        }
    }
}

/// Members of every role, oneself, a stranger and nobody.
fn people(org: Option<&str>, me: &str) -> Vec<Option<String>> {
    let of_role = |number: u8| ROLES.map(|role| Some(format!("{role}_{number}")));
    let mut people: Vec<Option<String>> = match org {
        Some("home" | "desk" | "attic") => of_role(2).into(),
        Some("lone") => of_role(1).into(),
        Some("far" | "shed") => vec![Some("outsider".into()), Some("stranger".into())],
        Some("shut") => vec![Some("admin_1".into())],
        _ => Vec::new(),
    };
    people.extend([Some(me.to_owned()), Some("new".into()), Some("idle".into()), Some("kin".into()), None]);
    people.dedup();
    people
}

/// The roles to give there: all of them and none, or where less depends on them, a choice.
fn granted(place: Option<&str>) -> Vec<Option<&'static str>> {
    match place {
        Some("home" | "desk") => ROLES
            .map(Some)
            .into_iter()
            .chain(["twin", "twin:own", "helper:own", "secret"].map(Some))
            .chain([None])
            .collect(),
        // This is a role of `far` alone.
        Some("lone" | "far" | "attic" | "shed") => {
            vec![Some("owner"), Some("admin"), Some("viewer"), Some("secret")]
        }
        _ => vec![Some("owner")],
    }
}

fn on_members(calls: &mut Vec<Call>, org: Option<&str>, me: &str) {
    let it = ("org_id", org);
    for role in granted(org) {
        for user in people(org, me) {
            calls.push(call("set_member_role", &[it, ("user_id", user.as_deref()), ("role", role)]));
        }
        for user in [Some("new"), Some(me), Some("member_2"), Some("viewer_1"), Some(""), None] {
            calls.push(call("add_member", &[it, ("user_id", user), ("role", role)]));
        }
    }
}

fn on_workspace(calls: &mut Vec<Call>, workspace: Option<&str>, me: &str) {
    let it = ("workspace_id", workspace);
    let alone = [
        "disable_workspace",
        "enable_workspace",
        "delete_workspace",
        "leave_workspace",
        "list_workspace_members",
    ];
    calls.extend(alone.map(|function| call(function, &[it])));
    calls.push(call("update_workspace", &[it, ("metadata", Some("{}"))]));
    for user in people(workspace, me) {
        let user = ("user_id", user.as_deref());
        calls.push(call("remove_workspace_member", &[it, user]));
        for role in granted(workspace) {
            calls.push(call("add_workspace_member", &[it, user, ("role", role)]));
            calls.push(call("set_workspace_member_role", &[it, user, ("role", role)]));
        }
    }
}

fn on_roles(calls: &mut Vec<Call>, org: Option<&str>) {
    let it = ("org_id", org);
    let names = [
        "owner",
        "member",
        "viewer",
        "builder",
        "clerk",
        "helper",
        "spare",
        "high",
        "secret",
        "Bad name",
        "fresh",
        "twin",
        "twin:own",
        "helper:own",
        "viewer:own",
    ];
    calls.extend(names.map(|name| call("drop_role", &[("name", Some(name)), it])));
    let mut define = |name, permissions, rank, grantable| {
        let args =
            [("name", name), ("permissions", permissions), it, ("rank", rank), ("grantable", grantable)];
        calls.push(call("define_role", &args));
    };
    for name in names.map(Some).into_iter().chain([None]) {
        define(name, Some("{members.read}"), None, Some("{}"));
    }
    if org != Some("home") {
        return;
    }
    for rank in ["0", "1", "99", "201", "300", "549", "550", "799", "800", "999", "1000"] {
        for name in ["fresh", "spare", "helper", "high"] {
            define(Some(name), Some("{}"), Some(rank), Some("{}"));
        }
        define(Some("fresh"), Some("{}"), Some(rank), Some("{viewer}"));
    }
    for permissions in [
        "{members.read}",
        "{members.write}",
        "{members.*}",
        "{roles.*}",
        "{roles.read,docs.a}",
        "{*}",
        "{a*}",
        "{null}",
        "{{a}}",
    ] {
        define(Some("fresh"), Some(permissions), Some("300"), Some("{}"));
    }
    define(Some("fresh"), None, None, Some("{}"));
    for grantable in [
        None,
        Some("{viewer}"),
        Some("{spare,viewer}"),
        Some("{spare:own,viewer}"),
        Some("{twin}"),
        Some("{twin:own}"),
        Some("{viewer:own}"),
        Some("{member}"),
        Some("{secret}"),
        Some("{owner}"),
        Some("{fresh}"),
        Some("{Bad}"),
    ] {
        define(Some("fresh"), Some("{}"), None, grantable);
        define(Some("fresh"), Some("{}"), Some("999"), grantable);
    }
}
