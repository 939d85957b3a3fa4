//! Roles: `auth.roles`, numbered as `sql/tables/tenancy.sql` declares it.

use super::{endings, not_installed};
use crate::pg::ffi::scan::{Latest, Row, Table, Wanted};
use crate::pg::ffi::state::State;
use crate::verify::identity::Uuid;
use crate::verify::membership::{HeldRole, Memberships, Role, RoleIndex, StoredRole};
use crate::verify::permission::covers;
use pgrx::pg_sys::panic::ErrorReport;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::hash::{BuildHasherDefault, Hasher};

pub(super) const ROLES: &CStr = c"roles";
const ROLES_BY_ID: &CStr = c"roles_pkey";
pub(super) const ROLES_BY_NAME: &CStr = c"roles_org_id_name_builtin_key";

/// A list of permissions of up to so many bytes is read at once and carried by the identity, as long as all of them
/// together have no more than there is room for. What is larger is left where it is stored: nobody makes the
/// identity of somebody else large, or slow to establish.
const SMALL: usize = 512;
const ROOM: usize = 65_536;

/// Behind the shown name of an organization's own role whose name every organization has a role of.
const OWN: &str = ":own";

/// The role with this id.
pub(in crate::pg) fn role(id: Uuid) -> Result<Option<Role>, ErrorReport> {
    shown(&Latest::new(), id, None)
}

/// A role of the snapshot, in exactly this version.
pub(super) fn stored(latest: &Latest, wanted: StoredRole) -> Result<Option<Role>, ErrorReport> {
    shown(latest, wanted.id, Some(wanted.version))
}

/// A role as it counts in the snapshot, if it is of this version, under the name that it is shown with.
fn shown(latest: &Latest, id: Uuid, version: Option<Uuid>) -> Result<Option<Role>, ErrorReport> {
    let mut table = open(latest, ROLES_BY_ID)?;
    let read = |row: &Row| Some((whole(row), row.uuid(3).is_some(), row.uuid(9)));
    let Some((mut role, is_own, of_row)) = counting(&mut table, &[Wanted::Uuid(1, id)], read) else {
        return Ok(None);
    };
    let change = if is_own { endings::of(latest, id).pop() } else { None };
    let current = change.as_ref().map_or(of_row, |change| Some(change.id));
    if version.is_some() && current != version {
        return Ok(None);
    }
    if let Some(change) = change {
        role.permissions = change.permissions;
    }
    if is_own && let Some(name) = &mut role.name {
        let mut by_name = open(latest, ROLES_BY_NAME)?;
        show_as_own(&mut by_name, name);
    }
    Ok(Some(role))
}

/// Renames an organization's own role where every organization has a role of its name: policies ask for that one. As
/// `auth_internal.role_name()` does.
fn show_as_own(by_name: &mut Table<'_>, name: &mut String) {
    let mut is_taken = false;
    by_name.rows(&[Wanted::Null(3), Wanted::Text(4, name)], |_| {
        is_taken = true;
        false
    });
    if is_taken {
        name.push_str(OWN);
    }
}

/// The rank of a role as its row says; 0 for one that is not there, which everybody's ending outranks.
pub(super) fn rank(latest: &Latest, id: Uuid) -> Result<i32, ErrorReport> {
    let mut table = open(latest, ROLES_BY_ID)?;
    Ok(counting(&mut table, &[Wanted::Uuid(1, id)], |row| row.integer(5)).unwrap_or(0))
}

/// A role as it counts now, if it is still what it was.
pub(in crate::pg) fn unchanged(wanted: Option<StoredRole>) -> Result<Option<Role>, ErrorReport> {
    wanted.map_or(Ok(None), |wanted| stored(&Latest::new(), wanted))
}

/// What `read` makes of the row that counts, if it is of this version.
fn in_version<T>(table: &mut Table<'_>, wanted: StoredRole, read: impl Fn(&Row) -> T) -> Option<T> {
    let same = |row: &Row| (row.uuid(9) == Some(wanted.version)).then(|| read(row));
    counting(table, &[Wanted::Uuid(1, wanted.id)], same)
}

/// What `read` makes of the row that counts: a changed role goes before the one that came with the extension.
fn counting<T>(
    table: &mut Table<'_>,
    wanted: &[Wanted<'_>],
    mut read: impl FnMut(&Row) -> Option<T>,
) -> Option<T> {
    let mut found = None;
    table.rows(wanted, |row| {
        let changed = !row.flag(2);
        if changed || found.is_none() {
            found = Some(read(row));
        }
        !changed
    });
    found.flatten()
}

fn whole(row: &Row) -> Role {
    Role { name: row.text(4), permissions: row.texts(6) }
}

fn open<'a>(latest: &'a Latest, index: &CStr) -> Result<Table<'a>, ErrorReport> {
    latest.open(ROLES, index).ok_or_else(not_installed)
}

