//! Refresh tokens: what they say, and what is kept of the next one for those who present the same one once more.
//!
//! ```text
//! rt_base64url( session | generation | secret | mark )
//! ```
//!
//! Only SHA-256 of the newest one and of the one before it is stored. The mark shows that an older one was made here, so that
//! whoever knows the id of a session cannot end it with a token that never was.

use super::base64url;
use super::identity::Uuid;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

const PREFIX: &[u8] = b"rt_";
pub(crate) const SECRET_BYTES: usize = 32;
const MARK_BYTES: usize = 16;
const BYTES: usize = 16 + 4 + SECRET_BYTES + MARK_BYTES;

/// A refresh token, taken apart. Whether it is good, its session's row says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session: Uuid,
    /// 1 for the first token of a session.
    pub(crate) generation: u32,
    /// This database made it.
    pub(crate) is_ours: bool,
}

/// The token of this generation of a session. `secret` is random, `marking` a secret of the database.
pub(crate) fn make(
    session: &Uuid,
    generation: u32,
    secret: &[u8; SECRET_BYTES],
    marking: &[u8],
) -> Zeroizing<String> {
    let mut whole = Zeroizing::new(Vec::with_capacity(BYTES));
    whole.extend(session);
    whole.extend(generation.to_be_bytes());
    whole.extend(secret);
    let mark = mark(&whole, marking);
    whole.extend(mark.as_ref().iter().take(MARK_BYTES));
    let prefix = PREFIX.iter().copied().map(char::from);
    Zeroizing::new(prefix.chain(base64url::encode(&whole).chars()).collect())
}

/// Takes a text apart; `None` for what is no refresh token.
pub(crate) fn parse(text: &[u8], marking: &[u8]) -> Option<RefreshToken> {
    let encoded = text.strip_prefix(PREFIX).filter(|rest| rest.len() == BYTES.div_ceil(3) * 4 - 1)?;
    let whole = Zeroizing::new(base64url::decode(encoded)?);
    let (said, given) = whole.split_at_checked(BYTES - MARK_BYTES)?;
    let (session, rest) = said.split_first_chunk::<16>()?;
    let (generation, _) = rest.split_first_chunk::<4>()?;
    let expected = mark(said, marking);
    let is_ours = aws_lc_rs::constant_time::verify_slices_are_equal(
        expected.as_ref().get(..MARK_BYTES).unwrap_or_default(),
        given,
    );
    Some(RefreshToken {
        session: *session,
        generation: u32::from_be_bytes(*generation),
        is_ours: is_ours.is_ok(),
    })
}

fn mark(said: &[u8], marking: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, marking);
    hmac::sign(&key, &[b"pg_bearer refresh token ".as_slice(), said].concat())
}

/// The next token, readable by whoever has the one before it.
pub(crate) fn seal(presented: &[u8], next: &str) -> Option<Vec<u8>> {
    let mut sealed = next.as_bytes().to_vec();
    key(presented)?.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).ok()?;
    Some(sealed)
}

/// The token that was sealed for whoever has this one.
pub(crate) fn open(presented: &[u8], sealed: &[u8]) -> Option<Zeroizing<String>> {
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let next = key(presented)?.open_in_place(nonce(), Aad::empty(), &mut sealed).ok()?;
    std::str::from_utf8(next).ok().map(|next| Zeroizing::new(next.to_owned()))
}

/// From a token with 256 random bits, of which nobody stores more than a digest.
fn key(presented: &[u8]) -> Option<LessSafeKey> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, presented);
    let derived = hmac::sign(&secret, b"pg_bearer next refresh token");
    UnboundKey::new(&AES_256_GCM, derived.as_ref()).ok().map(LessSafeKey::new)
}

/// A key seals one token: the next of a token is made once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
    use super::*;

    const SESSION: Uuid = [7; 16];
    const MARKING: &[u8] = &[1; 32];

    #[test]
    fn a_token_says_its_session_and_generation() {
        let token = make(&SESSION, 3, &[9; SECRET_BYTES], MARKING);
        assert_eq!(token.len(), 94);
        let expected = RefreshToken { session: SESSION, generation: 3, is_ours: true };
        assert_eq!(parse(token.as_bytes(), MARKING), Some(expected));
    }

    #[test]
    fn t153_a_token_that_was_made_up_is_told_from_an_old_one() {
        let token = make(&SESSION, 3, &[9; SECRET_BYTES], MARKING);
        assert!(!parse(token.as_bytes(), &[2; 32]).unwrap().is_ours);
        // Every single byte counts.
        for at in 3..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(parse(&changed, MARKING).is_none_or(|token| !token.is_ours), "{at}");
        }
        for text in ["", "rt_", "rt_AAAA", "x", &token[..93], &format!("{}A", &*token), &token[3..]] {
            assert_eq!(parse(text.as_bytes(), MARKING), None, "{text}");
        }
    }

    #[test]
    fn t154_the_next_token_is_for_whoever_has_the_one_before() {
        let (old, next) = (make(&SESSION, 1, &[1; 32], MARKING), make(&SESSION, 2, &[2; 32], MARKING));
        let sealed = seal(old.as_bytes(), &next).unwrap();
        assert_eq!(open(old.as_bytes(), &sealed).as_deref(), Some(&*next));
        assert_eq!(open(next.as_bytes(), &sealed), None);
        assert_eq!(open(b"", &sealed), None);
        assert!(!sealed.windows(12).any(|part| next.as_bytes().windows(12).any(|other| part == other)));
        let mut changed = sealed;
        changed[0] ^= 1;
        assert_eq!(open(old.as_bytes(), &changed), None);
    }
}
