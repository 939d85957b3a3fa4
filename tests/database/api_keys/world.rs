//! Two organizations, the people in them, and what they do with API keys.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::{Client, Error, SimpleQueryMessage};
use serde_json::json;

pub(super) const REFUSED: &str = "28000 the credential was refused";
pub(super) const NOBODY: &str = "28000 this transaction has no identity";
pub(super) const FOREIGN: &str = "42501 no such organization, or it is not yours";
pub(super) const NO_KEY: &str = "42501 no such API key, or it is not yours";
pub(super) const TOO_LOW: &str = "42501 your role in this organization does not allow this";
pub(super) const NOT_FOR_KEYS: &str = "42501 an API key may not do this";
pub(super) const NO_USERS: &str = "42501 users do not create API keys here";
pub(super) const NO_API_KEYS: &str = "42501 API keys do not create API keys here";
/// An issuer like the strict one, whose users are for tests.
const TEST_ISSUER: &str = "https://test.example";

/// Who does something.
#[derive(Debug, Clone)]
pub(super) enum Who {
    Nobody,
    /// A superuser without an identity, and a member of bearer_admin.
    Superuser,
    Administrator,
    /// Somebody in the session of an ordinary user.
    Service,
    User(&'static str),
    /// The same user, by a token of the test environment.
    Tester(&'static str),
    Bearer(String),
}

impl Who {
    fn credential(&self) -> Option<String> {
        match self {
            Who::Nobody | Who::Superuser | Who::Administrator => None,
            Who::Service => {
                Some(hs256(&with(claims_a(), json!({"sub": "s", "role": "service_role", "org_id": null}))))
            }
            Who::User(name) => Some(token_of(name)),
            Who::Tester(name) => {
                Some(hs256(&json!({"iss": TEST_ISSUER, "sub": name, "iat": now(), "exp": now() + 600})))
            }
            Who::Bearer(key) => Some(key.clone()),
        }
    }
}

/// A key as it was shown once.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) text: String,
}

impl Key {
    pub(super) fn bearer(&self) -> Who {
        Who::Bearer(self.text.clone())
    }
}

/// | | north | south |
/// |---|---|---|
/// | ada | owner; desk | |
/// | ben | admin; attic | member |
/// | cara | keeper: `docs.*`, `api_keys.*`, `members.read`; desk | |
/// | dan | viewer | owner; shed |
pub(super) struct World {
    pub(super) db: Database,
    pub(super) admin: Client,
    administrator: Client,
    session: Client,
    ids: Vec<(String, String)>,
}

impl World {
    pub(super) fn new() -> World {
        let db = Database::new();
        let (admin, administrator, session) = (db.superuser(), db.connect("administrator"), db.tenant());
        let mut world = World { db, admin, administrator, session, ids: Vec::new() };
        world.admin.run(&format!(
            "select auth.update_issuer('{ISSUER}', allow_service_role => true);
             select auth.add_issuer('{TEST_ISSUER}', environment => 'test'), auth.add_jwt_secret('{TEST_ISSUER}', '{SECRET}')"
        ));
        for (name, make) in [
            ("north", "auth.create_organization('north', owner_id => 'ada')"),
            ("south", "auth.create_organization('south', owner_id => 'dan')"),
            ("desk", "auth.create_workspace(:north, 'desk')"),
            ("attic", "auth.create_workspace(:north, 'attic')"),
            ("shed", "auth.create_workspace(:south, 'shed')"),
        ] {
            let id = world.root(make);
            world.name(name, &id);
        }
        world.root("auth.define_role('keeper', '{docs.*,api_keys.*,members.read}', :north, 500)");
        for member in [
            "auth.add_member(:north, 'ben', 'admin')",
            "auth.add_member(:north, 'cara', 'keeper')",
            "auth.add_member(:north, 'dan', 'viewer')",
            "auth.add_member(:south, 'ben', 'member')",
            "auth.add_workspace_member(:desk, 'ada', 'owner')",
            "auth.add_workspace_member(:desk, 'cara', 'member')",
            "auth.add_workspace_member(:attic, 'ben', 'member')",
            "auth.add_workspace_member(:shed, 'dan', 'owner')",
        ] {
            world.root(member);
        }
        let rows = world.fill(&format!(
            "update docs set org_id = case org_id when '{ORG_A}' then :north::uuid else :south::uuid end"
        ));
        world.admin.run(&rows);
        world
    }

