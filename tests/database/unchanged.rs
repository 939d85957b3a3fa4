//! What pg_bearer leaves as it is: it sees every utility command and every message of the server pass.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::error::ErrorPosition;

#[test]
fn errors_of_utility_commands_keep_their_position_context_and_names() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("load 'pg_bearer'; create table codes (code int constraint small check (code < 10))");
    let mut error = |sql: &str| session.batch_execute(sql).unwrap_err().as_db_error().unwrap().clone();

    let unknown = error("create table t (a nonsense)");
    assert_eq!(unknown.position(), Some(&ErrorPosition::Original(19)));
    assert_eq!(unknown.routine(), Some("typenameType"));

    let raised = error("do $$ begin raise exception 'x' using constraint = 'c', column = 'd'; end $$");
    assert_eq!((raised.constraint(), raised.column()), (Some("c"), Some("d")));
    assert_eq!(raised.where_(), Some("PL/pgSQL function inline_code_block line 1 at RAISE"));

    let checked = error("copy codes from program 'echo 11'");
    assert_eq!(
        (checked.schema(), checked.table(), checked.constraint()),
        (Some("public"), Some("codes"), Some("small"))
    );
    assert_eq!(checked.where_(), Some("COPY codes, line 1: \"11\""));

    let inner = error("do $$ begin execute 'select * from nowhere'; end $$");
    assert_eq!(
        inner.position(),
        Some(&ErrorPosition::Internal { position: 15, query: "select * from nowhere".into() })
    );
}

/// The message and the hint of a statement that must fail.
fn hint(session: &mut postgres::Client, sql: &str) -> (String, Option<String>) {
    let error = session.batch_execute(sql).unwrap_err();
    let error = error.as_db_error().unwrap();
    (error.message().to_owned(), error.hint().map(str::to_owned))
}

#[test]
fn hints_are_as_they_were_but_for_functions_of_ours_that_are_missing() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("load 'pg_bearer'; create schema my_auth; create type auth_like as (a int)");
    let postgres = hint(&mut session, "select nowhere()").1;
    assert!(
        postgres
            .as_deref()
            .is_some_and(|hint| hint.starts_with("No function matches") && hint.ends_with("casts."))
    );
    for call in ["my_auth.nowhere(1)", "public.nowhere(null::auth.issuers)", "\"x.auth.nowhere\"()"] {
        assert_eq!(hint(&mut session, &format!("select {call}")).1, postgres, "{call}");
    }
    let operator = hint(&mut session, "select null::auth.issuers + 1");
    assert_eq!(operator.0, "operator does not exist: auth.issuers + integer");
    assert!(operator.1.is_some_and(|hint| !hint.contains("ALTER EXTENSION")));
    assert_eq!(hint(&mut session, "select * from auth.nowhere").1, None);
    assert_eq!(
        hint(&mut session, "select auth.has_scope('x'::text) + 1").1,
        hint(&mut session, "select true + 1").1
    );
    // Raised by others: the code and the text decide, in whatever language.
    let raise = |code: &str, message: &str, hint: &str| {
        format!(
            "do $$ begin raise exception using errcode = '{code}', message = '{message}', hint = '{hint}'; end $$"
        )
    };
    let update = "If the package was upgraded, run ALTER EXTENSION pg_bearer UPDATE.";
    let german = "Funktion auth.neu(integer) existiert nicht";
    let long = "x".repeat(9000);
    for (code, message, given, expected) in [
        ("42883", german, "", update),
        ("42883", german, "Wie bitte?", &*format!("Wie bitte? {update}")),
        ("42883", "関数auth.neu(integer)は存在しません", "?", &*format!("? {update}")),
        ("42883", german, update, update),
        ("42883", german, &*long, &*long),
        ("42883", "auth.neu", "x", "x"),
        ("42P01", german, "x", "x"),
        ("P0001", german, "x", "x"),
    ] {
        let found = hint(&mut session, &raise(code, message, given));
        assert_eq!(found, (message.to_owned(), Some(expected.to_owned())), "{code} {message} {given}");
    }
    // Caught, and the next one as it is.
    session.run("do $$ begin perform auth.neu(); exception when undefined_function then null; end $$");
    assert_eq!(hint(&mut session, "select nowhere()").1, postgres);
}
