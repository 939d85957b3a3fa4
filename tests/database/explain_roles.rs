//! As which role the policies run that are explained, where nobody names one.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use postgres::Client;

/// The table's owner grants it to whomever they like.
#[test]
fn t295_nobody_s_code_runs_as_a_role_that_they_pick() {
    let db = Database::new();
    let mut session = db.superuser();
    let [owner, victim, own, maker] =
        ["owner", "victim", "own", "maker"].map(|name| format!("{name}_{}", db.name));
    session.run(&format!(
        "create role {owner}; create role {victim}; create role {own}; create role {maker} createrole; grant {own}, {maker} to {owner};
         create schema lair; grant usage, create on schema lair to {owner}, {victim}, {own}, {maker};
         create table lair.private (secret text); insert into lair.private values ('secret'); grant select on lair.private to {victim};
         set role {owner};
         create table lair.trap (id int, org_id uuid); insert into lair.trap values (1, '{ORG_A}'), (2, '{ORG_B}');
         create function lair.attack() returns boolean language plpgsql as
         $$ begin raise exception 'ran as %, and read %', current_user, (select secret from lair.private); end $$;
         create policy p on lair.trap using (auth.in_org(org_id) or lair.attack()); alter table lair.trap enable row level security;
         grant select on lair.trap to {victim}; reset role"
    ));
    let calls = [
        "explain_access('lair.trap', 'select', row_key => '{\"id\": 1}')",
        "rows_visible_to('lair.trap', null)",
        "assert_isolated('lair.trap')",
    ];
    let hint = |session: &mut Client, call: &str| {
        let error = session.batch_execute(&format!("select auth.{call}")).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(
            (error.code().code(), error.message()),
            ("22023", "as_role has to say which role is asked about"),
            "{call}"
        );
        error.hint().unwrap().to_owned()
    };
    for call in calls {
        assert_eq!(
            hint(&mut session, call),
            format!(
                "The table is granted to {victim}, which may do what the table's owner may not: policies run as that role only when you name it."
            )
        );
    }
    // Whoever means it says so.
    let named = session.refused(&format!("select auth.rows_visible_to('lair.trap', null, '{victim}')"));
    assert_eq!(named, format!("P0001 ran as {victim}, and read secret"));
    // A role that the owner may act as anyway, but for attributes, which nobody inherits.
    session.run(&format!("revoke all on lair.trap from {victim}; grant select on lair.trap to {maker}"));
    for call in calls {
        assert_contains(hint(&mut session, call), &format!("granted to {maker}, which may do what"));
    }
    session.run(&format!("alter role {maker} nocreaterole"));
    for role in [&maker, &own] {
        let told = session.value(&format!("select string_agg(verdict, ' ') from auth.{}", calls[0])).unwrap();
        assert_eq!(told, "error: permission denied for table private", "{role}");
        for call in &calls[1..] {
            assert_eq!(
                session.refused(&format!("select auth.{call}")),
                "42501 permission denied for table private"
            );
        }
        session.run(&format!("revoke all on lair.trap from {maker}; grant select on lair.trap to {own}"));
    }
    session.run(&format!("revoke {own} from {owner}"));
    assert_contains(hint(&mut session, calls[0]), &format!("granted to {own}, which may do what"));
    // Superusers may everything, so that no role of theirs has to be named.
    session.run("drop policy p on lair.trap; create policy p on lair.trap using (auth.in_org(org_id)); alter table lair.trap owner to postgres");
    assert_contains(
        session.value("select auth.assert_isolated('lair.trap')").unwrap(),
        &format!("for role {own}"),
    );
    session.run(&format!(
        "drop owned by {owner}, {victim}, {own}, {maker}; drop role {owner}, {victim}, {own}, {maker}"
    ));
}
