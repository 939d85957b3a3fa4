//! API keys: their text, and whether one may be used here and now.

use super::error::Refusal;
use super::identity::Uuid;
use super::restriction::{Restrictions, Surroundings};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// No text longer than this is an API key, ours or imported.
const LENGTH_MAX: usize = 512;
const PREFIX_MAX: usize = 20;
/// 101 bits: unique without asking anybody.
const PUBLIC_ID: usize = 17;
/// 256 bits.
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
const TAIL: usize = PUBLIC_ID + SECRET + CHECKSUM;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 4 times 62: the remainders of the bytes below it are uniform.
const UNIFORM_BELOW: u8 = 248;
/// A source that needs more fills than this for one key gives no random bytes.
const FILLS_MAX: usize = 16;

/// What kind of data a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    Live,
    Test,
}

impl Environment {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Environment::Live => "live",
            Environment::Test => "test",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Environment> {
        [Environment::Live, Environment::Test].into_iter().find(|environment| environment.name() == name)
    }
}

/// A key that nobody has yet. The text is shown once and not kept.
pub(crate) struct NewKey {
    pub(crate) text: Zeroizing<String>,
    pub(crate) public_id: String,
    /// The end of the text, which is of the checksum and gives nothing of the secret away.
    pub(crate) last4: String,
    pub(crate) hash: [u8; 32],
}

/// Makes a key. `random` fills a buffer with random bytes. None when it cannot, or when this is no prefix.
pub(crate) fn generate(
    prefix: &str,
    environment: Environment,
    random: impl FnMut(&mut [u8]) -> Option<()>,
) -> Option<NewKey> {
    if !is_prefix(prefix) {
        return None;
    }
    let characters = random_characters(random)?;
    // Room for all of it, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(LENGTH_MAX));
    text.push_str(prefix);
    text.push('_');
    text.push_str(environment.name());
    text.push('_');
    text.push_str(&characters);
    let checksum = checksum(text.as_bytes());
    text.extend(checksum.map(char::from));
    Some(NewKey {
        public_id: characters.get(..PUBLIC_ID)?.to_owned(),
        last4: text.get(text.len().checked_sub(4)?..)?.to_owned(),
        hash: Sha256::digest(text.as_bytes()).into(),
        text,
    })
}

/// What a key's public id and secret are made of, each character as likely as any other.
fn random_characters(mut random: impl FnMut(&mut [u8]) -> Option<()>) -> Option<Zeroizing<String>> {
    let mut characters = Zeroizing::new(String::with_capacity(PUBLIC_ID + SECRET));
    let mut bytes = Zeroizing::new([0u8; 72]);
    for _ in 0..FILLS_MAX {
        random(bytes.as_mut_slice())?;
        for byte in bytes.iter().filter(|byte| **byte < UNIFORM_BELOW) {
            characters.push(char::from(*ALPHABET.get(usize::from(*byte) % ALPHABET.len())?));
            if characters.len() == PUBLIC_ID + SECRET {
                return Some(characters);
            }
        }
    }
    None
}

/// CRC-32 of these bytes in base62, the most significant character first. Against typing errors and for
/// scanners of leaked secrets; it proves nothing.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for place in digits.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits
}

/// `[a-z][a-z0-9]*(_[a-z0-9]+)*`, at most 20 bytes, without a part that says an environment.
pub(crate) fn is_prefix(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && Environment::from_name(part).is_none()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= PREFIX_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('_').all(is_part)
}

/// A text that may be an API key: what it is looked up by, and what it says itself. Nothing is proven yet.
pub(crate) struct Presented {
    hash: [u8; 32],
    environment: Option<Environment>,
}

impl Presented {
    /// Reads a key of ours, whose checksum must fit, or any other text that somebody may have imported.
    pub(crate) fn parse(text: &[u8]) -> Result<Presented, Refusal> {
        if text.is_empty() || text.len() > LENGTH_MAX || !text.iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::NotAKey);
        }
        let ours = OurShape::of(text);
        if ours.as_ref().is_some_and(|ours| checksum(ours.before) != ours.checksum) {
            return Err(Refusal::KeyChecksum);
        }
        Ok(Presented { hash: Sha256::digest(text).into(), environment: ours.map(|ours| ours.environment) })
    }

    /// SHA-256 of the whole text.
    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// What the text says; None of a key that was imported.
    #[cfg(test)]
    pub(crate) fn environment(&self) -> Option<Environment> {
        self.environment
    }
}

