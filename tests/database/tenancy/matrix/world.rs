//! The organizations, members, workspaces and invitations that everything is tried on.

use super::cases::{Call, ROLES};
use super::model::{Actor, Invitation, Model, Role};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;
use std::collections::BTreeMap;

/// Tries a call, tells what the tables hold after it, and takes it back.
const ATTEMPT: &str = r#"
create function shown(role auth.roles) returns text language sql stable security definer as $$
    select role.name || case when role.org_id is not null and role.name in (select name from auth.roles where org_id is null)
                             then ':own' else '' end
$$;
create function state() returns text language sql stable security definer as $$
    select string_agg(line, E'\n' order by line collate "C") from (
        select concat('o ', o.name, case when o.disabled_at is not null then ' disabled' end) line from auth.organizations o
        union all
        select concat('w ', o.name, '/', w.name, case when w.disabled_at is not null then ' disabled' end)
          from auth.workspaces w left join auth.organizations o on o.id = w.org_id
        union all
        select concat('m ', o.name, '/', m.user_id, '=', (select distinct shown(r) from auth.roles r where r.id = m.role_id),
                      case when m.suspended then ' suspended' end)
          from auth.memberships m left join auth.organizations o on o.id = m.org_id
        union all
        select concat('g ', w.name, '/', m.user_id, '=', (select distinct shown(r) from auth.roles r where r.id = m.role_id),
                      case when m.suspended then ' suspended' end)
          from auth.workspace_memberships m left join auth.workspaces w on w.id = m.workspace_id and w.org_id = m.org_id
        union all
        select concat('r ', o.name, '/', r.name, '=', r.rank, ' ', r.permissions, ' ', coalesce(r.grantable::text, '-'))
          from auth.roles r left join auth.organizations o on o.id = r.org_id where not r.builtin
        union all
        select concat('i ', o.name, '/', coalesce(w.name, '-'), ' ', (select distinct shown(r) from auth.roles r where r.id = i.role_id), ' ',
                      case when i.accepted_at is not null then 'accepted by ' || i.accepted_by
                           when i.revoked_at is not null then 'revoked' else 'open' end)
          from auth.invitations i left join auth.organizations o on o.id = i.org_id
          left join auth.workspaces w on w.id = i.workspace_id and w.org_id = i.org_id) lines
$$;
create function attempt(call text) returns text language plpgsql as $$
begin
    execute call;
    raise exception using errcode = 'PT200', message = state();
exception when others then
    return sqlstate || ' ' || sqlerrm;
end
$$;
"#;
/// What the answer to a call begins with that was not refused.
pub(super) const ALLOWED: &str = "PT200 ";

pub(super) struct World {
    db: Database,
    pub(super) admin: Client,
    /// By the name of an argument and what a case calls its value.
    ids: BTreeMap<String, String>,
    pub(super) model: Model,
}

impl World {
    /// Organizations `home` and `lone`, where `owner_1` and so on have the role of that name (in `home` there
    /// is a second of each), `far` of strangers, and `shut`, which is disabled.
    pub(super) fn new() -> World {
        let db = Database::new();
        let mut world = World { admin: db.superuser(), db, ids: BTreeMap::new(), model: Model::default() };
        world.admin.run(ATTEMPT);
        world.admin.run(&format!("select auth.update_issuer('{STRICT_ISSUER}', allow_service_role => true)"));
        for kind in ["org_id", "workspace_id", "invitation_id"] {
            world.ids.insert(kind.into(), "00000000-0000-4000-8000-0000000000ff".into());
        }
        world.ids.insert("token".into(), format!("inv_{}", "x".repeat(43)));
        for org in ["home", "lone", "far", "shut"] {
            world.create("org_id", org, &format!("auth.create_organization('{org}')"));
            world.model.orgs.insert(org.into());
        }
        world.define_roles();
        world.add_members();
        world.add_workspaces();
        world.add_invitations();
        let shut = world.ids["org_id shut"].clone();
        world.admin.run(&format!("select auth.disable_organization('{shut}')"));
        world.model.disabled.insert("shut".into());
        world
    }

