//! What is counted, as it lies in memory that all processes share: nothing but atomics, so that reading it at a
//! bad moment is never worse than a number that is about to change. A hash table of fixed size with chains;
//! entries never move, and are replaced only when there is no room left: then there is always one that is.
//!
//! Nothing here allocates, panics or calls Postgres: it runs while a lock is held.

use crate::verify::identity::Uuid;
use crate::verify::rate::{self, Limit};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};

/// Entries looked at, at most, to find one that is idle. Everybody waits meanwhile.
const SEARCHED: u32 = 1024;

/// What a bucket or a count belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pg) struct Name {
    pub(in crate::pg) database: u32,
    pub(in crate::pg) kind: Kind,
    pub(in crate::pg) id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pg) enum Kind {
    Key = 1,
    Organization = 2,
}

/// One key or organization of one database. All zeros is one that never was used.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(in crate::pg) struct Entry {
    id: [AtomicU64; 2],
    database: AtomicU32,
    kind: AtomicU32,
    /// The number of the next entry of the chain, plus one; 0 ends it.
    next: AtomicU32,
    /// Not yet recorded in the table.
    uses: AtomicU64,
    last_used_at: AtomicI64,
    /// The state of the token bucket.
    full_at: AtomicI64,
}

/// What is there once.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(in crate::pg) struct Head {
    /// Entries that have ever been used; the others follow them.
    filled: AtomicU32,
    /// Where the search for one that can be replaced goes on.
    hand: AtomicU32,
    /// The process that records uses, or 0.
    pub(in crate::pg) recorder: AtomicU32,
    /// Runs of the recorder that ended well.
    pub(in crate::pg) recorded: AtomicU64,
    /// Where the next run goes on, when the last one took too long; else 0.
    pub(in crate::pg) resume: AtomicU32,
    /// A count, or a bucket that was not full, was given up since the log was told.
    pub(in crate::pg) has_given_up: AtomicBool,
    /// When the log was told last.
    pub(in crate::pg) told_at: AtomicI64,
}

/// Uses that are not yet recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pg) struct Uses {
    pub(in crate::pg) key: Uuid,
    pub(in crate::pg) uses: u64,
    pub(in crate::pg) last_used_at: i64,
}

#[derive(Clone, Copy)]
pub(in crate::pg) struct Table<'a> {
    pub(in crate::pg) head: &'a Head,
    /// Where chains begin: the number of an entry plus one, or 0.
    pub(in crate::pg) chains: &'a [AtomicU32],
    pub(in crate::pg) entries: &'a [Entry],
}

/// Are there unrecorded uses, and when will the bucket be full?
type Loss = (bool, i64);

fn is_nothing((has_uses, full_at): Loss, now: i64) -> bool {
    !has_uses && rate::is_full(full_at, now)
}

impl Entry {
    fn is(&self, name: &Name) -> bool {
        let [first, second] = halves(&name.id);
        self.id[0].load(Relaxed) == first
            && self.id[1].load(Relaxed) == second
            && self.database.load(Relaxed) == name.database
            && self.kind.load(Relaxed) == name.kind as u32
    }

    fn id(&self) -> Uuid {
        let bytes = u128::from(self.id[0].load(Relaxed)) << 64 | u128::from(self.id[1].load(Relaxed));
        bytes.to_be_bytes()
    }

    fn hash(&self) -> u64 {
        let [first, second] = &self.id;
        let (database, kind) = (self.database.load(Relaxed), self.kind.load(Relaxed));
        mix(first.load(Relaxed), second.load(Relaxed), database, kind)
    }

    /// Counts one use.
    pub(in crate::pg) fn count(&self, now: i64) {
        self.uses.fetch_add(1, Relaxed);
        self.last_used_at.fetch_max(now, Relaxed);
    }

    /// Takes one request from the bucket, or says how many seconds to wait. The clock is read after the state,
    /// so that what others took is not in the future.
    pub(in crate::pg) fn take(&self, limit: Limit, clock: impl Fn() -> i64) -> Result<(), u32> {
        let mut full_at = self.full_at.load(Relaxed);
        loop {
            let taken = rate::take(full_at, clock(), limit)?;
            match self.full_at.compare_exchange_weak(full_at, taken, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => full_at = found,
            }
        }
    }

    /// Undoes [`take`](Entry::take).
    pub(in crate::pg) fn give_back(&self, limit: Limit) {
        let give = |full_at| Some(rate::give_back(full_at, limit));
        // It always gives a new state.
        let _ = self.full_at.fetch_update(Relaxed, Relaxed, give);
    }

    /// What is lost without it, the least first: unrecorded uses, and a bucket until it is full again.
    fn loss(&self) -> Loss {
        (self.uses.load(Relaxed) > 0, self.full_at.load(Relaxed))
    }

    /// Makes it the entry of another name. Only while nobody else looks.
    fn rename(&self, name: &Name) {
        let [first, second] = halves(&name.id);
        self.id[0].store(first, Relaxed);
        self.id[1].store(second, Relaxed);
        self.database.store(name.database, Relaxed);
        self.kind.store(name.kind as u32, Relaxed);
        self.uses.store(0, Relaxed);
        self.last_used_at.store(0, Relaxed);
        self.full_at.store(0, Relaxed);
    }
}

