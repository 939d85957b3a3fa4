//! What is kept of a password, and whether one is right: Argon2 (RFC 9106), and bcrypt for some that come from elsewhere.
//!
//! A hash of others says itself how much work it is, so there are bounds, when it is taken and whenever it is used.

use argon2::{Algorithm, Argon2, Block, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{NO_PAD, STANDARD_NO_PAD};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use std::ops::RangeInclusive;
use zeroize::Zeroizing;

/// The longest password; no password is empty.
pub(crate) const MAX_PASSWORD_BYTES: usize = 1024;
/// Of the salts that are made here.
pub(crate) const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// No hash that is taken has more.
const MAX_HASH_BYTES: usize = 256;
/// In KiB; so much is allocated.
const MAX_MEMORY: u32 = 131_072;
/// KiB that are written, over all passes: a second or less.
const MAX_WORK: u32 = 786_432;
const MAX_LANES: u32 = 16;
const SALTS: RangeInclusive<usize> = 8..=64;
const OUTPUTS: RangeInclusive<usize> = 16..=64;
/// Each step takes twice as long.
const COSTS: RangeInclusive<u32> = 4..=13;

/// bcrypt ignores what comes after so many bytes.
const BCRYPT_BYTES: usize = 72;
/// Some libraries leave something in the bits that no byte is made of.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD_LENIENT);
const NO_PAD_LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

/// How much work a hash is that is made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    memory: u32,
    passes: u32,
}

impl Wanted {
    /// So many KiB and passes, or the nearest that are within the bounds of every hash.
    pub(crate) fn new(memory: u32, passes: u32) -> Wanted {
        let memory = memory.clamp(8, MAX_MEMORY);
        let most = MAX_WORK.checked_div(memory).unwrap_or(1);
        Wanted { memory, passes: passes.clamp(1, most) }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The memory that the hash needs is not there.
    NoMemory,
    /// The library takes less than our bounds allow, which it does not.
    Unusable,
}

/// A hash that can be compared with, within the bounds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Argon2(Argon2Hash),
    Bcrypt(BcryptHash),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Argon2Hash {
    work: Work,
    salt: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BcryptHash {
    cost: u32,
    salt: [u8; 16],
    output: [u8; 23],
}

/// What Argon2 does, besides what it does it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Work {
    algorithm: Algorithm,
    version: Version,
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Work {
    /// Of the hashes that are made here.
    fn of(wanted: Wanted) -> Work {
        Work {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            memory: wanted.memory,
            passes: wanted.passes,
            lanes: 1,
        }
    }

    fn is_within_bounds(self) -> bool {
        let least = self.lanes.saturating_mul(8);
        (1..=MAX_LANES).contains(&self.lanes)
            && (least..=MAX_MEMORY).contains(&self.memory)
            && self.passes >= 1
            && self.memory.saturating_mul(self.passes) <= MAX_WORK
    }

    /// As many bytes of output as there is room for.
    fn run(self, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Failure> {
        let params = argon2::Params::new(self.memory, self.passes, self.lanes, Some(output.len()));
        let params = params.map_err(|_| Failure::Unusable)?;
        let mut memory = Zeroizing::new(Vec::new());
        memory.try_reserve_exact(params.block_count()).map_err(|_| Failure::NoMemory)?;
        memory.resize(params.block_count(), Block::new());
        let argon2 = Argon2::new(self.algorithm, self.version, params);
        let done = argon2.hash_password_into_with_memory(password, salt, output, memory.as_mut_slice());
        done.map_err(|_| Failure::Unusable)
    }
}

/// Can this be somebody's password?
pub(crate) fn is_allowed(password: &[u8]) -> bool {
    (1..=MAX_PASSWORD_BYTES).contains(&password.len())
}

/// The hash of a password, as the PHC string format has it.
pub(crate) fn make(password: &[u8], salt: [u8; SALT_BYTES], wanted: Wanted) -> Result<String, Failure> {
    let work = Work::of(wanted);
    let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
    work.run(password, &salt, output.as_mut_slice())?;
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output.as_slice()));
    let Work { memory, passes, lanes, .. } = work;
    Ok(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}"))
}

impl Stored {
    /// `None` for whatever is no hash, of another kind, or beyond the bounds.
    pub(crate) fn parse(hash: &[u8]) -> Option<Stored> {
        let hash = std::str::from_utf8(hash).ok().filter(|hash| hash.len() <= MAX_HASH_BYTES)?;
        if hash.starts_with("$argon2") {
            Argon2Hash::parse(hash).map(Stored::Argon2)
        } else {
            BcryptHash::parse(hash).map(Stored::Bcrypt)
        }
    }

