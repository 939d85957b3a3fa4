//! Tokens that this database made, and what was revoked, numbered as `sql/tables/tokens.sql` declares them.

use super::not_installed;
use crate::pg::ffi::scan::{Latest, Row, Wanted};
use crate::verify::identity::Uuid;
use crate::verify::minted::MintedToken;
use crate::verify::revocation::{Kind, Revocable, Revocation};
use pgrx::pg_sys::panic::ErrorReport;
use std::ffi::CStr;

const MINTED: &CStr = c"minted_tokens";
const MINTED_BY_ID: &CStr = c"minted_tokens_pkey";
const REVOCATIONS: &CStr = c"revocations";
const REVOCATIONS_BY_VALUE: &CStr = c"revocations_value";

/// Can anything have been revoked? Cheap; false also in a database that was not updated yet.
pub(in crate::pg) fn can_be_revoked() -> bool {
    Latest::has_rows(REVOCATIONS)
}

/// The tables as they are now.
pub(in crate::pg) struct Tokens(Latest);

impl Tokens {
    pub(in crate::pg) fn now() -> Tokens {
        Tokens(Latest::new())
    }

    /// The token of ours with this id.
    pub(in crate::pg) fn minted(&self, id: Uuid) -> Result<Option<MintedToken>, ErrorReport> {
        let mut found = None;
        let take = |row: &Row| {
            found = parse(row);
            false
        };
        self.0.rows(MINTED, MINTED_BY_ID, &[Wanted::Uuid(1, id)], take).ok_or_else(not_installed)?;
        Ok(found)
    }

    /// Was one of these revoked?
    pub(in crate::pg) fn is_any_revoked(&self, tokens: &[Revocable]) -> Result<bool, ErrorReport> {
        if !can_be_revoked() {
            return Ok(false);
        }
        let mut table = self.0.open(REVOCATIONS, REVOCATIONS_BY_VALUE).ok_or_else(not_installed)?;
        for (token, value) in
            tokens.iter().flat_map(|token| token.values().into_iter().map(move |v| (token, v)))
        {
            let mut is_revoked = false;
            table.rows(&[Wanted::Text(3, value)], |row| {
                // What cannot be read may end anything.
                is_revoked = revocation(row).is_none_or(|revocation| token.is_ended_by(&revocation));
                !is_revoked
            });
            if is_revoked {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn parse(row: &Row) -> Option<MintedToken> {
    let from = row.text(16).map(|issuer| Revocable {
        issuer,
        user: row.text(17),
        subject: row.text(18),
        session: row.text(19),
        token: row.text(20),
        digest: row.text(21),
        issued_at: row.timestamp(22),
    });
    Some(MintedToken {
        id: row.uuid(1)?,
        issuer: row.uuid(2)?,
        digest: row.bytes(3)?,
        user: row.text(4),
        org: row.uuid(5),
        workspace: row.uuid(6),
        environment: row.text(7)?,
        permissions: row.list(8),
        is_service: row.flag(9),
        is_member: row.flag(10),
        api_key: row.uuid(13),
        maker_key: row.uuid(14),
        parent: row.uuid(15),
        from,
        from_key: row.uuid(23),
        created_at: row.timestamp(24)?,
        session: row.uuid(27),
    })
}

fn revocation(row: &Row) -> Option<Revocation> {
    Some(Revocation {
        kind: Kind::from_name(row.text_of(2)?)?,
        value: row.text(3)?,
        issuer: row.text(4),
        issued_before: row.timestamp(5),
    })
}
