//! What rows say, and who makes some up.

use super::{WHO, count, lines, newest, north, signed_in};
use crate::lasting::credentials::TEST_ISSUER;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use serde_json::json;

#[test]
fn rows_say_who_did_what_to_whom() {
    let db = Database::new();
    let org = north(&db);
    let (mut session, mut root) = (db.tenant(), db.superuser());
    signed_in(&mut session, "ada");
    session.run(&format!("select auth.set_member_role('{org}', 'cara', 'viewer'); commit"));
    let row = newest(
        &mut root,
        "action, org_id, target, target_user_id, user_id, credential, issuer, environment, details",
    );
    let details = r#"{"was": "member", "role": "viewer"}"#;
    let expected = format!("member.set_role {org} {org} cara ada jwt {STRICT_ISSUER} live {details}");
    assert_eq!(row, Some(expected));
    // With a session.
    session.run("begin");
    let claims = json!({"iss": STRICT_ISSUER, "sub": "ada", "sid": "s-1", "iat": now(), "exp": now() + 600});
    session.authenticate(&hs256(&claims)).unwrap();
    let key =
        session.value(&format!("select id || ' ' || key from auth.create_api_key('k', '{org}')")).unwrap();
    session.run("commit");
    let (id, key) = key.split_once(' ').unwrap();
    let row = newest(&mut root, "action, target, target_user_id, session_id, details");
    let details = r#"{"kind": "secret", "environment": "live"}"#;
    assert_eq!(row, Some(format!("api_key.create {id} ada s-1 {details}")));
    // A key.
    session.run("begin");
    session.authenticate(key).unwrap();
    session.run(&format!("select auth.revoke_api_key('{id}', 'a reason of mine'); commit"));
    let row = newest(&mut root, "action, user_id, credential, api_key_id, issuer, details");
    assert_eq!(row, Some(format!("api_key.revoke ada api_key {id} {{}}")));
    // An administrator, with a role that he took on.
    let mut administrator = db.connect("administrator");
    administrator.run(&format!("set role bearer_admin; select auth.disable_organization('{org}')"));
    let row = newest(
        &mut root,
        "action, coalesce(user_id, '-'), coalesce(credential, '-'), database_role, coalesce(environment, '-')",
    );
    assert_eq!(row.as_deref(), Some("organization.disable - - bearer_admin -"));
}

#[test]
fn removing_a_member_is_a_row_and_one_for_each_key_and_invitation_that_ends() {
    let db = Database::new();
    let org = north(&db);
    let mut session = db.tenant();
    signed_in(&mut session, "ben");
    session.run(&format!(
        "select auth.create_api_key('k', '{org}'), auth.create_invitation('{org}'), auth.create_workspace('{org}', 'desk'); commit"
    ));
    let mut root = db.superuser();
    root.run("delete from auth.audit_log");
    signed_in(&mut session, "ada");
    session.run(&format!("select auth.remove_member('{org}', 'ben'); commit"));
    let found = lines(
        &mut root,
        "select action || ' ' || coalesce(target_user_id, '-') from auth.audit_log order by 1",
    );
    assert_eq!(found, ["api_key.revoke ben", "invitation.revoke -", "member.remove ben"]);
    root.run("select auth.purge_endings()");
    assert_eq!(count(&mut root), 3);
}

#[test]
fn t358_a_change_that_is_rolled_back_or_refused_leaves_no_row() {
    let db = Database::new();
    let org = north(&db);
    let (mut session, mut root) = (db.tenant(), db.superuser());
    signed_in(&mut session, "ada");
    session.run(&format!("savepoint a; select auth.remove_member('{org}', 'ben'); rollback to a; commit"));
    signed_in(&mut session, "cara");
    assert_contains(session.refused(&format!("select auth.remove_member('{org}', 'ben')")), "42501 ");
    session.run("rollback");
    assert_eq!(count(&mut root), 0);
}

