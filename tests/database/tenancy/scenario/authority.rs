//! Who acts without belonging anywhere: services, administrators, and those who only look like them.

use super::world::{FOREIGN, World};
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::NoTls;
use serde_json::json;

const NOBODY: &str = "28000 this transaction has no identity";
const NOT_A_USERS: &str = "42501 this needs a service credential or an administrator";
/// What the identity of a user does not get, whatever session it is in.
const UNRESTRICTED: [&str; 5] = [
    "disable_organization(:north)",
    "enable_organization(:north)",
    "define_role('auditor', '{}')",
    "drop_role('auditor')",
    "update_organization(:north, external_id => 'n')",
];

#[test]
fn an_identity_decides_also_in_the_session_of_an_administrator() {
    let world = World::new();
    for mut session in [world.db.superuser(), world.db.connect("administrator"), world.db.tenant()] {
        session.run("begin");
        session.authenticate(&token_of("ada")).unwrap();
        session.run("savepoint s");
        for call in UNRESTRICTED {
            assert_eq!(session.refused(&world.fill(&format!("select auth.{call}"))), NOT_A_USERS, "{call}");
            session.run("rollback to s");
        }
        for call in
            ["list_members(:south)", "delete_organization(:east)", "add_member(:south, 'ada', 'owner')"]
        {
            assert_eq!(session.refused(&world.fill(&format!("select auth.{call}"))), FOREIGN, "{call}");
            session.run("rollback to s");
        }
        assert_eq!(session.value("select count(*) from auth.list_organizations()").as_deref(), Some("1"));
        let owner = session.refused("select auth.create_organization('x', owner_id => 'eve')");
        assert_eq!(owner, "42501 only a service or an administrator sets owner_id and external_id");
    }
}

#[test]
fn an_administrator_without_an_identity_may_do_everything_unless_he_takes_another_role() {
    let world = World::new();
    for mut session in [world.db.superuser(), world.db.connect("administrator")] {
        session.run("begin; select auth.define_role('auditor', '{}')");
        for call in
            UNRESTRICTED.into_iter().chain(["list_members(:south)", "add_member(:south, 'eve', 'owner')"])
        {
            session.run(&world.fill(&format!("select auth.{call}")));
        }
        assert_eq!(
            session.value("select count(*) from auth.list_organizations() where role is null").as_deref(),
            Some("3")
        );
        let leaves = session.refused(&world.fill("select auth.leave_organization(:north)"));
        assert_eq!(leaves, "42501 only a member can leave");
        session.run("rollback");
    }
    let mut session = world.db.superuser();
    session.run("begin; set local role tenant; savepoint s");
    for call in
        UNRESTRICTED.into_iter().chain(["list_organizations()", "create_organization('x')", "list_roles()"])
    {
        assert_eq!(session.refused(&world.fill(&format!("select auth.{call}"))), NOBODY, "{call}");
        session.run("rollback to s");
    }
}

#[test]
fn an_expired_identity_in_the_session_of_an_administrator_is_nobody() {
    let world = World::new();
    let mut session = world.db.superuser();
    session.run(&format!("select auth.update_issuer('{STRICT_ISSUER}', leeway => '0'); begin"));
    let claims = json!({"iss": STRICT_ISSUER, "sub": "ada", "iat": now(), "exp": now() + 5});
    session.authenticate(&hs256(&claims)).unwrap();
    assert_eq!(session.value("select count(*) from auth.list_organizations()").as_deref(), Some("1"));
    session.run("select pg_sleep(5.1); savepoint s");
    let calls = [
        "list_organizations()",
        "create_organization('x', owner_id => 'eve')",
        "add_member(:north, 'eve', 'owner')",
        "set_org(:north)",
    ];
    for call in UNRESTRICTED.into_iter().chain(calls) {
        assert_eq!(session.refused(&world.fill(&format!("select auth.{call}"))), NOBODY, "{call}");
        session.run("rollback to s");
    }
    session.run("select auth.sign_out()");
    assert_eq!(session.value("select count(*) from auth.list_organizations()").as_deref(), Some("3"));
}

#[test]
fn a_service_credential_is_bound_by_no_role() {
    let mut world = World::new();
    world.rule(&format!("select auth.update_issuer('{STRICT_ISSUER}', allow_service_role => true)"));
    let service =
        json!({"iss": STRICT_ISSUER, "sub": "ada", "role": "service_role", "iat": now(), "exp": now() + 600});
    for claims in [service.clone(), with(service, json!({"sub": null}))] {
        let mut session = world.db.tenant();
        session.run("begin");
        session.authenticate(&hs256(&claims)).unwrap();
        session.run("select auth.define_role('auditor', '{}')");
        for call in UNRESTRICTED {
            session.run(&world.fill(&format!("select auth.{call}")));
        }
        assert_eq!(
            session.value("select count(*) from auth.list_organizations() where role is null").as_deref(),
            Some("3")
        );
        let new = session
            .value("select auth.create_organization('new', owner_id => 'eve', external_id => 'x')")
            .unwrap();
        let members = format!(
            "select user_id || ' ' || role || ' ' || coalesce(created_by, '-') from auth.list_members('{new}')"
        );
        assert_eq!(session.value(&members).as_deref(), Some("eve owner -"));
        session.run(&world.fill("select auth.set_member_role(:south, 'ben', 'owner'); select auth.remove_member(:south, 'dan'); savepoint s"));
        // What holds for everybody holds for it.
        for (call, expected) in [
            ("remove_member(:south, 'ben')", "42501 the last owner must stay"),
            ("add_member(:north, 'ada')", "23505 already a member"),
            ("add_workspace_member(:desk, 'eve')", "22023 no such member"),
            ("leave_organization(:north)", "42501 only a member can leave"),
            ("accept_invitation('x')", "42501 only a user can accept an invitation"),
            ("list_members('00000000-0000-4000-8000-0000000000ff')", FOREIGN),
        ] {
            assert_eq!(session.refused(&world.fill(&format!("select auth.{call}"))), expected, "{call}");
            session.run("rollback to s");
        }
        session.run("rollback");
    }
    // The same claims of an issuer that may not make them.
    let forged = with(claims_a(), json!({"role": "service_role"}));
    assert_eq!(refusal(world.db.tenant().authenticate(&hs256(&forged))), "28000 the credential was refused");
}