/// Ids of roles, which are random, as they are: nobody who grants a role chooses one.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        // The low bits choose the place, the high ones are compared first; built-in roles differ in few.
        let [low, high] = [id as u64, (id >> 64) as u64];
        self.0 = (low ^ high.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// How a row names a role.
#[derive(PartialEq, Eq, Hash)]
enum RoleName {
    Id(Uuid),
    /// Of one organization.
    Own(Uuid, String),
    /// Of every organization.
    General(String),
    /// Of none.
    Nowhere(String),
}

/// The roles of one user's memberships, each looked up once.
pub(super) struct Roles<'a> {
    latest: &'a Latest,
    by_id: Option<Table<'a>>,
    by_name: Option<Table<'a>>,
    known: HashMap<u128, Option<RoleIndex>, BuildHasherDefault<IdHasher>>,
    known_by_name: HashMap<RoleName, Option<RoleIndex>>,
    /// Roles that are carried, by what their rows say, so that equal ones are carried once.
    carried: HashMap<Vec<u8>, RoleIndex>,
    room: usize,
    /// Names of organizations' own roles, and whether every organization has a role of that name.
    taken: HashMap<String, bool>,
    /// Can there be roles that somebody changed beside their rows?
    is_any_changed: bool,
}

/// A role as it was found.
enum Found {
    Held(HeldRole),
    /// Equal to one that is carried.
    Carried(RoleIndex),
    /// An organization's own, with its id.
    Own(Role, Uuid),
    /// Left where it is. Is it an organization's own?
    Stored(StoredRole, bool),
}

