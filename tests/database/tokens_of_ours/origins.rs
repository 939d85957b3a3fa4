//! What a token came from: how long that is believed, what of it stays in the token, and what the token may not do there.

use super::world::*;
use pg_bearer_tests::database::{Session, refusal};
use pg_bearer_tests::token::now;
use serde_json::{Value, json};

const WIDER: &str = "42501 the token would go beyond what you may do";

/// What happens, and which of those end: the token that a user of the limited issuer made in north, one that a user of the
/// strict issuer made, and one that a service of that made for somebody.
const HAPPENS: &[(&str, [bool; 3])] = &[
    ("select 1", [false, false, false]),
    (
        "select auth.revoke_jwt_key(k.id) from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id where i.issuer = ':limited'",
        [true, false, false],
    ),
    (
        "select auth.revoke_jwt_key(k.id) from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id where i.issuer = ':strict'",
        [false, true, true],
    ),
    ("select auth.remove_issuer(':limited')", [true, false, false]),
    ("select auth.remove_issuer(':strict')", [false, true, true]),
    ("select auth.update_issuer(':limited', user_id_prefix => 'q:')", [true, false, false]),
    ("select auth.update_issuer(':strict', user_id_prefix => 'q:')", [false, true, true]),
    ("select auth.update_issuer(':limited', org_ids => array[:south]::uuid[])", [true, false, false]),
    (
        "select auth.update_issuer(':limited', org_ids => array[:south, :north]::uuid[])",
        [false, false, false],
    ),
    ("select auth.update_issuer(':limited', environment => 'test')", [true, false, false]),
    ("select auth.update_issuer(':strict', environment => 'test')", [false, true, true]),
    ("select auth.update_issuer(':strict', allow_service_role => false)", [false, false, true]),
];

#[test]
fn t410_tokens_end_when_the_issuer_that_they_came_from_is_believed_no_more() {
    let mut world = World::new();
    let tokens = [
        world.mint(&limited_user("ada"), "issue_jwt(org_id => :north)"),
        world.mint(&user("ada"), "issue_jwt()"),
        world.mint(&service(), "issue_jwt('eve')"),
    ];
    let children = [world.mint(&tokens[0], "issue_jwt()"), world.mint(&tokens[1], "issue_jwt()")];
    for (happens, ended) in HAPPENS {
        world.admin.run("begin");
        let happens = world.fill(happens);
        world.admin.run(&happens);
        let all = tokens.iter().zip(ended).chain(children.iter().zip(ended));
        for (at, (token, is_ended)) in all.enumerate() {
            world.admin.run("savepoint a");
            let done = world.admin.batch_execute(&format!("select auth.authenticate('{token}')"));
            assert_eq!(done.is_err(), *is_ended, "{happens}: {at}");
            world.admin.run("rollback to a");
        }
        world.admin.run("rollback");
    }
}

#[test]
fn t411_what_a_token_says_of_its_user_and_client_stays() {
    let mut world = World::new();
    let said = json!({"role": "customer", "is_anonymous": true, "azp": "app", "client_id": "other"});
    let own = user_with("ada", with_more(&said, json!({"plan": "free"})));
    let child = world.mint(&own, "issue_jwt()");
    let grandchild = world.mint(&child, "issue_jwt(org_id => :north)");
    for token in [&child, &grandchild] {
        let found = payload(token);
        for (name, value) in said.as_object().unwrap() {
            assert_eq!(&found[name], value, "{name}");
        }
        assert_eq!(found["plan"], Value::Null);
    }
    // Not of a service in what it makes for others.
    let robot = user_with("robot", json!({"role": "service_role", "azp": "app", "is_anonymous": true}));
    let others = payload(&world.mint(&robot, "issue_jwt('eve')"));
    assert_eq!(
        (&others["role"], &others["azp"], &others["is_anonymous"]),
        (&json!("authenticated"), &Value::Null, &Value::Null)
    );
}

fn with_more(claims: &Value, more: Value) -> Value {
    pg_bearer_tests::token::with(claims.clone(), more)
}

