//! The id of the HTTP request in rows.

use super::{count, newest, north, signed_in};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

const ID: &str = "4f1c9a7be0d24c6f8a31b5d07e92c164";

/// Headers of a request, and the id that they state.
pub(crate) fn stated() -> Vec<(String, Option<String>)> {
    let longest = "9".repeat(128);
    let ids = [ID, "a", "Root=1-67891233-abcdef012345678912345678", "a.b_c:d=e-f", "2026-01-01", &longest];
    let good = ids.iter().map(|id| (json!({"x-request-id": id}).to_string(), Some((*id).to_owned())));
    let beside = json!({"a": "\u{e4}", "x-request-id": ID}).to_string();
    let bad = hostile().into_iter().map(|headers| (headers, None));
    good.chain([(beside, Some(ID.to_owned()))]).chain(bad).collect()
}

/// Headers that state no id.
fn hostile() -> Vec<String> {
    let too_long = "9".repeat(129);
    let key = format!("sk_live_{}", "a1".repeat(33));
    let token = hs256(&claims_a());
    let texts = [
        "",
        " ",
        "a b",
        " a",
        "a,b",
        "a, a",
        "a\nLOG:  forged",
        "a\r\n2026-01-01 00:00:00.000 UTC [1] LOG:  forged",
        "a\n",
        "a\u{0}",
        "a\u{7}",
        "a\tb",
        "a\"b",
        "a'b",
        "a\\nb",
        "a%0Ab",
        "a;b",
        "a/b",
        "{a}",
        "\u{e4}",
        "a\u{202e}b",
        "\u{ff11}",
        &too_long,
        &key,
        &format!("r:{key}"),
        &token[..128],
        "inv_0123456789012345678901234567890123456789abc",
    ];
    let shapes = [
        "",
        "no JSON",
        "[1]",
        "{}",
        r#"{"x-request-id": 5}"#,
        r#"{"x-request-id": null}"#,
        r#"{"x-request-id": ["a"]}"#,
        r#"{"x-request-id": "a", "x-request-id": "b"}"#,
        r#"{"X-Request-Id": "a"}"#,
        r#"{"x-request-id": "a"} {}"#,
        r#"{"request-id": "a"}"#,
    ];
    let all = shapes.into_iter().map(str::to_owned);
    let large = json!({"x-request-id": "a", "x": "1".repeat(1_000_000)}).to_string();
    all.chain(texts.iter().map(|text| json!({"x-request-id": text}).to_string())).chain([large]).collect()
}

#[test]
fn t607_a_row_has_the_id_of_its_request_or_none() {
    let db = Database::new();
    let org = north(&db);
    let (mut session, mut root) = (db.tenant(), db.superuser());
    for (headers, expected) in stated() {
        signed_in(&mut session, "ada");
        session.execute("select set_config('request.headers', $1, true)", &[&headers]).unwrap();
        session.run(&format!("select auth.create_workspace('{org}', 'w'); commit"));
        let row = newest(&mut root, "action, request_id");
        let expected = expected.map_or_else(String::new, |id| format!(" {id}"));
        let seen: String = headers.chars().take(80).collect();
        assert_eq!(row, Some(format!("workspace.create{expected}")), "{seen}");
    }
}

#[test]
fn t609_a_row_has_the_id_of_no_other_request() {
    let db = Database::new();
    let org = north(&db);
    let (mut session, mut root) = (db.tenant(), db.superuser());
    let set = format!(r#"set local request.headers = '{{"x-request-id": "{ID}"}}'"#);
    let create = format!("select auth.create_workspace('{org}', 'w')");
    // In the same connection, after a commit, a rollback, and a savepoint.
    for before in
        [format!("{set}; {create}; commit; begin"), format!("{set}; {create}; rollback; begin"), set.clone()]
    {
        signed_in(&mut session, "ada");
        let within = before == set;
        session.run(&if within { format!("savepoint s; {before}; {create}; rollback to s") } else { before });
        if !within {
            session.authenticate(&token_of("ada")).unwrap();
        }
        session.run(&format!("{create}; commit"));
        assert_eq!(newest(&mut root, "request_id").as_deref(), Some(""));
    }
    assert_eq!(count(&mut root), 4);
    // What administrators do beside any request has none.
    root.run(&create);
    assert_eq!(newest(&mut root, "coalesce(request_id, '-')").as_deref(), Some("-"));
}

#[test]
fn members_and_administrators_see_the_id_of_the_request() {
    let db = Database::new();
    let org = north(&db);
    let mut session = db.tenant();
    signed_in(&mut session, "ada");
    session.run(&format!(
        r#"set local request.headers = '{{"x-request-id": "{ID}"}}'; select auth.create_workspace('{org}', 'w'); commit"#
    ));
    let shown = format!("select request_id from auth.list_audit_log('{org}')");
    signed_in(&mut session, "ada");
    assert_eq!(session.value(&shown).as_deref(), Some(ID));
    assert_eq!(db.connect("administrator").value(&shown).as_deref(), Some(ID));
    assert_eq!(db.superuser().value("select auth_internal.stated_request_id()"), None);
}
