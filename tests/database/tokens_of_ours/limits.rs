//! How many tokens there may be, and how long they live.

use super::world::*;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::now;

fn set(world: &mut World, setting: &str) {
    let name = world.db.name.clone();
    world.admin.run(&format!("alter database {name} set {setting}"));
    world.session = world.db.tenant();
    world.admin = world.db.superuser();
}

#[test]
fn t386_a_user_and_a_key_have_so_many_tokens_at_most() {
    let mut world = World::new();
    set(&mut world, "pg_bearer.max_tokens = 3");
    let key = world.key(&user("ada"), "'k', :north");
    let other = world.key(&user("ada"), "'k', :north");
    for (credential, call) in [
        (user("ada"), "issue_jwt()"),
        (user("cara"), "issue_jwt(org_id => :north)"),
        (key.clone(), "issue_jwt('a name')"),
        (other, "exchange_api_key()"),
    ] {
        for _ in 0..3 {
            world.mint(&credential, call);
        }
        let before = world.rows();
        let told = world.told(&credential, &format!("select auth.{call}"));
        assert_eq!(told, "54000 there are as many tokens as there may be", "{call}");
        assert_eq!(world.rows(), before);
    }
    assert!(world.told(&key, "select auth.issue_jwt('another')").starts_with("54000 "));
    // Services are not limited, and what has expired does not count.
    world.mint(&service(), "issue_jwt('ada')");
    world.admin.run("update auth.minted_tokens set expires_at = now() - interval '1 second'");
    world.mint(&user("ada"), "issue_jwt()");
    let mut tenant = world.db.tenant();
    tenant.run("select auth.uid()");
    assert!(tenant.refused("set pg_bearer.max_tokens = 9").starts_with("42501 "));
    set(&mut world, "pg_bearer.max_tokens = 0");
    assert!(world.told(&user("ben"), "select auth.issue_jwt()").starts_with("54000 "));
}

#[test]
fn t386_the_longest_life_clamps_what_is_not_said_and_refuses_what_is() {
    let mut world = World::new();
    let year = payload(&world.mint(&user("ada"), "issue_jwt()"))["exp"].as_i64().unwrap() - now();
    assert!((365 * 86_400 - 60..366 * 86_400 + 1).contains(&year), "{year}");
    let longest = |world: &mut World| {
        let refused = "22023 expires_at has a value that is not allowed";
        for (credential, subject) in [(user("ada"), "null"), (service(), "'ada'")] {
            let token = world.mint(&credential, &format!("issue_jwt({subject})"));
            let life = payload(&token)["exp"].as_i64().unwrap() - now();
            assert!((3500..=3600).contains(&life), "{life}");
            let call =
                |life| format!("select auth.issue_jwt({subject}, expires_at => now() + interval '{life}')");
            assert_eq!(world.told(&credential, &call("2 hours")), refused);
            assert_eq!(world.told(&credential, &call("50 minutes")), "ok");
        }
    };
    set(&mut world, "pg_bearer.max_token_lifetime = '1h'");
    longest(&mut world);
    set(&mut world, "pg_bearer.max_token_lifetime = '3000d'");
    world.admin.run(&format!("select auth.update_issuer('{OURS}', max_lifetime => '1 hour')"));
    longest(&mut world);
    set(&mut world, "pg_bearer.max_token_lifetime = 0");
    assert!(world.told(&user("ada"), "select auth.issue_jwt()").starts_with("22023 expires_at"));
    let mut tenant = world.db.tenant();
    tenant.run("select auth.uid()");
    assert!(tenant.refused("set pg_bearer.max_token_lifetime = 9").starts_with("42501 "));
}
