//! From the text of a credential to a verified identity: one way in for every kind of credential.

use super::api_key;
use super::ffi::catalog;
use super::ffi::input::{CredentialText, JsonbArgument};
use super::minted;
use super::sqlstate::{self, Configured, Refused};
use super::store::{self, Issuer, directory};
use super::{tickets, usage};
use crate::verify::acting::{self, Unactable};
use crate::verify::api_key::{KeyKind, looks_like_jwt};
use crate::verify::error::Refusal;
use crate::verify::handing_on::{self, Token as Kept};
use crate::verify::http;
use crate::verify::identity::{Identity, Profile, Said};
use crate::verify::jwt::{self, VerifiedClaims};
use crate::verify::membership::settle;
use crate::verify::memory::SignatureMemory;
use crate::verify::minted::MintedToken;
use crate::verify::revocation::Revocable;
use crate::verify::ticket;
use crate::verify::token::{self, Token};
use pgrx::pg_sys::panic::ErrorReport;
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// Signatures this backend has found good. Everything else about a token is checked every time.
    static MEMORY: RefCell<SignatureMemory> = const { RefCell::new(SignatureMemory::new()) };
}

/// The kinds of credentials, told apart by their looks alone.
#[derive(Debug, PartialEq, Eq)]
enum Credential<'a> {
    Jwt(&'a [u8]),
    ApiKey(&'a [u8]),
    Ticket(&'a [u8]),
}

impl<'a> Credential<'a> {
    /// Tolerates `Bearer ` (RFC 6750 section 2.1, in any case) in front and white space around.
    fn classify(text: &'a [u8]) -> Result<Credential<'a>, Refusal> {
        let text = text.trim_ascii();
        let text = match text.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest.trim_ascii_start(),
            _ => text,
        };
        if text.is_empty() || text.eq_ignore_ascii_case(b"bearer") {
            return Err(Refusal::NoCredential);
        }
        Ok(match text {
            _ if looks_like_jwt(text) => Credential::Jwt(text),
            _ if ticket::looks_like_ticket(text) => Credential::Ticket(text),
            _ => Credential::ApiKey(text),
        })
    }
}

/// What stands in the way of a verdict: the credential, or us.
pub(super) enum Failure {
    Refused(Refused),
    Error(ErrorReport),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        Failure::Refused(refused)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal.into())
    }
}

impl From<ErrorReport> for Failure {
    fn from(error: ErrorReport) -> Failure {
        Failure::Error(error)
    }
}

impl Failure {
    /// The error for the caller.
    pub(super) fn report(self) -> ErrorReport {
        match self {
            Failure::Refused(refused) => refused.report(),
            Failure::Error(error) => error,
        }
    }
}

/// The identity that a credential proves.
pub(super) fn identify(credential: Option<&CredentialText>) -> Result<Identity, Failure> {
    proven(credential, true)
}

/// The same, without using the credential: no use is counted, and none is taken from its rate limit.
pub(super) fn identify_unused(credential: &CredentialText) -> Result<Identity, Failure> {
    proven(Some(credential), false)
}

fn proven(credential: Option<&CredentialText>, used: bool) -> Result<Identity, Failure> {
    match Credential::classify(bytes(credential)?)? {
        Credential::Jwt(text) => of_token(&verify_token(Token::parse(text)?, None, None)?, used),
        Credential::ApiKey(text) => of_key(api_key::accept(text)?, used),
        Credential::Ticket(text) => tickets::identify(text, used),
    }
}

/// What somebody shows in an HTTP request.
pub(super) enum Shown {
    /// It names the project and nobody: a publishable key, or a token for the role anon, as Supabase's anon key is.
    Publishable,
    Secret(Box<Identity>),
}

/// Verifies a credential and, with `used`, uses it.
pub(super) fn show(text: &[u8], used: bool) -> Result<Shown, Failure> {
    let secret = |identity: Identity| Shown::Secret(Box::new(identity));
    match Credential::classify(text)? {
        Credential::Jwt(text) => {
            let token = verify_token(Token::parse(text)?, None, None)?;
            match http::name_nobody(token.claims.claims()) {
                true => Ok(Shown::Publishable),
                false => of_token(&token, used).map(secret),
            }
        }
        Credential::ApiKey(text) => {
            let accepted = api_key::accept(text)?;
            match accepted.key.kind {
                KeyKind::Publishable => Ok(Shown::Publishable),
                KeyKind::Secret | KeyKind::Service => of_key(accepted, used).map(secret),
            }
        }
        Credential::Ticket(text) => tickets::identify(text, used).map(secret),
    }
}

/// The identity of the bearer of a token. Where it came from an API key, a use of that is counted.
pub(super) fn of_token(token: &AcceptedToken, used: bool) -> Result<Identity, Failure> {
    let (claims, profile) = (&token.claims, &token.profile());
    if let Some(row) = &token.row {
        return minted::identity(claims, profile, row, used);
    }
    let said = Said::of(claims.claims(), profile);
    let (held, tables) = directory::memberships(said.user_id.as_deref())?;
    let place = settle(claims, profile, held, &tables)?;
    Ok(Identity::from_claims(claims, said, place))
}

