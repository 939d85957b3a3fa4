//! A pooler of few sessions, organizations with tokens and with API keys, and roles for requests.

use super::super::{Tokens, database};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::pooler::Pooler;
use pg_bearer_tests::{Database, server};

pub(super) const SESSIONS: u32 = 3;
/// Organizations with tokens, as many as have API keys.
pub(super) const KNOWN: u32 = 8;

/// Roles belong to the server: each database has its own.
const ROLES: &str = "
create role {db}_login login;
create role {db}_anon nologin;
create role {db}_user nologin;
create role {db}_key nologin;
grant {db}_anon, {db}_user, {db}_key to {db}_login;
grant select, update on papers to {db}_login, {db}_anon, {db}_user, {db}_key;
alter database {db} set pg_bearer.http_anonymous_role = '{db}_anon';
alter database {db} set pg_bearer.http_user_role = '{db}_user';
alter database {db} set pg_bearer.http_key_role = '{db}_key';
";

pub(super) struct World {
    pub(super) db: Database,
    pub(super) pooler: Pooler,
    pub(super) tokens: Tokens,
    /// Organizations and their API keys.
    pub(super) keys: Vec<(String, String)>,
    pub(super) login: String,
}

impl World {
    pub(super) fn new() -> World {
        let db = database();
        let mut admin = db.superuser();
        admin.run(&ROLES.replace("{db}", &db.name));
        let key = |number: u32| {
            let made = format!("select auth.create_organization('of keys {number}', owner_id => 'ada')");
            let org = admin.value(&made).unwrap();
            admin.run(&format!(
                "insert into papers select {}00 + n, '{org}' from generate_series(1, 10) n",
                1000 + number
            ));
            let made = format!("select key from auth.create_api_key('k', '{org}')");
            (org, admin.value(&made).unwrap())
        };
        let keys = (0..KNOWN).map(key).collect();
        let login = format!("{}_login", db.name);
        let pooler = Pooler::start_before(server(), SESSIONS, &[&login]);
        World { db, pooler, tokens: Tokens::new(), keys, login }
    }

    /// What `WHO` says of this organization, under a role of ours.
    pub(super) fn member(&self, org: &str, role: &str) -> String {
        format!("{org} 10 {org} {org} {}_{role}", self.db.name)
    }

    /// What it says of nobody.
    pub(super) fn nobody(&self, role: &str) -> String {
        format!("- 0 - - {}_{role}", self.db.name)
    }
}
