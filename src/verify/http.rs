//! Who sends an HTTP request, as its headers say it: one credential at most, whatever header it is in.
//!
//! A proxy may move the client's `Authorization` into [`PROXY_HEADER`] and put something of its own in its place: then
//! `Authorization` is not looked at.

use super::api_key::looks_like_jwt;
use super::error::Refusal;
use super::identity::{Kind, Uuid, uuid};
use super::masking;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// What the proxy calls the client's `Authorization`.
pub(crate) const PROXY_HEADER: &str = "x-credential";
const AUTHORIZATION: &str = "authorization";
const ORGANIZATION_HEADER: &str = "x-organization";
/// What a proxy calls a request, in its own log too.
pub(crate) const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_MAX: usize = 128;
/// As long as the longest external id.
const ORGANIZATION_MAX: usize = 255;

/// What is wrong with the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// They are no JSON object of texts.
    Unreadable,
    /// One of them was sent twice.
    Doubled,
    /// There is a credential that is written as none is.
    Malformed,
    /// The organization is written as none is.
    Organization,
}

/// An organization as a client names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NamedOrg {
    Id(Uuid),
    /// An external id or a slug.
    Name(String),
}

/// The credentials in these headers, each once, whatever it is worth.
pub(crate) fn credentials(
    headers: &Map<String, Value>,
    names: &[String],
) -> Result<Vec<Zeroizing<String>>, HeaderFault> {
    let mut found: Vec<Zeroizing<String>> = Vec::new();
    for name in names.iter().map(String::as_str) {
        let is_moved = name == AUTHORIZATION && names.iter().any(|other| other == PROXY_HEADER);
        if is_moved && headers.contains_key(PROXY_HEADER) {
            continue;
        }
        let Some(value) = single(headers, name)? else { continue };
        let text =
            if [AUTHORIZATION, PROXY_HEADER].contains(&name) { authorization(value)? } else { plain(value)? };
        if !found.iter().any(|known| **known == *text) {
            found.push(text);
        }
    }
    Ok(found)
}

/// The value of a header that is there and has one.
fn single<'a>(headers: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, HeaderFault> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value = value.as_str().ok_or(HeaderFault::Unreadable)?.trim_matches([' ', '\t']);
    match value {
        // Servers join the values of a header that is sent twice. No credential has a comma, and no slug.
        _ if value.contains(',') => Err(HeaderFault::Doubled),
        "" => Ok(None),
        _ => Ok(Some(value)),
    }
}

/// `Bearer <token or key>` (RFC 6750 section 2.1), `Basic <key>:` (RFC 7617), `ApiKey <key>`, or a token or key alone.
fn authorization(value: &str) -> Result<Zeroizing<String>, HeaderFault> {
    let Some((scheme, rest)) = value.split_once(' ') else {
        let is_scheme = ["bearer", "basic", "apikey"].iter().any(|name| value.eq_ignore_ascii_case(name));
        return if is_scheme { Err(HeaderFault::Malformed) } else { plain(value) };
    };
    let rest = rest.trim_start_matches(' ');
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "apikey" => plain(rest),
        "basic" => basic(rest),
        _ => Err(HeaderFault::Malformed),
    }
}

/// A key is a name without a password. A token is not sent so.
fn basic(encoded: &str) -> Result<Zeroizing<String>, HeaderFault> {
    let decoded = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| HeaderFault::Malformed)?;
    let name = decoded.strip_suffix(b":").filter(|name| !name.contains(&b':') && !looks_like_jwt(name));
    let name = name.and_then(|name| std::str::from_utf8(name).ok()).ok_or(HeaderFault::Malformed)?;
    plain(name)
}

/// Visible ASCII characters.
fn plain(text: &str) -> Result<Zeroizing<String>, HeaderFault> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Zeroizing::new(text.to_owned())),
        false => Err(HeaderFault::Malformed),
    }
}

/// The organization that the client wants to act in, if it names one.
pub(crate) fn organization(headers: &Map<String, Value>) -> Result<Option<NamedOrg>, HeaderFault> {
    let Some(name) = single(headers, ORGANIZATION_HEADER)? else { return Ok(None) };
    if name.len() > ORGANIZATION_MAX || name.chars().any(char::is_control) {
        return Err(HeaderFault::Organization);
    }
    Ok(Some(uuid(name).map_or_else(|| NamedOrg::Name(name.to_owned()), NamedOrg::Id)))
}

/// The id of a request, for people who read logs; `None` for a text that could be a line of its own there, and for what looks
/// like a credential. Nothing is decided by it.
pub(crate) fn request_id(value: &str) -> Option<&str> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._:=-".contains(&byte);
    let is_id = (1..=REQUEST_ID_MAX).contains(&value.len()) && value.bytes().all(is_sign);
    (is_id && !masking::shows_credential(value.as_bytes())).then_some(value)
}

/// The headers without those that credentials are in.
pub(crate) fn without_credentials(headers: &Map<String, Value>, names: &[String]) -> Map<String, Value> {
    let is_kept =
        |name: &str| ![AUTHORIZATION, PROXY_HEADER].contains(&name) && !names.iter().any(|own| own == name);
    headers
        .iter()
        .filter(|(name, _)| is_kept(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The names of headers in a list between commas, in lower case; `None` for a list with something else in it.
pub(crate) fn header_names(list: &str) -> Option<Vec<String>> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let names = list.split(',').map(|name| name.trim().to_ascii_lowercase());
    names.map(|name| (!name.is_empty() && name.bytes().all(is_token)).then_some(name)).collect()
}

/// The status of the answer to an error of ours (RFC 9110 section 15). Every code that our functions document has one.
pub(crate) fn status(sqlstate: &str) -> u16 {
    match sqlstate {
        "28000" => 401,
        "42501" => 403,
        "22023" | "22P02" | "54000" | "55006" => 400,
        "23505" | "42710" | "40001" | "40P01" => 409,
        "53400" => 429,
        "0A000" | "55000" | "55P03" | "F0000" => 503,
        _ => 500,
    }
}

/// The status of the answer to an error of ours after the sender was established; `is_of_nobody`: it says that somebody has to
/// sign in, whatever its code. `None` where PostgREST knows better: it repeats what failed to be serialized.
pub(crate) fn later_status(sqlstate: &str, is_of_nobody: bool) -> Option<u16> {
    match sqlstate {
        "40001" | "40P01" => None,
        _ if is_of_nobody => Some(401),
        _ => Some(status(sqlstate)),
    }
}

/// The status of the answer to a refused credential: a good key in a wrong place is forbidden there.
pub(crate) fn status_of(refusal: Refusal) -> u16 {
    let places = [Refusal::KeyNetwork, Refusal::KeyOrigin, Refusal::KeyEndpoint];
    if places.contains(&refusal) { 403 } else { 401 }
}

/// Do the claims of a token name nobody, as those of Supabase's anon key do?
pub(crate) fn name_nobody(claims: &Map<String, Value>) -> bool {
    claims.get("role").and_then(Value::as_str) == Some("anon") && !claims.contains_key("sub")
}

/// Whose role a request goes on in: a token that came from an API key is the key's.
pub(crate) fn sender(kind: Kind, has_key: bool) -> Kind {
    if kind == Kind::Jwt && has_key { Kind::ApiKey } else { kind }
}

/// `WWW-Authenticate` (RFC 6750 section 3): without an error where nothing was sent.
pub(crate) fn challenge(was_sent: bool) -> &'static str {
    if was_sent { "Bearer error=\"invalid_token\"" } else { "Bearer" }
}
