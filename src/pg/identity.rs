//! Establishing the identity of a transaction, and showing it.

use super::encoding::{self, Current, MAX_MEMBERSHIPS, Text, View, encode, moved};
use super::ffi::output::{JsonbText, JsonbValue};
use super::ffi::{carrier, catalog, executor, migration, portals, transaction};
use super::sqlstate;
use super::store::{directory, roles};
use crate::verify::identity::{Identity, Uuid, uuid_text};
use pgrx::pg_sys::panic::ErrorReport;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Makes `identity` that of the transaction. Everything that can be refused is refused before the one
/// store, so that a failure leaves the former identity as it was.
pub(super) fn establish(identity: &Identity) -> Result<(), ErrorReport> {
    let encoded = encoded(identity)?;
    // In a function there may be more to come, as after SET LOCAL in one.
    if catalog::outside_transaction_block() && !executor::function_runs() {
        sqlstate::warn_that_it_ends(
            "auth.authenticate() outside a transaction block: the identity ends with this statement",
        );
    }
    publish(&encoded, Running::GoesOn)
}

/// The same for a subtransaction that is about to be rolled back; `None` is nobody.
pub(super) fn establish_for_now(identity: Option<&Identity>) -> Result<(), ErrorReport> {
    match identity {
        Some(identity) => publish(&encoded(identity)?, Running::WaitsForUs),
        None if carrier::with_published(|_| ()).is_none() => Ok(()),
        None => {
            may_change()?;
            may_replace(Running::WaitsForUs)?;
            publish_nobody()
        }
    }
}

/// What becomes of a query that called us and depends on who is signed in.
#[derive(Clone, Copy, PartialEq)]
enum Running {
    /// It goes on with the new identity.
    GoesOn,
    /// It goes on when the former identity is back.
    WaitsForUs,
}

fn encoded(identity: &Identity) -> Result<Vec<u8>, ErrorReport> {
    may_change()?;
    let held = &identity.place.memberships;
    if held.orgs.len().max(held.workspaces.len()) > MAX_MEMBERSHIPS {
        return Err(sqlstate::too_many("the user has too many memberships"));
    }
    encode(identity).ok_or_else(|| sqlstate::too_many("the identity does not fit"))
}

/// Makes another of the user's organizations the current one. Its role is read now, unless the identity carries it: one
/// that was changed since the identity was established permits nothing before the next one.
pub(super) fn move_to(org: Option<&Uuid>) -> Result<(), ErrorReport> {
    let to = carrier::with_identity(|view| encoding::move_to(view, org?));
    let to = to.ok_or_else(sqlstate::not_authenticated)?.ok_or_else(sqlstate::no_such_organization)?;
    may_change()?;
    let current = Current {
        external_id: directory::organization(to.org)?.and_then(|known| known.external_id),
        org_role: roles::unchanged(to.org_role)?,
        workspace_role: roles::unchanged(to.workspace_role)?,
    };
    let moved = carrier::with_identity(|view| moved(view, &to, &current)).flatten();
    publish(&moved.ok_or_else(sqlstate::no_such_organization)?, Running::GoesOn)
}

/// What is published already is not published again: each savepoint would keep a copy of it.
fn publish(encoded: &[u8], running: Running) -> Result<(), ErrorReport> {
    let same = carrier::with_published(|view| *view.as_bytes() == *encoded);
    // RESET ALL and a rollback leave nobody, and queries that asked about somebody before.
    if !same.unwrap_or(!transaction::had_identity()) {
        may_replace(running)?;
    }
    transaction::note_identity();
    if same == Some(true) {
        return Ok(());
    }
    carrier::publish(Some(encoded)).map_err(|_| sqlstate::internal("the identity could not be stored"))
}

/// Leaves the transaction without an identity.
pub(super) fn clear() -> Result<(), ErrorReport> {
    if carrier::with_published(|_| ()).is_none() {
        return Ok(());
    }
    may_change()?;
    may_replace(Running::GoesOn)?;
    publish_nobody()
}

fn publish_nobody() -> Result<(), ErrorReport> {
    carrier::publish(None).map_err(|_| sqlstate::internal("the identity could not be cleared"))
}

