//! Removing a user: everywhere, at once, and with every way back.

use super::world::*;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;

const LAST: &str = "42501 the last owner must stay";

fn organization(administrator: &mut Client, owner: &str) -> String {
    administrator.value(&format!("select auth.create_organization('o', owner_id => '{owner}')")).unwrap()
}

/// Is the user a member of these organizations, when they sign in?
fn is_member<const N: usize>(session: &mut Client, user: &str, orgs: [&str; N]) -> [bool; N] {
    orgs.map(|org| as_bearer(session, &token_of(user), &format!("select auth.is_member('{org}')")) == "t")
}

#[test]
fn t396_a_user_who_is_removed_is_nowhere_any_more() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let north = organization(&mut administrator, "ada");
    let south = organization(&mut administrator, "ada");
    let invitation = |session: &mut Client, by: &str, email: &str| {
        let sql = format!("select token from auth.create_invitation('{north}', email => '{email}')");
        as_bearer(session, by, &sql)
    };
    let (ada, ben) = (token_of("ada"), token_of("ben"));
    let accepted = invitation(&mut session, &ada, "ben@users.example");
    as_bearer(&mut session, &ben, &format!("select auth.accept_invitation('{accepted}')"));
    administrator.run(&format!(
        "select auth.set_member_role('{north}', 'ben', 'admin'), auth.add_member('{south}', 'ben'), auth.add_member('{north}', 'cara');
         select auth.add_workspace_member(w, u)
           from auth.create_workspace('{north}', 'w') w, unnest('{{ben,cara}}'::text[]) u"
    ));
    // One that they could come back by, one that they made, and one that is neither.
    let back = invitation(&mut session, &ada, "ben@users.example");
    let made = invitation(&mut session, &ben, "dan@users.example");
    let other = invitation(&mut session, &ada, "eve@users.example");
    let key =
        |user: &str| format!("select key from auth.create_api_key('{user}', '{north}', user_id => '{user}')");
    let (key_of_ben, key_of_cara) =
        (administrator.value(&key("ben")).unwrap(), administrator.value(&key("cara")).unwrap());
    let (token, exchanged) = (
        mint(&mut administrator, "ben"),
        as_bearer(&mut session, &key_of_ben, "select auth.exchange_api_key()"),
    );
    let bound = administrator.value(&format!("select auth.issue_jwt('ben', org_id => '{north}')")).unwrap();

    administrator.run("select auth.remove_user('ben'), auth.remove_user('ben')");
    assert_ended(
        &mut session,
        &[&ben, &token, &exchanged, &bound, &key_of_ben],
        &[&key_of_cara, &ada],
        "ben",
    );
    let nothing = ["memberships", "workspace_memberships"]
        .map(|table| format!("select count(*) from auth.{table} where user_id = 'ben'"));
    assert_values(&mut administrator, &nothing.each_ref().map(|sql| (sql.as_str(), Some("0"))));
    // Also with a new token.
    administrator.run("truncate auth.revocations");
    for (user, invitation) in [("ben", &back), ("dan", &made)] {
        let refused = refused_to(
            &mut session,
            &token_of(user),
            &format!("select auth.accept_invitation('{invitation}')"),
        );
        assert_eq!(refused.get(..5), Some("42501"), "{user}: {refused}");
    }
    as_bearer(&mut session, &token_of("eve"), &format!("select auth.accept_invitation('{other}')"));
    assert_eq!(is_member(&mut session, "ben", [&north, &south]), [false, false]);
    assert_eq!(is_member(&mut session, "cara", [&north]), [true]);
    // Whoever comes back later has nothing of before.
    administrator.run(&format!("select auth.add_member('{north}', 'ben')"));
    assert_eq!(is_member(&mut session, "ben", [&north, &south]), [true, false]);
    assert_ended(&mut session, &[&bound, &key_of_ben, &exchanged], &[], "back again");
}

