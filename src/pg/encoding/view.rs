//! Reading an encoded identity.

use super::{
    ABSENT, EMAIL_VERIFIED, HAS_KEY, HAS_ORG, HAS_UID, HAS_WORKSPACE, HEAD, IS_ACT_AS, IS_API_KEY,
    IS_SERVICE, KEY_AT, NEVER, NO_ORG, NO_ROLE, ORG_AT, TEXTS, Text, VERSION, WORKSPACE_AT,
};
use crate::verify::identity::{Kind, Uuid};

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
            for _ in ["name", "permissions"] {
                at = view.valid_text_at(at)?;
            }
        }
        if at != view.texts_start()? || !view.indexes_are_valid(roles) {
            return None;
        }
        for _ in TEXTS {
            at = view.valid_text_at(at)?;
        }
        (at == bytes.len()).then_some(view)
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

    /// In microseconds since 2000; `None` when it does not expire.
    pub(in crate::pg) fn expires_at(self) -> Option<i64> {
        let time = i64::from_le_bytes(*self.0.get(72..)?.first_chunk()?);
        (time != NEVER).then_some(time)
    }

    /// The API key that it came from.
    pub(in crate::pg) fn key(self) -> Option<&'a Uuid> {
        self.id_at(HAS_KEY, KEY_AT)
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

    /// The role at a place of `role_indexes`.
    fn role_of(self, place: usize) -> Option<RoleView<'a>> {
        let at = self.indexes_start()?.checked_add(place.checked_mul(2)?)?;
        let index = u16::from_le_bytes(*self.0.get(at..)?.first_chunk()?);
        self.role_at(index)
    }

    fn role_at(self, index: u16) -> Option<RoleView<'a>> {
        if index == NO_ROLE || usize::from(index) >= self.role_count()? {
            return None;
        }
        let (name, next) = self.text_at(self.role_start(usize::from(index))?)?;
        let (permissions, _) = self.text_at(next)?;
        Some(RoleView { name, permissions: permissions.unwrap_or_default() })
    }

    /// The role in one of the organizations; `None` without one, or without membership.
    pub(in crate::pg) fn org_role(self, org: &Uuid) -> Option<RoleView<'a>> {
        self.role_of(self.orgs().binary_search(org).ok()?)
    }

    /// The role in one of the workspaces.
    pub(in crate::pg) fn workspace_role(self, workspace: &Uuid) -> Option<RoleView<'a>> {
        let place = self.workspaces().binary_search(workspace).ok()?;
        self.role_of(self.orgs().len().checked_add(place)?)
    }

    /// The role in the current organization.
    pub(in crate::pg) fn current_role(self) -> Option<RoleView<'a>> {
        self.org_role(self.org()?)
    }

    /// The organizations whose role passes the test, which is asked once for each role.
    pub(in crate::pg) fn orgs_where(self, mut test: impl FnMut(RoleView<'a>) -> bool) -> Vec<Uuid> {
        let roles = u16::try_from(self.role_count().unwrap_or(0)).unwrap_or(0);
        let passing: Vec<bool> = (0..roles).map(|index| self.role_at(index).is_some_and(&mut test)).collect();
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

/// A role within an encoded identity.
#[derive(Clone, Copy)]
pub(in crate::pg) struct RoleView<'a> {
    name: Option<&'a [u8]>,
    permissions: &'a [u8],
}

impl<'a> RoleView<'a> {
    pub(in crate::pg) fn name(self) -> Option<&'a str> {
        std::str::from_utf8(self.name?).ok()
    }

    pub(in crate::pg) fn permissions(self) -> impl Iterator<Item = &'a str> {
        names(self.permissions)
    }
}

fn names(joined: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(joined).unwrap_or_default().split_terminator('\0')
}
