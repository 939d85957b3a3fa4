//! An identity lasts exactly as long as its transaction, and Postgres unwinds it.

use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::{Client, NoTls};
use serde_json::json;
use std::sync::{Arc, Mutex};

fn org(session: &mut Client) -> Option<String> {
    session.value("select auth.current_org()")
}

const A: Option<&str> = Some(ORG_A);
const B: Option<&str> = Some(ORG_B);

#[test]
fn t015_no_identity_survives_the_end_of_a_transaction() {
    let db = Database::new();
    let mut session = db.tenant();
    for end in ["commit", "rollback", "abort", "end", "prepare transaction 'p1'"] {
        session.run("begin");
        session.authenticate(&token_a()).unwrap();
        assert_eq!(session.visible(), 500);
        session.run(end);
        assert_eq!(session.visible(), 0, "after {end}");
        assert_eq!(org(&mut session), None, "after {end}");
    }
    session.run("rollback prepared 'p1'");
    for end in ["commit and chain", "rollback and chain"] {
        session.run("begin");
        session.authenticate(&token_a()).unwrap();
        session.run(end);
        assert_eq!(session.visible(), 0, "after {end}");
        session.run("commit");
    }
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert!(session.refused("select 1/0").starts_with("22012"));
    session.run("rollback");
    assert_eq!(session.visible(), 0);
}

#[test]
fn t015_outside_a_transaction_block_it_ends_with_the_statement() {
    let db = Database::new();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let mut config = db.config("tenant");
    config.notice_callback(move |notice| heard.lock().unwrap().push(notice.message().to_owned()));
    let mut session = config.connect(NoTls).unwrap();
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.visible(), 0);
    let warned = warnings.lock().unwrap().join("; ");
    assert_contains(warned, "the identity ends with this statement");
    // In one message, the statements are one transaction.
    let sql = format!("select auth.authenticate('{}'); select count(*) from docs", token_a());
    let rows = session.simple_query(&sql).unwrap();
    let last = rows.iter().rev().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(last, Some("500"));
    assert_eq!(session.visible(), 0);
}

#[test]
fn t016_a_prepared_transaction_leaves_nothing_to_the_next_client() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run("insert into docs (id, org_id) values (9001, auth.current_org())");
    session.run("prepare transaction 'p2'");
    assert_eq!(org(&mut session), None);
    session.run("commit prepared 'p2'");
    assert_eq!(org(&mut session), None);
    assert_eq!(session.visible(), 0);
}

#[test]
fn t017_savepoints_and_exceptions_restore_the_identity() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin; savepoint one");
    session.authenticate(&token_a()).unwrap();
    session.run("savepoint two");
    session.authenticate(&token_b()).unwrap();
    assert_eq!(org(&mut session).as_deref(), B);
    session.run("savepoint three; select auth.sign_out()");
    assert_eq!(org(&mut session), None);
    session.run("rollback to three");
    assert_eq!(org(&mut session).as_deref(), B);
    session.run("rollback to two");
    assert_eq!(org(&mut session).as_deref(), A);
    session.run("release one");
    assert_eq!(org(&mut session).as_deref(), A);
    session.run("savepoint four; select auth.sign_out(); release four");
    assert_eq!(org(&mut session), None);
    session.run("rollback");
    assert_eq!(org(&mut session), None);

    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run(&format!(
        "do $$ begin perform auth.authenticate('{}'); raise exception 'x'; exception when others then null; end $$",
        token_b()
    ));
    assert_eq!(org(&mut session).as_deref(), A);
    session.run(&format!(
        "do $$ begin begin perform auth.authenticate('{}'); exception when division_by_zero then null; end; end $$",
        token_b()
    ));
    assert_eq!(org(&mut session).as_deref(), B);
    session.run("savepoint s");
    assert!(session.refused("select 1/0").starts_with("22012"));
    session.run("rollback to s");
    assert_eq!(org(&mut session).as_deref(), B);
    session.run("commit");
}

