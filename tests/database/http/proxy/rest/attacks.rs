//! What clients try by paths, queries, bodies and headers.

use super::{Rest, UNKNOWN};
use crate::http::world::token;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::nginx::fresh_address;
use serde_json::{Value, json};

/// Methods and paths that act on a key, an organization or an invitation.
const OF_KEYS: [(&str, &str); 3] =
    [("DELETE", "/api-keys/<id>"), ("POST", "/api-keys/<id>/rotate"), ("GET", "/api-keys/<id>/usage")];
const OF_ORGS: [(&str, &str, Value); 6] = [
    ("GET", "/organizations/<id>/members", Value::Null),
    ("PATCH", "/organizations/<id>/members", Value::Null),
    ("DELETE", "/organizations/<id>/members", Value::Null),
    ("DELETE", "/organizations/<id>/members/eve", Value::Null),
    ("GET", "/organizations/<id>/invitations", Value::Null),
    ("POST", "/organizations/<id>/invitations", Value::Null),
];

fn told(answer: &Answer) -> (u16, Option<&str>, Value) {
    (answer.status, answer.header("www-authenticate"), answer.json())
}

/// Another organization, with a key and an invitation of it.
fn foreign(rest: &mut Rest) -> (String, String, String) {
    let org = rest.site.organization("foreign", "eve");
    rest.site.key(&format!(", '{org}'"));
    let key = format!("select id from auth.list_api_keys('{org}')");
    let invitation = format!("select invitation_id from auth.create_invitation('{org}')");
    let [key, invitation] = [key, invitation].map(|sql| rest.site.admin.value(&sql).unwrap());
    (org, key, invitation)
}

#[test]
fn t622_paths_of_others_and_of_nothing_are_answered_alike() {
    let mut rest = Rest::new();
    let (org, key, invitation) = foreign(&mut rest);
    let asked = OF_KEYS.map(|(method, path)| (method, path, Value::Null, key.as_str()));
    let mut asked = asked.to_vec();
    asked.extend(OF_ORGS.map(|(method, path, body)| (method, path, body, org.as_str())));
    asked.push(("PATCH", OF_ORGS[1].1, json!({"user_id": "eve", "role": "viewer"}), &org));
    asked.push(("DELETE", OF_ORGS[2].1, json!({"user_id": "eve"}), &org));
    asked.push(("DELETE", "/invitations/<id>", Value::Null, &invitation));
    for (method, path, body, id) in asked {
        let ask =
            |credential: &str, id: &str| rest.send(credential, method, &path.replace("<id>", id), &body);
        let (unknown, other) = (ask(&rest.ada, UNKNOWN), ask(&rest.ada, id));
        let no_arguments =
            body.is_null() && ["PATCH", "DELETE"].contains(&method) && path.ends_with("/members");
        assert_eq!(unknown.status, if no_arguments { 404 } else { 403 }, "{method} {path}: {unknown:?}");
        assert_eq!(told(&unknown), told(&other), "{method} {path}");
        assert!(!other.body.contains("foreign") && !other.body.contains(id), "{method} {path}: {other:?}");
        let nobody = [ask("", UNKNOWN), ask("", id)].map(|answer| answer.status);
        assert_eq!(nobody, [if no_arguments { 404 } else { 401 }; 2], "{method} {path}");
    }
    let left = "select count(*) from auth.api_keys where revoked_at is null";
    assert_eq!(rest.site.admin.value(left).as_deref(), Some("1"));
    assert_eq!(
        rest.send(&token("eve"), "GET", &format!("/organizations/{org}/members"), &Value::Null).status,
        200
    );
}

