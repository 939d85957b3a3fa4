//! What is stored for PostgREST, and the roles of its requests.

use super::cases::Case;
use super::{assert_codes, findings, prepared};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;

/// A statement that names the database.
macro_rules! of_database {
    ($statement:literal) => {
        concat!("do $$begin execute format('", $statement, "', current_database()); end$$;")
    };
}

/// PostgREST's login and a role of its requests, as they should be, and something more.
macro_rules! served {
    ($more:literal) => {
        concat!(
            "create role lint_web; create role lint_login login noinherit in role lint_web;
             alter role lint_login set log_parameter_max_length = 0;",
            of_database!("alter database %I set pg_bearer.http_user_role = lint_web"),
            $more
        )
    };
}

pub(super) const POSTGREST: &[Case] = &[
    (
        "pre_request_missing",
        "role lint_authenticator",
        "create role lint_authenticator; alter role lint_authenticator set pgrst.db_pre_request = 'app.gone'",
    ),
    (
        "pre_request_missing",
        "role lint_authenticator",
        "create role lint_authenticator; alter role lint_authenticator set pgrst.db_pre_request = '; drop table'",
    ),
    (
        "pre_request_missing",
        "database DATABASE",
        "create function app.takes(int) returns void language sql as '';
         do $$begin execute format('alter database %I set pgrst.db_pre_request = %L', current_database(), 'app.takes'); end$$",
    ),
    (
        "pre_request_other",
        "pgrst.db_pre_request of role lint_authenticator",
        "create role lint_authenticator; alter role lint_authenticator set pgrst.db_pre_request = ''",
    ),
    (
        "pre_request_other",
        "pgrst.db_pre_request of role lint_authenticator",
        "create function app.check_it(a int default 1) returns void language sql as ''; create role lint_authenticator;
         alter role lint_authenticator set pgrst.db_pre_request = '\"check_it\"'",
    ),
    (
        "postgrest_secret",
        "pgrst.jwt_secret of role lint_authenticator in database DATABASE",
        concat!("create role lint_authenticator;", of_database!("alter role lint_authenticator in database %I set pgrst.jwt_secret = x")),
    ),
    (
        "postgrest_secret",
        "pgrst.\"App_settings_JWT_SECRET\" of role \"lint app\"",
        "create role \"lint app\"; alter role \"lint app\" set pgrst.\"App_settings_JWT_SECRET\" = 'x'",
    ),
    (
        "postgrest_exposes",
        "pgrst.db_schemas of database DATABASE",
        of_database!("alter database %I set pgrst.db_schemas = ''app, auth''"),
    ),
    (
        "postgrest_exposes",
        "pgrst.db_schemas of role \"lint app\"",
        "create role \"lint app\"; alter role \"lint app\" set pgrst.db_schemas = '\"auth_internal\"'",
    ),
    (
        "postgrest_stored",
        "pgrst.db_schemas of role lint_authenticator",
        "create role lint_authenticator; alter role lint_authenticator set pgrst.db_schemas = 'app, authors'",
    ),
    (
        "postgrest_stored",
        "pgrst.db_pre_request of role lint_authenticator",
        "create role lint_authenticator; alter role lint_authenticator set pgrst.db_pre_request = 'auth.pre_request'",
    ),
    (
        "http_role_missing",
        "pg_bearer.http_key_role of database DATABASE",
        of_database!("alter database %I set pg_bearer.http_key_role = lint_gone"),
    ),
    (
        "http_role_unreachable",
        "pg_bearer.http_user_role of database DATABASE",
        concat!("create role \"lint app\";", of_database!("alter database %I set pg_bearer.http_user_role = ''lint app''")),
    ),
    ("http_role_escapes", "lint_web", served!("alter role lint_web bypassrls")),
    ("http_login_escapes", "lint_login", served!("alter role lint_login superuser")),
    ("http_login_logs", "lint_login", served!("alter role lint_login reset log_parameter_max_length")),
    ("http_login_logs", "lint_login", served!("alter role lint_login set log_parameter_max_length_on_error = -1")),
    (
        "http_login_setting",
        "statement_timeout of role lint_login",
        served!("alter role lint_login set statement_timeout = 1"),
    ),
];

#[test]
fn t185_what_is_stored_for_postgrest_is_found() {
    assert_codes(&["pre_request_other", "postgrest_secret", "postgrest_exposes", "postgrest_stored"]);
}

#[test]
fn t185_roles_of_requests_that_reach_too_far_or_nowhere_are_found() {
    assert_codes(&[
        "http_role_missing",
        "http_role_unreachable",
        "http_role_escapes",
        "http_login_escapes",
        "http_login_logs",
        "http_login_setting",
    ]);
}

#[test]
fn what_is_made_to_be_served_is_not_said_to_be_exposed() {
    let db = Database::new();
    let mut session = prepared(&db);
    for (schemas, code) in
        [("app, auth_http", "postgrest_stored"), ("app, auth_internal", "postgrest_exposes")]
    {
        session.run(&format!(
            "begin; create role lint_authenticator; alter role lint_authenticator set pgrst.db_schemas = '{schemas}'"
        ));
        let found = findings(&mut session).into_iter().map(|found| found.code);
        let found: Vec<_> = found.filter(|code| code.starts_with("postgrest_")).collect();
        session.run("rollback");
        assert_eq!(found, [code], "{schemas}");
    }
}

#[test]
fn a_role_of_requests_that_owns_a_protected_table_is_found() {
    let db = Database::new();
    let mut session = prepared(&db);
    session.run("begin");
    session.run(served!("alter table app.children owner to lint_web"));
    let found: Vec<_> = findings(&mut session).into_iter().map(|found| (found.code, found.object)).collect();
    session.run("rollback");
    let expected = [("http_role_escapes", "lint_web"), ("owner_reachable", "lint_web for lint_login")];
    assert_eq!(found, expected.map(|(code, object)| (code.to_owned(), object.to_owned())));
}
