//! How often something may be tried, counted for any number of keys in memory of a fixed size: a count-min sketch, whose
//! cells are token buckets. Time is an argument, in microseconds, and must never go back.
//!
//! A key has one cell in each row, and its state is the lowest of theirs. Cells are only ever raised, so that nobody's
//! tries are forgotten for those of others. Keys that meet in all of their cells count together: one of them may be refused
//! too early, and none too late. Where a key's cells are depends on a secret, so that nobody can aim at somebody else's.

use super::rate::{self, Limit};
use core::sync::atomic::AtomicI64;
use core::sync::atomic::Ordering::SeqCst;
use sha2::{Digest, Sha256};

/// Cells of one key.
pub(crate) const ROWS: usize = 4;
/// Seconds of the longest period.
const PERIOD_MAX: i128 = 366 * 86_400;

/// What is tried: SHA-256 over its kind and its value.
pub(crate) type Tried = [u8; 32];

pub(crate) fn tried(kind: &str, value: &str) -> Tried {
    // Kind and value must not be read as another kind and value.
    let length = u64::try_from(kind.len()).unwrap_or(u64::MAX).to_be_bytes();
    Sha256::new().chain_update(length).chain_update(kind).chain_update(value).finalize().into()
}

/// The limit of `most` tries in so many microseconds, if there can be one; a part of a second counts as a whole one.
pub(crate) fn limit(most: i32, microseconds: i128) -> Option<Limit> {
    let seconds = microseconds.checked_add(999_999)?.div_euclid(1_000_000);
    let period = u32::try_from(seconds).ok().filter(|_| (1..=PERIOD_MAX).contains(&seconds));
    Some(Limit { requests: u32::try_from(most).ok()?, period_seconds: period? })
}

/// Where the cells of a key are. Its limit is a part of it: under another one it begins anew.
pub(crate) struct Key([u64; ROWS]);

impl Key {
    pub(crate) fn new(secret: &[u8; 16], database: u32, limit: Limit, tried: &Tried) -> Key {
        let digest = Sha256::new()
            .chain_update(secret)
            .chain_update(database.to_be_bytes())
            .chain_update(limit.requests.to_be_bytes())
            .chain_update(limit.period_seconds.to_be_bytes())
            .chain_update(tried)
            .finalize();
        let mut places = [0; ROWS];
        for (place, part) in places.iter_mut().zip(digest.chunks_exact(8)) {
            *place = part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        Key(places)
    }
}

/// The cells, which all processes share. All zeros is a sketch in which nothing was tried.
#[derive(Clone, Copy)]
pub(crate) struct Sketch<'a> {
    rows: [&'a [AtomicI64]; ROWS],
}

impl<'a> Sketch<'a> {
    /// `None` when it would have no cells.
    pub(crate) fn new(cells: &'a [AtomicI64]) -> Option<Sketch<'a>> {
        let width = cells.len().checked_div(ROWS).filter(|width| *width > 0)?;
        let mut rows = cells.chunks_exact(width);
        Some(Sketch { rows: [rows.next()?, rows.next()?, rows.next()?, rows.next()?] })
    }

    /// Counts one try, or says how many seconds to wait, which counts nothing. Never more than the limit pass, however
    /// many try at once.
    pub(crate) fn take(&self, key: &Key, limit: Limit, clock: impl Fn() -> i64) -> Result<(), u32> {
        let Some(cells) = self.cells(key) else { return Err(1) };
        // It only goes on when somebody else raised a cell.
        while !attempt(cells, limit, &clock)? {}
        Ok(())
    }

    fn cells(&self, key: &Key) -> Option<[&'a AtomicI64; ROWS]> {
        let ([a, b, c, d], Key([e, f, g, h])) = (self.rows, key);
        Some([cell(a, *e)?, cell(b, *f)?, cell(c, *g)?, cell(d, *h)?])
    }
}

fn cell(row: &[AtomicI64], place: u64) -> Option<&AtomicI64> {
    let place = place.checked_rem(u64::try_from(row.len()).ok()?)?;
    row.get(usize::try_from(place).ok()?)
}

/// Raises each cell that is lower than the new state from what was read of it; false when one was raised meanwhile. The
/// clock is read after the cells, so that what others took is not in the future.
///
/// All cells are read before one is written. Of two tries of one key that both succeed without one having seen all of the
/// other, each wrote its lowest cell before the other read that one: else one of them would have found it changed. So each
/// would have written before the other read, and read before it wrote itself, which cannot be.
fn attempt(cells: [&AtomicI64; ROWS], limit: Limit, clock: impl Fn() -> i64) -> Result<bool, u32> {
    let seen = cells.map(|cell| cell.load(SeqCst));
    let state = seen.into_iter().min().unwrap_or(i64::MAX);
    let taken = rate::take_believing(state, clock(), limit)?;
    let raise = |cell: &AtomicI64, seen| cell.compare_exchange(seen, taken, SeqCst, SeqCst).is_ok();
    Ok(cells.into_iter().zip(seen).all(|(cell, seen)| seen >= taken || raise(cell, seen)))
}

#[cfg(test)]
mod tests;
