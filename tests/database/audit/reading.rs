//! t353: who reads the log, and how much of it.

use super::{north, signed_in};
use crate::lasting::credentials::TEST_ISSUER;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

const SEEN: &str = "select coalesce(string_agg(action || ' ' || coalesce(target_user_id, '-'), ', ' order by occurred_at), '') from auth.list_audit_log";

/// What somebody with these claims sees.
fn seen(session: &mut Client, changes: Value, arguments: &str) -> Option<String> {
    let claims = json!({"iss": STRICT_ISSUER, "sub": "ada", "iat": now(), "exp": now() + 600});
    session.run("rollback; begin");
    session.authenticate(&hs256(&with(claims, changes))).unwrap();
    session.value(&format!("{SEEN}({arguments})"))
}

/// North and south, with a row in each, one of a test credential, and one of an administrator that is in none.
fn world() -> (Database, String, String) {
    let db = Database::new();
    let org = north(&db);
    let mut root = db.superuser();
    let south = root.value("select auth.create_organization('south', owner_id => 'sue')").unwrap();
    root.run(&format!(
        "select auth.update_issuer('{STRICT_ISSUER}', allow_service_role => true);
         select auth.add_issuer('{TEST_ISSUER}', environment => 'test', allow_service_role => true), auth.add_jwt_secret('{TEST_ISSUER}', '{SECRET}');
         delete from auth.audit_log; select auth.add_member('{south}', 'sam'); select auth.add_issuer('https://x.example')"
    ));
    let mut session = db.tenant();
    signed_in(&mut session, "ada");
    session.run(&format!("select auth.add_member('{org}', 'dan'); commit; begin"));
    let claims = json!({"iss": TEST_ISSUER, "sub": "ada", "iat": now(), "exp": now() + 600});
    session.authenticate(&hs256(&claims)).unwrap();
    session.run(&format!("select auth.create_api_key('k', '{org}'); commit"));
    (db, org, south)
}

#[test]
fn t353_members_with_the_permission_see_their_organization_and_nothing_else() {
    let (db, org, south) = world();
    let mut session = db.tenant();
    let all = Some("member.add dan, api_key.create ada".to_owned());
    for user in ["ada", "ben"] {
        signed_in(&mut session, user);
        for arguments in ["".to_owned(), format!("'{org}'")] {
            assert_eq!(session.value(&format!("{SEEN}({arguments})")), all, "{user} {arguments}");
        }
    }
    for (user, arguments, refused) in [
        ("cara", "", "42501 your role in this organization does not allow this"),
        ("cara", &*format!("'{south}'"), "42501 no such organization, or it is not yours"),
        ("ada", &*format!("'{south}'"), "42501 no such organization, or it is not yours"),
        ("ada", "gen_random_uuid()", "42501 no such organization, or it is not yours"),
        ("nobody", "", "42501 no such organization, or it is not yours"),
    ] {
        signed_in(&mut session, user);
        assert_eq!(session.refused(&format!("{SEEN}({arguments})")), refused, "{user} {arguments}");
    }
    session.run("rollback");
    assert_contains(session.refused(&format!("{SEEN}()")), "28000 ");
    // A permission is enough, and it is no more than that.
    db.superuser().run(&format!("select auth.define_role('auditor', '{{audit.read}}', '{org}'), auth.set_member_role('{org}', 'cara', 'auditor')"));
    signed_in(&mut session, "cara");
    assert_contains(session.value(&format!("{SEEN}()")).unwrap(), "member.add dan, api_key.create ada");
    assert_contains(session.refused(&format!("select auth.add_member('{org}', 'eve')")), "42501 ");
}

#[test]
fn t353_services_and_administrators_see_everything() {
    let (db, org, south) = world();
    let all = Some("member.add sam, issuer.add -, member.add dan, api_key.create ada".to_owned());
    let mut session = db.tenant();
    let service = json!({"sub": "robot", "role": "service_role"});
    assert_eq!(seen(&mut session, service.clone(), ""), all);
    assert_eq!(seen(&mut session, service, &format!("'{south}'")).as_deref(), Some("member.add sam"));
    let mut administrator = db.connect("administrator");
    assert_eq!(administrator.value(&format!("{SEEN}()")), all);
    // Also of an organization that is gone.
    db.superuser().run(&format!("select auth.delete_organization('{org}')"));
    let of_gone = administrator.value(&format!("{SEEN}('{org}', 'organization.delete')"));
    assert_eq!(of_gone.as_deref(), Some("organization.delete -"));
}

