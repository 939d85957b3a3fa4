//! Roles: `auth.roles`, numbered as `sql/tables/tenancy.sql` declares it, and what of them was changed in `auth.endings`
//! because somebody held the row.

use super::endings::{self, ENDINGS_BY_TARGET};
use super::not_installed;
use crate::pg::ffi::scan::{Latest, Row, Table, Wanted};
use crate::verify::identity::Uuid;
use crate::verify::membership::{HeldRole, Memberships, Role, RoleIndex, StoredRole};
use pgrx::pg_sys::panic::ErrorReport;
use std::collections::HashMap;
use std::ffi::CStr;
use std::hash::{BuildHasherDefault, Hasher};

pub(in crate::pg) mod asking;

pub(super) const ROLES: &CStr = c"roles";
const ROLES_BY_ID: &CStr = c"roles_pkey";
pub(super) const ROLES_BY_NAME: &CStr = c"roles_org_id_name_builtin_key";
/// What follows the name of an organization's own role that every organization has a role of, and may follow any such name.
const OWN: &str = ":own";

/// A list of permissions of up to so many bytes is read at once and carried by the identity, as long as all of them
/// together have no more than there is room for. What is larger is left where it is stored: nobody makes the
/// identity of somebody else large, or slow to establish.
const SMALL: usize = 512;
const ROOM: usize = 65_536;

/// The role with this id.
pub(in crate::pg) fn role(id: Uuid) -> Result<Option<Role>, ErrorReport> {
    let latest = Latest::new();
    let mut rows = Rows::new(&latest);
    let found = rows.find(&By::Id(id), |content| content.permissions())?;
    found.map(|found| rows.whole(found)).transpose()
}

/// A role of the snapshot, in exactly this version.
pub(super) fn stored(latest: &Latest, wanted: StoredRole) -> Result<Option<Role>, ErrorReport> {
    let mut rows = Rows::new(latest);
    let found = rows.find(&By::Id(wanted.id), |content| {
        (content.version() == Some(wanted.version)).then(|| content.permissions())
    })?;
    let Some(Found { name, is_own, content: Some(permissions) }) = found else { return Ok(None) };
    rows.whole(Found { name, is_own, content: permissions }).map(Some)
}

/// A role as it counts now, if it is still what it was.
pub(in crate::pg) fn unchanged(wanted: Option<StoredRole>) -> Result<Option<Role>, ErrorReport> {
    wanted.map_or(Ok(None), |wanted| stored(&Latest::new(), wanted))
}

/// The rank of a role; 0 for one that is not there, which everybody's ending outranks.
pub(super) fn rank(latest: &Latest, id: Uuid) -> Result<i32, ErrorReport> {
    let found = Rows::new(latest).find(&By::Id(id), |content| content.row.integer(content.rank))?;
    Ok(found.and_then(|found| found.content).unwrap_or(0))
}

fn open<'a>(latest: &'a Latest, index: &CStr) -> Result<Table<'a>, ErrorReport> {
    latest.open(ROLES, index).ok_or_else(not_installed)
}

/// What `read` makes of the row that counts: a changed role goes before the one that came with the extension.
fn counting<T>(table: &mut Table<'_>, wanted: &[Wanted<'_>], mut read: impl FnMut(&Row) -> T) -> Option<T> {
    let mut found = None;
    table.rows(wanted, |row| {
        let changed = !row.flag(2);
        if changed || found.is_none() {
            found = Some(read(row));
        }
        !changed
    });
    found
}

/// How a row names a role.
#[derive(PartialEq, Eq, Hash)]
enum By {
    Id(Uuid),
    /// Of one organization.
    Own(Uuid, String),
    /// Of every organization.
    General(String),
}

/// Where the permissions of a role are as they count: in its own row, or in that of an ending.
struct Content<'a> {
    id: Uuid,
    name: &'a str,
    /// An organization's, not everybody's.
    is_own: bool,
    row: &'a Row,
    version: usize,
    rank: usize,
    permissions: usize,
}

