//! The only place in Rust that reads tables. Constant SQL, bound arguments, kept plans, read only, and a
//! snapshot taken at the call, so that a revocation counts for every call that starts after its commit.

use super::ffi::catalog;
use super::sqlstate;
use crate::verify::algorithm::Algorithm;
use crate::verify::identity::{ClaimPaths, Profile};
use crate::verify::jwt::Rules;
use crate::verify::signature::{Key, KeyMaterial};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::spi::{OwnedPreparedStatement, SpiError, SpiResult, SpiTupleTable};
use std::cell::RefCell;
use std::thread::LocalKey;
use zeroize::Zeroizing;

/// One row for each key that may verify the token, or one without a key. `$2` is the token's kid, `$3`
/// its algorithm: a token without a kid is tried against the keys of its algorithm, the newest first.
/// The columns of the issuer come first, in the order in which [`issuer_row`] reads them.
const ISSUER_AND_KEYS: &str = "
select i.audiences, i.algorithms, i.token_types,
       pg_catalog.extract('epoch', i.leeway)::pg_catalog.int8,
       pg_catalog.extract('epoch', i.max_lifetime)::pg_catalog.int8,
       i.allow_service_role, i.memberships_from_claims, i.environment,
       i.org_claim, i.workspace_claim, i.role_claim, i.org_role_claim,
       i.permissions_claim, i.scopes_claim, i.email_claim,
       k.id, k.kid, k.alg, k.public_jwk, s.material
  from auth.issuers i
  left join lateral (
       select * from auth.jwt_keys
        where jwt_keys.issuer_id operator(pg_catalog.=) i.id
          and case when $2 is null then jwt_keys.alg operator(pg_catalog.=) $3
                   else jwt_keys.kid operator(pg_catalog.=) $2 end
          and jwt_keys.state in ('active', 'retired')
          and (jwt_keys.not_before is null or jwt_keys.not_before operator(pg_catalog.<=) pg_catalog.clock_timestamp())
          and (jwt_keys.not_after is null or jwt_keys.not_after operator(pg_catalog.>) pg_catalog.clock_timestamp())
        order by jwt_keys.state, jwt_keys.created_at desc
        limit 8
       ) k on true
  left join auth.jwt_secrets s on s.key_id operator(pg_catalog.=) k.id
 where i.issuer operator(pg_catalog.=) $1";

const HAS_ISSUERS: &str = "select exists (select from auth.issuers)";

type Plan = LocalKey<RefCell<Option<OwnedPreparedStatement>>>;

thread_local! {
    static ISSUER_PLAN: RefCell<Option<OwnedPreparedStatement>> = const { RefCell::new(None) };
    static HAS_ISSUERS_PLAN: RefCell<Option<OwnedPreparedStatement>> = const { RefCell::new(None) };
}

/// An issuer and those of its keys that may verify the token at hand.
pub(super) struct IssuerRow {
    pub(super) rules: Rules,
    pub(super) profile: Profile,
    pub(super) keys: Vec<Key>,
}

/// The issuer called `name`, with its keys for this kid, or for this algorithm when there is no kid.
pub(super) fn issuer(
    name: &str,
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<Option<IssuerRow>, ErrorReport> {
    let arguments = [name.into(), kid.into(), algorithm.name().into()];
    read(&ISSUER_PLAN, ISSUER_AND_KEYS, &arguments, |rows| {
        let mut found: Option<IssuerRow> = None;
        for row in rows {
            let key = key_row(&row)?;
            match &mut found {
                Some(issuer) => issuer.keys.extend(key),
                None => found = Some(issuer_row(&row, key)?),
            }
        }
        Ok(found)
    })
}

/// Is any issuer configured?
pub(super) fn has_issuers() -> Result<bool, ErrorReport> {
    read(&HAS_ISSUERS_PLAN, HAS_ISSUERS, &[], |rows| Ok(rows.first().get_one()?.unwrap_or(false)))
}

fn read<T>(
    plan: &'static Plan,
    query: &str,
    arguments: &[DatumWithOid<'_>],
    collect: impl FnOnce(SpiTupleTable<'_>) -> SpiResult<T>,
) -> Result<T, ErrorReport> {
    catalog::with_latest_snapshot(|| {
        Spi::connect(|client| {
            plan.with_borrow_mut(|kept| {
                if kept.is_none() {
                    let types: Vec<_> = arguments.iter().map(|_| PgBuiltInOids::TEXTOID.oid()).collect();
                    *kept = Some(client.prepare(query, &types)?.keep());
                }
                let plan = kept.as_ref().ok_or(SpiError::InvalidPosition)?;
                collect(client.select(plan, None, arguments)?)
            })
        })
    })
    .map_err(|error| sqlstate::internal(format!("the tables of pg_bearer could not be read: {error}")))
}

type Row<'a> = pgrx::spi::SpiHeapTupleData<'a>;

fn issuer_row(row: &Row<'_>, key: Option<Key>) -> SpiResult<IssuerRow> {
    let algorithms: Vec<Algorithm> =
        texts(row, 2)?.iter().filter_map(|name| Algorithm::from_name(name)).collect();
    let token_types = texts(row, 3)?;
    let max_lifetime = seconds(row, 5)?;
    let role = texts(row, 11)?;
    Ok(IssuerRow {
        rules: Rules {
            audiences: texts(row, 1)?,
            algorithms: (!algorithms.is_empty()).then_some(algorithms),
            token_types: (!token_types.is_empty()).then_some(token_types),
            leeway: seconds(row, 4)?,
            max_lifetime: (max_lifetime > 0).then_some(max_lifetime),
            allow_service_role: flag(row, 6)?,
            role_claim: role.clone(),
        },
        profile: Profile {
            memberships_from_claims: flag(row, 7)?,
            environment: row.get::<String>(8)?.unwrap_or_default(),
            paths: ClaimPaths {
                org: texts(row, 9)?,
                workspace: texts(row, 10)?,
                role,
                org_role: texts(row, 12)?,
                permissions: texts(row, 13)?,
                scopes: texts(row, 14)?,
                email: texts(row, 15)?,
            },
        },
        keys: key.into_iter().collect(),
    })
}

fn key_row(row: &Row<'_>) -> SpiResult<Option<Key>> {
    let Some(id) = row.get::<pgrx::Uuid>(16)? else {
        return Ok(None);
    };
    let Some(algorithm) = row.get::<&str>(18)?.and_then(Algorithm::from_name) else {
        return Ok(None);
    };
    let material = match (row.get::<String>(19)?, row.get::<Vec<u8>>(20)?) {
        (Some(jwk), _) => KeyMaterial::PublicJwk(jwk),
        (None, Some(secret)) => KeyMaterial::Secret(Zeroizing::new(secret)),
        (None, None) => KeyMaterial::Missing,
    };
    Ok(Some(Key { id: *id.as_bytes(), kid: row.get(17)?, algorithm, material }))
}

fn texts(row: &Row<'_>, column: usize) -> SpiResult<Vec<String>> {
    Ok(row.get::<Vec<String>>(column)?.unwrap_or_default())
}

fn flag(row: &Row<'_>, column: usize) -> SpiResult<bool> {
    Ok(row.get::<bool>(column)?.unwrap_or(false))
}

fn seconds(row: &Row<'_>, column: usize) -> SpiResult<u64> {
    Ok(row.get::<i64>(column)?.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0))
}
