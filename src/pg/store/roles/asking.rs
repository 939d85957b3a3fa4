//! What roles permit that an identity does not carry.

use super::{By, Content, Rows};
use crate::pg::ffi::scan::Latest;
use crate::pg::ffi::state::State;
use crate::verify::membership::StoredRole;
use crate::verify::permission::covers;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

/// How many answers are kept while the database is in one state.
const KEPT_ANSWERS: usize = 4096;

/// What roles were found to permit, in one state of the database.
#[derive(Default)]
struct Answers {
    state: Option<State>,
    by_role: HashMap<StoredRole, Vec<(String, bool)>>,
    count: usize,
}

thread_local! {
    /// A policy can ask for each row, which is not to read the role each time.
    static ANSWERS: RefCell<Answers> = RefCell::default();
}

impl Answers {
    /// Forgets what it was told of another state.
    fn of_now(&mut self) -> Option<&mut Answers> {
        if !self.state.as_ref().is_some_and(State::is_now) {
            *self = Answers { state: State::now(), ..Answers::default() };
        }
        self.state.is_some().then_some(self)
    }

    fn get(&self, role: &StoredRole, permission: &str) -> Option<bool> {
        let known = self.by_role.get(role)?.iter().find(|(known, _)| known == permission);
        known.map(|(_, permits)| *permits)
    }

    fn keep(&mut self, role: StoredRole, permission: &str, permits: bool) {
        if self.count >= KEPT_ANSWERS {
            self.by_role.clear();
            self.count = 0;
        }
        self.by_role.entry(role).or_default().push((permission.to_owned(), permits));
        self.count += 1;
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
            let permits = self.look(role).unwrap_or(false);
            ANSWERS.with_borrow_mut(|answers| {
                if let Some(answers) = answers.of_now() {
                    answers.keep(role, self.permission, permits);
                }
            });
            permits
        })
    }

    fn look(&mut self, role: StoredRole) -> Option<bool> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            rows => rows.insert(Rows::new(self.latest.get_or_init(Latest::as_the_query_sees).as_ref()?)),
        };
        let permits = |content: &Content<'_>| {
            let is_same = content.version() == Some(role.version);
            is_same && covers(content.permissions().iter().map(String::as_str), self.permission)
        };
        Some(rows.find(&By::Id(role.id), permits).ok()??.content)
    }
}
