//! What the definition says of who may do what, and what becomes of it. Written from the documentation of
//! the functions, knowing nothing of how they are made.

use super::cases::Call;
use std::collections::{BTreeMap, BTreeSet};

/// A role as `auth.list_roles()` shows it, but for its name, which ends in `:own` if it is an organization's own.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) rank: i32,
    pub(super) permissions: Vec<String>,
    pub(super) grantable: Option<Vec<String>>,
    pub(super) builtin: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Actor {
    Nobody,
    Administrator,
    Service,
    User(&'static str),
}

#[derive(Clone)]
pub(super) struct Invitation {
    /// What a case calls it.
    pub(super) name: String,
    pub(super) org: String,
    pub(super) workspace: Option<String>,
    pub(super) role: String,
    pub(super) by: Option<String>,
    pub(super) state: String,
}

/// Places by their names, the organization of a role of every one being empty.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) roles: BTreeMap<(String, String), Role>,
    /// The roles that came with the extension, as they were.
    pub(super) seeds: BTreeMap<String, Role>,
    pub(super) orgs: BTreeSet<String>,
    pub(super) workspaces: BTreeMap<String, String>,
    pub(super) disabled: BTreeSet<String>,
    pub(super) members: BTreeMap<(String, String), String>,
    pub(super) guests: BTreeMap<(String, String), String>,
    pub(super) invitations: Vec<Invitation>,
}

type Answer<T = ()> = Result<T, &'static str>;

pub(super) const NOBODY: &str = "28000 this transaction has no identity";
pub(super) const FOREIGN: &str = "42501 no such organization, or it is not yours";
pub(super) const FOREIGN_WORKSPACE: &str = "42501 no such workspace, or it is not yours";
const FOREIGN_INVITATION: &str = "42501 no such invitation, or it is not yours";
const TOO_LOW: &str = "42501 your role in this organization does not allow this";
const NOT_A_USERS: &str = "42501 this needs a service credential or an administrator";
const NOT_GRANTED: &str = "42501 you cannot grant this role";
const NOT_BELOW: &str = "42501 you cannot change this member";
const LAST_OWNER: &str = "42501 the last owner must stay";
const ONLY_MEMBERS: &str = "42501 only a member can leave";
const NOT_DEFINED: &str = "42501 you cannot define this role";
const NO_ROLE: &str = "22023 no such role";
const NO_MEMBER: &str = "22023 no such member";
const MEMBER: &str = "23505 already a member";
const INVALID: &str = "42501 the invitation is not valid";

fn covers(granted: &[String], wanted: &str) -> bool {
    let below = |grant: &String| grant.strip_suffix('*').is_some_and(|start| wanted.starts_with(start));
    granted.iter().any(|grant| grant == wanted || below(grant))
}

