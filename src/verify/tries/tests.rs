//! Tests of counting tries.
// A failing test may panic.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::{Key, ROWS, Sketch, limit, tried};
use crate::verify::rate::{Limit, take};
use proptest::prelude::*;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU32};

const SECOND: i64 = 1_000_000;
const SECRET: [u8; 16] = *b"of the tests 16!";
const FIVE: Limit = Limit { requests: 5, period_seconds: 600 };

fn cells(width: usize) -> Vec<AtomicI64> {
    (0..ROWS * width).map(|_| AtomicI64::new(0)).collect()
}

fn key(limit: Limit, value: &str) -> Key {
    Key::new(&SECRET, 1, limit, &tried("test", value))
}

/// How many tries of this key pass in a row.
fn passed(sketch: &Sketch<'_>, limit: Limit, value: &str, now: i64) -> u32 {
    let key = key(limit, value);
    let tries = 0..=limit.requests;
    u32::try_from(tries.take_while(|_| sketch.take(&key, limit, || now).is_ok()).count()).unwrap()
}

#[test]
fn as_many_tries_pass_as_the_limit_says() {
    let cells = cells(1024);
    let sketch = Sketch::new(&cells).unwrap();
    let now = 1000 * SECOND;
    assert_eq!(passed(&sketch, FIVE, "ada", now), 5);
    assert_eq!(sketch.take(&key(FIVE, "ada"), FIVE, || now), Err(120));
    // What was refused was not counted.
    assert_eq!(passed(&sketch, FIVE, "ada", now + 120 * SECOND), 1);
    assert_eq!(passed(&sketch, FIVE, "bob", now), 5);
    // The same under another limit.
    assert_eq!(passed(&sketch, Limit { requests: 7, ..FIVE }, "ada", now), 7);
    assert_eq!(sketch.take(&key(FIVE, "x"), Limit { requests: 0, ..FIVE }, || now), Err(600));
}

#[test]
fn a_state_that_others_have_raised_is_believed() {
    let cells = cells(1);
    let sketch = Sketch::new(&cells).unwrap();
    let long = Limit { requests: 2, period_seconds: 86_400 };
    assert_eq!(passed(&sketch, long, "ada", SECOND), 2);
    // All keys meet in the only cells there are, and wait as long as the longest limit says.
    let wait = sketch.take(&key(FIVE, "bob"), FIVE, || SECOND).unwrap_err();
    assert_eq!(wait, 86_400 - 600 + 120);
    let later = SECOND + i64::from(wait) * SECOND;
    assert_eq!(passed(&sketch, FIVE, "bob", later), 1);
}

#[test]
fn keys_are_told_apart() {
    let of = |secret, database, limit, kind, value| Key::new(secret, database, limit, &tried(kind, value)).0;
    let base = of(&SECRET, 1, FIVE, "a", "bc");
    for other in [
        of(b"another of these", 1, FIVE, "a", "bc"),
        of(&SECRET, 2, FIVE, "a", "bc"),
        of(&SECRET, 1, Limit { requests: 6, ..FIVE }, "a", "bc"),
        of(&SECRET, 1, Limit { period_seconds: 601, ..FIVE }, "a", "bc"),
        of(&SECRET, 1, FIVE, "ab", "c"),
        of(&SECRET, 1, FIVE, "a", "bd"),
    ] {
        assert!(base.iter().zip(other).all(|(one, other)| *one != other));
    }
}

#[test]
fn limits_are_checked() {
    assert_eq!(limit(5, 600_000_000), Some(FIVE));
    assert_eq!(limit(1, 1), Some(Limit { requests: 1, period_seconds: 1 }));
    assert_eq!(limit(0, 1_000_001), Some(Limit { requests: 0, period_seconds: 2 }));
    let longest = 366 * 86_400_000_000;
    assert!(limit(1, longest).is_some());
    for (most, period) in [(-1, 1), (1, 0), (1, -1), (1, longest + 1), (1, i128::MAX), (i32::MIN, i128::MIN)]
    {
        assert_eq!(limit(most, period), None);
    }
}

#[test]
fn a_sketch_has_cells() {
    assert!(Sketch::new(&[]).is_none());
    assert!(Sketch::new(&cells(1)[..3]).is_none());
}

