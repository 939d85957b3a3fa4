//! Tokens that this database made: whether one is still accepted, and where it acts now. And what ends tokens of any issuer.

use super::api_key::{self, Accepted, Place};
use super::credential::Failure;
use super::settings;
use super::store::tokens::{self, Tokens};
use super::store::{self, Issuer, directory, users};
use super::usage;
use crate::verify::api_key::KeyKind;
use crate::verify::error::Refusal;
use crate::verify::identity::{Identity, Profile, Said, Uuid};
use crate::verify::jwt::VerifiedClaims;
use crate::verify::membership::{Settled, settle, settle_key};
use crate::verify::minted::{ANCESTORS_MAX, MintedToken, minted_id};
use crate::verify::permission::intersection;
use crate::verify::revocation::Revocable;
use pgrx::pg_sys::panic::ErrorReport;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What can be revoked of a token.
pub(super) fn revocable(claims: &VerifiedClaims, issuer: &Issuer) -> Revocable {
    revocable_of(claims.issuer(), claims.claims(), claims.payload(), issuer)
}

/// The same, of claims that only expiry makes no verified ones.
pub(super) fn revocable_of(
    name: &str,
    claims: &Map<String, Value>,
    payload: &[u8],
    issuer: &Issuer,
) -> Revocable {
    Revocable::of(name, &issuer.profile.user_id_prefix, claims, payload, issuer.rules.leeway)
}

/// The row of a token of ours. Refused where it, its user or session was revoked, or a token that it came from. Looks each
/// time, with a snapshot taken now.
pub(super) fn demand_current(
    claims: &VerifiedClaims,
    issuer: &Issuer,
) -> Result<Option<MintedToken>, Failure> {
    if !issuer.is_own && !tokens::can_be_revoked() && !users::can_be_banned() {
        return Ok(None);
    }
    let tables = Tokens::now();
    let row = if issuer.is_own { Some(own_row(&tables, claims, issuer)?) } else { None };
    let asked = match &row {
        Some(row) => ancestors(&tables, row, claims.issuer(), issuer)?,
        None => vec![revocable(claims, issuer)],
    };
    // Mostly one and the same.
    let named: BTreeSet<&str> = asked.iter().filter_map(|token| token.user.as_deref()).collect();
    for user in named {
        if users::is_banned(user)? {
            return Err(Refusal::UserBanned.into());
        }
    }
    match tables.is_any_revoked(&asked)? {
        true => Err(Refusal::TokenRevoked.into()),
        false => Ok(row),
    }
}

fn own_row(tables: &Tokens, claims: &VerifiedClaims, issuer: &Issuer) -> Result<MintedToken, Failure> {
    let found = minted_id(claims.claims()).map(|id| tables.minted(id)).transpose()?.flatten();
    let row = found.filter(|row| row.is_of(issuer.id, claims.payload()));
    let row = row.ok_or(Refusal::TokenNotMinted)?;
    match row.is_allowed_in(&settings::allowed_environments()) {
        true => Ok(row),
        false => Err(Refusal::TokenEnvironment.into()),
    }
}

/// What can be revoked of a token and of those that it came from, of the same issuer of ours or, the first of them, of another
/// one. Refused where one is gone, or a service key that made one.
fn ancestors(
    tables: &Tokens,
    row: &MintedToken,
    name: &str,
    issuer: &Issuer,
) -> Result<Vec<Revocable>, Failure> {
    let mut found = Vec::new();
    let mut next = Some(row.clone());
    for _ in 0..=ANCESTORS_MAX {
        let Some(row) = next else { return Ok(found) };
        row.maker_key.map_or(Ok(()), api_key::demand_still_holds)?;
        if !row.may_be_of(issuer.rules.allow_service_role) {
            return Err(Refusal::TokenParent.into());
        }
        let mut own = row.revocable(name);
        if let Some(session) = row.session {
            // Of a session that began before its user was revoked, no token is young enough.
            own.issued_at = own.issued_at.min(demand_session(session, row.user.as_deref())?);
        }
        found.push(own);
        if let Some(from) = row.from.clone() {
            demand_origin(&row, &from)?;
            found.push(from);
        }
        next = match row.parent {
            Some(id) => Some(tables.minted(id)?.ok_or(Refusal::TokenParent)?),
            None => None,
        };
    }
    Err(Refusal::TokenParent.into())
}

