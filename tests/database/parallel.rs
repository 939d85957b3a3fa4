//! t028: parallel workers know who is signed in, and other sessions that nobody is.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;

/// A table that is scanned in parallel when allowed, and an identity with something for every reader.
fn prepared() -> (Database, Client) {
    let db = Database::new();
    db.superuser().run(&format!(
        "create table big as
           select n, case n % 3 when 0 then '{ORG_A}'::uuid when 1 then '{ORG_B}' end as org_id,
                  case n % 2 when 0 then '{USER_A}'::uuid end as user_id, 'a.read'::text as permission
             from generate_series(1, 60000) n;
         grant select on big to tenant; alter table big set (parallel_workers = 4); analyze big"
    ));
    let mut session = db.tenant();
    session.run(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0",
    );
    (db, session)
}

const CONDITIONS: [&str; 27] = [
    "auth.in_org(org_id)",
    "not auth.in_org(org_id)",
    "org_id = auth.current_org()",
    "org_id <> auth.current_org()",
    "auth.is_member(org_id)",
    "not auth.is_member(org_id)",
    "org_id = any (auth.org_ids())",
    "auth.is_workspace_member(org_id)",
    "org_id = any (auth.workspace_ids())",
    "org_id is distinct from auth.current_workspace()",
    "user_id = auth.uid()",
    "user_id::text = auth.user_id()",
    "auth.has_permission(permission)",
    "auth.has_permission_in(permission, org_id)",
    "org_id = any (auth.org_ids_with(permission))",
    "auth.has_scope('s' || (n % 2))",
    "auth.is_authenticated() and n % 2 = 0",
    "auth.is_service_role() or n % 2 = 0",
    "auth.role() = 'authenticated' and auth.environment() = 'live' and n % 5 = 0",
    "auth.email() = 'a@a.example' and auth.org_role() = 'owner'",
    "(auth.jwt()->>'n')::int > n % 7",
    "auth.claim('n')::int > n % 7",
    "auth.identity()->>'org_id' = org_id::text",
    "auth.aal() = 'aal2' and auth.session_id() = 's1' and 'otp' = any (auth.amr()) and auth.require_aal('aal1')",
    "auth.signed_in_within(n % 2 * interval '1 hour')",
    "auth.require_authenticated() and auth.require_org(auth.current_org()) and auth.require_permission('a.read')",
    "auth.require_member(auth.current_org()) and (auth.current_workspace() is null or auth.require_workspace(auth.current_workspace()))",
];

#[test]
fn t028_every_reader_counts_the_same_in_parallel_workers() {
    let (_db, mut session) = prepared();
    let claims = with(
        claims_a(),
        json!({"org_id": ORG_A, "workspace_id": [ORG_A, ORG_B], "scope": "s0", "permissions": ["a.*"],
               "role": "authenticated", "email": "a@a.example", "org_role": "owner", "n": 3,
               "aal": "aal2", "sid": "s1", "amr": ["pwd", "otp"], "auth_time": now() - 60}),
    );
    session.run("begin");
    session.authenticate(&hs256(&claims)).unwrap();
    for leader in ["on", "off"] {
        session.run(&format!("set local parallel_leader_participation = {leader}"));
        for condition in CONDITIONS {
            let sql = format!("select count(*) from big where {condition}");
            session.run("set local max_parallel_workers_per_gather = 0");
            let serial = session.value(&sql);
            assert_ne!(serial.as_deref(), Some("0"), "{condition}: tells nothing");
            session.run("set local max_parallel_workers_per_gather = 4");
            let plan =
                session.query(&format!("explain (analyze, costs off, timing off) {sql}"), &[]).unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
            let launched = |line: &String| line.contains("Workers Launched:") && !line.ends_with(": 0");
            assert!(plan.iter().any(launched), "{condition}: {plan:?}");
            assert_eq!(session.value(&sql), serial, "{condition}");
        }
    }
    session.run("rollback");
    // The same without an identity: nothing that depends on one is true, in workers too.
    for condition in &CONDITIONS[..11] {
        assert_eq!(
            session.value(&format!("select count(*) from big where {condition}")).as_deref(),
            Some(if condition.contains("is distinct from") { "40000" } else { "0" }),
            "{condition}"
        );
    }
}

#[test]
fn t025_workers_agree_with_their_leader_about_expiry() {
    let (db, mut session) = prepared();
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', leeway => '0')"));
    session.run("set max_parallel_workers_per_gather = 4; set parallel_leader_participation = off; begin");
    session.authenticate(&hs256(&with(claims_a(), json!({"exp": now() + 5})))).unwrap();
    // The statement begins in time; whatever its workers do later counts with its start.
    let slow = "select count(*) from big, lateral (select pg_sleep(case when n = 3 then 5.5 else 0 end)) s where auth.in_org(org_id)";
    assert_eq!(session.value(slow).as_deref(), Some("20000"));
    assert_eq!(session.value("select count(*) from big where auth.in_org(org_id)").as_deref(), Some("0"));
    session.run("rollback");
}

#[test]
fn other_sessions_have_nobody() {
    let db = Database::new();
    let (mut one, mut two) = (db.tenant(), db.tenant());
    one.run("begin");
    one.authenticate(&token_a()).unwrap();
    two.run("begin");
    assert_eq!(two.visible(), 0);
    two.authenticate(&token_b()).unwrap();
    assert_eq!(one.value("select auth.current_org()").as_deref(), Some(ORG_A));
    assert_eq!(two.value("select auth.current_org()").as_deref(), Some(ORG_B));
}
