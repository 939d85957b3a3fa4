//! What goes beyond whoever asks is refused when the token is made.

use super::world::*;
use pg_bearer_tests::database::Session;
use serde_json::json;

fn refused(world: &mut World, credential: &str, calls: &[&str]) {
    for call in calls {
        let before = world.rows();
        let told = world.told(credential, &format!("select auth.{call}"));
        assert!(told.starts_with("42501 "), "{call}: {told}");
        assert_eq!(world.rows(), before, "{call}");
    }
}

#[test]
fn t156_wider_is_refused_when_it_is_asked_for() {
    let mut world = World::new();
    let ada = user("ada");
    refused(
        &mut world,
        &user("clara"),
        &[
            "issue_jwt(permissions => '{*}', org_id => :north)",
            "issue_jwt(permissions => '{invoices.*}', org_id => :north)",
            "issue_jwt(permissions => '{invoices.read,invoices.write}', org_id => :north)",
            "issue_jwt(org_id => :south)",
            "issue_jwt(org_id => gen_random_uuid())",
            "issue_jwt(org_id => :north, workspace_id => :desk)",
            "issue_jwt(workspace_id => gen_random_uuid())",
            "issue_jwt(scopes => '{invoices.read}')",
        ],
    );
    refused(
        &mut world,
        &ada,
        &["issue_jwt(org_id => :south, workspace_id => :desk)", "issue_jwt(scopes => '{a}')"],
    );
    let scoped = user_with("ada", json!({"scope": "invoices.read tokens.write"}));
    refused(
        &mut world,
        &scoped,
        &[
            "issue_jwt(permissions => '{members.write}')",
            "issue_jwt(permissions => '{*}')",
            "issue_jwt(scopes => '{members.write}')",
        ],
    );
    refused(&mut world, &user_with("ada", json!({"scope": "invoices.read"})), &["issue_jwt()"]);
    refused(&mut world, &limited_user("ada"), &["issue_jwt(org_id => :south)"]);
    for (arguments, wider) in [
        (
            "permissions => '{tokens.write,a}'",
            &["issue_jwt(permissions => '{b}')", "issue_jwt(permissions => '{*}')"][..],
        ),
        ("permissions => '{a}'", &["issue_jwt()"]),
        ("org_id => :north", &["issue_jwt(org_id => :south)"]),
        (
            "org_id => :north, workspace_id => :desk",
            &["issue_jwt(workspace_id => :attic)", "issue_jwt(org_id => :south)"],
        ),
        ("environment => 'test'", &["issue_jwt(environment => 'live')"]),
    ] {
        let token = world.mint(&ada, &format!("issue_jwt({arguments})"));
        refused(&mut world, &token, wider);
    }
    let test_key = world.key(&ada, "'k', :north, environment => 'test'");
    refused(&mut world, &test_key, &["issue_jwt(environment => 'live')"]);
    let key = world.key(&ada, "'k', :north, workspace_id => :desk, scopes => '{tokens.write,a}'");
    refused(
        &mut world,
        &key,
        &[
            "issue_jwt(environment => 'test')",
            "issue_jwt(workspace_id => :attic)",
            "issue_jwt(permissions => '{b}')",
            "issue_jwt('cara', permissions => '{*}')",
            "issue_jwt(scopes => '{b}')",
        ],
    );
}

#[test]
fn t382_a_list_of_no_permissions_is_no_way_out_of_scopes() {
    let mut world = World::new();
    // Her role and the scopes of her token have nothing in common.
    let kim = user_with("kim", json!({"scope": "tokens.write"}));
    let told = world.told(&kim, "select auth.issue_jwt(org_id => :north, scopes => '{}')");
    assert_eq!(told, "42501 the token would go beyond what you may do");
}

#[test]
fn t383_a_token_ends_no_later_than_what_it_came_from() {
    let mut world = World::new();
    let key = world.key(&user("ada"), "'k', :north, expires_at => now() + interval '1 hour'");
    let parent = world.mint(&user("ada"), "issue_jwt(expires_at => now() + interval '1 hour')");
    let end = now_and(3600);
    for origin in [&key, &parent] {
        let token = world.mint(origin, "issue_jwt()");
        let its_end = payload(&token)["exp"].as_i64().unwrap();
        assert!(its_end <= end && its_end > end - 60, "{its_end} {end}");
        for later in ["1 hour 1 minute", "1 year"] {
            let call = format!("issue_jwt(expires_at => now() + interval '{later}')");
            let told = world.told(origin, &format!("select auth.{call}"));
            assert_eq!(told, "22023 expires_at has a value that is not allowed", "{call}");
        }
    }
    let token = world.mint(&key, "exchange_api_key('2 hours')");
    assert!(payload(&token)["exp"].as_i64().unwrap() <= end);
}

fn now_and(seconds: i64) -> i64 {
    pg_bearer_tests::token::now() + seconds
}

#[test]
fn t384_chains_are_short_and_end_with_each_link() {
    let mut world = World::new();
    let mut chain = vec![world.mint(&user("ada"), "issue_jwt()")];
    let told = loop {
        let last = chain.last().unwrap().clone();
        match world.try_ask(&last, "select auth.issue_jwt()") {
            Ok(next) => chain.push(next.unwrap()),
            Err(told) => break told,
        }
        assert!(chain.len() < 20);
    };
    assert_eq!(told, "22023 the token would be refused");
    assert_eq!(chain.len(), 8);
    for (place, link) in chain.iter().enumerate().rev() {
        world.admin.run("begin");
        world.admin.run(&format!("select auth.revoke_token('{}')", id_of(link)));
        for (other, token) in chain.iter().enumerate() {
            let done = world
                .admin
                .batch_execute(&format!("savepoint a; select auth.authenticate('{token}'); rollback to a"));
            assert_eq!(done.is_ok(), other < place, "{place} {other}");
            world.admin.run("rollback to a");
        }
        world.admin.run("rollback");
    }
    // A link that is gone ends what it made.
    world.admin.run(&format!("delete from auth.minted_tokens where id = '{}'", id_of(&chain[3])));
    for (other, token) in chain.iter().enumerate() {
        assert_eq!(world.told(token, "select 1") == "ok", other < 3, "{other}");
    }
}
