//! What others grant a user does not make the user's identity large, and what is not carried is looked up.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values, refusal};
use pg_bearer_tests::token::*;
use postgres::Client;
use std::thread;
use std::time::Duration;

mod memory;
mod rollbacks;

/// As many permissions as a role can have, each as long as it can be, and among them docs.read.
fn largest(label: &str) -> String {
    format!(
        "array(select rpad(repeat(md5('{label} ' || p), 3), 100, 'x') from generate_series(1, 199) p) || '{{docs.read}}'"
    )
}

/// An organization with a role of its own, which is as large as it can be.
fn organization(superuser: &mut Client, name: &str) -> String {
    let org = superuser.value(&format!("select auth.create_organization('{name}')")).unwrap();
    superuser.run(&format!("select auth.define_role('large', {}, org_id => '{org}')", largest(name)));
    org
}

/// Alice is a member of two organizations in large roles, and of a third, the current one, as a viewer.
fn prepared() -> (Database, Client, [String; 2]) {
    let db = Database::new();
    let mut superuser = db.superuser();
    let orgs = ["one", "two"].map(|name| organization(&mut superuser, name));
    for org in &orgs {
        superuser.run(&format!("select auth.add_member('{org}', 'alice', 'large')"));
    }
    superuser.run(
        "select auth.add_member(auth.create_organization('home', external_id => '7'), 'alice', 'viewer')",
    );
    (db, superuser, orgs)
}

fn begin(session: &mut Client) {
    session.run("begin");
    session.authenticate(&token_of("alice")).unwrap();
}

fn redefine(superuser: &mut Client, org: &str, permissions: &str) {
    superuser.run(&format!("select auth.define_role('large', {permissions}, org_id => '{org}')"));
}

/// What Alice may in this organization by every reader that can be asked about another one.
fn may(session: &mut Client, org: &str) -> String {
    session
        .value(&format!(
            "select concat(auth.has_permission_in('docs.read', '{org}'), auth.has_permission_in('docs.write', '{org}'),
                           '{org}' = any (auth.org_ids_with('docs.read')))"
        ))
        .unwrap()
}

#[test]
fn t223_what_is_not_carried_is_looked_up_and_counts_only_unchanged() {
    let (db, mut superuser, [one, two]) = prepared();
    let mut session = db.tenant();
    for change in [
        format!("select auth.define_role('large', {}, org_id => '{one}')", largest("other")),
        format!("select auth.define_role('large', {}, org_id => '{one}')", largest("one")),
        format!("select auth.define_role('large', '{{*}}', org_id => '{one}')"),
        format!(
            "select auth.set_member_role('{one}', 'alice', 'viewer'); select auth.drop_role('large', '{one}')"
        ),
    ] {
        redefine(&mut superuser, &one, &largest("one"));
        superuser.run(&format!("select auth.set_member_role('{one}', 'alice', 'large')"));
        begin(&mut session);
        assert_eq!([may(&mut session, &one), may(&mut session, &two)], ["tft", "tft"], "{change}");
        superuser.run(&change);
        // Neither what it was nor what it is, be it more or less.
        assert_eq!([may(&mut session, &one), may(&mut session, &two)], ["fff", "tft"], "{change}");
        session.authenticate(&token_of("alice")).unwrap();
        let expected = match change.as_str() {
            change if change.contains("{*}") => "ttt",
            change if change.contains("drop_role") => "fff",
            _ => "tft",
        };
        assert_eq!([may(&mut session, &one), may(&mut session, &two)], [expected, "tft"], "{change}");
        session.run("rollback");
    }
}

