//! A ticket gives what its origin would give at that moment, and never more.

use super::world::{Counting, EXPIRED, REFUSED, issue, issue_for, sign_in};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;
use std::time::Duration;

/// An organization of alice's, in which bob is a member.
fn organization(administrator: &mut Client) -> String {
    let org = administrator.value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
    administrator.run(&format!("select auth.add_member('{org}', 'bob', 'admin')"));
    org
}

/// Runs what takes a credential away between the issue of a ticket and its use, and back.
fn refused_after(db: &Counting, credential: &str, change: &str, back: &str) {
    let (mut session, mut administrator) = (db.tenant(), db.connect("postgres"));
    let ticket = issue(&mut session, credential);
    let unused = issue(&mut session, credential);
    administrator.run(change);
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED, "{change}");
    if !back.is_empty() {
        administrator.run(back);
        assert!(sign_in(&mut session, &unused).is_ok(), "{back}");
        assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED, "{change}");
    }
}

#[test]
fn t373_a_ticket_is_refused_when_its_token_would_be() {
    let db = Counting::new();
    let update = |what: &str| format!("select auth.update_issuer('{ISSUER}', {what})");
    for (change, back) in [
        ("audiences => '{x}'", "audiences => '{}'"),
        ("algorithms => '{ES256}'", "algorithms => '{}'"),
        ("token_types => '{at+jwt}'", "token_types => '{}'"),
        ("max_lifetime => '1 second'", "max_lifetime => '0'"),
    ] {
        refused_after(&db, &token_a(), &update(change), &update(back));
    }
    let pair = Pair::es256();
    let mut administrator = db.connect("postgres");
    let add = format!("select auth.add_jwt_key('{ISSUER}', '{}')", pair.jwk("es"));
    let key = administrator.value(&add).unwrap();
    refused_after(&db, &pair.sign("es", &claims_a()), &format!("select auth.revoke_jwt_key('{key}')"), "");
    let again = format!(
        "select auth.add_issuer('{ISSUER}', memberships_from_claims => true); select auth.add_jwt_secret('{ISSUER}', '{SECRET}')"
    );
    // Another issuer of the same name, with the same secret, is another one.
    let mut session = db.tenant();
    let ticket = issue(&mut session, &token_a());
    administrator.run(&format!("select auth.remove_issuer('{ISSUER}')"));
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);
    administrator.run(&again);
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);
}

#[test]
fn t373_a_ticket_ends_with_its_token() {
    let db = Counting::new();
    let mut session = db.tenant();
    let short = hs256(&with(claims_a(), json!({"iat": now() - 40, "exp": now() - 29})));
    let ticket = issue_for(&mut session, &short, "interval '60 seconds'");
    std::thread::sleep(Duration::from_millis(2010));
    assert_eq!(refusal(sign_in(&mut session, &ticket)), EXPIRED);
}

#[test]
fn t373_memberships_and_roles_are_those_of_the_moment() {
    let db = Counting::new();
    let (mut session, mut administrator) = (db.tenant(), db.connect("postgres"));
    let org = organization(&mut administrator);
    let mut role_after = |change: &str| {
        let ticket = issue(&mut session, &token_of("bob"));
        administrator.run(change);
        session.run("begin");
        session.authenticate(&ticket).unwrap();
        let role = session.value("select coalesce(auth.org_role(), 'none')").unwrap();
        session.run("rollback");
        role
    };
    assert_eq!(role_after("select 1"), "admin");
    assert_eq!(role_after(&format!("select auth.set_member_role('{org}', 'bob', 'viewer')")), "viewer");
    assert_eq!(role_after(&format!("select auth.remove_member('{org}', 'bob')")), "none");
}

