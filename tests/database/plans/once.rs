//! Calls that depend on no row are made once for each query, without `(select …)` around them.

use super::*;

/// `items` under this policy, and a session of A that counts calls.
fn counting(policy: &str) -> (Database, Client) {
    let db = prepared();
    db.superuser().run(&format!(
        "alter table items enable row level security; create policy p on items using ({policy}) with check ({policy}); analyze items"
    ));
    let mut session = db.superuser();
    session.run("set track_functions = 'all'; set max_parallel_workers_per_gather = 0; set role tenant");
    sign_in(
        &mut session,
        json!({"role": "r", "email": "e", "org_role": "owner", "permissions": ["a.read"], "scope": "s", "workspace_id": ORG_A,
               "aal": "aal2", "amr": ["pwd"], "sid": "s1", "auth_time": now()}),
    );
    (db, session)
}

/// How often this function was called in the transaction.
fn calls(session: &mut Client, function: &str) -> i64 {
    let sql = format!(
        "select coalesce(sum(calls), 0) from pg_stat_xact_user_functions where schemaname = 'auth' and funcname = '{function}'"
    );
    session.value(&sql).unwrap().parse().unwrap()
}

const FUNCTIONS: [(&str, &str); 18] = [
    ("claim", "auth.claim('sub') is not null"),
    ("claim", "auth.claim(lower('S') || 'ub') = any (array[auth.claim('sub')]) or body = 'x'"),
    ("jwt", "auth.jwt() ->> 'sub' is not null"),
    ("identity", "auth.identity() ->> 'kind' = 'jwt'"),
    ("role", "auth.role() = 'r'"),
    ("email", "auth.email() = 'e'"),
    ("org_role", "auth.org_role() = 'owner'"),
    ("workspace_role", "auth.workspace_role() is null"),
    ("has_permission", "auth.has_permission('a.read')"),
    ("has_scope", "auth.has_scope('s')"),
    ("has_permission_in", "auth.has_permission_in('a.read', '0a000000-0000-4000-8000-00000000000a')"),
    ("org_ids_with", "org_id = any (auth.org_ids_with('a.read')) or org_id is not null"),
    ("aal", "auth.aal() = 'aal2'"),
    ("amr", "'pwd' = any (auth.amr())"),
    ("session_id", "auth.session_id() = 's1'"),
    ("signed_in_within", "auth.signed_in_within('1 hour')"),
    ("allows_table", "auth.allows_table('items'::regclass)"),
    ("verify_jwt", "auth.verify_jwt(current_setting('my.token')) is not null"),
];

#[test]
fn a_call_without_a_column_is_made_once_however_many_rows_there_are() {
    for (function, policy) in FUNCTIONS {
        let (_db, mut session) = counting(policy);
        session.run(&format!("set local my.token = '{}'", token_a()));
        let plan = plan(&mut session, "select count(*) from items");
        assert!(plan.contains("InitPlan"), "{policy}:\n{plan}");
        let most = i64::try_from(policy.matches(function).count()).unwrap();
        for (sql, rows) in [
            ("select count(*) from items", "12000"),
            ("with w as (update items set body = 'y' returning 1) select count(*) from w", "12000"),
        ] {
            let before = calls(&mut session, function);
            assert_eq!(session.value(sql).as_deref(), Some(rows), "{policy}");
            // For what is read, and for what is written.
            let made = calls(&mut session, function) - before;
            assert!((1..=3 * most).contains(&made), "{policy}: {made} calls");
        }
    }
}

#[test]
fn a_call_with_a_column_is_made_for_each_row() {
    let (_db, mut session) = counting("auth.has_permission('a.' || coalesce(left(body, 0), 'x') || 'read')");
    assert_eq!(session.value("select count(*) from items").as_deref(), Some("12000"));
    assert_eq!(calls(&mut session, "has_permission"), 12_000);
}

