//! One HTTP request, as PostgREST passes it on: who sends it, where they act, and in which role it goes on.

use super::credential::{self, Failure, Shown};
use super::ffi::raise::Raisable;
use super::ffi::{carrier, request, role_settings, transaction};
use super::functions::demand_permission;
use super::settings;
use super::sqlstate::{self, Said};
use super::store::directory;
use super::{api_key, identity};
use crate::verify::endpoint::{self, Asked, EndpointFault};
use crate::verify::error::Refusal;
use crate::verify::http::{self, HeaderFault, NamedOrg};
use crate::verify::identity::{Identity, Uuid};
use pgrx::pg_sys::panic::ErrorReport;
use serde_json::{Map, Value, json};
use std::ffi::CStr;
use zeroize::Zeroizing;

/// What a role is given of them holds for its requests, whatever an earlier one has left in the connection.
const TIMEOUTS: [&CStr; 4] =
    [c"statement_timeout", c"lock_timeout", c"idle_in_transaction_session_timeout", c"transaction_timeout"];

/// Why a request is refused.
enum Refused {
    Headers(HeaderFault),
    /// Two credentials that are not the same.
    Two,
    /// There has to be an API key.
    NoKey,
    Credential(Failure),
    /// What the credential does not allow, or we cannot do.
    Other(ErrorReport),
}

impl From<HeaderFault> for Refused {
    fn from(fault: HeaderFault) -> Refused {
        Refused::Headers(fault)
    }
}

impl From<ErrorReport> for Refused {
    fn from(error: ErrorReport) -> Refused {
        Refused::Other(error)
    }
}

/// Establishes who sends the request of this transaction; or gives the error that answers it.
pub(super) fn enter() -> Result<(), Raisable> {
    accept().map_err(Refused::raisable)
}

fn accept() -> Result<(), Refused> {
    if !transaction::note_request() {
        return Err(sqlstate::in_use("auth.pre_request() is called once in a transaction").into());
    }
    let list = settings::credential_headers().ok_or_else(sqlstate::http_settings_in_doubt)?;
    let names = http::header_names(&list).ok_or_else(sqlstate::http_headers_unreadable)?;
    let headers = api_key::strict_headers().ok_or(HeaderFault::Unreadable)?;
    let found = http::credentials(&headers, &names)?;
    let org = http::organization(&headers)?;
    let identity = the_only(&found, settings::require_apikey())?;
    match &identity {
        Some(identity) => identity::establish(identity)?,
        None => identity::clear()?,
    }
    if let Some(org) = org {
        enter_org(&org)?;
    }
    judge_endpoint(&headers)?;
    hide(&headers, &names)?;
    switch_role()
}

/// Who is signed in by what was sent: by one credential, whatever else is publishable.
fn the_only(found: &[Zeroizing<String>], requires_key: bool) -> Result<Option<Identity>, Refused> {
    let (mut has_key, mut secrets) = (false, Vec::new());
    // None is used before it is certain that it is the only one.
    let used = found.len() == 1;
    for text in found {
        match credential::show(text.as_bytes(), used) {
            Ok(Shown::Publishable) => has_key = true,
            shown => secrets.push((text, shown)),
        }
    }
    let only = match secrets.pop() {
        Some(last) if !secrets.is_empty() => {
            secrets.into_iter().chain([last]).for_each(|(_, shown)| log_refusal(shown));
            return Err(Refused::Two);
        }
        Some((text, Ok(_))) if !used => Some(credential::show(text.as_bytes(), true)),
        only => only.map(|(_, shown)| shown),
    };
    let identity = match only.transpose().map_err(Refused::Credential)? {
        Some(Shown::Secret(identity)) => Some(*identity),
        Some(Shown::Publishable) | None => None,
    };
    has_key |= identity.as_ref().is_some_and(|identity| identity.key_id.is_some());
    if requires_key && !has_key {
        return Err(Refused::NoKey);
    }
    Ok(identity)
}

fn log_refusal(shown: Result<Shown, Failure>) {
    if let Err(Failure::Refused(refused)) = shown {
        refused.log();
    }
}

/// What is unknown and what is somebody else's is the same; for nobody all of it.
fn enter_org(named: &NamedOrg) -> Result<(), Refused> {
    if carrier::with_identity(|_| ()).is_none() {
        return Err(sqlstate::no_credential().into());
    }
    let id: Option<Uuid> = match named {
        NamedOrg::Id(id) => Some(*id),
        // Only among those that they have: what others call theirs is nobody's business.
        NamedOrg::Name(name) => directory::named(name)?
            .into_iter()
            .find(|id| carrier::with_identity(|view| view.orgs().binary_search(id).is_ok()) == Some(true)),
    };
    match id {
        Some(id) => identity::move_to(Some(&id)).map_err(Refused::Other),
        None => Err(sqlstate::no_such_organization().into()),
    }
}

