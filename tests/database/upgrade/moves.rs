//! What users made with the functions of a release goes on working, in sessions that were open before the update too:
//! a function that moves stays the same function.

use super::data::seed;
use super::scripts::{before, first_release, steps, update, update_once_more};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use std::collections::BTreeSet;

/// A table that auth.protect() protects, and everything that can refer to our functions; those of `auth` that are in
/// `auth_internal` now are auth.base_type() and auth.protection_name().
const APPLICATION: &str = "
create table invoices (id int generated always as identity primary key, org_id uuid not null,
    author text default auth.user_id(), body text check (coalesce(auth.protection_name(body), 'none') <> 'forbidden'),
    constraint known_type check (auth.base_type('integer'::regtype) = 'integer'::regtype::oid));
alter table invoices alter org_id set default auth.current_org();
select auth.protect('invoices');
create table papers (org_id uuid default auth.current_org(), body text);
alter table papers enable row level security; alter table papers force row level security;
create policy own on papers using (auth.in_org(org_id) and auth.base_type(23) = 23)
    with check (auth.in_org(org_id) and auth.base_type(23) = 23);
create view workspace_list as select name, role from auth.list_workspaces();
create function type_below(type oid) returns oid language sql begin atomic select auth.base_type(type); end;
create function whoever() returns text language plpgsql as $$ begin return auth.user_id(); end $$;
create materialized view names as select auth.protection_name('a') as name;
create index on invoices (auth.protection_name(body));
grant all on invoices, papers, workspace_list, names to tenant";

/// Statements, and what they give alice in her organization.
const ASKED: &[(&str, &str)] = &[
    ("select count(*)::text from invoices", "2"),
    ("select count(*)::text from papers", "1"),
    ("select string_agg(name, ' ' order by name) from workspace_list", "Closed Desk"),
    ("select string_agg(user_id, ' ' order by user_id) from auth.list_members()", "alice bob carol"),
    ("select type_below(23)::text", "23"),
    ("select whoever()", "alice"),
    ("select name from names", "a"),
    ("insert into invoices (body) values ('made') returning author", "alice"),
    ("insert into papers (body) values ('made') returning body", "made"),
    ("select auth.org_role()", "owner"),
    ("select name from auth.create_api_key('a key', auth.current_org())", "a key"),
];

/// A session that knows its statements by heart.
struct Prepared {
    session: Client,
    statements: Vec<(postgres::Statement, &'static str)>,
}

impl Prepared {
    fn new(db: &Database) -> Prepared {
        let mut session = db.tenant();
        let statements = ASKED.iter().map(|(sql, answer)| (session.prepare(sql).unwrap(), *answer)).collect();
        for (number, (sql, _)) in ASKED.iter().enumerate() {
            session.run(&format!("prepare asked_{number} as {sql}"));
        }
        Prepared { session, statements }
    }