#[test]
fn t412_a_part_of_a_claim_is_not_the_claim() {
    let mut world = World::new();
    let own =
        user_with("ada", json!({"plan": {"name": "pro", "seats": 5}, "tags": ["a", "b"], "flag": true}));
    for claims in [
        r#"{"plan": {}}"#,
        r#"{"plan": {"name": "pro"}}"#,
        r#"{"tags": []}"#,
        r#"{"tags": ["a"]}"#,
        r#"{"tags": ["b", "a"]}"#,
        r#"{"tags": "a"}"#,
        r#"{"flag": false}"#,
        r#"{"flag": true, "more": 1}"#,
        r#"{"more": null}"#,
        r#"{"flag": null}"#,
    ] {
        let told = world.told(&own, &format!("select auth.issue_jwt(claims => '{claims}')"));
        assert_eq!(told, WIDER, "{claims}");
    }
    for claims in ["{}", r#"{"tags": ["a", "b"], "plan": {"seats": 5, "name": "pro"}}"#] {
        let token = world.mint(&own, &format!("issue_jwt(claims => '{claims}')"));
        let (found, asked) = (payload(&token), serde_json::from_str::<Value>(claims).unwrap());
        for (name, value) in asked.as_object().unwrap() {
            assert_eq!(&found[name], value, "{claims}");
        }
    }
    let key = world.key(&user("ada"), "'k', :north");
    assert_eq!(world.told(&key, "select auth.issue_jwt(claims => '{\"flag\": true}')"), WIDER);
    world.mint(&key, "issue_jwt(claims => '{}')");
}

#[test]
fn t413_what_is_no_scope_does_not_become_several() {
    let mut world = World::new();
    let own =
        user_with("ada", json!({"scope": ["tokens.write", "invoices.read members.write", "a\"b", "é"]}));
    let child = world.mint(&own, "issue_jwt()");
    assert_eq!(payload(&child)["scope"], json!("tokens.write"));
    assert_eq!(payload(&child)["permissions"], json!(["tokens.write", "a\"b", "é"]));
    for scope in ["invoices.read", "members.write"] {
        let asked = format!("select auth.has_scope('{scope}')");
        assert_eq!(world.ask(&own, &asked).as_deref(), Some("false"));
        assert_eq!(world.ask(&child, &asked).as_deref(), Some("false"));
        let told = world.told(&own, &format!("select auth.issue_jwt(scopes => '{{{scope}}}')"));
        assert_eq!(told, WIDER);
    }
}

/// Ways to make, change or end what belongs to an organization or a user.
const MANAGED: &[&str] = &[
    "create_api_key('k', :north, scopes => '{invoices.read}')",
    "create_api_key('k', :north, workspace_id => :desk, scopes => '{invoices.read}')",
    "rotate_api_key(:spare)",
    "update_api_key(:spare, name => 'x')",
    "revoke_api_key(:spare)",
    "add_member(:north, 'eve')",
    "set_member_role(:north, 'cara', 'viewer')",
    "remove_member(:north, 'cara')",
    "create_invitation(:north)",
    "define_role('fresh', '{invoices.read}', :north)",
    "create_workspace(:north, 'fresh')",
    "disable_workspace(:desk)",
    "add_workspace_member(:desk, 'cara')",
    "update_organization(:north, name => 'x')",
    "disable_organization(:north)",
    "transfer_ownership(:north, 'ben')",
    "revoke_user('ada')",
    "remove_user('ada')",
];

fn with_spare() -> World {
    let mut world = World::new();
    let sql = "select id from auth.create_api_key('spare', :north, scopes => '{invoices.read}')";
    let spare = world.ask(&user("ada"), sql).unwrap();
    world.name(":spare", &format!("'{spare}'"));
    world
}

#[test]
fn t414_a_token_for_a_workspace_manages_nothing() {
    let mut world = with_spare();
    let token = world.mint(&user("ada"), "issue_jwt(org_id => :north, workspace_id => :desk)");
    let child = world.mint(&token, "issue_jwt()");
    let before = world.rows();
    for token in [&token, &child] {
        for call in MANAGED.iter().chain(&["create_organization('x')", "accept_invitation(:invitation)"]) {
            let told = world.told(token, &format!("select auth.{call}"));
            assert!(told.starts_with("42501 "), "{call}: {told}");
        }
        assert_eq!(world.told(token, "select auth.issue_jwt()"), "ok");
    }
    assert_eq!(world.rows().0, (before.0.parse::<u32>().unwrap() + 2).to_string());
}