/// The public id in a text that begins like a key of ours, however it goes on.
pub(crate) fn public_id(text: &[u8]) -> Option<&str> {
    let text = str::from_utf8(text).ok()?;
    let mut marks = ["_live_", "_test_"].into_iter().filter_map(|mark| Some(text.split_once(mark)?.1));
    let id = marks.next()?.get(..PUBLIC_ID)?;
    id.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(id)
}

struct OurShape<'a> {
    environment: Environment,
    before: &'a [u8],
    checksum: &'a [u8],
}

impl OurShape<'_> {
    fn of(text: &[u8]) -> Option<OurShape<'_>> {
        let (head, tail) = text.split_at_checked(text.len().checked_sub(TAIL)?)?;
        if !tail.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let (start, name) = str::from_utf8(head).ok()?.strip_suffix('_')?.rsplit_once('_')?;
        let environment = Environment::from_name(name)?;
        let (before, checksum) = text.split_at_checked(text.len().checked_sub(CHECKSUM)?)?;
        is_prefix(start).then_some(OurShape { environment, before, checksum })
    }
}

/// Whether a credential is for the verification of tokens; everything else is an API key.
pub(crate) fn looks_like_jwt(text: &[u8]) -> bool {
    text.starts_with(b"eyJ") || text.iter().filter(|byte| **byte == b'.').count() == 2
}

/// Compares digests in a time that does not depend on where they differ.
pub(crate) fn same_hash(one: &[u8], other: &[u8; 32]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A user in an organization, or a service account there.
    Secret,
    /// A project; it gives nobody an identity.
    Publishable,
    /// A credential that may pass the service policies.
    Service,
}

impl KeyKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyKind::Secret => "secret",
            KeyKind::Publishable => "publishable",
            KeyKind::Service => "service",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<KeyKind> {
        [KeyKind::Secret, KeyKind::Publishable, KeyKind::Service].into_iter().find(|kind| kind.name() == name)
    }
}

/// What is stored of a key. Times are in microseconds since 2000, as Postgres counts them.
#[derive(Clone)]
pub(crate) struct KeyRow {
    pub(crate) id: Uuid,
    pub(crate) hash: [u8; 32],
    pub(crate) kind: KeyKind,
    pub(crate) org: Option<Uuid>,
    pub(crate) workspace: Option<Uuid>,
    pub(crate) user: Option<String>,
    pub(crate) role: Option<Uuid>,
    pub(crate) environment: Environment,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
    pub(crate) restrictions: Restrictions,
    pub(crate) tables: Option<Vec<String>>,
    /// In microseconds since 2000.
    pub(crate) created_at: Option<i64>,
}

/// Whether the presented text is the key of this row, and the key may be used now and here.
///
/// A revocation counts whatever its time, since nobody revokes for later.
pub(crate) fn judge(
    presented: &Presented,
    row: Option<&KeyRow>,
    now: i64,
    allowed_environments: &[Environment],
    surroundings: &Surroundings,
) -> Result<(), Refusal> {
    // Without a row the same comparison, so that time does not tell which it was.
    let same = same_hash(row.map_or(&[0; 32], |row| &row.hash), &presented.hash);
    let row = row.filter(|_| same).ok_or(Refusal::KeyUnknown)?;
    judge_row(row, presented.environment, now, allowed_environments)?;
    row.restrictions.check(surroundings)
}

/// Whether the key of this row, whose text names this environment if any, may be used now, wherever its restrictions let it.
pub(crate) fn judge_row(
    row: &KeyRow,
    named: Option<Environment>,
    now: i64,
    allowed_environments: &[Environment],
) -> Result<(), Refusal> {
    if row.revoked_at.is_some() {
        return Err(Refusal::KeyRevoked);
    }
    if row.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::KeyExpired);
    }
    if named.is_some_and(|environment| environment != row.environment) {
        return Err(Refusal::KeyEnvironment);
    }
    if !allowed_environments.contains(&row.environment) {
        return Err(Refusal::EnvironmentNotAllowed);
    }
    Ok(())
}