#[test]
fn t164_addresses_that_were_seen_and_that_were_stated_are_apart() {
    let db = Database::new();
    let org = north(&db);
    let (mut session, mut root) = (db.tenant(), db.superuser());
    let long = format!("{}, 192.0.2.1", "1".repeat(60_000));
    let tail = format!("{}, 192.0.2.1", "1".repeat(189));
    let forged = r#"{"x-forwarded-for": "192.0.2.7, \u001b[31m10.0.0.1\r\n2026-01-01 LOG: ok\u202e"}"#;
    for (headers, expected) in [
        ("", "-"),
        ("no JSON", "-"),
        ("[1]", "-"),
        (r#"{"x-forwarded-for": 5}"#, "-"),
        (r#"{"x-forwarded-for": ""}"#, "-"),
        (r#"{"x-forwarded-for": "192.0.2.7\u0000"}"#, "-"),
        (r#"{"x-forwarded-for": "192.0.2.7"}"#, "192.0.2.7"),
        (r#"{"x-forwarded-for": "2001:db8::1, [2001:db8::2]:443"}"#, "2001:db8::1, [2001:db8::2]:443"),
        (forged, "192.0.2.7, [3110.0.0.120260101 :"),
        (&json!({"x-forwarded-for": long}).to_string(), &tail),
        (&json!({"x-forwarded-for": "1".repeat(1_000_000)}).to_string(), "-"),
    ] {
        signed_in(&mut session, "ada");
        session.execute("select set_config('request.headers', $1, true)", &[&headers]).unwrap();
        session.run(&format!("select auth.create_workspace('{org}', 'w'); commit"));
        let row = newest(&mut root, "coalesce(host(client_addr), 'socket'), coalesce(stated_addr, '-')");
        assert_eq!(
            row,
            Some(format!("socket {expected}")),
            "{}",
            headers.chars().take(80).collect::<String>()
        );
    }
}

#[test]
fn t351_nobody_makes_rows_up_or_changes_some() {
    let db = Database::new();
    let org = north(&db);
    db.superuser().run("create table mine (org_id uuid); alter table mine owner to other; grant create on schema public to other");
    for (role, token) in [("tenant", None), ("other", None), ("tenant", Some("ada")), ("administrator", None)]
    {
        let mut session = db.connect(role);
        session.run("begin");
        if let Some(user) = token {
            session.authenticate(&token_of(user)).unwrap();
        }
        for sql in [
            format!("select auth_internal.audit('member.add', '{org}', 'x')"),
            "select auth_internal.audit_command('migration.begin', 'x')".to_owned(),
            "select auth_internal.forget_audit_rows(now(), 1)".to_owned(),
            "insert into auth.audit_log (action, database_role) values ('act_as', 'x')".to_owned(),
            "update auth.audit_log set user_id = 'x'".to_owned(),
            "delete from auth.audit_log".to_owned(),
            "truncate auth.audit_log".to_owned(),
            "select from auth.audit_log".to_owned(),
        ] {
            session.run("savepoint a");
            assert_contains(session.refused(&sql), "42501 permission denied");
            session.run("rollback to a");
        }
        session.run("rollback");
    }
    // What everybody may call writes nothing where nothing is done, and the truth where something is.
    let mut owner = db.connect("other");
    let settings = r#"{"organization": "org_id", "roles": [0], "all_orgs": false, "single_login": false}"#;
    let protect = format!("select auth_internal.run_protection('mine'::regclass, '{settings}')");
    let undo = "select auth_internal.run_unprotection('mine'::regclass)";
    let mut root = db.superuser();
    for (sql, rows) in [(undo, 0), (&protect, 1), (&protect, 1), (undo, 2), (undo, 2)] {
        owner.run(sql);
        assert_eq!(count(&mut root), rows, "{sql}");
    }
    let found = lines(
        &mut root,
        "select concat_ws(' ', action, target, database_role, org_id) from auth.audit_log order by occurred_at",
    );
    assert_eq!(found, ["table.protect public.mine other", "table.unprotect public.mine other"]);
    // Not of a table of somebody else.
    let mut tenant = db.tenant();
    assert_contains(tenant.refused(&protect), "42501 ");
    assert_eq!(count(&mut root), 2);
}

#[test]
fn t351_no_look_alike_is_called_with_rights_of_ours() {
    let db = Database::new();
    let mut root = db.superuser();
    let before = count(&mut root);
    root.run(
        "alter function auth_internal.audit_command(text, text) owner to postgres;
         create table mine (org_id uuid); select auth.protect('mine')",
    );
    assert_eq!(count(&mut root), before);
}

#[test]
fn t356_owners_and_administrators_are_in_the_log_by_the_role_that_called() {
    let db = Database::new();
    let mut root = db.superuser();
    root.run("create table \"odd; name\" (org_id uuid); alter table \"odd; name\" owner to other; delete from auth.audit_log");
    let mut owner = db.connect("other");
    owner.run("select auth.protect('\"odd; name\"', dry_run => true); select auth.protect('\"odd; name\"')");
    owner.run("begin; select auth.begin_data_migration(array['\"odd; name\"'::regclass]); commit");
    owner.run(
        "select auth.unprotect('\"odd; name\"', dry_run => true); select auth.unprotect('\"odd; name\"')",
    );
    let found = lines(
        &mut root,
        "select concat_ws(' ', action, target, database_role) from auth.audit_log order by occurred_at",
    );
    let expected = ["table.protect", "migration.begin", "table.unprotect"]
        .map(|action| format!("{action} public.\"odd; name\" other"));
    assert_eq!(found, expected);
    // What a guard protects: whoever runs the command, though the owner's rights do it.
    root.run("grant create on schema public to other; select auth.guard(); delete from auth.audit_log");
    owner.run("create table guarded (org_id uuid)");
    let found = lines(&mut root, WHO);
    assert_eq!(found, ["table.protect - - - other"]);
}

#[test]
fn t357_a_stated_identity_does_not_pass_for_a_proven_one() {
    let db = Database::new();
    let org = north(&db);
    let (mut session, mut root) = (db.connect("administrator"), db.superuser());
    let act = format!(r#"select auth.act_as('{{"user_id": "ada", "org_id": "{org}"}}')"#);
    session.run(&format!("begin; {act}; select auth.update_organization('{org}', 'North'); commit"));
    let found = lines(&mut root, WHO);
    let rest = "ada act_as administrator";
    assert_eq!(found, [format!("organization.update - {rest}"), format!("act_as ada {rest}")]);
    let orgs = "select string_agg(distinct org_id::text, ' ') from auth.audit_log";
    assert_eq!(root.value(orgs), Some(org));
    // What writes nothing, writes nothing: the server log has it.
    session.run(&format!("begin read only; {act}; rollback"));
    session.run(&format!("begin; {act}; rollback"));
    assert_eq!(count(&mut root), 2);
}

#[test]
fn a_service_and_a_test_credential_are_told_apart() {
    let db = Database::new();
    let org = north(&db);
    let mut root = db.superuser();
    root.run(&format!(
        "select auth.update_issuer('{STRICT_ISSUER}', allow_service_role => true), auth.add_issuer('{TEST_ISSUER}', environment => 'test'),
                auth.add_jwt_secret('{TEST_ISSUER}', '{SECRET}')"
    ));
    let mut session = db.tenant();
    let claims = json!({"iss": STRICT_ISSUER, "sub": "robot", "role": "service_role", "iat": now(), "exp": now() + 600});
    session.run("begin");
    session.authenticate(&hs256(&claims)).unwrap();
    session.run(&format!("select auth.remove_member('{org}', 'cara'); commit"));
    assert_contains(
        newest(&mut root, "action, credential, environment").unwrap(),
        "member.remove service live",
    );
    session.run("begin");
    session
        .authenticate(&hs256(&with(claims, json!({"iss": TEST_ISSUER, "sub": "ada", "role": null}))))
        .unwrap();
    session.run(&format!("select auth.create_api_key('k', '{org}'); commit"));
    assert_contains(newest(&mut root, "action, credential, environment").unwrap(), "api_key.create jwt test");
}
