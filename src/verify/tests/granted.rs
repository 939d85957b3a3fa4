//! Which memberships count that others gave.

use super::super::granted::{Given, LeftOut, Limits, is_accepted};
use proptest::prelude::*;
use std::collections::HashMap;

const LIMITS: Limits = Limits { all: 10, of_one: 4, of_one_before: 2 };

/// The places in the list of those that count: of `before` first, then of `after`, each with its giver.
fn counted(limits: Limits, before: &[u8], after: &[u8]) -> (Vec<usize>, LeftOut) {
    let mut given = Given::new(limits.all);
    let share = limits.share_before(before.len());
    let all =
        before.iter().map(|giver| (giver, share)).chain(after.iter().map(|giver| (giver, limits.of_one)));
    for (place, (giver, share)) in all.enumerate() {
        given.note(Some(&giver.to_string()), share, place);
    }
    given.finish()
}

#[test]
fn whoever_made_it_says_whether_it_is_accepted_where_nothing_else_does() {
    assert!(is_accepted(None, None, "u") && is_accepted(None, Some("u"), "u"));
    assert!(!is_accepted(None, Some("v"), "u"));
    assert!(is_accepted(Some(true), Some("v"), "u") && !is_accepted(Some(false), None, "u"));
}

#[test]
fn as_many_as_the_limit_count_whoever_gave_them() {
    assert_eq!(counted(LIMITS, &[], &[1; 10]).0.len(), 10);
    assert_eq!(counted(LIMITS, &[1; 10], &[]).0.len(), 10);
    assert_eq!(counted(LIMITS, &[1; 6], &[1; 4]).0.len(), 10);
}

#[test]
fn of_too_many_each_giver_has_a_share_and_the_oldest_stay() {
    let (places, left_out) = counted(LIMITS, &[], &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);
    assert_eq!((places, left_out), (vec![0, 1, 2, 3, 11, 12], LeftOut { of_one: 7, of_all: 0, beyond: 0 }));
    let (places, left_out) = counted(LIMITS, &[1; 11], &[2, 2, 1]);
    assert_eq!(places, [0, 1, 11, 12, 13]);
    assert_eq!(left_out, LeftOut { of_one: 9, of_all: 0, beyond: 0 });
    let (places, left_out) = counted(LIMITS, &[], &(0..12).collect::<Vec<u8>>());
    assert_eq!((places, left_out), ((0..10).collect(), LeftOut { of_one: 0, of_all: 2, beyond: 0 }));
}

#[test]
fn without_room_none_counts() {
    let none = Limits { all: 0, of_one: 0, of_one_before: 0 };
    assert!(counted(none, &[1], &[2]).0.is_empty());
    assert!(!Given::new(none.all).note(Some("g"), 0, ()));
    assert_eq!(none.rows(), 1);
}

fn limits() -> impl Strategy<Value = Limits> {
    (0_usize..12, 0_usize..6, 0_usize..6).prop_map(|(all, of_one, of_one_before)| Limits {
        all,
        of_one,
        of_one_before,
    })
}

fn givers(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..5, 0..most)
}

/// What the functions let these givers do one after the other; whoever races passes the limit of all together, but
/// nobody the one of his own.
fn as_granted(limits: Limits, before: &[u8], wanted: &[u8]) -> Vec<u8> {
    let mut of_giver: HashMap<u8, usize> = HashMap::new();
    for giver in before {
        *of_giver.entry(*giver).or_default() += 1;
    }
    let may = |giver: &&u8| {
        let has = of_giver.entry(**giver).or_default();
        *has += 1;
        *has <= limits.of_one
    };
    wanted.iter().filter(may).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn t202_what_was_there_stays_whatever_comes_later(
        limits in limits(), before in givers(30), wanted in givers(40), cut in 0_usize..40,
    ) {
        let limits = Limits { of_one: limits.of_one.max(limits.of_one_before), ..limits };
        let after = as_granted(limits, &before, &wanted);
        let earlier = &after[..cut.min(after.len())];
        let all = counted(limits, &before, &after).0;
        for place in counted(limits, &before, earlier).0 {
            prop_assert!(all.contains(&place), "{place} of {all:?}");
        }
    }

    #[test]
    fn t202_never_more_than_the_limits_count(limits in limits(), before in givers(30), after in givers(40)) {
        let (places, left_out) = counted(limits, &before, &after);
        prop_assert!(places.len() <= limits.all);
        prop_assert!(places.is_sorted());
        prop_assert_eq!(places.len() + left_out.of_one + left_out.of_all, before.len() + after.len());
        if before.len() + after.len() <= limits.all {
            prop_assert!(!left_out.any());
        }
        // Of either time each giver has his share, unless all of that time count.
        let share = |from: usize, of: &[u8], share: usize| {
            let here: Vec<usize> = places.iter().copied().filter(|at| (from..from + of.len()).contains(at)).collect();
            let of_giver = |giver: u8| here.iter().filter(|at| of[**at - from] == giver).count();
            here.len() == of.len() || (0..5).all(|giver| of_giver(giver) <= share)
        };
        prop_assert!(before.len() <= limits.all || share(0, &before, limits.of_one_before));
        prop_assert!(share(before.len(), &after, limits.of_one));
    }

    #[test]
    fn whoever_stops_reading_when_told_to_misses_nothing(limits in limits(), after in givers(40)) {
        let mut given = Given::new(limits.all);
        for (place, giver) in after.iter().enumerate() {
            if !given.note(Some(&giver.to_string()), limits.of_one, place) {
                break;
            }
        }
        prop_assert_eq!(given.finish().0, counted(limits, &[], &after).0);
    }
}
