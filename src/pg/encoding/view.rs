//! Reading an encoded identity.

use super::role::{Held, RoleView, names};
use super::{
    ABSENT, EMAIL_VERIFIED, FROM_TICKET, HAS_KEY, HAS_ORG, HAS_SIGNING_KEY, HAS_UID, HAS_WORKSPACE, HEAD,
    IS_ACT_AS, IS_API_KEY, IS_SERVICE, KEY_AT, NEVER, NO_ORG, NO_ROLE, ORG_AT, SIGNING_KEY_AT, STORED,
    StoredRole, TEXTS, Text, VERSION, WORKSPACE_AT,
};
use crate::verify::identity::{Kind, Uuid};

/// Bytes of a role that is not carried.
const STORED_SIZE: usize = 4 + 16 + 16;

/// An encoded identity. Every getter checks bounds; what is not there reads as absent.
#[derive(Clone, Copy)]
pub(in crate::pg) struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Takes bytes that [`View::check`] has accepted.
    #[inline]
    pub(in crate::pg) fn new(bytes: &'a [u8]) -> View<'a> {
        View(bytes)
    }

    /// Accepts bytes of this version whose every part lies where the head says, to the last byte.
    pub(in crate::pg) fn check(bytes: &'a [u8]) -> Option<View<'a>> {
        let view = View(bytes);
        if view.u32_at(0)? != VERSION {
            return None;
        }
        let mut at = view.roles_start()?;
        if at != view.lists_end()? {
            return None;
        }
        let roles = view.role_count()?;
        at = at.checked_add(4)?.checked_add(roles.checked_mul(4)?)?;
        for index in 0..roles {
            if view.role_start(index)? != at {
                return None;
            }
            at = view.valid_role_at(at)?;
        }
        if at != view.texts_start()? || !view.indexes_are_valid(roles) {
            return None;
        }
        for _ in TEXTS {
            at = view.valid_text_at(at)?;
        }
        (at == bytes.len() && view.carries_what_it_must()).then_some(view)
    }

    /// Current roles are carried only where the list leaves them where they are stored.
    fn carries_what_it_must(self) -> bool {
        let org = self.org().and_then(|org| self.org_role_listed(org));
        let workspace = self.workspace().and_then(|workspace| self.workspace_role_listed(workspace));
        [
            (org, Text::OrgRole, Text::OrgPermissions),
            (workspace, Text::WorkspaceRole, Text::WorkspacePermissions),
        ]
        .into_iter()
        .all(|(listed, name, permissions)| match self.bytes(permissions) {
            Some(_) => listed.and_then(Held::stored).is_some(),
            None => self.bytes(name).is_none(),
        })
    }

    /// Where the role at this place ends, if it is one.
    fn valid_role_at(self, at: usize) -> Option<usize> {
        match self.stored_at(at) {
            Some(_) => at.checked_add(STORED_SIZE),
            None => self.valid_text_at(self.valid_text_at(at)?),
        }
    }

    /// Where the text at this place ends, if it is one.
    fn valid_text_at(self, at: usize) -> Option<usize> {
        let (text, next) = self.text_at(at)?;
        std::str::from_utf8(text.unwrap_or_default()).ok()?;
        Some(next)
    }

    fn indexes_are_valid(self, roles: usize) -> bool {
        let role = |index: u16| index == NO_ROLE || usize::from(index) < roles;
        let orgs = self.orgs().len();
        let org = |place: u32| place == NO_ORG || usize::try_from(place).is_ok_and(|place| place < orgs);
        self.role_indexes().all(role) && self.workspace_orgs().all(org)
    }

    /// The bytes themselves.
    pub(in crate::pg) fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn u32_at(self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    pub(in crate::pg) fn has(self, flag: u32) -> bool {
        self.u32_at(4).is_some_and(|flags| flags & flag != 0)
    }

    /// Microseconds since 2000; in the distant past when the bytes are damaged.
    #[inline]
    pub(in crate::pg) fn valid_until(self) -> i64 {
        self.0
            .get(8..)
            .and_then(|rest| rest.first_chunk())
            .map_or(i64::MIN, |bytes| i64::from_le_bytes(*bytes))
    }

    #[inline]
    fn id_at(self, flag: u32, at: usize) -> Option<&'a Uuid> {
        if self.has(flag) { self.0.get(at..)?.first_chunk() } else { None }
    }

    #[inline]
    pub(in crate::pg) fn org(self) -> Option<&'a Uuid> {
        self.id_at(HAS_ORG, ORG_AT)
    }

    pub(in crate::pg) fn workspace(self) -> Option<&'a Uuid> {
        self.id_at(HAS_WORKSPACE, WORKSPACE_AT)
    }

    pub(in crate::pg) fn uid(self) -> Option<&'a Uuid> {
        self.id_at(HAS_UID, 48)
    }

    pub(in crate::pg) fn kind(self) -> Kind {
        match (self.has(IS_SERVICE), self.has(IS_API_KEY)) {
            (true, _) => Kind::Service,
            (false, true) => Kind::ApiKey,
            (false, false) if self.has(IS_ACT_AS) => Kind::ActAs,
            (false, false) => Kind::Jwt,
        }
    }

    pub(in crate::pg) fn email_verified(self) -> bool {
        self.has(EMAIL_VERIFIED)
    }

    pub(in crate::pg) fn is_from_ticket(self) -> bool {
        self.has(FROM_TICKET)
    }

    /// In microseconds since 2000; `None` when it does not expire.
    pub(in crate::pg) fn expires_at(self) -> Option<i64> {
        let time = i64::from_le_bytes(*self.0.get(72..)?.first_chunk()?);
        (time != NEVER).then_some(time)
    }

    /// The API key that it came from.
    pub(in crate::pg) fn key(self) -> Option<&'a Uuid> {
        self.id_at(HAS_KEY, KEY_AT)
    }

    /// The key that signed the token that it came from.
    pub(in crate::pg) fn signing_key(self) -> Option<&'a Uuid> {
        self.id_at(HAS_SIGNING_KEY, SIGNING_KEY_AT)
    }

    /// May it be used with this table?
    pub(in crate::pg) fn allows_table(self, number: u32) -> bool {
        self.bytes(Text::Tables).is_none_or(|tables| names(tables).any(|table| table.parse() == Ok(number)))
    }

    /// Sorted, without duplicates.
    #[inline]
    pub(in crate::pg) fn orgs(self) -> &'a [Uuid] {
        self.ids(HEAD, self.u32_at(64)).unwrap_or_default()
    }

    /// Sorted, without duplicates.
    #[inline]
    pub(in crate::pg) fn workspaces(self) -> &'a [Uuid] {
        let start = self.orgs().as_flattened().len() + HEAD;
        self.ids(start, self.u32_at(68)).unwrap_or_default()
    }

    #[inline]
    fn ids(self, start: usize, count: Option<u32>) -> Option<&'a [Uuid]> {
        let length = usize::try_from(count?).ok()?.checked_mul(16)?;
        let bytes = self.0.get(start..start.checked_add(length)?)?;
        Some(bytes.as_chunks::<16>().0)
    }

    fn count_at(self, at: usize) -> Option<usize> {
        usize::try_from(self.u32_at(at)?).ok()
    }

    /// Where the roles of organizations and workspaces are.
    fn indexes_start(self) -> Option<usize> {
        let ids = self.count_at(64)?.checked_add(self.count_at(68)?)?;
        HEAD.checked_add(ids.checked_mul(16)?)
    }

    /// The roles of all organizations, then those of all workspaces.
    fn role_indexes(self) -> impl Iterator<Item = u16> + 'a {
        let count = self.count_at(64).unwrap_or(0).saturating_add(self.count_at(68).unwrap_or(0));
        let bytes = self.indexes_start().and_then(|start| self.0.get(start..)).unwrap_or_default();
        bytes.as_chunks::<2>().0.iter().take(count).map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// The place of every workspace's organization in the list of organizations.
    pub(super) fn workspace_orgs(self) -> impl Iterator<Item = u32> + 'a {
        let count = self.count_at(68).unwrap_or(0);
        let start = self.workspace_orgs_start();
        let bytes = start.and_then(|start| self.0.get(start..)).unwrap_or_default();
        bytes.as_chunks::<4>().0.iter().take(count).map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn workspace_orgs_start(self) -> Option<usize> {
        let roles = self.count_at(64)?.checked_add(self.count_at(68)?)?;
        self.indexes_start()?.checked_add(roles.checked_mul(2)?)
    }

    fn lists_end(self) -> Option<usize> {
        self.workspace_orgs_start()?.checked_add(self.count_at(68)?.checked_mul(4)?)
    }

    fn roles_start(self) -> Option<usize> {
        self.count_at(80)
    }

    fn texts_start(self) -> Option<usize> {
        self.count_at(84)
    }

    fn role_count(self) -> Option<usize> {
        self.count_at(self.roles_start()?)
    }

    fn role_start(self, index: usize) -> Option<usize> {
        let begin = self.roles_start()?;
        begin.checked_add(self.count_at(begin.checked_add(4)?.checked_add(index.checked_mul(4)?)?)?)
    }

    /// The index of the role at a place of `role_indexes`.
    fn index_of(self, place: usize) -> Option<u16> {
        let at = self.indexes_start()?.checked_add(place.checked_mul(2)?)?;
        let index = u16::from_le_bytes(*self.0.get(at..)?.first_chunk()?);
        (index != NO_ROLE).then_some(index)
    }

    fn org_index(self, org: &Uuid) -> Option<u16> {
        self.index_of(self.orgs().binary_search(org).ok()?)
    }

    fn workspace_index(self, workspace: &Uuid) -> Option<u16> {
        let place = self.workspaces().binary_search(workspace).ok()?;
        self.index_of(self.orgs().len().checked_add(place)?)
    }

    /// A role as the list has it.
    fn role_listed(self, index: u16) -> Option<Held<'a>> {
        if usize::from(index) >= self.role_count()? {
            return None;
        }
        let start = self.role_start(usize::from(index))?;
        if let Some(stored) = self.stored_at(start) {
            return Some(Held::Stored(stored));
        }
        let (name, next) = self.text_at(start)?;
        let (permissions, _) = self.text_at(next)?;
        Some(Held::Carried(RoleView { name, permissions: permissions.unwrap_or_default() }))
    }

    fn stored_at(self, at: usize) -> Option<StoredRole> {
        if self.u32_at(at)? != STORED {
            return None;
        }
        let id = at.checked_add(4)?;
        let version = self.0.get(id.checked_add(16)?..)?.first_chunk()?;
        Some(StoredRole { id: *self.0.get(id..)?.first_chunk()?, version: *version })
    }

    /// The role in one of the organizations, as the list has it.
    pub(super) fn org_role_listed(self, org: &Uuid) -> Option<Held<'a>> {
        self.role_listed(self.org_index(org)?)
    }

    /// The role in one of the workspaces, as the list has it.
    pub(super) fn workspace_role_listed(self, workspace: &Uuid) -> Option<Held<'a>> {
        self.role_listed(self.workspace_index(workspace)?)
    }

    /// A role, taken from what is carried of the current organization if it is the same.
    fn role(self, index: u16, current: Option<u16>) -> Option<Held<'a>> {
        match self.role_listed(index)? {
            Held::Stored(stored) if current == Some(index) => {
                let carried = self.carried(Text::OrgRole, Text::OrgPermissions);
                Some(carried.map_or(Held::Stored(stored), Held::Carried))
            }
            held @ (Held::Carried(_) | Held::Stored(_)) => Some(held),
        }
    }

    /// A role that is carried because it is a current one.
    fn carried(self, name: Text, permissions: Text) -> Option<RoleView<'a>> {
        Some(RoleView { name: self.bytes(name), permissions: self.bytes(permissions)? })
    }

    /// The role in one of the organizations; `None` without one, or without membership.
    pub(in crate::pg) fn org_role(self, org: &Uuid) -> Option<Held<'a>> {
        self.role(self.org_index(org)?, self.current_index())
    }

    fn current_index(self) -> Option<u16> {
        self.org_index(self.org()?)
    }

    /// The role in the current organization. One that was changed before the identity moved there is none.
    pub(in crate::pg) fn current_role(self) -> Option<RoleView<'a>> {
        self.org_role(self.org()?)?.carried()
    }

    /// The role in the current workspace.
    pub(in crate::pg) fn current_workspace_role(self) -> Option<RoleView<'a>> {
        match self.workspace_role_listed(self.workspace()?)? {
            Held::Carried(role) => Some(role),
            Held::Stored(_) => self.carried(Text::WorkspaceRole, Text::WorkspacePermissions),
        }
    }

    /// The organizations whose role passes the test, which is asked once for each role.
    pub(in crate::pg) fn orgs_where(self, mut test: impl FnMut(Held<'a>) -> bool) -> Vec<Uuid> {
        let current = self.current_index();
        let roles = u16::try_from(self.role_count().unwrap_or(0)).unwrap_or(0);
        let passing: Vec<bool> =
            (0..roles).map(|index| self.role(index, current).is_some_and(&mut test)).collect();
        let passes = |index: u16| passing.get(usize::from(index)).copied().unwrap_or(false);
        let orgs = self.orgs().iter().zip(self.role_indexes());
        orgs.filter(|(_, index)| passes(*index)).map(|(org, _)| *org).collect()
    }

    fn text_at(self, at: usize) -> Option<(Option<&'a [u8]>, usize)> {
        let length = self.u32_at(at)?;
        let start = at.checked_add(4)?;
        if length == ABSENT {
            return Some((None, start));
        }
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        Some((Some(self.0.get(start..end)?), end))
    }

    /// Where a text is written, and its bytes if it is not absent.
    pub(super) fn find(self, wanted: Text) -> Option<(usize, Option<&'a [u8]>)> {
        let mut at = self.texts_start()?;
        for which in TEXTS {
            let (text, next) = self.text_at(at)?;
            if which == wanted {
                return Some((at, text));
            }
            at = next;
        }
        None
    }

    /// A text's bytes; they are valid UTF-8.
    pub(in crate::pg) fn bytes(self, wanted: Text) -> Option<&'a [u8]> {
        self.find(wanted)?.1
    }

    pub(in crate::pg) fn text(self, wanted: Text) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(wanted)?).ok()
    }

    /// The scopes of the credential.
    pub(in crate::pg) fn scopes(self) -> impl Iterator<Item = &'a str> {
        names(self.bytes(Text::Scopes).unwrap_or_default())
    }
}
