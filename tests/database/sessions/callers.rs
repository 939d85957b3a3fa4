//! Who may call what: one of each kind of caller.

use super::world::{World, member};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::refusal;
use postgres::Client;
use serde_json::Value;

/// Everybody but administrators, with the credential of each.
pub(super) struct Callers {
    pub(super) ada: Value,
    pub(super) id: String,
    credentials: Vec<(&'static str, Option<String>)>,
}

impl Callers {
    /// Ada, who owns an organization, and whoever acts for her; services.
    pub(super) fn new(world: &mut World) -> Callers {
        let id = world.admin.value("select auth.create_user('ada@example.com')").unwrap();
        let issued = world.admin.value(&format!("select auth.issue_session('{id}')")).unwrap();
        let ada: Value = serde_json::from_str(&issued).unwrap();
        let org =
            world.admin.value(&format!("select auth.create_organization('o', owner_id => '{id}')")).unwrap();
        let mut made = |call: &str| world.admin.value(&format!("select {call}")).unwrap();
        let credentials = vec![
            ("nobody", None),
            ("user", Some(member(&ada, "access_token").to_owned())),
            (
                "key",
                Some(made(&format!("key from auth.create_api_key('k', '{org}', 'live', user_id => '{id}')"))),
            ),
            ("acting", Some(made(&format!("auth.impersonate('{id}', 'to help')")))),
            ("less", Some(made(&format!("auth.issue_jwt('{id}', scopes => '{{docs.read}}')")))),
            (
                "test service",
                Some(made("key from auth.create_api_key('t', kind => 'service', environment => 'test')")),
            ),
            ("service", Some(made("auth.issue_jwt(role => 'service_role')"))),
        ];
        Callers { ada, id, credentials }
    }

    /// What each of them is answered, of which nothing is left: the SQLSTATE, or ok.
    pub(super) fn asked(&self, session: &mut Client, call: &str) -> String {
        let answers = self.credentials.iter().map(|(who, credential)| {
            session.run("begin");
            if let Some(credential) = credential {
                session.authenticate(credential).unwrap();
            }
            let told = told(session, &format!("select auth.{call}"));
            session.run("rollback");
            format!("{who}: {}", told.split(' ').next().unwrap_or_default())
        });
        answers.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn credential(&self, who: &str) -> &str {
        let found = self.credentials.iter().find(|(name, _)| *name == who);
        found.and_then(|(_, credential)| credential.as_deref()).unwrap()
    }
}

/// `ok`, or the SQLSTATE and message of the refusal.
pub(super) fn told(session: &mut Client, sql: &str) -> String {
    match session.simple_query(sql) {
        Ok(_) => "ok".to_owned(),
        Err(error) => refusal::<()>(Err(error)),
    }
}

/// Asserts what each of these calls of a superuser is answered.
pub(super) fn assert_told(session: &mut Client, calls: &[&str], expected: &str) {
    for call in calls {
        let told = told(session, &format!("select auth.{call}"));
        assert!(told.starts_with(expected), "{call}: {told}");
    }
}
