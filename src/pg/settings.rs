//! Every setting of the extension. None that an ordinary user can set has any security meaning.

mod audit;
mod counting;
mod http;
pub(super) mod passwords;
mod sessions;
mod tickets;
mod tokens;
mod tries;

pub(super) use counting::{max_tracked_keys, usage_flush_interval};
pub(super) use http::{credential_headers, http_permissions, http_role, require_apikey};
pub(super) use tickets::max_tickets;
pub(super) use tries::max_tracked_tries;

use super::ffi::{carrier, shared};
use crate::verify::api_key::Environment;
use crate::verify::restriction::Proxies;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use std::cell::Cell;
use std::ffi::CString;

/// Read by pg_dump through the condition in `sql/tables/issuers.sql`, not by us.
static DUMP_SECRETS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Turned on by `auth.allow_changes()`, and by superusers. Whatever a client had set before the library was loaded, Postgres drops.
static ALLOW_CHANGES: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Do the guards of protected tables look away?
pub(super) fn changes_are_allowed() -> bool {
    ALLOW_CHANGES.get()
}

/// Who may create an organization. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum Creation {
    #[name = c"interactive"]
    Interactive,
    #[name = c"admin"]
    Admin,
}

/// Read by `auth.create_organization()`.
static ORGANIZATION_CREATION: GucSetting<Creation> = GucSetting::<Creation>::new(Creation::Interactive);
/// The same for a session that had a value before the library was loaded. If it was a client's, Postgres
/// drops it now, but it has hidden the value of the database.
static ORGANIZATION_CREATION_IN_DOUBT: GucSetting<Creation> = GucSetting::<Creation>::new(Creation::Admin);

/// How a tenant's administrators get members. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum Addition {
    #[name = c"direct"]
    Direct,
    #[name = c"invitation"]
    Invitation,
}

/// Read by `auth.add_member()`; in doubt as above.
static MEMBER_ADDITION: GucSetting<Addition> = GucSetting::<Addition>::new(Addition::Direct);
static MEMBER_ADDITION_IN_DOUBT: GucSetting<Addition> = GucSetting::<Addition>::new(Addition::Invitation);

pub(super) const MAX_GRANTED_MEMBERSHIPS: &str = "pg_bearer.max_granted_memberships";
pub(super) const MAX_GRANTED_BY_ONE: &str = "pg_bearer.max_granted_by_one";

/// How much others may give a user; in doubt nothing that others gave counts.
static GRANTED_MEMBERSHIPS: GucSetting<i32> = GucSetting::<i32>::new(1000);
static GRANTED_MEMBERSHIPS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static GRANTED_BY_ONE: GucSetting<i32> = GucSetting::<i32>::new(50);
static GRANTED_BY_ONE_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);

/// The two of them.
pub(super) fn max_granted() -> (usize, usize) {
    let of = |doubted: bool, setting: &GucSetting<i32>, in_doubt: &GucSetting<i32>| {
        usize::try_from(if doubted { in_doubt.get() } else { setting.get() }).unwrap_or(0)
    };
    let (all, of_one) = GRANTED_DOUBTED.get();
    (
        of(all, &GRANTED_MEMBERSHIPS, &GRANTED_MEMBERSHIPS_IN_DOUBT),
        of(of_one, &GRANTED_BY_ONE, &GRANTED_BY_ONE_IN_DOUBT),
    )
}

/// What the owner of a protected table gets when nobody is signed in.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum OwnerSees {
    #[name = c"error"]
    Error,
    #[name = c"empty"]
    Empty,
}

/// An error also where a client's value hides that of the database.
static OWNER_WITHOUT_IDENTITY: GucSetting<OwnerSees> = GucSetting::<OwnerSees>::new(OwnerSees::Error);

/// Does an owner without an identity see nothing, rather than get an error?
pub(super) fn owner_may_see_nothing() -> bool {
    OWNER_WITHOUT_IDENTITY.get() == OwnerSees::Empty
}

/// Who may create API keys. SQL compares the names.
#[derive(Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
enum KeyCreation {
    #[name = c"interactive"]
    Interactive,
    #[name = c"admin"]
    Admin,
    #[name = c"any"]
    Any,
}

/// Read by the functions in `sql/functions/api_keys/rules.sql`, as are the four after it; in doubt as above.
static API_KEY_CREATION: GucSetting<KeyCreation> = GucSetting::<KeyCreation>::new(KeyCreation::Interactive);
static API_KEY_CREATION_IN_DOUBT: GucSetting<KeyCreation> =
    GucSetting::<KeyCreation>::new(KeyCreation::Admin);
