//! What `sql/functions/explain/` asks of Rust. All of it is bearer_owner's alone.

use super::acting::note;
use super::keys::demand_administrator;
use crate::pg::credential::{self, Failure};
use crate::pg::ffi::borrowed::{Failed, Question, Standing, rolled_back, standing, terminated};
use crate::pg::ffi::input::{CredentialText, JsonbArgument};
use crate::pg::ffi::output::JsonbText;
use crate::pg::ffi::rows::{self, Unfit, Wanted};
use crate::pg::ffi::{carrier, policy};
use crate::pg::{identity, sqlstate};
use crate::verify::identity::Identity;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Whose rows are asked about: of a credential, of a stated identity, or of nobody.
fn asked_about(
    credential: Option<&CredentialText>,
    stated: Option<&JsonbArgument>,
) -> Result<Option<Identity>, Failure> {
    match (credential, stated) {
        (Some(_), Some(_)) => {
            Err(sqlstate::bad_argument("either a credential or an identity is asked about, not both").into())
        }
        (Some(credential), None) => credential::identify_unused(credential).map(Some),
        (None, Some(_)) => Ok(Some(credential::stated(stated)?)),
        (None, None) => Ok(None),
    }
}

/// The identity as jsonb and NULL, or NULL and why the credential is refused; two NULLs for nobody.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn described_identity(
    credential: Option<CredentialText>,
    identity: Option<JsonbArgument>,
) -> Result<
    TableIterator<'static, (name!(refusal, Option<String>), name!(shown, Option<JsonbText>))>,
    ErrorReport,
> {
    demand_administrator()?;
    let row = match asked_about(credential.as_ref(), identity.as_ref()) {
        Ok(who) => {
            if identity.is_some()
                && let Some(who) = &who
            {
                note(who, "asks");
            }
            let shown = rolled_back(|| {
                identity::establish_for_now(who.as_ref())?;
                Ok::<_, ErrorReport>(carrier::with_identity(identity::to_json))
            });
            (None, shown.map_err(sqlstate::failed)??.map(JsonbText))
        }
        Err(Failure::Refused(refused)) => (Some(refused.refusal.reason().to_owned()), None),
        Err(Failure::Error(error)) => return Err(error),
    };
    Ok(TableIterator::once(row))
}

/// Raises 42501 unless the outer user may have something run as this role; whether he could, as a role that
/// nothing is run as, is the answer.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn may_run_as(as_role: pg_sys::Oid) -> Result<bool, ErrorReport> {
    demand_administrator()?;
    match standing(as_role) {
        Standing::May => Ok(true),
        Standing::TooPowerful => Ok(false),
        Standing::Unknown => Err(sqlstate::bad_argument("there is no such role")),
        Standing::NotHis => {
            Err(sqlstate::forbidden("only a role that you may SET ROLE to can be asked about")
                .set_hint("Have it granted, or ask a superuser."))
        }
    }
}

/// The rows that queries give to a role, for an identity. Each query selects one text; one that fails gives
/// one row that says how. Nothing stays of what they do.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn answers_for(
    as_role: pg_sys::Oid,
    written_by: pg_sys::Oid,
    credential: Option<CredentialText>,
    identity: Option<JsonbArgument>,
    queries: Vec<Option<String>>,
    search_path: Option<&str>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(query, i32),
            name!(value, Option<String>),
            name!(state, Option<String>),
            name!(failure, Option<String>),
        ),
    >,
    ErrorReport,
> {
    if !may_run_as(as_role)? {
        return Err(sqlstate::forbidden("nothing is run as a superuser or as bearer_owner")
            .set_hint("Nor as a role that may use files or programs of the server."));
    }
    let who = asked_about(credential.as_ref(), identity.as_ref()).map_err(Failure::report)?;
    let search_path = terminated(search_path.unwrap_or_default());
    let mut rows = Vec::new();
    for (number, query) in (1..).zip(&queries) {
        let Some(query) = query else { continue };
        let query = terminated(query);
        let question = Question { query: &query, written_by, role: as_role, search_path: &search_path };
        let answer = rolled_back(|| {
            identity::establish_for_now(who.as_ref())?;
            Ok::<_, ErrorReport>(question.answer())
        });
        match answer {
            Ok(answer) => rows.extend(answer?.into_iter().map(|value| (number, value, None, None))),
            Err(Failed { state, message }) => rows.push((number, None, Some(state), Some(message))),
        }
    }
    Ok(TableIterator::new(rows))
}

/// The calls of functions of ours in a policy's expression, as the catalog holds it.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn calls_in(
    tree: Option<&str>,
    source: pg_sys::Oid,
) -> TableIterator<
    'static,
    (name!(call, String), name!(called, String), name!(arguments, Vec<String>), name!(uses_columns, bool)),
> {
    let calls = tree.map(|tree| policy::calls(&terminated(tree), source)).unwrap_or_default();
    TableIterator::new(
        calls.into_iter().map(|call| (call.text, call.name, call.arguments, call.uses_columns)),
    )
}

/// Rows of a table, as JSON of texts: those with this key or, when a column is named, the first one for each of
/// its values. 42501 unless the outer user reads all rows of `source`, of which `tables` are the parts.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the result")]
fn stored_rows(
    source: pg_sys::Oid,
    tables: Vec<pg_sys::Oid>,
    key: Option<JsonbArgument>,
    by_column: Option<&str>,
    most: i32,
) -> Result<TableIterator<'static, (name!(value, Option<String>), name!(row_values, JsonbText))>, ErrorReport>
{
    demand_administrator()?;
    if !rows::outer_user_reads_all(source) {
        return Err(sqlstate::forbidden("this needs somebody who may read every row of the table")
            .set_hint("Row-level security applies to you, or SELECT was not granted. Ask a superuser."));
    }
    let wanted = key.map(|key| wanted(&key.0)).transpose()?.unwrap_or_default();
    let most = usize::try_from(most).unwrap_or(0);
    let by = by_column.map(terminated);
    let mut single = Vec::new();
    let mut groups: BTreeMap<String, String> = BTreeMap::new();
    let collected = rows::rows(&tables, &wanted, by.as_deref(), |value, row| {
        match (by.is_some(), value) {
            (false, _) => single.push((None, row())),
            (true, Some(value)) if groups.len() < most => {
                groups.entry(value).or_insert_with(row);
            }
            (true, _) => {}
        }
        single.len() < most
    });
    collected.map_err(|unfit| match unfit {
        Unfit::NoSuchColumn => sqlstate::bad_argument("the table has no column of this name"),
        Unfit::Type => sqlstate::bad_argument("rows cannot be looked for by a column of this type"),
    })?;
    single.extend(groups.into_iter().map(|(value, row)| (Some(value), row)));
    Ok(TableIterator::new(single.into_iter().map(|(value, row)| (value, JsonbText(row)))))
}

fn wanted(key: &str) -> Result<Vec<Wanted>, ErrorReport> {
    let wrong = || sqlstate::bad_argument("the key must be a JSON object of columns and their values");
    let members: Map<String, Value> = serde_json::from_str(key).map_err(|_| wrong())?;
    if members.is_empty() {
        return Err(wrong());
    }
    let column = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(terminated(text)),
            Value::Bool(_) | Value::Number(_) => Some(terminated(&value.to_string())),
            Value::Array(_) | Value::Object(_) => return Err(wrong()),
        };
        Ok(Wanted { column: terminated(name), text })
    };
    members.iter().map(column).collect()
}
