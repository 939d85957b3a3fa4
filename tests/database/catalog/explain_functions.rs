//! Acting as somebody and explaining access, as `functions.rs` lists the others.

pub(super) const EXPLAIN_FUNCTIONS: &[(&str, &str)] = &[
    ("bearer_admin", "act_as(jsonb) jsonb: volatile unsafe c"),
    (
        "bearer_admin",
        "explain_access(regclass, text, text, jsonb, jsonb, name, text) TABLE(policy name, applies boolean, kind text, expression text, verdict text, functions jsonb, conclusion text): volatile unsafe definer plpgsql",
    ),
    (
        "bearer_admin",
        "rows_visible_to(regclass, jsonb, name, text) TABLE(visible jsonb): volatile unsafe definer plpgsql",
    ),
    ("bearer_admin", "assert_isolated(regclass, name, name, text) text: volatile unsafe definer plpgsql"),
    ("bearer_owner", "asked_role(regclass, name) oid: stable unsafe plpgsql"),
    ("bearer_owner", "parts_of(regclass) oid[]: stable unsafe sql"),
    ("bearer_owner", "privileges_for(text) text[]: immutable unsafe sql"),
    ("bearer_owner", "missing_grants(regclass, oid, text) text: stable unsafe sql"),
    ("bearer_owner", "column_grants(regclass, oid, text) text: stable unsafe sql"),
    ("bearer_owner", "policy_author(regclass, oid) oid: stable unsafe sql"),
    ("bearer_owner", "policy_bypass(regclass, oid) text: stable unsafe sql"),
    (
        "bearer_owner",
        "policy_steps(text) TABLE(step bigint, policies text, cmd text, clause text, purpose text): immutable unsafe sql",
    ),
    ("bearer_owner", "call_reason(text, jsonb, jsonb) text: immutable unsafe sql"),
    (
        "bearer_owner",
        "policy_reading(oid, oid, text, jsonb, jsonb, text[], jsonb, text) jsonb: volatile unsafe plpgsql",
    ),
    ("bearer_owner", "verdict_text(jsonb) text: immutable unsafe sql"),
    ("bearer_owner", "reading_words(jsonb) text: immutable unsafe sql"),
    ("bearer_owner", "access_verdict(text, name, jsonb, boolean) text: immutable unsafe plpgsql"),
    ("bearer_owner", "asked_row(regclass, text, jsonb) jsonb: volatile unsafe plpgsql"),
    ("bearer_owner", "assumed_defaults(regclass, oid, text, jsonb, text) jsonb: volatile unsafe plpgsql"),
    ("bearer_owner", "compared_with(text, text[], jsonb) jsonb: immutable unsafe sql"),
    ("bearer_owner", "organization_column(regclass, name) name: volatile unsafe plpgsql"),
    ("bearer_owner", "policy_condition(regclass, oid, text, text, jsonb) text: stable unsafe sql"),
    (
        "bearer_owner",
        "try_isolation(regclass, oid, name, text, jsonb, jsonb, jsonb, text) boolean: volatile unsafe plpgsql",
    ),
    ("bearer_owner", "described_identity(text, jsonb) TABLE(refusal text, shown jsonb): volatile unsafe c"),
    ("bearer_owner", "may_run_as(oid) boolean: volatile unsafe strict c"),
    (
        "bearer_owner",
        "answers_for(oid, oid, text, jsonb, text[], text) TABLE(query integer, value text, state text, failure text): volatile unsafe c",
    ),
    (
        "bearer_owner",
        "calls_in(text, oid) TABLE(call text, called text, arguments text[], uses_columns boolean): volatile unsafe c",
    ),
    (
        "bearer_owner",
        "stored_rows(oid, oid[], jsonb, text, integer) TABLE(value text, row_values jsonb): volatile unsafe c",
    ),
];
