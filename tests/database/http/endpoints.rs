//! Which endpoints a request may use, and how long it may take.

use super::world::{World, token};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use serde_json::json;

const LISTED: &str = "
    alter database {db} set pg_bearer.http_permissions = '/docs = papers, /rpc/whoami =, /rpc/demand = demands.make';
    select auth.define_role('reader', '{papers.read}');
    select auth.define_role('writer', '{papers.write}');
    select auth.define_role('both', '{papers.*,demands.make}')";

struct Listed {
    world: World,
    org: String,
}

impl Listed {
    fn new(more: &str) -> Listed {
        let mut world = World::with(&format!("{LISTED};{more}"));
        let org = world.organization("acme", "ada");
        for role in ["reader", "writer", "both"] {
            world.admin.run(&format!("select auth.add_member('{org}', '{role}', '{role}')"));
        }
        Listed { world, org }
    }

    fn asked(&self, user: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        let bearer = format!("Bearer {}", token(user));
        let headers =
            [&[("Authorization", bearer.as_str()), ("X-Organization", &self.org)], headers].concat();
        let body = json!({"id": 7_000 + rand(), "org_id": self.org, "body": "x"}).to_string();
        let body = if method == "POST" { body.as_str() } else { "" };
        self.world.postgrest.proxied(method, path, &headers, body).status
    }
}

/// Another number each time.
fn rand() -> u32 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn t172_t173_methods_and_paths_take_the_permission_that_is_listed() {
    let mut listed = Listed::new("");
    let rows = [("Prefer", "return=representation")];
    for (user, method, path, headers, status) in [
        ("reader", "GET", "/docs", &[][..], 200),
        ("reader", "GET", "/%64ocs", &[], 200),
        ("reader", "HEAD", "/docs", &[], 200),
        ("reader", "POST", "/docs", &[], 403),
        ("reader", "POST", "/docs", &[("X-HTTP-Method-Override", "GET")], 403),
        ("reader", "DELETE", "/docs?id=eq.1", &[], 403),
        ("writer", "GET", "/docs", &[], 403),
        ("writer", "GET", "/docs", &[("X-HTTP-Method-Override", "POST")], 403),
        ("writer", "POST", "/docs", &[], 201),
        ("writer", "POST", "/docs", &rows, 403),
        ("both", "POST", "/docs", &rows, 201),
        ("both", "GET", "/rpc/demand?what=papers.read&id=00000000-0000-0000-0000-000000000000", &[], 200),
        ("reader", "GET", "/rpc/demand?what=papers.read&id=00000000-0000-0000-0000-000000000000", &[], 403),
        ("reader", "GET", "/rpc/whoami", &[], 200),
        ("both", "GET", "/rpc/quota", &[], 403),
        ("both", "GET", "/docs", &[("Accept-Profile", "api")], 403),
    ] {
        assert_eq!(listed.asked(user, method, path, headers), status, "{user} {method} {path} {headers:?}");
    }
    let service = listed.world.key(", kind => 'service'");
    assert_eq!(listed.world.postgrest.get("/docs", service).status, 200);
    // Nobody: what takes no permission, and else who they are is asked first.
    let nobody = |path: &str| {
        let answer = listed.world.postgrest.proxied("GET", path, &[], "");
        (answer.status, answer.header("www-authenticate").map(str::to_owned))
    };
    assert_eq!(nobody("/docs"), (401, Some("Bearer".to_owned())));
    assert_eq!(nobody("/nothing"), (401, Some("Bearer".to_owned())));
    assert_eq!(listed.world.postgrest.proxied("GET", "/rpc/whoami", &[], "").status, 200);
}

#[test]
fn t172_no_spelling_of_a_path_gets_past_the_endpoints_of_a_key() {
    let mut world = World::new();
    let org = world.organization("acme", "ada");
    let key = world.key(&format!(", '{org}', allowed_endpoints => '{{GET /rpc/whoami}}'"));
    for path in ["/docs", "/%64ocs", "/docs?select=id"] {
        assert_eq!(world.postgrest.get(path, &key).status, 403, "{path}");
    }
    // What PostgREST has no route for it says itself, before it asks us.
    for path in
        ["//docs", "/docs/", "/rpc/../docs", "/rpc/whoami/../../docs", "/DOCS", "/docs%2f", "/%2564ocs"]
    {
        let status = world.postgrest.get(path, &key).status;
        assert!([403, 404].contains(&status), "{status} {path}");
    }
    assert_eq!(world.postgrest.get("/rpc/who%61mi", &key).status, 200);
    assert_eq!(world.postgrest.get("/rpc/whoami?x=/docs", &key).status, 404);
}

#[test]
fn a_list_that_cannot_be_read_lets_nobody_pass() {
    let world = World::with("alter database {db} set pg_bearer.http_permissions = '/docs, nonsense'");
    let answer = world.postgrest.get("/docs", token_a());
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("F0000")));
    let world = World::new();
    let mut session = world.db.connect(&format!("{}_login", world.db.name));
    session.run("set pg_bearer.http_permissions = '/docs ='");
    let refused = session.refused("select auth.pre_request()");
    assert!(refused.starts_with("PGRST ") && refused.contains("F0000"), "{refused}");
}

#[test]
fn t183_timeouts_are_those_of_the_role_and_not_what_was_left_in_the_connection() {
    let world = World::with(
        "alter role {db}_user set statement_timeout = '5s'; alter role {db}_user set lock_timeout = '2s';
         alter role {db}_user in database {db} set lock_timeout = '3s'; alter role {db}_login set statement_timeout = '20s'",
    );
    let mut session = world.db.connect(&format!("{}_login", world.db.name));
    session.run(
        "set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = '7s'",
    );
    for (credential, statements, locks) in [(Some(token_a()), "5s", "3s"), (None, "20s", "0")] {
        let headers = credential.map_or(json!({}), |token| json!({"x-api-key": token}));
        session.run(&format!("begin; set local request.headers = '{headers}'; select auth.pre_request()"));
        assert_values(
            &mut session,
            &[
                ("show statement_timeout", Some(statements)),
                ("show lock_timeout", Some(locks)),
                ("show idle_in_transaction_session_timeout", Some("0")),
            ],
        );
        session.run("commit");
    }
    // A query that takes too long ends.
    world.db.superuser().run(&format!("alter role {}_user set statement_timeout = '100ms'", world.db.name));
    session.run(&format!(
        "begin; set local request.headers = '{}'; select auth.pre_request()",
        json!({"x-api-key": token_a()})
    ));
    assert!(session.refused("select pg_sleep(20)").starts_with("57014 "));
}
