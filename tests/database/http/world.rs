//! A database behind a real PostgREST.

use pg_bearer_tests::database::Session;
use pg_bearer_tests::postgrest::Postgrest;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, server};
use postgres::Client;

/// Roles belong to the server: each database has its own.
const SETUP: &str = "
create role {db}_login login noinherit;
create role {db}_anon nologin;
create role {db}_user nologin;
create role {db}_key nologin;
create role {db}_service nologin in role bearer_service;
grant {db}_anon, {db}_user, {db}_key, {db}_service to {db}_login;
alter database {db} set pg_bearer.http_anonymous_role = '{db}_anon';
alter database {db} set pg_bearer.http_user_role = '{db}_user';
alter database {db} set pg_bearer.http_key_role = '{db}_key';
alter database {db} set pg_bearer.http_service_role = '{db}_service';
create schema api;
grant usage on schema api to {db}_anon, {db}_user, {db}_key, {db}_service;
create view api.docs with (security_invoker) as select id, org_id, body from public.docs;
grant select, insert on public.docs, api.docs to {db}_user, {db}_key, {db}_service;
create policy service_reads on public.docs to bearer_service using (auth.is_service_role());
create function api.whoami() returns jsonb language sql stable as $$
    select jsonb_build_object('user', auth.user_id(), 'org', auth.current_org(), 'role', current_user::text,
                              'headers', current_setting('request.headers')::jsonb, 'row_security', current_setting('row_security'),
                              'key', auth.api_key_id() is not null, 'read_only', current_setting('transaction_read_only')) $$;
create function api.demand(what text, id uuid) returns boolean language sql stable as $$
    select case what when 'member' then auth.require_member(id) when 'workspace' then auth.require_workspace(id)
                     when 'org' then auth.require_org(id) else auth.require_permission(what) end $$;
create function api.events() returns jsonb language sql stable as $$ select api.whoami() $$;
create function api.again() returns void language sql as $$ select auth.pre_request() $$;
create function api.quota() returns void language plpgsql as $$ begin perform auth.check_api_key(null); end $$;";

pub(super) struct World {
    pub(super) db: Database,
    pub(super) admin: Client,
    pub(super) postgrest: Postgrest,
}

impl World {
    pub(super) fn new() -> World {
        World::with("")
    }

    /// With something more in the database.
    pub(super) fn with(more: &str) -> World {
        let (db, admin) = database(more);
        let name = |role: &str| format!("{}_{role}", db.name);
        let postgrest = Postgrest::start(&db, &name("login"), &name("anon"), &name("user"), "api");
        World { db, admin, postgrest }
    }

    /// A key of an organization that is in our tables, with its id.
    pub(super) fn key(&mut self, arguments: &str) -> String {
        key(&mut self.admin, arguments)
    }

    /// An organization with this user, whom our tables know.
    pub(super) fn organization(&mut self, name: &str, user: &str) -> String {
        organization(&mut self.admin, name, user)
    }
}

/// A database with a schema for PostgREST and roles of its own, and a superuser's session.
pub(super) fn database(more: &str) -> (Database, Client) {
    let db = Database::new();
    let mut admin = db.superuser();
    admin.run(&SETUP.replace("{db}", &db.name));
    admin.run(&more.replace("{db}", &db.name));
    (db, admin)
}

pub(super) fn key(admin: &mut Client, arguments: &str) -> String {
    admin.value(&format!("select key from auth.create_api_key('k'{arguments})")).unwrap()
}

pub(super) fn organization(admin: &mut Client, name: &str, user: &str) -> String {
    let sql = format!(
        "select auth.create_organization('{name}', slug => '{name}', external_id => 'ext-{name}', owner_id => '{user}')"
    );
    admin.value(&sql).unwrap()
}

/// Asserts that no log has any of these.
pub(super) fn assert_unlogged(world: &World, secrets: &[&str]) {
    let (ours, theirs) = (server().log(), world.postgrest.log());
    for secret in secrets {
        assert!(!ours.contains(secret) && !theirs.contains(secret), "a log has {secret}");
    }
}

/// A token of the user whom our tables know.
pub(super) fn token(user: &str) -> String {
    token_of(user)
}
