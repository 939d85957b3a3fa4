#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use super::{Entry, Head, Issued, MOST_OF_ONE, NoRoom, Table};
use crate::verify::ticket::Print;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::AtomicU32;

const SECOND: i64 = 1_000_000;

/// The memory of a table, ours alone.
struct Memory {
    head: Head,
    by_ticket: Vec<AtomicU32>,
    by_holder: Vec<AtomicU32>,
    entries: Vec<Entry>,
}

impl Memory {
    fn new(capacity: usize, chains: usize) -> Memory {
        let zeros = || (0..chains).map(|_| AtomicU32::new(0)).collect();
        let entries = (0..capacity).map(|_| Entry::default()).collect();
        Memory { head: Head::default(), by_ticket: zeros(), by_holder: zeros(), entries }
    }

    fn table(&self) -> Table<'_> {
        let Memory { head, by_ticket, by_holder, entries } = self;
        Table { head, by_ticket, by_holder, entries }
    }
}

fn print(number: u64) -> Print {
    (u128::from(number) << 64 | u128::from(number)).to_be_bytes()
}

fn issued(ticket: u64, holder: u64, expires_at: i64) -> Issued {
    Issued { database: 5, ticket: print(ticket), holder: print(holder), expires_at }
}

#[test]
fn a_ticket_is_taken_once_and_from_its_own_database() {
    let memory = Memory::new(3, 1);
    let table = memory.table();
    assert!(!table.take(5, &print(1)));
    table.open(&issued(1, 1, SECOND), 0).unwrap();
    table.open(&issued(2, 1, SECOND), 0).unwrap();
    assert!(table.has(5, &print(1)) && !table.has(6, &print(1)));
    assert!(!table.take(6, &print(1)));
    assert!(table.take(5, &print(1)));
    assert!(!table.take(5, &print(1)) && !table.has(5, &print(1)));
    assert!(table.take(5, &print(2)));
}

#[test]
fn a_full_table_refuses_and_what_expired_makes_room() {
    let memory = Memory::new(3, 2);
    let table = memory.table();
    for (ticket, expires_at) in [(1, 3), (2, 1), (3, 2)] {
        table.open(&issued(ticket, ticket, expires_at * SECOND), 0).unwrap();
    }
    assert_eq!(table.open(&issued(4, 4, 9 * SECOND), SECOND - 1), Err(NoRoom::Full));
    assert_eq!(table.open(&issued(4, 4, 9 * SECOND), SECOND), Ok(()));
    assert!(!table.has(5, &print(2)) && table.has(5, &print(1)) && table.has(5, &print(3)));
    assert_eq!(table.open(&issued(5, 5, 9 * SECOND), 2 * SECOND - 1), Err(NoRoom::Full));
    // One that is spent makes room, and the one in its place is found to have expired first.
    assert!(table.take(5, &print(1)));
    assert_eq!(table.open(&issued(6, 6, SECOND + 9), SECOND + 1), Ok(()));
    assert_eq!(table.open(&issued(7, 7, 9 * SECOND), SECOND + 8), Err(NoRoom::Full));
    assert_eq!(table.open(&issued(7, 7, 9 * SECOND), SECOND + 9), Ok(()));
    assert!(table.has(5, &print(3)) && table.has(5, &print(4)) && table.has(5, &print(7)));
}

#[test]
fn tickets_from_before_the_clock_was_set_back_make_room() {
    let memory = Memory::new(2, 1);
    let table = memory.table();
    let day = 86_400 * SECOND;
    for ticket in [1, 2] {
        table.open(&issued(ticket, 1, day + 60 * SECOND), day).unwrap();
    }
    assert_eq!(table.open(&issued(3, 1, day), day), Err(NoRoom::Full));
    assert_eq!(table.open(&issued(3, 1, 60 * SECOND), 0), Ok(()));
}

#[test]
fn a_table_without_room_refuses_all() {
    let memory = Memory::new(0, 0);
    assert_eq!(memory.table().open(&issued(1, 1, SECOND), 0), Err(NoRoom::Full));
    assert!(!memory.table().take(5, &print(1)));
}

#[test]
fn nobody_has_more_than_a_hundred_open() {
    let memory = Memory::new(500, 3);
    let table = memory.table();
    for ticket in 0..u64::from(MOST_OF_ONE) {
        table.open(&issued(ticket, 1, SECOND), 0).unwrap();
        table.open(&issued(1000 + ticket, 2, SECOND), 0).unwrap();
    }
    assert_eq!(table.open(&issued(500, 1, SECOND), 0), Err(NoRoom::TooManyOfOne));
    let elsewhere = Issued { database: 6, ..issued(500, 1, SECOND) };
    assert_eq!(table.open(&elsewhere, 0), Ok(()));
    assert!(table.take(5, &print(7)));
    assert_eq!(table.open(&issued(500, 1, SECOND), 0), Ok(()));
    assert_eq!(table.open(&issued(501, 1, SECOND), 0), Err(NoRoom::TooManyOfOne));
    assert_eq!(table.open(&issued(501, 1, 2 * SECOND), SECOND), Ok(()));
}

#[derive(Debug, Clone)]
enum Step {
    Open { ticket: u64, holder: u64, life: i64 },
    Take(u64),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..40u64, 0..4u64, 1..20i64).prop_map(|(ticket, holder, life)| Step::Open { ticket, holder, life }),
        3 => (0..40u64).prop_map(Step::Take),
        1 => (0..8i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// What is open can be taken once, whatever else happened; and there is room as long as a model has some.
    #[test]
    fn the_table_is_a_set_of_what_is_open(steps in steps(), chains in 1..5usize) {
        const ROOM: usize = 8;
        let memory = Memory::new(ROOM, chains);
        let table = memory.table();
        let mut open: HashMap<u64, i64> = HashMap::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Open { ticket, .. } if open.contains_key(&ticket) => {}
                Step::Open { ticket, holder, life } => {
                    let is_full = open.values().filter(|end| **end > now).count() == ROOM;
                    let found = table.open(&issued(ticket, holder, now + life), now);
                    prop_assert_eq!(found, if is_full { Err(NoRoom::Full) } else { Ok(()) });
                    if open.len() == ROOM {
                        open.retain(|_, end| *end > now);
                    }
                    if !is_full {
                        open.insert(ticket, now + life);
                    }
                }
                Step::Take(ticket) => {
                    let end = open.remove(&ticket);
                    let was_taken = table.take(5, &print(ticket));
                    prop_assert_eq!(was_taken, end.is_some());
                }
                Step::Wait(time) => now += time,
            }
            for ticket in 0..40 {
                prop_assert_eq!(table.has(5, &print(ticket)), open.contains_key(&ticket));
            }
        }
    }
}
