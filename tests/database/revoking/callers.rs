//! Who ends what: oneself, services and administrators, and nobody with what was made for less.

use super::world::*;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use serde_json::{Value, json};

const OTHERS: &str = "42501 users end their own tokens only";
const SESSIONS: &str = "42501 users end the session of their own token only";
const SCOPES: &str = "42501 the scopes of the token do not cover this";
const ACTOR: &str = "42501 whoever acts for somebody else gives nothing that lasts";
const TEST: &str = "42501 a test credential changes nothing that counts in the live environment";
const SERVICES: &str = "42501 this needs a service credential or an administrator";

/// A database with a user's tokens, and an issuer of services and of tests.
struct World {
    db: Database,
    /// A token of the user ada, foreign, ours, and its id; and a token of ben's.
    foreign: String,
    own: String,
    own_id: String,
    of_ben: String,
}

fn world() -> World {
    let db = minting();
    let mut administrator = db.superuser();
    administrator.run(&format!(
        "select auth.update_issuer('{ISSUER}', allow_service_role => true);
         select auth.add_issuer('https://test.example', environment => 'test');
         select auth.add_jwt_secret('https://test.example', '{SECRET}');
         select auth.create_organization('o', owner_id => 'ada')"
    ));
    let own = mint(&mut administrator, "ada");
    let own_id = jti(&mut administrator, &own);
    let of_ben = mint(&mut administrator, "ben");
    World { db, foreign: foreign("ada", json!({"sid": "s", "jti": "j"})), own, own_id, of_ben }
}

fn test_token(user: &str) -> String {
    foreign(user, json!({"iss": "https://test.example", "sid": "t", "jti": "t"}))
}

impl World {
    /// Everything that ends something of ada's.
    fn calls(&self) -> Vec<String> {
        vec![
            format!("revoke_token('{}')", self.foreign),
            format!("revoke_token('{}')", self.own),
            format!("revoke_token('{}')", self.own_id),
            format!("revoke_token('{}', '{OWN}')", self.own_id),
            format!("revoke_session('{STRICT_ISSUER}', 's')"),
            "revoke_user('ada')".to_owned(),
            format!("revoke_user('ada', '{STRICT_ISSUER}')"),
            "remove_user('ada')".to_owned(),
        ]
    }

    /// Asserts that these credentials are refused these calls, and that nothing is written.
    fn assert_refused(&self, credentials: &[(&str, &str)], calls: &[String]) {
        let (mut administrator, mut session) = (self.db.superuser(), self.db.tenant());
        let before = everything(&mut administrator);
        for (credential, expected) in credentials {
            for call in calls {
                let refused = refused_to(&mut session, credential, &format!("select auth.{call}"));
                let is_session = call.starts_with("revoke_session") && *expected == OTHERS;
                assert_eq!(refused, if is_session { SESSIONS } else { expected }, "{call}");
            }
        }
        assert_eq!(everything(&mut administrator), before);
    }
}

fn service(claims: Value) -> String {
    hs256(&with(json!({"iss": ISSUER, "role": "service_role", "iat": now(), "exp": now() + 600}), claims))
}

#[test]
fn t394_nobody_ends_what_is_somebody_elses() {
    let world = world();
    let ben = foreign("ben", json!({"sid": "b"}));
    let mut calls = world.calls();
    calls.push("revoke_session(session_id => 's')".to_owned());
    calls.push(format!("revoke_session(issuer => '{ISSUER}')"));
    // What there is not is told as what is somebody else's.
    calls.push("revoke_token('x')".to_owned());
    calls.push("revoke_token(gen_random_uuid()::text)".to_owned());
    calls.push(format!("revoke_token('j', '{STRICT_ISSUER}')"));
    world.assert_refused(&[(&ben, OTHERS), (&world.of_ben, OTHERS)], &calls);
    world.assert_refused(&[(&ben, SERVICES)], &["purge_revocations()".to_owned()]);
}

#[test]
fn t394_nothing_is_ended_by_what_was_made_for_less() {
    let world = world();
    let mut administrator = world.db.superuser();
    let narrow = administrator.value("select auth.issue_jwt('ada', permissions => '{docs.read}')").unwrap();
    let scoped = foreign("ada", json!({"sid": "s", "scope": "openid docs.read"}));
    let actor = administrator.value("select auth.impersonate('ada', 'she asked for help')").unwrap();
    let acting = foreign("ada", json!({"sid": "s", "act": {"sub": "eve"}}));
    let calls = world.calls();
    let (sessions, rest): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.contains("session"));
    world.assert_refused(&[(&narrow, SCOPES), (&scoped, SCOPES), (&actor, ACTOR), (&acting, ACTOR)], &rest);
    world.assert_refused(
        &[(&scoped, SCOPES), (&acting, ACTOR), (&narrow, SESSIONS), (&actor, SESSIONS)],
        &sessions,
    );
    // A service is one for all it does.
    let less = service(json!({"scope": "docs.read"}));
    world.assert_refused(&[(&less, SCOPES)], &world.calls());
    // With the scope it counts (and the last owner stays), and each of them ends itself.
    let mut session = world.db.tenant();
    let enough = foreign("ada", json!({"sid": "s", "scope": "tokens.write"}));
    for call in world.calls().into_iter().take(7) {
        session.run("begin");
        session.authenticate(&enough).unwrap();
        session.run(&format!("select auth.{call}; rollback"));
    }
    for token in [&narrow, &actor] {
        as_bearer(&mut session, token, &format!("select auth.revoke_token('{token}')"));
        assert_ended(&mut session, &[token], &[&world.own], "itself");
    }
}

