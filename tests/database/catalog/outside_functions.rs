//! What sign-in asks of the world outside, as in `functions.rs`.

pub(super) const OUTSIDE_FUNCTIONS: &[(&str, &str)] = &[
    ("bearer_owner", "auth_internal.call_hook(oid, jsonb) jsonb: volatile unsafe c"),
    ("bearer_owner", "auth_internal.client_network() text: stable unsafe strict c"),
    ("bearer_owner", "auth_internal.demand_hook_owner(oid) void: stable unsafe strict c"),
    ("bearer_owner", "auth_internal.in_hook() boolean: volatile unsafe strict c"),
    ("bearer_owner", "auth_internal.take_try(text, text, integer, interval) integer: volatile unsafe c"),
    ("bearer_owner", "auth_internal.current_hook(text) jsonb: stable unsafe strict c"),
    ("bearer_owner", "auth_internal.read_users(text, jsonb) jsonb: stable unsafe strict c"),
    ("bearer_owner", "auth_internal.write_user(text, jsonb) jsonb: volatile unsafe strict c"),
];
