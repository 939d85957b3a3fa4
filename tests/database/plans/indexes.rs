//! Every access method, each with the other kinds of scans switched off.

use super::*;

const EQUALITIES: [&str; 2] = ["auth.in_org(org_id)", "org_id = auth.current_org()"];
const LISTS: [&str; 2] = ["auth.is_member(org_id)", "auth.is_workspace_member(org_id)"];

/// The index, the scans that can use it for an equality, and those that can for a list.
const INDEXES: [(&str, &[&str], &[&str]); 8] = [
    ("create index x on items (org_id)", &["indexscan", "bitmapscan"], &["indexscan", "bitmapscan"]),
    (
        "create index x on items (org_id, created_at)",
        &["indexscan", "bitmapscan"],
        &["indexscan", "bitmapscan"],
    ),
    (
        "create index x on items (org_id) include (id)",
        &["indexscan", "bitmapscan"],
        &["indexscan", "bitmapscan"],
    ),
    ("create index x on items using hash (org_id)", &["indexscan", "bitmapscan"], &[]),
    ("create index x on items using gist (org_id)", &["indexscan", "bitmapscan"], &[]),
    (
        "alter table items add constraint x exclude using gist (org_id with =, id with =)",
        &["indexscan", "bitmapscan"],
        &[],
    ),
    ("create index x on items using gin (org_id)", &["bitmapscan"], &["bitmapscan"]),
    ("create index x on items using brin (org_id)", &["bitmapscan"], &["bitmapscan"]),
];

#[test]
fn every_kind_of_index_finds_the_rows_of_the_organization() {
    let db = prepared();
    let mut superuser = db.superuser();
    superuser.run("create extension btree_gist; create extension btree_gin");
    let mut session = db.superuser();
    let whole = format!("select count(*) || ' ' || sum(id) from items where org_id = '{ORG_A}'");
    let expected = session.value(&whole);
    for (index, for_equality, for_list) in INDEXES {
        superuser.run(&format!("{index}; analyze items"));
        sign_in(&mut session, json!({"workspace_id": ORG_A}));
        let conditions = EQUALITIES.map(|condition| (condition, for_equality)).into_iter();
        for (condition, usable) in conditions.chain(LISTS.map(|condition| (condition, for_list))) {
            let sql = format!("select count(*) || ' ' || sum(id) from items where {condition}");
            for kind in ["indexscan", "bitmapscan", "seqscan"] {
                allow_only(&mut session, kind);
                let plan = plan(&mut session, &sql);
                let is_used = plan.contains(" using x ") || plan.contains(" on x");
                let may_be_used = !usable.is_empty() && kind != "seqscan";
                if !may_be_used || usable.contains(&kind) {
                    assert_eq!(is_used, may_be_used, "{index}, {condition}, {kind}:\n{plan}");
                }
                assert_eq!(session.value(&sql), expected, "{index}, {condition}, {kind}");
            }
        }
        session.run("rollback");
        superuser.run("alter table items drop constraint if exists x; drop index if exists x");
    }
}

#[test]
fn an_index_that_has_all_columns_is_enough() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id, id); ");
    db.superuser().run("vacuum analyze items");
    let mut session = db.superuser();
    sign_in(&mut session, json!({"workspace_id": ORG_A}));
    allow_only(&mut session, "indexonlyscan");
    for condition in EQUALITIES.into_iter().chain(LISTS) {
        let sql = format!("select count(id) from items where {condition}");
        let plan = plan(&mut session, &sql);
        assert!(plan.contains("Index Only Scan using x") && !plan.contains("Filter"), "{condition}:\n{plan}");
        assert_eq!(session.value(&sql).as_deref(), Some("2000"));
    }
}

#[test]
fn an_index_of_another_operator_class_or_of_part_of_the_table_is_used_only_where_it_says_the_same() {
    let db = prepared();
    db.superuser().run(&format!(
        "create index partial on items (id) where org_id = '{ORG_A}';
         create index expression on items ((org_id::text)); analyze items"
    ));
    let mut session = db.superuser();
    sign_in(&mut session, json!({"workspace_id": ORG_A}));
    session.run("set enable_seqscan = off");
    for condition in EQUALITIES.into_iter().chain(LISTS) {
        let plan = plan(&mut session, &format!("select * from items where {condition}"));
        assert!(plan.contains("Seq Scan"), "{condition}:\n{plan}");
    }
}

