//! Organizations, people and credentials, and what is asked of tokens.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, refusal};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

pub(super) const OURS: &str = "https://ours.example";
/// An issuer that is limited to north, where its users are named `p:…`.
pub(super) const LIMITED: &str = "https://limited.example";
pub(super) const REFUSED: &str = "28000 the credential was refused";

/// North and south belong to ada. In north ben is an admin, cara a member, and clara a clerk; in desk are ada and ben.
const SETUP: &str = "
alter database :database set pg_bearer.api_key_creation = 'any';
select auth.update_issuer(':strict', allow_service_role => true);
select auth.add_issuer(':limited', org_ids => array[:north]::uuid[], user_id_prefix => 'p:'),
       auth.add_jwt_secret(':limited', ':secret');
select auth.add_issuer(':ours', own => true, allow_service_role => true), auth.create_signing_key();
select auth.define_role('clerk', '{invoices.read,tokens.write}', :north, 300),
       auth.define_role('keeper', '{members.write,invitations.write}', :north, 600);
select auth.add_member(:north, 'ben', 'admin'), auth.add_member(:north, 'cara'), auth.add_member(:north, 'clara', 'clerk'),
       auth.add_member(:north, 'kim', 'keeper'), auth.add_member(:north, 'p:ada', 'admin'), auth.add_member(:south, 'p:ada', 'admin');
select auth.add_workspace_member(:desk, 'ada'), auth.add_workspace_member(:desk, 'ben'), auth.add_workspace_member(:attic, 'ada');
create table other_docs (org_id uuid)";

pub(super) struct World {
    pub(super) db: Database,
    pub(super) admin: Client,
    pub(super) session: Client,
    named: Vec<(&'static str, String)>,
}

impl World {
    pub(super) fn new() -> World {
        let db = Database::new();
        let (mut admin, session) = (db.superuser(), db.tenant());
        admin.run("select auth.uid()");
        let mut named = vec![
            (":database", db.name.clone()),
            (":strict", STRICT_ISSUER.to_owned()),
            (":limited", LIMITED.to_owned()),
            (":ours", OURS.to_owned()),
            (":secret", SECRET.to_owned()),
        ];
        for (name, sql) in [
            (":north", "auth.create_organization('north', owner_id => 'ada')"),
            (":south", "auth.create_organization('south', owner_id => 'ada')"),
            (":west", "auth.create_organization('west', owner_id => 'eve')"),
            (":desk", "auth.create_workspace(:north, 'desk')"),
            (":attic", "auth.create_workspace(:north, 'attic')"),
        ] {
            let sql = fill(&named, &format!("select {sql}"));
            named.push((name, format!("'{}'", admin.value(&sql).unwrap())));
        }
        admin.run(&fill(&named, SETUP));
        let mut world = World { db, admin, session, named };
        // Settings of the database are those of new sessions.
        (world.admin, world.session) = (world.db.superuser(), world.db.tenant());
        let invitation = world.ask(&user("eve"), "select token from auth.create_invitation(:west)").unwrap();
        world.name(":invitation", &format!("'{invitation}'"));
        world
    }

    pub(super) fn name(&mut self, name: &'static str, value: &str) {
        self.named.push((name, value.to_owned()));
    }

    pub(super) fn fill(&self, sql: &str) -> String {
        fill(&self.named, sql)
    }

    /// What somebody gets who signs in with this, and asks; it is kept.
    pub(super) fn try_ask(&mut self, credential: &str, sql: &str) -> Result<Option<String>, String> {
        let sql = self.fill(sql);
        let mut transaction = self.session.transaction().unwrap();
        let asked = transaction
            .execute("select auth.authenticate($1)", &[&credential])
            .and_then(|_| transaction.query_one(&format!("select ({sql})::text"), &[]));
        match asked {
            Ok(row) => {
                transaction.commit().unwrap();
                Ok(row.get(0))
            }
            Err(error) => Err(refusal(Err::<(), _>(error))),
        }
    }

    pub(super) fn ask(&mut self, credential: &str, sql: &str) -> Option<String> {
        self.try_ask(credential, sql).unwrap_or_else(|told| panic!("{sql}: {told}"))
    }

    /// What somebody is told: `ok`, or why not.
    pub(super) fn told(&mut self, credential: &str, sql: &str) -> String {
        self.try_ask(credential, sql).map_or_else(|told| told, |_| "ok".to_owned())
    }

    /// A token of ours that somebody makes with this call.
    pub(super) fn mint(&mut self, credential: &str, call: &str) -> String {
        self.ask(credential, &format!("select auth.{call}")).unwrap()
    }

    /// An API key that somebody makes.
    pub(super) fn key(&mut self, credential: &str, arguments: &str) -> String {
        self.ask(credential, &format!("select key from auth.create_api_key({arguments})")).unwrap()
    }

    /// A token of ours that an administrator makes.
    pub(super) fn made(&mut self, arguments: &str) -> String {
        let sql = self.fill(&format!("select auth.issue_jwt({arguments})"));
        self.admin.value(&sql).unwrap()
    }

    /// How many rows there are of tokens, and in the audit log.
    pub(super) fn rows(&mut self) -> (String, String) {
        let mut count = |table| self.admin.value(&format!("select count(*) from auth.{table}")).unwrap();
        (count("minted_tokens"), count("audit_log"))
    }
}

fn fill(named: &[(&str, String)], sql: &str) -> String {
    named.iter().fold(sql.to_owned(), |sql, (name, value)| sql.replace(name, value))
}

fn claims(issuer: &str, who: &str) -> Value {
    json!({"iss": issuer, "sub": who, "sid": "s-1", "jti": format!("id of {who}"), "iat": now(), "exp": now() + 600})
}

/// A token of another issuer.
pub(super) fn user(who: &str) -> String {
    hs256(&claims(STRICT_ISSUER, who))
}

pub(super) fn user_with(who: &str, more: Value) -> String {
    hs256(&with(claims(STRICT_ISSUER, who), more))
}

pub(super) fn limited_user(who: &str) -> String {
    hs256(&claims(LIMITED, who))
}

/// A token of a service of another issuer.
pub(super) fn service() -> String {
    user_with("robot", json!({"role": "service_role"}))
}

/// What a token says, and its id.
pub(super) fn payload(token: &str) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

pub(super) fn id_of(token: &str) -> String {
    payload(token)["jti"].as_str().unwrap().to_owned()
}
