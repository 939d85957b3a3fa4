//! An identity that an administrator states, without a credential: for tests of policies, and to explain them.

use super::identity::{Identity, Kind, Said, Uuid, uuid};
use super::jwt::SERVICE_ROLE;
use super::membership::{
    Directory, EXTERNAL_ID_MAX, Memberships, OrgGrant, OrgName, Role, Settled, WorkspaceGrant,
};
use serde_json::{Map, Value};

/// What may be stated. The members of what `auth.identity()` shows that come from a credential alone are
/// tolerated as long as they say nothing.
const MEMBERS: [&str; 17] = [
    "kind",
    "user_id",
    "issuer",
    "role",
    "email",
    "org_id",
    "org_role",
    "workspace_id",
    "environment",
    "permissions",
    "scopes",
    "session_id",
    "actor",
    "claims",
    "org_ids",
    "workspace_ids",
    "email_verified",
];
const CREDENTIALS_ONLY: [&str; 2] = ["key_id", "expires_at"];

/// Why an identity cannot be acted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unactable {
    /// Nobody acts as a service.
    Service,
    /// What is stated makes no sense; for the administrator.
    Wrong(String),
}

fn wrong(message: impl Into<String>) -> Unactable {
    Unactable::Wrong(message.into())
}

/// An identity as it is stated.
#[derive(Debug)]
pub(crate) struct Stated {
    pub(crate) user_id: Option<String>,
    issuer: Option<String>,
    role: Option<String>,
    email: Option<String>,
    email_verified: bool,
    environment: String,
    scopes: Vec<String>,
    session_id: Option<String>,
    actor: Option<String>,
    claims: Option<Value>,
    org: Option<OrgName>,
    orgs: Vec<OrgName>,
    org_role: Option<Role>,
    workspace: Option<Uuid>,
    workspaces: Vec<Uuid>,
}

/// Reads what is stated. A member that is not known could be a slip of the pen, after which a test would pass
/// for another reason than the one it was written for.
pub(crate) fn read(json: &str) -> Result<Stated, Unactable> {
    let value: Value =
        serde_json::from_str(json).map_err(|_| wrong("the identity is no JSON that can be read"))?;
    let Value::Object(members) = value else {
        return Err(wrong("the identity must be a JSON object"));
    };
    for (name, value) in &members {
        let credentials = CREDENTIALS_ONLY.contains(&name.as_str());
        if credentials && !value.is_null() {
            return Err(wrong(format!("only a credential gives an identity {name:?}")));
        }
        if !credentials && !MEMBERS.contains(&name.as_str()) {
            return Err(wrong(format!("an identity has no member {name:?}")));
        }
    }
    let role = text(&members, "role")?;
    match text(&members, "kind")?.as_deref() {
        None | Some("act_as") if role.as_deref() != Some(SERVICE_ROLE) => {}
        None | Some("act_as" | "service") => return Err(Unactable::Service),
        Some(_) => return Err(wrong("the kind of an identity that is acted is \"act_as\"")),
    }
    let environment = text(&members, "environment")?.unwrap_or_else(|| "live".to_owned());
    if !matches!(environment.as_str(), "live" | "test") {
        return Err(wrong("environment must be \"live\" or \"test\""));
    }
    let named = Role { name: text(&members, "org_role")?, permissions: texts(&members, "permissions")? };
    let org = text(&members, "org_id")?.map(org_name).transpose()?;
    let workspace = text(&members, "workspace_id")?.map(|id| workspace_id(&id)).transpose()?;
    let org_role = (named != Role::default()).then_some(named);
    let email = text(&members, "email")?;
    Ok(Stated {
        user_id: text(&members, "user_id")?,
        issuer: text(&members, "issuer")?,
        role,
        email_verified: flag(&members, "email_verified")?.unwrap_or(email.is_some()),
        email,
        environment,
        scopes: texts(&members, "scopes")?,
        session_id: text(&members, "session_id")?,
        actor: text(&members, "actor")?,
        claims: claims(&members)?,
        org,
        orgs: texts(&members, "org_ids")?.into_iter().map(org_name).collect::<Result<_, _>>()?,
        org_role,
        workspace,
        workspaces: texts(&members, "workspace_ids")?
            .iter()
            .map(|id| workspace_id(id))
            .collect::<Result<_, _>>()?,
    })
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Unactable> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && !text.contains('\0') => Ok(Some(text.clone())),
        Some(_) => Err(wrong(format!("{name} must be a text that is not empty"))),
    }
}

