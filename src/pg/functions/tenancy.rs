//! Switching organizations, and what the functions in `sql/functions/` that manage them ask of Rust.

use crate::pg::ffi::carrier::with_published;
use crate::pg::ffi::{catalog, lock};
use crate::pg::store::{directory, granted};
use crate::pg::{handing_on, identity, sqlstate};
use crate::verify::api_key::Environment;
use crate::verify::permission::{covers, intersection};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Makes another of the user's organizations the current one for the rest of the transaction, with the only
/// workspace the user has there, or none.
///
/// Raises 28000 without an identity, 42501 for an organization that the identity does not belong to, that
/// does not exist or is NULL, 55006 while a cursor is open.
#[pg_extern(schema = "auth", volatile, parallel_unsafe)]
fn set_org(org_id: Option<pgrx::Uuid>) -> Result<(), ErrorReport> {
    identity::move_to(org_id.as_ref().map(pgrx::Uuid::as_bytes))
}

/// Raises 28000 unless the credential of the identity would be accepted now, for the same user, also in this organization;
/// 42501 where it gives nothing that lasts, or nothing that counts in this environment (NULL, and a name of none: all of them).
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn demand_handing_on(org_id: Option<pgrx::Uuid>, environment: Option<&str>) -> Result<(), ErrorReport> {
    handing_on::demand(
        org_id.as_ref().map(pgrx::Uuid::as_bytes),
        environment.and_then(Environment::from_name),
    )
}

/// Raises 42501 where whoever is signed in changes nothing that counts in this environment (NULL: all of them).
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn demand_environment(environment: Option<&str>) -> Result<(), ErrorReport> {
    handing_on::demand_environment(environment.and_then(Environment::from_name))
}

/// May users of the identity's issuer act in this organization, or for NULL in any? As the issuer is now.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn issuer_reaches(org_id: Option<pgrx::Uuid>) -> Result<bool, ErrorReport> {
    handing_on::issuer_reaches(org_id.as_ref().map(pgrx::Uuid::as_bytes))
}

/// Does one of the granted permissions cover the wanted one?
#[pg_extern(schema = "auth_internal", immutable, parallel_safe)]
fn permission_covers(granted: Vec<Option<String>>, wanted: &str) -> bool {
    covers(granted.iter().flatten().map(String::as_str), wanted)
}

/// The permissions that both lists cover.
#[pg_extern(schema = "auth_internal", immutable, parallel_safe)]
fn common_permissions(one: Vec<Option<String>>, other: Vec<Option<String>>) -> Vec<String> {
    let [one, other] = [one, other].map(|list| list.into_iter().flatten().collect::<Vec<String>>());
    intersection(&one, &other)
}

/// 256 random bits from the operating system, as 43 characters of base64url.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn random_token() -> Result<String, ErrorReport> {
    let mut bytes = [0; 32];
    fill_randomly(&mut bytes).ok_or_else(sqlstate::no_random_numbers)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Fills a buffer with random bytes from the operating system, if it has them.
pub(super) fn fill_randomly(bytes: &mut [u8]) -> Option<()> {
    SystemRandom::new().fill(bytes).ok()
}

/// Raises 42501 where code of one user runs for another (ANALYZE, autovacuum's too, REINDEX, REFRESH, index
/// expressions): whoever owns a table would act as the one who looks after it.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn refuse_restricted_operation() -> Result<(), ErrorReport> {
    if catalog::in_restricted_operation() {
        return Err(sqlstate::forbidden("organizations are out of reach of a security-restricted operation"));
    }
    Ok(())
}

/// Has the outer user the rights of a superuser or of bearer_admin, in a transaction that acts for nobody? An
/// identity that has expired is still somebody's.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn is_administrator() -> bool {
    with_published(|_| ()).is_none() && catalog::outer_user_is_administrator()
}

/// Is the outer user a superuser, or does the table belong to a role that he is a member of?
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn owns_table(source: pg_sys::Oid) -> bool {
    catalog::outer_user_owns_table(source)
}

/// Is the outer user an administrator, or does he have the rights of this role, as its member or being it? No role has
/// the number 0.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn has_rights_of(role: pg_sys::Oid) -> bool {
    catalog::outer_user_is_administrator() || catalog::outer_user_has_rights_of(role)
}

/// Locks something of ours until the end of the transaction: what it is, and the id. `alone` excludes everybody else,
/// otherwise others may share it. Without `wait` the answer is false where somebody is in the way.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn take_lock(what: &str, id: pgrx::Uuid, alone: bool, wait: bool) -> bool {
    lock::take(&[what.as_bytes(), id.as_bytes().as_slice()].concat(), alone, wait)
}

/// Does nobody else hold such a lock, be it shared? Waits for nobody, and holds nothing afterwards.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn is_lock_free(what: &str, id: pgrx::Uuid) -> bool {
    lock::is_free(&[what.as_bytes(), id.as_bytes().as_slice()].concat())
}

/// Does the statement that asks see an organization, what has ended in it and a user's place there as they are now?
/// True where the transaction keeps no snapshot.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn is_as_seen(org_id: Option<pgrx::Uuid>, user_id: Option<&str>) -> Result<bool, ErrorReport> {
    match org_id {
        Some(org) => directory::is_as_seen(*org.as_bytes(), user_id),
        None => Ok(true),
    }
}

/// The memberships of the owners that the organization has besides this user, whatever the snapshot of the transaction.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn other_owners(
    org_id: pgrx::Uuid,
    user_id: &str,
    owner_role: pgrx::Uuid,
) -> Result<Vec<pgrx::Uuid>, ErrorReport> {
    let owners = directory::other_owners(*org_id.as_bytes(), user_id, *owner_role.as_bytes())?;
    Ok(owners.into_iter().map(pgrx::Uuid::from_bytes).collect())
}

/// The organizations in which a user's memberships count now, of those in our tables.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn counted_organizations(user_id: &str) -> Result<Vec<pgrx::Uuid>, ErrorReport> {
    Ok(granted::organizations(user_id)?.into_iter().map(pgrx::Uuid::from_bytes).collect())
}

/// The workspaces in which they do, if those in their organizations do.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn counted_workspaces(user_id: &str) -> Result<Vec<pgrx::Uuid>, ErrorReport> {
    Ok(granted::workspaces(user_id)?.into_iter().map(pgrx::Uuid::from_bytes).collect())
}

/// The setting that keeps this giver from making the user a member of one more organization, or workspace, whatever
/// the transaction sees of what others did meanwhile; `None` when none does.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn grant_obstacle(user_id: &str, giver: &str, in_workspaces: bool) -> Result<Option<String>, ErrorReport> {
    Ok(granted::obstacle(user_id, giver, in_workspaces)?.map(str::to_owned))
}
