//! What auth.install_postgrest() does not take.

use super::install::fill;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

/// Arguments, and what is said to them.
const ARGUMENTS: &[(&str, &str)] = &[
    ("authenticator => null", "authenticator and dry_run cannot be null"),
    ("dry_run => null", "authenticator and dry_run cannot be null"),
    ("anonymous_role => null", "anonymous_role, user_role and schemas cannot be null"),
    ("schemas => null", "anonymous_role, user_role and schemas cannot be null"),
    ("schemas => '{}'", "schemas is empty"),
    ("schemas => '{api,auth}'", "PostgREST cannot serve the schema auth"),
    ("schemas => '{auth_internal}'", "PostgREST cannot serve the schema auth_internal"),
    ("schemas => '{pg_catalog}'", "PostgREST cannot serve the schema pg_catalog"),
    ("schemas => '{information_schema}'", "PostgREST cannot serve the schema information_schema"),
    ("schemas => '{\"api,auth\"}'", "PostgREST cannot serve the schema \"api,auth\""),
    ("schemas => '{null}'", "PostgREST cannot serve the schema null"),
    ("user_role => 'bearer_owner'", "bearer_owner cannot be a role of PostgREST"),
    ("anonymous_role => 'bearer_users'", "bearer_users cannot be a role of PostgREST"),
    ("service_role => 'bearer_service'", "bearer_service cannot be a role of PostgREST"),
    ("user_role => 'pg_monitor'", "pg_monitor cannot be a role of PostgREST"),
    ("user_role => 'public'", "public cannot be a role of PostgREST"),
    ("anonymous_role => 'USER'", "USER has two purposes"),
    ("key_role => 'ANON'", "ANON has two purposes"),
    ("service_role => 'USER'", "USER has two purposes"),
];

const POWERFUL: &str = "is a superuser, or has BYPASSRLS, CREATEROLE, CREATEDB or REPLICATION";
const NO_LOGIN: &str = "exists, and is not what PostgREST logs in as";

/// Roles as they are, of which one is refused, and why.
const ROLES: &[(&str, &str, &str)] = &[
    ("create role LOGIN superuser login noinherit", "LOGIN", POWERFUL),
    ("create role LOGIN createrole login noinherit", "LOGIN", POWERFUL),
    ("create role USER bypassrls", "USER", POWERFUL),
    ("create role ANON replication", "ANON", POWERFUL),
    ("create role LOGIN login", "LOGIN", NO_LOGIN),
    ("create role LOGIN noinherit", "LOGIN", NO_LOGIN),
    (
        "create role LOGIN login noinherit; create table api.own (); alter table api.own owner to LOGIN",
        "LOGIN",
        "owns tables, or the database",
    ),
    (
        "create role USER; create view api.own as select 1; alter view api.own owner to USER",
        "USER",
        "owns tables, or the database",
    ),
    ("create role USER; grant table_owner to USER", "USER", "can become table_owner"),
    ("create role LOGIN login noinherit in role table_owner", "LOGIN", "can become table_owner"),
    ("create role LOGIN login noinherit in role postgres", "LOGIN", "can become postgres"),
    ("create role USER in role pg_read_all_data", "USER", "can become pg_read_all_data"),
    ("create role USER in role bearer_admin", "USER", "can become bearer_admin"),
    ("create role ANON in role bearer_service", "ANON", "can become bearer_service"),
    ("create role USER; create role ANON in role USER", "ANON", "can become USER"),
    ("create role SERVICE; create role USER in role SERVICE", "USER", "can become SERVICE"),
];

#[test]
fn t581_roles_and_schemas_that_reach_past_policies_are_refused() {
    let db = Database::new();
    let mut admin = db.superuser();
    let usual = [("authenticator", "LOGIN"), ("anonymous_role", "ANON"), ("user_role", "USER")];
    for (arguments, message) in ARGUMENTS {
        let rest = usual.iter().filter(|(name, _)| !arguments.starts_with(name));
        let rest: String = rest.map(|(name, role)| format!(", {name} => '{role}'")).collect();
        let found = admin.refused(&fill(&db, &format!("select auth.install_postgrest({arguments}{rest})")));
        assert_eq!(found, fill(&db, &format!("22023 {message}")), "{arguments}");
    }
    admin.run("create schema api");
    for (prepare, role, message) in ROLES {
        admin.run("begin");
        admin.run(&fill(&db, prepare));
        let install =
            "select auth.install_postgrest('{api}', 'LOGIN', 'ANON', 'USER', service_role => 'SERVICE')";
        let found = admin.refused(&fill(&db, install));
        admin.run("rollback");
        assert_eq!(found, fill(&db, &format!("22023 role {role} {message}")), "{prepare}");
    }
}

#[test]
fn only_superusers_install_and_uninstall() {
    let db = Database::new();
    for call in ["install_postgrest()", "uninstall_postgrest()"] {
        let refused = db.connect("administrator").refused(&format!("select auth.{call}"));
        assert_eq!(refused, "42501 only superusers make and take away what PostgREST needs");
        assert!(db.tenant().refused(&format!("select auth.{call}")).starts_with("42501 permission denied"));
    }
    let found = db.superuser().refused("select auth.uninstall_postgrest(null)");
    assert_eq!(found, "22023 authenticator and dry_run cannot be null");
}
