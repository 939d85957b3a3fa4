//! The identity as the bytes that travel in the setting: a fixed head for what policies read per row,
//! the sorted id lists, then the texts. Pure; `ffi/carrier.rs` stores it, `identity.rs` reads it.
//!
//! ```text
//!   0  u32 version      16  org        64  u32 organizations    80  organization ids, sorted
//!   4  u32 flags        32  workspace  68  u32 workspaces           workspace ids, sorted
//!   8  i64 valid until  48  user uuid  72  u64 exp (seconds)        texts: u32 length, bytes
//! ```

use crate::verify::identity::{Identity, Kind, Uuid, uuid};

/// Raised whenever the layout changes: a worker that loaded a newer library refuses what it does not know.
const VERSION: u32 = 1;
pub(super) const HEAD: usize = 80;
pub(super) const HAS_ORG: u32 = 1;
pub(super) const HAS_WORKSPACE: u32 = 2;
pub(super) const HAS_UID: u32 = 4;
const IS_SERVICE: u32 = 8;
/// Length that stands for an absent text.
const ABSENT: u32 = u32::MAX;
/// Seconds from 1970 to 2000, where timestamps of Postgres begin.
const POSTGRES_EPOCH: i64 = 946_684_800;

/// The texts of an identity, in the order in which they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Issuer,
    Environment,
    UserId,
    Role,
    Email,
    OrgRole,
    SessionId,
    Actor,
    /// Permissions and scopes: each name followed by a zero byte, which no name contains.
    Permissions,
    Scopes,
    Payload,
}

const TEXTS: [Text; 11] = [
    Text::Issuer,
    Text::Environment,
    Text::UserId,
    Text::Role,
    Text::Email,
    Text::OrgRole,
    Text::SessionId,
    Text::Actor,
    Text::Permissions,
    Text::Scopes,
    Text::Payload,
];

/// Writes an identity; `None` when a length does not fit, which no credential of a legal size reaches.
pub(super) fn encode(identity: &Identity) -> Option<Vec<u8>> {
    let uid = identity.user_id.as_deref().and_then(uuid);
    let mut flags = 0;
    flags |= if identity.org.is_some() { HAS_ORG } else { 0 };
    flags |= if identity.workspace.is_some() { HAS_WORKSPACE } else { 0 };
    flags |= if uid.is_some() { HAS_UID } else { 0 };
    flags |= if identity.kind == Kind::Service { IS_SERVICE } else { 0 };
    let mut out = Vec::with_capacity(HEAD + 256 + identity.payload.len());
    out.extend(VERSION.to_le_bytes());
    out.extend(flags.to_le_bytes());
    out.extend(timestamp(identity.valid_until).to_le_bytes());
    for id in [identity.org, identity.workspace, uid] {
        out.extend(id.unwrap_or_default());
    }
    out.extend(u32::try_from(identity.orgs.len()).ok()?.to_le_bytes());
    out.extend(u32::try_from(identity.workspaces.len()).ok()?.to_le_bytes());
    out.extend(identity.expires_at.to_le_bytes());
    out.extend(identity.orgs.iter().chain(&identity.workspaces).flatten());
    for which in TEXTS {
        write_text(&mut out, text_of(identity, which).as_deref())?;
    }
    Some(out)
}

/// Seconds since 1970 as microseconds since 2000, which is what timestamps of Postgres count; a time
/// beyond its calendar becomes the largest number, which Postgres reads as infinity.
pub(super) fn timestamp(seconds: u64) -> i64 {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    seconds.saturating_sub(POSTGRES_EPOCH).checked_mul(1_000_000).unwrap_or(i64::MAX)
}

