//! Sessions of users whom a service signed in, and of such as are for less.

use super::session_callers::{GONE, as_bearer, call, id, organization, service, verdict};
use super::world::{NOT_REFRESHED, OURS, PASSWORD, World, member, set_up};
use crate::tickets::world::connect;
use pg_bearer_tests::database::{Session, installation};
use serde_json::{Value, json};
use xtask::Server;

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn issue(world: &mut World, arguments: &str) -> Value {
    read(&world.admin.value(&format!("select auth.issue_session({arguments})")).unwrap())
}

#[test]
fn services_begin_sessions_of_users_of_whatever_issuer() {
    let mut world = World::new();
    let service = service(&mut world);
    let text = as_bearer(
        &mut world.session,
        &service,
        "select auth.issue_session('github|1234', method => 'oauth')",
    );
    let answer = read(&text.unwrap().unwrap());
    assert_eq!(answer["user"], json!({"id": "github|1234"}));
    let identity = world.authenticate(&answer).unwrap();
    assert_eq!(identity["user_id"], "github|1234");
    assert_eq!(identity["role"], "authenticated");
    assert_eq!(identity["claims"]["amr"][0]["method"], "oauth");
    assert_eq!(identity["claims"]["aal"], "aal1");
    assert!(identity["claims"].get("app_metadata").is_none());
    // It goes on when the credential of the service has ended.
    world.admin.run(&format!("select auth.revoke_token('{service}')"));
    let next = world.refresh(member(&answer, "refresh_token"));
    assert_eq!(world.authenticate(&next).unwrap()["user_id"], "github|1234");
    world.as_user(&next, "select auth.sign_out_session()").unwrap();
    assert!(!world.is_good(&answer));
    // Of a user who is here, the claims are those of the row.
    let ada = world.sign_up("ada@example.com");
    let answer = issue(&mut world, &format!("'{}'", id(&ada)));
    assert_eq!(answer["user"]["email"], "ada@example.com");
    let claims = &world.authenticate(&answer).unwrap()["claims"];
    assert!(claims.get("amr").is_none());
    assert_eq!(claims["app_metadata"]["provider"], "email");
}

#[test]
fn nobody_else_begins_sessions_and_no_argument_is_taken_on_trust() {
    let mut world = World::new();
    let ada = world.sign_up("ada@example.com");
    let own = format!("select auth.issue_session('{}')", id(&ada));
    let unrestricted = "42501 this needs a service credential or an administrator";
    assert_eq!(world.as_user(&ada, &own).unwrap_err(), unrestricted);
    assert!(world.session.refused(&own).starts_with("28000 "));
    let long = "x".repeat(1025);
    let many = vec!["a"; 201].join(",");
    for (arguments, refused) in [
        ("null".to_owned(), "user_id"),
        ("''".to_owned(), "user_id"),
        (format!("'{long}'"), "user_id"),
        ("'u', permissions => '{}'".to_owned(), "permissions"),
        ("'u', permissions => '{null}'".to_owned(), "permissions"),
        ("'u', permissions => '{a,null}'".to_owned(), "permissions"),
        ("'u', permissions => '{{a},{b}}'".to_owned(), "permissions"),
        ("'u', permissions => '{\"a b\"}'".to_owned(), "permissions"),
        (format!("'u', permissions => '{{{many}}}'"), "permissions"),
        ("'u', method => ''".to_owned(), "method"),
        (format!("'u', method => '{}'", "m".repeat(65)), "method"),
        ("'u', method => E'a\\nb'".to_owned(), "method"),
    ] {
        let found = world.admin.refused(&format!("select auth.issue_session({arguments})"));
        assert_eq!(found, format!("22023 {refused} has a value that is not allowed"), "{arguments}");
    }
    let org = organization(&mut world, "eve");
    for org in [org.as_str(), "00000000-0000-4000-8000-000000000000"] {
        let refused = world.admin.refused(&format!("select auth.issue_session('{}', '{org}')", id(&ada)));
        assert!(refused.starts_with("22023 "), "{refused}");
    }
    assert_eq!(world.admin.value("select count(*) from auth.sessions").as_deref(), Some("1"));
}

