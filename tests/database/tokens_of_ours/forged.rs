//! Whoever has the private key makes no token all the same.

use super::world::*;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use serde_json::{Value, json};

/// A token with this payload, signed with our own key by a superuser.
fn signed(world: &mut World, payload: &str) -> String {
    let sql = "select auth_internal.sign_jwt(k.id, k.alg, $1, null, gen_random_uuid(), now())
                 from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id where i.own and k.state = 'active'";
    world.admin.query_one(sql, &[&payload]).unwrap().get(0)
}

#[test]
fn t388_the_private_key_alone_makes_no_token() {
    let mut world = World::new();
    let token = world.mint(&user("cara"), "issue_jwt(expires_at => now() + interval '1 hour')");
    let (claims, mut forged) = (payload(&token), Vec::new());
    // That it is the key is shown by the token itself.
    let text = String::from_utf8(base64(&token)).unwrap();
    let again = signed(&mut world, &text);
    assert_eq!(world.ask(&again, "select auth.user_id()").as_deref(), Some("cara"));
    for change in [
        json!({"jti": null}),
        json!({"jti": "00000000-0000-4000-8000-000000000000"}),
        json!({"jti": "x"}),
        json!({"jti": 5}),
        json!({"sub": "ada"}),
        json!({"role": "service_role"}),
        json!({"exp": now() + 86_400 * 365}),
        json!({"scope": "*"}),
        json!({"environment": "test"}),
        json!({"plan": "pro"}),
        json!({}),
    ] {
        forged.push((change.clone(), with(claims.clone(), change).to_string()));
    }
    forged.push((Value::Null, format!("{text} ")));
    for (change, payload) in forged {
        if payload == text {
            continue;
        }
        let token = signed(&mut world, &payload);
        assert_eq!(world.told(&token, "select 1"), REFUSED, "{change}");
    }
}

fn base64(token: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()
}

#[test]
fn t388_a_token_of_one_issuer_of_ours_is_none_of_another() {
    let mut world = World::new();
    let other = "https://other.example";
    world.admin.run(&format!(
        "select auth.add_issuer('{other}', own => true), auth.create_signing_key(issuer => '{other}')"
    ));
    assert_contains(world.told(&user("ada"), "select auth.issue_jwt()"), "22023 issuer must be given");
    let token = world.mint(&user("ada"), &format!("issue_jwt(issuer => '{OURS}')"));
    for issuer in [OURS, other] {
        let told = world.told(&token, &format!("select auth.issue_jwt(issuer => '{issuer}')"));
        assert_eq!(told == "ok", issuer == OURS, "{told}");
    }
    // The row moved to the other one, and signed by neither for it.
    world.admin.run(&format!(
        "update auth.minted_tokens set issuer_id = (select id from auth.issuers where issuer = '{other}')"
    ));
    assert_eq!(world.told(&token, "select 1"), REFUSED);
}

#[test]
fn t388_nobody_else_signs_or_writes_rows() {
    let world = World::new();
    for role in ["tenant", "administrator"] {
        let mut session = world.db.connect(role);
        for sql in [
            "select auth_internal.sign_jwt(gen_random_uuid(), 'ES256', '{}', null, gen_random_uuid(), now())",
            "select * from auth.minted_tokens",
            "insert into auth.minted_tokens default values",
            "update auth.minted_tokens set permissions = null",
            "delete from auth.minted_tokens",
            "select auth_internal.mint('token.issue', null, null, 'x', null, null)",
            "select auth_internal.origin_of_identity()",
        ] {
            assert_contains(session.refused(sql), "42501 permission denied");
        }
    }
}
