//! Plans outlive identities: one that was made for somebody must be right for everybody.

use super::*;

const MODES: [&str; 3] = ["auto", "force_custom_plan", "force_generic_plan"];

#[test]
fn t022_a_prepared_statement_counts_for_whoever_runs_it() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id); analyze items");
    let conditions = [
        "auth.in_org(org_id)",
        "org_id = auth.current_org()",
        "auth.is_member(org_id)",
        "auth.in_org(org_id) and auth.claim('yes') = 'yes'",
        "auth.is_member(org_id) and auth.has_permission('a.read')",
        "org_id = any (auth.org_ids_with('a.read'))",
    ];
    let mut session = db.tenant();
    for mode in MODES {
        session.run(&format!("set plan_cache_mode = {mode}"));
        for condition in conditions {
            session.run(&format!(
                "prepare p(text) as select count(*) from items where {condition} and body <> $1"
            ));
            for _ in 0..8 {
                for (org, rows) in [(Some(ORG_A), "2000"), (None, "0"), (Some(ORG_B), "10")] {
                    let permitted = json!({"yes": "yes", "permissions": ["a.read"]});
                    match org {
                        Some(org) => sign_in(&mut session, with(permitted, json!({"org_id": org}))),
                        None => session.run("begin"),
                    }
                    assert_eq!(session.value("execute p('')").as_deref(), Some(rows), "{mode}: {condition}");
                    session.run("commit");
                }
            }
            session.run("deallocate p");
        }
    }
}

#[test]
fn t023_tenant_service_tenant_with_one_prepared_statement() {
    let db = prepared();
    db.superuser().run(&format!(
        "select auth.update_issuer('{ISSUER}', allow_service_role => true);
         create index x on items (org_id); alter table items enable row level security; alter table items force row level security;
         create policy tenants on items using (auth.in_org(org_id));
         create policy service on items to bearer_service using (auth.is_service_role());
         create role server_login login noinherit; grant select on items to bearer_service, server_login;
         grant bearer_service to server_login; analyze items"
    ));
    let mut session = db.connect("server_login");
    session.run("prepare p as select count(*) from items");
    let service = json!({"role": "service_role", "org_id": null});
    for _ in 0..8 {
        for (claims, role, rows) in [
            (json!({}), "server_login", "2000"),
            (service.clone(), "bearer_service", "12000"),
            (json!({"org_id": ORG_B}), "server_login", "10"),
            (json!({"org_id": ORG_B}), "bearer_service", "10"),
            (service.clone(), "server_login", "0"),
        ] {
            sign_in(&mut session, claims);
            session.run(&format!("set local role {role}"));
            assert_eq!(session.value("execute p").as_deref(), Some(rows), "{role}");
            session.run("commit");
        }
    }
}

#[test]
fn t021_a_cursor_shows_the_rows_of_one_identity() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id); analyze items");
    let mut session = db.tenant();
    for condition in [
        "auth.in_org(org_id)",
        "auth.is_member(org_id)",
        "org_id = auth.current_org() and auth.claim('sub') is not null",
    ] {
        sign_in(&mut session, json!({"org_id": ORG_B}));
        session.run(&format!("declare c cursor for select count(*) over (), org_id from items where {condition}; fetch 3 from c"));
        let refused = session.authenticate(&token_a());
        assert!(refused.is_err(), "the identity changed under an open cursor");
        session.run("rollback");
    }
}

/// What an identity may do in one organization says nothing about its rows in another, whenever in a query it
/// moves there: each row is tested with an organization and with permissions of the same moment.
#[test]
fn t010_moving_to_another_organization_within_a_query_takes_no_permission_there() {
    let db = prepared();
    db.superuser().run(&format!(
        "create index x on items (org_id); analyze items;
         alter table items enable row level security; alter table items force row level security;
         create policy p on items using (auth.in_org(org_id) and auth.has_permission('items.read'))
                            with check (auth.in_org(org_id) and auth.has_permission('items.read'));
         insert into auth.memberships (user_id, org_id, role_id)
         select 'mallory', o::uuid, r.id from (values ('{ORG_A}', 'owner'), ('{ORG_B}', 'viewer')) v (o, role)
           join auth.roles r on r.name = v.role"
    ));
    let (to_a, to_b) = (format!("auth.set_org('{ORG_A}')"), format!("auth.set_org('{ORG_B}')"));
    let mut session = db.tenant();
    for kind in ["seqscan", "indexscan", "bitmapscan"] {
        allow_only(&mut session, kind);
        // B does not let its viewer read items, whether he owned A before or owns it afterwards.
        for (begin, go, from) in [(&to_a, &to_b, ORG_B), (&to_b, &to_a, ORG_B)] {
            for sql in [
                format!("select count(*) from (select org_id, {go} from items offset 0) i where org_id = '{from}'"),
                format!("with w as (insert into items select 0, case n when 1 then '{ORG_A}'::uuid else '{from}' end, null, null,
                         case when n > 1 then {go}::text end from generate_series(1, 3) n returning org_id)
                         select count(*) from w where org_id = '{from}'"),
            ] {
                session.run("begin");
                session.authenticate(&token_of("mallory")).unwrap();
                session.run(&format!("select {begin}"));
                let taken = session.simple_query(&sql).ok().and_then(|messages| {
                    messages.iter().find_map(|message| match message {
                        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                        _ => None,
                    })
                });
                assert!(taken.as_deref().unwrap_or("0") == "0", "{kind}: {taken:?} rows by {sql}");
                session.run("rollback");
            }
            for body in [
                format!("perform {go}, * from items"),
                format!("for r in select * from items loop perform {go}; end loop"),
            ] {
                session.run("begin");
                session.authenticate(&token_of("mallory")).unwrap();
                session.run(&format!("select {to_a}"));
                let moves = body.replace(&to_a, &to_b);
                let refused = session.refused(&format!("do $$ declare r record; begin {moves}; end $$"));
                assert!(refused.starts_with("55006"), "{kind}: {refused}");
                session.run("rollback");
            }
        }
    }
}

