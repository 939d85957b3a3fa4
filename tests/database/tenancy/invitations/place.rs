//! An organization to invite to.

use crate::tenancy::races::stage::{LEVELS, enter};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::ISSUER;
use postgres::Client;

pub(super) const INVALID: &str = "42501 the invitation is not valid";

/// With owner alice, admin dave, member bob, and a workspace without members.
pub(super) struct Place {
    pub(super) admin: Client,
    pub(super) session: Client,
    pub(super) org: String,
    pub(super) workspace: String,
    // Dropped last, when nobody is connected any more.
    pub(super) db: Database,
}

impl Place {
    pub(super) fn new() -> Place {
        let db = Database::new();
        let mut admin = db.superuser();
        admin.run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
        let org = admin.value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
        admin.run(&format!(
            "select auth.add_member('{org}', 'dave', 'admin'); select auth.add_member('{org}', 'bob')"
        ));
        let workspace = admin.value(&format!("select auth.create_workspace('{org}', 'w')")).unwrap();
        Place { admin, session: db.tenant(), org, workspace, db }
    }

    /// The token of an invitation by this user, with these arguments after the organization.
    pub(super) fn invite(&mut self, user: &str, rest: &str) -> String {
        enter(&mut self.session, LEVELS[0], user);
        let sql = format!("select token from auth.create_invitation('{}'{rest})", self.org);
        let token = self.session.value(&sql).unwrap();
        self.session.run("commit");
        token
    }

    /// What the bearer of this credential is told who accepts: the organization.
    pub(super) fn show(&mut self, credential: &str, token: Option<&str>) -> Result<String, postgres::Error> {
        self.session.run("begin");
        self.session.authenticate(credential).unwrap();
        let told = self.session.query_one("select auth.accept_invitation($1)::text", &[&token]);
        self.session.run(if told.is_ok() { "commit" } else { "rollback" });
        told.map(|row| row.get(0))
    }

    /// From now on the server logs all statements of the session, and the values bound to them.
    pub(super) fn log_all(&mut self) {
        for setting in [
            "log_statement = 'all'",
            "log_min_duration_statement = 0",
            "log_parameter_max_length_on_error = -1",
            "log_error_verbosity = verbose",
            "log_min_messages = debug1",
        ] {
            self.admin.run(&format!("alter database {} set {setting}", self.db.name));
        }
        self.session = self.db.tenant();
    }

    /// All that the tables say.
    pub(super) fn rows(&mut self) -> Vec<Option<String>> {
        let tables =
            ["organizations", "workspaces", "roles", "memberships", "workspace_memberships", "invitations"];
        let rows = |table: &str| {
            self.admin.value(&format!("select string_agg(t::text, ';' order by t::text) from auth.{table} t"))
        };
        tables.map(rows).into()
    }
}
