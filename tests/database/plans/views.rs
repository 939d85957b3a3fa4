//! A view that asks who is signed in is about one identity, as a table with policies is.

use super::*;

const REFUSED: &str = "55006 the identity cannot be replaced while a query reads a table with policies or a view that asks for it";

/// Mallory belongs to A and B; no table here has policies.
fn world() -> (Database, Client) {
    let db = prepared();
    db.superuser().run(&format!(
        "insert into auth.memberships (user_id, org_id, role_id)
         select 'mallory', o::uuid, r.id from (values ('{ORG_A}'), ('{ORG_B}')) v (o)
           join auth.roles r on r.name = 'owner' and r.org_id is null;
         create view own as select i.* from items i where auth.in_org(i.org_id);
         create view who as select auth.current_org() as org, auth.claim('sub') as sub from generate_series(1, 3);
         create function helper() returns uuid language sql stable as 'select auth.current_org()';
         create view inlined as select helper() as org from generate_series(1, 3);
         create view over as select * from who;
         create view lists as select i.* from items i where i.org_id = any ((auth.id_lists()).org_ids);
         create view plain as select n from generate_series(1, 3) n;
         grant select on own, who, inlined, over, lists, plain to tenant"
    ));
    let session = db.tenant();
    (db, session)
}

fn sign_in_as_mallory(session: &mut Client) {
    session.run("rollback; begin");
    session.authenticate(&token_of("mallory")).unwrap();
    session.run(&format!("select auth.set_org('{ORG_A}')"));
}

#[test]
fn t259_a_query_over_a_view_that_asks_who_is_signed_in_keeps_its_identity() {
    let (_db, mut session) = world();
    let go = format!("auth.set_org('{ORG_B}')");
    for (view, column) in [
        ("own", "org_id"),
        ("lists", "org_id"),
        ("who", "org"),
        ("who", "sub"),
        ("inlined", "org"),
        ("over", "org"),
    ] {
        for sql in [
            format!("select {column}, {go} from {view}"),
            format!("select {go}, {column} from {view}"),
            format!("select {column} from {view} where ({go})::text = ''"),
            format!("select (select min({column}::text) from {view}), {go}"),
            format!(
                "do $$declare r record; begin for r in select * from {view} loop perform {go}; end loop; end$$"
            ),
            format!("declare c cursor for select * from {view}; fetch 1 from c; select {go}"),
        ] {
            sign_in_as_mallory(&mut session);
            let told = session.refused(&sql);
            assert!(
                told == REFUSED || told == "55006 the identity cannot be changed while a cursor is open",
                "{sql}: {told}"
            );
        }
    }
}

#[test]
fn t259_other_queries_move_as_before() {
    let (_db, mut session) = world();
    let go = format!("auth.set_org('{ORG_B}')");
    for sql in [
        // It shows that it asks.
        format!("select auth.current_org(), {go}"),
        format!("select {go}, auth.current_org() from generate_series(1, 3)"),
        format!("select n, {go} from plain"),
        // A view of Postgres's asks nothing.
        format!("select {go}, auth.user_id(), (select setting from pg_settings where name = 'port')"),
        format!("do $$begin perform * from own; perform {go}; perform * from own; end$$"),
        format!("select {go}; select * from who"),
        // Nobody was signed in before.
        format!(
            "select auth.sign_out(); rollback; begin; select auth.authenticate('{}') from who",
            token_of("mallory")
        ),
    ] {
        sign_in_as_mallory(&mut session);
        session.run(&sql);
    }
    session.run("rollback");
}

#[test]
fn t259_the_library_knows_every_reader() {
    let source = include_str!("../../../src/pg/ffi/views.rs");
    let mut listed: Vec<&str> =
        source.lines().filter_map(|line| line.trim().strip_prefix("c\"")?.strip_suffix("\",")).collect();
    listed.sort_unstable();
    listed.retain(|name| *name != "id_lists");
    let names = "select string_agg(r.name::text, ' ' order by r.name::text collate \"C\") from auth_internal.readers() r";
    let db = Database::new();
    assert_eq!(db.superuser().value(names).unwrap(), listed.join(" "));
}