#[test]
fn t010_no_way_around_mixes_two_organizations_in_one_query() {
    let db = prepared();
    db.superuser().run(&format!(
        "analyze items; alter table items enable row level security; alter table items force row level security;
         create policy p on items using (auth.in_org(org_id) and auth.has_permission('items.read'));
         insert into auth.memberships (user_id, org_id, role_id)
         select 'mallory', o::uuid, r.id from (values ('{ORG_A}', 'owner'), ('{ORG_B}', 'viewer')) v (o, role)
           join auth.roles r on r.name = v.role;
         create function all_items() returns setof uuid language sql volatile as 'select org_id from items';
         create function one_item() returns uuid language sql volatile as 'select org_id from items limit 1'"
    ));
    let token = |org: &str| {
        let claims =
            json!({"iss": STRICT_ISSUER, "sub": "mallory", "org_id": org, "iat": now(), "exp": now() + 600});
        hs256(&claims)
    };
    let (a, b) = (token(ORG_A), token(ORG_B));
    let mut session = db.tenant();
    allow_only(&mut session, "seqscan");
    for (sql, first) in [
        // Nobody in between.
        (
            format!(
                "do $$ declare r record; begin for r in select * from items loop reset all; perform auth.authenticate('{b}'); end loop; end $$"
            ),
            true,
        ),
        // An identity that is rolled back in the middle of a loop.
        (
            format!(
                "do $$ declare r record; x record; n int := 0;
             c cursor for select null::uuid as org_id union all select org_id from items;
             begin for r in c loop n := n + 1;
                 if n = 1 then
                     begin perform auth.authenticate('{a}'); fetch c into x; raise exception 'x';
                     exception when raise_exception then null; end;
                     perform auth.authenticate('{b}');
                 end if;
             end loop; end $$"
            ),
            false,
        ),
        // A function that is asked for one row after the other.
        (
            format!(
                "select count(*) from (select all_items() as org_id, auth.set_org('{ORG_B}') offset 0) i"
            ),
            true,
        ),
        (
            format!(
                "do $$ declare r record; begin for r in select all_items() loop perform auth.set_org('{ORG_B}'); end loop; end $$"
            ),
            true,
        ),
    ] {
        session.run("begin");
        if first {
            session.authenticate(&a).unwrap();
        }
        let refused = session.refused(&sql);
        assert!(refused.starts_with("55006"), "{sql}: {refused}");
        session.run("rollback");
    }
    // Whatever has ended is in nobody's way, be it within the same transaction.
    session.run("begin");
    session.authenticate(&a).unwrap();
    session.run(&format!(
        "do $$ declare r record; begin
             for r in select * from items limit 3 loop null; end loop;
             for r in select all_items() limit 2 loop null; end loop;
             perform 1 from items; select one_item() as o into r;
             perform auth.set_org('{ORG_B}'); perform auth.set_org('{ORG_A}');
             begin for r in select all_items() loop raise 'x'; end loop; exception when raise_exception then null; end;
             perform auth.set_org('{ORG_B}');
         end $$"
    ));
    session.run(&format!("select all_items() limit 1; select auth.set_org('{ORG_A}')"));
    session.run("declare c cursor for select * from items; fetch 2 from c; close c");
    session.run(&format!("select auth.set_org('{ORG_B}'); commit"));
}

