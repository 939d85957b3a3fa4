//! The open tickets, as they lie in memory that all processes share: a hash table of fixed size, with chains by ticket and by
//! whoever holds it. Nothing that is open is ever given up.
//!
//! Nothing here allocates, panics or calls Postgres: it runs while a lock is held.

use crate::verify::ticket::{Print, is_over};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64};

/// So many open tickets may one bearer have.
pub(in crate::pg) const MOST_OF_ONE: u32 = 100;

/// A ticket that was issued and not used. All zeros is none.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(in crate::pg) struct Entry {
    ticket: [AtomicU64; 2],
    holder: [AtomicU64; 2],
    expires_at: AtomicI64,
    database: AtomicU32,
    is_open: AtomicU32,
    /// The number of the next entry of the chain, plus one; 0 ends it. Of an entry that is not open: the next such.
    next: AtomicU32,
    next_of_holder: AtomicU32,
}

/// What is there once.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub(in crate::pg) struct Head {
    /// Entries that have ever been used; the others follow them.
    filled: AtomicU32,
    /// Where the chain of those begins that were open and are not any more.
    free: AtomicU32,
    /// Before this time none expires: there is no need to look.
    full_until: AtomicI64,
}

/// A ticket that is to be open.
pub(in crate::pg) struct Issued {
    pub(in crate::pg) database: u32,
    pub(in crate::pg) ticket: Print,
    pub(in crate::pg) holder: Print,
    pub(in crate::pg) expires_at: i64,
}

/// Why there is no room for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum NoRoom {
    TooManyOfOne,
    Full,
}

#[derive(Clone, Copy)]
pub(in crate::pg) struct Table<'a> {
    pub(in crate::pg) head: &'a Head,
    /// Where chains begin: the number of an entry plus one, or 0.
    pub(in crate::pg) by_ticket: &'a [AtomicU32],
    pub(in crate::pg) by_holder: &'a [AtomicU32],
    pub(in crate::pg) entries: &'a [Entry],
}

/// Where an entry's number is kept in one kind of chain.
type Link = fn(&Entry) -> &AtomicU32;

fn next(entry: &Entry) -> &AtomicU32 {
    &entry.next
}

fn next_of_holder(entry: &Entry) -> &AtomicU32 {
    &entry.next_of_holder
}

impl Entry {
    fn is(&self, database: u32, ticket: &Print) -> bool {
        self.database.load(Relaxed) == database && holds(&self.ticket, ticket)
    }

    fn is_over(&self, now: i64) -> bool {
        is_over(self.expires_at.load(Relaxed), now)
    }
}

impl<'a> Table<'a> {
    /// Opens a ticket. Only while nobody else looks.
    pub(in crate::pg) fn open(&self, issued: &Issued, now: i64) -> Result<(), NoRoom> {
        if self.open_of(issued.database, &issued.holder, now) >= MOST_OF_ONE {
            return Err(NoRoom::TooManyOfOne);
        }
        let number = self.room(now).ok_or(NoRoom::Full)?;
        let entry = self.entry(number).ok_or(NoRoom::Full)?;
        let others = chain(self.by_ticket, &issued.ticket).ok_or(NoRoom::Full)?;
        let others_of_holder = chain(self.by_holder, &issued.holder).ok_or(NoRoom::Full)?;
        store(&entry.ticket, &issued.ticket);
        store(&entry.holder, &issued.holder);
        entry.expires_at.store(issued.expires_at, Relaxed);
        entry.database.store(issued.database, Relaxed);
        entry.is_open.store(1, Relaxed);
        entry.next.store(others.swap(number, Relaxed), Relaxed);
        entry.next_of_holder.store(others_of_holder.swap(number, Relaxed), Relaxed);
        self.head.full_until.fetch_min(issued.expires_at, Relaxed);
        Ok(())
    }

    /// Takes a ticket out, if it is there. Only while nobody else looks.
    pub(in crate::pg) fn take(&self, database: u32, ticket: &Print) -> bool {
        let found = self.find(database, ticket);
        found.is_some_and(|(number, entry)| self.close(number, entry))
    }

    /// Is this ticket there?
    pub(in crate::pg) fn has(&self, database: u32, ticket: &Print) -> bool {
        self.find(database, ticket).is_some()
    }

    fn find(&self, database: u32, ticket: &Print) -> Option<(u32, &'a Entry)> {
        let begin = chain(self.by_ticket, ticket)?;
        self.chained(begin, next).find(|(_, entry)| entry.is(database, ticket))
    }

