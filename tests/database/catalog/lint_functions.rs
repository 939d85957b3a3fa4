//! Functions of schema auth_internal: the parts of `auth.lint()`, as in `functions.rs`.

pub(super) const LINT_FUNCTIONS: &[(&str, &str)] = &[
    (
        "bearer_owner",
        "auth_internal.lint_administrators() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.lint_clauses(\"char\", text, text, text) text: immutable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.lint_environment_columns() TABLE(source oid, name name): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.lint_environment_test(oid, name) text: stable unsafe sql"),
    ("bearer_owner", "auth_internal.lint_escapes(oid, oid) boolean: stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.lint_expressions(oid[]) TABLE(policy oid, source oid, name name, command \"char\", permissive boolean, checks boolean, expression text, code text, nodes text, calls oid[]): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_foreign_keys(oid[], oid[], smallint[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_functions(oid[], oid[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_granted() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe plpgsql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_grants(oid[], oid[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.lint_keeper(oid, oid[]) text: stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.lint_open_tables(oid[], oid[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_operators(oid[], oid[], smallint[]) TABLE(policy oid, names text, stranger name, takes_org boolean): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_policies(oid[], oid[], smallint[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_policy_facts(oid[], oid[], smallint[]) TABLE(policy oid, source oid, command \"char\", permissive boolean, has_org boolean, object text, alter_policy text, using_text text, check_text text, using_true boolean, check_true boolean, reads_setting boolean, reads_metadata boolean, null_matches boolean, goes_by_role boolean, using_asks boolean, check_asks boolean, always_asks boolean, asks_identity boolean, asks_environment boolean, reads_itself boolean, environment name, predicate text, calls oid[]): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.lint_predicate(oid, smallint, name) text: stable unsafe sql"),
    ("bearer_owner", "auth_internal.lint_protected(oid[]) TABLE(relation oid, base oid): stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.lint_quotas() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe plpgsql",
    ),
    ("bearer_owner", "auth_internal.lint_readers(name[]) oid[]: stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.lint_replication() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe plpgsql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_role_names() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_roles(oid[], oid[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.lint_schemas(name[]) oid[]: stable unsafe plpgsql"),
    (
        "bearer_owner",
        "auth_internal.lint_tables(oid[], oid[], smallint[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_takes_column(text, oid[], smallint) boolean: immutable unsafe plpgsql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_unchecked_foreign_keys(oid[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_unique_keys(oid[], oid[], smallint[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_views(oid[], oid[]) TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_issuers() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_signing_keys() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_our_roles() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
    ("bearer_owner", "auth_internal.our_roles() TABLE(name text, role_oid oid): stable unsafe sql"),
    (
        "bearer_owner",
        "auth_internal.role_members() TABLE(role name, member name, can_admin boolean, revoke_admin text, revoke_all text): stable unsafe sql",
    ),
    (
        "bearer_owner",
        "auth_internal.lint_users() TABLE(code text, severity text, object text, message text, fix text, owner oid): stable unsafe sql",
    ),
];
