//! Three organizations and the five users of the story.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

pub(super) const FOREIGN: &str = "42501 no such organization, or it is not yours";
pub(super) const TOO_LOW: &str = "42501 your role in this organization does not allow this";
pub(super) const USERS: [&str; 5] = ["ada", "ben", "cara", "dan", "eve"];

/// | | north | south | east |
/// |---|---|---|---|
/// | ada | owner; desk, attic | | |
/// | ben | admin; desk as viewer, attic | member; shed as editor | |
/// | cara | editor, by an invitation to desk | | |
/// | dan | viewer | owner; shed | |
/// | eve | | | owner |
///
/// Of `docs` 500 rows are north's, 500 south's and 10 east's.
pub(super) struct World {
    pub(super) db: Database,
    pub(super) admin: Client,
    session: Client,
    ids: Vec<(&'static str, String)>,
}

impl World {
    pub(super) fn new() -> World {
        let db = Database::new();
        let (admin, session) = (db.superuser(), db.tenant());
        let mut world = World { db, admin, session, ids: Vec::new() };
        for (name, owner) in [("north", "ada"), ("south", "dan"), ("east", "eve")] {
            world.create(name, owner, &format!("auth.create_organization('{name}', '{name}')"));
        }
        for (name, owner, org) in
            [("desk", "ada", ":north"), ("attic", "ada", ":north"), ("shed", "dan", ":south")]
        {
            world.create(name, owner, &format!("auth.create_workspace({org}, '{name}')"));
        }
        world.act(
            "ada",
            "select auth.define_role('editor', '{docs.*,organization.read,members.read}', :north)",
        );
        world.act("dan", "select auth.define_role('editor', '{docs.read}', :south)");
        world.act("ada", "select auth.add_member(:north, 'ben', 'admin')");
        world.act("ben", "select auth.add_member(:north, 'dan', 'viewer')");
        world.act("dan", "select auth.add_member(:south, 'ben')");
        world.act("ada", "select auth.add_workspace_member(:desk, 'ben', 'viewer')");
        world.act("ada", "select auth.add_workspace_member(:attic, 'ben')");
        world.act("dan", "select auth.add_workspace_member(:shed, 'ben', 'editor')");
        let token = world.act(
            "ben",
            "select token from auth.create_invitation(:north, 'editor', 'Cara@users.example', :desk)",
        );
        let joined = world.act("cara", &format!("select auth.accept_invitation('{}')", token.unwrap()));
        assert_eq!(joined.as_deref(), Some(world.id("north")));
        let rows = world.fill(&format!(
            "update docs set org_id = case org_id when '{ORG_A}' then :north::uuid else :south::uuid end;
             insert into docs (id, org_id) select n, :east from generate_series(2001, 2010) n"
        ));
        world.admin.run(&rows);
        world
    }

    fn create(&mut self, name: &'static str, owner: &str, call: &str) {
        let id = self.act(owner, &format!("select {call}")).unwrap();
        self.ids.push((name, id));
    }

    pub(super) fn id(&self, name: &str) -> &str {
        &self.ids.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Puts ids in the places of `:north`, `:desk` and so on.
    pub(super) fn fill(&self, sql: &str) -> String {
        let put =
            |sql: String, (name, id): &(&str, String)| sql.replace(&format!(":{name}"), &format!("'{id}'"));
        self.ids.iter().fold(sql.to_owned(), put)
    }

    /// A session in which this user has begun a transaction.
    pub(super) fn open(&self, user: &str) -> Client {
        self.open_at(user, "read committed")
    }

    pub(super) fn open_at(&self, user: &str, level: &str) -> Client {
        let mut session = self.db.tenant();
        session.run(&format!("begin isolation level {level}"));
        session.authenticate(&token_of(user)).unwrap();
        session
    }

    /// What this user gets in a transaction of his own.
    pub(super) fn act(&mut self, user: &str, sql: &str) -> Option<String> {
        let sql = self.fill(sql);
        self.session.run("begin");
        self.session.authenticate(&token_of(user)).unwrap();
        let value = self.session.value(&sql);
        self.session.run("commit");
        value
    }

    /// The error that this user gets.
    pub(super) fn denied(&mut self, user: &str, sql: &str) -> String {
        let sql = self.fill(sql);
        self.session.run("begin");
        self.session.authenticate(&token_of(user)).unwrap();
        let refused = self.session.refused(&sql);
        self.session.run("rollback");
        refused
    }

    /// Runs statements of the administrator, who has no identity.
    pub(super) fn rule(&mut self, sql: &str) {
        let sql = self.fill(sql);
        self.admin.run(&sql);
    }

    /// What the administrator gets.
    pub(super) fn told(&mut self, sql: &str) -> Option<String> {
        let sql = self.fill(sql);
        self.admin.value(&sql)
    }

    /// The members of an organization and their roles, as the tables have them.
    pub(super) fn members(&mut self, org: &str) -> String {
        let sql = "select coalesce(string_agg(user_id || ' ' || role, ', ' order by user_id), '-') from auth.list_members";
        self.told(&format!("{sql}({org})")).unwrap()
    }
}