#[test]
fn t623_nothing_but_ids_is_an_id_of_a_path() {
    let mut rest = Rest::new();
    let (id, key) = rest.made_key();
    rest.site.admin.run(&format!("select auth.add_member('{}', 'bob', 'member')", rest.org));
    let odd = [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("%22{id}"),
        format!("{id}%22"),
        format!("{id}%22,%22reason%22:%22x"),
        format!("{id}\",\"reason\":\"x"),
        format!("{id}\\"),
        format!("{id}&id={id}"),
        format!("{id}%26reason=x"),
        format!("{id};reason=x"),
        format!("{id}%2Frotate"),
        format!("{id}%00"),
        format!("{id}%0A"),
        format!("{id}/"),
        format!("{id}/x"),
        format!("./{id}"),
        format!("{id}'--"),
        "-".repeat(36),
        "0".repeat(36),
        "0".repeat(35),
        String::new(),
        "\u{fc}".repeat(18),
    ];
    let paths = ["/api-keys/<id>", "/api-keys/<id>/rotate", "/api-keys/<id>/usage", "/invitations/<id>"];
    let of_org =
        ["/organizations/<id>/members", "/organizations/<id>/members/bob", "/organizations/<id>/invitations"];
    for (odd, path) in odd.iter().flat_map(|odd| paths.iter().chain(&of_org).map(move |path| (odd, path))) {
        let odd = if path.starts_with("/org") { odd.replace(&id, &rest.org) } else { odd.clone() };
        for method in ["DELETE", "POST", "GET", "PATCH"] {
            let answer = rest.send(&rest.ada, method, &path.replace("<id>", &odd), &Value::Null);
            assert!([400, 403, 404, 405].contains(&answer.status), "{method} {path} {odd:?}: {answer:?}");
        }
    }
    for user in [
        "bob%22",
        "bob\"",
        "bob\\",
        "b%6Fb",
        "bob&role=x",
        "bob;x=y",
        "bob/x",
        ".bob",
        "bob'",
        "b+b",
        "%2e",
        "BOB",
    ] {
        let answer = rest.send(&rest.ada, "DELETE", &rest.of_org(&format!("/members/{user}")), &Value::Null);
        assert!([400, 403, 404].contains(&answer.status), "{user}: {answer:?}");
    }
    assert_eq!(rest.send(&key, "GET", "/organizations", &Value::Null).status, 200);
    let members = rest.ada(200, "GET", &rest.of_org("/members"), Value::Null);
    assert_eq!(members.as_array().unwrap().len(), 2);
}

#[test]
fn t623_a_query_gives_the_arguments_that_it_may_and_no_other() {
    let mut rest = Rest::new();
    let ((one, key), (other, spare)) = (rest.made_key(), rest.made_key());
    let works = |key: &str| rest.send(key, "GET", "/organizations", &Value::Null).status == 200;
    for query in ["reason=x;id=OTHER", ";id=OTHER", "reason=x%00", "reason=x%u1"] {
        let path = format!("/api-keys/{one}?{}", query.replace("OTHER", &other));
        let answer = rest.send(&rest.ada, "DELETE", &path, &Value::Null);
        assert!([200, 400].contains(&answer.status), "{query}: {answer:?}");
        assert!(works(&spare), "{query}");
    }
    for query in [
        "grace=1;id=OTHER",
        "grace=x",
        "grace=1%20hour%26id%3DOTHER",
        "grace=-1%20hour",
        "grace=1'::interval",
        "grace=1 hour",
    ] {
        let path = format!("/api-keys/{other}/rotate?{}", query.replace("OTHER", &one));
        assert_eq!(rest.send(&rest.ada, "POST", &path, &Value::Null).status, 400, "{query}");
        assert!(works(&spare), "{query}");
    }
    // PostgREST says 500 to a form that is no UTF-8.
    for (method, path) in [
        ("DELETE", format!("/api-keys/{one}?reason=%FF")),
        ("POST", format!("/api-keys/{one}/rotate?grace=%FF")),
    ] {
        assert!([400, 500].contains(&rest.send(&rest.ada, method, &path, &Value::Null).status), "{path}");
    }
    for query in ["id=OTHER", "ID=OTHER", "x=1&id=OTHER", "%69d=OTHER", "id=OTHER&id=OTHER"] {
        let path = format!("/api-keys/{one}?{}", query.replace("OTHER", &other));
        assert_eq!(rest.ada(200, "DELETE", &path, Value::Null)["id"], json!(one), "{query}");
        assert!(works(&spare) && !works(&key), "{query}");
    }
    // Two ids: the path's counts.
    let (_, foreign_key, _) = foreign(&mut rest);
    let path = format!("/api-keys/{foreign_key}/usage?id={other}&%69d={other}");
    assert_eq!(rest.send(&rest.ada, "GET", &path, &Value::Null).status, 403);
    let path = format!("/api-keys/{other}/usage?id={foreign_key}&%69d={foreign_key}");
    assert_eq!(rest.send(&rest.ada, "GET", &path, &Value::Null).status, 200);
}

