//! From the text of a credential to a verified identity: one way in for every kind of credential.

use super::ffi::catalog;
use super::ffi::input::CredentialText;
use super::sqlstate::{self, Configured, Refused};
use super::store::{self, Issuer, directory};
use crate::verify::error::Refusal;
use crate::verify::identity::{Identity, user_id};
use crate::verify::jwt::{self, VerifiedClaims};
use crate::verify::membership::settle;
use crate::verify::memory::SignatureMemory;
use crate::verify::token::Token;
use pgrx::pg_sys::panic::ErrorReport;
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    /// Signatures this backend has found good. Everything else about a token is checked every time.
    static MEMORY: RefCell<SignatureMemory> = const { RefCell::new(SignatureMemory::new()) };
}

/// The kinds of credentials, told apart by their looks alone.
enum Credential<'a> {
    Jwt(&'a [u8]),
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
        Ok(Credential::Jwt(text))
    }
}

/// What stands in the way of a verdict: the credential, or us.
pub(super) enum Failure {
    Refused(Refused),
    Error(ErrorReport),
}

impl<T: Into<Refused>> From<T> for Failure {
    fn from(refused: T) -> Failure {
        Failure::Refused(refused.into())
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
    match Credential::classify(bytes(credential)?)? {
        Credential::Jwt(text) => {
            let (claims, issuer) = verify_token(Token::parse(text)?, None, None)?;
            let profile = &issuer.profile;
            let user = user_id(&claims, profile);
            let held = directory::memberships(user.as_deref()).map_err(Failure::Error)?;
            let place = settle(&claims, profile, held, &directory::Tables).map_err(Failure::Error)?;
            Ok(Identity::from_claims(&claims, profile, user, place))
        }
    }
}

/// The verified claims of a JWT that may also have to come from `issuer` and be for `audience`.
pub(super) fn verify_jwt(
    token: Option<&CredentialText>,
    issuer: Option<&str>,
    audience: Option<&str>,
) -> Result<String, Failure> {
    let Credential::Jwt(text) = Credential::classify(bytes(token)?)?;
    let (claims, _) = verify_token(Token::parse(text)?, issuer, audience)?;
    String::from_utf8(claims.payload().to_vec()).map_err(|_| Refusal::PayloadNotJson.into())
}

/// Takes a token apart without verifying it.
pub(super) fn parse(token: Option<&CredentialText>) -> Result<Token<'_>, Refusal> {
    let Credential::Jwt(text) = Credential::classify(bytes(token)?)?;
    Token::parse(text)
}

fn bytes(credential: Option<&CredentialText>) -> Result<&[u8], Refusal> {
    credential.ok_or(Refusal::NoCredential)?.bytes().ok_or(Refusal::TooLong)
}

fn verify_token<'a>(
    token: Token<'a>,
    issuer: Option<&str>,
    audience: Option<&str>,
) -> Result<(VerifiedClaims<'a>, Rc<Issuer>), Failure> {
    if issuer.is_some_and(|demanded| demanded != token.issuer()) {
        return Err(Refusal::IssuerMismatch.into());
    }
    let found =
        store::issuer_and_keys(token.issuer(), token.kid(), token.algorithm()).map_err(Failure::Error)?;
    let Some((found, keys)) = found else {
        return Err(match store::has_issuers().map_err(Failure::Error)? {
            true => Refusal::UnknownIssuer.into(),
            false => Failure::Error(sqlstate::not_configured()),
        });
    };
    let configured = Configured {
        issuer: token.issuer().to_owned(),
        kid: token.kid().and(keys.first()).and_then(|key| key.kid.clone()),
    };
    let verdict = MEMORY.with_borrow_mut(|memory| {
        jwt::verify(token, &found.rules, &keys, audience, catalog::clock(), memory)
    });
    match verdict {
        Ok(claims) => Ok((claims, found)),
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
        for text in ["Basic a.b.c", "Bearer Bearer a.b.c", "Bearera.b.c"] {
            assert!(
                !matches!(Credential::classify(text.as_bytes()), Ok(Credential::Jwt(b"a.b.c"))),
                "{text:?}"
            );
        }
    }
}
