//! How many requests one client sends.

use super::Site;
use pg_bearer_tests::http::Answer;

/// More than are let through at once, however slow the machine is.
const MANY: usize = 1500;

/// Sends requests from these addresses, one after the other, until one is refused.
fn exhaust(site: &Site, addresses: impl Fn(usize) -> String) -> Answer {
    let refused = (0..MANY).find_map(|n| {
        let stated = format!("198.51.100.{}", n % 256);
        let headers = [("X-Forwarded-For", stated.as_str()), ("X-Real-IP", &stated)];
        let answer = site.nginx.send_from(&addresses(n), "GET", "/", &headers, "");
        (answer.status == 429).then_some(answer)
    });
    refused.unwrap_or_else(|| panic!("{MANY} requests were let through"))
}

fn is_refused(site: &Site, address: &str) -> bool {
    site.nginx.send_from(address, "GET", "/", &[], "").status == 429
}

#[test]
fn t179_who_asks_too_often_is_known_by_the_address_that_was_seen() {
    let site = Site::new();
    let refused = exhaust(&site, |_| "192.0.2.7".into());
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert!(refused.header("vary").is_some() && refused.header("x-request-id").is_some(), "{refused:?}");
    assert!(!is_refused(&site, "192.0.2.8"));
    // The same address in the form of IPv6 is the same; others in that form have a count of their own.
    exhaust(&site, |n| if n % 2 == 0 { "192.0.2.9".into() } else { "::ffff:192.0.2.9".into() });
    assert!(!is_refused(&site, "::ffff:192.0.2.10") && !is_refused(&site, "::ffff:c000:20b"));
}

#[test]
fn t179_a_network_of_ipv6_counts_as_one_client() {
    let site = Site::new();
    // Whoever has a /64 has an address for each request. Bytes of it look like anything: line ends, zeros, signs.
    for network in ["2001:db8:0:1", "2001:db8:a0a:d0d", "2001:db8:5b5d:2a5c"] {
        exhaust(&site, |n| format!("{network}:{:x}:{:x}:a00:{n:x}", n * 7 % 65536, n * 31 % 65536));
    }
    assert!(!is_refused(&site, "2001:db8:0:2::1") && !is_refused(&site, "2001:db8:1:1::1"));
}
