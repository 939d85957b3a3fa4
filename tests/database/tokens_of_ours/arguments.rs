//! Values that are not allowed, in every argument.

use super::world::*;
use pg_bearer_tests::database::{Session, refusal};
use serde_json::json;

/// Claims that readers of tokens give a meaning, besides those that our issuers map.
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "role",
    "act",
    "may_act",
    "aal",
    "acr",
    "amr",
    "auth_time",
    "azp",
    "client_id",
    "cnf",
    "nonce",
    "events",
    "token_use",
    "sid",
    "session_id",
    "email",
    "email_verified",
    "phone",
    "phone_verified",
    "org_id",
    "org_role",
    "workspace_id",
    "permissions",
    "scope",
    "scopes",
    "environment",
    "is_anonymous",
    "app_metadata",
    "user_metadata",
    "roles",
    "groups",
    "entitlements",
];

/// Each call is refused, and nothing is written.
fn refused(world: &mut World, credential: &str, call: &str, expected: &str) {
    let before = world.rows();
    let told = world.told(credential, &format!("select auth.{call}"));
    assert!(told.starts_with(expected), "{}: {told}", call.chars().take(100).collect::<String>());
    assert_eq!(world.rows(), before, "{call}");
}

#[test]
fn t146_no_reserved_claim_is_taken() {
    let mut world = World::new();
    let expected = "22023 claims has a value that is not allowed";
    for name in RESERVED {
        for value in ["null", "\"x\"", "{}"] {
            refused(
                &mut world,
                &service(),
                &format!(r#"issue_jwt('eve', claims => '{{"a": 1, "{name}": {value}}}')"#),
                expected,
            );
        }
    }
    // By another spelling it is the same name in JSON, or another name for everybody.
    refused(&mut world, &service(), r#"issue_jwt('eve', claims => '{"\u0073ub": "x"}')"#, expected);
    refused(&mut world, &service(), r#"issue_jwt('eve', claims => '{"sub": 1, "sub": 2}')"#, expected);
    for (claims, path) in [
        (r#"{"Sub": "ada"}"#, "Sub"),
        (r#"{" sub": "ada"}"#, " sub"),
        (r#"{"plan": {"sub": "ada"}}"#, "plan"),
    ] {
        let token = world.mint(&service(), &format!("issue_jwt('cara', claims => '{claims}')"));
        assert_eq!(world.ask(&token, "select auth.user_id()").as_deref(), Some("cara"));
        assert!(payload(&token)[path] != serde_json::Value::Null);
    }
}

#[test]
fn t146_every_claim_that_our_issuer_maps_is_reserved() {
    let mut world = World::new();
    let mapped = "select coalesce(min(path[1]), '-') from auth.issuers i
        cross join lateral (values (org_claim), (workspace_claim), (role_claim), (org_role_claim), (permissions_claim),
                                   (scopes_claim), (email_claim), (email_verified_claim)) c (path)
        where i.own and path <> '{}' and path[1] <> all (auth_internal.reserved_claims())";
    assert_eq!(world.admin.value(mapped).as_deref(), Some("-"));
    // Nobody maps another one.
    let columns = "select string_agg(column_name, ' ') from information_schema.columns
        where table_schema = 'auth' and table_name = 'issuers' and column_name ~ '_claim$'";
    let columns = world.admin.value(columns).unwrap();
    assert_eq!(columns.split(' ').count(), 8, "{columns}");
    for change in columns.split(' ').map(|column| format!("{column} => '{{mine}}'")).chain(
        [
            "memberships_from_claims => true",
            "user_id_prefix => 'x:'",
            "org_ids => array[gen_random_uuid()], user_id_prefix => 'x:'",
        ]
        .map(str::to_owned),
    ) {
        let told = world.admin.refused(&format!("select auth.update_issuer('{OURS}', {change})"));
        assert!(told.starts_with("22023 "), "{change}: {told}");
        let told = world
            .admin
            .refused(&format!("select auth.add_issuer('https://new.example', own => true, {change})"));
        assert!(told.starts_with("22023 "), "{change}: {told}");
    }
    let listed = world.admin.value("select array_to_string(auth_internal.reserved_claims(), ' ')").unwrap();
    assert_eq!(listed, RESERVED.join(" "));
}

#[test]
fn t146_claims_that_are_no_small_object_are_refused() {
    let mut world = World::new();
    let named = "22023 claims has a value that is not allowed";
    for (claims, expected) in [
        ("'[]'", named),
        ("'null'", named),
        ("'\"sub\"'", named),
        ("'1'", named),
        ("jsonb_build_object('a', repeat('x', 8192))", named),
        ("jsonb_build_object(repeat('x', 8192), 1)", named),
        ("(select jsonb_object_agg('n' || n, n) from generate_series(1, 1000) n)", named),
        (
            "('{\"a\": ' || repeat('[', 200) || repeat(']', 200) || '}')::jsonb",
            "22023 the token would be refused",
        ),
        ("'{\"a\": 1e400}'", "22023 the token would be refused"),
        ("'{\"a\": [-1e999]}'", "22023 the token would be refused"),
    ] {
        refused(&mut world, &service(), &format!("issue_jwt('ada', claims => {claims})"), expected);
    }
    for claims in ["null", "'{}'", r#"'{"plan": "pro", "n": -1.5e3, "deep": {"a": [1, null, "\u00e9"]}}'"#] {
        assert_eq!(
            world.told(&service(), &format!("select auth.issue_jwt('ada', claims => {claims})")),
            "ok",
            "{claims}"
        );
    }
    // Policies may ask for a claim: users, and API keys, make none up.
    let key = world.key(&user("ada"), "'k', :north");
    for (credential, call) in [
        (user("ada"), r#"issue_jwt(claims => '{"plan": "pro"}')"#),
        (user_with("ada", json!({"plan": "free"})), r#"issue_jwt(claims => '{"plan": "pro"}')"#),
        (user_with("ada", json!({"plan": "free"})), r#"issue_jwt(claims => '{"plan": "free", "x": 1}')"#),
        (key, r#"issue_jwt('a name', claims => '{"plan": "pro"}')"#),
    ] {
        refused(&mut world, &credential, call, "42501 the token would go beyond what you may do");
    }
    let paying = user_with("ada", json!({"plan": "pro"}));
    let token = world.mint(&paying, r#"issue_jwt(claims => '{"plan": "pro"}')"#);
    assert_eq!(payload(&token)["plan"], "pro");
}

#[test]
fn t387_bad_values_are_refused_by_name_and_nothing_is_written() {
    let mut world = World::new();
    let ada = user("ada");
    for (call, argument) in [
        ("issue_jwt(permissions => '{}')", "permissions"),
        ("issue_jwt(permissions => '{NULL}')", "permissions"),
        ("issue_jwt(permissions => '{a,\"\"}')", "permissions"),
        ("issue_jwt(permissions => '{\"a b\"}')", "permissions"),
        ("issue_jwt(permissions => '{a*}')", "permissions"),
        ("issue_jwt(permissions => array[repeat('x', 101)])", "permissions"),
        (
            "issue_jwt(permissions => (select array_agg('p' || n) from generate_series(1, 201) n))",
            "permissions",
        ),
        ("issue_jwt(scopes => '{\"a b\"}')", "scopes"),
        ("issue_jwt(scopes => '{NULL}')", "scopes"),
        ("issue_jwt(scopes => '{\"\"}')", "scopes"),
        ("issue_jwt(scopes => array[repeat('x', 201)])", "scopes"),
        ("issue_jwt(environment => 'prod')", "environment"),
        ("issue_jwt(environment => '')", "environment"),
        ("issue_jwt(expires_at => 'infinity')", "expires_at"),
        ("issue_jwt(expires_at => '-infinity')", "expires_at"),
        ("issue_jwt(expires_at => now())", "expires_at"),
        ("issue_jwt(expires_at => now() + interval '11 years')", "expires_at"),
        ("issue_jwt(issuer => '')", "issuer"),
        ("issue_jwt(issuer => ':strict')", "issuer"),
    ] {
        refused(&mut world, &ada, call, &format!("22023 {argument} has a value that is not allowed"));
    }
    for (call, argument) in [
        ("issue_jwt('')", "subject"),
        ("issue_jwt(repeat('x', 1025))", "subject"),
        ("issue_jwt('eve', workspace_id => gen_random_uuid())", "workspace_id"),
        ("impersonate('', 'r')", "user_id"),
        ("impersonate(null, 'r')", "user_id"),
        ("impersonate(repeat('x', 1025), 'r')", "user_id"),
        ("impersonate('ben', null)", "reason"),
        ("impersonate('ben', '')", "reason"),
        ("impersonate('ben', '  ')", "reason"),
        (r"impersonate('ben', E'a\nb')", "reason"),
        ("impersonate('ben', repeat('x', 1001))", "reason"),
        ("impersonate('ben', 'r', null)", "ttl"),
        ("impersonate('ben', 'r', '0')", "ttl"),
        ("impersonate('ben', 'r', '-1 hour')", "ttl"),
        ("impersonate('ben', 'r', '25 hours')", "ttl"),
        ("impersonate('ben', 'r', '10000000 years')", "ttl"),
    ] {
        refused(&mut world, &service(), call, &format!("22023 {argument} has a value that is not allowed"));
    }
    let key = world.key(&ada, "'k', :north");
    for ttl in ["null", "'0'", "'-1 day'", "'25 hours'", "'999 milliseconds'"] {
        refused(
            &mut world,
            &key,
            &format!("exchange_api_key({ttl})"),
            "22023 ttl has a value that is not allowed",
        );
    }
    for (call, expected) in [
        ("issue_jwt('eve', org_id => gen_random_uuid())", "22023 no such member"),
        ("issue_jwt('eve', org_id => :north)", "22023 no such member"),
        (
            "issue_jwt('ada', org_id => :south, workspace_id => :desk)",
            "42501 no such workspace, or it is not yours",
        ),
    ] {
        refused(&mut world, &service(), call, expected);
    }
    let before = world.rows();
    for role in ["''", "repeat('x', 64)", r"E'a\nb'"] {
        let told =
            refusal(world.admin.batch_execute(&format!("select auth.issue_jwt('eve', role => {role})")));
        assert_eq!(told, "22023 role has a value that is not allowed", "{role}");
    }
    assert_eq!(world.rows(), before);
}
