//! Sessions: whether the tokens of one are still good.

use super::identity::Uuid;

/// A session as its row says it. Times are in microseconds since 2000.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: String,
    /// The password that the user had when it began.
    pub(crate) password: Option<Uuid>,
    /// `None`: nobody knows.
    pub(crate) created_at: Option<i64>,
    /// `None`: never.
    pub(crate) expires_at: Option<i64>,
}

/// What a session depends on, as it is now.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The password that the user has now.
    pub(crate) password: Option<Uuid>,
    pub(crate) now: i64,
}

impl Session {
    /// Is a token of this user good, as far as the session goes? It ends once the user has another password, or a first one.
    pub(crate) fn holds(&self, user: Option<&str>, facts: &Facts) -> bool {
        user == Some(self.user.as_str())
            && self.expires_at.is_none_or(|end| end > facts.now)
            && self.password == facts.password
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Session};

    #[test]
    fn a_session_ends_with_its_time_and_its_password() {
        let session = |password, expires_at| Session {
            user: "u".to_owned(),
            password,
            created_at: Some(1),
            expires_at,
        };
        let facts = |password| Facts { password, now: 5 };
        let (one, other) = (Some([1; 16]), Some([2; 16]));
        assert!(session(None, None).holds(Some("u"), &facts(None)));
        assert!(!session(None, None).holds(Some("u"), &facts(one)));
        assert!(!session(None, None).holds(Some("v"), &facts(None)));
        assert!(!session(None, None).holds(None, &facts(None)));
        assert!(session(None, Some(6)).holds(Some("u"), &facts(None)));
        assert!(!session(None, Some(5)).holds(Some("u"), &facts(None)));
        assert!(session(one, None).holds(Some("u"), &facts(one)));
        assert!(!session(one, None).holds(Some("u"), &facts(other)));
        assert!(!session(one, None).holds(Some("u"), &facts(None)));
    }
}