    fn create(&mut self, kind: &str, name: &str, call: &str) {
        let id = self.admin.value(&format!("select {call}")).unwrap();
        self.ids.insert(format!("{kind} {name}"), id);
    }

    fn define_roles(&mut self) {
        self.learn_roles("");
        self.model.seeds =
            self.model.roles.iter().map(|((_, name), role)| (name.clone(), role.clone())).collect();
        let helper = "'helper', '{members.write,invitations.write,roles.read}', {}, 500, '{viewer}'";
        let clerk = "'clerk', '{roles.*,members.read}', {}, 550, '{viewer}'";
        for definition in [
            "'builder', '{workspaces.write}', null, 600",
            "'viewer', '{organization.read,members.read,workspaces.read,roles.read,docs.read}', null, 200, '{}'",
            &helper.replace("{}", "{home}"),
            &helper.replace("{}", "{lone}"),
            &clerk.replace("{}", "{home}"),
            &clerk.replace("{}", "{lone}"),
            "'spare', '{}', {home}, 100, '{}'",
            "'high', '{*}', {home}, 900",
            "'secret', '{*}', {far}, 300, '{}'",
            // One of every organization, whose name `home` had for its own before.
            "'twin', '{docs.read}', {home}, 150, '{}'",
            "'twin', '{docs.*}', null, 700, '{}'",
        ] {
            let place = |sql: String, org: &str| {
                sql.replace(&format!("{{{org}}}"), &format!("'{}'", self.ids[&format!("org_id {org}")]))
            };
            let sql = ["home", "lone", "far"].into_iter().fold(definition.to_owned(), place);
            self.admin.run(&format!("select auth.define_role({sql})"));
        }
        for org in ["", "home", "lone", "far", "shut"] {
            self.learn_roles(org);
        }
    }

    /// What `auth.list_roles()` shows of an organization is all that the model knows of its roles.
    fn learn_roles(&mut self, org: &str) {
        let id = self.ids.get(&format!("org_id {org}")).map_or("null".into(), |id| format!("'{id}'"));
        let sql = format!(
            "select role, rank, permissions, grantable, builtin, org_id is null from auth.list_roles({id})"
        );
        for row in self.admin.query(&sql, &[]).unwrap() {
            let (name, everywhere): (String, bool) = (row.get(0), row.get(5));
            let (rank, permissions) = (row.get(1), row.get(2));
            let stored = name.trim_end_matches(":own").to_owned();
            let (place, name) = if everywhere { ("", name) } else { (org, format!("{stored}:own")) };
            let role = Role { name, rank, permissions, grantable: row.get(3), builtin: row.get(4) };
            self.model.roles.insert((place.into(), stored), role);
        }
    }

    fn add_members(&mut self) {
        let mut members = vec![
            ("home".into(), "idle".into(), "viewer".into()),
            ("home".into(), "kin".into(), "twin:own".into()),
        ];
        members.extend(
            [
                ("far", "outsider", "owner"),
                ("far", "stranger", "member"),
                ("shut", "owner_1", "owner"),
                ("shut", "admin_1", "admin"),
            ]
            .map(|(org, user, role)| (String::from(org), String::from(user), String::from(role))),
        );
        for role in ROLES {
            members.extend(
                [("home", 1), ("home", 2), ("lone", 1)]
                    .map(|(org, number)| (org.into(), format!("{role}_{number}"), role.into())),
            );
        }
        for (org, user, role) in members {
            let id = &self.ids[&format!("org_id {org}")];
            self.admin.run(&format!("select auth.add_member('{id}', '{user}', '{role}')"));
            let role = self.model.role(&org, Some(&role)).unwrap().name;
            self.model.members.insert((org, user), role);
        }
    }

