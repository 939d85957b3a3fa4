//! Who was given too much signs in all the same, and where they belonged they belong. The rows are made as a superuser:
//! the functions refuse to.

use super::*;

/// The id of the n-th of many.
const ID: &str = "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid";
const MEMBER: &str = "00000000-0000-4000-8000-000000000003";

/// What the row of a table says of having been accepted: `new` by this version, `old` by 0.1.0.
const TIMES: [&str; 2] = ["false", "null"];

/// Makes victim a member of these organizations; `giver` is an expression.
fn give_organizations(superuser: &mut Client, from: usize, to: usize, giver: &str, accepted: &str) {
    superuser.run(&format!(
        "insert into auth.organizations (id, name) select {ID}, 'o' from generate_series({from}, {to}) n;
         insert into auth.memberships (user_id, org_id, role_id, created_by, accepted)
         select 'victim', {ID}, '{MEMBER}', {giver}, {accepted} from generate_series({from}, {to}) n"
    ));
}

/// The same for workspaces of an organization.
fn give_workspaces(superuser: &mut Client, org: &str, from: usize, to: usize, giver: &str, accepted: &str) {
    superuser.run(&format!(
        "insert into auth.workspaces (id, org_id, name) select {ID}, '{org}', 'w' from generate_series({from}, {to}) n;
         insert into auth.workspace_memberships (user_id, workspace_id, org_id, role_id, created_by, accepted)
         select 'victim', {ID}, '{org}', '{MEMBER}', {giver}, {accepted} from generate_series({from}, {to}) n"
    ));
}

/// Where the victim belongs before anything happens: in an organization of their own, in one where Alice added them and
/// to a workspace, and in one where an administrator did.
struct World {
    db: Database,
    session: Client,
    superuser: Client,
    own: String,
    of_alice: String,
    desk: String,
    made: String,
}

const KEPT: &str = "select concat(auth.is_member($own), auth.is_member($alice), auth.is_member($made), auth.is_workspace_member($desk))";

impl World {
    fn new() -> World {
        let db = Database::new();
        let (mut session, mut superuser) = (db.tenant(), db.superuser());
        let own = organizations(&mut session, "victim", 1).remove(0);
        let of_alice = organizations(&mut session, "alice", 1).remove(0);
        acting(&mut session, "alice").run(&format!("select auth.add_member('{of_alice}', 'victim')"));
        let desk = session.value(&format!("select auth.create_workspace('{of_alice}', 'desk')")).unwrap();
        session.run(&format!("select auth.add_workspace_member('{desk}', 'victim'); commit"));
        let made = superuser.value("select auth.create_organization('made')").unwrap();
        superuser.run(&format!("select auth.add_member('{made}', 'victim')"));
        World { db, session, superuser, own, of_alice, desk, made }
    }

    /// Are they all still there?
    fn kept(&mut self) -> String {
        let quoted = |id: &str| format!("'{id}'");
        let sql = KEPT.replace("$own", &quoted(&self.own)).replace("$alice", &quoted(&self.of_alice));
        let sql = sql.replace("$made", &quoted(&self.made)).replace("$desk", &quoted(&self.desk));
        told(&mut self.session, "victim", &sql)
    }

    fn counts(&mut self) -> String {
        told(
            &mut self.session,
            "victim",
            "select cardinality(auth.org_ids()) || ' ' || cardinality(auth.workspace_ids())",
        )
    }
}

#[test]
fn t202_one_giver_of_any_number_of_memberships_ends_no_sign_in_and_pushes_out_nothing() {
    for accepted in TIMES {
        let mut world = World::new();
        give_organizations(&mut world.superuser, 1, 60, "'mallory'", accepted);
        assert_eq!((world.counts().as_str(), world.kept().as_str()), ("63 1", "tttt"), "{accepted}");
        let org = world.of_alice.clone();
        give_workspaces(&mut world.superuser, &org, 1, 50_001, "'mallory'", accepted);
        let workspaces = if accepted == "null" { 50 } else { 500 };
        assert_eq!((world.counts(), world.kept().as_str()), (format!("63 {}", workspaces + 1), "tttt"));
        // So it is for organizations.
        give_organizations(&mut world.superuser, 61, 2000, "'mallory'", accepted);
        assert_eq!((world.counts(), world.kept().as_str()), (format!("53 {}", workspaces + 1), "tttt"));
        // It is the oldest that count.
        let oldest =
            format!("select bool_and(auth.is_member({ID}) = (n <= 50)) from generate_series(1, 2000) n");
        assert_eq!(told(&mut world.session, "victim", &oldest), "true");
        // A client that reads without indexes is told the same.
        let mut without =
            world.db.config("tenant").options("-c ignore_system_indexes=on").connect(NoTls).unwrap();
        let found = told(
            &mut without,
            "victim",
            "select cardinality(auth.org_ids()) || ' ' || cardinality(auth.workspace_ids())",
        );
        assert_eq!(found, world.counts());
    }
}

#[test]
fn t202_a_thousand_givers_push_out_nothing_that_was_there() {
    for accepted in TIMES {
        let mut world = World::new();
        give_organizations(&mut world.superuser, 1, 5000, "'giver ' || n % 1500", accepted);
        let org = world.of_alice.clone();
        give_workspaces(&mut world.superuser, &org, 1, 20_000, "'giver ' || n % 1500", accepted);
        // With what Alice gave others gave a thousand.
        assert_eq!((world.counts().as_str(), world.kept().as_str()), ("1002 1000", "tttt"), "{accepted}");
        let known = told(
            &mut world.session,
            "victim",
            "select md5(auth.org_ids()::text || auth.workspace_ids()::text)",
        );
        give_organizations(&mut world.superuser, 5001, 6000, "'other ' || n", "false");
        give_workspaces(&mut world.superuser, &org, 20_001, 21_000, "'other ' || n", "false");
        assert_eq!(
            told(
                &mut world.session,
                "victim",
                "select md5(auth.org_ids()::text || auth.workspace_ids()::text)"
            ),
            known
        );
    }
}

