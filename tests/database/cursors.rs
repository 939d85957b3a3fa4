//! t010, t019, t021: an identity does not live on, or change, in an open cursor.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;

const OPEN: &str = "55006 the identity cannot be changed while a cursor is open";
const HELD: &str = "55006 a cursor WITH HOLD cannot be created in a transaction that has had an identity";

fn begin_as_a(session: &mut Client) {
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
}

/// No cursor is left, and nothing can be fetched from one called `c`.
fn assert_no_cursor(session: &mut Client, what: &str) {
    assert_eq!(session.value("select count(*) from pg_cursors").as_deref(), Some("0"), "{what}");
    assert!(session.refused("fetch all from c").starts_with("34000"), "{what}");
    session.run("rollback");
}

#[test]
fn t010_t021_an_open_cursor_keeps_the_identity_it_was_opened_with() {
    let db = Database::new();
    let mut session = db.tenant();
    begin_as_a(&mut session);
    session.run("declare c cursor for select org_id from docs; fetch 3 from c; savepoint s");
    assert_eq!(refusal(session.authenticate(&token_b())), OPEN);
    session.run("rollback to s");
    assert_eq!(session.value("select auth.current_org()").as_deref(), Some(ORG_A));
    assert_eq!(session.refused("select auth.sign_out()"), OPEN);
    session.run("rollback to s");
    assert_eq!(session.value("fetch 1 from c").as_deref(), Some(ORG_A));
    session.run("close c");
    session.authenticate(&token_b()).unwrap();
    assert_eq!(session.visible(), 500);
    session.run("commit");
}

#[test]
fn t010_a_portal_of_the_protocol_counts_as_a_cursor() {
    let db = Database::new();
    let mut session = db.tenant();
    let mut transaction = session.transaction().unwrap();
    transaction.execute("select auth.authenticate($1)", &[&token_a()]).unwrap();
    let portal = transaction.bind("select org_id::text from docs", &[]).unwrap();
    assert_eq!(transaction.query_portal(&portal, 2).unwrap().len(), 2);
    let refused = refusal(transaction.execute("select auth.authenticate($1)", &[&token_b()]));
    assert_eq!(refused, OPEN);
}

#[test]
fn a_loop_over_a_query_does_not_count_as_an_open_cursor() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run(&format!(
        "do $$ declare r record; begin
           for r in select n from generate_series(1, 200) n loop perform auth.authenticate('{}'); end loop;
         end $$",
        token_a()
    ));
}

#[test]
fn t019_declaring_with_hold_after_authenticating_is_refused() {
    let db = Database::new();
    for declare in [
        "declare c cursor with hold for select * from docs",
        "declare c scroll cursor with hold for select * from docs order by id",
        "declare c no scroll cursor with hold for select * from docs order by body",
        "declare c binary insensitive cursor with hold for select count(*) from docs",
        "do $$ begin execute 'declare c cursor with hold for select * from docs'; end $$",
        "savepoint s; declare c cursor with hold for select * from docs",
        "select auth.sign_out(); declare c cursor with hold for select * from docs",
        "reset all; declare c cursor with hold for select * from docs",
    ] {
        let mut session = db.tenant();
        begin_as_a(&mut session);
        assert_eq!(session.refused(declare), HELD, "{declare}");
        session.run("rollback");
        assert_no_cursor(&mut session, declare);
    }
}

#[test]
fn t019_an_identity_that_was_rolled_back_still_counts() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin; savepoint s");
    session.authenticate(&token_a()).unwrap();
    session.run("rollback to s");
    assert_eq!(session.refused("declare c cursor with hold for select * from docs"), HELD);
    session.run("rollback");
    session.run("begin");
    session.run(&format!(
        "do $$ begin perform auth.authenticate('{}'); raise exception 'x'; exception when others then null; end $$",
        token_a()
    ));
    assert_eq!(session.refused("declare c cursor with hold for select * from docs"), HELD);
    session.run("rollback");
    assert_no_cursor(&mut session, "rolled back");
}

#[test]
fn t019_authenticating_with_a_cursor_open_is_refused() {
    let db = Database::new();
    for declare in
        ["declare c cursor with hold for select * from docs", "declare c cursor for select * from docs"]
    {
        let mut session = db.tenant();
        session.run("begin");
        session.run(declare);
        assert_eq!(refusal(session.authenticate(&token_a())), OPEN, "{declare}");
        session.run("rollback");
        assert_no_cursor(&mut session, declare);
    }
    // The library is loaded by the very call that finds the cursor.
    let mut session = db.tenant();
    session.run("begin; savepoint s; declare c cursor with hold for select * from docs; release s");
    assert_eq!(refusal(session.authenticate(&token_a())), OPEN);
    session.run("rollback");
    assert_no_cursor(&mut session, "in a savepoint");
}

