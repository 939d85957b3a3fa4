//! What each page promises, by its own code.

use super::world::{Page, World};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::postgrest::Postgrest;
use serde_json::{Value, json};

const PSYCOPG: Page =
    Page { text: include_str!("../../../docs/clients/psycopg.md"), program: "psycopg_page.py" };
const NODE_POSTGRES: Page =
    Page { text: include_str!("../../../docs/clients/node-postgres.md"), program: "node_postgres_page.mjs" };
const POSTGREST_JS: Page =
    Page { text: include_str!("../../../docs/clients/postgrest-js.md"), program: "postgrest_js_page.mjs" };
pub(super) const HTTP_DRIVERS: Page =
    Page { text: include_str!("../../../docs/clients/http-drivers.md"), program: "http_drivers_page.mjs" };

const REASON: &str = "The reason is in the server log; administrators can ask auth.explain_credential(text).";
const WAIT: &str = "Try again in 3600 seconds.";

/// Asserts that a program said exactly this.
fn assert_said(said: &Value, expected: &Value) {
    for (what, value) in expected.as_object().unwrap() {
        assert_eq!(&said[what], value, "{what}");
    }
    assert_eq!(said.as_object().unwrap().len(), expected.as_object().unwrap().len(), "{said}");
}

#[test]
fn what_the_page_on_psycopg_says_is_so() {
    let world = World::new(&["tenant"]);
    let url = format!(
        "postgresql:///{}?host={}&port=6432&user=tenant",
        world.db.name,
        world.pooler.dir().display()
    );
    let said = world.run(&PSYCOPG, world.orms.python(), &[], &[("URL", &url)]);
    let refused = |class: &str, code: &str, hint: Option<&str>| json!([class, code, hint]);
    let caught =
        json!([refused("DivisionByZero", "22012", None), refused("InFailedSqlTransaction", "25P02", None)]);
    assert_said(
        &said,
        &json!({
            "example": ["100"], "outside": 0, "other": 2, "again": 0,
            "forged": refused("InvalidAuthorizationSpecification", "28000", Some(REASON)),
            "denied": refused("InsufficientPrivilege", "42501", None),
            "limited": refused("ConfigurationLimitExceeded", "53400", Some(WAIT)),
            "after errors": 0, "caught within": ["a statement had failed: the transaction is rolled back", caught],
            "savepoint": 2, "without autocommit": 2, "rolled back": 0
        }),
    );
}

#[test]
fn t541_what_the_page_on_node_postgres_says_is_so_and_its_pool_carries_no_identity() {
    let world = World::new(&["tenant"]);
    let said = world.run(&NODE_POSTGRES, world.orms.node(), &[("example.mjs", "invoices")], &[]);
    let denied = "new row violates row-level security policy for table \"invoices\"";
    assert_said(
        &said,
        &json!({
            "example": ["100"], "outside": 0, "other": 2, "many": ["other 2", "own 1"],
            "forged": ["28000", REASON, "the credential was refused"],
            "denied": ["42501", null, denied],
            "limited": ["53400", WAIT, "too many requests"],
            "caught within": [null, null, "a statement had failed: the transaction was rolled back"],
            "savepoint": 2, "another connection": 0,
            "broken": [null, null, "Connection terminated unexpectedly"], "afterwards": [0, 0],
            "not rolled back": 2
        }),
    );
}

#[test]
fn what_the_page_on_drivers_with_one_statement_says_is_so() {
    let mut world = World::new(&["tenant"]);
    world.admin.run(&HTTP_DRIVERS.in_language("sql").concat());
    let exports = [("example.mjs", "invoice, invoices"), ("invoices.mjs", "large")];
    let said = world.run(&HTTP_DRIVERS, world.orms.node(), &exports, &[]);
    assert_said(
        &said,
        &json!({
            "example": [{"amount": 100}, [{"amount": 100}]], "one function": ["100"], "outside": 0, "other": 2,
            "many": ["other 2", "own 1"],
            "forged": ["28000", REASON],
            "missing": ["28000", "Pass a JSON Web Token or an API key, with or without \"Bearer \" before it."],
            "denied": ["42501", null], "limited": ["53400", WAIT], "within": ["0A000", null], "afterwards": 0
        }),
    );
}

#[test]
fn what_the_page_on_postgrest_js_says_is_so() {
    // Roles belong to the server, and on this one nobody else makes these.
    let mut world = World::new(&["authenticator"]);
    let setup = include_str!("../../../docs/postgrest.md");
    let setup: String =
        setup.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    world.admin.run(&setup);
    let other = "insert into api.notes (org_id, body) select id, 'of another' from auth.organizations where name = 'other'";
    world.admin.run(other);
    let settings = POSTGREST_JS.in_language("")[0];
    let settings = format!("{settings}\n");
    let (uri, more) = settings.split_once('\n').unwrap();
    let uri = uri.strip_prefix("db-uri = \"").unwrap().trim_end_matches('"');
    let uri = uri.replace("/mydb", &format!("/{}", world.db.name));
    let uri = uri.replace("/var/run/postgresql", &world.pooler.dir().display().to_string());
    let postgrest = Postgrest::start_at(&uri, "web_anon", "web_user", "api", more);
    let socket = postgrest.socket().display().to_string();
    let environment = [("SOCKET", socket.as_str()), ("CONSTANT", postgrest.constant())];
    let said =
        world.run(&POSTGREST_JS, world.orms.node(), &[("example.mjs", "notes, error, status")], &environment);
    let (own, others) = (json!(["hello"]), json!(["of another"]));
    assert_said(
        &said,
        &json!({
            "example": [200, null, [{"body": "hello"}]], "other": others, "key": own,
            "many": [format!("0: {own}"), format!("1: {others}"), format!("2: {own}"), r#"3: [401,"42501",null]"#],
            "refreshed": [own, others], "forged": [401, "28000", REASON], "denied": [403, "42501"],
            "limited": [429, "53400", WAIT]
        }),
    );
    world.assert_unlogged(&[("PostgREST", &postgrest.log())]);
}
