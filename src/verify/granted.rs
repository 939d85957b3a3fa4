//! Which memberships count that others gave a user and that the user never accepted. The oldest do: what comes later
//! never takes the place of what was there, however many give.

use std::collections::HashMap;

/// No more organizations than this count for a user, and no more workspaces, wherever they come from.
pub(crate) const MAX_COUNTED: usize = 50_000;

/// Rows are read for this many times as many memberships as can count; what is younger is not looked at.
const READ_FOR_EACH: usize = 10;

/// Did the user make the membership or accept it, or did a service or an administrator give it? Rows of 0.1.0, and of
/// whoever writes to the table past the functions, say only who made them.
pub(crate) fn is_accepted(accepted: Option<bool>, made_by: Option<&str>, user: &str) -> bool {
    accepted.unwrap_or_else(|| made_by.is_none_or(|giver| giver == user))
}

/// How many memberships of one kind count that others gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) all: usize,
    /// Of one giver, where there are more than `all`.
    pub(crate) of_one: usize,
    /// The same for those of a time that knew no limits, where there are more than `all` of these alone.
    pub(crate) of_one_before: usize,
}

impl Limits {
    /// How many rows are looked at in order to find what counts.
    pub(crate) fn rows(&self) -> usize {
        self.all.saturating_mul(READ_FOR_EACH).saturating_add(1)
    }

    /// The share of each giver in this many that were given at a time that knew no limits: what comes later does not make
    /// it smaller.
    pub(crate) fn share_before(&self, count: usize) -> usize {
        if count <= self.all { usize::MAX } else { self.of_one_before }
    }
}

/// How many were found that do not count, and why. There may be more of them: not all are read.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// More of one giver than count.
    pub(crate) of_one: usize,
    /// More of all givers than count.
    pub(crate) of_all: usize,
    /// More than [`MAX_COUNTED`].
    pub(crate) beyond: usize,
}

impl LeftOut {
    pub(crate) fn any(&self) -> bool {
        self.of_one + self.of_all + self.beyond > 0
    }
}

/// Memberships that others gave, noted one after the other, the oldest first.
pub(crate) struct Given<T> {
    all: usize,
    by_giver: HashMap<String, usize>,
    /// With what becomes of them if there are too many.
    noted: Vec<(T, Verdict)>,
    within: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Counts,
    TooManyOfOne,
    TooMany,
}

impl<T> Given<T> {
    /// As many as `all` count, whoever gave them.
    pub(crate) fn new(all: usize) -> Given<T> {
        Given { all, by_giver: HashMap::new(), noted: Vec::new(), within: 0 }
    }

    /// Notes the next one, of a giver with this share of too many. False when no younger one can count.
    pub(crate) fn note(&mut self, giver: Option<&str>, share: usize, membership: T) -> bool {
        let giver = giver.unwrap_or_default();
        let known = self.by_giver.get(giver).copied().unwrap_or(0);
        let verdict = if known >= share {
            Verdict::TooManyOfOne
        } else if self.within >= self.all {
            Verdict::TooMany
        } else {
            self.by_giver.insert(giver.to_owned(), known + 1);
            self.within += 1;
            Verdict::Counts
        };
        self.noted.push((membership, verdict));
        self.within < self.all || self.are_few()
    }

    fn are_few(&self) -> bool {
        self.noted.len() <= self.all
    }

    /// Those that count, and how many were noted that do not.
    pub(crate) fn finish(self) -> (Vec<T>, LeftOut) {
        let are_few = self.are_few();
        let (mut counted, mut left_out) = (Vec::new(), LeftOut::default());
        for (membership, verdict) in self.noted {
            match verdict {
                Verdict::Counts => counted.push(membership),
                Verdict::TooManyOfOne | Verdict::TooMany if are_few => counted.push(membership),
                Verdict::TooManyOfOne => left_out.of_one += 1,
                Verdict::TooMany => left_out.of_all += 1,
            }
        }
        (counted, left_out)
    }
}
