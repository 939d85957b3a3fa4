#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use super::{Entry, Head, Kind, Name, Table, Uses};
use crate::verify::rate::Limit;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::AtomicU32;

/// The memory of a table, ours alone.
struct Memory {
    head: Head,
    chains: Vec<AtomicU32>,
    entries: Vec<Entry>,
}

impl Memory {
    fn new(capacity: usize, chains: usize) -> Memory {
        let entries = (0..capacity).map(|_| Entry::default()).collect();
        let chains = (0..chains).map(|_| AtomicU32::new(0)).collect();
        Memory { head: Head::default(), chains, entries }
    }

    fn table(&self) -> Table<'_> {
        Table { head: &self.head, chains: &self.chains, entries: &self.entries }
    }
}

fn key(number: u128) -> Name {
    Name { database: 5, kind: Kind::Key, id: number.to_be_bytes() }
}

fn pending(table: Table<'_>, database: u32) -> Vec<Uses> {
    let mut found = Vec::new();
    table.uses(database, 0, usize::MAX, &mut |uses| found.push(uses));
    found
}

const LIMIT: Limit = Limit { requests: 3, period_seconds: 60 };

#[test]
fn names_are_kept_apart_by_database_and_kind() {
    let memory = Memory::new(10, 1);
    let table = memory.table();
    let names = [key(1), key(2), Name { database: 6, ..key(1) }, Name { kind: Kind::Organization, ..key(1) }];
    for (index, name) in names.iter().enumerate() {
        assert!(table.find(name).is_none());
        let entry = table.find_or_make(name, None, 0).unwrap();
        (0..=index).for_each(|_| entry.count(7));
    }
    for (index, name) in names.iter().enumerate() {
        let found = table.find_or_make(name, None, 0).unwrap();
        assert_eq!(found.uses.load(super::Relaxed), index as u64 + 1);
        assert_eq!((found.id(), found.hash()), (name.id, name.hash()));
    }
    assert_eq!(table.filled(), 4);
    assert_eq!(pending(table, 6), [Uses { key: key(1).id, uses: 3, last_used_at: 7 }]);
}

fn has_given_up(memory: &Memory) -> bool {
    memory.head.has_given_up.swap(false, super::Relaxed)
}

#[test]
fn a_full_table_replaces_what_is_idle() {
    let memory = Memory::new(3, 2);
    let table = memory.table();
    table.find_or_make(&key(1), None, 0).unwrap().count(1);
    table.find_or_make(&key(2), None, 0).unwrap().take(LIMIT, || 100).unwrap();
    table.find_or_make(&key(3), None, 0).unwrap();
    assert!(table.find_or_make(&key(4), None, 100).is_some());
    assert!(table.find(&key(3)).is_none());
    // The bucket is full again after 20 s.
    let spared = table.find(&key(4));
    assert!(table.find_or_make(&key(5), spared, 100 + 20_000_000).is_some());
    assert!(table.find(&key(2)).is_none());
    // What is counted stays.
    for number in 6..60 {
        assert!(table.find_or_make(&key(number), None, i64::MAX).is_some());
        assert!(table.find(&key(number)).is_some());
    }
    let uses = pending(table, 5);
    assert_eq!(uses, [Uses { key: key(1).id, uses: 1, last_used_at: 1 }]);
    assert!(!has_given_up(&memory));
    // Until it is recorded.
    table.settle(5, &uses[0]);
    (60..63).for_each(|number| table.find_or_make(&key(number), None, i64::MAX).unwrap().count(1));
    assert!(table.find(&key(1)).is_none());
    assert!(!has_given_up(&memory));
}

#[test]
fn a_full_table_without_idle_entries_loses_the_least() {
    let memory = Memory::new(4, 2);
    let table = memory.table();
    table.find_or_make(&key(1), None, 0).unwrap().count(1);
    // Full after 20, 60 and 40 s.
    table.find_or_make(&key(2), None, 0).unwrap().take(LIMIT, || 0).unwrap();
    let third = table.find_or_make(&key(3), None, 0).unwrap();
    (0..3).for_each(|_| third.take(LIMIT, || 0).unwrap());
    let fourth = table.find_or_make(&key(4), None, 0).unwrap();
    (0..2).for_each(|_| fourth.take(LIMIT, || 0).unwrap());
    // Not the one that is spared, and the bucket that is full soonest of the others.
    for (number, gone) in [(5, 4), (6, 3)] {
        let spared = table.find(&key(2));
        let made = table.find_or_make(&key(number), spared, 19_999_999).unwrap();
        assert!(table.find(&key(gone)).is_none() && table.find(&key(2)).is_some());
        assert!(has_given_up(&memory));
        made.count(1);
    }
    let made = table.find_or_make(&key(7), None, 19_999_999).unwrap();
    assert!(table.find(&key(2)).is_none());
    assert!(has_given_up(&memory));
    assert_eq!(pending(table, 5).len(), 3);
    // A new bucket is full, and its count is nothing.
    assert_eq!((made.loss(), table.filled()), ((false, 0), 4));
    (0..3).for_each(|_| made.take(LIMIT, || 0).unwrap());
    made.count(1);
    // Nothing but counts: the bucket decides.
    table.find(&key(1)).unwrap().take(LIMIT, || 0).unwrap();
    table.find(&key(5)).unwrap().take(LIMIT, || 1).unwrap();
    table.find(&key(6)).unwrap().take(LIMIT, || 2).unwrap();
    table.find_or_make(&key(8), None, 19_999_999).unwrap();
    assert!(table.find(&key(1)).is_none());
    assert!(has_given_up(&memory));
}

