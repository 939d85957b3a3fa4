//! Pages of other origins.

use super::Site;
use crate::http::world::token;
use pg_bearer_tests::http::{Answer, request};
use pg_bearer_tests::nginx::{ORIGIN, fresh_address};

#[test]
fn t175_only_listed_origins_are_allowed_and_none_is_reflected() {
    let site = Site::new();
    let bearer = format!("Bearer {}", token("ada"));
    let ask = |method: &str, path: &str, origins: &[&str]| {
        let mut headers: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        headers.push(("Authorization", &bearer));
        headers.push(("Access-Control-Request-Method", "DELETE"));
        site.nginx.raw(&fresh_address(), request(method, path, &headers, "").as_bytes())
    };
    let allowed = |answer: &Answer| answer.headers("access-control-allow-origin").join(" and ");
    for (method, path, expected) in [
        ("OPTIONS", "/docs", 204),
        ("GET", "/rpc/whoami", 200),
        ("GET", "/rest/v1/rpc/whoami", 200),
        ("GET", "/nothing", 404),
        ("GET", "//docs", 400),
    ] {
        let answer = ask(method, path, &[ORIGIN]);
        assert_eq!((answer.status, allowed(&answer).as_str()), (expected, ORIGIN), "{path}");
        assert_eq!(answer.headers("access-control-allow-credentials"), [""; 0], "{path}");
        assert!(answer.header("vary").unwrap().contains("Origin"), "{path}");
        for origins in [
            vec!["null"],
            vec![],
            vec!["https://evil.example"],
            vec!["https://app.example.com.evil.example"],
            vec!["https://evil-app.example.com"],
            vec!["https://evil.example/https://app.example.com"],
            vec!["http://app.example.com"],
            vec!["https://app.example.com:8443"],
            vec!["https://app.example.com/"],
            vec!["https://xapp.example.com"],
            vec!["https://appxexample.com"],
            vec!["https://evil.example", ORIGIN],
            vec!["*"],
        ] {
            let answer = ask(method, path, &origins);
            assert_eq!(answer.status, expected, "{path} {origins:?}");
            for name in
                ["allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers"]
            {
                let headers = answer.headers(&format!("access-control-{name}"));
                assert_eq!(headers, [""; 0], "{path} {origins:?}: {name}");
            }
            assert!(answer.header("vary").unwrap().contains("Origin"), "{path}");
        }
    }
}
