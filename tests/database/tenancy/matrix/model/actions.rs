//! The actions on organizations, members, workspaces and invitations.

use super::*;

impl Model {
    pub(super) fn create_organization(&mut self, actor: Actor, call: &Call) -> Answer {
        let given = call.get("owner_id").is_some() || call.get("external_id").is_some();
        demand(
            actor.unrestricted() || !given,
            "42501 only a service or an administrator sets owner_id and external_id",
        )?;
        self.orgs.insert("new".into());
        if let Some(owner) = actor.user().or(call.get("owner_id")) {
            self.members.insert(key("new", owner), "owner".into());
        }
        Ok(())
    }

    pub(super) fn delete_organization(&mut self, actor: Actor, org: Option<&str>) -> Answer {
        let role = self.enter(actor, org, "")?;
        demand(role.name == "owner", TOO_LOW)?;
        let org = org.unwrap_or_default();
        self.orgs.remove(org);
        self.members.retain(|(of, _), _| of != org);
        self.guests.retain(|(workspace, _), _| self.workspaces[workspace] != org);
        self.workspaces.retain(|_, of| of != org);
        self.roles.retain(|(of, _), _| of != org);
        self.invitations.retain(|invitation| invitation.org != org);
        Ok(())
    }

    pub(super) fn transfer_ownership(
        &mut self,
        actor: Actor,
        org: Option<&str>,
        user: Option<&str>,
    ) -> Answer {
        let role = self.enter(actor, org, "")?;
        demand(role.name == "owner", TOO_LOW)?;
        demand(!actor.is(user), "22023 the new owner must be somebody else")?;
        let (org, user) = (org.unwrap_or_default(), user.ok_or(NO_MEMBER)?);
        *self.members.get_mut(&key(org, user)).ok_or(NO_MEMBER)? = "owner".into();
        if let Some(former) = actor.user() {
            self.members.insert(key(org, former), "admin".into());
            self.lower_guest(org, former, "admin");
        }
        Ok(())
    }

    /// In workspaces a member has no higher role than in their organization.
    fn lower_guest(&mut self, org: &str, user: &str, role: &str) {
        let rank = |model: &Model, role: &str| model.role(org, Some(role)).map_or(0, |role| role.rank);
        let highest = rank(self, role);
        let his = |(of, guest): &&(String, String)| guest == user && self.workspaces[of] == org;
        let places: Vec<_> = self.guests.keys().filter(his).cloned().collect();
        for place in places {
            if rank(self, &self.guests[&place]) > highest {
                self.guests.insert(place, role.to_owned());
            }
        }
    }

    pub(super) fn add_member(
        &mut self,
        actor: Actor,
        org: Option<&str>,
        user: Option<&str>,
        role: Option<&str>,
    ) -> Answer {
        let own = self.enter(actor, org, "members.write")?;
        let org = org.unwrap_or_default();
        let granted = self.role(org, role)?;
        demand(self.may_grant(&own, &granted), NOT_GRANTED)?;
        let user =
            user.filter(|user| !user.is_empty()).ok_or("22023 user_id has a value that is not allowed")?;
        self.insert_member(org, user, &granted.name)
    }

    fn insert_member(&mut self, org: &str, user: &str, role: &str) -> Answer {
        demand(!self.members.contains_key(&key(org, user)), MEMBER)?;
        self.members.insert(key(org, user), role.to_owned());
        Ok(())
    }

    pub(super) fn set_member_role(
        &mut self,
        actor: Actor,
        org: Option<&str>,
        user: Option<&str>,
        role: Option<&str>,
    ) -> Answer {
        let own = self.enter(actor, org, "members.write")?;
        let org = org.unwrap_or_default();
        let granted = self.role(org, role)?;
        let user = user.ok_or(NO_MEMBER)?;
        let old = self.members.get(&key(org, user)).ok_or(NO_MEMBER)?;
        let old = self.role(org, Some(old))?;
        demand(own.name == "owner" || own.rank > old.rank, NOT_BELOW)?;
        demand(self.may_grant(&own, &granted), NOT_GRANTED)?;
        if old.name == "owner" && granted.name != "owner" {
            self.demand_other_owner(org, user)?;
        }
        self.lower_guest(org, user, &granted.name);
        self.members.insert(key(org, user), granted.name);
        Ok(())
    }

