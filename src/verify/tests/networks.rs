//! From which networks an API key may be used, and who is believed about addresses.

use crate::verify::error::Refusal;
use crate::verify::restriction::{Proxies, Restrictions, Surroundings, client_address};
use core::net::IpAddr;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn in_networks(networks: &[&str], peer: Option<&str>) -> bool {
    let restrictions = Restrictions {
        networks: Some(networks.iter().map(|&network| network.to_owned()).collect()),
        ..Restrictions::default()
    };
    let surroundings = Surroundings { peer: peer.map(ip), ..Surroundings::default() };
    let verdict = restrictions.check(&surroundings);
    assert!(matches!(verdict, Ok(()) | Err(Refusal::KeyNetwork)));
    verdict.is_ok()
}

#[test]
fn networks_contain_their_addresses_and_no_others() {
    let cases = [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("::ffff:10.0.0.0/104", "10.1.2.3", true),
        ("::ffff:10.0.0.0/104", "11.1.2.3", false),
        ("::ffff:0.0.0.0/96", "9.9.9.9", true),
        ("2001:db8::/32", "2001:db8:1::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("192.0.2.1/32", "192.0.2.1", true),
        ("192.0.2.1/32", "192.0.2.2", false),
        ("0.0.0.0/0", "192.0.2.2", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "::1", true),
        ("::/0", "10.0.0.1", false),
    ];
    for (network, peer, expected) in cases {
        assert_eq!(in_networks(&[network], Some(peer)), expected, "{peer} in {network}");
    }
    assert!(in_networks(&["10.0.0.0/8", "192.0.2.0/24"], Some("192.0.2.9")));
    assert!(!in_networks(&["0.0.0.0/0", "::/0"], None), "a Unix socket has no address");
}

#[test]
fn networks_that_cannot_be_read_contain_nothing() {
    for network in [
        "",
        "10.0.0.1",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10/8",
        "010.0.0.0/8",
        " 10.0.0.0/8",
        "0.0.0.0/0 ",
        "*",
        "/0",
        "::/129",
        "0x0.0.0.0/0",
    ] {
        assert!(!in_networks(&[network], Some("10.0.0.1")), "{network:?}");
    }
    assert!(in_networks(&["nonsense", "10.0.0.0/8"], Some("10.0.0.1")));
}

#[test]
fn proxies_are_trusted_as_listed_and_nobody_when_unreadable() {
    let header = Some("203.0.113.9");
    let behind = |setting: &str, peer: Option<&str>| {
        client_address(peer.map(ip), header, &Proxies::parse(setting)) == Some(ip("203.0.113.9"))
    };
    assert!(behind("10.0.0.1", Some("10.0.0.1")));
    assert!(behind("10.0.0.1", Some("::ffff:10.0.0.1")));
    assert!(behind("::ffff:10.0.0.1", Some("10.0.0.1")));
    assert!(behind(" 192.0.2.0/24,, 10.0.0.0/8\tlocal ", Some("10.7.7.7")));
    assert!(behind("192.0.2.0/24 local", None));
    assert!(!behind("192.0.2.0/24", None));
    assert!(!behind("", Some("10.0.0.1")));
    assert!(!behind("", None));
    assert!(!behind("local", Some("127.0.0.1")));
    for unreadable in [
        "10.0.0.1 nonsense",
        "10.0.0.1,10.0.0.1/8",
        "10.0.0.1;10.0.0.2",
        "010.0.0.1",
        "10.0.0.1 010.0.0.0/8",
        "LOCAL,10.0.0.1",
        "*",
    ] {
        // Nor is the peer believed to be the client: it may be a proxy that was meant.
        let trusted = Proxies::parse(unreadable);
        for peer in [Some("10.0.0.1"), Some("203.0.113.9"), None] {
            let peer = peer.map(|peer| peer.parse().unwrap());
            assert_eq!(client_address(peer, Some("198.51.100.1"), &trusted), None, "{unreadable:?}");
        }
    }
}

#[test]
fn clients_behind_proxies_are_the_last_address_that_no_proxy_of_ours_has() {
    let trusted = Proxies::parse("10.0.0.0/8, 2001:db8::/32, local");
    let cases = [
        ("203.0.113.9", Some("203.0.113.9")),
        ("1.1.1.1, 203.0.113.9", Some("203.0.113.9")),
        ("1.1.1.1,203.0.113.9,10.0.0.2,\t10.0.0.3 ", Some("203.0.113.9")),
        ("nonsense, 203.0.113.9, 10.0.0.2", Some("203.0.113.9")),
        ("203.0.113.9:8080", Some("203.0.113.9")),
        ("203.0.113.9, 10.0.0.2:80", Some("203.0.113.9")),
        ("[2001:db9::1]:443", Some("2001:db9::1")),
        ("[2001:db9::1]", Some("2001:db9::1")),
        ("2001:db9::1, [2001:db8::1]:443", Some("2001:db9::1")),
        ("::ffff:203.0.113.9, ::ffff:10.0.0.2", Some("203.0.113.9")),
        ("203.0.113.9, nonsense", None),
        ("203.0.113.9, nonsense, 10.0.0.2", None),
        ("203.0.113.9,", None),
        ("203.0.113.9, ,10.0.0.2", None),
        ("203.0.113.9, unix:", None),
        ("203.0.113.9, unknown", None),
        ("\"203.0.113.9\"", None),
        ("203.0.113.9 10.0.0.2", None),
        ("203.0.113.9:99999", None),
        ("203.0.113.9:", None),
        ("[203.0.113.9]", None),
        ("[2001:db9::1", None),
        ("fe80::1%eth0", None),
        ("[fe80::1%1]:80", None),
        ("203.0.113.09", None),
        ("10.0.0.2, 10.0.0.3", None),
        ("", None),
    ];
    for (header, expected) in cases {
        for peer in [Some(ip("10.0.0.1")), None] {
            assert_eq!(client_address(peer, Some(header), &trusted), expected.map(ip), "{header:?}");
        }
        // Who is no proxy of ours may write what he likes.
        let stranger = Some(ip("192.0.2.1"));
        assert_eq!(client_address(stranger, Some(header), &trusted), stranger, "{header:?}");
    }
    assert_eq!(client_address(Some(ip("10.0.0.1")), None, &trusted), None);
    assert_eq!(client_address(None, None, &trusted), None);
}

proptest! {
    #[test]
    fn nothing_before_a_stranger_in_the_header_counts(before in ".{0,40}", bits in any::<u32>()) {
        let address = IpAddr::from(core::net::Ipv4Addr::from(bits));
        let trusted = Proxies::parse("local");
        let header = format!("{before}, {address}");
        prop_assert_eq!(client_address(None, Some(&header), &trusted), Some(address));
    }
}