fn demand(holds: bool, otherwise: &'static str) -> Answer {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// The elements of an array in SQL.
pub(super) fn list(array: &str) -> Vec<String> {
    let inside = array.trim_start_matches('{').trim_end_matches('}');
    inside.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn key(place: &str, name: &str) -> (String, String) {
    (place.to_owned(), name.to_owned())
}

impl Actor {
    fn unrestricted(self) -> bool {
        matches!(self, Actor::Administrator | Actor::Service)
    }

    pub(super) fn user(self) -> Option<&'static str> {
        if let Actor::User(name) = self { Some(name) } else { None }
    }

    fn is(self, user: Option<&str>) -> bool {
        self.user().is_some() && self.user() == user
    }
}

impl Model {
    /// Decides, and does what is allowed.
    pub(super) fn judge(&mut self, actor: Actor, call: &Call) -> Answer {
        demand(actor != Actor::Nobody, NOBODY)?;
        let (org, user) = (call.get("org_id"), call.get("user_id"));
        match call.function {
            "create_organization" => self.create_organization(actor, call),
            "list_organizations" => Ok(()),
            "update_organization" => {
                self.enter(actor, org, "organization.write")?;
                demand(call.get("external_id").is_none() || actor.unrestricted(), NOT_A_USERS)
            }
            "disable_organization" | "enable_organization" => {
                demand(actor.unrestricted(), NOT_A_USERS)?;
                self.enter(actor, org, "")?;
                self.switch(org, call.function.starts_with("disable"));
                Ok(())
            }
            "delete_organization" => self.delete_organization(actor, org),
            "transfer_ownership" => self.transfer_ownership(actor, org, user),
            "leave_organization" => {
                demand(actor.user().is_some(), ONLY_MEMBERS)?;
                self.remove_member(actor, org, actor.user())
            }
            "confirm_membership" => {
                demand(actor != Actor::Administrator, NOBODY)?;
                demand(actor.user().is_some(), "42501 only a user can confirm a membership")?;
                self.enter(actor, org, "").map(drop)
            }
            "list_members" => self.enter(actor, self.here(actor, org).as_deref(), "members.read").map(drop),
            "list_workspaces" => self.enter(actor, self.here(actor, org).as_deref(), "").map(drop),
            "list_invitations" => {
                self.enter(actor, self.here(actor, org).as_deref(), "invitations.read").map(drop)
            }
            // Also of what is gone.
            "list_audit_log" if actor.unrestricted() => Ok(()),
            "list_audit_log" => self.enter(actor, self.here(actor, org).as_deref(), "audit.read").map(drop),
            "list_roles" if org.is_none() => Ok(()),
            "list_roles" => self.enter(actor, org, "roles.read").map(drop),
            "add_member" => self.add_member(actor, org, user, call.get("role")),
            "set_member_role" => self.set_member_role(actor, org, user, call.get("role")),
            "remove_member" => self.remove_member(actor, org, user),
            "create_workspace" => self.create_workspace(actor, org),
            "define_role" => self.define_role(actor, call),
            "drop_role" => self.drop_role(actor, org, call.get("name").unwrap_or_default()),
            "create_invitation" => self.create_invitation(actor, call),
            "revoke_invitation" => self.revoke_invitation(actor, call.get("invitation_id")),
            "accept_invitation" => self.accept_invitation(actor, call.get("token")),
            _ => self.judge_workspace(actor, call),
        }
    }

    fn judge_workspace(&mut self, actor: Actor, call: &Call) -> Answer {
        let (workspace, user) = (call.get("workspace_id"), call.get("user_id"));
        match call.function {
            "update_workspace" => self.enter_workspace(actor, workspace, "workspaces.write").map(drop),
            "disable_workspace" | "enable_workspace" => {
                self.enter_workspace(actor, workspace, "workspaces.write")?;
                self.switch(workspace, call.function.starts_with("disable"));
                Ok(())
            }
            "delete_workspace" => self.delete_workspace(actor, workspace),
            "add_workspace_member" => self.add_guest(actor, workspace, user, call.get("role")),
            "set_workspace_member_role" => self.set_guest(actor, workspace, user, call.get("role")),
            "remove_workspace_member" => self.remove_guest(actor, workspace, user),
            "leave_workspace" => {
                demand(actor.user().is_some(), ONLY_MEMBERS)?;
                self.remove_guest(actor, workspace, actor.user())
            }
            "list_workspace_members" => {
                let (_, role) = self.enter_workspace(actor, workspace, "")?;
                let name = workspace.unwrap_or_default();
                let guest = actor.user().is_some_and(|user| self.guests.contains_key(&key(name, user)));
                let open = guest && !self.disabled.contains(name);
                demand(open || covers(&role.permissions, "workspaces.write"), TOO_LOW)
            }
            function => panic!("{function} is not in the model"),
        }
    }

    /// The organization itself, or for NULL the only one of a user.
    fn here(&self, actor: Actor, org: Option<&str>) -> Option<String> {
        let mut own =
            self.members.keys().filter(|(org, user)| actor.is(Some(user)) && !self.disabled.contains(org));
        let only = own.next().filter(|_| own.next().is_none()).map(|(org, _)| org.clone());
        org.map(str::to_owned).or(only)
    }

    fn switch(&mut self, place: Option<&str>, off: bool) {
        let place = place.unwrap_or_default().to_owned();
        if off {
            self.disabled.insert(place);
        } else {
            self.disabled.remove(&place);
        }
    }

    /// The role in which somebody acts in an organization, where it must give a permission unless that is
    /// empty.
    fn enter(&self, actor: Actor, org: Option<&str>, permission: &str) -> Answer<Role> {
        let org = org.filter(|org| self.orgs.contains(*org)).ok_or(FOREIGN)?;
        let role = match actor.user() {
            None => "owner",
            Some(_) if self.disabled.contains(org) => return Err(FOREIGN),
            Some(user) => self.members.get(&key(org, user)).ok_or(FOREIGN)?,
        };
        let role = self.role(org, Some(role)).map_err(|_| "?")?;
        demand(permission.is_empty() || covers(&role.permissions, permission), TOO_LOW)?;
        Ok(role)
    }

    /// The same for a workspace, with the name of its organization.
    fn enter_workspace(
        &self,
        actor: Actor,
        workspace: Option<&str>,
        permission: &str,
    ) -> Answer<(String, Role)> {
        let org = workspace.and_then(|workspace| self.workspaces.get(workspace)).ok_or(FOREIGN_WORKSPACE)?;
        self.enter(actor, Some(org), "").map_err(|_| FOREIGN_WORKSPACE)?;
        Ok((org.clone(), self.enter(actor, Some(org), permission)?))
    }

    pub(super) fn role(&self, org: &str, name: Option<&str>) -> Answer<Role> {
        let place = name.and_then(|name| self.named(org, name)).ok_or(NO_ROLE)?;
        self.roles.get(&place).cloned().ok_or(NO_ROLE)
    }

    /// Where the role is that a name means in an organization: one of every organization before its own.
    fn named(&self, org: &str, name: &str) -> Option<(String, String)> {
        let own = key(org, name.strip_suffix(":own").filter(|_| !org.is_empty()).unwrap_or(name));
        [key("", name), own].into_iter().find(|place| self.roles.contains_key(place))
    }

    /// The name that is shown.
    fn shown<'a>(&self, name: &'a str) -> &'a str {
        name.strip_suffix(":own").filter(|own| !self.roles.contains_key(&key("", own))).unwrap_or(name)
    }

    fn lists(&self, names: &[String], role: &Role) -> bool {
        names.iter().any(|name| *name == role.name || name == self.shown(&role.name))
    }

    fn may_grant(&self, role: &Role, granted: &Role) -> bool {
        let listed = role.grantable.as_ref().is_none_or(|names| self.lists(names, granted));
        role.name == "owner" || role.rank > granted.rank && listed
    }

    fn demand_other_owner(&self, org: &str, user: &str) -> Answer {
        let mut owners = self.members.iter().filter(|((of, _), role)| of == org && *role == "owner");
        demand(owners.any(|((_, owner), _)| owner != user), LAST_OWNER)
    }
}

mod actions;
mod roles;
