//! Users with many memberships.

use super::{ORG_C, PLACE, prepared, token, told};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::{ISSUER, ORG_A, ORG_B, STRICT_ISSUER};
use postgres::Client;
use serde_json::json;

/// The id of the n-th of many organizations.
const ID: &str = "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid";

/// Makes u a member of this many more organizations, each with a workspace of his, as clerk or viewer in turn.
fn with_many(superuser: &mut Client, many: usize) {
    superuser.run(&format!(
        "insert into auth.memberships (user_id, org_id, role_id)
         select 'u', {ID}, r.id from generate_series(1, {many}) n join auth.roles r on r.name = (array['clerk', 'viewer'])[n % 2 + 1];
         insert into auth.workspace_memberships (user_id, workspace_id, org_id, role_id)
         select user_id, org_id, org_id, role_id from auth.memberships where user_id = 'u' and org_id not in ('{ORG_A}', '{ORG_B}');
         analyze auth.memberships"
    ));
}

#[test]
fn reading_memberships_writes_nothing() {
    let (db, mut superuser) = prepared();
    with_many(&mut superuser, 300);
    superuser.run(&format!(
        "create table members (u text, o uuid, r text); create index on members (u);
         insert into members select 'u', {ID}, 'editor' from generate_series(200, 400) n;
         select auth.register_membership_source('members', 'u', 'o', 'r')"
    ));
    superuser.run("vacuum");
    let wal = |session: &mut Client, statement: &str| -> Vec<String> {
        let plan = session.query(&format!("explain (analyze, wal, costs off) {statement}"), &[]).unwrap();
        plan.iter().map(|row| row.get::<_, String>(0)).filter(|line| line.contains("WAL:")).collect()
    };
    let mut session = db.tenant();
    for begin in ["begin read only", "begin isolation level serializable read only", "begin"] {
        session.run(begin);
        for issuer in [STRICT_ISSUER, ISSUER] {
            let token = token(issuer, "u", json!({"org_id": [ORG_C, "42"]}));
            let authenticate = format!("select auth.authenticate('{token}')");
            // Postgres itself may tidy a page that is read; what we wrote would be there every time.
            let silent = (0..10).any(|_| wal(&mut session, &authenticate).is_empty());
            assert!(silent, "{begin}: {:?}", wal(&mut session, &authenticate));
            assert_eq!(session.value("select cardinality(auth.org_ids()) >= 402").as_deref(), Some("t"));
        }
        assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None, "{begin}");
        session.run("commit");
    }
    // The measure itself: a write would be seen.
    superuser.run("begin");
    assert!(!wal(&mut superuser, "insert into members values ('x')").is_empty());
}

#[test]
fn t028_parallel_workers_know_ten_thousand_memberships() {
    let (db, mut superuser) = prepared();
    with_many(&mut superuser, 10_000);
    superuser.run(&format!(
        "create table big as select n, {ID} as org_id from generate_series(1, 20000) n;
         grant select on big to tenant; alter table big set (parallel_workers = 4); analyze big"
    ));
    let mut session = db.tenant();
    session.run(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
         set parallel_leader_participation = off; begin",
    );
    session.authenticate(&token(STRICT_ISSUER, "u", json!({}))).unwrap();
    for (condition, rows) in [
        ("auth.is_member(org_id)", "10000"),
        ("not auth.is_member(org_id)", "10000"),
        ("auth.is_workspace_member(org_id)", "10000"),
        ("auth.has_permission_in('docs.write', org_id)", "5000"),
        ("org_id = any (auth.org_ids_with('members.read'))", "5000"),
    ] {
        let sql = format!("select count(*) from big where {condition}");
        let plan = session.query(&format!("explain (analyze, costs off, timing off) {sql}"), &[]).unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        let launched = |line: &String| line.contains("Workers Launched:") && !line.ends_with(": 0");
        assert!(plan.iter().any(launched), "{condition}: {plan:?}");
        assert_eq!(session.value(&sql).as_deref(), Some(rows), "{condition}");
    }
}

#[test]
fn more_memberships_than_an_identity_holds_are_left_out() {
    let (db, mut superuser) = prepared();
    with_many(&mut superuser, 49_998);
    let mut session = db.tenant();
    let plain = token(STRICT_ISSUER, "u", json!({}));
    let facts = |id: &str| {
        format!(
            "select concat_ws(' ', cardinality(auth.org_ids()), cardinality(auth.workspace_ids()), auth.is_member('{id}'))"
        )
    };
    assert_eq!(told(&mut session, &plain, &facts(ORG_A)), "50000 49998 t");
    assert_eq!(
        told(&mut session, &plain, &format!("select auth.is_member({})", ID.replace('n', "49998"))),
        "true"
    );
    // One more by a claim has room; the newest row, or workspace, has none.
    let claims_one = token(ISSUER, "u", json!({"org_id": ORG_C}));
    assert_eq!(told(&mut session, &claims_one, &facts(ORG_C)), "50001 49998 t");
    let another = format!("('u', '{ORG_C}', '{}')", "00000000-0000-4000-8000-000000000001");
    superuser.run(&format!("insert into auth.memberships (user_id, org_id, role_id) values {another}"));
    assert_eq!(told(&mut session, &plain, &facts(ORG_C)), "50000 49998 f");
    assert_eq!(told(&mut session, &plain, &facts(ORG_A)), "50000 49998 t");
    superuser.run(&format!(
        "insert into auth.workspace_memberships (user_id, workspace_id, org_id, role_id)
         select 'u', gen_random_uuid(), '{ORG_A}', '00000000-0000-4000-8000-000000000004' from generate_series(1, 3)"
    ));
    assert_eq!(told(&mut session, &plain, &facts(ORG_A)), "50000 50000 t");
    superuser
        .run(&format!("update auth.issuers set org_ids = '{{{ORG_A}}}' where issuer = '{STRICT_ISSUER}'"));
    assert!(told(&mut session, &plain, PLACE).starts_with("a clerk"));
}
