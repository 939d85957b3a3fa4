//! Defining and dropping roles, and the state as text.

use super::*;

impl Model {
    fn enter_roles(&self, actor: Actor, org: Option<&str>) -> Answer<Role> {
        match org {
            Some(_) => self.enter(actor, org, "roles.write"),
            None => {
                demand(actor.unrestricted(), NOT_A_USERS)?;
                self.role("", Some("owner"))
            }
        }
    }

    pub(super) fn define_role(&mut self, actor: Actor, call: &Call) -> Answer {
        let own = self.enter_roles(actor, call.get("org_id"))?;
        let (org, name) = (call.get("org_id").unwrap_or_default(), call.get("name").unwrap_or_default());
        let place = self.named(org, name).filter(|(of, _)| of == org);
        let old = place.as_ref().and_then(|place| self.roles.get(place)).cloned();
        demand(name != "owner", "22023 the role owner cannot be changed")?;
        let given = call.get("rank").map(|rank| rank.parse().unwrap());
        let rank: i32 = given.or(old.as_ref().map(|old| old.rank)).unwrap_or(300);
        demand((1..1000).contains(&rank), "22023 rank has a value that is not allowed")?;
        let taken = old.is_none() && !org.is_empty() && self.roles.contains_key(&key("", name));
        demand(!taken, "23505 every organization has a role of this name")?;
        let lower = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        demand(old.is_some() || lower(name), "22023 name has a value that is not allowed")?;
        let permissions = call.get("permissions").unwrap_or("{null}");
        let bad = ["{a*}", "{null}", "{{a}}"].contains(&permissions);
        demand(!bad, "22023 permissions has a value that is not allowed")?;
        let permissions = list(permissions);
        let grantable = call.get("grantable").map(list);
        let names = grantable.as_deref().unwrap_or_default();
        let wellformed = names.iter().all(|name| lower(name.trim_end_matches(":own")));
        demand(wellformed, "22023 grantable has a value that is not allowed")?;
        if actor.user().is_some() {
            let old_rank = old.as_ref().map_or(0, |old| old.rank);
            demand(own.rank > rank.max(old_rank), NOT_DEFINED)?;
            demand(permissions.iter().all(|one| covers(&own.permissions, one)), NOT_DEFINED)?;
        }
        let place = place.unwrap_or_else(|| key(org, name));
        let name = if org.is_empty() { place.1.clone() } else { format!("{}:own", place.1) };
        self.roles
            .insert(place, Role { name, rank, permissions, grantable: grantable.clone(), builtin: false });
        self.demand_lower(actor, &own, org, rank, grantable.as_deref())
    }

    /// Only roles of a lower rank are granted, and by what somebody makes none that their own does not grant.
    fn demand_lower(
        &self,
        actor: Actor,
        own: &Role,
        org: &str,
        rank: i32,
        grantable: Option<&[String]>,
    ) -> Answer {
        let roles = grantable.unwrap_or_default().iter().map(|name| self.role(org, Some(name)));
        let lower: Option<Vec<Role>> = roles.map(|role| role.ok().filter(|role| role.rank < rank)).collect();
        let unknown = match actor.user() {
            Some(_) => "42501 a role can only grant known roles of a lower rank",
            None => "22023 a role can only grant known roles of a lower rank",
        };
        let lower = lower.ok_or(unknown)?;
        let limits = own.grantable.as_ref().filter(|_| actor.user().is_some() && own.name != "owner");
        let within =
            |limits: &Vec<String>| grantable.is_some() && lower.iter().all(|role| self.lists(limits, role));
        demand(limits.is_none_or(within), "42501 a role cannot grant what yours cannot")
    }

    pub(super) fn drop_role(&mut self, actor: Actor, org: Option<&str>, name: &str) -> Answer {
        let own = self.enter_roles(actor, org)?;
        let org = org.unwrap_or_default();
        let place = self.named(org, name).filter(|(of, _)| of == org).ok_or(NO_ROLE)?;
        let old = self.roles.get(&place).ok_or(NO_ROLE)?.clone();
        let name = &old.name;
        demand(!old.builtin, "22023 a built-in role cannot be dropped")?;
        demand(actor.user().is_none() || own.rank > old.rank, NOT_DEFINED)?;
        if let Some(seed) = self.seeds.get(name).filter(|_| org.is_empty()) {
            self.roles.insert(key("", name), seed.clone());
            return Ok(());
        }
        let here = |of: &str| org.is_empty() || of == org;
        let used = self.members.iter().any(|((of, _), role)| here(of) && role == name)
            || self.guests.iter().any(|((of, _), role)| here(&self.workspaces[of]) && role == name)
            || self.invitations.iter().any(|one| here(&one.org) && one.role == *name && one.state == "open");
        demand(!used, "2BP01 the role is in use")?;
        self.roles.remove(&place);
        // What is over keeps no name.
        let over = self.invitations.iter_mut().filter(|one| org.is_empty() || one.org == org);
        over.filter(|one| one.role == *name).for_each(|one| one.role.clear());
        Ok(())
    }

    /// The whole state, as the function of this name in the database writes it.
    pub(in super::super) fn state(&self) -> String {
        let off = |places: &[&str], word: &str| {
            let off = places.iter().any(|place| self.disabled.contains(*place));
            if off { format!(" {word}") } else { String::new() }
        };
        let mut lines: Vec<String> =
            self.orgs.iter().map(|org| format!("o {org}{}", off(&[org], "disabled"))).collect();
        lines.extend(
            self.workspaces.iter().map(|(name, org)| format!("w {org}/{name}{}", off(&[name], "disabled"))),
        );
        let members = self.members.iter();
        lines.extend(members.map(|((org, user), role)| {
            format!("m {org}/{user}={}{}", self.shown(role), off(&[org], "suspended"))
        }));
        lines.extend(self.guests.iter().map(|((name, user), role)| {
            format!(
                "g {name}/{user}={}{}",
                self.shown(role),
                off(&[name, &self.workspaces[name]], "suspended")
            )
        }));
        let braces = |names: &[String]| format!("{{{}}}", names.join(","));
        lines.extend(self.roles.iter().filter(|(_, role)| !role.builtin).map(|((org, name), role)| {
            let grantable = role.grantable.as_deref().map_or("-".into(), braces);
            format!("r {org}/{name}={} {} {grantable}", role.rank, braces(&role.permissions))
        }));
        lines.extend(self.invitations.iter().map(|one| {
            let role = self.shown(&one.role);
            format!("i {}/{} {role} {}", one.org, one.workspace.as_deref().unwrap_or("-"), one.state)
        }));
        lines.sort();
        lines.join("\n")
    }
}
