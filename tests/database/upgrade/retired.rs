//! Functions that go, or change in a way that CREATE OR REPLACE cannot follow, and what of a user's depends on them.

use super::scripts::{
    assert_fresh, differences, installed, last_release, update, update_from, update_once_more, with_step,
};
use crate::install::{catalog, clean_catalog};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use postgres::Client;

/// A release whose auth.list_invitations() had a column of another name, so that it has to be made anew.
pub(super) fn old_list_invitations() -> String {
    let (_, script) = last_release();
    let now = "create function auth.list_invitations(org_id uuid default null)
    returns table (invitation_id uuid, email text, role text, workspace_id uuid, created_by text,";
    assert_eq!(script.matches(now).count(), 1);
    script.replace(now, &now.replace("email", "address"))
}

/// A view on it.
pub(super) const WITH_OTHER_RESULT: &str = "create view invitation_list as select role, address from auth.list_invitations(); grant select on invitation_list to public";

const STEP: &str = "select auth_internal.retire_function('auth.list_invitations(uuid)');
     select auth_internal.retire_function('auth.user_id()');
     select auth_internal.retire_function('auth.never_was(uuid)');";

/// Everything that can depend on a function.
const DEPENDENTS: &str = "
create function member_count() returns bigint language sql begin atomic select count(*) from auth.list_invitations(); end;
create table notes (id int, author text default auth.user_id(), body text);
create table papers (id int); alter table papers enable row level security;
create policy members on papers using (exists (select from auth.list_invitations() m where m.address is null));
insert into papers values (1);
grant all on notes, papers to public";

fn release_with_other_functions() -> Database {
    installed(&old_list_invitations(), &with_step(&update_from(&last_release().0), STEP))
}

/// Asserts that a statement refuses, and says what to do.
fn assert_retired(session: &mut Client, sql: &str, function: &str) {
    let error = session.batch_execute(sql).unwrap_err();
    let error = error.as_db_error().unwrap();
    let message = format!("auth.{function}() is not what it was when this was made");
    assert_eq!((error.code().code(), error.message()), ("55000", &*message), "{sql}");
    assert_contains(error.hint().unwrap(), "Make the view, policy, default or function that calls it anew");
}

#[test]
fn a_changed_result_that_no_step_retires_stops_the_update() {
    let db = installed(&old_list_invitations(), &update_from(&last_release().0));
    let mut session = db.superuser();
    let before = catalog(&mut session);
    let refused = session.refused("alter extension pg_bearer update");
    assert_eq!(refused, "42P13 cannot change return type of existing function");
    assert_eq!(catalog(&mut session), before);
}

#[test]
fn what_nobody_uses_is_dropped() {
    let db = release_with_other_functions();
    let mut session = db.superuser();
    update(&mut session);
    assert_fresh(&mut session, "retired");
}

#[test]
fn t199_a_view_does_not_stop_the_update_and_says_what_to_do() {
    let db = release_with_other_functions();
    let mut session = db.superuser();
    session.run(WITH_OTHER_RESULT);
    session.run(DEPENDENTS);
    update(&mut session);
    for round in ["after the update", "after another one"] {
        let mut tenant = db.tenant();
        for session in [&mut session, &mut tenant] {
            assert_retired(session, "select * from invitation_list", "list_invitations");
            assert_retired(session, "select member_count()", "list_invitations");
            assert_retired(session, "insert into notes (id) values (1)", "user_id");
            session.run("insert into notes (id, author) values (1, 'somebody')");
        }
        assert_retired(&mut tenant, "select * from papers", "list_invitations");
        // In its place is the new one.
        tenant.run("select auth.user_id()");
        assert_contains(tenant.refused("select email from auth.list_invitations()"), "28000 ");
        // Nothing else is different.
        let found = differences(&catalog(&mut session), clean_catalog());
        let named =
            "select string_agg(proname, ' ' order by proname) from pg_proc where proname like 'retired%'
                        and pronamespace = 'auth_internal'::regnamespace and not prosecdef";
        assert_eq!(session.value(named).unwrap().split(' ').count(), 2, "{round}");
        assert!(
            !found.is_empty() && found.iter().all(|line| line.contains("retired_")),
            "{round}: {found:#?}"
        );
        update_once_more(&mut session);
    }
}

#[test]
fn the_next_update_drops_what_nobody_uses_any_more() {
    let db = release_with_other_functions();
    let mut session = db.superuser();
    session.run(WITH_OTHER_RESULT);
    session.run(DEPENDENTS);
    update(&mut session);
    session.run("drop view invitation_list; drop table papers; drop function member_count()");
    update_once_more(&mut session);
    let found = differences(&catalog(&mut session), clean_catalog());
    assert!(!found.is_empty() && found.iter().all(|line| line.contains("_user_id")), "{found:#?}");
    session.run("alter table notes alter author set default auth.user_id()");
    update_once_more(&mut session);
    assert_fresh(&mut session, "nothing retired is left");
    session.run("insert into notes (id) values (2)");
}
