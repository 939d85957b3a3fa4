//! Which endpoint a request is for, and the permissions that it needs.

use super::super::endpoint::{Asked, EndpointFault, needed, routed};
use super::super::identity::Kind;
use EndpointFault::{List, Nobody, Unlisted};
use serde_json::{Value, json};

#[test]
fn t172_paths_are_decoded_once_as_they_are_routed() {
    for (path, expected) in [
        ("/charges", Some("/charges")),
        ("/%63harges", Some("/charges")),
        ("/%63%68arges", Some("/charges")),
        ("/CHARGES", Some("/CHARGES")),
        ("/charges/", Some("/charges/")),
        ("/rpc/sen%64", Some("/rpc/send")),
        ("/gr%C3%B6%C3%9Fe", Some("/größe")),
        ("/", Some("/")),
        ("/a;b/c", Some("/a;b/c")),
        ("", None),
        ("charges", None),
        ("//charges", None),
        ("/rpc//send", None),
        ("/a/./charges", None),
        ("/a/../charges", None),
        ("/a/%2e%2E/charges", None),
        ("/..;x/charges", None),
        ("/a%2fcharges", None),
        ("/a%5ccharges", None),
        ("/a\\charges", None),
        ("/%2563harges", None),
        ("/charges%", None),
        ("/charges%6", None),
        ("/charges%zz", None),
        ("/charges%00", None),
        ("/charges%0a", None),
        ("/charges%20", None),
        ("/charges%3Fx", None),
        ("/charges?x=1", None),
        ("/charges#x", None),
        ("/char ges", None),
        ("/größe", None),
        ("/gr%C3", None),
        ("/charges%E2%80%AE", None),
    ] {
        assert_eq!(routed(path).as_deref(), expected, "{path}");
    }
}

const LISTED: &str = "/invoices, /bills=invoices , private/salaries, /rpc/send = mail.send, private/rpc/pay=pay,/rpc/health=,/open=,/größe";

fn asked(method: &str, path: &str, search_path: &str, headers: &Value) -> Result<Vec<String>, EndpointFault> {
    let headers = headers.as_object().unwrap();
    needed(LISTED, &Asked { sender: Some(Kind::Jwt), method, path, search_path, headers })
}

fn answer(method: &str, path: &str) -> Result<Vec<String>, EndpointFault> {
    asked(method, path, "\"api\", \"public\"", &json!({}))
}

fn permissions(names: &[&str]) -> Result<Vec<String>, EndpointFault> {
    Ok(names.iter().map(|&name| name.to_owned()).collect())
}

#[test]
fn what_reads_takes_read_and_what_writes_takes_write() {
    for method in ["GET", "HEAD"] {
        assert_eq!(answer(method, "/invoices"), permissions(&["invoices.read"]));
        assert_eq!(answer(method, "/bills"), permissions(&["invoices.read"]));
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(answer(method, "/%69nvoices"), permissions(&["invoices.write"]));
    }
    for method in ["GET", "POST"] {
        assert_eq!(answer(method, "/rpc/send"), permissions(&["mail.send"]));
        assert_eq!(answer(method, "/rpc/health"), permissions(&[]));
        assert_eq!(answer(method, "/open"), permissions(&[]));
    }
    assert_eq!(answer("GET", "/gr%C3%B6%C3%9Fe"), permissions(&["größe.read"]));
    for method in ["", "get", "OPTIONS", "TRACE", "MERGE"] {
        assert_eq!(answer(method, "/invoices"), Err(Unlisted), "{method}");
    }
    for path in [
        "/",
        "/invoices/",
        "/Invoices",
        "/invoices.x",
        "/rpc/other",
        "/rpc",
        "/send",
        "/rpc/invoices",
        "/salaries",
    ] {
        assert_eq!(answer("GET", path), Err(Unlisted), "{path}");
    }
}