#[test]
fn t156_a_session_for_one_organization_reaches_no_other_and_ends_with_the_membership() {
    let mut world = World::new();
    let (north, south) = (organization(&mut world, "eve"), organization(&mut world, "eve"));
    for org in [&north, &south] {
        world.admin.run(&format!("select auth.add_member('{org}', 'ada', 'admin')"));
    }
    let answer = issue(&mut world, &format!("'ada', '{north}'"));
    let orgs = "select auth.in_org('{}'::uuid)";
    let inside = |org: &str| orgs.replace("{}", org);
    assert_eq!(
        world.as_user(&answer, &format!("select ({})::text", inside(&north))).unwrap().as_deref(),
        Some("true")
    );
    assert_ne!(
        world.as_user(&answer, &format!("select ({})::text", inside(&south))).unwrap().as_deref(),
        Some("true")
    );
    assert!(world.as_user(&answer, &format!("select auth.set_org('{south}')")).is_err());
    assert!(world.as_user(&answer, &format!("select auth.issue_jwt(org_id => '{south}')")).is_err());
    let next = world.refresh(member(&answer, "refresh_token"));
    assert_eq!(world.authenticate(&next).unwrap()["claims"]["org_id"], north.as_str());
    world.admin.run(&format!("select auth.remove_member('{north}', 'ada')"));
    for answer in [&answer, &next] {
        assert!(!world.is_good(answer));
        assert_eq!(world.refresh(member(answer, "refresh_token")), read(NOT_REFRESHED));
    }
}

#[test]
fn t156_a_session_for_less_hands_no_more_on() {
    let mut world = World::new();
    let org = organization(&mut world, "ada");
    world.admin.run("select auth.define_role('clerk', '{docs.read,docs.write}')");
    let answer = issue(&mut world, &format!("'ada', '{org}', permissions => '{{docs.read,docs.delete}}'"));
    let may = |permission: &str| format!("select auth.has_permission('{permission}')::text");
    let check = |world: &mut World, credential: &str, context: &str| {
        for (permission, allowed) in
            [("docs.read", "true"), ("docs.write", "false"), ("members.write", "false")]
        {
            let found = as_bearer(&mut world.session, credential, &may(permission)).unwrap();
            assert_eq!(found.as_deref(), Some(allowed), "{context} {permission}");
        }
    };
    check(&mut world, member(&answer, "access_token"), "session");
    let next = world.refresh(member(&answer, "refresh_token"));
    check(&mut world, member(&next, "access_token"), "refreshed");
    // Whatever it would make is no more than it is, if it may make anything.
    for call in [
        "select auth.issue_jwt()",
        "select auth.issue_jwt(permissions => '{docs.read,docs.write,members.write}')",
        "select auth.issue_jwt(permissions => '{*}')",
        "select auth.issue_ticket()",
    ] {
        if let Ok(Some(made)) = as_bearer(&mut world.session, member(&next, "access_token"), call) {
            check(&mut world, &made, call);
        }
    }
    for call in [
        format!("select key from auth.create_api_key('k', '{org}', 'live')"),
        format!("select auth.add_member('{org}', 'eve', 'owner')"),
        "select auth.revoke_user('ada')".to_owned(),
        "select auth.update_user(data => '{}')".to_owned(),
        "select auth.delete_user('ada')".to_owned(),
        "select auth.change_password('a', 'a new password')".to_owned(),
    ] {
        let refused = as_bearer(&mut world.session, member(&next, "access_token"), &call).unwrap_err();
        assert!(refused.starts_with("42501 ") || refused.starts_with("22023 "), "{call}: {refused}");
    }
}