#[test]
fn t394_no_api_key_ends_the_tokens_of_its_user() {
    let world = world();
    let mut administrator = world.db.superuser();
    let mut session = world.db.tenant();
    let org = administrator.value("select id from auth.organizations").unwrap();
    let key = administrator
        .value(&format!("select key from auth.create_api_key('k', '{org}', user_id => 'ada')"))
        .unwrap();
    let made = as_bearer(&mut session, &key, "select auth.exchange_api_key()");
    let sibling = as_bearer(&mut session, &key, "select auth.exchange_api_key()");
    world.assert_refused(&[(&key, OTHERS), (&made, OTHERS)], &world.calls());
    let others = [
        format!("revoke_token('{sibling}')"),
        format!("revoke_token('{}')", jti(&mut administrator, &sibling)),
    ];
    world.assert_refused(&[(&made, OTHERS)], &others);
    // What came from it, it ends; and a token itself.
    as_bearer(&mut session, &key, &format!("select auth.{}", others[1]));
    assert_ended(&mut session, &[&sibling], &[&made], "the key");
    as_bearer(&mut session, &made, &format!("select auth.revoke_token('{made}')"));
    assert_ended(&mut session, &[&made], &[&key], "itself");
}

#[test]
fn t394_test_credentials_end_nothing_that_counts() {
    let world = world();
    let mut administrator = world.db.superuser();
    let own = administrator.value("select auth.issue_jwt('ada', environment => 'test')").unwrap();
    let (test, services) = (test_token("ada"), service(json!({})));
    let mut calls = world.calls();
    calls.retain(|call| !call.contains("session"));
    world.assert_refused(&[(&test, TEST), (&own, TEST)], &calls);
    world.assert_refused(&[(&test, TEST)], &["revoke_session()".to_owned()]);
    // One test credential ends another.
    let mut session = world.db.tenant();
    session.run("begin");
    session.authenticate(&test).unwrap();
    session.run(&format!("select auth.revoke_token('{own}'); rollback"));
    // A live one ends both.
    session.run("begin");
    session.authenticate(&services).unwrap();
    session.run(&format!("select auth.revoke_token('{own}'), auth.revoke_token('{test}'); commit"));
    assert_ended(&mut session, &[&own, &test], &[&world.own], "a service");
}

#[test]
fn t394_oneself_services_and_administrators_end_what_they_name() {
    for credential in
        [Some(service(json!({}))), Some(service(json!({"scope": "*"}))), None, Some(String::new())]
    {
        let world = world();
        let mut session = world.db.tenant();
        let mut by = if credential.is_some() { world.db.tenant() } else { world.db.connect("administrator") };
        let mut credential = credential.unwrap_or_default();
        let is_user = credential.is_empty() && by.value("select current_user").as_deref() == Some("tenant");
        if is_user {
            credential = foreign("ada", json!({"sid": "s"}));
        }
        for call in world.calls().into_iter().take(7) {
            by.run("begin");
            if !credential.is_empty() {
                by.authenticate(&credential).unwrap();
            }
            by.run(&format!("select auth.{call}; commit"));
            let ended = [&world.own, &world.foreign].map(|token| verdict(&mut session, token) == REFUSED);
            assert_ne!(ended, [false, false], "{call}");
            world.db.superuser().run("truncate auth.revocations");
        }
        assert_eq!(verdict(&mut session, &world.of_ben), GOOD);
    }
}

#[test]
fn t394_nobody_and_nonsense_are_told_so() {
    let world = world();
    let mut administrator = world.db.superuser();
    let mut session = world.db.tenant();
    let before = everything(&mut administrator);
    for call in world.calls().into_iter().chain(["purge_revocations()".to_owned()]) {
        let refused = session.refused(&format!("select auth.{call}"));
        assert_eq!(refused.get(..5), Some("28000"), "{call}: {refused}");
        assert!(!refused.contains("revoked"), "{call}: {refused}");
    }
    let long = "x".repeat(1301);
    for (call, argument) in [
        ("revoke_token(null)", "token"),
        ("revoke_token('x')", "issuer"),
        ("revoke_token('x', 'https://nobody.example')", "issuer"),
        ("revoke_session()", "session_id"),
        (&format!("revoke_session('{STRICT_ISSUER}')"), "session_id"),
        ("revoke_session('https://nobody.example', 's')", "issuer"),
        ("revoke_session(session_id => 's')", "issuer"),
        ("revoke_user(null)", "user_id"),
        ("revoke_user('')", "user_id"),
        (&format!("revoke_user('{long}')"), "user_id"),
        ("revoke_user('ada', 'https://nobody.example')", "issuer"),
        ("remove_user(null)", "user_id"),
        (&format!("remove_user('{long}')"), "user_id"),
    ] {
        let expected = format!("22023 {argument} has a value that is not allowed");
        assert_eq!(administrator.refused(&format!("select auth.{call}")), expected, "{call}");
    }
    for call in [
        format!("revoke_token('{long}', '{STRICT_ISSUER}')"),
        format!("revoke_token('', '{STRICT_ISSUER}')"),
        format!("revoke_session('{STRICT_ISSUER}', '{long}')"),
    ] {
        assert_eq!(
            administrator.refused(&format!("select auth.{call}")),
            "22023 the value is too long for any token"
        );
    }
    for bad in ["eyJ.x.y", &hs256(&with(claims_a(), json!({"iss": "https://nobody.example"})))] {
        assert_eq!(refusal(administrator.execute("select auth.revoke_token($1)", &[&bad])), REFUSED);
    }
    assert_eq!(everything(&mut administrator), before);
}