/// Also with keys around them that share cells, and with a clock that goes on.
#[test]
fn tries_at_once_never_pass_the_limit() {
    for round in 0..200 {
        let cells = cells(if round % 2 == 0 { 1024 } else { 2 });
        let sketch = Sketch::new(&cells).unwrap();
        let limit = Limit { requests: 1 + round % 7, period_seconds: 86_400 };
        let (passed, clock) = (AtomicU32::new(0), AtomicI64::new(SECOND));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..limit.requests * 2 {
                        let taken = sketch.take(&key(limit, "ada"), limit, || clock.fetch_add(1, Relaxed));
                        passed.fetch_add(u32::from(taken.is_ok()), Relaxed);
                    }
                });
            }
            scope.spawn(|| {
                for number in 0..10 {
                    let _ = sketch.take(&key(FIVE, &number.to_string()), FIVE, || SECOND);
                }
            });
        });
        let passed = passed.into_inner();
        assert!(passed <= limit.requests, "{passed} of {}", limit.requests);
        assert!(round % 2 == 1 || passed == limit.requests, "{passed} of {}", limit.requests);
    }
}

/// Of 2,000 keys that nobody tried: how many are refused at once, and how many get fewer than five tries, when 100,000
/// others were tried so often.
fn disturbed(width: usize, tries: usize) -> (usize, usize) {
    let cells = cells(width);
    let sketch = Sketch::new(&cells).unwrap();
    for number in 0..100_000 {
        let other = key(FIVE, &format!("other {number}"));
        for _ in 0..tries {
            let _ = sketch.take(&other, FIVE, || SECOND);
        }
    }
    let mut found = (0, 0);
    for number in 0..2_000 {
        // Each of them alone.
        let copy: Vec<_> = key(FIVE, &format!("innocent {number}")).0.into();
        let states = copy.iter().zip(cells.chunks_exact(width));
        let lowest =
            states.map(|(place, row)| row[(place % width as u64) as usize].load(Relaxed)).min().unwrap();
        let (mut state, mut passed) = (lowest, 0);
        while let Ok(next) = crate::verify::rate::take_believing(state, SECOND, FIVE) {
            (state, passed) = (next, passed + 1);
        }
        found.0 += usize::from(passed == 0);
        found.1 += usize::from(passed < 5);
    }
    found
}

/// As many as are expected of independent cells, (1 - e^(-keys/cells))^4, where the others used up all they have; else next to none.
#[test]
fn others_rarely_get_in_the_way() {
    for (width, tries, most) in [(65_536, 1, 0), (65_536, 5, 800), (262_144, 5, 45), (1_048_576, 5, 3)] {
        let (refused, fewer) = disturbed(width, tries);
        println!(
            "{width} cells, {tries} tries of each other key: {refused} of 2000 refused, {fewer} with fewer tries"
        );
        assert!(refused <= most, "{refused} with {width} cells and {tries} tries");
    }
}

proptest! {
    #[test]
    fn one_key_alone_is_a_bucket(
        limit in (1_u32..=50, 1_u32..=100).prop_map(|(requests, period_seconds)| Limit { requests, period_seconds }),
        steps in prop::collection::vec(prop_oneof![Just(0), 0_i64..3_000_000], 1..300),
    ) {
        let cells = cells(64);
        let sketch = Sketch::new(&cells).unwrap();
        let (mut now, mut state, key) = (0, 0, key(limit, "ada"));
        for step in steps {
            now += step;
            let expected = take(state, now, limit);
            prop_assert_eq!(sketch.take(&key, limit, || now), expected.map(drop));
            state = expected.unwrap_or(state);
        }
    }

    #[test]
    fn nobody_passes_more_often_than_alone(
        tries in prop::collection::vec((0_u8..20, 0_i64..2_000_000), 1..300),
        width in 1_usize..16,
    ) {
        let cells = cells(width);
        let sketch = Sketch::new(&cells).unwrap();
        let limit = Limit { requests: 3, period_seconds: 20 };
        let (mut now, mut alone) = (0, [0; 20]);
        for (who, step) in tries {
            now += step;
            let state = &mut alone[usize::from(who)];
            if sketch.take(&key(limit, &who.to_string()), limit, || now).is_ok() {
                let next = take(*state, now, limit);
                prop_assert!(next.is_ok());
                *state = next.unwrap_or(*state);
            }
        }
    }
}