#[test]
fn t624_no_client_chooses_another_schema_or_organization_than_the_path() {
    let mut rest = Rest::new();
    let beta = rest.ada(201, "POST", "/organizations", json!({"name": "Beta", "slug": "beta"}));
    let beta = beta["id"].as_str().unwrap().to_owned();
    rest.site.admin.run(&format!("select auth.add_member('{beta}', 'bob', 'member')"));
    let (foreign, ..) = foreign(&mut rest);
    for (schema, org) in
        [("api", beta.as_str()), ("auth", &foreign), ("auth_internal", "no-such-name"), ("", "")]
    {
        let sent = [("Accept-Profile", schema), ("Content-Profile", schema), ("X-Organization", org)];
        let send = |method: &str, path: &str, body: Value| {
            let answer = rest.send_with(&rest.ada, &sent, method, path, &body);
            assert!(answer.status < 300, "{method} {path} {sent:?}: {answer:?}");
            answer.json()
        };
        let members = send("GET", &rest.of_org("/members"), Value::Null);
        assert_eq!(members.as_array().unwrap().len(), 1, "{sent:?}");
        for query in [
            "?org_id=BETA",
            "?%6frg_id=BETA",
            "?org_id=BETA&org_id=BETA",
            "?order=role;org_id=BETA",
            "?org_id=BETA&x",
        ] {
            let path = rest.of_org(&format!("/members{}", query.replace("BETA", &beta)));
            let answer = rest.send_with(&rest.ada, &sent, "GET", &path, &Value::Null);
            assert!(!answer.body.contains("bob"), "{query}: {answer:?}");
        }
        let made = send("POST", &rest.of_org("/invitations"), Value::Null);
        let invitations = send("GET", &rest.of_org(&format!("/invitations?org_id={beta}")), Value::Null);
        assert!(invitations.to_string().contains(made["id"].as_str().unwrap()), "{invitations}");
        send("DELETE", &format!("/organizations/{beta}/members/bob"), Value::Null);
        rest.site.admin.run(&format!("select auth.add_member('{beta}', 'bob', 'member')"));
    }
    // Where no path says it, the header does, as everywhere.
    let named = |org: &str| {
        let answer = rest.send_with(&rest.ada, &[("X-Organization", org)], "GET", "/api-keys", &Value::Null);
        answer.status
    };
    assert_eq!((named("beta"), named(&foreign)), (200, 403));
}

#[test]
fn t625_a_body_that_would_be_lost_is_refused() {
    let rest = Rest::new();
    let (id, key) = rest.made_key();
    let paths = [
        ("POST", format!("/api-keys/{id}/rotate")),
        ("DELETE", format!("/api-keys/{id}")),
        ("DELETE", rest.of_org("/members/ada")),
        ("DELETE", format!("/invitations/{UNKNOWN}")),
    ];
    for (method, path) in &paths {
        let answer = rest.send(&rest.ada, method, path, &json!({"grace": "1 hour"}));
        assert_eq!(answer.status, 413, "{method} {path}");
        let chunked = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{{\"grace\": \"1 hour\"}}\r\n0\r\n\r\n",
            rest.ada
        );
        let answer = rest.site.nginx.raw(&fresh_address(), chunked.as_bytes());
        assert_eq!(answer.status, 413, "{method} {path}: {answer:?}");
    }
    assert_eq!(rest.send(&key, "GET", "/organizations", &Value::Null).status, 200);
}