#[test]
fn t223_a_built_in_role_that_was_changed_counts_as_it_was_changed() {
    let (db, mut superuser, [one, _]) = prepared();
    superuser.run(&format!("select auth.set_member_role('{one}', 'alice', 'member')"));
    let mut session = db.tenant();
    let define = format!("select auth.define_role('member', {})", largest("member"));
    superuser.run(&define);
    for change in [define.as_str(), "select auth.drop_role('member')"] {
        begin(&mut session);
        assert_eq!(may(&mut session, &one), "tft");
        superuser.run(change);
        assert_eq!(may(&mut session, &one), "fff", "{change}");
        session.run("rollback");
    }
    begin(&mut session);
    let read = format!("select auth.has_permission_in('members.read', '{one}')");
    assert_eq!(session.value(&read).as_deref(), Some("t"));
    superuser.run(&define);
    // It was small, and is carried.
    assert_eq!(session.value(&read).as_deref(), Some("t"));
}

/// A role that is changed while somebody holds its row is changed beside it, and the row later.
#[test]
fn t223_a_role_whose_row_somebody_holds_counts_as_it_was_changed() {
    let (db, mut superuser, [one, two]) = prepared();
    let (mut session, mut holder) = (db.tenant(), db.superuser());
    for permissions in [largest("other"), "'{docs.read}'".to_owned()] {
        begin(&mut session);
        assert_eq!(may(&mut session, &one), "tft");
        holder.run("begin; select from auth.roles where name = 'large' for update");
        redefine(&mut superuser, &one, &permissions);
        assert_eq!([may(&mut session, &one), may(&mut session, &two)], ["fff", "tft"]);
        session.authenticate(&token_of("alice")).unwrap();
        assert_eq!(may(&mut session, &one), "tft");
        holder.run("rollback");
        superuser.run("select auth.purge_endings()");
        // What it was changed to is what the row says now.
        assert_eq!([may(&mut session, &one), may(&mut session, &two)], ["tft", "tft"]);
        session.run("rollback");
        redefine(&mut superuser, &one, &largest("one"));
    }
}

/// Other organizations' roles are read with the query's snapshot: what is found out for one row holds for all.
#[test]
fn t224_one_query_is_about_one_state_of_a_role() {
    let (db, mut superuser, [one, _]) = prepared();
    let mut session = db.tenant();
    // Asked for each row, since the organization depends on it; forgotten in between.
    let sql = format!(
        "select string_agg(left(concat(auth.has_permission_in('docs.read', id), pg_sleep(0.6)), 1), '' order by n)
           from (select n, '{one}'::uuid as id from generate_series(1, 4) n offset 0) o"
    );
    for isolation in ["read committed", "repeatable read"] {
        redefine(&mut superuser, &one, &largest("one"));
        session.run(&format!("begin isolation level {isolation}"));
        session.authenticate(&token_of("alice")).unwrap();
        let answers = thread::scope(|scope| {
            let change = scope.spawn(|| {
                thread::sleep(Duration::from_millis(900));
                redefine(&mut superuser, &one, "'{docs.write}'");
            });
            let answers = session.value(&sql).unwrap();
            change.join().unwrap();
            answers
        });
        assert_eq!(answers, "tttt", "{isolation}");
        let later = if isolation == "read committed" { "fff" } else { "tft" };
        assert_eq!(may(&mut session, &one), later, "{isolation}");
        session.run("rollback");
    }
}

/// A snapshot that is older than the role shows another one than authenticate() saw, which permits nothing.
#[test]
fn t224_an_older_snapshot_shows_no_younger_role() {
    let (db, mut superuser, [one, two]) = prepared();
    let mut session = db.tenant();
    session.run("begin isolation level repeatable read; select 1");
    redefine(&mut superuser, &one, "'{*}' || array(select repeat('y', 100) from generate_series(1, 150))");
    session.authenticate(&token_of("alice")).unwrap();
    assert_eq!([may(&mut session, &one), may(&mut session, &two)], ["fff", "tft"]);
    session.run("rollback");
}

