//! t540: authenticating beside a query, in the same statement.

use super::pages::HTTP_DRIVERS;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use std::sync::{Arc, Mutex};

/// The same rows three times: three of A, two of B.
const TABLES: &str = "
create table plain (id int, org_id uuid not null);
create table parts (id int, org_id uuid not null) partition by list (org_id);
create table parts_a partition of parts for values in ('0a000000-0000-4000-8000-00000000000a');
create table parts_b partition of parts for values in ('0b000000-0000-4000-8000-00000000000b');
insert into plain select n, case when n <= 3 then '0a000000-0000-4000-8000-00000000000a'
                                 else '0b000000-0000-4000-8000-00000000000b' end::uuid from generate_series(1, 5) n;
insert into parts select * from plain;
grant select on plain, parts to tenant;
";

#[test]
fn t540_authenticating_beside_a_query_shows_nothing_of_others() {
    let db = Database::new();
    let mut admin = db.superuser();
    admin.run(TABLES);
    admin.run("select auth.protect('plain'); select auth.protect('parts')");
    let mut session = db.tenant();
    let forms: Vec<&str> =
        HTTP_DRIVERS.in_language("sql no")[0].lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(forms.len(), 3, "{forms:?}");
    let mut seen = Vec::new();
    for table in ["plain", "parts"] {
        for form in &forms {
            let sql = form.replace("invoices", table).replace("$1", &format!("'{}'", token_a()));
            seen.push(session.value(sql.split(';').next().unwrap()).unwrap());
            assert_eq!(session.value("select auth.identity()"), None, "{form}");
        }
    }
    // What the plan allows of one's own, and nothing of partitions.
    assert_eq!(seen, ["0", "3", "3", "0", "0", "0"]);
    // The order of a join decides.
    let read_first = format!(
        "select count(*) from plain left join lateral (select auth.authenticate('{}') offset 0) a on true",
        token_a()
    );
    assert_eq!(session.value(&read_first).as_deref(), Some("0"));
}

#[test]
fn a_function_that_authenticates_first_shows_everything_of_one_s_own_and_is_not_warned() {
    let db = Database::new();
    let mut admin = db.superuser();
    admin.run(TABLES);
    admin.run("select auth.protect('plain'); select auth.protect('parts'); create table invoices (id int, amount numeric)");
    admin.run(&HTTP_DRIVERS.in_language("sql").concat());
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let mut config = db.config("tenant");
    config.notice_callback(move |notice| heard.lock().unwrap().push(notice.message().to_owned()));
    let mut session = config.connect(postgres::NoTls).unwrap();
    for table in ["plain", "parts"] {
        let query = format!("select count(*) from {table}");
        let row = session.query_one("select app.as_user($1, $2)::text", &[&token_a(), &query]).unwrap();
        assert_eq!(row.get::<_, String>(0), r#"[{"count": 3}]"#, "{table}");
        assert_eq!(session.value("select auth.identity()"), None);
    }
    assert_eq!(*warnings.lock().unwrap(), [""; 0]);
}