/// May this method be used on this path, where the endpoints are listed?
fn judge_endpoint(headers: &Map<String, Value>) -> Result<(), Refused> {
    let list = settings::http_permissions().ok_or_else(sqlstate::http_settings_in_doubt)?;
    if list.trim().is_empty() {
        return Ok(());
    }
    let sender = carrier::with_identity(|view| view.kind());
    let setting = |name| request::setting(name, api_key::LINE_MAX).unwrap_or_default();
    let (method, path) = (setting(c"request.method"), setting(c"request.path"));
    let search_path = setting(c"search_path");
    let asked = Asked { sender, method: &method, path: &path, search_path: &search_path, headers };
    match endpoint::needed(&list, &asked) {
        Ok(needed) => needed.iter().try_for_each(|permission| demand_permission(permission).map(drop))?,
        Err(EndpointFault::List) => return Err(sqlstate::http_permissions_unreadable().into()),
        Err(EndpointFault::Unlisted) => return Err(sqlstate::endpoint_not_listed().into()),
        Err(EndpointFault::Nobody) => return Err(sqlstate::not_authenticated().into()),
    }
    Ok(())
}

/// Nothing that runs later in the transaction finds the credential.
fn hide(headers: &Map<String, Value>, names: &[String]) -> Result<(), Refused> {
    let left = Value::Object(http::without_credentials(headers, names)).to_string();
    match request::set_locally(c"request.headers", &left) {
        true => Ok(()),
        false => Err(sqlstate::internal("the headers could not be set").into()),
    }
}

fn switch_role() -> Result<(), Refused> {
    let kind = carrier::with_identity(|view| http::sender(view.kind(), view.key().is_some()));
    let row_security = request::set_locally(c"row_security", "on");
    let role = settings::http_role(kind).ok_or_else(sqlstate::http_settings_in_doubt)?;
    if !role.is_empty() && !request::switch_role(&role) {
        return Err(sqlstate::http_role_unusable().into());
    }
    match row_security && role_settings::take_on(&TIMEOUTS) {
        true => Ok(()),
        false => Err(sqlstate::internal("row_security or a timeout could not be set").into()),
    }
}

/// What the client gets.
struct Answer {
    status: u16,
    headers: Map<String, Value>,
    body: Value,
}

impl Answer {
    fn new(status: u16, said: &Said) -> Answer {
        let body = json!({
            "code": said.sqlstate, "message": said.message, "details": null, "hint": said.hint,
        });
        Answer { status, headers: Map::new(), body }
    }

    fn with(mut self, header: &str, value: impl Into<String>) -> Answer {
        self.headers.insert(header.to_owned(), Value::String(value.into()));
        self
    }

    /// Of an error as any function of ours raises it.
    fn of(error: ErrorReport) -> Answer {
        let said = Said::by(error);
        Answer::with_headers(http::status(&said.sqlstate), &said)
    }

    fn with_headers(status: u16, said: &Said) -> Answer {
        let answer = Answer::new(status, said);
        match (answer.status, said.seconds()) {
            (429, Some(seconds)) => answer.with("Retry-After", seconds.to_string()),
            (401, _) => answer.with("WWW-Authenticate", http::challenge(false)),
            _ => answer,
        }
    }

    /// The form that PostgREST makes an answer of: message and detail of an error.
    fn for_postgrest(self) -> (String, String) {
        let detail = json!({"status": self.status, "headers": self.headers});
        (self.body.to_string(), detail.to_string())
    }
}

impl Refused {
    fn answer(self) -> Answer {
        match self {
            Refused::Headers(HeaderFault::Malformed) => Refused::Credential(Refusal::NotAKey.into()).answer(),
            Refused::Headers(fault) => Answer::of(sqlstate::bad_headers(fault)),
            Refused::Two => Answer::of(sqlstate::two_credentials()),
            Refused::NoKey => Answer::of(sqlstate::no_api_key()),
            Refused::Credential(Failure::Error(error)) | Refused::Other(error) => Answer::of(error),
            Refused::Credential(Failure::Refused(refused)) => {
                let status = http::status_of(refused.refusal);
                let answer = Answer::new(status, &Said::by(refused.report()));
                if status == 401 { answer.with("WWW-Authenticate", http::challenge(true)) } else { answer }
            }
        }
    }

    fn raisable(self) -> Raisable {
        let (message, detail) = self.answer().for_postgrest();
        Raisable::new(b"PGRST", &message, &detail)
    }
}

/// What answers an error that a function of ours raised later in the request, under this name: message and detail for
/// PostgREST. `None` where PostgREST is to say it.
pub(super) fn later_answer(function: &str, said: &Said) -> Option<(String, String)> {
    let status = http::later_status(&said.sqlstate, function == sqlstate::unseen::NOBODY)?;
    Some(Answer::with_headers(status, said).for_postgrest())
}