    fn add_workspaces(&mut self) {
        for (name, org) in [("desk", "home"), ("attic", "home"), ("shed", "far")] {
            let id = self.ids[&format!("org_id {org}")].clone();
            self.create("workspace_id", name, &format!("auth.create_workspace('{id}', '{name}')"));
            self.model.workspaces.insert(name.into(), org.into());
        }
        let mut guests = vec![("shed", "outsider".into(), "owner"), ("shed", "stranger".into(), "member")];
        // Whoever acts has a low role there, whatever he is in the organization.
        guests.extend(ROLES.iter().flat_map(|role| {
            [("desk", format!("{role}_1"), "viewer"), ("desk", format!("{role}_2"), *role)]
        }));
        for (workspace, user, role) in guests {
            let id = &self.ids[&format!("workspace_id {workspace}")];
            self.admin.run(&format!("select auth.add_workspace_member('{id}', '{user}', '{role}')"));
            let org = &self.model.workspaces[workspace];
            let role = self.model.role(org, Some(role)).unwrap().name;
            self.model.guests.insert((workspace.into(), user), role);
        }
    }

    fn add_invitations(&mut self) {
        for (name, org, workspace, role, by) in [
            ("open", "home", None, "viewer", None),
            ("desk", "home", Some("desk"), "member", Some("admin_2")),
            ("by helper", "home", None, "viewer", Some("helper_2")),
            ("used", "home", None, "member", None),
            ("gone", "home", None, "spare", None),
            ("far", "far", None, "secret", None),
            ("shut", "shut", None, "viewer", None),
        ] {
            let into = workspace
                .map_or("null".into(), |name| format!("'{}'", self.ids[&format!("workspace_id {name}")]));
            let sql = format!(
                "select invitation_id::text, token from auth.create_invitation('{}', '{role}', null, {into})",
                self.ids[&format!("org_id {org}")]
            );
            self.admin.run("begin");
            begin_as(&mut self.admin, by.map_or(Actor::Administrator, Actor::User));
            let row = self.admin.query_one(&sql, &[]).unwrap();
            self.admin.run("commit");
            self.ids.insert(format!("invitation_id {name}"), row.get(0));
            self.ids.insert(format!("token {name}"), row.get(1));
            let (name, workspace, by) =
                (name.to_owned(), workspace.map(str::to_owned), by.map(str::to_owned));
            let role = self.model.role(org, Some(role)).unwrap().name;
            self.model.invitations.push(Invitation {
                name,
                org: org.into(),
                workspace,
                role,
                by,
                state: "open".into(),
            });
        }
        self.admin.run(&format!("select auth.revoke_invitation('{}')", self.ids["invitation_id gone"]));
        let mut guest = self.db.tenant();
        guest.run("begin");
        begin_as(&mut guest, Actor::User("late"));
        guest.run(&format!("select auth.accept_invitation('{}'); commit", self.ids["token used"]));
        self.model.invitations[3].state = "accepted by late".into();
        self.model.invitations[4].state = "revoked".into();
        self.model.members.insert(("home".into(), "late".into()), "member".into());
    }

    /// The answers to these calls, each as if it were the first.
    pub(super) fn attempt(&self, actor: Actor, calls: &[Call]) -> Vec<String> {
        let calls: Vec<String> = calls.iter().map(|call| call.sql(&self.ids)).collect();
        let mut session = self.db.superuser();
        let mut answers = Vec::new();
        // In short transactions, because what is taken back stays in the way until the end of one.
        for calls in calls.chunks(50) {
            session.run("begin");
            begin_as(&mut session, actor);
            if actor != Actor::Administrator {
                session.run("set local role tenant");
            }
            let rows = session.query("select attempt(call) from unnest($1::text[]) call", &[&calls]).unwrap();
            answers.extend(rows.iter().map(|row| row.get::<_, String>(0)));
            session.run("rollback");
        }
        answers
    }
}

fn begin_as(session: &mut Client, actor: Actor) {
    let service = json!({"iss": STRICT_ISSUER, "role": "service_role", "iat": now(), "exp": now() + 600});
    match actor {
        Actor::Nobody | Actor::Administrator => {}
        Actor::Service => session.authenticate(&hs256(&service)).unwrap(),
        Actor::User(user) => session.authenticate(&token_of(user)).unwrap(),
    }
}