/// When the session began. Refused where it is not there any more, or not good for this user's tokens.
fn demand_session(session: Uuid, user: Option<&str>) -> Result<Option<i64>, Failure> {
    match users::session(session)? {
        Some((session, facts)) if session.holds(user, &facts) => Ok(session.created_at),
        Some(_) | None => Err(Refusal::TokenSession.into()),
    }
}

/// Refused where the issuer of the token that it came from is believed no more, or not so far.
fn demand_origin(row: &MintedToken, from: &Revocable) -> Result<(), Failure> {
    let issuer = row.from_key.map(|key| store::issuer_of_key(&from.issuer, key)).transpose()?.flatten();
    let is_believed =
        issuer.is_some_and(|issuer| row.is_as_said(from, &issuer.profile, issuer.rules.allow_service_role));
    match is_believed {
        true => Ok(()),
        false => Err(Refusal::TokenParent.into()),
    }
}

/// The identity of the bearer of a token of ours. With `used` that of an API key, which it may have come from, is counted.
pub(super) fn identity(
    claims: &VerifiedClaims,
    profile: &Profile,
    row: &MintedToken,
    used: bool,
) -> Result<Identity, Failure> {
    let mut said = Said::of(claims.claims(), profile);
    let key = row.api_key.map(|key| api_key::renewed(key, Place::Here)).transpose()?;
    let place = place(claims, profile, row, key.as_ref())?;
    let mut tables = None;
    if let Some(key) = key {
        if used {
            usage::note(key.key.id, key.limit, key.key.org, key.org_limit()?)?;
        }
        tables = key.tables();
        // As those of the key itself.
        said.scopes = match said.scopes.is_empty() {
            true => place.permissions().to_vec(),
            false => intersection(&said.scopes, place.permissions()),
        };
    }
    Ok(Identity { key_id: row.api_key, tables, ..Identity::from_claims(claims, said, place) })
}

fn place(
    claims: &VerifiedClaims,
    profile: &Profile,
    row: &MintedToken,
    key: Option<&Accepted>,
) -> Result<Settled, Failure> {
    let limiting = key.filter(|key| key.key.kind == KeyKind::Secret);
    let held = limiting.map(|key| key.place.permissions());
    let limit = match (&row.permissions, held) {
        (Some(own), Some(held)) => Some(intersection(own, held)),
        (own, held) => own.clone().or(held.map(<[String]>::to_vec)),
    };
    match (row.user.as_deref(), row.org, key) {
        (Some(user), Some(org), _) if row.is_member => {
            let place = member_place(user, org, row, limiting, limit.as_deref())?;
            // An API key that acts for another member has not got that one's role.
            let is_other = limiting.is_some_and(|key| key.key.user.as_deref() != Some(user));
            Ok(if is_other { place.without_role_names() } else { place })
        }
        (Some(user), None, _) if limiting.is_none() => {
            let (held, tables) = directory::memberships(Some(user))?;
            let place = settle(claims, profile, held, &tables)?;
            Ok(match limit {
                Some(limit) => place.limited(&limit, &tables)?,
                None => place,
            })
        }
        (_, _, Some(key)) => Ok(match limit.filter(|_| limiting.is_some()) {
            Some(limit) => key.place.clone().limited(&limit, &directory::memberships(None)?.1)?,
            None => key.place.clone(),
        }),
        (None, None, None) if row.is_service => Ok(Settled::default()),
        (_, _, None) => Err(Refusal::TokenPlace.into()),
    }
}

/// As that of a user's API key.
fn member_place(
    user: &str,
    org: [u8; 16],
    row: &MintedToken,
    key: Option<&Accepted>,
    limit: Option<&[String]>,
) -> Result<Settled, Failure> {
    let known = directory::organization(org)?.filter(|known| !known.disabled).ok_or(Refusal::TokenPlace)?;
    // Whoever was removed and came back has the tokens that were made since.
    let (mut held, tables) = directory::memberships_in(user, org, Some(row.created_at))?;
    if let Some(key) = key {
        held.keep_workspaces_of(&key.place.memberships);
    }
    if !held.has_org(org) || !is_enabled_workspace(row.workspace, org)? {
        return Err(Refusal::TokenPlace.into());
    }
    let settled = settle_key(held, org, row.workspace, limit, &tables)?.ok_or(Refusal::TokenPlace)?;
    Ok(Settled { external_id: known.external_id, ..settled })
}

fn is_enabled_workspace(workspace: Option<[u8; 16]>, org: [u8; 16]) -> Result<bool, ErrorReport> {
    workspace.map_or(Ok(true), |workspace| directory::is_enabled_workspace(workspace, org))
}