impl<'a> Roles<'a> {
    pub(super) fn new(latest: &'a Latest) -> Roles<'a> {
        let (known, known_by_name, carried) = (HashMap::default(), HashMap::new(), HashMap::new());
        let (taken, is_any_changed) = (HashMap::new(), latest.has_rows(endings::ENDINGS));
        let (by_id, by_name) = (None, None);
        Roles { latest, by_id, by_name, known, known_by_name, carried, room: ROOM, taken, is_any_changed }
    }

    /// The role with this id.
    pub(super) fn with_id(
        &mut self,
        id: Uuid,
        held: &mut Memberships,
    ) -> Result<Option<RoleIndex>, ErrorReport> {
        let key = u128::from_ne_bytes(id);
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let index = self.look_up(&RoleName::Id(id), held)?;
        self.known.insert(key, index);
        Ok(index)
    }

    /// Everybody's role of this name, or else the organization's, as `auth_internal.find_role()` has it. A name that is
    /// defined nowhere is a role that permits nothing.
    pub(super) fn named(
        &mut self,
        org: Uuid,
        has_own: bool,
        name: String,
        held: &mut Memberships,
    ) -> Result<Option<RoleIndex>, ErrorReport> {
        if let Some(general) = self.with_name(RoleName::General(name.clone()), held)? {
            return Ok(Some(general));
        }
        let own = name.strip_suffix(OWN).unwrap_or(&name).to_owned();
        if has_own && let Some(own) = self.with_name(RoleName::Own(org, own), held)? {
            return Ok(Some(own));
        }
        self.with_name(RoleName::Nowhere(name), held)
    }

    fn with_name(
        &mut self,
        name: RoleName,
        held: &mut Memberships,
    ) -> Result<Option<RoleIndex>, ErrorReport> {
        if let Some(known) = self.known_by_name.get(&name) {
            return Ok(*known);
        }
        let index = self.look_up(&name, held)?;
        self.known_by_name.insert(name, index);
        Ok(index)
    }

    fn look_up(&mut self, name: &RoleName, held: &mut Memberships) -> Result<Option<RoleIndex>, ErrorReport> {
        if let RoleName::Nowhere(name) = name {
            return Ok(held.add_role(Role { name: Some(name.clone()), permissions: Vec::new() }));
        }
        let Some(found) = self.find(name, held)? else { return Ok(None) };
        Ok(match found {
            Found::Carried(index) => Some(index),
            Found::Held(role) => held.add_role(role),
            Found::Own(mut role, id) => {
                let role = match self.changed(id) {
                    Some(changed) => changed,
                    None => {
                        if let Some(name) = &mut role.name {
                            self.show_as_own(name)?;
                        }
                        HeldRole::Whole(role)
                    }
                };
                held.add_role(role)
            }
            Found::Stored(role, is_own) => {
                let changed = if is_own { self.changed(role.id) } else { None };
                held.add_role(changed.unwrap_or(HeldRole::Stored(role)))
            }
        })
    }

    /// A role that somebody changed while its row was held.
    fn changed(&self, id: Uuid) -> Option<HeldRole> {
        let change = if self.is_any_changed { endings::of(self.latest, id).pop()? } else { return None };
        Some(HeldRole::Stored(StoredRole { id, version: change.id }))
    }

    fn show_as_own(&mut self, name: &mut String) -> Result<(), ErrorReport> {
        let is_taken = match self.taken.get(name) {
            Some(known) => *known,
            None => {
                let table = match &mut self.by_name {
                    Some(table) => table,
                    table => table.insert(open(self.latest, ROLES_BY_NAME)?),
                };
                let mut shown = name.clone();
                show_as_own(table, &mut shown);
                self.taken.insert(name.clone(), shown != *name);
                shown != *name
            }
        };
        if is_taken {
            name.push_str(OWN);
        }
        Ok(())
    }

    fn find(&mut self, name: &RoleName, held: &Memberships) -> Result<Option<Found>, ErrorReport> {
        let by_id = matches!(name, RoleName::Id(_));
        let (table, index) =
            if by_id { (&mut self.by_id, ROLES_BY_ID) } else { (&mut self.by_name, ROLES_BY_NAME) };
        let table = match table {
            Some(table) => table,
            None => table.insert(open(self.latest, index)?),
        };
        let wanted = match name {
            RoleName::Id(id) => vec![Wanted::Uuid(1, *id)],
            RoleName::Own(org, name) => vec![Wanted::Uuid(3, *org), Wanted::Text(4, name)],
            RoleName::General(name) => vec![Wanted::Null(3), Wanted::Text(4, name)],
            RoleName::Nowhere(_) => return Ok(None),
        };
        let (carried, room, next) = (&mut self.carried, &mut self.room, held.roles.len());
        let can_change = self.is_any_changed;
        Ok(counting(table, &wanted, |row| Some(found(row, can_change, carried, room, next))))
    }
}

/// What of a row an identity is to carry; `next` is the index that a role gets which is carried from now on.
/// Where roles can have been changed beside their rows, those of organizations are not taken for equal.
fn found(
    row: &Row,
    can_change: bool,
    carried: &mut HashMap<Vec<u8>, RoleIndex>,
    room: &mut usize,
    next: usize,
) -> Found {
    let is_own = row.uuid(3).is_some();
    // Before an update of the extension roles have no version.
    let (Some(id), Some(version)) = (row.uuid(1), row.uuid(9)) else {
        return Found::Held(HeldRole::Whole(whole(row)));
    };
    let size = row.list_size(6).unwrap_or(0);
    let stored = Found::Stored(StoredRole { id, version }, is_own);
    if size > SMALL {
        return stored;
    }
    let Some(permissions) = row.list_image(6) else { return stored };
    // An organization's own can be shown with another name.
    let image = [row.text(4).unwrap_or_default().as_bytes(), &[0, u8::from(is_own)], permissions].concat();
    if let Some(index) = carried.get(&image) {
        return Found::Carried(*index);
    }
    let (Some(left), Ok(next)) = (room.checked_sub(size), RoleIndex::try_from(next)) else { return stored };
    *room = left;
    if is_own && can_change {
        return Found::Own(whole(row), id);
    }
    carried.insert(image, next);
    if is_own { Found::Own(whole(row), id) } else { Found::Held(HeldRole::Whole(whole(row))) }
}

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
    table: Option<Table<'a>>,
}

impl<'a> Asking<'a> {
    /// Takes an empty cell, for a snapshot if one is needed.
    pub(in crate::pg) fn for_permission(
        permission: &'a str,
        latest: &'a OnceCell<Option<Latest>>,
    ) -> Asking<'a> {
        Asking { permission, latest, table: None }
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
        let table = match &mut self.table {
            Some(table) => table,
            table => {
                let latest = self.latest.get_or_init(Latest::of_query).as_ref()?;
                table.insert(latest.open(ROLES, ROLES_BY_ID)?)
            }
        };
        // Or what somebody made of it while its row was held.
        let beside = || {
            let change = endings::of(self.latest.get()?.as_ref()?, role.id).pop()?;
            (change.id == role.version).then_some(change.permissions)
        };
        let permissions = in_version(table, role, |row| row.texts(6)).or_else(beside)?;
        Some(covers(permissions.iter().map(String::as_str), self.permission))
    }
}