#[test]
fn t373_a_ticket_is_refused_when_its_api_key_would_be() {
    let db = Counting::new();
    let mut administrator = db.connect("postgres");
    let org = organization(&mut administrator);
    let mut key = |more: &str| {
        let sql = format!("select id || ' ' || key from auth.create_api_key('k', '{org}', {more})");
        let made = administrator.value(&sql).unwrap();
        let (id, key) = made.split_once(' ').unwrap();
        (id.to_owned(), key.to_owned())
    };
    let ((revoked, revoked_key), (rotated, rotated_key)) = (key("user_id => 'bob'"), key("role => 'member'"));
    let ((_, member_key), (_, shut_key)) = (key("user_id => 'bob'"), key("role => 'viewer'"));
    let (_, short_key) = key("role => 'viewer', expires_at => clock_timestamp() + '1 second'");
    let mut session = db.tenant();
    let ticket = issue(&mut session, &short_key);
    refused_after(&db, &revoked_key, &format!("select auth.revoke_api_key('{revoked}')"), "");
    refused_after(&db, &rotated_key, &format!("select auth.rotate_api_key('{rotated}')"), "");
    refused_after(&db, &member_key, &format!("select auth.remove_member('{org}', 'bob')"), "");
    refused_after(
        &db,
        &shut_key,
        &format!("select auth.disable_organization('{org}')"),
        &format!("select auth.enable_organization('{org}')"),
    );
    std::thread::sleep(Duration::from_millis(1010));
    // Nothing about a key is told, also not by a ticket.
    assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED);
}

#[test]
fn t374_restrictions_of_an_api_key_hold_where_its_ticket_is_used() {
    let db = Counting::new();
    let (mut session, mut administrator) = (db.tenant(), db.connect("postgres"));
    let org = organization(&mut administrator);
    let sql = format!(
        "select key from auth.create_api_key('k', '{org}', role => 'admin', scopes => '{{docs.read}}', environment => 'test',
             allowed_origins => '{{https://a.example}}', allowed_endpoints => '{{GET /events,POST /rpc/ticket}}', allowed_tables => '{{docs}}')"
    );
    let key = administrator.value(&sql).unwrap();
    let request = |session: &mut Client, method: &str, path: &str, origin: &str| {
        session.run(&format!(
            r#"set request.method = '{method}'; set request.path = '{path}'; set request.headers = '{{"origin": "{origin}"}}'"#
        ));
    };
    let ticket = |session: &mut Client| {
        request(session, "POST", "/rpc/ticket", "https://a.example");
        issue(session, &key)
    };
    for (method, path, origin) in [
        ("GET", "/other", "https://a.example"),
        ("POST", "/events", "https://a.example"),
        ("GET", "/events", "https://b.example"),
    ] {
        let ticket = ticket(&mut session);
        request(&mut session, method, path, origin);
        assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED, "{method} {path} {origin}");
        request(&mut session, "GET", "/events", "https://a.example");
        assert_eq!(refusal(sign_in(&mut session, &ticket)), REFUSED, "it is spent");
    }
    let ticket = ticket(&mut session);
    request(&mut session, "GET", "/events", "https://a.example");
    session.run("begin");
    session.authenticate(&ticket).unwrap();
    let cases = [
        ("select auth.identity() ->> 'kind'", Some("api_key")),
        ("select auth.has_permission('docs.read')", Some("t")),
        ("select auth.has_permission('members.write')", Some("f")),
        ("select auth.environment()", Some("test")),
        ("select auth.allows_table('docs'::regclass)", Some("t")),
        ("select auth.allows_table('pg_class'::regclass)", Some("f")),
        ("select auth.api_key_id() is not null", Some("t")),
    ];
    assert_values(&mut session, &cases);
}

#[test]
fn t374_a_ticket_takes_from_the_rate_limit_of_its_api_key() {
    let db = Counting::new();
    let (mut session, mut administrator) = (db.tenant(), db.connect("postgres"));
    let org = organization(&mut administrator);
    let sql = format!(
        "select key from auth.create_api_key('k', '{org}', role => 'viewer', rate_limit => 4, rate_period => '1 day')"
    );
    let key = administrator.value(&sql).unwrap();
    let tickets: Vec<_> = (0..2).map(|_| issue(&mut session, &key)).collect();
    sign_in(&mut session, &tickets[0]).unwrap();
    sign_in(&mut session, &key).unwrap();
    assert_eq!(refusal(sign_in(&mut session, &tickets[1])), "53400 too many requests");
    assert_eq!(refusal(sign_in(&mut session, &tickets[1])), REFUSED);
}