    /// Asserts that all statements answer as before, in either protocol, also from generic plans.
    fn assert_answers(&mut self, when: &str) {
        for mode in ["force_generic_plan", "force_custom_plan"] {
            self.session.run(&format!("set plan_cache_mode = {mode}; begin"));
            self.session.authenticate(&token_of("alice")).unwrap();
            for (number, (statement, answer)) in self.statements.iter().enumerate() {
                self.session.run("savepoint before");
                let found: String = self.session.query_one(statement, &[]).unwrap().get(0);
                assert_eq!(found, *answer, "{when}: {:?}", ASKED[number]);
                self.session.run("rollback to before");
                let found = self.session.value(&format!("execute asked_{number}"));
                assert_eq!(found.as_deref(), Some(*answer), "{when}: {:?}", ASKED[number]);
                self.session.run("rollback to before");
            }
            self.session.run("rollback");
            assert_eq!(self.session.value("select count(*) from invoices").as_deref(), Some("0"));
        }
        let broken = "insert into invoices (org_id, body) values (gen_random_uuid(), 'x')";
        self.session.run("begin");
        self.session.authenticate(&token_of("alice")).unwrap();
        assert_eq!(
            self.session.refused(broken),
            "42501 new row violates row-level security policy for table \"invoices\""
        );
        self.session.run("rollback");
    }
}

/// The functions of ours, by name and arguments, in either schema, and their oids.
fn oids(session: &mut Client) -> BTreeSet<(String, u32)> {
    let sql = "select p.proname || '(' || oidvectortypes(p.proargtypes) || ')', p.oid from pg_proc p
                join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('auth', 'auth_internal')";
    session.query(sql, &[]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn t199_what_was_made_with_a_release_goes_on_in_open_sessions_and_new_ones() {
    let db = before();
    let mut session = db.superuser();
    seed(&mut session);
    session.run(APPLICATION);
    session.run("insert into invoices (org_id, author, body) select org_id, 'x', slug from auth.list_organizations(), generate_series(1, 2)");
    session.run("insert into papers select org_id, slug from auth.list_organizations()");
    let mut open = Prepared::new(&db);
    open.assert_answers("before");
    let before = oids(&mut session);
    assert!(before.len() > 200);
    update(&mut session);
    let after = oids(&mut session);
    let steps = steps(&first_release().0).0;
    let is_retired = |function: &str| {
        let name = function.split_once('(').unwrap().0;
        ["auth", "auth_internal"]
            .iter()
            .any(|schema| steps.contains(&format!("retire_function('{schema}.{name}(")))
    };
    let gone: Vec<_> = before.difference(&after).filter(|(function, _)| !is_retired(function)).collect();
    assert!(gone.is_empty(), "{gone:?}");
    let moved = "select count(*) from pg_depend d join pg_proc p on p.oid = d.refobjid and d.refclassid = 'pg_proc'::regclass
                  where p.pronamespace = 'auth_internal'::regnamespace
                    and d.classid in ('pg_policy'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass, 'pg_rewrite'::regclass, 'pg_proc'::regclass)
                    and d.deptype = 'n'";
    assert!(session.value(moved).unwrap().parse::<i32>().unwrap() > 5);
    open.assert_answers("in a session that was open");
    Prepared::new(&db).assert_answers("in a new session");
    // Protecting anew finds nothing to do.
    let statements = "select count(*) from auth.protect('invoices') where action = 'run'";
    assert_eq!(session.value(statements).as_deref(), Some("0"));
    assert_eq!(session.value("select bool_and(intact) from auth.protected_tables()").as_deref(), Some("t"));
    update_once_more(&mut session);
    open.assert_answers("after another update");
}

#[test]
fn t199_a_transaction_that_is_open_during_the_update_goes_on() {
    let db = before();
    let mut session = db.superuser();
    seed(&mut session);
    session.run(APPLICATION);
    session.run("insert into invoices (org_id, body) select org_id, slug from auth.list_organizations()");
    let mut open = db.tenant();
    open.run("begin");
    open.authenticate(&token_of("alice")).unwrap();
    update(&mut session);
    assert_eq!(open.value("select count(*) from invoices").as_deref(), Some("1"));
    open.run("insert into invoices (body) values ('more')");
    assert_eq!(open.value("select auth.uid()"), None);
    assert_eq!(open.value("select auth.user_id()").as_deref(), Some("alice"));
    open.run("commit");
    assert_eq!(open.value("select count(*) from invoices").as_deref(), Some("0"));
}

#[test]
fn t051_dropping_the_extension_after_an_update_closes_what_it_protected() {
    let db = before();
    let mut session = db.superuser();
    seed(&mut session);
    session.run(APPLICATION);
    session.run("insert into papers select org_id, slug from auth.list_organizations()");
    update(&mut session);
    let mut tenant = db.tenant();
    tenant.run("begin");
    tenant.authenticate(&token_of("alice")).unwrap();
    assert_eq!(tenant.value("select count(*) from papers").as_deref(), Some("1"));
    tenant.run("commit");
    assert!(refusal(session.batch_execute("drop extension pg_bearer")).starts_with("2BP01 "));
    session.run("drop extension pg_bearer cascade");
    for table in ["papers", "invoices"] {
        assert_eq!(tenant.value(&format!("select count(*) from {table}")).as_deref(), Some("0"), "{table}");
    }
}