#[test]
fn t163_whoever_acts_for_a_user_begins_nothing_that_lasts() {
    let mut world = World::new();
    let ada = world.sign_up("ada@example.com");
    let service = service(&mut world);
    let impersonate = format!("select auth.impersonate('{}', 'asked for help')", id(&ada));
    let act = as_bearer(&mut world.session, &service, &impersonate).unwrap().unwrap();
    for call in [
        format!("select auth.issue_session('{}')", id(&ada)),
        format!("select auth.change_password('{PASSWORD}', 'a new password')"),
        "select auth.update_user(data => '{\"a\": 1}')".to_owned(),
        "select auth.issue_jwt()".to_owned(),
        "select auth.sign_out_session('all')".to_owned(),
    ] {
        let refused = as_bearer(&mut world.session, &act, &call).unwrap_err();
        assert!(refused.starts_with("42501 "), "{call}: {refused}");
    }
    assert!(world.is_good(&ada));
    // Nor does a token that an API key made, however much the key may.
    let key = "select key from auth.create_api_key('k', kind => 'service', environment => 'live')";
    let key = as_bearer(&mut world.session, &service, key).unwrap().unwrap();
    let exchanged = as_bearer(&mut world.session, &key, "select auth.exchange_api_key()").unwrap().unwrap();
    let issue = format!("select auth.issue_session('{}')", id(&ada));
    assert!(as_bearer(&mut world.session, &exchanged, &issue).unwrap_err().starts_with("42501 "));
    assert!(as_bearer(&mut world.session, &key, &issue).is_ok());
}

#[test]
fn a_session_ends_with_its_issuer_and_waits_for_its_key() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let token = member(&answer, "refresh_token");
    world.admin.run("update auth.jwt_keys k set state = 'retired', retired_until = now() + interval '1 hour' where k.state = 'active' and k.issuer_id = (select id from auth.issuers where own)");
    let refresh = format!("select auth.refresh_session('{token}')");
    assert_eq!(world.session.refused(&refresh), "55000 the issuer has no active signing key");
    let sign_in = format!("select auth.sign_in_with_password('ada@example.com', '{PASSWORD}')");
    assert_eq!(world.session.refused(&sign_in), "55000 the issuer has no active signing key");
    world.admin.run("select auth.create_signing_key()");
    // The error took nothing.
    let next = world.refresh(token);
    assert!(world.is_good(&next));
    world.admin.run(&format!("select auth.remove_issuer('{OURS}')"));
    assert_eq!(verdict(&mut world.session, member(&next, "access_token")), Err(GONE.to_owned()));
    let refresh = format!("select auth.refresh_session('{}')", member(&next, "refresh_token"));
    assert_eq!(world.session.refused(&refresh), "55000 this database makes no tokens");
    assert_eq!(world.session.refused(&sign_in), "55000 this database makes no tokens");
    // One of the same name is another.
    world.admin.run(&format!("select auth.add_issuer('{OURS}', own => true), auth.create_signing_key()"));
    assert!(!world.is_good(&next));
    assert_eq!(world.session.refused(&refresh), "55000 the issuer of the session is gone");
    assert!(world.sign_in("ada@example.com", PASSWORD)["access_token"].is_string());
}

#[test]
fn t156_a_staging_server_has_sessions_for_tests_alone() {
    let server = Server::start(installation(), "sessions-staging", &[]).unwrap();
    server.psql("postgres", "create extension pg_bearer").unwrap();
    let mut session = connect(server.socket_dir(), "postgres", "postgres");
    set_up(&mut session, "postgres");
    let live = call(&mut session, &format!("sign_up('ada@example.com', '{PASSWORD}')"));
    session.run("alter system set pg_bearer.allowed_environments = 'test'");
    server.restart().unwrap();
    let mut session = connect(server.socket_dir(), "postgres", "postgres");
    assert_eq!(verdict(&mut session, member(&live, "access_token")), Err(GONE.to_owned()));
    // A copy of the database goes on with nothing that was live.
    let refresh = format!("select auth.refresh_session('{}')::text", member(&live, "refresh_token"));
    match session.query_one(&refresh, &[]) {
        Ok(row) => assert_eq!(read(row.get(0)), read(NOT_REFRESHED)),
        Err(error) => panic!("{error:?}"),
    }
    let test = call(&mut session, &format!("sign_in_with_password('ada@example.com', '{PASSWORD}')"));
    let environment = "select auth.environment()";
    let found = as_bearer(&mut session, member(&test, "access_token"), environment);
    assert_eq!(found, Ok(Some("test".to_owned())));
    let next = call(&mut session, &format!("refresh_session('{}')", member(&test, "refresh_token")));
    session.run("alter system set pg_bearer.allowed_environments = 'live'");
    server.restart().unwrap();
    let mut session = connect(server.socket_dir(), "postgres", "postgres");
    assert_eq!(verdict(&mut session, member(&next, "access_token")), Err(GONE.to_owned()));
    assert!(verdict(&mut session, member(&live, "access_token")).is_ok());
}