#[test]
fn t173_whoever_writes_and_wants_rows_reads_too() {
    let both = permissions(&["invoices.write", "invoices.read"]);
    let write = permissions(&["invoices.write"]);
    for (prefer, expected) in [
        ("return=representation", &both),
        ("resolution=merge-duplicates,return=representation", &both),
        ("tx=commit, Return=Representation", &both),
        ("return=headers-only", &both),
        ("return = representation", &both),
        ("count=exact", &both),
        ("return=minimal", &write),
        ("resolution=merge-duplicates", &write),
        ("", &write),
    ] {
        let answer = asked("POST", "/invoices", "api", &json!({"prefer": prefer}));
        assert_eq!(&answer, expected, "{prefer}");
    }
    assert_eq!(asked("PATCH", "/invoices", "api", &json!({"prefer": 1})), both);
    // What a function takes is said, whatever is preferred.
    let answer = asked("POST", "/rpc/send", "api", &json!({"prefer": "return=representation"}));
    assert_eq!(answer, permissions(&["mail.send"]));
}

#[test]
fn t173_a_schema_is_part_of_what_is_listed() {
    let (none, accept) = (json!({}), json!({"accept-profile": "private"}));
    let content = json!({"content-profile": "api"});
    for (path, search_path, headers, expected) in [
        ("/salaries", "\"private\", \"public\"", &accept, permissions(&["salaries.read"])),
        // PostgREST's own choice may be that schema.
        ("/salaries", "\"private\"", &none, permissions(&["salaries.read"])),
        ("/rpc/pay", "\"private\"", &none, permissions(&["pay"])),
        // A second header may say another schema than the one that we are told.
        ("/invoices", "\"private\"", &accept, Err(Unlisted)),
        ("/invoices", "\"api\"", &content, Err(Unlisted)),
        ("/salaries", "\"api\", \"private\"", &accept, Err(Unlisted)),
        ("/salaries", "\"Private\"", &none, Err(Unlisted)),
        ("/salaries", "\"private", &none, Err(Unlisted)),
        ("/salaries", "", &none, Err(Unlisted)),
    ] {
        assert_eq!(
            asked("GET", path, search_path, headers),
            expected,
            "{path} in {search_path} with {headers}"
        );
    }
}

#[test]
fn a_list_that_cannot_be_read_allows_nothing() {
    let none = json!({});
    let headers = none.as_object().unwrap();
    let judged = |list: &str| {
        needed(
            list,
            &Asked { sender: Some(Kind::Jwt), method: "GET", path: "/invoices", search_path: "api", headers },
        )
    };
    for list in [
        "/invoices,",
        "invoices",
        "/invoices,/rpc/send",
        "/invoices,/rpc=x",
        "/invoices,/rpc/=x",
        "/invoices,/",
        "/invoices,/=x",
        "/invoices,/a/b",
        "/invoices,/a/",
        "/invoices,/a*",
        "/invoices,/%61",
        "/invoices,/..",
        "/invoices /bills",
        "/invoices = a b",
        "/invoices = a = b",
        "a/b/c, /invoices",
    ] {
        assert_eq!(judged(list), Err(List), "{list}");
    }
    // Listed twice: all of it.
    assert_eq!(judged("/invoices,/invoices=x"), permissions(&["invoices.read", "x.read"]));
    assert_eq!(judged("/invoices=,/invoices=x"), permissions(&["x.read"]));
}

#[test]
fn nobody_says_first_who_they_are_and_a_service_needs_no_permission() {
    let none = json!({});
    let headers = none.as_object().unwrap();
    for (sender, listed, unlisted) in [
        (None, permissions(&["invoices.read"]), Err(Nobody)),
        (Some(Kind::ApiKey), permissions(&["invoices.read"]), Err(Unlisted)),
        (Some(Kind::Service), permissions(&[]), permissions(&[])),
    ] {
        let asked =
            |path| needed(LISTED, &Asked { sender, method: "GET", path, search_path: "api", headers });
        assert_eq!((asked("/invoices"), asked("/nothing")), (listed, unlisted), "{sender:?}");
    }
    let asked = Asked { sender: Some(Kind::Service), method: "GET", path: "/", search_path: "", headers };
    assert_eq!(needed("nonsense", &asked), Err(List));
}
