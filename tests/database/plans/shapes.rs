//! Policies, partitions, joins, views and commands.

use super::*;

/// `items` with an index, and a policy of its tenants.
fn with_policy(policy: &str) -> Database {
    let db = prepared();
    db.superuser().run(&format!(
        "create index x on items (org_id); alter table items enable row level security;
         alter table items force row level security; {policy}; analyze items"
    ));
    db
}

fn assert_index(session: &mut Client, sql: &str) {
    let plan = plan(session, sql);
    assert!(plan.contains(" x ") || plan.contains(" on x\n"), "{sql}:\n{plan}");
    assert!(!plan.contains("Seq Scan on items"), "{sql}:\n{plan}");
}

const TENANTS: [&str; 3] = [
    "create policy p on items using (auth.in_org(org_id)) with check (auth.in_org(org_id))",
    "create policy p on items using (auth.is_member(org_id)) with check (auth.is_member(org_id))",
    "create policy p on items using (auth.is_workspace_member(workspace_id)); drop index x; create index x on items (workspace_id)",
];

#[test]
fn a_policy_leaves_queries_of_every_shape_their_index() {
    for policy in TENANTS {
        let db = with_policy(policy);
        db.superuser().run(
            "create view through with (security_invoker) as select * from items;
             create view behind with (security_barrier, security_invoker) as select * from items;
             grant select on through, behind to tenant",
        );
        let mut session = db.tenant();
        sign_in(&mut session, json!({"org_id": ORG_B, "workspace_id": ORG_B}));
        for (sql, expected) in [
            ("select count(*) from items", "10"),
            ("select count(*) from items where body like 'row%'", "10"),
            ("select count(*) from items a join items b using (id)", "10"),
            ("select count(*) from items a left join items b on b.id = a.id + 1000", "10"),
            ("select count(*) from through", "10"),
            ("select count(*) from behind where body like 'row%'", "10"),
            ("with c as (select * from items) select count(*) from c", "10"),
            ("with c as materialized (select * from items) select count(*) from c", "10"),
            ("select count(*) from (select * from items union all select * from items) u", "20"),
            (
                "select count(*) from generate_series(1, 2) n, lateral (select * from items where id > n) l",
                "20",
            ),
            ("select (select count(*) from items)", "10"),
            ("select count(*) from (select id from items intersect select id from items) s", "10"),
        ] {
            assert_index(&mut session, sql);
            assert_eq!(session.value(sql).as_deref(), Some(expected), "{policy}: {sql}");
        }
        for sql in ["update items set body = 'mine'", "delete from items", "select * from items for update"] {
            assert_index(&mut session, sql);
        }
        let changed = session.execute("update items set body = 'mine' where body like 'row%'", &[]).unwrap();
        assert_eq!(changed, 10, "{policy}");
        session.run("rollback");
    }
}

#[test]
fn restrictive_policies_and_barriers_leave_the_index() {
    for tenants in ["auth.in_org(org_id)", "auth.is_member(org_id)", "org_id = auth.current_org()"] {
        let db = with_policy(&format!(
            "create policy everybody on items using (true);
             create policy tenants on items as restrictive using ({tenants});
             create policy more on items as restrictive using (body <> 'x');
             create view behind with (security_barrier) as select * from items where {tenants}; grant select on behind to tenant"
        ));
        let mut session = db.tenant();
        sign_in(&mut session, json!({"org_id": ORG_B}));
        for sql in ["select count(*) from items", "select count(*) from behind"] {
            assert_index(&mut session, sql);
        }
        assert_eq!(session.visible_items(), 10);
    }
}

trait Items {
    fn visible_items(&mut self) -> i64;
}

impl Items for Client {
    fn visible_items(&mut self) -> i64 {
        self.value("select count(*) from items").unwrap().parse().unwrap()
    }
}