    /// From now on `:name` in SQL is this id.
    pub(super) fn name(&mut self, name: &str, id: &str) {
        self.ids.retain(|(known, _)| known != name);
        self.ids.push((name.to_owned(), id.to_owned()));
    }

    pub(super) fn id(&self, name: &str) -> &str {
        &self.ids.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// Puts ids in the places of `:north`, `:desk` and so on.
    pub(super) fn fill(&self, sql: &str) -> String {
        let put =
            |sql: String, (name, id): &(String, String)| sql.replace(&format!(":{name}"), &format!("'{id}'"));
        self.ids.iter().fold(sql.to_owned(), put)
    }

    /// Sets a setting for all sessions from now on.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let sql = format!("alter database {} set pg_bearer.{name} = '{value}'", self.db.name);
        self.admin.run("select auth.is_authenticated()");
        self.admin.run(&sql);
        self.admin = self.db.superuser();
        self.administrator = self.db.connect("administrator");
        self.session = self.db.tenant();
    }

    /// The session of somebody, in a transaction of his.
    pub(super) fn begin(&mut self, who: &Who) -> Result<&mut Client, String> {
        let session = match who {
            Who::Superuser => &mut self.admin,
            Who::Administrator => &mut self.administrator,
            Who::Nobody | Who::Service | Who::User(_) | Who::Tester(_) | Who::Bearer(_) => &mut self.session,
        };
        session.run("rollback; begin");
        if let Some(credential) = who.credential() {
            session.authenticate(&credential).map_err(|error| told(&error))?;
        }
        Ok(session)
    }

    /// The first column of a query, row by row, in a transaction that ends as told.
    fn ask(&mut self, who: &Who, sql: &str, end: &str) -> Result<String, String> {
        let sql = self.fill(sql);
        let session = self.begin(who)?;
        let found = session.simple_query(&sql).map_err(|error| told(&error));
        session.run(if found.is_ok() { end } else { "rollback" });
        let rows = found?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("-").to_owned()),
            _ => None,
        });
        Ok(rows.collect::<Vec<String>>().join("\n"))
    }

    /// What somebody is answered who does this, and it is done.
    pub(super) fn act(&mut self, who: &Who, expression: &str) -> Result<String, String> {
        self.ask(who, &format!("select {expression}"), "commit")
    }

    /// The same without doing it: the answer, or the error.
    pub(super) fn tell(&mut self, who: &Who, expression: &str) -> String {
        self.ask(who, &format!("select {expression}"), "rollback").unwrap_or_else(|error| error)
    }

    /// Does something as a superuser.
    pub(super) fn root(&mut self, expression: &str) -> String {
        self.act(&Who::Superuser, expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Creates a key with these arguments after its name.
    pub(super) fn create(&mut self, who: &Who, arguments: &str) -> Result<Key, String> {
        let comma = if arguments.is_empty() { "" } else { ", " };
        let made =
            self.act(who, &format!("id || ' ' || key from auth.create_api_key('k'{comma}{arguments})"))?;
        let (id, text) = made.split_once(' ').unwrap();
        Ok(Key { id: id.to_owned(), text: text.to_owned() })
    }

    /// The same, which must succeed.
    pub(super) fn key(&mut self, who: &Who, arguments: &str) -> Key {
        self.create(who, arguments).unwrap_or_else(|error| panic!("{who:?}: {arguments}: {error}"))
    }

    /// What an attempt to create a key is answered; nothing is left of it.
    pub(super) fn attempt(&mut self, who: &Who, arguments: &str) -> String {
        self.tell(who, &format!("name from auth.create_api_key('k', {arguments})"))
    }

    /// A column of what is stored about a key.
    pub(super) fn stored(&mut self, key: &Key, column: &str) -> String {
        self.root(&format!("coalesce(({column})::text, '-') from auth.api_keys where id = '{}'", key.id))
    }

    /// Why a key is refused, as an administrator learns it; empty for a good one.
    pub(super) fn reason(&mut self, key: &Key) -> String {
        self.root(&format!("coalesce(reason, '') from auth.explain_credential('{}')", key.text))
    }

    /// Whether a key authenticates; whoever is refused learns nothing.
    pub(super) fn works(&mut self, key: &Key) -> bool {
        match self.begin(&key.bearer()) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, REFUSED);
                false
            }
        }
    }
}

/// The SQLSTATE and message of an error.
pub(super) fn told(error: &Error) -> String {
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
    format!("{} {}", error.code().code(), error.message())
}