#[test]
fn t415_a_token_that_came_from_a_key_changes_and_ends_no_keys() {
    let mut world = with_spare();
    let key = world.key(&user("ada"), "'k', :north");
    for way in
        ["exchange_api_key()", "issue_jwt()", "issue_jwt('cara')", "issue_jwt('ada')", "issue_jwt('x')"]
    {
        let token = world.mint(&key, way);
        for call in [
            "revoke_api_key(auth.api_key_id())",
            "revoke_api_key(:spare)",
            "update_api_key(auth.api_key_id(), name => 'x')",
            "rotate_api_key(auth.api_key_id())",
        ] {
            let told = world.told(&token, &format!("select auth.{call}"));
            // Whoever is no member is not told that there is such a key.
            let expected = match way {
                "issue_jwt('x')" => "42501 no such API key, or it is not yours",
                _ => "42501 a token that came from an API key may not do this",
            };
            assert_eq!(told, expected, "{way}: {call}");
        }
    }
    assert_eq!(world.told(&key, "select auth.revoke_api_key(auth.api_key_id())"), "ok");
}

#[test]
fn t416_a_token_for_one_organization_ends_and_shows_nothing_elsewhere() {
    let mut world = World::new();
    let token = world.mint(&user("ada"), "issue_jwt(org_id => :north)");
    world.mint(&user("ada"), "issue_jwt(org_id => :south)");
    let all = world.mint(&user("ada"), "issue_jwt()");
    for token in [token.clone(), limited_user("ada")] {
        let who = world.ask(&token, "select auth.user_id()").unwrap();
        for call in ["revoke_user", "remove_user"] {
            let told = world.told(&token, &format!("select auth.{call}('{who}')"));
            assert_eq!(told, "42501 the token is for single organizations", "{call}");
        }
    }
    let told = world.told(&token, &format!("select auth.revoke_token('{}')", id_of(&all)));
    assert_eq!(told, "42501 the token is for single organizations");
    let seen = "select string_agg(distinct organization::text, ' ') from auth.list_tokens()";
    assert_eq!(world.ask(&token, seen).map(|id| format!("'{id}'")), Some(world.fill(":north")));
    assert_eq!(world.ask(&user("ada"), "select count(*) from auth.list_tokens()").as_deref(), Some("3"));
    // A token that came from a key shows nothing, as the key.
    let key = world.key(&user("ada"), "'k', :north");
    let exchanged = world.mint(&key, "exchange_api_key()");
    for credential in [&key, &exchanged] {
        assert!(world.told(credential, "select count(*) from auth.list_tokens()").starts_with("42501 "));
    }
}

#[test]
fn t417_a_user_ends_no_tokens_of_whoever_has_that_name_at_another_issuer() {
    let mut world = World::new();
    let (strict, limited) = (user("ada"), limited_user("ada"));
    assert_eq!(world.told(&strict, "select auth.revoke_user('ada', ':limited')"), "ok");
    assert_eq!(world.told(&limited, "select 1"), "ok");
    let told = world.told(&strict, "select auth.revoke_user('p:ada', ':limited')");
    assert_eq!(told, "42501 users end their own tokens only");
    // Whoever may end those of others names a sub.
    assert_eq!(world.told(&service(), "select auth.revoke_user('ada', ':limited')"), "ok");
    assert_eq!(world.told(&limited, "select 1"), REFUSED);
    assert_eq!(world.told(&strict, "select 1"), "ok");
}

