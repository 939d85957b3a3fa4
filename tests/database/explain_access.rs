//! Why a row is, or is not, there for somebody.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

pub(super) const U1: &str =
    r#"identity => '{"user_id": "u1", "org_id": "0a000000-0000-4000-8000-00000000000a"}'"#;
const AS_TENANT: &str = "as_role => 'tenant'";

/// The rows of an explanation, the conclusion last.
pub(super) fn explain(session: &mut Client, arguments: &str) -> Vec<Value> {
    let sql = format!(
        "select coalesce(jsonb_agg(to_jsonb(e) order by n), '[]') from auth.explain_access({arguments}) with ordinality e
           (policy, applies, kind, expression, verdict, functions, conclusion, n)"
    );
    let rows: Value = serde_json::from_str(&session.value(&sql).unwrap()).unwrap();
    rows.as_array().unwrap().clone()
}

pub(super) fn conclusion(session: &mut Client, arguments: &str) -> String {
    let rows = explain(session, arguments);
    let last = rows.last().unwrap();
    assert_eq!(last["policy"], Value::Null, "the conclusion comes last");
    last["conclusion"].as_str().unwrap().to_owned()
}

pub(super) fn about(table: &str, command: &str, who: &str, key: &str) -> String {
    format!("'{table}', '{command}', {who}, row_key => '{key}', {AS_TENANT}")
}