#[test]
fn t353_scopes_keys_and_test_credentials_see_no_more_than_they_cover() {
    let (db, org, _) = world();
    let mut session = db.tenant();
    let scoped = |scope: &str| json!({"scope": scope});
    assert_contains(seen(&mut session, scoped("audit.read"), "").unwrap(), "member.add dan");
    for changes in
        [scoped("members.read"), json!({"scope": "members.read", "sub": "robot", "role": "service_role"})]
    {
        session.run("rollback; begin");
        let claims = json!({"iss": STRICT_ISSUER, "sub": "ada", "iat": now(), "exp": now() + 600});
        session.authenticate(&hs256(&with(claims, changes))).unwrap();
        assert_eq!(session.refused(&format!("{SEEN}()")), "42501 the scopes of the token do not cover this");
    }
    for (iss, role) in [(TEST_ISSUER, Value::Null), (TEST_ISSUER, json!("service_role"))] {
        let found = seen(&mut session, json!({"iss": iss, "role": role}), "");
        assert_eq!(found.as_deref(), Some("api_key.create ada"));
    }
    for (scopes, expected) in
        [("audit.read", Ok("member.add dan, api_key.create ada")), ("docs.read", Err("42501 "))]
    {
        signed_in(&mut session, "ada");
        let make = format!("select key from auth.create_api_key('k', '{org}', scopes => '{{{scopes}}}')");
        let key = session.value(&make).unwrap();
        session.run("commit; begin");
        session.authenticate(&key).unwrap();
        match expected {
            Ok(rows) => assert_contains(session.value(&format!("{SEEN}()")).unwrap(), rows),
            Err(refused) => assert_contains(session.refused(&format!("{SEEN}()")), refused),
        }
    }
}

#[test]
fn t353_members_learn_nothing_of_the_operators_machines() {
    let (db, ..) = world();
    let machines = "select count(database_role) || ' ' || count(client_addr) from auth.list_audit_log()";
    db.superuser().run("update auth.audit_log set client_addr = '10.0.0.1'");
    let mut session = db.tenant();
    signed_in(&mut session, "ada");
    assert_eq!(session.value(machines).as_deref(), Some("0 0"));
    assert_eq!(db.connect("administrator").value(machines).as_deref(), Some("4 4"));
}

#[test]
fn rows_are_found_by_action_user_and_time_and_come_newest_first() {
    let (db, ..) = world();
    let mut session = db.connect("administrator");
    for (arguments, expected) in [
        ("action => 'member.add'", "member.add sam, member.add dan"),
        ("user_id => 'dan'", "member.add dan"),
        ("user_id => 'ada'", "member.add dan, api_key.create ada"),
        ("until => now() - interval '1 hour'", ""),
        ("since => now() + interval '1 hour'", ""),
        (
            "since => now() - interval '1 hour', until => now() + interval '1 hour', action => 'issuer.add'",
            "issuer.add -",
        ),
        ("max_rows => 1", "api_key.create ada"),
        ("max_rows => 2", "member.add dan, api_key.create ada"),
    ] {
        assert_eq!(session.value(&format!("{SEEN}({arguments})")).as_deref(), Some(expected), "{arguments}");
    }
    let order = "select string_agg(action, ' ') from (select action from auth.list_audit_log()) l";
    let expected = "api_key.create member.add issuer.add member.add";
    assert_eq!(session.value(order).as_deref(), Some(expected));
    for most in ["0", "-1", "10001", "null"] {
        let refused = session.refused(&format!("{SEEN}(max_rows => {most})"));
        assert_eq!(refused, "22023 max_rows has a value that is not allowed", "{most}");
    }
}