#[test]
fn a_volatile_argument_is_evaluated_for_each_row() {
    let db = prepared();
    db.superuser().run("create sequence s; grant all on sequence s to tenant");
    let mut session = db.tenant();
    sign_in(&mut session, json!({}));
    session.run("select count(auth.claim(nextval('s')::text)) from items");
    assert_eq!(session.value("select last_value from s").as_deref(), Some("12000"));
}

/// Every kind of reader that a column is compared with keeps a copy, and is known to the planner.
#[test]
fn readers_for_comparisons_stay_as_they_are() {
    let db = prepared();
    let mut session = db.tenant();
    sign_in(&mut session, json!({}));
    for condition in [
        "org_id = auth.current_org()",
        "org_id = auth.uid()",
        "body = auth.user_id()",
        "body = auth.environment()",
        "org_id = auth.current_workspace()",
        "org_id = any (auth.org_ids())",
        "org_id = any (auth.workspace_ids())",
        "body = auth.external_org_id()",
        "id = auth.external_org_number()",
        "org_id >= auth.service_floor()",
    ] {
        let plan = plan(&mut session, &format!("select * from items where {condition}"));
        assert!(!plan.contains("InitPlan"), "{condition}:\n{plan}");
    }
}

#[test]
fn an_api_key_in_a_subquery_is_checked_once() {
    for policy in [
        "(select valid from auth.check_api_key(current_setting('my.key')))",
        "exists (select from auth.check_api_key(current_setting('my.key')) k where k.valid)",
    ] {
        let (db, mut session) = counting(policy);
        let org = db.superuser().value("select auth.create_organization('o', owner_id => 'ada')").unwrap();
        let mut other = db.tenant();
        other.run("begin");
        other.authenticate(&token_of("ada")).unwrap();
        let key =
            other.value(&format!("select key from auth.create_api_key('k', org_id => '{org}')")).unwrap();
        other.run("commit");
        for (key, rows) in [(key.as_str(), "12000"), ("sk_live_wrong", "0")] {
            session.run(&format!("set local my.key = '{key}'"));
            let before = calls(&mut session, "check_api_key");
            assert_eq!(session.value("select count(*) from items").as_deref(), Some(rows), "{policy}");
            assert_eq!(calls(&mut session, "check_api_key") - before, 1, "{policy}");
        }
    }
}

#[test]
fn what_is_not_reached_does_not_raise() {
    let db = prepared();
    let mut session = db.tenant();
    sign_in(&mut session, json!({}));
    for sql in [
        "select count(*) from items where case when id < 0 then auth.verify_jwt('bad') is null end",
        "select count(case when id < 0 then auth.verify_jwt('bad') end) from items",
        "select count(*) from items where id < 0 and case when id < 0 then auth.require_aal('x') end",
        "select count(*) from items where id < 0 and case when id < 0 then auth.require_permission('x') end",
    ] {
        assert_eq!(session.value(sql).as_deref(), Some("0"), "{sql}");
    }
    assert!(session.refused("select auth.verify_jwt('bad') from items").starts_with("28000"));
}

#[test]
fn nobody_calls_a_support_function() {
    let db = Database::new();
    let mut session = db.superuser();
    let functions = session
        .query("select p.oid::regproc::text from pg_proc p where p.pronamespace = 'auth'::regnamespace and p.prorettype = 'internal'::regtype", &[])
        .unwrap();
    assert_eq!(functions.len(), 4);
    for row in functions {
        let name: String = row.get(0);
        for argument in ["'x'", "1", "array[1]"] {
            let refused = session.refused(&format!("select {name}({argument})"));
            // Older minor releases look at the argument before they look for the function.
            let is_refused = ["42883 ", "0A000 cannot accept a value of type internal"];
            assert!(is_refused.iter().any(|start| refused.starts_with(start)), "{name}: {refused}");
        }
        session.refused("select 'x'::internal");
        assert_eq!(session.refused("select 1::internal").get(..5), Some("42846"));
        let denied = db.tenant().refused(&format!(
            "create function mine(uuid) returns boolean language sql support {name} as 'select true'"
        ));
        assert!(denied.starts_with("42501"), "{name}: {denied}");
    }
}