#[test]
fn t396_the_last_owner_stays_and_nothing_is_done() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let (north, south) = (organization(&mut administrator, "ada"), organization(&mut administrator, "ben"));
    administrator.run(&format!(
        "select auth.add_member('{south}', 'ada', 'owner'), auth.add_member('{north}', 'ben')"
    ));
    let (token, before) = (token_of("ada"), everything(&mut administrator));
    assert_eq!(administrator.refused("select auth.remove_user('ada')"), LAST);
    assert_eq!(refused_to(&mut session, &token, "select auth.remove_user('ada')"), LAST);
    assert_eq!(everything(&mut administrator), before);
    assert_eq!(is_member(&mut session, "ada", [&north, &south]), [true, true]);
    as_bearer(&mut session, &token, &format!("select auth.transfer_ownership('{north}', 'ben')"));
    as_bearer(&mut session, &token, "select auth.remove_user('ada')");
    assert_ended(&mut session, &[&token], &[], "removed");
    // And then the other one is the last.
    assert_eq!(administrator.refused("select auth.remove_user('ben')"), LAST);
    administrator.run("truncate auth.revocations");
    assert_eq!(is_member(&mut session, "ada", [&north, &south]), [false, false]);
}

#[test]
fn t396_who_is_held_by_somebody_is_removed_too() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    for (at, hold) in ["for update", "for key share"].into_iter().enumerate() {
        for ends in ["commit", "rollback"] {
            let user = format!("u{at}{ends}");
            let org = organization(&mut administrator, "ada");
            administrator.run(&format!("select auth.add_member('{org}', '{user}', 'admin')"));
            let sql = format!("select key from auth.create_api_key('k', '{org}', user_id => '{user}')");
            let key = administrator.value(&sql).unwrap();
            let mut holder = db.superuser();
            holder.run(&format!(
                "begin; select from auth.memberships {hold}; select from auth.api_keys {hold};
                 select from auth.organizations {hold}"
            ));
            administrator.run("set statement_timeout = '1.5 s'");
            administrator.run(&format!("select auth.remove_user('{user}')"));
            let is_gone = |session: &mut Client| {
                assert_eq!(verdict(session, &key), REFUSED, "{hold} {ends}");
                assert_eq!(verdict(session, &token_of(&user)), REFUSED, "{hold} {ends}");
            };
            is_gone(&mut session);
            holder.run(ends);
            is_gone(&mut session);
            administrator.run("set statement_timeout = 0; truncate auth.revocations");
            assert_eq!(is_member(&mut session, &user, [&org]), [false], "{hold} {ends}");
        }
    }
}

#[test]
fn t396_two_owners_who_remove_themselves_at_once_leave_one() {
    let db = minting();
    let mut administrator = db.superuser();
    for (at, ends) in ["commit", "rollback"].into_iter().enumerate() {
        let (ada, ben) = (format!("ada{at}"), format!("ben{at}"));
        let org = organization(&mut administrator, &ada);
        administrator.run(&format!("select auth.add_member('{org}', '{ben}', 'owner')"));
        let (mut first, mut second) = (db.tenant(), db.tenant());
        first.run("begin");
        first.authenticate(&token_of(&ada)).unwrap();
        first.run(&format!("select auth.remove_user('{ada}')"));
        second.run("set statement_timeout = '5 s'; begin");
        second.authenticate(&token_of(&ben)).unwrap();
        let refused = second.refused(&format!("select auth.remove_user('{ben}')"));
        assert!(["42501", "55P03", "40001"].contains(&&refused[..5]), "{refused}");
        second.run("rollback");
        first.run(ends);
        let owners = format!("select count(*) from auth.list_members('{org}') m where m.role = 'owner'");
        let expected = if ends == "commit" { "1" } else { "2" };
        assert_eq!(administrator.value(&owners).as_deref(), Some(expected));
    }
}

#[test]
fn t396_a_service_removes_users_and_a_user_without_anything_is_removed() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    administrator.run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
    let service = hs256(&json!({"iss": ISSUER, "role": "service_role", "iat": now(), "exp": now() + 600}));
    let org = organization(&mut administrator, "ada");
    administrator.run(&format!("select auth.add_member('{org}', 'ben')"));
    let token = token_of("ben");
    as_bearer(&mut session, &service, "select auth.remove_user('ben')");
    as_bearer(&mut session, &service, "select auth.remove_user('nobody')");
    assert_ended(&mut session, &[&token, &token_of("nobody")], &[&service], "removed");
}