fn texts(members: &Map<String, Value>, name: &str) -> Result<Vec<String>, Unactable> {
    let item = |value: &Value| {
        value.as_str().filter(|text| !text.is_empty() && !text.contains('\0')).map(str::to_owned)
    };
    match members.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(item).collect::<Option<Vec<String>>>(),
        Some(_) => None,
    }
    .ok_or_else(|| wrong(format!("{name} must be an array of texts that are not empty")))
}

fn flag(members: &Map<String, Value>, name: &str) -> Result<Option<bool>, Unactable> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(wrong(format!("{name} must be true or false"))),
    }
}

fn claims(members: &Map<String, Value>) -> Result<Option<Value>, Unactable> {
    match members.get("claims") {
        None | Some(Value::Null) => Ok(None),
        Some(claims @ Value::Object(_)) => Ok(Some(claims.clone())),
        Some(_) => Err(wrong("claims must be a JSON object")),
    }
}

fn org_name(text: String) -> Result<OrgName, Unactable> {
    match uuid(&text) {
        Some(id) => Ok(OrgName::Id(id)),
        None if text.len() > EXTERNAL_ID_MAX => Err(wrong("an organization has a name that is too long")),
        None => Ok(OrgName::External(text)),
    }
}

fn workspace_id(text: &str) -> Result<Uuid, Unactable> {
    uuid(text).ok_or_else(|| wrong("the id of a workspace is a uuid"))
}

impl Stated {
    /// The identity, in the place where it is stated to be: memberships of the tables (`held`) count as they do
    /// for a token of this user, and what is stated counts before and besides them. What there is no row for is
    /// believed; what is disabled is refused, and so is a name that nothing has.
    pub(crate) fn identity<D: Directory>(
        self,
        mut held: Memberships,
        directory: &D,
    ) -> Result<Result<Identity, Unactable>, D::Error> {
        held.sort();
        let mut current = None;
        for (name, is_current) in
            self.orgs.iter().map(|name| (name, false)).chain(self.org.iter().map(|name| (name, true)))
        {
            let Some(id) = name.enabled(directory.organization(name)?.as_ref()) else {
                return Ok(Err(wrong("an organization of the identity is disabled, or nothing has this id")));
            };
            if !held.has_org(id) {
                held.orgs.push(OrgGrant { id, role: None });
                held.sort();
            }
            current = if is_current { Some(id) } else { current };
        }
        for id in self.workspaces.iter().chain(&self.workspace) {
            let known = directory.workspace(*id)?;
            if known.is_some_and(|known| known.disabled || !held.has_org(known.org)) {
                return Ok(Err(wrong("a workspace of the identity is disabled, or of another organization")));
            }
            if !held.workspaces.iter().any(|grant| grant.id == *id) {
                held.workspaces.push(WorkspaceGrant {
                    id: *id,
                    org: known.map(|known| known.org),
                    role: None,
                });
            }
        }
        held.sort();
        if let (None, [only]) = (current, held.orgs.as_slice()) {
            current = Some(only.id);
        }
        if let Some(role) = self.org_role.clone() {
            let role = held.add_role(role);
            let Some(grant) = held.orgs.iter_mut().find(|grant| Some(grant.id) == current) else {
                return Ok(Err(wrong(
                    "a role and permissions are those in an organization: org_id says which",
                )));
            };
            grant.role = role;
        }
        let workspace = held.workspace_in(current, self.workspace.as_ref().map(std::slice::from_ref));
        if self.workspace.is_some() && workspace.is_none() {
            return Ok(Err(wrong("the workspace is of another organization")));
        }
        let row = current.map(|org| directory.organization(&OrgName::Id(org))).transpose()?.flatten();
        let external_id = row.and_then(|row| row.external_id);
        let place = Settled { memberships: held, org: current, external_id, workspace, ..Settled::default() };
        Ok(Ok(self.in_place(place.with_roles(directory)?)))
    }

    fn in_place(self, place: Settled) -> Identity {
        let said = Said {
            kind: Kind::ActAs,
            user_id: self.user_id,
            role: self.role,
            email: self.email,
            email_verified: self.email_verified,
            environment: self.environment,
            scopes: self.scopes,
            session_id: self.session_id,
            actor: self.actor,
        };
        Identity {
            said,
            issuer: self.issuer,
            place,
            key_id: None,
            signing_key: None,
            token_type: None,
            tables: None,
            expires_at: None,
            valid_until: i64::MAX,
            payload: self.claims.map(|claims| claims.to_string().into_bytes()),
            from_ticket: false,
        }
    }
}
