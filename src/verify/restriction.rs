//! From where, and for what, an API key may be used. What cannot be read allows nothing.

use super::endpoint::routed;
use super::error::Refusal;
use core::net::{IpAddr, SocketAddr};
use ipnet::{IpNet, Ipv4Net};

/// What is kept of where a request says that it comes from.
const STATED_MAX: usize = 200;

/// What a key is limited to. None of a kind: no limit; an empty list allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restrictions {
    /// As Postgres prints a `cidr`.
    pub(crate) networks: Option<Vec<String>>,
    /// `scheme://host[:port]`, or `scheme://*.domain[:port]` for everything below a domain.
    pub(crate) origins: Option<Vec<String>>,
    /// `METHOD /path`; `*` for any method; `/*` at the end for everything below.
    pub(crate) endpoints: Option<Vec<String>>,
}

/// Where a request comes from and what it asks for, as far as the server was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// None: a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// All `X-Forwarded-For` headers in their order, joined with commas.
    pub(crate) forwarded_for: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) referer: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) trusted: Proxies,
}

impl Restrictions {
    /// Whether a key with these restrictions may be used in these surroundings.
    pub(crate) fn check(&self, surroundings: &Surroundings) -> Result<(), Refusal> {
        if let Some(networks) = &self.networks {
            let address = client_address(
                surroundings.peer,
                surroundings.forwarded_for.as_deref(),
                &surroundings.trusted,
            );
            let inside = address.is_some_and(|address| networks.iter().any(|text| is_in(address, text)));
            inside.then_some(()).ok_or(Refusal::KeyNetwork)?;
        }
        if let Some(origins) = &self.origins {
            let origin = origin_text(surroundings.origin.as_deref(), surroundings.referer.as_deref());
            let known =
                origin.is_some_and(|origin| origins.iter().any(|allowed| is_origin(&origin, allowed)));
            known.then_some(()).ok_or(Refusal::KeyOrigin)?;
        }
        if let Some(endpoints) = &self.endpoints {
            let asked = surroundings.method.as_deref().zip(surroundings.path.as_deref());
            let listed = asked.is_some_and(|(method, path)| {
                let path = routed(path);
                let fits = |path: &str| endpoints.iter().any(|allowed| is_endpoint(method, path, allowed));
                path.as_deref().is_some_and(fits)
            });
            listed.then_some(()).ok_or(Refusal::KeyEndpoint)?;
        }
        Ok(())
    }
}

/// Who is believed about the address of a client. Nobody, unless parsed from a setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    local: bool,
    networks: Vec<IpNet>,
    /// The setting cannot be read: the peer may be a proxy that was meant.
    unreadable: bool,
}

impl Proxies {
    /// Reads addresses, networks and the word `local` (Unix sockets), between commas or blanks. With one that
    /// cannot be read no address is known at all.
    pub(crate) fn parse(setting: &str) -> Proxies {
        let mut proxies = Proxies::default();
        let is_between = |c: char| c == ',' || c.is_ascii_whitespace();
        for word in setting.split(is_between).filter(|word| !word.is_empty()) {
            let single = word.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
            match single.or_else(|| network(word)) {
                Some(network) => proxies.networks.push(network),
                None if word == "local" => proxies.local = true,
                None => return Proxies { unreadable: true, ..Proxies::default() },
            }
        }
        proxies
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// The client's address: the peer's own or, behind trusted proxies, the right-most one in `X-Forwarded-For`
/// that is of no trusted proxy. What stands left of that one could be written by anybody.
pub(crate) fn client_address(
    peer: Option<IpAddr>,
    forwarded_for: Option<&str>,
    trusted: &Proxies,
) -> Option<IpAddr> {
    if trusted.unreadable {
        return None;
    }
    let peer = peer.map(|address| address.to_canonical());
    if !peer.map_or(trusted.local, |address| trusted.trust(address)) {
        return peer;
    }
    for element in forwarded_for?.rsplit(',') {
        let address = forwarded_address(element.trim_matches([' ', '\t']))?;
        if !trusted.trust(address) {
            return Some(address);
        }
    }
    None
}

/// The network that an address counts for: itself, or the 64 bits of IPv6 that belong to one site.
pub(crate) fn network_of(address: IpAddr) -> Option<String> {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 32 } else { 64 };
    IpNet::new(address, bits).ok().map(|network| network.trunc().to_string())
}

/// What a request says of where it comes from, for people who read a log: the end, which the last proxy wrote, and only characters
/// that addresses have. Nothing is decided by it.
pub(crate) fn stated_address(forwarded_for: &str) -> Option<String> {
    let of_addresses = |c: &char| c.is_ascii_hexdigit() || ".:,[] ".contains(*c);
    let mut kept: Vec<char> = forwarded_for.chars().rev().filter(of_addresses).take(STATED_MAX).collect();
    kept.reverse();
    let text: String = kept.into_iter().collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An address as proxies write it: some add the port, and brackets to IPv6.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    // A scope means something on the proxy's host only.
    if text.contains('%') {
        return None;
    }
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().filter(IpAddr::is_ipv6);
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    let address: Option<IpAddr> = text.parse().ok();
    address.or_else(bracketed).or_else(with_port).map(|address| address.to_canonical())
}

/// A network without host bits; IPv4 in IPv6 (RFC 4291 section 2.5.5.2) is IPv4.
fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok()?;
    // ipnet takes leading zeros, which others read as octal.
    let address: IpAddr = text.split_once('/')?.0.parse().ok()?;
    if address != network.network() {
        return None;
    }
    let mapped = match network {
        IpNet::V6(six) => six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, length)) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        None => Some(network),
    }
}

