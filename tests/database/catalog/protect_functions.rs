//! Functions of schema auth_internal: the parts of `auth.protect()`, as in `functions.rs`.

pub(super) const PROTECT_FUNCTIONS: &[(&str, &str)] = &[
    (
        "public bearer_owner",
        "auth_internal.protection_advice(oid, jsonb) TABLE(statement text): stable unsafe sql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_changes(oid, jsonb, jsonb) TABLE(part text, statement text): stable unsafe plpgsql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_columns(oid, jsonb) TABLE(kind text, name name, number smallint, type oid, operand text, own_default text, floor text, present_default text, fillable boolean): stable unsafe sql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_demand_columns(regclass, jsonb) void: stable unsafe plpgsql",
    ),
    ("public bearer_owner", "auth_internal.protection_demand_owner(regclass) void: stable unsafe plpgsql"),
    ("public bearer_owner", "auth_internal.protection_demand_table(regclass) void: stable unsafe plpgsql"),
    (
        "public bearer_owner",
        "auth_internal.protection_index(oid, jsonb, name) TABLE(action text, statement text): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.protection_is_intact(oid, jsonb) boolean: stable unsafe sql"),
    ("public bearer_owner", "auth_internal.protection_is_small(oid) boolean: stable unsafe sql"),
    (
        "public bearer_owner",
        "auth_internal.protection_key_suggestions(oid, jsonb) TABLE(statement text): stable unsafe sql",
    ),
    ("public bearer_owner", "auth_internal.protection_memory(text) jsonb: immutable unsafe sql"),
    ("public bearer_owner", "auth_internal.protection_name(text) text: immutable unsafe sql"),
    ("public bearer_owner", "auth_internal.protection_of(oid) jsonb: stable unsafe sql"),
    (
        "public bearer_owner",
        "auth_internal.protection_organization(regclass, name) name: stable unsafe plpgsql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_plan(oid, jsonb, name) TABLE(part text, statement text): stable unsafe sql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_policies(oid, jsonb) TABLE(policy name, command \"char\", verb text, roles oid[], using_test text, check_test text): stable unsafe sql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_policy_changes(oid, jsonb, text) TABLE(statement text): stable unsafe plpgsql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_removal(oid) TABLE(action text, statement text): stable unsafe sql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_settings(regclass, name, name, name, name, text, name[], boolean, boolean) jsonb: stable unsafe plpgsql",
    ),
    (
        "public bearer_owner",
        "auth_internal.protection_suggestions(oid, jsonb) TABLE(statement text): stable unsafe sql",
    ),
    ("public bearer_owner", "auth_internal.protection_table_test(oid) text: stable unsafe sql"),
    ("public bearer_owner", "auth_internal.protection_test(oid, jsonb, boolean) text: stable unsafe sql"),
    ("public bearer_owner", "auth_internal.refuse_protection(text, text) void: volatile unsafe plpgsql"),
];
