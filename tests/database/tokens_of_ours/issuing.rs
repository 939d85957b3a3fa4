//! Who may have which token, and what it says.

use super::world::*;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use serde_json::json;

fn starts(told: &str, expected: &str, context: &str) {
    assert!(told.starts_with(expected), "{context}: {told}");
}

#[test]
fn t380_users_have_tokens_for_themselves_alone() {
    let mut world = World::new();
    for call in ["issue_jwt()", "issue_jwt('ada')", "issue_jwt(subject => 'ada', org_id => :north)"] {
        let token = world.mint(&user("ada"), call);
        assert_eq!(world.ask(&token, "select auth.user_id()").as_deref(), Some("ada"), "{call}");
    }
    for (call, expected) in [
        ("issue_jwt('ben')", "42501 users have tokens for themselves only"),
        ("issue_jwt('')", "42501 users have tokens for themselves only"),
        ("issue_jwt('ADA')", "42501 users have tokens for themselves only"),
        ("issue_jwt(role => 'authenticated')", "42501 only administrators choose the role"),
        ("issue_jwt(role => 'service_role')", "42501 only administrators choose the role"),
        ("exchange_api_key()", "42501 only an API key can be exchanged"),
        ("impersonate('ben', 'r')", "42501 this needs a service credential"),
    ] {
        starts(&world.told(&user("ada"), &format!("select auth.{call}")), expected, call);
    }
    let nobody = hs256(&with(payload(&user("ada")), json!({"sub": null})));
    starts(
        &world.told(&nobody, "select auth.issue_jwt()"),
        "42501 users have tokens for themselves only",
        "no sub",
    );
    let mut session = world.db.tenant();
    assert_contains(session.refused("select auth.issue_jwt()"), "28000 ");
    assert_contains(session.refused("select auth.issue_jwt('ada')"), "28000 ");
}

#[test]
fn t381_an_api_key_has_tokens_for_members_and_names_of_its_own() {
    let mut world = World::new();
    let key = world.key(&user("ada"), "'k', :north");
    let of_nobody = world.key(&user("ada"), "'k', :north, role => 'admin'");
    let north = world.fill(":north").replace('\'', "");
    for key in [&key, &of_nobody] {
        for (call, expected) in [
            ("issue_jwt('cara')", "cara".to_owned()),
            ("issue_jwt('eve')", format!("{north}:eve")),
            ("issue_jwt('a b')", format!("{north}:a b")),
            ("issue_jwt('ada:x', org_id => :north)", format!("{north}:ada:x")),
        ] {
            let token = world.mint(key, call);
            assert_eq!(world.ask(&token, "select auth.user_id()"), Some(expected), "{call}");
            let same = "select (select auth.api_key_id()) is not null and auth.current_org() = :north";
            assert_eq!(world.ask(&token, same).as_deref(), Some("true"));
        }
        for (call, expected) in [
            (r"issue_jwt(E'a\nb')", "22023 subject has a value"),
            (r"issue_jwt(E'\x7f')", "22023 subject has a value"),
            (r"issue_jwt(E'a\u0085')", "22023 subject has a value"),
            ("issue_jwt('')", "22023 subject has a value"),
            ("issue_jwt('  ')", "22023 subject has a value"),
            ("issue_jwt(repeat('x', 201))", "22023 subject has a value"),
            ("issue_jwt('cara', org_id => :south)", "42501 "),
            ("issue_jwt('cara', role => 'authenticated')", "42501 only administrators"),
            ("impersonate('cara', 'r')", "42501 "),
        ] {
            starts(&world.told(key, &format!("select auth.{call}")), expected, call);
        }
    }
    assert_eq!(world.ask(&of_nobody, "select auth.issue_jwt() is not null").as_deref(), Some("true"));
    let weak = world.key(&user("ada"), "'k', :north, scopes => '{invoices.read}'");
    for call in ["issue_jwt()", "issue_jwt('cara')", "issue_jwt('a name')"] {
        let told = world.told(&weak, &format!("select auth.{call}"));
        assert_eq!(told, "42501 the API key may not make tokens", "{call}");
    }
}

