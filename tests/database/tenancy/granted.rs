//! What users give to others, who did not ask for it: how much it is, that it ends nobody's sign-in, and how they accept it.

mod confirm;
mod sign_in;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::{Client, NoTls};

const TOO_MANY_OF_ALL: &str = "54000 others have given this user as many memberships as they may";
const TOO_MANY_OF_ONE: &str = "54000 you have given this user as many memberships as you may";
const FOREIGN: &str = "42501 no such organization, or it is not yours";

/// A transaction of this user.
fn acting<'a>(session: &'a mut Client, user: &str) -> &'a mut Client {
    session.run("begin");
    session.authenticate(&token_of(user)).unwrap();
    session
}

/// Does it as this user, for good.
fn act(session: &mut Client, user: &str, sql: &str) {
    acting(session, user).run(sql);
    session.run("commit");
}

/// What this user is refused.
fn denied(session: &mut Client, user: &str, sql: &str) -> String {
    let refusal = acting(session, user).refused(sql);
    session.run("rollback");
    refusal
}

/// What this user is told.
fn told(session: &mut Client, user: &str, sql: &str) -> String {
    let answer = acting(session, user).value(&format!("select coalesce(({sql})::text, '-')"));
    session.run("rollback");
    answer.unwrap()
}

/// Organizations of this user, which he makes himself.
fn organizations(session: &mut Client, owner: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        acting(session, owner);
        ids.push(session.value(&format!("select auth.create_organization('{owner} {number}')")).unwrap());
        session.run("commit");
    }
    ids
}

fn set(db: &Database, setting: &str, value: usize) {
    db.superuser().run(&format!("alter database {} set pg_bearer.{setting} = {value}", db.name));
}

fn hint(session: &mut Client, user: &str, sql: &str) -> String {
    let error = acting(session, user).batch_execute(sql).unwrap_err();
    session.run("rollback");
    error.as_db_error().unwrap().hint().unwrap().to_owned()
}

#[test]
fn t201_no_giver_gives_a_user_more_organizations_than_their_share_and_all_of_them_not_more_than_the_limit() {
    let db = Database::new();
    set(&db, "max_granted_by_one", 3);
    set(&db, "max_granted_memberships", 5);
    let (mut session, mut superuser) = (db.tenant(), db.superuser());
    let add = |org: &str| format!("select auth.add_member('{org}', 'victim')");
    let of_mallory = organizations(&mut session, "mallory", 5);
    for org in &of_mallory[..3] {
        act(&mut session, "mallory", &add(org));
    }
    assert_eq!(denied(&mut session, "mallory", &add(&of_mallory[3])), TOO_MANY_OF_ONE);
    assert!(hint(&mut session, "mallory", &add(&of_mallory[3])).contains("pg_bearer.max_granted_by_one"));
    // Others go on, until there are enough.
    let of_trudy = organizations(&mut session, "trudy", 3);
    for org in &of_trudy[..2] {
        act(&mut session, "trudy", &add(org));
    }
    assert_eq!(denied(&mut session, "trudy", &add(&of_trudy[2])), TOO_MANY_OF_ALL);
    assert!(hint(&mut session, "trudy", &add(&of_trudy[2])).contains("pg_bearer.max_granted_memberships"));
    // Neither what administrators do counts, nor what the user does; and others are not concerned.
    superuser.run(&add(&of_mallory[3]));
    act(&mut session, "mallory", &format!("select auth.add_member('{}', 'somebody')", of_mallory[4]));
    acting(&mut session, "trudy");
    let invite = format!("select token from auth.create_invitation('{}')", of_trudy[2]);
    let token = session.value(&invite).unwrap();
    session.run("commit");
    act(&mut session, "victim", &format!("select auth.accept_invitation('{token}')"));
    organizations(&mut session, "victim", 2);
    let state = "select string_agg(m.created_by || ' ' || accepted, ',' order by m.created_by, accepted) from auth.list_organizations() l
                   join auth.memberships m using (org_id) where m.user_id = 'victim'";
    assert_eq!(
        superuser
            .value(
                &state
                    .replace("auth.list_organizations() l", "auth.organizations o")
                    .replace("using (org_id)", "on o.id = m.org_id")
            )
            .as_deref(),
        Some(
            "mallory false,mallory false,mallory false,trudy false,trudy false,trudy true,victim true,victim true"
        )
    );
    assert_eq!(told(&mut session, "victim", "select cardinality(auth.org_ids())"), "9");
    // What was accepted makes room, and so does what is gone.
    let confirm = format!("select auth.confirm_membership('{}')", of_mallory[0]);
    act(&mut session, "victim", &confirm);
    act(&mut session, "mallory", &add(&of_mallory[4]));
    act(&mut session, "trudy", &format!("select auth.remove_member('{}', 'victim')", of_trudy[0]));
    act(&mut session, "trudy", &add(&of_trudy[0]));
}

