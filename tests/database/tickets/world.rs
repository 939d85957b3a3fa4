//! Servers that keep count of tickets, and what is asked of them.

use pg_bearer_tests::database::{Session, installation};
use pg_bearer_tests::token::*;
use postgres::{Client, Config, NoTls};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use xtask::Server;

pub(super) const REFUSED: &str = "28000 the credential was refused";
pub(super) const EXPIRED: &str = "28000 the credential has expired";

const SETUP: &str = "
create extension pg_bearer;
create table docs (id int primary key, org_id uuid);
insert into docs values (1, '0a000000-0000-4000-8000-00000000000a'), (2, '0b000000-0000-4000-8000-00000000000b');
alter table docs enable row level security;
create policy own_organization on docs using (auth.in_org(org_id));
grant select on docs to tenant;
";

/// A server of its own that keeps count; settings come after ours.
pub(crate) fn counting_server(name: &str, settings: &[(&str, &str)]) -> Server {
    let ours = [("shared_preload_libraries", "pg_bearer"), ("wal_level", "replica")];
    let server = Server::start(installation(), name, &[&ours[..], settings].concat()).unwrap();
    server.psql("postgres", "create role tenant login").unwrap();
    set_up(&server, "postgres");
    server
}

fn set_up(server: &Server, database: &str) {
    server.psql(database, SETUP).unwrap();
    for (issuer, believed) in [(ISSUER, true), (STRICT_ISSUER, false)] {
        let sql = format!(
            "select auth.add_issuer('{issuer}', memberships_from_claims => {believed});
             select auth.add_jwt_secret('{issuer}', '{SECRET}')"
        );
        server.psql(database, &sql).unwrap();
    }
}

/// The one that tests share which can.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| counting_server("tickets", &[("max_connections", "100")]))
}

/// A database of its own on the shared server.
pub(super) struct Counting {
    pub(super) server: &'static Server,
    pub(super) name: String,
}

impl Counting {
    pub(super) fn new() -> Counting {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tickets_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let server = server();
        server.psql("postgres", &format!("create database {name} template template0")).unwrap();
        set_up(server, &name);
        Counting { server, name }
    }

    pub(super) fn connect(&self, user: &str) -> Client {
        connect(self.server.socket_dir(), &self.name, user)
    }

    pub(super) fn tenant(&self) -> Client {
        self.connect("tenant")
    }
}

pub(crate) fn connect(dir: &Path, database: &str, user: &str) -> Client {
    Config::new().host_path(dir).port(5432).dbname(database).user(user).connect(NoTls).unwrap()
}

/// A ticket of the default kind for this credential.
pub(super) fn issue(session: &mut Client, credential: &str) -> String {
    issue_for(session, credential, "interval '30 seconds'")
}

pub(super) fn issue_for(session: &mut Client, credential: &str, ttl: &str) -> String {
    session.run("begin");
    session.authenticate(credential).unwrap();
    let ticket = session.value(&format!("select auth.issue_ticket({ttl})")).unwrap();
    session.run("commit");
    ticket
}

/// Who a transaction is that signs in with this credential.
pub(super) fn sign_in(session: &mut Client, credential: &str) -> Result<String, postgres::Error> {
    let mut transaction = session.transaction()?;
    transaction.execute("select auth.authenticate($1)", &[&credential])?;
    let user = transaction.query_one("select coalesce(auth.user_id(), '')", &[])?.get(0);
    transaction.commit()?;
    Ok(user)
}