#[test]
fn t225_parallel_workers_look_roles_up_as_their_leader_does() {
    let (db, mut superuser, [one, two]) = prepared();
    superuser.run(&format!(
        "create table big as select n, case n % 3 when 0 then '{one}'::uuid when 1 then '{two}' end as org_id,
                                    case n % 2 when 0 then 'docs.read' else 'docs.write' end as permission
                               from generate_series(1, 60000) n;
         grant select on big to tenant; alter table big set (parallel_workers = 4); analyze big"
    ));
    let mut session = db.tenant();
    session.run(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0",
    );
    begin(&mut session);
    for condition in [
        "auth.has_permission_in(permission, org_id)",
        "auth.has_permission_in('docs.read', org_id) and permission = 'docs.read'",
        "org_id = any (auth.org_ids_with(permission))",
    ] {
        let sql = format!("select count(*) from big where {condition}");
        for leader in ["on", "off"] {
            session.run(&format!(
                "set local parallel_leader_participation = {leader}; set local max_parallel_workers_per_gather = 4"
            ));
            let plan =
                session.query(&format!("explain (analyze, costs off, timing off) {sql}"), &[]).unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
            let launched = |line: &String| line.contains("Workers Launched:") && !line.ends_with(": 0");
            assert!(plan.iter().any(launched), "{condition}: {plan:?}");
            assert_eq!(session.value(&sql).as_deref(), Some("20000"), "{condition}");
        }
    }
    // Workers of a snapshot that does not see the change answer by what it sees, and those of the next by that.
    redefine(&mut superuser, &one, "'{docs.*}'");
    let sql = "select count(*) from big where auth.has_permission_in(permission, org_id)";
    assert_eq!(session.value(sql).as_deref(), Some("10000"));
    session.run("rollback");
}

#[test]
fn t226_whoever_moves_there_has_the_role_as_it_is_unless_it_was_changed() {
    let (db, mut superuser, [one, two]) = prepared();
    superuser.run(&format!(
        "select auth.add_workspace_member(auth.create_workspace('{one}', 'w'), 'alice', 'large')"
    ));
    let mut session = db.tenant();
    begin(&mut session);
    let role =
        "select concat_ws(' ', auth.org_role(), auth.workspace_role(), auth.has_permission('docs.read'),
                       auth.identity()->'permissions' ? 'docs.read', auth.require_permission('docs.read'))";
    session.run(&format!("select auth.set_org('{one}')"));
    assert_eq!(session.value(role).as_deref(), Some("large large t t t"));
    // What it has moved to is carried.
    redefine(&mut superuser, &one, "'{docs.write}'");
    assert_eq!(session.value(role).as_deref(), Some("large large t t t"));
    assert_eq!([may(&mut session, &one), may(&mut session, &two)], ["tft", "tft"]);
    // What it left is not.
    session.run(&format!("select auth.set_org('{two}')"));
    assert_eq!([may(&mut session, &one), may(&mut session, &two)], ["fff", "tft"]);
    session.run(&format!("select auth.set_org('{one}')"));
    let nothing =
        "select concat_ws(' ', coalesce(auth.org_role(), '-'), coalesce(auth.workspace_role(), '-'),
                          auth.has_permission('docs.read'), auth.has_permission('docs.write'),
                          jsonb_array_length(auth.identity()->'permissions'), auth.current_org() = '%')";
    let nothing = nothing.replace('%', &one);
    assert_eq!(session.value(&nothing).as_deref(), Some("- - f f 0 t"));
    session.authenticate(&token_of("alice")).unwrap();
    session.run(&format!("select auth.set_org('{one}')"));
    assert_eq!(session.value(&nothing).as_deref(), Some("large large f t 1 t"));
    session.run("rollback");
}

