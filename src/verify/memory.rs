//! What may be remembered between transactions: that a signature was good under a key.
//!
//! Never a refusal, never a time or an issuer's rules: those are looked at every time.

use sha2::{Digest, Sha256};

/// How many signatures are remembered; each takes 32 bytes.
#[cfg(test)]
pub(crate) const ENTRIES: usize = SETS * WAYS;
const SETS: usize = 256;
const WAYS: usize = 4;
const EMPTY: [u8; 32] = [0; 32];

/// Stands for "this exact token under this exact key": SHA-256 of both digests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a token and a key, each given by its own SHA-256.
    pub(crate) fn new(token: &[u8; 32], key: &[u8; 32]) -> Self {
        Self(Sha256::new().chain_update(token).chain_update(key).finalize().into())
    }
}

/// A fixed number of good signatures, the oldest of a set making room for a new one.
///
/// Look-ups compare whole digests. Timing tells an attacker nothing: he cannot choose digests.
pub(crate) struct SignatureMemory {
    sets: [[[u8; 32]; WAYS]; SETS],
    next: [u8; SETS],
}

impl SignatureMemory {
    /// A memory that knows nothing.
    pub(crate) const fn new() -> Self {
        Self { sets: [[EMPTY; WAYS]; SETS], next: [0; SETS] }
    }

    /// Whether this signature was good before. False when forgotten.
    pub(crate) fn knows(&self, fingerprint: &Fingerprint) -> bool {
        let set = self.sets.get(set_of(fingerprint));
        fingerprint.0 != EMPTY && set.is_some_and(|set| set.contains(&fingerprint.0))
    }

    /// Notes that this signature is good. Call it for nothing else.
    pub(crate) fn remember(&mut self, fingerprint: &Fingerprint) {
        if self.knows(fingerprint) {
            return;
        }
        let index = set_of(fingerprint);
        let (Some(set), Some(next)) = (self.sets.get_mut(index), self.next.get_mut(index)) else {
            return;
        };
        if let Some(slot) = set.get_mut(usize::from(*next) % WAYS) {
            *slot = fingerprint.0;
        }
        *next = next.wrapping_add(1);
    }
}

/// The first byte of a SHA-256 picks one of 256 sets evenly.
fn set_of(fingerprint: &Fingerprint) -> usize {
    usize::from(fingerprint.0[0])
}

impl Default for SignatureMemory {
    fn default() -> Self {
        Self::new()
    }
}
