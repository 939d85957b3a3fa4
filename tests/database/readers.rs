//! Readers that policies compare columns with: what another system calls the organization, and where the keys
//! of all organizations begin for a service.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

const NAME: &str = "select concat_ws(' ', auth.current_org(), coalesce(auth.external_org_id(), 'none'), auth.external_org_number())";

/// A is called 42 elsewhere, B nothing, C is called acme; ada belongs to all of them, ben to A.
fn prepared() -> Database {
    let db = Database::new();
    db.superuser().run(&format!(
        "insert into auth.organizations (id, name, external_id)
         values ('{ORG_A}', 'a', '42'), ('{ORG_B}', 'b', null), ('{USER_A}', 'c', 'acme');
         select auth.add_member(id, 'ada', 'owner') from auth.organizations;
         select auth.add_member('{ORG_A}', 'ben', 'owner')"
    ));
    db
}

/// The organization of a token of this issuer with these claims, in its own and in another system's names.
fn name_for(session: &mut Client, claims: Value) -> String {
    session.run("begin");
    let token = with(json!({"iss": STRICT_ISSUER, "iat": now(), "exp": now() + 600}), claims);
    session.authenticate(&hs256(&token)).unwrap();
    let name = session.value(NAME).unwrap();
    session.run("rollback");
    name
}

#[test]
fn an_organization_has_its_other_name_however_the_credential_came_to_it() {
    let db = prepared();
    let mut session = db.tenant();
    for (claims, expected) in [
        (json!({"sub": "ben"}), format!("{ORG_A} 42 42")),
        (json!({"sub": "ada", "org_id": ORG_A}), format!("{ORG_A} 42 42")),
        (json!({"sub": "ada", "org_id": "42"}), format!("{ORG_A} 42 42")),
        (json!({"sub": "ada", "org_id": 42}), format!("{ORG_A} 42 42")),
        (json!({"sub": "ada", "org_id": "acme"}), format!("{USER_A} acme")),
        (json!({"sub": "ada", "org_id": ORG_B}), format!("{ORG_B} none")),
        (json!({"sub": "ada"}), "none".to_owned()),
        (json!({"sub": "ben", "org_id": "acme"}), "none".to_owned()),
        (json!({"iss": ISSUER, "sub": "x", "org_id": ORG_A}), format!("{ORG_A} 42 42")),
        (json!({"iss": ISSUER, "sub": "x", "org_id": "42"}), format!("{ORG_A} 42 42")),
        (json!({"iss": ISSUER, "sub": "x", "org_id": [ORG_A, ORG_B]}), "none".to_owned()),
        (json!({"iss": ISSUER, "sub": "x", "org_id": USER_B}), format!("{USER_B} none")),
        (json!({"iss": ISSUER, "sub": "ben"}), format!("{ORG_A} 42 42")),
    ] {
        assert_eq!(name_for(&mut session, claims.clone()), expected, "{claims}");
    }
}

#[test]
fn an_api_key_knows_the_other_name_of_its_organization() {
    let db = prepared();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_of("ben")).unwrap();
    let create = format!("select key from auth.create_api_key('k', org_id => '{ORG_A}')");
    let key = session.value(&create).unwrap();
    session.run("commit; begin");
    session.authenticate(&key).unwrap();
    assert_eq!(session.value(NAME), Some(format!("{ORG_A} 42 42")));
}

#[test]
fn set_org_takes_the_other_name_along() {
    let db = prepared();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_of("ada")).unwrap();
    for (org, expected) in [
        (ORG_A, format!("{ORG_A} 42 42")),
        (USER_A, format!("{USER_A} acme")),
        (ORG_B, format!("{ORG_B} none")),
        (ORG_A, format!("{ORG_A} 42 42")),
    ] {
        session.run(&format!("select auth.set_org('{org}')"));
        assert_eq!(session.value(NAME), Some(expected), "{org}");
    }
    // It is what it was when the identity was established.
    db.superuser().run(&format!("select auth.update_organization('{ORG_A}', external_id => '43')"));
    assert_eq!(session.value("select auth.external_org_number()").as_deref(), Some("42"));
    session.run("commit");
    assert_values(
        &mut session,
        &[("select auth.external_org_id()", None), ("select auth.external_org_number()", None)],
    );
}

#[test]
fn only_a_number_as_bigint_writes_it_is_one() {
    let db = prepared();
    let (mut superuser, mut session) = (db.superuser(), db.tenant());
    for (name, number) in [
        ("0", Some("0")),
        ("-1", Some("-1")),
        ("9223372036854775807", Some("9223372036854775807")),
        ("-9223372036854775808", Some("-9223372036854775808")),
        ("9223372036854775808", None),
        ("042", None),
        ("+42", None),
        ("-0", None),
        (" 42", None),
        ("4２", None),
        ("4e2", None),
        ("0x2a", None),
        ("org_42", None),
    ] {
        superuser.run(&format!("update auth.organizations set external_id = '{name}' where id = '{ORG_A}'"));
        session.run("begin");
        session.authenticate(&token_of("ben")).unwrap();
        assert_eq!(session.value("select auth.external_org_id()").as_deref(), Some(name));
        assert_eq!(session.value("select auth.external_org_number()").as_deref(), number, "{name}");
        session.run("rollback");
    }
}

#[test]
fn the_floor_lies_under_every_key_for_services_and_nowhere_for_others() {
    let db = prepared();
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
    let mut session = db.tenant();
    let floors = "select concat_ws(' ', auth.service_floor(), quote_literal(auth.service_floor_text()), auth.service_floor_number())";
    let service = hs256(&with(claims_a(), json!({"role": "service_role"})));
    let lowest = "00000000-0000-0000-0000-000000000000 '' -9223372036854775808";
    for (token, expected) in [(service, lowest), (token_a(), ""), (token_of("ada"), "")] {
        session.run("begin");
        session.authenticate(&token).unwrap();
        assert_eq!(session.value(floors).as_deref(), Some(expected));
        session.run("commit");
        assert_eq!(session.value(floors).as_deref(), Some(""));
    }
}

/// One expression is evaluated for many identities: what it kept of the first must not show up later.
#[test]
fn t021_kept_texts_and_numbers_follow_the_identity_within_one_query() {
    let db = prepared();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_of("ada")).unwrap();
    let names = session
        .value(&format!(
            "select string_agg(concat_ws(' ', auth.external_org_id(), auth.external_org_number(), auth.user_id(), auth.environment()), ',')
               from (values ('{ORG_A}'::uuid), ('{USER_A}'), ('{ORG_B}'), ('{ORG_A}')) o (id), lateral (select auth.set_org(o.id) offset 0) s"
        ));
    assert_eq!(names.as_deref(), Some("42 42 ada live,acme ada live,ada live,42 42 ada live"));
}
