//! Sessions of which an old refresh token was presented, kept in shared memory until a worker has ended them: the transaction
//! that found out may be rolled back.

use crate::verify::identity::Uuid;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// So many at a time, of all databases. More are not kept: then a rollback undoes what was found.
pub(super) const ROOM: usize = 1024;

/// Somebody is writing a place; no database has this number.
const CLAIMED: u32 = u32::MAX;

/// A place for one session. All zeros is a free one.
#[repr(C)]
pub(super) struct Place {
    /// Written last and cleared first; 0: free.
    database: AtomicU32,
    session: [AtomicU64; 2],
}

/// The places, and how many workers have ended well.
#[repr(C)]
pub(super) struct Reused {
    pub(super) successes: AtomicU64,
    places: [Place; ROOM],
}

impl Reused {
    /// Keeps a session, if there is room.
    pub(super) fn note(&self, database: u32, session: &Uuid) {
        let parts = parts(session);
        if database == CLAIMED || self.of(database).any(|place| place.parts() == parts) {
            return;
        }
        let claim = |place: &&Place| place.database.compare_exchange(0, CLAIMED, Acquire, Relaxed).is_ok();
        if let Some(place) = self.places.iter().find(claim) {
            for (cell, part) in place.session.iter().zip(parts) {
                cell.store(part, Relaxed);
            }
            place.database.store(database, Release);
        }
    }

    /// The databases of which there are some.
    pub(super) fn databases(&self) -> BTreeSet<u32> {
        let all = self.places.iter().map(|place| place.database.load(Acquire));
        all.filter(|database| ![0, CLAIMED].contains(database)).collect()
    }

    /// The sessions of a database.
    pub(super) fn sessions(&self, database: u32) -> Vec<Uuid> {
        self.of(database).map(|place| whole(place.parts())).collect()
    }

    /// Forgets these sessions of a database.
    pub(super) fn settle(&self, database: u32, sessions: &[Uuid]) {
        for place in self.of(database).filter(|place| sessions.contains(&whole(place.parts()))) {
            place.database.store(0, Release);
        }
    }

    /// Forgets all of a database.
    pub(super) fn forget(&self, database: u32) {
        self.of(database).for_each(|place| place.database.store(0, Release));
    }

    fn of(&self, database: u32) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| database != 0 && place.database.load(Acquire) == database)
    }
}

impl Place {
    fn parts(&self) -> [u64; 2] {
        self.session.each_ref().map(|part| part.load(Relaxed))
    }
}

fn parts(session: &Uuid) -> [u64; 2] {
    let number = u128::from_be_bytes(*session);
    [(number >> 64) as u64, number as u64]
}

fn whole([high, low]: [u64; 2]) -> Uuid {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Place, ROOM, Reused};
    use std::sync::atomic::{AtomicU32, AtomicU64};

    fn empty() -> Reused {
        let place = || Place { database: AtomicU32::new(0), session: [AtomicU64::new(0), AtomicU64::new(0)] };
        Reused { successes: AtomicU64::new(0), places: std::array::from_fn(|_| place()) }
    }

    #[test]
    fn what_is_noted_is_there_until_it_is_settled() {
        let reused = empty();
        reused.note(7, &[1; 16]);
        reused.note(7, &[1; 16]);
        reused.note(7, &[2; 16]);
        reused.note(8, &[1; 16]);
        assert_eq!(reused.databases(), [7, 8].into());
        assert_eq!(reused.sessions(7), [[1; 16], [2; 16]]);
        reused.settle(7, &[[1; 16]]);
        assert_eq!(reused.sessions(7), [[2; 16]]);
        assert_eq!(reused.sessions(8), [[1; 16]]);
        reused.forget(8);
        assert_eq!(reused.databases(), [7].into());
        assert!(reused.sessions(0).is_empty());
    }

    #[test]
    fn where_there_is_no_room_nothing_is_pushed_out() {
        let reused = empty();
        for number in 0..ROOM + 9 {
            reused.note(7, &(number as u128).to_be_bytes());
        }
        let kept = reused.sessions(7);
        assert_eq!(kept.len(), ROOM);
        assert!(kept.contains(&0u128.to_be_bytes()));
    }
}
