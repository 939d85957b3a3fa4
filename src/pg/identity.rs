//! Establishing the identity of a transaction, and showing it.

use super::encoding::{Text, View, encode, timestamp};
use super::ffi::{carrier, catalog, portals, transaction};
use super::sqlstate;
use crate::verify::identity::{Identity, uuid_text};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value};

/// Makes `identity` that of the transaction. Everything that can be refused is refused before the one
/// store, so that a failure leaves the former identity as it was.
pub(super) fn establish(identity: &Identity) -> Result<(), ErrorReport> {
    may_change()?;
    let encoded = encode(identity).ok_or_else(|| sqlstate::internal("the identity does not fit"))?;
    if catalog::outside_transaction_block() {
        warn_that_it_ends();
    }
    transaction::note_identity();
    carrier::publish(Some(&encoded)).map_err(|_| sqlstate::internal("the identity could not be stored"))
}

/// Leaves the transaction without an identity.
pub(super) fn clear() -> Result<(), ErrorReport> {
    if carrier::with_published(|_| ()).is_none() {
        return Ok(());
    }
    may_change()?;
    carrier::publish(None).map_err(|_| sqlstate::internal("the identity could not be cleared"))
}

fn may_change() -> Result<(), ErrorReport> {
    if catalog::in_restricted_operation() {
        return Err(sqlstate::forbidden(
            "the identity cannot be changed within a security-restricted operation",
        ));
    }
    if portals::cursor_is_open() {
        return Err(sqlstate::in_use("the identity cannot be changed while a cursor is open")
            .set_hint("Close the cursor, or authenticate before you open it."));
    }
    Ok(())
}

fn warn_that_it_ends() {
    ereport!(
        WARNING,
        PgSqlErrorCode::ERRCODE_NO_ACTIVE_SQL_TRANSACTION,
        "auth.authenticate() outside a transaction block: the identity ends with this statement",
        "Begin a transaction first."
    );
}

/// The identity as JSON text, in the shape that `auth.identity()` documents; `None` without one.
pub(super) fn json() -> Option<String> {
    carrier::with_identity(to_json)
}

fn to_json(view: View<'_>) -> String {
    let text = |which| view.text(which).map_or(Value::Null, Value::from);
    let names = |which| Value::from(view.names(which).collect::<Vec<_>>());
    let id = |id: Option<&[u8; 16]>| id.map_or(Value::Null, |id| Value::from(uuid_text(id)));
    let members = [
        ("kind", Value::from(view.kind().name())),
        ("user_id", text(Text::UserId)),
        ("issuer", text(Text::Issuer)),
        ("role", text(Text::Role)),
        ("email", text(Text::Email)),
        ("org_id", id(view.org())),
        ("org_role", text(Text::OrgRole)),
        ("workspace_id", id(view.workspace())),
        ("environment", text(Text::Environment)),
        ("permissions", names(Text::Permissions)),
        ("scopes", names(Text::Scopes)),
        ("key_id", Value::Null),
        ("session_id", text(Text::SessionId)),
        ("actor", text(Text::Actor)),
        ("expires_at", Value::from(catalog::timestamp_text(timestamp(view.expires_at())))),
    ];
    let head: Map<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let head = Value::Object(head).to_string();
    let claims = view.text(Text::Payload).unwrap_or("null");
    format!("{},\"claims\":{claims}}}", head.strip_suffix('}').unwrap_or("{\"kind\":null"))
}