#[test]
fn an_issuer_that_is_limited_to_organizations_gives_no_rights_in_others() {
    let mut world = World::new();
    world.rule(&format!(
        "update auth.issuers set org_ids = array[:south]::uuid[] where issuer = '{STRICT_ISSUER}'"
    ));
    for (user, own) in [("ada", None), ("ben", Some("south member")), ("dan", Some("south owner"))] {
        let list = "select string_agg(name || ' ' || role, ', ') from auth.list_organizations()";
        assert_eq!(world.act(user, list).as_deref(), own, "{user}");
        for call in [
            "list_members(:north)",
            "list_roles(:north)",
            "add_member(:north, 'fay')",
            "leave_organization(:north)",
            "delete_organization(:north)",
            "set_org(:north)",
        ] {
            assert_eq!(world.denied(user, &format!("select auth.{call}")), FOREIGN, "{user}: {call}");
        }
        let desk = world.denied(user, "select auth.list_workspace_members(:desk)");
        assert_eq!(desk, "42501 no such workspace, or it is not yours");
    }
    world.act("dan", "select auth.add_member(:south, 'fay')");
}

#[test]
fn where_only_administrators_create_organizations_users_do_not() {
    let mut world = World::new();
    let refused = "42501 users do not create organizations here";
    let setting = "pg_bearer.organization_creation";
    let name = world.db.name.clone();
    world.rule(&format!("alter database {name} set {setting} = admin"));
    for mut session in [world.open("eve"), world.db.superuser()] {
        session.run("rollback; begin");
        session.authenticate(&token_of("eve")).unwrap();
        session.run("savepoint s");
        assert_eq!(session.refused("select auth.create_organization('x')"), refused);
        session.run("rollback");
    }
    // Before the library is loaded the setting is whatever a client says it is.
    let mut early = world.db.tenant();
    early.run(&format!("set {setting} = interactive"));
    let mut options = world.db.config("tenant");
    let options = options.options(&format!("-c {setting}=interactive"));
    for mut session in [early, options.connect(NoTls).unwrap()] {
        session.run("begin");
        session.authenticate(&token_of("eve")).unwrap();
        session.run("savepoint s");
        assert_eq!(session.refused("select auth.create_organization('x')"), refused);
        // That takes the identity away, too.
        session.run("rollback to s; reset all");
        session.authenticate(&token_of("eve")).unwrap();
        session.run("savepoint s");
        assert_eq!(session.refused("select auth.create_organization('x')"), refused);
        for scope in ["", "local"] {
            let denied = session.refused(&format!("rollback to s; set {scope} {setting} = interactive"));
            assert_eq!(denied, format!("42501 permission denied to set parameter \"{setting}\""));
        }
    }
    world.db.superuser().run("select auth.create_organization('x')");
    world.db.connect("administrator").run("select auth.create_organization('y', owner_id => 'eve')");
    assert_eq!(world.act("eve", "select count(*) from auth.list_organizations()").as_deref(), Some("2"));
}

#[test]
fn whoever_creates_an_organization_owns_it_and_nothing_else() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_of("ada")).unwrap();
    let id = session.value("select auth.create_organization('a', metadata => '{\"a\": 1}')").unwrap();
    // For policies from the next authenticate on.
    assert_eq!(session.value(&format!("select auth.is_member('{id}')")).as_deref(), Some("f"));
    session.authenticate(&token_of("ada")).unwrap();
    assert_eq!(session.value("select auth.current_org()"), Some(id.clone()));
    let all = "select concat_ws(' ', org_id, name, slug, external_id, metadata, role, disabled_at) from auth.list_organizations()";
    assert_eq!(session.value(all), Some(format!("{id} a {{\"a\": 1}} owner")));
    session.run("commit; begin");
    // A token without a subject is nobody who could own something.
    session
        .authenticate(&hs256(&json!({"iss": ISSUER, "org_id": id, "iat": now(), "exp": now() + 600})))
        .unwrap();
    session.run("savepoint s");
    for call in ["create_organization('x')", "accept_invitation('x')", &format!("list_members('{id}')")] {
        assert_contains(session.refused(&format!("select auth.{call}")), "42501 ");
        session.run("rollback to s");
    }
}