#[test]
fn partitions_of_others_are_not_read() {
    let db = prepared();
    db.superuser().run(&format!(
        "create table hashed (like items) partition by hash (org_id);
         create table h0 partition of hashed for values with (modulus 4, remainder 0);
         create table h1 partition of hashed for values with (modulus 4, remainder 1);
         create table h2 partition of hashed for values with (modulus 4, remainder 2);
         create table h3 partition of hashed for values with (modulus 4, remainder 3);
         create table listed (like items) partition by list (org_id);
         create table la partition of listed for values in ('{ORG_A}');
         create table lb partition of listed for values in ('{ORG_B}');
         create table lo partition of listed default;
         insert into hashed select * from items; insert into listed select * from items; analyze hashed; analyze listed;
         alter table hashed enable row level security; alter table listed enable row level security;
         create policy p on hashed using (auth.in_org(org_id)); create policy p on listed using (auth.in_org(org_id));
         grant select on hashed, listed to tenant"
    ));
    let mut session = db.tenant();
    for generic in ["force_custom_plan", "force_generic_plan"] {
        session.run(&format!("set plan_cache_mode = {generic}"));
        for (table, partitions) in [("hashed", 4), ("listed", 3)] {
            session.run(&format!("prepare {table} as select count(*) from {table}"));
            for (org, rows) in [(ORG_A, "2000"), (ORG_B, "10")] {
                sign_in(&mut session, json!({"org_id": org}));
                let execute = format!("execute {table}");
                let plan = explained(&mut session, "analyze, costs off, timing off, summary off", &execute);
                assert!(plan.contains(&format!("Subplans Removed: {}", partitions - 1)), "{plan}");
                assert_eq!(session.value(&execute).as_deref(), Some(rows));
                session.run("rollback");
            }
            session.run(&format!("deallocate {table}"));
        }
    }
}

#[test]
fn t028_parallel_plans_stay_possible_and_count_the_same() {
    let conditions = [
        "auth.in_org(org_id)",
        "auth.is_member(org_id)",
        "auth.is_workspace_member(workspace_id)",
        "org_id = auth.current_org()",
        "auth.in_org(org_id) and auth.has_permission('a.read')",
        "auth.in_org(org_id) and auth.claim('n') = '3' and auth.allows_table('items'::regclass)",
        "org_id = any (auth.org_ids_with('a.read'))",
    ];
    for condition in conditions {
        let db = prepared();
        db.superuser().run(&format!(
            "alter table items enable row level security; create policy p on items using ({condition}); analyze items"
        ));
        let mut session = db.tenant();
        session.run(
            "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0",
        );
        sign_in(&mut session, json!({"workspace_id": ORG_A, "permissions": ["a.*"], "n": 3}));
        for leader in ["on", "off"] {
            session.run(&format!("set local parallel_leader_participation = {leader}"));
            let sql = "select count(*) from items";
            let plan = explained(&mut session, "analyze, costs off, timing off", sql);
            let launched =
                plan.lines().any(|line| line.contains("Workers Launched:") && !line.ends_with(": 0"));
            assert!(launched, "{condition}:\n{plan}");
            assert_eq!(session.value(sql).as_deref(), Some("2000"), "{condition}");
        }
    }
}

#[test]
fn a_single_login_reads_everything_as_a_service_and_by_index_as_a_tenant() {
    let db = with_policy(
        "create policy p on items using (auth.in_org(org_id) or org_id >= auth.service_floor());
         alter table items add number bigint, add name text; update items set number = id % 7, name = 'n' || id % 7;
         create index n on items (number); create index t on items (name)",
    );
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
    let mut session = db.tenant();
    let service = json!({"role": "service_role"});
    session.run("prepare p as select count(*) from items");
    for round in 0..12 {
        for (claims, rows) in
            [(json!({}), "2000"), (service.clone(), "12000"), (json!({"org_id": ORG_B}), "10")]
        {
            sign_in(&mut session, claims);
            assert_eq!(session.value("execute p").as_deref(), Some(rows), "round {round}");
            session.run("commit");
            assert_eq!(session.value("execute p").as_deref(), Some("0"), "round {round}");
        }
    }
    sign_in(&mut session, json!({"org_id": ORG_B}));
    let plan = plan(&mut session, "select count(*) from items");
    assert!(plan.contains("BitmapOr"), "{plan}");
    session.run("rollback");
    sign_in(&mut session, service);
    for condition in ["number >= auth.service_floor_number()", "name >= auth.service_floor_text()"] {
        let sql = format!("select count(*) from items where {condition}");
        assert_eq!(session.value(&sql).as_deref(), Some("12000"), "{condition}");
    }
}