#[test]
fn t014_without_an_identity_nothing_is_true_by_any_plan() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id); analyze items");
    let mut session = db.superuser();
    for kind in ["seqscan", "indexscan", "bitmapscan"] {
        allow_only(&mut session, kind);
        for condition in [
            "auth.in_org(org_id)",
            "auth.is_member(org_id)",
            "auth.is_workspace_member(workspace_id)",
            "org_id = auth.current_org()",
        ] {
            for condition in
                [condition.to_owned(), format!("not {condition}"), format!("({condition}) = false")]
            {
                let sql = format!("select count(*) from items where {condition}");
                assert_eq!(session.value(&sql).as_deref(), Some("0"), "{kind}: {condition}");
            }
            let unknown = format!("select count(*) from items where ({condition}) is null");
            assert_eq!(session.value(&unknown).as_deref(), Some("12000"), "{kind}: {unknown}");
        }
    }
    // Somebody without a current organization is in none, nor outside of one.
    sign_in(&mut session, json!({"org_id": [ORG_A, ORG_B]}));
    for condition in ["auth.in_org(org_id)", "not auth.in_org(org_id)"] {
        assert_eq!(
            session.value(&format!("select count(*) from items where {condition}")).as_deref(),
            Some("0")
        );
    }
    assert_eq!(
        session.value("select count(*) from items where not auth.is_member(org_id)").as_deref(),
        Some("9990")
    );
}

#[test]
fn t030_planning_and_explaining_change_nothing() {
    let db = prepared();
    let mut session = db.tenant();
    sign_in(&mut session, json!({}));
    let state =
        "select (auth.identity() || jsonb_build_object('xid', pg_current_xact_id_if_assigned()))::text";
    let before = session.value(state);
    for condition in [
        "auth.in_org(org_id)",
        "auth.is_member(org_id)",
        "auth.has_permission('x')",
        "auth.verify_jwt('x') is null",
    ] {
        plan(&mut session, &format!("select * from items where {condition}"));
        plan(&mut session, &format!("update items set body = '' where {condition}"));
    }
    assert_eq!(session.value(state), before);
}

#[test]
fn functions_of_the_same_name_elsewhere_are_not_taken_for_ours() {
    let db = prepared();
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "create index x on items (org_id); analyze items;
         create schema evil; grant all on schema evil to tenant;
         create function evil.current_org() returns uuid language sql as $$ select '{ORG_B}'::uuid $$;
         create function evil.org_ids() returns uuid[] language sql as $$ select '{{{ORG_B}}}'::uuid[] $$;
         create operator evil.= (leftarg = uuid, rightarg = uuid, function = uuid_ne)"
    ));
    let mut session = db.tenant();
    session.run("set search_path = evil, public, auth");
    sign_in(&mut session, json!({}));
    for condition in ["in_org(org_id)", "is_member(org_id)"] {
        for kind in ["seqscan", "indexscan"] {
            allow_only(&mut session, kind);
            let sql = format!("select count(*) from items where {condition}");
            assert_eq!(session.value(&sql).as_deref(), Some("2000"), "{condition}");
        }
    }
    session.run("rollback");
    // Our functions in a schema where somebody else's are called like what they are planned as.
    superuser.run(
        "alter function auth.in_org(uuid) set schema evil; alter function auth.is_member(uuid) set schema evil",
    );
    sign_in(&mut session, json!({}));
    for condition in ["evil.in_org(org_id)", "evil.is_member(org_id)"] {
        let sql = format!("select count(*) from items where {condition}");
        assert_eq!(session.value(&sql).as_deref(), Some("2000"), "{condition}");
        let plan = plan(&mut session, &sql);
        assert!(plan.contains("Seq Scan"), "{plan}");
    }
    session.run("rollback");
    superuser.run("alter function evil.in_org(uuid) set schema auth; alter function evil.is_member(uuid) set schema auth");
    superuser.run("alter schema auth rename to renamed");
    assert_eq!(
        session.value("select count(*) from items where renamed.in_org(org_id)").as_deref(),
        Some("0")
    );
}

#[test]
fn t035_a_right_that_is_taken_away_counts_for_plans_that_exist() {
    let db = prepared();
    db.superuser().run("create index x on items (org_id); analyze items");
    let mut session = db.tenant();
    session.run("set plan_cache_mode = force_generic_plan; set enable_seqscan = off");
    for (function, replaced) in [("in_org(uuid)", "current_org()"), ("is_member(uuid)", "org_ids()")] {
        let name = function.trim_end_matches("(uuid)");
        session.run(&format!("prepare p as select count(*) from items where auth.{name}(org_id)"));
        let count = |session: &mut Client| {
            sign_in(session, json!({}));
            let counted = session.simple_query("execute p");
            session.run("rollback");
            counted.map(drop).map_err(|error| error.as_db_error().unwrap().message().to_owned())
        };
        assert_eq!(count(&mut session), Ok(()));
        db.superuser().run(&format!("revoke execute on function auth.{function} from public"));
        assert_eq!(count(&mut session), Err(format!("permission denied for function {name}")));
        db.superuser().run(&format!(
            "grant execute on function auth.{function} to public; revoke execute on function auth.{replaced} from public"
        ));
        assert_eq!(count(&mut session), Ok(()), "{function} does not need the right to {replaced}");
        db.superuser().run(&format!("grant execute on function auth.{replaced} to public"));
        session.run("deallocate p");
    }
}
