//! Functions of schema auth_internal: the guards of protected tables, as in `functions.rs`.

pub(super) const GUARD_FUNCTIONS: &[(&str, &str)] = &[
    ("bearer_owner", "auth_internal.command_changes(pg_ddl_command) text[]: volatile unsafe c"),
    ("", "auth_internal.guard_changes() event_trigger: volatile unsafe definer plpgsql"),
    ("public bearer_owner", "auth_internal.demand_superuser(text, text) void: stable unsafe plpgsql"),
    ("bearer_owner", "auth_internal.guard_column(oid) name: stable unsafe sql"),
    ("", "auth_internal.guard_drops() event_trigger: volatile unsafe definer plpgsql"),
    (
        "bearer_owner",
        "auth_internal.guard_index(name, name) TABLE(fault text, repair text): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.guard_is_off() boolean: volatile unsafe strict c"),
    (
        "bearer_owner",
        "auth_internal.guard_lost(oid, name[]) TABLE(fault text, repair text): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.guard_new_table(oid, text, boolean, text[]) TABLE(fault text, repair text): volatile unsafe plpgsql",
    ),
    ("bearer_owner", "auth_internal.guard_owner(oid) TABLE(fault text, repair text): stable unsafe sql"),
    ("bearer_owner", "auth_internal.guard_parents(oid) TABLE(fault text, repair text): stable unsafe sql"),
    ("bearer_owner", "auth_internal.guard_policy(oid) TABLE(fault text, repair text): stable unsafe sql"),
    ("bearer_owner", "auth_internal.guard_table(oid) TABLE(fault text, repair text): stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.guard_triggers() TABLE(name name, event text, function name): immutable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_guards() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.protect_as_owner(oid, jsonb) boolean: volatile unsafe strict c"),
    ("bearer_owner", "auth_internal.protection_call(oid, jsonb) text: stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.protection_faults(oid, jsonb) TABLE(fault text, repair text): stable unsafe sql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_kinds() TABLE(name name, command \"char\", verb text): immutable unsafe sql",
    ),
    ("public bearer_owner", "auth_internal.protection_policy_names() name[]: immutable unsafe sql"),
    ("bearer_owner", "auth_internal.protection_repeated(oid, jsonb) void: volatile unsafe plpgsql"),
    ("public bearer_owner", "auth_internal.protection_role_names(jsonb) name[]: stable unsafe sql"),
    ("bearer_owner", "auth_internal.protection_run(oid, jsonb) integer: volatile unsafe plpgsql"),
    ("bearer_owner", "auth_internal.refuse_command(text, text) void: volatile unsafe plpgsql"),
    ("public bearer_owner", "auth_internal.run_protection(oid, jsonb) boolean: volatile unsafe strict c"),
    (
        "bearer_owner",
        "auth_internal.table_ancestors(oid) TABLE(ancestor oid, level integer): stable unsafe sql",
    ),
];
