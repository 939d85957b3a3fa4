//! How often something may be done: a token bucket (the generic cell rate algorithm), whose whole state is one
//! number. Time is an argument, in microseconds from any beginning.

/// A bucket that holds `requests` and is refilled evenly, within `period_seconds` from empty to full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) requests: u32,
    pub(crate) period_seconds: u32,
}

/// How far a state may be ahead of what the limit allows before it is no longer believed: clocks of two
/// processes are read in another order than they are used, or are set back.
const SLACK: i64 = 1_000_000;

impl Limit {
    /// Microseconds until one request more may be made. Rounded up: never more than was promised.
    fn interval(self) -> i64 {
        let period = i64::from(self.period_seconds).saturating_mul(1_000_000);
        let requests = i64::from(self.requests).max(1);
        // Both are not negative, so this rounds up and cannot overflow.
        period.saturating_add(requests.saturating_sub(1)).div_euclid(requests).max(1)
    }

    /// Microseconds from empty to full.
    fn capacity(self) -> i64 {
        self.interval().saturating_mul(i64::from(self.requests))
    }
}

/// Takes one request from a bucket: its new state, or the seconds (at least one) until there is one again.
///
/// The state is the time at which the bucket will be full; one that never was used is as good as any time in
/// the past. A state further ahead than the limit allows, because the clock was set back or the limit lowered,
/// counts as an empty bucket that has just got one request: whoever waits is not kept out until the clock
/// catches up.
pub(crate) fn take(full_at: i64, now: i64, limit: Limit) -> Result<i64, u32> {
    let latest = now.saturating_add(limit.capacity());
    if limit.requests > 0 && full_at > latest.saturating_add(SLACK) {
        return Ok(latest);
    }
    take_believing(full_at, now, limit)
}

