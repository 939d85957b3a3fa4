//! What settings and limits of keys mean for paths: they are about what PostgREST is asked.

use super::Rest;
use crate::http::world::token;
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};

#[test]
fn t626_limits_on_endpoints_hold_for_the_functions_behind_the_paths() {
    let mut rest = Rest::new();
    let named = json!({"name": "n"});
    for (endpoint, statuses) in [("/rpc/list_api_keys", [200, 403]), ("/api-keys", [403, 403])] {
        let limit = format!(", '{}', allowed_endpoints => '{{GET {endpoint}}}'", rest.org);
        let key = rest.site.key(&limit);
        let found = [("GET", &Value::Null), ("POST", &named)]
            .map(|(method, body)| rest.send(&key, method, "/api-keys", body).status);
        assert_eq!(found, statuses, "{endpoint}");
        assert_eq!(rest.send(&key, "GET", "/organizations", &Value::Null).status, 403, "{endpoint}");
    }
}

#[test]
fn t626_listed_endpoints_are_those_of_the_schema() {
    let mut rest = Rest::with(
        "alter database {db} set pg_bearer.http_permissions = 'auth_http/rpc/health =, \
         auth_http/rpc/list_members = members.read, auth_http/rpc/remove_member = members.write'",
    );
    rest.site.admin.run(&format!("select auth.add_member('{}', 'vera', 'viewer')", rest.org));
    let ask =
        |credential: &str, method: &str, path: &str| rest.send(credential, method, path, &Value::Null).status;
    assert_eq!((ask("", "GET", "/health"), ask("", "GET", "/.well-known/jwks.json")), (200, 401));
    // The permission is asked for in the organization of the path.
    let (members, vera) = (rest.of_org("/members"), token("vera"));
    assert_eq!((ask(&rest.ada, "GET", &members), ask(&vera, "GET", &members)), (200, 200));
    assert_eq!(ask(&vera, "DELETE", &rest.of_org("/members/ada")), 403);
    assert_eq!(ask(&rest.ada, "DELETE", &rest.of_org("/members/vera")), 200);
    for path in ["/api-keys", "/organizations", "/docs"] {
        assert_eq!(ask(&rest.ada, "GET", path), 403, "{path}");
    }
}

#[test]
fn with_require_apikey_every_path_asks_for_a_key() {
    let mut rest = Rest::with("alter database {db} set pg_bearer.require_apikey = on");
    let publishable = rest.site.key(", kind => 'publishable'");
    for path in ["/health", "/.well-known/jwks.json"] {
        let status = |headers: &[(&str, &str)]| {
            let answer = rest.send_with("", headers, "GET", path, &Value::Null);
            let is_kept = answer.status == 200 && path != "/health";
            assert_eq!(answer.header("cache-control").is_some(), is_kept, "{answer:?}");
            answer.status
        };
        assert_eq!((status(&[]), status(&[("apikey", &publishable)])), (401, 200), "{path}");
    }
}

#[test]
fn a_service_is_in_no_organization_and_names_it_as_an_argument() {
    let mut rest = Rest::new();
    let service = rest.site.key(", kind => 'service'");
    assert_eq!(rest.send(&service, "GET", &rest.of_org("/members"), &Value::Null).status, 403);
    let path = format!("/rpc/list_members?org_id={}", rest.org);
    let named = rest.send_with(&service, &[("Accept-Profile", "auth_http")], "GET", &path, &Value::Null);
    assert_eq!((named.status, &named.json()[0]["user_id"]), (200, &json!("ada")), "{named:?}");
}