static API_KEY_MAX_AGE: GucSetting<i32> = GucSetting::<i32>::new(0);
static API_KEY_MAX_AGE_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(1);
static MAX_API_KEYS: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MAX_API_KEYS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static API_KEY_PREFIX: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"sk"));
static API_KEY_ROTATION: GucSetting<i32> = GucSetting::<i32>::new(90 * 86_400);

/// Read by the functions in `sql/functions/organizations/quotas.sql`. In doubt users create nothing.
static MAX_ORGANIZATIONS: GucSetting<i32> = GucSetting::<i32>::new(100);
static MAX_WORKSPACES: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MAX_ROLES: GucSetting<i32> = GucSetting::<i32>::new(100);
static MAX_INVITATIONS: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MAX_ORGANIZATIONS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_WORKSPACES_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_ROLES_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_INVITATIONS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Only the server's file says these; in doubt nothing is allowed and nobody trusted.
static ALLOWED_ENVIRONMENTS: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"live, test"));
static ALLOWED_ENVIRONMENTS_IN_DOUBT: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));
static TRUSTED_PROXIES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// The environments whose API keys are good on this server.
pub(super) fn allowed_environments() -> Vec<Environment> {
    let in_doubt = ALLOWED_ENVIRONMENTS_DOUBTED.get();
    let setting = if in_doubt { &ALLOWED_ENVIRONMENTS_IN_DOUBT } else { &ALLOWED_ENVIRONMENTS };
    let names = setting.get().and_then(|names| names.into_string().ok()).unwrap_or_default();
    names.split(',').filter_map(|name| Environment::from_name(name.trim())).collect()
}

/// The proxies whose word about the client's address counts.
pub(super) fn trusted_proxies() -> Proxies {
    let proxies = TRUSTED_PROXIES.get().and_then(|proxies| proxies.into_string().ok());
    Proxies::parse(&proxies.unwrap_or_default())
}

thread_local! {
    static ALLOWED_ENVIRONMENTS_DOUBTED: Cell<bool> = const { Cell::new(false) };
    static GRANTED_DOUBTED: Cell<(bool, bool)> = const { Cell::new((false, false)) };
}

/// Declares all settings and keeps the prefix for ourselves.
pub(super) fn define() {
    carrier::define();
    GucRegistry::define_bool_guc(
        c"pg_bearer.dump_secrets",
        c"Lets pg_dump include the secrets of HS256, HS384 and HS512 keys.",
        c"Off by default: whoever reads such a dump can sign tokens.",
        &DUMP_SECRETS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_bearer.allow_changes",
        c"Lets the guards of protected tables look away.",
        c"For pg_restore into a guarded database; auth.allow_changes() does it for one transaction.",
        &ALLOW_CHANGES,
        GucContext::Suset,
        GucFlags::default(),
    );
    let name = c"pg_bearer.organization_creation";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_enum_guc(
        name,
        c"Who may create organizations: interactive (every signed-in user) or admin.",
        c"admin leaves it to administrators and service credentials.",
        if in_doubt { &ORGANIZATION_CREATION_IN_DOUBT } else { &ORGANIZATION_CREATION },
        GucContext::Suset,
        GucFlags::default(),
    );
    let name = c"pg_bearer.member_addition";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_enum_guc(
        name,
        c"How users make others members: direct (auth.add_member) or by invitation only.",
        c"Services and administrators may always add members.",
        if in_doubt { &MEMBER_ADDITION_IN_DOUBT } else { &MEMBER_ADDITION },
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"pg_bearer.owner_without_identity",
        c"What the owner of a protected table gets when nobody is signed in: error, or empty, as if it had no rows.",
        c"empty is for applications whose login owns its tables.",
        &OWNER_WITHOUT_IDENTITY,
        GucContext::Suset,
        GucFlags::default(),
    );
    define_quotas();
    define_grants();
    define_api_keys();
    counting::define();
    tokens::define();
    sessions::define();
    tickets::define();
    passwords::define();
    tries::define();
    audit::define();
    http::define();
    carrier::reserve_prefix();
}