impl<'a> Table<'a> {
    /// The entry of this name.
    pub(in crate::pg) fn find(&self, name: &Name) -> Option<&'a Entry> {
        let mut number = self.chain(name.hash())?.load(Relaxed);
        // A chain is never longer than the table.
        for _ in 0..self.entries.len() {
            let entry = self.entry(number)?;
            if entry.is(name) {
                return Some(entry);
            }
            number = entry.next.load(Relaxed);
        }
        None
    }

    /// The entry of this name, made if there is none, in place of another one that is not `spared` if there is
    /// no room. `None` only if there is no other one. Only while nobody else looks.
    pub(in crate::pg) fn find_or_make(
        &self,
        name: &Name,
        spared: Option<&Entry>,
        now: i64,
    ) -> Option<&'a Entry> {
        if let Some(found) = self.find(name) {
            return Some(found);
        }
        let number = self.unused().or_else(|| self.vacate(spared, now))?;
        let entry = self.entry(number)?;
        let chain = self.chain(name.hash())?;
        entry.rename(name);
        entry.next.store(chain.load(Relaxed), Relaxed);
        chain.store(number, Relaxed);
        Some(entry)
    }

    /// How many entries have a name.
    pub(in crate::pg) fn filled(&self) -> usize {
        usize::try_from(self.head.filled.load(Relaxed)).map_or(0, |filled| filled.min(self.entries.len()))
    }

    /// The databases with unrecorded uses among `length` entries from `start` on.
    pub(in crate::pg) fn databases(&self, start: usize, length: usize, each: &mut impl FnMut(u32)) {
        for entry in self.entries.iter().take(self.filled()).skip(start).take(length) {
            if entry.uses.load(Relaxed) > 0 {
                each(entry.database.load(Relaxed));
            }
        }
    }

    /// The unrecorded uses of a database among `length` entries from `start` on. They stay unrecorded.
    pub(in crate::pg) fn uses(
        &self,
        database: u32,
        start: usize,
        length: usize,
        each: &mut impl FnMut(Uses),
    ) {
        for entry in self.entries.iter().take(self.filled()).skip(start).take(length) {
            let uses = entry.uses.load(Relaxed);
            if uses > 0 && entry.database.load(Relaxed) == database {
                each(Uses { key: entry.id(), uses, last_used_at: entry.last_used_at.load(Relaxed) });
            }
        }
    }

    /// Uses of a key have been recorded, or are not worth it.
    pub(in crate::pg) fn settle(&self, database: u32, recorded: &Uses) {
        if let Some(entry) = self.find(&Name { database, kind: Kind::Key, id: recorded.key }) {
            let rest = |uses: u64| Some(uses.saturating_sub(recorded.uses));
            // It always gives a new number.
            let _ = entry.uses.fetch_update(Relaxed, Relaxed, rest);
        }
    }

    /// Forgets the unrecorded uses of a database.
    pub(in crate::pg) fn discard(&self, database: u32, start: usize, length: usize) {
        for entry in self.entries.iter().take(self.filled()).skip(start).take(length) {
            if entry.database.load(Relaxed) == database {
                entry.uses.store(0, Relaxed);
            }
        }
    }

    fn chain(&self, hash: u64) -> Option<&'a AtomicU32> {
        let count = u64::try_from(self.chains.len()).ok()?;
        self.chains.get(usize::try_from(hash.checked_rem(count)?).ok()?)
    }

    fn entry(&self, number: u32) -> Option<&'a Entry> {
        self.entries.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    fn unused(&self) -> Option<u32> {
        let number = self.head.filled.load(Relaxed).checked_add(1)?;
        self.entry(number)?;
        self.head.filled.store(number, Relaxed);
        Some(number)
    }

    /// Takes an entry out of its chain: one that is idle, or else of those looked at the one that is lost most
    /// easily.
    fn vacate(&self, spared: Option<&Entry>, now: i64) -> Option<u32> {
        let length = u32::try_from(self.entries.len()).ok()?;
        let mut least: Option<(Loss, u32, &Entry)> = None;
        for _ in 0..length.min(SEARCHED) {
            let hand = self.head.hand.load(Relaxed).checked_rem(length)?;
            self.head.hand.store(hand.wrapping_add(1), Relaxed);
            let number = hand.checked_add(1)?;
            let entry = self.entry(number)?;
            let loss = entry.loss();
            let is_spared = spared.is_some_and(|spared| std::ptr::eq(spared, entry));
            if !is_spared && least.is_none_or(|(least, ..)| loss < least) {
                least = Some((loss, number, entry));
                if is_nothing(loss, now) {
                    break;
                }
            }
        }
        let (loss, number, entry) = least?;
        if !is_nothing(loss, now) {
            self.head.has_given_up.store(true, Relaxed);
        }
        self.unlink(number, entry).then_some(number)
    }

    fn unlink(&self, number: u32, entry: &Entry) -> bool {
        let Some(mut link) = self.chain(entry.hash()) else { return false };
        for _ in 0..self.entries.len() {
            let at = link.load(Relaxed);
            if at == number {
                link.store(entry.next.load(Relaxed), Relaxed);
                return true;
            }
            let Some(next) = self.entry(at) else { return false };
            link = &next.next;
        }
        false
    }
}

impl Name {
    fn hash(&self) -> u64 {
        let [first, second] = halves(&self.id);
        mix(first, second, self.database, self.kind as u32)
    }
}

fn halves(id: &Uuid) -> [u64; 2] {
    let id = u128::from_be_bytes(*id);
    // Each half has 64 bits.
    [(id >> 64) as u64, id as u64]
}

/// Spreads ids that somebody made by counting, too.
fn mix(first: u64, second: u64, database: u32, kind: u32) -> u64 {
    let spread = |value: u64| {
        let value = (value ^ value >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        value ^ value >> 32
    };
    let place = u64::from(database) << 32 | u64::from(kind);
    spread(spread(spread(first) ^ second) ^ place)
}

#[cfg(test)]
mod tests;
