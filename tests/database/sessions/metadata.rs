//! What is said of users, by whom, and what counts of it.

use super::callers::told;
use super::world::{OURS, PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::ORG_A;
use serde_json::{Value, json};

/// Wants to be more than it is.
const GREEDY: &str = r#"{"role": "service_role", "aud": "x", "id": "x", "sub": "x", "email_confirmed_at": "2020-01-01", "is_anonymous": true,
    "app_metadata": {"role": "admin"}, "raw_app_meta_data": {"role": "admin"}, "banned_until": null, "org_id": "x", "exp": 9999999999,
    "providers": ["x"], "iss": "x", "email": "eve@example.com", "act": {"sub": "x"}}"#;

#[test]
fn t150_what_users_say_of_themselves_is_their_metadata_and_no_more() {
    let mut world = World::new();
    let mut answer = world.call(&format!("sign_up('ada@example.com', '{PASSWORD}', '{GREEDY}')"));
    let mut expected: Value = serde_json::from_str(GREEDY).unwrap();
    expected.as_object_mut().unwrap().remove("banned_until");
    for round in 0..2 {
        let user = &answer["user"];
        assert_eq!(user["user_metadata"], expected);
        assert_eq!(user["app_metadata"], json!({"provider": "email", "providers": ["email"]}));
        assert_eq!((&user["role"], &user["email"]), (&json!("authenticated"), &json!("ada@example.com")));
        assert_eq!((&user["email_confirmed_at"], &user["is_anonymous"]), (&Value::Null, &json!(false)));
        let identity = world.authenticate(&answer).unwrap();
        assert_eq!((&identity["role"], &identity["user_id"]), (&json!("authenticated"), &user["id"]));
        assert_eq!((&identity["org_id"], &identity["actor"]), (&Value::Null, &Value::Null));
        assert_eq!(identity["claims"]["app_metadata"]["role"], Value::Null);
        if round == 0 {
            let sql = format!("select auth.update_user(data => '{GREEDY}')::text");
            let told = world.as_user(&answer, &sql).unwrap().unwrap();
            assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["user_metadata"], expected);
            answer = world.refresh(member(&answer, "refresh_token"));
        }
    }
}

#[test]
fn t150_users_change_nothing_but_their_data() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let other = world.sign_up("bob@example.com");
    for arguments in [
        "app_metadata => '{}'",
        "email => 'eve@example.com'",
        "email => 'ada@example.com'",
        "email_confirmed => true",
        "email_confirmed => false",
        "phone => ''",
        "data => '{}', app_metadata => '{\"a\": 1}'",
    ] {
        let refused = world.as_user(&answer, &format!("select auth.update_user({arguments})::text"));
        assert_eq!(refused.unwrap_err(), "42501 users change their own data only", "{arguments}");
    }
    for id in [member(&other["user"], "id"), "", "x"] {
        let refused = world.as_user(&answer, &format!("select auth.update_user('{id}', '{{}}')::text"));
        assert!(refused.unwrap_err().starts_with("42501 "), "{id}");
    }
    let own = member(&answer["user"], "id").to_uppercase();
    let refused = world.as_user(&answer, &format!("select auth.update_user('{own}', '{{}}')::text"));
    assert!(refused.unwrap_err().starts_with("42501 "));
    assert_values(
        &mut world.admin,
        &[(
            "select count(*) from auth.users where phone is null and email_confirmed_at is null and email in ('ada@example.com', 'bob@example.com')",
            Some("2"),
        )],
    );
}

