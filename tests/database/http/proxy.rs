//! Requests that come through nginx, which is set up as `examples/postgrest` says.

mod demo;
mod headers;
mod limits;
mod logs;
mod origins;
mod paths;
mod request_ids;
mod rest;
mod schemas;
mod statuses;

use super::world;
use pg_bearer_tests::Database;
use pg_bearer_tests::nginx::Nginx;
use postgres::Client;

/// A database behind nginx and PostgREST.
struct Site {
    db: Database,
    admin: Client,
    nginx: Nginx,
}

impl Site {
    fn new() -> Site {
        Site::with("")
    }

    /// With something more in the database.
    fn with(more: &str) -> Site {
        let (db, admin) = world::database(more);
        let name = |role: &str| format!("{}_{role}", db.name);
        let nginx = Nginx::start(&db, &name("login"), &name("anon"), &name("user"));
        Site { db, admin, nginx }
    }

    /// A key of an organization that is in our tables.
    fn key(&mut self, arguments: &str) -> String {
        world::key(&mut self.admin, arguments)
    }

    /// An organization with this user, whom our tables know.
    fn organization(&mut self, name: &str, user: &str) -> String {
        world::organization(&mut self.admin, name, user)
    }

    /// The name of a role of this database.
    fn role(&self, name: &str) -> String {
        format!("{}_{name}", self.db.name)
    }
}
