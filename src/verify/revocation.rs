//! What ends tokens before they expire, and which tokens it ends.

use super::identity::{text, timestamp};
use super::jwt::MAX_LEEWAY;
use super::numeric_date::claimed;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What a revocation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All tokens of a user, as `auth.user_id()` gives the id.
    User,
    /// All tokens with this `sub`.
    Subject,
    /// All tokens of a session.
    Session,
    /// The token with this `jti`.
    Token,
    /// The token with this payload, which has no `jti`.
    Digest,
}

impl Kind {
    /// As the column `kind` has them.
    const ALL: [(Kind, &'static str); 5] = [
        (Kind::User, "user"),
        (Kind::Subject, "subject"),
        (Kind::Session, "session"),
        (Kind::Token, "token"),
        (Kind::Digest, "digest"),
    ];

    pub(crate) fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|(_, known)| *known == name).map(|(kind, _)| kind)
    }
}

/// A revocation as its row says it.
#[derive(Debug)]
pub(crate) struct Revocation {
    pub(crate) kind: Kind,
    pub(crate) value: String,
    /// `None`: whatever the issuer.
    pub(crate) issuer: Option<String>,
    /// In microseconds since 2000; `None`: whenever.
    pub(crate) issued_before: Option<i64>,
}

/// What can be revoked of a token.
#[derive(Debug, Clone)]
pub(crate) struct Revocable {
    pub(crate) issuer: String,
    pub(crate) user: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) digest: Option<String>,
    /// The earliest moment at which it may have been issued, in microseconds since 2000; `None`: nobody knows.
    pub(crate) issued_at: Option<i64>,
}

impl Revocable {
    /// What these claims of an issuer say, whose clock may differ by `leeway` seconds. `prefix` is put before its subjects.
    pub(crate) fn of(
        issuer: &str,
        prefix: &str,
        claims: &Map<String, Value>,
        payload: &[u8],
        leeway: u64,
    ) -> Revocable {
        let subject = text(claims.get("sub"));
        let token = text(claims.get("jti"));
        let issued = claimed(claims, payload, "iat").ok().flatten();
        Revocable {
            issuer: issuer.to_owned(),
            user: subject.as_ref().map(|subject| format!("{prefix}{subject}")),
            subject,
            session: session(claims),
            digest: token.is_none().then(|| digest(payload)),
            token,
            issued_at: issued.map(|date| {
                let second = u64::try_from(date.floor).unwrap_or(0);
                timestamp(second.saturating_sub(leeway.min(MAX_LEEWAY)))
            }),
        }
    }

    /// What revocations of it are found by.
    pub(crate) fn values(&self) -> Vec<&str> {
        let all = [&self.user, &self.subject, &self.session, &self.token, &self.digest];
        let mut values: Vec<&str> = all.into_iter().flatten().map(String::as_str).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// Does this end the token? In doubt about the time it does.
    pub(crate) fn is_ended_by(&self, revocation: &Revocation) -> bool {
        let (named, all) = match revocation.kind {
            Kind::User => (&self.user, false),
            Kind::Subject => (&self.subject, false),
            Kind::Session => (&self.session, true),
            Kind::Token => (&self.token, true),
            Kind::Digest => (&self.digest, true),
        };
        named.as_deref() == Some(revocation.value.as_str())
            && revocation.issuer.as_ref().is_none_or(|issuer| *issuer == self.issuer)
            && (all || !is_later(self.issued_at, revocation.issued_before))
    }
}

/// Beyond doubt?
fn is_later(issued: Option<i64>, before: Option<i64>) -> bool {
    matches!((issued, before), (Some(issued), Some(before)) if issued > before)
}

/// The session of a token: `session_id`, as Supabase has it, or `sid` (OpenID Connect Front-Channel Logout 1.0).
pub(crate) fn session(claims: &Map<String, Value>) -> Option<String> {
    text(claims.get("session_id")).or_else(|| text(claims.get("sid")))
}

/// SHA-256 of a payload, in hexadecimal digits.
pub(crate) fn digest(payload: &[u8]) -> String {
    hex::encode(Sha256::digest(payload))
}
