//! Columns of tables that Rust does not read, as in `layout.rs`.

pub(super) const AUDIT_LOG: (&str, &[&str]) = (
    "audit_log",
    &[
        "id uuid",
        "occurred_at timestamp with time zone",
        "action text",
        "org_id uuid null",
        "target text null",
        "target_user_id text \"C\" null",
        "user_id text \"C\" null",
        "credential text null",
        "api_key_id uuid null",
        "session_id text null",
        "issuer text null",
        "actor text null",
        "database_role text",
        "environment text null",
        "client_addr inet null",
        "stated_addr text null",
        "details jsonb",
    ],
);