fn may_change() -> Result<(), ErrorReport> {
    if catalog::in_restricted_operation() {
        return Err(sqlstate::forbidden(
            "the identity cannot be changed within a security-restricted operation",
        ));
    }
    if migration::lasts() {
        return Err(sqlstate::in_use("no identity can be established in a data migration")
            .set_hint("End the transaction first."));
    }
    if portals::cursor_is_open() {
        return Err(sqlstate::in_use("the identity cannot be changed while a cursor is open")
            .set_hint("Close the cursor, or authenticate before you open it."));
    }
    Ok(())
}

/// What a query found out about one identity must not count for another.
fn may_replace(running: Running) -> Result<(), ErrorReport> {
    let goes_on = running == Running::GoesOn && executor::dependent_runs();
    if goes_on || executor::is_dependent_suspended() || portals::loops_over_dependent() {
        return Err(sqlstate::in_use(
            "the identity cannot be replaced while a query reads a table with policies or a view that asks for it",
        )
        .set_hint("Authenticate in a statement of its own."));
    }
    Ok(())
}

/// How many identities a backend keeps as finished jsonb, and how long their encoding may be.
const SHOWN: usize = 32;
const SHOWN_BYTES: usize = 4096;

thread_local! {
    /// What encoded identities look like as jsonb. It says nothing about whether one is good: it only
    /// spares building the same value again, which takes longer than verifying a token that was seen.
    static SHOWN_BEFORE: RefCell<VecDeque<(Box<[u8]>, JsonbValue)>> = const { RefCell::new(VecDeque::new()) };
}

/// The identity as jsonb, in the shape that `auth.identity()` documents; `None` without one.
pub(super) fn show() -> Option<JsonbValue> {
    if let Some(known) = carrier::with_identity(shown_before)? {
        return Some(known);
    }
    let (encoded, json) = carrier::with_identity(|view| (view.as_bytes().to_vec(), to_json(view)))?;
    let value = JsonbValue::new(JsonbText(json))?;
    if encoded.len() <= SHOWN_BYTES {
        SHOWN_BEFORE.with_borrow_mut(|shown| {
            shown.truncate(SHOWN - 1);
            shown.push_front((encoded.into(), value.clone()));
        });
    }
    Some(value)
}

fn shown_before(view: View<'_>) -> Option<JsonbValue> {
    SHOWN_BEFORE.with_borrow(|shown| {
        let known = shown.iter().find(|(encoded, _)| **encoded == *view.as_bytes());
        known.map(|(_, value)| value.clone())
    })
}

pub(super) fn to_json(view: View<'_>) -> String {
    let payload = view.text(Text::Payload).unwrap_or("null");
    let mut json = Members(String::with_capacity(payload.len() + 640));
    let id = |id: Option<&Uuid>| id.map(uuid_text);
    json.text("kind", Some(view.kind().name()));
    json.text("user_id", view.text(Text::UserId));
    json.text("issuer", view.text(Text::Issuer));
    json.text("role", view.text(Text::Role));
    json.text("email", view.text(Text::Email));
    json.text("org_id", id(view.org()).as_deref());
    json.text("org_role", view.current_role().and_then(|role| role.name()));
    json.text("workspace_id", id(view.workspace()).as_deref());
    json.text("environment", view.text(Text::Environment));
    json.names("permissions", view.current_role().into_iter().flat_map(|role| role.permissions()));
    json.names("scopes", view.scopes());
    json.text("key_id", id(view.key()).as_deref());
    json.text("session_id", view.text(Text::SessionId));
    json.text("actor", view.text(Text::Actor));
    json.text("expires_at", view.expires_at().map(catalog::timestamp_text).as_deref());
    json.raw("claims", payload);
    json.0.push('}');
    json.0
}

/// The members of a JSON object, written one after the other.
struct Members(String);

impl Members {
    fn raw(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        let json = text.and_then(|text| serde_json::to_string(text).ok());
        self.raw(name, json.as_deref().unwrap_or("null"));
    }

    fn names<'a>(&mut self, name: &str, names: impl Iterator<Item = &'a str>) {
        let names: Vec<&str> = names.collect();
        self.raw(name, &serde_json::to_string(&names).unwrap_or_default());
    }
}
