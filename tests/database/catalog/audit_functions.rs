//! The functions of the audit log, as in `functions.rs`.

pub(super) const AUDIT_FUNCTIONS: &[(&str, &str)] = &[
    (
        "public",
        "auth.list_audit_log(uuid, text, text, timestamp with time zone, timestamp with time zone, integer) TABLE(id uuid, occurred_at timestamp with time zone, action text, org_id uuid, target text, target_user_id text, user_id text, credential text, api_key_id uuid, session_id text, issuer text, actor text, database_role text, environment text, client_addr inet, stated_addr text, details jsonb, request_id text): stable unsafe definer sql",
    ),
    ("bearer_admin", "auth.purge_audit_log(interval) bigint: volatile unsafe definer plpgsql"),
    ("bearer_owner", "auth_internal.audit(text, uuid, text, text, jsonb) void: volatile unsafe plpgsql"),
    ("bearer_owner", "auth_internal.audit_actions() TABLE(action text, level text): immutable unsafe sql"),
    ("", "auth_internal.audit_command(text, text) void: volatile unsafe definer plpgsql"),
    ("bearer_owner", "auth_internal.audit_key(text, auth.api_keys) void: volatile unsafe sql"),
    ("bearer_owner", "auth_internal.audit_level(text) text: immutable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.audit_rows(uuid, text, text, timestamp with time zone, timestamp with time zone, integer) SETOF auth.audit_log: stable unsafe plpgsql",
    ),
    ("bearer_owner", "auth_internal.audited_keys(uuid) jsonb: stable unsafe sql"),
    ("bearer_owner", "auth_internal.audited_role(integer, text[]) jsonb: immutable unsafe sql"),
    ("bearer_owner", "auth_internal.changed_members(jsonb, jsonb) jsonb: immutable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.forget_audit_rows(timestamp with time zone, integer) bigint: volatile unsafe plpgsql",
    ),
    ("bearer_owner", "auth_internal.is_enabled(text, uuid) boolean: stable unsafe sql"),
    ("bearer_owner", "auth_internal.outer_user_name() text: stable unsafe strict c"),
    ("bearer_owner", "auth_internal.protection_undo(oid) integer: volatile unsafe plpgsql"),
    ("public bearer_owner", "auth_internal.run_unprotection(oid) boolean: volatile unsafe strict c"),
    ("bearer_owner", "auth_internal.stated_address() text: stable unsafe strict c"),
    ("bearer_owner", "auth_internal.stated_request_id() text: stable unsafe strict c"),
];