#[test]
fn it_says_which_policy_denies_and_why() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create policy members on docs for select using (auth.is_member(org_id));
         create policy writers on docs for update to other using (true);
         create policy weekdays on docs as restrictive for select using (owner is null)",
    );
    let rows = explain(&mut session, &about("docs", "select", U1, r#"{"id": 1}"#));
    let told: Vec<(&str, &Value, &Value)> = rows
        .iter()
        .map(|row| (row["policy"].as_str().unwrap_or(""), &row["applies"], &row["verdict"]))
        .collect();
    assert_eq!(
        told,
        [
            ("own_organization", &json!(true), &json!("false")),
            ("members", &json!(true), &json!("false")),
            ("writers", &json!(false), &Value::Null),
            ("weekdays", &json!(true), &json!("true")),
            ("", &Value::Null, &Value::Null),
        ]
    );
    assert_eq!(rows[0]["kind"], "permissive all");
    assert_eq!(rows[0]["expression"], "using (auth.in_org(org_id)) with check (auth.in_org(org_id))");
    assert_eq!(rows[0]["functions"], json!({"auth.in_org(org_id)": false}));
    assert_eq!(
        rows[1]["conclusion"],
        format!("auth.is_member(org_id) is false because user u1 is not a member of {ORG_B}")
    );
    assert_eq!(rows[2]["conclusion"], "does not apply: it is not for SELECT");
    assert_eq!(
        rows[4]["conclusion"],
        format!(
            "denied: no permissive SELECT policy is true; auth.in_org(org_id) is false because the current organization of user u1 is {ORG_A}, not {ORG_B}; auth.is_member(org_id) is false because user u1 is not a member of {ORG_B}"
        )
    );
    let allowed = conclusion(&mut session, &about("docs", "select", U1, r#"{"id": 2}"#));
    assert_eq!(allowed, "allowed: the policies for SELECT are true for role tenant");
    session.run("update docs set owner = 'x' where id = 2");
    assert_contains(
        conclusion(&mut session, &about("docs", "select", U1, r#"{"id": 2}"#)),
        "denied: the restrictive policy weekdays is not true",
    );
    let rows = explain(&mut session, &about("docs", "update", U1, r#"{"id": 4}"#));
    let writers = rows.iter().find(|row| row["policy"] == "writers").unwrap();
    assert_eq!(writers["conclusion"], "does not apply: it is not for role tenant");
}

#[test]
fn calls_are_found_however_they_are_nested_quoted_and_cast() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        r#"create table "Odd ""Table" ("Org Id" text, n int);
           insert into "Odd ""Table" values ('0b000000-0000-4000-8000-00000000000b', 0);
           alter table "Odd ""Table" enable row level security;
           grant select on "Odd ""Table" to tenant;
           create policy "Ünder 'quotes'" on "Odd ""Table" using (
             case when n = 0 then auth.is_member(coalesce(nullif("Org Id", '')::uuid, auth.current_org())) end
             and (select auth.user_id()) = any (array(select auth.claim('it''s (auth.uid())')))
             and exists (select from auth.org_ids_with('a') o where auth.in_org(o[1])))"#,
    );
    let rows = explain(
        &mut session,
        &about(r#""Odd ""Table""#, "select", U1, r#"{"Org Id": "0b000000-0000-4000-8000-00000000000b"}"#),
    );
    assert_eq!(
        rows[0]["functions"],
        json!({
            r#"auth.is_member(COALESCE((NULLIF("Org Id", ''::text))::uuid, auth.current_org()))"#: false,
            "auth.current_org()": ORG_A,
            "auth.user_id()": "u1",
            "auth.claim('it''s (auth.uid())'::text)": null,
            "auth.org_ids_with('a'::text)": [],
        })
    );
}

#[test]
fn returning_and_upserts_need_select_policies_too() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create table notes (id int primary key, org_id uuid, secret bool);
         alter table notes enable row level security; alter table notes force row level security;
         create policy adding on notes for insert with check (auth.in_org(org_id));
         create policy reading on notes for select using (auth.in_org(org_id) and not secret);
         grant select, insert, update on notes to tenant",
    );
    let row = format!(r#"{{"id": 1, "org_id": "{ORG_A}", "secret": true}}"#);
    let told = |session: &mut Client, command: &str, row: &str| {
        conclusion(session, &about("notes", command, U1, row))
    };
    assert_eq!(
        told(&mut session, "insert", &row),
        "allowed: the policies for INSERT are true for role tenant"
    );
    assert_eq!(
        told(&mut session, "insert returning", &row),
        "denied: the row may be inserted, but RETURNING has to show it: no permissive SELECT policy is true"
    );
    // Postgres agrees.
    session.run("begin");
    session.run(&format!(
        r#"select auth.act_as('{{"user_id": "u1", "org_id": "{ORG_A}"}}'); set local role tenant"#
    ));
    session.run(&format!("insert into notes values (1, '{ORG_A}', true); savepoint s"));
    let insert = format!("insert into notes values (2, '{ORG_A}', true) returning id");
    assert_contains(session.refused(&insert), "42501 new row violates row-level security policy");
    session.run("rollback");
    let row = row.replace("true", "false");
    assert_contains(told(&mut session, "INSERT  returning", &row), "allowed");
    session.run(&format!("insert into notes values (1, '{ORG_A}', false)"));
    assert_eq!(
        told(&mut session, "update", r#"{"id": 1}"#),
        "denied: no permissive UPDATE policy applies to role tenant"
    );
    session.run("create policy changing on notes for update using (true) with check (secret)");
    assert_contains(
        told(&mut session, "upsert", r#"{"id": 1}"#),
        "denied: the row may not be written as it is then: no permissive UPDATE policy is true",
    );
    assert_eq!(
        told(&mut session, "delete", r#"{"id": 1}"#),
        "denied: role tenant lacks DELETE on public.notes"
    );
}

#[test]
fn it_knows_why_row_security_does_not_apply_and_what_was_not_granted() {
    let db = Database::new();
    let mut session = db.superuser();
    let (role, member) = (format!("bypassing_{}", db.name), format!("member_{}", db.name));
    session.run(&format!(
        "create role {role} bypassrls; create role {member} in role table_owner;
         grant select on docs to {role};
         create table open (id int primary key, org_id uuid); grant select (id) on open to tenant;
         create schema hidden; create table hidden.docs (id int); alter table hidden.docs enable row level security;
         grant select on hidden.docs to tenant;
         create table empty (id int); alter table empty enable row level security; grant select on empty to tenant"
    ));
    let ask = |session: &mut Client, table: &str, role: &str| {
        conclusion(session, &format!("'{table}', 'select', as_role => '{role}'"))
    };
    assert_eq!(
        ask(&mut session, "docs", "postgres"),
        "allowed: row-level security does not apply, since role postgres is a superuser"
    );
    assert_eq!(
        conclusion(&mut session, "'docs', 'insert', as_role => 'postgres'"),
        "allowed: row-level security does not apply, since role postgres is a superuser"
    );
    assert_eq!(
        ask(&mut session, "docs", &role),
        format!("allowed: row-level security does not apply, since role {role} has BYPASSRLS")
    );
    assert_contains(ask(&mut session, "docs", &member), "depends on the row");
    session.run("alter table docs no force row level security");
    assert_eq!(
        ask(&mut session, "docs", &member),
        format!(
            "allowed: row-level security does not apply, since public.docs belongs to role {member}, whose row-level security is not forced"
        )
    );
    assert_eq!(
        ask(&mut session, "open", "tenant"),
        "allowed: row-level security does not apply, since row-level security is not enabled on public.open; SELECT is granted only on id"
    );
    assert_eq!(ask(&mut session, "open", "other"), "denied: role other lacks SELECT on public.open");
    assert_eq!(
        ask(&mut session, "hidden.docs", "tenant"),
        "denied: role tenant lacks USAGE on schema hidden"
    );
    assert_eq!(
        ask(&mut session, "empty", "tenant"),
        "denied: no permissive SELECT policy applies to role tenant"
    );
    session.run(&format!("drop owned by {role}; drop role {role}, {member}"));
}

#[test]
fn a_role_s_policies_are_those_that_it_inherits() {
    let db = Database::new();
    let mut session = db.superuser();
    let (group, user) = (format!("group_{}", db.name), format!("user_{}", db.name));
    session.run(&format!(
        "create role {group}; create role {user} in role {group}; grant select on docs to {user};
         drop policy own_organization on docs; create policy grouped on docs to {group} using (auth.is_authenticated())"
    ));
    let ask = format!("'docs', 'select', {U1}, row_key => '{{\"id\": 1}}', as_role => '{user}'");
    assert_contains(conclusion(&mut session, &ask), "allowed");
    session.run(&format!("alter role {user} noinherit"));
    session.run(&format!("revoke {group} from {user}; drop policy grouped on docs"));
    assert_contains(conclusion(&mut session, &ask), "denied: no permissive SELECT policy applies");
    session.run(&format!("drop owned by {user}, {group}; drop role {user}, {group}"));
}

#[test]
fn credentials_are_explained_too_and_refused_ones_say_why() {
    let db = Database::new();
    let mut session = db.superuser();
    let who = |token: &str| format!("credential => '{token}'");
    let ask = about("docs", "select", &who(&token_a()), r#"{"id": 1}"#);
    assert_contains(
        conclusion(&mut session, &ask),
        &format!("the current organization of user {USER_A} is {ORG_A}"),
    );
    let expired = hs256(&with(claims_a(), json!({"exp": now() - 3600, "iat": now() - 7200})));
    let rows = explain(&mut session, &about("docs", "select", &who(&expired), r#"{"id": 1}"#));
    assert_eq!(rows.len(), 1);
    assert_contains(&rows[0]["conclusion"], "refused: ");
    assert_contains(&rows[0]["conclusion"], "expired");
    let nobody =
        conclusion(&mut session, &format!("'docs', 'select', row_key => '{{\"id\": 1}}', {AS_TENANT}"));
    assert_eq!(
        nobody,
        "denied: no permissive SELECT policy is true; auth.in_org(org_id) is null because nobody is signed in"
    );
    let both = format!("select auth.explain_access('docs', 'select', '{}', '{{}}', {AS_TENANT})", token_a());
    assert_eq!(session.refused(&both), "22023 either a credential or an identity is asked about, not both");
}

#[test]
fn an_error_in_a_policy_is_a_verdict() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create policy dividing on docs using (1 / (id - 1) > 0)");
    let rows = explain(&mut session, &about("docs", "select", U1, r#"{"id": 1}"#));
    assert_eq!(rows[0]["verdict"], "error: division by zero");
    assert_eq!(rows[2]["conclusion"], "fails: policy dividing raises an error (division by zero)");
    // A time limit is the caller's, and no verdict.
    session.run("drop policy dividing on docs; create policy waiting on docs using (pg_sleep(60) is null)");
    session.run("set statement_timeout = '200ms'");
    let ask = about("docs", "select", U1, r#"{"id": 1}"#);
    assert!(session.refused(&format!("select auth.explain_access({ask})")).starts_with("57014"));
}

#[test]
fn a_clause_that_a_policy_does_not_have_is_neither_true_nor_wrong() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("create policy writing on docs with check (true)");
    for (command, verdict) in [("select", Value::Null), ("update", json!("with check true"))] {
        let rows = explain(&mut session, &about("docs", command, U1, r#"{"id": 1}"#));
        let writing = rows.iter().find(|row| row["policy"] == "writing").unwrap();
        assert_eq!(writing["verdict"], verdict, "{command}");
    }
}

#[test]
fn it_leaves_nothing_and_needs_nothing_to_be_writable() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("begin read only");
    session.authenticate(&token_b()).unwrap();
    let ask = about("docs", "select", U1, r#"{"id": 1}"#);
    assert_contains(conclusion(&mut session, &ask), "denied");
    assert_eq!(session.value("select auth.current_org()").as_deref(), Some(ORG_B));
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
    assert_eq!(
        session.value("select current_user || current_setting('transaction_read_only')").as_deref(),
        Some("postgreson")
    );
    session.run("rollback; begin");
    assert_contains(conclusion(&mut session, &ask), "denied");
    assert_eq!(session.value("select auth.identity()"), None);
    assert_eq!(session.value("select current_setting('transaction_read_only')").as_deref(), Some("off"));
    session.run("rollback; set row_security = off");
    // Whatever the caller has set, policies are asked.
    assert_contains(conclusion(&mut session, &ask), "denied");
    let seen = session.value(&format!(
        r#"select count(*) from auth.rows_visible_to('docs', '{{"org_id": "{ORG_A}"}}', 'tenant')"#
    ));
    assert_eq!(seen.as_deref(), Some("500"));
}

#[test]
fn functions_of_policies_find_what_they_find_in_the_caller_s_search_path() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "create schema app; create table app.allowed (id int); insert into app.allowed values (1);
         create function app.is_allowed(int) returns bool language plpgsql security definer as 'begin return exists (select from allowed where id = $1); end';
         create schema private; create function private.always() returns bool language sql as 'select true';
         create policy helped on docs using (app.is_allowed(id) and private.always()); grant usage on schema app, private to table_owner",
    );
    let ask = about("docs", "select", U1, r#"{"id": 1}"#);
    assert_contains(conclusion(&mut session, &ask), "relation \"allowed\" does not exist");
    session.run("set search_path = app, public");
    // The role needs no right to the schemas of the functions, here no more than in a query.
    assert_contains(conclusion(&mut session, &ask), "allowed");
    session.run("reset search_path");
    assert_contains(conclusion(&mut session, &format!("{ask}, helper_search_path => 'app'")), "allowed");
}
