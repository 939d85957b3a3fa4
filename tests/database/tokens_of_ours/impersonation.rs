//! Whoever acts for a user says so, and leaves nothing behind.

use super::world::*;
use pg_bearer_tests::database::Session;
use serde_json::json;

const LASTING: &[&str] = &[
    "issue_jwt()",
    "issue_jwt(permissions => '{a}')",
    "impersonate('cara', 'r')",
    "exchange_api_key()",
    "create_api_key('k', :north)",
    "create_organization('o')",
    "create_workspace(:north, 'w')",
    "add_member(:north, 'eve')",
    "set_member_role(:north, 'cara', 'viewer')",
    "create_invitation(:north)",
    "accept_invitation(:invitation)",
    "define_role('r', '{a}', :north)",
    "revoke_user('ben')",
];

#[test]
fn t163_whoever_acts_for_a_user_gets_nothing_that_lasts() {
    let mut world = World::new();
    let service_key = world.key(&service(), "'k', kind => 'service'");
    let own_service = world.made("role => 'service_role'");
    let mut acting = vec![user_with("ben", json!({"act": {"sub": "helper"}}))];
    for maker in [service(), service_key, own_service] {
        acting.push(world.mint(&maker, "impersonate('ben', 'to help')"));
    }
    acting.push(world.admin.value("select auth.impersonate('ben', 'to help')").unwrap());
    for token in &acting {
        assert_eq!(world.ask(token, "select auth.user_id()").as_deref(), Some("ben"));
        for call in LASTING {
            let before = world.rows();
            let told = world.told(token, &format!("select auth.{call}"));
            assert!(told.starts_with("42501 "), "{call}: {told}");
            assert_eq!(world.rows(), before, "{call}");
        }
    }
}

#[test]
fn t163_a_foreign_act_is_none_of_ours() {
    let mut world = World::new();
    let claims = json!({"role": "service_role", "act": {"sub": "helper"}});
    for call in ["impersonate('ben', 'r')", "issue_jwt('ben')", "issue_jwt('ben', org_id => :north)"] {
        let told = world.told(&user_with("robot", claims.clone()), &format!("select auth.{call}"));
        assert!(told.starts_with("42501 whoever acts for somebody else"), "{call}: {told}");
    }
}

#[test]
fn t163_the_actor_shows_wherever_the_user_does() {
    let mut world = World::new();
    let service_key = world.key(&service(), "'k', kind => 'service'");
    let key_id = world.ask(&service_key, "select auth.api_key_id()").unwrap();
    let own_service = world.made("role => 'service_role'");
    for (maker, actor) in [
        (service(), "token:id of robot".to_owned()),
        (user_with("robot", json!({"role": "service_role", "jti": null})), "service:robot".to_owned()),
        (service_key, format!("api_key:{key_id}")),
        (own_service.clone(), format!("token:{}", id_of(&own_service))),
    ] {
        let token = world.mint(&maker, "impersonate('ben', 'ticket 5: cannot sign in')");
        assert_eq!(payload(&token)["act"], json!({ "sub": actor }));
        let seen =
            "select concat_ws(' ', auth.user_id(), auth.identity() ->> 'actor', auth.current_org() = :north)";
        assert_eq!(world.ask(&token, seen), Some(format!("ben {actor} t")));
        let row = world.admin.value(
            "select concat_ws(' ', action, target, target_user_id, details ->> 'actor', details ->> 'reason')
               from auth.audit_log order by occurred_at desc limit 1",
        );
        let id = id_of(&token);
        assert_eq!(row, Some(format!("token.impersonate {id} ben {actor} ticket 5: cannot sign in")));
        let kept = format!(
            "select concat_ws(' ', user_id, actor, reason, created_by) from auth.minted_tokens where id = '{id}'"
        );
        assert_eq!(world.admin.value(&kept), Some(format!("ben {actor} ticket 5: cannot sign in")));
        // The reason is for the log, not for whoever has the token.
        assert!(!payload(&token).to_string().contains("cannot sign in"));
        let life = payload(&token)["exp"].as_i64().unwrap() - pg_bearer_tests::token::now();
        assert!((3500..=3600).contains(&life), "{life}");
    }
    let mut administrator = world.db.connect("administrator");
    let token = administrator.value("select auth.impersonate('ben', 'r')").unwrap();
    assert_eq!(payload(&token)["act"], json!({"sub": "role:administrator"}));
}