fn is_in(address: IpAddr, text: &str) -> bool {
    network(text).is_some_and(|network| network.contains(&address))
}

/// What a browser calls the origin of a request (RFC 6454 section 7), or the same part of its `Referer`. An
/// `Origin` that says nothing, such as `null`, is not made up for.
fn origin_text(origin: Option<&str>, referer: Option<&str>) -> Option<String> {
    let text = match (origin, referer) {
        (Some(origin), _) => origin,
        (None, Some(referer)) => before_path(referer)?,
        (None, None) => return None,
    };
    Some(text.to_ascii_lowercase())
}

/// Scheme and authority of a URL. Backslashes and blanks are where readers of URLs disagree.
fn before_path(url: &str) -> Option<&str> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let authority = url.find("://")?.checked_add(3)?;
    let length = url.get(authority..)?.find(['/', '?', '#']);
    url.get(..length.map_or(url.len(), |length| authority.saturating_add(length)))
}

/// `origin` in lower case. Default ports are not known: browsers leave them out.
fn is_origin(origin: &str, allowed: &str) -> bool {
    let allowed = allowed.to_ascii_lowercase();
    let Some(origin) = Origin::parse(origin) else {
        return false;
    };
    match allowed.split_once("://*.") {
        Some((scheme, rest)) => {
            Origin::parse(&format!("{scheme}://{rest}")).is_some_and(|domain| origin.is_below(&domain))
        }
        None => Origin::parse(&allowed).is_some_and(|allowed| allowed == origin),
    }
}

#[derive(PartialEq, Eq)]
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// Names and IPv4 addresses only, in lower case; nothing before or behind them.
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let is_name = |text: &str, more: &[u8]| {
            let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || more.contains(&b);
            !text.is_empty() && text.bytes().all(is_part)
        };
        let is_port = |port: &str| port.len() <= 5 && port.parse::<u16>().is_ok() && !port.starts_with('+');
        let good = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && is_name(scheme, b"+-.")
            && host.split('.').all(|label| is_name(label, b"-_"))
            && port.is_none_or(is_port);
        good.then_some(Origin { scheme, host, port })
    }

    fn is_below(&self, domain: &Origin<'_>) -> bool {
        let label = self.host.strip_suffix(domain.host).and_then(|rest| rest.strip_suffix('.'));
        self.scheme == domain.scheme
            && self.port == domain.port
            && label.is_some_and(|label| !label.is_empty())
    }
}

fn is_endpoint(method: &str, path: &str, allowed: &str) -> bool {
    let Some((allowed_method, allowed_path)) = allowed.split_once(' ') else {
        return false;
    };
    if method.is_empty() || (allowed_method != "*" && allowed_method != method) {
        return false;
    }
    match allowed_path.strip_suffix('*') {
        Some("/") => true,
        Some(above) if above.ends_with('/') => path.len() > above.len() && path.starts_with(above),
        Some(_) => false,
        None => allowed_path == path,
    }
}