impl Content<'_> {
    /// `None` before an update of the extension, when roles have none.
    fn version(&self) -> Option<Uuid> {
        self.row.uuid(self.version)
    }

    fn permissions(&self) -> Vec<String> {
        self.row.texts(self.permissions)
    }
}

/// A role that was found, and what was made of its content.
struct Found<T> {
    name: String,
    is_own: bool,
    content: T,
}

/// The tables, each opened once.
struct Rows<'a> {
    latest: &'a Latest,
    by_id: Option<Table<'a>>,
    by_name: Option<Table<'a>>,
    /// `Some(None)` while nothing has ended beside its row.
    endings: Option<Option<Table<'a>>>,
    /// Names, and whether every organization has a role of that name.
    general: HashMap<String, bool>,
}

impl<'a> Rows<'a> {
    fn new(latest: &'a Latest) -> Rows<'a> {
        Rows { latest, by_id: None, by_name: None, endings: None, general: HashMap::new() }
    }

    fn table(&mut self, by_id: bool) -> Result<&mut Table<'a>, ErrorReport> {
        let (table, index) =
            if by_id { (&mut self.by_id, ROLES_BY_ID) } else { (&mut self.by_name, ROLES_BY_NAME) };
        match table {
            Some(table) => Ok(table),
            None => Ok(table.insert(open(self.latest, index)?)),
        }
    }

