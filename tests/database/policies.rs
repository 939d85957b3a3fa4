//! What policies that people write themselves have to expect.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

#[test]
fn t014_without_an_identity_no_comparison_with_ours_is_true() {
    let db = Database::new();
    db.superuser().run("insert into docs (id, org_id) values (2001, null)");
    let mut session = db.superuser();
    for condition in [
        "auth.in_org(org_id)",
        "not auth.in_org(org_id)",
        "auth.is_member(org_id)",
        "not auth.is_member(org_id)",
        "org_id = auth.current_org()",
        "org_id <> auth.current_org()",
        "org_id = any (auth.org_ids())",
        "auth.has_permission(body)",
        "not auth.has_permission(body)",
        "not auth.has_scope(body)",
        "not auth.has_permission_in(body, org_id)",
        "owner = auth.user_id()",
        "auth.aal() <> body",
        "body <> all (auth.amr())",
        "auth.session_id() <> body",
        "not auth.signed_in_within('1 hour')",
        "auth.is_authenticated()",
        "auth.is_service_role()",
        "auth.role() = 'service_role'",
        "auth.environment() <> 'x'",
    ] {
        let sql = format!("select count(*) from docs where {condition}");
        assert_eq!(session.value(&sql).as_deref(), Some("0"), "{condition}");
    }
    // The pattern to avoid: a row without an organization is nobody's, and so is the caller.
    let anti_pattern = "select count(*) from docs where org_id is not distinct from auth.current_org()";
    assert_eq!(session.value(anti_pattern).as_deref(), Some("1"));
    assert!(session.refused("select count(*) from docs where auth.require_org(org_id)").starts_with("28000"));
}

#[test]
fn t023_a_statement_prepared_as_one_role_obeys_the_policies_of_the_next() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("prepare p as select count(*) from (select * from docs) d; prepare w as with x as (select * from docs) select count(*) from x");
    for statement in ["p", "w"] {
        let count = |session: &mut postgres::Client| session.value(&format!("execute {statement}")).unwrap();
        for _ in 0..7 {
            session.run("begin");
            session.authenticate(&token_a()).unwrap();
            assert_eq!(count(&mut session), "1000");
            session.run("set local role tenant");
            assert_eq!(count(&mut session), "500");
            session.run("rollback; set role tenant");
            assert_eq!(count(&mut session), "0");
            session.run("reset role");
            assert_eq!(count(&mut session), "1000");
        }
    }
}

#[test]
fn a_service_policy_takes_the_role_and_the_credential() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "select auth.update_issuer('{ISSUER}', allow_service_role => true);
         create policy service on docs to bearer_service using (auth.is_service_role());
         grant select on docs to bearer_service; grant bearer_service to other"
    ));
    let service = hs256(&with(claims_a(), json!({"role": "service_role", "org_id": null})));
    let mut session = db.connect("other");
    for (token, role, visible) in [
        (&service, "bearer_service", 1000),
        // `other` inherits, so the policy applies to it without SET ROLE.
        (&service, "other", 1000),
        (&token_a(), "bearer_service", 500),
        (&token_a(), "other", 500),
    ] {
        session.run(&format!("begin; set local role {role}"));
        session.authenticate(token).unwrap();
        assert_eq!(session.visible(), visible, "{role}");
        session.run("commit");
    }
    assert_eq!(session.visible(), 0);
    let mut tenant = db.tenant();
    tenant.run("begin");
    tenant.authenticate(&service).unwrap();
    assert_eq!(tenant.visible(), 0);
    superuser.run("revoke bearer_service from other");
}

#[test]
fn writes_stay_within_the_organization() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    for statement in [
        format!("insert into docs (id, org_id) values (3001, '{ORG_B}')"),
        format!("update docs set org_id = '{ORG_B}'"),
        "insert into docs (id, org_id) values (3002, null)".into(),
        format!(
            "insert into docs (id, org_id) values (1, '{ORG_B}') on conflict (id) do update set body = 'x'"
        ),
    ] {
        session.run("savepoint s");
        let refused = session.refused(&statement);
        assert!(refused.starts_with("42501"), "{statement}: {refused}");
        session.run("rollback to s");
    }
    session.run("update docs set body = 'mine'; delete from docs where id % 10 = 0");
    session.run("commit");
    let foreign = db
        .superuser()
        .value(&format!("select count(*) from docs where org_id = '{ORG_B}' and body <> 'mine'"));
    assert_eq!(foreign.as_deref(), Some("500"));
}

#[test]
fn t055_an_indexed_organization_keeps_explain_from_counting_hidden_rows() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let mut plan_among = |hidden: i32| {
        superuser.run(&format!(
            "truncate docs;
             insert into docs select n, '{ORG_A}', null, 'x' from generate_series(1, 100) n;
             insert into docs select 1000 + n, '{ORG_B}', null, 'x' from generate_series(1, {hidden}) n;
             analyze docs"
        ));
        let mut session = db.tenant();
        session.run("begin; set local enable_seqscan = off; set local enable_bitmapscan = off");
        session.authenticate(&token_a()).unwrap();
        let sql = "explain (analyze, costs off, timing off, summary off, buffers off) select * from docs where body = 'y'";
        let lines = session.query(sql, &[]).unwrap();
        lines.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    let few = plan_among(10);
    assert_eq!(few, plan_among(10_000));
    assert!(few.iter().any(|line| line.contains("Rows Removed by Filter: 100")), "{few:#?}");
    assert!(few.iter().any(|line| line.contains("Index Cond: (org_id = auth.current_org())")), "{few:#?}");
}

#[test]
fn t057_statistics_of_values_are_hidden_from_tenants() {
    let db = Database::new();
    db.superuser().run("analyze docs");
    let sql = "select count(*) > 0 from pg_stats where tablename = 'docs'";
    assert_eq!(db.superuser().value(sql).as_deref(), Some("t"));
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.value(sql).as_deref(), Some("f"));
}
