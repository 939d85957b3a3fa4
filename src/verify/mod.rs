//! Is this credential good? Pure Rust: no PostgreSQL, no clock, no randomness; time is an argument.

pub(crate) mod acting;
pub(crate) mod algorithm;
pub(crate) mod api_key;
pub(crate) mod ban;
pub(crate) mod base64url;
pub(crate) mod ending;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod granted;
pub(crate) mod handing_on;
pub(crate) mod http;
pub(crate) mod identifier;
pub(crate) mod identity;
pub(crate) mod json;
pub(crate) mod jwk;
pub(crate) mod jwt;
pub(crate) mod masking;
pub(crate) mod membership;
pub(crate) mod memory;
pub(crate) mod minted;
mod numeric_date;
pub(crate) mod password;
pub(crate) mod period;
pub(crate) mod permission;
pub(crate) mod place;
pub(crate) mod rate;
pub(crate) mod refresh;
pub(crate) mod restriction;
pub(crate) mod revocation;
pub(crate) mod role;
pub(crate) mod session;
pub(crate) mod sign_in;
pub(crate) mod signature;
pub(crate) mod ticket;
pub(crate) mod token;
pub(crate) mod tries;

#[cfg(test)]
mod tests;
