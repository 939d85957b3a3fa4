//! What `auth.pre_request()` goes by.

use crate::pg::ffi::carrier;
use crate::verify::identity::Kind;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::cell::Cell;
use std::ffi::{CStr, CString};

type Text = GucSetting<Option<CString>>;

/// What a text is where a client may have hidden what the database says: no name of a header or role, and no endpoint.
const IN_DOUBT: &CStr = c"?";

static CREDENTIAL_HEADERS: Text = Text::new(Some(c"x-credential, authorization, x-api-key, apikey"));
static CREDENTIAL_HEADERS_IN_DOUBT: Text = Text::new(Some(IN_DOUBT));
static REQUIRE_APIKEY: GucSetting<bool> = GucSetting::<bool>::new(false);
static REQUIRE_APIKEY_IN_DOUBT: GucSetting<bool> = GucSetting::<bool>::new(true);
static PERMISSIONS: Text = Text::new(Some(c""));
static PERMISSIONS_IN_DOUBT: Text = Text::new(Some(IN_DOUBT));
static ROLES: [Text; 4] =
    [Text::new(Some(c"")), Text::new(Some(c"")), Text::new(Some(c"")), Text::new(Some(c""))];
static ROLES_IN_DOUBT: [Text; 4] = [
    Text::new(Some(IN_DOUBT)),
    Text::new(Some(IN_DOUBT)),
    Text::new(Some(IN_DOUBT)),
    Text::new(Some(IN_DOUBT)),
];

#[derive(Clone, Copy, Default)]
struct Doubts {
    headers: bool,
    require_apikey: bool,
    permissions: bool,
    roles: [bool; 4],
}

thread_local! {
    static DOUBTS: Cell<Doubts> =
        const { Cell::new(Doubts { headers: false, require_apikey: false, permissions: false, roles: [false; 4] }) };
}

/// `pg_bearer.credential_headers`; `None` in doubt.
pub(in crate::pg) fn credential_headers() -> Option<String> {
    let setting = if DOUBTS.get().headers { &CREDENTIAL_HEADERS_IN_DOUBT } else { &CREDENTIAL_HEADERS };
    text(setting).and_then(|list| list.into_string().ok())
}

/// `pg_bearer.require_apikey`.
pub(in crate::pg) fn require_apikey() -> bool {
    if DOUBTS.get().require_apikey { REQUIRE_APIKEY_IN_DOUBT.get() } else { REQUIRE_APIKEY.get() }
}

/// `pg_bearer.http_permissions`; `None` in doubt.
pub(in crate::pg) fn http_permissions() -> Option<String> {
    let setting = if DOUBTS.get().permissions { &PERMISSIONS_IN_DOUBT } else { &PERMISSIONS };
    text(setting).and_then(|list| list.into_string().ok())
}

/// The role that such a request goes on as, `None` for nobody's; empty: that in which it came. `None` in doubt.
pub(in crate::pg) fn http_role(kind: Option<Kind>) -> Option<CString> {
    let at = match kind {
        None => 0,
        Some(Kind::Jwt | Kind::ActAs) => 1,
        Some(Kind::ApiKey) => 2,
        Some(Kind::Service) => 3,
    };
    let doubted = DOUBTS.get().roles.get(at).copied().unwrap_or(true);
    text(if doubted { ROLES_IN_DOUBT.get(at) } else { ROLES.get(at) }?)
}

fn text(setting: &Text) -> Option<CString> {
    setting.get().filter(|text| text.as_c_str() != IN_DOUBT)
}

pub(super) fn define() {
    let mut doubts = Doubts::default();
    let define_text = |name: &'static CStr, about, more, setting: &'static Text, in_doubt: &'static Text| {
        let doubted = carrier::was_set_by_session(name);
        let setting = if doubted { in_doubt } else { setting };
        GucRegistry::define_string_guc(name, about, more, setting, GucContext::Suset, GucFlags::default());
        doubted
    };
    doubts.headers = define_text(
        c"pg_bearer.credential_headers",
        c"The HTTP headers in which auth.pre_request() looks for a credential.",
        c"Names between commas. Where there is x-credential, authorization is not looked at.",
        &CREDENTIAL_HEADERS,
        &CREDENTIAL_HEADERS_IN_DOUBT,
    );
    doubts.permissions = define_text(
        c"pg_bearer.http_permissions",
        c"The endpoints that auth.pre_request() lets pass, with the permission that each takes.",
        c"Between commas: /invoices, /bills = invoices, /rpc/send = mail.send, /rpc/health =. Empty: all, without one.",
        &PERMISSIONS,
        &PERMISSIONS_IN_DOUBT,
    );
    let require = c"pg_bearer.require_apikey";
    doubts.require_apikey = carrier::was_set_by_session(require);
    GucRegistry::define_bool_guc(
        require,
        c"auth.pre_request() refuses requests without an API key; a publishable one is enough.",
        c"A token for the role anon counts as one.",
        if doubts.require_apikey { &REQUIRE_APIKEY_IN_DOUBT } else { &REQUIRE_APIKEY },
        GucContext::Suset,
        GucFlags::default(),
    );
    let roles = [
        (
            c"pg_bearer.http_anonymous_role",
            c"The role to which auth.pre_request() switches for a request of nobody.",
        ),
        (
            c"pg_bearer.http_user_role",
            c"The role to which auth.pre_request() switches for a request of a user.",
        ),
        (
            c"pg_bearer.http_key_role",
            c"The role to which auth.pre_request() switches for a request with an API key.",
        ),
        (
            c"pg_bearer.http_service_role",
            c"The role to which auth.pre_request() switches for a request of a service.",
        ),
    ];
    let settings = ROLES.iter().zip(&ROLES_IN_DOUBT);
    for (((name, about), (setting, in_doubt)), doubted) in
        roles.into_iter().zip(settings).zip(&mut doubts.roles)
    {
        *doubted = define_text(name, about, c"Empty: it stays in its role.", setting, in_doubt);
    }
    DOUBTS.set(doubts);
}