    /// How many tickets of this holder are open and good.
    fn open_of(&self, database: u32, holder: &Print, now: i64) -> u32 {
        let Some(begin) = chain(self.by_holder, holder) else { return 0 };
        let is_one = |(_, entry): &(u32, &Entry)| {
            entry.database.load(Relaxed) == database && holds(&entry.holder, holder) && !entry.is_over(now)
        };
        let count = self.chained(begin, next_of_holder).filter(is_one).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The entries of a chain with their numbers.
    fn chained(&self, begin: &AtomicU32, link: Link) -> impl Iterator<Item = (u32, &'a Entry)> {
        let table = *self;
        let mut number = begin.load(Relaxed);
        let following = std::iter::from_fn(move || {
            let entry = table.entry(number)?;
            let found = (number, entry);
            number = link(entry).load(Relaxed);
            Some(found)
        });
        // A chain is never longer than the table.
        following.take(self.entries.len())
    }

    fn entry(&self, number: u32) -> Option<&'a Entry> {
        self.entries.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The number of an entry that is not open.
    fn room(&self, now: i64) -> Option<u32> {
        self.freed().or_else(|| self.unused()).or_else(|| {
            self.sweep(now);
            self.freed()
        })
    }

    fn freed(&self) -> Option<u32> {
        let number = self.head.free.load(Relaxed);
        let entry = self.entry(number)?;
        self.head.free.store(entry.next.load(Relaxed), Relaxed);
        Some(number)
    }

    fn unused(&self) -> Option<u32> {
        let number = self.head.filled.load(Relaxed).checked_add(1)?;
        self.entry(number)?;
        self.head.filled.store(number, Relaxed);
        Some(number)
    }

    /// Closes what has expired, unless nothing can have.
    fn sweep(&self, now: i64) {
        let full_until = self.head.full_until.load(Relaxed);
        if !is_over(full_until, now) {
            return;
        }
        let mut first = i64::MAX;
        for (number, entry) in (1..).zip(self.entries) {
            if entry.is_open.load(Relaxed) == 0 {
                continue;
            }
            if entry.is_over(now) {
                self.close(number, entry);
            } else {
                first = first.min(entry.expires_at.load(Relaxed));
            }
        }
        self.head.full_until.store(first, Relaxed);
    }

    /// Takes an entry out of its chains.
    fn close(&self, number: u32, entry: &Entry) -> bool {
        let (ticket, holder) = (load(&entry.ticket), load(&entry.holder));
        let is_out = self.unlink(chain(self.by_ticket, &ticket), number, next);
        self.unlink(chain(self.by_holder, &holder), number, next_of_holder);
        if is_out {
            entry.is_open.store(0, Relaxed);
            entry.next.store(self.head.free.swap(number, Relaxed), Relaxed);
        }
        is_out
    }

    fn unlink(&self, begin: Option<&'a AtomicU32>, number: u32, link: Link) -> bool {
        let Some(mut from) = begin else { return false };
        for _ in 0..=self.entries.len() {
            let at = from.load(Relaxed);
            let Some(entry) = self.entry(at) else { return false };
            if at == number {
                from.store(link(entry).load(Relaxed), Relaxed);
                return true;
            }
            from = link(entry);
        }
        false
    }
}

/// Where the chain of a print begins. Prints are as good as random: any part of them is a hash.
fn chain<'a>(chains: &'a [AtomicU32], print: &Print) -> Option<&'a AtomicU32> {
    let [first, _] = halves(print);
    let count = u64::try_from(chains.len()).ok()?;
    chains.get(usize::try_from(first.checked_rem(count)?).ok()?)
}

fn holds(stored: &[AtomicU64; 2], print: &Print) -> bool {
    load(stored) == *print
}

fn load([first, second]: &[AtomicU64; 2]) -> Print {
    (u128::from(first.load(Relaxed)) << 64 | u128::from(second.load(Relaxed))).to_be_bytes()
}

fn store(to: &[AtomicU64; 2], print: &Print) {
    to.iter().zip(halves(print)).for_each(|(to, half)| to.store(half, Relaxed));
}

fn halves(print: &Print) -> [u64; 2] {
    let print = u128::from_be_bytes(*print);
    // Each half has 64 bits.
    [(print >> 64) as u64, print as u64]
}

#[cfg(test)]
mod tests;
