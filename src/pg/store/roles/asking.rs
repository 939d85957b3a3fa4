//! What roles permit that an identity does not carry.

use super::{By, Content, Rows};
use crate::pg::ffi::scan::Latest;
use crate::pg::ffi::state::State;
use crate::verify::membership::StoredRole;
use crate::verify::permission::covers;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

/// How many answers are kept.
const KEPT_ANSWERS: usize = 8192;
/// Longer permissions are asked about anew each time: what is kept stays small.
const LONGEST_KEPT: usize = 256;

/// What roles were found to permit. Which row counts is looked at in every state of the database, as it was before; the
/// permissions, which can be long, are read once for each of its versions.
#[derive(Default)]
struct Answers {
    state: Option<State>,
    /// Raised when it becomes another one.
    number: u64,
    by_role: HashMap<StoredRole, Known>,
    count: usize,
}

/// Of one role in one version.
#[derive(Default)]
struct Known {
    /// The row that holds it; `None` when no row does that counts.
    row: Option<Mark>,
    /// In which state of the database that is so.
    number: u64,
    /// Permissions, and whether it has them.
    answers: Vec<(String, bool)>,
}

type Mark = (u64, u32);

thread_local! {
    static ANSWERS: RefCell<Answers> = RefCell::default();
}

impl Answers {
    /// Does not trust what it found in another state of the database.
    fn of_now(&mut self) -> Option<&mut Answers> {
        if !self.state.as_ref().is_some_and(State::is_now) {
            self.state = State::now();
            self.number += 1;
        }
        self.state.is_some().then_some(self)
    }

    /// The answer, as long as the state is the same.
    fn get(&self, role: &StoredRole, permission: &str) -> Option<bool> {
        let known = self.by_role.get(role).filter(|known| known.number == self.number)?;
        if known.row.is_none() { Some(false) } else { known.get(permission) }
    }

    /// Notes which row holds the role now, and says what is known of that one.
    fn found(&mut self, role: StoredRole, row: Option<Mark>, permission: &str) -> Option<bool> {
        if self.by_role.len() >= KEPT_ANSWERS {
            self.forget();
        }
        let known = self.by_role.entry(role).or_default();
        known.number = self.number;
        if known.row != row {
            known.row = row;
            self.count = self.count.saturating_sub(known.answers.len());
            known.answers.clear();
        }
        known.get(permission)
    }

    fn keep(&mut self, role: StoredRole, permission: &str, permits: bool) {
        if permission.len() > LONGEST_KEPT {
            return;
        }
        if self.count >= KEPT_ANSWERS {
            self.forget();
        }
        if let Some(known) = self.by_role.get_mut(&role) {
            known.answers.push((permission.to_owned(), permits));
            self.count += 1;
        }
    }

    fn forget(&mut self) {
        self.by_role.clear();
        self.count = 0;
    }
}

impl Known {
    fn get(&self, permission: &str) -> Option<bool> {
        let known = self.answers.iter().find(|(known, _)| known == permission);
        known.map(|(_, permits)| *permits)
    }
}

/// Whether roles that an identity does not carry have one permission, as the query that runs sees them: so that it
/// is about one state of the database, whatever of its policies is asked when. A role that was changed since the
/// identity was established permits nothing. Never raises.
pub(in crate::pg) struct Asking<'a> {
    permission: &'a str,
    latest: &'a OnceCell<Option<Latest>>,
    rows: Option<Rows<'a>>,
}

impl<'a> Asking<'a> {
    /// Takes an empty cell, for a snapshot if one is needed.
    pub(in crate::pg) fn for_permission(
        permission: &'a str,
        latest: &'a OnceCell<Option<Latest>>,
    ) -> Asking<'a> {
        Asking { permission, latest, rows: None }
    }

    pub(in crate::pg) fn permits(&mut self, role: StoredRole) -> bool {
        let known = ANSWERS.with_borrow_mut(|answers| answers.of_now()?.get(&role, self.permission));
        known.unwrap_or_else(|| {
            pgrx::check_for_interrupts!();
            self.look(role).unwrap_or(false)
        })
    }

    fn look(&mut self, role: StoredRole) -> Option<bool> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            rows => rows.insert(Rows::new(self.latest.get_or_init(Latest::as_the_query_sees).as_ref()?)),
        };
        let permission = self.permission;
        let answer = |content: &Content<'_>| {
            let is_same = content.version() == Some(role.version);
            let row = is_same.then(|| content.row.mark());
            let known = ANSWERS.with_borrow_mut(|answers| answers.found(role, row, permission));
            known.unwrap_or_else(|| {
                let permits = is_same && covers(content.permissions().iter().map(String::as_str), permission);
                if is_same {
                    ANSWERS.with_borrow_mut(|answers| answers.keep(role, permission, permits));
                }
                permits
            })
        };
        let found = rows.find(&By::Id(role.id), answer).ok()?;
        if found.is_none() {
            ANSWERS.with_borrow_mut(|answers| answers.found(role, None, permission));
        }
        Some(found?.content)
    }
}
