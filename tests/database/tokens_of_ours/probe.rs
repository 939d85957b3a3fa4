//! What somebody may do who has a credential.

use super::world::World;
use pg_bearer_tests::database::{Session, refusal};
use postgres::Client;
use std::collections::BTreeSet;

/// What a policy may ask. Each is tried with north and with south as the current organization.
const ASKED: &[&str] = &[
    "auth.has_permission('*')",
    "auth.has_permission('invoices.read')",
    "auth.has_permission('members.write')",
    "auth.has_permission('tokens.write')",
    "auth.has_permission_in('invoices.read', :south)",
    "auth.has_scope('*')",
    "auth.has_scope('invoices.read')",
    "auth.has_scope('tokens.write')",
    "auth.is_member(:north)",
    "auth.is_member(:south)",
    "auth.is_member(:west)",
    "auth.is_workspace_member(:desk)",
    "auth.is_workspace_member(:attic)",
    "auth.current_org() = :north",
    "auth.current_org() = :south",
    "auth.current_workspace() = :attic",
    "auth.allows_table('docs'::regclass)",
    "auth.allows_table('other_docs'::regclass)",
    "auth.environment() = 'live'",
    "auth.is_service_role()",
    "auth.email_verified()",
];

/// What somebody may create, or do to others.
const DONE: &[&str] = &[
    "create_organization('fresh')",
    "accept_invitation(:invitation)",
    "add_member(:north, 'eve', 'viewer')",
    "add_member(:north, 'eve', 'admin')",
    "add_member(:south, 'eve', 'viewer')",
    "create_workspace(:north, 'fresh')",
    "create_invitation(:north)",
    "define_role('fresh', '{invoices.read}', :north)",
    "create_api_key('k', :north)",
    "create_api_key('k', :north, scopes => '{invoices.read}')",
    "create_api_key('k', :north, scopes => '{invoices.read}', workspace_id => :desk)",
    "create_api_key('k', :north, environment => 'test')",
    "create_api_key('k', :south)",
    "rotate_api_key(:spare)",
    "update_api_key(:spare, clear => '{scopes}')",
    "issue_jwt()",
    "issue_jwt(org_id => :north)",
    "issue_jwt(org_id => :south)",
    "issue_jwt(org_id => :north, workspace_id => :attic)",
    "issue_jwt(permissions => '{members.write}')",
    "issue_jwt(scopes => '{tokens.write}')",
    "issue_jwt(environment => 'test')",
    "issue_jwt('eve', org_id => :north)",
    "issue_jwt('cara', org_id => :north)",
    "issue_jwt('ben')",
    "impersonate('ben', 'to help')",
    "exchange_api_key()",
    "issue_ticket()",
    "revoke_user('ada')",
    "revoke_user('ben')",
];

const FUNCTIONS: &str = "
create function asked(calls text[]) returns text[] language plpgsql as $$
declare found text[] := '{}'; call text; is_so boolean;
begin
    foreach call in array calls loop
        execute 'select ' || call into is_so;
        found := case when is_so then found || call else found end;
    end loop;
    return found;
end $$;
create function done(calls text[]) returns text[] language plpgsql as $$
declare found text[] := '{}'; call text;
begin
    foreach call in array calls loop
        begin
            execute 'select auth.' || call;
            raise sqlstate 'DONE0';
        exception when sqlstate 'DONE0' then found := found || call; when others then null;
        end;
    end loop;
    return found;
end $$";

pub(super) fn set_up(world: &mut World) {
    world.admin.run(FUNCTIONS);
}

pub(super) type Reach = BTreeSet<String>;

/// Everything that is ever probed.
pub(super) fn all(world: &World) -> Reach {
    ASKED.iter().chain(DONE).map(|call| world.fill(call)).collect()
}

/// What the bearer may do in the transaction that is open here, which stays as it is; or why they are refused.
/// What is created costs time: it is tried where that is asked for.
pub(super) fn reach(world: &mut World, credential: &str, creates: bool) -> Result<Reach, String> {
    let (asked, done) = (world.filled(ASKED), world.filled(if creates { DONE } else { &["no_such()"] }));
    let orgs = [world.fill(":north"), world.fill(":south")];
    let session = &mut world.admin;
    session.run("savepoint probe; set local role tenant");
    let mut found = reached(session, credential, &format!("select asked({asked}) || done({done})"));
    for org in orgs {
        session.run("rollback to probe; set local role tenant");
        let before = format!("select auth.set_org({org})");
        if let (Ok(found), Ok(there)) =
            (&mut found, reached_after(session, credential, &before, &format!("select asked({asked})")))
        {
            found.extend(there);
        }
    }
    session.run("rollback to probe");
    found
}

fn reached(session: &mut Client, credential: &str, sql: &str) -> Result<Reach, String> {
    reached_after(session, credential, "select 1", sql)
}

fn reached_after(session: &mut Client, credential: &str, before: &str, sql: &str) -> Result<Reach, String> {
    let mut ask = || {
        session.execute("select auth.authenticate($1)", &[&credential])?;
        session.batch_execute(before)?;
        session.query_one(sql, &[])
    };
    match ask() {
        Ok(row) => Ok(row.get::<_, Vec<String>>(0).into_iter().collect()),
        Err(error) => Err(refusal(Err::<(), _>(error))),
    }
}

impl World {
    /// The calls as an array in SQL.
    fn filled(&self, calls: &[&str]) -> String {
        let calls: Vec<String> = calls.iter().map(|call| format!("$c${}$c$", self.fill(call))).collect();
        format!("array[{}]", calls.join(", "))
    }
}