#[test]
fn the_search_for_an_idle_entry_ends_and_goes_on() {
    let memory = Memory::new(3000, 3000);
    let table = memory.table();
    for number in 0..3000 {
        let entry = table.find_or_make(&key(number), None, 0).unwrap();
        if number != 1023 && number != 2048 {
            entry.count(1);
        }
    }
    // The last of 1024, and then none in the next 1024.
    table.find_or_make(&key(5000), None, 0).unwrap();
    assert!(table.find(&key(1023)).is_none() && !has_given_up(&memory));
    table.find_or_make(&key(5001), None, 0).unwrap();
    assert!(table.find(&key(2048)).is_some() && has_given_up(&memory));
    assert!(table.find(&key(1024)).is_none());
    table.find_or_make(&key(5002), None, 0).unwrap();
    assert!(table.find(&key(2048)).is_none() && !has_given_up(&memory));
}

#[test]
fn a_table_without_room_at_all_finds_nothing() {
    for memory in [Memory::new(0, 0), Memory::new(1, 0), Memory::new(0, 1)] {
        let table = memory.table();
        assert!(table.find_or_make(&key(1), None, 0).is_none());
        assert!(table.find(&key(1)).is_none());
        assert_eq!(pending(table, 5), []);
    }
    let memory = Memory::new(1, 1);
    let table = memory.table();
    let spared = table.find_or_make(&key(1), None, 0);
    assert!(table.find_or_make(&key(2), spared, 0).is_none());
    assert!(table.find(&key(1)).is_some() && !has_given_up(&memory));
}

#[test]
fn what_is_recorded_is_subtracted_and_what_came_since_stays() {
    let memory = Memory::new(4, 4);
    let table = memory.table();
    let entry = table.find_or_make(&key(1), None, 0).unwrap();
    (0..5).for_each(|at| entry.count(at));
    let recorded = pending(table, 5);
    (10..12).for_each(|at| entry.count(at));
    recorded.iter().for_each(|uses| table.settle(5, uses));
    assert_eq!(pending(table, 5), [Uses { key: key(1).id, uses: 2, last_used_at: 11 }]);
    // Another database, or too much, or nobody.
    table.settle(6, &recorded[0]);
    assert_eq!(pending(table, 5).len(), 1);
    table.settle(5, &recorded[0]);
    table.settle(5, &Uses { key: key(9).id, ..recorded[0] });
    assert_eq!(pending(table, 5), []);
    entry.count(20);
    table.discard(6, 0, usize::MAX);
    assert_eq!(pending(table, 5).len(), 1);
    let mut databases = Vec::new();
    table.databases(0, usize::MAX, &mut |database| databases.push(database));
    assert_eq!(databases, [5]);
    table.discard(5, 0, usize::MAX);
    assert_eq!(pending(table, 5), []);
}

#[test]
fn threads_share_a_bucket_and_a_count_exactly() {
    let memory = Memory::new(4, 4);
    let entry = memory.table().find_or_make(&key(1), None, 0).unwrap();
    let limit = Limit { requests: 1000, period_seconds: 3600 };
    let passed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    if entry.take(limit, || 5).is_ok() {
                        entry.count(5);
                        passed.fetch_add(1, super::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 1000);
    assert_eq!(pending(memory.table(), 5)[0].uses, 1000);
    assert!(entry.take(limit, || 5).is_err());
    entry.give_back(limit);
    assert_eq!(entry.take(limit, || 5), Ok(()));
    assert!(entry.take(limit, || 5).is_err());
}

proptest! {
    /// Against a map: whatever is counted and not recorded is found, however entries are replaced, and one count
    /// is lost when the table was full of counts.
    #[test]
    fn a_count_is_lost_only_when_the_table_is_full_of_them(
        capacity in 1_usize..12,
        chains in 1_usize..6,
        steps in prop::collection::vec((0_u128..30, 0_u8..4), 1..300),
    ) {
        let memory = Memory::new(capacity, chains);
        let table = memory.table();
        let mut counted: HashMap<[u8; 16], u64> = HashMap::new();
        for (number, action) in steps {
            let name = key(number);
            let is_full = counted.len() == capacity && !counted.contains_key(&name.id);
            if action < 3 {
                table.find_or_make(&name, None, 1).unwrap().count(1);
                *counted.entry(name.id).or_default() += 1;
                prop_assert_eq!(has_given_up(&memory), is_full);
            } else if let Some(uses) = counted.remove(&name.id) {
                table.settle(5, &Uses { key: name.id, uses, last_used_at: 1 });
            }
            let found: HashMap<_, _> = pending(table, 5).iter().map(|uses| (uses.key, uses.uses)).collect();
            if is_full && action < 3 {
                prop_assert_eq!(found.len(), capacity);
                prop_assert!(found.contains_key(&name.id));
                counted.retain(|id, _| found.contains_key(id));
            }
            prop_assert_eq!(&found, &counted);
            for id in counted.keys() {
                let name = Name { id: *id, ..key(0) };
                prop_assert!(table.find(&name).is_some());
            }
        }
    }
}