/// The identity of the bearer of an API key.
pub(super) fn of_key(accepted: api_key::Accepted, used: bool) -> Result<Identity, Failure> {
    if accepted.key.kind == KeyKind::Publishable {
        return Err(accepted.refuse(Refusal::KeyPublishable));
    }
    if used {
        usage::note(accepted.key.id, accepted.limit, accepted.key.org, accepted.org_limit()?)?;
    }
    Ok(accepted.identity())
}

/// A token that was accepted earlier, if it would be accepted now. Whatever goes by what was
/// kept of a token comes by here.
pub(super) fn renewed(token: &Kept) -> Result<AcceptedToken, Failure> {
    let found = store::issuer_and_algorithm(&token.issuer, token.key)?;
    let issuer = found.as_ref().map(|(issuer, key)| handing_on::Issuer { rules: &issuer.rules, key: *key });
    match (handing_on::renewed(token, issuer.as_ref(), catalog::clock()), found) {
        (Ok(claims), Some((issuer, _))) => AcceptedToken::current(claims, issuer),
        (Ok(_), None) => Err(Refusal::UnknownIssuer.into()),
        (Err(refusal), found) => {
            let known = |_| Configured::Issuer { issuer: token.issuer.clone(), kid: None };
            Err(Refused { refusal, configured: found.map(known) }.into())
        }
    }
}

/// The identity that an administrator states.
pub(super) fn stated(identity: Option<&JsonbArgument>) -> Result<Identity, ErrorReport> {
    let error = |unactable| match unactable {
        Unactable::Service => sqlstate::forbidden("nobody acts as a service")
            .set_hint("Authenticate with a credential of the service."),
        Unactable::Wrong(message) => sqlstate::bad_argument(message),
    };
    let json = identity.ok_or_else(|| sqlstate::bad_argument("the identity must be given"))?;
    let stated = acting::read(&json.0).map_err(error)?;
    let (held, tables) = directory::memberships(stated.user_id.as_deref())?;
    stated.identity(held, &tables)?.map_err(error)
}

/// The verdict on an API key, without using it.
pub(super) fn check_api_key(key: Option<&CredentialText>) -> Result<api_key::Accepted, Failure> {
    match Credential::classify(bytes(key)?)? {
        Credential::ApiKey(text) => api_key::accept(text),
        Credential::Jwt(_) => Err(Refusal::NotAKey.into()),
        Credential::Ticket(_) => Err(Refusal::IsATicket.into()),
    }
}

/// What there is to say to an administrator of a credential.
pub(super) enum Explained {
    ApiKey(Box<api_key::Explained>),
    Ticket(tickets::Explained),
    /// A token, which [`verify_jwt`] explains.
    Jwt,
}

/// A credential as an administrator asks about it.
pub(super) fn explain(
    credential: Option<&CredentialText>,
    place: api_key::Place,
) -> Result<Explained, Failure> {
    match Credential::classify(bytes(credential)?)? {
        Credential::ApiKey(text) => {
            api_key::explain(text, place).map(|explained| Explained::ApiKey(Box::new(explained)))
        }
        Credential::Ticket(text) => tickets::explain(text, place).map(Explained::Ticket),
        Credential::Jwt(_) => Ok(Explained::Jwt),
    }
}

/// A key where a token has to be.
fn token_text(token: Option<&CredentialText>) -> Result<&[u8], Refusal> {
    match Credential::classify(bytes(token)?)? {
        Credential::Jwt(text) | Credential::ApiKey(text) => Ok(text),
        Credential::Ticket(_) => Err(Refusal::IsATicket),
    }
}

/// The verified claims of a JWT that may also have to come from `issuer` and be for `audience`.
pub(super) fn verify_jwt(
    token: Option<&CredentialText>,
    issuer: Option<&str>,
    audience: Option<&str>,
) -> Result<String, Failure> {
    let found = verify_token(Token::parse(token_text(token)?)?, issuer, audience)?;
    if found.row.is_some() {
        // What it came from may have ended.
        of_token(&found, false)?;
    }
    let claims = found.claims;
    String::from_utf8(claims.payload().to_vec()).map_err(|_| Refusal::PayloadNotJson.into())
}

/// What can be revoked of a token, and when it expires, in Unix seconds, 0 for one that has. One that was revoked can be revoked
/// again: what it made may live.
pub(super) fn revocable(token: Option<&CredentialText>) -> Result<(Revocable, u64), Failure> {
    match verified(Token::parse(token_text(token)?)?, None, None) {
        Ok((claims, issuer)) => Ok((minted::revocable(&claims, &issuer), claims.expires_at())),
        // All else was good.
        Err(Failure::Refused(Refused { refusal: Refusal::Expired, .. })) => {
            expired(Token::parse(token_text(token)?)?)
        }
        Err(failure) => Err(failure),
    }
}

fn expired(token: Token<'_>) -> Result<(Revocable, u64), Failure> {
    let issuer = store::issuer_of(token.issuer())?.ok_or(Refusal::UnknownIssuer)?;
    let token = token.into_parts();
    Ok((minted::revocable_of(&token.issuer, &token.claims, &token.payload, &issuer), 0))
}