#[test]
fn t150_a_member_that_is_null_goes_and_others_stay() {
    let mut world = World::new();
    let answer = world.call(&format!(
        "sign_up('ada@example.com', '{PASSWORD}', '{{\"a\": 1, \"gone\": null, \"b\": {{\"c\": null, \"d\": [null]}}}}')"
    ));
    let nested = json!({"c": null, "d": [null]});
    assert_eq!(answer["user"]["user_metadata"], json!({"a": 1, "b": nested}));
    let mut change = |data: &str| {
        let sql = format!("select auth.update_user(data => '{data}') -> 'user_metadata'");
        let told = world.as_user(&answer, &format!("select ({sql})::text")).unwrap().unwrap();
        serde_json::from_str::<Value>(&told).unwrap()
    };
    assert_eq!(change("{\"a\": null, \"e\": {\"c\": null}}"), json!({"b": nested, "e": {"c": null}}));
    // Members are replaced and not merged.
    assert_eq!(change("{\"b\": {\"x\": 1}}"), json!({"b": {"x": 1}, "e": {"c": null}}));
    assert_eq!(change("{}"), json!({"b": {"x": 1}, "e": {"c": null}}));
    let refreshed = world.refresh(member(&answer, "refresh_token"));
    let claims = &world.authenticate(&refreshed).unwrap()["claims"];
    assert_eq!(claims["user_metadata"], json!({"b": {"x": 1}, "e": {"c": null}}));
    let id = world
        .admin
        .value("select auth.create_user(app_metadata => '{\"a\": {\"b\": null}, \"c\": null}')")
        .unwrap();
    let stored = world.admin.value(&format!("select raw_app_meta_data from auth.users where id = '{id}'"));
    assert_eq!(stored.as_deref(), Some(r#"{"a": {"b": null}, "c": null}"#));
}

#[test]
fn t150_metadata_is_no_more_than_a_token_can_carry() {
    let mut world = World::new();
    let ada = world.sign_up("ada@example.com");
    let id = member(&ada["user"], "id").to_owned();
    let deep = |levels: usize| format!("'{}1{}'", "{\"a\":".repeat(levels), "}".repeat(levels));
    let (fits, too_deep) = (deep(31), deep(32));
    let refused = [
        "jsonb_build_object('a', repeat('x', 1000000))",
        "jsonb_build_object('a', repeat('x', 2040))",
        "'{\"a\": 1e131071}'",
        "'{\"a\": 1e400}'",
        "'{\"a\": [-1e309]}'",
        &too_deep,
        "'null'",
        "'[]'",
        "'\"x\"'",
    ];
    for data in refused {
        for (argument, call) in [
            ("data", format!("sign_up('bob@example.com', '{PASSWORD}', {data})")),
            ("data", format!("sign_in_anonymously({data})")),
            ("data", format!("create_user(data => {data})")),
            ("app_metadata", format!("create_user(app_metadata => {data})")),
            ("data", format!("update_user('{id}', data => {data})")),
            ("app_metadata", format!("update_user('{id}', app_metadata => {data})")),
        ] {
            let told = told(&mut world.admin, &format!("select auth.{call}"));
            assert_eq!(told, format!("22023 {argument} has a value that is not allowed"), "{call}");
        }
        let own = world.as_user(&ada, &format!("select auth.update_user(data => {data})::text"));
        assert!(own.unwrap_err().starts_with("22023 data"), "{data}");
    }
    // Nor by and by.
    world
        .as_user(&ada, "select auth.update_user(data => jsonb_build_object('a', repeat('x', 1100)))::text")
        .unwrap();
    let more = world
        .as_user(&ada, "select auth.update_user(data => jsonb_build_object('b', repeat('x', 1100)))::text");
    assert_eq!(more.unwrap_err(), "22023 data has a value that is not allowed");
    // As much as there may be of everything is in a token that is accepted.
    let full = "jsonb_build_object('a', repeat('\u{1f600}', 509))";
    world.admin.run(&format!("select auth.update_user('{id}', data => {full}, app_metadata => jsonb_build_object('a', repeat('\"', 950), 'provider', null, 'providers', null))"));
    world.admin.run(&format!("select auth.update_user('{id}', data => {fits}::jsonb || '{{\"b\": 1}}')"));
    let answer = world.sign_in("ada@example.com", PASSWORD);
    assert!(world.is_good(&answer), "{}", member(&answer, "access_token").len());
}

/// What the hook access_token returns, and what is made of it.
fn hooked(world: &mut World, claims: &str) -> Result<Value, String> {
    let owner = format!("app_{}", world.db.name);
    world.admin.run(&format!(
        "create or replace function app.claims(event jsonb) returns jsonb language plpgsql as $hook$ begin return {claims}; end $hook$;
         alter function app.claims(jsonb) owner to {owner}; select auth.set_hook('access_token', 'app.claims')"
    ));
    let sql = "select auth.sign_in_anonymously('{\"role\": \"admin\"}')";
    match told(&mut world.session, sql) {
        ok if ok == "ok" => Ok(world.call("sign_in_anonymously('{\"role\": \"admin\"}')")),
        refused => Err(refused),
    }
}

#[test]
fn t146_what_a_hook_adds_never_says_who_somebody_is_or_may() {
    let mut world = World::with_mail();
    // Other issuers' names for it are reserved, too.
    world.admin.run(
        "select auth.add_issuer('https://other.example', org_claim => '{tenant,id}', role_claim => '{app_role}',
            permissions_claim => '{may}', scopes_claim => '{scp}', email_claim => '{mail}', email_verified_claim => '{mail_ok}',
            workspace_claim => '{space}', org_role_claim => '{rank}')",
    );
    let reserved = world.admin.value("select jsonb_object_agg(c, to_jsonb('forged'::text)) from unnest(auth_internal.reserved_claims() || '{tenant,app_role,may,scp,mail,mail_ok,space,rank}'::text[]) c").unwrap();
    let plain = hooked(&mut world, "null").unwrap();
    let answer =
        hooked(&mut world, &format!("'{reserved}'::jsonb || '{{\"level\": 7, \"Role\": \"x\"}}'")).unwrap();
    let (before, after) = (world.authenticate(&plain).unwrap(), world.authenticate(&answer).unwrap());
    assert_eq!(after["claims"]["level"], 7);
    for claim in [
        "tenant",
        "app_role",
        "may",
        "scp",
        "mail",
        "mail_ok",
        "space",
        "rank",
        "org_id",
        "act",
        "scope",
        "permissions",
    ] {
        assert!(after["claims"].get(claim).is_none(), "{claim}");
    }
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    for name in
        ["role", "kind", "issuer", "org_id", "permissions", "environment", "email", "actor", "aal", "scopes"]
    {
        assert_eq!(before[name], after[name], "{name}");
    }
    for claim in
        ["iss", "aud", "role", "aal", "is_anonymous", "app_metadata", "user_metadata", "email", "phone"]
    {
        assert_eq!(before["claims"][claim], after["claims"][claim], "{claim}");
    }
    assert_eq!(after["user_id"], answer["user"]["id"]);
    assert_eq!(after["claims"]["sub"], answer["user"]["id"]);
    assert_eq!(after["session_id"], after["claims"]["session_id"]);
    assert!(!after["claims"].to_string().contains("forged"), "{after}");
    // Also when it is refreshed.
    let refreshed = world.refresh(member(&answer, "refresh_token"));
    let again = world.authenticate(&refreshed).unwrap();
    assert_eq!((&again["user_id"], &again["role"]), (&after["user_id"], &after["role"]));
    assert!(again["claims"]["level"] == 7 && !again.to_string().contains("forged"));
}

#[test]
fn t146_what_is_no_object_of_claims_is_no_token() {
    let mut world = World::with_mail();
    for nothing in ["null", "'null'", "'{}'", "jsonb_build_object('sub', repeat('x', 100000))"] {
        let answer = hooked(&mut world, nothing).unwrap();
        assert!(world.is_good(&answer), "{nothing}");
    }
    for wrong in [
        "'[]'",
        "'17'",
        "'\"x\"'",
        "'true'",
        "jsonb_build_object('a', repeat('x', 4096))",
        "jsonb_build_object('a', repeat('x', 1000000))",
        "'{\"a\": 1e400}'",
        "('{\"a\":' || repeat('[', 40) || repeat(']', 40) || '}')::jsonb",
    ] {
        assert_eq!(hooked(&mut world, wrong).unwrap_err(), "55000 hook \"access_token\" failed", "{wrong}");
    }
    let most = hooked(&mut world, "jsonb_build_object('a', repeat('x', 4080))").unwrap();
    assert!(world.is_good(&most));
}

#[test]
fn t146_metadata_is_no_organization() {
    let mut world = World::with_mail();
    // Nobody has it read from what users say.
    let id = world.admin.value("select auth.create_organization('o', owner_id => 'somebody')").unwrap();
    for mapped in [
        "org_claim => '{user_metadata,org}'",
        "role_claim => '{user_metadata,role}'",
        "permissions_claim => '{may}'",
    ] {
        let refused = world.admin.refused(&format!("select auth.update_issuer('{OURS}', {mapped})"));
        assert_eq!(refused, "22023 own has a value that is not allowed");
    }
    for org in [id.as_str(), ORG_A] {
        let said = format!(
            "'{{\"tenant\": \"{org}\", \"rank\": \"owner\", \"may\": [\"*\"], \"org_id\": \"{org}\"}}'"
        );
        let answer = hooked(&mut world, &said).unwrap();
        let sql = format!("select auth.update_user(data => {said})::text");
        world.as_user(&answer, &sql).unwrap();
        let refreshed = world.refresh(member(&answer, "refresh_token"));
        let identity = world.authenticate(&refreshed).unwrap();
        assert!(identity["claims"].get("org_id").is_none() && identity["org_id"].is_null(), "{identity}");
        let inside =
            format!("select (auth.current_org() is null and auth.in_org('{org}') is not true)::text");
        assert_eq!(world.as_user(&refreshed, &inside).unwrap().as_deref(), Some("true"));
    }
}

#[test]
fn of_two_who_change_a_user_at_once_neither_undoes_what_the_other_did() {
    let mut world = World::new();
    let ada = world.sign_up("ada@example.com");
    let id = member(&ada["user"], "id").to_owned();
    let mut other = world.db.superuser();
    other.run(&format!("begin; select auth.update_user('{id}', data => '{{\"a\": 1}}', app_metadata => '{{\"plan\": \"none\"}}', email => 'new@example.com', phone => '7')"));
    std::thread::scope(|scope| {
        let changing = scope
            .spawn(|| world.as_user(&ada, "select auth.update_user(data => '{\"b\": 2}')::text").unwrap());
        std::thread::sleep(std::time::Duration::from_millis(500));
        other.run("commit");
        changing.join().unwrap();
    });
    assert_values(
        &mut other,
        &[
            ("select raw_user_meta_data from auth.users", Some(r#"{"a": 1, "b": 2}"#)),
            (
                "select email || phone || (raw_app_meta_data ->> 'plan') from auth.users",
                Some("new@example.com7none"),
            ),
        ],
    );
    // Nobody waits for ever, and nobody waits to sign in.
    other.run(&format!("begin; select auth.update_user('{id}', phone => '8')"));
    assert!(world.sign_in("new@example.com", PASSWORD)["access_token"].is_string());
    let refused = world.as_user(&ada, "select auth.update_user(data => '{}')::text");
    assert_eq!(refused.unwrap_err(), "53400 somebody else is changing the same");
    other.run("rollback");
    let signed_in = world.admin.value("select last_sign_in_at is not null from auth.users");
    assert_eq!(signed_in.as_deref(), Some("t"));
}
