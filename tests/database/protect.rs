//! Tables that auth.protect() protects.

mod arguments;
mod changes;
mod generated;
mod isolation;
mod keys;
mod links;
mod names;
mod organization;
mod partitions;
mod probes;
mod traps;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

/// Invoices of organizations A and B, two of each, of a table owner who cannot log in.
const TABLES: &str = "
create schema shop;
grant usage on schema shop to public;
grant usage, create on schema shop to table_owner;
create table shop.invoices (id int primary key, org_id uuid, workspace_id uuid, owner text,
                            environment text, body text);
alter table shop.invoices owner to table_owner;
grant select, insert, update, delete on shop.invoices to tenant, bearer_service;
insert into shop.invoices (id, org_id, environment, body)
values (1, '0a000000-0000-4000-8000-00000000000a', 'live', 'a1'), (2, '0a000000-0000-4000-8000-00000000000a', 'live', 'a2'),
       (3, '0b000000-0000-4000-8000-00000000000b', 'live', 'b3'), (4, '0b000000-0000-4000-8000-00000000000b', 'live', 'b4');
";

const VISIBLE: &str = "select string_agg(id::text, ' ' order by id) from shop.invoices";

/// A database with the invoices, and what a superuser says afterwards.
fn shop(setup: &str) -> Database {
    let db = Database::new();
    db.superuser().run(&format!("{TABLES} {setup}"));
    db
}

/// What a call of auth.protect() or auth.unprotect() returns, as `action: statement`.
fn statements(session: &mut Client, call: &str) -> Vec<String> {
    let sql = format!("select action || ': ' || statement from auth.{call} order by step");
    let rows = session.query(&sql, &[]).unwrap_or_else(|error| panic!("{call}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

/// The statements of this action.
fn only(action: &str, all: &[String]) -> Vec<String> {
    let prefix = format!("{action}: ");
    all.iter().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect()
}

/// Runs every statement that a call suggests.
fn follow(session: &mut Client, call: &str) {
    for statement in only("suggested", &statements(session, call)) {
        session.run(&statement);
    }
}

/// What the owner of this credential sees of a query, in a transaction of his own that is undone.
fn tell(session: &mut Client, token: &str, sql: &str) -> Option<String> {
    within(session, token, |session| session.value(sql))
}

/// The refusal that the owner of this credential meets.
fn denied(session: &mut Client, token: &str, sql: &str) -> String {
    within(session, token, |session| session.refused(sql))
}

fn within<T>(session: &mut Client, token: &str, work: impl FnOnce(&mut Client) -> T) -> T {
    session.run("begin");
    session.authenticate(token).unwrap();
    let found = work(session);
    session.run("rollback");
    found
}

/// Makes the issuer's service tokens count, and gives one.
fn service(db: &Database) -> String {
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
    hs256(&with(claims_a(), serde_json::json!({"role": "service_role", "org_id": null})))
}

/// Everything about the tables of schema shop that auth.protect() could change.
const STATE: &str = "
select string_agg(x.fact, E'\\n' order by x.fact) from (
  select concat_ws(' ', c.relname, c.relrowsecurity, c.relforcerowsecurity) from pg_class c
   where c.relnamespace = 'shop'::regnamespace and c.relkind in ('r', 'p', 'i', 'I')
  union all
  select concat_ws(' ', p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles::text, pg_get_expr(p.polqual, p.polrelid),
                   pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy')) from pg_policy p
    join pg_class c on c.oid = p.polrelid where c.relnamespace = 'shop'::regnamespace
  union all
  select concat_ws(' ', d.adrelid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid)) from pg_attrdef d
    join pg_class c on c.oid = d.adrelid join pg_attribute a on a.attrelid = c.oid and a.attnum = d.adnum
   where c.relnamespace = 'shop'::regnamespace
  union all
  select concat_ws(' ', i.indexrelid::regclass, obj_description(i.indexrelid, 'pg_class')) from pg_index i
    join pg_class c on c.oid = i.indrelid where c.relnamespace = 'shop'::regnamespace) x (fact)";
