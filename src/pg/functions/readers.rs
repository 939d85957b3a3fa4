//! Reading the identity. None of these raises; without an identity they give NULL, false or nothing.

use crate::pg::encoding::{Held, RoleView, Text, View};
use crate::pg::ffi::carrier::{statement_start, with_identity};
use crate::pg::ffi::output::{JsonbText, JsonbValue, member_text};
use crate::pg::identity;
use crate::pg::store::roles::asking::Asking;
use crate::verify::identity::Kind;
use crate::verify::json::parse_object;
use crate::verify::period::Period;
use crate::verify::permission::covers;
use crate::verify::sign_in::{self, Level};
use pgrx::prelude::*;
use serde_json::{Map, Value};
use std::cell::OnceCell;

/// Does this role, which the identity carries, have the permission?
pub(super) fn may(role: Option<RoleView<'_>>, permission: &str) -> bool {
    role.is_some_and(|role| covers(role.permissions(), permission))
}

/// Does this role have it, wherever its permissions are?
fn may_here(held: Held<'_>, asking: &mut Asking<'_>, permission: &str) -> bool {
    match held {
        Held::Carried(role) => may(Some(role), permission),
        Held::Stored(role) => asking.permits(role),
    }
}

fn text(which: Text) -> Option<String> {
    with_identity(|view| view.text(which).map(str::to_owned)).flatten()
}

/// The identity as jsonb, or NULL.
#[pg_extern(schema = "auth", name = "identity", stable, parallel_safe)]
fn show_identity() -> Option<JsonbValue> {
    identity::show()
}

/// The claims of the token, as jsonb makes them of its original bytes.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn jwt() -> Option<JsonbText> {
    text(Text::Payload).map(JsonbText)
}

/// The role that the credential names. It is information: no Postgres role follows from it.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn role() -> Option<String> {
    text(Text::Role)
}

/// The e-mail address that the issuer vouches for.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn email() -> Option<String> {
    text(Text::Email)
}

/// A top-level claim, as `auth.jwt() ->> name` gives it: a string as it is, anything else as JSON text,
/// null and absent as NULL.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn claim(name: &str) -> Option<String> {
    member_text(JsonbText(text(Text::Payload)?), name)
}

/// The role in the current organization.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn org_role() -> Option<String> {
    with_identity(|view| view.current_role()?.name().map(str::to_owned)).flatten()
}

/// The role in the current workspace.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn workspace_role() -> Option<String> {
    with_identity(|view| view.current_workspace_role()?.name().map(str::to_owned)).flatten()
}

/// Does the issuer say that the e-mail address is the user's? NULL when nobody is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn email_verified() -> Option<bool> {
    with_identity(|view| view.email_verified())
}

/// Is somebody signed in?
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn is_authenticated() -> bool {
    with_identity(|_| ()).is_some()
}

/// Is it a verified service credential? The name of the Postgres role plays no part.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn is_service_role() -> bool {
    with_identity(|view| view.kind() == Kind::Service).unwrap_or(false)
}

/// Does the identity have this permission in its current organization? NULL when nobody is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn has_permission(permission: &str) -> Option<bool> {
    with_identity(|view| may(view.current_role(), permission))
}

/// Does it have this permission in this organization? NULL when nobody is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn has_permission_in(permission: &str, org_id: pgrx::Uuid) -> Option<bool> {
    let latest = OnceCell::new();
    let mut asking = Asking::for_permission(permission, &latest);
    with_identity(|view| {
        view.org_role(org_id.as_bytes()).is_some_and(|held| may_here(held, &mut asking, permission))
    })
}

/// The organizations in which it has this permission.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn org_ids_with(permission: &str) -> Vec<pgrx::Uuid> {
    let latest = OnceCell::new();
    let mut asking = Asking::for_permission(permission, &latest);
    let orgs = with_identity(|view| view.orgs_where(|held| may_here(held, &mut asking, permission)));
    orgs.unwrap_or_default().into_iter().map(pgrx::Uuid::from_bytes).collect()
}

/// Was this scope (RFC 6749 section 3.3) granted? A token's scopes are compared as they are, those of an API key
/// are permissions, with wildcards. NULL when nobody is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn has_scope(scope: &str) -> Option<bool> {
    with_identity(|view| match view.kind() {
        Kind::ApiKey => covers(view.scopes(), scope),
        Kind::Jwt | Kind::Service | Kind::ActAs => view.scopes().any(|granted| granted == scope),
    })
}

/// The claims of a token. An API key has none.
fn claims(view: View<'_>) -> Option<Map<String, Value>> {
    parse_object(view.bytes(Text::Payload)?).ok()
}

/// How strongly its bearer signed in.
pub(super) fn level(view: View<'_>) -> Option<Level> {
    sign_in::level(&claims(view)?)
}

/// The session that the token belongs to, as its issuer names it.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn session_id() -> Option<String> {
    text(Text::SessionId)
}

/// The authenticator assurance level that the token says.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn aal() -> Option<&'static str> {
    with_identity(level).flatten().map(Level::name)
}

/// The methods by which the user proved who they are.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn amr() -> Option<Vec<String>> {
    with_identity(|view| sign_in::methods(&claims(view)?)).flatten()
}

/// Did the user prove who they are less than this period before the statement? NULL when nobody is signed in.
#[pg_extern(schema = "auth", stable, parallel_safe)]
fn signed_in_within(period: Interval) -> Option<bool> {
    let period = Period { months: period.months(), days: period.days(), microseconds: period.micros() };
    let now = statement_start();
    with_identity(|view| claims(view).is_some_and(|claims| sign_in::signed_in_within(&claims, period, now)))
}