#[test]
fn t201_a_giver_has_one_share_of_workspaces_in_all_organizations_together() {
    let db = Database::new();
    set(&db, "max_granted_by_one", 1);
    set(&db, "max_granted_memberships", 15);
    let (mut session, mut superuser) = (db.tenant(), db.superuser());
    let orgs = organizations(&mut session, "mallory", 2);
    let mut workspaces = Vec::new();
    for org in &orgs {
        superuser.run(&format!(
            "select auth.add_member('{org}', 'victim'), auth.add_member('{org}', 'trudy', 'admin')"
        ));
        for number in 0..8 {
            let create = format!("select auth.create_workspace('{org}', 'w{number}')");
            workspaces.push(superuser.value(&create).unwrap());
        }
    }
    let add = |workspace: &str| format!("select auth.add_workspace_member('{workspace}', 'victim')");
    for workspace in &workspaces[..10] {
        act(&mut session, "mallory", &add(workspace));
    }
    assert_eq!(denied(&mut session, "mallory", &add(&workspaces[10])), TOO_MANY_OF_ONE);
    // Where it is disabled it counts as well, or else all would come back at once.
    let switch = |what: &str| format!("select auth.{what}_workspace('{}')", workspaces[0]);
    act(&mut session, "mallory", &switch("disable"));
    assert_eq!(denied(&mut session, "mallory", &add(&workspaces[10])), TOO_MANY_OF_ONE);
    act(&mut session, "mallory", &switch("enable"));
    for workspace in &workspaces[10..15] {
        act(&mut session, "trudy", &add(workspace));
    }
    assert_eq!(denied(&mut session, "trudy", &add(&workspaces[15])), TOO_MANY_OF_ALL);
    superuser.run(&add(&workspaces[15]));
    assert_eq!(told(&mut session, "victim", "select cardinality(auth.workspace_ids())"), "16");
    let unfit = "select count(*) from auth.workspace_memberships w left join auth.memberships m
                    on m.id = w.membership_id and m.user_id = w.user_id and m.org_id = w.org_id where m.id is null";
    assert_eq!(superuser.value(unfit).as_deref(), Some("0"));
}

#[test]
fn t201_two_sessions_of_one_giver_do_not_give_more_together() {
    let db = Database::new();
    set(&db, "max_granted_by_one", 1);
    let (mut one, mut other, mut third) = (db.tenant(), db.tenant(), db.tenant());
    let orgs = organizations(&mut one, "mallory", 3);
    let others = organizations(&mut one, "trudy", 1);
    let add = |org: &str, user: &str| {
        format!("set local lock_timeout = '200ms'; select auth.add_member('{org}', '{user}')")
    };
    // One that sees nothing of what the others do.
    third.run("begin isolation level repeatable read");
    third.authenticate(&token_of("mallory")).unwrap();
    acting(&mut one, "mallory").run(&add(&orgs[0], "victim"));
    let waited = "55P03 canceling statement due to lock timeout";
    assert_eq!(denied(&mut other, "mallory", &add(&orgs[1], "victim")), waited);
    // Nobody else waits: not for this user, and not the giver for another one.
    act(&mut other, "trudy", &add(&others[0], "victim"));
    act(&mut other, "mallory", &add(&orgs[1], "bystander"));
    one.run("commit");
    assert_eq!(denied(&mut other, "mallory", &add(&orgs[1], "victim")), TOO_MANY_OF_ONE);
    assert_eq!(third.refused(&add(&orgs[2], "victim")), TOO_MANY_OF_ONE);
}

#[test]
fn t205_a_client_that_hides_the_settings_gains_nothing() {
    let db = Database::new();
    let mut session = db.tenant();
    let orgs = organizations(&mut session, "mallory", 2);
    let add = |org: &str, user: &str| format!("select auth.add_member('{org}', '{user}')");
    act(&mut session, "mallory", &add(&orgs[0], "victim"));
    let own = organizations(&mut session, "victim", 1);
    for (option, refused) in
        [("max_granted_memberships", TOO_MANY_OF_ALL), ("max_granted_by_one", TOO_MANY_OF_ONE)]
    {
        let options = format!("-c pg_bearer.{option}=10000");
        let mut sly = db.config("tenant").options(&options).connect(NoTls).unwrap();
        assert_eq!(denied(&mut sly, "mallory", &add(&orgs[1], "victim")), refused, "{option}");
        // For whoever is in doubt nothing counts that others gave.
        let counted = if option == "max_granted_memberships" { &own[0] } else { "-" };
        assert_eq!(told(&mut sly, "victim", "select auth.current_org()"), counted, "{option}");
    }
    assert_eq!(told(&mut session, "victim", "select cardinality(auth.org_ids())"), "2");
}
