//! Users who may not use the database any more, or not for now.

/// What was decided about a user, as a row says it. Times are in microseconds since 2000.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision {
    pub(crate) decided_at: i64,
    /// `None`: not banned any more.
    pub(crate) banned_until: Option<i64>,
    /// For good.
    pub(crate) is_deleted: bool,
}

/// Is a user banned of whom all of this was decided? The last decision counts, and of several at one moment the strictest;
/// nothing undoes a deletion.
pub(crate) fn is_banned(decisions: &[Decision], now: i64) -> bool {
    let last = decisions.iter().max_by_key(|decision| (decision.decided_at, decision.banned_until));
    decisions.iter().any(|decision| decision.is_deleted)
        || last.is_some_and(|last| last.banned_until.is_some_and(|until| until > now))
}

#[cfg(test)]
mod tests {
    use super::{Decision, is_banned};

    fn ban(decided_at: i64, banned_until: Option<i64>) -> Decision {
        Decision { decided_at, banned_until, is_deleted: false }
    }

    #[test]
    fn the_last_decision_counts() {
        assert!(!is_banned(&[], 5));
        assert!(is_banned(&[ban(1, Some(6))], 5));
        assert!(!is_banned(&[ban(1, Some(5))], 5));
        assert!(is_banned(&[ban(1, Some(i64::MAX))], 5));
        assert!(!is_banned(&[ban(1, Some(9)), ban(2, None)], 5));
        assert!(!is_banned(&[ban(2, None), ban(1, Some(9))], 5));
        assert!(is_banned(&[ban(2, None), ban(2, Some(9))], 5));
        assert!(is_banned(&[ban(2, None), ban(3, Some(9))], 5));
    }

    #[test]
    fn t151_nothing_undoes_a_deletion() {
        let deleted = Decision { decided_at: 1, banned_until: None, is_deleted: true };
        assert!(is_banned(&[deleted], 5));
        assert!(is_banned(&[deleted, ban(2, None)], 5));
    }
}