#[test]
fn t019_do_blocks_with_commit_leave_no_cursor() {
    let db = Database::new();
    let mut session = db.tenant();
    // The name and, since time stands still in a DO block, the time of a cursor that was there before.
    let refused = session.refused(&format!(
        "do $$ begin
           execute 'declare c cursor with hold for select 1'; commit;
           perform auth.authenticate('{}');
           execute 'close c'; execute 'declare c cursor with hold for select * from docs'; commit;
         end $$",
        token_a()
    ));
    assert_eq!(refused, HELD);
    session.run("rollback; close all");
    assert_no_cursor(&mut session, "DO with COMMIT");
}

#[test]
fn t019_a_cursor_that_authenticates_while_it_is_read_is_closed_before_the_commit() {
    let db = Database::new();
    let mut session = db.tenant();
    // Declared before there is an identity, so neither the hook nor the look at open cursors is in the way.
    session.run(&format!(
        "begin; declare c cursor with hold for select auth.authenticate('{}') is not null, docs.* from docs
           right join (values (1)) one on true",
        token_a()
    ));
    session.run("fetch 1 from c");
    assert_eq!(session.refused("commit"), HELD);
    assert_no_cursor(&mut session, "a cursor that authenticates");
}

#[test]
fn t025_a_cursor_shows_no_more_rows_once_the_token_ran_out() {
    let db = Database::new();
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', leeway => '0')"));
    let mut session = db.tenant();
    // An index condition is found out once, when the scan begins.
    session.run("set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off");
    session.run("begin");
    session.authenticate(&hs256(&with(claims_a(), json!({"exp": now() + 5})))).unwrap();
    session
        .run("declare filtered cursor for select id from docs; fetch 1 from filtered; select pg_sleep(5.1)");
    let rest = session.simple_query("fetch all from filtered").unwrap();
    let rows = rest.iter().filter(|message| matches!(message, postgres::SimpleQueryMessage::Row(_))).count();
    assert_eq!(rows, 0, "a filter sees that the token ran out");
    assert_eq!(session.visible(), 0);
}

#[test]
fn t019_authenticating_while_a_held_cursor_is_planned_is_refused() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run(&format!(
        "create function pg_temp.become() returns void language plpgsql as $$
         declare r refcursor := 'c';
         begin
           perform auth.authenticate('{}');
           begin close r; exception when others then null; end;
         end $$;
         create function pg_temp.planned() returns boolean language plpgsql immutable as
           $$ begin perform pg_temp.become(); return true; end $$",
        token_a()
    ));
    for message in [
        "begin; declare c cursor with hold for select * from docs where pg_temp.planned(); commit",
        // The name and the time of a cursor that was there before.
        "declare c cursor with hold for select 1; commit; begin;
         declare c cursor with hold for select * from docs where pg_temp.planned(); commit",
    ] {
        let refused = session.refused(message);
        assert_eq!(refused, HELD, "{message}");
        session.run("rollback");
        assert_no_cursor(&mut session, message);
    }
}

#[test]
fn t019_a_cursor_that_a_procedure_leaves_open_is_closed_when_it_ends() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run("create extension plperl");
    for end in ["commit", "rollback"] {
        superuser.run(&format!(
            "create procedure {end}_and_keep(token text) language plperl as $perl$
               my ($token) = @_;
               my $plan = spi_prepare('select auth.authenticate($1)', 'text');
               spi_exec_prepared($plan, $token);
               $main::cursor = spi_query('select * from docs');
               spi_{end}();
               die 'the cursor did not survive' unless spi_fetchrow($main::cursor);
             $perl$"
        ));
        let mut session = db.tenant();
        session.run(&format!("call {end}_and_keep('{}')", token_a()));
        assert_eq!(session.value("select count(*) from pg_cursors").as_deref(), Some("0"), "{end}");
        assert!(
            session.refused("begin; fetch all from \"<unnamed portal 1>\"").starts_with("34000"),
            "{end}"
        );
        session.run("rollback");
        session.run("discard all");
    }
}

#[test]
fn t019_cursors_held_from_before_stay_and_show_nobodys_rows() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin; declare mine cursor with hold for select id from generate_series(1, 3) id; commit");
    begin_as_a(&mut session);
    assert_eq!(session.visible(), 500);
    session.run("commit");
    assert_eq!(session.value("fetch 1 from mine").as_deref(), Some("1"));
    begin_as_a(&mut session);
    session.run("commit");
    assert_eq!(session.value("fetch 1 from mine").as_deref(), Some("2"));
    session.run("close mine");
    // And without an identity, WITH HOLD works as ever.
    session.run("begin; declare mine cursor with hold for select 1; commit; close mine");
}

#[test]
fn t019_loops_with_commit_keep_working() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("create temp table seen (n int)");
    session.run(&format!(
        "do $$ declare r record; begin
           perform auth.authenticate('{}');
           for r in select id from docs order by id limit 30 loop insert into seen values (r.id); commit; end loop;
         end $$",
        token_a()
    ));
    assert_eq!(session.value("select count(*) from seen").as_deref(), Some("30"));
    assert_eq!(session.visible(), 0);
}
