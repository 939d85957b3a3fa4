//! What is of others and what there is not get the same answer, and nothing that is remembered outlives a revocation.

use super::world::{World, token};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::postgrest::Postgrest;
use serde_json::{Value, json};

const UNKNOWN: &str = "00000000-0000-4000-8000-0000000000ff";

/// What is asked, how with an id, and the id of something that is of others.
type Question<'a> = (&'a str, &'a dyn Fn(&str) -> Answer, &'a str);

fn served(world: &World, schema: &str) -> Postgrest {
    let name = |role: &str| format!("{}_{role}", world.db.name);
    let more = "db-channel-enabled = false\njwt-cache-max-lifetime = 3600\n";
    Postgrest::start_with(&world.db, &name("login"), &name("anon"), &name("user"), schema, more)
}

fn told(answer: &Answer) -> (u16, Option<&str>, Value) {
    (answer.status, answer.header("www-authenticate"), answer.json())
}

#[test]
fn t178_unknown_and_foreign_are_answered_alike() {
    let mut world = World::new();
    world.organization("acme", "ada");
    let foreign = world.organization("secret-name", "eve");
    let key = world.key(&format!(", '{foreign}'"));
    let its_id = "select id from auth.list_api_keys() limit 1";
    let foreign_key = world.admin.value(its_id).unwrap();
    let invitation = format!("select invitation_id from auth.create_invitation('{foreign}')");
    let invitation = world.admin.value(&invitation).unwrap();
    let served = served(&world, "auth_http");
    let bearer = format!("Bearer {}", token("ada"));
    let post = |function: &str, body: Value| {
        let headers = [("Authorization", bearer.as_str())];
        served.proxied("POST", &format!("/rpc/{function}"), &headers, &body.to_string())
    };
    let get = |path: String| served.proxied("GET", &path, &[("Authorization", bearer.as_str())], "");
    let member = |org: &str| json!({"org_id": org, "user_id": "eve", "role": "member"});
    let asked: [Question; 9] = [
        ("revoke", &|id| post("revoke_api_key", json!({"id": id})), &foreign_key),
        ("rotate", &|id| post("rotate_api_key", json!({"id": id})), &foreign_key),
        ("usage", &|id| get(format!("/rpc/api_key_usage?id={id}")), &foreign_key),
        ("create", &|id| post("create_api_key", json!({"name": "n", "org_id": id})), &foreign),
        ("members", &|id| get(format!("/rpc/list_members?org_id={id}")), &foreign),
        ("role", &|id| post("set_member_role", member(id)), &foreign),
        ("remove", &|id| post("remove_member", json!({"org_id": id, "user_id": "eve"})), &foreign),
        ("invite", &|id| post("create_invitation", json!({"org_id": id})), &foreign),
        ("revoke an invitation", &|id| post("revoke_invitation", json!({"id": id})), &invitation),
    ];
    for (what, ask, id) in asked {
        let (unknown, other) = (ask(UNKNOWN), ask(id));
        assert_eq!((unknown.status, told(&unknown)), (403, told(&other)), "{what}");
        assert!(!other.body.contains("secret-name") && !other.body.contains(id), "{what}: {}", other.body);
    }
    let organization = |name: &str| {
        let headers = [("Authorization", bearer.as_str()), ("X-Organization", name)];
        served.proxied("GET", "/rpc/list_organizations", &headers, "")
    };
    for other in [foreign.as_str(), "secret-name", "ext-secret-name"] {
        let (unknown, other) = (organization("no-such-name"), organization(other));
        assert_eq!((unknown.status, told(&unknown)), (403, told(&other)));
    }
    // Whatever is in a text, it does not end the JSON that it is in.
    for name in ["a\"b", "\\", "\u{1}\n", "'; select 1 --", "{\"status\": 200}"] {
        let answer = post("create_organization", json!({"name": name, "slug": name}));
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("22023")), "{name:?}: {answer:?}");
    }
    assert_eq!(served.get("/rpc/list_organizations", key).status, 200);
}

#[test]
fn t184_what_postgrest_remembers_does_not_outlive_a_revocation() {
    let mut world = World::new();
    let org = world.organization("acme", "ada");
    let (key, token) = (world.key(&format!(", '{org}'")), token("ada"));
    let served = served(&world, "api");
    let status = |credential: &str| served.get("/rpc/whoami", credential).status;
    for _ in 0..3 {
        assert_eq!((status(&token), status(&key)), (200, 200));
    }
    world.admin.run("select auth.revoke_api_key(id) from auth.list_api_keys(); select auth.ban_user('ada')");
    assert_eq!((status(&token), status(&key)), (401, 401));
    world.admin.run("select auth.ban_user('ada', null)");
    assert_eq!(status(&token), 200);
    // What PostgREST says of its own token is no identity, nor is what a request says of it.
    let mut session = world.db.connect(&format!("{}_login", world.db.name));
    session.run(
        r#"begin; set local request.jwt.claims = '{"sub": "ada", "role": "service_role"}'; set local request.headers = '{}';
           select auth.pre_request()"#,
    );
    assert_eq!(session.value("select auth.identity()"), None);
    session.run("rollback");
}
