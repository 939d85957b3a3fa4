//! pg_bearer verifies bearer credentials inside PostgreSQL and keeps tenants apart with row-level
//! security. `verify` decides, `pg` translates, `sql` remembers; see ARCHITECTURE.md.

mod pg;
mod verify;

use pgrx::prelude::*;

::pgrx::pg_module_magic!(name, version);

extension_sql_file!("../sql/install/begin.sql", name = "begin", bootstrap);
/// The schema of every SQL object; `xtask` makes its CREATE SCHEMA a plain one.
#[pg_schema]
mod auth {}

extension_sql_file!("../sql/install/raw_readers.sql", name = "raw_readers", requires = [auth]);
extension_sql_file!("../sql/install/issuers.sql", name = "issuers", requires = ["raw_readers"]);
extension_sql_file!("../sql/install/issuer_functions.sql", name = "issuer_functions", requires = ["issuers"]);
extension_sql_file!(
    "../sql/install/key_functions.sql",
    name = "key_functions",
    requires = ["issuer_functions"]
);
extension_sql_file!("../sql/install/tenancy.sql", name = "tenancy", requires = ["key_functions"]);
extension_sql_file!("../sql/install/tenancy_rules.sql", name = "tenancy_rules", requires = ["tenancy"]);
extension_sql_file!(
    "../sql/install/organization_functions.sql",
    name = "organization_functions",
    requires = ["tenancy_rules"]
);
extension_sql_file!(
    "../sql/install/member_functions.sql",
    name = "member_functions",
    requires = ["organization_functions"]
);
extension_sql_file!(
    "../sql/install/workspace_functions.sql",
    name = "workspace_functions",
    requires = ["member_functions"]
);
extension_sql_file!(
    "../sql/install/role_functions.sql",
    name = "role_functions",
    requires = ["workspace_functions"]
);
extension_sql_file!(
    "../sql/install/invitation_functions.sql",
    name = "invitation_functions",
    requires = ["role_functions"]
);
extension_sql_file!(
    "../sql/install/source_functions.sql",
    name = "source_functions",
    requires = ["invitation_functions"]
);
extension_sql_file!("../sql/install/api_keys.sql", name = "api_keys", requires = ["source_functions"]);
extension_sql_file!("../sql/install/usage.sql", name = "usage", requires = ["api_keys"]);
extension_sql_file!("../sql/install/api_key_rules.sql", name = "api_key_rules", requires = ["usage"]);
extension_sql_file!(
    "../sql/install/api_key_functions.sql",
    name = "api_key_functions",
    requires = ["api_key_rules"]
);
extension_sql_file!(
    "../sql/install/api_key_lists.sql",
    name = "api_key_lists",
    requires = ["api_key_functions"]
);
extension_sql_file!("../sql/install/sandbox.sql", name = "sandbox", requires = ["api_key_lists"]);
extension_sql_file!("../sql/install/protect_policies.sql", name = "protect_policies", requires = ["sandbox"]);
extension_sql_file!(
    "../sql/install/protect_changes.sql",
    name = "protect_changes",
    requires = ["protect_policies"]
);
extension_sql_file!(
    "../sql/install/protect_suggestions.sql",
    name = "protect_suggestions",
    requires = ["protect_changes"]
);
extension_sql_file!("../sql/install/protect.sql", name = "protect", requires = ["protect_suggestions"]);
extension_sql_file!("../sql/install/lint_facts.sql", name = "lint_facts", requires = ["protect"]);
extension_sql_file!("../sql/install/lint_policies.sql", name = "lint_policies", requires = ["lint_facts"]);
extension_sql_file!("../sql/install/lint_tables.sql", name = "lint_tables", requires = ["lint_policies"]);
extension_sql_file!("../sql/install/lint_keys.sql", name = "lint_keys", requires = ["lint_tables"]);
extension_sql_file!("../sql/install/lint_relations.sql", name = "lint_relations", requires = ["lint_keys"]);
extension_sql_file!("../sql/install/lint_roles.sql", name = "lint_roles", requires = ["lint_relations"]);
extension_sql_file!("../sql/install/lint.sql", name = "lint", requires = ["lint_roles"]);
extension_sql_file!("../sql/install/explain_rules.sql", name = "explain_rules", requires = ["lint"]);
extension_sql_file!(
    "../sql/install/explain_functions.sql",
    name = "explain_functions",
    requires = ["explain_rules"]
);
extension_sql_file!(
    "../sql/install/isolation_functions.sql",
    name = "isolation_functions",
    requires = ["explain_functions"]
);
extension_sql_file!("../sql/install/finish.sql", name = "finish", finalize);

/// Called by Postgres when a backend loads the library.
#[pg_guard]
extern "C-unwind" fn _PG_init() {
    pg::init();
}