#[test]
fn newest_rows_of_a_large_tenant_come_from_the_index_in_order() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id, created_at); analyze items");
    let mut session = db.superuser();
    sign_in(&mut session, json!({}));
    for condition in EQUALITIES {
        let sql = format!("select id from items where {condition} order by created_at desc limit 20");
        let plan = plan(&mut session, &sql);
        assert!(plan.contains("Index Scan Backward using x") && !plan.contains("Sort"), "{plan}");
        let first = format!("select min(id) || ' ' || max(id) from ({sql}) newest");
        assert_eq!(session.value(&first).as_deref(), Some("1 20"));
    }
}

#[test]
fn the_planner_knows_a_large_tenant_from_a_small_one() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id); analyze items");
    let mut session = db.superuser();
    for (org, rows) in [(ORG_A, 2000.0), (ORG_B, 10.0)] {
        sign_in(&mut session, json!({"org_id": org, "workspace_id": org}));
        for condition in EQUALITIES.into_iter().chain(LISTS) {
            let estimate = estimate(&mut session, &format!("select * from items where {condition}"));
            assert!((rows * 0.5..=rows * 2.0).contains(&estimate), "{condition}: {estimate} for {rows}");
        }
        session.run("rollback");
    }
}

#[test]
fn the_length_of_a_list_counts_and_nobody_is_taken_for_an_average_organization() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id); analyze items");
    let mut session = db.superuser();
    let sql = "select * from items where auth.is_member(org_id)";
    let nobody = estimate(&mut session, sql);
    assert!((6.0..=24.0).contains(&nobody), "{nobody} for nobody");
    for (count, low, high) in
        [(2, 1500.0, 2600.0), (64, 2000.0, 3600.0), (65, 600.0, 1000.0), (500, 4500.0, 7500.0)]
    {
        sign_in_to(&mut session, &db, count);
        let found = estimate(&mut session, sql);
        assert!((low..=high).contains(&found), "{found} for {count}");
        session.run("rollback");
    }
}

/// The statistics of a column list its most common values: a look at each id would find A among them.
#[test]
fn planning_for_ten_thousand_organizations_looks_up_none_of_them() {
    let db = prepared();
    db.superuser().run("analyze items");
    let mut session = db.superuser();
    sign_in_to(&mut session, &db, 10_000);
    let estimate = estimate(&mut session, "select * from items where auth.is_member(org_id)");
    assert_eq!(estimate, 12_000.0, "no more than all rows");
    let counted = session.value("select count(*) from items where auth.is_member(org_id)");
    assert_eq!(counted.as_deref(), Some("12000"));
}

#[test]
fn a_long_list_serves_an_index_without_being_looked_up() {
    let db = prepared();
    db.superuser().run(
        "create index items_btree on items (org_id); create index items_brin on items using brin (org_id);
         create index items_workspaces on items (workspace_id); update items set workspace_id = org_id; analyze items",
    );
    let mut session = db.superuser();
    sign_in_to(&mut session, &db, 100);
    let query = "select count(*) from items where auth.is_member(org_id)";
    let written_out = session.value("select count(*) from items where org_id = any (auth.org_ids())");
    session.run("prepare counted as select count(*) from items where auth.is_member(org_id)");
    for kind in ["indexscan", "bitmapscan", "indexonlyscan", "seqscan"] {
        allow_only(&mut session, kind);
        let plan = plan(&mut session, query);
        assert_eq!(plan.contains("(org_id = ANY ((auth.id_lists()).org_ids))"), kind != "seqscan", "{plan}");
        assert_eq!(session.value(query), written_out, "{kind}");
    }
    allow_only(&mut session, "indexscan");
    session.run("set plan_cache_mode = force_generic_plan");
    assert_eq!(session.value("execute counted"), written_out);
    // Workers ask for the list themselves.
    for setting in [
        "max_parallel_workers_per_gather = 2",
        "parallel_setup_cost = 0",
        "parallel_tuple_cost = 0",
        "min_parallel_index_scan_size = 0",
        "min_parallel_table_scan_size = 0",
        "cpu_operator_cost = 1",
    ] {
        session.run(&format!("set local {setting}"));
    }
    let parallel = format!("{query} and length(body) > 1");
    assert!(plan(&mut session, &parallel).contains("Gather"), "{}", plan(&mut session, &parallel));
    assert_eq!(session.value(&parallel), written_out);
    // The plan serves whoever comes next.
    session.run("select auth.sign_out()");
    assert_eq!(session.value("execute counted").as_deref(), Some("0"));
    session.run("rollback");
    sign_in(&mut session, json!({}));
    assert_eq!(session.value("execute counted").as_deref(), Some("2000"));
    session.run("rollback");
    // Of most values every row is looked at.
    sign_in_to(&mut session, &db, 500);
    session.run("set enable_seqscan = off");
    assert!(!plan(&mut session, query).contains("Index Cond"), "{}", plan(&mut session, query));
}