    pub(super) fn remove_member(&mut self, actor: Actor, org: Option<&str>, user: Option<&str>) -> Answer {
        let leaves = actor.is(user);
        let own = self.enter(actor, org, if leaves { "" } else { "members.write" })?;
        let (org, user) = (org.unwrap_or_default(), user.ok_or(NO_MEMBER)?);
        let old = self.members.get(&key(org, user)).ok_or(NO_MEMBER)?;
        let old = self.role(org, Some(old))?;
        demand(leaves || own.name == "owner" || own.rank > old.rank, NOT_BELOW)?;
        if old.name == "owner" {
            self.demand_other_owner(org, user)?;
        }
        self.members.remove(&key(org, user));
        self.guests.retain(|(workspace, guest), _| guest != user || self.workspaces[workspace] != org);
        self.revoke(|invitation| invitation.org == org && invitation.by.as_deref() == Some(user));
        Ok(())
    }

    fn revoke(&mut self, which: impl Fn(&Invitation) -> bool) {
        let open = self.invitations.iter_mut().filter(|one| one.state == "open" && which(one));
        open.for_each(|one| one.state = "revoked".into());
    }

    pub(super) fn create_workspace(&mut self, actor: Actor, org: Option<&str>) -> Answer {
        let own = self.enter(actor, org, "workspaces.write")?;
        self.workspaces.insert("new".into(), org.unwrap_or_default().into());
        if let Some(user) = actor.user() {
            self.guests.insert(key("new", user), own.name);
        }
        Ok(())
    }

    pub(super) fn delete_workspace(&mut self, actor: Actor, workspace: Option<&str>) -> Answer {
        self.enter_workspace(actor, workspace, "workspaces.write")?;
        let workspace = workspace.unwrap_or_default();
        self.workspaces.remove(workspace);
        self.guests.retain(|(of, _), _| of != workspace);
        self.revoke(|invitation| invitation.workspace.as_deref() == Some(workspace));
        for invitation in &mut self.invitations {
            invitation.workspace = invitation.workspace.take().filter(|of| of != workspace);
        }
        Ok(())
    }

    pub(super) fn add_guest(
        &mut self,
        actor: Actor,
        workspace: Option<&str>,
        user: Option<&str>,
        role: Option<&str>,
    ) -> Answer {
        let (org, own) = self.enter_workspace(actor, workspace, "workspaces.write")?;
        let granted = self.role(&org, role)?;
        demand(self.may_grant(&own, &granted), NOT_GRANTED)?;
        self.demand_senior(actor, &org, &own, user)?;
        self.insert_guest(&org, workspace.unwrap_or_default(), user.ok_or(NO_MEMBER)?, &granted.name)
    }

    /// Whatever somebody is in a workspace, their role in the organization says who may change that.
    fn demand_senior(&self, actor: Actor, org: &str, own: &Role, user: Option<&str>) -> Answer {
        let Some(role) = user.and_then(|user| self.members.get(&key(org, user))) else { return Ok(()) };
        let rank = self.role(org, Some(role))?.rank;
        demand(own.name == "owner" || own.rank > rank || actor.is(user), NOT_BELOW)
    }

    fn insert_guest(&mut self, org: &str, workspace: &str, user: &str, role: &str) -> Answer {
        demand(!self.guests.contains_key(&key(workspace, user)), MEMBER)?;
        demand(self.members.contains_key(&key(org, user)), NO_MEMBER)?;
        self.guests.insert(key(workspace, user), role.to_owned());
        Ok(())
    }