#[test]
fn t018_commit_in_a_procedure_ends_the_identity() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("create temp table seen (step int, org uuid, rows bigint)");
    session.run(&format!(
        "do $$ begin
           perform auth.authenticate('{}');
           insert into seen select 1, auth.current_org(), count(*) from docs;
           commit;
           insert into seen select 2, auth.current_org(), count(*) from docs;
           commit;
           perform auth.authenticate('{}');
           insert into seen select 3, auth.current_org(), count(*) from docs;
           rollback;
           insert into seen select 4, auth.current_org(), count(*) from docs;
         end $$",
        token_a(),
        token_b()
    ));
    let seen = session.value("select string_agg(step || ' ' || coalesce(org::text, '-') || ' ' || rows, ', ' order by step) from seen");
    assert_eq!(seen.unwrap(), format!("1 {ORG_A} 500, 2 - 0, 4 - 0"));
}

#[test]
fn deferred_triggers_see_the_identity_of_their_transaction() {
    let db = Database::new();
    db.superuser().run(
        "create table noted (org uuid); grant all on noted to public;
         create function note() returns trigger language plpgsql as
           $$ begin insert into noted values (auth.current_org()); return null; end $$;
         create constraint trigger later after insert on docs deferrable initially deferred
           for each row execute function note();",
    );
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run("insert into docs (id, org_id) values (9002, auth.current_org())");
    session.run("commit");
    assert_eq!(session.value("select string_agg(coalesce(org::text, '-'), ',') from noted").as_deref(), A);
}

#[test]
fn reset_all_and_discard_leave_the_caller_anonymous() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run("reset all");
    assert_eq!(session.visible(), 0);
    session.run("commit");
    session.run("discard all");
    assert_eq!(session.visible(), 0);
}

#[test]
fn a_failed_call_leaves_the_former_identity_and_says_so_by_raising() {
    let db = Database::new();
    let mut session = db.tenant();
    let expired = hs256(&with(claims_b(), json!({"exp": now() - 3600, "iat": now() - 7200})));
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    let too_long = "x".repeat(1 << 20);
    for (bad, expected) in [
        ("", "28000 no credential was given"),
        ("Bearer ", "28000 no credential was given"),
        ("garbage", "28000 the credential was refused"),
        ("a.b.c", "28000 the credential was refused"),
        (expired.as_str(), "28000 the credential has expired"),
        (too_long.as_str(), "28000 the credential was refused"),
    ] {
        session.run("savepoint s");
        assert_eq!(refusal(session.authenticate(bad)), expected);
        // Until the error is handled, nothing can be read at all.
        assert!(session.refused("select auth.current_org()").starts_with("25P02"));
        session.run("rollback to s");
        assert_eq!(org(&mut session).as_deref(), A);
    }
    session.run("savepoint s");
    assert_eq!(session.refused("select auth.authenticate(null)"), "28000 no credential was given");
    session.run("rollback to s; select auth.sign_out()");
    assert_eq!(session.visible(), 0);
}

#[test]
fn t025_a_token_that_runs_out_stops_working_at_the_next_message() {
    let db = Database::new();
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', leeway => '0')"));
    let mut session = db.tenant();
    // Reading through plpgsql keeps an expression alive for the whole transaction.
    session.run(
        "create function pg_temp.signed_in() returns text language plpgsql as
           $$ begin return auth.is_authenticated() || ' ' || coalesce(auth.current_org()::text, '-'); end $$",
    );
    session.run("begin");
    session.authenticate(&hs256(&with(claims_a(), json!({"exp": now() + 5})))).unwrap();
    assert_eq!(session.visible(), 500);
    assert_eq!(session.value("select pg_temp.signed_in()").unwrap(), format!("true {ORG_A}"));
    session.run("select pg_sleep(5.1)");
    assert_eq!(session.value("select pg_temp.signed_in()").as_deref(), Some("false -"));
    assert_eq!(session.visible(), 0);
    for reader in
        ["auth.uid()", "auth.jwt()", "auth.identity()", "auth.user_id()", "auth.is_member(gen_random_uuid())"]
    {
        assert_eq!(session.value(&format!("select {reader}")), None, "{reader}");
    }
    assert_eq!(session.value("select auth.org_ids()").as_deref(), Some("{}"));
    assert!(session.refused("select auth.require_authenticated()").starts_with("28000"));
    session.run("rollback");
}