/// The same where every state is believed, however far ahead: the clock never goes back, and a state that is too far
/// ahead says that others share it.
pub(crate) fn take_believing(full_at: i64, now: i64, limit: Limit) -> Result<i64, u32> {
    let (interval, latest) = (limit.interval(), now.saturating_add(limit.capacity()));
    if limit.requests == 0 {
        return Err(limit.period_seconds.max(1));
    }
    let taken = full_at.max(now).saturating_add(interval);
    if taken <= latest {
        return Ok(taken);
    }
    let seconds = taken.saturating_sub(latest).saturating_add(999_999).div_euclid(1_000_000);
    Err(u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
}

/// Puts back what [`take`] took, when the request was refused for another reason.
pub(crate) fn give_back(full_at: i64, limit: Limit) -> i64 {
    full_at.saturating_sub(limit.interval())
}

/// Would forgetting this state change nothing?
pub(crate) fn is_full(full_at: i64, now: i64) -> bool {
    full_at <= now
}

#[cfg(test)]
mod tests {
    use super::{Limit, SLACK, give_back, is_full, take};
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    fn limit(requests: u32, period_seconds: u32) -> Limit {
        Limit { requests, period_seconds }
    }

    /// How many requests pass at this moment, and the state after them.
    fn drain(mut state: i64, now: i64, limit: Limit) -> (u32, i64) {
        let mut passed = 0;
        while let Ok(next) = take(state, now, limit) {
            (passed, state) = (passed + 1, next);
            assert!(passed <= limit.requests, "{limit:?}");
        }
        (passed, state)
    }

    #[test]
    fn as_many_requests_pass_as_the_limit_says() {
        for (requests, period) in [(1, 1), (3, 1), (7, 1), (10, 60), (1000, 1), (600, 86400), (100_000, 1)] {
            let limit = limit(requests, period);
            for start in [0, i64::MIN, 799 * SECOND] {
                assert_eq!(drain(start, 800 * SECOND, limit).0, requests, "{limit:?} from {start}");
            }
        }
    }

    #[test]
    fn the_bucket_refills_evenly() {
        let limit = limit(10, 60);
        let now = 1000 * SECOND;
        let (_, state) = drain(0, now, limit);
        assert_eq!(take(state, now, limit), Err(6));
        assert_eq!(take(state, now + 1, limit), Err(6));
        assert_eq!(take(state, now + 5 * SECOND + 1, limit), Err(1));
        assert_eq!(take(state, now + 6 * SECOND - 1, limit), Err(1));
        assert_eq!(drain(state, now + 6 * SECOND, limit).0, 1);
        assert_eq!(drain(state, now + 30 * SECOND, limit).0, 5);
        assert_eq!(drain(state, now + 59 * SECOND, limit).0, 9);
        assert_eq!(drain(state, now + 60 * SECOND, limit).0, 10);
        assert_eq!(drain(state, now + 6000 * SECOND, limit).0, 10);
    }

    #[test]
    fn a_limit_of_nothing_refuses() {
        assert_eq!(take(0, SECOND, limit(0, 60)), Err(60));
        assert_eq!(take(0, SECOND, limit(0, 0)), Err(1));
        assert_eq!(take(i64::MAX, SECOND, limit(0, 60)), Err(60));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        let limit = limit(10, 60);
        let (_, state) = drain(0, 100_000 * SECOND, limit);
        // By little: as if it had not been.
        assert_eq!(take(state, 100_000 * SECOND - SLACK, limit), Err(7));
        // By much: at the rate of the limit.
        let now = 50 * SECOND;
        let (passed, state) = drain(state, now, limit);
        assert_eq!(passed, 1);
        assert_eq!(take(state, now, limit), Err(6));
        assert_eq!(drain(state, now + 12 * SECOND, limit).0, 2);
    }

    #[test]
    fn a_limit_that_is_lowered_counts_from_then_on() {
        let now = 1000 * SECOND;
        let (_, state) = drain(0, now, limit(1000, 86400));
        let (passed, state) = drain(state, now, limit(5, 10));
        assert_eq!(passed, 1);
        assert_eq!(take(state, now, limit(5, 10)), Err(2));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limit = limit(3, 10);
        let (_, state) = drain(0, 0, limit);
        assert!(!is_full(state, 0));
        let (passed, state) = drain(give_back(state, limit), 0, limit);
        assert_eq!(passed, 1);
        assert!(is_full(state, 10 * SECOND + 2));
    }

    /// A bucket as one would write it down: a number of requests, refilled at every look.
    struct Naive {
        filled: u128,
        at: i64,
    }

    impl Naive {
        fn take(&mut self, now: i64, limit: Limit) -> bool {
            let (one, full) = (limit.interval() as u128, limit.capacity() as u128);
            self.filled = full.min(self.filled + u128::from(now.abs_diff(self.at)));
            self.at = now;
            let enough = self.filled >= one;
            self.filled -= if enough { one } else { 0 };
            enough
        }
    }

    fn any_limit() -> impl Strategy<Value = Limit> {
        (1_u32..=1_000_000, 1_u32..=86_400).prop_map(|(requests, period)| limit(requests, period))
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_naive_bucket(
            limit in prop_oneof![any_limit(), (1_u32..=5, 1_u32..=3).prop_map(|(n, p)| limit(n, p))],
            steps in prop::collection::vec(prop_oneof![Just(0), 0_i64..3, 0_i64..2_000_000, 0_i64..90_000_000_000], 1..200),
        ) {
            let (mut now, mut state) = (1_i64, 0);
            let mut naive = Naive { filled: limit.capacity() as u128, at: now };
            for step in steps {
                now += step;
                let taken = take(state, now, limit);
                prop_assert_eq!(taken.is_ok(), naive.take(now, limit));
                if let Err(seconds) = taken {
                    let wait = i64::from(seconds) * SECOND;
                    prop_assert!(take(state, now + wait, limit).is_ok());
                    prop_assert!(seconds == 1 || take(state, now + wait - SECOND, limit).is_err());
                }
                state = taken.unwrap_or(state);
            }
        }

        #[test]
        fn no_number_is_too_large(state: i64, now: i64, requests: u32, period: u32) {
            let limit = limit(requests, period);
            match take(state, now, limit) {
                Ok(next) => prop_assert!(next >= now.min(state) && requests > 0),
                Err(seconds) => prop_assert!(seconds >= 1),
            }
            let _ = (give_back(state, limit), is_full(state, now));
        }

        #[test]
        fn never_more_than_twice_the_limit_passes_in_a_period(
            limit in (1_u32..=50, 1_u32..=10).prop_map(|(n, p)| limit(n, p)),
            steps in prop::collection::vec(0_i64..500_000, 1..500),
        ) {
            let (mut now, mut state, mut passed) = (0, 0, Vec::new());
            for step in steps {
                now += step;
                if let Ok(next) = take(state, now, limit) {
                    state = next;
                    passed.push(now);
                }
            }
            let period = i64::from(limit.period_seconds) * SECOND;
            for start in &passed {
                let within = passed.iter().filter(|at| (*start..*start + period).contains(at)).count();
                prop_assert!(within <= 2 * limit.requests as usize);
            }
        }
    }
}