#[test]
fn t202_what_0_1_0_made_is_not_pushed_out_by_what_comes_later() {
    let mut world = World::new();
    // An admin's colleague, whose share was not limited, and who accepted nothing.
    let org = world.of_alice.clone();
    give_workspaces(&mut world.superuser, &org, 1, 300, "'alice'", "null");
    give_organizations(&mut world.superuser, 1, 200, "'alice'", "null");
    assert_eq!(world.counts(), "203 301");
    give_workspaces(&mut world.superuser, &org, 301, 4000, "'giver ' || n % 50", "false");
    give_organizations(&mut world.superuser, 201, 4000, "'giver ' || n % 500", "false");
    assert_eq!((world.counts().as_str(), world.kept().as_str()), ("1002 1000", "tttt"));
    let old = format!(
        "select bool_and(auth.is_member({ID}) and (n > 200 or auth.is_workspace_member({ID}))) from generate_series(1, 200) n"
    );
    assert_eq!(told(&mut world.session, "victim", &old), "true");
}

#[test]
fn t206_a_sign_in_reads_a_bounded_number_of_rows() {
    let mut world = World::new();
    let org = world.of_alice.clone();
    give_workspaces(&mut world.superuser, &org, 1, 50_001, "'mallory'", "false");
    give_organizations(&mut world.superuser, 1, 50_001, "'mallory'", "null");
    let read = "select string_agg((seq_tup_read + coalesce(idx_tup_fetch, 0))::text, ' ' order by relname)
                  from pg_stat_xact_all_tables where schemaname = 'auth' and relname ~ 'memberships$'";
    let rows = told(&mut world.db.tenant(), "victim", read);
    for count in rows.split(' ') {
        assert!((9_000..12_000).contains(&count.parse().unwrap()), "{rows}");
    }
    assert_eq!(world.kept(), "tttt");
    // Where there are not too many, each row is read once.
    let rows = told(&mut world.db.tenant(), "alice", read);
    assert_eq!(rows, "1 1");
}

#[test]
fn t202_the_log_and_the_lists_say_what_is_left_out() {
    let mut world = World::new();
    give_organizations(&mut world.superuser, 1, 2000, "'mallory'", "false");
    let org = world.of_alice.clone();
    give_workspaces(&mut world.superuser, &org, 1, 3000, "'giver ' || n % 30", "false");
    let before = pg_bearer_tests::server().log_end();
    assert_eq!(world.counts(), "53 1000");
    let log = pg_bearer_tests::server().log_from(before);
    let line = "pg_bearer left out memberships of the user \"victim\": at least 1950 organizations (pg_bearer.max_granted_by_one), at least 1 workspaces (pg_bearer.max_granted_memberships)";
    assert!(log.contains(line), "{log}");
    // The lists of an organization's members, and the user's own.
    let last = "00000000-0000-4000-8000-000000002000";
    let first = "00000000-0000-4000-8000-000000000001";
    let state = |session: &mut Client, list: &str| {
        session.value(&format!("select string_agg(concat_ws(' ', user_id, accepted, left_out), ',' order by user_id) from auth.{list}")).unwrap()
    };
    assert_eq!(state(&mut world.superuser, &format!("list_members('{first}')")), "victim f f");
    assert_eq!(state(&mut world.superuser, &format!("list_members('{last}')")), "victim f t");
    let (of_alice, desk) = (world.of_alice.clone(), world.desk.clone());
    assert_eq!(state(&mut world.superuser, &format!("list_members('{of_alice}')")), "alice t f,victim f f");
    assert_eq!(
        state(&mut world.superuser, &format!("list_workspace_members('{desk}')")),
        "alice t f,victim f f"
    );
    assert_eq!(state(&mut world.superuser, &format!("list_workspace_members('{last}')")), "victim f t");
    let own = "select string_agg(concat_ws(' ', accepted, left_out, n), ',' order by accepted, left_out)
                 from (select accepted, left_out, count(*) n from auth.list_organizations() group by 1, 2) g";
    assert_eq!(told(&mut world.session, "victim", own), "f f 51,f t 1950,t f 2");
    // A key acts only where its user's membership counts, and sees no other.
    for (org, works) in [(first, true), (last, false)] {
        let key = format!("select key from auth.create_api_key('k', '{org}', user_id => 'victim')");
        if !works {
            assert_eq!(world.superuser.refused(&key), "22023 no such member");
            continue;
        }
        let key = world.superuser.value(&key).unwrap();
        world.session.run("begin");
        world.session.authenticate(&key).unwrap();
        assert_eq!(
            world.session.value("select count(*) from auth.list_organizations()").as_deref(),
            Some("1")
        );
        world.session.run("rollback");
        world.superuser.run(&format!("update auth.memberships set created_at = clock_timestamp() where user_id = 'victim' and org_id = '{org}'"));
        assert_eq!(
            pg_bearer_tests::refusal(world.session.authenticate(&key)),
            "28000 the credential was refused"
        );
    }
}