    pub(super) fn set_guest(
        &mut self,
        actor: Actor,
        workspace: Option<&str>,
        user: Option<&str>,
        role: Option<&str>,
    ) -> Answer {
        let (org, own) = self.enter_workspace(actor, workspace, "workspaces.write")?;
        let place = key(workspace.unwrap_or_default(), user.ok_or(NO_MEMBER)?);
        let old = self.role(&org, Some(self.guests.get(&place).ok_or(NO_MEMBER)?))?;
        let granted = self.role(&org, role)?;
        demand(own.name == "owner" || own.rank > old.rank && !actor.is(user), NOT_BELOW)?;
        self.demand_senior(actor, &org, &own, user)?;
        demand(self.may_grant(&own, &granted), NOT_GRANTED)?;
        self.guests.insert(place, granted.name);
        Ok(())
    }

    pub(super) fn remove_guest(
        &mut self,
        actor: Actor,
        workspace: Option<&str>,
        user: Option<&str>,
    ) -> Answer {
        let leaves = actor.is(user);
        let (org, own) =
            self.enter_workspace(actor, workspace, if leaves { "" } else { "workspaces.write" })?;
        let place = key(workspace.unwrap_or_default(), user.ok_or(NO_MEMBER)?);
        let old = self.role(&org, Some(self.guests.get(&place).ok_or(NO_MEMBER)?))?;
        demand(leaves || own.name == "owner" || own.rank > old.rank, NOT_BELOW)?;
        self.demand_senior(actor, &org, &own, user)?;
        self.guests.remove(&place);
        Ok(())
    }

    pub(super) fn create_invitation(&mut self, actor: Actor, call: &Call) -> Answer {
        let (org, workspace) = (call.get("org_id"), call.get("workspace_id"));
        let own = self.enter(actor, org, "invitations.write")?;
        let org = org.unwrap_or_default();
        let granted = self.role(org, call.get("role"))?;
        if let Some(workspace) = workspace {
            demand(self.workspaces.get(workspace).is_some_and(|of| of == org), FOREIGN_WORKSPACE)?;
            demand(covers(&own.permissions, "workspaces.write"), TOO_LOW)?;
        }
        demand(self.may_grant(&own, &granted), NOT_GRANTED)?;
        self.invitations.push(Invitation {
            name: "new".into(),
            org: org.into(),
            workspace: workspace.map(str::to_owned),
            role: granted.name,
            by: actor.user().map(str::to_owned),
            state: "open".into(),
        });
        Ok(())
    }

    fn invitation(&mut self, name: Option<&str>) -> Option<&mut Invitation> {
        self.invitations.iter_mut().find(|one| name == Some(&one.name))
    }

    pub(super) fn revoke_invitation(&mut self, actor: Actor, name: Option<&str>) -> Answer {
        let org = self.invitation(name).ok_or(FOREIGN_INVITATION)?.org.clone();
        self.enter(actor, Some(&org), "").map_err(|_| FOREIGN_INVITATION)?;
        self.enter(actor, Some(&org), "invitations.write")?;
        let invitation = self.invitation(name).ok_or(FOREIGN_INVITATION)?;
        demand(!invitation.state.starts_with("accepted"), "22023 the invitation was accepted")?;
        invitation.state = "revoked".into();
        Ok(())
    }

    /// Those who invited may still do so in all cases here.
    pub(super) fn accept_invitation(&mut self, actor: Actor, name: Option<&str>) -> Answer {
        demand(actor != Actor::Administrator, NOBODY)?;
        let user = actor.user().ok_or("42501 only a user can accept an invitation")?;
        let found = self.invitation(name).filter(|one| one.state == "open").ok_or(INVALID)?.clone();
        demand(!self.disabled.contains(&found.org), INVALID)?;
        self.insert_member(&found.org, user, &found.role)?;
        if let Some(workspace) = &found.workspace {
            self.insert_guest(&found.org, workspace, user, &found.role)?;
        }
        let invitation = self.invitation(name).ok_or(INVALID)?;
        invitation.state = format!("accepted by {user}");
        Ok(())
    }
}