#[test]
fn t025_a_remembered_signature_does_not_outlive_its_token() {
    let db = Database::new();
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', leeway => '0')"));
    let mut session = db.tenant();
    let token = hs256(&with(claims_a(), json!({"exp": now() + 5})));
    session.run("begin");
    session.authenticate(&token).unwrap();
    session.authenticate(&token).unwrap();
    session.run("commit; select pg_sleep(5.1); begin");
    assert_eq!(refusal(session.authenticate(&token)), "28000 the credential has expired");
}

#[test]
fn t010_one_transaction_may_act_for_two_principals_one_after_the_other() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.value("select min(org_id::text) from docs").as_deref(), A);
    session.authenticate(&token_b()).unwrap();
    assert_eq!(session.value("select min(org_id::text) from docs").as_deref(), B);
    assert_eq!(session.visible(), 500);
}

#[test]
fn t022_a_prepared_statement_obeys_the_identity_of_each_execution() {
    let db = Database::new();
    let mut session = db.tenant();
    for mode in ["auto", "force_generic_plan", "force_custom_plan"] {
        session.run(&format!("set plan_cache_mode = {mode}"));
        let statement = session.prepare("select min(org_id::text), count(*) from docs").unwrap();
        for round in 0..12 {
            session.run("begin");
            let expected = match round % 3 {
                0 => None,
                1 => A,
                _ => B,
            };
            match round % 3 {
                0 => {}
                1 => session.authenticate(&token_a()).unwrap(),
                _ => session.authenticate(&token_b()).unwrap(),
            }
            let row = session.query_one(&statement, &[]).unwrap();
            assert_eq!(row.get::<_, Option<String>>(0).as_deref(), expected);
            assert_eq!(row.get::<_, i64>(1), if expected.is_some() { 500 } else { 0 });
            session.run("commit");
        }
    }
}

#[test]
fn t030_planning_and_explain_change_nothing() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    session.run(&format!("explain select auth.authenticate('{}')", token_a()));
    session.run(&format!("explain select * from docs where auth.verify_jwt('{}') is not null", token_a()));
    session.run(&format!("prepare p as select auth.authenticate('{}')", token_a()));
    assert_eq!(org(&mut session), None);
    session.run("rollback");
}

#[test]
fn an_identity_cannot_change_inside_a_security_restricted_operation() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(&format!(
        "create role mv_owner_{0}; grant create on schema public to mv_owner_{0};
         create function become_a() returns int language plpgsql as
           $$ begin perform auth.authenticate('{1}'); return 1; end $$;
         create function leave() returns int language plpgsql as $$ begin perform auth.sign_out(); return 1; end $$;
         set role mv_owner_{0};
         create materialized view m as select become_a() with no data;
         create materialized view n as select leave() with no data;
         reset role",
        db.name,
        token_a()
    ));
    session.run("begin");
    session.authenticate(&token_b()).unwrap();
    session.run("savepoint s");
    for view in ["m", "n"] {
        let refusal = session.refused(&format!("refresh materialized view {view}"));
        assert_eq!(refusal, "42501 the identity cannot be changed within a security-restricted operation");
        session.run("rollback to s");
        assert_eq!(org(&mut session).as_deref(), B);
    }
    session.run(&format!("rollback; drop owned by mv_owner_{0}; drop role mv_owner_{0}", db.name));
}

#[test]
fn authenticating_writes_nothing() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin read only");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.visible(), 500);
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
    session.run(&format!("select auth.verify_jwt('{}')", token_a()));
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
    session.run("commit");
    for level in ["repeatable read", "serializable", "serializable read only deferrable"] {
        session.run(&format!("begin isolation level {level}"));
        session.authenticate(&token_a()).unwrap();
        assert_eq!(session.visible(), 500);
        session.run("commit");
    }
}
