//! What docs/postgrest.md says, done.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::postgrest::Postgrest;
use pg_bearer_tests::token::*;

const PAGE: &str = include_str!("../../../docs/postgrest.md");

#[test]
fn what_the_page_sets_up_works() {
    let db = Database::new();
    let mut admin = db.superuser();
    let script: String =
        PAGE.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    admin.run(&script);
    let postgrest = Postgrest::start(&db, "authenticator", "web_anon", "web_user", "api");
    assert_eq!(postgrest.proxied("GET", "/rpc/health", &[], "").status, 200);
    assert_eq!(postgrest.proxied("GET", "/notes", &[], "").status, 401);
    let bearer = format!("Bearer {}", token_a());
    let written = postgrest.proxied("POST", "/notes", &[("Authorization", &bearer)], r#"{"body": "hello"}"#);
    assert_eq!(written.status, 201, "{written:?}");
    let bodies = |token: &str| postgrest.get("/notes?select=body", token).body;
    assert_eq!((bodies(&token_a()).as_str(), bodies(&token_b()).as_str()), (r#"[{"body":"hello"}]"#, "[]"));
    drop(postgrest);
    admin.run("drop schema api cascade; select auth.uninstall_postgrest()");
    let left = "select count(*) from pg_roles where rolname in ('authenticator', 'web_anon', 'web_user')";
    assert_eq!(admin.value(left).as_deref(), Some("0"));
}