#[test]
fn t381_what_came_from_a_key_makes_nothing() {
    let mut world = World::new();
    let key = world.key(&user("ada"), "'k', :north");
    let service_key = world.key(&service(), "'k', kind => 'service'");
    let derived = ["issue_jwt()", "issue_jwt('cara')", "issue_jwt('a name')", "exchange_api_key()"];
    let mut tokens: Vec<String> = derived.iter().map(|call| world.mint(&key, call)).collect();
    tokens.push(world.mint(&service_key, "exchange_api_key()"));
    for token in &tokens {
        for call in [
            "issue_jwt()",
            "issue_jwt('cara')",
            "issue_jwt('ada')",
            "exchange_api_key()",
            "impersonate('ben', 'r')",
            "create_api_key('k', :north)",
            "rotate_api_key(auth.api_key_id())",
        ] {
            let told = world.told(token, &format!("select auth.{call}"));
            starts(&told, "42501 ", call);
        }
    }
}

#[test]
fn t380_services_and_administrators_make_tokens_for_anybody() {
    let mut world = World::new();
    let key = world.key(&service(), "'k', kind => 'service'");
    for maker in [service(), key] {
        let token = world.mint(&maker, "issue_jwt('eve', permissions => '{a.*}')");
        assert_eq!(world.ask(&token, "select auth.user_id()").as_deref(), Some("eve"));
        assert_eq!(world.ask(&token, "select auth.is_service_role()").as_deref(), Some("false"));
        for (call, expected) in [
            ("issue_jwt()", "22023 subject has a value"),
            ("issue_jwt('eve', role => 'authenticated')", "42501 only administrators choose"),
            ("issue_jwt(role => 'service_role')", "42501 only administrators make"),
        ] {
            starts(&world.told(&maker, &format!("select auth.{call}")), expected, call);
        }
    }
    let narrow = user_with("robot", json!({"role": "service_role", "scope": "invoices.read"}));
    starts(&world.told(&narrow, "select auth.issue_jwt('eve')"), "42501 the scopes of the token", "scopes");
    let token = world.made("'eve', org_id => :west, role => 'reporter'");
    assert_eq!(payload(&token)["role"], "reporter");
    assert_eq!(world.ask(&token, "select auth.current_org() = :west").as_deref(), Some("true"));
    let mut administrator = world.db.connect("administrator");
    let token = administrator.value("select auth.issue_jwt('eve')").unwrap();
    assert_eq!(world.ask(&token, "select auth.user_id()").as_deref(), Some("eve"));
}

#[test]
fn t380_tokens_of_services_are_made_by_administrators_where_the_issuer_has_services() {
    let mut world = World::new();
    let token = world.made("role => 'service_role'");
    assert_eq!(
        world.ask(&token, "select auth.is_service_role() and auth.user_id() is null").as_deref(),
        Some("true")
    );
    for arguments in ["'eve', role => 'service_role'", "role => 'service_role', org_id => :north"] {
        let sql = world.fill(&format!("select auth.issue_jwt({arguments})"));
        starts(&world.admin.refused(&sql), "22023 role has a value", arguments);
    }
    world.admin.run(&format!("select auth.update_issuer('{OURS}', allow_service_role => false)"));
    starts(&world.admin.refused("select auth.issue_jwt(role => 'service_role')"), "55000 ", "not allowed");
    assert_eq!(world.told(&token, "select 1"), REFUSED);
}

#[test]
fn one_line_makes_a_token_for_development() {
    let db = pg_bearer_tests::Database::new();
    let mut admin = db.superuser();
    admin.run("select auth.uid()");
    starts(
        &admin.refused("select auth.issue_jwt('dev')"),
        "55000 this database makes no tokens",
        "no issuer",
    );
    admin.run(&format!("select auth.add_issuer('{OURS}', own => true)"));
    starts(
        &admin.refused("select auth.issue_jwt('dev')"),
        "55000 the issuer has no active signing key",
        "no key",
    );
    admin.run("select auth.create_signing_key()");
    let token = admin.value("select auth.issue_jwt('dev')").unwrap();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token).unwrap();
    assert_eq!(session.value("select auth.user_id()").as_deref(), Some("dev"));
}