fn text_of(identity: &Identity, which: Text) -> Option<Vec<u8>> {
    let bytes = |text: &String| text.as_bytes().to_vec();
    match which {
        Text::Issuer => Some(bytes(&identity.issuer)),
        Text::Environment => Some(bytes(&identity.environment)),
        Text::UserId => identity.user_id.as_ref().map(bytes),
        Text::Role => identity.role.as_ref().map(bytes),
        Text::Email => identity.email.as_ref().map(bytes),
        Text::OrgRole => identity.org_role.as_ref().map(bytes),
        Text::SessionId => identity.session_id.as_ref().map(bytes),
        Text::Actor => identity.actor.as_ref().map(bytes),
        Text::Permissions => Some(joined(&identity.permissions)),
        Text::Scopes => Some(joined(&identity.scopes)),
        Text::Payload => Some(identity.payload.clone()),
    }
}

fn joined(names: &[String]) -> Vec<u8> {
    names.iter().flat_map(|name| name.bytes().chain([0])).collect()
}

fn write_text(out: &mut Vec<u8>, text: Option<&[u8]>) -> Option<()> {
    let length = match text {
        Some(text) => u32::try_from(text.len()).ok().filter(|length| *length != ABSENT)?,
        None => ABSENT,
    };
    out.extend(length.to_le_bytes());
    out.extend(text.unwrap_or_default());
    Some(())
}