/// The header and the claims of what may be a token, as it says them.
pub(super) fn said(token: Option<&CredentialText>) -> [Option<String>; 2] {
    token_text(token).map(token::said).unwrap_or_default()
}

fn bytes(credential: Option<&CredentialText>) -> Result<&[u8], Refusal> {
    credential.ok_or(Refusal::NoCredential)?.bytes().ok_or(Refusal::TooLong)
}

/// A token that is accepted.
pub(super) struct AcceptedToken {
    pub(super) claims: VerifiedClaims,
    issuer: Rc<Issuer>,
    /// Of a token of ours.
    pub(super) row: Option<MintedToken>,
}

impl AcceptedToken {
    /// Refused where it has been revoked.
    fn current(claims: VerifiedClaims, issuer: Rc<Issuer>) -> Result<AcceptedToken, Failure> {
        match minted::demand_current(&claims, &issuer) {
            Ok(row) => Ok(AcceptedToken { claims, issuer, row }),
            Err(Failure::Refused(Refused { refusal, configured: None })) => {
                let configured = Configured::Issuer { issuer: claims.issuer().to_owned(), kid: None };
                Err(Refused { refusal, configured: Some(configured) }.into())
            }
            Err(failure) => Err(failure),
        }
    }

    /// How far its issuer is believed about it.
    pub(super) fn profile(&self) -> Cow<'_, Profile> {
        match &self.row {
            Some(row) => Cow::Owned(row.profile(&self.issuer.profile)),
            None => Cow::Borrowed(&self.issuer.profile),
        }
    }

    pub(super) fn revocable(&self) -> Revocable {
        minted::revocable(&self.claims, &self.issuer)
    }
}

fn verify_token(
    token: Token<'_>,
    issuer: Option<&str>,
    audience: Option<&str>,
) -> Result<AcceptedToken, Failure> {
    let (claims, issuer) = verified(token, issuer, audience)?;
    AcceptedToken::current(claims, issuer)
}

/// By signature and claims alone: whether it was revoked is another question.
fn verified(
    token: Token<'_>,
    issuer: Option<&str>,
    audience: Option<&str>,
) -> Result<(VerifiedClaims, Rc<Issuer>), Failure> {
    if issuer.is_some_and(|demanded| demanded != token.issuer()) {
        return Err(Refusal::IssuerMismatch.into());
    }
    let found = store::issuer_and_keys(token.issuer(), token.kid(), token.algorithm())?;
    let Some((found, keys)) = found else {
        return Err(match store::has_issuers()? {
            true => Refusal::UnknownIssuer.into(),
            false => Failure::Error(sqlstate::not_configured()),
        });
    };
    let configured = Configured::Issuer {
        issuer: token.issuer().to_owned(),
        kid: token.kid().and(keys.first()).and_then(|key| key.kid.clone()),
    };
    let algorithm = token.algorithm();
    let verdict = MEMORY.with_borrow_mut(|memory| {
        jwt::verify(token, &found.rules, &keys, audience, catalog::clock(), memory)
    });
    match verdict {
        Ok(claims) => Ok((claims, found)),
        Err(Refusal::UnknownKey) if store::has_key_without_kid(&found, algorithm)? => {
            Err(Refused { refusal: Refusal::KidNotNamed, configured: Some(configured) }.into())
        }
        Err(refusal) => Err(Refused { refusal, configured: Some(configured) }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Credential, Refusal};

    #[test]
    fn a_bearer_scheme_and_white_space_are_tolerated() {
        for text in ["a.b.c", "Bearer a.b.c", "bearer   a.b.c", " BEARER a.b.c\r\n"] {
            assert!(
                matches!(Credential::classify(text.as_bytes()), Ok(Credential::Jwt(b"a.b.c"))),
                "{text:?}"
            );
        }
        for text in ["", "  ", "Bearer", "bearer ", "Bearer \n"] {
            assert!(matches!(Credential::classify(text.as_bytes()), Err(Refusal::NoCredential)), "{text:?}");
        }
        for text in ["sk_live_1", "Bearer sk_live_1", "a.b", "a.b.c.d", "Basic sk"] {
            assert!(matches!(Credential::classify(text.as_bytes()), Ok(Credential::ApiKey(_))), "{text:?}");
        }
        for text in ["ticket.AQ", "Bearer ticket.AQ", " bearer  ticket.A-_ "] {
            assert!(matches!(Credential::classify(text.as_bytes()), Ok(Credential::Ticket(_))), "{text:?}");
        }
        for text in ["ticket", "Ticket.AQ", "ticket.a.b.c", "xticket.AQ", "ticket_AQ"] {
            assert!(matches!(Credential::classify(text.as_bytes()), Ok(Credential::ApiKey(_))), "{text:?}");
        }
        for text in ["Basic a.b.c", "Bearer Bearer a.b.c", "Bearera.b.c"] {
            assert!(
                !matches!(Credential::classify(text.as_bytes()), Ok(Credential::Jwt(b"a.b.c"))),
                "{text:?}"
            );
        }
    }
}