#[test]
fn t227_the_scopes_of_a_key_cut_a_role_that_is_too_large_to_be_carried() {
    let (db, mut superuser, [one, _]) = prepared();
    superuser.run(&format!(
        "select auth.define_role('large', {} || '{{files.read}}'::text[], org_id => '{one}')",
        largest("one").replace("199", "198")
    ));
    for owner in ["user_id => 'alice'", "role => 'large'"] {
        let key = superuser
            .value(&format!(
                "select key from auth.create_api_key('k', org_id => '{one}', {owner}, scopes => '{{docs.*}}')"
            ))
            .unwrap();
        let mut session = db.tenant();
        session.run("begin");
        session.authenticate(&key).unwrap();
        let asked = format!(
            "select concat(auth.has_permission('docs.read'), auth.has_permission('files.read'),
                           auth.has_permission_in('docs.read', '{one}'), auth.has_permission_in('files.read', '{one}'),
                           cardinality(auth.org_ids_with('files.read')), auth.has_scope('files.read'))"
        );
        assert_eq!(session.value(&asked).as_deref(), Some("tftf0f"), "{owner}");
        // Moving to where it is looks nothing up.
        session.run(&format!("select auth.set_org('{one}')"));
        assert_eq!(session.value(&asked).as_deref(), Some("tftf0f"), "{owner}");
        session.run("rollback");
    }
}

/// More memberships than are read at once, in an order that is none, and some that were changed since.
#[test]
fn all_memberships_of_a_user_are_found_in_whatever_order_they_lie() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(
        "insert into auth.memberships (user_id, org_id, role_id, accepted, suspended)
           select case n % 3 when 0 then 'bob' else 'alice' end, md5(n::text)::uuid, r.id, true, n % 10 = 1
             from generate_series(1, 15000) n,
                  lateral (select id from auth.roles where name = case n % 2 when 0 then 'member' else 'viewer' end) r;
         delete from auth.memberships where org_id in (select md5((n * 7)::text)::uuid from generate_series(1, 1000) n);
         update auth.memberships set created_at = now() where org_id < '40000000-0000-0000-0000-000000000000'",
    );
    let expected = "select md5(string_agg(org_id::text, ' ' order by org_id)) || ' ' || count(*)
                      from auth.memberships where user_id = 'alice' and not suspended";
    let expected = superuser.value(expected).unwrap();
    assert_eq!(expected.rsplit(' ').next(), Some("8399"));
    for options in ["", "-c ignore_system_indexes=on"] {
        let mut session = db.config("postgres").options(options).connect(postgres::NoTls).unwrap();
        begin(&mut session);
        let all = "select md5(string_agg(org_id::text, ' ' order by n)) || ' ' || count(*)
                     from unnest(auth.org_ids()) with ordinality o (org_id, n)";
        assert_eq!(session.value(all).unwrap(), expected, "{options}");
        let roles = "select count(*) from auth.memberships where user_id = 'alice' and not suspended
                        and auth.has_permission_in('members.read', org_id) is distinct from true";
        assert_eq!(session.value(roles).as_deref(), Some("0"), "{options}");
        session.run("rollback");
    }
}

/// Readers do not raise, whatever became of the tables.
#[test]
fn t229_readers_do_not_raise_when_there_is_nothing_to_look_at() {
    let (db, mut superuser, [one, _]) = prepared();
    let mut session = db.tenant();
    begin(&mut session);
    assert_eq!(may(&mut session, &one), "tft");
    superuser.run("alter table auth.roles owner to table_owner");
    assert_eq!(may(&mut session, &one), "fff");
    superuser.run("alter table auth.roles owner to bearer_owner; alter table auth.roles rename to elsewhere");
    // A name is looked up anew when the session hears of what others did, at the next lock.
    session.visible();
    assert_eq!(may(&mut session, &one), "fff");
    superuser.run("alter table auth.elsewhere rename to roles");
    assert_values(&mut session, &[("select auth.has_permission('members.read')", Some("f"))]);
    assert_eq!(may(&mut session, &one), "tft");
    assert_eq!(refusal(session.batch_execute("select 1/0")), "22012 division by zero");
}