    fn find<T>(
        &mut self,
        by: &By,
        mut read: impl FnMut(&Content<'_>) -> T,
    ) -> Result<Option<Found<T>>, ErrorReport> {
        let table = self.table(matches!(by, By::Id(_)))?;
        let wanted = match by {
            By::Id(id) => [Some(Wanted::Uuid(1, *id)), None],
            By::Own(org, name) => [Some(Wanted::Uuid(3, *org)), Some(Wanted::Text(4, name))],
            By::General(name) => [Some(Wanted::Null(3)), Some(Wanted::Text(4, name))],
        };
        let wanted: Vec<Wanted<'_>> = wanted.into_iter().flatten().collect();
        let found = counting(table, &wanted, |row| {
            let (id, name) = (row.uuid(1)?, row.text_of(4)?);
            let is_own = row.uuid(3).is_some();
            let content = read(&Content { id, name, is_own, row, version: 9, rank: 5, permissions: 6 });
            Some((id, Found { name: name.to_owned(), is_own, content }))
        });
        let Some((id, mut found)) = found.flatten() else { return Ok(None) };
        // Only an organization's own can be held by somebody while it is changed.
        if found.is_own {
            let Found { name, is_own, content } = &mut found;
            self.changed(id, |row| {
                *content =
                    read(&Content { id, name, is_own: *is_own, row, version: 1, rank: 8, permissions: 9 });
            })?;
        }
        Ok(Some(found))
    }

    /// Gives `each` what the role was changed to while somebody held its row, the latest last.
    fn changed(&mut self, id: Uuid, mut each: impl FnMut(&Row)) -> Result<(), ErrorReport> {
        if self.endings.is_none() {
            self.endings = Some(endings::open(self.latest, ENDINGS_BY_TARGET)?);
        }
        let Some(Some(endings)) = &mut self.endings else { return Ok(()) };
        let mut last = i64::MIN;
        endings.rows(&[Wanted::Uuid(3, id)], |row| {
            let at = row.timestamp(11).unwrap_or(i64::MIN);
            if at >= last {
                last = at;
                each(row);
            }
            true
        });
        Ok(())
    }

    /// A role as policies know it: an organization's own has another name where every organization has a role of its
    /// name. As `auth_internal.role_name()` does.
    fn whole(&mut self, found: Found<Vec<String>>) -> Result<Role, ErrorReport> {
        let mut name = found.name;
        if found.is_own && self.is_general(&name)? {
            name.push_str(OWN);
        }
        Ok(Role { name: Some(name), permissions: found.content })
    }

    fn is_general(&mut self, name: &str) -> Result<bool, ErrorReport> {
        if let Some(known) = self.general.get(name) {
            return Ok(*known);
        }
        let mut is_general = false;
        self.table(false)?.rows(&[Wanted::Null(3), Wanted::Text(4, name)], |_| {
            is_general = true;
            false
        });
        self.general.insert(name.to_owned(), is_general);
        Ok(is_general)
    }
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

/// What of a role an identity carries.
enum Carrying {
    /// It is equal to one that is carried.
    Equal(RoleIndex),
    /// What its row says, by which equal ones are known, and the permissions.
    Small(Vec<u8>, Vec<String>),
    Large(StoredRole),
    /// Roles have no version yet.
    Unversioned(Vec<String>),
}

/// The roles of one user's memberships, each looked up once.
pub(super) struct Roles<'a> {
    rows: Rows<'a>,
    known: HashMap<u128, Option<RoleIndex>, BuildHasherDefault<IdHasher>>,
    known_by_name: HashMap<By, Option<RoleIndex>>,
    /// Names that are defined nowhere.
    nowhere: HashMap<String, Option<RoleIndex>>,
    /// Roles that are carried.
    carried: HashMap<Vec<u8>, RoleIndex>,
    room: usize,
}

impl<'a> Roles<'a> {
    pub(super) fn new(latest: &'a Latest) -> Roles<'a> {
        Roles {
            rows: Rows::new(latest),
            known: HashMap::default(),
            known_by_name: HashMap::new(),
            nowhere: HashMap::new(),
            carried: HashMap::new(),
            room: ROOM,
        }
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
        let index = self.look_up(&By::Id(id), held)?;
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
        if let Some(general) = self.with_name(By::General(name.clone()), held)? {
            return Ok(Some(general));
        }
        let own = name.strip_suffix(OWN).unwrap_or(&name).to_owned();
        if has_own && let Some(own) = self.with_name(By::Own(org, own), held)? {
            return Ok(Some(own));
        }
        let role = |name: &String| Role { name: Some(name.clone()), permissions: Vec::new() };
        let index = self.nowhere.get(&name).copied().unwrap_or_else(|| held.add_role(role(&name)));
        self.nowhere.insert(name, index);
        Ok(index)
    }

    fn with_name(&mut self, name: By, held: &mut Memberships) -> Result<Option<RoleIndex>, ErrorReport> {
        if let Some(known) = self.known_by_name.get(&name) {
            return Ok(*known);
        }
        let index = self.look_up(&name, held)?;
        self.known_by_name.insert(name, index);
        Ok(index)
    }

    fn look_up(&mut self, by: &By, held: &mut Memberships) -> Result<Option<RoleIndex>, ErrorReport> {
        let (carried, room) = (&self.carried, self.room);
        let found = self.rows.find(by, |content| carrying(content, carried, room))?;
        let Some(Found { name, is_own, content }) = found else { return Ok(None) };
        let (image, permissions) = match content {
            Carrying::Equal(index) => return Ok(Some(index)),
            Carrying::Large(role) => return Ok(held.add_role(HeldRole::Stored(role))),
            Carrying::Small(image, permissions) => (Some(image), permissions),
            Carrying::Unversioned(permissions) => (None, permissions),
        };
        let role = self.rows.whole(Found { name, is_own, content: permissions })?;
        let index = held.add_role(role);
        if let (Some(image), Some(index)) = (image, index) {
            self.room = self.room.saturating_sub(image.len());
            self.carried.insert(image, index);
        }
        Ok(index)
    }
}

fn carrying(content: &Content<'_>, carried: &HashMap<Vec<u8>, RoleIndex>, room: usize) -> Carrying {
    let Some(version) = content.version() else { return Carrying::Unversioned(content.permissions()) };
    let large = Carrying::Large(StoredRole { id: content.id, version });
    if content.row.list_size(content.permissions).unwrap_or(0) > SMALL {
        return large;
    }
    let Some(permissions) = content.row.list_image(content.permissions) else { return large };
    let image = [&[u8::from(content.is_own)], content.name.as_bytes(), &[0], permissions].concat();
    match carried.get(&image) {
        Some(index) => Carrying::Equal(*index),
        None if image.len() > room => large,
        None => Carrying::Small(image, content.permissions()),
    }
}
