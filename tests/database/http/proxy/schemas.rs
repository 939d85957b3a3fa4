//! Which of several schemas a request means.

use crate::http::world::{self, token};
use pg_bearer_tests::database::installation;
use pg_bearer_tests::nginx::Nginx;

/// A path of one schema.
const RULES: &str = "
location = /mine {
    include bearer_location.conf;
    set $accept_profile auth_http;
    set $content_profile auth_http;
    if ($request_method = GET) { rewrite ^ /rpc/list_organizations break; }
    if ($request_method = POST) { rewrite ^ /rpc/create_organization break; }
    proxy_pass http://postgrest$uri;
}
";

#[test]
fn t620_a_client_says_which_schema_except_where_a_location_does() {
    let (db, mut admin) = world::database("");
    world::organization(&mut admin, "acme", "ada");
    let rules = installation().run_dir().join(format!("{}.rules", db.name));
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("locations.conf"), RULES).unwrap();
    let [login, anon, user] = ["login", "anon", "user"].map(|role| format!("{}_{role}", db.name));
    let nginx = Nginx::at(pg_bearer_tests::server(), &db.name, [&login, &anon, &user], Some(&rules), &[]);
    std::fs::remove_dir_all(&rules).unwrap();
    let bearer = format!("Bearer {}", token("ada"));
    let status = |method: &str, path: &str, profile: &[(&str, &str)], body: &str| {
        let headers = [&[("Authorization", bearer.as_str())], profile].concat();
        nginx.send(method, path, &headers, body).status
    };
    let (accept, content) = (("Accept-Profile", "auth_http"), ("Content-Profile", "auth_http"));
    assert_eq!(status("GET", "/docs", &[], ""), 200);
    assert_eq!(status("GET", "/docs", &[("Accept-Profile", "api")], ""), 200);
    assert_eq!(status("GET", "/docs", &[accept], ""), 404);
    assert_eq!(status("GET", "/rpc/list_organizations", &[], ""), 404);
    assert_eq!(status("GET", "/rpc/list_organizations", &[accept], ""), 200);
    assert_eq!(status("GET", "/rpc/list_organizations", &[("Accept-Profile", "auth")], ""), 406);
    let named = |n: u8| format!(r#"{{"name": "n{n}"}}"#);
    assert_eq!(status("POST", "/rpc/create_organization", &[], &named(1)), 404);
    assert_eq!(status("POST", "/rpc/create_organization", &[content], &named(2)), 201);
    for (n, schema) in
        ["api", "auth_http", "auth", "auth_internal", "", "api, auth_http"].into_iter().enumerate()
    {
        let both = [("Accept-Profile", schema), ("Content-Profile", schema)];
        assert_eq!(status("GET", "/mine", &both, ""), 200, "{schema}");
        assert_eq!(status("POST", "/mine", &both, &named(n as u8 + 3)), 201, "{schema}");
    }
    assert_eq!(status("GET", "/mine", &[], ""), 200);
}
