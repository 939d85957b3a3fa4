//! Which endpoint an HTTP request is for, as the server behind us routes it, and what it takes to use it.

use super::identifier::identifier;
use super::identity::Kind;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

const PROCEDURES: &str = "/rpc/";

/// A path as servers route by it: each part of it decoded once (RFC 3986 section 2.1). `None` for one that servers read
/// differently: with a part that is empty, leads up or nowhere, or holds what separates parts. A slash at the end stays.
pub(crate) fn routed(path: &str) -> Option<String> {
    let parts = path.strip_prefix('/')?.split('/').map(part).collect::<Option<Vec<_>>>()?;
    let empty = parts.iter().position(String::is_empty);
    let is_last = |at: usize| at.checked_add(1) == Some(parts.len());
    empty.is_none_or(is_last).then(|| format!("/{}", parts.join("/")))
}

/// What comes out may not have to be decoded again.
fn part(encoded: &str) -> Option<String> {
    let is_sent = |byte: u8| byte.is_ascii_graphic() && !b"\\?#".contains(&byte);
    let decoded = percent_decode_str(encoded).decode_utf8().ok().filter(|_| encoded.bytes().all(is_sent))?;
    let is_plain =
        |c: char| (c.is_ascii_graphic() && !"%/\\?#".contains(c)) || (!c.is_ascii() && c.is_alphanumeric());
    // Some servers strip parameters (`/..;x/`) before they resolve dots.
    let is_dots = matches!(decoded.split(';').next(), Some("." | ".."));
    (decoded.chars().all(is_plain) && !is_dots).then(|| decoded.into_owned())
}

/// What a request asks for.
pub(crate) struct Asked<'a> {
    /// Who asks; `None`: nobody.
    pub(crate) sender: Option<Kind>,
    pub(crate) method: &'a str,
    /// As the server got it.
    pub(crate) path: &'a str,
    /// The `search_path` of the request: PostgREST begins it with the schema that it looks in.
    pub(crate) search_path: &'a str,
    pub(crate) headers: &'a Map<String, Value>,
}

/// Why nobody can tell what a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndpointFault {
    /// The list cannot be read.
    List,
    /// No endpoint of the list is asked for, which takes a permission that nobody has.
    Unlisted,
    /// The same by somebody who has to say first who they are.
    Nobody,
}

/// An endpoint of the list, with the permission that it takes; empty: none.
struct Endpoint<'a> {
    /// The schema; `None`: the one that PostgREST takes by itself.
    schema: Option<&'a str>,
    path: &'a str,
    permission: &'a str,
}

impl<'a> Endpoint<'a> {
    /// `/invoices`, `/bills = invoices`, `/rpc/send = mail.send`, `/rpc/health =`, `billing/invoices = billing.invoices`.
    fn parse(entry: &'a str) -> Option<Endpoint<'a>> {
        let (place, permission) = match entry.split_once('=') {
            Some((place, permission)) => (place.trim_end(), Some(permission.trim_start())),
            None => (entry, None),
        };
        let (schema, path) = place.split_at_checked(place.find('/')?)?;
        let name = path.strip_prefix(PROCEDURES).or_else(|| path.strip_prefix('/'))?;
        // What a function takes is said: nobody knows whether it reads or writes.
        let permission = if path.starts_with(PROCEDURES) { permission? } else { permission.unwrap_or(name) };
        let is_name = |text: &str, more: &str| text.chars().all(|c| c.is_alphanumeric() || more.contains(c));
        let is_good = !["", "rpc", ".", ".."].contains(&name)
            && is_name(name, "_-.")
            && is_name(schema, "_-.")
            && is_name(permission, "_-.:");
        is_good.then_some(Endpoint {
            schema: Some(schema).filter(|schema| !schema.is_empty()),
            path,
            permission,
        })
    }

    fn is_asked(&self, asked: &Asked<'_>, path: &str) -> bool {
        // PostgREST takes the first of two headers and tells us the last: whether there is one is certain, what it says is not.
        let by_itself =
            || !["accept-profile", "content-profile"].iter().any(|name| asked.headers.contains_key(*name));
        let searched = || identifier(asked.search_path).map(|(name, _)| name);
        self.path == path
            && self.schema.map_or_else(by_itself, |schema| searched().as_deref() == Some(schema))
    }

    fn needs(&self, access: Access) -> Vec<String> {
        let (permission, is_function) = (self.permission, self.path.starts_with(PROCEDURES));
        match access {
            _ if permission.is_empty() => Vec::new(),
            _ if is_function => vec![permission.to_owned()],
            Access::Read => vec![format!("{permission}.read")],
            Access::Write => vec![format!("{permission}.write")],
            Access::Both => vec![format!("{permission}.write"), format!("{permission}.read")],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    Both,
}

impl Access {
    fn of(asked: &Asked<'_>) -> Option<Access> {
        match asked.method {
            "GET" | "HEAD" => Some(Access::Read),
            "POST" | "PUT" | "PATCH" | "DELETE" if wants_rows(asked.headers) => Some(Access::Both),
            "POST" | "PUT" | "PATCH" | "DELETE" => Some(Access::Write),
            _ => None,
        }
    }
}

/// Does a request that writes want to see rows (RFC 7240), or how many there are?
fn wants_rows(headers: &Map<String, Value>) -> bool {
    let Some(prefer) = headers.get("prefer") else { return false };
    let Some(prefer) = prefer.as_str() else { return true };
    let mut wishes = prefer.split([',', ';']).map(|wish| wish.trim().to_ascii_lowercase());
    wishes.any(|wish| wish.starts_with("count") || (wish.starts_with("return") && wish != "return=minimal"))
}

/// The permissions that a request needs, by a list of endpoints between commas. A service has none and needs none.
pub(crate) fn needed(list: &str, asked: &Asked<'_>) -> Result<Vec<String>, EndpointFault> {
    let entries = list.split(',').map(|entry| Endpoint::parse(entry.trim()));
    let endpoints = entries.collect::<Option<Vec<_>>>().ok_or(EndpointFault::List)?;
    if asked.sender == Some(Kind::Service) {
        return Ok(Vec::new());
    }
    let unlisted = if asked.sender.is_some() { EndpointFault::Unlisted } else { EndpointFault::Nobody };
    let path = routed(asked.path).ok_or(unlisted)?;
    let access = Access::of(asked).ok_or(unlisted)?;
    // Whoever is listed twice needs all of it.
    let mut found = endpoints.iter().filter(|endpoint| endpoint.is_asked(asked, &path)).peekable();
    found.peek().ok_or(unlisted)?;
    Ok(found.flat_map(|endpoint| endpoint.needs(access)).collect())
}
