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