#[test]
fn t375_whoever_came_by_a_ticket_gets_no_other_and_gives_nothing_that_lasts() {
    let db = Counting::new();
    let (mut session, mut administrator) = (db.tenant(), db.connect("postgres"));
    let org = organization(&mut administrator);
    let ticket = issue(&mut session, &token_of("alice"));
    session.run("begin");
    session.authenticate(&ticket).unwrap();
    assert_eq!(session.value("select auth.current_org()").as_deref(), Some(org.as_str()));
    let lasting = "42501 whoever signed in with a ticket gives nothing that lasts";
    for (call, expected) in [
        ("issue_ticket()", "42501 whoever signed in with a ticket gets no other one"),
        ("create_api_key('k')", lasting),
        ("create_organization('p')", lasting),
        (&format!("add_member('{org}', 'carol')"), lasting),
        (&format!("create_invitation('{org}')"), lasting),
        (&format!("transfer_ownership('{org}', 'bob')"), lasting),
    ] {
        session.run("savepoint s");
        assert_eq!(session.refused(&format!("select auth.{call}")), expected);
        session.run("rollback to s");
    }
    // Also after a move, and no longer once somebody signs in who may.
    session.run(&format!("select auth.set_org('{org}')"));
    assert_eq!(session.refused("select auth.create_organization('p')"), lasting);
    session.run("rollback to s");
    session.authenticate(&token_of("alice")).unwrap();
    session.run("select auth.create_organization('p'), auth.issue_ticket()");
}

#[test]
fn t376_tickets_are_explained_and_not_spent_by_it() {
    let db = Counting::new();
    let (mut session, mut administrator) = (db.tenant(), db.connect("postgres"));
    let ticket = issue(&mut session, &token_a());
    let explain = |ticket: &str| {
        format!(
            "select concat_ws('|', kind, valid, reason, since is not null) from auth.explain_credential('{ticket}')"
        )
    };
    let who = format!(
        r#"select conclusion from auth.explain_access('docs', 'select', '{ticket}', row_key => '{{"id": 1}}', as_role => 'tenant')
            where policy is null"#
    );
    let allowed = "allowed: the policies for SELECT are true for role tenant";
    for _ in 0..2 {
        assert_eq!(administrator.value(&explain(&ticket)).as_deref(), Some("ticket|t|f"));
        assert_eq!(administrator.value(&who).as_deref(), Some(allowed));
        let checked = format!("select reason from auth.check_jwt('{ticket}')");
        let reason = "this is a ticket, which only auth.authenticate() takes";
        assert_eq!(administrator.value(&checked).as_deref(), Some(reason));
        let checked = format!("select valid from auth.check_api_key('{ticket}')");
        assert_eq!(session.value(&checked).as_deref(), Some("f"));
        assert_eq!(session.refused(&format!("select auth.verify_jwt('{ticket}')")), REFUSED);
    }
    assert_eq!(sign_in(&mut session, &ticket).unwrap(), USER_A);
    let used = "ticket|f|the ticket was used, or issued by another server or before this one was started|f";
    assert_eq!(administrator.value(&explain(&ticket)).as_deref(), Some(used));
    let short = issue_for(&mut session, &token_a(), "interval '1 millisecond'");
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(administrator.value(&explain(&short)).as_deref(), Some("ticket|f|the ticket has expired|t"));
    let changed = "ticket|f|not a ticket of this database, or it was changed|f";
    assert_eq!(administrator.value(&explain("ticket.AAAA")).as_deref(), Some(changed));
}