    /// Is this the password? One that nobody can have never is.
    pub(crate) fn matches(&self, password: &[u8]) -> Result<bool, Failure> {
        if !is_allowed(password) {
            return Ok(false);
        }
        match self {
            Stored::Argon2(stored) => stored.matches(password),
            Stored::Bcrypt(stored) => Ok(stored.matches(password)),
        }
    }

    /// Is a hash to be made of this password, which matches, to take the place of this one?
    ///
    /// Not where bcrypt does not look at the whole of it: what matches may then be another password than the one that was set.
    pub(crate) fn needs_rehash(&self, password: &[u8], wanted: Wanted) -> bool {
        let differs = match self {
            Stored::Argon2(stored) => {
                stored.work != Work::of(wanted)
                    || stored.salt.len() != SALT_BYTES
                    || stored.output.len() != OUTPUT_BYTES
            }
            Stored::Bcrypt(_) => password.len() < BCRYPT_BYTES,
        };
        differs && is_allowed(password)
    }
}

impl Argon2Hash {
    fn parse(hash: &str) -> Option<Argon2Hash> {
        let mut parts = hash.split('$').skip(1);
        let algorithm = match parts.next()? {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return None,
        };
        let mut part = parts.next()?;
        // Before there was a second version none was named.
        let mut version = Version::V0x10;
        if let Some(number) = part.strip_prefix("v=") {
            version = Version::try_from(number_of(number)?).ok()?;
            part = parts.next()?;
        }
        let mut numbers = part.split(',');
        let mut next = |name| number_of(numbers.next()?.strip_prefix(name)?);
        let work = Work { algorithm, version, memory: next("m=")?, passes: next("t=")?, lanes: next("p=")? };
        let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        let output = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        let is_good = numbers.next().is_none()
            && parts.next().is_none()
            && work.is_within_bounds()
            && SALTS.contains(&salt.len())
            && OUTPUTS.contains(&output.len());
        is_good.then_some(Argon2Hash { work, salt, output })
    }

    fn matches(&self, password: &[u8]) -> Result<bool, Failure> {
        if !self.work.is_within_bounds() {
            return Ok(false);
        }
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        self.work.run(password, &self.salt, &mut output)?;
        Ok(verify_slices_are_equal(&output, &self.output).is_ok())
    }
}

impl BcryptHash {
    /// `$2b$`, two digits, `$`, 22 characters of salt, 31 of the hash. All three letters mean the same to libraries of today.
    fn parse(hash: &str) -> Option<BcryptHash> {
        let rest = ["$2a$", "$2b$", "$2y$"].into_iter().find_map(|start| hash.strip_prefix(start))?;
        let (cost, rest) = rest.split_once('$').filter(|(cost, _)| cost.len() == 2)?;
        let cost = number_of(cost.strip_prefix('0').unwrap_or(cost))?;
        let (salt, output) = rest.split_at_checked(22)?;
        let salt = BCRYPT_BASE64.decode(salt).ok()?.try_into().ok()?;
        let output = BCRYPT_BASE64.decode(output).ok()?.try_into().ok()?;
        COSTS.contains(&cost).then_some(BcryptHash { cost, salt, output })
    }

    fn matches(&self, password: &[u8]) -> bool {
        if !COSTS.contains(&self.cost) {
            return false;
        }
        // A byte 0 ends it, and is a part of it as long as there is room.
        let mut key = Zeroizing::new([password, &[0]].concat());
        key.truncate(BCRYPT_BYTES);
        let output = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, &key));
        // The last of its bytes is not in the text.
        output.split_last().is_some_and(|(_, output)| verify_slices_are_equal(output, &self.output).is_ok())
    }
}

/// A number as the formats write it: digits alone, and none of them too many.
fn number_of(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}