/// An encoded identity. Every getter checks bounds; what is not there reads as absent.
#[derive(Clone, Copy)]
pub(super) struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    /// Takes bytes that [`View::check`] has accepted.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> View<'a> {
        View(bytes)
    }

    /// Accepts bytes of this version whose every part lies where the head says, to the last byte.
    pub(super) fn check(bytes: &'a [u8]) -> Option<View<'a>> {
        let view = View(bytes);
        if view.u32_at(0)? != VERSION {
            return None;
        }
        let mut at = view.texts_start()?;
        for _ in TEXTS {
            let (text, next) = view.text_at(at)?;
            std::str::from_utf8(text.unwrap_or_default()).ok()?;
            at = next;
        }
        (at == bytes.len()).then_some(view)
    }

    /// The bytes themselves.
    pub(super) fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    fn u32_at(self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    pub(super) fn has(self, flag: u32) -> bool {
        self.u32_at(4).is_some_and(|flags| flags & flag != 0)
    }

    /// Microseconds since 2000; in the distant past when the bytes are damaged.
    #[inline]
    pub(super) fn valid_until(self) -> i64 {
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
    pub(super) fn org(self) -> Option<&'a Uuid> {
        self.id_at(HAS_ORG, 16)
    }

    pub(super) fn workspace(self) -> Option<&'a Uuid> {
        self.id_at(HAS_WORKSPACE, 32)
    }

    pub(super) fn uid(self) -> Option<&'a Uuid> {
        self.id_at(HAS_UID, 48)
    }

    pub(super) fn kind(self) -> Kind {
        if self.has(IS_SERVICE) { Kind::Service } else { Kind::Jwt }
    }

    /// `exp`, in seconds since 1970.
    pub(super) fn expires_at(self) -> u64 {
        self.0.get(72..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Sorted, without duplicates.
    #[inline]
    pub(super) fn orgs(self) -> &'a [Uuid] {
        self.ids(HEAD, self.u32_at(64)).unwrap_or_default()
    }

    /// Sorted, without duplicates.
    #[inline]
    pub(super) fn workspaces(self) -> &'a [Uuid] {
        let start = self.orgs().as_flattened().len() + HEAD;
        self.ids(start, self.u32_at(68)).unwrap_or_default()
    }

    #[inline]
    fn ids(self, start: usize, count: Option<u32>) -> Option<&'a [Uuid]> {
        let length = usize::try_from(count?).ok()?.checked_mul(16)?;
        let bytes = self.0.get(start..start.checked_add(length)?)?;
        Some(bytes.as_chunks::<16>().0)
    }

    fn texts_start(self) -> Option<usize> {
        let count = usize::try_from(self.u32_at(64)?.checked_add(self.u32_at(68)?)?).ok()?;
        HEAD.checked_add(count.checked_mul(16)?)
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

    /// A text's bytes; they are valid UTF-8.
    pub(super) fn bytes(self, wanted: Text) -> Option<&'a [u8]> {
        let mut at = self.texts_start()?;
        for which in TEXTS {
            let (text, next) = self.text_at(at)?;
            if which == wanted {
                return text;
            }
            at = next;
        }
        None
    }

    pub(super) fn text(self, wanted: Text) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(wanted)?).ok()
    }

    /// The names of a list ([`Text::Permissions`], [`Text::Scopes`]).
    pub(super) fn names(self, wanted: Text) -> impl Iterator<Item = &'a str> {
        self.text(wanted).unwrap_or_default().split_terminator('\0')
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Identity {
        Identity {
            kind: Kind::Jwt,
            user_id: Some("7d1f3a52-0000-4000-8000-000000000001".into()),
            issuer: "https://issuer.example".into(),
            role: Some("authenticated".into()),
            email: None,
            org: Some([7; 16]),
            org_role: Some("".into()),
            workspace: None,
            environment: "live".into(),
            orgs: vec![[7; 16], [9; 16]],
            workspaces: vec![[3; 16]],
            permissions: vec!["invoices.read".into(), "ünïcode".into()],
            scopes: vec![],
            session_id: None,
            actor: Some("admin".into()),
            expires_at: 1_900_000_000,
            valid_until: 1_900_000_030,
            payload: br#"{"sub":"x"}"#.to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = encode(&sample()).unwrap();
        let view = View::check(&bytes).unwrap();
        assert_eq!(view.kind(), Kind::Jwt);
        assert_eq!(view.org(), Some(&[7; 16]));
        assert_eq!(view.workspace(), None);
        assert_eq!(view.uid().unwrap()[15], 1);
        assert_eq!(view.orgs(), [[7; 16], [9; 16]]);
        assert_eq!(view.workspaces(), [[3; 16]]);
        assert_eq!(view.text(Text::Issuer), Some("https://issuer.example"));
        assert_eq!(view.text(Text::Email), None);
        assert_eq!(view.text(Text::OrgRole), Some(""));
        assert_eq!(view.text(Text::Actor), Some("admin"));
        assert_eq!(view.names(Text::Permissions).collect::<Vec<_>>(), ["invoices.read", "ünïcode"]);
        assert_eq!(view.names(Text::Scopes).count(), 0);
        assert_eq!(view.bytes(Text::Payload), Some(&br#"{"sub":"x"}"#[..]));
        assert_eq!(view.expires_at(), 1_900_000_000);
        assert_eq!(view.valid_until(), (1_900_000_030 - POSTGRES_EPOCH) * 1_000_000);
    }

    #[test]
    fn a_service_identity_is_told_apart() {
        let bytes = encode(&Identity { kind: Kind::Service, ..sample() }).unwrap();
        assert_eq!(View::check(&bytes).unwrap().kind(), Kind::Service);
    }

    #[test]
    fn a_shortened_a_lengthened_or_a_foreign_version_is_refused() {
        let bytes = encode(&sample()).unwrap();
        for end in 0..bytes.len() {
            assert!(View::check(&bytes[..end]).is_none(), "{end} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(View::check(&longer).is_none());
        let mut newer = bytes;
        newer[0] = 2;
        assert!(View::check(&newer).is_none());
    }

    #[test]
    fn a_time_beyond_the_calendar_is_infinity() {
        for seconds in [u64::MAX, 1 << 53, i64::MAX as u64] {
            assert_eq!(timestamp(seconds), i64::MAX, "{seconds}");
        }
        assert_eq!(timestamp(0), -POSTGRES_EPOCH * 1_000_000);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), good in any::<bool>()) {
            if good && bytes.len() > 4 { bytes[..4].copy_from_slice(&VERSION.to_le_bytes()); }
            let view = View::new(&bytes);
            let _ = (view.org(), view.orgs().len(), view.workspaces().len(), view.uid(), view.valid_until());
            for which in TEXTS { let _ = view.names(which).count(); }
            let _ = View::check(&bytes);
        }
    }
}
