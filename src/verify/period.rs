//! A period as `interval` counts it, added to a moment as Postgres does it.

/// Days from 1 March of the year 0, where years end with their leap day, to 1 January 2000, where timestamps of Postgres begin.
const EPOCH_DAY: i64 = 730_425;
const DAY: i64 = 86_400_000_000;
/// Every 400 years the calendar is the same again.
const CYCLE_MONTHS: i64 = 4_800;
const CYCLE_DAYS: i64 = 146_097;

/// The three parts of an `interval`, none of which says how long the others are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Period {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) microseconds: i64,
}

impl Period {
    /// This much after `moment`, both in microseconds since 2000: first the months, of which a day that a month does not have
    /// becomes its last one, then the days, then the rest. A day has 24 hours: as for `timestamp`, whatever the time zone of
    /// the session is, since a session sets its own. What is beyond all timestamps is the last or first number.
    pub(crate) fn after(self, moment: i64) -> i64 {
        let mut day = moment.div_euclid(DAY) + EPOCH_DAY;
        if self.months != 0 {
            day = months_after(day, i64::from(self.months));
        }
        let whole = i128::from(day - EPOCH_DAY + i64::from(self.days)) * i128::from(DAY);
        let sum = whole + i128::from(moment.rem_euclid(DAY)) + i128::from(self.microseconds);
        i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The first day of a month, both counted from March of the year 0.
fn first_day(month: i64) -> i64 {
    let (year, place) = (month.div_euclid(12), month.rem_euclid(12));
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * place + 2) / 5
}

fn months_after(day: i64, months: i64) -> i64 {
    let mut month = (day * CYCLE_MONTHS).div_euclid(CYCLE_DAYS);
    while first_day(month) > day {
        month -= 1;
    }
    while first_day(month + 1) <= day {
        month += 1;
    }
    let wanted = first_day(month + months) + (day - first_day(month));
    wanted.min(first_day(month + months + 1) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDAY: i64 = DAY / 2;

    /// Days from 1 January 2000 to this date, and midday there.
    fn at(days: i64) -> i64 {
        days * DAY + MIDDAY
    }

    #[test]
    fn months_end_where_the_calendar_says() {
        for (from, months, to) in [
            (30, 1, 59),           // 31 January 2000 to 29 February
            (30, 13, 424),         // to 28 February 2001
            (30, 2, 90),           // to 31 March
            (59, 12, 424),         // 29 February 2000 to 28 February 2001
            (59, 48, 1_520),       // to 29 February 2004
            (59, -1_200, -36_466), // to 28 February 1900, which was no leap year
            (0, -1, -31),          // 1 January to 1 December 1999
            (0, 4_800, 146_097),   // a cycle
            (0, -4_800, -146_097),
            (60, -1, 31), // 1 March to 1 February
        ] {
            let period = Period { months, days: 0, microseconds: 0 };
            assert_eq!(period.after(at(from)), at(to), "{from} {months}");
        }
    }

    #[test]
    fn parts_are_added_one_after_the_other() {
        let period = Period { months: 1, days: 1, microseconds: -1 };
        assert_eq!(period.after(at(30)), at(60) - 1);
        let nothing = Period { months: 0, days: 0, microseconds: 0 };
        for moment in [0, -1, 1, i64::MAX, i64::MIN] {
            assert_eq!(nothing.after(moment), moment);
        }
    }

    #[test]
    fn what_no_timestamp_holds_is_the_last_or_the_first() {
        let all = Period { months: i32::MAX, days: i32::MAX, microseconds: i64::MAX };
        let none = Period { months: i32::MIN, days: i32::MIN, microseconds: i64::MIN };
        for moment in [0, i64::MAX, i64::MIN] {
            assert_eq!(all.after(moment), i64::MAX);
            assert_eq!(none.after(moment), i64::MIN);
        }
    }
}