fn define_quotas() {
    for (name, about, setting, in_doubt) in [
        (
            c"pg_bearer.max_organizations",
            c"How many organizations that a user created there may be.",
            &MAX_ORGANIZATIONS,
            &MAX_ORGANIZATIONS_IN_DOUBT,
        ),
        (
            c"pg_bearer.max_workspaces",
            c"How many workspaces an organization may have.",
            &MAX_WORKSPACES,
            &MAX_WORKSPACES_IN_DOUBT,
        ),
        (
            c"pg_bearer.max_roles",
            c"How many roles of its own an organization may have.",
            &MAX_ROLES,
            &MAX_ROLES_IN_DOUBT,
        ),
        (
            c"pg_bearer.max_invitations",
            c"How many open invitations an organization may have, and a user may have made.",
            &MAX_INVITATIONS,
            &MAX_INVITATIONS_IN_DOUBT,
        ),
    ] {
        GucRegistry::define_int_guc(
            name,
            about,
            c"A user creates 10 more than that in an hour. Services and administrators are not limited.",
            if carrier::was_set_by_session(name) { in_doubt } else { setting },
            0,
            1_000_000,
            GucContext::Suset,
            GucFlags::default(),
        );
    }
}

fn define_grants() {
    let (all, of_one) = (c"pg_bearer.max_granted_memberships", c"pg_bearer.max_granted_by_one");
    let in_doubt = (carrier::was_set_by_session(all), carrier::was_set_by_session(of_one));
    GRANTED_DOUBTED.set(in_doubt);
    GucRegistry::define_int_guc(
        all,
        c"How many organizations, and how many workspaces, other users may make a user a member of without his acceptance.",
        c"More of them do not count, the youngest first. What services and administrators do is not limited.",
        if in_doubt.0 { &GRANTED_MEMBERSHIPS_IN_DOUBT } else { &GRANTED_MEMBERSHIPS },
        0,
        10_000,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        of_one,
        c"How many of these organizations one and the same user may have given; of workspaces ten times as many.",
        c"pg_bearer.max_granted_memberships is for all givers together.",
        if in_doubt.1 { &GRANTED_BY_ONE_IN_DOUBT } else { &GRANTED_BY_ONE },
        0,
        10_000,
        GucContext::Suset,
        GucFlags::default(),
    );
}

fn define_api_keys() {
    let flags = GucFlags::default();
    let name = c"pg_bearer.api_key_creation";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_enum_guc(
        name,
        c"Who may create API keys: interactive (users with api_keys.write), admin, or any (API keys too).",
        c"admin leaves it to administrators and service credentials.",
        if in_doubt { &API_KEY_CREATION_IN_DOUBT } else { &API_KEY_CREATION },
        GucContext::Suset,
        flags,
    );
    let name = c"pg_bearer.api_key_max_age";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_int_guc(
        name,
        c"The longest that a new API key may live.",
        c"0: as long as its creator likes, or for ever.",
        if in_doubt { &API_KEY_MAX_AGE_IN_DOUBT } else { &API_KEY_MAX_AGE },
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    let name = c"pg_bearer.max_api_keys";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_int_guc(
        name,
        c"How many live API keys an organization may have.",
        c"auth.set_api_key_settings() says otherwise for single organizations.",
        if in_doubt { &MAX_API_KEYS_IN_DOUBT } else { &MAX_API_KEYS },
        0,
        1_000_000,
        GucContext::Suset,
        flags,
    );
    GucRegistry::define_string_guc(
        c"pg_bearer.api_key_prefix",
        c"What new secret API keys begin with, before _live_ or _test_.",
        c"a to z, 0 to 9 and single underscores, at most 20 bytes.",
        &API_KEY_PREFIX,
        GucContext::Suset,
        flags,
    );
    GucRegistry::define_int_guc(
        c"pg_bearer.api_key_rotation",
        c"The age at which an API key is due for rotation.",
        c"0: never. The view auth.api_keys_due shows them.",
        &API_KEY_ROTATION,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    define_surroundings();
}

fn define_surroundings() {
    let name = c"pg_bearer.allowed_environments";
    let in_doubt = carrier::was_set_by_session(name);
    ALLOWED_ENVIRONMENTS_DOUBTED.set(in_doubt);
    GucRegistry::define_string_guc(
        name,
        c"The environments whose API keys are good on this server: live, test or both.",
        c"test alone refuses live keys on a staging server.",
        if in_doubt { &ALLOWED_ENVIRONMENTS_IN_DOUBT } else { &ALLOWED_ENVIRONMENTS },
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"pg_bearer.trusted_proxies",
        c"Proxies whose X-Forwarded-For says where the bearer of an API key is.",
        c"Addresses, networks and the word local for unix sockets, between commas.",
        &TRUSTED_PROXIES,
        GucContext::Sighup,
        GucFlags::default(),
    );
}

/// Postgres refuses a setting of its start that is declared later; then it has no effect on what is there from the start.
fn at_start() -> GucContext {
    if shared::is_preloading() { GucContext::Postmaster } else { GucContext::Sighup }
}
