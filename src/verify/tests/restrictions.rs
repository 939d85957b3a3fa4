//! From which pages, and for what, an API key may be used.

use crate::verify::error::Refusal;
use crate::verify::restriction::{Proxies, Restrictions, Surroundings, stated_address};
use core::net::IpAddr;
use proptest::prelude::*;

fn list(items: &[&str]) -> Option<Vec<String>> {
    Some(items.iter().map(|&item| item.to_owned()).collect())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn from_origin(allowed: &str, origin: Option<&str>, referer: Option<&str>) -> bool {
    let restrictions = Restrictions { origins: list(&[allowed]), ..Restrictions::default() };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let surroundings =
        Surroundings { origin: owned(origin), referer: owned(referer), ..Surroundings::default() };
    let verdict = restrictions.check(&surroundings);
    assert!(matches!(verdict, Ok(()) | Err(Refusal::KeyOrigin)));
    verdict.is_ok()
}

fn at_endpoint(allowed: &str, method: &str, path: &str) -> bool {
    let restrictions = Restrictions { endpoints: list(&[allowed]), ..Restrictions::default() };
    let surroundings =
        Surroundings { method: Some(method.into()), path: Some(path.into()), ..Surroundings::default() };
    let verdict = restrictions.check(&surroundings);
    assert!(matches!(verdict, Ok(()) | Err(Refusal::KeyEndpoint)));
    verdict.is_ok()
}

#[test]
fn no_list_allows_everything_and_an_empty_one_nothing() {
    let surroundings = Surroundings {
        peer: Some(ip("10.0.0.1")),
        origin: Some("https://a.example".into()),
        method: Some("GET".into()),
        path: Some("/a".into()),
        ..Surroundings::default()
    };
    assert_eq!(Restrictions::default().check(&Surroundings::default()), Ok(()));
    let empty = || list(&[]);
    let restrictions = Restrictions { networks: empty(), ..Restrictions::default() };
    assert_eq!(restrictions.check(&surroundings), Err(Refusal::KeyNetwork));
    let restrictions = Restrictions { origins: empty(), ..Restrictions::default() };
    assert_eq!(restrictions.check(&surroundings), Err(Refusal::KeyOrigin));
    let restrictions = Restrictions { endpoints: empty(), ..Restrictions::default() };
    assert_eq!(restrictions.check(&surroundings), Err(Refusal::KeyEndpoint));
}

#[test]
fn every_restriction_of_a_key_must_hold() {
    let restrictions = Restrictions {
        networks: list(&["10.0.0.0/8"]),
        origins: list(&["https://a.example"]),
        endpoints: list(&["GET /a"]),
    };
    let good = Surroundings {
        peer: Some(ip("10.0.0.1")),
        origin: Some("https://a.example".into()),
        method: Some("GET".into()),
        path: Some("/a".into()),
        ..Surroundings::default()
    };
    assert_eq!(restrictions.check(&good), Ok(()));
    let elsewhere = Surroundings { peer: Some(ip("11.0.0.1")), ..good.clone() };
    assert_eq!(restrictions.check(&elsewhere), Err(Refusal::KeyNetwork));
    let stranger = Surroundings { origin: None, ..good.clone() };
    assert_eq!(restrictions.check(&stranger), Err(Refusal::KeyOrigin));
    for other in [
        Surroundings { method: None, ..good.clone() },
        Surroundings { path: None, ..good.clone() },
        Surroundings { method: Some("POST".into()), ..good },
    ] {
        assert_eq!(restrictions.check(&other), Err(Refusal::KeyEndpoint));
    }
}

#[test]
fn origins_match_whole_or_below_a_domain() {
    let cases = [
        ("https://good.com", "https://good.com", true),
        ("https://Good.com", "HTTPS://GOOD.COM", true),
        ("https://good.com", "http://good.com", false),
        ("https://good.com", "https://good.com:8443", false),
        ("https://good.com:8443", "https://good.com:8443", true),
        ("https://good.com:8443", "https://good.com", false),
        ("https://good.com", "https://a.good.com", false),
        ("https://*.good.com", "https://a.good.com", true),
        ("https://*.good.com", "https://a.b.good.com", true),
        ("https://*.good.com", "https://good.com", false),
        ("https://*.good.com", "https://evilgood.com", false),
        ("https://*.good.com", "https://.good.com", false),
        ("https://*.good.com", "https://a..good.com", false),
        ("https://*.good.com", "http://a.good.com", false),
        ("https://*.good.com", "https://a.good.com:8443", false),
        ("https://*.good.com:8443", "https://a.good.com:8443", true),
        ("https://*.good.com", "https://*.good.com", false),
        ("capacitor://localhost", "capacitor://localhost", true),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000", true),
    ];
    for (allowed, origin, expected) in cases {
        assert_eq!(from_origin(allowed, Some(origin), None), expected, "{origin} under {allowed}");
        let referer = format!("{origin}/page?x=https://good.com");
        assert_eq!(from_origin(allowed, None, Some(&referer)), expected, "{referer} under {allowed}");
    }
}

#[test]
fn origins_that_only_look_alike_are_refused() {
    let hostile = [
        "",
        "null",
        "good.com",
        "//good.com",
        "https:good.com",
        "https://",
        "https:///good.com",
        "https://good.com@evil.com",
        "https://user:pass@good.com",
        "https://evil.com@good.com",
        "https://good.com.evil.com",
        "https://evil.com\\.good.com",
        "https://good.com\\@evil.com",
        "https:\\\\good.com",
        " https://good.com",
        "https://good.com ",
        "https://good.com\n",
        "https://evil.com https://good.com",
        "https://evil.com\t.good.com",
        "https://good.com\0",
        "https://gооd.com",
        "https://evil.com\u{ff0f}.good.com",
        "https://evil。good.com",
        "https://good.com.",
        "https://good.com:",
        "https://good.com:+443",
        "https://good.com:443:443",
        "https://good.com:99999",
        "https://good.com%2f.evil.com",
        "https://evil.com%00.good.com",
        "https://[::1].good.com",
        "https://evil.com;.good.com",
        "https://evil.com,.good.com",
        "https://evil.com&.good.com",
    ];
    for allowed in ["https://good.com", "https://*.good.com"] {
        for origin in hostile {
            assert!(!from_origin(allowed, Some(origin), None), "{origin:?} as Origin");
            assert!(!from_origin(allowed, None, Some(origin)), "{origin:?} as Referer");
        }
        for origin in
            ["https://evil.com/.good.com", "https://evil.com?.good.com", "https://evil.com#.good.com"]
        {
            assert!(!from_origin(allowed, Some(origin), None), "{origin:?} as Origin");
            assert!(!from_origin(allowed, None, Some(origin)), "{origin:?} as Referer");
        }
        assert!(!from_origin(allowed, None, None));
    }
    assert!(!from_origin("https://good.com", Some("https://good.com/"), None), "an Origin has no path");
    // What the Origin says is not made up for by the Referer.
    for origin in ["", "null", "https://evil.com"] {
        assert!(!from_origin("https://good.com", Some(origin), Some("https://good.com/")));
    }
    for referer in ["https://good.com/a b", "https://good.com/\\evil", "https://good.com/\u{e9}"] {
        assert!(!from_origin("https://good.com", None, Some(referer)), "{referer:?}");
    }
    for referer in
        ["https://good.com", "https://good.com?x", "https://good.com#x", "https://good.com/@evil.com"]
    {
        assert!(from_origin("https://good.com", None, Some(referer)), "{referer:?}");
    }
}

#[test]
fn origins_that_are_listed_wrongly_allow_nothing() {
    for allowed in
        ["", "*", "https://*", "https://*.", "https://*.*.com", "https://a.*.com", "://good.com", "null"]
    {
        for origin in ["https://good.com", "https://a.good.com", "null", "", "https://"] {
            assert!(!from_origin(allowed, Some(origin), None), "{origin:?} under {allowed:?}");
        }
    }
}

#[test]
fn endpoints_match_method_and_path() {
    let cases = [
        ("GET /invoices", "GET", "/invoices", true),
        ("GET /invoices", "POST", "/invoices", false),
        ("GET /invoices", "get", "/invoices", false),
        ("get /invoices", "GET", "/invoices", false),
        ("GET /invoices", "GET", "/Invoices", false),
        ("GET /invoices", "GET", "/invoices/", false),
        ("GET /invoices", "GET", "/invoices/1", false),
        ("* /invoices", "DELETE", "/invoices", true),
        ("* /invoices", "", "/invoices", false),
        ("GET /invoices/*", "GET", "/invoices/1", true),
        ("GET /invoices/*", "GET", "/invoices/1/lines", true),
        ("GET /invoices/*", "GET", "/invoices", false),
        ("GET /invoices/*", "GET", "/invoices/", false),
        ("GET /invoices/*", "GET", "/invoicesx/1", false),
        ("GET /*", "GET", "/", true),
        ("GET /*", "GET", "/anything/at/all", true),
        ("GET /*", "POST", "/", false),
        ("GET /a;x", "GET", "/a;x", true),
        ("GET /...", "GET", "/...", true),
    ];
    for (allowed, method, path, expected) in cases {
        assert_eq!(at_endpoint(allowed, method, path), expected, "{method} {path} under {allowed}");
    }
}

#[test]
fn endpoints_of_paths_that_can_be_read_in_two_ways_are_refused() {
    for path in [
        "",
        "invoices",
        "*",
        "//",
        "/invoices//1",
        "/invoices/../users",
        "/invoices/..",
        "/invoices/.",
        "/./invoices/1",
        "/../invoices/1",
        "/..",
        "/invoices/%2e%2e/users",
        "/invoices/1%00",
        "/invoices\\..\\users",
        "/invoices/1\n",
        "/invoices/\u{7f}",
        "/invoices/\u{85}",
        "/invoices/ 1",
        "/invoices/..;/users",
        "/invoices/.;x/users",
        "/invoices/1?x=/../",
        "/invoices/1#x",
        "/invoices/\u{ff0e}\u{ff0e}/users",
        "https://example.com/invoices/1",
    ] {
        for allowed in ["* /*".to_owned(), "GET /invoices/*".to_owned(), format!("GET {path}")] {
            assert!(!at_endpoint(&allowed, "GET", path), "{path:?} under {allowed:?}");
        }
    }
}

#[test]
fn endpoints_that_are_listed_wrongly_allow_nothing() {
    for allowed in
        ["", "*", "/*", "GET", "GET/*", "GET  /*", "GET *", "GET /a*", "GET /*/b", " GET /*", "GET,POST /*"]
    {
        for path in ["/", "/a", "/ab", "/a/b", "/*"] {
            assert!(!at_endpoint(allowed, "GET", path), "{path:?} under {allowed:?}");
        }
    }
}

proptest! {
    #[test]
    fn only_hosts_below_the_domain_pass_a_wildcard(origin in "https?://[a-z.@:/\\\\*-]{0,8}(good\\.com)?[a-z.:@/]{0,4}") {
        let below = origin.strip_prefix("https://").and_then(|host| host.strip_suffix(".good.com"));
        let expected = below.is_some_and(|labels| {
            labels.split('.').all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        });
        prop_assert_eq!(from_origin("https://*.good.com", Some(&origin), None), expected);
    }

    #[test]
    fn no_surroundings_make_it_panic(
        text in "\\PC{0,20}", more in "[a-z:/.*@\\[\\]%,0-9 ]{0,30}", peer in any::<Option<u128>>(),
    ) {
        let peer = peer.map(|bits| IpAddr::from(core::net::Ipv6Addr::from(bits)));
        for (text, more) in [(&text, &more), (&more, &text), (&more, &more)] {
            let all = Some(vec![text.clone()]);
            let surroundings = Surroundings {
                peer,
                forwarded_for: Some(more.clone()),
                origin: None,
                referer: Some(more.clone()),
                method: Some(more.clone()),
                path: Some(format!("/{more}")),
                trusted: Proxies::parse(text),
            };
            for restrictions in [
                Restrictions { networks: all.clone(), ..Restrictions::default() },
                Restrictions { origins: all.clone(), ..Restrictions::default() },
                Restrictions { endpoints: all.clone(), ..Restrictions::default() },
            ] {
                let _ = restrictions.check(&surroundings);
            }
        }
    }
}

#[test]
fn t164_a_stated_address_is_short_and_plain() {
    for (header, stated) in [
        ("192.0.2.7", Some("192.0.2.7")),
        (" 192.0.2.7,\t[2001:db8::1]:443 ", Some("192.0.2.7,[2001:db8::1]:443")),
        ("", None),
        (" \r\n\0", None),
        ("unknown \u{202e}<script>", Some("c")),
    ] {
        assert_eq!(stated_address(header).as_deref(), stated, "{header:?}");
    }
    let end = "192.0.2.1";
    let long = format!("{}, {end}", "9".repeat(1000));
    let stated = stated_address(&long).unwrap();
    assert!(stated.len() == 200 && stated.ends_with(end), "{stated}");
}
