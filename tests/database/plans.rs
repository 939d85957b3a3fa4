//! What the planner makes of policies that call our functions as they are: index scans, pruning, good guesses,
//! one call for each query. By EXPLAIN, and by the answer.

mod anywhere;
mod identities;
mod indexes;
mod once;
mod shapes;
mod views;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::{Client, SimpleQueryMessage};
use serde_json::json;

/// The plan of a query, as EXPLAIN prints it with these options.
fn explained(session: &mut Client, options: &str, sql: &str) -> String {
    let rows = session.simple_query(&format!("explain ({options}) {sql}"));
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(|line| format!("{line}\n")),
        _ => None,
    };
    rows.iter().filter_map(line).collect()
}

fn plan(session: &mut Client, sql: &str) -> String {
    explained(session, "costs off", sql)
}

/// How many rows the planner expects of a query.
fn estimate(session: &mut Client, sql: &str) -> f64 {
    let plan: serde_json::Value = serde_json::from_str(&explained(session, "format json", sql)).unwrap();
    plan[0]["Plan"]["Plan Rows"].as_f64().unwrap()
}

/// Organization A has 2,000 of 12,000 rows, B has 10, and 999 others as many as B; the same with workspaces.
fn prepared() -> Database {
    let db = Database::new();
    db.superuser().run(&format!(
        "create function org(n int) returns uuid language sql immutable as
             $$ select case n when 0 then '{ORG_A}'::uuid when 1 then '{ORG_B}'::uuid else md5(n::text)::uuid end $$;
         create table items (id int, org_id uuid, workspace_id uuid, created_at timestamptz, body text);
         insert into items select n, o, o, now() - n * interval '1 second', 'row ' || n
           from (select n, org(case when n <= 2000 then 0 else 1 + n % 1000 end) o from generate_series(1, 12000) n) r;
         grant all on items to tenant; grant select on items to other;
         alter table items owner to table_owner; alter table items set (parallel_workers = 2)"
    ));
    db
}

/// Signs in with these claims in place of A's, in a transaction that is begun here.
fn sign_in(session: &mut Client, claims: serde_json::Value) {
    session.run("begin");
    session.authenticate(&hs256(&with(claims_a(), claims))).unwrap();
}

/// Signs in as a member of the first so many organizations of `prepared`.
fn sign_in_to(session: &mut Client, db: &Database, count: i32) {
    db.superuser().run(&format!(
        "insert into auth.memberships (user_id, org_id, role_id)
         select 'of {count}', org(n), (select id from auth.roles where name = 'viewer') from generate_series(0, {count} - 1) n"
    ));
    session.run("begin");
    session.authenticate(&token_of(&format!("of {count}"))).unwrap();
}

/// Leaves the planner only this kind of scan: `indexscan`, `bitmapscan`, `indexonlyscan` or `seqscan`.
fn allow_only(session: &mut Client, kind: &str) {
    for other in ["seqscan", "indexscan", "bitmapscan", "indexonlyscan"] {
        let allowed = other == kind || (kind == "indexonlyscan" && other == "indexscan");
        session.run(&format!("set enable_{other} = {allowed}"));
    }
}
