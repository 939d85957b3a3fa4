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
        let old = self.roles.get(&key(org, name)).cloned();
        demand(name != "owner", "22023 the role owner cannot be changed")?;
        let given = call.get("rank").map(|rank| rank.parse().unwrap());
        let rank: i32 = given.or(old.as_ref().map(|old| old.rank)).unwrap_or(300);
        demand((1..1000).contains(&rank), "22023 rank has a value that is not allowed")?;
        let lower = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
        demand(lower(name), "22023 name has a value that is not allowed")?;
        let permissions = call.get("permissions").unwrap_or("{null}");
        let bad = ["{a*}", "{null}", "{{a}}"].contains(&permissions);
        demand(!bad, "22023 permissions has a value that is not allowed")?;
        let permissions = list(permissions);
        let grantable = call.get("grantable").map(list);
        let names = grantable.as_deref().unwrap_or_default();
        demand(names.iter().all(|name| lower(name)), "22023 grantable has a value that is not allowed")?;
        self.demand_free(org, name)?;
        if actor.user().is_some() {
            let old_rank = old.as_ref().map_or(0, |old| old.rank);
            demand(own.rank > rank.max(old_rank), NOT_DEFINED)?;
            demand(permissions.iter().all(|one| covers(&own.permissions, one)), NOT_DEFINED)?;
        }
        let role =
            Role { name: name.into(), rank, permissions, grantable: grantable.clone(), builtin: false };
        self.roles.insert(key(org, name), role);
        let known = |name: &String| self.role(org, Some(name)).is_ok_and(|role| role.rank < rank);
        let unknown = "a role can only grant known roles of a lower rank";
        let code = if actor.user().is_some() { "42501" } else { "22023" };
        if !names.iter().all(known) {
            return Err(format!("{code} {unknown}").leak());
        }
        let limits = own.grantable.filter(|_| actor.user().is_some() && own.name != "owner");
        let within =
            |limits: Vec<String>| grantable.is_some_and(|names| names.iter().all(|one| limits.contains(one)));
        demand(limits.is_none_or(within), "42501 a role cannot grant what yours cannot")
    }

    /// A name means either a role of every organization or one of single ones.
    fn demand_free(&self, org: &str, name: &str) -> Answer {
        let everywhere = self.roles.contains_key(&key("", name));
        let somewhere = self.roles.keys().any(|(of, known)| !of.is_empty() && known == name);
        demand(org.is_empty() || !everywhere, "23505 every organization has a role of this name")?;
        demand(!org.is_empty() || !somewhere, "23505 an organization has a role of this name")
    }

    pub(super) fn drop_role(&mut self, actor: Actor, org: Option<&str>, name: &str) -> Answer {
        let own = self.enter_roles(actor, org)?;
        let org = org.unwrap_or_default();
        let old = self.roles.get(&key(org, name)).ok_or(NO_ROLE)?;
        demand(!old.builtin, "22023 a built-in role cannot be dropped")?;
        demand(actor.user().is_none() || own.rank > old.rank, NOT_DEFINED)?;
        if let Some(seed) = self.seeds.get(name).filter(|_| org.is_empty()) {
            self.roles.insert(key("", name), seed.clone());
            return Ok(());
        }
        let here = |of: &str| org.is_empty() || of == org;
        let used = self.members.iter().any(|((of, _), role)| here(of) && role == name)
            || self.guests.iter().any(|((of, _), role)| here(&self.workspaces[of]) && role == name)
            || self.invitations.iter().any(|one| here(&one.org) && one.role == name && one.state == "open");
        demand(!used, "2BP01 the role is in use")?;
        self.roles.remove(&key(org, name));
        // What is over keeps no name.
        let over = self.invitations.iter_mut().filter(|one| org.is_empty() || one.org == org);
        over.filter(|one| one.role == name).for_each(|one| one.role.clear());
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
        lines.extend(
            members.map(|((org, user), role)| format!("m {org}/{user}={role}{}", off(&[org], "suspended"))),
        );
        lines.extend(self.guests.iter().map(|((name, user), role)| {
            format!("g {name}/{user}={role}{}", off(&[name, &self.workspaces[name]], "suspended"))
        }));
        let braces = |names: &[String]| format!("{{{}}}", names.join(","));
        lines.extend(self.roles.iter().filter(|(_, role)| !role.builtin).map(|((org, name), role)| {
            let grantable = role.grantable.as_deref().map_or("-".into(), braces);
            format!("r {org}/{name}={} {} {grantable}", role.rank, braces(&role.permissions))
        }));
        lines.extend(self.invitations.iter().map(|one| {
            format!("i {}/{} {} {}", one.org, one.workspace.as_deref().unwrap_or("-"), one.role, one.state)
        }));
        lines.sort();
        lines.join("\n")
    }
}
