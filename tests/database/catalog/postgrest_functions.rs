//! Functions of schema auth_internal: what PostgREST needs, and what lint says about it, as in `functions.rs`.

pub(super) const POSTGREST_FUNCTIONS: &[(&str, &str)] = &[
    ("bearer_owner", "auth_internal.demand_postgrest(name, boolean) void: stable unsafe plpgsql"),
    ("bearer_owner", "auth_internal.may_be_served(name) boolean: immutable unsafe sql"),
    ("bearer_owner", "auth_internal.demand_postgrest_roles(name[], name[]) void: stable unsafe plpgsql"),
    (
        "bearer_owner",
        "auth_internal.lint_http_roles() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_postgrest() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_pre_requests() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.percent_encoded(text) text: immutable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.postgrest_advice(name[], name[]) TABLE(action text, line text): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.postgrest_keepers(oid, oid[]) text: stable unsafe sql"),
    ("bearer_owner", "auth_internal.postgrest_mark(name) text: immutable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.postgrest_name_faults(name[], name[]) TABLE(place integer, message text, hint text): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.postgrest_plan(name[], name[]) TABLE(statement text): stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.postgrest_removal(name) TABLE(place integer, action text, line text): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.postgrest_role_faults(name[]) TABLE(place integer, message text, hint text): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.postgrest_roles(name[]) TABLE(place integer, setting text, role name, role_oid oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.postgrest_settings() TABLE(setting text, role name, role_oid oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.stored_for_postgrest() TABLE(setting text, value text, object text, fix text): stable unsafe sql",
    ),
];