#[test]
fn t418_no_open_revocation_of_a_user_holds_up_administrators() {
    let mut world = World::new();
    // Old ones, of which a user's takes away a few.
    let old = world.fill(
        "insert into auth.revocations (kind, value, issuer, issued_before, expires_at)
         select 'user', 'u' || n, ':strict', now() - interval '2 days', now() - interval '1 day' from generate_series(1, 20) n",
    );
    world.admin.run(&old);
    let mut holders = Vec::new();
    for call in
        ["revoke_user('ada')", "revoke_user('ada', ':strict')", "revoke_session()", "remove_user('eva')"]
    {
        let mut holder = world.db.tenant();
        holder.run("begin");
        holder.authenticate(&user(if call.contains("eva") { "eva" } else { "ada" })).unwrap();
        holder.run(&world.fill(&format!("select auth.{call}")));
        holders.push(holder);
    }
    for call in [
        "update_issuer(':strict', leeway => interval '7 seconds')",
        "update_issuer(':strict', user_id_prefix => 'q:')",
        "revoke_jwt_key(k.id) from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id where i.issuer = ':strict'",
        "remove_issuer(':strict')",
        "rotate_signing_key() from auth.create_signing_key()",
        "remove_issuer(':ours')",
    ] {
        let call = world.fill(call);
        world.admin.run(&format!("set statement_timeout = '1.5 s'; select auth.{call}"));
    }
    holders.iter_mut().for_each(|holder| holder.run("rollback"));
}

#[test]
fn t419_a_key_acts_for_members_below_it_and_names_no_role_of_theirs() {
    let mut world = World::new();
    let own = world.key(&user("ada"), "'k', :north");
    let others = world.key(&user("ben"), "'k', :north");
    let nobodys = world.key(&user("ada"), "'k', :north, role => 'admin'");
    let told = "42501 the API key may not make tokens for this member";
    for (key, members) in [(&others, &["ada", "p:ada"][..]), (&nobodys, &["ada", "ben", "p:ada"])] {
        for member in members {
            assert_eq!(world.told(key, &format!("select auth.issue_jwt('{member}')")), told, "{member}");
        }
    }
    for (key, member) in [(&own, "ben"), (&own, "cara"), (&others, "cara"), (&nobodys, "kim")] {
        let token = world.mint(key, &format!("issue_jwt('{member}')"));
        let seen = "select concat_ws(' ', auth.user_id(), auth.org_role(), auth.current_org() = :north)";
        assert_eq!(world.ask(&token, seen), Some(format!("{member} t")));
    }
    // The key's own user keeps the role.
    let token = world.mint(&own, "issue_jwt()");
    assert_eq!(world.ask(&token, "select auth.org_role()").as_deref(), Some("owner"));
}

#[test]
fn t420_a_token_ends_with_its_key_wherever_it_is_asked_about() {
    let mut world = World::new();
    let key = world.key(&user("ada"), "'k', :north");
    let id = world.ask(&key, "select auth.api_key_id()").unwrap();
    let tokens =
        ["exchange_api_key()", "issue_jwt('cara')", "issue_jwt('x')"].map(|way| world.mint(&key, way));
    let asked = |world: &mut World, token: &str| {
        let mut session = world.db.tenant();
        let verified = session.execute("select auth.verify_jwt($1)", &[&token]);
        (
            verified.map_or_else(|error| refusal(Err::<(), _>(error)), |_| "ok".to_owned()),
            world.told(token, "select 1"),
        )
    };
    for token in &tokens {
        assert_eq!(asked(&mut world, token), ("ok".to_owned(), "ok".to_owned()));
    }
    assert_eq!(world.told(&user("ada"), &format!("select auth.revoke_api_key('{id}')")), "ok");
    for token in &tokens {
        assert_eq!(asked(&mut world, token), (REFUSED.to_owned(), REFUSED.to_owned()));
    }
}

#[test]
fn t421_a_revocation_lasts_as_long_as_what_the_token_may_have_made() {
    let mut world = World::new();
    let own = world.mint(&user("ada"), "issue_jwt(expires_at => now() + interval '1 hour')");
    let other = user_with("ada", json!({"exp": now() + 60}));
    world.admin.run(&format!("select auth.revoke_token('{own}'), auth.revoke_token('{other}')"));
    let lasts = world.admin.value(&world.fill(
        "select string_agg((issuer = ':ours')::text || ' ' || (expires_at > now() + interval '10 years')::text, ', ' order by issuer)
           from auth.revocations",
    ));
    assert_eq!(lasts.as_deref(), Some("true false, false true"));
}
